//! Lua's patterns, matched in a bounded number of steps at a time.
//!
//! The matcher of Lua's own library cannot be interrupted, recurs as deep as a pattern is long, and takes exponential
//! time where a pattern is made for it. This one does what that one does, and asks its caller after every
//! [`STEPS`] steps whether to go on; how deep it recurs is bounded.

/// Captures of one pattern at most.
pub(super) const CAPTURES_MAX: usize = 32;
/// Levels of recursion: parts of a pattern that may have to be tried again.
const DEPTH_MAX: usize = 200;
/// Steps between two questions.
const STEPS: u32 = 1 << 16;

/// Why a match ended without a result.
#[derive(Debug)]
pub(super) enum Fault<E> {
    /// The pattern is no pattern.
    Malformed(String),
    /// The caller does not want to go on.
    Stopped(E),
}

impl<E> From<&str> for Fault<E> {
    fn from(text: &str) -> Self {
        Fault::Malformed(text.to_owned())
    }
}

/// A part of the subject, or a place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Capture {
    /// Begun and not closed.
    Open(usize),
    /// From, and how long.
    Part(usize, usize),
    /// `()`: a place.
    Place(usize),
}

/// One subject with one pattern.
pub(super) struct Matcher<'a, F> {
    subject: &'a [u8],
    pattern: &'a [u8],
    pub captures: Vec<Capture>,
    steps: u32,
    /// Asked whether to go on.
    go_on: F,
}

type Found<E> = Result<Option<usize>, Fault<E>>;

impl<'a, E, F: FnMut() -> Result<(), E>> Matcher<'a, F> {
    pub(super) fn new(subject: &'a [u8], pattern: &'a [u8], go_on: F) -> Self {
        Self { subject, pattern, captures: Vec::new(), steps: 0, go_on }
    }

    /// Matches the pattern at one place; where the match ends.
    pub(super) fn at(&mut self, start: usize, pattern: usize) -> Found<E> {
        self.captures.clear();
        self.step()?;
        self.run(start, pattern, DEPTH_MAX)
    }

    fn step(&mut self) -> Result<(), Fault<E>> {
        self.steps += 1;
        if self.steps >= STEPS {
            self.steps = 0;
            (self.go_on)().map_err(Fault::Stopped)?;
        }
        Ok(())
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.pattern.get(at).copied()
    }

    fn run(&mut self, mut s: usize, mut p: usize, depth: usize) -> Found<E> {
        let Some(depth) = depth.checked_sub(1) else { return Err("pattern too complex".into()) };
        loop {
            self.step()?;
            match self.byte(p) {
                None => return Ok(Some(s)),
                Some(b'(') => {
                    let place = self.byte(p + 1) == Some(b')');
                    if self.captures.len() >= CAPTURES_MAX {
                        return Err("too many captures".into());
                    }
                    self.captures.push(if place { Capture::Place(s) } else { Capture::Open(s) });
                    let len = self.captures.len();
                    let found = self.run(s, p + 1 + usize::from(place), depth)?;
                    if found.is_none() {
                        self.captures.truncate(len - 1);
                    }
                    return Ok(found);
                }
                Some(b')') => {
                    let open = self.captures.iter().rposition(|capture| matches!(capture, Capture::Open(_)));
                    let Some(open) = open else { return Err("invalid pattern capture".into()) };
                    let Capture::Open(start) = self.captures[open] else { return Ok(None) };
                    self.captures[open] = Capture::Part(start, s - start);
                    let found = self.run(s, p + 1, depth)?;
                    if found.is_none()
                        && let Some(capture) = self.captures.get_mut(open)
                    {
                        *capture = Capture::Open(start);
                    }
                    return Ok(found);
                }
                Some(b'%') => match self.byte(p + 1) {
                    Some(b'b') => match self.balance(s, p + 2)? {
                        Some(end) => {
                            (s, p) = (end, p + 4);
                            continue;
                        }
                        None => return Ok(None),
                    },
                    Some(b'f') => {
                        p += 2;
                        if self.byte(p) != Some(b'[') {
                            return Err("missing '[' after '%f' in pattern".into());
                        }
                        let end = self.class_end(p)?;
                        let before =
                            s.checked_sub(1).and_then(|at| self.subject.get(at)).copied().unwrap_or(0);
                        let here = self.subject.get(s).copied().unwrap_or(0);
                        if self.in_set(before, p, end - 1) || !self.in_set(here, p, end - 1) {
                            return Ok(None);
                        }
                        p = end;
                        continue;
                    }
                    Some(digit) if digit.is_ascii_digit() => match self.back(s, digit)? {
                        Some(end) => {
                            (s, p) = (end, p + 2);
                            continue;
                        }
                        None => return Ok(None),
                    },
                    _ => {}
                },
                Some(b'$') if p + 1 == self.pattern.len() => {
                    return Ok((s == self.subject.len()).then_some(s));
                }
                _ => {}
            }
            let end = self.class_end(p)?;
            let here = self.subject.get(s).is_some_and(|&byte| self.single(byte, p, end));
            match self.byte(end) {
                Some(b'?') => {
                    if here && let Some(found) = self.run(s + 1, end + 1, depth)? {
                        return Ok(Some(found));
                    }
                    p = end + 1;
                }
                Some(b'*') => return self.greedy(s, p, end, depth),
                Some(b'+') => return if here { self.greedy(s + 1, p, end, depth) } else { Ok(None) },
                Some(b'-') => return self.lazy(s, p, end, depth),
                _ if here => (s, p) = (s + 1, end),
                _ => return Ok(None),
            }
        }
    }

    fn greedy(&mut self, s: usize, p: usize, end: usize, depth: usize) -> Found<E> {
        let mut count = 0;
        while self.subject.get(s + count).is_some_and(|&byte| self.single(byte, p, end)) {
            count += 1;
            self.step()?;
        }
        loop {
            if let Some(found) = self.run(s + count, end + 1, depth)? {
                return Ok(Some(found));
            }
            match count.checked_sub(1) {
                Some(fewer) => count = fewer,
                None => return Ok(None),
            }
        }
    }

    fn lazy(&mut self, mut s: usize, p: usize, end: usize, depth: usize) -> Found<E> {
        loop {
            if let Some(found) = self.run(s, end + 1, depth)? {
                return Ok(Some(found));
            }
            if !self.subject.get(s).is_some_and(|&byte| self.single(byte, p, end)) {
                return Ok(None);
            }
            s += 1;
        }
    }

    /// `%bxy`.
    fn balance(&mut self, s: usize, p: usize) -> Found<E> {
        let (Some(open), Some(close)) = (self.byte(p), self.byte(p + 1)) else {
            return Err("unbalanced pattern".into());
        };
        if self.subject.get(s) != Some(&open) {
            return Ok(None);
        }
        let mut level = 1usize;
        let mut at = s + 1;
        while let Some(&byte) = self.subject.get(at) {
            self.step()?;
            if byte == close {
                level -= 1;
                if level == 0 {
                    return Ok(Some(at + 1));
                }
            } else if byte == open {
                level += 1;
            }
            at += 1;
        }
        Ok(None)
    }

    /// `%1`: what was captured, once more.
    fn back(&mut self, s: usize, digit: u8) -> Found<E> {
        let captured = usize::from(digit).checked_sub(usize::from(b'1')).and_then(|at| self.captures.get(at));
        let (start, len) = match captured {
            Some(Capture::Part(start, len)) => (*start, *len),
            // A place has no text that could come again.
            Some(Capture::Place(_)) => return Ok(None),
            _ => return Err("invalid capture index".into()),
        };
        let again = self.subject.get(start..start + len);
        Ok((self.subject.get(s..s + len) == again).then_some(s + len))
    }

    /// Where a single character of the pattern ends.
    fn class_end(&self, p: usize) -> Result<usize, Fault<E>> {
        let mut at = p + 1;
        match self.byte(p) {
            Some(b'%') => match self.byte(at) {
                None => Err("malformed pattern (ends with '%')".into()),
                Some(_) => Ok(at + 1),
            },
            Some(b'[') => {
                if self.byte(at) == Some(b'^') {
                    at += 1;
                }
                // The first may be a ']' that stands for itself.
                loop {
                    let Some(byte) = self.byte(at) else {
                        return Err("malformed pattern (missing ']')".into());
                    };
                    at += 1;
                    if byte == b'%' && self.byte(at).is_some() {
                        at += 1;
                    }
                    if self.byte(at) == Some(b']') {
                        return Ok(at + 1);
                    }
                }
            }
            _ => Ok(at),
        }
    }

    /// Whether a byte is what one character of the pattern stands for.
    fn single(&self, byte: u8, p: usize, end: usize) -> bool {
        match self.byte(p) {
            Some(b'.') => true,
            Some(b'%') => self.byte(p + 1).is_some_and(|class| in_class(byte, class)),
            Some(b'[') => self.in_set(byte, p, end - 1),
            other => other == Some(byte),
        }
    }

    /// Whether a byte is in the set that begins at `p` and whose bracket closes at `close`.
    fn in_set(&self, byte: u8, p: usize, close: usize) -> bool {
        let mut at = p + 1;
        let negated = self.byte(at) == Some(b'^');
        if negated {
            at += 1;
        }
        while at < close {
            let Some(first) = self.byte(at) else { break };
            if first == b'%' {
                if self.byte(at + 1).is_some_and(|class| in_class(byte, class)) {
                    return !negated;
                }
                at += 2;
            } else if self.byte(at + 1) == Some(b'-') && at + 2 < close {
                if self.byte(at + 2).is_some_and(|last| (first..=last).contains(&byte)) {
                    return !negated;
                }
                at += 3;
            } else {
                if first == byte {
                    return !negated;
                }
                at += 1;
            }
        }
        negated
    }
}

/// Whether a byte is of a class such as `%a`, in the C locale.
fn in_class(byte: u8, class: u8) -> bool {
    let found = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => byte.is_ascii_whitespace() || byte == 0x0B,
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    found != class.is_ascii_uppercase()
}

/// Whether a pattern has nothing that is not taken literally.
pub(super) fn is_plain(pattern: &[u8]) -> bool {
    !pattern.iter().any(|byte| b"^$*+?.([%-".contains(byte))
}

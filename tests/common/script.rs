//! The grammar of test scripts; see the module above for the notation.

use super::resp::{Value, quote, show};
use std::fmt;
use std::time::Duration;

/// A script, line by line.
pub struct Script {
    pub steps: Vec<Step>,
    pub no_oracle: bool,
    /// The script needs what Redis 7.0 does not have.
    pub newer: bool,
}

pub struct Step {
    /// From 1.
    pub line: usize,
    pub action: Action,
}

pub enum Action {
    Advance(Duration),
    Command { session: String, argv: Vec<Vec<u8>>, expect: Option<Expect> },
    Receive { session: String, expect: Expect },
}

/// What a reply has to look like.
#[derive(Debug)]
pub enum Expect {
    Any,
    Exactly(Value),
    SimpleGlob(Vec<u8>),
    ErrorGlob(Vec<u8>),
    BulkGlob(Vec<u8>),
    IntIn(i64, i64),
    Array(Vec<Expect>),
    AnyOrder(Vec<Expect>),
    Set(Vec<Expect>),
    Push(Vec<Expect>),
    Map(Vec<(Expect, Expect)>),
    /// `nil` and `nil-array` are the same in RESP3.
    NilArray,
    Blocks,
    NoReply,
    Closed,
}

impl Script {
    /// Reads a script.
    ///
    /// # Panics
    /// A line that makes no sense.
    pub fn parse(text: &str) -> Script {
        let mut script = Script { steps: Vec::new(), no_oracle: false, newer: false };
        for (number, line) in text.lines().enumerate() {
            let (number, line) = (number + 1, line.trim());
            let refuse = |why: &str| -> ! { panic!("line {number} of the script: {why}: {line}") };
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(word) = line.strip_prefix('!') {
                let words: Vec<&str> = word.split_whitespace().collect();
                match words[..] {
                    ["no-oracle"] => script.no_oracle = true,
                    ["only", "7.2"] => script.newer = true,
                    ["advance", by] => match duration(by) {
                        Some(by) => script.steps.push(Step { line: number, action: Action::Advance(by) }),
                        None => refuse("no duration"),
                    },
                    _ => refuse("no such directive"),
                }
                continue;
            }
            let Some(at) = line.find(['>', '<']) else { refuse("neither > nor <") };
            let (session, rest) = (line[..at].trim().to_owned(), &line[at + 1..]);
            let action = if line.as_bytes()[at] == b'<' {
                let expect = expectation(rest).unwrap_or_else(|why| refuse(&why));
                Action::Receive { session, expect }
            } else {
                let (command, expect) = match rest.rfind(" < ") {
                    Some(at) => (&rest[..at], Some(&rest[at + 3..])),
                    None => (rest, None),
                };
                let expect = expect.map(|text| expectation(text).unwrap_or_else(|why| refuse(&why)));
                let argv = words(command).unwrap_or_else(|why| refuse(&why));
                Action::Command { session, argv, expect }
            };
            script.steps.push(Step { line: number, action });
        }
        script
    }

    /// Whether the script moves the clock.
    pub fn advances(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.action, Action::Advance(_)))
    }

    /// The names of its sessions.
    pub fn sessions(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .steps
            .iter()
            .filter_map(|step| match &step.action {
                Action::Advance(_) => None,
                Action::Command { session, .. } | Action::Receive { session, .. } => Some(session.as_str()),
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn duration(text: &str) -> Option<Duration> {
    if let Some(ms) = text.strip_suffix("ms") {
        return ms.parse().ok().map(Duration::from_millis);
    }
    text.strip_suffix('s')?.parse().ok().map(Duration::from_secs_f64)
}

/// Splits a line into arguments as redis-cli does.
///
/// # Errors
/// Quotes that are not closed.
pub fn words(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut words = Vec::new();
    let mut rest = text.as_bytes();
    loop {
        while let Some(next) = rest.strip_prefix(b" ") {
            rest = next;
        }
        match rest.first() {
            None => break,
            Some(b'"' | b'\'') => {
                let (word, next) = quoted(rest)?;
                if next.first().is_some_and(|byte| *byte != b' ') {
                    return Err("something follows a closing quote".into());
                }
                words.push(word);
                rest = next;
            }
            Some(_) => {
                let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
                words.push(rest[..end].to_vec());
                rest = &rest[end..];
            }
        }
    }
    if words.is_empty() { Err("no command".into()) } else { Ok(words) }
}

/// Reads the quoted string that `text` begins with; also what follows it.
fn quoted(text: &[u8]) -> Result<(Vec<u8>, &[u8]), String> {
    let quote = text[0];
    let (mut out, mut at) = (Vec::new(), 1);
    loop {
        match (text.get(at), quote) {
            (None, _) => return Err("a quote is not closed".into()),
            (Some(byte), _) if *byte == quote => return Ok((out, &text[at + 1..])),
            (Some(b'\\'), b'"') => {
                at += 1;
                match text.get(at) {
                    Some(b'n') => out.push(b'\n'),
                    Some(b'r') => out.push(b'\r'),
                    Some(b't') => out.push(b'\t'),
                    Some(b'a') => out.push(7),
                    Some(b'b') => out.push(8),
                    Some(b'x') => {
                        let digits = text.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
                        let byte = digits.and_then(|hex| u8::from_str_radix(hex, 16).ok());
                        out.push(byte.ok_or("\\x wants two hexadecimal digits")?);
                        at += 2;
                    }
                    Some(byte) => out.push(*byte),
                    None => return Err("a quote is not closed".into()),
                }
            }
            (Some(b'\\'), _) if text.get(at + 1) == Some(&b'\'') => {
                out.push(b'\'');
                at += 1;
            }
            (Some(byte), _) => out.push(*byte),
        }
        at += 1;
    }
}

/// Reads what stands behind ` < `.
fn expectation(text: &str) -> Result<Expect, String> {
    let text = text.trim();
    match text {
        "blocks" => return Ok(Expect::Blocks),
        "none" => return Ok(Expect::NoReply),
        "closed" => return Ok(Expect::Closed),
        _ => {}
    }
    // Statuses and errors hold blanks, so they reach to the end of the line.
    if let Some(glob) = text.strip_prefix('+') {
        return Ok(Expect::SimpleGlob(glob.as_bytes().to_vec()));
    }
    if let Some(glob) = text.strip_prefix('-') {
        return Ok(Expect::ErrorGlob(glob.as_bytes().to_vec()));
    }
    let mut rest = text.as_bytes();
    let expect = element(&mut rest)?;
    match trimmed(rest) {
        [] => Ok(expect),
        [b'(', .., b')'] => Ok(expect),
        rest => Err(format!("left over: {}", show(rest))),
    }
}

fn trimmed(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

fn element(rest: &mut &[u8]) -> Result<Expect, String> {
    *rest = rest.trim_ascii_start();
    let eat = |rest: &mut &[u8], prefix: &[u8]| match rest.strip_prefix(prefix) {
        Some(next) => {
            *rest = next;
            true
        }
        None => false,
    };
    if let Some(b'"' | b'\'') = rest.first() {
        let (text, next) = quoted(rest)?;
        *rest = next;
        return Ok(Expect::Exactly(Value::Bulk(text)));
    }
    if eat(rest, b"=~") {
        let (text, next) = quoted(rest)?;
        *rest = next;
        return Ok(Expect::BulkGlob(text));
    }
    if eat(rest, b"=") {
        let (text, next) = quoted(rest)?;
        *rest = next;
        return Ok(Expect::Exactly(Value::Verbatim(text)));
    }
    for (open, close, make) in [
        (&b"["[..], b']', Expect::Array as fn(Vec<Expect>) -> Expect),
        (b"{", b'}', Expect::AnyOrder),
        (b"~[", b']', Expect::Set),
        (b"~{", b'}', Expect::Set),
        (b">[", b']', Expect::Push),
    ] {
        if eat(rest, open) {
            return Ok(make(elements(rest, close)?));
        }
    }
    if eat(rest, b"%{") {
        let mut items = elements(rest, b'}')?.into_iter();
        let mut pairs = Vec::new();
        while let Some(key) = items.next() {
            pairs.push((key, items.next().ok_or("a map with half a pair")?));
        }
        return Ok(Expect::Map(pairs));
    }
    let end = rest.iter().position(|byte| b" ]}".contains(byte)).unwrap_or(rest.len());
    let word = String::from_utf8_lossy(&rest[..end]).into_owned();
    *rest = &rest[end..];
    let (first, tail) = word.split_at(word.len().min(1));
    match (first, tail) {
        ("*", "") => Ok(Expect::Any),
        ("+", text) => Ok(Expect::SimpleGlob(text.as_bytes().to_vec())),
        ("-", text) => Ok(Expect::ErrorGlob(text.as_bytes().to_vec())),
        (":", "*") => Ok(Expect::IntIn(i64::MIN, i64::MAX)),
        (":", number) => {
            let (low, high) = number.split_once("..").unwrap_or((number, number));
            match (low.parse(), high.parse()) {
                (Ok(low), Ok(high)) => Ok(Expect::IntIn(low, high)),
                _ => Err(format!("no number: {number}")),
            }
        }
        (",", text) => Ok(Expect::Exactly(Value::Double(text.to_owned()))),
        ("#", "t" | "f") => Ok(Expect::Exactly(Value::Boolean(tail == "t"))),
        ("(", digits) => Ok(Expect::Exactly(Value::BigNumber(digits.to_owned()))),
        _ => match word.as_str() {
            "nil" => Ok(Expect::Exactly(Value::Nil)),
            "nil-array" => Ok(Expect::NilArray),
            _ => Err(format!("no reply: {word}")),
        },
    }
}

fn elements(rest: &mut &[u8], close: u8) -> Result<Vec<Expect>, String> {
    let mut items = Vec::new();
    loop {
        *rest = rest.trim_ascii_start();
        match rest.first() {
            None => return Err(format!("no {}", char::from(close))),
            Some(byte) if *byte == close => {
                *rest = &rest[1..];
                return Ok(items);
            }
            Some(_) => items.push(element(rest)?),
        }
    }
}

impl Expect {
    /// Whether a reply is as expected.
    pub fn matches(&self, value: &Value) -> bool {
        let glob = |pattern: &[u8], text: &[u8]| glob(pattern, text);
        let all = |wanted: &[Expect], got: &[Value]| {
            wanted.len() == got.len() && wanted.iter().zip(got).all(|(wanted, got)| wanted.matches(got))
        };
        match (self, value) {
            (Expect::Any, _) => true,
            (Expect::Exactly(wanted), got) => wanted == got,
            (Expect::SimpleGlob(pattern), Value::Simple(text))
            | (Expect::ErrorGlob(pattern), Value::Error(text))
            | (Expect::BulkGlob(pattern), Value::Bulk(text) | Value::Verbatim(text)) => glob(pattern, text),
            (Expect::IntIn(low, high), Value::Int(value)) => (low..=high).contains(&value),
            (Expect::Array(wanted), Value::Array(got)) | (Expect::Push(wanted), Value::Push(got)) => {
                all(wanted, got)
            }
            (Expect::AnyOrder(wanted), Value::Array(got) | Value::Set(got))
            | (Expect::Set(wanted), Value::Set(got)) => any_order(wanted, got, Expect::matches),
            (Expect::Map(wanted), Value::Map(got)) => {
                any_order(wanted, got, |wanted, got| wanted.0.matches(&got.0) && wanted.1.matches(&got.1))
            }
            (Expect::NilArray, Value::NilArray | Value::Nil) => true,
            _ => false,
        }
    }
}

/// Whether each wanted one has a partner of its own; exact ones choose before patterns do.
fn any_order<W, G>(wanted: &[W], got: &[G], matches: impl Fn(&W, &G) -> bool) -> bool {
    let mut left: Vec<&G> = got.iter().collect();
    wanted.len() == got.len()
        && wanted.iter().all(|wanted| match left.iter().position(|got| matches(wanted, got)) {
            Some(at) => {
                left.remove(at);
                true
            }
            None => false,
        })
}

/// Matches text in which `*` stands for anything; the rest is meant literally.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', rest @ ..] => (0..=text.len()).any(|at| glob(rest, &text[at..])),
        [byte, rest @ ..] => text.first() == Some(byte) && glob(rest, &text[1..]),
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, open: &str, items: &[Expect], close: &str| {
            f.write_str(open)?;
            for (at, item) in items.iter().enumerate() {
                write!(f, "{}{item}", if at == 0 { "" } else { " " })?;
            }
            f.write_str(close)
        };
        match self {
            Expect::Any => f.write_str("*"),
            Expect::Exactly(value) => value.fmt(f),
            Expect::SimpleGlob(text) => write!(f, "+{}", show(text)),
            Expect::ErrorGlob(text) => write!(f, "-{}", show(text)),
            Expect::BulkGlob(text) => write!(f, "=~{}", quote(text)),
            Expect::IntIn(low, high) if low == high => write!(f, ":{low}"),
            Expect::IntIn(low, high) => write!(f, ":{low}..{high}"),
            Expect::Array(items) => list(f, "[", items, "]"),
            Expect::AnyOrder(items) => list(f, "{", items, "}"),
            Expect::Set(items) => list(f, "~{", items, "}"),
            Expect::Push(items) => list(f, ">[", items, "]"),
            Expect::Map(pairs) => {
                f.write_str("%{")?;
                for (at, (key, value)) in pairs.iter().enumerate() {
                    write!(f, "{}{key} {value}", if at == 0 { "" } else { " " })?;
                }
                f.write_str("}")
            }
            Expect::NilArray => f.write_str("nil-array"),
            Expect::Blocks => f.write_str("blocks"),
            Expect::NoReply => f.write_str("none"),
            Expect::Closed => f.write_str("closed"),
        }
    }
}

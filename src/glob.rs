//! Redis' glob patterns: `KEYS`, `SCAN MATCH`, `PSUBSCRIBE`, `CONFIG GET`.
//!
//! Owns the meaning of a pattern, knows nothing of what is matched. `*` is any run of bytes, `?` one byte, `[a-z]` a
//! class, `[^…]` its complement, `\x` the byte `x`. Every token but `*` takes exactly one byte, so once the part after
//! a `*` has matched as early as it can, no later place can do better: only the *last* star is ever retried (what
//! Redis' `skipLongerMatches` finds out by recursion). There is no recursion here, and the work is counted.
//!
//! **Invariant:** the time a match takes is bounded by [`STEPS_MAX`], whoever wrote the pattern. A match that would take
//! longer is no match; the longest honest patterns stay a thousand times below.

/// Pattern bytes looked at before a match is given up: some tens of milliseconds.
pub const STEPS_MAX: usize = 1 << 24;

/// Whether all of `text` matches `pattern`; `nocase` compares ASCII letters without their case.
///
/// O(pattern × text) at worst, and never more than [`STEPS_MAX`] steps.
///
/// ```
/// use damselfly::glob::matches;
/// assert!(matches(b"user:[0-9]*", b"user:42", false));
/// assert!(!matches(b"user:[^0-9]*", b"user:42", false));
/// assert!(matches(b"HELLO\\?", b"hello?", true));
/// ```
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    if text.is_empty() {
        // Redis looks at no pattern when there is no text: even `*` needs a byte.
        return pattern.is_empty();
    }
    let (mut at, mut place) = (0, 0);
    // Where to resume when a byte does not fit: after the last star, one byte further on.
    let mut retry: Option<(usize, usize)> = None;
    let mut steps = 0usize;
    while let Some(&byte) = text.get(place) {
        let fit = match pattern.get(at) {
            None => None,
            Some(b'*') => {
                while pattern.get(at) == Some(&b'*') {
                    at += 1;
                }
                if at == pattern.len() {
                    return true;
                }
                retry = Some((at, place));
                continue;
            }
            Some(_) => token(&pattern[at..], byte, nocase),
        };
        let (fits, width) = fit.unwrap_or((false, 1));
        steps = steps.saturating_add(width);
        if steps > STEPS_MAX {
            return false;
        }
        if fits {
            at += width;
            place += 1;
        } else if let Some((after_star, from)) = retry {
            retry = Some((after_star, from + 1));
            at = after_star;
            place = from + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

/// Holds one byte against the token that opens `pattern` (not a star); also how many bytes the token takes.
fn token(pattern: &[u8], byte: u8, nocase: bool) -> Option<(bool, usize)> {
    match *pattern {
        [b'?', ..] => Some((true, 1)),
        [b'[', ..] => Some(class(pattern, byte, nocase)),
        [b'\\', escaped, ..] => Some((same(escaped, byte, nocase), 2)),
        [plain, ..] => Some((same(plain, byte, nocase), 1)),
        [] => None,
    }
}

fn same(a: u8, b: u8, nocase: bool) -> bool {
    a == b || (nocase && a.eq_ignore_ascii_case(&b))
}

/// A class, `pattern[0]` being its bracket. Redis' corners are kept: an unclosed class ends with the pattern, bounds
/// in the wrong order are swapped before their case is dropped, an escaped byte keeps its case, and bytes compare as
/// signed (`char` on the machines Redis is built for).
fn class(pattern: &[u8], byte: u8, nocase: bool) -> (bool, usize) {
    let fold = |byte: u8| (if nocase { byte.to_ascii_lowercase() } else { byte }).cast_signed();
    let inverted = pattern.get(1) == Some(&b'^');
    let mut at = if inverted { 2 } else { 1 };
    let mut found = false;
    let width = loop {
        match pattern.get(at..).unwrap_or_default() {
            [] => break pattern.len(),
            [b'\\', escaped, ..] => {
                found |= *escaped == byte;
                at += 2;
            }
            [b']', ..] => break at + 1,
            [first, b'-', last, ..] => {
                let (low, high) =
                    if first.cast_signed() > last.cast_signed() { (last, first) } else { (first, last) };
                found |= (fold(*low)..=fold(*high)).contains(&fold(byte));
                at += 3;
            }
            [plain, ..] => {
                found |= same(*plain, byte, nocase);
                at += 1;
            }
        }
    };
    (found != inverted, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::{Arbitrary, Gen, quickcheck};
    use std::collections::HashSet;

    #[test]
    fn the_corners_of_redis_are_kept() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("*", "", false),
            ("*", "a", true),
            ("**a**", "a", true),
            ("a*", "a", true),
            ("h?llo", "hello", true),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hbllo", true),
            ("h\\*llo", "h*llo", true),
            ("h\\*llo", "hxllo", false),
            ("a\\", "a\\", true),
            ("[", "a", false),
            ("[^", "a", true),
            ("[abc", "c", true),
            ("[]", "a", false),
            ("[^]", "a", true),
            ("[a-]", "-", false),
            ("[\\]]", "]", true),
            ("*ab*cd", "xxabyycdcd", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes(), false), fits, "{pattern} {text}");
        }
    }

    /// The meaning of a pattern, by trying everything.
    fn model(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
        match (pattern, text) {
            ([], _) => text.is_empty(),
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|from| model(rest, &text[from..], nocase)),
            (_, []) => false,
            (_, [byte, later @ ..]) => {
                let (fits, width) = token(pattern, *byte, nocase).unwrap_or((false, 1));
                fits && model(&pattern[width..], later, nocase)
            }
        }
    }

    /// Few bytes, so that they meet; `shape` picks them.
    fn draw(shape: &[u8], from: &[u8]) -> Vec<u8> {
        shape.iter().take(12).map(|pick| from[usize::from(*pick) % from.len()]).collect()
    }

    const PATTERN_BYTES: &[u8] = b"**??[[]]^^--\\\\abcABC\x80\xff\x00";
    const TEXT_BYTES: &[u8] = b"aabbcABC[]^-\\*?\x80\xff\x00";

    quickcheck! {
        fn one_star_retried_is_as_good_as_all(pattern: Vec<u8>, text: Vec<u8>, nocase: bool) -> bool {
            let (pattern, text) = (draw(&pattern, PATTERN_BYTES), draw(&text, TEXT_BYTES));
            text.is_empty() || matches(&pattern, &text, nocase) == model(&pattern, &text, nocase)
        }
    }

    /// Asks a real server (`DAMSELFLY_ORACLE=host:port`) which of many members each pattern matches.
    #[test]
    fn a_real_server_matches_the_same() {
        let oracle = std::env::var("DAMSELFLY_ORACLE").ok().filter(|oracle| oracle.contains(':'));
        let Some(oracle) = oracle else { return };
        let client = redis::Client::open(format!("redis://{oracle}")).expect("host:port");
        let mut server = client.get_connection().expect("the oracle is up");
        let key = format!("damselfly:glob:{}", std::process::id());
        let mut shapes = Gen::new(12);
        let mut some = |from| draw(&Vec::<u8>::arbitrary(&mut shapes), from);
        let texts: HashSet<Vec<u8>> = (0..2000).map(|_| some(TEXT_BYTES)).collect();
        let texts: Vec<Vec<u8>> = texts.into_iter().collect();
        redis::cmd("SADD").arg(&key).arg(&texts).query::<i64>(&mut server).expect("added");
        let mut matched = 0;
        for _ in 0..3000 {
            let pattern = some(PATTERN_BYTES);
            let mut scan = redis::cmd("SSCAN");
            let scan = scan.arg(&key).arg(0).arg("MATCH").arg(&pattern).arg("COUNT").arg(100_000);
            let (_, theirs): (u64, HashSet<Vec<u8>>) = scan.query(&mut server).expect("scanned");
            for text in &texts {
                // SSCAN takes a lone star for no pattern at all, and so lets the empty member through.
                let ours = pattern == b"*" || matches(&pattern, text, false);
                matched += usize::from(ours);
                let (shown, text_shown) = (pattern.escape_ascii(), text.escape_ascii());
                assert_eq!(ours, theirs.contains(text), "pattern {shown} text {text_shown}");
            }
        }
        redis::cmd("DEL").arg(&key).query::<i64>(&mut server).expect("deleted");
        assert!(matched > 1000, "the patterns must meet the texts");
        let mut folds = 0;
        let names: Vec<String> = redis::cmd("COMMAND").arg("LIST").query(&mut server).expect("listed");
        for _ in 0..3000 {
            let pattern = draw(&Vec::<u8>::arbitrary(&mut shapes), b"***??[[]^-aegtsGETSZ");
            let command =
                redis::cmd("COMMAND").arg("LIST").arg("FILTERBY").arg("PATTERN").arg(&pattern).to_owned();
            let theirs: HashSet<String> = command.query(&mut server).expect("listed");
            for name in &names {
                let ours = matches(&pattern, name.as_bytes(), true);
                folds += usize::from(ours);
                assert_eq!(ours, theirs.contains(name), "pattern {} name {name}", pattern.escape_ascii());
            }
        }
        assert!(folds > 1000, "the patterns must meet the names");
    }

    #[test]
    fn case_is_dropped_on_request() {
        assert!(matches(b"H[A-C]L", b"hbl", true));
        assert!(!matches(b"H[A-C]L", b"hbl", false));
        assert!(!matches(b"[\\A]", b"a", true), "an escaped byte in a class keeps its case, as in Redis");
    }

    #[test]
    fn an_abusive_pattern_ends_soon() {
        let text = vec![b'a'; 100_000];
        let pattern = [b"*a".repeat(50_000), b"*b".to_vec()].concat();
        assert!(!matches(&pattern, &text, false));
        let pattern = [b"*".to_vec(), vec![b'a'; 50_000], b"b".to_vec()].concat();
        assert!(!matches(&pattern, &text, false));
    }
}

//! What the scans of the keyspace and of collections share: cursors, patterns, and the names that were found.

use super::args::Args;
use super::error::CommandError;
use crate::glob;
use crate::reply::Sink;

/// Which names are asked for. A lone star is no pattern at all, for it lets the empty name through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pattern<'a>(Option<&'a [u8]>);

impl<'a> Pattern<'a> {
    /// Every name.
    pub(super) const ANY: Pattern<'static> = Pattern(None);

    pub(super) fn new(pattern: &'a [u8]) -> Self {
        Self((pattern != b"*").then_some(pattern))
    }

    pub(super) fn matches(self, name: &[u8]) -> bool {
        self.0.is_none_or(|pattern| glob::matches(pattern, name, false))
    }
}

/// Names that were found, in one run of bytes: the reply must say how many there are before the first of them.
#[derive(Debug, Default)]
pub(super) struct Names {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Names {
    pub(super) fn add(&mut self, name: &[u8]) {
        self.bytes.extend_from_slice(name);
        self.ends.push(self.bytes.len());
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Writes them as an array.
    pub(super) fn write(&self, out: &mut dyn Sink) {
        out.array(self.len());
        self.write_each(out);
    }

    /// Writes them without their number.
    pub(super) fn write_each(&self, out: &mut dyn Sink) {
        let mut from = 0;
        for &end in &self.ends {
            out.bulk(self.bytes.get(from..end).unwrap_or_default());
            from = end;
        }
    }
}

/// The options of a collection's scan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options<'a> {
    /// About how many members to look at, at least 1.
    pub count: usize,
    pub pattern: Pattern<'a>,
}

impl<'a> Options<'a> {
    /// Reads what follows the cursor.
    ///
    /// # Errors
    /// Syntax, a count that is no integer.
    pub(super) fn parse(args: &mut Args<'a>) -> Result<Self, CommandError> {
        let mut options = Self { count: 10, pattern: Pattern::ANY };
        while args.left() > 0 {
            if args.eat("COUNT") {
                let count = args.int()?;
                options.count =
                    usize::try_from(count).ok().filter(|&count| count > 0).ok_or(CommandError::Syntax)?;
            } else if args.eat("MATCH") {
                options.pattern = Pattern::new(args.required()?);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }
}

/// The cursor of the next argument.
///
/// # Errors
/// One that no scan gave.
pub(super) fn cursor(args: &mut Args<'_>) -> Result<u64, CommandError> {
    parse_cursor(args.required()?).ok_or(CommandError::InvalidCursor)
}

/// Replies with the cursor to go on from and the names that were found.
pub(super) fn reply(next: u64, names: &Names, out: &mut dyn Sink) {
    out.array(2);
    out.bulk(itoa::Buffer::new().format(next).as_bytes());
    names.write(out);
}

/// Reads a cursor as `strtoul` does for Redis: the empty text is 0, a sign may stand in front (a minus counts from the
/// end of 64 bits), and the text ends at a zero byte.
pub(super) fn parse_cursor(text: &[u8]) -> Option<u64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let (negative, digits) = match text {
        [] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().try_fold(0u64, |value, &byte| {
        let digit = char::from(byte).to_digit(10)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })?;
    Some(if negative { value.wrapping_neg() } else { value })
}

#[cfg(test)]
mod tests {
    use super::parse_cursor;

    #[test]
    fn cursors_are_what_strtoul_takes() {
        for (text, value) in [
            (&b""[..], Some(0)),
            (b"0", Some(0)),
            (b"007", Some(7)),
            (b"+3", Some(3)),
            (b"-1", Some(u64::MAX)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"12\x00x", Some(12)),
            (b" 3", None),
            (b"3 ", None),
            (b"+", None),
            (b"--1", None),
            (b"0x1", None),
            (b"x", None),
        ] {
            assert_eq!(parse_cursor(text), value, "{}", text.escape_ascii());
        }
    }
}

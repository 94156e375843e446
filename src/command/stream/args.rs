//! How IDs, intervals of them and trimming are written in arguments.

use crate::command::args::parse_int;
use crate::command::error::CommandError;
use crate::value::stream::{Id, Trim, TrimTo};
use smallvec::SmallVec;

const INVALID_ID: CommandError =
    CommandError::text("ERR Invalid stream ID specified as stream command argument");

/// An argument as C sees it: up to its first zero byte.
pub(super) fn cut(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Whether an argument is this word, in any case.
fn is(text: &[u8], word: &str) -> bool {
    text.eq_ignore_ascii_case(word.as_bytes())
}

/// An unsigned number as Redis' `string2ull` reads it: what is no canonical integer is left to `strtoull`, with the
/// blanks, signs and leading zeros that it takes.
fn unsigned(text: &[u8]) -> Option<u64> {
    if let Some(number) = parse_int(text) {
        return u64::try_from(number).ok();
    }
    // C's blanks, `\v` among them.
    let start = text.iter().position(|byte| !matches!(byte, b' ' | 9..=13))?;
    let (negative, digits) = match text.get(start..)? {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut number = 0u64;
    for byte in digits {
        let digit = char::from(*byte).to_digit(10)?;
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(if negative { number.wrapping_neg() } else { number })
}

/// The sequence part of an ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seq {
    Given(u64),
    Missing,
    /// `*`
    Any,
}

/// Reads `ms` or `ms-seq`; `any` allows `ms-*`.
fn parts(text: &[u8], any: bool) -> Result<(u64, Seq), CommandError> {
    /// Redis copies the text into a buffer of this size.
    const LEN_MAX: usize = 127;
    if text.len() > LEN_MAX {
        return Err(INVALID_ID);
    }
    let text = cut(text);
    let (ms, seq) = match text.iter().position(|&byte| byte == b'-') {
        Some(dash) => (&text[..dash], Some(&text[dash + 1..])),
        None => (text, None),
    };
    let ms = unsigned(ms).ok_or(INVALID_ID)?;
    let seq = match seq {
        None => Seq::Missing,
        Some(b"*") if any => Seq::Any,
        Some(seq) => Seq::Given(unsigned(seq).ok_or(INVALID_ID)?),
    };
    Ok((ms, seq))
}

fn whole(text: &[u8], missing: u64) -> Result<Id, CommandError> {
    let (ms, seq) = parts(text, false)?;
    let seq = match seq {
        Seq::Given(seq) => seq,
        Seq::Missing | Seq::Any => missing,
    };
    Ok(Id { ms, seq })
}

/// An ID; a missing sequence number is 0.
///
/// # Errors
/// Redis' text for what is none, `-` and `+` included.
#[inline]
pub(super) fn strict_id(text: &[u8]) -> Result<Id, CommandError> {
    whole(text, 0)
}

/// An ID, or `-` or `+` for the first and the last one; a missing sequence number is `missing`.
///
/// # Errors
/// Redis' text for what is none.
pub(super) fn range_id(text: &[u8], missing: u64) -> Result<Id, CommandError> {
    match cut(text) {
        b"-" if text.len() < 128 => Ok(Id::MIN),
        b"+" if text.len() < 128 => Ok(Id::MAX),
        _ => whole(text, missing),
    }
}

/// Several IDs.
///
/// # Errors
/// As [`strict_id`].
pub(super) fn strict_ids(texts: &[&[u8]]) -> Result<SmallVec<[Id; 8]>, CommandError> {
    texts.iter().map(|text| strict_id(text)).collect()
}

/// The two ends of a range, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    pub start: Id,
    pub end: Id,
}

impl Interval {
    /// Reads both ends; `(` in front of one leaves that ID out.
    ///
    /// # Errors
    /// What is no ID, and what lies beyond the first or the last one.
    pub(super) fn parse(start: &[u8], end: &[u8]) -> Result<Self, CommandError> {
        const END: CommandError = CommandError::text("ERR invalid end ID for the interval");
        let start = Self::start(start)?;
        let end = match end {
            [b'(', end @ ..] if !end.is_empty() => whole(end, u64::MAX)?.prev().ok_or(END)?,
            end => range_id(end, u64::MAX)?,
        };
        Ok(Self { start, end })
    }

    /// Reads the lower end alone.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub(super) fn start(start: &[u8]) -> Result<Id, CommandError> {
        const START: CommandError = CommandError::text("ERR invalid start ID for the interval");
        match start {
            [b'(', start @ ..] if !start.is_empty() => whole(start, 0)?.next().ok_or(START),
            start => range_id(start, 0),
        }
    }
}

/// The ID that `XADD` is to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewId {
    /// `*`
    Any,
    /// `ms-*`
    At(u64),
    /// `ms-seq`
    Exactly(Id),
}

/// What stands between the key of `XADD` and the entry's ID.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TrimArgs {
    pub trim: Option<Trim>,
    /// `NOMKSTREAM`
    pub no_create: bool,
}

impl TrimArgs {
    /// Reads the options of `XADD` and the ID behind them, if there is one; also where the fields begin. `node_entries`
    /// is how many entries a node has at most.
    ///
    /// # Errors
    /// Redis' texts for options that do not fit.
    #[inline]
    pub(super) fn parse_add(
        args: &[&[u8]],
        node_entries: usize,
    ) -> Result<(Self, Option<NewId>, usize), CommandError> {
        // The common case.
        if let [b"*", ..] = args {
            return Ok((Self::default(), Some(NewId::Any), 1));
        }
        Options::parse(args, true, node_entries)
    }

    /// Reads the options of `XTRIM`.
    ///
    /// # Errors
    /// Redis' texts for options that do not fit.
    pub(super) fn parse_trim(args: &[&[u8]], node_entries: usize) -> Result<Trim, CommandError> {
        const NO_STRATEGY: CommandError =
            CommandError::text("ERR syntax error, XTRIM must be called with a trimming strategy");
        let (options, ..) = Options::parse(args, false, node_entries)?;
        options.trim.ok_or(NO_STRATEGY)
    }
}

struct Options;

impl Options {
    fn parse(
        args: &[&[u8]],
        adding: bool,
        node_entries: usize,
    ) -> Result<(TrimArgs, Option<NewId>, usize), CommandError> {
        const TWO: CommandError = CommandError::text(
            "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
        );
        const MAXLEN: CommandError = CommandError::text("ERR The MAXLEN argument must be >= 0.");
        const LIMIT: CommandError = CommandError::text("ERR The LIMIT argument must be >= 0.");
        const LIMIT_ALONE: CommandError = CommandError::text(
            "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
        );
        const LIMIT_EXACT: CommandError =
            CommandError::text("ERR syntax error, LIMIT cannot be used without the special ~ option");
        let (mut to, mut whole_nodes, mut limit, mut no_create) = (None, false, None, false);
        let (mut id, mut at) = (None, 0);
        while let Some(&option) = args.get(at) {
            let more = args.len() - at - 1;
            let (maxlen, minid) = (is(option, "MAXLEN"), is(option, "MINID"));
            if adding && option == b"*" {
                id = Some(NewId::Any);
                at += 1;
                break;
            } else if (maxlen || minid) && more > 0 {
                if to.is_some() {
                    return Err(TWO);
                }
                let sign = args.get(at + 1).copied().filter(|_| more > 1).unwrap_or_default();
                whole_nodes = sign == b"~";
                at += usize::from(sign == b"~" || sign == b"=") + 1;
                let threshold = args.get(at).copied().unwrap_or_default();
                at += 1;
                to = Some(if maxlen {
                    let len = parse_int(threshold).ok_or(CommandError::NotAnInteger)?;
                    TrimTo::Len(u64::try_from(len).map_err(|_| MAXLEN)?)
                } else {
                    TrimTo::Id(strict_id(threshold)?)
                });
            } else if is(option, "LIMIT") && more > 0 {
                let number = args.get(at + 1).and_then(|text| parse_int(text));
                let number = number.ok_or(CommandError::NotAnInteger)?;
                limit = Some(u64::try_from(number).map_err(|_| LIMIT)?);
                at += 2;
            } else if adding && is(option, "NOMKSTREAM") {
                no_create = true;
                at += 1;
            } else if adding {
                let (ms, seq) = parts(option, true)?;
                id = Some(match seq {
                    Seq::Given(seq) => NewId::Exactly(Id { ms, seq }),
                    Seq::Missing => NewId::Exactly(Id { ms, seq: 0 }),
                    Seq::Any => NewId::At(ms),
                });
                at += 1;
                break;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        let trim = match to {
            None if limit.is_some_and(|limit| limit > 0) => return Err(LIMIT_ALONE),
            // Without a strategy, a limit of 0 is as good as none for XADD; XTRIM misses its strategy first.
            None if limit.is_some() && adding => return Err(LIMIT_EXACT),
            None => None,
            Some(_) if limit.is_some() && !whole_nodes => return Err(LIMIT_EXACT),
            Some(to) => {
                let limit =
                    limit.unwrap_or_else(|| if whole_nodes { default_limit(node_entries) } else { 0 });
                Some(Trim { to, whole_nodes, limit })
            }
        };
        Ok((TrimArgs { trim, no_create }, id, at))
    }
}

/// The most entries that `~` removes at once where no `LIMIT` is given: those of a hundred nodes, within bounds.
fn default_limit(node_entries: usize) -> u64 {
    match 100u64.checked_mul(node_entries as u64).and_then(|limit| i64::try_from(limit).ok()) {
        Some(0) | None => 10_000,
        Some(limit) => limit.unsigned_abs().min(1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_redis_reads_them() {
        for (text, id) in [
            ("1-2", Some((1, 2))),
            ("5", Some((5, 0))),
            ("01-1", Some((1, 1))),
            (" 5-+7", Some((5, 7))),
            ("5- -5", Some((5, u64::MAX - 4))),
            ("18446744073709551615-18446744073709551615", Some((u64::MAX, u64::MAX))),
            ("18446744073709551616", None),
            ("5--1", None),
            ("-5", None),
            ("5-", None),
            ("-", None),
            ("+", None),
            ("", None),
            ("5-*", None),
            ("5-1-1", None),
            ("0x5", None),
            ("5\0garbage", Some((5, 0))),
        ] {
            let expected = id.map(|(ms, seq)| Id { ms, seq });
            assert_eq!(strict_id(text.as_bytes()).ok(), expected, "{text:?}");
        }
        assert!(strict_id(&[b'1'; 128]).is_err());
        assert_eq!(range_id(b"+", 0), Ok(Id::MAX));
    }
}

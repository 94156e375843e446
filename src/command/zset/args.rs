//! What sorted sets' arguments look like: scores, bounds of scores, bounds of members.

use crate::command::args::parse_float;
use crate::command::error::CommandError;
use crate::value::zset::{LexBound, LexRange, ScoreRange};
use std::ops::Bound;

/// A score or a weight, as `strtod` reads it: unlike a bound, one that a double does not hold is none.
pub(in crate::command) fn score(text: &[u8]) -> Option<f64> {
    let value = parse_float(text)?;
    let named = text.iter().any(|letter| letter.eq_ignore_ascii_case(&b'n'));
    let too_great = value.is_infinite() && !named;
    let too_small = value == 0.0 && has_digits(text);
    (!too_great && !too_small).then_some(value)
}

/// Whether a number has digits other than 0 in front of its exponent.
fn has_digits(text: &[u8]) -> bool {
    let hexadecimal = text.iter().any(|letter| letter.eq_ignore_ascii_case(&b'x'));
    let exponent = if hexadecimal { b'p' } else { b'e' };
    text.split(|letter| letter.eq_ignore_ascii_case(&exponent))
        .next()
        .unwrap_or_default()
        .iter()
        .any(|digit| *digit != b'0' && digit.is_ascii_hexdigit())
}

/// # Errors
/// What is no score.
pub(in crate::command) fn required_score(text: &[u8]) -> Result<f64, CommandError> {
    score(text).ok_or(CommandError::NotAFloat)
}

/// A range of scores.
///
/// # Errors
/// What is no bound.
pub(super) fn score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, CommandError> {
    const NOT_A_FLOAT: CommandError = CommandError::text("ERR min or max is not a float");
    Ok((score_bound(min).ok_or(NOT_A_FLOAT)?, score_bound(max).ok_or(NOT_A_FLOAT)?))
}

/// A bound, as Redis' `strtod` reads it: it ends at a zero byte, blanks may stand in front of it, nothing at all is 0,
/// and what a double does not hold is infinite.
fn score_bound(text: &[u8]) -> Option<Bound<f64>> {
    let (text, excluded) = match text.strip_prefix(b"(") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let digits = text.get(blanks..).unwrap_or_default();
    let value = if text.is_empty() { 0.0 } else { parse_float(digits)? };
    Some(if excluded { Bound::Excluded(value) } else { Bound::Included(value) })
}

/// A range of members.
///
/// # Errors
/// What is no bound.
pub(super) fn lex_range<'a>(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, CommandError> {
    const NOT_VALID: CommandError = CommandError::text("ERR min or max not valid string range item");
    Ok(LexRange { min: lex_bound(min).ok_or(NOT_VALID)?, max: lex_bound(max).ok_or(NOT_VALID)? })
}

fn lex_bound(text: &[u8]) -> Option<LexBound<'_>> {
    match text {
        b"-" => Some(LexBound::Lowest),
        b"+" => Some(LexBound::Highest),
        [b'[', member @ ..] => Some(LexBound::Included(member)),
        [b'(', member @ ..] => Some(LexBound::Excluded(member)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_what_redis_takes() {
        for (text, value) in [
            ("1", Some(1.0)),
            ("-0", Some(-0.0)),
            ("0x10", Some(16.0)),
            ("inf", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("4e-320", Some(4e-320)),
            ("0e400", Some(0.0)),
            ("0x0p-5000", Some(0.0)),
            ("1e400", None),
            ("1e-400", None),
            ("-1e-400", None),
            ("0x1p5000", None),
            ("0x1p-5000", None),
            ("nan", None),
            ("", None),
            (" 1", None),
            ("1 ", None),
        ] {
            assert_eq!(score(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn bounds_are_what_redis_takes() {
        for (text, bound) in [
            ("1", Some(Bound::Included(1.0))),
            ("(1", Some(Bound::Excluded(1.0))),
            ("( 1", Some(Bound::Excluded(1.0))),
            ("\x0b 1", Some(Bound::Included(1.0))),
            ("", Some(Bound::Included(0.0))),
            ("(", Some(Bound::Excluded(0.0))),
            ("5\0x", Some(Bound::Included(5.0))),
            ("\0", Some(Bound::Included(0.0))),
            ("1e400", Some(Bound::Included(f64::INFINITY))),
            ("(-inf", Some(Bound::Excluded(f64::NEG_INFINITY))),
            ("  ", None),
            ("2 ", None),
            ("nan", None),
            ("((1", None),
        ] {
            assert_eq!(score_bound(text.as_bytes()), bound, "{text:?}");
        }
    }
}

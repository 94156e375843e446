//! Weights: a text as the number that C's `strtod` reads, by which Redis sorts.

use crate::command::args::parse_float;

/// A text up to its first zero byte, where a C string ends.
pub(super) fn c_string(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// The number that a whole text is, blanks in front of it aside. An empty text is 0. `None` for what is no number, and
/// for one too large or too small for a double to hold as it should.
pub(super) fn number(text: &[u8]) -> Option<f64> {
    let text = c_string(text);
    if text.is_empty() {
        return Some(0.0);
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let digits = text.iter().position(|byte| !is_blank(byte)).and_then(|at| text.get(at..))?;
    let value = parse_float(digits)?;
    let spelt_out = digits.iter().any(|byte| matches!(byte, b'n' | b'N'));
    if value.is_infinite() && !spelt_out {
        return None;
    }
    let hexadecimal = digits.iter().any(|byte| matches!(byte, b'x' | b'X'));
    let mantissa = digits.split(|byte| matches!(byte, b'e' | b'E')).next().unwrap_or_default();
    let is_zero = !mantissa.iter().any(|byte| matches!(byte, b'1'..=b'9'));
    if value.abs() < f64::MIN_POSITIVE && !is_zero && !hexadecimal {
        return None;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_what_strtod_reads() {
        for (text, weight) in [
            (&b""[..], Some(0.0)),
            (b" 1", Some(1.0)),
            (b"\t\n\x0b\x0c\r-2.5", Some(-2.5)),
            (b"1 ", None),
            (b" ", None),
            (b"1\0junk", Some(1.0)),
            (b"inf", Some(f64::INFINITY)),
            (b"-Infinity", Some(f64::NEG_INFINITY)),
            (b"nan", None),
            (b"1e400", None),
            (b"1e-400", None),
            (b"0e-400", Some(0.0)),
            (b"5e-324", None),
            (b"0x10", Some(16.0)),
            (b"1e", None),
            (b"abc", None),
        ] {
            assert_eq!(number(text), weight, "{}", String::from_utf8_lossy(text));
        }
    }
}

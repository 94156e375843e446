//! A cursor over a command's arguments.
//!
//! A handler parses with it, fully, before it touches a shard; what is left over is a syntax error. The
//! dispatcher has checked the arity, so a handler that asks for a fixed argument gets it.

use super::error::CommandError;

// A number in an argument has the one spelling that a packed number has.
pub use crate::value::listpack::parse_int;

/// The arguments of one command, its name at index 0; a cursor starts behind the name.
#[derive(Debug)]
pub struct Args<'a> {
    argv: &'a [&'a [u8]],
    at: usize,
}

impl<'a> Args<'a> {
    /// A cursor behind the command's name.
    #[must_use]
    pub fn new(argv: &'a [&'a [u8]]) -> Self {
        Self { argv, at: 1 }
    }

    /// A cursor behind the argument at `at`: a key, or a subcommand's name.
    #[must_use]
    pub fn behind(argv: &'a [&'a [u8]], at: usize) -> Self {
        Self { argv, at: at + 1 }
    }

    /// All arguments, the command's name first.
    #[must_use]
    pub fn argv(&self) -> &'a [&'a [u8]] {
        self.argv
    }

    /// The next argument.
    ///
    /// # Errors
    /// A syntax error where there is none left.
    #[inline]
    pub fn required(&mut self) -> Result<&'a [u8], CommandError> {
        self.try_next().ok_or(CommandError::Syntax)
    }

    /// The next argument, where there is one.
    #[inline]
    pub fn try_next(&mut self) -> Option<&'a [u8]> {
        let arg = self.argv.get(self.at).copied();
        self.at += usize::from(arg.is_some());
        arg
    }

    /// The next argument without taking it.
    #[must_use]
    pub fn peek(&self) -> Option<&'a [u8]> {
        self.argv.get(self.at).copied()
    }

    /// How many are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.argv.len().saturating_sub(self.at)
    }

    /// Takes everything that is left.
    pub fn rest(&mut self) -> &'a [&'a [u8]] {
        let rest = self.argv.get(self.at..).unwrap_or_default();
        self.at = self.argv.len();
        rest
    }

    /// Takes the next `n`.
    ///
    /// # Errors
    /// A syntax error where fewer are left.
    pub fn take(&mut self, n: usize) -> Result<&'a [&'a [u8]], CommandError> {
        let end = self.at.checked_add(n).ok_or(CommandError::Syntax)?;
        let taken = self.argv.get(self.at..end).ok_or(CommandError::Syntax)?;
        self.at = end;
        Ok(taken)
    }

    /// Takes the next argument when it is this word, in any case.
    pub fn eat(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
        self.at += usize::from(found);
        found
    }

    /// The next argument as a 64-bit integer.
    ///
    /// # Errors
    /// [`CommandError::NotAnInteger`], or a syntax error where there is none.
    pub fn int(&mut self) -> Result<i64, CommandError> {
        parse_int(self.required()?).ok_or(CommandError::NotAnInteger)
    }

    /// The next argument as a database number that `databases` allows.
    ///
    /// # Errors
    /// [`CommandError::DbIndexOutOfRange`], or the errors of a 32-bit integer.
    pub fn db(&mut self, databases: usize) -> Result<usize, CommandError> {
        let number = i32::try_from(self.int()?).map_err(|_| CommandError::NotAnInt32)?;
        usize::try_from(number).ok().filter(|&db| db < databases).ok_or(CommandError::DbIndexOutOfRange)
    }

    /// The next argument as a blocking command's timeout in seconds: milliseconds to wait, `None` for ever.
    ///
    /// # Errors
    /// The three timeout errors.
    pub fn timeout(&mut self) -> Result<Option<u64>, CommandError> {
        /// Redis compares with what 64 bits hold beyond the present time; eighty years are close enough to that.
        const MS_MAX: f64 = (i64::MAX - 4_000_000_000_000) as f64;
        let seconds = parse_float(self.required()?).ok_or(CommandError::TimeoutNotAFloat)?;
        // Rounded up, so that a positive timeout never becomes "for ever"; one that rounds up to zero is zero.
        let ms = (seconds * 1000.0).ceil();
        if ms > MS_MAX {
            return Err(CommandError::TimeoutOutOfRange);
        }
        if ms < 0.0 {
            return Err(CommandError::TimeoutNegative);
        }
        Ok(if ms == 0.0 { None } else { Some(ms as u64) })
    }

    /// # Errors
    /// A syntax error where anything is left.
    pub fn end(&self) -> Result<(), CommandError> {
        if self.left() == 0 { Ok(()) } else { Err(CommandError::Syntax) }
    }
}

/// Reads a floating point number as `strtod` does for Redis: no blanks, no NaN; `inf` in any case is one.
#[must_use]
pub fn parse_float(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    if let Some(hex) = parse_hex_float(text) {
        return hex;
    }
    let value: f64 = text.parse().ok()?;
    (!value.is_nan()).then_some(value)
}

/// `strtod` reads C's hexadecimal form too; the outer `None` says that this is not one.
fn parse_hex_float(text: &str) -> Option<Option<f64>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X"))?;
    let (mantissa, exponent) = match digits.split_once(['p', 'P']) {
        Some((mantissa, exponent)) => match exponent.parse::<i32>() {
            Ok(exponent) => (mantissa, exponent),
            Err(_) => return Some(None),
        },
        None => (digits, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return Some(None);
    }
    let mut value = 0f64;
    for digit in whole.chars().chain(fraction.chars()) {
        match digit.to_digit(16) {
            Some(digit) => value = value * 16.0 + f64::from(digit),
            None => return Some(None),
        }
    }
    let shift = i32::try_from(fraction.len().saturating_mul(4)).unwrap_or(i32::MAX);
    value *= 2f64.powi(exponent.saturating_sub(shift));
    if value.is_nan() {
        // More digits than a double holds, times nothing.
        return Some(None);
    }
    Some(Some(if text.starts_with('-') { -value } else { value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_one_spelling() {
        for (text, value) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
            ("01", None),
            ("-0", None),
            ("+1", None),
            (" 1", None),
            ("1 ", None),
            ("", None),
            ("-", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(parse_int(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn floats_are_what_strtod_takes_but_never_nan() {
        let long = format!("0x{}.{}", "f".repeat(300), "0".repeat(300));
        for (text, value) in [
            ("1.5", Some(1.5)),
            ("-.5", Some(-0.5)),
            ("5.", Some(5.0)),
            ("1e3", Some(1000.0)),
            ("inf", Some(f64::INFINITY)),
            ("-INF", Some(f64::NEG_INFINITY)),
            ("infinity", Some(f64::INFINITY)),
            ("0x10", Some(16.0)),
            ("0x1.8p1", Some(3.0)),
            ("nan", None),
            (long.as_str(), None),
            ("", None),
            (" 1", None),
            ("1 ", None),
            ("abc", None),
        ] {
            assert_eq!(parse_float(text.as_bytes()), value, "{text}");
        }
    }
}

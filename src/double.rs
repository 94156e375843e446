//! How floating point numbers are written: one spelling, on the wire and in packed values alike.

use std::fmt;

/// A floating point number as Redis 7.2 prints it: the shortest text that reads back as the same number.
///
/// `inf`, `-inf`, `nan`, `-0`; whole numbers up to 2^62 in full; otherwise plain decimals or, where the exponent is
/// far from 0, C's form without padding: `0.1`, `1e+20`, `1.5e-9`.
///
/// ```
/// assert_eq!(damselfly::double::format_double(0.1), "0.1");
/// assert_eq!(damselfly::double::format_double(3.0), "3");
/// assert_eq!(damselfly::double::format_double(1e20), "1e+20");
/// ```
#[must_use]
pub fn format_double(value: f64) -> String {
    DoubleBuffer::new().format(value).to_owned()
}

/// A floating point number as Redis prints a `long double`: up to 17 decimals, without zeros at the end.
///
/// ```
/// assert_eq!(damselfly::double::format_long(37.5), "37.5");
/// assert_eq!(damselfly::double::format_long(13.361389338970184), "13.36138933897018433");
/// assert_eq!(damselfly::double::format_long(-0.0), "0");
/// ```
#[must_use]
pub fn format_long(value: f64) -> String {
    if !value.is_finite() {
        return format_double(value);
    }
    let text = format!("{value:.17}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A number's text on the stack: room for the longest that [`format_double`] prints (25 bytes: a sign, 17 digits,
/// 7 zeros), and for its digits before they are laid out.
#[derive(Debug)]
pub struct DoubleBuffer {
    text: [u8; 64],
    len: usize,
}

impl Default for DoubleBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl DoubleBuffer {
    /// Empty.
    #[must_use]
    pub fn new() -> Self {
        Self { text: [0; 64], len: 0 }
    }

    /// The text of a number, as [`format_double`] gives it. O(1).
    pub fn format(&mut self, value: f64) -> &str {
        self.len = 0;
        if value.is_nan() {
            self.put(b"nan");
        } else if value.is_infinite() {
            self.put(if value < 0.0 { b"-inf" } else { b"inf" });
        } else if value == 0.0 {
            self.put(if value.is_sign_negative() { b"-0" } else { b"0" });
        } else if value.abs() <= (i64::MAX / 2) as f64 && value.trunc() == value {
            self.put(itoa::Buffer::new().format(value as i64).as_bytes());
        } else {
            self.lay_out(value);
        }
        // Only ASCII was put.
        str::from_utf8(self.text.get(..self.len).unwrap_or_default()).unwrap_or_default()
    }

    fn put(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(slot) = self.text.get_mut(self.len) {
                *slot = *byte;
                self.len += 1;
            }
        }
    }

    /// Lays out the shortest digits, which Rust's `{:e}` finds (`d.ddde-7`), by the rules of fpconv's `emit_digits`.
    /// With `n` digits and the decimal point `k` places behind the last one:
    ///
    /// 1. `0 <= k < 8`: a whole number, filled up with zeros;
    /// 2. `-7 < k < 0`, or an exponent above -4 and below 4: plain decimals;
    /// 3. otherwise an exponent with its sign, without padding.
    fn lay_out(&mut self, value: f64) {
        let mut scientific = DoubleBuffer::new();
        // Cannot fail: at most 17 digits, a point, a sign and an exponent of 5 bytes.
        let _ = fmt::Write::write_fmt(&mut scientific, format_args!("{:e}", value.abs()));
        let text = scientific.text.get(..scientific.len).unwrap_or_default();
        let (mantissa, exponent) = match memchr::memchr(b'e', text) {
            Some(at) => text.split_at(at),
            None => (text, &b""[..]),
        };
        let exponent: i32 = str::from_utf8(exponent.get(1..).unwrap_or_default())
            .ok()
            .and_then(|e| e.parse().ok())
            .unwrap_or(0);
        let mut digits = DoubleBuffer::new();
        mantissa.iter().filter(|byte| byte.is_ascii_digit()).for_each(|digit| digits.put(&[*digit]));
        let digits = digits.text.get(..digits.len).unwrap_or_default();
        let k = exponent - (digits.len() as i32 - 1);

        if value < 0.0 {
            self.put(b"-");
        }
        if (0..8).contains(&k) {
            self.put(digits);
            (0..k).for_each(|_| self.put(b"0"));
        } else if k < 0 && (k > -7 || exponent.abs() < 4) {
            let (whole, fraction) = digits.split_at((exponent + 1).clamp(0, digits.len() as i32) as usize);
            self.put(if whole.is_empty() { b"0" } else { whole });
            self.put(b".");
            (exponent..-1).for_each(|_| self.put(b"0"));
            self.put(fraction);
        } else {
            let (first, rest) = digits.split_at(1.min(digits.len()));
            self.put(first);
            if !rest.is_empty() {
                self.put(b".");
                self.put(rest);
            }
            self.put(if exponent < 0 { b"e-" } else { b"e+" });
            self.put(itoa::Buffer::new().format(exponent.unsigned_abs()).as_bytes());
        }
    }
}

impl fmt::Write for DoubleBuffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

/// A floating point number with 17 digits, as C prints it by `%.17g`: what Redis calls the text of a `long double`.
///
/// ```
/// assert_eq!(damselfly::double::format_17_digits(0.1), "0.10000000000000001");
/// assert_eq!(damselfly::double::format_17_digits(1.5e-9), "1.5e-09");
/// assert_eq!(damselfly::double::format_17_digits(3.0), "3");
/// ```
#[must_use]
pub fn format_17_digits(value: f64) -> String {
    const DIGITS: i32 = 17;
    if !value.is_finite() {
        return format_double(value);
    }
    let scientific = format!("{:.*e}", DIGITS as usize - 1, value);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..DIGITS).contains(&exponent) {
        return trimmed(&format!("{:.*}", (DIGITS - 1 - exponent) as usize, value));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(mantissa), exponent.unsigned_abs())
}

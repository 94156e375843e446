//! C's `long double` as x86 has it: 64 bits of significand and 15 of exponent, in software.
//!
//! Redis adds in this type (`INCRBYFLOAT`, `HINCRBYFLOAT`), and its replies show the type's rounding: 0.1 + 0.2 is
//! 0.3 because the sum is printed with 17 decimals of a number that has 19 digits. So the three operations are
//! exact here: reading rounds once, to the nearest even, as `strtold` does; a sum rounds once; printing is `%.17Lf`
//! with the trailing zeros cut, correctly rounded from the binary value. No other arithmetic exists, because no
//! command needs it.
//!
//! **Invariant:** a number is `± mantissa × 2^exponent` with the mantissa's top bit set, or with the least exponent
//! where it is subnormal or zero; so equal numbers have equal fields.

use smallvec::SmallVec;
use std::cmp::Ordering;
use std::fmt;

/// The exponent of the least bit of a subnormal number.
const EXPONENT_MIN: i32 = -16445;
/// The exponent of the least bit of the largest numbers.
const EXPONENT_MAX: i32 = 16383 - 63;
/// Stands for infinity in place of an exponent.
const INFINITE: i32 = i32::MAX;

/// The longest text that is read, in bytes; Redis reads into a buffer of 5 KiB.
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;

/// A number's decimal text; on the heap only beyond 46 digits in front of the point.
pub type NumberText = SmallVec<[u8; 64]>;

/// An 80-bit floating point number; never NaN.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    mantissa: u64,
    exponent: i32,
}

impl LongDouble {
    /// Zero.
    pub const ZERO: LongDouble = LongDouble { negative: false, mantissa: 0, exponent: EXPONENT_MIN };

    const fn infinity(negative: bool) -> Self {
        Self { negative, mantissa: 1 << 63, exponent: INFINITE }
    }

    /// Reads a whole text as `strtold` does for Redis: decimal or hexadecimal, with or without fraction and
    /// exponent, `inf` and `infinity` in any case.
    ///
    /// `None` for anything else: blanks, NaN, trailing bytes, a number too large for the type, or one so small that
    /// it would round to zero. O(n) for up to 19 digits, O(n²) beyond, n below 5120.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (negative, unsigned) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
            return Some(Self::infinity(negative));
        }
        let number = match unsigned {
            [b'0', b'x' | b'X', digits @ ..] => parse_hexadecimal(negative, digits)?,
            digits => parse_decimal(negative, digits)?,
        };
        number.is_finite().then_some(number)
    }

    /// Whether it is a number.
    #[must_use]
    pub fn is_finite(self) -> bool {
        self.exponent != INFINITE
    }

    /// Whether it is a zero of either sign.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// The sum, rounded to the nearest; `None` where that is no finite number. O(1).
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        if !self.is_finite() || !other.is_finite() {
            return None;
        }
        let (large, small) = if (self.exponent, self.mantissa) >= (other.exponent, other.mantissa) {
            (self, other)
        } else {
            (other, self)
        };
        // Sixty-two bits below the larger number's last keep what the smaller one has there; what it has below those
        // is folded into their last bit, which is enough to round by.
        const BELOW: u32 = 62;
        let left = u128::from(large.mantissa) << BELOW;
        let right = u128::from(small.mantissa) << BELOW;
        let distance = large.exponent.abs_diff(small.exponent);
        let right = match right.checked_shr(distance) {
            Some(shifted) => shifted | u128::from(shifted << distance != right),
            None => u128::from(right != 0),
        };
        let exponent = large.exponent - BELOW as i32;
        let sum = if large.negative == small.negative {
            round(large.negative, left + right, exponent, false)
        } else if left == right {
            // x - x is a positive zero in this rounding.
            Self::ZERO
        } else {
            round(large.negative, left - right, exponent, false)
        };
        sum.is_finite().then_some(sum)
    }

    /// Its text as Redis prints it, which is what [`Display`](fmt::Display) writes.
    #[must_use]
    pub fn text(self) -> NumberText {
        struct Writer(NumberText);
        impl fmt::Write for Writer {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.extend_from_slice(text.as_bytes());
                Ok(())
            }
        }
        let mut writer = Writer(NumberText::new());
        // Writing to memory does not fail.
        let _ = fmt::write(&mut writer, format_args!("{self}"));
        writer.0
    }

    /// The nearest double: what an in-process caller gets to see of it. O(1).
    #[must_use]
    pub fn to_f64(self) -> f64 {
        if !self.is_finite() {
            return if self.negative { f64::NEG_INFINITY } else { f64::INFINITY };
        }
        let magnitude = f64_from(self.mantissa, self.exponent);
        if self.negative { -magnitude } else { magnitude }
    }
}

impl From<i64> for LongDouble {
    fn from(value: i64) -> Self {
        round(value < 0, u128::from(value.unsigned_abs()), 0, false)
    }
}

impl TryFrom<f64> for LongDouble {
    type Error = NotANumber;

    /// Exact: every double is a long double.
    fn try_from(value: f64) -> Result<Self, NotANumber> {
        if value.is_nan() {
            return Err(NotANumber);
        }
        let negative = value.is_sign_negative();
        if value.is_infinite() {
            return Ok(Self::infinity(negative));
        }
        let bits = value.to_bits();
        let (biased, fraction) = ((bits >> 52) as i32 & 0x7FF, bits & ((1 << 52) - 1));
        let (mantissa, exponent) =
            if biased == 0 { (fraction, -1074) } else { (fraction | 1 << 52, biased - 1075) };
        Ok(round(negative, u128::from(mantissa), exponent, false))
    }
}

/// A NaN, which no command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANumber;

impl fmt::Display for NotANumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a number")
    }
}

impl std::error::Error for NotANumber {}

/// `mantissa × 2^exponent` rounded once to a double.
fn f64_from(mantissa: u64, exponent: i32) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let top = exponent + 63 - mantissa.leading_zeros() as i32;
    if top > 1023 {
        return f64::INFINITY;
    }
    // The least bit a double has at this magnitude; below it, half decides and the even neighbour wins a tie.
    let least = (top - 52).max(-1074);
    let shift = least - exponent;
    let kept = if shift <= 0 {
        mantissa << -shift
    } else if shift > 64 {
        0
    } else {
        let wide = u128::from(mantissa);
        let (kept, rest, half) = (wide >> shift, wide & ((1 << shift) - 1), 1u128 << (shift - 1));
        (kept + u128::from(rest > half || (rest == half && kept & 1 == 1))) as u64
    };
    // `kept` has at most 54 bits with the lower ones zero, so both factors and the product are exact (or infinite).
    let scale = |power: i32| f64::from_bits(((power + 1023) as u64) << 52);
    if least >= -1022 { kept as f64 * scale(least) } else { kept as f64 * scale(-1000) * scale(least + 1000) }
}

/// Rounds `mantissa × 2^exponent` to the nearest even; `more` says that the exact value lies a little above.
fn round(negative: bool, mantissa: u128, exponent: i32, more: bool) -> LongDouble {
    if mantissa == 0 {
        return LongDouble { negative, ..LongDouble::ZERO };
    }
    let bits = 128 - mantissa.leading_zeros() as i32;
    let target = exponent.saturating_add(bits - 64).max(EXPONENT_MIN);
    let shift = target - exponent;
    let mut rounded = if shift <= 0 {
        mantissa << -shift
    } else if shift > 128 {
        0
    } else {
        let kept = mantissa.checked_shr(shift as u32).unwrap_or(0);
        let rest = mantissa & (u128::MAX >> (128 - shift as u32));
        let up = match rest.cmp(&(1 << (shift - 1))) {
            Ordering::Less => false,
            Ordering::Equal => more || kept & 1 == 1,
            Ordering::Greater => true,
        };
        kept + u128::from(up)
    };
    let mut exponent = target;
    if rounded >> 64 != 0 {
        rounded >>= 1;
        exponent += 1;
    }
    if exponent > EXPONENT_MAX {
        return LongDouble::infinity(negative);
    }
    LongDouble {
        negative,
        mantissa: rounded as u64,
        exponent: if rounded == 0 { EXPONENT_MIN } else { exponent },
    }
}

/// The same for a number of any length.
fn round_big(negative: bool, number: &Big, exponent: i32, more: bool) -> LongDouble {
    let skipped = number.bits().saturating_sub(128);
    let (top, rest) = number.top(skipped);
    round(negative, top, exponent.saturating_add(skipped as i32), more || rest)
}

/// Digits with at most one point among them and what may follow them as an exponent, as they stand.
struct Parts<'a> {
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

/// Takes a number apart; `None` unless the whole text is one.
fn split(text: &[u8], is_digit: fn(u8) -> bool, marks: [u8; 2]) -> Option<Parts<'_>> {
    let digits = |text: &[u8]| text.iter().take_while(|byte| is_digit(**byte)).count();
    let (whole, mut rest) = text.split_at(digits(text));
    let mut fraction: &[u8] = &[];
    if let [b'.', behind @ ..] = rest {
        (fraction, rest) = behind.split_at(digits(behind));
    }
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let exponent = match rest {
        [] => 0,
        [mark, exponent @ ..] if marks.contains(mark) => {
            let (negative, digits) = match exponent {
                [b'-', digits @ ..] => (true, digits),
                [b'+', digits @ ..] => (false, digits),
                digits => (false, digits),
            };
            if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            // A million decides everything that five thousand digits can be scaled by.
            let value = digits
                .iter()
                .fold(0i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(1_000_000));
            if negative { -value } else { value }
        }
        _ => return None,
    };
    Some(Parts { whole, fraction, exponent })
}

fn parse_decimal(negative: bool, text: &[u8]) -> Option<LongDouble> {
    let Parts { whole, fraction, exponent } = split(text, |byte| byte.is_ascii_digit(), *b"eE")?;
    let mut exponent = exponent - fraction.len() as i64;
    let mut fraction = fraction;
    while let [rest @ .., b'0'] = fraction {
        fraction = rest;
        exponent += 1;
    }
    let digits = || whole.iter().chain(fraction).skip_while(|digit| **digit == b'0');
    let count = digits().count();
    if count == 0 {
        return Some(LongDouble { negative, ..LongDouble::ZERO });
    }
    let magnitude = count as i64 + exponent;
    if magnitude > 4933 {
        return None;
    }
    if magnitude < -4951 {
        return None;
    }
    let number = if count <= 19 {
        let digits = digits().fold(0u64, |value, digit| value * 10 + u64::from(digit - b'0'));
        match exponent {
            0..=19 => round(negative, u128::from(digits) * 10u128.pow(exponent as u32), 0, false),
            -27..=-1 => {
                // 5^27 is below 2^63, so the quotient has 65 bits at least: one to round by, and the remainder.
                let lift = 64 + digits.leading_zeros();
                let (number, divisor) = (u128::from(digits) << lift, 5u128.pow(-exponent as u32));
                round(negative, number / divisor, exponent as i32 - lift as i32, number % divisor != 0)
            }
            _ => scale(negative, Big::from(digits), exponent as i32),
        }
    } else {
        scale(negative, Big::of_digits(digits().copied()), exponent as i32)
    };
    // `strtold` reports a range error for what rounds to nothing.
    (!number.is_zero()).then_some(number)
}

/// `number × 10^exponent`, rounded once.
fn scale(negative: bool, mut number: Big, exponent: i32) -> LongDouble {
    if exponent >= 0 {
        number.multiply_by_power_of_5(exponent as u32);
        return round_big(negative, &number, exponent, false);
    }
    let mut divisor = Big::from(1);
    divisor.multiply_by_power_of_5(exponent.unsigned_abs());
    // Both get the same length, so that the quotient lies between a half and two; then long division, bit by bit.
    const QUOTIENT_BITS: i32 = 67;
    let lift = divisor.bits() as i32 - number.bits() as i32;
    if lift > 0 {
        number.shift_left(lift as usize);
    } else {
        divisor.shift_left(lift.unsigned_abs() as usize);
    }
    let mut quotient = 0u128;
    for _ in 0..QUOTIENT_BITS {
        quotient <<= 1;
        if number.compare(&divisor) != Ordering::Less {
            number.subtract(&divisor);
            quotient |= 1;
        }
        number.shift_left(1);
    }
    round(negative, quotient, exponent - lift - (QUOTIENT_BITS - 1), !number.is_zero())
}

fn parse_hexadecimal(negative: bool, text: &[u8]) -> Option<LongDouble> {
    let Parts { whole, fraction, exponent } = split(text, |byte| byte.is_ascii_hexdigit(), *b"pP")?;
    let (mut mantissa, mut skipped, mut more) = (0u128, 0i64, false);
    for digit in whole.iter().chain(fraction) {
        let digit = char::from(*digit).to_digit(16)?;
        if mantissa >> 120 == 0 {
            mantissa = mantissa << 4 | u128::from(digit);
        } else {
            skipped += 4;
            more |= digit != 0;
        }
    }
    let exponent = exponent + skipped - 4 * fraction.len() as i64;
    let number = round(negative, mantissa, i32::try_from(exponent).ok()?, more);
    (mantissa == 0 || !number.is_zero()).then_some(number)
}

/// What Redis prints: `%.17Lf` without trailing zeros, and without a minus in front of a zero.
impl fmt::Display for LongDouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DECIMALS: u128 = 100_000_000_000_000_000;
        let sign = if self.negative { "-" } else { "" };
        if !self.is_finite() {
            return write!(f, "{sign}inf");
        }
        if self.exponent > 64 {
            let mut number = Big::from(self.mantissa);
            number.shift_left(self.exponent as usize);
            f.write_str(sign)?;
            return number.write_decimal(f);
        }
        if self.exponent >= 0 {
            return write!(f, "{sign}{}", u128::from(self.mantissa) << self.exponent);
        }
        let below = self.exponent.unsigned_abs();
        let mut whole = self.mantissa.checked_shr(below).unwrap_or(0);
        let fraction = if below < 64 { self.mantissa & ((1 << below) - 1) } else { self.mantissa };
        let scaled = u128::from(fraction) * DECIMALS;
        // The product has less than 122 bits.
        let mut decimals = scaled.checked_shr(below).unwrap_or(0);
        if below < 128 {
            let (rest, half) = (scaled & ((1 << below) - 1), 1u128 << (below - 1));
            decimals += u128::from(rest > half || (rest == half && decimals & 1 == 1));
        }
        if decimals == DECIMALS {
            (whole, decimals) = (whole + 1, 0);
        }
        if decimals == 0 {
            return write!(f, "{}{whole}", if whole == 0 { "" } else { sign });
        }
        let mut width = 17;
        while decimals.is_multiple_of(10) {
            decimals /= 10;
            width -= 1;
        }
        write!(f, "{sign}{whole}.{decimals:0width$}")
    }
}

impl fmt::Debug for LongDouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:#x}p{}", if self.negative { "-" } else { "" }, self.mantissa, self.exponent)
    }
}

/// A natural number of any length: words of 64 bits, the least first, none of them zero at the end.
struct Big(SmallVec<[u64; 8]>);

impl From<u64> for Big {
    fn from(value: u64) -> Self {
        Big(if value == 0 { SmallVec::new() } else { SmallVec::from_slice(&[value]) })
    }
}

impl Big {
    /// The number that decimal digits spell.
    fn of_digits(digits: impl Iterator<Item = u8>) -> Self {
        let mut number = Big(SmallVec::new());
        let (mut part, mut factor) = (0u64, 1u64);
        for digit in digits {
            part = part * 10 + u64::from(digit - b'0');
            factor *= 10;
            if factor == 10_000_000_000_000_000_000 {
                number.multiply_add(factor, part);
                (part, factor) = (0, 1);
            }
        }
        number.multiply_add(factor, part);
        number
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn bits(&self) -> usize {
        self.0.last().map_or(0, |top| self.0.len() * 64 - top.leading_zeros() as usize)
    }

    fn multiply_add(&mut self, factor: u64, plus: u64) {
        let mut carry = u128::from(plus);
        for word in &mut self.0 {
            let product = u128::from(*word) * u128::from(factor) + carry;
            *word = product as u64;
            carry = product >> 64;
        }
        if carry != 0 {
            self.0.push(carry as u64);
        }
    }

    fn multiply_by_power_of_5(&mut self, mut power: u32) {
        while power > 0 {
            let step = power.min(27);
            self.multiply_add(5u64.pow(step), 0);
            power -= step;
        }
    }

    fn shift_left(&mut self, by: usize) {
        let (words, bits) = (by / 64, by % 64);
        if bits > 0 {
            let mut carry = 0;
            for word in &mut self.0 {
                let shifted = *word << bits | carry;
                carry = *word >> (64 - bits);
                *word = shifted;
            }
            if carry != 0 {
                self.0.push(carry);
            }
        }
        if words > 0 && !self.is_zero() {
            self.0.insert_many(0, std::iter::repeat_n(0, words));
        }
    }

    fn compare(&self, other: &Big) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    /// Takes away a number that is not larger.
    fn subtract(&mut self, other: &Big) {
        let mut borrow = false;
        for (at, word) in self.0.iter_mut().enumerate() {
            let (less, first) = word.overflowing_sub(other.0.get(at).copied().unwrap_or(0));
            let (less, second) = less.overflowing_sub(u64::from(borrow));
            (*word, borrow) = (less, first || second);
        }
        debug_assert!(!borrow, "only a smaller number is taken away");
        self.trim();
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    /// The number without its lowest `skipped` bits, which leaves at most 128, and whether one of those was set.
    fn top(&self, skipped: usize) -> (u128, bool) {
        let (words, bits) = (skipped / 64, skipped % 64);
        let word = |at: usize| u128::from(self.0.get(words + at).copied().unwrap_or(0));
        let low = word(0) | word(1) << 64;
        let top = if bits == 0 { low } else { low >> bits | word(2) << (128 - bits) };
        let lost = self.0.iter().take(words).any(|word| *word != 0) || low & ((1 << bits) - 1) != 0;
        (top, lost)
    }

    fn write_decimal(mut self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const GROUP: u64 = 10_000_000_000_000_000_000;
        let mut groups: SmallVec<[u64; 8]> = SmallVec::new();
        while !self.is_zero() {
            let mut rest = 0u128;
            for word in self.0.iter_mut().rev() {
                let part = rest << 64 | u128::from(*word);
                *word = (part / u128::from(GROUP)) as u64;
                rest = part % u128::from(GROUP);
            }
            groups.push(rest as u64);
            self.trim();
        }
        write!(f, "{}", groups.pop().unwrap_or(0))?;
        groups.iter().rev().try_for_each(|group| write!(f, "{group:019}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    fn number(text: &str) -> LongDouble {
        LongDouble::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text} is a number"))
    }

    fn sum(a: &str, b: &str) -> String {
        number(a).checked_add(number(b)).map_or("none".into(), |sum| sum.to_string())
    }

    #[test]
    fn sums_are_those_of_a_server() {
        for (a, b, expected) in [
            ("0.1", "0.2", "0.3"),
            ("3.0e3", "200", "3200"),
            ("5.0e3", "2.0e2", "5200"),
            ("10.50", "0.1", "10.6"),
            ("10.6", "-5", "5.6"),
            ("1e20", "1", "100000000000000000000"),
            ("3", "1.1", "4.1"),
            ("-0", "-0", "0"),
            ("-1e-20", "0", "0"),
            ("1e-17", "0", "0.00000000000000001"),
            ("0x10", "0x1.8p1", "19"),
            ("1e4932", "1e4932", "none"),
            ("inf", "1", "none"),
        ] {
            assert_eq!(sum(a, b).as_str(), expected, "{a} + {b}");
        }
    }

    #[test]
    fn what_strtold_does_not_take_whole_is_no_number() {
        for text in [
            "",
            " 1",
            "1 ",
            "nan",
            "-nan",
            "1e",
            "1e+",
            "0x",
            "0x.",
            "0x1p",
            ".",
            "-",
            "+",
            "--1",
            "1.2.3",
            "1e5000",
            "1e-5000",
            "infinit",
            "1\0",
            "1e1.5",
            "e1",
            "1,5",
            "0x1g",
            "0x1p20000",
            "0x1p-20000",
        ] {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(LongDouble::parse(&[b'1'; 4932]).map(|n| n.is_finite()), Some(true));
        assert_eq!(LongDouble::parse(&[b'0'; TEXT_BYTES_MAX]), Some(LongDouble::ZERO));
        assert_eq!(LongDouble::parse(&[b'0'; TEXT_BYTES_MAX + 1]), None);
    }

    quickcheck! {
        fn a_double_is_kept_exactly(value: f64) -> bool {
            match LongDouble::try_from(value) {
                Ok(number) => number.to_f64() == value,
                Err(NotANumber) => value.is_nan(),
            }
        }

        fn every_bit_pattern_of_a_double_is_kept(bits: u64) -> bool {
            let value = f64::from_bits(bits);
            match LongDouble::try_from(value) {
                Ok(number) => number.to_f64().to_bits() == value.to_bits(),
                Err(NotANumber) => value.is_nan(),
            }
        }

        fn an_integer_prints_as_it_is(value: i64) -> bool {
            LongDouble::from(value).to_string() == value.to_string()
                && LongDouble::parse(value.to_string().as_bytes()) == Some(LongDouble::from(value))
        }

        fn both_ways_of_reading_agree(digits: u64, exponent: i8) -> bool {
            let exponent = i32::from(exponent);
            let text = format!("{digits}e{exponent}");
            digits == 0 || digits > 9_999_999_999_999_999_999
                || LongDouble::parse(text.as_bytes()) == Some(scale(false, Big::from(digits), exponent))
        }

        fn a_text_survives_zeros_and_the_place_of_its_point(digits: u32, zeros: u8, point: u8) -> bool {
            let plain = LongDouble::parse(digits.to_string().as_bytes());
            let shifted = format!("{}{digits}.{}", "0".repeat(zeros.into()), "0".repeat(point.into()));
            let scaled = format!("{digits}{}e-{zeros}", "0".repeat(zeros.into()));
            plain == LongDouble::parse(shifted.as_bytes()) && plain == LongDouble::parse(scaled.as_bytes())
        }
    }
}

//! Bits of strings: counting, finding, combining, and integers of any width at any bit.
//!
//! Bit 0 is the highest bit of the first byte. What lies beyond a string's end is zero when it is read; whoever writes
//! has made the string long enough before. Long strings are gone through in words of eight bytes.

use std::ops::RangeInclusive;

/// Bytes that a string must have for the bit at `offset` to be in it.
#[must_use]
pub const fn bytes_for(offset: u64) -> usize {
    (offset / 8) as usize + 1
}

/// The bit at `offset`; beyond the end it is clear. O(1).
#[must_use]
pub fn get(bytes: &[u8], offset: u64) -> bool {
    let byte = usize::try_from(offset / 8).ok().and_then(|at| bytes.get(at));
    byte.is_some_and(|byte| byte & mask(offset) != 0)
}

/// Sets or clears the bit at `offset`, and returns what it was; nothing beyond the end. O(1).
pub fn set(bytes: &mut [u8], offset: u64, on: bool) -> bool {
    let Some(byte) = usize::try_from(offset / 8).ok().and_then(|at| bytes.get_mut(at)) else { return false };
    let mask = mask(offset);
    let was = *byte & mask != 0;
    *byte = if on { *byte | mask } else { *byte & !mask };
    was
}

const fn mask(offset: u64) -> u8 {
    0x80 >> (offset % 8)
}

/// The part of a string that `start` and `end` mean, both included and counted from the end where they are negative:
/// `None` where it is empty. `len` is the string's length in the same unit, bytes or bits. O(1).
#[must_use]
pub fn range(len: u64, start: i64, end: i64) -> Option<RangeInclusive<u64>> {
    // No string is longer than half of what 64 bits count.
    let len = i64::try_from(len).ok()?;
    let absolute = |index: i64| if index < 0 { index.saturating_add(len).max(0) } else { index };
    let (start, end) = (absolute(start), absolute(end).min(len - 1));
    (start <= end).then(|| start.unsigned_abs()..=end.unsigned_abs())
}

/// How many bits are set. O(n), eight bytes a step.
#[must_use]
pub fn count(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    // Four sums at a time, so that no addition waits for the one before.
    let (groups, tail) = words.as_chunks::<4>();
    let mut sums = [0u64; 4];
    for group in groups {
        for (sum, word) in sums.iter_mut().zip(group) {
            *sum += u64::from(u64::from_le_bytes(*word).count_ones());
        }
    }
    let tail: u32 = tail.iter().map(|word| u64::from_le_bytes(*word).count_ones()).sum();
    let rest: u32 = rest.iter().map(|byte| byte.count_ones()).sum();
    sums.iter().sum::<u64>() + u64::from(tail) + u64::from(rest)
}

/// How many bits are set between two bits of the string, both included. O(n).
#[must_use]
pub fn count_between(bytes: &[u8], bits: RangeInclusive<u64>) -> u64 {
    let (first, last) = (*bits.start(), *bits.end());
    let (from, to) = ((first / 8) as usize, (last / 8) as usize);
    let Some(part) = bytes.get(from..=to) else { return 0 };
    let (before, behind) = outside(first, last);
    let (head, tail) = (part.first().copied().unwrap_or(0), part.last().copied().unwrap_or(0));
    count(part) - u64::from((head & before).count_ones()) - u64::from((tail & behind).count_ones())
}

/// The bits of the first byte before `first`, and those of the last byte behind `last`.
fn outside(first: u64, last: u64) -> (u8, u8) {
    (!(0xFF >> (first % 8)), 0x7F >> (last % 8))
}

/// The first bit that is `on`, counted from the start of `bytes`. O(n), eight bytes a step.
#[must_use]
pub fn find(bytes: &[u8], on: bool) -> Option<u64> {
    // Whatever is looked for, it becomes a set bit.
    let flip = if on { 0 } else { u64::MAX };
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_be_bytes(*word) ^ flip;
        if word != 0 {
            return Some(at as u64 * 64 + u64::from(word.leading_zeros()));
        }
    }
    rest.iter().enumerate().find_map(|(at, byte)| {
        let byte = byte ^ flip as u8;
        (byte != 0).then(|| (words.len() * 8 + at) as u64 * 8 + u64::from(byte.leading_zeros()))
    })
}

/// The first bit that is `on` between two bits of the string, both included, counted from the string's start. O(n).
#[must_use]
pub fn find_between(bytes: &[u8], bits: RangeInclusive<u64>, on: bool) -> Option<u64> {
    let (first, last) = (*bits.start(), *bits.end());
    let (from, to) = ((first / 8) as usize, (last / 8) as usize);
    let part = bytes.get(from..=to)?;
    let start = from as u64 * 8;
    let (head, rest) = part.split_first()?;
    // The bits outside become what is not looked for.
    let (before, behind) = outside(first, last);
    let without = |byte: u8, mask: u8| if on { byte & !mask } else { byte | mask };
    let head = if from == to { without(*head, behind) } else { *head };
    if let Some(at) = find(&[without(head, before)], on) {
        return Some(start + at);
    }
    let (tail, middle) = rest.split_last()?;
    if let Some(at) = find(middle, on) {
        return Some(start + 8 + at);
    }
    find(&[without(*tail, behind)], on).map(|at| to as u64 * 8 + at)
}

/// How `BITOP` combines strings, bit by bit. The first string is `X`, the others are `Y`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Set in all.
    And,
    /// Set in any.
    Or,
    /// Set in an odd number of them.
    Xor,
    /// Not set in the only one.
    Not,
    /// Set in `X` and in no `Y`.
    Diff,
    /// Set in a `Y` and not in `X`.
    Diff1,
    /// Set in `X` and in a `Y`.
    AndOr,
    /// Set in exactly one.
    One,
}

/// Combines strings; the result is as long as the longest, and shorter ones count as filled up with zeros.
///
/// O(bytes of all), eight bytes a step.
#[must_use]
pub fn combine(operation: Operation, strings: &[&[u8]]) -> Vec<u8> {
    let len = strings.iter().map(|string| string.len()).max().unwrap_or(0);
    let Some((&x, ys)) = strings.split_first() else { return Vec::new() };
    let filled = |string: &[u8]| {
        let mut filled = Vec::with_capacity(len);
        filled.extend_from_slice(string);
        filled.resize(len, 0);
        filled
    };
    match operation {
        Operation::Not => x.iter().map(|byte| !byte).collect(),
        Operation::And => {
            let mut all = filled(x);
            for y in ys {
                each_word(&mut all, y, |all, y| all & y);
                all.get_mut(y.len()..).unwrap_or_default().fill(0);
            }
            all
        }
        Operation::Or => {
            let mut any = filled(x);
            ys.iter().for_each(|y| each_word(&mut any, y, |any, y| any | y));
            any
        }
        Operation::Xor => {
            let mut odd = filled(x);
            ys.iter().for_each(|y| each_word(&mut odd, y, |odd, y| odd ^ y));
            odd
        }
        Operation::Diff => {
            let mut left = filled(x);
            ys.iter().for_each(|y| each_word(&mut left, y, |left, y| left & !y));
            left
        }
        Operation::Diff1 => {
            let mut any = combine(Operation::Or, ys);
            any.resize(len, 0);
            each_word(&mut any, x, |any, x| any & !x);
            any
        }
        Operation::AndOr => {
            let mut any = combine(Operation::Or, ys);
            any.resize(len, 0);
            each_word(&mut any, x, |any, x| any & x);
            any.get_mut(x.len()..).unwrap_or_default().fill(0);
            any
        }
        Operation::One => {
            let (mut one, mut more) = (filled(x), vec![0; len]);
            for y in ys {
                // Whatever is set a second time is out for good.
                each_word_of_two(&mut one, &mut more, y, |one, more, y| {
                    let more = more | (one & y);
                    ((one ^ y) & !more, more)
                });
            }
            one
        }
    }
}

/// Applies `f` to the words of `into` and `with`, as far as both go.
fn each_word(into: &mut [u8], with: &[u8], f: impl Fn(u64, u64) -> u64) {
    let len = into.len().min(with.len());
    let (words, rest) = into.get_mut(..len).unwrap_or_default().as_chunks_mut::<8>();
    let (others, other_rest) = with.get(..len).unwrap_or_default().as_chunks::<8>();
    for (word, other) in words.iter_mut().zip(others) {
        *word = f(u64::from_ne_bytes(*word), u64::from_ne_bytes(*other)).to_ne_bytes();
    }
    for (byte, other) in rest.iter_mut().zip(other_rest) {
        *byte = f(u64::from(*byte), u64::from(*other)) as u8;
    }
}

/// The same for two strings that are changed together.
fn each_word_of_two(one: &mut [u8], two: &mut [u8], with: &[u8], f: impl Fn(u64, u64, u64) -> (u64, u64)) {
    let len = one.len().min(two.len()).min(with.len());
    let (ones, one_rest) = one.get_mut(..len).unwrap_or_default().as_chunks_mut::<8>();
    let (twos, two_rest) = two.get_mut(..len).unwrap_or_default().as_chunks_mut::<8>();
    let (others, other_rest) = with.get(..len).unwrap_or_default().as_chunks::<8>();
    for ((a, b), other) in ones.iter_mut().zip(twos).zip(others) {
        let (new_a, new_b) = f(u64::from_ne_bytes(*a), u64::from_ne_bytes(*b), u64::from_ne_bytes(*other));
        (*a, *b) = (new_a.to_ne_bytes(), new_b.to_ne_bytes());
    }
    for ((a, b), other) in one_rest.iter_mut().zip(two_rest).zip(other_rest) {
        let (new_a, new_b) = f(u64::from(*a), u64::from(*b), u64::from(*other));
        (*a, *b) = (new_a as u8, new_b as u8);
    }
}

/// The type of an integer in a bitfield: `i1` to `i64`, `u1` to `u63`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Width {
    signed: bool,
    bits: u8,
}

impl Width {
    /// A signed integer of 1 to 64 bits.
    #[must_use]
    pub const fn signed(bits: u8) -> Option<Self> {
        if bits >= 1 && bits <= 64 { Some(Self { signed: true, bits }) } else { None }
    }

    /// An unsigned integer of 1 to 63 bits: 64 would not fit a reply.
    #[must_use]
    pub const fn unsigned(bits: u8) -> Option<Self> {
        if bits >= 1 && bits <= 63 { Some(Self { signed: false, bits }) } else { None }
    }

    /// How many bits it takes.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.bits as u64
    }

    /// Whether it has a sign.
    #[must_use]
    pub const fn is_signed(self) -> bool {
        self.signed
    }

    /// The least and the greatest number.
    fn limits(self) -> (i128, i128) {
        let one = 1i128;
        if self.signed {
            (-(one << (self.bits - 1)), (one << (self.bits - 1)) - 1)
        } else {
            (0, (one << self.bits) - 1)
        }
    }

    /// The number that the lowest bits of `raw` are.
    fn of(self, raw: u64) -> i64 {
        let unused = 64 - u32::from(self.bits);
        if self.signed { (raw << unused) as i64 >> unused } else { (raw << unused >> unused) as i64 }
    }
}

/// What becomes of a number that its type does not hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Its lowest bits stay.
    #[default]
    Wrap,
    /// The nearest one that the type holds.
    Saturate,
    /// Nothing is written.
    Fail,
}

/// Reads the integer at a bit; what is beyond the end reads as zeros. O(1).
#[must_use]
pub fn field(bytes: &[u8], offset: u64, width: Width) -> i64 {
    width.of((window(bytes, offset) >> shift(offset, width)) as u64)
}

/// Writes the lowest bits of a number at a bit. What is beyond the end is lost. O(1).
pub fn set_field(bytes: &mut [u8], offset: u64, width: Width, value: i64) {
    let ones = (1u128 << width.bits) - 1;
    let shift = shift(offset, width);
    let window = (window(bytes, offset) & !(ones << shift)) | ((value as u128 & ones) << shift);
    let at = usize::try_from(offset / 8).unwrap_or(usize::MAX);
    for (byte, new) in bytes.get_mut(at..).unwrap_or_default().iter_mut().zip(window.to_be_bytes()) {
        *byte = new;
    }
}

/// The sixteen bytes from that of a bit on: any integer is within its first nine.
fn window(bytes: &[u8], offset: u64) -> u128 {
    let at = usize::try_from(offset / 8).unwrap_or(usize::MAX);
    let mut window = [0; 16];
    for (to, byte) in window.iter_mut().zip(bytes.get(at..).unwrap_or_default()) {
        *to = *byte;
    }
    u128::from_be_bytes(window)
}

/// How far an integer stands from the end of its window.
fn shift(offset: u64, width: Width) -> u32 {
    128 - (offset % 8) as u32 - u32::from(width.bits)
}

/// The number that is stored for `value`; `None` where it does not fit and must not be changed. O(1).
///
/// Redis hands an unsigned field's number over as 64 bits without a sign, so a negative one is above every limit.
#[must_use]
pub fn fit(value: i64, width: Width, overflow: Overflow) -> Option<i64> {
    let exact = if width.signed { i128::from(value) } else { i128::from(value as u64) };
    within(exact, width, overflow)
}

/// The sum of a stored number and an increment, as it is stored; `None` where it does not fit and must not be changed.
/// O(1).
#[must_use]
pub fn add(old: i64, by: i64, width: Width, overflow: Overflow) -> Option<i64> {
    within(i128::from(old) + i128::from(by), width, overflow)
}

fn within(exact: i128, width: Width, overflow: Overflow) -> Option<i64> {
    let (min, max) = width.limits();
    if (min..=max).contains(&exact) {
        return Some(exact as i64);
    }
    match overflow {
        Overflow::Wrap => Some(width.of(exact as u64)),
        Overflow::Saturate => Some(exact.clamp(min, max) as i64),
        Overflow::Fail => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    /// A string bit by bit.
    fn spread(bytes: &[u8]) -> Vec<bool> {
        (0..bytes.len() as u64 * 8).map(|at| get(bytes, at)).collect()
    }

    quickcheck! {
        fn a_bit_that_was_set_is_read_back_and_no_other_changes(bytes: Vec<u8>, at: u16, on: bool) -> bool {
            let (mut changed, at) = (bytes.clone(), u64::from(at) % 512);
            let was = set(&mut changed, at, on);
            (0..520).all(|bit| {
                let inside = bit < bytes.len() as u64 * 8;
                get(&changed, bit) == if bit == at && inside { on } else { get(&bytes, bit) }
            }) && was == get(&bytes, at)
        }

        fn counts_and_finds_are_those_of_the_single_bits(bytes: Vec<u8>, from: u16, to: u16, same: u8) -> bool {
            // Long runs of one byte are what the words skip.
            let bytes = if same < 200 { [&vec![if same < 100 { 0 } else { 255 }; 40][..], &bytes].concat() } else { bytes };
            let bits = spread(&bytes);
            if bits.is_empty() {
                return count(&bytes) == 0 && find(&bytes, true).is_none();
            }
            let (from, to) = (from as usize % bits.len(), to as usize % bits.len());
            let (from, to) = (from.min(to), from.max(to));
            let part = &bits[from..=to];
            let between = || from as u64..=to as u64;
            count(&bytes) == bits.iter().filter(|bit| **bit).count() as u64
                && count_between(&bytes, between()) == part.iter().filter(|bit| **bit).count() as u64
                && [true, false].into_iter().all(|on| {
                    let place = |bits: &[bool]| bits.iter().position(|bit| *bit == on);
                    find(&bytes, on) == place(&bits).map(|at| at as u64)
                        && find_between(&bytes, between(), on) == place(part).map(|at| (from + at) as u64)
                })
        }

        fn strings_are_combined_bit_by_bit(strings: Vec<Vec<u8>>) -> bool {
            let strings: Vec<&[u8]> = strings.iter().map(Vec::as_slice).collect();
            let len = strings.iter().map(|string| string.len()).max().unwrap_or(0);
            let agrees = |operation, bit: &dyn Fn(bool, usize) -> bool| {
                let combined = combine(operation, &strings);
                combined.len() == len
                    && (0..len as u64 * 8).all(|at| {
                        let x = get(strings[0], at);
                        let others = strings[1..].iter().filter(|string| get(string, at)).count();
                        get(&combined, at) == bit(x, others)
                    })
            };
            let others = strings.len().saturating_sub(1);
            strings.is_empty()
                || agrees(Operation::And, &|x, ys| x && ys == others)
                    && agrees(Operation::Or, &|x, ys| x || ys > 0)
                    && agrees(Operation::Xor, &|x, ys| x ^ (ys % 2 == 1))
                    && agrees(Operation::Diff, &|x, ys| x && ys == 0)
                    && agrees(Operation::Diff1, &|x, ys| !x && ys > 0)
                    && agrees(Operation::AndOr, &|x, ys| x && ys > 0)
                    && agrees(Operation::One, &|x, ys| usize::from(x) + ys == 1)
                    && combine(Operation::Not, &strings[..1]).iter().zip(strings[0]).all(|(a, b)| *a == !b)
        }

        fn a_field_is_its_bits(bytes: Vec<u8>, offset: u16, bits: u8, signed: bool, value: i64) -> bool {
            let offset = u64::from(offset) % 200;
            let width = if signed { Width::signed(bits % 64 + 1) } else { Width::unsigned(bits % 63 + 1) };
            let Some(width) = width else { return false };
            let mut bytes = bytes;
            bytes.resize(40, 0);
            let before = spread(&bytes);
            set_field(&mut bytes, offset, width, value);
            let after = spread(&bytes);
            let inside = |at: &usize| (offset..offset + width.bits()).contains(&(*at as u64));
            let raw = after.iter().enumerate().filter(|(at, _)| inside(at)).fold(0u64, |raw, (_, bit)| raw << 1 | u64::from(*bit));
            (0..before.len()).all(|at| inside(&at) || before[at] == after[at])
                && width.of(raw) == field(&bytes, offset, width)
                && width.of(value as u64) == field(&bytes, offset, width)
        }
    }

    #[test]
    fn a_range_is_cut_to_the_string() {
        assert_eq!(range(3, 0, -1), Some(0..=2));
        assert_eq!(range(3, -2, 100), Some(1..=2));
        assert_eq!(range(3, -100, -3), Some(0..=0));
        assert_eq!(range(3, 2, 1), None);
        assert_eq!(range(3, 3, 5), None);
        assert_eq!(range(0, 0, -1), None);
        assert_eq!(range(3, i64::MIN, i64::MAX), Some(0..=2));
        assert_eq!(range(3, i64::MAX, i64::MIN), None);
    }

    #[test]
    fn numbers_that_do_not_fit_are_treated_as_asked() {
        let (i8, u8) = (Width::signed(8).unwrap(), Width::unsigned(8).unwrap());
        let i64 = Width::signed(64).unwrap();
        for (old, by, width, wrapped, saturated) in [
            (127, 1, i8, -128, 127),
            (-128, -1, i8, 127, -128),
            (255, 1, u8, 0, 255),
            (0, -1, u8, 255, 0),
            (i64::MAX, 1, i64, i64::MIN, i64::MAX),
            (i64::MIN, -1, i64, i64::MAX, i64::MIN),
        ] {
            assert_eq!(add(old, by, width, Overflow::Wrap), Some(wrapped));
            assert_eq!(add(old, by, width, Overflow::Saturate), Some(saturated));
            assert_eq!(add(old, by, width, Overflow::Fail), None);
        }
        assert_eq!(fit(-1, u8, Overflow::Saturate), Some(255));
        assert_eq!(fit(-1, u8, Overflow::Wrap), Some(255));
        assert_eq!(fit(-129, i8, Overflow::Saturate), Some(-128));
        assert_eq!(Width::signed(65), None);
        assert_eq!(Width::unsigned(64), None);
        assert_eq!(Width::signed(0), None);
    }
}

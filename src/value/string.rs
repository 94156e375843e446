//! Strings: the arithmetic of their operations, apart from where their bytes are.

use std::ops::Range;

/// The part that `GETRANGE start end` means of a string of `len` bytes: both ends included, negative ones counted
/// from the string's end, and cut to what is there. O(1).
#[must_use]
pub fn range(len: usize, start: i64, end: i64) -> Range<usize> {
    if len == 0 || (start < 0 && end < 0 && start > end) {
        return 0..0;
    }
    let absolute = |index: i64| -> usize {
        if index < 0 {
            len.saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX))
        } else {
            usize::try_from(index).unwrap_or(usize::MAX)
        }
    };
    let (start, end) = (absolute(start), absolute(end).min(len - 1));
    if start > end { 0..0 } else { start..end + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    #[test]
    fn a_range_is_cut_to_the_string() {
        for (start, end, expected) in [
            (0, -1, 0..4),
            (-3, -1, 1..4),
            (1, 1, 1..2),
            (10, 100, 0..0),
            (0, -100, 0..1),
            (-100, -90, 0..1),
            (-90, -100, 0..0),
            (3, 1, 0..0),
            (i64::MIN, i64::MAX, 0..4),
            (i64::MAX, i64::MIN, 0..0),
        ] {
            assert_eq!(range(4, start, end), expected, "{start} {end}");
        }
        assert_eq!(range(0, 0, -1), 0..0);
    }

    quickcheck! {
        fn a_range_lies_within_the_string(len: usize, start: i64, end: i64) -> bool {
            let range = range(len, start, end);
            range.start <= range.end && range.end <= len
        }
    }
}

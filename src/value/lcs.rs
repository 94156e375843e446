//! The longest common subsequence of two strings, with the matches that Redis picks where there are several.
//!
//! Redis fills a table of 32-bit lengths, `lcs[i][j]` for the first `i` bytes of `a` and the first `j` of `b`, and
//! walks it back from the far corner: diagonally over equal bytes, else up where `lcs[i-1][j] > lcs[i][j-1]`, else
//! left. All that the walk needs to know of a cell is whether `lcs[i][j]` exceeds its left neighbour: where the
//! bytes differ, `lcs[i][j]` is the larger of the upper and the left cell, so the upper one is larger exactly if the
//! left one is smaller than the cell itself.
//!
//! So one bit a cell is kept instead of a word, and the bits of 64 cells are computed at once (Hyyrö's form of
//! Crochemore's algorithm; a row is an addition with carry). A pair that takes 512 MB and a second there takes 16 MB
//! and a few milliseconds here.

use std::ops::Range;

/// The longest common subsequence of two strings, computed.
#[derive(Debug)]
pub struct Lcs<'a> {
    a: &'a [u8],
    b: &'a [u8],
    len: usize,
    /// For 64 bytes of `b` after another, a word a byte of `a`; a zero bit says that the cell exceeds its left
    /// neighbour.
    rows: Vec<u64>,
}

/// A run of bytes that both strings share, at these places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Where it stands in the first string.
    pub a: Range<usize>,
    /// Where it stands in the second.
    pub b: Range<usize>,
}

/// Whether Redis' table for strings of these lengths, four bytes a cell, fits `bytes_max`.
///
/// Ours is a thirty-second of that, but the limit is part of the command.
#[must_use]
pub fn fits(a_len: usize, b_len: usize, bytes_max: usize) -> bool {
    let cells = (a_len as u128 + 1).saturating_mul(b_len as u128 + 1);
    cells.saturating_mul(4) <= bytes_max as u128
}

/// The length of the longest common subsequence. O(a b / 64) time, O(a) memory.
#[must_use]
pub fn len(a: &[u8], b: &[u8]) -> usize {
    table(a, b, |_| {})
}

impl<'a> Lcs<'a> {
    /// Computes it. O(a b / 64) time, a bit a cell of memory; ask [`fits`] first.
    #[must_use]
    pub fn new(a: &'a [u8], b: &'a [u8]) -> Self {
        let mut rows = Vec::with_capacity(a.len() * b.len().div_ceil(64));
        let len = table(a, b, |row| rows.push(row));
        Self { a, b, len, rows }
    }

    /// Its length.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the strings have nothing in common.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its bytes. O(a + b).
    #[must_use]
    pub fn sequence(&self) -> Vec<u8> {
        let mut sequence = Vec::with_capacity(self.len);
        self.walk(|i, _| sequence.extend(self.a.get(i)));
        sequence.reverse();
        sequence
    }

    /// Its runs of at least `len_min` bytes, the last one first, as Redis gives them. O(a + b).
    #[must_use]
    pub fn matches(&self, len_min: usize) -> Vec<Match> {
        let mut matches: Vec<Match> = Vec::new();
        self.walk(|i, j| match matches.last_mut() {
            Some(last) if last.a.start == i + 1 && last.b.start == j + 1 => {
                (last.a.start, last.b.start) = (i, j);
            }
            _ => matches.push(Match { a: i..i + 1, b: j..j + 1 }),
        });
        matches.retain(|found| found.a.len() >= len_min);
        matches
    }

    /// Visits the places of equal bytes that make it up, from the end.
    fn walk(&self, mut visit: impl FnMut(usize, usize)) {
        let (mut i, mut j) = (self.a.len(), self.b.len());
        while let (Some(above), Some(left)) = (i.checked_sub(1), j.checked_sub(1)) {
            if self.a[above] == self.b[left] {
                visit(above, left);
                (i, j) = (above, left);
            } else if self.rows[left / 64 * self.a.len() + above] >> (left % 64) & 1 == 0 {
                i = above;
            } else {
                j = left;
            }
        }
    }
}

/// Computes the bits of all rows, 64 columns at a time, and hands them to `keep`; returns the length.
fn table(a: &[u8], b: &[u8], mut keep: impl FnMut(u64)) -> usize {
    let mut places = [0u64; 256];
    // What each row's addition carries into the next 64 columns.
    let mut carries = vec![false; a.len()];
    let mut len = 0;
    for columns in b.chunks(64) {
        for (at, byte) in columns.iter().enumerate() {
            places[usize::from(*byte)] |= 1 << at;
        }
        let mut row = u64::MAX;
        for (byte, carry) in a.iter().zip(&mut carries) {
            let equal = places[usize::from(*byte)];
            let (sum, first) = row.overflowing_add(row & equal);
            let (sum, second) = sum.overflowing_add(u64::from(*carry));
            *carry = first || second;
            row = sum | (row & !equal);
            keep(row);
        }
        // Columns beyond the string's end never match, so their bits stay set.
        len += row.count_zeros() as usize;
        for byte in columns {
            places[usize::from(*byte)] = 0;
        }
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    /// Redis' way, word by word.
    fn reference(a: &[u8], b: &[u8]) -> (usize, Vec<u8>, Vec<Match>) {
        let mut table = vec![vec![0usize; b.len() + 1]; a.len() + 1];
        for i in 1..=a.len() {
            for j in 1..=b.len() {
                table[i][j] = if a[i - 1] == b[j - 1] {
                    table[i - 1][j - 1] + 1
                } else {
                    table[i - 1][j].max(table[i][j - 1])
                };
            }
        }
        let (mut i, mut j) = (a.len(), b.len());
        let (mut sequence, mut matches): (Vec<u8>, Vec<Match>) = (Vec::new(), Vec::new());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                sequence.insert(0, a[i]);
                match matches.last_mut() {
                    Some(last) if last.a.start == i + 1 && last.b.start == j + 1 => {
                        (last.a.start, last.b.start) = (i, j);
                    }
                    _ => matches.push(Match { a: i..i + 1, b: j..j + 1 }),
                }
            } else if table[i - 1][j] > table[i][j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        (table[a.len()][b.len()], sequence, matches)
    }

    quickcheck! {
        fn it_is_what_the_table_of_words_gives(a: Vec<u8>, b: Vec<u8>, letters: u8, times: u8) -> bool {
            // Few letters, so that there is something in common; long enough for several words a row.
            let letters = letters % 6 + 1;
            let grow = |text: Vec<u8>, by: usize| -> Vec<u8> {
                let len = text.len();
                (0..len * by).map(|at| (text[at % len] ^ (at / len) as u8) % letters).collect()
            };
            let (a, b) = (grow(a, usize::from(times % 3 + 1)), grow(b, usize::from(times / 3 % 4 + 1)));
            let (len_expected, sequence, matches) = reference(&a, &b);
            let lcs = Lcs::new(&a, &b);
            len(&a, &b) == len_expected
                && lcs.len() == len_expected
                && lcs.sequence() == sequence
                && lcs.matches(0) == matches
                && lcs.matches(3) == matches.into_iter().filter(|m| m.a.len() >= 3).collect::<Vec<_>>()
        }
    }

    #[test]
    fn the_documented_example_gives_the_documented_matches() {
        let lcs = Lcs::new(b"ohmytext", b"mynewtext");
        assert_eq!(lcs.sequence(), b"mytext");
        assert_eq!(lcs.matches(0), [Match { a: 4..8, b: 5..9 }, Match { a: 2..4, b: 0..2 }]);
    }

    #[test]
    fn the_limit_is_that_of_four_bytes_a_cell() {
        assert!(fits(0, 0, 4) && fits(9, 9, 400));
        assert!(!fits(9, 9, 399) && !fits(usize::MAX, usize::MAX, usize::MAX));
    }
}

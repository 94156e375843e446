//! A set of integers as sorted numbers of one width: Redis' intset, byte for byte.
//!
//! ```text
//! +------------------+------------------+--------------------------------------+
//! | width u32 (2|4|8)| count u32        | the numbers, ascending, width each   |
//! +------------------+------------------+--------------------------------------+
//! ```
//!
//! All numbers are little-endian. A number that needs more than the width makes the whole set wider; nothing makes it
//! narrower again, as in Redis. An empty buffer is an empty set, too.
//!
//! **Invariant:** the numbers ascend strictly. The readers never panic on other bytes; they find less.

use crate::value::listpack::Buffer;

/// The bytes in front of the numbers: their width and count.
pub(super) const HEADER: usize = 8;

/// A set of integers, given by its bytes, to be read.
#[derive(Clone, Copy, Debug)]
pub struct Ints<'a> {
    /// 2, 4 or 8.
    width: usize,
    numbers: &'a [u8],
}

impl<'a> Ints<'a> {
    /// Reads the set in `bytes`. O(1).
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        let Some((header, numbers)) = bytes.split_first_chunk::<HEADER>() else {
            return Self { width: 2, numbers: &[] };
        };
        let width = match header[0] {
            2 => 2,
            4 => 4,
            _ => 8,
        };
        Self { width, numbers }
    }

    /// How many numbers there are. O(1).
    #[inline]
    pub fn len(self) -> usize {
        self.numbers.len() / self.width
    }

    /// Whether there is none. O(1).
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether both are the same place in memory. O(1).
    pub(super) fn is(self, other: Ints<'_>) -> bool {
        std::ptr::eq(self.numbers, other.numbers)
    }

    /// The bytes that a number takes. O(1).
    pub fn width(self) -> usize {
        self.width
    }

    /// The number at a position, counted from the smallest. O(1).
    #[inline]
    pub fn get(self, index: usize) -> Option<i64> {
        let at = index.checked_mul(self.width)?;
        let rest = self.numbers.get(at..)?;
        Some(match self.width {
            2 => i64::from(i16::from_le_bytes(*rest.first_chunk()?)),
            4 => i64::from(i32::from_le_bytes(*rest.first_chunk()?)),
            _ => i64::from_le_bytes(*rest.first_chunk()?),
        })
    }

    /// The smallest number. O(1).
    pub fn first(self) -> Option<i64> {
        self.get(0)
    }

    /// The largest number. O(1).
    pub fn last(self) -> Option<i64> {
        self.get(self.len().checked_sub(1)?)
    }

    /// Whether the number is in the set. O(log n).
    #[inline]
    pub fn contains(self, number: i64) -> bool {
        self.search(number).is_ok()
    }

    /// Where the number is, or where it would be. O(log n).
    fn search(self, number: i64) -> Result<usize, usize> {
        let len = self.len();
        // Numbers often come in their order.
        match self.last() {
            Some(last) if number > last => return Err(len),
            None => return Err(0),
            Some(_) => {}
        }
        let (mut low, mut high) = (0, len);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle) {
                Some(found) if found < number => low = middle + 1,
                Some(found) if found == number => return Ok(middle),
                _ => high = middle,
            }
        }
        Err(low)
    }

    /// The numbers, ascending. O(1) a step.
    pub fn iter(self) -> impl ExactSizeIterator<Item = i64> + 'a {
        (0..self.len()).map(move |index| self.get(index).unwrap_or_default())
    }
}

/// The bytes that a number takes at least.
#[inline]
pub(super) fn width_of(number: i64) -> usize {
    match number {
        -0x8000..=0x7FFF => 2,
        -0x8000_0000..=0x7FFF_FFFF => 4,
        _ => 8,
    }
}

fn header(width: usize, count: usize) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0] = width as u8;
    // Beyond 2^30 numbers a set is no longer kept as integers.
    header[4..].copy_from_slice(&(count as u32).to_le_bytes());
    header
}

/// Adds a number; whether it was new. O(n) in the bytes behind it.
pub fn insert<B: Buffer + ?Sized>(buffer: &mut B, number: i64) -> bool {
    let ints = Ints::new(buffer.bytes());
    let (count, width) = (ints.len(), width_of(number));
    if width > ints.width || buffer.bytes().is_empty() {
        let width = width.max(ints.width);
        // Whatever needs more width than all the others stands before or behind them all.
        let mut wider = Vec::with_capacity(HEADER + (count + 1) * width);
        wider.extend_from_slice(&header(width, count + 1));
        let mut push = |number: i64| wider.extend_from_slice(&number.to_le_bytes()[..width]);
        if number < 0 {
            push(number);
        }
        ints.iter().for_each(&mut push);
        if number >= 0 {
            push(number);
        }
        let old = buffer.bytes().len();
        buffer.splice(0, old, [&wider, &[], &[]]);
        return true;
    }
    let Err(index) = ints.search(number) else { return false };
    let width = ints.width;
    buffer.splice(HEADER + index * width, 0, [&number.to_le_bytes()[..width], &[], &[]]);
    buffer.overwrite(0, &header(width, count + 1));
    true
}

/// Removes a number; whether it was there. O(n) in the bytes behind it.
pub fn remove<B: Buffer + ?Sized>(buffer: &mut B, number: i64) -> bool {
    match Ints::new(buffer.bytes()).search(number) {
        Ok(index) => {
            remove_at(buffer, index);
            true
        }
        Err(_) => false,
    }
}

/// Removes the number at a position, which is one of the set's. O(n) in the bytes behind it.
pub fn remove_at<B: Buffer + ?Sized>(buffer: &mut B, index: usize) {
    let ints = Ints::new(buffer.bytes());
    let (count, width) = (ints.len(), ints.width);
    buffer.splice(HEADER + index * width, width, [&[]; 3]);
    buffer.overwrite(0, &header(width, count - 1));
}

/// Keeps the numbers for which `keep` says so. O(n).
pub fn retain<B: Buffer + ?Sized>(buffer: &mut B, mut keep: impl FnMut(i64) -> bool) {
    let ints = Ints::new(buffer.bytes());
    let (width, old) = (ints.width, buffer.bytes().len());
    let mut kept = Vec::with_capacity(old);
    kept.extend_from_slice(&[0; HEADER]);
    for number in ints.iter().filter(|&number| keep(number)) {
        kept.extend_from_slice(&number.to_le_bytes()[..width]);
    }
    let count = (kept.len() - HEADER) / width;
    kept[..HEADER].copy_from_slice(&header(width, count));
    buffer.splice(0, old, [&kept, &[], &[]]);
}

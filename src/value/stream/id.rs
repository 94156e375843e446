//! The ID of an entry: a time in Unix ms and a number that tells entries of one millisecond apart.

use std::fmt;

/// An entry's ID, `ms-seq`. IDs are ordered by their time, then by their sequence number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Unix ms, or whatever a client gave for it.
    pub ms: u64,
    /// The sequence number.
    pub seq: u64,
}

impl Id {
    /// `0-0`, which no entry has.
    pub const MIN: Id = Id { ms: 0, seq: 0 };
    /// The last ID there is.
    pub const MAX: Id = Id { ms: u64::MAX, seq: u64::MAX };

    /// An ID.
    #[must_use]
    pub const fn new(ms: u64, seq: u64) -> Self {
        Self { ms, seq }
    }

    /// The ID that follows; `None` after the last one.
    #[must_use]
    pub fn next(self) -> Option<Id> {
        match (self.seq.checked_add(1), self.ms.checked_add(1)) {
            (Some(seq), _) => Some(Id { seq, ..self }),
            (None, Some(ms)) => Some(Id { ms, seq: 0 }),
            (None, None) => None,
        }
    }

    /// The ID before; `None` before the first one.
    #[must_use]
    pub fn prev(self) -> Option<Id> {
        match (self.seq.checked_sub(1), self.ms.checked_sub(1)) {
            (Some(seq), _) => Some(Id { seq, ..self }),
            (None, Some(ms)) => Some(Id { ms, seq: u64::MAX }),
            (None, None) => None,
        }
    }

    /// Reads `ms-seq` as [`Display`](fmt::Display) writes it.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Id> {
        let (ms, seq) = std::str::from_utf8(text).ok()?.split_once('-')?;
        Some(Id { ms: ms.parse().ok()?, seq: seq.parse().ok()? })
    }

    /// The text of the ID, written into `buffer`.
    #[inline]
    pub fn format(self, buffer: &mut IdBuffer) -> &[u8] {
        let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (ms, seq) = (ms.format(self.ms).as_bytes(), seq.format(self.seq).as_bytes());
        let bytes = &mut buffer.0;
        bytes[..ms.len()].copy_from_slice(ms);
        bytes[ms.len()] = b'-';
        let end = ms.len() + 1 + seq.len();
        bytes[ms.len() + 1..end].copy_from_slice(seq);
        &bytes[..end]
    }

    /// Both halves as one number of the same order.
    pub(super) fn as_u128(self) -> u128 {
        u128::from(self.ms) << 64 | u128::from(self.seq)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// Where an ID is written as text: twice twenty digits and a dash.
#[derive(Clone, Copy, Debug)]
pub struct IdBuffer([u8; 41]);

impl Default for IdBuffer {
    fn default() -> Self {
        Self([0; 41])
    }
}

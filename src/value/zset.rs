//! A sorted set that is too large for its entry.

/// A sorted set that is too large for its entry.
#[derive(Clone, Debug, Default)]
pub struct ZSet {}

impl ZSet {
    /// Bytes on the heap. O(1).
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        0
    }

    /// What OBJECT ENCODING says of it. O(1).
    #[must_use]
    pub fn encoding(&self) -> &'static str {
        "skiplist"
    }
}

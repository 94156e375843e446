//! A hash that is too large for its entry.

/// A hash that is too large for its entry.
#[derive(Clone, Debug, Default)]
pub struct Hash {}

impl Hash {
    /// Bytes on the heap. O(1).
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        0
    }

    /// What OBJECT ENCODING says of it. O(1).
    #[must_use]
    pub fn encoding(&self) -> &'static str {
        "hashtable"
    }
}

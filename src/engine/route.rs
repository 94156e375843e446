//! Which shard a key belongs to, and its hash there.
//!
//! Both follow from SipHash-1-3 under a key drawn at start, so that a peer cannot choose keys that collide. A key
//! with a `{tag}` goes to the shard of the tag alone, so that a user can keep keys together.

use crate::shard::Key;
use siphasher::sip::SipHasher13;

/// The engine's keyed hash.
#[derive(Clone, Debug)]
pub struct Router {
    hasher: SipHasher13,
    /// Number of shards less one; the number is a power of two.
    mask: usize,
}

impl Router {
    /// A router for `shards` shards, a power of two.
    #[must_use]
    pub fn new(seed: (u64, u64), shards: usize) -> Self {
        debug_assert!(shards.is_power_of_two());
        Self { hasher: SipHasher13::new_with_keys(seed.0, seed.1), mask: shards - 1 }
    }

    /// The shard of a key, and the key with its hash. O(key length).
    #[inline]
    #[must_use]
    pub fn route<'k>(&self, key: &'k [u8]) -> (usize, Key<'k>) {
        let hash = self.hasher.hash(key);
        let shard_hash = match tag(key) {
            None => hash,
            Some(tag) => self.hasher.hash(tag),
        };
        // The table takes the low half, so the shard comes from the high one.
        ((shard_hash >> 40) as usize & self.mask, Key { bytes: key, hash: hash as u32 })
    }
}

/// The part of a key that decides where it lives: between the first `{` and the next `}`, unless that is empty.
#[inline]
#[must_use]
pub fn tag(key: &[u8]) -> Option<&[u8]> {
    let open = memchr::memchr(b'{', key)?;
    let rest = key.get(open + 1..)?;
    let close = memchr::memchr(b'}', rest)?;
    if close == 0 { None } else { rest.get(..close) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_keeps_keys_together() {
        let router = Router::new((1, 2), 64);
        let shard = router.route(b"{user:1}:name").0;
        assert_eq!(router.route(b"{user:1}:mail").0, shard);
        assert_eq!(router.route(b"user:1").0, shard);
        assert_eq!(router.route(b"x{user:1}y").0, shard);
    }

    #[test]
    fn an_empty_or_open_tag_is_none() {
        assert_eq!(tag(b"{}:a"), None);
        assert_eq!(tag(b"{a"), None);
        assert_eq!(tag(b"a}b{c}"), Some(&b"c"[..]));
        assert_eq!(tag(b"{a}{b}"), Some(&b"a"[..]));
        assert_eq!(tag(b"plain"), None);
    }

    #[test]
    fn keys_spread_evenly() {
        let router = Router::new((3, 4), 16);
        let mut counts = [0usize; 16];
        for n in 0..16_000 {
            counts[router.route(format!("key:{n}").as_bytes()).0] += 1;
        }
        assert!(counts.iter().all(|&n| (800..1200).contains(&n)), "{counts:?}");
    }
}

//! Which shard a key belongs to, and its hash there.
//!
//! Both follow from SipHash-1-3 under a key drawn at start, so that a peer cannot choose keys that collide. A key
//! with a `{tag}` goes to the shard of the tag alone, so that a user can keep keys together.

use crate::shard::Key;
use crate::shard::table::skew;

/// The engine's keyed hash.
#[derive(Clone, Debug)]
pub struct Router {
    hasher: Sip13,
    /// Number of shards less one; the number is a power of two.
    mask: usize,
}

impl Router {
    /// A router for `shards` shards, a power of two.
    #[must_use]
    pub fn new(seed: (u64, u64), shards: usize) -> Self {
        debug_assert!(shards.is_power_of_two());
        Self { hasher: Sip13::new(seed), mask: shards - 1 }
    }

    /// The shard of a key, and the key with its hash. O(key length).
    #[inline]
    #[must_use]
    pub fn route<'k>(&self, key: &'k [u8]) -> (usize, Key<'k>) {
        let (hash, braced) = self.hasher.hash(key);
        let shard_hash = if braced { self.tag_hash(key, hash) } else { hash };
        // The table takes the low half, so the shard comes from the high one.
        ((shard_hash >> 40) as usize & self.mask, Key { bytes: key, hash: skew(hash as u32) })
    }

    fn tag_hash(&self, key: &[u8], hash: u64) -> u64 {
        tag(key).map_or(hash, |tag| self.hasher.hash(tag).0)
    }
}

/// SipHash-1-3, which also notes whether it saw a `{`: keys are short, and looking for one apart costs half as much
/// as the hash.
#[derive(Clone, Debug)]
struct Sip13 {
    /// The state before the first byte.
    start: [u64; 4],
}

impl Sip13 {
    fn new((k0, k1): (u64, u64)) -> Self {
        let start = [
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ];
        Self { start }
    }

    #[inline]
    fn hash(&self, bytes: &[u8]) -> (u64, bool) {
        let mut state = self.start;
        let mut braces = 0;
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            let word = u64::from_le_bytes(*word);
            braces |= brace_in(word);
            state[3] ^= word;
            round(&mut state);
            state[0] ^= word;
        }
        let tail = match bytes.last_chunk::<8>() {
            // The last eight bytes hold the rest at their end.
            Some(_) if rest.is_empty() => 0,
            Some(last) => u64::from_le_bytes(*last) >> (64 - 8 * rest.len()),
            None => rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)),
        };
        braces |= brace_in(tail);
        let word = tail | (bytes.len() as u64) << 56;
        state[3] ^= word;
        round(&mut state);
        state[0] ^= word;
        state[2] ^= 0xff;
        for _ in 0..3 {
            round(&mut state);
        }
        (state[0] ^ state[1] ^ state[2] ^ state[3], braces != 0)
    }
}

#[inline(always)]
fn round([v0, v1, v2, v3]: &mut [u64; 4]) {
    *v0 = v0.wrapping_add(*v1);
    *v2 = v2.wrapping_add(*v3);
    *v1 = v1.rotate_left(13) ^ *v0;
    *v3 = v3.rotate_left(16) ^ *v2;
    *v0 = v0.rotate_left(32).wrapping_add(*v3);
    *v2 = v2.wrapping_add(*v1);
    *v3 = v3.rotate_left(21) ^ *v0;
    *v1 = v1.rotate_left(17) ^ *v2;
    *v2 = v2.rotate_left(32);
}

/// Not zero where one of the eight bytes is a `{`; now and then also where none is, which costs a look.
#[inline(always)]
fn brace_in(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let differs = word ^ (ONES * b'{' as u64);
    differs.wrapping_sub(ONES) & !differs & (ONES << 7)
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
    use quickcheck::quickcheck;

    quickcheck! {
        fn the_hash_is_siphash_1_3(seed: (u64, u64), bytes: Vec<u8>) -> bool {
            let theirs = siphasher::sip::SipHasher13::new_with_keys(seed.0, seed.1);
            let ours = Sip13::new(seed);
            (0..=bytes.len()).all(|len| {
                let (hash, braced) = ours.hash(&bytes[..len]);
                hash == theirs.hash(&bytes[..len]) && (braced || !bytes[..len].contains(&b'{'))
            })
        }

        fn a_brace_anywhere_is_seen(before: Vec<u8>, after: Vec<u8>) -> bool {
            let key = [&before[..], b"{", &after[..]].concat();
            Sip13::new((1, 2)).hash(&key).1
        }
    }

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

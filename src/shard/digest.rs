//! Digests of values as Redis' `DEBUG DIGEST` makes them, so that two servers can be seen to hold the same data.
//!
//! A digest is a SHA-1. What has an order is *mixed* in (the digest of what is so far, exclusive-or'd with the next
//! thing's digest); what has none is *added* (exclusive or of the things' digests).

use super::entry::Type;
use super::keyspace::{Key, Keyspace};
use crate::double::format_17_digits;
use crate::sha1;
use crate::value::listpack::Element;

/// A digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest(pub [u8; 20]);

impl Digest {
    /// Adds something that has no place in an order.
    pub fn add(&mut self, bytes: &[u8]) {
        for (byte, other) in self.0.iter_mut().zip(sha1::digest(bytes)) {
            *byte ^= other;
        }
    }

    /// Adds what was added to another.
    pub fn xor(&mut self, other: &Digest) {
        for (byte, other) in self.0.iter_mut().zip(other.0) {
            *byte ^= other;
        }
    }

    /// Adds something behind what was added so far.
    pub fn mix(&mut self, bytes: &[u8]) {
        self.add(bytes);
        self.0 = sha1::digest(&self.0);
    }

    fn mix_element(&mut self, element: Element<'_>) {
        element.with_bytes(|bytes| self.mix(bytes));
    }

    /// Forty hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        crate::hex::hex(&self.0)
    }
}

impl Keyspace<'_> {
    /// Mixes a key's value and its deadline into a digest; nothing without the key. O(bytes).
    pub fn digest(&mut self, key: Key<'_>, digest: &mut Digest) {
        const OF_ITS_TYPE: &str = "a value is read as what it is";
        let Some(kind) = self.type_of(key) else { return };
        let number: u32 = match kind {
            Type::String => 0,
            Type::List => 1,
            Type::Set => 2,
            Type::ZSet => 3,
            Type::Hash => 4,
            Type::Stream => 6,
        };
        digest.mix(&number.to_be_bytes());
        match kind {
            Type::String => {
                let string = self.string(key).expect(OF_ITS_TYPE);
                string.into_iter().for_each(|string| string.with_bytes(|bytes| digest.mix(bytes)));
            }
            Type::List => {
                let list = self.list(key).expect(OF_ITS_TYPE);
                list.into_iter().flat_map(|list| list.iter()).for_each(|element| digest.mix_element(element));
            }
            Type::Set => {
                let set = self.set(key).expect(OF_ITS_TYPE);
                for member in set.into_iter().flat_map(|set| set.iter()) {
                    member.with_bytes(|bytes| digest.add(bytes));
                }
            }
            Type::ZSet => {
                let zset = self.zset(key).expect(OF_ITS_TYPE);
                for (member, score) in zset.into_iter().flat_map(|zset| zset.iter()) {
                    let mut pair = Digest::default();
                    pair.mix_element(member);
                    pair.mix(format_17_digits(score).as_bytes());
                    digest.add(&pair.0);
                }
            }
            Type::Hash => {
                let hash = self.hash(key).expect(OF_ITS_TYPE);
                for (field, value) in hash.iter().flat_map(|hash| hash.iter()) {
                    let mut pair = Digest::default();
                    pair.mix_element(field);
                    pair.mix_element(value);
                    digest.add(&pair.0);
                }
            }
            Type::Stream => {
                let stream = self.stream(key).expect(OF_ITS_TYPE);
                let range = stream.map(|stream| {
                    stream.log().range(crate::value::stream::Id::MIN, crate::value::stream::Id::MAX)
                });
                for entry in range.into_iter().flatten() {
                    digest.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
                    for (field, value) in entry.fields() {
                        digest.mix_element(field);
                        digest.mix_element(value);
                    }
                }
            }
        }
        if matches!(self.expires_at_ms(key), Some(Some(_))) {
            digest.add(b"!!expire!!");
        }
    }
}

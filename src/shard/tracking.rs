//! Which clients have read which keys of this shard (`CLIENT TRACKING`), to be told when those change.
//!
//! A reader is a client's number here; who that is, and whether it still wants to know, is the engine's business
//! (`engine::tracking`). As in Redis a key is known by its name alone: a change in one database concerns whoever read
//! the name in another one. Whoever changes a key takes its readers out and notes the change; the engine takes the
//! notes before it leaves the shard.
//!
//! **Invariant:** the index holds the place of every entry, by its key; a reader stands once under a key.

use hashbrown::HashTable;
use smallvec::SmallVec;

/// Numbers of clients.
pub type Readers = SmallVec<[u64; 2]>;

/// A key that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its name.
    pub key: Box<[u8]>,
    /// Who has read it and is to be told.
    pub readers: Readers,
    /// The client that changed it; 0 where that was nobody of the registry.
    pub by: u64,
}

#[derive(Debug)]
struct Entry {
    key: Box<[u8]>,
    hash: u32,
    readers: Readers,
}

/// The keys that were read, and those that have changed since.
#[derive(Debug, Default)]
pub struct Tracked {
    entries: Vec<Entry>,
    index: HashTable<usize>,
    /// Readers of all keys together.
    readers: usize,
    /// Whether somebody wants to be told of keys that nobody has read.
    broadcasts: bool,
    changed: Vec<Changed>,
}

/// The table's hash is spread over 64 bits, which the index wants.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

impl Tracked {
    /// Whether no change of a key concerns anybody: the usual case.
    #[inline]
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.entries.is_empty() && !self.broadcasts
    }

    /// Keys that were read.
    #[must_use]
    pub fn keys_len(&self) -> usize {
        self.entries.len()
    }

    /// Readers of all keys together.
    #[must_use]
    pub fn readers_len(&self) -> usize {
        self.readers
    }

    /// Says whether changes are to be noted of keys that nobody has read.
    pub fn set_broadcasts(&mut self, broadcasts: bool) {
        self.broadcasts = broadcasts;
    }

    /// Whether changes are waiting to be taken.
    #[inline]
    #[must_use]
    pub fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Takes the changes so far, in their order.
    pub fn take_changed(&mut self) -> Vec<Changed> {
        std::mem::take(&mut self.changed)
    }

    fn find(&self, hash: u32, key: &[u8]) -> Option<usize> {
        let is = |&at: &usize| self.entries.get(at).is_some_and(|entry| *entry.key == *key);
        self.index.find(spread(hash), is).copied()
    }

    /// Remembers that a client has read a key, whether it exists or not; whether the key is new here. Expected O(readers
    /// of the key).
    pub fn remember(&mut self, key: super::Key<'_>, reader: u64) -> bool {
        if let Some(at) = self.find(key.hash, key.bytes) {
            let readers = &mut self.entries[at].readers;
            if !readers.contains(&reader) {
                readers.push(reader);
                self.readers += 1;
            }
            return false;
        }
        let at = self.entries.len();
        let readers = SmallVec::from_slice(&[reader]);
        self.entries.push(Entry { key: key.bytes.into(), hash: key.hash, readers });
        let entries = &self.entries;
        self.index.insert_unique(spread(key.hash), at, |&at| spread(entries[at].hash));
        self.readers += 1;
        true
    }

    /// Notes that a key has changed, for those who have read it or want to be told of all keys. Expected O(1).
    pub fn touch(&mut self, key: &[u8], hash: u32, by: u64) {
        let readers = self.find(hash, key).map(|at| self.remove(at).readers);
        if readers.is_some() || self.broadcasts {
            self.changed.push(Changed { key: key.into(), readers: readers.unwrap_or_default(), by });
        }
    }

    /// Forgets one key to make room, as if it had changed; `random` says which. O(1).
    pub fn evict(&mut self, random: u64) {
        if self.entries.is_empty() {
            return;
        }
        let entry = self.remove((random % self.entries.len() as u64) as usize);
        self.changed.push(Changed { key: entry.key, readers: entry.readers, by: 0 });
    }

    /// Forgets all keys; how many there were. O(keys).
    pub fn clear(&mut self) -> usize {
        let keys = self.entries.len();
        (self.entries, self.index, self.readers) = (Vec::new(), HashTable::new(), 0);
        keys
    }

    fn remove(&mut self, at: usize) -> Entry {
        let hash = self.entries[at].hash;
        if let Ok(found) = self.index.find_entry(spread(hash), |&other| other == at) {
            found.remove();
        }
        let removed = self.entries.swap_remove(at);
        // The last one took the place of the one that went.
        if let Some(moved) = self.entries.get(at) {
            let last = self.entries.len();
            if let Some(place) = self.index.find_mut(spread(moved.hash), |&other| other == last) {
                *place = at;
            }
        }
        self.readers -= removed.readers.len();
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::Key;
    use quickcheck::quickcheck;
    use std::collections::{BTreeMap, BTreeSet};

    quickcheck! {
        /// Few keys, and hashes that collide.
        fn readers_are_those_who_read_since_the_last_change(steps: Vec<(u8, u8, u8)>) -> bool {
            let mut tracked = Tracked::default();
            let mut model: BTreeMap<u8, BTreeSet<u64>> = BTreeMap::new();
            steps.into_iter().all(|(what, key, reader)| {
                let (key, reader) = (key % 16, u64::from(reader % 4) + 1);
                let (bytes, hash) = ([key], u32::from(key % 3));
                let right = if what % 3 == 0 {
                    let readers = model.remove(&key);
                    tracked.touch(&bytes, hash, 7);
                    let changed = tracked.take_changed();
                    let mine = changed.first().map(|changed| changed.readers.iter().copied().collect());
                    mine == readers
                } else if what % 17 == 1 {
                    tracked.evict(u64::from(what));
                    tracked.take_changed().iter().all(|changed| {
                        model.remove(&changed.key[0]) == Some(changed.readers.iter().copied().collect())
                    })
                } else {
                    let new = tracked.remember(Key { bytes: &bytes, hash }, reader);
                    new == model.entry(key).or_default().is_empty() && {
                        model.entry(key).or_default().insert(reader);
                        true
                    }
                };
                right
                    && tracked.keys_len() == model.len()
                && tracked.readers_len() == model.values().map(BTreeSet::len).sum::<usize>()
                && tracked.index.len() == tracked.entries.len()
            })
        }
    }

    #[test]
    fn without_readers_a_change_is_noted_only_for_those_who_want_all() {
        let mut tracked = Tracked::default();
        assert!(tracked.is_idle());
        tracked.touch(b"k", 1, 0);
        assert!(!tracked.has_changed());
        tracked.set_broadcasts(true);
        assert!(!tracked.is_idle());
        tracked.touch(b"k", 1, 5);
        let changed = Changed { key: b"k"[..].into(), readers: SmallVec::new(), by: 5 };
        assert_eq!(tracked.take_changed(), [changed]);
    }
}

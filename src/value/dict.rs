//! The dictionary: from bytes to bytes, the inside of large hashes, sets (whose values are empty) and sorted sets (whose
//! values are scores).
//!
//! Entries stand one behind the other in a `Log`, each in one run of bytes; a [`Table`] of five-byte places finds them.
//!
//! 1. Adding an entry appends it. Removing one marks it, and a chunk of the log that is half dead is emptied: what lives
//!    in it is appended anew. Both are bounded by a chunk, as the table's splits are by a segment: no operation ever
//!    stops for a whole dictionary, and no more than half of its memory is dead.
//! 2. An entry costs its bytes, two for its lengths and some fourteen in the table.
//! 3. Scans are the table's: in the order of hashes, with a hash as cursor, so that every entry present throughout is
//!    visited, exactly once. Walks over everything follow the log instead: in the order of memory.
//! 4. An entry may have a deadline. It costs eight bytes where there is one and nothing where there is none; what a
//!    deadline means is the owner's business.
//!
//! ```text
//! +------------------+---------------+--------------------+------------+-----+-------+
//! | dead, deadline,  | length of the | if 63 or more:     | deadline   | key | value |
//! | key's length     | value or 255  | u32 of each length | if flagged |     |       |
//! +------------------+---------------+--------------------+------------+-----+-------+
//! ```
//!
//! Hashes are SipHash-1-3 under a key of the engine's, so that a peer cannot choose members that collide.

use super::table::{NEVER, Table, skew};
use siphasher::sip::SipHasher13;
use std::cmp::min;

/// Keys the hash function; drawn once an engine.
pub type Seed = (u64, u64);

/// An entry as the log holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value; empty in a set.
    pub value: &'a [u8],
    /// The deadline, Unix ms.
    pub expires_at_ms: Option<u64>,
}

/// A map from bytes to bytes. All operations are O(1) and the bytes of one entry, amortised, unless they say otherwise.
#[derive(Clone, Debug)]
pub struct Dict {
    table: Table<Place>,
    log: Log,
    seed: Seed,
    /// Entries with a deadline.
    with_deadline: usize,
    /// No deadline is earlier than this.
    due_ms: u64,
}

impl Dict {
    /// An empty dictionary.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self { table: Table::new(), log: Log::default(), seed, with_deadline: 0, due_ms: NEVER }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Bytes on the heap. O(1).
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.table.heap_bytes() + self.log.heap_bytes()
    }

    fn hash(&self, key: &[u8]) -> u32 {
        skew(SipHasher13::new_with_keys(self.seed.0, self.seed.1).hash(key) as u32)
    }

    #[inline]
    fn find(&self, hash: u32, key: &[u8]) -> Option<Place> {
        self.table.find(hash, |place| self.log.key_is(place, key))
    }

    /// A key's value.
    #[inline]
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.entry(key).map(|entry| entry.value)
    }

    /// A key's entry.
    #[inline]
    #[must_use]
    pub fn entry(&self, key: &[u8]) -> Option<Entry<'_>> {
        self.find(self.hash(key), key).map(|place| self.log.entry(place))
    }

    /// Whether there is an entry of a key.
    #[inline]
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.find(self.hash(key), key).is_some()
    }

    /// A key's value, to be changed without changing its length.
    pub fn value_mut(&mut self, key: &[u8]) -> Option<&mut [u8]> {
        let place = self.find(self.hash(key), key)?;
        Some(self.log.value_mut(place))
    }

    /// Sets a key's value, and takes its deadline away; whether the key is new.
    #[inline]
    pub fn insert(&mut self, key: &[u8], value: &[u8]) -> bool {
        self.insert_until(key, value, None)
    }

    /// Sets a key's value and deadline; whether the key is new.
    pub fn insert_until(&mut self, key: &[u8], value: &[u8], expires_at_ms: Option<u64>) -> bool {
        let hash = self.hash(key);
        let new = Entry { key, value, expires_at_ms };
        self.with_deadline += usize::from(expires_at_ms.is_some());
        match self.find(hash, key) {
            Some(place) => {
                let old = self.log.entry(place);
                self.with_deadline -= usize::from(old.expires_at_ms.is_some());
                if old.value.len() == value.len() && old.expires_at_ms.is_none() && expires_at_ms.is_none() {
                    self.log.value_mut(place).copy_from_slice(value);
                } else {
                    let to = self.log.append(&new);
                    self.table.relocate(hash, place, to);
                    self.kill(place);
                }
                self.note_deadline(hash, expires_at_ms);
                false
            }
            None => {
                let place = self.log.append(&new);
                self.table.insert(hash, place);
                self.note_deadline(hash, expires_at_ms);
                true
            }
        }
    }

    fn note_deadline(&mut self, hash: u32, expires_at_ms: Option<u64>) {
        if let Some(deadline) = expires_at_ms {
            self.table.note_deadline(hash, deadline);
            self.due_ms = min(self.due_ms, deadline);
        }
    }

    /// Adds a key without a value unless it is there; whether it is new. The insertion of a set.
    pub fn add(&mut self, key: &[u8]) -> bool {
        let hash = self.hash(key);
        if self.find(hash, key).is_some() {
            return false;
        }
        let place = self.log.append(&Entry { key, value: &[], expires_at_ms: None });
        self.table.insert(hash, place);
        true
    }

    /// Takes a key out; whether it was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        self.remove_with(key, |_| ()).is_some()
    }

    /// Takes a key out, after `f` saw its entry.
    pub fn remove_with<R>(&mut self, key: &[u8], f: impl FnOnce(Entry<'_>) -> R) -> Option<R> {
        let hash = self.hash(key);
        let place = self.find(hash, key)?;
        let entry = self.log.entry(place);
        let result = f(entry);
        self.with_deadline -= usize::from(entry.expires_at_ms.is_some());
        self.table.remove(hash, place);
        self.kill(place);
        Some(result)
    }

    /// Gives up an entry's bytes, and empties its chunk when that is half dead.
    fn kill(&mut self, place: Place) {
        if let Some(chunk) = self.log.kill(place) {
            let old = self.log.take(chunk);
            let mut at = 0;
            while let Some((head, entry)) = old.get(at..).and_then(Head::read) {
                if !head.dead {
                    let from = Place::new(chunk, at);
                    let hash = self.hash(entry.key);
                    // Nothing is appended to the chunk that is emptied, so no two places are the same.
                    let to = self.log.append(&entry);
                    self.table.relocate(hash, from, to);
                }
                at += head.end;
            }
            self.log.vacate(chunk);
        }
    }

    /// An entry chosen nearly uniformly, by random numbers that `random` gives. Expected O(1).
    #[must_use]
    pub fn random(&self, random: impl FnMut() -> u64) -> Option<Entry<'_>> {
        self.table.sample(random).map(|slot| self.log.entry(slot.handle))
    }

    /// Visits entries from a cursor on, 0 to begin: at least `want` of them unless the end is reached. Returns the cursor to
    /// go on with, `None` at the end. Entries that are there throughout a scan are visited once. O(want), and one segment
    /// of the table.
    pub fn scan<'a>(&'a self, cursor: u32, want: usize, mut visit: impl FnMut(Entry<'a>)) -> Option<u32> {
        self.table.scan(cursor, want, |slot| visit(self.log.entry(slot.handle)))
    }

    /// All entries, in no order that means anything. O(n) for all of them.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { chunks: self.log.chunks.iter(), rest: &[], left: self.len() }
    }

    // ---- Deadlines ------------------------------------------------------------------------------------------

    /// How many entries have a deadline.
    #[must_use]
    pub fn with_deadline(&self) -> usize {
        self.with_deadline
    }

    /// Gives a key a deadline or takes it away; whether the key is there.
    pub fn set_deadline(&mut self, key: &[u8], expires_at_ms: Option<u64>) -> bool {
        let hash = self.hash(key);
        let Some(place) = self.find(hash, key) else { return false };
        let had = self.log.entry(place).expires_at_ms.is_some();
        match expires_at_ms {
            None if !had => return true,
            Some(deadline) if had => self.log.set_deadline(place, deadline),
            _ => {
                let to = self.log.append_with_deadline(place, expires_at_ms);
                self.table.relocate(hash, place, to);
                self.kill(place);
            }
        }
        self.with_deadline = self.with_deadline + usize::from(expires_at_ms.is_some()) - usize::from(had);
        self.note_deadline(hash, expires_at_ms);
        true
    }

    /// No entry's deadline is earlier than this; [`NEVER`] when none has one. O(1).
    #[must_use]
    pub fn next_due_ms(&self) -> u64 {
        if self.with_deadline == 0 { NEVER } else { self.due_ms }
    }

    /// Takes out what is due in one segment of the table, from `position` on, 0 to begin: entries whose deadline is before
    /// `now_ms`, each of which `f` sees first. Returns the position to go on from, `None` when everything was looked at.
    /// O(some hundred entries), and one step for some hundred in the whole dictionary.
    pub fn expire(&mut self, position: u32, now_ms: u64, mut f: impl FnMut(Entry<'_>)) -> Option<u32> {
        if self.with_deadline == 0 {
            self.due_ms = NEVER;
            return None;
        }
        let Some((segment, slots, next)) = self.table.next_due_segment(position, now_ms) else {
            self.due_ms = self.table.next_due_ms();
            return None;
        };
        let mut due_ms = NEVER;
        let mut expired = Vec::new();
        for slot in slots {
            match self.log.entry(slot.handle).expires_at_ms {
                Some(deadline) if deadline < now_ms => expired.push(self.log.entry(slot.handle).key.to_vec()),
                Some(deadline) => due_ms = due_ms.min(deadline),
                None => {}
            }
        }
        self.table.set_due(&segment, due_ms);
        for key in expired {
            self.remove_with(&key, &mut f);
        }
        if next.is_none() {
            self.due_ms = self.table.next_due_ms();
        }
        next
    }
}

/// All entries of a [`Dict`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    chunks: std::slice::Iter<'a, Chunk>,
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            match Head::read(self.rest) {
                Some((head, entry)) => {
                    self.rest = self.rest.get(head.end..).unwrap_or_default();
                    if !head.dead {
                        self.left = self.left.saturating_sub(1);
                        return Some(entry);
                    }
                }
                None => self.rest = &self.chunks.next()?.bytes,
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// Where an entry begins: 25 bits of its chunk's number and 15 bits of the offset in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place([u8; 5]);

/// Bytes of a chunk that holds more than one entry.
const CHUNK_BYTES: usize = 32 << 10;
const OFFSET_BITS: u32 = 15;
/// What is longer than this has a chunk of its own.
const SHARED_BYTES_MAX: usize = 4 << 10;

impl Place {
    fn new(chunk: u32, offset: usize) -> Self {
        let number = u64::from(chunk) << OFFSET_BITS | offset as u64;
        let [a, b, c, d, e, ..] = number.to_le_bytes();
        Self([a, b, c, d, e])
    }

    #[inline]
    fn parts(self) -> (usize, usize) {
        let [a, b, c, d, e] = self.0;
        let number = u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]);
        ((number >> OFFSET_BITS) as usize, number as usize & ((1 << OFFSET_BITS) - 1))
    }
}

#[derive(Clone, Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    /// Bytes of entries that are dead.
    dead: u32,
}

/// Entries one behind the other, in chunks.
#[derive(Debug, Default)]
struct Log {
    chunks: Vec<Chunk>,
    /// Numbers of chunks that hold nothing, for reuse.
    vacant: Vec<u32>,
    /// The chunk that is appended to.
    open: Option<u32>,
    /// Capacity of all chunks.
    bytes: usize,
}

impl Clone for Log {
    fn clone(&self) -> Self {
        // A copied `Vec` has no room to spare, so the account is another.
        let chunks = self.chunks.clone();
        let bytes = chunks.iter().map(|chunk| chunk.bytes.capacity()).sum();
        Self { chunks, vacant: self.vacant.clone(), open: self.open, bytes }
    }
}

/// Where the parts of an entry stand.
#[derive(Clone, Copy, Debug)]
struct Head {
    dead: bool,
    has_deadline: bool,
    /// Bytes before the deadline.
    fixed: usize,
    key_len: usize,
    value_at: usize,
    end: usize,
}

const DEAD: u8 = 0x80;
const HAS_DEADLINE: u8 = 0x40;
const LONG_KEY: u8 = 0x3F;
const LONG_VALUE: u8 = 0xFF;
const DEADLINE_BYTES: usize = 8;

impl Head {
    #[inline]
    fn of(bytes: &[u8]) -> Option<Head> {
        let (&[first, second], rest) = bytes.split_first_chunk::<2>()?;
        let (mut key_len, mut value_len, mut fixed) = (usize::from(first & LONG_KEY), usize::from(second), 2);
        if first & LONG_KEY == LONG_KEY || second == LONG_VALUE {
            let (key, rest) = rest.split_first_chunk::<4>()?;
            let (value, _) = rest.split_first_chunk::<4>()?;
            (key_len, value_len) = (u32::from_le_bytes(*key) as usize, u32::from_le_bytes(*value) as usize);
            fixed = 10;
        }
        let has_deadline = first & HAS_DEADLINE != 0;
        let value_at = fixed + if has_deadline { DEADLINE_BYTES } else { 0 } + key_len;
        Some(Head {
            dead: first & DEAD != 0,
            has_deadline,
            fixed,
            key_len,
            value_at,
            end: value_at + value_len,
        })
    }

    /// The entry that `bytes` begins with; `None` at the end.
    #[inline]
    fn read(bytes: &[u8]) -> Option<(Head, Entry<'_>)> {
        let head = Head::of(bytes)?;
        let value = bytes.get(head.value_at..head.end)?;
        let key = bytes.get(head.value_at - head.key_len..head.value_at)?;
        let expires_at_ms = if head.has_deadline {
            bytes.get(head.fixed..)?.first_chunk::<DEADLINE_BYTES>().map(|ms| u64::from_le_bytes(*ms))
        } else {
            None
        };
        Some((head, Entry { key, value, expires_at_ms }))
    }
}

impl Log {
    fn heap_bytes(&self) -> usize {
        self.bytes + self.chunks.capacity() * size_of::<Chunk>() + self.vacant.capacity() * size_of::<u32>()
    }

    /// The bytes from a place on.
    #[inline]
    fn at(&self, place: Place) -> &[u8] {
        let (chunk, offset) = place.parts();
        &self.chunks[chunk].bytes[offset..]
    }

    #[inline]
    fn key_is(&self, place: Place, key: &[u8]) -> bool {
        let bytes = self.at(place);
        Head::of(bytes).is_some_and(|head| {
            head.key_len == key.len() && bytes.get(head.value_at - head.key_len..head.value_at) == Some(key)
        })
    }

    #[inline]
    fn entry(&self, place: Place) -> Entry<'_> {
        match Head::read(self.at(place)) {
            Some((_, entry)) => entry,
            None => unreachable!("a place in the table is where an entry begins"),
        }
    }

    fn value_mut(&mut self, place: Place) -> &mut [u8] {
        let (chunk, offset) = place.parts();
        let bytes = &mut self.chunks[chunk].bytes[offset..];
        match Head::of(bytes) {
            Some(head) => &mut bytes[head.value_at..head.end],
            None => unreachable!("a place in the table is where an entry begins"),
        }
    }

    /// Writes another deadline over the one that an entry has.
    fn set_deadline(&mut self, place: Place, expires_at_ms: u64) {
        let (chunk, offset) = place.parts();
        let bytes = &mut self.chunks[chunk].bytes[offset..];
        if let Some(head) = Head::of(bytes) {
            debug_assert!(head.has_deadline);
            bytes[head.fixed..head.fixed + DEADLINE_BYTES].copy_from_slice(&expires_at_ms.to_le_bytes());
        }
    }

    /// Appends an entry again with another deadline; the old one stays.
    fn append_with_deadline(&mut self, place: Place, expires_at_ms: Option<u64>) -> Place {
        let Entry { key, value, .. } = self.entry(place);
        let (key, value) = (key.to_vec(), value.to_vec());
        self.append(&Entry { key: &key, value: &value, expires_at_ms })
    }

    /// Appends an entry.
    ///
    /// # Panics
    /// When 2^25 chunks are in use: a tebibyte of short entries, or at least 128 GiB of long ones.
    fn append(&mut self, entry: &Entry<'_>) -> Place {
        let Entry { key, value, expires_at_ms } = *entry;
        let long = key.len() >= usize::from(LONG_KEY) || value.len() >= usize::from(LONG_VALUE);
        let fixed = if long { 10 } else { 2 };
        let need = fixed + if expires_at_ms.is_some() { DEADLINE_BYTES } else { 0 } + key.len() + value.len();
        let chunk = if need > SHARED_BYTES_MAX { self.add() } else { self.open_for(need) };
        // Chunks of small dictionaries grow in proportion, so that they are not mostly empty.
        let share = (self.bytes / 4).max(64);
        let bytes = &mut self.chunks[chunk as usize].bytes;
        let (offset, before) = (bytes.len(), bytes.capacity());
        if bytes.len() + need > before {
            if need > SHARED_BYTES_MAX {
                bytes.reserve_exact(need);
            } else {
                bytes.reserve_exact(share.clamp(need, (CHUNK_BYTES - offset).max(need)));
            }
            self.bytes = self.bytes + bytes.capacity() - before;
        }
        let deadline_flag = if expires_at_ms.is_some() { HAS_DEADLINE } else { 0 };
        if long {
            bytes.extend_from_slice(&[deadline_flag | LONG_KEY, LONG_VALUE]);
            // Requests are limited to 4 GiB and less.
            bytes.extend_from_slice(&(key.len() as u32).to_le_bytes());
            bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        } else {
            bytes.extend_from_slice(&[deadline_flag | key.len() as u8, value.len() as u8]);
        }
        if let Some(deadline) = expires_at_ms {
            bytes.extend_from_slice(&deadline.to_le_bytes());
        }
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
        Place::new(chunk, offset)
    }

    /// The open chunk, or another one where that has no room.
    fn open_for(&mut self, need: usize) -> u32 {
        match self.open {
            Some(open) if self.chunks[open as usize].bytes.len() + need <= CHUNK_BYTES => open,
            _ => {
                let open = self.add();
                self.open = Some(open);
                open
            }
        }
    }

    fn add(&mut self) -> u32 {
        self.vacant.pop().unwrap_or_else(|| {
            assert!(self.chunks.len() < 1 << (40 - OFFSET_BITS), "a dictionary's places are used up");
            // A small dictionary has one, and no use for room for four.
            if self.chunks.is_empty() {
                self.chunks.reserve_exact(1);
            }
            self.chunks.push(Chunk::default());
            (self.chunks.len() - 1) as u32
        })
    }

    /// Marks an entry as dead; the number of its chunk where that is to be emptied.
    fn kill(&mut self, place: Place) -> Option<u32> {
        let (number, offset) = place.parts();
        let chunk = &mut self.chunks[number];
        let len = Head::of(&chunk.bytes[offset..]).map_or(0, |head| head.end);
        chunk.bytes[offset] |= DEAD;
        chunk.dead = chunk.dead.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
        let dead = chunk.dead as usize;
        (dead >= chunk.bytes.len() || dead > chunk.bytes.len() / 2 + 128).then_some(number as u32)
    }

    /// Takes a chunk's bytes out. It stays in use, empty, so that nothing is appended to it, until it is vacated.
    fn take(&mut self, number: u32) -> Vec<u8> {
        if self.open == Some(number) {
            self.open = None;
        }
        let chunk = std::mem::take(&mut self.chunks[number as usize]);
        self.bytes -= chunk.bytes.capacity();
        chunk.bytes
    }

    fn vacate(&mut self, number: u32) {
        self.vacant.push(number);
        if self.vacant.len() == self.chunks.len() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;
    use std::collections::HashMap;

    /// Few keys, so that they meet, of all classes of length.
    fn key(n: u8) -> Vec<u8> {
        let mut key = n.to_le_bytes().to_vec();
        key.resize(usize::from(n) % 5 * 40 + 1, b'k');
        if n == 7 {
            key.resize(6000, b'k');
        }
        key
    }

    fn value(n: u16) -> Vec<u8> {
        let len = match n % 16 {
            0 => 0,
            1 => 5000,
            2 => usize::from(n % 300) + 200,
            other => usize::from(other),
        };
        vec![n as u8; len]
    }

    fn check(dict: &Dict, model: &HashMap<Vec<u8>, (Vec<u8>, Option<u64>)>) {
        assert_eq!(dict.len(), model.len());
        assert_eq!(dict.with_deadline(), model.values().filter(|(_, deadline)| deadline.is_some()).count());
        for (key, (value, expires_at_ms)) in model {
            let expires_at_ms = *expires_at_ms;
            assert_eq!(dict.entry(key), Some(Entry { key, value, expires_at_ms }));
        }
        let walked: HashMap<Vec<u8>, (Vec<u8>, Option<u64>)> =
            dict.iter().map(|e| (e.key.to_vec(), (e.value.to_vec(), e.expires_at_ms))).collect();
        assert_eq!((&walked, dict.iter().len()), (model, model.len()));
        let capacity: usize = dict.log.chunks.iter().map(|chunk| chunk.bytes.capacity()).sum();
        assert_eq!(dict.log.bytes, capacity, "the account of bytes");
        let first = model.values().filter_map(|(_, deadline)| *deadline).min().unwrap_or(NEVER);
        assert!(dict.next_due_ms() <= first);
    }

    quickcheck! {
        fn a_dict_is_a_map(ops: Vec<(u8, u16, u8)>) -> bool {
            let mut dict = Dict::new((1, 2));
            let mut model = HashMap::new();
            for (n, (k, v, op)) in ops.into_iter().cycle().take(600).enumerate() {
                let (key, value) = (key(k), value(v));
                match op % 8 {
                    0..3 => {
                        let new = model.insert(key.clone(), (value.clone(), None)).is_none();
                        assert_eq!(dict.insert(&key, &value), new);
                    }
                    3 => {
                        let deadline = Some(u64::from(v));
                        let new = model.insert(key.clone(), (value.clone(), deadline)).is_none();
                        assert_eq!(dict.insert_until(&key, &value, deadline), new);
                    }
                    4 => {
                        let deadline = (v % 3 > 0).then_some(u64::from(v));
                        let there = model.get_mut(&key).map(|entry| entry.1 = deadline).is_some();
                        assert_eq!(dict.set_deadline(&key, deadline), there);
                    }
                    5 if n % 16 == 0 => {
                        let mut position = Some(0);
                        while let Some(at) = position {
                            position = dict.expire(at, u64::from(v), |entry| {
                                let gone = model.remove(entry.key).expect("it was there");
                                assert_eq!(gone, (entry.value.to_vec(), entry.expires_at_ms));
                                assert!(entry.expires_at_ms.is_some_and(|deadline| deadline < u64::from(v)));
                            });
                        }
                        assert!(model.values().all(|(_, d)| d.is_none_or(|deadline| deadline >= u64::from(v))));
                    }
                    6 => {
                        let new = !model.contains_key(&key);
                        assert_eq!(dict.add(&key), new);
                        if new {
                            model.insert(key, (Vec::new(), None));
                        }
                    }
                    _ => assert_eq!(dict.remove(&key), model.remove(&key).is_some()),
                }
                if n % 50 == 0 {
                    check(&dict, &model);
                }
            }
            check(&dict, &model);
            let copy = dict.clone();
            for key in model.keys() {
                assert!(dict.remove(key));
            }
            check(&copy, &model);
            dict.is_empty() && dict.log.bytes == 0
        }

        fn a_scan_visits_what_is_there_throughout_once(len: u16, want: u8, churn: Vec<(u16, bool)>) -> bool {
            let mut dict = Dict::new((1, 2));
            let stable = u32::from(len % 3000);
            for n in 0..stable {
                dict.insert(format!("stable:{n}").as_bytes(), b"");
            }
            let mut seen: HashMap<Vec<u8>, u32> = HashMap::new();
            let mut churn = churn.into_iter().cycle().take(50);
            let mut cursor = Some(0);
            while let Some(at) = cursor {
                cursor = dict.scan(at, usize::from(want), |entry| {
                    *seen.entry(entry.key.to_vec()).or_default() += 1;
                });
                if let Some((from, add)) = churn.next() {
                    for n in from..from.saturating_add(200) {
                        let key = format!("fleeting:{n}");
                        if add { dict.insert(key.as_bytes(), b"x") } else { dict.remove(key.as_bytes()) };
                    }
                }
            }
            (0..stable).all(|n| seen.get(format!("stable:{n}").as_bytes()) == Some(&1))
        }
    }

    #[test]
    fn an_entry_costs_little_more_than_its_bytes() {
        for len in [50, 100, 600, 10_000, 100_000] {
            let mut dict = Dict::new((1, 2));
            for n in 0..len {
                dict.insert(format!("field:{n:010}").as_bytes(), b"value:0123456789");
            }
            let each = dict.heap_bytes() as f64 / f64::from(len);
            assert!(each < 34.0 + 28.0, "{each:.1} bytes for {len} entries of 32");
            println!("{len}: {each:.1}");
        }
    }

    #[test]
    fn what_is_overwritten_again_and_again_takes_no_more() {
        let mut dict = Dict::new((1, 2));
        for n in 0..100_000u32 {
            let len = n as usize % 50;
            dict.insert(format!("field:{}", n % 100).as_bytes(), &[b'v'; 50][..len]);
        }
        assert!(dict.heap_bytes() < 100 * 60 * 3, "{}", dict.heap_bytes());
    }

    #[test]
    fn random_entries_reach_everything() {
        let mut dict = Dict::new((1, 2));
        for n in 0..100u8 {
            dict.add(&[n]);
        }
        let mut state = 1u64;
        let mut seen = [false; 100];
        for _ in 0..5000 {
            let entry = dict.random(|| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state >> 16
            });
            seen[usize::from(entry.map_or(0, |entry| entry.key[0]))] = true;
        }
        assert_eq!(seen, [true; 100]);
    }
}

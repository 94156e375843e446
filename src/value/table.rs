//! The table: from a key's hash to its entry's handle, in segments of bounded size (extendible hashing). A database finds
//! its keys by one, a large hash or set its fields and members.
//!
//! A directory is addressed by the leading bits of a 32-bit hash; each of its places names a segment, a
//! `hashbrown::HashTable` of at most [`SEGMENT_ENTRIES_MAX`] slots. What follows from that:
//!
//! 1. A segment that is full splits in two by the next bit of the hash. Growth therefore costs one bounded
//!    split at a time, never a rehash of everything. The hash stands in the slot, so a split reads no key.
//! 2. A segment that runs empty is merged with its buddy, and the directory halves when nobody needs its depth.
//! 3. A scan visits entries in the order of their hashes, and its cursor *is* a hash: splits and merges move
//!    entries between segments but never past a cursor. Every entry present throughout is visited exactly once
//!    a scan, and one added or removed meanwhile at most once.
//! 4. Hashes are [`skew`]ed first: keys are twice as dense at one end of the space as at the other, in between evenly
//!    by the logarithm. So at any time segments are in all phases of their growth: memory per key does not swing with
//!    the number of keys, and no splits of all segments come at once.
//! 5. Each segment keeps a lower bound of its entries' deadlines, so the expiry cycle opens only segments in
//!    which something is due.
//!
//! The table knows neither keys nor values: the caller compares keys through the handle, a small number whose meaning is
//! the caller's.

use hashbrown::HashTable;

/// Slots a segment holds before it splits: seven eighths of 1024 buckets.
pub const SEGMENT_ENTRIES_MAX: usize = 896;

/// Buckets of a segment that is as large as it may be.
const BUCKETS_MAX: usize = 1024;

/// A segment and its buddy are merged when both together hold fewer slots than this.
const MERGE_BELOW: usize = SEGMENT_ENTRIES_MAX / 4;

/// Deepest directory. 2^24 segments hold 10^10 keys.
const DEPTH_MAX: u8 = 24;

/// A directory with more places than this for each segment would be paid for by hashes that collide in their
/// leading bits; such a segment grows beyond its bound instead.
const PLACES_PER_SEGMENT_MAX: usize = 32;

/// No entry of the segment has a deadline.
pub const NEVER: u64 = u64::MAX;

/// One key's place: its hash and its entry. Packed, so that a handle of five bytes takes five.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed)]
pub struct Slot<H> {
    /// The key's hash, so that splits and scans need not read the key.
    pub hash: u32,
    /// Names the key's entry.
    pub handle: H,
}

#[derive(Clone, Debug)]
struct Segment<H: Copy> {
    slots: HashTable<Slot<H>>,
    /// How many leading bits of the hash all slots here share.
    depth: u8,
    /// No slot's deadline is earlier than this; `NEVER` when none has one. Unix ms.
    due_ms: u64,
}

impl<H: Copy> Segment<H> {
    fn empty() -> Self {
        Self { slots: HashTable::new(), depth: 0, due_ms: NEVER }
    }
}

/// Hash to handle.
#[derive(Clone, Debug)]
pub struct Table<H: Copy> {
    directory: Vec<u32>,
    /// The directory has `1 << depth` places.
    depth: u8,
    segments: Vec<Segment<H>>,
    /// Numbers of merged-away segments, for reuse.
    vacant: Vec<u32>,
    len: usize,
    /// Bytes of all segments' slots.
    slots_bytes: usize,
}

impl<H: Copy + PartialEq> Default for Table<H> {
    fn default() -> Self {
        Self::new()
    }
}

/// `hashbrown` takes its bucket from the low bits and its tag from the top seven; the directory has used up the
/// leading bits of `hash`, so the multiplication brings fresh ones to the top.
#[inline]
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Places a uniform hash so that keys are up to twice as dense at the low end: 2^u - 1 for u in [0, 1), by a parabola
/// that is within 0.4 % of it. Monotone; where it is flattest, three hashes in two places.
#[inline]
#[must_use]
pub fn skew(hash: u32) -> u32 {
    // The two factors add up to 2^32, so that the end of the space stays its end.
    const LINEAR: u64 = 2_819_645_809;
    const SQUARE: u64 = (1 << 32) - LINEAR;
    let u = u64::from(hash);
    ((u * LINEAR + ((u * u) >> 32) * SQUARE) >> 32) as u32
}

impl<H: Copy + PartialEq> Table<H> {
    /// An empty table; it allocates nothing for slots yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            directory: vec![0],
            depth: 0,
            segments: vec![Segment::empty()],
            vacant: Vec::new(),
            len: 0,
            slots_bytes: 0,
        }
    }

    /// Entries in the table. O(1).
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of segments in use. O(1).
    #[must_use]
    pub fn segments(&self) -> usize {
        self.segments.len() - self.vacant.len()
    }

    /// Bytes obtained from the allocator. O(1).
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.directory.capacity() * size_of::<u32>()
            + self.segments.capacity() * size_of::<Segment<H>>()
            + self.slots_bytes
    }

    #[inline]
    fn at(&self, hash: u32) -> usize {
        // A shift by 32 is not defined, so it is done in 64 bits: depth 0 has one place.
        self.directory[(u64::from(hash) >> (32 - u32::from(self.depth))) as usize] as usize
    }

    /// The handle for which `eq` holds among those with this hash. O(1).
    #[inline]
    pub fn find(&self, hash: u32, mut eq: impl FnMut(H) -> bool) -> Option<H> {
        let segment = &self.segments[self.at(hash)];
        // Unlike `find`, whose comparison is a call through a pointer, this is compiled into one loop.
        segment
            .slots
            .iter_hash(spread(hash))
            .find(|slot| slot.hash == hash && eq(slot.handle))
            .map(|slot| slot.handle)
    }

    /// Adds an entry that is known to be absent. O(1), or one split of a full segment.
    pub fn insert(&mut self, hash: u32, handle: H) {
        let mut at = self.at(hash);
        while self.segments[at].slots.len() >= SEGMENT_ENTRIES_MAX && self.may_split(at) {
            self.split(at, hash);
            at = self.at(hash);
        }
        let slots = &mut self.segments[at].slots;
        let (full, before) = (slots.len() == slots.capacity(), slots.allocation_size());
        slots.insert_unique(spread(hash), Slot { hash, handle }, |slot| spread(slot.hash));
        if full {
            self.slots_bytes = self.slots_bytes + slots.allocation_size() - before;
        }
        self.len += 1;
    }

    /// Takes an entry out. O(1), or one merge of two nearly empty segments.
    pub fn remove(&mut self, hash: u32, handle: H) -> bool {
        let at = self.at(hash);
        let segment = &mut self.segments[at];
        let Ok(entry) =
            segment.slots.find_entry(spread(hash), |slot| slot.hash == hash && { slot.handle } == handle)
        else {
            return false;
        };
        entry.remove();
        self.len -= 1;
        let left = segment.slots.len();
        if left == 0 {
            segment.due_ms = NEVER;
        }
        if left < MERGE_BELOW && self.depth > 0 {
            self.merge(at, hash);
        } else if left * 8 < segment.slots.capacity() && segment.slots.capacity() > 16 {
            let before = segment.slots.allocation_size();
            segment.slots.shrink_to(left * 2, |slot| spread(slot.hash));
            self.slots_bytes = self.slots_bytes + segment.slots.allocation_size() - before;
        }
        true
    }

    /// Follows an entry that moved to another slot of the arena. O(1).
    pub fn relocate(&mut self, hash: u32, from: H, to: H) {
        let at = self.at(hash);
        let slots = &mut self.segments[at].slots;
        if let Some(slot) = slots.find_mut(spread(hash), |slot| slot.hash == hash && { slot.handle } == from)
        {
            slot.handle = to;
        }
    }

    /// Lowers the bound of the segment's deadlines: an entry with this hash has the deadline `expires_at_ms`.
    pub fn note_deadline(&mut self, hash: u32, expires_at_ms: u64) {
        let at = self.at(hash);
        let due = &mut self.segments[at].due_ms;
        *due = expires_at_ms.min(*due);
    }

    /// The earliest of all segments' bounds: nothing is due before it. O(segments).
    #[must_use]
    pub fn next_due_ms(&self) -> u64 {
        self.segments.iter().map(|segment| segment.due_ms).min().unwrap_or(NEVER)
    }

    /// The first segment from `position` on in which something may be due at `now_ms`: its slots, and the
    /// position after it (`None` at the end). O(segments) for the search.
    #[must_use]
    pub fn next_due_segment(
        &self,
        position: u32,
        now_ms: u64,
    ) -> Option<(DueSegment, Vec<Slot<H>>, Option<u32>)> {
        let mut position = Some(position);
        while let Some(hash) = position {
            let at = self.at(hash);
            let segment = &self.segments[at];
            position = end_of(hash, segment.depth);
            if segment.due_ms <= now_ms {
                return Some((DueSegment { hash }, segment.slots.iter().copied().collect(), position));
            }
        }
        None
    }

    /// Sets a segment's bound anew, after all its entries were looked at.
    pub fn set_due(&mut self, segment: &DueSegment, due_ms: u64) {
        let at = self.at(segment.hash);
        self.segments[at].due_ms = due_ms;
    }

    /// Visits entries in hash order from `position` on: at least `want` of them unless the table ends, and
    /// always all that share the last hash. Returns where to go on, `None` at the end.
    ///
    /// O(want + one segment).
    pub fn scan(&self, position: u32, want: usize, mut visit: impl FnMut(Slot<H>)) -> Option<u32> {
        let mut left = want.max(1);
        let mut position = position;
        let mut slots: Vec<Slot<H>> = Vec::new();
        loop {
            let segment = &self.segments[self.at(position)];
            slots.clear();
            slots.extend(segment.slots.iter().filter(|slot| slot.hash >= position));
            slots.sort_unstable_by_key(|slot| slot.hash);
            let mut last = None;
            for &slot in &slots {
                if left == 0 && last != Some(slot.hash) {
                    return Some(slot.hash);
                }
                visit(slot);
                last = Some(slot.hash);
                left = left.saturating_sub(1);
            }
            position = end_of(position, segment.depth)?;
            if left == 0 {
                return Some(position);
            }
        }
    }

    /// Visits the entries of one segment from `position` on, in the order of their hashes, and returns where to go on.
    /// O(segment log segment).
    pub fn scan_segment(&self, position: u32, slots: &mut Vec<Slot<H>>) -> Option<u32> {
        let segment = &self.segments[self.at(position)];
        slots.clear();
        slots.extend(segment.slots.iter().filter(|slot| slot.hash >= position));
        slots.sort_unstable_by_key(|slot| slot.hash);
        end_of(position, segment.depth)
    }

    /// Visits the entries of the first segment from `position` on that has a deadline, and returns where to go on.
    /// O(segments passed + one segment).
    pub fn scan_due(&self, position: u32, visit: impl FnMut(Slot<H>)) -> Option<u32> {
        let mut position = Some(position);
        while let Some(hash) = position {
            let segment = &self.segments[self.at(hash)];
            position = end_of(hash, segment.depth);
            if segment.due_ms != NEVER {
                segment.slots.iter().copied().for_each(visit);
                return position;
            }
        }
        None
    }

    /// Visits every entry, in no order. O(n).
    pub fn for_each(&self, mut visit: impl FnMut(Slot<H>)) {
        self.segments.iter().flat_map(|segment| segment.slots.iter()).for_each(|&slot| visit(slot));
    }

    /// An entry chosen uniformly, by random numbers that `random` gives; `None` when empty.
    ///
    /// Expected O(1): of the places that all segments have or could have, one after another is drawn until one holds an
    /// entry, so that each entry is as likely as any other, however full its segment is.
    pub fn sample(&self, mut random: impl FnMut() -> u64) -> Option<Slot<H>> {
        if self.is_empty() {
            return None;
        }
        // A segment of its own has no other to be measured against.
        let alone = self.segments.len() == 1;
        for _ in 0..256 {
            let draw = random();
            let segment = &self.segments[(draw >> 32) as usize % self.segments.len()];
            let buckets = segment.slots.num_buckets();
            let bucket = draw as u32 as usize % if alone { buckets.max(1) } else { buckets.max(BUCKETS_MAX) };
            if bucket < buckets
                && let Some(&slot) = segment.slots.get_bucket(bucket)
            {
                return Some(slot);
            }
        }
        // Hardly ever: a table of which most was removed, evenly. Walk it.
        let nth = (random() % self.len as u64) as usize;
        self.segments.iter().flat_map(|segment| segment.slots.iter()).nth(nth).copied()
    }

    fn may_split(&self, at: usize) -> bool {
        let depth = self.segments[at].depth;
        depth < self.depth
            || (depth < DEPTH_MAX && self.directory.len() <= PLACES_PER_SEGMENT_MAX * self.segments())
    }

    /// Splits the segment that `hash` belongs to by its next bit. O(segment), plus a copy of the directory where
    /// it must double.
    fn split(&mut self, at: usize, hash: u32) {
        let depth = self.segments[at].depth;
        if depth == self.depth {
            self.directory = self.directory.iter().flat_map(|&number| [number, number]).collect();
            self.depth += 1;
        }
        let whole = std::mem::take(&mut self.segments[at].slots);
        let due_ms = self.segments[at].due_ms;
        let bit = 1u32 << (31 - depth);
        let half = whole.len() / 2;
        let mut low = HashTable::with_capacity(half);
        let mut high = HashTable::with_capacity(half);
        let before = whole.allocation_size();
        for slot in whole {
            let side = if slot.hash & bit == 0 { &mut low } else { &mut high };
            side.insert_unique(spread(slot.hash), slot, |slot| spread(slot.hash));
        }
        self.slots_bytes = self.slots_bytes + low.allocation_size() + high.allocation_size() - before;
        self.segments[at] = Segment { slots: low, depth: depth + 1, due_ms };
        let high = Segment { slots: high, depth: depth + 1, due_ms };
        let number = match self.vacant.pop() {
            Some(number) => {
                self.segments[number as usize] = high;
                number
            }
            None => {
                self.segments.push(high);
                (self.segments.len() - 1) as u32
            }
        };
        // The places of the upper half of what the segment covered now name the new one.
        let prefix = prefix_of(hash, depth) | bit;
        self.name(prefix, depth + 1, number);
    }

    /// Merges the segment that `hash` belongs to with its buddy while both are nearly empty.
    fn merge(&mut self, at: usize, hash: u32) {
        loop {
            let depth = self.segments[at].depth;
            if depth == 0 {
                break;
            }
            let buddy = self.at(hash ^ (1u32 << (32 - depth)));
            let together = self.segments[at].slots.len() + self.segments[buddy].slots.len();
            if self.segments[buddy].depth != depth || together >= MERGE_BELOW {
                break;
            }
            let gone = std::mem::replace(&mut self.segments[buddy], Segment::empty());
            let kept = &mut self.segments[at];
            let before = kept.slots.allocation_size() + gone.slots.allocation_size();
            kept.depth -= 1;
            kept.due_ms = kept.due_ms.min(gone.due_ms);
            kept.slots.shrink_to(together, |slot| spread(slot.hash));
            for slot in gone.slots {
                kept.slots.insert_unique(spread(slot.hash), slot, |slot| spread(slot.hash));
            }
            self.slots_bytes = self.slots_bytes + kept.slots.allocation_size() - before;
            self.vacant.push(buddy as u32);
            self.name(prefix_of(hash, depth - 1), depth - 1, at as u32);
        }
        while self.depth > 0 && self.directory.chunks_exact(2).all(|pair| pair[0] == pair[1]) {
            self.directory = self.directory.chunks_exact(2).map(|pair| pair[0]).collect();
            self.depth -= 1;
        }
    }

    /// Makes all places under a prefix of `depth` bits name a segment.
    fn name(&mut self, prefix: u32, depth: u8, number: u32) {
        let first = (u64::from(prefix) >> (32 - u32::from(self.depth))) as usize;
        let places = 1usize << (self.depth - depth);
        self.directory[first..first + places].fill(number);
    }
}

/// A segment that [`Table::next_due_segment`] found, valid until the table changes.
#[derive(Debug)]
pub struct DueSegment {
    hash: u32,
}

/// `hash` with all but its `depth` leading bits cleared.
fn prefix_of(hash: u32, depth: u8) -> u32 {
    (u64::from(hash) >> (32 - u32::from(depth)) << (32 - u32::from(depth))) as u32
}

/// The first hash after the segment of `depth` bits that `hash` lies in; `None` at the end of the space.
fn end_of(hash: u32, depth: u8) -> Option<u32> {
    u32::try_from(u64::from(prefix_of(hash, depth)) + (1u64 << (32 - u32::from(depth)))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;
    use std::collections::{BTreeMap, BTreeSet};

    /// Hashes with few distinct leading bits make deep, lopsided directories.
    fn hash_of(key: u32, skew: u8) -> u32 {
        key.wrapping_mul(0x9E37_79B1).rotate_left(7) >> (skew % 12)
    }

    #[derive(Default)]
    struct Model {
        table: Table<u32>,
        /// From key, which is its own handle, to hash.
        live: BTreeMap<u32, u32>,
    }

    impl Model {
        fn insert(&mut self, key: u32, hash: u32) {
            if !self.live.contains_key(&key) {
                self.table.insert(hash, key);
                self.live.insert(key, hash);
            }
        }
        fn remove(&mut self, key: u32) {
            if let Some(hash) = self.live.remove(&key) {
                assert!(self.table.remove(hash, key));
            }
        }
        fn check(&self) {
            assert_eq!(self.table.len(), self.live.len());
            for (&key, &hash) in &self.live {
                assert_eq!(self.table.find(hash, |handle| handle == key), Some(key));
            }
            let slots_bytes: usize =
                self.table.segments.iter().map(|segment| segment.slots.allocation_size()).sum();
            assert_eq!(self.table.slots_bytes, slots_bytes, "the account of bytes");
        }
    }

    quickcheck! {
        fn finds_what_was_inserted_through_splits_and_merges(ops: Vec<(u16, bool)>, skew: u8, burst: u16) -> bool {
            let mut model = Model::default();
            for key in 0..u32::from(burst % 4000) {
                model.insert(key, hash_of(key, skew));
            }
            model.check();
            for (key, add) in ops {
                let key = u32::from(key);
                if add { model.insert(key, hash_of(key, skew)) } else { model.remove(key) }
            }
            model.check();
            let keys: Vec<u32> = model.live.keys().copied().collect();
            for key in keys {
                model.remove(key);
            }
            model.check();
            model.table.segments() == 1 && model.table.directory.len() == 1
        }

        fn a_scan_returns_what_was_there_throughout_once(
            start: u16, steps: Vec<(u16, u16, bool)>, count: u8, skew: u8
        ) -> bool {
            let mut model = Model::default();
            let stable: BTreeSet<u32> = (0..u32::from(start % 2000)).map(|n| n * 2).collect();
            for &key in &stable {
                model.insert(key, hash_of(key, skew));
            }
            let mut steps = steps.into_iter().cycle().take(24);
            let mut seen: BTreeMap<u32, usize> = BTreeMap::new();
            let mut position = Some(0);
            while let Some(at) = position {
                position = model.table.scan(at, count as usize, |slot| {
                    *seen.entry(slot.handle).or_default() += 1;
                });
                // Between two steps the table grows by hundreds of keys or loses them again.
                if let Some((key, len, add)) = steps.next() {
                    for n in 0..u32::from(len % 500) {
                        let key = (u32::from(key) + n) * 2 + 1;
                        if add { model.insert(key, hash_of(key, skew)) } else { model.remove(key) }
                    }
                }
            }
            stable.iter().all(|key| seen.get(key) == Some(&1)) && seen.values().all(|&n| n <= 1)
        }
    }

    #[test]
    fn equal_hashes_beyond_a_segment_just_grow_it() {
        let mut model = Model::default();
        for key in 0..2000 {
            model.insert(key, 7);
        }
        model.check();
        let mut seen = 0;
        let rest = model.table.scan(0, 10, |_| seen += 1);
        assert!(rest.is_none_or(|at| at > 7));
        assert_eq!(seen, 2000, "a cursor cannot stand between equal hashes");
    }

    #[test]
    fn due_segments_are_found_and_others_are_not_opened() {
        let mut model = Model::default();
        for key in 0..5000 {
            model.insert(key, hash_of(key, 0));
        }
        assert_eq!(model.table.next_due_ms(), NEVER);
        model.table.note_deadline(hash_of(17, 0), 500);
        assert_eq!(model.table.next_due_ms(), 500);
        assert!(model.table.next_due_segment(0, 499).is_none());
        let (segment, slots, _) = model.table.next_due_segment(0, 500).expect("one is due");
        assert!(slots.iter().any(|slot| { slot.handle } == 17));
        model.table.set_due(&segment, NEVER);
        assert!(model.table.next_due_segment(0, u64::MAX - 1).is_none());
    }

    #[test]
    fn segments_are_in_all_phases_of_their_growth_at_once() {
        let hashes: Vec<u32> = (0..=1000u64).map(|n| skew((n * u64::from(u32::MAX) / 1000) as u32)).collect();
        assert!(hashes.is_sorted() && hashes[0] == 0 && hashes[1000] >= u32::MAX - 2);
        // Bytes a key at fourteen sizes between two doublings: without the skew they swing by a factor of two.
        let mut table = Table::new();
        let (mut least, mut most) = (f64::MAX, 0f64);
        for n in 0..220_000u32 {
            table.insert(skew(n.wrapping_mul(0x9E37_79B1)), n);
            if n >= 100_000 && n % 8_000 == 0 {
                let bytes = table.heap_bytes() as f64 / f64::from(n);
                (least, most) = (least.min(bytes), most.max(bytes));
            }
        }
        assert!(most < 17.5 && most / least < 1.15, "{least:.1} to {most:.1} bytes a key");
    }

    #[test]
    fn samples_reach_every_entry() {
        let mut model = Model::default();
        for key in 0..50 {
            model.insert(key, hash_of(key, 0));
        }
        let mut state = 1u64;
        let mut random = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            state >> 16
        };
        let seen: BTreeSet<u32> =
            (0..5000).filter_map(|_| model.table.sample(&mut random)).map(|slot| slot.handle).collect();
        assert_eq!(seen.len(), 50);
    }
}

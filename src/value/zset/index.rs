//! From a member's hash to its number: hash tables of bounded size under a directory (extendible hashing).
//!
//! A directory is addressed by the leading bits of a 32-bit hash; each place names a segment, a
//! `hashbrown::HashTable` of at most [`SEGMENT_MAX`] slots. A full segment splits in two by the next bit, and one that
//! runs empty is merged with its buddy: growing and shrinking cost one bounded step at a time. A scan goes by hash, and
//! its cursor is one, so that neither moves a member past a cursor. (A shard's table of keys works the same way; it
//! keeps deadlines besides.)
//!
//! The index knows no members: who asks compares them by their number.

use super::members::Member;
use hashbrown::HashTable;

/// Slots of a segment before it splits: seven eighths of 1024 buckets.
const SEGMENT_MAX: usize = 896;
/// A segment and its buddy are merged where both together are below this.
const MERGE_BELOW: usize = SEGMENT_MAX / 4;
/// Deepest directory.
const DEPTH_MAX: u8 = 24;
/// A directory with more places for each segment would be the work of hashes that agree in their leading bits: such a
/// segment grows beyond its bound.
const PLACES_PER_SEGMENT_MAX: usize = 32;

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    member: Member,
}

#[derive(Clone, Debug, Default)]
struct Segment {
    slots: HashTable<Slot>,
    /// How many leading bits of the hash all slots share.
    depth: u8,
}

/// Members by hash.
#[derive(Clone, Debug)]
pub(super) struct Index {
    directory: Vec<u32>,
    /// The directory has `1 << depth` places.
    depth: u8,
    segments: Vec<Segment>,
    /// Numbers of segments that were merged away.
    vacant: Vec<u32>,
    /// Of all segments.
    slot_bytes: usize,
}

/// `hashbrown` takes a bucket from the low bits and its tag from the top ones, and the directory has used up the
/// leading bits.
#[inline]
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn spread_slot(slot: &Slot) -> u64 {
    spread(slot.hash)
}

impl Index {
    pub(super) fn new() -> Self {
        Self {
            directory: vec![0],
            depth: 0,
            segments: vec![Segment::default()],
            vacant: Vec::new(),
            slot_bytes: 0,
        }
    }

    /// Bytes on the heap. O(1).
    pub(super) fn heap_bytes(&self) -> usize {
        self.slot_bytes
            + self.segments.capacity() * size_of::<Segment>()
            + (self.directory.capacity() + self.vacant.capacity()) * size_of::<u32>()
    }

    #[inline]
    fn at(&self, hash: u32) -> usize {
        // In 64 bits, because a shift by 32 is none.
        self.directory[(u64::from(hash) >> (32 - u32::from(self.depth))) as usize] as usize
    }

    /// The member for which `is` holds among those with this hash. O(1).
    #[inline]
    pub(super) fn find(&self, hash: u32, mut is: impl FnMut(Member) -> bool) -> Option<Member> {
        let slots = &self.segments[self.at(hash)].slots;
        slots
            .iter_hash(spread(hash))
            .find(|slot| slot.hash == hash && is(slot.member))
            .map(|slot| slot.member)
    }

    /// Adds a member that is not there. O(1), or a split of a full segment.
    pub(super) fn insert(&mut self, hash: u32, member: Member) {
        let mut at = self.at(hash);
        while self.segments[at].slots.len() >= SEGMENT_MAX && self.may_split(at) {
            self.split(at, hash);
            at = self.at(hash);
        }
        let slots = &mut self.segments[at].slots;
        let full = slots.len() == slots.capacity();
        let before = if full { slots.allocation_size() } else { 0 };
        slots.insert_unique(spread(hash), Slot { hash, member }, spread_slot);
        if full {
            self.slot_bytes = self.slot_bytes + slots.allocation_size() - before;
        }
    }

    /// Takes a member out; whether it was there. O(1), or a merge of two nearly empty segments.
    pub(super) fn remove(&mut self, hash: u32, member: Member) -> bool {
        let at = self.at(hash);
        let slots = &mut self.segments[at].slots;
        let Ok(entry) = slots.find_entry(spread(hash), |slot| slot.member == member) else { return false };
        entry.remove();
        let left = slots.len();
        if left < MERGE_BELOW && self.depth > 0 {
            self.merge(at, hash);
        } else if left * 8 < slots.capacity() && slots.capacity() > 16 {
            self.slot_bytes -= slots.allocation_size();
            slots.shrink_to(left * 2, spread_slot);
            self.slot_bytes += slots.allocation_size();
        }
        true
    }

    /// Visits members in the order of their hashes from `position` on: at least `want` of them unless the index ends,
    /// and always all that share the last hash. Returns where to go on, `None` at the end. O(want + one segment).
    pub(super) fn scan(&self, position: u32, want: usize, mut visit: impl FnMut(Member)) -> Option<u32> {
        let (mut left, mut position) = (want.max(1), position);
        let mut slots: Vec<Slot> = Vec::new();
        loop {
            let segment = &self.segments[self.at(position)];
            slots.clear();
            slots.extend(segment.slots.iter().filter(|slot| slot.hash >= position));
            slots.sort_unstable_by_key(|slot| slot.hash);
            let mut last = None;
            for slot in &slots {
                if left == 0 && last != Some(slot.hash) {
                    return Some(slot.hash);
                }
                visit(slot.member);
                last = Some(slot.hash);
                left = left.saturating_sub(1);
            }
            position = end_of(position, segment.depth)?;
            if left == 0 {
                return Some(position);
            }
        }
    }

    fn may_split(&self, at: usize) -> bool {
        let depth = self.segments[at].depth;
        let segments = self.segments.len() - self.vacant.len();
        depth < self.depth
            || (depth < DEPTH_MAX && self.directory.len() <= PLACES_PER_SEGMENT_MAX * segments)
    }

    /// Splits the segment of `hash` by its next bit. O(segment), and a copy of the directory where it must double.
    fn split(&mut self, at: usize, hash: u32) {
        let depth = self.segments[at].depth;
        if depth == self.depth {
            self.directory = self.directory.iter().flat_map(|&number| [number, number]).collect();
            self.depth += 1;
        }
        let whole = std::mem::take(&mut self.segments[at].slots);
        self.slot_bytes -= whole.allocation_size();
        let bit = 1u32 << (31 - depth);
        let (mut low, mut high) =
            (HashTable::with_capacity(whole.len() / 2), HashTable::with_capacity(whole.len() / 2));
        for slot in whole {
            let side = if slot.hash & bit == 0 { &mut low } else { &mut high };
            side.insert_unique(spread(slot.hash), slot, spread_slot);
        }
        self.slot_bytes += low.allocation_size() + high.allocation_size();
        self.segments[at] = Segment { slots: low, depth: depth + 1 };
        let high = Segment { slots: high, depth: depth + 1 };
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
        self.name(prefix_of(hash, depth) | bit, depth + 1, number);
    }

    /// Merges the segment of `hash` with its buddy while both are nearly empty.
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
            let gone = std::mem::take(&mut self.segments[buddy].slots);
            let kept = &mut self.segments[at];
            self.slot_bytes -= gone.allocation_size() + kept.slots.allocation_size();
            kept.depth -= 1;
            kept.slots.shrink_to(together, spread_slot);
            for slot in gone {
                kept.slots.insert_unique(spread(slot.hash), slot, spread_slot);
            }
            self.slot_bytes += kept.slots.allocation_size();
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

/// The leading `depth` bits of a hash.
fn prefix_of(hash: u32, depth: u8) -> u32 {
    (u64::from(hash) & (u64::MAX << (32 - u32::from(depth)))) as u32
}

/// The first hash behind a segment of this depth that holds `hash`; `None` behind the last one.
fn end_of(hash: u32, depth: u8) -> Option<u32> {
    let size = 1u64 << (32 - u32::from(depth));
    u32::try_from(u64::from(prefix_of(hash, depth)) + size).ok()
}

#[cfg(test)]
impl Index {
    pub(super) fn check(&self, len: usize) {
        assert_eq!(self.directory.len(), 1 << self.depth);
        let bytes: usize = self.segments.iter().map(|segment| segment.slots.allocation_size()).sum();
        assert_eq!(bytes, self.slot_bytes, "the account of bytes");
        assert_eq!(self.segments.iter().map(|segment| segment.slots.len()).sum::<usize>(), len);
        for (place, &number) in self.directory.iter().enumerate() {
            let segment = &self.segments[number as usize];
            assert!(segment.depth <= self.depth);
            let places = self.depth - segment.depth;
            assert!(segment.slots.iter().all(|slot| {
                (u64::from(slot.hash) >> (32 - u32::from(self.depth))) as usize >> places == place >> places
            }));
        }
    }
}

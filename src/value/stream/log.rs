//! The entries of a stream: nodes by the ID of their first entry, and what Redis keeps count of beside them.
//!
//! Where a node ends is part of what clients see: `MAXLEN ~` removes whole nodes. So nodes are filled and left as
//! Redis fills and leaves its listpacks, and an entry that is deleted keeps its place until its node goes.
//!
//! **Invariant:** the IDs of nodes and entries rise, `length` is what the nodes count as live, and no node is added
//! but behind the others.

use super::node::{self, Node};
use super::{Entry, Id, Range};
use std::collections::BTreeMap;
use std::fmt;

/// How large a node may grow; 0 for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeLimit {
    /// Bytes, as Redis' listpack would count them.
    pub bytes_max: usize,
    /// Entries, deleted ones included.
    pub entries_max: usize,
}

/// No node grows beyond this, whatever the limit says.
const NODE_BYTES_MAX: usize = 1 << 30;
/// What a node costs in the map, about: its key and itself in a tree node that is two thirds full.
const NODE_BYTES: usize = (size_of::<Id>() + size_of::<Node>()) * 3 / 2;
/// What a new node has room for.
const NODE_BYTES_MIN: usize = 64;

impl NodeLimit {
    fn bytes(self) -> usize {
        if self.bytes_max == 0 { NODE_BYTES_MAX } else { self.bytes_max.min(NODE_BYTES_MAX) }
    }
}

/// An entry holds more than a node can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the entry is too large to be stored")
    }
}

impl std::error::Error for TooLarge {}

/// What [`Log::trim`] leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimTo {
    /// So many entries.
    Len(u64),
    /// Entries from this ID on.
    Id(Id),
}

/// How entries are removed from the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// What is to be left.
    pub to: TrimTo,
    /// Removes whole nodes only (`~`).
    pub whole_nodes: bool,
    /// Removes so many entries at most; 0 for no limit.
    pub limit: u64,
}

/// The entries of a stream.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub(super) nodes: BTreeMap<Id, Node>,
    length: u64,
    first_id: Id,
    last_id: Id,
    max_deleted_id: Id,
    entries_added: u64,
    heap_bytes: usize,
}

impl Log {
    /// Bytes on the heap. O(1).
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    /// Entries that are not deleted. O(1).
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there is none. O(1).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The ID of the first entry, `0-0` without one. O(1).
    #[must_use]
    pub fn first_id(&self) -> Id {
        self.first_id
    }

    /// The last ID that was given out; the next one is greater. O(1).
    #[must_use]
    pub fn last_id(&self) -> Id {
        self.last_id
    }

    /// The greatest ID that `XDEL` deleted. O(1).
    #[must_use]
    pub fn max_deleted_id(&self) -> Id {
        self.max_deleted_id
    }

    /// How many entries were ever added. O(1).
    #[must_use]
    pub fn entries_added(&self) -> u64 {
        self.entries_added
    }

    /// How many nodes there are. O(1).
    #[must_use]
    pub fn nodes_len(&self) -> usize {
        self.nodes.len()
    }

    /// Sets the last ID, as `XSETID` does and whoever loads a stream. The caller has made sure that no entry is greater.
    pub fn set_last_id(&mut self, id: Id) {
        self.last_id = id;
    }

    /// Sets how many entries were ever added.
    pub fn set_entries_added(&mut self, count: u64) {
        self.entries_added = count;
    }

    /// Sets the greatest deleted ID.
    pub fn set_max_deleted_id(&mut self, id: Id) {
        self.max_deleted_id = id;
    }

    /// Sets the ID of the first entry, for whoever loads a stream.
    pub fn set_first_id(&mut self, id: Id) {
        self.first_id = id;
    }

    /// The ID of the next entry at this time; `None` where there are no more IDs.
    #[must_use]
    pub fn next_id(&self, now_ms: u64) -> Option<Id> {
        if now_ms > self.last_id.ms { Some(Id { ms: now_ms, seq: 0 }) } else { self.last_id.next() }
    }

    /// Adds an entry of fields and values in turn. Its ID must be greater than [`last_id`](Self::last_id).
    /// O(bytes + log nodes).
    ///
    /// # Errors
    /// [`TooLarge`] where fields and values have more than a gibibyte together; nothing has changed then.
    #[inline]
    pub fn append(&mut self, id: Id, pairs: &[&[u8]], limit: NodeLimit) -> Result<(), TooLarge> {
        debug_assert!(id > self.last_id);
        let bytes = node::check_size(pairs)?;
        let full = |node: &Node| {
            node.redis_len() + bytes >= limit.bytes()
                || (limit.entries_max > 0 && node.entries() >= limit.entries_max)
        };
        // Room for the text, and a few bytes around each of its parts.
        let room = bytes + 4 * pairs.len() + 8;
        match self.nodes.last_entry() {
            Some(mut last) if !full(last.get()) => {
                let base = *last.key();
                let node = last.get_mut();
                let before = node.capacity();
                node.make_room(room, limit.bytes());
                node.append(base, id, pairs);
                self.heap_bytes += node.capacity() - before;
            }
            last => {
                if let Some(mut last) = last {
                    self.heap_bytes -= last.get().capacity();
                    last.get_mut().shrink();
                    self.heap_bytes += last.get().capacity();
                }
                let mut node = Node::new(pairs, (2 * room).max(NODE_BYTES_MIN));
                node.append(id, id, pairs);
                self.heap_bytes += NODE_BYTES + node.capacity();
                self.nodes.insert(id, node);
            }
        }
        self.length += 1;
        // Counters may be set to anything; they run over as Redis' do.
        self.entries_added = self.entries_added.wrapping_add(1);
        self.last_id = id;
        if self.length == 1 {
            self.first_id = id;
        }
        Ok(())
    }

    /// The entries between two IDs, both included. O(log nodes + one node), and O(1) for each entry.
    #[must_use]
    pub fn range(&self, start: Id, end: Id) -> Range<'_> {
        Range::new(self, start, end, false)
    }

    /// The same from the end.
    #[must_use]
    pub fn range_reverse(&self, start: Id, end: Id) -> Range<'_> {
        Range::new(self, start, end, true)
    }

    /// The entry of this ID. O(log nodes + one node).
    #[must_use]
    pub fn get(&self, id: Id) -> Option<Entry<'_>> {
        self.range(id, id).next()
    }

    /// The last entry that is not deleted; `0-0` without one. O(1), and O(what was deleted behind it).
    #[must_use]
    pub fn last_entry_id(&self) -> Id {
        if self.length == 0 {
            return Id::MIN;
        }
        self.range_reverse(Id::MIN, Id::MAX).next().map_or(Id::MIN, |entry| entry.id)
    }

    /// Deletes an entry; whether it was there. O(log nodes + one node).
    pub fn delete(&mut self, id: Id) -> bool {
        let Some((&base, node)) = self.nodes.range_mut(..=id).next_back() else { return false };
        let mut at = node.start();
        let found = loop {
            match node.entry_at(base, at) {
                Some(entry) if entry.id == id && !entry.deleted => break entry.at,
                Some(entry) if entry.id <= id => at = entry.end,
                Some(_) | None => return false,
            }
        };
        if node.live() == 1 {
            self.heap_bytes -= NODE_BYTES + node.capacity();
            self.nodes.remove(&base);
        } else {
            node.mark_deleted(found);
        }
        self.length -= 1;
        self.max_deleted_id = self.max_deleted_id.max(id);
        if self.length == 0 {
            self.first_id = Id::MIN;
        } else if self.first_id == id {
            self.find_first_id();
        }
        true
    }

    fn find_first_id(&mut self) {
        self.first_id = self.range(Id::MIN, Id::MAX).next().map_or(Id::MAX, |entry| entry.id);
    }

    /// Removes entries from the front; how many. O(nodes removed + one node).
    pub fn trim(&mut self, trim: Trim) -> u64 {
        let Trim { to, whole_nodes, limit } = trim;
        let mut removed = 0;
        while let Some(mut first) = self.nodes.first_entry() {
            if let TrimTo::Len(len) = to
                && self.length <= len
            {
                break;
            }
            let base = *first.key();
            let node = first.get_mut();
            let live = node.live() as u64;
            if limit > 0 && removed + live > limit {
                break;
            }
            let whole = match to {
                TrimTo::Len(len) => self.length - live >= len,
                TrimTo::Id(id) => node.entry_before(base, node.end_at()).is_none_or(|entry| entry.id < id),
            };
            if whole {
                self.heap_bytes -= NODE_BYTES + node.capacity();
                self.length -= live;
                removed += live;
                first.remove();
                continue;
            }
            if whole_nodes {
                break;
            }
            let mut at = node.start();
            while let Some(entry) = node.entry_at(base, at) {
                let stop = match to {
                    TrimTo::Len(len) => self.length <= len,
                    TrimTo::Id(id) => entry.id >= id,
                };
                if stop {
                    break;
                }
                let (deleted, place) = (entry.deleted, entry.at);
                at = entry.end;
                if !deleted {
                    node.mark_deleted(place);
                    self.length -= 1;
                    removed += 1;
                }
            }
            break;
        }
        if self.length == 0 {
            self.first_id = Id::MIN;
        } else if removed > 0 {
            self.find_first_id();
        }
        removed
    }

    /// Adds a whole node behind the others, for whoever loads a stream.
    pub(super) fn push_node(&mut self, id: Id, node: Node) {
        self.heap_bytes += NODE_BYTES + node.capacity();
        self.length += node.live() as u64;
        self.nodes.insert(id, node);
    }

    /// Whether an entry from `id` on was deleted: then nothing can be told by counting from there.
    #[must_use]
    pub fn is_broken_from(&self, id: Id) -> bool {
        self.length > 0 && self.max_deleted_id != Id::MIN && id <= self.max_deleted_id
    }

    /// How many entries were ever added up to this ID, where that can be told without counting. O(1).
    ///
    /// It can be told of the last ID that was given out, of IDs before the first entry and of the first entry itself,
    /// as long as no entry behind it was deleted.
    #[must_use]
    pub fn entries_up_to(&self, id: Id) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if self.length == 0 && id <= self.last_id {
            return Some(self.entries_added);
        }
        if id != Id::MIN && id < self.max_deleted_id {
            return None;
        }
        if id >= self.last_id {
            return (id == self.last_id).then_some(self.entries_added);
        }
        if self.max_deleted_id != Id::MIN && self.max_deleted_id >= self.first_id {
            return None;
        }
        let before = self.entries_added.wrapping_sub(self.length);
        match id.cmp(&self.first_id) {
            std::cmp::Ordering::Less => Some(before),
            std::cmp::Ordering::Equal => Some(before.wrapping_add(1)),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// Panics where the accounts do not say what the nodes hold.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let sum = |f: fn(&Node) -> usize| self.nodes.values().map(f).sum::<usize>();
        assert_eq!(self.heap_bytes, sum(|node| NODE_BYTES + node.capacity()));
        assert_eq!(self.length, sum(Node::live) as u64);
        for (&base, node) in &self.nodes {
            let redis = node.to_redis();
            assert_eq!(redis.len(), node.redis_len());
            let mut at = node.start();
            let mut entries = 0;
            while let Some(entry) = node.entry_at(base, at) {
                at = entry.end;
                entries += 1;
            }
            assert_eq!((at, entries), (node.end_at(), node.entries()));
        }
    }
}

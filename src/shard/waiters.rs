//! Who waits for which key of this shard, in the order of their tickets.
//!
//! A waiter is only a ticket here, a number that the engine gave out; what it waits to do and whom to tell is the
//! engine's business (`engine::blocking`). Tickets rise with time and are the same on every shard a waiter waits on,
//! so that a queue in ticket order is first come, first served across shards.
//!
//! **Invariant:** no queue is empty; a key without waiters is not in the map.

use std::collections::{BTreeMap, HashMap};

/// A waiter's number; lower ones came first.
pub type Ticket = u64;

/// What a waiter needs to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only the shard of the key it waits for.
    Here,
    /// Another shard as well (a move between lists): whoever writes must have entered that one, too.
    Beyond,
}

type Queues = HashMap<Box<[u8]>, BTreeMap<Ticket, Reach>>;

/// The waiters of one shard, per database and key.
#[derive(Debug, Default)]
pub struct Waiters {
    queues: HashMap<usize, Queues>,
    /// How many entries reach beyond this shard.
    beyond: usize,
    len: usize,
}

impl Waiters {
    /// Whether nobody waits. O(1), and asked by every write.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a write here may have to serve a waiter that needs another shard. O(1).
    #[inline]
    #[must_use]
    pub fn reach_beyond(&self) -> bool {
        self.beyond > 0
    }

    /// Queues a waiter for a key. O(log n).
    pub fn add(&mut self, db: usize, key: &[u8], ticket: Ticket, reach: Reach) {
        let queue = self.queues.entry(db).or_default().entry(key.into()).or_default();
        if queue.insert(ticket, reach).is_none() {
            self.len += 1;
            self.beyond += usize::from(reach == Reach::Beyond);
        }
    }

    /// Takes a waiter out of a key's queue; whether it was there. O(log n).
    pub fn remove(&mut self, db: usize, key: &[u8], ticket: Ticket) -> bool {
        let Some(queues) = self.queues.get_mut(&db) else { return false };
        let Some(queue) = queues.get_mut(key) else { return false };
        let Some(reach) = queue.remove(&ticket) else { return false };
        if queue.is_empty() {
            queues.remove(key);
        }
        self.len -= 1;
        self.beyond -= usize::from(reach == Reach::Beyond);
        true
    }

    /// The waiter that came first for a key.
    #[must_use]
    pub fn first(&self, db: usize, key: &[u8]) -> Option<Ticket> {
        self.queues.get(&db)?.get(key)?.keys().next().copied()
    }

    /// The first waiter behind `after` for a key, for those who step over one that cannot be served.
    #[must_use]
    pub fn next_after(&self, db: usize, key: &[u8], after: Ticket) -> Option<Ticket> {
        self.queues.get(&db)?.get(key)?.range(after + 1..).next().map(|(&ticket, _)| ticket)
    }

    /// Whether anyone waits for the key. O(1).
    #[must_use]
    pub fn wanted(&self, db: usize, key: &[u8]) -> bool {
        !self.is_empty() && self.queues.get(&db).is_some_and(|queues| queues.contains_key(key))
    }

    /// The keys of a database that are waited for.
    pub fn keys(&self, db: usize) -> impl Iterator<Item = &[u8]> {
        self.queues.get(&db).into_iter().flat_map(|queues| queues.keys().map(|key| &**key))
    }

    /// How many keys of a database are waited for.
    #[must_use]
    pub fn keys_len(&self) -> usize {
        self.queues.values().map(HashMap::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_come_is_the_first_in_line_whatever_the_order_of_adding() {
        let mut waiters = Waiters::default();
        waiters.add(0, b"k", 7, Reach::Here);
        waiters.add(0, b"k", 3, Reach::Beyond);
        assert_eq!(waiters.first(0, b"k"), Some(3));
        assert!(waiters.reach_beyond() && waiters.wanted(0, b"k") && !waiters.wanted(1, b"k"));
        assert!(waiters.remove(0, b"k", 3) && !waiters.remove(0, b"k", 3));
        assert_eq!(waiters.next_after(0, b"k", 3), Some(7));
        assert!(waiters.remove(0, b"k", 7) && waiters.is_empty() && !waiters.reach_beyond());
        assert_eq!(waiters.keys(0).count(), 0);
    }
}

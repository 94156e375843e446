//! Who waits for which key of this shard, in the order of their tickets.
//!
//! A waiter is only a ticket here, a number that the engine gave out; what it waits to do and whom to tell is the
//! engine's business (`engine::blocking`). Tickets rise with time and are the same on every shard a waiter waits on,
//! so that a queue in ticket order is first come, first served across shards.
//!
//! **Invariant:** no queue is empty; a key without waiters is not in the map.

use super::Type;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

/// A waiter's number; lower ones came first.
pub type Ticket = u64;

/// What a waiter needs to be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Only the shard of the key it waits for.
    Here,
    /// Another shard as well (several keys, a move between lists): whoever fills the key must have entered that
    /// one, too.
    Beyond,
}

/// A waiter's place in the queue of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// What serving it takes.
    pub reach: Reach,
    /// The type a key must have to be worth a look; `None` for any.
    pub wants: Option<Type>,
}

type Queues = HashMap<Box<[u8]>, BTreeMap<Ticket, Place>>;

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

    /// Whether any waiter here needs another shard. O(1), and asked by every write.
    #[inline]
    #[must_use]
    pub fn reach_beyond(&self) -> bool {
        self.beyond > 0
    }

    /// Whether filling this key, in whichever database, may have to serve a waiter that needs another shard.
    ///
    /// Whoever waits for the key may itself fill another one here, so it is enough that it is waited for at all
    /// while anyone here reaches beyond. O(1) as long as nobody does, O(databases with waiters) otherwise.
    #[inline]
    #[must_use]
    pub fn fill_reaches_beyond(&self, key: &[u8]) -> bool {
        self.reach_beyond() && self.queues.values().any(|queues| queues.contains_key(key))
    }

    /// Queues a waiter for a key. O(log n).
    pub fn add(&mut self, db: usize, key: &[u8], ticket: Ticket, place: Place) {
        let queue = self.queues.entry(db).or_default().entry(key.into()).or_default();
        if queue.insert(ticket, place).is_none() {
            self.len += 1;
            self.beyond += usize::from(place.reach == Reach::Beyond);
        }
    }

    /// Takes a waiter out of a key's queue; whether it was there. O(log n).
    pub fn remove(&mut self, db: usize, key: &[u8], ticket: Ticket) -> bool {
        let Some(queues) = self.queues.get_mut(&db) else { return false };
        let Some(queue) = queues.get_mut(key) else { return false };
        let Some(place) = queue.remove(&ticket) else { return false };
        if queue.is_empty() {
            queues.remove(key);
        }
        self.len -= 1;
        self.beyond -= usize::from(place.reach == Reach::Beyond);
        true
    }

    /// The first waiter behind `after` in a key's queue that a value of this type may interest. O(log n), and O(1)
    /// for each one that it does not interest.
    #[must_use]
    pub fn next_after(&self, db: usize, key: &[u8], after: Ticket, holds: Type) -> Option<Ticket> {
        let behind = (Bound::Excluded(after), Bound::Unbounded);
        let queue = self.queues.get(&db)?.get(key)?;
        let interested = |place: &Place| place.wants.is_none_or(|wanted| wanted == holds);
        queue.range(behind).find(|(_, place)| interested(place)).map(|(&ticket, _)| ticket)
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

    /// How many keys are waited for, all databases taken together. O(databases with waiters).
    #[must_use]
    pub fn keys_len(&self) -> usize {
        self.queues.values().map(HashMap::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: Place = Place { reach: Reach::Here, wants: Some(Type::List) };

    #[test]
    fn the_first_to_come_is_the_first_in_line_whatever_the_order_of_adding() {
        let mut waiters = Waiters::default();
        waiters.add(0, b"k", 7, LIST);
        waiters.add(0, b"k", 3, Place { reach: Reach::Beyond, wants: None });
        assert_eq!(waiters.next_after(0, b"k", 0, Type::List), Some(3));
        assert!(waiters.reach_beyond() && waiters.wanted(0, b"k") && !waiters.wanted(1, b"k"));
        assert!(waiters.fill_reaches_beyond(b"k") && !waiters.fill_reaches_beyond(b"other"));
        assert_eq!(waiters.next_after(0, b"k", 3, Type::List), Some(7));
        assert!(waiters.remove(0, b"k", 3) && !waiters.remove(0, b"k", 3));
        assert_eq!(waiters.next_after(0, b"k", 0, Type::List), Some(7));
        assert!(waiters.remove(0, b"k", 7) && waiters.is_empty() && !waiters.reach_beyond());
        assert_eq!(waiters.keys(0).count(), 0);
    }

    #[test]
    fn a_waiter_is_passed_over_by_a_value_of_a_type_it_does_not_want() {
        let mut waiters = Waiters::default();
        waiters.add(0, b"k", 1, LIST);
        waiters.add(0, b"k", 2, Place { reach: Reach::Here, wants: None });
        assert_eq!(waiters.next_after(0, b"k", 0, Type::String), Some(2));
        assert_eq!(waiters.next_after(0, b"k", 2, Type::List), None);
    }

    #[test]
    fn a_key_named_twice_is_waited_for_once() {
        let mut waiters = Waiters::default();
        waiters.add(0, b"k", 1, LIST);
        waiters.add(0, b"k", 1, LIST);
        assert!(waiters.remove(0, b"k", 1) && waiters.is_empty());
    }
}

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

/// A waiter's place in the queue of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The shards besides this one that serving it takes (several keys, a move between lists): whoever fills the key
    /// must have entered them, too.
    pub others: Box<[usize]>,
    /// Whether serving it may fill another key, and so give others their turn.
    pub fills: bool,
    /// The type a key must have to be worth a look; `None` for any.
    pub wants: Option<Type>,
    /// Whether it has its turn also when the key goes or becomes another type (a reader of a consumer group).
    pub minds_loss: bool,
}

/// Those who wait for one key.
#[derive(Debug, Default)]
struct Queue {
    places: BTreeMap<Ticket, Place>,
    /// What `others` of all places come to: how often each shard stands there.
    others: BTreeMap<usize, usize>,
}

type Queues = HashMap<Box<[u8]>, Queue>;

/// The waiters of one shard, per database and key.
#[derive(Debug, Default)]
pub struct Waiters {
    queues: HashMap<usize, Queues>,
    len: usize,
    /// How many places need another shard.
    beyond: usize,
    /// How many places may fill another key.
    filling: usize,
    /// How many places mind the loss of their key.
    minding: usize,
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

    /// Whether anyone here must hear of it when a key that is waited for goes. O(1).
    #[inline]
    #[must_use]
    pub fn mind_loss(&self) -> bool {
        self.minding > 0
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

    /// The other shards that serving whoever waits for this key may take, in whichever database; `None` where that
    /// cannot be told, because what fills one key may go on to another. O(databases with waiters + shards named).
    pub fn fill_reach(&self, key: &[u8]) -> Option<impl Iterator<Item = usize>> {
        let queues = self.queues.values().filter_map(move |queues| queues.get(key));
        (self.filling == 0).then(|| queues.flat_map(|queue| queue.others.keys().copied()))
    }

    /// Queues a waiter for a key; naming the key twice is naming it once. O(log n + shards named).
    pub fn add(&mut self, db: usize, key: &[u8], ticket: Ticket, place: Place) {
        let queue = self.queues.entry(db).or_default().entry(key.into()).or_default();
        if queue.places.contains_key(&ticket) {
            return;
        }
        self.len += 1;
        self.beyond += usize::from(!place.others.is_empty());
        self.filling += usize::from(place.fills);
        self.minding += usize::from(place.minds_loss);
        for &shard in &place.others {
            *queue.others.entry(shard).or_default() += 1;
        }
        queue.places.insert(ticket, place);
    }

    /// Takes a waiter out of a key's queue; whether it was there. O(log n + shards named).
    pub fn remove(&mut self, db: usize, key: &[u8], ticket: Ticket) -> bool {
        let Some(queues) = self.queues.get_mut(&db) else { return false };
        let Some(queue) = queues.get_mut(key) else { return false };
        let Some(place) = queue.places.remove(&ticket) else { return false };
        self.len -= 1;
        self.beyond -= usize::from(!place.others.is_empty());
        self.filling -= usize::from(place.fills);
        self.minding -= usize::from(place.minds_loss);
        for shard in &place.others {
            if let Some(count) = queue.others.get_mut(shard) {
                *count -= 1;
                if *count == 0 {
                    queue.others.remove(shard);
                }
            }
        }
        if queue.places.is_empty() {
            queues.remove(key);
        }
        true
    }

    /// The first waiter behind `after` in a key's queue that may be interested in what the key holds, `None` for a key
    /// that is gone. O(log n), and O(1) for each one that is not.
    #[must_use]
    pub fn next_after(&self, db: usize, key: &[u8], after: Ticket, holds: Option<Type>) -> Option<Ticket> {
        let behind = (Bound::Excluded(after), Bound::Unbounded);
        let queue = self.queues.get(&db)?.get(key)?;
        let interested = |place: &Place| {
            place.minds_loss || holds.is_some_and(|holds| place.wants.is_none_or(|wanted| wanted == holds))
        };
        queue.places.range(behind).find(|(_, place)| interested(place)).map(|(&ticket, _)| ticket)
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

    /// Someone who waits for a list.
    fn list(others: &[usize]) -> Place {
        Place { others: others.into(), wants: Some(Type::List), ..Place::default() }
    }

    fn reach(waiters: &Waiters, key: &[u8]) -> Option<Vec<usize>> {
        waiters.fill_reach(key).map(|shards| shards.collect())
    }

    #[test]
    fn the_first_to_come_is_the_first_in_line_whatever_the_order_of_adding() {
        let mut waiters = Waiters::default();
        waiters.add(0, b"k", 7, list(&[]));
        waiters.add(0, b"k", 3, list(&[]));
        assert!(waiters.wanted(0, b"k") && !waiters.wanted(1, b"k"));
        assert_eq!(waiters.next_after(0, b"k", 0, Some(Type::List)), Some(3));
        assert_eq!(waiters.next_after(0, b"k", 3, Some(Type::List)), Some(7));
        assert!(waiters.remove(0, b"k", 3) && !waiters.remove(0, b"k", 3));
        assert_eq!(waiters.next_after(0, b"k", 0, Some(Type::List)), Some(7));
        assert!(waiters.remove(0, b"k", 7) && waiters.is_empty());
        assert_eq!(waiters.keys(0).count(), 0);
    }

    #[test]
    fn a_waiter_is_passed_over_by_a_value_of_a_type_it_does_not_want() {
        let mut waiters = Waiters::default();
        waiters.add(0, b"k", 1, list(&[]));
        waiters.add(0, b"k", 2, Place::default());
        assert_eq!(waiters.next_after(0, b"k", 0, Some(Type::String)), Some(2));
        assert_eq!(waiters.next_after(0, b"k", 2, Some(Type::List)), None);
    }

    #[test]
    fn who_minds_the_loss_of_a_key_has_its_turn_whatever_the_key_holds() {
        let mut waiters = Waiters::default();
        waiters.add(0, b"k", 1, list(&[]));
        waiters.add(0, b"k", 2, Place { minds_loss: true, ..list(&[]) });
        assert!(waiters.mind_loss());
        assert_eq!(waiters.next_after(0, b"k", 0, None), Some(2));
        assert_eq!(waiters.next_after(0, b"k", 0, Some(Type::String)), Some(2));
        assert_eq!(waiters.next_after(0, b"k", 0, Some(Type::List)), Some(1));
        assert!(waiters.remove(0, b"k", 2) && !waiters.mind_loss());
        assert_eq!(waiters.next_after(0, b"k", 0, None), None);
    }

    #[test]
    fn a_key_named_twice_is_waited_for_once() {
        let mut waiters = Waiters::default();
        waiters.add(0, b"k", 1, list(&[3]));
        waiters.add(0, b"k", 1, list(&[3]));
        assert!(waiters.remove(0, b"k", 1) && waiters.is_empty() && !waiters.reach_beyond());
    }

    #[test]
    fn the_reach_of_a_key_is_that_of_those_who_wait_for_it() {
        let mut waiters = Waiters::default();
        waiters.add(0, b"k", 1, list(&[3, 5]));
        waiters.add(2, b"k", 2, list(&[7]));
        waiters.add(0, b"other", 3, list(&[]));
        assert!(waiters.fill_reaches_beyond(b"k") && waiters.fill_reaches_beyond(b"other"));
        assert!(!waiters.fill_reaches_beyond(b"nobody's"));
        let mut shards = reach(&waiters, b"k").unwrap();
        shards.sort_unstable();
        assert_eq!((shards, reach(&waiters, b"other")), (vec![3, 5, 7], Some(vec![])));
        // Who fills another key makes the reach unknown.
        waiters.add(0, b"other", 4, Place { others: [9].into(), fills: true, ..Place::default() });
        assert_eq!(reach(&waiters, b"k"), None);
        waiters.remove(0, b"other", 4);
        waiters.remove(0, b"k", 1);
        assert_eq!(reach(&waiters, b"k"), Some(vec![7]));
        waiters.remove(2, b"k", 2);
        assert!(!waiters.reach_beyond() && !waiters.is_empty());
    }
}

//! A consumer group: how far it has read, who reads for it, and what was delivered and not acknowledged.
//!
//! What is pending stands twice: with the group, in the order of the IDs, and with its consumer. Times are Unix ms.
//!
//! **Invariant:** an ID is pending with exactly one consumer, and that one has it among its own.

use super::{Entry, Id, Log};
use std::collections::{BTreeMap, BTreeSet};

/// A delivery that was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// When it was last delivered, Unix ms.
    pub delivered_ms: i64,
    /// How often; it runs over as Redis' counter does.
    pub deliveries: u64,
    /// The consumer's number.
    consumer: u32,
}

/// Someone who reads for a group.
#[derive(Clone, Debug)]
pub struct Consumer {
    name: Box<[u8]>,
    /// When it last asked for anything, Unix ms.
    pub seen_ms: i64,
    /// When it last got anything, Unix ms; -1 for never.
    pub active_ms: i64,
    pending: BTreeSet<Id>,
}

impl Consumer {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The IDs that it has not acknowledged.
    pub fn pending(&self) -> impl ExactSizeIterator<Item = Id> {
        self.pending.iter().copied()
    }
}

/// A consumer group.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The last ID that was delivered.
    pub last_id: Id,
    /// How many entries were read, as far as that can be told.
    pub entries_read: Option<u64>,
    pending: BTreeMap<Id, Pending>,
    /// Numbers of the consumers by name.
    numbers: BTreeMap<Box<[u8]>, u32>,
    /// The consumers by number; a number of one that is gone is given to another.
    consumers: Vec<Option<Consumer>>,
    vacant: Vec<u32>,
    /// Bytes of the names, which stand twice.
    names_bytes: usize,
}

/// How [`Group::claim`] hands a delivery to another consumer.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// It must have been delivered so long ago, in ms.
    pub min_idle_ms: i64,
    /// What is noted as the time of delivery.
    pub delivered_ms: i64,
    /// The number of deliveries to note; `None` counts one more, or leaves it where `just_id`.
    pub deliveries: Option<u64>,
    /// Takes entries that are not pending, too.
    pub force: bool,
    /// Only the ID is wanted.
    pub just_id: bool,
}

/// What [`Group::autoclaim`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Autoclaimed {
    /// Where to go on; `0-0` at the end.
    pub next: Id,
    /// What was claimed.
    pub claimed: Vec<Id>,
    /// What was pending but is deleted from the stream, and is pending no more.
    pub deleted: Vec<Id>,
}

/// What a delivery costs in the two trees, about.
const PENDING_BYTES: usize = (2 * size_of::<Id>() + size_of::<Pending>()) * 3 / 2;
/// What a consumer costs without its names.
const CONSUMER_BYTES: usize = size_of::<Option<Consumer>>() + 3 * size_of::<(Box<[u8]>, u32)>() / 2;

impl Group {
    /// A group that has read up to `last_id`.
    #[must_use]
    pub fn new(last_id: Id, entries_read: Option<u64>) -> Self {
        Self { last_id, entries_read, ..Self::default() }
    }

    /// Bytes on the heap. O(1).
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.pending.len() * PENDING_BYTES + self.numbers.len() * CONSUMER_BYTES + self.names_bytes
    }

    /// How many entries are behind the last one delivered; `None` where that cannot be told. It is negative where
    /// somebody set the counters so. O(1).
    #[must_use]
    pub fn lag(&self, log: &Log) -> Option<i64> {
        let added = log.entries_added();
        if added == 0 {
            return Some(0);
        }
        let read = match self.entries_read {
            Some(read) if !log.is_broken_from(self.last_id) => Some(read),
            _ => log.entries_up_to(self.last_id),
        };
        read.map(|read| added.wrapping_sub(read) as i64)
    }

    // ---- Consumers ------------------------------------------------------------------------------------------

    /// The consumers in the order of their names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        self.numbers.values().map(|&number| match self.consumers.get(number as usize) {
            Some(Some(consumer)) => consumer,
            _ => unreachable!("a number belongs to a consumer"),
        })
    }

    /// A consumer. O(log consumers).
    #[must_use]
    pub fn consumer(&self, name: &[u8]) -> Option<&Consumer> {
        let number = *self.numbers.get(name)?;
        self.consumers.get(number as usize)?.as_ref()
    }

    /// Makes a consumer; whether there was none of that name. O(log consumers).
    pub fn add_consumer(&mut self, name: &[u8], now_ms: i64) -> bool {
        if self.numbers.contains_key(name) {
            return false;
        }
        let consumer =
            Consumer { name: name.into(), seen_ms: now_ms, active_ms: -1, pending: BTreeSet::new() };
        let number = match self.vacant.pop() {
            Some(number) => {
                self.consumers[number as usize] = Some(consumer);
                number
            }
            None => {
                self.consumers.push(Some(consumer));
                (self.consumers.len() - 1) as u32
            }
        };
        self.numbers.insert(name.into(), number);
        self.names_bytes += 2 * name.len();
        true
    }

    /// The consumer that asks for something now, made where there was none; whether it was. O(log consumers).
    pub fn see_consumer(&mut self, name: &[u8], now_ms: i64) -> bool {
        let made = self.add_consumer(name, now_ms);
        if let Some(consumer) = self.consumer_mut(name) {
            consumer.seen_ms = now_ms;
        }
        made
    }

    /// A consumer, to set its times. O(log consumers).
    pub fn consumer_mut(&mut self, name: &[u8]) -> Option<&mut Consumer> {
        let number = *self.numbers.get(name)?;
        self.consumers.get_mut(number as usize)?.as_mut()
    }

    /// Removes a consumer with what it has pending; how much that was, `None` where there is no such consumer.
    /// O(what is pending with it).
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let number = self.numbers.remove(name)?;
        self.names_bytes -= 2 * name.len();
        let consumer = self.consumers.get_mut(number as usize)?.take()?;
        self.vacant.push(number);
        for id in &consumer.pending {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    fn numbered(&mut self, number: u32) -> Option<&mut Consumer> {
        self.consumers.get_mut(number as usize)?.as_mut()
    }

    // ---- What is pending ------------------------------------------------------------------------------------

    /// How much is pending. O(1).
    #[must_use]
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// What is pending between two IDs, both included, with the consumer that has it.
    pub fn pending(&self, start: Id, end: Id) -> impl DoubleEndedIterator<Item = (Id, &Pending, &Consumer)> {
        let range = (start <= end).then(|| self.pending.range(start..=end));
        range.into_iter().flatten().filter_map(|(&id, pending)| self.with_consumer(id, pending))
    }

    /// The same of one consumer.
    pub fn pending_of<'g>(
        &'g self,
        consumer: &'g Consumer,
        start: Id,
        end: Id,
    ) -> impl Iterator<Item = (Id, &'g Pending, &'g Consumer)> {
        let range = (start <= end).then(|| consumer.pending.range(start..=end));
        let ids = range.into_iter().flatten();
        ids.filter_map(move |&id| Some((id, self.pending.get(&id)?, consumer)))
    }

    fn with_consumer<'g>(&'g self, id: Id, pending: &'g Pending) -> Option<(Id, &'g Pending, &'g Consumer)> {
        Some((id, pending, self.consumers.get(pending.consumer as usize)?.as_ref()?))
    }

    /// Notes a delivery to a consumer, for whoever loads a group; what was noted for the ID is forgotten.
    pub fn set_pending(&mut self, name: &[u8], id: Id, delivered_ms: i64, deliveries: u64) -> bool {
        let Some(&number) = self.numbers.get(name) else { return false };
        self.hand_over(id, Pending { delivered_ms, deliveries, consumer: number });
        true
    }

    /// Writes what is noted for an ID, and takes it from the consumer that had it.
    fn hand_over(&mut self, id: Id, pending: Pending) {
        let before = self.pending.insert(id, pending);
        if before.is_some_and(|before| before.consumer == pending.consumer) {
            return;
        }
        if let Some(consumer) = before.and_then(|before| self.numbered(before.consumer)) {
            consumer.pending.remove(&id);
        }
        if let Some(consumer) = self.numbered(pending.consumer) {
            consumer.pending.insert(id);
        }
    }

    /// Acknowledges a delivery; whether it was pending. O(log pending).
    pub fn acknowledge(&mut self, id: Id) -> bool {
        let Some(pending) = self.pending.remove(&id) else { return false };
        if let Some(consumer) = self.numbered(pending.consumer) {
            consumer.pending.remove(&id);
        }
        true
    }

    // ---- Reading --------------------------------------------------------------------------------------------

    /// Notes that an entry is delivered to a consumer: the group has read up to it, and unless `no_ack` says that
    /// nobody will acknowledge it, it is pending. O(log pending).
    pub fn deliver(&mut self, log: &Log, id: Id, name: &[u8], now_ms: i64, no_ack: bool) {
        if id > self.last_id {
            let counts = self.last_id >= log.first_id() && !log.is_broken_from(self.last_id);
            match &mut self.entries_read {
                Some(read) if counts => *read = read.wrapping_add(1),
                read if log.entries_added() > 0 => *read = log.entries_up_to(id),
                _ => {}
            }
            self.last_id = id;
        }
        if no_ack {
            return;
        }
        let Some(&number) = self.numbers.get(name) else { return };
        self.hand_over(id, Pending { delivered_ms: now_ms, deliveries: 1, consumer: number });
        if let Some(consumer) = self.numbered(number) {
            consumer.active_ms = now_ms;
        }
    }

    /// Delivers once more what a consumer has pending from `start` on, up to `max` of it: each ID with its entry,
    /// `None` for one that is deleted. Those that are not count one more delivery. O(max log pending).
    pub fn redeliver<'l>(
        &mut self,
        log: &'l Log,
        (name, start): (&[u8], Id),
        max: usize,
        now_ms: i64,
    ) -> Vec<(Id, Option<Entry<'l>>)> {
        let ids: Vec<Id> = self
            .consumer(name)
            .map_or(Vec::new(), |consumer| consumer.pending.range(start..).take(max).copied().collect());
        ids.into_iter()
            .map(|id| {
                let entry = log.get(id);
                if entry.is_some()
                    && let Some(pending) = self.pending.get_mut(&id)
                {
                    pending.delivered_ms = now_ms;
                    pending.deliveries = pending.deliveries.wrapping_add(1);
                }
                (id, entry)
            })
            .collect()
    }

    /// Hands a delivery to the consumer `name`: the entry where it did, `None` where it is not for it; and whether
    /// anything changed. What is pending but deleted from the stream is pending no more. O(log pending).
    pub fn claim<'l>(
        &mut self,
        log: &'l Log,
        id: Id,
        name: &[u8],
        now_ms: i64,
        claim: Claim,
    ) -> (Option<Entry<'l>>, bool) {
        let Some(entry) = log.get(id) else { return (None, self.acknowledge(id)) };
        let before = self.pending.get(&id).copied();
        match before {
            None if !claim.force => return (None, false),
            Some(before) if is_recent(before, now_ms, claim.min_idle_ms) => return (None, false),
            _ => {}
        }
        let Some(&number) = self.numbers.get(name) else { return (None, false) };
        // A delivery that is made by force has one delivery to begin with.
        let so_far = before.map_or(1, |before| before.deliveries);
        let deliveries = match claim.deliveries {
            Some(deliveries) => deliveries,
            None if claim.just_id => so_far,
            None => so_far.wrapping_add(1),
        };
        self.hand_over(id, Pending { delivered_ms: claim.delivered_ms, deliveries, consumer: number });
        if let Some(consumer) = self.numbered(number) {
            consumer.active_ms = now_ms;
        }
        (Some(entry), true)
    }

    /// Hands what is pending from `start` on and was delivered at least `min_idle_ms` ago to the consumer `name`, up
    /// to `count` of it, looking at ten times as much at most. O(10 count log pending).
    pub fn autoclaim(
        &mut self,
        log: &Log,
        (name, start): (&[u8], Id),
        (min_idle_ms, now_ms): (i64, i64),
        (count, just_id): (u64, bool),
    ) -> Autoclaimed {
        const LOOKS_PER_CLAIM: u64 = 10;
        let mut done = Autoclaimed::default();
        let (mut left, mut looks) = (count, count.saturating_mul(LOOKS_PER_CLAIM));
        let claim = Claim { min_idle_ms, delivered_ms: now_ms, deliveries: None, force: false, just_id };
        let mut next = self.pending.range(start..).next().map(|(&id, _)| id);
        while let Some(id) = next
            && left > 0
            && looks > 0
        {
            looks -= 1;
            match self.claim(log, id, name, now_ms, claim) {
                (Some(entry), _) => {
                    left -= 1;
                    done.claimed.push(entry.id);
                }
                (None, true) => {
                    left -= 1;
                    done.deleted.push(id);
                }
                (None, false) => {}
            }
            next = id.next().and_then(|id| self.pending.range(id..).next()).map(|(&id, _)| id);
        }
        done.next = next.unwrap_or(Id::MIN);
        done
    }

    /// Panics where the two sides of what is pending do not agree.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let ids: usize = self.consumers().map(|consumer| consumer.pending.len()).sum();
        assert_eq!(ids, self.pending.len());
        for (&number, consumer) in self.numbers.values().zip(self.consumers()) {
            assert!(consumer.pending.iter().all(|id| self.pending[id].consumer == number));
        }
        assert_eq!(self.names_bytes, 2 * self.numbers.keys().map(|name| name.len()).sum::<usize>());
        assert_eq!(self.consumers.len(), self.numbers.len() + self.vacant.len());
    }
}

/// Whether a delivery was made less than so long ago.
fn is_recent(pending: Pending, now_ms: i64, min_idle_ms: i64) -> bool {
    min_idle_ms > 0 && now_ms.wrapping_sub(pending.delivered_ms) < min_idle_ms
}

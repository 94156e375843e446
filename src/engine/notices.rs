//! What a command has to tell clients, from inside its shards to the moment when it has left them.
//!
//! What it tells are messages that it published, what it did to keys (`notify-keyspace-events`), and that keys have
//! changed which clients may have in a cache (`CLIENT TRACKING`).
//!
//! 1. Inside, a notice is noted ([`Entered`](super::Entered)); handing it to anybody would keep others out of the shard.
//! 2. Before the shards are left, the notices are laid down in the [`Outbox`]: so they lie there in the order in which
//!    their shards were entered, which is the order in which things happened to a key.
//! 3. Outside, whoever laid something down posts what lies there, others' notices included, one thread at a time. When
//!    it returns its own were posted, by itself or by somebody else.
//!
//! **Invariant:** nobody who posts enters a shard; the lock on posting is taken inside shards only by a transaction or
//! a script that changes what its client subscribes to.

use super::Engine;
use super::door::Guard;
use super::pubsub::World;
use super::push::Wakes;
use super::tracking::Broadcast;
use crate::config::{Settings, events};
use crate::shard::{Changed, Event, Shard};
use parking_lot::Mutex;
use std::collections::VecDeque;

/// Something to be told.
#[derive(Debug)]
pub(super) enum Notice {
    /// A message that a transaction or a script has published.
    Message { world: World, channel: Box<[u8]>, payload: Box<[u8]> },
    /// Something happened to a key.
    Event(Event),
    /// A key has changed that clients may have in a cache.
    Changed(Changed),
    /// All keys may have changed.
    Flushed,
}

/// Notices on their way.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    notices: Mutex<VecDeque<Notice>>,
    posting: Mutex<()>,
}

impl Engine {
    /// Whether anybody wants to know what happens to keys.
    #[inline]
    pub(super) fn notifies(&self) -> bool {
        self.trackers_len() > 0 || self.settings().notify_keyspace_events() != 0
    }

    /// Takes the changes of a shard's keys that clients may have in a cache.
    pub(super) fn take_changed(&self, shard: &mut Shard, notices: &mut Vec<Notice>) {
        if shard.tracked.has_changed() {
            let changed = shard.tracked.take_changed();
            self.forgot_keys(changed.iter().filter(|changed| !changed.readers.is_empty()).count());
            notices.extend(changed.into_iter().map(Notice::Changed));
        }
    }

    /// Takes what a shard has to tell at the end of a command.
    pub(super) fn take_notices(&self, shard: &mut Shard, notices: &mut Vec<Notice>) {
        self.take_changed(shard, notices);
        if !shard.events.is_empty() {
            let mask = shard.settings.events;
            shard.events.settle(mask);
            notices.extend(shard.events.take().into_iter().map(Notice::Event));
        }
    }

    /// Leaves a shard whose keys changed otherwise than by a command, and tells what there is to tell of it.
    pub(super) fn leave_and_tell(&self, mut shard: Guard<'_>) {
        if !shard.has_notices() {
            return;
        }
        let mut notices = Vec::new();
        self.take_notices(&mut shard, &mut notices);
        self.lay_down(&mut notices);
        drop(shard);
        let mut wakes = Wakes::default();
        self.post_notices(&mut wakes);
        wakes.ring();
    }

    /// Lays notices down to be posted, in their order.
    pub(super) fn lay_down(&self, notices: &mut Vec<Notice>) {
        self.outbox().notices.lock().extend(notices.drain(..));
    }

    /// Posts what was laid down; waking those who got something is left to the caller.
    pub(super) fn post_notices(&self, wakes: &mut Wakes) {
        let _posting = self.outbox().posting.lock();
        loop {
            let notices = std::mem::take(&mut *self.outbox().notices.lock());
            if notices.is_empty() {
                return;
            }
            let mut broadcast = Broadcast::default();
            for notice in notices {
                match notice {
                    Notice::Message { world, channel, payload } => {
                        self.post(world, &channel, &payload, wakes);
                    }
                    Notice::Event(event) => self.post_event(&event, wakes),
                    Notice::Changed(changed) => self.post_changed(changed, &mut broadcast, wakes),
                    Notice::Flushed => self.post_flushed(wakes),
                }
            }
            self.post_broadcast(broadcast, wakes);
        }
    }

    /// Publishes what happened to a key, under the key's name and under the event's.
    fn post_event(&self, event: &Event, wakes: &mut Wakes) {
        if self.channels_len(World::Channels) == 0 && self.patterns_len() == 0 {
            return;
        }
        let wanted = self.settings().notify_keyspace_events();
        let Event { db, name, key } = event;
        for (bit, space, last, payload) in [
            (events::KEYSPACE, "keyspace", &**key, name.as_bytes()),
            (events::KEYEVENT, "keyevent", name.as_bytes(), &**key),
        ] {
            if wanted & bit != 0 {
                let mut channel = format!("__{space}@{db}__:").into_bytes();
                channel.extend_from_slice(last);
                self.post(World::Channels, &channel, payload, wakes);
            }
        }
    }
}

/// The classes of events that shards are to note: none where they would be published under no name.
pub(super) fn events_of(settings: &Settings) -> u32 {
    let wanted = settings.notify_keyspace_events();
    if wanted & (events::KEYSPACE | events::KEYEVENT) == 0 { 0 } else { wanted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::Class;

    #[test]
    fn shards_number_the_classes_as_the_setting_does() {
        for (class, bit) in [
            (Class::Generic, events::GENERIC),
            (Class::String, events::STRING),
            (Class::List, events::LIST),
            (Class::Set, events::SET),
            (Class::Hash, events::HASH),
            (Class::ZSet, events::ZSET),
            (Class::Expired, events::EXPIRED),
            (Class::Evicted, events::EVICTED),
            (Class::Stream, events::STREAM),
            (Class::Miss, events::MISS),
            (Class::New, events::NEW),
        ] {
            assert_eq!(class as u32, bit, "{class:?}");
        }
    }
}

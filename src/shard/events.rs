//! What happened to keys, for those who listen (`notify-keyspace-events`).
//!
//! Whatever changes a key says so by [`Keyspace::notify`], behind the change and in Redis' words and order. Where nobody
//! asked for the class that is one branch; otherwise the event is noted here, and the engine takes it before it leaves
//! the shard. The names are those of the Redis documentation, `del` for a value that a command has emptied among them:
//! that one is noted by the keyspace itself, behind the event that the command then names for the key.

use super::Shard;
use super::keyspace::{Key, Keyspace};

/// Classes of events, with the bits that the setting gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Class {
    /// `g`: commands of no type, such as DEL and EXPIRE.
    Generic = 1 << 2,
    /// `$`: strings.
    String = 1 << 3,
    /// `l`: lists.
    List = 1 << 4,
    /// `s`: sets.
    Set = 1 << 5,
    /// `h`: hashes.
    Hash = 1 << 6,
    /// `z`: sorted sets.
    ZSet = 1 << 7,
    /// `x`: a key expired.
    Expired = 1 << 8,
    /// `e`: a key was evicted.
    Evicted = 1 << 9,
    /// `t`: streams.
    Stream = 1 << 10,
    /// `m`: a key that was looked for was not there.
    Miss = 1 << 11,
    /// `n`: a key is new.
    New = 1 << 14,
}

/// Something that happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The key's database.
    pub db: usize,
    /// What happened, in Redis' word for it.
    pub name: &'static str,
    /// The key.
    pub key: Box<[u8]>,
}

/// Events that the engine has not taken yet.
#[derive(Debug, Default)]
pub struct Events {
    list: Vec<Event>,
    /// Keys whose values were emptied by a command that has not said yet what it did to them.
    emptied: Vec<(usize, Box<[u8]>)>,
}

impl Events {
    /// Whether there is none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.emptied.is_empty()
    }

    /// Takes the events so far, in their order.
    pub fn take(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.list)
    }

    /// Notes that the command is done: an emptied key that it had nothing to say of is gone all the same.
    pub fn settle(&mut self, mask: u32) {
        for (db, key) in std::mem::take(&mut self.emptied) {
            if mask & Class::Generic as u32 != 0 {
                self.list.push(Event { db, name: "del", key });
            }
        }
    }
}

impl Shard {
    #[cold]
    fn note_event(&mut self, db: usize, class: Class, name: &'static str, key: &[u8]) {
        if self.settings.events & class as u32 != 0 {
            self.events.list.push(Event { db, name, key: key.into() });
        }
    }

    /// Notes that a key is gone which a command has emptied, now that it has said what it did to it.
    #[cold]
    fn note_deletion(&mut self, db: usize, key: &[u8]) {
        let emptied = &mut self.events.emptied;
        if let Some(at) = emptied.iter().position(|(other, gone)| *other == db && **gone == *key) {
            emptied.remove(at);
            self.note_event(db, Class::Generic, "del", key);
        }
    }

    /// Notes what happened to a key by itself, which is not what the running command did to it.
    #[inline]
    pub(super) fn notify(&mut self, db: usize, class: Class, name: &'static str, key: &[u8]) {
        if self.settings.events != 0 {
            self.note_event(db, class, name, key);
        }
    }
}

impl Keyspace<'_> {
    /// Notes what a command did to a key, for `notify-keyspace-events`: one branch where that is empty.
    ///
    /// Asked behind the change, once for each event that Redis has for it and in Redis' order. A collection that the
    /// change emptied is reported as deleted behind it.
    #[inline]
    pub fn notify(&mut self, class: Class, name: &'static str, key: Key<'_>) {
        self.shard.notify(self.db, class, name, key.bytes);
        if !self.shard.events.emptied.is_empty() {
            self.shard.note_deletion(self.db, key.bytes);
        }
    }

    /// Notes what happened to a key beside what the running command does to it: it came into being, it was missed, some
    /// of it has expired.
    #[inline]
    pub fn notify_aside(&mut self, class: Class, name: &'static str, key: Key<'_>) {
        self.shard.notify(self.db, class, name, key.bytes);
    }

    /// Notes that a change left a collection empty; the event for the change itself is still to come.
    #[inline]
    pub(super) fn note_emptied(&mut self, key: Key<'_>) {
        if self.shard.settings.events != 0 {
            self.shard.events.emptied.push((self.db, key.bytes.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::{Now, ShardSettings};

    #[test]
    fn a_deletion_stands_behind_the_event_of_the_change_that_emptied_the_value() {
        let mask = Class::List as u32 | Class::Generic as u32 | Class::New as u32;
        let mut shard = Shard::new(2, 1, ShardSettings { events: mask, ..ShardSettings::default() });
        let key = |bytes| Key { bytes, hash: 1 };
        let mut keys = shard.keyspace(0, Now::At(0));
        keys.note_emptied(key(b"from"));
        keys.notify_aside(Class::New, "new", key(b"to"));
        keys.notify(Class::List, "lpush", key(b"to"));
        keys.notify(Class::List, "rpop", key(b"from"));
        keys.note_emptied(key(b"untold"));
        keys.notify(Class::Set, "sadd", key(b"unasked"));
        shard.keyspace(1, Now::At(0)).notify(Class::List, "rpop", key(b"untold"));
        shard.events.settle(mask);
        let names: Vec<_> = shard.events.take().iter().map(|event| (event.db, event.name)).collect();
        assert_eq!(names, [(0, "new"), (0, "lpush"), (0, "rpop"), (0, "del"), (1, "rpop"), (0, "del")]);
        assert!(shard.events.is_empty());
    }
}

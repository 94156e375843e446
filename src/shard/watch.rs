//! Who wants to know that a key changed: transactions that depend on it (`WATCH`).
//!
//! A watch is a flag that whoever changes the key raises, from inside the shard. It is never lowered: a transaction
//! looks at it once, from inside the shards of all its watched keys, and is over either way.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Raised when a watched key has changed.
pub type Alarm = Arc<AtomicBool>;

/// The watched keys of one shard.
#[derive(Debug, Default)]
pub struct Watches {
    /// By database; keys that nobody watches any more are not there.
    dbs: Vec<HashMap<Box<[u8]>, Watched>>,
    keys: usize,
}

/// Who watches one key.
#[derive(Debug)]
struct Watched {
    /// Of the key in the shard's table.
    hash: u32,
    alarms: Vec<Alarm>,
}

impl Watches {
    /// Whether nobody watches anything, which is the usual case.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys == 0
    }

    /// Keys that are watched.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys
    }

    /// Watches a key of a database. Expected O(1).
    pub fn add(&mut self, db: usize, key: super::Key<'_>, alarm: &Alarm) {
        if self.dbs.len() <= db {
            self.dbs.resize_with(db + 1, HashMap::new);
        }
        let watched = self.dbs[db].entry(key.bytes.into()).or_insert_with(|| {
            self.keys += 1;
            Watched { hash: key.hash, alarms: Vec::new() }
        });
        watched.alarms.push(Arc::clone(alarm));
    }

    /// Takes a watch back. O(those who watch the key).
    pub fn remove(&mut self, db: usize, key: &[u8], alarm: &Alarm) {
        let Some(keys) = self.dbs.get_mut(db) else { return };
        let Some(watched) = keys.get_mut(key) else { return };
        watched.alarms.retain(|other| !Arc::ptr_eq(other, alarm));
        if watched.alarms.is_empty() {
            keys.remove(key);
            self.keys -= 1;
        }
    }

    /// Tells those who watch a key that it has changed. Expected O(those who watch it).
    pub fn touch(&self, db: usize, key: &[u8]) {
        if let Some(watched) = self.dbs.get(db).and_then(|keys| keys.get(key)) {
            watched.raise();
        }
    }

    /// Tells those who watch keys of a database for which `changed` says so. O(watched keys).
    pub fn touch_where(&self, db: usize, mut changed: impl FnMut(super::Key<'_>) -> bool) {
        for (key, watched) in self.dbs.get(db).into_iter().flatten() {
            if changed(super::Key { bytes: key, hash: watched.hash }) {
                watched.raise();
            }
        }
    }
}

impl Watched {
    fn raise(&self) {
        self.alarms.iter().for_each(|alarm| alarm.store(true, Ordering::Relaxed));
    }
}

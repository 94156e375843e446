//! `ACL LOG`: what was refused of late, the newest first.

use super::check::{Context, Reason};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;

/// Entries of one kind that are no further apart than this are one.
const GROUP_MS: u64 = 60_000;
/// How many entries are looked at for one of the same kind.
const GROUP_SCAN: usize = 10;

/// One thing that was refused, once or several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// How often.
    pub count: u64,
    /// Why.
    pub reason: Reason,
    /// Where.
    pub context: Context,
    /// The command, the key, the channel, or the command by which somebody wanted to authenticate.
    pub object: Box<[u8]>,
    /// The user, or the one that somebody wanted to be.
    pub user: Box<[u8]>,
    /// The client's line in `CLIENT LIST`, the last one's if there were several.
    pub client: Vec<u8>,
    /// Its number, from 0.
    pub id: u64,
    /// When it was first refused, Unix ms.
    pub created_ms: u64,
    /// When it was last refused, Unix ms.
    pub updated_ms: u64,
}

/// The log, and how often what was refused since the start.
#[derive(Debug, Default)]
pub struct Log {
    entries: Mutex<Entries>,
    denied: [AtomicU64; 4],
}

#[derive(Debug, Default)]
struct Entries {
    newest_first: VecDeque<LogEntry>,
    next_id: u64,
}

impl Log {
    /// How often this was refused since the start or the last `CONFIG RESETSTAT`.
    #[must_use]
    pub fn denied(&self, reason: Reason) -> &AtomicU64 {
        let [command, key, channel, auth] = &self.denied;
        match reason {
            Reason::Command => command,
            Reason::Key => key,
            Reason::Channel => channel,
            Reason::Auth => auth,
        }
    }

    /// Adds an entry, or counts it where one of its kind is there. The oldest go while there are more than `max`.
    pub(super) fn add(&self, mut entry: LogEntry, max: usize) {
        let mut entries = self.entries.lock();
        let Entries { newest_first, next_id } = &mut *entries;
        if max > 0 {
            let alike = |known: &LogEntry| {
                known.reason == entry.reason
                    && known.context == entry.context
                    && known.updated_ms.abs_diff(entry.updated_ms) <= GROUP_MS
                    && known.object == entry.object
                    && known.user == entry.user
            };
            let at = newest_first.iter().take(GROUP_SCAN).position(alike);
            match at.and_then(|at| newest_first.remove(at)) {
                Some(known) => {
                    entry = LogEntry {
                        count: known.count + 1,
                        id: known.id,
                        created_ms: known.created_ms,
                        ..entry
                    };
                }
                None => {
                    entry.id = *next_id;
                    *next_id += 1;
                }
            }
            newest_first.push_front(entry);
        }
        newest_first.truncate(max);
    }

    /// The newest entries, `max` at most.
    #[must_use]
    pub fn newest(&self, max: usize) -> Vec<LogEntry> {
        self.entries.lock().newest_first.iter().take(max).cloned().collect()
    }

    /// Forgets all entries.
    pub fn clear(&self) {
        self.entries.lock().newest_first.clear();
    }
}

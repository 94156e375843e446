//! The slow log, and which commands are timed at all.
//!
//! Reading the clock twice costs as much as a third of a GET, so not every command is timed:
//!
//! - Commands that take long by their nature (their rows do not say *fast*), and those with more than [`ARGS_MANY`]
//!   arguments, are timed one by one, as are all in between in `INFO commandstats`' sample.
//! - The others take constant or logarithmic time. None of them takes a millisecond but by waiting for the processor
//!   or for a shard that a slow command holds, and that one is in the log. They are timed one by one only where
//!   somebody asks for less than a millisecond (`slowlog-log-slower-than` below 1000) or for all (`latency-tracking`).
//!
//! Commands that a program runs in process are not timed.

use super::{Engine, Session};
use crate::command::redact::redacted;
use crate::command::table::{Entry, Flag};
use crate::config::Settings;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// Arguments from which on any command may take long.
const ARGS_MANY: usize = 32;
/// From here on the quick commands need not be timed, in microseconds.
const SHORT_US: i64 = 1000;
/// Arguments that an entry keeps.
const ENTRY_ARGS_MAX: usize = 32;
/// Bytes of an argument that an entry keeps.
const ENTRY_ARG_BYTES_MAX: usize = 128;

/// Which commands are timed.
#[derive(Debug, Default)]
pub(super) struct Timing(AtomicU8);

const NONE: u8 = 0;
const SLOW: u8 = 1;
const ALL: u8 = 2;

impl Timing {
    pub(super) fn of(settings: &Settings) -> Self {
        let timing = Self::default();
        timing.follow(settings);
        timing
    }

    /// Takes over what the settings ask for.
    pub(super) fn follow(&self, settings: &Settings) {
        let threshold_us = settings.slowlog_log_slower_than();
        let asked = if settings.latency_tracking() || (0..SHORT_US).contains(&threshold_us) {
            ALL
        } else if threshold_us >= 0 || settings.latency_monitor_threshold() > 0 {
            SLOW
        } else {
            NONE
        };
        self.0.store(asked, Ordering::Relaxed);
    }

    /// Whether a command is to be timed. One load.
    #[inline]
    pub(super) fn takes(&self, entry: &Entry, argc: usize) -> bool {
        match self.0.load(Ordering::Relaxed) {
            NONE => false,
            SLOW => entry.may_be_slow || argc > ARGS_MANY,
            _ => true,
        }
    }
}

/// A command that took long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowEntry {
    /// Its number, from 0.
    pub id: u64,
    /// When it ran, Unix seconds.
    pub at_s: u64,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// Its arguments, shortened, without secrets.
    pub args: Vec<Vec<u8>>,
    /// The address of the client.
    pub addr: String,
    /// The name of the client.
    pub name: Vec<u8>,
}

/// Commands that took long, the newest first.
#[derive(Debug, Default)]
pub struct SlowLog(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    newest_first: VecDeque<SlowEntry>,
    next_id: u64,
}

impl SlowLog {
    /// The newest entries, `max` at most.
    #[must_use]
    pub fn newest(&self, max: usize) -> Vec<SlowEntry> {
        self.0.lock().newest_first.iter().take(max).cloned().collect()
    }

    /// How many entries there are. O(1).
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().newest_first.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all entries.
    pub fn clear(&self) {
        self.0.lock().newest_first.clear();
    }

    /// Adds an entry and numbers it. The oldest go while there are more than `max`.
    fn add(&self, entry: SlowEntry, max: usize) {
        let mut entries = self.0.lock();
        let id = entries.next_id;
        entries.next_id += 1;
        entries.newest_first.push_front(SlowEntry { id, ..entry });
        entries.newest_first.truncate(max);
    }
}

impl Engine {
    /// Notes how long a command took that was timed.
    #[inline]
    pub(super) fn note_duration(&self, session: &Session, entry: &Entry, argv: &[&[u8]], took: Duration) {
        let settings = self.settings();
        if settings.latency_tracking() {
            self.latency().record(entry.id, took);
        }
        let took_us = i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
        let threshold_ms = settings.latency_monitor_threshold();
        let threshold_us = settings.slowlog_log_slower_than();
        if threshold_us >= 0 && took_us >= threshold_us && !entry.command.flags.has(Flag::SkipSlowlog) {
            self.note_slow(session, entry, argv, took_us.unsigned_abs());
        }
        if threshold_ms > 0 && took.as_millis() >= u128::from(threshold_ms) {
            let event = if entry.command.flags.has(Flag::Fast) { "fast-command" } else { "command" };
            self.latency().add(event, self.clock().now_ms() / 1000, took);
        }
    }

    #[cold]
    fn note_slow(&self, session: &Session, entry: &Entry, argv: &[&[u8]], duration_us: u64) {
        let max = self.settings().slowlog_max_len();
        if max == 0 {
            return;
        }
        let entry = SlowEntry {
            id: 0,
            at_s: self.clock().now_ms() / 1000,
            duration_us,
            args: shortened(&redacted(entry, argv)),
            addr: session.client.peer.addr.clone(),
            name: session.client.labels.lock().name.clone(),
        };
        self.slowlog().add(entry, max);
    }
}

/// What an entry keeps of arguments, and says of the rest.
fn shortened(argv: &[&[u8]]) -> Vec<Vec<u8>> {
    let kept = if argv.len() > ENTRY_ARGS_MAX { ENTRY_ARGS_MAX - 1 } else { argv.len() };
    let short = |arg: &&[u8]| match arg.get(..ENTRY_ARG_BYTES_MAX) {
        Some(head) if arg.len() > ENTRY_ARG_BYTES_MAX => {
            let more = arg.len() - ENTRY_ARG_BYTES_MAX;
            [head, format!("... ({more} more bytes)").as_bytes()].concat()
        }
        _ => arg.to_vec(),
    };
    let mut args: Vec<Vec<u8>> = argv.iter().take(kept).map(short).collect();
    if kept < argv.len() {
        args.push(format!("... ({} more arguments)", argv.len() - kept).into_bytes());
    }
    args
}

//! Faults that a test asks for: commands that fail, replies that are late. Only with the feature `testkit`.
//!
//! Only what comes through a socket meets them: a program that uses the engine in process finds its data as it is.
//! While there is no fault, a command costs one load more.

use super::Session;
use crate::command::error::CommandError;
use crate::command::table::Entry;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The faults that are still to happen.
#[derive(Debug, Default)]
pub struct Faults {
    /// Whether any command is to fail. The hot path reads this.
    any: AtomicBool,
    planned: Mutex<Vec<Planned>>,
    /// How late replies are, in microseconds.
    delay_us: AtomicU64,
}

#[derive(Debug)]
struct Planned {
    /// The command, in lower case: `get`, or `client|id` for that subcommand alone.
    command: String,
    times: u64,
    error: String,
}

impl Faults {
    /// Has the next calls of a command fail with this text, code first.
    pub fn fail(&self, command: &str, times: u64, error: &str) {
        let command = command.trim().to_ascii_lowercase().replace(' ', "|");
        let mut planned = self.planned.lock();
        planned.push(Planned { command, times, error: error.to_owned() });
        planned.retain(|one| one.times > 0);
        self.any.store(!planned.is_empty(), Ordering::Release);
    }

    /// Has every reply be late by so much from now on.
    pub fn delay(&self, by: Duration) {
        self.delay_us.store(u64::try_from(by.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// How late replies are.
    #[must_use]
    pub fn delayed_by(&self) -> Duration {
        Duration::from_micros(self.delay_us.load(Ordering::Relaxed))
    }

    /// Forgets all of them.
    pub fn clear(&self) {
        self.planned.lock().clear();
        self.any.store(false, Ordering::Release);
        self.delay(Duration::ZERO);
    }

    /// The error that a command is to fail with.
    #[inline]
    pub(super) fn take(&self, entry: &Entry, session: &Session) -> Option<CommandError> {
        if !self.any.load(Ordering::Acquire) || session.client.peer.fd < 0 {
            return None;
        }
        self.take_planned(entry)
    }

    #[cold]
    fn take_planned(&self, entry: &Entry) -> Option<CommandError> {
        let mut planned = self.planned.lock();
        let parent = entry.full_name.split('|').next().unwrap_or_default();
        let one = planned.iter_mut().find(|one| one.command == entry.full_name || one.command == parent)?;
        one.times -= 1;
        let error = one.error.clone();
        planned.retain(|one| one.times > 0);
        self.any.store(!planned.is_empty(), Ordering::Release);
        Some(error.into())
    }
}

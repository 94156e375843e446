//! `CLIENT PAUSE`: commands held back for a time.

use super::{Ended, Engine, Session, Waiter};
use crate::command::table::{Flag, Flags};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PauseKind {
    /// Commands that may write.
    Write,
    /// All commands.
    All,
}

/// The pause that is on, if any.
#[derive(Debug, Default)]
pub struct Pause {
    /// End of the pause of each kind in Unix ms; 0 when there is none. The hot path reads these.
    write_until_ms: AtomicU64,
    all_until_ms: AtomicU64,
    waiters: Mutex<Vec<Arc<Waiter>>>,
}

impl Pause {
    /// Whether a command is to wait now.
    #[inline]
    #[must_use]
    pub fn holds_back(&self, now_ms: u64, flags: Flags) -> bool {
        let all = self.all_until_ms.load(Ordering::Relaxed);
        let write = self.write_until_ms.load(Ordering::Relaxed);
        if all == 0 && write == 0 {
            return false;
        }
        // CLIENT itself is never held back, or nobody could end the pause.
        if flags.has(Flag::AllowBusy) || flags.has(Flag::Admin) && flags.has(Flag::NoScript) {
            return false;
        }
        now_ms < all || now_ms < write && (flags.has(Flag::Write) || flags.has(Flag::MayReplicate))
    }

    /// Whether any pause is on.
    #[must_use]
    pub fn is_on(&self, now_ms: u64) -> bool {
        now_ms < self.until_ms()
    }

    fn until_ms(&self) -> u64 {
        self.all_until_ms.load(Ordering::Relaxed).max(self.write_until_ms.load(Ordering::Relaxed))
    }
}

impl Engine {
    /// Holds commands back until `until_ms`. A pause of the same kind is replaced by the later end.
    pub fn pause_clients(&self, kind: PauseKind, until_ms: u64) {
        match kind {
            PauseKind::All => &self.pause.all_until_ms,
            PauseKind::Write => &self.pause.write_until_ms,
        }
        .fetch_max(until_ms, Ordering::Relaxed);
    }

    /// Ends any pause.
    pub fn unpause_clients(&self) {
        self.pause.all_until_ms.store(0, Ordering::Relaxed);
        self.pause.write_until_ms.store(0, Ordering::Relaxed);
        let waiters = std::mem::take(&mut *self.pause.waiters.lock());
        for waiter in waiters {
            waiter.end(Ended::TimedOut);
        }
    }

    /// Has a client wait for the end of the pause.
    pub(super) fn pause_client(&self, session: &Session) -> Arc<Waiter> {
        let waiter = self.wait_until(self.pause.until_ms(), session.client.owner());
        session.client.set_waiter(Some(Arc::clone(&waiter)));
        let mut waiters = self.pause.waiters.lock();
        waiters.retain(|waiter| !waiter.has_ended());
        waiters.push(Arc::clone(&waiter));
        waiter
    }
}

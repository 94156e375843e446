//! `CLIENT PAUSE`: commands held back for a time.
//!
//! There is one pause at most. A second `CLIENT PAUSE` while one is on can only make it longer and stricter, as in
//! Redis. A pause of everything holds `CLIENT UNPAUSE` back as well: only its end ends it. What is never held back is
//! what is refused before it would run (an unknown name, a wrong number of arguments, a client that must
//! authenticate), and a client that waited for a key already.
//!
//! A client that is held back waits as a blocked one does, behind a [`Waiter`] that nothing but time or an unpause
//! ends, and then runs the same command again: so a connection's commands keep their order. If the pause was made
//! longer meanwhile, it waits once more.

use super::{Ended, Engine, Session, Waiter};
use crate::command::table::{Flag, Flags};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
    /// When it ends, Unix ms; 0 when there was none. The hot path reads this.
    until_ms: AtomicU64,
    /// Whether it holds everything back.
    all: AtomicBool,
    /// Those who wait for its end, in the order in which they came. Changes of the pause happen under this lock.
    waiters: Mutex<Vec<Arc<Waiter>>>,
}

impl Pause {
    /// Whether a command of these flags is to wait now. One load where there is no pause.
    #[inline]
    #[must_use]
    pub fn holds_back(&self, now_ms: u64, flags: Flags) -> bool {
        if !self.is_on(now_ms) {
            return false;
        }
        flags.has(Flag::Write) || flags.has(Flag::MayReplicate) || self.all.load(Ordering::Acquire)
    }

    /// Whether any pause is on.
    #[inline]
    #[must_use]
    pub fn is_on(&self, now_ms: u64) -> bool {
        now_ms < self.until_ms.load(Ordering::Acquire)
    }
}

impl Engine {
    /// Holds commands back until `until_ms`; a pause that is on already keeps the later end and the stricter kind.
    pub fn pause_clients(&self, kind: PauseKind, until_ms: u64) {
        let pause = &self.pause;
        let _change = pause.waiters.lock();
        let stricter = pause.is_on(self.clock().now_ms()) && pause.all.load(Ordering::Acquire);
        pause.all.store(stricter || kind == PauseKind::All, Ordering::Release);
        pause.until_ms.fetch_max(until_ms, Ordering::AcqRel);
    }

    /// Ends any pause; those who were held back go on in the order in which they came.
    pub fn unpause_clients(&self) {
        let mut waiters = self.pause.waiters.lock();
        self.pause.until_ms.store(0, Ordering::Release);
        let waiters = std::mem::take(&mut *waiters);
        for waiter in waiters {
            waiter.end(Ended::TimedOut);
        }
    }

    /// Has a client wait for the end of the pause.
    pub(super) fn pause_client(&self, session: &Session) -> Arc<Waiter> {
        let until_ms = self.pause.until_ms.load(Ordering::Acquire);
        let waiter = self.wait_until(until_ms, Arc::clone(session.client.owner()));
        session.client.set_waiter(Some(Arc::clone(&waiter)));
        let mut waiters = self.pause.waiters.lock();
        if self.pause.until_ms.load(Ordering::Acquire) == 0 {
            // The pause was ended in between, by somebody who could not know of this waiter.
            drop(waiters);
            waiter.end(Ended::TimedOut);
            return waiter;
        }
        if waiters.len() == waiters.capacity() {
            // Whoever has left is swept out before the list grows, so that its length stays within twice the need.
            waiters.retain(|waiter| !waiter.has_ended());
        }
        waiters.push(Arc::clone(&waiter));
        waiter
    }
}

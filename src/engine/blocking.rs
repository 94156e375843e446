//! Blocking: commands that wait for a key to be filled.
//!
//! 1. A command that finds nothing returns a [`Wait`]. The engine, still inside the shards of all its keys, draws a
//!    ticket and queues it on each of them; so nothing can be pushed between the look and the queueing.
//! 2. Whoever fills a key that is wanted finds it on its shard's `ready` list and serves the queue in the order of
//!    the tickets before it leaves the shard ([`Engine::serve`]). What a waiter does with the key is its own
//!    [`Waiting::serve`]; the result is laid down in the [`Waiter`], and its owner is told once the shard is left.
//! 3. The owner (a connection's event loop, a future, a thread) takes the result with [`Engine::finish`], which also
//!    takes the ticket off the other keys. An owner that is gone calls [`Engine::abandon`] instead: a result that
//!    nobody took is put back where it came from.
//!
//! A waiter's state changes under its own lock, and only from `Waiting`: so there is one taker of one item, and
//! a timeout, a kill and a push that come together end in exactly one of the three. The lock's place in the order
//! is behind the doors: nobody who holds it enters a shard.
//!
//! A waiter that needs a second shard (a move between lists) is marked so; a write that finds such a mark on its
//! shard enters all shards before it runs. The next author of a blocking command owes: `serve` that takes nothing
//! unless it can deliver, and an `undo` for what it took.

use super::Engine;
use super::door::{Entered, View};
use crate::command::error::CommandError;
use crate::reply::{Reply, Sink};
use crate::shard::waiters::{Reach, Ticket};
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a blocking command asks for when there is nothing yet.
#[derive(Debug)]
pub struct Wait {
    /// The keys it waits for, in the order in which it prefers them.
    pub keys: Vec<Box<[u8]>>,
    /// What it does with one of them.
    pub op: Box<dyn Waiting>,
    /// How long, in ms; `None` for ever.
    pub timeout_ms: Option<u64>,
}

/// What a waiter does once its key is filled.
pub trait Waiting: fmt::Debug + Send + Sync {
    /// Takes from `key` and says what to deliver; `None`, with nothing changed, where the key does not have it.
    fn serve(
        &self,
        entered: &mut Entered<'_>,
        db: usize,
        key: &[u8],
    ) -> Option<Result<Delivery, CommandError>>;

    /// Keys besides the one waited for that `serve` touches.
    fn other_keys(&self) -> &[Box<[u8]>] {
        &[]
    }

    /// Writes the reply of a wait that ended without anything.
    fn write_timeout(&self, out: &mut dyn Sink) {
        out.null_array();
    }
}

/// What a waiter gets.
pub struct Delivery {
    /// The command's reply.
    pub reply: Reply,
    /// How to give back what was taken when nobody takes delivery.
    pub undo: Option<Undo>,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("reply", &self.reply).finish_non_exhaustive()
    }
}

/// How to give something back: the shards of `keys` are entered, then `run` is called.
pub struct Undo {
    /// The database.
    pub db: usize,
    /// The keys it touches.
    pub keys: Vec<Box<[u8]>>,
    /// What it does.
    pub run: Box<dyn FnOnce(&mut Entered<'_>) + Send>,
}

/// How a wait ended.
#[derive(Debug)]
pub enum Ended {
    /// Something was taken.
    Served(Result<Delivery, CommandError>),
    /// The time was up, or `CLIENT UNBLOCK` said so.
    TimedOut,
    /// `CLIENT UNBLOCK … ERROR`.
    Unblocked,
}

#[derive(Debug)]
enum State {
    Waiting,
    Ended(Ended),
    /// The owner has the result, or is gone.
    Closed,
}

/// Told that its waiter has ended; called outside all doors.
pub trait Notify: Send + Sync {
    /// Wakes the owner.
    fn notify(&self);
}

/// One blocked command.
pub struct Waiter {
    ticket: Ticket,
    db: usize,
    keys: Vec<Box<[u8]>>,
    op: Box<dyn Waiting>,
    state: Mutex<State>,
    deadline_ms: Option<u64>,
    owner: Arc<dyn Notify>,
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("ticket", &self.ticket).field("op", &self.op).finish_non_exhaustive()
    }
}

impl Waiter {
    /// Tells the owner.
    pub(super) fn notify(&self) {
        self.owner.notify();
    }

    /// When it gives up, in Unix ms.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<u64> {
        self.deadline_ms
    }

    /// Whether it has ended, so that [`Engine::finish`] has a result.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        !matches!(*self.state.lock(), State::Waiting)
    }

    /// Whether it waits for a key, and not for the end of `CLIENT PAUSE`.
    #[must_use]
    pub fn waits_for_key(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Ends the wait where it is still on; whether it was. The owner is told.
    pub fn end(&self, how: Ended) -> bool {
        let mut state = self.state.lock();
        let waiting = matches!(*state, State::Waiting);
        if waiting {
            *state = State::Ended(how);
            drop(state);
            self.notify();
        }
        waiting
    }

    /// Writes the reply that the end of a wait amounts to.
    pub fn write_end(&self, how: &Ended, out: &mut dyn Sink) {
        match how {
            Ended::Served(Ok(delivery)) => delivery.reply.write_to(out),
            Ended::Served(Err(error)) => out.error(&error.to_string()),
            Ended::TimedOut => self.op.write_timeout(out),
            Ended::Unblocked => out.error("UNBLOCKED client unblocked via CLIENT UNBLOCK"),
        }
    }
}

impl Engine {
    /// Queues a wait on the shards of its keys, which are entered. O(keys log waiters).
    pub(super) fn wait(&self, entered: &mut Entered<'_>, wait: Wait, owner: Arc<dyn Notify>) -> Arc<Waiter> {
        let ticket = self.next_ticket();
        let waiter = Arc::new(Waiter {
            ticket,
            db: entered.db(),
            deadline_ms: wait.timeout_ms.map(|ms| entered.now_ms().saturating_add(ms)),
            keys: wait.keys,
            op: wait.op,
            state: Mutex::new(State::Waiting),
            owner,
        });
        for key in &waiter.keys {
            let shard = self.router().route(key).0;
            let here = |other: &Box<[u8]>| self.router().route(other).0 == shard;
            let reach = if waiter.op.other_keys().iter().all(here) { Reach::Here } else { Reach::Beyond };
            if let Some(shard) = entered.shard(shard) {
                shard.waiters.add(waiter.db, key, ticket, reach);
            }
        }
        self.waiters.insert(ticket, Arc::clone(&waiter));
        self.stats().blocked.fetch_add(1, Ordering::Relaxed);
        if let Some(deadline_ms) = waiter.deadline_ms {
            self.cycles().add_timeout(deadline_ms, &waiter);
        }
        waiter
    }

    /// A wait for time alone (`CLIENT PAUSE`): it ends at `deadline_ms`, or when somebody ends it.
    pub(super) fn wait_until(&self, deadline_ms: u64, owner: Arc<dyn Notify>) -> Arc<Waiter> {
        let waiter = Arc::new(Waiter {
            ticket: self.next_ticket(),
            db: 0,
            keys: Vec::new(),
            op: Box::new(Pause),
            state: Mutex::new(State::Waiting),
            deadline_ms: Some(deadline_ms),
            owner,
        });
        self.waiters.insert(waiter.ticket, Arc::clone(&waiter));
        self.stats().blocked.fetch_add(1, Ordering::Relaxed);
        self.cycles().add_timeout(deadline_ms, &waiter);
        waiter
    }

    /// Serves those who wait for the keys that were filled, until no key is ready.
    pub(super) fn serve(&self, entered: &mut Entered<'_>) {
        loop {
            let ready: Vec<_> = entered.shards().flat_map(|shard| std::mem::take(&mut shard.ready)).collect();
            if ready.is_empty() {
                return;
            }
            for ready in ready {
                self.serve_key(entered, ready.db, &ready.key);
            }
        }
    }

    fn serve_key(&self, entered: &mut Entered<'_>, db: usize, key: &[u8]) {
        let index = self.router().route(key).0;
        let mut after = 0;
        loop {
            let Some(shard) = entered.shard(index) else { return };
            let Some(ticket) = shard.waiters.next_after(db, key, after) else { return };
            after = ticket;
            let waiter = self.waiters.get(&ticket).map(|entry| Arc::clone(&entry));
            let Some(waiter) = waiter else {
                shard.waiters.remove(db, key, ticket);
                continue;
            };
            let mut state = waiter.state.lock();
            if !matches!(*state, State::Waiting) {
                shard.waiters.remove(db, key, ticket);
                continue;
            }
            // A key that is gone has nothing for the next in line either.
            let (mut keyspace, routed) = entered.at_db(db, key);
            if !keyspace.exists(routed) {
                return;
            }
            let Some(result) = waiter.op.serve(entered, db, key) else { continue };
            *state = State::Ended(Ended::Served(result));
            drop(state);
            if let Some(shard) = entered.shard(index) {
                shard.waiters.remove(db, key, ticket);
            }
            entered.served.push(waiter);
        }
    }

    /// Takes the result of a wait that has ended, and its ticket off all queues; `None` while it is still on.
    pub fn finish(&self, waiter: &Waiter) -> Option<Ended> {
        let mut state = waiter.state.lock();
        if matches!(*state, State::Waiting) {
            return None;
        }
        let was = std::mem::replace(&mut *state, State::Closed);
        drop(state);
        self.retire(waiter);
        match was {
            State::Ended(how) => Some(how),
            State::Waiting | State::Closed => None,
        }
    }

    /// Ends a wait whose owner is gone; what it was given and did not take goes back where it came from.
    pub fn abandon(&self, waiter: &Waiter) {
        let was = std::mem::replace(&mut *waiter.state.lock(), State::Closed);
        self.retire(waiter);
        if let State::Ended(how) = was {
            self.give_back(how);
        }
    }

    /// Puts back what a wait took, for an owner that has the result but cannot use it.
    pub fn give_back(&self, how: Ended) {
        let Ended::Served(Ok(Delivery { undo: Some(undo), .. })) = how else { return };
        let shards: SmallVec<[usize; 8]> = undo.keys.iter().map(|key| self.router().route(key).0).collect();
        let view = View { db: undo.db, now_ms: self.clock().now_ms(), no_touch: true };
        // It may have to serve a waiter that reaches beyond these shards, so it enters as a write does.
        let mut entered = self.enter_to_write(shards, view);
        (undo.run)(&mut entered);
        entered.leave();
    }

    fn retire(&self, waiter: &Waiter) {
        if self.waiters.remove(&waiter.ticket).is_none() {
            return;
        }
        self.stats().blocked.fetch_sub(1, Ordering::Relaxed);
        if let Some(deadline_ms) = waiter.deadline_ms {
            self.cycles().remove_timeout(deadline_ms, waiter.ticket);
        }
        for key in &waiter.keys {
            let shard = self.router().route(key).0;
            self.door(shard).enter().waiters.remove(waiter.db, key, waiter.ticket);
        }
    }
}

impl Waiter {
    pub(super) fn ticket(&self) -> Ticket {
        self.ticket
    }
}

/// The wait of a paused client: nothing serves it.
#[derive(Debug)]
struct Pause;

impl Waiting for Pause {
    fn serve(&self, _: &mut Entered<'_>, _: usize, _: &[u8]) -> Option<Result<Delivery, CommandError>> {
        None
    }

    /// The command runs again once the pause is over, and that is its reply.
    fn write_timeout(&self, _: &mut dyn Sink) {}
}

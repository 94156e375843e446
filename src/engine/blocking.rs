//! Blocking: commands that wait for a key to be filled.
//!
//! 1. A command that finds nothing returns a [`Wait`]. The engine, still inside the shards of all its keys, draws a
//!    ticket and queues it on each of them; so nothing can be pushed between the look and the queueing.
//! 2. Whoever fills a key that is wanted finds it on its shard's `ready` list and serves the queue in the order of
//!    the tickets before it leaves the shard (`Engine::serve`). Keys are served in the order in which they were
//!    filled, those that serving fills behind the others. A waiter whose turn it is acts as its command would now:
//!    it looks at its keys in its own order, and what it does with one is its own [`Waiting::serve`]. The result is
//!    laid down in the [`Waiter`], its ticket leaves all queues, and its owner is told once the shards are left.
//! 3. The owner (a connection's event loop, a future, a thread) takes the result with [`Engine::finish`]. An owner
//!    that is gone calls [`Engine::abandon`] instead: a result that nobody took is put back where it came from.
//!    Both enter shards, so their caller must be in none.
//!
//! A waiter's state changes under its own lock, and only from `Waiting`: so there is one taker of one item, and
//! a timeout, a kill and a push that come together end in exactly one of the three. The lock's place in the order
//! is behind the doors: nobody who holds it enters a shard.
//!
//! A waiter that needs other shards (several keys, a move between lists) has them named in the queues; a write to a
//! key that somebody waits for enters those as well before it runs, or all shards where a move may pass on what it
//! moved to who knows whom. Nobody else pays for it. The next author of a blocking command owes: `serve` that takes
//! nothing unless it can deliver, and an `undo` for what it took; whoever adds a way to write owes
//! `Engine::enter_to_write`.
//!
//! Not everyone takes: what reads a stream leaves it as it is, so one entry serves all who wait for it. And a reader of
//! a consumer group must not sleep on when its key or group goes: it [minds](Waiting::minds_loss), and whoever removes
//! or overwrites a stream offers the key as if it had been filled. That may happen where nobody meant to write (a
//! deadline has passed), and so without the waiter's other shards; then it ends by its [`loss`](Waiting::loss) alone.

use super::Engine;
use super::door::{Entered, View};
use super::push::Notify;
use crate::command::error::CommandError;
use crate::persist::StorageError;
use crate::persist::journal::AwaitsSync;
use crate::reply::{Reply, Sink};
use crate::shard::waiters::{Place, Ticket};
use crate::shard::{ReadyKey, Type};
use crate::sync::Mutex;
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

/// What a waiter does once one of its keys is filled.
pub trait Waiting: fmt::Debug + Send + Sync {
    /// Takes from `key` and says what to deliver; `None`, with nothing changed, where the key does not have it.
    ///
    /// Asked of each key of the [`Wait`] in its order until one delivers, as the command does when it is called.
    fn serve(
        &self,
        entered: &mut Entered<'_>,
        db: usize,
        key: &[u8],
    ) -> Option<Result<Delivery, CommandError>>;

    /// Takes from `keys`, those of the [`Wait`], and says what to deliver; `None`, with nothing changed, where none of
    /// them has it. By default the first that [serves](Self::serve) does.
    fn serve_any(
        &self,
        entered: &mut Entered<'_>,
        db: usize,
        keys: &[Box<[u8]>],
    ) -> Option<Result<Delivery, CommandError>> {
        keys.iter().find_map(|key| self.serve(entered, db, key))
    }

    /// Whether it has its turn also when a key that held what it [`wants`](Self::wants) goes, or becomes something else.
    fn minds_loss(&self) -> bool {
        false
    }

    /// The error that the wait ends with where `key` is no longer what it must be; only the key's own shard is entered.
    ///
    /// Asked where a key is lost and nobody has entered what `serve` needs: a deadline passes wherever it is noticed.
    fn loss(&self, entered: &mut Entered<'_>, db: usize, key: &[u8]) -> Option<CommandError> {
        let _ = (entered, db, key);
        None
    }

    /// Keys besides the one waited for that `serve` touches.
    fn other_keys(&self) -> &[Box<[u8]>] {
        &[]
    }

    /// The type that a key must have been filled with to give the waiter its turn; `None` for any.
    fn wants(&self) -> Option<Type> {
        None
    }

    /// The place in the journal whose way to the disk ends the wait ([`Ended::TimedOut`] is how).
    fn synced_to(&self) -> Option<u64> {
        None
    }

    /// Whether its end is the reply of its command, which does not run again.
    fn has_reply(&self) -> bool {
        true
    }

    /// Writes the reply of a wait that ended without anything.
    fn write_timeout(&self, out: &mut dyn Sink) {
        out.null_array();
    }

    /// Writes the reply where waiting is not allowed, as in a transaction.
    fn write_denied(&self, out: &mut dyn Sink) {
        self.write_timeout(out);
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

impl Ended {
    /// The error that the wait ended with, if it did.
    #[must_use]
    pub fn error(&self) -> Option<&CommandError> {
        match self {
            Ended::Served(Err(error)) => Some(error),
            Ended::Unblocked => Some(&CommandError::Unblocked),
            Ended::Served(Ok(_)) | Ended::TimedOut => None,
        }
    }
}

#[derive(Debug)]
enum State {
    Waiting,
    Ended(Ended),
    /// The owner has the result, or is gone.
    Closed,
}

/// One blocked command.
pub struct Waiter {
    ticket: Ticket,
    db: usize,
    keys: Vec<Box<[u8]>>,
    /// The shards of `keys`, one for one, and behind them those of the other keys that serving touches.
    shards: SmallVec<[usize; 4]>,
    op: Box<dyn Waiting>,
    /// The command, whose effect is its own once it is served.
    argv: Vec<Box<[u8]>>,
    state: Mutex<State>,
    /// Unix ms.
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

    /// Whether its end is the reply of its command; that of `CLIENT PAUSE` is none.
    #[must_use]
    pub fn has_reply(&self) -> bool {
        self.op.has_reply()
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
            Ended::Unblocked => out.error(&CommandError::Unblocked.to_string()),
        }
    }
}

impl Engine {
    /// Queues a wait on the shards of its keys, which are entered. O(keys log waiters).
    pub(super) fn wait(
        &self,
        entered: &mut Entered<'_>,
        wait: Wait,
        argv: &[&[u8]],
        owner: Arc<dyn Notify>,
    ) -> Arc<Waiter> {
        let ticket = self.next_ticket();
        let waiter = Arc::new(Waiter {
            ticket,
            db: entered.db(),
            shards: wait
                .keys
                .iter()
                .chain(wait.op.other_keys())
                .map(|key| self.router().route(key).0)
                .collect(),
            deadline_ms: wait.timeout_ms.map(|ms| self.clock().deadline_ms(ms)),
            keys: wait.keys,
            op: wait.op,
            argv: argv.iter().map(|arg| Box::from(*arg)).collect(),
            state: Mutex::new(State::Waiting),
            owner,
        });
        let fills = !waiter.op.other_keys().is_empty();
        for (key, &index) in waiter.keys.iter().zip(&waiter.shards) {
            let mut others: SmallVec<[usize; 4]> =
                waiter.shards.iter().copied().filter(|&other| other != index).collect();
            others.sort_unstable();
            others.dedup();
            let (wants, minds_loss) = (waiter.op.wants(), waiter.op.minds_loss());
            let place = Place { others: others.as_slice().into(), fills, wants, minds_loss };
            if let Some(shard) = entered.shard(index) {
                shard.waiters.add(waiter.db, key, ticket, place);
            }
        }
        entered.poke |= self.register(&waiter);
        waiter
    }

    /// A wait for time alone (`CLIENT PAUSE`): it ends at `deadline_ms`, or when somebody ends it.
    pub(super) fn wait_until(&self, deadline_ms: u64, owner: Arc<dyn Notify>) -> Arc<Waiter> {
        self.wait_apart(Box::new(Pause), Some(deadline_ms), owner)
    }

    /// A wait for no key; it ends at `deadline_ms`, when the journal is on the disk up to where it
    /// [says](Waiting::synced_to), or when somebody ends it. Its caller is inside no shard.
    pub(super) fn wait_apart(
        &self,
        op: Box<dyn Waiting>,
        deadline_ms: Option<u64>,
        owner: Arc<dyn Notify>,
    ) -> Arc<Waiter> {
        let synced_to = op.synced_to();
        let waiter = Arc::new(Waiter {
            ticket: self.next_ticket(),
            db: 0,
            keys: Vec::new(),
            shards: SmallVec::new(),
            op,
            argv: Vec::new(),
            state: Mutex::new(State::Waiting),
            deadline_ms,
            owner,
        });
        if self.register(&waiter) {
            self.cycles().poke();
        }
        if let Some(place) = synced_to {
            let awaits: Arc<dyn AwaitsSync> = Arc::clone(&waiter) as _;
            self.journal().await_sync(place, Arc::downgrade(&awaits));
            self.sync_soon();
        }
        waiter
    }

    /// Enters a waiter into the books; whether the cycles must be poked for its timeout.
    fn register(&self, waiter: &Arc<Waiter>) -> bool {
        self.waiters.insert(waiter.ticket, Arc::clone(waiter));
        self.stats().blocked.fetch_add(1, Ordering::Relaxed);
        waiter.deadline_ms.is_some_and(|deadline_ms| self.cycles().add_timeout(deadline_ms, waiter))
    }

    /// Serves those who wait for the keys that were filled, until no key is ready.
    ///
    /// It ends: what serving fills gives others their turn, but a waiter is served once, and nobody new comes to
    /// wait while the shards are entered.
    pub(super) fn serve(&self, entered: &mut Entered<'_>) {
        entered.gather_ready();
        while let Some(ReadyKey { db, key }) = entered.ready.pop_front() {
            self.serve_key(entered, db, &key);
        }
    }

    /// Gives everyone in a key's queue who is interested in what it now holds their turn, as long as it holds it.
    fn serve_key(&self, entered: &mut Entered<'_>, db: usize, key: &[u8]) {
        let index = self.router().route(key).0;
        let mut after = 0;
        loop {
            let (mut keyspace, routed) = entered.at_db(db, key);
            // A key that is gone has nothing for the next in line either, but for those who mind that.
            let holds = keyspace.type_of(routed);
            let waiters = &mut keyspace.shard().waiters;
            let Some(ticket) = waiters.next_after(db, key, after, holds) else { return };
            after = ticket;
            let waiter = self.waiters.get(&ticket).map(|entry| Arc::clone(&entry));
            let Some(waiter) = waiter else {
                waiters.remove(db, key, ticket);
                continue;
            };
            let mut state = waiter.state.lock();
            if !matches!(*state, State::Waiting) {
                // It ended otherwise, and its owner has not come to take it off the queues yet.
                waiters.remove(db, key, ticket);
                continue;
            }
            if !waiter.shards.iter().all(|&shard| entered.holds(shard)) {
                let Some(error) = waiter.op.loss(entered, db, key) else {
                    debug_assert!(false, "whoever fills a key enters what its waiters need");
                    tracing::error!(shard = index, "a key was filled without entering what its waiters need");
                    continue;
                };
                *state = State::Ended(Ended::Served(Err(error)));
                drop(state);
                // It stands in queues of shards that are not entered; its owner takes it off when it finishes.
                entered.ended.push(waiter);
                continue;
            }
            let changes = entered.changes();
            let Some(result) = waiter.op.serve_any(entered, db, &waiter.keys) else { continue };
            if entered.changes() != changes {
                let argv: SmallVec<[&[u8]; 8]> = waiter.argv.iter().map(|arg| &**arg).collect();
                entered.effect(db, &argv);
            }
            *state = State::Ended(Ended::Served(result));
            drop(state);
            for (key, &index) in waiter.keys.iter().zip(&waiter.shards) {
                if let Some(shard) = entered.shard(index) {
                    shard.waiters.remove(db, key, ticket);
                }
            }
            entered.served.push(waiter);
            entered.gather_ready();
        }
    }

    /// Takes the result of a wait that has ended, and its ticket off all queues; `None` while it is still on.
    ///
    /// Enters shards: the caller must be in none, which includes those that a [`Batch`](super::Batch) holds.
    pub fn finish(&self, waiter: &Waiter) -> Option<Ended> {
        let mut state = waiter.state.lock();
        if matches!(*state, State::Waiting) {
            return None;
        }
        let was = std::mem::replace(&mut *state, State::Closed);
        drop(state);
        self.retire(waiter);
        // Whoever served it may not have written that yet.
        self.journal().depend();
        match was {
            State::Ended(how) => Some(how),
            State::Waiting | State::Closed => None,
        }
    }

    /// Ends a wait whose owner is gone; what it was given and did not take goes back where it came from.
    ///
    /// Enters shards: the caller must be in none, which includes those that a [`Batch`](super::Batch) holds.
    pub fn abandon(&self, waiter: &Waiter) {
        let was = std::mem::replace(&mut *waiter.state.lock(), State::Closed);
        self.retire(waiter);
        if let State::Ended(how) = was {
            self.give_back(how);
        }
    }

    /// Puts back what a wait took, for an owner that has the result but cannot use it. Those who wait for what comes
    /// back get it.
    ///
    /// Enters shards: the caller must be in none, which includes those that a [`Batch`](super::Batch) holds.
    pub fn give_back(&self, how: Ended) {
        let Ended::Served(Ok(Delivery { undo: Some(undo), .. })) = how else { return };
        let view = View { db: undo.db, now_ms: self.clock().now_ms(), no_touch: true };
        let mut entered = self.enter_to_write(|| undo.keys.iter().map(|key| &**key), view);
        (undo.run)(&mut entered);
        entered.effect_on(undo.db, undo.keys.iter().map(|key| &**key));
        entered.leave();
    }

    /// Takes a waiter that has ended, by whatever end, out of the books and off the queues.
    fn retire(&self, waiter: &Waiter) {
        if self.strike(waiter) {
            for (key, &index) in waiter.keys.iter().zip(&waiter.shards) {
                self.door(index).enter().waiters.remove(waiter.db, key, waiter.ticket);
            }
        }
    }

    /// Takes a waiter that was served, and so is off the queues, out of the books.
    pub(super) fn retire_served(&self, waiter: &Waiter) {
        self.strike(waiter);
    }

    /// Takes a waiter out of the books; whether it stood there still.
    fn strike(&self, waiter: &Waiter) -> bool {
        if self.waiters.remove(&waiter.ticket).is_none() {
            return false;
        }
        self.stats().blocked.fetch_sub(1, Ordering::Relaxed);
        if let Some(deadline_ms) = waiter.deadline_ms {
            self.cycles().remove_timeout(deadline_ms, waiter.ticket);
        }
        true
    }
}

impl Waiter {
    pub(super) fn ticket(&self) -> Ticket {
        self.ticket
    }
}

impl AwaitsSync for Waiter {
    fn synced(&self) {
        self.end(Ended::TimedOut);
    }

    fn failed(&self, _: &StorageError) {}

    fn ended(&self) {
        self.end(Ended::Served(Err(CommandError::NoJournal)));
    }
}

/// The wait of a paused client: nothing serves it.
#[derive(Debug)]
struct Pause;

impl Waiting for Pause {
    fn serve(&self, _: &mut Entered<'_>, _: usize, _: &[u8]) -> Option<Result<Delivery, CommandError>> {
        None
    }

    fn has_reply(&self) -> bool {
        false
    }

    /// The command runs again once the pause is over, and that is its reply.
    fn write_timeout(&self, _: &mut dyn Sink) {}
}

//! The shards' door: entering shards, one or several, exclusively and in order.
//!
//! A shard is entered by whoever holds a command for it, on the thread it is on, for the time of that command (or of
//! a few commands of a pipeline). Several shards are entered in ascending order and left together, which is why
//! nothing can deadlock and why every command is linearizable.
//!
//! **Invariant:** nobody who is inside a shard makes a system call, waits, or enters a lower shard. Behind the doors,
//! in the order of locks, come a waiter's state, and then the registries and the cycles' list of timeouts, which
//! nobody holds while taking anything else.
//!
//! A panic inside a shard is a bug of damselfly's and may leave the shard's data half changed. Its door is marked then,
//! and whoever enters later panics as well, as with the standard library's locks: a bug stops, and is never served.

use super::blocking::Waiter;
use super::effects::Effects;
use super::memory::Memory;
use super::monitor::Moment;
use super::notices::Notice;
use super::push::Wakes;
use super::reach::Later;
use super::{Engine, Session};
use crate::command::error::CommandError;
use crate::command::table::Entry;
use crate::persist::journal::Journal;
use crate::shard::{Class, Key, Keyspace, Now, ReadyKey, Shard};
use crate::sync::{Mutex, MutexGuard};
use smallvec::SmallVec;
use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A shard behind its door, alone on its cache lines so that neighbours do not slow each other down.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Door {
    /// Somebody panicked inside.
    poisoned: AtomicBool,
    /// Where whoever leaves settles.
    memory: Arc<Memory>,
    /// Where what went by itself is told.
    journal: Arc<Journal>,
    shard: Mutex<Shard>,
}

/// A shard that is entered; it is left when this is dropped.
#[derive(Debug)]
pub(crate) struct Guard<'e> {
    shard: MutexGuard<'e, Shard>,
    door: &'e Door,
    /// A panic that passes by here says nothing about the shard: it began before the shard was entered.
    innocent: Cell<bool>,
}

impl Door {
    pub(crate) fn new(shard: Shard, memory: Arc<Memory>, journal: Arc<Journal>) -> Self {
        Self { poisoned: AtomicBool::new(false), memory, journal, shard: Mutex::new(shard) }
    }

    /// Enters the shard.
    ///
    /// # Panics
    /// If an earlier caller panicked inside.
    #[inline]
    pub(crate) fn enter(&self) -> Guard<'_> {
        self.entered(self.shard.lock())
    }

    /// Enters the shard if nobody is inside.
    #[inline]
    fn enter_at_once(&self) -> Option<Guard<'_>> {
        self.shard.try_lock().map(|shard| self.entered(shard))
    }

    /// Enters the shard if that is possible within this time.
    ///
    /// # Panics
    /// If an earlier caller panicked inside.
    fn enter_within(&self, time: Duration) -> Option<Guard<'_>> {
        self.shard.try_lock_for(time).map(|shard| self.entered(shard))
    }

    #[inline]
    fn entered<'e>(&'e self, shard: MutexGuard<'e, Shard>) -> Guard<'e> {
        if self.poisoned.load(Ordering::Relaxed) {
            poisoned();
        }
        Guard { shard, door: self, innocent: Cell::new(std::thread::panicking()) }
    }
}

#[cold]
fn poisoned() -> ! {
    panic!("a panic left a shard of damselfly half changed; its data cannot be trusted")
}

impl Guard<'_> {
    /// Settles what was taken and given back so far, and says whether that is too much in all.
    #[inline]
    pub(super) fn exceeds(&mut self) -> bool {
        self.door.memory.settle(&mut self.shard);
        self.door.memory.is_exceeded()
    }

    /// The shard, and a cell to set before code that is not ours looks at it: a panic there does not concern it.
    #[inline]
    pub(super) fn lend(&mut self) -> (&mut Shard, &Cell<bool>) {
        (&mut self.shard, &self.innocent)
    }
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        if std::thread::panicking() && !self.innocent.get() {
            self.door.poisoned.store(true, Ordering::Relaxed);
        }
        if !self.shard.gone.is_empty() {
            Engine::tell_gone(&self.door.journal, &mut self.shard);
        }
        self.door.memory.settle(&mut self.shard);
    }
}

impl Deref for Guard<'_> {
    type Target = Shard;
    #[inline]
    fn deref(&self) -> &Shard {
        &self.shard
    }
}

impl DerefMut for Guard<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Shard {
        &mut self.shard
    }
}

/// How long somebody waits for a shard before he looks whether a script has it.
const LOOK_UP: Duration = Duration::from_millis(5);

impl Engine {
    /// Enters a shard, unless a slow script has it.
    ///
    /// # Errors
    /// `BUSY`: a script has it, and is slow.
    #[inline]
    pub(super) fn enter_unless_busy(&self, index: usize) -> Result<Guard<'_>, CommandError> {
        match self.door(index).enter_at_once() {
            Some(guard) => Ok(guard),
            None => self.wait_unless_busy(index),
        }
    }

    /// Visits one shard after another, unless a slow script has them.
    ///
    /// # Errors
    /// `BUSY`: a script has one, and is slow.
    pub(super) fn each_shard_unless_busy(&self, mut visit: impl FnMut(&Shard)) -> Result<(), CommandError> {
        (0..self.doors().len()).try_for_each(|index| self.enter_unless_busy(index).map(|shard| visit(&shard)))
    }

    #[cold]
    fn wait_unless_busy(&self, index: usize) -> Result<Guard<'_>, CommandError> {
        loop {
            if self.busy().is_slow() {
                return Err(self.busy().refusal());
            }
            if let Some(guard) = self.door(index).enter_within(LOOK_UP) {
                return Ok(guard);
            }
        }
    }
}

/// Shards that a command has entered, and the view of its client on them.
pub struct Entered<'e> {
    engine: &'e Engine,
    /// In ascending order of the shards' numbers.
    guards: SmallVec<[(usize, Guard<'e>); 4]>,
    /// The client's database.
    db: usize,
    now_ms: u64,
    no_touch: bool,
    /// On whose behalf keys change; 0 for nobody of the registry.
    client: u64,
    /// Keys that were filled, in the order in which that happened.
    pub(super) ready: VecDeque<ReadyKey>,
    /// What is to be done once the doors are left.
    later: Vec<Later>,
    /// What is to be told once the doors are left.
    notices: Vec<Notice>,
    /// Whether anybody wants to know what happens to keys.
    notifies: bool,
    /// The shard that was looked at last: what happened there stands in front of what will happen elsewhere.
    last: usize,
    /// Clients that were told something already, and are to be woken then.
    wakes: Wakes,
    /// Waiters that were served and are to be told once the doors are left.
    pub(super) served: Vec<Arc<Waiter>>,
    /// Waiters that have ended but stand in queues still, and are to be told likewise.
    pub(super) ended: Vec<Arc<Waiter>>,
    /// Whether the thread for background work is to be woken once the doors are left.
    pub(super) poke: bool,
    /// What the journal is to be told, as one record.
    pub(super) effects: Effects,
}

impl fmt::Debug for Entered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered")
            .field("shards", &self.guards.len())
            .field("db", &self.db)
            .finish_non_exhaustive()
    }
}

impl<'e> Entered<'e> {
    /// Enters the shards of these numbers, which are sorted here.
    pub(super) fn enter(engine: &'e Engine, mut shards: SmallVec<[usize; 8]>, view: View) -> Self {
        shards.sort_unstable();
        shards.dedup();
        let guards = shards.into_iter().map(|index| (index, engine.door(index).enter())).collect();
        Self::over(engine, guards, view)
    }

    /// Enters every shard.
    pub(crate) fn enter_all(engine: &'e Engine, view: View) -> Self {
        let guards = engine.doors().iter().map(Door::enter).enumerate().collect();
        Self::over(engine, guards, view)
    }

    /// Enters the shards of these numbers, unless a slow script has them.
    ///
    /// # Errors
    /// `BUSY`: a script has them, and is slow.
    pub(super) fn try_enter(
        engine: &'e Engine,
        mut shards: SmallVec<[usize; 8]>,
        view: View,
    ) -> Result<Self, CommandError> {
        shards.sort_unstable();
        shards.dedup();
        let guards: Result<_, CommandError> =
            shards.into_iter().map(|index| Ok((index, engine.enter_unless_busy(index)?))).collect();
        Ok(Self::over(engine, guards?, view))
    }

    /// Enters every shard, unless a slow script has them.
    ///
    /// # Errors
    /// `BUSY`: a script has them, and is slow.
    pub(super) fn try_enter_all(engine: &'e Engine, view: View) -> Result<Self, CommandError> {
        let all = 0..engine.doors().len();
        let guards: Result<_, CommandError> =
            all.map(|index| Ok((index, engine.enter_unless_busy(index)?))).collect();
        Ok(Self::over(engine, guards?, view))
    }

    /// Takes over a shard that is entered already.
    pub(super) fn of(engine: &'e Engine, index: usize, guard: Guard<'e>, view: View) -> Self {
        Self::over(engine, SmallVec::from_iter([(index, guard)]), view)
    }

    fn over(engine: &'e Engine, guards: SmallVec<[(usize, Guard<'e>); 4]>, view: View) -> Self {
        let View { db, now_ms, no_touch } = view;
        Self {
            engine,
            guards,
            db,
            now_ms,
            no_touch,
            client: 0,
            ready: VecDeque::new(),
            later: Vec::new(),
            notices: Vec::new(),
            notifies: engine.notifies(),
            last: usize::MAX,
            wakes: Wakes::default(),
            served: Vec::new(),
            ended: Vec::new(),
            poke: false,
            effects: Effects::default(),
        }
    }

    /// The engine whose shards these are.
    #[must_use]
    pub fn engine(&self) -> &'e Engine {
        self.engine
    }

    /// The client's database.
    #[must_use]
    pub fn db(&self) -> usize {
        self.db
    }

    /// The time of the command in Unix ms.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Shows what follows another time, as a replay does.
    pub(super) fn set_now_ms(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// The keyspace that a key of the client's database lives in, and the key with its hash.
    ///
    /// # Panics
    /// If the key's shard is not entered, which is a mistake in the command's row.
    pub fn at<'k>(&mut self, key: &'k [u8]) -> (Keyspace<'_>, Key<'k>) {
        self.at_db(self.db, key)
    }

    /// The same in another database.
    ///
    /// # Panics
    /// If the key's shard is not entered, which is a mistake in the command's row.
    pub fn at_db<'k>(&mut self, db: usize, key: &'k [u8]) -> (Keyspace<'_>, Key<'k>) {
        let (index, key) = self.engine.router().route(key);
        if self.notifies && index != self.last {
            self.take_events(self.last);
            self.last = index;
        }
        let (now, no_touch, client) = (Now::At(self.now_ms), self.no_touch, self.client);
        let shard = self.shard(index).expect("a command enters the shards of all its keys");
        (shard.keyspace(db, now).no_touch(no_touch).act_for(client), key)
    }

    /// The shard that a key lives in, to be looked at beside others, and the key with its hash; `None` where it is not
    /// entered.
    pub fn beside<'k>(&self, key: &'k [u8]) -> Option<(&Shard, Key<'k>)> {
        let (index, key) = self.engine.router().route(key);
        let place = self.guards.binary_search_by_key(&index, |(number, _)| *number).ok()?;
        self.guards.get(place).map(|(_, guard)| (&**guard, key))
    }

    /// A shard by its number, where it is entered.
    pub(super) fn shard(&mut self, index: usize) -> Option<&mut Shard> {
        let place = if self.guards.len() == self.engine.doors().len() {
            index
        } else {
            self.guards.iter().position(|(number, _)| *number == index)?
        };
        self.guards.get_mut(place).map(|(_, guard)| &mut **guard)
    }

    /// Every entered shard, in ascending order.
    pub fn shards(&mut self) -> impl Iterator<Item = &mut Shard> {
        self.guards.iter_mut().map(|(_, guard)| &mut **guard)
    }

    /// Every entered shard's view on the client's database, in ascending order: all of them, for a command whose row
    /// names no keys.
    pub fn keyspaces(&mut self) -> impl Iterator<Item = Keyspace<'_>> {
        let (db, now_ms, no_touch) = (self.db, self.now_ms, self.no_touch);
        self.guards.iter_mut().map(move |(_, guard)| guard.keyspace(db, Now::At(now_ms)).no_touch(no_touch))
    }

    /// The keyspace of one entered shard by its number, for cursors.
    pub fn keyspace_of(&mut self, index: usize) -> Option<Keyspace<'_>> {
        let (db, now_ms) = (self.db, self.now_ms);
        self.shard(index).map(|shard| shard.keyspace(db, Now::At(now_ms)))
    }

    /// Notes the keys that were filled since the last call behind those that were before.
    ///
    /// Asked after each step that may fill several shards' keys, it keeps them in the order of the steps.
    pub(super) fn gather_ready(&mut self) {
        for (_, shard) in &mut self.guards {
            self.ready.extend(shard.ready.drain(..));
        }
    }

    /// Takes what happened to keys of one shard behind what was noted so far; the command may have more to say of them.
    fn take_events(&mut self, index: usize) {
        let (engine, mut notices) = (self.engine, std::mem::take(&mut self.notices));
        if let Some(shard) = self.shard(index) {
            engine.take_changed(shard, &mut notices);
            notices.extend(shard.events.take().into_iter().map(Notice::Event));
        }
        self.notices = notices;
    }

    /// Takes what happened to keys at the end of a command.
    pub(super) fn gather_events(&mut self) {
        self.take_events(self.last);
        for (_, shard) in &mut self.guards {
            if shard.has_notices() {
                self.engine.take_notices(shard, &mut self.notices);
            }
        }
    }

    /// Notes what a command did to a key: [`Keyspace::notify`], for commands of several keys.
    #[inline]
    pub fn notify(&mut self, db: usize, class: Class, name: &'static str, key: &[u8]) {
        if self.notifies {
            let (mut keyspace, key) = self.at_db(db, key);
            keyspace.notify(class, name, key);
        }
    }

    /// Looks at the shards from another client's or another database's place for a while.
    pub(super) fn through<R>(&mut self, db: usize, f: impl FnOnce(&mut Self) -> R) -> R {
        let mine = std::mem::replace(&mut self.db, db);
        let result = f(self);
        self.db = mine;
        result
    }

    /// Takes the place of a client in what follows.
    pub(super) fn view_as(&mut self, session: &Session) {
        (self.db, self.no_touch, self.client) = (session.db, session.no_touch, session.client.id);
    }

    /// Notes on whose behalf keys change from here on.
    pub(super) fn act_for(mut self, client: u64) -> Self {
        self.client = client;
        self
    }

    /// Remembers that a client which tracks keys has read these.
    pub(super) fn remember<'k>(&mut self, keys: impl Iterator<Item = &'k [u8]>, session: &Session) {
        for key in keys {
            let (index, key) = self.engine.router().route(key);
            let engine = self.engine;
            if let Some(shard) = self.shard(index) {
                engine.remember(shard, key, session);
            }
        }
    }

    /// Shows a command to those who monitor; they are woken once the doors are left.
    pub(crate) fn show(
        &mut self,
        session: &Session,
        entry: &Entry,
        argv: &[&[u8]],
        moment: Moment,
        in_script: bool,
    ) {
        self.engine.show(session, entry, argv, moment, in_script, &mut self.wakes);
    }

    /// Has something done once the doors are left.
    pub(super) fn put_off(&mut self, later: Later) {
        self.later.push(later);
    }

    /// Has something told once the doors are left.
    pub(super) fn note(&mut self, notice: Notice) {
        self.gather_events();
        self.notices.push(notice);
    }

    /// Tells what was noted so far, all but waking those whom it concerns.
    pub(super) fn post_notices(&mut self) {
        self.gather_events();
        if !self.notices.is_empty() {
            self.engine.lay_down(&mut self.notices);
            self.engine.post_notices(&mut self.wakes);
        }
    }

    /// Whether a shard is entered.
    pub(super) fn holds(&self, index: usize) -> bool {
        self.guards.len() == self.engine.doors().len()
            || self.guards.iter().any(|(number, _)| *number == index)
    }

    /// Serves the waiters of keys that were filled, leaves all shards, and tells those who were served: what
    /// dropping it does, spelled where a reader should see it.
    pub(super) fn leave(self) {}
}

/// However a command is done with its shards, those who wait for what it filled are served first.
impl Drop for Entered<'_> {
    fn drop(&mut self) {
        // A command that panicked is a bug, and says nothing of what it left behind; the doors open, no more.
        if std::thread::panicking() {
            return;
        }
        let engine = self.engine;
        engine.serve(self);
        self.append_effects();
        self.gather_events();
        let mut garbage = Vec::new();
        let mut due_ms = u64::MAX;
        for (_, shard) in &mut self.guards {
            if shard.has_garbage() {
                garbage.append(&mut shard.take_garbage());
            }
            due_ms = due_ms.min(shard.take_new_due_ms());
        }
        let told = !self.notices.is_empty();
        if told {
            engine.lay_down(&mut self.notices);
        }
        self.guards.clear();
        if told {
            engine.post_notices(&mut self.wakes);
        }
        self.wakes.ring();
        for later in self.later.drain(..) {
            later(engine);
        }
        engine.cycles().discard(garbage);
        engine.cycles().note_due(due_ms);
        if self.poke {
            engine.cycles().poke();
        }
        for waiter in self.served.drain(..) {
            engine.retire_served(&waiter);
            waiter.notify();
        }
        self.ended.drain(..).for_each(|waiter| waiter.notify());
    }
}

/// From where a command looks at the shards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub db: usize,
    pub now_ms: u64,
    pub no_touch: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::ShardSettings;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn door() -> Door {
        Door::new(Shard::new(1, 1, ShardSettings::default()), Arc::default(), Arc::default())
    }

    #[test]
    fn a_panic_inside_is_never_served() {
        let door = door();
        assert!(
            catch_unwind(AssertUnwindSafe(|| {
                let _guard = door.enter();
                panic!("a bug");
            }))
            .is_err()
        );
        assert!(catch_unwind(AssertUnwindSafe(|| drop(door.enter()))).is_err());
    }

    #[test]
    fn a_panic_of_others_leaves_the_shard_whole() {
        let door = door();
        assert!(
            catch_unwind(AssertUnwindSafe(|| {
                let mut guard = door.enter();
                guard.lend().1.set(true);
                panic!("a stranger's");
            }))
            .is_err()
        );
        // So does one that began elsewhere, and passes by somebody who cleans up in here.
        struct CleansUp<'a>(&'a Door);
        impl Drop for CleansUp<'_> {
            fn drop(&mut self) {
                drop(self.0.enter());
            }
        }
        assert!(
            catch_unwind(AssertUnwindSafe(|| {
                let _clean = CleansUp(&door);
                panic!("a stranger's");
            }))
            .is_err()
        );
        drop(door.enter());
    }
}

//! Background work: keys whose deadline has passed, waits whose time is up, large values to be freed.
//!
//! One thread per engine, started with it. It sleeps until the earliest thing it knows of, and for good when there is
//! none: an idle engine is not woken.

use super::Engine;
use super::blocking::{Ended, Waiter};
use super::door::{Door, Entered, View};
use crate::clock::Stopwatch;
use crate::shard::db::{Db, Object};
use crate::shard::waiters::Ticket;
use crate::sync::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// Least time between two rounds of the expiry cycle.
const ROUND_MS: u64 = 100;
/// Least time between two looks at a segment in which little was due.
const REVISIT_MS: u64 = 1000;
/// Longest a round may take of every [`ROUND_MS`].
const ROUND_BUDGET: Duration = Duration::from_millis(25);

/// What the thread has to do, and when.
#[derive(Debug, Default)]
pub struct Cycles {
    work: Mutex<Work>,
    changed: Condvar,
    /// Key deadlines from here on are known to the thread, or no news to it; those before must wake it. Unix ms.
    ///
    /// While the thread looks around it is `u64::MAX`: a shard that it has been through already may be given a
    /// deadline before it falls asleep. Written before the first door is entered and read after one is left, so the
    /// door orders the two.
    wake_ms: AtomicU64,
    /// `DEBUG SET-ACTIVE-EXPIRE`.
    expiry_off: AtomicBool,
    /// `DEBUG PAUSE-CRON`.
    paused: AtomicBool,
    /// Keys and large values that were freed here.
    freed: AtomicU64,
}

#[derive(Debug, Default)]
struct Work {
    timeouts: BTreeMap<(u64, Ticket), Weak<Waiter>>,
    objects: Vec<Object>,
    dbs: Vec<Db>,
    stop: bool,
    /// Until when the thread sleeps, Unix ms; 0 while it is awake and will look at the timeouts before it sleeps.
    asleep_until_ms: u64,
    /// Something changed that the thread must look at before it sleeps.
    poked: bool,
    thread: Option<JoinHandle<()>>,
}

impl Cycles {
    /// Hands large objects over to be freed.
    pub(super) fn discard(&self, mut objects: Vec<Object>) {
        if !objects.is_empty() {
            self.with(|work| work.objects.append(&mut objects));
        }
    }

    /// Hands whole databases over to be freed.
    pub(crate) fn discard_dbs(&self, mut dbs: Vec<Db>) {
        dbs.retain(|db| !db.is_empty());
        if !dbs.is_empty() {
            self.with(|work| work.dbs.append(&mut dbs));
        }
    }

    /// Keys and large values that wait to be freed, and how many were freed so far.
    #[must_use]
    pub fn freeing(&self) -> (u64, u64) {
        let work = self.work.lock();
        let pending = work.objects.len() + work.dbs.iter().map(Db::len).sum::<usize>();
        (pending as u64, self.freed.load(Ordering::Relaxed))
    }

    /// Whether the thread must be told of a deadline that a key was given.
    #[inline]
    pub(super) fn sleeps_past(&self, due_ms: u64) -> bool {
        due_ms < self.wake_ms.load(Ordering::Relaxed)
    }

    /// A key was given this deadline: the thread must not sleep past it. Called outside all doors.
    #[inline]
    pub(super) fn note_due(&self, due_ms: u64) {
        if self.sleeps_past(due_ms) {
            self.with(|_| {
                // Later deadlines need no further call: the thread is about to look at all of them.
                self.wake_ms.fetch_min(due_ms, Ordering::Relaxed);
            });
        }
    }

    /// Turns active expiry on or off.
    pub fn set_active_expiry(&self, on: bool) {
        self.expiry_off.store(!on, Ordering::Relaxed);
        self.poke();
    }

    /// Stops what is done because it is time for it, expiry and saving by rules, or lets it go on.
    pub fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
        self.poke();
    }

    /// Whether nothing is done because it is time for it.
    pub(super) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Makes the thread look at everything anew, as after the clock was moved by hand.
    pub(crate) fn poke(&self) {
        self.with(|_| {});
    }

    /// Notes when a wait ends; whether the thread would sleep past that and must be [poked](Self::poke), which is
    /// for the caller to do once it is outside all doors.
    #[must_use]
    pub(super) fn add_timeout(&self, deadline_ms: u64, waiter: &Arc<Waiter>) -> bool {
        let mut work = self.work.lock();
        work.timeouts.insert((deadline_ms, waiter.ticket()), Arc::downgrade(waiter));
        deadline_ms < work.asleep_until_ms
    }

    pub(super) fn remove_timeout(&self, deadline_ms: u64, ticket: Ticket) {
        self.work.lock().timeouts.remove(&(deadline_ms, ticket));
    }

    fn with<R>(&self, f: impl FnOnce(&mut Work) -> R) {
        let mut work = self.work.lock();
        f(&mut work);
        work.poked = true;
        drop(work);
        self.changed.notify_one();
    }

    /// Starts the thread, which ends with the engine.
    pub(super) fn start(engine: &Arc<Engine>) {
        // Where schedules are explored, a task does what the thread would: `Engine::end_waits`.
        #[cfg(feature = "shuttle")]
        if crate::sync::is_explored() {
            return;
        }
        let weak = Arc::downgrade(engine);
        let cycles = Arc::clone(&engine.cycles);
        let thread =
            std::thread::Builder::new().name("damselfly-cycles".into()).spawn(move || cycles.run(&weak));
        match thread {
            Ok(thread) => engine.cycles.work.lock().thread = Some(thread),
            // Without the thread keys still expire when they are looked at; only waits could not time out.
            Err(error) => tracing::error!(%error, "the thread for background work could not be started"),
        }
    }

    /// Ends the thread and waits for it.
    pub(super) fn stop(&self) {
        let thread = {
            let mut work = self.work.lock();
            work.stop = true;
            work.thread.take()
        };
        self.changed.notify_one();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            // A panic there was reported by the panic hook; there is nothing to add.
            let _ = thread.join();
        }
    }

    fn run(&self, engine: &Weak<Engine>) {
        let mut round = Round::default();
        loop {
            let Some(strong) = engine.upgrade() else { return };
            self.wake_ms.store(u64::MAX, Ordering::Relaxed);
            let due_ms = round.run(&strong, self);
            let now_ms = strong.clock().now_ms();
            let manual = strong.clock().is_manual();
            drop(strong);
            let mut work = self.work.lock();
            if work.stop {
                return;
            }
            if !std::mem::take(&mut work.poked) {
                let first = work.timeouts.keys().next().map_or(u64::MAX, |&(deadline_ms, _)| deadline_ms);
                let wake_ms = due_ms.min(first);
                // Without active expiry no deadline is news; nor is one where the next round comes as soon as any may.
                let off = self.expiry_off.load(Ordering::Relaxed) || self.is_paused();
                let known_ms = if off || due_ms <= now_ms + ROUND_MS { 0 } else { due_ms };
                self.wake_ms.store(known_ms, Ordering::Relaxed);
                work.asleep_until_ms = wake_ms;
                // A clock that is moved by hand pokes; sleeping by it would be sleeping by another time.
                if wake_ms == u64::MAX || manual {
                    self.changed.wait(&mut work);
                } else {
                    let sleep = Duration::from_millis(wake_ms.saturating_sub(now_ms).max(1));
                    self.changed.wait_for(&mut work, sleep);
                }
                work.asleep_until_ms = 0;
                work.poked = false;
            }
            let (objects, dbs) = (std::mem::take(&mut work.objects), std::mem::take(&mut work.dbs));
            drop(work);
            let freed = objects.len() + dbs.iter().map(Db::len).sum::<usize>();
            drop(objects);
            drop(dbs);
            self.freed.fetch_add(freed as u64, Ordering::Relaxed);
        }
    }
}

#[cfg(feature = "shuttle")]
impl Engine {
    /// Ends the waits whose time is up, as the thread for background work does, for tests that explore schedules.
    pub fn end_waits(&self) {
        Round::end_waits(&self.cycles, self.clock().now_ms());
    }
}

/// Where the expiry cycle stands between rounds.
#[derive(Debug, Default)]
struct Round {
    shard: usize,
    db: usize,
    position: Option<u32>,
    /// When the last round began, Unix ms.
    began_ms: u64,
}

impl Round {
    /// Ends what is due, and says when to come again: for a key, in Unix ms.
    fn run(&mut self, engine: &Engine, cycles: &Cycles) -> u64 {
        let now_ms = engine.clock().now_ms();
        Self::end_waits(cycles, now_ms);
        if cycles.expiry_off.load(Ordering::Relaxed) || cycles.is_paused() || engine.pause().is_on(now_ms) {
            return if engine.pause().is_on(now_ms) { now_ms + ROUND_MS } else { u64::MAX };
        }
        // A round that began in the future began before the clock was put back.
        if (self.began_ms..self.began_ms + ROUND_MS).contains(&now_ms) && !engine.clock().is_manual() {
            return self.began_ms + ROUND_MS;
        }
        self.began_ms = now_ms;
        if !self.expire(engine, now_ms) {
            return now_ms + ROUND_MS;
        }
        let next = engine.doors().iter().map(|door| door.enter().next_due_ms()).min().unwrap_or(u64::MAX);
        next.max(now_ms + ROUND_MS).max(next.saturating_add(1))
    }

    fn end_waits(cycles: &Cycles, now_ms: u64) {
        loop {
            let due = {
                let mut work = cycles.work.lock();
                match work.timeouts.first_entry() {
                    Some(entry) if entry.key().0 <= now_ms => entry.remove(),
                    _ => return,
                }
            };
            if let Some(waiter) = due.upgrade() {
                waiter.end(Ended::TimedOut);
            }
        }
    }

    /// Walks segments in which something is due; whether it went through all of them within its budget.
    fn expire(&mut self, engine: &Engine, now_ms: u64) -> bool {
        let watch = Stopwatch::start();
        let doors = engine.doors();
        let databases = engine.databases();
        for _ in 0..=doors.len() * databases {
            let Some(door) = doors.get(self.shard) else {
                self.shard = 0;
                continue;
            };
            while let Some(next) = self.step(engine, door, now_ms) {
                self.position = Some(next);
                if watch.elapsed() > ROUND_BUDGET && !engine.clock().is_manual() {
                    return false;
                }
            }
            self.position = None;
            self.db += 1;
            if self.db >= databases {
                self.db = 0;
                self.shard = (self.shard + 1) % doors.len();
            }
        }
        true
    }

    fn step(&self, engine: &Engine, door: &Door, now_ms: u64) -> Option<u32> {
        let cycles = engine.cycles();
        let mut shard = door.enter();
        let step = shard.expire_segment(self.db, self.position.unwrap_or(0), now_ms, REVISIT_MS);
        let garbage = shard.take_garbage();
        if shard.has_news() {
            // Somebody minds that a key has gone.
            let view = View { db: self.db, now_ms, no_touch: true };
            Entered::of(engine, self.shard, shard, view).leave();
        } else {
            drop(shard);
        }
        cycles.freed.fetch_add(garbage.len() as u64, Ordering::Relaxed);
        step.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;
    use crate::shard::Expires;

    fn engine(clock: Clock) -> Arc<Engine> {
        Engine::open(&Config::default().shards(1).seed(1), clock).expect("a good configuration")
    }

    fn set(engine: &Engine, key: &[u8], value: &[u8], ttl_ms: u64) {
        let deadline = Expires::At(engine.clock().now_ms() + ttl_ms);
        engine.write(0, key, |keys, key| keys.set_string(key, value, deadline));
    }

    fn within_seconds(mut holds: impl FnMut() -> bool) -> bool {
        (0..1000).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            holds()
        })
    }

    #[test]
    fn a_large_value_that_expired_is_freed_though_nobody_comes_by() {
        let engine = engine(Clock::manual(1_700_000_000_000));
        set(&engine, b"k", &[7; 100_000], 1000);
        engine.advance(Duration::from_secs(2));
        assert!(within_seconds(|| engine.totals().expired == 1));
        assert!(within_seconds(|| engine.cycles().freeing() == (0, 1)), "{:?}", engine.cycles().freeing());
        assert!(!engine.door(0).enter().has_garbage());
    }

    #[test]
    fn deadlines_before_the_next_round_wake_nobody() {
        let engine = engine(Clock::system());
        let mut key = 0u32;
        let quiet = within_seconds(|| {
            key += 1;
            set(&engine, &key.to_le_bytes(), b"v", 20);
            std::thread::sleep(Duration::from_millis(10));
            !engine.cycles().sleeps_past(1)
        });
        assert!(quiet, "every short deadline wakes the thread, which may not begin a round yet");
    }

    #[test]
    fn a_clock_that_was_put_back_does_not_stop_the_rounds() {
        let engine = engine(Clock::system());
        let cycles = Cycles::default();
        let now_ms = engine.clock().now_ms();
        let mut round = Round { began_ms: now_ms + 3_600_000, ..Round::default() };
        round.run(&engine, &cycles);
        assert!(round.began_ms < now_ms + 60_000);
    }
}

//! `maxmemory`: what keys and values take in all, and making room when that is too much.
//!
//! Whoever leaves a shard settles what it took or gave back; without a limit that is one load. A command that may take
//! memory looks at the sum before it runs, and makes room first where it is too high: shard after shard in turn, a few
//! victims each, within `maxmemory-eviction-tenacity`. It is refused only where nothing is left that may go.

use super::{Engine, Reach};
use crate::clock::Stopwatch;
use crate::command::error::CommandError;
use crate::config::{EvictionPolicy, Settings};
use crate::shard::{Eviction, Lfu, Measure, Shard};
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering};
use std::time::Duration;

/// The account of all shards.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// `maxmemory`; 0 for none.
    limit: AtomicUsize,
    /// Whether shards settle: from the first limit on.
    counts: AtomicBool,
    /// Bytes that keys and values take, while there is a limit.
    used: AtomicIsize,
    /// The shard whose turn it is to make room.
    turn: AtomicUsize,
}

impl Memory {
    /// Whether there is a limit.
    #[inline]
    pub(super) fn is_limited(&self) -> bool {
        self.limit.load(Ordering::Relaxed) != 0
    }

    /// Settles what a shard took or gave back since it was settled last.
    #[inline]
    pub(super) fn settle(&self, shard: &mut Shard) {
        if self.counts.load(Ordering::Relaxed) {
            self.settle_now(shard);
        }
    }

    #[cold]
    fn settle_now(&self, shard: &mut Shard) {
        let change = shard.account();
        if change != 0 {
            self.used.fetch_add(change, Ordering::Relaxed);
        }
    }

    /// Whether keys and values take more than they may.
    #[inline]
    pub(super) fn is_exceeded(&self) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        limit != 0 && self.used.load(Ordering::Relaxed) > isize::try_from(limit).unwrap_or(isize::MAX)
    }
}

/// Victims of one stay in a shard.
const VICTIMS_PER_STAY: usize = 8;

impl Engine {
    /// Follows the settings of memory.
    pub(super) fn follow_memory_settings(&self) {
        let memory = self.memory();
        memory.limit.store(self.settings().maxmemory(), Ordering::Relaxed);
        if memory.is_limited() && !memory.counts.swap(true, Ordering::Relaxed) && !super::reach::is_inside() {
            // Those who are inside settle when they leave; the others' shards are settled here.
            self.doors().iter().for_each(|door| drop(door.enter()));
        }
    }

    /// Whether memory is used up and nothing may go: writes that take memory are refused. Makes room where it can.
    ///
    /// Enters shards, so the caller must be in none.
    ///
    /// # Errors
    /// [`CommandError::OutOfMemory`].
    #[inline]
    pub(crate) fn make_room(&self) -> Result<(), CommandError> {
        if self.memory().is_exceeded() { self.evict() } else { Ok(()) }
    }

    #[cold]
    fn evict(&self) -> Result<(), CommandError> {
        let Some(how) = eviction(self.settings()) else { return Err(CommandError::OutOfMemory) };
        let (memory, watch) = (self.memory(), Stopwatch::start());
        let budget = time_limit(self.settings().maxmemory_eviction_tenacity());
        let now_ms = self.clock().now_ms();
        // Shards in a row that had nothing to give.
        let mut barren = 0;
        while memory.is_exceeded() {
            let turn = memory.turn.fetch_add(1, Ordering::Relaxed) % self.doors().len();
            let mut shard = self.door(turn).enter();
            let mut victims = 0;
            while victims < VICTIMS_PER_STAY && shard.evict(how, now_ms) {
                victims += 1;
                memory.settle(&mut shard);
                if !memory.is_exceeded() {
                    break;
                }
            }
            let garbage = shard.take_garbage();
            self.leave_and_tell(shard);
            self.cycles().discard(garbage);
            barren = if victims == 0 { barren + 1 } else { 0 };
            if barren == self.doors().len() {
                return if memory.is_exceeded() { Err(CommandError::OutOfMemory) } else { Ok(()) };
            }
            if budget.is_some_and(|budget| watch.elapsed() > budget) {
                // The next command goes on; this one has done its share.
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether memory is used up, for those who are inside and can make no room.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        self.memory().is_exceeded()
    }
}

impl Reach<'_, '_> {
    /// The share of `maxmemory` that is used, in bytes, as eviction counts it.
    #[must_use]
    pub fn counted_bytes(&self) -> usize {
        usize::try_from(self.memory().used.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

/// How victims are chosen; `None` where none may go.
pub(super) fn eviction(settings: &Settings) -> Option<Eviction> {
    let (measure, volatile) = match settings.maxmemory_policy() {
        EvictionPolicy::VolatileLru => (Measure::Lru, true),
        EvictionPolicy::VolatileLfu => (Measure::Lfu, true),
        EvictionPolicy::VolatileRandom => (Measure::Random, true),
        EvictionPolicy::VolatileTtl => (Measure::Ttl, true),
        EvictionPolicy::AllkeysLru => (Measure::Lru, false),
        EvictionPolicy::AllkeysLfu => (Measure::Lfu, false),
        EvictionPolicy::AllkeysRandom => (Measure::Random, false),
        EvictionPolicy::Noeviction if settings.cache_mode() => (Measure::Lru, false),
        EvictionPolicy::Noeviction => return None,
    };
    Some(Eviction { measure, volatile, samples: settings.maxmemory_samples() })
}

/// How accesses are counted, where the policy asks for their frequency.
pub(super) fn lfu(settings: &Settings) -> Option<Lfu> {
    let counted = eviction(settings).is_some_and(|how| how.measure == Measure::Lfu);
    counted.then(|| Lfu { log_factor: settings.lfu_log_factor(), decay_minutes: settings.lfu_decay_time() })
}

/// As Redis: up to 10 linear to half a millisecond, then by 15 % a step, and no limit at 100.
fn time_limit(tenacity: u32) -> Option<Duration> {
    match tenacity {
        0..=10 => Some(Duration::from_micros(50 * u64::from(tenacity))),
        11..100 => Some(Duration::from_micros((500.0 * 1.15f64.powi(tenacity as i32 - 10)) as u64)),
        _ => None,
    }
}

//! Counters of the engine that belong to no shard, and those of all shards added up.

use super::acl::Reason;
use super::{Engine, Reach};
use crate::command::error::CommandError;
use crate::command::table::TABLE;
use crate::shard::ShardStats;
use dashmap::DashMap;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Different error codes that are counted; a peer cannot make more.
const ERROR_CODES_MAX: usize = 128;
/// `instantaneous_ops_per_sec` is the mean over this many samples.
const RATE_SAMPLES: usize = 16;
/// Least time between two samples.
const RATE_PERIOD_MS: u64 = 100;
/// Every so many samples somebody looks at the memory used, for its peak.
const MEMORY_PERIOD: u64 = 10;

/// The engine's own counters. All are relaxed: they are shown, and decide nothing.
#[derive(Debug)]
pub struct Stats {
    /// Calls per command that ran over no single shard, by the command's number.
    pub calls: Box<[AtomicU64]>,
    /// Failed calls per command.
    pub failed: Box<[AtomicU64]>,
    /// Sampled time per command: nanoseconds and samples.
    times: Box<[(AtomicU64, AtomicU64)]>,
    /// Calls refused before they ran, per command.
    pub rejected_calls: Box<[AtomicU64]>,
    /// Commands refused before they ran, unknown ones included.
    pub rejected: AtomicU64,
    /// Error replies in all.
    pub errors: AtomicU64,
    /// Error replies by code.
    pub error_codes: DashMap<String, u64>,
    /// Clients that wait.
    pub blocked: AtomicUsize,
    /// Connections accepted.
    pub connections: AtomicU64,
    /// Connections refused.
    pub connections_rejected: AtomicU64,
    /// Clients closed because of `maxmemory-clients`.
    pub clients_evicted: AtomicU64,
    /// Bytes that clients' buffers take, as far as they have been counted.
    pub client_bytes: AtomicUsize,
    /// Bytes read from clients.
    pub bytes_in: AtomicU64,
    /// Bytes written to clients.
    pub bytes_out: AtomicU64,
    /// Reads from sockets.
    pub reads: AtomicU64,
    /// Writes to sockets.
    pub writes: AtomicU64,
    rate_due_ms: AtomicU64,
    samples: AtomicU64,
    rates: Mutex<VecDeque<Sample>>,
    /// What `CONFIG RESETSTAT` takes off the shards' counters.
    base: Mutex<Totals>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at_ms: u64,
    commands: u64,
    bytes_in: u64,
    bytes_out: u64,
}

/// Rates a second, as `INFO stats` shows them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// Commands.
    pub commands: f64,
    /// Bytes read.
    pub bytes_in: f64,
    /// Bytes written.
    pub bytes_out: f64,
}

/// One command's line in `INFO commandstats`.
#[derive(Clone, Debug, Default)]
pub struct CommandStats {
    /// Times it ran.
    pub calls: u64,
    /// Times it ran and failed.
    pub failed: u64,
    /// Times it was refused before it ran.
    pub rejected: u64,
    /// Mean time of a call, from samples, in microseconds.
    pub usec_per_call: f64,
}

/// Counters of all shards together.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Keys that expired.
    pub expired: u64,
    /// Keys removed to make room.
    pub evicted: u64,
    /// Fields of hashes that expired.
    pub expired_fields: u64,
    /// Changes.
    pub dirty: u64,
    /// Commands that ran.
    pub commands: u64,
    /// Calls per command, by number.
    pub calls: Vec<u64>,
    /// Failed calls per command, by number.
    pub failed: Vec<u64>,
}

impl Default for Stats {
    fn default() -> Self {
        let zeros = || (0..TABLE.count()).map(|_| AtomicU64::new(0)).collect();
        Self {
            calls: zeros(),
            failed: zeros(),
            rejected_calls: zeros(),
            times: (0..TABLE.count()).map(|_| Default::default()).collect(),
            rejected: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            error_codes: DashMap::new(),
            blocked: AtomicUsize::new(0),
            connections: AtomicU64::new(0),
            connections_rejected: AtomicU64::new(0),
            clients_evicted: AtomicU64::new(0),
            client_bytes: AtomicUsize::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            rate_due_ms: AtomicU64::new(0),
            samples: AtomicU64::new(0),
            rates: Mutex::default(),
            base: Mutex::default(),
        }
    }
}

impl Stats {
    pub(crate) fn note_error(&self, command: Option<usize>, error: &CommandError) {
        self.errors.fetch_add(1, Ordering::Relaxed);
        if let Some(failed) = command.and_then(|id| self.failed.get(id)) {
            failed.fetch_add(1, Ordering::Relaxed);
        }
        let text = error.to_string();
        let code = text.split(' ').next().unwrap_or_default();
        if let Some(mut count) = self.error_codes.get_mut(code) {
            *count += 1;
        } else if self.error_codes.len() < ERROR_CODES_MAX {
            *self.error_codes.entry(code.to_owned()).or_default() += 1;
        }
    }

    /// Counts a call of a command that was refused before it ran.
    pub(super) fn note_rejected(&self, command: usize) {
        if let Some(rejected) = self.rejected_calls.get(command) {
            rejected.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn note_time(&self, command: usize, time: Duration) {
        let (nanoseconds, samples) = &self.times[command];
        nanoseconds.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
        samples.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a sample of the rates where one is due; called by whoever is busy, so that nobody wakes up for it.
    #[inline]
    pub(super) fn sample_rate(&self, engine: &Engine, now_ms: u64) {
        let due_ms = self.rate_due_ms.load(Ordering::Relaxed);
        if now_ms >= due_ms
            && self
                .rate_due_ms
                .compare_exchange(due_ms, now_ms + RATE_PERIOD_MS, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.take_sample(engine, now_ms);
        }
    }

    #[cold]
    fn take_sample(&self, engine: &Engine, now_ms: u64) {
        let with_memory = self.samples.fetch_add(1, Ordering::Relaxed).is_multiple_of(MEMORY_PERIOD);
        let mut commands: u64 = self.calls.iter().map(|calls| calls.load(Ordering::Relaxed)).sum();
        let mut used = 0;
        let visited = engine.each_shard_unless_busy(|shard| {
            commands += shard.stats.calls.iter().sum::<u64>();
            if with_memory {
                used += shard.used_bytes();
            }
        });
        if visited.is_err() {
            return;
        }
        engine.memory_peak.fetch_max(used, Ordering::Relaxed);
        let sample = self.sample(now_ms, commands);
        let mut rates = self.rates.lock();
        if rates.len() == RATE_SAMPLES {
            rates.pop_front();
        }
        rates.push_back(sample);
    }

    fn sample(&self, at_ms: u64, commands: u64) -> Sample {
        Sample {
            at_ms,
            commands,
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
        }
    }

    /// Rates over the last seconds.
    #[must_use]
    pub fn rates(&self, engine: &mut Reach<'_, '_>) -> Rates {
        const WINDOW_MS: u64 = 2_000;
        let now = self.sample(engine.clock().now_ms(), engine.commands_total());
        let rates = self.rates.lock();
        // Samples are taken only while something runs: the newest one before the window stands for its beginning.
        let Some(first) = rates.iter().rev().find(|s| s.at_ms + WINDOW_MS <= now.at_ms).or(rates.front())
        else {
            return Rates::default();
        };
        // Less than a second says nothing about a rate a second.
        let seconds = (now.at_ms.saturating_sub(first.at_ms)).max(1_000) as f64 / 1000.0;
        let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
        Rates {
            commands: rate(now.commands, first.commands),
            bytes_in: rate(now.bytes_in, first.bytes_in),
            bytes_out: rate(now.bytes_out, first.bytes_out),
        }
    }
}

impl Engine {
    /// All shards' counters since the start or the last [`Engine::reset_stats`]. Enters one shard after another.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Reach::outside(self).totals()
    }

    /// `CONFIG RESETSTAT`.
    pub fn reset_stats(&self) {
        Reach::outside(self).reset_stats();
    }

    /// One command's figures, by its number, out of [`Engine::totals`]; zeros for a number that none has.
    #[must_use]
    pub fn command_stats(&self, totals: &Totals, id: usize) -> CommandStats {
        let stats = self.stats();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (nanoseconds, samples) =
            stats.times.get(id).map_or((0, 0), |(ns, samples)| (load(ns), load(samples)));
        CommandStats {
            calls: totals.calls.get(id).copied().unwrap_or(0),
            failed: totals.failed.get(id).copied().unwrap_or(0),
            rejected: stats.rejected_calls.get(id).map_or(0, load),
            usec_per_call: if samples == 0 { 0.0 } else { nanoseconds as f64 / samples as f64 / 1000.0 },
        }
    }
}

impl Reach<'_, '_> {
    /// Commands that ran since the start. O(shards).
    #[must_use]
    pub fn commands_total(&mut self) -> u64 {
        let mut total: u64 = self.stats().calls.iter().map(|calls| calls.load(Ordering::Relaxed)).sum();
        self.each_shard(|shard| total += shard.stats.calls.iter().sum::<u64>());
        total
    }

    /// [`Engine::totals`].
    #[must_use]
    pub fn totals(&mut self) -> Totals {
        let mut totals = self.raw_totals();
        let base = self.stats().base.lock();
        let less = |value: &mut u64, base: u64| *value = value.saturating_sub(base);
        less(&mut totals.hits, base.hits);
        less(&mut totals.misses, base.misses);
        less(&mut totals.expired, base.expired);
        less(&mut totals.evicted, base.evicted);
        less(&mut totals.expired_fields, base.expired_fields);
        less(&mut totals.commands, base.commands);
        for (value, base) in totals.calls.iter_mut().zip(&base.calls) {
            less(value, *base);
        }
        for (value, base) in totals.failed.iter_mut().zip(&base.failed) {
            less(value, *base);
        }
        totals
    }

    fn raw_totals(&mut self) -> Totals {
        let load = |counters: &[AtomicU64]| counters.iter().map(|c| c.load(Ordering::Relaxed)).collect();
        let mut totals = Totals {
            calls: load(&self.stats().calls),
            failed: load(&self.stats().failed),
            ..Totals::default()
        };
        self.each_shard(|shard| {
            let ShardStats { hits, misses, expired, expired_fields, evicted, dirty, calls } = &shard.stats;
            totals.hits += hits;
            totals.misses += misses;
            totals.expired += expired;
            totals.expired_fields += expired_fields;
            totals.evicted += evicted;
            totals.dirty += dirty;
            totals.calls.iter_mut().zip(calls).for_each(|(total, calls)| *total += calls);
        });
        totals.commands = totals.calls.iter().sum();
        totals
    }

    /// [`Engine::reset_stats`].
    pub fn reset_stats(&mut self) {
        let totals = self.raw_totals();
        *self.stats().base.lock() = totals;
        let stats = self.stats();
        for counter in [
            &stats.rejected,
            &stats.errors,
            &stats.connections,
            &stats.connections_rejected,
            &stats.clients_evicted,
            &stats.bytes_in,
            &stats.bytes_out,
            &stats.reads,
            &stats.writes,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
        stats.rejected_calls.iter().for_each(|rejected| rejected.store(0, Ordering::Relaxed));
        for (nanoseconds, samples) in &stats.times {
            nanoseconds.store(0, Ordering::Relaxed);
            samples.store(0, Ordering::Relaxed);
        }
        for reason in [Reason::Command, Reason::Key, Reason::Channel, Reason::Auth] {
            self.acl().log().denied(reason).store(0, Ordering::Relaxed);
        }
        self.latency().reset_distributions();
        stats.error_codes.clear();
        stats.rates.lock().clear();
    }
}

//! Figures: now, and over time.
//!
//! Once a second a sample is taken, which costs a look into each shard. The last quarter of an hour is kept by the
//! second, the last day by the minute.

use super::Console;
use super::auth::Who;
use super::failure::Failure;
use crate::clock::Stopwatch;
use crate::command::info;
use crate::engine::Reach;
use axum::Json;
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Time between two samples.
const PERIOD: Duration = Duration::from_secs(1);
/// Samples by the second, and by the minute.
const SECONDS_MAX: usize = 15 * 60;
const MINUTES_MAX: usize = 24 * 60;

/// Counters and gauges at one moment.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    at_ms: u64,
    commands: u64,
    hits: u64,
    misses: u64,
    bytes_in: u64,
    bytes_out: u64,
}

/// What is plotted: rates between two readings, and gauges.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Sample {
    /// Unix ms.
    pub at: u64,
    /// Commands a second.
    pub ops: f64,
    /// Per cent of lookups that found their key; null where there was none.
    pub hit_rate: Option<f64>,
    /// Bytes that data takes.
    pub memory: u64,
    /// Connected clients.
    pub clients: u64,
    /// Keys in all databases.
    pub keys: u64,
    /// Bytes a second.
    pub bytes_in: f64,
    /// Bytes a second.
    pub bytes_out: f64,
    /// How long it took to look into every shard, ms.
    pub latency: f64,
}

#[derive(Debug, Default)]
pub(super) struct History(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    last: Option<Reading>,
    seconds: VecDeque<Sample>,
    minutes: VecDeque<Sample>,
    /// The reading at the beginning of the minute.
    minute: Option<Reading>,
}

impl History {
    fn newest(&self) -> Sample {
        self.0.lock().seconds.back().copied().unwrap_or_default()
    }
}

/// Takes samples while the console lives.
pub(super) fn sample(console: &Arc<Console>) {
    let weak: Weak<Console> = Arc::downgrade(console);
    tokio::spawn(async move {
        let mut every = tokio::time::interval(PERIOD);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            every.tick().await;
            let Some(console) = weak.upgrade() else { return };
            console.take_sample();
        }
    });
}

impl Console {
    fn take_sample(&self) {
        let engine = &self.engine;
        let watch = Stopwatch::start();
        let keys: usize = (0..engine.databases()).map(|db| engine.keys_len(db).0).sum();
        // One look at every shard for each database: what one of them takes is what somebody waits for a command.
        let latency = watch.elapsed().as_secs_f64() * 1000.0 / engine.databases().max(1) as f64;
        let totals = engine.totals();
        let stats = engine.stats();
        let load =
            |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
        let now = Reading {
            at_ms: engine.clock().now_ms(),
            commands: totals.commands,
            hits: totals.hits,
            misses: totals.misses,
            bytes_in: load(&stats.bytes_in),
            bytes_out: load(&stats.bytes_out),
        };
        let gauges = Sample {
            at: now.at_ms,
            memory: engine.memory_bytes() as u64,
            clients: engine.clients_len() as u64,
            keys: keys as u64,
            latency,
            ..Sample::default()
        };
        let mut kept = self.history.0.lock();
        let last = kept.last.replace(now).unwrap_or(now);
        keep(&mut kept.seconds, between(last, now, gauges), SECONDS_MAX);
        let begun = *kept.minute.get_or_insert(now);
        if now.at_ms.saturating_sub(begun.at_ms) >= 60_000 {
            kept.minute = Some(now);
            keep(&mut kept.minutes, between(begun, now, gauges), MINUTES_MAX);
        }
    }

    /// `INFO everything`, by name.
    pub(super) fn info(&self) -> HashMap<String, String> {
        let text = info::text(&mut Reach::outside(&self.engine), &[b"everything"]);
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
    }

    /// How long it takes to be served by every shard in turn, ms.
    pub(super) fn latency_ms(&self) -> f64 {
        let watch = Stopwatch::start();
        let _ = self.engine.keys_len(0);
        watch.elapsed().as_secs_f64() * 1000.0
    }

    fn now(&self) -> Value {
        let fields = self.info();
        let text = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let number = |name: &str| number(&fields, name);
        let (hits, misses) = (number("keyspace_hits"), number("keyspace_misses"));
        let databases: Vec<Value> = (0..self.engine.databases())
            .filter_map(|db| {
                let (keys, expires) = self.engine.keys_len(db);
                (keys > 0).then(|| json!({ "db": db, "keys": keys, "expires": expires }))
            })
            .collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_s": number("uptime_in_seconds"),
            "sample": self.history.newest(),
            "databases": databases,
            "shards": self.engine.shards(),
            "health": health_of(&fields),
            "hit_rate": percent(hits, hits + misses),
            "hits": hits,
            "misses": misses,
            "commands": number("total_commands_processed"),
            "connections": number("total_connections_received"),
            "rejected_connections": number("rejected_connections"),
            "clients": number("connected_clients"),
            "blocked": number("blocked_clients"),
            "errors": number("total_error_replies"),
            "expired": number("expired_keys"),
            "evicted": number("evicted_keys"),
            "memory": {
                "used": number("used_memory"),
                "peak": number("used_memory_peak"),
                "resident": number("used_memory_rss"),
                "max": number("maxmemory"),
                "machine": number("total_system_memory"),
                "policy": text("maxmemory_policy"),
                "fragmentation": number("mem_fragmentation_ratio"),
            },
            "cpu": { "user_s": number("used_cpu_user"), "system_s": number("used_cpu_sys") },
            "snapshot": {
                "running": number("rdb_bgsave_in_progress") > 0.0,
                "percent": number("current_fork_perc"),
                "last_at": number("rdb_last_save_time"),
                "last_ok": text("rdb_last_bgsave_status") == "ok",
                "last_s": number("rdb_last_bgsave_time_sec"),
                "saves": number("rdb_saves"),
                "changes": number("rdb_changes_since_last_save"),
            },
            "journal": {
                "on": number("aof_enabled") > 0.0,
                "ok": text("aof_last_write_status") == "ok",
                "bytes": number("aof_current_size"),
                "buffered": number("aof_buffer_length"),
            },
        })
    }
}

/// A number of `INFO`; 0 where there is none.
pub(super) fn number(fields: &HashMap<String, String>, name: &str) -> f64 {
    fields
        .get(name)
        .and_then(|value| value.parse::<f64>().ok())
        .filter(|value| value.is_finite())
        .unwrap_or(0.0)
}

/// What is wrong, in words; empty where nothing is.
fn health_of(fields: &HashMap<String, String>) -> Vec<&'static str> {
    let is = |name: &str, value: &str| fields.get(name).is_some_and(|found| found == value);
    let (used, max) = (number(fields, "used_memory"), number(fields, "maxmemory"));
    let checks = [
        (is("loading", "1"), "data is being loaded"),
        (is("rdb_last_bgsave_status", "err"), "the last snapshot failed"),
        (is("aof_last_write_status", "err"), "the journal cannot be written"),
        (max > 0.0 && used > max * 0.95, "memory is nearly used up"),
    ];
    checks.into_iter().filter(|(wrong, _)| *wrong).map(|(_, what)| what).collect()
}

pub(super) fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole * 100.0 } else { 0.0 }
}

fn between(then: Reading, now: Reading, gauges: Sample) -> Sample {
    // Counters go back to zero with CONFIG RESETSTAT.
    let more = |now: u64, then: u64| now.saturating_sub(then) as f64;
    let seconds = (now.at_ms.saturating_sub(then.at_ms)).max(1) as f64 / 1000.0;
    let (hits, misses) = (more(now.hits, then.hits), more(now.misses, then.misses));
    Sample {
        ops: more(now.commands, then.commands) / seconds,
        hit_rate: (hits + misses > 0.0).then(|| percent(hits, hits + misses)),
        bytes_in: more(now.bytes_in, then.bytes_in) / seconds,
        bytes_out: more(now.bytes_out, then.bytes_out) / seconds,
        ..gauges
    }
}

fn keep(samples: &mut VecDeque<Sample>, sample: Sample, max: usize) {
    if samples.len() >= max {
        samples.pop_front();
    }
    samples.push_back(sample);
}

// ---- Requests -------------------------------------------------------------------------------------------------

fn may_see(console: &Console, who: &Who) -> Result<(), Failure> {
    if console.may(&who.user, &[b"INFO"]) {
        return Ok(());
    }
    Err(Failure::forbidden("forbidden", "this takes a user who may INFO"))
}

pub(super) async fn overview(State(console): State<Arc<Console>>, who: Who) -> Result<Json<Value>, Failure> {
    may_see(&console, &who)?;
    Ok(Json(console.now()))
}

#[derive(Debug, Deserialize)]
pub(super) struct Span {
    span: Option<String>,
}

pub(super) async fn history(
    State(console): State<Arc<Console>>,
    who: Who,
    Query(span): Query<Span>,
) -> Result<Json<Value>, Failure> {
    may_see(&console, &who)?;
    let kept = console.history.0.lock();
    let samples: Vec<Sample> = match span.span.as_deref() {
        Some("day") => kept.minutes.iter().copied().collect(),
        _ => kept.seconds.iter().copied().collect(),
    };
    Ok(Json(json!({ "samples": samples })))
}

/// The overview once a second, for as long as somebody listens.
pub(super) async fn live(
    State(console): State<Arc<Console>>,
    who: Who,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    may_see(&console, &who)?;
    let every = tokio::time::interval(PERIOD);
    // The stream must not keep a console alive that was taken down.
    let events = unfold((every, Arc::downgrade(&console), who), |(mut every, weak, who)| async move {
        every.tick().await;
        let console = weak.upgrade()?;
        // What the user may do can change meanwhile.
        may_see(&console, &who).ok()?;
        let event = Event::default().json_data(console.now()).ok()?;
        drop(console);
        Some((Ok(event), (every, weak, who)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

//! Health, figures and clearing in the form that existing clients of the music application expect, and the probes of
//! whoever runs the process.
//!
//! The shapes are a contract: clients of different age read them, so that fields are added and never taken away, counts are
//! JSON's integers, and no rate is null. `tests/console.rs` holds them.

use super::Console;
use super::ask::int;
use super::auth::{Admin, Who};
use super::census::is_name;
use super::failure::Failure;
use super::figures::{number, percent};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// From here on an answer is slow, ms.
const SLOW_MS: f64 = 100.0;
/// Keys that are deleted in one go.
const STEP: usize = 500;
/// What others have between two steps.
const PAUSE: Duration = Duration::from_millis(1);

#[derive(Debug, Deserialize)]
pub(super) struct Probe {
    probe: Option<String>,
}

/// How it fares. Always 200, because clients give up all of a dashboard for one other status; with `?probe=1` 503 where it
/// is not available.
pub(super) async fn health(
    State(console): State<Arc<Console>>,
    _: Who,
    Query(probe): Query<Probe>,
) -> Response {
    let latency_ms = console.latency_ms();
    let loading = console.engine.persistence().loading().is_some();
    let refuses = console.engine.persistence().refuses_writes() || console.engine.journal().refuses();
    let (connected, status, message) = if loading {
        (false, "unavailable", "data is being loaded".to_owned())
    } else if refuses {
        (true, "degraded", "writes are refused, because the disk cannot be written to".to_owned())
    } else if latency_ms > SLOW_MS {
        (true, "slow", format!("an answer takes {latency_ms:.0} ms"))
    } else {
        (true, "healthy", "damselfly answers".to_owned())
    };
    let asked = probe.probe.as_deref().is_some_and(|probe| probe != "0");
    let code = if asked && !connected { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let latency_ms = (latency_ms * 1000.0).round() / 1000.0;
    let body =
        json!({ "connected": connected, "latency_ms": latency_ms, "message": message, "status": status });
    (code, Json(body)).into_response()
}

/// Sections of figures, under Redis' names.
pub(super) async fn stats(State(console): State<Arc<Console>>, _: Who) -> Json<Value> {
    let fields = console.info();
    let (hits, misses) = (number(&fields, "keyspace_hits"), number(&fields, "keyspace_misses"));
    let mut stats = section(
        &fields,
        "keyspace_hits keyspace_misses instantaneous_ops_per_sec total_commands_processed \
         total_connections_received expired_keys evicted_keys rejected_connections total_net_input_bytes \
         total_net_output_bytes total_error_replies",
    );
    stats["hit_rate"] = json!((percent(hits, hits + misses) * 100.0).round() / 100.0);
    let mut keyspace = serde_json::Map::new();
    // db0 is there even where it is empty: clients read it without asking.
    for db in 0..console.engine.databases() {
        let (keys, expires) = console.engine.keys_len(db);
        if db == 0 || keys > 0 {
            keyspace.insert(format!("db{db}"), json!({ "keys": keys, "expires": expires }));
        }
    }
    Json(json!({
        "memory": section(
            &fields,
            "used_memory used_memory_human used_memory_peak used_memory_peak_human used_memory_rss \
             used_memory_rss_human maxmemory maxmemory_human maxmemory_policy mem_fragmentation_ratio",
        ),
        "clients": section(&fields, "connected_clients blocked_clients maxclients"),
        "keyspace": keyspace,
        "server": section(
            &fields,
            "uptime_in_seconds uptime_in_days redis_version damselfly_version process_id tcp_port",
        ),
        "stats": stats,
        "cpu": section(&fields, "used_cpu_sys used_cpu_user"),
        "dashboard": console.dashboard(&fields),
    }))
}

/// These fields of `INFO`: numbers as numbers, the rest as text.
fn section(fields: &HashMap<String, String>, names: &str) -> Value {
    let value = |text: &String| {
        let whole = text.parse::<i64>().ok().map(|number| json!(number));
        whole.or_else(|| text.parse::<f64>().ok().map(|number| json!(number))).unwrap_or_else(|| json!(text))
    };
    // A version of digits and one point would read as a number.
    let is_text = |name: &str| name.ends_with("_human") || name.ends_with("_version");
    let pairs = names.split_whitespace().filter_map(|name| {
        let text = fields.get(name)?;
        Some((name.to_owned(), if is_text(name) { json!(text) } else { value(text) }))
    });
    Value::Object(pairs.collect())
}

impl Console {
    /// The five strings of the owner's dashboard, and the numbers behind them.
    fn dashboard(&self, fields: &HashMap<String, String>) -> Value {
        #[cfg(feature = "domain")]
        if let Some(metrics) = &self.options.metrics {
            let memory = number(fields, "used_memory") as u64;
            return serde_json::to_value(metrics.dashboard(memory)).unwrap_or_default();
        }
        let (hits, misses) = (number(fields, "keyspace_hits"), number(fields, "keyspace_misses"));
        let (calls, errors) =
            (number(fields, "total_commands_processed"), number(fields, "total_error_replies"));
        let memory = number(fields, "used_memory");
        let keys: usize = (0..self.engine.databases()).map(|db| self.engine.keys_len(db).0).sum();
        let latency_ms = self.latency_ms();
        let (hit_rate, error_rate) = (percent(hits, hits + misses), percent(errors, calls));
        json!({
            "cache_hit_rate": format!("{hit_rate:.1}%"),
            "avg_response_time": format!("{latency_ms:.1}ms"),
            "total_cached_items": short_count(keys as f64),
            "memory_usage": short_bytes(memory),
            "error_rate": format!("{error_rate:.1}%"),
            "raw": {
                "hit_rate": hit_rate / 100.0,
                "avg_response_ms": latency_ms,
                "items": keys,
                "memory_bytes": memory as u64,
                "error_rate": error_rate / 100.0,
                "fallback_rate": 0.0,
            },
        })
    }
}

/// `999`, `1.2K`, `1.2M`, `1.2B`.
fn short_count(count: f64) -> String {
    match count {
        count if count < 1e3 => format!("{count:.0}"),
        count if count < 1e6 => format!("{:.1}K", count / 1e3),
        count if count < 1e9 => format!("{:.1}M", count / 1e6),
        count => format!("{:.1}B", count / 1e9),
    }
}

/// Whole megabytes; kilobytes and gigabytes outside of their range.
fn short_bytes(bytes: f64) -> String {
    const MB: f64 = 1_048_576.0;
    match bytes {
        bytes if bytes < MB => format!("{:.0}KB", (bytes / 1024.0).floor()),
        bytes if bytes < 1024.0 * MB => format!("{:.0}MB", (bytes / MB).floor()),
        bytes => format!("{:.1}GB", bytes / MB / 1024.0),
    }
}

/// Namespaces as services: name, keys, hit rate in per cent, and when that was so.
pub(super) async fn services(State(console): State<Arc<Console>>, _: Who) -> Json<Value> {
    let counts = console.counts().await;
    let at = iso(counts.at_ms);
    let services: Value = named(&console, &counts.namespaces)
        .into_iter()
        .map(|(name, keys)| {
            let hit_rate = (console.hit_rate(&name).0 * 10.0).round() / 10.0;
            json!({ "name": name, "key_count": keys, "hit_rate": hit_rate, "last_updated": at })
        })
        .collect();
    Json(json!({ "services": services }))
}

/// Keys by namespace.
pub(super) async fn keys(State(console): State<Arc<Console>>, _: Who) -> Json<Value> {
    let counts = console.counts().await;
    let keys: Value = named(&console, &counts.namespaces)
        .into_iter()
        .map(|(name, count)| json!({ "namespace": name, "count": count }))
        .collect();
    let total: usize = (0..console.engine.databases()).map(|db| console.engine.keys_len(db).0).sum();
    Json(json!({ "keys": keys, "total": total }))
}

/// Namespaces that are known, and those that have keys.
fn named(console: &Console, counts: &std::collections::BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut all = counts.clone();
    for known in console.census.known() {
        all.entry(known.name.clone()).or_insert(0);
    }
    all.into_iter().collect()
}

#[derive(Debug, Deserialize)]
pub(super) struct Force {
    force: Option<String>,
}

/// Deletes a namespace's keys. What exists nowhere else, and what is not known, takes `?force=true`.
pub(super) async fn clear(
    State(console): State<Arc<Console>>,
    Admin(who): Admin,
    Path(name): Path<String>,
    Query(force): Query<Force>,
) -> Result<Json<Value>, Failure> {
    if !is_name(name.as_bytes()) {
        return Err(Failure::bad("bad_namespace", "a namespace is [a-z][a-z0-9_-]{0,31}"));
    }
    let keeping = console.census.keeping(&name);
    if keeping.is_none() && !console.counts().await.namespaces.contains_key(&name) {
        return Err(Failure::not_found(format!("there is no namespace '{name}'")));
    }
    let forced = force.force.as_deref() == Some("true");
    if !forced && !keeping.is_some_and(super::census::Keeping::is_cleared) {
        let why = match keeping {
            Some(keeping) => format!("'{name}' is {}: its keys exist nowhere else", keeping.word()),
            None => format!("nothing is known of '{name}'"),
        };
        return Err(Failure::new(
            StatusCode::CONFLICT,
            "protected",
            why + "; force=true deletes them all the same",
        ));
    }
    let cleared = console.clear(&who, &name).await?;
    console.count_anew().await;
    tracing::info!("the console cleared the namespace '{name}': {cleared} keys");
    Ok(Json(json!({
        "success": true,
        "message": format!("cleared {cleared} keys of '{name}'"),
        "cleared_count": cleared,
        "namespace": name,
    })))
}

/// Deletes the keys of all namespaces that may vanish or can be built anew.
pub(super) async fn clear_all(
    State(console): State<Arc<Console>>,
    Admin(who): Admin,
) -> Result<Json<Value>, Failure> {
    let known = console.census.known().iter().filter(|known| known.keeping.is_cleared());
    let names: Vec<String> = known.map(|known| known.name.clone()).collect();
    let mut cleared = 0;
    for name in &names {
        cleared += console.clear(&who, name).await?;
    }
    console.count_anew().await;
    tracing::info!("the console cleared all caches: {cleared} keys");
    let message = format!("cleared {cleared} keys of {} namespaces", names.len());
    Ok(Json(json!({ "success": true, "message": message, "cleared_count": cleared })))
}

impl Console {
    /// Deletes a namespace's keys in all databases, as this user, a few at a time.
    async fn clear(&self, who: &Who, name: &str) -> Result<i64, Failure> {
        let mut cleared = 0;
        for number in 0..self.engine.databases() {
            if self.engine.keys_len(number).0 == 0 {
                continue;
            }
            let Ok(db) = self.db.select(number) else { continue };
            for prefix in [format!("{name}:"), format!("{{{name}:")] {
                // A namespace's name has none of a pattern's letters.
                let mut keys = db.scan().matching(format!("{prefix}*")).count(STEP);
                loop {
                    let some: Vec<_> = keys.by_ref().take(STEP).filter_map(Result::ok).collect();
                    if some.is_empty() {
                        break;
                    }
                    let mut argv: Vec<&[u8]> = vec![b"UNLINK"];
                    argv.extend(some.iter().map(|key| key.as_ref()));
                    cleared += int(&self.ask(&who.user, number, &argv)?);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        Ok(cleared)
    }
}

/// It lives: whoever restarts processes need not restart this one.
pub(super) async fn healthz(State(console): State<Arc<Console>>) -> &'static str {
    // Every shard has served by then.
    let _ = console.latency_ms();
    "ok\n"
}

/// It serves: whoever sends clients may send them here.
pub(super) async fn readyz(State(console): State<Arc<Console>>) -> Response {
    if console.engine.persistence().loading().is_some() {
        return (StatusCode::SERVICE_UNAVAILABLE, "loading\n").into_response();
    }
    "ready\n".into_response()
}

/// Unix ms as `2026-01-31T12:00:00Z`.
fn iso(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, so that a leap day is a year's last: civil_from_days by Howard Hinnant.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + carry;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_everybody_reads_them() {
        for (unix_ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(iso(unix_ms), text);
        }
    }

    #[test]
    fn the_dashboard_is_short() {
        assert_eq!((short_count(999.0), short_count(1_200_000.0)), ("999".to_owned(), "1.2M".to_owned()));
        assert_eq!((short_bytes(2048.0), short_bytes(277_872_640.0)), ("2KB".to_owned(), "265MB".to_owned()));
    }
}

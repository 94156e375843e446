//! The page's other panels: commands, slow log, clients, snapshots, namespaces, queues, sessions.

use super::Console;
use super::ask::{int, items, json_of, text};
use super::auth::{Admin, Who};
use super::failure::Failure;
use super::figures::percent;
use crate::command::table::{Entry, TABLE};
use crate::reply::Reply;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// Entries of the slow log, clients, dead jobs of a queue, sessions of a user that are shown.
const SLOW_MAX: usize = 128;
const CLIENTS_MAX: usize = 500;
const DEAD_MAX: usize = 20;
const SESSIONS_MAX: usize = 20;
/// Users and queues that are shown.
const USERS_MAX: usize = 100;

type Answer = Result<Json<Value>, Failure>;

fn must(console: &Console, who: &Who, argv: &[&[u8]]) -> Result<(), Failure> {
    if console.may(&who.user, argv) {
        return Ok(());
    }
    let name = argv.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>().join(" ");
    Err(Failure::forbidden("forbidden", &format!("this takes a user who may {name}")))
}

/// Commands that have run, the most frequent first.
pub(super) async fn commands(State(console): State<Arc<Console>>, who: Who) -> Answer {
    must(&console, &who, &[b"INFO"])?;
    let engine = &console.engine;
    let totals = engine.totals();
    let of = |entry: &Entry| {
        let stats = engine.command_stats(&totals, entry.id);
        let percentiles = engine.latency_percentiles(entry.id).unwrap_or_default();
        let at = |wanted: f64| {
            percentiles.iter().find(|(percent, _)| *percent == wanted).map(|(_, ns)| *ns as f64 / 1000.0)
        };
        json!({
            "name": entry.full_name.replace('|', " "),
            "calls": stats.calls,
            "failed": stats.failed,
            "rejected": stats.rejected,
            "mean_us": stats.usec_per_call,
            "p50_us": at(50.0),
            "p99_us": at(99.0),
        })
    };
    let ran = |entry: &Entry| {
        let stats = engine.command_stats(&totals, entry.id);
        stats.calls + stats.rejected > 0
    };
    let mut entries: Vec<&Entry> =
        TABLE.entries().iter().flat_map(|entry| std::iter::once(entry).chain(&entry.subcommands)).collect();
    entries.retain(|entry| ran(entry));
    entries.sort_by_key(|entry| std::cmp::Reverse(engine.command_stats(&totals, entry.id).calls));
    Ok(Json(json!({ "commands": entries.into_iter().map(of).collect::<Value>() })))
}

/// The slow log, the newest first.
pub(super) async fn slowlog(State(console): State<Arc<Console>>, who: Who) -> Answer {
    must(&console, &who, &[b"SLOWLOG", b"GET"])?;
    let log = console.engine.slowlog();
    let entries: Value = log
        .newest(SLOW_MAX)
        .iter()
        .map(|entry| {
            let args: Vec<_> = entry.args.iter().map(|arg| String::from_utf8_lossy(arg)).collect();
            json!({
                "id": entry.id,
                "at": entry.at_s * 1000,
                "us": entry.duration_us,
                "command": args.join(" "),
                "addr": entry.addr,
                "client": String::from_utf8_lossy(&entry.name),
            })
        })
        .collect();
    let least = console.engine.settings().slowlog_log_slower_than();
    Ok(Json(json!({ "entries": entries, "slower_than_us": least })))
}

/// Forgets the slow log.
pub(super) async fn clear_slowlog(State(console): State<Arc<Console>>, Admin(who): Admin) -> Answer {
    console.ask(&who.user, 0, &[b"SLOWLOG", b"RESET"])?;
    Ok(Json(json!({ "cleared": true })))
}

/// Connected clients.
pub(super) async fn clients(State(console): State<Arc<Console>>, who: Who) -> Answer {
    must(&console, &who, &[b"CLIENT", b"LIST"])?;
    let now_ms = console.engine.clock().now_ms();
    let clients = console.engine.clients();
    let all = clients.len();
    let shown: Value = clients
        .iter()
        .take(CLIENTS_MAX)
        .map(|client| {
            let name = String::from_utf8_lossy(&client.labels.lock().name).into_owned();
            let user = client.user();
            json!({
                "id": client.id,
                "addr": client.peer.addr,
                "name": name,
                "user": String::from_utf8_lossy(user.name()),
                "idle_ms": now_ms.saturating_sub(client.active_ms.load(Relaxed)),
                "blocked": client.waiter().is_some(),
                "bytes": client.buffer_bytes(),
            })
        })
        .collect();
    Ok(Json(json!({ "clients": shown, "all": all })))
}

#[derive(Debug, Deserialize)]
pub(super) struct ClientId {
    id: u64,
}

/// Closes a client's connection.
pub(super) async fn kill_client(
    State(console): State<Arc<Console>>,
    Admin(who): Admin,
    Json(wanted): Json<ClientId>,
) -> Answer {
    let id = wanted.id.to_string();
    let killed = console.ask(&who.user, 0, &[b"CLIENT", b"KILL", b"ID", id.as_bytes()])?;
    Ok(Json(json!({ "killed": int(&killed) })))
}

/// Begins a snapshot.
pub(super) async fn save(State(console): State<Arc<Console>>, Admin(who): Admin) -> Answer {
    let reply = console.ask(&who.user, 0, &[b"BGSAVE"])?;
    Ok(Json(json!({ "message": text(&reply) })))
}

/// Namespaces that are known or have keys.
pub(super) async fn namespaces(State(console): State<Arc<Console>>, who: Who) -> Answer {
    must(&console, &who, &[b"SCAN", b"0"])?;
    let counts = console.counts().await;
    let mut names: Vec<&str> = counts.namespaces.keys().map(String::as_str).collect();
    names.extend(console.census.known().iter().map(|known| known.name.as_str()));
    names.sort_unstable();
    names.dedup();
    let rows: Value = names
        .into_iter()
        .map(|name| {
            let (hit_rate, of) = console.hit_rate(name);
            json!({
                "name": name,
                "keys": counts.namespaces.get(name).copied().unwrap_or(0),
                "keeping": console.census.keeping(name).map(super::census::Keeping::word),
                "hit_rate": hit_rate,
                "hit_rate_of": of,
            })
        })
        .collect();
    Ok(Json(json!({ "namespaces": rows, "others": counts.others, "at": counts.at_ms })))
}

impl Console {
    /// Per cent of lookups that found something, and of what: the namespace where a domain layer says so, else the
    /// server.
    pub(super) fn hit_rate(&self, name: &str) -> (f64, &'static str) {
        #[cfg(feature = "domain")]
        if let Some(metrics) = &self.options.metrics {
            let found = metrics.namespaces().into_iter().find(|figures| figures.name == name);
            return (found.map_or(0.0, |figures| figures.hit_rate), "namespace");
        }
        let _ = name;
        let totals = self.engine.totals();
        (percent(totals.hits as f64, (totals.hits + totals.misses) as f64), "server")
    }
}

/// Queues: how many jobs are where, and those that were given up.
pub(super) async fn queues(State(console): State<Arc<Console>>, who: Who) -> Answer {
    must(&console, &who, &[b"SCAN", b"0"])?;
    let counts = console.counts().await;
    let mut rows = Vec::new();
    for (db, name) in counts.queues.iter().take(USERS_MAX) {
        let key = |part: &str| format!("{{jobs:{name}}}:{part}").into_bytes();
        let ask = |argv: &[&[u8]]| console.ask(&who.user, *db, argv);
        let len = |part: &str| ask(&[b"ZCARD", &key(part)]).map(|len| int(&len));
        let mut dead = Vec::new();
        for id in items(ask(&[b"ZRANGE", &key("dead"), b"0", (DEAD_MAX - 1).to_string().as_bytes(), b"REV"])?)
        {
            let id = id.as_bytes().unwrap_or_default().to_vec();
            let of = |part: &str| ask(&[b"HGET", &key(part), &id]).unwrap_or(Reply::Null);
            dead.push(json!({
                "id": String::from_utf8_lossy(&id),
                "job": json_of(&of("jobs")),
                "error": last_error(&of("errors")),
                "attempts": field(&of("state"), 4).parse::<u64>().unwrap_or(0),
            }));
        }
        let paused = ask(&[b"HGET", &key("meta"), b"paused"]).is_ok_and(|paused| paused != Reply::Null);
        rows.push(json!({
            "name": name,
            "db": db,
            "ready": len("ready")?,
            "leased": len("leases")?,
            "delayed": len("delayed")?,
            "waiting": len("waiting")?,
            "dead": len("dead")?,
            "done": len("done")?,
            "paused": paused,
            "dead_jobs": dead,
        }));
    }
    Ok(Json(json!({ "queues": rows, "at": counts.at_ms })))
}

/// A field of a job's record, which ends each with 0x1f.
fn field(record: &Reply, number: usize) -> String {
    let bytes = record.as_bytes().unwrap_or_default();
    let field = bytes.split(|&byte| byte == 0x1f).nth(number).unwrap_or_default();
    String::from_utf8_lossy(field).into_owned()
}

/// The last thing that went wrong with a job, for people.
fn last_error(errors: &Reply) -> String {
    let bytes = errors.as_bytes().unwrap_or_default();
    let last = bytes.split(|&byte| byte == 0x1f).rev().find(|error| !error.is_empty()).unwrap_or_default();
    let parts = last.split(|&byte| byte == 0x1e).map(String::from_utf8_lossy);
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

/// Sessions by user, those that last longest first.
pub(super) async fn sessions(State(console): State<Arc<Console>>, who: Who) -> Answer {
    must(&console, &who, &[b"SCAN", b"0"])?;
    let counts = console.counts().await;
    let mut rows = Vec::new();
    for (db, user) in counts.users.iter().take(USERS_MAX) {
        let ask = |argv: &[&[u8]]| console.ask(&who.user, *db, argv);
        let key = |part: &str| format!("sessions:{{u:{user}}}:{part}").into_bytes();
        let all = key("all");
        let Ok(count) = ask(&[b"ZCARD", &all]) else { continue };
        let last = (SESSIONS_MAX - 1).to_string();
        let pairs = items(ask(&[b"ZRANGE", &all, b"0", last.as_bytes(), b"REV", b"WITHSCORES"])?);
        let mut sessions = Vec::new();
        for pair in pairs.into_iter().map(items) {
            let id = pair.first().map(text).unwrap_or_default();
            let session = key(&format!("s:{id}"));
            let fields = ask(&[b"HMGET", &session, b"made", b"seen", b"ends", b"device"]).map(items);
            let fields = fields.unwrap_or_default();
            let ms = |at: usize| fields.get(at).map(text).and_then(|text| text.parse::<u64>().ok());
            let device = fields.get(3).map(text).unwrap_or_default();
            sessions.push(json!({
                // A digest, yet enough to point at a session: its beginning will do.
                "id": id.chars().take(10).collect::<String>(),
                "made": ms(0),
                "seen": ms(1),
                "ends": ms(2),
                "device": serde_json::from_str::<Value>(&device).unwrap_or(Value::String(device)),
            }));
        }
        rows.push(json!({ "user": user, "db": db, "count": int(&count), "sessions": sessions }));
    }
    Ok(Json(json!({ "users": rows, "at": counts.at_ms })))
}

//! Figures in Prometheus' text form, made from `INFO` as `redis_exporter` makes them, under its names: a dashboard or an
//! alert that was written for that finds what it looks for. With `?prefix=dragonfly` they begin with `dragonfly_`, as
//! those of Dragonfly itself do.

use super::Console;
use super::auth::Who;
use super::failure::Failure;
use super::figures::number;
use crate::command::info::REDIS_VERSION;
use crate::command::table::{Entry, TABLE};
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt::{Display, Write as _};
use std::sync::Arc;

/// Fields of `INFO` that go up and down, each with its name here.
const GAUGES: &[(&str, &str)] = &[
    ("uptime_in_seconds", "uptime_in_seconds"),
    ("process_id", "process_id"),
    ("io_threads_active", "io_threads_active"),
    ("connected_clients", "connected_clients"),
    ("blocked_clients", "blocked_clients"),
    ("tracking_clients", "tracking_clients"),
    ("maxclients", "max_clients"),
    ("clients_in_timeout_table", "clients_in_timeout_table"),
    ("total_blocking_keys", "total_blocking_keys"),
    ("client_recent_max_input_buffer", "client_recent_max_input_buffer_bytes"),
    ("client_recent_max_output_buffer", "client_recent_max_output_buffer_bytes"),
    ("used_memory", "memory_used_bytes"),
    ("used_memory_rss", "memory_used_rss_bytes"),
    ("used_memory_peak", "memory_used_peak_bytes"),
    ("used_memory_lua", "memory_used_lua_bytes"),
    ("used_memory_overhead", "memory_used_overhead_bytes"),
    ("used_memory_startup", "memory_used_startup_bytes"),
    ("used_memory_dataset", "memory_used_dataset_bytes"),
    ("used_memory_scripts", "memory_used_scripts_bytes"),
    ("number_of_cached_scripts", "number_of_cached_scripts"),
    ("number_of_functions", "number_of_functions"),
    ("number_of_libraries", "number_of_libraries"),
    ("maxmemory", "memory_max_bytes"),
    ("total_system_memory", "total_system_memory_bytes"),
    ("allocator_active", "allocator_active_bytes"),
    ("allocator_allocated", "allocator_allocated_bytes"),
    ("allocator_resident", "allocator_resident_bytes"),
    ("allocator_frag_ratio", "allocator_frag_ratio"),
    ("allocator_frag_bytes", "allocator_frag_bytes"),
    ("mem_fragmentation_ratio", "mem_fragmentation_ratio"),
    ("mem_fragmentation_bytes", "mem_fragmentation_bytes"),
    ("mem_clients_normal", "mem_clients_normal"),
    ("mem_not_counted_for_evict", "mem_not_counted_for_eviction_bytes"),
    ("lazyfree_pending_objects", "lazyfree_pending_objects"),
    ("active_defrag_running", "active_defrag_running"),
    ("loading", "loading_dump_file"),
    ("rdb_changes_since_last_save", "rdb_changes_since_last_save"),
    ("rdb_bgsave_in_progress", "rdb_bgsave_in_progress"),
    ("rdb_last_save_time", "rdb_last_save_timestamp_seconds"),
    ("rdb_last_bgsave_status", "rdb_last_bgsave_status"),
    ("rdb_last_bgsave_time_sec", "rdb_last_bgsave_duration_sec"),
    ("rdb_current_bgsave_time_sec", "rdb_current_bgsave_duration_sec"),
    ("rdb_last_cow_size", "rdb_last_cow_size_bytes"),
    ("aof_enabled", "aof_enabled"),
    ("aof_rewrite_in_progress", "aof_rewrite_in_progress"),
    ("aof_rewrite_scheduled", "aof_rewrite_scheduled"),
    ("aof_last_rewrite_time_sec", "aof_last_rewrite_duration_sec"),
    ("aof_current_rewrite_time_sec", "aof_current_rewrite_duration_sec"),
    ("aof_last_bgrewrite_status", "aof_last_bgrewrite_status"),
    ("aof_last_write_status", "aof_last_write_status"),
    ("aof_last_cow_size", "aof_last_cow_size_bytes"),
    ("aof_current_size", "aof_current_size_bytes"),
    ("aof_base_size", "aof_base_size_bytes"),
    ("aof_buffer_length", "aof_buffer_length"),
    ("pubsub_channels", "pubsub_channels"),
    ("pubsub_patterns", "pubsub_patterns"),
    ("pubsubshard_channels", "pubsubshard_channels"),
    ("instantaneous_ops_per_sec", "instantaneous_ops_per_sec"),
    ("instantaneous_input_kbps", "instantaneous_input_kbps"),
    ("instantaneous_output_kbps", "instantaneous_output_kbps"),
    ("latest_fork_usec", "latest_fork_usec"),
    ("connected_slaves", "connected_slaves"),
    ("master_repl_offset", "master_repl_offset"),
    ("repl_backlog_size", "replication_backlog_bytes"),
    ("repl_backlog_active", "repl_backlog_is_active"),
    ("cluster_enabled", "cluster_enabled"),
];

/// Fields of `INFO` that only go up.
const COUNTERS: &[(&str, &str)] = &[
    ("total_connections_received", "connections_received_total"),
    ("total_commands_processed", "commands_processed_total"),
    ("rejected_connections", "rejected_connections_total"),
    ("total_net_input_bytes", "net_input_bytes_total"),
    ("total_net_output_bytes", "net_output_bytes_total"),
    ("expired_keys", "expired_keys_total"),
    ("evicted_keys", "evicted_keys_total"),
    ("evicted_clients", "evicted_clients_total"),
    ("keyspace_hits", "keyspace_hits_total"),
    ("keyspace_misses", "keyspace_misses_total"),
    ("used_cpu_sys", "cpu_sys_seconds_total"),
    ("used_cpu_user", "cpu_user_seconds_total"),
    ("used_cpu_sys_children", "cpu_sys_children_seconds_total"),
    ("used_cpu_user_children", "cpu_user_children_seconds_total"),
    ("used_cpu_sys_main_thread", "cpu_sys_main_thread_seconds_total"),
    ("used_cpu_user_main_thread", "cpu_user_main_thread_seconds_total"),
    ("rdb_saves", "rdb_saves_total"),
    ("lazyfreed_objects", "lazyfreed_objects_total"),
    ("acl_access_denied_auth", "acl_access_denied_auth_total"),
    ("acl_access_denied_cmd", "acl_access_denied_cmd_total"),
    ("acl_access_denied_key", "acl_access_denied_key_total"),
    ("acl_access_denied_channel", "acl_access_denied_channel_total"),
    ("total_reads_processed", "reads_processed_total"),
    ("total_writes_processed", "writes_processed_total"),
];

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    prefix: Option<String>,
}

/// The figures of this moment.
pub(super) async fn metrics(
    State(console): State<Arc<Console>>,
    who: Who,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Failure> {
    if !console.may(&who.user, &[b"INFO"]) {
        return Err(Failure::forbidden("forbidden", "this takes a user who may INFO"));
    }
    let prefix = match wanted.prefix.as_deref() {
        None | Some("redis") => "redis",
        Some("dragonfly") => "dragonfly",
        Some(_) => return Err(Failure::bad("prefix", "it is redis or dragonfly")),
    };
    let text = console.prometheus(prefix);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

/// Families of figures, one after another, as the format wants them.
struct Page {
    prefix: &'static str,
    text: String,
}

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let prefix = self.prefix;
        let _ = writeln!(self.text, "# HELP {prefix}_{name} {help}\n# TYPE {prefix}_{name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "{}_{name}", self.prefix);
        for (at, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{label}=\"{}\"", if at == 0 { '{' } else { ',' }, escaped(text));
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// A field's number: words that say how something went are 1 and 0.
fn value(text: &str) -> Option<f64> {
    match text {
        "ok" => Some(1.0),
        "err" | "fail" => Some(0.0),
        text => text.parse::<f64>().ok().filter(|value| value.is_finite()),
    }
}

impl Console {
    fn prometheus(&self, prefix: &'static str) -> String {
        let fields = self.info();
        let mut page = Page { prefix, text: String::with_capacity(16 * 1024) };
        page.one("up", "gauge", "Information about the instance", 1);
        self.about(&mut page, &fields);
        for (kind, rows) in [("gauge", GAUGES), ("counter", COUNTERS)] {
            for (field, name) in rows {
                if let Some(value) = fields.get(*field).and_then(|text| value(text)) {
                    page.one(name, kind, &format!("INFO {field}"), value);
                }
            }
        }
        self.databases(&mut page, &fields);
        self.commands(&mut page);
        self.errors(&mut page);
        self.slow(&mut page);
        #[cfg(feature = "domain")]
        if let Some(metrics) = &self.options.metrics {
            page.text.push_str(&metrics.prometheus());
        }
        page.text
    }

    fn about(&self, page: &mut Page, fields: &HashMap<String, String>) {
        let field = |name: &str| fields.get(name).map_or("", String::as_str);
        page.family("instance_info", "gauge", "Information about the instance");
        let labels = [
            ("role", field("role")),
            ("redis_version", REDIS_VERSION),
            ("damselfly_version", env!("CARGO_PKG_VERSION")),
            ("redis_build_id", field("redis_build_id")),
            ("redis_mode", field("redis_mode")),
            ("os", field("os")),
            ("maxmemory_policy", field("maxmemory_policy")),
            ("tcp_port", field("tcp_port")),
            ("run_id", field("run_id")),
            ("process_id", field("process_id")),
        ];
        page.sample("instance_info", &labels, 1);
        let started = self.engine.started_ms() as f64 / 1000.0;
        page.one("start_time_seconds", "gauge", "Start of the instance since the Unix epoch", started);
        for (name, setting) in [("config_maxmemory", "maxmemory"), ("config_maxclients", "maxclients")] {
            page.one(name, "gauge", &format!("CONFIG GET {setting}"), number(fields, setting));
        }
    }

    fn databases(&self, page: &mut Page, fields: &HashMap<String, String>) {
        let part = |db: usize, name: &str| -> f64 {
            let text = fields.get(&format!("db{db}")).map_or("", String::as_str);
            let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(found, _)| *found == name).find_map(|(_, value)| value.parse().ok()).unwrap_or(0.0)
        };
        for (name, field, help, scale) in [
            ("db_keys", "keys", "Keys of the database", 1.0),
            ("db_keys_expiring", "expires", "Keys of the database that expire", 1.0),
            ("db_avg_ttl_seconds", "avg_ttl", "Mean time to live in seconds", 1000.0),
        ] {
            page.family(name, "gauge", help);
            for db in 0..self.engine.databases() {
                page.sample(name, &[("db", &format!("db{db}"))], part(db, field) / scale);
            }
        }
    }

    fn commands(&self, page: &mut Page) {
        let totals = self.engine.totals();
        let all: Vec<&Entry> = TABLE
            .entries()
            .iter()
            .flat_map(|entry| std::iter::once(entry).chain(&entry.subcommands))
            .collect();
        let stats: Vec<_> =
            all.iter().map(|entry| (entry.full_name, self.engine.command_stats(&totals, entry.id))).collect();
        let ran = || stats.iter().filter(|(_, stats)| stats.calls + stats.rejected + stats.failed > 0);
        page.family("commands_total", "counter", "Calls per command");
        for (cmd, stats) in ran() {
            page.sample("commands_total", &[("cmd", cmd)], stats.calls);
        }
        page.family("commands_duration_seconds_total", "counter", "Time spent per command, from samples");
        for (cmd, stats) in ran() {
            let seconds = stats.usec_per_call * stats.calls as f64 / 1e6;
            page.sample("commands_duration_seconds_total", &[("cmd", cmd)], seconds);
        }
        page.family("commands_rejected_calls_total", "counter", "Calls refused before they ran per command");
        for (cmd, stats) in ran() {
            page.sample("commands_rejected_calls_total", &[("cmd", cmd)], stats.rejected);
        }
        page.family("commands_failed_calls_total", "counter", "Calls that failed per command");
        for (cmd, stats) in ran() {
            page.sample("commands_failed_calls_total", &[("cmd", cmd)], stats.failed);
        }
        page.family("latency_percentiles_usec", "summary", "Times of a command in microseconds");
        for entry in all {
            for (percent, ns) in self.engine.latency_percentiles(entry.id).unwrap_or_default() {
                let quantile = (percent / 100.0).to_string();
                let labels = [("cmd", entry.full_name), ("quantile", quantile.as_str())];
                page.sample("latency_percentiles_usec", &labels, ns as f64 / 1000.0);
            }
        }
    }

    fn errors(&self, page: &mut Page) {
        let codes = &self.engine.stats().error_codes;
        let mut counts: Vec<(String, u64)> =
            codes.iter().map(|entry| (entry.key().clone(), *entry)).collect();
        counts.sort_unstable();
        page.family("errors_total", "counter", "Error replies by their code");
        for (code, count) in &counts {
            page.sample("errors_total", &[("err", code)], count);
        }
    }

    fn slow(&self, page: &mut Page) {
        let log = self.engine.slowlog();
        let last = log.newest(1).into_iter().next();
        page.one("slowlog_length", "gauge", "Entries of the slow log", log.len());
        page.one(
            "slowlog_last_id",
            "gauge",
            "Number of the newest entry",
            last.as_ref().map_or(0, |entry| entry.id),
        );
        let seconds = last.map_or(0.0, |entry| entry.duration_us as f64 / 1e6);
        page.one("last_slow_execution_duration_seconds", "gauge", "How long that took", seconds);
    }
}

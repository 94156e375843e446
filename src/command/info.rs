//! `INFO`: what the engine and its process say of themselves, section by section, under Redis' names.
//!
//! A field is here when it is true: what does not exist in this version (replicas, snapshots, scripts) shows the
//! figures of a Redis that does not use it, and what cannot be known is left out. A feature that arrives fills its
//! fields in.

use super::args::Args;
use super::error::CommandError;
use super::introspect;
use super::table::{Entry, TABLE};
use crate::engine::acl::Reason;
use crate::engine::{Engine, Reach, Session, World};
use crate::process;
use crate::reply::Sink;
use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering::Relaxed;

/// The version of Redis whose behaviour this is.
pub const REDIS_VERSION: &str = "7.2.0";

/// A section: its name, its heading, whether it is among the default ones, and what writes it.
struct Section {
    name: &'static str,
    heading: &'static str,
    default: bool,
    write: fn(&mut Text, &mut Reach<'_, '_>),
}

const fn section(
    name: &'static str,
    heading: &'static str,
    default: bool,
    write: fn(&mut Text, &mut Reach<'_, '_>),
) -> Section {
    Section { name, heading, default, write }
}

/// In the order in which they are shown, whatever the order of the arguments.
const SECTIONS: &[Section] = &[
    section("server", "Server", true, server),
    section("clients", "Clients", true, clients),
    section("memory", "Memory", true, memory),
    section("persistence", "Persistence", true, persistence),
    section("stats", "Stats", true, stats),
    section("replication", "Replication", true, replication),
    section("cpu", "CPU", true, cpu),
    section("modules", "Modules", true, |_, _| {}),
    section("commandstats", "Commandstats", false, commandstats),
    section("errorstats", "Errorstats", true, errorstats),
    section("latencystats", "Latencystats", false, latencystats),
    section("cluster", "Cluster", true, cluster),
    section("keyspace", "Keyspace", true, keyspace),
];

/// Replies with the sections asked for; unknown ones are passed over. `all` leaves the modules out, `everything` does
/// not.
///
/// In process: `Engine::totals`, `Engine::memory_bytes` and their neighbours. Reference:
/// <https://valkey.io/commands/info/>
pub(super) fn info(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.verbatim("txt", text(engine, args.rest()).as_bytes());
    Ok(())
}

/// What `INFO` answers with these arguments. Enters one shard after another.
#[must_use]
pub fn text(engine: &mut Reach<'_, '_>, wanted: &[&[u8]]) -> String {
    let asked = |name: &str| wanted.iter().any(|arg| arg.eq_ignore_ascii_case(name.as_bytes()));
    let everything = asked("everything");
    let default = wanted.is_empty() || asked("default");
    let shown = |section: &Section| {
        let modules = section.name == "modules";
        everything
            || asked(section.name)
            || (default && section.default)
            || (asked("all") && !modules)
            || (modules && asked("module_list"))
    };
    let mut text = Text::default();
    for section in SECTIONS.iter().filter(|section| shown(section)) {
        if !text.0.is_empty() {
            text.0.push_str("\r\n");
        }
        text.0.push_str("# ");
        text.0.push_str(section.heading);
        text.0.push_str("\r\n");
        (section.write)(&mut text, engine);
    }
    text.0
}

/// Lines `name:value`.
#[derive(Default)]
struct Text(String);

impl Text {
    fn field(&mut self, name: &str, value: impl Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{name}:{value}\r\n");
    }

    fn fields(&mut self, fields: &[(&str, &dyn Display)]) {
        for (name, value) in fields {
            self.field(name, value);
        }
    }

    /// Fields of what this version does not have, all of one value.
    fn absent(&mut self, value: &str, names: &[&str]) {
        for name in names {
            self.field(name, value);
        }
    }

    /// Bytes, and the same for people under the name with `_human`.
    fn bytes(&mut self, name: &str, bytes: u64) {
        self.field(name, bytes);
        let _ = write!(self.0, "{name}_human:{}\r\n", human(bytes));
    }
}

/// Bytes as Redis writes them for people: `512B`, `1.50K`, `3.00G`.
fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    for unit in ["K", "M", "G", "T"] {
        value /= 1024.0;
        if value < 1024.0 {
            return format!("{value:.2}{unit}");
        }
    }
    format!("{:.2}P", value / 1024.0)
}

/// A setting's value as `CONFIG GET` shows it.
fn setting(engine: &Engine, name: &str) -> String {
    engine.settings().get(&[name.as_bytes()]).pop().map_or_else(String::new, |(_, value)| value)
}

fn server(text: &mut Text, engine: &mut Reach<'_, '_>) {
    let settings = engine.settings();
    let now_us = engine.clock().now_us();
    let uptime = (now_us / 1000).saturating_sub(engine.started_ms()) / 1000;
    let executable = std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default();
    let file = settings.file().and_then(|file| std::path::absolute(file).ok());
    let poll = if cfg!(target_os = "linux") { "epoll" } else { "kqueue" };
    text.fields(&[
        ("redis_version", &REDIS_VERSION),
        ("damselfly_version", &env!("CARGO_PKG_VERSION")),
        ("redis_git_sha1", &"00000000"),
        ("redis_git_dirty", &0),
        ("redis_build_id", &"0000000000000000"),
        ("redis_mode", &if engine.cluster().is_on() { "cluster" } else { "standalone" }),
        ("os", &process::system_name()),
        ("arch_bits", &usize::BITS),
        ("monotonic_clock", &"POSIX clock_gettime"),
        ("multiplexing_api", &poll),
        ("atomicvar_api", &"rust"),
        ("gcc_version", &"0.0.0"),
        ("process_id", &std::process::id()),
        ("process_supervised", &"no"),
        ("run_id", &engine.run_id()),
        ("tcp_port", &settings.port()),
        ("server_time_usec", &now_us),
        ("uptime_in_seconds", &uptime),
        ("uptime_in_days", &(uptime / 86_400)),
        ("hz", &settings.hz()),
        ("configured_hz", &settings.hz()),
        ("lru_clock", &((now_us / 1_000_000) & 0xFF_FFFF)),
        ("executable", &executable),
        ("config_file", &file.map(|file| file.display().to_string()).unwrap_or_default()),
        ("io_threads_active", &u8::from(settings.io_threads_effective() > 1)),
    ]);
    let mut listener = 0;
    if settings.port() != 0 {
        let bind = settings.bind();
        let addresses: String = bind.split_whitespace().map(|addr| format!("bind={addr},")).collect();
        text.field("listener0", format_args!("name=tcp,{addresses}port={}", settings.port()));
        listener = 1;
    }
    let socket = settings.unixsocket();
    if !socket.is_empty() {
        text.field(&format!("listener{listener}"), format_args!("name=unix,bind={socket}"));
    }
}

fn clients(text: &mut Text, engine: &mut Reach<'_, '_>) {
    let clients = engine.clients();
    let input = clients.iter().map(|client| client.query_bytes.load(Relaxed)).max().unwrap_or(0);
    let output = clients.iter().map(|client| client.output_bytes.load(Relaxed)).max().unwrap_or(0);
    let with_timeout = |waiter: std::sync::Arc<crate::engine::Waiter>| waiter.deadline_ms().is_some();
    let timeouts = clients.iter().filter(|client| client.waiter().is_some_and(with_timeout)).count();
    text.fields(&[
        ("connected_clients", &clients.len()),
        ("cluster_connections", &0),
        ("maxclients", &engine.settings().maxclients()),
        ("client_recent_max_input_buffer", &input),
        ("client_recent_max_output_buffer", &output),
        ("blocked_clients", &engine.stats().blocked.load(Relaxed)),
        ("tracking_clients", &engine.trackers_len()),
        ("clients_in_timeout_table", &timeouts),
        ("total_blocking_keys", &engine.blocking_keys_len()),
        ("total_blocking_keys_on_nokey", &0),
    ]);
}

/// Figures of memory, for `INFO` and `MEMORY`.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    /// Keys and values with their tables.
    pub data_bytes: u64,
    /// Of those, the tables that find keys.
    pub table_bytes: u64,
    /// What clients have sent and not been answered, and what they have not read.
    pub client_bytes: u64,
    /// The most that was used when somebody looked.
    pub peak_bytes: u64,
    /// What the process takes of the machine.
    pub resident_bytes: u64,
    /// Keys in all databases.
    pub keys: u64,
    /// Bytes of the tables of each database that has keys.
    pub tables: Vec<(usize, u64)>,
}

impl Memory {
    pub(super) fn of(engine: &mut Reach<'_, '_>) -> Self {
        let figures = engine.db_figures();
        let client_bytes = engine.clients().iter().map(|client| client.buffer_bytes()).sum::<usize>() as u64;
        let data_bytes = engine.memory_bytes() as u64;
        let used = data_bytes + client_bytes;
        Self {
            data_bytes,
            table_bytes: figures.iter().map(|figures| figures.table_bytes as u64).sum(),
            client_bytes,
            peak_bytes: (engine.memory_peak_bytes() as u64).max(used),
            resident_bytes: process::resident_bytes(),
            keys: figures.iter().map(|figures| figures.keys as u64).sum(),
            tables: (figures.iter().enumerate())
                .filter(|(_, figures)| figures.keys > 0)
                .map(|(db, figures)| (db, figures.table_bytes as u64))
                .collect(),
        }
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.data_bytes + self.client_bytes
    }

    pub(super) fn overhead_bytes(&self) -> u64 {
        self.table_bytes + self.client_bytes
    }

    pub(super) fn dataset_bytes(&self) -> u64 {
        self.used_bytes().saturating_sub(self.overhead_bytes())
    }

    /// Resident memory over what is accounted for, and the difference: used memory, and what the process took before
    /// it had any keys. Without the latter a nearly empty instance would look hopelessly fragmented.
    pub(super) fn fragmentation(&self) -> (f64, i64) {
        let accounted = process::resident_bytes_at_start().saturating_add(self.used_bytes());
        let extra = i64::try_from(self.resident_bytes).unwrap_or(i64::MAX).saturating_sub_unsigned(accounted);
        (ratio(self.resident_bytes, accounted), extra)
    }

    pub(super) fn peak_percent(&self) -> f64 {
        ratio(self.used_bytes(), self.peak_bytes) * 100.0
    }

    pub(super) fn dataset_percent(&self) -> f64 {
        ratio(self.dataset_bytes(), self.used_bytes()) * 100.0
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn memory(text: &mut Text, engine: &mut Reach<'_, '_>) {
    let memory = Memory::of(engine);
    let (fragmentation, fragmentation_bytes) = memory.fragmentation();
    text.bytes("used_memory", memory.used_bytes());
    text.bytes("used_memory_rss", memory.resident_bytes);
    text.bytes("used_memory_peak", memory.peak_bytes);
    text.fields(&[
        ("used_memory_peak_perc", &format_args!("{:.2}%", memory.peak_percent())),
        ("used_memory_overhead", &memory.overhead_bytes()),
        ("used_memory_startup", &0),
        ("used_memory_dataset", &memory.dataset_bytes()),
        ("used_memory_dataset_perc", &format_args!("{:.2}%", memory.dataset_percent())),
        ("allocator_allocated", &memory.used_bytes()),
        ("allocator_active", &memory.resident_bytes),
        ("allocator_resident", &memory.resident_bytes),
    ]);
    text.bytes("total_system_memory", process::machine_bytes());
    // One Lua state holds scripts and functions, compiled.
    let scripts = engine.script_figures();
    text.bytes("used_memory_lua", scripts.memory_bytes as u64);
    text.fields(&[
        ("used_memory_vm_eval", &scripts.memory_bytes),
        ("used_memory_scripts_eval", &0),
        ("number_of_cached_scripts", &scripts.scripts),
        ("number_of_functions", &scripts.functions),
        ("number_of_libraries", &scripts.libraries),
        ("used_memory_vm_functions", &0),
    ]);
    text.bytes("used_memory_vm_total", scripts.memory_bytes as u64);
    text.field("used_memory_functions", 0);
    text.bytes("used_memory_scripts", 0);
    text.bytes("maxmemory", engine.settings().maxmemory() as u64);
    let (pending, freed) = engine.cycles().freeing();
    text.fields(&[
        ("maxmemory_policy", &setting(engine, "maxmemory-policy")),
        ("allocator_frag_ratio", &format_args!("{fragmentation:.2}")),
        ("allocator_frag_bytes", &fragmentation_bytes.max(0)),
        ("allocator_rss_ratio", &"1.00"),
        ("allocator_rss_bytes", &0),
        ("rss_overhead_ratio", &"1.00"),
        ("rss_overhead_bytes", &0),
        ("mem_fragmentation_ratio", &format_args!("{fragmentation:.2}")),
        ("mem_fragmentation_bytes", &fragmentation_bytes),
        ("mem_not_counted_for_evict", &0),
        ("mem_replication_backlog", &0),
        ("mem_total_replication_buffers", &0),
        ("mem_clients_slaves", &0),
        ("mem_clients_normal", &memory.client_bytes),
        ("mem_cluster_links", &0),
        ("mem_aof_buffer", &0),
        ("mem_allocator", &process::allocator()),
        ("active_defrag_running", &0),
        ("lazyfree_pending_objects", &pending),
        ("lazyfreed_objects", &freed),
    ]);
}

fn persistence(text: &mut Text, engine: &mut Reach<'_, '_>) {
    let changes = engine.totals().dirty;
    let persistence = engine.persistence();
    let figures = persistence.figures();
    let loading = persistence.loading();
    text.field("loading", u8::from(loading.is_some()));
    if let Some((bytes, of)) = loading {
        text.fields(&[
            ("loading_total_bytes", &of),
            ("loading_loaded_bytes", &bytes),
            ("loading_loaded_perc", &format_args!("{:.2}", bytes as f64 / of as f64 * 100.0)),
        ]);
    }
    text.absent("0", &["async_loading", "current_cow_peak", "current_cow_size", "current_cow_size_age"]);
    let (saved, of) = persistence.progress();
    let percent = if of > 0 { saved as f64 / of as f64 * 100.0 } else { 0.0 };
    let seconds = |seconds: Option<u64>| seconds.map_or(-1, |seconds| seconds as i64);
    let now = engine.clock().now_ms() / 1000;
    text.fields(&[
        ("current_fork_perc", &format_args!("{percent:.2}")),
        ("current_save_keys_processed", &saved),
        ("current_save_keys_total", &of),
        ("rdb_changes_since_last_save", &figures.changes(changes)),
        ("rdb_bgsave_in_progress", &u8::from(figures.began.is_some())),
        ("rdb_last_save_time", &figures.last_save),
        ("rdb_last_bgsave_status", &(if figures.failed { "err" } else { "ok" })),
        ("rdb_last_bgsave_time_sec", &seconds(figures.last_seconds)),
        ("rdb_current_bgsave_time_sec", &seconds(figures.began.map(|began| now.saturating_sub(began)))),
        ("rdb_saves", &figures.saves),
        ("rdb_last_cow_size", &0),
        ("rdb_last_load_keys_expired", &figures.loaded.expired),
        ("rdb_last_load_keys_loaded", &figures.loaded.keys),
    ]);
    let journal = engine.journal().figures();
    text.field("aof_enabled", u8::from(engine.journal().is_on()));
    text.absent("0", &["aof_rewrite_in_progress", "aof_rewrite_scheduled"]);
    text.absent("-1", &["aof_last_rewrite_time_sec", "aof_current_rewrite_time_sec"]);
    text.field("aof_last_bgrewrite_status", "ok");
    text.absent("0", &["aof_rewrites", "aof_rewrites_consecutive_failures"]);
    text.field("aof_last_write_status", if journal.failed { "err" } else { "ok" });
    if engine.journal().is_on() {
        text.fields(&[
            ("aof_current_size", &journal.bytes),
            ("aof_base_size", &journal.base_bytes),
            ("aof_buffer_length", &journal.buffered),
        ]);
    }
    text.absent("0", &["aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"]);
}

fn stats(text: &mut Text, engine: &mut Reach<'_, '_>) {
    let shards = engine;
    let engine = shards.engine();
    let stats = engine.stats();
    let totals = shards.totals();
    let rates = stats.rates(shards);
    let denied = |reason| engine.acl().log().denied(reason).load(Relaxed);
    let threaded = engine.settings().io_threads_effective() > 1;
    let (reads, writes) = (stats.reads.load(Relaxed), stats.writes.load(Relaxed));
    text.fields(&[
        ("total_connections_received", &stats.connections.load(Relaxed)),
        ("total_commands_processed", &totals.commands),
        ("instantaneous_ops_per_sec", &(rates.commands.round() as u64)),
        ("total_net_input_bytes", &stats.bytes_in.load(Relaxed)),
        ("total_net_output_bytes", &stats.bytes_out.load(Relaxed)),
    ]);
    text.absent("0", &["total_net_repl_input_bytes", "total_net_repl_output_bytes"]);
    text.fields(&[
        ("instantaneous_input_kbps", &format_args!("{:.2}", rates.bytes_in / 1024.0)),
        ("instantaneous_output_kbps", &format_args!("{:.2}", rates.bytes_out / 1024.0)),
        ("instantaneous_input_repl_kbps", &"0.00"),
        ("instantaneous_output_repl_kbps", &"0.00"),
        ("rejected_connections", &stats.connections_rejected.load(Relaxed)),
    ]);
    text.absent("0", &["sync_full", "sync_partial_ok", "sync_partial_err"]);
    text.fields(&[
        ("expired_keys", &totals.expired),
        ("expired_fields", &totals.expired_fields),
        ("expired_stale_perc", &"0.00"),
        ("evicted_keys", &totals.evicted),
        ("evicted_clients", &stats.clients_evicted.load(Relaxed)),
    ]);
    text.absent(
        "0",
        &[
            "expired_time_cap_reached_count",
            "expire_cycle_cpu_milliseconds",
            "total_eviction_exceeded_time",
            "current_eviction_exceeded_time",
        ],
    );
    text.fields(&[("keyspace_hits", &totals.hits), ("keyspace_misses", &totals.misses)]);
    text.fields(&[
        ("pubsub_channels", &engine.channels_len(World::Channels)),
        ("pubsub_patterns", &engine.patterns_len()),
        ("pubsubshard_channels", &engine.channels_len(World::Shard)),
    ]);
    text.absent(
        "0",
        &[
            "latest_fork_usec",
            "total_forks",
            "migrate_cached_sockets",
            "slave_expires_tracked_keys",
            "active_defrag_hits",
            "active_defrag_misses",
            "active_defrag_key_hits",
            "active_defrag_key_misses",
            "total_active_defrag_time",
            "current_active_defrag_time",
        ],
    );
    let (keys, readers) = shards.tracked_len();
    text.fields(&[
        ("tracking_total_keys", &keys),
        ("tracking_total_items", &readers),
        ("tracking_total_prefixes", &engine.prefixes_len()),
        ("unexpected_error_replies", &0),
        ("total_error_replies", &stats.errors.load(Relaxed)),
        ("dump_payload_sanitizations", &0),
        ("total_reads_processed", &reads),
        ("total_writes_processed", &writes),
        ("io_threaded_reads_processed", if threaded { &reads } else { &0 }),
        ("io_threaded_writes_processed", if threaded { &writes } else { &0 }),
        ("reply_buffer_shrinks", &0),
        ("reply_buffer_expands", &0),
        ("acl_access_denied_auth", &denied(Reason::Auth)),
        ("acl_access_denied_cmd", &denied(Reason::Command)),
        ("acl_access_denied_key", &denied(Reason::Key)),
        ("acl_access_denied_channel", &denied(Reason::Channel)),
    ]);
}

fn replication(text: &mut Text, engine: &mut Reach<'_, '_>) {
    let engine = engine.engine();
    text.fields(&[
        ("role", &"master"),
        ("connected_slaves", &0),
        ("master_failover_state", &"no-failover"),
        ("master_replid", &engine.run_id()),
        ("master_replid2", &"0".repeat(40)),
        ("master_repl_offset", &0),
        ("second_repl_offset", &-1),
        ("repl_backlog_active", &0),
        ("repl_backlog_size", &setting(engine, "repl-backlog-size")),
        ("repl_backlog_first_byte_offset", &0),
        ("repl_backlog_histlen", &0),
    ]);
}

fn cpu(text: &mut Text, _: &mut Reach<'_, '_>) {
    let (whole, main) = (process::cpu_times(), process::main_thread_cpu_times());
    for (name, us) in [
        ("used_cpu_sys", whole.system_us),
        ("used_cpu_user", whole.user_us),
        ("used_cpu_sys_children", whole.children_system_us),
        ("used_cpu_user_children", whole.children_user_us),
        ("used_cpu_sys_main_thread", main.system_us),
        ("used_cpu_user_main_thread", main.user_us),
    ] {
        text.field(name, format_args!("{}.{:06}", us / 1_000_000, us % 1_000_000));
    }
}

fn commandstats(text: &mut Text, engine: &mut Reach<'_, '_>) {
    let totals = engine.totals();
    let mut write = |entry: &Entry| {
        let stats = engine.command_stats(&totals, entry.id);
        if stats.calls == 0 && stats.failed == 0 && stats.rejected == 0 {
            return;
        }
        let usec = (stats.usec_per_call * stats.calls as f64).round() as u64;
        let _ = write!(
            text.0,
            "cmdstat_{}:calls={},usec={usec},usec_per_call={:.2},rejected_calls={},failed_calls={}\r\n",
            entry.full_name, stats.calls, stats.usec_per_call, stats.rejected, stats.failed,
        );
    };
    for entry in TABLE.entries() {
        write(entry);
        entry.subcommands.iter().for_each(&mut write);
    }
}

fn latencystats(text: &mut Text, engine: &mut Reach<'_, '_>) {
    for entry in introspect::all_entries() {
        let Some(percentiles) = engine.latency_percentiles(entry.id) else { continue };
        let shown: Vec<String> = percentiles
            .iter()
            .map(|(percent, ns)| format!("p{percent}={}.{:03}", ns / 1000, ns % 1000))
            .collect();
        let _ = write!(text.0, "latency_percentiles_usec_{}:{}\r\n", entry.full_name, shown.join(","));
    }
}

fn errorstats(text: &mut Text, engine: &mut Reach<'_, '_>) {
    let codes = &engine.stats().error_codes;
    let mut counts: Vec<(String, u64)> = codes.iter().map(|entry| (entry.key().clone(), *entry)).collect();
    counts.sort_unstable();
    for (code, count) in counts {
        // A code comes from our own texts, but may be quoted from a peer one day.
        let code = code.replace(['#', ':', '\r', '\n'], "_");
        let _ = write!(text.0, "errorstat_{code}:count={count}\r\n");
    }
}

fn cluster(text: &mut Text, engine: &mut Reach<'_, '_>) {
    text.field("cluster_enabled", u8::from(engine.cluster().is_on()));
}

fn keyspace(text: &mut Text, engine: &mut Reach<'_, '_>) {
    for (db, figures) in engine.db_figures().iter().enumerate().filter(|(_, figures)| figures.keys > 0) {
        let _ = write!(
            text.0,
            "db{db}:keys={},expires={},avg_ttl={}\r\n",
            figures.keys, figures.expires, figures.avg_ttl_ms
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_for_people_as_redis_does() {
        for (bytes, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (916_416, "894.94K"),
            (6_791_168, "6.48M"),
            (25_276_502_016, "23.54G"),
            (1 << 40, "1.00T"),
            (1 << 50, "1.00P"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}

//! The table: every setting once, under its redis.conf name.
//!
//! Adding a setting is adding a row. From the rows come [`Config`]'s fields and setters, [`Settings`]' getters,
//! `CONFIG GET`, `SET` and `REWRITE`, the flags of the command line with their help, the environment variables, the
//! configuration file's directives, and docs/configuration.md.
//!
//! The first block holds settings that do something; each becomes a typed field. The second holds settings that clients
//! and dashboards read, or stock configuration files contain, while what they govern does not exist here. A feature
//! that arrives moves its rows from the second block to the first.

use super::file::UserLine;
use super::settings::Settings;
use super::value::{Kind, OutputLimits, Value};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// When a setting may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// At start and by `CONFIG SET`.
    Live,
    /// At start only.
    Start,
    /// At start only; `CONFIG SET` refuses in Redis' words for protected settings.
    Protected,
    /// Accepted and kept, but there is nothing here that it changes.
    Idle,
    /// Never: what it governs is not part of this version. Only the default is accepted.
    Later,
}

/// A section of help and documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Group {
    /// Listeners and connections.
    Network,
    /// Who may do what.
    Security,
    /// Process, threads, files.
    Server,
    /// Logs and the slow log.
    Observe,
    /// Bounds on clients.
    Limits,
    /// When a value leaves its compact encoding.
    Encodings,
    /// Expiry, freeing, access counters, notifications.
    Keyspace,
    /// Present because clients read it.
    Compatibility,
}

impl Group {
    /// All groups, in the order of help and documentation.
    pub const ALL: [Group; 8] = [
        Group::Network,
        Group::Security,
        Group::Server,
        Group::Observe,
        Group::Limits,
        Group::Keyspace,
        Group::Encodings,
        Group::Compatibility,
    ];

    /// Its heading.
    pub fn title(self) -> &'static str {
        match self {
            Group::Network => "Network",
            Group::Security => "Security",
            Group::Server => "Server",
            Group::Observe => "Logging",
            Group::Limits => "Limits",
            Group::Encodings => "Compact encodings",
            Group::Keyspace => "Keyspace",
            Group::Compatibility => "Compatibility",
        }
    }
}

/// One setting.
#[derive(Debug)]
pub struct Row {
    /// Its redis.conf name.
    pub name: &'static str,
    /// Its older name, which is accepted and reported as well.
    pub alias: Option<&'static str>,
    /// What its text may be.
    pub kind: Kind,
    /// Its default, as text.
    pub default: &'static str,
    /// When it may change.
    pub change: Change,
    /// Where help and documentation show it.
    pub group: Group,
    /// What it does, in a line.
    pub doc: &'static str,
}

impl Row {
    /// Left out of help, documentation and `CONFIG GET` patterns; its exact name still works. For tests.
    pub fn is_hidden(&self) -> bool {
        self.name == "seed"
    }

    /// A secret: logs, the slow log and MONITOR must not show its value.
    pub fn is_sensitive(&self) -> bool {
        matches!(
            self.name,
            "rename-command" | "requirepass" | "masterauth" | "masteruser" | "tls-key-file-pass"
        )
    }
}

/// A type that a setting's value has in [`Config`] and [`Settings`].
pub(super) trait Field: Sized {
    fn of(value: &Value) -> Self;
    fn value(&self) -> Value;
}

macro_rules! number_fields {
    ($($number:ident),*) => {$(
        impl Field for $number {
            /// Rows check the range; on a machine too small for the number it is the most that the type holds.
            fn of(value: &Value) -> Self {
                Self::of_number(value.number())
            }
            fn value(&self) -> Value {
                Value::Number(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        }
        impl Number for $number {
            fn of_number(number: i64) -> Self {
                Self::try_from(number).unwrap_or(if number < 0 { Self::MIN } else { Self::MAX })
            }
        }
    )*};
}
number_fields!(u16, u32, u64, usize, i32, i64);

/// A field that lives in one atomic integer.
pub(super) trait Number {
    fn of_number(number: i64) -> Self;
}

impl Field for bool {
    fn of(value: &Value) -> Self {
        Self::of_number(value.number())
    }
    fn value(&self) -> Value {
        Value::Number(i64::from(*self))
    }
}

impl Number for bool {
    fn of_number(number: i64) -> Self {
        number != 0
    }
}

impl Field for String {
    fn of(value: &Value) -> Self {
        value.text().to_owned()
    }
    fn value(&self) -> Value {
        Value::Text(self.clone())
    }
}

impl Field for OutputLimits {
    fn of(value: &Value) -> Self {
        OutputLimits::of(value.text())
    }
    fn value(&self) -> Value {
        Value::Text(self.to_string())
    }
}

/// Declares an enum whose variants are the words of a setting.
macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant),* }

        impl $name {
            const WORDS: &'static [&'static str] = &[$($word),*];
            const VARIANTS: &'static [$name] = &[$($name::$variant),*];
        }

        impl Number for $name {
            fn of_number(number: i64) -> Self {
                let place = usize::try_from(number).unwrap_or(0);
                Self::VARIANTS.get(place).copied().unwrap_or(Self::VARIANTS[0])
            }
        }

        impl Field for $name {
            fn of(value: &Value) -> Self {
                Self::of_number(value.number())
            }
            fn value(&self) -> Value {
                Value::Number(*self as i64)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str(Self::WORDS[*self as usize])
            }
        }
    )*};
}

choices! {
    /// How much is logged, most first.
    LogLevel {
        /// Everything.
        Debug = "debug",
        /// Much, without the flood.
        Verbose = "verbose",
        /// What an operator wants to see.
        Notice = "notice",
        /// What an operator must see.
        Warning = "warning",
        /// Nothing at all.
        Nothing = "nothing",
    }
    /// The form of a log line.
    LogFormat {
        /// For people.
        Text = "text",
        /// An object a line, for machines.
        Json = "json",
    }
    /// When the journal is synced.
    AppendFsync {
        /// Once a second.
        Everysec = "everysec",
        /// Before a reply leaves.
        Always = "always",
        /// When the operating system likes.
        No = "no",
    }
    /// Which keys go when memory is used up.
    EvictionPolicy {
        /// Of those with a deadline, the least recently used.
        VolatileLru = "volatile-lru",
        /// Of those with a deadline, the least frequently used.
        VolatileLfu = "volatile-lfu",
        /// Of those with a deadline, any.
        VolatileRandom = "volatile-random",
        /// Those that end soonest.
        VolatileTtl = "volatile-ttl",
        /// The least recently used.
        AllkeysLru = "allkeys-lru",
        /// The least frequently used.
        AllkeysLfu = "allkeys-lfu",
        /// Any.
        AllkeysRandom = "allkeys-random",
        /// None: writes that take memory are refused.
        Noeviction = "noeviction",
    }
    /// Who may use a dangerous command.
    Allowed {
        /// Nobody.
        No = "no",
        /// Everybody.
        Yes = "yes",
        /// Connections from this machine.
        Local = "local",
    }
    /// Whether a cluster is emulated.
    ClusterMode {
        /// It is not.
        Disabled = "disabled",
        /// One node that serves all slots.
        Emulated = "emulated",
    }
    /// Whether clients show certificates.
    TlsClients {
        /// They need not, and are not asked.
        No = "no",
        /// They must.
        Yes = "yes",
        /// They may; a wrong one is refused.
        Optional = "optional",
    }
    /// What a user may do with channels before a rule speaks of them.
    PubSubDefault {
        /// Use all.
        AllChannels = "allchannels",
        /// Use none.
        ResetChannels = "resetchannels",
    }
}

/// The type of a live value: texts are shared, the rest is copied.
macro_rules! live_type {
    (String) => { Arc<str> };
    ($number:ident) => { $number };
}

/// The type a setter takes.
macro_rules! setter_type {
    (String) => { impl Into<String> };
    ($plain:ident) => { $plain };
}

/// Reads a live value; numbers by one relaxed load.
macro_rules! read_live {
    ($settings:ident, $index:expr, String) => {
        $settings.text($index)
    };
    ($settings:ident, $index:expr, OutputLimits) => {
        $settings.output_limits()
    };
    ($settings:ident, $index:expr, $number:ident) => {
        <$number as Number>::of_number($settings.number($index))
    };
}

macro_rules! settings {
    (
        working { $($field:ident: $type:ident = $name:literal $(| $alias:literal)?, $kind:expr, $default:literal, $change:ident, $group:ident, $doc:literal;)* }
        absent { $($absent:literal $(| $absent_alias:literal)?, $absent_kind:expr, $absent_default:literal, $absent_change:ident;)* }
    ) => {
        /// Every setting, in the order of `CONFIG GET`.
        pub static ROWS: [Row; COUNT] = [
            $(Row {
                name: $name,
                alias: settings!(@alias $($alias)?),
                kind: $kind,
                default: $default,
                change: Change::$change,
                group: Group::$group,
                doc: $doc,
            },)*
            $(Row {
                name: $absent,
                alias: settings!(@alias $($absent_alias)?),
                kind: $absent_kind,
                default: $absent_default,
                change: Change::$absent_change,
                group: Group::Compatibility,
                doc: "",
            },)*
        ];

        pub(super) const COUNT: usize = [$($name,)* $($absent,)*].len();

        /// Where a working setting stands in [`ROWS`].
        #[expect(non_camel_case_types, reason = "the names of the fields, made by a macro")]
        #[derive(Clone, Copy)]
        pub(super) enum Id { $($field),* }

        /// How an engine or a server is set up: a plain struct, for programs that embed damselfly and for the server.
        ///
        /// A field's text, range and default stand in docs/configuration.md under its redis.conf name. Values are
        /// checked when the configuration is put to use ([`Settings::new`]).
        ///
        /// ```
        /// use damselfly::config::Config;
        /// let config = Config::default().port(7000).maxclients(100);
        /// assert_eq!(config.hash_max_listpack_value, 64);
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Config {
            $(#[doc = concat!("`", $name, "`: ", $doc, " Default: `", $default, "`.")] pub $field: $type,)*
            /// Settings that change nothing here but were given, under their names: they are reported as given.
            pub idle: BTreeMap<&'static str, String>,
            /// The `user` lines, in their order.
            pub users: Vec<UserLine>,
            /// The file the configuration came from, which `CONFIG REWRITE` writes to.
            pub file: Option<PathBuf>,
        }

        impl Config {
            $(
                #[doc = concat!("Sets `", $name, "`: ", $doc)]
                #[must_use]
                pub fn $field(mut self, $field: setter_type!($type)) -> Self {
                    self.$field = $field.into();
                    self
                }
            )*

            /// Values in the order of [`ROWS`].
            pub(super) fn values(&self) -> Vec<Value> {
                let mut values = vec![$(Field::value(&self.$field)),*];
                values.extend(ROWS[values.len()..].iter().map(|row| {
                    let given = self.idle.get(row.name).map_or(row.default, String::as_str);
                    row.kind.parse(given, None).unwrap_or_else(|_| default_value(row))
                }));
                values
            }

            pub(super) fn of(values: &[Value], file: Option<PathBuf>) -> Self {
                let idle = ROWS.iter().zip(values).filter(|(row, value)| {
                    row.change == Change::Idle && **value != default_value(row)
                });
                Self {
                    $($field: Field::of(&values[Id::$field as usize]),)*
                    idle: idle.map(|(row, value)| (row.name, row.kind.show(value))).collect(),
                    users: Vec::new(),
                    file,
                }
            }
        }

        impl Settings {
            $(
                #[doc = concat!("`", $name, "`: ", $doc)]
                pub fn $field(&self) -> live_type!($type) {
                    read_live!(self, Id::$field as usize, $type)
                }
            )*
        }
    };
    (@alias) => { None };
    (@alias $alias:literal) => { Some($alias) };
}

/// A row's default; the tests hold that each passes its own check.
pub(super) fn default_value(row: &Row) -> Value {
    row.kind.parse(row.default, None).unwrap_or_else(|_| Value::Text(row.default.to_owned()))
}

const INT: i64 = i32::MAX as i64;
const LONG: i64 = i64::MAX;
const MB: i64 = 1 << 20;

use Kind::{
    Choice, Clamped, Directory, Events, Int, List, Memory, Octal, PowerOfTwo, SaveRules, Text, YesNo,
};

settings! {
    working {
        // field: type = "name" | "older name", kind, "default", when it may change, group, what it does
        bind: String = "bind", List, "127.0.0.1 -::1", Start, Network, "Addresses to listen on; '*' is every one, '-' before one lets it be absent.";
        port: u16 = "port", Int(0, 65535), "6379", Start, Network, "TCP port; 0 for none.";
        unixsocket: String = "unixsocket", Text, "", Start, Network, "Path of a Unix socket to listen on as well.";
        unixsocketperm: u32 = "unixsocketperm", Octal(0o777), "0", Start, Network, "Permissions of the Unix socket; 0 leaves them to the umask.";
        tcp_backlog: u32 = "tcp-backlog", Int(0, INT), "511", Start, Network, "Connections that may wait to be accepted.";
        timeout: u64 = "timeout", Int(0, INT), "0", Live, Network, "Seconds after which an idle client is closed; 0 for never.";
        tcp_keepalive: u64 = "tcp-keepalive", Int(0, INT), "300", Live, Network, "Seconds between TCP keepalive probes; 0 for none.";

        tls_port: u16 = "tls-port", Int(0, 65535), "0", Start, Network, "Port for TLS; 0 for none.";
        tls_cert_file: String = "tls-cert-file", Text, "", Live, Network, "Certificate of the server, PEM.";
        tls_key_file: String = "tls-key-file", Text, "", Live, Network, "Its key, PEM; empty where it stands in tls-cert-file.";
        tls_ca_cert_file: String = "tls-ca-cert-file", Text, "", Live, Network, "Certificates that clients' are checked against, PEM.";
        tls_auth_clients: TlsClients = "tls-auth-clients", Choice(TlsClients::WORDS), "yes", Live, Network, "Whether clients must show a certificate.";
        tls_protocols: String = "tls-protocols", Text, "", Live, Network, "Versions of TLS, as in 'TLSv1.2 TLSv1.3'; empty for these two.";

        admin_port: u16 = "admin-port", Int(0, 65535), "0", Start, Network, "Port of the console (HTTP); 0 for none.";
        admin_bind: String = "admin-bind", List, "127.0.0.1", Start, Network, "Addresses that the console listens on.";
        admin_hosts: String = "admin-hosts", List, "", Live, Network, "Names that the console may be reached by without a password, beside addresses and localhost.";
        admin_read_only: bool = "admin-read-only", YesNo, "no", Live, Network, "Whether the console changes nothing.";

        protected_mode: bool = "protected-mode", YesNo, "yes", Live, Security, "Without a password, refuse clients from other machines.";
        requirepass: String = "requirepass", Text, "", Live, Security, "Password that clients must give; empty for none.";
        aclfile: String = "aclfile", Text, "", Start, Security, "File of users; empty for none.";
        acllog_max_len: usize = "acllog-max-len", Int(0, LONG), "128", Live, Security, "Entries of the ACL log.";
        acl_pubsub_default: PubSubDefault = "acl-pubsub-default", Choice(PubSubDefault::WORDS), "resetchannels", Live, Security, "Channels of a new user.";
        enable_debug_command: Allowed = "enable-debug-command", Choice(Allowed::WORDS), "local", Start, Security, "Who may use DEBUG.";

        rename_command: String = "rename-command", Kind::Renames, "", Start, Security, "Another name for a command; an empty one takes it away. May be given several times.";
        disable_commands: String = "disable-commands", Kind::Words, "", Start, Security, "Commands that clients cannot use.";

        cluster_enabled: bool = "cluster-enabled", YesNo, "no", Start, Server, "Whether to be a cluster of one node that serves all slots.";
        cluster_mode: ClusterMode = "cluster-mode", Choice(ClusterMode::WORDS), "disabled", Start, Server, "The same by another name: 'emulated' is 'cluster-enabled yes'.";
        cluster_announce_ip: String = "cluster-announce-ip", Text, "", Live, Server, "Address that the cluster's map names; empty for the one a client has connected to.";
        cluster_announce_port: u16 = "cluster-announce-port", Int(0, 65535), "0", Live, Server, "Port that the cluster's map names; 0 for the one a client has connected to.";
        cluster_announce_tls_port: u16 = "cluster-announce-tls-port", Int(0, 65535), "0", Live, Server, "The same for clients that came by TLS.";
        databases: u32 = "databases", Int(1, INT), "16", Start, Server, "Number of databases.";
        dir: String = "dir", Directory, ".", Protected, Server, "Working directory.";
        dbfilename: String = "dbfilename", Text, "dump.dfly", Protected, Server, "File of the snapshot; one that ends in .rdb is written in Redis' format.";
        save: String = "save", SaveRules, "", Live, Server, "When to save: so many seconds after a save, if so many changes were made; repeated. Empty for never.";
        snapshot_cron: String = "snapshot-cron", Text, "", Start, Server, "When to save, as cron says it, in UTC: minute hour day month weekday. Empty for never.";
        stop_writes_on_bgsave_error: bool = "stop-writes-on-bgsave-error", YesNo, "yes", Live, Server, "Refuse writes while saving fails.";
        appendonly: bool = "appendonly", YesNo, "no", Live, Server, "Keep a journal of all changes.";
        appendfsync: AppendFsync = "appendfsync", Choice(AppendFsync::WORDS), "everysec", Live, Server, "When the journal is synced: before a reply leaves, once a second, or when the operating system likes.";
        auto_aof_rewrite_percentage: u32 = "auto-aof-rewrite-percentage", Int(0, INT), "100", Live, Server, "By how much the journal may outgrow the snapshot before another one takes its place; 0 for never.";
        auto_aof_rewrite_min_size: usize = "auto-aof-rewrite-min-size", Memory(0, LONG), "67108864", Live, Server, "Least bytes of the journal for that.";
        io_threads: u32 = "io-threads", Int(0, 128), "0", Start, Server, "Event loops; 0 for one a core.";
        shards: u32 = "shards", PowerOfTwo(4096), "0", Start, Server, "Shards of the keyspace; 0 for about four a core.";
        hz: u32 = "hz", Clamped(1, 500), "10", Live, Server, "Rounds of background work a second.";
        seed: u64 = "seed", Int(0, LONG), "0", Start, Server, "Seed of every random choice; 0 draws one. For tests.";

        loglevel: LogLevel = "loglevel", Choice(LogLevel::WORDS), "notice", Live, Observe, "How much is logged.";
        logfile: String = "logfile", Text, "", Start, Observe, "File to log to; empty for standard output.";
        log_format: LogFormat = "log-format", Choice(LogFormat::WORDS), "text", Start, Observe, "Form of a log line.";
        slowlog_log_slower_than: i64 = "slowlog-log-slower-than", Int(-1, LONG), "10000", Live, Observe, "Microseconds from which a command enters the slow log; -1 for never.";
        slowlog_max_len: usize = "slowlog-max-len", Int(0, LONG), "128", Live, Observe, "Entries of the slow log.";
        latency_monitor_threshold: u64 = "latency-monitor-threshold", Int(0, LONG), "0", Live, Observe, "Milliseconds from which an event enters LATENCY; 0 for never.";
        latency_tracking: bool = "latency-tracking", YesNo, "no", Live, Observe, "Time every command, for LATENCY HISTOGRAM and INFO latencystats.";
        latency_tracking_info_percentiles: String = "latency-tracking-info-percentiles", List, "50 99 99.9", Live, Observe, "Percentiles that INFO latencystats shows.";

        maxclients: u32 = "maxclients", Int(1, u32::MAX as i64), "10000", Live, Limits, "Clients connected at once.";
        proto_max_bulk_len: usize = "proto-max-bulk-len", Memory(MB, LONG), "536870912", Live, Limits, "Longest argument of a command.";
        client_query_buffer_limit: usize = "client-query-buffer-limit", Memory(MB, LONG), "1073741824", Live, Limits, "Longest request of a client.";
        client_output_buffer_limit: OutputLimits = "client-output-buffer-limit", Kind::OutputLimits, "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", Live, Limits, "How much a client may leave unread before it is closed.";

        maxmemory_clients: i64 = "maxmemory-clients", Kind::MemoryOrShare, "0", Live, Limits, "Bytes that requests and replies of all clients may take, or a share of maxmemory; the largest client is closed. 0 for no limit.";

        active_expire_effort: u32 = "active-expire-effort", Int(1, 10), "1", Live, Keyspace, "How hard to look for expired keys.";
        maxmemory: usize = "maxmemory", Memory(0, LONG), "0", Live, Keyspace, "Bytes that keys and values may take; 0 for no limit.";
        maxmemory_policy: EvictionPolicy = "maxmemory-policy", Choice(EvictionPolicy::WORDS), "noeviction", Live, Keyspace, "Which keys go when maxmemory is reached.";
        maxmemory_samples: u32 = "maxmemory-samples", Int(1, INT), "5", Live, Keyspace, "Keys drawn to find one that goes.";
        maxmemory_eviction_tenacity: u32 = "maxmemory-eviction-tenacity", Int(0, 100), "10", Live, Keyspace, "How long one command may make room: 10 for half a millisecond, 100 for as long as it takes.";
        cache_mode: bool = "cache-mode", YesNo, "no", Live, Keyspace, "Be a cache: where maxmemory-policy says noeviction, the least recently used keys go.";
        lazyfree_lazy_eviction: bool = "lazyfree-lazy-eviction", YesNo, "no", Live, Keyspace, "Free evicted values in the background.";
        lazyfree_lazy_expire: bool = "lazyfree-lazy-expire", YesNo, "no", Live, Keyspace, "Free expired values in the background.";
        lazyfree_lazy_server_del: bool = "lazyfree-lazy-server-del", YesNo, "no", Live, Keyspace, "Free overwritten values in the background.";
        lazyfree_lazy_user_del: bool = "lazyfree-lazy-user-del", YesNo, "no", Live, Keyspace, "Let DEL free as UNLINK does.";
        lazyfree_lazy_user_flush: bool = "lazyfree-lazy-user-flush", YesNo, "no", Live, Keyspace, "Let FLUSHALL and FLUSHDB free in the background.";
        replica_lazy_flush: bool = "replica-lazy-flush" | "slave-lazy-flush", YesNo, "no", Live, Keyspace, "Let a replica free its old data in the background.";
        lfu_log_factor: u32 = "lfu-log-factor", Int(0, INT), "10", Live, Keyspace, "How slowly the access counter grows.";
        lfu_decay_time: u32 = "lfu-decay-time", Int(0, INT), "1", Live, Keyspace, "Minutes after which the access counter halves; 0 for never.";
        tracking_table_max_keys: usize = "tracking-table-max-keys", Int(0, LONG), "1000000", Live, Keyspace, "Keys remembered for clients that track them; 0 for no limit.";
        notify_keyspace_events: u32 = "notify-keyspace-events", Events, "", Live, Keyspace, "Classes of events to publish; empty for none.";

        list_max_listpack_size: i32 = "list-max-listpack-size" | "list-max-ziplist-size", Int(i32::MIN as i64, INT), "-2", Live, Encodings, "Elements of a list node, or -1 to -5 for 4kb to 64kb.";
        list_compress_depth: u32 = "list-compress-depth", Int(0, INT), "0", Live, Encodings, "List nodes at both ends that stay uncompressed; 0 compresses none.";
        hash_max_listpack_entries: usize = "hash-max-listpack-entries" | "hash-max-ziplist-entries", Int(0, LONG), "512", Live, Encodings, "Fields of a compact hash.";
        hash_max_listpack_value: usize = "hash-max-listpack-value" | "hash-max-ziplist-value", Memory(0, LONG), "64", Live, Encodings, "Longest field or value of a compact hash.";
        set_max_intset_entries: usize = "set-max-intset-entries", Int(0, LONG), "512", Live, Encodings, "Members of a compact set of integers.";
        set_max_listpack_entries: usize = "set-max-listpack-entries", Int(0, LONG), "128", Live, Encodings, "Members of a compact set.";
        set_max_listpack_value: usize = "set-max-listpack-value", Memory(0, LONG), "64", Live, Encodings, "Longest member of a compact set.";
        zset_max_listpack_entries: usize = "zset-max-listpack-entries" | "zset-max-ziplist-entries", Int(0, LONG), "128", Live, Encodings, "Members of a compact sorted set.";
        zset_max_listpack_value: usize = "zset-max-listpack-value" | "zset-max-ziplist-value", Memory(0, LONG), "64", Live, Encodings, "Longest member of a compact sorted set.";
        hll_sparse_max_bytes: usize = "hll-sparse-max-bytes", Memory(0, LONG), "3000", Live, Encodings, "Bytes of a sparse HyperLogLog.";
        stream_node_max_bytes: usize = "stream-node-max-bytes", Memory(0, LONG), "4096", Live, Encodings, "Bytes of a stream node; 0 for no limit.";
        busy_reply_threshold: u64 = "busy-reply-threshold" | "lua-time-limit", Int(0, LONG), "5000", Live, Keyspace, "Milliseconds a script may run before other clients are answered BUSY; 0 for no limit.";
        stream_node_max_entries: usize = "stream-node-max-entries", Int(0, LONG), "100", Live, Encodings, "Entries of a stream node; 0 for no limit.";
    }
    absent {
        // "name" | "older name", kind, "default", Idle (any value, no effect) or Later (only the default)
        "activerehashing", YesNo, "yes", Idle;
        "always-show-logo", YesNo, "no", Idle;
        "crash-log-enabled", YesNo, "yes", Idle;
        "crash-memcheck-enabled", YesNo, "yes", Idle;
        "disable-thp", YesNo, "yes", Idle;
        "dynamic-hz", YesNo, "yes", Idle;
        "io-threads-do-reads", YesNo, "no", Idle;
        "jemalloc-bg-thread", YesNo, "yes", Idle;
        "proc-title-template", Text, "{title} {listen-addr} {server-mode}", Idle;
        "sanitize-dump-payload", Choice(&["no", "yes", "clients"]), "no", Idle;
        "set-proc-title", YesNo, "yes", Idle;

        "appendfilename", Text, "appendonly.aof", Later;
        "appenddirname", Text, "appendonlydir", Later;
        "aof-load-truncated", YesNo, "yes", Later;
        "aof-rewrite-incremental-fsync", YesNo, "yes", Later;
        "aof-timestamp-enabled", YesNo, "no", Later;
        "aof-use-rdb-preamble", YesNo, "yes", Later;
        "no-appendfsync-on-rewrite", YesNo, "no", Later;
        "rdb-del-sync-files", YesNo, "no", Later;
        "rdb-save-incremental-fsync", YesNo, "yes", Later;
        "rdbchecksum", YesNo, "yes", Later;
        "rdbcompression", YesNo, "yes", Later;

        "activedefrag", YesNo, "no", Later;

        "replicaof" | "slaveof", List, "", Later;
        "masterauth", Text, "", Later;
        "masteruser", Text, "", Later;
        "min-replicas-max-lag" | "min-slaves-max-lag", Int(0, INT), "10", Later;
        "min-replicas-to-write" | "min-slaves-to-write", Int(0, INT), "0", Later;
        "repl-backlog-size", Memory(1, LONG), "1048576", Later;
        "repl-backlog-ttl", Int(0, LONG), "3600", Later;
        "repl-disable-tcp-nodelay", YesNo, "no", Later;
        "repl-diskless-load", Choice(&["disabled", "on-empty-db", "swapdb"]), "disabled", Later;
        "repl-diskless-sync", YesNo, "yes", Later;
        "repl-diskless-sync-delay", Int(0, INT), "5", Later;
        "repl-diskless-sync-max-replicas", Int(0, INT), "0", Later;
        "repl-ping-replica-period" | "repl-ping-slave-period", Int(1, INT), "10", Later;
        "repl-timeout", Int(1, INT), "60", Later;
        "replica-priority" | "slave-priority", Int(0, INT), "100", Later;
        "replica-read-only" | "slave-read-only", YesNo, "yes", Later;
        "replica-serve-stale-data" | "slave-serve-stale-data", YesNo, "yes", Later;

        "cluster-node-timeout", Int(0, LONG), "15000", Idle;
        "cluster-require-full-coverage", YesNo, "yes", Idle;
        "cluster-config-file", Text, "nodes.conf", Idle;
        "cluster-port", Int(0, 65535), "0", Idle;
        "cluster-announce-bus-port", Int(0, 65535), "0", Idle;
        "cluster-announce-hostname", Text, "", Idle;
        "cluster-preferred-endpoint-type", Choice(&["ip", "hostname", "unknown-endpoint"]), "ip", Idle;
        "cluster-migration-barrier", Int(0, INT), "1", Idle;
        "cluster-allow-replica-migration", YesNo, "yes", Idle;
        "cluster-replica-validity-factor" | "cluster-slave-validity-factor", Int(0, INT), "10", Idle;
        "cluster-replica-no-failover" | "cluster-slave-no-failover", YesNo, "no", Idle;
        "cluster-allow-reads-when-down", YesNo, "no", Idle;
        "cluster-allow-pubsubshard-when-down", YesNo, "yes", Idle;
        "cluster-link-sendbuf-limit", Memory(0, LONG), "0", Idle;

        "tls-session-caching", YesNo, "yes", Idle;
        "tls-session-cache-size", Int(0, INT), "20480", Idle;
        "tls-session-cache-timeout", Int(0, INT), "300", Idle;
        "tls-prefer-server-ciphers", YesNo, "no", Idle;
        "tls-replication", YesNo, "no", Later;
        "tls-cluster", YesNo, "no", Later;
        "enable-protected-configs", Choice(Allowed::WORDS), "no", Later;
        "enable-module-command", Choice(Allowed::WORDS), "no", Later;

        "daemonize", YesNo, "no", Later;
        "pidfile", Text, "", Later;
        "supervised", Choice(&["upstart", "systemd", "auto", "no"]), "no", Later;
        "syslog-enabled", YesNo, "no", Later;
        "syslog-facility", Text, "local0", Later;
        "syslog-ident", Text, "redis", Later;
        "oom-score-adj", Choice(&["no", "yes", "relative", "absolute"]), "no", Later;
        "oom-score-adj-values", List, "0 200 800", Later;
        "shutdown-timeout", Int(0, INT), "10", Later;
        "shutdown-on-sigint", Text, "default", Later;
        "shutdown-on-sigterm", Text, "default", Later;
    }
}

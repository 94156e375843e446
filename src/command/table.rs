//! The command table: one row a command, from which everything else about it follows.
//!
//! Dispatch, arity, routing by key positions, `COMMAND` and its subcommands, ACL categories, docs/commands.md and the
//! fuzz dictionary are all derived from the rows. A row stands in its family's file beside the function that it
//! names; a new family adds one line to [`FAMILIES`].

use super::args::Args;
use super::error::CommandError;
use crate::engine::{Entered, Reach, Session, Wait};
use crate::reply::Sink;
use crate::shard::{Key, Keyspace};
use std::sync::LazyLock;

/// The families, in the order of docs/commands.md.
pub const FAMILIES: &[&[Command]] = &[
    super::string::COMMANDS,
    super::keys::COMMANDS,
    super::list::COMMANDS,
    super::hash::COMMANDS,
    super::set::COMMANDS,
    super::zset::COMMANDS,
    super::stream::COMMANDS,
    super::bitmap::COMMANDS,
    super::geo::COMMANDS,
    super::hyperloglog::COMMANDS,
    super::sort::COMMANDS,
    super::dump::COMMANDS,
    super::transaction::COMMANDS,
    super::persistence::COMMANDS,
    super::pubsub::COMMANDS,
    super::script::COMMANDS,
    super::connection::COMMANDS,
    super::client::COMMANDS,
    super::server::COMMANDS,
    super::introspect::COMMANDS,
    super::config::COMMANDS,
    super::acl::COMMANDS,
    super::slowlog::COMMANDS,
    super::latency::COMMANDS,
    super::debug::COMMANDS,
    super::monitor::COMMANDS,
    super::lolwut::COMMANDS,
    super::module::COMMANDS,
    super::throttle::COMMANDS,
    super::cluster::COMMANDS,
];

/// One command, or one subcommand of a container such as `CLIENT`.
#[derive(Debug)]
pub struct Command {
    /// The name in capitals.
    pub name: &'static str,
    /// Arguments with the name (and for a subcommand its container's); negative for "at least".
    pub arity: i32,
    /// Properties, one bit each; see [`Flag`].
    pub flags: Flags,
    /// Where the keys stand.
    pub keys: Keys,
    /// How it spreads and what it does.
    pub run: Run,
    /// The family it belongs to, as `COMMAND DOCS` names it.
    pub group: Group,
    /// The Redis version that introduced it.
    pub since: &'static str,
    /// Its arguments in the notation of the Redis documentation.
    pub syntax: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// Its complexity.
    pub complexity: &'static str,
    /// The subcommands of a container.
    pub subcommands: &'static [Command],
}

/// A property of a command. Redis' words, where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Flag {
    /// Changes data.
    Write = 1 << 0,
    /// Reads data only.
    Read = 1 << 1,
    /// Refused when memory is used up.
    DenyOom = 1 << 2,
    /// For administrators.
    Admin = 1 << 3,
    /// Publishes or subscribes.
    PubSub = 1 << 4,
    /// Not from scripts.
    NoScript = 1 << 5,
    /// May wait.
    Blocking = 1 << 6,
    /// Allowed while data is loaded.
    Loading = 1 << 7,
    /// Allowed on a replica that lost its master.
    Stale = 1 << 8,
    /// Not shown to `MONITOR`.
    SkipMonitor = 1 << 9,
    /// Not entered into the slow log.
    SkipSlowlog = 1 << 10,
    /// Constant or logarithmic time.
    Fast = 1 << 11,
    /// Allowed before authentication.
    NoAuth = 1 << 12,
    /// May be replicated though it is no write.
    MayReplicate = 1 << 13,
    /// Not in a transaction.
    NoMulti = 1 << 14,
    /// Its keys follow from other arguments.
    MovableKeys = 1 << 15,
    /// Allowed while a script is busy.
    AllowBusy = 1 << 16,
    /// Not allowed while a replica loads asynchronously.
    NoAsyncLoading = 1 << 17,
    /// Dangerous (an ACL category that does not follow from the other flags).
    Dangerous = 1 << 18,
    /// Takes keys, though not in a place that the row can name; all shards are entered.
    TouchesAll = 1 << 19,
    /// Its keys are optional or may be missing altogether.
    OptionalKeys = 1 << 20,
    /// Runs at once within `MULTI`, where other commands are queued.
    NotQueued = 1 << 21,
    /// Allowed to a RESP2 client that subscribes; with `PubSub`, the reply consists of push messages.
    Listening = 1 << 22,
}

/// A set of [`Flag`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// Whether a flag is in the set.
    #[inline]
    #[must_use]
    pub const fn has(self, flag: Flag) -> bool {
        self.0 & flag as u32 != 0
    }

    /// Whether one of the flags is in the set.
    #[must_use]
    pub const fn has_any(self, flags: &[Flag]) -> bool {
        self.0 & Flags::of(flags).0 != 0
    }

    /// Whether the reply consists of push messages.
    #[inline]
    #[must_use]
    pub const fn pushes(self) -> bool {
        self.has(Flag::Listening) && self.has(Flag::PubSub)
    }

    const fn of(flags: &[Flag]) -> Flags {
        let (mut bits, mut at) = (0, 0);
        while at < flags.len() {
            bits |= flags[at] as u32;
            at += 1;
        }
        Flags(bits)
    }
}

/// Where a command's keys stand among its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// It has none.
    None,
    /// One key, at this position.
    At(usize),
    /// From `first` on in steps of `step`; `last` counts from the end where it is negative.
    Range {
        /// Position of the first key.
        first: usize,
        /// Position of the last key; -1 is the last argument.
        last: i32,
        /// Distance between keys.
        step: usize,
    },
    /// A number at this position, then that many keys.
    Counted(usize),
    /// A number at this position, then that many keys, each with a value behind it.
    CountedPairs(usize),
    /// One key behind the name, a number at this position, then that many keys more.
    FirstAndCounted(usize),
    /// One key behind the name, and the one behind the last `STORE` or `STOREDIST` from this position on.
    FirstAndStored(usize),
    /// The first half of what stands behind the word `STREAMS`, as `XREAD` has it.
    Streams,
}

impl Keys {
    /// One key behind the name.
    pub const FIRST: Keys = Keys::At(1);
    /// Two keys behind the name.
    pub const PAIR: Keys = Keys::Range { first: 1, last: 2, step: 1 };
    /// Everything behind the name is a key.
    pub const REST: Keys = Keys::Range { first: 1, last: -1, step: 1 };

    /// The positions of the keys in `argv`; empty where the arguments do not fit (the handler will say why).
    pub fn positions(self, argv: &[&[u8]]) -> impl Iterator<Item = usize> + use<> {
        let argc = argv.len();
        let front = matches!(self, Keys::FirstAndCounted(_) | Keys::FirstAndStored(_)).then_some(1);
        let (first, end, step) = match self {
            Keys::None => (1, 1, 1),
            Keys::At(at) => (at, at + 1, 1),
            Keys::Range { first, last, step } => {
                let end = if last < 0 {
                    (argc as i64 + i64::from(last) + 1).max(0) as usize
                } else {
                    last as usize + 1
                };
                (first, end, step)
            }
            Keys::Counted(at) | Keys::FirstAndCounted(at) | Keys::CountedPairs(at) => {
                let step = if matches!(self, Keys::CountedPairs(_)) { 2 } else { 1 };
                let count = argv.get(at).and_then(|text| super::args::parse_int(text)).unwrap_or(0);
                let count = usize::try_from(count).unwrap_or(0).min(argc.saturating_sub(at + 1));
                (at + 1, at + 1 + count * step, step)
            }
            Keys::FirstAndStored(from) => {
                let at = stored_at(argv, from).unwrap_or(argc);
                (at, at + 1, 1)
            }
            Keys::Streams => {
                let first = streams_at(argv).unwrap_or(argc);
                (first, first + (argc - first) / 2, 1)
            }
        };
        front.into_iter().chain((first..end.min(argc)).step_by(step))
    }
}

/// Where the first key of `XREAD` or `XREADGROUP` stands: behind `STREAMS`, which ends the options. `None` where they do
/// not lead there; the command refuses that.
#[must_use]
pub fn streams_at(argv: &[&[u8]]) -> Option<usize> {
    let mut at = 1;
    while let Some(word) = argv.get(at) {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let more = argv.len() - at - 1;
        if is("STREAMS") && more > 0 {
            return Some(at + 1);
        }
        at += if (is("BLOCK") || is("COUNT")) && more > 0 {
            2
        } else if is("GROUP") && more > 1 {
            3
        } else if is("NOACK") {
            1
        } else {
            return None;
        };
    }
    None
}

/// Where the key stands that `GEORADIUS` stores its result in: behind the last `STORE` or `STOREDIST`.
fn stored_at(argv: &[&[u8]], from: usize) -> Option<usize> {
    let (mut at, mut found) = (from, None);
    while at + 1 < argv.len() {
        let word = argv.get(at)?;
        if word.eq_ignore_ascii_case(b"STORE") || word.eq_ignore_ascii_case(b"STOREDIST") {
            at += 1;
            found = Some(at);
        }
        at += 1;
    }
    found
}

/// A command that may have to wait.
pub type WaitFn = fn(&mut Entered<'_>, &mut Args<'_>, &mut dyn Sink) -> Result<Option<Wait>, CommandError>;

/// How a command spreads over the shards, and the function that does it.
///
/// A function writes its reply into the sink; when it returns an error, what it wrote is rolled back.
#[derive(Clone, Copy, Debug)]
pub enum Run {
    /// One key, one shard: the cursor stands behind the key.
    Key(fn(&mut Keyspace<'_>, Key<'_>, &mut Args<'_>, &mut dyn Sink) -> Result<(), CommandError>),
    /// Several keys: the shards of all keys are entered (or every shard, where the row has no keys).
    Keys(fn(&mut Entered<'_>, &mut Args<'_>, &mut dyn Sink) -> Result<(), CommandError>),
    /// Like `Keys`, and may have to wait: `Some` when there was nothing to be had, and nothing was written.
    Wait(WaitFn),
    /// The client's session or the engine as a whole, with no shard entered; ends a batch.
    Session(fn(&mut Session, &mut Reach<'_, '_>, &mut Args<'_>, &mut dyn Sink) -> Result<(), CommandError>),
    /// A container: its subcommands run.
    Container,
}

/// The families as `COMMAND DOCS` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Strings.
    String,
    /// Keys of any type.
    Generic,
    /// Lists.
    List,
    /// Hashes.
    Hash,
    /// Sets.
    Set,
    /// Sorted sets.
    SortedSet,
    /// Streams.
    Stream,
    /// Bitmaps.
    Bitmap,
    /// Points of the earth.
    Geo,
    /// HyperLogLogs.
    HyperLogLog,
    /// Transactions.
    Transactions,
    /// Publishing and subscribing.
    PubSub,
    /// Scripts and functions.
    Scripting,
    /// Connections.
    Connection,
    /// The server.
    Server,
    /// The cluster.
    Cluster,
}

impl Group {
    /// The name in `COMMAND DOCS`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Group::String => "string",
            Group::Generic => "generic",
            Group::List => "list",
            Group::Hash => "hash",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Stream => "stream",
            Group::Bitmap => "bitmap",
            Group::Geo => "geo",
            Group::HyperLogLog => "hyperloglog",
            Group::Transactions => "transactions",
            Group::PubSub => "pubsub",
            Group::Scripting => "scripting",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Cluster => "cluster",
        }
    }
}

/// A row: name, arity, flags, keys, function. Documentation follows by [`Command::doc`].
pub(super) const fn row(name: &'static str, arity: i32, flags: &[Flag], keys: Keys, run: Run) -> Command {
    Command {
        name,
        arity,
        flags: Flags::of(flags),
        keys,
        run,
        group: Group::Generic,
        since: "1.0.0",
        syntax: "",
        summary: "",
        complexity: "O(1)",
        subcommands: &[],
    }
}

/// A container's row.
pub(super) const fn container(name: &'static str, subcommands: &'static [Command]) -> Command {
    Command { subcommands, ..row(name, -2, &[], Keys::None, Run::Container) }
}

impl Command {
    /// Arguments, summary and complexity, as the Redis documentation has them.
    pub(super) const fn doc(
        self,
        syntax: &'static str,
        summary: &'static str,
        complexity: &'static str,
    ) -> Command {
        Command { syntax, summary, complexity, ..self }
    }

    /// The family and the Redis version that introduced it.
    pub(super) const fn of(self, group: Group, since: &'static str) -> Command {
        Command { group, since, ..self }
    }

    /// Where the one key of a [`Run::Key`] command stands.
    #[inline]
    #[must_use]
    pub fn key_at(&self, argv: &[&[u8]]) -> usize {
        match self.keys {
            Keys::At(at) => at,
            keys => keys.positions(argv).next().unwrap_or(1),
        }
    }

    /// Whether `argc` arguments are right in number.
    #[inline]
    #[must_use]
    pub fn takes(&self, argc: usize) -> bool {
        let argc = argc as i64;
        let arity = i64::from(self.arity);
        if arity >= 0 { argc == arity } else { argc >= -arity }
    }
}

/// A command as dispatch finds it: its row, its number and its full name.
#[derive(Debug)]
pub struct Entry {
    /// Counters are kept by this number.
    pub id: usize,
    /// The row.
    pub command: &'static Command,
    /// The name in small letters, with the container's: `get`, `client|id`.
    pub full_name: &'static str,
    /// Whether it takes long by its nature, so that it is worth timing. `SET` is not, though Redis does not call it
    /// fast: what it overwrites is freed elsewhere.
    pub may_be_slow: bool,
    /// The subcommands of a container.
    pub subcommands: Vec<Entry>,
}

impl Entry {
    /// Arguments that the name takes: two for a subcommand.
    #[must_use]
    pub fn name_args(&self) -> usize {
        if self.full_name.contains('|') { 2 } else { 1 }
    }

    /// The subcommand of this name, in any case.
    #[must_use]
    pub fn subcommand(&self, name: &[u8]) -> Option<&Entry> {
        self.subcommands.iter().find(|entry| name.eq_ignore_ascii_case(entry.command.name.as_bytes()))
    }
}

/// All commands, indexed by name.
#[derive(Debug)]
pub struct Table {
    entries: Vec<Entry>,
    /// Open addressing: an entry's place plus one, 0 for an empty place.
    index: Vec<u16>,
    /// How many numbers were given out, subcommands included.
    count: usize,
}

const INDEX_LEN: usize = 2048;

/// The table, built once.
pub static TABLE: LazyLock<Table> = LazyLock::new(Table::build);

impl Table {
    fn build() -> Table {
        let mut count = 0;
        let mut entries: Vec<Entry> = Vec::new();
        for command in FAMILIES.iter().flat_map(|family| family.iter()) {
            entries.push(entry(command, None, &mut count));
        }
        let mut index = vec![0u16; INDEX_LEN];
        for (at, entry) in entries.iter().enumerate() {
            let mut place = name_hash(entry.command.name.as_bytes());
            while index[place] != 0 {
                place = (place + 1) % INDEX_LEN;
            }
            index[place] = at as u16 + 1;
        }
        Table { entries, index, count }
    }

    /// The command of this name, in any case. O(1).
    #[inline]
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<&Entry> {
        let mut place = name_hash(name);
        loop {
            let at = *self.index.get(place)?;
            let entry = self.entries.get(usize::from(at).checked_sub(1)?)?;
            if name.eq_ignore_ascii_case(entry.command.name.as_bytes()) {
                return Some(entry);
            }
            place = (place + 1) % INDEX_LEN;
        }
    }

    /// The command that arguments name, or its subcommand. O(1).
    #[must_use]
    pub fn look_up(&self, argv: &[&[u8]]) -> Option<&Entry> {
        let entry = self.find(argv.first()?)?;
        match argv.get(1) {
            Some(name) if !entry.subcommands.is_empty() => entry.subcommand(name),
            _ => Some(entry),
        }
    }

    /// The command or subcommand of this number, as counters and clients keep it. O(log commands).
    #[must_use]
    pub fn numbered(&self, id: usize) -> Option<&Entry> {
        // A container's number stands directly before those of its subcommands.
        let at = self.entries.partition_point(|entry| entry.id <= id).checked_sub(1)?;
        let entry = self.entries.get(at)?;
        match id - entry.id {
            0 => Some(entry),
            behind => entry.subcommands.get(behind - 1),
        }
    }

    /// All commands, in the order of their families.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many commands and subcommands there are: numbers are below it.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }
}

fn entry(command: &'static Command, container: Option<&str>, count: &mut usize) -> Entry {
    let name = command.name.to_ascii_lowercase();
    let full_name = match container {
        Some(container) => format!("{container}|{name}"),
        None => name,
    };
    let id = *count;
    *count += 1;
    let subcommands =
        command.subcommands.iter().map(|subcommand| entry(subcommand, Some(&full_name), count)).collect();
    // The table lives as long as the program, so its names may.
    let may_be_slow = !command.flags.has(Flag::Fast) && full_name != "set";
    Entry { id, command, full_name: String::leak(full_name), may_be_slow, subcommands }
}

/// A hash that ignores case: letters differ from their capitals in one bit, which is masked out.
#[inline]
fn name_hash(name: &[u8]) -> usize {
    let mut hash = name.len() as u32;
    for &byte in name.iter().take(32) {
        hash = (hash ^ u32::from(byte & 0xDF)).wrapping_mul(0x0100_0193);
    }
    (hash ^ (hash >> 15)) as usize % INDEX_LEN
}

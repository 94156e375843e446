//! The engine: the shards together.
//!
//! It owns the shards' door, routing, dispatch, blocking, background cycles and the registry of clients. It knows
//! neither bytes on a wire nor sockets nor files: a request arrives as arguments, a reply leaves through a sink.
//!
//! **Invariant:** a command runs to completion on the thread that brought it; there is no hand-off and no queue
//! between a caller and the data.

pub mod acl;
pub mod blocking;
mod busy;
mod cluster;
mod cron;
mod cycles;
mod direct;
mod dispatch;
mod door;
pub mod effects;
#[cfg(feature = "testkit")]
mod faults;
mod journal;
mod latency;
mod memory;
mod monitor;
mod names;
mod notices;
mod pause;
mod persistence;
mod pubsub;
mod push;
mod reach;
mod route;
mod session;
mod slowlog;
mod stats;
mod tracking;
mod transaction;
mod whole;

pub use blocking::{Delivery, Ended, Undo, Wait, Waiter, Waiting};
pub use busy::{Busy, Pump, Running as BusyScript, ScriptFigures};
pub use cluster::{Cluster, SLOTS, slot_of};
pub use dispatch::{Batch, Flow};
pub use door::Entered;
#[cfg(feature = "testkit")]
pub use faults::Faults;
pub use latency::{Distribution, Event, Latency, Sample};
pub use pause::{Pause, PauseKind};
pub use persistence::{Persistence, SaveFigures};
pub use pubsub::{Scope, World};
pub use push::{Body, Notify, Push};
pub use reach::Reach;
pub use route::{Router, tag};
pub use session::{Client, Labels, Peer, ReplyMode, Session};
pub use slowlog::{SlowEntry, SlowLog};
pub use stats::{CommandStats, Rates, Stats, Totals};
pub use tracking::{Mode, TrackingOptions};
pub use transaction::Transaction;
pub use whole::DbFigures;

#[cfg(feature = "script")]
pub(crate) use cluster::slot_of_command;
pub(crate) use door::View;
#[cfg(feature = "script")]
pub(crate) use monitor::Moment;
#[cfg(feature = "script")]
pub(crate) use transaction::run_inside;

use acl::Acl;
use slowlog::Timing;

use crate::clock::Clock;
use crate::command::table::TABLE;
use crate::config::{Config, ConfigError, Settings};
use crate::shard::waiters::Ticket;
use crate::shard::{PackedLimit, Shard, ShardSettings, ShardStats, StreamNodeLimit};
use crate::value::list::NodeLimit;
use cycles::Cycles;
use dashmap::DashMap;
use door::Door;
use memory::Memory;
use monitor::Monitors;
use names::Names;
use notices::Outbox;
use pubsub::PubSub;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use tracking::Trackers;

/// The shards, and all that goes with them. Shared by everyone who uses it.
pub struct Engine {
    doors: Box<[Door]>,
    router: Router,
    clock: Clock,
    settings: Arc<Settings>,
    acl: Acl,
    timing: Timing,
    slowlog: SlowLog,
    latency: Latency,
    stats: Stats,
    cycles: Arc<Cycles>,
    clients: DashMap<u64, Arc<Client>>,
    waiters: DashMap<Ticket, Arc<Waiter>>,
    next_client: AtomicU64,
    next_ticket: AtomicU64,
    pause: Pause,
    persistence: Arc<Persistence>,
    journal: Arc<crate::persist::journal::Journal>,
    /// Held while functions are told to the journal, so that the last ones told are the last ones.
    #[cfg_attr(not(feature = "script"), expect(dead_code, reason = "there are no functions"))]
    functions_told: parking_lot::Mutex<()>,
    pubsub: PubSub,
    outbox: Outbox,
    trackers: Trackers,
    monitors: Monitors,
    names: Names,
    busy: Busy,
    cluster: Cluster,
    /// `DEBUG SET-DISABLE-DENY-SCRIPTS`: scripts may call what is not for scripts.
    scripts_call_all: AtomicBool,
    #[cfg(feature = "script")]
    scripts: crate::script::Scripts,
    #[cfg(feature = "testkit")]
    faults: Faults,
    databases: usize,
    /// Keys the hash function of large collections.
    dict_seed: (u64, u64),
    started_ms: u64,
    run_id: String,
    /// What keys and values may take.
    memory: Arc<Memory>,
    /// The most that was seen of it, bytes.
    memory_peak: AtomicUsize,
    shutdown: parking_lot::Mutex<Option<Box<dyn Fn() + Send + Sync>>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("shards", &self.doors.len()).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine with its shards and its thread for background work.
    ///
    /// # Errors
    /// A setting out of its range.
    pub fn open(config: &Config, clock: Clock) -> Result<Arc<Engine>, ConfigError> {
        let settings = Arc::new(Settings::new(config)?);
        let acl = Acl::new(&settings)?;
        // Memory is measured against what the process took before it had any keys.
        let _ = crate::process::resident_bytes_at_start();
        let shards = settings.shards_effective() as usize;
        let databases = settings.databases() as usize;
        let seed = Seed::of(&settings);
        let memory = Arc::new(Memory::default());
        let journal = Arc::<crate::persist::journal::Journal>::default();
        let dict_seed = (seed.number(u64::MAX - 3), seed.number(u64::MAX - 4));
        let for_shards = shard_settings(&settings, dict_seed);
        let doors = (0..shards)
            .map(|index| {
                let mut shard = Shard::new(databases, seed.number(index as u64 + 2), for_shards);
                shard.stats = ShardStats { calls: vec![0; TABLE.count()], ..ShardStats::default() };
                Door::new(shard, Arc::clone(&memory), Arc::clone(&journal))
            })
            .collect();
        let run_id = (0..3).map(|n| format!("{:016x}", seed.number(u64::MAX - n))).collect::<String>();
        let engine = Arc::new(Engine {
            doors,
            router: Router::new((seed.number(0), seed.number(1)), shards),
            started_ms: clock.now_ms(),
            clock,
            acl,
            timing: Timing::of(&settings),
            slowlog: SlowLog::default(),
            latency: Latency::default(),
            stats: Stats::default(),
            cycles: Arc::default(),
            clients: DashMap::new(),
            waiters: DashMap::new(),
            next_client: AtomicU64::new(1),
            next_ticket: AtomicU64::new(1),
            pause: Pause::default(),
            persistence: Arc::default(),
            journal: Arc::clone(&journal),
            functions_told: parking_lot::Mutex::default(),
            pubsub: PubSub::default(),
            outbox: Outbox::default(),
            trackers: Trackers::default(),
            monitors: Monitors::default(),
            names: Names::of(&settings)?,
            busy: Busy::default(),
            cluster: Cluster::new(settings.cluster_enabled(), &seed),
            scripts_call_all: AtomicBool::new(false),
            #[cfg(feature = "script")]
            scripts: crate::script::Scripts::default(),
            #[cfg(feature = "testkit")]
            faults: Faults::default(),
            databases,
            dict_seed,
            run_id: run_id[..40].to_owned(),
            memory,
            memory_peak: AtomicUsize::new(0),
            shutdown: parking_lot::Mutex::new(None),
            settings: Arc::clone(&settings),
        });
        engine.follow_memory_settings();
        Persistence::start(&engine);
        engine.follow_journal_settings("");
        Cycles::start(&engine);
        let weak = Arc::downgrade(&engine);
        settings.on_change(move |settings, name| {
            if let Some(engine) = weak.upgrade() {
                if name == "latency-tracking-info-percentiles" {
                    latency::percentiles(&settings.latency_tracking_info_percentiles())?;
                }
                engine.timing.follow(settings);
                if name == "requirepass" {
                    engine.acl.follow_password();
                }
                engine.follow_memory_settings();
                engine.follow_save_settings();
                engine.follow_journal_settings(name);
                engine.persistence.ring();
                let changed = shard_settings(settings, dict_seed);
                // Whoever holds the shards already brings them up to date when he knows of the change.
                if !reach::is_inside() {
                    engine.doors.iter().for_each(|door| door.enter().settings = changed);
                }
            }
            Ok(())
        });
        Ok(engine)
    }

    #[inline]
    pub(crate) fn door(&self, index: usize) -> &Door {
        &self.doors[index]
    }

    pub(crate) fn doors(&self) -> &[Door] {
        &self.doors
    }

    /// Which shard a key belongs to.
    #[must_use]
    #[inline]
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// The engine's time.
    #[must_use]
    #[inline]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The live settings.
    #[must_use]
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Users, and what they may do.
    #[must_use]
    #[inline]
    pub fn acl(&self) -> &Acl {
        &self.acl
    }

    /// Commands that took long.
    #[must_use]
    pub fn slowlog(&self) -> &SlowLog {
        &self.slowlog
    }

    /// Events that took long, and how the times of commands are distributed.
    #[must_use]
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// Which commands are timed.
    #[inline]
    fn timing(&self) -> &Timing {
        &self.timing
    }

    /// Counters.
    #[must_use]
    #[inline]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    #[inline]
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Background work.
    #[must_use]
    #[inline]
    pub fn cycles(&self) -> &Cycles {
        &self.cycles
    }

    /// `CLIENT PAUSE`.
    #[must_use]
    #[inline]
    pub fn pause(&self) -> &Pause {
        &self.pause
    }

    fn pubsub(&self) -> &PubSub {
        &self.pubsub
    }

    fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn trackers(&self) -> &Trackers {
        &self.trackers
    }

    #[inline]
    pub(crate) fn monitors(&self) -> &Monitors {
        &self.monitors
    }

    /// The script that runs, if any.
    #[must_use]
    #[inline]
    pub fn busy(&self) -> &Busy {
        &self.busy
    }

    /// Whether scripts may call what is not for scripts.
    #[cfg(feature = "script")]
    pub(crate) fn scripts_call_all(&self) -> bool {
        self.scripts_call_all.load(Ordering::Relaxed)
    }

    /// Lets scripts call what is not for scripts, or no longer, for tests.
    pub(crate) fn let_scripts_call_all(&self, on: bool) {
        self.scripts_call_all.store(on, Ordering::Relaxed);
    }

    /// The cluster that is emulated, if any.
    #[must_use]
    #[inline]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// What is to fail.
    #[cfg(feature = "testkit")]
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Scripts and functions.
    #[cfg(feature = "script")]
    #[must_use]
    pub fn scripts(&self) -> &crate::script::Scripts {
        &self.scripts
    }

    /// Figures of scripts and functions; zeros without the feature `script`.
    #[must_use]
    pub fn script_figures(&self) -> ScriptFigures {
        #[cfg(feature = "script")]
        let figures = self.scripts.figures();
        #[cfg(not(feature = "script"))]
        let figures = ScriptFigures::default();
        figures
    }

    /// How many databases there are.
    #[must_use]
    pub fn databases(&self) -> usize {
        self.databases
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.doors.len()
    }

    /// When the engine was opened, Unix ms.
    #[must_use]
    pub fn started_ms(&self) -> u64 {
        self.started_ms
    }

    /// Forty hexadecimal digits that name this run.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    fn next_ticket(&self) -> Ticket {
        self.next_ticket.fetch_add(1, Ordering::Relaxed)
    }

    fn next_client_id(&self) -> u64 {
        self.next_client.fetch_add(1, Ordering::Relaxed)
    }

    /// Enters a client into the registry and opens its session.
    pub fn connect(&self, peer: Peer, owner: Arc<dyn Notify>) -> Session {
        let id = self.next_client_id();
        let user = self.acl.default_user();
        let client = Arc::new(Client::new(id, peer, self.clock.now_ms(), owner, Arc::clone(user)));
        self.clients.insert(id, Arc::clone(&client));
        Session::new(client, user.is_open())
    }

    /// Takes a client out of the registry, and what it subscribes to back; a wait it has is abandoned.
    pub fn disconnect(&self, session: &mut Session) {
        self.clients.remove(&session.client.id);
        self.forget_subscriptions(&session.client);
        Reach::outside(self).untrack(session);
        self.unwatch(session);
        self.end_monitor(session);
        if let Some(waiter) = session.client.waiter() {
            session.client.set_waiter(None);
            self.abandon(&waiter);
        }
    }

    /// Takes the result of a session's wait once it has ended, and writes the reply, unless it was one for the end of
    /// a pause; whether it had ended. Enters shards, as [`finish`](Self::finish) does.
    pub fn take_delivery(
        &self,
        session: &mut Session,
        waiter: &Waiter,
        out: &mut dyn crate::reply::Sink,
    ) -> bool {
        let Some(ended) = self.take_end(session, waiter) else { return false };
        session.written = self.journal().appended();
        if !waiter.has_reply() {
            // The end of a pause is no reply; the command that was held back is still to run.
            return true;
        }
        match session.reply_mode {
            ReplyMode::On => waiter.write_end(&ended, out),
            ReplyMode::Skip => session.reply_mode = ReplyMode::On,
            ReplyMode::Off | ReplyMode::SkipNext => {}
        }
        true
    }

    /// The clients of the registry, by number.
    #[must_use]
    pub fn clients(&self) -> Vec<Arc<Client>> {
        let mut clients: Vec<_> = self.clients.iter().map(|entry| Arc::clone(&entry)).collect();
        clients.sort_unstable_by_key(|client| client.id);
        clients
    }

    /// How many clients there are. O(1).
    #[must_use]
    pub fn clients_len(&self) -> usize {
        self.clients.len()
    }

    /// A client by its number. O(1).
    #[must_use]
    pub fn client(&self, id: u64) -> Option<Arc<Client>> {
        self.clients.get(&id).map(|entry| Arc::clone(&entry))
    }

    /// Bytes that keys and values take, tables included. Enters one shard after another; O(segments).
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        Reach::outside(self).memory_bytes()
    }

    /// The most that [`Engine::memory_bytes`] has shown.
    #[must_use]
    pub fn memory_peak_bytes(&self) -> usize {
        self.memory_peak.load(Ordering::Relaxed)
    }

    /// Keys, keys with a deadline, of one database. Enters one shard after another.
    #[must_use]
    pub fn keys_len(&self, db: usize) -> (usize, usize) {
        self.doors.iter().fold((0, 0), |(keys, deadlines), door| {
            let shard = door.enter();
            (keys + shard.len(db), deadlines + shard.with_deadline(db))
        })
    }

    /// Enters all shards, for those that need the whole at one moment.
    pub fn enter_all(&self, db: usize) -> Entered<'_> {
        Entered::enter_all(self, View { db, now_ms: self.clock.now_ms(), no_touch: true })
    }

    /// Says how a process that serves this engine is asked to end (`SHUTDOWN`).
    pub fn on_shutdown(&self, ask: impl Fn() + Send + Sync + 'static) {
        *self.shutdown.lock() = Some(Box::new(ask));
    }

    /// Asks the process to end; whether there is one to ask.
    pub fn ask_shutdown(&self) -> bool {
        let ask = self.shutdown.lock();
        if let Some(ask) = &*ask {
            ask();
        }
        ask.is_some()
    }

    /// Moves the engine's clock forward: keys expire and waits time out as if the time had passed.
    pub fn advance(&self, by: std::time::Duration) {
        self.clock.advance(by);
        self.cycles.poke();
        self.persistence.ring();
    }

    /// The same, but a clock that runs goes on running.
    pub fn skip(&self, by: std::time::Duration) {
        self.clock.skip(by);
        self.cycles.poke();
    }

    /// Lets a clock run again from where it stands.
    pub fn run_on(&self) {
        self.clock.run_on();
        self.cycles.poke();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Err(error) = self.save_at_end() {
            tracing::error!("the last changes are not saved: {error}");
        }
        if self.journal.is_on()
            && let Err(error) = self.journal.close()
        {
            tracing::error!("the end of the journal is not on the disk: {error}");
        }
        self.cycles.stop();
        self.persistence.end();
    }
}

fn shard_settings(settings: &Settings, dict_seed: (u64, u64)) -> ShardSettings {
    ShardSettings {
        list_node: NodeLimit::new(i64::from(settings.list_max_listpack_size())),
        hash_packed: PackedLimit {
            entries_max: settings.hash_max_listpack_entries(),
            bytes_max: settings.hash_max_listpack_value(),
        },
        intset_entries_max: settings.set_max_intset_entries(),
        set_packed: PackedLimit {
            entries_max: settings.set_max_listpack_entries(),
            bytes_max: settings.set_max_listpack_value(),
        },
        zset_packed: PackedLimit {
            entries_max: settings.zset_max_listpack_entries(),
            bytes_max: settings.zset_max_listpack_value(),
        },
        stream_node: StreamNodeLimit {
            bytes_max: settings.stream_node_max_bytes(),
            entries_max: settings.stream_node_max_entries(),
        },
        hll_sparse_bytes_max: settings.hll_sparse_max_bytes(),
        string_bytes_max: settings.proto_max_bulk_len(),
        events: notices::events_of(settings),
        lfu: memory::lfu(settings),
        dict_seed,
    }
}

/// Where an engine's random numbers come from: the operating system, or a number given for tests.
struct Seed(u64, u64);

impl Seed {
    fn of(settings: &Settings) -> Self {
        let given = settings.seed();
        let mut bytes = [0u8; 16];
        if given == 0 && getrandom::fill(&mut bytes).is_err() {
            tracing::warn!("the operating system gives no random numbers; hashes are predictable");
        }
        let drawn = u128::from_le_bytes(bytes);
        Self(drawn as u64 ^ given, (drawn >> 64) as u64)
    }

    fn number(&self, n: u64) -> u64 {
        siphasher::sip::SipHasher13::new_with_keys(self.0, self.1).hash(&n.to_le_bytes())
    }
}

//! One shard: its share of the keys of every database, and who waits for them.
//!
//! A shard is plain single-threaded code. It is entered through the engine's door and knows no threads, no locks,
//! no sockets and no commands; time is given to it. A [`Keyspace`] is a shard seen through one database for the
//! duration of one command, and the only way to its data: type checks, lazy expiry, removal of emptied values and
//! the noticing of keys that waiters want happen there, so no command spells them.
//!
//! **Invariant:** no shard refers to another's memory.

pub mod arena;
mod bitmaps;
mod collection;
pub mod cut;
pub mod db;
pub mod digest;
mod dumps;
pub mod entry;
pub mod events;
mod evict;
mod hashes;
mod hyperloglogs;
mod keyspace;
mod lists;
pub mod records;
mod sets;
mod streams;
mod strings;
pub mod tracking;
pub mod waiters;
pub mod watch;
mod zsets;

pub use crate::value::table;
pub use entry::Type;
pub use events::{Class, Event};
pub use evict::{Eviction, Lfu, Measure};
pub use hashes::{HashFields, HashNumberError, HashRoom};
pub use keyspace::{Encoding, Expires, Key, Keyspace, Seen, Str, StringError, Value, WrongType};
pub use lists::Inserted;
pub use streams::StreamChange;
pub use strings::Condition;
pub use tracking::Changed;
pub use zsets::{Added, Scored};

use arena::Handle;
use db::{Db, Object};
use entry::{Head, Kind};
use events::Events;
use table::NEVER;
use tracking::Tracked;
use waiters::Waiters;
use watch::Watches;

/// Plain counters of one shard; the engine adds them up.
#[derive(Clone, Debug, Default)]
pub struct ShardStats {
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Keys removed because their deadline had passed.
    pub expired: u64,
    /// Keys removed to make room.
    pub evicted: u64,
    /// Fields of hashes removed because their deadline had passed.
    pub expired_fields: u64,
    /// Keys written (a measure of change, as `rdb_changes_since_last_save` counts).
    pub dirty: u64,
    /// Calls per command, by the command's number.
    pub calls: Vec<u64>,
}

/// How large a collection may be while its encoding is the compact one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PackedLimit {
    /// Fields or members.
    pub entries_max: usize,
    /// Bytes of the longest field, value or member.
    pub bytes_max: usize,
}

/// How large a stream's node may grow; 0 for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamNodeLimit {
    /// Bytes.
    pub bytes_max: usize,
    /// Entries.
    pub entries_max: usize,
}

/// What a shard needs to know of the settings; refreshed by the engine when they change.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShardSettings {
    /// `list-max-listpack-size`.
    pub list_node: crate::value::list::NodeLimit,
    /// `hash-max-listpack-entries` and `-value`.
    pub hash_packed: PackedLimit,
    /// `set-max-intset-entries`.
    pub intset_entries_max: usize,
    /// `set-max-listpack-entries` and `-value`.
    pub set_packed: PackedLimit,
    /// `zset-max-listpack-entries` and `-value`.
    pub zset_packed: PackedLimit,
    /// `stream-node-max-bytes` and `-entries`; 0 for no limit.
    pub stream_node: StreamNodeLimit,
    /// `hll-sparse-max-bytes`: the longest sparse HyperLogLog.
    pub hll_sparse_bytes_max: usize,
    /// `proto-max-bulk-len`, bytes: no string grows beyond it.
    pub string_bytes_max: usize,
    /// `notify-keyspace-events`: the classes of events that are published, as [`Class`] numbers them; 0 for none.
    pub events: u32,
    /// How accesses are counted, where `maxmemory-policy` asks for their frequency.
    pub lfu: Option<Lfu>,
    /// Keys the hash function of large hashes, sets and sorted sets.
    pub dict_seed: crate::value::dict::Seed,
}

/// A key that a command made worth looking at for those who wait for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyKey {
    /// Its database.
    pub db: usize,
    /// Its name.
    pub key: Vec<u8>,
}

/// One shard's data.
#[derive(Debug)]
pub struct Shard {
    dbs: Box<[Db]>,
    /// Who waits for keys of this shard.
    pub waiters: Waiters,
    /// Who wants to know of their changes.
    pub watches: Watches,
    /// Keys that clients may have in a cache.
    pub tracked: Tracked,
    /// Keys that the running command filled and somebody waits for.
    pub ready: Vec<ReadyKey>,
    /// What happened to keys, where somebody wants to know.
    pub events: Events,
    /// Counters.
    pub stats: ShardStats,
    /// Settings that data structures ask for.
    pub settings: ShardSettings,
    /// `DEBUG SET-SKIP-CHECKSUM-VALIDATION`: payloads of `RESTORE` may have any checksum.
    pub skips_checksums: bool,
    /// The earliest deadline given since somebody asked, Unix ms.
    new_due_ms: u64,
    /// Bytes that keys and values took when they were last accounted for.
    accounted_bytes: usize,
    /// Keys that may go when memory is used up.
    pool: evict::Pool,
    /// Large objects on their way to the reaper.
    garbage: Vec<Object>,
    random: u64,
    /// Accesses, to read the clock once in a while where nobody else does.
    accesses: u32,
    /// Whether a journal wants to know what goes by itself and how lots fall.
    pub is_journaled: bool,
    /// What went by itself, where a journal wants to know.
    pub gone: Vec<Gone>,
    /// The command that does what the running one did by drawing lots; empty for the command itself.
    pub drawn: Vec<Vec<u8>>,
}

/// A key that went by itself, or some fields of its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Its database.
    pub db: usize,
    /// The key.
    pub key: Box<[u8]>,
    /// The fields that went; none where the key did.
    pub fields: Vec<Box<[u8]>>,
}

/// Fields of hashes that one step of the expiry cycle removes before it lets others work.
const FIELDS_A_STEP: usize = 1000;

/// What one step of the expiry cycle did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpiryStep {
    /// Keys removed.
    pub expired: usize,
    /// Where the next step goes on in this database; `None` when it was gone through.
    pub next: Option<u32>,
}

impl Shard {
    /// An empty shard of `databases` databases; `seed` decides its random choices.
    #[must_use]
    pub fn new(databases: usize, seed: u64, settings: ShardSettings) -> Self {
        Self {
            dbs: (0..databases).map(|_| Db::default()).collect(),
            waiters: Waiters::default(),
            watches: Watches::default(),
            tracked: Tracked::default(),
            ready: Vec::new(),
            events: Events::default(),
            stats: ShardStats::default(),
            settings,
            skips_checksums: false,
            new_due_ms: NEVER,
            accounted_bytes: 0,
            pool: evict::Pool::default(),
            garbage: Vec::new(),
            random: seed | 1,
            accesses: 0,
            is_journaled: false,
            gone: Vec::new(),
            drawn: Vec::new(),
        }
    }

    /// Sees the shard through one database. `now_ms` is the time of the command.
    #[inline]
    pub fn keyspace<'a>(&'a mut self, db: usize, now: Now<'a>) -> Keyspace<'a> {
        Keyspace::new(self, db, now)
    }

    /// Keys in a database.
    #[must_use]
    pub fn len(&self, db: usize) -> usize {
        self.dbs[db].len()
    }

    /// Whether a database has none.
    #[must_use]
    pub fn is_empty(&self, db: usize) -> bool {
        self.dbs[db].is_empty()
    }

    /// Keys with a deadline in a database.
    #[must_use]
    pub fn with_deadline(&self, db: usize) -> usize {
        self.dbs[db].with_deadline()
    }

    /// Hashes of a database whose fields have deadlines.
    #[must_use]
    pub fn with_field_deadlines(&self, db: usize) -> usize {
        self.dbs[db].with_field_deadlines()
    }

    /// Bytes that keys and values take. O(databases).
    #[inline]
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.dbs.iter().filter(|db| !db.is_empty()).map(Db::used_bytes).sum()
    }

    /// Bytes of the table that finds a database's keys. O(segments).
    #[must_use]
    pub fn table_bytes(&self, db: usize) -> usize {
        self.dbs[db].table.heap_bytes()
    }

    /// Sum of the times to live, in ms, of a few keys of a database that have one, and how many those are.
    ///
    /// Expected O(1): keys are drawn, so where few have a deadline the sample may be empty.
    pub fn sample_ttl(&mut self, db: usize, now_ms: u64) -> (u64, u64) {
        const DRAWS: usize = 20;
        if self.dbs[db].with_deadline() == 0 {
            return (0, 0);
        }
        let (mut sum_ms, mut count) = (0u64, 0);
        for _ in 0..DRAWS {
            let mut seed = self.random();
            let data = &self.dbs[db];
            let slot = data.table.sample(|| {
                seed = seed.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
                seed.rotate_left(29)
            });
            let deadline = slot.and_then(|slot| data.head(slot.handle).expires_at_ms);
            if let Some(ttl_ms) = deadline.and_then(|deadline| deadline.checked_sub(now_ms)) {
                sum_ms = sum_ms.saturating_add(ttl_ms);
                count += 1;
            }
        }
        (sum_ms, count)
    }

    /// Empties a database and returns what it held, to be freed outside the door, unless a running snapshot still needs it
    /// and takes it. O(1).
    pub fn flush(&mut self, db: usize) -> Option<Db> {
        self.watches.touch_where(db, |key| self.dbs[db].find(key.hash, key.bytes).is_some());
        self.stats.dirty += self.dbs[db].len() as u64;
        if self.waiters.mind_loss() {
            self.offer_all(db);
        }
        std::mem::take(&mut self.dbs[db]).retire()
    }

    /// Exchanges two databases, which the engine counts as one change of all shards. O(keys waited for).
    pub fn swap(&mut self, a: usize, b: usize) {
        for db in [a, b] {
            let exists =
                |key: Key<'_>| [a, b].iter().any(|&db| self.dbs[db].find(key.hash, key.bytes).is_some());
            self.watches.touch_where(db, exists);
        }
        self.dbs.swap(a, b);
        self.offer_all(a);
        self.offer_all(b);
    }

    /// Gives everyone a look who waits for a key of a database.
    fn offer_all(&mut self, db: usize) {
        let keys: Vec<ReadyKey> =
            self.waiters.keys(db).map(|key| ReadyKey { db, key: key.to_vec() }).collect();
        self.ready.extend(keys);
    }

    /// The earliest deadline that was given since the last call; [`NEVER`] when none was.
    #[inline]
    pub fn take_new_due_ms(&mut self) -> u64 {
        std::mem::replace(&mut self.new_due_ms, NEVER)
    }

    /// Takes the large objects that commands removed, to be freed outside the door.
    pub fn take_garbage(&mut self) -> Vec<Object> {
        std::mem::take(&mut self.garbage)
    }

    /// Whether there is anything to take.
    #[inline]
    #[must_use]
    pub fn has_garbage(&self) -> bool {
        !self.garbage.is_empty()
    }

    /// Whether whoever leaves has something to see to: keys to offer, large objects to free, clients to tell.
    #[inline]
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.has_garbage() || !self.ready.is_empty() || self.has_notices()
    }

    /// Whether there is something to tell clients.
    #[inline]
    #[must_use]
    pub fn has_notices(&self) -> bool {
        !self.events.is_empty() || self.tracked.has_changed()
    }

    /// The earliest time at which a key, or a field of a hash, may be due; [`NEVER`] when none has a deadline. O(segments).
    #[must_use]
    pub fn next_due_ms(&self) -> u64 {
        self.dbs
            .iter()
            .filter(|db| db.has_deadlines())
            .map(|db| db.table.next_due_ms())
            .min()
            .unwrap_or(NEVER)
    }

    /// Removes what is due in one segment of a database, from `position` on: keys, and fields of hashes, of which there
    /// may be so many that the next step goes on with the same segment. O(one segment) and what it frees.
    ///
    /// A segment that was looked at is left alone for `revisit_ms`, so that a stream of short deadlines costs a walk
    /// a period, not a walk a key; until then lazy expiry hides what is due.
    pub fn expire_segment(&mut self, db: usize, position: u32, now_ms: u64, revisit_ms: u64) -> ExpiryStep {
        let data = &self.dbs[db];
        if !data.has_deadlines() {
            return ExpiryStep::default();
        }
        let Some((segment, slots, next)) = data.table.next_due_segment(position, now_ms) else {
            return ExpiryStep::default();
        };
        let mut due_ms = NEVER;
        let (mut expired, mut lessened, mut emptied, mut fields) = (Vec::new(), Vec::new(), Vec::new(), 0);
        let with_field_deadlines = data.with_field_deadlines() > 0;
        for slot in slots {
            let mut gone = hashes::GoneFields::of(self);
            let data = &mut self.dbs[db];
            let head = data.head(slot.handle);
            match head.expires_at_ms {
                Some(deadline) if deadline < now_ms => {
                    expired.push(slot);
                    continue;
                }
                Some(deadline) => due_ms = due_ms.min(deadline),
                None => {}
            }
            if with_field_deadlines && head.kind == Kind::HashObject {
                let before = fields;
                let (hash_due_ms, is_empty) =
                    data.expire_fields(slot, now_ms, FIELDS_A_STEP, &mut fields, &mut gone);
                if fields > before {
                    let bytes = self.dbs[db].bytes(slot.handle);
                    let key: Box<[u8]> = Head::of(bytes).key(bytes).into();
                    gone.tell(self, db, &key);
                    lessened.push(slot);
                }
                due_ms = due_ms.min(hash_due_ms);
                if is_empty {
                    emptied.push(slot);
                }
            }
        }
        self.stats.expired_fields += fields as u64;
        // Where fields were left over, the segment remains due.
        let unfinished = fields >= FIELDS_A_STEP && due_ms < now_ms;
        let next = if unfinished { Some(position) } else { next };
        let due_ms = if due_ms == NEVER || unfinished { due_ms } else { due_ms.max(now_ms + revisit_ms) };
        self.dbs[db].table.set_due(&segment, due_ms);
        for slot in lessened {
            self.tell(db, slot.hash, slot.handle, (Class::Hash, "hexpired"));
        }
        let gone = expired.iter().map(|slot| (slot, (Class::Expired, "expired")));
        for (slot, event) in gone.chain(emptied.iter().map(|slot| (slot, (Class::Generic, "del")))) {
            self.note_loss(db, slot.handle);
            self.tell(db, slot.hash, slot.handle, event);
            if let Some(object) = self.dbs[db].remove(slot.hash, slot.handle) {
                self.discard(object);
            }
        }
        self.stats.expired += expired.len() as u64;
        ExpiryStep { expired: expired.len(), next }
    }

    /// Tells those who watch a key, have it in a cache or listen what happens to it by itself.
    #[inline]
    fn tell(&mut self, db: usize, hash: u32, handle: Handle, event: (Class, &'static str)) {
        if self.is_journaled && event.0 != Class::Hash {
            let bytes = self.dbs[db].bytes(handle);
            self.gone.push(Gone { db, key: Head::of(bytes).key(bytes).into(), fields: Vec::new() });
        }
        if !self.watches.is_empty() || !self.tracked.is_idle() || self.settings.events != 0 {
            let bytes = self.dbs[db].bytes(handle);
            let key: Box<[u8]> = Head::of(bytes).key(bytes).into();
            self.watches.touch(db, &key);
            self.tracked.touch(&key, hash, 0);
            self.notify(db, event.0, event.1, &key);
        }
    }

    /// Gives those a look who mind that a key's value is about to go. O(1) where nobody does.
    #[inline]
    fn note_loss(&mut self, db: usize, handle: Handle) {
        if self.waiters.mind_loss() {
            let bytes = self.dbs[db].bytes(handle);
            let head = Head::of(bytes);
            if head.kind == Kind::StreamObject && self.waiters.wanted(db, head.key(bytes)) {
                self.ready.push(ReadyKey { db, key: head.key(bytes).to_vec() });
            }
        }
    }

    /// Keeps a removed object for the reaper where freeing it takes long, and frees it here where it does not.
    fn discard(&mut self, object: Object) {
        const LONG: usize = 64 * 1024;
        if object.heap_bytes() > LONG {
            self.garbage.push(object);
        }
    }

    /// A random number; the sequence follows from the seed.
    pub(crate) fn random(&mut self) -> u64 {
        // SplitMix64: every state gives a well mixed number.
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// The time of a command: known, or read from the clock when something asks for it.
#[derive(Clone, Copy, Debug)]
pub enum Now<'a> {
    /// Unix ms, read before.
    At(u64),
    /// Nobody has asked yet; most reads never do.
    Lazy(&'a crate::clock::Clock),
}

impl Now<'_> {
    /// The exact time in Unix ms.
    #[inline]
    pub fn ms(&mut self) -> u64 {
        match *self {
            Now::At(ms) => ms,
            Now::Lazy(clock) => {
                let ms = clock.now_ms();
                *self = Now::At(ms);
                ms
            }
        }
    }

    /// The time as last read by anyone: good enough for idle times.
    #[inline]
    fn about_ms(&self) -> u64 {
        match self {
            Now::At(ms) => *ms,
            Now::Lazy(clock) => clock.last_ms(),
        }
    }
}

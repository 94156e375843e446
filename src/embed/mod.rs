//! The typed handle: damselfly inside your own process.
//!
//! A [`Damselfly`] is an engine that you hold in your hand. Calls run to completion on the thread that makes them: no
//! sockets, no protocol, no runtime and no other thread is involved. Calls on one key go straight to its shard; the rest
//! take the same functions that a client's commands take, so both faces mean the same.
//!
//! * Keys, values and elements are anything that is bytes (`impl AsRef<[u8]>`); results are [`Bytes`].
//! * A handle is cheap to clone and may be used from any number of threads. All handles of an engine see the same
//!   data; an engine lives as long as its last handle. Several engines in one process know nothing of each other.
//! * Calls that wait are futures of no particular runtime; each can also park the thread ([`Blocking::wait`]).
//! * What has no method of its own is reached by name: [`Damselfly::call`], [`Damselfly::session`],
//!   [`Damselfly::pipeline`].
//!
//! **Invariant:** a thread that is shown a value in place ([`Damselfly::get_with`]) is inside a shard, and enters no
//! other: its calls are refused with [`Error::ReentrantCall`].

#[cfg(feature = "domain")]
mod atomic;
mod bitmap;
mod blocking;
mod dump;
mod error;
mod geo;
mod hash;
mod hyperloglog;
mod inside;
mod keys;
mod list;
mod persistence;
mod pubsub;
mod reply;
mod scan;
#[cfg(feature = "script")]
mod script;
mod session;
mod set;
mod sort;
mod stream;
mod string;
mod throttle;
mod zset;

#[cfg(feature = "domain")]
pub(crate) use atomic::Atomic;
pub use bitmap::{BitOp, BitUnit, Bitfield, IntWidth, Overflow};
pub use blocking::Blocking;
pub use dump::RestoreOptions;
pub use error::{Error, OpenError, Result};
pub use geo::{GeoMatch, GeoSearch};
pub use hash::{FieldExpiry, FieldPersisted, Hash, HashScan, HashSetOptions};
pub use keys::{Condition, CopyOptions, Lifetime};
pub use list::{End, Position, Positions};
pub use persistence::Flush;
pub use pubsub::{Message, Next, Subscription};
pub use scan::Scan;
#[cfg(feature = "script")]
pub use script::Script;
pub use session::{Pipeline, Session};
pub use set::{Set, SetScan};
pub use sort::SortOptions;
pub use stream::{
    AddOptions as StreamAddOptions, Autoclaimed, ClaimOptions, ConsumerInfo, GroupInfo, ReadFrom, Stream,
    StreamEntry, StreamId, StreamInfo, StreamPending, StreamTrim,
};
pub use string::{LcsMatch, LcsMatches, SetOptions, SetOutcome, Touch};
pub use zset::{AddOptions, Extreme, Scored, Stretch, Weighing, ZSet, ZSetScan};

pub use crate::shard::Type;
pub use crate::value::geo::{Order as GeoOrder, Point as GeoPoint, Unit as GeoUnit};
pub use crate::value::zset::Aggregate;
pub use bytes::Bytes;

use crate::clock::Clock;
use crate::command::error::CommandError;
use crate::config::Config;
use crate::engine::{Batch, Client, Engine, Flow};
use crate::reply::{Protocol, Reply, ReplyBuilder};
use crate::shard::{Key, Keyspace};
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;

/// An engine in this process, seen through one of its databases.
///
/// ```
/// use damselfly::Damselfly;
///
/// let db = Damselfly::in_memory();
/// db.set("greeting", "hello")?;
/// db.incr("visits")?;
/// db.rpush("jobs", ["first", "second"])?;
///
/// assert_eq!(db.get("greeting")?.as_deref(), Some(&b"hello"[..]));
/// assert_eq!(db.incr("visits")?, 2);
/// assert_eq!(db.lpop("jobs")?.as_deref(), Some(&b"first"[..]));
///
/// let for_a_thread = db.clone();
/// std::thread::spawn(move || for_a_thread.set("from", "a thread")).join().unwrap()?;
/// assert!(db.exists("from")?);
/// # Ok::<(), damselfly::embed::Error>(())
/// ```
///
/// # Panics
///
/// A panic inside a shard would be a bug of damselfly's. It is not swallowed: it reaches the caller, and every later
/// call on that shard panics as well, because its data may be half changed. Panics of your own closures and of
/// `AsRef` implementations do no harm.
#[derive(Clone)]
pub struct Damselfly {
    engine: Arc<Engine>,
    /// Who calls, for those commands that ask.
    client: Arc<Client>,
    db: usize,
    /// Whether a change is on the disk once its call returns.
    durable: bool,
    /// Behind the engine, because it is dropped after it.
    #[expect(dead_code, reason = "it is held, not read")]
    end: Option<Arc<LastHandle>>,
}

/// Has the last handle of an engine with a directory wait until that is saved and free.
struct LastHandle(Arc<crate::engine::Persistence>);

impl Drop for LastHandle {
    fn drop(&mut self) {
        self.0.wait_for_end();
    }
}

impl fmt::Debug for Damselfly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Damselfly")
            .field("engine", &self.engine)
            .field("db", &self.db)
            .finish_non_exhaustive()
    }
}

impl Damselfly {
    /// Opens an engine of its own with these settings. Where they name a directory, what was saved there is loaded first,
    /// and the directory is ours until the last handle is dropped; with rules in `save`, that saves what has changed.
    ///
    /// # Errors
    /// [`OpenError::Config`] where a setting is out of its range, [`OpenError::Storage`] where what was saved cannot be
    /// loaded or another process has the directory open.
    ///
    /// ```
    /// use damselfly::{Damselfly, config::Config};
    /// let db = Damselfly::open(Config::default().shards(8u32).databases(4u32))?;
    /// # Ok::<(), damselfly::embed::OpenError>(())
    /// ```
    pub fn open(config: Config) -> std::result::Result<Self, OpenError> {
        Self::with_clock(config, Clock::system())
    }

    /// Opens an engine with default settings.
    #[must_use]
    pub fn in_memory() -> Self {
        match Self::open(Config::default()) {
            Ok(handle) => handle,
            // The tests of `config` hold that every default passes its own check.
            Err(error) => unreachable!("the default settings are valid: {error}"),
        }
    }

    /// Opens an engine that takes its time from `clock`: a manual one makes expiry and timeouts testable.
    ///
    /// # Errors
    /// [`OpenError::Config`] where a setting is out of its range.
    ///
    /// ```
    /// use damselfly::{Damselfly, clock::Clock, config::Config, embed::SetOptions};
    /// use std::time::Duration;
    ///
    /// let db = Damselfly::with_clock(Config::default(), Clock::manual(1_000_000))?;
    /// db.set_with("token", "t", SetOptions::new().ex(Duration::from_secs(30)))?;
    /// db.engine().advance(Duration::from_secs(31));
    /// assert_eq!(db.get("token")?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_clock(config: Config, clock: Clock) -> std::result::Result<Self, OpenError> {
        let engine = Engine::open(&config, clock)?;
        let mut end = None;
        if config.dir != "." {
            engine.save_in(std::path::Path::new(&config.dir));
            engine.lock_directory()?;
            engine.recover()?;
            engine.save_by_time().map_err(OpenError::Cron)?;
            end = Some(Arc::new(LastHandle(Arc::clone(engine.persistence()))));
        }
        Ok(Self { end, ..Self::over(engine) })
    }

    /// Opens an engine whose data outlives the process: what was saved in `directory` is loaded, and the last handle that
    /// is dropped saves what has changed since. The directory is made where it does not exist.
    ///
    /// ```
    /// use damselfly::Damselfly;
    ///
    /// let directory = std::env::temp_dir().join(format!("damselfly-doc-{}", std::process::id()));
    /// Damselfly::open_dir(&directory)?.set("kept", "yes")?;
    /// assert_eq!(Damselfly::open_dir(&directory)?.get("kept")?.as_deref(), Some(&b"yes"[..]));
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OpenError::Storage`] where what was saved cannot be loaded or another process has the directory open.
    pub fn open_dir(directory: impl AsRef<std::path::Path>) -> std::result::Result<Self, OpenError> {
        let directory = directory.as_ref();
        crate::persist::make_directory(directory)?;
        let config = Config::default().dir(directory.to_string_lossy()).save("3600 1 300 100 60 10000");
        Self::open(config)
    }

    /// A handle on an engine that exists already, such as the one that a server in this process serves.
    #[must_use]
    pub fn over(engine: Arc<Engine>) -> Self {
        let client = engine.guest();
        Self { engine, client, db: 0, durable: false, end: None }
    }

    /// The engine behind the handle: its clock, settings and counters.
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The number of the database that this handle sees.
    #[must_use]
    pub fn db(&self) -> usize {
        self.db
    }

    /// A handle on another database of the same engine. O(1).
    ///
    /// # Errors
    /// [`CommandError::DbIndexOutOfRange`] where there is none of this number.
    ///
    /// Reference: <https://valkey.io/commands/select/>
    pub fn select(&self, db: usize) -> Result<Self> {
        // In a cluster there is but the first.
        if db >= self.engine.databases() || db != 0 && self.engine.cluster().is_on() {
            return Err(CommandError::DbIndexOutOfRange.into());
        }
        Ok(Self { db, ..self.clone() })
    }

    /// Reads one key inside its shard.
    #[inline]
    fn read<R>(
        &self,
        key: &[u8],
        f: impl FnOnce(&mut Keyspace<'_>, Key<'_>) -> std::result::Result<R, CommandError>,
    ) -> Result<R> {
        inside::check()?;
        Ok(self.engine.read(self.db, key, f)?)
    }

    /// Changes one key inside its shard. `longest` is the longest string that the call would store.
    #[inline]
    fn write<R>(
        &self,
        key: &[u8],
        longest: usize,
        f: impl FnOnce(&mut Keyspace<'_>, Key<'_>) -> std::result::Result<R, CommandError>,
    ) -> Result<R> {
        inside::check()?;
        if key.len() > SHORT || longest > SHORT {
            self.check_len(key.len().max(longest))?;
        }
        self.engine.check_writable()?;
        self.engine.persistence().wait_for_room();
        self.engine.make_room()?;
        let result = self.engine.write(self.db, key, f)?;
        self.settle()?;
        Ok(result)
    }

    /// Changes one key inside its shard in a way that takes no memory, and so is not refused when that is used up.
    #[inline]
    fn lessen<R>(
        &self,
        key: &[u8],
        f: impl FnOnce(&mut Keyspace<'_>, Key<'_>) -> std::result::Result<R, CommandError>,
    ) -> Result<R> {
        inside::check()?;
        if key.len() > SHORT {
            self.check_len(key.len())?;
        }
        self.engine.check_writable()?;
        let result = self.engine.write(self.db, key, f)?;
        self.settle()?;
        Ok(result)
    }

    /// Keeps to the limit that the wire keeps to.
    #[cold]
    fn check_len(&self, len: usize) -> Result<()> {
        // An entry keeps its key's length in 32 bits.
        if len > self.engine.settings().proto_max_bulk_len().min(u32::MAX as usize) {
            return Err(CommandError::StringTooLong.into());
        }
        Ok(())
    }

    /// Runs a command that does not wait, by name.
    fn run(&self, argv: &[&[u8]]) -> Result<Reply> {
        inside::check()?;
        self.check_argv(argv)?;
        let mut session = self.engine.guest_session(&self.client, self.db);
        session.protocol = Protocol::Resp3;
        let mut out = ReplyBuilder::new(Protocol::Resp3);
        let flow = Batch::new(&self.engine).attempt(&mut session, argv, &mut out)?;
        self.settle()?;
        match flow {
            Flow::Done => Ok(out.finish()),
            Flow::Wait(waiter) | Flow::Later(waiter) => {
                self.engine.abandon(&waiter);
                Err(Error::WouldBlock)
            }
        }
    }

    /// Runs a command on some keys: its name, then the keys, then the rest.
    fn run_on<K: AsRef<[u8]>>(&self, name: &[u8], keys: &[K], rest: &[&[u8]]) -> Result<Reply> {
        let mut argv: Argv<'_> = SmallVec::new();
        argv.push(name);
        argv.extend(keys.iter().map(AsRef::as_ref));
        argv.extend_from_slice(rest);
        self.run(&argv)
    }
}

/// Strings up to this length need no look at `proto-max-bulk-len`, which is never below it.
const SHORT: usize = 1 << 20;

/// The arguments of a call, on the stack where they are few.
type Argv<'a> = SmallVec<[&'a [u8]; 8]>;

/// What a caller gave as several keys or elements, kept while the call runs.
fn collect<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> SmallVec<[T; 4]> {
    items.into_iter().collect()
}

fn slices<T: AsRef<[u8]>>(items: &[T]) -> Argv<'_> {
    items.iter().map(AsRef::as_ref).collect()
}

//! Tiers: memory, then SQLite, then whoever knows. What is found below is brought up with the life that it has left.
//!
//! - Read: memory; where it has nothing fresh, the row in SQLite; where that is not fresh either, the loader.
//! - Write: SQLite, then memory. Whoever dies in between leaves memory behind, never ahead.
//! - Invalidate: the row becomes a mark that nobody who has read before can write over, then memory forgets. So neither
//!   keeps what was loaded before.
//! - Each tier has a deadline and a breaker of its own, and any may be away: memory behind a [`Guarded`](super::Guarded)
//!   backend, SQLite and the loader behind a [`Breaker`]. What the loader cannot make anew is shown as it was, for as long as
//!   the namespace's `stale` allows.
//!
//! SQLite has one writer, a thread that takes what has piled up into one transaction; whoever writes waits for that. Times
//! are Unix ms, as integers.

use super::cache::{LoadError, Loaded, Lookup, TypedCache};
use super::codec::Codec;
use super::metrics::{NamespaceMetrics, count};
use super::namespace::{KeyPart, check_name};
use super::{Backend, Breaker, Error, Result};
use crate::clock::Stopwatch;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tokio::sync::oneshot;

/// Writes that may wait for the writer.
const WRITES_MAX: usize = 4096;
/// Writes of one transaction.
const TRANSACTION_MAX: usize = 256;
/// Writes after which rows that nobody can use any more are deleted.
const PURGE_EVERY: usize = 10_000;
/// How long a mark stands.
const MARK_MS: i64 = 3_600_000;
/// How long it is not asked again where the loader fails and something old is shown.
const THROTTLE_MS: u64 = 10_000;

/// A tier in a table of SQLite's.
#[derive(Clone)]
pub struct SqliteTier(Arc<Disk>);

struct Disk {
    table: &'static str,
    read: Mutex<Connection>,
    write: SyncSender<Write>,
    deadline: Duration,
    breaker: Breaker,
    metrics: NamespaceMetrics,
}

impl fmt::Debug for SqliteTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteTier").field("table", &self.0.table).finish_non_exhaustive()
    }
}

/// A row.
#[derive(Clone, Debug, Default)]
struct Row {
    /// `None`: it is known that there is none.
    data: Option<Vec<u8>>,
    /// The codec and the revision of what is in it.
    form: i64,
    expires_ms: i64,
    /// Changes with each write; 0 where there is no row.
    version: i64,
}

enum Change {
    /// Where the version is still that, if one is given.
    Put { key: String, row: Row, now_ms: i64, seen: Option<i64> },
    /// Leaves a mark.
    Drop { keys: Vec<String>, now_ms: i64 },
    /// Deletes all.
    Clear,
}

struct Write {
    change: Change,
    done: oneshot::Sender<Result<u64>>,
}

impl SqliteTier {
    /// In a table of this name, made where it is missing; a file may have several. Rows that are over for longer than `stale`
    /// are deleted now and then.
    ///
    /// # Errors
    /// [`Error::Sqlite`]; [`Error::BadNamespace`] for a name that is none.
    pub fn open(path: impl AsRef<Path>, table: &'static str, stale: Duration) -> Result<Self> {
        check_name(table)?;
        let open = || -> Result<Connection> {
            let connection = Connection::open(path.as_ref())?;
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
            // What a power failure takes is loaded again; the file stays whole.
            connection.execute_batch("PRAGMA synchronous = NORMAL")?;
            Ok(connection)
        };
        let (writer, reader) = (open()?, open()?);
        writer.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS \"{table}\" (cache_key TEXT PRIMARY KEY, data BLOB, form INTEGER NOT NULL,
               created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, request_count INTEGER NOT NULL,
               version INTEGER NOT NULL) WITHOUT ROWID"
        ))?;
        let (write, writes) = sync_channel(WRITES_MAX);
        let stale_ms = i64::try_from(stale.as_millis()).unwrap_or(i64::MAX);
        std::thread::Builder::new()
            .name(format!("sqlite {table}"))
            .spawn(move || keep_writing(writer, table, stale_ms, &writes))
            .map_err(|error| Error::Sqlite(error.to_string()))?;
        Ok(Self(Arc::new(Disk {
            table,
            read: Mutex::new(reader),
            write,
            deadline: Duration::from_secs(1),
            breaker: Breaker::new(5, Duration::from_secs(5)),
            metrics: NamespaceMetrics::default(),
        })))
    }

    /// Its breaker.
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.0.breaker
    }

    /// Its counters.
    #[must_use]
    pub fn metrics(&self) -> &NamespaceMetrics {
        &self.0.metrics
    }

    async fn guarded<T>(&self, ask: impl Future<Output = Result<T>>) -> Result<T> {
        self.0.breaker.enter()?;
        let result = tokio::time::timeout(self.0.deadline, ask).await.unwrap_or(Err(Error::Timeout));
        // A disk that is full or gone is away; what a statement refuses would be our mistake, and is counted likewise.
        self.0.breaker.left(result.is_err());
        result.inspect_err(|_| count(&self.0.metrics.errors))
    }

    /// Rows by their keys, in their order; a default one where there is none.
    async fn read(&self, keys: Vec<String>) -> Result<Vec<Row>> {
        let disk = Arc::clone(&self.0);
        let watch = Stopwatch::start();
        let rows = self
            .guarded(async {
                let read = tokio::task::spawn_blocking(move || disk.rows(&keys));
                read.await.map_err(|error| Error::Sqlite(error.to_string()))?
            })
            .await;
        self.0.metrics.lookup.note(watch.elapsed());
        rows
    }

    async fn change(&self, change: Change) -> Result<u64> {
        self.guarded(async {
            let (done, written) = oneshot::channel();
            let busy = |_| Error::Unavailable("SQLite's writer is behind".into());
            self.0.write.try_send(Write { change, done }).map_err(busy)?;
            written.await.map_err(|_| Error::Unavailable("SQLite's writer is gone".into()))?
        })
        .await
    }
}

impl Disk {
    fn rows(&self, keys: &[String]) -> Result<Vec<Row>> {
        let connection = self.read.lock();
        let sql =
            format!("SELECT data, form, expires_at, version FROM \"{}\" WHERE cache_key = ?1", self.table);
        let mut find = connection.prepare_cached(&sql)?;
        let row = |row: &rusqlite::Row<'_>| {
            Ok(Row { data: row.get(0)?, form: row.get(1)?, expires_ms: row.get(2)?, version: row.get(3)? })
        };
        keys.iter().map(|key| Ok(find.query_row([key], row).optional()?.unwrap_or_default())).collect()
    }
}

/// The writer's thread: until the last handle is gone.
fn keep_writing(mut connection: Connection, table: &'static str, stale_ms: i64, writes: &Receiver<Write>) {
    let mut since_purge = PURGE_EVERY;
    while let Ok(first) = writes.recv() {
        let mut batch = vec![first];
        batch.extend(writes.try_iter().take(TRANSACTION_MAX - 1));
        since_purge += batch.len();
        let purge = since_purge >= PURGE_EVERY;
        if purge {
            since_purge = 0;
        }
        match apply(&mut connection, table, &batch, purge.then_some(stale_ms)) {
            Ok(changed) => {
                for (write, changed) in batch.into_iter().zip(changed) {
                    // Whoever asked may have stopped waiting.
                    let _ = write.done.send(Ok(changed));
                }
            }
            Err(error) => {
                for write in batch {
                    let _ = write.done.send(Err(error.clone()));
                }
            }
        }
    }
}

/// All changes in one transaction; how many rows each changed.
fn apply(
    connection: &mut Connection,
    table: &str,
    batch: &[Write],
    purge_stale_ms: Option<i64>,
) -> Result<Vec<u64>> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let mut changed = Vec::with_capacity(batch.len());
    let mut newest_ms = 0;
    {
        let mut put = transaction.prepare_cached(&format!(
            "INSERT INTO \"{table}\" (cache_key, data, form, created_at, expires_at, request_count, version)
             VALUES (?1, ?2, ?3, ?4, ?5, 1, COALESCE(?6, 0) + 1)
             ON CONFLICT (cache_key) DO UPDATE SET data = excluded.data, form = excluded.form,
               created_at = excluded.created_at, expires_at = excluded.expires_at,
               request_count = request_count + 1, version = version + 1
             WHERE ?6 IS NULL OR version = ?6"
        ))?;
        let mut mark = transaction.prepare_cached(&format!(
            "INSERT INTO \"{table}\" (cache_key, data, form, created_at, expires_at, request_count, version)
             VALUES (?1, NULL, -1, ?2, 0, 0, 1)
             ON CONFLICT (cache_key) DO UPDATE SET data = NULL, form = -1, created_at = excluded.created_at,
               expires_at = 0, version = version + 1"
        ))?;
        for Write { change, .. } in batch {
            changed.push(match change {
                Change::Put { key, row, now_ms, seen } => {
                    newest_ms = newest_ms.max(*now_ms);
                    put.execute(params![key, row.data, row.form, now_ms, row.expires_ms, seen])? as u64
                }
                Change::Drop { keys, now_ms } => {
                    newest_ms = newest_ms.max(*now_ms);
                    let mut marked = 0;
                    for key in keys {
                        marked += mark.execute(params![key, now_ms])? as u64;
                    }
                    marked
                }
                Change::Clear => transaction.execute(&format!("DELETE FROM \"{table}\""), [])? as u64,
            });
        }
        if let Some(stale_ms) = purge_stale_ms {
            let gone = format!(
                "DELETE FROM \"{table}\" WHERE (form >= 0 AND expires_at < ?1) OR (form < 0 AND created_at < ?2)"
            );
            transaction.execute(&gone, params![newest_ms.saturating_sub(stale_ms), newest_ms - MARK_MS])?;
        }
    }
    transaction.commit()?;
    Ok(changed)
}

/// A namespace in tiers.
///
/// ```
/// use damselfly::domain::{Class, Embedded, Loaded, Namespace, SqliteTier, Tiered, TypedCache};
/// use std::time::Duration;
/// # let home = std::env::temp_dir().join(format!("damselfly-tiers-{}", std::process::id()));
/// # std::fs::create_dir_all(&home)?;
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let ns = Namespace::new("spotify", Class::Evictable).stale(Duration::from_secs(86_400));
/// let memory: TypedCache<str, u32, Embedded> = TypedCache::new(ns, Embedded::in_memory())?;
/// let disk = SqliteTier::open(home.join("cache.db"), "spotify_cache", Duration::from_secs(86_400))?;
/// let tiers = Tiered::new(memory).disk(disk);
/// assert_eq!(tiers.get_or_load("track:1", |_| async { Ok(Loaded::Value(7)) }).await?, Some(7));
/// // Memory is lost; the loader is not asked again.
/// tiers.memory().clear(false).await?;
/// assert_eq!(tiers.get("track:1").await?.value(), Some(7));
/// # Ok::<(), damselfly::domain::Error>(())
/// # })?;
/// # std::fs::remove_dir_all(&home)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Tiered<K: ?Sized, V, B, C = super::Json> {
    memory: TypedCache<K, V, B, C>,
    disk: Option<SqliteTier>,
    loader: Breaker,
}

impl<K: ?Sized, V, B: Clone, C> Clone for Tiered<K, V, B, C> {
    fn clone(&self) -> Self {
        Self { memory: self.memory.clone(), disk: self.disk.clone(), loader: self.loader.clone() }
    }
}

impl<K: ?Sized, V, B, C> fmt::Debug for Tiered<K, V, B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tiered")
            .field("memory", &self.memory)
            .field("disk", &self.disk)
            .finish_non_exhaustive()
    }
}

impl<K, V, B, C> Tiered<K, V, B, C>
where
    K: KeyPart + ?Sized + 'static,
    V: Clone + Send + Sync + 'static,
    B: Backend,
    C: Codec<V>,
{
    /// Memory, and a loader that is left alone for half a minute after five failures in a row.
    #[must_use]
    pub fn new(memory: TypedCache<K, V, B, C>) -> Self {
        Self { memory, disk: None, loader: Breaker::new(5, Duration::from_secs(30)) }
    }

    /// SQLite between the two.
    #[must_use]
    pub fn disk(self, disk: SqliteTier) -> Self {
        Self { disk: Some(disk), ..self }
    }

    /// Another breaker in front of the loader; whoever loads [trips](Breaker::trip) it where it is told when to come back.
    #[must_use]
    pub fn loader(self, loader: Breaker) -> Self {
        Self { loader, ..self }
    }

    /// The first tier.
    #[must_use]
    pub fn memory(&self) -> &TypedCache<K, V, B, C> {
        &self.memory
    }

    /// The second.
    #[must_use]
    pub fn sqlite(&self) -> Option<&SqliteTier> {
        self.disk.as_ref()
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.memory.backend().now_ms()).unwrap_or(i64::MAX)
    }

    fn form(&self) -> i64 {
        i64::from(C::ID) << 16 | i64::from(self.memory.namespace().schema)
    }

    fn text(&self, key: &K) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.memory.namespace().key(key)?).into_owned())
    }

    /// Looks a key up in memory and in SQLite. What is found below is brought up.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what memory says, where SQLite is away too.
    pub async fn get(&self, key: &K) -> Result<Lookup<V>> {
        Ok(self.get_many([key]).await?.pop().unwrap_or(Lookup::Miss))
    }

    /// Looks many keys up, in their order: one round trip to memory, and one question to SQLite for those it does not have.
    ///
    /// # Errors
    /// As [`get`](Self::get); [`Error::TooLarge`].
    pub async fn get_many<'k>(&self, keys: impl IntoIterator<Item = &'k K>) -> Result<Vec<Lookup<V>>>
    where
        K: 'k,
    {
        let keys: Vec<&K> = keys.into_iter().collect();
        let mut found = match (self.memory.get_many(keys.iter().copied()).await, &self.disk) {
            (Ok(found), _) => found,
            (Err(error), Some(_)) if error.is_outage() => {
                count(&self.memory.metrics().fallbacks);
                keys.iter().map(|_| Lookup::Miss).collect()
            }
            (Err(error), _) => return Err(error),
        };
        let Some(disk) = &self.disk else { return Ok(found) };
        let mut tokens = HashMap::new();
        for (at, (key, lookup)) in keys.iter().zip(&found).enumerate() {
            if matches!(lookup, Lookup::Miss | Lookup::Stale(_)) {
                // Before the row is read: an invalidation behind that voids what we bring up.
                let hold = self.memory.namespace().hard_timeout;
                tokens.insert(at, self.memory.begin_fill(key, &[], hold).await.ok().flatten());
            }
        }
        if tokens.is_empty() {
            return Ok(found);
        }
        let mut missing: Vec<usize> = tokens.keys().copied().collect();
        missing.sort_unstable();
        let texts =
            missing.iter().filter_map(|at| keys.get(*at)).map(|key| self.text(key)).collect::<Result<_>>()?;
        let rows = disk.read(texts).await.unwrap_or_default();
        for (order, at) in missing.into_iter().enumerate() {
            let token = tokens.remove(&at).flatten();
            let below = rows.get(order).map_or(Lookup::Miss, |row| self.weigh(row));
            count(match &below {
                Lookup::Miss => &disk.metrics().misses,
                Lookup::Stale(_) => &disk.metrics().stale,
                Lookup::Negative => &disk.metrics().negative,
                Lookup::Hit(_) => &disk.metrics().hits,
            });
            let until = rows.get(order).map_or(0, |row| row.expires_ms.unsigned_abs());
            match (token, &below) {
                (Some(token), Lookup::Hit(value)) => {
                    // Where it fails it is read here again.
                    let _ = self.memory.fill_until(token, Some(value), until).await;
                }
                (Some(token), Lookup::Negative) => {
                    let _ = self.memory.fill_until(token, None, until).await;
                }
                (token, _) => self.memory.give_back(token).await,
            }
            if let Some(place) = found.get_mut(at)
                && (matches!(below, Lookup::Hit(_) | Lookup::Negative) || !place.is_known())
            {
                *place = below;
            }
        }
        Ok(found)
    }

    /// What a row means now.
    fn weigh(&self, row: &Row) -> Lookup<V> {
        let stale_ms = self.memory.namespace().stale.as_millis() as i64;
        let left = row.expires_ms.saturating_sub(self.now_ms());
        if row.form != self.form() || left <= 0_i64.saturating_sub(stale_ms) {
            return Lookup::Miss;
        }
        match row.data.as_deref().map(C::decode) {
            None if left > 0 => Lookup::Negative,
            Some(Ok(value)) if left > 0 => Lookup::Hit(value),
            Some(Ok(value)) => Lookup::Stale(value),
            // What cannot be read is written over by the next load.
            Some(Err(_)) | None => Lookup::Miss,
        }
    }

    /// The value of a key, from the first tier that has a fresh one, loaded where none does; `None` where there is none.
    /// One load at a time, as in [`TypedCache::get_or_load`].
    ///
    /// # Errors
    /// [`Error::Load`] where the loader fails, or is left alone, and nothing old is left; [`Error::Timeout`];
    /// [`Error::BadKey`].
    pub async fn get_or_load<F, T>(&self, key: &K, load: F) -> Result<Option<V>>
    where
        F: FnOnce(Option<V>) -> T + Send + 'static,
        T: Future<Output = Result<Loaded<V>, LoadError>> + Send + 'static,
    {
        let (text, tiers) = (self.text(key)?, self.clone());
        self.memory.get_or_load(key, move |stale| async move { tiers.below(text, stale, load).await }).await
    }

    async fn below<F, T>(&self, key: String, stale: Option<V>, load: F) -> Result<Loaded<V>, LoadError>
    where
        F: FnOnce(Option<V>) -> T + Send + 'static,
        T: Future<Output = Result<Loaded<V>, LoadError>> + Send + 'static,
    {
        let row = match &self.disk {
            // SQLite may be away: then it is as if it had nothing.
            Some(disk) => disk.read(vec![key.clone()]).await.ok().and_then(|mut rows| rows.pop()),
            None => None,
        };
        let mut old = None;
        if let (Some(row), Some(disk)) = (&row, &self.disk) {
            let until = row.expires_ms.unsigned_abs();
            match self.weigh(row) {
                Lookup::Hit(value) => {
                    count(&disk.metrics().hits);
                    return Ok(Loaded::Until(Some(value), until));
                }
                Lookup::Negative => {
                    count(&disk.metrics().negative);
                    return Ok(Loaded::Until(None, until));
                }
                Lookup::Stale(value) => {
                    count(&disk.metrics().stale);
                    old = Some(value);
                }
                Lookup::Miss => count(&disk.metrics().misses),
            }
        }
        let loaded = match self.loader.enter() {
            Ok(()) => {
                let loaded = load(stale.clone().or_else(|| old.clone())).await;
                self.loader.left(loaded.is_err());
                loaded
            }
            Err(error) => Err(LoadError(error.to_string())),
        };
        let namespace = self.memory.namespace();
        let (now, old_known) = (self.now_ms().unsigned_abs(), stale.or_else(|| old.clone()));
        let lives = |ttl: Duration| now.saturating_add(namespace.jittered_ms(key.as_bytes(), ttl));
        let (value, until) = match loaded {
            Ok(Loaded::Value(value)) => (Some(value), lives(namespace.ttl)),
            Ok(Loaded::ValueFor(value, ttl)) => (Some(value), lives(ttl)),
            Ok(Loaded::Until(value, until)) => (value, until),
            Ok(Loaded::NotModified) => (old_known, lives(namespace.ttl)),
            Ok(Loaded::NotFound) => (None, lives(namespace.negative)),
            Err(why) => {
                let Some(old) = old else { return Err(why) };
                // Memory has nothing, SQLite has something old: shown, and for a moment not asked about again.
                count(&self.memory.metrics().kept);
                return Ok(Loaded::Until(Some(old), now.saturating_add(THROTTLE_MS)));
            }
        };
        if let (Some(disk), Some(row)) = (&self.disk, row) {
            // What was invalidated meanwhile is not written, and a row that cannot be is loaded again when memory loses it.
            let _ = self.put(disk, key, value.as_ref(), until, Some(row.version)).await;
        }
        Ok(Loaded::Until(value, until))
    }

    async fn put(
        &self,
        disk: &SqliteTier,
        key: String,
        value: Option<&V>,
        until_ms: u64,
        seen: Option<i64>,
    ) -> Result<u64> {
        let encode = |value| {
            let mut bytes = Vec::new();
            C::encode(value, &mut bytes).map(|()| bytes)
        };
        let data = value.map(encode).transpose()?;
        let expires_ms = i64::try_from(until_ms).unwrap_or(i64::MAX);
        let row = Row { data, form: self.form(), expires_ms, version: 0 };
        disk.change(Change::Put { key, row, now_ms: self.now_ms(), seen }).await
    }

    /// Writes a value, to SQLite first.
    ///
    /// # Errors
    /// Where SQLite fails nothing is written to memory; [`Error::NotSerializable`], [`Error::TooLarge`], [`Error::BadKey`];
    /// what memory says, which then has nothing newer than SQLite.
    pub async fn set(&self, key: &K, value: &V) -> Result<()> {
        let (text, namespace) = (self.text(key)?, self.memory.namespace());
        let lives = namespace.jittered_ms(text.as_bytes(), namespace.ttl);
        let until = self.now_ms().unsigned_abs().saturating_add(lives);
        if let Some(disk) = &self.disk {
            self.put(disk, text, Some(value), until, None).await?;
        }
        self.memory.set_until(key, value, until).await
    }

    /// Forgets keys, in SQLite first, and voids loads that are under way; how many were in memory.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn remove<'k>(&self, keys: impl IntoIterator<Item = &'k K>) -> Result<u64>
    where
        K: 'k,
    {
        let keys: Vec<&K> = keys.into_iter().collect();
        if let Some(disk) = &self.disk {
            let texts = keys.iter().map(|key| self.text(key)).collect::<Result<_>>()?;
            disk.change(Change::Drop { keys: texts, now_ms: self.now_ms() }).await?;
        }
        self.memory.remove(keys).await
    }

    /// Forgets all of the namespace; how many were in memory.
    ///
    /// # Errors
    /// As [`TypedCache::clear`]; [`Error::Sqlite`].
    pub async fn clear(&self, force: bool) -> Result<u64> {
        let cleared = self.memory.clear(force).await?;
        if let Some(disk) = &self.disk {
            disk.change(Change::Clear).await?;
            // What was brought up in between.
            return Ok(cleared + self.memory.clear(force).await?);
        }
        Ok(cleared)
    }
}

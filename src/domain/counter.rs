//! Counters that are written back: increments go to memory, and in batches to where they are kept, each exactly once.
//!
//! 1. An increment goes into the hash of deltas.
//! 2. A flush renames that hash to the one *in flight* and gives it a batch's name, as one; where a batch is in flight
//!    already, because its flusher died, it takes that one.
//! 3. The sink applies the batch in a transaction that also writes its name into a ledger, and does nothing where the
//!    name is there already.
//! 4. The batch is deleted.
//!
//! Whoever dies between two steps leaves either the deltas or the batch, and the next flush goes on from there: it
//! may apply a batch twice, and the ledger makes the second time nothing. A reader adds what is in flight and what is
//! not to what the sink has.

use super::backend::{arg, bulk, int, items, number, string};
use super::namespace::{KeyPart, Namespace};
use super::{Backend, Error, Op, Result, sibling, token};
use crate::reply::Reply;
use std::time::Duration;

/// Takes the batch in flight, or makes one of the deltas: `[name, fields and deltas]`, or nothing. Keys: deltas, in flight,
/// name. Args: a new name.
static BEGIN: Op = Op {
    name: "counter.begin",
    lua: "if redis.call('EXISTS', KEYS[2]) == 0 then
  if redis.call('EXISTS', KEYS[1]) == 0 then return false end
  redis.call('RENAME', KEYS[1], KEYS[2])
  redis.call('SET', KEYS[3], ARGV[1])
end
return {redis.call('GET', KEYS[3]), redis.call('HGETALL', KEYS[2])}",
    native: |inside, keys, args| {
        let (deltas, flight, name) = (arg(keys, 0), arg(keys, 1), arg(keys, 2));
        if inside.int(&[b"EXISTS", flight])? == 0 {
            if inside.int(&[b"EXISTS", deltas])? == 0 {
                return Ok(Reply::Null);
            }
            inside.call(&[b"RENAME", deltas, flight])?;
            inside.call(&[b"SET", name, arg(args, 0)])?;
        }
        let batch = inside.get(name)?.map_or(Reply::Null, bulk);
        Ok(Reply::Array(vec![batch, inside.call(&[b"HGETALL", flight])?]))
    },
};

/// Deletes the batch of a name. Keys: in flight, name. Args: the name.
static END: Op = Op {
    name: "counter.end",
    lua: "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
return 1",
    native: |inside, keys, args| {
        if inside.get(arg(keys, 1))?.as_deref() != Some(arg(args, 0)) {
            return Ok(Reply::Int(0));
        }
        inside.call(&[b"DEL", arg(keys, 0), arg(keys, 1)])?;
        Ok(Reply::Int(1))
    },
};

/// Adds unless the event was counted: 1 or 0. Keys: deltas, the event's mark. Args: field, by, ms that the mark lives.
static ADD_ONCE: Op = Op {
    name: "counter.add_once",
    lua: "if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('HINCRBY', KEYS[1], ARGV[1], ARGV[2])
redis.call('SET', KEYS[2], '', 'PX', ARGV[3])
return 1",
    native: |inside, keys, args| {
        let (deltas, mark) = (arg(keys, 0), arg(keys, 1));
        if inside.int(&[b"EXISTS", mark])? == 1 {
            return Ok(Reply::Int(0));
        }
        inside.call(&[b"HINCRBY", deltas, arg(args, 0), arg(args, 1)])?;
        inside.call(&[b"SET", mark, b"", b"PX", arg(args, 2)])?;
        Ok(Reply::Int(1))
    },
};

/// What was counted and is not in the sink yet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pending {
    /// In no batch.
    pub delta: i64,
    /// In the batch that is being applied: maybe in the sink already, until its batch is deleted.
    pub in_flight: i64,
}

/// What a flush did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FlushReport {
    /// Counters in the batch.
    pub counters: usize,
    /// The sum of what was added.
    pub sum: i64,
    /// Whether the sink had it already: an earlier flusher died before it could say so.
    pub repeated: bool,
}

/// Where counters are kept.
pub trait FlushSink {
    /// Adds deltas, unless the batch was applied before; whether it was new. Both as one, and durably.
    ///
    /// # Errors
    /// Nothing was applied, or it is unknown.
    fn apply(&mut self, batch: &str, deltas: &[(String, i64)]) -> Result<bool>;
}

/// Counters with write-back.
///
/// ```
/// use damselfly::domain::{Class, Counter, Embedded, Namespace, SqliteCounts};
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let plays = Counter::new(Namespace::new("plays", Class::Durable), Embedded::in_memory())?;
/// let mut kept = SqliteCounts::open(rusqlite::Connection::open_in_memory()?, "plays")?;
/// plays.add("00aa", 2).await?;
/// assert!(plays.add_once("00aa", 1, "event-1").await?);
/// assert!(!plays.add_once("00aa", 1, "event-1").await?);
/// plays.flush(&mut kept).await?;
/// assert_eq!(kept.get("00aa")?, 3);
/// # Ok::<(), damselfly::domain::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Counter<B> {
    backend: B,
    deltas: Vec<u8>,
    flight: Vec<u8>,
    batch: Vec<u8>,
}

/// How long it is remembered that an event was counted.
const EVENTS_KEPT: Duration = Duration::from_secs(30 * 86_400);

impl<B: Backend> Counter<B> {
    /// The counters of a namespace, whose keys share one slot.
    ///
    /// # Errors
    /// [`Error::BadNamespace`].
    pub fn new(namespace: Namespace, backend: B) -> Result<Self> {
        namespace.check()?;
        let base = namespace.prefix.as_bytes();
        let (deltas, flight, batch) =
            (sibling(base, "delta"), sibling(base, "flush"), sibling(base, "batch"));
        Ok(Self { backend, deltas, flight, batch })
    }

    /// Adds; what is now counted and in no batch.
    ///
    /// # Errors
    /// [`Error::Overflow`], [`Error::NotAnInteger`], [`Error::BadKey`]; what the backend says.
    pub async fn add(&self, counter: &str, by: i64) -> Result<i64> {
        let by = by.to_string();
        int(self.backend.call(&[b"HINCRBY", &self.deltas, &field(counter)?, by.as_bytes()]).await?)
    }

    /// Adds unless this event was counted within thirty days; whether it was new.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub async fn add_once(&self, counter: &str, by: i64, event: &str) -> Result<bool> {
        let (field, by) = (field(counter)?, by.to_string());
        let mut mark = self.batch.clone();
        mark.extend_from_slice(b":event");
        event.write(&mut mark)?;
        let ms = EVENTS_KEPT.as_millis().to_string();
        let args = [&field[..], by.as_bytes(), ms.as_bytes()];
        Ok(int(self.backend.atomic(&ADD_ONCE, &[&self.deltas, &mark], &args).await?)? == 1)
    }

    /// What was counted and is not in the sink for sure.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn pending(&self, counter: &str) -> Result<Pending> {
        let field = field(counter)?;
        let in_flight = int(self.backend.call(&[b"HGET", &self.flight, &field]).await?)?;
        let delta = int(self.backend.call(&[b"HGET", &self.deltas, &field]).await?)?;
        Ok(Pending { delta, in_flight })
    }

    /// Brings a batch to the sink; none where nothing was counted.
    ///
    /// # Errors
    /// What the sink or the backend says; what was counted is then still there.
    pub async fn flush(&self, sink: &mut (impl FlushSink + Send)) -> Result<FlushReport> {
        let name = token(16);
        let keys: [&[u8]; 3] = [&self.deltas, &self.flight, &self.batch];
        let mut parts = items(self.backend.atomic(&BEGIN, &keys, &[name.as_bytes()]).await?)?.into_iter();
        let Some(batch) = parts.next() else { return Ok(FlushReport::default()) };
        let batch = String::from_utf8_lossy(&string(batch)?).into_owned();
        if batch.is_empty() {
            return Err(Error::Corrupt("a batch without a name".into()));
        }
        let mut pairs = items(parts.next().unwrap_or(Reply::Null))?.into_iter();
        let mut deltas = Vec::with_capacity(pairs.len() / 2);
        while let (Some(counter), Some(delta)) = (pairs.next(), pairs.next()) {
            deltas.push((String::from_utf8_lossy(&string(counter)?).into_owned(), number(&string(delta)?)));
        }
        let new = sink.apply(&batch, &deltas)?;
        self.backend.atomic(&END, &[&self.flight, &self.batch], &[batch.as_bytes()]).await?;
        let sum = deltas.iter().fold(0_i64, |sum, (_, delta)| sum.wrapping_add(*delta));
        Ok(FlushReport { counters: deltas.len(), sum, repeated: !new })
    }
}

fn field(counter: &str) -> Result<Vec<u8>> {
    let mut field = Vec::new();
    counter.write(&mut field)?;
    field.remove(0);
    Ok(field)
}

/// Counters in a table of SQLite's, with the ledger beside.
#[derive(Debug)]
pub struct SqliteCounts {
    connection: rusqlite::Connection,
    table: &'static str,
}

impl SqliteCounts {
    /// In a table of this name, and one of the name with `_ledger` behind it; both are made where they are missing.
    ///
    /// # Errors
    /// [`Error::Sqlite`]; [`Error::BadNamespace`] for a name that is none.
    pub fn open(connection: rusqlite::Connection, table: &'static str) -> Result<Self> {
        super::check_name(table)?;
        // Writers do not keep readers waiting; in memory the mode stays what it is.
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS \"{table}\" (counter TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
             CREATE TABLE IF NOT EXISTS \"{table}_ledger\" (batch TEXT PRIMARY KEY) WITHOUT ROWID;"
        ))?;
        Ok(Self { connection, table })
    }

    /// A counter.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn get(&self, counter: &str) -> Result<i64> {
        let sql = format!("SELECT COALESCE(SUM(count), 0) FROM \"{}\" WHERE counter = ?1", self.table);
        Ok(self.connection.query_row(&sql, [counter], |row| row.get(0))?)
    }
}

impl FlushSink for SqliteCounts {
    fn apply(&mut self, batch: &str, deltas: &[(String, i64)]) -> Result<bool> {
        let table = self.table;
        let transaction = self.connection.transaction()?;
        let new = transaction
            .execute(&format!("INSERT OR IGNORE INTO \"{table}_ledger\" (batch) VALUES (?1)"), [batch])?
            == 1;
        if new {
            let mut add = transaction.prepare_cached(&format!(
                "INSERT INTO \"{table}\" (counter, count) VALUES (?1, ?2)
                 ON CONFLICT (counter) DO UPDATE SET count = count + excluded.count"
            ))?;
            for (counter, delta) in deltas {
                add.execute((counter, delta))?;
            }
        }
        transaction.commit()?;
        Ok(new)
    }
}

//! The outbox: a table of SQLite's that takes what cannot be sent because the store is away, and sends it later, in order.
//!
//! What is in it has an id, by which its receiver tells what it has had already: an entry is deleted once it has
//! arrived, so whoever dies between the two sends it twice. So it has its effect once.

use super::{Error, Result};
use rusqlite::{Connection, OptionalExtension};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// What a replay did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Replayed {
    /// How many arrived.
    pub sent: u64,
    /// How many were refused for good, and are kept with the reason: [`Outbox::refused`].
    pub refused: u64,
    /// How many are left.
    pub left: u64,
    /// Whether it ended because the store is away.
    pub away: bool,
}

/// Something that waits to be sent.
pub(super) struct Entry {
    seq: i64,
    pub(super) id: String,
    pub(super) body: Vec<u8>,
}

/// Entries that wait for the store, by channel.
#[derive(Clone)]
pub struct Outbox {
    connection: Arc<Mutex<Connection>>,
    /// Held while entries are sent: two at once would mix their order.
    sending: Arc<Mutex<()>>,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}

impl Outbox {
    /// In a table of a database, which is made where it is missing. What is pushed is on disk when the call returns.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn open(connection: Connection) -> Result<Self> {
        // Writers do not keep readers waiting; in memory the mode stays what it is.
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.execute_batch(
            "PRAGMA synchronous = FULL;
             CREATE TABLE IF NOT EXISTS damselfly_outbox (
                 seq INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL,
                 refused TEXT, UNIQUE (channel, id));
             CREATE INDEX IF NOT EXISTS damselfly_outbox_next ON damselfly_outbox (channel, seq) WHERE refused IS NULL;",
        )?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), sending: Arc::default() })
    }

    /// Appends an entry, unless one of this id is there; whether it was new.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub async fn push(&self, channel: &str, id: &str, body: &[u8]) -> Result<bool> {
        let connection = self.connection.lock().await;
        let mut insert = connection.prepare_cached(
            "INSERT OR IGNORE INTO damselfly_outbox (channel, id, body) VALUES (?1, ?2, ?3)",
        )?;
        Ok(insert.execute((channel, id, body))? == 1)
    }

    /// How many entries wait.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub async fn len(&self, channel: &str) -> Result<u64> {
        let connection = self.connection.lock().await;
        let mut count = connection
            .prepare_cached("SELECT COUNT(*) FROM damselfly_outbox WHERE channel = ?1 AND refused IS NULL")?;
        let count: i64 = count.query_row([channel], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// Whether none waits.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub async fn is_empty(&self, channel: &str) -> Result<bool> {
        Ok(self.first(channel).await?.is_none())
    }

    /// The ids of entries that were refused for good, and why.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub async fn refused(&self, channel: &str) -> Result<Vec<(String, String)>> {
        let connection = self.connection.lock().await;
        let mut select = connection.prepare_cached(
            "SELECT id, refused FROM damselfly_outbox WHERE channel = ?1 AND refused IS NOT NULL ORDER BY seq",
        )?;
        let rows = select.query_map([channel], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Sends the entries of a channel in their order, each until it has arrived. Ends where the store is away or takes no
    /// more ([`Error::QueueFull`], [`Error::RateLimited`]); an entry that is refused for another reason is set aside.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub async fn replay(
        &self,
        channel: &str,
        mut send: impl AsyncFnMut(&str, &[u8]) -> Result<()>,
    ) -> Result<Replayed> {
        let _sending = self.sending().await;
        let mut replayed = Replayed::default();
        while let Some(entry) = self.first(channel).await? {
            let sent = send(&entry.id, &entry.body).await;
            if !self.settle(&entry, sent, &mut replayed).await? {
                break;
            }
        }
        replayed.left = self.len(channel).await?;
        Ok(replayed)
    }

    /// The right to send, which one has at a time.
    pub(super) async fn sending(&self) -> MutexGuard<'_, ()> {
        self.sending.lock().await
    }

    /// What became of an entry that was sent; whether to go on with the next.
    pub(super) async fn settle(
        &self,
        entry: &Entry,
        sent: Result<()>,
        replayed: &mut Replayed,
    ) -> Result<bool> {
        let connection = self.connection.lock().await;
        match sent {
            Ok(()) => {
                connection
                    .prepare_cached("DELETE FROM damselfly_outbox WHERE seq = ?1")?
                    .execute([entry.seq])?;
                replayed.sent += 1;
                Ok(true)
            }
            Err(error) if error.is_outage() => {
                replayed.away = true;
                Ok(false)
            }
            Err(Error::QueueFull { .. } | Error::RateLimited { .. }) => Ok(false),
            Err(error) => {
                connection
                    .prepare_cached("UPDATE damselfly_outbox SET refused = ?2 WHERE seq = ?1")?
                    .execute((entry.seq, error.to_string()))?;
                replayed.refused += 1;
                Ok(true)
            }
        }
    }

    /// The entry that is next.
    pub(super) async fn first(&self, channel: &str) -> Result<Option<Entry>> {
        let connection = self.connection.lock().await;
        let mut select = connection.prepare_cached(
            "SELECT seq, id, body FROM damselfly_outbox WHERE channel = ?1 AND refused IS NULL ORDER BY seq LIMIT 1",
        )?;
        let entry =
            |row: &rusqlite::Row<'_>| Ok(Entry { seq: row.get(0)?, id: row.get(1)?, body: row.get(2)? });
        Ok(select.query_row([channel], entry).optional()?)
    }
}

//! A job that a worker has for a while, and what it says of it.

use super::record::Record;
use super::{JobId, ReliableQueue, coded, lost, ms, ops};
use crate::domain::backend::int;
use crate::domain::codec::Codec;
use crate::domain::{Backend, Error, Result};
use crate::embed::Bytes;
use crate::reply::Reply;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorClass {
    /// It may work another time: after the pause that the queue's [`Retry`](super::Retry) says.
    Retryable,
    /// The same, after this pause.
    RetryAfter(Duration),
    /// It never will: the job is dead.
    Permanent,
    /// Somebody wants fewer requests: the attempt does not count, and the whole queue rests for so long.
    RateLimited(Duration),
}

/// Why a job failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JobError {
    /// Its kind.
    pub class: ErrorClass,
    /// For those who look at the job.
    pub text: String,
}

impl JobError {
    /// A failure that may not happen another time.
    pub fn retryable(text: impl Into<String>) -> Self {
        Self { class: ErrorClass::Retryable, text: text.into() }
    }

    /// A failure that will happen every time.
    pub fn permanent(text: impl Into<String>) -> Self {
        Self { class: ErrorClass::Permanent, text: text.into() }
    }

    /// Somebody wants fewer requests.
    pub fn rate_limited(after: Duration, text: impl Into<String>) -> Self {
        Self { class: ErrorClass::RateLimited(after), text: text.into() }
    }
}

impl<E: std::error::Error> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::retryable(error.to_string())
    }
}

/// What becomes of a job that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It is tried again, after so long.
    Retry(Duration),
    /// It is dead.
    Dead,
    /// It was to be cancelled, and is.
    Cancelled,
}

/// What came of an effect that happens once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Once<R> {
    /// What the effect returned; `None` where it had happened before, for a worker that could not say so any more.
    pub effect: Option<R>,
    /// Whether the queue knows. Where it does not, somebody will get the job again, find it in the ledger, and say so.
    pub acknowledged: bool,
}

/// A job that is leased to a worker. Dropping it says nothing: the lease runs out, and somebody else gets it.
pub struct Claim<J, B, C> {
    queue: ReliableQueue<J, B, C>,
    /// Its number.
    pub id: JobId,
    /// What it is.
    pub job: J,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How many there may be.
    pub attempts: u32,
    /// A number that is given once, and grows with every claim of the queue: what is written with it can be told from
    /// what an earlier worker writes late.
    pub fence: u64,
    /// Since when it is in the queue, Unix ms.
    pub since_ms: u64,
    /// What [`checkpoint`](Self::checkpoint) last wrote, in this attempt or one before.
    pub checkpoint: Option<Bytes>,
    progress: AtomicU8,
    settled: AtomicBool,
    cancelled: watch::Sender<bool>,
}

impl<J: fmt::Debug, B, C> fmt::Debug for Claim<J, B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("id", &self.id)
            .field("job", &self.job)
            .field("attempt", &self.attempt)
            .field("fence", &self.fence)
            .finish_non_exhaustive()
    }
}

impl<J, B, C> Claim<J, B, C>
where
    J: Send + Sync + 'static,
    B: Backend,
    C: Codec<J>,
{
    pub(super) fn new(
        queue: ReliableQueue<J, B, C>,
        id: JobId,
        job: J,
        r: &Record,
        checkpoint: Option<Bytes>,
    ) -> Self {
        Self {
            queue,
            id,
            job,
            attempt: super::count(r.attempt),
            attempts: super::count(r.most),
            fence: r.fence,
            since_ms: r.since_ms,
            checkpoint,
            progress: AtomicU8::new(u8::try_from(r.progress).unwrap_or(100)),
            settled: AtomicBool::new(false),
            cancelled: watch::Sender::new(r.has(b'C')),
        }
    }

    /// Whether it was said how it ended, or is being said.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Acquire)
    }

    /// Whether the job is to be cancelled, as far as the last word of the queue says.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }

    /// Ends once the job is to be cancelled, or its lease is lost. The queue's word comes with
    /// [`extend`](Self::extend), [`progress`](Self::progress) and [`checkpoint`](Self::checkpoint).
    pub async fn cancelled(&self) {
        // The sender is ours, so there is one.
        let _ = self.cancelled.subscribe().wait_for(|cancelled| *cancelled).await;
    }

    /// Has the job for so long from now on.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] where it was too late, [`Error::Fenced`] where somebody else has the job; what the backend
    /// says.
    pub async fn extend(&self, lease: Duration) -> Result<()> {
        crate::domain::check_ttl(lease)?;
        self.touch(lease, 0, None).await
    }

    /// Says how far the job is, in per cent; less than before is ignored, and so is less than one more.
    ///
    /// # Errors
    /// [`Error::BadProgress`] beyond a hundred; as [`extend`](Self::extend).
    pub async fn progress(&self, percent: u8) -> Result<()> {
        if percent > 100 {
            return Err(Error::BadProgress(format!("{percent} per cent")));
        }
        if self.progress.fetch_max(percent, Ordering::Relaxed) >= percent {
            return Ok(());
        }
        self.touch(Duration::ZERO, percent, None).await
    }

    /// Keeps something for the next attempt, should this one not come to its end.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond the longest payload; as [`extend`](Self::extend).
    pub async fn checkpoint(&self, state: &[u8]) -> Result<()> {
        let limit = self.queue.inner.options.payload_bytes_max;
        if state.len() > limit {
            return Err(Error::TooLarge { limit });
        }
        self.touch(Duration::ZERO, 0, Some(state)).await
    }

    async fn touch(&self, lease: Duration, progress: u8, check: Option<&[u8]>) -> Result<()> {
        let check = check.map(|check| [b"=", check].concat()).unwrap_or_default();
        let numbers =
            [self.id.get(), self.fence, ms(lease), progress.into()].map(|number| number.to_string());
        let [id, fence, lease, progress] = numbers.each_ref().map(|number| number.as_bytes());
        let reply = self.queue.inner.run(&ops::TOUCH, &[id, fence, lease, progress, &check]).await?;
        match coded(reply)? {
            (1, rest) => {
                if int(rest.into_iter().next().unwrap_or(Reply::Null))? == 1 {
                    self.cancelled.send_replace(true);
                }
                Ok(())
            }
            (code, rest) => {
                self.cancelled.send_replace(true);
                Err(lost(code, rest, "running"))
            }
        }
    }

    async fn settle(&self, action: &str, error: &str, delay: Duration, rest: Duration) -> Result<i64> {
        // From here on nobody extends the lease, which may be gone before we hear of it.
        self.settled.store(true, Ordering::Release);
        let code = self.queue.settle(self.id, self.fence, action, error, delay, rest).await;
        // An outage says nothing of what became of it.
        if matches!(&code, Err(error) if error.is_outage()) {
            self.settled.store(false, Ordering::Release);
        }
        code
    }

    /// The job is done.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], [`Error::Fenced`]: somebody else has it, or will; [`Error::BadTransition`] where it was
    /// cancelled meanwhile, and stays so; what the backend says.
    pub async fn ack(&self) -> Result<()> {
        match self.settle("ack", "", Duration::ZERO, Duration::ZERO).await? {
            2 => Err(Error::BadTransition { from: "cancelled".into(), to: "completed".into() }),
            _ => Ok(()),
        }
    }

    /// The job failed.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
    pub async fn nack(&self, error: impl Into<JobError>) -> Result<Fate> {
        let JobError { class, text } = error.into();
        let text = if text.is_empty() { "failed".to_owned() } else { text };
        let (action, delay, rest) = match class {
            ErrorClass::Retryable => {
                ("retry", self.queue.inner.options.retry.pause(self.attempt), Duration::ZERO)
            }
            ErrorClass::RetryAfter(after) => ("retry", after, Duration::ZERO),
            ErrorClass::Permanent => ("dead", Duration::ZERO, Duration::ZERO),
            ErrorClass::RateLimited(after) => ("release", after, after),
        };
        Ok(match self.settle(action, &text, delay, rest).await? {
            2 => Fate::Cancelled,
            3 => Fate::Dead,
            _ => Fate::Retry(delay),
        })
    }

    /// Gives the job back as if it had not been taken: the worker is about to end.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
    pub async fn release(&self) -> Result<()> {
        self.settle("release", "", Duration::ZERO, Duration::ZERO).await.map(|_| ())
    }

    /// Writes the job into the ledger, in a transaction of the caller's; whether it was not there. Where it was, its
    /// effect has happened, and the caller has none. Whoever commits then says [`ack`](Self::ack).
    ///
    /// # Errors
    /// [`Error::Sqlite`], also where there is no ledger: [`prepare_ledger`].
    pub fn enter(&self, transaction: &rusqlite::Transaction<'_>) -> Result<bool> {
        let mut insert = transaction.prepare_cached(
            "INSERT OR IGNORE INTO damselfly_ledger (queue, job, since, fence, at) VALUES (?1, ?2, ?3, ?4, unixepoch())",
        )?;
        let [id, since, fence] = [self.id.get(), self.since_ms, self.fence].map(u64::cast_signed);
        Ok(insert.execute((self.queue.inner.namespace.prefix, id, since, fence))? == 1)
    }

    /// Has an effect in SQLite exactly once, and says that the job is done.
    ///
    /// The job goes into the ledger in the transaction of its effect. A worker that dies before the commit leaves
    /// nothing; one that dies behind it leaves a job that somebody gets again, finds in the ledger, and is done with.
    ///
    /// # Errors
    /// [`Error::LeaseLost`], [`Error::Fenced`], [`Error::BadTransition`] for one that is to be cancelled, what the
    /// backend, SQLite or the effect says: nothing has happened, and the claim is as it was.
    pub async fn ack_in<R>(
        &self,
        connection: &mut rusqlite::Connection,
        effect: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<R>,
    ) -> Result<Once<R>> {
        // Asks once more, with time enough for the transaction: what is lost or cancelled has no effect.
        self.extend(self.queue.inner.options.lease).await?;
        if self.is_cancelled() {
            return Err(Error::BadTransition { from: "cancelled".into(), to: "completed".into() });
        }
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let effect = if self.enter(&transaction)? { Some(effect(&transaction)?) } else { None };
        transaction.commit()?;
        let acknowledged = self.ack().await.is_ok();
        // The effect is there, whatever the queue knows: nothing else may be said of the job.
        self.settled.store(true, Ordering::Release);
        Ok(Once { effect, acknowledged })
    }
}

/// Makes the ledger where it is missing. A job is known in it by its number and by when it was enqueued: a store that lost
/// its last moments, or all it had, gives numbers out again.
///
/// # Errors
/// [`Error::Sqlite`].
pub fn prepare_ledger(connection: &rusqlite::Connection) -> Result<()> {
    Ok(connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS damselfly_ledger (
             queue TEXT NOT NULL, job INTEGER NOT NULL, since INTEGER NOT NULL, fence INTEGER NOT NULL, at INTEGER NOT NULL,
             PRIMARY KEY (queue, job, since)) WITHOUT ROWID;",
    )?)
}

/// Deletes from the ledger what is older; how many. It has to be older than any job that may still be given out.
///
/// # Errors
/// [`Error::Sqlite`].
pub fn prune_ledger(connection: &rusqlite::Connection, older: Duration) -> Result<usize> {
    let seconds = i64::try_from(older.as_secs()).unwrap_or(i64::MAX);
    Ok(connection.execute("DELETE FROM damselfly_ledger WHERE at < unixepoch() - ?1", [seconds])?)
}

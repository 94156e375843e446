//! A breaker between us and what may be away: after some failures in a row nobody asks for a while, then one does.
//!
//! *Closed*: all ask. *Open*: nobody does, all are told at once that it is away. *Half open*, once the time is over: one
//! asks, and what becomes of that decides. Only outages count; a refusal is an answer.

use super::{Backend, Error, Op, Result};
use crate::clock::Stopwatch;
use crate::embed::Bytes;
use crate::reply::Reply;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Whether it is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// It is.
    Closed,
    /// It is not, for a while.
    Open,
    /// One asks.
    HalfOpen,
}

/// A breaker. Its copies are one.
///
/// ```
/// use damselfly::domain::{Breaker, BreakerState, Error};
/// use std::time::Duration;
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let breaker = Breaker::new(2, Duration::from_secs(5));
/// for _ in 0..2 {
///     let _ = breaker.run(async { Err::<(), _>(Error::Timeout) }).await;
/// }
/// assert_eq!(breaker.state(), BreakerState::Open);
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Breaker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    after: u32,
    rest: Duration,
    since: Stopwatch,
    /// Failures since the last success.
    failures: AtomicU32,
    /// Until when nobody asks, in ms of `since`; 0 where all do.
    until_ms: AtomicU64,
    /// How often it opened.
    opened: AtomicU64,
}

impl Breaker {
    /// One that opens after so many failures in a row, and rests for so long.
    #[must_use]
    pub fn new(after: u32, rest: Duration) -> Self {
        Self(Arc::new(Inner {
            after: after.max(1),
            rest,
            since: Stopwatch::start(),
            failures: AtomicU32::new(0),
            until_ms: AtomicU64::new(0),
            opened: AtomicU64::new(0),
        }))
    }

    fn now_ms(&self) -> u64 {
        self.0.since.elapsed().as_millis() as u64
    }

    /// Whether it is asked right now.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        match self.0.until_ms.load(Ordering::Relaxed) {
            0 => BreakerState::Closed,
            until if self.now_ms() < until => BreakerState::Open,
            _ => BreakerState::HalfOpen,
        }
    }

    /// How often it has opened.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.0.opened.load(Ordering::Relaxed)
    }

    /// Opens it for so long, where what is asked has said when to come back.
    pub fn trip(&self, rest: Duration) {
        let until = self.now_ms().saturating_add(rest.as_millis() as u64).max(1);
        if self.0.until_ms.swap(until, Ordering::Relaxed) == 0 {
            self.0.opened.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Closes it.
    pub fn reset(&self) {
        self.0.failures.store(0, Ordering::Relaxed);
        self.0.until_ms.store(0, Ordering::Relaxed);
    }

    /// Asks, where that is let through.
    ///
    /// # Errors
    /// [`Error::Unavailable`] at once where it is open; what was asked says.
    pub async fn run<T>(&self, ask: impl Future<Output = Result<T>>) -> Result<T> {
        self.enter()?;
        let result = ask.await;
        self.left(result.as_ref().is_err_and(Error::is_outage));
        result
    }

    /// Lets one through, or says that it is open.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) fn enter(&self) -> Result<()> {
        let until = self.0.until_ms.load(Ordering::Relaxed);
        if until == 0 {
            return Ok(());
        }
        let now = self.now_ms();
        if now >= until {
            // Half open: whoever moves the time on is the one that asks; and should it never come back, the next one
            // asks when that time is over.
            let next = now.saturating_add(self.0.rest.as_millis() as u64).max(1);
            let (relaxed, until_ms) = (Ordering::Relaxed, &self.0.until_ms);
            if until_ms.compare_exchange(until, next, relaxed, relaxed).is_ok() {
                return Ok(());
            }
        }
        Err(Error::Unavailable("it was away a moment ago".into()))
    }

    /// What became of one that was let through.
    pub(crate) fn left(&self, failed: bool) {
        if !failed {
            // The common case writes nothing that others read.
            if self.0.failures.load(Ordering::Relaxed) != 0 || self.0.until_ms.load(Ordering::Relaxed) != 0 {
                self.reset();
            }
            return;
        }
        if self.0.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1) >= self.0.after {
            self.trip(self.0.rest);
        }
    }
}

/// A backend behind a breaker: while it is away, calls fail at once instead of each waiting for its deadline.
#[derive(Clone, Debug)]
pub struct Guarded<B> {
    backend: B,
    breaker: Breaker,
}

impl<B: Backend> Guarded<B> {
    /// Behind a breaker.
    #[must_use]
    pub fn new(backend: B, breaker: Breaker) -> Self {
        Self { backend, breaker }
    }

    /// Its breaker.
    #[must_use]
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// What is behind it.
    #[must_use]
    pub fn inner(&self) -> &B {
        &self.backend
    }
}

impl<B: Backend> Backend for Guarded<B> {
    async fn call(&self, argv: &[&[u8]]) -> Result<Reply> {
        self.breaker.run(self.backend.call(argv)).await
    }

    async fn atomic(&self, op: &'static Op, keys: &[&[u8]], args: &[&[u8]]) -> Result<Reply> {
        self.breaker.run(self.backend.atomic(op, keys, args)).await
    }

    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.breaker.run(self.backend.get(key)).await
    }

    async fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        self.breaker.run(self.backend.get_many(keys)).await
    }

    fn now_ms(&self) -> u64 {
        self.backend.now_ms()
    }

    async fn wait_for(&self, list: &[u8], at_most: Duration) -> Result<()> {
        self.breaker.run(self.backend.wait_for(list, at_most)).await
    }

    async fn scan(&self, cursor: &[u8], prefix: &[u8], count: usize) -> Result<(Vec<u8>, Vec<Bytes>)> {
        self.breaker.run(self.backend.scan(cursor, prefix, count)).await
    }
}

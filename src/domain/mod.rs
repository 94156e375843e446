//! What an application writes instead of raw commands: typed caches, counters, limits, one-time codes.
//!
//! Each has a file of its own and knows nothing of the others. All ask a [`Backend`], which is the engine in this
//! process or a server; what has to happen as one is an [`Op`], with a native body and one in Lua.
//!
//! **Invariant:** nothing here knows what an application is about.

mod backend;
mod cache;
mod codec;
mod counter;
mod error;
mod lease;
mod limit;
mod metrics;
mod namespace;
mod onetime;
mod outbox;
mod queue;

#[cfg(feature = "remote")]
pub(crate) use backend::scan_by_call;
pub use backend::{Backend, Embedded, Op, sibling};
pub use cache::{BATCH_MAX, FillToken, Filled, LoadError, Loaded, Lookup, SetOptions, TypedCache};
pub use codec::{Codec, Json, Postcard, Zstd};
pub use counter::{Counter, FlushReport, FlushSink, Pending, SqliteCounts};
pub use error::{Error, Result};
pub use lease::{Guard, Lease};
pub use limit::{Allowed, Quota, RateLimiter};
pub use metrics::{Dashboard, DashboardNumbers, Metrics, NamespaceFigures, NamespaceMetrics, Timing};
pub use namespace::{
    Class, KEY_BYTES_MAX, KeyPart, Namespace, TTL_MAX, UserId, check_name, check_ttl, hours,
};
pub use onetime::OneTime;
pub use outbox::{Outbox, Replayed};
pub use queue::{
    CLAIM_MAX, CancelOutcome, Claim, Dedupe, EnqueueOptions, Enqueued, ErrorClass, Fate, JobError,
    JobFailure, JobId, JobInfo, JobState, Once, QueueOptions, QueueStats, Reaped, ReliableQueue, Retry,
    RunReport, WorkerOptions, prepare_ledger, prune_ledger,
};

/// So many random bytes in hexadecimal digits.
pub(crate) fn token(bytes: usize) -> String {
    crate::hex::hex(&random(bytes))
}

/// So many random bytes of the operating system's.
pub(crate) fn random(bytes: usize) -> Vec<u8> {
    let mut random = vec![0; bytes];
    // Without randomness no token is safe to give out.
    getrandom::fill(&mut random).expect("the operating system gives random bytes");
    random
}

/// Deletes all keys that begin so, by walking over them; how many. Never `KEYS`, never `FLUSHDB`.
///
/// # Errors
/// What the backend says.
pub async fn clear_prefix(backend: &impl Backend, prefix: &[u8]) -> Result<u64> {
    let (mut cursor, mut cleared) = (Vec::new(), 0);
    loop {
        let (next, keys) = backend.scan(&cursor, prefix, 1000).await?;
        for key in &keys {
            cleared += backend::int(backend.call(&[b"UNLINK", key]).await?)?.unsigned_abs();
        }
        if next.is_empty() {
            return Ok(cleared);
        }
        cursor = next;
    }
}

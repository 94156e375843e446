//! What an application writes instead of raw commands: typed caches, counters, limits, one-time codes.
//!
//! Each has a file of its own and knows nothing of the others. All ask a [`Backend`], which is the engine in this
//! process or a server; what has to happen as one is an [`Op`], with a native body and one in Lua.
//!
//! **Invariant:** nothing here knows what an application is about.

mod backend;
mod breaker;
mod cache;
mod codec;
mod counter;
mod error;
mod lease;
mod limit;
mod membership;
mod metrics;
mod namespace;
mod onetime;
mod outbox;
mod progress;
mod queue;
mod recent;
mod session;
mod synclog;
mod tiered;
mod versioned;

use backend::Fields;
pub use backend::{Backend, Embedded, Op, sibling};
pub(crate) use backend::{arg, int, items, number, string};
#[cfg(feature = "remote")]
pub(crate) use backend::{glob_for, scan_by_call, scanned};
pub use breaker::{Breaker, BreakerState, Guarded};
pub use cache::{BATCH_MAX, FillToken, Filled, LoadError, Loaded, Lookup, SetOptions, TypedCache};
pub use codec::{Archived, Codec, Json, MsgPack, Postcard, Rkyv, Zstd};
pub use counter::{Counter, FlushReport, FlushSink, Pending, SqliteCounts};
pub use error::{Error, Result};
pub use lease::{Guard, Lease};
pub use limit::{Allowed, Quota, RateLimiter};
pub use membership::{LoadToken, MEMBERS_MAX, Member, Membership};
pub use metrics::{Dashboard, DashboardNumbers, Metrics, NamespaceFigures, NamespaceMetrics, Timing};
pub use namespace::{
    Class, KEY_BYTES_MAX, KeyPart, Namespace, TTL_MAX, UserId, check_name, check_ttl, hours,
};
pub use onetime::OneTime;
pub use outbox::{Outbox, Replayed};
pub use progress::{Place, Progress, Resume, RunState, Said, Status};
pub use queue::{
    CLAIM_MAX, CancelOutcome, Claim, Dedupe, EnqueueOptions, Enqueued, ErrorClass, Fate, JobError,
    JobFailure, JobId, JobInfo, JobState, Once, QueueOptions, QueueStats, Reaped, ReliableQueue, Retry,
    RunReport, WorkerOptions, prepare_ledger, prune_ledger,
};
pub use recent::{Recent, RecentByTime};
pub use session::{Device, Session, SessionInfo, SessionStore, Token};
pub use synclog::{Appended, Event, Logged, Reader, Start, SyncLog, newest};
pub use tiered::{SqliteTier, Tiered};
pub use versioned::{Due, Schedule, Versioned};

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

/// A time that a client gives, in Unix ms or s, as ms: data, by which nothing is decided.
///
/// # Errors
/// Why it is none: not positive, or more than a day ahead.
pub(crate) fn client_ms(at: i64, now_ms: u64) -> std::result::Result<u64, String> {
    // Seconds reach this in the year 5138, and milliseconds had passed it in 1973.
    let ms = if at.unsigned_abs() < 100_000_000_000 { at.saturating_mul(1000) } else { at };
    match u64::try_from(ms) {
        Ok(0) | Err(_) => Err(format!("not a time: {at}")),
        Ok(ms) if ms > now_ms.saturating_add(86_400_000) => Err(format!("more than a day ahead: {at}")),
        Ok(ms) => Ok(ms),
    }
}

/// Deletes all keys that begin so, by walking over them; how many. Never `KEYS`, never `FLUSHDB`.
///
/// # Errors
/// What the backend says.
pub async fn clear_prefix(backend: &impl Backend, prefix: &[u8]) -> Result<u64> {
    let (mut cursor, mut cleared) = (Vec::new(), 0);
    loop {
        let (next, keys) = backend.scan(&cursor, prefix, 1000).await?;
        if !keys.is_empty() {
            let argv: Vec<&[u8]> =
                std::iter::once(&b"UNLINK"[..]).chain(keys.iter().map(|key| &**key)).collect();
            cleared += int(backend.call(&argv).await?)?.unsigned_abs();
        }
        if next.is_empty() {
            return Ok(cleared);
        }
        cursor = next;
    }
}

//! Limits by key: so many in so long.

use super::{Damselfly, Error, Result, reply};
use crate::reply::Reply;
use std::time::Duration;

/// What a limit said to an action ([`Damselfly::throttle`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Throttled {
    /// Whether the action may be done; it has been counted then.
    pub allowed: bool,
    /// How many may be done at once where none was.
    pub limit: u64,
    /// How many more may be done now.
    pub remaining: u64,
    /// How long to wait where it may not be done; `None` where no time would help. In whole seconds, rounded up.
    pub retry_after: Option<Duration>,
    /// In how long the whole limit is there again. In whole seconds, rounded up.
    pub reset_after: Duration,
}

impl Damselfly {
    /// Counts an action against a key's limit of `count` in `per`, whole seconds, with `max_burst` more at once. O(1).
    ///
    /// ```
    /// use damselfly::Damselfly;
    /// use std::time::Duration;
    ///
    /// let db = Damselfly::in_memory();
    /// let minute = Duration::from_secs(60);
    /// assert!(db.throttle("login:ada", 1, 5, minute, 1)?.allowed);
    /// assert!(db.throttle("login:ada", 1, 5, minute, 1)?.allowed);
    /// assert!(!db.throttle("login:ada", 1, 5, minute, 1)?.allowed);
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType);
    /// [`CommandError::NotAnInteger`](crate::command::error::CommandError::NotAnInteger) for a limit of nothing, for less
    /// than a second, or beyond what 64 bits of microseconds hold.
    ///
    /// Reference: <https://valkey.io/commands/cl.throttle/>
    pub fn throttle(
        &self,
        key: impl AsRef<[u8]>,
        max_burst: u64,
        count: u64,
        per: Duration,
        quantity: u32,
    ) -> Result<Throttled> {
        let numbers = [max_burst, count, per.as_secs(), quantity.into()].map(|number| number.to_string());
        let [max_burst, count, per, quantity] = &numbers;
        let reply = self.run(&[
            b"CL.THROTTLE",
            key.as_ref(),
            max_burst.as_bytes(),
            count.as_bytes(),
            per.as_bytes(),
            quantity.as_bytes(),
        ])?;
        let Reply::Array(parts) = reply else { return Err(Error::UnexpectedReply(reply)) };
        let parts = parts.into_iter().map(reply::int).collect::<Result<Vec<_>>>()?;
        let [limited, limit, remaining, retry_after, reset_after] = parts[..] else {
            return Err(Error::UnexpectedReply(Reply::Null));
        };
        let seconds = |seconds: i64| Duration::from_secs(seconds.unsigned_abs());
        Ok(Throttled {
            allowed: limited == 0,
            limit: limit.unsigned_abs(),
            remaining: remaining.unsigned_abs(),
            retry_after: (retry_after >= 0).then(|| seconds(retry_after)),
            reset_after: seconds(reset_after),
        })
    }
}

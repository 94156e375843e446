//! Limits: so many in so long, evenly, without a window at whose edge twice as many pass (GCRA).
//!
//! A key holds the time at which all that was let through would be paid for; one more is let through where that time
//! is no further ahead than the quota's burst. The time is the store's.

use super::backend::{arg, int, items, number};
use super::namespace::{KeyPart, Namespace};
use super::{Backend, Error, Op, Result};
use crate::reply::Reply;
use std::time::Duration;

/// `[1, left]` or `[0, ms to wait]`. Keys: it. Args: microseconds that one costs, microseconds that all may cost.
static CHECK: Op = Op {
    name: "limit.check",
    lua: "local at = now() * 1000
local cost, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local paid = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), at)
local after = paid + cost
if after - at > burst then return {0, math.ceil((after - burst - at) / 1000)} end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.max(1, math.ceil((after - at) / 1000)))
return {1, math.floor((burst - (after - at)) / cost)}",
    native: |inside, keys, args| {
        let at = i64::try_from(inside.now_ms()).unwrap_or(i64::MAX).saturating_mul(1000);
        let (cost, burst) = (number(arg(args, 0)).max(1), number(arg(args, 1)));
        let paid = inside.get(arg(keys, 0))?.map_or(0, |text| number(&text)).max(at);
        let after = paid.saturating_add(cost);
        let ahead = after - at;
        if ahead > burst {
            let wait_ms = (ahead - burst + 999) / 1000;
            return Ok(Reply::Array(vec![Reply::Int(0), Reply::Int(wait_ms)]));
        }
        let (text, ms) = (after.to_string(), ((ahead + 999) / 1000).max(1).to_string());
        inside.call(&[b"SET", arg(keys, 0), text.as_bytes(), b"PX", ms.as_bytes()])?;
        Ok(Reply::Array(vec![Reply::Int(1), Reply::Int((burst - ahead) / cost)]))
    },
};

/// So many in so long.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// How many; all of them may come at once.
    pub count: u32,
    /// In how long.
    pub per: Duration,
}

/// One was let through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Allowed {
    /// How many more would be, right now.
    pub remaining: u64,
}

/// Limits by key.
///
/// ```
/// use damselfly::domain::{Class, Embedded, Error, Namespace, Quota, RateLimiter};
/// use std::time::Duration;
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let logins = RateLimiter::new(Namespace::new("ratelimit", Class::Security), Embedded::in_memory())?;
/// let quota = Quota { count: 2, per: Duration::from_secs(60) };
/// assert_eq!(logins.check("login:ada", quota).await?.remaining, 1);
/// logins.check("login:ada", quota).await?;
/// assert!(matches!(logins.check("login:ada", quota).await, Err(Error::RateLimited { .. })));
/// # Ok::<(), damselfly::domain::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct RateLimiter<B> {
    namespace: Namespace,
    backend: B,
    open: bool,
}

impl<B: Backend> RateLimiter<B> {
    /// One that says no while the store is away.
    ///
    /// # Errors
    /// [`Error::BadNamespace`].
    pub fn new(namespace: Namespace, backend: B) -> Result<Self> {
        namespace.check()?;
        Ok(Self { namespace, backend, open: false })
    }

    /// One that says yes while the store is away.
    #[must_use]
    pub fn open_on_outage(self) -> Self {
        Self { open: true, ..self }
    }

    /// Counts one, if it is let through.
    ///
    /// # Errors
    /// [`Error::RateLimited`] where it is not; [`Error::BadLimit`] for a quota of nothing; what the backend says.
    pub async fn check(&self, key: &(impl KeyPart + ?Sized), quota: Quota) -> Result<Allowed> {
        let key = self.namespace.key(key)?;
        let burst = i64::try_from(quota.per.as_micros()).unwrap_or(i64::MAX);
        let cost = burst.checked_div(i64::from(quota.count)).unwrap_or(0);
        // Beyond a year the sums in a script's floating point would not be exact to the microsecond.
        if cost == 0 || quota.per > Duration::from_secs(366 * 86_400) {
            return Err(Error::BadLimit { given: quota.count.into(), max: burst });
        }
        // What the division left over is no room for one more.
        let burst = cost * i64::from(quota.count);
        let (cost, burst) = (cost.to_string(), burst.to_string());
        match self.backend.atomic(&CHECK, &[&key], &[cost.as_bytes(), burst.as_bytes()]).await {
            Ok(reply) => {
                let mut parts = items(reply)?.into_iter();
                let allowed = int(parts.next().unwrap_or(Reply::Null))? == 1;
                let figure = int(parts.next().unwrap_or(Reply::Null))?.unsigned_abs();
                if allowed {
                    return Ok(Allowed { remaining: figure });
                }
                Err(Error::RateLimited { after: Duration::from_millis(figure) })
            }
            Err(error) if error.is_outage() && self.open => Ok(Allowed { remaining: 0 }),
            Err(error) => Err(error),
        }
    }
}

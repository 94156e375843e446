//! Leases: one at a time has a name, until a time by the store's clock.
//!
//! Whoever gets it gets a *fence* with it, a number that grows with every time it is given. A holder that was asleep for
//! too long may not know that its time is over; whoever it writes to does, once they have seen a higher fence.

use super::backend::{arg, int, number};
use super::namespace::{KeyPart, Namespace, check_ttl};
use super::{Backend, Error, Op, Result, sibling};
use crate::reply::Reply;
use std::fmt;
use std::time::Duration;

/// A new fence, or 0 where somebody has it. Keys: it, the last fence. Args: ms.
static ACQUIRE: Op = Op {
    name: "lease.acquire",
    lua: "if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local fence = redis.call('INCR', KEYS[2])
redis.call('SET', KEYS[1], fence, 'PX', ARGV[1])
return fence",
    native: |inside, keys, args| {
        if inside.int(&[b"EXISTS", arg(keys, 0)])? == 1 {
            return Ok(Reply::Int(0));
        }
        let fence = inside.int(&[b"INCR", arg(keys, 1)])?;
        inside.call(&[b"SET", arg(keys, 0), fence.to_string().as_bytes(), b"PX", arg(args, 0)])?;
        Ok(Reply::Int(fence))
    },
};

/// 1 done, 0 nobody has it, -1 somebody else does. Keys: it. Args: the fence, ms or 0 to give it back.
static SETTLE: Op = Op {
    name: "lease.settle",
    lua: "local held = redis.call('GET', KEYS[1])
if not held then return 0 end
if held ~= ARGV[1] then return -1 end
if ARGV[2] == '0' then redis.call('DEL', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1",
    native: |inside, keys, args| {
        let Some(held) = inside.get(arg(keys, 0))? else { return Ok(Reply::Int(0)) };
        if held != arg(args, 0) {
            return Ok(Reply::Int(-1));
        }
        if arg(args, 1) == b"0" {
            inside.call(&[b"DEL", arg(keys, 0)])?;
        } else {
            inside.call(&[b"PEXPIRE", arg(keys, 0), arg(args, 1)])?;
        }
        Ok(Reply::Int(1))
    },
};

/// Leases by name.
///
/// ```
/// use damselfly::domain::{Class, Embedded, Lease, Namespace};
/// use std::time::Duration;
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let leases = Lease::new(Namespace::new("leases", Class::Durable), Embedded::in_memory())?;
/// let scan = leases.try_acquire("index", Duration::from_secs(60)).await?.expect("nobody has it");
/// assert!(leases.try_acquire("index", Duration::from_secs(60)).await?.is_none());
/// scan.renew(Duration::from_secs(60)).await?;
/// scan.release().await?;
/// assert!(leases.try_acquire("index", Duration::from_secs(60)).await?.expect("free again").fence() > scan.fence());
/// # Ok::<(), damselfly::domain::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lease<B> {
    namespace: Namespace,
    backend: B,
}

/// A lease that somebody has. Dropping it says nothing: it runs out.
#[derive(Clone)]
pub struct Guard<B> {
    backend: B,
    key: Vec<u8>,
    fence: u64,
}

impl<B> fmt::Debug for Guard<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("fence", &self.fence).finish_non_exhaustive()
    }
}

impl<B: Backend> Lease<B> {
    /// # Errors
    /// [`Error::BadNamespace`].
    pub fn new(namespace: Namespace, backend: B) -> Result<Self> {
        namespace.check()?;
        Ok(Self { namespace, backend })
    }

    /// Takes a name for so long, where nobody has it.
    ///
    /// # Errors
    /// [`Error::BadKey`], [`Error::BadTtl`]; what the backend says.
    pub async fn try_acquire(
        &self,
        name: &(impl KeyPart + ?Sized),
        ttl: Duration,
    ) -> Result<Option<Guard<B>>> {
        check_ttl(ttl)?;
        let key = self.namespace.key(name)?;
        let (last, ms) = (sibling(&key, "fence"), ttl.as_millis().to_string());
        let fence = int(self.backend.atomic(&ACQUIRE, &[&key, &last], &[ms.as_bytes()]).await?)?;
        Ok((fence > 0).then(|| Guard { backend: self.backend.clone(), key, fence: fence.unsigned_abs() }))
    }

    /// The fence of whoever has a name now: what comes with a lower one is late.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn holder(&self, name: &(impl KeyPart + ?Sized)) -> Result<Option<u64>> {
        let held = self.backend.get(&self.namespace.key(name)?).await?;
        Ok(held.map(|fence| number(&fence).unsigned_abs()))
    }
}

impl<B: Backend> Guard<B> {
    /// Its number, which is higher than that of all before it.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Has it for so long from now on.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] where its time was over, [`Error::Fenced`] where somebody else has it; [`Error::BadTtl`];
    /// what the backend says.
    pub async fn renew(&self, ttl: Duration) -> Result<()> {
        check_ttl(ttl)?;
        self.settle(&ttl.as_millis().to_string()).await
    }

    /// Gives it back.
    ///
    /// # Errors
    /// As [`renew`](Self::renew).
    pub async fn release(&self) -> Result<()> {
        self.settle("0").await
    }

    async fn settle(&self, ms: &str) -> Result<()> {
        let fence = self.fence.to_string();
        match int(self.backend.atomic(&SETTLE, &[&self.key], &[fence.as_bytes(), ms.as_bytes()]).await?)? {
            1 => Ok(()),
            0 => Err(Error::LeaseLost),
            _ => Err(Error::Fenced),
        }
    }
}

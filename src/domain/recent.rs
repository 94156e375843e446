//! The newest items of an owner: each once, newest first, no more than so many, gone when nothing is added for long.
//!
//! [`Recent`] is in the order of adding: adding what is there moves it to the front. [`RecentByTime`] is in the order
//! of a time that comes with each item, so that what is told late stands where it belongs.

use super::backend::{arg, int, items, number, string};
use super::namespace::{KeyPart, Namespace};
use super::{Backend, Error, Op, Result};
use crate::reply::Reply;
use std::marker::PhantomData;

/// Moves an item to the front: the new length. Keys: list. Args: item, most items, ms to live.
static PUSH: Op = Op {
    name: "recent.push",
    lua: "redis.call('LREM', KEYS[1], 0, ARGV[1])
redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], 0, ARGV[2] - 1)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return redis.call('LLEN', KEYS[1])",
    native: |inside, keys, args| {
        let (list, last) = (arg(keys, 0), (number(arg(args, 1)) - 1).to_string());
        inside.call(&[b"LREM", list, b"0", arg(args, 0)])?;
        inside.call(&[b"LPUSH", list, arg(args, 0)])?;
        inside.call(&[b"LTRIM", list, b"0", last.as_bytes()])?;
        inside.call(&[b"PEXPIRE", list, arg(args, 2)])?;
        inside.call(&[b"LLEN", list])
    },
};

/// Adds items with their times, an older time changing nothing: the new length. Keys: sorted set. Args: most items, ms to
/// live, { time, item } ...
static PUSH_AT: Op = Op {
    name: "recent.push_at",
    lua: "for at = 3, #ARGV, 2 do redis.call('ZADD', KEYS[1], 'GT', ARGV[at], ARGV[at + 1]) end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[1])",
    native: |inside, keys, args| {
        let (set, last) = (arg(keys, 0), (-1 - number(arg(args, 0))).to_string());
        for pair in args.get(2..).unwrap_or_default().chunks_exact(2) {
            inside.call(&[b"ZADD", set, b"GT", arg(pair, 0), arg(pair, 1)])?;
        }
        inside.call(&[b"ZREMRANGEBYRANK", set, b"0", last.as_bytes()])?;
        inside.call(&[b"PEXPIRE", set, arg(args, 1)])?;
        inside.call(&[b"ZCARD", set])
    },
};

/// Most items of one call.
const BATCH_MAX: usize = 1000;
/// Longest item.
const ITEM_BYTES_MAX: usize = 512;

fn check_item(item: &str) -> Result<()> {
    match item.len() {
        0 => Err(Error::BadKey("an empty item".into())),
        len if len > ITEM_BYTES_MAX => Err(Error::TooLarge { limit: ITEM_BYTES_MAX }),
        _ => Ok(()),
    }
}

fn check_limit(limit: i64, cap: usize) -> Result<i64> {
    let max = i64::try_from(cap).unwrap_or(i64::MAX);
    if (1..=max).contains(&limit) { Ok(limit) } else { Err(Error::BadLimit { given: limit, max }) }
}

fn check_cap(namespace: &Namespace, cap: usize) -> Result<()> {
    namespace.check()?;
    if cap == 0 { Err(Error::BadLimit { given: 0, max: i64::MAX }) } else { Ok(()) }
}

/// The newest items of owners, in the order of adding. A list, as any client reads it.
///
/// ```
/// use damselfly::domain::{Class, Embedded, Namespace, Recent, UserId};
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let recent: Recent<UserId, _> = Recent::new(Namespace::new("recent", Class::Derived), 2, Embedded::in_memory())?;
/// let ada = UserId::new(42)?;
/// for song in ["a", "b", "a", "c"] {
///     recent.push(&ada, song).await?;
/// }
/// assert_eq!(recent.list(&ada, 2).await?, ["c", "a"]);
/// # Ok::<(), damselfly::domain::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Recent<O: ?Sized, B> {
    namespace: Namespace,
    backend: B,
    cap: usize,
    of: PhantomData<fn(&O)>,
}

impl<O: ?Sized, B: Clone> Clone for Recent<O, B> {
    fn clone(&self) -> Self {
        Self { backend: self.backend.clone(), ..*self }
    }
}

impl<O: KeyPart + ?Sized, B: Backend> Recent<O, B> {
    /// Of so many items at most; an owner's are gone when nothing was added for the namespace's time to live.
    ///
    /// # Errors
    /// [`Error::BadNamespace`], [`Error::BadTtl`], [`Error::BadLimit`] for none.
    pub fn new(namespace: Namespace, cap: usize, backend: B) -> Result<Self> {
        check_cap(&namespace, cap)?;
        Ok(Self { namespace, backend, cap, of: PhantomData })
    }

    /// Most items of an owner.
    #[must_use]
    pub fn cap(&self) -> usize {
        self.cap
    }

    /// Moves an item to the front; how many there are. As one, so that nobody sees it twice or too many. O(cap).
    ///
    /// # Errors
    /// [`Error::BadKey`], [`Error::TooLarge`]; what the backend says.
    pub async fn push(&self, owner: &O, item: &str) -> Result<u64> {
        check_item(item)?;
        let key = self.namespace.key(owner)?;
        let (cap, ttl) = (self.cap.to_string(), self.namespace.ttl.as_millis().to_string());
        let args = [item.as_bytes(), cap.as_bytes(), ttl.as_bytes()];
        Ok(int(self.backend.atomic(&PUSH, &[&key], &args).await?)?.unsigned_abs())
    }

    /// The newest items, newest first.
    ///
    /// # Errors
    /// [`Error::BadLimit`] for none, or more than there can be; [`Error::BadKey`]; what the backend says.
    pub async fn list(&self, owner: &O, limit: i64) -> Result<Vec<String>> {
        self.range(owner, 0, check_limit(limit, self.cap)? - 1).await
    }

    /// Items by their places, from the end where those are negative.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn range(&self, owner: &O, first: i64, last: i64) -> Result<Vec<String>> {
        let key = self.namespace.key(owner)?;
        let (first, last) = (first.to_string(), last.to_string());
        let reply = self.backend.call(&[b"LRANGE", &key, first.as_bytes(), last.as_bytes()]).await?;
        items(reply)?.into_iter().map(text).collect()
    }

    /// Keeps the items of these places only, from the end where those are negative.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn trim(&self, owner: &O, first: i64, last: i64) -> Result<()> {
        let key = self.namespace.key(owner)?;
        let (first, last) = (first.to_string(), last.to_string());
        self.backend.call(&[b"LTRIM", &key, first.as_bytes(), last.as_bytes()]).await.map(|_| ())
    }

    /// Takes an item out; whether it was there.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn remove(&self, owner: &O, item: &str) -> Result<bool> {
        let key = self.namespace.key(owner)?;
        Ok(int(self.backend.call(&[b"LREM", &key, b"0", item.as_bytes()]).await?)? > 0)
    }

    /// Forgets an owner's items; whether there were some.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn clear(&self, owner: &O) -> Result<bool> {
        let key = self.namespace.key(owner)?;
        Ok(int(self.backend.call(&[b"DEL", &key]).await?)? > 0)
    }
}

fn text(reply: Reply) -> Result<String> {
    Ok(String::from_utf8_lossy(&string(reply)?).into_owned())
}

/// The newest items of owners by a time that comes with each. A sorted set.
#[derive(Debug)]
pub struct RecentByTime<O: ?Sized, B> {
    namespace: Namespace,
    backend: B,
    cap: usize,
    of: PhantomData<fn(&O)>,
}

impl<O: ?Sized, B: Clone> Clone for RecentByTime<O, B> {
    fn clone(&self) -> Self {
        Self { backend: self.backend.clone(), ..*self }
    }
}

impl<O: KeyPart + ?Sized, B: Backend> RecentByTime<O, B> {
    /// As [`Recent::new`].
    ///
    /// # Errors
    /// As [`Recent::new`].
    pub fn new(namespace: Namespace, cap: usize, backend: B) -> Result<Self> {
        check_cap(&namespace, cap)?;
        Ok(Self { namespace, backend, cap, of: PhantomData })
    }

    /// Most items of an owner.
    #[must_use]
    pub fn cap(&self) -> usize {
        self.cap
    }

    /// Adds an item of a time, in Unix ms or s; how many there are. Where it is there, its newest time counts.
    ///
    /// # Errors
    /// As [`push_many`](Self::push_many).
    pub async fn push(&self, owner: &O, item: &str, at: i64) -> Result<u64> {
        self.push_many(owner, &[(item, at)]).await
    }

    /// Adds items in any order; how many there are. O(items * log cap).
    ///
    /// # Errors
    /// [`Error::BadKey`]; [`Error::TooLarge`]; [`Error::BadEvent`] for a time that is none, or more than a day ahead;
    /// what the backend says. Nothing is added then.
    pub async fn push_many(&self, owner: &O, list: &[(&str, i64)]) -> Result<u64> {
        let key = self.namespace.key(owner)?;
        if list.len() > BATCH_MAX {
            return Err(Error::TooLarge { limit: BATCH_MAX });
        }
        let now_ms = self.backend.now_ms();
        let (cap, ttl) = (self.cap.to_string(), self.namespace.ttl.as_millis().to_string());
        let mut times = Vec::with_capacity(list.len());
        for (item, at) in list {
            check_item(item)?;
            times.push(super::client_ms(*at, now_ms).map_err(Error::BadEvent)?.to_string());
        }
        let mut args = vec![cap.as_bytes(), ttl.as_bytes()];
        for ((item, _), at) in list.iter().zip(&times) {
            args.extend([at.as_bytes(), item.as_bytes()]);
        }
        Ok(int(self.backend.atomic(&PUSH_AT, &[&key], &args).await?)?.unsigned_abs())
    }

    /// The newest items with their times in Unix ms, newest first.
    ///
    /// # Errors
    /// [`Error::BadLimit`] for none, or more than there can be; [`Error::BadKey`]; what the backend says.
    pub async fn list(&self, owner: &O, limit: i64) -> Result<Vec<(String, u64)>> {
        let last = (check_limit(limit, self.cap)? - 1).to_string();
        let key = self.namespace.key(owner)?;
        let reply = self.backend.call(&[b"ZREVRANGE", &key, b"0", last.as_bytes(), b"WITHSCORES"]).await?;
        let mut flat = items(reply)?.into_iter();
        let mut list = Vec::with_capacity(flat.len() / 2);
        while let Some(first) = flat.next() {
            // RESP3 pairs them, RESP2 does not.
            let (item, at) = match first {
                Reply::Array(pair) => {
                    let mut pair = pair.into_iter();
                    (pair.next().unwrap_or(Reply::Null), pair.next().unwrap_or(Reply::Null))
                }
                item => (item, flat.next().unwrap_or(Reply::Null)),
            };
            let at = match at {
                Reply::Double(at) => at,
                other => text(other)?.parse().unwrap_or(0.0),
            };
            list.push((text(item)?, at as u64));
        }
        Ok(list)
    }

    /// Takes an item out; whether it was there.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn remove(&self, owner: &O, item: &str) -> Result<bool> {
        let key = self.namespace.key(owner)?;
        Ok(int(self.backend.call(&[b"ZREM", &key, item.as_bytes()]).await?)? > 0)
    }

    /// Forgets an owner's items; whether there were some.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn clear(&self, owner: &O) -> Result<bool> {
        let key = self.namespace.key(owner)?;
        Ok(int(self.backend.call(&[b"DEL", &key]).await?)? > 0)
    }
}

//! Values that are changed by whoever has read the newest: compare and set by a version.

use super::backend::{arg, bulk, int, items, number, optional};
use super::codec::{Codec, Json};
use super::namespace::{KeyPart, Namespace};
use super::{Backend, Error, Fields, Op, Result};
use crate::reply::Reply;
use std::marker::PhantomData;

/// Writes where the version is that: the new one, or minus one. Keys: hash. Args: version (0: none is there; -1: any), value,
/// ms to live.
static PUT: Op = Op {
    name: "versioned.put",
    lua: "local was = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if ARGV[1] ~= '-1' and was ~= tonumber(ARGV[1]) then return -1 end
redis.call('HSET', KEYS[1], 'version', string.format('%.0f', was + 1), 'value', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return was + 1",
    native: |inside, keys, args| {
        let hash = arg(keys, 0);
        let was = optional(inside.call(&[b"HGET", hash, b"version"])?)?.map_or(0, |was| number(&was));
        if arg(args, 0) != b"-1" && was != number(arg(args, 0)) {
            return Ok(Reply::Int(-1));
        }
        let next = was.saturating_add(1);
        inside.call(&[b"HSET", hash, b"version", next.to_string().as_bytes(), b"value", arg(args, 1)])?;
        inside.call(&[b"PEXPIRE", hash, arg(args, 2)])?;
        Ok(Reply::Int(next))
    },
};

/// Takes members whose time has come, and puts them off: `[member, new time, ...]`. Keys: sorted set. Args: most, ms to put off.
static CLAIM: Op = Op {
    name: "schedule.claim",
    lua: "local t, out = now(), {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', t), 'LIMIT', 0, ARGV[1])) do
  local until_ = string.format('%.0f', t + ARGV[2])
  redis.call('ZADD', KEYS[1], until_, member)
  out[#out + 1] = member
  out[#out + 1] = until_
end
return out",
    native: |inside, keys, args| {
        let (set, now) = (arg(keys, 0), inside.now_ms());
        let until = now.saturating_add(number(arg(args, 1)).unsigned_abs()).to_string();
        let (now, mut out) = (now.to_string(), Vec::new());
        let due =
            inside.call(&[b"ZRANGEBYSCORE", set, b"-inf", now.as_bytes(), b"LIMIT", b"0", arg(args, 0)])?;
        for member in items(due)? {
            let member = super::backend::string(member)?;
            inside.call(&[b"ZADD", set, until.as_bytes(), &member])?;
            out.extend([bulk(member), bulk(until.clone())]);
        }
        Ok(Reply::Array(out))
    },
};

/// Puts a member at another time where it still is at the one it was claimed for: 1 or 0. Keys: sorted set. Args: member, that
/// time, the other in ms from now.
static DONE: Op = Op {
    name: "schedule.done",
    lua: "local at = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not at or tonumber(at) ~= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], string.format('%.0f', now() + ARGV[3]), ARGV[1])
return 1",
    native: |inside, keys, args| {
        let at = match inside.call(&[b"ZSCORE", arg(keys, 0), arg(args, 0)])? {
            Reply::Double(at) => at as i64,
            _ => return Ok(Reply::Int(0)),
        };
        if at != number(arg(args, 1)) {
            return Ok(Reply::Int(0));
        }
        let next = inside.now_ms().saturating_add(number(arg(args, 2)).unsigned_abs()).to_string();
        inside.call(&[b"ZADD", arg(keys, 0), next.as_bytes(), arg(args, 0)])?;
        Ok(Reply::Int(1))
    },
};

/// Values with versions.
///
/// ```
/// use damselfly::domain::{Class, Embedded, Error, Namespace, Versioned};
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let states: Versioned<str, u32, _> =
///     Versioned::new(Namespace::new("playlists", Class::Derived), Embedded::in_memory())?;
/// let one = states.put("p1", &7, 0).await?;
/// states.put("p1", &8, one).await?;
/// assert_eq!(states.put("p1", &9, one).await, Err(Error::Fenced));
/// assert_eq!(states.get("p1").await?, Some((8, 2)));
/// # Ok::<(), damselfly::domain::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Versioned<K: ?Sized, V, B> {
    namespace: Namespace,
    backend: B,
    of: PhantomData<fn(&K, V)>,
}

impl<K: ?Sized, V, B: Clone> Clone for Versioned<K, V, B> {
    fn clone(&self) -> Self {
        Self { backend: self.backend.clone(), ..*self }
    }
}

impl<K: KeyPart + ?Sized, V, B: Backend> Versioned<K, V, B>
where
    Json: Codec<V>,
{
    /// A value is forgotten when it was not written for the namespace's time to live.
    ///
    /// # Errors
    /// [`Error::BadNamespace`], [`Error::BadTtl`].
    pub fn new(namespace: Namespace, backend: B) -> Result<Self> {
        namespace.check()?;
        Ok(Self { namespace, backend, of: PhantomData })
    }

    /// A value and its version.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::BadKey`]; what the backend says.
    pub async fn get(&self, key: &K) -> Result<Option<(V, u64)>> {
        let key = self.namespace.key(key)?;
        let fields = Fields::of(self.backend.call(&[b"HGETALL", &key]).await?)?;
        let version = fields.int("version").unsigned_abs();
        fields.get("value").map(|value| Ok((Json::decode(value)?, version))).transpose()
    }

    /// Writes a value where the version is still that, 0 for where there is none; the new version.
    ///
    /// # Errors
    /// [`Error::Fenced`] where somebody has written since; [`Error::NotSerializable`], [`Error::TooLarge`],
    /// [`Error::BadKey`]; what the backend says.
    pub async fn put(&self, key: &K, value: &V, version: u64) -> Result<u64> {
        self.write(key, value, &version.to_string()).await
    }

    /// Writes a value whatever is there; the new version.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn force(&self, key: &K, value: &V) -> Result<u64> {
        self.write(key, value, "-1").await
    }

    async fn write(&self, key: &K, value: &V, version: &str) -> Result<u64> {
        let (key, mut bytes) = (self.namespace.key(key)?, Vec::new());
        Json::encode(value, &mut bytes)?;
        let limit = self.namespace.value_bytes_max;
        if bytes.len() > limit {
            return Err(Error::TooLarge { limit });
        }
        let ttl = self.namespace.ttl.as_millis().to_string();
        match int(self.backend.atomic(&PUT, &[&key], &[version.as_bytes(), &bytes, ttl.as_bytes()]).await?)? {
            -1 => Err(Error::Fenced),
            version => Ok(version.unsigned_abs()),
        }
    }

    /// Deletes a value; whether there was one.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn remove(&self, key: &K) -> Result<bool> {
        let key = self.namespace.key(key)?;
        Ok(int(self.backend.call(&[b"DEL", &key]).await?)? == 1)
    }
}

/// Something whose time has come, and that is ours until it comes again.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Due {
    /// What it is.
    pub member: String,
    /// Unix ms up to which it is ours.
    pub until_ms: u64,
}

/// What is to be done at a time. Whoever takes something has put it off by that, so that nobody else takes it meanwhile, and
/// it comes again where nobody says that it was done.
#[derive(Clone, Debug)]
pub struct Schedule<B> {
    key: Vec<u8>,
    backend: B,
}

impl<B: Backend> Schedule<B> {
    /// A schedule by its name in the namespace.
    ///
    /// # Errors
    /// [`Error::BadNamespace`], [`Error::BadKey`].
    pub fn new(namespace: Namespace, name: &str, backend: B) -> Result<Self> {
        namespace.check()?;
        Ok(Self { key: namespace.key(name)?, backend })
    }

    /// Something is to be done at a Unix ms; whether it is new.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn add(&self, member: &str, at_ms: u64) -> Result<bool> {
        let at = at_ms.to_string();
        Ok(int(self.backend.call(&[b"ZADD", &self.key, at.as_bytes(), member.as_bytes()]).await?)? == 1)
    }

    /// Takes what is due, so many at most, for so long. O(taken * log n).
    ///
    /// # Errors
    /// What the backend says.
    pub async fn claim(&self, most: usize, hold: std::time::Duration) -> Result<Vec<Due>> {
        let (most, hold) = (most.to_string(), hold.as_millis().max(1).to_string());
        let args = [most.as_bytes(), hold.as_bytes()];
        let mut flat = items(self.backend.atomic(&CLAIM, &[&self.key], &args).await?)?.into_iter();
        let mut due = Vec::new();
        while let (Some(member), Some(until)) = (flat.next(), flat.next()) {
            let member = String::from_utf8_lossy(&super::backend::string(member)?).into_owned();
            due.push(Due { member, until_ms: int(until)?.unsigned_abs() });
        }
        Ok(due)
    }

    /// It was done, and is due again in so long.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] where it took too long and is somebody else's now; what the backend says.
    pub async fn done(&self, due: &Due, again_in: std::time::Duration) -> Result<()> {
        let (until, again) = (due.until_ms.to_string(), again_in.as_millis().to_string());
        let args = [due.member.as_bytes(), until.as_bytes(), again.as_bytes()];
        match int(self.backend.atomic(&DONE, &[&self.key], &args).await?)? {
            1 => Ok(()),
            _ => Err(Error::LeaseLost),
        }
    }

    /// It is not to be done any more; whether it was.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn remove(&self, member: &str) -> Result<bool> {
        Ok(int(self.backend.call(&[b"ZREM", &self.key, member.as_bytes()]).await?)? == 1)
    }
}

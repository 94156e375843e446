//! Where the data is: the engine in this process, or a server. Everything above asks through [`Backend`].
//!
//! What has to happen as one is an [`Op`]: a function that runs inside the shards of its keys here, and the same in
//! Lua for a server. An operation's keys share a hash tag ([`sibling`]), so that each stays in one shard and one slot.
//! One suite (`tests/domain/`) holds both bodies of every operation to the same behaviour.

use super::{Error, Result};
use crate::embed::{Atomic, Bytes, Damselfly, End};
use crate::reply::Reply;
use std::future::Future;
use std::time::Duration;

/// Something that keeps keys and runs commands.
pub trait Backend: Clone + Send + Sync + 'static {
    /// Runs one command.
    ///
    /// # Errors
    /// What the command says; [`Error::Unavailable`] and [`Error::Timeout`] where there is nobody to say it.
    fn call(&self, argv: &[&[u8]]) -> impl Future<Output = Result<Reply>> + Send;

    /// Runs an operation as one. Its keys share a hash tag.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    fn atomic(
        &self,
        op: &'static Op,
        keys: &[&[u8]],
        args: &[&[u8]],
    ) -> impl Future<Output = Result<Reply>> + Send;

    /// The value of a key. The one call that is hot.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    fn get(&self, key: &[u8]) -> impl Future<Output = Result<Option<Bytes>>> + Send {
        async move { optional(self.call(&[b"GET", key]).await?) }
    }

    /// The values of keys, in one round trip.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    fn get_many(&self, keys: &[&[u8]]) -> impl Future<Output = Result<Vec<Option<Bytes>>>> + Send {
        async move {
            if keys.is_empty() {
                return Ok(Vec::new());
            }
            let argv: Vec<&[u8]> = std::iter::once(&b"MGET"[..]).chain(keys.iter().copied()).collect();
            items(self.call(&argv).await?)?.into_iter().map(optional).collect()
        }
    }

    /// The time by which leases and deadlines are decided, in Unix ms: the engine's in this process.
    fn now_ms(&self) -> u64;

    /// Waits until a list has an element, at most so long; takes none. May end early. A wait that is dropped leaves nothing.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    fn wait_for(&self, list: &[u8], at_most: Duration) -> impl Future<Output = Result<()>> + Send {
        let _ = list;
        async move {
            // A backend that has nothing better has its callers look again soon.
            tokio::time::sleep(at_most.min(Duration::from_millis(50))).await;
            Ok(())
        }
    }

    /// Up to `count` keys that begin with `prefix`, from a cursor on; with the next cursor, which is empty at the end.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    fn scan(
        &self,
        cursor: &[u8],
        prefix: &[u8],
        count: usize,
    ) -> impl Future<Output = Result<(Vec<u8>, Vec<Bytes>)>> + Send {
        scan_by_call(self, cursor, prefix, count)
    }
}

/// [`Backend::scan`] by `SCAN`, for a store that is one.
pub(crate) async fn scan_by_call(
    backend: &impl Backend,
    cursor: &[u8],
    prefix: &[u8],
    count: usize,
) -> Result<(Vec<u8>, Vec<Bytes>)> {
    let (pattern, count) = (glob_for(prefix), count.to_string());
    let cursor = if cursor.is_empty() { b"0" } else { cursor };
    scanned(backend.call(&[b"SCAN", cursor, b"MATCH", &pattern, b"COUNT", count.as_bytes()]).await?)
}

/// The next cursor, empty at the end, and the keys in the reply of `SCAN`.
pub(crate) fn scanned(reply: Reply) -> Result<(Vec<u8>, Vec<Bytes>)> {
    let mut parts = items(reply)?.into_iter();
    let next = parts.next().map_or(Ok(Bytes::new()), string)?;
    let keys = items(parts.next().unwrap_or(Reply::Null))?;
    let next = if &next[..] == b"0" { Vec::new() } else { next.to_vec() };
    Ok((next, keys.into_iter().map(string).collect::<Result<_>>()?))
}

/// A glob for what begins with `prefix` literally.
pub(crate) fn glob_for(prefix: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(prefix.len() + 1);
    for &byte in prefix {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\') {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern.push(b'*');
    pattern
}

/// An operation's body in this process: the inside, its keys, its arguments.
type Native = fn(&mut Inside<'_, '_, '_>, &[&[u8]], &[&[u8]]) -> Result<Reply>;

/// An operation that happens as one, in its two bodies.
#[derive(Debug)]
pub struct Op {
    /// For messages, and to know it by: no two have the same.
    pub name: &'static str,
    /// For a server. `now()` is its clock in ms.
    pub lua: &'static str,
    /// For the engine in this process.
    pub(crate) native: Native,
}

/// The server's clock, for bodies that ask for it.
pub(crate) const LUA_NOW: &str =
    "local function now() local t = redis.call('TIME') return t[1] * 1000 + math.floor(t[2] / 1000) end\n";

impl Op {
    /// The script as it is sent.
    #[must_use]
    pub fn script(&self) -> String {
        format!("{LUA_NOW}{}", self.lua)
    }
}

/// The inside of the shards that an operation's keys are in.
#[derive(Debug)]
pub(crate) struct Inside<'i, 'a, 'e>(&'i mut Atomic<'a, 'e>);

impl Inside<'_, '_, '_> {
    pub(crate) fn now_ms(&self) -> u64 {
        self.0.now_ms()
    }

    pub(crate) fn call(&mut self, argv: &[&[u8]]) -> Result<Reply> {
        Ok(self.0.call(argv)?)
    }

    pub(crate) fn get(&mut self, key: &[u8]) -> Result<Option<Bytes>> {
        optional(self.call(&[b"GET", key])?)
    }

    pub(crate) fn int(&mut self, argv: &[&[u8]]) -> Result<i64> {
        int(self.call(argv)?)
    }
}

/// The engine in this process.
#[derive(Clone, Debug)]
pub struct Embedded {
    db: Damselfly,
    synced: bool,
}

impl Embedded {
    /// Over an engine that is there.
    #[must_use]
    pub fn over(db: Damselfly) -> Self {
        Self { db, synced: false }
    }

    /// Over a new one in memory.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::over(Damselfly::in_memory())
    }

    /// The engine's typed handle.
    #[must_use]
    pub fn db(&self) -> &Damselfly {
        &self.db
    }

    /// The same, where what a call has changed is in the engine's journal and on the disk when it returns: for what must not
    /// be lost. The thread waits for the disk meanwhile.
    #[must_use]
    pub fn synced(self) -> Self {
        Self { synced: true, ..self }
    }

    fn sync(&self) -> Result<()> {
        if self.synced {
            self.db.sync().map_err(|error| Error::Backend(error.to_string()))?;
        }
        Ok(())
    }
}

impl Backend for Embedded {
    async fn call(&self, argv: &[&[u8]]) -> Result<Reply> {
        let reply = match self.db.call(argv)? {
            Reply::Error(text) => Err(Error::from_text(&text)),
            reply => Ok(reply),
        };
        self.sync()?;
        reply
    }

    async fn atomic(&self, op: &'static Op, keys: &[&[u8]], args: &[&[u8]]) -> Result<Reply> {
        // Two kinds of failure: the engine's, and the operation's own.
        let mut failed = None;
        let reply = self.db.atomically(keys, |atomic| {
            Ok((op.native)(&mut Inside(atomic), keys, args).unwrap_or_else(|error| {
                failed = Some(error);
                Reply::Null
            }))
        })?;
        self.sync()?;
        failed.map_or(Ok(reply), Err)
    }

    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.db.get(key)?)
    }

    async fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        Ok(self.db.mget(keys)?)
    }

    fn now_ms(&self) -> u64 {
        self.db.engine().clock().now_ms()
    }

    async fn wait_for(&self, list: &[u8], at_most: Duration) -> Result<()> {
        // From its head to its tail: what is there stays there, and the next waiter sees it too.
        let ms = at_most.max(Duration::from_millis(1));
        self.db.blmove(list, list, End::Left, End::Right, Some(ms)).await?;
        Ok(())
    }
}

/// A key beside another, in the same slot: `{spotify:1}:fill` beside `spotify:1`, `a:{u:4}:b:fill` beside `a:{u:4}:b`.
#[must_use]
pub fn sibling(key: &[u8], name: &str) -> Vec<u8> {
    let mut beside = Vec::with_capacity(key.len() + name.len() + 3);
    if crate::engine::tag(key).is_some() {
        beside.extend_from_slice(key);
    } else {
        beside.push(b'{');
        beside.extend_from_slice(key);
        beside.push(b'}');
    }
    beside.push(b':');
    beside.extend_from_slice(name.as_bytes());
    beside
}

fn unexpected<T>(reply: &Reply) -> Result<T> {
    Err(Error::Backend(format!("unexpected reply: {reply:?}")))
}

/// A reply's elements; none for nothing.
pub(crate) fn items(reply: Reply) -> Result<Vec<Reply>> {
    match reply {
        Reply::Array(items) | Reply::Set(items) | Reply::Push(items) => Ok(items),
        Reply::Map(pairs) => Ok(pairs.into_iter().flat_map(|(key, value)| [key, value]).collect()),
        Reply::Null => Ok(Vec::new()),
        other => unexpected(&other),
    }
}

pub(crate) fn string(reply: Reply) -> Result<Bytes> {
    match reply {
        Reply::Bulk(bytes) | Reply::Verbatim(_, bytes) => Ok(bytes),
        Reply::Simple(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
        Reply::Int(value) => Ok(Bytes::from(value.to_string())),
        Reply::Double(value) => Ok(Bytes::from(value.to_string())),
        Reply::Null => Ok(Bytes::new()),
        other => unexpected(&other),
    }
}

pub(crate) fn optional(reply: Reply) -> Result<Option<Bytes>> {
    match reply {
        Reply::Null => Ok(None),
        other => string(other).map(Some),
    }
}

pub(crate) fn int(reply: Reply) -> Result<i64> {
    match reply {
        Reply::Int(value) => Ok(value),
        Reply::Boolean(value) => Ok(value.into()),
        Reply::Null => Ok(0),
        Reply::Bulk(text) => Ok(number(&text)),
        Reply::Double(value) => Ok(value as i64),
        other => unexpected(&other),
    }
}

/// A hash's fields by their names.
#[derive(Debug)]
pub(crate) struct Fields(Vec<(Bytes, Bytes)>);

impl Fields {
    /// From the reply of `HGETALL`.
    pub(crate) fn of(reply: Reply) -> Result<Self> {
        let mut flat = items(reply)?.into_iter();
        let mut fields = Vec::with_capacity(flat.len() / 2);
        while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
            fields.push((string(name)?, string(value)?));
        }
        Ok(Self(fields))
    }

    /// The values in the reply of `HMGET`.
    pub(crate) fn some(reply: Reply) -> Result<Vec<Option<Bytes>>> {
        items(reply)?.into_iter().map(optional).collect()
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// As they were.
    pub(crate) fn reply(self) -> Reply {
        Reply::Map(self.0.into_iter().map(|(name, value)| (Reply::Bulk(name), Reply::Bulk(value))).collect())
    }

    /// Whether there are some.
    pub(crate) fn any(&self) -> bool {
        !self.0.is_empty()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Bytes> {
        self.0.iter().find(|(field, _)| &**field == name.as_bytes()).map(|(_, value)| value)
    }

    /// A field as a number; 0 where it is missing.
    pub(crate) fn int(&self, name: &str) -> i64 {
        self.get(name).map_or(0, |value| number(value))
    }

    /// A field as text; empty where it is missing.
    pub(crate) fn text(&self, name: &str) -> String {
        self.get(name).map_or_else(String::new, |value| String::from_utf8_lossy(value).into_owned())
    }
}

/// A number from digits; 0 where they are none.
pub(crate) fn number(text: &[u8]) -> i64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A bulk string, for native bodies.
pub(crate) fn bulk(bytes: impl Into<Bytes>) -> Reply {
    Reply::Bulk(bytes.into())
}

/// An argument of an operation; empty where it is missing.
pub(crate) fn arg<'a>(args: &[&'a [u8]], at: usize) -> &'a [u8] {
    args.get(at).copied().unwrap_or_default()
}

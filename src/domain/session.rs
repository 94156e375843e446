//! Sessions: who somebody is, by a token that only they have.
//!
//! A token is the user's number and 256 random bits. What is kept is its SHA-256 digest, so that nobody who reads the
//! store can use what is there. A session ends when it was idle for long, when its time is over however busy it is, when
//! it is revoked, when its user has too many, or when the user's *epoch* changes: a random text that a session remembers
//! from its beginning. So ending all of a user's sessions is one write; and an epoch that was lost ends them too, which is
//! the safe side.
//!
//! An ended session is kept for a day without what it held, so that its end can be told from a token that never was one.
//! All of a user's keys share a slot, and each call is one operation.

use super::backend::{arg, bulk, int, items, number, string};
use super::codec::{Codec, Json};
use super::namespace::{Namespace, UserId};
use super::{Backend, Error, Fields, Op, Result, random, sibling, token};
use crate::hex::hex;
use crate::reply::Reply;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

/// What the bodies in Lua begin with. `alive` says why a session is over: 0 never was, -1 expired, -2 revoked; 1 where it is not.
macro_rules! session {
    () => {
        "local t = now()
local function text(n) return string.format('%.0f', n) end
local function alive(key, epoch, idle)
  local h = redis.call('HMGET', key, 'epoch', 'seen', 'ends', 'over')
  if not h[1] then return 0 end
  if h[4] or h[1] ~= epoch then return -2 end
  if t >= tonumber(h[3]) or t - tonumber(h[2]) >= tonumber(idle) then return -1 end
  return 1
end
local function close(key)
  if redis.call('EXISTS', key) == 0 then return 0 end
  redis.call('HSET', key, 'over', '1')
  redis.call('HDEL', key, 'user', 'device')
  redis.call('PEXPIRE', key, 86400000)
  return 1
end
local function keep(key, ends, idle)
  redis.call('PEXPIRE', key, text(math.min(tonumber(ends) - t, tonumber(idle)) + 86400000))
end
"
    };
}

/// How long an ended session is remembered.
const GRACE_MS: i64 = 86_400_000;

type Inside<'i, 'a, 'e> = super::backend::Inside<'i, 'a, 'e>;

fn now(inside: &Inside<'_, '_, '_>) -> i64 {
    i64::try_from(inside.now_ms()).unwrap_or(i64::MAX)
}

fn alive(inside: &mut Inside<'_, '_, '_>, key: &[u8], epoch: &[u8], idle: i64) -> Result<i64> {
    let t = now(inside);
    let h = Fields::some(inside.call(&[b"HMGET", key, b"epoch", b"seen", b"ends", b"over"])?)?;
    let [Some(its), Some(seen), Some(ends), over] = &*h else { return Ok(0) };
    if over.is_some() || &**its != epoch {
        return Ok(-2);
    }
    Ok(if t >= number(ends) || t.saturating_sub(number(seen)) >= idle { -1 } else { 1 })
}

fn close(inside: &mut Inside<'_, '_, '_>, key: &[u8]) -> Result<i64> {
    if inside.int(&[b"EXISTS", key])? == 0 {
        return Ok(0);
    }
    inside.call(&[b"HSET", key, b"over", b"1"])?;
    inside.call(&[b"HDEL", key, b"user", b"device"])?;
    inside.call(&[b"PEXPIRE", key, GRACE_MS.to_string().as_bytes()])?;
    Ok(1)
}

fn keep(inside: &mut Inside<'_, '_, '_>, key: &[u8], ends: i64, idle: i64) -> Result<()> {
    let ms = ends.saturating_sub(now(inside)).min(idle).saturating_add(GRACE_MS).to_string();
    inside.call(&[b"PEXPIRE", key, ms.as_bytes()]).map(|_| ())
}

/// The key of a session beside the index.
fn beside(prefix: &[u8], id: &[u8]) -> Vec<u8> {
    [prefix, id].concat()
}

/// Begins a session. Keys: index, epoch, session. Args: what sessions' keys begin with, its id, a new epoch, ms idle, ms in all,
/// most sessions, user, device.
static CREATE: Op = Op {
    name: "session.create",
    lua: concat!(
        session!(),
        "redis.call('SET', KEYS[2], ARGV[3], 'NX')
redis.call('PEXPIRE', KEYS[2], text(ARGV[5] + 2 * 86400000))
local ends = text(t + ARGV[5])
redis.call('HSET', KEYS[3], 'epoch', redis.call('GET', KEYS[2]), 'made', text(t), 'seen', text(t), 'ends', ends,
  'user', ARGV[7], 'device', ARGV[8])
keep(KEYS[3], ends, ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(t))
redis.call('ZADD', KEYS[1], ends, ARGV[2])
redis.call('PEXPIRE', KEYS[1], text(ARGV[5] + 86400000))
local over = redis.call('ZCARD', KEYS[1]) - ARGV[6]
if over > 0 then
  for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, over)) do
    if over > 0 and id ~= ARGV[2] then
      close(ARGV[1] .. id)
      redis.call('ZREM', KEYS[1], id)
      over = over - 1
    end
  end
end
return ends"
    ),
    native: |inside, keys, args| {
        let [index, epoch, session] = [0, 1, 2].map(|at| arg(keys, at));
        let (t, idle, whole) = (now(inside), number(arg(args, 3)), number(arg(args, 4)));
        let ends = t.saturating_add(whole);
        inside.call(&[b"SET", epoch, arg(args, 2), b"NX"])?;
        let ms = whole.saturating_add(2 * GRACE_MS).to_string();
        inside.call(&[b"PEXPIRE", epoch, ms.as_bytes()])?;
        let its = inside.get(epoch)?.unwrap_or_default();
        let (t_text, ends_text) = (t.to_string(), ends.to_string());
        inside.call(&[
            b"HSET", session, b"epoch", &its, b"made", t_text.as_bytes(), b"seen", t_text.as_bytes(), b"ends",
            ends_text.as_bytes(), b"user", arg(args, 6), b"device", arg(args, 7),
        ])?;
        keep(inside, session, ends, idle)?;
        inside.call(&[b"ZREMRANGEBYSCORE", index, b"-inf", t_text.as_bytes()])?;
        inside.call(&[b"ZADD", index, ends_text.as_bytes(), arg(args, 1)])?;
        let ms = whole.saturating_add(GRACE_MS).to_string();
        inside.call(&[b"PEXPIRE", index, ms.as_bytes()])?;
        let mut over = inside.int(&[b"ZCARD", index])? - number(arg(args, 5));
        if over > 0 {
            for id in items(inside.call(&[b"ZRANGE", index, b"0", over.to_string().as_bytes()])?)? {
                let id = string(id)?;
                if over > 0 && &*id != arg(args, 1) {
                    close(inside, &beside(arg(args, 0), &id))?;
                    inside.call(&[b"ZREM", index, &id])?;
                    over -= 1;
                }
            }
        }
        Ok(bulk(ends_text))
    },
};

/// A session that is alive, or why it is not; what it holds, and when it was written that it is used. Keys: index, epoch,
/// session. Args: ms idle, ms between two such writes.
static TOUCH: Op = Op {
    name: "session.touch",
    lua: concat!(
        session!(),
        "local state = alive(KEYS[3], redis.call('GET', KEYS[2]), ARGV[1])
if state ~= 1 then return {state} end
local h = redis.call('HMGET', KEYS[3], 'seen', 'ends')
if t - tonumber(h[1]) >= tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[3], 'seen', text(t))
  keep(KEYS[3], h[2], ARGV[1])
end
return {1, redis.call('HGETALL', KEYS[3])}"
    ),
    native: |inside, keys, args| {
        let (session, idle) = (arg(keys, 2), number(arg(args, 0)));
        let epoch = inside.get(arg(keys, 1))?.unwrap_or_default();
        let state = alive(inside, session, &epoch, idle)?;
        if state != 1 {
            return Ok(Reply::Array(vec![Reply::Int(state)]));
        }
        let t = now(inside);
        let fields = Fields::of(inside.call(&[b"HGETALL", session])?)?;
        if t.saturating_sub(fields.int("seen")) >= number(arg(args, 1)) {
            inside.call(&[b"HSET", session, b"seen", t.to_string().as_bytes()])?;
            keep(inside, session, fields.int("ends"), idle)?;
            return Ok(Reply::Array(vec![Reply::Int(1), inside.call(&[b"HGETALL", session])?]));
        }
        Ok(Reply::Array(vec![Reply::Int(1), fields.reply()]))
    },
};

/// Gives a session another token: 1, or why it is over. Keys: index, epoch, session, the new one. Args: its id, the new one, ms
/// idle.
static ROTATE: Op = Op {
    name: "session.rotate",
    lua: concat!(
        session!(),
        "local state = alive(KEYS[3], redis.call('GET', KEYS[2]), ARGV[3])
if state ~= 1 then return state end
local h = redis.call('HMGET', KEYS[3], 'epoch', 'made', 'ends', 'user', 'device')
redis.call('HSET', KEYS[4], 'epoch', h[1], 'made', h[2], 'seen', text(t), 'ends', h[3], 'user', h[4], 'device', h[5])
keep(KEYS[4], h[3], ARGV[3])
close(KEYS[3])
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZADD', KEYS[1], h[3], ARGV[2])
return 1"
    ),
    native: |inside, keys, args| {
        let [index, epoch, old, new] = [0, 1, 2, 3].map(|at| arg(keys, at));
        let epoch = inside.get(epoch)?.unwrap_or_default();
        let state = alive(inside, old, &epoch, number(arg(args, 2)))?;
        if state != 1 {
            return Ok(Reply::Int(state));
        }
        let h =
            Fields::some(inside.call(&[b"HMGET", old, b"made", b"ends", b"user", b"device"])?)?;
        let [Some(made), Some(ends), Some(user), Some(device)] = &*h else { return Ok(Reply::Int(0)) };
        let t = now(inside).to_string();
        inside.call(&[
            b"HSET", new, b"epoch", &epoch, b"made", made, b"seen", t.as_bytes(), b"ends", ends, b"user", user,
            b"device", device,
        ])?;
        keep(inside, new, number(ends), number(arg(args, 2)))?;
        close(inside, old)?;
        inside.call(&[b"ZREM", index, arg(args, 0)])?;
        inside.call(&[b"ZADD", index, ends, arg(args, 1)])?;
        Ok(Reply::Int(1))
    },
};

/// Ends a session: whether there was one. Keys: index, epoch, session. Args: its id.
static REVOKE: Op = Op {
    name: "session.revoke",
    lua: concat!(session!(), "local had = redis.call('ZREM', KEYS[1], ARGV[1])\nclose(KEYS[3])\nreturn had"),
    native: |inside, keys, args| {
        let had = inside.call(&[b"ZREM", arg(keys, 0), arg(args, 0)])?;
        close(inside, arg(keys, 2))?;
        Ok(had)
    },
};

/// Ends all sessions. Keys: index, epoch. Args: a new epoch, ms that it lives.
static REVOKE_ALL: Op = Op {
    name: "session.revoke_all",
    lua: "redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return redis.call('UNLINK', KEYS[1])",
    native: |inside, keys, args| {
        inside.call(&[b"SET", arg(keys, 1), arg(args, 0), b"PX", arg(args, 1)])?;
        inside.call(&[b"UNLINK", arg(keys, 0)])
    },
};

/// All sessions that are alive: `[id, fields, ...]`; what is not is taken out of the index. Keys: index, epoch. Args: what
/// sessions' keys begin with, ms idle, a new value for all of them or nothing.
static EACH: Op = Op {
    name: "session.each",
    lua: concat!(
        session!(),
        "local out, epoch = {}, redis.call('GET', KEYS[2])
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local key = ARGV[1] .. id
  if alive(key, epoch, ARGV[2]) ~= 1 then redis.call('ZREM', KEYS[1], id)
  else
    if ARGV[3] then redis.call('HSET', key, 'user', ARGV[3]) end
    out[#out + 1] = id
    out[#out + 1] = redis.call('HGETALL', key)
  end
end
return out"
    ),
    native: |inside, keys, args| {
        let (index, idle, mut out) = (arg(keys, 0), number(arg(args, 1)), Vec::new());
        let epoch = inside.get(arg(keys, 1))?.unwrap_or_default();
        for id in items(inside.call(&[b"ZRANGE", index, b"0", b"-1"])?)? {
            let id = string(id)?;
            let key = beside(arg(args, 0), &id);
            if alive(inside, &key, &epoch, idle)? != 1 {
                inside.call(&[b"ZREM", index, &id])?;
                continue;
            }
            if let Some(user) = args.get(2) {
                inside.call(&[b"HSET", &key, b"user", user])?;
            }
            out.extend([bulk(id), inside.call(&[b"HGETALL", &key])?]);
        }
        Ok(Reply::Array(out))
    },
};

/// A session's token. Whoever has it is the user: it is shown to nobody else, and not written to logs.
#[derive(Clone, Eq, PartialEq)]
pub struct Token(String);

impl Token {
    /// As it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What a session runs on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, serde::Deserialize)]
pub struct Device {
    /// What its owner calls it.
    pub name: String,
    /// The address that it logged in from.
    pub ip: String,
    /// What the client calls itself.
    pub agent: String,
}

/// A session of a user.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionInfo {
    /// What it is revoked by. Not the token, and of no use as one.
    pub id: String,
    /// What it runs on.
    pub device: Device,
    /// Unix ms.
    pub created_ms: u64,
    /// Unix ms; off by as much as lies between two such writes.
    pub seen_ms: u64,
    /// Unix ms at which it is over if it is not used.
    pub expires_ms: u64,
    /// Unix ms at which it is over however it is used.
    pub ends_ms: u64,
}

/// A session that is alive.
#[derive(Clone, Debug, PartialEq)]
pub struct Session<U> {
    /// Whose it is.
    pub user_id: UserId,
    /// What was given with it.
    pub user: U,
    /// The rest.
    pub info: SessionInfo,
}

/// Sessions.
///
/// ```
/// use damselfly::domain::{Class, Device, Embedded, Error, Namespace, SessionStore, UserId};
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let sessions: SessionStore<String, _> =
///     SessionStore::new(Namespace::new("sessions", Class::Security), Embedded::in_memory())?;
/// let ada = UserId::new(42)?;
/// let token = sessions.create(ada, &"ada".to_owned(), &Device::default()).await?;
/// assert_eq!(sessions.touch(token.as_str()).await?.user, "ada");
/// sessions.revoke_all(ada).await?;
/// assert_eq!(sessions.touch(token.as_str()).await, Err(Error::SessionRevoked));
/// # Ok::<(), damselfly::domain::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SessionStore<U, B> {
    namespace: Namespace,
    backend: B,
    idle: Duration,
    whole: Duration,
    between: Duration,
    most: usize,
    of: PhantomData<fn(U)>,
}

impl<U, B: Clone> Clone for SessionStore<U, B> {
    fn clone(&self) -> Self {
        Self { backend: self.backend.clone(), ..*self }
    }
}

/// A user's keys.
struct Keys {
    index: Vec<u8>,
    epoch: Vec<u8>,
    /// What their sessions' keys begin with.
    sessions: Vec<u8>,
}

/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 256;

impl<U: Serialize + DeserializeOwned, B: Backend> SessionStore<U, B> {
    /// Sessions that end after the namespace's time to live without use, and after thirty days in any case; twenty of a user.
    ///
    /// # Errors
    /// [`Error::BadNamespace`], [`Error::BadTtl`].
    pub fn new(namespace: Namespace, backend: B) -> Result<Self> {
        namespace.check()?;
        let (whole, between) = (Duration::from_secs(30 * 86_400), Duration::from_secs(60));
        Ok(Self { idle: namespace.ttl, namespace, backend, whole, between, most: 20, of: PhantomData })
    }

    /// Another time after which they end in any case.
    #[must_use]
    pub fn whole(self, whole: Duration) -> Self {
        Self { whole, ..self }
    }

    /// Another least time between two writes of when a session was used.
    #[must_use]
    pub fn between(self, between: Duration) -> Self {
        Self { between, ..self }
    }

    /// So many of a user: the oldest ends where there is one more.
    #[must_use]
    pub fn most(self, most: usize) -> Self {
        Self { most: most.max(1), ..self }
    }

    fn keys(&self, user: UserId) -> Result<Keys> {
        let base = self.namespace.key(&user)?;
        let [index, epoch, sessions] = ["all", "epoch", "s:"].map(|name| sibling(&base, name));
        Ok(Keys { index, epoch, sessions })
    }

    /// Begins a session; its token, which is kept nowhere.
    ///
    /// # Errors
    /// [`Error::NotSerializable`], [`Error::TooLarge`]; what the backend says.
    pub async fn create(&self, user: UserId, value: &U, device: &Device) -> Result<Token> {
        let (value, device) = (self.encode(value)?, self.encode_device(device)?);
        let (token, keys) = (new_token(user), self.keys(user)?);
        let id = digest(&token.0);
        let [idle, whole, most] = [self.idle.as_millis(), self.whole.as_millis(), self.most as u128]
            .map(|number| number.to_string());
        let epoch = super::token(16);
        let args = [
            &*keys.sessions,
            id.as_bytes(),
            epoch.as_bytes(),
            idle.as_bytes(),
            whole.as_bytes(),
            most.as_bytes(),
            &value,
            &device,
        ];
        let session = beside(&keys.sessions, id.as_bytes());
        self.backend.atomic(&CREATE, &[&keys.index, &keys.epoch, &session], &args).await?;
        Ok(token)
    }

    fn encode(&self, value: &U) -> Result<Vec<u8>> {
        let (mut bytes, limit) = (Vec::new(), self.namespace.value_bytes_max.min(SESSION_BYTES_MAX));
        Json::encode(value, &mut bytes)?;
        if bytes.len() > limit { Err(Error::TooLarge { limit }) } else { Ok(bytes) }
    }

    fn encode_device(&self, device: &Device) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        Json::encode(device, &mut bytes)?;
        if bytes.len() > SESSION_BYTES_MAX {
            Err(Error::TooLarge { limit: SESSION_BYTES_MAX })
        } else {
            Ok(bytes)
        }
    }

    /// The session of a token, which lives on from now. One round trip.
    ///
    /// # Errors
    /// [`Error::BadToken`] for what is empty or oversized; [`Error::SessionUnknown`], [`Error::SessionExpired`],
    /// [`Error::SessionRevoked`]; what the backend says: a session is never taken for alive without asking.
    pub async fn touch(&self, token: &str) -> Result<Session<U>> {
        let (user, id) = parse(token)?;
        let keys = self.keys(user)?;
        let session = beside(&keys.sessions, id.as_bytes());
        let [idle, between] = [self.idle, self.between].map(|time| time.as_millis().to_string());
        let keys: [&[u8]; 3] = [&keys.index, &keys.epoch, &session];
        let reply = self.backend.atomic(&TOUCH, &keys, &[idle.as_bytes(), between.as_bytes()]).await?;
        let mut parts = items(reply)?.into_iter();
        over(int(parts.next().unwrap_or(Reply::Null))?)?;
        let fields = Fields::of(parts.next().unwrap_or(Reply::Null))?;
        let value = Json::decode(fields.get("user").map_or(b"", |bytes| bytes))?;
        Ok(Session { user_id: user, user: value, info: self.info(id, &fields)? })
    }

    fn info(&self, id: String, fields: &Fields) -> Result<SessionInfo> {
        let device: Device = Json::decode(fields.get("device").map_or(b"", |bytes| bytes))?;
        let [made, seen, ends] = ["made", "seen", "ends"].map(|name| fields.int(name).unsigned_abs());
        let expires_ms = seen.saturating_add(self.idle.as_millis() as u64).min(ends);
        Ok(SessionInfo { id, device, created_ms: made, seen_ms: seen, expires_ms, ends_ms: ends })
    }

    /// Another token for a session, at a login or where its user may do more from now on; the old one is revoked.
    ///
    /// # Errors
    /// As [`touch`](Self::touch).
    pub async fn rotate(&self, token: &str) -> Result<Token> {
        let (user, id) = parse(token)?;
        let (keys, new) = (self.keys(user)?, new_token(user));
        let new_id = digest(&new.0);
        let [from, to] = [&id, &new_id].map(|id| beside(&keys.sessions, id.as_bytes()));
        let idle = self.idle.as_millis().to_string();
        let args = [id.as_bytes(), new_id.as_bytes(), idle.as_bytes()];
        over(int(self.backend.atomic(&ROTATE, &[&keys.index, &keys.epoch, &from, &to], &args).await?)?)?;
        Ok(new)
    }

    /// Ends the session of a token; whether there was one.
    ///
    /// # Errors
    /// [`Error::BadToken`]; what the backend says.
    pub async fn end(&self, token: &str) -> Result<bool> {
        match parse(token) {
            Ok((user, id)) => self.revoke(user, &id).await,
            Err(Error::SessionUnknown) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends a user's session by its id; whether there was one. Nobody ends another user's.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn revoke(&self, user: UserId, id: &str) -> Result<bool> {
        if id.len() != 64 || !id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Ok(false);
        }
        let keys = self.keys(user)?;
        let session = beside(&keys.sessions, id.as_bytes());
        let keys: [&[u8]; 3] = [&keys.index, &keys.epoch, &session];
        Ok(int(self.backend.atomic(&REVOKE, &keys, &[id.as_bytes()]).await?)? == 1)
    }

    /// Ends all of a user's sessions. O(1).
    ///
    /// # Errors
    /// What the backend says.
    pub async fn revoke_all(&self, user: UserId) -> Result<()> {
        let keys = self.keys(user)?;
        let ms = (self.whole.as_millis() + 2 * GRACE_MS as u128).to_string();
        let epoch = token(16);
        let args = [epoch.as_bytes(), ms.as_bytes()];
        self.backend.atomic(&REVOKE_ALL, &[&keys.index, &keys.epoch], &args).await.map(|_| ())
    }

    /// A user's sessions that are alive, the oldest first.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn list(&self, user: UserId) -> Result<Vec<SessionInfo>> {
        self.each(user, None).await
    }

    /// Replaces what all of a user's sessions hold, after a change of profile or roles; how many there are.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn update_user(&self, user: UserId, value: &U) -> Result<usize> {
        let value = self.encode(value)?;
        Ok(self.each(user, Some(&value)).await?.len())
    }

    async fn each(&self, user: UserId, value: Option<&[u8]>) -> Result<Vec<SessionInfo>> {
        let (keys, idle) = (self.keys(user)?, self.idle.as_millis().to_string());
        let mut args: Vec<&[u8]> = vec![&keys.sessions, idle.as_bytes()];
        args.extend(value);
        let mut parts =
            items(self.backend.atomic(&EACH, &[&keys.index, &keys.epoch], &args).await?)?.into_iter();
        let mut list = Vec::new();
        while let (Some(id), Some(fields)) = (parts.next(), parts.next()) {
            let id = String::from_utf8_lossy(&string(id)?).into_owned();
            list.push(self.info(id, &Fields::of(fields)?)?);
        }
        Ok(list)
    }
}

/// Longest value of a session.
const SESSION_BYTES_MAX: usize = 16 << 10;

fn over(state: i64) -> Result<()> {
    match state {
        1 => Ok(()),
        -1 => Err(Error::SessionExpired),
        -2 => Err(Error::SessionRevoked),
        _ => Err(Error::SessionUnknown),
    }
}

fn new_token(user: UserId) -> Token {
    Token(format!("{}.{}", user.get(), hex(&random(32))))
}

/// Whose a token is, and its digest.
fn parse(token: &str) -> Result<(UserId, String)> {
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
        return Err(Error::BadToken);
    }
    let user = token.split_once('.').and_then(|(user, _)| user.parse().ok()).ok_or(Error::SessionUnknown)?;
    let user = UserId::new(user).map_err(|_| Error::SessionUnknown)?;
    Ok((user, digest(token)))
}

fn digest(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

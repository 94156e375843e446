//! What has happened to an owner, in order, for devices that come and go.
//!
//! An owner has a *log*, a stream whose entries are numbered from one on, and for each device a *cursor*: the number of
//! the last event that the device has dealt with. A device reads behind its cursor and commits how far it came, which
//! counts for all before it too; reading again without committing reads the same. What every device has committed is
//! cut off. So each of many devices gets each event, in order, at least once, and nothing is ever dropped silently: a log that
//! is full says so to whoever appends.
//!
//! An event carries an id of its maker's, and is appended once within thirty days however often it is sent. A device that was
//! not heard of for long is forgotten, so that it keeps nobody's log; when it comes back it is told so, and starts over.

use super::backend::{arg, int, items, number, string};
use super::namespace::{KeyPart, Namespace};
use super::{Backend, Error, Fields, Op, Result, sibling};
use crate::reply::Reply;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::Hash;
use std::marker::PhantomData;
use std::time::Duration;

/// Forgets idle devices, and cuts off what all others have: for the bodies below.
macro_rules! sweep {
    () => {
        "local t = now()
local function sweep(idle)
  local devices, low = redis.call('HGETALL', KEYS[3]), nil
  for at = 1, #devices, 2 do
    local cursor, heard = string.match(devices[at + 1], '^(%d+):(%d+)$')
    if t - tonumber(heard) > tonumber(idle) then redis.call('HDEL', KEYS[3], devices[at])
    elseif not low or tonumber(cursor) < low then low = tonumber(cursor) end
  end
  if low then redis.call('XTRIM', KEYS[1], 'MINID', '=', string.format('%.0f-0', low + 1)) end
end
local function at(cursor) return string.format('%.0f:%.0f', cursor, t) end
"
    };
}

type Inside<'i, 'a, 'e> = super::backend::Inside<'i, 'a, 'e>;

fn sweep(inside: &mut Inside<'_, '_, '_>, keys: &[&[u8]], idle_ms: i64) -> Result<()> {
    let (now, mut low) = (i64::try_from(inside.now_ms()).unwrap_or(i64::MAX), None);
    let mut devices = items(inside.call(&[b"HGETALL", arg(keys, 2)])?)?.into_iter();
    while let (Some(device), Some(state)) = (devices.next(), devices.next()) {
        let (cursor, heard) = split(&string(state)?);
        if now.saturating_sub(heard) > idle_ms {
            inside.call(&[b"HDEL", arg(keys, 2), &string(device)?])?;
        } else if low.is_none_or(|low| cursor < low) {
            low = Some(cursor);
        }
    }
    if let Some(low) = low {
        let first = format!("{}-0", low.saturating_add(1));
        inside.call(&[b"XTRIM", arg(keys, 0), b"MINID", b"=", first.as_bytes()])?;
    }
    Ok(())
}

/// A device's cursor, and when it was last heard of in Unix ms, from `cursor:ms`.
fn split(state: &[u8]) -> (i64, i64) {
    let colon = state.iter().position(|&byte| byte == b':').unwrap_or(state.len());
    let (cursor, heard) = state.split_at(colon);
    (number(cursor), number(heard.get(1..).unwrap_or_default()))
}

fn at(cursor: i64, now_ms: u64) -> Vec<u8> {
    format!("{cursor}:{now_ms}").into_bytes()
}

/// Appends events: for each its number, 0 where it is there already, -1 where the log is full. Keys: log, ids, devices, last
/// number. Args: most events, ms that ids are kept, ms that devices may be idle, { id, event } ...
static APPEND: Op = Op {
    name: "synclog.append",
    lua: concat!(
        sweep!(),
        "redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', t - ARGV[2])
local out, len, swept = {}, redis.call('XLEN', KEYS[1]), false
for i = 4, #ARGV, 2 do
  if redis.call('ZSCORE', KEYS[2], ARGV[i]) then out[#out + 1] = 0
  else
    if len >= tonumber(ARGV[1]) and not swept then
      sweep(ARGV[3])
      swept, len = true, redis.call('XLEN', KEYS[1])
    end
    if len >= tonumber(ARGV[1]) then out[#out + 1] = -1
    else
      local number = redis.call('INCR', KEYS[4])
      redis.call('XADD', KEYS[1], string.format('%.0f-0', number), 'id', ARGV[i], 'event', ARGV[i + 1])
      redis.call('ZADD', KEYS[2], t, ARGV[i])
      len, out[#out + 1] = len + 1, number
    end
  end
end
return out"
    ),
    native: |inside, keys, args| {
        let (log, ids) = (arg(keys, 0), arg(keys, 1));
        let now = i64::try_from(inside.now_ms()).unwrap_or(i64::MAX);
        let gone = now.saturating_sub(number(arg(args, 1))).to_string();
        inside.call(&[b"ZREMRANGEBYSCORE", ids, b"-inf", gone.as_bytes()])?;
        let (max, now) = (number(arg(args, 0)), now.to_string());
        let (mut len, mut swept, mut out) = (inside.int(&[b"XLEN", log])?, false, Vec::new());
        for pair in args.get(3..).unwrap_or_default().chunks_exact(2) {
            let (id, event) = (arg(pair, 0), arg(pair, 1));
            if inside.call(&[b"ZSCORE", ids, id])? != Reply::Null {
                out.push(Reply::Int(0));
                continue;
            }
            if len >= max && !swept {
                sweep(inside, keys, number(arg(args, 2)))?;
                (swept, len) = (true, inside.int(&[b"XLEN", log])?);
            }
            if len >= max {
                out.push(Reply::Int(-1));
                continue;
            }
            let next = inside.int(&[b"INCR", arg(keys, 3)])?;
            let entry = format!("{next}-0");
            inside.call(&[b"XADD", log, entry.as_bytes(), b"id", id, b"event", event])?;
            inside.call(&[b"ZADD", ids, now.as_bytes(), id])?;
            len += 1;
            out.push(Reply::Int(next));
        }
        Ok(Reply::Array(out))
    },
};

/// Makes a device known: its cursor; -1 where there are too many. Keys as above. Args: device, 1 for 'from the oldest on', most
/// devices, ms that devices may be idle.
static REGISTER: Op = Op {
    name: "synclog.register",
    lua: concat!(
        sweep!(),
        "local state = redis.call('HGET', KEYS[3], ARGV[1])
local cursor
if state then cursor = tonumber(string.match(state, '^%d+'))
else
  if redis.call('HLEN', KEYS[3]) >= tonumber(ARGV[3]) then sweep(ARGV[4]) end
  if redis.call('HLEN', KEYS[3]) >= tonumber(ARGV[3]) then return -1 end
  cursor = tonumber(redis.call('GET', KEYS[4]) or '0')
  if ARGV[2] == '1' then
    local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
    if first then cursor = tonumber(string.match(first[1], '^%d+')) - 1 end
  end
end
redis.call('HSET', KEYS[3], ARGV[1], at(cursor))
return cursor"
    ),
    native: |inside, keys, args| {
        let (log, devices) = (arg(keys, 0), arg(keys, 2));
        let cursor = match inside.call(&[b"HGET", devices, arg(args, 0)])? {
            Reply::Null => {
                let max = number(arg(args, 2));
                if inside.int(&[b"HLEN", devices])? >= max {
                    sweep(inside, keys, number(arg(args, 3)))?;
                    if inside.int(&[b"HLEN", devices])? >= max {
                        return Ok(Reply::Int(-1));
                    }
                }
                let last = inside.get(arg(keys, 3))?.map_or(0, |last| number(&last));
                let first = if arg(args, 1) == b"1" {
                    entries(inside.call(&[b"XRANGE", log, b"-", b"+", b"COUNT", b"1"])?)?.pop()
                } else {
                    None
                };
                first.map_or(last, |(first, _)| first - 1)
            }
            state => split(&string(state)?).0,
        };
        let state = at(cursor, inside.now_ms());
        inside.call(&[b"HSET", devices, arg(args, 0), &state])?;
        Ok(Reply::Int(cursor))
    },
};

/// What is behind a device's cursor, or nothing where it is not known. Keys as above. Args: device, most.
static READ: Op = Op {
    name: "synclog.read",
    lua: concat!(
        sweep!(),
        "local state = redis.call('HGET', KEYS[3], ARGV[1])
if not state then return false end
local cursor = tonumber(string.match(state, '^%d+'))
redis.call('HSET', KEYS[3], ARGV[1], at(cursor))
return redis.call('XRANGE', KEYS[1], string.format('%.0f-0', cursor + 1), '+', 'COUNT', ARGV[2])"
    ),
    native: |inside, keys, args| {
        let state = inside.call(&[b"HGET", arg(keys, 2), arg(args, 0)])?;
        if state == Reply::Null {
            return Ok(Reply::Null);
        }
        let (cursor, _) = split(&string(state)?);
        let state = at(cursor, inside.now_ms());
        inside.call(&[b"HSET", arg(keys, 2), arg(args, 0), &state])?;
        let first = format!("{}-0", cursor.saturating_add(1));
        inside.call(&[b"XRANGE", arg(keys, 0), first.as_bytes(), b"+", b"COUNT", arg(args, 1)])
    },
};

/// Moves a device's cursor on: where it is; -1 where the device is not known, -2 beyond the end. Keys as above. Args: device,
/// number, ms that devices may be idle.
static COMMIT: Op = Op {
    name: "synclog.commit",
    lua: concat!(
        sweep!(),
        "local state = redis.call('HGET', KEYS[3], ARGV[1])
if not state then return -1 end
local to = tonumber(ARGV[2])
if to > tonumber(redis.call('GET', KEYS[4]) or '0') then return -2 end
local cursor = math.max(tonumber(string.match(state, '^%d+')), to)
redis.call('HSET', KEYS[3], ARGV[1], at(cursor))
sweep(ARGV[3])
return cursor"
    ),
    native: |inside, keys, args| {
        let state = inside.call(&[b"HGET", arg(keys, 2), arg(args, 0)])?;
        if state == Reply::Null {
            return Ok(Reply::Int(-1));
        }
        let to = number(arg(args, 1));
        if to > inside.get(arg(keys, 3))?.map_or(0, |last| number(&last)) {
            return Ok(Reply::Int(-2));
        }
        let cursor = split(&string(state)?).0.max(to);
        let state = at(cursor, inside.now_ms());
        inside.call(&[b"HSET", arg(keys, 2), arg(args, 0), &state])?;
        sweep(inside, keys, number(arg(args, 2)))?;
        Ok(Reply::Int(cursor))
    },
};

/// Forgets a device: whether it was known. Keys as above. Args: device, ms that devices may be idle.
static FORGET: Op = Op {
    name: "synclog.forget",
    lua: concat!(
        sweep!(),
        "local known = redis.call('HDEL', KEYS[3], ARGV[1])
sweep(ARGV[2])
return known"
    ),
    native: |inside, keys, args| {
        let known = inside.call(&[b"HDEL", arg(keys, 2), arg(args, 0)])?;
        sweep(inside, keys, number(arg(args, 1)))?;
        Ok(known)
    },
};

/// All devices, and the last number: `[number, device, state, ...]`. Keys as above.
static STATE: Op = Op {
    name: "synclog.state",
    lua: "return {redis.call('GET', KEYS[4]) or '0', redis.call('HGETALL', KEYS[3])}",
    native: |inside, keys, _| {
        let last = inside.call(&[b"GET", arg(keys, 3)])?;
        Ok(Reply::Array(vec![last, inside.call(&[b"HGETALL", arg(keys, 2)])?]))
    },
};

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its maker's name for it: the same event sent twice is one.
    #[serde(rename = "event_id")]
    pub id: String,
    /// What has happened.
    #[serde(rename = "event_type")]
    pub kind: String,
    /// To what: an object.
    pub payload: serde_json::Value,
    /// When, in Unix ms or s by its maker's clock.
    #[serde(rename = "timestamp")]
    pub at: i64,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Appended {
    /// It is in the log, with this number.
    New(u64),
    /// It was there already.
    Duplicate,
}

/// An event in a log.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged {
    /// Its number.
    pub number: u64,
    /// It, with its time in ms.
    pub event: Event,
}

/// Where a device that is new starts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Start {
    /// Behind all there is: it has fetched everything by another way.
    Now,
    /// With the oldest event that is there.
    Oldest,
}

/// A device that reads a log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reader {
    /// Its name.
    pub device: String,
    /// The last event that it has dealt with.
    pub cursor: u64,
    /// How many are behind that.
    pub pending: u64,
    /// When it was last heard of, in Unix ms.
    pub heard_ms: u64,
}

/// Longest event.
const EVENT_BYTES_MAX: usize = 64 << 10;
/// Most events of one call.
const BATCH_MAX: usize = 1000;
/// Most devices of an owner.
const DEVICES_MAX: usize = 64;
/// How long it is remembered that an event was appended.
const IDS_KEPT: Duration = Duration::from_secs(30 * 86_400);

/// Logs by owner.
///
/// ```
/// use damselfly::domain::{Appended, Class, Embedded, Event, Namespace, Start, SyncLog, UserId};
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let sync: SyncLog<UserId, _> = SyncLog::new(Namespace::new("sync", Class::Durable), Embedded::in_memory())?;
/// let ada = UserId::new(42)?;
/// sync.register(&ada, "phone", Start::Now).await?;
/// let payload = serde_json::json!({ "hash": "5f2b" });
/// let event = Event { id: "e1".into(), kind: "favorite.add".into(), payload, at: 1_700_000_000 };
/// assert_eq!(sync.append(&ada, event.clone()).await?, Appended::New(1));
/// assert_eq!(sync.append(&ada, event).await?, Appended::Duplicate);
/// let read = sync.read(&ada, "phone", 100).await?;
/// sync.commit(&ada, "phone", read[0].number).await?;
/// assert!(sync.read(&ada, "phone", 100).await?.is_empty());
/// # Ok::<(), damselfly::domain::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SyncLog<O: ?Sized, B> {
    namespace: Namespace,
    backend: B,
    events_max: usize,
    idle: Duration,
    of: PhantomData<fn(&O)>,
}

impl<O: ?Sized, B: Clone> Clone for SyncLog<O, B> {
    fn clone(&self) -> Self {
        Self { backend: self.backend.clone(), ..*self }
    }
}

/// An owner's keys, which share a slot: log, ids, devices, last number.
struct Keys([Vec<u8>; 4]);

impl Keys {
    fn all(&self) -> [&[u8]; 4] {
        let [log, ids, devices, last] = &self.0;
        [log, ids, devices, last]
    }
}

impl<O: KeyPart + ?Sized, B: Backend> SyncLog<O, B> {
    /// Of ten thousand events an owner at most, and devices that may be idle for ninety days.
    ///
    /// # Errors
    /// [`Error::BadNamespace`].
    pub fn new(namespace: Namespace, backend: B) -> Result<Self> {
        namespace.check()?;
        let idle = Duration::from_secs(90 * 86_400);
        Ok(Self { namespace, backend, events_max: 10_000, idle, of: PhantomData })
    }

    /// Of so many events an owner at most.
    #[must_use]
    pub fn events_max(self, events_max: usize) -> Self {
        Self { events_max, ..self }
    }

    /// Devices that may be idle for so long.
    #[must_use]
    pub fn idle(self, idle: Duration) -> Self {
        Self { idle, ..self }
    }

    fn keys(&self, owner: &O) -> Result<Keys> {
        let base = self.namespace.key(owner)?;
        Ok(Keys(["log", "seen", "devices", "last"].map(|name| sibling(&base, name))))
    }

    fn idle_ms(&self) -> String {
        self.idle.as_millis().to_string()
    }

    /// Makes a device known; the number of the last event that it counts as having. One that is known stays where it is.
    ///
    /// # Errors
    /// [`Error::BadKey`]; [`Error::TooLarge`] where the owner has too many devices; what the backend says.
    pub async fn register(&self, owner: &O, device: &str, start: Start) -> Result<u64> {
        check_device(device)?;
        let (keys, idle, max) = (self.keys(owner)?, self.idle_ms(), DEVICES_MAX.to_string());
        let oldest: &[u8] = if start == Start::Oldest { b"1" } else { b"" };
        let args = [device.as_bytes(), oldest, max.as_bytes(), idle.as_bytes()];
        match int(self.backend.atomic(&REGISTER, &keys.all(), &args).await?)? {
            -1 => Err(Error::TooLarge { limit: DEVICES_MAX }),
            cursor => Ok(cursor.unsigned_abs()),
        }
    }

    /// Appends an event, once. O(log n).
    ///
    /// # Errors
    /// [`Error::BadEvent`] without an id or a type, with a payload that is no object, or a time that is none;
    /// [`Error::TooLarge`]; [`Error::QueueFull`]; [`Error::BadKey`]; what the backend says.
    pub async fn append(&self, owner: &O, event: Event) -> Result<Appended> {
        let mut results = self.append_all(owner, vec![event]).await?;
        results.pop().unwrap_or(Ok(Appended::Duplicate))
    }

    /// Appends events in their order, in one round trip; what became of each. Those that are none keep nobody else out.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for too many; [`Error::BadKey`]; what the backend says. Each event's own are in its place.
    pub async fn append_all(&self, owner: &O, events: Vec<Event>) -> Result<Vec<Result<Appended>>> {
        let keys = self.keys(owner)?;
        if events.len() > BATCH_MAX {
            return Err(Error::TooLarge { limit: BATCH_MAX });
        }
        let now_ms = self.backend.now_ms();
        let encoded: Vec<Result<(String, Vec<u8>)>> =
            events.into_iter().map(|event| self.encode(event, now_ms)).collect();
        let kept = IDS_KEPT.as_millis().to_string();
        let (max, idle) = (self.events_max.to_string(), self.idle_ms());
        let mut args = vec![max.as_bytes(), kept.as_bytes(), idle.as_bytes()];
        for (id, bytes) in encoded.iter().flatten() {
            args.extend([id.as_bytes(), bytes]);
        }
        let numbers = match args.len() {
            3 => Vec::new(),
            _ => items(self.backend.atomic(&APPEND, &keys.all(), &args).await?)?,
        };
        let mut numbers = numbers.into_iter();
        let became = |encoded: Result<(String, Vec<u8>)>| {
            encoded?;
            match int(numbers.next().unwrap_or(Reply::Null))? {
                0 => Ok(Appended::Duplicate),
                -1 => Err(Error::QueueFull { retry_after: Duration::from_secs(60) }),
                number => Ok(Appended::New(number.unsigned_abs())),
            }
        };
        Ok(encoded.into_iter().map(became).collect())
    }

    fn encode(&self, mut event: Event, now_ms: u64) -> Result<(String, Vec<u8>)> {
        if event.id.is_empty() || event.id.len() > 128 {
            return Err(Error::BadEvent("an event's id has 1 to 128 bytes".into()));
        }
        if event.kind.is_empty() || event.kind.len() > 128 {
            return Err(Error::BadEvent("an event's type has 1 to 128 bytes".into()));
        }
        if !event.payload.is_object() {
            return Err(Error::BadEvent("an event's payload is an object".into()));
        }
        let at = super::client_ms(event.at, now_ms).map_err(Error::BadEvent)?;
        event.at = i64::try_from(at).unwrap_or(i64::MAX);
        let bytes = serde_json::to_vec(&event).map_err(|error| Error::NotSerializable(error.to_string()))?;
        let limit = EVENT_BYTES_MAX.min(self.namespace.value_bytes_max);
        if bytes.len() > limit {
            return Err(Error::TooLarge { limit });
        }
        Ok((event.id, bytes))
    }

    /// What a device has not committed yet, the oldest first, so many at most. It stays until it is committed.
    ///
    /// # Errors
    /// [`Error::UnknownDevice`]: never registered, or forgotten: it has to fetch everything and register again.
    /// [`Error::BadLimit`]; [`Error::BadKey`]; what the backend says.
    pub async fn read(&self, owner: &O, device: &str, limit: i64) -> Result<Vec<Logged>> {
        check_device(device)?;
        let max = BATCH_MAX as i64;
        if !(1..=max).contains(&limit) {
            return Err(Error::BadLimit { given: limit, max });
        }
        let (keys, limit) = (self.keys(owner)?, limit.to_string());
        let args = [device.as_bytes(), limit.as_bytes()];
        match self.backend.atomic(&READ, &keys.all(), &args).await? {
            Reply::Null => Err(Error::UnknownDevice),
            reply => entries(reply)?
                .into_iter()
                .map(|(number, bytes)| {
                    let event =
                        serde_json::from_slice(&bytes).map_err(|error| Error::Corrupt(error.to_string()))?;
                    Ok(Logged { number: number.unsigned_abs(), event })
                })
                .collect(),
        }
    }

    /// Says that a device has dealt with all events up to a number; up to which it has then. Going back changes nothing.
    /// What every device has is cut off.
    ///
    /// # Errors
    /// [`Error::UnknownDevice`]; [`Error::BadEvent`] beyond the end; [`Error::BadKey`]; what the backend says.
    pub async fn commit(&self, owner: &O, device: &str, number: u64) -> Result<u64> {
        check_device(device)?;
        let (keys, number, idle) = (self.keys(owner)?, number.to_string(), self.idle_ms());
        let args = [device.as_bytes(), number.as_bytes(), idle.as_bytes()];
        match int(self.backend.atomic(&COMMIT, &keys.all(), &args).await?)? {
            -1 => Err(Error::UnknownDevice),
            -2 => Err(Error::BadEvent(format!("no event has the number {number} yet"))),
            cursor => Ok(cursor.unsigned_abs()),
        }
    }

    /// Forgets a device; whether it was known.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn forget(&self, owner: &O, device: &str) -> Result<bool> {
        check_device(device)?;
        let (keys, idle) = (self.keys(owner)?, self.idle_ms());
        let args = [device.as_bytes(), idle.as_bytes()];
        Ok(int(self.backend.atomic(&FORGET, &keys.all(), &args).await?)? == 1)
    }

    /// The owner's devices by name, and how far each is.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn readers(&self, owner: &O) -> Result<Vec<Reader>> {
        let keys = self.keys(owner)?;
        let mut parts = items(self.backend.atomic(&STATE, &keys.all(), &[]).await?)?.into_iter();
        let last = int(parts.next().unwrap_or(Reply::Null))?;
        let devices = Fields::of(parts.next().unwrap_or(Reply::Null))?;
        let mut readers: Vec<Reader> = devices
            .iter()
            .map(|(device, state)| {
                let (cursor, heard) = split(state);
                Reader {
                    device: String::from_utf8_lossy(device).into_owned(),
                    cursor: cursor.unsigned_abs(),
                    pending: last.saturating_sub(cursor).unsigned_abs(),
                    heard_ms: heard.unsigned_abs(),
                }
            })
            .collect();
        readers.sort_by(|one, other| one.device.cmp(&other.device));
        Ok(readers)
    }

    /// How many events a device has not committed.
    ///
    /// # Errors
    /// [`Error::UnknownDevice`]; [`Error::BadKey`]; what the backend says.
    pub async fn pending(&self, owner: &O, device: &str) -> Result<u64> {
        let readers = self.readers(owner).await?;
        readers.iter().find(|reader| reader.device == device).map(|it| it.pending).ok_or(Error::UnknownDevice)
    }

    /// How many events are in an owner's log.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn len(&self, owner: &O) -> Result<u64> {
        let keys = self.keys(owner)?;
        let [log, ..] = keys.all();
        Ok(int(self.backend.call(&[b"XLEN", log]).await?)?.unsigned_abs())
    }
}

fn check_device(device: &str) -> Result<()> {
    if device.is_empty() || device.len() > 128 {
        return Err(Error::BadKey("a device's name has 1 to 128 bytes".into()));
    }
    Ok(())
}

/// Numbers and events of a stream's entries.
fn entries(reply: Reply) -> Result<Vec<(i64, Vec<u8>)>> {
    let mut list = Vec::new();
    for entry in items(reply)? {
        let mut parts = items(entry)?.into_iter();
        let id = string(parts.next().unwrap_or(Reply::Null))?;
        let dash = id.iter().position(|&byte| byte == b'-').unwrap_or(id.len());
        let fields = Fields::of(parts.next().unwrap_or(Reply::Null))?;
        let event = fields.get("event").map(|event| event.to_vec()).unwrap_or_default();
        list.push((number(id.get(..dash).unwrap_or_default()), event));
    }
    Ok(list)
}

/// Of the events about the same thing the newest by their makers' clocks, or the later in the log: what the last writer wanted.
/// In the log's order.
pub fn newest<K: Eq + Hash>(log: &[Logged], about: impl Fn(&Event) -> K) -> Vec<&Logged> {
    let mut newest: HashMap<K, &Logged> = HashMap::new();
    for logged in log {
        let slot = newest.entry(about(&logged.event)).or_insert(logged);
        if (logged.event.at, logged.number) >= (slot.event.at, slot.number) {
            *slot = logged;
        }
    }
    let mut left: Vec<&Logged> = newest.into_values().collect();
    left.sort_by_key(|logged| logged.number);
    left
}

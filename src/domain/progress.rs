//! How far something is.
//!
//! [`Resume`] is a place that somebody may move anywhere: of two writers the one whose time is newer wins, wherever it
//! was told first. [`Progress`] is work that only moves on: it belongs to a *run*, a number that is given out, and once
//! a newer run has begun, an older one can say nothing any more.
//!
//! Both write no more often than is useful: what comes too soon after the last and is too near to it is *coalesced*,
//! which changes nothing, and an end is always written.

use super::backend::{arg, int, number};
use super::namespace::{KeyPart, Namespace};
use super::{Backend, Error, Fields, Op, Result};
use crate::reply::Reply;
use std::marker::PhantomData;
use std::time::Duration;

/// Moves a place: 1 written, 0 coalesced, -1 older. Keys: hash. Args: time, writer, place, end, 1 for a last word, ms between,
/// ms to live, data.
static SAVE: Op = Op {
    name: "progress.save",
    lua: "local h = redis.call('HMGET', KEYS[1], 'at', 'by', 'place', 'written')
local at, place, t = tonumber(ARGV[1]), tonumber(ARGV[3]), now()
if h[1] then
  local was = tonumber(h[1])
  if at < was or (at == was and ARGV[2] < h[2]) then return -1 end
  local near = math.abs(place - tonumber(h[3])) * 100 < tonumber(ARGV[4])
  if ARGV[5] ~= '1' and h[2] == ARGV[2] and near and t - tonumber(h[4]) < tonumber(ARGV[6]) then return 0 end
end
redis.call('HSET', KEYS[1], 'at', ARGV[1], 'by', ARGV[2], 'place', ARGV[3], 'end', ARGV[4],
  'written', string.format('%.0f', t), 'data', ARGV[8])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
return 1",
    native: |inside, keys, args| {
        let (hash, now) = (arg(keys, 0), i64::try_from(inside.now_ms()).unwrap_or(i64::MAX));
        let was = Fields::some(inside.call(&[b"HMGET", hash, b"at", b"by", b"place", b"written"])?)?;
        let [at, place, end, between] = [0, 2, 3, 5].map(|index| number(arg(args, index)));
        let by = arg(args, 1);
        if let [Some(was_at), Some(was_by), Some(was_place), Some(written)] = &*was {
            let was_at = number(was_at);
            if at < was_at || (at == was_at && by < &**was_by) {
                return Ok(Reply::Int(-1));
            }
            let near = place.saturating_sub(number(was_place)).saturating_abs().saturating_mul(100) < end;
            let soon = now.saturating_sub(number(written)) < between;
            if arg(args, 4) != b"1" && &**was_by == by && near && soon {
                return Ok(Reply::Int(0));
            }
        }
        let written = now.to_string();
        inside.call(&[
            b"HSET",
            hash,
            b"at",
            arg(args, 0),
            b"by",
            by,
            b"place",
            arg(args, 2),
            b"end",
            arg(args, 3),
            b"written",
            written.as_bytes(),
            b"data",
            arg(args, 7),
        ])?;
        inside.call(&[b"PEXPIRE", hash, arg(args, 6)])?;
        Ok(Reply::Int(1))
    },
};

/// Begins a run: its number, or minus the number of the one that is alive. Keys: hash. Args: total, 1 for 'only alone', ms a
/// run lives without a word, ms to live, message.
static BEGIN: Op = Op {
    name: "progress.begin",
    lua: "local h, t = redis.call('HMGET', KEYS[1], 'run', 'state', 'beat'), now()
if ARGV[2] == '1' and h[2] == 'running' and t - tonumber(h[3]) < tonumber(ARGV[3]) then return -tonumber(h[1]) end
local run = redis.call('HINCRBY', KEYS[1], 'run', 1)
t = string.format('%.0f', t)
redis.call('HSET', KEYS[1], 'state', 'running', 'done', '0', 'total', ARGV[1], 'message', ARGV[5], 'began', t,
  'written', t, 'beat', t)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return run",
    native: |inside, keys, args| {
        let (hash, now) = (arg(keys, 0), i64::try_from(inside.now_ms()).unwrap_or(i64::MAX));
        let was = Fields::some(inside.call(&[b"HMGET", hash, b"run", b"state", b"beat"])?)?;
        if let [Some(run), Some(state), Some(beat)] = &*was
            && arg(args, 1) == b"1"
            && &**state == b"running"
            && now.saturating_sub(number(beat)) < number(arg(args, 2))
        {
            return Ok(Reply::Int(-number(run)));
        }
        let run = inside.call(&[b"HINCRBY", hash, b"run", b"1"])?;
        let (now, total, message) = (now.to_string(), arg(args, 0), arg(args, 4));
        let now = now.as_bytes();
        inside.call(&[
            b"HSET", hash, b"state", b"running", b"done", b"0", b"total", total, b"message", message,
            b"began", now, b"written", now, b"beat", now,
        ])?;
        inside.call(&[b"PEXPIRE", hash, arg(args, 3)])?;
        Ok(run)
    },
};

/// Moves a run on: 1 written, 0 coalesced, -1 behind what is there, -2 not this run any more, -3 not running. Keys: hash. Args:
/// run, done, total (empty: as it was), message, state, ms between, ms to live.
static UPDATE: Op = Op {
    name: "progress.update",
    lua: "local h, t = redis.call('HMGET', KEYS[1], 'run', 'state', 'done', 'total', 'written'), now()
if h[1] ~= ARGV[1] then return -2 end
if h[2] ~= 'running' then return -3 end
local done, was = tonumber(ARGV[2]), tonumber(h[3])
local total = ARGV[3] == '' and h[4] or ARGV[3]
local s, ends = string.format('%.0f', t), ARGV[5] ~= 'running'
redis.call('HSET', KEYS[1], 'beat', s)
if ends then
  done = ARGV[5] == 'completed' and tonumber(total) or math.max(done, was)
else
  if done < was then return -1 end
  local near = (done - was) * 100 < tonumber(total)
  if near and t - tonumber(h[5]) < tonumber(ARGV[6]) then return 0 end
end
redis.call('HSET', KEYS[1], 'done', string.format('%.0f', done), 'total', total, 'message', ARGV[4], 'state', ARGV[5],
  'written', s)
redis.call('PEXPIRE', KEYS[1], ARGV[7])
return 1",
    native: |inside, keys, args| {
        let (hash, now) = (arg(keys, 0), i64::try_from(inside.now_ms()).unwrap_or(i64::MAX));
        let was =
            Fields::some(inside.call(&[b"HMGET", hash, b"run", b"state", b"done", b"total", b"written"])?)?;
        let [Some(run), Some(state), Some(done_was), Some(total_was), Some(written)] = &*was else {
            return Ok(Reply::Int(-2));
        };
        if &**run != arg(args, 0) {
            return Ok(Reply::Int(-2));
        }
        if &**state != b"running" {
            return Ok(Reply::Int(-3));
        }
        let (mut done, done_was) = (number(arg(args, 1)), number(done_was));
        let total = if arg(args, 2).is_empty() { total_was } else { arg(args, 2) };
        let now_text = now.to_string();
        inside.call(&[b"HSET", hash, b"beat", now_text.as_bytes()])?;
        if arg(args, 4) != b"running" {
            done = if arg(args, 4) == b"completed" { number(total) } else { done.max(done_was) };
        } else if done < done_was {
            return Ok(Reply::Int(-1));
        } else {
            let near = (done - done_was).saturating_mul(100) < number(total);
            if near && now.saturating_sub(number(written)) < number(arg(args, 5)) {
                return Ok(Reply::Int(0));
            }
        }
        let done = done.to_string();
        inside.call(&[
            b"HSET", hash, b"done", done.as_bytes(), b"total", total, b"message", arg(args, 3), b"state",
            arg(args, 4), b"written", now_text.as_bytes(),
        ])?;
        inside.call(&[b"PEXPIRE", hash, arg(args, 6)])?;
        Ok(Reply::Int(1))
    },
};

/// What became of a word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Said {
    /// It is written.
    Written,
    /// Too soon and too near to the last one: not written.
    Coalesced,
    /// Older than what is there: not written.
    Ignored,
}

/// Most of what a script's floating point holds exactly.
const NUMBER_MAX: f64 = 9_007_199_254_740_992.0;

/// A place in something.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    /// Where, in ms or whatever is counted.
    pub at: f64,
    /// Where the end is.
    pub end: f64,
    /// When it was there, in Unix ms or s by the writer's clock.
    pub time: i64,
    /// Who says so: a device.
    pub by: String,
    /// Whatever belongs to it.
    pub data: String,
}

/// Places by key, of which the newest counts.
#[derive(Debug)]
pub struct Resume<K: ?Sized, B> {
    namespace: Namespace,
    backend: B,
    every: Duration,
    of: PhantomData<fn(&K)>,
}

impl<K: ?Sized, B: Clone> Clone for Resume<K, B> {
    fn clone(&self) -> Self {
        Self { backend: self.backend.clone(), ..*self }
    }
}

impl<K: KeyPart + ?Sized, B: Backend> Resume<K, B> {
    /// A place is forgotten when it did not move for the namespace's time to live, and written once a second at most
    /// while it moves by less than one per cent.
    ///
    /// # Errors
    /// [`Error::BadNamespace`], [`Error::BadTtl`].
    pub fn new(namespace: Namespace, backend: B) -> Result<Self> {
        namespace.check()?;
        Ok(Self { namespace, backend, every: Duration::from_secs(1), of: PhantomData })
    }

    /// Another time between two writes.
    #[must_use]
    pub fn every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    /// Moves a place, where nobody has said anything newer; a last word is written however soon it comes.
    ///
    /// # Errors
    /// [`Error::BadProgress`] for a place that is no number, negative or five per cent beyond the end, or a time that is
    /// none or more than a day ahead; [`Error::TooLarge`] for the data; [`Error::BadKey`]; what the backend says.
    pub async fn save(&self, key: &K, place: &Place, last: bool) -> Result<Said> {
        let key = self.namespace.key(key)?;
        let Place { at, end, time, by, data } = place;
        let within = (0.0..=NUMBER_MAX).contains(at) && (0.0..=NUMBER_MAX).contains(end);
        if !within || *at > *end * 1.05 {
            return Err(Error::BadProgress(format!("{at} of {end}")));
        }
        if data.len() > self.namespace.value_bytes_max || by.len() > 512 {
            return Err(Error::TooLarge { limit: self.namespace.value_bytes_max });
        }
        let time = super::client_ms(*time, self.backend.now_ms()).map_err(Error::BadProgress)?.to_string();
        let (at, end) = (format!("{:.0}", at.min(*end)), format!("{end:.0}"));
        let every = self.every.as_millis().to_string();
        let ttl = self.namespace.ttl.as_millis().to_string();
        let last: &[u8] = if last { b"1" } else { b"" };
        let args = [
            time.as_bytes(),
            by.as_bytes(),
            at.as_bytes(),
            end.as_bytes(),
            last,
            every.as_bytes(),
            ttl.as_bytes(),
            data.as_bytes(),
        ];
        Ok(match int(self.backend.atomic(&SAVE, &[&key], &args).await?)? {
            1 => Said::Written,
            0 => Said::Coalesced,
            _ => Said::Ignored,
        })
    }

    /// Where it is.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn get(&self, key: &K) -> Result<Option<Place>> {
        let key = self.namespace.key(key)?;
        let fields = Fields::of(self.backend.call(&[b"HGETALL", &key]).await?)?;
        Ok(fields.any().then(|| Place {
            at: fields.int("place") as f64,
            end: fields.int("end") as f64,
            time: fields.int("at"),
            by: fields.text("by"),
            data: fields.text("data"),
        }))
    }

    /// Forgets a place; whether there was one.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn clear(&self, key: &K) -> Result<bool> {
        let key = self.namespace.key(key)?;
        Ok(int(self.backend.call(&[b"DEL", &key]).await?)? == 1)
    }
}

/// What work is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Nobody has begun.
    Idle,
    /// It moves.
    Running,
    /// It said nothing for too long.
    Stalled,
    /// It ended well.
    Completed,
    /// It ended badly.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

impl RunState {
    fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Stalled => "stalled",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How far work is.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Status {
    /// The run; 0 before the first.
    pub run: u64,
    /// What it is doing.
    pub state: RunState,
    /// How much is done.
    pub done: u64,
    /// Of how much.
    pub total: u64,
    /// What it said last.
    pub message: String,
    /// Unix ms.
    pub began_ms: u64,
    /// Unix ms of the last write.
    pub updated_ms: u64,
}

impl Status {
    /// 0 to 100.
    #[must_use]
    pub fn percent(&self) -> f64 {
        match (self.total, self.state) {
            (0, RunState::Completed) => 100.0,
            (0, _) => 0.0,
            (total, _) => (self.done as f64 * 100.0 / total as f64).min(100.0),
        }
    }
}

/// Work by key, in runs.
///
/// ```
/// use damselfly::domain::{Class, Embedded, Error, Namespace, Progress, RunState};
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let index: Progress<str, _> = Progress::new(Namespace::new("index", Class::Derived), Embedded::in_memory())?;
/// let old = index.begin("library", 900, "").await?;
/// let new = index.begin("library", 900, "").await?;
/// assert_eq!(index.update("library", old, 10, "").await, Err(Error::Fenced));
/// index.update("library", new, 450, "half").await?;
/// assert_eq!(index.get("library").await?.percent(), 50.0);
/// index.finish("library", new, RunState::Completed, "").await?;
/// # Ok::<(), damselfly::domain::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Progress<K: ?Sized, B> {
    namespace: Namespace,
    backend: B,
    every: Duration,
    silence: Duration,
    channel: Option<&'static str>,
    of: PhantomData<fn(&K)>,
}

impl<K: ?Sized, B: Clone> Clone for Progress<K, B> {
    fn clone(&self) -> Self {
        Self { backend: self.backend.clone(), ..*self }
    }
}

impl<K: KeyPart + ?Sized, B: Backend> Progress<K, B> {
    /// Four writes a second at most while it moves by less than one per cent; stalled after a minute of silence;
    /// forgotten after the namespace's time to live.
    ///
    /// # Errors
    /// [`Error::BadNamespace`], [`Error::BadTtl`].
    pub fn new(namespace: Namespace, backend: B) -> Result<Self> {
        namespace.check()?;
        let (every, silence) = (Duration::from_millis(250), Duration::from_secs(60));
        Ok(Self { namespace, backend, every, silence, channel: None, of: PhantomData })
    }

    /// Another time between two writes.
    #[must_use]
    pub fn every(self, every: Duration) -> Self {
        Self { every, ..self }
    }

    /// Another time after which a silent run counts as stalled.
    #[must_use]
    pub fn silence(self, silence: Duration) -> Self {
        Self { silence, ..self }
    }

    /// Publishes each status that is written to a channel, as JSON.
    #[must_use]
    pub fn publish(self, channel: &'static str) -> Self {
        Self { channel: Some(channel), ..self }
    }

    /// Begins a run, which fences those before it; its number.
    ///
    /// # Errors
    /// [`Error::BadKey`], [`Error::TooLarge`]; what the backend says.
    pub async fn begin(&self, key: &K, total: u64, message: &str) -> Result<u64> {
        self.start(key, total, message, false).await
    }

    /// Begins a run unless one is alive: one at a time.
    ///
    /// # Errors
    /// [`Error::Duplicate`] with the number of the run that is alive; as [`begin`](Self::begin).
    pub async fn begin_alone(&self, key: &K, total: u64, message: &str) -> Result<u64> {
        self.start(key, total, message, true).await
    }

    async fn start(&self, key: &K, total: u64, message: &str, alone: bool) -> Result<u64> {
        let bytes = self.key(key, message)?;
        let (total, ttl) = (total.to_string(), self.namespace.ttl.as_millis().to_string());
        let silence = self.silence.as_millis().to_string();
        let alone: &[u8] = if alone { b"1" } else { b"" };
        let args = [total.as_bytes(), alone, silence.as_bytes(), ttl.as_bytes(), message.as_bytes()];
        let run = int(self.backend.atomic(&BEGIN, &[&bytes], &args).await?)?;
        if run <= 0 {
            return Err(Error::Duplicate { id: run.unsigned_abs().to_string() });
        }
        self.tell(key).await?;
        Ok(run.unsigned_abs())
    }

    /// Says how far a run is. Going back is ignored.
    ///
    /// # Errors
    /// [`Error::Fenced`] where a newer run has begun; [`Error::BadTransition`] where it has ended; as
    /// [`begin`](Self::begin).
    pub async fn update(&self, key: &K, run: u64, done: u64, message: &str) -> Result<Said> {
        self.say(key, run, done, None, message, RunState::Running).await
    }

    /// The same where the total has changed.
    ///
    /// # Errors
    /// As [`update`](Self::update).
    pub async fn update_of(&self, key: &K, run: u64, done: u64, total: u64, message: &str) -> Result<Said> {
        self.say(key, run, done, Some(total), message, RunState::Running).await
    }

    /// Ends a run. Always written.
    ///
    /// # Errors
    /// As [`update`](Self::update); [`Error::BadTransition`] for a state that is no end.
    pub async fn finish(&self, key: &K, run: u64, state: RunState, message: &str) -> Result<()> {
        if !matches!(state, RunState::Completed | RunState::Failed | RunState::Cancelled) {
            return Err(Error::BadTransition { from: "running".into(), to: state.name().into() });
        }
        self.say(key, run, 0, None, message, state).await.map(|_| ())
    }

    async fn say(
        &self,
        key: &K,
        run: u64,
        done: u64,
        total: Option<u64>,
        message: &str,
        state: RunState,
    ) -> Result<Said> {
        let bytes = self.key(key, message)?;
        if done as f64 > NUMBER_MAX || total.is_some_and(|total| done > total) {
            return Err(Error::BadProgress(format!("{done} of {total:?}")));
        }
        let (run, done) = (run.to_string(), done.to_string());
        let total = total.map_or_else(String::new, |total| total.to_string());
        let (every, ttl) = (self.every.as_millis().to_string(), self.namespace.ttl.as_millis().to_string());
        let args = [&*run, &*done, &*total, message, state.name(), &*every, &*ttl].map(str::as_bytes);
        match int(self.backend.atomic(&UPDATE, &[&bytes], &args).await?)? {
            1 => {
                self.tell(key).await?;
                Ok(Said::Written)
            }
            0 => Ok(Said::Coalesced),
            -1 => Ok(Said::Ignored),
            -2 => Err(Error::Fenced),
            _ => {
                let from = self.get(key).await?.state.name().into();
                Err(Error::BadTransition { from, to: state.name().into() })
            }
        }
    }

    /// How far it is.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn get(&self, key: &K) -> Result<Status> {
        let key = self.namespace.key(key)?;
        let fields = Fields::of(self.backend.call(&[b"HGETALL", &key]).await?)?;
        let silent_ms = self.backend.now_ms().saturating_sub(fields.int("beat").unsigned_abs());
        let state = match &*fields.text("state") {
            "running" if u128::from(silent_ms) >= self.silence.as_millis() => RunState::Stalled,
            "running" => RunState::Running,
            "completed" => RunState::Completed,
            "failed" => RunState::Failed,
            "cancelled" => RunState::Cancelled,
            _ => RunState::Idle,
        };
        Ok(Status {
            run: fields.int("run").unsigned_abs(),
            state,
            done: fields.int("done").unsigned_abs(),
            total: fields.int("total").unsigned_abs(),
            message: fields.text("message"),
            began_ms: fields.int("began").unsigned_abs(),
            updated_ms: fields.int("written").unsigned_abs(),
        })
    }

    async fn tell(&self, key: &K) -> Result<()> {
        let Some(channel) = self.channel else { return Ok(()) };
        let status = self.get(key).await?;
        let text = serde_json::to_vec(&status).map_err(|error| Error::NotSerializable(error.to_string()))?;
        self.backend.call(&[b"PUBLISH", channel.as_bytes(), &text]).await.map(|_| ())
    }

    fn key(&self, key: &K, message: &str) -> Result<Vec<u8>> {
        if message.len() > self.namespace.value_bytes_max {
            return Err(Error::TooLarge { limit: self.namespace.value_bytes_max });
        }
        self.namespace.key(key)
    }
}

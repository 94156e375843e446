//! Strings.

use super::inside::{self, Inside};
use super::{Argv, Bytes, Damselfly, Error, Result, collect, reply};
use crate::command::error::CommandError;
use crate::reply::Reply;
use crate::shard::{Expires, Str};
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What `SET` does besides setting: a deadline, a condition, the old value.
///
/// ```
/// use damselfly::{Damselfly, embed::SetOptions};
/// use std::time::Duration;
///
/// let db = Damselfly::in_memory();
/// let lock = SetOptions::new().nx().px(Duration::from_millis(1500));
/// assert!(db.set_with("lock", "mine", lock)?.stored);
/// assert!(!db.set_with("lock", "yours", lock)?.stored);
/// # Ok::<(), damselfly::embed::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct SetOptions {
    deadline: Deadline,
    only: Only,
    get: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Deadline {
    #[default]
    None,
    Keep,
    In(Duration),
    At(SystemTime),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Only {
    #[default]
    Always,
    Absent,
    Present,
}

impl SetOptions {
    /// Adds the words of the deadline and the condition.
    fn push_to<'a>(self, argv: &mut Argv<'a>, number: &'a mut itoa::Buffer) {
        match self.deadline {
            Deadline::None => {}
            Deadline::Keep => argv.push(b"KEEPTTL"),
            Deadline::In(after) => argv.extend([&b"PX"[..], number.format(ms_of(after)).as_bytes()]),
            Deadline::At(at) => argv.extend([&b"PXAT"[..], number.format(unix_ms(at)).as_bytes()]),
        }
        match self.only {
            Only::Always => {}
            Only::Absent => argv.push(b"NX"),
            Only::Present => argv.push(b"XX"),
        }
    }

    /// Plain `SET`: no deadline, no condition.
    pub fn new() -> Self {
        Self::default()
    }

    /// The key expires after this time. Kept to the millisecond; `EX` and `PX` are the same here.
    pub fn ex(mut self, after: Duration) -> Self {
        self.deadline = Deadline::In(after);
        self
    }

    /// The key expires after this time, to the millisecond.
    pub fn px(self, after: Duration) -> Self {
        self.ex(after)
    }

    /// The key expires at this time. Kept to the millisecond; `EXAT` and `PXAT` are the same here.
    pub fn ex_at(mut self, at: SystemTime) -> Self {
        self.deadline = Deadline::At(at);
        self
    }

    /// The key expires at this time, to the millisecond.
    pub fn px_at(self, at: SystemTime) -> Self {
        self.ex_at(at)
    }

    /// The key keeps the deadline it has.
    pub fn keep_ttl(mut self) -> Self {
        self.deadline = Deadline::Keep;
        self
    }

    /// Only where the key does not exist.
    pub fn nx(mut self) -> Self {
        self.only = Only::Absent;
        self
    }

    /// Only where the key exists.
    pub fn xx(mut self) -> Self {
        self.only = Only::Present;
        self
    }

    /// Returns the old value, which must be a string.
    pub fn get(mut self) -> Self {
        self.get = true;
        self
    }
}

/// What came of [`Damselfly::set_with`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetOutcome {
    /// Whether the value was stored; a condition may have said no.
    pub stored: bool,
    /// The old value, where [`SetOptions::get`] asked for it and the key existed.
    pub previous: Option<Bytes>,
}

/// What [`Damselfly::get_ex`] does with the key's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Touch {
    /// Leaves it.
    Keep,
    /// Takes it away.
    Persist,
    /// The key expires after this time.
    In(Duration),
    /// The key expires at this time.
    At(SystemTime),
}

/// A run of bytes that two strings have in common ([`Damselfly::lcs_matches`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LcsMatch {
    /// Where it stands in the first string.
    pub first: RangeInclusive<u64>,
    /// Where it stands in the second string.
    pub second: RangeInclusive<u64>,
    /// Its length.
    pub len: u64,
}

/// The longest common subsequence as runs of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LcsMatches {
    /// The runs, from the last to the first.
    pub matches: Vec<LcsMatch>,
    /// The length of the whole subsequence.
    pub len: u64,
}

/// Whole milliseconds, rounded up, so that a positive time never becomes none.
pub(super) fn ms_of(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

pub(super) fn unix_ms(at: SystemTime) -> i64 {
    match at.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

impl Damselfly {
    /// A key's string. O(1); a value up to 960 bytes is copied, a longer one is shared.
    ///
    /// # Errors
    /// [`CommandError::WrongType`] where the key holds something else.
    ///
    /// Reference: <https://valkey.io/commands/get/>
    #[inline]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>> {
        self.read(key.as_ref(), |keys, key| Ok(keys.string(key)?.map(|value| value.to_bytes())))
    }

    /// Shows a key's string to `f` where it stands, without a copy; `None` without the key. O(1).
    ///
    /// The thread is inside the key's shard meanwhile: whoever else wants that shard waits for `f`, and `f` itself may
    /// not call damselfly. Keep it short.
    ///
    /// ```
    /// use damselfly::{Damselfly, embed::Error};
    /// let db = Damselfly::in_memory();
    /// db.set("csv", "a,b,c")?;
    /// let commas = db.get_with("csv", |bytes| bytes.iter().filter(|&&b| b == b',').count())?;
    /// assert_eq!(commas, Some(2));
    /// // A call from in there is refused; it does not wait for itself.
    /// assert_eq!(db.get_with("csv", |_| db.get("csv"))?, Some(Err(Error::ReentrantCall)));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// [`CommandError::WrongType`] where the key holds something else; [`Error::ReentrantCall`].
    ///
    /// Reference: <https://valkey.io/commands/get/>
    #[inline]
    pub fn get_with<R>(&self, key: impl AsRef<[u8]>, f: impl FnOnce(&[u8]) -> R) -> Result<Option<R>> {
        // Read before the thread is marked: `as_ref` is the caller's, too.
        let key = key.as_ref();
        let _inside = Inside::enter()?;
        Ok(self.engine.show_string(self.db, key, |value| value.map(|value| value.with_bytes(f)))?)
    }

    /// A key's string as an integer; nothing is copied or allocated. O(1).
    ///
    /// # Errors
    /// [`CommandError::NotAnInteger`] or [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/get/>
    #[inline]
    pub fn get_int(&self, key: impl AsRef<[u8]>) -> Result<Option<i64>> {
        self.read(key.as_ref(), |keys, key| {
            let value = match keys.string(key)? {
                None => return Ok(None),
                Some(Str::Int(value)) => Some(value),
                Some(text) => text.with_bytes(crate::command::args::parse_int),
            };
            value.map(Some).ok_or(CommandError::NotAnInteger)
        })
    }

    /// Sets a key to a string, over whatever it holds; its deadline goes. O(1).
    ///
    /// # Errors
    /// [`CommandError::StringTooLong`] beyond `proto-max-bulk-len`.
    ///
    /// Reference: <https://valkey.io/commands/set/>
    #[inline]
    pub fn set(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        let value = value.as_ref();
        self.write(key.as_ref(), value.len(), |keys, key| {
            keys.set_string(key, value, Expires::Clear);
            Ok(())
        })
    }

    /// Sets a key with a deadline, on a condition, or in exchange for the old value. O(1).
    ///
    /// # Errors
    /// [`CommandError::InvalidExpire`] for a time that is zero or beyond what 64 bits hold; with
    /// [`SetOptions::get`], [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/set/>
    pub fn set_with(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        options: SetOptions,
    ) -> Result<SetOutcome> {
        let (key, value) = (key.as_ref(), value.as_ref());
        // What caches do most takes the direct way.
        if let (Only::Always, false, Deadline::In(after)) = (options.only, options.get, options.deadline)
            && (1..1 << 40).contains(&ms_of(after))
        {
            return self.write(key, value.len(), |keys, key| {
                let at_ms = keys.now_ms() + ms_of(after);
                keys.set_string(key, value, Expires::At(at_ms));
                Ok(SetOutcome { stored: true, previous: None })
            });
        }
        let mut number = itoa::Buffer::new();
        let mut argv: Argv<'_> = Argv::from_slice(&[b"SET", key, value]);
        options.push_to(&mut argv, &mut number);
        if options.get {
            argv.push(b"GET");
        }
        let reply = self.run(&argv)?;
        if !options.get {
            return Ok(SetOutcome { stored: reply != Reply::Null, previous: None });
        }
        let previous = reply::optional(reply, reply::string)?;
        let stored = match options.only {
            Only::Always => true,
            Only::Absent => previous.is_none(),
            Only::Present => previous.is_some(),
        };
        Ok(SetOutcome { stored, previous })
    }

    /// A key's string, with a change of its deadline. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`]; [`CommandError::InvalidExpire`] for a time that is zero or too large.
    ///
    /// Reference: <https://valkey.io/commands/getex/>
    pub fn get_ex(&self, key: impl AsRef<[u8]>, deadline: Touch) -> Result<Option<Bytes>> {
        let key = key.as_ref();
        let mut number = itoa::Buffer::new();
        let reply = match deadline {
            Touch::Keep => self.run(&[b"GETEX", key]),
            Touch::Persist => self.run(&[b"GETEX", key, b"PERSIST"]),
            Touch::In(after) => self.run(&[b"GETEX", key, b"PX", number.format(ms_of(after)).as_bytes()]),
            Touch::At(at) => self.run(&[b"GETEX", key, b"PXAT", number.format(unix_ms(at)).as_bytes()]),
        };
        reply::optional(reply?, reply::string)
    }

    /// Takes a string key out of the keyspace. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/getdel/>
    pub fn get_del(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>> {
        self.lessen(key.as_ref(), |keys, key| Ok(keys.take_string(key, |value| value.to_bytes())?))
    }

    /// Sets a key and returns what it held. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`] where it held no string.
    ///
    /// Reference: <https://valkey.io/commands/getset/>
    pub fn get_set(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<Option<Bytes>> {
        let value = value.as_ref();
        self.write(key.as_ref(), value.len(), |keys, key| {
            let old = keys.string(key)?.map(|value| value.to_bytes());
            keys.set_string(key, value, Expires::Clear);
            Ok(old)
        })
    }

    /// The strings of several keys at one moment; `None` where a key does not exist or holds no string. O(keys).
    ///
    /// # Errors
    /// [`Error::ReentrantCall`].
    ///
    /// Reference: <https://valkey.io/commands/mget/>
    pub fn mget<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<Option<Bytes>>> {
        let keys = collect(keys);
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let reply = self.run_on(b"MGET", &keys, &[])?;
        reply::list(reply, |item| reply::optional(item, reply::string))
    }

    /// Sets several keys at one moment. O(keys).
    ///
    /// ```
    /// let db = damselfly::Damselfly::in_memory();
    /// db.mset([("a", "1"), ("b", "2")])?;
    /// assert_eq!(db.mget(["a", "nope"])?, [Some("1".into()), None]);
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ReentrantCall`]; [`CommandError::StringTooLong`].
    ///
    /// Reference: <https://valkey.io/commands/mset/>
    pub fn mset<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<()> {
        match self.run_pairs(b"MSET", pairs)? {
            None => Ok(()),
            Some(reply) => reply::ok(reply),
        }
    }

    /// Sets several keys at one moment if none of them exists; whether it did. O(keys).
    ///
    /// # Errors
    /// [`Error::ReentrantCall`]; [`CommandError::StringTooLong`].
    ///
    /// Reference: <https://valkey.io/commands/msetnx/>
    pub fn mset_nx<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<bool> {
        match self.run_pairs(b"MSETNX", pairs)? {
            None => Ok(true),
            Some(reply) => reply::flag(reply),
        }
    }

    /// Sets several keys at one moment with one deadline and on one condition, which all of them have to meet; whether it
    /// did. [`SetOptions::get`] means nothing here. O(keys).
    ///
    /// # Errors
    /// [`Error::ReentrantCall`]; [`CommandError::InvalidExpire`]; [`CommandError::StringTooLong`].
    ///
    /// Reference: <https://valkey.io/commands/msetex/>
    pub fn mset_with<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        pairs: impl IntoIterator<Item = (K, V)>,
        options: SetOptions,
    ) -> Result<bool> {
        let pairs: Vec<(K, V)> = pairs.into_iter().collect();
        if pairs.is_empty() {
            return Ok(true);
        }
        let (mut count, mut number) = (itoa::Buffer::new(), itoa::Buffer::new());
        let mut argv: Argv<'_> = Argv::from_slice(&[b"MSETEX", count.format(pairs.len()).as_bytes()]);
        argv.extend(pairs.iter().flat_map(|(key, value)| [key.as_ref(), value.as_ref()]));
        options.push_to(&mut argv, &mut number);
        reply::flag(self.run(&argv)?)
    }

    /// Removes a key if it holds this string; whether it did. O(bytes).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/delifeq/>
    pub fn del_if_eq(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<bool> {
        reply::flag(self.run(&[b"DELIFEQ", key.as_ref(), value.as_ref()])?)
    }

    fn run_pairs<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        name: &[u8],
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Option<Reply>> {
        let pairs: Vec<(K, V)> = pairs.into_iter().collect();
        if pairs.is_empty() {
            inside::check()?;
            return Ok(None);
        }
        let mut argv: Argv<'_> = Argv::from_slice(&[name]);
        argv.extend(pairs.iter().flat_map(|(key, value)| [key.as_ref(), value.as_ref()]));
        self.run(&argv).map(Some)
    }

    /// Appends to a key's string, which starts empty; the new length. O(bytes added), amortised.
    ///
    /// # Errors
    /// [`CommandError::StringTooLong`] or [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/append/>
    pub fn append(&self, key: impl AsRef<[u8]>, tail: impl AsRef<[u8]>) -> Result<u64> {
        let tail = tail.as_ref();
        self.write(key.as_ref(), tail.len(), |keys, key| {
            let len = keys.append(key, tail)?;
            keys.tell([b"APPEND", key.bytes, tail]);
            Ok(len as u64)
        })
    }

    /// The length of a key's string, 0 without the key. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/strlen/>
    pub fn strlen(&self, key: impl AsRef<[u8]>) -> Result<u64> {
        self.read(key.as_ref(), |keys, key| Ok(keys.string(key)?.map_or(0, |value| value.len() as u64)))
    }

    /// Part of a key's string, both ends included; negative positions count from the end. O(bytes returned).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/getrange/>
    pub fn get_range(&self, key: impl AsRef<[u8]>, start: i64, end: i64) -> Result<Bytes> {
        self.read(key.as_ref(), |keys, key| Ok(keys.string_range(key, start, end, |part| part.to_bytes())?))
    }

    /// Overwrites part of a key's string, with zeros in a gap; the new length. O(bytes).
    ///
    /// # Errors
    /// [`CommandError::StringTooLong`] or [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/setrange/>
    pub fn set_range(&self, key: impl AsRef<[u8]>, offset: u64, value: impl AsRef<[u8]>) -> Result<u64> {
        let value = value.as_ref();
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        self.write(key.as_ref(), value.len(), |keys, key| {
            let len = keys.set_range(key, offset, value)?;
            keys.tell([b"SETRANGE", key.bytes, itoa::Buffer::new().format(offset).as_bytes(), value]);
            Ok(len as u64)
        })
    }

    /// Adds 1 to a key's integer, which starts at 0; the sum. O(1).
    ///
    /// # Errors
    /// [`CommandError::NotAnInteger`], [`CommandError::Overflow`] or [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/incr/>
    #[inline]
    pub fn incr(&self, key: impl AsRef<[u8]>) -> Result<i64> {
        self.incr_by(key, 1)
    }

    /// Adds to a key's integer, which starts at 0; the sum. O(1).
    ///
    /// # Errors
    /// As [`incr`](Self::incr).
    ///
    /// Reference: <https://valkey.io/commands/incrby/>
    #[inline]
    pub fn incr_by(&self, key: impl AsRef<[u8]>, by: i64) -> Result<i64> {
        self.write(key.as_ref(), 0, |keys, key| Ok(keys.increment(key, by)?))
    }

    /// Takes 1 from a key's integer. O(1).
    ///
    /// # Errors
    /// As [`incr`](Self::incr).
    ///
    /// Reference: <https://valkey.io/commands/decr/>
    #[inline]
    pub fn decr(&self, key: impl AsRef<[u8]>) -> Result<i64> {
        self.incr_by(key, -1)
    }

    /// Takes from a key's integer. O(1).
    ///
    /// # Errors
    /// As [`incr`](Self::incr).
    ///
    /// Reference: <https://valkey.io/commands/decrby/>
    pub fn decr_by(&self, key: impl AsRef<[u8]>, by: i64) -> Result<i64> {
        match by.checked_neg() {
            Some(by) => self.incr_by(key, by),
            // The one number without a negative: the command knows what to say.
            None => {
                let mut number = itoa::Buffer::new();
                reply::int(self.run(&[b"DECRBY", key.as_ref(), number.format(by).as_bytes()])?)
            }
        }
    }

    /// Adds to a key's number; the sum. O(1).
    ///
    /// # Errors
    /// [`CommandError::NotAFloat`], [`CommandError::NotFinite`] or [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/incrbyfloat/>
    pub fn incr_by_float(&self, key: impl AsRef<[u8]>, by: f64) -> Result<f64> {
        reply::float(self.run(&[b"INCRBYFLOAT", key.as_ref(), by.to_string().as_bytes()])?)
    }

    /// The longest common subsequence of two strings. O(n m).
    ///
    /// # Errors
    /// A text error where a key holds no string.
    ///
    /// Reference: <https://valkey.io/commands/lcs/>
    pub fn lcs(&self, first: impl AsRef<[u8]>, second: impl AsRef<[u8]>) -> Result<Bytes> {
        reply::string(self.run(&[b"LCS", first.as_ref(), second.as_ref()])?)
    }

    /// Its length. O(n m).
    ///
    /// # Errors
    /// As [`lcs`](Self::lcs).
    ///
    /// Reference: <https://valkey.io/commands/lcs/>
    pub fn lcs_len(&self, first: impl AsRef<[u8]>, second: impl AsRef<[u8]>) -> Result<u64> {
        reply::count(self.run(&[b"LCS", first.as_ref(), second.as_ref(), b"LEN"])?)
    }

    /// The runs of bytes it consists of, those shorter than `min_len` left out. O(n m).
    ///
    /// # Errors
    /// As [`lcs`](Self::lcs).
    ///
    /// Reference: <https://valkey.io/commands/lcs/>
    pub fn lcs_matches(
        &self,
        first: impl AsRef<[u8]>,
        second: impl AsRef<[u8]>,
        min_len: u64,
    ) -> Result<LcsMatches> {
        let mut number = itoa::Buffer::new();
        let min_len = number.format(min_len).as_bytes();
        let argv: [&[u8]; 7] =
            [b"LCS", first.as_ref(), second.as_ref(), b"IDX", b"MINMATCHLEN", min_len, b"WITHMATCHLEN"];
        let reply = self.run(&argv)?;
        let Reply::Map(pairs) = reply else { return Err(Error::UnexpectedReply(reply)) };
        let mut found = LcsMatches { matches: Vec::new(), len: 0 };
        for (name, value) in pairs {
            match name.as_bytes() {
                Some(b"matches") => found.matches = reply::list(value, lcs_match)?,
                Some(b"len") => found.len = reply::count(value)?,
                _ => {}
            }
        }
        Ok(found)
    }
}

fn lcs_match(reply: Reply) -> Result<LcsMatch> {
    let range = |reply| reply::pair(reply, reply::count, reply::count).map(|(from, to)| from..=to);
    let Reply::Array(parts) = reply else { return Err(Error::UnexpectedReply(reply)) };
    match <[Reply; 3]>::try_from(parts) {
        Ok([first, second, len]) => {
            Ok(LcsMatch { first: range(first)?, second: range(second)?, len: reply::count(len)? })
        }
        Err(parts) => Err(Error::UnexpectedReply(Reply::Array(parts))),
    }
}

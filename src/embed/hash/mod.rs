//! Hashes: [`Hash`] for one of them.

#[cfg(test)]
mod tests;

use super::keys::{Condition, Lifetime};
use super::string::{Touch, ms_of, unix_ms};
use super::{Argv, Bytes, Damselfly, Result, collect, reply, slices};
use crate::command::error::CommandError;
use crate::glob;
use crate::reply::Reply;
use crate::shard::{Class, HashRoom};
use crate::value::hash::HashRef;
use crate::value::listpack::Element;
use crate::value::long_double::LongDouble;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A key's hash, wherever the key stands: [`Damselfly::hash`] gives one, and nothing is looked up before a method is
/// called. A hash exists while it has fields.
///
/// ```
/// let db = damselfly::Damselfly::in_memory();
/// let user = db.hash("user:1");
/// user.set_many([("name", "ada"), ("city", "london")])?;
/// assert_eq!(user.get("name")?.as_deref(), Some(&b"ada"[..]));
/// assert_eq!(user.increment("visits", 1)?, 1);
/// assert_eq!(user.len()?, 3);
/// # Ok::<(), damselfly::embed::Error>(())
/// ```
///
/// Methods that take fields or pairs do nothing for none of them.
#[derive(Clone, Copy, Debug)]
#[must_use = "a handle does nothing until a method is called"]
pub struct Hash<'a> {
    db: &'a Damselfly,
    key: &'a [u8],
}

impl Damselfly {
    /// The hash under a key.
    pub fn hash<'a, K: AsRef<[u8]> + ?Sized>(&'a self, key: &'a K) -> Hash<'a> {
        Hash { db: self, key: key.as_ref() }
    }
}

/// What came of giving a field a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldExpiry {
    /// There is no such field.
    NoField,
    /// The condition does not hold.
    Refused,
    /// It has the deadline.
    Set,
    /// The deadline had passed, and the field is gone.
    Removed,
}

/// What came of taking a field's deadline away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldPersisted {
    /// There is no such field.
    NoField,
    /// It had no deadline.
    NoDeadline,
    /// It has none any more.
    Persisted,
}

/// What [`Hash::set_with`] does besides setting: a deadline, conditions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct HashSetOptions {
    deadline: Deadline,
    /// Whether the key must exist or must not.
    key: Option<bool>,
    /// Whether the fields must all exist or must not.
    fields: Option<bool>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Deadline {
    #[default]
    None,
    Keep,
    In(Duration),
    At(SystemTime),
}

impl HashSetOptions {
    /// No deadline, no condition.
    pub fn new() -> Self {
        Self::default()
    }

    /// The fields expire after this time, to the millisecond; `EX` and `PX` are the same here.
    pub fn ex(mut self, after: Duration) -> Self {
        self.deadline = Deadline::In(after);
        self
    }

    /// The fields expire at this time, to the millisecond; `EXAT` and `PXAT` are the same here.
    pub fn ex_at(mut self, at: SystemTime) -> Self {
        self.deadline = Deadline::At(at);
        self
    }

    /// The fields keep the deadlines that they have.
    pub fn keep_ttl(mut self) -> Self {
        self.deadline = Deadline::Keep;
        self
    }

    /// Only where the key does not exist.
    pub fn nx(mut self) -> Self {
        self.key = Some(false);
        self
    }

    /// Only where the key exists.
    pub fn xx(mut self) -> Self {
        self.key = Some(true);
        self
    }

    /// Only where none of the fields exists.
    pub fn fnx(mut self) -> Self {
        self.fields = Some(false);
        self
    }

    /// Only where all of the fields exist.
    pub fn fxx(mut self) -> Self {
        self.fields = Some(true);
        self
    }
}

fn copied(element: Element<'_>) -> Bytes {
    element.with_bytes(Bytes::copy_from_slice)
}

/// Fields and values in turn.
fn flat<F: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(F, V)]) -> Argv<'_> {
    pairs.iter().flat_map(|(field, value)| [field.as_ref(), value.as_ref()]).collect()
}

fn longest(texts: &[&[u8]]) -> usize {
    texts.iter().map(|text| text.len()).max().unwrap_or(0)
}

impl<'a> Hash<'a> {
    /// The key.
    #[must_use]
    pub fn key(self) -> &'a [u8] {
        self.key
    }

    /// Shows the hash to `f`.
    #[inline]
    fn look<R>(self, f: impl FnOnce(Option<HashRef<'_>>) -> R) -> Result<R> {
        self.db.read(self.key, |keys, key| Ok(f(keys.hash(key)?)))
    }

    // ---- Fields ---------------------------------------------------------------------------------------------

    /// Sets a field, and takes its deadline away; whether it is new. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/hset/>
    #[inline]
    pub fn set(self, field: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.set_all(&[field.as_ref(), value.as_ref()])? > 0)
    }

    /// Sets several fields at once; how many are new. O(fields).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/hmset/>, and <https://valkey.io/commands/hset/>, which is the same here.
    pub fn set_many<F: AsRef<[u8]>, V: AsRef<[u8]>>(
        self,
        pairs: impl IntoIterator<Item = (F, V)>,
    ) -> Result<u64> {
        let pairs: Vec<(F, V)> = pairs.into_iter().collect();
        self.set_all(&flat(&pairs))
    }

    #[inline]
    fn set_all(self, pairs: &[&[u8]]) -> Result<u64> {
        if pairs.is_empty() {
            return Ok(0);
        }
        self.db.write(self.key, longest(pairs), |keys, key| {
            let added = keys.update_hash(key, HashRoom::adding(pairs), |fields| {
                (fields.extend(pairs) as u64, pairs.len() as u64 / 2)
            })?;
            keys.tell([&b"HSET"[..], key.bytes].into_iter().chain(pairs.iter().copied()));
            keys.notify(Class::Hash, "hset", key);
            Ok(added.unwrap_or(0))
        })
    }

    /// Sets a field where there is none; whether it did. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/hsetnx/>
    pub fn set_nx(self, field: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<bool> {
        let (field, value) = (field.as_ref(), value.as_ref());
        self.db.write(self.key, field.len().max(value.len()), |keys, key| {
            let set = keys.set_hash_field_if_absent(key, field, value)?;
            keys.tell([b"HSETNX", key.bytes, field, value]);
            Ok(set)
        })
    }

    /// A field's value. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/hget/>
    #[inline]
    pub fn get(self, field: impl AsRef<[u8]>) -> Result<Option<Bytes>> {
        let field = field.as_ref();
        self.look(|hash| hash.and_then(|hash| hash.get(field)).map(copied))
    }

    /// The values of several fields, at one moment. O(fields).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/hmget/>
    pub fn get_many<F: AsRef<[u8]>>(self, fields: impl IntoIterator<Item = F>) -> Result<Vec<Option<Bytes>>> {
        let fields = collect(fields);
        self.look(|hash| {
            let value = |field: &F| hash.and_then(|hash| hash.get(field.as_ref())).map(copied);
            fields.iter().map(value).collect()
        })
    }

    /// All fields with their values: in the order in which they were added while there are few, in none beyond. O(n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/hgetall/>
    pub fn get_all(self) -> Result<Vec<(Bytes, Bytes)>> {
        self.look(|hash| {
            let pairs = hash.iter().flat_map(HashRef::iter);
            pairs.map(|(field, value)| (copied(field), copied(value))).collect()
        })
    }

    /// All fields. O(n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/hkeys/>
    pub fn fields(self) -> Result<Vec<Bytes>> {
        self.look(|hash| hash.iter().flat_map(HashRef::iter).map(|(field, _)| copied(field)).collect())
    }

    /// All values. O(n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/hvals/>
    pub fn values(self) -> Result<Vec<Bytes>> {
        self.look(|hash| hash.iter().flat_map(HashRef::iter).map(|(_, value)| copied(value)).collect())
    }

    /// How many fields there are. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/hlen/>
    #[inline]
    pub fn len(self) -> Result<u64> {
        self.look(|hash| hash.map_or(0, |hash| hash.len() as u64))
    }

    /// Whether there is none, and so no key. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/hlen/>
    pub fn is_empty(self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The length of a field's value in bytes, 0 where there is none. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/hstrlen/>
    pub fn value_len(self, field: impl AsRef<[u8]>) -> Result<u64> {
        let field = field.as_ref();
        self.look(|hash| hash.and_then(|hash| hash.get(field)).map_or(0, |value| value.len() as u64))
    }

    /// Whether there is a field. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/hexists/>
    #[inline]
    pub fn contains(self, field: impl AsRef<[u8]>) -> Result<bool> {
        let field = field.as_ref();
        self.look(|hash| hash.is_some_and(|hash| hash.contains(field)))
    }

    /// Takes fields out; how many were there. O(fields).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/hdel/>
    pub fn remove<F: AsRef<[u8]>>(self, fields: impl IntoIterator<Item = F>) -> Result<u64> {
        let given = collect(fields);
        self.db.lessen(self.key, |keys, key| {
            let removed = keys.update_hash(key, HashRoom::NONE, |fields| {
                let removed = given.iter().filter(|field| fields.remove(field.as_ref())).count() as u64;
                (removed, removed)
            })?;
            let removed = removed.unwrap_or(0);
            if removed > 0 {
                keys.tell([&b"HDEL"[..], key.bytes].into_iter().chain(given.iter().map(AsRef::as_ref)));
                keys.notify(Class::Hash, "hdel", key);
            }
            Ok(removed)
        })
    }

    /// Takes fields out and returns their values. O(fields).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/hgetdel/>
    pub fn get_del<F: AsRef<[u8]>>(self, fields: impl IntoIterator<Item = F>) -> Result<Vec<Option<Bytes>>> {
        self.on_fields(b"HGETDEL", &[], fields, |reply| reply::optional(reply, reply::string))
    }

    /// Adds to the integer in a field, which starts at 0; returns the sum. O(1).
    ///
    /// # Errors
    /// [`CommandError::Overflow`], [`CommandError::WrongType`]; a text error where the value is no integer.
    ///
    /// Reference: <https://valkey.io/commands/hincrby/>
    #[inline]
    pub fn increment(self, field: impl AsRef<[u8]>, by: i64) -> Result<i64> {
        let field = field.as_ref();
        self.db.write(self.key, field.len(), |keys, key| {
            let sum = keys.increment_hash_field(key, field, by)?;
            keys.tell([b"HINCRBY", key.bytes, field, itoa::Buffer::new().format(by).as_bytes()]);
            Ok(sum)
        })
    }

    /// Adds to the number in a field, which starts at 0; returns the sum. O(1).
    ///
    /// # Errors
    /// [`CommandError::NotFinite`], [`CommandError::WrongType`]; a text error where the value is no number.
    ///
    /// Reference: <https://valkey.io/commands/hincrbyfloat/>
    pub fn increment_float(self, field: impl AsRef<[u8]>, by: f64) -> Result<f64> {
        let by = LongDouble::parse(by.to_string().as_bytes()).ok_or(CommandError::NotAFloat)?;
        if !by.is_finite() {
            return Err(CommandError::NotFinite.into());
        }
        let field = field.as_ref();
        let sum = self
            .db
            .write(self.key, field.len(), |keys, key| Ok(keys.increment_hash_field_float(key, field, by)?))?;
        reply::float(Reply::Bulk(Bytes::copy_from_slice(&sum)))
    }

    // ---- Random fields and walks ----------------------------------------------------------------------------

    /// A random field with its value. Expected O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/hrandfield/>
    pub fn random(self) -> Result<Option<(Bytes, Bytes)>> {
        Ok(self.random_count(1)?.pop())
    }

    /// Up to `count` different random fields with their values. O(count), up to O(n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/hrandfield/>
    pub fn random_count(self, count: u64) -> Result<Vec<(Bytes, Bytes)>> {
        self.randoms(i64::try_from(count).unwrap_or(i64::MAX).min(i64::MAX / 2))
    }

    /// `count` draws of a random field with its value, in which one may come again; none from an empty hash. O(count).
    ///
    /// # Errors
    /// [`CommandError::WrongType`], or [`CommandError::ValueOutOfRange`] where the result would outgrow
    /// `proto-max-bulk-len`.
    ///
    /// Reference: <https://valkey.io/commands/hrandfield/>
    pub fn random_draws(self, count: u64) -> Result<Vec<(Bytes, Bytes)>> {
        self.randoms(-i64::try_from(count).unwrap_or(i64::MAX))
    }

    fn randoms(self, count: i64) -> Result<Vec<(Bytes, Bytes)>> {
        let mut number = itoa::Buffer::new();
        let count = number.format(count).as_bytes();
        let pairs = self.db.run(&[b"HRANDFIELD", self.key, count, b"WITHVALUES"])?;
        reply::list(pairs, |pair| reply::pair(pair, reply::string, reply::string))
    }

    /// Walks the fields with their values, a batch at a time, and lets others work in between. A field that is there from
    /// the first step to the last comes once.
    ///
    /// ```
    /// let db = damselfly::Damselfly::in_memory();
    /// let user = db.hash("user:1");
    /// user.set_many([("name", "ada"), ("city", "london"), ("nick", "al")])?;
    /// let with_n = user.scan().matching("n*").collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(with_n.len(), 2);
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// Reference: <https://valkey.io/commands/hscan/>
    pub fn scan(self) -> HashScan<'a> {
        HashScan { hash: self, pattern: None, batch: 64, cursor: Some(0), found: Vec::new() }
    }

    // ---- Deadlines of fields --------------------------------------------------------------------------------

    /// Gives fields a deadline, counted from now, to the millisecond; what came of it for each. O(fields).
    ///
    /// A time of zero removes the fields. `HEXPIRE` and `HPEXPIRE` are the same here.
    ///
    /// ```
    /// use damselfly::{Damselfly, embed::{FieldExpiry, Lifetime}};
    /// use std::time::Duration;
    ///
    /// let db = Damselfly::in_memory();
    /// let session = db.hash("session:1");
    /// session.set_many([("user", "ada"), ("token", "t")])?;
    /// session.expire(["token"], Duration::from_secs(60))?;
    /// assert_eq!(session.ttl(["user"])?, [Lifetime::Forever]);
    /// assert!(session.ttl(["token"])?[0].limit() <= Some(Duration::from_secs(60)));
    /// assert_eq!(session.expire(["nope"], Duration::ZERO)?, [FieldExpiry::NoField]);
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`CommandError::WrongType`], or [`CommandError::InvalidExpire`] for a time beyond what 64 bits hold.
    ///
    /// Reference: <https://valkey.io/commands/hexpire/>
    pub fn expire<F: AsRef<[u8]>>(
        self,
        fields: impl IntoIterator<Item = F>,
        after: Duration,
    ) -> Result<Vec<FieldExpiry>> {
        self.expire_if(fields, after, Condition::Always)
    }

    /// Gives fields a deadline on a condition; what came of it for each. O(fields).
    ///
    /// # Errors
    /// As [`expire`](Self::expire).
    ///
    /// Reference: <https://valkey.io/commands/hpexpire/>
    pub fn expire_if<F: AsRef<[u8]>>(
        self,
        fields: impl IntoIterator<Item = F>,
        after: Duration,
        only: Condition,
    ) -> Result<Vec<FieldExpiry>> {
        let ms = i64::try_from(ms_of(after)).map_err(|_| CommandError::InvalidExpire("hpexpire"))?;
        self.deadlines(b"HPEXPIRE", fields, ms, only)
    }

    /// Gives fields a deadline at a time, to the millisecond; what came of it for each. O(fields).
    ///
    /// A time in the past removes the fields. `HEXPIREAT` and `HPEXPIREAT` are the same here.
    ///
    /// # Errors
    /// [`CommandError::WrongType`], or [`CommandError::InvalidExpire`] for a time before 1970.
    ///
    /// Reference: <https://valkey.io/commands/hexpireat/>
    pub fn expire_at<F: AsRef<[u8]>>(
        self,
        fields: impl IntoIterator<Item = F>,
        at: SystemTime,
    ) -> Result<Vec<FieldExpiry>> {
        self.expire_at_if(fields, at, Condition::Always)
    }

    /// Gives fields a deadline at a time on a condition; what came of it for each. O(fields).
    ///
    /// # Errors
    /// As [`expire_at`](Self::expire_at).
    ///
    /// Reference: <https://valkey.io/commands/hpexpireat/>
    pub fn expire_at_if<F: AsRef<[u8]>>(
        self,
        fields: impl IntoIterator<Item = F>,
        at: SystemTime,
        only: Condition,
    ) -> Result<Vec<FieldExpiry>> {
        self.deadlines(b"HPEXPIREAT", fields, unix_ms(at), only)
    }

    fn deadlines<F: AsRef<[u8]>>(
        self,
        name: &[u8],
        fields: impl IntoIterator<Item = F>,
        ms: i64,
        only: Condition,
    ) -> Result<Vec<FieldExpiry>> {
        let mut number = itoa::Buffer::new();
        let mut options: Argv<'_> = Argv::from_slice(&[number.format(ms).as_bytes()]);
        options.extend(only.word());
        self.on_fields(name, &options, fields, |reply| {
            Ok(match reply::int(reply)? {
                0 => FieldExpiry::Refused,
                1 => FieldExpiry::Set,
                2 => FieldExpiry::Removed,
                _ => FieldExpiry::NoField,
            })
        })
    }

    /// How long fields still live, to the millisecond; [`Lifetime::NoKey`] where there is no such field. `HTTL` and `HPTTL`
    /// are the same here. O(fields).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/hpttl/>, and <https://valkey.io/commands/httl/>
    pub fn ttl<F: AsRef<[u8]>>(self, fields: impl IntoIterator<Item = F>) -> Result<Vec<Lifetime<Duration>>> {
        self.on_fields(b"HPTTL", &[], fields, |reply| lifetime(reply, Duration::from_millis))
    }

    /// When fields expire, to the millisecond; [`Lifetime::NoKey`] where there is no such field. `HEXPIRETIME` and
    /// `HPEXPIRETIME` are the same here. O(fields).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/hpexpiretime/>, and <https://valkey.io/commands/hexpiretime/>
    pub fn expire_time<F: AsRef<[u8]>>(
        self,
        fields: impl IntoIterator<Item = F>,
    ) -> Result<Vec<Lifetime<SystemTime>>> {
        let at = |ms| UNIX_EPOCH + Duration::from_millis(ms);
        self.on_fields(b"HPEXPIRETIME", &[], fields, |reply| lifetime(reply, at))
    }

    /// Takes the deadlines of fields away; what came of it for each. O(fields).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/hpersist/>
    pub fn persist<F: AsRef<[u8]>>(self, fields: impl IntoIterator<Item = F>) -> Result<Vec<FieldPersisted>> {
        self.on_fields(b"HPERSIST", &[], fields, |reply| {
            Ok(match reply::int(reply)? {
                1 => FieldPersisted::Persisted,
                -1 => FieldPersisted::NoDeadline,
                _ => FieldPersisted::NoField,
            })
        })
    }

    /// The values of several fields, whose deadlines are changed at once. O(fields).
    ///
    /// # Errors
    /// [`CommandError::WrongType`], or [`CommandError::InvalidExpire`].
    ///
    /// Reference: <https://valkey.io/commands/hgetex/>
    pub fn get_ex<F: AsRef<[u8]>>(
        self,
        fields: impl IntoIterator<Item = F>,
        touch: Touch,
    ) -> Result<Vec<Option<Bytes>>> {
        let mut number = itoa::Buffer::new();
        let options: Argv<'_> = match touch {
            Touch::Keep => Argv::new(),
            Touch::Persist => Argv::from_slice(&[b"PERSIST"]),
            Touch::In(after) => Argv::from_slice(&[b"PX", number.format(ms_of(after)).as_bytes()]),
            Touch::At(at) => Argv::from_slice(&[b"PXAT", number.format(unix_ms(at)).as_bytes()]),
        };
        self.on_fields(b"HGETEX", &options, fields, |reply| reply::optional(reply, reply::string))
    }

    /// Sets fields with a deadline, or on conditions; whether it did. O(fields).
    ///
    /// ```
    /// use damselfly::{Damselfly, embed::HashSetOptions};
    /// use std::time::Duration;
    ///
    /// let db = Damselfly::in_memory();
    /// let session = db.hash("session:1");
    /// let once = HashSetOptions::new().fnx().ex(Duration::from_secs(60));
    /// assert!(session.set_with([("token", "mine")], once)?);
    /// assert!(!session.set_with([("token", "yours")], once)?);
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`CommandError::WrongType`], or [`CommandError::InvalidExpire`].
    ///
    /// Reference: <https://valkey.io/commands/hsetex/>
    pub fn set_with<F: AsRef<[u8]>, V: AsRef<[u8]>>(
        self,
        pairs: impl IntoIterator<Item = (F, V)>,
        options: HashSetOptions,
    ) -> Result<bool> {
        let pairs: Vec<(F, V)> = pairs.into_iter().collect();
        if pairs.is_empty() {
            return Ok(true);
        }
        let (mut number, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
        let mut argv: Argv<'_> = Argv::from_slice(&[b"HSETEX", self.key]);
        argv.extend(options.key.map(|exists| if exists { &b"XX"[..] } else { b"NX" }));
        argv.extend(options.fields.map(|exist| if exist { &b"FXX"[..] } else { b"FNX" }));
        match options.deadline {
            Deadline::None => {}
            Deadline::Keep => argv.push(b"KEEPTTL"),
            Deadline::In(after) => argv.extend([&b"PX"[..], number.format(ms_of(after)).as_bytes()]),
            Deadline::At(at) => argv.extend([&b"PXAT"[..], number.format(unix_ms(at)).as_bytes()]),
        }
        argv.extend([&b"FIELDS"[..], count.format(pairs.len()).as_bytes()]);
        argv.extend(flat(&pairs));
        reply::flag(self.db.run(&argv)?)
    }

    /// Runs a command that ends in `FIELDS numfields field …`, and converts what it says of each.
    fn on_fields<F: AsRef<[u8]>, R>(
        self,
        name: &[u8],
        options: &[&[u8]],
        fields: impl IntoIterator<Item = F>,
        each: impl FnMut(Reply) -> Result<R>,
    ) -> Result<Vec<R>> {
        let fields = collect(fields);
        if fields.is_empty() {
            return Ok(Vec::new());
        }
        let mut count = itoa::Buffer::new();
        let mut argv: Argv<'_> = Argv::from_slice(&[name, self.key]);
        argv.extend_from_slice(options);
        argv.extend([&b"FIELDS"[..], count.format(fields.len()).as_bytes()]);
        argv.extend(slices(&fields));
        reply::list(self.db.run(&argv)?, each)
    }
}

fn lifetime<T>(reply: Reply, limit: impl FnOnce(u64) -> T) -> Result<Lifetime<T>> {
    Ok(match reply::int(reply)? {
        -1 => Lifetime::Forever,
        ms => u64::try_from(ms).map_or(Lifetime::NoKey, |ms| Lifetime::Limited(limit(ms))),
    })
}

/// Iterates over a hash's fields and values; see [`Hash::scan`].
#[derive(Clone, Debug)]
#[must_use = "a scan does nothing until it is iterated over"]
pub struct HashScan<'a> {
    hash: Hash<'a>,
    pattern: Option<Vec<u8>>,
    batch: usize,
    /// Where the walk goes on; `None` at the end.
    cursor: Option<u32>,
    /// Fields of the last batch, the next one last.
    found: Vec<(Bytes, Bytes)>,
}

impl HashScan<'_> {
    /// Only fields that match this glob pattern.
    pub fn matching(mut self, pattern: impl AsRef<[u8]>) -> Self {
        self.pattern = Some(pattern.as_ref().to_vec());
        self
    }

    /// How many fields a stay in the shard looks at, at least 1 and about 64 unless told.
    pub fn count(mut self, count: usize) -> Self {
        self.batch = count.max(1);
        self
    }

    /// Looks at one batch.
    fn advance(&mut self, cursor: u32) -> Result<()> {
        let (pattern, batch, found) = (self.pattern.as_deref(), self.batch, &mut self.found);
        let fits = |field: &[u8]| pattern.is_none_or(|pattern| glob::matches(pattern, field, false));
        self.cursor = self.hash.look(|hash| {
            hash?.scan(cursor, batch, |(field, value)| {
                if field.with_bytes(fits) {
                    found.push((copied(field), copied(value)));
                }
            })
        })?;
        self.found.reverse();
        Ok(())
    }
}

impl Iterator for HashScan<'_> {
    type Item = Result<(Bytes, Bytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(pair) = self.found.pop() {
                return Some(Ok(pair));
            }
            let cursor = self.cursor?;
            if let Err(error) = self.advance(cursor) {
                self.cursor = None;
                return Some(Err(error));
            }
        }
    }
}

//! Keys of any type, deadlines, whole databases.

use super::string::{ms_of, unix_ms};
use super::{Argv, Bytes, Damselfly, Result, Scan, Type, collect, reply};
use crate::command::error::CommandError;
use crate::shard::Expires;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a key lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime<T> {
    /// There is no such key.
    NoKey,
    /// Until somebody deletes it.
    Forever,
    /// So long, or until then.
    Limited(T),
}

impl<T> Lifetime<T> {
    /// The limit, where there is one.
    #[must_use]
    pub fn limit(self) -> Option<T> {
        match self {
            Self::Limited(limit) => Some(limit),
            Self::NoKey | Self::Forever => None,
        }
    }
}

/// When a deadline is set: always, or depending on the one that the key has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// Always.
    #[default]
    Always,
    /// `NX`: only where the key has none.
    NoDeadline,
    /// `XX`: only where it has one.
    HasDeadline,
    /// `GT`: only where the new one is later.
    Later,
    /// `LT`: only where the new one is earlier.
    Earlier,
}

impl Condition {
    pub(super) fn word(self) -> Option<&'static [u8]> {
        match self {
            Self::Always => None,
            Self::NoDeadline => Some(b"NX"),
            Self::HasDeadline => Some(b"XX"),
            Self::Later => Some(b"GT"),
            Self::Earlier => Some(b"LT"),
        }
    }
}

/// Where [`Damselfly::copy_with`] copies to, and whether over what is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct CopyOptions {
    db: Option<usize>,
    replace: bool,
}

impl CopyOptions {
    /// Into the same database, not over an existing key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Into another database.
    pub fn db(mut self, db: usize) -> Self {
        self.db = Some(db);
        self
    }

    /// Over an existing key.
    pub fn replace(mut self) -> Self {
        self.replace = true;
        self
    }
}

impl Damselfly {
    /// Deletes a key; whether it existed. O(1): a large value is freed by another thread.
    ///
    /// # Errors
    /// [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/del/>
    #[inline]
    pub fn del(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.lessen(key.as_ref(), |keys, key| Ok(keys.delete(key)))
    }

    /// Deletes several keys at one moment; how many existed. O(keys).
    ///
    /// # Errors
    /// [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/del/>
    pub fn del_many<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Result<u64> {
        self.count_many(b"DEL", keys)
    }

    /// The same as [`del`](Self::del), which never frees a large value on the caller's time either.
    ///
    /// # Errors
    /// [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/unlink/>
    #[inline]
    pub fn unlink(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.del(key)
    }

    /// The same as [`del_many`](Self::del_many).
    ///
    /// # Errors
    /// [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/unlink/>
    pub fn unlink_many<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Result<u64> {
        self.count_many(b"UNLINK", keys)
    }

    /// Whether a key exists. O(1).
    ///
    /// # Errors
    /// [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/exists/>
    #[inline]
    pub fn exists(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.read(key.as_ref(), |keys, key| Ok(keys.seen(key).is_some()))
    }

    /// How many of several keys exist at one moment; one that is named twice counts twice. O(keys).
    ///
    /// # Errors
    /// [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/exists/>
    pub fn exists_many<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Result<u64> {
        self.count_many(b"EXISTS", keys)
    }

    /// Marks a key as used just now; whether it exists. O(1).
    ///
    /// # Errors
    /// [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/touch/>
    #[inline]
    pub fn touch(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.read(key.as_ref(), |keys, key| Ok(keys.touch(key)))
    }

    /// Marks several keys as used just now; how many exist. O(keys).
    ///
    /// # Errors
    /// [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/touch/>
    pub fn touch_many<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Result<u64> {
        self.count_many(b"TOUCH", keys)
    }

    fn count_many<K: AsRef<[u8]>>(&self, name: &[u8], keys: impl IntoIterator<Item = K>) -> Result<u64> {
        let keys = collect(keys);
        if keys.is_empty() { Ok(0) } else { reply::count(self.run_on(name, &keys, &[])?) }
    }

    /// The type of a key's value; `None` without the key. O(1).
    ///
    /// # Errors
    /// [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/type/>
    pub fn type_of(&self, key: impl AsRef<[u8]>) -> Result<Option<Type>> {
        self.read(key.as_ref(), |keys, key| Ok(keys.seen(key).map(|seen| seen.kind)))
    }

    /// Gives a key a deadline, counted from now, to the millisecond; whether it was set. O(1).
    ///
    /// A time of zero deletes the key. `EXPIRE` and `PEXPIRE` are the same here.
    ///
    /// # Errors
    /// [`CommandError::InvalidExpire`] for a time beyond what 64 bits hold.
    ///
    /// Reference: <https://valkey.io/commands/pexpire/>
    pub fn expire(&self, key: impl AsRef<[u8]>, after: Duration) -> Result<bool> {
        self.expire_if(key, after, Condition::Always)
    }

    /// Gives a key a deadline on a condition; whether it was set. O(1).
    ///
    /// # Errors
    /// As [`expire`](Self::expire).
    ///
    /// Reference: <https://valkey.io/commands/pexpire/>
    pub fn expire_if(&self, key: impl AsRef<[u8]>, after: Duration, only: Condition) -> Result<bool> {
        let ms = i64::try_from(ms_of(after)).map_err(|_| CommandError::InvalidExpire("pexpire"))?;
        self.deadline(b"PEXPIRE", key.as_ref(), ms, only)
    }

    /// Gives a key a deadline at a time, to the millisecond; whether it was set. O(1).
    ///
    /// A time in the past deletes the key. `EXPIREAT` and `PEXPIREAT` are the same here.
    ///
    /// # Errors
    /// [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/pexpireat/>
    pub fn expire_at(&self, key: impl AsRef<[u8]>, at: SystemTime) -> Result<bool> {
        self.expire_at_if(key, at, Condition::Always)
    }

    /// Gives a key a deadline at a time on a condition; whether it was set. O(1).
    ///
    /// # Errors
    /// [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/pexpireat/>
    pub fn expire_at_if(&self, key: impl AsRef<[u8]>, at: SystemTime, only: Condition) -> Result<bool> {
        self.deadline(b"PEXPIREAT", key.as_ref(), unix_ms(at), only)
    }

    fn deadline(&self, name: &[u8], key: &[u8], ms: i64, only: Condition) -> Result<bool> {
        let mut number = itoa::Buffer::new();
        let mut argv: Argv<'_> = Argv::from_slice(&[name, key, number.format(ms).as_bytes()]);
        argv.extend(only.word());
        reply::flag(self.run(&argv)?)
    }

    /// How long a key still lives, to the millisecond. O(1). `TTL` and `PTTL` are the same here.
    ///
    /// ```
    /// use damselfly::{Damselfly, embed::{Lifetime, SetOptions}};
    /// use std::time::Duration;
    ///
    /// let db = Damselfly::in_memory();
    /// db.set("k", "v")?;
    /// assert_eq!(db.ttl("k")?, Lifetime::Forever);
    /// db.expire("k", Duration::from_secs(60))?;
    /// assert!(db.ttl("k")?.limit() <= Some(Duration::from_secs(60)));
    /// assert_eq!(db.ttl("nope")?, Lifetime::NoKey);
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/pttl/>
    pub fn ttl(&self, key: impl AsRef<[u8]>) -> Result<Lifetime<Duration>> {
        self.read(key.as_ref(), |keys, key| {
            Ok(match keys.seen(key).map(|seen| seen.expires_at_ms) {
                None => Lifetime::NoKey,
                Some(None) => Lifetime::Forever,
                Some(Some(at_ms)) => {
                    Lifetime::Limited(Duration::from_millis(at_ms.saturating_sub(keys.now_ms())))
                }
            })
        })
    }

    /// When a key expires. O(1). `EXPIRETIME` and `PEXPIRETIME` are the same here.
    ///
    /// # Errors
    /// [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/pexpiretime/>
    pub fn expire_time(&self, key: impl AsRef<[u8]>) -> Result<Lifetime<SystemTime>> {
        self.read(key.as_ref(), |keys, key| {
            Ok(match keys.seen(key).map(|seen| seen.expires_at_ms) {
                None => Lifetime::NoKey,
                Some(None) => Lifetime::Forever,
                Some(Some(at_ms)) => Lifetime::Limited(UNIX_EPOCH + Duration::from_millis(at_ms)),
            })
        })
    }

    /// Takes a key's deadline away; whether it had one. O(1).
    ///
    /// # Errors
    /// [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/persist/>
    pub fn persist(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.lessen(key.as_ref(), |keys, key| {
            Ok(keys.update_expires(key, |old| if old.is_some() { Expires::Clear } else { Expires::Keep }))
        })
    }

    /// The keys of this database that match a glob pattern, all at one moment. O(keys in the database).
    ///
    /// It enters all shards: prefer [`scan`](Self::scan) on a database of any size.
    ///
    /// # Errors
    /// [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/keys/>
    pub fn keys(&self, pattern: impl AsRef<[u8]>) -> Result<Vec<Bytes>> {
        reply::strings(self.run(&[b"KEYS", pattern.as_ref()])?)
    }

    /// Iterates over the keys of this database, a few at a time, while others go on changing it.
    ///
    /// Every key that is there throughout is returned exactly once; one that comes or goes meanwhile at most once.
    ///
    /// ```
    /// let db = damselfly::Damselfly::in_memory();
    /// db.mset([("user:1", "ada"), ("user:2", "bob"), ("other", "x")])?;
    /// let mut users = db.scan().matching("user:*").collect::<Result<Vec<_>, _>>()?;
    /// users.sort();
    /// assert_eq!(users, ["user:1", "user:2"]);
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// Reference: <https://valkey.io/commands/scan/>
    pub fn scan(&self) -> Scan {
        Scan::new(self.clone())
    }

    /// Some key of this database, drawn at random; `None` where it is empty. Expected O(shards).
    ///
    /// # Errors
    /// [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/randomkey/>
    pub fn random_key(&self) -> Result<Option<Bytes>> {
        reply::optional(self.run(&[b"RANDOMKEY"])?, reply::string)
    }

    /// Renames a key, over whatever the new name holds. O(1).
    ///
    /// # Errors
    /// [`CommandError::NoSuchKey`].
    ///
    /// Reference: <https://valkey.io/commands/rename/>
    pub fn rename(&self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Result<()> {
        reply::ok(self.run(&[b"RENAME", from.as_ref(), to.as_ref()])?)
    }

    /// Renames a key unless the new name exists; whether it did. O(1).
    ///
    /// # Errors
    /// [`CommandError::NoSuchKey`].
    ///
    /// Reference: <https://valkey.io/commands/renamenx/>
    pub fn rename_nx(&self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Result<bool> {
        reply::flag(self.run(&[b"RENAMENX", from.as_ref(), to.as_ref()])?)
    }

    /// Copies a key with its deadline unless the destination exists; whether it did. O(size of the value).
    ///
    /// # Errors
    /// A text error where both names are the same.
    ///
    /// Reference: <https://valkey.io/commands/copy/>
    pub fn copy(&self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Result<bool> {
        self.copy_with(from, to, CopyOptions::new())
    }

    /// Copies a key into another database, or over an existing key; whether it did. O(size of the value).
    ///
    /// # Errors
    /// [`CommandError::DbIndexOutOfRange`]; a text error where source and destination are the same.
    ///
    /// Reference: <https://valkey.io/commands/copy/>
    pub fn copy_with(
        &self,
        from: impl AsRef<[u8]>,
        to: impl AsRef<[u8]>,
        options: CopyOptions,
    ) -> Result<bool> {
        let mut number = itoa::Buffer::new();
        let mut argv: Argv<'_> = Argv::from_slice(&[b"COPY", from.as_ref(), to.as_ref()]);
        if let Some(db) = options.db {
            argv.extend([&b"DB"[..], number.format(db).as_bytes()]);
        }
        if options.replace {
            argv.push(b"REPLACE");
        }
        reply::flag(self.run(&argv)?)
    }

    /// Moves a key to another database unless that has one of its name; whether it did. O(1).
    ///
    /// # Errors
    /// [`CommandError::DbIndexOutOfRange`]; a text error where it is the same database.
    ///
    /// Reference: <https://valkey.io/commands/move/>
    pub fn move_to(&self, key: impl AsRef<[u8]>, db: usize) -> Result<bool> {
        let mut number = itoa::Buffer::new();
        reply::flag(self.run(&[b"MOVE", key.as_ref(), number.format(db).as_bytes()])?)
    }

    /// How many keys this database has. O(shards).
    ///
    /// # Errors
    /// [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/dbsize/>
    pub fn dbsize(&self) -> Result<u64> {
        super::inside::check()?;
        Ok(self.engine.keys_len(self.db).0 as u64)
    }

    /// Deletes all keys of this database. O(1) for the caller: they are freed by another thread.
    ///
    /// # Errors
    /// [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/flushdb/>
    pub fn flush_db(&self) -> Result<()> {
        reply::ok(self.run(&[b"FLUSHDB"])?)
    }

    /// Deletes all keys of all databases. O(databases) for the caller.
    ///
    /// # Errors
    /// [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/flushall/>
    pub fn flush_all(&self) -> Result<()> {
        reply::ok(self.run(&[b"FLUSHALL"])?)
    }
}

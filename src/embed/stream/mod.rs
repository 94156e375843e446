//! Streams: [`Damselfly::stream`] gives a handle on one key, whose methods are the commands without their first letter.
//!
//! ```
//! use damselfly::{Damselfly, embed::{ReadFrom, StreamId}};
//! use std::time::Duration;
//!
//! let db = Damselfly::in_memory();
//! let orders = db.stream("orders");
//! let first = orders.add([("item", "tea"), ("price", "3")])?;
//! orders.add([("item", "cake"), ("price", "5")])?;
//! assert_eq!(orders.len()?, 2);
//!
//! // Everybody may read everything.
//! let entries = orders.read(StreamId::MIN, 10, Some(Duration::ZERO)).wait()?;
//! assert_eq!(entries[0].id, first);
//! assert_eq!(entries[1].get("item").map(|item| &item[..]), Some(&b"cake"[..]));
//!
//! // A group shares the work.
//! orders.create_group("kitchen", ReadFrom::After(StreamId::MIN), false)?;
//! let work = orders.read_group("kitchen", "alice", ReadFrom::New, 1, None).wait()?;
//! assert_eq!(work[0].id, first);
//! assert_eq!(orders.ack("kitchen", [first])?, 1);
//! # Ok::<(), damselfly::embed::Error>(())
//! ```

mod types;

pub use types::{
    AddOptions, Autoclaimed, ClaimOptions, ConsumerInfo, GroupInfo, ReadFrom, StreamEntry, StreamId,
    StreamInfo, StreamPending, StreamTrim,
};

use super::blocking::{Blocking, boxed};
use super::string::ms_of;
use super::{Argv, Bytes, Damselfly, Error, Result, reply};
use crate::command::error::CommandError;
use crate::command::stream::add_now;
use crate::reply::Reply;
use crate::value::stream::{Id, Log, Range};
use smallvec::SmallVec;
use std::ops::{Bound, RangeBounds};
use std::time::Duration;

/// A stream under its key. See the example of [the module](Damselfly::stream).
#[derive(Clone, Copy, Debug)]
#[must_use = "a handle does nothing until a method is called"]
pub struct Stream<'a> {
    db: &'a Damselfly,
    key: &'a [u8],
}

impl Damselfly {
    /// The stream under a key.
    ///
    /// ```
    /// let db = damselfly::Damselfly::in_memory();
    /// let log = db.stream("log");
    /// let id = log.add([("level", "info"), ("text", "started")])?;
    /// assert_eq!(log.range(id.., 10)?[0].get("level").map(|level| &level[..]), Some(&b"info"[..]));
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    pub fn stream<'a, K: AsRef<[u8]> + ?Sized>(&'a self, key: &'a K) -> Stream<'a> {
        Stream { db: self, key: key.as_ref() }
    }

    /// Reads several streams, each from its own place on, up to `max` entries of each; waits for some where there are
    /// none: a `timeout` of `None` for ever, one of zero not at all. Nothing when the time is up. O(entries).
    ///
    /// # Errors
    /// [`CommandError::WrongType`]; where others ended the wait, [`CommandError::Unblocked`] or [`Error::Closed`].
    ///
    /// Reference: <https://valkey.io/commands/xread/>
    pub fn xread<K: AsRef<[u8]>>(
        &self,
        streams: impl IntoIterator<Item = (K, ReadFrom)>,
        max: u64,
        timeout: Option<Duration>,
    ) -> Blocking<Vec<(Bytes, Vec<StreamEntry>)>> {
        self.read_streams(boxed(["XREAD"]), streams, (max, timeout), "$", by_stream)
    }

    /// The same for a consumer of a group, which stands on all of them: what the group was not given yet, or what is
    /// pending with the consumer. An entry stays pending until it is [acknowledged](Stream::ack), also where a future
    /// that was given it is dropped. O(entries log pending).
    ///
    /// # Errors
    /// As [`xread`](Self::xread), and `NOGROUP` where a stream or its group does not exist or goes while this waits.
    ///
    /// Reference: <https://valkey.io/commands/xreadgroup/>
    pub fn xread_group<K: AsRef<[u8]>>(
        &self,
        group: impl AsRef<[u8]>,
        consumer: impl AsRef<[u8]>,
        streams: impl IntoIterator<Item = (K, ReadFrom)>,
        max: u64,
        timeout: Option<Duration>,
    ) -> Blocking<Vec<(Bytes, Vec<StreamEntry>)>> {
        let argv = boxed([&b"XREADGROUP"[..], b"GROUP", group.as_ref(), consumer.as_ref()]);
        self.read_streams(argv, streams, (max, timeout), ">", by_stream)
    }

    fn read_streams<K: AsRef<[u8]>, T>(
        &self,
        mut argv: Vec<Box<[u8]>>,
        streams: impl IntoIterator<Item = (K, ReadFrom)>,
        (max, timeout): (u64, Option<Duration>),
        new: &str,
        convert: fn(Reply) -> Result<T>,
    ) -> Blocking<T> {
        // Zero is no limit to the command, and so it is here.
        argv.extend(boxed(["COUNT", &max.min(i64::MAX as u64).to_string()]));
        match timeout {
            None => argv.extend(boxed(["BLOCK", "0"])),
            Some(time) if time.is_zero() => {}
            Some(time) => {
                argv.extend(boxed(["BLOCK", &ms_of(time).clamp(1, i64::MAX as u64 / 2).to_string()]))
            }
        }
        argv.extend(boxed(["STREAMS"]));
        let mut ids = Vec::new();
        for (key, from) in streams {
            argv.push(key.as_ref().into());
            ids.push(match from {
                ReadFrom::After(id) => id.to_string(),
                ReadFrom::New => new.to_owned(),
            });
        }
        argv.extend(boxed(ids));
        Blocking::new(self, argv, false, convert)
    }
}

impl<'a> Stream<'a> {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &'a [u8] {
        self.key
    }

    fn run(&self, argv: &[&[u8]]) -> Result<Reply> {
        self.db.run(argv)
    }

    /// Runs a command on this key: its name, the key, the rest.
    fn run_with(&self, name: &str, rest: &[Box<[u8]>]) -> Result<Reply> {
        let mut argv: Argv<'_> = Argv::from_slice(&[name.as_bytes(), self.key]);
        argv.extend(rest.iter().map(|arg| &**arg));
        self.run(&argv)
    }

    /// Adds an entry under an ID of the clock's, making the stream where there is none; the ID. O(bytes).
    ///
    /// # Errors
    /// [`CommandError::WrongType`]; [`CommandError::WrongArity`] without any field.
    ///
    /// Reference: <https://valkey.io/commands/xadd/>
    #[inline]
    pub fn add<F: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        fields: impl IntoIterator<Item = (F, V)>,
    ) -> Result<StreamId> {
        let fields: SmallVec<[(F, V); 4]> = fields.into_iter().collect();
        let pairs: Argv<'_> =
            fields.iter().flat_map(|(field, value)| [field.as_ref(), value.as_ref()]).collect();
        if pairs.is_empty() {
            return Err(CommandError::WrongArity("xadd").into());
        }
        let longest = pairs.iter().map(|part| part.len()).max().unwrap_or(0);
        self.db.write(self.key, longest, |keys, key| {
            let id = add_now(keys, key, &pairs)?;
            if keys.shard().is_journaled {
                let id = id.to_string();
                keys.tell([b"XADD", key.bytes, id.as_bytes()].into_iter().chain(pairs.iter().copied()));
            }
            Ok(id)
        })
    }

    /// Adds an entry with options; its ID, `None` where there is no stream and none may be made. O(bytes), and
    /// O(entries removed) where it trims.
    ///
    /// # Errors
    /// [`CommandError::WrongType`]; a text error for an ID that is not greater than the last one.
    ///
    /// Reference: <https://valkey.io/commands/xadd/>
    pub fn add_with<F: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        fields: impl IntoIterator<Item = (F, V)>,
        options: AddOptions,
    ) -> Result<Option<StreamId>> {
        let mut argv = Vec::new();
        if options.no_create {
            argv.extend(boxed(["NOMKSTREAM"]));
        }
        if let Some(trim) = options.trim {
            trim.words(&mut argv);
        }
        argv.extend(boxed([options.id.map_or_else(|| "*".to_owned(), |id| id.to_string())]));
        for (field, value) in fields {
            argv.extend(boxed([field.as_ref(), value.as_ref()]));
        }
        reply::optional(self.run_with("XADD", &argv)?, id)
    }

    /// The number of entries, 0 without the key. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/xlen/>
    #[inline]
    pub fn len(&self) -> Result<u64> {
        self.db.read(self.key, |keys, key| Ok(keys.stream(key)?.map_or(0, |stream| stream.log().len())))
    }

    /// Whether there is no entry. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The first `max` entries in a range of IDs. O(log n + entries).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/xrange/>
    pub fn range(&self, ids: impl RangeBounds<StreamId>, max: usize) -> Result<Vec<StreamEntry>> {
        self.entries(ends(&ids), max, Log::range)
    }

    /// The last `max` entries in a range of IDs, the last one first. O(log n + entries).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/xrevrange/>
    pub fn range_reverse(&self, ids: impl RangeBounds<StreamId>, max: usize) -> Result<Vec<StreamEntry>> {
        self.entries(ends(&ids), max, Log::range_reverse)
    }

    fn entries(
        &self,
        ends: Option<(StreamId, StreamId)>,
        max: usize,
        range: for<'l> fn(&'l Log, Id, Id) -> Range<'l>,
    ) -> Result<Vec<StreamEntry>> {
        self.db.read(self.key, |keys, key| {
            let (Some(stream), Some((start, end))) = (keys.stream(key)?, ends) else { return Ok(Vec::new()) };
            Ok(range(stream.log(), start, end).take(max).map(|entry| StreamEntry::of(&entry)).collect())
        })
    }

    /// Reads up to `max` entries from a place on, and waits for some where there are none: a `timeout` of `None` for
    /// ever, one of zero not at all. Nothing when the time is up. O(entries).
    ///
    /// ```
    /// # use damselfly::{Damselfly, embed::ReadFrom};
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let db = Damselfly::in_memory();
    /// db.stream("s").add([("n", "1")])?;
    /// let next = tokio::spawn(db.stream("s").read(ReadFrom::New, 10, None));
    /// tokio::task::yield_now().await;
    /// db.stream("s").add([("n", "2")])?;
    /// assert_eq!(next.await.unwrap()?[0].get("n").map(|n| &n[..]), Some(&b"2"[..]));
    /// # Ok::<(), damselfly::embed::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`CommandError::WrongType`]; where others ended the wait, [`CommandError::Unblocked`] or [`Error::Closed`].
    ///
    /// Reference: <https://valkey.io/commands/xread/>
    pub fn read(
        &self,
        from: impl Into<ReadFrom>,
        max: u64,
        timeout: Option<Duration>,
    ) -> Blocking<Vec<StreamEntry>> {
        let streams = [(self.key, from.into())];
        self.db.read_streams(boxed(["XREAD"]), streams, (max, timeout), "$", only)
    }

    /// Reads up to `max` entries for a consumer of a group, which is made where there is none: what the group was not
    /// given yet, for which it may wait, or what is pending with the consumer. An entry stays pending until it is
    /// [acknowledged](Self::ack), also where a future that was given it is dropped. O(entries log pending).
    ///
    /// # Errors
    /// As [`read`](Self::read), and `NOGROUP` where the stream or its group does not exist or goes while this waits.
    ///
    /// Reference: <https://valkey.io/commands/xreadgroup/>
    pub fn read_group(
        &self,
        group: impl AsRef<[u8]>,
        consumer: impl AsRef<[u8]>,
        from: impl Into<ReadFrom>,
        max: u64,
        timeout: Option<Duration>,
    ) -> Blocking<Vec<StreamEntry>> {
        let argv = boxed([&b"XREADGROUP"[..], b"GROUP", group.as_ref(), consumer.as_ref()]);
        self.db.read_streams(argv, [(self.key, from.into())], (max, timeout), ">", only)
    }

    /// Deletes entries; how many there were. O(log n) for each.
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/xdel/>
    pub fn delete(&self, ids: impl IntoIterator<Item = StreamId>) -> Result<u64> {
        self.count_of("XDEL", None, ids)
    }

    fn count_of(
        &self,
        name: &str,
        group: Option<&[u8]>,
        ids: impl IntoIterator<Item = StreamId>,
    ) -> Result<u64> {
        let mut argv: Vec<Box<[u8]>> = group.map(Into::into).into_iter().collect();
        let before = argv.len();
        argv.extend(ids.into_iter().map(|id| id.to_string().into_bytes().into()));
        if argv.len() == before { Ok(0) } else { reply::count(self.run_with(name, &argv)?) }
    }

    /// Removes entries from the front; how many. O(entries removed).
    ///
    /// # Errors
    /// [`CommandError::WrongType`]; a text error for a limit without [`approximately`](StreamTrim::approximately).
    ///
    /// Reference: <https://valkey.io/commands/xtrim/>
    pub fn trim(&self, trim: StreamTrim) -> Result<u64> {
        let mut argv = Vec::new();
        trim.words(&mut argv);
        reply::count(self.run_with("XTRIM", &argv)?)
    }

    /// Sets the last ID that was given out, and where given how many entries were ever added and which was the greatest
    /// ID to be deleted. O(1).
    ///
    /// # Errors
    /// [`CommandError::NoSuchKey`], [`CommandError::WrongType`]; a text error where the stream holds more.
    ///
    /// Reference: <https://valkey.io/commands/xsetid/>
    pub fn set_id(
        &self,
        last_id: StreamId,
        entries_added: Option<u64>,
        max_deleted_id: Option<StreamId>,
    ) -> Result<()> {
        let mut argv = boxed([last_id.to_string()]);
        if let Some(count) = entries_added {
            argv.extend(boxed(["ENTRIESADDED", &count.to_string()]));
        }
        if let Some(id) = max_deleted_id {
            argv.extend(boxed(["MAXDELETEDID", &id.to_string()]));
        }
        reply::ok(self.run_with("XSETID", &argv)?)
    }

    /// What is known of the stream; `None` without the key. O(nodes).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/xinfo-stream/>
    pub fn info(&self) -> Result<Option<StreamInfo>> {
        let Some(mut map) = Map::of(self.run(&[b"XINFO", b"STREAM", self.key]))? else { return Ok(None) };
        Ok(Some(StreamInfo {
            len: reply::count(map.take("length"))?,
            last_id: id(map.take("last-generated-id"))?,
            max_deleted_id: id(map.take("max-deleted-entry-id"))?,
            entries_added: reply::int(map.take("entries-added"))? as u64,
            groups: reply::count(map.take("groups"))?,
            first: reply::optional(map.take("first-entry"), entry)?,
            last: reply::optional(map.take("last-entry"), entry)?,
        }))
    }

    /// Makes a consumer group that reads from a place on, and with `make_stream` an empty stream where there is none;
    /// whether there was no such group. O(log groups).
    ///
    /// # Errors
    /// [`CommandError::WrongType`]; a text error without the key.
    ///
    /// Reference: <https://valkey.io/commands/xgroup-create/>
    pub fn create_group(
        &self,
        group: impl AsRef<[u8]>,
        from: impl Into<ReadFrom>,
        make_stream: bool,
    ) -> Result<bool> {
        let from = start(from.into());
        let mut argv: Argv<'_> =
            Argv::from_slice(&[b"XGROUP", b"CREATE", self.key, group.as_ref(), from.as_bytes()]);
        if make_stream {
            argv.push(b"MKSTREAM");
        }
        match self.run(&argv) {
            Ok(done) => reply::ok(done).map(|()| true),
            Err(Error::Command(error)) if error.to_string().starts_with("BUSYGROUP ") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Has a group read from another place on. O(log groups).
    ///
    /// # Errors
    /// [`CommandError::WrongType`]; a text error without the key, `NOGROUP` without the group.
    ///
    /// Reference: <https://valkey.io/commands/xgroup-setid/>
    pub fn set_group_id(&self, group: impl AsRef<[u8]>, from: impl Into<ReadFrom>) -> Result<()> {
        let from = start(from.into());
        reply::ok(self.run(&[b"XGROUP", b"SETID", self.key, group.as_ref(), from.as_bytes()])?)
    }

    /// Removes a group; whether there was one. Those who wait for it are told. O(what is pending).
    ///
    /// # Errors
    /// [`CommandError::WrongType`]; a text error without the key.
    ///
    /// Reference: <https://valkey.io/commands/xgroup-destroy/>
    pub fn destroy_group(&self, group: impl AsRef<[u8]>) -> Result<bool> {
        reply::flag(self.run(&[b"XGROUP", b"DESTROY", self.key, group.as_ref()])?)
    }

    /// Makes a consumer; whether there was no such one. O(log consumers).
    ///
    /// # Errors
    /// [`CommandError::WrongType`]; a text error without the key, `NOGROUP` without the group.
    ///
    /// Reference: <https://valkey.io/commands/xgroup-createconsumer/>
    pub fn create_consumer(&self, group: impl AsRef<[u8]>, consumer: impl AsRef<[u8]>) -> Result<bool> {
        let argv = [&b"XGROUP"[..], b"CREATECONSUMER", self.key, group.as_ref(), consumer.as_ref()];
        reply::flag(self.run(&argv)?)
    }

    /// Removes a consumer with all that is pending with it; how much that was. O(what is pending with it).
    ///
    /// # Errors
    /// [`CommandError::WrongType`]; a text error without the key, `NOGROUP` without the group.
    ///
    /// Reference: <https://valkey.io/commands/xgroup-delconsumer/>
    pub fn delete_consumer(&self, group: impl AsRef<[u8]>, consumer: impl AsRef<[u8]>) -> Result<u64> {
        let argv = [&b"XGROUP"[..], b"DELCONSUMER", self.key, group.as_ref(), consumer.as_ref()];
        reply::count(self.run(&argv)?)
    }

    /// What is known of each group, in the order of their names; nothing without the key. O(groups).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/xinfo-groups/>
    pub fn groups(&self) -> Result<Vec<GroupInfo>> {
        each(self.run(&[b"XINFO", b"GROUPS", self.key]), |mut map| {
            Ok(GroupInfo {
                name: reply::string(map.take("name"))?,
                consumers: reply::count(map.take("consumers"))?,
                pending: reply::count(map.take("pending"))?,
                last_id: id(map.take("last-delivered-id"))?,
                entries_read: reply::optional(map.take("entries-read"), reply::int)?,
                lag: reply::optional(map.take("lag"), reply::int)?,
            })
        })
    }

    /// What is known of each consumer of a group, in the order of their names; nothing without the key. O(consumers).
    ///
    /// # Errors
    /// [`CommandError::WrongType`]; `NOGROUP` without the group.
    ///
    /// Reference: <https://valkey.io/commands/xinfo-consumers/>
    pub fn consumers(&self, group: impl AsRef<[u8]>) -> Result<Vec<ConsumerInfo>> {
        each(self.run(&[b"XINFO", b"CONSUMERS", self.key, group.as_ref()]), |mut map| {
            Ok(ConsumerInfo {
                name: reply::string(map.take("name"))?,
                pending: reply::count(map.take("pending"))?,
                idle: Duration::from_millis(reply::count(map.take("idle"))?),
                inactive: u64::try_from(reply::int(map.take("inactive"))?).ok().map(Duration::from_millis),
            })
        })
    }

    /// Acknowledges what was delivered to the group's consumers; how much of it was pending. O(log pending) for each.
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/xack/>
    pub fn ack(&self, group: impl AsRef<[u8]>, ids: impl IntoIterator<Item = StreamId>) -> Result<u64> {
        self.count_of("XACK", Some(group.as_ref()), ids)
    }

    /// Up to `max` deliveries of a group, or of one of its consumers, that were not acknowledged, in a range of IDs and
    /// at least so long ago. O(what is looked at).
    ///
    /// # Errors
    /// [`CommandError::WrongType`]; `NOGROUP` without the key or the group.
    ///
    /// Reference: <https://valkey.io/commands/xpending/>
    pub fn pending(
        &self,
        group: impl AsRef<[u8]>,
        consumer: Option<&[u8]>,
        ids: impl RangeBounds<StreamId>,
        min_idle: Duration,
        max: u64,
    ) -> Result<Vec<StreamPending>> {
        let Some((from, to)) = ends(&ids) else { return Ok(Vec::new()) };
        let (from, to) = (from.to_string(), to.to_string());
        let (idle, max) = (ms(min_idle), max.min(i64::MAX as u64).to_string());
        let mut argv = boxed([group.as_ref(), b"IDLE", idle.as_bytes(), from.as_bytes(), to.as_bytes()]);
        argv.extend(boxed([max]));
        argv.extend(consumer.map(Into::into));
        reply::list(self.run_with("XPENDING", &argv)?, |line| {
            let mut parts = parts::<4>(line)?.into_iter();
            let mut next = || parts.next().unwrap_or(Reply::Null);
            Ok(StreamPending {
                id: id(next())?,
                consumer: reply::string(next())?,
                idle: Duration::from_millis(reply::count(next())?),
                deliveries: reply::int(next())? as u64,
            })
        })
    }

    /// Hands entries that were delivered to others, at least so long ago, to a consumer, which is made where there is
    /// none; the entries that it got. O(log pending) for each.
    ///
    /// # Errors
    /// [`CommandError::WrongType`]; `NOGROUP` without the key or the group.
    ///
    /// Reference: <https://valkey.io/commands/xclaim/>
    pub fn claim(
        &self,
        group: impl AsRef<[u8]>,
        consumer: impl AsRef<[u8]>,
        min_idle: Duration,
        ids: impl IntoIterator<Item = StreamId>,
        options: ClaimOptions,
    ) -> Result<Vec<StreamEntry>> {
        let mut argv = boxed([group.as_ref(), consumer.as_ref(), ms(min_idle).as_bytes()]);
        let before = argv.len();
        argv.extend(ids.into_iter().map(|id| id.to_string().into_bytes().into()));
        if argv.len() == before {
            return Ok(Vec::new());
        }
        if let Some(idle) = options.idle {
            argv.extend(boxed(["IDLE", &ms(idle)]));
        }
        if let Some(count) = options.deliveries {
            argv.extend(boxed(["RETRYCOUNT", &count.min(i64::MAX as u64).to_string()]));
        }
        if options.force {
            argv.extend(boxed(["FORCE"]));
        }
        reply::list(self.run_with("XCLAIM", &argv)?, entry)
    }

    /// Hands up to `max` entries that were delivered to others, at least so long ago, to a consumer, which is made where
    /// there is none; goes through what is pending from `start` on. O(max log pending).
    ///
    /// # Errors
    /// [`CommandError::WrongType`]; `NOGROUP` without the key or the group; a text error for a `max` of 0.
    ///
    /// Reference: <https://valkey.io/commands/xautoclaim/>
    pub fn autoclaim(
        &self,
        group: impl AsRef<[u8]>,
        consumer: impl AsRef<[u8]>,
        min_idle: Duration,
        start: StreamId,
        max: u64,
    ) -> Result<Autoclaimed> {
        let mut argv = boxed([group.as_ref(), consumer.as_ref(), ms(min_idle).as_bytes()]);
        argv.extend(boxed([&start.to_string(), "COUNT", &max.to_string()]));
        let mut parts = parts::<3>(self.run_with("XAUTOCLAIM", &argv)?)?.into_iter();
        let mut next = || parts.next().unwrap_or(Reply::Null);
        Ok(Autoclaimed {
            next: id(next())?,
            entries: reply::list(next(), entry)?,
            deleted: reply::list(next(), id)?,
        })
    }
}

fn ms(time: Duration) -> String {
    ms_of(time).min(i64::MAX as u64).to_string()
}

/// A place to read from, as `XGROUP` has it.
fn start(from: ReadFrom) -> String {
    match from {
        ReadFrom::After(id) => id.to_string(),
        ReadFrom::New => "$".to_owned(),
    }
}

/// The ends of a range, both included; `None` where nothing lies between them.
fn ends(ids: &impl RangeBounds<StreamId>) -> Option<(StreamId, StreamId)> {
    let start = match ids.start_bound() {
        Bound::Included(&id) => id,
        Bound::Excluded(id) => id.next()?,
        Bound::Unbounded => Id::MIN,
    };
    let end = match ids.end_bound() {
        Bound::Included(&id) => id,
        Bound::Excluded(id) => id.prev()?,
        Bound::Unbounded => Id::MAX,
    };
    Some((start, end))
}

fn id(reply: Reply) -> Result<StreamId> {
    match reply.as_bytes().and_then(Id::parse) {
        Some(id) => Ok(id),
        None => Err(Error::UnexpectedReply(reply)),
    }
}

/// A sequence of `N`.
fn parts<const N: usize>(reply: Reply) -> Result<[Reply; N]> {
    match reply {
        Reply::Array(items) => {
            <[Reply; N]>::try_from(items).map_err(|items| Error::UnexpectedReply(Reply::Array(items)))
        }
        other => Err(Error::UnexpectedReply(other)),
    }
}

fn entry(reply: Reply) -> Result<StreamEntry> {
    let fields = |reply| {
        let flat = reply::optional(reply, reply::strings)?.unwrap_or_default();
        let mut flat = flat.into_iter();
        Ok(std::iter::from_fn(|| Some((flat.next()?, flat.next()?))).collect())
    };
    let (id, fields) = reply::pair(reply, id, fields)?;
    Ok(StreamEntry { id, fields })
}

/// What `XREAD` gives: entries by stream, or nothing.
fn by_stream(reply: Reply) -> Result<Vec<(Bytes, Vec<StreamEntry>)>> {
    match reply {
        Reply::Null => Ok(Vec::new()),
        Reply::Map(pairs) => pairs
            .into_iter()
            .map(|(key, entries)| Ok((reply::string(key)?, reply::list(entries, entry)?)))
            .collect(),
        other => Err(Error::UnexpectedReply(other)),
    }
}

/// What `XREAD` gives of one stream.
fn only(reply: Reply) -> Result<Vec<StreamEntry>> {
    Ok(by_stream(reply)?.pop().map_or_else(Vec::new, |(_, entries)| entries))
}

/// A map whose values are taken by name.
struct Map(Vec<(Reply, Reply)>);

impl Map {
    /// The map, `None` without the key.
    fn of(reply: Result<Reply>) -> Result<Option<Self>> {
        match reply {
            Ok(Reply::Map(pairs)) => Ok(Some(Self(pairs))),
            Ok(other) => Err(Error::UnexpectedReply(other)),
            Err(Error::Command(CommandError::NoSuchKey)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The value of this name; null where there is none, which its reader refuses.
    fn take(&mut self, name: &str) -> Reply {
        let at = self.0.iter().position(|(key, _)| key.as_bytes() == Some(name.as_bytes()));
        at.map_or(Reply::Null, |at| self.0.swap_remove(at).1)
    }
}

/// A sequence of maps, nothing without the key.
fn each<T>(reply: Result<Reply>, convert: impl Fn(Map) -> Result<T>) -> Result<Vec<T>> {
    match reply {
        Err(Error::Command(CommandError::NoSuchKey)) => Ok(Vec::new()),
        Err(error) => Err(error),
        Ok(reply) => reply::list(reply, |item| match item {
            Reply::Map(pairs) => convert(Map(pairs)),
            other => Err(Error::UnexpectedReply(other)),
        }),
    }
}

#[cfg(test)]
mod tests;

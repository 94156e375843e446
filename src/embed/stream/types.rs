//! What the calls of streams take and return.

use crate::embed::Bytes;
use crate::embed::blocking::boxed;
use crate::value::stream::{Entry, Id};
use std::time::Duration;

/// The ID of an entry.
pub type StreamId = Id;

/// An entry of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamEntry {
    /// Its ID.
    pub id: StreamId,
    /// Its fields with their values, in the order in which they were given. There are none where the entry is still
    /// pending but was deleted from the stream.
    pub fields: Vec<(Bytes, Bytes)>,
}

impl StreamEntry {
    /// The value of the first field of this name. O(fields).
    #[must_use]
    pub fn get(&self, field: impl AsRef<[u8]>) -> Option<&Bytes> {
        self.fields.iter().find(|(name, _)| name == field.as_ref()).map(|(_, value)| value)
    }

    pub(super) fn of(entry: &Entry<'_>) -> Self {
        let fields = entry.fields().map(|(field, value)| (field.to_shared(), value.to_shared()));
        Self { id: entry.id, fields: fields.collect() }
    }
}

/// From where a stream is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// Behind this ID; for a consumer of a group what is pending with it behind this ID.
    After(StreamId),
    /// What comes from now on; for a group what it has not been given yet.
    New,
}

impl From<StreamId> for ReadFrom {
    fn from(id: StreamId) -> Self {
        Self::After(id)
    }
}

/// How a stream is trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct StreamTrim {
    to: TrimTo,
    approximately: bool,
    limit: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TrimTo {
    MaxLen(u64),
    MinId(StreamId),
}

impl StreamTrim {
    /// Leaves so many entries, the last ones.
    pub fn max_len(len: u64) -> Self {
        Self { to: TrimTo::MaxLen(len), approximately: false, limit: None }
    }

    /// Leaves entries from this ID on.
    pub fn min_id(id: StreamId) -> Self {
        Self { to: TrimTo::MinId(id), approximately: false, limit: None }
    }

    /// Removes only what can be removed a whole node at a time, which is cheaper and leaves a few more.
    pub fn approximately(mut self) -> Self {
        self.approximately = true;
        self
    }

    /// Removes so many entries at most; 0 for no limit. For approximate trimming only.
    pub fn limit(mut self, entries: u64) -> Self {
        self.limit = Some(entries);
        self
    }

    pub(super) fn words(self, argv: &mut Vec<Box<[u8]>>) {
        let (word, threshold) = match self.to {
            TrimTo::MaxLen(len) => ("MAXLEN", len.min(i64::MAX as u64).to_string()),
            TrimTo::MinId(id) => ("MINID", id.to_string()),
        };
        argv.extend(boxed([word, if self.approximately { "~" } else { "=" }, &threshold]));
        if let Some(limit) = self.limit {
            argv.extend(boxed(["LIMIT", &limit.min(i64::MAX as u64).to_string()]));
        }
    }
}

/// How [`Stream::add_with`](super::Stream::add_with) adds an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct AddOptions {
    pub(super) id: Option<StreamId>,
    pub(super) no_create: bool,
    pub(super) trim: Option<StreamTrim>,
}

impl AddOptions {
    /// An ID of the clock's, in a stream that is made where there is none, without trimming.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the entry this ID, which must be greater than the last one.
    pub fn id(mut self, id: StreamId) -> Self {
        self.id = Some(id);
        self
    }

    /// Adds nothing where there is no stream.
    pub fn no_create(mut self) -> Self {
        self.no_create = true;
        self
    }

    /// Trims the stream afterwards.
    pub fn trim(mut self, trim: StreamTrim) -> Self {
        self.trim = Some(trim);
        self
    }
}

/// How [`Stream::claim`](super::Stream::claim) notes what it claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct ClaimOptions {
    pub(super) idle: Option<Duration>,
    pub(super) deliveries: Option<u64>,
    pub(super) force: bool,
}

impl ClaimOptions {
    /// As a delivery of this moment, one more than before.
    pub fn new() -> Self {
        Self::default()
    }

    /// As one that was made so long ago.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// As the n-th one.
    pub fn deliveries(mut self, count: u64) -> Self {
        self.deliveries = Some(count);
        self
    }

    /// Claims entries that are not pending, too.
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }
}

/// What [`Stream::autoclaim`](super::Stream::autoclaim) did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Autoclaimed {
    /// Where to go on; `0-0` when it went through everything.
    pub next: StreamId,
    /// What was claimed.
    pub entries: Vec<StreamEntry>,
    /// What was pending but is deleted from the stream, and is pending no more.
    pub deleted: Vec<StreamId>,
}

/// A delivery that was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPending {
    /// The entry's ID.
    pub id: StreamId,
    /// Who has it.
    pub consumer: Bytes,
    /// How long ago it was delivered.
    pub idle: Duration,
    /// How often.
    pub deliveries: u64,
}

/// What is known of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// Entries.
    pub len: u64,
    /// The last ID that was given out.
    pub last_id: StreamId,
    /// The greatest ID that was deleted.
    pub max_deleted_id: StreamId,
    /// Entries that were ever added.
    pub entries_added: u64,
    /// Consumer groups.
    pub groups: u64,
    /// The first entry.
    pub first: Option<StreamEntry>,
    /// The last one.
    pub last: Option<StreamEntry>,
}

/// What is known of a consumer group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupInfo {
    /// Its name.
    pub name: Bytes,
    /// Consumers.
    pub consumers: u64,
    /// Deliveries that were not acknowledged.
    pub pending: u64,
    /// The last ID that was delivered.
    pub last_id: StreamId,
    /// Entries that were read, as far as that can be told.
    pub entries_read: Option<i64>,
    /// Entries that are still to be read, as far as that can be told.
    pub lag: Option<i64>,
}

/// What is known of a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerInfo {
    /// Its name.
    pub name: Bytes,
    /// Deliveries that it did not acknowledge.
    pub pending: u64,
    /// Since it last asked for anything.
    pub idle: Duration,
    /// Since it last got anything; `None` for never.
    pub inactive: Option<Duration>,
}

//! Streams under their keys: always an object, which stays when it has no entries.

use super::StreamNodeLimit;
use super::collection::{Change, Place, Prepared, Stored};
use super::db::Object;
use super::entry::Type;
use super::keyspace::{Key, Keyspace, WrongType};
use crate::value::stream::{NodeLimit, Stream};

impl From<StreamNodeLimit> for NodeLimit {
    fn from(limit: StreamNodeLimit) -> Self {
        NodeLimit { bytes_max: limit.bytes_max, entries_max: limit.entries_max }
    }
}

/// What a change of a stream did; see [`Keyspace::update_stream`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamChange {
    /// How many changes it counts as; 0 where everything is as before.
    pub dirty: u64,
    /// Whether it concerned entries: what happens to groups alone is no change for those who watch the key.
    pub entries: bool,
    /// Whether those who wait for the stream must look at it: an entry was added, or a group was removed.
    pub wakes: bool,
}

impl Keyspace<'_> {
    /// A key's stream, to be read. O(1).
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    #[inline]
    pub fn stream(&mut self, key: Key<'_>) -> Result<Option<&Stream>, WrongType> {
        match self.read_as(key, Type::Stream)? {
            Stored::Object(Object::Stream(stream)) => Ok(Some(stream)),
            Stored::Absent => Ok(None),
            Stored::Packed(..) | Stored::Object(_) => Err(WrongType),
        }
    }

    /// The same on the way to changing it: counts no hit or miss. O(1).
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    pub fn peek_stream(&mut self, key: Key<'_>) -> Result<Option<&Stream>, WrongType> {
        match self.peek_as(key, Type::Stream)? {
            Stored::Object(Object::Stream(stream)) => Ok(Some(stream)),
            Stored::Absent => Ok(None),
            Stored::Packed(..) | Stored::Object(_) => Err(WrongType),
        }
    }

    /// Lets `f` change a key's stream, which is made where there is none and `create` says so; `None` where there is
    /// none. O(1) but for what `f` does.
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    #[inline]
    pub fn update_stream<R>(
        &mut self,
        key: Key<'_>,
        create: bool,
        f: impl FnOnce(&mut Stream) -> (R, StreamChange),
    ) -> Result<Option<R>, WrongType> {
        let mut unseen = 0;
        let result = self.update(
            key,
            Type::Stream,
            |stored, _| match stored {
                Stored::Absent if create => Prepared::Object(Object::Stream(Box::default())),
                _ => Prepared::AsItIs,
            },
            |place| {
                let Place::Object(Object::Stream(stream)) = place else {
                    unreachable!("the entry's kind names its object")
                };
                let (result, StreamChange { dirty, entries, wakes }) = f(stream);
                unseen = if entries { 0 } else { dirty };
                (result, Change { dirty: dirty - unseen, emptied: false, filled: wakes })
            },
        )?;
        self.shard.stats.dirty += unseen;
        Ok(result)
    }
}

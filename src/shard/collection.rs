//! What all collections share: a value that is packed in its entry while it is small and an object beyond, looked
//! up for reading or changed in one go, with whatever a change entails.

use super::ShardSettings;
use super::db::{InlineValue, NewValue, Object};
use super::entry::{self, Kind, Type};
use super::keyspace::{Expires, Found, Key, Keyspace, WrongType};

/// A value as it is stored.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stored<'a> {
    /// There is none.
    Absent,
    /// Bytes of a kind, in the entry.
    Packed(Kind, &'a [u8]),
    /// An object.
    Object(&'a Object),
}

/// What [`Keyspace::update`] makes of what is stored before it is changed.
#[derive(Debug)]
pub(super) enum Prepared {
    /// Nothing: an absent value stays absent, and nothing is changed.
    AsItIs,
    /// These bytes take its place, at most [`INLINE_BYTES_MAX`](entry::INLINE_BYTES_MAX) of them.
    Packed(Kind, Vec<u8>),
    /// This object takes its place.
    Object(Object),
}

/// A value to be changed where it is.
#[derive(Debug)]
pub(super) enum Place<'a> {
    /// In its entry; it must not grow beyond [`INLINE_BYTES_MAX`](entry::INLINE_BYTES_MAX).
    Packed(Kind, InlineValue<'a>),
    /// As an object.
    Object(&'a mut Object),
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// How many changes it counts as; 0 where everything is as before.
    pub dirty: u64,
    /// Whether nothing is left in the value: its key goes, which those who listen are told behind the event that the
    /// command [names](Keyspace::notify).
    pub emptied: bool,
    /// Whether something was added that somebody may wait for.
    pub filled: bool,
}

impl Keyspace<'_> {
    /// Looks a key of a type up to read it: counts the hit or miss and notes the access. O(1).
    #[inline]
    pub(super) fn read_as(&mut self, key: Key<'_>, of: Type) -> Result<Stored<'_>, WrongType> {
        let found = self.read(key);
        self.stored(found, of)
    }

    /// Looks a key of a type up on the way to changing it: counts nothing. O(1).
    pub(super) fn peek_as(&mut self, key: Key<'_>, of: Type) -> Result<Stored<'_>, WrongType> {
        let found = self.find(key);
        self.stored(found, of)
    }

    #[inline]
    pub(super) fn stored(&self, found: Option<Found>, of: Type) -> Result<Stored<'_>, WrongType> {
        let Some(Found { handle, head }) = found else { return Ok(Stored::Absent) };
        let db = &self.shard.dbs[self.db];
        if head.kind.type_of() != of {
            Err(WrongType)
        } else if head.kind.is_object() {
            db.object(handle).map(Stored::Object).ok_or(WrongType)
        } else {
            Ok(Stored::Packed(head.kind, head.value(db.bytes(handle))))
        }
    }

    /// Whether a key holds a value of a type. Counts no hit. O(1).
    pub(super) fn has(&mut self, key: Key<'_>, of: Type) -> Result<bool, WrongType> {
        match self.find(key) {
            None => Ok(false),
            Some(found) if found.head.kind.type_of() == of => Ok(true),
            Some(_) => Err(WrongType),
        }
    }

    /// Lets `f` change a key's collection in place, after `prepare` had the choice to give it another form or to make
    /// an empty one. `None` where there is none and none was made.
    ///
    /// The deadline stays. A value that `f` leaves empty is removed; one that it fills is offered to those who wait.
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    #[inline]
    pub(super) fn update<R>(
        &mut self,
        key: Key<'_>,
        of: Type,
        prepare: impl FnOnce(Stored<'_>, &ShardSettings) -> Prepared,
        f: impl FnOnce(&mut Place<'_>) -> (R, Change),
    ) -> Result<Option<R>, WrongType> {
        let found = self.find(key);
        let prepared = prepare(self.stored(found, of)?, &self.shard.settings);
        let new = match &prepared {
            Prepared::AsItIs => None,
            Prepared::Packed(kind, bytes) => {
                Some(self.place(key, found, NewValue::Inline(*kind, bytes), Expires::Keep))
            }
            Prepared::Object(_) => {
                let Prepared::Object(object) = prepared else { unreachable!("matched above") };
                Some(self.place(key, found, NewValue::Object(object), Expires::Keep))
            }
        };
        let Found { handle, head } = match (new, found) {
            // What is written just now is marked already.
            (Some(handle), _) => Found { handle, head: self.shard.dbs[self.db].head(handle) },
            (None, Some(found)) => {
                let idle = self.mark(Some(found.head.idle));
                entry::set_idle(self.shard.dbs[self.db].bytes_mut(found.handle), idle);
                found
            }
            (None, None) => return Ok(None),
        };
        let db = &mut self.shard.dbs[self.db];
        let (result, change, handle) = if head.kind.is_object() {
            let changed = db.with_object(key.hash, handle, |object| f(&mut Place::Object(object)));
            let (result, change) = changed.ok_or(WrongType)?;
            (result, change, handle)
        } else {
            let mut place = Place::Packed(head.kind, db.edit(key.hash, handle, head));
            let (result, change) = f(&mut place);
            let Place::Packed(_, value) = place else { unreachable!("a place stays what it is") };
            (result, change, value.handle())
        };
        if change.dirty > 0 {
            self.changed(key, change.dirty);
        }
        if change.emptied {
            self.remove(key, handle);
            self.note_emptied(key);
        } else if change.filled && !self.shard.waiters.is_empty() {
            self.wake(key);
        }
        Ok(Some(result))
    }
}

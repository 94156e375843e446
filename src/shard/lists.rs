//! Lists under their keys: packed in the entry while small, an object beyond.

use super::collection::{Change, Place, Prepared, Stored};
use super::db::{InlineValue, Object};
use super::entry::{INLINE_BYTES_MAX, Kind, Type};
use super::keyspace::{Key, Keyspace, Value, WrongType};
use crate::value::list::{self, Deque, List, ListRef, NodeLimit, Packed};

/// What [`Keyspace::update_list`] does with a key that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// Makes an empty list first.
    Always,
    /// Does nothing.
    Never,
}

impl Keyspace<'_> {
    /// A key's list, to be read. O(1).
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    #[inline]
    pub fn list(&mut self, key: Key<'_>) -> Result<Option<ListRef<'_>>, WrongType> {
        match self.read_as(key, Type::List)? {
            Stored::Absent => Ok(None),
            Stored::Packed(_, bytes) => Ok(Some(ListRef::Packed(bytes))),
            Stored::Object(Object::List(deque)) => Ok(Some(ListRef::Deque(deque))),
            Stored::Object(_) => Err(WrongType),
        }
    }

    /// A key's list on the way to changing it: counts no hit. O(1).
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    pub fn peek_list(&mut self, key: Key<'_>) -> Result<Option<ListRef<'_>>, WrongType> {
        match self.peek_as(key, Type::List)? {
            Stored::Absent => Ok(None),
            Stored::Packed(_, bytes) => Ok(Some(ListRef::Packed(bytes))),
            Stored::Object(Object::List(deque)) => Ok(Some(ListRef::Deque(deque))),
            Stored::Object(_) => Err(WrongType),
        }
    }

    /// Whether a key holds a list (an empty one never stays). Counts no hit.
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    pub fn has_list(&mut self, key: Key<'_>) -> Result<bool, WrongType> {
        self.has(key, Type::List)
    }

    /// Lets `f` change a key's list. `adding` are the values that it may add, so that room is made before.
    ///
    /// `None` where the key does not exist and `insert` is [`Inserted::Never`]. A list that `f` leaves empty is
    /// removed; one that it lengthens is offered to those who wait for it.
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    pub fn update_list<R>(
        &mut self,
        key: Key<'_>,
        adding: &[&[u8]],
        insert: Inserted,
        f: impl FnOnce(&mut List<'_, &mut InlineValue<'_>>) -> R,
    ) -> Result<Option<R>, WrongType> {
        let limit = self.shard.settings.list_node;
        let fits = |packed: &[u8]| {
            adding.is_empty() || list::packed_fits(packed, adding.iter().copied(), limit, INLINE_BYTES_MAX)
        };
        self.update(
            key,
            Type::List,
            |stored, _| match stored {
                Stored::Absent if insert == Inserted::Never => Prepared::AsItIs,
                Stored::Absent if fits(&[]) => Prepared::Packed(Kind::PackedList, Vec::new()),
                Stored::Absent => Prepared::Object(Object::List(Box::new(Deque::new(limit)))),
                Stored::Packed(_, bytes) if !fits(bytes) => {
                    Prepared::Object(Object::List(Box::new(Deque::from_packed(bytes, limit))))
                }
                Stored::Packed(..) | Stored::Object(_) => Prepared::AsItIs,
            },
            |place| {
                let mut list = match place {
                    Place::Packed(_, value) => List::Packed(Packed::new(value)),
                    Place::Object(Object::List(deque)) => List::Deque(deque),
                    Place::Object(_) => unreachable!("the entry's kind names its object"),
                };
                let before = list.len();
                let result = f(&mut list);
                let after = list.len();
                (result, Change { dirty: 1, emptied: after == 0, filled: after > before })
            },
        )
    }
}

impl Value {
    /// A list of these elements, of which there is at least one. O(bytes).
    pub fn list<'v>(elements: impl IntoIterator<Item = &'v [u8]>, limit: NodeLimit) -> Self {
        let mut deque = Deque::new(limit);
        elements.into_iter().for_each(|element| deque.push_back(element));
        deque.settle();
        Self::of_deque(deque)
    }

    /// A list whose encoding is settled; what fits its entry is packed. O(1), or O(bytes) of an entry.
    pub(super) fn of_deque(deque: Deque) -> Self {
        let packed = match deque.packed_len() {
            Some(..=INLINE_BYTES_MAX) => deque.to_packed(),
            _ => None,
        };
        match packed {
            Some(bytes) => Value::inline(Kind::PackedList, bytes),
            None => Value::object(Object::List(Box::new(deque))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::{Now, Shard, ShardSettings};

    #[test]
    fn a_change_of_a_list_counts_once() {
        let settings = ShardSettings { string_bytes_max: 1 << 20, ..ShardSettings::default() };
        let mut shard = Shard::new(1, 1, settings);
        let mut push = |name: &[u8], value: &[u8]| {
            let before = shard.stats.dirty;
            let key = Key { bytes: name, hash: 1 };
            let mut keys = shard.keyspace(0, Now::At(0));
            let pushed = keys.update_list(key, &[value], Inserted::Always, |list| list.push_back(value));
            assert_eq!(pushed, Ok(Some(())));
            shard.stats.dirty - before
        };
        assert_eq!(push(b"short", b"v"), 1, "made");
        assert_eq!(push(b"short", b"v"), 1, "lengthened");
        assert_eq!(push(b"short", &[7; 2000]), 1, "outgrown its entry");
        assert_eq!(push(b"long", &[7; 2000]), 1, "made too long for an entry");
    }
}

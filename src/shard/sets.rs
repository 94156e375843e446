//! Sets under their keys: integers or packed in the entry while small, an object beyond.

use super::collection::{Change, Place, Prepared, Stored};
use super::db::Object;
use super::entry::{INLINE_BYTES_MAX, Kind, Type};
use super::events::Class;
use super::keyspace::{Key, Keyspace, Value, WrongType};
use super::{Shard, ShardSettings};
use crate::value::listpack::{Element, Needle};
use crate::value::set::{Limits, Random, Set, SetMut, SetRef, Small};
use smallvec::SmallVec;
use std::cell::Cell;

/// How many times larger than what is left of a table what is popped of it must be, so that what is left moves to a
/// new set. As in Redis, for the encoding of the new set shows it.
const SPLIT_FACTOR: usize = 5;

impl Shard {
    /// A key's set, without a look at its deadline or its type: for a caller who has read the key before by
    /// [`Keyspace::set`] and now looks at several keys at once. O(1).
    pub fn set(&self, db: usize, key: Key<'_>) -> Option<SetRef<'_>> {
        let db = &self.dbs[db];
        let handle = db.find(key.hash, key.bytes)?;
        let head = db.head(handle);
        if head.kind.is_object() {
            return match db.object(handle)? {
                Object::Set(set) => Some(set.view()),
                _ => None,
            };
        }
        small(head.kind, head.value(db.bytes(handle))).map(SetRef::from)
    }
}

/// Up to which size sets have which form.
pub(super) fn limits(settings: &ShardSettings) -> Limits {
    Limits {
        ints: settings.intset_entries_max,
        entries: settings.set_packed.entries_max,
        bytes: settings.set_packed.bytes_max,
        seed: settings.dict_seed,
    }
}

/// The small set that an entry's bytes are.
pub(super) fn small(kind: Kind, bytes: &[u8]) -> Option<Small<'_>> {
    match kind {
        Kind::IntSet => Some(Small::Ints(bytes)),
        Kind::PackedSet => Some(Small::Packed(bytes)),
        _ => None,
    }
}

fn view(stored: Stored<'_>) -> Option<SetRef<'_>> {
    match stored {
        Stored::Absent => None,
        Stored::Packed(kind, bytes) => small(kind, bytes).map(SetRef::from),
        Stored::Object(Object::Set(set)) => Some(set.view()),
        Stored::Object(_) => None,
    }
}

/// A set as it is stored: in its entry where it fits.
enum Form {
    Inline(Kind, Vec<u8>),
    Object(Object),
}

impl From<Set> for Form {
    fn from(mut set: Set) -> Self {
        match set {
            Set::Ints(bytes) if bytes.len() <= INLINE_BYTES_MAX => Form::Inline(Kind::IntSet, bytes),
            Set::Packed(bytes) if bytes.len() <= INLINE_BYTES_MAX => Form::Inline(Kind::PackedSet, bytes),
            _ => {
                set.shrink();
                Form::Object(Object::Set(Box::new(set)))
            }
        }
    }
}

impl Keyspace<'_> {
    /// Up to which size sets have which form.
    #[must_use]
    pub fn set_limits(&self) -> Limits {
        limits(&self.shard.settings)
    }

    /// A key's set, to be read. O(1).
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    #[inline]
    pub fn set(&mut self, key: Key<'_>) -> Result<Option<SetRef<'_>>, WrongType> {
        self.read_as(key, Type::Set).map(view)
    }

    /// A key's set, for a command that changes it: counts no hit or miss. O(1).
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    pub fn peek_set(&mut self, key: Key<'_>) -> Result<Option<SetRef<'_>>, WrongType> {
        self.peek_as(key, Type::Set).map(view)
    }

    /// Adds members to a key's set, which is made where there is none; how many were new.
    ///
    /// O(1) for each member in a table, O(bytes of the set) in the other forms, which are small.
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    pub fn add_to_set(&mut self, key: Key<'_>, members: &[&[u8]]) -> Result<usize, WrongType> {
        let limits = self.set_limits();
        let members: SmallVec<[Needle<'_>; 8]> = members.iter().map(|member| Needle::new(member)).collect();
        // How many were added to a set that takes the place of the stored one.
        let made = Cell::new(None);
        let prepare = |stored: Stored<'_>| {
            let (before, mut set) = match stored {
                Stored::Absent => match members.first() {
                    Some(first) => (None, Set::to_hold(first, members.len(), &limits)),
                    None => return Prepared::AsItIs,
                },
                Stored::Packed(kind, bytes) => match small(kind, bytes) {
                    Some(small) if !small.takes(&members, &limits, INLINE_BYTES_MAX) => {
                        (Some(kind), Set::from_small(small))
                    }
                    _ => return Prepared::AsItIs,
                },
                Stored::Object(_) => return Prepared::AsItIs,
            };
            set.expect(members.len(), &limits);
            let added = members.iter().filter(|member| set.add(member, &limits)).count();
            made.set(Some(added));
            match Form::from(set) {
                // Every member was there before.
                Form::Inline(kind, _) if added == 0 && before == Some(kind) => Prepared::AsItIs,
                Form::Inline(kind, bytes) => Prepared::Packed(kind, bytes),
                Form::Object(object) => Prepared::Object(object),
            }
        };
        let added = self.update(
            key,
            Type::Set,
            |stored, _| prepare(stored),
            |place| {
                let added = match (made.get(), place) {
                    (Some(added), _) => added,
                    (None, Place::Object(Object::Set(set))) => {
                        set.expect(members.len(), &limits);
                        members.iter().filter(|member| set.add(member, &limits)).count()
                    }
                    (None, Place::Object(_)) => unreachable!("the entry's kind names its object"),
                    (None, Place::Packed(kind, value)) => {
                        let mut set = SetMut::inline(*kind == Kind::IntSet, value);
                        members.iter().filter(|member| set.add(member)).count()
                    }
                };
                (added, Change { dirty: added as u64, emptied: false, filled: false })
            },
        )?;
        let added = added.unwrap_or(0);
        if added > 0 {
            self.notify(Class::Set, "sadd", key);
        }
        Ok(added)
    }

    /// Lets `f` take members out of a key's set; `None` without the key. A set that `f` leaves empty is removed.
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    pub fn shrink_set<R>(
        &mut self,
        key: Key<'_>,
        f: impl FnOnce(&mut SetMut<'_>) -> R,
    ) -> Result<Option<R>, WrongType> {
        self.update(
            key,
            Type::Set,
            |_, _| Prepared::AsItIs,
            |place| {
                let mut set = match place {
                    Place::Packed(kind, value) => SetMut::inline(*kind == Kind::IntSet, value),
                    Place::Object(Object::Set(set)) => set.edit(),
                    Place::Object(_) => unreachable!("the entry's kind names its object"),
                };
                let before = set.view().len();
                let result = f(&mut set);
                let after = set.view().len();
                (result, Change { dirty: (before - after) as u64, emptied: after == 0, filled: false })
            },
        )
    }

    /// Takes members out of a key's set; how many were in it. O(1) for each member in a table, O(bytes of the set) in
    /// the other forms, which are small.
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    pub fn remove_from_set(&mut self, key: Key<'_>, members: &[&[u8]]) -> Result<usize, WrongType> {
        let removed = self.shrink_set(key, |set| {
            members.iter().filter(|member| set.remove(&Needle::new(member))).count()
        })?;
        let removed = removed.unwrap_or(0);
        if removed > 0 {
            self.notify(Class::Set, "srem", key);
        }
        Ok(removed)
    }

    /// Takes a random member out of a key's set and shows it to `f`; `None` without the key. Expected O(1).
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    pub fn pop_from_set<R>(
        &mut self,
        key: Key<'_>,
        f: impl FnOnce(Element<'_>) -> R,
    ) -> Result<Option<R>, WrongType> {
        let mut random = self.random_choices();
        let mut drawn = self.begins_to_draw(key);
        let popped = self
            .shrink_set(key, |set| {
                set.pop(&mut random, |member| {
                    note_drawn(&mut drawn, member);
                    f(member)
                })
            })?
            .flatten();
        self.drew(drawn);
        if popped.is_some() {
            self.notify(Class::Set, "spop", key);
        }
        Ok(popped)
    }

    /// Takes `count` random members out of a key's set, at most all, and shows them to `f`. Expected O(count) for a
    /// table, O(bytes of the set) for the other forms.
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    pub fn pop_some_from_set(
        &mut self,
        key: Key<'_>,
        count: usize,
        mut show: impl FnMut(Element<'_>),
    ) -> Result<(), WrongType> {
        let mut drawn = self.begins_to_draw(key);
        let result = self.draw_from_set(key, count, |member| {
            note_drawn(&mut drawn, member);
            show(member);
        });
        self.drew(drawn);
        result
    }

    /// Begins the command that says which members were drawn, where a journal wants to know.
    fn begins_to_draw(&mut self, key: Key<'_>) -> Vec<Vec<u8>> {
        if self.shard.is_journaled { vec![b"SREM".to_vec(), key.bytes.to_vec()] } else { Vec::new() }
    }

    fn drew(&mut self, drawn: Vec<Vec<u8>>) {
        if drawn.len() > 2 {
            self.shard.drawn = drawn;
        }
    }

    fn draw_from_set(
        &mut self,
        key: Key<'_>,
        count: usize,
        mut f: impl FnMut(Element<'_>),
    ) -> Result<(), WrongType> {
        let Some(set) = self.peek_set(key)? else { return Ok(()) };
        let (len, table) = (set.len(), matches!(set, SetRef::Table(_)));
        if count >= len {
            set.iter().for_each(f);
            self.notify(Class::Set, "spop", key);
            // A large one is freed outside the door.
            self.delete(key);
            self.shard.stats.dirty += (len as u64).saturating_sub(1);
            return Ok(());
        }
        let mut random = self.random_choices();
        let left = len - count;
        if !table || left.saturating_mul(SPLIT_FACTOR) > count {
            self.shrink_set(key, |set| set.pop_some(count, &mut random, f))?;
            self.notify(Class::Set, "spop", key);
            return Ok(());
        }
        let limits = self.set_limits();
        let popped = self.update(
            key,
            Type::Set,
            |_, _| Prepared::AsItIs,
            |place| {
                let popped = match place {
                    Place::Object(Object::Set(set)) => {
                        let popped = set.split_off(left, &mut random, &limits);
                        popped.view().iter().for_each(&mut f);
                        Some(popped)
                    }
                    Place::Object(_) | Place::Packed(..) => None,
                };
                (popped, Change { dirty: count as u64, emptied: false, filled: false })
            },
        )?;
        if let Some(popped) = popped.flatten() {
            self.shard.discard(Object::Set(Box::new(popped)));
        }
        self.notify(Class::Set, "spop", key);
        Ok(())
    }

    /// Random numbers for one command's choices.
    pub fn random_choices(&mut self) -> Random {
        Random::new(self.shard.random())
    }

    /// Puts a set under a key, over what is there, which is told as `event`; an empty one leaves no key. How many members
    /// it has.
    /// O(1), or O(bytes) for one that fits the entry.
    pub fn store_set(&mut self, key: Key<'_>, set: Set, event: &'static str) -> usize {
        let len = set.view().len();
        if len == 0 {
            self.delete(key);
            return 0;
        }
        self.put(key, Value::of_set(set));
        self.notify(Class::Set, event, key);
        len
    }
}

impl Value {
    /// A set, which is not empty. O(1), or O(bytes) for one that fits its entry.
    pub(super) fn of_set(set: Set) -> Self {
        match Form::from(set) {
            Form::Inline(kind, bytes) => Value::inline(kind, bytes),
            Form::Object(object) => Value::object(object),
        }
    }
}

fn note_drawn(drawn: &mut Vec<Vec<u8>>, member: Element<'_>) {
    if !drawn.is_empty() {
        member.with_bytes(|bytes| drawn.push(bytes.to_vec()));
    }
}

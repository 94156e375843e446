//! Hashes under their keys: packed in the entry while small, an object beyond and where fields have deadlines.
//!
//! Fields past their deadline are removed by the expiry cycle ([`Shard::expire_segment`](super::Shard)), by whichever
//! hash command comes to the key first, so many at a time, and are hidden until then. A key whose last field went goes
//! with it.

use super::collection::{Change, Place, Prepared, Stored};
use super::db::{InlineValue, Object};
use super::entry::{INLINE_BYTES_MAX, Kind, Type};
use super::events::Class;
use super::keyspace::{Found, Key, Keyspace, WrongType};
use super::{Gone, Inserted, Shard, ShardSettings};
use crate::value::hash::{self, Fields, Hash, HashRef, Rules};
use crate::value::long_double::{LongDouble, NumberText};
use crate::value::table::NEVER;

/// Fields past their deadline that a command removes before it goes about its own business.
const REMOVED_ON_THE_WAY: usize = 1000;

/// What a change may make of a hash, so that room is made for it.
#[derive(Clone, Copy, Debug)]
pub struct HashRoom<'a> {
    /// Fields and values that may be added.
    pub adding: &'a [&'a [u8]],
    /// Whether a hash is made where there is none.
    pub insert: Inserted,
    /// Whether fields may be given deadlines.
    pub deadlines: bool,
}

impl<'a> HashRoom<'a> {
    /// For a change that adds nothing.
    pub const NONE: HashRoom<'static> = HashRoom { adding: &[], insert: Inserted::Never, deadlines: false };

    /// For fields and values that are added, to a hash that is made where there is none.
    #[must_use]
    pub fn adding(adding: &'a [&'a [u8]]) -> Self {
        Self { adding, insert: Inserted::Always, deadlines: false }
    }
}

/// Fields that went by themselves, where a journal wants to know.
#[derive(Debug)]
pub(super) struct GoneFields(Option<Vec<Box<[u8]>>>);

impl GoneFields {
    pub(super) fn of(shard: &Shard) -> Self {
        Self(shard.is_journaled.then(Vec::new))
    }

    pub(super) fn note(&mut self, field: &[u8]) {
        if let Some(fields) = &mut self.0 {
            fields.push(field.into());
        }
    }

    pub(super) fn tell(&mut self, shard: &mut Shard, db: usize, key: &[u8]) {
        if let Some(fields) = &mut self.0
            && !fields.is_empty()
        {
            shard.gone.push(Gone { db, key: key.into(), fields: std::mem::take(fields) });
        }
    }
}

/// A hash in its place, to be changed.
pub type HashFields<'a, 'b> = Fields<'a, &'a mut InlineValue<'b>>;

pub(super) fn rules(settings: &ShardSettings) -> Rules {
    Rules {
        entries_max: settings.hash_packed.entries_max,
        bytes_max: settings.hash_packed.bytes_max,
        seed: settings.dict_seed,
    }
}

/// Why a field could not be added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashNumberError {
    /// The key holds something else.
    WrongType,
    /// The field's value is no integer.
    NotAnInteger,
    /// The field's value is no number.
    NotAFloat,
    /// The sum does not fit 64 bits.
    Overflow,
    /// The sum is no finite number.
    NotFinite,
}

impl From<WrongType> for HashNumberError {
    fn from(_: WrongType) -> Self {
        HashNumberError::WrongType
    }
}

impl Keyspace<'_> {
    /// A key's hash, to be read. O(1).
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    #[inline]
    pub fn hash(&mut self, key: Key<'_>) -> Result<Option<HashRef<'_>>, WrongType> {
        let found = self.read(key);
        self.hash_of(key, found)
    }

    /// A key's hash on the way to changing it: counts no hit. O(1).
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    pub fn peek_hash(&mut self, key: Key<'_>) -> Result<Option<HashRef<'_>>, WrongType> {
        let found = self.find(key);
        self.hash_of(key, found)
    }

    #[inline]
    fn hash_of(&mut self, key: Key<'_>, found: Option<Found>) -> Result<Option<HashRef<'_>>, WrongType> {
        let Some(found) = found else { return Ok(None) };
        if found.head.kind == Kind::HashObject {
            return Ok(self.large_hash(key, found));
        }
        match self.stored(Some(found), Type::Hash)? {
            Stored::Packed(_, bytes) => Ok(Some(HashRef::Packed(bytes))),
            Stored::Absent | Stored::Object(_) => Ok(None),
        }
    }

    fn large_hash(&mut self, key: Key<'_>, found: Found) -> Option<HashRef<'_>> {
        let mut now_ms = 0;
        if let Some(Object::Hash(hash)) = self.shard.dbs[self.db].object(found.handle)
            && hash.has_deadlines()
        {
            now_ms = self.now.ms();
            if hash.next_due_ms() < now_ms {
                let mut gone = GoneFields::of(self.shard);
                let removed =
                    self.shard.dbs[self.db].with_object(key.hash, found.handle, |object| match object {
                        Object::Hash(hash) => {
                            let removed = hash.expire(now_ms, REMOVED_ON_THE_WAY, |field| gone.note(field));
                            (removed, hash.is_empty())
                        }
                        _ => (0, false),
                    });
                let (removed, emptied) = removed.unwrap_or_default();
                gone.tell(self.shard, self.db, key.bytes);
                self.shard.stats.expired_fields += removed as u64;
                self.changed(key, 0);
                self.notify_aside(Class::Hash, "hexpired", key);
                if emptied {
                    self.remove(key, found.handle);
                    self.notify_aside(Class::Generic, "del", key);
                    return None;
                }
            }
        }
        match self.shard.dbs[self.db].object(found.handle) {
            Some(Object::Hash(hash)) => Some(hash.view(now_ms)),
            _ => None,
        }
    }

    /// Lets `f` change a key's hash and say how many changes that was; room is made before. `None` without the key, where
    /// none was to be made.
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    #[inline]
    pub fn update_hash<R>(
        &mut self,
        key: Key<'_>,
        room: HashRoom<'_>,
        f: impl FnOnce(&mut HashFields<'_, '_>) -> (R, u64),
    ) -> Result<Option<R>, WrongType> {
        let rules = rules(&self.shard.settings);
        let mut now = self.now;
        let (mut due_ms, mut expired, mut gone) = (NEVER, 0, GoneFields::of(self.shard));
        let fits = |bytes: &[u8]| !room.deadlines && hash::fits(bytes, room.adding, INLINE_BYTES_MAX);
        let large = |bytes: &[u8]| {
            let mut hash = Hash::from_packed(bytes, rules);
            if room.deadlines {
                hash.make_table(rules);
            }
            Prepared::Object(Object::Hash(Box::new(hash)))
        };
        let result = self.update(
            key,
            Type::Hash,
            |stored, _| match stored {
                Stored::Absent if room.insert == Inserted::Never => Prepared::AsItIs,
                Stored::Absent if fits(&[]) => Prepared::Packed(Kind::PackedHash, Vec::new()),
                Stored::Absent => large(&[]),
                Stored::Packed(_, bytes) if !room.adding.is_empty() && !fits(bytes) => large(bytes),
                Stored::Packed(_, bytes) if room.deadlines => large(bytes),
                Stored::Packed(..) | Stored::Object(_) => Prepared::AsItIs,
            },
            |place| {
                let mut fields = match place {
                    Place::Packed(_, value) => Fields::packed(value, rules),
                    Place::Object(Object::Hash(hash)) => {
                        let mut now_ms = 0;
                        if hash.has_deadlines() || room.deadlines {
                            now_ms = now.ms();
                            expired = hash.expire(now_ms, REMOVED_ON_THE_WAY, |field| gone.note(field));
                            if room.deadlines {
                                hash.make_table(rules);
                            }
                        }
                        Fields::large(hash, rules, now_ms)
                    }
                    Place::Object(_) => unreachable!("the entry's kind names its object"),
                };
                let (result, dirty) = f(&mut fields);
                due_ms = fields.next_due_ms();
                (result, Change { dirty, emptied: fields.view().is_empty(), filled: false })
            },
        );
        self.now = now;
        if expired > 0 {
            gone.tell(self.shard, self.db, key.bytes);
            self.shard.stats.expired_fields += expired as u64;
            self.changed(key, 0);
            self.notify_aside(Class::Hash, "hexpired", key);
        }
        if due_ms != NEVER {
            self.shard.dbs[self.db].table.note_deadline(key.hash, due_ms);
            self.shard.new_due_ms = self.shard.new_due_ms.min(due_ms);
        }
        result
    }

    /// Sets a field of a key's hash, given with its value, where there is none; whether it did. O(1).
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    pub fn set_hash_field_if_absent(
        &mut self,
        key: Key<'_>,
        field: &[u8],
        value: &[u8],
    ) -> Result<bool, WrongType> {
        let set = self.update_hash(key, HashRoom::adding(&[field, value]), |fields| {
            let set = !fields.view().contains(field);
            if set {
                fields.set(field, value);
            }
            (set, u64::from(set))
        })?;
        let set = set.unwrap_or(false);
        if set {
            self.notify(Class::Hash, "hset", key);
        }
        Ok(set)
    }

    /// Adds to the integer in a field of a key's hash, which starts at 0, and keeps its deadline; returns the sum. O(1).
    ///
    /// # Errors
    /// [`HashNumberError::NotAnInteger`], [`HashNumberError::Overflow`] or [`HashNumberError::WrongType`].
    pub fn increment_hash_field(
        &mut self,
        key: Key<'_>,
        field: &[u8],
        by: i64,
    ) -> Result<i64, HashNumberError> {
        const LONGEST: &[u8] = b"-9223372036854775808";
        let sum = self.update_hash(key, HashRoom::adding(&[field, LONGEST]), |fields| {
            let sum = match fields.view().get(field) {
                None => Ok(by),
                Some(value) => match value.as_int() {
                    Some(value) => value.checked_add(by).ok_or(HashNumberError::Overflow),
                    None => Err(HashNumberError::NotAnInteger),
                },
            };
            if let Ok(sum) = sum {
                fields.set_and_keep(field, itoa::Buffer::new().format(sum).as_bytes());
            }
            (sum, u64::from(sum.is_ok()))
        })?;
        // There is a sum: the hash is made where there was none.
        let sum = sum.unwrap_or(Ok(by));
        if sum.is_ok() {
            self.notify(Class::Hash, "hincrby", key);
        }
        sum
    }

    /// Adds to the number in a field of a key's hash, which starts at 0, and keeps its deadline; returns the text that the
    /// field now holds. The sum is that of Redis' `long double`s. O(1).
    ///
    /// # Errors
    /// [`HashNumberError::NotAFloat`], [`HashNumberError::NotFinite`] or [`HashNumberError::WrongType`].
    pub fn increment_hash_field_float(
        &mut self,
        key: Key<'_>,
        field: &[u8],
        by: LongDouble,
    ) -> Result<NumberText, HashNumberError> {
        // How much room the sum takes is not known before.
        let value = match self.peek_hash(key)?.and_then(|hash| hash.get(field)) {
            None => LongDouble::ZERO,
            Some(value) => value.with_bytes(LongDouble::parse).ok_or(HashNumberError::NotAFloat)?,
        };
        let text = value.checked_add(by).ok_or(HashNumberError::NotFinite)?.text();
        self.update_hash(key, HashRoom::adding(&[field, &text]), |fields| {
            (fields.set_and_keep(field, &text), 1)
        })?;
        self.notify(Class::Hash, "hincrbyfloat", key);
        Ok(text)
    }
}

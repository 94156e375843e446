//! A shard through one database, for one command: the only door to the data.
//!
//! Whatever looks a key up here first removes it when its deadline has passed; whatever empties a value removes its
//! key; whatever fills a key that somebody waits for puts it on the shard's `ready` list, which the engine serves
//! before it leaves the shard.

use super::arena::Handle;
use super::db::{NewValue, Object};
use super::entry::{self, Head, INLINE_BYTES_MAX, Kind, Type};
use super::events::Class;
use super::{Lfu, Now, ReadyKey, Shard};
use crate::value::hash;
use crate::value::listpack::{Buffer, parse_int};
use bytes::{Bytes, BytesMut};
use std::fmt;

/// The key holds a value of another type than the command works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongType;

impl fmt::Display for WrongType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key holds a value of another type")
    }
}

impl std::error::Error for WrongType {}

/// Why a string could not be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StringError {
    /// The key holds another type.
    WrongType,
    /// The string is no integer.
    NotAnInteger,
    /// The string is no number.
    NotAFloat,
    /// The sum does not fit 64 bits.
    Overflow,
    /// The sum is no finite number.
    NotFinite,
    /// The string would grow beyond `proto-max-bulk-len`.
    TooLong,
}

impl From<WrongType> for StringError {
    fn from(_: WrongType) -> Self {
        StringError::WrongType
    }
}

/// A string as it is stored.
#[derive(Clone, Copy, Debug)]
pub enum Str<'a> {
    /// An integer.
    Int(i64),
    /// Bytes in the entry.
    Bytes(&'a [u8]),
    /// Long bytes, which can be shared without a copy.
    Shared(&'a Bytes),
}

impl Str<'_> {
    /// Calls `f` with the string's bytes; an integer is written into a buffer on the stack.
    #[inline]
    pub fn with_bytes<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Str::Int(value) => f(itoa::Buffer::new().format(*value).as_bytes()),
            Str::Bytes(bytes) => f(bytes),
            Str::Shared(bytes) => f(bytes),
        }
    }

    /// The string's bytes, copied unless they can be shared.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Str::Shared(bytes) => Bytes::clone(bytes),
            other => other.with_bytes(Bytes::copy_from_slice),
        }
    }

    /// The string's length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.with_bytes(<[u8]>::len)
    }

    /// Whether it is the empty string.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Growth by more than this is asked of the allocator before it is done, in bytes.
pub(super) const PROBED_BYTES_MIN: usize = 16 << 20;

/// What a write does with the key's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expires {
    /// Takes it away, as `SET` does.
    Clear,
    /// Leaves it, as `SET … KEEPTTL` does.
    Keep,
    /// Sets it, in Unix ms.
    At(u64),
}

/// What is known of a key beside its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its type.
    pub kind: Type,
    /// Its deadline, in Unix ms.
    pub expires_at_ms: Option<u64>,
}

/// A whole value outside its key: what RENAME, COPY and MOVE carry.
#[derive(Clone, Debug)]
pub struct Value {
    form: Form,
    /// The deadline it had, in Unix ms.
    pub expires_at_ms: Option<u64>,
}

impl Value {
    /// A value that stands in its entry: bytes of a kind, at most [`INLINE_BYTES_MAX`].
    pub(super) fn inline(kind: Kind, bytes: Vec<u8>) -> Self {
        debug_assert!(bytes.len() <= INLINE_BYTES_MAX);
        Self { form: Form::Inline(kind, bytes), expires_at_ms: None }
    }

    /// A value too large for its entry.
    pub(super) fn object(object: Object) -> Self {
        Self { form: Form::Object(object), expires_at_ms: None }
    }
}

impl Value {
    /// Gives `f` the value in the form in which a database takes it.
    pub(super) fn with_new<R>(self, f: impl FnOnce(NewValue<'_>) -> R) -> R {
        match self.form {
            Form::Inline(kind, bytes) => f(NewValue::Inline(kind, &bytes)),
            Form::Object(object) => f(NewValue::Object(object)),
        }
    }
}

#[derive(Clone, Debug)]
enum Form {
    Inline(Kind, Vec<u8>),
    Object(Object),
}

/// The encodings that `OBJECT ENCODING` names.
pub type Encoding = &'static str;

/// One database of one shard, for the time of one command.
#[derive(Debug)]
pub struct Keyspace<'a> {
    pub(super) shard: &'a mut Shard,
    pub(super) db: usize,
    pub(super) now: Now<'a>,
    /// Whether reads leave idle times alone (`CLIENT NO-TOUCH`).
    no_touch: bool,
    /// The client on whose behalf keys change; 0 for nobody of the registry.
    client: u64,
}

/// A key that was found: its place and its head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) handle: Handle,
    pub(super) head: Head,
}

impl<'a> Keyspace<'a> {
    /// Says what a call did, where a journal wants to know, in the place of its command or of the key as it is afterwards:
    /// a command that does the same again. It counts where the call changed something.
    pub fn tell<'b>(&mut self, argv: impl IntoIterator<Item = &'b [u8]>) {
        if self.shard.is_journaled {
            self.shard.drawn = argv.into_iter().map(<[u8]>::to_vec).collect();
        }
    }

    pub(super) fn new(shard: &'a mut Shard, db: usize, now: Now<'a>) -> Self {
        Self { shard, db, now, no_touch: false, client: 0 }
    }

    /// Leaves idle times alone from here on.
    #[must_use]
    pub fn no_touch(mut self, no_touch: bool) -> Self {
        self.no_touch = no_touch;
        self
    }

    /// Changes keys on a client's behalf from here on.
    #[must_use]
    #[inline]
    pub fn act_for(mut self, client: u64) -> Self {
        self.client = client;
        self
    }

    /// The time of the command in Unix ms.
    pub fn now_ms(&mut self) -> u64 {
        self.now.ms()
    }

    /// The database's number.
    #[must_use]
    pub fn db(&self) -> usize {
        self.db
    }

    /// The shard, for what concerns all its databases.
    pub fn shard(&mut self) -> &mut Shard {
        self.shard
    }

    /// Looks a key up, removing it when its deadline has passed.
    #[inline]
    pub(super) fn find(&mut self, key: Key<'_>) -> Option<Found> {
        let db = &self.shard.dbs[self.db];
        let handle = db.find(key.hash, key.bytes)?;
        let head = db.head(handle);
        if head.is_expired(|| self.now.ms()) {
            self.drop_expired(key.hash, handle);
            return None;
        }
        Some(Found { handle, head })
    }

    /// Counts changes of a key, and tells those who watch it or have it in a cache.
    #[inline]
    pub(super) fn changed(&mut self, key: Key<'_>, times: u64) {
        self.shard.stats.dirty += times;
        if !self.shard.watches.is_empty() {
            self.shard.watches.touch(self.db, key.bytes);
        }
        if !self.shard.tracked.is_idle() {
            self.shard.tracked.touch(key.bytes, key.hash, self.client);
        }
    }

    #[cold]
    fn drop_expired(&mut self, hash: u32, handle: Handle) {
        self.shard.stats.expired += 1;
        self.shard.note_loss(self.db, handle);
        self.shard.tell(self.db, hash, handle, (Class::Expired, "expired"));
        if let Some(object) = self.shard.dbs[self.db].remove(hash, handle) {
            self.shard.discard(object);
        }
    }

    /// Notes that a key which was to be read is not there.
    #[inline]
    fn missed(&mut self, key: Key<'_>) {
        self.shard.stats.misses += 1;
        self.notify_aside(Class::Miss, "keymiss", key);
    }

    /// Looks a key up to read it: counts the hit or miss and notes the access.
    #[inline]
    pub(super) fn read(&mut self, key: Key<'_>) -> Option<Found> {
        let found = self.find(key);
        match found {
            Some(found) => {
                self.shard.stats.hits += 1;
                if !self.no_touch {
                    let idle = self.mark(Some(found.head.idle));
                    if found.head.idle != idle {
                        entry::set_idle(self.shard.dbs[self.db].bytes_mut(found.handle), idle);
                    }
                }
            }
            None => self.missed(key),
        }
        found
    }

    /// What an entry notes of an access: the time, or how often there were any. `old` is what it has noted so far.
    #[inline]
    pub(super) fn mark(&mut self, old: Option<u32>) -> u32 {
        let time = self.idle_now();
        match self.shard.settings.lfu {
            None => time,
            Some(lfu) => self.count(lfu, old),
        }
    }

    #[cold]
    fn count(&mut self, lfu: Lfu, old: Option<u32>) -> u32 {
        let now_ms = self.now.about_ms();
        match old {
            Some(mark) => lfu.touch(mark, now_ms, self.shard.random()),
            None => Lfu::new_mark(now_ms),
        }
    }

    /// How often a key is used, where that is counted. O(1).
    pub fn frequency(&mut self, key: Key<'_>) -> Option<u32> {
        let found = self.find(key)?;
        let lfu = self.shard.settings.lfu?;
        Some(lfu.counter(found.head.idle, self.now.ms()))
    }

    /// Whether accesses are counted instead of timed (`maxmemory-policy`).
    #[must_use]
    pub fn counts_accesses(&self) -> bool {
        self.shard.settings.lfu.is_some()
    }

    #[inline]
    fn idle_now(&mut self) -> u32 {
        // Where nobody else reads the clock (no event loop runs), every thousandth access does.
        self.shard.accesses = self.shard.accesses.wrapping_add(1);
        if self.shard.accesses & 1023 == 0 {
            self.now.ms();
        }
        (self.now.about_ms() / 1000) as u32 & entry::IDLE_MASK
    }

    /// Writes a value under a key as one change.
    #[inline]
    pub(super) fn store(
        &mut self,
        key: Key<'_>,
        old: Option<Found>,
        value: NewValue<'_>,
        expires: Expires,
    ) -> Handle {
        self.changed(key, 1);
        self.place(key, old, value, expires)
    }

    /// Writes a value under a key; whether that is a change is up to the caller.
    #[inline]
    pub(super) fn place(
        &mut self,
        key: Key<'_>,
        old: Option<Found>,
        value: NewValue<'_>,
        expires: Expires,
    ) -> Handle {
        let expires_at_ms = match expires {
            Expires::Clear => None,
            Expires::Keep => old.and_then(|found| found.head.expires_at_ms),
            Expires::At(ms) => Some(ms),
        };
        let idle = self.mark(old.map(|found| found.head.idle));
        if old.is_none() {
            self.notify_aside(Class::New, "new", key);
        }
        if let Some(deadline) = expires_at_ms {
            self.shard.new_due_ms = self.shard.new_due_ms.min(deadline);
        }
        if let NewValue::Object(object) = &value {
            self.shard.new_due_ms = self.shard.new_due_ms.min(object.next_due_ms());
        }
        let db = &mut self.shard.dbs[self.db];
        if let (Some(found), NewValue::Inline(kind, bytes)) = (&old, &value)
            && db.rewrite(key.hash, (found.handle, &found.head), (*kind, bytes), expires_at_ms, idle)
        {
            return found.handle;
        }
        let old = old.map(|found| found.handle);
        if let Some(handle) = old {
            self.shard.note_loss(self.db, handle);
        }
        let db = &mut self.shard.dbs[self.db];
        let (handle, lost) = db.put(key.hash, old, key.bytes, value, expires_at_ms, idle);
        if let Some(object) = lost {
            self.shard.discard(object);
        }
        handle
    }

    pub(super) fn wake(&mut self, key: Key<'_>) {
        if self.shard.waiters.wanted(self.db, key.bytes) {
            self.shard.ready.push(ReadyKey { db: self.db, key: key.bytes.to_vec() });
        }
    }

    // ---- Keys -----------------------------------------------------------------------------------------------

    /// Whether a key exists, for a command that writes: counts no hit or miss. O(1).
    pub fn exists(&mut self, key: Key<'_>) -> bool {
        self.find(key).is_some()
    }

    /// What is known of a key beside its value, for a command that reads: counts the hit or miss, and is no access. O(1).
    pub fn seen(&mut self, key: Key<'_>) -> Option<Seen> {
        let seen = self.seen_unnoticed(key);
        if seen.is_none() {
            self.notify_aside(Class::Miss, "keymiss", key);
        }
        seen
    }

    /// The same, and no miss to those who listen (`OBJECT`). O(1).
    pub fn seen_unnoticed(&mut self, key: Key<'_>) -> Option<Seen> {
        let found = self.find(key);
        match found {
            Some(_) => self.shard.stats.hits += 1,
            None => self.shard.stats.misses += 1,
        }
        let Head { kind, expires_at_ms, .. } = found?.head;
        Some(Seen { kind: kind.type_of(), expires_at_ms })
    }

    /// Whether a key exists, as a read that counts and touches. O(1).
    pub fn touch(&mut self, key: Key<'_>) -> bool {
        self.read(key).is_some()
    }

    /// A key's type. Counts no hit or miss, as all that follows here. O(1).
    pub fn type_of(&mut self, key: Key<'_>) -> Option<Type> {
        self.find(key).map(|found| found.head.kind.type_of())
    }

    /// Removes a key; whether it existed. O(1), with a large value freed by the reaper.
    pub fn delete(&mut self, key: Key<'_>) -> bool {
        let Some(found) = self.find(key) else { return false };
        self.remove(key, found.handle);
        self.changed(key, 1);
        self.notify(Class::Generic, "del", key);
        true
    }

    pub(super) fn remove(&mut self, key: Key<'_>, handle: Handle) {
        self.shard.note_loss(self.db, handle);
        if let Some(object) = self.shard.dbs[self.db].remove(key.hash, handle) {
            self.shard.discard(object);
        }
    }

    /// A key's deadline: `None` without the key, `Some(None)` without a deadline. O(1).
    pub fn expires_at_ms(&mut self, key: Key<'_>) -> Option<Option<u64>> {
        self.find(key).map(|found| found.head.expires_at_ms)
    }

    /// Sets or removes a key's deadline; whether the key exists. O(1).
    pub fn set_expires_at_ms(&mut self, key: Key<'_>, expires_at_ms: Option<u64>) -> bool {
        let Some(found) = self.find(key) else { return false };
        self.shard.dbs[self.db].set_deadline(key.hash, found.handle, key.bytes, expires_at_ms);
        self.shard.new_due_ms = self.shard.new_due_ms.min(expires_at_ms.unwrap_or(u64::MAX));
        self.changed(key, 1);
        let event = if expires_at_ms.is_some() { "expire" } else { "persist" };
        self.notify(Class::Generic, event, key);
        true
    }

    /// Changes a key's deadline as `decide` says, which is given the one it has; whether anything changed. A deadline
    /// that is not in the future removes the key. O(1).
    pub fn update_expires(&mut self, key: Key<'_>, decide: impl FnOnce(Option<u64>) -> Expires) -> bool {
        let Some(found) = self.find(key) else { return false };
        let idle = self.mark(Some(found.head.idle));
        entry::set_idle(self.shard.dbs[self.db].bytes_mut(found.handle), idle);
        match decide(found.head.expires_at_ms) {
            Expires::Keep => false,
            Expires::At(deadline) if deadline <= self.now.ms() => self.delete(key),
            Expires::At(deadline) => self.set_expires_at_ms(key, Some(deadline)),
            Expires::Clear => self.set_expires_at_ms(key, None),
        }
    }

    /// What `OBJECT REFCOUNT` says of a key: Redis keeps the integers below 10,000 once for all, and counts their users
    /// as infinitely many. O(1).
    pub fn refcount(&mut self, key: Key<'_>) -> Option<i64> {
        let found = self.find(key)?;
        let shared = found.head.kind == Kind::Int
            && (0..10_000).contains(&found.head.int(self.shard.dbs[self.db].bytes(found.handle)));
        Some(if shared { i64::from(i32::MAX) } else { 1 })
    }

    /// What `OBJECT ENCODING` says of a key. O(1).
    pub fn encoding(&mut self, key: Key<'_>) -> Option<Encoding> {
        let found = self.find(key)?;
        Some(match found.head.kind {
            Kind::Int => "int",
            Kind::Str if found.head.value_len() <= 44 => "embstr",
            Kind::Str | Kind::RawStr | Kind::StrObject => "raw",
            Kind::PackedHash => {
                hash::packed_encoding(found.head.value(self.shard.dbs[self.db].bytes(found.handle)))
            }
            Kind::PackedList | Kind::PackedSet | Kind::PackedZSet => "listpack",
            Kind::IntSet => "intset",
            Kind::ListObject | Kind::HashObject | Kind::SetObject | Kind::ZSetObject | Kind::StreamObject => {
                self.shard.dbs[self.db].object(found.handle).map_or("raw", Object::encoding)
            }
        })
    }

    /// Seconds since a key was last read or written. O(1).
    pub fn idle_seconds(&mut self, key: Key<'_>) -> Option<u64> {
        let found = self.find(key)?;
        let now = (self.now.ms() / 1000) as u32 & entry::IDLE_MASK;
        Some(u64::from(now.wrapping_sub(found.head.idle) & entry::IDLE_MASK))
    }

    /// Bytes a key takes: its slot and its object. O(1).
    pub fn memory_bytes(&mut self, key: Key<'_>) -> Option<usize> {
        let found = self.find(key)?;
        let db = &self.shard.dbs[self.db];
        let object =
            db.object(found.handle).map_or(0, |object| size_of::<Option<Object>>() + object.heap_bytes());
        // Thirteen bytes are the slot's usual share of its segment.
        Some(db.bytes(found.handle).len() + 13 + object)
    }

    /// Takes a key and its value out, to be [put](Self::put) elsewhere: the two are one change, which `put` counts.
    /// O(1) for objects, O(bytes) for what stands in the entry.
    pub fn take(&mut self, key: Key<'_>) -> Option<Value> {
        let found = self.find(key)?;
        let inline = self.inline_form(found);
        self.shard.note_loss(self.db, found.handle);
        let object = self.shard.dbs[self.db].remove(key.hash, found.handle);
        self.changed(key, 0);
        let form = match object {
            Some(object) => Form::Object(object),
            None => inline,
        };
        Some(Value { form, expires_at_ms: found.head.expires_at_ms })
    }

    /// A copy of a key's value. O(bytes), but O(1) for a long string.
    pub fn copy(&mut self, key: Key<'_>) -> Option<Value> {
        let found = self.find(key)?;
        let form = match self.shard.dbs[self.db].object(found.handle) {
            Some(object) => Form::Object(object.clone()),
            None => self.inline_form(found),
        };
        Some(Value { form, expires_at_ms: found.head.expires_at_ms })
    }

    fn inline_form(&self, found: Found) -> Form {
        let bytes = self.shard.dbs[self.db].bytes(found.handle);
        Form::Inline(found.head.kind, found.head.value(bytes).to_vec())
    }

    /// Puts a value that [`take`](Self::take) or [`copy`](Self::copy) gave under a key, over what is there.
    pub fn put(&mut self, key: Key<'_>, value: Value) {
        let old = self.find(key);
        let expires = value.expires_at_ms.map_or(Expires::Clear, Expires::At);
        match value.form {
            Form::Inline(kind, bytes) => self.store(key, old, NewValue::Inline(kind, &bytes), expires),
            Form::Object(object) => self.store(key, old, NewValue::Object(object), expires),
        };
        self.wake(key);
    }

    /// Visits keys in hash order from `position` on, at least `want` of them; returns where to go on.
    ///
    /// Expired keys count, and are removed instead of visited. O(want + one segment).
    pub fn scan(&mut self, position: u32, want: usize, mut visit: impl FnMut(&[u8], Type)) -> Option<u32> {
        let now_ms = self.now.ms();
        let db = &self.shard.dbs[self.db];
        let mut expired = Vec::new();
        let next = db.table.scan(position, want, |slot| {
            let bytes = db.bytes(slot.handle);
            let head = Head::of(bytes);
            if head.is_expired(|| now_ms) {
                expired.push(slot);
            } else {
                visit(head.key(bytes), head.kind.type_of());
            }
        });
        for slot in expired {
            self.drop_expired(slot.hash, slot.handle);
        }
        next
    }

    /// Visits every key that is not expired. O(n).
    pub fn for_each(&mut self, mut visit: impl FnMut(&[u8], Type)) {
        let now_ms = self.now.ms();
        self.shard.dbs[self.db].for_each(|_, bytes, head| {
            if !head.is_expired(|| now_ms) {
                visit(head.key(bytes), head.kind.type_of());
            }
        });
    }

    /// A random key; `None` from an empty database, and where the key drawn had expired and was removed: whoever wants
    /// another draws again. Expected O(1).
    pub fn random_key(&mut self) -> Option<Vec<u8>> {
        let now_ms = self.now.ms();
        let mut seed = self.shard.random();
        let db = &self.shard.dbs[self.db];
        let slot = db.table.sample(|| {
            seed = seed.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            seed.rotate_left(29)
        })?;
        let bytes = db.bytes(slot.handle);
        let head = Head::of(bytes);
        if head.is_expired(|| now_ms) {
            self.drop_expired(slot.hash, slot.handle);
            return None;
        }
        Some(head.key(bytes).to_vec())
    }

    /// Keys in this database, expired ones that were not removed yet included. O(1).
    #[must_use]
    pub fn len(&self) -> usize {
        self.shard.dbs[self.db].len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // ---- Strings --------------------------------------------------------------------------------------------

    pub(super) fn string_of(&self, found: Found) -> Result<Str<'_>, WrongType> {
        let db = &self.shard.dbs[self.db];
        let bytes = db.bytes(found.handle);
        match found.head.kind {
            Kind::Str | Kind::RawStr => Ok(Str::Bytes(found.head.value(bytes))),
            Kind::Int => Ok(Str::Int(found.head.int(bytes))),
            Kind::StrObject => match db.object(found.handle) {
                Some(Object::Str(bytes)) => Ok(Str::Shared(bytes)),
                _ => Err(WrongType),
            },
            _ => Err(WrongType),
        }
    }

    /// A key's string. O(1).
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    #[inline]
    pub fn string(&mut self, key: Key<'_>) -> Result<Option<Str<'_>>, WrongType> {
        match self.read(key) {
            Some(found) => self.string_of(found).map(Some),
            None => Ok(None),
        }
    }

    /// Sets a key to a string, over whatever it holds. O(bytes).
    pub fn set_string(&mut self, key: Key<'_>, value: &[u8], expires: Expires) {
        self.fill_string(key, value, expires);
        self.notify(Class::String, "set", key);
        if matches!(expires, Expires::At(_)) {
            self.notify(Class::Generic, "expire", key);
        }
    }

    /// The same without a word to those who listen (`DEBUG POPULATE`).
    pub fn fill_string(&mut self, key: Key<'_>, value: &[u8], expires: Expires) {
        let old = self.find(key);
        self.write_string(key, old, value, expires, Kind::Str);
    }

    fn write_string(&mut self, key: Key<'_>, old: Option<Found>, value: &[u8], expires: Expires, kind: Kind) {
        if kind == Kind::Str
            && value.len() <= 20
            && let Some(number) = parse_int(value)
        {
            self.store(key, old, NewValue::Inline(Kind::Int, &number.to_le_bytes()), expires);
        } else if value.len() <= INLINE_BYTES_MAX {
            self.store(key, old, NewValue::Inline(kind, value), expires);
        } else {
            let object = Object::Str(Bytes::copy_from_slice(value));
            self.store(key, old, NewValue::Object(object), expires);
        }
    }

    /// Adds to a key's integer, which starts at 0; returns the sum. O(1), in place.
    ///
    /// # Errors
    /// [`StringError::NotAnInteger`], [`StringError::Overflow`] or [`StringError::WrongType`].
    pub fn increment(&mut self, key: Key<'_>, by: i64) -> Result<i64, StringError> {
        let old = self.find(key);
        let value = match old {
            None => 0,
            Some(found) => match self.string_of(found)? {
                Str::Int(value) => value,
                text => text.with_bytes(parse_int).ok_or(StringError::NotAnInteger)?,
            },
        };
        let sum = value.checked_add(by).ok_or(StringError::Overflow)?;
        match old {
            Some(found) if found.head.kind == Kind::Int => {
                let idle = self.mark(Some(found.head.idle));
                self.changed(key, 1);
                let db = &mut self.shard.dbs[self.db];
                db.before_change(key.hash);
                let slot = db.bytes_mut(found.handle);
                found.head.value_mut(slot).copy_from_slice(&sum.to_le_bytes());
                entry::set_idle(slot, idle);
            }
            _ => {
                self.store(key, old, NewValue::Inline(Kind::Int, &sum.to_le_bytes()), Expires::Keep);
            }
        }
        self.notify(Class::String, "incrby", key);
        Ok(sum)
    }

    /// Appends to a key's string, which starts empty; returns the new length. O(bytes added), amortised.
    ///
    /// # Errors
    /// [`StringError::TooLong`] or [`StringError::WrongType`].
    pub fn append(&mut self, key: Key<'_>, tail: &[u8]) -> Result<usize, StringError> {
        let Some(found) = self.find(key) else {
            self.check_string_len(tail.len())?;
            // Redis makes a new string of it, which may well be an integer.
            self.write_string(key, None, tail, Expires::Clear, Kind::Str);
            self.notify(Class::String, "append", key);
            return Ok(tail.len());
        };
        let len = self.string_of(found)?.len();
        let new_len = len.saturating_add(tail.len());
        self.check_string_len(new_len)?;
        self.splice_string(key, found, len, tail);
        self.notify(Class::String, "append", key);
        Ok(new_len)
    }

    /// Overwrites part of a key's string from `offset` on, filling a gap with zeros; returns the new length.
    ///
    /// Nothing happens, and no key is made, for empty bytes. O(bytes), in place where the string is long.
    ///
    /// # Errors
    /// [`StringError::TooLong`] or [`StringError::WrongType`].
    pub fn set_range(&mut self, key: Key<'_>, offset: usize, bytes: &[u8]) -> Result<usize, StringError> {
        let found = self.find(key);
        let len = match found {
            Some(found) => self.string_of(found)?.len(),
            None => 0,
        };
        if bytes.is_empty() {
            return Ok(len);
        }
        let end = offset.saturating_add(bytes.len());
        self.check_string_len(end)?;
        if end.saturating_sub(len) > PROBED_BYTES_MIN {
            // The length is the caller's word, and allocating aborts where there is no memory for it.
            Vec::<u8>::new().try_reserve_exact(end).map_err(|_| StringError::TooLong)?;
        }
        match found {
            Some(found) => self.splice_string(key, found, offset, bytes),
            None => {
                let mut whole = vec![0; end];
                whole[offset..].copy_from_slice(bytes);
                if end > INLINE_BYTES_MAX {
                    // The bytes are handed over, not copied: there may be hundreds of megabytes of zeros.
                    let object = Object::Str(Bytes::from(whole));
                    self.store(key, None, NewValue::Object(object), Expires::Clear);
                } else {
                    self.write_string(key, None, &whole, Expires::Clear, Kind::RawStr);
                }
            }
        }
        self.notify(Class::String, "setrange", key);
        Ok(len.max(end))
    }

    fn check_string_len(&self, len: usize) -> Result<(), StringError> {
        if len > self.shard.settings.string_bytes_max { Err(StringError::TooLong) } else { Ok(()) }
    }

    /// Writes `bytes` at `offset` of an existing string, growing it where needed.
    fn splice_string(&mut self, key: Key<'_>, found: Found, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        let write = |string: &mut BytesMut| {
            if string.len() < end {
                string.resize(end, 0);
            }
            string[offset..end].copy_from_slice(bytes);
        };
        if found.head.kind == Kind::StrObject {
            self.changed(key, 1);
            self.shard.dbs[self.db].with_object(key.hash, found.handle, |object| {
                if let Object::Str(shared) = object {
                    // Unique bytes are changed where they are; those that a reply still holds are copied.
                    let mut string = std::mem::take(shared)
                        .try_into_mut()
                        .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
                    write(&mut string);
                    *shared = string.freeze();
                }
            });
            let idle = self.mark(Some(found.head.idle));
            entry::set_idle(self.shard.dbs[self.db].bytes_mut(found.handle), idle);
            return;
        }
        if found.head.kind != Kind::Int && end <= INLINE_BYTES_MAX {
            const GAP: [u8; INLINE_BYTES_MAX] = [0; INLINE_BYTES_MAX];
            let idle = self.mark(Some(found.head.idle));
            self.changed(key, 1);
            let db = &mut self.shard.dbs[self.db];
            let mut value = db.edit(key.hash, found.handle, found.head);
            let len = value.bytes().len();
            let at = offset.min(len);
            let covered = (len - at).min(bytes.len());
            value.splice(at, covered, [&GAP[..offset - at], bytes, &[]]);
            let slot = value.handle();
            let slot = db.bytes_mut(slot);
            entry::set_kind(slot, Kind::RawStr);
            entry::set_idle(slot, idle);
            return;
        }
        let mut string = match self.string_of(found) {
            Ok(text) => text.with_bytes(|bytes| BytesMut::from(bytes)),
            Err(WrongType) => BytesMut::new(),
        };
        write(&mut string);
        if string.len() > INLINE_BYTES_MAX {
            let object = Object::Str(string.freeze());
            self.store(key, Some(found), NewValue::Object(object), Expires::Keep);
        } else {
            self.store(key, Some(found), NewValue::Inline(Kind::RawStr, &string), Expires::Keep);
        }
    }
}

/// A key and its hash within its shard.
#[derive(Clone, Copy, Debug)]
pub struct Key<'k> {
    /// The key's bytes.
    pub bytes: &'k [u8],
    /// The hash that its place in the shard's tables follows.
    pub hash: u32,
}

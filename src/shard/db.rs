//! One database of one shard: table, arena and the objects too large for an entry.
//!
//! It stores and finds; what a command means, whose turn it is and what time it is are `keyspace.rs`' business.
//!
//! **Invariant:** every handle in the table names a live slot whose key hashes to that place, and every object's
//! number stands in exactly one entry.

use super::arena::{Arena, Handle};
use super::entry::{self, Head, INLINE_BYTES_MAX, Kind, Parts};
use super::hashes::GoneFields;
use crate::value::hash::Hash;
use crate::value::list::{Deque, ListEncoding};
use crate::value::listpack::Buffer;
use crate::value::set::Set;
use crate::value::stream::Stream;
use crate::value::table::{self, Table};
use crate::value::zset::ZSet;
use bytes::Bytes;

/// A key's place in a database.
pub type Slot = table::Slot<Handle>;

/// A value too large for its entry.
#[derive(Clone, Debug)]
pub enum Object {
    /// A long string.
    Str(Bytes),
    /// A long list.
    List(Box<Deque>),
    /// A large hash, or one whose fields have deadlines.
    Hash(Box<Hash>),
    /// A large set.
    Set(Box<Set>),
    /// A large sorted set.
    ZSet(Box<ZSet>),
    /// A stream.
    Stream(Box<Stream>),
}

impl Object {
    /// Bytes on the heap, approximately what the allocator gave. O(1).
    ///
    /// Allocators round up, to one of four sizes for each doubling as a rule: what a collection's parts asked for is a
    /// twelfth less than what they take, measured over collections of many sizes (`tests/accounting.rs`).
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let asked = match self {
            // One allocation, and a large one is rounded to pages.
            Object::Str(bytes) => return bytes.len(),
            Object::List(list) => size_of::<Deque>() + list.heap_bytes(),
            Object::Hash(hash) => size_of::<Hash>() + hash.heap_bytes(),
            Object::Set(set) => size_of::<Set>() + set.heap_bytes(),
            Object::ZSet(zset) => size_of::<ZSet>() + zset.heap_bytes(),
            Object::Stream(stream) => size_of::<Stream>() + stream.heap_bytes(),
        };
        asked + asked / 12
    }

    /// What `OBJECT ENCODING` says of it. O(1).
    #[must_use]
    pub fn encoding(&self) -> &'static str {
        match self {
            Object::Str(_) => "raw",
            Object::List(list) => match list.encoding() {
                ListEncoding::Listpack => "listpack",
                ListEncoding::Quicklist => "quicklist",
            },
            Object::Hash(hash) => hash.encoding(),
            Object::Set(set) => set.encoding(),
            Object::ZSet(zset) => zset.encoding(),
            Object::Stream(_) => "stream",
        }
    }

    /// No deadline in it is earlier than this; [`NEVER`](table::NEVER) where it has none. O(1).
    #[must_use]
    pub fn next_due_ms(&self) -> u64 {
        match self {
            Object::Hash(hash) => hash.next_due_ms(),
            _ => table::NEVER,
        }
    }

    /// Whether there are deadlines in it. O(1).
    fn has_deadlines(&self) -> bool {
        matches!(self, Object::Hash(hash) if hash.has_deadlines())
    }

    fn kind(&self) -> Kind {
        match self {
            Object::Str(_) => Kind::StrObject,
            Object::List(_) => Kind::ListObject,
            Object::Hash(_) => Kind::HashObject,
            Object::Set(_) => Kind::SetObject,
            Object::ZSet(_) => Kind::ZSetObject,
            Object::Stream(_) => Kind::StreamObject,
        }
    }
}

/// Objects by number.
#[derive(Debug, Default)]
struct Objects {
    places: Vec<Option<Object>>,
    vacant: Vec<u32>,
    heap_bytes: usize,
    /// Objects with deadlines in them.
    with_deadlines: usize,
}

impl Objects {
    fn add(&mut self, object: Object) -> u32 {
        self.heap_bytes += object.heap_bytes();
        self.with_deadlines += usize::from(object.has_deadlines());
        match self.vacant.pop() {
            Some(number) => {
                self.places[number as usize] = Some(object);
                number
            }
            None => {
                self.places.push(Some(object));
                (self.places.len() - 1) as u32
            }
        }
    }

    fn take(&mut self, number: u32) -> Option<Object> {
        let object = self.places.get_mut(number as usize)?.take()?;
        self.heap_bytes -= object.heap_bytes();
        self.with_deadlines -= usize::from(object.has_deadlines());
        self.vacant.push(number);
        Some(object)
    }

    fn get(&self, number: u32) -> Option<&Object> {
        self.places.get(number as usize)?.as_ref()
    }
}

/// One database's keys on one shard.
#[derive(Debug, Default)]
pub struct Db {
    /// From hash to entry.
    pub table: Table<Handle>,
    arena: Arena,
    objects: Objects,
    /// Keys that have a deadline.
    with_deadline: usize,
    /// What a running snapshot has saved of it.
    pub(super) cut: Option<Box<super::cut::Cut>>,
}

/// What an entry's value is, to be written: bytes that go into the entry, or an object.
#[derive(Debug)]
pub enum NewValue<'a> {
    /// Bytes of a kind, at most [`INLINE_BYTES_MAX`].
    Inline(Kind, &'a [u8]),
    /// An object.
    Object(Object),
}

impl Db {
    /// To be called before anything under a hash changes: a snapshot that runs saves it first. O(1) where none runs.
    #[inline]
    pub(super) fn before_change(&mut self, hash: u32) {
        if self.cut.is_some() {
            self.save_before(hash);
        }
    }

    /// Keys in this database.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Keys with a deadline.
    #[must_use]
    pub fn with_deadline(&self) -> usize {
        self.with_deadline
    }

    /// Hashes in which fields have deadlines.
    #[must_use]
    pub fn with_field_deadlines(&self) -> usize {
        self.objects.with_deadlines
    }

    /// Whether anything here has a deadline.
    #[must_use]
    pub fn has_deadlines(&self) -> bool {
        self.with_deadline > 0 || self.objects.with_deadlines > 0
    }

    /// Bytes that keys and values take: their slots, their objects, and their share of the table. What is reserved
    /// beyond is there for the next keys, and shows as fragmentation. O(1).
    #[inline]
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.table.heap_bytes()
            + self.arena.live_bytes()
            + self.objects.heap_bytes
            + (self.objects.places.len() - self.objects.vacant.len()) * size_of::<Option<Object>>()
    }

    /// The entry of a key, expired or not.
    #[inline]
    #[must_use]
    pub fn find(&self, hash: u32, key: &[u8]) -> Option<Handle> {
        self.table.find(hash, |handle| entry::key_is(self.arena.bytes(handle), key))
    }

    /// An entry's bytes.
    #[inline]
    #[must_use]
    pub fn bytes(&self, handle: Handle) -> &[u8] {
        self.arena.bytes(handle)
    }

    /// An entry's bytes, to change its idle time, or a value of the same length behind `before_change`.
    #[inline]
    pub fn bytes_mut(&mut self, handle: Handle) -> &mut [u8] {
        self.arena.bytes_mut(handle)
    }

    /// An entry's head.
    #[inline]
    #[must_use]
    pub fn head(&self, handle: Handle) -> Head {
        Head::of(self.arena.bytes(handle))
    }

    /// The object of an entry whose kind says that it has one.
    #[must_use]
    pub fn object(&self, handle: Handle) -> Option<&Object> {
        let bytes = self.arena.bytes(handle);
        let head = Head::of(bytes);
        if head.kind.is_object() { self.objects.get(head.object(bytes)) } else { None }
    }

    /// Lets `f` change the object of an entry, keeping the account of its bytes.
    pub fn with_object<R>(
        &mut self,
        hash: u32,
        handle: Handle,
        f: impl FnOnce(&mut Object) -> R,
    ) -> Option<R> {
        self.before_change(hash);
        let bytes = self.arena.bytes(handle);
        let head = Head::of(bytes);
        if !head.kind.is_object() {
            return None;
        }
        let object = self.objects.places.get_mut(head.object(bytes) as usize)?.as_mut()?;
        let (before, had) = (object.heap_bytes(), object.has_deadlines());
        let result = f(object);
        self.objects.heap_bytes = self.objects.heap_bytes + object.heap_bytes() - before;
        self.objects.with_deadlines =
            self.objects.with_deadlines + usize::from(object.has_deadlines()) - usize::from(had);
        Some(result)
    }

    /// Writes a key's entry, in place of `old` where it has one; returns the entry and the object it lost.
    ///
    /// O(bytes of the entry).
    pub fn put(
        &mut self,
        hash: u32,
        old: Option<Handle>,
        key: &[u8],
        value: NewValue<'_>,
        expires_at_ms: Option<u64>,
        idle: u32,
    ) -> (Handle, Option<Object>) {
        self.before_change(hash);
        let lost = old.and_then(|handle| self.forget(handle));
        let number;
        let mut due_ms = table::NEVER;
        let (kind, bytes): (Kind, &[u8]) = match value {
            NewValue::Inline(kind, bytes) => (kind, bytes),
            NewValue::Object(object) => {
                let kind = object.kind();
                due_ms = object.next_due_ms();
                number = self.objects.add(object).to_le_bytes();
                (kind, &number)
            }
        };
        debug_assert!(bytes.len() <= INLINE_BYTES_MAX);
        let parts = Parts { kind, idle, expires_at_ms, key, value_len: bytes.len() };
        let handle = self.place(hash, old, parts.entry_len());
        parts.write(self.arena.bytes_mut(handle)).copy_from_slice(bytes);
        if let Some(deadline) = expires_at_ms {
            self.with_deadline += 1;
            due_ms = due_ms.min(deadline);
        }
        if due_ms != table::NEVER {
            self.table.note_deadline(hash, due_ms);
        }
        (handle, lost)
    }

    /// Writes a value over the one that stands in an entry, if the entry keeps its form: no object on either side, a
    /// deadline before and after or neither, the same slot. Whether it did; if not, nothing has changed.
    ///
    /// O(bytes of the value).
    #[inline]
    pub fn rewrite(
        &mut self,
        hash: u32,
        (handle, head): (Handle, &Head),
        (kind, value): (Kind, &[u8]),
        expires_at_ms: Option<u64>,
        idle: u32,
    ) -> bool {
        if head.kind.is_object() || head.expires_at_ms.is_some() != expires_at_ms.is_some() {
            return false;
        }
        self.before_change(hash);
        let slot = self.arena.bytes_mut(handle);
        let (at, end) = (head.value_at(), head.value_at() + value.len());
        if value.len() != head.value_len() && Arena::slot_bytes_for(end) != slot.len() {
            return false;
        }
        if let Some(deadline) = expires_at_ms {
            if !entry::set_deadline(slot, deadline) {
                return false;
            }
            self.table.note_deadline(hash, deadline);
        }
        slot[at..end].copy_from_slice(value);
        entry::set_kind(slot, kind);
        entry::set_idle(slot, idle);
        entry::set_value_len(slot, value.len());
        true
    }

    /// A slot of the right size for an entry: the old one, another one, or a new one.
    fn place(&mut self, hash: u32, old: Option<Handle>, len: usize) -> Handle {
        match old {
            Some(handle) if self.arena.bytes(handle).len() == Arena::slot_bytes_for(len) => handle,
            Some(handle) => {
                self.arena.free(handle);
                let new = self.arena.alloc(len);
                self.table.relocate(hash, handle, new);
                new
            }
            None => {
                let handle = self.arena.alloc(len);
                self.table.insert(hash, handle);
                handle
            }
        }
    }

    /// Settles the accounts of an entry that is about to be written over or removed.
    fn forget(&mut self, handle: Handle) -> Option<Object> {
        let bytes = self.arena.bytes(handle);
        let head = Head::of(bytes);
        self.with_deadline -= usize::from(head.expires_at_ms.is_some());
        if head.kind.is_object() { self.objects.take(head.object(bytes)) } else { None }
    }

    /// Removes an entry; returns the object it had, so that a large one can be freed elsewhere.
    pub fn remove(&mut self, hash: u32, handle: Handle) -> Option<Object> {
        self.before_change(hash);
        let object = self.forget(handle);
        let found = self.table.remove(hash, handle);
        debug_assert!(found, "an entry's hash names its place");
        self.arena.free(handle);
        object
    }

    /// Gives a key a deadline, or takes it away. O(bytes of the entry).
    pub fn set_deadline(&mut self, hash: u32, handle: Handle, key: &[u8], expires_at_ms: Option<u64>) {
        self.before_change(hash);
        let head = self.head(handle);
        match (head.expires_at_ms, expires_at_ms) {
            (None, None) => {}
            (Some(_), Some(deadline)) if entry::set_deadline(self.arena.bytes_mut(handle), deadline) => {
                self.table.note_deadline(hash, deadline);
            }
            (had, wanted) => {
                // The value moves by the bytes that the deadline takes more or less.
                let mut value = [0; INLINE_BYTES_MAX];
                let value = &mut value[..head.value_len()];
                value.copy_from_slice(head.value(self.arena.bytes(handle)));
                let parts = Parts {
                    kind: head.kind,
                    idle: head.idle,
                    expires_at_ms: wanted,
                    key,
                    value_len: value.len(),
                };
                let handle = self.place(hash, Some(handle), parts.entry_len());
                parts.write(self.arena.bytes_mut(handle)).copy_from_slice(value);
                self.with_deadline -= usize::from(had.is_some());
                if let Some(deadline) = wanted {
                    self.with_deadline += 1;
                    self.table.note_deadline(hash, deadline);
                }
            }
        }
    }

    /// Removes fields of a hash that are due until `removed` has reached `budget`; when the next one is due, and whether
    /// none is left.
    pub(super) fn expire_fields(
        &mut self,
        slot: Slot,
        now_ms: u64,
        budget: usize,
        removed: &mut usize,
        gone: &mut GoneFields,
    ) -> (u64, bool) {
        let (hash, handle) = (slot.hash, slot.handle);
        let due_ms = match self.object(handle) {
            Some(object) => object.next_due_ms(),
            None => table::NEVER,
        };
        if due_ms >= now_ms || *removed >= budget {
            return (due_ms, false);
        }
        let result = self.with_object(hash, handle, |object| match object {
            Object::Hash(hash) => {
                *removed += hash.expire(now_ms, budget - *removed, |field| gone.note(field));
                (hash.next_due_ms(), hash.is_empty())
            }
            _ => (table::NEVER, false),
        });
        result.unwrap_or((table::NEVER, false))
    }

    /// The value of an entry whose head was read before, to be edited in place.
    pub fn edit(&mut self, hash: u32, handle: Handle, head: Head) -> InlineValue<'_> {
        self.before_change(hash);
        InlineValue { db: self, hash, handle, head }
    }

    /// Visits every entry. O(n).
    pub fn for_each(&self, mut visit: impl FnMut(Slot, &[u8], &Head)) {
        self.table.for_each(|slot| {
            let bytes = self.arena.bytes(slot.handle);
            visit(slot, bytes, &Head::of(bytes));
        });
    }
}

/// A value inside its entry as a [`Buffer`]: the entry moves to another slot when the value outgrows this one.
#[derive(Debug)]
pub struct InlineValue<'a> {
    db: &'a mut Db,
    hash: u32,
    handle: Handle,
    head: Head,
}

impl InlineValue<'_> {
    /// Where the entry is now.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle
    }
}

impl Buffer for InlineValue<'_> {
    fn bytes(&self) -> &[u8] {
        self.head.value(self.db.arena.bytes(self.handle))
    }

    fn splice(&mut self, at: usize, removed: usize, parts: [&[u8]; 3]) {
        let added: usize = parts.iter().map(|part| part.len()).sum();
        let (old_len, value_at) = (self.head.value_len(), self.head.value_at());
        let new_len = old_len + added - removed;
        assert!(new_len <= usize::from(u16::MAX), "the owner checked that the value fits its entry");
        let (from, to) = (value_at + at + removed, value_at + at + added);
        let tail = old_len - at - removed;
        let arena = &mut self.db.arena;
        if Arena::slot_bytes_for(value_at + new_len) == arena.bytes(self.handle).len() {
            arena.bytes_mut(self.handle).copy_within(from..from + tail, to);
        } else {
            let new = arena.alloc(value_at + new_len);
            let (old, slot) = arena.pair(self.handle, new);
            slot[..value_at + at].copy_from_slice(&old[..value_at + at]);
            slot[to..to + tail].copy_from_slice(&old[from..from + tail]);
            arena.free(self.handle);
            self.db.table.relocate(self.hash, self.handle, new);
            self.handle = new;
        }
        let slot = self.db.arena.bytes_mut(self.handle);
        let mut to = value_at + at;
        for part in parts {
            slot[to..to + part.len()].copy_from_slice(part);
            to += part.len();
        }
        entry::set_value_len(slot, new_len);
        self.head.set_value_len(new_len);
    }

    fn overwrite(&mut self, at: usize, bytes: &[u8]) {
        let at = self.head.value_at() + at;
        self.db.arena.bytes_mut(self.handle)[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

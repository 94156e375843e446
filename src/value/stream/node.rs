//! A node: some entries whose IDs follow each other, packed in the layout of Redis' stream listpacks.
//!
//! ```text
//! live | deleted | num-fields | field … | 0 | entry | entry | …          the master entry, then the entries
//! flags | ms | seq | value … | count                                     an entry with the master's fields
//! flags | ms | seq | num-fields | field | value … | count                an entry with fields of its own
//! ```
//!
//! Each part is a listpack entry. `ms` and `seq` are what the ID is beyond the node's, `count` is how many parts
//! stand between it and the start of its entry, so that a node is read from its end as well. Deleted entries stay
//! where they are with a flag. The first two parts are kept beside the bytes here, as plain numbers; [`Node::redis_len`]
//! counts them where Redis decides by a node's size.
//!
//! **Invariant:** the bytes are what this file wrote, and `flags` is one byte. The readers end early on others.

use super::{Id, TooLarge};
use crate::value::listpack::{self, Element, Encoded, REDIS_OVERHEAD};

/// The entry is gone; it only keeps its place.
pub(super) const DELETED: i64 = 1;
/// The entry has the master's fields.
pub(super) const SAME_FIELDS: i64 = 2;

/// The most fields an entry may have; with the limit of its bytes this keeps a node below 4 GiB.
const FIELDS_MAX: usize = 1 << 24;
/// The most bytes of all fields and values of an entry, which is Redis' limit.
const ENTRY_BYTES_MAX: usize = 1 << 30;

#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Everything behind the two counts.
    pack: Vec<u8>,
    live: u32,
    deleted: u32,
    fields: u32,
    /// Where the first entry stands.
    entries_at: u32,
}

/// The total of the bytes of fields and values.
///
/// # Errors
/// [`TooLarge`] where a node could not hold them.
#[inline]
pub(super) fn check_size(pairs: &[&[u8]]) -> Result<usize, TooLarge> {
    let bytes = pairs.iter().fold(0usize, |sum, part| sum.saturating_add(part.len()));
    if bytes > ENTRY_BYTES_MAX || pairs.len() > 2 * FIELDS_MAX { Err(TooLarge) } else { Ok(bytes) }
}

fn push(pack: &mut Vec<u8>, encoded: &Encoded<'_>) {
    for part in encoded.parts() {
        // The usual length of a header and a backlen; not worth a call to memcpy.
        if let &[byte] = part {
            pack.push(byte);
        } else {
            pack.extend_from_slice(part);
        }
    }
}

#[inline]
fn push_int(pack: &mut Vec<u8>, number: i64) {
    if let 0..=127 = number {
        pack.extend_from_slice(&[number as u8, 1]);
    } else {
        push(pack, &Encoded::int(number));
    }
}

#[inline]
fn push_text(pack: &mut Vec<u8>, text: &[u8]) {
    push(pack, &Encoded::new(text));
}

/// The number that stands at `at`, and where the next part begins.
#[inline]
fn int_at(pack: &[u8], at: usize) -> Option<(i64, usize)> {
    match *pack.get(at)? {
        byte @ 0..=127 => Some((i64::from(byte), at + 2)),
        _ => {
            let (element, len) = listpack::first(pack.get(at..)?)?;
            Some((element.as_int()?, at + len))
        }
    }
}

/// Where the part behind `count` parts begins.
#[inline]
fn skip(pack: &[u8], mut at: usize, count: usize) -> Option<usize> {
    for _ in 0..count {
        at += listpack::first_len(pack.get(at..)?)?;
    }
    Some(at)
}

impl Node {
    /// A node for an entry with these fields, which it does not hold yet.
    pub(super) fn new(pairs: &[&[u8]], room: usize) -> Self {
        let mut pack = Vec::with_capacity(room);
        push_int(&mut pack, (pairs.len() / 2) as i64);
        for field in pairs.iter().step_by(2) {
            push_text(&mut pack, field);
        }
        push_int(&mut pack, 0);
        Self { live: 0, deleted: 0, fields: (pairs.len() / 2) as u32, entries_at: pack.len() as u32, pack }
    }

    /// A node with these master fields, which exist already as elements.
    pub(super) fn with_master<'e>(count: usize, fields: impl Iterator<Item = Element<'e>>) -> Self {
        let mut pack = Vec::new();
        push_int(&mut pack, count as i64);
        for field in fields {
            field.with_bytes(|text| push_text(&mut pack, text));
        }
        push_int(&mut pack, 0);
        Self { live: 0, deleted: 0, fields: count as u32, entries_at: pack.len() as u32, pack }
    }

    /// Entries that are not deleted.
    #[inline]
    pub(super) fn live(&self) -> usize {
        self.live as usize
    }

    /// Entries, deleted ones included.
    #[inline]
    pub(super) fn entries(&self) -> usize {
        self.live as usize + self.deleted as usize
    }

    /// Bytes of Redis' listpack for this node. O(1).
    #[inline]
    pub(super) fn redis_len(&self) -> usize {
        let width = |count: u32| if count < 128 { 2 } else { Encoded::int(i64::from(count)).entry_len() };
        REDIS_OVERHEAD + width(self.live) + width(self.deleted) + self.pack.len()
    }

    /// Redis' listpack for this node.
    pub(super) fn to_redis(&self) -> Vec<u8> {
        let mut entries = Vec::with_capacity(self.pack.len() + 16);
        push_int(&mut entries, i64::from(self.live));
        push_int(&mut entries, i64::from(self.deleted));
        entries.extend_from_slice(&self.pack);
        let count = listpack::Entries::new(&entries).count();
        listpack::to_redis(&entries, count)
    }

    /// Bytes allocated.
    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.pack.capacity()
    }

    /// Gives back what was allocated for entries to come.
    pub(super) fn shrink(&mut self) {
        self.pack.shrink_to_fit();
    }

    /// Makes room for `bytes` more by doubling, but not beyond what a node should have.
    #[inline]
    pub(super) fn make_room(&mut self, bytes: usize, bytes_max: usize) {
        let (len, capacity) = (self.pack.len(), self.pack.capacity());
        if capacity - len < bytes {
            let room = capacity.min(bytes_max.saturating_sub(len)).max(bytes);
            self.pack.reserve_exact(room);
        }
    }

    /// Whether the master has these fields.
    #[inline]
    fn has_fields(&self, pairs: &[&[u8]]) -> bool {
        if self.fields as usize != pairs.len() / 2 {
            return false;
        }
        let Some((_, mut at)) = int_at(&self.pack, 0) else { return false };
        for field in pairs.iter().step_by(2) {
            match self.pack.get(at..).and_then(listpack::first) {
                Some((element, len)) if element == **field => at += len,
                _ => return false,
            }
        }
        true
    }

    /// Adds an entry behind the others; `base` is the node's ID.
    #[inline]
    pub(super) fn append(&mut self, base: Id, id: Id, pairs: &[&[u8]]) {
        let same = self.entries() == 0 || self.has_fields(pairs);
        self.begin(base, id, if same { SAME_FIELDS } else { 0 });
        if !same {
            push_int(&mut self.pack, (pairs.len() / 2) as i64);
        }
        for pair in pairs.chunks_exact(2) {
            if !same {
                push_text(&mut self.pack, pair[0]);
            }
            push_text(&mut self.pack, pair[1]);
        }
        self.end(pairs.len() / 2, same);
    }

    /// Adds an entry of another pack.
    pub(super) fn append_elements<'e>(
        &mut self,
        base: Id,
        id: Id,
        flags: i64,
        count: usize,
        elements: impl Iterator<Item = Element<'e>>,
    ) {
        let same = flags & SAME_FIELDS != 0;
        self.begin(base, id, flags);
        if !same {
            push_int(&mut self.pack, count as i64);
        }
        for element in elements {
            element.with_bytes(|text| push_text(&mut self.pack, text));
        }
        self.end(count, same);
    }

    #[inline]
    fn begin(&mut self, base: Id, id: Id, flags: i64) {
        push_int(&mut self.pack, flags);
        push_int(&mut self.pack, id.ms.wrapping_sub(base.ms) as i64);
        push_int(&mut self.pack, id.seq.wrapping_sub(base.seq) as i64);
        if flags & DELETED == 0 {
            self.live += 1;
        } else {
            self.deleted += 1;
        }
    }

    #[inline]
    fn end(&mut self, fields: usize, same: bool) {
        let parts = 3 + if same { fields } else { 2 * fields + 1 };
        push_int(&mut self.pack, parts as i64);
    }

    /// Where the first entry stands.
    #[inline]
    pub(super) fn start(&self) -> usize {
        self.entries_at as usize
    }

    /// Behind the last entry.
    #[inline]
    pub(super) fn end_at(&self) -> usize {
        self.pack.len()
    }

    /// The entry that begins at `at`; `None` at the end.
    #[inline]
    pub(super) fn entry_at(&self, base: Id, at: usize) -> Option<Entry<'_>> {
        self.read(base, at, None)
    }

    /// Reads the entry that begins at `at`; `tail` is where its last part begins and ends, if that is known.
    #[inline]
    fn read(&self, base: Id, at: usize, tail: Option<(usize, usize)>) -> Option<Entry<'_>> {
        let pack = &self.pack[..];
        let (flags, next) = int_at(pack, at)?;
        let (ms, next) = int_at(pack, next)?;
        let (seq, next) = int_at(pack, next)?;
        let id = Id { ms: base.ms.wrapping_add(ms as u64), seq: base.seq.wrapping_add(seq as u64) };
        let (names, count, body, parts) = if flags & SAME_FIELDS == 0 {
            let (count, body) = int_at(pack, next)?;
            let count = usize::try_from(count).ok()?;
            (None, count, body, count.checked_mul(2)?)
        } else {
            let count = self.fields as usize;
            (Some(pack), count, next, count)
        };
        let (behind, end) = match tail {
            Some(tail) => tail,
            None => {
                let behind = skip(pack, body, parts)?;
                (behind, int_at(pack, behind)?.1)
            }
        };
        let names = match names {
            Some(pack) => Some(pack.get(int_at(pack, 0)?.1..)?),
            None => None,
        };
        let fields = Fields { names, body: pack.get(body..behind)?, left: count };
        Some(Entry { id, deleted: flags & DELETED != 0, fields, at, end })
    }

    /// The entry that ends at `end`; `None` at the start.
    #[inline]
    pub(super) fn entry_before(&self, base: Id, end: usize) -> Option<Entry<'_>> {
        if end <= self.start() {
            return None;
        }
        let (count, len) = listpack::last(self.pack.get(..end)?)?;
        let tail = (end - len, end);
        let mut at = tail.0;
        for _ in 0..count.as_int()? {
            at -= listpack::last_len(self.pack.get(..at)?)?;
        }
        self.read(base, at, Some(tail))
    }

    /// Marks the entry that begins at `at` as deleted.
    pub(super) fn mark_deleted(&mut self, at: usize) {
        if let Some(flags) = self.pack.get_mut(at)
            && i64::from(*flags) & DELETED == 0
        {
            *flags |= DELETED as u8;
            self.live -= 1;
            self.deleted += 1;
        }
    }
}

/// An entry, where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its ID.
    pub id: Id,
    pub(super) deleted: bool,
    fields: Fields<'a>,
    /// Where it begins in its node.
    pub(super) at: usize,
    /// Where the next one begins.
    pub(super) end: usize,
}

impl<'a> Entry<'a> {
    /// Its fields and values, in the order in which they were given.
    #[must_use]
    pub fn fields(&self) -> Fields<'a> {
        self.fields
    }
}

/// The fields of an entry with their values.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    /// Where the names stand that are the master's.
    names: Option<&'a [u8]>,
    body: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Element<'a>, Element<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let names = self.names.as_mut().unwrap_or(&mut self.body);
        let (name, len) = listpack::first(names)?;
        *names = &names[len..];
        let (value, len) = listpack::first(self.body)?;
        self.body = &self.body[len..];
        Some((name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Fields<'_> {}

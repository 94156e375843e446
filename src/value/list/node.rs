//! The nodes of a deque: packs that grow at both ends, and large elements that are a node of their own.

use super::End;
use crate::value::listpack::{self, Element, Encoded, Entries, Needle};
use bytes::Bytes;

/// Several elements, or a large one by itself.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Pack(Pack),
    Plain(Bytes),
}

impl Node {
    pub(super) const NO_ELEMENTS: Elements<'static> = Elements::Plain(None);

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Pack(pack) => pack.len(),
            Self::Plain(_) => 1,
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Pack(pack) => pack.capacity(),
            Self::Plain(bytes) => bytes.len(),
        }
    }

    pub(super) fn elements(&self) -> Elements<'_> {
        match self {
            Self::Pack(pack) => Elements::Packed(Entries::new(pack.entries())),
            Self::Plain(bytes) => Elements::Plain(Some(bytes)),
        }
    }

    /// Removes up to `max` matches, those nearest to `end`. A large element that matches leaves an empty
    /// pack.
    pub(super) fn remove(&mut self, needle: Needle<'_>, max: usize, end: End) -> usize {
        match self {
            Self::Pack(pack) => pack.remove(needle, max, end),
            Self::Plain(bytes) if max > 0 && needle.matches(Element::Shared(bytes)) => {
                *self = Self::Pack(Pack::with_capacity(0, End::Back));
                1
            }
            Self::Plain(_) => 0,
        }
    }
}

/// The elements of a node.
#[derive(Clone, Copy, Debug)]
pub(super) enum Elements<'a> {
    Packed(Entries<'a>),
    Plain(Option<&'a Bytes>),
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match self {
            Self::Packed(entries) => entries.next(),
            Self::Plain(bytes) => bytes.take().map(Element::Shared),
        }
    }
}

impl DoubleEndedIterator for Elements<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Self::Packed(entries) => entries.next_back(),
            Self::Plain(bytes) => bytes.take().map(Element::Shared),
        }
    }
}

/// A pack with free room on both sides: `buf[head..]` are its entries.
///
/// Whichever side of a change is shorter moves. A side that has run out of room first gets half of what the
/// other has to spare, if that is a good part of the whole; otherwise the buffer grows by half, not beyond
/// what a node should have unless it must. Either way the bytes moved are paid for by the pushes that follow.
#[derive(Clone, Debug)]
pub(super) struct Pack {
    buf: Vec<u8>,
    /// u32 as a listpack's own length: no pack reaches 4 GiB.
    head: u32,
    count: u32,
}

impl Pack {
    /// An empty pack whose room is all at `end`.
    pub(super) fn with_capacity(capacity: usize, end: End) -> Self {
        let mut buf = Vec::with_capacity(capacity);
        if end == End::Front {
            buf.resize(capacity, 0);
        }
        Self { head: buf.len() as u32, buf, count: 0 }
    }

    pub(super) fn from_entries(entries: &[u8], count: usize) -> Self {
        Self { buf: entries.to_vec(), head: 0, count: count as u32 }
    }

    #[inline]
    fn head(&self) -> usize {
        self.head as usize
    }

    #[inline]
    pub(super) fn entries(&self) -> &[u8] {
        &self.buf[self.head()..]
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.count as usize
    }

    /// Bytes allocated.
    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.buf.capacity()
    }

    #[inline]
    pub(super) fn push(&mut self, end: End, encoded: &Encoded<'_>, capacity: usize) {
        self.count += 1;
        let (len, parts) = (encoded.entry_len(), encoded.parts());
        match end {
            End::Front => {
                if self.head() < len {
                    self.make_room(End::Front, len, capacity);
                }
                self.head -= len as u32;
                let head = self.head();
                listpack::copy_parts(&mut self.buf, head, parts);
            }
            End::Back => {
                if self.buf.capacity() - self.buf.len() < len {
                    self.make_room(End::Back, len, capacity);
                }
                for part in parts {
                    // The usual length of a header and a backlen; not worth a call to memcpy.
                    if let &[byte] = part {
                        self.buf.push(byte);
                    } else {
                        self.buf.extend_from_slice(part);
                    }
                }
            }
        }
    }

    pub(super) fn insert(&mut self, inner: usize, encoded: &Encoded<'_>, capacity: usize) {
        let at = listpack::seek(self.entries(), self.len(), inner);
        self.count += 1;
        self.splice(at, 0, encoded.parts(), capacity);
    }

    pub(super) fn replace(&mut self, inner: usize, encoded: &Encoded<'_>, capacity: usize) {
        let at = listpack::seek(self.entries(), self.len(), inner);
        let removed = listpack::first_len(&self.entries()[at..]).unwrap_or(0);
        self.splice(at, removed, encoded.parts(), capacity);
        self.shrink();
    }

    pub(super) fn remove_at(&mut self, inner: usize) {
        let at = listpack::seek(self.entries(), self.len(), inner);
        let removed = listpack::first_len(&self.entries()[at..]).unwrap_or(0);
        self.cut(at, removed, 1);
    }

    /// Takes out `removed` bytes, which are `count` entries.
    #[inline]
    pub(super) fn cut(&mut self, at: usize, removed: usize, count: usize) {
        self.count -= count as u32;
        let (head, len) = (self.head(), self.buf.len());
        let behind = len - head - at - removed;
        if at < behind {
            self.buf.copy_within(head..head + at, head + removed);
            self.head += removed as u32;
        } else {
            if behind > 0 {
                self.buf.copy_within(len - behind.., head + at);
            }
            self.buf.truncate(len - removed);
        }
        self.shrink();
    }

    pub(super) fn drop_end(&mut self, end: End, count: usize) {
        let (len, held) = (self.entries().len(), self.len());
        match end {
            End::Front => self.cut(0, listpack::seek(self.entries(), held, count), count),
            End::Back => {
                let at = listpack::seek(self.entries(), held, held - count);
                self.cut(at, len - at, count);
            }
        }
    }

    pub(super) fn split_off(&mut self, inner: usize) -> Self {
        let (at, count) = (listpack::seek(self.entries(), self.len(), inner), self.len() - inner);
        let right = Self::from_entries(&self.entries()[at..], count);
        self.drop_end(End::Back, count);
        right
    }

    pub(super) fn append(&mut self, right: &Self, capacity: usize) {
        self.count += right.count;
        let at = self.entries().len();
        self.splice(at, 0, [right.entries(), &[], &[]], capacity);
    }

    /// Removes up to `max` matches, those nearest to `end`, moving every entry that stays once at most.
    pub(super) fn remove(&mut self, needle: Needle<'_>, max: usize, end: End) -> usize {
        let matches = Entries::new(self.entries()).filter(|element| needle.matches(*element));
        let total = if end == End::Back || max == 0 { matches.count() } else { matches.take(max).count() };
        let (mut skip, mut left) =
            (if end == End::Back { total.saturating_sub(max) } else { 0 }, total.min(max));
        let removed = left;
        if removed == 0 {
            return 0;
        }
        let (mut read, mut write) = (self.head(), self.head());
        while left > 0 {
            let Some((element, len)) = listpack::first(&self.buf[read..]) else { break };
            if !needle.matches(element) {
                self.buf.copy_within(read..read + len, write);
                write += len;
            } else if skip > 0 {
                skip -= 1;
                self.buf.copy_within(read..read + len, write);
                write += len;
            } else {
                left -= 1;
            }
            read += len;
        }
        self.buf.copy_within(read.., write);
        self.buf.truncate(self.buf.len() - (read - write));
        self.count -= removed as u32;
        self.shrink();
        removed
    }

    /// Replaces `removed` bytes of the entries at `at`, moving the shorter side.
    fn splice(&mut self, at: usize, removed: usize, parts: [&[u8]; 3], capacity: usize) {
        let added: usize = parts.iter().map(|part| part.len()).sum();
        let behind = self.entries().len() - at - removed;
        let end = if at < behind { End::Front } else { End::Back };
        let grown = added.saturating_sub(removed);
        let room = if end == End::Front { self.head() } else { self.buf.capacity() - self.buf.len() };
        if room < grown {
            self.make_room(end, grown, capacity);
        }
        let head = self.head();
        match end {
            End::Front => {
                let new_head = head + removed - added;
                self.buf.copy_within(head..head + at, new_head);
                self.head = new_head as u32;
            }
            End::Back => {
                let len = self.buf.len();
                self.buf.resize(len + grown, 0);
                self.buf.copy_within(head + at + removed..len, head + at + added);
                self.buf.truncate(head + at + added + behind);
            }
        }
        let at = self.head() + at;
        listpack::copy_parts(&mut self.buf, at, parts);
    }

    /// Makes at least `room` bytes of room at `end`; `capacity` is how large a node should get.
    #[cold]
    fn make_room(&mut self, end: End, room: usize, capacity: usize) {
        let live = self.entries().len();
        let spare = self.buf.capacity() - live;
        let wanted = (live + room)
            .saturating_add((live + room) / 2)
            .min(capacity)
            .max(live + room)
            .next_multiple_of(16);
        if spare < room || (spare < live / 4 && self.buf.capacity() < wanted) {
            // Growing: the side that asks gets all the room there is.
            let wanted = wanted.max(self.buf.capacity());
            match end {
                End::Front => {
                    let mut grown = Vec::with_capacity(wanted);
                    grown.resize(wanted - live, 0);
                    grown.extend_from_slice(self.entries());
                    self.head = (wanted - live) as u32;
                    self.buf = grown;
                }
                End::Back => {
                    self.move_to(0);
                    self.buf.reserve_exact(wanted - live);
                }
            }
        } else {
            // Sharing: what is to spare beyond `room` is halved, so that pushes at both ends do not fight.
            let head = match end {
                End::Front => room + (spare - room) / 2,
                End::Back => (spare - room) / 2,
            };
            self.move_to(head);
        }
    }

    /// Moves the entries inside the buffer, which has the room.
    fn move_to(&mut self, head: usize) {
        let (old, live) = (self.head(), self.entries().len());
        if head > old {
            self.buf.resize(head + live, 0);
        }
        self.buf.copy_within(old..old + live, head);
        self.buf.truncate(head + live);
        self.head = head as u32;
    }

    /// Gives memory back when three quarters are unused.
    #[inline]
    fn shrink(&mut self) {
        const WORTH_IT: usize = 256;
        let live = self.entries().len();
        if self.buf.capacity() > WORTH_IT && live < self.buf.capacity() / 4 {
            let mut shrunk = Vec::with_capacity((live + live / 2).next_multiple_of(16));
            shrunk.extend_from_slice(self.entries());
            self.buf = shrunk;
            self.head = 0;
        }
    }
}

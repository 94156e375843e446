//! The packed list: a count and its entries in the buffer of its owner, who asks [`packed_fits`] before it adds.

use super::{End, ListRef, NodeLimit, OutOfRange, Side, absolute, bounds, end_entry, removal};
use crate::value::listpack::{self, Buffer, Element, Encoded, Needle};
use smallvec::SmallVec;

/// A small list: `[count: u16 LE][entries]` in a buffer.
///
/// Its operations cost O(n) in its bytes, which the owner keeps few.
#[derive(Debug)]
pub struct Packed<B> {
    buffer: B,
}

/// The bytes in front of the entries: their count.
pub(super) const PACKED_HEADER: usize = 2;

/// The count and the entries.
pub(super) fn packed_parts(bytes: &[u8]) -> (usize, &[u8]) {
    match bytes.split_first_chunk::<PACKED_HEADER>() {
        Some((count, entries)) => (usize::from(u16::from_le_bytes(*count)), entries),
        None => (0, &[]),
    }
}

/// Whether a packed list, given by its bytes, stays within `max_bytes` and remains a `listpack` when `values`
/// are added to it. Asked before LPUSH, RPUSH, LINSERT and LSET alike: Redis counts the value of an LSET as
/// one more. O(values).
///
/// The bytes are estimated from above: a number may turn out shorter.
pub fn packed_fits<'v>(
    bytes: &[u8],
    values: impl IntoIterator<Item = &'v [u8]>,
    limit: NodeLimit,
    max_bytes: usize,
) -> bool {
    let (mut count, entries) = packed_parts(bytes);
    let (mut raw, mut encoded) = (entries.len(), PACKED_HEADER + entries.len());
    for value in values {
        count += 1;
        raw += value.len();
        encoded += listpack::encoded_len_max(value.len());
    }
    encoded <= max_bytes && count <= usize::from(u16::MAX) && !limit.exceeded_by(raw, count)
}

impl<B: Buffer> Packed<B> {
    /// Takes the list in `buffer`; an empty buffer becomes an empty list. O(1).
    pub fn new(mut buffer: B) -> Self {
        if buffer.bytes().is_empty() {
            buffer.splice(0, 0, [&[0; PACKED_HEADER], &[], &[]]);
        }
        Self { buffer }
    }

    /// The list for reading. O(1).
    pub fn view(&self) -> ListRef<'_> {
        ListRef::Packed(self.buffer.bytes())
    }

    /// The buffer, which keeps the list. O(1).
    pub fn into_inner(self) -> B {
        self.buffer
    }

    fn parts(&self) -> (usize, &[u8]) {
        packed_parts(self.buffer.bytes())
    }

    /// Replaces `removed` bytes of the entries and sets the count.
    fn splice(&mut self, at: usize, removed: usize, parts: [&[u8]; 3], count: usize) {
        self.buffer.splice(PACKED_HEADER + at, removed, parts);
        let count = u16::try_from(count).expect("the owner checks `packed_fits` before it adds");
        self.buffer.overwrite(0, &count.to_le_bytes());
    }

    pub(super) fn push(&mut self, end: End, value: &[u8]) {
        let (count, entries) = self.parts();
        let at = if end == End::Front { 0 } else { entries.len() };
        self.splice(at, 0, Encoded::new(value).parts(), count + 1);
    }

    /// Pushes several values one after the other, with one change of the buffer: it does not grow through all the sizes
    /// in between.
    pub(super) fn extend<'v>(&mut self, end: End, values: impl IntoIterator<Item = &'v [u8]>) {
        let values: SmallVec<[&[u8]; 16]> = values.into_iter().collect();
        if let [value] = values[..] {
            return self.push(end, value);
        }
        let mut encoded: SmallVec<[u8; 512]> = SmallVec::new();
        let mut encode = |value: &&[u8]| {
            Encoded::new(value).parts().iter().for_each(|part| encoded.extend_from_slice(part));
        };
        // The last one pushed to the front stands first.
        match end {
            End::Front => values.iter().rev().for_each(&mut encode),
            End::Back => values.iter().for_each(&mut encode),
        }
        let (count, entries) = self.parts();
        let at = if end == End::Front { 0 } else { entries.len() };
        self.splice(at, 0, [&encoded, &[], &[]], count + values.len());
    }

    pub(super) fn pop<R>(&mut self, end: End, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let (count, entries) = self.parts();
        let (element, at, len) = end_entry(entries, end)?;
        let result = f(element);
        self.splice(at, len, [&[]; 3], count - 1);
        Some(result)
    }

    pub(super) fn set(&mut self, index: i64, value: &[u8]) -> Result<(), OutOfRange> {
        let (count, entries) = self.parts();
        let at = listpack::seek(entries, count, absolute(index, count).ok_or(OutOfRange)?);
        let removed = listpack::first_len(&entries[at..]).ok_or(OutOfRange)?;
        self.buffer.splice(PACKED_HEADER + at, removed, Encoded::new(value).parts());
        Ok(())
    }

    pub(super) fn insert(&mut self, pivot: &[u8], value: &[u8], side: Side) -> Option<usize> {
        let (count, entries) = self.parts();
        let (at, len) = listpack::find(entries, Needle::new(pivot))?;
        let at = if side == Side::Before { at } else { at + len };
        self.splice(at, 0, Encoded::new(value).parts(), count + 1);
        Some(count + 1)
    }

    pub(super) fn remove(&mut self, count: i64, value: &[u8]) -> usize {
        let (needle, (max, end)) = (Needle::new(value), removal(count));
        let (before, entries) = self.parts();
        let mut removed = 0;
        // The part of the entries not yet looked at.
        let (mut low, mut high) = (0, entries.len());
        while removed < max {
            let Some((element, at, len)) = end_entry(&self.parts().1[low..high], end) else { break };
            let (matches, at) = (needle.matches(element), low + at);
            if matches {
                removed += 1;
                self.splice(at, len, [&[]; 3], before - removed);
            }
            match end {
                End::Front if matches => high -= len,
                End::Front => low += len,
                End::Back => high -= len,
            }
        }
        removed
    }

    pub(super) fn trim(&mut self, start: i64, stop: i64) {
        let (count, entries) = self.parts();
        let keep = bounds(start, stop, count);
        let (from, to) =
            (listpack::seek(entries, count, keep.start), listpack::seek(entries, count, keep.end));
        let behind = entries.len() - to;
        self.splice(to, behind, [&[]; 3], keep.end);
        self.splice(0, from, [&[]; 3], keep.len());
    }
}

//! The packed set: a count and its members as entries of a listpack, in the order in which they came.
//!
//! `[count: u16 LE][entries]`; an empty buffer is an empty set, too. What costs O(n) here is bounded by what the owner
//! keeps in one pack.

use crate::value::listpack::{self, Buffer, Element, Encoded, Entries, Needle};

/// The bytes in front of the entries: their count.
pub(super) const HEADER: usize = 2;

/// The most members that a pack counts.
pub(super) const COUNT_MAX: usize = u16::MAX as usize;

/// The count and the entries.
#[inline]
pub(super) fn parts(bytes: &[u8]) -> (usize, &[u8]) {
    match bytes.split_first_chunk::<HEADER>() {
        Some((count, entries)) => (usize::from(u16::from_le_bytes(*count)), entries),
        None => (0, &[]),
    }
}

/// Whether a member is in the pack. O(n).
#[inline]
pub(super) fn contains(bytes: &[u8], needle: Needle<'_>) -> bool {
    listpack::find(parts(bytes).1, needle).is_some()
}

fn splice<B: Buffer + ?Sized>(buffer: &mut B, at: usize, removed: usize, parts: [&[u8]; 3], count: usize) {
    buffer.splice(HEADER + at, removed, parts);
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    buffer.overwrite(0, &count.to_le_bytes());
}

/// Adds a member that is not in the pack. O(1) but for the growth of the buffer.
pub(super) fn push<B: Buffer + ?Sized>(buffer: &mut B, member: Encoded<'_>) {
    if buffer.bytes().is_empty() {
        buffer.splice(0, 0, [&[0; HEADER], &[], &[]]);
    }
    let (count, entries) = parts(buffer.bytes());
    let at = entries.len();
    splice(buffer, at, 0, member.parts(), count + 1);
}

/// Removes a member; whether it was there. O(n).
pub(super) fn remove<B: Buffer + ?Sized>(buffer: &mut B, needle: Needle<'_>) -> bool {
    let (count, entries) = parts(buffer.bytes());
    let Some((at, len)) = listpack::find(entries, needle) else { return false };
    splice(buffer, at, len, [&[]; 3], count - 1);
    true
}

/// The member at a position. O(n).
pub(super) fn get(bytes: &[u8], index: usize) -> Option<Element<'_>> {
    let (count, entries) = parts(bytes);
    let at = listpack::seek(entries, count, index.min(count));
    listpack::first(entries.get(at..)?).map(|(element, _)| element)
}

/// Removes the member at a position, which is one of the pack's. O(n).
pub(super) fn remove_at<B: Buffer + ?Sized>(buffer: &mut B, index: usize) {
    let (count, entries) = parts(buffer.bytes());
    let at = listpack::seek(entries, count, index.min(count));
    let Some(len) = entries.get(at..).and_then(listpack::first_len) else { return };
    splice(buffer, at, len, [&[]; 3], count - 1);
}

/// Keeps the members for which `keep` says so, which is asked in their order. O(n).
pub(super) fn retain<B: Buffer + ?Sized>(buffer: &mut B, mut keep: impl FnMut(Element<'_>) -> bool) {
    let (_, entries) = parts(buffer.bytes());
    let old = buffer.bytes().len();
    let mut kept = Vec::with_capacity(old);
    kept.extend_from_slice(&[0; HEADER]);
    let (mut rest, mut count) = (entries, 0u16);
    while let Some((element, len)) = listpack::first(rest) {
        let (entry, behind) = rest.split_at(len);
        if keep(element) {
            kept.extend_from_slice(entry);
            count += 1;
        }
        rest = behind;
    }
    kept[..HEADER].copy_from_slice(&count.to_le_bytes());
    buffer.splice(0, old, [&kept, &[], &[]]);
}

/// The members, in the order in which they came.
pub(super) fn entries(bytes: &[u8]) -> Entries<'_> {
    Entries::new(parts(bytes).1)
}

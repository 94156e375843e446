//! The journal: what changed since the last snapshot, in segments that follow each other.
//!
//! A segment is a header and records; a record is what changed at one moment, whole or not at all. What a record says is
//! its writer's business: here it is bytes.
//!
//! ```text
//! segment: "DFLYJRNL", version u32, 0 u32, number u64, cut u64, checksum of these u64; then records
//! record:  "\xD5fly", length u64, checksum of the mark, the length and the payload u64, payload
//! promise: "\xD5syn", length u64 = 8, checksum as above, up to where the segment was synced u64
//! ```
//!
//! Numbers are little-endian. `cut` names the snapshot that the segment follows: its moment. Segments are numbered without
//! gaps. Checksums are those of Redis' files (CRC-64/Jones).
//!
//! A crash may leave what was not synced in any state: a later page may be on the disk where an earlier one is not. So a
//! segment says, in front of what is written after a sync, up to where it is on the disk for certain: what is wrong before
//! that place is damage, what is wrong behind the last promise was never promised to anybody, and is cut off.
//!
//! A journal that is turned on while the process runs begins in the moment of a snapshot, and is worth nothing without it:
//! until that has its name, the segment's file has another one ([`waiting_name`]).
//!
//! **Invariant:** a record that was synced is never changed, and only the end of the last segment is ever cut.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::{Scan, Segment, Tail, adopt, numbers, scan, segment, segments};
pub use write::{AwaitsSync, Fsync, Journal, JournalFigures};

use crate::rdb::crc64;

const MAGIC: &[u8; 8] = b"DFLYJRNL";
const VERSION: u32 = 1;
/// Bytes of a segment's header.
pub const HEADER_BYTES: usize = 40;
const MARK: &[u8; 4] = b"\xD5fly";
/// How a promise begins.
const PROMISE: &[u8; 4] = b"\xD5syn";
/// Bytes in front of a record's payload.
pub const FRAME_BYTES: usize = 20;

/// A segment's file.
#[must_use]
pub fn file_name(number: u64) -> String {
    format!("journal.{number:010}.dfly")
}

/// The file of a segment whose snapshot is not there yet: it begins to count once that is.
#[must_use]
pub fn waiting_name(number: u64) -> String {
    file_name(number) + WAITING
}

const WAITING: &str = ".new";

fn waiting_number_of(name: &str) -> Option<u64> {
    number_of(name.strip_suffix(WAITING)?)
}

/// Whether a file is one of a journal's.
#[must_use]
pub fn is_segment(name: &str) -> bool {
    number_of(name).or_else(|| waiting_number_of(name)).is_some()
}

fn number_of(name: &str) -> Option<u64> {
    name.strip_prefix("journal.")?.strip_suffix(".dfly")?.parse().ok()
}

fn header(number: u64, cut: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    let (front, sum) = header.split_at_mut(HEADER_BYTES - 8);
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&0u32.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&cut.to_le_bytes());
    front.copy_from_slice(&bytes);
    sum.copy_from_slice(&crc64(0, &bytes).to_le_bytes());
    header
}

/// A promise, whole.
fn promise(synced: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FRAME_BYTES + 8);
    frame(&mut bytes, |bytes| bytes.extend_from_slice(&synced.to_le_bytes()));
    if let Some(mark) = bytes.first_chunk_mut() {
        *mark = *PROMISE;
    }
    seal(&mut bytes);
    bytes
}

/// Adds a record; its checksum is [filled in](seal) before it is written.
fn frame(bytes: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>)) {
    let from = bytes.len();
    bytes.extend_from_slice(MARK);
    bytes.extend_from_slice(&[0; FRAME_BYTES - 4]);
    payload(bytes);
    let len = (bytes.len() - from - FRAME_BYTES) as u64;
    if let Some(place) = bytes.get_mut(from + 4..from + 12) {
        place.copy_from_slice(&len.to_le_bytes());
    }
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Writes the checksums of whole records.
fn seal(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(len) = u64_at(bytes, at + 4) {
        let end = at + FRAME_BYTES + len as usize;
        let Some(record) = bytes.get_mut(at..end) else { return };
        let sum = checksum(record);
        if let Some(place) = record.get_mut(12..FRAME_BYTES) {
            place.copy_from_slice(&sum.to_le_bytes());
        }
        at = end;
    }
}

/// The checksum of a record that is whole. The mark is under it as well: that of zeros is zero, and a mark in front of
/// pages that never reached the disk would be a record otherwise.
fn checksum(record: &[u8]) -> u64 {
    let sum = crc64(0, record.get(..12).unwrap_or_default());
    crc64(sum, record.get(FRAME_BYTES..).unwrap_or_default())
}

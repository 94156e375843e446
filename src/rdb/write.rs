//! Writing: lengths, strings, numbers, and the footer of a payload.

use super::crc64::crc64;
use super::lzf::Compressor;
use crate::value::listpack::{self, Element};

/// Bytes under construction.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    compressor: Compressor,
    /// Where a compressed string is made before its length is known; kept for the next one.
    scratch: Vec<u8>,
    /// Whether strings stay as they are.
    plain: bool,
}

/// The shortest string that is worth compressing.
const COMPRESSED_MIN: usize = 21;

impl Writer {
    /// A writer behind what `out` holds, which compresses no string: for files of our own, where time is dearer.
    #[must_use]
    pub fn plain(out: Vec<u8>) -> Self {
        Self { out, plain: true, ..Self::default() }
    }

    /// What was written so far.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// Writes one byte.
    pub fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    /// Writes bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Writes a length or a count: 1, 2, 5 or 9 bytes.
    pub fn length(&mut self, length: u64) {
        match length {
            0..0x40 => self.byte(length as u8),
            0x40..0x4000 => self.bytes(&(length as u16 | 0x4000).to_be_bytes()),
            0x4000..=0xFFFF_FFFF => {
                self.byte(0x80);
                self.bytes(&(length as u32).to_be_bytes());
            }
            _ => {
                self.byte(0x81);
                self.bytes(&length.to_be_bytes());
            }
        }
    }

    /// Writes a string in the shortest form that Redis would find: a small integer, compressed, or as it is. O(n).
    pub fn string(&mut self, string: &[u8]) {
        if string.len() <= 11
            && let Some(number) = listpack::parse_int(string).and_then(|number| i32::try_from(number).ok())
        {
            return self.small_int(number);
        }
        if string.len() >= COMPRESSED_MIN && !self.plain {
            let mut scratch = std::mem::take(&mut self.scratch);
            scratch.clear();
            let len = self.compressor.compress(string, &mut scratch);
            if len > 0 {
                self.byte(0xC3);
                self.length(len as u64);
                self.length(string.len() as u64);
                self.bytes(&scratch);
            }
            self.scratch = scratch;
            if len > 0 {
                return;
            }
        }
        self.length(string.len() as u64);
        self.bytes(string);
    }

    fn small_int(&mut self, number: i32) {
        let le = number.to_le_bytes();
        let (code, width) = match number {
            -0x80..=0x7F => (0xC0, 1),
            -0x8000..=0x7FFF => (0xC1, 2),
            _ => (0xC2, 4),
        };
        self.byte(code);
        self.bytes(&le[..width]);
    }

    /// Writes an element's text as a string.
    pub fn element(&mut self, element: Element<'_>) {
        element.with_bytes(|text| self.string(text));
    }

    /// Writes a double as its eight bytes.
    pub fn double(&mut self, value: f64) {
        self.bytes(&value.to_le_bytes());
    }

    /// Writes a time in Unix ms, or any number of eight bytes.
    pub fn millis(&mut self, ms: i64) {
        self.bytes(&ms.to_le_bytes());
    }

    /// Writes entries as a listpack. O(n).
    pub fn listpack(&mut self, entries: &[u8], count: usize) {
        self.string(&listpack::to_redis(entries, count));
    }

    /// Ends a payload with the version and the checksum, and returns it. O(n).
    #[must_use]
    pub fn seal(mut self, version: u16) -> Vec<u8> {
        self.bytes(&version.to_le_bytes());
        let sum = crc64(0, &self.out);
        self.bytes(&sum.to_le_bytes());
        self.out
    }
}

/// Whether servers disagree on how a listpack holds a string of this length: Redis 7 gives an entry of 16,383 bytes
/// (and of two larger sizes) one byte more to walk back than Valkey 9 does, and neither reads the other's.
#[must_use]
pub const fn is_disputed(string_len: usize) -> bool {
    matches!(string_len, 16_378 | 2_097_146 | 268_435_450)
}

/// Whether no entry is of a length that [`is_disputed`]. O(n) in the entries of a pack of 16 KiB or more.
#[must_use]
pub fn is_readable_by_all(entries: &[u8]) -> bool {
    entries.len() < 16_378
        || !listpack::Entries::new(entries)
            .any(|element| matches!(element, Element::Bytes(bytes) if is_disputed(bytes.len())))
}

//! The entry encoding of Redis' listpack, byte for byte, and the places such bytes can live in.
//!
//! A *pack* here is the concatenation of entries, without Redis' header of six bytes and its terminator: the
//! owner keeps the number of elements, and the length is that of the slice. [`to_redis`] and [`from_redis`]
//! translate at the border (DUMP, RDB).
//!
//! An entry is `header [data] backlen`. `backlen` is the length of what stands before it, written so that it
//! can be read from its last byte backwards; that is how a pack is walked from its end. The headers:
//!
//! | first byte  | holds                         | bytes before backlen |
//! |-------------|-------------------------------|----------------------|
//! | `0xxxxxxx`  | integer 0 to 127              | 1                    |
//! | `10xxxxxx`  | string of up to 63 bytes      | 1 + n                |
//! | `110xxxxx`  | integer of 13 bits            | 2                    |
//! | `1110xxxx`  | string of up to 4095 bytes    | 2 + n                |
//! | `11110000`  | string of up to 2^32 - 1 bytes| 5 + n                |
//! | `11110001`+ | integer of 16, 24, 32, 64 bits| 3, 4, 5, 9           |
//!
//! **Invariant:** a pack held inside the program is valid: it was written by [`Encoded`] or passed
//! [`from_redis`]. The readers never panic on other bytes; they end early, which would show as missing
//! elements.

use bytes::Bytes;
use std::{borrow::Cow, error::Error, fmt};

pub use itoa::Buffer as IntBuffer;

/// Bytes that can be edited in place: a `Vec`, or an entry inside the slot of its key.
///
/// An implementation may move its bytes when they change size, so callers keep indexes, never references.
pub trait Buffer {
    /// The bytes as they are now.
    fn bytes(&self) -> &[u8];

    /// Replaces the `removed` bytes at `at` by the concatenation of `parts`. Linear in the bytes behind `at`.
    ///
    /// # Panics
    /// If `at + removed` is beyond the end.
    fn splice(&mut self, at: usize, removed: usize, parts: [&[u8]; 3]);

    /// Replaces as many bytes at `at` as are given. Nothing moves, so that an implementation can be cheaper
    /// here.
    ///
    /// # Panics
    /// If the range is beyond the end.
    fn overwrite(&mut self, at: usize, bytes: &[u8]) {
        self.splice(at, bytes.len(), [bytes, &[], &[]]);
    }
}

impl Buffer for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn splice(&mut self, at: usize, removed: usize, parts: [&[u8]; 3]) {
        let added: usize = parts.iter().map(|part| part.len()).sum();
        let (tail, len) = (at + removed, self.len());
        assert!(tail <= len, "a splice stays inside its buffer");
        if added > removed {
            self.reserve_exact(added - removed);
            self.resize(len + added - removed, 0);
        }
        self.copy_within(tail..len, at + added);
        self.truncate(len + added - removed);
        copy_parts(self, at, parts);
    }

    fn overwrite(&mut self, at: usize, bytes: &[u8]) {
        self[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

impl<B: Buffer + ?Sized> Buffer for &mut B {
    fn bytes(&self) -> &[u8] {
        (**self).bytes()
    }

    fn splice(&mut self, at: usize, removed: usize, parts: [&[u8]; 3]) {
        (**self).splice(at, removed, parts);
    }

    fn overwrite(&mut self, at: usize, bytes: &[u8]) {
        (**self).overwrite(at, bytes);
    }
}

/// Copies `parts`, one after the other, over the bytes at `at`.
pub(super) fn copy_parts(bytes: &mut [u8], mut at: usize, parts: [&[u8]; 3]) {
    for part in parts {
        // The usual length of a header and a backlen; not worth a call to memcpy.
        if let &[byte] = part {
            bytes[at] = byte;
        } else {
            bytes[at..at + part.len()].copy_from_slice(part);
        }
        at += part.len();
    }
}

/// An element as it is stored. Integers are kept as numbers and print canonically.
///
/// `Shared` comes only from large elements of a list, which have an allocation of their own; whoever sends or
/// keeps it can hold on to that allocation instead of copying. Comparison sees the text, not the variant.
#[derive(Clone, Copy, Debug)]
pub enum Element<'a> {
    /// The text is the canonical decimal form of this number.
    Int(i64),
    /// The text itself, inside a pack.
    Bytes(&'a [u8]),
    /// The text itself, in an allocation that can be shared.
    Shared(&'a Bytes),
}

impl<'a> Element<'a> {
    /// The element as text; `buffer` gives a number a place to be printed to. O(1).
    #[inline]
    pub fn as_bytes<'b>(&self, buffer: &'b mut IntBuffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match *self {
            Self::Int(number) => buffer.format(number).as_bytes(),
            Self::Bytes(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }

    /// Calls `f` with the element as text. O(1) before `f`.
    #[inline]
    pub fn with_bytes<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        f(self.as_bytes(&mut IntBuffer::new()))
    }

    /// The length of the text in bytes. O(1).
    pub fn len(&self) -> usize {
        self.with_bytes(<[u8]>::len)
    }

    /// Whether the text is empty. O(1).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number this element is the canonical form of, if it is one. O(1).
    pub fn as_int(&self) -> Option<i64> {
        match *self {
            Self::Int(number) => Some(number),
            Self::Bytes(bytes) => parse_int(bytes),
            Self::Shared(bytes) => parse_int(bytes),
        }
    }

    /// A copy of the text. O(n) in its length.
    pub fn to_vec(&self) -> Vec<u8> {
        self.with_bytes(<[u8]>::to_vec)
    }

    /// The text, sharing the allocation of a large element and copying a small one.
    pub fn to_shared(&self) -> Bytes {
        match *self {
            Self::Shared(bytes) => bytes.clone(),
            _ => self.with_bytes(Bytes::copy_from_slice),
        }
    }
}

impl PartialEq<[u8]> for Element<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        Needle::new(other).matches(*self)
    }
}

impl PartialEq for Element<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a == b,
            _ => other.with_bytes(|bytes| *self == *bytes),
        }
    }
}

impl Eq for Element<'_> {}

/// A byte string to look for. Its number is parsed once, so that no comparison prints or allocates.
#[derive(Clone, Copy, Debug)]
pub struct Needle<'a> {
    bytes: &'a [u8],
    int: Option<i64>,
}

impl<'a> Needle<'a> {
    /// Prepares the search for `bytes`. O(1).
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, int: parse_int(bytes) }
    }

    /// The bytes looked for. O(1).
    #[inline]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The number that the bytes are the canonical form of, if they are one. O(1).
    #[inline]
    pub fn as_int(&self) -> Option<i64> {
        self.int
    }

    /// Whether the element's text is the one looked for. O(n) in the text when the lengths are equal.
    #[inline]
    pub fn matches(&self, element: Element<'_>) -> bool {
        match element {
            Element::Int(number) => self.int == Some(number),
            Element::Bytes(bytes) => bytes == self.bytes,
            Element::Shared(bytes) => bytes == self.bytes,
        }
    }
}

/// Parses the canonical decimal form of an `i64`, and nothing else: no plus, no leading zero, no space, no
/// `-0`.
///
/// This is Redis' `string2ll`: what it accepts prints back to the same bytes. O(1), at most 20 bytes are
/// read.
#[inline]
pub fn parse_int(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'0'] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if !matches!(digits, [b'1'..=b'9', ..]) || digits.len() > 19 {
        return None;
    }
    let mut number: u64 = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Nineteen nines are below 2^64.
        number = number * 10 + u64::from(digit);
    }
    if negative { 0i64.checked_sub_unsigned(number) } else { i64::try_from(number).ok() }
}

/// A value in the form of an entry, in three parts so that the data is copied only once, to its place.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a> {
    /// The header; for an integer the whole of it.
    head: [u8; 9],
    head_len: u8,
    backlen_len: u8,
    backlen: [u8; 5],
    data: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// Encodes a value, as an integer if it is the canonical form of one. O(1): the data is only referred to.
    ///
    /// # Panics
    /// If the value is 4 GiB or longer, which no entry can hold.
    #[inline]
    pub fn new(value: &'a [u8]) -> Self {
        match parse_int(value) {
            Some(number) => Self::int(number),
            None => Self::string(value),
        }
    }

    /// Encodes what was looked for, whose number is known. O(1).
    #[inline]
    pub fn needle(needle: &Needle<'a>) -> Self {
        match needle.int {
            Some(number) => Self::int(number),
            None => Self::string(needle.bytes),
        }
    }

    /// Encodes a number. O(1).
    pub fn int(number: i64) -> Self {
        let mut head = [0; 9];
        let le = number.to_le_bytes();
        // The width follows from the range, as in lpEncodeIntegerGetType.
        let len = if let 0..=127 = number {
            head[0] = le[0];
            1
        } else if let -4096..=4095 = number {
            head[0] = 0xC0 | (le[1] & 0x1F);
            head[1] = le[0];
            2
        } else {
            let (code, width) = match number {
                -0x8000..=0x7FFF => (0xF1, 2),
                -0x80_0000..=0x7F_FFFF => (0xF2, 3),
                -0x8000_0000..=0x7FFF_FFFF => (0xF3, 4),
                _ => (0xF4, 8),
            };
            head[0] = code;
            head[1..=width].copy_from_slice(&le[..width]);
            width + 1
        };
        Self::assemble(head, len, &[])
    }

    fn string(value: &'a [u8]) -> Self {
        let mut head = [0; 9];
        let len = match value.len() {
            n @ 0..=63 => {
                head[0] = 0x80 | n as u8;
                1
            }
            n @ 64..=4095 => {
                head[0] = 0xE0 | (n >> 8) as u8;
                head[1] = n as u8;
                2
            }
            n => {
                head[0] = 0xF0;
                let n = u32::try_from(n).expect("a value of 4 GiB was refused long before");
                head[1..5].copy_from_slice(&n.to_le_bytes());
                5
            }
        };
        Self::assemble(head, len, value)
    }

    fn assemble(head: [u8; 9], head_len: usize, data: &'a [u8]) -> Self {
        let size = head_len + data.len();
        let width = backlen_width(size);
        let backlen = encode_backlen(size, width);
        Self { head, head_len: head_len as u8, backlen_len: width as u8, backlen, data }
    }

    /// Header, data, backlen: the entry is their concatenation.
    #[inline]
    pub fn parts(&self) -> [&[u8]; 3] {
        [&self.head[..usize::from(self.head_len)], self.data, &self.backlen[..usize::from(self.backlen_len)]]
    }

    /// Header and data: the entry without its backlen.
    #[inline]
    pub fn bare_parts(&self) -> [&[u8]; 2] {
        [&self.head[..usize::from(self.head_len)], self.data]
    }

    /// The length of the entry in bytes. O(1).
    #[inline]
    pub fn entry_len(&self) -> usize {
        usize::from(self.head_len) + self.data.len() + usize::from(self.backlen_len)
    }
}

/// The exact length in bytes of the entry that would hold `value`. O(1).
pub fn encoded_len(value: &[u8]) -> usize {
    Encoded::new(value).entry_len()
}

/// An upper bound of [`encoded_len`] from the length of the value alone: integers never take more. O(1).
pub const fn encoded_len_max(value_len: usize) -> usize {
    let head = match value_len {
        0..=63 => 1,
        64..=4095 => 2,
        _ => 5,
    };
    head + value_len + backlen_width(head + value_len)
}

/// How many bytes the backlen of an entry of `size` bytes takes. The bounds are Redis', which counts one
/// early from the second on: 16383 takes three bytes although two hold it. Valkey 9 repaired that, so its
/// packs differ there.
const fn backlen_width(size: usize) -> usize {
    match size {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

/// `size` as a backlen of `width` bytes: seven bits each, and all but the first marked "more to the left".
#[inline]
fn encode_backlen(size: usize, width: usize) -> [u8; 5] {
    let mut backlen = [0; 5];
    for (i, byte) in backlen[..width].iter_mut().enumerate() {
        let mark = if i == 0 { 0 } else { 0x80 };
        *byte = (size >> (7 * (width - 1 - i))) as u8 & 0x7F | mark;
    }
    backlen
}

/// The entry that `bytes` begins with, and its length with backlen; `None` at the end. O(1).
#[inline]
pub fn first(bytes: &[u8]) -> Option<(Element<'_>, usize)> {
    let (element, size) = first_bare(bytes)?;
    let total = size.checked_add(backlen_width(size))?;
    (total <= bytes.len()).then_some((element, total))
}

/// The entry that `bytes` begins with, and its length without backlen, for those who never walk backwards and leave it
/// out; `None` at the end. O(1).
#[inline]
pub fn first_bare(bytes: &[u8]) -> Option<(Element<'_>, usize)> {
    Some(match *bytes.first()? {
        byte @ 0..=0x7F => (Element::Int(i64::from(byte)), 1),
        byte @ 0x80..=0xBF => string(bytes, 1, usize::from(byte & 0x3F))?,
        byte @ 0xC0..=0xDF => {
            let raw = i64::from(byte & 0x1F) << 8 | i64::from(*bytes.get(1)?);
            (Element::Int(sign_extend(raw, 13)), 2)
        }
        byte @ 0xE0..=0xEF => string(bytes, 2, usize::from(byte & 0x0F) << 8 | usize::from(*bytes.get(1)?))?,
        0xF0 => string(bytes, 5, little_endian(bytes, 4)? as usize)?,
        0xF1 => (Element::Int(sign_extend(little_endian(bytes, 2)?, 16)), 3),
        0xF2 => (Element::Int(sign_extend(little_endian(bytes, 3)?, 24)), 4),
        0xF3 => (Element::Int(sign_extend(little_endian(bytes, 4)?, 32)), 5),
        0xF4 => (Element::Int(little_endian(bytes, 8)?), 9),
        _ => return None,
    })
}

#[inline]
fn string(bytes: &[u8], head: usize, len: usize) -> Option<(Element<'_>, usize)> {
    let size = head.checked_add(len)?;
    Some((Element::Bytes(bytes.get(head..size)?), size))
}

/// The `width` bytes behind the first, as the low end of a number.
#[inline]
fn little_endian(bytes: &[u8], width: usize) -> Option<i64> {
    let mut number = [0; 8];
    number[..width].copy_from_slice(bytes.get(1..=width)?);
    Some(i64::from_le_bytes(number))
}

#[inline]
fn sign_extend(number: i64, bits: u32) -> i64 {
    number << (64 - bits) >> (64 - bits)
}

/// The length with backlen of the entry that `bytes` begins with; `None` at the end. O(1), and cheaper than
/// [`first`] where the element is not looked at.
#[inline]
pub fn first_len(bytes: &[u8]) -> Option<usize> {
    let size = first_size(bytes)?;
    let total = size.checked_add(backlen_width(size))?;
    (total <= bytes.len()).then_some(total)
}

/// The length without backlen that the header at the start of `bytes` declares; `None` at the end. O(1).
#[inline]
pub fn first_size(bytes: &[u8]) -> Option<usize> {
    Some(match *bytes.first()? {
        0..=0x7F => 1,
        byte @ 0x80..=0xBF => 1 + usize::from(byte & 0x3F),
        0xC0..=0xDF => 2,
        byte @ 0xE0..=0xEF => 2 + (usize::from(byte & 0x0F) << 8 | usize::from(*bytes.get(1)?)),
        0xF0 => 5usize.checked_add(little_endian(bytes, 4)? as usize)?,
        0xF1 => 3,
        0xF2 => 4,
        0xF3 => 5,
        0xF4 => 9,
        _ => return None,
    })
}

/// The entry that `bytes` ends with, and its length with backlen; `None` at the end. O(1).
#[inline]
pub fn last(bytes: &[u8]) -> Option<(Element<'_>, usize)> {
    let total = last_len(bytes)?;
    let (element, _) = first(&bytes[bytes.len() - total..])?;
    Some((element, total))
}

/// The length with backlen of the entry that `bytes` ends with; `None` at the end. O(1).
#[inline]
pub fn last_len(bytes: &[u8]) -> Option<usize> {
    let mut size = 0;
    for (i, &byte) in bytes.iter().rev().take(5).enumerate() {
        size |= usize::from(byte & 0x7F) << (7 * i);
        if byte & 0x80 == 0 {
            let total = size + i + 1;
            return (total <= bytes.len()).then_some(total);
        }
    }
    None
}

/// The index of the first byte of element number `index` in a pack of `count` elements, walking from the
/// nearer end; `bytes.len()` for `index == count`. O(min(index, count - index)).
pub fn seek(bytes: &[u8], count: usize, index: usize) -> usize {
    let mut at;
    if index <= count / 2 {
        at = 0;
        for _ in 0..index {
            at += first_len(&bytes[at..]).unwrap_or(0);
        }
    } else {
        at = bytes.len();
        for _ in index..count {
            at -= last_len(&bytes[..at]).unwrap_or(0);
        }
    }
    at
}

/// Where the first element equal to `needle` stands: its first byte and its length. O(n).
pub fn find(bytes: &[u8], needle: Needle<'_>) -> Option<(usize, usize)> {
    let mut at = 0;
    while let Some((element, len)) = first(&bytes[at..]) {
        if needle.matches(element) {
            return Some((at, len));
        }
        at += len;
    }
    None
}

/// The elements of a pack, from either end. O(1) a step.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entries<'a> {
    /// What has not been visited yet.
    rest: &'a [u8],
}

impl<'a> Entries<'a> {
    /// Walks the entries in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        let (element, len) = first(self.rest)?;
        self.rest = &self.rest[len..];
        Some(element)
    }
}

impl DoubleEndedIterator for Entries<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let (element, len) = last(self.rest)?;
        self.rest = &self.rest[..self.rest.len() - len];
        Some(element)
    }
}

/// What Redis' header and terminator add to the entries.
pub const REDIS_OVERHEAD: usize = REDIS_HEADER + 1;
const REDIS_HEADER: usize = 6;
const REDIS_END: u8 = 0xFF;

/// Redis' form of a pack: total length (u32), number of elements (u16, 65535 for "count them"), entries,
/// `0xFF`. O(n).
///
/// # Panics
/// If the entries are longer than a listpack can be, 4 GiB.
pub fn to_redis(entries: &[u8], count: usize) -> Vec<u8> {
    let total = entries.len() + REDIS_OVERHEAD;
    let mut bytes = Vec::with_capacity(total);
    bytes.extend_from_slice(&u32::try_from(total).expect("a pack is far below 4 GiB").to_le_bytes());
    bytes.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend_from_slice(entries);
    bytes.push(REDIS_END);
    bytes
}

/// The entries inside a listpack of Redis and their number, after checking every byte that a reader relies
/// on. O(n).
///
/// Accepts what Redis' `lpValidateIntegrity` accepts, including numbers that Redis would have stored shorter,
/// and what Valkey 9 writes; only there (see `backlen_width`) the entries are not borrowed but written anew.
///
/// # Errors
/// [`Corrupt`] names the first thing that does not hold and where.
pub fn from_redis(bytes: &[u8]) -> Result<(Cow<'_, [u8]>, usize), Corrupt> {
    let corrupt = |what, offset| Err(Corrupt { what, offset });
    let [t0, t1, t2, t3, c0, c1, entries @ .., REDIS_END] = bytes else {
        return corrupt("a listpack has a header and a terminator", 0);
    };
    if u32::from_le_bytes([*t0, *t1, *t2, *t3]) as usize != bytes.len() {
        return corrupt("the length of a listpack is that of its bytes", 0);
    }
    let mut rewritten: Option<Vec<u8>> = None;
    let (mut at, mut count) = (0, 0);
    while at < entries.len() {
        let rest = &entries[at..];
        let Some(size) = first_size(rest) else {
            return corrupt("an entry begins with a known header", REDIS_HEADER + at);
        };
        let width = backlen_width(size);
        let widths = [width, width - usize::from(matches!(size, 16_383 | 2_097_151 | 268_435_455))];
        let fits = |&width: &usize| {
            rest.get(size..).and_then(|rest| rest.get(..width)) == Some(&encode_backlen(size, width)[..width])
        };
        let Some(found) = widths.into_iter().find(fits) else {
            return corrupt("an entry ends with its length", REDIS_HEADER + at);
        };
        if found != width {
            rewritten.get_or_insert_with(|| entries[..at].to_vec());
        }
        if let Some(entries) = &mut rewritten {
            entries.extend_from_slice(&rest[..size]);
            entries.extend_from_slice(&encode_backlen(size, width)[..width]);
        }
        at += size + found;
        count += 1;
    }
    match u16::from_le_bytes([*c0, *c1]) {
        u16::MAX => {}
        declared if usize::from(declared) == count => {}
        _ => return corrupt("the count of a listpack is that of its entries", 4),
    }
    Ok((rewritten.map_or(Cow::Borrowed(entries), Cow::Owned), count))
}

/// Bytes that claim to be a listpack and are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// The rule that does not hold.
    pub what: &'static str,
    /// The byte, from the start of the listpack, where it was noticed.
    pub offset: usize,
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "corrupt listpack at byte {}: {}", self.offset, self.what)
    }
}

impl Error for Corrupt {}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    fn pack(values: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for value in values {
            Encoded::new(value).parts().into_iter().for_each(|part| bytes.extend_from_slice(part));
        }
        bytes
    }

    fn unhex(hex: &str) -> Vec<u8> {
        let digit = |byte: u8| (byte as char).to_digit(16).expect("hex") as u8;
        hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    }

    #[test]
    fn entries_are_those_of_a_real_server() {
        // DUMP of a list in Valkey 9.1.2, the same bytes in Redis 7.0.15.
        let golden = unhex(
            "930000001a00816102800100017f01c08002dfff02cfff02f1001003d00002f1ffef03f1ff7f03f1008003f200800004f2ffff7f04\
             f200008004f30000800005f3ffffff7f05f30000008005f4000000800000000009f4ffffffffffffff7f09f40000000000000080\
             09933932323333373230333638353437373538303814822d3003822b3103823031038568656c6c6f06ff",
        );
        let values = "a  0 127 128 -1 4095 4096 -4096 -4097 32767 -32768 32768 8388607 -8388608 8388608 2147483647 \
             -2147483648 2147483648 9223372036854775807 -9223372036854775808 9223372036854775808 -0 +1 01 hello";
        let values: Vec<&[u8]> = values.split(' ').map(str::as_bytes).collect();
        let ours = pack(&values);
        assert_eq!(to_redis(&ours, values.len()), golden);
        assert_eq!(from_redis(&golden), Ok((Cow::Borrowed(&ours[..]), values.len())));
        assert!(
            Entries::new(&ours).map(|element| element.to_vec()).eq(values.iter().map(|value| value.to_vec()))
        );
        let back: Vec<_> = Entries::new(&ours).rev().map(|element| element.to_vec()).collect();
        assert!(back.iter().rev().eq(values.iter()));
    }

    #[test]
    fn headers_and_backlens_of_long_strings_are_those_of_a_real_server() {
        // DUMP of a list of one element in Redis 7.0.15: length, total, the bytes around the data.
        for (len, total, head, tail) in [
            (63, 72, "bf", "40"),
            (64, 74, "e040", "42"),
            (126, 137, "e07e", "0180"),
            (127, 138, "e07f", "0181"),
            (4095, 4106, "efff", "2081"),
            (4096, 4110, "f000100000", "2085"),
            (16_377, 16_391, "f0f93f0000", "7ffe"),
            (16_378, 16_393, "f0fa3f0000", "00ffff"),
            (16_379, 16_394, "f0fb3f0000", "018080"),
            (40_000, 40_015, "f0409c0000", "02b8c5"),
        ] {
            let value = vec![b'x'; len];
            let expected = [unhex(head), value.clone(), unhex(tail)].concat();
            let entries = pack(&[&value]);
            assert_eq!(entries, expected, "{len}");
            assert_eq!(to_redis(&entries, 1).len(), total);
            assert_eq!(encoded_len(&value), entries.len());
            assert_eq!(encoded_len_max(len), entries.len());
            assert_eq!(from_redis(&to_redis(&entries, 1)), Ok((Cow::Borrowed(&entries[..]), 1)));
        }
    }

    #[test]
    fn the_backlen_that_valkey_writes_shorter_is_read_and_written_anew() {
        let long = vec![b'x'; 16_378];
        let ours = pack(&[b"1", &long, b"2"]);
        let mut theirs =
            [&pack(&[b"1"])[..], &unhex("f0fa3f0000"), &long, &unhex("7fff"), &pack(&[b"2"])].concat();
        theirs = to_redis(&theirs, 3);
        assert_eq!(from_redis(&theirs), Ok((Cow::Owned(ours), 3)));
    }

    #[test]
    fn only_canonical_numbers_are_numbers() {
        for text in ["0", "-1", "10", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(parse_int(text.as_bytes()).map(|n| n.to_string()).as_deref(), Some(text));
        }
        for text in [
            "",
            "-",
            "-0",
            "+1",
            "00",
            "01",
            "-01",
            " 1",
            "1 ",
            "1a",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
            "18446744073709551616",
            "\u{0661}",
        ] {
            assert_eq!(parse_int(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn damage_is_named() {
        let good = to_redis(&pack(&[b"hello", b"1234567"]), 2);
        assert!(from_redis(&good).is_ok());
        for (at, what) in [(0, "the length"), (4, "the count"), (12, "an entry ends"), (6, "an entry begins")]
        {
            let mut bad = good.clone();
            bad[at] = if at == 6 { 0xF9 } else { bad[at] ^ 0x40 };
            let error = from_redis(&bad).expect_err("damaged");
            assert!(error.what.starts_with(what), "{at}: {error}");
        }
        assert!(from_redis(&good[..good.len() - 1]).is_err());
        assert!(from_redis(&[]).is_err());
        assert_eq!(from_redis(&[7, 0, 0, 0, 0, 0, 255]), Ok((Cow::Borrowed(&[][..]), 0)));
    }

    quickcheck! {
        fn numbers_come_back(number: i64, shift: u8) -> bool {
            let number = number >> (shift % 64);
            let bytes = pack(&[number.to_string().as_bytes()]);
            matches!(first(&bytes), Some((Element::Int(n), len)) if n == number && len == bytes.len())
                && last(&bytes).map(|(_, len)| len) == Some(bytes.len())
                && bytes.len() <= encoded_len_max(number.to_string().len())
        }

        fn strings_come_back(values: Vec<Vec<u8>>, pad: usize) -> bool {
            let mut values = values;
            if let Some(value) = values.first_mut() {
                value.resize(pad % 20_000, b'y');
            }
            let bytes = pack(&values.iter().map(|value| &value[..]).collect::<Vec<_>>());
            let redis = to_redis(&bytes, values.len());
            let Ok((entries, count)) = from_redis(&redis) else { return false };
            (0..=count).all(|i| {
                let at = seek(&entries, count, i);
                first(&entries[at..]).map(|(element, _)| element.to_vec()) == values.get(i).cloned()
            }) && values.iter().all(|value| find(&entries, Needle::new(value)).is_some())
        }

        fn reading_arbitrary_bytes_never_panics(bytes: Vec<u8>, framed: bool) -> bool {
            let bytes = if framed { to_redis(&bytes, usize::from(u16::MAX)) } else { bytes };
            let _ = Entries::new(&bytes).count() + Entries::new(&bytes).rev().count();
            seek(&bytes, 10, 9) <= bytes.len() && seek(&bytes, 10, 3) <= bytes.len() && match from_redis(&bytes) {
                Ok((entries, count)) => Entries::new(&entries).count() == count
                    && Entries::new(&entries).rev().count() == count,
                Err(error) => error.offset < bytes.len().max(1),
            }
        }

        fn damaged_packs_never_panic(values: Vec<Vec<u8>>, at: usize, byte: u8) -> bool {
            let mut bytes = to_redis(&pack(&values.iter().map(|v| &v[..]).collect::<Vec<_>>()), values.len());
            let at = at % bytes.len();
            bytes[at] = byte;
            from_redis(&bytes).map_or(true, |(entries, count)| Entries::new(&entries).rev().count() == count)
        }
    }
}

//! Values from a stream: where each ends is known only once it was read, as nothing in front of it says how long it is.
//!
//! A value's body is copied as it stands, but for compressed strings, which are copied as what they unfold to; what
//! comes out is read by [`Payload::of_body`](super::Payload::of_body). What a body means is not looked at, only where
//! its strings and numbers end.

use super::{code, lzf};

/// Bytes that come one after another.
pub trait Source {
    /// What goes wrong.
    type Error;

    /// Appends the next `n` bytes to `out`. A source that has not got that many reserves nothing.
    ///
    /// # Errors
    /// Bytes that are missing or cannot be read, as everywhere here.
    fn take(&mut self, n: u64, out: &mut Vec<u8>) -> Result<(), Self::Error>;

    /// The next bytes.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Self::Error>;

    /// The error of a rule that does not hold here.
    fn corrupt(&self, what: &'static str) -> Self::Error;
}

/// What stands where a length may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Plain(u64),
    /// The form of a string that has none.
    Special(u8),
}

/// Reads a length and copies its bytes.
fn length_or_special<S: Source>(source: &mut S, out: &mut Vec<u8>) -> Result<Length, S::Error> {
    let [first] = source.array()?;
    out.push(first);
    let more = |bytes: &[u8], out: &mut Vec<u8>| out.extend_from_slice(bytes);
    Ok(Length::Plain(match (first >> 6, first) {
        (0, short) => u64::from(short),
        (1, high) => {
            let [low] = source.array()?;
            more(&[low], out);
            u64::from(high & 0x3F) << 8 | u64::from(low)
        }
        (2, 0x80) => {
            let bytes: [u8; 4] = source.array()?;
            more(&bytes, out);
            u64::from(u32::from_be_bytes(bytes))
        }
        (2, 0x81) => {
            let bytes: [u8; 8] = source.array()?;
            more(&bytes, out);
            u64::from_be_bytes(bytes)
        }
        (2, _) => return Err(source.corrupt("a length has one of four forms")),
        (_, special) => return Ok(Length::Special(special & 0x3F)),
    }))
}

/// A length or a count, copied to `out`. It says nothing about what there is.
///
/// # Errors
/// As [`Source::take`], and where a string's form stands there.
pub fn length<S: Source>(source: &mut S, out: &mut Vec<u8>) -> Result<u64, S::Error> {
    match length_or_special(source, out)? {
        Length::Plain(length) => Ok(length),
        Length::Special(_) => Err(source.corrupt("a length is a number")),
    }
}

/// A compressed string, behind its form.
fn compressed<S: Source>(source: &mut S) -> Result<Vec<u8>, S::Error> {
    let mut skipped = Vec::new();
    let (compressed_len, len) = (length(source, &mut skipped)?, length(source, &mut skipped)?);
    let mut bytes = Vec::new();
    source.take(compressed_len, &mut bytes)?;
    usize::try_from(len)
        .ok()
        .and_then(|len| lzf::decompress(&bytes, len))
        .ok_or_else(|| source.corrupt("a compressed string gives what it says"))
}

/// Copies a string in its form, which is a plain one where it was compressed.
fn string<S: Source>(source: &mut S, out: &mut Vec<u8>) -> Result<(), S::Error> {
    let from = out.len();
    match length_or_special(source, out)? {
        Length::Plain(length) => source.take(length, out),
        Length::Special(form @ 0..=2) => source.take(1 << form, out),
        Length::Special(3) => {
            out.truncate(from);
            let string = compressed(source)?;
            out.push(0x81);
            out.extend_from_slice(&(string.len() as u64).to_be_bytes());
            out.extend_from_slice(&string);
            Ok(())
        }
        Length::Special(_) => Err(source.corrupt("a string has a known form")),
    }
}

/// Appends a string's text to `out`. O(n).
///
/// # Errors
/// As [`Source::take`], and where no string stands there.
pub fn text<S: Source>(source: &mut S, out: &mut Vec<u8>) -> Result<(), S::Error> {
    let from = out.len();
    let form = length_or_special(source, out)?;
    out.truncate(from);
    let number = match form {
        Length::Plain(length) => return source.take(length, out),
        Length::Special(0) => i32::from(i8::from_le_bytes(source.array()?)),
        Length::Special(1) => i32::from(i16::from_le_bytes(source.array()?)),
        Length::Special(2) => i32::from_le_bytes(source.array()?),
        Length::Special(3) => {
            out.append(&mut compressed(source)?);
            return Ok(());
        }
        Length::Special(_) => return Err(source.corrupt("a string has a known form")),
    };
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    Ok(())
}

/// Reads a count and copies as many parts as it says.
fn many<S: Source>(
    source: &mut S,
    out: &mut Vec<u8>,
    mut part: impl FnMut(&mut S, &mut Vec<u8>) -> Result<(), S::Error>,
) -> Result<(), S::Error> {
    // However many it says: each takes bytes that the source must have.
    for _ in 0..length(source, out)? {
        part(source, out)?;
    }
    Ok(())
}

fn lengths<S: Source>(source: &mut S, n: usize, out: &mut Vec<u8>) -> Result<(), S::Error> {
    (0..n).try_for_each(|_| length(source, out).map(drop))
}

/// A double in the old form, as text.
fn text_double<S: Source>(source: &mut S, out: &mut Vec<u8>) -> Result<(), S::Error> {
    let [len] = source.array()?;
    out.push(len);
    if len < 253 { source.take(u64::from(len), out) } else { Ok(()) }
}

/// Whether the type is that of a module's value, which only its module can read.
#[must_use]
pub fn is_of_module(kind: u8) -> bool {
    matches!(kind, 6 | 7)
}

/// Whether [`value`] knows the type.
#[must_use]
pub fn is_known(kind: u8) -> bool {
    super::Form::of(kind, super::VERSION).is_some()
}

/// Appends a value's type and body to `out`, its strings unfolded, from a source that stands behind the type. O(n).
///
/// # Errors
/// As [`Source::take`], and where no value of this type stands there, or nobody knows the type.
pub fn value<S: Source>(source: &mut S, kind: u8, version: u16, out: &mut Vec<u8>) -> Result<(), S::Error> {
    out.push(kind);
    match kind {
        code::STRING
        | code::HASH_ZIPMAP
        | code::LIST_ZIPLIST
        | code::SET_INTSET
        | code::ZSET_ZIPLIST
        | code::HASH_ZIPLIST
        | code::HASH_LISTPACK
        | code::ZSET_LISTPACK
        | code::SET_LISTPACK
        | code::HASH_LISTPACK_EX_PRE_GA => string(source, out),
        code::LIST | code::SET | code::LIST_QUICKLIST => many(source, out, string),
        code::LIST_QUICKLIST_2 => many(source, out, |source, out| {
            length(source, out)?;
            string(source, out)
        }),
        code::ZSET => many(source, out, |source, out| {
            string(source, out)?;
            text_double(source, out)
        }),
        code::ZSET_2 => many(source, out, |source, out| {
            string(source, out)?;
            source.take(8, out)
        }),
        code::HASH => many(source, out, |source, out| {
            string(source, out)?;
            string(source, out)
        }),
        code::HASH_2_OR_METADATA_PRE_GA if version >= super::VERSION_OF_VALKEY => {
            many(source, out, |source, out| {
                string(source, out)?;
                string(source, out)?;
                source.take(8, out)
            })
        }
        code::HASH_2_OR_METADATA_PRE_GA | code::HASH_METADATA => {
            if kind == code::HASH_METADATA {
                source.take(8, out)?;
            }
            many(source, out, |source, out| {
                length(source, out)?;
                string(source, out)?;
                string(source, out)
            })
        }
        code::HASH_LISTPACK_EX => {
            source.take(8, out)?;
            string(source, out)
        }
        code::STREAM_LISTPACKS => stream(source, 1, out),
        code::STREAM_LISTPACKS_2 => stream(source, 2, out),
        code::STREAM_LISTPACKS_3 => stream(source, 3, out),
        _ => Err(source.corrupt("a value is of a known type")),
    }
}

/// A stream in the form of this number.
fn stream<S: Source>(source: &mut S, form: u8, out: &mut Vec<u8>) -> Result<(), S::Error> {
    // Nodes: an ID, and a listpack.
    many(source, out, |source, out| {
        string(source, out)?;
        string(source, out)
    })?;
    // How many entries there are, and the last ID; then the first one, the greatest deleted one, and how many were added.
    lengths(source, if form == 1 { 3 } else { 8 }, out)?;
    many(source, out, |source, out| {
        string(source, out)?;
        lengths(source, if form == 1 { 2 } else { 3 }, out)?;
        // What is pending: an ID, a time, and a count.
        many(source, out, |source, out| {
            source.take(24, out)?;
            lengths(source, 1, out)
        })?;
        // Consumers: a name, one time or two, and IDs.
        many(source, out, |source, out| {
            string(source, out)?;
            source.take(if form >= 3 { 16 } else { 8 }, out)?;
            many(source, out, |source, out| source.take(16, out))
        })
    })
}

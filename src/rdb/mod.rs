//! The value format of Redis' RDB files, in which `DUMP` gives a value and `RESTORE` takes it: bytes <-> values.
//!
//! A payload is `[type u8] body [version u16][checksum u64]`. What the body looks like follows from the type, of which
//! there are several for each type of value: every compact form that Redis ever had in memory was written as it was.
//! Here all of them are read (Redis 4 to 7.4, Valkey 7.2 to 9) and those of Redis 7.0 are written, which every later
//! server reads too; only a hash whose fields have deadlines takes Valkey 9's form, as 7.0 has none.
//!
//! [`decode`] hands the parts of a value (members, pairs, nodes) to whoever builds it, so that nothing here knows how
//! values are stored, and nothing is held twice. [`encode`] takes the parts from whoever has them.
//!
//! [`unfold`] finds where a value ends in a stream of them.
//!
//! This room knows no files, no keys and no commands. **Invariant:** whatever the bytes are, reading them ends, in
//! time and memory that their number bounds ([`Limits`]), in a value that is whole or in an error.

mod crc64;
pub mod decode;
pub mod encode;
mod lzf;
mod read;
pub mod stream;
pub mod unfold;
mod write;
mod ziplist;

pub use crc64::crc64;
pub use read::{Limits, Reader};
pub use write::Writer;

use std::fmt;

/// The version of payloads that are written: that of Redis 7.0.
pub const VERSION: u16 = 10;

/// The version of Valkey 9, which alone has hashes whose fields have deadlines in the form that is written.
pub const VERSION_OF_VALKEY: u16 = 80;

/// The last version of Redis whose payloads are read: that of 7.4.
const VERSION_OF_REDIS_MAX: u16 = 12;

/// Bytes of version and checksum.
const FOOTER: usize = 10;

/// The types that stand in front of a body. Redis' names.
mod code {
    pub const STRING: u8 = 0;
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    pub const ZSET: u8 = 3;
    pub const HASH: u8 = 4;
    pub const ZSET_2: u8 = 5;
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const SET_INTSET: u8 = 11;
    pub const ZSET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    pub const LIST_QUICKLIST: u8 = 14;
    pub const STREAM_LISTPACKS: u8 = 15;
    pub const HASH_LISTPACK: u8 = 16;
    pub const ZSET_LISTPACK: u8 = 17;
    pub const LIST_QUICKLIST_2: u8 = 18;
    pub const STREAM_LISTPACKS_2: u8 = 19;
    pub const SET_LISTPACK: u8 = 20;
    pub const STREAM_LISTPACKS_3: u8 = 21;
    /// Two servers use this number: see [`super::Form`].
    pub const HASH_2_OR_METADATA_PRE_GA: u8 = 22;
    pub const HASH_LISTPACK_EX_PRE_GA: u8 = 23;
    pub const HASH_METADATA: u8 = 24;
    pub const HASH_LISTPACK_EX: u8 = 25;
}

/// The form of a body: the type of the value, and how it was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A string.
    String,
    /// A list.
    List(decode::ListForm),
    /// A set.
    Set(decode::SetForm),
    /// A sorted set.
    ZSet(decode::ZSetForm),
    /// A hash.
    Hash(decode::HashForm),
    /// A stream, in its first, second or third form.
    Stream(u8),
}

impl Form {
    /// The form that a number means in a payload of this version.
    fn of(code: u8, version: u16) -> Option<Form> {
        use decode::{HashForm, ListForm, SetForm, ZSetForm};
        Some(match code {
            code::STRING => Form::String,
            code::LIST => Form::List(ListForm::Plain),
            code::LIST_ZIPLIST => Form::List(ListForm::Ziplist),
            code::LIST_QUICKLIST => Form::List(ListForm::Ziplists),
            code::LIST_QUICKLIST_2 => Form::List(ListForm::Nodes),
            code::SET => Form::Set(SetForm::Plain),
            code::SET_INTSET => Form::Set(SetForm::Intset),
            code::SET_LISTPACK => Form::Set(SetForm::Listpack),
            code::ZSET => Form::ZSet(ZSetForm::Text),
            code::ZSET_2 => Form::ZSet(ZSetForm::Binary),
            code::ZSET_ZIPLIST => Form::ZSet(ZSetForm::Ziplist),
            code::ZSET_LISTPACK => Form::ZSet(ZSetForm::Listpack),
            code::HASH => Form::Hash(HashForm::Plain),
            code::HASH_ZIPMAP => Form::Hash(HashForm::Zipmap),
            code::HASH_ZIPLIST => Form::Hash(HashForm::Ziplist),
            code::HASH_LISTPACK => Form::Hash(HashForm::Listpack),
            code::HASH_2_OR_METADATA_PRE_GA if version == VERSION_OF_VALKEY => {
                Form::Hash(HashForm::PlainWithDeadlines)
            }
            code::HASH_2_OR_METADATA_PRE_GA => Form::Hash(HashForm::Metadata { from_least: false }),
            code::HASH_METADATA => Form::Hash(HashForm::Metadata { from_least: true }),
            code::HASH_LISTPACK_EX_PRE_GA => Form::Hash(HashForm::ListpackEx { with_least: false }),
            code::HASH_LISTPACK_EX => Form::Hash(HashForm::ListpackEx { with_least: true }),
            code::STREAM_LISTPACKS => Form::Stream(1),
            code::STREAM_LISTPACKS_2 => Form::Stream(2),
            code::STREAM_LISTPACKS_3 => Form::Stream(3),
            _ => return None,
        })
    }
}

/// A payload whose checksum holds: what it is, and a reader at the start of its body.
#[derive(Debug)]
pub struct Payload<'a> {
    /// What the body is.
    pub form: Form,
    /// At the body's start; nothing follows the body.
    pub body: Reader<'a>,
}

impl<'a> Payload<'a> {
    /// Checks version and checksum, and reads the type. O(n).
    ///
    /// # Errors
    /// [`Refused`].
    pub fn open(bytes: &'a [u8], limits: Limits) -> Result<Self, Refused> {
        let payload = Self::open_unchecked(bytes, limits);
        let (body, sum) = bytes.split_last_chunk::<8>().ok_or(Refused::Footer)?;
        if crc64(0, body).to_le_bytes() != *sum {
            return Err(Refused::Footer);
        }
        payload
    }

    /// The same with any checksum, for tests of what stands behind it. O(1).
    ///
    /// # Errors
    /// [`Refused`].
    pub fn open_unchecked(bytes: &'a [u8], limits: Limits) -> Result<Self, Refused> {
        let body_len = bytes.len().checked_sub(FOOTER).ok_or(Refused::Footer)?;
        let (body, footer) = bytes.split_at(body_len);
        let [v0, v1, ..] = footer else { return Err(Refused::Footer) };
        let version = u16::from_le_bytes([*v0, *v1]);
        if !is_readable(version) {
            return Err(Refused::Footer);
        }
        Ok(Self::of_body(body, version, limits)?)
    }

    /// A payload without its footer, whose version is known and whose checksum somebody else has checked. O(1).
    ///
    /// # Errors
    /// [`Corrupt`] where the type is unknown.
    pub fn of_body(body: &'a [u8], version: u16, limits: Limits) -> Result<Self, Corrupt> {
        let mut body = Reader::new(body, limits);
        let form = Form::of(body.byte()?, version).ok_or(body.corrupt("a value is of a known type"))?;
        Ok(Self { form, body })
    }
}

/// Whether a payload of this version can be read.
#[must_use]
pub fn is_readable(version: u16) -> bool {
    (1..=VERSION_OF_REDIS_MAX).contains(&version) || version == VERSION_OF_VALKEY
}

/// Why a payload is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is of a later version, or its checksum is another.
    Footer,
    /// It is no value.
    Corrupt(Corrupt),
}

impl From<Corrupt> for Refused {
    fn from(corrupt: Corrupt) -> Self {
        Refused::Corrupt(corrupt)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Footer => f.write_str("the version is a later one, or the checksum does not match"),
            Refused::Corrupt(corrupt) => corrupt.fmt(f),
        }
    }
}

impl std::error::Error for Refused {}

/// Bytes that claim to be a value and are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// The rule that does not hold.
    pub what: &'static str,
    /// Where it was noticed: a byte of the payload, or of the part that is checked as a whole.
    pub offset: usize,
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "corrupt value at byte {}: {}", self.offset, self.what)
    }
}

impl std::error::Error for Corrupt {}

impl From<crate::value::listpack::Corrupt> for Corrupt {
    fn from(corrupt: crate::value::listpack::Corrupt) -> Self {
        Self { what: corrupt.what, offset: corrupt.offset }
    }
}

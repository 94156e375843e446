//! Records: keys with their values as snapshots hold them, written from entries and read back into them.
//!
//! ```text
//!  0            1..4   [4..12]     varint    varint      ..+klen  ..+vlen
//! +------------+------+-----------+---------+-----------+--------+-------+
//! | form       | idle | deadline  | klen    | vlen      | key    | value |
//! | + 0x80     | u24  | if 0x80   |         |           |        |       |
//! +------------+------+-----------+---------+-----------+--------+-------+
//! ```
//!
//! Numbers are little-endian, varints are LEB128. Strings stand as they are; collections in the form that `DUMP` gives
//! them, uncompressed and without its footer.
//!
//! **Invariant:** whatever the bytes are, reading them ends in records or in an error; nothing is reserved by a length
//! that the bytes do not have.

use super::cut::Chunk;
use super::db::{NewValue, Object};
use super::entry::{Head, IDLE_MASK, INLINE_BYTES_MAX, Kind};
use super::keyspace::{Key, Keyspace, Value};
use crate::rdb::{self, Corrupt, Limits, Payload};
use crate::varint;
use bytes::Bytes;

/// What a record's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Form {
    /// A string as it was set.
    Str = 0,
    /// A string that was modified, or is long.
    Raw = 1,
    /// An integer of eight bytes.
    Int = 2,
    /// A collection in a form of version [`rdb::VERSION`]: its type, and its body.
    Body = 3,
    /// A hash whose fields have deadlines, in a form of version [`rdb::VERSION_OF_VALKEY`].
    BodyOfValkey = 4,
}

const HAS_DEADLINE: u8 = 0x80;

/// Writes all of a record but its value.
pub(super) fn head(out: &mut Vec<u8>, form: Form, head: &Head, key: &[u8], value_len: usize) {
    let flag = if head.expires_at_ms.is_some() { HAS_DEADLINE } else { 0 };
    out.push(form as u8 | flag);
    out.extend_from_slice(&head.idle.to_le_bytes()[..3]);
    if let Some(deadline) = head.expires_at_ms {
        out.extend_from_slice(&deadline.to_le_bytes());
    }
    varint::write(out, key.len() as u64);
    varint::write(out, value_len as u64);
    out.extend_from_slice(key);
}

/// Writes a record.
pub(super) fn write(out: &mut Vec<u8>, form: Form, of: &Head, key: &[u8], value: &[u8]) {
    head(out, form, of, key, value.len());
    out.extend_from_slice(value);
}

/// Writes a record that was read.
pub fn write_again(out: &mut Vec<u8>, record: &Record<'_>) {
    let flag = if record.expires_at_ms.is_some() { HAS_DEADLINE } else { 0 };
    out.push(record.form as u8 | flag);
    let [i0, i1, i2, _] = record.idle.to_le_bytes();
    out.extend_from_slice(&[i0, i1, i2]);
    if let Some(deadline) = record.expires_at_ms {
        out.extend_from_slice(&deadline.to_le_bytes());
    }
    varint::write(out, record.key.len() as u64);
    varint::write(out, record.value.len() as u64);
    out.extend_from_slice(record.key);
    out.extend_from_slice(record.value);
}

/// A record, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What the value is.
    pub form: Form,
    /// What the entry noted of its last access.
    pub idle: u32,
    /// When the key expires, Unix ms.
    pub expires_at_ms: Option<u64>,
    /// The key.
    pub key: &'a [u8],
    /// The value in its form.
    pub value: &'a [u8],
}

/// The records of a chunk.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The last record's value, where it stands apart; empty otherwise.
    tail: &'a [u8],
}

impl<'a> Records<'a> {
    /// Reads records from `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, tail: &[] }
    }

    /// Reads the records of a chunk.
    #[must_use]
    pub fn of(chunk: &'a Chunk) -> Self {
        Self { bytes: &chunk.bytes, at: 0, tail: &chunk.tail }
    }

    /// Where the next record begins.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The next record; `None` at the end. O(1).
    ///
    /// # Errors
    /// [`Corrupt`] where the bytes are none.
    pub fn next_record(&mut self) -> Result<Option<Record<'a>>, Corrupt> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let [first, i0, i1, i2] = self.array()?;
        let form = match first & !HAS_DEADLINE {
            0 => Form::Str,
            1 => Form::Raw,
            2 => Form::Int,
            3 => Form::Body,
            4 => Form::BodyOfValkey,
            _ => return Err(self.corrupt("a record has a known form")),
        };
        let expires_at_ms =
            if first & HAS_DEADLINE == 0 { None } else { Some(u64::from_le_bytes(self.array()?)) };
        let (key_len, value_len) = (self.varint()?, self.varint()?);
        let key = self.take(key_len)?;
        let is_apart = self.at == self.bytes.len() && value_len == self.tail.len() as u64;
        let value = if is_apart { self.tail } else { self.take(value_len)? };
        Ok(Some(Record { form, idle: u32::from_le_bytes([i0, i1, i2, 0]), expires_at_ms, key, value }))
    }

    fn corrupt(&self, what: &'static str) -> Corrupt {
        Corrupt { what, offset: self.at }
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], Corrupt> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = usize::try_from(len).ok().and_then(|len| rest.get(..len));
        let taken = taken.ok_or(self.corrupt("a record ends within its chunk"))?;
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let taken = self.take(N as u64)?;
        taken.first_chunk().copied().ok_or(self.corrupt("a record ends within its chunk"))
    }

    fn varint(&mut self) -> Result<u64, Corrupt> {
        let number = varint::read(|| self.array().map(|[byte]| byte))?;
        number.ok_or(self.corrupt("a length fits 64 bits"))
    }
}

impl Keyspace<'_> {
    /// Makes a key of a record, silently: it counts as no change, and nobody is told. Whether it did: a key whose deadline
    /// has passed is left out. O(bytes) and what building the value takes.
    ///
    /// # Errors
    /// [`Corrupt`] where the value is none, and where the key exists.
    pub fn load(&mut self, key: Key<'_>, record: &Record<'_>) -> Result<bool, Corrupt> {
        let now_ms = self.now.ms();
        if record.expires_at_ms.is_some_and(|deadline| deadline < now_ms) {
            return Ok(false);
        }
        let bytes = record.value;
        let value = match record.form {
            Form::Int if bytes.len() == size_of::<i64>() => Value::inline(Kind::Int, bytes.to_vec()),
            Form::Int => return Err(Corrupt { what: "an integer has eight bytes", offset: 0 }),
            Form::Str | Form::Raw if bytes.len() > INLINE_BYTES_MAX => {
                Value::object(Object::Str(Bytes::copy_from_slice(bytes)))
            }
            Form::Str => return self.load_as(key, record, NewValue::Inline(Kind::Str, bytes)),
            Form::Raw => return self.load_as(key, record, NewValue::Inline(Kind::RawStr, bytes)),
            Form::Body | Form::BodyOfValkey => {
                let version = if record.form == Form::Body { rdb::VERSION } else { rdb::VERSION_OF_VALKEY };
                // Nothing is compressed here.
                let limits = Limits { string_bytes_max: usize::MAX, unfolded_bytes_max: 0 };
                Value::from_parts(Payload::of_body(bytes, version, limits)?, &self.shard.settings)?
            }
        };
        value.with_new(|value| self.load_as(key, record, value))
    }

    fn load_as(&mut self, key: Key<'_>, record: &Record<'_>, value: NewValue<'_>) -> Result<bool, Corrupt> {
        let db = &mut self.shard.dbs[self.db];
        if u32::try_from(key.bytes.len()).is_err() {
            return Err(Corrupt { what: "a key's length fits 32 bits", offset: 0 });
        }
        if db.find(key.hash, key.bytes).is_some() {
            return Err(Corrupt { what: "a key stands once in a database", offset: 0 });
        }
        let mut due_ms = record.expires_at_ms.unwrap_or(u64::MAX);
        if let NewValue::Object(object) = &value {
            due_ms = due_ms.min(object.next_due_ms());
        }
        db.put(key.hash, None, key.bytes, value, record.expires_at_ms, record.idle & IDLE_MASK);
        self.shard.new_due_ms = self.shard.new_due_ms.min(due_ms);
        Ok(true)
    }
}

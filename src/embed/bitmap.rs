//! Bitmaps: bits of strings, and integers at any bit.

use super::{Argv, Damselfly, Result, collect, reply};
use crate::command::bitmap;
use crate::value::bits::{self, Width};

pub use crate::value::bits::{Operation as BitOp, Overflow, Width as IntWidth};

/// What the bounds of a part of a bitmap count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BitUnit {
    /// Bytes.
    #[default]
    Byte,
    /// Bits.
    Bit,
}

/// The steps of a `BITFIELD`, in their order.
///
/// ```
/// use damselfly::Damselfly;
/// use damselfly::embed::{Bitfield, IntWidth, Overflow};
///
/// let db = Damselfly::in_memory();
/// let level = IntWidth::unsigned(4).unwrap();
/// let steps = Bitfield::new().set(level, 0, 14).overflow(Overflow::Saturate).incr_by(level, 0, 3).get(level, 0);
/// assert_eq!(db.bitfield("levels", &steps)?, [Some(0), Some(15), Some(15)]);
/// # Ok::<(), damselfly::embed::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Bitfield {
    words: Vec<Vec<u8>>,
}

impl Bitfield {
    /// No steps yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads an integer; what lies beyond the string's end is zero.
    pub fn get(self, width: IntWidth, offset: u64) -> Self {
        self.step("GET", width, offset, None)
    }

    /// Writes an integer; its result is what was there.
    pub fn set(self, width: IntWidth, offset: u64, value: i64) -> Self {
        self.step("SET", width, offset, Some(value))
    }

    /// Adds to an integer; its result is the sum.
    pub fn incr_by(self, width: IntWidth, offset: u64, by: i64) -> Self {
        self.step("INCRBY", width, offset, Some(by))
    }

    /// What becomes of numbers that do not fit, in the steps that follow.
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        let word: &[u8] = match overflow {
            Overflow::Wrap => b"WRAP",
            Overflow::Saturate => b"SAT",
            Overflow::Fail => b"FAIL",
        };
        self.words.extend([b"OVERFLOW".to_vec(), word.to_vec()]);
        self
    }

    fn step(mut self, name: &str, width: IntWidth, offset: u64, number: Option<i64>) -> Self {
        let sign = if width.is_signed() { 'i' } else { 'u' };
        let words = [name.to_owned(), format!("{sign}{}", width.bits()), offset.to_string()];
        self.words
            .extend(words.into_iter().chain(number.map(|number| number.to_string())).map(String::into_bytes));
        self
    }
}

impl Damselfly {
    /// Sets or clears a bit, and returns what it was; the string grows with zeros up to it. O(1).
    ///
    /// ```
    /// use damselfly::Damselfly;
    /// let db = Damselfly::in_memory();
    /// assert!(!db.setbit("seen:today", 42, true)?);
    /// assert!(db.getbit("seen:today", 42)?);
    /// assert_eq!(db.bitcount("seen:today")?, 1);
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType); a text error where no string may
    /// grow so long.
    ///
    /// Reference: <https://valkey.io/commands/setbit/>
    pub fn setbit(&self, key: impl AsRef<[u8]>, offset: u64, on: bool) -> Result<bool> {
        self.write(key.as_ref(), 0, |keys, key| {
            let offset = bitmap::checked_offset(offset, bitmap::string_bytes_max(keys))?;
            Ok(keys.set_bit(key, offset, on)?)
        })
    }

    /// A bit; it is clear beyond the string's end and without the key. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/getbit/>
    pub fn getbit(&self, key: impl AsRef<[u8]>, offset: u64) -> Result<bool> {
        self.read(key.as_ref(), |keys, key| {
            let string = keys.string(key)?;
            Ok(string.is_some_and(|string| string.with_bytes(|bytes| bits::get(bytes, offset))))
        })
    }

    /// How many bits are set. O(n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/bitcount/>
    pub fn bitcount(&self, key: impl AsRef<[u8]>) -> Result<u64> {
        self.read(key.as_ref(), |keys, key| {
            Ok(keys.string(key)?.map_or(0, |string| string.with_bytes(bits::count)))
        })
    }

    /// How many bits are set between two positions, both included; negative ones count from the end. O(n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/bitcount/>
    pub fn bitcount_in(&self, key: impl AsRef<[u8]>, start: i64, end: i64, unit: BitUnit) -> Result<u64> {
        let part = Some((start, end, unit == BitUnit::Bit));
        self.read(key.as_ref(), |keys, key| {
            Ok(keys.string(key)?.map_or(0, |string| string.with_bytes(|bytes| bitmap::count(bytes, part))))
        })
    }

    /// The first bit that is set, or the first that is clear; a string is followed by clear bits. O(n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/bitpos/>
    pub fn bitpos(&self, key: impl AsRef<[u8]>, on: bool) -> Result<Option<u64>> {
        self.bitpos_in(key, on, 0, None, BitUnit::Byte)
    }

    /// The first bit that is set, or clear, from one position to another, both included; negative ones count from the
    /// end. Without an end, the string is followed by clear bits. O(n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/bitpos/>
    pub fn bitpos_in(
        &self,
        key: impl AsRef<[u8]>,
        on: bool,
        start: i64,
        end: Option<i64>,
        unit: BitUnit,
    ) -> Result<Option<u64>> {
        let in_bits = unit == BitUnit::Bit;
        self.read(key.as_ref(), |keys, key| {
            Ok(match keys.string(key)? {
                Some(string) => string.with_bytes(|bytes| bitmap::position(bytes, on, start, end, in_bits)),
                None => (!on).then_some(0),
            })
        })
    }

    /// Stores the combination of strings under a key, and returns its length; without any bytes the key goes. O(n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType); a text error for a number of sources
    /// that the operation does not take.
    ///
    /// Reference: <https://valkey.io/commands/bitop/>
    pub fn bitop<K: AsRef<[u8]>>(
        &self,
        operation: BitOp,
        destination: impl AsRef<[u8]>,
        sources: impl IntoIterator<Item = K>,
    ) -> Result<u64> {
        let sources = collect(sources);
        let mut argv: Argv<'_> =
            Argv::from_slice(&[b"BITOP", operation.name().as_bytes(), destination.as_ref()]);
        argv.extend(sources.iter().map(AsRef::as_ref));
        reply::count(self.run(&argv)?)
    }

    /// Reads and writes integers of a string in one go; a result for each step, `None` for one that
    /// [`Overflow::Fail`] prevented. O(steps).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType); a text error where no string may
    /// grow so long.
    ///
    /// Reference: <https://valkey.io/commands/bitfield/>
    pub fn bitfield(&self, key: impl AsRef<[u8]>, steps: &Bitfield) -> Result<Vec<Option<i64>>> {
        let mut argv: Argv<'_> = Argv::from_slice(&[b"BITFIELD", key.as_ref()]);
        argv.extend(steps.words.iter().map(Vec::as_slice));
        reply::list(self.run(&argv)?, |item| reply::optional(item, reply::int))
    }

    /// An integer at a bit of a string; what lies beyond the end is zero. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/bitfield_ro/>
    pub fn bitfield_ro(&self, key: impl AsRef<[u8]>, width: Width, offset: u64) -> Result<i64> {
        self.read(key.as_ref(), |keys, key| {
            let string = keys.string(key)?;
            Ok(string.map_or(0, |string| string.with_bytes(|bytes| bits::field(bytes, offset, width))))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Reply;

    #[test]
    fn every_operation_has_the_name_that_the_command_takes() {
        let db = Damselfly::in_memory();
        db.set("a", "abc").unwrap();
        for operation in
            [BitOp::And, BitOp::Or, BitOp::Xor, BitOp::Diff, BitOp::Diff1, BitOp::AndOr, BitOp::One]
        {
            assert_eq!(db.bitop(operation, "d", ["a", "none"]).unwrap(), 3, "{operation:?}");
        }
        assert_eq!(db.bitop(BitOp::Not, "d", ["a"]).unwrap(), 3);
        assert!(matches!(db.bitop(BitOp::Not, "d", ["a", "a"]), Err(super::super::Error::Command(_))));
        assert!(matches!(db.run(&[b"BITFIELD", b"a", b"GET", b"u8", b"0"]), Ok(Reply::Array(_))));
    }
}

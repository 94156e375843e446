//! Bitmap commands: single bits, counts, searches and combinations here, integers at any bit in `field.rs`.
//!
//! Where Redis 7.2 reads all arguments before it looks at the key, so do these.

mod field;

use super::args::{Args, parse_int};
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use crate::engine::Entered;
use crate::reply::Sink;
use crate::shard::{Key, Keyspace};
use crate::value::bits::{self, Operation};
use bytes::Bytes;
use smallvec::SmallVec;

/// A destination and sources behind an operation's name.
const BEHIND_OPERATION: Keys = Keys::Range { first: 2, last: -1, step: 1 };

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    row("BITCOUNT", -2, &[Read], Keys::FIRST, Run::Key(bitcount)).of(Group::Bitmap, "2.6.0").doc(
        "key [start end [BYTE | BIT]]",
        "Counts the number of set bits (population counting) in a string.",
        "O(N)",
    ),
    row("BITFIELD", -2, &[Write, DenyOom], Keys::FIRST, Run::Key(field::bitfield))
        .of(Group::Bitmap, "3.2.0")
        .doc(
            "key [<GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value | \
             INCRBY encoding offset increment> [...]>]",
            "Performs arbitrary bitfield integer operations on strings.",
            "O(1) for each subcommand specified",
        ),
    row("BITFIELD_RO", -2, &[Read, Fast], Keys::FIRST, Run::Key(field::bitfield_ro))
        .of(Group::Bitmap, "6.0.0")
        .doc(
            "key [GET encoding offset [GET encoding offset ...]]",
            "Performs arbitrary read-only bitfield integer operations on strings.",
            "O(1) for each subcommand specified",
        ),
    row("BITOP", -4, &[Write, DenyOom], BEHIND_OPERATION, Run::Keys(bitop)).of(Group::Bitmap, "2.6.0").doc(
        "<AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE> destkey key [key ...]",
        "Performs bitwise operations on multiple strings, and stores the result.",
        "O(N)",
    ),
    row("BITPOS", -3, &[Read], Keys::FIRST, Run::Key(bitpos)).of(Group::Bitmap, "2.8.7").doc(
        "key bit [start [end [BYTE | BIT]]]",
        "Finds the first set (1) or clear (0) bit in a string.",
        "O(N)",
    ),
    row("GETBIT", 3, &[Read, Fast], Keys::FIRST, Run::Key(getbit)).of(Group::Bitmap, "2.2.0").doc(
        "key offset",
        "Returns a bit value by offset.",
        "O(1)",
    ),
    row("SETBIT", 4, &[Write, DenyOom], Keys::FIRST, Run::Key(setbit)).of(Group::Bitmap, "2.2.0").doc(
        "key offset value",
        "Sets or clears the bit at offset of the string value. Creates the key if it doesn't exist.",
        "O(1)",
    ),
];

const BAD_OFFSET: CommandError = CommandError::text("ERR bit offset is not an integer or out of range");

/// A bit's offset; no string may grow so long that it would not have the bit's byte.
fn offset(text: &[u8], string_bytes_max: usize) -> Result<u64, CommandError> {
    let offset = parse_int(text).and_then(|offset| u64::try_from(offset).ok()).ok_or(BAD_OFFSET)?;
    checked_offset(offset, string_bytes_max)
}

pub(crate) fn checked_offset(offset: u64, string_bytes_max: usize) -> Result<u64, CommandError> {
    if offset / 8 < string_bytes_max as u64 { Ok(offset) } else { Err(BAD_OFFSET) }
}

/// How long a string may become.
pub(crate) fn string_bytes_max(keys: &mut Keyspace<'_>) -> usize {
    keys.shard().settings.string_bytes_max
}

/// Replies with what the bit was. Errors: an offset that is none, a bit that is none, `WRONGTYPE`.
///
/// In process: `Keyspace::set_bit`. Reference: <https://valkey.io/commands/setbit/>
fn setbit(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let offset = offset(args.required()?, string_bytes_max(keys))?;
    let on = match parse_int(args.required()?) {
        Some(0) => false,
        Some(1) => true,
        _ => return Err(CommandError::text("ERR bit is not an integer or out of range")),
    };
    let was = keys.set_bit(key, offset, on)?;
    out.int(i64::from(was));
    Ok(())
}

/// Replies with the bit, 0 beyond the end and without the key. Errors: an offset that is none, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/getbit/>
fn getbit(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let offset = offset(args.required()?, string_bytes_max(keys))?;
    let bit = keys.string(key)?.is_some_and(|string| string.with_bytes(|bytes| bits::get(bytes, offset)));
    out.int(i64::from(bit));
    Ok(())
}

/// Whether a range counts bits; bytes where the argument is missing.
fn counts_bits(unit: Option<&[u8]>) -> Result<bool, CommandError> {
    match unit {
        None => Ok(false),
        Some(unit) if unit.eq_ignore_ascii_case(b"BIT") => Ok(true),
        Some(unit) if unit.eq_ignore_ascii_case(b"BYTE") => Ok(false),
        Some(_) => Err(CommandError::Syntax),
    }
}

fn int(text: &[u8]) -> Result<i64, CommandError> {
    parse_int(text).ok_or(CommandError::NotAnInteger)
}

/// Replies with the number of set bits, in a part of the string where one is given. Errors: syntax, a bound that is no
/// integer, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/bitcount/>
fn bitcount(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let part = match *args.rest() {
        [] => None,
        [start, end] => Some((int(start)?, int(end)?, false)),
        [start, end, unit] => Some((int(start)?, int(end)?, counts_bits(Some(unit))?)),
        _ => return Err(CommandError::Syntax),
    };
    let count = keys.string(key)?.map_or(0, |string| string.with_bytes(|bytes| count(bytes, part)));
    out.int(count as i64);
    Ok(())
}

/// Counts set bits between two positions, of bits or of bytes.
pub(crate) fn count(bytes: &[u8], part: Option<(i64, i64, bool)>) -> u64 {
    match part {
        None => bits::count(bytes),
        Some((start, end, _)) if start < 0 && end < 0 && start > end => 0,
        Some((start, end, in_bits)) => {
            bits_of(bytes.len(), start, end, in_bits).map_or(0, |part| bits::count_between(bytes, part))
        }
    }
}

/// The bits that a range of bits or bytes is.
fn bits_of(len: usize, start: i64, end: i64, in_bits: bool) -> Option<std::ops::RangeInclusive<u64>> {
    if in_bits {
        return bits::range(len as u64 * 8, start, end);
    }
    let bytes = bits::range(len as u64, start, end)?;
    Some(bytes.start() * 8..=bytes.end() * 8 + 7)
}

/// Replies with the position of the first bit of this kind, -1 where there is none. A string is followed by clear bits
/// unless an end is given. Errors: a bit that is none, syntax, a bound that is no integer, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/bitpos/>
fn bitpos(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let on = match args.int()? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::text("ERR The bit argument must be 1 or 0.")),
    };
    let (start, end, in_bits) = match *args.rest() {
        [] => (0, None, false),
        [start] => (int(start)?, None, false),
        [start, end] => (int(start)?, Some(int(end)?), false),
        [start, end, unit] => {
            let (start, in_bits) = (int(start)?, counts_bits(Some(unit))?);
            (start, Some(int(end)?), in_bits)
        }
        _ => return Err(CommandError::Syntax),
    };
    let position = match keys.string(key)? {
        Some(string) => string.with_bytes(|bytes| position(bytes, on, start, end, in_bits)),
        // No key is as good as clear bits without end.
        None => (!on).then_some(0),
    };
    out.int(position.map_or(-1, |position| position as i64));
    Ok(())
}

/// Finds a bit of a string that is followed by clear bits, unless `end` says where it ends.
pub(crate) fn position(bytes: &[u8], on: bool, start: i64, end: Option<i64>, in_bits: bool) -> Option<u64> {
    let part = bits_of(bytes.len(), start, end.unwrap_or(-1), in_bits)?;
    let behind = part.end() + 1;
    bits::find_between(bytes, part, on).or((!on && end.is_none()).then_some(behind))
}

impl Operation {
    const ALL: [Operation; 8] = [
        Operation::And,
        Operation::Or,
        Operation::Xor,
        Operation::Not,
        Operation::Diff,
        Operation::Diff1,
        Operation::AndOr,
        Operation::One,
    ];

    /// The operation's name in `BITOP`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Operation::And => "AND",
            Operation::Or => "OR",
            Operation::Xor => "XOR",
            Operation::Not => "NOT",
            Operation::Diff => "DIFF",
            Operation::Diff1 => "DIFF1",
            Operation::AndOr => "ANDOR",
            Operation::One => "ONE",
        }
    }

    fn parse(name: &[u8]) -> Result<Self, CommandError> {
        let found = Self::ALL.into_iter().find(|other| name.eq_ignore_ascii_case(other.name().as_bytes()));
        found.ok_or(CommandError::Syntax)
    }

    /// Refuses a number of sources that the operation does not take.
    fn check(self, sources: usize) -> Result<(), CommandError> {
        let refuse = |text| Err(CommandError::text(text));
        match self {
            Operation::Not if sources != 1 => {
                refuse("ERR BITOP NOT must be called with a single source key.")
            }
            Operation::Diff if sources < 2 => {
                refuse("ERR BITOP DIFF must be called with at least two source keys.")
            }
            Operation::Diff1 if sources < 2 => {
                refuse("ERR BITOP DIFF1 must be called with at least two source keys.")
            }
            Operation::AndOr if sources < 2 => {
                refuse("ERR BITOP ANDOR must be called with at least two source keys.")
            }
            _ => Ok(()),
        }
    }
}

/// Stores the combination of strings, which is as long as the longest, and replies with its length; a destination that
/// would be empty is removed. Errors: syntax, a wrong number of sources, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/bitop/>
fn bitop(entered: &mut Entered<'_>, args: &mut Args<'_>, out: &mut dyn Sink) -> Result<(), CommandError> {
    let operation = Operation::parse(args.required()?)?;
    let (destination, sources) = (args.required()?, args.rest());
    operation.check(sources.len())?;
    let result = {
        let mut strings: SmallVec<[Bytes; 4]> = SmallVec::new();
        for source in sources {
            let (mut keys, key) = entered.at(source);
            strings.push(keys.string(key)?.map_or_else(Bytes::new, |string| string.to_bytes()));
        }
        let views: SmallVec<[&[u8]; 4]> = strings.iter().map(|string| &string[..]).collect();
        bits::combine(operation, &views)
    };
    let len = result.len();
    let (mut keys, key) = entered.at(destination);
    keys.set_bits(key, result);
    out.int(len as i64);
    Ok(())
}

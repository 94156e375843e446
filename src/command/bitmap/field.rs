//! `BITFIELD`: integers of any width at any bit of a string, read and written in one go.

use super::{BAD_OFFSET, checked_offset, string_bytes_max};
use crate::command::args::{Args, parse_int};
use crate::command::error::CommandError;
use crate::reply::Sink;
use crate::shard::{Key, Keyspace};
use crate::value::bits::{self, Overflow, Width};
use smallvec::SmallVec;

/// One step of a `BITFIELD`.
#[derive(Clone, Copy, Debug)]
struct Step {
    width: Width,
    offset: u64,
    action: Action,
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Get,
    Set(i64, Overflow),
    Add(i64, Overflow),
}

impl Step {
    /// The last bit that it touches.
    fn last_bit(&self) -> u64 {
        self.offset + self.width.bits() - 1
    }
}

const BAD_TYPE: CommandError = CommandError::text(
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
);

fn width(text: &[u8]) -> Result<Width, CommandError> {
    let bits = |digits| parse_int(digits).and_then(|bits| u8::try_from(bits).ok());
    match text {
        [b'i', digits @ ..] => bits(digits).and_then(Width::signed),
        [b'u', digits @ ..] => bits(digits).and_then(Width::unsigned),
        _ => None,
    }
    .ok_or(BAD_TYPE)
}

/// A bit's offset; behind a `#` it counts integers of this width. Redis multiplies without looking at the result.
fn offset(text: &[u8], width: Width, string_bytes_max: usize) -> Result<u64, CommandError> {
    let offset = match text {
        [b'#', number @ ..] => parse_int(number).map(|number| number.wrapping_mul(width.bits() as i64)),
        number => parse_int(number),
    };
    let offset = offset.and_then(|offset| u64::try_from(offset).ok()).ok_or(BAD_OFFSET)?;
    checked_offset(offset, string_bytes_max)
}

type Steps = SmallVec<[Step; 8]>;

fn parse(args: &mut Args<'_>, string_bytes_max: usize) -> Result<Steps, CommandError> {
    let mut steps = Steps::new();
    let mut overflow = Overflow::Wrap;
    while let Some(word) = args.try_next() {
        let is =
            |name: &str, behind: usize| word.eq_ignore_ascii_case(name.as_bytes()) && args.left() >= behind;
        let (reads, sets) = (is("GET", 2), is("SET", 3));
        if is("OVERFLOW", 1) {
            overflow = if args.eat("WRAP") {
                Overflow::Wrap
            } else if args.eat("SAT") {
                Overflow::Saturate
            } else if args.eat("FAIL") {
                Overflow::Fail
            } else {
                return Err(CommandError::text("ERR Invalid OVERFLOW type specified"));
            };
            continue;
        }
        if !reads && !sets && !is("INCRBY", 3) {
            return Err(CommandError::Syntax);
        }
        let width = width(args.required()?)?;
        let offset = offset(args.required()?, width, string_bytes_max)?;
        let action = if reads {
            Action::Get
        } else if sets {
            Action::Set(args.int()?, overflow)
        } else {
            Action::Add(args.int()?, overflow)
        };
        steps.push(Step { width, offset, action });
    }
    Ok(steps)
}

/// Replies with the result of each step: what was read, what was there before a `SET`, the sum after an `INCRBY`, null
/// for what `OVERFLOW FAIL` prevented. Errors: syntax, types and offsets that are none, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/bitfield/>
pub(super) fn bitfield(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let steps = parse(args, string_bytes_max(keys))?;
    match steps.iter().filter(|step| !matches!(step.action, Action::Get)).map(Step::last_bit).max() {
        None => read(keys, key, &steps, out),
        Some(last_bit) => write(keys, key, (&steps, last_bit), out),
    }
}

/// As [`bitfield`], and refuses to write.
///
/// Reference: <https://valkey.io/commands/bitfield_ro/>
pub(super) fn bitfield_ro(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let steps = parse(args, string_bytes_max(keys))?;
    if steps.iter().any(|step| !matches!(step.action, Action::Get)) {
        return Err(CommandError::text("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    read(keys, key, &steps, out)
}

fn read(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    steps: &Steps,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let mut show = |bytes: &[u8]| {
        out.array(steps.len());
        steps.iter().for_each(|step| out.int(bits::field(bytes, step.offset, step.width)));
    };
    match keys.string(key)? {
        Some(string) => string.with_bytes(show),
        None => show(&[]),
    }
    Ok(())
}

fn write(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    (steps, last_bit): (&Steps, u64),
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    keys.edit_string(key, bits::bytes_for(last_bit), |bytes, grown| {
        out.array(steps.len());
        let mut changes = 0;
        for &Step { width, offset, action } in steps {
            let old = bits::field(bytes, offset, width);
            let (new, shown) = match action {
                Action::Get => {
                    out.int(old);
                    continue;
                }
                Action::Set(value, overflow) => (bits::fit(value, width, overflow), Some(old)),
                Action::Add(by, overflow) => (bits::add(old, by, width, overflow), None),
            };
            match new {
                Some(new) => {
                    bits::set_field(bytes, offset, width, new);
                    changes += u64::from(grown || new != old);
                    out.int(shown.unwrap_or(new));
                }
                None => out.null(),
            }
        }
        ((), changes)
    })?;
    Ok(())
}

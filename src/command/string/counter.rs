//! Commands that count: a string as a number.

use super::super::args::Args;
use super::super::error::CommandError;
use crate::reply::Sink;
use crate::shard::{Key, Keyspace};
use crate::value::long_double::LongDouble;

/// Adds one and replies with the sum; the deadline stays. Errors: no integer, overflow, `WRONGTYPE`.
///
/// In process: `Keyspace::increment`. Reference: <https://valkey.io/commands/incr/>
pub(super) fn incr(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.int(keys.increment(key, 1)?);
    Ok(())
}

/// Takes one away and replies with the rest. Errors: those of `INCR`.
///
/// In process: `Keyspace::increment`. Reference: <https://valkey.io/commands/decr/>
pub(super) fn decr(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.int(keys.increment(key, -1)?);
    Ok(())
}

/// Adds an integer and replies with the sum. Errors: those of `INCR`.
///
/// In process: `Keyspace::increment`. Reference: <https://valkey.io/commands/incrby/>
pub(super) fn incrby(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let by = args.int()?;
    out.int(keys.increment(key, by)?);
    Ok(())
}

/// Takes an integer away and replies with the rest. Errors: those of `INCR`, and one of its own for the one number
/// that has no opposite.
///
/// In process: `Keyspace::increment`. Reference: <https://valkey.io/commands/decrby/>
pub(super) fn decrby(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let by = args.int()?.checked_neg().ok_or(CommandError::text("ERR decrement would overflow"))?;
    out.int(keys.increment(key, by)?);
    Ok(())
}

/// Adds a floating point number and replies with the text of the sum, which the key then holds; the deadline stays.
/// Errors: `WRONGTYPE`, no number, a sum that is none.
///
/// In process: `Keyspace::increment_float`. Reference: <https://valkey.io/commands/incrbyfloat/>
pub(super) fn incrbyfloat(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let Some(by) = LongDouble::parse(args.required()?) else {
        // Redis looks at the key first, and both numbers earn the same error.
        keys.has_string(key)?;
        return Err(CommandError::NotAFloat);
    };
    out.bulk(&keys.increment_float(key, by)?);
    Ok(())
}

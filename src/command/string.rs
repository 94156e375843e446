//! String commands.

use super::args::Args;
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use crate::reply::Sink;
use crate::shard::{Expires, Key, Keyspace, Str};

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    row("GET", 2, &[Read, Fast], Keys::FIRST, Run::Key(get)).of(Group::String, "1.0.0").doc(
        "key",
        "Returns the string value of a key.",
        "O(1)",
    ),
    row("SET", -3, &[Write, DenyOom], Keys::FIRST, Run::Key(set)).of(Group::String, "1.0.0").doc(
        "key value",
        "Sets the string value of a key.",
        "O(1)",
    ),
    row("INCR", 2, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(incr)).of(Group::String, "1.0.0").doc(
        "key",
        "Increments the integer value of a key by one.",
        "O(1)",
    ),
];

/// Writes a string as a bulk, sharing a long one.
pub(super) fn write_string(value: Str<'_>, out: &mut dyn Sink) {
    match value {
        Str::Bytes(bytes) => out.bulk(bytes),
        Str::Shared(bytes) => out.bulk_shared(bytes),
        Str::Int(_) => value.with_bytes(|bytes| out.bulk(bytes)),
    }
}

/// Replies with the string, or null without the key. Errors: `WRONGTYPE`.
fn get(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    match keys.string(key)? {
        Some(value) => write_string(value, out),
        None => out.null(),
    }
    Ok(())
}

fn set(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let value = args.next()?;
    args.end()?;
    keys.set_string(key, value, Expires::Clear);
    out.ok();
    Ok(())
}

fn incr(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.int(keys.increment(key, 1)?);
    Ok(())
}

//! Commands that read or change part of a string.

use super::super::args::Args;
use super::super::error::CommandError;
use super::write_string;
use crate::reply::Sink;
use crate::shard::{Key, Keyspace};

/// Replies with a part of the string, both ends included; empty without the key. `SUBSTR` is its old name.
/// Errors: no integer, `WRONGTYPE`.
///
/// In process: `Keyspace::string_range`. Reference: <https://valkey.io/commands/getrange/>
pub(super) fn getrange(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (start, end) = (args.int()?, args.int()?);
    keys.string_range(key, start, end, |part| write_string(part, out))?;
    Ok(())
}

/// Overwrites part of the string, filling a gap with zero bytes; replies with its length. An empty value makes no
/// key. Errors: the offset, `WRONGTYPE`, a string too long.
///
/// In process: `Keyspace::set_range`. Reference: <https://valkey.io/commands/setrange/>
pub(super) fn setrange(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let offset = args.int()?;
    let offset = usize::try_from(offset).map_err(|_| CommandError::text("ERR offset is out of range"))?;
    let len = keys.set_range(key, offset, args.required()?)?;
    out.int(len as i64);
    Ok(())
}

/// Appends to the string, which starts empty; replies with its length. Errors: `WRONGTYPE`, a string too long.
///
/// In process: `Keyspace::append`. Reference: <https://valkey.io/commands/append/>
pub(super) fn append(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let len = keys.append(key, args.required()?)?;
    out.int(len as i64);
    Ok(())
}

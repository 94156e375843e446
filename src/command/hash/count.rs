//! Fields that count.

use crate::command::args::Args;
use crate::command::error::CommandError;
use crate::reply::Sink;
use crate::shard::{HashNumberError, Key, Keyspace};
use crate::value::long_double::LongDouble;

impl From<HashNumberError> for CommandError {
    fn from(error: HashNumberError) -> Self {
        match error {
            HashNumberError::WrongType => CommandError::WrongType,
            HashNumberError::NotAnInteger => CommandError::text("ERR hash value is not an integer"),
            HashNumberError::NotAFloat => CommandError::text("ERR hash value is not a float"),
            HashNumberError::Overflow => CommandError::Overflow,
            HashNumberError::NotFinite => CommandError::NotFinite,
        }
    }
}

/// Adds an integer to a field, which starts at 0, and replies with the sum; the field's deadline stays.
/// Errors: `WRONGTYPE`, an increment or a value that is no integer, overflow.
///
/// Reference: <https://valkey.io/commands/hincrby/>
pub(super) fn hincrby(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (field, by) = (args.required()?, args.int()?);
    out.int(keys.increment_hash_field(key, field, by)?);
    Ok(())
}

/// Adds a floating point number to a field, which starts at 0, and replies with the text of the sum, which the field
/// then holds; its deadline stays. Errors: `WRONGTYPE`, an increment or a value that is no number, a sum that is none.
///
/// Reference: <https://valkey.io/commands/hincrbyfloat/>
pub(super) fn hincrbyfloat(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (field, by) = (args.required()?, args.required()?);
    let by = LongDouble::parse(by).ok_or(CommandError::NotAFloat)?;
    if !by.is_finite() {
        return Err(CommandError::text("ERR value is NaN or Infinity"));
    }
    out.bulk(&keys.increment_hash_field_float(key, field, by)?);
    Ok(())
}

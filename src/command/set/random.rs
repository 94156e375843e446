//! What is left to chance: SPOP and SRANDMEMBER.

use super::write_member;
use crate::command::args::{Args, parse_int};
use crate::command::error::CommandError;
use crate::reply::Sink;
use crate::shard::{Key, Keyspace};

/// Replies with a member that was taken, or null without the key; with a count with a set of them.
/// Errors: `WRONGTYPE`, a count that is no integer from 0 on.
///
/// Reference: <https://valkey.io/commands/spop/>
pub(super) fn spop(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let Some(count) = args.try_next() else {
        if keys.pop_from_set(key, |member| write_member(member, out))?.is_none() {
            out.null();
        }
        return Ok(());
    };
    args.end()?;
    let count = parse_int(count).and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or(CommandError::MustBePositive)?;
    let len = keys.peek_set(key)?.map_or(0, |set| set.len());
    out.set(count.min(len));
    if count > 0 && len > 0 {
        keys.pop_some_from_set(key, count, |member| write_member(member, out))?;
    }
    Ok(())
}

/// Replies with a member, or null without the key; with a count with an array of so many different ones, or of all;
/// with a negative count of so many draws, in which a member may come again.
///
/// Errors: `WRONGTYPE`, a count that is no integer or whose negation is none. A reply that repeats members and outgrows
/// `proto-max-bulk-len` is refused, for a short command must not fill the memory.
///
/// Reference: <https://valkey.io/commands/srandmember/>
pub(super) fn srandmember(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let count = match args.try_next() {
        None => None,
        Some(count) => {
            args.end()?;
            let count = parse_int(count).ok_or(CommandError::NotAnInteger)?;
            if count == i64::MIN {
                return Err(CommandError::NotNegatable);
            }
            Some(count)
        }
    };
    let mut random = keys.random_choices();
    let bytes_max = keys.shard().settings.string_bytes_max;
    let set = keys.set(key)?;
    match (count, set) {
        (None, None) => out.null(),
        (None, Some(set)) => match set.random(&mut random) {
            Some(member) => write_member(member, out),
            None => out.null(),
        },
        (Some(_), None) => out.array(0),
        (Some(count), Some(set)) if count >= 0 => {
            let count = usize::try_from(count).unwrap_or(usize::MAX).min(set.len());
            out.array(count);
            set.sample(count, &mut random, |member| write_member(member, out));
        }
        (Some(count), Some(set)) => {
            let count = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
            // What a member takes in a reply beside its bytes, at least.
            const FRAME_BYTES: usize = 6;
            if count.saturating_mul(FRAME_BYTES) > bytes_max {
                return Err(CommandError::ValueOutOfRange);
            }
            out.array(count);
            let mut left = bytes_max;
            for member in set.repeats(random).take(count) {
                left = left.checked_sub(member.len() + FRAME_BYTES).ok_or(CommandError::ValueOutOfRange)?;
                write_member(member, out);
            }
        }
    }
    Ok(())
}

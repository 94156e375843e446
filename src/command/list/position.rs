//! `LPOS`: where elements stand.

use crate::command::args::{Args, parse_int};
use crate::command::error::CommandError;
use crate::reply::Sink;
use crate::shard::{Key, Keyspace};
use smallvec::SmallVec;

/// Replies with the index of the first match or null; with `COUNT`, with an array of indexes, 0 standing for all.
/// Errors: `WRONGTYPE`, and options that are out of their range.
///
/// Reference: <https://valkey.io/commands/lpos/>
pub(super) fn lpos(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    const RANK_ZERO: CommandError = CommandError::text(
        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to \
         start from the end of the list",
    );
    let element = args.required()?;
    let (mut rank, mut count, mut maxlen) = (1, None, 0);
    while args.left() > 0 {
        if args.eat("RANK") {
            rank = match args.int()? {
                0 => return Err(RANK_ZERO),
                i64::MIN => return Err(CommandError::NotNegatable),
                rank => rank,
            };
        } else if args.eat("COUNT") {
            count = Some(limit(args, CommandError::text("ERR COUNT can't be negative"))?);
        } else if args.eat("MAXLEN") {
            maxlen = limit(args, CommandError::text("ERR MAXLEN can't be negative"))?;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let mut found: SmallVec<[usize; 16]> = SmallVec::new();
    if let Some(list) = keys.list(key)? {
        list.positions(element, rank, count.unwrap_or(1), maxlen, |index| found.push(index));
    }
    match (count, found.first()) {
        (Some(_), _) => {
            out.array(found.len());
            found.iter().for_each(|&index| out.int(index as i64));
        }
        (None, Some(&index)) => out.int(index as i64),
        (None, None) => out.null(),
    }
    Ok(())
}

/// The next argument as a number of elements, 0 standing for no limit; any that is none earns the same error.
fn limit(args: &mut Args<'_>, error: CommandError) -> Result<usize, CommandError> {
    // A number beyond what this machine can address is as good as no limit.
    match parse_int(args.required()?) {
        Some(number) if number >= 0 => Ok(usize::try_from(number).unwrap_or(0)),
        _ => Err(error),
    }
}

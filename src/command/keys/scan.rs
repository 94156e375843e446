//! Commands that go through the whole keyspace.
//!
//! A `SCAN` cursor is a shard's number in its high half and in its low half the hash to go on from there: the order of
//! a scan is that of the hashes, shard by shard. Neither a split nor a merge of segments moves a key past a cursor, and
//! no key ever changes its shard, so a key that is present from the first call to the last is returned, once. The
//! cursor 0 is where a scan begins, and no call in the middle can end there.

use crate::command::args::Args;
use crate::command::error::CommandError;
use crate::command::scan::{self, Names, Pattern};
use crate::engine::Entered;
use crate::reply::Sink;

/// Replies with every key that matches, in no order. All shards are entered for as long as it takes.
///
/// Reference: <https://valkey.io/commands/keys/>
pub(super) fn keys(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let pattern = Pattern::new(args.required()?);
    let mut names = Names::default();
    for mut keys in entered.keyspaces() {
        keys.for_each(|key, _| {
            if pattern.matches(key) {
                names.add(key);
            }
        });
    }
    names.write(out);
    Ok(())
}

/// Replies with a key, each being as likely, or null from an empty database.
///
/// Reference: <https://valkey.io/commands/randomkey/>
pub(super) fn randomkey(
    entered: &mut Entered<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    // A draw that gives nothing has removed an expired key, so this ends.
    loop {
        let total: usize = entered.keyspaces().map(|keys| keys.len()).sum();
        let draw = entered.shards().next().map_or(0, |shard| shard.random());
        let Some(mut nth) = (draw as usize).checked_rem(total) else {
            out.null();
            return Ok(());
        };
        let drawn = entered.keyspaces().find_map(|mut keys| {
            if nth < keys.len() {
                return Some(keys.random_key());
            }
            nth -= keys.len();
            None
        });
        if let Some(Some(key)) = drawn {
            out.bulk(&key);
            return Ok(());
        }
    }
}

/// Replies with the cursor to go on from and with some keys: about `COUNT` are looked at, those that match are
/// returned. A scan goes on through the shards, so that a small database is done in one call.
///
/// Errors: an invalid cursor, syntax, a count that is no integer. Reference: <https://valkey.io/commands/scan/>
pub(super) fn scan(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let cursor = scan::cursor(args)?;
    let (mut left, mut pattern, mut wanted) = (10usize, Pattern::ANY, None);
    while args.left() > 0 {
        if args.eat("COUNT") {
            let count = args.int()?;
            left = usize::try_from(count).ok().filter(|&count| count > 0).ok_or(CommandError::Syntax)?;
        } else if args.eat("MATCH") {
            pattern = Pattern::new(args.required()?);
        } else if args.eat("TYPE") {
            wanted = Some(args.required()?);
        } else {
            return Err(CommandError::Syntax);
        }
    }

    let (mut shard, mut position) = ((cursor >> 32) as usize, cursor as u32);
    let mut names = Names::default();
    let next = loop {
        // Beyond the last shard everything was seen; a cursor that nobody gave may say so, too.
        let Some(mut keys) = entered.keyspace_of(shard) else { break 0 };
        if !keys.is_empty() {
            if left == 0 {
                break cursor_of(shard, position);
            }
            let mut seen = 0;
            let rest = keys.scan(position, left, |key, kind| {
                seen += 1;
                // A name that is no type's finds nothing; only later versions of Redis call it an error.
                if wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(kind.name().as_bytes()))
                    && pattern.matches(key)
                {
                    names.add(key);
                }
            });
            if let Some(position) = rest {
                break cursor_of(shard, position);
            }
            left = left.saturating_sub(seen);
        }
        (shard, position) = (shard + 1, 0);
    };
    scan::reply(next, &names, out);
    Ok(())
}

fn cursor_of(shard: usize, position: u32) -> u64 {
    (shard as u64) << 32 | u64::from(position)
}

//! ZADD and ZINCRBY.

use super::args::required_score;
use crate::command::args::Args;
use crate::command::error::CommandError;
use crate::reply::Sink;
use crate::shard::{Key, Keyspace};
use crate::value::zset::{Add, Rule};
use smallvec::SmallVec;

/// Replies with the number of members added, with `CH` of those changed as well, and with `INCR` with the new score or,
/// where the rule refuses it, null. Errors: options that exclude each other, a score that is no number or would become
/// none, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/zadd/>
pub(super) fn zadd(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    add(keys, key, Rule::default(), args, out)
}

/// [`zadd`] with `INCR`, whose options it takes, too, for want of their own places.
///
/// Reference: <https://valkey.io/commands/zincrby/>
pub(super) fn zincrby(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    add(keys, key, Rule { incr: true, ..Rule::default() }, args, out)
}

fn add(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    mut rule: Rule,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let mut changed = false;
    while let Some(word) = args.peek() {
        // Most first arguments are numbers, and no option is.
        if word.first().is_none_or(|letter| !letter.is_ascii_alphabetic()) {
            break;
        }
        if args.eat("NX") {
            rule.nx = true;
        } else if args.eat("XX") {
            rule.xx = true;
        } else if args.eat("CH") {
            changed = true;
        } else if args.eat("INCR") {
            rule.incr = true;
        } else if args.eat("GT") {
            rule.gt = true;
        } else if args.eat("LT") {
            rule.lt = true;
        } else {
            break;
        }
    }
    let rest = args.rest();
    if rest.is_empty() || !rest.len().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    if rule.nx && rule.xx {
        return Err(CommandError::text("ERR XX and NX options at the same time are not compatible"));
    }
    if (rule.nx && (rule.gt || rule.lt)) || (rule.gt && rule.lt) {
        return Err(CommandError::text("ERR GT, LT, and/or NX options at the same time are not compatible"));
    }
    if rule.incr && rest.len() > 2 {
        return Err(CommandError::text("ERR INCR option supports a single increment-element pair"));
    }
    let mut pairs: SmallVec<[(f64, &[u8]); 8]> = SmallVec::new();
    for pair in rest.chunks_exact(2) {
        if let &[score, member] = pair {
            pairs.push((required_score(score)?, member));
        }
    }
    let added = keys.zset_add(key, &pairs, rule)?;
    match added.last {
        Add::NotANumber => {
            return Err(CommandError::text("ERR resulting score is not a number (NaN)"));
        }
        Add::Added(score) | Add::Updated(score) | Add::Same(score) if rule.incr => out.double(score),
        Add::Refused if rule.incr => out.null(),
        _ if changed => out.int((added.added + added.updated) as i64),
        _ => out.int(added.added as i64),
    }
    Ok(())
}

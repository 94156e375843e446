//! Taking the lowest or the highest: from one sorted set, or from the first of several.

use super::write_pair;
use crate::command::args::{Args, parse_int};
use crate::command::error::CommandError;
use crate::engine::Entered;
use crate::reply::{Protocol, Sink};
use crate::shard::{Class, Key, Keyspace, WrongType};

/// From which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Min,
    Max,
}

impl End {
    /// What those who listen are told of members that were taken here.
    pub(super) fn event(self) -> &'static str {
        match self {
            End::Min => "zpopmin",
            End::Max => "zpopmax",
        }
    }
}

/// How what was taken is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Members and scores in turn.
    Flat,
    /// An array of pairs.
    Pairs,
}

/// Replies with the member that has the lowest score, and the score; with a count with up to so many, in RESP3 as
/// pairs. Nothing without the key. Errors: a count that is no integer from 0 on, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/zpopmin/>
pub(super) fn zpopmin(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    pop(keys, key, End::Min, args, out)
}

/// As [`zpopmin`], from the highest score on.
///
/// Reference: <https://valkey.io/commands/zpopmax/>
pub(super) fn zpopmax(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    pop(keys, key, End::Max, args, out)
}

fn pop(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    end: End,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let count = args.try_next();
    args.end()?;
    let form = if count.is_some() && out.protocol() == Protocol::Resp3 { Form::Pairs } else { Form::Flat };
    let count = match count {
        None => 1,
        Some(text) => parse_int(text)
            .and_then(|count| usize::try_from(count).ok())
            .ok_or(CommandError::MustBePositive)?,
    };
    if count == 0 {
        keys.zset_to_write(key)?;
        out.array(0);
    } else if !pop_some(keys, key, end, count, form, out)? {
        out.array(0);
    }
    Ok(())
}

/// Takes up to `count` members, at least one, and writes them as an array from that end on; whether there was a set.
/// O(count log n).
fn pop_some(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    end: End,
    count: usize,
    form: Form,
    out: &mut dyn Sink,
) -> Result<bool, WrongType> {
    let popped = keys.update_zset(key, |zset| {
        let view = zset.view();
        let len = view.len();
        let count = count.min(len);
        let nested = form == Form::Pairs;
        out.array(if nested { count } else { count * 2 });
        match end {
            End::Min => {
                view.range(0..count).for_each(|(member, score)| write_pair(member, score, nested, out));
                zset.remove_range(0..count);
            }
            End::Max => {
                let pairs = view.range_reverse(len - count..len);
                pairs.for_each(|(member, score)| write_pair(member, score, nested, out));
                zset.remove_range(len - count..len);
            }
        }
    })?;
    if popped.is_some() {
        keys.notify(Class::ZSet, end.event(), key);
    }
    Ok(popped.is_some())
}

/// Takes from a sorted set, and writes an array of its key and what was taken: a member and its score, or with a count
/// an array of up to so many pairs. Whether there was a set. What ZMPOP, BZPOPMIN, BZPOPMAX and BZMPOP do with a key.
pub(super) fn pop_with_key(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    end: End,
    count: Option<usize>,
    out: &mut dyn Sink,
) -> Result<bool, WrongType> {
    let Some(zset) = keys.zset_to_write(key)? else { return Ok(false) };
    let Some(count) = count else {
        let rank = if end == End::Min { 0 } else { zset.len() - 1 };
        out.array(3);
        out.bulk(key.bytes);
        if let Some((member, score)) = zset.get(rank) {
            write_pair(member, score, false, out);
        }
        keys.update_zset(key, |zset| zset.remove_range(rank..rank + 1))?;
        keys.notify(Class::ZSet, end.event(), key);
        return Ok(true);
    };
    out.array(2);
    out.bulk(key.bytes);
    pop_some(keys, key, end, count, Form::Pairs, out)
}

/// The arguments of ZMPOP, and of BZMPOP behind its timeout.
#[derive(Debug)]
pub(super) struct Several<'a> {
    pub keys: &'a [&'a [u8]],
    pub end: End,
    /// At least one.
    pub count: usize,
}

impl<'a> Several<'a> {
    pub(super) fn parse(args: &mut Args<'a>) -> Result<Self, CommandError> {
        const NUMKEYS: CommandError = CommandError::text("ERR numkeys should be greater than 0");
        const COUNT: CommandError = CommandError::text("ERR count should be greater than 0");
        let numkeys = positive(args.required()?).ok_or(NUMKEYS)?;
        let keys = args.take(numkeys)?;
        let end = if args.eat("MIN") {
            End::Min
        } else if args.eat("MAX") {
            End::Max
        } else {
            return Err(CommandError::Syntax);
        };
        let mut count = None;
        while args.left() > 0 {
            if count.is_some() || args.left() < 2 || !args.eat("COUNT") {
                return Err(CommandError::Syntax);
            }
            count = Some(positive(args.required()?).ok_or(COUNT)?);
        }
        Ok(Self { keys, end, count: count.unwrap_or(1) })
    }
}

/// A number of things, at least one.
fn positive(text: &[u8]) -> Option<usize> {
    // More than this machine can address is as good as what it can.
    parse_int(text).filter(|&number| number > 0).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

/// Replies with the first key that has a sorted set, and up to `COUNT` members with their scores; null without any.
/// Errors: `WRONGTYPE` for a key before that one, numbers that are not positive.
///
/// Reference: <https://valkey.io/commands/zmpop/>
pub(super) fn zmpop(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let several = Several::parse(args)?;
    for name in several.keys {
        let (mut keys, key) = entered.at(name);
        if pop_with_key(&mut keys, key, several.end, Some(several.count), out)? {
            return Ok(());
        }
    }
    out.null_array();
    Ok(())
}

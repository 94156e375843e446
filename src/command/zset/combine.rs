//! Unions, intersections and differences of sorted sets and of sets, whose members have the score 1.
//!
//! The keys may be on several shards, and no two can be looked at at once: they are gone through one after another, the
//! smallest first. Redis adds scores up in this order as well, which shows in their last digits.

use super::args::score;
use super::write_pair;
use crate::command::args::Args;
use crate::command::error::CommandError;
use crate::engine::Entered;
use crate::reply::{Protocol, Sink};
use crate::value::listpack::Element;
use crate::value::zset::{Aggregate, Combined, Sorted, not_nan};

/// What to make of several sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Union,
    Inter,
    Diff,
}

/// What becomes of the result, and so which options there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Show,
    Store,
    Count,
}

/// One of the sets.
#[derive(Clone, Copy, Debug)]
struct Source<'a> {
    key: &'a [u8],
    weight: f64,
    /// How many members it has.
    len: usize,
}

#[derive(Debug)]
struct Request<'a> {
    operation: Operation,
    sources: Vec<Source<'a>>,
    aggregate: Aggregate,
    with_scores: bool,
    /// Of members to count; 0 for no limit.
    limit: usize,
}

impl<'a> Request<'a> {
    /// Reads what stands behind the destination, if there is one. The keys are looked at before the options are.
    fn parse(
        entered: &mut Entered<'_>,
        args: &mut Args<'a>,
        (operation, purpose, name): (Operation, Purpose, &str),
    ) -> Result<Self, CommandError> {
        let numkeys = args.int()?;
        let numkeys = usize::try_from(numkeys).ok().filter(|&numkeys| numkeys > 0).ok_or_else(|| {
            CommandError::from(format!("ERR at least 1 input key is needed for '{name}' command"))
        })?;
        let mut sources = Vec::new();
        for name in args.take(numkeys)? {
            let (mut keys, key) = entered.at(name);
            sources.push(Source { key: name, weight: 1.0, len: keys.scored(key, true)?.len() });
        }
        let mut request =
            Self { operation, sources, aggregate: Aggregate::Sum, with_scores: false, limit: 0 };
        let combines = operation != Operation::Diff && purpose != Purpose::Count;
        while args.left() > 0 {
            if combines && args.left() > numkeys && args.eat("WEIGHTS") {
                for (source, weight) in request.sources.iter_mut().zip(args.take(numkeys)?) {
                    const NOT_A_FLOAT: CommandError = CommandError::text("ERR weight value is not a float");
                    source.weight = score(weight).ok_or(NOT_A_FLOAT)?;
                }
            } else if combines && args.left() > 1 && args.eat("AGGREGATE") {
                request.aggregate = if args.eat("SUM") {
                    Aggregate::Sum
                } else if args.eat("MIN") {
                    Aggregate::Min
                } else if args.eat("MAX") {
                    Aggregate::Max
                } else {
                    return Err(CommandError::Syntax);
                };
            } else if purpose == Purpose::Show && args.eat("WITHSCORES") {
                request.with_scores = true;
            } else if purpose == Purpose::Count && args.left() > 1 && args.eat("LIMIT") {
                let limit = crate::command::args::parse_int(args.required()?);
                request.limit = limit
                    .and_then(|limit| usize::try_from(limit).ok())
                    .ok_or(CommandError::text("ERR LIMIT can't be negative"))?;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(request)
    }

    /// Does it. O(n log n) in the members of all sets.
    fn run(mut self, entered: &mut Entered<'_>) -> Result<Combined, CommandError> {
        if self.operation != Operation::Diff {
            self.sources.sort_by_key(|source| source.len);
        }
        match self.operation {
            Operation::Union => self.union(entered),
            Operation::Inter => self.inter(entered),
            Operation::Diff => self.diff(entered),
        }
    }

    fn union(&self, entered: &mut Entered<'_>) -> Result<Combined, CommandError> {
        let mut found = Combined::new();
        for source in &self.sources {
            let (mut keys, key) = entered.at(source.key);
            keys.scored(key, false)?.for_each(|member, score| {
                found.merge(member, not_nan(score * source.weight), self.aggregate);
            });
        }
        Ok(found)
    }

    /// The members of the smallest set, as long as all others have them.
    fn inter(&self, entered: &mut Entered<'_>) -> Result<Combined, CommandError> {
        let mut found = Combined::new();
        let Some((smallest, others)) = self.sources.split_first() else { return Ok(found) };
        let (mut keys, key) = entered.at(smallest.key);
        let members = keys.scored(key, false)?;
        members.for_each(|member, score| found.push(member, not_nan(score * smallest.weight)));
        for source in others {
            let (mut keys, key) = entered.at(source.key);
            let other = keys.scored(key, false)?;
            found.retain(|member, score| {
                let value = other.score(member)? * source.weight;
                Some(self.aggregate.of(score, value))
            });
        }
        Ok(found)
    }

    /// The members of the first set, as long as no other has them.
    fn diff(&self, entered: &mut Entered<'_>) -> Result<Combined, CommandError> {
        let mut found = Combined::new();
        let Some((first, others)) = self.sources.split_first() else { return Ok(found) };
        let (mut keys, key) = entered.at(first.key);
        keys.scored(key, false)?.for_each(|member, score| found.push(member, score));
        for source in others {
            let (mut keys, key) = entered.at(source.key);
            let other = keys.scored(key, false)?;
            found.retain(|member, score| if other.score(member).is_none() { Some(score) } else { None });
        }
        Ok(found)
    }
}

/// Replies with the members of the result.
fn show(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    (operation, name): (Operation, &str),
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let request = Request::parse(entered, args, (operation, Purpose::Show, name))?;
    let with_scores = request.with_scores;
    let found: Sorted = request.run(entered)?.into_sorted();
    let pairs = found.iter();
    if !with_scores {
        out.array(pairs.len());
        pairs.for_each(|(member, _)| out.bulk(member));
        return Ok(());
    }
    let nested = out.protocol() == Protocol::Resp3;
    out.array(if nested { pairs.len() } else { pairs.len() * 2 });
    pairs.for_each(|(member, score)| write_pair(Element::Bytes(member), score, nested, out));
    Ok(())
}

/// Puts the result under a key, over whatever it holds, or removes the key; replies with the number of members.
fn store(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    (operation, name): (Operation, &'static str),
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let destination = args.required()?;
    let request = Request::parse(entered, args, (operation, Purpose::Store, name))?;
    let found = request.run(entered)?;
    out.int(found.len() as i64);
    let (mut keys, key) = entered.at(destination);
    keys.put_zset(key, &found.into_sorted(), name);
    Ok(())
}

/// Replies with the members that any of the sets has. Errors: numbers that are none, syntax, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/zunion/>
pub(super) fn zunion(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    show(entered, args, (Operation::Union, "zunion"), out)
}

/// Replies with the members that all the sets have. Errors: as [`zunion`].
///
/// Reference: <https://valkey.io/commands/zinter/>
pub(super) fn zinter(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    show(entered, args, (Operation::Inter, "zinter"), out)
}

/// Replies with the members that only the first set has. Errors: as [`zunion`].
///
/// Reference: <https://valkey.io/commands/zdiff/>
pub(super) fn zdiff(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    show(entered, args, (Operation::Diff, "zdiff"), out)
}

/// As [`zunion`], stored.
///
/// Reference: <https://valkey.io/commands/zunionstore/>
pub(super) fn zunionstore(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    store(entered, args, (Operation::Union, "zunionstore"), out)
}

/// As [`zinter`], stored.
///
/// Reference: <https://valkey.io/commands/zinterstore/>
pub(super) fn zinterstore(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    store(entered, args, (Operation::Inter, "zinterstore"), out)
}

/// As [`zdiff`], stored.
///
/// Reference: <https://valkey.io/commands/zdiffstore/>
pub(super) fn zdiffstore(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    store(entered, args, (Operation::Diff, "zdiffstore"), out)
}

/// Replies with the number of members that all the sets have, or with the limit where that is lower. Errors: numbers
/// that are none, a limit below 0, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/zintercard/>
pub(super) fn zintercard(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let request = Request::parse(entered, args, (Operation::Inter, Purpose::Count, "zintercard"))?;
    let limit = if request.limit == 0 { usize::MAX } else { request.limit };
    out.int(request.run(entered)?.len().min(limit) as i64);
    Ok(())
}

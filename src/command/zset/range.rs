//! Ranges, by rank, score or member: shown, stored, counted, removed.

use super::args::{lex_range, score_range};
use super::write_pair;
use crate::command::args::{Args, parse_int};
use crate::command::error::CommandError;
use crate::engine::Entered;
use crate::reply::{Protocol, Sink};
use crate::shard::{Class, Key, Keyspace};
use crate::value::listpack::Element;
use crate::value::zset::{Combined, Ends, Span};

/// What the ends of a range are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// Reads a stretch's ends, the lower one first.
fn ends<'a>(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Ends<'a>, CommandError> {
    Ok(match by {
        By::Rank => match (parse_int(min), parse_int(max)) {
            (Some(start), Some(stop)) => Ends::Ranks(start, stop),
            _ => return Err(CommandError::NotAnInteger),
        },
        By::Score => Ends::Scores(score_range(min, max)?),
        By::Lex => Ends::Members(lex_range(min, max)?),
    })
}

/// What a command of this family is told to show.
#[derive(Clone, Copy, Debug)]
struct Request<'a> {
    span: Span<'a>,
    with_scores: bool,
}

impl<'a> Request<'a> {
    /// Reads what stands behind the key. `by` and `reverse` are what the command's name says, if it does.
    fn parse(
        args: &mut Args<'a>,
        by: Option<By>,
        reverse: Option<bool>,
        store: bool,
    ) -> Result<Self, CommandError> {
        let (first, second) = (args.required()?, args.required()?);
        let (mut by_option, mut reverse_option) = (None, false);
        let (mut limit, mut with_scores) = ((0, -1), false);
        while args.left() > 0 {
            if !store && args.eat("WITHSCORES") {
                with_scores = true;
            } else if args.left() > 2 && args.eat("LIMIT") {
                limit = (args.int()?, args.int()?);
            } else if reverse.is_none() && !reverse_option && args.eat("REV") {
                reverse_option = true;
            } else if by.or(by_option).is_none() && args.eat("BYLEX") {
                by_option = Some(By::Lex);
            } else if by.or(by_option).is_none() && args.eat("BYSCORE") {
                by_option = Some(By::Score);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        let by = by.or(by_option).unwrap_or(By::Rank);
        let reverse = reverse.unwrap_or(reverse_option);
        if limit.1 != -1 && by == By::Rank {
            return Err(CommandError::text(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Lex {
            return Err(CommandError::text(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        // An offset without a count is let through where it means nothing.
        let limit = if by == By::Rank { (0, -1) } else { limit };
        let (min, max) = if reverse && by != By::Rank { (second, first) } else { (first, second) };
        Ok(Self { span: Span { ends: ends(by, min, max)?, reverse, limit }, with_scores })
    }

    /// Replies with the members in a key's sorted set.
    fn show(&self, keys: &mut Keyspace<'_>, key: Key<'_>, out: &mut dyn Sink) -> Result<(), CommandError> {
        let Some(zset) = keys.zset(key)? else {
            out.array(0);
            return Ok(());
        };
        let ranks = self.span.ranks(zset);
        if self.span.reverse {
            write_pairs(zset.range_reverse(ranks), self.with_scores, out);
        } else {
            write_pairs(zset.range(ranks), self.with_scores, out);
        }
        Ok(())
    }
}

/// Writes members, with their scores if wanted: behind each in RESP2, as pairs in RESP3.
fn write_pairs<'a>(
    pairs: impl ExactSizeIterator<Item = (Element<'a>, f64)>,
    with_scores: bool,
    out: &mut dyn Sink,
) {
    if !with_scores {
        out.array(pairs.len());
        pairs.for_each(|(member, _)| super::write_member(member, out));
        return;
    }
    let nested = out.protocol() == Protocol::Resp3;
    out.array(if nested { pairs.len() } else { pairs.len() * 2 });
    pairs.for_each(|(member, score)| write_pair(member, score, nested, out));
}

/// Replies with the members from `start` to `stop`, both included: ranks, or what `BYSCORE` and `BYLEX` say; with
/// `WITHSCORES` with their scores. Errors: ends that are none, options that do not go together, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/zrange/>
pub(super) fn zrange(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    Request::parse(args, None, None, false)?.show(keys, key, out)
}

/// As [`zrange`] by rank, from the highest score on.
///
/// Reference: <https://valkey.io/commands/zrevrange/>
pub(super) fn zrevrange(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    Request::parse(args, Some(By::Rank), Some(true), false)?.show(keys, key, out)
}

/// As [`zrange`] by score.
///
/// Reference: <https://valkey.io/commands/zrangebyscore/>
pub(super) fn zrangebyscore(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    Request::parse(args, Some(By::Score), Some(false), false)?.show(keys, key, out)
}

/// As [`zrange`] by score, from the highest on.
///
/// Reference: <https://valkey.io/commands/zrevrangebyscore/>
pub(super) fn zrevrangebyscore(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    Request::parse(args, Some(By::Score), Some(true), false)?.show(keys, key, out)
}

/// As [`zrange`] by member.
///
/// Reference: <https://valkey.io/commands/zrangebylex/>
pub(super) fn zrangebylex(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    Request::parse(args, Some(By::Lex), Some(false), false)?.show(keys, key, out)
}

/// As [`zrange`] by member, from the last on.
///
/// Reference: <https://valkey.io/commands/zrevrangebylex/>
pub(super) fn zrevrangebylex(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    Request::parse(args, Some(By::Lex), Some(true), false)?.show(keys, key, out)
}

/// Puts what [`zrange`] would show under a key, over whatever it holds, or removes the key; replies with the number of
/// members. Errors: those of ZRANGE.
///
/// Reference: <https://valkey.io/commands/zrangestore/>
pub(super) fn zrangestore(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (destination, source) = (args.required()?, args.required()?);
    let request = Request::parse(args, None, None, true)?;
    let mut found = Combined::new();
    let (mut keys, key) = entered.at(source);
    if let Some(zset) = keys.zset(key)? {
        let pairs = zset.range(request.span.ranks(zset));
        pairs.for_each(|(member, score)| member.with_bytes(|member| found.push(member, score)));
    }
    out.int(found.len() as i64);
    let (mut keys, key) = entered.at(destination);
    keys.put_zset(key, &found.into_sequence(), "zrangestore");
    Ok(())
}

/// Counts the members in a range.
fn count(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    by: By,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let span = Span::of(ends(by, args.required()?, args.required()?)?);
    let zset = keys.zset(key)?;
    out.int(zset.map_or(0, |zset| span.ranks(zset).len()) as i64);
    Ok(())
}

/// Replies with the number of members with scores in a range. Errors: bounds that are none, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/zcount/>
pub(super) fn zcount(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    count(keys, key, By::Score, args, out)
}

/// Replies with the number of members in a range, where all scores are the same. Errors: as [`zcount`].
///
/// Reference: <https://valkey.io/commands/zlexcount/>
pub(super) fn zlexcount(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    count(keys, key, By::Lex, args, out)
}

/// Removes the members in a range.
fn remove(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    by: By,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let span = Span::of(ends(by, args.required()?, args.required()?)?);
    let removed = keys.update_zset(key, |zset| {
        let ranks = span.ranks(zset.view());
        zset.remove_range(ranks)
    })?;
    let removed = removed.unwrap_or(0);
    if removed > 0 {
        let event = match by {
            By::Rank => "zremrangebyrank",
            By::Score => "zremrangebyscore",
            By::Lex => "zremrangebylex",
        };
        keys.notify(Class::ZSet, event, key);
    }
    out.int(removed as i64);
    Ok(())
}

/// Replies with the number of members removed. Errors: ends that are no integers, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/zremrangebyrank/>
pub(super) fn zremrangebyrank(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    remove(keys, key, By::Rank, args, out)
}

/// As [`zremrangebyrank`], by score. Errors: bounds that are none, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/zremrangebyscore/>
pub(super) fn zremrangebyscore(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    remove(keys, key, By::Score, args, out)
}

/// As [`zremrangebyrank`], by member. Errors: bounds that are none, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/zremrangebylex/>
pub(super) fn zremrangebylex(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    remove(keys, key, By::Lex, args, out)
}

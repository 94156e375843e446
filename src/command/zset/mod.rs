//! Sorted set commands: the family's rows, and removal here; `add` adds, `read` looks at members, `range` at ranges,
//! `pop` takes, `blocking` waits, `combine` makes one set of several.

mod add;
mod args;
mod blocking;
mod combine;
mod pop;
mod range;
mod read;

pub(super) use args::{required_score, score};

use super::args::Args;
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use crate::reply::Sink;
use crate::shard::{Class, Key, Keyspace};
use crate::value::listpack::Element;

/// Keys behind the name, and one argument that is none at the end.
const ALL_BUT_LAST: Keys = Keys::Range { first: 1, last: -2, step: 1 };

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    row("ZADD", -4, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(add::zadd)).of(Group::SortedSet, "1.2.0").doc(
        "key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]",
        "Adds one or more members to a sorted set, or updates their scores. Creates the key if it doesn't exist.",
        "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
    ),
    row("ZINCRBY", 4, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(add::zincrby)).of(Group::SortedSet, "1.2.0").doc(
        "key increment member",
        "Increments the score of a member in a sorted set.",
        "O(log(N)) where N is the number of elements in the sorted set.",
    ),
    row("ZREM", -3, &[Write, Fast], Keys::FIRST, Run::Key(zrem)).of(Group::SortedSet, "1.2.0").doc(
        "key member [member ...]",
        "Removes one or more members from a sorted set. Deletes the sorted set if all members were removed.",
        "O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements to be removed.",
    ),
    row("ZCARD", 2, &[Read, Fast], Keys::FIRST, Run::Key(read::zcard)).of(Group::SortedSet, "1.2.0").doc(
        "key",
        "Returns the number of members in a sorted set.",
        "O(1)",
    ),
    row("ZSCORE", 3, &[Read, Fast], Keys::FIRST, Run::Key(read::zscore)).of(Group::SortedSet, "1.2.0").doc(
        "key member",
        "Returns the score of a member in a sorted set.",
        "O(1)",
    ),
    row("ZMSCORE", -3, &[Read, Fast], Keys::FIRST, Run::Key(read::zmscore)).of(Group::SortedSet, "6.2.0").doc(
        "key member [member ...]",
        "Returns the score of one or more members in a sorted set.",
        "O(N) where N is the number of members being requested.",
    ),
    row("ZRANK", -3, &[Read, Fast], Keys::FIRST, Run::Key(read::zrank)).of(Group::SortedSet, "2.0.0").doc(
        "key member [WITHSCORE]",
        "Returns the index of a member in a sorted set ordered by ascending scores.",
        "O(log(N))",
    ),
    row("ZREVRANK", -3, &[Read, Fast], Keys::FIRST, Run::Key(read::zrevrank)).of(Group::SortedSet, "2.0.0").doc(
        "key member [WITHSCORE]",
        "Returns the index of a member in a sorted set ordered by descending scores.",
        "O(log(N))",
    ),
    row("ZCOUNT", 4, &[Read, Fast], Keys::FIRST, Run::Key(range::zcount)).of(Group::SortedSet, "2.0.0").doc(
        "key min max",
        "Returns the count of members in a sorted set that have scores within a range.",
        "O(log(N)) with N being the number of elements in the sorted set.",
    ),
    row("ZLEXCOUNT", 4, &[Read, Fast], Keys::FIRST, Run::Key(range::zlexcount)).of(Group::SortedSet, "2.8.9").doc(
        "key min max",
        "Returns the number of members in a sorted set within a lexicographical range.",
        "O(log(N)) with N being the number of elements in the sorted set.",
    ),
    row("ZRANGE", -4, &[Read], Keys::FIRST, Run::Key(range::zrange)).of(Group::SortedSet, "1.2.0").doc(
        "key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]",
        "Returns members in a sorted set within a range of indexes.",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.",
    ),
    row("ZREVRANGE", -4, &[Read], Keys::FIRST, Run::Key(range::zrevrange)).of(Group::SortedSet, "1.2.0").doc(
        "key start stop [WITHSCORES]",
        "Returns members in a sorted set within a range of indexes in reverse order.",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.",
    ),
    row("ZRANGEBYSCORE", -4, &[Read], Keys::FIRST, Run::Key(range::zrangebyscore)).of(Group::SortedSet, "1.0.5").doc(
        "key min max [WITHSCORES] [LIMIT offset count]",
        "Returns members in a sorted set within a range of scores.",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).",
    ),
    row("ZREVRANGEBYSCORE", -4, &[Read], Keys::FIRST, Run::Key(range::zrevrangebyscore)).of(Group::SortedSet, "2.2.0").doc(
        "key max min [WITHSCORES] [LIMIT offset count]",
        "Returns members in a sorted set within a range of scores in reverse order.",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).",
    ),
    row("ZRANGEBYLEX", -4, &[Read], Keys::FIRST, Run::Key(range::zrangebylex)).of(Group::SortedSet, "2.8.9").doc(
        "key min max [LIMIT offset count]",
        "Returns members in a sorted set within a lexicographical range.",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).",
    ),
    row("ZREVRANGEBYLEX", -4, &[Read], Keys::FIRST, Run::Key(range::zrevrangebylex)).of(Group::SortedSet, "2.8.9").doc(
        "key max min [LIMIT offset count]",
        "Returns members in a sorted set within a lexicographical range in reverse order.",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).",
    ),
    row("ZRANGESTORE", -5, &[Write, DenyOom], Keys::PAIR, Run::Keys(range::zrangestore)).of(Group::SortedSet, "6.2.0").doc(
        "dst src min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]",
        "Stores a range of members from sorted set in a key.",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements stored into the destination key.",
    ),
    row("ZREMRANGEBYRANK", 4, &[Write], Keys::FIRST, Run::Key(range::zremrangebyrank)).of(Group::SortedSet, "2.0.0").doc(
        "key start stop",
        "Removes members in a sorted set within a range of indexes. Deletes the sorted set if all members were removed.",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.",
    ),
    row("ZREMRANGEBYSCORE", 4, &[Write], Keys::FIRST, Run::Key(range::zremrangebyscore)).of(Group::SortedSet, "1.2.0").doc(
        "key min max",
        "Removes members in a sorted set within a range of scores. Deletes the sorted set if all members were removed.",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.",
    ),
    row("ZREMRANGEBYLEX", 4, &[Write], Keys::FIRST, Run::Key(range::zremrangebylex)).of(Group::SortedSet, "2.8.9").doc(
        "key min max",
        "Removes members in a sorted set within a lexicographical range. Deletes the sorted set if all members were removed.",
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.",
    ),
    row("ZPOPMIN", -2, &[Write, Fast], Keys::FIRST, Run::Key(pop::zpopmin)).of(Group::SortedSet, "5.0.0").doc(
        "key [count]",
        "Returns the lowest-scoring members from a sorted set after removing them. Deletes the sorted set if the last member was popped.",
        "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped.",
    ),
    row("ZPOPMAX", -2, &[Write, Fast], Keys::FIRST, Run::Key(pop::zpopmax)).of(Group::SortedSet, "5.0.0").doc(
        "key [count]",
        "Returns the highest-scoring members from a sorted set after removing them. Deletes the sorted set if the last member was popped.",
        "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped.",
    ),
    row("ZMPOP", -4, &[Write, MovableKeys], Keys::Counted(1), Run::Keys(pop::zmpop)).of(Group::SortedSet, "7.0.0").doc(
        "numkeys key [key ...] <MIN | MAX> [COUNT count]",
        "Returns the highest- or lowest-scoring members from one or more sorted sets after removing them. Deletes the sorted set if the last member was popped.",
        "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped.",
    ),
    row("BZPOPMIN", -3, &[Write, Blocking, Fast], ALL_BUT_LAST, Run::Wait(blocking::bzpopmin)).of(Group::SortedSet, "5.0.0").doc(
        "key [key ...] timeout",
        "Removes and returns the member with the lowest score from one or more sorted sets. Blocks until a member is available otherwise. Deletes the sorted set if the last element was popped.",
        "O(log(N)) with N being the number of elements in the sorted set.",
    ),
    row("BZPOPMAX", -3, &[Write, Blocking, Fast], ALL_BUT_LAST, Run::Wait(blocking::bzpopmax)).of(Group::SortedSet, "5.0.0").doc(
        "key [key ...] timeout",
        "Removes and returns the member with the highest score from one or more sorted sets. Blocks until a member is available otherwise. Deletes the sorted set if the last element was popped.",
        "O(log(N)) with N being the number of elements in the sorted set.",
    ),
    row("BZMPOP", -5, &[Write, Blocking, MovableKeys], Keys::Counted(2), Run::Wait(blocking::bzmpop)).of(Group::SortedSet, "7.0.0").doc(
        "timeout numkeys key [key ...] <MIN | MAX> [COUNT count]",
        "Removes and returns a member by score from one or more sorted sets. Blocks until a member is available otherwise. Deletes the sorted set if the last element was popped.",
        "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped.",
    ),
    row("ZUNION", -3, &[Read, MovableKeys], Keys::Counted(1), Run::Keys(combine::zunion)).of(Group::SortedSet, "6.2.0").doc(
        "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]",
        "Returns the union of multiple sorted sets.",
        "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.",
    ),
    row("ZINTER", -3, &[Read, MovableKeys], Keys::Counted(1), Run::Keys(combine::zinter)).of(Group::SortedSet, "6.2.0").doc(
        "numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]",
        "Returns the intersect of multiple sorted sets.",
        "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted sets and M being the number of elements in the resulting sorted set.",
    ),
    row("ZDIFF", -3, &[Read, MovableKeys], Keys::Counted(1), Run::Keys(combine::zdiff)).of(Group::SortedSet, "6.2.0").doc(
        "numkeys key [key ...] [WITHSCORES]",
        "Returns the difference between multiple sorted sets.",
        "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the first set, and K is the size of the result set.",
    ),
    row("ZUNIONSTORE", -4, &[Write, DenyOom, MovableKeys], Keys::FirstAndCounted(2), Run::Keys(combine::zunionstore)).of(Group::SortedSet, "2.0.0").doc(
        "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]",
        "Stores the union of multiple sorted sets in a key.",
        "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.",
    ),
    row("ZINTERSTORE", -4, &[Write, DenyOom, MovableKeys], Keys::FirstAndCounted(2), Run::Keys(combine::zinterstore)).of(Group::SortedSet, "2.0.0").doc(
        "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]",
        "Stores the intersect of multiple sorted sets in a key.",
        "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted sets and M being the number of elements in the resulting sorted set.",
    ),
    row("ZDIFFSTORE", -4, &[Write, DenyOom, MovableKeys], Keys::FirstAndCounted(2), Run::Keys(combine::zdiffstore)).of(Group::SortedSet, "6.2.0").doc(
        "destination numkeys key [key ...]",
        "Stores the difference of multiple sorted sets in a key.",
        "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the first set, and K is the size of the result set.",
    ),
    row("ZINTERCARD", -3, &[Read, MovableKeys], Keys::Counted(1), Run::Keys(combine::zintercard)).of(Group::SortedSet, "7.0.0").doc(
        "numkeys key [key ...] [LIMIT limit]",
        "Returns the number of members of the intersect of multiple sorted sets.",
        "O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted sets.",
    ),
    row("ZRANDMEMBER", -2, &[Read], Keys::FIRST, Run::Key(read::zrandmember)).of(Group::SortedSet, "6.2.0").doc(
        "key [count [WITHSCORES]]",
        "Returns one or more random members from a sorted set.",
        "O(N) where N is the number of members returned",
    ),
    row("ZSCAN", -3, &[Read], Keys::FIRST, Run::Key(read::zscan)).of(Group::SortedSet, "2.8.0").doc(
        "key cursor [MATCH pattern] [COUNT count]",
        "Iterates over members and scores of a sorted set.",
        "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.",
    ),
];

/// Replies with the number of members removed. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/zrem/>
fn zrem(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let members = args.rest();
    let removed = keys.update_zset(key, |zset| {
        let mut removed = 0;
        for member in members {
            removed += usize::from(zset.remove(member).is_some());
            if zset.view().is_empty() {
                break;
            }
        }
        removed
    })?;
    let removed = removed.unwrap_or(0);
    if removed > 0 {
        keys.notify(Class::ZSet, "zrem", key);
    }
    out.int(removed as i64);
    Ok(())
}

/// Writes a member.
#[inline]
fn write_member(member: Element<'_>, out: &mut dyn Sink) {
    match member {
        Element::Bytes(bytes) => out.bulk(bytes),
        other => other.with_bytes(|bytes| out.bulk(bytes)),
    }
}

/// Writes a member and its score, as an array of the two if `nested`.
#[inline]
fn write_pair(member: Element<'_>, score: f64, nested: bool, out: &mut dyn Sink) {
    if nested {
        out.array(2);
    }
    write_member(member, out);
    out.double(score);
}

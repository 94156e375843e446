//! Looks at members: scores, ranks, random ones, scans.

use super::{write_member, write_pair};
use crate::command::args::{Args, parse_int};
use crate::command::error::CommandError;
use crate::command::keys::parse_cursor;
use crate::double::{DoubleBuffer, format_17_digits};
use crate::glob;
use crate::reply::{Protocol, Sink};
use crate::shard::{Key, Keyspace};
use crate::value::zset::ZSetRef;
use std::collections::HashSet;

/// Replies with the number of members, 0 without the key. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/zcard/>
pub(super) fn zcard(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.int(keys.zset(key)?.map_or(0, ZSetRef::len) as i64);
    Ok(())
}

/// Replies with a member's score, or null. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/zscore/>
pub(super) fn zscore(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let member = args.required()?;
    write_score(keys.zset(key)?.and_then(|zset| zset.score(member)), out);
    Ok(())
}

fn write_score(score: Option<f64>, out: &mut dyn Sink) {
    match score {
        Some(score) => out.double(score),
        None => out.null(),
    }
}

/// Replies with the score of each member, null for those that are not there. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/zmscore/>
pub(super) fn zmscore(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let members = args.rest();
    let zset = keys.zset(key)?;
    out.array(members.len());
    for member in members {
        write_score(zset.and_then(|zset| zset.score(member)), out);
    }
    Ok(())
}

/// Replies with the number of members in front of one, null where there is no such member; with `WITHSCORE` with its
/// score, too. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/zrank/>
pub(super) fn zrank(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    rank(keys, key, (false, "zrank"), args, out)
}

/// As [`zrank`], from the highest score on.
///
/// Reference: <https://valkey.io/commands/zrevrank/>
pub(super) fn zrevrank(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    rank(keys, key, (true, "zrevrank"), args, out)
}

fn rank(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    (reverse, name): (bool, &'static str),
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let member = args.required()?;
    if args.left() > 1 {
        return Err(CommandError::WrongArity(name));
    }
    let with_score = args.left() > 0;
    if with_score && !args.eat("WITHSCORE") {
        return Err(CommandError::Syntax);
    }
    let zset = keys.zset(key)?;
    let found = zset.and_then(|zset| {
        let (rank, score) = zset.rank(member)?;
        Some((if reverse { zset.len() - 1 - rank } else { rank }, score))
    });
    match found {
        Some((rank, score)) if with_score => {
            out.array(2);
            out.int(rank as i64);
            out.double(score);
        }
        Some((rank, _)) => out.int(rank as i64),
        None if with_score => out.null_array(),
        None => out.null(),
    }
    Ok(())
}

/// Replies with a random member, each being as likely, or null without the key; with a count with an array of so many
/// different ones, or of so many that need not be where it is negative. Errors: a count that is no integer or too
/// great, syntax, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/zrandmember/>
pub(super) fn zrandmember(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let mut random = Random(keys.shard().random());
    let Some(count) = args.try_next() else {
        match keys.zset(key)?.and_then(|zset| zset.get(random.below(zset.len()))) {
            Some((member, _)) => write_member(member, out),
            None => out.null(),
        }
        return Ok(());
    };
    let count = parse_int(count).ok_or(CommandError::NotAnInteger)?;
    if count == i64::MIN {
        return Err(CommandError::NotNegatable);
    }
    let with_scores = args.left() == 1 && args.eat("WITHSCORES");
    args.end()?;
    if with_scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(CommandError::ValueOutOfRange);
    }
    let Some(zset) = keys.zset(key)? else {
        out.array(0);
        return Ok(());
    };
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let nested = out.protocol() == Protocol::Resp3;
    let mut begin = |len: usize, out: &mut dyn Sink| {
        out.array(if with_scores && !nested { len.saturating_mul(2) } else { len });
    };
    let write = |rank: usize, out: &mut dyn Sink| match zset.get(rank) {
        Some((member, score)) if with_scores => write_pair(member, score, nested, out),
        Some((member, _)) => write_member(member, out),
        None => out.null(),
    };
    let len = zset.len();
    if count < 0 {
        begin(wanted, out);
        (0..wanted).for_each(|_| write(random.below(len), out));
    } else if wanted >= len {
        begin(len, out);
        for (member, score) in zset.iter() {
            if with_scores {
                write_pair(member, score, nested, out);
            } else {
                write_member(member, out);
            }
        }
    } else {
        begin(wanted, out);
        // Floyd's way of drawing without repetition: as many draws as members are wanted.
        let mut drawn = HashSet::with_capacity(wanted);
        for last in len - wanted..len {
            let rank = random.below(last + 1);
            let rank = if drawn.insert(rank) { rank } else { last };
            drawn.insert(rank);
            write(rank, out);
        }
    }
    Ok(())
}

/// SplitMix64, begun with a number of the shard's.
struct Random(u64);

impl Random {
    /// A number below `n`, or 0.
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        // The high half of a product: no division, and no bias that anybody could measure.
        ((u128::from(z) * n as u128) >> 64) as usize
    }
}

/// Replies with the cursor to go on from and with some members and their scores: all of a small set, otherwise about
/// `COUNT`, in the order of their hashes. Errors: an invalid cursor, syntax, a count that is no integer, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/zscan/>
pub(super) fn zscan(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let cursor = parse_cursor(args.required()?).ok_or(CommandError::InvalidCursor)?;
    // Without the key the options are not even read.
    let Some(zset) = keys.zset(key)? else {
        out.array(2);
        out.bulk(b"0");
        out.array(0);
        return Ok(());
    };
    let (mut count, mut pattern) = (10, None);
    while args.left() > 1 {
        if args.eat("COUNT") {
            count = usize::try_from(args.int()?).ok().filter(|&count| count > 0).ok_or(CommandError::Syntax)?;
        } else if args.eat("MATCH") {
            pattern = Some(args.required()?).filter(|pattern| *pattern != b"*");
        } else {
            return Err(CommandError::Syntax);
        }
    }
    args.end()?;
    let packed = matches!(zset, ZSetRef::Packed(_));
    let mut found: Vec<(Vec<u8>, f64)> = Vec::new();
    // A cursor that nobody gave goes on from where it says, or is at the end.
    let position = u32::try_from(cursor);
    let next = match position {
        Ok(position) => zset.scan(position, count, |member, score| {
            if pattern.is_none_or(|pattern| glob::matches(pattern, member, false)) {
                found.push((member.to_vec(), score));
            }
        }),
        Err(_) => None,
    };
    out.array(2);
    out.bulk(itoa::Buffer::new().format(next.unwrap_or(0)).as_bytes());
    out.array(found.len() * 2);
    let mut buffer = DoubleBuffer::new();
    for (member, score) in &found {
        out.bulk(member);
        if packed {
            out.bulk(buffer.format(*score).as_bytes());
        } else {
            // Redis prints what it has in memory as a `long double`.
            out.bulk(format_17_digits(*score).as_bytes());
        }
    }
    Ok(())
}

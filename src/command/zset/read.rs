//! Looks at members: scores, ranks, random ones, scans.

use super::{write_member, write_pair};
use crate::command::args::{Args, parse_int};
use crate::command::error::CommandError;
use crate::command::scan::{self, Names};
use crate::double::{DoubleBuffer, format_17_digits};
use crate::reply::{Protocol, Sink};
use crate::shard::{Key, Keyspace};
use crate::value::set::random::Draw;
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
    let mut random = keys.random_choices();
    let bytes_max = keys.shard().settings.string_bytes_max;
    let Some(count) = args.try_next() else {
        let zset = keys.zset(key)?;
        match zset.and_then(|zset| zset.get(random.below(zset.len())?)) {
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
    let begin = |len: usize, out: &mut dyn Sink| {
        out.array(if with_scores && !nested { len.saturating_mul(2) } else { len });
    };
    let write = |(member, score), out: &mut dyn Sink| {
        if with_scores {
            write_pair(member, score, nested, out);
        } else {
            write_member(member, out);
        }
    };
    let len = zset.len();
    if count < 0 {
        // What a member takes in a reply beside its bytes, at least. The number is the caller's word.
        const FRAME_BYTES: usize = 6;
        if wanted.saturating_mul(FRAME_BYTES) > bytes_max {
            return Err(CommandError::ValueOutOfRange);
        }
        begin(wanted, out);
        let mut left = bytes_max;
        for pair in (0..wanted).filter_map(|_| zset.get(random.below(len)?)) {
            left = left.checked_sub(pair.0.len() + FRAME_BYTES).ok_or(CommandError::ValueOutOfRange)?;
            write(pair, out);
        }
    } else if wanted.saturating_mul(16) > len {
        let wanted = wanted.min(len);
        let mut draw = Draw::new(wanted, len);
        begin(wanted, out);
        zset.iter().filter(|_| draw.takes_next(&mut random)).for_each(|pair| write(pair, out));
    } else {
        begin(wanted, out);
        // Floyd's way of drawing without repetition: as many draws as members are wanted.
        let mut drawn = HashSet::with_capacity(wanted);
        for last in len - wanted..len {
            let rank = random.below(last + 1).filter(|&rank| drawn.insert(rank)).unwrap_or(last);
            drawn.insert(rank);
            if let Some(pair) = zset.get(rank) {
                write(pair, out);
            }
        }
    }
    Ok(())
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
    let cursor = scan::cursor(args)?;
    // Without the key the options are not even read.
    let Some(zset) = keys.zset(key)? else {
        scan::reply(0, &Names::default(), out);
        return Ok(());
    };
    let options = scan::Options::parse(args)?;
    let packed = matches!(zset, ZSetRef::Packed(_));
    let (mut found, mut buffer) = (Names::default(), DoubleBuffer::new());
    // A cursor that nobody gave goes on from where it says, or is at the end.
    let next = u32::try_from(cursor).ok().and_then(|position| {
        zset.scan(position, options.count, |member, score| {
            if options.pattern.matches(member) {
                found.add(member);
                if packed {
                    found.add(buffer.format(score).as_bytes());
                } else {
                    // Redis prints what it has in memory as a `long double`.
                    found.add(format_17_digits(score).as_bytes());
                }
            }
        })
    });
    scan::reply(next.map_or(0, u64::from), &found, out);
    Ok(())
}

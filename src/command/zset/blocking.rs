//! Commands that wait for a sorted set: what they do at once, what they do when their turn comes, and how an owner that
//! does not take delivery gives back: members come back with the scores that they had, unless they are there again.

use super::pop::{End, Several, pop_with_key};
use crate::command::args::Args;
use crate::command::error::CommandError;
use crate::engine::{Delivery, Entered, Undo, Wait, Waiting};
use crate::reply::{Protocol, Reply, ReplyBuilder, Sink};
use crate::shard::{Type, WrongType};
use crate::value::zset::Rule;
use bytes::Bytes;

/// Replies with the first key that has a sorted set, its member with the lowest score, and the score; waits for one
/// where there is none. Errors: `WRONGTYPE` for a key before that one, and what a timeout may be.
///
/// Reference: <https://valkey.io/commands/bzpopmin/>
pub(super) fn bzpopmin(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<Option<Wait>, CommandError> {
    pop_or_wait_keys(entered, End::Min, args, out)
}

/// As [`bzpopmin`], with the highest score.
///
/// Reference: <https://valkey.io/commands/bzpopmax/>
pub(super) fn bzpopmax(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<Option<Wait>, CommandError> {
    pop_or_wait_keys(entered, End::Max, args, out)
}

fn pop_or_wait_keys(
    entered: &mut Entered<'_>,
    end: End,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<Option<Wait>, CommandError> {
    let keys = args.take(args.left().saturating_sub(1))?;
    let timeout_ms = args.timeout()?;
    pop_or_wait(entered, keys, Pop { end, count: None }, timeout_ms, out)
}

/// As [`bzpopmin`], from either end and up to `COUNT` members. Errors also: numbers that are not positive.
///
/// Reference: <https://valkey.io/commands/bzmpop/>
pub(super) fn bzmpop(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<Option<Wait>, CommandError> {
    // Redis reads the timeout, the first argument, last.
    let mut timeout = Args::new(args.argv());
    args.required()?;
    let Several { keys, end, count } = Several::parse(args)?;
    let timeout_ms = timeout.timeout()?;
    pop_or_wait(entered, keys, Pop { end, count: Some(count) }, timeout_ms, out)
}

fn pop_or_wait(
    entered: &mut Entered<'_>,
    names: &[&[u8]],
    pop: Pop,
    timeout_ms: Option<u64>,
    out: &mut dyn Sink,
) -> Result<Option<Wait>, CommandError> {
    for name in names {
        let (mut keys, key) = entered.at(name);
        if pop_with_key(&mut keys, key, pop.end, pop.count, out)? {
            return Ok(None);
        }
    }
    let keys = names.iter().map(|&name| name.into()).collect();
    Ok(Some(Wait { keys, op: Box::new(pop), timeout_ms }))
}

/// Waits to pop.
#[derive(Clone, Copy, Debug)]
struct Pop {
    end: End,
    /// BZMPOP's.
    count: Option<usize>,
}

impl Waiting for Pop {
    fn serve(
        &self,
        entered: &mut Entered<'_>,
        db: usize,
        key: &[u8],
    ) -> Option<Result<Delivery, CommandError>> {
        let (mut keys, routed) = entered.at_db(db, key);
        let mut out = ReplyBuilder::new(Protocol::Resp3);
        match pop_with_key(&mut keys, routed, self.end, self.count, &mut out) {
            Ok(false) => return None,
            Err(WrongType) => return Some(Err(CommandError::WrongType)),
            Ok(true) => {}
        }
        let reply = out.finish();
        let (name, pairs) = (Box::<[u8]>::from(key), pairs_of(&reply));
        let undo = Undo {
            db,
            keys: vec![name.clone()],
            run: Box::new(move |entered| put_back(entered, db, &name, &pairs)),
        };
        Some(Ok(Delivery { reply, undo: Some(undo) }))
    }

    fn wants(&self) -> Option<Type> {
        Some(Type::ZSet)
    }
}

/// The members in a reply of [`pop_with_key`] and their scores.
fn pairs_of(reply: &Reply) -> Vec<(f64, Bytes)> {
    let pair = |items: &[Reply]| match items {
        [Reply::Bulk(member), Reply::Double(score)] => Some((*score, member.clone())),
        _ => None,
    };
    match reply {
        Reply::Array(items) => match items.as_slice() {
            [_, Reply::Array(pairs)] => pairs
                .iter()
                .filter_map(|items| if let Reply::Array(items) = items { pair(items) } else { None })
                .collect(),
            [_, rest @ ..] => pair(rest).into_iter().collect(),
            [] => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Adds what was popped, leaving alone what has been added again meanwhile.
fn put_back(entered: &mut Entered<'_>, db: usize, key: &[u8], pairs: &[(f64, Bytes)]) {
    let pairs: Vec<(f64, &[u8])> = pairs.iter().map(|(score, member)| (*score, &**member)).collect();
    let (mut keys, routed) = entered.at_db(db, key);
    if keys.zset_add(routed, &pairs, Rule { nx: true, ..Rule::default() }).is_err() {
        tracing::debug!(members = pairs.len(), "the key became another type: there is no set to put back to");
    }
}

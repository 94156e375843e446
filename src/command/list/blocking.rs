//! Commands that wait for a list: what they do at once, what they do when their turn comes, and how an owner that
//! does not take delivery gives back.
//!
//! What a pop took goes back to the end that it came from, in its order; a key that has become another type
//! meanwhile has no such end, and there it is lost. What a move moved goes back only if it still stands where it was
//! put and the source can take it: otherwise it stays in the destination, where nobody loses it. A key that comes
//! back has no deadline, whatever the one that went had.

use super::End;
use super::pop::{Course, Several, move_element, pop_with_key};
use crate::command::args::Args;
use crate::command::error::CommandError;
use crate::engine::{Delivery, Entered, Undo, Wait, Waiting};
use crate::reply::{Protocol, Reply, ReplyBuilder, Sink};
use crate::shard::{Inserted, Type, WrongType};
use bytes::Bytes;

/// Replies with the first key that has a list and its first element; waits for one where there is none.
/// Errors: `WRONGTYPE` for a key before that one, and what a timeout may be.
///
/// Reference: <https://valkey.io/commands/blpop/>
pub(super) fn blpop(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<Option<Wait>, CommandError> {
    pop_or_wait_keys(entered, End::Left, args, out)
}

/// As [`blpop`], from the tail.
///
/// Reference: <https://valkey.io/commands/brpop/>
pub(super) fn brpop(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<Option<Wait>, CommandError> {
    pop_or_wait_keys(entered, End::Right, args, out)
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

/// As [`blpop`], from either end and up to `COUNT` elements. Errors also: numbers that are not positive.
///
/// Reference: <https://valkey.io/commands/blmpop/>
pub(super) fn blmpop(
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
    /// BLMPOP's.
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
        let (end, name, elements) = (self.end, Box::<[u8]>::from(key), elements_of(&reply));
        let undo = Undo {
            db,
            keys: vec![name.clone()],
            run: Box::new(move |entered| put_back(entered, db, &name, end, &elements)),
        };
        Some(Ok(Delivery { reply, undo: Some(undo) }))
    }

    fn wants(&self) -> Option<Type> {
        Some(Type::List)
    }
}

/// The elements in a reply of [`pop_with_key`], in the order in which they were popped.
fn elements_of(reply: &Reply) -> Vec<Bytes> {
    let bulk = |reply: &Reply| if let Reply::Bulk(element) = reply { Some(element.clone()) } else { None };
    match reply {
        Reply::Array(pair) => match pair.last() {
            Some(Reply::Array(elements)) => elements.iter().filter_map(bulk).collect(),
            Some(element) => bulk(element).into_iter().collect(),
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Pushes what was popped from an end back to it, the last one popped first.
fn put_back(entered: &mut Entered<'_>, db: usize, key: &[u8], end: End, elements: &[Bytes]) {
    let elements: Vec<&[u8]> = elements.iter().rev().map(|element| &**element).collect();
    let (mut keys, routed) = entered.at_db(db, key);
    let done = keys.update_list(routed, &elements, Inserted::Always, |list| match end {
        End::Left => list.extend_front(elements.iter().copied()),
        End::Right => list.extend_back(elements.iter().copied()),
    });
    if done.is_err() {
        tracing::debug!(
            elements = elements.len(),
            "the key became another type: there is no list to put back to"
        );
    }
}

/// Replies with the element that was moved; waits for one where the source does not exist. Errors: `WRONGTYPE` for
/// either list once there is something to move, and what a timeout may be.
///
/// Reference: <https://valkey.io/commands/blmove/>
pub(super) fn blmove(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<Option<Wait>, CommandError> {
    let (source, destination) = (args.required()?, args.required()?);
    let course = Course::parse(args)?;
    move_or_wait(entered, source, destination, course, args.timeout()?, out)
}

/// [`blmove`] from the tail to the head.
///
/// Reference: <https://valkey.io/commands/brpoplpush/>
pub(super) fn brpoplpush(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<Option<Wait>, CommandError> {
    let (source, destination) = (args.required()?, args.required()?);
    move_or_wait(entered, source, destination, Course::TAIL_TO_HEAD, args.timeout()?, out)
}

fn move_or_wait(
    entered: &mut Entered<'_>,
    source: &[u8],
    destination: &[u8],
    course: Course,
    timeout_ms: Option<u64>,
    out: &mut dyn Sink,
) -> Result<Option<Wait>, CommandError> {
    let db = entered.db();
    if let Some(element) = move_element(entered, db, source, destination, course)? {
        out.bulk_shared(&element);
        return Ok(None);
    }
    let op = Move { destination: [destination.into()], course };
    Ok(Some(Wait { keys: vec![source.into()], op: Box::new(op), timeout_ms }))
}

/// Waits to move.
#[derive(Debug)]
struct Move {
    destination: [Box<[u8]>; 1],
    course: Course,
}

impl Waiting for Move {
    fn serve(
        &self,
        entered: &mut Entered<'_>,
        db: usize,
        key: &[u8],
    ) -> Option<Result<Delivery, CommandError>> {
        let [destination] = &self.destination;
        let element = match move_element(entered, db, key, destination, self.course) {
            Ok(None) => return None,
            Err(WrongType) => return Some(Err(CommandError::WrongType)),
            Ok(Some(element)) => element,
        };
        let (source, destination) = (Box::<[u8]>::from(key), destination.clone());
        let (reply, back) = (Reply::Bulk(element.clone()), self.course.reversed());
        let undo = Undo {
            db,
            keys: vec![source.clone(), destination.clone()],
            run: Box::new(move |entered| move_back(entered, db, &destination, &source, back, &element)),
        };
        Some(Ok(Delivery { reply, undo: Some(undo) }))
    }

    fn other_keys(&self) -> &[Box<[u8]>] {
        &self.destination
    }

    fn wants(&self) -> Option<Type> {
        Some(Type::List)
    }

    fn write_denied(&self, out: &mut dyn Sink) {
        out.null();
    }
}

/// Moves an element back from where it was put, if it still stands there.
fn move_back(entered: &mut Entered<'_>, db: usize, from: &[u8], to: &[u8], course: Course, element: &[u8]) {
    let (mut keys, key) = entered.at_db(db, from);
    let index = if course.from == End::Left { 0 } else { -1 };
    let stands = matches!(keys.list(key), Ok(Some(list)) if list.get(index).is_some_and(|e| e == *element));
    if stands && move_element(entered, db, from, to, course).is_err() {
        tracing::debug!("the source became another type: what was moved stays where it is");
    }
}

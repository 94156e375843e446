//! Taking elements: pops from one list, from the first of several, and moves from one list to another.

use super::{End, write_element};
use crate::command::args::{Args, parse_int};
use crate::command::error::CommandError;
use crate::engine::Entered;
use crate::reply::Sink;
use crate::shard::{Class, Inserted, Key, Keyspace, WrongType};
use bytes::Bytes;

/// Replies with the first element, or null without the key; with a count with an array of them.
/// Errors: `WRONGTYPE`, a count that is no integer from 0 on.
///
/// Reference: <https://valkey.io/commands/lpop/>
pub(super) fn lpop(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    pop(keys, key, (End::Left, "lpop"), args, out)
}

/// As [`lpop`], from the tail.
///
/// Reference: <https://valkey.io/commands/rpop/>
pub(super) fn rpop(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    pop(keys, key, (End::Right, "rpop"), args, out)
}

fn pop(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    (end, name): (End, &'static str),
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let Some(count) = args.try_next() else {
        if !pop_one(keys, key, end, out)? {
            out.null();
        }
        return Ok(());
    };
    if args.left() > 0 {
        return Err(CommandError::WrongArity(name));
    }
    let count = parse_int(count).and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or(CommandError::MustBePositive)?;
    let found = if count == 0 {
        let found = keys.has_list(key)?;
        if found {
            out.array(0);
        }
        found
    } else {
        pop_some(keys, key, end, count, out)?
    };
    if !found {
        out.null_array();
    }
    Ok(())
}

/// Takes one element and writes it; whether there was one. O(1).
fn pop_one(keys: &mut Keyspace<'_>, key: Key<'_>, end: End, out: &mut dyn Sink) -> Result<bool, WrongType> {
    let popped = keys.update_list(key, &[], Inserted::Never, |list| match end {
        End::Left => list.pop_front(|element| write_element(element, out)),
        End::Right => list.pop_back(|element| write_element(element, out)),
    })?;
    let popped = popped.flatten().is_some();
    if popped {
        keys.notify(Class::List, end.popped(), key);
    }
    Ok(popped)
}

/// Takes up to `count` elements, at least one, and writes them as an array from that end on; whether there was one.
/// O(count).
fn pop_some(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    end: End,
    count: usize,
    out: &mut dyn Sink,
) -> Result<bool, WrongType> {
    let popped = keys.update_list(key, &[], Inserted::Never, |list| {
        let count = i64::try_from(count.min(list.len())).unwrap_or(i64::MAX);
        match end {
            End::Left => {
                let elements = list.view().slice(0, count - 1);
                out.array(elements.len());
                elements.for_each(|element| write_element(element, out));
                list.trim(count, -1);
            }
            End::Right => {
                let elements = list.view().slice_reverse(-count, -1);
                out.array(elements.len());
                elements.for_each(|element| write_element(element, out));
                // Where all of them go there is no element -(count + 1), and nothing is kept.
                list.trim(0, -count - 1);
            }
        }
    })?;
    if popped.is_some() {
        keys.notify(Class::List, end.popped(), key);
    }
    Ok(popped.is_some())
}

/// Takes from a list, and writes an array of its key and what was taken: one element, or with a count an array of
/// up to so many. Whether there was a list. What BLPOP, BRPOP, LMPOP and BLMPOP do with a key.
pub(super) fn pop_with_key(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    end: End,
    count: Option<usize>,
    out: &mut dyn Sink,
) -> Result<bool, WrongType> {
    if !keys.has_list(key)? {
        return Ok(false);
    }
    out.array(2);
    out.bulk(key.bytes);
    match count {
        None => pop_one(keys, key, end, out),
        Some(count) => pop_some(keys, key, end, count, out),
    }
}

/// The arguments of LMPOP, and of BLMPOP behind its timeout.
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
        let numkeys = positive(args.required()?, NUMKEYS)?;
        let keys = args.take(numkeys)?;
        let end = End::parse(args)?;
        let mut count = None;
        while args.left() > 0 {
            if count.is_some() || !args.eat("COUNT") {
                return Err(CommandError::Syntax);
            }
            count =
                Some(positive(args.required()?, CommandError::text("ERR count should be greater than 0"))?);
        }
        Ok(Self { keys, end, count: count.unwrap_or(1) })
    }
}

/// A number of things, at least one; whatever else the text is earns the same error.
fn positive(text: &[u8], error: CommandError) -> Result<usize, CommandError> {
    match parse_int(text) {
        // More than this machine can address is as good as what it can.
        Some(number) if number > 0 => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
        _ => Err(error),
    }
}

/// Replies with the first key that has a list, and up to `COUNT` elements of it; null without any.
/// Errors: `WRONGTYPE` for a key before that one, numbers that are not positive.
///
/// Reference: <https://valkey.io/commands/lmpop/>
pub(super) fn lmpop(
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

/// From which end of a list to which end of another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    pub from: End,
    pub to: End,
}

impl Course {
    /// What RPOPLPUSH does.
    pub(super) const TAIL_TO_HEAD: Course = Course { from: End::Right, to: End::Left };

    pub(super) fn parse(args: &mut Args<'_>) -> Result<Self, CommandError> {
        Ok(Course { from: End::parse(args)?, to: End::parse(args)? })
    }

    /// The way back.
    pub(super) fn reversed(self) -> Self {
        Course { from: self.to, to: self.from }
    }
}

/// Replies with the element that was moved, or null without the source. Errors: `WRONGTYPE` for either list, but
/// only where the source exists.
///
/// Reference: <https://valkey.io/commands/lmove/>
pub(super) fn lmove(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (source, destination) = (args.required()?, args.required()?);
    let course = Course::parse(args)?;
    move_and_reply(entered, source, destination, course, out)
}

/// [`lmove`] from the tail to the head.
///
/// Reference: <https://valkey.io/commands/rpoplpush/>
pub(super) fn rpoplpush(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (source, destination) = (args.required()?, args.required()?);
    move_and_reply(entered, source, destination, Course::TAIL_TO_HEAD, out)
}

fn move_and_reply(
    entered: &mut Entered<'_>,
    source: &[u8],
    destination: &[u8],
    course: Course,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let db = entered.db();
    match move_element(entered, db, source, destination, course)? {
        Some(element) => out.bulk_shared(&element),
        None => out.null(),
    }
    Ok(())
}

/// Moves one element from a list to another one or within one; `None` without the source. O(1).
///
/// # Errors
/// [`WrongType`] for either, with nothing changed.
pub(super) fn move_element(
    entered: &mut Entered<'_>,
    db: usize,
    source: &[u8],
    destination: &[u8],
    course: Course,
) -> Result<Option<Bytes>, WrongType> {
    let (mut keys, key) = entered.at_db(db, source);
    if !keys.has_list(key)? {
        return Ok(None);
    }
    if source == destination {
        // In one go, so that a list of one element keeps its key and its deadline.
        let moved = keys.update_list(key, &[], Inserted::Never, |list| {
            list.rotate(course.from.side(), course.to.side())
        })?;
        if moved.is_some() {
            keys.notify(Class::List, course.to.pushed(), key);
            keys.notify(Class::List, course.from.popped(), key);
        }
        return Ok(moved.flatten());
    }
    let (mut keys, key) = entered.at_db(db, destination);
    keys.has_list(key)?;
    let (mut keys, key) = entered.at_db(db, source);
    let popped = keys.update_list(key, &[], Inserted::Never, |list| match course.from {
        End::Left => list.pop_front(|element| element.to_shared()),
        End::Right => list.pop_back(|element| element.to_shared()),
    })?;
    let Some(element) = popped.flatten() else { return Ok(None) };
    let (mut keys, key) = entered.at_db(db, destination);
    keys.update_list(key, &[&element], Inserted::Always, |list| match course.to {
        End::Left => list.push_front(&element),
        End::Right => list.push_back(&element),
    })?;
    keys.notify(Class::List, course.to.pushed(), key);
    entered.notify(db, Class::List, course.from.popped(), source);
    Ok(Some(element))
}

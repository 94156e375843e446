//! List commands: pushes, looks and changes here; `pop` takes, `position` finds, `blocking` waits.
//!
//! Thin translators from arguments to `value::list`. Where Redis looks at the key before it reads a number, so do
//! these: which of two errors a client sees is part of the protocol.

mod blocking;
mod pop;
mod position;

use super::args::Args;
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use crate::reply::Sink;
use crate::shard::{Class, Inserted, Key, Keyspace};
use crate::value::list::Side;
use crate::value::listpack::Element;

/// Keys behind the name, and one argument that is none at the end.
const ALL_BUT_LAST: Keys = Keys::Range { first: 1, last: -2, step: 1 };

/// The complexity of a push.
const EACH_ADDED: &str = "O(1) for each element added, so O(N) to add N elements when the command is called with \
                          multiple arguments.";

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    row("LPUSH", -3, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(lpush)).of(Group::List, "1.0.0").doc(
        "key element [element ...]",
        "Prepends one or more elements to a list. Creates the key if it doesn't exist.",
        EACH_ADDED,
    ),
    row("RPUSH", -3, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(rpush)).of(Group::List, "1.0.0").doc(
        "key element [element ...]",
        "Appends one or more elements to a list. Creates the key if it doesn't exist.",
        EACH_ADDED,
    ),
    row("LPUSHX", -3, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(lpushx)).of(Group::List, "2.2.0").doc(
        "key element [element ...]",
        "Prepends one or more elements to a list only when the list exists.",
        EACH_ADDED,
    ),
    row("RPUSHX", -3, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(rpushx)).of(Group::List, "2.2.0").doc(
        "key element [element ...]",
        "Appends an element to a list only when the list exists.",
        EACH_ADDED,
    ),
    row("LPOP", -2, &[Write, Fast], Keys::FIRST, Run::Key(pop::lpop)).of(Group::List, "1.0.0").doc(
        "key [count]",
        "Returns the first elements in a list after removing it. Deletes the list if the last element was popped.",
        "O(N) where N is the number of elements returned",
    ),
    row("RPOP", -2, &[Write, Fast], Keys::FIRST, Run::Key(pop::rpop)).of(Group::List, "1.0.0").doc(
        "key [count]",
        "Returns and removes the last elements of a list. Deletes the list if the last element was popped.",
        "O(N) where N is the number of elements returned",
    ),
    row("LLEN", 2, &[Read, Fast], Keys::FIRST, Run::Key(llen)).of(Group::List, "1.0.0").doc(
        "key",
        "Returns the length of a list.",
        "O(1)",
    ),
    row("LINDEX", 3, &[Read], Keys::FIRST, Run::Key(lindex)).of(Group::List, "1.0.0").doc(
        "key index",
        "Returns an element from a list by its index.",
        "O(N) where N is the number of elements to traverse to get to the element at index. This makes asking for \
         the first or the last element of the list O(1).",
    ),
    row("LSET", 4, &[Write, DenyOom], Keys::FIRST, Run::Key(lset)).of(Group::List, "1.0.0").doc(
        "key index element",
        "Sets the value of an element in a list by its index.",
        "O(N) where N is the length of the list. Setting either the first or the last element of the list is O(1).",
    ),
    row("LINSERT", 5, &[Write, DenyOom], Keys::FIRST, Run::Key(linsert)).of(Group::List, "2.2.0").doc(
        "key <BEFORE | AFTER> pivot element",
        "Inserts an element before or after another element in a list.",
        "O(N) where N is the number of elements to traverse before seeing the value pivot. This means that \
         inserting somewhere on the left end on the list (head) can be considered O(1) and inserting somewhere on \
         the right end (tail) is O(N).",
    ),
    row("LREM", 4, &[Write], Keys::FIRST, Run::Key(lrem)).of(Group::List, "1.0.0").doc(
        "key count element",
        "Removes elements from a list. Deletes the list if the last element was removed.",
        "O(N+M) where N is the length of the list and M is the number of elements removed.",
    ),
    row("LRANGE", 4, &[Read], Keys::FIRST, Run::Key(lrange)).of(Group::List, "1.0.0").doc(
        "key start stop",
        "Returns a range of elements from a list.",
        "O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest end (HEAD or TAIL) \
         for large lists; and N is the number of elements in the specified range.",
    ),
    row("LTRIM", 4, &[Write], Keys::FIRST, Run::Key(ltrim)).of(Group::List, "1.0.0").doc(
        "key start stop",
        "Removes elements from both ends a list. Deletes the list if all elements were trimmed.",
        "O(N) where N is the number of elements to be removed by the operation.",
    ),
    row("LPOS", -3, &[Read], Keys::FIRST, Run::Key(position::lpos)).of(Group::List, "6.0.6").doc(
        "key element [RANK rank] [COUNT num-matches] [MAXLEN len]",
        "Returns the index of matching elements in a list.",
        "O(N) where N is the number of elements in the list, for the average case. When searching for elements \
         near the head or the tail of the list, or when the MAXLEN option is provided, the command may run in \
         constant time.",
    ),
    row("LMOVE", 5, &[Write, DenyOom], Keys::PAIR, Run::Keys(pop::lmove)).of(Group::List, "6.2.0").doc(
        "source destination <LEFT | RIGHT> <LEFT | RIGHT>",
        "Returns an element after popping it from one list and pushing it to another. Deletes the list if the last \
         element was moved.",
        "O(1)",
    ),
    row("RPOPLPUSH", 3, &[Write, DenyOom], Keys::PAIR, Run::Keys(pop::rpoplpush)).of(Group::List, "1.2.0").doc(
        "source destination",
        "Returns the last element of a list after removing and pushing it to another list. Deletes the list if the \
         last element was popped.",
        "O(1)",
    ),
    row("LMPOP", -4, &[Write, MovableKeys], Keys::Counted(1), Run::Keys(pop::lmpop)).of(Group::List, "7.0.0").doc(
        "numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
        "Returns multiple elements from a list after removing them. Deletes the list if the last element was \
         popped.",
        "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
    ),
    row("BLPOP", -3, &[Write, Blocking], ALL_BUT_LAST, Run::Wait(blocking::blpop)).of(Group::List, "2.0.0").doc(
        "key [key ...] timeout",
        "Removes and returns the first element in a list. Blocks until an element is available otherwise. Deletes \
         the list if the last element was popped.",
        "O(N) where N is the number of provided keys.",
    ),
    row("BRPOP", -3, &[Write, Blocking], ALL_BUT_LAST, Run::Wait(blocking::brpop)).of(Group::List, "2.0.0").doc(
        "key [key ...] timeout",
        "Removes and returns the last element in a list. Blocks until an element is available otherwise. Deletes \
         the list if the last element was popped.",
        "O(N) where N is the number of provided keys.",
    ),
    row("BLMOVE", 6, &[Write, DenyOom, Blocking], Keys::PAIR, Run::Wait(blocking::blmove))
        .of(Group::List, "6.2.0")
        .doc(
            "source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout",
            "Pops an element from a list, pushes it to another list and returns it. Blocks until an element is \
             available otherwise. Deletes the list if the last element was moved.",
            "O(1)",
        ),
    row("BRPOPLPUSH", 4, &[Write, DenyOom, Blocking], Keys::PAIR, Run::Wait(blocking::brpoplpush))
        .of(Group::List, "2.2.0")
        .doc(
            "source destination timeout",
            "Pops an element from a list, pushes it to another list and returns it. Block until an element is \
             available otherwise. Deletes the list if the last element was popped.",
            "O(1)",
        ),
    row("BLMPOP", -5, &[Write, Blocking, MovableKeys], Keys::Counted(2), Run::Wait(blocking::blmpop))
        .of(Group::List, "7.0.0")
        .doc(
            "timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
            "Pops the first element from one of multiple lists. Blocks until an element is available otherwise. \
             Deletes the list if the last element was popped.",
            "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
        ),
];

/// One end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The head.
    Left,
    /// The tail.
    Right,
}

impl End {
    /// Reads `LEFT` or `RIGHT`.
    fn parse(args: &mut Args<'_>) -> Result<End, CommandError> {
        if args.eat("LEFT") {
            Ok(End::Left)
        } else if args.eat("RIGHT") {
            Ok(End::Right)
        } else {
            Err(CommandError::Syntax)
        }
    }

    /// As the list calls it.
    /// What those who listen are told of an element that was added here.
    fn pushed(self) -> &'static str {
        match self {
            End::Left => "lpush",
            End::Right => "rpush",
        }
    }

    /// What those who listen are told of an element that was taken from here.
    fn popped(self) -> &'static str {
        match self {
            End::Left => "lpop",
            End::Right => "rpop",
        }
    }

    fn side(self) -> Side {
        match self {
            End::Left => Side::Before,
            End::Right => Side::After,
        }
    }
}

/// Writes an element as a bulk, sharing a large one.
fn write_element(element: Element<'_>, out: &mut dyn Sink) {
    match element {
        Element::Bytes(bytes) => out.bulk(bytes),
        Element::Shared(bytes) => out.bulk_shared(bytes),
        Element::Int(_) => element.with_bytes(|bytes| out.bulk(bytes)),
    }
}

/// Pushes the arguments that are left, and replies with the length of the list.
fn push(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    (end, insert): (End, Inserted),
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let elements = args.rest();
    let len = keys.update_list(key, elements, insert, |list| {
        match end {
            End::Left => list.extend_front(elements.iter().copied()),
            End::Right => list.extend_back(elements.iter().copied()),
        }
        list.len()
    })?;
    if len.is_some() {
        keys.notify(Class::List, end.pushed(), key);
    }
    out.int(len.unwrap_or(0) as i64);
    Ok(())
}

/// Replies with the length of the list; elements that go to those who wait for them at once count, too.
/// Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/lpush/>
fn lpush(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    push(keys, key, (End::Left, Inserted::Always), args, out)
}

/// As [`lpush`], at the tail.
///
/// Reference: <https://valkey.io/commands/rpush/>
fn rpush(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    push(keys, key, (End::Right, Inserted::Always), args, out)
}

/// Replies with the length of the list, or 0 without the key, which is not made. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/lpushx/>
fn lpushx(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    push(keys, key, (End::Left, Inserted::Never), args, out)
}

/// As [`lpushx`], at the tail.
///
/// Reference: <https://valkey.io/commands/rpushx/>
fn rpushx(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    push(keys, key, (End::Right, Inserted::Never), args, out)
}

/// Replies with the length of the list, 0 without the key. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/llen/>
fn llen(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.int(keys.list(key)?.map_or(0, |list| list.len()) as i64);
    Ok(())
}

/// Replies with the element, or null where there is none; without the key the index is not even read.
/// Errors: `WRONGTYPE`, an index that is no integer.
///
/// Reference: <https://valkey.io/commands/lindex/>
fn lindex(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let element = match keys.list(key)? {
        Some(list) => list.get(args.int()?),
        None => None,
    };
    match element {
        Some(element) => write_element(element, out),
        None => out.null(),
    }
    Ok(())
}

/// Replies `OK`. Errors: no such key, `WRONGTYPE`, an index that is no integer or has no element.
///
/// Reference: <https://valkey.io/commands/lset/>
fn lset(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let Some(len) = keys.peek_list(key)?.map(|list| list.len() as u64) else {
        return Err(CommandError::NoSuchKey);
    };
    let (index, element) = (args.int()?, args.required()?);
    // What is refused must not count as a change.
    if if index < 0 { index.unsigned_abs() > len } else { index.unsigned_abs() >= len } {
        return Err(CommandError::IndexOutOfRange);
    }
    let set = keys.update_list(key, &[element], Inserted::Never, |list| list.set(index, element))?;
    match set {
        Some(Ok(())) => {
            keys.notify(Class::List, "lset", key);
            out.ok();
        }
        Some(Err(_)) | None => return Err(CommandError::IndexOutOfRange),
    }
    Ok(())
}

/// Replies with the new length, -1 without the pivot, 0 without the key. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/linsert/>
fn linsert(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let side = if args.eat("AFTER") {
        Side::After
    } else if args.eat("BEFORE") {
        Side::Before
    } else {
        return Err(CommandError::Syntax);
    };
    let (pivot, element) = (args.required()?, args.required()?);
    let inserted =
        keys.update_list(key, &[element], Inserted::Never, |list| list.insert(pivot, element, side))?;
    if matches!(inserted, Some(Some(_))) {
        keys.notify(Class::List, "linsert", key);
    }
    out.int(match inserted {
        Some(Some(len)) => len as i64,
        Some(None) => -1,
        None => 0,
    });
    Ok(())
}

/// Replies with the number of elements removed. Errors: `WRONGTYPE`, a count that is no integer.
///
/// Reference: <https://valkey.io/commands/lrem/>
fn lrem(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (count, element) = (args.int()?, args.required()?);
    let removed = keys.update_list(key, &[], Inserted::Never, |list| list.remove(count, element))?;
    let removed = removed.unwrap_or(0);
    if removed > 0 {
        keys.notify(Class::List, "lrem", key);
    }
    out.int(removed as i64);
    Ok(())
}

/// Replies with the elements from `start` to `stop`, both included, straight from the list's memory.
/// Errors: `WRONGTYPE`, a bound that is no integer.
///
/// Reference: <https://valkey.io/commands/lrange/>
fn lrange(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (start, stop) = (args.int()?, args.int()?);
    match keys.list(key)? {
        Some(list) => {
            let elements = list.slice(start, stop);
            out.array(elements.len());
            elements.for_each(|element| write_element(element, out));
        }
        None => out.array(0),
    }
    Ok(())
}

/// Replies `OK`, with or without the key. Errors: `WRONGTYPE`, a bound that is no integer.
///
/// Reference: <https://valkey.io/commands/ltrim/>
fn ltrim(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (start, stop) = (args.int()?, args.int()?);
    if keys.update_list(key, &[], Inserted::Never, |list| list.trim(start, stop))?.is_some() {
        keys.notify(Class::List, "ltrim", key);
    }
    out.ok();
    Ok(())
}

//! Sets: adding, removing, asking. What concerns several sets is in `combine.rs`, what is left to chance in `random.rs`.

mod combine;
mod random;

use super::args::Args;
use super::error::CommandError;
use super::scan::{self, Names, Options};
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use crate::engine::Entered;
use crate::reply::Sink;
use crate::shard::{Key, Keyspace};
use crate::value::listpack::{Element, Needle};
use crate::value::set::SetRef;

/// The complexity of an addition.
const EACH_ADDED: &str = "O(1) for each element added, so O(N) to add N elements when the command is called with \
                          multiple arguments.";
/// The complexity of an intersection.
const SMALLEST: &str =
    "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.";
/// The complexity of a union or difference.
const ALL: &str = "O(N) where N is the total number of elements in all given sets.";

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    row("SADD", -3, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(sadd)).of(Group::Set, "1.0.0").doc(
        "key member [member ...]",
        "Adds one or more members to a set. Creates the key if it doesn't exist.",
        EACH_ADDED,
    ),
    row("SREM", -3, &[Write, Fast], Keys::FIRST, Run::Key(srem)).of(Group::Set, "1.0.0").doc(
        "key member [member ...]",
        "Removes one or more members from a set. Deletes the set if the last member was removed.",
        "O(N) where N is the number of members to be removed.",
    ),
    row("SMEMBERS", 2, &[Read], Keys::FIRST, Run::Key(smembers)).of(Group::Set, "1.0.0").doc(
        "key",
        "Returns all members of a set.",
        "O(N) where N is the set cardinality.",
    ),
    row("SISMEMBER", 3, &[Read, Fast], Keys::FIRST, Run::Key(sismember)).of(Group::Set, "1.0.0").doc(
        "key member",
        "Determines whether a member belongs to a set.",
        "O(1)",
    ),
    row("SMISMEMBER", -3, &[Read, Fast], Keys::FIRST, Run::Key(smismember)).of(Group::Set, "6.2.0").doc(
        "key member [member ...]",
        "Determines whether multiple members belong to a set.",
        "O(N) where N is the number of elements being checked for membership",
    ),
    row("SCARD", 2, &[Read, Fast], Keys::FIRST, Run::Key(scard)).of(Group::Set, "1.0.0").doc(
        "key",
        "Returns the number of members in a set.",
        "O(1)",
    ),
    row("SMOVE", 4, &[Write, Fast], Keys::PAIR, Run::Keys(smove)).of(Group::Set, "1.0.0").doc(
        "source destination member",
        "Moves a member from one set to another.",
        "O(1)",
    ),
    row("SPOP", -2, &[Write, Fast], Keys::FIRST, Run::Key(random::spop)).of(Group::Set, "1.0.0").doc(
        "key [count]",
        "Returns one or more random members from a set after removing them. Deletes the set if the last member was \
         popped.",
        "Without the count argument O(1), otherwise O(N) where N is the value of the passed count.",
    ),
    row("SRANDMEMBER", -2, &[Read], Keys::FIRST, Run::Key(random::srandmember)).of(Group::Set, "1.0.0").doc(
        "key [count]",
        "Gets one or multiple random members from a set.",
        "Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count.",
    ),
    row("SINTER", -2, &[Read], Keys::REST, Run::Keys(combine::sinter)).of(Group::Set, "1.0.0").doc(
        "key [key ...]",
        "Returns the intersect of multiple sets.",
        SMALLEST,
    ),
    row("SINTERSTORE", -3, &[Write, DenyOom], Keys::REST, Run::Keys(combine::sinterstore))
        .of(Group::Set, "1.0.0")
        .doc("destination key [key ...]", "Stores the intersect of multiple sets in a key.", SMALLEST),
    row("SINTERCARD", -3, &[Read, MovableKeys], Keys::Counted(1), Run::Keys(combine::sintercard))
        .of(Group::Set, "7.0.0")
        .doc(
            "numkeys key [key ...] [LIMIT limit]",
            "Returns the number of members of the intersect of multiple sets.",
            SMALLEST,
        ),
    row("SUNION", -2, &[Read], Keys::REST, Run::Keys(combine::sunion)).of(Group::Set, "1.0.0").doc(
        "key [key ...]",
        "Returns the union of multiple sets.",
        ALL,
    ),
    row("SUNIONSTORE", -3, &[Write, DenyOom], Keys::REST, Run::Keys(combine::sunionstore))
        .of(Group::Set, "1.0.0")
        .doc("destination key [key ...]", "Stores the union of multiple sets in a key.", ALL),
    row("SDIFF", -2, &[Read], Keys::REST, Run::Keys(combine::sdiff)).of(Group::Set, "1.0.0").doc(
        "key [key ...]",
        "Returns the difference of multiple sets.",
        ALL,
    ),
    row("SDIFFSTORE", -3, &[Write, DenyOom], Keys::REST, Run::Keys(combine::sdiffstore))
        .of(Group::Set, "1.0.0")
        .doc("destination key [key ...]", "Stores the difference of multiple sets in a key.", ALL),
    row("SSCAN", -3, &[Read], Keys::FIRST, Run::Key(sscan)).of(Group::Set, "2.8.0").doc(
        "key cursor [MATCH pattern] [COUNT count]",
        "Iterates over members of a set.",
        "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return \
         back to 0. N is the number of elements inside the collection.",
    ),
];

/// Writes a member as a bulk.
fn write_member(member: Element<'_>, out: &mut dyn Sink) {
    member.with_bytes(|bytes| out.bulk(bytes));
}

/// Replies with the number of members that were new. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/sadd/>
fn sadd(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.int(keys.add_to_set(key, args.rest())? as i64);
    Ok(())
}

/// Replies with the number of members that were there. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/srem/>
fn srem(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.int(keys.remove_from_set(key, args.rest())? as i64);
    Ok(())
}

/// Replies with all members, straight from the set's memory. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/smembers/>
fn smembers(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    match keys.set(key)? {
        Some(set) => write_set(set, out),
        None => out.set(0),
    }
    Ok(())
}

/// Writes all members.
fn write_set(set: SetRef<'_>, out: &mut dyn Sink) {
    out.set(set.len());
    set.iter().for_each(|member| write_member(member, out));
}

/// Replies 1 for a member, 0 otherwise. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/sismember/>
fn sismember(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let member = Needle::new(args.required()?);
    let found = keys.set(key)?.is_some_and(|set| set.contains(&member));
    out.int(i64::from(found));
    Ok(())
}

/// Replies with 1 or 0 for each argument. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/smismember/>
fn smismember(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (set, members) = (keys.set(key)?, args.rest());
    out.array(members.len());
    for member in members {
        let found = set.is_some_and(|set| set.contains(&Needle::new(member)));
        out.int(i64::from(found));
    }
    Ok(())
}

/// Replies with the number of members, 0 without the key. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/scard/>
fn scard(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.int(keys.set(key)?.map_or(0, |set| set.len()) as i64);
    Ok(())
}

/// Replies 1 for a member that was moved, or that source and destination hold as one and the same set; 0 without it.
/// Errors: `WRONGTYPE` for either key, but only where the source exists.
///
/// Reference: <https://valkey.io/commands/smove/>
fn smove(entered: &mut Entered<'_>, args: &mut Args<'_>, out: &mut dyn Sink) -> Result<(), CommandError> {
    let (source, destination, member) = (args.required()?, args.required()?, args.required()?);
    let (mut keys, key) = entered.at(source);
    let Some(set) = keys.peek_set(key)? else {
        out.int(0);
        return Ok(());
    };
    if source == destination {
        out.int(i64::from(set.contains(&Needle::new(member))));
        return Ok(());
    }
    let (mut keys, key) = entered.at(destination);
    keys.peek_set(key)?;
    let (mut keys, key) = entered.at(source);
    let moved = keys.remove_from_set(key, &[member])?;
    if moved > 0 {
        let (mut keys, key) = entered.at(destination);
        keys.add_to_set(key, &[member])?;
    }
    out.int(moved as i64);
    Ok(())
}

/// Replies with the cursor to go on from and with some members; small sets are returned at once. Without the key the
/// options are not even read.
///
/// Errors: an invalid cursor, `WRONGTYPE`, syntax, a count that is no integer.
/// Reference: <https://valkey.io/commands/sscan/>
fn sscan(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let cursor = scan::cursor(args)?;
    let mut names = Names::default();
    let Some(set) = keys.set(key)? else {
        scan::reply(0, &names, out);
        return Ok(());
    };
    let options = Options::parse(args)?;
    let next = set.scan(cursor, options.count, |member| {
        member.with_bytes(|bytes| {
            if options.pattern.matches(bytes) {
                names.add(bytes);
            }
        });
    });
    scan::reply(next, &names, out);
    Ok(())
}

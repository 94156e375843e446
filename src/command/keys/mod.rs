//! Commands on keys of any type: whether they are there, and of which type; to delete and to touch them.
//!
//! Deadlines stand in `expire.rs`, what goes through the whole keyspace in `scan.rs`, what carries a value from one key
//! to another in `relocate.rs`, and `OBJECT` in `object.rs`.

pub(super) mod expire;
mod object;
mod relocate;
mod scan;

use super::args::Args;
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, container, row};
use crate::engine::Entered;
use crate::reply::Sink;
use crate::shard::{Key, Keyspace};

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    row("COPY", -3, &[Write, DenyOom], Keys::PAIR, Run::Keys(relocate::copy)).of(Group::Generic, "6.2.0").doc(
        "source destination [DB destination-db] [REPLACE]",
        "Copies the value of a key to a new key.",
        "O(N) worst case for collections, where N is the number of nested items. O(1) for string values.",
    ),
    row("DEL", -2, &[Write], Keys::REST, Run::Keys(del)).of(Group::Generic, "1.0.0").doc(
        "key [key ...]",
        "Deletes one or more keys.",
        "O(N) where N is the number of keys that will be removed. When a key to remove holds a value other than a \
         string, the individual complexity for this key is O(M) where M is the number of elements in the list, set, \
         sorted set or hash. Removing a single key that holds a string value is O(1).",
    ),
    row("EXISTS", -2, &[Read, Fast], Keys::REST, Run::Keys(exists)).of(Group::Generic, "1.0.0").doc(
        "key [key ...]",
        "Determines whether one or more keys exist.",
        "O(N) where N is the number of keys to check.",
    ),
    row("EXPIRE", -3, &[Write, Fast], Keys::FIRST, Run::Key(expire::expire)).of(Group::Generic, "1.0.0").doc(
        "key seconds [NX | XX | GT | LT]",
        "Sets the expiration time of a key in seconds.",
        "O(1)",
    ),
    row("EXPIREAT", -3, &[Write, Fast], Keys::FIRST, Run::Key(expire::expireat))
        .of(Group::Generic, "1.2.0")
        .doc(
            "key unix-time-seconds [NX | XX | GT | LT]",
            "Sets the expiration time of a key to a Unix timestamp.",
            "O(1)",
        ),
    row("EXPIRETIME", 2, &[Read, Fast], Keys::FIRST, Run::Key(expire::expiretime))
        .of(Group::Generic, "7.0.0")
        .doc("key", "Returns the expiration time of a key as a Unix timestamp.", "O(1)"),
    row("KEYS", 2, &[Read, Dangerous], Keys::None, Run::Keys(scan::keys)).of(Group::Generic, "1.0.0").doc(
        "pattern",
        "Returns all key names that match a pattern.",
        "O(N) with N being the number of keys in the database, under the assumption that the key names in the \
         database and the given pattern have limited length.",
    ),
    row("MOVE", 3, &[Write, Fast], Keys::FIRST, Run::Keys(relocate::r#move)).of(Group::Generic, "1.0.0").doc(
        "key db",
        "Moves a key to another database.",
        "O(1)",
    ),
    container("OBJECT", object::SUBCOMMANDS).of(Group::Generic, "2.2.3").doc(
        "",
        "A container for object introspection commands.",
        "Depends on subcommand.",
    ),
    row("PERSIST", 2, &[Write, Fast], Keys::FIRST, Run::Key(expire::persist)).of(Group::Generic, "2.2.0").doc(
        "key",
        "Removes the expiration time of a key.",
        "O(1)",
    ),
    row("PEXPIRE", -3, &[Write, Fast], Keys::FIRST, Run::Key(expire::pexpire)).of(Group::Generic, "2.6.0").doc(
        "key milliseconds [NX | XX | GT | LT]",
        "Sets the expiration time of a key in milliseconds.",
        "O(1)",
    ),
    row("PEXPIREAT", -3, &[Write, Fast], Keys::FIRST, Run::Key(expire::pexpireat))
        .of(Group::Generic, "2.6.0")
        .doc(
            "key unix-time-milliseconds [NX | XX | GT | LT]",
            "Sets the expiration time of a key to a Unix milliseconds timestamp.",
            "O(1)",
        ),
    row("PEXPIRETIME", 2, &[Read, Fast], Keys::FIRST, Run::Key(expire::pexpiretime))
        .of(Group::Generic, "7.0.0")
        .doc("key", "Returns the expiration time of a key as a Unix milliseconds timestamp.", "O(1)"),
    row("PTTL", 2, &[Read, Fast], Keys::FIRST, Run::Key(expire::pttl)).of(Group::Generic, "2.6.0").doc(
        "key",
        "Returns the expiration time in milliseconds of a key.",
        "O(1)",
    ),
    row("RANDOMKEY", 1, &[Read], Keys::None, Run::Keys(scan::randomkey)).of(Group::Generic, "1.0.0").doc(
        "",
        "Returns a random key name from the database.",
        "O(1)",
    ),
    row("RENAME", 3, &[Write], Keys::PAIR, Run::Keys(relocate::rename)).of(Group::Generic, "1.0.0").doc(
        "key newkey",
        "Renames a key and overwrites the destination.",
        "O(1)",
    ),
    row("RENAMENX", 3, &[Write, Fast], Keys::PAIR, Run::Keys(relocate::renamenx))
        .of(Group::Generic, "1.0.0")
        .doc("key newkey", "Renames a key only when the target key name doesn't exist.", "O(1)"),
    row("SCAN", -2, &[Read], Keys::None, Run::Keys(scan::scan)).of(Group::Generic, "2.8.0").doc(
        "cursor [MATCH pattern] [COUNT count] [TYPE type]",
        "Iterates over the key names in the database.",
        "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return \
         back to 0. N is the number of elements inside the collection.",
    ),
    row("TOUCH", -2, &[Read, Fast], Keys::REST, Run::Keys(touch)).of(Group::Generic, "3.2.1").doc(
        "key [key ...]",
        "Returns the number of existing keys out of those specified after updating the time they were last accessed.",
        "O(N) where N is the number of keys that will be touched.",
    ),
    row("TTL", 2, &[Read, Fast], Keys::FIRST, Run::Key(expire::ttl)).of(Group::Generic, "1.0.0").doc(
        "key",
        "Returns the expiration time in seconds of a key.",
        "O(1)",
    ),
    row("TYPE", 2, &[Read, Fast], Keys::FIRST, Run::Key(r#type)).of(Group::Generic, "1.0.0").doc(
        "key",
        "Determines the type of value stored at a key.",
        "O(1)",
    ),
    row("UNLINK", -2, &[Write, Fast], Keys::REST, Run::Keys(del)).of(Group::Generic, "4.0.0").doc(
        "key [key ...]",
        "Asynchronously deletes one or more keys.",
        "O(1) for each key removed regardless of its size. Then the command does O(N) work in a different thread in \
         order to reclaim memory, where N is the number of allocations the deleted objects where composed of.",
    ),
];

/// Replies with how many of the keys meet `test`; one that is named twice counts twice where it still does.
fn count(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
    test: fn(&mut Keyspace<'_>, Key<'_>) -> bool,
) -> Result<(), CommandError> {
    let mut met = 0;
    for name in args.rest() {
        let (mut keys, key) = entered.at(name);
        met += i64::from(test(&mut keys, key));
    }
    out.int(met);
    Ok(())
}

/// Replies with the number of keys removed. Large values are freed in the background, by `DEL` as by `UNLINK`.
///
/// Reference: <https://valkey.io/commands/del/>, <https://valkey.io/commands/unlink/>
fn del(entered: &mut Entered<'_>, args: &mut Args<'_>, out: &mut dyn Sink) -> Result<(), CommandError> {
    count(entered, args, out, |keys, key| keys.delete(key))
}

/// Replies with the number of keys that exist. Reference: <https://valkey.io/commands/exists/>
fn exists(entered: &mut Entered<'_>, args: &mut Args<'_>, out: &mut dyn Sink) -> Result<(), CommandError> {
    count(entered, args, out, |keys, key| keys.seen(key).is_some())
}

/// Replies with the number of keys that exist, and makes them recently used.
///
/// Reference: <https://valkey.io/commands/touch/>
fn touch(entered: &mut Entered<'_>, args: &mut Args<'_>, out: &mut dyn Sink) -> Result<(), CommandError> {
    count(entered, args, out, |keys, key| keys.touch(key))
}

/// Replies with the type's name, `none` without the key. Reference: <https://valkey.io/commands/type/>
fn r#type(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.simple(keys.seen(key).map_or("none", |seen| seen.kind.name()));
    Ok(())
}

//! String commands: the rows, and the commands that read, write or remove whole strings.
//!
//! What changes part of a string stands in `range.rs`, what counts in `counter.rs`, `SET` with its options and `GETEX`
//! in `set.rs`, the comparison of two strings in `lcs.rs`. The bodies are the keyspace's and `value`'s.

mod counter;
mod lcs;
mod range;
mod set;

use super::args::Args;
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use crate::engine::Entered;
use crate::reply::Sink;
use crate::shard::{Condition, Expires, Key, Keyspace, Str};

/// Keys and values in turn behind the name.
const PAIRS: Keys = Keys::Range { first: 1, last: -1, step: 2 };

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    row("APPEND", 3, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(range::append))
        .of(Group::String, "2.0.0")
        .doc(
            "key value",
            "Appends a string to the value of a key. Creates the key if it doesn't exist.",
            "O(1). The amortized time complexity is O(1) assuming the appended value is small and the already \
             present value is of any size, since the dynamic string library used by Redis will double the free \
             space available on every reallocation.",
        ),
    row("DECR", 2, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(counter::decr))
        .of(Group::String, "1.0.0")
        .doc(
            "key",
            "Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
            "O(1)",
        ),
    row("DECRBY", 3, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(counter::decrby))
        .of(Group::String, "1.0.0")
        .doc(
            "key decrement",
            "Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn't \
             exist.",
            "O(1)",
        ),
    row("GET", 2, &[Read, Fast], Keys::FIRST, Run::Key(get)).of(Group::String, "1.0.0").doc(
        "key",
        "Returns the string value of a key.",
        "O(1)",
    ),
    row("DELIFEQ", 3, &[Write, Fast], Keys::FIRST, Run::Key(delifeq)).of(Group::String, "9.0.0").doc(
        "key value",
        "Deletes key if value matches string.",
        "O(1)",
    ),
    row("GETDEL", 2, &[Write, Fast], Keys::FIRST, Run::Key(getdel)).of(Group::String, "6.2.0").doc(
        "key",
        "Returns the string value of a key after deleting the key.",
        "O(1)",
    ),
    row("GETEX", -2, &[Write, Fast], Keys::FIRST, Run::Key(set::getex)).of(Group::String, "6.2.0").doc(
        "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]",
        "Returns the string value of a key after setting its expiration time.",
        "O(1)",
    ),
    row("GETRANGE", 4, &[Read], Keys::FIRST, Run::Key(range::getrange)).of(Group::String, "2.4.0").doc(
        "key start end",
        "Returns a substring of the string stored at a key.",
        SUBSTRING_COMPLEXITY,
    ),
    row("GETSET", 3, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(getset)).of(Group::String, "1.0.0").doc(
        "key value",
        "Returns the previous string value of a key after setting it to a new value.",
        "O(1)",
    ),
    row("INCR", 2, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(counter::incr))
        .of(Group::String, "1.0.0")
        .doc(
            "key",
            "Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
            "O(1)",
        ),
    row("INCRBY", 3, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(counter::incrby))
        .of(Group::String, "1.0.0")
        .doc(
            "key increment",
            "Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn't \
             exist.",
            "O(1)",
        ),
    row("INCRBYFLOAT", 3, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(counter::incrbyfloat))
        .of(Group::String, "2.6.0")
        .doc(
            "key increment",
            "Increments the floating point value of a key by a number. Uses 0 as initial value if the key \
             doesn't exist.",
            "O(1)",
        ),
    row("LCS", -3, &[Read], Keys::PAIR, Run::Keys(lcs::lcs)).of(Group::String, "7.0.0").doc(
        "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
        "Finds the longest common substring.",
        "O(N*M) where N and M are the lengths of s1 and s2, respectively",
    ),
    row("MGET", -2, &[Read, Fast], Keys::REST, Run::Keys(mget)).of(Group::String, "1.0.0").doc(
        "key [key ...]",
        "Atomically returns the string values of one or more keys.",
        "O(N) where N is the number of keys to retrieve.",
    ),
    row("MSET", -3, &[Write, DenyOom], PAIRS, Run::Keys(mset)).of(Group::String, "1.0.1").doc(
        "key value [key value ...]",
        "Atomically creates or modifies the string values of one or more keys.",
        "O(N) where N is the number of keys to set.",
    ),
    row("MSETEX", -4, &[Write, DenyOom, MovableKeys], Keys::CountedPairs(1), Run::Keys(set::msetex))
        .of(Group::String, "9.1.0")
        .doc(
            "numkeys key value [key value ...] [NX | XX] [EX seconds | PX milliseconds | \
             EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
            "Set the string values of one or more keys with expiration and conditional options.",
            "O(N) where N is the number of keys to set.",
        ),
    row("MSETNX", -3, &[Write, DenyOom], PAIRS, Run::Keys(msetnx)).of(Group::String, "1.0.1").doc(
        "key value [key value ...]",
        "Atomically modifies the string values of one or more keys only when all keys don't exist.",
        "O(N) where N is the number of keys to set.",
    ),
    row("PSETEX", 4, &[Write, DenyOom], Keys::FIRST, Run::Key(set::psetex)).of(Group::String, "2.6.0").doc(
        "key milliseconds value",
        "Sets both string value and expiration time in milliseconds of a key. The key is created if it doesn't \
         exist.",
        "O(1)",
    ),
    row("SET", -3, &[Write, DenyOom], Keys::FIRST, Run::Key(set::set)).of(Group::String, "1.0.0").doc(
        "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | \
         PXAT unix-time-milliseconds | KEEPTTL]",
        "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.",
        "O(1)",
    ),
    row("SETEX", 4, &[Write, DenyOom], Keys::FIRST, Run::Key(set::setex)).of(Group::String, "2.0.0").doc(
        "key seconds value",
        "Sets the string value and expiration time of a key. Creates the key if it doesn't exist.",
        "O(1)",
    ),
    row("SETNX", 3, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(setnx)).of(Group::String, "1.0.0").doc(
        "key value",
        "Set the string value of a key only when the key doesn't exist.",
        "O(1)",
    ),
    row("SETRANGE", 4, &[Write, DenyOom], Keys::FIRST, Run::Key(range::setrange))
        .of(Group::String, "2.2.0")
        .doc(
            "key offset value",
            "Overwrites a part of a string value with another by an offset. Creates the key if it doesn't exist.",
            "O(1), not counting the time taken to copy the new string in place. Usually, this string is very \
             small so the amortized complexity is O(1). Otherwise, complexity is O(M) with M being the length of \
             the value argument.",
        ),
    row("STRLEN", 2, &[Read, Fast], Keys::FIRST, Run::Key(strlen)).of(Group::String, "2.2.0").doc(
        "key",
        "Returns the length of a string value.",
        "O(1)",
    ),
    row("SUBSTR", 4, &[Read], Keys::FIRST, Run::Key(range::getrange)).of(Group::String, "1.0.0").doc(
        "key start end",
        "Returns a substring from a string value.",
        SUBSTRING_COMPLEXITY,
    ),
];

const SUBSTRING_COMPLEXITY: &str = "O(N) where N is the length of the returned string. The complexity is \
    ultimately determined by the returned length, but because creating a substring from an existing string is very \
    cheap, it can be considered O(1) for small strings.";

/// Writes a string as a bulk, sharing a long one.
#[inline]
pub(super) fn write_string(value: Str<'_>, out: &mut dyn Sink) {
    match value {
        Str::Bytes(bytes) => out.bulk(bytes),
        Str::Shared(bytes) => out.bulk_shared(bytes),
        Str::Int(_) => value.with_bytes(|bytes| out.bulk(bytes)),
    }
}

/// Writes a key's string as a bulk, or null without the key. Errors: `WRONGTYPE`.
#[inline]
fn write_old(keys: &mut Keyspace<'_>, key: Key<'_>, out: &mut dyn Sink) -> Result<(), CommandError> {
    match keys.string(key)? {
        Some(value) => write_string(value, out),
        None => out.null(),
    }
    Ok(())
}

/// Replies with the string, or null without the key. Errors: `WRONGTYPE`.
///
/// In process: `Keyspace::string`. Reference: <https://valkey.io/commands/get/>
fn get(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    write_old(keys, key, out)
}

/// Removes the key if it holds this string; replies 1 where it did, else 0. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/delifeq/>
fn delifeq(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let value = args.required()?;
    let is_equal = keys.string(key)?.is_some_and(|string| string.with_bytes(|bytes| bytes == value));
    if is_equal {
        keys.take_string(key, |_| ())?;
    }
    out.int(i64::from(is_equal));
    Ok(())
}

/// Replies with the string and removes the key; null without it. Errors: `WRONGTYPE`.
///
/// In process: `Keyspace::take_string`. Reference: <https://valkey.io/commands/getdel/>
fn getdel(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    if keys.take_string(key, |value| write_string(value, out))?.is_none() {
        out.null();
    }
    Ok(())
}

/// Replies with the string, or null without the key, and sets the key to another one without a deadline.
/// Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/getset/>
fn getset(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let value = args.required()?;
    write_old(keys, key, out)?;
    keys.set_string(key, value, Expires::Clear);
    Ok(())
}

/// Replies with the string's length, 0 without the key. Errors: `WRONGTYPE`.
///
/// In process: `Keyspace::string`. Reference: <https://valkey.io/commands/strlen/>
fn strlen(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let len = keys.string(key)?.map_or(0, |value| value.len());
    out.int(len as i64);
    Ok(())
}

/// Sets a key that does not exist; replies 1 where it did, else 0.
///
/// In process: `Keyspace::set_string_if`. Reference: <https://valkey.io/commands/setnx/>
fn setnx(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let value = args.required()?;
    let set = keys.set_string_if(key, value, Expires::Clear, Condition::Absent);
    out.int(i64::from(set));
    Ok(())
}

/// Replies with each key's string, null where there is none or the key holds something else.
///
/// Reference: <https://valkey.io/commands/mget/>
fn mget(entered: &mut Entered<'_>, args: &mut Args<'_>, out: &mut dyn Sink) -> Result<(), CommandError> {
    let names = args.rest();
    out.array(names.len());
    for name in names {
        let (mut keys, key) = entered.at(name);
        match keys.string(key) {
            Ok(Some(value)) => write_string(value, out),
            Ok(None) | Err(_) => out.null(),
        }
    }
    Ok(())
}

/// Sets every key to the value behind it, the last one winning where a key stands twice.
///
/// Reference: <https://valkey.io/commands/mset/>
fn mset(entered: &mut Entered<'_>, args: &mut Args<'_>, out: &mut dyn Sink) -> Result<(), CommandError> {
    set_pairs(entered, pairs(args, "mset")?);
    out.ok();
    Ok(())
}

/// Sets every key to the value behind it where none of them exists; replies 1 where it did, else 0.
///
/// Reference: <https://valkey.io/commands/msetnx/>
fn msetnx(entered: &mut Entered<'_>, args: &mut Args<'_>, out: &mut dyn Sink) -> Result<(), CommandError> {
    let pairs = pairs(args, "msetnx")?;
    let exists = pairs.iter().any(|&[name, _]| {
        let (mut keys, key) = entered.at(name);
        keys.exists(key)
    });
    if !exists {
        set_pairs(entered, pairs);
    }
    out.int(i64::from(!exists));
    Ok(())
}

/// Takes everything left as keys and values in turn.
fn pairs<'a>(args: &mut Args<'a>, name: &'static str) -> Result<&'a [[&'a [u8]; 2]], CommandError> {
    match args.rest().as_chunks() {
        (pairs, []) => Ok(pairs),
        _ => Err(CommandError::WrongArity(name)),
    }
}

fn set_pairs(entered: &mut Entered<'_>, pairs: &[[&[u8]; 2]]) {
    for [name, value] in pairs {
        let (mut keys, key) = entered.at(name);
        keys.set_string(key, value, Expires::Clear);
    }
}

//! Hash commands: reads and writes of fields here, `count` adds to them, `scan` walks and draws, `expire` deals with
//! their deadlines.
//!
//! Thin translators from arguments to `value::hash`. Where Redis looks at the key before it reads a number, so do these:
//! which of two errors a client sees is part of the protocol.

mod count;
mod expire;
mod lives;
mod scan;

use super::args::Args;
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use crate::reply::Sink;
use crate::shard::{Class, HashRoom, Key, Keyspace};
use crate::value::listpack::Element;

/// The complexity of what works on the fields given.
const EACH_FIELD: &str = "O(N) where N is the number of specified fields.";

/// The complexity of what returns a whole hash.
const WHOLE: &str = "O(N) where N is the size of the hash.";

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    row("HSET", -4, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(hset)).of(Group::Hash, "2.0.0").doc(
        "key field value [field value ...]",
        "Creates or modifies the value of a field in a hash.",
        "O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is called with \
         multiple field/value pairs.",
    ),
    row("HSETNX", 4, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(hsetnx)).of(Group::Hash, "2.0.0").doc(
        "key field value",
        "Sets the value of a field in a hash only when the field doesn't exist.",
        "O(1)",
    ),
    row("HMSET", -4, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(hmset)).of(Group::Hash, "2.0.0").doc(
        "key field value [field value ...]",
        "Sets the values of multiple fields.",
        "O(N) where N is the number of fields being set.",
    ),
    row("HGET", 3, &[Read, Fast], Keys::FIRST, Run::Key(hget)).of(Group::Hash, "2.0.0").doc(
        "key field",
        "Returns the value of a field in a hash.",
        "O(1)",
    ),
    row("HMGET", -3, &[Read, Fast], Keys::FIRST, Run::Key(hmget)).of(Group::Hash, "2.0.0").doc(
        "key field [field ...]",
        "Returns the values of all fields in a hash.",
        "O(N) where N is the number of fields being requested.",
    ),
    row("HGETALL", 2, &[Read], Keys::FIRST, Run::Key(hgetall)).of(Group::Hash, "2.0.0").doc(
        "key",
        "Returns all fields and values in a hash.",
        WHOLE,
    ),
    row("HKEYS", 2, &[Read], Keys::FIRST, Run::Key(hkeys)).of(Group::Hash, "2.0.0").doc(
        "key",
        "Returns all fields in a hash.",
        WHOLE,
    ),
    row("HVALS", 2, &[Read], Keys::FIRST, Run::Key(hvals)).of(Group::Hash, "2.0.0").doc(
        "key",
        "Returns all values in a hash.",
        WHOLE,
    ),
    row("HLEN", 2, &[Read, Fast], Keys::FIRST, Run::Key(hlen)).of(Group::Hash, "2.0.0").doc(
        "key",
        "Returns the number of fields in a hash.",
        "O(1)",
    ),
    row("HSTRLEN", 3, &[Read, Fast], Keys::FIRST, Run::Key(hstrlen)).of(Group::Hash, "3.2.0").doc(
        "key field",
        "Returns the length of the value of a field.",
        "O(1)",
    ),
    row("HEXISTS", 3, &[Read, Fast], Keys::FIRST, Run::Key(hexists)).of(Group::Hash, "2.0.0").doc(
        "key field",
        "Determines whether a field exists in a hash.",
        "O(1)",
    ),
    row("HDEL", -3, &[Write, Fast], Keys::FIRST, Run::Key(hdel)).of(Group::Hash, "2.0.0").doc(
        "key field [field ...]",
        "Deletes one or more fields and their values from a hash. Deletes the hash if no fields remain.",
        "O(N) where N is the number of fields to be removed.",
    ),
    row("HINCRBY", 4, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(count::hincrby))
        .of(Group::Hash, "2.0.0")
        .doc(
            "key field increment",
            "Increments the integer value of a field in a hash by a number. Uses 0 as initial value if the field \
             doesn't exist.",
            "O(1)",
        ),
    row("HINCRBYFLOAT", 4, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(count::hincrbyfloat))
        .of(Group::Hash, "2.6.0")
        .doc(
            "key field increment",
            "Increments the floating point value of a field by a number. Uses 0 as initial value if the field \
             doesn't exist.",
            "O(1)",
        ),
    row("HRANDFIELD", -2, &[Read], Keys::FIRST, Run::Key(scan::hrandfield)).of(Group::Hash, "6.2.0").doc(
        "key [count [WITHVALUES]]",
        "Returns one or more random fields from a hash.",
        "O(N) where N is the number of fields returned",
    ),
    row("HSCAN", -3, &[Read], Keys::FIRST, Run::Key(scan::hscan)).of(Group::Hash, "2.8.0").doc(
        "key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
        "Iterates over fields and values of a hash.",
        "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return \
         back to 0. N is the number of elements inside the collection.",
    ),
    row("HEXPIRE", -6, &[Write, Fast], Keys::FIRST, Run::Key(expire::hexpire)).of(Group::Hash, "9.0.0").doc(
        "key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
        "Sets expiry time on hash fields.",
        EACH_FIELD,
    ),
    row("HPEXPIRE", -6, &[Write, Fast], Keys::FIRST, Run::Key(expire::hpexpire)).of(Group::Hash, "9.0.0").doc(
        "key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
        "Sets expiry time on hash object.",
        EACH_FIELD,
    ),
    row("HEXPIREAT", -6, &[Write, Fast], Keys::FIRST, Run::Key(expire::hexpireat))
        .of(Group::Hash, "9.0.0")
        .doc(
            "key unix-time-seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
            "Sets expiry time on hash fields.",
            EACH_FIELD,
        ),
    row("HPEXPIREAT", -6, &[Write, Fast], Keys::FIRST, Run::Key(expire::hpexpireat))
        .of(Group::Hash, "9.0.0")
        .doc(
            "key unix-time-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]",
            "Sets expiration time on hash field.",
            EACH_FIELD,
        ),
    row("HTTL", -5, &[Read, Fast], Keys::FIRST, Run::Key(expire::httl)).of(Group::Hash, "9.0.0").doc(
        "key FIELDS numfields field [field ...]",
        "Returns the remaining time to live (in seconds) of a hash key's field(s) that have an associated \
         expiration.",
        EACH_FIELD,
    ),
    row("HPTTL", -5, &[Read, Fast], Keys::FIRST, Run::Key(expire::hpttl)).of(Group::Hash, "9.0.0").doc(
        "key FIELDS numfields field [field ...]",
        "Returns the remaining time to live in milliseconds of a hash key's field(s) that have an associated \
         expiration.",
        EACH_FIELD,
    ),
    row("HEXPIRETIME", -5, &[Read, Fast], Keys::FIRST, Run::Key(expire::hexpiretime))
        .of(Group::Hash, "9.0.0")
        .doc(
            "key FIELDS numfields field [field ...]",
            "Returns Unix timestamps in seconds since the epoch at which the given key's field(s) will expire.",
            EACH_FIELD,
        ),
    row("HPEXPIRETIME", -5, &[Read, Fast], Keys::FIRST, Run::Key(expire::hpexpiretime))
        .of(Group::Hash, "9.0.0")
        .doc(
            "key FIELDS numfields field [field ...]",
            "Returns the Unix timestamp in milliseconds since Unix epoch at which the given key's field(s) will \
             expire.",
            EACH_FIELD,
        ),
    row("HPERSIST", -5, &[Write, Fast], Keys::FIRST, Run::Key(expire::hpersist)).of(Group::Hash, "9.0.0").doc(
        "key FIELDS numfields field [field ...]",
        "Remove the existing expiration on a hash key's field(s).",
        EACH_FIELD,
    ),
    row("HGETEX", -5, &[Write, Fast], Keys::FIRST, Run::Key(lives::hgetex)).of(Group::Hash, "9.0.0").doc(
        "key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST] FIELDS \
         numfields field [field ...]",
        "Gets the value of one or more fields of a given hash key, and optionally sets their expiration time or \
         time-to-live (TTL).",
        EACH_FIELD,
    ),
    row("HSETEX", -6, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(lives::hsetex))
        .of(Group::Hash, "9.0.0")
        .doc(
            "key [NX | XX] [FNX | FXX] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT \
             unix-time-milliseconds | KEEPTTL] FIELDS numfields field value [field value ...]",
            "Sets the value of one or more fields of a given hash key, and optionally sets their expiration time.",
            EACH_FIELD,
        ),
    row("HGETDEL", -5, &[Write, Fast], Keys::FIRST, Run::Key(lives::hgetdel)).of(Group::Hash, "9.1.0").doc(
        "key FIELDS numfields field [field ...]",
        "Returns the values of one or more fields and deletes them from a hash.",
        "O(N) where N is the number of fields to be retrieved and deleted.",
    ),
];

/// Writes a field or a value as a bulk, sharing a large one.
fn write_element(element: Element<'_>, out: &mut dyn Sink) {
    match element {
        Element::Bytes(bytes) => out.bulk(bytes),
        Element::Shared(bytes) => out.bulk_shared(bytes),
        Element::Int(_) => element.with_bytes(|bytes| out.bulk(bytes)),
    }
}

/// Writes a value, or null where there is none.
fn write_optional(value: Option<Element<'_>>, out: &mut dyn Sink) {
    match value {
        Some(value) => write_element(value, out),
        None => out.null(),
    }
}

/// Sets the fields that are left in the arguments; how many are new.
fn set(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    command: &'static str,
) -> Result<usize, CommandError> {
    let pairs = args.rest();
    if !pairs.len().is_multiple_of(2) {
        return Err(CommandError::WrongArity(command));
    }
    let added = keys
        .update_hash(key, HashRoom::adding(pairs), |fields| (fields.extend(pairs), pairs.len() as u64 / 2))?;
    keys.notify(Class::Hash, "hset", key);
    Ok(added.unwrap_or(0))
}

/// Replies with the number of fields that are new. Errors: `WRONGTYPE`, a field without a value.
///
/// Reference: <https://valkey.io/commands/hset/>
fn hset(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.int(set(keys, key, args, "hset")? as i64);
    Ok(())
}

/// As [`hset`], and replies `OK`.
///
/// Reference: <https://valkey.io/commands/hmset/>
fn hmset(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    set(keys, key, args, "hmset")?;
    out.ok();
    Ok(())
}

/// Replies 1 where the field was set, 0 where it was there. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/hsetnx/>
fn hsetnx(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (field, value) = (args.required()?, args.required()?);
    out.int(i64::from(keys.set_hash_field_if_absent(key, field, value)?));
    Ok(())
}

/// Replies with the value, or null where there is none. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/hget/>
fn hget(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let field = args.required()?;
    write_optional(keys.hash(key)?.and_then(|hash| hash.get(field)), out);
    Ok(())
}

/// Replies with the values in the order of the fields given, null where there is none. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/hmget/>
fn hmget(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let hash = keys.hash(key)?;
    let fields = args.rest();
    out.array(fields.len());
    for field in fields {
        write_optional(hash.and_then(|hash| hash.get(field)), out);
    }
    Ok(())
}

/// Replies with all fields and values, as a map. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/hgetall/>
fn hgetall(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let Some(hash) = keys.hash(key)? else {
        out.map(0);
        return Ok(());
    };
    out.map(hash.visible_len());
    for (field, value) in hash.iter() {
        write_element(field, out);
        write_element(value, out);
    }
    Ok(())
}

/// Replies with all fields. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/hkeys/>
fn hkeys(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let Some(hash) = keys.hash(key)? else {
        out.array(0);
        return Ok(());
    };
    out.array(hash.visible_len());
    hash.iter().for_each(|(field, _)| write_element(field, out));
    Ok(())
}

/// Replies with all values. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/hvals/>
fn hvals(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let Some(hash) = keys.hash(key)? else {
        out.array(0);
        return Ok(());
    };
    out.array(hash.visible_len());
    hash.iter().for_each(|(_, value)| write_element(value, out));
    Ok(())
}

/// Replies with the number of fields, 0 without the key. Where a great many fields are past their deadline, those that
/// were not removed yet still count, as for Redis. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/hlen/>
fn hlen(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.int(keys.hash(key)?.map_or(0, |hash| hash.len()) as i64);
    Ok(())
}

/// Replies with the length of a value, 0 where there is none. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/hstrlen/>
fn hstrlen(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let field = args.required()?;
    let value = keys.hash(key)?.and_then(|hash| hash.get(field));
    out.int(value.map_or(0, |value| value.len()) as i64);
    Ok(())
}

/// Replies 1 where there is the field, 0 where there is none. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/hexists/>
fn hexists(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let field = args.required()?;
    out.int(i64::from(keys.hash(key)?.is_some_and(|hash| hash.contains(field))));
    Ok(())
}

/// Replies with the number of fields removed. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/hdel/>
fn hdel(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let given = args.rest();
    let removed = keys.update_hash(key, HashRoom::NONE, |fields| {
        let removed = given.iter().filter(|field| fields.remove(field)).count();
        (removed, removed as u64)
    })?;
    let removed = removed.unwrap_or(0);
    if removed > 0 {
        keys.notify(Class::Hash, "hdel", key);
    }
    out.int(removed as i64);
    Ok(())
}

//! `OBJECT`: how a value is kept.

use crate::command::args::Args;
use crate::command::error::CommandError;
use crate::command::table::{Command, Flag::*, Group, Keys, Run, row};
use crate::engine::{Reach, Session};
use crate::reply::Sink;
use crate::shard::{Key, Keyspace};

/// The subcommands' rows.
pub(super) const SUBCOMMANDS: &[Command] = &[
    row("ENCODING", 3, &[Read], Keys::At(2), Run::Key(encoding)).of(Group::Generic, "2.2.3").doc(
        "key",
        "Returns the internal encoding of a Redis object.",
        "O(1)",
    ),
    row("FREQ", 3, &[Read], Keys::At(2), Run::Key(freq)).of(Group::Generic, "4.0.0").doc(
        "key",
        "Returns the logarithmic access frequency counter of a Redis object.",
        "O(1)",
    ),
    row("HELP", 2, &[Loading, Stale], Keys::None, Run::Session(help)).of(Group::Generic, "6.2.0").doc(
        "",
        "Returns helpful text about the different subcommands.",
        "O(1)",
    ),
    row("IDLETIME", 3, &[Read], Keys::At(2), Run::Key(idletime)).of(Group::Generic, "2.2.3").doc(
        "key",
        "Returns the time since the last access to a Redis object.",
        "O(1)",
    ),
    row("REFCOUNT", 3, &[Read], Keys::At(2), Run::Key(refcount)).of(Group::Generic, "2.2.3").doc(
        "key",
        "Returns the reference count of a value of a key.",
        "O(1)",
    ),
];

const NO_LFU: CommandError = CommandError::text(
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching \
     between policies at runtime LRU and LFU data will take some time to adjust.",
);

const LFU: CommandError = CommandError::text(
    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies \
     at runtime LRU and LFU data will take some time to adjust.",
);

const HELP: &[&str] = &[
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
    "HELP",
    "    Prints this help.",
];

/// The name of the value's encoding as Redis would choose it, null without the key.
///
/// Reference: <https://valkey.io/commands/object-encoding/>
fn encoding(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    match keys.seen_unnoticed(key).and_then(|_| keys.encoding(key)) {
        Some(name) => out.bulk(name.as_bytes()),
        None => out.null(),
    }
    Ok(())
}

/// The logarithmic counter of accesses, null without the key. Errors: the policy keeps no frequencies.
///
/// Reference: <https://valkey.io/commands/object-freq/>
fn freq(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    match keys.seen_unnoticed(key) {
        None => out.null(),
        Some(_) => out.int(i64::from(keys.frequency(key).ok_or(NO_LFU)?)),
    }
    Ok(())
}

/// Replies with each line as a status. Reference: <https://valkey.io/commands/object-help/>
fn help(
    _: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.array(HELP.len());
    HELP.iter().for_each(|line| out.simple(line));
    Ok(())
}

/// Seconds since the last access, null without the key.
///
/// Reference: <https://valkey.io/commands/object-idletime/>
fn idletime(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    match keys.seen_unnoticed(key).and_then(|_| keys.idle_seconds(key)) {
        Some(_) if keys.counts_accesses() => return Err(LFU),
        Some(seconds) => out.int(seconds as i64),
        None => out.null(),
    }
    Ok(())
}

/// What Redis would count, null without the key. Reference: <https://valkey.io/commands/object-refcount/>
fn refcount(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    match keys.seen_unnoticed(key).and_then(|_| keys.refcount(key)) {
        Some(count) => out.int(count),
        None => out.null(),
    }
    Ok(())
}

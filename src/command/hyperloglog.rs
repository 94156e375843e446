//! HyperLogLog commands, on strings in the form of `value::hyperloglog`.

use super::args::Args;
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use crate::engine::{Entered, Reach, Session};
use crate::reply::Sink;
use crate::shard::{Class, Key, Keyspace};
use crate::value::hyperloglog::{self as hll, Corrupt, Encoding};

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    row("PFADD", -2, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(pfadd)).of(Group::HyperLogLog, "2.8.9").doc(
        "key [element [element ...]]",
        "Adds elements to a HyperLogLog key. Creates the key if it doesn't exist.",
        "O(1) to add every element.",
    ),
    row("PFCOUNT", -2, &[Read, MayReplicate], Keys::REST, Run::Keys(pfcount)).of(Group::HyperLogLog, "2.8.9").doc(
        "key [key ...]",
        "Returns the approximated cardinality of the set(s) observed by the HyperLogLog key(s).",
        "O(1) with a very small average constant time when called with a single key. O(N) with N being the number of \
         keys, and much bigger constant times, when called with multiple keys.",
    ),
    row("PFDEBUG", 3, &[Write, DenyOom, Admin], Keys::At(2), Run::Key(pfdebug)).of(Group::HyperLogLog, "2.8.9").doc(
        "subcommand key",
        "Internal commands for debugging HyperLogLog values.",
        "N/A",
    ),
    row("PFMERGE", -2, &[Write, DenyOom], Keys::REST, Run::Keys(pfmerge)).of(Group::HyperLogLog, "2.8.9").doc(
        "destkey [sourcekey [sourcekey ...]]",
        "Merges one or more HyperLogLog values into a single key.",
        "O(N) to merge N HyperLogLogs, but with high constant times.",
    ),
    row("PFSELFTEST", 1, &[Admin], Keys::None, Run::Session(pfselftest)).of(Group::HyperLogLog, "2.8.9").doc(
        "",
        "An internal command for testing HyperLogLog values.",
        "N/A",
    ),
];

impl From<Corrupt> for CommandError {
    fn from(_: Corrupt) -> Self {
        CommandError::text("INVALIDOBJ Corrupted HLL object detected")
    }
}

/// # Errors
/// A string that does not look like a HyperLogLog.
fn check(string: &[u8]) -> Result<Encoding, CommandError> {
    Encoding::of(string).ok_or(CommandError::text("WRONGTYPE Key is not a valid HyperLogLog string value."))
}

/// Adds elements, and replies with 1 where that changed anything, the key's making included, or else with 0. Errors:
/// `WRONGTYPE`, `INVALIDOBJ`.
///
/// Reference: <https://valkey.io/commands/pfadd/>
fn pfadd(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.int(i64::from(add(keys, key, args.rest())?));
    Ok(())
}

/// Adds elements; whether that changed anything.
pub(crate) fn add(keys: &mut Keyspace<'_>, key: Key<'_>, elements: &[&[u8]]) -> Result<bool, CommandError> {
    let sparse_bytes_max = keys.shard().settings.hll_sparse_bytes_max;
    let updated = keys.edit_hyperloglog(key, true, |string, is_new| -> Result<_, CommandError> {
        check(string)?;
        let updated = hll::add(string, elements, sparse_bytes_max)? + u64::from(is_new);
        if updated > 0 {
            hll::invalidate(string);
        }
        Ok((updated, updated))
    })?;
    let updated = updated.unwrap_or(0) > 0;
    if updated {
        keys.notify(Class::String, "pfadd", key);
    }
    Ok(updated)
}

/// Replies with the count of one HyperLogLog, or of several as if they were merged. Errors: `WRONGTYPE`, `INVALIDOBJ`.
///
/// Reference: <https://valkey.io/commands/pfcount/>
fn pfcount(entered: &mut Entered<'_>, args: &mut Args<'_>, out: &mut dyn Sink) -> Result<(), CommandError> {
    let count = match *args.rest() {
        [name] => {
            let (mut keys, key) = entered.at(name);
            count(&mut keys, key)?
        }
        ref names => hll::count_of(&merged(entered, names)?.0),
    };
    out.int(count as i64);
    Ok(())
}

/// The count of one HyperLogLog, which is kept in it: that is a change.
pub(crate) fn count(keys: &mut Keyspace<'_>, key: Key<'_>) -> Result<u64, CommandError> {
    /// Redis makes a string of its own of one that it has beside its object.
    const EMBEDDED_BYTES_MAX: usize = 44;
    let Some(string) = keys.string(key)? else { return Ok(0) };
    let (cached, len) =
        string.with_bytes(|string| check(string).map(|_| (hll::cached(string), string.len())))?;
    if let Some(count) = cached.filter(|_| len > EMBEDDED_BYTES_MAX) {
        return Ok(count);
    }
    let count = keys.edit_hyperloglog(key, false, |string, _| -> Result<_, CommandError> {
        if let Some(count) = cached {
            return Ok((count, 0));
        }
        let count = hll::count(string)?;
        hll::cache(string, count);
        Ok((count, 1))
    })?;
    Ok(count.unwrap_or(0))
}

/// The registers of several HyperLogLogs as one, and whether one of them is dense. Missing ones count as empty.
fn merged(entered: &mut Entered<'_>, names: &[&[u8]]) -> Result<(Vec<u8>, bool), CommandError> {
    let mut registers = vec![0; hll::REGISTERS];
    let mut is_dense = false;
    for name in names {
        let (mut keys, key) = entered.at(name);
        let Some(string) = keys.string(key)? else { continue };
        string.with_bytes(|string| -> Result<(), CommandError> {
            is_dense |= check(string)? == Encoding::Dense;
            Ok(hll::merge(string, &mut registers)?)
        })?;
    }
    Ok((registers, is_dense))
}

/// Merges HyperLogLogs into the first one, which is made where it is missing. Errors: `WRONGTYPE`, `INVALIDOBJ`.
///
/// Reference: <https://valkey.io/commands/pfmerge/>
fn pfmerge(entered: &mut Entered<'_>, args: &mut Args<'_>, out: &mut dyn Sink) -> Result<(), CommandError> {
    let names = args.rest();
    let Some(destination) = names.first() else { return Err(CommandError::Syntax) };
    let (registers, is_dense) = merged(entered, names)?;
    let (mut keys, key) = entered.at(destination);
    let sparse_bytes_max = keys.shard().settings.hll_sparse_bytes_max;
    keys.edit_hyperloglog(key, true, |string, _| -> Result<_, CommandError> {
        if is_dense {
            hll::make_dense(string)?;
        }
        hll::raise(string, &registers, sparse_bytes_max);
        hll::invalidate(string);
        Ok(((), 1))
    })?;
    keys.notify(Class::String, "pfadd", key);
    out.ok();
    Ok(())
}

/// Shows or changes how a HyperLogLog is written. Errors: a missing key, `WRONGTYPE`, `INVALIDOBJ`, an unknown subcommand.
///
/// Reference: <https://valkey.io/commands/pfdebug/>
fn pfdebug(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let subcommand = args.argv().get(1).copied().unwrap_or_default();
    let is = |name: &str| subcommand.eq_ignore_ascii_case(name.as_bytes());
    let done = keys.edit_hyperloglog(key, false, |string, _| {
        let encoding = check(string)?;
        let mut changes = 0;
        if is("GETREG") {
            changes = u64::from(hll::make_dense(string)?);
            let registers = hll::registers(string)?;
            out.array(registers.len());
            registers.iter().for_each(|&register| out.int(i64::from(register)));
        } else if is("DECODE") {
            if encoding != Encoding::Sparse {
                return Err(CommandError::text("ERR HLL encoding is not sparse"));
            }
            out.bulk(hll::describe(string).as_bytes());
        } else if is("ENCODING") {
            out.simple(encoding.name());
        } else if is("TODENSE") {
            changes = u64::from(hll::make_dense(string)?);
            out.int(changes as i64);
        } else {
            // Redis prints a C string.
            let name = subcommand.split(|&byte| byte == 0).next().unwrap_or_default();
            let name = String::from_utf8_lossy(name);
            return Err(format!("ERR Unknown PFDEBUG subcommand '{name}'").into());
        }
        Ok(((), changes))
    })?;
    done.ok_or(CommandError::text("ERR The specified key does not exist"))
}

/// Adds elements to HyperLogLogs of both encodings, and looks whether they agree with each other and with the number of
/// elements. Errors: they do not.
///
/// Reference: <https://valkey.io/commands/pfselftest/>
fn pfselftest(
    _: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    const ELEMENTS: u64 = 100_000;
    let (mut sparse, mut dense) = (hll::empty(), hll::empty());
    hll::make_dense(&mut dense)?;
    for number in 1..=ELEMENTS {
        let element = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes();
        if hll::add(&mut sparse, &[element], 3000)? != hll::add(&mut dense, &[element], 3000)? {
            return Err(CommandError::text("TESTFAILED the encodings disagree"));
        }
        if number % 1000 == 0 || number < 100 {
            let count = hll::count(&dense)?;
            // Six times the standard error, and one more for small numbers.
            if count.abs_diff(number) > number / 20 + 1 || hll::count(&sparse)? != count {
                return Err(format!("TESTFAILED {count} counted of {number}").into());
            }
        }
    }
    out.ok();
    Ok(())
}

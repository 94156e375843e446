//! Deadlines: to set, to take away and to tell them.

use crate::command::args::{Args, parse_int};
use crate::command::error::CommandError;
use crate::reply::Sink;
use crate::shard::{Expires, Key, Keyspace};

/// How a command states a deadline.
#[derive(Clone, Copy)]
struct Unit {
    /// The command's name, for its error.
    command: &'static str,
    /// Milliseconds in what the argument counts.
    ms: i64,
    /// Whether it counts from now on, and not from 1970.
    relative: bool,
}

const NX_WITH_OTHERS: CommandError =
    CommandError::text("ERR NX and XX, GT or LT options at the same time are not compatible");
const GT_WITH_LT: CommandError =
    CommandError::text("ERR GT and LT options at the same time are not compatible");

/// When a new deadline is taken; all that are set must hold.
#[derive(Clone, Copy, Default)]
pub(in crate::command) struct Conditions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
}

impl Conditions {
    /// Reads the options that name them.
    ///
    /// # Errors
    /// An unknown option, options that exclude each other.
    pub(in crate::command) fn parse(options: &[&[u8]]) -> Result<Conditions, CommandError> {
        let mut given = Conditions::default();
        for option in options {
            let named = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
            let condition = if named("NX") {
                &mut given.nx
            } else if named("XX") {
                &mut given.xx
            } else if named("GT") {
                &mut given.gt
            } else if named("LT") {
                &mut given.lt
            } else {
                // Redis prints it as a C string.
                let text = option.split(|&byte| byte == 0).next().unwrap_or_default();
                return Err(format!("ERR Unsupported option {}", String::from_utf8_lossy(text)).into());
            };
            *condition = true;
        }
        if given.nx && (given.xx || given.gt || given.lt) {
            return Err(NX_WITH_OTHERS);
        }
        if given.gt && given.lt {
            return Err(GT_WITH_LT);
        }
        Ok(given)
    }

    /// Whether `new` is taken where the key has the deadline `old`. None at all is the latest one.
    pub(in crate::command) fn hold(self, old: Option<u64>, new: i64) -> bool {
        let old = old.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
        match old {
            None => !self.xx && !self.gt,
            Some(old) => !self.nx && (!self.gt || new > old) && (!self.lt || new < old),
        }
    }
}

/// Replies 1 where the deadline was set (or had passed, and the key is gone), 0 without the key or where a condition
/// does not hold. Errors: an invalid expire time, an unknown option, options that exclude each other.
fn set(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
    unit: Unit,
) -> Result<(), CommandError> {
    let given = args.required()?;
    // The options come first: of two mistakes Redis names theirs.
    let conditions = Conditions::parse(args.rest())?;
    let given = parse_int(given).ok_or(CommandError::NotAnInteger)?;
    let base_ms = if unit.relative { i64::try_from(keys.now_ms()).unwrap_or(i64::MAX) } else { 0 };
    let deadline = given
        .checked_mul(unit.ms)
        .and_then(|ms| ms.checked_add(base_ms))
        .ok_or(CommandError::InvalidExpire(unit.command))?;
    let changed = keys.update_expires(key, |old| {
        if conditions.hold(old, deadline) {
            // What lies before 1970 has passed, too.
            Expires::At(u64::try_from(deadline).unwrap_or(0))
        } else {
            Expires::Keep
        }
    });
    out.int(i64::from(changed));
    Ok(())
}

/// A deadline in seconds from now. Reference: <https://valkey.io/commands/expire/>
pub(super) fn expire(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    set(keys, key, args, out, Unit { command: "expire", ms: 1000, relative: true })
}

/// A deadline in milliseconds from now. Reference: <https://valkey.io/commands/pexpire/>
pub(super) fn pexpire(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    set(keys, key, args, out, Unit { command: "pexpire", ms: 1, relative: true })
}

/// A deadline in Unix seconds. Reference: <https://valkey.io/commands/expireat/>
pub(super) fn expireat(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    set(keys, key, args, out, Unit { command: "expireat", ms: 1000, relative: false })
}

/// A deadline in Unix milliseconds. Reference: <https://valkey.io/commands/pexpireat/>
pub(super) fn pexpireat(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    set(keys, key, args, out, Unit { command: "pexpireat", ms: 1, relative: false })
}

/// Replies 1 where a deadline was taken away. Reference: <https://valkey.io/commands/persist/>
pub(super) fn persist(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let had = keys.update_expires(key, |old| if old.is_some() { Expires::Clear } else { Expires::Keep });
    out.int(i64::from(had));
    Ok(())
}

/// Replies with what `show` makes of the deadline and the time; -2 without the key, -1 without a deadline.
fn tell(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    out: &mut dyn Sink,
    show: fn(u64, u64) -> u64,
) -> Result<(), CommandError> {
    let now_ms = keys.now_ms();
    out.int(match keys.seen(key).map(|seen| seen.expires_at_ms) {
        None => -2,
        Some(None) => -1,
        Some(Some(deadline)) => i64::try_from(show(deadline, now_ms)).unwrap_or(i64::MAX),
    });
    Ok(())
}

/// Half a second up is the next one.
fn seconds(ms: u64) -> u64 {
    ms.saturating_add(500) / 1000
}

/// Seconds left. Reference: <https://valkey.io/commands/ttl/>
pub(super) fn ttl(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    tell(keys, key, out, |deadline, now_ms| seconds(deadline.saturating_sub(now_ms)))
}

/// Milliseconds left. Reference: <https://valkey.io/commands/pttl/>
pub(super) fn pttl(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    tell(keys, key, out, u64::saturating_sub)
}

/// The deadline in Unix seconds. Reference: <https://valkey.io/commands/expiretime/>
pub(super) fn expiretime(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    tell(keys, key, out, |deadline, _| seconds(deadline))
}

/// The deadline in Unix milliseconds. Reference: <https://valkey.io/commands/pexpiretime/>
pub(super) fn pexpiretime(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    tell(keys, key, out, |deadline, _| deadline)
}

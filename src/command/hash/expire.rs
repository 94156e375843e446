//! Deadlines of fields: to set, to take away and to tell them.
//!
//! Valkey 9 is the model, whose replies are Redis 7.4's; a hash with deadlines is called a `hashtable`, as there (Redis
//! 7.4 has a name of its own for small ones, `listpackex`).

use crate::command::args::{Args, parse_int};
use crate::command::error::CommandError;
use crate::command::keys::expire::Conditions;
use crate::reply::Sink;
use crate::shard::{Class, HashFields, HashRoom, Key, Keyspace};

/// How a command states a deadline.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    /// The command's name, for its error.
    pub command: &'static str,
    /// Milliseconds in what the argument counts.
    pub ms: i64,
    /// Whether it counts from now on, and not from 1970.
    pub relative: bool,
}

impl Unit {
    /// The deadline in Unix ms that an argument states.
    ///
    /// # Errors
    /// No integer, a negative one, or one beyond what 64 bits hold.
    pub(super) fn deadline(self, given: &[u8], keys: &mut Keyspace<'_>) -> Result<u64, CommandError> {
        let given = parse_int(given).ok_or(CommandError::NotAnInteger)?;
        let base_ms = if self.relative { i64::try_from(keys.now_ms()).unwrap_or(i64::MAX) } else { 0 };
        let deadline = given.checked_mul(self.ms).and_then(|ms| ms.checked_add(base_ms));
        match deadline.map(u64::try_from) {
            Some(Ok(deadline)) if given >= 0 => Ok(deadline),
            _ => Err(CommandError::InvalidExpire(self.command)),
        }
    }
}

/// `numfields` is not the number of fields.
pub(super) const WRONG_COUNT: CommandError =
    CommandError::text("ERR numfields should be greater than 0 and match the provided number of fields");

/// Reads `FIELDS numfields` and takes what follows, `each` arguments a field.
///
/// # Errors
/// Syntax, a number that is no integer, and `wrong_count` where it is not the number of fields.
pub(super) fn parse_fields<'a>(
    args: &mut Args<'a>,
    each: usize,
    wrong_count: CommandError,
) -> Result<&'a [&'a [u8]], CommandError> {
    if !args.eat("FIELDS") {
        return Err(CommandError::Syntax);
    }
    let count = args.int()?;
    let given = args.rest();
    let fits = usize::try_from(count).ok().and_then(|count| count.checked_mul(each)) == Some(given.len());
    if count > 0 && fits { Ok(given) } else { Err(wrong_count) }
}

/// Takes the arguments up to the word `FIELDS`, which is not the last one.
///
/// # Errors
/// Where there is none, Valkey misses the number.
pub(super) fn parse_options<'a>(args: &mut Args<'a>) -> Result<&'a [&'a [u8]], CommandError> {
    let behind = args.argv().get(args.argv().len() - args.left()..).unwrap_or_default();
    let (_, but_last) = behind.split_last().ok_or(WRONG_COUNT)?;
    let at = but_last.iter().position(|arg| arg.eq_ignore_ascii_case(b"FIELDS")).ok_or(WRONG_COUNT)?;
    args.take(at)
}

/// Replies for each field 1 where its deadline was set, 2 where that had passed and the field is gone, 0 where a
/// condition does not hold, -2 without the field. Errors: options, their number, an invalid expire time, `WRONGTYPE`.
fn set(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
    unit: Unit,
) -> Result<(), CommandError> {
    let given = args.required()?;
    let conditions = Conditions::parse(parse_options(args)?)?;
    let named = parse_fields(args, 1, WRONG_COUNT)?;
    let deadline = unit.deadline(given, keys)?;
    let passed = deadline <= keys.now_ms();
    let as_signed = i64::try_from(deadline).unwrap_or(i64::MAX);
    let takes = |old: Option<Option<u64>>| old.is_some_and(|old| conditions.hold(old, as_signed));
    let hash = keys.peek_hash(key)?;
    // A hash without deadlines takes another form for the first of them.
    let deadlines =
        !passed && hash.is_some_and(|hash| named.iter().any(|field| takes(hash.expires_at_ms(field))));
    out.array(named.len());
    let mut change = |fields: &mut HashFields<'_, '_>| {
        let mut changed = 0;
        for field in named {
            let old = fields.view().expires_at_ms(field);
            let reply = if old.is_none() {
                -2
            } else if !takes(old) {
                0
            } else if passed {
                fields.remove(field);
                2
            } else {
                fields.set_deadline(field, Some(deadline));
                1
            };
            changed += u64::from(reply > 0);
            out.int(reply);
        }
        (changed, changed)
    };
    let updated = keys.update_hash(key, HashRoom { deadlines, ..HashRoom::NONE }, &mut change)?;
    match updated {
        None => named.iter().for_each(|_| out.int(-2)),
        Some(0) => {}
        Some(_) => keys.notify(Class::Hash, if passed { "hexpired" } else { "hexpire" }, key),
    }
    Ok(())
}

/// Deadlines in seconds from now. Reference: <https://valkey.io/commands/hexpire/>
pub(super) fn hexpire(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    set(keys, key, args, out, Unit { command: "hexpire", ms: 1000, relative: true })
}

/// Deadlines in milliseconds from now. Reference: <https://valkey.io/commands/hpexpire/>
pub(super) fn hpexpire(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    set(keys, key, args, out, Unit { command: "hpexpire", ms: 1, relative: true })
}

/// Deadlines in Unix seconds. Reference: <https://valkey.io/commands/hexpireat/>
pub(super) fn hexpireat(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    set(keys, key, args, out, Unit { command: "hexpireat", ms: 1000, relative: false })
}

/// Deadlines in Unix milliseconds. Reference: <https://valkey.io/commands/hpexpireat/>
pub(super) fn hpexpireat(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    set(keys, key, args, out, Unit { command: "hpexpireat", ms: 1, relative: false })
}

/// Replies for each field 1 where a deadline was taken away, -1 where there was none, -2 without the field.
/// Errors: syntax, the number of fields, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/hpersist/>
pub(super) fn hpersist(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let named = parse_fields(args, 1, WRONG_COUNT)?;
    out.array(named.len());
    let updated = keys.update_hash(key, HashRoom::NONE, |fields| {
        let mut changed = 0;
        for field in named {
            out.int(match fields.view().expires_at_ms(field) {
                None => -2,
                Some(None) => -1,
                Some(Some(_)) => {
                    fields.set_deadline(field, None);
                    changed += 1;
                    1
                }
            });
        }
        (changed, changed)
    })?;
    match updated {
        None => named.iter().for_each(|_| out.int(-2)),
        Some(0) => {}
        Some(_) => keys.notify(Class::Hash, "hpersist", key),
    }
    Ok(())
}

/// Replies for each field with what `show` makes of its deadline and the time; -1 without a deadline, -2 without the
/// field. Errors: syntax, `WRONGTYPE`.
fn tell(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
    show: fn(u64, u64) -> u64,
) -> Result<(), CommandError> {
    let named = parse_fields(args, 1, CommandError::Syntax)?;
    let now_ms = keys.now_ms();
    let hash = keys.hash(key)?;
    out.array(named.len());
    for field in named {
        out.int(match hash.and_then(|hash| hash.expires_at_ms(field)) {
            None => -2,
            Some(None) => -1,
            Some(Some(deadline)) => i64::try_from(show(deadline, now_ms)).unwrap_or(i64::MAX),
        });
    }
    Ok(())
}

/// Half a second up is the next one.
fn seconds(ms: u64) -> u64 {
    ms.saturating_add(500) / 1000
}

/// Seconds left. Reference: <https://valkey.io/commands/httl/>
pub(super) fn httl(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    tell(keys, key, args, out, |deadline, now_ms| seconds(deadline.saturating_sub(now_ms)))
}

/// Milliseconds left. Reference: <https://valkey.io/commands/hpttl/>
pub(super) fn hpttl(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    tell(keys, key, args, out, u64::saturating_sub)
}

/// Deadlines in Unix seconds. Reference: <https://valkey.io/commands/hexpiretime/>
pub(super) fn hexpiretime(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    tell(keys, key, args, out, |deadline, _| seconds(deadline))
}

/// Deadlines in Unix milliseconds. Reference: <https://valkey.io/commands/hpexpiretime/>
pub(super) fn hpexpiretime(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    tell(keys, key, args, out, |deadline, _| deadline)
}

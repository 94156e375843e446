//! `SET` with its options, and the commands that give a string a deadline.

use super::super::args::{Args, parse_int};
use super::super::error::CommandError;
use super::{write_old, write_string};
use crate::engine::Entered;
use crate::reply::Sink;
use crate::shard::{Condition, Expires, Key, Keyspace};

/// Sets a key to a string, whatever it held; replies OK, or null where `NX` or `XX` forbade it. With `GET` the reply
/// is the old string. Errors: syntax, an invalid deadline, and with `GET` `WRONGTYPE`.
///
/// In process: `Keyspace::set_string_if`. Reference: <https://valkey.io/commands/set/>
pub(super) fn set(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let value = args.required()?;
    if args.left() == 0 {
        keys.set_string(key, value, Expires::Clear);
        out.ok();
        return Ok(());
    }
    let options = Options::parse(args, For::Set)?;
    let expires = options.expires(keys.now_ms(), "set")?;
    if options.get {
        write_old(keys, key, out)?;
    }
    let set = keys.set_string_if(key, value, expires, options.condition);
    match (options.get, set) {
        (true, _) => {}
        (false, true) => out.ok(),
        (false, false) => out.null(),
    }
    Ok(())
}

/// Sets a key to a string with a deadline in seconds. Errors: an invalid deadline.
///
/// Reference: <https://valkey.io/commands/setex/>
pub(super) fn setex(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    set_within(keys, key, args, out, Unit::Seconds, "setex")
}

/// Sets a key to a string with a deadline in milliseconds. Errors: an invalid deadline.
///
/// Reference: <https://valkey.io/commands/psetex/>
pub(super) fn psetex(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    set_within(keys, key, args, out, Unit::Milliseconds, "psetex")
}

/// Sets so many keys to the strings behind them, where `NX` or `XX` allow it for all; replies 1 where it did, else 0.
/// Errors: a count that is none, syntax, an invalid deadline.
///
/// Reference: <https://valkey.io/commands/msetex/>
pub(super) fn msetex(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let count = parse_int(args.required()?).filter(|count| (1..=i64::from(i32::MAX)).contains(count));
    let count = count.and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or(CommandError::text("ERR invalid numkeys value or out of range"))?;
    let pairs = args.take(count.saturating_mul(2)).map_err(|_| CommandError::Syntax)?;
    let pairs = pairs.as_chunks::<2>().0;
    let options = Options::parse(args, For::Many)?;
    let expires = options.expires(entered.now_ms(), "msetex")?;
    let mut exist = pairs.iter().map(|&[name, _]| {
        let (mut keys, key) = entered.at(name);
        keys.exists(key)
    });
    let allowed = match options.condition {
        Condition::Always => true,
        Condition::Absent => !exist.any(|exists| exists),
        Condition::Present => exist.all(|exists| exists),
    };
    if allowed {
        for [name, value] in pairs {
            let (mut keys, key) = entered.at(name);
            keys.set_string(key, value, expires);
        }
    }
    out.int(i64::from(allowed));
    Ok(())
}

fn set_within(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
    unit: Unit,
    name: &'static str,
) -> Result<(), CommandError> {
    let deadline = Deadline { number: args.required()?, unit, relative: true };
    let value = args.required()?;
    let deadline_ms = deadline.at_ms(keys.now_ms(), name)?;
    keys.set_string(key, value, Expires::At(deadline_ms));
    out.ok();
    Ok(())
}

/// Replies with the string, or null without the key, and sets or takes away the key's deadline where asked to; a
/// deadline that has come removes the key. Errors: syntax, `WRONGTYPE`, and an invalid deadline of a string.
///
/// In process: `Keyspace::string_and_expire`. Reference: <https://valkey.io/commands/getex/>
pub(super) fn getex(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let options = Options::parse(args, For::Get)?;
    let expires = match options.deadline {
        Some(deadline) => match deadline.at_ms(keys.now_ms(), "getex") {
            Ok(deadline_ms) => Expires::At(deadline_ms),
            // Redis looks at the number only once it has found a string.
            Err(error) => {
                if keys.string(key)?.is_some() {
                    return Err(error);
                }
                out.null();
                return Ok(());
            }
        },
        None if options.persist => Expires::Clear,
        None => Expires::Keep,
    };
    if keys.string_and_expire(key, expires, |value| write_string(value, out))?.is_none() {
        out.null();
    }
    Ok(())
}

/// Whose options are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Set,
    Many,
    Get,
}

/// What follows `SET key value` and `GETEX key`.
#[derive(Default)]
struct Options<'a> {
    condition: Condition,
    get: bool,
    keep: bool,
    persist: bool,
    deadline: Option<Deadline<'a>>,
}

impl<'a> Options<'a> {
    /// Reads the options. One may stand twice, and the last number then counts; two that contradict may not.
    fn parse(args: &mut Args<'a>, whose: For) -> Result<Self, CommandError> {
        const DEADLINES: [(&str, Unit, bool); 4] = [
            ("EX", Unit::Seconds, true),
            ("PX", Unit::Milliseconds, true),
            ("EXAT", Unit::Seconds, false),
            ("PXAT", Unit::Milliseconds, false),
        ];
        let mut options = Options::default();
        while args.left() > 0 {
            let free = !options.keep && !options.persist;
            if whose != For::Get && options.condition != Condition::Present && args.eat("NX") {
                options.condition = Condition::Absent;
            } else if whose != For::Get && options.condition != Condition::Absent && args.eat("XX") {
                options.condition = Condition::Present;
            } else if whose == For::Set && args.eat("GET") {
                options.get = true;
            } else if whose != For::Get && options.deadline.is_none() && args.eat("KEEPTTL") {
                options.keep = true;
            } else if whose == For::Get && options.deadline.is_none() && args.eat("PERSIST") {
                options.persist = true;
            } else if let Some((_, unit, relative)) = DEADLINES.into_iter().find(|(word, ..)| args.eat(word))
            {
                let same = options.deadline.is_none_or(|old| old.unit == unit && old.relative == relative);
                if !free || !same {
                    return Err(CommandError::Syntax);
                }
                options.deadline = Some(Deadline { number: args.required()?, unit, relative });
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// What becomes of a key's deadline; `name` is the command that an error names.
    fn expires(&self, now_ms: u64, name: &'static str) -> Result<Expires, CommandError> {
        Ok(match self.deadline {
            Some(deadline) => Expires::At(deadline.at_ms(now_ms, name)?),
            None if self.keep => Expires::Keep,
            None => Expires::Clear,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Seconds,
    Milliseconds,
}

/// A deadline as it was sent.
#[derive(Clone, Copy)]
struct Deadline<'a> {
    number: &'a [u8],
    unit: Unit,
    /// Counted from now, not from 1970.
    relative: bool,
}

impl Deadline<'_> {
    /// The deadline in Unix ms; `name` is the command that an error names.
    fn at_ms(self, now_ms: u64, name: &'static str) -> Result<u64, CommandError> {
        let number = parse_int(self.number).ok_or(CommandError::NotAnInteger)?;
        let factor = if self.unit == Unit::Seconds { 1000 } else { 1 };
        let base = if self.relative { i64::try_from(now_ms).unwrap_or(i64::MAX) } else { 0 };
        let deadline = number.checked_mul(factor).and_then(|ms| ms.checked_add(base));
        match deadline {
            Some(deadline) if number > 0 => Ok(deadline.unsigned_abs()),
            _ => Err(CommandError::InvalidExpire(name)),
        }
    }
}

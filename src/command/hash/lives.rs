//! Commands that read or write fields and deal with their deadlines, or take the fields out, in one go.

use super::expire::{Unit, WRONG_COUNT, parse_fields, parse_options};
use super::write_optional;
use crate::command::args::Args;
use crate::command::error::CommandError;
use crate::reply::Sink;
use crate::shard::{Class, HashRoom, Inserted, Key, Keyspace};

/// What becomes of the deadlines.
#[derive(Clone, Copy)]
enum Life<'a> {
    /// Nothing was said of them.
    Unsaid,
    /// They stay.
    Keep,
    /// They go.
    Persist,
    /// This argument states a new one.
    Until(Unit, &'a [u8]),
}

/// What stands before `FIELDS`.
struct Options<'a> {
    life: Life<'a>,
    /// `NX`, `XX`: of the key.
    key: Option<bool>,
    /// `FNX`, `FXX`: of the fields.
    fields: Option<bool>,
}

impl<'a> Options<'a> {
    /// Reads the options of `HSETEX` where `writes`, of `HGETEX` where not. The same one twice is one, and of two times
    /// the last one counts.
    fn parse(given: &[&'a [u8]], command: &'static str, writes: bool) -> Result<Self, CommandError> {
        let mut options = Options { life: Life::Unsaid, key: None, fields: None };
        let mut given = given.iter();
        while let Some(option) = given.next() {
            let named = |name: &str| option.eq_ignore_ascii_case(name.as_bytes());
            let time = [("EX", 1000, true), ("PX", 1, true), ("EXAT", 1000, false), ("PXAT", 1, false)]
                .into_iter()
                .find(|&(name, ..)| named(name));
            if let Some((_, ms, relative)) = time {
                let unit = Unit { command, ms, relative };
                let same = |other: Unit| (other.ms, other.relative) == (ms, relative);
                let text = given.next().ok_or(CommandError::Syntax)?;
                match options.life {
                    Life::Unsaid => {}
                    Life::Until(other, _) if same(other) => {}
                    _ => return Err(CommandError::Syntax),
                }
                options.life = Life::Until(unit, text);
            } else if writes && named("KEEPTTL") && matches!(options.life, Life::Unsaid | Life::Keep) {
                options.life = Life::Keep;
            } else if !writes && named("PERSIST") && matches!(options.life, Life::Unsaid | Life::Persist) {
                options.life = Life::Persist;
            } else if writes && named("NX") && options.key != Some(true) {
                options.key = Some(false);
            } else if writes && named("XX") && options.key != Some(false) {
                options.key = Some(true);
            } else if writes && named("FNX") && options.fields != Some(true) {
                options.fields = Some(false);
            } else if writes && named("FXX") && options.fields != Some(false) {
                options.fields = Some(true);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }
}

/// Replies with the values in the order of the fields given, null where there is none, and gives the fields another
/// deadline, or takes it away. A deadline that has passed removes the fields.
/// Errors: syntax, the number of fields, `WRONGTYPE`, an invalid expire time.
///
/// Reference: <https://valkey.io/commands/hgetex/>
pub(super) fn hgetex(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let options = Options::parse(parse_options(args)?, "hgetex", false)?;
    let named = parse_fields(args, 1, WRONG_COUNT)?;
    let hash = keys.hash(key)?;
    let present = hash.is_some_and(|hash| named.iter().any(|field| hash.contains(field)));
    let deadline = match options.life {
        Life::Unsaid | Life::Keep => {
            out.array(named.len());
            named.iter().for_each(|field| write_optional(hash.and_then(|hash| hash.get(field)), out));
            return Ok(());
        }
        Life::Persist => None,
        Life::Until(unit, text) => Some(unit.deadline(text, keys)?),
    };
    out.array(named.len());
    let now_ms = keys.now_ms();
    let passed = deadline.is_some_and(|deadline| deadline <= now_ms);
    let room = HashRoom { deadlines: deadline.is_some() && !passed && present, ..HashRoom::NONE };
    let updated = keys.update_hash(key, room, |fields| {
        let mut changed = 0;
        for field in named {
            let view = fields.view();
            let (value, old) = (view.get(field), view.expires_at_ms(field));
            write_optional(value, out);
            let changes = match deadline {
                _ if passed => fields.remove(field),
                Some(_) => fields.set_deadline(field, deadline),
                None => old.flatten().is_some() && fields.set_deadline(field, None),
            };
            changed += u64::from(changes);
        }
        (changed, changed)
    })?;
    match updated {
        None => named.iter().for_each(|_| out.null()),
        Some(0) => {}
        Some(_) if passed => keys.notify(Class::Hash, "hexpired", key),
        Some(_) => {
            keys.notify(Class::Hash, if deadline.is_some() { "hexpire" } else { "hpersist" }, key);
        }
    }
    Ok(())
}

/// Replies 1 where all fields were set, 0 where none was because a condition does not hold. A deadline that has passed
/// removes the fields instead. Errors: syntax, the number of fields, `WRONGTYPE`, an invalid expire time.
///
/// Reference: <https://valkey.io/commands/hsetex/>
pub(super) fn hsetex(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let options = Options::parse(parse_options(args)?, "hsetex", true)?;
    let pairs = parse_fields(args, 2, WRONG_COUNT)?;
    let exists = keys.peek_hash(key)?.is_some();
    if options.key.is_some_and(|wanted| wanted != exists) {
        out.int(0);
        return Ok(());
    }
    let deadline = match options.life {
        Life::Until(unit, text) => Some(unit.deadline(text, keys)?),
        Life::Unsaid | Life::Keep | Life::Persist => None,
    };
    let names = || pairs.iter().step_by(2);
    if let Some(wanted) = options.fields {
        let hash = keys.peek_hash(key)?;
        if names().any(|field| hash.is_some_and(|hash| hash.contains(field)) != wanted) {
            out.int(0);
            return Ok(());
        }
    }
    let now_ms = keys.now_ms();
    if deadline.is_some_and(|deadline| deadline <= now_ms) {
        keys.update_hash(key, HashRoom::NONE, |fields| {
            ((), names().filter(|field| fields.remove(field)).count() as u64)
        })?;
        // To those who listen, fields are set that expire at once.
        if !exists {
            keys.notify_aside(Class::New, "new", key);
        }
        keys.notify_aside(Class::Hash, "hset", key);
        keys.notify_aside(Class::Hash, "hexpire", key);
        keys.notify(Class::Hash, "hexpired", key);
        if !exists {
            keys.notify(Class::Generic, "del", key);
        }
    } else {
        let keep = matches!(options.life, Life::Keep);
        let room = HashRoom { adding: pairs, insert: Inserted::Always, deadlines: deadline.is_some() };
        keys.update_hash(key, room, |fields| {
            if deadline.is_none() && !keep {
                fields.extend(pairs);
            } else {
                for pair in pairs.chunks_exact(2) {
                    let &[field, value] = pair else { continue };
                    match deadline {
                        Some(_) => fields.set_until(field, value, deadline),
                        None => fields.set_and_keep(field, value),
                    };
                }
            }
            ((), pairs.len() as u64 / 2)
        })?;
        keys.notify(Class::Hash, "hset", key);
        if deadline.is_some() {
            keys.notify(Class::Hash, "hexpire", key);
        }
    }
    out.int(1);
    Ok(())
}

/// Replies with the values in the order of the fields given, null where there is none, and removes them.
/// Errors: syntax, the number of fields, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/hgetdel/>
pub(super) fn hgetdel(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let named = parse_fields(args, 1, WRONG_COUNT)?;
    out.array(named.len());
    let updated = keys.update_hash(key, HashRoom::NONE, |fields| {
        let mut removed = 0;
        for field in named {
            match fields.take(field, |value| super::write_element(value, out)) {
                Some(()) => removed += 1,
                None => out.null(),
            }
        }
        (removed, removed)
    })?;
    match updated {
        None => named.iter().for_each(|_| out.null()),
        Some(0) => {}
        Some(_) => keys.notify(Class::Hash, "hdel", key),
    }
    Ok(())
}

//! Commands that carry a whole value from one key to another. Whoever waits for the new key is served from it.

use crate::command::args::Args;
use crate::command::error::CommandError;
use crate::engine::Entered;
use crate::reply::Sink;
use crate::shard::{Class, Key, Keyspace, Value};

/// Gives a value another key, over what is there; its deadline goes with it.
///
/// Errors: no such key. Reference: <https://valkey.io/commands/rename/>
pub(super) fn rename(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (from, to) = (args.required()?, args.required()?);
    let (mut keys, key) = entered.at(from);
    if from == to {
        if !keys.exists(key) {
            return Err(CommandError::NoSuchKey);
        }
        out.ok();
        return Ok(());
    }
    let value = keys.take(key).ok_or(CommandError::NoSuchKey)?;
    let (mut keys, key) = entered.at(to);
    put_over(&mut keys, key, value);
    let db = entered.db();
    entered.notify(db, Class::Generic, "rename_from", from);
    entered.notify(db, Class::Generic, "rename_to", to);
    out.ok();
    Ok(())
}

/// Replies 1 where the value has another key now, 0 where that is taken.
///
/// Errors: no such key. Reference: <https://valkey.io/commands/renamenx/>
pub(super) fn renamenx(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (from, to) = (args.required()?, args.required()?);
    let (mut keys, key) = entered.at(from);
    if !keys.exists(key) {
        return Err(CommandError::NoSuchKey);
    }
    let db = entered.db();
    let moved = carry(entered, (db, from), (db, to), ["rename_from", "rename_to"]);
    out.int(i64::from(moved));
    Ok(())
}

/// Replies 1 where the key is in the other database now, 0 without the key or where that has one of this name.
///
/// Errors: those of a database's number, the database the key is in. Reference: <https://valkey.io/commands/move/>
pub(super) fn r#move(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    if entered.engine().cluster().is_on() {
        return Err(CommandError::text("ERR MOVE is not allowed in cluster mode"));
    }
    let name = args.required()?;
    let (from, to) = (entered.db(), args.db(entered.engine().databases())?);
    if from == to {
        return Err(CommandError::SameObject);
    }
    let moved = carry(entered, (from, name), (to, name), ["move_from", "move_to"]);
    out.int(i64::from(moved));
    Ok(())
}

/// Puts a value under a key over what is there. To those who listen the key is new in any case, as Redis deletes what
/// was there first.
fn put_over(keys: &mut Keyspace<'_>, key: Key<'_>, value: Value) {
    let was_there = keys.exists(key);
    keys.put(key, value);
    if was_there {
        keys.notify_aside(Class::New, "new", key);
    }
}

/// Takes a value from one place to another that must be free; whether it did. `events` are what it does there and here.
fn carry(
    entered: &mut Entered<'_>,
    from: (usize, &[u8]),
    to: (usize, &[u8]),
    events: [&'static str; 2],
) -> bool {
    let (mut keys, key) = entered.at_db(to.0, to.1);
    if keys.exists(key) {
        return false;
    }
    let (mut keys, key) = entered.at_db(from.0, from.1);
    let Some(value) = keys.take(key) else { return false };
    let (mut keys, key) = entered.at_db(to.0, to.1);
    keys.put(key, value);
    entered.notify(from.0, Class::Generic, events[0], from.1);
    entered.notify(to.0, Class::Generic, events[1], to.1);
    true
}

/// Replies 1 where the copy was made, 0 without the source, or where the destination is taken and not to be replaced.
/// The deadline is copied, too.
///
/// Errors: syntax, those of a database's number, a copy onto itself. Reference: <https://valkey.io/commands/copy/>
pub(super) fn copy(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (from, to) = (args.required()?, args.required()?);
    let (mut db, mut replace) = (entered.db(), false);
    while args.left() > 0 {
        if args.eat("REPLACE") {
            replace = true;
        } else if args.eat("DB") {
            db = args.db(entered.engine().databases())?;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    if db != 0 && entered.engine().cluster().is_on() {
        return Err(CommandError::text("ERR Copying to another database is not allowed in cluster mode"));
    }
    if db == entered.db() && from == to {
        return Err(CommandError::SameObject);
    }
    // A source that is not there is a miss, whatever stands at the destination.
    let (mut keys, key) = entered.at(from);
    if !keys.touch(key) {
        out.int(0);
        return Ok(());
    }
    let (mut keys, key) = entered.at_db(db, to);
    if !replace && keys.exists(key) {
        out.int(0);
        return Ok(());
    }
    let (mut keys, key) = entered.at(from);
    let Some(value) = keys.copy(key) else {
        out.int(0);
        return Ok(());
    };
    let (mut keys, key) = entered.at_db(db, to);
    put_over(&mut keys, key, value);
    keys.notify(Class::Generic, "copy_to", key);
    out.int(1);
    Ok(())
}

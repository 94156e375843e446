//! Transactions: MULTI, EXEC, DISCARD, WATCH and UNWATCH.

use super::args::Args;
use super::error::CommandError;
use super::table::Flag::{AllowBusy, Fast, Loading, NoScript, NotQueued, SkipSlowlog, Stale};
use super::table::{Command, Group, Keys, Run, row};
use crate::engine::{Reach, Session};
use crate::reply::Sink;

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("MULTI", 1, &[NoScript, Loading, Stale, Fast, AllowBusy, NotQueued], Keys::None, Run::Session(multi))
        .of(Group::Transactions, "1.2.0")
        .doc("", "Mark the start of a transaction block", "O(1)"),
    row("EXEC", 1, &[NoScript, Loading, Stale, SkipSlowlog, NotQueued], Keys::None, Run::Session(exec))
        .of(Group::Transactions, "1.2.0")
        .doc("", "Execute all commands issued after MULTI", "Depends on commands in the transaction"),
    row(
        "DISCARD",
        1,
        &[NoScript, Loading, Stale, Fast, AllowBusy, NotQueued],
        Keys::None,
        Run::Session(discard),
    )
    .of(Group::Transactions, "2.0.0")
    .doc("", "Discard all commands issued after MULTI", "O(N), when N is the number of queued commands"),
    row(
        "WATCH",
        -2,
        &[NoScript, Loading, Stale, Fast, AllowBusy, NotQueued],
        Keys::REST,
        Run::Session(watch),
    )
    .of(Group::Transactions, "2.2.0")
    .doc(
        "key [key ...]",
        "Watch the given keys to determine execution of the MULTI/EXEC block",
        "O(1) for every key.",
    ),
    row("UNWATCH", 1, &[NoScript, Loading, Stale, Fast, AllowBusy], Keys::None, Run::Session(unwatch))
        .of(Group::Transactions, "2.2.0")
        .doc("", "Forget about all watched keys", "O(1)"),
];

/// Has the commands that follow kept until EXEC; each is answered `QUEUED`. Errors: a transaction has begun. O(1).
///
/// Reference: <https://valkey.io/commands/multi/>
fn multi(
    session: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    session.begin()?;
    out.ok();
    Ok(())
}

/// Runs the queued commands together and replies with an array of their replies, or null where a watched key has
/// changed. Errors: no transaction has begun, or a command was refused when it was to be queued.
///
/// Reference: <https://valkey.io/commands/exec/>
fn exec(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    engine.engine().exec(session, out)
}

/// Forgets the queued commands and the watched keys. Errors: no transaction has begun.
///
/// Reference: <https://valkey.io/commands/discard/>
fn discard(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    engine.engine().discard(session)?;
    out.ok();
    Ok(())
}

/// Has the next EXEC do nothing if one of the keys is changed, is removed or expires before. Errors: inside a
/// transaction, where it would come too late.
///
/// Reference: <https://valkey.io/commands/watch/>
fn watch(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    if session.transaction.is_some() {
        return Err(CommandError::text("ERR WATCH inside MULTI is not allowed"));
    }
    engine.engine().watch(session, args.rest().iter().copied());
    out.ok();
    Ok(())
}

/// Watches nothing any more. Inside a transaction, where EXEC has looked at the keys already, it does nothing.
///
/// Reference: <https://valkey.io/commands/unwatch/>
fn unwatch(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    if !engine.is_inside() {
        engine.engine().unwatch(session);
    }
    out.ok();
    Ok(())
}

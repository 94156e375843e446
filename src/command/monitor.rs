//! `MONITOR`: being shown what others do.

use super::args::Args;
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use crate::engine::{Reach, Session};
use crate::reply::Sink;

/// The family's row.
pub const COMMANDS: &[Command] =
    &[row("MONITOR", 1, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(monitor))
        .of(Group::Server, "1.0.0")
        .doc("", "Listens for all requests received by the server in real-time.", "")];

/// Replies `OK`, then with a line for every command that any client runs, but for those of administrators, until the
/// client says `RESET` or `QUIT`. A client that monitors already gets no reply, as in Redis. Errors: within `MULTI`.
///
/// Reference: <https://valkey.io/commands/monitor/>
fn monitor(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    if engine.is_inside() || session.transaction.is_some() {
        return Err(CommandError::text("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    if !session.monitoring {
        engine.engine().monitor(session);
        out.ok();
    }
    Ok(())
}

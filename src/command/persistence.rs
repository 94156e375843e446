//! `SAVE`, `BGSAVE`, `LASTSAVE` and `BGREWRITEAOF`: data on its way to the disk.

use super::args::Args;
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use crate::engine::{Engine, Reach, Session};
use crate::persist::StorageError;
use crate::reply::Sink;

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    row("SAVE", 1, &[Admin, NoScript, NoAsyncLoading, NoMulti], Keys::None, Run::Session(save))
        .of(Group::Server, "1.0.0")
        .doc(
            "",
            "Synchronously saves the database(s) to disk.",
            "O(N) where N is the total number of keys in all databases",
        ),
    row("BGSAVE", -1, &[Admin, NoScript, NoAsyncLoading], Keys::None, Run::Session(bgsave))
        .of(Group::Server, "1.0.0")
        .doc("[SCHEDULE]", "Asynchronously saves the database(s) to disk.", "O(1)"),
    row("BGREWRITEAOF", 1, &[Admin, NoScript, NoAsyncLoading], Keys::None, Run::Session(bgrewriteaof))
        .of(Group::Server, "1.0.0")
        .doc("", "Asynchronously rewrites the append-only file to disk.", "O(1)"),
    row("LASTSAVE", 1, &[Loading, Stale, Fast, Dangerous], Keys::None, Run::Session(lastsave))
        .of(Group::Server, "1.0.0")
        .doc("", "Returns the Unix timestamp of the last successful save to disk.", "O(1)"),
];

const IN_PROGRESS: CommandError = CommandError::text("ERR Background save already in progress");

/// Makes a snapshot, and replies once it is on the disk. Other connections are served meanwhile, but for those of the same
/// event loop.
///
/// Errors: one is made already; `ERR` alone where it fails, and the log says why.
///
/// In process: `db.save()`. Reference: <https://valkey.io/commands/save/>
fn save(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    match engine.engine().save() {
        Ok(()) => {
            out.ok();
            Ok(())
        }
        Err(StorageError::Running) => Err(IN_PROGRESS),
        Err(_) => Err(CommandError::text("ERR")),
    }
}

/// Begins to make a snapshot. `SCHEDULE` says what to do while a journal is rewritten, and changes nothing here.
///
/// In process: `db.background_save()`. Reference: <https://valkey.io/commands/bgsave/>
fn bgsave(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    if args.left() > 0 && !(args.left() == 1 && args.eat("SCHEDULE")) {
        return Err(CommandError::Syntax);
    }
    if engine.persistence().is_running() {
        return Err(IN_PROGRESS);
    }
    if engine.is_inside() {
        engine.when_outside(Engine::save_soon);
    } else {
        match engine.engine().save_in_background() {
            Ok(()) => {}
            Err(StorageError::Running) => return Err(IN_PROGRESS),
            Err(error) => {
                tracing::error!("background saving did not begin: {error}");
                return Err(CommandError::text("ERR"));
            }
        }
    }
    out.simple("Background saving started");
    Ok(())
}

/// Has a snapshot take the place of the journal, where there is one.
///
/// In process: `db.background_save()`.
///
/// Reference: <https://valkey.io/commands/bgrewriteaof/>
fn bgrewriteaof(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let must_wait = engine.persistence().is_running();
    if engine.journal().is_on() {
        if must_wait {
            engine.persistence().schedule();
        } else {
            engine.when_outside(Engine::save_soon);
        }
    }
    out.simple(if must_wait {
        "Background append only file rewriting scheduled"
    } else {
        "Background append only file rewriting started"
    });
    Ok(())
}

/// Replies with the Unix time of the last snapshot that succeeded, or of the start.
///
/// In process: `db.last_save()`. Reference: <https://valkey.io/commands/lastsave/>
fn lastsave(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.int(i64::try_from(engine.persistence().figures().last_save).unwrap_or(i64::MAX));
    Ok(())
}

//! `SAVE`, `BGSAVE`, `LASTSAVE`, `BGREWRITEAOF` and `WAITAOF`: data on its way to the disk.

use super::args::Args;
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use crate::engine::{Delivery, Engine, Entered, Reach, Session, Waiting};
use crate::persist::StorageError;
use crate::persist::journal::Journal;
use crate::reply::Sink;
use std::sync::Arc;

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
    row("WAITAOF", 4, &[Blocking], Keys::None, Run::Session(waitaof)).of(Group::Generic, "7.2.0").doc(
        "numlocal numreplicas timeout",
        "Blocks until all of the preceding write commands sent by the connection are written to the append-only file \
         of the master and/or replicas.",
        "O(1)",
    ),
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

/// Replies with two numbers: 1 where all that this client wrote is in the journal and on the disk, and of how many replicas
/// that holds. Waits for as many of each as it asks for, up to `timeout` ms (0 for ever); in a transaction and in a
/// script it does not wait. The journal is synced for it at once, whatever `appendfsync` says; what it wrote while a
/// journal that was just turned on has no snapshot yet counts once there is one.
///
/// Errors: `numlocal` is not 0 or 1; it is 1, and there is no journal.
///
/// In process: `db.waitaof(..)`, or `db.flush()`. Reference: <https://valkey.io/commands/waitaof/>
fn waitaof(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let local = args.int()?;
    if !(0..=1).contains(&local) {
        return Err(CommandError::text("ERR value is out of range, value must between 0 and 1"));
    }
    let replicas = args.int().ok().filter(|replicas| *replicas >= 0).ok_or(CommandError::MustBePositive)?;
    let timeout_ms =
        args.int().map_err(|_| CommandError::text("ERR timeout is not an integer or out of range"))?;
    let timeout_ms = u64::try_from(timeout_ms).map_err(|_| CommandError::TimeoutNegative)?;
    if local > 0 && !engine.settings().appendonly() {
        return Err(CommandError::NoJournal);
    }
    let wait = WaitAof { journal: engine.journal_handle(), written: session.written, replicas: replicas > 0 };
    if engine.is_inside() || replicas == 0 && (local == 0 || wait.is_durable()) {
        wait.write_timeout(out);
    } else {
        let deadline_ms = (timeout_ms > 0).then(|| engine.clock().deadline_ms(timeout_ms));
        session.wait = Some((Box::new(wait), deadline_ms));
    }
    Ok(())
}

/// Waits for the disk.
#[derive(Debug)]
struct WaitAof {
    journal: Arc<Journal>,
    /// Up to where its client has written.
    written: u64,
    /// It wants replicas, of which there are none.
    replicas: bool,
}

impl WaitAof {
    fn is_durable(&self) -> bool {
        self.journal.is_on() && self.journal.is_durable(self.written)
    }
}

impl Waiting for WaitAof {
    fn serve(&self, _: &mut Entered<'_>, _: usize, _: &[u8]) -> Option<Result<Delivery, CommandError>> {
        None
    }

    fn synced_to(&self) -> Option<u64> {
        (!self.replicas).then_some(self.written)
    }

    fn write_timeout(&self, out: &mut dyn Sink) {
        out.array(2);
        out.int(i64::from(self.is_durable()));
        out.int(0);
    }
}

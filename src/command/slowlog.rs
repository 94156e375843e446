//! `SLOWLOG`: commands that took long. Which are timed is told in `engine::slowlog`.

use super::args::{Args, parse_int};
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, container, row};
use super::{unfit, write_help};
use crate::engine::{Reach, Session};
use crate::reply::Sink;

/// The family's rows.
pub const COMMANDS: &[Command] = &[container("SLOWLOG", SLOWLOG).of(Group::Server, "2.2.12").doc(
    "",
    "A container for slow log commands.",
    "Depends on subcommand.",
)];

const SLOWLOG: &[Command] = &[
    row("GET", -2, &[Admin, Loading, Stale], Keys::None, Run::Session(get)).of(Group::Server, "2.2.12").doc(
        "[count]",
        "Returns the slow log's entries.",
        "O(N) where N is the number of entries returned",
    ),
    row("HELP", 2, &[Loading, Stale], Keys::None, Run::Session(help)).of(Group::Server, "6.2.0").doc(
        "",
        "Show helpful text about the different subcommands",
        "O(1)",
    ),
    row("LEN", 2, &[Admin, Loading, Stale], Keys::None, Run::Session(len)).of(Group::Server, "2.2.12").doc(
        "",
        "Returns the number of entries in the slow log.",
        "O(1)",
    ),
    row("RESET", 2, &[Admin, Loading, Stale], Keys::None, Run::Session(reset))
        .of(Group::Server, "2.2.12")
        .doc(
            "",
            "Clears all entries from the slow log.",
            "O(N) where N is the number of entries in the slowlog",
        ),
];

/// Replies with the newest entries, ten where no number is said, all for -1. Errors: a number below that.
///
/// Reference: <https://valkey.io/commands/slowlog-get/>
fn get(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let count = args.try_next().map_or(Some(10), parse_int);
    args.end().map_err(|_| unfit(args))?;
    let count = count
        .filter(|&count| count >= -1)
        .ok_or(CommandError::text("ERR count should be greater than or equal to -1"))?;
    let entries = engine.slowlog().newest(usize::try_from(count).unwrap_or(usize::MAX));
    out.array(entries.len());
    for entry in &entries {
        out.array(6);
        out.int(entry.id as i64);
        out.int(entry.at_s as i64);
        out.int(entry.duration_us as i64);
        out.array(entry.args.len());
        entry.args.iter().for_each(|arg| out.bulk(arg));
        out.bulk(entry.addr.as_bytes());
        out.bulk(&entry.name);
    }
    Ok(())
}

/// Replies with the number of entries. Reference: <https://valkey.io/commands/slowlog-len/>
fn len(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.int(engine.slowlog().len() as i64);
    Ok(())
}

/// Forgets all entries. Reference: <https://valkey.io/commands/slowlog-reset/>
fn reset(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    engine.slowlog().clear();
    out.ok();
    Ok(())
}

/// Reference: <https://valkey.io/commands/slowlog-help/>
fn help(
    _: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    write_help(
        out,
        "SLOWLOG",
        &[
            "GET [<count>]",
            "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
            "    Entries are made of:",
            "    id, timestamp, time in microseconds, arguments array, client IP and port,",
            "    client name",
            "LEN",
            "    Return the length of the slowlog.",
            "RESET",
            "    Reset the slowlog.",
        ],
    );
    Ok(())
}

//! `MODULE`: there are none, and none can be loaded.

use super::args::Args;
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, container, row};
use super::write_help;
use crate::engine::{Reach, Session};
use crate::reply::Sink;

/// The family's rows.
pub const COMMANDS: &[Command] = &[container("MODULE", MODULE).of(Group::Server, "4.0.0").doc(
    "",
    "A container for module commands",
    "Depends on subcommand.",
)];

const MODULE: &[Command] = &[
    row("HELP", 2, &[Loading, Stale], Keys::None, Run::Session(help)).of(Group::Server, "5.0.0").doc(
        "",
        "Show helpful text about the different subcommands",
        "O(1)",
    ),
    row("LIST", 2, &[Admin, NoScript], Keys::None, Run::Session(list)).of(Group::Server, "4.0.0").doc(
        "",
        "List all modules loaded by the server",
        "O(N) where N is the number of loaded modules.",
    ),
    row("LOAD", -3, &[Admin, NoScript, NoAsyncLoading], Keys::None, Run::Session(refuse))
        .of(Group::Server, "4.0.0")
        .doc("path [arg [arg ...]]", "Load a module", "O(1)"),
    row("LOADEX", -3, &[Admin, NoScript, NoAsyncLoading], Keys::None, Run::Session(refuse))
        .of(Group::Server, "7.0.0")
        .doc(
            "path [CONFIG name value [CONFIG name value ...]] [ARGS args [args ...]]",
            "Load a module with extended parameters",
            "O(1)",
        ),
    row("UNLOAD", 3, &[Admin, NoScript, NoAsyncLoading], Keys::None, Run::Session(refuse))
        .of(Group::Server, "4.0.0")
        .doc("name", "Unload a module", "O(1)"),
];

type Outcome = Result<(), CommandError>;

/// Replies with no modules. Reference: <https://valkey.io/commands/module-list/>
fn list(_: &mut Session, _: &mut Reach<'_, '_>, _: &mut Args<'_>, out: &mut dyn Sink) -> Outcome {
    out.array(0);
    Ok(())
}

/// Refuses, as a server whose `enable-module-command` is `no`.
///
/// Reference: <https://valkey.io/commands/module-load/>
fn refuse(_: &mut Session, _: &mut Reach<'_, '_>, _: &mut Args<'_>, _: &mut dyn Sink) -> Outcome {
    Err(CommandError::text(
        "ERR MODULE command not allowed. If the enable-module-command option is set to \"local\", you can run it from \
         a local connection, otherwise you need to set this option in the configuration file, and then restart the \
         server.",
    ))
}

/// Replies with lines of help. Reference: <https://valkey.io/commands/module-help/>
fn help(_: &mut Session, _: &mut Reach<'_, '_>, _: &mut Args<'_>, out: &mut dyn Sink) -> Outcome {
    write_help(
        out,
        "MODULE",
        &[
            "LIST",
            "    Return a list of loaded modules.",
            "LOAD <path> [<arg> ...]",
            "    Load a module library from <path>, passing to it any optional arguments.",
            "LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]",
            "    Load a module library from <path>, while passing it module configurations and optional arguments.",
            "UNLOAD <name>",
            "    Unload a module.",
        ],
    );
    Ok(())
}

//! `CONFIG`: the settings, over the wire. What a setting takes and who acts on it is `config::Settings`' business.

use super::args::Args;
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, container, row};
use super::write_help;
use crate::engine::{Reach, Session};
use crate::reply::Sink;

/// The family's rows.
pub const COMMANDS: &[Command] = &[container("CONFIG", CONFIG).of(Group::Server, "2.0.0").doc(
    "",
    "A container for server configuration commands.",
    "Depends on subcommand.",
)];

const CONFIG: &[Command] = &[
    row("GET", -3, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(get))
        .of(Group::Server, "2.0.0")
        .doc(
            "parameter [parameter ...]",
            "Returns the effective values of configuration parameters.",
            "O(N) when N is the number of configuration parameters provided",
        ),
    row("HELP", 2, &[Loading, Stale], Keys::None, Run::Session(help)).of(Group::Server, "5.0.0").doc(
        "",
        "Returns helpful text about the different subcommands.",
        "O(1)",
    ),
    row("RESETSTAT", 2, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(resetstat))
        .of(Group::Server, "2.0.0")
        .doc("", "Resets the server's statistics.", "O(1)"),
    row("REWRITE", 2, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(rewrite))
        .of(Group::Server, "2.8.0")
        .doc("", "Persists the effective configuration to file.", "O(1)"),
    row("SET", -4, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(set))
        .of(Group::Server, "2.0.0")
        .doc(
            "parameter value [parameter value ...]",
            "Sets configuration parameters in-flight.",
            "O(N) when N is the number of configuration parameters provided",
        ),
];

/// Replies with a map of the settings that any of the patterns matches.
///
/// In process: `engine.settings().get(patterns)`. Reference: <https://valkey.io/commands/config-get/>
fn get(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let found = engine.settings().get(args.rest());
    out.map(found.len());
    for (name, value) in &found {
        out.bulk(name.as_bytes());
        out.bulk(value.as_bytes());
    }
    Ok(())
}

/// Changes all of the settings or none. Errors: Redis' words for what is wrong with the first that cannot be.
///
/// In process: `engine.settings().set(pairs)`. Reference: <https://valkey.io/commands/config-set/>
fn set(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (pairs, []) = args.rest().as_chunks::<2>() else { return Err(CommandError::Syntax) };
    let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|&[name, value]| (name, value)).collect();
    engine.settings().set(&pairs).map_err(|error| CommandError::from(error.to_string()))?;
    engine.follow_settings();
    out.ok();
    Ok(())
}

/// Sets the counters of `INFO` to zero.
///
/// In process: `engine.reset_stats()`. Reference: <https://valkey.io/commands/config-resetstat/>
fn resetstat(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    engine.reset_stats();
    out.ok();
    Ok(())
}

/// Brings the configuration file up to date. Errors: there is none, or it cannot be written.
///
/// In process: `engine.settings().rewrite()`. Reference: <https://valkey.io/commands/config-rewrite/>
fn rewrite(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    // Users stand in the configuration file where they have none of their own.
    let users = if engine.acl().has_file() { Vec::new() } else { engine.acl().config_lines() };
    let written = engine.settings().rewrite_with_users(Some(&users));
    written.map_err(|error| CommandError::from(error.to_string()))?;
    out.ok();
    Ok(())
}

/// Reference: <https://valkey.io/commands/config-help/>
fn help(
    _: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    write_help(
        out,
        "CONFIG",
        &[
            "GET <pattern>",
            "    Return parameters matching the glob-like <pattern> and their values.",
            "SET <directive> <value>",
            "    Set the configuration <directive> to <value>.",
            "RESETSTAT",
            "    Reset statistics reported by the INFO command.",
            "REWRITE",
            "    Rewrite the configuration file.",
        ],
    );
    Ok(())
}

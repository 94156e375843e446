//! Scripts and functions: EVAL and its kin, SCRIPT, FCALL, FUNCTION.
//!
//! Without the feature `script` the commands are there and say that they cannot run.

use super::args::Args;
use super::error::CommandError;
use super::table::Flag::{
    AllowBusy, DenyOom, Loading, MayReplicate, NoScript, OptionalKeys, Read, SkipMonitor, Stale, Write,
};
use super::table::{Command, Group, Keys, Run, container, row};
use super::write_help;
use crate::engine::{Reach, Session};
use crate::reply::Sink;

const ANY: &[super::table::Flag] =
    &[NoScript, Stale, SkipMonitor, OptionalKeys, MayReplicate, super::table::Flag::MovableKeys];
const READS: &[super::table::Flag] =
    &[Read, NoScript, Stale, SkipMonitor, OptionalKeys, super::table::Flag::MovableKeys];
const COUNTED: Keys = Keys::Counted(2);
const BY_SCRIPT: &str = "Depends on the script that is executed.";
const BY_FUNCTION: &str = "Depends on the function that is executed.";

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("EVAL", -3, ANY, COUNTED, Run::Session(eval)).of(Group::Scripting, "2.6.0").doc(
        "script numkeys [key [key ...]] [arg [arg ...]]",
        "Execute a Lua script server side",
        BY_SCRIPT,
    ),
    row("EVALSHA", -3, ANY, COUNTED, Run::Session(evalsha)).of(Group::Scripting, "2.6.0").doc(
        "sha1 numkeys [key [key ...]] [arg [arg ...]]",
        "Execute a Lua script server side",
        BY_SCRIPT,
    ),
    row("EVAL_RO", -3, READS, COUNTED, Run::Session(eval_ro)).of(Group::Scripting, "7.0.0").doc(
        "script numkeys [key [key ...]] [arg [arg ...]]",
        "Execute a read-only Lua script server side",
        BY_SCRIPT,
    ),
    row("EVALSHA_RO", -3, READS, COUNTED, Run::Session(evalsha_ro)).of(Group::Scripting, "7.0.0").doc(
        "sha1 numkeys [key [key ...]] [arg [arg ...]]",
        "Execute a read-only Lua script server side",
        BY_SCRIPT,
    ),
    container("SCRIPT", SCRIPT).of(Group::Scripting, "2.6.0").doc(
        "",
        "A container for Lua scripts management commands",
        "Depends on subcommand.",
    ),
    row("FCALL", -3, ANY, COUNTED, Run::Session(fcall)).of(Group::Scripting, "7.0.0").doc(
        "function numkeys [key [key ...]] [arg [arg ...]]",
        "Invoke a function",
        BY_FUNCTION,
    ),
    row("FCALL_RO", -3, READS, COUNTED, Run::Session(fcall_ro)).of(Group::Scripting, "7.0.0").doc(
        "function numkeys [key [key ...]] [arg [arg ...]]",
        "Invoke a read-only function",
        BY_FUNCTION,
    ),
    container("FUNCTION", FUNCTION).of(Group::Scripting, "7.0.0").doc(
        "",
        "A container for function commands",
        "Depends on subcommand.",
    ),
];

const SCRIPT: &[Command] = &[
    row("LOAD", 3, &[NoScript, Stale], Keys::None, Run::Session(script_load))
        .of(Group::Scripting, "2.6.0")
        .doc(
            "script",
            "Load the specified Lua script into the script cache.",
            "O(N) with N being the length in bytes of the script body.",
        ),
    row("EXISTS", -3, &[NoScript], Keys::None, Run::Session(script_exists)).of(Group::Scripting, "2.6.0").doc(
        "sha1 [sha1 ...]",
        "Check existence of scripts in the script cache.",
        "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
    ),
    row("FLUSH", -2, &[NoScript], Keys::None, Run::Session(script_flush)).of(Group::Scripting, "2.6.0").doc(
        "[ASYNC | SYNC]",
        "Remove all the scripts from the script cache.",
        "O(N) with N being the number of scripts in cache",
    ),
    row("KILL", 2, &[NoScript, AllowBusy], Keys::None, Run::Session(script_kill))
        .of(Group::Scripting, "2.6.0")
        .doc("", "Kill the script currently in execution.", "O(1)"),
    row("DEBUG", 3, &[NoScript], Keys::None, Run::Session(script_debug)).of(Group::Scripting, "3.2.0").doc(
        "<YES | SYNC | NO>",
        "Set the debug mode for executed scripts.",
        "O(1)",
    ),
    row("HELP", 2, &[Loading, Stale], Keys::None, Run::Session(script_help)).of(Group::Scripting, "5.0.0").doc(
        "",
        "Show helpful text about the different subcommands",
        "O(1)",
    ),
];

const FUNCTION: &[Command] = &[
    row("LOAD", -3, &[Write, DenyOom, NoScript], Keys::None, Run::Session(function_load))
        .of(Group::Scripting, "7.0.0")
        .doc(
            "[REPLACE] function-code",
            "Create a function with the given arguments (name, code, description)",
            "O(1) (considering compilation time is redundant)",
        ),
    row("LIST", -2, &[NoScript], Keys::None, Run::Session(function_list)).of(Group::Scripting, "7.0.0").doc(
        "[LIBRARYNAME library-name-pattern] [WITHCODE]",
        "List information about all the functions",
        "O(N) where N is the number of functions",
    ),
    row("DELETE", 3, &[Write, NoScript], Keys::None, Run::Session(function_delete))
        .of(Group::Scripting, "7.0.0")
        .doc("library-name", "Delete a function by name", "O(1)"),
    row("FLUSH", -2, &[Write, NoScript], Keys::None, Run::Session(function_flush))
        .of(Group::Scripting, "7.0.0")
        .doc("[ASYNC | SYNC]", "Deleting all functions", "O(N) where N is the number of functions deleted"),
    row("DUMP", 2, &[NoScript], Keys::None, Run::Session(function_dump)).of(Group::Scripting, "7.0.0").doc(
        "",
        "Dump all functions into a serialized binary payload",
        "O(N) where N is the number of functions",
    ),
    row("RESTORE", -3, &[Write, DenyOom, NoScript], Keys::None, Run::Session(function_restore))
        .of(Group::Scripting, "7.0.0")
        .doc(
            "serialized-value [FLUSH | APPEND | REPLACE]",
            "Restore all the functions on the given payload",
            "O(N) where N is the number of functions on the payload",
        ),
    row("STATS", 2, &[NoScript, AllowBusy], Keys::None, Run::Session(function_stats))
        .of(Group::Scripting, "7.0.0")
        .doc(
            "",
            "Return information about the function currently running (name, description, duration)",
            "O(1)",
        ),
    row("KILL", 2, &[NoScript, AllowBusy], Keys::None, Run::Session(function_kill))
        .of(Group::Scripting, "7.0.0")
        .doc("", "Kill the function currently in execution.", "O(1)"),
    row("HELP", 2, &[Loading, Stale], Keys::None, Run::Session(function_help))
        .of(Group::Scripting, "7.0.0")
        .doc("", "Show helpful text about the different subcommands", "O(1)"),
];

type Outcome = Result<(), CommandError>;

/// Runs a Lua script with the keys and arguments that follow and replies with what it returns. Errors: what the script
/// raises, with the place; it does not compile; the number of keys is none.
///
/// In process: `db.script(source)`, `db.eval(..)`. Reference: <https://valkey.io/commands/eval/>
fn eval(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Outcome {
    body::eval(session, engine, args, out, Kind { by_digest: false, read_only: false })
}

/// Runs a script that is known by its SHA-1, which EVAL and SCRIPT LOAD have made known. Errors: `NOSCRIPT` where it is
/// not, and those of EVAL.
///
/// Reference: <https://valkey.io/commands/evalsha/>
fn evalsha(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Outcome {
    body::eval(session, engine, args, out, Kind { by_digest: true, read_only: false })
}

/// EVAL for a script that does not write: a command of it that would is refused.
///
/// Reference: <https://valkey.io/commands/eval_ro/>
fn eval_ro(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Outcome {
    body::eval(session, engine, args, out, Kind { by_digest: false, read_only: true })
}

/// EVALSHA for a script that does not write.
///
/// Reference: <https://valkey.io/commands/evalsha_ro/>
fn evalsha_ro(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Outcome {
    body::eval(session, engine, args, out, Kind { by_digest: true, read_only: true })
}

/// Calls a function of a library with the keys and arguments that follow and replies with what it returns. Errors: there
/// is no such function, and what it raises.
///
/// Reference: <https://valkey.io/commands/fcall/>
fn fcall(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Outcome {
    body::fcall(session, engine, args, out, false)
}

/// FCALL for a function that has said that it does not write.
///
/// Reference: <https://valkey.io/commands/fcall_ro/>
fn fcall_ro(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Outcome {
    body::fcall(session, engine, args, out, true)
}

/// How a script is named, and what it may do.
#[derive(Clone, Copy, Debug)]
struct Kind {
    by_digest: bool,
    read_only: bool,
}

/// Arguments in a row.
type Slices<'a> = &'a [&'a [u8]];

/// The number of keys, the keys, and the other arguments.
fn keys_and_args<'a>(
    args: &mut Args<'a>,
    not_a_number: CommandError,
) -> Result<(Slices<'a>, Slices<'a>), CommandError> {
    let count = args.int().map_err(|_| not_a_number)?;
    let Ok(count) = usize::try_from(count) else {
        return Err(CommandError::text("ERR Number of keys can't be negative"));
    };
    if count > args.left() {
        return Err(CommandError::text("ERR Number of keys can't be greater than number of args"));
    }
    Ok((args.take(count)?, args.rest()))
}

/// Compiles a script for EVALSHA and replies with its SHA-1. Errors: it does not compile.
///
/// Reference: <https://valkey.io/commands/script-load/>
fn script_load(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Outcome {
    body::script_load(engine, args.required()?, out)
}

/// Says of each SHA-1, by 1 or 0, whether EVALSHA finds its script.
///
/// Reference: <https://valkey.io/commands/script-exists/>
fn script_exists(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Outcome {
    body::script_exists(engine, args.rest(), out)
}

/// Forgets all scripts. Both modes do it at once: what scripts take is freed by Lua's collector. Errors: another word
/// than ASYNC or SYNC.
///
/// Reference: <https://valkey.io/commands/script-flush/>
fn script_flush(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Outcome {
    let mode = args.left() == 0 || (args.left() == 1 && (args.eat("SYNC") || args.eat("ASYNC")));
    if !mode {
        return Err(CommandError::text("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    body::script_flush(engine, out)
}

/// Ends the script that runs, unless it has written. Errors: `NOTBUSY` where there is none, `UNKILLABLE` where it has.
///
/// Reference: <https://valkey.io/commands/script-kill/>
fn script_kill(_: &mut Session, engine: &mut Reach<'_, '_>, _: &mut Args<'_>, out: &mut dyn Sink) -> Outcome {
    engine.busy().kill(false)?;
    out.ok();
    Ok(())
}

/// Sets the debugger's mode: there is no debugger, so NO is what it always is. Errors: any other mode.
///
/// Reference: <https://valkey.io/commands/script-debug/>
fn script_debug(_: &mut Session, _: &mut Reach<'_, '_>, args: &mut Args<'_>, out: &mut dyn Sink) -> Outcome {
    if args.eat("NO") {
        out.ok();
        return Ok(());
    }
    if args.eat("YES") || args.eat("SYNC") {
        return Err(CommandError::text("ERR the Lua debugger is not available in damselfly"));
    }
    Err(CommandError::text("ERR Use SCRIPT DEBUG YES/SYNC/NO"))
}

/// Replies with what the subcommands of SCRIPT are.
///
/// Reference: <https://valkey.io/commands/script-help/>
fn script_help(_: &mut Session, _: &mut Reach<'_, '_>, _: &mut Args<'_>, out: &mut dyn Sink) -> Outcome {
    write_help(
        out,
        "SCRIPT",
        &[
            "DEBUG (YES|SYNC|NO)",
            "    Set the debug mode for subsequent scripts executed.",
            "EXISTS <sha1> [<sha1> ...]",
            "    Return information about the existence of the scripts in the script cache.",
            "FLUSH [ASYNC|SYNC]",
            "    Flush the Lua scripts cache. Very dangerous on replicas.",
            "    When called without the optional mode argument, the behavior is determined by the",
            "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
            "    * ASYNC: Asynchronously flush the scripts cache.",
            "    * SYNC: Synchronously flush the scripts cache.",
            "KILL",
            "    Kill the currently executing Lua script.",
            "LOAD <script>",
            "    Load a script into the scripts cache without executing it.",
        ],
    );
    Ok(())
}

/// Loads a library of functions and replies with its name. Errors: its first line does not name it, its name or one of
/// its functions' is taken, it raises an error or registers nothing.
///
/// Reference: <https://valkey.io/commands/function-load/>
fn function_load(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Outcome {
    let mut replace = false;
    while args.left() > 1 {
        if !args.eat("REPLACE") {
            let option = String::from_utf8_lossy(args.required()?);
            return Err(format!("ERR Unknown option given: {option}").into());
        }
        replace = true;
    }
    body::function_load(engine, args.required()?, replace, out)
}

/// Replies with the libraries whose names match a pattern, with their functions. Errors: an unknown argument.
///
/// Reference: <https://valkey.io/commands/function-list/>
fn function_list(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Outcome {
    let (mut pattern, mut with_code) = (None, false);
    while args.left() > 0 {
        if !with_code && args.eat("WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && args.eat("LIBRARYNAME") {
            let given = args.try_next();
            pattern = Some(given.ok_or(CommandError::text("ERR library name argument was not given"))?);
        } else {
            return Err(format!("ERR Unknown argument {}", String::from_utf8_lossy(args.required()?)).into());
        }
    }
    body::function_list(engine, pattern, with_code, out)
}

/// Deletes a library with its functions. Errors: there is none of this name.
///
/// Reference: <https://valkey.io/commands/function-delete/>
fn function_delete(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Outcome {
    body::function_delete(engine, args.required()?, out)
}

/// Deletes all libraries. Errors: another word than ASYNC or SYNC.
///
/// Reference: <https://valkey.io/commands/function-flush/>
fn function_flush(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Outcome {
    if args.left() > 1 {
        return Err(wrong_subcommand("FLUSH"));
    }
    if args.left() == 1 && !args.eat("SYNC") && !args.eat("ASYNC") {
        return Err(CommandError::text("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"));
    }
    body::function_flush(engine, out)
}

fn wrong_subcommand(name: &str) -> CommandError {
    format!("ERR unknown subcommand or wrong number of arguments for '{name}'. Try FUNCTION HELP.").into()
}

/// Replies with all libraries in a form that FUNCTION RESTORE takes.
///
/// Reference: <https://valkey.io/commands/function-dump/>
fn function_dump(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Outcome {
    body::function_dump(engine, out)
}

/// Loads the libraries of FUNCTION DUMP: all of them or, where one is refused, none. Errors: the data is none, a name is
/// taken (APPEND), a library does not load.
///
/// Reference: <https://valkey.io/commands/function-restore/>
fn function_restore(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Outcome {
    let data = args.required()?;
    if args.left() > 1 {
        return Err(wrong_subcommand("RESTORE"));
    }
    let policy = if args.left() == 0 || args.eat("APPEND") {
        RestorePolicy::Append
    } else if args.eat("REPLACE") {
        RestorePolicy::Replace
    } else if args.eat("FLUSH") {
        RestorePolicy::Flush
    } else {
        return Err(CommandError::text(
            "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
        ));
    };
    body::function_restore(engine, data, policy, out)
}

/// What FUNCTION RESTORE does with libraries that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RestorePolicy {
    /// They stay, and none may come back under the name of one.
    Append,
    /// They stay, but for those that come back.
    Replace,
    /// They go.
    Flush,
}

/// Replies with the function or script that has run for long, and with how many libraries and functions there are.
///
/// Reference: <https://valkey.io/commands/function-stats/>
fn function_stats(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Outcome {
    let figures = engine.script_figures();
    let running = engine.busy().slow();
    if running.as_ref().is_some_and(|running| !running.is_function) {
        return Err(engine.busy().refusal());
    }
    out.map(2);
    out.bulk(b"running_script");
    match running {
        None => out.null(),
        Some(running) => {
            out.map(3);
            out.bulk(b"name");
            out.bulk(running.name.as_bytes());
            out.bulk(b"command");
            out.array(running.argv.len());
            running.argv.iter().for_each(|arg| out.bulk(arg));
            out.bulk(b"duration_ms");
            out.int(running.time.as_millis() as i64);
        }
    }
    out.bulk(b"engines");
    out.map(1);
    out.bulk(b"LUA");
    out.map(2);
    out.bulk(b"libraries_count");
    out.int(figures.libraries as i64);
    out.bulk(b"functions_count");
    out.int(figures.functions as i64);
    Ok(())
}

/// Ends the function that runs, unless it has written. Errors: `NOTBUSY` where there is none, `UNKILLABLE` where it has.
///
/// Reference: <https://valkey.io/commands/function-kill/>
fn function_kill(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Outcome {
    engine.busy().kill(true)?;
    out.ok();
    Ok(())
}

/// Replies with what the subcommands of FUNCTION are.
///
/// Reference: <https://valkey.io/commands/function-help/>
fn function_help(_: &mut Session, _: &mut Reach<'_, '_>, _: &mut Args<'_>, out: &mut dyn Sink) -> Outcome {
    write_help(
        out,
        "FUNCTION",
        &[
            "LOAD [REPLACE] <FUNCTION CODE>",
            "    Create a new library with the given library name and code.",
            "DELETE <LIBRARY NAME>",
            "    Delete the given library.",
            "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
            "    Return general information on all the libraries:",
            "    * Library name",
            "    * The engine used to run the Library",
            "    * Library description",
            "    * Functions list",
            "    * Library code (if WITHCODE is given)",
            "    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
            "STATS",
            "    Return information about the current function running:",
            "    * Function name",
            "    * Command used to run the function",
            "    * Duration in MS that the function is running",
            "    If no function is running, return nil",
            "    In addition, returns a list of available engines.",
            "KILL",
            "    Kill the current running function.",
            "FLUSH [ASYNC|SYNC]",
            "    Delete all the libraries.",
            "    When called without the optional mode argument, the behavior is determined by the",
            "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
            "    * ASYNC: Asynchronously flush the libraries.",
            "    * SYNC: Synchronously flush the libraries.",
            "DUMP",
            "    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
            "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
            "    Restore the libraries represented by the given payload, it is possible to give a restore policy to",
            "    control how to handle existing libraries (default APPEND):",
            "    * FLUSH: delete all existing libraries.",
            "    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.",
            "    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old",
            "      libraries with the new libraries (notice that even on this option there is a chance of failure",
            "      in case of functions name conflict with another library).",
        ],
    );
    Ok(())
}

/// What the commands do.
#[cfg(feature = "script")]
mod body {
    use super::{Args, CommandError, Kind, Outcome, Reach, RestorePolicy, Session, Sink, keys_and_args};
    use crate::script::{Arguments, Source};

    pub(super) fn eval(
        session: &mut Session,
        engine: &mut Reach<'_, '_>,
        args: &mut Args<'_>,
        out: &mut dyn Sink,
        Kind { by_digest, read_only }: Kind,
    ) -> Outcome {
        let script = args.required()?;
        let source = if by_digest { Source::Digest(script) } else { Source::Text(script) };
        source.check()?;
        let (keys, rest) = keys_and_args(args, CommandError::NotAnInteger)?;
        let arguments = Arguments { keys, args: rest, read_only, argv: args.argv() };
        engine.engine().scripts().eval(session, engine, source, arguments, out)
    }

    pub(super) fn fcall(
        session: &mut Session,
        engine: &mut Reach<'_, '_>,
        args: &mut Args<'_>,
        out: &mut dyn Sink,
        read_only: bool,
    ) -> Outcome {
        let name = args.required()?;
        let parsed = keys_and_args(args, CommandError::text("ERR Bad number of keys provided"));
        if parsed.is_err() && !engine.engine().scripts().has_function(name)? {
            // A function that is not there is noticed before what it is called with.
            return Err(CommandError::text("ERR Function not found"));
        }
        let (keys, rest) = parsed?;
        let arguments = Arguments { keys, args: rest, read_only, argv: args.argv() };
        engine.engine().scripts().call(session, engine, name, arguments, out)
    }

    pub(super) fn script_load(engine: &Reach<'_, '_>, source: &[u8], out: &mut dyn Sink) -> Outcome {
        out.bulk(engine.scripts().load(source)?.as_bytes());
        Ok(())
    }

    pub(super) fn script_exists(engine: &Reach<'_, '_>, digests: &[&[u8]], out: &mut dyn Sink) -> Outcome {
        out.array(digests.len());
        digests.iter().for_each(|digest| out.int(i64::from(engine.scripts().exists(digest))));
        Ok(())
    }

    pub(super) fn script_flush(engine: &Reach<'_, '_>, out: &mut dyn Sink) -> Outcome {
        engine.scripts().flush();
        out.ok();
        Ok(())
    }

    pub(super) fn function_load(
        engine: &Reach<'_, '_>,
        code: &[u8],
        replace: bool,
        out: &mut dyn Sink,
    ) -> Outcome {
        out.bulk(engine.scripts().load_library(code, replace)?.as_bytes());
        engine.engine().tell_functions();
        Ok(())
    }

    pub(super) fn function_list(
        engine: &Reach<'_, '_>,
        pattern: Option<&[u8]>,
        with_code: bool,
        out: &mut dyn Sink,
    ) -> Outcome {
        engine.scripts().list_libraries(pattern, with_code, out);
        Ok(())
    }

    pub(super) fn function_delete(engine: &Reach<'_, '_>, name: &[u8], out: &mut dyn Sink) -> Outcome {
        engine.scripts().delete_library(name)?;
        engine.engine().tell_functions();
        out.ok();
        Ok(())
    }

    pub(super) fn function_flush(engine: &Reach<'_, '_>, out: &mut dyn Sink) -> Outcome {
        engine.scripts().flush_libraries();
        engine.engine().tell_functions();
        out.ok();
        Ok(())
    }

    pub(super) fn function_dump(engine: &Reach<'_, '_>, out: &mut dyn Sink) -> Outcome {
        out.bulk(&engine.scripts().dump_libraries());
        Ok(())
    }

    pub(super) fn function_restore(
        engine: &Reach<'_, '_>,
        data: &[u8],
        policy: RestorePolicy,
        out: &mut dyn Sink,
    ) -> Outcome {
        engine.scripts().restore_libraries(data, policy)?;
        engine.engine().tell_functions();
        out.ok();
        Ok(())
    }
}

/// What they do where Lua was left out.
#[cfg(not(feature = "script"))]
mod body {
    use super::{Args, CommandError, Kind, Outcome, Reach, RestorePolicy, Session, Sink, keys_and_args};

    const ABSENT: CommandError =
        CommandError::text("ERR this damselfly was built without scripts (feature `script`)");

    pub(super) fn eval(
        _: &mut Session,
        _: &mut Reach<'_, '_>,
        args: &mut Args<'_>,
        _: &mut dyn Sink,
        Kind { by_digest, read_only }: Kind,
    ) -> Outcome {
        let _ = (args.required()?, by_digest, read_only);
        keys_and_args(args, CommandError::NotAnInteger)?;
        Err(ABSENT)
    }

    pub(super) fn fcall(
        _: &mut Session,
        _: &mut Reach<'_, '_>,
        _: &mut Args<'_>,
        _: &mut dyn Sink,
        _: bool,
    ) -> Outcome {
        Err(ABSENT)
    }

    pub(super) fn script_load(_: &Reach<'_, '_>, _: &[u8], _: &mut dyn Sink) -> Outcome {
        Err(ABSENT)
    }

    pub(super) fn script_exists(_: &Reach<'_, '_>, digests: &[&[u8]], out: &mut dyn Sink) -> Outcome {
        out.array(digests.len());
        digests.iter().for_each(|_| out.int(0));
        Ok(())
    }

    pub(super) fn script_flush(_: &Reach<'_, '_>, out: &mut dyn Sink) -> Outcome {
        out.ok();
        Ok(())
    }

    pub(super) fn function_load(_: &Reach<'_, '_>, _: &[u8], _: bool, _: &mut dyn Sink) -> Outcome {
        Err(ABSENT)
    }

    pub(super) fn function_list(_: &Reach<'_, '_>, _: Option<&[u8]>, _: bool, out: &mut dyn Sink) -> Outcome {
        out.array(0);
        Ok(())
    }

    pub(super) fn function_delete(_: &Reach<'_, '_>, _: &[u8], _: &mut dyn Sink) -> Outcome {
        Err(CommandError::text("ERR Library not found"))
    }

    pub(super) fn function_flush(_: &Reach<'_, '_>, out: &mut dyn Sink) -> Outcome {
        out.ok();
        Ok(())
    }

    pub(super) fn function_dump(_: &Reach<'_, '_>, _: &mut dyn Sink) -> Outcome {
        Err(ABSENT)
    }

    pub(super) fn function_restore(
        _: &Reach<'_, '_>,
        _: &[u8],
        _: RestorePolicy,
        _: &mut dyn Sink,
    ) -> Outcome {
        Err(ABSENT)
    }
}

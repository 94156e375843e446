//! `CLIENT`: what a client says of itself, what it sees of others and does to them.
//!
//! Who a client is to others stands in [`crate::engine::Client`], in the engine's registry; what only its own thread
//! needs stands in its [`Session`].

mod kill;
mod list;
mod tracking;

pub(crate) use list::describe;

use super::args::{Args, parse_int};
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, container, row};
use crate::engine::{Client, Ended, PauseKind, Reach, ReplyMode, Session};
use crate::reply::Sink;
use std::sync::atomic::Ordering;

/// The family's rows.
pub const COMMANDS: &[Command] = &[container("CLIENT", SUBCOMMANDS).of(Group::Connection, "2.4.0").doc(
    "",
    "A container for client connection commands.",
    "Depends on subcommand.",
)];

const SUBCOMMANDS: &[Command] = &[
    row("CACHING", 3, &[NoScript, Loading, Stale], Keys::None, Run::Session(tracking::caching))
        .of(Group::Connection, "6.0.0")
        .doc("<YES | NO>", "Instructs the server whether to track the keys in the next request.", "O(1)"),
    row("GETNAME", 2, &[NoScript, Loading, Stale], Keys::None, Run::Session(getname))
        .of(Group::Connection, "2.6.9")
        .doc("", "Returns the name of the connection.", "O(1)"),
    row("GETREDIR", 2, &[NoScript, Loading, Stale], Keys::None, Run::Session(tracking::getredir))
        .of(Group::Connection, "6.0.0")
        .doc(
            "",
            "Returns the client ID to which the connection's tracking notifications are redirected.",
            "O(1)",
        ),
    row("HELP", 2, &[Loading, Stale], Keys::None, Run::Session(help)).of(Group::Connection, "5.0.0").doc(
        "",
        "Returns helpful text about the different subcommands.",
        "O(1)",
    ),
    row("ID", 2, &[NoScript, Loading, Stale], Keys::None, Run::Session(id))
        .of(Group::Connection, "5.0.0")
        .doc("", "Returns the unique client ID of the connection.", "O(1)"),
    row("INFO", 2, &[NoScript, Loading, Stale], Keys::None, Run::Session(list::info))
        .of(Group::Connection, "6.2.0")
        .doc("", "Returns information about the connection.", "O(1)"),
    row("KILL", -3, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(kill::kill))
        .of(Group::Connection, "2.4.0")
        .doc(
            "<ip:port | <[ID client-id] | [TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | \
             [USER username] | [ADDR ip:port] | [LADDR ip:port] | [SKIPME <YES | NO>] | [MAXAGE maxage] \
             [...]>>",
            "Terminates open connections.",
            "O(N) where N is the number of client connections",
        ),
    row("LIST", -2, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(list::list))
        .of(Group::Connection, "2.4.0")
        .doc(
            "[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]",
            "Lists open connections.",
            "O(N) where N is the number of client connections",
        ),
    row("CAPA", -3, &[NoScript, Loading, Stale], Keys::None, Run::Session(capa))
        .of(Group::Connection, "8.0.0")
        .doc("capability [capability ...]", "A client claims its capability.", "O(1)"),
    row("NO-EVICT", 3, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(no_evict))
        .of(Group::Connection, "7.0.0")
        .doc("<ON | OFF>", "Sets the client eviction mode of the connection.", "O(1)"),
    row("NO-TOUCH", 3, &[NoScript, Loading, Stale], Keys::None, Run::Session(no_touch))
        .of(Group::Connection, "7.2.0")
        .doc(
            "<ON | OFF>",
            "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
            "O(1)",
        ),
    row("PAUSE", -3, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(pause))
        .of(Group::Connection, "3.0.0")
        .doc("timeout [WRITE | ALL]", "Suspends commands processing.", "O(1)"),
    row("REPLY", 3, &[NoScript, Loading, Stale], Keys::None, Run::Session(reply))
        .of(Group::Connection, "3.2.0")
        .doc("<ON | OFF | SKIP>", "Instructs the server whether to reply to commands.", "O(1)"),
    row("SETINFO", 4, &[NoScript, Loading, Stale], Keys::None, Run::Session(setinfo))
        .of(Group::Connection, "7.2.0")
        .doc(
            "<LIB-NAME libname | LIB-VER libver>",
            "Sets information specific to the client or connection.",
            "O(1)",
        ),
    row("SETNAME", 3, &[NoScript, Loading, Stale], Keys::None, Run::Session(setname))
        .of(Group::Connection, "2.6.9")
        .doc("connection-name", "Sets the connection name.", "O(1)"),
    row("TRACKING", -3, &[NoScript, Loading, Stale], Keys::None, Run::Session(tracking::tracking))
        .of(Group::Connection, "6.0.0")
        .doc(
            "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] \
             [NOLOOP]",
            "Controls server-assisted client-side caching for the connection.",
            "O(1). Some options may introduce additional complexity.",
        ),
    row("TRACKINGINFO", 2, &[NoScript, Loading, Stale], Keys::None, Run::Session(tracking::trackinginfo))
        .of(Group::Connection, "6.2.0")
        .doc("", "Returns information about server-assisted client-side caching for the connection.", "O(1)"),
    row("UNBLOCK", -3, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(unblock))
        .of(Group::Connection, "5.0.0")
        .doc(
            "client-id [TIMEOUT | ERROR]",
            "Unblocks a client blocked by a blocking command from a different connection.",
            "O(log N) where N is the number of client connections",
        ),
    row("UNPAUSE", 2, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(unpause))
        .of(Group::Connection, "6.2.0")
        .doc(
            "",
            "Resumes processing commands from paused clients.",
            "O(N) Where N is the number of paused clients",
        ),
];

const HELP: &[&str] = &[
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CACHING (YES|NO)",
    "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
    "GETREDIR",
    "    Return the client ID we are redirecting to when tracking is enabled.",
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "KILL <ip:port>",
    "    Kill connection made from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Kill connections. Options are:",
    "    * ADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made from the specified address",
    "    * LADDR (<ip:port>|<unixsocket>:0)",
    "      Kill connections made to specified local address",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Kill connections by type.",
    "    * USER <username>",
    "      Kill connections authenticated by <username>.",
    "    * SKIPME (YES|NO)",
    "      Skip killing current connection (default: yes).",
    "    * ID <client-id>",
    "      Kill connections by client id.",
    "    * MAXAGE <maxage>",
    "      Kill connections older than the specified age.",
    "LIST [options ...]",
    "    Return information about client connections. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Return clients of specified type.",
    "UNPAUSE",
    "    Stop the current client pause, resuming traffic.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Suspend all, or just write, clients for <timeout> milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Control the replies sent to the current connection.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "SETINFO <option> <value>",
    "    Set client meta attr. Options are:",
    "    * LIB-NAME: the client lib name.",
    "    * LIB-VER: the client lib version.",
    "UNBLOCK <clientid> [TIMEOUT|ERROR]",
    "    Unblock the specified blocked client.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
    "         [OPTIN] [OPTOUT] [NOLOOP]",
    "    Control server assisted client side caching.",
    "TRACKINGINFO",
    "    Report tracking status for the current connection.",
    "NO-EVICT (ON|OFF)",
    "    Protect current client connection from eviction.",
    "NO-TOUCH (ON|OFF)",
    "    Will not touch LRU/LFU stats when this mode is on.",
    "HELP",
    "    Prints this help.",
];

/// Replies with a line or two for each subcommand. O(1).
///
/// Reference: <https://valkey.io/commands/client-help/>
fn help(
    _: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.array(HELP.len());
    HELP.iter().for_each(|line| out.simple(line));
    Ok(())
}

/// Replies with the client's number, which is never used again. O(1).
///
/// Reference: <https://valkey.io/commands/client-id/>
fn id(
    session: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.int(session.client.id as i64);
    Ok(())
}

/// Replies with the client's name, null without one. O(1).
///
/// Reference: <https://valkey.io/commands/client-getname/>
fn getname(
    session: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let labels = session.client.labels.lock();
    if labels.name.is_empty() {
        out.null();
    } else {
        out.bulk(&labels.name);
    }
    Ok(())
}

/// Names the client; an empty name takes it away. Errors: a name that would garble `CLIENT LIST`. O(length).
///
/// Reference: <https://valkey.io/commands/client-setname/>
fn setname(
    session: &mut Session,
    _: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let name = validate_name(args.required()?)?;
    set_name(session, name);
    out.ok();
    Ok(())
}

/// A name as `CLIENT LIST` can show it: printable ASCII without blanks, or empty.
///
/// # Errors
/// The text that `CLIENT SETNAME` and `HELLO` have for it.
pub(super) fn validate_name(name: &[u8]) -> Result<&[u8], CommandError> {
    if is_label(name) {
        Ok(name)
    } else {
        Err(CommandError::text("ERR Client names cannot contain spaces, newlines or special characters."))
    }
}

/// Gives the client a name that was validated.
pub(super) fn set_name(session: &Session, name: &[u8]) {
    session.client.labels.lock().name = name.to_vec();
}

fn is_label(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_graphic)
}

/// Notes the client library's name or version. Errors: another option; a text that would garble `CLIENT LIST`.
/// O(length).
///
/// Reference: <https://valkey.io/commands/client-setinfo/>
fn setinfo(
    session: &mut Session,
    _: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (option, value) = (args.required()?, args.required()?);
    let mut labels = session.client.labels.lock();
    let label = if option.eq_ignore_ascii_case(b"lib-name") {
        &mut labels.lib_name
    } else if option.eq_ignore_ascii_case(b"lib-ver") {
        &mut labels.lib_ver
    } else {
        let option = String::from_utf8_lossy(option);
        return Err(format!("ERR Unrecognized option '{option}'").into());
    };
    if !is_label(value) {
        let option = String::from_utf8_lossy(option);
        return Err(format!("ERR {option} cannot contain spaces, newlines or special characters.").into());
    }
    *label = value.to_vec();
    out.ok();
    Ok(())
}

/// Says whether replies are sent: `ON` is answered, `OFF` is not, and `SKIP` drops its own reply and the next. O(1).
///
/// Reference: <https://valkey.io/commands/client-reply/>
fn reply(
    session: &mut Session,
    _: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    if args.eat("ON") {
        session.reply_mode = ReplyMode::On;
        out.ok();
    } else if args.eat("OFF") {
        session.reply_mode = ReplyMode::Off;
    } else if args.eat("SKIP") {
        if session.reply_mode != ReplyMode::Off {
            session.reply_mode = ReplyMode::SkipNext;
        }
    } else {
        return Err(CommandError::Syntax);
    }
    Ok(())
}

/// Protects the client from being closed for the memory it takes. O(1).
///
/// Reference: <https://valkey.io/commands/client-no-evict/>
fn no_evict(
    session: &mut Session,
    _: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    session.client.no_evict.store(on_or_off(args)?, Ordering::Relaxed);
    out.ok();
    Ok(())
}

/// Takes note of nothing: what a client claims to be able to do concerns redirections, and there are none. O(1).
///
/// Reference: <https://valkey.io/commands/client-capa/>
fn capa(
    _: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.ok();
    Ok(())
}

/// Leaves the idle times of the keys that the client reads alone. O(1).
///
/// Reference: <https://valkey.io/commands/client-no-touch/>
fn no_touch(
    session: &mut Session,
    _: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    session.set_no_touch(on_or_off(args)?);
    out.ok();
    Ok(())
}

fn on_or_off(args: &mut Args<'_>) -> Result<bool, CommandError> {
    if args.eat("ON") {
        Ok(true)
    } else if args.eat("OFF") {
        Ok(false)
    } else {
        Err(CommandError::Syntax)
    }
}

/// What Redis says to an argument too many, where the arity alone does not say it.
fn too_many(subcommand: &str) -> CommandError {
    format!("ERR unknown subcommand or wrong number of arguments for '{subcommand}'. Try CLIENT HELP.").into()
}

/// Holds back all commands, or those that may write, for so many ms. Errors: a timeout that is none. O(1).
///
/// Reference: <https://valkey.io/commands/client-pause/>
fn pause(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let subcommand = args.argv().get(1).copied().unwrap_or_default();
    if args.left() > 2 {
        return Err(too_many(&String::from_utf8_lossy(subcommand)));
    }
    let timeout = args.required()?;
    let kind = match args.try_next() {
        None => PauseKind::All,
        Some(kind) if kind.eq_ignore_ascii_case(b"all") => PauseKind::All,
        Some(kind) if kind.eq_ignore_ascii_case(b"write") => PauseKind::Write,
        Some(_) => return Err(CommandError::text("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    let timeout_ms =
        parse_int(timeout).ok_or(CommandError::text("ERR timeout is not an integer or out of range"))?;
    let timeout_ms = u64::try_from(timeout_ms).map_err(|_| CommandError::TimeoutNegative)?;
    let until_ms = match timeout_ms {
        // No pause of its own, but it makes one that is on stricter.
        0 => 0,
        ms => ms
            .checked_add(engine.clock().now_ms())
            .filter(|&until_ms| i64::try_from(until_ms).is_ok())
            .ok_or(CommandError::TimeoutOutOfRange)?,
    };
    engine.pause_clients(kind, until_ms);
    out.ok();
    Ok(())
}

/// Ends `CLIENT PAUSE`. O(clients held back).
///
/// Reference: <https://valkey.io/commands/client-unpause/>
fn unpause(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    engine.unpause_clients();
    out.ok();
    Ok(())
}

/// Ends another client's wait for a key; replies 1 where it was waiting, else 0. O(1).
///
/// Reference: <https://valkey.io/commands/client-unblock/>
fn unblock(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let subcommand = args.argv().get(1).copied().unwrap_or_default();
    if args.left() > 2 {
        return Err(too_many(&String::from_utf8_lossy(subcommand)));
    }
    let id = args.required()?;
    let how = match args.try_next() {
        None => Ended::TimedOut,
        Some(reason) if reason.eq_ignore_ascii_case(b"timeout") => Ended::TimedOut,
        Some(reason) if reason.eq_ignore_ascii_case(b"error") => Ended::Unblocked,
        Some(_) => {
            return Err(CommandError::text("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
        }
    };
    let id = parse_int(id).ok_or(CommandError::NotAnInteger)?;
    let client = u64::try_from(id).ok().and_then(|id| engine.client(id));
    let unblocked = client.is_some_and(|client| engine.unblock(&client, how));
    out.int(i64::from(unblocked));
    Ok(())
}

/// What `TYPE` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Normal,
    PubSub,
    /// Masters and replicas, of which there are none.
    Other,
}

impl Kind {
    /// Whether a client is of this kind.
    fn takes(self, client: &Client) -> bool {
        let subscribes = client.subscriptions_len() > 0;
        match self {
            Kind::Normal => !subscribes,
            Kind::PubSub => subscribes,
            Kind::Other => false,
        }
    }

    fn parse(name: &[u8]) -> Result<Kind, CommandError> {
        let is = |word: &&str| name.eq_ignore_ascii_case(word.as_bytes());
        if is(&"normal") {
            Ok(Kind::Normal)
        } else if is(&"pubsub") {
            Ok(Kind::PubSub)
        } else if ["master", "slave", "replica"].iter().any(is) {
            Ok(Kind::Other)
        } else {
            Err(format!("ERR Unknown client type '{}'", String::from_utf8_lossy(name)).into())
        }
    }
}

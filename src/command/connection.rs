//! Connection commands: how a client introduces itself, proves who it is, chooses a database, and leaves.
//!
//! Whether a client has to authenticate is decided when it connects and when it says `RESET`; see
//! [`Engine::must_authenticate`](crate::engine::Engine::must_authenticate).

use super::args::{Args, parse_int};
use super::client::{set_name, validate_name};
use super::error::CommandError;
use super::info::REDIS_VERSION;
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use crate::engine::acl::{Context, DEFAULT};
use crate::engine::{Reach, Session};
use crate::reply::{Protocol, Sink};

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    row("PING", -1, &[Fast, Listening], Keys::None, Run::Session(ping)).of(Group::Connection, "1.0.0").doc(
        "[message]",
        "Returns the server's liveliness response.",
        "O(1)",
    ),
    row("ECHO", 2, &[Loading, Stale, Fast], Keys::None, Run::Session(echo))
        .of(Group::Connection, "1.0.0")
        .doc("message", "Returns the given string.", "O(1)"),
    row("AUTH", -2, &[NoScript, Loading, Stale, Fast, NoAuth, AllowBusy], Keys::None, Run::Session(auth))
        .of(Group::Connection, "1.0.0")
        .doc(
            "[username] password",
            "Authenticates the connection.",
            "O(N) where N is the number of passwords defined for the user",
        ),
    row("HELLO", -1, &[NoScript, Loading, Stale, Fast, NoAuth, AllowBusy], Keys::None, Run::Session(hello))
        .of(Group::Connection, "6.0.0")
        .doc(
            "[protover [AUTH username password] [SETNAME clientname]]",
            "Handshakes with the Redis server.",
            "O(1)",
        ),
    row("SELECT", 2, &[Loading, Stale, Fast], Keys::None, Run::Session(select))
        .of(Group::Connection, "1.0.0")
        .doc("index", "Changes the selected database.", "O(1)"),
    row(
        "QUIT",
        -1,
        &[NoScript, Loading, Stale, Fast, NoAuth, AllowBusy, NotQueued, Listening],
        Keys::None,
        Run::Session(quit),
    )
    .of(Group::Connection, "1.0.0")
    .doc("", "Closes the connection.", "O(1)"),
    row(
        "RESET",
        1,
        &[NoScript, Loading, Stale, Fast, NoAuth, AllowBusy, NotQueued, Listening],
        Keys::None,
        Run::Session(reset),
    )
    .of(Group::Connection, "6.2.0")
    .doc("", "Resets the connection.", "O(1)"),
];

/// Replies `PONG`, or with the message; to a RESP2 client that subscribes, in the form of a message. Errors: the wrong
/// number of arguments. O(1).
///
/// Reference: <https://valkey.io/commands/ping/>
fn ping(
    session: &mut Session,
    _: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let message = args.try_next();
    args.end().map_err(|_| CommandError::WrongArity("ping"))?;
    if session.subscribed && session.protocol == Protocol::Resp2 {
        out.array(2);
        out.bulk(b"pong");
        out.bulk(message.unwrap_or_default());
        return Ok(());
    }
    match message {
        None => out.simple("PONG"),
        Some(message) => out.bulk(message),
    }
    Ok(())
}

/// Replies with the message. O(1).
///
/// Reference: <https://valkey.io/commands/echo/>
fn echo(
    _: &mut Session,
    _: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.bulk(args.required()?);
    Ok(())
}

/// Authenticates the client as `default`, or as the user named. Errors: `WRONGPASS`, which leaves the client as it
/// was; a password alone where none is set. O(length of the password).
///
/// Reference: <https://valkey.io/commands/auth/>
fn auth(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let first = args.required()?;
    let second = args.try_next();
    args.end()?;
    match second {
        Some(password) => authenticate(session, engine, args, first, password)?,
        None if engine.acl().default_user().rules().needs_no_password() => {
            return Err(CommandError::text(
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ));
        }
        None => authenticate(session, engine, args, DEFAULT, first)?,
    }
    out.ok();
    Ok(())
}

fn authenticate(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &Args<'_>,
    user: &[u8],
    password: &[u8],
) -> Result<(), CommandError> {
    if engine.authenticate(session, user, password) {
        return Ok(());
    }
    let context = if engine.is_inside() { Context::Multi } else { Context::TopLevel };
    engine.note_failed_auth(session, args.argv(), context, user);
    Err(CommandError::WrongPass)
}

/// Switches the protocol, and on the way authenticates and names the client; replies with what this server is, in the
/// protocol switched to. Everything is checked before anything changes, but for a login that succeeded. Errors:
/// `NOPROTO`, `NOAUTH`, `WRONGPASS`, unknown options, names with blanks. O(1).
///
/// Reference: <https://valkey.io/commands/hello/>
fn hello(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let protocol = match args.try_next().map(parse_int) {
        None => None,
        Some(Some(2)) => Some(Protocol::Resp2),
        Some(Some(3)) => Some(Protocol::Resp3),
        Some(Some(_)) => return Err(CommandError::text("NOPROTO unsupported protocol version")),
        Some(None) => {
            return Err(CommandError::text("ERR Protocol version is not an integer or out of range"));
        }
    };
    let (mut login, mut name) = (None, None);
    while let Some(option) = args.try_next() {
        if option.eq_ignore_ascii_case(b"AUTH") && args.left() >= 2 {
            login = Some((args.required()?, args.required()?));
        } else if option.eq_ignore_ascii_case(b"SETNAME") && args.left() >= 1 {
            name = Some(validate_name(args.required()?)?);
        } else {
            let option = String::from_utf8_lossy(option);
            return Err(format!("ERR Syntax error in HELLO option '{option}'").into());
        }
    }
    if let Some((user, password)) = login {
        authenticate(session, engine, args, user, password)?;
    }
    if !session.authenticated {
        return Err(CommandError::text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the \
             HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and \
             select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = name {
        set_name(session, name);
    }
    if let Some(protocol) = protocol {
        session.set_protocol(protocol);
        out.set_protocol(protocol);
    }
    write_server(session, engine.cluster().is_on(), out);
    Ok(())
}

/// What `HELLO` says of the server. Its name is that of the server we are compatible with: clients look for it.
fn write_server(session: &Session, in_cluster: bool, out: &mut dyn Sink) {
    out.map(7);
    out.bulk(b"server");
    out.bulk(b"redis");
    out.bulk(b"version");
    out.bulk(REDIS_VERSION.as_bytes());
    out.bulk(b"proto");
    out.int(if session.protocol == Protocol::Resp3 { 3 } else { 2 });
    out.bulk(b"id");
    out.int(session.client.id as i64);
    out.bulk(b"mode");
    out.bulk(if in_cluster { b"cluster".as_slice() } else { b"standalone" });
    out.bulk(b"role");
    out.bulk(b"master");
    out.bulk(b"modules");
    out.array(0);
}

/// Selects the database that the client's commands work on. Errors: no such database. O(1).
///
/// Reference: <https://valkey.io/commands/select/>
fn select(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let number = args.int()?;
    if i32::try_from(number).is_err() {
        return Err(CommandError::text(
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        ));
    }
    if number != 0 && engine.cluster().is_on() {
        return Err(CommandError::text("ERR SELECT is not allowed in cluster mode"));
    }
    let db = usize::try_from(number).ok().filter(|&db| db < engine.databases());
    session.select(db.ok_or(CommandError::DbIndexOutOfRange)?);
    out.ok();
    Ok(())
}

/// Replies `OK` and closes the connection; also where replies are off, in which case Redis leaves it open. O(1).
///
/// Reference: <https://valkey.io/commands/quit/>
fn quit(
    session: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    session.closing = true;
    out.ok();
    Ok(())
}

/// Puts the client back to where it was when it connected: database 0, RESP2, no name, replies on, no subscriptions, no
/// tracking, and unauthenticated where a password is set. O(1).
///
/// Reference: <https://valkey.io/commands/reset/>
fn reset(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    // What was queued and watched goes first; there may be none.
    let _ = engine.engine().discard(session);
    engine.engine().unwatch(session);
    engine.engine().unsubscribe_all(session);
    engine.untrack(session);
    engine.engine().end_monitor(session);
    session.reset();
    engine.forget_user(session);
    out.set_protocol(Protocol::Resp2);
    out.simple("RESET");
    Ok(())
}

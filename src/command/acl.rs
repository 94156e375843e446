//! `ACL`: users over the wire. What rules mean is `engine::acl`'s business.

use super::args::{Args, parse_int};
use super::error::CommandError;
use super::introspect;
use super::table::{Command, Flag::*, Group, Keys, Run, container, row};
use super::{unfit, write_help};
use crate::engine::acl::{LogEntry, Selector, User};
use crate::engine::{Reach, Scope, Session};
use crate::hex::hex;
use crate::reply::Sink;
use std::sync::Arc;

/// The family's rows.
pub const COMMANDS: &[Command] = &[container("ACL", ACL).of(Group::Server, "6.0.0").doc(
    "",
    "A container for Access List Control commands.",
    "Depends on subcommand.",
)];

const OF_USERS: &str = "O(N). Where N is the number of configured users.";

const ACL: &[Command] = &[
    row("CAT", -2, &[NoScript, Loading, Stale], Keys::None, Run::Session(cat))
        .of(Group::Server, "6.0.0")
        .doc(
            "[category]",
            "Lists the ACL categories, or the commands inside a category.",
            "O(1) since the categories and commands are a fixed set.",
        ),
    row("DELUSER", -3, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(deluser))
        .of(Group::Server, "6.0.0")
        .doc(
            "username [username ...]",
            "Deletes ACL users, and terminates their connections.",
            "O(1) amortized time considering the typical user.",
        ),
    row("DRYRUN", -4, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(dryrun))
        .of(Group::Server, "7.0.0")
        .doc(
            "username command [arg [arg ...]]",
            "Simulates the execution of a command by a user, without executing the command.",
            "O(1).",
        ),
    row("GENPASS", -2, &[NoScript, Loading, Stale], Keys::None, Run::Session(genpass))
        .of(Group::Server, "6.0.0")
        .doc(
            "[bits]",
            "Generates a pseudorandom, secure password that can be used to identify ACL users.",
            "O(1)",
        ),
    row("GETUSER", 3, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(getuser))
        .of(Group::Server, "6.0.0")
        .doc(
            "username",
            "Lists the ACL rules of a user.",
            "O(N). Where N is the number of password, command and pattern rules that the user has.",
        ),
    row("HELP", 2, &[Loading, Stale], Keys::None, Run::Session(help)).of(Group::Server, "6.0.0").doc(
        "",
        "Returns helpful text about the different subcommands.",
        "O(1)",
    ),
    row("LIST", 2, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(list))
        .of(Group::Server, "6.0.0")
        .doc("", "Dumps the effective rules in ACL file format.", OF_USERS),
    row("LOAD", 2, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(load))
        .of(Group::Server, "6.0.0")
        .doc("", "Reloads the rules from the configured ACL file.", OF_USERS),
    row("LOG", -2, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(log))
        .of(Group::Server, "6.0.0")
        .doc(
            "[count | RESET]",
            "Lists recent security events generated due to ACL rules.",
            "O(N) with N being the number of entries shown.",
        ),
    row("SAVE", 2, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(save))
        .of(Group::Server, "6.0.0")
        .doc("", "Saves the effective ACL rules in the configured ACL file.", OF_USERS),
    row("SETUSER", -3, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(setuser))
        .of(Group::Server, "6.0.0")
        .doc(
            "username [rule [rule ...]]",
            "Creates and modifies an ACL user and its rules.",
            "O(N). Where N is the number of rules provided.",
        ),
    row("USERS", 2, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(users))
        .of(Group::Server, "6.0.0")
        .doc("", "Lists all ACL users.", OF_USERS),
    row("WHOAMI", 2, &[NoScript, Loading, Stale], Keys::None, Run::Session(whoami))
        .of(Group::Server, "6.0.0")
        .doc("", "Returns the authenticated username of the current connection.", "O(1)"),
];

/// Replies with the categories, or with the commands and subcommands of one. Errors: there is no such category.
///
/// Reference: <https://valkey.io/commands/acl-cat/>
fn cat(
    _: &mut Session,
    _: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let category = args.try_next();
    args.end().map_err(|_| unfit(args))?;
    let Some(category) = category else {
        let all = introspect::all_categories();
        out.array(all.len());
        all.iter().for_each(|category| out.bulk(category.trim_start_matches('@').as_bytes()));
        return Ok(());
    };
    let found = introspect::category(&[b"@", category].concat());
    let found = found.ok_or_else(|| {
        let category = category.get(..128).unwrap_or(category);
        CommandError::from(format!("ERR Unknown category '{}'", String::from_utf8_lossy(category)))
    })?;
    let entries: Vec<_> =
        introspect::all_entries().filter(|entry| introspect::categories(entry).contains(&found)).collect();
    out.array(entries.len());
    entries.iter().for_each(|entry| out.bulk(entry.full_name.as_bytes()));
    Ok(())
}

/// Deletes users and closes the connections of those who are one of them; replies with how many there were. Errors:
/// `default` is among them.
///
/// Reference: <https://valkey.io/commands/acl-deluser/>
fn deluser(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let gone = engine.acl().delete(args.rest()).map_err(|error| error_text(&error))?;
    close_clients_of(&gone, session, engine);
    out.int(gone.len() as i64);
    Ok(())
}

/// Closes the connections of users that are no more; the caller's own after its reply.
fn close_clients_of(users: &[Arc<User>], session: &mut Session, engine: &mut Reach<'_, '_>) {
    let is_one = |user: &Arc<User>| users.iter().any(|gone| Arc::ptr_eq(gone, user));
    for client in engine.clients() {
        if client.id != session.client.id && is_one(&client.user()) {
            engine.kill(&client);
        }
    }
    if is_one(session.user()) {
        engine.engine().forget_user(session);
        session.closing = true;
    }
}

/// Closes the connections of those who listen to what they may not listen to any more; the caller's own after its reply.
fn close_subscribers(session: &mut Session, engine: &mut Reach<'_, '_>) {
    for client in engine.clients() {
        if client.subscriptions_len() == 0 || client.user().is_unrestricted() {
            continue;
        }
        let rules = client.user().rules();
        let may = |scope: Scope| {
            let names = engine.subscriptions(&client, scope);
            names.iter().all(|name| rules.allows_channel(name, scope == Scope::Pattern))
        };
        if [Scope::Channel, Scope::Pattern, Scope::Shard].into_iter().all(may) {
            continue;
        }
        if client.id == session.client.id {
            session.closing = true;
        } else {
            engine.kill(&client);
        }
    }
}

fn error_text(error: &dyn std::fmt::Display) -> CommandError {
    format!("ERR {error}").into()
}

/// Replies `OK` if a user may run a command, and otherwise with what stands against it. Errors: no such user, no such
/// command, the wrong number of arguments for it.
///
/// Reference: <https://valkey.io/commands/acl-dryrun/>
fn dryrun(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let name = args.required()?;
    let argv = args.rest();
    let user = engine.acl().user(name);
    let user = user.ok_or_else(|| {
        CommandError::from(format!("ERR User '{}' not found", String::from_utf8_lossy(name)))
    })?;
    let command = argv.first().copied().unwrap_or_default();
    let entry = Some(command).filter(|name| !name.contains(&b'|'));
    let entry = entry.and_then(|name| engine.find_named(session, name)).and_then(|entry| match argv.get(1) {
        Some(sub) if !entry.subcommands.is_empty() => entry.subcommand(sub),
        _ => Some(entry),
    });
    let entry = entry.ok_or_else(|| {
        CommandError::from(format!("ERR Command '{}' not found", String::from_utf8_lossy(command)))
    })?;
    if !entry.command.takes(argv.len()) {
        return Err(CommandError::WrongArity(entry.full_name));
    }
    match user.check(entry, argv) {
        Ok(()) => out.ok(),
        Err(denied) => out.bulk(denied.in_full().as_bytes()),
    }
    Ok(())
}

/// Replies with so many random bits as hexadecimal digits, 256 where none are said. Errors: a number that is none,
/// not positive, or beyond 4096.
///
/// Reference: <https://valkey.io/commands/acl-genpass/>
fn genpass(
    _: &mut Session,
    _: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    const BITS_MAX: i64 = 4096;
    let bits = args.try_next().map_or(Some(256), parse_int);
    args.end().map_err(|_| unfit(args))?;
    let bits = bits.ok_or(CommandError::NotAnInteger)?;
    if !(1..=BITS_MAX).contains(&bits) {
        return Err(format!(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to \
             {BITS_MAX}"
        )
        .into());
    }
    let digits = (bits as usize).div_ceil(4);
    let mut bytes = vec![0; digits.div_ceil(2)];
    getrandom::fill(&mut bytes)
        .map_err(|_| CommandError::text("ERR the operating system gives no random numbers"))?;
    out.bulk(hex(&bytes).as_bytes().get(..digits).unwrap_or_default());
    Ok(())
}

/// Replies with a user's rules; null where there is no such user.
///
/// Reference: <https://valkey.io/commands/acl-getuser/>
fn getuser(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let Some(user) = engine.acl().user(args.required()?) else {
        out.null();
        return Ok(());
    };
    let rules = user.rules();
    out.map(6);
    out.bulk(b"flags");
    let flags = rules.flag_words();
    out.set(flags.len());
    flags.iter().for_each(|flag| out.bulk(flag.as_bytes()));
    out.bulk(b"passwords");
    let passwords = rules.password_hashes();
    out.array(passwords.len());
    passwords.iter().for_each(|hash| out.bulk(hash.as_bytes()));
    write_selector(rules.root(), out);
    out.bulk(b"selectors");
    out.array(rules.selectors().len());
    for selector in rules.selectors() {
        out.map(3);
        write_selector(selector, out);
    }
    Ok(())
}

/// The three fields of a selector.
fn write_selector(selector: &Selector, out: &mut dyn Sink) {
    let mut field = |name: &[u8], write: &dyn Fn(&mut Vec<u8>)| {
        let mut text = Vec::new();
        write(&mut text);
        out.bulk(name);
        out.bulk(&text);
    };
    field(b"commands", &|text| selector.write_commands(text));
    field(b"keys", &|text| selector.write_keys(text));
    field(b"channels", &|text| selector.write_channels(text));
}

/// Replies with all users in the form that files keep. Reference: <https://valkey.io/commands/acl-list/>
fn list(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let lines = engine.acl().lines();
    out.array(lines.len());
    lines.iter().for_each(|line| out.bulk(line));
    Ok(())
}

/// Replaces the users by those of the ACL file and closes the connections of all but `default`. Errors: there is no
/// such file, or something in it is wrong; then nothing changes.
///
/// Reference: <https://valkey.io/commands/acl-load/>
fn load(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    need_file(engine)?;
    let gone = engine.acl().load().map_err(|error| error_text(&error))?;
    close_clients_of(&gone, session, engine);
    close_subscribers(session, engine);
    out.ok();
    Ok(())
}

/// Replaces the ACL file by the users as they are. Errors: there is no such file, or it cannot be written.
///
/// Reference: <https://valkey.io/commands/acl-save/>
fn save(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    need_file(engine)?;
    engine.acl().save().map_err(|error| error_text(&error))?;
    out.ok();
    Ok(())
}

fn need_file(engine: &mut Reach<'_, '_>) -> Result<(), CommandError> {
    if engine.acl().has_file() {
        return Ok(());
    }
    Err(CommandError::text(
        "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL \
         SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order \
         to store users in the Redis configuration.",
    ))
}

/// Replies with the newest entries of the log, ten where no number is said, or forgets them all. Errors: a number that
/// is none.
///
/// Reference: <https://valkey.io/commands/acl-log/>
fn log(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let what = args.try_next();
    args.end().map_err(|_| unfit(args))?;
    let count = match what {
        None => 10,
        Some(word) if word.eq_ignore_ascii_case(b"RESET") => {
            engine.acl().log().clear();
            out.ok();
            return Ok(());
        }
        Some(count) => parse_int(count).ok_or(CommandError::NotAnInteger)?,
    };
    let now_ms = engine.clock().now_ms();
    let entries = engine.acl().log().newest(usize::try_from(count).unwrap_or(0));
    out.array(entries.len());
    entries.iter().for_each(|entry| write_entry(entry, now_ms, out));
    Ok(())
}

fn write_entry(entry: &LogEntry, now_ms: u64, out: &mut dyn Sink) {
    out.map(10);
    out.bulk(b"count");
    out.int(entry.count as i64);
    let mut text = |name: &[u8], value: &[u8]| {
        out.bulk(name);
        out.bulk(value);
    };
    text(b"reason", entry.reason.word().as_bytes());
    text(b"context", entry.context.word().as_bytes());
    text(b"object", &entry.object);
    text(b"username", &entry.user);
    out.bulk(b"age-seconds");
    out.double(now_ms.saturating_sub(entry.updated_ms) as f64 / 1000.0);
    out.bulk(b"client-info");
    out.bulk(&entry.client);
    for (name, value) in [
        ("entry-id", entry.id),
        ("timestamp-created", entry.created_ms),
        ("timestamp-last-updated", entry.updated_ms),
    ] {
        out.bulk(name.as_bytes());
        out.int(value as i64);
    }
}

/// Makes a user, or changes it, by all of the rules or by none. Errors: the first rule that cannot be applied.
///
/// Reference: <https://valkey.io/commands/acl-setuser/>
fn setuser(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let name = args.required()?;
    engine.acl().set_user(name, args.rest()).map_err(|error| error_text(&error))?;
    close_subscribers(session, engine);
    out.ok();
    Ok(())
}

/// Replies with the names of all users. Reference: <https://valkey.io/commands/acl-users/>
fn users(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let users = engine.acl().users();
    out.array(users.len());
    users.iter().for_each(|user| out.bulk(user.name()));
    Ok(())
}

/// Replies with the name of the user that the caller is. Reference: <https://valkey.io/commands/acl-whoami/>
fn whoami(
    session: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.bulk(session.user().name());
    Ok(())
}

/// Reference: <https://valkey.io/commands/acl-help/>
fn help(
    _: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    write_help(
        out,
        "ACL",
        &[
            "CAT [<category>]",
            "    List all commands that belong to <category>, or all command categories",
            "    when no category is specified.",
            "DELUSER <username> [<username> ...]",
            "    Delete a list of users.",
            "DRYRUN <username> <command> [<arg> ...]",
            "    Returns whether the user can execute the given command without executing the command.",
            "GETUSER <username>",
            "    Get the user's details.",
            "GENPASS [<bits>]",
            "    Generate a secure 256-bit user password. The optional `bits` argument can",
            "    be used to specify a different size.",
            "LIST",
            "    Show users details in config file format.",
            "LOAD",
            "    Reload users from the ACL file.",
            "LOG [<count> | RESET]",
            "    Show the ACL log entries.",
            "SAVE",
            "    Save the current config to the ACL file.",
            "SETUSER <username> <attribute> [<attribute> ...]",
            "    Create or modify a user with the specified attributes.",
            "USERS",
            "    List all the registered usernames.",
            "WHOAMI",
            "    Return the current connection username.",
        ],
    );
    Ok(())
}

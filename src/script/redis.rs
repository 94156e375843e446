//! The functions that scripts find under `redis`.

use super::given::Given;
use super::host::HOST;
use super::raise::{self, Failure};
use super::vm::{function, none, one};
use super::{VERSION, VERSION_NUM};
use crate::reply::Protocol;
use crate::sha1;
use mlua::{Lua, MultiValue, Result, Table, Value};

/// Who looks at the functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    /// A script of `EVAL`.
    Script,
    /// A function of a library, when it is called.
    Function,
    /// A library while it is loaded.
    Load,
}

/// The table of them.
pub(super) fn library(lua: &Lua, face: Face) -> Result<Table> {
    let table = lua.create_table()?;
    for (name, level) in [("LOG_DEBUG", 0), ("LOG_VERBOSE", 1), ("LOG_NOTICE", 2), ("LOG_WARNING", 3)] {
        table.raw_set(name, level)?;
    }
    table.raw_set("REDIS_VERSION", VERSION)?;
    table.raw_set("REDIS_VERSION_NUM", VERSION_NUM)?;
    table.raw_set("SERVER_NAME", "damselfly")?;
    table.raw_set("log", function(lua, |_, given| log(given))?)?;
    if face == Face::Load {
        table.raw_set("register_function", function(lua, |_, given| super::function::register(given))?)?;
        return Ok(table);
    }
    for (name, flags) in
        [("REPL_NONE", 0), ("REPL_AOF", 1), ("REPL_SLAVE", 2), ("REPL_REPLICA", 2), ("REPL_ALL", 3)]
    {
        table.raw_set(name, flags)?;
    }
    table.raw_set("call", function(lua, |lua, given| call(lua, given, true))?)?;
    table.raw_set("pcall", function(lua, |lua, given| call(lua, given, false))?)?;
    table.raw_set("error_reply", function(lua, error_reply)?)?;
    table.raw_set("status_reply", function(lua, status_reply)?)?;
    table.raw_set("sha1hex", function(lua, sha1hex)?)?;
    table.raw_set("setresp", function(lua, |_, given| setresp(given))?)?;
    table.raw_set("set_repl", function(lua, |_, given| set_repl(given))?)?;
    table.raw_set("acl_check_cmd", function(lua, acl_check_cmd)?)?;
    if face == Face::Script {
        table.raw_set("replicate_commands", function(lua, |lua, _| one(lua, true))?)?;
        table.raw_set("breakpoint", function(lua, |lua, _| one(lua, false))?)?;
        table.raw_set("debug", function(lua, |_, _| none())?)?;
    }
    Ok(table)
}

/// Runs a command. `redis.call` raises the command's error, `redis.pcall` returns it.
fn call(lua: &Lua, given: &Given<'_>, raises: bool) -> Result<MultiValue> {
    if !HOST.is_set() {
        return Err(raise::error(lua, "commands are run by scripts only"));
    }
    let (value, is_error) = match HOST.with(|host| host.call(lua, given)) {
        Ok(reply) => reply?,
        Err(failure) if raises => return Err(raise::failure(failure)),
        Err(failure) => (Value::Table(failure.table(lua)?), false),
    };
    match (&value, raises && is_error) {
        (Value::Table(table), true) => match super::answer::failure(table)? {
            Some(failure) => Err(raise::failure(failure)),
            None => one(lua, value),
        },
        _ => one(lua, value),
    }
}

/// An error of a function of `redis`: it has `ERR` in front.
fn refused(text: &str) -> mlua::Error {
    raise::failure(Failure { text: format!("ERR {text}").into_bytes(), counted: false })
}

fn log(given: &Given<'_>) -> Result<MultiValue> {
    if given.len() < 2 {
        return Err(refused("redis.log() requires two arguments or more."));
    }
    if !matches!(given.get(1), Value::Integer(_) | Value::Number(_)) {
        return Err(refused("First argument must be a number (log level)."));
    }
    let level = given.int(1)?;
    let mut text = String::new();
    for number in 2..=given.len() {
        if let Value::String(_) | Value::Integer(_) | Value::Number(_) = given.get(number) {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&String::from_utf8_lossy(&given.string(number)?.as_bytes()));
        }
    }
    match level {
        0 => tracing::trace!(target: "damselfly::script", "{text}"),
        1 => tracing::debug!(target: "damselfly::script", "{text}"),
        2 => tracing::info!(target: "damselfly::script", "{text}"),
        3 => tracing::warn!(target: "damselfly::script", "{text}"),
        _ => return Err(refused("Invalid debug level.")),
    }
    none()
}

/// The one argument, where it is a string and nothing else was given.
fn only_string(given: &Given<'_>) -> Option<Vec<u8>> {
    match (given.len(), given.get(1)) {
        (1, Value::String(text)) => Some(text.as_bytes().to_vec()),
        _ => None,
    }
}

fn wrong_arguments(lua: &Lua) -> Result<MultiValue> {
    one(lua, Failure { text: b"ERR wrong number or type of arguments".to_vec(), counted: false }.table(lua)?)
}

fn error_reply(lua: &Lua, given: &Given<'_>) -> Result<MultiValue> {
    let Some(text) = only_string(given) else { return wrong_arguments(lua) };
    let text = text.strip_prefix(b"-").unwrap_or(&text);
    let end = text.len() - text.iter().rev().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let text = text.get(..end).unwrap_or_default();
    // What has no code gets one.
    let coded = if text.contains(&b' ') { text.to_vec() } else { [b"ERR ", text].concat() };
    one(lua, Failure { text: coded, counted: false }.table(lua)?)
}

fn status_reply(lua: &Lua, given: &Given<'_>) -> Result<MultiValue> {
    let Some(text) = only_string(given) else { return wrong_arguments(lua) };
    let table = lua.create_table_with_capacity(0, 1)?;
    table.raw_set("ok", lua.create_string(text)?)?;
    one(lua, table)
}

fn sha1hex(lua: &Lua, given: &Given<'_>) -> Result<MultiValue> {
    if given.len() != 1 {
        return Err(refused("wrong number of arguments"));
    }
    let digest = match given.get(1) {
        Value::String(_) | Value::Integer(_) | Value::Number(_) => sha1::digest(&given.string(1)?.as_bytes()),
        _ => sha1::digest(b""),
    };
    one(lua, crate::hex::hex(&digest))
}

fn setresp(given: &Given<'_>) -> Result<MultiValue> {
    if given.len() != 1 {
        return Err(refused("redis.setresp() requires one argument."));
    }
    let protocol = match given.number(1).unwrap_or(0.0) as i64 {
        2 => Protocol::Resp2,
        3 => Protocol::Resp3,
        _ => return Err(refused("RESP version must be 2 or 3.")),
    };
    if HOST.is_set() {
        HOST.with(|host| host.set_protocol(protocol));
    }
    none()
}

/// Effects are not chosen by scripts here, but the argument is checked.
fn set_repl(given: &Given<'_>) -> Result<MultiValue> {
    if given.len() != 1 {
        return Err(refused("redis.set_repl() requires two arguments."));
    }
    let flags = given.number(1).unwrap_or(0.0) as i64;
    if flags & !3 != 0 {
        return Err(refused("Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE."));
    }
    none()
}

fn acl_check_cmd(lua: &Lua, given: &Given<'_>) -> Result<MultiValue> {
    if given.len() == 0 {
        return Err(refused("Please specify at least one argument for this redis lib call"));
    }
    let mut argv = Vec::new();
    for number in 1..=given.len() {
        match given.get(number) {
            Value::String(_) | Value::Integer(_) | Value::Number(_) => {
                argv.push(given.string(number)?.as_bytes().to_vec());
            }
            _ => return Err(refused("Lua redis lib command arguments must be strings or integers")),
        }
    }
    let argv: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
    match HOST.is_set().then(|| HOST.with(|host| host.may_run(&argv))).flatten() {
        Some(may) => one(lua, may),
        None => Err(refused("Invalid command passed to redis.acl_check_cmd()")),
    }
}

//! Errors on their way through Lua.
//!
//! A function of ours cannot raise a Lua value, only an error of mlua's, which a script's `pcall` would see as an
//! object of its own kind. So what is raised is a [`Raised`], and wherever a script gets hold of an error (`pcall`,
//! `xpcall`, `coroutine.resume`, the end of the script) it is turned into the string or the table that Redis raises.

use mlua::{Error, Lua, Table, Value};
use std::fmt;

/// What was raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Raised {
    /// A string, with its position where it has one.
    Text(Vec<u8>),
    /// A table `{err = …}`, as the functions of `redis` raise.
    Reply(Failure),
}

/// An error reply, code first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub text: Vec<u8>,
    /// Whether it has been counted where it arose.
    pub counted: bool,
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Raised::Text(text) | Raised::Reply(Failure { text, .. })) = self;
        f.write_str(&String::from_utf8_lossy(text))
    }
}

impl std::error::Error for Raised {}

/// A string, with the position of the caller in front, as `luaL_error` raises.
pub(super) fn error(lua: &Lua, text: impl AsRef<[u8]>) -> Error {
    let mut positioned = position(lua, 1).into_bytes();
    positioned.extend_from_slice(text.as_ref());
    Error::external(Raised::Text(positioned))
}

/// A string without a position.
pub(super) fn plain(text: impl AsRef<[u8]>) -> Error {
    Error::external(Raised::Text(text.as_ref().to_vec()))
}

/// A table `{err = …}`.
pub(super) fn failure(failure: Failure) -> Error {
    Error::external(Raised::Reply(failure))
}

/// The same of a text with its code in front.
pub(super) fn reply(text: impl AsRef<[u8]>) -> Error {
    Error::external(Raised::Reply(Failure { text: text.as_ref().to_vec(), counted: false }))
}

/// `bad argument #n to 'f' (what)`, as `luaL_argerror` raises.
pub(super) fn argument(lua: &Lua, number: usize, what: &str) -> Error {
    let name = lua.inspect_stack(0, |debug| {
        let names = debug.names();
        (names.name.map(|name| name.into_owned()), names.name_what == Some("method"))
    });
    let (name, is_method) = name.unwrap_or((None, false));
    let name = name.unwrap_or_else(|| "?".to_owned());
    match number.checked_sub(usize::from(is_method)) {
        Some(0) if is_method => error(lua, format!("calling '{name}' on bad self ({what})")),
        number => error(lua, format!("bad argument #{} to '{name}' ({what})", number.unwrap_or(0))),
    }
}

/// `script:line: ` of the function at a level of the stack, bootstrap.lua's left out; nothing for a function that is
/// not Lua's.
fn position(lua: &Lua, mut level: usize) -> String {
    loop {
        let position = lua.inspect_stack(level, |debug| {
            let source = debug.source();
            let line = debug.current_line().filter(|&line| line > 0)?;
            source.short_src.map(|source| (source == "bootstrap", format!("{source}:{line}: ")))
        });
        match position.flatten() {
            Some((true, _)) => level += 1,
            Some((false, position)) => return position,
            None => return String::new(),
        }
    }
}

/// Source and line of the Lua function that raised what an error handler is told of.
pub(super) fn place(lua: &Lua) -> Option<(String, usize)> {
    // The handler is called by one of mlua's functions, and an error may have been raised by one of C's.
    for level in 1..=3 {
        let found = lua.inspect_stack(level, |debug| {
            let source = debug.source();
            let line = debug.current_line().unwrap_or(0);
            (source.what == "C", source.source.map(|source| source.into_owned()).unwrap_or_default(), line)
        });
        match found {
            Some((true, ..)) => {}
            Some((false, source, line)) => return Some((source, line)),
            None => return None,
        }
    }
    None
}

/// What lies behind an error of mlua's.
pub(super) fn behind(error: &Error) -> Raised {
    if let Some(raised) = error.chain().find_map(|error| error.downcast_ref::<Raised>()) {
        return raised.clone();
    }
    let mut inner = error;
    while let Error::CallbackError { cause, .. } | Error::BadArgument { cause, .. } = inner {
        inner = cause;
    }
    Raised::Text(match inner {
        Error::MemoryError(_) => b"not enough memory".to_vec(),
        Error::RuntimeError(text) | Error::SyntaxError { message: text, .. } => text.clone().into_bytes(),
        Error::StackError => b"stack overflow".to_vec(),
        other => other.to_string().into_bytes(),
    })
}

impl Failure {
    /// The table that scripts see.
    pub(super) fn table(&self, lua: &Lua) -> mlua::Result<Table> {
        let table = lua.create_table_with_capacity(0, 2)?;
        table.raw_set("err", lua.create_string(&self.text)?)?;
        if self.counted {
            table.raw_set("ignore_error_stats_update", true)?;
        }
        Ok(table)
    }
}

/// What a script is to see of something raised: a table or a string.
pub(super) fn value(lua: &Lua, raised: Value) -> mlua::Result<Value> {
    let Value::Error(error) = &raised else { return Ok(raised) };
    Ok(match behind(error) {
        Raised::Text(text) => Value::String(lua.create_string(text)?),
        Raised::Reply(failure) => Value::Table(failure.table(lua)?),
    })
}

/// What a script's `pcall` is to see of it: a table's `err` alone.
pub(super) fn text(lua: &Lua, raised: Value) -> mlua::Result<Value> {
    let raised = value(lua, raised)?;
    if let Value::Table(table) = &raised
        && let text @ (Value::String(_) | Value::Integer(_) | Value::Number(_)) = table.get::<Value>("err")?
    {
        return Ok(text);
    }
    Ok(raised)
}

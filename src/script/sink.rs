//! A command's reply as a Lua value, without any encoding in between.
//!
//! Scripts see RESP2 until they say `redis.setresp(3)`; then maps, sets, doubles and the like are tables with one
//! field that names what they are.

use crate::double::format_double;
use crate::reply::{Mark, Protocol, Sink};
use mlua::{IntoLua, Lua, LuaString, Table, Value};

/// Collects one reply.
pub(super) struct LuaSink<'l> {
    lua: &'l Lua,
    protocol: Protocol,
    done: Option<Value>,
    open: Vec<Open>,
    /// Whether the reply is an error.
    pub(super) is_error: bool,
    /// What Lua refused, which is memory.
    failure: Option<mlua::Error>,
}

/// An aggregate whose elements are still to come.
struct Open {
    table: Table,
    kind: Kind,
    /// Elements still to come.
    left: usize,
    /// Elements that came.
    len: usize,
    /// The key of a pair whose value is to come.
    key: Option<Value>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Array,
    Map,
    Set,
}

/// Elements that room is made for in advance; a length is only a claim.
const RESERVE_MAX: usize = 4096;

impl<'l> LuaSink<'l> {
    pub(super) fn new(lua: &'l Lua, protocol: Protocol) -> Self {
        Self { lua, protocol, done: None, open: Vec::new(), is_error: false, failure: None }
    }

    /// The reply; what Redis has for none where nothing was written.
    pub(super) fn finish(self) -> mlua::Result<Value> {
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(self.done.unwrap_or(Value::Boolean(false))),
        }
    }

    fn try_put(&mut self, value: impl IntoLua) -> mlua::Result<()> {
        let Some(open) = self.open.last_mut() else {
            if self.done.is_none() {
                self.done = Some(value.into_lua(self.lua)?);
            }
            return Ok(());
        };
        match open.kind {
            Kind::Array => open.table.raw_seti(open.len + 1, value)?,
            Kind::Set => match value.into_lua(self.lua)? {
                Value::Nil => {}
                value => open.table.raw_set(value, true)?,
            },
            Kind::Map => match open.key.take() {
                None => open.key = Some(value.into_lua(self.lua)?),
                Some(Value::Nil) => {}
                Some(key) => open.table.raw_set(key, value)?,
            },
        }
        open.len += 1;
        open.left = open.left.saturating_sub(1);
        self.close()
    }

    /// Closes what is complete; replies of our own commands nest a few levels.
    fn close(&mut self) -> mlua::Result<()> {
        let Some(open) = self.open.pop_if(|open| open.left == 0) else { return Ok(()) };
        let name = match open.kind {
            Kind::Array => return self.try_put(open.table),
            Kind::Map => "map",
            Kind::Set => "set",
        };
        let table = self.lua.create_table_with_capacity(0, 1)?;
        table.raw_set(name, open.table)?;
        self.try_put(table)
    }

    fn put(&mut self, value: impl IntoLua) {
        if self.failure.is_none() {
            self.failure = self.try_put(value).err();
        }
    }

    fn begin(&mut self, kind: Kind, len: usize) {
        if self.failure.is_some() {
            return;
        }
        let reserve = len.min(RESERVE_MAX);
        let table = match kind {
            Kind::Array => self.lua.create_table_with_capacity(reserve, 0),
            Kind::Map | Kind::Set => self.lua.create_table_with_capacity(0, reserve),
        };
        let result = table.and_then(|table| {
            let left = if kind == Kind::Map { len.saturating_mul(2) } else { len };
            self.open.push(Open { table, kind, left, len: 0, key: None });
            self.close()
        });
        self.failure = result.err();
    }

    /// A table of one field.
    fn named(&mut self, name: &str, value: impl IntoLua) {
        let table = self.lua.create_table_with_capacity(0, 1).and_then(|table| {
            table.raw_set(name, value)?;
            Ok(table)
        });
        match table {
            Ok(table) => self.put(table),
            Err(failure) => self.failure = Some(failure),
        }
    }

    fn is_resp3(&self) -> bool {
        self.protocol == Protocol::Resp3
    }
}

impl Sink for LuaSink<'_> {
    fn protocol(&self) -> Protocol {
        self.protocol
    }
    fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }
    fn simple(&mut self, text: &str) {
        self.named("ok", text);
    }
    fn error(&mut self, text: &str) {
        if self.open.is_empty() {
            self.is_error = true;
        }
        let failure = super::raise::Failure { text: text.as_bytes().to_vec(), counted: true };
        match failure.table(self.lua) {
            Ok(table) => self.put(table),
            Err(failure) => self.failure = Some(failure),
        }
    }
    fn int(&mut self, value: i64) {
        self.put(value as f64);
    }
    fn bulk(&mut self, value: &[u8]) {
        self.put(LuaString::wrap(value));
    }
    fn null(&mut self) {
        if self.is_resp3() {
            self.put(Value::Nil);
        } else {
            self.put(false);
        }
    }
    fn null_array(&mut self) {
        self.null();
    }
    fn array(&mut self, len: usize) {
        self.begin(Kind::Array, len);
    }
    fn map(&mut self, pairs: usize) {
        if self.is_resp3() {
            self.begin(Kind::Map, pairs);
        } else {
            self.begin(Kind::Array, pairs.saturating_mul(2));
        }
    }
    fn set(&mut self, len: usize) {
        self.begin(if self.is_resp3() { Kind::Set } else { Kind::Array }, len);
    }
    fn push(&mut self, len: usize) {
        self.begin(Kind::Array, len);
    }
    fn double(&mut self, value: f64) {
        if self.is_resp3() {
            self.named("double", value);
        } else {
            self.bulk(format_double(value).as_bytes());
        }
    }
    fn boolean(&mut self, value: bool) {
        if self.is_resp3() {
            self.put(value);
        } else {
            self.int(i64::from(value));
        }
    }
    fn big_number(&mut self, digits: &str) {
        if self.is_resp3() {
            self.named("big_number", digits);
        } else {
            self.bulk(digits.as_bytes());
        }
    }
    fn verbatim(&mut self, format: &str, text: &[u8]) {
        if !self.is_resp3() {
            return self.bulk(text);
        }
        let table = self.lua.create_table_with_capacity(0, 2).and_then(|table| {
            table.raw_set("format", format)?;
            table.raw_set("string", LuaString::wrap(text))?;
            Ok(table)
        });
        match table {
            Ok(table) => self.named("verbatim_string", table),
            Err(failure) => self.failure = Some(failure),
        }
    }
    /// One command's reply is collected, and the only place to go back to is its beginning.
    fn mark(&self) -> Mark {
        Mark(0, 0)
    }
    fn rollback(&mut self, _: Mark) {
        self.done = None;
        self.open.clear();
        self.is_error = false;
        self.failure = None;
    }
}

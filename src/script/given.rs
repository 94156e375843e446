//! The arguments of a function that scripts call, read as Lua's own functions read theirs, with their error texts.

use super::raise;
use mlua::{Lua, LuaString, MultiValue, Result, Table, Value};

/// The arguments of one call; numbers of arguments begin with 1, as Lua counts.
pub(super) struct Given<'l> {
    pub lua: &'l Lua,
    pub values: MultiValue,
}

impl Given<'_> {
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// An argument; nil where there is none.
    pub(super) fn get(&self, number: usize) -> &Value {
        static NIL: Value = Value::Nil;
        number.checked_sub(1).and_then(|at| self.values.get(at)).unwrap_or(&NIL)
    }

    /// What is wrong with an argument.
    pub(super) fn wrong(&self, number: usize, what: &str) -> mlua::Error {
        raise::argument(self.lua, number, what)
    }

    fn wrong_type(&self, number: usize, expected: &str) -> mlua::Error {
        let got = if number > self.len() { "no value" } else { type_name(self.get(number)) };
        self.wrong(number, &format!("{expected} expected, got {got}"))
    }

    /// Whether an argument is left out or nil.
    pub(super) fn is_absent(&self, number: usize) -> bool {
        matches!(self.get(number), Value::Nil)
    }

    /// A string, or a number as its text.
    pub(super) fn string(&self, number: usize) -> Result<LuaString> {
        match self.get(number) {
            Value::String(text) => Ok(text.clone()),
            value @ (Value::Integer(_) | Value::Number(_)) => {
                self.lua.coerce_string(value.clone())?.ok_or_else(|| self.wrong_type(number, "string"))
            }
            _ => Err(self.wrong_type(number, "string")),
        }
    }

    /// A number, or a string that reads as one.
    pub(super) fn number(&self, number: usize) -> Result<f64> {
        match self.get(number) {
            Value::Integer(value) => Ok(*value as f64),
            Value::Number(value) => Ok(*value),
            text @ Value::String(_) => {
                self.lua.coerce_number(text.clone())?.ok_or_else(|| self.wrong_type(number, "number"))
            }
            _ => Err(self.wrong_type(number, "number")),
        }
    }

    /// A number cut to an integer, as C does it.
    pub(super) fn int(&self, number: usize) -> Result<i64> {
        Ok(match self.get(number) {
            Value::Integer(value) => *value,
            _ => to_int(self.number(number)?),
        })
    }

    /// An integer that may be left out.
    pub(super) fn int_or(&self, number: usize, absent: i64) -> Result<i64> {
        if self.is_absent(number) { Ok(absent) } else { self.int(number) }
    }

    /// A table.
    pub(super) fn table(&self, number: usize) -> Result<&Table> {
        match self.get(number) {
            Value::Table(table) => Ok(table),
            _ => Err(self.wrong_type(number, "table")),
        }
    }

    /// Anything, but not nothing.
    pub(super) fn any(&self, number: usize) -> Result<&Value> {
        if number > self.len() { Err(self.wrong(number, "value expected")) } else { Ok(self.get(number)) }
    }
}

/// As C converts a double on x86-64: towards zero, and to the least integer where there is none.
pub(super) fn to_int(value: f64) -> i64 {
    const END: f64 = 9_223_372_036_854_775_808.0;
    if (-END..END).contains(&value) { value as i64 } else { i64::MIN }
}

/// A type as Lua names it.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Boolean(_) => "boolean",
        Value::Integer(_) | Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Table(_) => "table",
        Value::Function(_) => "function",
        Value::Thread(_) => "thread",
        _ => "userdata",
    }
}

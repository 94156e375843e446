//! What a script returns, as a reply.

use super::raise::Failure;
use crate::reply::{Protocol, Sink};
use mlua::{Table, Value};

/// How deep tables may nest. Redis gives up at some thousands, where its Lua stack ends; this writer, and what reads a
/// reply of ours, recur once a level, and Lua itself lets C call back no more than 200 times.
const DEPTH_MAX: usize = 128;

/// Writes a value that a script returned.
///
/// `script` is the protocol that the script speaks: a boolean is one only where that is RESP3. An error that is the
/// whole reply is returned instead, so that it may be counted.
pub(super) fn write(value: &Value, script: Protocol, out: &mut dyn Sink) -> mlua::Result<Option<Failure>> {
    if let Value::Table(table) = value
        && let Some(failure) = failure(table)?
    {
        return Ok(Some(failure));
    }
    write_value(value, script, out, DEPTH_MAX)?;
    Ok(None)
}

fn write_value(value: &Value, script: Protocol, out: &mut dyn Sink, levels: usize) -> mlua::Result<()> {
    match value {
        Value::String(text) => out.bulk(&text.as_bytes()),
        Value::Boolean(value) if script == Protocol::Resp3 => out.boolean(*value),
        Value::Boolean(true) => out.int(1),
        Value::Integer(value) => out.int(*value),
        Value::Number(value) => out.int(truncate(*value)),
        Value::Table(_) if levels == 0 => out.error("ERR reached lua stack limit"),
        Value::Table(table) => return write_table(table, script, out, levels - 1),
        _ => out.null(),
    }
    Ok(())
}

/// As C converts a double on x86-64: towards zero, and to the least integer where there is none.
fn truncate(value: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value) {
        value as i64
    } else {
        i64::MIN
    }
}

fn write_table(table: &Table, script: Protocol, out: &mut dyn Sink, levels: usize) -> mlua::Result<()> {
    if let Some(failure) = failure(table)? {
        out.error(&String::from_utf8_lossy(&failure.text));
        return Ok(());
    }
    if let Value::String(text) = table.raw_get("ok")? {
        out.simple(&in_one_line(&text.as_bytes()));
        return Ok(());
    }
    if let Some(number) = table.raw_get::<Value>("double")?.as_number_only() {
        out.double(number);
        return Ok(());
    }
    if let Value::String(digits) = table.raw_get("big_number")? {
        out.big_number(&in_one_line(&digits.as_bytes()));
        return Ok(());
    }
    if let Value::Table(verbatim) = table.raw_get("verbatim_string")?
        && let Value::String(format) = verbatim.raw_get("format")?
        && let Value::String(text) = verbatim.raw_get("string")?
    {
        // Three letters, whatever was given.
        let format = String::from_utf8_lossy(&format.as_bytes())
            .chars()
            .chain("   ".chars())
            .take(3)
            .collect::<String>();
        out.verbatim(&format, &text.as_bytes());
        return Ok(());
    }
    // Twice through a table, since its length comes first; its values are too many to be held together.
    if let Value::Table(map) = table.raw_get("map")? {
        out.map(count(&map)?);
        return map.for_each(|key: Value, value: Value| {
            write_value(&key, script, out, levels)?;
            write_value(&value, script, out, levels)
        });
    }
    if let Value::Table(set) = table.raw_get("set")? {
        out.set(count(&set)?);
        return set.for_each(|key: Value, _: Value| write_value(&key, script, out, levels));
    }
    let mut len = 0;
    while !matches!(table.raw_get(len + 1)?, Value::Nil) {
        len += 1;
    }
    out.array(len);
    for at in 1..=len {
        write_value(&table.raw_get(at)?, script, out, levels)?;
    }
    Ok(())
}

fn count(table: &Table) -> mlua::Result<usize> {
    let mut len = 0;
    table.for_each(|_: Value, _: Value| {
        len += 1;
        Ok(())
    })?;
    Ok(len)
}

/// The error that a table is, if it is one.
pub(super) fn failure(table: &Table) -> mlua::Result<Option<Failure>> {
    let Value::String(text) = table.raw_get("err")? else { return Ok(None) };
    let counted = table.raw_get::<Value>("ignore_error_stats_update")?;
    Ok(Some(Failure { text: text.as_bytes().to_vec(), counted: counted == Value::Boolean(true) }))
}

fn in_one_line(text: &[u8]) -> String {
    String::from_utf8_lossy(text).replace(['\r', '\n'], " ")
}

/// A number that is one, and no string that looks like it.
trait NumberOnly {
    fn as_number_only(&self) -> Option<f64>;
}

impl NumberOnly for Value {
    fn as_number_only(&self) -> Option<f64> {
        match self {
            Value::Integer(value) => Some(*value as f64),
            Value::Number(value) => Some(*value),
            _ => None,
        }
    }
}

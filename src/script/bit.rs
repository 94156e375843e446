//! `bit`: the operations of Lua BitOp on 32 bits.

use super::given::Given;
use super::vm::{function, one};
use mlua::{Lua, MultiValue, Result, Table};

pub(super) fn library(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    let add =
        |name: &str, f: fn(&Lua, &Given<'_>) -> Result<MultiValue>| table.raw_set(name, function(lua, f)?);
    add("tobit", |lua, given| one(lua, bits(given, 1)?))?;
    add("bnot", |lua, given| one(lua, !bits(given, 1)?))?;
    add("band", |lua, given| fold(lua, given, |a, b| a & b))?;
    add("bor", |lua, given| fold(lua, given, |a, b| a | b))?;
    add("bxor", |lua, given| fold(lua, given, |a, b| a ^ b))?;
    add("lshift", |lua, given| shift(lua, given, |value, by| value << by))?;
    add("rshift", |lua, given| shift(lua, given, |value, by| (value as u32 >> by) as i32))?;
    add("arshift", |lua, given| shift(lua, given, |value, by| value >> by))?;
    add("rol", |lua, given| shift(lua, given, i32::rotate_left))?;
    add("ror", |lua, given| shift(lua, given, i32::rotate_right))?;
    add("bswap", |lua, given| one(lua, bits(given, 1)?.swap_bytes()))?;
    add("tohex", |lua, given| {
        let value = bits(given, 1)? as u32;
        let digits = if given.is_absent(2) { 8 } else { bits(given, 2)? };
        let len = (digits.unsigned_abs() as usize).min(8);
        let text = if digits < 0 { format!("{value:08X}") } else { format!("{value:08x}") };
        one(lua, text.get(8 - len..).unwrap_or_default())
    })?;
    Ok(table)
}

/// An argument as 32 bits: rounded to the nearest integer, halves to even, and cut.
fn bits(given: &Given<'_>, number: usize) -> Result<i32> {
    // The sum has the integer in its low bits, as BitOp has it.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    Ok((given.number(number)? + ROUND).to_bits() as i32)
}

fn fold(lua: &Lua, given: &Given<'_>, f: impl Fn(i32, i32) -> i32) -> Result<MultiValue> {
    let mut value = bits(given, 1)?;
    for number in 2..=given.len() {
        value = f(value, bits(given, number)?);
    }
    one(lua, value)
}

fn shift(lua: &Lua, given: &Given<'_>, f: impl Fn(i32, u32) -> i32) -> Result<MultiValue> {
    let value = bits(given, 1)?;
    one(lua, f(value, bits(given, 2)? as u32 & 31))
}

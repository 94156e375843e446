//! `cmsgpack`: MessagePack, as Redis' library writes and reads it.

use super::given::Given;
use super::raise;
use super::vm::{function, one};
use mlua::{Lua, MultiValue, Result, Table, Value};

/// Tables within tables that are packed; a deeper one becomes nil.
const NESTING_MAX: usize = 16;
/// Arrays and maps within each other that are unpacked: each that is open takes one of Lua's slots.
const DEPTH_MAX: usize = 4000;
/// Elements that room is made for in advance; a length is only a claim.
const RESERVE_MAX: usize = 1024;

pub(super) fn library(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("pack", function(lua, pack)?)?;
    table.raw_set("unpack", function(lua, |lua, given| unpack(lua, given, None))?)?;
    table.raw_set(
        "unpack_one",
        function(lua, |lua, given| {
            let offset = given.int_or(2, 0)?;
            unpack(lua, given, Some((1, offset)))
        })?,
    )?;
    table.raw_set(
        "unpack_limit",
        function(lua, |lua, given| {
            let (limit, offset) = (given.int(2)?, given.int_or(3, 0)?);
            unpack(lua, given, Some((limit, offset)))
        })?,
    )?;
    table.raw_set("_NAME", "cmsgpack")?;
    table.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    table.raw_set("_COPYRIGHT", "Copyright (C) 2012, Redis Ltd.")?;
    table.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    Ok(table)
}

fn pack(lua: &Lua, given: &Given<'_>) -> Result<MultiValue> {
    if given.len() == 0 {
        return Err(given.wrong(0, "MessagePack pack needs input."));
    }
    let mut out = Vec::new();
    for value in given.values.iter() {
        encode(value, 0, &mut out)?;
    }
    one(lua, lua.create_string(out)?)
}

/// A head that holds a length: in itself, or in 8, 16 or 32 bits behind it.
fn head(len: usize, (fix, fix_max): (u8, usize), wide: [Option<u8>; 3], out: &mut Vec<u8>) {
    match (len, wide) {
        _ if len <= fix_max => out.push(fix | len as u8),
        (0..=0xFF, [Some(tag), ..]) => out.extend_from_slice(&[tag, len as u8]),
        (0..=0xFFFF, [_, Some(tag), _]) => {
            out.push(tag);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        (_, [.., tag]) => {
            out.push(tag.unwrap_or_default());
            out.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
}

fn encode(value: &Value, level: usize, out: &mut Vec<u8>) -> Result<()> {
    match value {
        Value::String(text) => {
            let text = text.as_bytes();
            head(text.len(), (0xA0, 31), [Some(0xD9), Some(0xDA), Some(0xDB)], out);
            out.extend_from_slice(&text);
        }
        Value::Boolean(value) => out.push(if *value { 0xC3 } else { 0xC2 }),
        Value::Integer(value) => encode_int(*value, out),
        // Minus zero is a whole number to C.
        Value::Number(0.0) => out.push(0),
        Value::Number(value) => {
            let short = *value as f32;
            if f64::from(short) == *value {
                out.push(0xCA);
                out.extend_from_slice(&short.to_be_bytes());
            } else {
                out.push(0xCB);
                out.extend_from_slice(&value.to_be_bytes());
            }
        }
        Value::Table(table) if level < NESTING_MAX => return encode_table(table, level + 1, out),
        _ => out.push(0xC0),
    }
    Ok(())
}

fn encode_int(value: i64, out: &mut Vec<u8>) {
    match value {
        -32..=127 => out.push(value as u8),
        128..=0xFF => out.extend_from_slice(&[0xCC, value as u8]),
        0x100..=0xFFFF => {
            out.push(0xCD);
            out.extend_from_slice(&(value as u16).to_be_bytes());
        }
        0x1_0000..=0xFFFF_FFFF => {
            out.push(0xCE);
            out.extend_from_slice(&(value as u32).to_be_bytes());
        }
        0x1_0000_0000.. => {
            out.push(0xCF);
            out.extend_from_slice(&value.to_be_bytes());
        }
        -0x80..=-33 => out.extend_from_slice(&[0xD0, value as u8]),
        -0x8000..=-0x81 => {
            out.push(0xD1);
            out.extend_from_slice(&(value as i16).to_be_bytes());
        }
        -0x8000_0000..=-0x8001 => {
            out.push(0xD2);
            out.extend_from_slice(&(value as i32).to_be_bytes());
        }
        _ => {
            out.push(0xD3);
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

fn encode_table(table: &Table, level: usize, out: &mut Vec<u8>) -> Result<()> {
    let (mut count, mut max, mut is_array) = (0usize, 0i64, true);
    table.for_each(|key: Value, _: Value| {
        count += 1;
        match key {
            Value::Integer(key) if (1..=i64::from(i32::MAX)).contains(&key) => max = max.max(key),
            _ => is_array = false,
        }
        Ok(())
    })?;
    if is_array && max == count as i64 {
        head(count, (0x90, 15), [None, Some(0xDC), Some(0xDD)], out);
        for at in 1..=count {
            encode(&table.raw_get(at)?, level, out)?;
        }
        return Ok(());
    }
    head(count, (0x80, 15), [None, Some(0xDE), Some(0xDF)], out);
    table.for_each(|key: Value, value: Value| {
        encode(&key, level, out)?;
        encode(&value, level, out)
    })
}

/// Why data is none.
enum Fault {
    Short,
    Bad,
    Deep,
    Lua(mlua::Error),
}

impl From<mlua::Error> for Fault {
    fn from(error: mlua::Error) -> Self {
        Fault::Lua(error)
    }
}

fn unpack(lua: &Lua, given: &Given<'_>, part: Option<(i64, i64)>) -> Result<MultiValue> {
    let data = given.string(1)?;
    let data = data.as_bytes();
    let (limit, offset) = part.unwrap_or((0, 0));
    if limit < 0 || offset < 0 {
        let len = data.len();
        let text = format!("Invalid request to unpack with offset of {offset} and limit of {len}.");
        return Err(raise::error(lua, text));
    }
    let Some(rest) = usize::try_from(offset).ok().and_then(|offset| data.get(offset..)) else {
        let text = format!("Start offset {offset} greater than input length {}.", data.len());
        return Err(raise::error(lua, text));
    };
    let all = limit == 0 && offset == 0;
    let limit = if all { i64::from(i32::MAX) } else { limit };
    let mut reader = Reader { lua, rest };
    let mut values = Vec::new();
    if !all {
        values.push(Value::Nil);
    }
    let mut count = 0;
    while !reader.rest.is_empty() && count < limit {
        values.push(reader.value().map_err(|fault| match fault {
            Fault::Short => raise::error(lua, "Missing bytes in input."),
            Fault::Bad => raise::error(lua, "Bad data format in input."),
            Fault::Deep => raise::error(lua, "stack overflow (in function mp_decode_to_lua_array)"),
            Fault::Lua(error) => error,
        })?);
        count += 1;
    }
    if !all && let Some(next) = values.first_mut() {
        let left = reader.rest.len();
        *next = Value::Integer(if left == 0 { -1 } else { (data.len() - left) as i64 });
    }
    Ok(MultiValue::from_vec(values))
}

struct Reader<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> std::result::Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Fault::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn bytes<const N: usize>(&mut self) -> std::result::Result<[u8; N], Fault> {
        self.take(N)?.try_into().map_err(|_| Fault::Short)
    }

    /// A length of so many bytes.
    fn len(&mut self, bytes: usize) -> std::result::Result<usize, Fault> {
        Ok(self.take(bytes)?.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)))
    }

    fn value(&mut self) -> std::result::Result<Value, Fault> {
        let mut stack: Vec<Filling> = Vec::new();
        loop {
            let mut value = match self.item()? {
                Item::Value(value) => value,
                Item::Open(_, _) if stack.len() >= DEPTH_MAX => return Err(Fault::Deep),
                Item::Open(len, is_map) => {
                    let reserve = len.min(RESERVE_MAX).min(self.rest.len());
                    let (array, pairs) = if is_map { (0, reserve / 2) } else { (reserve, 0) };
                    let table = self.lua.create_table_with_capacity(array, pairs)?;
                    if len > 0 {
                        stack.push(Filling { table, len, done: 0, key: None, is_map });
                        continue;
                    }
                    Value::Table(table)
                }
            };
            // What is complete goes where it belongs, and may complete that as well.
            loop {
                let Some(open) = stack.last_mut() else { return Ok(value) };
                match (open.is_map, open.key.take()) {
                    (true, None) => {
                        check_key(&value)?;
                        open.key = Some(value);
                        break;
                    }
                    (true, Some(key)) => open.table.raw_set(key, value)?,
                    (false, _) => open.table.raw_seti(open.done + 1, value)?,
                }
                open.done += 1;
                if open.done < open.len {
                    break;
                }
                let Some(closed) = stack.pop() else { return Err(Fault::Bad) };
                value = Value::Table(closed.table);
            }
        }
    }

    fn item(&mut self) -> std::result::Result<Item, Fault> {
        let [tag] = self.bytes()?;
        let int = |value: i64| Value::Number(value as f64);
        Ok(Item::Value(match tag {
            0x00..=0x7F => int(i64::from(tag)),
            0xE0..=0xFF => int(i64::from(tag as i8)),
            0x80..=0x8F => return Ok(Item::Open(usize::from(tag & 15), true)),
            0x90..=0x9F => return Ok(Item::Open(usize::from(tag & 15), false)),
            0xA0..=0xBF => self.string(usize::from(tag & 31))?,
            0xC0 => Value::Nil,
            0xC2 => Value::Boolean(false),
            0xC3 => Value::Boolean(true),
            0xCA => Value::Number(f64::from(f32::from_be_bytes(self.bytes()?))),
            0xCB => Value::Number(f64::from_be_bytes(self.bytes()?)),
            0xCC => int(i64::from(u8::from_be_bytes(self.bytes()?))),
            0xCD => int(i64::from(u16::from_be_bytes(self.bytes()?))),
            0xCE => int(i64::from(u32::from_be_bytes(self.bytes()?))),
            // Redis takes it for a signed one.
            0xCF => int(i64::from_be_bytes(self.bytes()?)),
            0xD0 => int(i64::from(i8::from_be_bytes(self.bytes()?))),
            0xD1 => int(i64::from(i16::from_be_bytes(self.bytes()?))),
            0xD2 => int(i64::from(i32::from_be_bytes(self.bytes()?))),
            0xD3 => int(i64::from_be_bytes(self.bytes()?)),
            0xD9..=0xDB => {
                let len = self.len(1 << (tag - 0xD9))?;
                self.string(len)?
            }
            0xDC..=0xDF => {
                let len = self.len(if tag & 1 == 0 { 2 } else { 4 })?;
                return Ok(Item::Open(len, tag >= 0xDE));
            }
            _ => return Err(Fault::Bad),
        }))
    }

    fn string(&mut self, len: usize) -> std::result::Result<Value, Fault> {
        let text = self.take(len)?;
        Ok(Value::String(self.lua.create_string(text)?))
    }
}

/// A value, or the head of an aggregate: its length, and whether it is a map.
enum Item {
    Value(Value),
    Open(usize, bool),
}

/// A table that is being filled.
struct Filling {
    table: Table,
    len: usize,
    done: usize,
    /// The key of the value that comes.
    key: Option<Value>,
    is_map: bool,
}

/// Tables have no such keys.
fn check_key(key: &Value) -> std::result::Result<(), Fault> {
    match key {
        Value::Nil => Err(Fault::Lua(raise::plain("table index is nil"))),
        Value::Number(key) if key.is_nan() => Err(Fault::Lua(raise::plain("table index is NaN"))),
        _ => Ok(()),
    }
}

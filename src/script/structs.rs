//! `struct`: packed binary data, as Roberto Ierusalimschy's library has it.

use super::given::{Given, to_int};
use super::raise;
use super::vm::{function, one};
use mlua::{Lua, MultiValue, Result, Table, Value};

/// Bytes of the largest integer.
const INT_BYTES_MAX: usize = 32;
/// What `!` aligns to.
const ALIGN_MAX: usize = 8;

pub(super) fn library(lua: &Lua) -> Result<Table> {
    let table = lua.create_table()?;
    table.raw_set("pack", function(lua, pack)?)?;
    table.raw_set("unpack", function(lua, unpack)?)?;
    table.raw_set("size", function(lua, size)?)?;
    Ok(table)
}

/// A format that is read.
struct Format<'a> {
    text: &'a [u8],
    at: usize,
    big: bool,
    align: usize,
}

impl<'a> Format<'a> {
    fn new(text: &'a [u8]) -> Self {
        // A C string ends at its first zero.
        let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
        Self { text, at: 0, big: cfg!(target_endian = "big"), align: 1 }
    }

    /// The next option and the size of what it stands for.
    fn next(&mut self, lua: &Lua) -> Result<Option<(u8, usize)>> {
        let Some(&option) = self.text.get(self.at) else { return Ok(None) };
        self.at += 1;
        let size = match option {
            b'B' | b'b' | b'x' => 1,
            b'H' | b'h' => 2,
            b'L' | b'l' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.number(lua, 1)?,
            b'i' | b'I' => {
                let size = self.number(lua, 4)?;
                if size > INT_BYTES_MAX {
                    let text = format!("integral size {size} is larger than limit of {INT_BYTES_MAX}");
                    return Err(raise::error(lua, text));
                }
                size
            }
            _ => 0,
        };
        Ok(Some((option, size)))
    }

    fn number(&mut self, lua: &Lua, absent: usize) -> Result<usize> {
        let digits = self.text.get(self.at..).unwrap_or_default();
        let len = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if len == 0 {
            return Ok(absent);
        }
        self.at += len;
        let number = std::str::from_utf8(&digits[..len]).ok().and_then(|digits| digits.parse::<i32>().ok());
        number
            .and_then(|number| usize::try_from(number).ok())
            .ok_or_else(|| raise::error(lua, "integral size overflow"))
    }

    /// Bytes that align what comes next.
    fn padding(&self, len: usize, option: u8, size: usize) -> usize {
        if size == 0 || option == b'c' {
            return 0;
        }
        let size = size.min(self.align);
        size.wrapping_sub(len & (size.wrapping_sub(1))) & size.wrapping_sub(1)
    }

    /// An option that stands for no data.
    fn control(&mut self, given: &Given<'_>, option: u8) -> Result<()> {
        match option {
            b' ' => {}
            b'>' => self.big = true,
            b'<' => self.big = false,
            b'!' => {
                let align = self.number(given.lua, ALIGN_MAX)?;
                if !align.is_power_of_two() {
                    return Err(raise::error(given.lua, format!("alignment {align} is not a power of 2")));
                }
                self.align = align;
            }
            other => return Err(given.wrong(1, &format!("invalid format option '{}'", char::from(other)))),
        }
        Ok(())
    }
}

fn pack(lua: &Lua, given: &Given<'_>) -> Result<MultiValue> {
    let format = given.string(1)?;
    let format = format.as_bytes();
    let mut format = Format::new(&format);
    let mut out: Vec<u8> = Vec::new();
    let mut number = 2;
    // The library leaves a nil behind the arguments.
    let lacking = |number: usize, expected: &str| {
        (number > given.len()).then(|| given.wrong(number, &format!("{expected} expected, got nil")))
    };
    let mut total = 0usize;
    while let Some((option, mut size)) = format.next(lua)? {
        let padding = format.padding(total, option, size);
        total += padding;
        out.resize(out.len() + padding, 0);
        let mut argument = || {
            number += 1;
            number - 1
        };
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let at = argument();
                lacking(at, "number").map_or(Ok(()), Err)?;
                let value = given.number(at)?;
                let mut value = if value < 0.0 { to_int(value) as u64 } else { value as u64 };
                let start = out.len();
                for _ in 0..size {
                    out.push(value as u8);
                    value >>= 8;
                }
                if format.big {
                    out[start..].reverse();
                }
            }
            b'x' => out.push(0),
            b'f' => {
                let at = argument();
                lacking(at, "number").map_or(Ok(()), Err)?;
                let value = given.number(at)? as f32;
                out.extend_from_slice(&if format.big { value.to_be_bytes() } else { value.to_le_bytes() });
            }
            b'd' => {
                let at = argument();
                lacking(at, "number").map_or(Ok(()), Err)?;
                let value = given.number(at)?;
                out.extend_from_slice(&if format.big { value.to_be_bytes() } else { value.to_le_bytes() });
            }
            b'c' | b's' => {
                let at = argument();
                lacking(at, "string").map_or(Ok(()), Err)?;
                let text = given.string(at)?;
                let text = text.as_bytes();
                if size == 0 {
                    size = text.len();
                }
                let Some(part) = text.get(..size) else {
                    return Err(given.wrong(at + 1, "string too short"));
                };
                out.extend_from_slice(part);
                if option == b's' {
                    out.push(0);
                    size += 1;
                }
            }
            other => format.control(given, other)?,
        }
        total += size;
    }
    one(lua, lua.create_string(out)?)
}

fn unpack(lua: &Lua, given: &Given<'_>) -> Result<MultiValue> {
    let (format, data) = (given.string(1)?, given.string(2)?);
    let (format, data) = (format.as_bytes(), data.as_bytes());
    let mut format = Format::new(&format);
    let start = given.int_or(3, 1)?;
    if start == 0 {
        return Err(given.wrong(3, "offset must be 1 or greater"));
    }
    // A negative one is a place far behind the end.
    let mut at = usize::try_from(start - 1).unwrap_or(usize::MAX);
    let mut values = Vec::new();
    let short = || given.wrong(2, "data string too short");
    while let Some((option, mut size)) = format.next(lua)? {
        at = at.saturating_add(format.padding(at, option, size));
        let end = at.checked_add(size).filter(|&end| end <= data.len()).ok_or_else(short)?;
        let part = data.get(at..end).unwrap_or_default();
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let step = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
                let value =
                    if format.big { part.iter().fold(0, step) } else { part.iter().rev().fold(0, step) };
                values.push(Value::Number(if option.is_ascii_lowercase() {
                    let mask = u64::MAX.wrapping_shl((size as u32).wrapping_mul(8).wrapping_sub(1));
                    (if value & mask != 0 { value | mask } else { value }) as i64 as f64
                } else {
                    value as f64
                }));
            }
            b'f' => {
                let bytes = <[u8; 4]>::try_from(part).unwrap_or_default();
                let value = if format.big { f32::from_be_bytes(bytes) } else { f32::from_le_bytes(bytes) };
                values.push(Value::Number(f64::from(value)));
            }
            b'd' => {
                let bytes = <[u8; 8]>::try_from(part).unwrap_or_default();
                let value = if format.big { f64::from_be_bytes(bytes) } else { f64::from_le_bytes(bytes) };
                values.push(Value::Number(value));
            }
            b'c' => {
                let mut part = part;
                if size == 0 {
                    let Some(Value::Number(len)) = values.pop() else {
                        return Err(raise::error(lua, "format 'c0' needs a previous size"));
                    };
                    size = len as usize;
                    let end = at.checked_add(size).filter(|&end| end <= data.len()).ok_or_else(short)?;
                    part = data.get(at..end).unwrap_or_default();
                }
                values.push(Value::String(lua.create_string(part)?));
            }
            b's' => {
                let rest = data.get(at..).unwrap_or_default();
                let Some(len) = memchr::memchr(0, rest) else {
                    return Err(raise::error(lua, "unfinished string in data"));
                };
                size = len + 1;
                values.push(Value::String(lua.create_string(&rest[..len])?));
            }
            b'x' => {}
            other => format.control(given, other)?,
        }
        at += size;
    }
    values.push(Value::Integer((at as i64).wrapping_add(1)));
    Ok(MultiValue::from_vec(values))
}

fn size(lua: &Lua, given: &Given<'_>) -> Result<MultiValue> {
    let format = given.string(1)?;
    let format = format.as_bytes();
    let mut format = Format::new(&format);
    let mut at = 0usize;
    while let Some((option, size)) = format.next(lua)? {
        at = at.saturating_add(format.padding(at, option, size));
        if option == b's' {
            return Err(given.wrong(1, "option 's' has no fixed size"));
        }
        if option == b'c' && size == 0 {
            return Err(given.wrong(1, "option 'c0' has no fixed size"));
        }
        if !option.is_ascii_alphanumeric() {
            format.control(given, option)?;
        }
        at = at.saturating_add(size);
    }
    one(lua, at as f64)
}

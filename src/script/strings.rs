//! Those functions of `string` that match patterns, and `string.rep`: the rest of the library is Lua's own.

use super::given::{Given, type_name};
use super::pattern::{Capture, Fault, Matcher, is_plain};
use super::vm::{function, limited, one};
use super::{interrupted, raise};
use memchr::memmem;
use mlua::{Lua, LuaString, MultiValue, Result, Table, Value};

/// Puts them in the place of Lua's.
pub(super) fn install(lua: &Lua, string: &Table) -> Result<()> {
    string.raw_set("find", function(lua, |lua, given| find(lua, given, true))?)?;
    string.raw_set("match", function(lua, |lua, given| find(lua, given, false))?)?;
    string.raw_set("gsub", function(lua, gsub)?)?;
    string.raw_set("rep", function(lua, rep)?)?;
    // bootstrap.lua makes an iterator of it.
    string.raw_set("gmatch", function(lua, gmatch)?)
}

/// A match's fault as an error.
fn fault(lua: &Lua, fault: Fault<mlua::Error>) -> mlua::Error {
    match fault {
        Fault::Malformed(text) => raise::error(lua, text),
        Fault::Stopped(error) => error,
    }
}

/// A place counted from 1, or from the end where it is negative, as an offset.
fn offset(at: i64, len: usize) -> usize {
    let at = if at < 0 { at.saturating_add(len as i64).saturating_add(1) } else { at };
    usize::try_from(at.saturating_sub(1)).unwrap_or(0).min(len)
}

fn capture(lua: &Lua, subject: &[u8], capture: Capture) -> Result<Value> {
    match capture {
        Capture::Part(start, len) => {
            Ok(Value::String(lua.create_string(subject.get(start..start + len).unwrap_or_default())?))
        }
        Capture::Place(at) => Ok(Value::Integer(at as i64 + 1)),
        Capture::Open(_) => Err(raise::error(lua, "unfinished capture")),
    }
}

/// The captures of a match; all of it where there are none.
fn captures(lua: &Lua, subject: &[u8], found: &[Capture], whole: (usize, usize)) -> Result<Vec<Value>> {
    if found.is_empty() {
        return Ok(vec![capture(lua, subject, Capture::Part(whole.0, whole.1 - whole.0))?]);
    }
    found.iter().map(|&one| capture(lua, subject, one)).collect()
}

fn find(lua: &Lua, given: &Given<'_>, find: bool) -> Result<MultiValue> {
    let (subject, pattern) = (given.string(1)?, given.string(2)?);
    let (subject, pattern) = (&*subject.as_bytes(), &*pattern.as_bytes());
    let start = offset(given.int_or(3, 1)?, subject.len());
    let plain = !matches!(given.get(4), Value::Nil | Value::Boolean(false));
    if find && (plain || is_plain(pattern)) {
        let found = memmem::find(subject.get(start..).unwrap_or_default(), pattern);
        return Ok(match found {
            Some(at) => MultiValue::from_vec(vec![
                Value::Integer((start + at + 1) as i64),
                Value::Integer((start + at + pattern.len()) as i64),
            ]),
            None => MultiValue::from_vec(vec![Value::Nil]),
        });
    }
    let anchor = pattern.first() == Some(&b'^');
    let mut matcher = Matcher::new(subject, pattern, interrupted);
    for at in start..=subject.len() {
        let end = matcher.at(at, usize::from(anchor)).map_err(|error| fault(lua, error))?;
        if let Some(end) = end {
            let mut values = Vec::new();
            if find {
                values.extend([Value::Integer(at as i64 + 1), Value::Integer(end as i64)]);
                if !matcher.captures.is_empty() {
                    values.extend(captures(lua, subject, &matcher.captures, (at, end))?);
                }
            } else {
                values = captures(lua, subject, &matcher.captures, (at, end))?;
            }
            return Ok(MultiValue::from_vec(values));
        }
        if anchor {
            break;
        }
    }
    Ok(MultiValue::from_vec(vec![Value::Nil]))
}

/// One step of `string.gmatch`: where the next one begins, and the captures; nothing at the end.
fn gmatch(lua: &Lua, given: &Given<'_>) -> Result<MultiValue> {
    let (subject, pattern) = (given.string(1)?, given.string(2)?);
    let (subject, pattern) = (&*subject.as_bytes(), &*pattern.as_bytes());
    let Some(start) = usize::try_from(given.int_or(3, -1)?).ok() else { return Ok(MultiValue::new()) };
    let mut matcher = Matcher::new(subject, pattern, interrupted);
    for at in start..=subject.len() {
        if let Some(end) = matcher.at(at, 0).map_err(|error| fault(lua, error))? {
            // An empty match must not come again.
            let next = end + usize::from(end == at);
            let mut values = captures(lua, subject, &matcher.captures, (at, end))?;
            values.insert(0, Value::Integer(next as i64));
            return Ok(MultiValue::from_vec(values));
        }
    }
    Ok(MultiValue::from_vec(vec![Value::Integer(subject.len() as i64 + 1), Value::Nil]))
}

fn gsub(lua: &Lua, given: &Given<'_>) -> Result<MultiValue> {
    let (subject, pattern) = (given.string(1)?, given.string(2)?);
    let (subject, pattern) = (&*subject.as_bytes(), &*pattern.as_bytes());
    let replacement = match given.get(3) {
        value @ (Value::Table(_) | Value::Function(_)) => value.clone(),
        Value::String(_) | Value::Integer(_) | Value::Number(_) => Value::String(given.string(3)?),
        _ => return Err(given.wrong(3, "string/function/table expected")),
    };
    let most = given.int_or(4, subject.len() as i64 + 1)?;
    let anchor = pattern.first() == Some(&b'^');
    let mut matcher = Matcher::new(subject, pattern, interrupted);
    let mut out = Vec::new();
    let (mut at, mut count) = (0, 0);
    while count < most {
        let end = matcher.at(at, usize::from(anchor)).map_err(|error| fault(lua, error))?;
        if let Some(end) = end {
            count += 1;
            replace(lua, subject, &matcher.captures, (at, end), &replacement, &mut out)?;
        }
        match end {
            Some(end) if end > at => at = end,
            _ => match subject.get(at) {
                Some(&byte) => {
                    out.push(byte);
                    at += 1;
                }
                None => break,
            },
        }
        if anchor {
            break;
        }
        if out.len() > super::vm::BYTES_MAX {
            return Err(raise::plain("not enough memory"));
        }
    }
    out.extend_from_slice(subject.get(at..).unwrap_or_default());
    Ok(MultiValue::from_vec(vec![Value::String(lua.create_string(out)?), Value::Integer(count)]))
}

/// Writes what stands for one match.
fn replace(
    lua: &Lua,
    subject: &[u8],
    found: &[Capture],
    whole: (usize, usize),
    replacement: &Value,
    out: &mut Vec<u8>,
) -> Result<()> {
    let matched = subject.get(whole.0..whole.1).unwrap_or_default();
    let value = match replacement {
        Value::String(text) => return expand(lua, subject, found, whole, &text.as_bytes(), out),
        Value::Table(table) => {
            let key = captures(lua, subject, found.get(..1).unwrap_or_default(), whole)?.into_iter().next();
            // It may have a metatable, whose function may do anything.
            limited(lua, || table.get::<Value>(key.unwrap_or(Value::Nil)))?
        }
        Value::Function(function) => {
            let values = captures(lua, subject, found, whole)?;
            limited(lua, || function.call::<Value>(MultiValue::from_vec(values)))?
        }
        _ => Value::Nil,
    };
    match value {
        Value::Nil | Value::Boolean(false) => out.extend_from_slice(matched),
        Value::String(text) => out.extend_from_slice(&text.as_bytes()),
        number @ (Value::Integer(_) | Value::Number(_)) => {
            if let Some(text) = lua.coerce_string(number)? {
                out.extend_from_slice(&text.as_bytes());
            }
        }
        other => {
            return Err(raise::error(lua, format!("invalid replacement value (a {})", type_name(&other))));
        }
    }
    Ok(())
}

/// Writes a replacement string: `%1` is a capture, `%0` the match.
fn expand(
    lua: &Lua,
    subject: &[u8],
    found: &[Capture],
    whole: (usize, usize),
    text: &[u8],
    out: &mut Vec<u8>,
) -> Result<()> {
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit = match bytes.next() {
            Some(digit) if digit.is_ascii_digit() => usize::from(digit - b'0'),
            Some(&other) => {
                out.push(other);
                continue;
            }
            None => {
                // The zero behind a C string.
                out.push(0);
                continue;
            }
        };
        let part = match (digit, found.get(digit.wrapping_sub(1))) {
            (0, _) | (1, None) if digit == 0 || found.is_empty() => Capture::Part(whole.0, whole.1 - whole.0),
            (_, Some(&part)) => part,
            _ => return Err(raise::error(lua, "invalid capture index")),
        };
        match part {
            Capture::Part(start, len) => {
                out.extend_from_slice(subject.get(start..start + len).unwrap_or_default())
            }
            Capture::Place(at) => out.extend_from_slice((at + 1).to_string().as_bytes()),
            Capture::Open(_) => return Err(raise::error(lua, "unfinished capture")),
        }
    }
    Ok(())
}

fn rep(lua: &Lua, given: &Given<'_>) -> Result<MultiValue> {
    let text: LuaString = given.string(1)?;
    let text = text.as_bytes();
    let times = usize::try_from(given.int(2)?).unwrap_or(0);
    match text.len().checked_mul(times) {
        Some(len) if len <= super::vm::BYTES_MAX => one(lua, lua.create_string(text.repeat(times))?),
        _ if text.is_empty() => one(lua, ""),
        _ => Err(raise::plain("not enough memory")),
    }
}

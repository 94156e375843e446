//! All data as text.
//!
//! One line a key (`"name" type "value" (expires in 60000 ms)`), elements on lines of their own below it; databases other
//! than the first are headed by their number. What has no order is sorted, so that the same data is the same text.

use crate::embed::{Bytes, Damselfly, Result, Type};
use crate::reply::Reply;
use std::fmt::Write as _;

pub(super) fn dump(db: &Damselfly) -> String {
    let mut text = String::new();
    for number in 0..db.engine().databases() {
        let Ok(db) = db.select(number) else { continue };
        let mut keys: Vec<Bytes> = db.scan().filter_map(Result::ok).collect();
        if keys.is_empty() {
            continue;
        }
        if number > 0 {
            let _ = writeln!(text, "[db {number}]");
        }
        keys.sort();
        for key in keys {
            // One that has expired since is no data.
            let _ = key_lines(&db, &key, &mut text);
        }
    }
    text
}

fn key_lines(db: &Damselfly, key: &[u8], text: &mut String) -> Result<()> {
    let Some(kind) = db.type_of(key)? else { return Ok(()) };
    let _ = write!(text, "{} {}", quoted(key), kind.name());
    let lines = match kind {
        Type::String => {
            let value = db.get(key)?.unwrap_or_default();
            let _ = write!(text, " {}", quoted(&value));
            Vec::new()
        }
        Type::List => items(db.call([b"LRANGE", key, b"0", b"-1"])?),
        Type::Set => sorted(items(db.call([b"SMEMBERS".as_slice(), key])?)),
        Type::Hash => sorted(pairs(db.call([b"HGETALL".as_slice(), key])?)),
        Type::ZSet => scored(db.call([b"ZRANGE".as_slice(), key, b"0", b"-1", b"WITHSCORES"])?),
        Type::Stream => items(db.call([b"XRANGE".as_slice(), key, b"-", b"+"])?),
    };
    if let Some(left) = db.ttl(key)?.limit() {
        let _ = write!(text, " (expires in {} ms)", left.as_millis());
    }
    text.push('\n');
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
    Ok(())
}

fn items(reply: Reply) -> Vec<String> {
    match reply {
        Reply::Array(items) | Reply::Set(items) => items.iter().map(shown).collect(),
        _ => Vec::new(),
    }
}

fn pairs(reply: Reply) -> Vec<String> {
    match reply {
        Reply::Map(pairs) => {
            pairs.iter().map(|(field, value)| format!("{}: {}", shown(field), shown(value))).collect()
        }
        _ => Vec::new(),
    }
}

fn scored(reply: Reply) -> Vec<String> {
    let Reply::Array(members) = reply else { return Vec::new() };
    let line = |member: &Reply| match member {
        Reply::Array(pair) => pair.iter().map(shown).collect::<Vec<_>>().join(" "),
        other => shown(other),
    };
    members.iter().map(line).collect()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// A reply on one line.
pub(super) fn shown(reply: &Reply) -> String {
    let list = |items: &[Reply]| items.iter().map(shown).collect::<Vec<_>>().join(" ");
    match reply {
        Reply::Null => "nil".to_owned(),
        Reply::Int(number) => number.to_string(),
        Reply::Double(number) => number.to_string(),
        Reply::Boolean(yes) => yes.to_string(),
        Reply::BigNumber(digits) => digits.clone(),
        Reply::Error(text) => format!("-{text}"),
        Reply::Array(items) | Reply::Set(items) | Reply::Push(items) => format!("[{}]", list(items)),
        Reply::Map(pairs) => {
            let pairs: Vec<_> =
                pairs.iter().map(|(key, value)| format!("{}: {}", shown(key), shown(value))).collect();
            format!("{{{}}}", pairs.join(" "))
        }
        other => quoted(other.as_bytes().unwrap_or_default()),
    }
}

/// Bytes in quotes: text as it is, the rest as `\x00`.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                letter if letter.is_control() => {
                    let _ = write!(out, "\\x{:02x}", u32::from(letter));
                }
                letter => out.push(letter),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.push('"');
    out
}

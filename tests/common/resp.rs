//! Replies as the wire carries them: a decoder of RESP2 and RESP3, and their notation in scripts.
//!
//! It is written apart from the encoder under test, and keeps what [`damselfly::reply::Reply`] folds together, such
//! as the two nulls of RESP2.

use std::fmt;

/// One reply.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Int(i64),
    Bulk(Vec<u8>),
    /// `$-1` or `_`.
    Nil,
    /// `*-1`.
    NilArray,
    Array(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Set(Vec<Value>),
    Push(Vec<Value>),
    /// As written.
    Double(String),
    Boolean(bool),
    BigNumber(String),
    Verbatim(Vec<u8>),
}

/// Decodes the reply that `bytes` begin with, and says how long it is; `None` while it is not whole.
///
/// # Errors
/// Bytes that are no reply.
pub fn decode(bytes: &[u8]) -> Result<Option<(Value, usize)>, String> {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
    let (line, mut at) = (&bytes[1..end], end + 2);
    let text = || String::from_utf8_lossy(line).into_owned();
    let number = || text().parse::<i64>().map_err(|_| format!("no number: {}", show(&bytes[..end])));
    let value = match bytes[0] {
        b'+' => Value::Simple(line.to_vec()),
        b'-' => Value::Error(line.to_vec()),
        b':' => Value::Int(number()?),
        b'_' => Value::Nil,
        b',' => Value::Double(text()),
        b'#' => Value::Boolean(line == b"t"),
        b'(' => Value::BigNumber(text()),
        b'$' | b'=' | b'!' => {
            let Ok(len) = usize::try_from(number()?) else { return Ok(Some((Value::Nil, at))) };
            let Some(body) = bytes.get(at..at + len + 2) else { return Ok(None) };
            at += len + 2;
            if !body.ends_with(b"\r\n") {
                return Err(format!("a string without its end: {}", show(&bytes[..at])));
            }
            let body = body[..len].to_vec();
            match bytes[0] {
                b'$' => Value::Bulk(body),
                b'!' => Value::Error(body),
                _ => Value::Verbatim(body),
            }
        }
        b'|' => {
            // An attribute says something of the reply behind it, which is the one that counts.
            let mut left = 2 * usize::try_from(number()?).unwrap_or(0) + 1;
            loop {
                let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) else { return Ok(None) };
                let Some((item, used)) = decode(rest)? else { return Ok(None) };
                (at, left) = (at + used, left - 1);
                if left == 0 {
                    break item;
                }
            }
        }
        kind @ (b'*' | b'~' | b'>' | b'%') => {
            let Ok(len) = usize::try_from(number()?) else { return Ok(Some((Value::NilArray, at))) };
            let mut items = Vec::new();
            for _ in 0..if kind == b'%' { 2 * len } else { len } {
                let rest = bytes.get(at..).unwrap_or_default();
                if rest.is_empty() {
                    return Ok(None);
                }
                let Some((item, used)) = decode(rest)? else { return Ok(None) };
                items.push(item);
                at += used;
            }
            match kind {
                b'*' => Value::Array(items),
                b'~' => Value::Set(items),
                b'>' => Value::Push(items),
                _ => Value::Map(items.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()),
            }
        }
        _ => return Err(format!("no reply: {}", show(bytes))),
    };
    Ok(Some((value, at)))
}

/// A request as client libraries write it.
pub fn request(argv: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", argv.len()).into_bytes();
    for arg in argv {
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Bytes in quotes, as redis-cli shows them.
pub fn quote(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for &byte in bytes {
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

/// Bytes that are text mostly.
pub fn show(bytes: &[u8]) -> String {
    quote(bytes).trim_matches('"').to_owned()
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, open: &str, items: &[Value]| {
            f.write_str(open)?;
            for (at, item) in items.iter().enumerate() {
                write!(f, "{}{item}", if at == 0 { "" } else { " " })?;
            }
            f.write_str("]")
        };
        match self {
            Value::Simple(text) => write!(f, "+{}", show(text)),
            Value::Error(text) => write!(f, "-{}", show(text)),
            Value::Int(value) => write!(f, ":{value}"),
            Value::Bulk(bytes) => f.write_str(&quote(bytes)),
            Value::Nil => f.write_str("nil"),
            Value::NilArray => f.write_str("nil-array"),
            Value::Array(items) => list(f, "[", items),
            Value::Set(items) => list(f, "~[", items),
            Value::Push(items) => list(f, ">[", items),
            Value::Map(pairs) => {
                f.write_str("%{")?;
                for (at, (key, value)) in pairs.iter().enumerate() {
                    write!(f, "{}{key} {value}", if at == 0 { "" } else { " " })?;
                }
                f.write_str("}")
            }
            Value::Double(text) => write!(f, ",{text}"),
            Value::Boolean(value) => f.write_str(if *value { "#t" } else { "#f" }),
            Value::BigNumber(digits) => write!(f, "({digits}"),
            Value::Verbatim(text) => write!(f, "={}", quote(text)),
        }
    }
}

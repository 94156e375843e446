//! The key browser: keys by name, and each as what it is. Keys are bytes; in addresses they are hexadecimal digits.

use super::Console;
use super::ask::{int, items, json_of, shown, text};
use super::auth::{Admin, Who};
use super::failure::Failure;
use crate::hex::hex;
use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Keys and elements on a page.
const PAGE: usize = 100;
/// Steps of a scan in one request: what one request looks at is bounded, however rare what is looked for.
const STEPS_MAX: usize = 20;

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    db: usize,
    #[serde(default)]
    pattern: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    cursor: String,
}

/// A page of keys: `{"cursor": "…", "keys": [{"id", "name", "kind", "ttl_ms"}]}`; the cursor is empty at the end.
pub(super) async fn list(
    State(console): State<Arc<Console>>,
    who: Who,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Value>, Failure> {
    let ask = |argv: &[&[u8]]| console.ask(&who.user, wanted.db, argv);
    // A word alone is looked for anywhere.
    let pattern = match wanted.pattern.as_str() {
        "" => "*".to_owned(),
        word if word.contains(['*', '?', '[']) => word.to_owned(),
        word => format!("*{word}*"),
    };
    let mut cursor = if wanted.cursor.is_empty() { "0".to_owned() } else { wanted.cursor.clone() };
    let mut keys = Vec::new();
    for _ in 0..STEPS_MAX {
        let mut argv: Vec<&[u8]> =
            vec![b"SCAN", cursor.as_bytes(), b"MATCH", pattern.as_bytes(), b"COUNT", b"500"];
        if !wanted.kind.is_empty() {
            argv.extend([b"TYPE".as_slice(), wanted.kind.as_bytes()]);
        }
        let mut reply = items(ask(&argv)?).into_iter();
        cursor = reply.next().map(|next| text(&next)).unwrap_or_default();
        keys.extend(reply.next().map(items).unwrap_or_default());
        if cursor == "0" || keys.len() >= PAGE {
            break;
        }
    }
    let mut shown_keys = Vec::with_capacity(keys.len());
    for key in &keys {
        let Some(key) = key.as_bytes() else { continue };
        let kind = ask(&[b"TYPE", key]).map(|kind| text(&kind)).unwrap_or_default();
        // It is gone, or not for this user to look into; the name was in the scan all the same.
        if kind == "none" {
            continue;
        }
        let ttl = ask(&[b"PTTL", key]).map(|ttl| int(&ttl)).unwrap_or(-1);
        shown_keys.push(json!({ "id": hex(key), "name": shown(key), "kind": kind, "ttl_ms": ttl }));
    }
    let next = if cursor == "0" { String::new() } else { cursor };
    Ok(Json(json!({ "cursor": next, "keys": shown_keys })))
}

#[derive(Debug, Deserialize)]
pub(super) struct Key {
    #[serde(default)]
    db: usize,
    id: String,
    /// The first element that is shown of a list or a sorted set; the cursor of a scan of a set or a hash; the id of the
    /// last entry of a stream.
    #[serde(default)]
    from: String,
}

impl Key {
    fn bytes(&self) -> Result<Vec<u8>, Failure> {
        unhex(&self.id).ok_or_else(|| Failure::bad("key", "a key's id is hexadecimal digits"))
    }
}

/// One key: what it is, and a page of what it holds.
pub(super) async fn view(
    State(console): State<Arc<Console>>,
    who: Who,
    Query(wanted): Query<Key>,
) -> Result<Json<Value>, Failure> {
    let key = wanted.bytes()?;
    let key = key.as_slice();
    let ask = |argv: &[&[u8]]| console.ask(&who.user, wanted.db, argv);
    let kind = text(&ask(&[b"TYPE", key])?);
    if kind == "none" {
        return Err(Failure::not_found("there is no such key"));
    }
    let from: i64 = wanted.from.parse::<u32>().map_or(0, i64::from);
    let behind = from + PAGE as i64;
    let to = (behind - 1).to_string();
    let more = |length: i64| (behind < length).then(|| behind.to_string());
    let from_text = from.to_string();
    let page = PAGE.to_string();
    let cursor = if wanted.from.is_empty() { "0" } else { wanted.from.as_str() };
    let (length, value, next) = match kind.as_str() {
        "string" => {
            let length = int(&ask(&[b"STRLEN", key])?);
            let value = ask(&[b"GETRANGE", key, b"0", b"65535"])?;
            let mut value = shown(value.as_bytes().unwrap_or_default());
            if let Some(value) = value.as_object_mut() {
                value.insert("bytes".to_owned(), json!(length));
                value.insert("cut".to_owned(), json!(length > 65_536));
            }
            (length, value, None)
        }
        "list" => {
            let length = int(&ask(&[b"LLEN", key])?);
            let value = json_of(&ask(&[b"LRANGE", key, from_text.as_bytes(), to.as_bytes()])?);
            (length, value, more(length))
        }
        "zset" => {
            let length = int(&ask(&[b"ZCARD", key])?);
            let argv = [b"ZRANGE".as_slice(), key, from_text.as_bytes(), to.as_bytes(), b"WITHSCORES"];
            (length, json_of(&ask(&argv)?), more(length))
        }
        "set" | "hash" => {
            let (count, scan): (&[u8], &[u8]) =
                if kind == "set" { (b"SCARD", b"SSCAN") } else { (b"HLEN", b"HSCAN") };
            let length = int(&ask(&[count, key])?);
            let mut reply =
                items(ask(&[scan, key, cursor.as_bytes(), b"COUNT", page.as_bytes()])?).into_iter();
            let next = reply.next().map(|next| text(&next)).filter(|next| next != "0");
            let elements = reply.next().map(items).unwrap_or_default();
            let value: Value = match kind.as_str() {
                "hash" => {
                    elements.chunks(2).map(|pair| pair.iter().map(json_of).collect::<Value>()).collect()
                }
                _ => elements.iter().map(json_of).collect(),
            };
            (length, value, next)
        }
        "stream" => {
            let length = int(&ask(&[b"XLEN", key])?);
            let start = match wanted.from.as_str() {
                "" => "-".to_owned(),
                last => format!("({last}"),
            };
            let reply = ask(&[b"XRANGE", key, start.as_bytes(), b"+", b"COUNT", page.as_bytes()])?;
            let entries = items(reply);
            let last = entries.last().cloned().map(items).and_then(|entry| entry.first().map(text));
            let next = last.filter(|_| entries.len() == PAGE);
            let groups = ask(&[b"XINFO", b"GROUPS", key]).map(|groups| json_of(&groups)).unwrap_or_default();
            let entries: Value = entries.iter().map(json_of).collect();
            (length, json!({ "entries": entries, "groups": groups }), next)
        }
        _ => (0, Value::Null, None),
    };
    let of = |argv: &[&[u8]]| ask(argv).map(|reply| json_of(&reply)).unwrap_or_default();
    Ok(Json(json!({
        "id": hex(key),
        "name": shown(key),
        "kind": kind,
        "encoding": ask(&[b"OBJECT", b"ENCODING", key]).map(|encoding| text(&encoding)).unwrap_or_default(),
        "ttl_ms": ask(&[b"PTTL", key]).map(|ttl| int(&ttl)).unwrap_or(-1),
        "memory": of(&[b"MEMORY", b"USAGE", key]),
        "length": length,
        "value": value,
        "next": next,
    })))
}

/// Deletes a key.
pub(super) async fn delete(
    State(console): State<Arc<Console>>,
    Admin(who): Admin,
    Query(wanted): Query<Key>,
) -> Result<Json<Value>, Failure> {
    let deleted = console.ask(&who.user, wanted.db, &[b"UNLINK", &wanted.bytes()?])?;
    Ok(Json(json!({ "deleted": int(&deleted) })))
}

#[derive(Debug, Deserialize)]
pub(super) struct Expiry {
    #[serde(default)]
    db: usize,
    id: String,
    /// None takes the limit away.
    ttl_ms: Option<u64>,
}

/// Sets how long a key lives, or that it lives for good.
pub(super) async fn expire(
    State(console): State<Arc<Console>>,
    Admin(who): Admin,
    Json(wanted): Json<Expiry>,
) -> Result<Json<Value>, Failure> {
    let key = unhex(&wanted.id).ok_or_else(|| Failure::bad("key", "a key's id is hexadecimal digits"))?;
    let reply = match wanted.ttl_ms {
        Some(ms) => console.ask(&who.user, wanted.db, &[b"PEXPIRE", &key, ms.to_string().as_bytes()])?,
        None => console.ask(&who.user, wanted.db, &[b"PERSIST", &key])?,
    };
    Ok(Json(json!({ "changed": int(&reply) == 1 })))
}

#[derive(Debug, Deserialize)]
pub(super) struct Text {
    #[serde(default)]
    db: usize,
    id: String,
    text: String,
}

/// Replaces a string; how long it lives stays.
pub(super) async fn write(
    State(console): State<Arc<Console>>,
    Admin(who): Admin,
    Json(wanted): Json<Text>,
) -> Result<Json<Value>, Failure> {
    let key = unhex(&wanted.id).ok_or_else(|| Failure::bad("key", "a key's id is hexadecimal digits"))?;
    let kind = text(&console.ask(&who.user, wanted.db, &[b"TYPE", &key])?);
    if kind != "string" {
        return Err(Failure::new(axum::http::StatusCode::CONFLICT, "wrong_type", "this is no string"));
    }
    console.ask(&who.user, wanted.db, &[b"SET", &key, wanted.text.as_bytes(), b"XX", b"KEEPTTL"])?;
    Ok(Json(json!({ "changed": true })))
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some((digit(*high)? * 16 + digit(*low)?) as u8),
        _ => None,
    };
    digits.as_bytes().chunks(2).map(pair).collect()
}

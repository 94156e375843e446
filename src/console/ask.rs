//! Commands run as somebody, and replies as JSON.

use super::Console;
use super::failure::Failure;
use crate::engine::acl::User;
use crate::engine::{Batch, Flow};
use crate::reply::{Protocol, Reply, ReplyBuilder};
use serde_json::{Value, json};
use std::sync::Arc;

/// What is shown of one string.
const TEXT_BYTES_MAX: usize = 64 * 1024;

impl Console {
    /// Runs a command that does not wait, as this user.
    pub(super) fn ask(&self, user: &Arc<User>, db: usize, argv: &[&[u8]]) -> Result<Reply, Failure> {
        if db >= self.engine.databases() {
            return Err(Failure::bad("db", "there is no such database"));
        }
        let mut session = self.engine.guest_session(&self.engine.guest(), db);
        session.set_user(user, true);
        session.protocol = Protocol::Resp3;
        // Whoever looks at a key does not use it.
        session.no_touch = true;
        let mut out = ReplyBuilder::new(Protocol::Resp3);
        match Batch::new(&self.engine).attempt(&mut session, argv, &mut out)? {
            Flow::Done => Ok(out.finish()),
            Flow::Wait(waiter) | Flow::Later(waiter) => {
                self.engine.abandon(&waiter);
                Err(Failure::unavailable("the command would wait"))
            }
        }
    }
}

/// An integer out of a reply; 0 for anything else.
pub(super) fn int(reply: &Reply) -> i64 {
    match reply {
        Reply::Int(number) => *number,
        _ => 0,
    }
}

/// Text out of a reply.
pub(super) fn text(reply: &Reply) -> String {
    reply.as_bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}

/// The elements of a reply that is a sequence, pairs included.
pub(super) fn items(reply: Reply) -> Vec<Reply> {
    match reply {
        Reply::Array(items) | Reply::Set(items) | Reply::Push(items) => items,
        Reply::Map(pairs) => pairs.into_iter().flat_map(|(key, value)| [key, value]).collect(),
        _ => Vec::new(),
    }
}

/// Bytes for people: text as it is, other bytes as `\xff`; cut where there is much, and then so long in all.
pub(super) fn shown(bytes: &[u8]) -> Value {
    let cut = bytes.get(..TEXT_BYTES_MAX).unwrap_or(bytes);
    let mut text = String::new();
    let mut binary = false;
    for chunk in cut.utf8_chunks() {
        text.push_str(chunk.valid());
        // A letter that was cut in two is not binary.
        let is_cut = cut.len() < bytes.len() && chunk.invalid().len() < 4;
        for byte in chunk.invalid().iter().filter(|_| !is_cut) {
            binary = true;
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    json!({ "text": text, "bytes": bytes.len(), "cut": cut.len() < bytes.len(), "binary": binary })
}

/// A reply as JSON for people.
pub(super) fn json_of(reply: &Reply) -> Value {
    match reply {
        Reply::Null => Value::Null,
        Reply::Int(number) => json!(number),
        Reply::Double(number) if number.is_finite() => json!(number),
        Reply::Double(number) => json!(number.to_string()),
        Reply::Boolean(yes) => json!(yes),
        Reply::BigNumber(digits) => json!(digits),
        Reply::Error(text) => json!({ "error": text }),
        Reply::Array(items) | Reply::Set(items) | Reply::Push(items) => items.iter().map(json_of).collect(),
        Reply::Map(pairs) => pairs.iter().map(|(key, value)| json!([json_of(key), json_of(value)])).collect(),
        other => shown(other.as_bytes().unwrap_or_default()),
    }
}

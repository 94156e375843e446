//! The reply sink: how a command answers, whoever asked.
//!
//! A command speaks RESP3's vocabulary into a [`Sink`]. The server's sink encodes it straight into the
//! connection's buffer, as RESP3 or as RESP2; in process, [`ReplyBuilder`] collects the same calls into a
//! [`Reply`] value, without any encoding. This file knows nothing of sockets, commands or keys.
//!
//! **Invariant:** a reply is whole or not there. Whoever runs a command takes a [`Sink::mark`] first and rolls
//! back to it when the command fails, so a command may write before it knows that it will succeed.

use bytes::Bytes;
use std::borrow::Cow;

/// The protocol a reply will be encoded in; a command asks only where the *shape* of its reply differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// RESP2, what every client speaks until it says `HELLO 3`.
    #[default]
    Resp2,
    /// RESP3, with maps, sets, doubles, booleans, nulls and push messages.
    Resp3,
}

/// A place in a sink to roll back to; only the sink that made it understands it.
#[derive(Clone, Copy, Debug)]
pub struct Mark(pub usize, pub usize);

/// Where a command's reply goes, one call per RESP3 element; aggregates announce their length, then follow
/// their elements (a map of `n` is followed by `2 n`).
pub trait Sink {
    /// The protocol of whoever reads this reply.
    fn protocol(&self) -> Protocol;
    /// Encodes what follows in another protocol (`HELLO` answers in the one it switches to).
    fn set_protocol(&mut self, protocol: Protocol);
    /// A status line such as `OK`; it must hold neither CR nor LF.
    fn simple(&mut self, text: &str);
    /// An error line, code first: `WRONGTYPE Operation …`; CR and LF are replaced by spaces.
    fn error(&mut self, text: &str);
    /// An integer.
    fn int(&mut self, value: i64);
    /// A binary string.
    fn bulk(&mut self, value: &[u8]);
    /// A binary string that may be shared instead of copied where it is large.
    fn bulk_shared(&mut self, value: &Bytes) {
        self.bulk(value);
    }
    /// The absence of a string (`$-1` in RESP2).
    fn null(&mut self);
    /// The absence of an array (`*-1` in RESP2).
    fn null_array(&mut self);
    /// Opens an array of `len` elements.
    fn array(&mut self, len: usize);
    /// Opens a map of `pairs` pairs (an array of `2 * pairs` in RESP2).
    fn map(&mut self, pairs: usize);
    /// Opens a set of `len` elements (an array in RESP2).
    fn set(&mut self, len: usize);
    /// Opens a push message of `len` elements (an array in RESP2).
    fn push(&mut self, len: usize);
    /// Opens an attribute of `pairs` pairs in front of the reply that it is about; whether whoever reads gets any.
    /// Where he gets none, no pairs may follow.
    fn attribute(&mut self, pairs: usize) -> bool {
        let _ = pairs;
        false
    }
    /// A floating point number (a string in RESP2).
    fn double(&mut self, value: f64);
    /// A floating point number and how it is written, where Redis has a `long double` (a string in RESP2).
    fn long_double(&mut self, value: f64, text: &str) {
        match self.protocol() {
            Protocol::Resp2 => self.bulk(text.as_bytes()),
            Protocol::Resp3 => self.double(value),
        }
    }
    /// A boolean (`1` or `0` in RESP2).
    fn boolean(&mut self, value: bool);
    /// An integer of any size (a string in RESP2).
    fn big_number(&mut self, digits: &str);
    /// A text with a three-letter format, `txt` or `mkd` (a plain string in RESP2).
    fn verbatim(&mut self, format: &str, text: &[u8]);
    /// Where the sink stands now.
    fn mark(&self) -> Mark;
    /// Forgets everything written since `mark`.
    fn rollback(&mut self, mark: Mark);
    /// `+OK`.
    fn ok(&mut self) {
        self.simple("OK");
    }
}

/// A reply as a value: what a call in process returns, and what tests compare.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reply {
    /// A status such as `OK`.
    Simple(Cow<'static, str>),
    /// An error as the wire would carry it, code first.
    Error(String),
    /// An integer.
    Int(i64),
    /// A binary string.
    Bulk(Bytes),
    /// Nothing: a missing string or a missing array.
    Null,
    /// A sequence.
    Array(Vec<Reply>),
    /// Pairs, in the command's order.
    Map(Vec<(Reply, Reply)>),
    /// An unordered collection, in the command's order.
    Set(Vec<Reply>),
    /// An out-of-band message.
    Push(Vec<Reply>),
    /// A floating point number.
    Double(f64),
    /// A boolean.
    Boolean(bool),
    /// An integer beyond 64 bits, in decimal.
    BigNumber(String),
    /// A text and its format (`txt`, `mkd`).
    Verbatim(String, Bytes),
}

impl Reply {
    /// The bytes of a string-like reply (bulk, status, verbatim); `None` for everything else.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Reply::Bulk(bytes) | Reply::Verbatim(_, bytes) => Some(bytes),
            Reply::Simple(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// Writes this value into `sink`, as the command that made it would have.
    pub fn write_to(&self, sink: &mut dyn Sink) {
        match self {
            Reply::Simple(text) => sink.simple(text),
            Reply::Error(text) => sink.error(text),
            Reply::Int(value) => sink.int(*value),
            Reply::Bulk(bytes) => sink.bulk_shared(bytes),
            Reply::Null => sink.null(),
            Reply::Array(items) => {
                sink.array(items.len());
                items.iter().for_each(|item| item.write_to(sink));
            }
            Reply::Map(pairs) => {
                sink.map(pairs.len());
                for (key, value) in pairs {
                    key.write_to(sink);
                    value.write_to(sink);
                }
            }
            Reply::Set(items) => {
                sink.set(items.len());
                items.iter().for_each(|item| item.write_to(sink));
            }
            Reply::Push(items) => {
                sink.push(items.len());
                items.iter().for_each(|item| item.write_to(sink));
            }
            Reply::Double(value) => sink.double(*value),
            Reply::Boolean(value) => sink.boolean(*value),
            Reply::BigNumber(digits) => sink.big_number(digits),
            Reply::Verbatim(format, text) => sink.verbatim(format, text),
        }
    }
}

/// A sink that collects a reply as a [`Reply`], for calls in process.
///
/// Elements are kept flat until [`ReplyBuilder::finish`] folds them, so a rollback is a truncation.
#[derive(Debug, Default)]
pub struct ReplyBuilder {
    flat: Vec<Flat>,
    protocol: Protocol,
}

#[derive(Debug)]
enum Flat {
    Leaf(Reply),
    Array(usize),
    Map(usize),
    Set(usize),
    Push(usize),
}

impl ReplyBuilder {
    /// An empty builder whose commands are told that they speak `protocol`.
    #[must_use]
    pub fn new(protocol: Protocol) -> Self {
        Self { flat: Vec::new(), protocol }
    }

    /// Takes the first reply written, `Reply::Null` where a command wrote none (as `CLIENT REPLY OFF` does).
    #[must_use]
    pub fn finish(self) -> Reply {
        let mut flat = self.flat.into_iter();
        fold(&mut flat).unwrap_or(Reply::Null)
    }

    /// Takes every reply written, in order: what a pipeline or a push produced.
    #[must_use]
    pub fn finish_all(self) -> Vec<Reply> {
        let mut flat = self.flat.into_iter();
        std::iter::from_fn(|| fold(&mut flat)).collect()
    }
}

/// Folds one element; the depth is what our own commands nest (at most a handful), never a peer's choice.
fn fold(flat: &mut std::vec::IntoIter<Flat>) -> Option<Reply> {
    fn take(flat: &mut std::vec::IntoIter<Flat>, len: usize) -> Vec<Reply> {
        let mut items = Vec::with_capacity(len.min(flat.len()));
        for _ in 0..len {
            match fold(flat) {
                Some(item) => items.push(item),
                None => break,
            }
        }
        items
    }
    Some(match flat.next()? {
        Flat::Leaf(reply) => reply,
        Flat::Array(len) => Reply::Array(take(flat, len)),
        Flat::Set(len) => Reply::Set(take(flat, len)),
        Flat::Push(len) => Reply::Push(take(flat, len)),
        Flat::Map(pairs) => {
            let mut items = take(flat, pairs * 2).into_iter();
            let mut map = Vec::with_capacity(pairs);
            while let (Some(key), Some(value)) = (items.next(), items.next()) {
                map.push((key, value));
            }
            Reply::Map(map)
        }
    })
}

impl Sink for ReplyBuilder {
    fn protocol(&self) -> Protocol {
        self.protocol
    }
    fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }
    fn simple(&mut self, text: &str) {
        let text = match text {
            "OK" => Cow::Borrowed("OK"),
            other => Cow::Owned(other.to_owned()),
        };
        self.flat.push(Flat::Leaf(Reply::Simple(text)));
    }
    fn error(&mut self, text: &str) {
        self.flat.push(Flat::Leaf(Reply::Error(text.to_owned())));
    }
    fn int(&mut self, value: i64) {
        self.flat.push(Flat::Leaf(Reply::Int(value)));
    }
    fn bulk(&mut self, value: &[u8]) {
        self.flat.push(Flat::Leaf(Reply::Bulk(Bytes::copy_from_slice(value))));
    }
    fn bulk_shared(&mut self, value: &Bytes) {
        self.flat.push(Flat::Leaf(Reply::Bulk(value.clone())));
    }
    fn null(&mut self) {
        self.flat.push(Flat::Leaf(Reply::Null));
    }
    fn null_array(&mut self) {
        self.flat.push(Flat::Leaf(Reply::Null));
    }
    fn array(&mut self, len: usize) {
        self.flat.push(Flat::Array(len));
    }
    fn map(&mut self, pairs: usize) {
        self.flat.push(Flat::Map(pairs));
    }
    fn set(&mut self, len: usize) {
        self.flat.push(Flat::Set(len));
    }
    fn push(&mut self, len: usize) {
        self.flat.push(Flat::Push(len));
    }
    fn double(&mut self, value: f64) {
        self.flat.push(Flat::Leaf(Reply::Double(value)));
    }
    fn boolean(&mut self, value: bool) {
        self.flat.push(Flat::Leaf(Reply::Boolean(value)));
    }
    fn big_number(&mut self, digits: &str) {
        self.flat.push(Flat::Leaf(Reply::BigNumber(digits.to_owned())));
    }
    fn verbatim(&mut self, format: &str, text: &[u8]) {
        self.flat.push(Flat::Leaf(Reply::Verbatim(format.to_owned(), Bytes::copy_from_slice(text))));
    }
    fn mark(&self) -> Mark {
        Mark(self.flat.len(), 0)
    }
    fn rollback(&mut self, mark: Mark) {
        self.flat.truncate(mark.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_elements_fold_into_one_value() {
        let mut sink = ReplyBuilder::new(Protocol::Resp3);
        sink.map(1);
        sink.bulk(b"k");
        sink.array(2);
        sink.int(1);
        sink.null();
        assert_eq!(
            sink.finish(),
            Reply::Map(vec![(
                Reply::Bulk(Bytes::from_static(b"k")),
                Reply::Array(vec![Reply::Int(1), Reply::Null])
            )])
        );
    }

    #[test]
    fn a_rollback_forgets_what_a_failed_command_wrote() {
        let mut sink = ReplyBuilder::default();
        sink.ok();
        let mark = sink.mark();
        sink.array(3);
        sink.int(1);
        sink.rollback(mark);
        sink.error("ERR no");
        assert_eq!(sink.finish_all(), [Reply::Simple("OK".into()), Reply::Error("ERR no".into())]);
    }
}

//! What a client is told without having asked at that moment: messages of Pub/Sub, and that keys have changed.
//!
//! A [`Push`] is made once for everybody who gets it. It is handed to each client's owner ([`Notify::push`]) from the
//! thread on which it arose; the owner keeps it, in the form that it needs, until its own thread comes for it. The
//! encodings are kept with the push, so that a message to many is encoded once for each protocol. How long an owner
//! keeps how much is its own affair, within the room that it is given.
//!
//! **Invariant:** handing a push over takes the owner's lock and nothing else: nobody who publishes waits for somebody
//! who subscribes. Owners are woken afterwards, by [`Wakes`], because that is a system call.

use super::Client;
use crate::reply::{Protocol, Reply, ReplyBuilder, Sink};
use bytes::Bytes;
use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;

/// What a push says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// A message on a channel that the client subscribes to.
    Message {
        /// The channel.
        channel: &'a [u8],
        /// What was published.
        payload: &'a [u8],
    },
    /// A message on a channel that a pattern of the client's takes in.
    PatternMessage {
        /// The pattern.
        pattern: &'a [u8],
        /// The channel.
        channel: &'a [u8],
        /// What was published.
        payload: &'a [u8],
    },
    /// A message on a shard channel.
    ShardMessage {
        /// The channel.
        channel: &'a [u8],
        /// What was published.
        payload: &'a [u8],
    },
    /// These keys have changed; `None` for all keys. In RESP2 it is a message on a channel.
    Invalidate(Option<&'a [&'a [u8]]>),
    /// Another client's command, as `MONITOR` shows it. It is no push message but a reply.
    Monitor(&'a str),
    /// The client of this number, which invalidations were to go to, is gone.
    RedirectBroken(u64),
}

/// Where RESP2 clients are told of changed keys.
const INVALIDATE_CHANNEL: &[u8] = b"__redis__:invalidate";

/// A message on its way to one client or to many.
#[derive(Debug)]
pub struct Push<'a> {
    body: Body<'a>,
    for_many: bool,
    resp2: OnceCell<Bytes>,
    resp3: OnceCell<Bytes>,
    payload: OnceCell<Bytes>,
}

impl<'a> Push<'a> {
    pub(super) fn new(body: Body<'a>, receivers: usize) -> Self {
        Self {
            body,
            for_many: receivers > 1,
            resp2: OnceCell::new(),
            resp3: OnceCell::new(),
            payload: OnceCell::new(),
        }
    }

    /// What it says.
    #[must_use]
    pub fn body(&self) -> Body<'a> {
        self.body
    }

    /// Whether several clients get it, so that keeping its encoding pays.
    #[must_use]
    pub fn is_for_many(&self) -> bool {
        self.for_many
    }

    /// Its encoding in a protocol, made by `encode` where nobody has asked for it yet.
    pub fn encoded(&self, protocol: Protocol, encode: impl FnOnce() -> Bytes) -> &Bytes {
        match protocol {
            Protocol::Resp2 => self.resp2.get_or_init(encode),
            Protocol::Resp3 => self.resp3.get_or_init(encode),
        }
    }

    /// Its payload, which [`body`](Self::body) shows, copied once for all who ask for it.
    #[must_use]
    pub fn shared(&self, payload: &[u8]) -> Bytes {
        self.payload.get_or_init(|| Bytes::copy_from_slice(payload)).clone()
    }

    /// Writes it as a push message, which RESP2 knows as an array.
    pub fn write_to(&self, out: &mut dyn Sink) {
        match self.body {
            Body::Message { channel, payload } => write_message(out, b"message", &[channel], payload),
            Body::ShardMessage { channel, payload } => write_message(out, b"smessage", &[channel], payload),
            Body::PatternMessage { pattern, channel, payload } => {
                write_message(out, b"pmessage", &[pattern, channel], payload);
            }
            Body::Invalidate(keys) => {
                if out.protocol() == Protocol::Resp3 {
                    out.push(2);
                    out.bulk(b"invalidate");
                } else {
                    out.push(3);
                    out.bulk(b"message");
                    out.bulk(INVALIDATE_CHANNEL);
                }
                match keys {
                    Some(keys) => {
                        out.array(keys.len());
                        keys.iter().for_each(|key| out.bulk(key));
                    }
                    None => out.null(),
                }
            }
            Body::Monitor(line) => out.simple(line),
            Body::RedirectBroken(client) => {
                out.push(2);
                out.bulk(b"tracking-redir-broken");
                out.int(client as i64);
            }
        }
    }

    /// It as a value, in RESP3's shape.
    #[must_use]
    pub fn to_reply(&self) -> Reply {
        let mut out = ReplyBuilder::new(Protocol::Resp3);
        self.write_to(&mut out);
        out.finish()
    }
}

fn write_message(out: &mut dyn Sink, kind: &[u8], names: &[&[u8]], payload: &[u8]) {
    out.push(names.len() + 2);
    out.bulk(kind);
    names.iter().for_each(|name| out.bulk(name));
    out.bulk(payload);
}

/// The owner of a client's session, as the engine sees it: called from any thread, outside all doors.
pub trait Notify: Send + Sync {
    /// Wakes the owner: a wait has ended, or the client was killed.
    fn notify(&self);

    /// Keeps a push for the client, in its protocol. An owner that has no use for pushes drops them, and one that has
    /// to keep more than `room` bytes gives up on its client.
    ///
    /// Whether the owner must be [woken](Self::wake) for it: it has not been since it last looked.
    fn push(&self, protocol: Protocol, push: &Push<'_>, room: u64) -> bool {
        let _ = (protocol, push, room);
        false
    }

    /// Wakes the owner for what was pushed, unless it has come for it already.
    fn wake(&self) {
        self.notify();
    }
}

/// Clients that were given pushes and are still to be woken: once for many pushes, and outside all doors.
#[derive(Default)]
pub(crate) struct Wakes(Vec<Arc<Client>>);

impl fmt::Debug for Wakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wakes").field(&self.0.len()).finish()
    }
}

impl Wakes {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Wakes them.
    pub(super) fn ring(&mut self) {
        self.0.drain(..).for_each(|client| client.wake());
    }

    /// Takes over those of somebody else.
    pub(super) fn append(&mut self, others: &mut Wakes) {
        if self.0.is_empty() {
            std::mem::swap(&mut self.0, &mut others.0);
        } else {
            self.0.append(&mut others.0);
        }
    }

    pub(super) fn add(&mut self, client: &Arc<Client>) {
        self.0.push(Arc::clone(client));
    }
}

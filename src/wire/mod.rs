//! The wire: request bytes in, argument vectors out; replies in, bytes out.
//!
//! It owns the request parser (RESP arrays of bulk strings and inline lines, incremental and resumable) and the
//! reply encoder (RESP2 and RESP3 behind [`crate::reply::Sink`]), with the limits a peer's bytes are held to. It
//! knows nothing of sockets, commands or keys: the caller reads and writes, the engine understands.
//!
//! **Invariant:** a peer never makes this module recurse, panic, rescan what it has scanned, or reserve memory by
//! a length that was merely declared; the work done is linear in the bytes that arrived.

mod encode;
mod request;

pub use crate::double::format_double;
pub use encode::{Output, RespSink, SHARED_BYTES_MIN};
pub use request::{Limits, Parsed, ProtocolError, RequestParser, Span};

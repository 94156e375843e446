//! The reply encoder: what commands say to a [`Sink`], to bytes that wait to be written.
//!
//! An [`Output`] belongs to no connection: an event loop keeps one, lets a batch of commands append their replies
//! through a [`RespSink`] in their peer's protocol, and writes it out, keeping what the socket did not take.
//!
//! **Layout:** everything lies in one `Vec`, but for large shared values, which lie beside it with the offset at
//! which they belong. So small replies cost one copy, large ones none, and a rollback truncates both.

use super::ProtocolError;
use crate::double::DoubleBuffer;
use crate::reply::{Mark, Protocol, Sink};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};

/// From this length on, a shared value is queued instead of copied.
pub const SHARED_BYTES_MIN: usize = 16 * 1024;
/// A cleared output keeps no more memory than this.
const KEPT_BYTES_MAX: usize = 64 * 1024;
/// How many pieces one vectored write takes at most.
const SLICES_MAX: usize = 64;

/// Encoded replies that wait to be written.
#[derive(Debug, Default)]
pub struct Output {
    /// All bytes that were copied, those written already included (until they are half of it).
    bytes: Vec<u8>,
    /// How many of `bytes` have been written.
    written: usize,
    /// Values that were not copied: each belongs between `bytes[..at]` and `bytes[at..]`; offsets never fall.
    shared: VecDeque<Shared>,
    /// The sum of the lengths in `shared`.
    shared_bytes: usize,
}

/// A value that is sent from where it lies.
#[derive(Debug)]
struct Shared {
    at: usize,
    value: Bytes,
}

impl Output {
    /// An empty output; allocates with the first reply.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), written: 0, shared: VecDeque::new(), shared_bytes: 0 }
    }

    /// How many bytes wait.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.written + self.shared_bytes
    }

    /// Whether nothing waits.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How much memory it holds: the buffer, whether filled or not, and the shared values.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.shared.capacity() * size_of::<Shared>() + self.shared_bytes
    }

    /// Forgets everything, and gives memory back where it grew above 64 KiB.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES_MAX);
        self.shared.clear();
        self.shared.shrink_to(SLICES_MAX);
        (self.written, self.shared_bytes) = (0, 0);
    }

    /// Moves what waits out, as when a slow peer's replies leave the event loop's output for its own.
    #[must_use]
    pub fn take(&mut self) -> Output {
        std::mem::take(self)
    }

    /// Moves what waits in `other` behind what waits here, leaving `other` cleared. Copies all but shared values,
    /// and nothing where nothing waits here.
    pub fn append(&mut self, other: &mut Output) {
        if self.is_empty() {
            std::mem::swap(self, other);
            return other.clear();
        }
        let shift = self.bytes.len();
        self.bytes.extend_from_slice(other.pending());
        for Shared { at, value } in other.shared.drain(..) {
            self.shared_bytes += value.len();
            self.shared.push_back(Shared { at: at - other.written + shift, value });
        }
        other.clear();
    }

    /// Appends bytes that are encoded already.
    #[inline]
    pub fn push_encoded(&mut self, encoded: &[u8]) {
        self.bytes.extend_from_slice(encoded);
    }

    /// Appends bytes that are encoded already, without a copy where they are many: a message to all subscribers.
    pub fn push_encoded_shared(&mut self, encoded: &Bytes) {
        if encoded.len() < SHARED_BYTES_MIN {
            return self.bytes.extend_from_slice(encoded);
        }
        self.shared_bytes += encoded.len();
        self.shared.push_back(Shared { at: self.bytes.len(), value: encoded.clone() });
    }

    /// Takes what was appended since `mark` out, to be appended again behind something else.
    pub fn split_off(&mut self, mark: Mark) -> Output {
        let at = mark.0.clamp(self.written.min(self.bytes.len()), self.bytes.len());
        let mut shared = self.shared.split_off(mark.1.min(self.shared.len()));
        shared.iter_mut().for_each(|shared| shared.at = shared.at.saturating_sub(at));
        let shared_bytes = shared.iter().map(|shared| shared.value.len()).sum();
        self.shared_bytes -= shared_bytes;
        Output { bytes: self.bytes.split_off(at), written: 0, shared, shared_bytes }
    }

    /// The sink through which commands append, in the protocol of their peer.
    #[inline]
    pub fn sink(&mut self, protocol: Protocol) -> RespSink<'_> {
        RespSink { out: self, protocol }
    }

    /// Makes one write (vectored where shared values wait), forgets what was taken and returns how much that was; 0
    /// only if nothing waits. Marks taken before are void.
    ///
    /// # Errors
    /// What `writer` says, but for `Interrupted`, which is tried again; `WriteZero` if it takes nothing. Nothing is
    /// lost: a later call goes on where this one stopped.
    pub fn write_to(&mut self, writer: &mut impl Write) -> io::Result<usize> {
        if self.is_empty() {
            return Ok(0);
        }
        let count = loop {
            match self.write_once(writer) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        self.consume(count);
        Ok(count)
    }

    /// What waits, copied into one piece.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len());
        self.for_each_piece(|piece| {
            all.extend_from_slice(piece);
            true
        });
        all
    }

    /// The copied bytes that wait.
    #[inline]
    fn pending(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    fn write_once(&self, writer: &mut impl Write) -> io::Result<usize> {
        if self.shared.is_empty() {
            return writer.write(self.pending());
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        self.for_each_piece(|piece| match slices.get_mut(count) {
            Some(slot) => {
                *slot = IoSlice::new(piece);
                count += 1;
                true
            }
            None => false,
        });
        match slices.get(..count) {
            Some([only]) => writer.write(only),
            slices => writer.write_vectored(slices.unwrap_or_default()),
        }
    }

    /// Calls `visit` with each piece that is not empty, in order, until it says stop.
    fn for_each_piece<'a>(&'a self, mut visit: impl FnMut(&'a [u8]) -> bool) {
        let mut from = self.written;
        for Shared { at, value } in &self.shared {
            let before = self.bytes.get(from..*at).unwrap_or_default();
            if (!before.is_empty() && !visit(before)) || !visit(value) {
                return;
            }
            from = *at;
        }
        let rest = self.bytes.get(from..).unwrap_or_default();
        if !rest.is_empty() {
            visit(rest);
        }
    }

    /// Forgets the first `count` bytes of what waits.
    fn consume(&mut self, mut count: usize) {
        if count >= self.len() {
            return self.clear();
        }
        while let Some(Shared { at, value }) = self.shared.front_mut() {
            let before = *at - self.written;
            if count < before {
                break;
            }
            self.written = *at;
            count -= before;
            let taken = count.min(value.len());
            self.shared_bytes -= taken;
            count -= taken;
            if taken < value.len() {
                value.advance(taken);
                break;
            }
            self.shared.pop_front();
        }
        self.written += count;
        // A peer that never catches up must not make the buffer grow by what it has read already; moving at most
        // half of the buffer keeps that linear.
        if self.written > KEPT_BYTES_MAX / 2 && self.written > self.bytes.len() / 2 {
            self.bytes.drain(..self.written);
            self.shared.iter_mut().for_each(|shared| shared.at -= self.written);
            self.written = 0;
        }
    }
}

/// A [`Sink`] that encodes RESP2 or RESP3 onto an [`Output`].
#[derive(Debug)]
pub struct RespSink<'a> {
    out: &'a mut Output,
    protocol: Protocol,
}

impl RespSink<'_> {
    /// The error that ends a connection. Sends the byte of [`ProtocolError::ExpectedBulk`] as it came, which
    /// [`Sink::error`] could not when it is no UTF-8.
    pub fn protocol_error(&mut self, error: &ProtocolError) {
        match error {
            ProtocolError::ExpectedBulk(got) if !got.is_ascii() => {
                self.out.bytes.extend_from_slice(b"-ERR Protocol error: expected '$', got '");
                self.out.bytes.extend_from_slice(&[*got, b'\'', b'\r', b'\n']);
            }
            other => self.error(&format!("ERR {other}")),
        }
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.out.bytes.extend_from_slice(bytes);
    }

    /// A type byte, a number and CRLF.
    #[inline]
    fn header(&mut self, kind: u8, number: usize) {
        if number < 10 {
            return self.put(&[kind, b'0' + number as u8, b'\r', b'\n']);
        }
        if number < 100 {
            return self.put(&[kind, b'0' + (number / 10) as u8, b'0' + (number % 10) as u8, b'\r', b'\n']);
        }
        self.number(kind, itoa::Buffer::new().format(number));
    }

    /// A type byte, digits and CRLF, in one piece: no longer than 20 digits and a sign.
    fn number(&mut self, kind: u8, digits: &str) {
        self.out.bytes.reserve(digits.len() + 3);
        self.out.bytes.push(kind);
        self.put(digits.as_bytes());
        self.put(b"\r\n");
    }

    /// A line of text, whose own line ends become spaces.
    fn line(&mut self, kind: u8, text: &str) {
        self.out.bytes.push(kind);
        let mut rest = text.as_bytes();
        while let Some(at) = memchr::memchr2(b'\r', b'\n', rest) {
            let (before, after) = rest.split_at(at);
            self.put(before);
            self.put(b" ");
            rest = after.get(1..).unwrap_or_default();
        }
        self.put(rest);
        self.put(b"\r\n");
    }

    /// An aggregate's header; RESP2 knows but one kind.
    #[inline]
    fn aggregate(&mut self, kind: u8, len: usize) {
        self.header(if self.protocol == Protocol::Resp3 { kind } else { b'*' }, len);
    }
}

impl Sink for RespSink<'_> {
    #[inline]
    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    fn simple(&mut self, text: &str) {
        self.line(b'+', text);
    }

    fn error(&mut self, text: &str) {
        self.line(b'-', text);
    }

    #[inline]
    fn int(&mut self, value: i64) {
        match value {
            0 => self.put(b":0\r\n"),
            1 => self.put(b":1\r\n"),
            _ => self.number(b':', itoa::Buffer::new().format(value)),
        }
    }

    #[inline]
    fn bulk(&mut self, value: &[u8]) {
        self.out.bytes.reserve(value.len() + 24);
        self.header(b'$', value.len());
        self.put(value);
        self.put(b"\r\n");
    }

    #[inline]
    fn bulk_shared(&mut self, value: &Bytes) {
        if value.len() < SHARED_BYTES_MIN {
            return self.bulk(value);
        }
        self.header(b'$', value.len());
        self.out.push_encoded_shared(value);
        self.put(b"\r\n");
    }

    #[inline]
    fn null(&mut self) {
        self.put(if self.protocol == Protocol::Resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    #[inline]
    fn null_array(&mut self) {
        self.put(if self.protocol == Protocol::Resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    #[inline]
    fn array(&mut self, len: usize) {
        self.header(b'*', len);
    }

    #[inline]
    fn map(&mut self, pairs: usize) {
        match self.protocol {
            Protocol::Resp3 => self.header(b'%', pairs),
            Protocol::Resp2 => self.header(b'*', pairs * 2),
        }
    }

    #[inline]
    fn set(&mut self, len: usize) {
        self.aggregate(b'~', len);
    }

    #[inline]
    fn push(&mut self, len: usize) {
        self.aggregate(b'>', len);
    }

    fn attribute(&mut self, pairs: usize) -> bool {
        let takes_any = self.protocol == Protocol::Resp3;
        if takes_any {
            self.header(b'|', pairs);
        }
        takes_any
    }

    fn double(&mut self, value: f64) {
        let mut buffer = DoubleBuffer::new();
        let text = buffer.format(value);
        match self.protocol {
            Protocol::Resp3 => self.number(b',', text),
            Protocol::Resp2 => self.bulk(text.as_bytes()),
        }
    }

    fn long_double(&mut self, _: f64, text: &str) {
        match self.protocol {
            Protocol::Resp3 => self.number(b',', text),
            Protocol::Resp2 => self.bulk(text.as_bytes()),
        }
    }

    #[inline]
    fn boolean(&mut self, value: bool) {
        self.put(match (self.protocol, value) {
            (Protocol::Resp3, true) => b"#t\r\n",
            (Protocol::Resp3, false) => b"#f\r\n",
            (Protocol::Resp2, true) => b":1\r\n",
            (Protocol::Resp2, false) => b":0\r\n",
        });
    }

    fn big_number(&mut self, digits: &str) {
        match self.protocol {
            Protocol::Resp3 => self.line(b'(', digits),
            Protocol::Resp2 => self.bulk(digits.as_bytes()),
        }
    }

    fn verbatim(&mut self, format: &str, text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                // The format is three bytes to every reader, whatever the caller gave.
                let mut three = [b' '; 3];
                three.iter_mut().zip(format.bytes()).for_each(|(to, from)| *to = from);
                self.header(b'=', text.len() + 4);
                self.put(&three);
                self.put(b":");
                self.put(text);
                self.put(b"\r\n");
            }
        }
    }

    #[inline]
    fn mark(&self) -> Mark {
        Mark(self.out.bytes.len(), self.out.shared.len())
    }

    fn rollback(&mut self, mark: Mark) {
        // What has been written stays counted even if the mark is older than the write.
        self.out.bytes.truncate(mark.0.max(self.out.written));
        for dropped in self.out.shared.drain(mark.1.min(self.out.shared.len())..) {
            self.out.shared_bytes -= dropped.value.len();
        }
    }

    #[inline]
    fn ok(&mut self) {
        self.put(b"+OK\r\n");
    }
}

#[cfg(test)]
mod tests;

//! One connection: bytes in, requests to the engine, replies out.
//!
//! [`Connection::drive`] does whatever can be done now, in this order:
//!
//! 1. Replies that the peer has not taken yet go first; while there are any, nothing is read or run (back-pressure).
//! 2. A blocked client runs nothing until its wait has ended; what it sends meanwhile is kept.
//! 3. The socket is read once. A read that fills less than the buffer has emptied the socket: events are
//!    edge-triggered, so no second read has to say so.
//! 4. What was read is parsed and run, as one [`Batch`]; the shards are left at its end.
//!
//! Replies are written by [`Connection::write_out`], with one system call where the socket takes them, and only
//! after the loop has driven every connection that had an event: peers then find several replies at a time, and
//! wake up less often for them.
//!
//! What others push to the client waits, encoded, in the [`Mail`] of its [`Owner`]. The connection takes it between two
//! replies: behind that of the command that has just run, so that a client which publishes to itself reads the reply
//! first; in front of it where the command was to stop listening.
//!
//! A connection that is idle holds no buffers: it reads into its loop's, borrows one for its replies, and keeps only
//! what is incomplete.

use super::event_loop::{Inbox, Message};
use super::listen::Stream;
use crate::config::OutputLimit;
use crate::engine::{Batch, Engine, Flow, Notify, Pump, Push, Session, Waiter};
use crate::reply::{Protocol, Sink};
use crate::wire::{Limits, Output, Parsed, ProtocolError, RequestParser};
use bytes::Bytes;
use mio::Token;
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Replies are written in between when a pipeline has produced this much.
const FLUSH_BYTES: usize = 256 * 1024;

/// What one connection may write in a round of the loop: peers that take much hold nobody up for long.
const ROUND_BYTES: usize = 1024 * 1024;

/// A connection keeps at most this much unused buffer between requests.
const KEPT_BYTES: usize = 4 * 1024;

/// What the connections of a loop share: buffers and counters.
#[derive(Debug)]
pub(super) struct Shared {
    pub engine: Arc<Engine>,
    pub read: Box<[u8]>,
    /// Empty outputs that keep their memory, for the next connection that has something to say.
    pub spare: Vec<Output>,
    pub counts: Counts,
}

impl Shared {
    pub(super) fn new(engine: &Arc<Engine>) -> Self {
        Self {
            engine: Arc::clone(engine),
            read: vec![0; READ_BYTES].into_boxed_slice(),
            spare: Vec::new(),
            counts: Counts::default(),
        }
    }
}

/// What one read takes at most.
const READ_BYTES: usize = 64 * 1024;

/// Outputs that a loop keeps, and the memory that one of them may have.
const SPARE_MAX: usize = 128;
const SPARE_BYTES: usize = 16 * 1024;

/// Counted here, and added to the engine's counters once a round of the loop.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub reads: u64,
    pub writes: u64,
}

impl Counts {
    pub(super) fn settle(&mut self, engine: &Engine) {
        let stats = engine.stats();
        for (counter, count) in [
            (&stats.bytes_in, self.bytes_in),
            (&stats.bytes_out, self.bytes_out),
            (&stats.reads, self.reads),
            (&stats.writes, self.writes),
        ] {
            if count > 0 {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        }
        *self = Counts::default();
    }
}

/// Where a connection can be reached: its loop's inbox and its token there, and what lies there for it.
pub(super) struct Owner {
    place: Mutex<(Arc<Inbox>, Token)>,
    mail: Mutex<Mail>,
    /// Whether there is mail. Written under the lock of the mail; the connection looks at it between any two commands.
    has_mail: AtomicBool,
}

/// Pushes that the connection has not taken yet.
#[derive(Default)]
struct Mail {
    out: Output,
    /// There was no room for one: the connection is to be closed.
    overflowed: bool,
}

/// A push for many is copied from one encoding; one for a single client is encoded where it goes.
fn append(out: &mut Output, protocol: Protocol, push: &Push<'_>) {
    if push.is_for_many() {
        out.push_encoded_shared(push.encoded(protocol, || {
            let mut encoded = Output::new();
            push.write_to(&mut encoded.sink(protocol));
            Bytes::from(encoded.to_vec())
        }));
    } else {
        push.write_to(&mut out.sink(protocol));
    }
}

impl Owner {
    pub(super) fn new(inbox: Arc<Inbox>, token: Token) -> Self {
        Self { place: Mutex::new((inbox, token)), mail: Mutex::default(), has_mail: AtomicBool::new(false) }
    }

    #[inline]
    fn has_mail(&self) -> bool {
        self.has_mail.load(Ordering::Relaxed)
    }

    fn take_mail(&self) -> Mail {
        let mut mail = self.mail.lock();
        self.has_mail.store(false, Ordering::Relaxed);
        let overflowed = mail.overflowed;
        std::mem::replace(&mut *mail, Mail { overflowed, ..Mail::default() })
    }

    /// The connection has moved to another loop.
    pub(super) fn moved(&self, inbox: Arc<Inbox>, token: Token) {
        *self.place.lock() = (inbox, token);
    }
}

impl Notify for Owner {
    fn notify(&self) {
        let place = self.place.lock();
        place.0.send(Message::Wake(place.1));
    }

    fn push(&self, protocol: Protocol, push: &Push<'_>, room: u64) -> bool {
        let mut mail = self.mail.lock();
        if mail.overflowed {
            return false;
        }
        append(&mut mail.out, protocol, push);
        if mail.out.len() as u64 > room {
            *mail = Mail { overflowed: true, ..Mail::default() };
        }
        !self.has_mail.swap(true, Ordering::Relaxed)
    }

    /// A client that has published to itself has read its mail by now.
    fn wake(&self) {
        if self.has_mail() {
            self.notify();
        }
    }
}

/// What is to become of a connection after it was driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// An event will tell when there is more to do.
    Wait,
    /// There are replies to be written once the others were driven.
    Write,
    /// There is more to do now; others have their turn first.
    Again,
    /// It is closed.
    Close,
}

/// One client's connection.
pub(super) struct Connection {
    pub(super) stream: Stream,
    pub(super) session: Session,
    owner: Arc<Owner>,
    parser: RequestParser,
    /// Bytes that were read and not consumed: an incomplete request, or what stands behind a blocking one.
    pending: Vec<u8>,
    /// How many bytes at the front of `pending` were consumed since: less than half of it, and none where all were.
    taken: usize,
    /// Whether `pending` may hold a whole request.
    unparsed: bool,
    /// Replies that the socket did not take yet.
    out: Output,
    waiter: Option<Arc<Waiter>>,
    /// The socket may have more to read.
    readable: bool,
    /// The peer's end was announced, perhaps together with its last bytes: read up to it, for no other event comes.
    ended: bool,
    /// Since when the soft limit of unread replies is exceeded, Unix ms.
    soft_since_ms: Option<u64>,
    /// What it has been counted with in `Stats::client_bytes`.
    counted_bytes: usize,
    /// Since when replies are held back that are to be late, and for how long.
    #[cfg(feature = "testkit")]
    held: Option<(crate::clock::Stopwatch, std::time::Duration)>,
}

/// What became of a connection's replies.
enum Flushed {
    /// All are gone.
    All,
    /// The peer takes no more for now.
    Full,
    /// There are more than a round may have.
    Enough,
}

/// A stream that takes so many bytes and no more.
struct Bounded<'a> {
    stream: &'a mut Stream,
    left: usize,
}

impl Write for Bounded<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(buf.get(..self.left).unwrap_or(buf))?;
        self.left -= written;
        Ok(written)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut room = self.left;
        let whole =
            bufs.iter().take_while(|buf| room.checked_sub(buf.len()).map(|left| room = left).is_some());
        let written = match (whole.count(), bufs) {
            (0, [first, ..]) => return self.write(first),
            (count, _) => self.stream.write_vectored(bufs.get(..count).unwrap_or_default())?,
        };
        self.left -= written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Connection {
    pub(super) fn new(stream: Stream, session: Session, owner: Arc<Owner>) -> Self {
        Self {
            stream,
            session,
            owner,
            parser: RequestParser::new(),
            pending: Vec::new(),
            taken: 0,
            unparsed: false,
            out: Output::new(),
            waiter: None,
            // Bytes may have come before the socket was registered.
            readable: true,
            ended: false,
            soft_since_ms: None,
            counted_bytes: 0,
            #[cfg(feature = "testkit")]
            held: None,
        }
    }

    /// Whether its replies are to be late, and are not late enough yet.
    #[cfg(feature = "testkit")]
    pub(super) fn is_held(&mut self, delay: std::time::Duration) -> bool {
        match &self.held {
            None if delay.is_zero() => false,
            None => {
                self.held = Some((crate::clock::Stopwatch::start(), delay));
                true
            }
            Some((since, delay)) if since.elapsed() < *delay => true,
            Some(_) => {
                self.held = None;
                false
            }
        }
    }

    pub(super) fn owner(&self) -> &Owner {
        &self.owner
    }

    /// Whether it may be handed to another loop now.
    pub(super) fn is_movable(&self) -> bool {
        self.waiter.is_none() && !self.has_output() && self.pending.is_empty()
    }

    /// Whether the idle timeout may close it.
    pub(super) fn is_idle_since(&self, before_ms: u64) -> bool {
        self.waiter.is_none()
            && !self.session.subscribed
            && self.session.client.active_ms.load(Ordering::Relaxed) < before_ms
    }

    /// Whether it has to enter shards before it runs anything: what it waited for has come.
    pub(super) fn takes_delivery(&self) -> bool {
        self.waiter.as_ref().is_some_and(|waiter| waiter.has_ended())
    }

    /// Whether its end concerns shards.
    pub(super) fn holds_places(&self) -> bool {
        self.waiter.is_some() || self.session.is_watching() || self.session.is_broadcast()
    }

    /// Whether replies are still on their way.
    pub(super) fn has_output(&self) -> bool {
        !self.out.is_empty() || self.stream.has_unsent()
    }

    pub(super) fn note_readable(&mut self) {
        self.readable = true;
    }

    pub(super) fn note_ended(&mut self) {
        self.readable = true;
        self.ended = true;
    }

    /// Does what can be done now; see the module's text.
    pub(super) fn drive(&mut self, shared: &mut Shared, pump: &mut dyn Pump) -> Next {
        // Where it fails the peer is gone; whom it concerns finds out by the connection's end.
        let next = self.try_drive(shared, pump).unwrap_or(Next::Close);
        self.count_buffers(&shared.engine);
        next
    }

    /// Counts what it holds for its client. The buffers of those that hold nothing are not looked at.
    #[inline]
    pub(super) fn count_buffers(&mut self, engine: &Engine) {
        let bytes = self.session.client.buffer_bytes();
        let counted = std::mem::replace(&mut self.counted_bytes, bytes);
        if counted != bytes {
            engine.stats().client_bytes.fetch_add(bytes.wrapping_sub(counted), Ordering::Relaxed);
        }
    }

    /// It is closed, and holds nothing any more.
    pub(super) fn forget_buffers(&mut self, engine: &Engine) {
        engine.stats().client_bytes.fetch_sub(std::mem::take(&mut self.counted_bytes), Ordering::Relaxed);
    }

    fn try_drive(&mut self, shared: &mut Shared, pump: &mut dyn Pump) -> io::Result<Next> {
        if self.session.client.is_killed() {
            return Ok(Next::Close);
        }
        if self.owner.has_mail() && !self.take_mail(shared) {
            return Ok(Next::Close);
        }
        if self.has_output() {
            return Ok(Next::Write);
        }
        if let Some(waiter) = &self.waiter {
            if !waiter.has_ended() {
                return self.read_while_blocked(shared);
            }
            if self.stream.is_gone() {
                return Ok(Next::Close);
            }
            self.finish_wait(shared);
        }
        if self.unparsed && !self.session.closing {
            self.run_pending(shared, pump);
        }
        if !self.goes_on() || !self.readable {
            return Ok(self.next());
        }
        // What is left of the last read goes in front of this one, unless it is much: then this one goes behind it.
        let kept = self.pending.len();
        let kept = if kept <= KEPT_BYTES { kept } else { 0 };
        shared.read[..kept].copy_from_slice(&self.pending[..kept]);
        let read = match self.stream.read(&mut shared.read[kept..]) {
            Ok(0) => return Ok(Next::Close),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                return Ok(Next::Wait);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Next::Again),
            Err(error) => return Err(error),
        };
        shared.counts.reads += 1;
        shared.counts.bytes_in += read as u64;
        self.note_active(shared);
        let end = kept + read;
        self.readable = self.ended || end == shared.read.len();
        if self.pending.len() == kept {
            // Run where it was read; only what is left is copied.
            let buffer = std::mem::take(&mut shared.read);
            let consumed = self.run(&buffer[..end], shared, pump);
            if consumed < end {
                self.pending.clear();
                self.pending.extend_from_slice(&buffer[consumed..end]);
            } else {
                self.pending = Vec::new();
            }
            if kept > 0 || consumed < end {
                self.note_pending();
            }
            shared.read = buffer;
        } else {
            self.pending.extend_from_slice(&shared.read[..read]);
            self.run_pending(shared, pump);
        }
        Ok(self.next())
    }

    /// Writes what there is to write, as far as the socket takes it.
    pub(super) fn write_out(&mut self, shared: &mut Shared) -> Next {
        let next = match self.flush(shared) {
            Ok(Flushed::All) => self.next(),
            Ok(Flushed::Full) => self.check_output(shared),
            Ok(Flushed::Enough) => match self.check_output(shared) {
                Next::Wait => Next::Again,
                next => next,
            },
            Err(_) => Next::Close,
        };
        self.count_buffers(&shared.engine);
        next
    }

    /// Whether nothing stands against reading on.
    fn goes_on(&self) -> bool {
        self.out.is_empty() && self.waiter.is_none() && !self.session.closing
    }

    fn next(&self) -> Next {
        if self.has_output() {
            return Next::Write;
        }
        if self.session.closing {
            return Next::Close;
        }
        let runs = match &self.waiter {
            Some(waiter) => waiter.has_ended(),
            None => self.unparsed,
        };
        if runs || self.readable { Next::Again } else { Next::Wait }
    }

    /// Runs the requests at the front of `buf`; returns how many bytes they took.
    fn run(&mut self, buf: &[u8], shared: &mut Shared, pump: &mut dyn Pump) -> usize {
        if self.out.is_empty() {
            self.out = shared.spare.pop().unwrap_or_default();
        }
        let engine = &*shared.engine;
        let settings = engine.settings();
        let mut limits = Limits {
            bulk_bytes_max: settings.proto_max_bulk_len(),
            request_bytes_max: settings.client_query_buffer_limit(),
            authenticated: !engine.must_authenticate(&self.session),
            ..Limits::default()
        };
        let mut batch = Batch::new(engine).pumped(pump);
        let mut at = 0;
        self.unparsed = false;
        while at < buf.len() {
            let rest = &buf[at..];
            match self.parser.parse(rest, &limits) {
                Ok(Parsed::Complete { consumed }) => {
                    let argv: SmallVec<[&[u8]; 16]> = self.parser.args(rest).collect();
                    if is_http(argv.first().copied().unwrap_or_default()) {
                        tracing::warn!(
                            addr = self.session.client.peer.addr,
                            "possible cross-protocol attack: a client sent POST or Host:, connection closed"
                        );
                        self.session.closing = true;
                        break;
                    }
                    let mut sink = self.out.sink(self.session.protocol);
                    let mark = sink.mark();
                    let flow = batch.execute(&mut self.session, &argv, &mut sink);
                    drop(argv);
                    if self.session.pushes_first {
                        self.session.pushes_first = false;
                        let mut reply = self.out.split_off(mark);
                        self.read_mail(shared);
                        self.out.append(&mut reply);
                    } else if self.owner.has_mail() && !self.session.closing {
                        self.read_mail(shared);
                    }
                    match flow {
                        Flow::Done => at += consumed,
                        Flow::Wait(waiter) => {
                            at += consumed;
                            self.waiter = Some(waiter);
                        }
                        Flow::Later(waiter) => {
                            self.parser.reset();
                            self.waiter = Some(waiter);
                        }
                    }
                    limits.authenticated = !engine.must_authenticate(&self.session);
                }
                Ok(Parsed::Empty { consumed }) => at += consumed,
                Ok(Parsed::Incomplete { .. }) => break,
                Err(error) => {
                    // Redis closes without a word where a request is larger than its buffer may be.
                    if error != ProtocolError::TooBigRequest {
                        self.out.sink(self.session.protocol).protocol_error(&error);
                    }
                    tracing::debug!(addr = self.session.client.peer.addr, %error, "closing a connection");
                    self.session.closing = true;
                    break;
                }
            }
            if self.waiter.is_some() || self.session.closing || self.out.len() >= FLUSH_BYTES {
                self.unparsed = at < buf.len();
                break;
            }
        }
        drop(batch);
        if self.out.is_empty() {
            self.put_back(shared);
        }
        at
    }

    /// Takes what was pushed to the client behind its replies so far. A client that left too much of it unread is to
    /// be closed.
    fn read_mail(&mut self, shared: &Shared) {
        if !self.take_mail(shared) {
            self.session.closing = true;
        }
    }

    /// The same; whether there was room for everything.
    fn take_mail(&mut self, shared: &Shared) -> bool {
        let mut mail = self.owner.take_mail();
        if mail.overflowed {
            let limit = shared.engine.settings().output_limit_pubsub().hard_bytes;
            tracing::warn!(addr = self.session.client.peer.addr, limit, "closed: too many messages unread");
        }
        self.out.append(&mut mail.out);
        !mail.overflowed
    }

    /// Gives the borrowed output back: an idle connection holds no buffer.
    fn put_back(&mut self, shared: &mut Shared) {
        self.out.clear();
        let out = std::mem::take(&mut self.out);
        if shared.spare.len() < SPARE_MAX && out.memory_bytes() <= SPARE_BYTES {
            shared.spare.push(out);
        }
    }

    /// Takes the result of a wait that has ended.
    fn finish_wait(&mut self, shared: &mut Shared) {
        if let Some(waiter) = self.waiter.take() {
            let mut sink = self.out.sink(self.session.protocol);
            if !shared.engine.take_delivery(&mut self.session, &waiter, &mut sink) {
                // A client killed this one in the meantime, and took the wait back. What follows would be answered
                // in the place of the reply that is missing.
                self.session.closing = true;
            }
        }
        self.unparsed = !self.pending.is_empty();
    }

    /// Keeps what a blocked client sends, so that its end is noticed.
    fn read_while_blocked(&mut self, shared: &mut Shared) -> io::Result<Next> {
        while self.readable {
            match self.stream.read(&mut shared.read) {
                Ok(0) => return Ok(Next::Close),
                Ok(read) => {
                    shared.counts.reads += 1;
                    shared.counts.bytes_in += read as u64;
                    self.pending.extend_from_slice(&shared.read[..read]);
                    self.note_pending();
                    self.readable = self.ended || read == shared.read.len();
                    if self.pending.len() - self.taken > shared.engine.settings().client_query_buffer_limit()
                    {
                        return Ok(Next::Close);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Next::Wait)
    }

    /// Runs the requests in `pending`; keeps what is left of it, and no more memory than that deserves.
    fn run_pending(&mut self, shared: &mut Shared, pump: &mut dyn Pump) {
        let mut pending = std::mem::take(&mut self.pending);
        self.taken += self.run(&pending[self.taken..], shared, pump);
        if self.taken >= pending.len() - self.taken {
            // What is moved is no more than what was consumed: a long pipeline is not moved again for each part of it.
            pending.drain(..std::mem::take(&mut self.taken));
        }
        if pending.capacity() > KEPT_BYTES && pending.len() < pending.capacity() / 4 {
            pending.shrink_to(pending.len().max(if pending.is_empty() { 0 } else { KEPT_BYTES }));
        }
        self.pending = pending;
        self.note_pending();
    }

    fn note_pending(&self) {
        self.session.client.query_bytes.store(self.pending.len() - self.taken, Ordering::Relaxed);
    }

    /// Writes replies, as many as one round may have.
    fn flush(&mut self, shared: &mut Shared) -> io::Result<Flushed> {
        let mut left = ROUND_BYTES;
        while !self.out.is_empty() {
            // The time is read before the peer has its reply, and may do something about it.
            let now_ms = shared.engine.clock().last_ms();
            match self.out.write_to(&mut Bounded { stream: &mut self.stream, left }) {
                Ok(written) => {
                    left -= written;
                    shared.counts.writes += 1;
                    shared.counts.bytes_out += written as u64;
                    self.session.client.active_ms.store(now_ms, Ordering::Relaxed);
                    if left == 0 && !self.out.is_empty() {
                        self.note_output();
                        return Ok(Flushed::Enough);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.note_output();
                    return Ok(Flushed::Full);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        match self.stream.flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flushed::Full),
            result => result?,
        }
        self.put_back(shared);
        if self.soft_since_ms.take().is_some() || self.session.client.output_bytes.load(Ordering::Relaxed) > 0
        {
            self.note_output();
        }
        Ok(Flushed::All)
    }

    /// The peer sent or took something, and so is not idle.
    fn note_active(&self, shared: &Shared) {
        self.session.client.active_ms.store(shared.engine.clock().last_ms(), Ordering::Relaxed);
    }

    fn note_output(&self) {
        self.session.client.output_bytes.store(self.out.len(), Ordering::Relaxed);
    }

    /// Closes a connection that leaves too many replies unread (`client-output-buffer-limit`).
    fn check_output(&mut self, shared: &Shared) -> Next {
        let settings = shared.engine.settings();
        let OutputLimit { hard_bytes, soft_bytes, soft_seconds, .. } = match self.session.subscribed {
            true => settings.output_limit_pubsub(),
            false => settings.output_limit_normal(),
        };
        let unread = self.out.len() as u64;
        if hard_bytes > 0 && unread > hard_bytes {
            tracing::warn!(addr = self.session.client.peer.addr, unread, "closed: too many replies unread");
            return Next::Close;
        }
        if soft_bytes > 0 && unread > soft_bytes {
            let now_ms = shared.engine.clock().last_ms();
            let since = *self.soft_since_ms.get_or_insert(now_ms);
            if now_ms.saturating_sub(since) > soft_seconds * 1000 {
                tracing::warn!(
                    addr = self.session.client.peer.addr,
                    unread,
                    "closed: replies unread for too long"
                );
                return Next::Close;
            }
        } else {
            self.soft_since_ms = None;
        }
        Next::Wait
    }
}

/// Words that a browser sends when it is made to talk to this port.
fn is_http(name: &[u8]) -> bool {
    matches!(name.len(), 4 | 5) && (name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:"))
}

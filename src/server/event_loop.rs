//! An event loop: one thread, one poll, its connections.
//!
//! The first loop accepts; a new connection goes to the loop that has the fewest among those in use. At first that is
//! the first loop alone: fewer loops find more to do each time they wake up, and cost less a request. A loop that is
//! busy while the machine has cores to spare hands half of its connections to another one (`balance.rs`).
//!
//! Loops talk to each other, and waiters to their connections, through an [`Inbox`] only.

use super::balance::{Balance, Load};
use super::connection::{Connection, Next, Owner, Shared};
use super::gather::Gather;
use super::listen::{Listener, Stream};
use crate::clock::Stopwatch;
use crate::engine::{Engine, Peer, Pump};
use mio::event::Event;
use mio::{Events, Interest, Poll, Token, Waker};
use parking_lot::Mutex;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const EVENTS: usize = 1024;
const WAKE: Token = Token(0);
/// Listeners have the tokens from here on, connections those behind them.
const LISTENERS: usize = 1;
const CONNECTIONS: usize = 64;
/// How long the end of a server waits for peers to take their replies.
const STOP_BUDGET: Duration = Duration::from_secs(1);
/// How often a connection that a slow script keeps from shards is looked after.
const LATE_PAUSE: Duration = Duration::from_millis(5);
/// How long a backlog is left alone that could not be accepted from.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a loop can be told from outside.
pub(super) enum Message {
    /// A new connection.
    Accepted(Stream, Peer),
    /// A connection from another loop.
    Moved(Box<Connection>),
    /// Look after this connection.
    Wake(Token),
    /// Finish and end.
    Stop,
}

/// What lies in a loop's letter box.
#[derive(Default)]
struct Letters {
    messages: Vec<Message>,
    /// The loop waits for events, or is about to, and will not look here unless it is woken.
    asleep: bool,
}

/// A loop's letter box.
pub(super) struct Inbox {
    letters: Mutex<Letters>,
    waker: Waker,
    /// Connections that the loop has or is about to get.
    connections: AtomicUsize,
}

impl Inbox {
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

impl Inbox {
    pub(super) fn send(&self, message: Message) {
        let mut letters = self.letters.lock();
        letters.messages.push(message);
        // One wake serves all messages that come before the loop looks; one that is awake will look anyway.
        let asleep = std::mem::take(&mut letters.asleep);
        drop(letters);
        if asleep {
            self.wake();
        }
    }

    /// Notes that the loop is about to wait; whether it may, because nothing lies here.
    fn fall_asleep(&self) -> bool {
        let mut letters = self.letters.lock();
        letters.asleep = letters.messages.is_empty();
        letters.asleep
    }

    /// Takes what lies here, of a loop that is awake.
    fn take(&self) -> Vec<Message> {
        let mut letters = self.letters.lock();
        letters.asleep = false;
        std::mem::take(&mut letters.messages)
    }

    /// Has the loop look around, and at the settings.
    pub(super) fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "an event loop could not be woken");
        }
    }
}

/// A place for a connection; the generation tells its successive tenants apart.
#[derive(Default)]
struct Place {
    generation: u32,
    connection: Option<Box<Connection>>,
}

/// One event loop, before and while it runs.
pub(super) struct EventLoop {
    poll: Poll,
    inbox: Arc<Inbox>,
    engine: Arc<Engine>,
    /// What connections work with; lent to the one that is driven.
    shared: Option<Box<Shared>>,
    /// The same for those that are driven while that one runs a script.
    shared_in_pump: Option<Box<Shared>>,
    /// Connections that must not enter a shard before a slow script has ended.
    late: Vec<Token>,
    /// Events of the connection whose script runs: whether its end was announced.
    missed: Vec<(Token, bool)>,
    listeners: Vec<Listener>,
    /// Listeners that could not be accepted from, and since when: no event tells when they can be again.
    stalled: Vec<(usize, Stopwatch)>,
    places: Vec<Place>,
    vacant: Vec<usize>,
    /// Connections that have more to do once the others had their turn.
    again: Vec<Token>,
    /// Connections that have replies to be written at the end of the round.
    writes: Vec<Token>,
    loops: Vec<Arc<Inbox>>,
    balance: Arc<Balance>,
    load: Load,
    swept_ms: u64,
    /// Whether a peer may have left replies unread, so that somebody has to look after it.
    slow: bool,
    stopping: bool,
}

impl EventLoop {
    pub(super) fn new(_number: usize, engine: Arc<Engine>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let inbox = Arc::new(Inbox { letters: Mutex::default(), waker, connections: AtomicUsize::new(0) });
        Ok(Self {
            poll,
            inbox,
            shared: Some(Box::new(Shared::new(&engine))),
            engine,
            shared_in_pump: None,
            late: Vec::new(),
            missed: Vec::new(),
            listeners: Vec::new(),
            stalled: Vec::new(),
            places: Vec::new(),
            vacant: Vec::new(),
            again: Vec::new(),
            writes: Vec::new(),
            loops: Vec::new(),
            balance: Arc::default(),
            load: Load::default(),
            swept_ms: 0,
            slow: false,
            stopping: false,
        })
    }

    pub(super) fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }

    /// Makes the loop one of several.
    pub(super) fn join(&mut self, loops: Vec<Arc<Inbox>>, balance: Arc<Balance>) {
        self.loops = loops;
        self.balance = balance;
    }

    /// Accepts from this listener.
    pub(super) fn listen(&mut self, mut listener: Listener) -> io::Result<()> {
        let token = Token(LISTENERS + self.listeners.len());
        if token.0 >= CONNECTIONS {
            return Err(io::Error::other("too many addresses to listen on"));
        }
        let registry = self.poll.registry();
        match &mut listener {
            #[cfg(feature = "tls")]
            Listener::Tls(listener, _) => registry.register(listener, token, Interest::READABLE)?,
            Listener::Tcp(listener) => registry.register(listener, token, Interest::READABLE)?,
            Listener::Unix(listener, _) => registry.register(listener, token, Interest::READABLE)?,
        }
        self.listeners.push(listener);
        Ok(())
    }

    /// Runs until told to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut gather = Gather::new();
        while !self.stopping {
            if self.again.is_empty() {
                gather.before_poll();
            }
            let timeout = if self.inbox.fall_asleep() { self.timeout() } else { Some(Duration::ZERO) };
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(%error, "an event loop ends: its poll failed");
                    return;
                }
            }
            gather.after_poll(events.iter().count());
            for token in std::mem::take(&mut self.again).into_iter().chain(std::mem::take(&mut self.late)) {
                self.drive(token);
            }
            for event in &events {
                self.attend(event);
            }
            // After the sockets: a connection that has just closed takes no delivery.
            self.read_inbox();
            self.accept_again();
            self.write();
            if self.engine.settings().maxmemory_clients() != 0 {
                self.engine.evict_clients();
            }
            self.sweep();
            self.spread();
            self.settle();
        }
        self.finish(&mut events);
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let settings = self.engine.settings();
        if !self.late.is_empty() {
            return Some(LATE_PAUSE);
        }
        if !self.stalled.is_empty() {
            return Some(ACCEPT_PAUSE);
        }
        let watches = settings.timeout() > 0 || self.watches_slow();
        (watches && self.places.len() > self.vacant.len()).then_some(Duration::from_secs(1))
    }

    /// Whether a slow reader may have to be closed though nothing happens to it.
    fn watches_slow(&self) -> bool {
        let settings = self.engine.settings();
        let limits = [settings.output_limit_normal(), settings.output_limit_pubsub()];
        self.slow && limits.iter().any(|limit| limit.soft_bytes > 0)
    }

    fn read_inbox(&mut self) {
        for message in self.inbox.take() {
            match message {
                Message::Accepted(stream, peer) => self.admit(stream, peer),
                Message::Moved(connection) => self.adopt(connection),
                Message::Wake(token) => self.drive(token),
                Message::Stop => self.stopping = true,
            }
        }
    }

    fn connection(&mut self, token: Token) -> Option<&mut Connection> {
        let (index, generation) = split(token);
        let place = self.places.get_mut(index)?;
        if place.generation == generation { place.connection.as_deref_mut() } else { None }
    }

    /// Does what an event asks for.
    fn attend(&mut self, event: &Event) {
        match event.token() {
            WAKE => {}
            Token(number) if number < CONNECTIONS => self.accept(number - LISTENERS),
            token => {
                let ended = event.is_read_closed() || event.is_error();
                match self.connection(token) {
                    Some(connection) if ended => connection.note_ended(),
                    Some(connection) if event.is_readable() => connection.note_readable(),
                    Some(_) => {}
                    None if ended || event.is_readable() => self.missed.push((token, ended)),
                    None => {}
                }
                self.drive(token);
            }
        }
    }

    fn drive(&mut self, token: Token) {
        let (index, generation) = split(token);
        let Some(place) = self.places.get_mut(index) else { return };
        if place.generation != generation {
            return;
        }
        // Taken out of its place: a script of its own may have the loop look after the others.
        let Some(mut connection) = place.connection.take() else { return };
        if connection.takes_delivery() && self.engine.busy().is_slow() {
            place.connection = Some(connection);
            self.late.push(token);
            return;
        }
        let Some(mut shared) = self.shared.take() else { return };
        let next = connection.drive(&mut shared, self);
        self.shared = Some(shared);
        if let Some(place) = self.places.get_mut(index) {
            place.connection = Some(connection);
        }
        if !self.missed.is_empty() {
            self.catch_up();
        }
        match next {
            Next::Wait => {}
            Next::Write => self.writes.push(token),
            Next::Again => self.again.push(token),
            Next::Close => self.close(token),
        }
    }

    /// Looks after what happened to a connection while its script ran.
    #[cold]
    fn catch_up(&mut self) {
        for (token, ended) in std::mem::take(&mut self.missed) {
            if let Some(connection) = self.connection(token) {
                if ended {
                    connection.note_ended();
                } else {
                    connection.note_readable();
                }
                self.again.push(token);
            }
        }
    }

    /// Writes the replies of this round.
    fn write(&mut self) {
        let mut writes = std::mem::take(&mut self.writes);
        if let Err(error) = self.engine.journal().commit() {
            // Nobody knows whether what they did will last, and nobody is told that it does. Who only read is served.
            let journal = self.engine.journal_handle();
            let writers: Vec<Token> = writes
                .extract_if(.., |token| {
                    self.connection(*token).is_some_and(|one| !journal.is_synced(one.session.written))
                })
                .collect();
            tracing::error!("{} connections are closed without a reply: {error}", writers.len());
            writers.into_iter().for_each(|token| self.close(token));
        }
        for token in writes.drain(..) {
            let (index, generation) = split(token);
            let Some(place) = self.places.get_mut(index) else { continue };
            let Some(connection) = place.connection.as_deref_mut() else { continue };
            let Some(shared) = self.shared.as_deref_mut() else { continue };
            if place.generation != generation {
                continue;
            }
            #[cfg(feature = "testkit")]
            if connection.is_held(self.engine.faults().delayed_by()) {
                self.late.push(token);
                continue;
            }
            let next = connection.write_out(shared);
            self.slow |= connection.has_output();
            match next {
                Next::Wait | Next::Write => {}
                Next::Again => self.again.push(token),
                Next::Close => self.close(token),
            }
        }
        self.writes = writes;
    }

    fn close(&mut self, token: Token) {
        if self.engine.busy().is_slow() && self.connection(token).is_some_and(|one| one.holds_places()) {
            return self.late.push(token);
        }
        let Some(mut connection) = self.remove(token) else { return };
        connection.forget_buffers(&self.engine);
        // The socket closes with its value, whatever the poll says.
        let _ = self.poll.registry().deregister(&mut connection.stream);
        self.inbox.connections.fetch_sub(1, Ordering::Relaxed);
        self.balance.total.fetch_sub(1, Ordering::Relaxed);
        self.engine.disconnect(&mut connection.session);
    }

    fn remove(&mut self, token: Token) -> Option<Box<Connection>> {
        let (index, generation) = split(token);
        let place = self.places.get_mut(index).filter(|place| place.generation == generation)?;
        let connection = place.connection.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.vacant.push(index);
        Some(connection)
    }

    fn settle(&mut self) {
        for shared in [&mut self.shared, &mut self.shared_in_pump].into_iter().flatten() {
            shared.counts.settle(&self.engine);
        }
    }

    // ---- Accepting ------------------------------------------------------------------------------------------

    fn accept(&mut self, number: usize) {
        let keepalive = self.engine.settings().tcp_keepalive();
        loop {
            let Some(listener) = self.listeners.get(number) else { return };
            match listener.accept(keepalive) {
                Ok((stream, peer)) => self.place(stream, peer),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The peer was gone before it was accepted.
                Err(error) if is_lost(&error) => {
                    tracing::debug!(%error, "a connection was lost while it was accepted");
                }
                // No descriptor or no memory: the connection stays in the backlog, and to ask again would not help.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    self.stalled.retain(|(stalled, _)| *stalled != number);
                    return self.stalled.push((number, Stopwatch::start()));
                }
            }
        }
    }

    fn accept_again(&mut self) {
        if self.stalled.iter().any(|(_, since)| since.elapsed() >= ACCEPT_PAUSE) {
            std::mem::take(&mut self.stalled).into_iter().for_each(|(number, _)| self.accept(number));
        }
    }

    /// Refuses a connection or gives it to a loop.
    fn place(&mut self, stream: Stream, peer: Peer) {
        let engine = &self.engine;
        let settings = engine.settings();
        if self.balance.total.load(Ordering::Relaxed) >= settings.maxclients() as usize {
            engine.stats().connections_rejected.fetch_add(1, Ordering::Relaxed);
            return refuse(stream, "-ERR max number of clients reached\r\n");
        }
        let anybody = || engine.acl().default_user().rules().needs_no_password();
        if settings.protected_mode() && !peer.local && anybody() {
            engine.stats().connections_rejected.fetch_add(1, Ordering::Relaxed);
            return refuse(stream, PROTECTED);
        }
        engine.stats().connections.fetch_add(1, Ordering::Relaxed);
        self.balance.total.fetch_add(1, Ordering::Relaxed);
        let used = self.balance.used(&self.loops);
        let least = self.loops.iter().take(used).min_by_key(|inbox| inbox.connections());
        match least {
            Some(inbox) if !Arc::ptr_eq(inbox, &self.inbox) => {
                inbox.connections.fetch_add(1, Ordering::Relaxed);
                inbox.send(Message::Accepted(stream, peer));
            }
            _ => {
                self.inbox.connections.fetch_add(1, Ordering::Relaxed);
                self.admit(stream, peer);
            }
        }
    }

    /// Makes a connection of a socket that this loop was given.
    fn admit(&mut self, stream: Stream, peer: Peer) {
        let token = self.reserve();
        let owner = Arc::new(Owner::new(Arc::clone(&self.inbox), token));
        let session = self.engine.connect(peer, Arc::clone(&owner) as _);
        self.enter(token, Box::new(Connection::new(stream, session, owner)));
    }

    fn adopt(&mut self, mut connection: Box<Connection>) {
        let token = self.reserve();
        connection.owner().moved(Arc::clone(&self.inbox), token);
        connection.note_readable();
        self.enter(token, connection);
    }

    fn reserve(&mut self) -> Token {
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            self.places.len() - 1
        });
        join(index, self.places[index].generation)
    }

    fn enter(&mut self, token: Token, mut connection: Box<Connection>) {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self.poll.registry().register(&mut connection.stream, token, interest);
        let (index, _) = split(token);
        self.places[index].connection = Some(connection);
        match registered {
            Ok(()) => self.drive(token),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be watched");
                self.close(token);
            }
        }
    }

    // ---- Keeping house --------------------------------------------------------------------------------------

    /// Once a second: closes connections that were idle for `timeout`, and looks after slow readers.
    fn sweep(&mut self) {
        let engine = &self.engine;
        let timeout_ms = engine.settings().timeout() * 1000;
        let soft = self.watches_slow();
        if timeout_ms == 0 && !soft {
            return;
        }
        // Where nobody sends anything nobody else reads the clock. It may have been put back since the last time.
        let now_ms = engine.clock().now_ms();
        if (self.swept_ms..self.swept_ms + 1000).contains(&now_ms) {
            return;
        }
        self.swept_ms = now_ms;
        // Whoever is found to be slow says so again.
        self.slow &= !soft;
        for index in 0..self.places.len() {
            let place = &self.places[index];
            let Some(connection) = &place.connection else { continue };
            let token = join(index, place.generation);
            if timeout_ms > 0 && connection.is_idle_since(now_ms.saturating_sub(timeout_ms)) {
                self.close(token);
            } else if soft && connection.has_output() {
                self.slow = true;
                self.drive(token);
            }
        }
    }

    /// Hands connections to another loop where this one is the bottleneck.
    fn spread(&mut self) {
        if self.loops.len() < 2 || !self.load.is_high(self.engine.clock().last_ms()) {
            return;
        }
        let mine = self.inbox.connections();
        let Some(target) = self.balance.target(&self.loops, mine) else { return };
        let target = Arc::clone(&self.loops[target]);
        let mut left = mine.saturating_sub(target.connections()) / 2;
        for index in 0..self.places.len() {
            if left == 0 {
                break;
            }
            let place = &self.places[index];
            if !place.connection.as_ref().is_some_and(|connection| connection.is_movable()) {
                continue;
            }
            let Some(mut connection) = self.remove(join(index, place.generation)) else { continue };
            if let Err(error) = self.poll.registry().deregister(&mut connection.stream) {
                tracing::debug!(%error, "a connection that moves was not watched");
            }
            self.inbox.connections.fetch_sub(1, Ordering::Relaxed);
            target.connections.fetch_add(1, Ordering::Relaxed);
            target.send(Message::Moved(connection));
            left -= 1;
        }
    }

    /// Runs what has arrived, gives peers a moment to take their replies, and closes everything.
    fn finish(&mut self, events: &mut Events) {
        self.listeners.clear();
        let tokens = |places: &[Place]| -> Vec<Token> {
            let taken = places.iter().enumerate().filter(|(_, place)| place.connection.is_some());
            taken.map(|(index, place)| join(index, place.generation)).collect()
        };
        for token in tokens(&self.places) {
            if let Some(connection) = self.connection(token) {
                connection.note_readable();
            }
            self.drive(token);
        }
        self.write();
        let watch = Stopwatch::start();
        while self.places.iter().any(|place| place.connection.as_ref().is_some_and(|c| c.has_output())) {
            let left = STOP_BUDGET.saturating_sub(watch.elapsed());
            if left.is_zero() || self.poll.poll(events, Some(left)).is_err() {
                break;
            }
            for event in &*events {
                self.drive(event.token());
            }
            self.write();
        }
        for token in tokens(&self.places) {
            self.close(token);
        }
        self.settle();
    }
}

/// While a script runs in one of its connections, and is slow, the loop goes on with the others: they are told so, and
/// may end it. It is inside all shards, so nothing that enters one is done here: what would is put off.
impl Pump for EventLoop {
    fn pump(&mut self) {
        let mut events = Events::with_capacity(EVENTS);
        if self.poll.poll(&mut events, Some(Duration::ZERO)).is_err() {
            return;
        }
        if self.shared_in_pump.is_none() {
            self.shared_in_pump = Some(Box::new(Shared::new(&self.engine)));
        }
        // The connection that runs the script has the other.
        std::mem::swap(&mut self.shared, &mut self.shared_in_pump);
        for token in std::mem::take(&mut self.again) {
            self.drive(token);
        }
        for event in &events {
            self.attend(event);
        }
        self.read_inbox();
        self.write();
        if self.stopping {
            self.engine.busy().stop();
        }
        std::mem::swap(&mut self.shared, &mut self.shared_in_pump);
    }
}

fn join(index: usize, generation: u32) -> Token {
    Token((index + CONNECTIONS) | (generation as usize) << 32)
}

fn split(token: Token) -> (usize, u32) {
    ((token.0 & 0xFFFF_FFFF).wrapping_sub(CONNECTIONS), (token.0 >> 32) as u32)
}

/// Whether accepting failed for one connection only, which has left the backlog.
fn is_lost(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, InvalidInput, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | InvalidInput | NotConnected)
}

/// Says why, as far as the socket takes it, and closes.
fn refuse(mut stream: Stream, why: &str) {
    let _ = stream.write(why.as_bytes());
}

const PROTECTED: &str = "-DENIED Redis is running in protected mode because protected mode is enabled and no \
password is set for the default user. In this mode connections are only accepted from the loopback interface. If you \
want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable \
protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis \
from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do \
so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by \
editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. \
3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Set up \
an authentication password for the default user. NOTE: You only need to do one of the above things in order for the \
server to start accepting connections from the outside.\r\n";

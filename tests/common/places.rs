//! Where scripts run: the engine in process, or a server behind a socket.

use super::resp::{self, Value};
use damselfly::clock::Clock;
use damselfly::config::{Allowed, Config};
use damselfly::engine::{Batch, Engine, Flow, Notify, Peer, Push, Session, Waiter};
use damselfly::reply::{Protocol, ReplyBuilder, Sink as _};
use damselfly::wire::Output;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

/// When scripts begin, in process: 14 November 2023, Unix ms.
pub const START_MS: u64 = 1_700_000_000_000;

type Argv = Vec<Vec<u8>>;

/// How long a reply may take that is due.
const PATIENCE: Duration = Duration::from_secs(10);

/// Something that runs commands for named sessions.
pub trait Place: Send {
    /// What it is, for people.
    fn name(&self) -> String;
    /// No keys, no sessions.
    fn reset(&mut self);
    /// Sends a command.
    fn send(&mut self, session: &str, argv: &[Vec<u8>]) -> Result<(), String>;
    /// The next reply, waiting for it.
    fn receive(&mut self, session: &str) -> Result<Value, String>;
    /// A reply that is there though none is due.
    fn leftover(&mut self, session: &str) -> Option<Value>;
    /// How many clients are blocked.
    fn blocked(&mut self) -> usize;
    /// Waits until the session is blocked, as one more than `before` are then; a reply if it is not.
    fn settles(&mut self, session: &str, before: usize) -> Option<Value>;
    /// Whether the server has closed the session.
    fn is_closed(&mut self, session: &str) -> bool;
    /// Moves the clock.
    fn advance(&mut self, by: Duration);
    /// Closes all sessions; then nothing may be left of them.
    fn end(&mut self) -> Result<(), String>;
}

/// A configuration for tests.
pub fn config(shards: u32) -> Config {
    Config::default().shards(shards).seed(1).enable_debug_command(Allowed::Yes)
}

/// A clock that stands at [`START_MS`].
pub fn clock() -> Clock {
    Clock::manual(START_MS)
}

/// Someone who looks for results himself.
#[derive(Debug)]
pub struct Nobody;

impl Notify for Nobody {
    fn notify(&self) {}
}

/// Someone who looks for pushes himself, too.
#[derive(Debug, Default)]
pub struct Mailbox(Mutex<Output>);

impl Notify for Mailbox {
    fn notify(&self) {}

    fn push(&self, protocol: Protocol, push: &Push<'_>, _: u64) -> bool {
        push.write_to(&mut self.0.lock().expect("no test panics here").sink(protocol));
        false
    }
}

impl Mailbox {
    pub fn take(&self) -> Output {
        self.0.lock().expect("no test panics here").take()
    }
}

/// The engine in process, its clock in our hands.
pub struct Local {
    shards: u32,
    pub engine: Arc<Engine>,
    clients: BTreeMap<String, LocalClient>,
}

struct LocalClient {
    session: Session,
    mail: Arc<Mailbox>,
    output: Output,
    /// What it waits for, and the command to run again then where clients are paused.
    waiter: Option<(Arc<Waiter>, Option<Argv>)>,
    /// Commands sent while it waited.
    queue: Vec<Argv>,
}

impl Local {
    /// With a clock that we move.
    pub fn new(shards: u32) -> Self {
        Self::with_clock(shards, clock())
    }

    pub fn with_clock(shards: u32, clock: Clock) -> Self {
        let engine = Engine::open(&config(shards), clock).expect("a good configuration");
        Self { shards, engine, clients: BTreeMap::new() }
    }

    /// On an engine that is there.
    pub fn on(engine: Arc<Engine>) -> Self {
        Self { shards: engine.shards() as u32, engine, clients: BTreeMap::new() }
    }

    /// Sends a command and takes its reply.
    pub fn ask(&mut self, session: &str, argv: &[Vec<u8>]) -> Result<Value, String> {
        self.send(session, argv)?;
        self.receive(session)
    }

    /// Ends a session; its name is free again.
    pub fn disconnect(&mut self, session: &str) {
        if let Some(mut client) = self.clients.remove(session) {
            self.engine.disconnect(&mut client.session);
        }
    }

    fn client(&mut self, name: &str) -> &mut LocalClient {
        let engine = &self.engine;
        self.clients.entry(name.to_owned()).or_insert_with(|| {
            let mail = Arc::new(Mailbox::default());
            let owner = Arc::clone(&mail) as _;
            LocalClient {
                session: engine.connect(Peer { local: true, fd: -1, ..Peer::default() }, owner),
                mail,
                output: Output::new(),
                waiter: None,
                queue: Vec::new(),
            }
        })
    }

    fn execute(&mut self, name: &str, argv: &[Vec<u8>]) {
        let engine = Arc::clone(&self.engine);
        let client = self.client(name);
        if client.session.closing || client.session.client.is_killed() {
            return;
        }
        if client.waiter.is_some() {
            client.queue.push(argv.to_vec());
            return;
        }
        let words: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
        // HELLO answers in the protocol that it chooses, so its reply is encoded afterwards.
        let hello = words[0].eq_ignore_ascii_case(b"HELLO");
        let mut later = ReplyBuilder::new(Protocol::Resp3);
        client.output.append(&mut client.mail.take());
        let mark = client.output.sink(client.session.protocol).mark();
        let mut batch = Batch::new(&engine);
        let flow = if hello {
            batch.execute(&mut client.session, &words, &mut later)
        } else {
            let mut sink = client.output.sink(client.session.protocol);
            batch.execute(&mut client.session, &words, &mut sink)
        };
        drop(batch);
        for reply in later.finish_all() {
            reply.write_to(&mut client.output.sink(client.session.protocol));
        }
        let mut reply = client.output.split_off(mark);
        let mut mail = client.mail.take();
        let pushes_first = std::mem::take(&mut client.session.pushes_first);
        let order = if pushes_first { [&mut mail, &mut reply] } else { [&mut reply, &mut mail] };
        order.into_iter().for_each(|part| client.output.append(part));
        client.waiter = match flow {
            Flow::Done => None,
            Flow::Wait(waiter) => Some((waiter, None)),
            Flow::Later(waiter) => Some((waiter, Some(argv.to_vec()))),
        };
    }

    /// Takes delivery where a wait has ended, and goes on with what was sent meanwhile.
    fn settle(&mut self, name: &str) {
        let engine = Arc::clone(&self.engine);
        let client = self.client(name);
        let Some((waiter, again)) = client.waiter.take() else { return };
        if !waiter.has_ended() {
            client.waiter = Some((waiter, again));
            return;
        }
        let mut queue = std::mem::take(&mut client.queue);
        match again {
            None => {
                let mut sink = client.output.sink(client.session.protocol);
                engine.take_delivery(&mut client.session, &waiter, &mut sink);
            }
            Some(argv) => {
                // The end of a pause is no reply.
                engine.take_delivery(&mut client.session, &waiter, &mut ReplyBuilder::default());
                queue.insert(0, argv);
            }
        }
        for argv in queue {
            self.execute(name, &argv);
        }
    }

    fn take(&mut self, name: &str) -> Result<Option<Value>, String> {
        let client = self.client(name);
        client.output.append(&mut client.mail.take());
        let bytes = client.output.to_vec();
        if bytes.is_empty() {
            return Ok(None);
        }
        let (value, used) = resp::decode(&bytes)?.ok_or("half a reply")?;
        client.output.clear();
        client.output.push_encoded(&bytes[used..]);
        Ok(Some(value))
    }
}

impl Place for Local {
    fn name(&self) -> String {
        format!("in process, {} shard{}", self.shards, if self.shards == 1 { "" } else { "s" })
    }

    fn reset(&mut self) {}

    fn send(&mut self, session: &str, argv: &[Vec<u8>]) -> Result<(), String> {
        self.settle(session);
        self.execute(session, argv);
        Ok(())
    }

    /// Where a reply is due after a time, the clock is moved by that time.
    fn receive(&mut self, session: &str) -> Result<Value, String> {
        for _ in 0..1000 {
            self.settle(session);
            if let Some(value) = self.take(session)? {
                return Ok(value);
            }
            let Some((waiter, _)) = &self.client(session).waiter else {
                return Err("got no reply".into());
            };
            let Some(deadline_ms) = waiter.deadline_ms() else { return Err("it blocks for ever".into()) };
            let waiter = Arc::clone(waiter);
            if self.engine.clock().is_manual() {
                let left_ms = deadline_ms.saturating_sub(self.engine.clock().now_ms());
                self.engine.advance(Duration::from_millis(left_ms));
            }
            ended(&waiter)?;
        }
        Err("it waits again and again".into())
    }

    fn leftover(&mut self, session: &str) -> Option<Value> {
        self.settle(session);
        self.take(session).unwrap_or_else(|error| Some(Value::Error(error.into_bytes())))
    }

    fn blocked(&mut self) -> usize {
        0
    }

    fn settles(&mut self, session: &str, _: usize) -> Option<Value> {
        if let Some(value) = self.leftover(session) {
            return Some(value);
        }
        let waits = self.client(session).waiter.is_some();
        (!waits).then(|| Value::Error(b"(no reply, and it does not wait)".to_vec()))
    }

    fn is_closed(&mut self, session: &str) -> bool {
        let session = &self.client(session).session;
        session.closing || session.client.is_killed()
    }

    fn advance(&mut self, by: Duration) {
        self.engine.advance(by);
        let now_ms = self.engine.clock().now_ms();
        for client in self.clients.values() {
            if let Some((waiter, _)) = &client.waiter
                && waiter.deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now_ms)
            {
                let _ = ended(waiter);
            }
        }
    }

    fn end(&mut self) -> Result<(), String> {
        for mut client in std::mem::take(&mut self.clients).into_values() {
            self.engine.disconnect(&mut client.session);
        }
        let blocked = self.engine.stats().blocked.load(Ordering::Relaxed);
        if blocked != 0 {
            return Err(format!("all clients are gone, and {blocked} are counted as blocked"));
        }
        Ok(())
    }
}

/// Waits until a wait whose time is up has ended, which another thread sees to.
fn ended(waiter: &Waiter) -> Result<(), String> {
    for _ in 0..PATIENCE.as_millis() {
        if waiter.has_ended() {
            return Ok(());
        }
        sleep(Duration::from_millis(1));
    }
    Err("a wait did not end when its time was up".into())
}

/// A server behind a socket.
pub struct Remote {
    name: String,
    addr: String,
    clients: BTreeMap<String, RemoteClient>,
    control: Option<RemoteClient>,
}

/// One connection, and what of its replies was not taken yet.
pub struct RemoteClient {
    stream: TcpStream,
    input: Vec<u8>,
}

impl RemoteClient {
    pub fn connect(addr: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(addr).map_err(|error| format!("{addr}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Self { stream, input: Vec::new() })
    }

    pub fn send(&mut self, argv: &[Vec<u8>]) -> Result<(), String> {
        self.send_bytes(&resp::request(argv))
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream.write_all(bytes).map_err(|error| format!("cannot send: {error}"))
    }

    /// The next reply if it comes within `wait`; an error where the connection is closed.
    pub fn receive(&mut self, wait: Duration) -> Result<Option<Value>, String> {
        let mut buffer = [0; 16 * 1024];
        loop {
            if !self.input.is_empty()
                && let Some((value, used)) = resp::decode(&self.input)?
            {
                self.input.drain(..used);
                return Ok(Some(value));
            }
            self.stream
                .set_read_timeout(Some(wait.max(Duration::from_millis(1))))
                .map_err(|error| error.to_string())?;
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err("closed".into()),
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(error) => return Err(format!("closed: {error}")),
            }
        }
    }

    pub fn ask(&mut self, argv: &[Vec<u8>]) -> Result<Value, String> {
        self.send(argv)?;
        self.receive(PATIENCE)?.ok_or_else(|| "got no reply in time".into())
    }

    /// Sends words of a line.
    pub fn line(&mut self, line: &str) -> Result<Value, String> {
        self.ask(&super::script::words(line)?)
    }
}

impl Remote {
    pub fn new(name: &str, addr: &str) -> Self {
        Self { name: name.to_owned(), addr: addr.to_owned(), clients: BTreeMap::new(), control: None }
    }

    pub fn addr(&self) -> &str {
        &self.addr
    }

    fn client(&mut self, session: &str) -> Result<&mut RemoteClient, String> {
        if !self.clients.contains_key(session) {
            self.clients.insert(session.to_owned(), RemoteClient::connect(&self.addr)?);
        }
        self.clients.get_mut(session).ok_or_else(|| "just connected".into())
    }

    pub fn control(&mut self, line: &str) -> Result<Value, String> {
        if self.control.is_none() {
            self.control = Some(RemoteClient::connect(&self.addr)?);
        }
        let reply = self.control.as_mut().ok_or("just connected")?.line(line);
        if reply.is_err() {
            self.control = None;
        }
        reply
    }

    pub fn ask(&mut self, session: &str, argv: &[Vec<u8>]) -> Result<Value, String> {
        self.client(session)?.ask(argv)
    }
}

impl Place for Remote {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn reset(&mut self) {
        self.clients.clear();
        // A client that is gone is blocked until the server has read that it is.
        for _ in 0..100 {
            if self.blocked() == 0 {
                break;
            }
            sleep(Duration::from_millis(5));
        }
        match self.control("FLUSHALL") {
            Ok(Value::Error(error)) => panic!("{}: {}", self.name, resp::show(&error)),
            Ok(_) => {}
            Err(error) => panic!("{}: {error}", self.name),
        }
    }

    fn send(&mut self, session: &str, argv: &[Vec<u8>]) -> Result<(), String> {
        self.client(session)?.send(argv)
    }

    fn receive(&mut self, session: &str) -> Result<Value, String> {
        self.client(session)?.receive(PATIENCE)?.ok_or_else(|| "got no reply in time".into())
    }

    fn leftover(&mut self, session: &str) -> Option<Value> {
        // A connection that is closed has no more replies.
        self.client(session).ok()?.receive(Duration::from_millis(5)).ok().flatten()
    }

    fn blocked(&mut self) -> usize {
        let Ok(Value::Bulk(info) | Value::Verbatim(info)) = self.control("INFO clients") else { return 0 };
        let info = String::from_utf8_lossy(&info).into_owned();
        let line = info.lines().find_map(|line| line.strip_prefix("blocked_clients:"));
        line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
    }

    fn settles(&mut self, session: &str, before: usize) -> Option<Value> {
        for _ in 0..100 {
            if let Some(value) = self.leftover(session) {
                return Some(value);
            }
            if self.blocked() > before {
                break;
            }
        }
        self.leftover(session)
    }

    fn is_closed(&mut self, session: &str) -> bool {
        self.client(session).is_ok_and(|client| client.receive(PATIENCE).is_err())
    }

    fn advance(&mut self, _: Duration) {
        unreachable!("scripts that move the clock are for our own engine");
    }

    fn end(&mut self) -> Result<(), String> {
        self.clients.clear();
        Ok(())
    }
}

/// Our own server on a free port of 127.0.0.1, in this process.
#[cfg(feature = "server")]
pub struct TestServer {
    pub engine: Arc<Engine>,
    addr: String,
    /// Ends with the value.
    _server: damselfly::server::Server,
}

#[cfg(feature = "server")]
impl TestServer {
    pub fn start(config: &Config, clock: Clock) -> Self {
        let engine = Engine::open(config, clock).expect("a good configuration");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let listener = damselfly::server::Listener::from_std(listener).expect("a listener");
        let server = damselfly::server::Server::start(Arc::clone(&engine), vec![listener]).expect("a server");
        let addr = server.addresses()[0].to_string();
        Self { engine, addr, _server: server }
    }

    /// Where it listens.
    pub fn addr(&self) -> &str {
        &self.addr
    }

    pub fn connect(&self) -> RemoteClient {
        RemoteClient::connect(&self.addr).expect("it listens")
    }
}

/// Scripts on our own server over TCP.
#[cfg(feature = "server")]
pub struct Served {
    remote: Remote,
    server: TestServer,
}

#[cfg(feature = "server")]
impl Served {
    /// Two event loops, so that sessions meet across them.
    pub fn new(shards: u32, clock: Clock) -> Self {
        let server = TestServer::start(&config(shards).io_threads(2), clock);
        Self { remote: Remote::new("over TCP", server.addr()), server }
    }

    /// What the session waits for, as the engine sees it.
    fn waiter(&mut self, session: &str) -> Option<Arc<Waiter>> {
        let addr = self.remote.client(session).ok()?.stream.local_addr().ok()?.to_string();
        self.server.engine.clients().iter().find(|client| client.peer.addr == addr)?.waiter()
    }
}

#[cfg(feature = "server")]
impl Place for Served {
    fn name(&self) -> String {
        self.remote.name()
    }

    fn reset(&mut self) {}

    fn send(&mut self, session: &str, argv: &[Vec<u8>]) -> Result<(), String> {
        self.remote.send(session, argv)
    }

    fn receive(&mut self, session: &str) -> Result<Value, String> {
        let step = Duration::from_millis(20);
        for _ in 0..PATIENCE.as_millis() / step.as_millis() {
            if let Some(value) = self.remote.client(session)?.receive(step)? {
                return Ok(value);
            }
            let clock = self.server.engine.clock();
            let now_ms = clock.now_ms();
            if clock.is_manual()
                && let Some(deadline_ms) = self.waiter(session).and_then(|waiter| waiter.deadline_ms())
            {
                self.server.engine.advance(Duration::from_millis(deadline_ms.saturating_sub(now_ms)));
            }
        }
        Err("got no reply in time".into())
    }

    fn leftover(&mut self, session: &str) -> Option<Value> {
        self.remote.leftover(session)
    }

    fn blocked(&mut self) -> usize {
        self.server.engine.stats().blocked.load(Ordering::Relaxed)
    }

    fn settles(&mut self, session: &str, before: usize) -> Option<Value> {
        for _ in 0..100 {
            if self.blocked() > before {
                break;
            }
            if let Some(value) = self.leftover(session) {
                return Some(value);
            }
        }
        self.leftover(session)
    }

    fn is_closed(&mut self, session: &str) -> bool {
        self.remote.is_closed(session)
    }

    fn advance(&mut self, by: Duration) {
        self.server.engine.advance(by);
        let now_ms = self.server.engine.clock().now_ms();
        for waiter in self.server.engine.clients().iter().filter_map(|client| client.waiter()) {
            if waiter.deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now_ms) {
                let _ = ended(&waiter);
            }
        }
    }

    fn end(&mut self) -> Result<(), String> {
        self.remote.end()?;
        for _ in 0..PATIENCE.as_millis() {
            if self.server.engine.clients_len() == 0 && self.blocked() == 0 {
                return Ok(());
            }
            sleep(Duration::from_millis(1));
        }
        let (clients, blocked) = (self.server.engine.clients_len(), self.blocked());
        Err(format!("all connections are closed, and there are {clients} clients, {blocked} of them blocked"))
    }
}

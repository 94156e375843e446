//! The shard's door: a lock entered by whoever has the command, or a hand-off to the thread that owns the shard?
//!
//! This is the measurement behind docs/adr/0002-the-shards-door.md. It knows nothing of damselfly: a shard here is
//! a hash table with two commands, so that what differs between two columns is the door and nothing else. The
//! invariant inside: every variant runs the same `Shard::run` on the same keys, and the variants of one question
//! take turns (A-B-A-B), so that whatever else the machine does hits all of them.
//!
//! 1. In process: `callers` threads call GET (copies a 32-byte value) or INCR, one command a call or sixteen.
//!    `lock` enters a `parking_lot::Mutex` a shard. `spin` and `sleep` send the commands to owner threads over a
//!    channel and wait for the answers; both sides burn a core while they wait, or both sleep.
//! 2. Over loopback TCP: 50 connections on one or two mio loops. `lock` runs every command on the loop that read
//!    it. `owner` sends commands on keys of the other loop over to it, one errand a connection and peer, posted at
//!    the end of a turn and waking the peer only if it sleeps; the connection is answered when all are back.
//!
//! `cargo bench --bench door` prints both tables in under a minute.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark reads the real clock and makes threads of its own"
)]

use std::array;
use std::fs;
use std::hash::Hasher;
use std::hint::{black_box, spin_loop};
use std::io::{ErrorKind, Read, Write};
use std::mem;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use hashbrown::HashTable;
use mio::{Events, Interest, Poll, Token, Waker};
use parking_lot::{Mutex, MutexGuard};
use siphasher::sip::SipHasher13;

const SHARDS: usize = 64;
/// Few enough to stay in L2: the figures are about the door, not about DRAM.
const KEYS: usize = 16_384;
const ROUNDS: usize = 3;
const CALL_WINDOW: Duration = Duration::from_millis(100);
const TCP_WINDOW: Duration = Duration::from_millis(400);
const CONNECTIONS: usize = 50;
/// One call in so many is timed; two clock reads cost about as much as a GET.
const CALLS_PER_SAMPLE: u64 = 16;
/// A spinning thread lets others run after so many empty looks: there may be more threads than cores.
const LOOKS_BEFORE_YIELD: u32 = 200;

fn main() {
    println!("door: {SHARDS} shards, {KEYS} keys of 16 bytes, {ROUNDS} interleaved rounds, medians\n");
    in_process();
    over_tcp();
}

// -----------------------------------------------------------------------------------------------------------
// The data: the same in every variant.

type Key = [u8; 16];
type Value = [u8; 32];

#[derive(Clone, Copy)]
enum Verb {
    Get,
    Incr,
}

#[derive(Clone, Copy)]
struct Op {
    verb: Verb,
    key: Key,
    hash: u64,
}

impl Op {
    fn new(verb: Verb, key: Key) -> Op {
        let mut hasher = SipHasher13::new_with_keys(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210);
        hasher.write(&key);
        Op { verb, key, hash: hasher.finish() }
    }

    /// High bits choose the shard, but not the seven highest: hashbrown takes its tags from those.
    fn shard(&self) -> usize {
        (self.hash >> 40) as usize % SHARDS
    }
}

struct Entry {
    key: Key,
    hash: u64,
    value: Value,
    count: u64,
}

/// Plain single-threaded code: what is behind every door.
#[derive(Default)]
struct Shard {
    table: HashTable<Entry>,
}

impl Shard {
    fn run(&mut self, op: &Op) -> Value {
        let entry =
            self.table.find_mut(op.hash, |entry| entry.key == op.key).expect("every key is loaded first");
        match op.verb {
            Verb::Get => entry.value,
            Verb::Incr => {
                entry.count += 1;
                let mut answer = [0; 32];
                answer[..8].copy_from_slice(&entry.count.to_le_bytes());
                answer
            }
        }
    }
}

fn loaded_shards() -> Vec<Shard> {
    let mut shards: Vec<Shard> = (0..SHARDS).map(|_| Shard::default()).collect();
    for key in all_keys() {
        let op = Op::new(Verb::Get, key);
        // Ten digits from the start: an INCR reply has the same length throughout, which spares the client a parser.
        let entry = Entry { key, hash: op.hash, value: [b'v'; 32], count: 1_000_000_000 };
        shards[op.shard()].table.insert_unique(op.hash, entry, |entry| entry.hash);
    }
    shards
}

fn all_keys() -> Vec<Key> {
    (0..KEYS).map(|n| format!("key:{n:012}").into_bytes().try_into().expect("4 + 12 bytes")).collect()
}

/// The keys that callers draw from: all of them, or those of one shard.
fn pool(hot: bool) -> Vec<Key> {
    let mut keys = all_keys();
    keys.retain(|&key| !hot || Op::new(Verb::Get, key).shard() == 0);
    keys
}

/// xorshift64*: seeded, so that every variant sees the same keys.
struct Draw(u64);

impl Draw {
    fn key(&mut self, pool: &[Key]) -> Key {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let random = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        pool[((random * pool.len() as u64) >> 32) as usize]
    }
}

// -----------------------------------------------------------------------------------------------------------
// Doors, in process.

/// A caller's way in. `call` returns when every command has its answer, in the order asked.
trait Door: Send {
    fn call(&mut self, ops: &[Op], answers: &mut [Value]);
}

/// On a line of its own, or two shards' locks would share one.
#[repr(align(128))]
struct Locked(Mutex<Shard>);

#[derive(Clone)]
struct LockDoor(Arc<[Locked]>);

impl LockDoor {
    fn new() -> LockDoor {
        LockDoor(loaded_shards().into_iter().map(|shard| Locked(Mutex::new(shard))).collect())
    }
}

impl Door for LockDoor {
    /// Stays inside while neighbouring commands are for the same shard.
    fn call(&mut self, ops: &[Op], answers: &mut [Value]) {
        let mut inside: Option<(usize, MutexGuard<Shard>)> = None;
        for (op, answer) in ops.iter().zip(answers) {
            let wanted = op.shard();
            if inside.as_ref().is_none_or(|(entered, _)| *entered != wanted) {
                drop(inside.take());
                inside = Some((wanted, self.0[wanted].0.lock()));
            }
            let (_, shard) = inside.as_mut().expect("entered above");
            *answer = shard.run(op);
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Wait {
    Spin,
    Sleep,
}

/// Commands on their way to an owner, and the same box on its way back with the answers: no allocation a call.
#[derive(Default)]
struct Parcel {
    caller: usize,
    ops: Vec<(usize, Op)>,
    answers: Vec<Value>,
}

struct HandOffDoor {
    caller: usize,
    owners: Vec<Sender<Box<Parcel>>>,
    returned: Receiver<Box<Parcel>>,
    /// One parcel an owner, at home between calls.
    parcels: Vec<Option<Box<Parcel>>>,
    wait: Wait,
}

impl HandOffDoor {
    /// Starts the owners. They end when the last door is dropped.
    fn open(callers: usize, owners: usize, wait: Wait) -> Vec<HandOffDoor> {
        let (back, returned): (Vec<_>, Vec<_>) = (0..callers).map(|_| mpsc::channel()).unzip();
        let mut shards: Vec<Option<Shard>> = loaded_shards().into_iter().map(Some).collect();
        let to_owners: Vec<_> = (0..owners)
            .map(|me| {
                let mine =
                    (0..SHARDS).map(|n| if n % owners == me { shards[n].take() } else { None }).collect();
                let (sender, inbox) = mpsc::channel();
                let back = back.clone();
                thread::spawn(move || own(mine, inbox, back, wait));
                sender
            })
            .collect();
        let door = |(caller, returned)| HandOffDoor {
            caller,
            owners: to_owners.clone(),
            returned,
            parcels: (0..owners).map(|_| Some(Box::default())).collect(),
            wait,
        };
        returned.into_iter().enumerate().map(door).collect()
    }
}

impl Door for HandOffDoor {
    fn call(&mut self, ops: &[Op], answers: &mut [Value]) {
        let owners = self.owners.len();
        for (position, op) in ops.iter().enumerate() {
            let parcel =
                self.parcels[op.shard() % owners].as_mut().expect("all parcels are home between calls");
            parcel.ops.push((position, *op));
        }
        let mut away = 0;
        for (owner, parcel) in self.parcels.iter_mut().enumerate() {
            if let Some(mut parcel) = parcel.take_if(|parcel| !parcel.ops.is_empty()) {
                parcel.caller = self.caller;
                self.owners[owner].send(parcel).expect("an owner lives as long as its callers");
                away += 1;
            }
        }
        for _ in 0..away {
            let mut parcel = receive(&self.returned, self.wait).expect("an owner answers all it got");
            let owner = parcel.ops[0].1.shard() % owners;
            for ((position, _), answer) in parcel.ops.drain(..).zip(parcel.answers.drain(..)) {
                answers[position] = answer;
            }
            self.parcels[owner] = Some(parcel);
        }
    }
}

fn own(
    mut shards: Vec<Option<Shard>>,
    inbox: Receiver<Box<Parcel>>,
    back: Vec<Sender<Box<Parcel>>>,
    wait: Wait,
) {
    while let Some(mut parcel) = receive(&inbox, wait) {
        let Parcel { ops, answers, .. } = &mut *parcel;
        let mut run = |op: &Op| shards[op.shard()].as_mut().expect("routed to its owner").run(op);
        answers.extend(ops.iter().map(|(_, op)| run(op)));
        let caller = parcel.caller;
        // A caller that is gone no longer wants the answer.
        let _ = back[caller].send(parcel);
    }
}

fn receive<T>(from: &Receiver<T>, wait: Wait) -> Option<T> {
    if wait == Wait::Sleep {
        return from.recv().ok();
    }
    let mut looks = 0;
    loop {
        match from.try_recv() {
            Ok(parcel) => return Some(parcel),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => looks += 1,
        }
        if looks % LOOKS_BEFORE_YIELD == 0 { thread::yield_now() } else { spin_loop() }
    }
}

// -----------------------------------------------------------------------------------------------------------
// Question 1: in process.

fn in_process() {
    println!("### In process\n");
    println!(
        "ops/s in millions; p50/p99 of one call in ns (timer included: ~{} ns); CPU ns per command.\n",
        timer_ns()
    );
    print_header(&["op", "keys", "callers", "batch"], &["lock", "owner, spins", "owner, sleeps"]);
    for verb in [Verb::Get, Verb::Incr] {
        for hot in [false, true] {
            let pool = pool(hot);
            for callers in [1, 2, 4] {
                for batch in [1, 16] {
                    let mut results: [Vec<Sample>; 3] = Default::default();
                    for _ in 0..ROUNDS {
                        // Opened one at a time: an owner that spins would take part in its neighbour's round.
                        let owners = callers.min(2);
                        results[0].push(drive(vec![LockDoor::new(); callers], &pool, verb, batch));
                        results[1].push(drive(
                            HandOffDoor::open(callers, owners, Wait::Spin),
                            &pool,
                            verb,
                            batch,
                        ));
                        results[2].push(drive(
                            HandOffDoor::open(callers, owners, Wait::Sleep),
                            &pool,
                            verb,
                            batch,
                        ));
                    }
                    let keys = if hot { "one shard" } else { "uniform" };
                    print_row(&[verb.name(), keys, &callers.to_string(), &batch.to_string()], &results);
                }
            }
        }
    }
}

/// One round: all callers at once, for `CALL_WINDOW`. CPU is the whole process's, owners included.
fn drive<D: Door + 'static>(doors: Vec<D>, pool: &[Key], verb: Verb, batch: usize) -> Sample {
    let stop = Arc::new(AtomicBool::new(false));
    let ready = Barrier::new(doors.len() + 1);
    let (mut ops, mut latencies_ns) = (0, Vec::new());
    thread::scope(|scope| {
        let callers: Vec<_> = doors
            .into_iter()
            .enumerate()
            .map(|(caller, door)| {
                let (stop, ready) = (&stop, &ready);
                scope.spawn(move || {
                    ready.wait();
                    call_until(stop, door, Draw(caller as u64 + 1), pool, verb, batch)
                })
            })
            .collect();
        ready.wait();
        let (started, cpu_before) = (Instant::now(), cpu_ms(Path::new("/proc/self/stat")));
        thread::sleep(CALL_WINDOW);
        let (elapsed, cpu_after) = (started.elapsed(), cpu_ms(Path::new("/proc/self/stat")));
        stop.store(true, Ordering::Relaxed);
        for caller in callers {
            let (done, mut taken) = caller.join().expect("a caller does not panic");
            ops += done;
            latencies_ns.append(&mut taken);
        }
        Sample { ops, elapsed, cpu_ms: cpu_after - cpu_before, latencies_ns }
    })
}

fn call_until(
    stop: &AtomicBool,
    mut door: impl Door,
    mut draw: Draw,
    pool: &[Key],
    verb: Verb,
    batch: usize,
) -> (u64, Vec<u64>) {
    let (mut ops, mut answers) = (Vec::with_capacity(batch), [[0; 32]; 16]);
    let (mut calls, mut latencies_ns) = (0, Vec::with_capacity(1 << 17));
    while !stop.load(Ordering::Relaxed) {
        ops.clear();
        ops.extend((0..batch).map(|_| Op::new(verb, draw.key(pool))));
        if calls % CALLS_PER_SAMPLE == 0 {
            let asked = Instant::now();
            door.call(&ops, &mut answers);
            latencies_ns.push(asked.elapsed().as_nanos() as u64);
        } else {
            door.call(&ops, &mut answers);
        }
        black_box(&answers);
        calls += 1;
    }
    (calls * batch as u64, latencies_ns)
}

// -----------------------------------------------------------------------------------------------------------
// Question 2: over loopback TCP.

/// Where a loop finds the data.
enum Store {
    Lock(Arc<[Locked]>),
    /// This loop's own shards; the others' places are empty.
    Owner(Vec<Option<Shard>>),
}

/// Commands for another loop, or back from it with the answers.
struct Errand {
    home: usize,
    connection: usize,
    ops: Vec<(usize, Op)>,
    answers: Vec<Value>,
}

/// A loop's letter box.
struct Inbox {
    errands: Mutex<Vec<Errand>>,
    /// Set by the loop before it looks into the box a last time and polls; whoever posts and finds it set, wakes.
    asleep: AtomicBool,
    waker: Waker,
}

impl Inbox {
    fn post(&self, errands: &mut Vec<Errand>) {
        self.errands.lock().append(errands);
        if self.asleep.swap(false, Ordering::SeqCst) {
            self.waker.wake().expect("an eventfd can be written");
        }
    }
}

struct Connection {
    socket: mio::net::TcpStream,
    input: Vec<u8>,
    /// Verbs and answers of the pipeline in work, in order.
    answers: Vec<(Verb, Value)>,
    /// Errands still away. Nothing more is parsed until they are back: replies keep their order.
    away: usize,
    output: Vec<u8>,
}

struct Loop {
    me: usize,
    poll: Poll,
    store: Store,
    connections: Vec<Connection>,
    inboxes: Arc<[Inbox]>,
    outgoing: Vec<Vec<Errand>>,
    stop: Arc<AtomicBool>,
}

const WAKE: Token = Token(usize::MAX);

impl Loop {
    fn run(mut self) {
        let mut events = Events::with_capacity(256);
        while !self.stop.load(Ordering::Relaxed) {
            let inbox = &self.inboxes[self.me];
            inbox.asleep.store(true, Ordering::SeqCst);
            let timeout = (!inbox.errands.lock().is_empty()).then_some(Duration::ZERO);
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != ErrorKind::Interrupted => panic!("poll: {error}"),
                _ => inbox.asleep.store(false, Ordering::SeqCst),
            }
            for event in &events {
                if event.token() != WAKE {
                    self.read(event.token().0);
                }
            }
            self.open_inbox();
            for (inbox, outgoing) in self.inboxes.iter().zip(&mut self.outgoing) {
                if !outgoing.is_empty() {
                    inbox.post(outgoing);
                }
            }
        }
    }

    fn read(&mut self, at: usize) {
        let connection = &mut self.connections[at];
        let mut chunk = [0; 4096];
        loop {
            match connection.socket.read(&mut chunk) {
                Ok(0) => return,
                Ok(count) => {
                    connection.input.extend_from_slice(&chunk[..count]);
                    // A short read emptied the socket; what comes later is a new edge.
                    if count < chunk.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("read: {error}"),
            }
        }
        if connection.away == 0 {
            self.execute(at);
        }
    }

    fn execute(&mut self, at: usize) {
        let connection = &mut self.connections[at];
        let (loops, me) = (self.inboxes.len(), self.me);
        let mut foreign: [Vec<(usize, Op)>; 2] = array::from_fn(|_| Vec::new());
        let mut used = 0;
        while let Some((op, length)) = parse(&connection.input[used..]) {
            used += length;
            let answer = match &mut self.store {
                Store::Lock(shards) => shards[op.shard()].0.lock().run(&op),
                Store::Owner(shards) => match &mut shards[op.shard()] {
                    Some(shard) => shard.run(&op),
                    None => {
                        foreign[op.shard() % loops].push((connection.answers.len(), op));
                        [0; 32]
                    }
                },
            };
            connection.answers.push((op.verb, answer));
        }
        connection.input.drain(..used);
        for (owner, ops) in foreign.into_iter().enumerate().filter(|(_, ops)| !ops.is_empty()) {
            connection.away += 1;
            let answers = Vec::with_capacity(ops.len());
            self.outgoing[owner].push(Errand { home: me, connection: at, ops, answers });
        }
        if connection.away == 0 {
            connection.reply();
        }
    }

    fn open_inbox(&mut self) {
        let errands = mem::take(&mut *self.inboxes[self.me].errands.lock());
        for mut errand in errands {
            if errand.home != self.me {
                let Store::Owner(shards) = &mut self.store else {
                    unreachable!("lock loops send no errands")
                };
                let mut run = |op: &Op| shards[op.shard()].as_mut().expect("routed to its owner").run(op);
                errand.answers.extend(errand.ops.iter().map(|(_, op)| run(op)));
                self.outgoing[errand.home].push(errand);
                continue;
            }
            let connection = &mut self.connections[errand.connection];
            for ((position, _), answer) in errand.ops.iter().zip(errand.answers) {
                connection.answers[*position].1 = answer;
            }
            connection.away -= 1;
            if connection.away == 0 {
                connection.reply();
                if !connection.input.is_empty() {
                    self.execute(errand.connection);
                }
            }
        }
    }
}

impl Connection {
    fn reply(&mut self) {
        for (verb, answer) in self.answers.drain(..) {
            match verb {
                Verb::Get => {
                    self.output.extend_from_slice(b"$32\r\n");
                    self.output.extend_from_slice(&answer);
                }
                Verb::Incr => {
                    let count = u64::from_le_bytes(array::from_fn(|at| answer[at]));
                    write!(self.output, ":{count}").expect("a Vec takes all");
                }
            }
            self.output.extend_from_slice(b"\r\n");
        }
        // At most 16 short replies are under way on a connection: a socket buffer always has room for them.
        self.socket.write_all(&self.output).expect("the client reads what it asked for");
        self.output.clear();
    }
}

/// A command of one key, and the bytes it took; `None` if it is not all there yet.
fn parse(input: &[u8]) -> Option<(Op, usize)> {
    let mut rest = input.strip_prefix(b"*2\r\n")?;
    let mut bulk = || {
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        let length = rest[1..end - 1].iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
        let text = rest.get(end + 1..end + 1 + length)?;
        rest = rest.get(end + 3 + length..)?;
        Some(text)
    };
    let (name, key) = (bulk()?, bulk()?);
    let verb = if name == b"GET" { Verb::Get } else { Verb::Incr };
    Some((Op::new(verb, key.try_into().ok()?), input.len() - rest.len()))
}

fn over_tcp() {
    println!("\n### Over loopback TCP, {CONNECTIONS} connections\n");
    println!(
        "ops/s in millions; p50/p99 of one pipeline in ns as the client sees it; CPU ns per command of the loops alone.\n"
    );
    print_header(&["op", "loops", "pipeline"], &["lock", "owner"]);
    for verb in [Verb::Get, Verb::Incr] {
        for loops in [1, 2] {
            for pipeline in [1, 16] {
                let mut results: [Vec<Sample>; 2] = Default::default();
                for _ in 0..ROUNDS {
                    results[0].push(serve_and_drive(true, loops, verb, pipeline));
                    results[1].push(serve_and_drive(false, loops, verb, pipeline));
                }
                print_row(&[verb.name(), &loops.to_string(), &pipeline.to_string()], &results);
            }
        }
    }
}

fn serve_and_drive(lock: bool, loops: usize, verb: Verb, pipeline: usize) -> Sample {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free loopback port");
    let address = listener.local_addr().expect("a bound listener has an address");
    let mut clients = Vec::new();
    let mut homes: Vec<Vec<Connection>> = (0..loops).map(|_| Vec::new()).collect();
    for at in 0..CONNECTIONS {
        let client = TcpStream::connect(address).expect("the listener is open");
        client.set_nodelay(true).expect("TCP_NODELAY");
        client.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout above zero");
        clients.push(client);
        let (socket, _) = listener.accept().expect("the client has connected");
        socket.set_nodelay(true).expect("TCP_NODELAY");
        socket.set_nonblocking(true).expect("O_NONBLOCK");
        let socket = mio::net::TcpStream::from_std(socket);
        let connection = Connection { socket, input: vec![], answers: vec![], away: 0, output: vec![] };
        homes[at % loops].push(connection);
    }

    let polls: Vec<Poll> = (0..loops).map(|_| Poll::new().expect("an epoll")).collect();
    let inboxes: Arc<[Inbox]> = polls
        .iter()
        .map(|poll| Inbox {
            errands: Mutex::default(),
            asleep: AtomicBool::new(false),
            waker: Waker::new(poll.registry(), WAKE).expect("an eventfd"),
        })
        .collect();
    let locked = lock.then(|| LockDoor::new().0);
    let mut owned: Vec<Option<Shard>> = loaded_shards().into_iter().map(Some).collect();
    let stop = Arc::new(AtomicBool::new(false));
    let (tell, told) = mpsc::channel();
    let mut threads = Vec::new();
    for (me, (poll, mut connections)) in polls.into_iter().zip(homes).enumerate() {
        for (at, connection) in connections.iter_mut().enumerate() {
            poll.registry()
                .register(&mut connection.socket, Token(at), Interest::READABLE)
                .expect("a socket");
        }
        let store = match &locked {
            Some(shards) => Store::Lock(shards.clone()),
            None => Store::Owner((0..SHARDS).map(|n| owned[n].take_if(|_| n % loops == me)).collect()),
        };
        let outgoing = (0..loops).map(|_| Vec::new()).collect();
        let (inboxes, stop, tell) = (inboxes.clone(), stop.clone(), tell.clone());
        threads.push(thread::spawn(move || {
            // The link names this thread's own directory, "PID/task/TID".
            let link = fs::read_link("/proc/thread-self").expect("Linux's /proc");
            tell.send(Path::new("/proc").join(link).join("stat")).expect("the main thread listens");
            Loop { me, poll, store, connections, inboxes, outgoing, stop }.run();
        }));
    }
    let stats: Vec<PathBuf> = told.iter().take(loops).collect();
    let loops_cpu_ms = || stats.iter().map(|stat| cpu_ms(stat)).sum::<u64>();

    let (started, cpu_before) = (Instant::now(), loops_cpu_ms());
    let (ops, latencies_ns) = request_for(TCP_WINDOW, &mut clients, verb, pipeline);
    let (elapsed, cpu_after) = (started.elapsed(), loops_cpu_ms());
    stop.store(true, Ordering::Relaxed);
    for inbox in inboxes.iter() {
        inbox.waker.wake().expect("an eventfd can be written");
    }
    for thread in threads {
        thread.join().expect("a loop does not panic");
    }
    Sample { ops, elapsed, cpu_ms: cpu_after - cpu_before, latencies_ns }
}

/// One pipeline on every connection, then all the replies, and again: 50 callers, each waiting for its answer.
fn request_for(window: Duration, clients: &mut [TcpStream], verb: Verb, pipeline: usize) -> (u64, Vec<u64>) {
    let (pool, mut draw) = (pool(false), Draw(1));
    let reply_bytes = match verb {
        Verb::Get => "$32\r\n\r\n".len() + 32,
        Verb::Incr => ":1000000000\r\n".len(),
    };
    let (mut request, mut replies) = (Vec::new(), vec![0; reply_bytes * pipeline]);
    let (mut ops, mut latencies_ns, mut asked) = (0, Vec::new(), vec![Instant::now(); clients.len()]);
    let started = Instant::now();
    while started.elapsed() < window {
        for (client, asked) in clients.iter_mut().zip(&mut asked) {
            request.clear();
            for _ in 0..pipeline {
                write!(request, "*2\r\n${}\r\n{}\r\n$16\r\n", verb.name().len(), verb.name())
                    .expect("a Vec takes all");
                request.extend_from_slice(&draw.key(&pool));
                request.extend_from_slice(b"\r\n");
            }
            *asked = Instant::now();
            client.write_all(&request).expect("the loop reads");
        }
        for (client, asked) in clients.iter_mut().zip(&asked) {
            client.read_exact(&mut replies).expect("the loop answers");
            latencies_ns.push(asked.elapsed().as_nanos() as u64);
            ops += pipeline as u64;
        }
    }
    (ops, latencies_ns)
}

// -----------------------------------------------------------------------------------------------------------
// Figures.

/// What one round of one variant gave.
struct Sample {
    ops: u64,
    elapsed: Duration,
    cpu_ms: u64,
    latencies_ns: Vec<u64>,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Verb::Get => "GET",
            Verb::Incr => "INCR",
        }
    }
}

/// utime + stime from a /proc stat file. A tick is 10 ms, so rounds are added up before anything is divided.
fn cpu_ms(stat: &Path) -> u64 {
    let text = fs::read_to_string(stat).expect("Linux's /proc");
    let (_, fields) = text.rsplit_once(')').expect("the command name stands in parentheses");
    let ticks =
        |at| fields.split_whitespace().nth(at).and_then(|field| field.parse::<u64>().ok()).expect("a number");
    // utime and stime are fields 14 and 15; the first after the name is field 3.
    (ticks(11) + ticks(12)) * 10
}

fn timer_ns() -> u64 {
    let (started, reads) = (Instant::now(), 100_000);
    for _ in 0..reads {
        black_box(Instant::now());
    }
    started.elapsed().as_nanos() as u64 / reads
}

fn print_header(keys: &[&str], variants: &[&str]) {
    let columns: Vec<String> =
        variants.iter().map(|name| format!("{name}: M ops/s | p50 | p99 | CPU")).collect();
    println!("| {} | {} |", keys.join(" | "), columns.join(" | "));
    println!("|{}{}", " --- |".repeat(keys.len()), " --: |".repeat(4 * variants.len()));
}

fn print_row(keys: &[&str], variants: &[Vec<Sample>]) {
    let cells: Vec<String> = variants.iter().map(|rounds| cell(rounds)).collect();
    println!("| {} | {} |", keys.join(" | "), cells.join(" | "));
}

/// Throughput is the rounds' median, latencies are pooled, CPU is the sum over the sum.
fn cell(rounds: &[Sample]) -> String {
    let mut rates: Vec<f64> =
        rounds.iter().map(|round| round.ops as f64 / round.elapsed.as_secs_f64() / 1e6).collect();
    rates.sort_by(f64::total_cmp);
    let mut latencies_ns: Vec<u64> = rounds.iter().flat_map(|round| &round.latencies_ns).copied().collect();
    latencies_ns.sort_unstable();
    let percentile = |percent| latencies_ns.get(latencies_ns.len() * percent / 100).copied().unwrap_or(0);
    let (cpu_ms, ops) = rounds.iter().fold((0, 0), |(cpu, ops), round| (cpu + round.cpu_ms, ops + round.ops));
    let cpu_ns = cpu_ms * 1_000_000 / ops.max(1);
    format!("{:.2} | {} | {} | {cpu_ns}", rates[rates.len() / 2], percentile(50), percentile(99))
}

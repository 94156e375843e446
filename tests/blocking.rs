//! Blocking: nothing is lost, nothing is taken twice, and who came first is served first.
//!
//! Three ways to look at it: threads that push, wait, give up and vanish as they like, after which every element must
//! have been consumed once or still be in a list; a model of Redis' semantics that random interleavings of sessions
//! are compared with, step by step; and single stories.

use bytes::Bytes;
use damselfly::clock::Clock;
use damselfly::config::Config;
use damselfly::engine::{Batch, Ended, Engine, Flow, Notify, Peer, Session, Waiter};
use damselfly::reply::{Protocol, Reply, ReplyBuilder};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

const START_MS: u64 = 1_700_000_000_000;
/// How long anything may take that is due.
const PATIENCE: Duration = Duration::from_secs(20);

fn engine(shards: u32, clock: Clock) -> Arc<Engine> {
    Engine::open(&Config::default().shards(shards).seed(7), clock).expect("a good configuration")
}

/// Rings when a wait has ended.
#[derive(Default)]
struct Bell {
    rung: Mutex<u64>,
    changed: Condvar,
}

impl Notify for Bell {
    fn notify(&self) {
        *self.rung.lock().unwrap() += 1;
        self.changed.notify_all();
    }
}

impl Bell {
    /// Waits until `done`, for so long at most; whether it was.
    fn wait(&self, patience: Duration, done: impl Fn() -> bool) -> bool {
        let rung = self.rung.lock().unwrap();
        // The state is looked at under the lock, so that no ring between the look and the sleep is missed.
        let (_rung, slept) = self.changed.wait_timeout_while(rung, patience, |_| !done()).unwrap();
        !slept.timed_out() || done()
    }
}

/// A client in process.
struct Client {
    engine: Arc<Engine>,
    session: Session,
    bell: Arc<Bell>,
    waiter: Option<Arc<Waiter>>,
}

impl Client {
    fn new(engine: &Arc<Engine>) -> Self {
        let bell = Arc::new(Bell::default());
        let session = engine.connect(Peer::default(), Arc::clone(&bell) as _);
        Self { engine: Arc::clone(engine), session, bell, waiter: None }
    }

    /// Runs a command; `None` where it waits.
    fn call<A: AsRef<[u8]>>(&mut self, argv: &[A]) -> Option<Reply> {
        assert!(self.waiter.is_none(), "a client that waits sends nothing");
        let argv: Vec<&[u8]> = argv.iter().map(AsRef::as_ref).collect();
        let mut out = ReplyBuilder::new(Protocol::Resp3);
        let engine = Arc::clone(&self.engine);
        match Batch::new(&engine).execute(&mut self.session, &argv, &mut out) {
            Flow::Done => Some(out.finish()),
            Flow::Wait(waiter) | Flow::Later(waiter) => {
                self.waiter = Some(waiter);
                None
            }
        }
    }

    /// Runs a command written as a line.
    fn line(&mut self, line: &str) -> Option<Reply> {
        self.call(&line.split_whitespace().collect::<Vec<_>>())
    }

    fn waits(&self) -> bool {
        self.waiter.as_ref().is_some_and(|waiter| !waiter.has_ended())
    }

    /// Takes the reply of a wait that has ended.
    fn take(&mut self) -> Option<Reply> {
        let waiter = self.waiter.take()?;
        let mut out = ReplyBuilder::new(Protocol::Resp3);
        if self.engine.take_delivery(&mut self.session, &waiter, &mut out) {
            Some(out.finish())
        } else {
            self.waiter = Some(waiter);
            None
        }
    }

    /// Waits for the reply of a wait.
    fn receive(&mut self) -> Option<Reply> {
        let waiter = Arc::clone(self.waiter.as_ref()?);
        self.bell.wait(PATIENCE, || waiter.has_ended());
        self.take()
    }

    /// Gives a wait up, as a future that is dropped.
    fn abandon(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            self.engine.abandon(&waiter);
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.engine.disconnect(&self.session);
    }
}

fn bulk(text: impl AsRef<[u8]>) -> Reply {
    Reply::Bulk(Bytes::copy_from_slice(text.as_ref()))
}

fn array<T: AsRef<[u8]>>(items: &[T]) -> Reply {
    Reply::Array(items.iter().map(bulk).collect())
}

// ---- Stories ----------------------------------------------------------------------------------------------------

#[test]
fn who_came_first_is_served_first_over_all_its_keys_on_all_shards() {
    for shards in [1, 4, 64] {
        let engine = engine(shards, Clock::system());
        let keys: Vec<String> = (0..8).map(|n| format!("key:{n}")).collect();
        let mut producer = Client::new(&engine);
        // Everyone waits for three keys; everyone who comes later shares one with whoever came before.
        let mut waiters: Vec<(Vec<&str>, Client)> = (0..24)
            .map(|n| {
                let wanted: Vec<&str> =
                    [n, n * 3 + 1, n * 5 + 2].iter().map(|k| keys[k % 8].as_str()).collect();
                let mut client = Client::new(&engine);
                let argv: Vec<&str> = ["BLPOP"].into_iter().chain(wanted.clone()).chain(["0"]).collect();
                assert_eq!(client.call(&argv), None);
                (wanted, client)
            })
            .collect();
        for n in (0..).take(10_000) {
            if waiters.is_empty() {
                break;
            }
            let key = keys[(n * 7 + n / 3) % 8].as_str();
            let Some(first) = waiters.iter().position(|(wanted, _)| wanted.contains(&key)) else { continue };
            assert_eq!(producer.call(&["RPUSH", key, "v"]), Some(Reply::Int(1)));
            for (at, (_, client)) in waiters.iter().enumerate() {
                assert_eq!(client.waits(), at != first, "{shards} shards, push {n} to {key}, waiter {at}");
            }
            let (_, mut client) = waiters.remove(first);
            assert_eq!(client.take(), Some(array(&[key, "v"])));
        }
        assert!(waiters.is_empty());
        assert_eq!(engine.stats().blocked.load(Ordering::Relaxed), 0);
        assert_eq!(engine.blocking_keys_len(), 0, "no ticket stays in a queue");
    }
}

#[test]
fn a_wait_ends_with_the_manual_clock_and_not_before() {
    let engine = engine(4, Clock::manual(START_MS));
    let mut clients: Vec<Client> = (0..20).map(|_| Client::new(&engine)).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        // In no order: 7, 14, 1, 8, …
        let seconds = (n * 7 + 7) % 20 + 1;
        assert_eq!(client.line(&format!("BLPOP a b c {seconds}")), None);
    }
    for second in 1..=20 {
        engine.advance(Duration::from_millis(999));
        std::thread::sleep(Duration::from_millis(2));
        let due = |n: usize| (n * 7 + 7) % 20 + 1;
        for (n, client) in clients.iter().enumerate() {
            assert!(
                client.waiter.is_none() || due(n) < second || client.waits(),
                "{n} ended before its time"
            );
        }
        engine.advance(Duration::from_millis(1));
        for (n, client) in clients.iter_mut().enumerate() {
            if due(n) == second {
                assert_eq!(client.receive(), Some(Reply::Null), "the wait of {n} did not end in time");
            }
        }
    }
    assert_eq!(engine.blocking_keys_len(), 0);
}

/// The thread for background work slept until the first timeout that it knew; an earlier one must wake it.
#[test]
fn a_shorter_wait_that_begins_later_ends_in_time() {
    let engine = engine(2, Clock::system());
    let (mut long, mut short) = (Client::new(&engine), Client::new(&engine));
    assert_eq!(long.line("BLPOP k 100"), None);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(short.line("BLPOP k 0.05"), None);
    assert_eq!(short.receive(), Some(Reply::Null));
    assert!(long.waits());
}

#[test]
fn a_wait_may_be_ended_by_others_but_only_once() {
    let engine = engine(4, Clock::system());
    let (mut client, mut producer) = (Client::new(&engine), Client::new(&engine));
    // As CLIENT UNBLOCK does.
    assert_eq!(client.line("BLPOP k 0"), None);
    let waiter = engine.client(client.session.client.id).unwrap().waiter().unwrap();
    assert!(waiter.end(Ended::TimedOut) && !waiter.end(Ended::Unblocked));
    assert_eq!(client.receive(), Some(Reply::Null));
    assert!(client.session.client.waiter().is_none());
    // And with an error, which is counted.
    assert_eq!(client.line("BLPOP k 0"), None);
    let waiter = client.session.client.waiter().unwrap();
    assert!(waiter.end(Ended::Unblocked));
    assert_eq!(client.receive(), Some(Reply::Error("UNBLOCKED client unblocked via CLIENT UNBLOCK".into())));
    assert_eq!(engine.stats().errors.load(Ordering::Relaxed), 1);
    // What is pushed after that is not for it, though it has not come to take its end.
    assert_eq!(client.line("BLPOP k 0"), None);
    assert!(client.session.client.waiter().unwrap().end(Ended::TimedOut));
    assert_eq!(producer.line("RPUSH k v"), Some(Reply::Int(1)));
    assert_eq!(producer.line("LRANGE k 0 -1"), Some(array(&["v"])));
    assert_eq!(client.take(), Some(Reply::Null));
    // And one that is served cannot be ended.
    assert_eq!(client.line("BLPOP other 0"), None);
    let waiter = client.session.client.waiter().unwrap();
    assert_eq!(producer.line("RPUSH other w"), Some(Reply::Int(1)));
    assert!(!waiter.end(Ended::TimedOut));
    assert_eq!(client.take(), Some(array(&["other", "w"])));
}

#[test]
fn what_nobody_took_goes_back_to_the_end_it_came_from_in_its_order() {
    for (wait, back) in [
        ("BLPOP l 0", &["1", "2", "3", "4"][..]),
        ("BRPOP l 0", &["1", "2", "3", "4"]),
        ("BLMPOP 0 1 l LEFT COUNT 3", &["1", "2", "3", "4"]),
        ("BLMPOP 0 1 l RIGHT COUNT 3", &["1", "2", "3", "4"]),
        ("BLMPOP 0 1 l RIGHT COUNT 9", &["1", "2", "3", "4"]),
        ("BLMOVE l m LEFT RIGHT 0", &["1", "2", "3", "4"]),
        ("BLMOVE l m RIGHT LEFT 0", &["1", "2", "3", "4"]),
        ("BLMOVE l l LEFT RIGHT 0", &["1", "2", "3", "4"]),
    ] {
        for shards in [1, 16] {
            let engine = engine(shards, Clock::system());
            let (mut client, mut producer) = (Client::new(&engine), Client::new(&engine));
            assert_eq!(client.line(wait), None);
            assert_eq!(producer.line("RPUSH l 1 2 3 4"), Some(Reply::Int(4)));
            assert!(!client.waits());
            client.abandon();
            assert_eq!(producer.line("LRANGE l 0 -1"), Some(array(back)), "{wait}");
            assert_eq!(producer.line("EXISTS m"), Some(Reply::Int(0)), "{wait}");
        }
    }
}

#[test]
fn what_goes_back_is_for_the_next_in_line() {
    let engine = engine(8, Clock::system());
    let mut clients: Vec<Client> = (0..3).map(|_| Client::new(&engine)).collect();
    for client in &mut clients {
        assert_eq!(client.line("BLPOP l m 0"), None);
    }
    let mut producer = Client::new(&engine);
    assert_eq!(producer.line("RPUSH m v"), Some(Reply::Int(1)));
    let [first, second, third] = &mut clients[..] else { unreachable!() };
    first.abandon();
    assert!(!second.waits() && third.waits());
    // A connection that closes is the same.
    engine.disconnect(&second.session);
    second.waiter = None;
    assert_eq!(third.take(), Some(array(&["m", "v"])));
    assert_eq!(producer.line("EXISTS m"), Some(Reply::Int(0)));
}

#[test]
fn what_was_moved_and_has_moved_on_stays_there() {
    let engine = engine(8, Clock::system());
    let (mut mover, mut producer) = (Client::new(&engine), Client::new(&engine));
    assert_eq!(mover.line("BLMOVE l m LEFT RIGHT 0"), None);
    assert_eq!(producer.line("RPUSH l v"), Some(Reply::Int(1)));
    assert_eq!(producer.line("RPUSH m w"), Some(Reply::Int(2)));
    mover.abandon();
    assert_eq!(producer.line("LRANGE m 0 -1"), Some(array(&["v", "w"])));
    assert_eq!(producer.line("EXISTS l"), Some(Reply::Int(0)));
    // Nor is it moved back to what is no list any more.
    assert_eq!(mover.line("BLMOVE l2 m LEFT RIGHT 0"), None);
    assert_eq!(producer.line("RPUSH l2 x"), Some(Reply::Int(1)));
    assert_eq!(producer.line("SET l2 s"), Some(Reply::Simple("OK".into())));
    mover.abandon();
    assert_eq!(producer.line("LRANGE m 0 -1"), Some(array(&["v", "w", "x"])));
}

/// A write to a key that nobody waits for does not pay for those who wait for others.
#[test]
fn a_push_to_many_waiters_serves_as_many_as_it_has_elements_for() {
    let engine = engine(4, Clock::system());
    let mut clients: Vec<Client> = (0..500).map(|_| Client::new(&engine)).collect();
    for client in &mut clients {
        assert_eq!(client.line("BLPOP a b c d e 0"), None);
    }
    let mut producer = Client::new(&engine);
    let argv: Vec<String> =
        ["RPUSH".into(), "c".into()].into_iter().chain((0..300).map(|n| n.to_string())).collect();
    assert_eq!(producer.call(&argv), Some(Reply::Int(300)));
    for (n, client) in clients.iter_mut().enumerate() {
        if n < 300 {
            assert_eq!(client.take(), Some(array(&["c".to_string(), n.to_string()])));
        } else {
            assert!(client.waits());
        }
    }
    assert_eq!(engine.stats().blocked.load(Ordering::Relaxed), 200);
    drop(clients);
    assert_eq!(engine.stats().blocked.load(Ordering::Relaxed), 0);
    assert_eq!(engine.blocking_keys_len(), 0);
}

// ---- Threads ----------------------------------------------------------------------------------------------------

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

const QUEUES: u64 = 6;

fn queue(random: &mut Random) -> String {
    format!("queue:{}", random.below(QUEUES))
}

/// The elements in the reply of a pop.
fn popped(reply: &Reply) -> Vec<u64> {
    let number = |reply: &Reply| {
        let bytes = reply.as_bytes().expect("an element is a string");
        std::str::from_utf8(bytes).unwrap().parse().expect("an element is a number")
    };
    match reply {
        Reply::Null => Vec::new(),
        Reply::Array(pair) => match &pair[1] {
            Reply::Array(elements) => elements.iter().map(number).collect(),
            element => vec![number(element)],
        },
        Reply::Bulk(_) => vec![number(reply)],
        other => panic!("no reply of a pop: {other:?}"),
    }
}

/// One consumer of the load test: waits in all the ways there are, and gives up in all the ways there are.
fn consume(engine: &Arc<Engine>, seed: u64, stop: &AtomicBool, consumed: &AtomicU64) -> Vec<u64> {
    let mut random = Random(seed);
    let mut taken = Vec::new();
    let mut client = Client::new(engine);
    let note = |taken: &mut Vec<u64>, reply: &Reply| {
        let elements = popped(reply);
        consumed.fetch_add(elements.len() as u64, Ordering::Relaxed);
        taken.extend(elements);
    };
    while !stop.load(Ordering::Relaxed) {
        let (a, b, c) = (queue(&mut random), queue(&mut random), queue(&mut random));
        let timeout = if random.below(2) == 0 { "0" } else { "0.002" };
        let (line, moves) = match random.below(8) {
            0..=2 => (format!("BLPOP {a} {b} {timeout}"), false),
            3 => (format!("BRPOP {a} {timeout}"), false),
            4 => (format!("BLMPOP {timeout} 3 {a} {b} {c} LEFT COUNT 3"), false),
            5 => (format!("BLMPOP {timeout} 2 {a} {b} RIGHT COUNT 2"), false),
            6 => (format!("BLMOVE {a} {b} LEFT RIGHT {timeout}"), true),
            _ => (format!("BRPOPLPUSH {a} {b} {timeout}"), true),
        };
        if let Some(reply) = client.line(&line) {
            if !moves {
                note(&mut taken, &reply);
            }
            continue;
        }
        let waiter = client.waiter.clone().unwrap();
        let patience = Duration::from_micros(random.below(300));
        match random.below(6) {
            // Gives up, maybe just when it is served.
            0 => {
                client.bell.wait(patience, || waiter.has_ended());
                client.abandon();
            }
            // Disconnects.
            1 => {
                client.bell.wait(patience, || waiter.has_ended());
                client = Client::new(engine);
            }
            // Is served, and cannot use it.
            2 if client.bell.wait(patience, || waiter.has_ended()) => {
                let ended = engine.finish(&waiter).expect("it has ended");
                engine.give_back(ended);
                client.waiter = None;
            }
            // Is unblocked by somebody.
            3 => {
                client.bell.wait(patience, || waiter.has_ended());
                waiter.end(Ended::TimedOut);
                let reply = client.take().expect("it has ended");
                if !moves {
                    note(&mut taken, &reply);
                }
            }
            _ => {
                let done = client.bell.wait(Duration::from_millis(20), || waiter.has_ended());
                if done && let Some(reply) = client.take() {
                    if !moves {
                        note(&mut taken, &reply);
                    }
                } else {
                    client.abandon();
                }
            }
        }
    }
    client.abandon();
    taken
}

fn load(shards: u32, producers: u64, consumers: u64, items: u64, seed: u64) {
    let engine = engine(shards, Clock::system());
    let (stop, consumed) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut taken: Vec<u64> = std::thread::scope(|scope| {
        let consuming: Vec<_> = (0..consumers)
            .map(|n| {
                let (engine, stop, consumed) = (&engine, &stop, &consumed);
                scope.spawn(move || consume(engine, seed ^ (n << 32), stop, consumed))
            })
            .collect();
        let producing: Vec<_> = (0..producers)
            .map(|producer| {
                let engine = &engine;
                scope.spawn(move || {
                    let mut random = Random(seed.wrapping_add(producer));
                    let mut client = Client::new(engine);
                    let mut next = 0;
                    while next < items {
                        let mut argv = vec![
                            if random.below(2) == 0 { "LPUSH" } else { "RPUSH" }.to_string(),
                            queue(&mut random),
                        ];
                        for _ in 0..=random.below(4) {
                            argv.push((producer * (items + 8) + next).to_string());
                            next += 1;
                        }
                        assert!(matches!(client.call(&argv), Some(Reply::Int(1..))));
                        if random.below(4) == 0 {
                            std::thread::sleep(Duration::from_micros(random.below(100)));
                        }
                    }
                    next
                })
            })
            .collect();
        let pushed: Vec<u64> = producing.into_iter().map(|thread| thread.join().unwrap()).collect();
        stop.store(true, Ordering::Relaxed);
        let mut taken: Vec<u64> = consuming.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        // Nobody waits any more, and nothing of those who did is left.
        assert_eq!(engine.stats().blocked.load(Ordering::Relaxed), 0);
        assert_eq!(engine.blocking_keys_len(), 0);
        let mut client = Client::new(&engine);
        for number in 0..QUEUES {
            let Some(Reply::Array(left)) = client.line(&format!("LRANGE queue:{number} 0 -1")) else {
                panic!("a queue is a list")
            };
            taken.extend(left.iter().flat_map(popped));
        }
        taken.sort_unstable();
        let mut expected: Vec<u64> = pushed
            .iter()
            .enumerate()
            .flat_map(|(producer, &count)| (0..count).map(move |n| producer as u64 * (items + 8) + n))
            .collect();
        expected.sort_unstable();
        assert_eq!(taken, expected, "every element was consumed once or is in a list (seed {seed})");
        taken
    });
    taken.dedup();
    println!("{} elements, {} consumed while pushing", taken.len(), consumed.load(Ordering::Relaxed));
    assert!(consumed.load(Ordering::Relaxed) > 0);
}

#[test]
fn under_load_every_element_is_consumed_once_or_still_in_a_list() {
    for (round, shards) in [1, 2, 16].into_iter().enumerate() {
        load(shards, 3, 5, 4_000, 0xDA75_E1F1 + round as u64);
    }
}

/// Consumers that never give up, and so must end up with everything: whoever is not woken hangs.
#[test]
fn no_wake_up_is_lost() {
    const ITEMS: u64 = 10_000;
    for shards in [1, 16] {
        let engine = engine(shards, Clock::system());
        let consumed = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for number in 0..4u64 {
                let (engine, consumed) = (&engine, &consumed);
                scope.spawn(move || {
                    let mut client = Client::new(engine);
                    loop {
                        // Each prefers another queue, and one moves things around as well.
                        let wait = match number {
                            0 => "BLPOP q1 q2 q3 0",
                            1 => "BRPOP q2 q3 q1 0",
                            2 => "BLMPOP 0 3 q3 q1 q2 LEFT COUNT 2",
                            _ => "BLMOVE q1 q2 LEFT LEFT 0",
                        };
                        let reply = match client.line(wait) {
                            Some(reply) => reply,
                            None => client.receive().expect("whoever waits is woken"),
                        };
                        let elements = popped(&reply);
                        if elements.contains(&u64::MAX) {
                            return;
                        }
                        if number != 3 {
                            consumed.fetch_add(elements.len() as u64, Ordering::Relaxed);
                        }
                    }
                });
            }
            let pushing: Vec<_> = (0..2)
                .map(|half| {
                    let engine = &engine;
                    scope.spawn(move || {
                        let mut client = Client::new(engine);
                        for n in 0..ITEMS / 2 {
                            let key = ["q1", "q2", "q3"][((n + half) % 3) as usize];
                            client.line(&format!("RPUSH {key} {n}"));
                            if n % 64 == 0 {
                                std::thread::sleep(Duration::from_micros(50));
                            }
                        }
                    })
                })
                .collect();
            pushing.into_iter().for_each(|thread| thread.join().unwrap());
            let watch = damselfly::clock::Stopwatch::start();
            while consumed.load(Ordering::Relaxed) < ITEMS {
                assert!(
                    watch.elapsed() < PATIENCE,
                    "{} of {ITEMS} consumed",
                    consumed.load(Ordering::Relaxed)
                );
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(consumed.load(Ordering::Relaxed), ITEMS);
            let mut client = Client::new(&engine);
            // One for everybody; the mover's own is taken by nobody else, as nobody else is left by then.
            while engine.stats().blocked.load(Ordering::Relaxed) > 0 {
                let waiting = engine.clients().into_iter().find_map(|other| other.waiter());
                if let Some(waiter) = waiting {
                    let _ = waiter;
                }
                for key in ["q1", "q2", "q3"] {
                    client.line(&format!("RPUSH {key} {}", u64::MAX));
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
    }
}

// ---- The model --------------------------------------------------------------------------------------------------

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
const SESSIONS: usize = 6;

/// A step of an interleaving.
#[derive(Clone, Debug)]
enum Step {
    /// Session, from the left, key, how many.
    Push(usize, bool, usize, usize),
    Pop(usize, bool, usize),
    Set(usize, usize),
    Del(usize, usize),
    Rename(usize, usize, usize),
    Move(usize, Move),
    Block(usize, Op),
    /// Takes the reply where there is one.
    Take(usize),
    /// Drops the wait, and what it was given with it.
    Abandon(usize),
    TimeOut(usize),
}

#[derive(Clone, Copy, Debug)]
struct Move {
    from: usize,
    to: usize,
    from_left: bool,
    to_left: bool,
}

#[derive(Clone, Debug)]
enum Op {
    Pop { keys: Vec<usize>, left: bool, count: Option<usize> },
    Move(Move),
}

impl Arbitrary for Step {
    fn arbitrary(g: &mut Gen) -> Self {
        let below = |g: &mut Gen, n: usize| usize::arbitrary(g) % n;
        let session = below(g, SESSIONS);
        let (key, left) = (below(g, NAMES.len()), bool::arbitrary(g));
        let course =
            Move { from: key, to: below(g, NAMES.len()), from_left: left, to_left: bool::arbitrary(g) };
        match below(g, 20) {
            0..=4 => Step::Push(session, left, key, 1 + below(g, 3)),
            5 => Step::Pop(session, left, key),
            6 => Step::Set(session, key),
            7 => Step::Del(session, key),
            8 => Step::Rename(session, key, below(g, NAMES.len())),
            9 => Step::Move(session, course),
            10..=13 => {
                let keys = (0..=below(g, 3)).map(|_| below(g, NAMES.len())).collect();
                let count = bool::arbitrary(g).then(|| 1 + below(g, 3));
                Step::Block(session, Op::Pop { keys, left, count })
            }
            14 | 15 => Step::Block(session, Op::Move(course)),
            16 | 17 => Step::Take(session),
            18 => Step::Abandon(session),
            _ => Step::TimeOut(session),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    List(VecDeque<String>),
    Str,
}

/// Redis' semantics, in the plainest words.
#[derive(Default)]
struct Model {
    keys: BTreeMap<usize, Value>,
    /// In the order in which they came.
    waiting: Vec<(usize, Op)>,
    /// What was served or timed out, and not taken: the reply, and how to give back.
    ended: BTreeMap<usize, (Reply, Option<Undo>)>,
    ready: VecDeque<usize>,
}

#[derive(Clone, Debug)]
enum Undo {
    Pop { key: usize, left: bool, elements: Vec<String> },
    Move { course: Move, element: String },
}

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

fn wrong_type() -> Reply {
    Reply::Error(WRONG_TYPE.into())
}

fn ok() -> Reply {
    Reply::Simple("OK".into())
}

impl Model {
    fn push(&mut self, key: usize, left: bool, element: String) {
        let value = self.keys.entry(key).or_insert_with(|| Value::List(VecDeque::new()));
        let Value::List(list) = value else { panic!("checked before") };
        if left {
            list.push_front(element);
        } else {
            list.push_back(element);
        }
        self.ready.push_back(key);
    }

    fn pop(&mut self, key: usize, left: bool) -> Option<String> {
        let Some(Value::List(list)) = self.keys.get_mut(&key) else { return None };
        let element = if left { list.pop_front() } else { list.pop_back() };
        if list.is_empty() {
            self.keys.remove(&key);
        }
        element
    }

    fn is_str(&self, key: usize) -> bool {
        self.keys.get(&key) == Some(&Value::Str)
    }

    /// A move, at once; `None` without the source.
    fn try_move(&mut self, course: Move) -> Option<(Reply, Option<Undo>)> {
        let Move { from, to, from_left, to_left } = course;
        if !self.keys.contains_key(&from) {
            return None;
        }
        if self.is_str(from) || self.is_str(to) {
            return Some((wrong_type(), None));
        }
        let element = self.pop(from, from_left).expect("a list is not empty");
        self.push(to, to_left, element.clone());
        Some((bulk(&element), Some(Undo::Move { course, element })))
    }

    /// What a command that may wait does now; `None` where it waits.
    fn attempt(&mut self, op: &Op) -> Option<(Reply, Option<Undo>)> {
        let Op::Pop { keys, left, count } = op else {
            let Op::Move(course) = op else { unreachable!() };
            return self.try_move(*course);
        };
        for &key in keys {
            if self.is_str(key) {
                return Some((wrong_type(), None));
            }
            let elements: Vec<String> = (0..count.unwrap_or(1)).map_while(|_| self.pop(key, *left)).collect();
            if elements.is_empty() {
                continue;
            }
            let taken = if count.is_some() { array(&elements) } else { bulk(&elements[0]) };
            let reply = Reply::Array(vec![bulk(NAMES[key]), taken]);
            return Some((reply, Some(Undo::Pop { key, left: *left, elements })));
        }
        None
    }

    /// Serves, as `handleClientsBlockedOnKeys`.
    fn serve(&mut self) {
        while let Some(key) = self.ready.pop_front() {
            let mut at = 0;
            while at < self.waiting.len() {
                let (session, op) = self.waiting[at].clone();
                let wants = match &op {
                    Op::Pop { keys, .. } => keys.contains(&key),
                    Op::Move(course) => course.from == key,
                };
                let is_list = matches!(self.keys.get(&key), Some(Value::List(_)));
                match if wants && is_list { self.attempt(&op) } else { None } {
                    Some(end) => {
                        self.waiting.remove(at);
                        self.ended.insert(session, end);
                    }
                    None => at += 1,
                }
            }
        }
    }

    fn give_back(&mut self, undo: Undo) {
        match undo {
            Undo::Pop { key, left, elements } => {
                if !self.is_str(key) {
                    elements.into_iter().rev().for_each(|element| self.push(key, left, element));
                }
            }
            Undo::Move { course: Move { from, to, from_left, to_left }, element } => {
                let stands = match self.keys.get(&to) {
                    Some(Value::List(list)) => {
                        (if to_left { list.front() } else { list.back() }) == Some(&element)
                    }
                    _ => false,
                };
                if stands && !self.is_str(from) {
                    let _ = self.pop(to, to_left);
                    self.push(from, from_left, element);
                }
            }
        }
    }
}

/// The engine beside the model.
struct Pair {
    engine: Arc<Engine>,
    clients: Vec<Client>,
    model: Model,
    elements: usize,
}

impl Pair {
    fn new(shards: u32) -> Self {
        let engine = engine(shards, Clock::manual(START_MS));
        let clients = (0..SESSIONS).map(|_| Client::new(&engine)).collect();
        Self { engine, clients, model: Model::default(), elements: 0 }
    }

    /// Runs a step on both; the command, the engine's reply and the model's, `None` for a wait.
    fn step(&mut self, step: &Step) -> Option<(Vec<String>, Option<Reply>, Option<Reply>)> {
        let session = match *step {
            Step::Push(session, ..)
            | Step::Pop(session, ..)
            | Step::Set(session, _)
            | Step::Del(session, _)
            | Step::Rename(session, ..)
            | Step::Move(session, _)
            | Step::Block(session, _)
            | Step::Take(session)
            | Step::Abandon(session)
            | Step::TimeOut(session) => session,
        };
        let model = &mut self.model;
        let end = |left: bool| if left { "LEFT" } else { "RIGHT" }.to_string();
        match step {
            Step::Take(_) => {
                let got = self.clients[session].take();
                let expected = model.ended.remove(&session).map(|(reply, _)| reply);
                return Some((vec!["(take)".into()], got, expected));
            }
            Step::Abandon(_) => {
                self.clients[session].abandon();
                model.waiting.retain(|(other, _)| *other != session);
                if let Some((_, Some(undo))) = model.ended.remove(&session) {
                    model.give_back(undo);
                    model.serve();
                }
                return None;
            }
            Step::TimeOut(_) => {
                let ended = self.clients[session].waiter.as_ref().is_some_and(|w| w.end(Ended::TimedOut));
                let before = model.waiting.len();
                model.waiting.retain(|(other, _)| *other != session);
                let expected = model.waiting.len() < before;
                if expected {
                    model.ended.insert(session, (Reply::Null, None));
                }
                let shown = |ended: bool| Some(Reply::Boolean(ended));
                return Some((vec!["(time out)".into()], shown(ended), shown(expected)));
            }
            _ => {}
        }
        if self.clients[session].waiter.is_some() {
            return None;
        }
        let name = |key: usize| NAMES[key].to_string();
        let (argv, expected) = match step {
            Step::Push(_, left, key, count) => {
                let first = self.elements;
                self.elements += count;
                let elements: Vec<String> = (first..self.elements).map(|n| format!("v{n}")).collect();
                let mut argv = vec![if *left { "LPUSH" } else { "RPUSH" }.to_string(), name(*key)];
                argv.extend(elements.clone());
                if model.is_str(*key) {
                    (argv, Some(wrong_type()))
                } else {
                    elements.into_iter().for_each(|element| model.push(*key, *left, element));
                    let Some(Value::List(list)) = model.keys.get(key) else { unreachable!() };
                    (argv, Some(Reply::Int(list.len() as i64)))
                }
            }
            Step::Pop(_, left, key) => {
                let argv = vec![if *left { "LPOP" } else { "RPOP" }.to_string(), name(*key)];
                if model.is_str(*key) {
                    (argv, Some(wrong_type()))
                } else {
                    (argv, Some(model.pop(*key, *left).map_or(Reply::Null, bulk)))
                }
            }
            Step::Set(_, key) => {
                model.keys.insert(*key, Value::Str);
                (vec!["SET".into(), name(*key), "s".into()], Some(ok()))
            }
            Step::Del(_, key) => {
                let gone = model.keys.remove(key).is_some();
                (vec!["DEL".into(), name(*key)], Some(Reply::Int(i64::from(gone))))
            }
            Step::Rename(_, from, to) => {
                let argv = vec!["RENAME".into(), name(*from), name(*to)];
                match model.keys.remove(from) {
                    Some(value) => {
                        model.keys.insert(*to, value);
                        model.ready.push_back(*to);
                        (argv, Some(ok()))
                    }
                    None => (argv, Some(Reply::Error("ERR no such key".into()))),
                }
            }
            Step::Move(_, course) => {
                let argv = vec![
                    "LMOVE".into(),
                    name(course.from),
                    name(course.to),
                    end(course.from_left),
                    end(course.to_left),
                ];
                let reply = model.try_move(*course).map_or(Reply::Null, |(reply, _)| reply);
                (argv, Some(reply))
            }
            Step::Block(_, op) => {
                let argv: Vec<String> = match op {
                    Op::Pop { keys, left, count: None } => {
                        let command = if *left { "BLPOP" } else { "BRPOP" };
                        let keys = keys.iter().map(|&key| name(key));
                        std::iter::once(command.to_string()).chain(keys).chain(["0".into()]).collect()
                    }
                    Op::Pop { keys, left, count: Some(count) } => {
                        let mut argv = vec!["BLMPOP".into(), "0".into(), keys.len().to_string()];
                        argv.extend(keys.iter().map(|&key| name(key)));
                        argv.extend([end(*left), "COUNT".into(), count.to_string()]);
                        argv
                    }
                    Op::Move(course) => vec![
                        "BLMOVE".into(),
                        name(course.from),
                        name(course.to),
                        end(course.from_left),
                        end(course.to_left),
                        "0".into(),
                    ],
                };
                let reply = model.attempt(op).map(|(reply, _)| reply);
                if reply.is_none() {
                    model.waiting.push((session, op.clone()));
                }
                (argv, reply)
            }
            Step::Take(_) | Step::Abandon(_) | Step::TimeOut(_) => unreachable!("done above"),
        };
        let got = self.clients[session].call(&argv);
        model.serve();
        Some((argv, got, expected))
    }

    /// Compares what both hold.
    fn compare(&self) -> Result<(), String> {
        let mut looker = Client::new(&self.engine);
        for (key, name) in NAMES.iter().enumerate() {
            let got = looker.call(&["LRANGE", name, "0", "-1"]);
            let expected = match self.model.keys.get(&key) {
                None => Reply::Array(Vec::new()),
                Some(Value::Str) => wrong_type(),
                Some(Value::List(list)) => Reply::Array(list.iter().map(bulk).collect()),
            };
            if got.as_ref() != Some(&expected) {
                return Err(format!("{name} holds {got:?}, not {expected:?}"));
            }
        }
        for (session, client) in self.clients.iter().enumerate() {
            let waits = self.model.waiting.iter().any(|(other, _)| *other == session);
            let ended = self.model.ended.contains_key(&session);
            let got = (client.waits(), client.waiter.is_some() && !client.waits());
            if got != (waits, ended) {
                return Err(format!("session {session} waits, has ended: {got:?}, not {:?}", (waits, ended)));
            }
        }
        let blocked = self.engine.stats().blocked.load(Ordering::Relaxed);
        // Those that timed out are blocked until they come to take it, those that were served are not.
        if blocked < self.model.waiting.len() {
            return Err(format!("{blocked} are counted as blocked"));
        }
        Ok(())
    }
}

fn agrees_with_the_model(shards: u32, steps: &[Step]) -> Result<(), String> {
    let mut pair = Pair::new(shards);
    for step in steps {
        let told = format!("{step:?}");
        if let Some((argv, got, expected)) = pair.step(step)
            && got != expected
        {
            return Err(format!("{told}: {argv:?} gave {got:?}, not {expected:?}"));
        }
        pair.compare().map_err(|message| format!("after {told}: {message}"))?;
    }
    for session in 0..SESSIONS {
        let step = Step::Abandon(session);
        let _ = pair.step(&step);
        pair.compare().map_err(|message| format!("after the end of {session}: {message}"))?;
    }
    let left = pair.engine.blocking_keys_len();
    if left > 0 { Err(format!("{left} keys still have a queue")) } else { Ok(()) }
}

#[test]
fn random_interleavings_agree_with_the_model() {
    fn property(steps: Vec<Step>) -> quickcheck::TestResult {
        for shards in [1, 2, 16] {
            if let Err(message) = agrees_with_the_model(shards, &steps) {
                return quickcheck::TestResult::error(format!("{shards} shards: {message}"));
            }
        }
        quickcheck::TestResult::passed()
    }
    QuickCheck::new()
        .tests(400)
        .rng(Gen::new(150))
        .quickcheck(property as fn(Vec<Step>) -> quickcheck::TestResult);
}

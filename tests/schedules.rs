//! The hand-over of waiters and doors under many schedules.
//!
//! shuttle runs the tasks of a test on one thread and decides at every lock who goes on. The code is the engine's own:
//! with the feature `shuttle` the locks of the doors, of the waiters' states and of the cycles' list of timeouts
//! (`src/sync.rs`) ask shuttle first. What is not explored are the registries' locks, which nobody holds while he takes
//! one of these, and atomics, of which the hand-over uses none. The thread for background work does not run: a task ends
//! the waits whose time is up instead, as that thread would.
//!
//! A lost wake-up is a task that waits for ever, which shuttle reports as a deadlock with the schedule that led to it.
//!
//!     cargo test --features shuttle --test schedules

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use damselfly::clock::Clock;
use damselfly::config::Config;
use damselfly::engine::{Batch, Engine, Flow, Notify, Peer, Session, Waiter};
use damselfly::reply::{Protocol, Reply, ReplyBuilder};
use damselfly::sync::explore;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread;
use std::sync::Arc;
use std::time::Duration;

/// Schedules drawn at random for each story, and as many by preemptions that are as few as can be.
const SCHEDULES: usize = 600;
const PREEMPTIONS: usize = 3;
/// A command takes more of the stack than shuttle gives its tasks.
const STACK_BYTES: usize = 1 << 20;

/// Runs a story under many schedules.
fn everywhere(story: fn(Arc<Engine>)) {
    let run = move || {
        let config = Config::default().shards(4).databases(1).seed(7);
        let engine = Engine::open(&config, Clock::manual(1_700_000_000_000)).expect("a good configuration");
        story(Arc::clone(&engine));
        let left = engine.stats().blocked.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!((left, engine.blocking_keys_len()), (0, 0), "somebody is counted as blocked still");
    };
    let config = || {
        let mut config = shuttle::Config::new();
        config.stack_size = STACK_BYTES;
        config
    };
    explore(|| {
        shuttle::Runner::new(RandomScheduler::new(SCHEDULES), config()).run(run);
        shuttle::Runner::new(PctScheduler::new(PREEMPTIONS, SCHEDULES), config()).run(run);
    });
}

/// Rings when a wait has ended.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Notify for Bell {
    fn notify(&self) {
        *self.rung.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

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
    fn line(&mut self, line: &str) -> Option<Reply> {
        let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
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

    /// The reply of a command, waiting for it by what rings.
    fn ask(&mut self, line: &str) -> Reply {
        if let Some(reply) = self.line(line) {
            return reply;
        }
        let waiter = self.waiter.take().unwrap();
        let mut rung = self.bell.rung.lock().unwrap();
        while !*rung {
            rung = self.bell.changed.wait(rung).unwrap();
        }
        drop(rung);
        let mut out = ReplyBuilder::new(Protocol::Resp3);
        assert!(self.engine.take_delivery(&mut self.session, &waiter, &mut out), "it rang for nothing");
        out.finish()
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
        self.engine.disconnect(&mut self.session);
    }
}

fn ask(engine: &Arc<Engine>, line: &str) -> Reply {
    Client::new(engine).ask(line)
}

fn spawn<R: Send + 'static>(
    engine: &Arc<Engine>,
    f: impl FnOnce(Arc<Engine>) -> R + Send + 'static,
) -> thread::JoinHandle<R> {
    let engine = Arc::clone(engine);
    thread::spawn(move || f(engine))
}

fn popped(key: &str, element: &str) -> Reply {
    Reply::Array(vec![bulk(key), bulk(element)])
}

fn bulk(text: &str) -> Reply {
    Reply::Bulk(bytes::Bytes::copy_from_slice(text.as_bytes()))
}

fn list(engine: &Arc<Engine>, key: &str) -> Vec<Reply> {
    match ask(engine, &format!("LRANGE {key} 0 -1")) {
        Reply::Array(items) => items,
        other => panic!("LRANGE: {other:?}"),
    }
}

/// One client gives up while an element is pushed; the one behind it gets it, whoever comes first.
#[test]
fn an_element_for_a_waiter_that_is_dropped_goes_to_the_next() {
    everywhere(|engine| {
        let quitter = spawn(&engine, |engine| {
            let mut client = Client::new(&engine);
            let reply = client.line("BLPOP k 0");
            client.abandon();
            reply
        });
        let patient = spawn(&engine, |engine| ask(&engine, "BLPOP k 0"));
        let pusher = spawn(&engine, |engine| ask(&engine, "RPUSH k v"));
        pusher.join().unwrap();
        match quitter.join().unwrap() {
            // It found the element at once and has it; the other one is still owed one.
            Some(reply) => {
                assert_eq!(reply, popped("k", "v"));
                ask(&engine, "RPUSH k w");
                assert_eq!(patient.join().unwrap(), popped("k", "w"));
            }
            None => assert_eq!(patient.join().unwrap(), popped("k", "v")),
        }
        assert_eq!(list(&engine, "k"), []);
    });
}

/// A connection that goes with a wait whose result it has not taken.
#[test]
fn what_a_client_that_vanished_was_given_goes_back() {
    everywhere(|engine| {
        let vanishes = spawn(&engine, |engine| {
            let mut client = Client::new(&engine);
            client.line("BLPOP k other 0")
        });
        let pusher = spawn(&engine, |engine| ask(&engine, "RPUSH k v w"));
        pusher.join().unwrap();
        let left = match vanishes.join().unwrap() {
            Some(reply) => {
                assert_eq!(reply, popped("k", "v"));
                vec![bulk("w")]
            }
            None => vec![bulk("v"), bulk("w")],
        };
        assert_eq!(list(&engine, "k"), left);
    });
}

/// The time is up, an element comes, and somebody unblocks the client, all at once: one of the three happens.
#[test]
fn a_timeout_a_push_and_an_unblock_end_a_wait_once() {
    everywhere(|engine| {
        let mut client = Client::new(&engine);
        let id = client.session.client.id;
        let waits = spawn(&engine, move |_| client.ask("BLPOP k other 1"));
        let pusher = spawn(&engine, |engine| ask(&engine, "RPUSH k v"));
        let clock = spawn(&engine, |engine| {
            engine.advance(Duration::from_secs(2));
            engine.end_waits();
        });
        let unblocks = spawn(&engine, move |engine| ask(&engine, &format!("CLIENT UNBLOCK {id} ERROR")));
        pusher.join().unwrap();
        clock.join().unwrap();
        let unblocked = unblocks.join().unwrap();
        // Whoever comes to wait after all of them finds the element.
        let reply = waits.join().unwrap();
        let left = list(&engine, "k");
        match reply {
            Reply::Array(_) => {
                assert_eq!((reply, left), (popped("k", "v"), vec![]));
                assert_eq!(unblocked, Reply::Int(0));
            }
            Reply::Null => assert_eq!((left, unblocked), (vec![bulk("v")], Reply::Int(0))),
            Reply::Error(text) => {
                assert!(text.starts_with("UNBLOCKED"), "{text}");
                assert_eq!((left, unblocked), (vec![bulk("v")], Reply::Int(1)));
            }
            other => panic!("{other:?}"),
        }
    });
}

/// A client is killed while it is served: the element is delivered, or in the list.
#[test]
fn a_client_that_is_killed_while_it_is_served_loses_nothing() {
    everywhere(|engine| {
        let mut client = Client::new(&engine);
        let id = client.session.client.id;
        let waits = spawn(&engine, move |_| {
            let reply = client.line("BLPOP k 0");
            // Its event loop hears of the end of the wait, or of its own, and then lets the connection go.
            if let Some(waiter) = &client.waiter
                && waiter.has_ended()
            {
                let mut out = ReplyBuilder::new(Protocol::Resp3);
                let waiter = Arc::clone(waiter);
                client.engine.take_delivery(&mut client.session, &waiter, &mut out);
                return Some(out.finish());
            }
            reply
        });
        let pusher = spawn(&engine, |engine| ask(&engine, "RPUSH k v"));
        let killer = spawn(&engine, move |engine| ask(&engine, &format!("CLIENT KILL ID {id}")));
        pusher.join().unwrap();
        killer.join().unwrap();
        let delivered = waits.join().unwrap() == Some(popped("k", "v"));
        let left = list(&engine, "k");
        assert_eq!(left, if delivered { vec![] } else { vec![bulk("v")] });
    });
}

/// Commands that enter the same shards by keys in opposite orders: none waits for ever, and each is one step.
#[test]
fn shards_are_entered_in_order_whatever_the_order_of_the_keys() {
    everywhere(|engine| {
        ask(&engine, "RPUSH a 1 2 3");
        ask(&engine, "RPUSH d 4");
        let there = spawn(&engine, |engine| ask(&engine, "LMOVE a d LEFT RIGHT"));
        let back = spawn(&engine, |engine| ask(&engine, "LMOVE d a LEFT RIGHT"));
        let all = spawn(&engine, |engine| ask(&engine, "MSET x 1 d2 1 y 1 b 1 z 1"));
        let other = spawn(&engine, |engine| ask(&engine, "MSET z 2 b 2 y 2 d2 2 x 2"));
        let read = spawn(&engine, |engine| ask(&engine, "MGET x d2 y b z"));
        for task in [there, back, all, other] {
            task.join().unwrap();
        }
        for reply in [read.join().unwrap(), ask(&engine, "MGET x d2 y b z")] {
            let Reply::Array(values) = reply else { panic!("MGET") };
            assert!(values.iter().all(|value| *value == values[0]), "half a command was seen: {values:?}");
        }
        let count = list(&engine, "a").len() + list(&engine, "d").len();
        assert_eq!(count, 4);
    });
}

/// An element that is pushed at one end of a chain of moves arrives at its other end, whenever each link came.
#[test]
fn an_element_goes_through_a_chain_of_moves() {
    everywhere(|engine| {
        let first = spawn(&engine, |engine| ask(&engine, "BLMOVE a b LEFT RIGHT 0"));
        let second = spawn(&engine, |engine| ask(&engine, "BLMOVE b c RIGHT LEFT 0"));
        let last = spawn(&engine, |engine| ask(&engine, "BLPOP c 0"));
        let pusher = spawn(&engine, |engine| ask(&engine, "RPUSH a v"));
        pusher.join().unwrap();
        assert_eq!(last.join().unwrap(), popped("c", "v"));
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (bulk("v"), bulk("v")));
        for key in ["a", "b", "c"] {
            assert_eq!(list(&engine, key), [], "{key}");
        }
    });
}

/// A link of the chain gives up: the element stays where it had come to, and is there once.
#[test]
fn a_chain_whose_link_gives_up_holds_the_element_once() {
    everywhere(|engine| {
        let link = spawn(&engine, |engine| {
            let mut client = Client::new(&engine);
            let reply = client.line("BLMOVE a b LEFT RIGHT 0");
            client.abandon();
            reply
        });
        let last = spawn(&engine, |engine| {
            let mut client = Client::new(&engine);
            let reply = client.line("BLPOP b 0");
            client.abandon();
            reply
        });
        let pusher = spawn(&engine, |engine| ask(&engine, "RPUSH a v"));
        let returns = spawn(&engine, |engine| ask(&engine, "LMOVE b a LEFT LEFT"));
        pusher.join().unwrap();
        link.join().unwrap();
        returns.join().unwrap();
        let popped = usize::from(last.join().unwrap().is_some());
        assert_eq!(list(&engine, "a").len() + list(&engine, "b").len() + popped, 1);
    });
}

/// Two who wait for the same keys in opposite orders, and two who push: everyone gets one.
#[test]
fn two_waiters_on_two_shards_get_an_element_each() {
    everywhere(|engine| {
        let one = spawn(&engine, |engine| ask(&engine, "BLPOP a d 0"));
        let two = spawn(&engine, |engine| ask(&engine, "BLPOP d a 0"));
        let left = spawn(&engine, |engine| ask(&engine, "RPUSH a 1"));
        let right = spawn(&engine, |engine| ask(&engine, "RPUSH d 2"));
        left.join().unwrap();
        right.join().unwrap();
        let replies = [one.join().unwrap(), two.join().unwrap()];
        assert!(replies.contains(&popped("a", "1")) && replies.contains(&popped("d", "2")), "{replies:?}");
    });
}

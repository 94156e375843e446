//! Blocking: nothing is lost, nothing is taken twice, and who came first is served first.
//!
//! Three ways to look at it: threads that push, wait, give up and vanish as they like, after which every element must
//! have been consumed once or still be in a list (`load`); a model of Redis' semantics that random interleavings of
//! sessions are compared with, step by step (`model`); and single stories (`stories`, and `zset` for sorted sets).

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod load;
mod model;
mod stories;
mod streams;
mod zset;

use bytes::Bytes;
use damselfly::clock::Clock;
use damselfly::config::Config;
use damselfly::engine::{Batch, Engine, Flow, Notify, Peer, Session, Waiter};
use damselfly::reply::{Protocol, Reply, ReplyBuilder};
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
        self.engine.disconnect(&mut self.session);
    }
}

fn bulk(text: impl AsRef<[u8]>) -> Reply {
    Reply::Bulk(Bytes::copy_from_slice(text.as_ref()))
}

fn array<T: AsRef<[u8]>>(items: &[T]) -> Reply {
    Reply::Array(items.iter().map(bulk).collect())
}

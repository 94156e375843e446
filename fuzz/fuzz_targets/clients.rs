//! Clients that block, queue transactions, subscribe, cache, are killed and vanish, against the engine in process.
//!
//! Input: three bytes a step: what is done, by which of four clients, and to which keys; the clock is moved by steps of
//! its own. Two more clients keep a cache by CLIENT TRACKING. Checked, besides that nothing panics:
//! 1. every element that was pushed is in one list, or was given to one client: none is lost, none is there twice,
//!    whoever waited, was served and vanished;
//! 2. what a cache holds is what the server would say, after every step, once it was told what it is to be told;
//! 3. as many messages arrive as PUBLISH counts;
//! 4. once all clients are gone nobody is blocked, subscribed or watched.
#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;

use common::places::{Local, Place as _, START_MS};
use common::resp::Value;
use damselfly::clock::Clock;
use damselfly::config::Config;
use damselfly::engine::Engine;
use libfuzzer_sys::fuzz_target;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// More than this in one input finds nothing new.
const STEPS_MAX: usize = 300;
/// How long a word that is under way may take.
const PATIENCE_MS: usize = 5000;
const CLIENTS: [&str; 4] = ["0", "1", "2", "3"];
const CACHES: [&str; 2] = ["cache", "bcast"];
const LISTS: [&str; 4] = ["k0", "k1", "k2", "k3"];
const STRINGS: [&str; 3] = ["s0", "s1", "s2"];
const CHANNELS: [&str; 2] = ["c0", "c1"];

fuzz_target!(|data: &[u8]| {
    let Some((first, steps)) = data.split_first() else { return };
    let config = Config::default().shards(if first & 1 == 0 { 1 } else { 4 }).databases(1).seed(1);
    let engine = Engine::open(&config, Clock::manual(START_MS)).expect("a good configuration");
    let mut world = World::new(engine);
    for step in steps.chunks_exact(3).take(STEPS_MAX) {
        let [what, who, which] = *step else { return };
        world.step(what, CLIENTS[usize::from(who % 4)], usize::from(which));
        world.settle();
    }
    world.end();
});

/// What a client does in the eyes of the model.
#[derive(Default)]
struct Model {
    /// The command whose reply is due.
    due: Option<Due>,
    /// Elements to be pushed by EXEC.
    queued: Option<Vec<String>>,
    id: i64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Push,
    Pop,
    Multi,
    Exec,
    Discard,
    Other,
}

struct World {
    local: Local,
    models: HashMap<&'static str, Model>,
    caches: HashMap<&'static str, BTreeMap<String, Option<Vec<u8>>>>,
    next: u64,
    /// Elements that are somewhere.
    pushed: BTreeSet<String>,
    /// Elements that a push waits to be answered for.
    pushing: HashMap<&'static str, String>,
    popped: BTreeSet<String>,
    published: i64,
    received: i64,
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

impl World {
    fn new(engine: std::sync::Arc<Engine>) -> Self {
        let mut world = Self {
            local: Local::on(engine),
            models: HashMap::new(),
            caches: HashMap::new(),
            next: 0,
            pushed: BTreeSet::new(),
            pushing: HashMap::new(),
            popped: BTreeSet::new(),
            published: 0,
            received: 0,
        };
        for cache in CACHES {
            world.ask(cache, "HELLO 3");
            world.caches.insert(cache, BTreeMap::new());
        }
        world.ask("cache", "CLIENT TRACKING ON");
        world.ask("bcast", "CLIENT TRACKING ON BCAST PREFIX s");
        world
    }

    fn ask(&mut self, name: &str, line: &str) -> Value {
        self.local.ask(name, &words(line)).expect("a reply")
    }

    /// Sends a command of a client that owes no reply.
    fn send(&mut self, name: &'static str, due: Due, line: &str) {
        let model = self.models.entry(name).or_default();
        model.due = Some(due);
        self.local.send(name, &words(line)).expect("in process nothing fails");
    }

    fn step(&mut self, what: u8, name: &'static str, which: usize) {
        let (key, other) = (LISTS[which % 4], LISTS[which / 4 % 4]);
        let text = STRINGS[which % 3];
        let channel = CHANNELS[which % 2];
        let side = |bit: usize| if which >> bit & 1 == 0 { "LEFT" } else { "RIGHT" };
        match what % 40 {
            0 => return self.local.advance(Duration::from_millis(60)),
            1 => return self.disconnect(name),
            2 => {
                let Value::Int(count) = self.ask("check", &format!("PUBLISH {channel} m")) else {
                    panic!("PUBLISH counts")
                };
                self.published += count;
                return;
            }
            3..=6 => {
                let cache = CACHES[usize::from(what % 2)];
                let value = match self.ask_cache(cache, &format!("GET {text}")) {
                    Value::Bulk(bytes) => Some(bytes),
                    Value::Nil => None,
                    other => panic!("GET: {other}"),
                };
                self.caches.get_mut(cache).expect("known").insert(text.to_owned(), value);
                return;
            }
            7 | 8 => {
                let Some(model) = self.models.get(CLIENTS[which % 4]) else { return };
                if model.id != 0 {
                    let line = match what % 40 {
                        7 => format!("CLIENT UNBLOCK {}{}", model.id, if which & 4 == 0 { "" } else { " ERROR" }),
                        _ => format!("CLIENT KILL ID {}", model.id),
                    };
                    self.ask("check", &line);
                }
                return;
            }
            _ => {}
        }
        let model = self.models.entry(name).or_default();
        if model.due.is_some() {
            return;
        }
        if model.id == 0 {
            let Value::Int(id) = self.ask(name, "CLIENT ID") else { panic!("CLIENT ID") };
            self.models.entry(name).or_default().id = id;
        }
        match what % 40 {
            9..=12 => {
                self.next += 1;
                let element = format!("v{}", self.next);
                let line = match which & 16 {
                    0 => format!("{} {key} {element}", if which & 32 == 0 { "RPUSH" } else { "LPUSH" }),
                    _ => format!("EVAL return(redis.call('RPUSH',KEYS[1],ARGV[1])) 1 {key} {element}"),
                };
                self.pushing.insert(name, element);
                self.send(name, Due::Push, &line);
            }
            13 | 14 => self.send(name, Due::Pop, &format!("BLPOP {key} {other} 0")),
            15 => self.send(name, Due::Pop, &format!("BRPOP {key} 0.05")),
            16 => self.send(name, Due::Pop, &format!("LMPOP 2 {key} {other} {} COUNT 2", side(4))),
            17 => self.send(name, Due::Pop, &format!("BLMPOP 0.1 2 {key} {other} {} COUNT 2", side(4))),
            18 | 19 => self.send(name, Due::Other, &format!("BLMOVE {key} {other} {} {} 0", side(4), side(5))),
            20 => self.send(name, Due::Other, &format!("LMOVE {key} {other} {} {}", side(4), side(5))),
            21 => self.send(name, Due::Other, &format!("RENAMENX {key} {other}")),
            22 => self.send(name, Due::Multi, "MULTI"),
            23 | 24 => self.send(name, Due::Exec, "EXEC"),
            25 => self.send(name, Due::Discard, "DISCARD"),
            26 => self.send(name, Due::Other, &format!("WATCH {key} {text}")),
            27 => self.send(name, Due::Other, &format!("SET {text} {which}")),
            28 => self.send(name, Due::Other, &format!("SET {text} {which} PX 50")),
            29 => self.send(name, Due::Other, &format!("INCR {text}")),
            30 => self.send(name, Due::Other, &format!("DEL {text}")),
            31 => self.send(name, Due::Other, &format!("PEXPIRE {text} 50")),
            32 => self.subscribe(name, &format!("SUBSCRIBE {channel}")),
            33 => self.subscribe(name, &format!("PSUBSCRIBE c*")),
            34 => self.subscribe(name, &format!("UNSUBSCRIBE {channel}")),
            35 => self.subscribe(name, "PUNSUBSCRIBE c*"),
            36 => self.send(name, Due::Other, &format!("XADD x * f {which}")),
            37 => self.send(name, Due::Other, "XREAD BLOCK 100 STREAMS x $"),
            38 => self.send(name, Due::Other, &format!("CLIENT TRACKING {}", ["ON", "OFF", "ON NOLOOP"][which % 3])),
            _ => self.send(name, Due::Other, ["HELLO 2", "HELLO 3", "RESET", "UNWATCH"][which % 4]),
        }
        if matches!(what % 40, 39) && which % 4 == 2 {
            // RESET ends the transaction.
            self.models.entry(name).or_default().queued = None;
        }
    }

    /// Subscribing is answered by pushes, or in a transaction by a status.
    fn subscribe(&mut self, name: &'static str, line: &str) {
        self.send(name, Due::Other, line);
        if self.models.entry(name).or_default().queued.is_none() {
            self.models.entry(name).or_default().due = None;
        }
    }

    /// Asks as a cache, whose invalidations may come first.
    fn ask_cache(&mut self, cache: &'static str, line: &str) -> Value {
        self.local.send(cache, &words(line)).expect("in process nothing fails");
        loop {
            match self.local.leftover(cache).expect("a reply") {
                Value::Push(push) => self.invalidate(cache, &push),
                reply => return reply,
            }
        }
    }

    fn invalidate(&mut self, cache: &'static str, push: &[Value]) {
        let [Value::Bulk(kind), keys] = push else { panic!("a push: {push:?}") };
        assert_eq!(kind, b"invalidate");
        let cache = self.caches.get_mut(cache).expect("known");
        match keys {
            Value::Array(keys) => keys.iter().for_each(|key| {
                let Value::Bulk(key) = key else { panic!("a key: {key}") };
                cache.remove(&String::from_utf8_lossy(key).into_owned());
            }),
            _ => cache.clear(),
        }
    }

    fn disconnect(&mut self, name: &'static str) {
        // What has arrived was read.
        self.read(name);
        self.local.disconnect(name);
        self.forget(name);
    }

    fn forget(&mut self, name: &'static str) {
        self.models.remove(name);
        if let Some(element) = self.pushing.remove(name) {
            panic!("a push of {element} was not answered");
        }
    }

    /// Reads what clients got, and compares what caches hold.
    fn settle(&mut self) {
        for name in CLIENTS {
            self.read(name);
            if self.models.contains_key(name) && self.local.is_closed(name) {
                self.local.disconnect(name);
                self.forget(name);
            }
        }
        for cache in CACHES {
            self.drain(cache);
            for (key, value) in self.caches[cache].clone() {
                let now = match self.ask("check", &format!("GET {key}")) {
                    Value::Bulk(bytes) => Some(bytes),
                    _ => None,
                };
                // Looking may have ended the key. Where the engine's own thread has, its word may still be under way:
                // it is given behind the door.
                for _ in 0..PATIENCE_MS {
                    self.drain(cache);
                    if now == value || !self.caches[cache].contains_key(&key) {
                        break;
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
                if now != value && self.caches[cache].contains_key(&key) {
                    panic!("{cache} holds {value:?} for {key}, which is {now:?}");
                }
            }
        }
    }

    fn drain(&mut self, cache: &'static str) {
        while let Some(push) = self.local.leftover(cache) {
            let Value::Push(push) = push else { panic!("{cache} got {push}") };
            self.invalidate(cache, &push);
        }
    }

    fn read(&mut self, name: &'static str) {
        if !self.models.contains_key(name) {
            return;
        }
        while let Some(reply) = self.local.leftover(name) {
            if let Some(kind) = push_kind(&reply) {
                self.received += i64::from(kind.ends_with(b"message"));
                continue;
            }
            let model = self.models.get_mut(name).expect("known");
            let due = model.due.take();
            let is_queued = reply == Value::Simple(b"QUEUED".to_vec());
            match due {
                Some(Due::Push) => {
                    let element = self.pushing.remove(name).expect("what is pushed is known");
                    match reply {
                        Value::Int(_) => assert!(self.pushed.insert(element)),
                        _ if is_queued => model.queued.as_mut().expect("a transaction").push(element),
                        Value::Error(_) => {}
                        other => panic!("a push is answered by {other}"),
                    }
                }
                Some(Due::Pop) if !is_queued => self.take(&reply),
                Some(Due::Multi) if matches!(reply, Value::Simple(_)) => model.queued = Some(Vec::new()),
                Some(Due::Discard) => model.queued = None,
                Some(Due::Exec) => {
                    let queued = model.queued.take().unwrap_or_default();
                    if let Value::Array(replies) = &reply {
                        self.pushed.extend(queued);
                        replies.iter().for_each(|reply| self.take(reply));
                    }
                }
                Some(_) => {}
                None => panic!("{name} got {reply} and asked for nothing"),
            }
        }
    }

    /// Notes elements that were popped: those in an array that begins with the name of a list.
    fn take(&mut self, reply: &Value) {
        let Value::Array(items) = reply else { return };
        let Some((Value::Bulk(key), rest)) = items.split_first() else { return };
        if !LISTS.iter().any(|list| list.as_bytes() == key) {
            return;
        }
        let mut stack: Vec<&Value> = rest.iter().collect();
        while let Some(value) = stack.pop() {
            match value {
                Value::Array(items) => stack.extend(items),
                Value::Bulk(element) => {
                    let element = String::from_utf8_lossy(element).into_owned();
                    assert!(self.popped.insert(element.clone()), "{element} was given twice");
                }
                _ => {}
            }
        }
    }

    fn end(&mut self) {
        for name in CLIENTS.into_iter().chain(CACHES) {
            self.read(name);
            self.local.disconnect(name);
        }
        self.local.end().expect("nobody is left");
        assert_eq!(self.received, self.published, "messages that arrived, and that PUBLISH counted");
        let mut left = BTreeSet::new();
        for key in LISTS {
            let Value::Array(elements) = self.ask("check", &format!("LRANGE {key} 0 -1")) else { panic!("LRANGE") };
            for element in elements {
                let Value::Bulk(element) = element else { panic!("an element") };
                let element = String::from_utf8_lossy(&element).into_owned();
                assert!(left.insert(element.clone()), "{element} is there twice");
            }
        }
        let both: Vec<_> = left.intersection(&self.popped).collect();
        assert!(both.is_empty(), "given to a client, and there still: {both:?}");
        let all: BTreeSet<String> = left.union(&self.popped).cloned().collect();
        assert_eq!(all, self.pushed, "elements that are somewhere, and that were pushed");
        assert_eq!(self.ask("check", "PUBSUB CHANNELS"), Value::Array(Vec::new()));
        assert_eq!(self.ask("check", "PUBSUB NUMPAT"), Value::Int(0));
        let info = match self.ask("check", "INFO clients") {
            Value::Bulk(text) | Value::Verbatim(text) => String::from_utf8_lossy(&text).into_owned(),
            other => panic!("INFO: {other}"),
        };
        for line in ["blocked_clients:0", "tracking_clients:0", "total_blocking_keys:0", "connected_clients:1"] {
            assert!(info.contains(line), "{line} is not in {info}");
        }
    }
}

/// What a message that nobody asked for begins with.
fn push_kind(reply: &Value) -> Option<&[u8]> {
    const KINDS: [&[u8]; 6] =
        [b"message", b"pmessage", b"subscribe", b"unsubscribe", b"psubscribe", b"punsubscribe"];
    match reply {
        Value::Push(items) => match items.first() {
            Some(Value::Bulk(kind)) => Some(kind),
            _ => Some(b""),
        },
        Value::Array(items) => match items.first() {
            Some(Value::Bulk(kind)) if KINDS.contains(&kind.as_slice()) => Some(kind),
            _ => None,
        },
        _ => None,
    }
}

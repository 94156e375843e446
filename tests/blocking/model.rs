//! A model of Redis' semantics, and random interleavings of sessions that are compared with it step by step.

use crate::{Client, START_MS, array, bulk, engine};
use damselfly::clock::Clock;
use damselfly::engine::{Ended, Engine};
use damselfly::reply::Reply;
use quickcheck::{Arbitrary, Gen, QuickCheck};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

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

//! Strings and lists against plain structures of the standard library, through the engine.
//!
//! A model is what Redis' documentation says in the fewest words. Commands are drawn by quickcheck, which also shrinks a
//! failing script. Nodes of lists are kept small in some engines, so that short scripts reach all their shapes.

mod common;

use common::places::{Local, Nobody, START_MS, config};
use common::resp::{self, Value, show};
use damselfly::clock::Clock;
use damselfly::engine::{Batch, Engine, Flow, Peer, Session, Waiter};
use damselfly::reply::Protocol;
use damselfly::wire::Output;
use quickcheck::{Arbitrary, Gen, QuickCheck, TestResult};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

type Bytes = Vec<u8>;

fn argv(words: &[&[u8]]) -> Vec<Bytes> {
    words.iter().map(|word| word.to_vec()).collect()
}

fn num(number: i64) -> Bytes {
    number.to_string().into_bytes()
}

fn key_of(g: &mut Gen) -> u8 {
    *g.choose(b"abc").unwrap_or(&b'a')
}

/// Elements that are integers, short, long, binary; two of each are often equal.
fn bytes_of(g: &mut Gen) -> Bytes {
    match u8::arbitrary(g) % 8 {
        0 => Vec::new(),
        1 => num(i64::from(i8::arbitrary(g))),
        2 => num(i64::arbitrary(g)),
        3 => vec![u8::arbitrary(g); usize::from(u8::arbitrary(g))],
        4 => vec![b'l'; 3000],
        5 => Vec::arbitrary(g),
        _ => vec![*g.choose(b"xyz").unwrap_or(&b'x')],
    }
}

fn index_of(g: &mut Gen) -> i64 {
    match u8::arbitrary(g) % 10 {
        0 => *g.choose(&[i64::MAX, i64::MIN, 1 << 40, -(1 << 40)]).unwrap_or(&0),
        _ => i64::from(i8::arbitrary(g) % 12),
    }
}

/// A command of this file's models.
#[derive(Clone, Debug)]
enum Op {
    Set(u8, Bytes),
    Get(u8),
    GetDel(u8),
    GetSet(u8, Bytes),
    SetNx(u8, Bytes),
    Append(u8, Bytes),
    Strlen(u8),
    IncrBy(u8, i64),
    SetRange(u8, u8, Bytes),
    GetRange(u8, i64, i64),
    Del(u8, u8),
    Rename(u8, u8),
    Push { key: u8, left: bool, only_existing: bool, elements: Vec<Bytes> },
    Pop(u8, bool, Option<u8>),
    Llen(u8),
    Lindex(u8, i64),
    Lset(u8, i64, Bytes),
    Linsert(u8, bool, Bytes, Bytes),
    Lrem(u8, i64, Bytes),
    Ltrim(u8, i64, i64),
    Lrange(u8, i64, i64),
    Lmove(u8, u8, bool, bool),
    Lpos(u8, Bytes),
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        let key = key_of(g);
        match u8::arbitrary(g) % 30 {
            0 => Op::Set(key, bytes_of(g)),
            1 => Op::Get(key),
            2 => Op::GetDel(key),
            3 => Op::GetSet(key, bytes_of(g)),
            4 => Op::SetNx(key, bytes_of(g)),
            5 => Op::Append(key, bytes_of(g)),
            6 => Op::Strlen(key),
            7 => Op::IncrBy(key, index_of(g)),
            8 => Op::SetRange(key, u8::arbitrary(g), bytes_of(g)),
            9 => Op::GetRange(key, index_of(g), index_of(g)),
            10 => Op::Del(key, key_of(g)),
            11 => Op::Rename(key, key_of(g)),
            12..=17 => Op::Push {
                key,
                left: bool::arbitrary(g),
                only_existing: u8::arbitrary(g).is_multiple_of(4),
                elements: (0..1 + u8::arbitrary(g) % 9).map(|_| bytes_of(g)).collect(),
            },
            18 => Op::Pop(key, bool::arbitrary(g), None),
            19 => Op::Pop(key, bool::arbitrary(g), Some(u8::arbitrary(g) % 12)),
            20 => Op::Llen(key),
            21 => Op::Lindex(key, index_of(g)),
            22 => Op::Lset(key, index_of(g), bytes_of(g)),
            23 => Op::Linsert(key, bool::arbitrary(g), bytes_of(g), bytes_of(g)),
            24 => Op::Lrem(key, index_of(g), bytes_of(g)),
            25 => Op::Ltrim(key, index_of(g), index_of(g)),
            26 | 27 => Op::Lrange(key, index_of(g), index_of(g)),
            28 => Op::Lmove(key, key_of(g), bool::arbitrary(g), bool::arbitrary(g)),
            _ => Op::Lpos(key, bytes_of(g)),
        }
    }
}

fn side(left: bool) -> &'static [u8] {
    if left { b"LEFT" } else { b"RIGHT" }
}

impl Op {
    fn argv(&self) -> Vec<Bytes> {
        match self {
            Op::Set(k, v) => argv(&[b"SET", &[*k], v]),
            Op::Get(k) => argv(&[b"GET", &[*k]]),
            Op::GetDel(k) => argv(&[b"GETDEL", &[*k]]),
            Op::GetSet(k, v) => argv(&[b"GETSET", &[*k], v]),
            Op::SetNx(k, v) => argv(&[b"SETNX", &[*k], v]),
            Op::Append(k, v) => argv(&[b"APPEND", &[*k], v]),
            Op::Strlen(k) => argv(&[b"STRLEN", &[*k]]),
            Op::IncrBy(k, n) => argv(&[b"INCRBY", &[*k], &num(*n)]),
            Op::SetRange(k, at, v) => argv(&[b"SETRANGE", &[*k], &num(i64::from(*at)), v]),
            Op::GetRange(k, from, to) => argv(&[b"GETRANGE", &[*k], &num(*from), &num(*to)]),
            Op::Del(k, other) => argv(&[b"DEL", &[*k], &[*other]]),
            Op::Rename(k, other) => argv(&[b"RENAME", &[*k], &[*other]]),
            Op::Push { key, left, only_existing, elements } => {
                let name: &[u8] = match (left, only_existing) {
                    (true, false) => b"LPUSH",
                    (true, true) => b"LPUSHX",
                    (false, false) => b"RPUSH",
                    (false, true) => b"RPUSHX",
                };
                let mut all = argv(&[name, &[*key]]);
                all.extend(elements.iter().cloned());
                all
            }
            Op::Pop(k, left, count) => {
                let mut all = argv(&[if *left { b"LPOP" } else { b"RPOP" }, &[*k]]);
                all.extend(count.map(|count| num(i64::from(count))));
                all
            }
            Op::Llen(k) => argv(&[b"LLEN", &[*k]]),
            Op::Lindex(k, at) => argv(&[b"LINDEX", &[*k], &num(*at)]),
            Op::Lset(k, at, v) => argv(&[b"LSET", &[*k], &num(*at), v]),
            Op::Linsert(k, before, pivot, v) => {
                argv(&[b"LINSERT", &[*k], if *before { b"BEFORE" } else { b"AFTER" }, pivot, v])
            }
            Op::Lrem(k, count, v) => argv(&[b"LREM", &[*k], &num(*count), v]),
            Op::Ltrim(k, from, to) => argv(&[b"LTRIM", &[*k], &num(*from), &num(*to)]),
            Op::Lrange(k, from, to) => argv(&[b"LRANGE", &[*k], &num(*from), &num(*to)]),
            Op::Lmove(k, to, from_left, to_left) => {
                argv(&[b"LMOVE", &[*k], &[*to], side(*from_left), side(*to_left)])
            }
            Op::Lpos(k, v) => argv(&[b"LPOS", &[*k], v]),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Datum {
    String(Bytes),
    List(VecDeque<Bytes>),
}

/// What the keys hold, as the documentation has it.
#[derive(Default)]
struct Model(BTreeMap<u8, Datum>);

fn error(text: &str) -> Value {
    Value::Error(text.as_bytes().to_vec())
}

fn wrong_type() -> Value {
    error("WRONGTYPE Operation against a key holding the wrong kind of value")
}

fn bulk(bytes: Option<&Bytes>) -> Value {
    bytes.map_or(Value::Nil, |bytes| Value::Bulk(bytes.clone()))
}

fn ok() -> Value {
    Value::Simple(b"OK".to_vec())
}

fn int(number: usize) -> Value {
    Value::Int(number as i64)
}

/// A range with ends that count from the end where they are negative.
fn range(len: usize, from: i64, to: i64) -> std::ops::Range<usize> {
    let len = len as i64;
    let from = if from < 0 { from.saturating_add(len).max(0) } else { from };
    let to = (if to < 0 { to.saturating_add(len) } else { to }).min(len - 1);
    if from > to || from >= len { 0..0 } else { from as usize..to as usize + 1 }
}

fn place(len: usize, at: i64) -> Option<usize> {
    let at = if at < 0 { at.checked_add(len as i64)? } else { at };
    usize::try_from(at).ok().filter(|at| *at < len)
}

impl Model {
    fn string(&self, key: u8) -> Result<Option<&Bytes>, Value> {
        match self.0.get(&key) {
            None => Ok(None),
            Some(Datum::String(text)) => Ok(Some(text)),
            Some(Datum::List(_)) => Err(wrong_type()),
        }
    }

    /// A list; where there is none, an empty one that is not kept.
    fn list(&self, key: u8) -> Result<VecDeque<Bytes>, Value> {
        match self.0.get(&key) {
            None => Ok(VecDeque::new()),
            Some(Datum::List(list)) => Ok(list.clone()),
            Some(Datum::String(_)) => Err(wrong_type()),
        }
    }

    fn keep(&mut self, key: u8, list: VecDeque<Bytes>) {
        match list.is_empty() {
            true => self.0.remove(&key),
            false => self.0.insert(key, Datum::List(list)),
        };
    }

    fn run(&mut self, op: &Op) -> Value {
        self.try_run(op).unwrap_or_else(|error| error)
    }

    fn try_run(&mut self, op: &Op) -> Result<Value, Value> {
        Ok(match op {
            Op::Set(k, v) => {
                self.0.insert(*k, Datum::String(v.clone()));
                ok()
            }
            Op::Get(k) => bulk(self.string(*k)?),
            Op::GetDel(k) => {
                let was = bulk(self.string(*k)?);
                self.0.remove(k);
                was
            }
            Op::GetSet(k, v) => {
                let was = bulk(self.string(*k)?);
                self.0.insert(*k, Datum::String(v.clone()));
                was
            }
            Op::SetNx(k, v) => {
                let free = !self.0.contains_key(k);
                self.0.entry(*k).or_insert_with(|| Datum::String(v.clone()));
                int(usize::from(free))
            }
            Op::Append(k, v) => {
                let mut text = self.string(*k)?.cloned().unwrap_or_default();
                text.extend_from_slice(v);
                let len = text.len();
                self.0.insert(*k, Datum::String(text));
                int(len)
            }
            Op::Strlen(k) => int(self.string(*k)?.map_or(0, Vec::len)),
            Op::IncrBy(k, by) => {
                let text = self.string(*k)?.cloned().unwrap_or_else(|| b"0".to_vec());
                // The one spelling of a number is the one that it prints as.
                let number = String::from_utf8(text.clone()).ok().and_then(|text| text.parse::<i64>().ok());
                let number = number
                    .filter(|number| num(*number) == text)
                    .ok_or_else(|| error("ERR value is not an integer or out of range"))?;
                let sum = number
                    .checked_add(*by)
                    .ok_or_else(|| error("ERR increment or decrement would overflow"))?;
                self.0.insert(*k, Datum::String(num(sum)));
                Value::Int(sum)
            }
            Op::SetRange(k, at, v) => {
                let mut text = self.string(*k)?.cloned().unwrap_or_default();
                if v.is_empty() {
                    return Ok(int(text.len()));
                }
                let (at, end) = (usize::from(*at), usize::from(*at) + v.len());
                text.resize(text.len().max(end), 0);
                text[at..end].copy_from_slice(v);
                let len = text.len();
                self.0.insert(*k, Datum::String(text));
                int(len)
            }
            Op::GetRange(k, from, to) => {
                let text = self.string(*k)?.cloned().unwrap_or_default();
                // Redis gives nothing for a range that is backwards, even where cutting it would straighten it.
                let backwards = *from < 0 && *to < 0 && from > to;
                let mut range = range(text.len(), *from, (*to).max(-(text.len() as i64)));
                if backwards {
                    range = 0..0;
                }
                Value::Bulk(text[range].to_vec())
            }
            Op::Del(k, other) => {
                let first = self.0.remove(k).is_some();
                int(usize::from(first) + usize::from(self.0.remove(other).is_some()))
            }
            Op::Rename(k, other) => {
                let datum = self.0.remove(k).ok_or_else(|| error("ERR no such key"))?;
                self.0.insert(*other, datum);
                ok()
            }
            Op::Push { key, left, only_existing, elements } => {
                let mut list = self.list(*key)?;
                if *only_existing && list.is_empty() {
                    return Ok(int(0));
                }
                for element in elements.iter().cloned() {
                    if *left { list.push_front(element) } else { list.push_back(element) }
                }
                let len = list.len();
                self.keep(*key, list);
                int(len)
            }
            Op::Pop(k, left, count) => {
                let mut list = self.list(*k)?;
                let mut pop = || if *left { list.pop_front() } else { list.pop_back() };
                let reply = match count {
                    None => bulk(pop().as_ref()),
                    Some(count) => {
                        let popped: Vec<_> = (0..*count).map_while(|_| pop()).map(Value::Bulk).collect();
                        if self.0.contains_key(k) { Value::Array(popped) } else { Value::NilArray }
                    }
                };
                self.keep(*k, list);
                reply
            }
            Op::Llen(k) => int(self.list(*k)?.len()),
            Op::Lindex(k, at) => {
                let list = self.list(*k)?;
                bulk(place(list.len(), *at).and_then(|at| list.get(at)))
            }
            Op::Lset(k, at, v) => {
                let mut list = self.list(*k)?;
                if list.is_empty() {
                    return Err(error("ERR no such key"));
                }
                let at = place(list.len(), *at).ok_or_else(|| error("ERR index out of range"))?;
                list[at] = v.clone();
                self.keep(*k, list);
                ok()
            }
            Op::Linsert(k, before, pivot, v) => {
                let mut list = self.list(*k)?;
                if list.is_empty() {
                    return Ok(int(0));
                }
                let Some(at) = list.iter().position(|element| element == pivot) else {
                    return Ok(Value::Int(-1));
                };
                list.insert(at + usize::from(!before), v.clone());
                let len = list.len();
                self.keep(*k, list);
                int(len)
            }
            Op::Lrem(k, count, v) => {
                let mut list = self.list(*k)?;
                let before = list.len();
                let mut left = if *count == 0 { u64::MAX } else { count.unsigned_abs() };
                let mut stays = |element: &Bytes| {
                    let goes = element == v && left > 0;
                    left -= u64::from(goes);
                    !goes
                };
                if *count < 0 {
                    list = list.into_iter().rev().filter(&mut stays).collect();
                    list.make_contiguous().reverse();
                } else {
                    list.retain(&mut stays);
                }
                let removed = before - list.len();
                self.keep(*k, list);
                int(removed)
            }
            Op::Ltrim(k, from, to) => {
                let list = self.list(*k)?;
                let kept = list.range(range(list.len(), *from, *to)).cloned().collect();
                self.keep(*k, kept);
                ok()
            }
            Op::Lrange(k, from, to) => {
                let list = self.list(*k)?;
                Value::Array(list.range(range(list.len(), *from, *to)).cloned().map(Value::Bulk).collect())
            }
            Op::Lmove(from, to, from_left, to_left) => {
                let mut source = self.list(*from)?;
                if source.is_empty() {
                    return Ok(Value::Nil);
                }
                self.list(*to)?;
                let element = if *from_left { source.pop_front() } else { source.pop_back() };
                let element = element.unwrap_or_default();
                self.keep(*from, source);
                let mut target = self.list(*to)?;
                if *to_left {
                    target.push_front(element.clone())
                } else {
                    target.push_back(element.clone())
                }
                self.keep(*to, target);
                Value::Bulk(element)
            }
            Op::Lpos(k, v) => match self.list(*k)?.iter().position(|element| element == v) {
                Some(at) => int(at),
                None => Value::Nil,
            },
        })
    }
}

fn agrees(ops: &[Op], engine: Arc<Engine>) -> TestResult {
    let mut local = Local::on(engine);
    let mut model = Model::default();
    for op in ops {
        let wanted = model.run(op);
        let got = local.ask("", &op.argv()).unwrap_or_else(|error| self::error(&error));
        if got != wanted {
            return TestResult::error(format!("{op:?}: got {got}, wanted {wanted}"));
        }
    }
    // What is there must be all that is there.
    let mut keys: Vec<Value> = model.0.keys().map(|key| Value::Bulk(vec![*key])).collect();
    keys.sort();
    match local.ask("", &argv(&[b"KEYS", b"*"])) {
        Ok(Value::Array(mut got)) => {
            got.sort();
            if got == keys { TestResult::passed() } else { TestResult::error(format!("{got:?}")) }
        }
        other => TestResult::error(format!("KEYS: {other:?}")),
    }
}

fn engine(shards: u32, node: i32) -> Arc<Engine> {
    let config = config(shards).list_max_listpack_size(node);
    Engine::open(&config, Clock::manual(START_MS)).expect("a good configuration")
}

#[test]
fn strings_and_lists_do_what_plain_structures_do() {
    fn property(ops: Vec<Op>) -> TestResult {
        agrees(&ops, engine(1, -2))
    }
    QuickCheck::new().rng(Gen::new(200)).tests(150).quickcheck(property as fn(Vec<Op>) -> TestResult);
}

#[test]
fn lists_of_small_nodes_do_what_plain_structures_do() {
    fn property(ops: Vec<Op>) -> TestResult {
        agrees(&ops, engine(16, 3))
    }
    QuickCheck::new().rng(Gen::new(200)).tests(150).quickcheck(property as fn(Vec<Op>) -> TestResult);
}

/// What happens among clients that wait.
#[derive(Clone, Debug)]
enum Step {
    /// A client pops from the first of these keys that has something, or waits.
    Pop {
        client: u8,
        keys: Vec<u8>,
        left: bool,
        timeout_ms: Option<u16>,
    },
    /// A client moves an element, or waits.
    Move {
        client: u8,
        from: u8,
        to: u8,
    },
    Push {
        key: u8,
        count: u8,
        left: bool,
    },
    /// A client takes what it was given.
    Take(u8),
    /// A client goes away; what it was given and did not take goes back.
    Leave(u8),
    Advance(u16),
}

const CLIENTS: u8 = 5;

impl Arbitrary for Step {
    fn arbitrary(g: &mut Gen) -> Self {
        let client = u8::arbitrary(g) % CLIENTS;
        match u8::arbitrary(g) % 12 {
            0..=2 => Step::Pop {
                client,
                keys: (0..1 + u8::arbitrary(g) % 3).map(|_| key_of(g)).collect(),
                left: bool::arbitrary(g),
                timeout_ms: bool::arbitrary(g).then(|| 1 + u16::arbitrary(g) % 500),
            },
            3 => Step::Move { client, from: key_of(g), to: key_of(g) },
            4..=6 => Step::Push { key: key_of(g), count: 1 + u8::arbitrary(g) % 3, left: bool::arbitrary(g) },
            7..=9 => Step::Take(client),
            10 => Step::Leave(client),
            _ => Step::Advance(u16::arbitrary(g) % 300),
        }
    }
}

/// One client of the engine, and what it waits for.
struct Client {
    session: Session,
    waiter: Option<Arc<Waiter>>,
}

/// What a client waits for, in the model.
#[derive(Clone, Debug)]
struct Waiting {
    client: u8,
    keys: Vec<u8>,
    take_left: bool,
    /// Where a move goes, to the right end.
    to: Option<u8>,
    deadline_ms: Option<u64>,
}

/// What a client has been given and has not taken.
#[derive(Clone, Debug)]
enum Given {
    Element { key: u8, element: Bytes, left: bool, moved_to: Option<u8> },
    TimedOut { array: bool },
}

#[derive(Default)]
struct Queues {
    lists: BTreeMap<u8, VecDeque<Bytes>>,
    /// In the order in which they came.
    waiting: Vec<Waiting>,
    given: BTreeMap<u8, Given>,
}

impl Queues {
    fn pop(&mut self, key: u8, left: bool) -> Option<Bytes> {
        let list = self.lists.get_mut(&key)?;
        if left { list.pop_front() } else { list.pop_back() }
    }

    fn push(&mut self, key: u8, element: Bytes, left: bool) {
        let list = self.lists.entry(key).or_default();
        if left { list.push_front(element) } else { list.push_back(element) }
    }

    /// Serves whoever waits for keys that were filled, first come first served; who is served takes from the first of
    /// his keys that has something, as when he had just come (Redis 7.2).
    fn serve(&mut self, key: u8) {
        let mut ready = VecDeque::from([key]);
        while let Some(key) = ready.pop_front() {
            while self.lists.get(&key).is_some_and(|list| !list.is_empty()) {
                let Some(at) = self.waiting.iter().position(|waiting| waiting.keys.contains(&key)) else {
                    break;
                };
                let waiting = self.waiting.remove(at);
                let filled = |key: &&u8| self.lists.get(key).is_some_and(|list| !list.is_empty());
                let key = waiting.keys.iter().find(filled).copied().unwrap_or(key);
                let element = self.pop(key, waiting.take_left).unwrap_or_default();
                if let Some(to) = waiting.to {
                    self.push(to, element.clone(), false);
                    ready.push_back(to);
                }
                let given = Given::Element { key, element, left: waiting.take_left, moved_to: waiting.to };
                self.given.insert(waiting.client, given);
            }
        }
    }
}

fn plays(steps: &[Step], shards: u32) -> Result<(), String> {
    let engine = engine(shards, -2);
    let connect = || Client { session: engine.connect(Peer::default(), Arc::new(Nobody)), waiter: None };
    let mut clients: BTreeMap<u8, Client> = (0..CLIENTS).map(|number| (number, connect())).collect();
    let mut pusher = connect();
    let mut model = Queues::default();
    let mut next = 0u32;
    let mut fresh = || {
        next += 1;
        format!("e{next}").into_bytes()
    };
    for (number, step) in steps.iter().enumerate() {
        let fail = |what: String| format!("step {number}, {step:?}: {what}");
        let now_ms = engine.clock().now_ms();
        match step {
            Step::Pop { client, keys, left, timeout_ms } => {
                let Some(actor) = clients.get_mut(client).filter(|actor| actor.waiter.is_none()) else {
                    continue;
                };
                let mut words = argv(&[if *left { b"BLPOP" } else { b"BRPOP" }]);
                words.extend(keys.iter().map(|key| vec![*key]));
                words.push(format!("{}", f64::from(timeout_ms.unwrap_or(0)) / 1000.0).into_bytes());
                let reply = execute(&engine, actor, &words);
                let found = keys.iter().find(|key| model.lists.get(key).is_some_and(|list| !list.is_empty()));
                match found {
                    Some(&key) => {
                        let element = model.pop(key, *left).unwrap_or_default();
                        let wanted = Value::Array(vec![Value::Bulk(vec![key]), Value::Bulk(element)]);
                        if reply.as_ref() != Some(&wanted) {
                            return Err(fail(format!("got {reply:?}, wanted {wanted}")));
                        }
                    }
                    None if reply.is_some() => return Err(fail(format!("got {reply:?}, wanted it to wait"))),
                    None => model.waiting.push(Waiting {
                        client: *client,
                        keys: keys.clone(),
                        take_left: *left,
                        to: None,
                        deadline_ms: timeout_ms.map(|ms| now_ms + u64::from(ms)),
                    }),
                }
            }
            Step::Move { client, from, to } => {
                let Some(actor) = clients.get_mut(client).filter(|actor| actor.waiter.is_none()) else {
                    continue;
                };
                let reply =
                    execute(&engine, actor, &argv(&[b"BLMOVE", &[*from], &[*to], b"LEFT", b"RIGHT", b"0"]));
                match model.pop(*from, true) {
                    Some(element) => {
                        model.push(*to, element.clone(), false);
                        model.serve(*to);
                        if reply != Some(Value::Bulk(element)) {
                            return Err(fail(format!("got {reply:?}")));
                        }
                    }
                    None if reply.is_some() => return Err(fail(format!("got {reply:?}, wanted it to wait"))),
                    None => model.waiting.push(Waiting {
                        client: *client,
                        keys: vec![*from],
                        take_left: true,
                        to: Some(*to),
                        deadline_ms: None,
                    }),
                }
            }
            Step::Push { key, count, left } => {
                let elements: Vec<Bytes> = (0..*count).map(|_| fresh()).collect();
                let mut words = argv(&[if *left { b"LPUSH" } else { b"RPUSH" }, &[*key]]);
                words.extend(elements.iter().cloned());
                let reply = execute(&engine, &mut pusher, &words);
                for element in elements {
                    model.push(*key, element, *left);
                }
                let len = model.lists.get(key).map_or(0, VecDeque::len);
                if reply != Some(int(len)) {
                    return Err(fail(format!("got {reply:?}, wanted {len}")));
                }
                model.serve(*key);
            }
            Step::Take(client) => {
                let Some(actor) = clients.get_mut(client) else { continue };
                let Some(waiter) = actor.waiter.clone() else { continue };
                let mut output = Output::new();
                let ended =
                    engine.take_delivery(&mut actor.session, &waiter, &mut output.sink(Protocol::Resp2));
                if ended {
                    actor.waiter = None;
                }
                let got = resp::decode(&output.to_vec()).ok().flatten().map(|(value, _)| value);
                let wanted = model.given.remove(client).map(|given| match given {
                    Given::Element { element, moved_to: Some(_), .. } => Value::Bulk(element),
                    Given::Element { key, element, .. } => {
                        Value::Array(vec![Value::Bulk(vec![key]), Value::Bulk(element)])
                    }
                    Given::TimedOut { array: true } => Value::NilArray,
                    Given::TimedOut { array: false } => Value::Nil,
                });
                if got != wanted {
                    return Err(fail(format!("got {got:?}, wanted {wanted:?}")));
                }
            }
            Step::Leave(client) => {
                let Some(actor) = clients.get_mut(client) else { continue };
                engine.disconnect(&mut actor.session);
                *actor = connect();
                model.waiting.retain(|waiting| waiting.client != *client);
                if let Some(Given::Element { key, element, left, moved_to }) = model.given.remove(client) {
                    match moved_to {
                        None => {
                            model.push(key, element, left);
                            model.serve(key);
                        }
                        // A move is taken back if nothing has happened to the element since.
                        Some(to) if model.lists.get(&to).and_then(|list| list.back()) == Some(&element) => {
                            model.pop(to, false);
                            model.push(key, element, left);
                            model.serve(key);
                        }
                        Some(_) => {}
                    }
                }
            }
            Step::Advance(ms) => {
                engine.advance(std::time::Duration::from_millis(u64::from(*ms)));
                let now_ms = engine.clock().now_ms();
                let due =
                    |waiting: &Waiting| waiting.deadline_ms.is_some_and(|deadline_ms| deadline_ms <= now_ms);
                for waiting in model.waiting.iter().filter(|waiting| due(waiting)) {
                    let waiter = clients.get(&waiting.client).and_then(|client| client.waiter.clone());
                    wait_for(|| waiter.as_ref().is_some_and(|waiter| waiter.has_ended()))
                        .map_err(|()| fail(format!("client {} did not time out", waiting.client)))?;
                    model.given.insert(waiting.client, Given::TimedOut { array: waiting.to.is_none() });
                }
                model.waiting.retain(|waiting| !due(waiting));
            }
        }
        for (key, list) in &model.lists {
            let reply = execute(&engine, &mut pusher, &argv(&[b"LRANGE", &[*key], b"0", b"-1"]));
            let wanted = Value::Array(list.iter().cloned().map(Value::Bulk).collect());
            if reply.as_ref() != Some(&wanted) {
                let got = reply.map_or("nothing".into(), |reply| reply.to_string());
                return Err(fail(format!("{} holds {got}, wanted {wanted}", show(&[*key]))));
            }
        }
    }
    for client in clients.values_mut() {
        engine.disconnect(&mut client.session);
    }
    let blocked = engine.stats().blocked.load(Ordering::Relaxed);
    if blocked == 0 { Ok(()) } else { Err(format!("{blocked} are blocked, and nobody is there")) }
}

fn wait_for(condition: impl Fn() -> bool) -> Result<(), ()> {
    for _ in 0..5000 {
        if condition() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Err(())
}

/// The reply, `None` where the client waits.
fn execute(engine: &Engine, client: &mut Client, words: &[Bytes]) -> Option<Value> {
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let mut output = Output::new();
    let flow = Batch::new(engine).execute(&mut client.session, &words, &mut output.sink(Protocol::Resp2));
    match flow {
        Flow::Done => resp::decode(&output.to_vec()).ok().flatten().map(|(value, _)| value),
        Flow::Wait(waiter) | Flow::Later(waiter) => {
            client.waiter = Some(waiter);
            None
        }
    }
}

#[test]
fn those_who_wait_are_served_in_their_order_and_nothing_is_lost() {
    fn property(steps: Vec<Step>) -> TestResult {
        for shards in [1, 16] {
            if let Err(message) = plays(&steps, shards) {
                return TestResult::error(format!("{shards} shards: {message}"));
            }
        }
        TestResult::passed()
    }
    QuickCheck::new().rng(Gen::new(80)).tests(300).quickcheck(property as fn(Vec<Step>) -> TestResult);
}

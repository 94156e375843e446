//! Properties of streams against maps of the standard library, with small and with large nodes.

use super::*;
use crate::value::listpack;
use quickcheck::{Arbitrary, Gen, QuickCheck};
use std::collections::BTreeMap;

const SMALL: NodeLimit = NodeLimit { bytes_max: 64, entries_max: 3 };
const LARGE: NodeLimit = NodeLimit { bytes_max: 4096, entries_max: 100 };

#[derive(Clone, Debug)]
enum Op {
    /// How far the ID is beyond the last one, and what fields there are.
    Append(u8, u8, u8),
    /// One of the entries there are, or none.
    Delete(u8),
    TrimLen(u8, bool, u8),
    TrimId(u8, bool),
    /// Consumer, most entries, whether nobody acknowledges.
    Read(u8, u8, bool),
    Redeliver(u8, u8),
    Acknowledge(u8),
    /// Consumer, ID, by force, only the ID, least idle time.
    Claim(u8, u8, bool, bool, u8),
    Autoclaim(u8, u8, u8),
    RemoveConsumer(u8),
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        let (a, b, c) = (u8::arbitrary(g), u8::arbitrary(g), u8::arbitrary(g));
        let (x, y) = (bool::arbitrary(g), bool::arbitrary(g));
        match u8::arbitrary(g) % 16 {
            0..=5 => Op::Append(a % 3, b % 3, c),
            6 | 7 => Op::Delete(a),
            8 => Op::TrimLen(a % 20, x, b % 8),
            9 => Op::TrimId(a, x),
            10 | 11 => Op::Read(a, b % 5, x),
            12 => Op::Redeliver(a, b % 5),
            13 => Op::Acknowledge(a),
            14 if x => Op::Claim(a, b, x, y, c % 8),
            14 => Op::Claim(a, b, x, y, c % 8),
            _ if y => Op::Autoclaim(a, b % 5, c % 8),
            _ => Op::RemoveConsumer(a),
        }
    }
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// The same in plain words.
#[derive(Default)]
struct Model {
    entries: BTreeMap<Id, Pairs>,
    last_id: Id,
    read_to: Id,
    /// Consumer, delivery time, deliveries.
    pending: BTreeMap<Id, (usize, i64, u64)>,
}

const CONSUMERS: [&[u8]; 3] = [b"alice", b"bob", b"carol"];
const GROUP: &[u8] = b"g";

fn pairs(id: Id, shape: u8) -> Pairs {
    let text = |n: u64| format!("value {n}").into_bytes();
    match shape % 8 {
        0 => vec![(b"f".to_vec(), b"1".to_vec()), (b"f".to_vec(), b"-4711".to_vec())],
        1 => vec![(b"other".to_vec(), text(id.ms))],
        2 => vec![(b"7".to_vec(), vec![b'x'; 100]), (Vec::new(), Vec::new())],
        3 => vec![(b"f".to_vec(), vec![b'y'; 5000])],
        _ => vec![(b"f".to_vec(), text(id.seq)), (b"g".to_vec(), text(id.ms))],
    }
}

fn fields(entry: Entry<'_>) -> Pairs {
    entry.fields().map(|(field, value)| (field.to_vec(), value.to_vec())).collect()
}

/// The n-th of a map's keys, or an ID near them.
fn pick<V>(map: &BTreeMap<Id, V>, n: u8) -> Id {
    let near = Id::new(u64::from(n % 16), u64::from(n / 16));
    if map.is_empty() || n >= 240 {
        return near;
    }
    map.keys().nth(usize::from(n) % map.len()).copied().unwrap_or(near)
}

struct Pair {
    stream: Stream,
    model: Model,
    limit: NodeLimit,
    now_ms: i64,
}

impl Pair {
    fn new(limit: NodeLimit) -> Self {
        let mut stream = Stream::default();
        assert!(stream.add_group(GROUP, Group::new(Id::MIN, None)));
        assert!(!stream.add_group(GROUP, Group::default()));
        Self { stream, model: Model::default(), limit, now_ms: 1000 }
    }

    fn step(&mut self, op: &Op) -> Result<(), String> {
        self.now_ms += 1;
        let now_ms = self.now_ms;
        let model = &mut self.model;
        let name = |n: u8| CONSUMERS[usize::from(n) % CONSUMERS.len()];
        let number = |n: u8| usize::from(n) % CONSUMERS.len();
        let same = |what: &str, got: String, expected: String| {
            if got == expected { Ok(()) } else { Err(format!("{what}: {got}, expected {expected}")) }
        };
        match *op {
            Op::Append(ms, seq, shape) => {
                let mut id = Id::new(self.model.last_id.ms + u64::from(ms), u64::from(seq));
                if id <= self.model.last_id {
                    id = self.model.last_id.next().ok_or("no more IDs")?;
                }
                let pairs = pairs(id, shape);
                let flat: Vec<&[u8]> =
                    pairs.iter().flat_map(|(field, value)| [&field[..], &value[..]]).collect();
                self.stream.log_mut().append(id, &flat, self.limit).map_err(|error| error.to_string())?;
                self.model.entries.insert(id, pairs);
                self.model.last_id = id;
                Ok(())
            }
            Op::Delete(n) => {
                let id = pick(&model.entries, n);
                let expected = model.entries.remove(&id).is_some();
                same("deleted", self.stream.log_mut().delete(id).to_string(), expected.to_string())
            }
            Op::TrimLen(len, whole_nodes, limit) => {
                let to = TrimTo::Len(u64::from(len));
                let limit = if whole_nodes { u64::from(limit) } else { 0 };
                let removed = self.stream.log_mut().trim(Trim { to, whole_nodes, limit });
                let most = model.entries.len().saturating_sub(usize::from(len)) as u64;
                let right = if whole_nodes {
                    removed <= most && (limit == 0 || removed <= limit)
                } else {
                    removed == most
                };
                (0..removed).for_each(|_| drop(model.entries.pop_first()));
                if right { Ok(()) } else { Err(format!("trimmed {removed} of {most}")) }
            }
            Op::TrimId(n, whole_nodes) => {
                let id = pick(&model.entries, n);
                let removed = self.stream.log_mut().trim(Trim { to: TrimTo::Id(id), whole_nodes, limit: 0 });
                let most = model.entries.range(..id).count() as u64;
                (0..removed).for_each(|_| drop(model.entries.pop_first()));
                let right = if whole_nodes { removed <= most } else { removed == most };
                if right { Ok(()) } else { Err(format!("trimmed {removed} of {most}")) }
            }
            Op::Read(consumer, count, no_ack) => {
                let expected: Vec<Id> = model
                    .entries
                    .keys()
                    .copied()
                    .filter(|&id| id > model.read_to)
                    .take(usize::from(count))
                    .collect();
                for &id in &expected {
                    model.read_to = id;
                    if !no_ack {
                        model.pending.insert(id, (number(consumer), now_ms, 1));
                    }
                }
                let got = self.stream.with_group(GROUP, |log, group| {
                    group.see_consumer(name(consumer), now_ms);
                    let start = group.last_id.next().unwrap_or(Id::MAX);
                    let range = log.range(start, Id::MAX).take(usize::from(count));
                    range
                        .map(|entry| {
                            group.deliver(log, entry.id, name(consumer), now_ms, no_ack);
                            entry.id
                        })
                        .collect::<Vec<_>>()
                });
                same("read", format!("{got:?}"), format!("{:?}", Some(expected)))
            }
            Op::Redeliver(consumer, count) => {
                let mut expected = Vec::new();
                for (&id, pending) in &mut model.pending {
                    if pending.0 == number(consumer) && expected.len() < usize::from(count) {
                        let there = model.entries.contains_key(&id);
                        if there {
                            *pending = (pending.0, now_ms, pending.2 + 1);
                        }
                        expected.push((id, there));
                    }
                }
                let got = self.stream.with_group(GROUP, |log, group| {
                    let entries = group.redeliver(log, (name(consumer), Id::MIN), usize::from(count), now_ms);
                    entries.into_iter().map(|(id, entry)| (id, entry.is_some())).collect::<Vec<_>>()
                });
                same("delivered again", format!("{got:?}"), format!("{:?}", Some(expected)))
            }
            Op::Acknowledge(n) => {
                let id = pick(&model.pending, n);
                let expected = model.pending.remove(&id).is_some();
                let got = self.stream.with_group(GROUP, |_, group| group.acknowledge(id));
                same("acknowledged", format!("{got:?}"), format!("{:?}", Some(expected)))
            }
            Op::Claim(consumer, n, force, just_id, min_idle) => {
                let id = if force { pick(&model.entries, n) } else { pick(&model.pending, n) };
                let min_idle_ms = i64::from(min_idle);
                let before = model.pending.get(&id).copied();
                let there = model.entries.contains_key(&id);
                let idle = before.is_none_or(|(_, time, _)| now_ms - time >= min_idle_ms);
                let claims = there && idle && (before.is_some() || force);
                if claims {
                    let deliveries = before.map_or(1, |before| before.2) + u64::from(!just_id);
                    model.pending.insert(id, (number(consumer), now_ms, deliveries));
                } else if !there {
                    model.pending.remove(&id);
                }
                let claim = Claim { min_idle_ms, delivered_ms: now_ms, deliveries: None, force, just_id };
                let got = self.stream.with_group(GROUP, |log, group| {
                    group.see_consumer(name(consumer), now_ms);
                    let (entry, changed) = group.claim(log, id, name(consumer), now_ms, claim);
                    (entry.is_some(), changed)
                });
                let expected = (claims, claims || (!there && before.is_some()));
                same("claimed", format!("{got:?}"), format!("{:?}", Some(expected)))
            }
            Op::Autoclaim(consumer, count, min_idle) => {
                let (count, min_idle_ms) = (u64::from(count), i64::from(min_idle));
                let mut expected = Autoclaimed::default();
                let ids: Vec<Id> = model.pending.keys().copied().collect();
                let mut looks = 10 * count;
                for id in ids {
                    if looks == 0 || (expected.claimed.len() + expected.deleted.len()) as u64 == count {
                        expected.next = id;
                        break;
                    }
                    looks -= 1;
                    let (_, time, deliveries) = model.pending[&id];
                    if !model.entries.contains_key(&id) {
                        model.pending.remove(&id);
                        expected.deleted.push(id);
                    } else if now_ms - time >= min_idle_ms {
                        model.pending.insert(id, (number(consumer), now_ms, deliveries + 1));
                        expected.claimed.push(id);
                    }
                }
                let got = self.stream.with_group(GROUP, |log, group| {
                    group.see_consumer(name(consumer), now_ms);
                    group.autoclaim(log, (name(consumer), Id::MIN), (min_idle_ms, now_ms), (count, false))
                });
                same("claimed by itself", format!("{got:?}"), format!("{:?}", Some(expected)))
            }
            Op::RemoveConsumer(consumer) => {
                let before = model.pending.len();
                model.pending.retain(|_, pending| pending.0 != number(consumer));
                let expected = before - model.pending.len();
                let got = self.stream.with_group(GROUP, |_, group| group.remove_consumer(name(consumer)));
                same("taken with it", format!("{}", got.flatten().unwrap_or(0)), format!("{expected}"))
            }
        }
    }

    fn compare(&self) -> Result<(), String> {
        let (log, model) = (self.stream.log(), &self.model);
        log.check();
        let forwards: Vec<(Id, Pairs)> =
            log.range(Id::MIN, Id::MAX).map(|entry| (entry.id, fields(entry))).collect();
        let mut backwards: Vec<(Id, Pairs)> =
            log.range_reverse(Id::MIN, Id::MAX).map(|entry| (entry.id, fields(entry))).collect();
        backwards.reverse();
        let expected: Vec<(Id, Pairs)> =
            model.entries.iter().map(|(&id, pairs)| (id, pairs.clone())).collect();
        if forwards != expected || backwards != expected {
            return Err(format!("forwards {forwards:?}\nbackwards {backwards:?}\nexpected {expected:?}"));
        }
        let first = model.entries.keys().next().copied().unwrap_or_default();
        let last = model.entries.keys().next_back().copied().unwrap_or_default();
        let heads = (log.len(), log.first_id(), log.last_entry_id(), log.last_id());
        if heads != (expected.len() as u64, first, last, model.last_id) {
            return Err(format!("length, first, last, last given: {heads:?}"));
        }
        let group = self.stream.group(GROUP).ok_or("the group is gone")?;
        group.check();
        let pending: Vec<_> = group
            .pending(Id::MIN, Id::MAX)
            .map(|(id, pending, consumer)| {
                (id, (consumer.name().to_vec(), pending.delivered_ms, pending.deliveries))
            })
            .collect();
        let expected: Vec<_> = model
            .pending
            .iter()
            .map(|(&id, &(consumer, time, deliveries))| {
                (id, (CONSUMERS[consumer].to_vec(), time, deliveries))
            })
            .collect();
        if pending != expected || group.last_id != model.read_to {
            return Err(format!("pending {pending:?} up to {}, expected {expected:?}", group.last_id));
        }
        Ok(())
    }
}

fn agrees(ops: Vec<Op>, limit: NodeLimit) -> Result<(), String> {
    let mut pair = Pair::new(limit);
    for op in &ops {
        pair.step(op).and_then(|()| pair.compare()).map_err(|error| format!("{op:?}: {error}"))?;
    }
    pair.stream.remove_group(GROUP);
    if pair.stream.heap_bytes() != pair.stream.log().heap_bytes() {
        return Err("a group that is gone is accounted for".into());
    }
    Ok(())
}

#[test]
fn a_stream_agrees_with_a_map_whatever_is_done_to_it() {
    fn holds(ops: Vec<Op>, large: bool) -> Result<bool, String> {
        agrees(ops, if large { LARGE } else { SMALL }).map(|()| true)
    }
    QuickCheck::new().tests(400).quickcheck(holds as fn(Vec<Op>, bool) -> Result<bool, String>);
}

/// A log of so many entries, of which every n-th is deleted.
fn log_of(len: u64, gap: u64, limit: NodeLimit) -> Log {
    let mut log = Log::default();
    for n in 1..=len {
        log.append(Id::new(n, n % 3), &[b"f", b"v"], limit).expect("it is small");
    }
    for n in (1..=len).filter(|n| gap > 0 && n % gap == 0) {
        assert!(log.delete(Id::new(n, n % 3)));
    }
    log
}

#[test]
fn a_range_and_its_count_are_those_of_a_filter() {
    fn holds(len: u8, gap: u8, start: u8, end: u8, max: u8, small: bool) -> bool {
        let log = log_of(u64::from(len), u64::from(gap % 5), if small { SMALL } else { LARGE });
        let all: Vec<Id> = log.range(Id::MIN, Id::MAX).map(|entry| entry.id).collect();
        [
            (Id::new(start.into(), 1), Id::new(end.into(), 1)),
            (Id::MIN, Id::new(end.into(), 0)),
            (Id::MIN, Id::MAX),
        ]
        .into_iter()
        .all(|(start, end)| {
            let mut expected: Vec<Id> = all.iter().copied().filter(|id| (start..=end).contains(id)).collect();
            let range = log.range(start, end);
            let forwards = range.clone().map(|entry| entry.id).eq(expected.iter().copied());
            let max = usize::from(max);
            let count = range.count_up_to(max) == expected.len().min(max)
                && range.count_up_to(usize::MAX) == expected.len();
            expected.reverse();
            let range = log.range_reverse(start, end);
            forwards
                && count
                && range.count_up_to(max) == expected.len().min(max)
                && range.count_up_to(usize::MAX) == expected.len()
                && range.map(|entry| entry.id).eq(expected)
        })
    }
    QuickCheck::new().tests(300).quickcheck(holds as fn(u8, u8, u8, u8, u8, bool) -> bool);
}

#[test]
fn what_is_written_for_redis_is_read_back() {
    fn holds(ops: Vec<Op>, small: bool) -> bool {
        let mut pair = Pair::new(if small { SMALL } else { LARGE });
        ops.iter().for_each(|op| drop(pair.step(op)));
        let log = pair.stream.log();
        let mut copy = Log::default();
        for (id, listpack) in log.to_redis() {
            if copy.push_redis_node(id, &listpack).is_err() {
                return false;
            }
        }
        let entries = |log: &Log| -> Vec<(Id, Pairs)> {
            log.range(Id::MIN, Id::MAX).map(|entry| (entry.id, fields(entry))).collect()
        };
        copy.len() == log.len()
            && copy.nodes_len() == log.nodes_len()
            && entries(&copy) == entries(log)
            && copy.to_redis().eq(log.to_redis())
    }
    QuickCheck::new().tests(200).quickcheck(holds as fn(Vec<Op>, bool) -> bool);
}

#[test]
fn a_damaged_node_is_refused_or_harmless() {
    fn holds(at: usize, byte: u8, cut: bool) -> bool {
        let log = log_of(5, 2, LARGE);
        let Some((id, mut listpack)) = log.to_redis().next() else { return false };
        let at = at % listpack.len();
        if cut {
            listpack.truncate(at);
        } else {
            listpack[at] = byte;
        }
        let mut copy = Log::default();
        if copy.push_redis_node(id, &listpack).is_ok() {
            copy.check();
            let (forwards, backwards) = (copy.range(Id::MIN, Id::MAX), copy.range_reverse(Id::MIN, Id::MAX));
            return forwards.count() as u64 == copy.len() && backwards.count() as u64 == copy.len();
        }
        true
    }
    QuickCheck::new().tests(3000).quickcheck(holds as fn(usize, u8, bool) -> bool);
}

#[test]
fn a_node_is_left_where_redis_leaves_it() {
    let mut log = Log::default();
    let value = [b'x'; 10];
    for n in 1..=50 {
        log.append(Id::new(n, 0), &[b"f", &value], NodeLimit { bytes_max: 100, entries_max: 0 })
            .expect("small");
    }
    // Redis opens a node where the bytes so far and those of the new text come to the limit.
    for (_, listpack) in log.to_redis() {
        let (entries, count) = listpack::from_redis(&listpack).expect("valid");
        assert!(listpack.len() < 100 + 30 && count > 0 && !entries.is_empty());
    }
    let entries = Log::default();
    assert_eq!(entries.nodes_len(), 0);
    let log = log_of(1000, 0, NodeLimit { bytes_max: 0, entries_max: 100 });
    assert_eq!(log.nodes_len(), 10);
    // Deleted entries keep their place, so they count as well.
    let mut log = log_of(99, 2, NodeLimit { bytes_max: 0, entries_max: 100 });
    for n in 100..=101 {
        log.append(Id::new(n, 0), &[b"f", b"v"], NodeLimit { bytes_max: 0, entries_max: 100 })
            .expect("small");
    }
    assert_eq!(log.nodes_len(), 2);
}

/// A tree of bytes as Redis' is before anything is compressed, and how many nodes that leaves.
#[derive(Default)]
struct Trie(BTreeMap<u8, Trie>);

impl Trie {
    fn add(&mut self, key: &[u8]) {
        if let [first, rest @ ..] = key {
            self.0.entry(*first).or_default().add(rest);
        }
    }

    fn nodes(&self) -> usize {
        let mut at = self;
        let mut run = 0;
        while at.0.len() == 1 {
            run = 1;
            at = at.0.values().next().expect("there is one");
        }
        run + 1 + at.0.values().map(Trie::nodes).sum::<usize>()
    }
}

#[test]
fn the_nodes_of_redis_tree_are_counted() {
    fn holds(ids: Vec<(u64, u64, u8)>) -> bool {
        let mut ids: Vec<Id> =
            ids.into_iter().map(|(ms, seq, shift)| Id::new(ms >> (shift % 64), seq >> (shift / 4))).collect();
        ids.retain(|id| *id > Id::MIN);
        ids.sort_unstable();
        ids.dedup();
        let mut log = Log::default();
        let mut trie = Trie::default();
        for &id in &ids {
            log.append(id, &[b"f", b"v"], NodeLimit { bytes_max: 0, entries_max: 1 }).expect("small");
            trie.add(&id.as_u128().to_be_bytes());
        }
        log.radix_nodes() == trie.nodes()
    }
    QuickCheck::new().tests(500).quickcheck(holds as fn(Vec<(u64, u64, u8)>) -> bool);
    assert_eq!(Log::default().radix_nodes(), 1);
    assert_eq!(log_of(1, 0, LARGE).radix_nodes(), 2);
}

#[test]
fn ids_have_neighbours_up_to_the_ends() {
    assert_eq!(Id::new(1, u64::MAX).next(), Some(Id::new(2, 0)));
    assert_eq!(Id::new(2, 0).prev(), Some(Id::new(1, u64::MAX)));
    assert_eq!((Id::MAX.next(), Id::MIN.prev()), (None, None));
    for id in [Id::MIN, Id::MAX, Id::new(12, 345)] {
        let mut buffer = IdBuffer::default();
        assert_eq!(id.format(&mut buffer), id.to_string().as_bytes());
        assert_eq!(Id::parse(id.to_string().as_bytes()), Some(id));
    }
    assert_eq!(Id::parse(b"1"), None);
}

#[test]
fn an_entry_beyond_the_limit_is_refused_and_changes_nothing() {
    let mut log = log_of(3, 0, LARGE);
    let value = vec![0; 1 << 29];
    let pairs: [&[u8]; 4] = [b"f", &value, b"g", &value];
    assert_eq!(log.append(Id::new(9, 9), &pairs, LARGE), Err(TooLarge));
    assert_eq!((log.len(), log.last_id()), (3, Id::new(3, 0)));
    log.check();
}

//! Lists of either form against a `VecDeque`, their encodings against the rules of Redis, and what they take.

use super::*;
use quickcheck::{Arbitrary, Gen, QuickCheck};
use std::collections::VecDeque;

#[derive(Clone, Debug)]
enum Op {
    Push(bool, Vec<u8>),
    Extend(bool, Vec<Vec<u8>>),
    Pop(bool),
    Set(i64, Vec<u8>),
    Insert(Vec<u8>, Vec<u8>, bool),
    Remove(i64, Vec<u8>),
    Trim(i64, i64),
}

/// Few different values, so that searches hit, and lengths around every border.
fn value(g: &mut Gen) -> Vec<u8> {
    let len = *g.choose(&[0, 1, 3, 8, 62, 63, 64, 65, 500, 1500, 4095, 4097, 8192, 9000]).unwrap_or(&0);
    match u8::arbitrary(g) % 12 {
        0..=4 => format!("v{}", u8::arbitrary(g) % 4).into_bytes(),
        5..=7 => (i64::arbitrary(g) >> (u8::arbitrary(g) % 64)).to_string().into_bytes(),
        8..=10 => vec![b'x'; len.min(65)],
        _ => vec![b'z'; len],
    }
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        let front = bool::arbitrary(g);
        let index = |g: &mut Gen| i64::from(i16::arbitrary(g) % 40);
        match u8::arbitrary(g) % 20 {
            0..=5 => Self::Push(front, value(g)),
            6..=8 => Self::Extend(front, (0..u8::arbitrary(g) % 30).map(|_| value(g)).collect()),
            9..=11 => Self::Pop(front),
            12..=13 => Self::Set(index(g), value(g)),
            14..=16 => Self::Insert(value(g), value(g), front),
            17..=18 => Self::Remove(index(g) % 4, value(g)),
            _ => match bool::arbitrary(g) {
                true => Self::Trim(index(g), index(g)),
                false => Self::Trim(index(g) % 3, -1 - (index(g) % 3).abs()),
            },
        }
    }
}

type Model = VecDeque<Vec<u8>>;

fn apply_to_model(model: &mut Model, op: &Op) -> Option<usize> {
    let position = |index: i64, model: &Model| {
        let index = if index < 0 { index + model.len() as i64 } else { index };
        (0..model.len() as i64).contains(&index).then_some(index as usize)
    };
    match op {
        Op::Push(true, value) => model.push_front(value.clone()),
        Op::Push(false, value) => model.push_back(value.clone()),
        Op::Extend(true, values) => values.iter().for_each(|value| model.push_front(value.clone())),
        Op::Extend(false, values) => model.extend(values.iter().cloned()),
        Op::Pop(true) => return model.pop_front().map(|value| value.len()),
        Op::Pop(false) => return model.pop_back().map(|value| value.len()),
        Op::Set(index, value) => {
            let index = position(*index, model)?;
            model[index] = value.clone();
            return Some(0);
        }
        Op::Insert(pivot, value, before) => {
            let at = model.iter().position(|element| element == pivot)?;
            model.insert(at + usize::from(!before), value.clone());
            return Some(model.len());
        }
        Op::Remove(count, value) => {
            let mut hits: Vec<usize> = (0..model.len()).filter(|&i| model[i] == *value).collect();
            if *count < 0 {
                hits.reverse();
            }
            if *count != 0 {
                hits.truncate(count.unsigned_abs() as usize);
            }
            let mut i = 0;
            model.retain(|_| {
                i += 1;
                !hits.contains(&(i - 1))
            });
            return Some(hits.len());
        }
        Op::Trim(start, stop) => {
            let n = model.len() as i64;
            let (start, stop) =
                (if *start < 0 { start + n } else { *start }, if *stop < 0 { stop + n } else { *stop });
            let mut i = -1;
            model.retain(|_| {
                i += 1;
                i >= start && i <= stop
            });
        }
    }
    None
}

fn apply<B: Buffer>(list: &mut List<'_, B>, op: &Op) -> Option<usize> {
    match op {
        Op::Push(true, value) => list.push_front(value),
        Op::Push(false, value) => list.push_back(value),
        Op::Extend(true, values) => list.extend_front(values.iter().map(|value| &value[..])),
        Op::Extend(false, values) => list.extend_back(values.iter().map(|value| &value[..])),
        Op::Pop(true) => return list.pop_front(|element| element.len()),
        Op::Pop(false) => return list.pop_back(|element| element.len()),
        Op::Set(index, value) => return list.set(*index, value).ok().map(|()| 0),
        Op::Insert(pivot, value, before) => {
            return list.insert(pivot, value, if *before { Side::Before } else { Side::After });
        }
        Op::Remove(count, value) => return Some(list.remove(*count, value)),
        Op::Trim(start, stop) => list.trim(*start, *stop),
    }
    None
}

fn assert_same(list: ListRef<'_>, model: &Model) {
    assert_eq!(list.len(), model.len());
    assert!(list.iter().map(|element| element.to_vec()).eq(model.iter().cloned()), "forward");
    let reverse = list.slice_reverse(0, -1);
    assert!(reverse.map(|element| element.to_vec()).eq(model.iter().rev().cloned()), "backward");
    let len = model.len() as i64;
    for index in [0, 1, len / 2, len - 1, len, -1, -len, -len - 1] {
        let expected = if index < 0 { index + len } else { index };
        let expected = usize::try_from(expected).ok().and_then(|index| model.get(index));
        assert_eq!(list.get(index).map(|element| element.to_vec()).as_ref(), expected, "index {index}");
    }
    let (low, high) = (len / 3, len * 2 / 3);
    let expected: Vec<_> = model.range(low as usize..(high + 1).min(len) as usize).cloned().collect();
    assert!(list.slice(low, high).map(|element| element.to_vec()).eq(expected.iter().cloned()));
    assert_eq!(list.slice(low, high).len(), expected.len());
    assert!(list.slice_reverse(low, high).map(|element| element.to_vec()).eq(expected.iter().rev().cloned()));
    if let Some(value) = model.get(model.len() / 2) {
        assert_positions(list, model, value);
    }
}

fn assert_positions(list: ListRef<'_>, model: &Model, value: &[u8]) {
    let all: Vec<usize> = (0..model.len()).filter(|&i| model[i] == value).collect();
    for (rank, count, maxlen) in
        [(1, 0, 0), (2, 1, 0), (1, 2, 3), (-1, 0, 0), (-2, 2, 0), (-1, 1, 4), (i64::MIN, 1, 0)]
    {
        let mut found = Vec::new();
        list.positions(value, rank, count, maxlen, |index| found.push(index));
        let within =
            |i: &&usize| maxlen == 0 || if rank > 0 { **i < maxlen } else { model.len() - **i <= maxlen };
        let mut expected: Vec<usize> = all.iter().filter(within).copied().collect();
        if rank < 0 {
            expected.reverse();
        }
        let expected =
            expected.into_iter().skip(usize::try_from(rank.unsigned_abs() - 1).unwrap_or(usize::MAX));
        let expected: Vec<usize> = expected.take(if count == 0 { usize::MAX } else { count }).collect();
        assert_eq!(found, expected, "{rank} {count} {maxlen}");
    }
}

fn assert_sound(deque: &Deque) {
    let packs = |node: &Node| match node {
        Node::Pack(pack) => {
            let redis = listpack::to_redis(pack.entries(), pack.len());
            assert_eq!(listpack::from_redis(&redis).map(|(_, count)| count), Ok(pack.len()));
            assert!(pack.len() > 0);
            let live = pack.entries().len();
            assert!(
                pack.capacity()
                    <= [256, 4 * live + 16, deque.limit.bytes() / 8].into_iter().max().unwrap_or(0)
            );
        }
        Node::Plain(bytes) => assert!(!bytes.is_empty()),
    };
    deque.nodes.iter().for_each(packs);
    assert_eq!(deque.len, deque.nodes.iter().map(Node::len).sum::<usize>());
    assert_eq!(deque.node_bytes, deque.nodes.iter().map(Node::heap_bytes).sum::<usize>());
    if deque.encoding == ListEncoding::Listpack {
        assert!(deque.nodes.len() <= 1);
        let clone = Deque::from_packed(&deque.to_packed().expect("a listpack is packed"), deque.limit);
        assert!(clone.view().iter().eq(deque.view().iter()));
    }
}

#[test]
fn a_deque_does_what_a_vec_deque_does_under_any_limit() {
    fn property(limit: i8, ops: Vec<Op>) -> bool {
        let mut deque = Deque::new(NodeLimit::new(i64::from(limit % 12)));
        let mut model = Model::new();
        for op in &ops {
            let answer = apply(&mut List::<Vec<u8>>::Deque(&mut deque), op);
            assert_eq!(answer, apply_to_model(&mut model, op), "{op:?}");
            assert_sound(&deque);
            assert_same(deque.view(), &model);
        }
        true
    }
    QuickCheck::new().tests(300).quickcheck(property as fn(i8, Vec<Op>) -> bool);
}

#[test]
fn a_packed_list_does_what_a_vec_deque_does() {
    fn property(ops: Vec<Op>) -> bool {
        let mut list: List<'_, Vec<u8>> = List::Packed(Packed::new(Vec::new()));
        let mut model = Model::new();
        for op in &ops {
            assert_eq!(apply(&mut list, op), apply_to_model(&mut model, op), "{op:?}");
            assert_same(list.view(), &model);
            let ListRef::Packed(bytes) = list.view() else { return false };
            let mut deque = Deque::from_packed(bytes, NodeLimit::new(8));
            deque.settle();
            assert_same(deque.view(), &model);
            assert_eq!(deque.encoding() == ListEncoding::Quicklist, model.len() > 8);
        }
        true
    }
    QuickCheck::new().tests(300).quickcheck(property as fn(Vec<Op>) -> bool);
}

#[test]
fn eight_short_strings_take_sixty_six_bytes_in_the_slot() {
    let mut list = List::Packed(Packed::new(Vec::new()));
    (0..8).for_each(|i| list.push_back(format!("abcde{i}").as_bytes()));
    let List::Packed(packed) = list else { unreachable!() };
    assert_eq!(packed.into_inner().len(), 2 + 8 * (1 + 6 + 1));
}

#[test]
fn the_question_before_an_operation_counts_raw_bytes_and_elements() {
    let bytes = [0, 0];
    let ask = |values: &[&[u8]], limit, max| {
        packed_fits(&bytes, values.iter().copied(), NodeLimit::new(limit), max)
    };
    assert!(ask(&[b"abc"], -2, 7) && !ask(&[b"abc"], -2, 6));
    assert!(ask(&[b"a", b"b"], 2, 100) && !ask(&[b"a", b"b", b"c"], 2, 100));
    assert!(ask(&[&[b'x'; 4089]], -1, 10_000) && !ask(&[&[b'x'; 4090]], -1, 10_000));
}

#[test]
fn the_encoding_turns_as_in_redis() {
    let list = |limit: i64, values: &[&[u8]]| {
        let mut deque = Deque::new(NodeLimit::new(limit));
        values.iter().for_each(|value| deque.push_back(value));
        deque
    };
    let [a, b, c, d] = [b"a", b"b", b"c", b"d"].map(|value| &value[..]);
    let large = [b'x'; 70_000];
    use ListEncoding::{Listpack, Quicklist};

    let mut deque = list(3, &[a, b, c]);
    assert_eq!(deque.encoding(), Listpack);
    deque.push_back(d);
    assert_eq!((deque.encoding(), deque.nodes.len()), (Quicklist, 2));
    deque.pop_back(|_| ());
    deque.pop_back(|_| ());
    assert_eq!(deque.encoding(), Quicklist, "two are more than half of three");
    deque.pop_back(|_| ());
    assert_eq!(deque.encoding(), Listpack);

    let mut deque = list(3, &[a, b, c]);
    assert_eq!((deque.set(0, d), deque.encoding()), (Ok(()), Quicklist), "LSET counts as one more");
    let mut deque = list(3, &[a, a, a, d]);
    assert_eq!((deque.remove(3, a), deque.encoding()), (3, Listpack));
    let mut deque = list(-1, &[&large, a, b]);
    assert!(matches!(deque.nodes[0], Node::Plain(_)));
    deque.pop_back(|_| ());
    deque.pop_back(|_| ());
    assert_eq!(deque.encoding(), Quicklist);
    assert_eq!((deque.set(-1, c), deque.encoding()), (Ok(()), Listpack));
    let mut deque = list(-1, &[a, &large]);
    assert_eq!((deque.remove(1, &large), deque.encoding()), (1, Listpack));
}

#[test]
fn large_elements_are_shared() {
    let mut deque = Deque::new(NodeLimit::default());
    deque.push_back(&[b'x'; 10_000]);
    let shared = deque.view().get(0).map(|element| element.to_shared()).expect("one element");
    let popped = deque.pop_front(|element| element.to_shared()).expect("one element");
    assert_eq!(shared.as_ptr(), popped.as_ptr());
    assert_eq!(deque.node_bytes, 0);
}

#[test]
fn memory_stays_near_the_data() {
    for front in [false, true] {
        let mut deque = Deque::new(NodeLimit::default());
        for i in 0..100_000 {
            let value = format!("element:{i:08}");
            if front { deque.push_front(value.as_bytes()) } else { deque.push_back(value.as_bytes()) }
        }
        assert!(deque.heap_bytes() < 100_000 * 18 * 105 / 100, "{}", deque.heap_bytes());
        // A queue stays as small as it is.
        for i in (0..100_000).filter(|i| i % 997 != 0 && i % 10 == 3) {
            deque.pop_front(|_| ());
            deque.push_back(format!("element:{i:08}").as_bytes());
        }
        deque.trim(50_000, 50_009);
        assert!(deque.heap_bytes() < 2000, "{}", deque.heap_bytes());
    }
}

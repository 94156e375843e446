//! Sets against those of the standard library.

use super::*;
use quickcheck::{Arbitrary, Gen, quickcheck};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

const LIMITS: Limits = Limits { ints: 24, entries: 12, bytes: 8, seed: (1, 2) };

/// Members that are integers of all widths, short texts and long ones.
#[derive(Clone, Debug)]
struct Name(Vec<u8>);

impl Arbitrary for Name {
    fn arbitrary(g: &mut Gen) -> Self {
        let number = i64::arbitrary(g);
        let text = match u8::arbitrary(g) % 16 {
            0..=7 => (number % 16).to_string(),
            8 => (number % 100_000).to_string(),
            9 => (number >> 20).to_string(),
            10 => (if number < 0 { i64::MIN } else { i64::MAX }).to_string(),
            11 => "a text that is not short".to_owned(),
            12 => format!("0{}", number % 4),
            _ => format!("m{}", number % 16),
        };
        Self(text.into_bytes())
    }
}

#[derive(Clone, Debug)]
enum Op {
    Add(Name),
    Remove(Name),
    Pop,
    PopSome(u8),
    SplitOff,
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 12 {
            0..=6 => Op::Add(Name::arbitrary(g)),
            7..=9 => Op::Remove(Name::arbitrary(g)),
            10 => Op::Pop,
            _ if bool::arbitrary(g) => Op::PopSome(u8::arbitrary(g) % 16),
            _ => Op::SplitOff,
        }
    }
}

type Model = BTreeSet<Vec<u8>>;

fn members(set: SetRef<'_>) -> Vec<Vec<u8>> {
    set.iter().map(|member| member.to_vec()).collect()
}

fn same(set: SetRef<'_>, model: &Model) {
    let found = members(set);
    assert_eq!(set.len(), model.len());
    assert_eq!(found.len(), model.len(), "no member comes twice");
    assert_eq!(found.iter().cloned().collect::<Model>(), *model);
    for member in model {
        assert!(set.contains(&Needle::new(member)) && set.contains_element(Element::Bytes(member)));
    }
    assert!(!set.contains(&Needle::new(b"nobody")));
    let mut scanned = Vec::new();
    let mut cursor = 0;
    loop {
        cursor = set.scan(cursor, 3, |member| scanned.push(member.to_vec()));
        if cursor == 0 {
            break;
        }
    }
    scanned.sort();
    assert!(scanned.iter().eq(model.iter()), "a scan visits each member once");
    if let SetRef::Ints(ints) = set {
        assert!(ints.iter().zip(ints.iter().skip(1)).all(|(a, b)| a < b), "integers ascend");
    }
}

fn apply(set: &mut Set, model: &mut Model, op: &Op, random: &mut Random) {
    match op {
        Op::Add(Name(name)) => {
            assert_eq!(set.add(&Needle::new(name), &LIMITS), model.insert(name.clone()));
        }
        Op::Remove(Name(name)) => {
            assert_eq!(set.edit().remove(&Needle::new(name)), model.remove(name));
        }
        Op::Pop => {
            let popped = set.edit().pop(random, |member| member.to_vec());
            assert_eq!(popped.is_some(), !model.is_empty());
            assert!(popped.is_none_or(|member| model.remove(&member)));
        }
        Op::PopSome(count) => {
            let (count, mut taken) = (usize::from(*count), 0);
            let before = model.len();
            set.edit().pop_some(count, random, |member| {
                taken += 1;
                assert!(model.remove(&member.to_vec()), "what is popped was a member");
            });
            assert_eq!(taken, count.min(before));
        }
        Op::SplitOff => {
            let remaining = model.len() / 6;
            let old = set.split_off(remaining, random, &LIMITS);
            assert_eq!(set.view().len(), remaining);
            for member in members(old.view()) {
                assert!(model.remove(&member), "what left was a member");
            }
        }
    }
}

quickcheck! {
    fn a_set_behaves_as_one(seed: u64, ops: Vec<Op>) -> bool {
        let (mut set, mut model, mut random) = (Set::default(), Model::new(), Random::new(seed));
        for op in &ops {
            apply(&mut set, &mut model, op, &mut random);
            same(set.view(), &model);
        }
        true
    }

    fn an_inline_set_takes_what_it_says_it_takes(names: Vec<Name>, more: Vec<Name>) -> bool {
        let mut set = Set::default();
        let mut model = Model::new();
        for Name(name) in &names {
            set.add(&Needle::new(name), &LIMITS);
            model.insert(name.clone());
        }
        let (of_ints, mut bytes) = match set {
            Set::Ints(bytes) => (true, bytes),
            Set::Packed(bytes) => (false, bytes),
            Set::Table(_) => return true,
        };
        let more: Vec<Needle<'_>> = more.iter().map(|Name(name)| Needle::new(name)).take(4).collect();
        let small = if of_ints { Small::Ints(&bytes) } else { Small::Packed(&bytes) };
        if small.takes(&more, &LIMITS, 96) {
            let mut edit = SetMut::inline(of_ints, &mut bytes);
            for needle in &more {
                assert_eq!(edit.add(needle), model.insert(needle.as_bytes().to_vec()));
            }
            same(edit.view(), &model);
            assert!(bytes.len() <= 96 && model.len() <= if of_ints { LIMITS.ints } else { LIMITS.entries });
        }
        true
    }

    fn combinations_are_those_of_the_standard_library(lists: Vec<Vec<Name>>) -> bool {
        let models: Vec<Model> =
            lists.iter().take(5).map(|names| names.iter().map(|Name(name)| name.clone()).collect()).collect();
        let sets: Vec<Set> = models.iter().map(of).collect();
        let views = || sets.iter().map(Set::view).collect::<Vec<_>>();
        let Some((first, others)) = models.split_first() else { return true };

        let all = others.iter().fold(first.clone(), |all, other| &all & other);
        same(algebra::intersection(&mut views(), &LIMITS).view(), &all);
        let mut left = 2;
        let mut some = Vec::new();
        algebra::intersect(&mut views(), |member| {
            some.push(member.to_vec());
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert!(some.len() == all.len().min(2) && some.iter().all(|member| all.contains(member)));

        let any = others.iter().fold(first.clone(), |any, other| &any | other);
        same(algebra::union(views(), &LIMITS).view(), &any);

        let rest = others.iter().fold(first.clone(), |rest, other| &rest - other);
        same(algebra::difference(views()[0], &mut views()[1..], &LIMITS).view(), &rest);
        // The same set among the others leaves nothing.
        let twice = views();
        same(algebra::difference(twice[0], &mut [twice[0]], &LIMITS).view(), &Model::new());
        true
    }

    fn a_sample_has_as_many_different_members_as_it_can(seed: u64, names: Vec<Name>, count: u8) -> bool {
        let model: Model = names.into_iter().map(|Name(name)| name).collect();
        let (set, mut random) = (of(&model), Random::new(seed));
        let mut sample = Vec::new();
        set.view().sample(usize::from(count), &mut random, |member| sample.push(member.to_vec()));
        assert_eq!(sample.len(), model.len().min(usize::from(count)));
        assert!(sample.iter().all(|member| model.contains(member)));
        assert_eq!(sample.iter().collect::<BTreeSet<_>>().len(), sample.len());
        set.view().random(&mut random).map(|member| member.to_vec()).is_some() != model.is_empty()
    }
}

fn of(model: &Model) -> Set {
    let mut set = Set::default();
    for member in model {
        set.add(&Needle::new(member), &LIMITS);
    }
    set
}

/// One set of each form, of `len` members.
fn one_of_each(len: usize) -> Vec<(Set, Limits)> {
    let large = Limits { ints: 4096, entries: 4096, bytes: 64, ..LIMITS };
    let table = Limits { ints: 0, entries: 0, ..LIMITS };
    let mut sets = Vec::new();
    for (prefix, limits) in [("", large), ("m", large), ("m", table)] {
        let mut set = Set::default();
        for number in 0..len {
            set.add(&Needle::new(format!("{prefix}{number}").as_bytes()), &limits);
        }
        sets.push((set, limits));
    }
    let names: Vec<_> = sets.iter().map(|(set, _)| set.encoding()).collect();
    assert_eq!(names, ["intset", "listpack", "hashtable"]);
    sets
}

/// Whether each of `cells` came up about as often as the others: within five standard deviations.
fn even(counts: &BTreeMap<Vec<u8>, u32>, cells: usize, what: &str) {
    let total: u32 = counts.values().sum();
    let mean = f64::from(total) / cells as f64;
    assert_eq!(counts.len(), cells, "{what}: everything comes up");
    for (cell, count) in counts {
        let off = (f64::from(*count) - mean).abs() / mean.sqrt();
        assert!(off < 5.0, "{what}: {} came up {count} times instead of {mean}", cell.escape_ascii());
    }
}

#[test]
fn every_member_is_as_likely_in_every_form() {
    for len in [7, 300, 3000] {
        for (set, _) in one_of_each(len) {
            let (name, view, mut random) = (set.encoding(), set.view(), Random::new(7));
            let (mut single, mut sample, mut repeats) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
            let note = |counts: &mut BTreeMap<_, u32>, member: Element<'_>| {
                *counts.entry(member.to_vec()).or_default() += 1;
            };
            for _ in 0..len * 40 {
                note(&mut single, view.random(&mut random).unwrap());
            }
            for round in 0..80 {
                let count = if round % 2 == 0 { len / 2 } else { len / 4 };
                view.sample(count, &mut random, |member| note(&mut sample, member));
            }
            view.repeats(random.clone()).take(len * 40).for_each(|member| note(&mut repeats, member));
            even(&single, len, &format!("{name} of {len}, one"));
            even(&sample, len, &format!("{name} of {len}, some"));
            even(&repeats, len, &format!("{name} of {len}, repeats"));
        }
    }
}

#[test]
fn every_member_is_as_likely_to_be_popped() {
    let mut random = Random::new(11);
    for (set, limits) in one_of_each(12) {
        let (mut one, mut some, mut most) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let note = |counts: &mut BTreeMap<_, u32>, member: Element<'_>| {
            *counts.entry(member.to_vec()).or_default() += 1;
        };
        for _ in 0..2000 {
            let mut copy = set.clone();
            for _ in 0..3 {
                copy.edit().pop(&mut random, |member| note(&mut one, member));
            }
            copy.edit().pop_some(3, &mut random, |member| note(&mut some, member));
            let mut copy = set.clone();
            copy.split_off(2, &mut random, &limits);
            copy.view().iter().for_each(|member| note(&mut most, member));
        }
        for (counts, what) in [(one, "one"), (some, "some"), (most, "most")] {
            even(&counts, 12, &format!("{}, {what}", set.encoding()));
        }
    }
}

#[test]
fn forms_change_where_redis_changes_them() {
    let limits = Limits { ints: 512, entries: 128, bytes: 64, seed: (1, 2) };
    let mut set = Set::default();
    let add = |set: &mut Set, member: &[u8]| set.add(&Needle::new(member), &limits);
    for number in 0..512 {
        add(&mut set, number.to_string().as_bytes());
    }
    assert_eq!(set.encoding(), "intset");
    let mut too_many = set.clone();
    add(&mut too_many, b"512");
    assert_eq!(too_many.encoding(), "hashtable");
    add(&mut set, b"a text");
    assert_eq!(set.encoding(), "hashtable", "512 integers are too many for a pack");

    let mut set = Set::default();
    for number in [3, 1, 2] {
        add(&mut set, number.to_string().as_bytes());
    }
    add(&mut set, b"x");
    add(&mut set, b"0");
    assert_eq!(set.encoding(), "listpack");
    assert_eq!(members(set.view()), [b"1", b"2", b"3", b"x", b"0"], "integers were sorted once");
    add(&mut set, &[b'l'; 64]);
    assert_eq!(set.encoding(), "listpack");
    add(&mut set, &[b'l'; 65]);
    assert_eq!(set.encoding(), "hashtable");

    let mut set = Set::to_hold(&Needle::new(b"1"), 513, &limits);
    assert_eq!(set.encoding(), "hashtable", "many members are expected");
    add(&mut set, b"1");
    set.settle_on_ints(&limits);
    assert_eq!(set.encoding(), "intset");
}

#[test]
fn the_bytes_of_integers_are_those_of_redis() {
    let limits = Limits { ints: 512, ..LIMITS };
    let mut set = Set::default();
    for (number, bytes) in [
        ("5", &[2, 0, 0, 0, 1, 0, 0, 0, 5, 0][..]),
        ("-3", &[2, 0, 0, 0, 2, 0, 0, 0, 0xFD, 0xFF, 5, 0]),
        ("65536", &[4, 0, 0, 0, 3, 0, 0, 0, 0xFD, 0xFF, 0xFF, 0xFF, 5, 0, 0, 0, 0, 0, 1, 0]),
    ] {
        set.add(&Needle::new(number.as_bytes()), &limits);
        let Set::Ints(found) = &set else { panic!("integers stay integers") };
        assert_eq!(found, bytes);
    }
    set.add(&Needle::new(b"-9223372036854775808"), &limits);
    set.edit().remove(&Needle::new(b"-9223372036854775808"));
    let Set::Ints(found) = &set else { panic!("integers stay integers") };
    assert_eq!((found[0], found.len()), (8, 8 + 3 * 8), "nothing becomes narrower again");
}

#[test]
fn bytes_that_are_no_set_are_read_without_a_panic() {
    for bytes in [&[][..], &[1], &[2, 0, 0, 0, 9, 0, 0, 0, 1], &[9; 40], &[0xFF; 11], &[3, 0, 0xF4]] {
        for set in [SetRef::from(Small::Ints(bytes)), SetRef::from(Small::Packed(bytes))] {
            let _ = (members(set), set.contains(&Needle::new(b"1")), set.contains(&Needle::new(b"x")));
            let _ = set.random(&mut Random::new(1));
        }
    }
}

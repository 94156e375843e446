//! Properties of hashes, in each of their forms.

use super::*;
use crate::value::listpack::Element;
use quickcheck::{Arbitrary, Gen, quickcheck};
use std::collections::BTreeMap;

const RULES: Rules = Rules { entries_max: 20, bytes_max: 64, seed: (3, 4) };

/// Names that meet, of all kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Text(Vec<u8>);

impl Arbitrary for Text {
    fn arbitrary(g: &mut Gen) -> Self {
        let n = u8::arbitrary(g) % 12;
        Text(match u8::arbitrary(g) % 8 {
            0 => vec![b'x'; usize::from(n) * 9],
            1 => i64::arbitrary(g).to_string().into_bytes(),
            2 => format!("0{n}").into_bytes(),
            3..6 => n.to_string().into_bytes(),
            _ => format!("field {n}").into_bytes(),
        })
    }
}

#[derive(Clone, Debug)]
enum Op {
    Set(Text, Text),
    Extend(Vec<(Text, Text)>),
    SetAndKeep(Text, Text),
    SetUntil(Text, Text, u8),
    Deadline(Text, Option<u8>),
    Take(Text),
    /// Time passes, and what is due may be removed.
    Pass(u8, bool),
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 10 {
            0 | 1 => Op::Set(Text::arbitrary(g), Text::arbitrary(g)),
            2 | 3 => Op::Extend(Vec::arbitrary(g)),
            4 => Op::SetAndKeep(Text::arbitrary(g), Text::arbitrary(g)),
            5 => Op::SetUntil(Text::arbitrary(g), Text::arbitrary(g), u8::arbitrary(g)),
            6 => Op::Deadline(Text::arbitrary(g), Option::arbitrary(g)),
            7 => Op::Pass(u8::arbitrary(g) % 64, bool::arbitrary(g)),
            _ => Op::Take(Text::arbitrary(g)),
        }
    }
}

type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>;

/// A hash in either place, with deadlines only where it is a table.
fn run(ops: &[Op], large: bool, table: bool) -> bool {
    let mut buffer = Vec::new();
    let mut hash = Hash::from_packed(&[], RULES);
    if table {
        hash.make_table(RULES);
    }
    let mut model = Model::new();
    let mut called_table = table;
    let mut now_ms = 1000;
    for op in ops {
        model.retain(|_, (_, deadline)| deadline.is_none_or(|deadline| deadline >= now_ms));
        let mut fields =
            if large { Fields::large(&mut hash, RULES, now_ms) } else { Fields::packed(&mut buffer, RULES) };
        let mut set = |model: &mut Model, field: &Text, value: &Text, deadline| {
            called_table |= field.0.len() > RULES.bytes_max || value.0.len() > RULES.bytes_max;
            let new = model.insert(field.0.clone(), (value.0.clone(), deadline)).is_none();
            called_table |= model.len() > RULES.entries_max;
            new
        };
        match op {
            Op::Set(field, value) => {
                let new = set(&mut model, field, value, None);
                assert_eq!(fields.set(&field.0, &value.0), new);
            }
            Op::Extend(pairs) => {
                let added = pairs.iter().filter(|(field, value)| set(&mut model, field, value, None)).count();
                called_table |= pairs.len() > RULES.entries_max;
                let flat: Vec<&[u8]> =
                    pairs.iter().flat_map(|(field, value)| [&field.0[..], &value.0[..]]).collect();
                assert_eq!(fields.extend(&flat), added);
            }
            Op::SetAndKeep(field, value) => {
                let deadline = model.get(&field.0).and_then(|old| old.1);
                let new = set(&mut model, field, value, deadline);
                assert_eq!(fields.set_and_keep(&field.0, &value.0), new);
            }
            Op::SetUntil(field, value, after) => {
                let deadline = table.then(|| now_ms + u64::from(*after));
                let new = set(&mut model, field, value, deadline);
                assert_eq!(fields.set_until(&field.0, &value.0, deadline), new);
            }
            Op::Deadline(field, after) => {
                let deadline = after.filter(|_| table).map(|after| now_ms + u64::from(after));
                let there = model.get_mut(&field.0).map(|entry| entry.1 = deadline).is_some();
                assert_eq!(fields.set_deadline(&field.0, deadline), there);
            }
            Op::Take(field) => {
                let gone = model.remove(&field.0).map(|(value, _)| value);
                assert_eq!(fields.take(&field.0, |value| value.to_vec()), gone);
            }
            Op::Pass(by, remove) => {
                now_ms += u64::from(*by);
                if *remove && large {
                    hash.expire(now_ms, usize::MAX, |_| ());
                    assert!(hash.next_due_ms() >= now_ms);
                }
                continue;
            }
        }
        let view = fields.view();
        if view.visible_len() != model.len() {
            return false;
        }
        for (field, (value, deadline)) in &model {
            assert!(view.get(field).is_some_and(|found| found == value[..]), "{field:?}");
            assert_eq!(view.expires_at_ms(field), Some(*deadline));
        }
        let walked: BTreeMap<Vec<u8>, Vec<u8>> =
            view.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect();
        assert!(walked.iter().eq(model.iter().map(|(field, (value, _))| (field, value))));
        let due_ms = model.values().filter_map(|(_, deadline)| *deadline).min();
        assert!(due_ms.is_none_or(|due_ms| fields.next_due_ms() <= due_ms));
        let encoding = if large { hash.encoding() } else { packed_encoding(&buffer) };
        assert_eq!(encoding, if called_table { "hashtable" } else { "listpack" });
    }
    true
}

/// Numbers that look random.
fn numbers() -> impl FnMut() -> u64 {
    let mut state = 7u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.rotate_left(29)
    }
}

fn table_of(len: u32) -> Hash {
    let mut hash = Hash::from_packed(&[], RULES);
    hash.make_table(RULES);
    let mut fields = Fields::<Vec<u8>>::large(&mut hash, RULES, 0);
    (0..len).for_each(|n| assert!(fields.set(format!("f{n}").as_bytes(), b"v")));
    hash
}

quickcheck! {
    fn a_packed_hash_is_a_map(ops: Vec<Op>) -> bool {
        run(&ops, false, false)
    }

    fn a_large_hash_is_a_map(ops: Vec<Op>) -> bool {
        run(&ops, true, false)
    }

    fn a_table_is_a_map_with_deadlines(ops: Vec<Op>) -> bool {
        run(&ops, true, true)
    }

    fn a_packed_hash_keeps_its_order(pairs: Vec<(Text, Text)>) -> bool {
        let mut buffer = Vec::new();
        let mut order: Vec<Vec<u8>> = Vec::new();
        let mut fields = Fields::packed(&mut buffer, RULES);
        for (field, value) in pairs {
            fields.set(&field.0, &value.0);
            if !order.contains(&field.0) {
                order.push(field.0);
            }
        }
        let kept: Vec<Vec<u8>> = fields.view().iter().map(|(field, _)| field.to_vec()).collect();
        kept == order
    }

    fn a_sample_holds_different_fields(len: u16, count: u16) -> bool {
        let (len, count) = (u32::from(len) % 500, usize::from(count) % 600);
        let hash = table_of(len);
        let mut drawn: Vec<Vec<u8>> =
            hash.view(0).sample(count, numbers()).iter().map(|(field, _)| field.to_vec()).collect();
        drawn.sort();
        drawn.dedup();
        drawn.len() == count.min(len as usize)
    }
}

#[test]
fn draws_reach_every_field_and_never_a_hidden_one() {
    let mut hash = table_of(60);
    let mut fields = Fields::<Vec<u8>>::large(&mut hash, RULES, 0);
    for n in 0..50 {
        assert!(fields.set_deadline(format!("f{n}").as_bytes(), Some(5)));
    }
    let view = hash.view(10);
    let mut seen = BTreeMap::new();
    view.draw(1000, numbers(), |(field, _)| {
        *seen.entry(field.to_vec()).or_insert(0) += 1;
        true
    });
    assert_eq!(seen.len(), 10);
    assert!(seen.keys().all(|field| field[1] == b'5' && field.len() == 3), "{seen:?}");
    assert_eq!(view.sample(100, numbers()).len(), 10);
    assert!(
        (0..100).all(|_| view.random(numbers()).is_some_and(|(field, _)| seen.contains_key(&field.to_vec())))
    );
    assert_eq!(hash.view(5).visible_len(), 60);
}

#[test]
fn expiry_keeps_to_its_budget_and_ends() {
    let mut hash = table_of(20_000);
    let mut fields = Fields::<Vec<u8>>::large(&mut hash, RULES, 0);
    for n in 0..19_999 {
        fields.set_deadline(format!("f{n}").as_bytes(), Some(5));
    }
    let mut steps = 0;
    while hash.next_due_ms() < 10 {
        assert!(hash.expire(10, 1000, |_| ()) <= 2000);
        steps += 1;
        assert!(steps < 100);
    }
    assert!((10..=20).contains(&steps), "{steps}");
    assert_eq!((hash.len(), hash.has_deadlines()), (1, false));
}

#[test]
fn many_fields_are_counted_when_somebody_asks() {
    let rules = Rules { entries_max: usize::MAX, ..RULES };
    let mut buffer = Vec::new();
    let pairs: Vec<Vec<u8>> =
        (0..33_000).flat_map(|n| [format!("f{n}").into_bytes(), b"v".to_vec()]).collect();
    // Setting one after the other would look at all of them each time.
    let mut packed = vec![0x7F];
    for text in &pairs {
        crate::value::listpack::Encoded::new(text)
            .bare_parts()
            .iter()
            .for_each(|part| packed.extend_from_slice(part));
    }
    buffer.extend_from_slice(&packed);
    let mut fields = Fields::packed(&mut buffer, rules);
    assert_eq!(fields.view().len(), 33_000);
    assert!(fields.set(b"one more", b"v"));
    assert_eq!(fields.view().len(), 33_001);
    for n in 0..300 {
        assert!(fields.remove(format!("f{n}").as_bytes()));
    }
    assert_eq!(fields.view().len(), 32_701);
    assert!(matches!(fields.view().get(b"f32999"), Some(Element::Bytes(b"v"))));
}

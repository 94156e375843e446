//! Sorted sets in every form against standard collections, and the invariants of what they are made of.

use super::*;
use quickcheck::{TestResult, quickcheck};
use std::collections::{BTreeMap, BTreeSet};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// Orders floats that are never NaN, and has one zero.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Score(f64);
impl Eq for Score {}
impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.partial_cmp(&other.0).expect("no NaN")
    }
}

#[derive(Default)]
struct Model {
    scores: BTreeMap<Vec<u8>, f64>,
    order: BTreeSet<(Score, Vec<u8>)>,
}

impl Model {
    fn set(&mut self, member: &[u8], score: f64) {
        self.remove(member);
        self.scores.insert(member.to_vec(), score);
        self.order.insert((Score(score), member.to_vec()));
    }

    fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let score = self.scores.remove(member)?;
        self.order.remove(&(Score(score), member.to_vec()));
        Some(score)
    }

    fn add(&mut self, member: &[u8], score: f64, rule: Rule) -> Add {
        let result = rule.decide(self.scores.get(member).copied(), score);
        if let Add::Added(score) | Add::Updated(score) = result {
            self.set(member, score);
        }
        result
    }

    fn pairs(&self) -> Vec<(Vec<u8>, f64)> {
        self.order.iter().map(|(score, member)| (member.clone(), score.0)).collect()
    }
}

const SEED: Seed = (3, 7);

const ALWAYS_PACKED: Limit = Limit { entries_max: 60_000, member_bytes_max: 1 << 20 };
const NEVER_PACKED: Limit = Limit { entries_max: 0, member_bytes_max: 0 };
const REDIS: Limit = Limit { entries_max: 128, member_bytes_max: 64 };

fn new(limit: Limit) -> ZSet {
    if limit == NEVER_PACKED { ZSet::large(SEED) } else { ZSet::from_packed(Vec::new()) }
}

fn as_mut(set: &mut ZSet) -> ZSetMut<'_, Vec<u8>> {
    ZSetMut::Object(set)
}

fn pairs(set: &ZSet) -> Vec<(Vec<u8>, f64)> {
    set.view().iter().map(|(member, score)| (member.to_vec(), score)).collect()
}

/// A member out of `many`; some are numbers, some long.
fn member(random: &mut Random, many: u64) -> Vec<u8> {
    let n = random.below(many);
    match n % 16 {
        0 => n.to_string().into_bytes(),
        1 => format!("{n:0>70}").into_bytes(),
        2 if n.is_multiple_of(5) => format!("{n:0>1200}").into_bytes(),
        3 => n.to_le_bytes()[..3].to_vec(),
        _ => format!("member:{n:06}").into_bytes(),
    }
}

fn score(random: &mut Random, spread: u64) -> f64 {
    match random.below(12) {
        0 => random.below(spread) as f64 / 8.0,
        1 => -(random.below(spread) as f64),
        2 => [0.1, 1e20, -2.5e-9, f64::INFINITY, f64::NEG_INFINITY, 0.0][random.below(6) as usize],
        _ => random.below(spread) as f64,
    }
}

fn rule(random: &mut Random) -> Rule {
    match random.below(12) {
        0 => Rule { nx: true, ..Rule::default() },
        1 => Rule { xx: true, ..Rule::default() },
        2 => Rule { gt: true, ..Rule::default() },
        3 => Rule { lt: true, ..Rule::default() },
        4 | 5 => Rule { incr: true, ..Rule::default() },
        6 => Rule { incr: true, gt: true, xx: true, ..Rule::default() },
        _ => Rule::default(),
    }
}

/// Runs a long life of a set in step with the model.
fn live(limit: Limit, seed: u64, ops: usize, many: u64, spread: u64) {
    let mut random = Random(seed);
    let (mut set, mut model) = (new(limit), Model::default());
    // It grows, shrinks and grows again, so that every node splits and merges.
    let mut growing = true;
    for n in 0..ops {
        if n % (ops / 5 + 1) == 0 {
            growing = random.below(3) > 0;
        }
        if random.below(10) < if growing { 8 } else { 3 } {
            let (member, score, rule) =
                (member(&mut random, many), score(&mut random, spread), rule(&mut random));
            let expected = model.add(&member, score, rule);
            assert_eq!(set.add(&member, score, rule, limit, SEED), expected);
        } else if random.below(60) == 0 {
            let start = random.below(model.scores.len() as u64 + 2) as usize;
            let end = start + random.below(80) as usize;
            let gone: Vec<_> =
                model.pairs().into_iter().skip(start).take(end - start).map(|(member, _)| member).collect();
            gone.iter().for_each(|member| {
                model.remove(member);
            });
            assert_eq!(as_mut(&mut set).remove_range(start..end), gone.len());
        } else {
            let member = match model.order.iter().nth(random.below(40) as usize) {
                Some((_, member)) if random.below(2) == 0 => member.clone(),
                _ => member(&mut random, many),
            };
            assert_eq!(as_mut(&mut set).remove(&member), model.remove(&member));
        }
        if n % (ops / 40 + 1) == 0 || n + 1 == ops {
            set.check();
            compare(&set, &model, &mut random, many, spread);
        }
    }
    let copy = set.clone();
    copy.check();
    assert_eq!(pairs(&copy), model.pairs());
    let len = set.view().len();
    assert_eq!(as_mut(&mut set).remove_range(0..len), len);
    set.check();
    assert!(set.view().is_empty());
    // What is empty may be filled again.
    assert_eq!(as_mut(&mut set).remove(b"a"), None);
    assert_eq!(set.add(b"a", 1.0, Rule::default(), limit, SEED), Add::Added(1.0));
    assert_eq!(pairs(&set), [(b"a".to_vec(), 1.0)]);
    set.check();
}

fn compare(set: &ZSet, model: &Model, random: &mut Random, many: u64, spread: u64) {
    let (view, all) = (set.view(), model.pairs());
    assert_eq!(view.len(), all.len());
    assert_eq!(pairs(set), all);
    for _ in 0..10 {
        let start = random.below(all.len() as u64 + 3) as usize;
        let end = random.below(all.len() as u64 + 3) as usize;
        let expected: Vec<_> = all.iter().take(end).skip(start).cloned().collect();
        let got: Vec<_> = view.range(start..end).map(|(member, score)| (member.to_vec(), score)).collect();
        assert_eq!(got, expected);
        assert_eq!(view.range(start..end).len(), expected.len());
        let back: Vec<_> =
            view.range_reverse(start..end).map(|(member, score)| (member.to_vec(), score)).collect();
        assert!(back.iter().rev().eq(&expected));
        assert_eq!(view.get(start).map(|(member, score)| (member.to_vec(), score)), all.get(start).cloned());

        let wanted = member(random, many);
        assert_eq!(view.score(&wanted), model.scores.get(&wanted).copied());
        let rank = all.iter().position(|(member, _)| *member == wanted);
        assert_eq!(view.rank(&wanted).map(|(rank, _)| rank), rank);

        let bound = |score, n| match n {
            0 => Bound::Unbounded,
            1 => Bound::Excluded(score),
            _ => Bound::Included(score),
        };
        let range =
            (bound(score(random, spread), random.below(3)), bound(score(random, spread), random.below(3)));
        let inside: Vec<_> =
            all.iter().filter(|(_, score)| std::ops::RangeBounds::contains(&range, score)).cloned().collect();
        let got: Vec<_> =
            view.range(view.score_range(range)).map(|(member, score)| (member.to_vec(), score)).collect();
        assert_eq!(got, inside, "{range:?}");
    }
    let mut seen = BTreeMap::new();
    let mut position = 0;
    loop {
        let next = view.scan(position, 1 + random.below(20) as usize, |member, score| {
            assert_eq!(seen.insert(member.to_vec(), score), None, "visited twice");
        });
        match next {
            Some(next) => position = next,
            None => break,
        }
    }
    assert_eq!(seen, model.scores);
}

#[test]
fn every_form_is_a_map_and_an_order() {
    for seed in 0..3 {
        live(ALWAYS_PACKED, seed, 600, 150, 40);
        live(NEVER_PACKED, seed, 600, 150, 40);
        live(REDIS, seed, 900, 300, 40);
        live(NEVER_PACKED, seed + 100, 10_000, 5_000, 1 << (2 * seed));
    }
    // All scores the same: the members alone are the order.
    live(NEVER_PACKED, 42, 8_000, 5_000, 1);
    // Nearly all different, and three levels.
    live(NEVER_PACKED, 43, 40_000, 1 << 40, 1 << 40);
}

quickcheck! {
    fn whatever_the_life_every_form_agrees(seed: u64, many: u16, spread: u8) -> bool {
        for limit in [ALWAYS_PACKED, NEVER_PACKED, REDIS] {
            live(limit, seed, 200, u64::from(many) + 1, u64::from(spread) + 1);
        }
        true
    }

    fn a_set_made_of_sorted_pairs_is_the_set(members: BTreeSet<Vec<u8>>, scores: Vec<i8>) -> bool {
        let mut model = Model::default();
        for (at, member) in members.iter().enumerate() {
            model.set(member, scores.get(at).map_or(0.5, |score| f64::from(*score)));
        }
        let all = model.pairs();
        [ALWAYS_PACKED, NEVER_PACKED, REDIS].into_iter().all(|limit| {
            let sorted = all.iter().map(|(member, score)| (member.as_slice(), *score));
            let set = ZSet::from_sorted(sorted, limit, SEED);
            set.check();
            let long = all.iter().map(|(member, _)| member.len()).max().unwrap_or(0);
            pairs(&set) == all
                && (set.encoding() == "listpack") == (all.len() <= limit.entries_max && long <= limit.member_bytes_max)
        })
    }

    fn lex_ranges_are_those_of_a_set_of_members(
        members: BTreeSet<Vec<u8>>, min: Vec<u8>, max: Vec<u8>, kinds: (u8, u8)
    ) -> TestResult {
        let bound = |kind, bytes| match kind % 8 {
            0 => LexBound::Lowest,
            1 => LexBound::Highest,
            2..5 => LexBound::Included(bytes),
            _ => LexBound::Excluded(bytes),
        };
        // Members that are near each other.
        let short = |bytes: &[u8]| bytes.iter().take(2).map(|byte| byte % 4).collect::<Vec<u8>>();
        let members: BTreeSet<Vec<u8>> = members.iter().map(|member| short(member)).collect();
        let (min, max) = (short(&min), short(&max));
        let range = LexRange { min: bound(kinds.0, &min), max: bound(kinds.1, &max) };
        let expected: Vec<_> = members
            .iter()
            .filter(|member| !range.is_empty() && range.reached_by(member) && range.reaches(member))
            .cloned()
            .collect();
        for limit in [ALWAYS_PACKED, NEVER_PACKED] {
            let set = ZSet::from_sorted(members.iter().map(|member| (member.as_slice(), 5.0)), limit, SEED);
            for reverse in [false, true] {
                let got: Vec<_> = set
                    .view()
                    .range(set.view().lex_range(&range, reverse))
                    .map(|(member, _)| member.to_vec())
                    .collect();
                if got != expected {
                    return TestResult::error(format!("{range:?}: {got:?}, not {expected:?}"));
                }
            }
        }
        TestResult::passed()
    }
}

#[test]
fn a_scan_returns_what_is_there_throughout_whatever_comes_and_goes() {
    let mut set = ZSet::large(SEED);
    let add = |set: &mut ZSet, n: u64| {
        set.add(format!("m{n}").as_bytes(), n as f64, Rule::default(), NEVER_PACKED, SEED);
    };
    (0..3000).for_each(|n| add(&mut set, n));
    let mut random = Random(5);
    let (mut position, mut seen, mut coming) = (0, BTreeMap::new(), 10_000);
    loop {
        let next = set.view().scan(position, 10, |member, _| *seen.entry(member.to_vec()).or_insert(0) += 1);
        // What is odd comes and goes, what is even stays; segments split and merge meanwhile.
        for _ in 0..20 {
            let n = random.below(1500) * 2 + 1;
            as_mut(&mut set).remove(format!("m{n}").as_bytes());
            if random.below(3) > 0 {
                add(&mut set, coming);
                coming += 1;
            }
        }
        match next {
            Some(next) => position = next,
            None => break,
        }
    }
    for n in (0..3000).step_by(2) {
        assert_eq!(seen.get(format!("m{n}").as_bytes()), Some(&1), "m{n}");
    }
}

#[test]
fn members_that_come_in_order_leave_full_leaves() {
    for descending in [false, true] {
        let mut set = Large::new(SEED);
        for n in 0..10_000 {
            let n = if descending { 10_000 - n } else { n };
            set.add(format!("{n}").as_bytes(), f64::from(n), Rule::default());
        }
        set.check();
        assert!(set.fill() > 0.85, "{}", set.fill());
    }
}

#[test]
fn the_account_of_bytes_is_near_what_the_parts_need() {
    let mut set = Large::new(SEED);
    let mut random = Random(9);
    for n in 0..100_000 {
        set.add(format!("member:{n:06}").as_bytes(), random.below(1 << 30) as f64, Rule::default());
    }
    let each = set.heap_bytes() as f64 / 100_000.0;
    assert!((45.0..65.0).contains(&each), "{each} bytes a member");
    set.remove_range(10..100_000);
    set.check();
    // Each on a page of its own, at worst.
    assert!(set.heap_bytes() < 100_000, "{} bytes for ten members", set.heap_bytes());
}

#[test]
fn what_outgrows_redis_limits_becomes_a_skiplist_and_stays_one() {
    let limit = Limit { entries_max: 3, member_bytes_max: 5 };
    let mut set = ZSet::from_packed(Vec::new());
    for (member, encoding) in [("a", "listpack"), ("b", "listpack"), ("c", "listpack"), ("d", "skiplist")] {
        set.add(member.as_bytes(), 1.0, Rule::default(), limit, SEED);
        assert_eq!(set.encoding(), encoding);
    }
    as_mut(&mut set).remove_range(0..3);
    assert_eq!(set.encoding(), "skiplist");
    // A score changes nothing, a longer member does.
    let mut set = ZSet::from_packed(Vec::new());
    set.add(b"long!", 1.0, Rule::default(), limit, SEED);
    set.add(b"long!", 2.5, Rule::default(), Limit { entries_max: 0, member_bytes_max: 0 }, SEED);
    assert_eq!(set.encoding(), "listpack");
    set.add(b"longer", 2.5, Rule { xx: true, ..Rule::default() }, limit, SEED);
    assert_eq!(set.encoding(), "listpack");
    set.add(b"longer", 2.5, Rule::default(), limit, SEED);
    assert_eq!(set.encoding(), "skiplist");
    // Nor does the number of pairs of a command, as long as it is no more than a listpack may have.
    let mut set = ZSet::from_packed(Vec::new());
    set.expect(3, limit, SEED);
    assert_eq!(set.encoding(), "listpack");
    set.expect(4, limit, SEED);
    assert_eq!(set.encoding(), "skiplist");
}

#[test]
fn a_listpack_that_is_too_long_to_walk_is_a_tree_and_still_called_one() {
    let mut set = ZSet::from_packed(Vec::new());
    for n in 0..20_000 {
        set.add(format!("m{n}").as_bytes(), -0.0, Rule::default(), ALWAYS_PACKED, SEED);
    }
    set.check();
    assert!(set.packed().is_none());
    assert_eq!(set.encoding(), "listpack");
    assert!(set.view().iter().all(|(_, score)| score.is_sign_positive()), "a listpack has one zero");
    set.add(b"x", -0.0, Rule::default(), REDIS, SEED);
    assert_eq!(set.encoding(), "skiplist");
}

#[test]
fn packed_bytes_are_those_of_a_real_server() {
    // DUMP of ZADD z 1 a 2.5 b -3 100 1e20 c inf dd in Valkey 9, without header and end.
    let mut set = ZSet::from_packed(Vec::new());
    for (member, score) in [("a", 1.0), ("b", 2.5), ("100", -3.0), ("c", 1e20), ("dd", f64::INFINITY)] {
        set.add(member.as_bytes(), score, Rule::default(), REDIS, SEED);
    }
    let bytes = set.packed().expect("packed");
    let entries: String = bytes[2..].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(bytes[..2], [5, 0]);
    assert_eq!(entries, GOLDEN);
}

/// DUMP's payload between the listpack's header and its end.
const GOLDEN: &str = "6401dffd02816102010181620283322e35048163028531652b3230068264640383696e6604";

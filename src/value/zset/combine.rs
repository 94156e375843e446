//! Members and scores on their way from several sets into one: what ZUNION, ZINTER and ZDIFF work with.
//!
//! Sets are gone through one after another, as no two of them can be looked at at once; here is what is known so far.

use hashbrown::HashTable;
use std::hash::{BuildHasher, RandomState};

/// What becomes of the scores of a member that several sets have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregate {
    /// They are added up; opposite infinities are 0.
    #[default]
    Sum,
    /// The lowest one.
    Min,
    /// The greatest one.
    Max,
}

impl Aggregate {
    /// The score that two scores make. O(1).
    #[must_use]
    pub fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Sum => not_nan(a + b),
            // Comparisons with NaN, which a weight of 0 makes of infinity, do not hold.
            Self::Min => {
                if b < a {
                    b
                } else {
                    a
                }
            }
            Self::Max => {
                if b > a {
                    b
                } else {
                    a
                }
            }
        }
    }
}

/// Zero for what is no number: what Redis makes of infinity times 0, and of opposite infinities.
#[must_use]
pub fn not_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// Members with scores, each member once.
#[derive(Debug, Default)]
pub struct Combined {
    /// All members, one behind the other.
    bytes: Vec<u8>,
    pairs: Vec<Pair>,
    /// Numbers of pairs by their members' hashes.
    table: HashTable<u32>,
    hasher: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    at: usize,
    len: u32,
    score: f64,
}

impl Pair {
    fn member(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.at..self.at + self.len as usize]
    }
}

impl Combined {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many members there are. O(1).
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are none. O(1).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Adds a member that is not there. O(bytes).
    pub fn push(&mut self, member: &[u8], score: f64) {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(member);
        self.pairs.push(Pair { at, len: member.len() as u32, score });
    }

    /// Adds a member, or its score to the one that it has. (Those that were only pushed are not found.) O(bytes).
    pub fn merge(&mut self, member: &[u8], score: f64, aggregate: Aggregate) {
        let hash = self.hasher.hash_one(member);
        let (pairs, bytes) = (&self.pairs, &self.bytes);
        let found = self.table.find(hash, |&at| pairs[at as usize].member(bytes) == member);
        if let Some(&at) = found {
            let pair = &mut self.pairs[at as usize];
            pair.score = aggregate.of(pair.score, score);
            return;
        }
        let rehash = |&at: &u32| self.hasher.hash_one(self.pairs[at as usize].member(&self.bytes));
        self.table.insert_unique(hash, self.pairs.len() as u32, rehash);
        self.push(member, score);
    }

    /// Lets `f` give every member another score, or take it out. Merging is over with this. O(n).
    pub fn retain(&mut self, mut f: impl FnMut(&[u8], f64) -> Option<f64>) {
        let bytes = &self.bytes;
        self.pairs.retain_mut(|pair| match f(pair.member(bytes), pair.score) {
            Some(score) => {
                pair.score = score;
                true
            }
            None => false,
        });
    }

    /// The members in the order of a sorted set. O(n log n).
    #[must_use]
    pub fn into_sorted(mut self) -> Sorted {
        let bytes = &self.bytes;
        self.pairs.sort_unstable_by(|a, b| {
            let by_score = a.score.partial_cmp(&b.score).unwrap_or(std::cmp::Ordering::Equal);
            by_score.then_with(|| a.member(bytes).cmp(b.member(bytes)))
        });
        Sorted { bytes: self.bytes, pairs: self.pairs }
    }

    /// The members in the order in which they came, which is that of the set that they are from. O(1).
    #[must_use]
    pub fn into_sequence(self) -> Sorted {
        Sorted { bytes: self.bytes, pairs: self.pairs }
    }
}

/// Members with scores, in order.
#[derive(Debug)]
pub struct Sorted {
    bytes: Vec<u8>,
    pairs: Vec<Pair>,
}

impl Sorted {
    /// The members and their scores. O(1) each.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], f64)> + Clone {
        self.pairs.iter().map(|pair| (pair.member(&self.bytes), pair.score))
    }

    /// Whether there are none. O(1).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;
    use std::collections::BTreeMap;

    quickcheck! {
        fn merged_members_are_a_map_in_order(pairs: Vec<(u8, i16)>) -> bool {
            let (mut combined, mut model) = (Combined::new(), BTreeMap::new());
            for &(member, score) in &pairs {
                let member = vec![member % 16; usize::from(member % 3)];
                combined.merge(&member, f64::from(score), Aggregate::Sum);
                *model.entry(member).or_insert(0.0) += f64::from(score);
            }
            combined.retain(|_, score| (score as i64 % 3 != 0).then_some(score * 2.0));
            let mut expected: Vec<_> =
                model.into_iter().filter(|(_, score)| *score as i64 % 3 != 0).map(|(m, s)| (s * 2.0, m)).collect();
            expected.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
            let sorted = combined.into_sorted();
            sorted.iter().map(|(member, score)| (score, member.to_vec())).eq(expected)
        }
    }

    #[test]
    fn infinities_make_no_nan() {
        let inf = f64::INFINITY;
        assert_eq!(Aggregate::Sum.of(inf, -inf), 0.0);
        assert_eq!(Aggregate::Sum.of(1.0, f64::NAN), 0.0);
        assert_eq!(Aggregate::Min.of(1.0, f64::NAN), 1.0);
        assert_eq!(Aggregate::Max.of(1.0, f64::NAN), 1.0);
        assert_eq!(Aggregate::Min.of(1.0, -inf), -inf);
        assert_eq!(Aggregate::Max.of(1.0, inf), inf);
    }
}

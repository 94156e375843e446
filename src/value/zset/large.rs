//! The large sorted set: members in slots, a table that finds them, a tree that orders them.

use super::members::{Member, Members};
use super::tree::{Item, Tree, Walk};
use super::{Add, Rule};
use crate::value::dict::Seed;
use crate::value::table::{Table, skew};
use siphasher::sip::SipHasher13;
use std::cmp::Ordering;
use std::ops::Range;

/// A sorted set of any size. Everything but ranges is O(log n) or better.
///
/// **Invariant:** members, index and tree hold the same members, and members and tree the same scores.
#[derive(Clone, Debug)]
pub struct Large {
    members: Members,
    index: Table<Member>,
    tree: Tree,
    /// Keyed, so that nobody can choose members that collide.
    hasher: SipHasher13,
}

impl Large {
    /// An empty set; `seed` keys its hash.
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            members: Members::default(),
            index: Table::new(),
            tree: Tree::new(),
            hasher: SipHasher13::new_with_keys(seed.0, seed.1),
        }
    }

    /// A set of pairs that are in order, each member once. O(n).
    pub(super) fn from_sorted<'m>(pairs: impl ExactSizeIterator<Item = (&'m [u8], f64)>, seed: Seed) -> Self {
        let mut set = Self::new(seed);
        let (members, index, hasher) = (&mut set.members, &mut set.index, &set.hasher);
        set.tree = Tree::from_sorted(pairs.map(|(bytes, score)| {
            let member = members.add(bytes, score);
            index.insert(hash_of(hasher, bytes), member);
            Item { score, member }
        }));
        set
    }

    pub(super) fn len(&self) -> usize {
        self.tree.len()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.members.heap_bytes() + self.index.heap_bytes() + self.tree.heap_bytes()
    }

    fn find(&self, bytes: &[u8]) -> (u32, Option<Member>) {
        let hash = hash_of(&self.hasher, bytes);
        (hash, self.index.find(hash, |member| self.members.bytes(member) == bytes))
    }

    pub(super) fn score(&self, bytes: &[u8]) -> Option<f64> {
        self.find(bytes).1.map(|member| self.members.score(member))
    }

    pub(super) fn rank(&self, bytes: &[u8]) -> Option<(usize, f64)> {
        let member = self.find(bytes).1?;
        let score = self.members.score(member);
        let mut cmp = order(&self.members, score, bytes, Some(member));
        Some((self.tree.partition(|item| cmp(item).is_lt()), score))
    }

    pub(super) fn add(&mut self, bytes: &[u8], score: f64, rule: Rule) -> Add {
        let (hash, found) = self.find(bytes);
        let old = found.map(|member| self.members.score(member));
        let result = rule.decide(old, score);
        match (result, found, old) {
            (Add::Added(score), None, _) => {
                let member = self.members.add(bytes, score);
                self.index.insert(hash, member);
                self.tree.insert(Item { score, member }, order(&self.members, score, bytes, None));
            }
            (Add::Updated(score), Some(member), Some(old)) => {
                let Self { members, tree, .. } = self;
                let keeps_place = |before, behind| {
                    let mut here = order(members, score, bytes, None);
                    here(before).is_lt() && here(behind).is_gt()
                };
                if !tree.rescore(score, order(members, old, bytes, Some(member)), keeps_place) {
                    tree.remove(order(members, old, bytes, Some(member)));
                    tree.insert(Item { score, member }, order(members, score, bytes, None));
                }
                members.set_score(member, score);
            }
            _ => {}
        }
        result
    }

    pub(super) fn remove(&mut self, bytes: &[u8]) -> Option<f64> {
        let (hash, found) = self.find(bytes);
        let member = found?;
        let score = self.members.score(member);
        self.tree.remove(order(&self.members, score, bytes, Some(member)));
        self.index.remove(hash, member);
        self.members.remove(member);
        Some(score)
    }

    pub(super) fn remove_range(&mut self, range: Range<usize>) {
        for _ in range.clone() {
            let Item { member, .. } = self.tree.remove_at(range.start);
            self.index.remove(hash_of(&self.hasher, self.members.bytes(member)), member);
            self.members.remove(member);
        }
    }

    pub(super) fn partition(&self, mut before: impl FnMut(&[u8], f64) -> bool) -> usize {
        self.tree.partition(|Item { score, member }| before(self.members.bytes(member), score))
    }

    /// [`partition`](Self::partition) by score alone, which looks at no member.
    pub(super) fn partition_by_score(&self, mut before: impl FnMut(f64) -> bool) -> usize {
        self.tree.partition(|item| before(item.score))
    }

    pub(super) fn pairs<const REVERSE: bool>(&self, range: Range<usize>) -> LargePairs<'_, REVERSE> {
        LargePairs { members: &self.members, items: self.tree.walk(range) }
    }

    pub(super) fn get(&self, rank: usize) -> Option<(&[u8], f64)> {
        let Item { score, member } = self.tree.get(rank)?;
        Some((self.members.bytes(member), score))
    }

    pub(super) fn scan(&self, position: u32, want: usize, mut visit: impl FnMut(&[u8], f64)) -> Option<u32> {
        self.index.scan(position, want, |slot| {
            let member = slot.handle;
            visit(self.members.bytes(member), self.members.score(member));
        })
    }
}

fn hash_of(hasher: &SipHasher13, bytes: &[u8]) -> u32 {
    skew(hasher.hash(bytes) as u32)
}

/// How items stand to a pair: by score, then by member. The item that is known to be the pair needs no look.
fn order(
    members: &Members,
    score: f64,
    bytes: &[u8],
    itself: Option<Member>,
) -> impl FnMut(Item) -> Ordering {
    move |item| {
        let other = item.score;
        let by_score = other.partial_cmp(&score).unwrap_or(Ordering::Equal);
        by_score.then_with(|| match itself {
            Some(member) if member == item.member => Ordering::Equal,
            _ => members.bytes(item.member).cmp(bytes),
        })
    }
}

/// Some consecutive pairs.
#[derive(Clone, Debug)]
pub(super) struct LargePairs<'a, const REVERSE: bool> {
    members: &'a Members,
    items: Walk<'a, REVERSE>,
}

impl<'a, const REVERSE: bool> Iterator for LargePairs<'a, REVERSE> {
    type Item = (&'a [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let Item { score, member } = self.items.next()?;
        Some((self.members.bytes(member), score))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

impl<const REVERSE: bool> ExactSizeIterator for LargePairs<'_, REVERSE> {}

#[cfg(test)]
impl Large {
    pub(super) fn fill(&self) -> f64 {
        self.tree.fill()
    }

    pub(super) fn check(&self) {
        self.tree.check();
        assert_eq!(self.index.len(), self.len());
        let mut last: Option<(&[u8], f64)> = None;
        for item in self.tree.walk::<false>(0..self.len()) {
            let bytes = self.members.bytes(item.member);
            let score = item.score;
            assert_eq!(self.members.score(item.member), score);
            assert_eq!(self.find(bytes).1, Some(item.member));
            assert!(last.is_none_or(|(other, less)| less < score || (less == score && other < bytes)));
            last = Some((bytes, score));
        }
    }
}

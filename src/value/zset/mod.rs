//! Sorted sets: members in the order of their scores, and of equal scores in their own.
//!
//! A small set is [`Packed`]: one run of bytes, in the entry of its key or, where that is too short for it, in a
//! [`ZSet`]. Beyond Redis' limits a [`ZSet`] is [`Large`]: members in slots, a table that finds them by hash, and
//! a B+tree for the order. Reading goes through [`ZSetRef`], the same for all; ranges are ranks there, whatever they were
//! asked by: [`ZSetRef::score_range`] and [`ZSetRef::lex_range`] find the ranks.
//!
//! Scores are never NaN. A negative zero is a zero wherever scores are compared, and stays one only in a large set.

mod combine;
mod large;
mod members;
mod packed;
mod span;
#[cfg(test)]
mod tests;
mod tree;

pub use combine::{Aggregate, Combined, Sorted, not_nan};
pub use large::Large;
pub use packed::{Full, Packed, bytes_max};
pub use span::{Ends, Span};

use super::dict::Seed;
use super::listpack::{Buffer, Element, IntBuffer};
use large::LargePairs;
use packed::{PackedRef, Pairs};
use std::ops::{Bound, Range};

/// How many members the packed form may have and how long they may be: `zset-max-listpack-entries` and `-value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Members.
    pub entries_max: usize,
    /// Bytes of the longest member.
    pub member_bytes_max: usize,
}

impl Limit {
    /// Whether `count` members of which the longest has `longest` bytes are within it. O(1).
    #[must_use]
    pub fn holds(self, count: usize, longest: usize) -> bool {
        count <= self.entries_max && longest <= self.member_bytes_max
    }
}

/// What ZADD may do: its options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Only add, change no score.
    pub nx: bool,
    /// Only change scores, add nothing.
    pub xx: bool,
    /// Change a score only to a greater one.
    pub gt: bool,
    /// Change a score only to a lower one.
    pub lt: bool,
    /// The score is to be added to the one that there is, or to 0.
    pub incr: bool,
}

/// What became of a pair that was to be added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Add {
    /// The rule did not allow it.
    Refused,
    /// The member is new; its score.
    Added(f64),
    /// The member has another score now.
    Updated(f64),
    /// The member has the score already.
    Same(f64),
    /// The sum would be no number, and nothing has changed.
    NotANumber,
}

impl Rule {
    /// What to do with a member whose score is `old`, where there is one. O(1).
    fn decide(self, old: Option<f64>, score: f64) -> Add {
        let Some(old) = old else { return if self.xx { Add::Refused } else { Add::Added(score) } };
        if self.nx {
            return Add::Refused;
        }
        let score = if self.incr { old + score } else { score };
        if score.is_nan() {
            Add::NotANumber
        } else if (self.lt && score >= old) || (self.gt && score <= old) {
            Add::Refused
        } else if score == old {
            Add::Same(score)
        } else {
            Add::Updated(score)
        }
    }
}

/// The scores from one bound to another.
pub type ScoreRange = (Bound<f64>, Bound<f64>);

/// An end of a range of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// In front of every member.
    Lowest,
    /// This member, which is within.
    Included(&'a [u8]),
    /// This member, which is not.
    Excluded(&'a [u8]),
    /// Behind every member.
    Highest,
}

/// The members from one bound to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LexRange<'a> {
    /// Where it begins.
    pub min: LexBound<'a>,
    /// Where it ends.
    pub max: LexBound<'a>,
}

impl LexRange<'_> {
    /// Whether no member can be in it. O(bytes).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        use LexBound::{Excluded, Highest, Included, Lowest};
        match (self.min, self.max) {
            (Highest, _) | (_, Lowest) => true,
            (Lowest, _) | (_, Highest) => false,
            (Included(min), Included(max)) => min > max,
            (Included(min) | Excluded(min), Included(max) | Excluded(max)) => min >= max,
        }
    }

    /// Whether a member is not in front of it.
    fn reached_by(&self, member: &[u8]) -> bool {
        match self.min {
            LexBound::Lowest => true,
            LexBound::Included(min) => member >= min,
            LexBound::Excluded(min) => member > min,
            LexBound::Highest => false,
        }
    }

    /// Whether a member is not behind it.
    fn reaches(&self, member: &[u8]) -> bool {
        match self.max {
            LexBound::Lowest => false,
            LexBound::Included(max) => member <= max,
            LexBound::Excluded(max) => member < max,
            LexBound::Highest => true,
        }
    }
}

/// A sorted set that does not stand in its entry.
#[derive(Clone, Debug)]
pub struct ZSet {
    form: Form,
    /// Whether it is within the limits of Redis' listpack, whatever it is here.
    listpack: bool,
    /// Whether all members were taken out at once. They are still there, for whoever drops the set, and nobody sees
    /// them: so emptying a set of millions takes no longer than any other.
    cleared: bool,
}

#[derive(Clone, Debug)]
enum Form {
    Packed(Vec<u8>),
    Large(Box<Large>),
}

/// Beyond so many bytes a set is large though Redis' limits, which can be set, would let it be packed: walking it takes
/// too long.
const PACKED_BYTES_MAX: usize = 32 * 1024;

impl ZSet {
    /// An empty set that Redis would not call a listpack. `seed` keys its hash. O(1).
    #[must_use]
    pub fn large(seed: Seed) -> Self {
        Self { form: Form::Large(Box::new(Large::new(seed))), listpack: false, cleared: false }
    }

    /// A set in the bytes that [`Packed`] keeps; none are an empty one. O(1).
    #[must_use]
    pub fn from_packed(bytes: Vec<u8>) -> Self {
        Self { form: Form::Packed(Packed::new(bytes).into_inner()), listpack: true, cleared: false }
    }

    /// A set of pairs that are in order by score and member, each member once, in the form that Redis' limit says.
    /// O(n).
    #[must_use]
    pub fn from_sorted<'m>(
        pairs: impl ExactSizeIterator<Item = (&'m [u8], f64)> + Clone,
        limit: Limit,
        seed: Seed,
    ) -> Self {
        let longest = pairs.clone().map(|(member, _)| member.len()).max().unwrap_or(0);
        let listpack = limit.holds(pairs.len(), longest);
        if listpack
            && bytes_max(pairs.clone().map(|(member, _)| member)) <= PACKED_BYTES_MAX
            && let Some(bytes) = packed::pack(pairs.clone())
        {
            return Self::from_packed(bytes);
        }
        // A listpack has no negative zero.
        let pairs = pairs.map(|(member, score)| (member, if listpack { score + 0.0 } else { score }));
        Self { form: Form::Large(Box::new(Large::from_sorted(pairs, seed))), listpack, cleared: false }
    }

    /// The bytes of a set that is packed.
    #[must_use]
    pub fn packed(&self) -> Option<&[u8]> {
        match &self.form {
            Form::Packed(bytes) => Some(bytes),
            Form::Large(_) => None,
        }
    }

    /// The set, to be read. O(1).
    #[must_use]
    pub fn view(&self) -> ZSetRef<'_> {
        match &self.form {
            _ if self.cleared => ZSetRef::Packed(&[]),
            Form::Packed(bytes) => ZSetRef::Packed(bytes),
            Form::Large(large) => ZSetRef::Large(large),
        }
    }

    /// Bytes on the heap. O(1).
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match &self.form {
            Form::Packed(bytes) => bytes.capacity(),
            Form::Large(large) => large.heap_bytes(),
        }
    }

    /// What OBJECT ENCODING says of it. O(1).
    #[must_use]
    pub fn encoding(&self) -> &'static str {
        if self.listpack { "listpack" } else { "skiplist" }
    }

    /// Makes it what Redis makes of a set to which `adding` pairs are to be added: a listpack that is too short for so
    /// many no longer. O(n) where it changes.
    pub fn expect(&mut self, adding: usize, limit: Limit, seed: Seed) {
        if self.listpack && adding > limit.entries_max {
            self.outgrow(seed);
            self.listpack = false;
        }
    }

    /// Adds a member or changes its score, as the rule allows. O(log n), and O(n) once where it outgrows the packed
    /// form, whose `limit` this is.
    pub fn add(&mut self, member: &[u8], score: f64, rule: Rule, limit: Limit, seed: Seed) -> Add {
        if let Form::Packed(bytes) = &mut self.form {
            let mut packed = Packed::new(&mut *bytes);
            if let Ok(result) = packed.add(member, score, rule, limit, PACKED_BYTES_MAX) {
                return result;
            }
            self.outgrow(seed);
        }
        let Form::Large(large) = &mut self.form else { unreachable!("it was made one above") };
        if std::mem::take(&mut self.cleared) {
            **large = Large::new(seed);
        }
        if !self.listpack {
            return large.add(member, score, rule);
        }
        // A listpack has no negative zero.
        let result = large.add(member, score + 0.0, rule);
        if matches!(result, Add::Added(_)) {
            self.listpack = limit.holds(large.len(), member.len());
        }
        result
    }

    fn outgrow(&mut self, seed: Seed) {
        if let Form::Packed(bytes) = &self.form {
            let mut members: Vec<(Vec<u8>, f64)> = Vec::new();
            let view = PackedRef::new(bytes);
            members
                .extend(view.pairs::<false>(0..view.len()).map(|(member, score)| (member.to_vec(), score)));
            let pairs = members.iter().map(|(member, score)| (member.as_slice(), *score));
            self.form = Form::Large(Box::new(Large::from_sorted(pairs, seed)));
        }
    }

    fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.form {
            Form::Packed(bytes) => Packed::new(bytes).remove(member),
            Form::Large(_) if self.cleared => None,
            Form::Large(large) => large.remove(member),
        }
    }

    fn remove_range(&mut self, range: Range<usize>) {
        match &mut self.form {
            Form::Packed(bytes) => Packed::new(bytes).remove_range(range),
            Form::Large(large) if range.len() == large.len() => self.cleared = true,
            Form::Large(large) => large.remove_range(range),
        }
    }

    /// Checks what must hold.
    #[cfg(test)]
    fn check(&self) {
        if let Form::Large(large) = &self.form {
            large.check();
        }
    }
}

/// A sorted set to be changed where it is. (Adding is up to each form, because it may outgrow it.)
#[derive(Debug)]
pub enum ZSetMut<'a, B> {
    /// In a buffer.
    Packed(Packed<B>),
    /// An object.
    Object(&'a mut ZSet),
}

impl<B: Buffer> ZSetMut<'_, B> {
    /// The set, to be read. O(1).
    pub fn view(&self) -> ZSetRef<'_> {
        match self {
            Self::Packed(packed) => ZSetRef::Packed(packed.bytes()),
            Self::Object(set) => set.view(),
        }
    }

    /// Takes a member out; the score it had. O(log n).
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Packed(packed) => packed.remove(member),
            Self::Object(set) => set.remove(member),
        }
    }

    /// Takes out the members whose ranks are in `range`, as far as there are any; how many. O(log n) for each, O(1)
    /// where it is all of them.
    pub fn remove_range(&mut self, range: Range<usize>) -> usize {
        let len = self.view().len();
        let range = range.start.min(len)..range.end.min(len);
        if !range.is_empty() {
            match self {
                Self::Packed(packed) => packed.remove_range(range.clone()),
                Self::Object(set) => set.remove_range(range.clone()),
            }
        }
        range.len()
    }
}

/// A sorted set to be read, wherever it is.
#[derive(Clone, Copy, Debug)]
pub enum ZSetRef<'a> {
    /// The bytes that [`Packed`] keeps.
    Packed(&'a [u8]),
    /// Members, table and tree.
    Large(&'a Large),
}

impl<'a> ZSetRef<'a> {
    /// How many members it has. O(1).
    #[must_use]
    pub fn len(self) -> usize {
        match self {
            Self::Packed(bytes) => PackedRef::new(bytes).len(),
            Self::Large(large) => large.len(),
        }
    }

    /// Whether it has none. O(1).
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// A member's score. O(1); O(n) while packed, as all that follows.
    #[must_use]
    pub fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Packed(bytes) => PackedRef::new(bytes).find(member).map(|found| found.score),
            Self::Large(large) => large.score(member),
        }
    }

    /// How many members stand in front of one, and its score. O(log n).
    #[must_use]
    pub fn rank(self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            Self::Packed(bytes) => PackedRef::new(bytes).find(member).map(|found| (found.rank, found.score)),
            Self::Large(large) => large.rank(member),
        }
    }

    /// The member at a rank and its score. O(log n).
    #[must_use]
    pub fn get(self, rank: usize) -> Option<(Element<'a>, f64)> {
        match self {
            Self::Packed(bytes) => PackedRef::new(bytes).pairs::<false>(rank..rank.saturating_add(1)).next(),
            Self::Large(large) => large.get(rank).map(|(member, score)| (Element::Bytes(member), score)),
        }
    }

    /// The ranks of the members with scores in a range. O(log n).
    #[must_use]
    pub fn score_range(self, (min, max): ScoreRange) -> Range<usize> {
        let in_front = |score: f64| match min {
            Bound::Included(min) => score < min,
            Bound::Excluded(min) => score <= min,
            Bound::Unbounded => false,
        };
        let not_behind = |score: f64| match max {
            Bound::Included(max) => score <= max,
            Bound::Excluded(max) => score < max,
            Bound::Unbounded => true,
        };
        let (start, end) = match self {
            Self::Packed(bytes) => {
                let packed = PackedRef::new(bytes);
                (packed.partition(|_, score| in_front(score)), packed.partition(|_, score| not_behind(score)))
            }
            Self::Large(large) => (large.partition_by_score(in_front), large.partition_by_score(not_behind)),
        };
        start..end.max(start)
    }

    /// The ranks of the members in a range, in a set whose scores are all the same. Where they are not, what is found
    /// is up to the form and to whether one looks in `reverse`. O(log n).
    #[must_use]
    pub fn lex_range(self, range: &LexRange<'_>, reverse: bool) -> Range<usize> {
        match self {
            Self::Packed(bytes) => PackedRef::new(bytes).lex_range(range, reverse),
            Self::Large(_) if range.is_empty() => 0..0,
            Self::Large(large) => {
                let start = large.partition(|member, _| !range.reached_by(member));
                let end = large.partition(|member, _| range.reaches(member));
                start..end.max(start)
            }
        }
    }

    /// The members whose ranks are in `range` with their scores, as far as there are any. O(log n + members).
    #[must_use]
    pub fn range(self, range: Range<usize>) -> ZSetIter<'a> {
        ZSetIter(match self {
            Self::Packed(bytes) => Walk::Packed(PackedRef::new(bytes).pairs(range)),
            Self::Large(large) => Walk::Large(large.pairs(range)),
        })
    }

    /// The same, the last one first. O(log n + members).
    #[must_use]
    pub fn range_reverse(self, range: Range<usize>) -> ZSetIter<'a, true> {
        ZSetIter(match self {
            Self::Packed(bytes) => Walk::Packed(PackedRef::new(bytes).pairs(range)),
            Self::Large(large) => Walk::Large(large.pairs(range)),
        })
    }

    /// All members with their scores. O(n).
    #[must_use]
    pub fn iter(self) -> ZSetIter<'a> {
        self.range(0..self.len())
    }

    /// Visits members for ZSCAN: all of a packed set, otherwise at least `want` in the order of their hashes from
    /// `position` on. Returns where to go on, `None` at the end. What is there from the first call to the last is
    /// visited, once.
    pub fn scan(self, position: u32, want: usize, mut visit: impl FnMut(&[u8], f64)) -> Option<u32> {
        match self {
            Self::Packed(_) => {
                let mut buffer = IntBuffer::new();
                self.iter().for_each(|(member, score)| visit(member.as_bytes(&mut buffer), score));
                None
            }
            Self::Large(large) => large.scan(position, want, visit),
        }
    }
}

/// Some consecutive members and their scores, first to last, or last to first if `REVERSE`.
#[derive(Clone, Debug)]
pub struct ZSetIter<'a, const REVERSE: bool = false>(Walk<'a, REVERSE>);

#[derive(Clone, Debug)]
enum Walk<'a, const REVERSE: bool> {
    Packed(Pairs<'a, REVERSE>),
    Large(LargePairs<'a, REVERSE>),
}

impl<'a, const REVERSE: bool> Iterator for ZSetIter<'a, REVERSE> {
    type Item = (Element<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Packed(pairs) => pairs.next(),
            Walk::Large(pairs) => pairs.next().map(|(member, score)| (Element::Bytes(member), score)),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Walk::Packed(pairs) => pairs.size_hint(),
            Walk::Large(pairs) => pairs.size_hint(),
        }
    }
}

impl<const REVERSE: bool> ExactSizeIterator for ZSetIter<'_, REVERSE> {}

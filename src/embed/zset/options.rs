//! What calls on a sorted set are told: what to add, and which part of it is meant.

use super::super::Result;
use crate::command::error::CommandError;
use crate::value::zset::{Ends, LexBound, LexRange, Rule, ScoreRange, Span};
use std::ops::{Bound, RangeBounds};

/// Which of the members given [`ZSet::add_with`](super::ZSet::add_with) adds, and which scores it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct AddOptions {
    rule: Rule,
    changed: bool,
}

impl AddOptions {
    /// Adds all that are new, and gives all others the new score.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes no score that is there.
    pub fn only_new(mut self) -> Self {
        self.rule.nx = true;
        self
    }

    /// Adds no member.
    pub fn only_existing(mut self) -> Self {
        self.rule.xx = true;
        self
    }

    /// Changes a score only to a greater one.
    pub fn only_greater(mut self) -> Self {
        self.rule.gt = true;
        self
    }

    /// Changes a score only to a lower one.
    pub fn only_less(mut self) -> Self {
        self.rule.lt = true;
        self
    }

    /// Counts members whose score changed as well.
    pub fn count_changed(mut self) -> Self {
        self.changed = true;
        self
    }

    /// The rule, if what it says goes together.
    pub(super) fn rule(self) -> Result<Rule> {
        let Rule { nx, xx, gt, lt, .. } = self.rule;
        if nx && xx {
            let text = "ERR XX and NX options at the same time are not compatible";
            return Err(CommandError::text(text).into());
        }
        if (nx && (gt || lt)) || (gt && lt) {
            let text = "ERR GT, LT, and/or NX options at the same time are not compatible";
            return Err(CommandError::text(text).into());
        }
        Ok(self.rule)
    }

    /// Whether members whose score changed count.
    pub(super) fn counts_changed(self) -> bool {
        self.changed
    }
}

/// A part of a sorted set: between two ranks, scores or members; [in reverse](Self::rev); [only so
/// many](Self::limit).
///
/// ```
/// use damselfly::embed::Stretch;
///
/// let db = damselfly::Damselfly::in_memory();
/// let words = db.zset("words");
/// words.add([(0.0, "ant"), (0.0, "bee"), (0.0, "cat"), (0.0, "dog")])?;
/// assert_eq!(words.range(Stretch::members("b".."d"))?, ["bee", "cat"]);
/// assert_eq!(words.range(Stretch::members("b"..).rev().limit(1, 5))?, ["cat", "bee"]);
/// assert_eq!(words.range(Stretch::ranks(-1, -1))?, ["dog"]);
/// # Ok::<(), damselfly::embed::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Stretch {
    ends: OwnedEnds,
    reverse: bool,
    offset: u64,
    count: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
enum OwnedEnds {
    Ranks(i64, i64),
    Scores(ScoreRange),
    Members(Bound<Vec<u8>>, Bound<Vec<u8>>),
}

impl Stretch {
    fn of(ends: OwnedEnds) -> Self {
        Self { ends, reverse: false, offset: 0, count: None }
    }

    /// Everything.
    pub fn all() -> Self {
        Self::ranks(0, -1)
    }

    /// From one rank to another, both included; negative ones count from the end.
    pub fn ranks(start: i64, stop: i64) -> Self {
        Self::of(OwnedEnds::Ranks(start, stop))
    }

    /// Members with scores in a range, such as `1.0..2.0` or `..=0.5`.
    pub fn scores(range: impl RangeBounds<f64>) -> Self {
        Self::of(OwnedEnds::Scores(bounds(&range)))
    }

    /// Members in a range, such as `"a".."b"`, of a set whose scores are all the same.
    pub fn members<M: AsRef<[u8]>>(range: impl RangeBounds<M>) -> Self {
        let owned = |bound: Bound<&M>| bound.map(|member| member.as_ref().to_vec());
        Self::of(OwnedEnds::Members(owned(range.start_bound()), owned(range.end_bound())))
    }

    /// From the highest score down. Ranks count from there then.
    pub fn rev(mut self) -> Self {
        self.reverse = true;
        self
    }

    /// Leaves out the first `offset` members, and takes at most `count` then.
    pub fn limit(mut self, offset: u64, count: u64) -> Self {
        (self.offset, self.count) = (offset, Some(count));
        self
    }

    /// As the structure takes it.
    /// What those who listen are told of its removal.
    pub(super) fn removal(&self) -> &'static str {
        match self.ends {
            OwnedEnds::Ranks(..) => "zremrangebyrank",
            OwnedEnds::Scores(_) => "zremrangebyscore",
            OwnedEnds::Members(..) => "zremrangebylex",
        }
    }

    pub(super) fn span(&self) -> Span<'_> {
        let ends = match &self.ends {
            OwnedEnds::Ranks(start, stop) => Ends::Ranks(*start, *stop),
            OwnedEnds::Scores(range) => Ends::Scores(*range),
            OwnedEnds::Members(min, max) => {
                let min = lex_bound(min, LexBound::Lowest);
                Ends::Members(LexRange { min, max: lex_bound(max, LexBound::Highest) })
            }
        };
        let offset = i64::try_from(self.offset).unwrap_or(i64::MAX);
        let count = self.count.map_or(-1, |count| i64::try_from(count).unwrap_or(i64::MAX));
        Span { ends, reverse: self.reverse, limit: (offset, count) }
    }

    /// As a command takes it.
    pub(super) fn words(&self) -> Vec<Vec<u8>> {
        let score = |bound: &Bound<f64>, open: &str| match bound {
            Bound::Included(score) => format!("{score}").into_bytes(),
            Bound::Excluded(score) => format!("({score}").into_bytes(),
            Bound::Unbounded => open.as_bytes().to_vec(),
        };
        let member = |bound: &Bound<Vec<u8>>, open: &[u8]| match bound {
            Bound::Included(member) => [b"[", member.as_slice()].concat(),
            Bound::Excluded(member) => [b"(", member.as_slice()].concat(),
            Bound::Unbounded => open.to_vec(),
        };
        let (ends, by) = match &self.ends {
            OwnedEnds::Ranks(start, stop) => ([start, stop].map(|rank| rank.to_string().into_bytes()), None),
            OwnedEnds::Scores((min, max)) => ([score(min, "-inf"), score(max, "inf")], Some("BYSCORE")),
            OwnedEnds::Members(min, max) => ([member(min, b"-"), member(max, b"+")], Some("BYLEX")),
        };
        let mut words = ends.to_vec();
        if self.reverse {
            // Ranks count from the other end, other ends change places.
            if by.is_some() {
                words.reverse();
            }
            words.push(b"REV".to_vec());
        }
        words.extend(by.map(|by| by.as_bytes().to_vec()));
        if let Some(count) = self.count {
            let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX).to_string().into_bytes();
            words.extend([b"LIMIT".to_vec(), number(self.offset), number(count)]);
        }
        words
    }
}

pub(super) fn bounds(range: &impl RangeBounds<f64>) -> ScoreRange {
    (range.start_bound().cloned(), range.end_bound().cloned())
}

fn lex_bound<'b>(bound: &'b Bound<Vec<u8>>, open: LexBound<'b>) -> LexBound<'b> {
    match bound {
        Bound::Included(member) => LexBound::Included(member),
        Bound::Excluded(member) => LexBound::Excluded(member),
        Bound::Unbounded => open,
    }
}

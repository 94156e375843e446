//! A stretch of a sorted set, however it is asked for: by ranks, scores or members; from which end, and how much of it.

use super::{LexRange, ScoreRange, ZSetRef};
use crate::value::list;
use std::ops::Range;

/// The ends of a stretch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ends<'a> {
    /// From one rank to another, both included. Negative ones count from the end.
    Ranks(i64, i64),
    /// By score.
    Scores(ScoreRange),
    /// By member, in a set whose scores are all the same.
    Members(LexRange<'a>),
}

/// A stretch of a sorted set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span<'a> {
    /// Where it begins and ends.
    pub ends: Ends<'a>,
    /// Whether it goes from the highest score down; ranks count from there then.
    pub reverse: bool,
    /// How many to leave out at its beginning, and how many to take at most then: all where that is negative. A
    /// negative number to leave out leaves nothing.
    pub limit: (i64, i64),
}

impl<'a> Span<'a> {
    /// All between two ends, from the lowest score up. O(1).
    #[must_use]
    pub fn of(ends: Ends<'a>) -> Self {
        Self { ends, reverse: false, limit: (0, -1) }
    }

    /// The ranks of its members, counted from the lowest score. O(log n).
    #[must_use]
    pub fn ranks(&self, zset: ZSetRef<'_>) -> Range<usize> {
        let Range { start, end } = match self.ends {
            Ends::Ranks(start, stop) => {
                let len = zset.len();
                let Range { start, end } = list::bounds(start, stop, len);
                if self.reverse { len - end..len - start } else { start..end }
            }
            Ends::Scores(range) => zset.score_range(range),
            Ends::Members(range) => zset.lex_range(&range, self.reverse),
        };
        let (offset, count) = self.limit;
        let len = end - start;
        // Redis walks, and a negative offset never comes to its end.
        let skip = usize::try_from(offset).map_or(len, |offset| offset.min(len));
        let take = usize::try_from(count).map_or(len - skip, |count| count.min(len - skip));
        if self.reverse { end - skip - take..end - skip } else { start + skip..start + skip + take }
    }
}

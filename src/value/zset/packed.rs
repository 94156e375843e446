//! The packed sorted set: a count, then member and score in turn, in order. Byte for byte the entries of Redis'
//! listpack: a score that is a whole number stands as one, any other as its shortest text; so a negative zero is a zero.
//!
//! All operations walk it, which its limits keep short.

use super::{Add, LexRange, Limit, Rule};
use crate::double::DoubleBuffer;
use crate::value::listpack::{self, Buffer, Element, Encoded, Entries, Needle};
use smallvec::SmallVec;
use std::cmp::Ordering;
use std::ops::Range;

/// The bytes in front of the entries: how many members there are.
const HEADER: usize = 2;

/// A packed sorted set in a buffer.
#[derive(Debug)]
pub struct Packed<B> {
    buffer: B,
}

/// The same, to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackedRef<'a> {
    count: usize,
    entries: &'a [u8],
}

/// Where a member stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// How many stand in front of it.
    pub rank: usize,
    pub score: f64,
    /// Its first byte, among the entries.
    at: usize,
    /// Its score's first byte.
    score_at: usize,
    end: usize,
}

/// There is no room in the packed form: Redis' limits or the buffer's are exceeded. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A score and perhaps a member as they are stored.
type Entry = SmallVec<[u8; 128]>;

impl<'a> PackedRef<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        match bytes.split_first_chunk::<HEADER>() {
            Some((count, entries)) => Self { count: usize::from(u16::from_le_bytes(*count)), entries },
            None => Self { count: 0, entries: &[] },
        }
    }

    pub(super) fn len(self) -> usize {
        self.count
    }

    pub(super) fn find(self, member: &[u8]) -> Option<Found> {
        let needle = Needle::new(member);
        let (mut at, mut rank) = (0, 0);
        while let Some((element, len)) = listpack::first(&self.entries[at..]) {
            let score_at = at + len;
            if needle.matches(element) {
                let (score, len) = listpack::first(&self.entries[score_at..])?;
                return Some(Found { rank, score: score_of(score), at, score_at, end: score_at + len });
            }
            at = score_at + listpack::first_len(&self.entries[score_at..])?;
            rank += 1;
        }
        None
    }

    /// Where a pair belongs that is not there.
    fn position(self, member: &[u8], score: f64) -> usize {
        // Many a set is filled in order.
        let mut tail = Entries::new(self.entries).rev();
        if let (Some(last), Some(element)) = (tail.next(), tail.next())
            && compare((score_of(last), element), score, member).is_lt()
        {
            return self.entries.len();
        }
        let mut at = 0;
        while let Some((element, len)) = listpack::first(&self.entries[at..])
            && let Some((other, score_len)) = listpack::first(&self.entries[at + len..])
            && compare((score_of(other), element), score, member).is_lt()
        {
            at += len + score_len;
        }
        at
    }

    /// How many pairs at the front `before` holds for.
    pub(super) fn partition(self, mut before: impl FnMut(Element<'a>, f64) -> bool) -> usize {
        self.pairs::<false>(0..self.count).take_while(|&(member, score)| before(member, score)).count()
    }

    /// The ranks of a range of members. Where scores differ members are in no order, and then it is the way in which
    /// Redis looks that decides: for the first member from `min` on, and from there as far as `max`, or in reverse.
    pub(super) fn lex_range(self, range: &LexRange<'_>, reverse: bool) -> Range<usize> {
        let from_min = |member: Element<'_>| member.with_bytes(|bytes| range.reached_by(bytes));
        let to_max = |member: Element<'_>| member.with_bytes(|bytes| range.reaches(bytes));
        let (mut forward, mut back) = (self.pairs::<false>(0..self.count), self.pairs::<true>(0..self.count));
        let overlaps = !range.is_empty()
            && back.clone().next().is_some_and(|(last, _)| from_min(last))
            && forward.clone().next().is_some_and(|(first, _)| to_max(first));
        if !overlaps {
            0..0
        } else if reverse {
            let end = back.position(|(member, _)| to_max(member)).map_or(0, |behind| self.count - behind);
            let members = self.pairs::<true>(0..end).take_while(|&(member, _)| from_min(member));
            end - members.count()..end
        } else {
            let start = forward.position(|(member, _)| from_min(member)).unwrap_or(self.count);
            let members = self.pairs::<false>(start..self.count).take_while(|&(member, _)| to_max(member));
            start..start + members.count()
        }
    }

    /// The pairs whose ranks are in `range`, the last one first if `REVERSE`.
    pub(super) fn pairs<const REVERSE: bool>(self, range: Range<usize>) -> Pairs<'a, REVERSE> {
        let (start, end) = (range.start.min(self.count), range.end.min(self.count));
        let left = end.saturating_sub(start);
        let entries = if left == 0 {
            Entries::default()
        } else if REVERSE {
            Entries::new(&self.entries[..self.seek(end)])
        } else {
            Entries::new(&self.entries[self.seek(start)..])
        };
        Pairs { entries, left }
    }

    /// The first byte of the pair of a rank.
    fn seek(self, rank: usize) -> usize {
        listpack::seek(self.entries, self.count * 2, rank * 2)
    }
}

/// Some consecutive pairs.
#[derive(Clone, Debug)]
pub(super) struct Pairs<'a, const REVERSE: bool> {
    entries: Entries<'a>,
    left: usize,
}

impl<'a, const REVERSE: bool> Iterator for Pairs<'a, REVERSE> {
    type Item = (Element<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        if REVERSE {
            let score = score_of(self.entries.next_back()?);
            Some((self.entries.next_back()?, score))
        } else {
            let member = self.entries.next()?;
            Some((member, score_of(self.entries.next()?)))
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<const REVERSE: bool> ExactSizeIterator for Pairs<'_, REVERSE> {}

impl<B: Buffer> Packed<B> {
    /// Takes the set in `buffer`; an empty buffer becomes an empty set. O(1).
    pub fn new(mut buffer: B) -> Self {
        if buffer.bytes().is_empty() {
            buffer.splice(0, 0, [&[0; HEADER], &[], &[]]);
        }
        Self { buffer }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.bytes()
    }

    fn view(&self) -> PackedRef<'_> {
        PackedRef::new(self.buffer.bytes())
    }

    /// The buffer, which keeps the set. O(1).
    pub fn into_inner(self) -> B {
        self.buffer
    }

    /// Adds a member or changes its score, as the rule allows, if a new one keeps to Redis' limit and the whole to
    /// `bytes_max`. O(n).
    ///
    /// # Errors
    /// [`Full`], with nothing changed.
    pub fn add(
        &mut self,
        member: &[u8],
        score: f64,
        rule: Rule,
        limit: Limit,
        bytes_max: usize,
    ) -> Result<Add, Full> {
        let view = self.view();
        let Some(found) = view.find(member) else {
            let result = rule.decide(None, score);
            if let Add::Added(score) = result {
                let count = view.count + 1;
                if count > limit.entries_max || member.len() > limit.member_bytes_max {
                    return Err(Full);
                }
                let count = u16::try_from(count).map_err(|_| Full)?;
                let pair = pair(member, score);
                if self.buffer.bytes().len() + pair.len() > bytes_max {
                    return Err(Full);
                }
                let at = view.position(member, score);
                self.buffer.splice(HEADER + at, 0, [&pair, &[], &[]]);
                self.buffer.overwrite(0, &count.to_le_bytes());
            }
            return Ok(result);
        };
        let result = rule.decide(Some(found.score), score);
        if let Add::Updated(score) = result {
            let entry = score_entry(score);
            let (old, len) = (found.end - found.score_at, self.buffer.bytes().len());
            if len - old + entry.len() > bytes_max {
                return Err(Full);
            }
            let at = view.position(member, score);
            if at == found.at || at == found.end {
                self.buffer.splice(HEADER + found.score_at, old, [&entry, &[], &[]]);
            } else {
                let removed = found.end - found.at;
                self.buffer.splice(HEADER + found.at, removed, [&[]; 3]);
                let at = if at > found.at { at - removed } else { at };
                self.buffer.splice(HEADER + at, 0, [&pair(member, score), &[], &[]]);
            }
        }
        Ok(result)
    }

    /// Takes a member out; the score it had. O(n).
    pub(super) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let view = self.view();
        let found = view.find(member)?;
        let count = view.count - 1;
        self.cut(found.at..found.end, count);
        Some(found.score)
    }

    /// Takes out the pairs whose ranks are in `range`. O(n).
    pub(super) fn remove_range(&mut self, range: Range<usize>) {
        let view = self.view();
        let count = view.count - range.len();
        let bytes = view.seek(range.start)..view.seek(range.end);
        self.cut(bytes, count);
    }

    fn cut(&mut self, bytes: Range<usize>, count: usize) {
        self.buffer.splice(HEADER + bytes.start, bytes.len(), [&[]; 3]);
        // It was more before, and stood there.
        self.buffer.overwrite(0, &(count as u16).to_le_bytes());
    }
}

/// The packed form of pairs that are in order; `None` where their number does not fit it. O(n).
pub(super) fn pack<'m>(pairs: impl ExactSizeIterator<Item = (&'m [u8], f64)>) -> Option<Vec<u8>> {
    let count = u16::try_from(pairs.len()).ok()?;
    let mut bytes = count.to_le_bytes().to_vec();
    pairs.for_each(|(member, score)| bytes.extend_from_slice(&pair(member, score)));
    bytes.shrink_to_fit();
    Some(bytes)
}

/// A bound from above of the bytes that pairs of these members add.
pub fn bytes_max<'m>(members: impl IntoIterator<Item = &'m [u8]>) -> usize {
    /// A score's text has 25 bytes at most, a header and a length.
    const SCORE: usize = listpack::encoded_len_max(25);
    members.into_iter().map(|member| listpack::encoded_len_max(member.len()) + SCORE).sum()
}

fn pair(member: &[u8], score: f64) -> Entry {
    let mut entry = Entry::new();
    Encoded::new(member).parts().into_iter().for_each(|part| entry.extend_from_slice(part));
    write_score(&mut entry, score);
    entry
}

fn score_entry(score: f64) -> Entry {
    let mut entry = Entry::new();
    write_score(&mut entry, score);
    entry
}

fn write_score(entry: &mut Entry, score: f64) {
    /// What Redis takes for a whole number, so that its text is one as well.
    const WHOLE: f64 = (i64::MAX / 2) as f64;
    let mut buffer = DoubleBuffer::new();
    let encoded = if score.abs() <= WHOLE && score.trunc() == score {
        Encoded::int(score as i64)
    } else {
        Encoded::new(buffer.format(score).as_bytes())
    };
    encoded.parts().into_iter().for_each(|part| entry.extend_from_slice(part));
}

/// The number that a score's entry stands for.
fn score_of(element: Element<'_>) -> f64 {
    match element {
        Element::Int(number) => number as f64,
        text => text
            .with_bytes(|text| str::from_utf8(text).ok().and_then(|text| text.parse().ok()))
            .unwrap_or(0.0),
    }
}

/// How a pair stands to another one: by score, then by member.
fn compare((score, element): (f64, Element<'_>), other: f64, member: &[u8]) -> Ordering {
    score
        .partial_cmp(&other)
        .unwrap_or(Ordering::Equal)
        .then_with(|| element.with_bytes(|bytes| bytes.cmp(member)))
}

//! Sorted sets: [`ZSet`] for one of them. What its calls are told stands in `options.rs`, what concerns several sets in
//! `several.rs`, calls that wait in the family's neighbour `blocking.rs`.

mod options;
mod several;

#[cfg(test)]
mod tests;

pub use options::{AddOptions, Stretch};
pub use several::{Extreme, Weighing};
pub(super) use several::{key_and_scored, key_member_score};

use super::{Argv, Bytes, Damselfly, Result, collect, reply};
use crate::command::error::CommandError;
use crate::glob;
use crate::shard::{Class, Key, Keyspace};
use crate::value::listpack::Element;
use crate::value::zset::{Add, Rule, Span, ZSetRef};
use several::scored_list;
use smallvec::SmallVec;
use std::ops::{Range, RangeBounds};

/// A key's sorted set, wherever the key stands: [`Damselfly::zset`] gives one, and nothing is looked up before a method
/// is called. A sorted set exists while it has members.
///
/// ```
/// use damselfly::embed::Stretch;
///
/// let db = damselfly::Damselfly::in_memory();
/// let board = db.zset("board");
/// board.add([(300.0, "ada"), (120.5, "bob"), (200.0, "cyd")])?;
/// board.increment("bob", 100.0)?;
///
/// assert_eq!(board.score("bob")?, Some(220.5));
/// assert_eq!(board.rev_rank("ada")?, Some(0));
/// assert_eq!(board.range(Stretch::ranks(0, 1).rev())?, ["ada", "bob"]);
/// assert_eq!(board.count(200.0..300.0)?, 2);
/// # Ok::<(), damselfly::embed::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a handle does nothing until a method is called"]
pub struct ZSet<'a> {
    db: &'a Damselfly,
    key: &'a [u8],
}

/// A member and its score.
pub type Scored = (Bytes, f64);

fn copied(member: Element<'_>) -> Bytes {
    member.with_bytes(Bytes::copy_from_slice)
}

fn scored((member, score): (Element<'_>, f64)) -> Scored {
    (copied(member), score)
}

/// What a walk over ranks gives, in the direction of the span.
fn walk<T>(zset: ZSetRef<'_>, span: &Span<'_>, each: impl FnMut((Element<'_>, f64)) -> T) -> Vec<T> {
    let ranks: Range<usize> = span.ranks(zset);
    if span.reverse {
        zset.range_reverse(ranks).map(each).collect()
    } else {
        zset.range(ranks).map(each).collect()
    }
}

impl Damselfly {
    /// The sorted set under a key.
    pub fn zset<'a, K: AsRef<[u8]> + ?Sized>(&'a self, key: &'a K) -> ZSet<'a> {
        ZSet { db: self, key: key.as_ref() }
    }
}

impl<'a> ZSet<'a> {
    /// The key.
    #[must_use]
    pub fn key(self) -> &'a [u8] {
        self.key
    }

    /// Reads the set, where there is one.
    #[inline]
    fn view<R>(self, f: impl FnOnce(Option<ZSetRef<'_>>) -> R) -> Result<R> {
        self.db.read(self.key, |keys: &mut Keyspace<'_>, key: Key<'_>| Ok(f(keys.zset(key)?)))
    }

    /// Adds members with their scores, or gives members that are there the new ones; how many were new.
    /// O(log n) for each.
    ///
    /// # Errors
    /// [`CommandError::WrongType`], or [`CommandError::NotAFloat`] for a score that is NaN.
    ///
    /// Reference: <https://valkey.io/commands/zadd/>
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "ZADD's name")]
    pub fn add<M: AsRef<[u8]>>(self, pairs: impl IntoIterator<Item = (f64, M)>) -> Result<u64> {
        self.add_with(pairs, AddOptions::new())
    }

    /// The same as far as the options allow; how many members are new, or changed where the options say so.
    /// O(log n) for each.
    ///
    /// # Errors
    /// As [`add`](Self::add); a text error for options that exclude each other.
    ///
    /// Reference: <https://valkey.io/commands/zadd/>
    pub fn add_with<M: AsRef<[u8]>>(
        self,
        pairs: impl IntoIterator<Item = (f64, M)>,
        options: AddOptions,
    ) -> Result<u64> {
        let rule = options.rule()?;
        let pairs: SmallVec<[(f64, M); 4]> = pairs.into_iter().collect();
        let pairs: SmallVec<[(f64, &[u8]); 4]> =
            pairs.iter().map(|(score, member)| (*score, member.as_ref())).collect();
        let added = self.add_pairs(&pairs, rule)?;
        Ok(added.added + if options.counts_changed() { added.updated } else { 0 })
    }

    /// Adds one member, or gives it another score; whether it was new. O(log n).
    ///
    /// # Errors
    /// As [`add`](Self::add).
    ///
    /// Reference: <https://valkey.io/commands/zadd/>
    #[inline]
    pub fn insert(self, member: impl AsRef<[u8]>, score: f64) -> Result<bool> {
        Ok(self.add_pairs(&[(score, member.as_ref())], Rule::default())?.added > 0)
    }

    #[inline]
    fn add_pairs(self, pairs: &[(f64, &[u8])], rule: Rule) -> Result<crate::shard::Added> {
        if pairs.iter().any(|(score, _)| score.is_nan()) {
            return Err(CommandError::NotAFloat.into());
        }
        let longest = pairs.iter().map(|(_, member)| member.len()).max().unwrap_or(0);
        self.db.write(self.key, longest, |keys, key| {
            let added = keys.zset_add(key, pairs, rule)?;
            if keys.shard().is_journaled {
                tell_added(keys, key, pairs, rule);
            }
            Ok(added)
        })
    }

    /// Adds to a member's score, which starts at 0; the new score. O(log n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`]; [`CommandError::NotAFloat`] where `by` is NaN, and a text error where the sum is.
    ///
    /// Reference: <https://valkey.io/commands/zincrby/>
    #[inline]
    pub fn increment(self, member: impl AsRef<[u8]>, by: f64) -> Result<f64> {
        let rule = Rule { incr: true, ..Rule::default() };
        match self.add_pairs(&[(by, member.as_ref())], rule)?.last {
            Add::Added(score) | Add::Updated(score) | Add::Same(score) => Ok(score),
            Add::Refused | Add::NotANumber => {
                Err(CommandError::text("ERR resulting score is not a number (NaN)").into())
            }
        }
    }

    /// Takes members out; how many were there. O(log n) for each.
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zrem/>
    pub fn remove<M: AsRef<[u8]>>(self, members: impl IntoIterator<Item = M>) -> Result<u64> {
        let members = collect(members);
        self.db.write(self.key, 0, |keys, key| {
            let removed = keys.update_zset(key, |zset| {
                members.iter().filter(|member| zset.remove(member.as_ref()).is_some()).count()
            })?;
            let removed = removed.unwrap_or(0);
            if removed > 0 {
                keys.tell([&b"ZREM"[..], key.bytes].into_iter().chain(members.iter().map(AsRef::as_ref)));
                keys.notify(Class::ZSet, "zrem", key);
            }
            Ok(removed as u64)
        })
    }

    /// How many members there are. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zcard/>
    #[inline]
    pub fn len(self) -> Result<u64> {
        self.view(|zset| zset.map_or(0, |zset| zset.len() as u64))
    }

    /// Whether there is none, and so no key. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zcard/>
    pub fn is_empty(self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// A member's score. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zscore/>
    #[inline]
    pub fn score(self, member: impl AsRef<[u8]>) -> Result<Option<f64>> {
        self.view(|zset| zset?.score(member.as_ref()))
    }

    /// Whether something is a member. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zscore/>
    #[inline]
    pub fn contains(self, member: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.score(member)?.is_some())
    }

    /// The scores of several members, at one moment. O(members).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zmscore/>
    pub fn scores<M: AsRef<[u8]>>(self, members: impl IntoIterator<Item = M>) -> Result<Vec<Option<f64>>> {
        let members = collect(members);
        self.view(|zset| members.iter().map(|member| zset?.score(member.as_ref())).collect())
    }

    /// How many members stand in front of one. O(log n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zrank/>
    #[inline]
    pub fn rank(self, member: impl AsRef<[u8]>) -> Result<Option<u64>> {
        Ok(self.rank_with_score(member)?.map(|(rank, _)| rank))
    }

    /// The same and its score. O(log n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zrank/>
    pub fn rank_with_score(self, member: impl AsRef<[u8]>) -> Result<Option<(u64, f64)>> {
        self.view(|zset| zset?.rank(member.as_ref()).map(|(rank, score)| (rank as u64, score)))
    }

    /// How many members stand behind one: its rank from the highest score on. O(log n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zrevrank/>
    pub fn rev_rank(self, member: impl AsRef<[u8]>) -> Result<Option<u64>> {
        Ok(self.rev_rank_with_score(member)?.map(|(rank, _)| rank))
    }

    /// The same and its score. O(log n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zrevrank/>
    pub fn rev_rank_with_score(self, member: impl AsRef<[u8]>) -> Result<Option<(u64, f64)>> {
        self.view(|zset| {
            let zset = zset?;
            let (rank, score) = zset.rank(member.as_ref())?;
            Some(((zset.len() - 1 - rank) as u64, score))
        })
    }

    /// How many members have scores in a range. O(log n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zcount/>
    pub fn count(self, range: impl RangeBounds<f64>) -> Result<u64> {
        self.view(|zset| zset.map_or(0, |zset| zset.score_range(options::bounds(&range)).len() as u64))
    }

    /// How many members are in a range, of a set whose scores are all the same. O(log n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zlexcount/>
    pub fn count_members<M: AsRef<[u8]>>(self, range: impl RangeBounds<M>) -> Result<u64> {
        let stretch = Stretch::members(range);
        self.view(|zset| zset.map_or(0, |zset| stretch.span().ranks(zset).len() as u64))
    }

    /// The members in a stretch. O(log n + members).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zrange/>
    pub fn range(self, stretch: Stretch) -> Result<Vec<Bytes>> {
        self.view(|zset| {
            zset.map(|zset| walk(zset, &stretch.span(), |(member, _)| copied(member))).unwrap_or_default()
        })
    }

    /// The members in a stretch with their scores. O(log n + members).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zrange/>
    pub fn range_with_scores(self, stretch: Stretch) -> Result<Vec<Scored>> {
        self.view(|zset| zset.map(|zset| walk(zset, &stretch.span(), scored)).unwrap_or_default())
    }

    /// Takes out the members in a stretch; how many. O(log n) for each.
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zremrangebyrank/>
    pub fn remove_range(self, stretch: Stretch) -> Result<u64> {
        self.db.write(self.key, 0, |keys, key| {
            let removed = keys.update_zset(key, |zset| {
                let ranks = stretch.span().ranks(zset.view());
                zset.remove_range(ranks)
            })?;
            let removed = removed.unwrap_or(0);
            if removed > 0 {
                keys.notify(Class::ZSet, stretch.removal(), key);
            }
            Ok(removed as u64)
        })
    }

    /// Puts the members in a stretch under another key, over whatever it holds, or removes that key where there are
    /// none; how many. O(log n + members).
    ///
    /// # Errors
    /// [`CommandError::WrongType`] for this key; a text error for a limit on ranks.
    ///
    /// Reference: <https://valkey.io/commands/zrangestore/>
    pub fn store_range(self, destination: impl AsRef<[u8]>, stretch: Stretch) -> Result<u64> {
        let words = stretch.words();
        let mut argv: Argv<'_> = Argv::from_slice(&[b"ZRANGESTORE", destination.as_ref(), self.key]);
        argv.extend(words.iter().map(Vec::as_slice));
        reply::count(self.db.run(&argv)?)
    }

    /// Takes the member with the lowest score. O(log n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zpopmin/>
    pub fn pop_min(self) -> Result<Option<Scored>> {
        Ok(self.pop(Extreme::Min, 1)?.pop())
    }

    /// Takes up to `count` members with the lowest scores, the lowest first. O(log n) for each.
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zpopmin/>
    pub fn pop_min_count(self, count: u64) -> Result<Vec<Scored>> {
        self.pop(Extreme::Min, count)
    }

    /// Takes the member with the highest score. O(log n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zpopmax/>
    pub fn pop_max(self) -> Result<Option<Scored>> {
        Ok(self.pop(Extreme::Max, 1)?.pop())
    }

    /// Takes up to `count` members with the highest scores, the highest first. O(log n) for each.
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zpopmax/>
    pub fn pop_max_count(self, count: u64) -> Result<Vec<Scored>> {
        self.pop(Extreme::Max, count)
    }

    fn pop(self, end: Extreme, count: u64) -> Result<Vec<Scored>> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.db.write(self.key, 0, |keys, key| {
            let popped = keys.update_zset(key, |zset| {
                let len = zset.view().len();
                let count = count.min(len);
                let (ranks, popped) = match end {
                    Extreme::Min => (0..count, zset.view().range(0..count).map(scored).collect()),
                    Extreme::Max => {
                        let ranks = len - count..len;
                        (ranks.clone(), zset.view().range_reverse(ranks).map(scored).collect())
                    }
                };
                zset.remove_range(ranks);
                popped
            })?;
            if popped.is_some() && count > 0 {
                let event = if end == Extreme::Min { "zpopmin" } else { "zpopmax" };
                keys.tell([event.as_bytes(), key.bytes, itoa::Buffer::new().format(count).as_bytes()]);
                keys.notify(Class::ZSet, event, key);
            }
            Ok(popped.unwrap_or_default())
        })
    }

    /// A random member, each being as likely. O(log n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zrandmember/>
    pub fn random(self) -> Result<Option<Bytes>> {
        reply::optional(self.db.run(&[b"ZRANDMEMBER", self.key])?, reply::string)
    }

    /// Up to `count` different random members with their scores, all choices being as likely. O(log n) for each.
    ///
    /// # Errors
    /// [`CommandError::WrongType`].
    ///
    /// Reference: <https://valkey.io/commands/zrandmember/>
    pub fn random_count(self, count: u64) -> Result<Vec<Scored>> {
        // No set has more members than that.
        let count = i64::try_from(count).unwrap_or(i64::MAX).min(i64::MAX / 2);
        self.draws(count)
    }

    /// `count` draws of a random member, in which one may come again, with scores; none from an empty set.
    /// O(log n) for each.
    ///
    /// # Errors
    /// [`CommandError::WrongType`], or [`CommandError::ValueOutOfRange`] where the result would outgrow
    /// `proto-max-bulk-len`.
    ///
    /// Reference: <https://valkey.io/commands/zrandmember/>
    pub fn random_draws(self, count: u64) -> Result<Vec<Scored>> {
        self.draws(-i64::try_from(count).unwrap_or(i64::MAX))
    }

    fn draws(self, count: i64) -> Result<Vec<Scored>> {
        let mut number = itoa::Buffer::new();
        let argv = [b"ZRANDMEMBER", self.key, number.format(count).as_bytes(), b"WITHSCORES"];
        scored_list(self.db.run(&argv)?)
    }

    /// Walks the members with their scores, a batch at a time, and lets others work in between. A member that is there
    /// from the first step to the last comes once.
    ///
    /// ```
    /// let db = damselfly::Damselfly::in_memory();
    /// let board = db.zset("board");
    /// board.add([(3.0, "ada"), (1.0, "bob")])?;
    /// let all = board.scan().matching("a*").collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(all, [("ada".into(), 3.0)]);
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// Reference: <https://valkey.io/commands/zscan/>
    pub fn scan(self) -> ZSetScan<'a> {
        ZSetScan { zset: self, pattern: None, batch: 64, position: Some(0), found: Vec::new() }
    }
}

/// Iterates over a sorted set's members; see [`ZSet::scan`].
#[derive(Clone, Debug)]
#[must_use = "a scan does nothing until it is iterated over"]
pub struct ZSetScan<'a> {
    zset: ZSet<'a>,
    pattern: Option<Vec<u8>>,
    batch: usize,
    /// Where the walk goes on; `None` at the end.
    position: Option<u32>,
    /// Members of the last batch, the next one last.
    found: Vec<Scored>,
}

impl ZSetScan<'_> {
    /// Only members that match this glob pattern.
    pub fn matching(mut self, pattern: impl AsRef<[u8]>) -> Self {
        self.pattern = Some(pattern.as_ref().to_vec());
        self
    }

    /// How many members a stay in the shard looks at, at least 1 and about 64 unless told.
    pub fn count(mut self, count: usize) -> Self {
        self.batch = count.max(1);
        self
    }

    /// Looks at one batch.
    fn advance(&mut self, position: u32) -> Result<()> {
        let (pattern, batch, found) = (self.pattern.as_deref(), self.batch, &mut self.found);
        self.position = self.zset.view(|zset| {
            zset?.scan(position, batch, |member, score| {
                if pattern.is_none_or(|pattern| glob::matches(pattern, member, false)) {
                    found.push((Bytes::copy_from_slice(member), score));
                }
            })
        })?;
        self.found.reverse();
        Ok(())
    }
}

impl Iterator for ZSetScan<'_> {
    type Item = Result<Scored>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(member) = self.found.pop() {
                return Some(Ok(member));
            }
            let position = self.position?;
            if let Err(error) = self.advance(position) {
                self.position = None;
                return Some(Err(error));
            }
        }
    }
}

/// Says what adding these did, for the journal.
#[cold]
fn tell_added(keys: &mut Keyspace<'_>, key: Key<'_>, pairs: &[(f64, &[u8])], rule: Rule) {
    let words = [(rule.nx, "NX"), (rule.xx, "XX"), (rule.gt, "GT"), (rule.lt, "LT"), (rule.incr, "INCR")];
    let words = words.iter().filter(|(is_set, _)| *is_set).map(|(_, word)| word.as_bytes());
    let scores: Vec<String> = pairs.iter().map(|(score, _)| format!("{score:?}")).collect();
    let pairs = scores.iter().zip(pairs).flat_map(|(score, (_, member))| [score.as_bytes(), *member]);
    keys.tell([&b"ZADD"[..], key.bytes].into_iter().chain(words).chain(pairs));
}

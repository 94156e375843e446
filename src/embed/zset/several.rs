//! What concerns several sorted sets, and how their replies read.

use super::super::{Argv, Bytes, Damselfly, Error, Result, collect, reply, slices};
use super::Scored;
use crate::reply::Reply;
use crate::value::zset::Aggregate;

/// An end of a sorted set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extreme {
    /// Where the lowest score is.
    Min,
    /// Where the highest score is.
    Max,
}

impl Extreme {
    pub(in crate::embed) fn word(self) -> &'static [u8] {
        match self {
            Self::Min => b"MIN",
            Self::Max => b"MAX",
        }
    }
}

/// How the scores of several sorted sets become one.
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct Weighing {
    weights: Vec<f64>,
    aggregate: Aggregate,
}

impl Weighing {
    /// All sets weigh the same, and scores are added up.
    pub fn new() -> Self {
        Self::default()
    }

    /// Multiplies the scores of each set by its weight: one for each key.
    pub fn weights(mut self, weights: impl IntoIterator<Item = f64>) -> Self {
        self.weights = weights.into_iter().collect();
        self
    }

    /// What becomes of the scores that a member has in several sets.
    pub fn aggregate(mut self, aggregate: Aggregate) -> Self {
        self.aggregate = aggregate;
        self
    }

    /// The options of a command.
    fn words(&self) -> Vec<Vec<u8>> {
        let mut words = Vec::new();
        if !self.weights.is_empty() {
            words.push(b"WEIGHTS".to_vec());
            words.extend(self.weights.iter().map(|weight| weight.to_string().into_bytes()));
        }
        let aggregate: &[u8] = match self.aggregate {
            Aggregate::Sum => return words,
            Aggregate::Min => b"MIN",
            Aggregate::Max => b"MAX",
        };
        words.extend([b"AGGREGATE".to_vec(), aggregate.to_vec()]);
        words
    }
}

/// Members and scores, as pairs or in turn.
pub(super) fn scored_list(reply: Reply) -> Result<Vec<Scored>> {
    reply::list(reply, |pair| reply::pair(pair, reply::string, reply::float))
}

/// A key, and members with scores.
pub(in crate::embed) fn key_and_scored(reply: Reply) -> Result<(Bytes, Vec<Scored>)> {
    reply::pair(reply, reply::string, scored_list)
}

/// A key, a member and its score.
pub(in crate::embed) fn key_member_score(reply: Reply) -> Result<(Bytes, Bytes, f64)> {
    let Reply::Array(items) = reply else { return Err(Error::UnexpectedReply(reply)) };
    match <[Reply; 3]>::try_from(items) {
        Ok([key, member, score]) => Ok((reply::string(key)?, reply::string(member)?, reply::float(score)?)),
        Err(items) => Err(Error::UnexpectedReply(Reply::Array(items))),
    }
}

/// Sorted sets, several at a time. Sets count as well: their members have the score 1.
impl Damselfly {
    /// Takes up to `count` members from an end of the first sorted set that there is; its key and the members.
    /// O(keys + members × log n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType); a text error for a count of 0.
    ///
    /// Reference: <https://valkey.io/commands/zmpop/>
    pub fn zmpop<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        end: Extreme,
        count: u64,
    ) -> Result<Option<(Bytes, Vec<Scored>)>> {
        let keys = collect(keys);
        let (mut number, mut pops) = (itoa::Buffer::new(), itoa::Buffer::new());
        let mut argv: Argv<'_> = Argv::from_slice(&[b"ZMPOP", number.format(keys.len()).as_bytes()]);
        argv.extend(keys.iter().map(AsRef::as_ref));
        argv.extend([end.word(), b"COUNT", pops.format(count.min(i64::MAX as u64)).as_bytes()]);
        reply::optional(self.run(&argv)?, key_and_scored)
    }

    /// The members of any of the sets. O(n log n) in all their members.
    ///
    /// ```
    /// use damselfly::embed::{Aggregate, Weighing};
    ///
    /// let db = damselfly::Damselfly::in_memory();
    /// db.zset("monday").add([(3.0, "ada"), (1.0, "bob")])?;
    /// db.zset("tuesday").add([(2.0, "bob")])?;
    /// let both = db.zunion(["monday", "tuesday"], Weighing::new().weights([1.0, 10.0]))?;
    /// assert_eq!(both, [("ada".into(), 3.0), ("bob".into(), 21.0)]);
    /// let best = db.zunion(["monday", "tuesday"], Weighing::new().aggregate(Aggregate::Max))?;
    /// assert_eq!(best, [("bob".into(), 2.0), ("ada".into(), 3.0)]);
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType) for any key; text errors without keys, and for weights that are NaN or not one for
    /// each key.
    ///
    /// Reference: <https://valkey.io/commands/zunion/>
    pub fn zunion<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        weighing: Weighing,
    ) -> Result<Vec<Scored>> {
        scored_list(self.combine(b"ZUNION", None, &slices(&collect(keys)), &weighing.words(), true)?)
    }

    /// The members that all the sets have. O(members of the smallest × sets).
    ///
    /// # Errors
    /// As [`zunion`](Self::zunion).
    ///
    /// Reference: <https://valkey.io/commands/zinter/>
    pub fn zinter<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        weighing: Weighing,
    ) -> Result<Vec<Scored>> {
        scored_list(self.combine(b"ZINTER", None, &slices(&collect(keys)), &weighing.words(), true)?)
    }

    /// The members that only the first set has. O(members of the first × sets).
    ///
    /// # Errors
    /// As [`zunion`](Self::zunion).
    ///
    /// Reference: <https://valkey.io/commands/zdiff/>
    pub fn zdiff<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<Scored>> {
        scored_list(self.combine(b"ZDIFF", None, &slices(&collect(keys)), &[], true)?)
    }

    /// Puts the [union](Self::zunion) under a key, over whatever it holds; how many members.
    ///
    /// # Errors
    /// As [`zunion`](Self::zunion).
    ///
    /// Reference: <https://valkey.io/commands/zunionstore/>
    pub fn zunionstore<K: AsRef<[u8]>>(
        &self,
        destination: impl AsRef<[u8]>,
        keys: impl IntoIterator<Item = K>,
        weighing: Weighing,
    ) -> Result<u64> {
        let (destination, keys) = (Some(destination.as_ref()), collect(keys));
        reply::count(self.combine(b"ZUNIONSTORE", destination, &slices(&keys), &weighing.words(), false)?)
    }

    /// Puts the [intersection](Self::zinter) under a key, over whatever it holds; how many members.
    ///
    /// # Errors
    /// As [`zunion`](Self::zunion).
    ///
    /// Reference: <https://valkey.io/commands/zinterstore/>
    pub fn zinterstore<K: AsRef<[u8]>>(
        &self,
        destination: impl AsRef<[u8]>,
        keys: impl IntoIterator<Item = K>,
        weighing: Weighing,
    ) -> Result<u64> {
        let (destination, keys) = (Some(destination.as_ref()), collect(keys));
        reply::count(self.combine(b"ZINTERSTORE", destination, &slices(&keys), &weighing.words(), false)?)
    }

    /// Puts the [difference](Self::zdiff) under a key, over whatever it holds; how many members.
    ///
    /// # Errors
    /// As [`zunion`](Self::zunion).
    ///
    /// Reference: <https://valkey.io/commands/zdiffstore/>
    pub fn zdiffstore<K: AsRef<[u8]>>(
        &self,
        destination: impl AsRef<[u8]>,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<u64> {
        let (destination, keys) = (Some(destination.as_ref()), collect(keys));
        reply::count(self.combine(b"ZDIFFSTORE", destination, &slices(&keys), &[], false)?)
    }

    /// How many members all the sets have; counting ends at `limit`. O(members of the smallest × sets).
    ///
    /// # Errors
    /// As [`zunion`](Self::zunion).
    ///
    /// Reference: <https://valkey.io/commands/zintercard/>
    pub fn zintercard<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        limit: Option<u64>,
    ) -> Result<u64> {
        if limit == Some(0) {
            // The command takes this for no limit at all.
            return Ok(0);
        }
        let limit = limit.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX).to_string().into_bytes());
        let options: Vec<Vec<u8>> = limit.map(|limit| vec![b"LIMIT".to_vec(), limit]).unwrap_or_default();
        reply::count(self.combine(b"ZINTERCARD", None, &slices(&collect(keys)), &options, false)?)
    }

    fn combine(
        &self,
        name: &[u8],
        destination: Option<&[u8]>,
        keys: &[&[u8]],
        options: &[Vec<u8>],
        with_scores: bool,
    ) -> Result<Reply> {
        let mut number = itoa::Buffer::new();
        let mut argv: Argv<'_> = Argv::from_slice(&[name]);
        argv.extend(destination);
        argv.push(number.format(keys.len()).as_bytes());
        argv.extend_from_slice(keys);
        argv.extend(options.iter().map(Vec::as_slice));
        if with_scores {
            argv.push(b"WITHSCORES");
        }
        self.run(&argv)
    }
}

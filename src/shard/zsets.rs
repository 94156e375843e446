//! Sorted sets under their keys: packed in the entry while small, an object beyond.

use super::collection::{Change, Place, Prepared, Stored};
use super::db::{InlineValue, Object};
use super::entry::{INLINE_BYTES_MAX, Kind, Type};
use super::events::Class;
use super::keyspace::{Key, Keyspace, Value, WrongType};
use super::{PackedLimit, ShardSettings};
use crate::value::dict::Seed;
use crate::value::listpack::{Buffer, Needle};
use crate::value::set::SetRef;
use crate::value::zset::{self, Add, Limit, Packed, Rule, Sorted, ZSet, ZSetMut, ZSetRef};

/// What became of pairs that were added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Added {
    /// How many members are new.
    pub added: u64,
    /// How many have another score.
    pub updated: u64,
    /// What became of the last one. Behind [`Add::NotANumber`] nothing is added.
    pub last: Add,
}

/// A set or a sorted set, as the commands on several of them read either.
#[derive(Clone, Copy, Debug)]
pub enum Scored<'a> {
    /// There is none.
    Absent,
    /// A sorted set.
    ZSet(ZSetRef<'a>),
    /// A set, whose members all have the score 1.
    Set(SetRef<'a>),
}

impl<'a> Scored<'a> {
    /// How many members it has. O(1).
    #[must_use]
    pub fn len(self) -> usize {
        match self {
            Self::Absent => 0,
            Self::ZSet(zset) => zset.len(),
            Self::Set(set) => set.len(),
        }
    }

    /// Whether it has none. O(1).
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// A member's score, which is 1 in a set. As fast as the set finds members.
    #[must_use]
    pub fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Absent => None,
            Self::ZSet(zset) => zset.score(member),
            Self::Set(set) => set.contains(&Needle::new(member)).then_some(1.0),
        }
    }

    /// Visits all members with their scores: in order those of a sorted set, in none those of a set. O(n).
    pub fn for_each(self, mut f: impl FnMut(&[u8], f64)) {
        match self {
            Self::Absent => {}
            Self::ZSet(zset) => {
                zset.iter().for_each(|(member, score)| member.with_bytes(|bytes| f(bytes, score)));
            }
            Self::Set(set) => set.iter().for_each(|member| member.with_bytes(|bytes| f(bytes, 1.0))),
        }
    }
}

fn limit(settings: &ShardSettings) -> Limit {
    let PackedLimit { entries_max, bytes_max } = settings.zset_packed;
    Limit { entries_max, member_bytes_max: bytes_max }
}

fn zset_of<'a>(stored: Stored<'a>) -> Result<Option<ZSetRef<'a>>, WrongType> {
    match stored {
        Stored::Absent => Ok(None),
        Stored::Packed(_, bytes) => Ok(Some(ZSetRef::Packed(bytes))),
        Stored::Object(Object::ZSet(zset)) => Ok(Some(zset.view())),
        Stored::Object(_) => Err(WrongType),
    }
}

impl Keyspace<'_> {
    /// A key's sorted set, to be read. O(1).
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    #[inline]
    pub fn zset(&mut self, key: Key<'_>) -> Result<Option<ZSetRef<'_>>, WrongType> {
        zset_of(self.read_as(key, Type::ZSet)?)
    }

    /// The same for a command that writes: counts no hit.
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    pub fn zset_to_write(&mut self, key: Key<'_>) -> Result<Option<ZSetRef<'_>>, WrongType> {
        zset_of(self.peek_as(key, Type::ZSet)?)
    }

    /// A key's set or sorted set, to be read for the first time if `count` says so: then it counts as a hit or a miss.
    /// O(1).
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    pub fn scored(&mut self, key: Key<'_>, count: bool) -> Result<Scored<'_>, WrongType> {
        // One look to know its type, which counts nothing, and one that counts.
        if self.type_of(key) == Some(Type::Set) {
            let set = if count { self.set(key)? } else { self.peek_set(key)? };
            return Ok(set.map_or(Scored::Absent, Scored::Set));
        }
        let zset = if count { self.zset(key)? } else { self.zset_to_write(key)? };
        Ok(zset.map_or(Scored::Absent, Scored::ZSet))
    }

    /// Adds pairs to a key's sorted set, or changes their scores, one after another as the rule allows. The set is made
    /// where there is none, unless the rule is to add nothing. O(log n) for each.
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    #[inline]
    pub fn zset_add(&mut self, key: Key<'_>, pairs: &[(f64, &[u8])], rule: Rule) -> Result<Added, WrongType> {
        let (limit, seed) = (limit(&self.shard.settings), self.shard.settings.dict_seed);
        let mut result = Added { added: 0, updated: 0, last: Add::Refused };
        let mut rest = pairs.iter();
        // What does not fit the entry is left for the second time, when the set is no longer there.
        for outgrown in [false, true] {
            let updated = self.update(
                key,
                Type::ZSet,
                |stored, _| prepare(stored, pairs, rule, outgrown, limit, seed),
                |place| ((), add(place, &mut rest, pairs.len(), rule, limit, seed, &mut result)),
            )?;
            if rest.len() == 0 || updated.is_none() {
                break;
            }
        }
        if result.added + result.updated > 0 {
            self.notify(Class::ZSet, if rule.incr { "zincr" } else { "zadd" }, key);
        }
        Ok(result)
    }

    /// Lets `f` take members out of a key's sorted set; `None` without the key. Each counts as a change, and a set that
    /// is empty then is removed.
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    pub fn update_zset<R>(
        &mut self,
        key: Key<'_>,
        f: impl FnOnce(&mut ZSetMut<'_, &mut InlineValue<'_>>) -> R,
    ) -> Result<Option<R>, WrongType> {
        self.update(
            key,
            Type::ZSet,
            |_, _| Prepared::AsItIs,
            |place| {
                let mut zset = match place {
                    Place::Packed(_, value) => ZSetMut::Packed(Packed::new(value)),
                    Place::Object(Object::ZSet(zset)) => ZSetMut::Object(zset),
                    Place::Object(_) => unreachable!("the entry's kind names its object"),
                };
                let before = zset.view().len();
                let result = f(&mut zset);
                let after = zset.view().len();
                (result, Change { dirty: (before - after) as u64, emptied: after == 0, filled: false })
            },
        )
    }

    /// Makes a key's sorted set what Redis makes of one that is sorted: a listpack no longer, for good, though nothing
    /// has changed. O(n) the first time.
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    pub fn call_skiplist(&mut self, key: Key<'_>) -> Result<(), WrongType> {
        let (limit, seed) = (limit(&self.shard.settings), self.shard.settings.dict_seed);
        self.update(
            key,
            Type::ZSet,
            |stored, _| match stored {
                Stored::Packed(_, bytes) => {
                    let mut zset = ZSet::from_packed(bytes.to_vec());
                    zset.expect(usize::MAX, limit, seed);
                    Prepared::Object(Object::ZSet(Box::new(zset)))
                }
                Stored::Absent | Stored::Object(_) => Prepared::AsItIs,
            },
            |place| {
                if let Place::Object(Object::ZSet(zset)) = place {
                    zset.expect(usize::MAX, limit, seed);
                }
                ((), Change { dirty: 0, emptied: false, filled: false })
            },
        )?;
        Ok(())
    }

    /// Puts a sorted set of pairs under a key, over whatever it holds, which is told as `event`; without any pairs the key
    /// is removed. O(pairs).
    pub fn put_zset(&mut self, key: Key<'_>, pairs: &Sorted, event: &'static str) {
        if pairs.is_empty() {
            self.delete(key);
            return;
        }
        let value = Value::of_zset(pairs, &self.shard.settings);
        self.put(key, value);
        self.notify(Class::ZSet, event, key);
    }
}

impl Keyspace<'_> {
    /// The same for what a search found, where each member counts as a change. O(pairs).
    pub fn put_found(&mut self, key: Key<'_>, pairs: &Sorted, event: &'static str) {
        self.put_zset(key, pairs, event);
        let more = pairs.iter().len().saturating_sub(1);
        if more > 0 {
            self.changed(key, more as u64);
        }
    }
}

impl Value {
    /// A sorted set of pairs, of which there are some, in the form that the settings say. O(pairs).
    pub(super) fn of_zset(pairs: &Sorted, settings: &ShardSettings) -> Self {
        let zset = ZSet::from_sorted(pairs.iter(), limit(settings), settings.dict_seed);
        match zset.packed() {
            Some(bytes) if bytes.len() <= INLINE_BYTES_MAX => Value::inline(Kind::PackedZSet, bytes.to_vec()),
            _ => Value::object(Object::ZSet(Box::new(zset))),
        }
    }
}

/// The form in which a set can take `pairs`.
fn prepare(
    stored: Stored<'_>,
    pairs: &[(f64, &[u8])],
    rule: Rule,
    outgrown: bool,
    limit: Limit,
    seed: Seed,
) -> Prepared {
    let object = |zset| Prepared::Object(Object::ZSet(Box::new(zset)));
    match stored {
        Stored::Absent => match pairs.first() {
            None => Prepared::AsItIs,
            Some(_) if rule.xx => Prepared::AsItIs,
            // Redis looks at the first member and at the number of pairs.
            Some((_, member)) if !limit.holds(pairs.len(), member.len()) => object(ZSet::large(seed)),
            // The first one must fit, or there would be an empty set.
            Some((_, member)) if zset::bytes_max([*member]) + 2 > INLINE_BYTES_MAX => {
                object(ZSet::from_packed(Vec::new()))
            }
            Some(_) => Prepared::Packed(Kind::PackedZSet, Vec::new()),
        },
        Stored::Packed(_, bytes) if outgrown || pairs.len() > limit.entries_max => {
            object(ZSet::from_packed(bytes.to_vec()))
        }
        Stored::Packed(..) | Stored::Object(_) => Prepared::AsItIs,
    }
}

/// Adds the `rest` of the `all` pairs of a command, as long as they fit where the set is.
fn add<'p>(
    place: &mut Place<'_>,
    rest: &mut (impl Iterator<Item = &'p (f64, &'p [u8])> + Clone),
    all: usize,
    rule: Rule,
    limit: Limit,
    seed: Seed,
    result: &mut Added,
) -> Change {
    let before = result.added;
    let mut dirty = 0;
    if let Place::Object(Object::ZSet(zset)) = place {
        zset.expect(all, limit, seed);
    }
    loop {
        let mut ahead = rest.clone();
        let Some(&(score, member)) = ahead.next() else { break };
        let added = match place {
            Place::Packed(_, value) => {
                match Packed::new(&mut *value).add(member, score, rule, limit, INLINE_BYTES_MAX) {
                    Ok(added) => added,
                    Err(zset::Full) => break,
                }
            }
            Place::Object(Object::ZSet(zset)) => zset.add(member, score, rule, limit, seed),
            Place::Object(_) => unreachable!("the entry's kind names its object"),
        };
        *rest = ahead;
        result.last = added;
        match added {
            Add::Added(_) => result.added += 1,
            Add::Updated(_) => result.updated += 1,
            Add::Refused | Add::Same(_) => continue,
            Add::NotANumber => {
                rest.by_ref().for_each(drop);
                break;
            }
        }
        dirty += 1;
    }
    let emptied = match place {
        Place::Packed(_, value) => value.bytes().len() <= 2,
        Place::Object(_) => false,
    };
    Change { dirty, emptied, filled: result.added > before }
}

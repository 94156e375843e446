//! Sets: [`Set`] for one of them, and what concerns several on [`Damselfly`].

use super::{Argv, Bytes, Damselfly, Result, collect, reply, slices};
use crate::glob;
use crate::value::listpack::{Element, Needle};

/// A key's set, wherever the key stands: [`Damselfly::set_of`] gives one, and nothing is looked up before a method is
/// called. A set exists while it has members.
///
/// ```
/// let db = damselfly::Damselfly::in_memory();
/// let tags = db.set_of("tags");
/// assert_eq!(tags.add(["red", "blue"])?, 2);
/// assert!(!tags.insert("red")?);
/// assert!(tags.contains("red")?);
/// assert_eq!(tags.len()?, 2);
/// # Ok::<(), damselfly::embed::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a handle does nothing until a method is called"]
pub struct Set<'a> {
    db: &'a Damselfly,
    key: &'a [u8],
}

impl Damselfly {
    /// The set under a key.
    pub fn set_of<'a, K: AsRef<[u8]> + ?Sized>(&'a self, key: &'a K) -> Set<'a> {
        Set { db: self, key: key.as_ref() }
    }
}

fn copied(member: Element<'_>) -> Bytes {
    member.with_bytes(Bytes::copy_from_slice)
}

impl<'a> Set<'a> {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &'a [u8] {
        self.key
    }

    /// Adds members; how many were new. O(members).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/sadd/>
    #[inline]
    pub fn add<M: AsRef<[u8]>>(&self, members: impl IntoIterator<Item = M>) -> Result<u64> {
        let members = collect(members);
        self.add_all(&slices(&members))
    }

    /// Adds one member; whether it was new. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/sadd/>
    #[inline]
    pub fn insert(&self, member: impl AsRef<[u8]>) -> Result<bool> {
        Ok(self.add_all(&[member.as_ref()])? > 0)
    }

    #[inline]
    fn add_all(&self, members: &[&[u8]]) -> Result<u64> {
        let longest = members.iter().map(|member| member.len()).max().unwrap_or(0);
        self.db.write(self.key, longest, |keys, key| {
            let added = keys.add_to_set(key, members)?;
            keys.tell([&b"SADD"[..], key.bytes].into_iter().chain(members.iter().copied()));
            Ok(added as u64)
        })
    }

    /// Takes members out; how many were there. O(members).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/srem/>
    pub fn remove<M: AsRef<[u8]>>(&self, members: impl IntoIterator<Item = M>) -> Result<u64> {
        let members = collect(members);
        let members = slices(&members);
        self.db.write(self.key, 0, |keys, key| {
            let removed = keys.remove_from_set(key, &members)?;
            keys.tell([&b"SREM"[..], key.bytes].into_iter().chain(members.iter().copied()));
            Ok(removed as u64)
        })
    }

    /// All members. O(n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/smembers/>
    pub fn members(&self) -> Result<Vec<Bytes>> {
        self.db.read(self.key, |keys, key| {
            Ok(keys.set(key)?.map(|set| set.iter().map(copied).collect()).unwrap_or_default())
        })
    }

    /// Whether something is a member. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/sismember/>
    #[inline]
    pub fn contains(&self, member: impl AsRef<[u8]>) -> Result<bool> {
        let member = Needle::new(member.as_ref());
        self.db.read(self.key, |keys, key| Ok(keys.set(key)?.is_some_and(|set| set.contains(&member))))
    }

    /// Whether each of several things is a member, at one moment. O(members).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/smismember/>
    pub fn contains_each<M: AsRef<[u8]>>(&self, members: impl IntoIterator<Item = M>) -> Result<Vec<bool>> {
        let members = collect(members);
        self.db.read(self.key, |keys, key| {
            let set = keys.set(key)?;
            let found = |member: &M| set.is_some_and(|set| set.contains(&Needle::new(member.as_ref())));
            Ok(members.iter().map(found).collect())
        })
    }

    /// How many members there are. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/scard/>
    #[inline]
    pub fn len(&self) -> Result<u64> {
        self.db.read(self.key, |keys, key| Ok(keys.set(key)?.map_or(0, |set| set.len() as u64)))
    }

    /// Whether there is none, and so no key. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/scard/>
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Moves a member to another set; whether it was there. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType) for either key.
    ///
    /// Reference: <https://valkey.io/commands/smove/>
    pub fn move_to(&self, destination: impl AsRef<[u8]>, member: impl AsRef<[u8]>) -> Result<bool> {
        reply::flag(self.db.run(&[b"SMOVE", self.key, destination.as_ref(), member.as_ref()])?)
    }

    /// Takes a random member, each being as likely. Expected O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/spop/>
    #[inline]
    pub fn pop(&self) -> Result<Option<Bytes>> {
        self.db.write(self.key, 0, |keys, key| Ok(keys.pop_from_set(key, copied)?))
    }

    /// Takes up to `count` random members, all choices being as likely. O(members taken).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/spop/>
    pub fn pop_count(&self, count: u64) -> Result<Vec<Bytes>> {
        self.db.write(self.key, 0, |keys, key| {
            let mut popped = Vec::new();
            if count > 0 {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                keys.pop_some_from_set(key, count, |member| popped.push(copied(member)))?;
            }
            Ok(popped)
        })
    }

    /// A random member, each being as likely. Expected O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/srandmember/>
    pub fn random(&self) -> Result<Option<Bytes>> {
        self.db.read(self.key, |keys, key| {
            let mut random = keys.random_choices();
            Ok(keys.set(key)?.and_then(|set| set.random(&mut random)).map(copied))
        })
    }

    /// Up to `count` different random members, all choices being as likely. O(members given).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/srandmember/>
    pub fn random_count(&self, count: u64) -> Result<Vec<Bytes>> {
        self.db.read(self.key, |keys, key| {
            let (mut random, mut found) = (keys.random_choices(), Vec::new());
            if let Some(set) = keys.set(key)? {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                set.sample(count, &mut random, |member| found.push(copied(member)));
            }
            Ok(found)
        })
    }

    /// `count` draws of a random member, in which one may come again; none from an empty set. O(count).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType), or
    /// [`CommandError::ValueOutOfRange`](crate::command::error::CommandError::ValueOutOfRange) where the result would
    /// outgrow `proto-max-bulk-len`.
    ///
    /// Reference: <https://valkey.io/commands/srandmember/>
    pub fn random_draws(&self, count: u64) -> Result<Vec<Bytes>> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let mut number = itoa::Buffer::new();
        reply::strings(self.db.run(&[b"SRANDMEMBER", self.key, number.format(-count).as_bytes()])?)
    }

    /// Walks the members, a batch at a time, and lets others work in between. A member that is there from the first
    /// step to the last comes once.
    ///
    /// ```
    /// let db = damselfly::Damselfly::in_memory();
    /// let tags = db.set_of("tags");
    /// tags.add(["red", "green", "blue"])?;
    /// let with_e = tags.scan().matching("*e*").collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(with_e.len(), 3);
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// Reference: <https://valkey.io/commands/sscan/>
    pub fn scan(&self) -> SetScan<'a> {
        SetScan { set: *self, pattern: None, batch: 64, cursor: Some(0), found: Vec::new() }
    }
}

/// Iterates over a set's members; see [`Set::scan`].
#[derive(Clone, Debug)]
#[must_use = "a scan does nothing until it is iterated over"]
pub struct SetScan<'a> {
    set: Set<'a>,
    pattern: Option<Vec<u8>>,
    batch: usize,
    /// Where the walk goes on; `None` at the end.
    cursor: Option<u64>,
    /// Members of the last batch, the next one last.
    found: Vec<Bytes>,
}

impl SetScan<'_> {
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
    fn advance(&mut self, cursor: u64) -> Result<()> {
        let (set, pattern, batch, found) = (self.set, self.pattern.as_deref(), self.batch, &mut self.found);
        let next = set.db.read(set.key, |keys, key| {
            let Some(set) = keys.set(key)? else { return Ok(0) };
            Ok(set.scan(cursor, batch, |member| {
                if pattern
                    .is_none_or(|pattern| member.with_bytes(|bytes| glob::matches(pattern, bytes, false)))
                {
                    found.push(copied(member));
                }
            }))
        })?;
        self.found.reverse();
        self.cursor = Some(next).filter(|&next| next != 0);
        Ok(())
    }
}

impl Iterator for SetScan<'_> {
    type Item = Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(member) = self.found.pop() {
                return Some(Ok(member));
            }
            let cursor = self.cursor?;
            if let Err(error) = self.advance(cursor) {
                self.cursor = None;
                return Some(Err(error));
            }
        }
    }
}

impl Damselfly {
    /// The members that are in all of the sets. O(members of the smallest set × sets).
    ///
    /// ```
    /// let db = damselfly::Damselfly::in_memory();
    /// db.set_of("ada").add(["chess", "math", "music"])?;
    /// db.set_of("bob").add(["music", "math"])?;
    /// let mut common = db.sinter(["ada", "bob"])?;
    /// common.sort();
    /// assert_eq!(common, ["math", "music"]);
    /// assert_eq!(db.sintercard(["ada", "bob"], None)?, 2);
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType) for any key;
    /// [`CommandError::WrongArity`](crate::command::error::CommandError::WrongArity) without any.
    ///
    /// Reference: <https://valkey.io/commands/sinter/>
    pub fn sinter<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<Bytes>> {
        reply::strings(self.run_on(b"SINTER", &collect(keys), &[])?)
    }

    /// Stores the members that are in all of the sets under a key, over whatever it holds; how many there are.
    /// O(members of the smallest set × sets).
    ///
    /// # Errors
    /// As [`sinter`](Self::sinter).
    ///
    /// Reference: <https://valkey.io/commands/sinterstore/>
    pub fn sinterstore<K: AsRef<[u8]>>(
        &self,
        destination: impl AsRef<[u8]>,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<u64> {
        self.store_set_of(b"SINTERSTORE", destination.as_ref(), &slices(&collect(keys)))
    }

    /// How many members are in all of the sets; counting ends at `limit`. O(members of the smallest set × sets).
    ///
    /// # Errors
    /// As [`sinter`](Self::sinter); a text error without any key.
    ///
    /// Reference: <https://valkey.io/commands/sintercard/>
    pub fn sintercard<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        limit: Option<u64>,
    ) -> Result<u64> {
        if limit == Some(0) {
            // The command takes this for no limit at all.
            return Ok(0);
        }
        let keys = collect(keys);
        let (mut number, mut most) = (itoa::Buffer::new(), itoa::Buffer::new());
        let mut argv: Argv<'_> = Argv::from_slice(&[b"SINTERCARD", number.format(keys.len()).as_bytes()]);
        argv.extend(keys.iter().map(AsRef::as_ref));
        if let Some(limit) = limit {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            argv.extend([&b"LIMIT"[..], most.format(limit).as_bytes()]);
        }
        reply::count(self.run(&argv)?)
    }

    /// The members that are in any of the sets. O(members of all sets).
    ///
    /// # Errors
    /// As [`sinter`](Self::sinter).
    ///
    /// Reference: <https://valkey.io/commands/sunion/>
    pub fn sunion<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<Bytes>> {
        reply::strings(self.run_on(b"SUNION", &collect(keys), &[])?)
    }

    /// Stores the members that are in any of the sets under a key, over whatever it holds; how many there are.
    /// O(members of all sets).
    ///
    /// # Errors
    /// As [`sinter`](Self::sinter).
    ///
    /// Reference: <https://valkey.io/commands/sunionstore/>
    pub fn sunionstore<K: AsRef<[u8]>>(
        &self,
        destination: impl AsRef<[u8]>,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<u64> {
        self.store_set_of(b"SUNIONSTORE", destination.as_ref(), &slices(&collect(keys)))
    }

    /// The members of the first set that are in none of the others. O(members of all sets).
    ///
    /// # Errors
    /// As [`sinter`](Self::sinter).
    ///
    /// Reference: <https://valkey.io/commands/sdiff/>
    pub fn sdiff<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<Bytes>> {
        reply::strings(self.run_on(b"SDIFF", &collect(keys), &[])?)
    }

    /// Stores the members of the first set that are in none of the others under a key, over whatever it holds; how many
    /// there are. O(members of all sets).
    ///
    /// # Errors
    /// As [`sinter`](Self::sinter).
    ///
    /// Reference: <https://valkey.io/commands/sdiffstore/>
    pub fn sdiffstore<K: AsRef<[u8]>>(
        &self,
        destination: impl AsRef<[u8]>,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<u64> {
        self.store_set_of(b"SDIFFSTORE", destination.as_ref(), &slices(&collect(keys)))
    }

    fn store_set_of(&self, name: &[u8], destination: &[u8], keys: &[&[u8]]) -> Result<u64> {
        reply::count(self.run_on(name, &[destination], keys)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::error::CommandError;
    use crate::embed::Error;

    fn sorted(members: Result<Vec<Bytes>>) -> Vec<Bytes> {
        let mut members = members.expect("the keys hold sets");
        members.sort();
        members
    }

    #[test]
    fn a_handle_means_what_the_commands_mean() -> Result<()> {
        let db = Damselfly::in_memory();
        let set = db.set_of("s");
        assert!(set.is_empty()? && set.pop()?.is_none() && set.random()?.is_none());
        assert_eq!(set.add(["1", "2", "2"])?, 2);
        assert_eq!(set.add(Vec::<&str>::new())?, 0, "nothing makes no set");
        assert!(set.insert("x")? && !set.insert("x")?);
        assert_eq!((set.len()?, set.key()), (3, &b"s"[..]));
        assert!(set.contains("1")? && !set.contains("3")?);
        assert_eq!(set.contains_each(["x", "y"])?, [true, false]);
        assert_eq!(set.members()?, ["1", "2", "x"]);
        assert_eq!(set.remove(["1", "none"])?, 1);
        assert!(set.move_to("t", "x")? && !set.move_to("t", "x")?);
        assert_eq!(db.set_of("t").members()?, ["x"]);
        assert_eq!(set.random()?.as_deref(), Some(&b"2"[..]));
        assert_eq!(set.random_count(9)?, ["2"]);
        assert_eq!(set.random_draws(2)?, ["2", "2"]);
        assert_eq!(set.pop_count(0)?, Vec::<Bytes>::new());
        assert_eq!(set.pop()?.as_deref(), Some(&b"2"[..]));
        assert!(!db.exists("s")?);
        Ok(())
    }

    #[test]
    fn several_sets_are_read_and_stored_at_one_moment() -> Result<()> {
        let db = Damselfly::in_memory();
        db.set_of("a").add(["1", "2", "3"])?;
        db.set_of("b").add(["2", "3", "x"])?;
        assert_eq!(sorted(db.sinter(["a", "b"])), ["2", "3"]);
        assert_eq!(sorted(db.sunion(["a", "b"])), ["1", "2", "3", "x"]);
        assert_eq!(sorted(db.sdiff(["a", "b"])), ["1"]);
        assert_eq!(db.sintercard(["a", "b"], Some(1))?, 1);
        assert_eq!(db.sintercard(["a", "b"], Some(0))?, 0);
        assert_eq!(db.sinterstore("d", ["a", "b"])?, 2);
        assert_eq!(db.sunionstore("d", ["a", "b"])?, 4);
        assert_eq!(db.sdiffstore("d", ["a", "b"])?, 1);
        assert_eq!(db.set_of("d").members()?, ["1"]);
        db.set("text", "x")?;
        assert!(matches!(db.sinter(["a", "text"]), Err(Error::Command(CommandError::WrongType))));
        assert!(matches!(db.set_of("text").len(), Err(Error::Command(CommandError::WrongType))));
        Ok(())
    }

    #[test]
    fn a_scan_goes_through_a_large_set_once() -> Result<()> {
        let db = Damselfly::in_memory();
        let set = db.set_of("large");
        set.add((0..5000).map(|number| format!("member:{number}")))?;
        let all = set.scan().count(7).collect::<Result<Vec<_>>>()?;
        assert_eq!(all.len(), 5000);
        assert_eq!(sorted(Ok(all)), sorted(set.members()));
        let some = set.scan().matching("*:77?").count(100).collect::<Result<Vec<_>>>()?;
        assert_eq!(some.len(), 10);
        assert_eq!(set.pop_count(4990)?.len(), 4990);
        assert_eq!(set.len()?, 10);
        Ok(())
    }
}

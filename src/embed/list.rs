//! Lists. Calls that wait stand in `blocking.rs`.

use super::{Argv, Bytes, Damselfly, Result, collect, reply, slices};
use crate::reply::Reply;
use crate::shard::{Class, Inserted};
use crate::value::list::Side;

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where the first element is.
    Left,
    /// Where the last element is.
    Right,
}

impl End {
    pub(super) fn word(self) -> &'static [u8] {
        match self {
            End::Left => b"LEFT",
            End::Right => b"RIGHT",
        }
    }
}

/// Where an element is inserted, relative to another one.
pub type Position = Side;

/// How [`Damselfly::lpos_all`] looks for an element.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Positions {
    rank: Option<i64>,
    count: u64,
    max_len: u64,
}

impl Positions {
    /// All of them, from the first element on.
    pub fn new() -> Self {
        Self::default()
    }

    /// From the n-th match on; from the end where it is negative.
    pub fn rank(mut self, rank: i64) -> Self {
        self.rank = Some(rank);
        self
    }

    /// At most so many; 0 for all.
    pub fn count(mut self, count: u64) -> Self {
        self.count = count;
        self
    }

    /// Compares with at most so many elements; 0 for all.
    pub fn max_len(mut self, max_len: u64) -> Self {
        self.max_len = max_len;
        self
    }
}

impl Damselfly {
    /// Adds elements at the left end, one after another; the new length. O(elements).
    ///
    /// ```
    /// let db = damselfly::Damselfly::in_memory();
    /// assert_eq!(db.lpush("l", ["a", "b"])?, 2);
    /// assert_eq!(db.lrange("l", 0, -1)?, ["b", "a"]);
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/lpush/>
    #[inline]
    pub fn lpush<V: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        values: impl IntoIterator<Item = V>,
    ) -> Result<u64> {
        self.add(key.as_ref(), &slices(&collect(values)), Inserted::Always, End::Left)
    }

    /// Adds elements at the right end, one after another; the new length. O(elements).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/rpush/>
    #[inline]
    pub fn rpush<V: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        values: impl IntoIterator<Item = V>,
    ) -> Result<u64> {
        self.add(key.as_ref(), &slices(&collect(values)), Inserted::Always, End::Right)
    }

    /// Adds elements at the left end of a list that exists; the new length, 0 without the key. O(elements).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/lpushx/>
    pub fn lpushx<V: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        values: impl IntoIterator<Item = V>,
    ) -> Result<u64> {
        self.add(key.as_ref(), &slices(&collect(values)), Inserted::Never, End::Left)
    }

    /// Adds elements at the right end of a list that exists; the new length, 0 without the key. O(elements).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/rpushx/>
    pub fn rpushx<V: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        values: impl IntoIterator<Item = V>,
    ) -> Result<u64> {
        self.add(key.as_ref(), &slices(&collect(values)), Inserted::Never, End::Right)
    }

    fn add(&self, key: &[u8], values: &[&[u8]], insert: Inserted, end: End) -> Result<u64> {
        // No values make no list.
        let insert = if values.is_empty() { Inserted::Never } else { insert };
        let longest = values.iter().map(|value| value.len()).max().unwrap_or(0);
        self.write(key, longest, |keys, key| {
            let len = keys.update_list(key, values, insert, |list| {
                match end {
                    End::Left => list.extend_front(values.iter().copied()),
                    End::Right => list.extend_back(values.iter().copied()),
                }
                list.len()
            })?;
            if len.is_some() && !values.is_empty() {
                let event = if end == End::Left { "lpush" } else { "rpush" };
                keys.tell([event.as_bytes(), key.bytes].into_iter().chain(values.iter().copied()));
                keys.notify(Class::List, event, key);
            }
            Ok(len.unwrap_or(0) as u64)
        })
    }

    /// Takes the first element. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/lpop/>
    #[inline]
    pub fn lpop(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>> {
        self.pop(key.as_ref(), End::Left)
    }

    /// Takes the last element. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/rpop/>
    #[inline]
    pub fn rpop(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>> {
        self.pop(key.as_ref(), End::Right)
    }

    #[inline]
    fn pop(&self, key: &[u8], end: End) -> Result<Option<Bytes>> {
        self.lessen(key, |keys, key| {
            let popped = keys.update_list(key, &[], Inserted::Never, |list| match end {
                End::Left => list.pop_front(|element| element.to_shared()),
                End::Right => list.pop_back(|element| element.to_shared()),
            })?;
            let popped = popped.flatten();
            if popped.is_some() {
                let event = if end == End::Left { "lpop" } else { "rpop" };
                keys.tell([event.as_bytes(), key.bytes]);
                keys.notify(Class::List, event, key);
            }
            Ok(popped)
        })
    }

    /// Takes up to `count` first elements; `None` without the key. O(elements).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/lpop/>
    pub fn lpop_count(&self, key: impl AsRef<[u8]>, count: u64) -> Result<Option<Vec<Bytes>>> {
        self.pop_count(b"LPOP", key.as_ref(), count)
    }

    /// Takes up to `count` last elements, the last one first; `None` without the key. O(elements).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/rpop/>
    pub fn rpop_count(&self, key: impl AsRef<[u8]>, count: u64) -> Result<Option<Vec<Bytes>>> {
        self.pop_count(b"RPOP", key.as_ref(), count)
    }

    fn pop_count(&self, name: &[u8], key: &[u8], count: u64) -> Result<Option<Vec<Bytes>>> {
        let mut number = itoa::Buffer::new();
        let count = number.format(count.min(i64::MAX as u64)).as_bytes();
        reply::optional(self.run(&[name, key, count])?, reply::strings)
    }

    /// Takes up to `count` elements from one end of the first list that has any. O(keys + elements).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/lmpop/>
    pub fn lmpop<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        end: End,
        count: u64,
    ) -> Result<Option<(Bytes, Vec<Bytes>)>> {
        let keys = collect(keys);
        let (mut number, mut pops) = (itoa::Buffer::new(), itoa::Buffer::new());
        let mut argv: Argv<'_> = Argv::from_slice(&[b"LMPOP", number.format(keys.len()).as_bytes()]);
        argv.extend(keys.iter().map(AsRef::as_ref));
        argv.extend([end.word(), b"COUNT", pops.format(count).as_bytes()]);
        reply::optional(self.run(&argv)?, key_and_elements)
    }

    /// The length of a list, 0 without the key. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/llen/>
    #[inline]
    pub fn llen(&self, key: impl AsRef<[u8]>) -> Result<u64> {
        self.read(key.as_ref(), |keys, key| Ok(keys.list(key)?.map_or(0, |list| list.len() as u64)))
    }

    /// The element at a position; negative ones count from the end. O(n), O(1) at the ends.
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/lindex/>
    pub fn lindex(&self, key: impl AsRef<[u8]>, index: i64) -> Result<Option<Bytes>> {
        self.read(key.as_ref(), |keys, key| {
            let element = keys.list(key)?.and_then(|list| list.get(index));
            Ok(element.map(|element| element.to_shared()))
        })
    }

    /// The elements between two positions, both included; negative ones count from the end. O(start + elements).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/lrange/>
    pub fn lrange(&self, key: impl AsRef<[u8]>, start: i64, stop: i64) -> Result<Vec<Bytes>> {
        self.read(key.as_ref(), |keys, key| {
            let Some(list) = keys.list(key)? else { return Ok(Vec::new()) };
            Ok(list.slice(start, stop).map(|element| element.to_shared()).collect())
        })
    }

    /// Replaces the element at a position. O(n), O(1) at the ends.
    ///
    /// # Errors
    /// [`CommandError::NoSuchKey`](crate::command::error::CommandError::NoSuchKey),
    /// [`CommandError::IndexOutOfRange`](crate::command::error::CommandError::IndexOutOfRange) or
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/lset/>
    pub fn lset(&self, key: impl AsRef<[u8]>, index: i64, value: impl AsRef<[u8]>) -> Result<()> {
        let mut number = itoa::Buffer::new();
        reply::ok(self.run(&[b"LSET", key.as_ref(), number.format(index).as_bytes(), value.as_ref()])?)
    }

    /// Inserts an element before or after another; the new length, `None` where the key or the other element is not
    /// there. O(n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/linsert/>
    pub fn linsert(
        &self,
        key: impl AsRef<[u8]>,
        position: Position,
        pivot: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<Option<u64>> {
        let word: &[u8] = match position {
            Side::Before => b"BEFORE",
            Side::After => b"AFTER",
        };
        let len = self.run(&[b"LINSERT", key.as_ref(), word, pivot.as_ref(), value.as_ref()])?;
        Ok(u64::try_from(reply::int(len)?).ok().filter(|&len| len > 0))
    }

    /// Removes elements equal to `value`: the first `count`, the last `-count`, or all for 0; how many. O(n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/lrem/>
    pub fn lrem(&self, key: impl AsRef<[u8]>, count: i64, value: impl AsRef<[u8]>) -> Result<u64> {
        let mut number = itoa::Buffer::new();
        reply::count(self.run(&[b"LREM", key.as_ref(), number.format(count).as_bytes(), value.as_ref()])?)
    }

    /// Keeps only the elements between two positions, both included. O(elements removed).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/ltrim/>
    pub fn ltrim(&self, key: impl AsRef<[u8]>, start: i64, stop: i64) -> Result<()> {
        let (mut from, mut to) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (from, to) = (from.format(start).as_bytes(), to.format(stop).as_bytes());
        reply::ok(self.run(&[b"LTRIM", key.as_ref(), from, to])?)
    }

    /// The position of the first element equal to `value`. O(n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/lpos/>
    pub fn lpos(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<Option<u64>> {
        reply::optional(self.run(&[b"LPOS", key.as_ref(), value.as_ref()])?, reply::count)
    }

    /// The positions of elements equal to `value`. O(n).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType); a text error for a rank of 0.
    ///
    /// Reference: <https://valkey.io/commands/lpos/>
    pub fn lpos_all(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        positions: Positions,
    ) -> Result<Vec<u64>> {
        let mut numbers = [itoa::Buffer::new(), itoa::Buffer::new(), itoa::Buffer::new()];
        let [rank, count, max_len] = &mut numbers;
        let count = count.format(positions.count).as_bytes();
        let max_len = max_len.format(positions.max_len).as_bytes();
        let mut argv: Argv<'_> = Argv::from_slice(&[b"LPOS", key.as_ref(), value.as_ref()]);
        if let Some(number) = positions.rank {
            argv.extend([&b"RANK"[..], rank.format(number).as_bytes()]);
        }
        argv.extend([&b"COUNT"[..], count, b"MAXLEN", max_len]);
        reply::list(self.run(&argv)?, reply::count)
    }

    /// Moves an element from an end of one list to an end of another; the element. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/lmove/>
    pub fn lmove(
        &self,
        from: impl AsRef<[u8]>,
        to: impl AsRef<[u8]>,
        from_end: End,
        to_end: End,
    ) -> Result<Option<Bytes>> {
        let argv = [b"LMOVE", from.as_ref(), to.as_ref(), from_end.word(), to_end.word()];
        reply::optional(self.run(&argv)?, reply::string)
    }

    /// Moves the last element of one list to the left end of another; the element. O(1).
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType).
    ///
    /// Reference: <https://valkey.io/commands/rpoplpush/>
    pub fn rpoplpush(&self, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Result<Option<Bytes>> {
        self.lmove(from, to, End::Right, End::Left)
    }
}

pub(super) fn key_and_elements(reply: Reply) -> Result<(Bytes, Vec<Bytes>)> {
    reply::pair(reply, reply::string, reply::strings)
}

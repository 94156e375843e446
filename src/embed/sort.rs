//! Sorting lists, sets and sorted sets.

use super::{Argv, Bytes, Damselfly, Result, reply};

/// In which order [`Damselfly::sort`] gives elements, which of them, and what instead of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct SortOptions {
    by: Option<Vec<u8>>,
    get: Vec<Vec<u8>>,
    limit: Option<(u64, u64)>,
    descending: bool,
    alpha: bool,
}

impl SortOptions {
    /// All elements as numbers, the least first.
    pub fn new() -> Self {
        Self::default()
    }

    /// By the strings of the keys that the pattern makes of the elements (`weight_*`), or by a field of those hashes
    /// (`weight_*->field`); a pattern without `*` leaves elements in the order in which they are stored.
    pub fn by(mut self, pattern: impl AsRef<[u8]>) -> Self {
        self.by = Some(pattern.as_ref().to_vec());
        self
    }

    /// Not the elements, but the strings of the keys that the pattern makes of them, or a field of those hashes; `#` is
    /// the element itself. Given several times, each element gives several results.
    pub fn get(mut self, pattern: impl AsRef<[u8]>) -> Self {
        self.get.push(pattern.as_ref().to_vec());
        self
    }

    /// Leaves out the first `offset` elements, and what is beyond the next `count`.
    pub fn limit(mut self, offset: u64, count: u64) -> Self {
        self.limit = Some((offset, count));
        self
    }

    /// The greatest first.
    pub fn desc(mut self) -> Self {
        self.descending = true;
        self
    }

    /// As texts instead of numbers.
    pub fn alpha(mut self) -> Self {
        self.alpha = true;
        self
    }

    fn words(&self) -> Vec<Vec<u8>> {
        let mut words = Vec::new();
        if let Some(pattern) = &self.by {
            words.extend([b"BY".to_vec(), pattern.clone()]);
        }
        if let Some((offset, count)) = self.limit {
            let number = |number: u64| number.min(i64::MAX as u64).to_string().into_bytes();
            words.extend([b"LIMIT".to_vec(), number(offset), number(count)]);
        }
        for pattern in &self.get {
            words.extend([b"GET".to_vec(), pattern.clone()]);
        }
        words.extend(self.descending.then(|| b"DESC".to_vec()));
        words.extend(self.alpha.then(|| b"ALPHA".to_vec()));
        words
    }
}

impl Damselfly {
    /// The elements of a list, a set or a sorted set in order, or what they refer to; `None` for a key or a field that is
    /// not there. O(n log n).
    ///
    /// ```
    /// use damselfly::{Damselfly, embed::SortOptions};
    ///
    /// let db = Damselfly::in_memory();
    /// db.rpush("playlist", ["7", "3"])?;
    /// db.mset([("plays:7", "12"), ("plays:3", "90"), ("title:7", "So What")])?;
    /// let titles = db.sort("playlist", &SortOptions::new().by("plays:*").desc().get("#").get("title:*"))?;
    /// let titles: Vec<_> = titles.iter().map(|title| title.as_deref()).collect();
    /// assert_eq!(titles, [Some(&b"3"[..]), None, Some(b"7"), Some(b"So What")]);
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType); a text error where a weight is no
    /// number.
    ///
    /// Reference: <https://valkey.io/commands/sort/>
    pub fn sort(&self, key: impl AsRef<[u8]>, options: &SortOptions) -> Result<Vec<Option<Bytes>>> {
        let words = options.words();
        let mut argv: Argv<'_> = Argv::from_slice(&[b"SORT_RO", key.as_ref()]);
        argv.extend(words.iter().map(Vec::as_slice));
        reply::list(self.run(&argv)?, |item| reply::optional(item, reply::string))
    }

    /// Stores what [`sort`](Self::sort) would give as a list, over what is there, and returns its length; what is not
    /// there is stored as an empty string. O(n log n).
    ///
    /// # Errors
    /// As [`sort`](Self::sort).
    ///
    /// Reference: <https://valkey.io/commands/sort/>
    pub fn sort_store(
        &self,
        key: impl AsRef<[u8]>,
        destination: impl AsRef<[u8]>,
        options: &SortOptions,
    ) -> Result<u64> {
        let words = options.words();
        let mut argv: Argv<'_> = Argv::from_slice(&[b"SORT", key.as_ref()]);
        argv.extend(words.iter().map(Vec::as_slice));
        argv.extend([&b"STORE"[..], destination.as_ref()]);
        reply::count(self.run(&argv)?)
    }
}

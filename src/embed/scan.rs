//! A walk over all keys that lets others work.

use super::{Bytes, Damselfly, Result, Type, inside};
use crate::glob;

/// Iterates over a database's keys; see [`Damselfly::scan`].
///
/// Shards are entered one after another, for a batch at a time; between batches, and so whenever a key is in the
/// caller's hands, none is.
#[derive(Debug)]
#[must_use = "a scan does nothing until it is iterated over"]
pub struct Scan {
    db: Damselfly,
    pattern: Option<Vec<u8>>,
    wanted: Option<Type>,
    batch: usize,
    /// Where the walk stands: the shard, and the hash within it.
    at: (usize, u32),
    /// Keys of the last batch, the next one last.
    found: Vec<Bytes>,
}

impl Scan {
    pub(super) fn new(db: Damselfly) -> Self {
        Self { db, pattern: None, wanted: None, batch: 64, at: (0, 0), found: Vec::new() }
    }

    /// Only keys that match this glob pattern.
    pub fn matching(mut self, pattern: impl AsRef<[u8]>) -> Self {
        self.pattern = Some(pattern.as_ref().to_vec());
        self
    }

    /// Only keys of this type.
    pub fn of_type(mut self, wanted: Type) -> Self {
        self.wanted = Some(wanted);
        self
    }

    /// How many keys a stay in a shard looks at, at least 1 and about 64 unless told.
    pub fn count(mut self, count: usize) -> Self {
        self.batch = count.max(1);
        self
    }

    /// Looks at one batch; whether there was one.
    fn advance(&mut self) -> Result<bool> {
        inside::check()?;
        let (shard, position) = self.at;
        let (pattern, wanted, found) = (self.pattern.as_deref(), self.wanted, &mut self.found);
        let next = self.db.engine.read_shard(shard, self.db.db, |keys| {
            keys.scan(position, self.batch, |key, kind| {
                let fits = pattern.is_none_or(|pattern| glob::matches(pattern, key, false));
                if fits && wanted.is_none_or(|wanted| wanted == kind) {
                    found.push(Bytes::copy_from_slice(key));
                }
            })
        });
        self.found.reverse();
        let Some(next) = next else { return Ok(false) };
        self.at = match next {
            Some(position) => (shard, position),
            None => (shard + 1, 0),
        };
        Ok(true)
    }
}

impl Iterator for Scan {
    type Item = Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(key) = self.found.pop() {
                return Some(Ok(key));
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

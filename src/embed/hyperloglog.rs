//! HyperLogLogs: how many different elements were added, approximately.

use super::{Argv, Damselfly, Result, collect, reply, slices};
use crate::command::hyperloglog;

impl Damselfly {
    /// Adds elements; whether that changed anything, the key's making included. O(1) each.
    ///
    /// ```
    /// use damselfly::Damselfly;
    ///
    /// let db = Damselfly::in_memory();
    /// assert!(db.pfadd("visitors:mon", ["ada", "bob"])?);
    /// assert!(!db.pfadd("visitors:mon", ["ada"])?);
    /// db.pfadd("visitors:tue", ["bob", "cyd"])?;
    /// assert_eq!(db.pfcount(["visitors:mon"])?, 2);
    /// assert_eq!(db.pfcount(["visitors:mon", "visitors:tue"])?, 3);
    /// db.pfmerge("visitors", ["visitors:mon", "visitors:tue"])?;
    /// assert_eq!(db.pfcount(["visitors"])?, 3);
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`CommandError::WrongType`](crate::command::error::CommandError::WrongType); a text error for a string that is no
    /// HyperLogLog.
    ///
    /// Reference: <https://valkey.io/commands/pfadd/>
    pub fn pfadd<E: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        elements: impl IntoIterator<Item = E>,
    ) -> Result<bool> {
        let elements = collect(elements);
        let elements = slices(&elements);
        self.write(key.as_ref(), 0, |keys, key| hyperloglog::add(keys, key, &elements))
    }

    /// How many different elements the keys together have, within 0.81 % mostly. O(1) for one key whose count is still
    /// known, O(keys) for several.
    ///
    /// # Errors
    /// As [`pfadd`](Self::pfadd).
    ///
    /// Reference: <https://valkey.io/commands/pfcount/>
    pub fn pfcount<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> Result<u64> {
        reply::count(self.run_on(b"PFCOUNT", &collect(keys), &[])?)
    }

    /// Adds to the destination whatever the sources have; it is made where it is missing. O(sources).
    ///
    /// # Errors
    /// As [`pfadd`](Self::pfadd).
    ///
    /// Reference: <https://valkey.io/commands/pfmerge/>
    pub fn pfmerge<K: AsRef<[u8]>>(
        &self,
        destination: impl AsRef<[u8]>,
        sources: impl IntoIterator<Item = K>,
    ) -> Result<()> {
        let sources = collect(sources);
        let mut argv: Argv<'_> = Argv::from_slice(&[b"PFMERGE", destination.as_ref()]);
        argv.extend(sources.iter().map(AsRef::as_ref));
        reply::ok(self.run(&argv)?)
    }
}

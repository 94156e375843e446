//! Snapshots, in process.

use super::{Damselfly, inside};
use crate::persist::StorageError;
use std::time::{Duration, SystemTime};

impl Damselfly {
    /// Makes a snapshot of all data at one moment, and returns once it is on the disk. Other threads work on meanwhile.
    ///
    /// O(bytes).
    ///
    /// ```
    /// # let directory = std::env::temp_dir().join(format!("damselfly-save-{}", std::process::id()));
    /// let db = damselfly::Damselfly::open_dir(&directory)?;
    /// db.set("a", "1")?;
    /// db.save()?;
    /// assert_eq!(db.changes_since_save(), 0);
    /// # drop(db);
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StorageError`]: the last snapshot is still there; [`StorageError::NoDirectory`] of an engine in memory,
    /// [`StorageError::Running`] where one is made already.
    ///
    /// Reference: <https://valkey.io/commands/save/>
    pub fn save(&self) -> Result<(), StorageError> {
        if inside::check().is_err() {
            return Err(StorageError::Running);
        }
        self.engine().save()
    }

    /// Begins to make a snapshot on a thread of its own.
    ///
    /// # Errors
    /// As for [`save`](Self::save). What goes wrong later is in `INFO persistence` and in the log.
    ///
    /// Reference: <https://valkey.io/commands/bgsave/>
    pub fn background_save(&self) -> Result<(), StorageError> {
        if inside::check().is_err() {
            return Err(StorageError::Running);
        }
        self.engine().save_in_background()
    }

    /// Returns once all that was changed so far is in the journal and on the disk (`appendonly`); one sync serves all who
    /// wait. Calls in process do not wait for the disk by themselves, whatever `appendfsync` says.
    ///
    /// # Errors
    /// [`StorageError`]: it may not be there; writes are refused until it can be written.
    pub fn sync(&self) -> Result<(), StorageError> {
        self.engine().journal().sync()
    }

    /// When the last snapshot was made that succeeded, or the engine opened.
    ///
    /// Reference: <https://valkey.io/commands/lastsave/>
    #[must_use]
    pub fn last_save(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.engine().persistence().figures().last_save)
    }

    /// Changes since then.
    #[must_use]
    pub fn changes_since_save(&self) -> u64 {
        self.engine().changes_since_save()
    }
}

//! A file under construction: it has its name only once it is whole and on the disk.
//!
//! It is written to `<name>.tmp`, synced, given its name, and the directory synced. One that is dropped before leaves
//! nothing behind.

use super::StorageError;
use super::storage::{Storage, WriteFile};
use std::io;
use std::sync::Arc;

/// Bytes after which the file is synced while it grows, so that the last sync is short and the page cache stays clean.
const SYNC_BYTES: u64 = 64 << 20;

/// The name of a file while it is written.
fn temporary(name: &str) -> String {
    format!("{name}.tmp")
}

/// A file under construction.
#[derive(Debug)]
pub(super) struct Draft {
    storage: Arc<dyn Storage>,
    name: String,
    file: Box<dyn WriteFile>,
    len: u64,
    synced_len: u64,
    finished: bool,
}

impl Draft {
    /// An empty file.
    pub(super) fn create(storage: Arc<dyn Storage>, name: &str) -> Result<Self, StorageError> {
        let temporary = temporary(name);
        let file =
            storage.create(&temporary).map_err(|error| StorageError::io(storage.path(&temporary), error))?;
        Ok(Self { storage, name: name.to_owned(), file, len: 0, synced_len: 0, finished: false })
    }

    /// An error of this file.
    pub(super) fn failed(&self, error: io::Error) -> StorageError {
        StorageError::io(self.storage.path(&temporary(&self.name)), error)
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Adds to it.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.file.write_all(bytes).map_err(|error| self.failed(error))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Syncs it where it has grown by much since the last time.
    pub(super) fn sync_if_due(&mut self) -> Result<(), StorageError> {
        if self.len - self.synced_len >= SYNC_BYTES {
            self.file.sync().map_err(|error| self.failed(error))?;
            self.synced_len = self.len;
        }
        Ok(())
    }

    /// Gives it its name; how long it is.
    pub(super) fn finish(mut self) -> Result<u64, StorageError> {
        self.file.sync().map_err(|error| self.failed(error))?;
        let path = || self.storage.path(&self.name);
        self.storage
            .rename(&temporary(&self.name), &self.name)
            .map_err(|error| StorageError::io(path(), error))?;
        self.finished = true;
        self.storage.sync_dir().map_err(|error| StorageError::io(path(), error))?;
        Ok(self.len)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.finished && self.storage.remove(&temporary(&self.name)).is_err() {
            // It is in nobody's way: the next one is written over it.
        }
    }
}

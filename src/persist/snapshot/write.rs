//! Writing a snapshot's file.

use super::{END, HEADER, Index, MAGIC, Place, VERSION, temporary};
use crate::persist::storage::{Storage, WriteFile};
use crate::persist::{About, Sink, StorageError};
use crate::rdb::crc64;
use crate::shard::cut::Chunk;
use std::io;
use std::sync::Arc;

/// Bytes after which the file is synced while it grows, so that the last sync is short and the page cache stays clean.
const SYNC_BYTES: u64 = 64 << 20;

/// A snapshot under construction.
#[derive(Debug)]
pub(super) struct Writer {
    storage: Arc<dyn Storage>,
    name: String,
    file: Box<dyn WriteFile>,
    index: Index,
    len: u64,
    synced_len: u64,
    finished: bool,
}

impl Writer {
    pub(super) fn create(storage: Arc<dyn Storage>, name: &str) -> Result<Self, StorageError> {
        let temporary = temporary(name);
        let file =
            storage.create(&temporary).map_err(|error| StorageError::io(storage.path(&temporary), error))?;
        let (name, index) = (name.to_owned(), Index::default());
        let mut writer = Self { storage, name, file, index, len: 0, synced_len: 0, finished: false };
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        debug_assert_eq!(header.len() as u64, HEADER);
        writer.write(&header)?;
        Ok(writer)
    }

    fn failed(&self, error: io::Error) -> StorageError {
        StorageError::io(self.storage.path(&temporary(&self.name)), error)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.file.write_all(bytes).map_err(|error| self.failed(error))?;
        self.len += bytes.len() as u64;
        Ok(())
    }
}

impl Sink for Writer {
    fn chunk(&mut self, chunk: &Chunk) -> Result<(), StorageError> {
        self.write(&chunk.bytes)?;
        if !chunk.tail.is_empty() {
            self.write(&chunk.tail)?;
        }
        self.index.chunks.push(Place {
            len: (chunk.bytes.len() + chunk.tail.len()) as u64,
            sum: crc64(crc64(0, &chunk.bytes), &chunk.tail),
            db: chunk.db,
            entries: chunk.entries,
        });
        if self.len - self.synced_len >= SYNC_BYTES {
            self.file.sync().map_err(|error| self.failed(error))?;
            self.synced_len = self.len;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, about: &About) -> Result<u64, StorageError> {
        self.index.at_ms = about.at_ms;
        self.index.functions.clone_from(&about.functions);
        let index = rkyv::to_bytes::<rkyv::rancor::Error>(&self.index)
            .map_err(|error| self.failed(io::Error::other(error.to_string())))?;
        let len = (index.len() as u64).to_le_bytes();
        let mut end = index.to_vec();
        end.extend_from_slice(&len);
        let sum = crc64(0, &end);
        end.extend_from_slice(&sum.to_le_bytes());
        end.extend_from_slice(&END);
        self.write(&end)?;
        self.file.sync().map_err(|error| self.failed(error))?;
        let from = temporary(&self.name);
        let path = || self.storage.path(&self.name);
        self.storage.rename(&from, &self.name).map_err(|error| StorageError::io(path(), error))?;
        self.finished = true;
        self.storage.sync_dir().map_err(|error| StorageError::io(path(), error))?;
        Ok(self.len)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.finished && self.storage.remove(&temporary(&self.name)).is_err() {
            // It is in nobody's way: the next snapshot is written over it.
        }
    }
}

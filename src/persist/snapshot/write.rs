//! Writing a snapshot's file.

use super::{END, HEADER, Index, MAGIC, Place, VERSION};
use crate::persist::draft::Draft;
use crate::persist::storage::Storage;
use crate::persist::{About, Sink, StorageError};
use crate::rdb::crc64;
use crate::shard::cut::Chunk;
use std::io;
use std::sync::Arc;

/// A snapshot under construction.
#[derive(Debug)]
pub(super) struct Writer {
    file: Draft,
    index: Index,
}

impl Writer {
    pub(super) fn create(storage: Arc<dyn Storage>, name: &str) -> Result<Self, StorageError> {
        let mut file = Draft::create(storage, name)?;
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        debug_assert_eq!(header.len() as u64, HEADER);
        file.write(&header)?;
        Ok(Self { file, index: Index::default() })
    }
}

impl Sink for Writer {
    fn chunk(&mut self, chunk: &Chunk) -> Result<(), StorageError> {
        self.file.write(&chunk.bytes)?;
        if !chunk.tail.is_empty() {
            self.file.write(&chunk.tail)?;
        }
        self.index.chunks.push(Place {
            len: (chunk.bytes.len() + chunk.tail.len()) as u64,
            sum: crc64(crc64(0, &chunk.bytes), &chunk.tail),
            db: chunk.db,
            entries: chunk.entries,
        });
        self.file.sync_if_due()
    }

    fn finish(mut self: Box<Self>, about: &About) -> Result<u64, StorageError> {
        self.index.at_ms = about.at_ms;
        self.index.functions.clone_from(&about.functions);
        let index = rkyv::to_bytes::<rkyv::rancor::Error>(&self.index)
            .map_err(|error| self.file.failed(io::Error::other(error.to_string())))?;
        let len = (index.len() as u64).to_le_bytes();
        let mut end = index.to_vec();
        end.extend_from_slice(&len);
        let sum = crc64(0, &end);
        end.extend_from_slice(&sum.to_le_bytes());
        end.extend_from_slice(&END);
        self.file.write(&end)?;
        self.file.finish()
    }
}

//! Snapshot files in our own format. `docs/format.md` draws every byte.
//!
//! ```text
//! +--------+----------+---------+-----+---------+-------+---------+
//! | header | chunk 0  | chunk 1 | ... | chunk n | index | trailer |
//! | 16     |          |         |     |         |       | 24      |
//! +--------+----------+---------+-----+---------+-------+---------+
//! header:  "DFLYSNAP", version u32, zero u32
//! trailer: length of the index u64, checksum of the index and that length u64, "PANSYLFD"
//! ```
//!
//! A chunk is a run of records of one database. The index is an rkyv archive that places and checksums every chunk, so
//! that it can be read by any number of threads at once; it stands behind the chunks because it is known last. Every
//! byte is under a checksum or has one right value, so that damage anywhere is refused.
//!
//! It is written to `<name>.tmp`, synced, given its name, and the directory synced: the file that has the name is
//! always whole.

mod read;
mod write;

pub use read::load;

use super::storage::Storage;
use super::{Format, Loaded, Sink, StorageError, Target};
use std::sync::Arc;

/// How a file begins.
pub const MAGIC: [u8; 8] = *b"DFLYSNAP";
/// How it ends.
pub const END: [u8; 8] = *b"PANSYLFD";
/// The version of the format.
pub const VERSION: u32 = 1;
/// Bytes of the header.
const HEADER: u64 = 16;
/// Bytes of the trailer.
const TRAILER: u64 = 24;

/// What stands in a file, and where.
#[derive(Debug, Default, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Index {
    /// When the snapshot was made, Unix ms.
    at_ms: u64,
    /// The chunks, one behind the other from the header on.
    chunks: Vec<Place>,
    /// Libraries of functions; empty for none.
    functions: Vec<u8>,
}

/// Where a chunk stands.
#[derive(Clone, Copy, Debug, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Place {
    /// Bytes.
    len: u64,
    /// Checksum of its bytes.
    sum: u64,
    /// The database it is of.
    db: u32,
    /// Records.
    entries: u32,
}

/// The native format.
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

impl Format for Native {
    fn create(&self, storage: Arc<dyn Storage>, name: &str) -> Result<Box<dyn Sink>, StorageError> {
        Ok(Box::new(write::Writer::create(storage, name)?))
    }

    fn load(
        &self,
        storage: &dyn Storage,
        name: &str,
        target: &dyn Target,
        threads: usize,
    ) -> Result<Loaded, StorageError> {
        load(storage, name, target, threads)
    }

    fn survey(
        &self,
        storage: &dyn Storage,
        name: &str,
        target: &dyn Target,
    ) -> Result<(Loaded, Vec<StorageError>), StorageError> {
        read::survey(storage, name, target)
    }
}

#[cfg(test)]
mod tests;

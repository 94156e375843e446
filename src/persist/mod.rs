//! What outlives the process: snapshots, the journal and the files they stand in.
//!
//! It knows storage, formats and the shards' records; it knows no command's meaning, no engine and no sockets. Who saves
//! and who is loaded into are given: [`Sink`] is a snapshot being written, [`Target`] what a file is loaded into, and
//! [`Format`] what a file looks like.
//!
//! **Invariant:** a file is under its name whole or not at all, and nothing of a file is trusted that was not checked.

pub mod check;
mod draft;
mod error;
pub mod journal;
mod lock;
pub mod rdb;
pub mod snapshot;
pub mod storage;

pub use error::StorageError;
pub use lock::{Lock, make_directory};

use crate::rdb::Corrupt;
use crate::shard::cut::Chunk;
use crate::shard::records::Record;
use std::fmt::Debug;
use std::sync::Arc;
use storage::Storage;

/// What a file of data looks like.
pub trait Format: Debug + Send + Sync {
    /// Begins a file, which is under its name once it is finished.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    fn create(&self, storage: Arc<dyn Storage>, name: &str) -> Result<Box<dyn Sink>, StorageError>;

    /// Loads a file into `target`, on up to `threads` threads.
    ///
    /// # Errors
    /// [`StorageError`]; parts of the file may be in `target` then.
    fn load(
        &self,
        storage: &dyn Storage,
        name: &str,
        target: &dyn Target,
        threads: usize,
    ) -> Result<Loaded, StorageError>;

    /// Shows all of a file to `target` that can be read, and says what is damaged.
    ///
    /// # Errors
    /// [`StorageError`]: it cannot be read, or so much is damaged that nothing can be told from it.
    fn survey(
        &self,
        storage: &dyn Storage,
        name: &str,
        target: &dyn Target,
    ) -> Result<(Loaded, Vec<StorageError>), StorageError>;
}

/// A snapshot that is written. Dropped before it is finished, it leaves the file that has its name alone.
pub trait Sink: Debug + Send {
    /// Is told what the snapshot is going to hold, before it is given any of it.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    fn begin(&mut self, about: &About) -> Result<(), StorageError> {
        let _ = about;
        Ok(())
    }

    /// Writes records.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    fn chunk(&mut self, chunk: &Chunk) -> Result<(), StorageError>;

    /// Writes what is left and gives the file its name; how long it is.
    ///
    /// # Errors
    /// [`StorageError::Io`]: the file that had the name before has it still.
    fn finish(self: Box<Self>, about: &About) -> Result<u64, StorageError>;
}

/// What a snapshot holds beside its records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The moment, Unix ms.
    pub at_ms: u64,
    /// Libraries of functions, as `FUNCTION DUMP` gives them; empty for none.
    pub functions: Vec<u8>,
    /// Keys of each database, and how many of them have a deadline.
    pub databases: Vec<(u64, u64)>,
    /// Whether fields of hashes have deadlines.
    pub field_deadlines: bool,
    /// What the records note of accesses.
    pub accesses: Accesses,
}

/// What is noted of accesses to keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Accesses {
    /// When the last one was, which nobody asks for.
    #[default]
    Unused,
    /// When the last one was.
    Last,
    /// How many there were.
    Count,
}

/// What a file says of accesses to a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accessed {
    /// Seconds since the last one.
    pub idle_seconds: Option<u64>,
    /// The counter of their frequency.
    pub frequency: Option<u8>,
}

/// What is loaded into.
pub trait Target: Sync {
    /// Takes records of a database; how many of them were left out because their deadline had passed.
    ///
    /// # Errors
    /// [`Corrupt`] where one is none, and which of them.
    fn records(&self, db: u32, records: &[Record<'_>]) -> Result<u64, (usize, Corrupt)>;

    /// What a record notes of accesses ([`Record::idle`]) that a file tells so.
    fn mark(&self, accessed: Accessed) -> u32;

    /// Takes libraries of functions.
    ///
    /// # Errors
    /// Why they are none.
    fn functions(&self, dump: &[u8]) -> Result<(), String>;

    /// Is told how many bytes of how many are loaded.
    fn progress(&self, bytes: u64, of: u64);
}

/// What was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Keys.
    pub keys: u64,
    /// Keys left out because their deadline had passed.
    pub expired: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// When the file was made, Unix ms.
    pub at_ms: u64,
}

/// The format that a file's name asks for: Redis' where it ends in `.rdb`, ours otherwise.
#[must_use]
pub fn format_of(name: &str) -> &'static dyn Format {
    if name.ends_with(".rdb") { &rdb::Rdb } else { &snapshot::Native }
}

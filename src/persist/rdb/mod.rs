//! Snapshot files in Redis' format, RDB, for moving in and out: `dbfilename` asks for them by its ending.
//!
//! ```text
//! "REDIS0010"  AUX...  FUNCTION2...  SELECTDB RESIZEDB key key ... SELECTDB ...  EOF  checksum u64
//! key: [EXPIRETIME_MS] [IDLE | FREQ] type key value
//! ```
//!
//! Versions 5 to 12 of Redis' are read and 80 to 89, which are Valkey's. Version 10 is written, that of Redis 7.0, which
//! every later server reads; where fields of hashes have deadlines, it is 80, which Valkey 9 reads and Redis does not.
//!
//! Nothing in a file says where a value ends, so that it is read on one thread, value by value ([`crate::rdb::unfold`]);
//! in memory is a batch of keys, or one value, as it stands in the file.

mod read;
mod write;

pub use read::load;

use super::storage::Storage;
use super::{Format, Loaded, Sink, StorageError, Target};
use std::sync::Arc;

/// The format of Redis.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rdb;

impl Format for Rdb {
    fn create(&self, storage: Arc<dyn Storage>, name: &str) -> Result<Box<dyn Sink>, StorageError> {
        Ok(Box::new(write::Writer::create(storage, name)?))
    }

    fn load(
        &self,
        storage: &dyn Storage,
        name: &str,
        target: &dyn Target,
        _threads: usize,
    ) -> Result<Loaded, StorageError> {
        load(storage, name, target)
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

/// The auxiliary field of the moment in Unix ms, which a journal begins with. Redis' own counts seconds.
const MOMENT: &str = "damselfly-ms";

/// What stands in front of what is no key. Redis' names.
mod opcode {
    pub const SLOT_IMPORT: u8 = 243;
    pub const SLOT_INFO: u8 = 244;
    pub const FUNCTION2: u8 = 245;
    pub const FUNCTION_PRE_GA: u8 = 246;
    pub const MODULE_AUX: u8 = 247;
    pub const IDLE: u8 = 248;
    pub const FREQ: u8 = 249;
    pub const AUX: u8 = 250;
    pub const RESIZEDB: u8 = 251;
    pub const EXPIRETIME_MS: u8 = 252;
    pub const EXPIRETIME: u8 = 253;
    pub const SELECTDB: u8 = 254;
    pub const EOF: u8 = 255;
}

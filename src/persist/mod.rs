//! What outlives the process: snapshots, the journal and the files they stand in.
//!
//! It knows storage, formats and the shards' data; it knows no command's meaning and no sockets.

pub mod storage;

//! damselfly
pub mod clock;
pub mod command;
pub mod config;
pub mod engine;
pub mod glob;
pub mod process;
pub mod reply;
#[cfg(feature = "server")]
pub mod server;
pub mod shard;
pub mod value;
pub mod wire;

//! Every command by scripts: one file a family, replies as the wire carries them.

#[path = "../common/mod.rs"]
mod common;

mod acl;
mod bitmap;
mod cluster;
mod connection;
mod debug;
mod dump;
mod geo;
mod handshakes;
mod hash;
mod hyperloglog;
mod keys;
mod latency;
mod list;
mod memory;
mod monitor;
mod persistence;
mod pubsub;
#[cfg(feature = "script")]
mod script;
mod server;
mod set;
mod slowlog;
mod sort;
mod stream;
mod string;
mod tracking;
mod transaction;
mod zset;

use common::check;

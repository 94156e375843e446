//! Every command by scripts: one file a family, replies as the wire carries them.

#[path = "../common/mod.rs"]
mod common;

mod connection;
mod keys;
mod list;
mod server;
mod string;

use common::check;

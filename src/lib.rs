//! damselfly is the Redis- and Dragonfly-compatible cache that lives inside your process: one engine with several
//! doors. A program calls it in process, typed, without sockets; any redis client talks to it over RESP; both see the
//! same data at the same time.
//!
//! ```
//! use damselfly::Damselfly;
//!
//! let db = Damselfly::in_memory();
//! db.set("track:123", r#"{"title":"Blue in Green"}"#)?;
//! assert_eq!(db.incr("plays:123")?, 1);
//! assert_eq!(db.lpush("recent:7", ["123", "456"])?, 2);
//! assert!(db.get("track:123")?.is_some());
//! # Ok::<(), damselfly::Error>(())
//! ```
//!
//! # The house
//!
//! A command's way is one line, and it never turns back: `bytes -> wire -> engine -> command -> shard -> reply`. A
//! program that embeds damselfly enters one room later, without bytes or sockets.
//!
//! | room | owns |
//! | --- | --- |
//! | [`embed`] | the typed handle in process, [`Damselfly`] |
//! | `server` | event loops, connections, listeners (feature `server`) |
//! | `console` | a page, JSON and Prometheus figures over HTTP (feature `console`) |
//! | `testkit` | a server in a test: time travel, faults, assertions (feature `testkit`) |
//! | `domain`, `remote` | typed caches, counters, limits over this engine or a server (features of these names) |
//! | [`wire`] | bytes to requests, replies to bytes |
//! | [`engine`] | the shards together: doors, routing, dispatch, blocking, clients |
//! | [`command`] | what each command means: a row and a function |
//! | [`shard`] | one shard's data: table, arena, entries, expiry, who waits |
//! | [`value`] | the structures that values are |
//! | [`persist`] | snapshots and the journal, behind a storage trait |
//! | [`rdb`] | values to the bytes of `DUMP`, and back |
//! | [`reply`], [`clock`], [`config`], [`double`], [`glob`] | leaves that any room may use |
//!
//! `docs/architecture.md` tells the whole, `docs/commands.md` lists the commands.

pub mod clock;
pub mod command;
pub mod config;
#[cfg(feature = "console")]
pub mod console;
#[cfg(feature = "domain")]
pub mod domain;
pub mod double;
pub mod embed;
pub mod engine;
pub mod glob;
mod hex;
pub mod persist;
pub mod process;
pub mod rdb;
#[cfg(feature = "remote")]
pub mod remote;
pub mod reply;
#[cfg(feature = "script")]
pub mod script;
#[cfg(feature = "server")]
pub mod server;
mod sha1;
pub mod shard;
#[cfg(feature = "domain")]
pub mod swing;
#[cfg(feature = "shuttle")]
pub mod sync;
#[cfg(not(feature = "shuttle"))]
mod sync;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod value;
mod varint;
pub mod wire;

pub use config::Config;
pub use embed::{Damselfly, Error};
pub use reply::Reply;

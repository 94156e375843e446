//! Commands: what each one means, one file a family.
//!
//! A family's file holds a `const` row and a function for each of its commands. A function is a thin translator: it
//! reads its arguments fully, then asks the keyspace, then answers through the sink. It knows no sockets and does no
//! routing; which shards are entered follows from its row.

pub mod acl;
pub mod args;
pub mod bitmap;
pub mod client;
pub mod cluster;
pub mod config;
pub mod connection;
pub mod debug;
pub mod dump;
pub mod error;
pub mod geo;
pub mod hash;
pub mod hyperloglog;
pub mod info;
pub mod introspect;
pub mod keys;
pub mod latency;
pub mod list;
pub mod lolwut;
pub mod module;
pub mod monitor;
pub mod persistence;
pub mod pubsub;
pub(crate) mod redact;
mod scan;
pub mod script;
pub mod server;
pub mod set;
pub mod slowlog;
pub mod sort;
pub mod stream;
pub mod string;
pub mod table;
pub mod throttle;
pub mod transaction;
pub mod zset;

use crate::reply::Sink;
use crate::shard::{StringError, WrongType};
use error::CommandError;

impl From<WrongType> for CommandError {
    fn from(_: WrongType) -> Self {
        CommandError::WrongType
    }
}

impl From<StringError> for CommandError {
    fn from(error: StringError) -> Self {
        match error {
            StringError::WrongType => CommandError::WrongType,
            StringError::NotAnInteger => CommandError::NotAnInteger,
            StringError::NotAFloat => CommandError::NotAFloat,
            StringError::NotFinite => CommandError::NotFinite,
            StringError::Overflow => CommandError::Overflow,
            StringError::TooLong => CommandError::StringTooLong,
        }
    }
}

/// What Redis says of a subcommand with arguments that it does not take.
pub(crate) fn unfit(args: &args::Args<'_>) -> CommandError {
    let text = |at: usize| {
        let word = args.argv().get(at).copied().unwrap_or_default();
        String::from_utf8_lossy(word.get(..128).unwrap_or(word)).into_owned()
    };
    let (container, subcommand) = (text(0).to_uppercase(), text(1));
    format!("ERR unknown subcommand or wrong number of arguments for '{subcommand}'. Try {container} HELP.")
        .into()
}

/// Answers a container's `HELP`: its heading, its own lines, and the lines that every container ends with.
pub(crate) fn write_help(out: &mut dyn Sink, container: &str, lines: &[&str]) {
    out.array(lines.len() + 3);
    out.simple(&format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    lines.iter().for_each(|line| out.simple(line));
    out.simple("HELP");
    out.simple("    Print this help.");
}

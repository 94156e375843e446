//! `XINFO`: what a stream, its groups and their consumers are like.

use super::args::cut;
use super::{subcommand_syntax, write_entry, write_id, write_range};
use crate::command::args::{Args, parse_int};
use crate::command::error::CommandError;
use crate::command::write_help;
use crate::engine::{Reach, Session};
use crate::reply::Sink;
use crate::shard::{Key, Keyspace};
use crate::value::stream::{Group, Id, Log, Stream};

/// Replies with a map of what is known of a stream; with `FULL` also its first entries, its groups, their consumers
/// and what is pending. Errors: no such key, `WRONGTYPE`, options that do not fit.
///
/// `radix-tree-nodes` is what Redis' tree of this stream would have. O(nodes), beside what is shown.
///
/// Reference: <https://valkey.io/commands/xinfo-stream/>
pub(super) fn stream(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    /// How much `FULL` shows where no count is given.
    const COUNT: usize = 10;
    let stream = keys.stream(key)?.ok_or(CommandError::NoSuchKey)?;
    let is = |text: &[u8], word: &str| text.eq_ignore_ascii_case(word.as_bytes());
    let full = match *args.rest() {
        [] => None,
        [full] if is(full, "FULL") => Some(COUNT),
        [full, word, count] if is(full, "FULL") && is(word, "COUNT") => {
            let count = parse_int(count).ok_or(CommandError::NotAnInteger)?;
            Some(match usize::try_from(count) {
                Ok(0) => usize::MAX,
                Ok(count) => count,
                Err(_) => COUNT,
            })
        }
        _ => return Err(subcommand_syntax(args.argv(), "XINFO")),
    };
    let log = stream.log();
    out.map(if full.is_some() { 9 } else { 10 });
    let ints = [
        ("length", log.len() as i64),
        ("radix-tree-keys", log.nodes_len() as i64),
        ("radix-tree-nodes", log.radix_nodes() as i64),
    ];
    for (name, value) in ints {
        out.bulk(name.as_bytes());
        out.int(value);
    }
    write_named_id("last-generated-id", log.last_id(), out);
    write_named_id("max-deleted-entry-id", log.max_deleted_id(), out);
    out.bulk(b"entries-added");
    out.int(log.entries_added() as i64);
    write_named_id("recorded-first-entry-id", log.first_id(), out);
    match full {
        Some(count) => write_full(stream, count, out),
        None => {
            out.bulk(b"groups");
            out.int(stream.groups().len() as i64);
            let ends = [
                ("first-entry", log.range(Id::MIN, Id::MAX)),
                ("last-entry", log.range_reverse(Id::MIN, Id::MAX)),
            ];
            for (name, mut range) in ends {
                out.bulk(name.as_bytes());
                match range.next() {
                    Some(entry) => write_entry(&entry, out),
                    None => out.null(),
                }
            }
        }
    }
    Ok(())
}

fn write_named_id(name: &str, id: Id, out: &mut dyn Sink) {
    out.bulk(name.as_bytes());
    write_id(id, out);
}

fn write_full(stream: &Stream, count: usize, out: &mut dyn Sink) {
    let log = stream.log();
    out.bulk(b"entries");
    write_range(log.range(Id::MIN, Id::MAX), count, out);
    out.bulk(b"groups");
    out.array(stream.groups().len());
    for (name, group) in stream.groups() {
        out.map(7);
        out.bulk(b"name");
        out.bulk(name);
        write_progress(log, group, out);
        out.bulk(b"pel-count");
        out.int(group.pending_len() as i64);
        out.bulk(b"pending");
        out.array(group.pending_len().min(count));
        for (id, pending, consumer) in group.pending(Id::MIN, Id::MAX).take(count) {
            out.array(4);
            write_id(id, out);
            out.bulk(consumer.name());
            out.int(pending.delivered_ms);
            out.int(pending.deliveries as i64);
        }
        out.bulk(b"consumers");
        out.array(group.consumers().len());
        for consumer in group.consumers() {
            out.map(5);
            out.bulk(b"name");
            out.bulk(consumer.name());
            out.bulk(b"seen-time");
            out.int(consumer.seen_ms);
            out.bulk(b"active-time");
            out.int(consumer.active_ms);
            out.bulk(b"pel-count");
            out.int(consumer.pending().len() as i64);
            out.bulk(b"pending");
            out.array(consumer.pending().len().min(count));
            for (id, pending, _) in group.pending_of(consumer, Id::MIN, Id::MAX).take(count) {
                out.array(3);
                write_id(id, out);
                out.int(pending.delivered_ms);
                out.int(pending.deliveries as i64);
            }
        }
    }
}

/// How far a group has read.
fn write_progress(log: &Log, group: &Group, out: &mut dyn Sink) {
    write_named_id("last-delivered-id", group.last_id, out);
    let counts = [("entries-read", group.entries_read.map(|read| read as i64)), ("lag", group.lag(log))];
    for (name, count) in counts {
        out.bulk(name.as_bytes());
        match count {
            Some(count) => out.int(count),
            None => out.null(),
        }
    }
}

/// Replies with a map for each group. Errors: no such key, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/xinfo-groups/>
pub(super) fn groups(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let stream = keys.stream(key)?.ok_or(CommandError::NoSuchKey)?;
    out.array(stream.groups().len());
    for (name, group) in stream.groups() {
        out.map(6);
        out.bulk(b"name");
        out.bulk(name);
        out.bulk(b"consumers");
        out.int(group.consumers().len() as i64);
        out.bulk(b"pending");
        out.int(group.pending_len() as i64);
        write_progress(stream.log(), group, out);
    }
    Ok(())
}

/// Replies with a map for each consumer of a group. Errors: no such key or group, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/xinfo-consumers/>
pub(super) fn consumers(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let name = args.required()?;
    let now_ms = keys.now_ms() as i64;
    let stream = keys.stream(key)?.ok_or(CommandError::NoSuchKey)?;
    let group = stream.group(name).ok_or_else(|| no_group_for(key.bytes, name))?;
    out.array(group.consumers().len());
    for consumer in group.consumers() {
        out.map(4);
        out.bulk(b"name");
        out.bulk(consumer.name());
        out.bulk(b"pending");
        out.int(consumer.pending().len() as i64);
        out.bulk(b"idle");
        out.int(now_ms.wrapping_sub(consumer.seen_ms).max(0));
        out.bulk(b"inactive");
        let active = consumer.active_ms;
        out.int(if active == -1 { -1 } else { now_ms.wrapping_sub(active) });
    }
    Ok(())
}

/// The error of commands that are about a group of a key that exists.
pub(super) fn no_group_for(key: &[u8], group: &[u8]) -> CommandError {
    let (key, group) = (String::from_utf8_lossy(cut(key)), String::from_utf8_lossy(cut(group)));
    format!("NOGROUP No such consumer group '{group}' for key name '{key}'").into()
}

/// Reference: <https://valkey.io/commands/xinfo-help/>
pub(super) fn help(
    _: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    write_help(
        out,
        "XINFO",
        &[
            "CONSUMERS <key> <groupname>",
            "    Show consumers of <groupname>.",
            "GROUPS <key>",
            "    Show the stream consumer groups.",
            "STREAM <key> [FULL [COUNT <count>]",
            "    Show information about the stream.",
        ],
    );
    Ok(())
}

//! Commands on the server as a whole: its data, its time, its end, its memory.

use super::args::Args;
use super::error::CommandError;
use super::info::{self, Memory};
use super::table::{Command, Flag::*, Group, Keys, Run, container, row};
use super::write_help;
use crate::engine::{Entered, Reach, Session};
use crate::persist::StorageError;
use crate::reply::Sink;
use crate::shard::{Key, Keyspace};

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    row("INFO", -1, &[Loading, Stale, Dangerous], Keys::None, Run::Session(info::info))
        .of(Group::Server, "1.0.0")
        .doc("[section [section ...]]", "Returns information and statistics about the server.", "O(1)"),
    row("DBSIZE", 1, &[Read, Fast], Keys::None, Run::Keys(dbsize)).of(Group::Server, "1.0.0").doc(
        "",
        "Returns the number of keys in the database.",
        "O(1)",
    ),
    row("FLUSHDB", -1, &[Write, Dangerous], Keys::None, Run::Session(flushdb))
        .of(Group::Server, "1.0.0")
        .doc(
            "[ASYNC | SYNC]",
            "Remove all keys from the current database.",
            "O(N) where N is the number of keys in the selected database",
        ),
    row("FLUSHALL", -1, &[Write, Dangerous], Keys::None, Run::Session(flushall))
        .of(Group::Server, "1.0.0")
        .doc(
            "[ASYNC | SYNC]",
            "Removes all keys from all databases.",
            "O(N) where N is the total number of keys in all databases",
        ),
    row("SWAPDB", 3, &[Write, Fast, Dangerous], Keys::None, Run::Session(swapdb))
        .of(Group::Server, "4.0.0")
        .doc(
            "index1 index2",
            "Swaps two Redis databases.",
            "O(N) where N is the count of clients watching or blocking on keys from both databases.",
        ),
    row("TIME", 1, &[Loading, Stale, Fast], Keys::None, Run::Session(time))
        .of(Group::Server, "2.6.0")
        .doc("", "Returns the server time.", "O(1)"),
    row(
        "SHUTDOWN",
        -1,
        &[Admin, NoScript, Loading, Stale, NoMulti, AllowBusy],
        Keys::None,
        Run::Session(shutdown),
    )
    .of(Group::Server, "1.0.0")
    .doc(
        "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
        "Synchronously saves the database(s) to disk and shuts down the Redis server.",
        "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)",
    ),
    container("MEMORY", MEMORY).of(Group::Server, "4.0.0").doc(
        "",
        "A container for memory diagnostics commands.",
        "Depends on subcommand.",
    ),
];

const MEMORY: &[Command] =
    &[
        row("DOCTOR", 2, &[], Keys::None, Run::Session(memory_doctor)).of(Group::Server, "4.0.0").doc(
            "",
            "Outputs a memory problems report.",
            "O(1)",
        ),
        row("HELP", 2, &[Loading, Stale], Keys::None, Run::Session(memory_help))
            .of(Group::Server, "4.0.0")
            .doc("", "Returns helpful text about the different subcommands.", "O(1)"),
        row("MALLOC-STATS", 2, &[], Keys::None, Run::Session(memory_malloc_stats))
            .of(Group::Server, "4.0.0")
            .doc(
                "",
                "Returns the allocator statistics.",
                "Depends on how much memory is allocated, could be slow",
            ),
        row("PURGE", 2, &[], Keys::None, Run::Session(memory_purge)).of(Group::Server, "4.0.0").doc(
            "",
            "Asks the allocator to release memory.",
            "Depends on how much memory is allocated, could be slow",
        ),
        row("STATS", 2, &[], Keys::None, Run::Session(memory_stats)).of(Group::Server, "4.0.0").doc(
            "",
            "Returns details about memory usage.",
            "O(1)",
        ),
        row("USAGE", -3, &[Read], Keys::At(2), Run::Key(memory_usage)).of(Group::Server, "4.0.0").doc(
            "key [SAMPLES count]",
            "Estimates the memory usage of a key.",
            "O(N) where N is the number of samples.",
        ),
    ];

/// Replies with the number of keys of the client's database, those included that are due and not removed yet.
///
/// In process: `db.len()`. Reference: <https://valkey.io/commands/dbsize/>
fn dbsize(entered: &mut Entered<'_>, _: &mut Args<'_>, out: &mut dyn Sink) -> Result<(), CommandError> {
    let keys: usize = entered.keyspaces().map(|keyspace| keyspace.len()).sum();
    out.int(keys as i64);
    Ok(())
}

/// `ASYNC` and `SYNC` are one here: keys are gone at once for everybody, and their memory is freed in the background.
fn flush_mode(args: &mut Args<'_>) -> Result<(), CommandError> {
    let _ = args.eat("ASYNC") || args.eat("SYNC");
    args.end()
}

/// Empties the client's database.
///
/// In process: `db.flush()`. Reference: <https://valkey.io/commands/flushdb/>
fn flushdb(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    flush_mode(args)?;
    engine.flush(Some(session.db));
    out.ok();
    Ok(())
}

/// Empties all databases at one moment.
///
/// In process: `Engine::flush(None)`. Reference: <https://valkey.io/commands/flushall/>
fn flushall(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    flush_mode(args)?;
    engine.flush(None);
    out.ok();
    Ok(())
}

/// Exchanges two databases at one moment; clients stay in the database of their number, and those who wait are served
/// from what they find there. Errors: an index that is none.
///
/// In process: `Engine::swap_dbs`. Reference: <https://valkey.io/commands/swapdb/>
fn swapdb(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    if engine.cluster().is_on() {
        return Err(CommandError::text("ERR SWAPDB is not allowed in cluster mode"));
    }
    // Redis reads both numbers before it looks at their range, and an `int` is all that it takes.
    let mut index = |error: &'static str| {
        let number = args.int().ok().and_then(|number| i32::try_from(number).ok());
        number.ok_or(CommandError::text(error))
    };
    let (a, b) = (index("ERR invalid first DB index")?, index("ERR invalid second DB index")?);
    let db = |number: i32| usize::try_from(number).ok().filter(|&db| db < engine.databases());
    let (Some(a), Some(b)) = (db(a), db(b)) else { return Err(CommandError::DbIndexOutOfRange) };
    engine.swap_dbs(a, b);
    out.ok();
    Ok(())
}

/// Replies with the Unix time: seconds, and microseconds within the second.
///
/// In process: `engine.clock().now_us()`. Reference: <https://valkey.io/commands/time/>
fn time(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let now_us = engine.clock().now_us();
    out.array(2);
    let mut digits = itoa::Buffer::new();
    out.bulk(digits.format(now_us / 1_000_000).as_bytes());
    out.bulk(digits.format(now_us % 1_000_000).as_bytes());
    Ok(())
}

/// Ends the server without a reply, after a snapshot where `SAVE` asks for one, or `save` has rules and there is something
/// to save. Where that fails it stays, unless `FORCE` says that this is no reason to; `ABORT` finds no shutdown that waits.
///
/// Reference: <https://valkey.io/commands/shutdown/>
fn shutdown(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    _: &mut dyn Sink,
) -> Result<(), CommandError> {
    const FAILED: CommandError = CommandError::text("ERR Errors trying to SHUTDOWN. Check logs.");
    let (mut nosave, mut save, mut now, mut force, mut abort) = (false, false, false, false, false);
    for arg in args.rest() {
        let flag = match arg.to_ascii_uppercase().as_slice() {
            b"NOSAVE" => &mut nosave,
            b"SAVE" => &mut save,
            b"NOW" => &mut now,
            b"FORCE" => &mut force,
            b"ABORT" => &mut abort,
            _ => return Err(CommandError::Syntax),
        };
        *flag = true;
    }
    if (abort && (nosave || save || now || force)) || (nosave && save) {
        return Err(CommandError::Syntax);
    }
    if abort {
        return Err(CommandError::text("ERR No shutdown in progress."));
    }
    if !nosave && engine.busy().is_slow() {
        return Err(engine.busy().refusal());
    }
    let wanted = save
        || !nosave && !engine.settings().save_rules().is_empty() && engine.engine().changes_since_save() > 0;
    if wanted {
        // One that runs is on its way; what came after it is to be saved as well.
        let result = match engine.engine().save() {
            Err(StorageError::Running) => engine.engine().save_after_running(),
            result => result,
        };
        if result.is_err() && !force {
            return Err(FAILED);
        }
    }
    engine.persistence().forget(true);
    if !engine.ask_shutdown() {
        engine.persistence().forget(false);
        return Err(CommandError::text("ERR SHUTDOWN is for servers; this engine runs inside a program"));
    }
    session.closing = true;
    Ok(())
}

/// Replies with the bytes that a key and its value take, or null without the key. `SAMPLES` is checked and changes
/// nothing: sizes are known, not sampled.
///
/// Reference: <https://valkey.io/commands/memory-usage/>
fn memory_usage(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    while args.left() > 0 {
        if !args.eat("SAMPLES") || args.left() == 0 || args.int()? < 0 {
            return Err(CommandError::Syntax);
        }
    }
    match keys.memory_bytes(key) {
        Some(bytes) => out.int(bytes as i64),
        None => out.null(),
    }
    Ok(())
}

/// Replies with figures of memory under Redis' names. Reference: <https://valkey.io/commands/memory-stats/>
fn memory_stats(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    enum Figure {
        Bytes(i64),
        Share(f64),
        Table(i64),
    }
    use Figure::{Bytes, Share, Table};
    let memory = Memory::of(engine);
    let int = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let (fragmentation, fragmentation_bytes) = memory.fragmentation();
    let used = int(memory.used_bytes());
    let mut figures: Vec<(String, Figure)> = Vec::new();
    let mut add = |name: &str, figure| figures.push((name.to_owned(), figure));
    add("peak.allocated", Bytes(int(memory.peak_bytes)));
    add("total.allocated", Bytes(used));
    add("startup.allocated", Bytes(0));
    add("replication.backlog", Bytes(0));
    add("clients.slaves", Bytes(0));
    add("clients.normal", Bytes(int(memory.client_bytes)));
    add("cluster.links", Bytes(0));
    add("aof.buffer", Bytes(0));
    add("lua.caches", Bytes(0));
    add("functions.caches", Bytes(0));
    for (db, bytes) in &memory.tables {
        add(&format!("db.{db}"), Table(int(*bytes)));
    }
    add("overhead.total", Bytes(int(memory.overhead_bytes())));
    add("keys.count", Bytes(int(memory.keys)));
    add("keys.bytes-per-key", Bytes(int(memory.used_bytes().checked_div(memory.keys).unwrap_or(0))));
    add("dataset.bytes", Bytes(int(memory.dataset_bytes())));
    add("dataset.percentage", Share(memory.dataset_percent()));
    add("peak.percentage", Share(memory.peak_percent()));
    add("allocator.allocated", Bytes(used));
    add("allocator.active", Bytes(int(memory.resident_bytes)));
    add("allocator.resident", Bytes(int(memory.resident_bytes)));
    add("allocator-fragmentation.ratio", Share(fragmentation));
    add("allocator-fragmentation.bytes", Bytes(fragmentation_bytes));
    add("allocator-rss.ratio", Share(1.0));
    add("allocator-rss.bytes", Bytes(0));
    add("rss-overhead.ratio", Share(1.0));
    add("rss-overhead.bytes", Bytes(0));
    add("fragmentation", Share(fragmentation));
    add("fragmentation.bytes", Bytes(fragmentation_bytes));

    out.map(figures.len());
    for (name, figure) in &figures {
        out.bulk(name.as_bytes());
        match *figure {
            Bytes(bytes) => out.int(bytes),
            Share(share) => out.double(share),
            Table(bytes) => {
                out.map(3);
                for (name, bytes) in [
                    ("overhead.hashtable.main", bytes),
                    // Deadlines stand in the entries, and slots are not indexed.
                    ("overhead.hashtable.expires", 0),
                    ("overhead.hashtable.slot-to-keys", 0),
                ] {
                    out.bulk(name.as_bytes());
                    out.int(bytes);
                }
            }
        }
    }
    Ok(())
}

/// Replies with what looks wrong about the memory, in words. Reference: <https://valkey.io/commands/memory-doctor/>
fn memory_doctor(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    const SMALL: u64 = 5 << 20;
    const NOTABLE: i64 = 10 << 20;
    let memory = Memory::of(engine);
    let (fragmentation, fragmentation_bytes) = memory.fragmentation();
    let used = memory.used_bytes();
    let mut report = String::new();
    if used < SMALL {
        report.push_str(
            "This instance is empty or uses very little memory; there is nothing to examine yet.\n",
        );
    } else {
        if memory.peak_bytes > used.saturating_add(used / 2) {
            report.push_str(
                " * Peak memory: the most that was used is more than 1.5 times what is used now. The allocator may \
                 keep memory of that time for later use; the process looks larger than its data until then.\n",
            );
        }
        if fragmentation > 1.4 && fragmentation_bytes > NOTABLE {
            report.push_str(&format!(
                " * Resident memory: the process takes {fragmentation:.2} times what its data takes. Keys that were \
                 removed leave room that only new keys will fill.\n",
            ));
        }
        if report.is_empty() {
            report.push_str("No memory problem was found.\n");
        }
    }
    out.verbatim("txt", report.as_bytes());
    Ok(())
}

/// Replies that there are none: the allocator is the program's, not the engine's.
///
/// Reference: <https://valkey.io/commands/memory-malloc-stats/>
fn memory_malloc_stats(
    _: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.bulk(b"Stats not supported for the current allocator");
    Ok(())
}

/// Does nothing, as in a Redis without jemalloc. Reference: <https://valkey.io/commands/memory-purge/>
fn memory_purge(
    _: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.ok();
    Ok(())
}

/// Reference: <https://valkey.io/commands/memory-help/>
fn memory_help(
    _: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    write_help(
        out,
        "MEMORY",
        &[
            "DOCTOR",
            "    Return memory problems reports.",
            "MALLOC-STATS",
            "    Return internal statistics report from the memory allocator.",
            "PURGE",
            "    Attempt to purge dirty pages for reclamation by the allocator.",
            "STATS",
            "    Return information about the memory usage of the server.",
            "USAGE <key> [SAMPLES <count>]",
            "    Return memory in bytes used by <key> and its value. Nested values are",
            "    sampled up to <count> times (default: 5, 0 means sample all).",
        ],
    );
    Ok(())
}

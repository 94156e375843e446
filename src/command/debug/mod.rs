//! `DEBUG`: what tests of clients and of the engine need. What would crash the server, or look into structures that
//! are not ours, does not exist here.

mod help;
mod samples;
mod values;

use super::args::{Args, parse_float, parse_int};
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use crate::config::Allowed;
use crate::engine::{Reach, Session};
use crate::reply::Sink;
use crate::shard::digest::Digest;
use std::time::Duration;

/// The family's rows. `DEBUG` is no container: its subcommands have no rows, as in Redis.
pub const COMMANDS: &[Command] =
    &[row("DEBUG", -2, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(debug))
        .of(Group::Server, "1.0.0")
        .doc("", "A container for debugging commands.", "Depends on subcommand.")];

/// Runs a debugging command, where `enable-debug-command` lets the client.
///
/// Reference: <https://redis.io/docs/latest/commands/debug/>
fn debug(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let peer = &session.client.peer;
    let allowed = match engine.settings().enable_debug_command() {
        Allowed::Yes => true,
        Allowed::No => false,
        // A client without an address is the program itself.
        Allowed::Local => peer.local || peer.addr.is_empty(),
    };
    if !allowed {
        return Err(CommandError::text(
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it \
             from a local connection, otherwise you need to set this option in the configuration file, and then \
             restart the server.",
        ));
    }
    let given = args.required()?;
    match (given.to_ascii_lowercase().as_slice(), args.rest()) {
        (b"sleep", [seconds]) => sleep(engine, seconds),
        (b"object", [key, fast @ ..]) if fast.len() <= 1 => {
            let is_fast = fast.first().is_some_and(|word| word.eq_ignore_ascii_case(b"fast"));
            return values::object(session, engine, key, is_fast, out);
        }
        (b"sdslen", [key]) => return values::string_figures(session, engine, key, out),
        (b"listpack", [key]) => return values::listpack(session, engine, key, out),
        (b"quicklist", [key]) => return values::quicklist(session, engine, key, false, out),
        (b"quicklist", [key, full]) => {
            return values::quicklist(session, engine, key, values::is_on(full), out);
        }
        (b"htstats", [db] | [db, _]) => return values::table_figures(engine, db, out),
        (b"htstats-key", [key] | [key, _]) => return values::table_figures_of_key(session, engine, key, out),
        (b"digest", []) => {
            out.simple(&engine.digest().hex());
            return Ok(());
        }
        (b"digest-value", keys) => {
            digest_values(session, engine, keys, out);
            return Ok(());
        }
        (b"reload", options) => return reload(engine, options, out),
        (b"set-active-expire", [on]) => engine.cycles().set_active_expiry(values::is_on(on)),
        (b"pause-cron", [on]) => engine.cycles().set_paused(values::is_on(on)),
        (b"set-disable-deny-scripts", [on]) => engine.let_scripts_call_all(values::is_on(on)),
        (b"set-skip-checksum-validation", [on]) => {
            engine.each_shard(|shard| shard.skips_checksums = values::is_on(on));
        }
        (b"populate", rest @ ([_] | [_, _] | [_, _, _])) => return populate(session, engine, rest, out),
        (b"error", [text]) => {
            out.error(&String::from_utf8_lossy(text));
            return Ok(());
        }
        (b"log", [text]) => tracing::warn!("DEBUG LOG: {}", String::from_utf8_lossy(text)),
        // Bounded by whoever may use DEBUG, who wants to see it found.
        (b"leak", [text]) => std::mem::forget(text.to_vec()),
        (b"protocol", [kind]) => return samples::protocol(kind, out),
        (b"stringmatch-test", []) => {
            samples::match_patterns(|| session.client.is_killed());
            out.simple("Apparently Redis did not crash: test passed");
            return Ok(());
        }
        (b"structsize", []) => {
            out.bulk(samples::sizes().as_bytes());
            return Ok(());
        }
        (b"client-eviction", []) => {
            out.verbatim("txt", client_buckets(engine)?.as_bytes());
            return Ok(());
        }
        (b"quicklist-packed-threshold", [size]) => {
            match crate::config::memory(&String::from_utf8_lossy(size)) {
                Some(0..=0xFFFF_FFFF) => {}
                _ => {
                    return Err(CommandError::text(
                        "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
                    ));
                }
            }
        }
        (b"replybuffer", [what, time]) if what.eq_ignore_ascii_case(b"PEAK-RESET-TIME") => {
            let is_word = time.eq_ignore_ascii_case(b"NEVER") || time.eq_ignore_ascii_case(b"RESET");
            if !is_word && parse_int(time).is_none() {
                return Err(CommandError::NotAnInteger);
            }
        }
        (b"drop-cluster-packet-filter", [kind]) => {
            parse_int(kind).ok_or(CommandError::NotAnInteger)?;
        }
        // What these speak of has one form here, or does not exist, whatever they say.
        (b"dict-resizing" | b"client-enforce-reply-list" | b"pause-after-fork", [_])
        | (b"replicate", [_]) => {}
        (b"replybuffer", [what, _]) if what.eq_ignore_ascii_case(b"RESIZING") => {}
        (b"loadaof", []) => {
            return Err(CommandError::text("ERR Error trying to load the AOF files, check server logs."));
        }
        (b"clusterlink", [kill, _, _]) if kill.eq_ignore_ascii_case(b"KILL") => {
            return Err(CommandError::text(
                "ERR Debug option only available for cluster mode enabled setup!",
            ));
        }
        (b"restart" | b"crash-and-recover", rest @ ([] | [_])) => {
            if rest.first().is_some_and(|delay| parse_int(delay).is_none()) {
                return Err(CommandError::NotAnInteger);
            }
            return Err(CommandError::text("ERR failed to restart the server. Check server logs."));
        }
        (b"change-repl-id", []) => {
            return Err(CommandError::text(
                "ERR DEBUG CHANGE-REPL-ID is not supported: there is no replication here",
            ));
        }
        (b"assert" | b"panic" | b"segfault" | b"oom", []) => {
            return Err(unsupported(given, "nothing but SHUTDOWN ends this server"));
        }
        (b"aof-flush-sleep", [_]) | (b"config-rewrite-force-all", []) => {
            return Err(unsupported(given, "there is no such switch here"));
        }
        (b"help", []) => {
            help::write(out);
            return Ok(());
        }
        _ => {
            let shown = String::from_utf8_lossy(given.get(..128).unwrap_or(given)).into_owned();
            return Err(CommandError::from(format!(
                "ERR unknown subcommand or wrong number of arguments for '{shown}'. Try DEBUG HELP."
            )));
        }
    }
    out.ok();
    Ok(())
}

/// What is refused though Redis has it, with the reason.
fn unsupported(given: &[u8], why: &str) -> CommandError {
    let name = String::from_utf8_lossy(given).to_ascii_uppercase();
    CommandError::from(format!("ERR DEBUG {name} is not supported: {why}"))
}

/// Reads a number as C's `atoi` does: what is no number is 0.
fn number_of(text: &[u8]) -> i64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count();
    text.get(..digits).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()).unwrap_or(0)
}

/// Keeps everybody out of all shards for a time, so that the whole server stands still.
fn sleep(engine: &mut Reach<'_, '_>, seconds: &[u8]) {
    const LONGEST: Duration = Duration::from_secs(i32::MAX as u64);
    let seconds = parse_float(seconds).unwrap_or(0.0).max(0.0);
    engine.stall(Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST).min(LONGEST));
}

/// Saves, empties all databases and loads what was saved. Others are served meanwhile: what they write between is lost.
fn reload(engine: &mut Reach<'_, '_>, options: &[&[u8]], out: &mut dyn Sink) -> Result<(), CommandError> {
    const FAILED: CommandError =
        CommandError::text("ERR Error trying to load the RDB dump, check server logs.");
    let (mut save, mut flush, mut merge) = (true, true, false);
    for option in options {
        match option.to_ascii_lowercase().as_slice() {
            b"merge" => merge = true,
            b"noflush" => flush = false,
            b"nosave" => save = false,
            _ => {
                return Err(CommandError::text(
                    "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                ));
            }
        }
    }
    if engine.is_inside() {
        return Err(CommandError::text("ERR DEBUG RELOAD is not allowed inside a transaction"));
    }
    if save && engine.engine().save().is_err() {
        return Err(CommandError::text("ERR"));
    }
    if flush {
        engine.flush(None);
    }
    if let Err(error) = engine.engine().load(merge) {
        tracing::error!("DEBUG RELOAD: {error}");
        return Err(FAILED);
    }
    out.ok();
    Ok(())
}

fn digest_values(session: &Session, engine: &mut Reach<'_, '_>, keys: &[&[u8]], out: &mut dyn Sink) {
    out.array(keys.len());
    engine.with_all(session.db, |entered| {
        for key in keys {
            let mut digest = Digest::default();
            let (keyspace, key) = entered.at(key);
            keyspace.no_touch(true).digest(key, &mut digest);
            out.simple(&digest.hex());
        }
    });
}

/// Writes many keys at once. Ends when the client is killed.
fn populate(
    session: &Session,
    engine: &mut Reach<'_, '_>,
    args: &[&[u8]],
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    const OUT_OF_RANGE: CommandError = CommandError::text("ERR value is out of range, must be positive");
    let number = |at: usize| match args.get(at) {
        Some(text) => {
            let number = parse_int(text).and_then(|number| u64::try_from(number).ok());
            number.ok_or(OUT_OF_RANGE)
        }
        None => Ok(0),
    };
    let count = number(0)?;
    let prefix: &[u8] = args.get(1).copied().unwrap_or(b"key");
    let size = usize::try_from(number(2)?).unwrap_or(usize::MAX);
    if size > engine.settings().proto_max_bulk_len() {
        return Err(CommandError::StringTooLong);
    }
    engine.populate(session.db, count, prefix, size, || session.client.is_killed());
    out.ok();
    Ok(())
}

/// How many clients hold how much, in powers of two, as `maxmemory-clients` sees it.
fn client_buckets(engine: &Reach<'_, '_>) -> Result<String, CommandError> {
    const SMALLEST_LOG: u32 = 15;
    const BUCKETS: usize = 19;
    if engine.settings().maxmemory_clients() == 0 {
        return Err(CommandError::text("ERR maxmemory-clients is disabled."));
    }
    let mut buckets = [(0usize, 0usize); BUCKETS];
    for client in engine.clients() {
        let bytes = client.buffer_bytes();
        let log = bytes.checked_ilog2().unwrap_or(0);
        let at = log.saturating_sub(SMALLEST_LOG - 1) as usize;
        if !client.no_evict.load(std::sync::atomic::Ordering::Relaxed)
            && let Some(bucket) = buckets.get_mut(at.min(BUCKETS - 1))
        {
            *bucket = (bucket.0 + bytes, bucket.1 + 1);
        }
    }
    let mut text = String::new();
    for (at, (bytes, clients)) in buckets.iter().enumerate() {
        let from = if at == 0 { 0 } else { 1u64 << (at as u32 + SMALLEST_LOG - 1) };
        let range = match at + 1 {
            BUCKETS => format!("{from:>10}+            "),
            _ => format!("{from:>10} - {:>10}", (1u64 << (at as u32 + SMALLEST_LOG)) - 1),
        };
        text += &format!("bucket {range}: tot-mem: {bytes:>10}, clients: {clients}\n");
    }
    Ok(text)
}

//! `DEBUG`: what tests of clients and of the engine need. What would crash the server, or look into structures that
//! are not ours, does not exist here.

use super::args::{Args, parse_float};
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use super::write_help;
use crate::config::Allowed;
use crate::engine::{Reach, Session};
use crate::reply::{Protocol, Sink};
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
        (b"sleep", [seconds]) => {
            sleep(engine, seconds);
            out.ok();
            Ok(())
        }
        (b"object", [key]) => object(session, engine, key, out),
        (b"digest", []) => {
            out.simple(&engine.digest().hex());
            Ok(())
        }
        (b"digest-value", keys) => {
            out.array(keys.len());
            engine.with_all(session.db, |entered| {
                for key in keys {
                    let mut digest = Digest::default();
                    let (keyspace, key) = entered.at(key);
                    keyspace.no_touch(true).digest(key, &mut digest);
                    out.simple(&digest.hex());
                }
            });
            Ok(())
        }
        (b"reload", options) => reload(engine, options, out),
        (b"set-active-expire", [on]) => {
            engine.cycles().set_active_expiry(number_of(on) != 0);
            out.ok();
            Ok(())
        }
        (b"populate", rest @ ([_] | [_, _] | [_, _, _])) => populate(session, engine, rest, out),
        (b"error", [text]) => {
            out.error(&String::from_utf8_lossy(text));
            Ok(())
        }
        (b"log", [text]) => {
            tracing::warn!("DEBUG LOG: {}", String::from_utf8_lossy(text));
            out.ok();
            Ok(())
        }
        (b"protocol", [kind]) => protocol(kind, out),
        (b"htstats", [db] | [db, _]) => table_figures(engine, number_of(db), out),
        (b"change-repl-id", []) => {
            Err(CommandError::text("ERR DEBUG CHANGE-REPL-ID is not supported: there is no replication here"))
        }
        // What these speak of has one form here, or does not exist, whatever they say.
        (b"quicklist-packed-threshold", [size]) => {
            match crate::config::memory(&String::from_utf8_lossy(size)) {
                Some(0..=0xFFFF_FFFF) => {
                    out.ok();
                    Ok(())
                }
                _ => Err(CommandError::text(
                    "ERR argument must be a memory value bigger than 1 and smaller than 4gb",
                )),
            }
        }
        (b"replybuffer", [what, _])
            if what.eq_ignore_ascii_case(b"RESIZING") || what.eq_ignore_ascii_case(b"PEAK-RESET-TIME") =>
        {
            out.ok();
            Ok(())
        }
        (b"help", []) => {
            help(out);
            Ok(())
        }
        _ => {
            let shown = String::from_utf8_lossy(given.get(..128).unwrap_or(given)).into_owned();
            Err(CommandError::from(format!(
                "ERR unknown subcommand or wrong number of arguments for '{shown}'. Try DEBUG HELP."
            )))
        }
    }
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

/// Says how a key is stored, in the form that clients take apart.
fn object(
    session: &Session,
    engine: &mut Reach<'_, '_>,
    key: &[u8],
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (encoding, idle, bytes, used_at) = engine.with_all(session.db, |entered| {
        let (mut keyspace, key) = entered.at(key);
        let encoding = keyspace.encoding(key).ok_or(CommandError::NoSuchKey)?;
        let idle = keyspace.idle_seconds(key).unwrap_or(0);
        let bytes = keyspace.memory_bytes(key).unwrap_or(0);
        let used_at = (keyspace.now_ms() / 1000).saturating_sub(idle) & 0xFF_FFFF;
        Ok::<_, CommandError>((encoding, idle, bytes, used_at))
    })?;
    // There is no address to show: a value moves as it grows.
    out.simple(&format!(
        "Value at:0x0 refcount:1 encoding:{encoding} serializedlength:{bytes} lru:{used_at} lru_seconds_idle:{idle}"
    ));
    Ok(())
}

/// Says how large the table of a database is.
fn table_figures(engine: &mut Reach<'_, '_>, db: i64, out: &mut dyn Sink) -> Result<(), CommandError> {
    let figures = engine.db_figures();
    let figures = usize::try_from(db).ok().and_then(|db| figures.get(db));
    let figures = figures.ok_or(CommandError::text("ERR Out of range database"))?;
    let text = format!(
        "[Dictionary HT]\nHash table 0 stats (main hash table):\n number of elements: {}\n bytes: {}\n\
         [Expires HT]\nHash table 0 stats (main hash table):\n number of elements: {}\n",
        figures.keys, figures.table_bytes, figures.expires
    );
    out.verbatim("txt", text.as_bytes());
    Ok(())
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
            let number = super::args::parse_int(text).and_then(|number| u64::try_from(number).ok());
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

/// Replies with an example of a protocol type, for the tests of clients.
#[expect(clippy::approx_constant, reason = "Redis' example of a double is this number, not pi")]
fn protocol(kind: &[u8], out: &mut dyn Sink) -> Result<(), CommandError> {
    match kind.to_ascii_lowercase().as_slice() {
        b"string" => out.bulk(b"Hello World"),
        b"integer" => out.int(12345),
        b"double" => out.double(3.141),
        b"null" => out.null(),
        b"array" => {
            out.array(3);
            (0..3).for_each(|n| out.int(n));
        }
        b"set" => {
            out.set(3);
            (0..3).for_each(|n| out.int(n));
        }
        b"map" => {
            out.map(3);
            for n in 0..3 {
                out.int(n);
                out.boolean(n == 1);
            }
        }
        b"push" if out.protocol() == Protocol::Resp2 => {
            return Err(CommandError::text("ERR RESP2 is not supported by this command"));
        }
        b"push" => {
            out.push(2);
            out.bulk(b"server-cpu-usage");
            out.int(42);
            out.bulk(b"Some real reply following the push reply");
        }
        // Whoever reads replies may leave attributes out, and whoever sends them may as well.
        b"attrib" => out.bulk(b"Some real reply following the attribute"),
        b"bignum" => out.big_number("1234567999999999999999999999999999999"),
        b"true" => out.boolean(true),
        b"false" => out.boolean(false),
        b"verbatim" => out.verbatim("txt", b"This is a verbatim\nstring"),
        _ => {
            return Err(CommandError::text(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

fn help(out: &mut dyn Sink) {
    write_help(
        out,
        "DEBUG",
        &[
            "DIGEST",
            "    Output a hex signature representing the current DB content.",
            "DIGEST-VALUE <key> [<key> ...]",
            "    Output a hex signature of the values of all the specified keys.",
            "ERROR <string>",
            "    Return a Redis protocol error with <string> as message. Useful for clients",
            "    unit tests to simulate Redis errors.",
            "HTSTATS <dbid>",
            "    Return hash table statistics of the specified Redis database.",
            "LOG <message>",
            "    Write <message> to the server log.",
            "OBJECT <key>",
            "    Show low level info about `key` and associated value.",
            "POPULATE <count> [<prefix>] [<size>]",
            "    Create <count> string keys named key:<num>. If <prefix> is specified then",
            "    it is used instead of the 'key' prefix.",
            "PROTOCOL <type>",
            "    Reply with a test value of the specified type. <type> can be: string,",
            "    integer, double, bignum, null, array, set, map, push, verbatim, true, false.",
            "QUICKLIST-PACKED-THRESHOLD <size>",
            "    Accepted, without effect.",
            "REPLYBUFFER RESIZING|PEAK-RESET-TIME <value>",
            "    Accepted, without effect.",
            "RELOAD [option ...]",
            "    Save the RDB on disk and reload it back to memory. Valid <option> values:",
            "    * MERGE: conflicting keys will be loaded from RDB.",
            "    * NOFLUSH: the existing database will not be removed before load, but",
            "      conflicting keys will generate an exception and kill the server.",
            "    * NOSAVE: the database will be loaded from an existing RDB file.",
            "    Examples:",
            "    * DEBUG RELOAD: verify that the server is able to persist, flush and reload",
            "      the database.",
            "    * DEBUG RELOAD NOSAVE: replace the current database with the contents of an",
            "      existing RDB file.",
            "    * DEBUG RELOAD NOSAVE NOFLUSH MERGE: add the contents of an existing RDB",
            "      file to the database.",
            "SET-ACTIVE-EXPIRE <0|1>",
            "    Setting it to 0 disables expiring keys in background when they are not",
            "    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the",
            "    default.",
            "SLEEP <seconds>",
            "    Stop the server for <seconds>. Decimals allowed.",
        ],
    );
}

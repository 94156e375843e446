//! `DUMP` and `RESTORE`: a value as bytes that any server of the family reads.

use super::args::Args;
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use crate::rdb::Refused;
use crate::reply::Sink;
use crate::shard::{Class, Key, Keyspace, Value};

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("DUMP", 2, &[Read], Keys::FIRST, Run::Key(dump)).of(Group::Generic, "2.6.0").doc(
        "key",
        "Returns a serialized representation of the value stored at a key.",
        "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis objects \
         composing the value and M their average size. For small string values the time complexity is thus \
         O(1)+O(1*M) where M is small, so simply O(1).",
    ),
    row("RESTORE", -4, &[Write, DenyOom, Dangerous], Keys::FIRST, Run::Key(restore))
        .of(Group::Generic, "2.6.0")
        .doc(
            "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
            "Creates a key from the serialized representation of a value.",
            "O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the \
             number of Redis objects composing the value and M their average size. For small string values the time \
             complexity is thus O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the \
             complexity is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).",
        ),
];

impl From<Refused> for CommandError {
    fn from(refused: Refused) -> Self {
        CommandError::text(match refused {
            Refused::Footer => "ERR DUMP payload version or checksum are wrong",
            Refused::Corrupt(_) => "ERR Bad data format",
        })
    }
}

/// Replies with the value as bytes, null without the key.
///
/// In process: `Keyspace::dump`. Reference: <https://valkey.io/commands/dump/>
fn dump(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    match keys.dump(key) {
        Some(payload) => out.bulk_shared(&payload.into()),
        None => out.null(),
    }
    Ok(())
}

/// What `RESTORE` was asked for besides the value.
#[derive(Debug, Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

impl Options {
    fn parse(args: &mut Args<'_>) -> Result<Self, CommandError> {
        let mut options = Options::default();
        while args.left() > 0 {
            let follows = args.left() > 1;
            if args.eat("REPLACE") {
                options.replace = true;
            } else if args.eat("ABSTTL") {
                options.absolute = true;
            } else if follows && options.frequency.is_none() && args.eat("IDLETIME") {
                let seconds = u64::try_from(args.int()?);
                const NEGATIVE: CommandError = CommandError::text("ERR Invalid IDLETIME value, must be >= 0");
                options.idle_seconds = Some(seconds.map_err(|_| NEGATIVE)?);
            } else if follows && options.idle_seconds.is_none() && args.eat("FREQ") {
                let frequency = u8::try_from(args.int()?);
                const OUT_OF_RANGE: CommandError =
                    CommandError::text("ERR Invalid FREQ value, must be >= 0 and <= 255");
                options.frequency = Some(frequency.map_err(|_| OUT_OF_RANGE)?);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }
}

/// Makes a key from what [`dump`] gave, here or on another server; a deadline that has passed makes none. How often the
/// key was used is taken note of and not kept: no policy of ours asks for it.
///
/// Errors: syntax, a key that exists (unless it is to be replaced), a time to live that is none, a payload that is none.
///
/// In process: `Value::from_payload`. Reference: <https://valkey.io/commands/restore/>
fn restore(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (ttl, payload) = (args.required()?, args.required()?);
    let options = Options::parse(args)?;
    if !options.replace && keys.exists(key) {
        return Err(CommandError::text("BUSYKEY Target key name already exists."));
    }
    let ttl_ms = super::args::parse_int(ttl).ok_or(CommandError::NotAnInteger)?;
    if ttl_ms < 0 {
        return Err(CommandError::text("ERR Invalid TTL value, must be >= 0"));
    }
    let shard = keys.shard();
    let mut value = match shard.skips_checksums {
        false => Value::from_payload(payload, &shard.settings)?,
        true => Value::from_unchecked_payload(payload, &shard.settings)?,
    };
    if ttl_ms > 0 {
        let now_ms = i64::try_from(keys.now_ms()).unwrap_or(i64::MAX);
        // As Redis counts: a deadline beyond what 64 bits hold lies in the past.
        let deadline = if options.absolute { ttl_ms } else { ttl_ms.wrapping_add(now_ms) };
        if deadline <= now_ms {
            keys.delete(key);
            out.ok();
            return Ok(());
        }
        value.expires_at_ms = Some(deadline.unsigned_abs());
    }
    if options.replace && keys.exists(key) {
        keys.notify_aside(Class::New, "new", key);
    }
    keys.put(key, value);
    keys.notify(Class::Generic, "restore", key);
    if let Some(seconds) = options.idle_seconds {
        keys.set_idle_seconds(key, seconds);
    }
    out.ok();
    Ok(())
}

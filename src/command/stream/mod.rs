//! Stream commands: entries are added, read, deleted and trimmed here; `read` has `XREAD` and `XREADGROUP`, `group` the
//! commands of consumer groups, `info` what `XINFO` tells, `args` how IDs and trimming are written.

mod args;
mod group;
mod info;
mod read;

use super::args::Args;
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, container, row};
use crate::reply::Sink;
use crate::shard::{Class, Key, Keyspace, StreamChange};
use crate::value::listpack::Element;
use crate::value::stream::{Entry, Id, IdBuffer, Log, NodeLimit, Range, Stream, TooLarge};
use args::{Interval, NewId, TrimArgs, cut, strict_id, strict_ids};

/// The key behind a container's subcommand.
const SECOND: Keys = Keys::At(2);

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    row("XADD", -5, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(xadd)).of(Group::Stream, "5.0.0").doc(
        "key [NOMKSTREAM] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value [field value ...]",
        "Appends a new message to a stream. Creates the key if it doesn't exist.",
        "O(1) when adding a new entry, O(N) when trimming where N being the number of entries evicted.",
    ),
    row("XLEN", 2, &[Read, Fast], Keys::FIRST, Run::Key(xlen)).of(Group::Stream, "5.0.0").doc(
        "key",
        "Returns the number of messages in a stream.",
        "O(1)",
    ),
    row("XRANGE", -4, &[Read], Keys::FIRST, Run::Key(xrange)).of(Group::Stream, "5.0.0").doc(
        "key start end [COUNT count]",
        "Returns the messages from a stream within a range of IDs.",
        "O(N) with N being the number of elements being returned. If N is constant (e.g. always asking for the first \
         10 elements with COUNT), you can consider it O(1).",
    ),
    row("XREVRANGE", -4, &[Read], Keys::FIRST, Run::Key(xrevrange)).of(Group::Stream, "5.0.0").doc(
        "key end start [COUNT count]",
        "Returns the messages from a stream within a range of IDs in reverse order.",
        "O(N) with N being the number of elements returned. If N is constant (e.g. always asking for the first 10 \
         elements with COUNT), you can consider it O(1).",
    ),
    row("XREAD", -4, &[Read, Blocking, MovableKeys], Keys::Streams, Run::Wait(read::xread))
        .of(Group::Stream, "5.0.0")
        .doc(
            "[COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]",
            "Returns messages from multiple streams with IDs greater than the ones requested. Blocks until a message \
             is available otherwise.",
            "For each stream mentioned: O(N) with N being the number of elements being returned, it means that \
             XREAD-ing with a fixed COUNT is O(1). Note that when the BLOCK option is used, XADD will pay O(M) time \
             in order to serve the M clients blocked on the stream getting new data.",
        ),
    row("XREADGROUP", -7, &[Write, Blocking, MovableKeys], Keys::Streams, Run::Wait(read::xreadgroup))
        .of(Group::Stream, "5.0.0")
        .doc(
            "GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id ...]",
            "Returns new or historical messages from a stream for a consumer in a group. Blocks until a message is \
             available otherwise.",
            "For each stream mentioned: O(M) with M being the number of elements returned. If M is constant (e.g. \
             always asking for the first 10 elements with COUNT), you can consider it O(1). On the other side when \
             XREADGROUP blocks, XADD will pay the O(N) time in order to serve the N clients blocked on the stream \
             getting new data.",
        ),
    row("XTRIM", -4, &[Write], Keys::FIRST, Run::Key(xtrim)).of(Group::Stream, "5.0.0").doc(
        "key <MAXLEN | MINID> [= | ~] threshold [LIMIT count]",
        "Deletes messages from the beginning of a stream.",
        "O(N), with N being the number of evicted entries. Constant times are very small however, since entries are \
         organized in macro nodes containing multiple entries that can be released with a single deallocation.",
    ),
    row("XDEL", -3, &[Write, Fast], Keys::FIRST, Run::Key(xdel)).of(Group::Stream, "5.0.0").doc(
        "key id [id ...]",
        "Returns the number of messages after removing them from a stream.",
        "O(1) for each single item to delete in the stream, regardless of the stream size.",
    ),
    row("XSETID", -3, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(xsetid)).of(Group::Stream, "5.0.0").doc(
        "key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]",
        "An internal command for replicating stream values.",
        "O(1)",
    ),
    Command {
        ..container("XGROUP", XGROUP).of(Group::Stream, "5.0.0").doc(
            "",
            "A container for consumer groups commands.",
            "Depends on subcommand.",
        )
    },
    row("XACK", -4, &[Write, Fast], Keys::FIRST, Run::Key(group::xack)).of(Group::Stream, "5.0.0").doc(
        "key group id [id ...]",
        "Returns the number of messages that were successfully acknowledged by the consumer group member of a stream.",
        "O(1) for each message ID processed.",
    ),
    row("XPENDING", -3, &[Read], Keys::FIRST, Run::Key(group::xpending)).of(Group::Stream, "5.0.0").doc(
        "key group [[IDLE min-idle-time] start end count [consumer]]",
        "Returns the information and entries from a stream consumer group's pending entries list.",
        "O(N) with N being the number of elements returned, so asking for a small fixed number of entries per call is \
         O(1). O(M), where M is the total number of entries scanned when used with the IDLE filter. When the command \
         returns just the summary and the list of consumers is small, it runs in O(1) time; otherwise, an additional \
         O(N) time for iterating every consumer.",
    ),
    row("XCLAIM", -6, &[Write, Fast], Keys::FIRST, Run::Key(group::xclaim)).of(Group::Stream, "5.0.0").doc(
        "key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] [RETRYCOUNT count] \
         [FORCE] [JUSTID] [LASTID lastid]",
        "Changes, or acquires, ownership of a message in a consumer group, as if the message was delivered to a \
         consumer group member.",
        "O(log N) with N being the number of messages in the PEL of the consumer group.",
    ),
    row("XAUTOCLAIM", -6, &[Write, Fast], Keys::FIRST, Run::Key(group::xautoclaim)).of(Group::Stream, "6.2.0").doc(
        "key group consumer min-idle-time start [COUNT count] [JUSTID]",
        "Changes, or acquires, ownership of messages in a consumer group, as if the messages were delivered to a \
         consumer group member.",
        "O(1) if COUNT is small.",
    ),
    Command {
        ..container("XINFO", XINFO).of(Group::Stream, "5.0.0").doc(
            "",
            "A container for stream introspection commands.",
            "Depends on subcommand.",
        )
    },
];

const XGROUP: &[Command] =
    &[
        row("CREATE", -5, &[Write, DenyOom], SECOND, Run::Key(group::create)).of(Group::Stream, "5.0.0").doc(
            "key group <id | $> [MKSTREAM] [ENTRIESREAD entriesread]",
            "Creates a consumer group.",
            "O(1)",
        ),
        row("CREATECONSUMER", 5, &[Write, DenyOom], SECOND, Run::Key(group::createconsumer))
            .of(Group::Stream, "6.2.0")
            .doc("key group consumer", "Creates a consumer in a consumer group.", "O(1)"),
        row("DELCONSUMER", 5, &[Write], SECOND, Run::Key(group::delconsumer)).of(Group::Stream, "5.0.0").doc(
            "key group consumer",
            "Deletes a consumer from a consumer group.",
            "O(1)",
        ),
        row("DESTROY", 4, &[Write], SECOND, Run::Key(group::destroy)).of(Group::Stream, "5.0.0").doc(
            "key group",
            "Destroys a consumer group.",
            "O(N) where N is the number of entries in the group's pending entries list (PEL).",
        ),
        row("HELP", 2, &[Loading, Stale], Keys::None, Run::Session(group::help))
            .of(Group::Stream, "5.0.0")
            .doc("", "Returns helpful text about the different subcommands.", "O(1)"),
        row("SETID", -5, &[Write], SECOND, Run::Key(group::setid)).of(Group::Stream, "5.0.0").doc(
            "key group <id | $> [ENTRIESREAD entriesread]",
            "Sets the last-delivered ID of a consumer group.",
            "O(1)",
        ),
    ];

const XINFO: &[Command] =
    &[
        row("CONSUMERS", 4, &[Read], SECOND, Run::Key(info::consumers)).of(Group::Stream, "5.0.0").doc(
            "key group",
            "Returns a list of the consumers in a consumer group.",
            "O(1)",
        ),
        row("GROUPS", 3, &[Read], SECOND, Run::Key(info::groups)).of(Group::Stream, "5.0.0").doc(
            "key",
            "Returns a list of the consumer groups of a stream.",
            "O(1)",
        ),
        row("HELP", 2, &[Loading, Stale], Keys::None, Run::Session(info::help))
            .of(Group::Stream, "5.0.0")
            .doc("", "Returns helpful text about the different subcommands.", "O(1)"),
        row("STREAM", -3, &[Read], SECOND, Run::Key(info::stream)).of(Group::Stream, "5.0.0").doc(
            "key [FULL [COUNT count]]",
            "Returns information about a stream.",
            "O(1)",
        ),
    ];

/// Writes an ID as a string.
fn write_id(id: Id, out: &mut dyn Sink) {
    out.bulk(id.format(&mut IdBuffer::default()));
}

/// Writes an element as a string.
fn write_element(element: Element<'_>, out: &mut dyn Sink) {
    element.with_bytes(|bytes| out.bulk(bytes));
}

/// Writes an entry: its ID, and its fields with their values in one array.
fn write_entry(entry: &Entry<'_>, out: &mut dyn Sink) {
    out.array(2);
    write_id(entry.id, out);
    let fields = entry.fields();
    out.array(2 * fields.len());
    for (field, value) in fields {
        write_element(field, out);
        write_element(value, out);
    }
}

/// Writes up to `max` entries as an array.
fn write_range(range: Range<'_>, max: usize, out: &mut dyn Sink) {
    out.array(range.count_up_to(max));
    range.take(max).for_each(|entry| write_entry(&entry, out));
}

/// Redis' error for a subcommand whose options do not fit.
fn subcommand_syntax(argv: &[&[u8]], container: &str) -> CommandError {
    let sent = argv.get(1).map(|word| cut(word.get(..128).unwrap_or(word))).unwrap_or_default();
    let sent = String::from_utf8_lossy(sent);
    format!("ERR unknown subcommand or wrong number of arguments for '{sent}'. Try {container} HELP.").into()
}

/// Replies with the ID of the new entry, or null where `NOMKSTREAM` keeps the stream from being made.
/// Errors: `WRONGTYPE`, options that do not fit, an ID that is not greater than the last one.
///
/// Reference: <https://valkey.io/commands/xadd/>
fn xadd(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    const ZERO: CommandError = CommandError::text("ERR The ID specified in XADD must be greater than 0-0");
    let rest = args.rest();
    let (trim, id, at) = TrimArgs::parse_add(rest, keys.shard().settings.stream_node.entries_max)?;
    let pairs = rest.get(at..).unwrap_or_default();
    let Some(id) = id.filter(|_| !pairs.is_empty() && pairs.len() % 2 == 0) else {
        return Err(CommandError::WrongArity("xadd"));
    };
    if id == NewId::Exactly(Id::MIN) {
        return Err(ZERO);
    }
    match add(keys, key, id, pairs, trim)? {
        Some(id) => write_id(id, out),
        None => out.null(),
    }
    Ok(())
}

/// Adds an entry of fields and values in turn under an ID of the clock's, as `XADD key *` does; its ID.
///
/// # Errors
/// As `XADD` has them.
#[inline]
pub(crate) fn add_now(keys: &mut Keyspace<'_>, key: Key<'_>, pairs: &[&[u8]]) -> Result<Id, CommandError> {
    let added = add(keys, key, NewId::Any, pairs, TrimArgs::default())?;
    added.ok_or(CommandError::NoSuchKey)
}

#[inline]
fn add(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    id: NewId,
    pairs: &[&[u8]],
    options: TrimArgs,
) -> Result<Option<Id>, CommandError> {
    let now_ms = keys.now_ms();
    let limit: NodeLimit = keys.shard().settings.stream_node.into();
    let added = keys.update_stream(key, !options.no_create, |stream| {
        let log = stream.log_mut();
        let added = append(log, id, pairs, (now_ms, limit));
        let mut trimmed = 0;
        if added.is_ok()
            && let Some(trim) = options.trim
        {
            trimmed = log.trim(trim);
        }
        let done = added.is_ok();
        let added = added.map(|id| (id, trimmed, log.len()));
        (added, StreamChange { dirty: u64::from(done), entries: true, wakes: done })
    })?;
    let Some((id, trimmed, len)) = added.transpose()? else { return Ok(None) };
    if trimmed > 0 && keys.shard().is_journaled {
        // How much an approximate limit takes away depends on how the entries lie: what came of it is said.
        let (id, len) = (id.to_string(), len.to_string());
        let front = [&b"XADD"[..], key.bytes, b"MAXLEN", b"=", len.as_bytes(), id.as_bytes()];
        keys.tell(front.iter().chain(pairs).copied());
    }
    keys.notify(Class::Stream, "xadd", key);
    if trimmed > 0 {
        keys.notify(Class::Stream, "xtrim", key);
    }
    Ok(Some(id))
}

fn append(
    log: &mut Log,
    id: NewId,
    pairs: &[&[u8]],
    (now_ms, limit): (u64, NodeLimit),
) -> Result<Id, CommandError> {
    const EXHAUSTED: CommandError =
        CommandError::text("ERR The stream has exhausted the last possible ID, unable to add more items");
    const NOT_GREATER: CommandError = CommandError::text(
        "ERR The ID specified in XADD is equal or smaller than the target stream top item",
    );
    const TOO_LARGE: CommandError = CommandError::text("ERR Elements are too large to be stored");
    let last = log.last_id();
    if last == Id::MAX {
        return Err(EXHAUSTED);
    }
    let id = match id {
        NewId::Any => log.next_id(now_ms),
        NewId::At(ms) if ms == last.ms => last.seq.checked_add(1).map(|seq| Id { ms, seq }),
        NewId::At(ms) => Some(Id { ms, seq: 0 }),
        NewId::Exactly(id) => Some(id),
    };
    let id = id.filter(|&id| id > last).ok_or(NOT_GREATER)?;
    log.append(id, pairs, limit).map_err(|TooLarge| TOO_LARGE)?;
    Ok(id)
}

/// Replies with the number of entries. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/xlen/>
fn xlen(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.int(keys.stream(key)?.map_or(0, |stream| stream.log().len()) as i64);
    Ok(())
}

/// Replies with the entries between two IDs. Errors: `WRONGTYPE`, what is no ID or count.
///
/// Reference: <https://valkey.io/commands/xrange/>
fn xrange(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    range(keys, key, args, false, out)
}

/// The same from the end, the greater ID first. Reference: <https://valkey.io/commands/xrevrange/>
fn xrevrange(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    range(keys, key, args, true, out)
}

fn range(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    reverse: bool,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (first, second) = (args.required()?, args.required()?);
    let Interval { start, end } =
        if reverse { Interval::parse(second, first)? } else { Interval::parse(first, second)? };
    let mut count = None;
    while args.left() > 0 {
        if args.left() == 1 || !args.eat("COUNT") {
            return Err(CommandError::Syntax);
        }
        count = Some(usize::try_from(args.int()?).unwrap_or(0));
    }
    let Some(stream) = keys.stream(key)? else {
        out.array(0);
        return Ok(());
    };
    if count == Some(0) {
        out.null_array();
        return Ok(());
    }
    let log = stream.log();
    let range = if reverse { log.range_reverse(start, end) } else { log.range(start, end) };
    write_range(range, count.unwrap_or(usize::MAX), out);
    Ok(())
}

/// Replies with how many entries were deleted. Errors: `WRONGTYPE`, what is no ID.
///
/// Reference: <https://valkey.io/commands/xdel/>
fn xdel(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    if keys.peek_stream(key)?.is_none() {
        // Without the key nobody looks at the IDs.
        out.int(0);
        return Ok(());
    }
    let ids = strict_ids(args.rest())?;
    let deleted = keys.update_stream(key, false, |stream| {
        let deleted = ids.iter().filter(|&&id| stream.log_mut().delete(id)).count();
        (deleted, StreamChange { dirty: deleted as u64, entries: true, wakes: false })
    })?;
    let deleted = deleted.unwrap_or(0);
    if deleted > 0 {
        keys.notify(Class::Stream, "xdel", key);
    }
    out.int(deleted as i64);
    Ok(())
}

/// Replies with how many entries were removed from the front. Errors: `WRONGTYPE`, options that do not fit.
///
/// Reference: <https://valkey.io/commands/xtrim/>
fn xtrim(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let trim = TrimArgs::parse_trim(args.rest(), keys.shard().settings.stream_node.entries_max)?;
    let removed = keys.update_stream(key, false, |stream| {
        let log = stream.log_mut();
        let removed = log.trim(trim);
        ((removed, log.len()), StreamChange { dirty: removed, entries: true, wakes: false })
    })?;
    let (removed, len) = removed.unwrap_or_default();
    if removed > 0 {
        let len = len.to_string();
        keys.tell([&b"XTRIM"[..], key.bytes, b"MAXLEN", b"=", len.as_bytes()]);
        keys.notify(Class::Stream, "xtrim", key);
    }
    out.int(removed as i64);
    Ok(())
}

/// Replies with OK. Errors: no such key, `WRONGTYPE`, an ID below what the stream holds or has deleted.
///
/// Reference: <https://valkey.io/commands/xsetid/>
fn xsetid(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    const NEGATIVE: CommandError = CommandError::text("ERR entries_added must be positive");
    const BELOW_GIVEN: CommandError = CommandError::text(
        "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
    );
    let id = strict_id(args.required()?)?;
    let (mut added, mut max_deleted) = (None, Id::MIN);
    while args.left() > 0 {
        if args.left() == 1 {
            return Err(CommandError::Syntax);
        } else if args.eat("ENTRIESADDED") {
            added = Some(u64::try_from(args.int()?).map_err(|_| NEGATIVE)?);
        } else if args.eat("MAXDELETEDID") {
            max_deleted = strict_id(args.required()?)?;
            if id < max_deleted {
                return Err(BELOW_GIVEN);
            }
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let done = keys.update_stream(key, false, |stream| {
        let set = set_id(stream, id, added, max_deleted);
        let dirty = u64::from(set.is_ok());
        (set, StreamChange { dirty, ..StreamChange::default() })
    })?;
    done.ok_or(CommandError::NoSuchKey)??;
    keys.notify(Class::Stream, "xsetid", key);
    out.ok();
    Ok(())
}

fn set_id(stream: &mut Stream, id: Id, added: Option<u64>, max_deleted: Id) -> Result<(), CommandError> {
    const BELOW_DELETED: CommandError =
        CommandError::text("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
    const BELOW_TOP: CommandError =
        CommandError::text("ERR The ID specified in XSETID is smaller than the target stream top item");
    const BELOW_LENGTH: CommandError = CommandError::text(
        "ERR The entries_added specified in XSETID is smaller than the target stream length",
    );
    let log = stream.log_mut();
    if id < log.max_deleted_id() {
        return Err(BELOW_DELETED);
    }
    if !log.is_empty() {
        if id < log.last_entry_id() {
            return Err(BELOW_TOP);
        }
        if added.is_some_and(|added| added < log.len()) {
            return Err(BELOW_LENGTH);
        }
    }
    log.set_last_id(id);
    if let Some(added) = added {
        log.set_entries_added(added);
    }
    if max_deleted != Id::MIN {
        log.set_max_deleted_id(max_deleted);
    }
    Ok(())
}

//! Consumer groups: `XGROUP`, and what their consumers do with what was delivered to them.

use super::args::{Interval, cut, range_id, strict_id, strict_ids};
use super::info::no_group_for;
use super::{subcommand_syntax, write_entry, write_id};
use crate::command::args::{Args, parse_int};
use crate::command::error::CommandError;
use crate::command::write_help;
use crate::engine::{Reach, Session};
use crate::reply::Sink;
use crate::shard::{Class, Key, Keyspace, StreamChange};
use crate::value::stream::{Claim, Consumer, Group, Id, Pending};
use smallvec::SmallVec;

const NO_KEY: CommandError = CommandError::text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option \
     to create an empty stream automatically.",
);

/// One change, or none.
fn change(changed: bool) -> StreamChange {
    StreamChange { dirty: u64::from(changed), ..StreamChange::default() }
}

/// The error of commands for which a key without the group is as good as no key.
fn no_group(key: &[u8], group: &[u8]) -> CommandError {
    let (key, group) = (String::from_utf8_lossy(cut(key)), String::from_utf8_lossy(cut(group)));
    format!("NOGROUP No such key '{key}' or consumer group '{group}'").into()
}

/// The options of `CREATE` and `SETID`.
struct CreateArgs<'a> {
    group: &'a [u8],
    id: &'a [u8],
    make_stream: bool,
    entries_read: Option<u64>,
    /// More than the command takes, though each is an option: known only once the key was looked at.
    too_many: bool,
}

impl<'a> CreateArgs<'a> {
    fn parse(args: &mut Args<'a>, may_make: bool) -> Result<Self, CommandError> {
        const NEGATIVE: CommandError = CommandError::text("ERR value for ENTRIESREAD must be positive or -1");
        let (group, id) = (args.required()?, args.required()?);
        let given = args.left();
        let (mut make_stream, mut entries_read) = (false, None);
        while args.left() > 0 {
            if may_make && args.eat("MKSTREAM") {
                make_stream = true;
            } else if args.left() > 1 && args.eat("ENTRIESREAD") {
                entries_read = match args.int()? {
                    -1 => None,
                    number => Some(u64::try_from(number).map_err(|_| NEGATIVE)?),
                };
            } else {
                return Err(subcommand_syntax(args.argv(), "XGROUP"));
            }
        }
        let too_many = if may_make { given > 3 } else { given != 0 && given != 2 };
        Ok(Self { group, id, make_stream, entries_read, too_many })
    }
}

/// Replies with OK. Errors: no such key without `MKSTREAM`, `WRONGTYPE`, `BUSYGROUP`, what is no ID.
///
/// Reference: <https://valkey.io/commands/xgroup-create/>
pub(super) fn create(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    const BUSY: CommandError = CommandError::text("BUSYGROUP Consumer Group name already exists");
    let options = CreateArgs::parse(args, true)?;
    let last = keys.peek_stream(key)?.map(|stream| stream.log().last_id());
    if last.is_none() && !options.make_stream {
        return Err(NO_KEY);
    }
    if options.too_many {
        return Err(subcommand_syntax(args.argv(), "XGROUP"));
    }
    let id = match cut(options.id) {
        b"$" => last.unwrap_or_default(),
        _ => strict_id(options.id)?,
    };
    let group = Group::new(id, options.entries_read);
    let added = keys.update_stream(key, options.make_stream, |stream| {
        let added = stream.add_group(options.group, group);
        // A stream that was made for it is a change of the key.
        (added, StreamChange { entries: last.is_none(), ..change(added) })
    })?;
    if added != Some(true) {
        return Err(BUSY);
    }
    keys.notify(Class::Stream, "xgroup-create", key);
    out.ok();
    Ok(())
}

/// Replies with OK. Errors: no such key or group, `WRONGTYPE`, what is no ID.
///
/// Reference: <https://valkey.io/commands/xgroup-setid/>
pub(super) fn setid(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let options = CreateArgs::parse(args, false)?;
    let stream = keys.peek_stream(key)?.ok_or(NO_KEY)?;
    stream.group(options.group).ok_or_else(|| no_group_for(key.bytes, options.group))?;
    if options.too_many {
        return Err(subcommand_syntax(args.argv(), "XGROUP"));
    }
    let id = match cut(options.id) {
        b"$" => stream.log().last_id(),
        _ => range_id(options.id, 0)?,
    };
    keys.update_stream(key, false, |stream| {
        let set = stream.with_group(options.group, |_, group| {
            group.last_id = id;
            group.entries_read = options.entries_read;
        });
        ((), change(set.is_some()))
    })?;
    keys.notify(Class::Stream, "xgroup-setid", key);
    out.ok();
    Ok(())
}

/// Replies with 1, or with 0 where there was no such group; those who wait for it are told. Errors: no such key,
/// `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/xgroup-destroy/>
pub(super) fn destroy(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let group = args.required()?;
    let removed = keys.update_stream(key, false, |stream| {
        let removed = stream.remove_group(group);
        (removed, StreamChange { dirty: u64::from(removed), wakes: removed, ..StreamChange::default() })
    })?;
    let removed = removed.ok_or(NO_KEY)?;
    if removed {
        keys.notify(Class::Stream, "xgroup-destroy", key);
    }
    out.int(i64::from(removed));
    Ok(())
}

/// Tells those who listen of a consumer that a command made by naming it.
pub(super) fn note_consumer(keys: &mut Keyspace<'_>, key: Key<'_>, made: bool) {
    if made {
        keys.notify(Class::Stream, "xgroup-createconsumer", key);
    }
}

/// Lets `f` change a group that must exist; its result and whether it changed anything.
fn in_group<R>(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    name: &[u8],
    f: impl FnOnce(&mut Group) -> (R, bool),
) -> Result<R, CommandError> {
    let done =
        keys.update_stream(key, false, |stream| match stream.with_group(name, |_, group| f(group)) {
            Some((result, changed)) => (Some(result), change(changed)),
            None => (None, change(false)),
        })?;
    done.ok_or(NO_KEY)?.ok_or_else(|| no_group_for(key.bytes, name))
}

/// Replies with 1 where there was no such consumer, else with 0. Errors: no such key or group, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/xgroup-createconsumer/>
pub(super) fn createconsumer(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (group, consumer) = (args.required()?, args.required()?);
    let now_ms = keys.now_ms() as i64;
    let made = in_group(keys, key, group, |group| {
        let made = group.add_consumer(consumer, now_ms);
        (made, made)
    })?;
    note_consumer(keys, key, made);
    out.int(i64::from(made));
    Ok(())
}

/// Replies with how much the consumer had pending, which nobody has now. Errors: no such key or group, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/xgroup-delconsumer/>
pub(super) fn delconsumer(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (group, consumer) = (args.required()?, args.required()?);
    let removed = in_group(keys, key, group, |group| {
        let removed = group.remove_consumer(consumer);
        (removed, removed.is_some())
    })?;
    if removed.is_some() {
        keys.notify(Class::Stream, "xgroup-delconsumer", key);
    }
    out.int(removed.unwrap_or(0) as i64);
    Ok(())
}

/// Reference: <https://valkey.io/commands/xgroup-help/>
pub(super) fn help(
    _: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    write_help(
        out,
        "XGROUP",
        &[
            "CREATE <key> <groupname> <id|$> [option]",
            "    Create a new consumer group. Options are:",
            "    * MKSTREAM",
            "      Create the empty stream if it does not exist.",
            "    * ENTRIESREAD entries_read",
            "      Set the group's entries_read counter (internal use).",
            "CREATECONSUMER <key> <groupname> <consumer>",
            "    Create a new consumer in the specified group.",
            "DELCONSUMER <key> <groupname> <consumer>",
            "    Remove the specified consumer.",
            "DESTROY <key> <groupname>",
            "    Remove the specified group.",
            "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
            "    Set the current group ID and entries_read counter.",
        ],
    );
    Ok(())
}

/// Replies with how many of the IDs were pending, and are no more. Errors: `WRONGTYPE`, what is no ID.
///
/// Reference: <https://valkey.io/commands/xack/>
pub(super) fn xack(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let name = args.required()?;
    if keys.stream(key)?.is_none_or(|stream| stream.group(name).is_none()) {
        // Without the group nobody looks at the IDs.
        out.int(0);
        return Ok(());
    }
    let ids = strict_ids(args.rest())?;
    let acknowledged = keys.update_stream(key, false, |stream| {
        let count =
            stream.with_group(name, |_, group| ids.iter().filter(|&&id| group.acknowledge(id)).count());
        let count = count.unwrap_or(0);
        (count, StreamChange { dirty: count as u64, ..StreamChange::default() })
    })?;
    out.int(acknowledged.unwrap_or(0) as i64);
    Ok(())
}

/// The second form of `XPENDING`.
struct PendingArgs<'a> {
    min_idle_ms: i64,
    between: Interval,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> PendingArgs<'a> {
    fn parse(args: &[&'a [u8]]) -> Result<Option<Self>, CommandError> {
        let int = |text: &[u8]| parse_int(text).ok_or(CommandError::NotAnInteger);
        let (min_idle_ms, rest) = match args {
            [] => return Ok(None),
            [_, _] | [_] => return Err(CommandError::Syntax),
            [_, _, _, _, _, _, _, ..] => return Err(CommandError::Syntax),
            [word, idle, rest @ ..] if word.eq_ignore_ascii_case(b"IDLE") => {
                let idle = int(idle)?;
                if rest.len() < 3 {
                    return Err(CommandError::Syntax);
                }
                (idle, rest)
            }
            rest => (0, rest),
        };
        let [start, end, count, consumer @ ..] = rest else { return Err(CommandError::Syntax) };
        let count = usize::try_from(int(count)?).unwrap_or(0);
        let between = Interval::parse(start, end)?;
        Ok(Some(Self { min_idle_ms, between, count, consumer: consumer.first().copied() }))
    }
}

/// Replies with a summary of what is pending, or with details of some of it. Errors: no such key or group, `WRONGTYPE`,
/// arguments that do not fit.
///
/// Reference: <https://valkey.io/commands/xpending/>
pub(super) fn xpending(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let name = args.required()?;
    let range = PendingArgs::parse(args.rest())?;
    let now_ms = keys.now_ms() as i64;
    let group = keys.stream(key)?.and_then(|stream| stream.group(name));
    let group = group.ok_or_else(|| no_group(key.bytes, name))?;
    match range {
        None => write_pending_summary(group, out),
        Some(range) => write_pending(group, &range, now_ms, out),
    }
    Ok(())
}

fn write_pending_summary(group: &Group, out: &mut dyn Sink) {
    out.array(4);
    out.int(group.pending_len() as i64);
    let mut pending = group.pending(Id::MIN, Id::MAX).map(|(id, ..)| id);
    let Some(first) = pending.next() else {
        out.null();
        out.null();
        out.null_array();
        return;
    };
    write_id(first, out);
    write_id(pending.next_back().unwrap_or(first), out);
    let busy = || group.consumers().filter(|consumer| consumer.pending().len() > 0);
    out.array(busy().count());
    for consumer in busy() {
        out.array(2);
        out.bulk(consumer.name());
        out.bulk(itoa::Buffer::new().format(consumer.pending().len()).as_bytes());
    }
}

fn write_pending(group: &Group, range: &PendingArgs<'_>, now_ms: i64, out: &mut dyn Sink) {
    type Line<'g> = (Id, &'g Pending, &'g Consumer);
    let Interval { start, end } = range.between;
    let idle_enough = |(_, pending, _): &Line<'_>| {
        range.min_idle_ms == 0 || now_ms.wrapping_sub(pending.delivered_ms) >= range.min_idle_ms
    };
    let lines: SmallVec<[Line<'_>; 8]> = match range.consumer {
        None => group.pending(start, end).filter(idle_enough).take(range.count).collect(),
        Some(name) => match group.consumer(name) {
            Some(consumer) => {
                group.pending_of(consumer, start, end).filter(idle_enough).take(range.count).collect()
            }
            None => SmallVec::new(),
        },
    };
    out.array(lines.len());
    for (id, pending, consumer) in lines {
        out.array(4);
        write_id(id, out);
        out.bulk(consumer.name());
        out.int(now_ms.wrapping_sub(pending.delivered_ms).max(0));
        out.int(pending.deliveries as i64);
    }
}

/// What stands behind the IDs of `XCLAIM`.
struct ClaimArgs {
    ids: SmallVec<[Id; 8]>,
    claim: Claim,
    last_id: Id,
}

impl ClaimArgs {
    fn parse(args: &mut Args<'_>, now_ms: i64) -> Result<Self, CommandError> {
        let int = |text: &[u8], error: &'static str| parse_int(text).ok_or(CommandError::text(error));
        let min_idle_ms = int(args.required()?, "ERR Invalid min-idle-time argument for XCLAIM")?.max(0);
        let mut ids = SmallVec::new();
        while let Some(id) = args.peek().and_then(|text| strict_id(text).ok()) {
            ids.push(id);
            args.required()?;
        }
        let (mut delivered_ms, mut deliveries, mut last_id) = (now_ms, None, Id::MIN);
        let (mut force, mut just_id) = (false, false);
        while let Some(option) = args.peek() {
            let more = args.left() > 1;
            if args.eat("FORCE") {
                force = true;
            } else if args.eat("JUSTID") {
                just_id = true;
            } else if more && args.eat("IDLE") {
                let idle = int(args.required()?, "ERR Invalid IDLE option argument for XCLAIM")?;
                delivered_ms = now_ms.wrapping_sub(idle);
            } else if more && args.eat("TIME") {
                delivered_ms = int(args.required()?, "ERR Invalid TIME option argument for XCLAIM")?;
            } else if more && args.eat("RETRYCOUNT") {
                let count = int(args.required()?, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                deliveries = u64::try_from(count).ok();
            } else if more && args.eat("LASTID") {
                last_id = strict_id(args.required()?)?;
            } else {
                let option = String::from_utf8_lossy(cut(option));
                return Err(format!("ERR Unrecognized XCLAIM option '{option}'").into());
            }
        }
        if !(0..=now_ms).contains(&delivered_ms) {
            delivered_ms = now_ms;
        }
        let claim = Claim { min_idle_ms, delivered_ms, deliveries, force, just_id };
        Ok(Self { ids, claim, last_id })
    }
}

/// Replies with the entries that were handed to the consumer, or with `JUSTID` with their IDs. Errors: no such key or
/// group, `WRONGTYPE`, options that do not fit.
///
/// Reference: <https://valkey.io/commands/xclaim/>
pub(super) fn xclaim(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (name, consumer) = (args.required()?, args.required()?);
    // Redis looks for the group before it reads on.
    if keys.stream(key)?.is_none_or(|stream| stream.group(name).is_none()) {
        return Err(no_group(key.bytes, name));
    }
    let now_ms = keys.now_ms() as i64;
    let ClaimArgs { ids, claim, last_id } = ClaimArgs::parse(args, now_ms)?;
    let mut made = false;
    keys.update_stream(key, false, |stream| {
        let dirty = stream.with_group(name, |log, group| {
            let moved = last_id > group.last_id;
            group.last_id = group.last_id.max(last_id);
            made = group.see_consumer(consumer, now_ms);
            let mut changes = 0;
            let mut claimed: SmallVec<[_; 8]> = SmallVec::new();
            for &id in &ids {
                let (entry, changed) = group.claim(log, id, consumer, now_ms, claim);
                changes += u64::from(changed);
                claimed.extend(entry);
            }
            out.array(claimed.len());
            for entry in &claimed {
                if claim.just_id {
                    write_id(entry.id, out);
                } else {
                    write_entry(entry, out);
                }
            }
            u64::from(made) + changes + u64::from(moved && changes == 0)
        });
        ((), StreamChange { dirty: dirty.unwrap_or(0), ..StreamChange::default() })
    })?;
    note_consumer(keys, key, made);
    Ok(())
}

/// Replies with where to go on, the entries that were handed to the consumer (or their IDs), and the IDs of those
/// that were pending but are deleted. Errors: no such key or group, `WRONGTYPE`, options that do not fit.
///
/// Reference: <https://valkey.io/commands/xautoclaim/>
pub(super) fn xautoclaim(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    /// What fits Redis' memory of IDs.
    const COUNT_MAX: i64 = i64::MAX / 16;
    const COUNT: CommandError = CommandError::text("ERR COUNT must be > 0");
    const MIN_IDLE: CommandError = CommandError::text("ERR Invalid min-idle-time argument for XAUTOCLAIM");
    // To Redis it is a command that reads, and looks before it reads on.
    keys.touch(key);
    let (name, consumer) = (args.required()?, args.required()?);
    let min_idle_ms = parse_int(args.required()?).ok_or(MIN_IDLE)?.max(0);
    let start = Interval::start(args.required()?)?;
    let (mut count, mut just_id) = (100, false);
    while args.left() > 0 {
        if args.left() > 1 && args.eat("COUNT") {
            let number = parse_int(args.required()?).filter(|number| (1..=COUNT_MAX).contains(number));
            count = number.ok_or(COUNT)?.unsigned_abs();
        } else if args.eat("JUSTID") {
            just_id = true;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let now_ms = keys.now_ms() as i64;
    let mut made = false;
    let done = keys.update_stream(key, false, |stream| {
        let dirty = stream.with_group(name, |log, group| {
            made = group.see_consumer(consumer, now_ms);
            let done = group.autoclaim(log, (consumer, start), (min_idle_ms, now_ms), (count, just_id));
            out.array(3);
            write_id(done.next, out);
            out.array(done.claimed.len());
            for &id in &done.claimed {
                match log.get(id).filter(|_| !just_id) {
                    Some(entry) => write_entry(&entry, out),
                    None => write_id(id, out),
                }
            }
            out.array(done.deleted.len());
            done.deleted.iter().for_each(|&id| write_id(id, out));
            u64::from(made) + (done.claimed.len() + done.deleted.len()) as u64
        });
        (dirty.is_some(), StreamChange { dirty: dirty.unwrap_or(0), ..StreamChange::default() })
    })?;
    note_consumer(keys, key, made);
    if done == Some(true) { Ok(()) } else { Err(no_group(key.bytes, name)) }
}

//! `XREAD` and `XREADGROUP`: what there is at once, and what comes while they wait.
//!
//! A wait ends as the command would end if it were given again: it looks at all its streams, and has its turn whenever
//! one of them gets an entry. Reading takes nothing from a stream, so one entry serves all who read, each from its own
//! ID on. What a group delivers stays pending with the consumer until it is acknowledged, also where nobody took
//! delivery; so nothing is ever given back.

use super::args::{cut, strict_id};
use super::group::note_consumer;
use super::{write_entry, write_id, write_range};
use crate::command::args::{Args, parse_int};
use crate::command::error::CommandError;
use crate::command::table::streams_at;
use crate::engine::{Delivery, Entered, Wait, Waiting};
use crate::reply::{Protocol, ReplyBuilder, Sink};
use crate::shard::{StreamChange, Type};
use crate::value::stream::{Group, Id, Log};
use smallvec::SmallVec;

/// Replies with the entries behind an ID for each stream that has any, or null; with `BLOCK` waits for one.
/// Errors: `WRONGTYPE`, options that do not fit.
///
/// Reference: <https://valkey.io/commands/xread/>
pub(super) fn xread(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<Option<Wait>, CommandError> {
    run(entered, args.argv(), false, out)
}

/// The same for a consumer of a group: entries that nobody in the group got yet, or with an ID those that are pending
/// with this consumer. Errors also: no such key or group.
///
/// Reference: <https://valkey.io/commands/xreadgroup/>
pub(super) fn xreadgroup(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<Option<Wait>, CommandError> {
    run(entered, args.argv(), true, out)
}

fn run(
    entered: &mut Entered<'_>,
    argv: &[&[u8]],
    in_group: bool,
    out: &mut dyn Sink,
) -> Result<Option<Wait>, CommandError> {
    let Options { block, count, group, no_ack, names, ids } =
        Options::parse(argv, in_group, entered.now_ms())?;
    let db = entered.db();
    let mut reading = Reading {
        from: SmallVec::with_capacity(names.len()),
        reader: group.map(|(group, consumer)| Reader {
            group: group.into(),
            consumer: consumer.into(),
            no_ack,
        }),
        count,
        protocol: out.protocol(),
    };
    for (name, id) in names.iter().zip(ids) {
        let from = reading.resolve(entered, db, name, id)?;
        reading.from.push(from);
    }
    if reading.attempt(entered, db, names, out)? {
        return Ok(None);
    }
    let Some(timeout_ms) = block else {
        out.null_array();
        return Ok(None);
    };
    let keys = names.iter().map(|&name| name.into()).collect();
    Ok(Some(Wait { keys, op: Box::new(reading), timeout_ms }))
}

/// The arguments. They are read exactly as [`streams_at`] passes them over, which is how the shards were found.
struct Options<'a> {
    /// How long to wait, in ms: not at all, or `Some(None)` for ever.
    block: Option<Option<u64>>,
    /// The most entries of a stream.
    count: usize,
    group: Option<(&'a [u8], &'a [u8])>,
    no_ack: bool,
    names: &'a [&'a [u8]],
    ids: &'a [&'a [u8]],
}

impl<'a> Options<'a> {
    fn parse(argv: &'a [&'a [u8]], in_group: bool, now_ms: u64) -> Result<Self, CommandError> {
        const NO_GROUP: CommandError = CommandError::text(
            "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
        );
        const NO_NOACK: CommandError = CommandError::text(
            "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
        );
        const MISSING: CommandError = CommandError::text("ERR Missing GROUP option for XREADGROUP");
        const UNBALANCED: [CommandError; 2] = [
            CommandError::text(
                "ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.",
            ),
            CommandError::text(
                "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.",
            ),
        ];
        let (mut block, mut count, mut group, mut no_ack) = (None, usize::MAX, None, false);
        let mut args = Args::new(argv);
        let streams = loop {
            let left = args.left();
            if left > 1 && args.eat("BLOCK") {
                block = Some(timeout(args.required()?, now_ms)?);
            } else if left > 1 && args.eat("COUNT") {
                count = match usize::try_from(args.int()?) {
                    Ok(0) | Err(_) => usize::MAX,
                    Ok(count) => count,
                };
            } else if left > 1 && args.eat("STREAMS") {
                break args.rest();
            } else if left > 2 && args.eat("GROUP") {
                if !in_group {
                    return Err(NO_GROUP);
                }
                group = Some((args.required()?, args.required()?));
            } else if args.eat("NOACK") {
                if !in_group {
                    return Err(NO_NOACK);
                }
                no_ack = true;
            } else {
                return Err(CommandError::Syntax);
            }
        };
        debug_assert_eq!(streams_at(argv), Some(argv.len() - streams.len()));
        if streams.len() % 2 != 0 {
            let [xread, xreadgroup] = UNBALANCED;
            return Err(if in_group { xreadgroup } else { xread });
        }
        if in_group && group.is_none() {
            return Err(MISSING);
        }
        let (names, ids) = streams.split_at(streams.len() / 2);
        Ok(Self { block, count, group, no_ack, names, ids })
    }
}

/// A timeout in ms, `None` for ever.
fn timeout(text: &[u8], now_ms: u64) -> Result<Option<u64>, CommandError> {
    const NOT_AN_INTEGER: CommandError = CommandError::text("ERR timeout is not an integer or out of range");
    let ms = parse_int(text).ok_or(NOT_AN_INTEGER)?;
    let ms = u64::try_from(ms).map_err(|_| CommandError::TimeoutNegative)?;
    if ms > (i64::MAX as u64).saturating_sub(now_ms) {
        return Err(CommandError::TimeoutOutOfRange);
    }
    Ok(Some(ms).filter(|&ms| ms > 0))
}

/// From where a stream is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    /// Behind this ID.
    After(Id),
    /// `+`: the last entry.
    Last,
    /// `>`: what the group has not got yet.
    New,
}

/// Who reads for a group.
#[derive(Debug)]
struct Reader {
    group: Box<[u8]>,
    consumer: Box<[u8]>,
    no_ack: bool,
}

/// A command, ready to be tried once and again.
#[derive(Debug)]
struct Reading {
    /// One for each stream.
    from: SmallVec<[From; 4]>,
    reader: Option<Reader>,
    /// The most entries of a stream.
    count: usize,
    /// The shape of the reply.
    protocol: Protocol,
}

impl Reading {
    /// What is wrong with a stream, if anything is: its type, or that there is no group.
    fn check(&self, entered: &mut Entered<'_>, db: usize, name: &[u8]) -> Result<Option<Id>, CommandError> {
        let (mut keys, key) = entered.at_db(db, name);
        let stream = keys.stream(key)?;
        if let Some(Reader { group, .. }) = &self.reader
            && stream.and_then(|stream| stream.group(group)).is_none()
        {
            let (name, group) = (String::from_utf8_lossy(cut(name)), String::from_utf8_lossy(cut(group)));
            return Err(format!(
                "NOGROUP No such key '{name}' or consumer group '{group}' in XREADGROUP with GROUP option"
            )
            .into());
        }
        Ok(stream.map(|stream| stream.log().last_id()))
    }

    /// From where the stream is read that is asked for with this ID.
    fn resolve(
        &self,
        entered: &mut Entered<'_>,
        db: usize,
        name: &[u8],
        id: &[u8],
    ) -> Result<From, CommandError> {
        const DOLLAR: CommandError = CommandError::text(
            "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer \
             by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty \
             result set.",
        );
        const PLUS: CommandError = CommandError::text(
            "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer \
             by specifying a proper ID, or use the > ID to get new messages. The + ID would just return an empty \
             result set.",
        );
        const NEW: CommandError = CommandError::text(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        );
        let last = self.check(entered, db, name)?;
        let in_group = self.reader.is_some();
        match cut(id) {
            b"$" if in_group => Err(DOLLAR),
            b"$" => Ok(From::After(last.unwrap_or_default())),
            b"+" if in_group => Err(PLUS),
            b"+" => Ok(From::Last),
            b">" if in_group => Ok(From::New),
            b">" => Err(NEW),
            _ => match strict_id(id)? {
                // Redis keeps this ID for `>`.
                Id::MAX if in_group => Ok(From::New),
                id => Ok(From::After(id)),
            },
        }
    }

    /// Replies with what there is; whether there is anything. All streams were [checked](Self::check).
    fn attempt<K: AsRef<[u8]>>(
        &self,
        entered: &mut Entered<'_>,
        db: usize,
        names: &[K],
        out: &mut dyn Sink,
    ) -> Result<bool, CommandError> {
        let mut starts: SmallVec<[Option<Id>; 4]> = SmallVec::with_capacity(names.len());
        for (at, (name, &from)) in names.iter().zip(&self.from).enumerate() {
            let (mut keys, key) = entered.at_db(db, name.as_ref());
            // A second look, as Redis counts.
            let start = keys.stream(key)?.and_then(|stream| match &self.reader {
                None => start_after(stream.log(), from),
                Some(reader) => {
                    let before = names.iter().zip(&self.from).take(at);
                    let asked = before.filter(|(other, other_from)| {
                        other.as_ref() == name.as_ref() && **other_from == From::New
                    });
                    // What the same stream gives for an earlier `>` is not there for this one.
                    let taken = asked.count().saturating_mul(self.count);
                    start_in_group(stream.log(), stream.group(&reader.group)?, from, taken)
                }
            });
            starts.push(start);
        }
        let served = starts.iter().flatten().count();
        match out.protocol() {
            _ if served == 0 => {}
            Protocol::Resp2 => out.array(served),
            Protocol::Resp3 => out.map(served),
        }
        for (at, (name, start)) in names.iter().zip(starts).enumerate() {
            let name = name.as_ref();
            if start.is_some() {
                if out.protocol() == Protocol::Resp2 {
                    out.array(2);
                }
                out.bulk(name);
            }
            let (mut keys, key) = entered.at_db(db, name);
            match &self.reader {
                None => {
                    if let (Some(start), Some(stream)) = (start, keys.peek_stream(key)?) {
                        write_range(stream.log().range(start, Id::MAX), self.count, out);
                    }
                }
                Some(reader) => {
                    let now_ms = keys.now_ms() as i64;
                    let history = self.from.get(at) != Some(&From::New);
                    let made = keys.update_stream(key, false, |stream| {
                        let made = stream.with_group(&reader.group, |log, group| {
                            let made = group.see_consumer(&reader.consumer, now_ms);
                            match start {
                                None => {}
                                Some(start) if history => {
                                    write_history(log, group, reader, (start, self.count), now_ms, out);
                                }
                                Some(_) => deliver(log, group, reader, self.count, now_ms, out),
                            }
                            made
                        });
                        let dirty = u64::from(made == Some(true)) + u64::from(start.is_some());
                        (made == Some(true), StreamChange { dirty, ..StreamChange::default() })
                    })?;
                    note_consumer(&mut keys, key, made == Some(true));
                }
            }
        }
        Ok(served > 0)
    }
}

/// The first ID to be read, where there is an entry from it on.
fn start_after(log: &Log, from: From) -> Option<Id> {
    let after = match from {
        From::After(id) => id,
        From::Last | From::New => log.last_id().prev()?,
    };
    if log.last_entry_id() > after { after.next() } else { None }
}

/// The same for a group: new entries where there are more than `taken`, and a history always, be it empty.
fn start_in_group(log: &Log, group: &Group, from: From, taken: usize) -> Option<Id> {
    match from {
        From::After(id) => id.next(),
        From::New | From::Last => {
            let start = group.last_id.next()?;
            let more = log.range(start, Id::MAX).count_up_to(taken.saturating_add(1)) > taken;
            more.then_some(start)
        }
    }
}

/// Delivers what is new to the group and writes it.
fn deliver(log: &Log, group: &mut Group, reader: &Reader, count: usize, now_ms: i64, out: &mut dyn Sink) {
    let Some(start) = group.last_id.next() else { return out.array(0) };
    let range = log.range(start, Id::MAX);
    out.array(range.count_up_to(count));
    for entry in range.take(count) {
        group.deliver(log, entry.id, &reader.consumer, now_ms, reader.no_ack);
        write_entry(&entry, out);
    }
}

/// Delivers once more what is pending with the consumer and writes it.
fn write_history(
    log: &Log,
    group: &mut Group,
    reader: &Reader,
    (start, count): (Id, usize),
    now_ms: i64,
    out: &mut dyn Sink,
) {
    let entries = group.redeliver(log, (&reader.consumer, start), count, now_ms);
    out.array(entries.len());
    for (id, entry) in entries {
        match entry {
            Some(entry) => write_entry(&entry, out),
            None => {
                out.array(2);
                write_id(id, out);
                out.null_array();
            }
        }
    }
}

impl Waiting for Reading {
    /// It looks at its streams together.
    fn serve(&self, _: &mut Entered<'_>, _: usize, _: &[u8]) -> Option<Result<Delivery, CommandError>> {
        None
    }

    fn serve_any(
        &self,
        entered: &mut Entered<'_>,
        db: usize,
        keys: &[Box<[u8]>],
    ) -> Option<Result<Delivery, CommandError>> {
        let mut out = ReplyBuilder::new(self.protocol);
        let mut check = keys.iter().map(|key| self.check(entered, db, key).map(drop));
        let result = check.find(Result::is_err).unwrap_or(Ok(()));
        match result.and_then(|()| self.attempt(entered, db, keys, &mut out)) {
            Ok(false) => None,
            Ok(true) => Some(Ok(Delivery { reply: out.finish(), undo: None })),
            Err(error) => Some(Err(error)),
        }
    }

    fn wants(&self) -> Option<Type> {
        Some(Type::Stream)
    }

    /// A group that is gone has nothing for anyone, ever.
    fn minds_loss(&self) -> bool {
        self.reader.is_some()
    }

    fn loss(&self, entered: &mut Entered<'_>, db: usize, key: &[u8]) -> Option<CommandError> {
        self.check(entered, db, key).err()
    }
}

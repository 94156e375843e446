//! Walks over a hash, and random fields of it.

use super::{write_element, write_optional};
use crate::command::args::Args;
use crate::command::error::CommandError;
use crate::command::scan::{self, Pattern};
use crate::reply::{Protocol, Sink};
use crate::shard::{Key, Keyspace};
use crate::value::hash::Pair;

/// Replies with the cursor to go on from and with some fields and their values: about `COUNT` are looked at, those that
/// match are returned; a small hash is returned whole. A field that is there from the first call to the last is
/// returned, once. Errors: an invalid cursor, `WRONGTYPE`, syntax, a count that is no integer.
///
/// Reference: <https://valkey.io/commands/hscan/>
pub(super) fn hscan(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let cursor = scan::cursor(args)?;
    let Some(hash) = keys.hash(key)? else {
        // Redis does not even read the options.
        out.array(2);
        out.bulk(b"0");
        out.array(0);
        return Ok(());
    };
    let (mut count, mut pattern, mut with_values) = (10usize, Pattern::ANY, true);
    while args.left() > 0 {
        if args.eat("COUNT") {
            let given = args.int()?;
            count = usize::try_from(given).ok().filter(|&count| count > 0).ok_or(CommandError::Syntax)?;
        } else if args.eat("MATCH") {
            pattern = Pattern::new(args.required()?);
        } else if args.eat("NOVALUES") {
            with_values = false;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let mut found: Vec<Pair<'_>> = Vec::new();
    // A cursor that no scan gave begins somewhere, too.
    let next = hash.scan(cursor as u32, count, |(field, value)| {
        if field.with_bytes(|field| pattern.matches(field)) {
            found.push((field, value));
        }
    });
    out.array(2);
    out.bulk(itoa::Buffer::new().format(next.unwrap_or(0)).as_bytes());
    out.array(if with_values { 2 * found.len() } else { found.len() });
    for (field, value) in found {
        write_element(field, out);
        if with_values {
            write_element(value, out);
        }
    }
    Ok(())
}

/// Replies with a field, or null without the key; with a count, with an array of so many different ones, or of so many
/// drawn each anew where it is negative. With values the array is one of pairs, flat in RESP2.
/// Errors: `WRONGTYPE`, syntax, a count that is no integer or out of range; a reply longer than a string may be.
///
/// Reference: <https://valkey.io/commands/hrandfield/>
pub(super) fn hrandfield(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let reply_bytes_max = keys.shard().settings.string_bytes_max;
    let mut choices = keys.random_choices();
    let random = move || choices.number();
    if args.left() == 0 {
        let pair = keys.hash(key)?.and_then(|hash| hash.random(random));
        write_optional(pair.map(|(field, _)| field), out);
        return Ok(());
    }
    let count = args.int()?;
    if count == i64::MIN {
        return Err(CommandError::NotNegatable);
    }
    let with_values = args.eat("WITHVALUES");
    args.end()?;
    if with_values && !(-i64::MAX / 2..=i64::MAX / 2).contains(&count) {
        return Err(CommandError::ValueOutOfRange);
    }
    let Some(hash) = keys.hash(key)? else {
        out.array(0);
        return Ok(());
    };
    let in_pairs = with_values && out.protocol() == Protocol::Resp3;
    let write = |(field, value): Pair<'_>, out: &mut dyn Sink| {
        if in_pairs {
            out.array(2);
        }
        write_element(field, out);
        if with_values {
            write_element(value, out);
        }
    };
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let each = if with_values && !in_pairs { 2 } else { 1 };
    if count >= 0 {
        let drawn = hash.sample(wanted, random);
        out.array(drawn.len() * each);
        drawn.into_iter().for_each(|pair| write(pair, out));
        return Ok(());
    }
    if hash.visible_len() == 0 {
        out.array(0);
        return Ok(());
    }
    // A few bytes could ask for any number of fields. Redis sends until the client's buffer is full; here the reply is
    // whole or not there.
    let mut bytes = wanted.saturating_mul(each * 8);
    if bytes > reply_bytes_max {
        return Err(CommandError::ValueOutOfRange);
    }
    out.array(wanted * each);
    hash.draw(wanted, random, |pair| {
        bytes = bytes.saturating_add(pair.0.len() + if with_values { pair.1.len() } else { 0 });
        write(pair, out);
        bytes <= reply_bytes_max
    });
    if bytes > reply_bytes_max { Err(CommandError::ValueOutOfRange) } else { Ok(()) }
}

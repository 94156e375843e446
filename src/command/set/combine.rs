//! Several sets at once: intersections, unions, differences, and keeping them.

use super::write_set;
use crate::command::args::{Args, parse_int};
use crate::command::error::CommandError;
use crate::command::scan::Names;
use crate::engine::Entered;
use crate::reply::Sink;
use crate::value::listpack::Element;
use crate::value::set::{Limits, Set, SetRef, algebra};
use smallvec::SmallVec;
use std::ops::ControlFlow;

/// The sets of several keys, `None` where a key has none.
type Sets<'a> = SmallVec<[Option<SetRef<'a>>; 8]>;

/// Reads the sets of several keys.
///
/// # Errors
/// `WRONGTYPE` for the first key that holds something else.
fn read<'a>(entered: &'a mut Entered<'_>, names: &[&[u8]]) -> Result<Sets<'a>, CommandError> {
    for name in names {
        let (mut keys, key) = entered.at(name);
        keys.set(key)?;
    }
    let (entered, db) = (&*entered, entered.db());
    Ok(names.iter().map(|name| entered.beside(name).and_then(|(shard, key)| shard.set(db, key))).collect())
}

/// Those that exist.
fn existing<'a>(sets: &Sets<'a>) -> SmallVec<[SetRef<'a>; 8]> {
    sets.iter().copied().flatten().collect()
}

/// All of them, or none where one is missing.
fn complete<'a>(sets: &Sets<'a>) -> Option<SmallVec<[SetRef<'a>; 8]>> {
    sets.iter().copied().collect()
}

/// Up to which size a set under this key has which form.
fn limits(entered: &mut Entered<'_>, name: &[u8]) -> Limits {
    entered.at(name).0.set_limits()
}

/// Stores a result over whatever the key holds, and replies with the number of members.
fn store(
    entered: &mut Entered<'_>,
    destination: &[u8],
    (set, event): (Set, &'static str),
    out: &mut dyn Sink,
) {
    let (mut keys, key) = entered.at(destination);
    out.int(keys.store_set(key, set, event) as i64);
}

/// Members that were found, to be written once their number is known.
#[derive(Default)]
struct Found(Names);

impl Found {
    fn add(&mut self, member: Element<'_>) {
        member.with_bytes(|bytes| self.0.add(bytes));
    }

    fn write(&self, out: &mut dyn Sink) {
        out.set(self.0.len());
        self.0.write_each(out);
    }
}

/// Replies with the members that are in all of the sets. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/sinter/>
pub(super) fn sinter(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let sets = read(entered, args.rest())?;
    let Some(mut sets) = complete(&sets) else {
        out.set(0);
        return Ok(());
    };
    if let [set] = sets[..] {
        write_set(set, out);
        return Ok(());
    }
    let mut found = Found::default();
    algebra::intersect(&mut sets, |member| {
        found.add(member);
        ControlFlow::Continue(())
    });
    found.write(out);
    Ok(())
}

/// Stores the members that are in all of the sets; replies with their number. Errors: `WRONGTYPE` for a source.
///
/// Reference: <https://valkey.io/commands/sinterstore/>
pub(super) fn sinterstore(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (destination, names) = (args.required()?, args.rest());
    let limits = limits(entered, destination);
    let result = match complete(&read(entered, names)?) {
        Some(mut sets) => algebra::intersection(&mut sets, &limits),
        None => Set::default(),
    };
    store(entered, destination, (result, "sinterstore"), out);
    Ok(())
}

/// Replies with the number of members that are in all of the sets; the search ends at the limit, 0 for none.
/// Errors: numbers out of their range, syntax, `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/sintercard/>
pub(super) fn sintercard(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    const NUMKEYS: CommandError = CommandError::text("ERR numkeys should be greater than 0");
    const TOO_MANY: CommandError =
        CommandError::text("ERR Number of keys can't be greater than number of args");
    const LIMIT: CommandError = CommandError::text("ERR LIMIT can't be negative");
    let numkeys = parse_int(args.required()?).filter(|&number| number > 0).ok_or(NUMKEYS)?;
    let numkeys = usize::try_from(numkeys).map_err(|_| TOO_MANY)?;
    let names = args.take(numkeys).map_err(|_| TOO_MANY)?;
    let mut limit = usize::MAX;
    while args.left() > 0 {
        if !args.eat("LIMIT") {
            return Err(CommandError::Syntax);
        }
        let number = parse_int(args.required()?).filter(|&number| number >= 0).ok_or(LIMIT)?;
        limit = match usize::try_from(number) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(limit) => limit,
        };
    }
    let sets = read(entered, names)?;
    let mut count = 0;
    if let Some(mut sets) = complete(&sets) {
        algebra::intersect(&mut sets, |_| {
            count += 1;
            if count < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
    }
    out.int(count as i64);
    Ok(())
}

/// Replies with the members that are in any of the sets. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/sunion/>
pub(super) fn sunion(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let names = args.rest();
    let limits = names.first().map(|name| limits(entered, name));
    let sets = existing(&read(entered, names)?);
    match (&sets[..], limits) {
        ([], _) | (_, None) => out.set(0),
        ([set], _) => write_set(*set, out),
        (sets, Some(limits)) => write_set(algebra::union(sets.iter().copied(), &limits).view(), out),
    }
    Ok(())
}

/// Stores the members that are in any of the sets; replies with their number. Errors: `WRONGTYPE` for a source.
///
/// Reference: <https://valkey.io/commands/sunionstore/>
pub(super) fn sunionstore(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (destination, names) = (args.required()?, args.rest());
    let limits = limits(entered, destination);
    let result = algebra::union(existing(&read(entered, names)?), &limits);
    store(entered, destination, (result, "sunionstore"), out);
    Ok(())
}

/// Replies with the members of the first set that are in none of the others. Errors: `WRONGTYPE`.
///
/// Reference: <https://valkey.io/commands/sdiff/>
pub(super) fn sdiff(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let names = args.rest();
    let limits = names.first().map(|name| limits(entered, name));
    let sets = read(entered, names)?;
    let mut found = Found::default();
    if let (Some(limits), Some((Some(first), mut others))) = (limits, first_and_others(&sets)) {
        algebra::subtract(first, &mut others, &limits, |member| found.add(member));
    }
    found.write(out);
    Ok(())
}

/// Stores the members of the first set that are in none of the others; replies with their number.
/// Errors: `WRONGTYPE` for a source.
///
/// Reference: <https://valkey.io/commands/sdiffstore/>
pub(super) fn sdiffstore(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (destination, names) = (args.required()?, args.rest());
    let limits = limits(entered, destination);
    let result = match first_and_others(&read(entered, names)?) {
        Some((Some(first), mut others)) => algebra::difference(first, &mut others, &limits),
        _ => Set::default(),
    };
    store(entered, destination, (result, "sdiffstore"), out);
    Ok(())
}

type Split<'a> = (Option<SetRef<'a>>, SmallVec<[SetRef<'a>; 8]>);

fn first_and_others<'a>(sets: &Sets<'a>) -> Option<Split<'a>> {
    let (first, others) = sets.split_first()?;
    Some((*first, others.iter().copied().flatten().collect()))
}

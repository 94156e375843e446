//! `SORT` and `SORT_RO`: the elements of a list, a set or a sorted set in another order, or what they refer to.
//!
//! 1. The arguments are read; a mistake there is named before the key is looked at.
//! 2. The elements are copied, all into one buffer: what follows looks up other keys, which live in any shard.
//! 3. Each gets its weight (`weight.rs`), from itself or from the key that `BY` makes of it (`pattern.rs`).
//! 4. They are sorted and cut, and each is answered, or what the keys that `GET` makes of it hold.

mod pattern;
mod weight;

use super::args::Args;
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use crate::engine::Entered;
use crate::reply::Sink;
use crate::shard::{Class, Type, Value};
use crate::value::listpack::Element;
use bytes::Bytes;
use pattern::Pattern;
use std::cmp::Ordering;
use std::ops::Range;
use weight::{c_string, number};

const COMPLEXITY: &str = "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number \
                          of returned elements. When the elements are not sorted, complexity is O(N).";

/// The rows. Keys that patterns name may be in any shard.
pub const COMMANDS: &[Command] = &[
    row("SORT", -2, &[Write, DenyOom, MovableKeys, Dangerous, TouchesAll], Keys::FIRST, Run::Keys(sort))
        .of(Group::Generic, "1.0.0")
        .doc(
            "key [BY by-pattern] [LIMIT offset count] [GET get-pattern [GET get-pattern ...]] [ASC | DESC] [ALPHA] \
             [STORE destination]",
            "Sorts the elements in a list, a set, or a sorted set, optionally storing the result.",
            COMPLEXITY,
        ),
    row("SORT_RO", -2, &[Read, MovableKeys, Dangerous, TouchesAll], Keys::FIRST, Run::Keys(sort_ro))
        .of(Group::Generic, "7.0.0")
        .doc(
            "key [BY by-pattern] [LIMIT offset count] [GET get-pattern [GET get-pattern ...]] [ASC | DESC] [ALPHA]",
            "Returns the sorted elements of a list, a set, or a sorted set.",
            COMPLEXITY,
        ),
];

/// What the arguments ask for.
#[derive(Debug, Default)]
struct Wish<'a> {
    by: Option<Pattern<'a>>,
    get: Vec<Pattern<'a>>,
    /// The first element of the result, and how many; all of them where that is negative.
    limit: Option<(i64, i64)>,
    descending: bool,
    as_text: bool,
    store: Option<&'a [u8]>,
}

impl<'a> Wish<'a> {
    fn parse(args: &mut Args<'a>, may_store: bool, in_cluster: bool) -> Result<Self, CommandError> {
        let mut wish = Wish::default();
        while args.left() > 0 {
            let behind = args.left() - 1;
            if args.eat("ASC") {
                wish.descending = false;
            } else if args.eat("DESC") {
                wish.descending = true;
            } else if args.eat("ALPHA") {
                wish.as_text = true;
            } else if behind >= 2 && args.eat("LIMIT") {
                wish.limit = Some((args.int()?, args.int()?));
            } else if behind >= 1 && may_store && args.eat("STORE") {
                wish.store = Some(args.required()?);
            } else if behind >= 1 && args.eat("BY") {
                let by = Pattern::new(args.required()?);
                // Keys that patterns make may be in any slot.
                if in_cluster && !by.is_constant() {
                    return Err(CommandError::text("ERR BY option of SORT denied in Cluster mode."));
                }
                wish.by = Some(by);
            } else if behind >= 1 && args.eat("GET") {
                if in_cluster {
                    return Err(CommandError::text("ERR GET option of SORT denied in Cluster mode."));
                }
                wish.get.push(Pattern::new(args.required()?));
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(wish)
    }

    /// Which elements of `len` are wanted.
    fn part(&self, len: usize) -> Range<usize> {
        let Some((start, count)) = self.limit else { return 0..len };
        let start = usize::try_from(start.max(0)).map_or(len, |start| start.min(len));
        let end = usize::try_from(count).map_or(len, |count| start.saturating_add(count).min(len));
        start..end
    }
}

/// Elements, in one buffer.
#[derive(Debug, Default)]
struct Elements {
    bytes: Vec<u8>,
    /// Where each ends; it begins where the one before ends.
    ends: Vec<usize>,
}

impl Elements {
    fn push(&mut self, element: Element<'_>) {
        element.with_bytes(|text| self.bytes.extend_from_slice(text));
        self.ends.push(self.bytes.len());
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn get(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.ends.get(index).and_then(|&end| self.bytes.get(start..end)).unwrap_or_default()
    }
}

/// Sorts and replies, or stores the result and replies with its length. Errors: syntax, a limit that is no integer,
/// `WRONGTYPE`, weights that are no numbers.
///
/// Reference: <https://valkey.io/commands/sort/>
fn sort(entered: &mut Entered<'_>, args: &mut Args<'_>, out: &mut dyn Sink) -> Result<(), CommandError> {
    run(entered, args, true, out)
}

/// As [`sort`], and knows no `STORE`.
///
/// Reference: <https://valkey.io/commands/sort_ro/>
fn sort_ro(entered: &mut Entered<'_>, args: &mut Args<'_>, out: &mut dyn Sink) -> Result<(), CommandError> {
    run(entered, args, false, out)
}

fn run(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    may_store: bool,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let name = args.required()?;
    let wish = Wish::parse(args, may_store, entered.engine().cluster().is_on())?;
    let (elements, of) = load(entered, name)?;
    // `BY` with a pattern that is no pattern asks for the order in which elements are stored. A set has none, so that
    // what is stored of it is sorted all the same.
    let as_stored = wish.by.is_some_and(|by| by.is_constant());
    let force = as_stored && wish.store.is_some() && of == Some(Type::Set);
    let part = wish.part(elements.len());
    let order: Vec<usize> = if as_stored && !force {
        let len = elements.len();
        let backwards = wish.descending && of != Some(Type::Set);
        part.map(|index| if backwards { len - 1 - index } else { index }).collect()
    } else {
        let how = How {
            by: wish.by.filter(|_| !force),
            as_text: wish.as_text || force,
            descending: wish.descending,
            bytewise: wish.store.is_some(),
        };
        sorted(entered, &elements, how)?.get(part).unwrap_or_default().to_vec()
    };
    match wish.store {
        None => reply(entered, &elements, &order, &wish.get, out),
        Some(destination) => store(entered, (&elements, &order), &wish.get, destination, out),
    }
    Ok(())
}

/// Copies the elements of a key, and says what they are the elements of.
fn load(entered: &mut Entered<'_>, name: &[u8]) -> Result<(Elements, Option<Type>), CommandError> {
    let (mut keys, key) = entered.at(name);
    let mut elements = Elements::default();
    let of = keys.type_of(key);
    match of {
        None => {
            // The miss is counted.
            keys.touch(key);
        }
        Some(Type::List) => {
            if let Some(list) = keys.list(key)? {
                list.iter().for_each(|element| elements.push(element));
            }
        }
        Some(Type::Set) => {
            if let Some(set) = keys.set(key)? {
                set.iter().for_each(|element| elements.push(element));
            }
        }
        Some(Type::ZSet) => {
            // Redis sorts no listpack, and what it makes of one stays: OBJECT ENCODING shows it.
            keys.call_skiplist(key)?;
            if let Some(zset) = keys.zset(key)? {
                zset.iter().for_each(|(member, _)| elements.push(member));
            }
        }
        Some(_) => return Err(CommandError::WrongType),
    }
    Ok((elements, of))
}

/// By what elements are sorted.
struct How<'a> {
    by: Option<Pattern<'a>>,
    as_text: bool,
    descending: bool,
    /// Texts are compared to their ends; otherwise, as C compares them, up to a zero byte.
    bytewise: bool,
}

/// The elements' numbers in their new order. Equal ones keep theirs.
fn sorted(entered: &mut Entered<'_>, elements: &Elements, how: How<'_>) -> Result<Vec<usize>, CommandError> {
    let directed = |ordering: Ordering| if how.descending { ordering.reverse() } else { ordering };
    let visible = |text: &[u8]| if how.bytewise { text.len() } else { c_string(text).len() };
    let compare = |a: &[u8], b: &[u8]| a[..visible(a)].cmp(&b[..visible(b)]);
    if how.as_text {
        let Some(by) = how.by else {
            let mut order: Vec<usize> = (0..elements.len()).collect();
            order.sort_by(|&a, &b| directed(compare(elements.get(a), elements.get(b))));
            return Ok(order);
        };
        let mut weighed: Vec<(Option<Bytes>, usize)> =
            (0..elements.len()).map(|at| (by.look_up(entered, elements.get(at)), at)).collect();
        weighed.sort_by(|(a, _), (b, _)| {
            directed(match (a, b) {
                (Some(a), Some(b)) => compare(a, b),
                (a, b) => a.is_some().cmp(&b.is_some()),
            })
        });
        return Ok(weighed.into_iter().map(|(_, at)| at).collect());
    }
    let mut weighed: Vec<(f64, usize)> = Vec::with_capacity(elements.len());
    let mut all_numbers = true;
    for at in 0..elements.len() {
        let weight = match how.by {
            None => number(elements.get(at)),
            Some(by) => match by.look_up(entered, elements.get(at)) {
                Some(text) => number(&text),
                None => Some(0.0),
            },
        };
        all_numbers &= weight.is_some();
        weighed.push((weight.unwrap_or(0.0), at));
    }
    if !all_numbers {
        return Err(CommandError::text("ERR One or more scores can't be converted into double"));
    }
    weighed.sort_by(|(a, i), (b, j)| {
        // No weight is NaN. Elements of equal weight are sorted as texts, so that the result is always the same.
        let weights = a.partial_cmp(b).unwrap_or(Ordering::Equal);
        directed(weights.then_with(|| elements.get(*i).cmp(elements.get(*j))))
    });
    Ok(weighed.into_iter().map(|(_, at)| at).collect())
}

fn reply(
    entered: &mut Entered<'_>,
    elements: &Elements,
    order: &[usize],
    get: &[Pattern<'_>],
    out: &mut dyn Sink,
) {
    out.array(order.len() * get.len().max(1));
    for element in order.iter().map(|&at| elements.get(at)) {
        if get.is_empty() {
            out.bulk(element);
        }
        for pattern in get {
            match pattern.look_up(entered, element) {
                Some(value) => out.bulk_shared(&value),
                None => out.null(),
            }
        }
    }
}

/// Stores the result as a list, over what is there; an empty one removes the key.
fn store(
    entered: &mut Entered<'_>,
    (elements, order): (&Elements, &[usize]),
    get: &[Pattern<'_>],
    destination: &[u8],
    out: &mut dyn Sink,
) {
    let mut found: Vec<Bytes> = Vec::new();
    for element in order.iter().map(|&at| elements.get(at)) {
        for pattern in get {
            found.push(pattern.look_up(entered, element).unwrap_or_default());
        }
    }
    let (mut keys, key) = entered.at(destination);
    let limit = keys.shard().settings.list_node;
    let len = if get.is_empty() { order.len() } else { found.len() };
    if len == 0 {
        keys.delete(key);
    } else {
        let value = if get.is_empty() {
            Value::list(order.iter().map(|&at| elements.get(at)), limit)
        } else {
            Value::list(found.iter().map(|value| &value[..]), limit)
        };
        keys.put(key, value);
        keys.notify(Class::List, "sortstore", key);
        // Redis counts every element that is stored.
        keys.shard().stats.dirty += len as u64 - 1;
    }
    out.int(len as i64);
}

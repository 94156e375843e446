//! From bodies to the parts of values.
//!
//! Each function reads a body of its type to the end and hands the parts, in their order, to `each`, which may refuse
//! one (a member that is there already). An empty collection is refused: none is stored.

use super::read::parse_double;
use super::{Corrupt, Reader, ziplist};
use crate::value::listpack::{self, Element, Entries};
use std::borrow::Cow;

/// How a list was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListForm {
    /// Element by element.
    Plain,
    /// One ziplist.
    Ziplist,
    /// Nodes that are ziplists.
    Ziplists,
    /// Nodes that are listpacks or single elements.
    Nodes,
}

/// How a set was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetForm {
    /// Member by member.
    Plain,
    /// Numbers in their order.
    Intset,
    /// One listpack.
    Listpack,
}

/// How a sorted set was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZSetForm {
    /// Members, and scores as text.
    Text,
    /// Members, and scores of eight bytes.
    Binary,
    /// One ziplist.
    Ziplist,
    /// One listpack.
    Listpack,
}

/// How a hash was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashForm {
    /// Pair by pair.
    Plain,
    /// One zipmap.
    Zipmap,
    /// One ziplist.
    Ziplist,
    /// One listpack.
    Listpack,
    /// Pair by pair, and each pair's deadline (Valkey 9).
    PlainWithDeadlines,
    /// Each pair behind its deadline (Redis 7.4), which counts from the least one where that stands in front.
    Metadata {
        /// Whether it does.
        from_least: bool,
    },
    /// One listpack of pairs and deadlines (Redis 7.4).
    ListpackEx {
        /// Whether the least deadline stands in front.
        with_least: bool,
    },
}

/// A part of a list.
#[derive(Debug)]
pub enum ListPart<'a> {
    /// A node's entries, a valid pack, and how many there are.
    Pack(Cow<'a, [u8]>, usize),
    /// A large element, a node of its own.
    Large(Cow<'a, [u8]>),
    /// An element that belongs to no node.
    Element(Cow<'a, [u8]>),
}

/// A body that is a string. O(n).
///
/// # Errors
/// [`Corrupt`] where it is none, as everywhere here.
pub fn string<'a>(body: &mut Reader<'a>) -> Result<Cow<'a, [u8]>, Corrupt> {
    let string = body.string()?;
    body.end()?;
    Ok(string)
}

/// A count that is not 0.
fn count(body: &mut Reader<'_>) -> Result<u64, Corrupt> {
    match body.length()? {
        0 => Err(body.corrupt("a collection is not empty")),
        count => Ok(count),
    }
}

fn not_empty(body: &Reader<'_>, found: usize) -> Result<(), Corrupt> {
    body.end()?;
    if found == 0 { Err(body.corrupt("a collection is not empty")) } else { Ok(()) }
}

/// A listpack that stands as a string: its entries and their number.
pub(super) fn pack<'a>(body: &mut Reader<'a>) -> Result<(Cow<'a, [u8]>, usize), Corrupt> {
    let (entries, count) = match body.string()? {
        Cow::Borrowed(bytes) => listpack::from_redis(bytes)?,
        Cow::Owned(bytes) => {
            let (entries, count) = listpack::from_redis(&bytes)?;
            (Cow::Owned(entries.into_owned()), count)
        }
    };
    Ok((entries, count))
}

/// The parts of a list. O(n).
///
/// # Errors
/// [`Corrupt`].
pub fn list<'a>(
    body: &mut Reader<'a>,
    form: ListForm,
    mut each: impl FnMut(ListPart<'a>) -> Result<(), Corrupt>,
) -> Result<(), Corrupt> {
    let mut found = 0;
    match form {
        ListForm::Plain => {
            for _ in 0..count(body)? {
                each(ListPart::Element(body.string()?))?;
                found += 1;
            }
        }
        ListForm::Ziplist => {
            let (entries, len) = ziplist::to_pack(&body.string()?)?;
            for element in Entries::new(&entries) {
                each(ListPart::Element(Cow::Owned(element.to_vec())))?;
            }
            found = len;
        }
        ListForm::Ziplists => {
            for _ in 0..count(body)? {
                let (entries, len) = ziplist::to_pack(&body.string()?)?;
                each(ListPart::Pack(Cow::Owned(entries), len))?;
                found += len;
            }
        }
        ListForm::Nodes => {
            for _ in 0..count(body)? {
                match body.length()? {
                    1 => {
                        each(ListPart::Large(body.string()?))?;
                        found += 1;
                    }
                    2 => {
                        let (entries, len) = pack(body)?;
                        each(ListPart::Pack(entries, len))?;
                        found += len;
                    }
                    _ => return Err(body.corrupt("a node of a list is a pack or an element")),
                }
            }
        }
    }
    not_empty(body, found)
}

/// The members of a set. O(n).
///
/// # Errors
/// [`Corrupt`].
pub fn set(
    body: &mut Reader<'_>,
    form: SetForm,
    mut each: impl FnMut(Element<'_>) -> Result<(), Corrupt>,
) -> Result<(), Corrupt> {
    let mut found = 0;
    match form {
        SetForm::Plain => {
            for _ in 0..count(body)? {
                each(Element::Bytes(&body.string()?))?;
                found += 1;
            }
        }
        SetForm::Intset => ziplist::intset(&body.string()?, |number| {
            found += 1;
            each(Element::Int(number))
        })?,
        SetForm::Listpack => {
            let (entries, len) = pack(body)?;
            Entries::new(&entries).try_for_each(each)?;
            found = len;
        }
    }
    not_empty(body, found)
}

/// The entries of a pack in groups of `N`.
fn groups<const N: usize>(
    entries: &[u8],
    mut each: impl FnMut([Element<'_>; N]) -> Result<(), Corrupt>,
) -> Result<usize, Corrupt> {
    let mut entries = Entries::new(entries);
    let mut found = 0;
    while let Some(first) = entries.next() {
        let mut group = [first; N];
        for place in group.iter_mut().skip(1) {
            let next = entries.next();
            *place =
                next.ok_or(Corrupt { what: "the entries of a pack are whole groups", offset: found * N })?;
        }
        each(group)?;
        found += 1;
    }
    Ok(found)
}

/// The members of a sorted set and their scores, none of which is NaN. O(n).
///
/// # Errors
/// [`Corrupt`].
pub fn zset(
    body: &mut Reader<'_>,
    form: ZSetForm,
    mut each: impl FnMut(Element<'_>, f64) -> Result<(), Corrupt>,
) -> Result<(), Corrupt> {
    const NO_SCORE: Corrupt = Corrupt { what: "a score is a number", offset: 0 };
    let mut each = |member: Element<'_>, score: f64| {
        if score.is_nan() { Err(NO_SCORE) } else { each(member, score) }
    };
    let mut found = 0;
    match form {
        ZSetForm::Text | ZSetForm::Binary => {
            for _ in 0..count(body)? {
                let member = body.string()?;
                let score = if form == ZSetForm::Text { body.text_double()? } else { body.double()? };
                each(Element::Bytes(&member), score)?;
                found += 1;
            }
        }
        ZSetForm::Ziplist | ZSetForm::Listpack => {
            let entries = if form == ZSetForm::Ziplist {
                Cow::Owned(ziplist::to_pack(&body.string()?)?.0)
            } else {
                pack(body)?.0
            };
            found = groups(&entries, |[member, score]| {
                let score = match score {
                    Element::Int(number) => number as f64,
                    text => text.with_bytes(parse_double).ok_or(NO_SCORE)?,
                };
                each(member, score)
            })?;
        }
    }
    not_empty(body, found)
}

/// The latest deadline that Redis gives a field, Unix ms.
const DEADLINE_MAX_MS: u64 = (1 << 48) - 1;

/// A deadline of Redis', where 0 stands for none.
fn deadline(ms: u64) -> Result<Option<u64>, Corrupt> {
    match ms {
        0 => Ok(None),
        1..=DEADLINE_MAX_MS => Ok(Some(ms)),
        _ => Err(Corrupt { what: "a deadline is one", offset: 0 }),
    }
}

/// The fields of a hash, their values and their deadlines in Unix ms. O(n).
///
/// # Errors
/// [`Corrupt`].
pub fn hash(
    body: &mut Reader<'_>,
    form: HashForm,
    mut each: impl FnMut(Element<'_>, Element<'_>, Option<u64>) -> Result<(), Corrupt>,
) -> Result<(), Corrupt> {
    let mut found = 0;
    match form {
        HashForm::Plain => {
            for _ in 0..count(body)? {
                let (field, value) = (body.string()?, body.string()?);
                each(Element::Bytes(&field), Element::Bytes(&value), None)?;
                found += 1;
            }
        }
        HashForm::PlainWithDeadlines => {
            for _ in 0..count(body)? {
                let (field, value) = (body.string()?, body.string()?);
                let deadline = match body.millis()? {
                    -1 => None,
                    ms => Some(u64::try_from(ms).map_err(|_| body.corrupt("a deadline is one"))?),
                };
                each(Element::Bytes(&field), Element::Bytes(&value), deadline)?;
                found += 1;
            }
        }
        HashForm::Metadata { from_least } => {
            let least = if from_least { body.millis()? as u64 } else { 1 };
            for _ in 0..count(body)? {
                let given = body.length()?;
                // One more than the distance, so that none can be told from the least.
                let ms = if given == 0 { Some(0) } else { least.checked_add(given - 1) };
                let deadline = deadline(ms.ok_or(body.corrupt("a deadline is one"))?)?;
                let (field, value) = (body.string()?, body.string()?);
                each(Element::Bytes(&field), Element::Bytes(&value), deadline)?;
                found += 1;
            }
        }
        HashForm::Zipmap => ziplist::zipmap(&body.string()?, |field, value| {
            found += 1;
            each(Element::Bytes(field), Element::Bytes(value), None)
        })?,
        HashForm::Ziplist | HashForm::Listpack => {
            let entries = if form == HashForm::Ziplist {
                Cow::Owned(ziplist::to_pack(&body.string()?)?.0)
            } else {
                pack(body)?.0
            };
            found = groups(&entries, |[field, value]| each(field, value, None))?;
        }
        HashForm::ListpackEx { with_least } => {
            if with_least {
                body.millis()?;
            }
            let (entries, _) = pack(body)?;
            found = groups(&entries, |[field, value, ms]| {
                let ms = ms.as_int().and_then(|ms| u64::try_from(ms).ok());
                each(field, value, deadline(ms.unwrap_or(u64::MAX))?)
            })?;
        }
    }
    not_empty(body, found)
}

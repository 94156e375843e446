//! The compact forms that Redis wrote before listpacks: ziplist and zipmap, and intset, which is still there.
//!
//! Each is checked as a whole before anything is taken from it: what a reader walks along has to lead where it says.

use super::Corrupt;
use crate::value::listpack::Encoded;

fn corrupt<T>(what: &'static str, offset: usize) -> Result<T, Corrupt> {
    Err(Corrupt { what, offset })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let chunk = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u32::from_le_bytes(*chunk)).ok()
}

/// The entries of a ziplist as those of a listpack, and how many there are. O(n).
///
/// A ziplist is `[bytes u32][offset of the last entry u32][count u16] entries [0xFF]`; an entry is the length of the one
/// before it (a byte, or 0xFE and four), a header, and data.
///
/// # Errors
/// [`Corrupt`] where any length, offset or count does not hold.
pub(super) fn to_pack(bytes: &[u8]) -> Result<(Vec<u8>, usize), Corrupt> {
    const HEADER: usize = 10;
    let (Some(total), Some(tail), Some(count)) =
        (u32_at(bytes, 0), u32_at(bytes, 4), bytes.get(8..).and_then(|rest| rest.first_chunk::<2>()))
    else {
        return corrupt("a ziplist has a header", 0);
    };
    if total != bytes.len() || bytes.len() <= HEADER || bytes.last() != Some(&0xFF) {
        return corrupt("a ziplist is as long as it says, and ends with its mark", 0);
    }
    let end = bytes.len() - 1;
    let (mut at, mut before, mut found) = (HEADER, 0, 0usize);
    let mut last = HEADER;
    let mut pack = Vec::new();
    while at < end {
        let Some((previous, element, len)) = bytes.get(at..end).and_then(entry) else {
            return corrupt("an entry of a ziplist is whole", at);
        };
        if previous != before {
            return corrupt("an entry of a ziplist knows the one before it", at);
        }
        let encoded = match element {
            Held::Int(number) => Encoded::int(number),
            Held::Text(text) => Encoded::new(text),
        };
        encoded.parts().into_iter().for_each(|part| pack.extend_from_slice(part));
        (last, before, found) = (at, len, found + 1);
        at += len;
    }
    let declared = usize::from(u16::from_le_bytes(*count));
    if declared != found && declared != usize::from(u16::MAX) {
        return corrupt("a ziplist has as many entries as it says", 8);
    }
    if tail != last {
        return corrupt("a ziplist knows its last entry", 4);
    }
    Ok((pack, found))
}

enum Held<'a> {
    Int(i64),
    Text(&'a [u8]),
}

/// The entry that `bytes` begins with: the length of the one before, what it holds, its own length.
fn entry(bytes: &[u8]) -> Option<(usize, Held<'_>, usize)> {
    let (previous, head) = match *bytes.first()? {
        0xFE => (u32_at(bytes, 1)?, 5),
        0xFF => return None,
        short => (usize::from(short), 1),
    };
    let rest = bytes.get(head..)?;
    let text =
        |head: usize, len: usize| Some((Held::Text(rest.get(head..head.checked_add(len)?)?), head + len));
    let int = |width: usize| {
        let mut number = [0; 8];
        number[8 - width..].copy_from_slice(rest.get(1..=width)?);
        Some((Held::Int(i64::from_le_bytes(number) >> (64 - 8 * width)), 1 + width))
    };
    let (held, len) = match *rest.first()? {
        byte @ 0..=0x3F => text(1, usize::from(byte)),
        byte @ 0x40..=0x7F => text(2, usize::from(byte & 0x3F) << 8 | usize::from(*rest.get(1)?)),
        0x80 => {
            let len = u32::from_be_bytes(*rest.get(1..)?.first_chunk()?);
            text(5, usize::try_from(len).ok()?)
        }
        0xC0 => int(2),
        0xD0 => int(4),
        0xE0 => int(8),
        0xF0 => int(3),
        0xFE => int(1),
        byte @ 0xF1..=0xFD => Some((Held::Int(i64::from(byte & 0x0F) - 1), 1)),
        _ => None,
    }?;
    Some((previous, held, head + len))
}

/// The fields and values of a zipmap, in turn. O(n).
///
/// A zipmap is `[count u8]`, then for each pair `[length][field][length][unused u8][value][unused bytes]`, then `0xFF`; a
/// length is a byte, or 0xFE and four.
///
/// # Errors
/// [`Corrupt`] where any length or the count does not hold, or what `each` returns.
pub(super) fn zipmap<'a>(
    bytes: &'a [u8],
    mut each: impl FnMut(&'a [u8], &'a [u8]) -> Result<(), Corrupt>,
) -> Result<(), Corrupt> {
    const TOO_MANY_TO_SAY: u8 = 254;
    let [declared, pairs @ .., 0xFF] = bytes else {
        return corrupt("a zipmap has a count and a mark at its end", 0);
    };
    let length = |at: usize| match *pairs.get(at)? {
        0xFE => Some((u32_at(pairs, at + 1)?, at + 5)),
        0xFF => None,
        short => Some((usize::from(short), at + 1)),
    };
    let (mut at, mut found) = (0, 0usize);
    while at < pairs.len() {
        let pair = || {
            let (field_len, from) = length(at)?;
            let field = pairs.get(from..from.checked_add(field_len)?)?;
            let (value_len, from) = length(from + field_len)?;
            let unused = usize::from(*pairs.get(from)?);
            let value = pairs.get(from + 1..(from + 1).checked_add(value_len)?)?;
            let next = (from + 1 + value_len).checked_add(unused)?;
            (next <= pairs.len()).then_some((field, value, next))
        };
        let Some((field, value, next)) = pair() else {
            return corrupt("a pair of a zipmap is whole", at);
        };
        each(field, value)?;
        (at, found) = (next, found + 1);
    }
    if *declared < TOO_MANY_TO_SAY && usize::from(*declared) != found {
        return corrupt("a zipmap has as many pairs as it says", 0);
    }
    Ok(())
}

/// The numbers of an intset, which ascend. O(n).
///
/// An intset is `[width u32][count u32]` and the numbers, all of them 2, 4 or 8 bytes wide.
///
/// # Errors
/// [`Corrupt`] where the width is none, the count does not hold or the numbers do not ascend, or what `each` returns.
pub(super) fn intset(bytes: &[u8], mut each: impl FnMut(i64) -> Result<(), Corrupt>) -> Result<(), Corrupt> {
    let (Some(width @ (2 | 4 | 8)), Some(count)) = (u32_at(bytes, 0), u32_at(bytes, 4)) else {
        return corrupt("an intset has a header", 0);
    };
    let numbers = bytes.get(8..).unwrap_or_default();
    if count.checked_mul(width) != Some(numbers.len()) {
        return corrupt("an intset has as many numbers as it says", 4);
    }
    let mut before = None;
    for (at, number) in numbers.chunks_exact(width).enumerate() {
        let mut wide = [0; 8];
        wide[8 - width..].copy_from_slice(number);
        let number = i64::from_le_bytes(wide) >> (64 - 8 * width);
        if before.is_some_and(|before| before >= number) {
            return corrupt("the numbers of an intset ascend", 8 + at * width);
        }
        before = Some(number);
        each(number)?;
    }
    Ok(())
}

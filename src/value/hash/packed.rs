//! The packed hash: fields and values in turn, in the buffer of its owner, who asks [`fits`] before it adds.
//!
//! They are a listpack's entries without the byte that lets it be walked backwards, which nobody does here: that is one in
//! eight of a small hash's bytes.

use crate::value::listpack::{self, Buffer, Element, Encoded, Needle};
use smallvec::SmallVec;

/// The byte in front of the entries: how many fields there are, and how the hash is called.
pub(super) const HEADER: usize = 1;

/// Set in the header of a hash that Redis would have made a table: it stays packed, because it is small, but
/// `OBJECT ENCODING` calls it a `hashtable` for good.
const TABLE: u8 = 1 << 7;

/// So many fields or more: they are counted when somebody asks.
const MANY: u8 = TABLE - 1;

fn header(bytes: &[u8]) -> u8 {
    bytes.first().copied().unwrap_or(0)
}

pub(super) fn entries(bytes: &[u8]) -> &[u8] {
    bytes.get(HEADER..).unwrap_or_default()
}

/// Whether it is called a table.
pub(super) fn is_table(bytes: &[u8]) -> bool {
    header(bytes) & TABLE != 0
}

/// How many fields there are. O(1), O(n) from [`MANY`] on.
pub(super) fn len(bytes: &[u8]) -> usize {
    match header(bytes) & MANY {
        MANY => Pairs::new(bytes).count(),
        few => usize::from(few),
    }
}

/// Whether a packed hash stays within `max_bytes` when `added`, fields and values, are added to it. O(added).
///
/// The bytes are estimated from above: a number may turn out shorter, and a field may be there already.
pub fn fits(bytes: &[u8], added: &[&[u8]], max_bytes: usize) -> bool {
    let most: usize = added.iter().map(|text| listpack::encoded_len_max(text.len())).sum();
    bytes.len().max(HEADER).saturating_add(most) <= max_bytes
}

/// Where a field stands among the entries.
struct Found {
    at: usize,
    value_at: usize,
    end: usize,
}

fn find(entries: &[u8], field: &[u8]) -> Option<Found> {
    let needle = Needle::new(field);
    let mut at = 0;
    loop {
        let (element, len) = listpack::first_bare(&entries[at..])?;
        let value_at = at + len;
        let end = value_at + listpack::first_size(entries.get(value_at..)?)?;
        if needle.matches(element) {
            return Some(Found { at, value_at, end });
        }
        at = end;
    }
}

/// A field's value. O(n) in the bytes.
pub(super) fn get<'a>(bytes: &'a [u8], field: &[u8]) -> Option<Element<'a>> {
    let entries = entries(bytes);
    let found = find(entries, field)?;
    listpack::first_bare(entries.get(found.value_at..)?).map(|(value, _)| value)
}

/// Fields with their values, in the order in which they were added.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pairs<'a> {
    rest: &'a [u8],
}

impl<'a> Pairs<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: entries(bytes) }
    }

    #[inline]
    fn element(&mut self) -> Option<Element<'a>> {
        let (element, len) = listpack::first_bare(self.rest)?;
        self.rest = self.rest.get(len..)?;
        Some(element)
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Element<'a>, Element<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        Some((self.element()?, self.element()?))
    }
}

/// The entries as a listpack has them. O(n).
pub(super) fn to_listpack(bytes: &[u8]) -> Vec<u8> {
    let mut entries = Vec::with_capacity(bytes.len() * 5 / 4);
    let mut add = |element: Element<'_>| {
        element.with_bytes(|text| {
            Encoded::new(text).parts().into_iter().for_each(|part| entries.extend_from_slice(part));
        });
    };
    for (field, value) in Pairs::new(bytes) {
        add(field);
        add(value);
    }
    entries
}

/// A packed hash to be changed: `[fields: u8][entries]` in a buffer. Operations cost O(n) in its bytes.
#[derive(Debug)]
pub struct Packed<B> {
    buffer: B,
}

/// Entries that are written before it is known where they will stand.
type Scratch = SmallVec<[u8; 512]>;

fn encode(to: &mut Scratch, text: &[u8]) {
    Encoded::new(text).bare_parts().into_iter().for_each(|part| to.extend_from_slice(part));
}

impl<B: Buffer> Packed<B> {
    /// Takes the hash in `buffer`; an empty buffer is an empty hash. O(1).
    pub fn new(buffer: B) -> Self {
        Self { buffer }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.bytes()
    }

    fn set_header(&mut self, header: u8) {
        self.buffer.overwrite(0, &[header]);
    }

    /// Calls it a table from now on.
    pub(super) fn call_table(&mut self) {
        if self.buffer.bytes().is_empty() {
            self.buffer.splice(0, 0, [&[TABLE], &[], &[]]);
        } else {
            self.set_header(header(self.buffer.bytes()) | TABLE);
        }
    }

    /// Sets a field that is there to another value; whether it is there.
    fn replace(&mut self, field: &[u8], value: &[u8]) -> bool {
        let Some(found) = find(entries(self.buffer.bytes()), field) else { return false };
        let new = Encoded::new(value);
        let (at, len) = (HEADER + found.value_at, found.end - found.value_at);
        let [head, data] = new.bare_parts();
        self.buffer.splice(at, len, [head, data, &[]]);
        true
    }

    /// Appends encoded pairs.
    fn append(&mut self, pairs: &[u8], count: usize) {
        let bytes = self.buffer.bytes();
        let (old, end) = (header(bytes), bytes.len());
        let fields = usize::from(old & MANY).saturating_add(count).min(usize::from(MANY)) as u8;
        let new = [old & TABLE | fields];
        if end < HEADER {
            self.buffer.splice(0, 0, [&new, pairs, &[]]);
        } else {
            self.buffer.splice(end, 0, [pairs, &[], &[]]);
            self.buffer.overwrite(0, &new);
        }
    }

    /// Sets a field; whether it is new.
    pub(super) fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        if self.replace(field, value) {
            return false;
        }
        let mut pair = Scratch::new();
        encode(&mut pair, field);
        encode(&mut pair, value);
        self.append(&pair, 1);
        true
    }

    /// Sets fields, given in turn with their values, with one change of the buffer for all that are new; how many were.
    pub(super) fn extend(&mut self, pairs: &[&[u8]]) -> usize {
        if let [field, value] = pairs {
            return usize::from(self.set(field, value));
        }
        let (mut new, mut waiting, mut added) = (Scratch::new(), 0, 0);
        for pair in pairs.chunks_exact(2) {
            let &[field, value] = pair else { continue };
            if waiting > 0 && find(&new, field).is_some() {
                // The same field twice: the first one has to be there for the second to replace it.
                self.append(&std::mem::take(&mut new), std::mem::take(&mut waiting));
            }
            if !self.replace(field, value) {
                encode(&mut new, field);
                encode(&mut new, value);
                (waiting, added) = (waiting + 1, added + 1);
            }
        }
        if waiting > 0 {
            self.append(&new, waiting);
        }
        added
    }

    /// Takes a field out, after `f` saw its value.
    pub(super) fn remove<R>(&mut self, field: &[u8], f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let bytes = self.buffer.bytes();
        let (old, all) = (header(bytes), entries(bytes));
        let found = find(all, field)?;
        let result = f(listpack::first_bare(&all[found.value_at..])?.0);
        let fields = match old & MANY {
            MANY => (len(bytes) - 1).min(usize::from(MANY)) as u8,
            few => few - 1,
        };
        self.buffer.splice(HEADER + found.at, found.end - found.at, [&[]; 3]);
        self.set_header(old & TABLE | fields);
        Some(result)
    }
}

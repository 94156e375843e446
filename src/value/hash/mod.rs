//! Hashes: fields with values, and deadlines of fields.
//!
//! A hash takes one of three forms:
//!
//! 1. Packed in the slot of its key, as long as it is short: fields and values in turn ([`Packed`]).
//! 2. Packed in an allocation of its own, as long as Redis would keep it a listpack. Up to there the order of fields is
//!    the one in which they were added, as clients may have come to expect.
//! 3. A [`Dict`], in which every operation takes the same time.
//!
//! How a hash is *called* (`OBJECT ENCODING`) is another matter. Redis makes a table of it when a field or value is
//! longer than `hash-max-listpack-value` or when there are more fields than `hash-max-listpack-entries`, and never goes
//! back. A short hash with one long value stays packed here, where a table would cost it several times its bytes, and
//! remembers how it is called.
//!
//! A field may have a deadline; its hash is a [`Dict`] then, so that others pay nothing for it. Fields past their
//! deadline are hidden from every operation; [`Hash::expire`] removes them.

mod packed;
mod random;
#[cfg(test)]
mod tests;

pub use packed::{Packed, fits};

use super::dict::{self, Dict, Seed};
use super::listpack::{Buffer, Element};
use super::table::NEVER;

/// When Redis makes a table of a hash, and what a table needs.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// `hash-max-listpack-entries`: no more fields than this.
    pub entries_max: usize,
    /// `hash-max-listpack-value`: no field and no value of more bytes than this.
    pub bytes_max: usize,
    /// For the hash function.
    pub seed: Seed,
}

/// A field and its value.
pub type Pair<'a> = (Element<'a>, Element<'a>);

/// What `OBJECT ENCODING` says of a packed hash. O(1).
#[must_use]
pub fn packed_encoding(bytes: &[u8]) -> &'static str {
    if packed::is_table(bytes) { "hashtable" } else { "listpack" }
}

/// A hash that is too large for its entry, or has fields with deadlines.
#[derive(Clone, Debug)]
pub struct Hash {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Packed(Vec<u8>),
    Dict(Dict),
}

/// A listpack is never longer than this.
const PACKED_BYTES_MAX: usize = 1 << 30;

impl Hash {
    /// From a packed one: packed still where Redis would have a listpack, a table otherwise. O(n).
    #[must_use]
    pub fn from_packed(bytes: &[u8], rules: Rules) -> Self {
        let mut hash = Self { form: Form::Packed(bytes.to_vec()) };
        if packed::is_table(bytes) {
            hash.make_table(rules);
        }
        hash
    }

    /// Makes a table of it. O(n).
    pub fn make_table(&mut self, rules: Rules) {
        if let Form::Packed(bytes) = &self.form {
            let mut dict = Dict::new(rules.seed);
            for (field, value) in packed::Pairs::new(bytes) {
                field.with_bytes(|field| value.with_bytes(|value| dict.insert(field, value)));
            }
            self.form = Form::Dict(dict);
        }
    }

    /// The hash for reading, at a time. O(1).
    #[must_use]
    pub fn view(&self, now_ms: u64) -> HashRef<'_> {
        match &self.form {
            Form::Packed(bytes) => HashRef::Packed(bytes),
            Form::Dict(dict) => HashRef::Dict(dict, now_ms),
        }
    }

    /// Bytes on the heap. O(1).
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match &self.form {
            Form::Packed(bytes) => bytes.capacity(),
            Form::Dict(dict) => dict.heap_bytes(),
        }
    }

    /// What `OBJECT ENCODING` says of it. O(1).
    #[must_use]
    pub fn encoding(&self) -> &'static str {
        match &self.form {
            Form::Packed(_) => "listpack",
            Form::Dict(_) => "hashtable",
        }
    }

    /// Whether fields have deadlines. O(1).
    #[must_use]
    pub fn has_deadlines(&self) -> bool {
        matches!(&self.form, Form::Dict(dict) if dict.with_deadline() > 0)
    }

    /// No field's deadline is earlier than this; [`NEVER`] when none has one. O(1).
    #[must_use]
    pub fn next_due_ms(&self) -> u64 {
        match &self.form {
            Form::Packed(_) => NEVER,
            Form::Dict(dict) => dict.next_due_ms(),
        }
    }

    /// Removes fields past their deadline until none is left or `budget` is used up, which a last step may exceed by
    /// some hundred fields; how many it was. `gone` is shown each. O(fields removed), and what had to be looked at to
    /// find them.
    pub fn expire(&mut self, now_ms: u64, budget: usize, mut gone: impl FnMut(&[u8])) -> usize {
        let Form::Dict(dict) = &mut self.form else { return 0 };
        let (mut removed, mut position) = (0, Some(0));
        while removed < budget
            && let Some(at) = position
        {
            position = dict.expire(at, now_ms, |entry| {
                removed += 1;
                gone(entry.key);
            });
        }
        removed
    }

    /// Fields, hidden ones included. O(1).
    #[must_use]
    pub fn len(&self) -> usize {
        self.view(0).len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A hash for reading. Operations are O(1) on a table, O(n) on a packed one, unless they say otherwise.
#[derive(Clone, Copy, Debug)]
pub enum HashRef<'a> {
    /// A packed one, by its bytes.
    Packed(&'a [u8]),
    /// A table, and the time, which decides what is hidden; 0 where no field has a deadline.
    Dict(&'a Dict, u64),
}

fn hidden(entry: &dict::Entry<'_>, now_ms: u64) -> bool {
    entry.expires_at_ms.is_some_and(|deadline| deadline < now_ms)
}

impl<'a> HashRef<'a> {
    /// Fields, hidden ones that were not removed yet included. O(1).
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            HashRef::Packed(bytes) => packed::len(bytes),
            HashRef::Dict(dict, _) => dict.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether fields are, or may be, hidden. O(1).
    #[must_use]
    pub fn may_hide(&self) -> bool {
        matches!(self, HashRef::Dict(dict, now_ms) if dict.next_due_ms() < *now_ms)
    }

    /// Fields that are not hidden. O(1) where none may be, O(n) otherwise.
    #[must_use]
    pub fn visible_len(&self) -> usize {
        if self.may_hide() { self.iter().count() } else { self.len() }
    }

    /// A field's value.
    #[inline]
    #[must_use]
    pub fn get(&self, field: &[u8]) -> Option<Element<'a>> {
        match *self {
            HashRef::Packed(bytes) => packed::get(bytes, field),
            HashRef::Dict(dict, now_ms) => {
                let entry = dict.entry(field)?;
                (!hidden(&entry, now_ms)).then_some(Element::Bytes(entry.value))
            }
        }
    }

    /// Whether there is a field.
    #[must_use]
    pub fn contains(&self, field: &[u8]) -> bool {
        self.get(field).is_some()
    }

    /// A field's deadline in Unix ms: `None` without the field, `Some(None)` without a deadline.
    #[must_use]
    pub fn expires_at_ms(&self, field: &[u8]) -> Option<Option<u64>> {
        match *self {
            HashRef::Packed(bytes) => packed::get(bytes, field).map(|_| None),
            HashRef::Dict(dict, now_ms) => {
                let entry = dict.entry(field)?;
                (!hidden(&entry, now_ms)).then_some(entry.expires_at_ms)
            }
        }
    }

    /// All fields with their values. O(n).
    #[must_use]
    pub fn iter(&self) -> Iter<'a> {
        match *self {
            HashRef::Packed(bytes) => Iter::Packed(packed::Pairs::new(bytes)),
            HashRef::Dict(dict, now_ms) => Iter::Dict(dict.iter(), now_ms),
        }
    }

    /// All fields with their values and deadlines in Unix ms. O(n).
    pub fn iter_with_deadlines(&self) -> impl Iterator<Item = (Element<'a>, Element<'a>, Option<u64>)> {
        let (packed, dict) = match *self {
            HashRef::Packed(bytes) => (Some(packed::Pairs::new(bytes)), None),
            HashRef::Dict(dict, now_ms) => (None, Some((dict, now_ms))),
        };
        let visible = |(dict, now_ms): (&'a Dict, u64)| {
            dict.iter()
                .filter(move |entry| !hidden(entry, now_ms))
                .map(|entry| (Element::Bytes(entry.key), Element::Bytes(entry.value), entry.expires_at_ms))
        };
        let packed = packed.into_iter().flatten().map(|(field, value)| (field, value, None));
        packed.chain(dict.into_iter().flat_map(visible))
    }

    /// The fields and values of a packed hash that is called a listpack as a listpack's entries, and how many they are: for
    /// DUMP. O(n).
    #[must_use]
    pub fn to_listpack(&self) -> Option<(Vec<u8>, usize)> {
        match *self {
            HashRef::Packed(bytes) if !packed::is_table(bytes) => {
                Some((packed::to_listpack(bytes), packed::len(bytes) * 2))
            }
            HashRef::Packed(_) | HashRef::Dict(..) => None,
        }
    }

    /// Visits fields from a cursor on, 0 to begin, at least `want` of them unless the end is reached; a packed hash is
    /// visited whole. Returns the cursor to go on with, `None` at the end. Fields that are there throughout are visited
    /// once. O(want), and some hundred.
    pub fn scan(&self, cursor: u32, want: usize, mut visit: impl FnMut(Pair<'a>)) -> Option<u32> {
        match *self {
            HashRef::Packed(bytes) => {
                packed::Pairs::new(bytes).for_each(visit);
                None
            }
            HashRef::Dict(dict, now_ms) => dict.scan(cursor, want, |entry| {
                if !hidden(&entry, now_ms) {
                    visit((Element::Bytes(entry.key), Element::Bytes(entry.value)));
                }
            }),
        }
    }
}

/// All fields of a hash with their values.
#[derive(Clone, Debug)]
pub enum Iter<'a> {
    /// Of a packed one.
    #[expect(private_interfaces, reason = "nobody takes an iterator apart")]
    Packed(packed::Pairs<'a>),
    /// Of a table, at a time.
    Dict(dict::Iter<'a>, u64),
}

impl<'a> Iterator for Iter<'a> {
    type Item = Pair<'a>;

    #[inline]
    fn next(&mut self) -> Option<Pair<'a>> {
        match self {
            Iter::Packed(pairs) => pairs.next(),
            Iter::Dict(entries, now_ms) => {
                let entry = entries.find(|entry| !hidden(entry, *now_ms))?;
                Some((Element::Bytes(entry.key), Element::Bytes(entry.value)))
            }
        }
    }
}

/// A hash to be changed.
#[derive(Debug)]
pub struct Fields<'a, B> {
    place: Place<'a, B>,
    rules: Rules,
    now_ms: u64,
}

#[derive(Debug)]
enum Place<'a, B> {
    Packed(Packed<B>),
    Large(&'a mut Hash),
}

impl<'a, B: Buffer> Fields<'a, B> {
    /// A packed hash in a buffer, whose owner made sure that it has room.
    pub fn packed(buffer: B, rules: Rules) -> Self {
        Self { place: Place::Packed(Packed::new(buffer)), rules, now_ms: 0 }
    }

    /// A large hash, at a time; 0 where no field has a deadline.
    pub fn large(hash: &'a mut Hash, rules: Rules, now_ms: u64) -> Self {
        Self { place: Place::Large(hash), rules, now_ms }
    }

    /// The hash for reading. O(1).
    pub fn view(&self) -> HashRef<'_> {
        match &self.place {
            Place::Packed(packed) => HashRef::Packed(packed.bytes()),
            Place::Large(hash) => hash.view(self.now_ms),
        }
    }

    /// No field's deadline is earlier than this. O(1).
    #[must_use]
    pub fn next_due_ms(&self) -> u64 {
        match &self.place {
            Place::Packed(_) => NEVER,
            Place::Large(hash) => hash.next_due_ms(),
        }
    }

    fn call_table(&mut self) {
        match &mut self.place {
            Place::Packed(packed) => packed.call_table(),
            Place::Large(hash) => hash.make_table(self.rules),
        }
    }

    /// Makes a table of it where `added` is too long for a listpack.
    fn before_adding(&mut self, added: &[&[u8]]) {
        if added.iter().any(|text| text.len() > self.rules.bytes_max) {
            self.call_table();
        }
    }

    /// Makes a table of it where there are too many fields for a listpack.
    fn after_adding(&mut self) {
        match &mut self.place {
            Place::Packed(packed) => {
                if packed::len(packed.bytes()) > self.rules.entries_max {
                    packed.call_table();
                }
            }
            Place::Large(hash) => {
                if let Form::Packed(bytes) = &hash.form
                    && (packed::len(bytes) > self.rules.entries_max || bytes.len() > PACKED_BYTES_MAX)
                {
                    hash.make_table(self.rules);
                }
            }
        }
    }

    /// Sets a field and takes its deadline away; whether it is new.
    pub fn set(&mut self, field: &[u8], value: &[u8]) -> bool {
        self.extend(&[field, value]) == 1
    }

    /// Sets fields, given in turn with their values, and takes their deadlines away; how many are new.
    #[inline]
    pub fn extend(&mut self, pairs: &[&[u8]]) -> usize {
        self.before_adding(pairs);
        if pairs.len() / 2 > self.rules.entries_max {
            // Redis guesses that they are all different.
            self.call_table();
        }
        let now_ms = self.now_ms;
        let added = match &mut self.place {
            Place::Packed(packed) => packed.extend(pairs),
            Place::Large(hash) => match &mut hash.form {
                Form::Packed(bytes) => Packed::new(bytes).extend(pairs),
                Form::Dict(dict) => {
                    let mut added = 0;
                    for pair in pairs.chunks_exact(2) {
                        if let &[field, value] = pair {
                            let was_hidden = dict.next_due_ms() < now_ms
                                && dict.entry(field).is_some_and(|old| hidden(&old, now_ms));
                            added += usize::from(dict.insert(field, value) || was_hidden);
                        }
                    }
                    added
                }
            },
        };
        self.after_adding();
        added
    }

    /// Sets a field to a value and keeps its deadline; whether it is new.
    pub fn set_and_keep(&mut self, field: &[u8], value: &[u8]) -> bool {
        let deadline = self.view().expires_at_ms(field).flatten();
        match deadline {
            Some(_) => self.set_until(field, value, deadline),
            None => self.set(field, value),
        }
    }

    /// Sets a field with a deadline; whether it is new. A deadline takes a table: see [`Hash::make_table`].
    ///
    /// # Panics
    /// Where there is a deadline and the hash is no table.
    pub fn set_until(&mut self, field: &[u8], value: &[u8], expires_at_ms: Option<u64>) -> bool {
        let Some(_) = expires_at_ms else { return self.set(field, value) };
        let new = !self.view().contains(field);
        match &mut self.place {
            Place::Large(Hash { form: Form::Dict(dict) }) => dict.insert_until(field, value, expires_at_ms),
            _ => unreachable!("the owner makes a table before it sets a deadline"),
        };
        new
    }

    /// Gives a field a deadline or takes it away; whether the field is there.
    ///
    /// # Panics
    /// Where there is a deadline and the hash is no table.
    pub fn set_deadline(&mut self, field: &[u8], expires_at_ms: Option<u64>) -> bool {
        if !self.view().contains(field) {
            return false;
        }
        match &mut self.place {
            Place::Large(Hash { form: Form::Dict(dict) }) => dict.set_deadline(field, expires_at_ms),
            _ => {
                assert!(expires_at_ms.is_none(), "the owner makes a table before it sets a deadline");
                true
            }
        }
    }

    /// Takes a field out; whether it was there.
    pub fn remove(&mut self, field: &[u8]) -> bool {
        self.take(field, |_| ()).is_some()
    }

    /// Takes a field out, after `f` saw its value.
    pub fn take<R>(&mut self, field: &[u8], f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        match &mut self.place {
            Place::Packed(packed) => packed.remove(field, f),
            Place::Large(hash) => match &mut hash.form {
                Form::Packed(bytes) => {
                    let result = Packed::new(&mut *bytes).remove(field, f);
                    if bytes.capacity() / 4 > bytes.len() {
                        bytes.shrink_to(bytes.len() * 2);
                    }
                    result
                }
                Form::Dict(dict) => {
                    let now_ms = self.now_ms;
                    if dict.next_due_ms() < now_ms
                        && dict.entry(field).is_none_or(|entry| hidden(&entry, now_ms))
                    {
                        return None;
                    }
                    dict.remove_with(field, |entry| f(Element::Bytes(entry.value)))
                }
            },
        }
    }
}

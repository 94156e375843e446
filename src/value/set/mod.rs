//! Sets: integers in order, packed members in the order in which they came, or a table.
//!
//! A small set is bytes, in the entry of its key or in an object: an [`intset`] while all members are integers, a pack
//! of listpack entries while they are few and short. [`Set`] owns any of the three forms and changes from one to the
//! next exactly where Redis 7.2 does, since `OBJECT ENCODING` and the order of replies show it; [`SetRef`] reads and
//! [`SetMut`] shrinks a set wherever its bytes are. What several sets have in common or not is in [`algebra`].
//!
//! **Invariant:** a set that grows only ever goes from integers to packed to table, or straight to the table.

pub mod algebra;
pub mod intset;
mod packed;
pub mod random;
#[cfg(test)]
mod tests;

pub use intset::Ints;
pub use random::Random;

use super::dict::{self, Dict, Seed};
use super::listpack::{self, Buffer, Element, Encoded, Entries, Needle};
use smallvec::SmallVec;

/// Up to which size which form is used: `set-max-intset-entries`, `set-max-listpack-entries` and `-value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most members of a set of integers.
    pub ints: usize,
    /// The most members of a packed set.
    pub entries: usize,
    /// The longest member of a packed set, in bytes.
    pub bytes: usize,
    /// Keys the hash function of tables.
    pub seed: Seed,
}

impl Limits {
    /// Redis bounds a set of integers by itself.
    const INTS_MAX: usize = 1 << 30;

    fn ints(&self) -> usize {
        self.ints.min(Self::INTS_MAX)
    }

    fn packs(&self, count: usize, member: &[u8]) -> bool {
        count < self.entries.min(packed::COUNT_MAX) && member.len() <= self.bytes
    }
}

/// Members for which room is made at once.
const ROOM_MAX: usize = 512;

/// Bytes of a small set, and which form they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Small<'a> {
    /// An intset.
    Ints(&'a [u8]),
    /// A count and entries.
    Packed(&'a [u8]),
}

impl Small<'_> {
    /// Whether it keeps its form and stays within `bytes_max` when these members are added, by an estimate from above.
    /// O(members).
    pub fn takes(self, members: &[Needle<'_>], limits: &Limits, bytes_max: usize) -> bool {
        match self {
            Small::Ints(bytes) => {
                let ints = Ints::new(bytes);
                let count = ints.len().saturating_add(members.len());
                let width = members.iter().try_fold(ints.width(), |width, member| {
                    member.as_int().map(|number| width.max(intset::width_of(number)))
                });
                width.is_some_and(|width| intset::HEADER + count.saturating_mul(width) <= bytes_max)
                    && count <= limits.ints()
            }
            Small::Packed(bytes) => {
                let count = packed::parts(bytes).0.saturating_add(members.len());
                let room = members.iter().fold(bytes.len(), |room, member| {
                    room.saturating_add(listpack::encoded_len_max(member.as_bytes().len()))
                });
                room <= bytes_max
                    && count <= limits.entries.min(packed::COUNT_MAX)
                    && members.iter().all(|member| member.as_bytes().len() <= limits.bytes)
            }
        }
    }
}

impl<'a> From<Small<'a>> for SetRef<'a> {
    fn from(small: Small<'a>) -> Self {
        match small {
            Small::Ints(bytes) => SetRef::Ints(Ints::new(bytes)),
            Small::Packed(bytes) => SetRef::Packed(bytes),
        }
    }
}

/// A set that owns what it is made of.
#[derive(Clone, Debug)]
pub enum Set {
    /// Integers.
    Ints(Vec<u8>),
    /// Packed members.
    Packed(Vec<u8>),
    /// A table.
    Table(Dict),
}

impl Default for Set {
    fn default() -> Self {
        Set::Ints(Vec::new())
    }
}

impl Set {
    /// An empty set that may take `first`, and is about to take about `expected` members. O(1).
    pub fn to_hold(first: &Needle<'_>, expected: usize, limits: &Limits) -> Self {
        if expected <= limits.ints && first.as_int().is_some() {
            Set::Ints(Vec::with_capacity(intset::HEADER + 4 * expected.min(ROOM_MAX)))
        } else if expected <= limits.entries {
            Set::Packed(Vec::with_capacity(packed::HEADER + 16 * expected.min(ROOM_MAX)))
        } else {
            Set::Table(Dict::new(limits.seed))
        }
    }

    /// A copy of a small set. O(bytes).
    pub fn from_small(small: Small<'_>) -> Self {
        match small {
            Small::Ints(bytes) => Set::Ints(bytes.to_vec()),
            Small::Packed(bytes) => Set::Packed(bytes.to_vec()),
        }
    }

    /// Makes room in the form that suits it, where `expected` members are about to be added at once. O(n) if it is
    /// another form, O(1) otherwise.
    pub fn expect(&mut self, expected: usize, limits: &Limits) {
        match self {
            Set::Ints(_) if expected > limits.ints => {
                self.become_table(limits);
            }
            Set::Packed(_) if expected > limits.entries => {
                self.become_table(limits);
            }
            _ => {}
        }
    }

    /// Bytes on the heap. O(1).
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match self {
            Set::Ints(bytes) | Set::Packed(bytes) => bytes.capacity(),
            Set::Table(dict) => dict.heap_bytes(),
        }
    }

    /// What OBJECT ENCODING says of it. O(1).
    #[must_use]
    pub fn encoding(&self) -> &'static str {
        match self {
            Set::Ints(_) => "intset",
            Set::Packed(_) => "listpack",
            Set::Table(_) => "hashtable",
        }
    }

    /// The set to be read. O(1).
    #[inline]
    #[must_use]
    pub fn view(&self) -> SetRef<'_> {
        match self {
            Set::Ints(bytes) => SetRef::Ints(Ints::new(bytes)),
            Set::Packed(bytes) => SetRef::Packed(bytes),
            Set::Table(dict) => SetRef::Table(dict),
        }
    }

    /// The set to be shrunk. O(1).
    pub fn edit(&mut self) -> SetMut<'_> {
        match self {
            Set::Ints(bytes) => SetMut::Ints(bytes),
            Set::Packed(bytes) => SetMut::Packed(bytes),
            Set::Table(dict) => SetMut::Table(dict),
        }
    }

    /// Adds a member; whether it was new. O(1) in a table, O(n) in the bytes of the other forms, which are few.
    #[inline]
    pub fn add(&mut self, member: &Needle<'_>, limits: &Limits) -> bool {
        match self {
            Set::Table(dict) => dict.add(member.as_bytes()),
            Set::Ints(bytes) => match member.as_int() {
                Some(number) => {
                    let new = intset::insert(bytes, number);
                    let len = Ints::new(bytes).len();
                    if new && len > limits.ints() {
                        self.become_table(limits);
                    }
                    new
                }
                None => {
                    self.outgrow_ints(member, limits);
                    true
                }
            },
            Set::Packed(bytes) => {
                if packed::contains(bytes, *member) {
                    return false;
                }
                let len = packed::parts(bytes).0;
                if limits.packs(len, member.as_bytes()) {
                    packed::push(bytes, Encoded::needle(member));
                } else {
                    self.become_table(limits).add(member.as_bytes());
                }
                true
            }
        }
    }

    /// Adds an element of another set; whether it was new. As [`add`](Self::add).
    pub fn add_element(&mut self, element: Element<'_>, limits: &Limits) -> bool {
        element.with_bytes(|bytes| self.add(&Needle::new(bytes), limits))
    }

    /// Adds the first member that is no integer.
    fn outgrow_ints(&mut self, member: &Needle<'_>, limits: &Limits) {
        let Set::Ints(bytes) = self else { return };
        let ints = Ints::new(bytes);
        // The longest texts are at the ends.
        let digits = |number: Option<i64>| number.map_or(0, |number| Element::Int(number).len());
        let longest = digits(ints.first()).max(digits(ints.last()));
        let len = ints.len();
        if !limits.packs(len, member.as_bytes()) || longest > limits.bytes {
            self.become_table(limits).add(member.as_bytes());
            return;
        }
        let entry = |number: Option<i64>| number.map_or(0, |number| Encoded::int(number).entry_len());
        let each = entry(ints.first()).max(entry(ints.last()));
        let member = Encoded::needle(member);
        let mut pack = Vec::with_capacity(packed::HEADER + len * each + member.entry_len());
        ints.iter().for_each(|number| packed::push(&mut pack, Encoded::int(number)));
        packed::push(&mut pack, member);
        *self = Set::Packed(pack);
    }

    fn become_table(&mut self, limits: &Limits) -> &mut Dict {
        if !matches!(self, Set::Table(_)) {
            let mut dict = Dict::new(limits.seed);
            self.view().iter().for_each(|element| {
                element.with_bytes(|bytes| dict.add(bytes));
            });
            *self = Set::Table(dict);
        }
        match self {
            Set::Table(dict) => dict,
            _ => unreachable!("it has just become one"),
        }
    }

    /// Becomes a set of integers where all members are and it is within the limit, as SINTERSTORE has it. O(n log n).
    pub fn settle_on_ints(&mut self, limits: &Limits) {
        let view = self.view();
        if matches!(self, Set::Ints(_)) || view.len() > limits.ints() {
            return;
        }
        let Some(mut numbers) = view.iter().map(|element| element.as_int()).collect::<Option<Vec<i64>>>()
        else {
            return;
        };
        numbers.sort_unstable();
        let mut bytes = Vec::new();
        for number in numbers {
            intset::insert(&mut bytes, number);
        }
        *self = Set::Ints(bytes);
    }

    /// Gives back what was reserved beyond need. O(n).
    pub fn shrink(&mut self) {
        match self {
            Set::Ints(bytes) | Set::Packed(bytes) => bytes.shrink_to_fit(),
            Set::Table(_) => {}
        }
    }

    /// Keeps `remaining` random members, as SPOP does where it takes nearly all of a table: in a new set, which
    /// begins as a packed one. Returns the old one with the others. Expected O(remaining).
    pub fn split_off(&mut self, remaining: usize, random: &mut Random, limits: &Limits) -> Set {
        let mut kept = match self {
            Set::Ints(_) => Set::Ints(Vec::new()),
            Set::Packed(_) | Set::Table(_) => Set::Packed(Vec::new()),
        };
        let mut edit = self.edit();
        for _ in 0..remaining {
            edit.pop(random, |element| kept.add_element(element, limits));
        }
        std::mem::replace(self, kept)
    }
}

/// A set to be read, wherever it is.
#[derive(Clone, Copy, Debug)]
pub enum SetRef<'a> {
    /// Integers.
    Ints(Ints<'a>),
    /// Packed members.
    Packed(&'a [u8]),
    /// A table.
    Table(&'a Dict),
}

impl<'a> SetRef<'a> {
    /// How many members there are. O(1).
    #[inline]
    #[must_use]
    pub fn len(self) -> usize {
        match self {
            SetRef::Ints(ints) => ints.len(),
            SetRef::Packed(bytes) => packed::parts(bytes).0,
            SetRef::Table(dict) => dict.len(),
        }
    }

    /// Whether there is none. O(1).
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Whether something is a member. O(1) in a table, O(log n) among integers, O(n) in a pack.
    #[inline]
    #[must_use]
    pub fn contains(self, member: &Needle<'_>) -> bool {
        match self {
            SetRef::Ints(ints) => member.as_int().is_some_and(|number| ints.contains(number)),
            SetRef::Packed(bytes) => packed::contains(bytes, *member),
            SetRef::Table(dict) => dict.contains(member.as_bytes()),
        }
    }

    /// Whether an element of another set is a member.
    #[must_use]
    pub fn contains_element(self, element: Element<'_>) -> bool {
        match self {
            SetRef::Ints(ints) => element.as_int().is_some_and(|number| ints.contains(number)),
            SetRef::Packed(_) => element.with_bytes(|bytes| self.contains(&Needle::new(bytes))),
            SetRef::Table(dict) => element.with_bytes(|bytes| dict.contains(bytes)),
        }
    }

    /// Visits members from a cursor on, 0 to begin; the cursor to go on from, 0 at the end. Members that are there
    /// throughout a scan are visited once. O(wanted) in a table; a small set is visited at once.
    pub fn scan(self, cursor: u64, wanted: usize, mut visit: impl FnMut(Element<'_>)) -> u64 {
        match self {
            SetRef::Table(dict) => {
                // A cursor that no scan gave is beyond the end.
                let Ok(cursor) = u32::try_from(cursor) else { return 0 };
                let next = dict.scan(cursor, wanted, |entry| visit(Element::Bytes(entry.key)));
                next.map_or(0, u64::from)
            }
            _ => {
                self.iter().for_each(visit);
                0
            }
        }
    }

    /// Whether both are the same place in memory, and so the same set. O(1).
    #[must_use]
    pub fn is(self, other: SetRef<'_>) -> bool {
        match (self, other) {
            (SetRef::Ints(a), SetRef::Ints(b)) => a.is(b),
            (SetRef::Packed(a), SetRef::Packed(b)) => std::ptr::eq(a, b),
            (SetRef::Table(a), SetRef::Table(b)) => std::ptr::eq(a, b),
            _ => false,
        }
    }

    /// The members: integers ascending, packed ones in the order in which they came. O(1) a step.
    #[must_use]
    pub fn iter(self) -> Members<'a> {
        match self {
            SetRef::Ints(ints) => Members::Ints(ints, 0),
            SetRef::Packed(bytes) => Members::Packed(packed::entries(bytes)),
            SetRef::Table(dict) => Members::Table(dict.iter()),
        }
    }
}

/// The members of a set.
#[derive(Debug)]
pub enum Members<'a> {
    /// Of integers, and how many were visited.
    Ints(Ints<'a>, usize),
    /// Of packed members.
    Packed(Entries<'a>),
    /// Of a table.
    Table(dict::Iter<'a>),
}

impl<'a> Iterator for Members<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match self {
            Members::Ints(ints, at) => {
                let number = ints.get(*at)?;
                *at += 1;
                Some(Element::Int(number))
            }
            Members::Packed(entries) => entries.next(),
            Members::Table(entries) => entries.next().map(|entry| Element::Bytes(entry.key)),
        }
    }
}

/// A set to be shrunk where it is.
pub enum SetMut<'a> {
    /// Integers.
    Ints(&'a mut dyn Buffer),
    /// Packed members.
    Packed(&'a mut dyn Buffer),
    /// A table.
    Table(&'a mut Dict),
}

impl std::fmt::Debug for SetMut<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.view().fmt(f)
    }
}

impl<'a> SetMut<'a> {
    /// A small set in the buffer of its owner. O(1).
    pub fn inline(of_ints: bool, buffer: &'a mut dyn Buffer) -> Self {
        if of_ints { SetMut::Ints(buffer) } else { SetMut::Packed(buffer) }
    }

    /// Adds a member to a set that [takes](Small::takes) it; whether it was new.
    #[inline]
    pub fn add(&mut self, member: &Needle<'_>) -> bool {
        match self {
            SetMut::Ints(buffer) => member.as_int().is_some_and(|number| intset::insert(buffer, number)),
            SetMut::Packed(buffer) => {
                let new = !packed::contains(buffer.bytes(), *member);
                if new {
                    packed::push(buffer, Encoded::needle(member));
                }
                new
            }
            SetMut::Table(dict) => dict.add(member.as_bytes()),
        }
    }

    /// The set to be read. O(1).
    #[must_use]
    pub fn view(&self) -> SetRef<'_> {
        match self {
            SetMut::Ints(buffer) => SetRef::Ints(Ints::new(buffer.bytes())),
            SetMut::Packed(buffer) => SetRef::Packed(buffer.bytes()),
            SetMut::Table(dict) => SetRef::Table(dict),
        }
    }

    /// Removes a member; whether it was there. O(1) in a table, O(n) in the bytes of the other forms.
    pub fn remove(&mut self, member: &Needle<'_>) -> bool {
        match self {
            SetMut::Ints(buffer) => member.as_int().is_some_and(|number| intset::remove(buffer, number)),
            SetMut::Packed(buffer) => packed::remove(buffer, *member),
            SetMut::Table(dict) => dict.remove(member.as_bytes()),
        }
    }

    /// Removes an element of another set; whether it was there.
    pub fn remove_element(&mut self, element: Element<'_>) -> bool {
        element.with_bytes(|bytes| self.remove(&Needle::new(bytes)))
    }

    /// Takes a random member, each being as likely, and shows it to `f`. Expected O(1) in a table, O(n) in the bytes
    /// of the other forms.
    pub fn pop<R>(&mut self, random: &mut Random, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let index = random.below(self.view().len())?;
        match self {
            SetMut::Ints(buffer) => {
                let number = Ints::new(buffer.bytes()).get(index)?;
                let result = f(Element::Int(number));
                intset::remove_at(buffer, index);
                Some(result)
            }
            SetMut::Packed(buffer) => {
                let result = f(packed::get(buffer.bytes(), index)?);
                packed::remove_at(buffer, index);
                Some(result)
            }
            SetMut::Table(dict) => pop_from(dict, random, f),
        }
    }

    /// Takes `count` random members, at most all, every choice of them being as likely, and shows them to `f`.
    /// Expected O(count) in a table, O(n) in the bytes of the other forms.
    pub fn pop_some(&mut self, count: usize, random: &mut Random, mut f: impl FnMut(Element<'_>)) {
        let len = self.view().len();
        let mut draw = random::Draw::new(count.min(len), len);
        match self {
            SetMut::Ints(buffer) => intset::retain(buffer, |number| {
                let taken = draw.takes_next(random);
                if taken {
                    f(Element::Int(number));
                }
                !taken
            }),
            SetMut::Packed(buffer) => packed::retain(buffer, |element| {
                let taken = draw.takes_next(random);
                if taken {
                    f(element);
                }
                !taken
            }),
            SetMut::Table(dict) => {
                for _ in 0..count.min(len) {
                    pop_from(dict, random, &mut f);
                }
            }
        }
    }
}

/// Takes a random entry of a table and shows its key to `f`.
fn pop_from<R>(dict: &mut Dict, random: &mut Random, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
    // The key leaves with its entry, so it is copied to be found by: on the stack, if it is short.
    let key: SmallVec<[u8; 64]> = SmallVec::from_slice(dict.random(|| random.number())?.key);
    dict.remove(&key);
    Some(f(Element::Bytes(&key)))
}

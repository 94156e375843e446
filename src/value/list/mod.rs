//! Lists: packed in the slot of their key while they are small, a deque of packs beyond.
//!
//! - [`Packed`] is `[count: u16 LE][entries]` in any [`Buffer`]. The owner asks [`packed_fits`] *before* an
//!   operation that adds, and moves the list to a [`Deque`] when the answer is no; the operations themselves
//!   never refuse.
//! - [`Deque`] is a queue of nodes. A node is a pack with free room in front as well as behind, so that both
//!   ends are pushed and popped without moving the rest; an element too large for a node is a node of its
//!   own, in [`Bytes`], so that it can be sent without a copy.
//! - [`List`] is either of them, borrowed for writing; [`ListRef`] is either of them for reading. What reads
//!   is written once, on [`ListRef`], over [`Walk`].
//!
//! Nodes follow `list-max-listpack-size` ([`NodeLimit`]), and the encoding that OBJECT ENCODING shows follows
//! the rules of Redis 7.2 (t_list.c): a list is a `listpack` until an operation would take it over the limit,
//! counting the raw bytes of *all* the values it adds, and it turns back when an operation leaves a single
//! node of at most half the limit. While it is a `listpack` a deque has one node at most, and that node does
//! not split.
//!
//! Nodes never stay empty. LINSERT and LSET split and merge nodes as Redis does. LREM also merges neighbours
//! that together fill half a node at most, which Redis does not do: there they stay as they are for good. A
//! list down to one node may become a `listpack`, so the last two nodes are left alone; what remains is that
//! after LREM has merged among three nodes or more, the list may turn back a few removals earlier than in
//! Redis, or later.

mod deque;
mod node;
mod packed;
#[cfg(test)]
mod tests;

pub use deque::{Deque, NodeRef};
pub use packed::{Packed, packed_fits};

use super::listpack::{self, Buffer, Element, Entries, Needle};
use bytes::Bytes;
use node::{Elements, Node};
use packed::packed_parts;
use std::{collections::vec_deque, error::Error, fmt, ops::Range};

/// A list borrowed for writing, in whichever form it is stored.
///
/// An operation that adds to a packed list is preceded by [`packed_fits`]. A list that has become empty stays
/// valid; removing its key is up to the owner.
#[derive(Debug)]
pub enum List<'a, B: Buffer> {
    /// A small list, in the slot of its key.
    Packed(Packed<B>),
    /// A large list, on the heap.
    Deque(&'a mut Deque),
}

impl<B: Buffer> List<'_, B> {
    /// The same list for reading: `get`, `slice`, `positions` and the rest live there. O(1).
    pub fn view(&self) -> ListRef<'_> {
        match self {
            Self::Packed(packed) => packed.view(),
            Self::Deque(deque) => ListRef::Deque(deque),
        }
    }

    /// The number of elements. O(1).
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether nothing is left. O(1).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts `value` in front of the first element. O(1) amortised in a deque, O(n) bytes in a packed list.
    pub fn push_front(&mut self, value: &[u8]) {
        match self {
            Self::Packed(packed) => packed.push(End::Front, value),
            Self::Deque(deque) => deque.push_front(value),
        }
    }

    /// Puts `value` behind the last element. O(1) amortised.
    pub fn push_back(&mut self, value: &[u8]) {
        match self {
            Self::Packed(packed) => packed.push(End::Back, value),
            Self::Deque(deque) => deque.push_back(value),
        }
    }

    /// Pushes the values to the front one by one, as LPUSH: the last one given ends up first.
    ///
    /// Unlike repeated pushes this decides about the encoding once, as Redis does for one command.
    pub fn extend_front<'v>(&mut self, values: impl IntoIterator<Item = &'v [u8]> + Clone) {
        match self {
            Self::Packed(packed) => packed.extend(End::Front, values),
            Self::Deque(deque) => deque.extend(End::Front, values),
        }
    }

    /// Pushes the values to the back in their order, as RPUSH; decides about the encoding once.
    pub fn extend_back<'v>(&mut self, values: impl IntoIterator<Item = &'v [u8]> + Clone) {
        match self {
            Self::Packed(packed) => packed.extend(End::Back, values),
            Self::Deque(deque) => deque.extend(End::Back, values),
        }
    }

    /// Removes the first element after giving it to `f`; `None` if there is none. Cost as
    /// [`List::push_front`].
    pub fn pop_front<R>(&mut self, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        match self {
            Self::Packed(packed) => packed.pop(End::Front, f),
            Self::Deque(deque) => deque.pop_front(f),
        }
    }

    /// Removes the last element after giving it to `f`; `None` if there is none. O(1) amortised.
    pub fn pop_back<R>(&mut self, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        match self {
            Self::Packed(packed) => packed.pop(End::Back, f),
            Self::Deque(deque) => deque.pop_back(f),
        }
    }

    /// Takes the element at one end (the front is `Before`) and puts it at the other, or back; `None` if there is
    /// none. Decides about the encoding once, as Redis does for one LMOVE within a list. Cost as a pop and a push.
    pub fn rotate(&mut self, from: Side, to: Side) -> Option<Bytes> {
        let (from, to) = (End::of(from), End::of(to));
        match self {
            Self::Packed(packed) => {
                let element = packed.pop(from, |element| element.to_shared())?;
                packed.push(to, &element);
                Some(element)
            }
            Self::Deque(deque) => deque.rotate(from, to),
        }
    }

    /// Replaces the element at `index`, which counts from the end if negative. O(nodes) + O(bytes of a node).
    ///
    /// # Errors
    /// [`OutOfRange`] if there is no such element.
    pub fn set(&mut self, index: i64, value: &[u8]) -> Result<(), OutOfRange> {
        match self {
            Self::Packed(packed) => packed.set(index, value),
            Self::Deque(deque) => deque.set(index, value),
        }
    }

    /// Inserts `value` beside the first element equal to `pivot`, and returns the new length, or `None` if
    /// there is no such element. O(n).
    pub fn insert(&mut self, pivot: &[u8], value: &[u8], side: Side) -> Option<usize> {
        match self {
            Self::Packed(packed) => packed.insert(pivot, value, side),
            Self::Deque(deque) => deque.insert(pivot, value, side),
        }
    }

    /// Removes elements equal to `value` and returns how many: the first `count` of them, the last `-count`
    /// if it is negative, all if it is zero (LREM). O(n).
    pub fn remove(&mut self, count: i64, value: &[u8]) -> usize {
        match self {
            Self::Packed(packed) => packed.remove(count, value),
            Self::Deque(deque) => deque.remove(count, value),
        }
    }

    /// Keeps only the elements from `start` to `stop`, both included, negative ones counting from the end
    /// (LTRIM). O(n) in what is removed, by nodes.
    pub fn trim(&mut self, start: i64, stop: i64) {
        match self {
            Self::Packed(packed) => packed.trim(start, stop),
            Self::Deque(deque) => deque.trim(start, stop),
        }
    }
}

/// A list borrowed for reading, in whichever form it is stored.
#[derive(Clone, Copy, Debug)]
pub enum ListRef<'a> {
    /// The bytes of a [`Packed`].
    Packed(&'a [u8]),
    /// A large list.
    Deque(&'a Deque),
}

impl<'a> ListRef<'a> {
    /// The number of elements. O(1).
    pub fn len(self) -> usize {
        match self {
            Self::Packed(bytes) => packed_parts(bytes).0,
            Self::Deque(deque) => deque.len,
        }
    }

    /// Whether there is no element. O(1).
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// What OBJECT ENCODING shows. O(1).
    pub fn encoding(self) -> ListEncoding {
        match self {
            Self::Packed(_) => ListEncoding::Listpack,
            Self::Deque(deque) => deque.encoding,
        }
    }

    /// The element at `index`, which counts from the end if negative. O(nodes) + O(elements of a node).
    pub fn get(self, index: i64) -> Option<Element<'a>> {
        let index = absolute(index, self.len())?;
        self.walk::<false>(index..index + 1).next()
    }

    /// The nodes in order, for DUMP; a packed list is one.
    pub fn nodes(self) -> impl Iterator<Item = NodeRef<'a>> {
        let (packed, deque) = match self {
            Self::Packed(bytes) => {
                let (count, entries) = packed_parts(bytes);
                (Some(NodeRef::Packed { entries, count }), None)
            }
            Self::Deque(deque) => (None, Some(deque)),
        };
        packed.into_iter().chain(deque.into_iter().flat_map(Deque::nodes))
    }

    /// All elements, first to last.
    pub fn iter(self) -> Walk<'a> {
        self.walk(0..self.len())
    }

    /// The elements from `start` to `stop` as LRANGE takes them; the iterator knows its length. O(nodes) +
    /// O(elements of a node) to begin, O(1) a step.
    pub fn slice(self, start: i64, stop: i64) -> Walk<'a> {
        self.walk(bounds(start, stop, self.len()))
    }

    /// The elements of [`ListRef::slice`], last to first.
    pub fn slice_reverse(self, start: i64, stop: i64) -> WalkReverse<'a> {
        self.walk(bounds(start, stop, self.len()))
    }

    /// Calls `f` with the elements of [`ListRef::slice`].
    pub fn range(self, start: i64, stop: i64, f: impl FnMut(Element<'a>)) {
        self.slice(start, stop).for_each(f);
    }

    /// Calls `f` with the index of every element equal to `value`, as LPOS looks for them. O(n).
    ///
    /// The search begins at match number `rank`, from the end if it is negative (zero counts as one: the
    /// command refuses it), and ends after `count` matches or `maxlen` comparisons; zero stands for no limit.
    pub fn positions(self, value: &[u8], rank: i64, count: usize, maxlen: usize, mut f: impl FnMut(usize)) {
        let (needle, len) = (Needle::new(value), self.len());
        let no_limit = |n: usize| if n == 0 { usize::MAX } else { n };
        let skip = usize::try_from(rank.unsigned_abs().max(1) - 1).unwrap_or(usize::MAX);
        let matches = |(_, element): &(usize, Element<'_>)| needle.matches(*element);
        let (maxlen, count) = (no_limit(maxlen), no_limit(count));
        if rank < 0 {
            let walk: WalkReverse<'_> = self.walk(0..len);
            walk.enumerate()
                .take(maxlen)
                .filter(matches)
                .skip(skip)
                .take(count)
                .for_each(|(i, _)| f(len - 1 - i));
        } else {
            self.iter()
                .enumerate()
                .take(maxlen)
                .filter(matches)
                .skip(skip)
                .take(count)
                .for_each(|(i, _)| f(i));
        }
    }

    /// Walks `range`, which lies inside the list, in the direction of the caller's type.
    fn walk<const REVERSE: bool>(self, range: Range<usize>) -> Walk<'a, REVERSE> {
        let mut walk = Walk { node: Node::NO_ELEMENTS, nodes: vec_deque::Iter::default(), left: range.len() };
        if range.is_empty() {
            return walk;
        }
        match self {
            Self::Packed(bytes) => {
                let (count, entries) = packed_parts(bytes);
                walk.node = Elements::Packed(part::<REVERSE>(entries, count, &range));
            }
            Self::Deque(deque) => {
                let (node, inner) = deque.locate(if REVERSE { range.end - 1 } else { range.start });
                walk.nodes = if REVERSE { deque.nodes.range(..node) } else { deque.nodes.range(node + 1..) };
                walk.node = match &deque.nodes[node] {
                    Node::Pack(pack) => {
                        Elements::Packed(part::<REVERSE>(pack.entries(), pack.len(), &(inner..inner + 1)))
                    }
                    plain => plain.elements(),
                };
            }
        }
        walk
    }
}

/// The entries from the start of `range` on, or in reverse those up to its end.
fn part<'a, const REVERSE: bool>(entries: &'a [u8], count: usize, range: &Range<usize>) -> Entries<'a> {
    Entries::new(if REVERSE {
        &entries[..listpack::seek(entries, count, range.end)]
    } else {
        &entries[listpack::seek(entries, count, range.start)..]
    })
}

/// Some consecutive elements of a list, first to last, or last to first if `REVERSE`.
#[derive(Clone, Debug)]
pub struct Walk<'a, const REVERSE: bool = false> {
    node: Elements<'a>,
    nodes: vec_deque::Iter<'a, Node>,
    left: usize,
}

/// Some consecutive elements of a list, last to first.
pub type WalkReverse<'a> = Walk<'a, true>;

impl<'a, const REVERSE: bool> Iterator for Walk<'a, REVERSE> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        self.left = self.left.checked_sub(1)?;
        loop {
            let element = if REVERSE { self.node.next_back() } else { self.node.next() };
            if element.is_some() {
                return element;
            }
            let node = if REVERSE { self.nodes.next_back() } else { self.nodes.next() };
            self.node = node?.elements();
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<const REVERSE: bool> ExactSizeIterator for Walk<'_, REVERSE> {}

/// Before or after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Nearer to the first element.
    Before,
    /// Nearer to the last element.
    After,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Front,
    Back,
}

impl End {
    fn of(side: Side) -> Self {
        match side {
            Side::Before => End::Front,
            Side::After => End::Back,
        }
    }
}

/// What OBJECT ENCODING shows for a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListEncoding {
    /// The whole list is within the limit of one node.
    Listpack,
    /// It went beyond.
    Quicklist,
}

impl ListEncoding {
    /// Redis' name of the encoding.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listpack => "listpack",
            Self::Quicklist => "quicklist",
        }
    }
}

/// There is no element at that index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange;

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("index out of range")
    }
}

impl Error for OutOfRange {}

/// `list-max-listpack-size`: how much one node holds.
///
/// -1 to -5 stand for 4, 8, 16, 32 and 64 KiB, a positive number for that many elements (and 8 KiB).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLimit(i16);

impl Default for NodeLimit {
    /// -2, as in Redis: 8 KiB.
    fn default() -> Self {
        Self(-2)
    }
}

impl NodeLimit {
    /// What a node bounded by its elements may take in bytes.
    const SAFE_BYTES: usize = 8192;

    /// The limit from the value of the setting. Zero counts as one, -6 and below as -5, 32768 and above as
    /// 32767.
    pub const fn new(list_max_listpack_size: i64) -> Self {
        match list_max_listpack_size {
            ..=-5 => Self(-5),
            0 => Self(1),
            32_767.. => Self(i16::MAX),
            n => Self(n as i16),
        }
    }

    /// The limit in bytes, counted as Redis does with header and terminator, and in elements.
    const fn of_listpack(self) -> (usize, usize) {
        if self.0 < 0 { (self.bytes(), usize::MAX) } else { (usize::MAX, self.0 as usize) }
    }

    const fn bytes(self) -> usize {
        if self.0 < 0 { 2048 << -self.0 } else { Self::SAFE_BYTES }
    }

    /// Whether entries of that many bytes and that many elements are more than a node may hold. O(1).
    pub const fn exceeded_by(self, entry_bytes: usize, count: usize) -> bool {
        entry_bytes + listpack::REDIS_OVERHEAD > self.bytes() || count > self.of_listpack().1
    }

    /// Whether they are at most half of what a listpack may hold.
    const fn half_holds(self, entry_bytes: usize, count: usize) -> bool {
        let (max_bytes, max_count) = self.of_listpack();
        entry_bytes + listpack::REDIS_OVERHEAD <= max_bytes / 2 && count <= max_count / 2
    }

    /// Whether an element of that length is a node of its own.
    const fn is_large(self, len: usize) -> bool {
        len > self.bytes()
    }
}

/// `start..=stop` of LRANGE and LTRIM, where negative indexes count from the end, as positions in a list of
/// `len`.
pub fn bounds(start: i64, stop: i64, len: usize) -> Range<usize> {
    let len = len as i64;
    let from_start = |index: i64| if index < 0 { index.saturating_add(len).max(-1) } else { index };
    let (start, stop) = (from_start(start).max(0), from_start(stop).min(len - 1));
    if start > stop { 0..0 } else { start as usize..stop as usize + 1 }
}

/// The position that `index` means in a list of `len`.
fn absolute(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 { index.checked_add_unsigned(len as u64)? } else { index };
    usize::try_from(index).ok().filter(|&index| index < len)
}

/// How many of the matching elements LREM removes, and from which end.
fn removal(count: i64) -> (usize, End) {
    let end = if count < 0 { End::Back } else { End::Front };
    let max =
        if count == 0 { usize::MAX } else { usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX) };
    (max, end)
}
/// The entry at an end: the element, its first byte, its length.
#[inline]
fn end_entry(entries: &[u8], end: End) -> Option<(Element<'_>, usize, usize)> {
    match end {
        End::Front => listpack::first(entries).map(|(element, len)| (element, 0, len)),
        End::Back => listpack::last(entries).map(|(element, len)| (element, entries.len() - len, len)),
    }
}

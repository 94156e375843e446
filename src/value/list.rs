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

use super::listpack::{self, Buffer, Element, Encoded, Entries, Needle};
use bytes::Bytes;
use std::{collections::VecDeque, collections::vec_deque, error::Error, fmt, mem, ops::Range};

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
            Self::Packed(packed) => values.into_iter().for_each(|value| packed.push(End::Front, value)),
            Self::Deque(deque) => deque.extend(End::Front, values),
        }
    }

    /// Pushes the values to the back in their order, as RPUSH; decides about the encoding once.
    pub fn extend_back<'v>(&mut self, values: impl IntoIterator<Item = &'v [u8]> + Clone) {
        match self {
            Self::Packed(packed) => values.into_iter().for_each(|value| packed.push(End::Back, value)),
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

/// A small list: `[count: u16 LE][entries]` in a buffer.
///
/// Its operations cost O(n) in its bytes, which the owner keeps few.
#[derive(Debug)]
pub struct Packed<B> {
    buffer: B,
}

const PACKED_HEADER: usize = 2;

fn packed_parts(bytes: &[u8]) -> (usize, &[u8]) {
    match bytes.split_first_chunk::<PACKED_HEADER>() {
        Some((count, entries)) => (usize::from(u16::from_le_bytes(*count)), entries),
        None => (0, &[]),
    }
}

/// Whether a packed list, given by its bytes, stays within `max_bytes` and remains a `listpack` when `values`
/// are added to it. Asked before LPUSH, RPUSH, LINSERT and LSET alike: Redis counts the value of an LSET as
/// one more. O(values).
///
/// The bytes are estimated from above: a number may turn out shorter.
pub fn packed_fits<'v>(
    bytes: &[u8],
    values: impl IntoIterator<Item = &'v [u8]>,
    limit: NodeLimit,
    max_bytes: usize,
) -> bool {
    let (mut count, entries) = packed_parts(bytes);
    let (mut raw, mut encoded) = (entries.len(), PACKED_HEADER + entries.len());
    for value in values {
        count += 1;
        raw += value.len();
        encoded += listpack::encoded_len_max(value.len());
    }
    encoded <= max_bytes && count <= usize::from(u16::MAX) && !limit.exceeded_by(raw, count)
}

impl<B: Buffer> Packed<B> {
    /// Takes the list in `buffer`; an empty buffer becomes an empty list. O(1).
    pub fn new(mut buffer: B) -> Self {
        if buffer.bytes().is_empty() {
            buffer.splice(0, 0, [&[0; PACKED_HEADER], &[], &[]]);
        }
        Self { buffer }
    }

    /// The list for reading. O(1).
    pub fn view(&self) -> ListRef<'_> {
        ListRef::Packed(self.buffer.bytes())
    }

    /// The buffer, which keeps the list. O(1).
    pub fn into_inner(self) -> B {
        self.buffer
    }

    fn parts(&self) -> (usize, &[u8]) {
        packed_parts(self.buffer.bytes())
    }

    /// Replaces `removed` bytes of the entries and sets the count.
    fn splice(&mut self, at: usize, removed: usize, parts: [&[u8]; 3], count: usize) {
        self.buffer.splice(PACKED_HEADER + at, removed, parts);
        let count = u16::try_from(count).expect("the owner checks `packed_fits` before it adds");
        self.buffer.overwrite(0, &count.to_le_bytes());
    }

    fn push(&mut self, end: End, value: &[u8]) {
        let (count, entries) = self.parts();
        let at = if end == End::Front { 0 } else { entries.len() };
        self.splice(at, 0, Encoded::new(value).parts(), count + 1);
    }

    fn pop<R>(&mut self, end: End, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let (count, entries) = self.parts();
        let (element, at, len) = end_entry(entries, end)?;
        let result = f(element);
        self.splice(at, len, [&[]; 3], count - 1);
        Some(result)
    }

    fn set(&mut self, index: i64, value: &[u8]) -> Result<(), OutOfRange> {
        let (count, entries) = self.parts();
        let at = listpack::seek(entries, count, absolute(index, count).ok_or(OutOfRange)?);
        let removed = listpack::first_len(&entries[at..]).ok_or(OutOfRange)?;
        self.buffer.splice(PACKED_HEADER + at, removed, Encoded::new(value).parts());
        Ok(())
    }

    fn insert(&mut self, pivot: &[u8], value: &[u8], side: Side) -> Option<usize> {
        let (count, entries) = self.parts();
        let (at, len) = listpack::find(entries, Needle::new(pivot))?;
        let at = if side == Side::Before { at } else { at + len };
        self.splice(at, 0, Encoded::new(value).parts(), count + 1);
        Some(count + 1)
    }

    fn remove(&mut self, count: i64, value: &[u8]) -> usize {
        let (needle, (max, end)) = (Needle::new(value), removal(count));
        let (before, entries) = self.parts();
        let mut removed = 0;
        // The part of the entries not yet looked at.
        let (mut low, mut high) = (0, entries.len());
        while removed < max {
            let Some((element, at, len)) = end_entry(&self.parts().1[low..high], end) else { break };
            let (matches, at) = (needle.matches(element), low + at);
            if matches {
                removed += 1;
                self.splice(at, len, [&[]; 3], before - removed);
            }
            match end {
                End::Front if matches => high -= len,
                End::Front => low += len,
                End::Back => high -= len,
            }
        }
        removed
    }

    fn trim(&mut self, start: i64, stop: i64) {
        let (count, entries) = self.parts();
        let keep = bounds(start, stop, count);
        let (from, to) =
            (listpack::seek(entries, count, keep.start), listpack::seek(entries, count, keep.end));
        let behind = entries.len() - to;
        self.splice(to, behind, [&[]; 3], keep.end);
        self.splice(0, from, [&[]; 3], keep.len());
    }
}

/// The entry at an end: the element, its first byte, its length.
#[inline]
fn end_entry(entries: &[u8], end: End) -> Option<(Element<'_>, usize, usize)> {
    match end {
        End::Front => listpack::first(entries).map(|(element, len)| (element, 0, len)),
        End::Back => listpack::last(entries).map(|(element, len)| (element, entries.len() - len, len)),
    }
}

/// A large list: nodes of packs, and elements too large for one.
#[derive(Clone, Debug)]
pub struct Deque {
    nodes: VecDeque<Node>,
    /// Elements in all nodes.
    len: usize,
    /// Bytes allocated by the nodes, kept current by whatever changes one.
    node_bytes: usize,
    limit: NodeLimit,
    encoding: ListEncoding,
}

/// A node as it is saved.
#[derive(Clone, Copy, Debug)]
pub enum NodeRef<'a> {
    /// Several elements.
    Packed {
        /// Their entries, a valid pack.
        entries: &'a [u8],
        /// How many there are.
        count: usize,
    },
    /// A single large one.
    Plain(&'a Bytes),
}

impl Deque {
    /// An empty list. Allocates nothing.
    pub const fn new(limit: NodeLimit) -> Self {
        Self { nodes: VecDeque::new(), len: 0, node_bytes: 0, limit, encoding: ListEncoding::Listpack }
    }

    /// The list that the bytes of a [`Packed`] hold, as one node. O(n) bytes.
    pub fn from_packed(bytes: &[u8], limit: NodeLimit) -> Self {
        let (count, entries) = packed_parts(bytes);
        let mut deque = Self::new(limit);
        deque.append_packed(entries, count);
        deque
    }

    /// The bytes of a [`Packed`] with the same elements, if this is a `listpack`, or empty. O(n) bytes.
    ///
    /// [`Deque::packed_len`] tells beforehand whether it pays.
    pub fn to_packed(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.packed_len()?);
        bytes.extend_from_slice(&u16::try_from(self.len).ok()?.to_le_bytes());
        if let Some(Node::Pack(pack)) = self.nodes.front() {
            bytes.extend_from_slice(pack.entries());
        }
        Some(bytes)
    }

    /// How many bytes [`Deque::to_packed`] would take; `None` if it would refuse. O(1).
    pub fn packed_len(&self) -> Option<usize> {
        match self.nodes.front() {
            _ if self.encoding != ListEncoding::Listpack || self.len > usize::from(u16::MAX) => None,
            Some(Node::Pack(pack)) => Some(PACKED_HEADER + pack.entries().len()),
            Some(Node::Plain(_)) => None,
            None => Some(PACKED_HEADER),
        }
    }

    /// The list for reading. O(1).
    pub fn view(&self) -> ListRef<'_> {
        ListRef::Deque(self)
    }

    /// The number of elements. O(1).
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no element. O(1).
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What OBJECT ENCODING shows. O(1).
    pub fn encoding(&self) -> ListEncoding {
        self.encoding
    }

    /// Bytes allocated on the heap, free room in nodes included; shared large elements count in full. O(1).
    pub fn heap_bytes(&self) -> usize {
        self.node_bytes + self.nodes.capacity() * size_of::<Node>()
    }

    /// Changes the limit for what is added from now on (CONFIG SET). O(1).
    pub fn set_limit(&mut self, limit: NodeLimit) {
        self.limit = limit;
    }

    /// The nodes in order, for a snapshot or DUMP.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = NodeRef<'_>> {
        self.nodes.iter().map(|node| match node {
            Node::Pack(pack) => NodeRef::Packed { entries: pack.entries(), count: pack.len() },
            Node::Plain(bytes) => NodeRef::Plain(bytes),
        })
    }

    /// Appends `count` elements in valid `entries` as a node, as they were saved; nothing if `count` is zero.
    /// Finish with [`Deque::settle`]. O(n) bytes.
    pub fn append_packed(&mut self, entries: &[u8], count: usize) {
        if count > 0 {
            self.insert_node(self.nodes.len(), Node::Pack(Pack::from_entries(entries, count)));
            self.len += count;
        }
    }

    /// Appends a large element as a node, as it was saved. Finish with [`Deque::settle`]. O(1).
    pub fn append_plain(&mut self, element: Bytes) {
        self.insert_node(self.nodes.len(), Node::Plain(element));
        self.len += 1;
    }

    /// Decides the encoding of a list that was put together by the two methods above, as Redis does after
    /// loading. O(1).
    pub fn settle(&mut self) {
        self.encoding = match (self.nodes.len(), self.nodes.front()) {
            (0, _) => ListEncoding::Listpack,
            (1, Some(Node::Pack(pack))) => {
                let (max_bytes, max_count) = self.limit.of_listpack();
                let bytes = pack.entries().len() + listpack::REDIS_OVERHEAD;
                if bytes <= max_bytes && pack.len() <= max_count {
                    ListEncoding::Listpack
                } else {
                    ListEncoding::Quicklist
                }
            }
            _ => ListEncoding::Quicklist,
        };
    }

    /// Puts `value` in front of the first element. O(1) amortised.
    pub fn push_front(&mut self, value: &[u8]) {
        self.before_growth(value.len(), 1);
        self.push(End::Front, value);
    }

    /// Puts `value` behind the last element. O(1) amortised.
    pub fn push_back(&mut self, value: &[u8]) {
        self.before_growth(value.len(), 1);
        self.push(End::Back, value);
    }

    /// Removes the first element after giving it to `f`; `None` if there is none. O(1) amortised.
    pub fn pop_front<R>(&mut self, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        self.pop(End::Front, f)
    }

    /// Removes the last element after giving it to `f`; `None` if there is none. O(1) amortised.
    pub fn pop_back<R>(&mut self, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        self.pop(End::Back, f)
    }

    fn extend<'v>(&mut self, end: End, values: impl IntoIterator<Item = &'v [u8]> + Clone) {
        let (bytes, count) =
            values.clone().into_iter().fold((0, 0), |(b, n), value| (b + value.len(), n + 1));
        self.before_growth(bytes, count);
        values.into_iter().for_each(|value| self.push(end, value));
    }

    /// Gives up being a `listpack` if that many raw bytes and elements more are too much for one.
    #[inline]
    fn before_growth(&mut self, bytes: usize, count: usize) {
        if self.encoding == ListEncoding::Listpack {
            let held = match self.nodes.front() {
                Some(Node::Pack(pack)) => pack.entries().len(),
                _ => 0,
            };
            if self.limit.exceeded_by(held + bytes, self.len + count) {
                self.encoding = ListEncoding::Quicklist;
            }
        }
    }

    /// Turns back into a `listpack` if a single small node is left, and gives memory back.
    #[inline]
    fn after_removal(&mut self) {
        if self.nodes.capacity() > 64 && self.nodes.len() < self.nodes.capacity() / 4 {
            self.nodes.shrink_to(self.nodes.len() * 2);
        }
        if self.encoding == ListEncoding::Quicklist && self.nodes.len() <= 1 {
            let small = match self.nodes.front() {
                Some(Node::Pack(pack)) => self.limit.half_holds(pack.entries().len(), pack.len()),
                Some(Node::Plain(_)) => false,
                None => true,
            };
            if small {
                self.encoding = ListEncoding::Listpack;
            }
        }
    }

    /// Whether `value` is to be a node of its own.
    fn is_large(&self, value: &[u8]) -> bool {
        self.encoding == ListEncoding::Quicklist && self.limit.is_large(value.len())
    }

    /// Whether node `node` exists and takes one more value of `len` bytes.
    #[inline]
    fn takes(&self, node: Option<usize>, len: usize) -> bool {
        // Redis' SIZE_ESTIMATE_OVERHEAD: what an entry adds to its data, from above.
        const ENTRY_OVERHEAD: usize = 8;
        match node.and_then(|node| self.nodes.get(node)) {
            Some(Node::Pack(pack)) => {
                self.encoding == ListEncoding::Listpack
                    || !self.limit.exceeded_by(pack.entries().len() + len + ENTRY_OVERHEAD, pack.len() + 1)
            }
            _ => false,
        }
    }

    fn end_node(&self, end: End) -> Option<usize> {
        match end {
            End::Front => (!self.nodes.is_empty()).then_some(0),
            End::Back => self.nodes.len().checked_sub(1),
        }
    }

    #[inline]
    fn push(&mut self, end: End, value: &[u8]) {
        let node = self.end_node(end);
        self.len += 1;
        if !self.is_large(value) && self.takes(node, value.len()) {
            self.edit(node, |pack, capacity| pack.push(end, &Encoded::new(value), capacity));
        } else {
            let at = if end == End::Front { 0 } else { self.nodes.len() };
            self.insert_node(at, self.single(value, end));
        }
    }

    /// A node of one element, made to grow towards `end` as the full one beside it did.
    fn single(&self, value: &[u8], end: End) -> Node {
        if self.is_large(value) {
            return Node::Plain(Bytes::copy_from_slice(value));
        }
        let encoded = Encoded::new(value);
        let fullest = self.limit.of_listpack().1.saturating_mul(encoded.entry_len());
        let room = if self.nodes.is_empty() { 0 } else { fullest.min(self.limit.bytes() / 8) };
        let mut pack = Pack::with_capacity(encoded.entry_len().max(room), end);
        pack.push(end, &encoded, self.limit.bytes());
        Node::Pack(pack)
    }

    #[inline]
    fn pop<R>(&mut self, end: End, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let result = self.take(end, f)?;
        self.after_removal();
        Some(result)
    }

    fn rotate(&mut self, from: End, to: End) -> Option<Bytes> {
        let element = self.take(from, |element| element.to_shared())?;
        self.before_growth(element.len(), 1);
        self.push(to, &element);
        self.after_removal();
        Some(element)
    }

    /// Removes an element without deciding about the encoding.
    #[inline]
    fn take<R>(&mut self, end: End, f: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let node = self.end_node(end)?;
        let result = match &self.nodes[node] {
            Node::Plain(bytes) => {
                let result = f(Element::Shared(bytes));
                self.remove_node(node);
                result
            }
            Node::Pack(pack) => {
                let (element, at, len) = end_entry(pack.entries(), end)?;
                let result = f(element);
                if pack.len() == 1 {
                    self.remove_node(node);
                } else {
                    self.edit(Some(node), |pack, _| pack.cut(at, len, 1));
                }
                result
            }
        };
        self.len -= 1;
        Some(result)
    }

    /// Replaces the element at `index`, which counts from the end if negative. O(nodes) + O(bytes of a node).
    ///
    /// # Errors
    /// [`OutOfRange`] if there is no such element.
    pub fn set(&mut self, index: i64, value: &[u8]) -> Result<(), OutOfRange> {
        self.before_growth(value.len(), 1);
        let (node, inner) = self.locate(absolute(index, self.len).ok_or(OutOfRange)?);
        match &self.nodes[node] {
            Node::Pack(_) if !self.is_large(value) => {
                self.edit(Some(node), |pack, capacity| pack.replace(inner, &Encoded::new(value), capacity));
                self.split_oversized(node);
            }
            _ => {
                self.remove_at(node, inner);
                self.insert_at(node, inner, value, Side::After);
            }
        }
        self.after_removal();
        Ok(())
    }

    /// Inserts `value` beside the first element equal to `pivot`, and returns the new length, or `None` if
    /// there is no such element. O(n).
    pub fn insert(&mut self, pivot: &[u8], value: &[u8], side: Side) -> Option<usize> {
        self.before_growth(value.len(), 1);
        let needle = Needle::new(pivot);
        let (node, inner) = self.nodes.iter().enumerate().find_map(|(node, elements)| {
            elements.elements().position(|element| needle.matches(element)).map(|inner| (node, inner))
        })?;
        self.insert_at(node, inner + usize::from(side == Side::After), value, side);
        Some(self.len)
    }

    /// Removes elements equal to `value` and returns how many: the first `count` of them, the last `-count`
    /// if it is negative, all if it is zero (LREM). O(n).
    pub fn remove(&mut self, count: i64, value: &[u8]) -> usize {
        let (needle, (max, end)) = (Needle::new(value), removal(count));
        let mut removed = 0;
        for i in 0..self.nodes.len() {
            let node = if end == End::Front { i } else { self.nodes.len() - 1 - i };
            removed += self.nodes[node].remove(needle, max - removed, end);
            if removed == max {
                break;
            }
        }
        if removed > 0 {
            self.len -= removed;
            self.compact();
            self.after_removal();
        }
        removed
    }

    /// Keeps only the elements from `start` to `stop`, both included, negative ones counting from the end
    /// (LTRIM). O(nodes removed) + O(bytes of a node).
    pub fn trim(&mut self, start: i64, stop: i64) {
        let keep = bounds(start, stop, self.len);
        self.drop_end(End::Back, self.len - keep.end);
        self.drop_end(End::Front, keep.start);
        self.after_removal();
    }

    fn drop_end(&mut self, end: End, mut count: usize) {
        while count > 0 {
            let Some(node) = self.end_node(end) else { break };
            let held = self.nodes[node].len();
            if held <= count {
                self.remove_node(node);
            } else {
                self.edit(Some(node), |pack, _| pack.drop_end(end, count));
            }
            self.len -= held.min(count);
            count -= held.min(count);
        }
    }

    /// The node of element number `index`, which exists, and its number in there, walking from the nearer
    /// end.
    fn locate(&self, index: usize) -> (usize, usize) {
        if index < self.len / 2 {
            let mut inner = index;
            for (node, elements) in self.nodes.iter().enumerate() {
                match inner.checked_sub(elements.len()) {
                    Some(rest) => inner = rest,
                    None => return (node, inner),
                }
            }
        } else {
            let mut behind = self.len - index;
            for (node, elements) in self.nodes.iter().enumerate().rev() {
                match elements.len().checked_sub(behind) {
                    Some(inner) => return (node, inner),
                    None => behind -= elements.len(),
                }
            }
        }
        unreachable!("`len` is the sum of the nodes' lengths, and the index is below it")
    }

    /// Inserts in front of element `inner` of node `node`, or behind its last one if there is no such
    /// element. The node may be the one behind the last. Where a full node has to be split, `side` says to
    /// which part the value goes, as in Redis: `Before` to the end of the first, `After` to the start of the
    /// second.
    fn insert_at(&mut self, node: usize, inner: usize, value: &[u8], side: Side) {
        self.len += 1;
        let count = self.nodes.get(node).map_or(0, Node::len);
        let large = self.is_large(value);
        let (at_start, at_end) = (inner == 0, inner == count);
        if !large {
            let target = if self.takes(Some(node), value.len()) {
                Some((node, inner))
            } else if at_start && self.takes(node.checked_sub(1), value.len()) {
                Some((node - 1, self.nodes[node - 1].len()))
            } else if at_end && self.takes(Some(node + 1), value.len()) {
                Some((node + 1, 0))
            } else {
                None
            };
            if let Some((node, inner)) = target {
                return self.edit(Some(node), |pack, capacity| {
                    pack.insert(inner, &Encoded::new(value), capacity);
                });
            }
        }
        if at_start || at_end {
            let at = if at_start { node } else { node + 1 };
            let single = self.single(value, End::Back);
            return self.insert_node(at, single);
        }
        self.split(node, inner);
        let (part, end, center) = match side {
            Side::Before => (node, End::Back, node + 1),
            Side::After => (node + 1, End::Front, node),
        };
        if !large && self.takes(Some(part), value.len()) {
            self.edit(Some(part), |pack, capacity| pack.push(end, &Encoded::new(value), capacity));
            self.merge_around(center);
        } else {
            let single = self.single(value, End::Back);
            self.insert_node(node + 1, single);
            self.merge_around(node + 1);
        }
    }

    fn remove_at(&mut self, node: usize, inner: usize) {
        self.len -= 1;
        if self.nodes[node].len() == 1 {
            self.remove_node(node);
        } else {
            self.edit(Some(node), |pack, _| pack.remove_at(inner));
        }
    }

    /// Moves the elements from `inner` on into a node of their own.
    fn split(&mut self, node: usize, inner: usize) {
        let mut right = None;
        self.edit(Some(node), |pack, _| right = Some(pack.split_off(inner)));
        if let Some(right) = right {
            self.insert_node(node + 1, Node::Pack(right));
        }
    }

    /// Halves a node that replacements have made twice as large as a node should be.
    fn split_oversized(&mut self, node: usize) {
        if let Node::Pack(pack) = &self.nodes[node]
            && self.encoding == ListEncoding::Quicklist
            && pack.len() > 1
            && pack.entries().len() > 2 * self.limit.bytes()
        {
            let half = pack.len() / 2;
            self.split(node, half);
        }
    }

    /// Merges what fits into one node around node `center`, of which a part was split off, in Redis' order:
    /// the two before it, the two behind it, then itself with either side.
    fn merge_around(&mut self, center: usize) {
        let center = center - usize::from(center >= 2 && self.merge(center - 2));
        self.merge(center + 1);
        let center = center - usize::from(center >= 1 && self.merge(center - 1));
        self.merge(center);
    }

    /// Merges node `left` and the one behind it, if both are packs and fit into one.
    fn merge(&mut self, left: usize) -> bool {
        if let (Some(Node::Pack(a)), Some(Node::Pack(b))) = (self.nodes.get(left), self.nodes.get(left + 1))
            && !self.limit.exceeded_by(a.entries().len() + b.entries().len(), a.len() + b.len())
            && let Some(Node::Pack(right)) = self.remove_node(left + 1)
        {
            self.edit(Some(left), |pack, capacity| pack.append(&right, capacity));
            return true;
        }
        false
    }

    /// Drops the nodes that have become empty, merges neighbours that have become small, and counts bytes
    /// anew. O(nodes).
    fn compact(&mut self) {
        self.nodes.retain(|node| node.len() > 0);
        let mut left = self.nodes.len();
        let mut nodes: VecDeque<Node> = VecDeque::with_capacity(left);
        for node in mem::take(&mut self.nodes) {
            if left > 2
                && let (Some(Node::Pack(a)), Node::Pack(b)) = (nodes.back_mut(), &node)
                && !self
                    .limit
                    .exceeded_by(2 * (a.entries().len() + b.entries().len()), 2 * (a.len() + b.len()))
            {
                a.append(b, self.limit.bytes());
                left -= 1;
            } else {
                nodes.push_back(node);
            }
        }
        self.nodes = nodes;
        self.node_bytes = self.nodes.iter().map(Node::heap_bytes).sum();
    }

    /// Changes a pack and keeps count of its bytes. The second argument of `f` is how large a node should
    /// get.
    #[inline]
    fn edit(&mut self, node: Option<usize>, f: impl FnOnce(&mut Pack, usize)) {
        if let Some(Node::Pack(pack)) = node.and_then(|node| self.nodes.get_mut(node)) {
            let before = pack.buf.capacity();
            f(pack, self.limit.bytes());
            self.node_bytes = self.node_bytes - before + pack.buf.capacity();
        }
    }

    fn insert_node(&mut self, at: usize, node: Node) {
        if self.nodes.capacity() == 0 {
            self.nodes.reserve_exact(1);
        }
        self.node_bytes += node.heap_bytes();
        self.nodes.insert(at, node);
    }

    fn remove_node(&mut self, at: usize) -> Option<Node> {
        let node = self.nodes.remove(at)?;
        self.node_bytes -= node.heap_bytes();
        Some(node)
    }
}

#[derive(Clone, Debug)]
enum Node {
    Pack(Pack),
    Plain(Bytes),
}

impl Node {
    const NO_ELEMENTS: Elements<'static> = Elements::Plain(None);

    fn len(&self) -> usize {
        match self {
            Self::Pack(pack) => pack.len(),
            Self::Plain(_) => 1,
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Pack(pack) => pack.buf.capacity(),
            Self::Plain(bytes) => bytes.len(),
        }
    }

    fn elements(&self) -> Elements<'_> {
        match self {
            Self::Pack(pack) => Elements::Packed(Entries::new(pack.entries())),
            Self::Plain(bytes) => Elements::Plain(Some(bytes)),
        }
    }

    /// Removes up to `max` matches, those nearest to `end`. A large element that matches leaves an empty
    /// pack.
    fn remove(&mut self, needle: Needle<'_>, max: usize, end: End) -> usize {
        match self {
            Self::Pack(pack) => pack.remove(needle, max, end),
            Self::Plain(bytes) if max > 0 && needle.matches(Element::Shared(bytes)) => {
                *self = Self::Pack(Pack::with_capacity(0, End::Back));
                1
            }
            Self::Plain(_) => 0,
        }
    }
}

/// The elements of a node.
#[derive(Clone, Copy, Debug)]
enum Elements<'a> {
    Packed(Entries<'a>),
    Plain(Option<&'a Bytes>),
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match self {
            Self::Packed(entries) => entries.next(),
            Self::Plain(bytes) => bytes.take().map(Element::Shared),
        }
    }
}

impl DoubleEndedIterator for Elements<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match self {
            Self::Packed(entries) => entries.next_back(),
            Self::Plain(bytes) => bytes.take().map(Element::Shared),
        }
    }
}

/// A pack with free room on both sides: `buf[head..]` are its entries.
///
/// Whichever side of a change is shorter moves. A side that has run out of room first gets half of what the
/// other has to spare, if that is a good part of the whole; otherwise the buffer grows by half, not beyond
/// what a node should have unless it must. Either way the bytes moved are paid for by the pushes that follow.
#[derive(Clone, Debug)]
struct Pack {
    buf: Vec<u8>,
    /// u32 as a listpack's own length: no pack reaches 4 GiB.
    head: u32,
    count: u32,
}

impl Pack {
    /// An empty pack whose room is all at `end`.
    fn with_capacity(capacity: usize, end: End) -> Self {
        let mut buf = Vec::with_capacity(capacity);
        if end == End::Front {
            buf.resize(capacity, 0);
        }
        Self { head: buf.len() as u32, buf, count: 0 }
    }

    fn from_entries(entries: &[u8], count: usize) -> Self {
        Self { buf: entries.to_vec(), head: 0, count: count as u32 }
    }

    #[inline]
    fn head(&self) -> usize {
        self.head as usize
    }

    #[inline]
    fn entries(&self) -> &[u8] {
        &self.buf[self.head()..]
    }

    #[inline]
    fn len(&self) -> usize {
        self.count as usize
    }

    #[inline]
    fn push(&mut self, end: End, encoded: &Encoded<'_>, capacity: usize) {
        self.count += 1;
        let (len, parts) = (encoded.entry_len(), encoded.parts());
        match end {
            End::Front => {
                if self.head() < len {
                    self.make_room(End::Front, len, capacity);
                }
                self.head -= len as u32;
                let head = self.head();
                listpack::copy_parts(&mut self.buf, head, parts);
            }
            End::Back => {
                if self.buf.capacity() - self.buf.len() < len {
                    self.make_room(End::Back, len, capacity);
                }
                for part in parts {
                    // The usual length of a header and a backlen; not worth a call to memcpy.
                    if let &[byte] = part {
                        self.buf.push(byte);
                    } else {
                        self.buf.extend_from_slice(part);
                    }
                }
            }
        }
    }

    fn insert(&mut self, inner: usize, encoded: &Encoded<'_>, capacity: usize) {
        let at = listpack::seek(self.entries(), self.len(), inner);
        self.count += 1;
        self.splice(at, 0, encoded.parts(), capacity);
    }

    fn replace(&mut self, inner: usize, encoded: &Encoded<'_>, capacity: usize) {
        let at = listpack::seek(self.entries(), self.len(), inner);
        let removed = listpack::first_len(&self.entries()[at..]).unwrap_or(0);
        self.splice(at, removed, encoded.parts(), capacity);
        self.shrink();
    }

    fn remove_at(&mut self, inner: usize) {
        let at = listpack::seek(self.entries(), self.len(), inner);
        let removed = listpack::first_len(&self.entries()[at..]).unwrap_or(0);
        self.cut(at, removed, 1);
    }

    /// Takes out `removed` bytes, which are `count` entries.
    #[inline]
    fn cut(&mut self, at: usize, removed: usize, count: usize) {
        self.count -= count as u32;
        let (head, len) = (self.head(), self.buf.len());
        let behind = len - head - at - removed;
        if at < behind {
            self.buf.copy_within(head..head + at, head + removed);
            self.head += removed as u32;
        } else {
            if behind > 0 {
                self.buf.copy_within(len - behind.., head + at);
            }
            self.buf.truncate(len - removed);
        }
        self.shrink();
    }

    fn drop_end(&mut self, end: End, count: usize) {
        let (len, held) = (self.entries().len(), self.len());
        match end {
            End::Front => self.cut(0, listpack::seek(self.entries(), held, count), count),
            End::Back => {
                let at = listpack::seek(self.entries(), held, held - count);
                self.cut(at, len - at, count);
            }
        }
    }

    fn split_off(&mut self, inner: usize) -> Self {
        let (at, count) = (listpack::seek(self.entries(), self.len(), inner), self.len() - inner);
        let right = Self::from_entries(&self.entries()[at..], count);
        self.drop_end(End::Back, count);
        right
    }

    fn append(&mut self, right: &Self, capacity: usize) {
        self.count += right.count;
        let at = self.entries().len();
        self.splice(at, 0, [right.entries(), &[], &[]], capacity);
    }

    /// Removes up to `max` matches, those nearest to `end`, moving every entry that stays once at most.
    fn remove(&mut self, needle: Needle<'_>, max: usize, end: End) -> usize {
        let matches = Entries::new(self.entries()).filter(|element| needle.matches(*element));
        let total = if end == End::Back || max == 0 { matches.count() } else { matches.take(max).count() };
        let (mut skip, mut left) =
            (if end == End::Back { total.saturating_sub(max) } else { 0 }, total.min(max));
        let removed = left;
        if removed == 0 {
            return 0;
        }
        let (mut read, mut write) = (self.head(), self.head());
        while left > 0 {
            let Some((element, len)) = listpack::first(&self.buf[read..]) else { break };
            if !needle.matches(element) {
                self.buf.copy_within(read..read + len, write);
                write += len;
            } else if skip > 0 {
                skip -= 1;
                self.buf.copy_within(read..read + len, write);
                write += len;
            } else {
                left -= 1;
            }
            read += len;
        }
        self.buf.copy_within(read.., write);
        self.buf.truncate(self.buf.len() - (read - write));
        self.count -= removed as u32;
        self.shrink();
        removed
    }

    /// Replaces `removed` bytes of the entries at `at`, moving the shorter side.
    fn splice(&mut self, at: usize, removed: usize, parts: [&[u8]; 3], capacity: usize) {
        let added: usize = parts.iter().map(|part| part.len()).sum();
        let behind = self.entries().len() - at - removed;
        let end = if at < behind { End::Front } else { End::Back };
        let grown = added.saturating_sub(removed);
        let room = if end == End::Front { self.head() } else { self.buf.capacity() - self.buf.len() };
        if room < grown {
            self.make_room(end, grown, capacity);
        }
        let head = self.head();
        match end {
            End::Front => {
                let new_head = head + removed - added;
                self.buf.copy_within(head..head + at, new_head);
                self.head = new_head as u32;
            }
            End::Back => {
                let len = self.buf.len();
                self.buf.resize(len + grown, 0);
                self.buf.copy_within(head + at + removed..len, head + at + added);
                self.buf.truncate(head + at + added + behind);
            }
        }
        let at = self.head() + at;
        listpack::copy_parts(&mut self.buf, at, parts);
    }

    /// Makes at least `room` bytes of room at `end`; `capacity` is how large a node should get.
    #[cold]
    fn make_room(&mut self, end: End, room: usize, capacity: usize) {
        let live = self.entries().len();
        let spare = self.buf.capacity() - live;
        let wanted = (live + room)
            .saturating_add((live + room) / 2)
            .min(capacity)
            .max(live + room)
            .next_multiple_of(16);
        if spare < room || (spare < live / 4 && self.buf.capacity() < wanted) {
            // Growing: the side that asks gets all the room there is.
            let wanted = wanted.max(self.buf.capacity());
            match end {
                End::Front => {
                    let mut grown = Vec::with_capacity(wanted);
                    grown.resize(wanted - live, 0);
                    grown.extend_from_slice(self.entries());
                    self.head = (wanted - live) as u32;
                    self.buf = grown;
                }
                End::Back => {
                    self.move_to(0);
                    self.buf.reserve_exact(wanted - live);
                }
            }
        } else {
            // Sharing: what is to spare beyond `room` is halved, so that pushes at both ends do not fight.
            let head = match end {
                End::Front => room + (spare - room) / 2,
                End::Back => (spare - room) / 2,
            };
            self.move_to(head);
        }
    }

    /// Moves the entries inside the buffer, which has the room.
    fn move_to(&mut self, head: usize) {
        let (old, live) = (self.head(), self.entries().len());
        if head > old {
            self.buf.resize(head + live, 0);
        }
        self.buf.copy_within(old..old + live, head);
        self.buf.truncate(head + live);
        self.head = head as u32;
    }

    /// Gives memory back when three quarters are unused.
    #[inline]
    fn shrink(&mut self) {
        const WORTH_IT: usize = 256;
        let live = self.entries().len();
        if self.buf.capacity() > WORTH_IT && live < self.buf.capacity() / 4 {
            let mut shrunk = Vec::with_capacity((live + live / 2).next_multiple_of(16));
            shrunk.extend_from_slice(self.entries());
            self.buf = shrunk;
            self.head = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::{Arbitrary, Gen, QuickCheck};

    #[derive(Clone, Debug)]
    enum Op {
        Push(bool, Vec<u8>),
        Extend(bool, Vec<Vec<u8>>),
        Pop(bool),
        Set(i64, Vec<u8>),
        Insert(Vec<u8>, Vec<u8>, bool),
        Remove(i64, Vec<u8>),
        Trim(i64, i64),
    }

    /// Few different values, so that searches hit, and lengths around every border.
    fn value(g: &mut Gen) -> Vec<u8> {
        let len = *g.choose(&[0, 1, 3, 8, 62, 63, 64, 65, 500, 1500, 4095, 4097, 8192, 9000]).unwrap_or(&0);
        match u8::arbitrary(g) % 12 {
            0..=4 => format!("v{}", u8::arbitrary(g) % 4).into_bytes(),
            5..=7 => (i64::arbitrary(g) >> (u8::arbitrary(g) % 64)).to_string().into_bytes(),
            8..=10 => vec![b'x'; len.min(65)],
            _ => vec![b'z'; len],
        }
    }

    impl Arbitrary for Op {
        fn arbitrary(g: &mut Gen) -> Self {
            let front = bool::arbitrary(g);
            let index = |g: &mut Gen| i64::from(i16::arbitrary(g) % 40);
            match u8::arbitrary(g) % 20 {
                0..=5 => Self::Push(front, value(g)),
                6..=8 => Self::Extend(front, (0..u8::arbitrary(g) % 30).map(|_| value(g)).collect()),
                9..=11 => Self::Pop(front),
                12..=13 => Self::Set(index(g), value(g)),
                14..=16 => Self::Insert(value(g), value(g), front),
                17..=18 => Self::Remove(index(g) % 4, value(g)),
                _ => match bool::arbitrary(g) {
                    true => Self::Trim(index(g), index(g)),
                    false => Self::Trim(index(g) % 3, -1 - (index(g) % 3).abs()),
                },
            }
        }
    }

    type Model = VecDeque<Vec<u8>>;

    fn apply_to_model(model: &mut Model, op: &Op) -> Option<usize> {
        let position = |index: i64, model: &Model| {
            let index = if index < 0 { index + model.len() as i64 } else { index };
            (0..model.len() as i64).contains(&index).then_some(index as usize)
        };
        match op {
            Op::Push(true, value) => model.push_front(value.clone()),
            Op::Push(false, value) => model.push_back(value.clone()),
            Op::Extend(true, values) => values.iter().for_each(|value| model.push_front(value.clone())),
            Op::Extend(false, values) => model.extend(values.iter().cloned()),
            Op::Pop(true) => return model.pop_front().map(|value| value.len()),
            Op::Pop(false) => return model.pop_back().map(|value| value.len()),
            Op::Set(index, value) => {
                let index = position(*index, model)?;
                model[index] = value.clone();
                return Some(0);
            }
            Op::Insert(pivot, value, before) => {
                let at = model.iter().position(|element| element == pivot)?;
                model.insert(at + usize::from(!before), value.clone());
                return Some(model.len());
            }
            Op::Remove(count, value) => {
                let mut hits: Vec<usize> = (0..model.len()).filter(|&i| model[i] == *value).collect();
                if *count < 0 {
                    hits.reverse();
                }
                if *count != 0 {
                    hits.truncate(count.unsigned_abs() as usize);
                }
                let mut i = 0;
                model.retain(|_| {
                    i += 1;
                    !hits.contains(&(i - 1))
                });
                return Some(hits.len());
            }
            Op::Trim(start, stop) => {
                let n = model.len() as i64;
                let (start, stop) =
                    (if *start < 0 { start + n } else { *start }, if *stop < 0 { stop + n } else { *stop });
                let mut i = -1;
                model.retain(|_| {
                    i += 1;
                    i >= start && i <= stop
                });
            }
        }
        None
    }

    fn apply<B: Buffer>(list: &mut List<'_, B>, op: &Op) -> Option<usize> {
        match op {
            Op::Push(true, value) => list.push_front(value),
            Op::Push(false, value) => list.push_back(value),
            Op::Extend(true, values) => list.extend_front(values.iter().map(|value| &value[..])),
            Op::Extend(false, values) => list.extend_back(values.iter().map(|value| &value[..])),
            Op::Pop(true) => return list.pop_front(|element| element.len()),
            Op::Pop(false) => return list.pop_back(|element| element.len()),
            Op::Set(index, value) => return list.set(*index, value).ok().map(|()| 0),
            Op::Insert(pivot, value, before) => {
                return list.insert(pivot, value, if *before { Side::Before } else { Side::After });
            }
            Op::Remove(count, value) => return Some(list.remove(*count, value)),
            Op::Trim(start, stop) => list.trim(*start, *stop),
        }
        None
    }

    fn assert_same(list: ListRef<'_>, model: &Model) {
        assert_eq!(list.len(), model.len());
        assert!(list.iter().map(|element| element.to_vec()).eq(model.iter().cloned()), "forward");
        let reverse = list.slice_reverse(0, -1);
        assert!(reverse.map(|element| element.to_vec()).eq(model.iter().rev().cloned()), "backward");
        let len = model.len() as i64;
        for index in [0, 1, len / 2, len - 1, len, -1, -len, -len - 1] {
            let expected = if index < 0 { index + len } else { index };
            let expected = usize::try_from(expected).ok().and_then(|index| model.get(index));
            assert_eq!(list.get(index).map(|element| element.to_vec()).as_ref(), expected, "index {index}");
        }
        let (low, high) = (len / 3, len * 2 / 3);
        let expected: Vec<_> = model.range(low as usize..(high + 1).min(len) as usize).cloned().collect();
        assert!(list.slice(low, high).map(|element| element.to_vec()).eq(expected.iter().cloned()));
        assert_eq!(list.slice(low, high).len(), expected.len());
        assert!(
            list.slice_reverse(low, high).map(|element| element.to_vec()).eq(expected.iter().rev().cloned())
        );
        if let Some(value) = model.get(model.len() / 2) {
            assert_positions(list, model, value);
        }
    }

    fn assert_positions(list: ListRef<'_>, model: &Model, value: &[u8]) {
        let all: Vec<usize> = (0..model.len()).filter(|&i| model[i] == value).collect();
        for (rank, count, maxlen) in
            [(1, 0, 0), (2, 1, 0), (1, 2, 3), (-1, 0, 0), (-2, 2, 0), (-1, 1, 4), (i64::MIN, 1, 0)]
        {
            let mut found = Vec::new();
            list.positions(value, rank, count, maxlen, |index| found.push(index));
            let within =
                |i: &&usize| maxlen == 0 || if rank > 0 { **i < maxlen } else { model.len() - **i <= maxlen };
            let mut expected: Vec<usize> = all.iter().filter(within).copied().collect();
            if rank < 0 {
                expected.reverse();
            }
            let expected =
                expected.into_iter().skip(usize::try_from(rank.unsigned_abs() - 1).unwrap_or(usize::MAX));
            let expected: Vec<usize> = expected.take(if count == 0 { usize::MAX } else { count }).collect();
            assert_eq!(found, expected, "{rank} {count} {maxlen}");
        }
    }

    fn assert_sound(deque: &Deque) {
        let packs = |node: &Node| match node {
            Node::Pack(pack) => {
                let redis = listpack::to_redis(pack.entries(), pack.len());
                assert_eq!(listpack::from_redis(&redis).map(|(_, count)| count), Ok(pack.len()));
                assert!(pack.len() > 0);
                let live = pack.entries().len();
                assert!(
                    pack.buf.capacity()
                        <= [256, 4 * live + 16, deque.limit.bytes() / 8].into_iter().max().unwrap_or(0)
                );
            }
            Node::Plain(bytes) => assert!(!bytes.is_empty()),
        };
        deque.nodes.iter().for_each(packs);
        assert_eq!(deque.len, deque.nodes.iter().map(Node::len).sum::<usize>());
        assert_eq!(deque.node_bytes, deque.nodes.iter().map(Node::heap_bytes).sum::<usize>());
        if deque.encoding == ListEncoding::Listpack {
            assert!(deque.nodes.len() <= 1);
            let clone = Deque::from_packed(&deque.to_packed().expect("a listpack is packed"), deque.limit);
            assert!(clone.view().iter().eq(deque.view().iter()));
        }
    }

    #[test]
    fn a_deque_does_what_a_vec_deque_does_under_any_limit() {
        fn property(limit: i8, ops: Vec<Op>) -> bool {
            let mut deque = Deque::new(NodeLimit::new(i64::from(limit % 12)));
            let mut model = Model::new();
            for op in &ops {
                let answer = apply(&mut List::<Vec<u8>>::Deque(&mut deque), op);
                assert_eq!(answer, apply_to_model(&mut model, op), "{op:?}");
                assert_sound(&deque);
                assert_same(deque.view(), &model);
            }
            true
        }
        QuickCheck::new().tests(300).quickcheck(property as fn(i8, Vec<Op>) -> bool);
    }

    #[test]
    fn a_packed_list_does_what_a_vec_deque_does() {
        fn property(ops: Vec<Op>) -> bool {
            let mut list: List<'_, Vec<u8>> = List::Packed(Packed::new(Vec::new()));
            let mut model = Model::new();
            for op in &ops {
                assert_eq!(apply(&mut list, op), apply_to_model(&mut model, op), "{op:?}");
                assert_same(list.view(), &model);
                let List::Packed(packed) = &list else { return false };
                let mut deque = Deque::from_packed(packed.buffer.bytes(), NodeLimit::new(8));
                deque.settle();
                assert_same(deque.view(), &model);
                assert_eq!(deque.encoding() == ListEncoding::Quicklist, model.len() > 8);
            }
            true
        }
        QuickCheck::new().tests(300).quickcheck(property as fn(Vec<Op>) -> bool);
    }

    #[test]
    fn eight_short_strings_take_sixty_six_bytes_in_the_slot() {
        let mut list = List::Packed(Packed::new(Vec::new()));
        (0..8).for_each(|i| list.push_back(format!("abcde{i}").as_bytes()));
        let List::Packed(packed) = list else { unreachable!() };
        assert_eq!(packed.into_inner().len(), 2 + 8 * (1 + 6 + 1));
    }

    #[test]
    fn the_question_before_an_operation_counts_raw_bytes_and_elements() {
        let bytes = [0, 0];
        let ask = |values: &[&[u8]], limit, max| {
            packed_fits(&bytes, values.iter().copied(), NodeLimit::new(limit), max)
        };
        assert!(ask(&[b"abc"], -2, 7) && !ask(&[b"abc"], -2, 6));
        assert!(ask(&[b"a", b"b"], 2, 100) && !ask(&[b"a", b"b", b"c"], 2, 100));
        assert!(ask(&[&[b'x'; 4089]], -1, 10_000) && !ask(&[&[b'x'; 4090]], -1, 10_000));
    }

    #[test]
    fn the_encoding_turns_as_in_redis() {
        let list = |limit: i64, values: &[&[u8]]| {
            let mut deque = Deque::new(NodeLimit::new(limit));
            values.iter().for_each(|value| deque.push_back(value));
            deque
        };
        let [a, b, c, d] = [b"a", b"b", b"c", b"d"].map(|value| &value[..]);
        let large = [b'x'; 70_000];
        use ListEncoding::{Listpack, Quicklist};

        let mut deque = list(3, &[a, b, c]);
        assert_eq!(deque.encoding(), Listpack);
        deque.push_back(d);
        assert_eq!((deque.encoding(), deque.nodes.len()), (Quicklist, 2));
        deque.pop_back(|_| ());
        deque.pop_back(|_| ());
        assert_eq!(deque.encoding(), Quicklist, "two are more than half of three");
        deque.pop_back(|_| ());
        assert_eq!(deque.encoding(), Listpack);

        let mut deque = list(3, &[a, b, c]);
        assert_eq!((deque.set(0, d), deque.encoding()), (Ok(()), Quicklist), "LSET counts as one more");
        let mut deque = list(3, &[a, a, a, d]);
        assert_eq!((deque.remove(3, a), deque.encoding()), (3, Listpack));
        let mut deque = list(-1, &[&large, a, b]);
        assert!(matches!(deque.nodes[0], Node::Plain(_)));
        deque.pop_back(|_| ());
        deque.pop_back(|_| ());
        assert_eq!(deque.encoding(), Quicklist);
        assert_eq!((deque.set(-1, c), deque.encoding()), (Ok(()), Listpack));
        let mut deque = list(-1, &[a, &large]);
        assert_eq!((deque.remove(1, &large), deque.encoding()), (1, Listpack));
    }

    #[test]
    fn large_elements_are_shared() {
        let mut deque = Deque::new(NodeLimit::default());
        deque.push_back(&[b'x'; 10_000]);
        let shared = deque.view().get(0).map(|element| element.to_shared()).expect("one element");
        let popped = deque.pop_front(|element| element.to_shared()).expect("one element");
        assert_eq!(shared.as_ptr(), popped.as_ptr());
        assert_eq!(deque.node_bytes, 0);
    }

    #[test]
    fn memory_stays_near_the_data() {
        for front in [false, true] {
            let mut deque = Deque::new(NodeLimit::default());
            for i in 0..100_000 {
                let value = format!("element:{i:08}");
                if front { deque.push_front(value.as_bytes()) } else { deque.push_back(value.as_bytes()) }
            }
            assert!(deque.heap_bytes() < 100_000 * 18 * 105 / 100, "{}", deque.heap_bytes());
            // A queue stays as small as it is.
            for i in (0..100_000).filter(|i| i % 997 != 0 && i % 10 == 3) {
                deque.pop_front(|_| ());
                deque.push_back(format!("element:{i:08}").as_bytes());
            }
            deque.trim(50_000, 50_009);
            assert!(deque.heap_bytes() < 2000, "{}", deque.heap_bytes());
        }
    }
}

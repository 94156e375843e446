//! The deque: nodes in a queue, and the rules by which Redis fills, splits and merges them and names the encoding.

use super::node::{Node, Pack};
use super::packed::{PACKED_HEADER, packed_parts};
use super::{End, ListEncoding, ListRef, NodeLimit, OutOfRange, Side, absolute, bounds, end_entry, removal};
use crate::value::listpack::{self, Element, Encoded, Needle};
use bytes::Bytes;
use std::{collections::VecDeque, mem};

/// A large list: nodes of packs, and elements too large for one.
#[derive(Clone, Debug)]
pub struct Deque {
    pub(super) nodes: VecDeque<Node>,
    /// Elements in all nodes.
    pub(super) len: usize,
    /// Bytes allocated by the nodes, kept current by whatever changes one.
    pub(super) node_bytes: usize,
    pub(super) limit: NodeLimit,
    pub(super) encoding: ListEncoding,
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

    /// The list that the bytes of a [`Packed`](super::Packed) hold, as one node. O(n) bytes.
    pub fn from_packed(bytes: &[u8], limit: NodeLimit) -> Self {
        let (count, entries) = packed_parts(bytes);
        let mut deque = Self::new(limit);
        deque.append_packed(entries, count);
        deque
    }

    /// The bytes of a [`Packed`](super::Packed) with the same elements, if this is a `listpack`, or empty. O(n) bytes.
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

    pub(super) fn extend<'v>(&mut self, end: End, values: impl IntoIterator<Item = &'v [u8]> + Clone) {
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

    pub(super) fn rotate(&mut self, from: End, to: End) -> Option<Bytes> {
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
    pub(super) fn locate(&self, index: usize) -> (usize, usize) {
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
            let before = pack.capacity();
            f(pack, self.limit.bytes());
            self.node_bytes = self.node_bytes - before + pack.capacity();
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

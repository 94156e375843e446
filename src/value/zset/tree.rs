//! The order of a large sorted set: a B+tree of scores and member numbers in which every node knows how many items
//! stand below it.
//!
//! 1. Items stand in leaves of up to [`LEAF_MAX`]; an inner node has up to [`INNER_MAX`] children and keeps of each
//!    the first item and the number of items. So where an item belongs, which rank it has and which item has a rank
//!    are each one way down, and a range is one way down and a walk over leaves.
//! 2. A node that is full splits in two. One that was filled at an end splits near that end, so that items that come
//!    in order leave full nodes behind.
//! 3. A node that runs low is merged with a neighbour where the two are few, or shares its neighbour's items.
//!
//! The tree knows no members, only their numbers: who asks brings the comparison. An order by score alone would not
//! do, as equal scores are ordered by member.
//!
//! **Invariant:** all leaves are equally deep; every node but the root holds at least [`LEAF_MIN`] items or
//! [`INNER_MIN`] children; what a node keeps of its children is true.

use super::members::Member;
use smallvec::SmallVec;
use std::cmp::Ordering;
use std::ops::Range;
use std::slice;

/// Most items of a leaf.
const LEAF_MAX: usize = 64;
/// Fewest items of a leaf that is not the root.
const LEAF_MIN: usize = 8;
/// Most children of an inner node.
const INNER_MAX: usize = 32;
/// Fewest children of an inner node that is not the root.
const INNER_MIN: usize = 4;
/// Deeper than any tree of 2^32 items; what exceeds it would be put on the heap.
const DEPTH: usize = 8;

/// One place in the order. Packed, because a third of it would be padding otherwise.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
pub(super) struct Item {
    /// Never NaN.
    pub score: f64,
    /// Whose score it is.
    pub member: Member,
}

#[derive(Debug)]
enum Node {
    Leaf(Vec<Item>),
    Inner(Vec<Child>),
}

#[derive(Debug)]
struct Child {
    /// The first item below.
    first: Item,
    /// How many items stand below.
    count: u32,
    node: Node,
}

/// Items in order.
#[derive(Debug)]
pub(super) struct Tree {
    root: Node,
    len: usize,
    nodes: Nodes,
}

/// How many nodes of each kind there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Nodes {
    leaves: usize,
    inners: usize,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self { root: Node::Leaf(Vec::new()), len: 0, nodes: Nodes { leaves: 1, inners: 0 } }
    }

    /// A tree of items that are in order. O(n).
    pub(super) fn from_sorted(mut items: impl ExactSizeIterator<Item = Item>) -> Self {
        let mut tree = Self::new();
        tree.len = items.len();
        if tree.len <= LEAF_MAX {
            tree.root = Node::Leaf(items.collect());
            return tree;
        }
        // Nearly full, so that the first items to come do not split everything; and evenly, so that none is too small.
        let mut level: Vec<Child> = shares(tree.len, LEAF_MAX - LEAF_MAX / 8)
            .map(|share| {
                let mut leaf = Vec::with_capacity(LEAF_MAX);
                leaf.extend(items.by_ref().take(share));
                Child::over(Node::Leaf(leaf))
            })
            .collect();
        tree.nodes.leaves = level.len();
        while level.len() > 1 {
            let mut children = level.into_iter();
            level = shares(children.len(), INNER_MAX - INNER_MAX / 8)
                .map(|share| {
                    let mut inner = Vec::with_capacity(INNER_MAX);
                    inner.extend(children.by_ref().take(share));
                    Child::over(Node::Inner(inner))
                })
                .collect();
            tree.nodes.inners += level.len();
        }
        if let Some(root) = level.pop() {
            tree.root = root.node;
        }
        tree
    }

    /// How many items it has. O(1).
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes on the heap. O(1).
    pub(super) fn heap_bytes(&self) -> usize {
        match &self.root {
            Node::Leaf(items) => items.capacity() * size_of::<Item>(),
            Node::Inner(_) => {
                self.nodes.leaves * LEAF_MAX * size_of::<Item>()
                    + self.nodes.inners * INNER_MAX * size_of::<Child>()
            }
        }
    }

    /// How many items at the front `before` holds for; it holds for none behind one that it does not hold for.
    /// O(log n).
    pub(super) fn partition(&self, mut before: impl FnMut(Item) -> bool) -> usize {
        let (mut node, mut rank) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(items) => return rank + items.partition_point(|&item| before(item)),
                Node::Inner(children) => {
                    let Some(at) = children.partition_point(|child| before(child.first)).checked_sub(1)
                    else {
                        return rank;
                    };
                    rank += children[..at].iter().map(|child| child.count as usize).sum::<usize>();
                    node = &children[at].node;
                }
            }
        }
    }

    /// The item at a rank. O(log n).
    pub(super) fn get(&self, rank: usize) -> Option<Item> {
        self.walk::<false>(rank..rank.saturating_add(1)).next()
    }

    /// The items whose ranks are in `range`, as far as there are any; the last one first if `REVERSE`. O(log n) to
    /// begin, then O(1) for each.
    pub(super) fn walk<const REVERSE: bool>(&self, range: Range<usize>) -> Walk<'_, REVERSE> {
        let (start, end) = (range.start.min(self.len), range.end.min(self.len));
        let mut walk = Walk { path: SmallVec::new(), leaf: [].iter(), left: end.saturating_sub(start) };
        if walk.left == 0 {
            return walk;
        }
        let mut rank = if REVERSE { end - 1 } else { start };
        let mut node = &self.root;
        loop {
            match node {
                Node::Leaf(items) => {
                    walk.leaf = if REVERSE { items[..=rank].iter() } else { items[rank..].iter() };
                    return walk;
                }
                Node::Inner(children) => {
                    let at = child_of_rank(children, &mut rank);
                    let others = if REVERSE { &children[..at] } else { &children[at + 1..] };
                    walk.path.push(others.iter());
                    node = &children[at].node;
                }
            }
        }
    }

    /// Adds an item; `cmp` tells how others stand to it, and none is equal. O(log n).
    pub(super) fn insert(&mut self, item: Item, mut cmp: impl FnMut(Item) -> Ordering) {
        self.len += 1;
        if let Some(right) = insert(&mut self.root, item, &mut cmp, &mut self.nodes) {
            let mut children = Vec::with_capacity(INNER_MAX);
            let left = std::mem::replace(&mut self.root, Node::Inner(Vec::new()));
            children.extend([Child::over(left), right]);
            self.root = Node::Inner(children);
            self.nodes.inners += 1;
        }
    }

    /// Gives the item that `cmp` finds another score, if `keeps_place` says so of its two neighbours; whether it did.
    /// It did not where these are not in the same leaf. O(log n).
    pub(super) fn rescore(
        &mut self,
        score: f64,
        mut cmp: impl FnMut(Item) -> Ordering,
        keeps_place: impl FnOnce(Item, Item) -> bool,
    ) -> bool {
        let mut node = &mut self.root;
        loop {
            match node {
                Node::Leaf(items) => {
                    let at = items.partition_point(|&item| cmp(item).is_lt());
                    // What is first in a leaf stands in inner nodes, too.
                    if at == 0 || at + 1 >= items.len() {
                        return false;
                    }
                    let keeps = keeps_place(items[at - 1], items[at + 1]);
                    if keeps {
                        items[at].score = score;
                    }
                    return keeps;
                }
                Node::Inner(children) => {
                    let at = children.partition_point(|child| cmp(child.first).is_le());
                    node = &mut children[at.saturating_sub(1)].node;
                }
            }
        }
    }

    /// Takes out the item that `cmp` finds, which is there. O(log n).
    pub(super) fn remove(&mut self, cmp: impl FnMut(Item) -> Ordering) -> Item {
        self.take(&mut ByOrder(cmp))
    }

    /// Takes out the item at a rank, which is below the length. O(log n).
    pub(super) fn remove_at(&mut self, rank: usize) -> Item {
        self.take(&mut ByRank(rank))
    }

    fn take(&mut self, seek: &mut impl Seek) -> Item {
        self.len -= 1;
        let item = remove(&mut self.root, seek, &mut self.nodes);
        // A root with one child is none.
        while let Node::Inner(children) = &mut self.root
            && children.len() == 1
            && let Some(child) = children.pop()
        {
            self.root = child.node;
            self.nodes.inners -= 1;
        }
        if let Node::Leaf(items) = &mut self.root
            && items.len() < items.capacity() / 4
        {
            items.shrink_to(items.len() * 2);
        }
        item
    }
}

impl Clone for Tree {
    fn clone(&self) -> Self {
        // A copied `Vec` has no room to spare, and nodes have theirs from the start.
        Self::from_sorted(self.walk::<false>(0..self.len))
    }
}

/// Some consecutive items, first to last, or last to first if `REVERSE`.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a, const REVERSE: bool> {
    /// Of each inner node on the way down, the children not yet visited.
    path: SmallVec<[slice::Iter<'a, Child>; DEPTH]>,
    leaf: slice::Iter<'a, Item>,
    left: usize,
}

impl<'a, const REVERSE: bool> Walk<'a, REVERSE> {
    /// Goes to the next leaf.
    #[cold]
    fn next_leaf(&mut self) -> Option<()> {
        let child = loop {
            let siblings = self.path.last_mut()?;
            match if REVERSE { siblings.next_back() } else { siblings.next() } {
                Some(child) => break child,
                None => self.path.pop(),
            };
        };
        let mut node = &child.node;
        loop {
            match node {
                Node::Leaf(items) => {
                    self.leaf = items.iter();
                    return Some(());
                }
                Node::Inner(children) => {
                    let mut children = children.iter();
                    let child = if REVERSE { children.next_back() } else { children.next() };
                    self.path.push(children);
                    node = &child?.node;
                }
            }
        }
    }
}

impl<const REVERSE: bool> Iterator for Walk<'_, REVERSE> {
    type Item = Item;

    #[inline]
    fn next(&mut self) -> Option<Item> {
        self.left = self.left.checked_sub(1)?;
        loop {
            let item = if REVERSE { self.leaf.next_back() } else { self.leaf.next() };
            if let Some(&item) = item {
                return Some(item);
            }
            self.next_leaf()?;
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<const REVERSE: bool> ExactSizeIterator for Walk<'_, REVERSE> {}

impl Child {
    /// What a parent keeps of a node, which is not empty.
    fn over(node: Node) -> Self {
        let (first, count) = match &node {
            Node::Leaf(items) => (items[0], items.len() as u32),
            Node::Inner(children) => (children[0].first, children.iter().map(|child| child.count).sum()),
        };
        Self { first, count, node }
    }

    /// Notes what is true again after the node has changed.
    fn refresh(&mut self) {
        (self.first, self.count) = match &self.node {
            Node::Leaf(items) => (items[0], items.len() as u32),
            Node::Inner(children) => (children[0].first, children.iter().map(|child| child.count).sum()),
        };
    }

    /// Items or children of the node, the fewest it should have, and the fewest with which it is left alone.
    fn fill(&self) -> (usize, usize, usize) {
        match &self.node {
            Node::Leaf(items) => (items.len(), LEAF_MIN, LEAF_MAX / 4),
            Node::Inner(children) => (children.len(), INNER_MIN, INNER_MAX / 4),
        }
    }
}

/// Divides `total` things into as few shares as there must be if none is above `max`, of like size.
fn shares(total: usize, max: usize) -> impl Iterator<Item = usize> {
    let shares = total.div_ceil(max).max(1);
    (0..shares).map(move |at| total * (at + 1) / shares - total * at / shares)
}

/// The child in which the item of a rank stands, and the rank within it.
fn child_of_rank(children: &[Child], rank: &mut usize) -> usize {
    let last = children.len() - 1;
    for (at, child) in children[..last].iter().enumerate() {
        if *rank < child.count as usize {
            return at;
        }
        *rank -= child.count as usize;
    }
    last
}

/// Adds an item below a node. Where the node was full, what it became too many of goes into one to its right.
fn insert(
    node: &mut Node,
    item: Item,
    cmp: &mut impl FnMut(Item) -> Ordering,
    nodes: &mut Nodes,
) -> Option<Child> {
    match node {
        Node::Leaf(items) => {
            let at = items.partition_point(|&item| cmp(item).is_lt());
            let split = (items.len() == LEAF_MAX).then(|| {
                nodes.leaves += 1;
                split(items, at, LEAF_MAX, LEAF_MIN)
            });
            match split {
                Some(mut right) => {
                    if at > items.len() {
                        right.insert(at - items.len(), item);
                    } else {
                        items.insert(at, item);
                    }
                    Some(Child::over(Node::Leaf(right)))
                }
                None => {
                    if items.len() == items.capacity() {
                        // A leaf that is the root grows as it must; others have their room from the start.
                        items.reserve_exact(items.len().max(4).min(LEAF_MAX - items.len()));
                    }
                    items.insert(at, item);
                    None
                }
            }
        }
        Node::Inner(children) => {
            let at = children.partition_point(|child| cmp(child.first).is_lt()).saturating_sub(1);
            let child = &mut children[at];
            let right = insert(&mut child.node, item, cmp, nodes);
            child.count += 1;
            if at == 0 && cmp(child.first).is_gt() {
                child.first = item;
            }
            let right = right?;
            child.count -= right.count;
            let at = at + 1;
            if children.len() < INNER_MAX {
                children.insert(at, right);
                return None;
            }
            nodes.inners += 1;
            let mut behind = split(children, at, INNER_MAX, INNER_MIN);
            if at > children.len() {
                behind.insert(at - children.len(), right);
            } else {
                children.insert(at, right);
            }
            Some(Child::over(Node::Inner(behind)))
        }
    }
}

/// Takes the rear part of a full node's parts for a node of its own, into one of which something goes at `at`: half of
/// them, or few or most where it goes to an end.
fn split<T>(parts: &mut Vec<T>, at: usize, max: usize, min: usize) -> Vec<T> {
    let keep = if at == parts.len() {
        max - min
    } else if at == 0 {
        min
    } else {
        max / 2
    };
    let mut right = Vec::with_capacity(max);
    right.extend(parts.drain(keep..));
    right
}

/// Where an item that is to be removed stands.
trait Seek {
    fn child(&mut self, children: &[Child]) -> usize;
    fn item(&mut self, items: &[Item]) -> usize;
}

struct ByRank(usize);

impl Seek for ByRank {
    fn child(&mut self, children: &[Child]) -> usize {
        child_of_rank(children, &mut self.0)
    }

    fn item(&mut self, _: &[Item]) -> usize {
        self.0
    }
}

struct ByOrder<F>(F);

impl<F: FnMut(Item) -> Ordering> Seek for ByOrder<F> {
    fn child(&mut self, children: &[Child]) -> usize {
        children.partition_point(|child| (self.0)(child.first).is_le()).saturating_sub(1)
    }

    fn item(&mut self, items: &[Item]) -> usize {
        items.partition_point(|&item| (self.0)(item).is_lt())
    }
}

/// Takes out the item below a node that `seek` finds.
fn remove(node: &mut Node, seek: &mut impl Seek, nodes: &mut Nodes) -> Item {
    match node {
        Node::Leaf(items) => items.remove(seek.item(items)),
        Node::Inner(children) => {
            let at = seek.child(children);
            let child = &mut children[at];
            let item = remove(&mut child.node, seek, nodes);
            child.count -= 1;
            let (fill, _, few) = child.fill();
            if fill >= few {
                // The first item may have been it.
                child.first = match &child.node {
                    Node::Leaf(items) => items[0],
                    Node::Inner(children) => children[0].first,
                };
            } else {
                fill_up(children, at, nodes);
            }
            item
        }
    }
}

/// Merges a child that runs low with a neighbour, or, where both together are too many for one node and it is too
/// small to stay, shares the neighbour's parts.
fn fill_up(children: &mut Vec<Child>, at: usize, nodes: &mut Nodes) {
    let left = at.saturating_sub(1).min(children.len().saturating_sub(2));
    let Some([a, b]) =
        children.get_mut(left..left + 2).and_then(|pair| <&mut [Child; 2]>::try_from(pair).ok())
    else {
        // An only child, of the root: its parent goes.
        return children[at].refresh();
    };
    let merged = match (&mut a.node, &mut b.node) {
        (Node::Leaf(a), Node::Leaf(b)) => level(a, b, LEAF_MAX, LEAF_MIN),
        (Node::Inner(a), Node::Inner(b)) => level(a, b, INNER_MAX, INNER_MIN),
        _ => unreachable!("neighbours are equally deep"),
    };
    a.refresh();
    if merged {
        match children.remove(left + 1).node {
            Node::Leaf(_) => nodes.leaves -= 1,
            Node::Inner(_) => nodes.inners -= 1,
        }
    } else {
        b.refresh();
    }
}

/// Moves everything into `a` if that leaves it room; otherwise evens the two out if one is below `min`. Whether `b` is
/// empty now.
fn level<T>(a: &mut Vec<T>, b: &mut Vec<T>, max: usize, min: usize) -> bool {
    let total = a.len() + b.len();
    if total <= max - max / 4 {
        a.append(b);
        return true;
    }
    if a.len() < min || b.len() < min {
        let keep = total / 2;
        if a.len() < keep {
            let missing = keep - a.len();
            a.extend(b.drain(..missing));
        } else {
            b.splice(..0, a.drain(keep..));
        }
    }
    false
}

#[cfg(test)]
impl Tree {
    /// Checks the invariant.
    pub(super) fn check(&self) {
        let mut nodes = Nodes { leaves: 0, inners: 0 };
        let mut depths = std::collections::BTreeSet::new();
        let count = check_node(&self.root, true, 0, &mut nodes, &mut depths);
        assert_eq!(count, self.len);
        assert_eq!(nodes, self.nodes);
        assert_eq!(depths.len(), 1, "all leaves are equally deep");
    }

    pub(super) fn fill(&self) -> f64 {
        self.len as f64 / (self.nodes.leaves * LEAF_MAX) as f64
    }
}

#[cfg(test)]
fn check_node(
    node: &Node,
    root: bool,
    depth: usize,
    nodes: &mut Nodes,
    depths: &mut std::collections::BTreeSet<usize>,
) -> usize {
    match node {
        Node::Leaf(items) => {
            nodes.leaves += 1;
            depths.insert(depth);
            assert!(items.len() <= LEAF_MAX && (root || items.len() >= LEAF_MIN), "{} items", items.len());
            assert!(root || items.capacity() == LEAF_MAX);
            items.len()
        }
        Node::Inner(children) => {
            nodes.inners += 1;
            assert_eq!(children.capacity(), INNER_MAX);
            assert!(children.len() >= if root { 2 } else { INNER_MIN }, "{} children", children.len());
            let mut sum = 0;
            for child in children {
                let count = check_node(&child.node, false, depth + 1, nodes, depths);
                assert_eq!(count, child.count as usize);
                let (kept, mut first) = (child.first, &child.node);
                while let Node::Inner(children) = first {
                    first = &children[0].node;
                }
                let Node::Leaf(items) = first else { unreachable!() };
                assert_eq!(items[0].member, kept.member);
                assert_eq!({ items[0].score }, { kept.score });
                sum += count;
            }
            sum
        }
    }
}

//! Streams at the border to Redis: its listpacks, and the size of its radix tree.

use super::node::{DELETED, Node, SAME_FIELDS};
use super::{Id, Log};
use crate::value::listpack::{self, Corrupt, Element, Entries};

impl Log {
    /// The nodes as Redis keeps them: the ID of each and its listpack. O(bytes).
    pub fn to_redis(&self) -> impl ExactSizeIterator<Item = (Id, Vec<u8>)> {
        self.nodes.iter().map(|(&id, node)| (id, node.to_redis()))
    }

    /// Adds a node of Redis', which must lie behind those that there are; its live entries count for the length, and
    /// nothing else is set. O(bytes).
    ///
    /// # Errors
    /// [`Corrupt`] names the first thing that does not hold and where.
    pub fn push_redis_node(&mut self, id: Id, listpack: &[u8]) -> Result<(), Corrupt> {
        let (entries, _) = listpack::from_redis(listpack)?;
        if self.nodes.last_key_value().is_some_and(|(last, _)| *last >= id) {
            return Err(Corrupt { what: "the nodes of a stream are in the order of their IDs", offset: 0 });
        }
        let node = node_from(id, &entries)
            .ok_or(Corrupt { what: "a node of a stream holds entries of a stream", offset: 0 })?;
        self.push_node(id, node);
        Ok(())
    }

    /// How many nodes Redis' radix tree would have for this stream, which `XINFO STREAM` shows. O(nodes).
    ///
    /// Keys are the 16 bytes of the nodes' IDs. A place where keys part is a node, the bytes between two such places
    /// are one, and so is the end of each key.
    #[must_use]
    pub fn radix_nodes(&self) -> usize {
        const KEY_BYTES: u32 = 16;
        let mut keys = self.nodes.keys().map(|id| id.as_u128());
        let Some(mut last) = keys.next() else { return 1 };
        let mut count = 1;
        // Depths at which the last key's path parts from others, the deepest last.
        let mut parts: Vec<u32> = Vec::new();
        // The run of bytes above a place at this depth, if there is any.
        let run =
            |above: Option<u32>, depth: u32| usize::from(above.map_or(depth > 0, |above| depth > above + 1));
        for key in keys {
            let shared = (last ^ key).leading_zeros() / 8;
            // What is deeper is complete.
            let mut depth = KEY_BYTES;
            while let Some(&above) = parts.last()
                && above > shared
            {
                count += run(Some(above), depth);
                depth = above;
                parts.pop();
            }
            if parts.last() == Some(&shared) {
                count += run(Some(shared), depth);
            } else {
                count += 1 + run(Some(shared), depth);
                parts.push(shared);
            }
            // The end of the new key.
            count += 1;
            last = key;
        }
        let mut depth = KEY_BYTES;
        while let Some(above) = parts.pop() {
            count += run(Some(above), depth);
            depth = above;
        }
        count + run(None, depth)
    }
}

/// Reads a node's entries and writes them anew, in the one form that the rest relies on.
fn node_from(id: Id, entries: &[u8]) -> Option<Node> {
    let mut rest = Entries::new(entries);
    let int = |rest: &mut Entries<'_>| rest.next().and_then(|element: Element<'_>| element.as_int());
    let live = int(&mut rest)?;
    let deleted = int(&mut rest)?;
    let count = fields_len(int(&mut rest)?)?;
    let mut fields = rest;
    for _ in 0..count {
        rest.next()?;
    }
    if int(&mut rest)? != 0 {
        return None;
    }
    let mut node = Node::with_master(count, fields.by_ref().take(count));
    let mut last = None;
    for _ in 0..live.checked_add(deleted)? {
        let flags = int(&mut rest)? & (DELETED | SAME_FIELDS);
        let (ms, seq) = (int(&mut rest)?, int(&mut rest)?);
        let entry = Id { ms: id.ms.wrapping_add(ms as u64), seq: id.seq.wrapping_add(seq as u64) };
        if entry < id || last.is_some_and(|last| entry <= last) {
            return None;
        }
        last = Some(entry);
        let same = flags & SAME_FIELDS != 0;
        let own = if same { count } else { fields_len(int(&mut rest)?)? };
        let parts = if same { own } else { own.checked_mul(2)? };
        let mut body = rest;
        for _ in 0..parts {
            rest.next()?;
        }
        node.append_elements(id, entry, flags, own, body.by_ref().take(parts));
        let expected = parts + if same { 3 } else { 4 };
        if int(&mut rest)? != i64::try_from(expected).ok()? {
            return None;
        }
    }
    let counted = (node.live(), node.entries() - node.live());
    let declared = (usize::try_from(live).ok()?, usize::try_from(deleted).ok()?);
    (rest.next().is_none() && counted == declared).then_some(node)
}

/// A number of fields that a node can have.
fn fields_len(count: i64) -> Option<usize> {
    u32::try_from(count).ok().map(|count| count as usize)
}

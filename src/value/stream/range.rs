//! Entries between two IDs, from either end, read where they stand.

use super::node::{Entry, Node};
use super::{Id, Log};
use std::collections::btree_map;

/// The entries of a stream between two IDs, both included, that are not deleted; forwards or backwards.
#[derive(Clone, Debug)]
pub struct Range<'a> {
    start: Id,
    end: Id,
    reverse: bool,
    /// The nodes to come.
    nodes: Option<btree_map::Range<'a, Id, Node>>,
    here: Option<Here<'a>>,
}

/// A place in a node: the next entry begins at `at`, or backwards ends there.
#[derive(Clone, Copy, Debug)]
struct Here<'a> {
    base: Id,
    node: &'a Node,
    at: usize,
}

impl<'a> Range<'a> {
    pub(super) fn new(log: &'a Log, start: Id, end: Id, reverse: bool) -> Self {
        // The entry looked for may stand in the node before the first one that begins in the range.
        let nodes = (start <= end).then(|| {
            let first = log.nodes.range(..=start).next_back().map_or(start, |(base, _)| *base);
            log.nodes.range(first..=end)
        });
        Self { start, end, reverse, nodes, here: None }
    }

    /// The next node, entered at its end.
    #[inline]
    fn enter(&mut self) -> Option<Here<'a>> {
        let nodes = self.nodes.as_mut()?;
        let (&base, node) = if self.reverse { nodes.next_back()? } else { nodes.next()? };
        Some(Here { base, node, at: if self.reverse { node.end_at() } else { node.start() } })
    }

    /// The next entry of the node at hand, which is left at its end; nothing is to come behind the range's end.
    #[inline]
    fn step(&mut self) -> Option<Entry<'a>> {
        let here = self.here.as_mut()?;
        loop {
            let entry = if self.reverse {
                here.node.entry_before(here.base, here.at)
            } else {
                here.node.entry_at(here.base, here.at)
            };
            let Some(entry) = entry else {
                self.here = None;
                return None;
            };
            here.at = if self.reverse { entry.at } else { entry.end };
            let (ahead, beyond) = if self.reverse {
                (entry.id > self.end, entry.id < self.start)
            } else {
                (entry.id < self.start, entry.id > self.end)
            };
            if entry.deleted || ahead {
                continue;
            }
            if beyond {
                self.nodes = None;
                self.here = None;
                return None;
            }
            return Some(entry);
        }
    }

    /// How many entries are left, counted up to `max`: by the nodes' own counts where a node lies in the range.
    #[must_use]
    pub fn count_up_to(&self, max: usize) -> usize {
        let mut rest = self.clone();
        let mut count = 0;
        while count < max {
            if rest.here.is_none() {
                let Some(here) = rest.enter() else { break };
                // Nodes behind this one lie in the range in part at least, so this one does but for where it begins.
                let more = rest.nodes.as_ref().is_some_and(|nodes| nodes.clone().next().is_some());
                let begun = if rest.reverse { rest.end == Id::MAX } else { rest.start <= here.base };
                if more && (begun || count > 0) {
                    count += here.node.live();
                    continue;
                }
                rest.here = Some(here);
            }
            count += usize::from(rest.step().is_some());
        }
        count.min(max)
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            if self.here.is_none() {
                self.here = Some(self.enter()?);
            }
            if let Some(entry) = self.step() {
                return Some(entry);
            }
        }
    }
}

//! A stream: entries in the order of their IDs, and the consumer groups that read it.
//!
//! The two halves know little of each other: [`Log`] holds the entries, a [`Group`] how far its consumers have come
//! and what they were given and did not acknowledge. A group keeps IDs, never entries, so an entry may be deleted
//! while somebody still has it pending.

mod group;
mod id;
mod log;
mod node;
mod range;
mod redis;
#[cfg(test)]
mod tests;

pub use group::{Autoclaimed, Claim, Consumer, Group, Pending};
pub use id::{Id, IdBuffer};
pub use log::{Log, NodeLimit, TooLarge, Trim, TrimTo};
pub use node::{Entry, Fields};
pub use range::Range;

use std::collections::BTreeMap;

/// A stream.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    log: Log,
    /// By name, in its order: the order in which Redis lists them.
    groups: BTreeMap<Box<[u8]>, Group>,
    /// What the groups take on the heap.
    groups_bytes: usize,
}

/// What a group costs beside what it keeps account of itself.
const GROUP_BYTES: usize = 2 * size_of::<Box<[u8]>>() + 2 * size_of::<Group>();

impl Stream {
    /// Bytes on the heap. O(1).
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.log.heap_bytes() + self.groups_bytes
    }

    /// The entries.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The entries, to be changed.
    pub fn log_mut(&mut self) -> &mut Log {
        &mut self.log
    }

    /// The groups in the order of their names.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.groups.iter().map(|(name, group)| (&**name, group))
    }

    /// A group. O(log groups).
    #[must_use]
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    /// Lets `f` change a group, with the entries to look at; `None` where there is no such group. O(log groups).
    pub fn with_group<R>(&mut self, name: &[u8], f: impl FnOnce(&Log, &mut Group) -> R) -> Option<R> {
        let group = self.groups.get_mut(name)?;
        let before = group.heap_bytes();
        let result = f(&self.log, group);
        self.groups_bytes = self.groups_bytes + group.heap_bytes() - before;
        Some(result)
    }

    /// Adds a group; whether there was none of that name. O(log groups).
    pub fn add_group(&mut self, name: &[u8], group: Group) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        self.groups_bytes += GROUP_BYTES + name.len() + group.heap_bytes();
        self.groups.insert(name.into(), group);
        true
    }

    /// Removes a group with all that its consumers have pending; whether there was one. O(what is pending).
    pub fn remove_group(&mut self, name: &[u8]) -> bool {
        let Some(group) = self.groups.remove(name) else { return false };
        self.groups_bytes -= GROUP_BYTES + name.len() + group.heap_bytes();
        true
    }
}

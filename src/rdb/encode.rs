//! From values to payloads, in the forms of Redis 7.0.

use super::write::{Writer, is_disputed, is_readable_by_all};
use super::{VERSION, code};
use crate::value::list::{ListRef, NodeRef};
use crate::value::listpack::{self, Element};

/// A string's payload. O(n).
#[must_use]
pub fn string(string: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.byte(code::STRING);
    writer.string(string);
    writer.seal(VERSION)
}

/// A node of a list as it is written.
enum Node<'a> {
    Pack(&'a [u8], usize),
    Large(&'a [u8]),
}

/// A list's payload, node by node. O(n).
#[must_use]
pub fn list(list: ListRef<'_>) -> Vec<u8> {
    let mut nodes = Vec::new();
    for node in list.nodes() {
        match node {
            NodeRef::Plain(element) => nodes.push(Node::Large(element)),
            NodeRef::Packed { entries, count } if is_readable_by_all(entries) => {
                nodes.push(Node::Pack(entries, count));
            }
            NodeRef::Packed { entries, .. } => split(entries, &mut nodes),
        }
    }
    let mut writer = Writer::default();
    writer.byte(code::LIST_QUICKLIST_2);
    writer.length(nodes.len() as u64);
    for node in nodes {
        match node {
            Node::Pack(entries, count) => {
                writer.length(2);
                writer.listpack(entries, count);
            }
            Node::Large(element) => {
                writer.length(1);
                writer.string(element);
            }
        }
    }
    writer.seal(VERSION)
}

/// Makes the elements of a pack whose length servers dispute nodes of their own.
fn split<'a>(entries: &'a [u8], nodes: &mut Vec<Node<'a>>) {
    let (mut from, mut at, mut count) = (0, 0, 0);
    while let Some((element, len)) = entries.get(at..).and_then(listpack::first) {
        match element {
            Element::Bytes(bytes) if is_disputed(bytes.len()) => {
                if count > 0 {
                    nodes.push(Node::Pack(&entries[from..at], count));
                }
                nodes.push(Node::Large(bytes));
                (from, count) = (at + len, 0);
            }
            _ => count += 1,
        }
        at += len;
    }
    if count > 0 {
        nodes.push(Node::Pack(&entries[from..at], count));
    }
}

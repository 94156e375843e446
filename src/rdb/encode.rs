//! From values to payloads, in the forms of Redis 7.0.

use super::write::{Writer, is_disputed, is_readable_by_all};
use super::{VERSION, VERSION_OF_VALKEY, code};
use crate::double::DoubleBuffer;
use crate::value::hash::HashRef;
use crate::value::list::{ListRef, NodeRef};
use crate::value::listpack::{self, Element, Encoded};
use crate::value::set::SetRef;
use crate::value::zset::ZSetRef;

/// A string's payload. O(n).
#[must_use]
pub fn string(string: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.byte(code::STRING);
    writer.string(string);
    writer.seal(VERSION)
}

/// The entries of a listpack under construction. What is packed in memory need not be one.
#[derive(Default)]
struct Pack {
    entries: Vec<u8>,
    count: usize,
}

impl Pack {
    fn add(&mut self, element: Element<'_>) {
        element.with_bytes(|text| {
            Encoded::new(text).parts().into_iter().for_each(|part| self.entries.extend_from_slice(part));
        });
        self.count += 1;
    }
}

/// A node of a list as it is written.
enum Node<'a> {
    Pack(&'a [u8], usize),
    Large(&'a [u8]),
}

/// A list's payload, node by node. O(n).
#[must_use]
pub fn list(list: ListRef<'_>) -> Vec<u8> {
    let mut writer = Writer::default();
    let version = list_body(&mut writer, list);
    writer.seal(version)
}

/// The same without the footer, whose version is returned.
pub fn list_body(writer: &mut Writer, list: ListRef<'_>) -> u16 {
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
    VERSION
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

/// A set's payload: numbers in their order where it is one of integers, member by member otherwise. O(n).
#[must_use]
pub fn set(set: SetRef<'_>) -> Vec<u8> {
    let mut writer = Writer::default();
    let version = set_body(&mut writer, set);
    writer.seal(version)
}

/// The same without the footer, whose version is returned.
pub fn set_body(writer: &mut Writer, set: SetRef<'_>) -> u16 {
    if let SetRef::Ints(ints) = set {
        let width = ints.width();
        let mut intset = Vec::with_capacity(8 + ints.len() * width);
        intset.extend((width as u32).to_le_bytes());
        intset.extend((ints.len() as u32).to_le_bytes());
        for number in ints.iter() {
            intset.extend(&number.to_le_bytes()[..width]);
        }
        writer.byte(code::SET_INTSET);
        writer.string(&intset);
    } else {
        writer.byte(code::SET);
        writer.length(set.len() as u64);
        set.iter().for_each(|member| writer.element(member));
    }
    VERSION
}

/// A hash's payload: one listpack where it is called so, pair by pair otherwise; `None` where all its fields are past
/// their deadlines. O(n).
#[must_use]
pub fn hash(hash: HashRef<'_>) -> Option<Vec<u8>> {
    let mut writer = Writer::default();
    let version = hash_body(&mut writer, hash)?;
    Some(writer.seal(version))
}

/// The same without the footer, whose version is returned.
pub fn hash_body(writer: &mut Writer, hash: HashRef<'_>) -> Option<u16> {
    if let Some((entries, count)) = hash.to_listpack()
        && is_readable_by_all(&entries)
    {
        writer.byte(code::HASH_LISTPACK);
        writer.listpack(&entries, count);
        return Some(VERSION);
    }
    let len = hash.visible_len();
    if len == 0 {
        return None;
    }
    let with_deadlines = hash.iter_with_deadlines().any(|(.., deadline)| deadline.is_some());
    writer.byte(if with_deadlines { code::HASH_2_OR_METADATA_PRE_GA } else { code::HASH });
    writer.length(len as u64);
    for (field, value, deadline) in hash.iter_with_deadlines() {
        writer.element(field);
        writer.element(value);
        if with_deadlines {
            writer.millis(deadline.map_or(-1, |ms| i64::try_from(ms).unwrap_or(i64::MAX)));
        }
    }
    Some(if with_deadlines { VERSION_OF_VALKEY } else { VERSION })
}

/// A sorted set's payload: one listpack where it is called so, pair by pair otherwise, the last one first, as Redis reads
/// them fastest. O(n).
#[must_use]
pub fn zset(zset: ZSetRef<'_>, called_listpack: bool) -> Vec<u8> {
    let mut writer = Writer::default();
    let version = zset_body(&mut writer, zset, called_listpack);
    writer.seal(version)
}

/// The same without the footer, whose version is returned.
pub fn zset_body(writer: &mut Writer, zset: ZSetRef<'_>, called_listpack: bool) -> u16 {
    if called_listpack {
        let mut pack = Pack::default();
        for (member, score) in zset.iter() {
            pack.add(member);
            pack.add(Element::Bytes(DoubleBuffer::new().format(score).as_bytes()));
        }
        if is_readable_by_all(&pack.entries) {
            writer.byte(code::ZSET_LISTPACK);
            writer.listpack(&pack.entries, pack.count);
            return VERSION;
        }
    }
    writer.byte(code::ZSET_2);
    writer.length(zset.len() as u64);
    for (member, score) in zset.range_reverse(0..zset.len()) {
        writer.element(member);
        writer.double(score);
    }
    VERSION
}

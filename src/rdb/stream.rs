//! Streams: nodes of entries, then counters, then groups with what their consumers have not acknowledged.
//!
//! The first form has no more than the last ID beside the nodes; the second has the counters that `XINFO STREAM` shows
//! and how much each group has read; the third also knows when a consumer last got anything.

use super::write::Writer;
use super::{Corrupt, Reader, VERSION, code};
use crate::value::stream::{Group, Id, Stream};
use std::collections::BTreeMap;

/// How many entries a group has read, where that cannot be told.
const UNKNOWN: u64 = u64::MAX;

/// A stream in the form of this number, 1 to 3. O(bytes).
///
/// # Errors
/// [`Corrupt`].
pub fn decode(body: &mut Reader<'_>, form: u8) -> Result<Stream, Corrupt> {
    let mut stream = Stream::default();
    let mut last_node = Id::MIN;
    for _ in 0..body.length()? {
        if body.length()? != 16 {
            return Err(body.corrupt("a node of a stream has an ID"));
        }
        let id = raw_id(body)?;
        let node = body.string()?;
        stream.log_mut().push_redis_node(id, &node)?;
        last_node = id;
    }
    counters(body, form, &mut stream)?;
    if last_node > stream.log().last_id() {
        return Err(body.corrupt("no node is behind the last ID"));
    }
    for _ in 0..body.length()? {
        let name = body.string()?;
        let group = group(body, form, &stream)?;
        if !stream.add_group(&name, group) {
            return Err(body.corrupt("a group stands once in a stream"));
        }
    }
    body.end()?;
    Ok(stream)
}

/// An ID of sixteen bytes.
fn raw_id(body: &mut Reader<'_>) -> Result<Id, Corrupt> {
    let (ms, seq) = body.stream_id()?;
    Ok(Id::new(ms, seq))
}

/// Milliseconds and number as two lengths.
fn id(body: &mut Reader<'_>) -> Result<Id, Corrupt> {
    Ok(Id::new(body.length()?, body.length()?))
}

fn counters(body: &mut Reader<'_>, form: u8, stream: &mut Stream) -> Result<(), Corrupt> {
    let log = stream.log_mut();
    if body.length()? != log.len() {
        return Err(body.corrupt("a stream has as many entries as it says"));
    }
    let last_id = id(body)?;
    if log.last_entry_id() > last_id {
        return Err(body.corrupt("no entry is behind the last ID"));
    }
    log.set_last_id(last_id);
    let first_id = log.range(Id::MIN, Id::MAX).next().map_or(Id::MIN, |entry| entry.id);
    log.set_first_id(first_id);
    if form == 1 {
        log.set_entries_added(log.len());
        return Ok(());
    }
    // What the first entry is was seen; that it is told as well helps nobody.
    id(body)?;
    log.set_max_deleted_id(id(body)?);
    log.set_entries_added(body.length()?);
    Ok(())
}

/// A group: what is pending by ID, then which consumer has which of these.
fn group(body: &mut Reader<'_>, form: u8, stream: &Stream) -> Result<Group, Corrupt> {
    let last_id = id(body)?;
    let read = if form == 1 {
        stream.log().entries_up_to(last_id)
    } else {
        Some(body.length()?).filter(|&read| read != UNKNOWN)
    };
    let mut group = Group::new(last_id, read);
    let mut pending = BTreeMap::new();
    for _ in 0..body.length()? {
        let id = raw_id(body)?;
        let delivery = (body.millis()?, body.length()?);
        if pending.insert(id, delivery).is_some() {
            return Err(body.corrupt("an ID is pending once in a group"));
        }
    }
    for _ in 0..body.length()? {
        let name = body.string()?;
        let seen_ms = body.millis()?;
        let active_ms = if form >= 3 { body.millis()? } else { seen_ms };
        if !group.add_consumer(&name, seen_ms) {
            return Err(body.corrupt("a consumer stands once in a group"));
        }
        if let Some(consumer) = group.consumer_mut(&name) {
            (consumer.seen_ms, consumer.active_ms) = (seen_ms, active_ms);
        }
        for _ in 0..body.length()? {
            let id = raw_id(body)?;
            let Some((delivered_ms, deliveries)) = pending.remove(&id) else {
                return Err(body.corrupt("what a consumer has is pending, and with nobody else"));
            };
            group.set_pending(&name, id, delivered_ms, deliveries);
        }
    }
    if pending.is_empty() { Ok(group) } else { Err(body.corrupt("what is pending is with a consumer")) }
}

/// A stream's payload, in the second form. O(bytes).
#[must_use]
pub fn encode(stream: &Stream) -> Vec<u8> {
    let mut writer = Writer::default();
    let version = encode_body(&mut writer, stream);
    writer.seal(version)
}

/// The same without the footer, whose version is returned.
pub fn encode_body(writer: &mut Writer, stream: &Stream) -> u16 {
    let log = stream.log();
    writer.byte(code::STREAM_LISTPACKS_2);
    let nodes = log.to_redis();
    writer.length(nodes.len() as u64);
    for (id, listpack) in nodes {
        writer.length(16);
        write_raw_id(writer, id);
        writer.string(&listpack);
    }
    writer.length(log.len());
    for id in [log.last_id(), log.first_id(), log.max_deleted_id()] {
        writer.length(id.ms);
        writer.length(id.seq);
    }
    writer.length(log.entries_added());
    let groups = stream.groups();
    writer.length(groups.len() as u64);
    for (name, group) in groups {
        writer.string(name);
        writer.length(group.last_id.ms);
        writer.length(group.last_id.seq);
        writer.length(group.entries_read.unwrap_or(UNKNOWN));
        writer.length(group.pending_len() as u64);
        for (id, pending, _) in group.pending(Id::MIN, Id::MAX) {
            write_raw_id(writer, id);
            writer.millis(pending.delivered_ms);
            writer.length(pending.deliveries);
        }
        let consumers = group.consumers();
        writer.length(consumers.len() as u64);
        for consumer in consumers {
            writer.string(consumer.name());
            writer.millis(consumer.seen_ms);
            let pending = consumer.pending();
            writer.length(pending.len() as u64);
            pending.for_each(|id| write_raw_id(writer, id));
        }
    }
    VERSION
}

fn write_raw_id(writer: &mut Writer, id: Id) {
    writer.bytes(&id.ms.to_be_bytes());
    writer.bytes(&id.seq.to_be_bytes());
}

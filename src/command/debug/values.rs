//! What `DEBUG` says of a key, and of a database as a table of keys.

use super::number_of;
use crate::command::error::CommandError;
use crate::engine::{Reach, Session};
use crate::reply::Sink;
use crate::shard::{Key, Keyspace, Type};
use crate::value::list::NodeRef;
use std::fmt::Write;

/// Elements of a value that the log is told; the rest is counted.
const SHOWN_MAX: usize = 512;
/// Bytes of a payload around the value's own: its type, version and checksum.
const PAYLOAD_FRAME: usize = 11;
const NO_TABLE: CommandError =
    CommandError::text("ERR The value stored at the specified key is not represented using an hash table");

/// Enters where the key is, which must exist; what `look` reads is no access and no hit.
fn at<R>(
    session: &Session,
    engine: &mut Reach<'_, '_>,
    key: &[u8],
    look: impl FnOnce(&mut Keyspace<'_>, Key<'_>, &'static str) -> Result<R, CommandError>,
) -> Result<R, CommandError> {
    engine.with_all(session.db, |entered| {
        let (keyspace, key) = entered.at(key);
        let mut keyspace = keyspace.no_touch(true);
        let encoding = keyspace.encoding(key).ok_or(CommandError::NoSuchKey)?;
        let hits = keyspace.shard().stats.hits;
        let result = look(&mut keyspace, key, encoding);
        keyspace.shard().stats.hits = hits;
        result
    })
}

/// `OBJECT key [fast]`: how a key is stored, in the form that clients take apart.
pub(super) fn object(
    session: &Session,
    engine: &mut Reach<'_, '_>,
    key: &[u8],
    is_fast: bool,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let limit = engine.settings().list_max_listpack_size();
    let text = at(session, engine, key, |keyspace, key, encoding| {
        let idle = keyspace.idle_seconds(key).unwrap_or(0);
        let used_at = (keyspace.now_ms() / 1000).saturating_sub(idle) & 0xFF_FFFF;
        let refcount = keyspace.refcount(key).unwrap_or(1);
        // There is no address to show: a value moves as it grows.
        let mut text = format!("Value at:0x0 refcount:{refcount} encoding:{encoding}");
        if !is_fast {
            let bytes = keyspace.dump(key).map_or(0, |payload| payload.len().saturating_sub(PAYLOAD_FRAME));
            // A string takes whatever is written.
            let _ = write!(text, " serializedlength:{bytes}");
        }
        let _ = write!(text, " lru:{used_at} lru_seconds_idle:{idle}");
        if encoding == "quicklist"
            && let Ok(Some(list)) = keyspace.list(key)
        {
            let (len, mut nodes, mut bytes) = (list.len(), 0, 0);
            for node in list.nodes() {
                nodes += 1;
                bytes += match node {
                    // What Redis' listpack has around its entries.
                    NodeRef::Packed { entries, .. } => entries.len() + 7,
                    NodeRef::Plain(element) => element.len(),
                };
            }
            let average = len as f64 / f64::from(nodes.max(1));
            let _ = write!(
                text,
                " ql_nodes:{nodes} ql_avg_node:{average:.2} ql_listpack_max:{limit} ql_compressed:0"
            );
            if !is_fast {
                let _ = write!(text, " ql_uncompressed_size:{bytes}");
            }
        }
        Ok(text)
    })?;
    out.simple(&text);
    Ok(())
}

/// `SDSLEN key`: lengths of the key's and the value's text. Both stand in one place, which has no room to spare.
pub(super) fn string_figures(
    session: &Session,
    engine: &mut Reach<'_, '_>,
    key: &[u8],
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let key_len = key.len();
    let len = at(session, engine, key, |keyspace, key, encoding| match keyspace.string(key) {
        Ok(Some(string)) if encoding != "int" => Ok(string.len()),
        _ => Err(CommandError::text("ERR Not an sds encoded string.")),
    })?;
    out.simple(&format!(
        "key_sds_len:{key_len}, key_sds_avail:0, key_zmalloc: {key_len}, val_sds_len:{len}, val_sds_avail:0, \
         val_zmalloc: {len}"
    ));
    Ok(())
}

/// `LISTPACK key`: the elements of a packed value go to the log, which is where our standard output is.
pub(super) fn listpack(
    session: &Session,
    engine: &mut Reach<'_, '_>,
    key: &[u8],
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let text = at(session, engine, key, |keyspace, key, encoding| {
        if !matches!(encoding, "listpack" | "listpackex") {
            return Err(CommandError::text("ERR Not a listpack encoded object."));
        }
        Ok(elements(keyspace, key))
    })?;
    tracing::warn!("DEBUG LISTPACK '{}': {text}", key.escape_ascii());
    out.simple("Listpack structure printed on stdout");
    Ok(())
}

/// `QUICKLIST key [0|1]`: the nodes of a list go to the log, with their elements where they are asked for.
pub(super) fn quicklist(
    session: &Session,
    engine: &mut Reach<'_, '_>,
    key: &[u8],
    is_full: bool,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let text = at(session, engine, key, |keyspace, key, encoding| {
        let mut text = String::new();
        match keyspace.list(key) {
            Ok(Some(list)) if encoding == "quicklist" => {
                for (at, node) in list.nodes().take(SHOWN_MAX).enumerate() {
                    let (count, bytes) = match node {
                        NodeRef::Packed { entries, count } => (count, entries.len()),
                        NodeRef::Plain(element) => (1, element.len()),
                    };
                    let _ = write!(text, "{{node {at}: {count} elements, {bytes} bytes}} ");
                }
            }
            _ => return Err(CommandError::text("ERR Not a quicklist encoded object.")),
        }
        if is_full {
            text += &elements(keyspace, key);
        }
        Ok(text)
    })?;
    tracing::warn!("DEBUG QUICKLIST '{}': {text}", key.escape_ascii());
    out.simple("Quicklist structure printed on stdout");
    Ok(())
}

/// The first elements of a collection, and how many there are; keys are not touched.
fn elements(keyspace: &mut Keyspace<'_>, key: Key<'_>) -> String {
    let mut text = String::new();
    let mut count = 0;
    let mut show = |element: crate::value::listpack::Element<'_>| {
        count += 1;
        if count <= SHOWN_MAX {
            element.with_bytes(|bytes| {
                let shown = bytes.get(..64).unwrap_or(bytes);
                let _ = write!(text, "\"{}\" ", shown.escape_ascii());
            });
        }
    };
    match keyspace.type_of(key) {
        Some(Type::List) => {
            keyspace.list(key).into_iter().flatten().flat_map(|list| list.iter()).for_each(&mut show);
        }
        Some(Type::Set) => {
            keyspace.set(key).into_iter().flatten().flat_map(|set| set.iter()).for_each(&mut show);
        }
        Some(Type::Hash) => {
            for (field, value) in keyspace.hash(key).iter().flatten().flat_map(|hash| hash.iter()) {
                show(field);
                show(value);
            }
        }
        Some(Type::ZSet) => {
            for (member, score) in keyspace.zset(key).into_iter().flatten().flat_map(|zset| zset.iter()) {
                show(member);
                let score = score.to_string();
                show(crate::value::listpack::Element::Bytes(score.as_bytes()));
            }
        }
        Some(Type::String | Type::Stream) | None => {}
    }
    let _ = write!(text, "({count} elements)");
    text
}

/// `HTSTATS db [full]`: how large the tables of a database are.
pub(super) fn table_figures(
    engine: &mut Reach<'_, '_>,
    db: &[u8],
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let db = crate::command::args::parse_int(db).ok_or(CommandError::NotAnInteger)?;
    let figures = engine.db_figures();
    let figures = usize::try_from(db).ok().and_then(|db| figures.get(db));
    let figures = figures.ok_or(CommandError::text("ERR Out of range database"))?;
    let text = format!(
        "[Dictionary HT]\n{}[Expires HT]\n{}",
        table_text(figures.keys, figures.table_bytes),
        // Deadlines stand in the entries.
        table_text(figures.expires, 0),
    );
    out.verbatim("txt", text.as_bytes());
    Ok(())
}

/// `HTSTATS-KEY key [full]`: how large the table of a collection is.
pub(super) fn table_figures_of_key(
    session: &Session,
    engine: &mut Reach<'_, '_>,
    key: &[u8],
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let text = at(session, engine, key, |keyspace, key, encoding| {
        let len = match encoding {
            "hashtable" | "skiplist" => match keyspace.type_of(key) {
                Some(Type::Set) => keyspace.set(key).ok().flatten().map(|set| set.len()),
                Some(Type::Hash) => keyspace.hash(key).ok().flatten().map(|hash| hash.len()),
                Some(Type::ZSet) => keyspace.zset(key).ok().flatten().map(|zset| zset.len()),
                _ => None,
            },
            _ => None,
        };
        let len = len.ok_or(NO_TABLE)?;
        Ok(table_text(len, keyspace.memory_bytes(key).unwrap_or(0)))
    })?;
    out.verbatim("txt", text.as_bytes());
    Ok(())
}

/// A table as Redis describes one. There are no chains here whose lengths could be shown.
fn table_text(len: usize, bytes: usize) -> String {
    const HEAD: &str = "Hash table 0 stats (main hash table):\n";
    match len {
        0 => format!("{HEAD}No stats available for empty dictionaries\n"),
        _ => format!("{HEAD} number of elements: {len}\n bytes: {bytes}\n"),
    }
}

/// Whether an argument turns something on, as C's `atoi` reads it.
pub(super) fn is_on(text: &[u8]) -> bool {
    number_of(text) != 0
}

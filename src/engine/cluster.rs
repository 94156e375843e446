//! The emulated cluster: one node that serves all slots, for clients that speak to nothing but clusters.
//!
//! Data is where it is without it. What changes is what Redis forbids in a cluster: keys of different slots in one
//! command, one transaction or one script, and databases but the first. A program that runs here will run on a real
//! cluster.
//!
//! **Invariant:** nobody else is in this cluster, and no slot ever leaves it; so there are no redirections.

use super::route::tag;
use super::{Engine, Seed, Session};
use crate::command::error::CommandError;
use crate::command::introspect::access::each_key;
use crate::command::table::Entry;

/// Hash slots of a cluster.
pub const SLOTS: u16 = 16384;

/// What the engine is in its cluster, if it is in one.
#[derive(Debug)]
pub struct Cluster {
    is_on: bool,
    node_id: String,
    shard_id: String,
}

impl Cluster {
    pub(super) fn new(is_on: bool, seed: &Seed) -> Self {
        let id = |first: u64| {
            let digits: String = (0..3).map(|n| format!("{:016x}", seed.number(first - n))).collect();
            digits[..40].to_owned()
        };
        Self { is_on, node_id: id(u64::MAX - 5), shard_id: id(u64::MAX - 8) }
    }

    /// Whether cluster mode is on.
    #[inline]
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// The node's name: forty hexadecimal digits, drawn at start.
    #[must_use]
    pub fn node_id(&self) -> &str {
        &self.node_id
    }

    /// The name of its shard, in the same form.
    #[must_use]
    pub fn shard_id(&self) -> &str {
        &self.shard_id
    }
}

/// The slot of a key, or of the tag in it. O(length).
#[must_use]
pub fn slot_of(key: &[u8]) -> u16 {
    crc16(tag(key).unwrap_or(key)) % SLOTS
}

/// The one slot of a command's keys and shard channels; `None` where it has none, or its arguments do not fit.
///
/// # Errors
/// Its keys are in several.
pub(crate) fn slot_of_command(entry: &Entry, argv: &[&[u8]]) -> Result<Option<u16>, CommandError> {
    let mut slot = None;
    join(&mut slot, entry, argv)?;
    Ok(slot)
}

fn join(slot: &mut Option<u16>, entry: &Entry, argv: &[&[u8]]) -> Result<(), CommandError> {
    each_key(entry, argv, |_, key, _| {
        let own = slot_of(key);
        if *slot.get_or_insert(own) == own { Ok(()) } else { Err(CommandError::CrossSlot) }
    })
}

impl Engine {
    /// Notes the slot of a command, of its whole transaction where it is `EXEC`, for the scripts in it.
    ///
    /// # Errors
    /// Its keys are in several slots.
    #[inline]
    pub(super) fn enter_slot(
        &self,
        session: &mut Session,
        entry: &Entry,
        argv: &[&[u8]],
    ) -> Result<(), CommandError> {
        if self.cluster().is_on() { find_slot(session, entry, argv) } else { Ok(()) }
    }
}

#[inline(never)]
fn find_slot(session: &mut Session, entry: &Entry, argv: &[&[u8]]) -> Result<(), CommandError> {
    session.slot = match &session.transaction {
        Some(transaction) if entry.full_name == "exec" => {
            let mut slot = None;
            transaction.each().try_for_each(|(entry, argv)| join(&mut slot, entry, &argv))?;
            slot
        }
        _ => slot_of_command(entry, argv)?,
    };
    Ok(())
}

/// CRC-16 as XMODEM has it: polynomial 0x1021, nothing reflected, from zero.
fn crc16(bytes: &[u8]) -> u16 {
    const TABLE: [u16; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let (mut crc, mut bit) = ((byte as u16) << 8, 0);
            while bit < 8 {
                crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
                bit += 1;
            }
            table[byte] = crc;
            byte += 1;
        }
        table
    };
    bytes.iter().fold(0, |crc, &byte| crc << 8 ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        assert_eq!(crc16(b"123456789"), 0x31C3, "the check value of CRC-16/XMODEM");
        for (key, slot) in [
            (&b""[..], 0),
            (b"foo", 12182),
            (b"{foo}b", 12182),
            (b"x{foo}{y}", 12182),
            (b"{}x", 10595),
            (b"a", 15495),
            (b"{a", slot_of(b"{a")),
        ] {
            assert_eq!(slot_of(key), slot, "{}", String::from_utf8_lossy(key));
        }
    }
}

//! Effects: what a command changed, said as commands that do the same again.
//!
//! A command that changed something is its own effect, unless it drew lots: then its shard says what came of it. Whoever
//! replays it shows it the time that it saw, so a relative deadline means the same again. Keys that
//! went by themselves are deletions. What a transaction, a script or the service of those who wait changed is one record.
//!
//! Effects are appended while the shards that they concern are still entered, which is why their order is that of every
//! shard and of every transaction. While nobody listens that is one branch.
//!
//! A record's payload is the time, u64, and commands: database, count of arguments, and each with its length in front,
//! as varints.

use super::Engine;
use super::door::Entered;
use crate::command::table::{Entry, Run};
use crate::shard::{Gone, Key, Keyspace, Now, Shard, Type};
use crate::varint;

/// Effects that are gathered for one record.
#[derive(Clone, Debug, Default)]
pub struct Effects(Vec<u8>);

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    varint::read(|| bytes.split_off_first().copied().ok_or(())).ok().flatten()
}

/// A database and a command that ran in it.
pub type Command<'a> = (usize, Vec<&'a [u8]>);

impl Effects {
    /// Effects of a moment.
    #[must_use]
    pub fn at(now_ms: u64) -> Self {
        Self(now_ms.to_le_bytes().to_vec())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len() <= 8
    }

    /// Adds a command.
    pub fn push<A: AsRef<[u8]>>(&mut self, db: usize, argv: &[A]) {
        push(&mut self.0, db, argv);
    }

    /// The bytes of a record.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The time and the commands of a record; `None` where it is none.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<(u64, Vec<Command<'_>>)> {
        let (now_ms, mut rest) = bytes.split_first_chunk::<8>()?;
        let mut commands = Vec::new();
        while !rest.is_empty() {
            let db = usize::try_from(take_number(&mut rest)?).ok()?;
            let count = usize::try_from(take_number(&mut rest)?).ok().filter(|count| *count <= rest.len())?;
            let mut argv = Vec::with_capacity(count);
            for _ in 0..count {
                let len = usize::try_from(take_number(&mut rest)?).ok()?;
                let (arg, behind) = rest.split_at_checked(len)?;
                argv.push(arg);
                rest = behind;
            }
            commands.push((db, argv));
        }
        Some((u64::from_le_bytes(*now_ms), commands))
    }
}

/// Writes a command.
fn push<A: AsRef<[u8]>>(out: &mut Vec<u8>, db: usize, argv: &[A]) {
    varint::write(out, db as u64);
    varint::write(out, argv.len() as u64);
    for arg in argv {
        let arg = arg.as_ref();
        varint::write(out, arg.len() as u64);
        out.extend_from_slice(arg);
    }
}

/// Adds the keys of a shard, and the fields of its hashes, that went by themselves.
fn push_gone(out: &mut Vec<u8>, shard: &mut Shard) {
    if shard.gone.is_empty() {
        return;
    }
    for Gone { db, key, fields } in shard.gone.drain(..) {
        let name = if fields.is_empty() { &b"DEL"[..] } else { b"HDEL" };
        let argv: Vec<&[u8]> = [name, &key].into_iter().chain(fields.iter().map(|field| &**field)).collect();
        push(out, db, &argv);
    }
}

/// Whether what a command changes is not its own doing: the commands of a script or a transaction say what they did, and
/// what flushes says so where it does.
fn is_told_elsewhere(entry: &Entry) -> bool {
    matches!(entry.command.run, Run::Session(_))
}

impl Engine {
    /// Says what a command of one key did, from inside its shard.
    #[cold]
    pub(super) fn tell_effect(&self, shard: &mut Shard, db: usize, now_ms: u64, argv: &[&[u8]]) {
        self.journal().append_with(|out| {
            out.extend_from_slice(&now_ms.to_le_bytes());
            push_gone(out, shard);
            push_command(out, shard, db, argv);
        });
    }

    /// Says what became of one key, from inside its shard.
    #[cold]
    pub(super) fn tell_key(&self, shard: &mut Shard, db: usize, key: Key<'_>) {
        let now_ms = self.clock().now_ms();
        let mut effects = Effects::at(now_ms);
        push_gone(&mut effects.0, shard);
        if shard.drawn.is_empty() {
            push_image(&mut effects, shard.keyspace(db, Now::At(now_ms)).no_touch(true), key);
        } else {
            push_command(&mut effects.0, shard, db, &[]);
        }
        self.journal().append(effects.bytes());
    }

    /// Says which keys of a shard went by themselves, at the last moment before it is left.
    #[cold]
    pub(super) fn tell_gone(journal: &crate::persist::journal::Journal, shard: &mut Shard) {
        let mut effects = Effects::at(0);
        push_gone(&mut effects.0, shard);
        journal.append(effects.bytes());
    }
}

fn push_command(out: &mut Vec<u8>, shard: &mut Shard, db: usize, argv: &[&[u8]]) {
    if shard.drawn.is_empty() {
        push(out, db, argv);
    } else {
        push(out, db, &std::mem::take(&mut shard.drawn));
    }
}

/// Adds what makes a key what it is.
fn push_image(effects: &mut Effects, mut keyspace: Keyspace<'_>, key: Key<'_>) {
    let db = keyspace.db();
    let seen = (keyspace.shard().stats.hits, keyspace.shard().stats.misses);
    let Some(deadline) = keyspace.expires_at_ms(key) else {
        return effects.push(db, &[&b"DEL"[..], key.bytes]);
    };
    let mut digits = itoa::Buffer::new();
    let deadline = deadline.map(|ms| digits.format(ms).as_bytes());
    if keyspace.type_of(key) == Some(Type::String)
        && let Ok(Some(string)) = keyspace.string(key)
    {
        string.with_bytes(|value| match deadline {
            None => effects.push(db, &[b"SET", key.bytes, value]),
            Some(ms) => effects.push(db, &[b"SET", key.bytes, value, b"PXAT", ms]),
        });
    } else if let Some(payload) = keyspace.dump(key) {
        let ttl = deadline.unwrap_or(b"0");
        effects.push(db, &[b"RESTORE", key.bytes, ttl, &payload, b"REPLACE", b"ABSTTL"]);
    }
    let stats = &mut keyspace.shard().stats;
    (stats.hits, stats.misses) = seen;
}

impl Entered<'_> {
    /// What the shards count of changes, to be compared after a command.
    #[inline]
    pub(super) fn changes(&mut self) -> u64 {
        if self.engine().journal().is_on() { self.shards().map(|shard| shard.stats.dirty).sum() } else { 0 }
    }

    /// Notes a command's effect, where it changed anything since.
    #[inline]
    pub(super) fn effect_since(&mut self, changes: u64, entry: &Entry, db: usize, argv: &[&[u8]]) {
        if self.engine().journal().is_on() && !is_told_elsewhere(entry) && self.changes() != changes {
            self.effect(db, argv);
        }
    }

    /// What was noted so far, with the keys that went by themselves, to be added to and put back.
    fn take_effects(&mut self) -> Effects {
        let mut effects = std::mem::take(&mut self.effects);
        if effects.is_empty() {
            effects = Effects::at(self.now_ms());
        }
        self.shards().for_each(|shard| push_gone(&mut effects.0, shard));
        effects
    }

    /// Notes an effect.
    #[cold]
    pub(super) fn effect(&mut self, db: usize, argv: &[&[u8]]) {
        if !self.engine().journal().is_on() {
            return;
        }
        let mut effects = self.take_effects();
        let mut drawn = Vec::new();
        self.shards().for_each(|shard| drawn.append(&mut shard.drawn));
        if drawn.is_empty() {
            effects.push(db, argv);
        } else {
            effects.push(db, &drawn);
        }
        self.effects = effects;
    }

    /// Notes what became of keys, for a change that is no command's.
    pub(super) fn effect_on<'k>(&mut self, db: usize, keys: impl Iterator<Item = &'k [u8]>) {
        if !self.engine().journal().is_on() {
            return;
        }
        for key in keys {
            let mut effects = self.take_effects();
            let (keyspace, key) = self.at_db(db, key);
            push_image(&mut effects, keyspace.no_touch(true), key);
            self.effects = effects;
        }
    }

    /// Appends what was noted; the shards are about to be left.
    #[inline]
    pub(super) fn append_effects(&mut self) {
        if !self.effects.is_empty() {
            self.engine().journal().append(std::mem::take(&mut self.effects).bytes());
        }
    }
}

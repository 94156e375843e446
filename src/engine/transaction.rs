//! Transactions: commands that are kept until `EXEC` and then run together, and keys that they depend on.
//!
//! - `EXEC` enters the shards of all queued commands' keys and of all watched keys together, and leaves them when the
//!   last command has run; so nobody sees half of a transaction, and no watched key changes between the look at it and
//!   the last command. Commands whose keys cannot be told from their arguments take all shards.
//! - A command that would wait gets what it gets when its time is up. Those who wait for what the transaction fills are
//!   served behind its last command.
//! - A watched key raises its session's alarm from inside its shard (`shard::watch`).

use super::acl::Context;
use super::dispatch::remember;
use super::door::{Entered, View};
use super::monitor::Moment;
use super::reach;
use super::{Engine, Reach, Session};
use crate::clock::Stopwatch;
use crate::command::args::Args;
use crate::command::error::CommandError;
use crate::command::table::{Entry, Flag, Flags, Keys, Run};
use crate::reply::Sink;
use crate::shard::watch::Alarm;
use smallvec::SmallVec;
use std::collections::HashSet;
use std::sync::atomic::Ordering;

/// Commands that wait for `EXEC`.
#[derive(Debug, Default)]
pub struct Transaction {
    commands: Vec<Queued>,
    /// The arguments of all commands, one behind the other.
    bytes: Vec<u8>,
    /// Where each argument ends.
    ends: Vec<usize>,
    /// Whether a command was refused, so that `EXEC` refuses them all.
    aborted: bool,
    /// What any of the commands does.
    flags: u32,
    /// Whether a command has keys that cannot be told from its arguments.
    takes_all: bool,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
struct Queued {
    entry: &'static Entry,
    argc: usize,
}

impl Transaction {
    /// How many commands there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// Bytes that the commands take. O(1).
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * 8 + self.commands.capacity() * size_of::<Queued>()
    }

    /// What any of the commands does.
    #[must_use]
    pub fn flags(&self) -> Flags {
        Flags(self.flags)
    }

    fn push(&mut self, entry: &'static Entry, argv: &[&[u8]]) {
        for arg in argv {
            self.bytes.extend_from_slice(arg);
            self.ends.push(self.bytes.len());
        }
        let command = entry.command;
        self.flags |= command.flags.0;
        self.takes_all |= takes_all(entry);
        self.commands.push(Queued { entry, argc: argv.len() });
    }

    /// The commands with their arguments, in order.
    pub(super) fn each(&self) -> impl Iterator<Item = (&'static Entry, SmallVec<[&[u8]; 16]>)> {
        let (mut at, mut start) = (0, 0);
        self.commands.iter().map(move |queued| {
            let ends = &self.ends[at..at + queued.argc];
            at += queued.argc;
            let argv = ends.iter().map(|&end| &self.bytes[std::mem::replace(&mut start, end)..end]).collect();
            (queued.entry, argv)
        })
    }

    /// The keys of all commands.
    fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.each().flat_map(|(entry, argv)| {
            let at = entry.command.keys.positions(&argv);
            at.filter_map(|at| argv.get(at).copied()).collect::<SmallVec<[&[u8]; 8]>>()
        })
    }
}

/// Whether a command has to be inside all shards: its keys stand in no place that its row names, or it looks at the
/// whole.
pub(super) fn takes_all(entry: &Entry) -> bool {
    let command = entry.command;
    match command.run {
        Run::Session(_) => true,
        _ => matches!(command.keys, Keys::None) || command.flags.has(Flag::TouchesAll),
    }
}

/// The keys that a client watches.
#[derive(Debug, Default)]
pub struct Watching {
    alarm: Alarm,
    keys: HashSet<(usize, Box<[u8]>)>,
}

impl Session {
    /// Keeps a command for `EXEC`.
    pub(super) fn queue(
        &mut self,
        entry: &'static Entry,
        argv: &[&[u8]],
        bytes_max: usize,
    ) -> Result<(), CommandError> {
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        if entry.command.flags.has(Flag::NoMulti) {
            transaction.aborted = true;
            return Err(CommandError::text("ERR Command not allowed inside a transaction"));
        }
        if transaction.aborted {
            // It never runs, so there is nothing to keep.
            return Ok(());
        }
        transaction.push(entry, argv);
        self.client.queue_bytes.store(transaction.heap_bytes(), Ordering::Relaxed);
        if transaction.heap_bytes() > bytes_max {
            transaction.aborted = true;
            self.closing = true;
            return Err(CommandError::text("ERR the transaction is larger than client-query-buffer-limit"));
        }
        self.client
            .queued
            .store(self.transaction.as_ref().map_or(-1, |queue| queue.len() as i64), Ordering::Relaxed);
        Ok(())
    }

    /// Notes that a command was refused: `EXEC` will refuse all of them.
    #[inline]
    pub(super) fn note_refused(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.aborted = true;
        }
    }

    /// Begins a transaction (`MULTI`).
    ///
    /// # Errors
    /// There is one.
    pub fn begin(&mut self) -> Result<(), CommandError> {
        if self.transaction.is_some() {
            return Err(CommandError::text("ERR MULTI calls can not be nested"));
        }
        self.transaction = Some(Box::default());
        self.client.queued.store(0, Ordering::Relaxed);
        Ok(())
    }

    fn end_transaction(&mut self) -> Option<Box<Transaction>> {
        self.client.queued.store(-1, Ordering::Relaxed);
        self.client.queue_bytes.store(0, Ordering::Relaxed);
        self.transaction.take()
    }
}

impl Engine {
    /// Has a client's next `EXEC` do nothing if one of the keys changes before (`WATCH`). O(keys).
    pub fn watch<'k>(&self, session: &mut Session, keys: impl IntoIterator<Item = &'k [u8]>) {
        let view = View { db: session.db, now_ms: self.clock().now_ms(), no_touch: true };
        let watching = session.watching.get_or_insert_with(Box::default);
        for key in keys {
            if !watching.keys.insert((session.db, key.into())) {
                continue;
            }
            let mut entered = Entered::enter(self, SmallVec::from_slice(&[self.router().route(key).0]), view);
            let (mut keyspace, key) = entered.at(key);
            // A key whose time is up counts as absent from here on.
            keyspace.exists(key);
            keyspace.shard().watches.add(session.db, key, &watching.alarm);
            entered.leave();
        }
        session.client.watched.store(watching.keys.len() as u32, Ordering::Relaxed);
    }

    /// Watches nothing any more (`UNWATCH`). O(keys).
    pub fn unwatch(&self, session: &mut Session) {
        if let Some(watching) = session.watching.take() {
            session.client.watched.store(0, Ordering::Relaxed);
            for (db, key) in &watching.keys {
                self.door(self.router().route(key).0).enter().watches.remove(*db, key, &watching.alarm);
            }
        }
    }

    /// Keys that clients watch. Enters one shard after another.
    #[must_use]
    pub fn watched_keys_len(&self) -> usize {
        self.doors().iter().map(|door| door.enter().watches.len()).sum()
    }

    /// Forgets the queued commands and the watched keys (`DISCARD`).
    ///
    /// # Errors
    /// There is no transaction.
    pub fn discard(&self, session: &mut Session) -> Result<(), CommandError> {
        let Some(_) = session.end_transaction() else {
            return Err(CommandError::text("ERR DISCARD without MULTI"));
        };
        self.unwatch(session);
        Ok(())
    }

    /// Runs the queued commands together and writes their replies as an array; the null array where a watched key has
    /// changed (`EXEC`).
    ///
    /// # Errors
    /// There is no transaction, or a command was refused when it was queued.
    pub fn exec(&self, session: &mut Session, out: &mut dyn Sink) -> Result<(), CommandError> {
        let Some(transaction) = session.end_transaction() else {
            return Err(CommandError::text("ERR EXEC without MULTI"));
        };
        if transaction.aborted {
            self.unwatch(session);
            return Err(CommandError::text("EXECABORT Transaction discarded because of previous errors."));
        }
        let watching = session.watching.take();
        session.client.watched.store(0, Ordering::Relaxed);
        let view = View { db: session.db, now_ms: self.clock().now_ms(), no_touch: session.no_touch };
        let watched = || watching.iter().flat_map(|watching| watching.keys.iter());
        let mut entered = if transaction.takes_all {
            Entered::enter_all(self, view)
        } else {
            self.enter_to_write(|| transaction.keys().chain(watched().map(|(_, key)| &**key)), view)
        };
        if let Some(watching) = &watching {
            for (db, key) in &watching.keys {
                let (mut keyspace, routed) = entered.at_db(*db, key);
                // One whose time is up goes now, which raises the alarm.
                keyspace.exists(routed);
                keyspace.shard().watches.remove(*db, key, &watching.alarm);
            }
            if watching.alarm.load(Ordering::Relaxed) {
                entered.leave();
                out.null_array();
                return Ok(());
            }
        }
        out.array(transaction.len());
        let mut run = || {
            for (entry, argv) in transaction.each() {
                let mark = out.mark();
                let allowed = session.check(entry, &argv).map_err(|denied| {
                    self.note_denied(session, &argv, Context::Multi, &denied);
                    denied.error_in_exec()
                });
                let watch = self.timing().takes(entry, argv.len()).then(Stopwatch::start);
                let result = allowed.and_then(|()| {
                    let monitored = self.monitors().any();
                    if monitored {
                        entered.show(session, entry, &argv, Moment::Before, false);
                    }
                    let result = run_inside(&mut entered, entry, session, &argv, out);
                    if monitored {
                        entered.show(session, entry, &argv, Moment::After, false);
                    }
                    result
                });
                if let Some(watch) = watch {
                    self.note_duration(session, entry, &argv, watch.elapsed());
                }
                if let Err(error) = result {
                    out.rollback(mark);
                    self.stats().note_error(Some(entry.id), &error);
                    out.error(&error.to_string());
                }
            }
        };
        if transaction.takes_all {
            reach::inside(run)
        } else {
            run()
        };
        entered.leave();
        Ok(())
    }
}

/// Runs a command inside shards that are entered already: those of its keys, or all.
///
/// # Errors
/// The command's; what it wrote into `out` is the caller's to take back.
pub(crate) fn run_inside(
    entered: &mut Entered<'_>,
    entry: &'static Entry,
    session: &mut Session,
    argv: &[&[u8]],
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    entered.view_as(session);
    if let Some(calls) = entered.engine().stats().calls.get(entry.id) {
        calls.fetch_add(1, Ordering::Relaxed);
    }
    let command = entry.command;
    let (changes, db) = (entered.changes(), session.db);
    let result = match command.run {
        Run::Key(function) => {
            let at = command.key_at(argv);
            let (mut keyspace, key) = entered.at(argv.get(at).copied().unwrap_or_default());
            function(&mut keyspace, key, &mut Args::behind(argv, at), out)
        }
        Run::Keys(function) => function(entered, &mut Args::new(argv), out),
        Run::Wait(function) => function(entered, &mut Args::new(argv), out).map(|wait| {
            if let Some(wait) = wait {
                wait.op.write_denied(out);
            }
        }),
        Run::Session(function) => {
            let mut args = Args::behind(argv, entry.name_args() - 1);
            function(session, &mut Reach::inside(entered), &mut args, out)
        }
        Run::Container => Err(CommandError::WrongArity(entry.full_name)),
    };
    entered.effect_since(changes, entry, db, argv);
    remember(entered, entry, session, argv);
    entered.gather_ready();
    entered.gather_events();
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::table::TABLE;

    #[test]
    fn queued_commands_come_back_as_they_were() {
        let mut transaction = Transaction::default();
        let entry = |name: &str| TABLE.find(name.as_bytes()).expect("a command");
        let commands: [&[&[u8]]; 3] = [&[b"SET", b"k", b""], &[b"PING"], &[b"MGET", b"a", b"", b"c"]];
        for argv in commands {
            transaction.push(entry(std::str::from_utf8(argv[0]).expect("a name")), argv);
        }
        let back: Vec<_> = transaction.each().map(|(_, argv)| argv.to_vec()).collect();
        assert_eq!(back, commands);
        assert_eq!(transaction.keys().collect::<Vec<_>>(), [&b"k"[..], b"a", b"", b"c"]);
        assert!(transaction.takes_all, "PING is a command of the session");
        assert!(transaction.flags().has(Flag::Write));
    }
}

//! Dispatch: a command's way from its arguments to its reply, in one function.
//!
//! A [`Batch`] is the time in which one thread runs the commands it has at hand, such as a pipeline. The shard of the
//! last command stays entered for the next one where that needs the same; it is left when another is needed, when
//! somebody has to be told something, after [`HOLD_MAX`] commands, and at the end of the batch.

use super::acl::Context;
use super::blocking::Waiter;
use super::door::{Entered, Guard, View};
use super::monitor::Moment;
use super::push::Wakes;
use super::session::{ReplyMode, Session};
use super::{Engine, Pump, Reach};
use crate::clock::Stopwatch;
use crate::command::args::Args;
use crate::command::error::CommandError;
use crate::command::table::{Entry, Flag, Flags, Keys, Run, TABLE};
use crate::persist::journal::Journal;
use crate::reply::{Protocol, Sink};
use crate::shard::Now;
use smallvec::SmallVec;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Commands that one stay in a shard may serve before others get their turn.
const HOLD_MAX: u32 = 32;

/// One command in this many is timed, for `INFO commandstats`.
const SAMPLE: u64 = 64;

/// What came of a command.
#[derive(Debug)]
pub enum Flow {
    /// Its reply is in the sink (or the client wants none).
    Done,
    /// It waits; [`Engine::finish`] has its reply once the waiter has ended.
    Wait(Arc<Waiter>),
    /// Clients are paused; run the same command again once the waiter has ended.
    Later(Arc<Waiter>),
}

/// The commands that one thread runs in one go.
#[derive(Debug)]
pub struct Batch<'e> {
    engine: &'e Engine,
    held: Option<(usize, Guard<'e>)>,
    held_for: u32,
    now_ms: u64,
    commands: u64,
    /// The row of the last command.
    last: Option<&'static Entry>,
    /// Subscribers that are to be woken for what was published.
    wakes: Wakes,
    /// Who looks after other clients while a script runs.
    pump: Option<&'e mut (dyn Pump + 'e)>,
}

impl<'e> Batch<'e> {
    /// Begins a batch; reads the clock once for all its commands.
    #[must_use]
    pub fn new(engine: &'e Engine) -> Self {
        engine.persistence().wait_for_room();
        let now_ms = engine.clock().now_ms();
        engine.stats().sample_rate(engine, now_ms);
        let wakes = Wakes::default();
        Self { engine, held: None, held_for: 0, now_ms, commands: 0, last: None, wakes, pump: None }
    }

    /// Has somebody look after other clients while a script of this batch runs.
    #[must_use]
    pub fn pumped(mut self, pump: &'e mut (dyn Pump + 'e)) -> Self {
        self.pump = Some(pump);
        self
    }

    /// The time of its commands, Unix ms.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Runs one command for a client.
    pub fn execute(&mut self, session: &mut Session, argv: &[&[u8]], out: &mut dyn Sink) -> Flow {
        let mark = out.mark();
        let queues = session.transaction.is_some();
        let (entry, flow, result) = match self.find(session, argv) {
            Err(error) => {
                self.engine.stats().rejected.fetch_add(1, Ordering::Relaxed);
                (None, Flow::Done, Err(error))
            }
            Ok(entry) => {
                let client = &session.client;
                client.last_command.store(entry.id, Ordering::Relaxed);
                client.active_ms.store(self.now_ms, Ordering::Relaxed);
                if self.engine.pause().holds_back(self.now_ms, flags_of(entry, session)) {
                    self.leave();
                    return Flow::Later(self.engine.pause_client(session));
                }
                self.commands += 1;
                let is_sample = self.commands % SAMPLE == 1;
                let is_timed = self.engine.timing().takes(entry, argv.len());
                let watch = (is_sample || is_timed).then(Stopwatch::start);
                let monitored =
                    self.engine.monitors().any() && (!queues || entry.command.flags.has(Flag::NotQueued));
                if monitored {
                    self.engine.show(session, entry, argv, Moment::Before, false, &mut self.wakes);
                }
                let ran = self.run(entry, session, argv, out);
                if monitored {
                    self.engine.show(session, entry, argv, Moment::After, false, &mut self.wakes);
                }
                if let Some(watch) = watch {
                    let took = watch.elapsed();
                    // Calls with many arguments alone would not be a sample.
                    if is_sample || entry.may_be_slow {
                        self.engine.stats().note_time(entry.id, took);
                    }
                    // What waits has not run yet.
                    if is_timed && !matches!(ran, Ok(Flow::Wait(_))) {
                        self.engine.note_duration(session, entry, argv, took);
                    }
                }
                match ran {
                    Ok(flow) => (Some(entry), flow, Ok(())),
                    Err(error) => (Some(entry), Flow::Done, Err(error)),
                }
            }
        };
        // What subscribing answers are push messages, which those get as well who want no replies.
        let pushed = result.is_ok() && !queues && entry.is_some_and(|entry| entry.command.flags.pushes());
        if let Err(error) = result {
            out.rollback(mark);
            self.engine.stats().note_error(entry.map(|entry| entry.id), &error);
            out.error(&error.to_string());
        }
        session.end_caching(entry);
        if matches!(flow, Flow::Wait(_)) {
            // The reply is still to come, and so is what CLIENT REPLY SKIP does to it.
            return flow;
        }
        match session.reply_mode {
            ReplyMode::On => {}
            ReplyMode::Off if pushed => {}
            ReplyMode::Off => out.rollback(mark),
            ReplyMode::SkipNext => session.reply_mode = ReplyMode::Skip,
            ReplyMode::Skip => {
                if !pushed {
                    out.rollback(mark);
                }
                session.reply_mode = ReplyMode::On;
            }
        }
        flow
    }

    /// Runs one command for a caller in process: an error is returned instead of written, the command is neither
    /// held back by `CLIENT PAUSE` nor timed.
    ///
    /// # Errors
    /// The command's error; nothing is in `out` then.
    pub(crate) fn attempt(
        &mut self,
        session: &mut Session,
        argv: &[&[u8]],
        out: &mut dyn Sink,
    ) -> Result<Flow, CommandError> {
        let mark = out.mark();
        let entry = self.find(session, argv).inspect_err(|_| {
            self.engine.stats().rejected.fetch_add(1, Ordering::Relaxed);
        })?;
        self.run(entry, session, argv, out).inspect_err(|error| {
            out.rollback(mark);
            self.engine.stats().note_error(Some(entry.id), error);
        })
    }

    /// Finds the row, and refuses what the table alone can refuse.
    #[inline]
    fn find(&mut self, session: &mut Session, argv: &[&[u8]]) -> Result<&'static Entry, CommandError> {
        self.look_up(session, argv).map_err(|(entry, error)| self.refuse(session, entry, error))
    }

    /// Draws the consequences of a command's refusal.
    #[cold]
    fn refuse(&self, session: &mut Session, entry: Option<&Entry>, error: CommandError) -> CommandError {
        session.note_refused();
        match entry {
            Some(entry) if entry.full_name == "exec" => {
                // A transaction is over, as EXEC would have ended it; the words are the same where there was none.
                let _ = self.engine.discard(session);
                if error == CommandError::CrossSlot {
                    return error;
                }
                let text = error.to_string();
                let reason = text.strip_prefix("ERR ").unwrap_or(&text);
                format!("EXECABORT Transaction discarded because of: {reason}").into()
            }
            _ => error,
        }
    }

    #[inline]
    fn look_up(
        &mut self,
        session: &mut Session,
        argv: &[&[u8]],
    ) -> Result<&'static Entry, (Option<&'static Entry>, CommandError)> {
        let name = argv.first().copied().unwrap_or_default();
        let mut entry = match self.last {
            _ if self.engine.renames(session) => {
                self.engine.find_command(name).ok_or_else(|| (None, unknown(argv)))?
            }
            // Pipelines repeat themselves.
            Some(last) if name.eq_ignore_ascii_case(last.command.name.as_bytes()) => last,
            _ => TABLE.find(name).ok_or_else(|| (None, unknown(argv)))?,
        };
        self.last = Some(entry);
        if let Some(sub) = argv.get(1)
            && !entry.subcommands.is_empty()
        {
            entry = entry.subcommand(sub).ok_or_else(|| {
                let sent = shorten(sub, 128);
                let error = if self.engine.renames(session) {
                    let name = shorten(name, 128).to_ascii_uppercase();
                    CommandError::from(format!("ERR unknown subcommand '{sent}'. Try {name} HELP."))
                } else {
                    CommandError::UnknownSubcommand(sent, entry.command.name)
                };
                (Some(entry), error)
            })?;
        }
        #[cfg(feature = "testkit")]
        if let Some(error) = self.engine.faults().take(entry, session) {
            return Err((Some(entry), error));
        }
        let refused = if !entry.command.takes(argv.len()) {
            CommandError::WrongArity(entry.full_name)
        } else if !entry.command.flags.has(Flag::NoAuth) && self.engine.must_authenticate(session) {
            CommandError::NoAuth
        } else if let Err(denied) = self.engine.may_run(session, entry, argv) {
            denied
        } else if let Err(crossing) = self.engine.enter_slot(session, entry, argv) {
            crossing
        } else if self.engine.busy().is_slow() && !is_allowed_while_busy(entry, session) {
            self.engine.busy().refusal()
        } else if self.engine.memory().is_limited() && self.is_denied(session, entry) {
            CommandError::OutOfMemory
        } else if self.engine.refuses_writes() && writes(entry, session) {
            self.engine.refusal_of_writes()
        } else if session.monitoring
            && entry.command.flags.has_any(&[Flag::Write, Flag::Read, Flag::MayReplicate])
        {
            CommandError::text("ERR Replica can't interact with the keyspace")
        } else if session.subscribed
            && session.protocol == Protocol::Resp2
            && !entry.command.flags.has(Flag::Listening)
        {
            CommandError::Subscribed(entry.full_name)
        } else {
            return Ok(entry);
        };
        self.engine.stats().note_rejected(entry.id);
        Err((Some(entry), refused))
    }

    /// Whether a command is refused because memory is used up; makes room where it can.
    #[cold]
    fn is_denied(&mut self, session: &Session, entry: &Entry) -> bool {
        let flags = flags_of(entry, session);
        // What is queued takes memory, too.
        let takes = flags.has(Flag::DenyOom)
            || session.transaction.is_some() && !entry.command.flags.has(Flag::NotQueued);
        if !takes {
            return false;
        }
        let exceeds = match &mut self.held {
            Some((_, guard)) => guard.exceeds(),
            None => self.engine.is_out_of_memory(),
        };
        exceeds && {
            self.leave();
            self.engine.make_room().is_err()
        }
    }

    /// Runs a command, and notes up to where in the journal its client has written.
    #[inline]
    fn run(
        &mut self,
        entry: &'static Entry,
        session: &mut Session,
        argv: &[&[u8]],
        out: &mut dyn Sink,
    ) -> Result<Flow, CommandError> {
        if !self.engine.journal().is_on() {
            return self.run_inside(entry, session, argv, out);
        }
        let before = Journal::mine();
        let result = self.run_inside(entry, session, argv, out);
        let mine = Journal::mine();
        if mine != before {
            session.written = mine;
        }
        result
    }

    /// Enters the shards that the row says, runs the function, and counts.
    fn run_inside(
        &mut self,
        entry: &'static Entry,
        session: &mut Session,
        argv: &[&[u8]],
        out: &mut dyn Sink,
    ) -> Result<Flow, CommandError> {
        let command = entry.command;
        if session.transaction.is_some() && !command.flags.has(Flag::NotQueued) {
            session.queue(entry, argv, self.engine.settings().client_query_buffer_limit())?;
            out.simple("QUEUED");
            return Ok(Flow::Done);
        }
        if !self.wakes.is_empty() && !command.flags.has(Flag::PubSub) {
            // A row of messages wakes their subscribers once; anything else may take its time.
            self.ring();
        }
        let view = View { db: session.db, now_ms: self.now_ms, no_touch: session.no_touch };
        match command.run {
            Run::Key(function) => {
                let at = command.key_at(argv);
                let (index, key) = self.engine.router().route(argv.get(at).copied().unwrap_or_default());
                let mut args = Args::behind(argv, at);
                let engine = self.engine;
                let guard = self.hold(index)?;
                guard.stats.calls[entry.id] += 1;
                if guard.waiters.fill_reaches_beyond(key.bytes) && command.flags.has(Flag::Write) {
                    self.leave();
                    let mut entered = self
                        .engine
                        .enter_to_write(|| std::iter::once(key.bytes), view)
                        .act_for(session.client.id);
                    let changes = entered.changes();
                    let (mut keyspace, key) = entered.at(key.bytes);
                    let result = function(&mut keyspace, key, &mut args, out);
                    entered.effect_since(changes, entry, view.db, argv);
                    entered.leave();
                    return result.map(|()| Flow::Done);
                }
                let now = Now::At(view.now_ms);
                let client = session.client.id;
                let dirty = guard.stats.dirty;
                let mut keyspace = guard.keyspace(view.db, now).no_touch(view.no_touch).act_for(client);
                let result = function(&mut keyspace, key, &mut args, out);
                if session.remembers() && command.flags.has(Flag::Read) {
                    engine.remember(guard, key, session);
                }
                if guard.stats.dirty != dirty && engine.journal().is_on() {
                    engine.tell_effect(guard, view.db, view.now_ms, argv);
                }
                if guard.has_news() {
                    self.leave_to_serve(view);
                } else if command.flags.has(Flag::Write) {
                    let due_ms = guard.take_new_due_ms();
                    if self.engine.cycles().sleeps_past(due_ms) {
                        // Waking a thread is a system call, which nobody makes inside a shard.
                        self.leave();
                        self.engine.cycles().note_due(due_ms);
                    }
                }
                result.map(|()| Flow::Done)
            }
            Run::Keys(function) => {
                let mut entered = self.enter(entry, argv, view)?.act_for(session.client.id);
                let changes = entered.changes();
                let result = function(&mut entered, &mut Args::new(argv), out);
                entered.effect_since(changes, entry, view.db, argv);
                remember(&mut entered, entry, session, argv);
                entered.leave();
                result.map(|()| Flow::Done)
            }
            Run::Wait(function) => {
                let mut entered = self.enter(entry, argv, view)?.act_for(session.client.id);
                let changes = entered.changes();
                let result = function(&mut entered, &mut Args::new(argv), out);
                entered.effect_since(changes, entry, view.db, argv);
                remember(&mut entered, entry, session, argv);
                let flow = match result {
                    Ok(Some(wait)) => {
                        let waiter =
                            self.engine.wait(&mut entered, wait, argv, Arc::clone(session.client.owner()));
                        session.client.set_waiter(Some(Arc::clone(&waiter)));
                        Ok(Flow::Wait(waiter))
                    }
                    Ok(None) => Ok(Flow::Done),
                    Err(error) => Err(error),
                };
                entered.leave();
                flow
            }
            Run::Session(function) => {
                self.leave();
                self.engine.stats().calls[entry.id].fetch_add(1, Ordering::Relaxed);
                let mut args = Args::behind(argv, entry.name_args() - 1);
                let pump = self.pump.as_mut().map(|pump| &mut **pump as _);
                let mut reach = Reach::pumped(self.engine, pump);
                let result = function(session, &mut reach, &mut args, out);
                self.wakes.append(&mut reach.wakes);
                result?;
                let Some((op, deadline_ms)) = session.wait.take() else { return Ok(Flow::Done) };
                let waiter = self.engine.wait_apart(op, deadline_ms, Arc::clone(session.client.owner()));
                session.client.set_waiter(Some(Arc::clone(&waiter)));
                Ok(Flow::Wait(waiter))
            }
            Run::Container => Err(CommandError::WrongArity(entry.full_name)),
        }
    }

    /// Enters the shards of a command's keys, or all of them where its row has none.
    fn enter(&mut self, entry: &Entry, argv: &[&[u8]], view: View) -> Result<Entered<'e>, CommandError> {
        self.leave();
        self.engine.stats().calls[entry.id].fetch_add(1, Ordering::Relaxed);
        let command = entry.command;
        if matches!(command.keys, Keys::None) || command.flags.has(Flag::TouchesAll) {
            return Entered::try_enter_all(self.engine, view);
        }
        let keys = || command.keys.positions(argv).filter_map(|at| argv.get(at).copied());
        if command.flags.has(Flag::Write) {
            self.engine.try_enter_to_write(keys, view)
        } else {
            let router = self.engine.router();
            Entered::try_enter(self.engine, keys().map(|key| router.route(key).0).collect(), view)
        }
    }

    /// The shard of this number, entered now or still.
    #[inline]
    fn hold(&mut self, index: usize) -> Result<&mut Guard<'e>, CommandError> {
        let same = matches!(&self.held, Some((held, _)) if *held == index);
        if !same || self.held_for >= HOLD_MAX {
            // Left before the next is entered: one held shard at a time needs no order.
            self.held = None;
            self.held_for = 0;
        }
        self.held_for += 1;
        match &mut self.held {
            Some((_, guard)) => Ok(guard),
            held => Ok(&mut held.insert((index, self.engine.enter_unless_busy(index)?)).1),
        }
    }

    /// Leaves the held shard after serving whom it has something for.
    #[cold]
    fn leave_to_serve(&mut self, view: View) {
        if let Some((index, guard)) = self.held.take() {
            Entered::of(self.engine, index, guard, view).leave();
        }
    }

    /// Leaves the held shard. A socket must not be written to before.
    pub fn leave(&mut self) {
        self.held = None;
        self.held_for = 0;
    }

    /// Leaves the held shard and wakes the subscribers of what was published: what the end of the batch does, for a
    /// caller that waits before.
    pub fn ring(&mut self) {
        self.leave();
        self.wakes.ring();
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        if !self.wakes.is_empty() {
            self.ring();
        }
    }
}

impl Engine {
    /// Whether a session's user may run a command; what it may not is noted.
    #[inline]
    fn may_run(
        &self,
        session: &mut Session,
        entry: &'static Entry,
        argv: &[&[u8]],
    ) -> Result<(), CommandError> {
        if session.user().is_unrestricted() || entry.command.flags.has(Flag::NoAuth) {
            return Ok(());
        }
        self.ask_rules(session, entry, argv)
    }

    #[inline(never)]
    fn ask_rules(
        &self,
        session: &mut Session,
        entry: &'static Entry,
        argv: &[&[u8]],
    ) -> Result<(), CommandError> {
        let context = match &session.transaction {
            // What no transaction takes is refused for that.
            Some(_) if entry.command.flags.has(Flag::NoMulti) => return Ok(()),
            Some(_) => Context::Multi,
            None => Context::TopLevel,
        };
        session.check(entry, argv).map_err(|denied| {
            session.client.last_command.store(entry.id, Ordering::Relaxed);
            self.note_denied(session, argv, context, &denied);
            denied.error()
        })
    }

    /// Enters the shards of keys that are to be written, and those that serving whoever waits for one of them takes.
    ///
    /// # Errors
    /// `BUSY`: a script has them, and is slow.
    fn try_enter_to_write<'k, K: Iterator<Item = &'k [u8]>>(
        &self,
        keys: impl Fn() -> K,
        view: View,
    ) -> Result<Entered<'_>, CommandError> {
        let shard_of = |key: &[u8]| self.router().route(key).0;
        let mut shards: SmallVec<[usize; 8]> = keys().map(shard_of).collect();
        // Another shard may lie before these, and nobody goes back: so they are left, and entered anew together. Those
        // who wait may be others by then; after the second time they are not asked again.
        for _ in 0..2 {
            let mut entered = Entered::try_enter(self, shards.clone(), view)?;
            if !entered.shards().any(|shard| shard.waiters.reach_beyond()) {
                return Ok(entered);
            }
            let entered_len = shards.len();
            for key in keys() {
                let Some(shard) = entered.shard(shard_of(key)) else { continue };
                if !shard.waiters.fill_reaches_beyond(key) {
                    continue;
                }
                let Some(others) = shard.waiters.fill_reach(key) else {
                    drop(entered);
                    return Entered::try_enter_all(self, view);
                };
                shards.extend(others);
            }
            if shards.iter().skip(entered_len).all(|&shard| entered.holds(shard)) {
                return Ok(entered);
            }
        }
        Entered::try_enter_all(self, view)
    }

    /// The same for those who wait for a script as long as it takes.
    pub(super) fn enter_to_write<'k, K: Iterator<Item = &'k [u8]>>(
        &self,
        keys: impl Fn() -> K,
        view: View,
    ) -> Entered<'_> {
        loop {
            if let Ok(entered) = self.try_enter_to_write(&keys, view) {
                return entered;
            }
            // A slow script has them. Its end lets us in here, and then the others are tried again.
            drop(self.door(0).enter());
        }
    }
}

/// Whether a command is refused while saving fails: what writes, and what asks how it goes.
#[cold]
fn writes(entry: &Entry, session: &Session) -> bool {
    flags_of(entry, session).has(Flag::Write) || entry.full_name == "ping"
}

/// Whether a command runs while a script is slow. Its flag says so; but what a client watches stands in the shards.
#[cold]
fn is_allowed_while_busy(entry: &Entry, session: &Session) -> bool {
    let concerns_watching = matches!(entry.full_name, "discard" | "reset" | "unwatch");
    entry.command.flags.has(Flag::AllowBusy)
        && entry.full_name != "watch"
        && !(concerns_watching && session.watching.is_some())
        && !(entry.full_name == "reset" && session.is_broadcast())
}

/// Remembers what a client that tracks keys has read by a command.
#[inline]
pub(super) fn remember(entered: &mut Entered<'_>, entry: &Entry, session: &Session, argv: &[&[u8]]) {
    // A script has its own commands remembered.
    let reads = entry.command.flags.has(Flag::Read) && !matches!(entry.command.run, Run::Session(_));
    if session.remembers() && reads {
        let at = entry.command.keys.positions(argv);
        entered.remember(at.filter_map(|at| argv.get(at).copied()), session);
    }
}

/// What a command does: for `EXEC`, what any of its commands does.
#[inline]
fn flags_of(entry: &Entry, session: &Session) -> Flags {
    match &session.transaction {
        Some(transaction) if entry.full_name == "exec" => {
            Flags(entry.command.flags.0 | transaction.flags().0)
        }
        _ => entry.command.flags,
    }
}

/// The error for a name that the table does not have, with what Redis quotes of the arguments.
fn unknown(argv: &[&[u8]]) -> CommandError {
    let mut quoted = String::new();
    for arg in argv.iter().skip(1) {
        if quoted.len() >= 128 {
            break;
        }
        quoted.push_str(&format!("'{}' ", shorten(arg, 128 - quoted.len())));
    }
    let name = shorten(argv.first().copied().unwrap_or_default(), 128);
    CommandError::UnknownCommand(format!("'{name}', with args beginning with: {quoted}"))
}

/// What an error quotes of a text: so many bytes at most, and nothing from a zero byte on, where a C string ends.
fn shorten(text: &[u8], max: usize) -> String {
    let text = text.get(..max).unwrap_or(text);
    String::from_utf8_lossy(text.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned()
}

//! Scripts: Lua 5.1 inside the engine (feature `script`).
//!
//! A script runs on the thread that brought it, inside all shards: so it is atomic whatever keys it touches, declared
//! or not. Its commands are run as `EXEC` runs them, and their replies become Lua values without any encoding.
//!
//! There is one Lua state an engine, behind a lock that is only ever taken inside all shards or for compiling. One a
//! thread would save the interpreter's own lock (measured: 50 to 80 ns of a call's 430), but every thread that ever ran
//! a script would keep a state with every script compiled once more, and functions' libraries would have to be loaded
//! into each. Scripts exclude each other by what they are, so nothing would run at the same time.
//!
//! **Invariant:** the lock of the state is taken behind the doors, and nobody who holds it enters a shard.

mod answer;
mod bit;
mod cjson;
mod cmsgpack;
mod function;
mod given;
mod host;
mod number;
mod pattern;
mod payload;
mod raise;
mod redis;
mod sink;
mod strings;
mod structs;
mod vm;

use crate::clock::Stopwatch;
use crate::command::error::CommandError;
use crate::command::info::REDIS_VERSION as VERSION;
use crate::engine::{Busy, Engine, Entered, Pump, Reach, ScriptFigures, Session};
use crate::hex::hex;
use crate::reply::{Protocol, Sink};
use crate::sha1::{self, Sha1};
use answer::write;
use host::{HOST, Running};
use mlua::{Function, HookTriggers, Lua, MultiValue, RegistryKey, Table, Value, VmState};
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use raise::Failure;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use vm::{Vm, relaxed};

/// `redis.REDIS_VERSION_NUM`: a byte each for major, minor and patch.
const VERSION_NUM: u32 = 0x0007_0200;

/// Steps of a script after which it is looked at.
const TICK_STEPS: u32 = 10_000;

/// Scripts that `EVAL` brought and that are kept compiled; the one that was not used for longest goes first. Those of
/// `SCRIPT LOAD` stay.
const EVALS_MAX: usize = 500;

/// Scripts after which the state is swept.
const SWEEP_EVERY: u64 = 64;

/// A script's or a function's properties, which it may name itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    bits: u32,
    /// Whether it named any, or none: a script without a first line `#!lua` is not held to anything.
    declared: bool,
}

/// Their names, one bit each.
const FLAGS: &[&str] = &["no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"];

impl Flags {
    const NO_WRITES: u32 = 1;

    const ALLOW_OOM: u32 = 2;

    const NO_CLUSTER: u32 = 8;

    const ALLOW_CROSS_SLOT: u32 = 16;

    fn has(self, flag: u32) -> bool {
        self.bits & flag != 0
    }

    /// What holds for a script of these properties.
    fn limits(self, read_only: bool, out_of_memory: bool, in_cluster: bool) -> Result<Limits, CommandError> {
        if in_cluster && self.has(Self::NO_CLUSTER) {
            return Err(CommandError::text("ERR Can not run script on cluster, 'no-cluster' flag is set."));
        }
        let no_writes = self.has(Self::NO_WRITES);
        if read_only && self.declared && !no_writes {
            return Err(CommandError::text(
                "ERR Can not execute a script with write flag using *_ro command.",
            ));
        }
        let out_of_memory = out_of_memory && !self.has(Self::ALLOW_OOM) && !no_writes;
        if out_of_memory && self.declared {
            return Err(CommandError::OutOfMemory);
        }
        let one_slot = in_cluster && self.declared && !self.has(Self::ALLOW_CROSS_SLOT);
        Ok(Limits { read_only: read_only || no_writes, out_of_memory, one_slot })
    }
}

/// What a script may not.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Write.
    read_only: bool,
    /// Take memory, as there is none.
    out_of_memory: bool,
    /// Use keys of several slots, be it in several commands.
    one_slot: bool,
}

/// The engine's scripts and functions.
#[derive(Default)]
pub struct Scripts {
    state: Mutex<Option<Box<State>>>,
    /// Figures for those who do not want to wait.
    memory: AtomicUsize,
    scripts: AtomicUsize,
    libraries: AtomicUsize,
    functions: AtomicUsize,
}

impl std::fmt::Debug for Scripts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scripts").finish_non_exhaustive()
    }
}

struct State {
    vm: Vm,
    scripts: HashMap<Sha1, Compiled>,
    /// How many of them came by `EVAL` alone.
    evals: usize,
    libraries: function::Libraries,
    /// Runs so far, by which the least recently used is found.
    runs: u64,
}

/// A script that is compiled.
struct Compiled {
    function: RegistryKey,
    flags: Flags,
    /// Loaded by `SCRIPT LOAD`.
    kept: bool,
    used: u64,
}

/// What runs, as others are told.
pub(crate) struct About<'r> {
    name: &'r str,
    argv: &'r [&'r [u8]],
    is_function: bool,
}

/// Looks after a script that runs for long.
pub(crate) struct Ticker {
    watch: Stopwatch,
    pumped_ms: u128,
}

impl Ticker {
    fn tick(
        &mut self,
        engine: &Engine,
        about: &About<'_>,
        pump: Option<&mut (dyn Pump + '_)>,
    ) -> Option<&'static str> {
        let limit_ms = u128::from(engine.settings().busy_reply_threshold());
        let time = self.watch.elapsed();
        if limit_ms == 0 || time.as_millis() < limit_ms {
            return None;
        }
        let busy = engine.busy();
        busy.note_slow(time, || crate::engine::BusyScript {
            name: about.name.to_owned(),
            argv: about.argv.iter().map(|arg| arg.to_vec()).collect(),
            is_function: about.is_function,
            time,
        });
        if let Some(pump) = pump
            && time.as_millis() > self.pumped_ms
        {
            self.pumped_ms = time.as_millis();
            pump.pump();
        }
        busy.is_killed().then_some("ERR Script killed by user with SCRIPT KILL...")
    }
}

/// How a script is named by who runs it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'a> {
    /// Its text.
    Text(&'a [u8]),
    /// Forty digits.
    Digest(&'a [u8]),
}

impl Source<'_> {
    /// # Errors
    /// What should be a digest is none, so there is no such script.
    pub(crate) fn check(self) -> Result<(), CommandError> {
        match self {
            Source::Digest(digest) if digest.len() != 40 => Err(NO_SCRIPT),
            _ => Ok(()),
        }
    }
}

/// The arguments of a script.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arguments<'a> {
    pub keys: &'a [&'a [u8]],
    pub args: &'a [&'a [u8]],
    /// Whether it must not write.
    pub read_only: bool,
    /// The whole command.
    pub argv: &'a [&'a [u8]],
}

impl Scripts {
    /// The state, made where there is none yet.
    fn state(&self) -> Result<MappedMutexGuard<'_, State>, CommandError> {
        let mut state = self.state.lock();
        if state.is_none() {
            let made = State::new()
                .map_err(|error| CommandError::from(format!("ERR Lua does not start: {error}")))?;
            *state = Some(Box::new(made));
        }
        MutexGuard::try_map(state, |state| state.as_deref_mut())
            .map_err(|_| CommandError::text("ERR no Lua state"))
    }

    /// Brings the figures up to date.
    fn note(&self, state: &State) {
        self.memory.store(state.vm.lua.used_memory(), Ordering::Relaxed);
        self.scripts.store(state.scripts.len(), Ordering::Relaxed);
        let (libraries, functions) = state.libraries.len();
        self.libraries.store(libraries, Ordering::Relaxed);
        self.functions.store(functions, Ordering::Relaxed);
    }

    /// Figures, which may be a script old.
    #[must_use]
    pub fn figures(&self) -> ScriptFigures {
        ScriptFigures {
            memory_bytes: self.memory.load(Ordering::Relaxed),
            scripts: self.scripts.load(Ordering::Relaxed),
            libraries: self.libraries.load(Ordering::Relaxed),
            functions: self.functions.load(Ordering::Relaxed),
        }
    }

    /// Compiles a script for `EVALSHA` (`SCRIPT LOAD`).
    pub(crate) fn load(&self, source: &[u8]) -> Result<String, CommandError> {
        let mut state = self.state()?;
        let digest = sha1::digest(source);
        state.find(&digest, Some(source))?;
        if let Some(compiled) = state.scripts.get_mut(&digest)
            && !std::mem::replace(&mut compiled.kept, true)
        {
            state.evals -= 1;
        }
        self.note(&state);
        Ok(hex(&digest))
    }

    /// Whether `EVALSHA` finds a script.
    pub(crate) fn exists(&self, digest: &[u8]) -> bool {
        let state = self.state.lock();
        let Some(digest) = sha1::parse(digest) else { return false };
        state.as_ref().is_some_and(|state| state.scripts.contains_key(&digest))
    }

    /// Forgets all scripts (`SCRIPT FLUSH`).
    pub(crate) fn flush(&self) {
        if let Some(state) = &mut *self.state.lock() {
            state.scripts.clear();
            state.evals = 0;
            state.collect();
            self.note(state);
        }
    }

    /// Runs a script (`EVAL`, `EVALSHA` and their read-only forms).
    pub(crate) fn eval(
        &self,
        session: &mut Session,
        reach: &mut Reach<'_, '_>,
        source: Source<'_>,
        arguments: Arguments<'_>,
        out: &mut dyn Sink,
    ) -> Result<(), CommandError> {
        let (digest, text) = match source {
            Source::Text(text) => (sha1::digest(text), Some(text)),
            Source::Digest(digest) => (sha1::parse(digest).ok_or(NO_SCRIPT)?, None),
        };
        let out_of_memory = reach.is_out_of_memory_now();
        reach.inside_all(session.db, |entered, pump| {
            let mut state = self.state()?;
            let (function, flags) = state.find(&digest, text)?;
            let limits =
                flags.limits(arguments.read_only, out_of_memory, entered.engine().cluster().is_on())?;
            let state = &mut *state;
            let vm = &state.vm;
            let prepared = sequence(&vm.lua, arguments.keys).and_then(|keys| {
                vm.globals.raw_set("KEYS", keys)?;
                vm.globals.raw_set("ARGV", sequence(&vm.lua, arguments.args)?)
            });
            prepared.map_err(|error| failed(&error))?;
            let name = hex(&digest);
            let about = About { name: &name, argv: arguments.argv, is_function: false };
            let call = |run: &Function| run.call::<MultiValue>(function);
            let result = state.run(session, entered, pump, about, limits, call, out);
            self.note(state);
            result
        })?
    }
}

const NO_SCRIPT: CommandError = CommandError::text("NOSCRIPT No matching script. Please use EVAL.");

/// What Lua itself could not do.
fn failed(error: &mlua::Error) -> CommandError {
    format!("ERR {}", raise::behind(error)).into()
}

/// A table of strings.
fn sequence(lua: &Lua, items: &[&[u8]]) -> mlua::Result<Table> {
    lua.create_sequence_from(items.iter().map(mlua::LuaString::wrap))
}

impl State {
    fn new() -> mlua::Result<State> {
        let vm = Vm::new()?;
        arm(&vm.lua)?;
        Ok(State {
            vm,
            scripts: HashMap::new(),
            evals: 0,
            libraries: function::Libraries::default(),
            runs: 0,
        })
    }

    /// A script by its digest; compiled first where its text is given and it is not known.
    fn find(&mut self, digest: &Sha1, source: Option<&[u8]>) -> Result<(Function, Flags), CommandError> {
        self.runs += 1;
        if let Some(compiled) = self.scripts.get_mut(digest) {
            compiled.used = self.runs;
            let function = self.vm.lua.registry_value(&compiled.function).map_err(|error| failed(&error))?;
            return Ok((function, compiled.flags));
        }
        let source = source.ok_or(NO_SCRIPT)?;
        let (flags, body) = shebang(source)?;
        let function = self.vm.compile(body, "@user_script", &self.vm.env).map_err(|error| {
            CommandError::from(format!(
                "ERR Error compiling script (new function): {}",
                raise::behind(&error)
            ))
        })?;
        let key = self.vm.lua.create_registry_value(&function).map_err(|error| failed(&error))?;
        if self.evals >= EVALS_MAX {
            let oldest =
                self.scripts.iter().filter(|(_, script)| !script.kept).min_by_key(|(_, script)| script.used);
            if let Some(oldest) = oldest.map(|(digest, _)| *digest) {
                self.scripts.remove(&oldest);
                self.evals -= 1;
                self.vm.lua.expire_registry_values();
            }
        }
        self.evals += 1;
        self.scripts.insert(*digest, Compiled { function: key, flags, kept: false, used: self.runs });
        Ok((function, flags))
    }

    /// Runs a function of Lua's by `call`, inside all shards, and writes what it returns.
    #[expect(clippy::too_many_arguments, reason = "what runs, for whom, where and what for")]
    fn run<'r>(
        &mut self,
        session: &Session,
        entered: &'r mut Entered<'_>,
        pump: Option<&'r mut (dyn Pump + 'r)>,
        about: About<'_>,
        limits: Limits,
        call: impl FnOnce(&Function) -> mlua::Result<MultiValue>,
        out: &mut dyn Sink,
    ) -> Result<(), CommandError> {
        let vm = &self.vm;
        let engine = entered.engine();
        let name = about.name;
        let mut running = Running {
            session: engine.session_inside(session),
            entered,
            protocol: Protocol::Resp2,
            read_only: limits.read_only,
            out_of_memory: limits.out_of_memory,
            refuses_writes: engine.refuses_writes(),
            one_slot: limits.one_slot,
            about,
            pump,
            bytes: Vec::new(),
            ticker: Ticker { watch: Stopwatch::start(), pumped_ms: 0 },
        };
        let busy = Guard::begin(engine.busy());
        let result = HOST.set(&mut running, || vm::limited(&vm.lua, || call(&vm.run)));
        let killed = engine.busy().is_killed();
        drop(busy);
        if killed {
            // The hook that ended it came with every step.
            arm(&vm.lua).map_err(|error| failed(&error))?;
        }
        session.client.db.store(session.db as u32, Ordering::Relaxed);
        let protocol = running.protocol;
        let result = relaxed(&vm.lua, || match result {
            Err(error) => Err(failed(&error)),
            Ok(values) => finish(values, name, protocol, out),
        });
        if self.runs.is_multiple_of(SWEEP_EVERY) {
            vm.sweep();
        }
        match result? {
            None => Ok(()),
            Some(Failure { text, counted }) => {
                let error = CommandError::from(String::from_utf8_lossy(&text).into_owned());
                if !counted {
                    return Err(error);
                }
                // It was counted where it arose.
                out.error(&error.to_string());
                Ok(())
            }
        }
    }

    /// Frees what scripts that are gone took.
    fn collect(&self) {
        self.vm.lua.expire_registry_values();
        let _ = relaxed(&self.vm.lua, || self.vm.lua.gc_collect());
    }
}

/// Notes that a script runs, until it is dropped.
struct Guard<'e>(&'e Busy);

impl<'e> Guard<'e> {
    fn begin(busy: &'e Busy) -> Self {
        busy.begin();
        Self(busy)
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Writes what a script returned, or says what it raised.
fn finish(
    values: MultiValue,
    name: &str,
    protocol: Protocol,
    out: &mut dyn Sink,
) -> Result<Option<Failure>, CommandError> {
    let mut values = values.into_iter();
    let ok = values.next().unwrap_or(Value::Nil);
    let value = values.next().unwrap_or(Value::Nil);
    if ok == Value::Boolean(true) {
        return write(&value, protocol, out).map_err(|error| failed(&error));
    }
    raised(&value, name).map(Some).map_err(|error| failed(&error))
}

/// The error reply for what a script raised.
fn raised(value: &Value, name: &str) -> mlua::Result<Failure> {
    let Value::Table(table) = value else {
        // Lua had no memory left to call the handler.
        let text = match value {
            Value::String(text) => text.as_bytes().to_vec(),
            Value::Error(error) => raise::behind(error).to_string().into_bytes(),
            _ => b"execution failure".to_vec(),
        };
        return Ok(Failure { text: [b"ERR ", &*text].concat(), counted: false });
    };
    let mut failure = answer::failure(table)?
        .unwrap_or_else(|| Failure { text: b"ERR unknown error".to_vec(), counted: false });
    if let (Value::String(source), Some(line)) =
        (table.raw_get("source")?, table.raw_get::<Option<i64>>("line")?)
    {
        failure.text.extend_from_slice(format!(" script: {name}, on ").as_bytes());
        failure.text.extend_from_slice(&source.as_bytes());
        failure.text.extend_from_slice(format!(":{line}.").as_bytes());
    }
    Ok(failure)
}

/// Has the script looked at every some thousands of steps.
fn arm(lua: &Lua) -> mlua::Result<()> {
    lua.set_global_hook(HookTriggers::new().every_nth_instruction(TICK_STEPS), |lua, _| tick(lua))
}

fn tick(lua: &Lua) -> mlua::Result<VmState> {
    if HOST.is_set()
        && let Some(why) = HOST.with(|host| host.tick())
    {
        // From now on nothing that the script does goes well: it might catch this one error.
        let triggers = HookTriggers::new().every_line().every_nth_instruction(1);
        let again = |lua: &Lua, debug: &mlua::debug::Debug<'_>| {
            // What is around the script has to see how it ends.
            let is_ours = debug.source().source.as_deref() == Some("=bootstrap");
            if is_ours { Ok(VmState::Continue) } else { tick(lua) }
        };
        relaxed(lua, || lua.set_global_hook(triggers, again))?;
        return Err(raise::reply(why));
    }
    Ok(VmState::Continue)
}

/// What a function of ours asks in a long loop: whether the script is to end.
fn interrupted() -> mlua::Result<()> {
    match HOST.is_set().then(|| HOST.with(|host| host.tick())).flatten() {
        Some(why) => Err(raise::reply(why)),
        None => Ok(()),
    }
}

/// The properties that a script's first line names, and what is behind it.
fn shebang(source: &[u8]) -> Result<(Flags, &[u8]), CommandError> {
    if !source.starts_with(b"#!") {
        return Ok((Flags::default(), source));
    }
    let end = memchr::memchr(b'\n', source).ok_or(CommandError::text("ERR Invalid script shebang"))?;
    let (line, body) = source.split_at(end);
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    match words.next() {
        Some("#!lua") => {}
        Some(engine) => return Err(format!("ERR Unexpected engine in script shebang: {engine}").into()),
        None => return Err(CommandError::text("ERR Invalid engine in script shebang")),
    }
    let mut flags = Flags { bits: 0, declared: true };
    for word in words {
        let Some(names) = word.strip_prefix("flags=") else {
            return Err(format!("ERR Unknown lua shebang option: {word}").into());
        };
        for name in names.split(',').filter(|_| !names.is_empty()) {
            let Some(bit) = FLAGS.iter().position(|flag| *flag == name) else {
                return Err(format!("ERR Unexpected flag in script shebang: {name}").into());
            };
            flags.bits |= 1 << bit;
        }
    }
    Ok((flags, body))
}

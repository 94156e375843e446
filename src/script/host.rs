//! What a running script reaches: the shards, all of them entered, and a session of its own.
//!
//! Functions that scripts call live as long as the Lua state, and the entered shards for one script. The two meet in
//! [`HOST`], which is set for as long as the script runs on this thread.

use super::given::Given;
use super::raise::Failure;
use super::sink::LuaSink;
use crate::command::error::CommandError;
use crate::command::table::{Entry, Flag};
use crate::double::format_double;
use crate::engine::acl::Context;
use crate::engine::{Entered, Moment, Pump, Session, run_inside, slot_of_command};
use crate::reply::Protocol;
use mlua::{Function, Lua, Result, Value};
use scoped_tls_hkt::scoped_thread_local;
use smallvec::SmallVec;

scoped_thread_local!(pub(super) static mut HOST: for<'a> &'a mut (dyn Host + 'a));

/// What functions of `redis` ask for.
pub(super) trait Host {
    /// Runs a command: its reply, and whether that is an error; or why it was refused or failed.
    fn call(&mut self, lua: &Lua, given: &Given<'_>) -> std::result::Result<Result<(Value, bool)>, Failure>;
    /// Whether the user may run a command; `None` where it is none.
    fn may_run(&mut self, argv: &[&[u8]]) -> Option<bool>;
    /// Has replies that follow come in another protocol.
    fn set_protocol(&mut self, protocol: Protocol);
    /// Keeps a function of the library that is loaded.
    fn register(
        &mut self,
        name: Vec<u8>,
        function: Function,
        description: Option<Vec<u8>>,
        flags: u32,
    ) -> std::result::Result<(), String>;
    /// Asked every some thousands of steps: whether the script is to end, and with what text.
    fn tick(&mut self) -> Option<&'static str>;
}

/// A script that runs.
pub(super) struct Running<'r, 'n, 'e> {
    pub entered: &'r mut Entered<'e>,
    /// Its session: what it selects stays here.
    pub session: Session,
    pub protocol: Protocol,
    /// Whether it must not write.
    pub read_only: bool,
    /// Whether memory was used up when it began, and it has not said that it may run all the same. What has written
    /// already goes on: it must not end in the middle.
    pub out_of_memory: bool,
    /// Whether writes are refused because nothing can be saved; what has written already goes on here, too.
    pub refuses_writes: bool,
    /// Whether all its commands have to keep to one slot of the cluster.
    pub one_slot: bool,
    /// Its name as others are told it, and the command that runs it.
    pub about: super::About<'n>,
    pub pump: Option<&'r mut (dyn Pump + 'r)>,
    /// The arguments of the command that runs, one behind the other.
    pub bytes: Vec<u8>,
    pub ticker: super::Ticker,
}

/// An error that a script's own doing earns: with `ERR` in front.
fn refused(text: &str) -> Failure {
    Failure { text: format!("ERR {text}").into_bytes(), counted: true }
}

impl Running<'_, '_, '_> {
    /// Counts an error where it arises, and gives it to the script.
    fn fail(&self, command: Option<usize>, error: &CommandError) -> Failure {
        self.entered.engine().stats().note_error(command, error);
        Failure { text: error.to_string().into_bytes(), counted: true }
    }
}

impl Host for Running<'_, '_, '_> {
    fn call(&mut self, lua: &Lua, given: &Given<'_>) -> std::result::Result<Result<(Value, bool)>, Failure> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        let mut ends: SmallVec<[usize; 16]> = SmallVec::new();
        for value in given.values.iter() {
            match value {
                Value::String(text) => bytes.extend_from_slice(&text.as_bytes()),
                Value::Integer(value) => {
                    bytes.extend_from_slice(itoa::Buffer::new().format(*value).as_bytes())
                }
                Value::Number(value) => bytes.extend_from_slice(format_double(*value).as_bytes()),
                _ => return Err(refused("Lua redis lib command arguments must be strings or integers")),
            }
            ends.push(bytes.len());
        }
        let mut start = 0;
        let argv: SmallVec<[&[u8]; 16]> =
            ends.iter().map(|&end| &bytes[std::mem::replace(&mut start, end)..end]).collect();
        let result = self.run(lua, &argv);
        drop(argv);
        // A large value is not kept for the next command.
        if bytes.capacity() <= 64 * 1024 {
            self.bytes = bytes;
        }
        result
    }

    fn may_run(&mut self, argv: &[&[u8]]) -> Option<bool> {
        let entry = self.entered.engine().look_up_command(argv)?;
        Some(self.session.check(entry, argv).is_ok())
    }

    fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    fn register(
        &mut self,
        _: Vec<u8>,
        _: Function,
        _: Option<Vec<u8>>,
        _: u32,
    ) -> std::result::Result<(), String> {
        Err("redis.register_function can only be called on FUNCTION LOAD command".to_owned())
    }

    fn tick(&mut self) -> Option<&'static str> {
        self.ticker.tick(self.entered.engine(), &self.about, self.pump.as_deref_mut())
    }
}

impl Running<'_, '_, '_> {
    fn run(&mut self, lua: &Lua, argv: &[&[u8]]) -> std::result::Result<Result<(Value, bool)>, Failure> {
        if argv.is_empty() {
            return Err(refused("Please specify at least one argument for this redis lib call"));
        }
        let Some(entry) = self.entered.engine().look_up_command(argv) else {
            return Err(self.fail(None, &CommandError::text("ERR Unknown Redis command called from script")));
        };
        if let Err(refusal) = self.check(entry, argv) {
            return Err(self.fail(Some(entry.id), &refusal));
        }
        if entry.command.flags.has(Flag::Write) {
            self.entered.engine().busy().note_write();
            (self.out_of_memory, self.refuses_writes) = (false, false);
        }
        self.session.protocol = self.protocol;
        let mut sink = LuaSink::new(lua, self.protocol);
        let result = run_inside(self.entered, entry, &mut self.session, argv, &mut sink);
        if self.entered.engine().monitors().any() {
            self.entered.show(&self.session, entry, argv, Moment::After, true);
        }
        match result {
            Err(error) => Err(self.fail(Some(entry.id), &error)),
            Ok(()) => {
                let is_error = sink.is_error;
                Ok(sink.finish().map(|value| (value, is_error)))
            }
        }
    }

    /// What is refused before it runs, in Redis' order.
    fn check(&mut self, entry: &'static Entry, argv: &[&[u8]]) -> std::result::Result<(), CommandError> {
        let flags = entry.command.flags;
        if !entry.command.takes(argv.len()) {
            return Err(CommandError::text("ERR Wrong number of args calling Redis command from script"));
        }
        if flags.has(Flag::NoScript) && !self.entered.engine().scripts_call_all() {
            return Err(CommandError::text("ERR This Redis command is not allowed from script"));
        }
        if let Err(denied) = self.session.check(entry, argv) {
            self.entered.engine().note_denied(&self.session, argv, Context::Lua, &denied);
            let text = denied.error().to_string();
            let reason = text.strip_prefix("NOPERM ").unwrap_or(&text);
            return Err(format!("ERR ACL failure in script: {reason}").into());
        }
        if self.read_only && (flags.has(Flag::Write) || flags.has(Flag::MayReplicate)) {
            return Err(CommandError::text("ERR Write commands are not allowed from read-only scripts."));
        }
        if self.refuses_writes && flags.has(Flag::Write) {
            return Err(self.entered.engine().refusal_of_writes());
        }
        if self.out_of_memory && flags.has(Flag::DenyOom) {
            return Err(CommandError::OutOfMemory);
        }
        if self.entered.engine().cluster().is_on() {
            self.enter_slot(entry, argv)?;
        }
        Ok(())
    }

    /// Refuses a command with keys in several slots, and where the script has to keep to one, in another one.
    fn enter_slot(&mut self, entry: &Entry, argv: &[&[u8]]) -> std::result::Result<(), CommandError> {
        let slot = slot_of_command(entry, argv).map_err(|_| {
            CommandError::text("ERR Script attempted to access a non local key in a cluster node")
        })?;
        if self.one_slot
            && let Some(slot) = slot
            && *self.session.slot.get_or_insert(slot) != slot
        {
            return Err(CommandError::text(
                "ERR Script attempted to access keys that do not hash to the same slot",
            ));
        }
        Ok(())
    }
}

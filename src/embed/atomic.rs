//! Several commands as one: what the domain layer's atomic operations are made of.

use super::inside::Inside;
use super::{Damselfly, Error, Result};
use crate::command::error::CommandError;
use crate::command::table::{Run, TABLE};
use crate::engine::{Entered, Session, run_inside};
use crate::reply::{Protocol, Reply, ReplyBuilder};
use std::fmt;

/// The shards of some keys, entered by this thread and by nobody else.
pub(crate) struct Atomic<'a, 'e> {
    entered: &'a mut Entered<'e>,
    session: &'a mut Session,
}

impl fmt::Debug for Atomic<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Atomic").field("entered", &self.entered).finish_non_exhaustive()
    }
}

impl Atomic<'_, '_> {
    /// The time of the whole operation, in Unix ms.
    pub(crate) fn now_ms(&self) -> u64 {
        self.entered.now_ms()
    }

    /// Runs a command whose keys are in the shards that were entered; one that would wait gets what it gets when its
    /// time is up.
    ///
    /// # Errors
    /// The command's; [`CommandError`] too where a key is elsewhere, or the command is one of a session.
    pub(crate) fn call(&mut self, argv: &[&[u8]]) -> Result<Reply> {
        let Some(entry) = argv.first().and_then(|name| TABLE.find(name)) else {
            return Err(CommandError::text("ERR unknown command in an atomic operation").into());
        };
        let command = entry.command;
        if matches!(command.run, Run::Session(_)) || !command.takes(argv.len()) {
            return Err(CommandError::WrongArity(entry.full_name).into());
        }
        let mut keys = command.keys.positions(argv).filter_map(|at| argv.get(at));
        if !keys.all(|key| self.entered.beside(key).is_some()) {
            return Err(CommandError::text("ERR an atomic operation's keys have to share a hash tag").into());
        }
        let mut out = ReplyBuilder::new(Protocol::Resp3);
        run_inside(self.entered, entry, self.session, argv, &mut out)?;
        Ok(out.finish())
    }
}

impl Damselfly {
    /// Runs `f` inside the shards of these keys: nobody sees half of what it does. A command of it that fails undoes
    /// nothing of those before.
    ///
    /// # Errors
    /// [`Error::ReentrantCall`]; memory is used up; what `f` returns.
    pub(crate) fn atomically<R>(
        &self,
        keys: &[&[u8]],
        f: impl FnOnce(&mut Atomic<'_, '_>) -> std::result::Result<R, Error>,
    ) -> Result<R> {
        let _inside = Inside::enter()?;
        self.engine.check_writable()?;
        self.engine.make_room()?;
        let mut session = self.engine.guest_session(&self.client, self.db);
        session.protocol = Protocol::Resp3;
        let result =
            self.engine.inside_of(self.db, keys, |entered| f(&mut Atomic { entered, session: &mut session }));
        self.settle()?;
        result
    }
}

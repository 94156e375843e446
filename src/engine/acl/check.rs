//! Checks: whether a user may run a command, and what is said and noted where it may not.

use super::log::LogEntry;
use super::selector::{Objection, Question};
use super::user::{Rules, User};
use crate::command::client::describe;
use crate::command::error::CommandError;
use crate::command::table::Entry;
use crate::engine::{Engine, Session};
use std::sync::atomic::Ordering;

/// What a user may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Run the command.
    Command,
    /// Use one of its keys.
    Key,
    /// Use one of its channels.
    Channel,
    /// Be the user that it says it is.
    Auth,
}

impl Reason {
    /// The word in `ACL LOG`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Key => "key",
            Self::Channel => "channel",
            Self::Auth => "auth",
        }
    }
}

/// Where a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// By itself.
    TopLevel,
    /// In a transaction.
    Multi,
    /// In a script.
    Lua,
}

impl Context {
    /// The word in `ACL LOG`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::TopLevel => "toplevel",
            Self::Multi => "multi",
            Self::Lua => "lua",
        }
    }
}

/// A command that its user may not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Why not.
    pub reason: Reason,
    user: Box<[u8]>,
    command: &'static str,
    /// The command, the key or the channel.
    object: Box<[u8]>,
}

impl Denied {
    fn new(user: &User, command: &'static str, argv: &[&[u8]], objection: Objection) -> Self {
        let arg = |at: usize| argv.get(at).copied().unwrap_or_default().into();
        let (reason, object) = match objection {
            Objection::Command => (Reason::Command, command.as_bytes().into()),
            Objection::Key(at) => (Reason::Key, arg(at)),
            Objection::Channel(at) => (Reason::Channel, arg(at)),
        };
        Self { reason, user: user.name().into(), command, object }
    }

    /// What the client is told: keys and channels are not named.
    #[must_use]
    pub fn error(&self) -> CommandError {
        let text = match self.reason {
            Reason::Key => "NOPERM No permissions to access a key".to_owned(),
            Reason::Channel => "NOPERM No permissions to access a channel".to_owned(),
            Reason::Command | Reason::Auth => format!("NOPERM {}", self.in_full()),
        };
        text.into()
    }

    /// The sentence of `ACL DRYRUN`, which names what is refused.
    #[must_use]
    pub fn in_full(&self) -> String {
        let user = String::from_utf8_lossy(&self.user);
        let object = String::from_utf8_lossy(&self.object);
        match self.reason {
            Reason::Key => format!("User {user} has no permissions to access the '{object}' key"),
            Reason::Channel => format!("User {user} has no permissions to access the '{object}' channel"),
            Reason::Command | Reason::Auth => {
                format!("User {user} has no permissions to run the '{}' command", self.command)
            }
        }
    }

    /// What `EXEC` says of a command that could be queued and can no longer run.
    #[must_use]
    pub fn error_in_exec(&self) -> CommandError {
        let reason = match self.reason {
            Reason::Key => "no permission to touch the specified keys",
            Reason::Channel => "no permission to access one of the channels used as arguments to the command",
            Reason::Command | Reason::Auth => "no permission to execute the command or subcommand",
        };
        format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. \
             This command is no longer allowed for the following reason: {reason}"
        )
        .into()
    }
}

impl User {
    /// Whether the user may run a command, for those who are not it.
    ///
    /// # Errors
    /// It may not.
    pub fn check(&self, entry: &'static Entry, argv: &[&[u8]]) -> Result<(), Denied> {
        check(self, &self.rules(), entry, argv)
    }
}

fn check(user: &User, rules: &Rules, entry: &'static Entry, argv: &[&[u8]]) -> Result<(), Denied> {
    let question = Question { entry, argv };
    rules.check(&question).map_err(|objection| Denied::new(user, entry.full_name, argv, objection))
}

impl Session {
    /// Whether the session's user may run a command. One load where it may do everything; otherwise no lock and, for
    /// commands whose keys stand in fixed places, no allocation.
    ///
    /// # Errors
    /// It may not. Nothing is noted: see [`Engine::note_denied`].
    #[inline]
    pub fn check(&mut self, entry: &'static Entry, argv: &[&[u8]]) -> Result<(), Denied> {
        if self.user().is_unrestricted() { Ok(()) } else { self.check_rules(entry, argv) }
    }

    #[inline(never)]
    fn check_rules(&mut self, entry: &'static Entry, argv: &[&[u8]]) -> Result<(), Denied> {
        let user = std::sync::Arc::clone(self.user());
        check(&user, self.held.rules(), entry, argv)
    }
}

impl Engine {
    /// Notes that a session's command was refused: in `ACL LOG`, and in the figures of `INFO`.
    #[cold]
    pub fn note_denied(&self, session: &Session, argv: &[&[u8]], context: Context, denied: &Denied) {
        self.note(session, argv, context, denied.reason, &denied.user, &denied.object);
    }

    /// Notes that somebody did not prove to be the user it says it is.
    #[cold]
    pub fn note_failed_auth(&self, session: &Session, argv: &[&[u8]], context: Context, user: &[u8]) {
        let command = argv.first().copied().unwrap_or_default();
        self.note(session, argv, context, Reason::Auth, user, command);
    }

    fn note(
        &self,
        session: &Session,
        argv: &[&[u8]],
        context: Context,
        reason: Reason,
        user: &[u8],
        object: &[u8],
    ) {
        let log = self.acl().log();
        log.denied(reason).fetch_add(1, Ordering::Relaxed);
        let now_ms = self.clock().now_ms();
        let entry = LogEntry {
            count: 1,
            reason,
            context,
            object: object.into(),
            user: user.into(),
            client: describe(session, now_ms, argv),
            id: 0,
            created_ms: now_ms,
            updated_ms: now_ms,
        };
        log.add(entry, self.settings().acllog_max_len());
    }
}

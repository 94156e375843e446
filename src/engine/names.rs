//! Names of commands that the operator has changed (`rename-command`) or taken away (`disable-commands`).
//!
//! Clients and scripts go by these names; a program that embeds the engine calls commands by what they are. Nothing is
//! looked at here unless something was changed.

use super::{Engine, Session};
use crate::command::table::{Entry, TABLE};
use crate::config::{ConfigError, Problem, Settings, Source};
use std::collections::HashMap;

/// Names in small letters that do not mean what the table says: another command, or none.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<Vec<u8>, Option<&'static Entry>>);

impl Names {
    pub(super) fn of(settings: &Settings) -> Result<Self, ConfigError> {
        let mut names = Self::default();
        let renames = settings.rename_command();
        let words: Vec<&str> = renames.split(' ').collect();
        let disabled = settings.disable_commands();
        let pairs = words.chunks_exact(2).map(|pair| (pair[0], pair[1]));
        for (name, new) in pairs.chain(disabled.split_whitespace().map(|name| (name, ""))) {
            let problem = |text: String| ConfigError::new(Source::Program, Problem::Command(text));
            let small = |name: &str| name.to_ascii_lowercase().into_bytes();
            let Some(entry) = names.find(name.as_bytes()) else {
                return Err(problem(format!("no such command: '{name}'")));
            };
            names.0.insert(small(name), None);
            if !new.is_empty() {
                if names.find(new.as_bytes()).is_some() {
                    return Err(problem(format!("a command is called '{new}' already")));
                }
                names.0.insert(small(new), Some(entry));
            }
        }
        Ok(names)
    }

    /// Whether a command has a name left, its own or another.
    fn has(&self, entry: &Entry) -> bool {
        let is_it = |found: &Option<&'static Entry>| found.is_some_and(|found| found.id == entry.id);
        is_it(&self.find(entry.full_name.as_bytes())) || self.0.values().any(is_it)
    }

    fn find(&self, name: &[u8]) -> Option<&'static Entry> {
        match self.0.get(name.to_ascii_lowercase().as_slice()) {
            Some(&changed) => changed,
            None => TABLE.find(name),
        }
    }
}

impl Engine {
    /// Whether a client may have to be asked what it means by a name.
    #[inline]
    pub(super) fn renames(&self, session: &Session) -> bool {
        !self.names.0.is_empty() && session.client.peer.fd >= 0
    }

    /// The command that a client means.
    pub(super) fn find_command(&self, name: &[u8]) -> Option<&'static Entry> {
        self.names.find(name)
    }

    /// The command of this name (`get`), or the subcommand (`config|get`), that whoever asks means.
    pub(crate) fn find_named(&self, session: &Session, name: &[u8]) -> Option<&'static Entry> {
        let find = |name| if self.renames(session) { self.find_command(name) } else { TABLE.find(name) };
        match memchr::memchr(b'|', name) {
            None => find(name),
            Some(at) => find(name.get(..at)?)?.subcommand(name.get(at + 1..)?),
        }
    }

    /// The commands that whoever asks can run by some name.
    pub(crate) fn commands_of<'e>(
        &'e self,
        session: &Session,
    ) -> impl Iterator<Item = &'static Entry> + use<'e> {
        let renames = self.renames(session);
        TABLE.entries().iter().filter(move |entry| !renames || self.names.has(entry))
    }

    /// The command, or its subcommand, that a script means.
    #[cfg(feature = "script")]
    pub(crate) fn look_up_command(&self, argv: &[&[u8]]) -> Option<&'static Entry> {
        if self.names.0.is_empty() {
            return TABLE.look_up(argv);
        }
        let entry = self.find_command(argv.first()?)?;
        match argv.get(1) {
            Some(name) if !entry.subcommands.is_empty() => entry.subcommand(name),
            _ => Some(entry),
        }
    }
}

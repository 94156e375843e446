//! `MONITOR`: clients that are shown every command that others run.
//!
//! A command is shown once it has run, as Redis does it, and a script before its own commands are. What `EXEC` runs is
//! shown when it runs, not when it is queued. Commands of administrators are not shown, nor what a program calls in
//! process; secrets are replaced. While nobody monitors, a command costs one load.

use super::push::{Body, Push, Wakes};
use super::{Client, Engine, Session};
use crate::command::redact::redacted;
use crate::command::table::{Entry, Flag};
use parking_lot::Mutex;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Who monitors.
#[derive(Debug, Default)]
pub(crate) struct Monitors {
    clients: Mutex<Vec<Arc<Client>>>,
    len: AtomicUsize,
}

impl Monitors {
    /// Whether somebody does.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.len.load(Ordering::Relaxed) > 0
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Arc<Client>>)) {
        let mut clients = self.clients.lock();
        change(&mut clients);
        self.len.store(clients.len(), Ordering::Relaxed);
    }
}

/// At which moment a command may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// It is about to run.
    Before,
    /// It has run.
    After,
}

impl Engine {
    /// Shows a client from now on what others do (`MONITOR`).
    pub fn monitor(&self, session: &mut Session) {
        if std::mem::replace(&mut session.monitoring, true) {
            return;
        }
        session.client.monitors.store(true, Ordering::Relaxed);
        self.monitors().change(|clients| clients.push(Arc::clone(&session.client)));
    }

    /// Shows it nothing more (`RESET`, or its end).
    pub fn end_monitor(&self, session: &mut Session) {
        if std::mem::take(&mut session.monitoring) {
            session.client.monitors.store(false, Ordering::Relaxed);
            self.monitors().change(|clients| clients.retain(|client| client.id != session.client.id));
        }
    }

    /// Shows a command to those who monitor, and leaves waking to the caller. The session's database is shown as it is
    /// now; `in_script` is said of commands that a script runs.
    #[cold]
    pub(crate) fn show(
        &self,
        session: &Session,
        entry: &Entry,
        argv: &[&[u8]],
        moment: Moment,
        in_script: bool,
        wakes: &mut Wakes,
    ) {
        let flags = entry.command.flags;
        let is_script = flags.has(Flag::SkipMonitor);
        if is_script != (moment == Moment::Before) || flags.has(Flag::Admin) {
            return;
        }
        let line = line(self.clock().now_us(), session, &redacted(entry, argv), in_script);
        let clients = self.monitors().clients.lock();
        let push = Push::new(Body::Monitor(&line), clients.len());
        let settings = self.settings();
        // Without a limit of its own a monitor that does not read is cut where a subscriber is.
        let limit = match settings.output_limit_normal().hard_bytes {
            0 => settings.output_limit_pubsub().hard_bytes,
            limit => limit,
        };
        for client in clients.iter() {
            if client.push(&push, client.room(limit)) {
                wakes.add(client);
            }
        }
    }
}

/// A command as `MONITOR` shows it: when, on which database, from where, and its arguments in quotes.
fn line(now_us: u64, session: &Session, argv: &[&[u8]], in_script: bool) -> String {
    let mut line = String::new();
    let peer = &session.client.peer;
    // A string takes whatever is written.
    let _ = write!(line, "{}.{:06} [{} ", now_us / 1_000_000, now_us % 1_000_000, session.db);
    match peer {
        _ if in_script => line.push_str("lua"),
        peer if peer.unix => {
            let _ = write!(line, "unix:{}", peer.addr.strip_suffix(":0").unwrap_or(&peer.addr));
        }
        peer => line.push_str(&peer.addr),
    }
    line.push(']');
    for arg in argv {
        line.push_str(" \"");
        for &byte in *arg {
            match byte {
                b'\\' | b'"' => line.extend(['\\', char::from(byte)]),
                b'\n' => line.push_str("\\n"),
                b'\r' => line.push_str("\\r"),
                b'\t' => line.push_str("\\t"),
                7 => line.push_str("\\a"),
                8 => line.push_str("\\b"),
                b' '..=b'~' => line.push(char::from(byte)),
                byte => {
                    let _ = write!(line, "\\x{byte:02x}");
                }
            }
        }
        line.push('"');
    }
    line
}

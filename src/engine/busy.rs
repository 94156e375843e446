//! A script that runs for long, as others see it.
//!
//! A script is inside all shards, so whoever wants into one waits for it. Once it has run for `busy-reply-threshold`
//! it is slow: from then on clients are answered `BUSY` instead, but for the commands that may end it. The thread that
//! runs it looks after its other clients in between, by its [`Pump`].

use crate::command::error::CommandError;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Answers clients in the midst of a script.
pub trait Pump {
    /// Looks after whoever has sent something. The caller is inside all shards.
    fn pump(&mut self);
}

impl std::fmt::Debug for dyn Pump + '_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pump")
    }
}

/// The script that runs, if any. Only its own thread writes here, but for the wish that it end.
#[derive(Debug, Default)]
pub struct Busy {
    /// Whether a script runs.
    running: AtomicBool,
    /// Whether it has run for too long.
    slow: AtomicBool,
    /// Whether it has run a command that writes.
    wrote: AtomicBool,
    /// Whether it is to end.
    killed: AtomicBool,
    /// What `FUNCTION STATS` tells of it, once it is slow.
    about: Mutex<Option<Running>>,
}

/// A slow script.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its digest, or its function's name.
    pub name: String,
    /// The command that runs it.
    pub argv: Vec<Vec<u8>>,
    /// Whether it is a function's.
    pub is_function: bool,
    /// How long it had run when that was last looked at.
    pub time: Duration,
}

/// Figures of scripts and functions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScriptFigures {
    /// Bytes that the Lua state takes.
    pub memory_bytes: usize,
    /// Scripts that `EVALSHA` finds.
    pub scripts: usize,
    /// Libraries of functions.
    pub libraries: usize,
    /// Functions in them.
    pub functions: usize,
}

impl Busy {
    /// Whether a script is slow, so that commands are refused. One load.
    #[inline]
    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Acquire)
    }

    /// Has it end even if it has written: the server ends.
    pub fn stop(&self) {
        self.killed.store(true, Ordering::Relaxed);
    }

    /// The slow script.
    #[must_use]
    pub fn slow(&self) -> Option<Running> {
        self.about.lock().clone()
    }

    /// The refusal of a command while a script is slow.
    #[must_use]
    pub fn refusal(&self) -> CommandError {
        match self.slow() {
            Some(running) if running.is_function => CommandError::text(
                "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.",
            ),
            _ => CommandError::text(
                "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
            ),
        }
    }

    /// Asks the script to end (`SCRIPT KILL`, or `FUNCTION KILL` where it is a function's).
    ///
    /// # Errors
    /// There is none, it has written, or it is of the other kind.
    pub fn kill(&self, function: bool) -> Result<(), CommandError> {
        if !self.running.load(Ordering::Acquire) {
            return Err(CommandError::text("NOTBUSY No scripts in execution right now."));
        }
        if self.wrote.load(Ordering::Relaxed) {
            return Err(CommandError::text(
                "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either \
                 wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
            ));
        }
        if self.slow().is_some_and(|running| running.is_function != function) {
            return Err(self.refusal());
        }
        self.killed.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// For the thread that runs the script.
#[cfg(feature = "script")]
impl Busy {
    /// Notes that a script begins. Its thread is inside all shards, so it is the only one.
    pub(crate) fn begin(&self) {
        self.wrote.store(false, Ordering::Relaxed);
        self.killed.store(false, Ordering::Relaxed);
        self.running.store(true, Ordering::Release);
    }

    /// Notes that it has ended.
    pub(crate) fn end(&self) {
        self.running.store(false, Ordering::Release);
        if self.slow.swap(false, Ordering::AcqRel) {
            *self.about.lock() = None;
        }
    }

    /// Notes that it writes.
    #[inline]
    pub(crate) fn note_write(&self) {
        self.wrote.store(true, Ordering::Relaxed);
    }

    /// Notes that it is slow, or slow still.
    pub(crate) fn note_slow(&self, time: Duration, about: impl FnOnce() -> Running) {
        let mut slot = self.about.lock();
        match &mut *slot {
            Some(running) => running.time = time,
            None => *slot = Some(about()),
        }
        drop(slot);
        self.slow.store(true, Ordering::Release);
    }

    /// Whether somebody wants it to end.
    pub(crate) fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Relaxed)
    }
}

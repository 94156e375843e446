//! Where log lines go: standard output or a file, as text or JSON, filtered by `loglevel`.
//!
//! Owns the process's one subscriber. The filter is an atomic, so that `CONFIG SET loglevel` takes effect at once.
//! Redis' levels stand for tracing's: warning lets ERROR and WARN through, notice INFO too, verbose DEBUG, debug TRACE.

use crate::config::{Config, LogFormat, LogLevel};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tracing::Level;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

/// How many of tracing's levels are let through, ERROR first.
static LEVELS: AtomicUsize = AtomicUsize::new(3);

/// Why there will be no log.
#[derive(Debug)]
#[non_exhaustive]
pub enum LogError {
    /// The log file cannot be opened.
    File(PathBuf, io::Error),
    /// The process logs elsewhere already.
    Taken,
}

impl fmt::Display for LogError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::File(path, error) => {
                write!(out, "cannot open the log file {}: {error}", path.display())
            }
            LogError::Taken => out.write_str("this process has a log already"),
        }
    }
}

impl std::error::Error for LogError {}

/// Sends the process's log where `config` says.
///
/// # Errors
/// When the log file cannot be opened, or the process has a subscriber.
pub fn init(config: &Config) -> Result<(), LogError> {
    set_level(config.loglevel);
    let (writer, colours) = match config.logfile.as_str() {
        "" => (BoxMakeWriter::new(io::stdout), io::stdout().is_terminal()),
        path => (BoxMakeWriter::new(Arc::new(open(path)?)), false),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
    let passes = dynamic_filter_fn(|event, _| rank(*event.level()) <= LEVELS.load(Relaxed));
    let lines = match config.log_format {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(passes));
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Taken)
}

/// Changes what is let through from now on.
pub fn set_level(level: LogLevel) {
    let levels = match level {
        LogLevel::Nothing => 0,
        LogLevel::Warning => 2,
        LogLevel::Notice => 3,
        LogLevel::Verbose => 4,
        LogLevel::Debug => 5,
    };
    LEVELS.store(levels, Relaxed);
}

fn rank(level: Level) -> usize {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// A file that each line is appended to by one write, so that rotating by truncation works.
fn open(path: &str) -> Result<File, LogError> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.map_err(|error| LogError::File(PathBuf::from(path), error))
}

//! The live settings: read by everything that runs, changed by `CONFIG SET`.
//!
//! A number is an atomic of its own, so reading one on a hot path is a single relaxed load; texts stand behind a lock.
//! A change goes through three steps under one mutex: check all, store all, let those who must act on it act. If any of
//! it fails, everything is put back.

use super::file::{replace, rewritten};
use super::rows::{COUNT, Change, ClusterMode, Config, Id, ROWS, Row, default_value};
use super::value::{Kind, OutputLimit, OutputLimits, Value, ValueError};
use super::{ConfigError, UserLine, cause, find};
use crate::glob;
use parking_lot::{Mutex, RwLock};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::{fmt, fs, io, thread};

/// Somebody who must act when a setting changes: told the settings and the name, answers why it cannot be.
type Listener = Box<dyn Fn(&Settings, &str) -> Result<(), String> + Send + Sync>;

/// The settings of a running engine, shared by all its threads.
///
/// ```
/// use damselfly::config::{Config, Settings};
/// let settings = Settings::new(&Config::default())?;
/// settings.set(&[(b"timeout", b"60"), (b"hz", b"20")]).expect("both are live");
/// assert_eq!(settings.timeout(), 60);
/// assert_eq!(settings.get(&[b"tim*"]), [("timeout".to_owned(), "60".to_owned())]);
/// # Ok::<(), damselfly::config::ConfigError>(())
/// ```
pub struct Settings {
    numbers: [AtomicI64; COUNT],
    texts: RwLock<Vec<Arc<str>>>,
    /// Normal, replica, pubsub; hard, soft, seconds.
    limits: [[AtomicU64; 3]; 3],
    cores: u32,
    /// Absolute.
    dir: PathBuf,
    file: Option<PathBuf>,
    /// The `user` lines that the configuration came with.
    users: Vec<UserLine>,
    /// Held over a whole change, so that changes do not interleave.
    changes: Mutex<()>,
    listeners: RwLock<Vec<Listener>>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = ROWS.iter().enumerate().filter(|(_, row)| !row.is_sensitive());
        out.debug_map().entries(shown.map(|(index, row)| (row.name, self.shown(index)))).finish()
    }
}

/// Why `CONFIG SET` refused; prints as the wire's error. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetError {
    /// No setting has this name.
    Unknown(String),
    /// The setting changes at start only.
    Immutable(String),
    /// The setting is protected.
    Protected(String),
    /// The setting is named twice.
    Duplicate(String),
    /// The setting does not take this text.
    Value(String, ValueError),
    /// Whoever must act on the change could not.
    Refused(String, String),
}

impl fmt::Display for SetError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut failed = |name: &str, reason: &dyn fmt::Display| {
            write!(out, "ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}")
        };
        match self {
            SetError::Immutable(name) => failed(name, &"can't set immutable config"),
            SetError::Protected(name) => failed(name, &"can't set protected config"),
            SetError::Duplicate(name) => failed(name, &"duplicate parameter"),
            SetError::Value(name, reason) => failed(name, reason),
            SetError::Refused(name, reason) => failed(name, reason),
            SetError::Unknown(name) => {
                write!(out, "ERR Unknown option or number of arguments for CONFIG SET - '{name}'")
            }
        }
    }
}

impl std::error::Error for SetError {}

/// Why `CONFIG REWRITE` failed; prints as the wire's error.
#[derive(Debug)]
#[non_exhaustive]
pub enum RewriteError {
    /// The configuration came from no file.
    NoFile,
    /// The file could not be read or replaced; it is as it was.
    Io(io::Error),
}

impl fmt::Display for RewriteError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RewriteError::NoFile => out.write_str("ERR The server is running without a config file"),
            RewriteError::Io(error) => write!(out, "ERR Rewriting config file: {}", cause(error)),
        }
    }
}

impl std::error::Error for RewriteError {}

impl Settings {
    /// The settings that `config` says.
    ///
    /// # Errors
    /// When a field of `config` is out of its range.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        config.check()?;
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        let settings = Self {
            numbers: [const { AtomicI64::new(0) }; COUNT],
            texts: RwLock::new(vec![Arc::from(""); COUNT]),
            limits: [const { [const { AtomicU64::new(0) }; 3] }; 3],
            cores: u32::try_from(cores).unwrap_or(u32::MAX),
            dir: fs::canonicalize(&config.dir).unwrap_or_else(|_| PathBuf::from(&config.dir)),
            file: config.file.clone(),
            users: config.users.clone(),
            changes: Mutex::new(()),
            listeners: RwLock::new(Vec::new()),
        };
        for (index, value) in config.values().iter().enumerate() {
            settings.store(index, value);
        }
        // Two names for one thing; each says yes for both.
        if config.cluster_enabled || config.cluster_mode == ClusterMode::Emulated {
            settings.store(Id::cluster_enabled as usize, &Value::Number(1));
            settings.store(Id::cluster_mode as usize, &Value::Number(ClusterMode::Emulated as i64));
        }
        Ok(settings)
    }

    /// `CONFIG GET`: names and values that any of the patterns matches, each name once. A name without a wildcard is
    /// answered as it was given, in any case.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = Vec::new();
        let mut add = |name: String, index: usize| {
            if !found.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
                found.push((name, self.shown(index)));
            }
        };
        for pattern in patterns {
            if !pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')) {
                // New names of commands are as good as secrets.
                if let Some((index, _)) = find(pattern)
                    && ROWS[index].kind != Kind::Renames
                {
                    add(String::from_utf8_lossy(pattern).into_owned(), index);
                }
                continue;
            }
            let shown = |row: &Row| !row.is_hidden() && row.kind != Kind::Renames;
            for (index, row) in ROWS.iter().enumerate().filter(|(_, row)| shown(row)) {
                for name in [Some(row.name), row.alias].into_iter().flatten() {
                    if glob::matches(pattern, name.as_bytes(), true) {
                        add(name.to_owned(), index);
                    }
                }
            }
        }
        found
    }

    /// `CONFIG SET`: all of the pairs, or none. A setting without effect here takes its default, so that clients that
    /// switch off what there is not are content.
    ///
    /// # Errors
    /// The first pair that cannot be, in Redis' words.
    pub fn set(&self, pairs: &[(&[u8], &[u8])]) -> Result<(), SetError> {
        let _change = self.changes.lock();
        let mut named: Vec<(usize, &'static str)> = Vec::with_capacity(pairs.len());
        for (name, text) in pairs {
            let given = || String::from_utf8_lossy(name).into_owned();
            let (index, known) = find(name).ok_or_else(|| SetError::Unknown(given()))?;
            let row = &ROWS[index];
            match row.change {
                Change::Live | Change::Idle => {}
                Change::Later => match std::str::from_utf8(text).map(|text| row.kind.parse(text, None)) {
                    Ok(Ok(value)) if value == default_value(row) => {}
                    _ => return Err(SetError::Immutable(given())),
                },
                Change::Protected => return Err(SetError::Protected(given())),
                Change::Start => return Err(SetError::Immutable(given())),
            }
            if named.contains(&(index, known)) {
                return Err(SetError::Duplicate(given()));
            }
            named.push((index, known));
        }

        let mut before: Vec<(usize, Value)> = Vec::with_capacity(pairs.len());
        let mut changed: Vec<(usize, Value, &'static str)> = Vec::with_capacity(pairs.len());
        for ((index, known), (_, text)) in named.into_iter().zip(pairs) {
            // A name and its older name may both be given: the later one builds on the earlier.
            let earlier = changed.iter().rev().find(|(other, ..)| *other == index);
            let current = earlier.map_or_else(|| self.value(index), |(_, value, _)| value.clone());
            let text = std::str::from_utf8(text).map_err(|_| ValueError::NotText);
            let parsed = text.and_then(|text| ROWS[index].kind.parse(text, Some(&current)));
            let value = parsed.map_err(|reason| SetError::Value(known.to_owned(), reason))?;
            before.push((index, self.value(index)));
            changed.push((index, value, known));
        }

        for (index, value, _) in &changed {
            self.store(*index, value);
        }
        for (index, _, known) in &changed {
            if let Err(reason) = self.announce(ROWS[*index].name) {
                for (index, value) in before.iter().rev() {
                    self.store(*index, value);
                }
                for (index, ..) in &changed {
                    // They accepted these values before; there is nothing else to go back to.
                    let _ = self.announce(ROWS[*index].name);
                }
                return Err(SetError::Refused((*known).to_owned(), reason));
            }
        }
        Ok(())
    }

    /// Brings the configuration file up to date, keeping its comments, its order and its `user` lines.
    ///
    /// # Errors
    /// When there is no file, or it cannot be read or replaced.
    pub fn rewrite(&self) -> Result<(), RewriteError> {
        self.rewrite_with_users(None)
    }

    /// `CONFIG REWRITE`: the same, and where there are lines for users they take the place of those in the file.
    ///
    /// # Errors
    /// When there is no file, or it cannot be read or replaced.
    pub fn rewrite_with_users(&self, users: Option<&[String]>) -> Result<(), RewriteError> {
        let _change = self.changes.lock();
        let file = self.file.as_deref().ok_or(RewriteError::NoFile)?;
        let old = match fs::read(file) {
            Ok(old) => String::from_utf8_lossy(&old).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(RewriteError::Io(error)),
        };
        let values: Vec<Value> = (0..COUNT).map(|index| self.value(index)).collect();
        replace(file, rewritten(&old, &values, users).as_bytes()).map_err(RewriteError::Io)
    }

    /// Has `listener` told of every change, after it is stored: the settings, and the setting's name. A refusal takes
    /// the whole `CONFIG SET` back. The listener must not change settings itself.
    pub fn on_change(
        &self,
        listener: impl Fn(&Settings, &str) -> Result<(), String> + Send + Sync + 'static,
    ) {
        self.listeners.write().push(Box::new(listener));
    }

    /// The configuration as it stands now, for a program that wants to start another engine like this one.
    pub fn config(&self) -> Config {
        let values: Vec<Value> = (0..COUNT).map(|index| self.value(index)).collect();
        Config { users: self.users.clone(), ..Config::of(&values, self.file.clone()) }
    }

    /// The `user` lines that the configuration came with; the users that there are now are access control's business.
    pub fn users(&self) -> &[UserLine] {
        &self.users
    }

    /// The file the configuration came from.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// `client-output-buffer-limit` of clients that neither replicate nor subscribe: three relaxed loads.
    pub fn output_limit_normal(&self) -> OutputLimit {
        self.output_limit(0)
    }

    /// `client-output-buffer-limit` of replicas: three relaxed loads.
    pub fn output_limit_replica(&self) -> OutputLimit {
        self.output_limit(1)
    }

    /// `client-output-buffer-limit` of subscribers: three relaxed loads.
    pub fn output_limit_pubsub(&self) -> OutputLimit {
        self.output_limit(2)
    }

    /// Event loops to run: `io-threads`, or as many as there are cores.
    pub fn io_threads_effective(&self) -> u32 {
        match self.io_threads() {
            0 => self.cores.clamp(1, 128),
            threads => threads,
        }
    }

    /// The rules of `save`: seconds and changes.
    #[must_use]
    pub fn save_rules(&self) -> Vec<(u64, u64)> {
        super::value::save_rules(&self.save()).unwrap_or_default()
    }

    /// Shards to run: `shards`, or the power of two from four times the cores on, 16 to 256.
    pub fn shards_effective(&self) -> u32 {
        match self.shards() {
            0 => self.cores.saturating_mul(4).checked_next_power_of_two().unwrap_or(256).clamp(16, 256),
            shards => shards,
        }
    }

    pub(super) fn number(&self, index: usize) -> i64 {
        self.numbers[index].load(Relaxed)
    }

    pub(super) fn text(&self, index: usize) -> Arc<str> {
        Arc::clone(&self.texts.read()[index])
    }

    pub(super) fn output_limits(&self) -> OutputLimits {
        OutputLimits {
            normal: self.output_limit(0),
            replica: self.output_limit(1),
            pubsub: self.output_limit(2),
        }
    }

    fn output_limit(&self, class: usize) -> OutputLimit {
        let [hard, soft, seconds] = &self.limits[class];
        OutputLimit {
            hard_bytes: hard.load(Relaxed),
            soft_bytes: soft.load(Relaxed),
            soft_seconds: seconds.load(Relaxed),
        }
    }

    fn value(&self, index: usize) -> Value {
        match ROWS[index].kind {
            Kind::Text | Kind::Directory | Kind::List | Kind::SaveRules | Kind::Renames | Kind::Words => {
                Value::Text(self.text(index).as_ref().to_owned())
            }
            Kind::OutputLimits => Value::Text(self.output_limits().to_string()),
            _ => Value::Number(self.number(index)),
        }
    }

    fn store(&self, index: usize, value: &Value) {
        match (ROWS[index].kind, value) {
            (Kind::OutputLimits, Value::Text(text)) => {
                let limits = OutputLimits::of(text);
                for (cells, limit) in self.limits.iter().zip([limits.normal, limits.replica, limits.pubsub]) {
                    let numbers = [limit.hard_bytes, limit.soft_bytes, limit.soft_seconds];
                    for (cell, number) in cells.iter().zip(numbers) {
                        cell.store(number, Relaxed);
                    }
                }
            }
            (_, Value::Text(text)) => self.texts.write()[index] = Arc::from(text.as_str()),
            (_, Value::Number(number)) => self.numbers[index].store(*number, Relaxed),
        }
    }

    /// What `CONFIG GET` answers: the effective number where the setting says 'automatic', the directory in full.
    fn shown(&self, index: usize) -> String {
        match index {
            _ if index == Id::io_threads as usize => self.io_threads_effective().to_string(),
            _ if index == Id::shards as usize => self.shards_effective().to_string(),
            _ if index == Id::dir as usize => self.dir.display().to_string(),
            _ => ROWS[index].kind.show(&self.value(index)),
        }
    }

    fn announce(&self, name: &str) -> Result<(), String> {
        self.listeners.read().iter().try_for_each(|listener| listener(self, name))
    }
}

//! Settings under their redis.conf names: what they are, where they come from, and how they change.
//!
//! Owns the table of settings ([`ROWS`]), the plain [`Config`] that a program or the server starts from, and the live
//! [`Settings`] that everything running reads. Knows nothing of what a setting does.
//!
//! **Invariant:** a value that is kept has passed its row's check, whatever it came from. The precedence is flag over
//! environment variable over file over default; a value that is overridden must be right all the same.

mod file;
mod rows;
mod settings;
mod value;

pub use file::{ConfigText, UserLine};
pub use rows::{
    Allowed, AppendFsync, Change, ClusterMode, Config, EvictionPolicy, Group, LogFormat, LogLevel,
    PubSubDefault, ROWS, Row, TlsClients,
};
pub use settings::{RewriteError, SetError, Settings};
pub use value::{Kind, OutputLimit, OutputLimits, ValueError, events};

pub(crate) use file::{read, replace, split_words};
pub(crate) use value::{memory, quoted_bytes};

use crate::glob;
use rows::default_value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};
use value::Value;

/// What every environment variable of damselfly begins with.
const ENV_PREFIX: &str = "DAMSELFLY_";

/// Variables with that beginning that are no settings.
const ENV_OTHERS: [&str; 1] = ["DAMSELFLY_ORACLE"];

/// Where a value came from, as an error names it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A file as a whole.
    File(String),
    /// A line of a file, from 1.
    Line(String, usize),
    /// A flag of the command line, without its dashes.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// The embedding program: a field of [`Config`], or [`Config::set`].
    Program,
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(name) | Source::Variable(name) => out.write_str(name),
            Source::Line(name, line) => write!(out, "{name}:{line}"),
            Source::Flag(name) => write!(out, "--{name}"),
            Source::Program => out.write_str("config"),
        }
    }
}

/// What is wrong with a configuration.
#[derive(Debug)]
#[non_exhaustive]
pub enum Problem {
    /// No setting has this name; perhaps the other one was meant.
    Unknown(String, Option<&'static str>),
    /// The setting does not take this text.
    Bad {
        /// The setting.
        name: &'static str,
        /// The text; empty where it is a secret.
        given: String,
        /// What is wrong with it.
        reason: ValueError,
    },
    /// What the setting governs is not part of this version.
    Unsupported {
        /// The setting.
        name: &'static str,
        /// The only text it takes.
        only: &'static str,
    },
    /// A directive of Redis that is no setting and not supported.
    UnsupportedDirective(String),
    /// A quote is not closed, or something follows a closing quote.
    UnbalancedQuotes,
    /// Not UTF-8.
    NotText,
    /// The file cannot be read.
    Unreadable(io::Error),
    /// An included file cannot be read.
    Included {
        /// As it was given.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// `include` without a file, or with several.
    IncludeWantsAFile,
    /// Files include each other.
    IncludesTooDeep,
    /// No command has this name, or one of the new name exists.
    Command(String),
    /// What access control has against a user.
    User(String),
    /// Users stand in the configuration file though there is an ACL file.
    UsersBesideFile,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Unknown(name, None) => write!(out, "unknown setting '{name}'"),
            Problem::Unknown(name, Some(near)) => {
                write!(out, "unknown setting '{name}', did you mean '{near}'?")
            }
            Problem::Bad { name, given, reason } if given.is_empty() => write!(out, "{name}: {reason}"),
            Problem::Bad { name, given, reason } => write!(out, "{name} '{given}': {reason}"),
            Problem::Unsupported { name, only } => {
                write!(out, "{name} is not supported by this version, except as '{only}'")
            }
            Problem::UnsupportedDirective(name) => write!(out, "{name} is not supported by this version"),
            Problem::UnbalancedQuotes => out.write_str("unbalanced quotes"),
            Problem::NotText => out.write_str("not UTF-8 text"),
            Problem::Unreadable(error) => write!(out, "cannot read the configuration: {}", cause(error)),
            Problem::Included { file, error } => write!(out, "cannot read '{file}': {}", cause(error)),
            Problem::IncludeWantsAFile => out.write_str("include takes one file"),
            Problem::IncludesTooDeep => out.write_str("files include each other too deeply"),
            Problem::Command(reason) => out.write_str(reason),
            Problem::User(reason) => out.write_str(reason),
            Problem::UsersBesideFile => {
                out.write_str("users are defined here and in the aclfile; there can be only one place")
            }
        }
    }
}

/// A configuration that cannot be used: one line, naming the source.
#[derive(Debug)]
pub struct ConfigError {
    source: Source,
    problem: Problem,
}

impl ConfigError {
    pub(crate) fn new(source: Source, problem: Problem) -> Self {
        Self { source, problem }
    }

    /// Where the trouble is.
    pub fn origin(&self) -> &Source {
        &self.source
    }

    /// What the trouble is.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = &self.source;
        let line = match (source, &self.problem) {
            // A flag or a variable is the setting's name already.
            (Source::Flag(_) | Source::Variable(_), Problem::Bad { given, reason, .. }) => {
                match given.as_str() {
                    "" => format!("{source}: {reason}"),
                    _ => format!("{source} '{given}': {reason}"),
                }
            }
            (Source::Flag(_) | Source::Variable(_), Problem::Unsupported { only, .. }) => {
                format!("{source} is not supported by this version, except as '{only}'")
            }
            (_, problem) => format!("{source}: {problem}"),
        };
        // A value may hold a newline; the message is one line all the same.
        out.write_str(&line.replace(['\n', '\r'], " "))
    }
}

impl std::error::Error for ConfigError {}

impl Default for Config {
    fn default() -> Self {
        let values: Vec<Value> = ROWS.iter().map(default_value).collect();
        Self::of(&values, None)
    }
}

impl Config {
    /// Puts a configuration together: `flags` (name without dashes, text) over the variables of `environment` that
    /// begin with `DAMSELFLY_` over `file` over the defaults. Within a source the later one wins.
    ///
    /// ```
    /// use damselfly::config::{Config, ConfigText};
    /// let file = ConfigText { name: "a.conf".into(), path: None, bytes: b"port 7000\nhz 20".to_vec() };
    /// let config = Config::from_sources(&[("port".into(), "7001".into())], [], Some(&file))?;
    /// assert_eq!((config.port, config.hz), (7001, 20));
    /// # Ok::<(), damselfly::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// The first bad value, unknown name or unreadable file, with where it stands.
    pub fn from_sources(
        flags: &[(String, String)],
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        file: Option<&ConfigText>,
    ) -> Result<Self, ConfigError> {
        let mut draft = Draft { values: ROWS.iter().map(default_value).collect() };
        let contents = file.map(file::contents).transpose()?.unwrap_or_default();
        for directive in contents.directives {
            draft.take(directive.source, &directive.name, &directive.words)?;
        }
        for (variable, text) in variables(environment)? {
            let name = variable[ENV_PREFIX.len()..].to_ascii_lowercase().replace('_', "-");
            draft.take(Source::Variable(variable), &name, &[text])?;
        }
        for (name, text) in flags {
            draft.take(Source::Flag(name.clone()), name, std::slice::from_ref(text))?;
        }
        let users = contents.users;
        Ok(Self { users, ..Self::of(&draft.values, file.and_then(|file| file.path.clone())) })
    }

    /// Sets one setting by its redis.conf name.
    ///
    /// # Errors
    /// When there is no such setting, or it does not take this text.
    pub fn set(&mut self, name: &str, text: &str) -> Result<(), ConfigError> {
        let mut draft = Draft { values: self.values() };
        draft.take(Source::Program, name, &[text.to_owned()])?;
        let users = std::mem::take(&mut self.users);
        *self = Self { users, ..Self::of(&draft.values, self.file.take()) };
        Ok(())
    }

    /// Checks every field against its range.
    ///
    /// # Errors
    /// The first field out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut draft = Draft { values: ROWS.iter().map(default_value).collect() };
        for (row, value) in ROWS.iter().zip(self.values()) {
            draft.take(Source::Program, row.name, &[row.kind.show(&value)])?;
        }
        for (name, text) in &self.idle {
            draft.take(Source::Program, name, std::slice::from_ref(text))?;
        }
        Ok(())
    }

    /// The addresses of `bind`, and whether each may be absent.
    pub fn bind_addresses(&self) -> impl Iterator<Item = (&str, bool)> {
        self.bind.split_whitespace().map(|word| match word.strip_prefix('-') {
            Some(address) => (address, true),
            None => (word, false),
        })
    }
}

/// Values on their way from texts to a [`Config`].
struct Draft {
    values: Vec<Value>,
}

impl Draft {
    fn take(&mut self, source: Source, name: &str, words: &[String]) -> Result<(), ConfigError> {
        let Some((index, _)) = find(name.as_bytes()) else {
            return Err(ConfigError::new(source, Problem::Unknown(name.to_owned(), nearest(name))));
        };
        let row = &ROWS[index];
        let parsed = match words {
            [text] => row.kind.parse(text, Some(&self.values[index])),
            // `save 900 1` on one line, or limits of a class.
            [_, ..] if row.kind.is_list() => row.kind.parse(&words.join(" "), Some(&self.values[index])),
            _ => Err(ValueError::WrongNumberOfArguments),
        };
        let value = match parsed {
            Ok(value) => value,
            Err(reason) => {
                let given = if row.is_sensitive() { String::new() } else { words.join(" ") };
                return Err(ConfigError::new(source, Problem::Bad { name: row.name, given, reason }));
            }
        };
        if row.change == Change::Later && value != default_value(row) {
            let problem = Problem::Unsupported { name: row.name, only: row.default };
            return Err(ConfigError::new(source, problem));
        }
        self.values[index] = value;
        Ok(())
    }
}

/// The variables that are meant for damselfly, sorted. Kubernetes announces a service called `damselfly` to every
/// container by variables such as `DAMSELFLY_PORT=tcp://10.0.0.1:6379`; those are not meant.
fn variables(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, ConfigError> {
    let mut found = Vec::new();
    for (variable, text) in environment {
        let Some(variable) = variable.to_str().filter(|name| name.starts_with(ENV_PREFIX)) else { continue };
        let announces_service = text.to_str().is_some_and(|text| text.starts_with("tcp://"))
            || variable.starts_with("DAMSELFLY_SERVICE_")
            || variable.starts_with("DAMSELFLY_PORT_");
        if ENV_OTHERS.contains(&variable) || announces_service {
            continue;
        }
        match text.into_string() {
            Ok(text) => found.push((variable.to_owned(), text)),
            Err(_) => {
                return Err(ConfigError::new(Source::Variable(variable.to_owned()), Problem::NotText));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The row of a name or an older name, in any case; also the name found.
fn find(name: &[u8]) -> Option<(usize, &'static str)> {
    ROWS.iter().enumerate().find_map(|(index, row)| {
        let mut names = [Some(row.name), row.alias].into_iter().flatten();
        names.find(|known| known.as_bytes().eq_ignore_ascii_case(name)).map(|known| (index, known))
    })
}

/// Whether a setting's value must not be shown in logs, the slow log and MONITOR.
pub fn is_sensitive(name: &[u8]) -> bool {
    find(name).is_some_and(|(index, _)| ROWS[index].is_sensitive())
}

/// What the operating system says, without its number.
pub(crate) fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((cause, _)) => cause.to_owned(),
        None => text,
    }
}

/// The setting whose name is at most two edits away.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let near = ROWS.iter().filter(|row| !row.is_hidden()).map(|row| (edits(&name, row.name), row.name));
    near.min().filter(|(edits, known)| *edits <= 2.min(known.len() / 2)).map(|(_, known)| known)
}

/// Levenshtein's distance.
fn edits(from: &str, to: &str) -> usize {
    if from.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (place, letter) in from.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], place + 1);
        for (column, other) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(letter != other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

/// The files that `pattern` names: itself, or those of its folder whose names match, sorted, perhaps none.
fn glob_files(pattern: &str) -> io::Result<Vec<PathBuf>> {
    let path = Path::new(pattern);
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !name.contains(['*', '?', '[']) {
        return Ok(vec![path.to_owned()]);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let Ok(entries) = fs::read_dir(folder.unwrap_or(Path::new("."))) else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for entry in entries {
        let file = entry?.file_name();
        let file_bytes = file.as_encoded_bytes();
        let shown = !file_bytes.starts_with(b".") || name.starts_with('.');
        if shown && glob::matches(name.as_bytes(), file_bytes, false) {
            files.push(path.with_file_name(&file));
        }
    }
    files.sort();
    Ok(files)
}

/// docs/configuration.md, from the rows.
pub fn documentation() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         <!-- Made from the table in src/config/rows.rs; UPDATE_DOCS=1 cargo test documentation writes it. -->\n\n\
         Every setting has one name, redis.conf's, in all places:\n\n\
         | where | how |\n| --- | --- |\n\
         | flag | `damselfly --port 7000 --bind 127.0.0.1 -::1` |\n\
         | environment | `DAMSELFLY_PORT=7000`, dashes as underscores |\n\
         | file | `port 7000` in `damselfly FILE`, or `damselfly -` for standard input |\n\
         | running server | `CONFIG SET timeout 60`, where the setting is *live*; `CONFIG REWRITE` keeps it |\n\
         | embedding program | `Config::default().port(7000)` |\n\n\
         A flag wins over the environment, the environment over the file, the file over the default. A bad value, an \
         unknown name\nor a missing file is one line on standard error, naming the file and line, flag or variable, and \
         exit status 1.\n\n\
         Sizes are bytes or `1k` (1000), `1kb` (1024), `1m`, `1mb`, `1g`, `1gb`. A file is read as Redis reads its own: \
         `#` comments,\n`\"...\"` with escapes, `'...'`, `include`.\n",
    );
    for group in Group::ALL.into_iter().filter(|group| *group != Group::Compatibility) {
        text.push_str(&format!(
            "\n## {}\n\n| setting | values | default | changes | what it does |\n| --- | --- | --- | --- | --- |\n",
            group.title()
        ));
        for row in ROWS.iter().filter(|row| row.group == group && !row.is_hidden()) {
            let alias = row.alias.map_or(String::new(), |alias| format!(" (`{alias}`)"));
            let change = if row.change == Change::Live { "live" } else { "at start" };
            text.push_str(&format!(
                "| `{}`{alias} | {} | `{}` | {change} | {} |\n",
                row.name,
                row.kind.hint(),
                default_text(row),
                row.doc,
            ));
        }
    }
    text.push_str(
        "\n## Compatibility\n\n\
         Clients and dashboards read these, and stock configuration files contain them. *No effect*: any valid value is \
         accepted\nand reported. *Not supported*: only the default is accepted, because what the setting governs is not \
         part of this version.\n\n| setting | default | |\n| --- | --- | --- |\n",
    );
    for row in ROWS.iter().filter(|row| row.group == Group::Compatibility) {
        let alias = row.alias.map_or(String::new(), |alias| format!(" (`{alias}`)"));
        let change = if row.change == Change::Idle { "no effect" } else { "not supported" };
        text.push_str(&format!("| `{}`{alias} | `{}` | {change} |\n", row.name, default_text(row)));
    }
    text
}

/// A default as people write it: `512mb`, not `536870912`.
pub(crate) fn default_text(row: &Row) -> String {
    match row.kind {
        Kind::Text | Kind::Directory | Kind::Events if !row.default.is_empty() => row.default.to_owned(),
        kind => kind.lines(&default_value(row)).join(", "),
    }
}

#[cfg(test)]
mod tests;

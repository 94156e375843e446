//! What goes wrong with files: the system's errors apart from damage.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a file could not be written or read.
#[derive(Debug)]
#[non_exhaustive]
pub enum StorageError {
    /// The operating system refused.
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is damaged, or none of ours. Nothing of it was kept.
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// Which of its chunks, from 0, where it was one of them.
        chunk: Option<usize>,
        /// Where in the file.
        offset: u64,
        /// What does not hold of it.
        what: String,
    },
    /// Another process has the directory open.
    Locked {
        /// The lock.
        path: PathBuf,
    },
    /// There is no directory to save to.
    NoDirectory,
    /// There is no journal (`appendonly`).
    NoJournal,
    /// The journal could not be brought to the disk; the text says why.
    NotSynced(String),
    /// A save is running already.
    Running,
    /// The snapshot was given up.
    Abandoned,
}

impl StorageError {
    /// An error of the operating system's.
    pub fn io(path: impl Into<PathBuf>, error: io::Error) -> Self {
        Self::Io { path: path.into(), error }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Corrupt { path, chunk: Some(chunk), offset, what } => {
                write!(f, "{} is damaged: chunk {chunk}, offset {offset}: {what}", path.display())
            }
            Self::Corrupt { path, chunk: None, offset, what } => {
                write!(f, "{} is damaged: offset {offset}: {what}", path.display())
            }
            Self::Locked { path } => {
                write!(f, "the directory is open in another process, which holds {}", path.display())
            }
            Self::NoDirectory => f.write_str("there is no directory to save to"),
            Self::NoJournal => f.write_str("there is no journal: the setting 'appendonly' is off"),
            Self::NotSynced(why) => write!(f, "the journal is not on the disk: {why}"),
            Self::Running => f.write_str("a save is running already"),
            Self::Abandoned => f.write_str("the snapshot was given up"),
        }
    }
}

impl std::error::Error for StorageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

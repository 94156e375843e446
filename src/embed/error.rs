//! What a call in process can fail with.

use crate::command::error::CommandError;
use crate::config::ConfigError;
use crate::persist::StorageError;
use crate::reply::Reply;
use crate::shard::{StringError, WrongType};
use std::fmt;

/// What calls return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The command was refused, as a client would have been told.
    Command(CommandError),
    /// The call was made by a closure that is being shown a value ([`get_with`](super::Damselfly::get_with)): its
    /// thread is inside a shard and may enter no other.
    ReentrantCall,
    /// The session was closed, by its own `QUIT` or by somebody's `CLIENT KILL`.
    Closed,
    /// So many messages were missed, because they were not read in time.
    Lagged(u64),
    /// The command would wait where it may not.
    WouldBlock,
    /// The change is made, and others see it; but it is not on the disk, and the engine was asked for that
    /// ([`durable`](super::Damselfly::durable)).
    NotDurable(String),
    /// The command answered in a form that its method does not know, which is a bug of damselfly's.
    UnexpectedReply(Reply),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(error) => error.fmt(f),
            Self::ReentrantCall => f.write_str("a closure that is shown a value may not call the engine"),
            Self::Closed => f.write_str("the session is closed"),
            Self::Lagged(messages) => write!(f, "{messages} messages were not read in time and are lost"),
            Self::WouldBlock => f.write_str("the command would wait"),
            Self::NotDurable(why) => write!(f, "the change is not on the disk: {why}"),
            Self::UnexpectedReply(reply) => write!(f, "unexpected reply: {reply:?}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Command(error) => Some(error),
            _ => None,
        }
    }
}

impl From<CommandError> for Error {
    fn from(error: CommandError) -> Self {
        Self::Command(error)
    }
}

impl From<WrongType> for Error {
    fn from(error: WrongType) -> Self {
        Self::Command(error.into())
    }
}

impl From<StringError> for Error {
    fn from(error: StringError) -> Self {
        Self::Command(error.into())
    }
}

/// Why an engine could not be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// A setting is out of its range.
    Config(ConfigError),
    /// What was saved cannot be loaded, or another process has the directory.
    Storage(StorageError),
    /// A time to save at that is none.
    Cron(String),
}

impl From<StorageError> for OpenError {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Storage(error @ StorageError::Corrupt { .. }) => {
                write!(f, "{error} ('damselfly check --fix' mends what can be mended, and destroys nothing)")
            }
            Self::Storage(error) => error.fmt(f),
            Self::Cron(error) => f.write_str(error),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            Self::Storage(error) => Some(error),
            Self::Cron(_) => None,
        }
    }
}

impl From<ConfigError> for OpenError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

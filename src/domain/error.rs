//! One error for the whole layer. Each says who erred, and which HTTP status tells it.

use std::fmt;
use std::time::Duration;

/// What calls return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// A part of a key that is empty, too long, or holds what a key may not.
    BadKey(String),
    /// A name that does not fit `[a-z][a-z0-9_-]{0,31}`.
    BadNamespace(String),
    /// Not sixteen lowercase hexadecimal digits.
    BadHash(String),
    /// A user's number that is none.
    BadUser(i64),
    /// A time to live that is zero, negative, no number, or beyond ten years.
    BadTtl(String),
    /// More bytes, or more items, than so many.
    TooLarge {
        /// How many are taken.
        limit: usize,
    },
    /// A value that its codec cannot write; where in it.
    NotSerializable(String),
    /// The key holds something else.
    WrongType,
    /// A counter that holds no integer.
    NotAnInteger,
    /// A counter that would leave 64 bits.
    Overflow,
    /// A limit outside of what is taken.
    BadLimit {
        /// What was asked for.
        given: i64,
        /// The most that is taken.
        max: i64,
    },
    /// A search that is none.
    BadQuery(String),
    /// A position that is no number, negative, or beyond the end.
    BadProgress(String),
    /// A kind that is none.
    BadType(String),
    /// An event without a type or an id, with a payload that is no object, or from the future.
    BadEvent(String),
    /// A token that is empty or oversized.
    BadToken,
    /// A state that does not lead there.
    BadTransition {
        /// The state it is in.
        from: String,
        /// The state that was asked for.
        to: String,
    },
    /// It is there already.
    Duplicate {
        /// Under this id.
        id: String,
    },
    /// The queue takes no more for now.
    QueueFull {
        /// When to try again.
        retry_after: Duration,
    },
    /// The lease was over, and somebody else may hold it.
    LeaseLost,
    /// A newer run has taken over.
    Fenced,
    /// There is none, or none of yours.
    NotFound,
    /// Nobody knows the device: it never came, or was away for too long.
    UnknownDevice,
    /// No session has this token.
    SessionUnknown,
    /// The session's time was up.
    SessionExpired,
    /// The session was ended by its user or an administrator.
    SessionRevoked,
    /// Too often.
    RateLimited {
        /// When to try again.
        after: Duration,
    },
    /// A namespace that is not cleared without force.
    Protected,
    /// The backend is away; with what it said.
    Unavailable(String),
    /// The call took longer than its deadline.
    Timeout,
    /// The loader failed for now.
    Load(String),
    /// Bytes that are no value of this kind.
    Corrupt(String),
    /// The backend refused, with this text.
    Backend(String),
    /// SQLite failed, with this text.
    Sqlite(String),
    /// A setting that is out of its range: the variable's name, and why.
    Config(String),
}

impl Error {
    /// The HTTP status that tells it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::BadKey(_)
            | Self::BadNamespace(_)
            | Self::BadHash(_)
            | Self::BadUser(_)
            | Self::BadTtl(_)
            | Self::NotSerializable(_)
            | Self::BadLimit { .. }
            | Self::BadQuery(_)
            | Self::BadProgress(_)
            | Self::BadType(_)
            | Self::BadEvent(_)
            | Self::BadToken => 400,
            Self::SessionUnknown | Self::SessionExpired | Self::SessionRevoked => 401,
            Self::NotFound | Self::UnknownDevice => 404,
            Self::WrongType
            | Self::NotAnInteger
            | Self::Overflow
            | Self::BadTransition { .. }
            | Self::Duplicate { .. }
            | Self::LeaseLost
            | Self::Fenced
            | Self::Protected => 409,
            Self::TooLarge { .. } => 413,
            Self::QueueFull { .. } | Self::RateLimited { .. } => 429,
            Self::Unavailable(_) | Self::Load(_) => 503,
            Self::Timeout => 504,
            Self::Corrupt(_) | Self::Backend(_) | Self::Sqlite(_) | Self::Config(_) => 500,
        }
    }

    /// Whether the backend is away, as opposed to having refused.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Timeout)
    }

    /// From an error as the wire carries it.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        if text.starts_with("WRONGTYPE") {
            Self::WrongType
        } else if text.contains("not an integer") {
            Self::NotAnInteger
        } else if text.contains("overflow") {
            Self::Overflow
        } else {
            Self::Backend(text.to_owned())
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadKey(why) => write!(f, "not a key: {why}"),
            Self::BadNamespace(name) => write!(f, "not a namespace: {name:?}"),
            Self::BadHash(hash) => write!(f, "not 16 hexadecimal digits: {hash:?}"),
            Self::BadUser(user) => write!(f, "not a user: {user}"),
            Self::BadTtl(why) => write!(f, "not a time to live: {why}"),
            Self::TooLarge { limit } => write!(f, "more than {limit}"),
            Self::NotSerializable(what) => write!(f, "cannot be stored: {what}"),
            Self::WrongType => f.write_str("the key holds another kind of value"),
            Self::NotAnInteger => f.write_str("the counter holds no integer"),
            Self::Overflow => f.write_str("the counter would leave 64 bits"),
            Self::BadLimit { given, max } => write!(f, "the limit {given} is not within 1..{max}"),
            Self::BadQuery(why) | Self::BadProgress(why) | Self::BadType(why) | Self::BadEvent(why) => {
                f.write_str(why)
            }
            Self::BadToken => f.write_str("not a token"),
            Self::BadTransition { from, to } => write!(f, "{from} does not become {to}"),
            Self::Duplicate { id } => write!(f, "there already, as {id}"),
            Self::QueueFull { retry_after } => {
                write!(f, "the queue is full; again in {} ms", retry_after.as_millis())
            }
            Self::LeaseLost => f.write_str("the lease is over"),
            Self::Fenced => f.write_str("a newer run has taken over"),
            Self::NotFound => f.write_str("not found"),
            Self::UnknownDevice => f.write_str("the device is not known: it has to register"),
            Self::SessionUnknown => f.write_str("no such session"),
            Self::SessionExpired => f.write_str("the session has expired"),
            Self::SessionRevoked => f.write_str("the session was ended"),
            Self::RateLimited { after } => write!(f, "too often; again in {} ms", after.as_millis()),
            Self::Protected => f.write_str("the namespace is not cleared without force"),
            Self::Unavailable(why) => write!(f, "the cache is away: {why}"),
            Self::Timeout => f.write_str("took too long"),
            Self::Load(why) => write!(f, "could not be loaded: {why}"),
            Self::Corrupt(why) => write!(f, "damaged value: {why}"),
            Self::Backend(text) => write!(f, "refused: {text}"),
            Self::Sqlite(text) => write!(f, "SQLite: {text}"),
            Self::Config(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

impl From<crate::embed::Error> for Error {
    fn from(error: crate::embed::Error) -> Self {
        match error {
            crate::embed::Error::Command(error) => Self::from_text(&error.to_string()),
            other => Self::Backend(other.to_string()),
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error.to_string())
    }
}

//! Errors that a caller's command earns: each wire text stands here once.
//!
//! A [`CommandError`] is the caller's mistake. It becomes one RESP error, and the connection lives.

use std::borrow::Cow;
use std::fmt;

/// Why a command was refused; `Display` is the exact text that the wire carries, code first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// The key holds a value of another type.
    WrongType,
    /// Arguments that do not form this command.
    Syntax,
    /// A string that is no 64-bit integer.
    NotAnInteger,
    /// A string that is no floating point number.
    NotAFloat,
    /// An index beyond the list's ends.
    IndexOutOfRange,
    /// A number outside what the argument takes.
    ValueOutOfRange,
    /// A number that may not be negative.
    MustBePositive,
    /// The one 64-bit integer whose negation is none.
    NotNegatable,
    /// The key does not exist, and the command needs it.
    NoSuchKey,
    /// An increment that leaves 64 bits.
    Overflow,
    /// An increment that gives no finite number.
    NotFinite,
    /// A string that would grow beyond `proto-max-bulk-len`.
    StringTooLong,
    /// A database number that is none.
    DbIndexOutOfRange,
    /// A number that does not fit 32 bits where no more are taken.
    NotAnInt32,
    /// A cursor that no scan gave.
    InvalidCursor,
    /// Source and destination are one and the same.
    SameObject,
    /// A deadline that is not positive, or beyond what 64 bits hold. Carries the command's name.
    InvalidExpire(&'static str),
    /// A timeout that is no number.
    TimeoutNotAFloat,
    /// A timeout below zero.
    TimeoutNegative,
    /// A timeout beyond what 64 bits hold.
    TimeoutOutOfRange,
    /// A wait that `CLIENT UNBLOCK … ERROR` ended.
    Unblocked,
    /// The wrong number of arguments. Carries the command's name as the client sees it (`client|id`).
    WrongArity(&'static str),
    /// No such command: its name and its first arguments as sent.
    UnknownCommand(String),
    /// No such subcommand: what was sent, and the command in capitals.
    UnknownSubcommand(String, &'static str),
    /// The client subscribes, and speaks RESP2. Carries the command's name as the client sees it.
    Subscribed(&'static str),
    /// In a cluster: keys that are in different slots.
    CrossSlot,
    /// What only a cluster can do, while none is emulated.
    ClusterDisabled,
    /// Memory is used up, and the command may take more.
    OutOfMemory,
    /// Saving fails, and writes are refused therefore.
    Misconf,
    /// The command needs authentication.
    NoAuth,
    /// Wrong user or password.
    WrongPass,
    /// `WAITAOF` of a server without a journal.
    NoJournal,
    /// Any other text, code first.
    Other(Cow<'static, str>),
}

impl CommandError {
    /// An error with a text of its own, code first (`ERR …`).
    #[must_use]
    pub const fn text(text: &'static str) -> Self {
        Self::Other(Cow::Borrowed(text))
    }
}

impl From<String> for CommandError {
    fn from(text: String) -> Self {
        Self::Other(Cow::Owned(text))
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongType => "WRONGTYPE Operation against a key holding the wrong kind of value",
            Self::Syntax => "ERR syntax error",
            Self::NotAnInteger => "ERR value is not an integer or out of range",
            Self::NotAFloat => "ERR value is not a valid float",
            Self::IndexOutOfRange => "ERR index out of range",
            Self::ValueOutOfRange => "ERR value is out of range",
            Self::MustBePositive => "ERR value is out of range, must be positive",
            Self::NotNegatable => {
                "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
            }
            Self::NoSuchKey => "ERR no such key",
            Self::Overflow => "ERR increment or decrement would overflow",
            Self::NotFinite => "ERR increment would produce NaN or Infinity",
            Self::StringTooLong => "ERR string exceeds maximum allowed size (proto-max-bulk-len)",
            Self::DbIndexOutOfRange => "ERR DB index is out of range",
            Self::NotAnInt32 => "ERR value is out of range, value must between -2147483648 and 2147483647",
            Self::InvalidCursor => "ERR invalid cursor",
            Self::SameObject => "ERR source and destination objects are the same",
            Self::TimeoutNotAFloat => "ERR timeout is not a float or out of range",
            Self::TimeoutNegative => "ERR timeout is negative",
            Self::TimeoutOutOfRange => "ERR timeout is out of range",
            Self::Unblocked => "UNBLOCKED client unblocked via CLIENT UNBLOCK",
            Self::Misconf => {
                "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
                 Commands that may modify the data set are disabled, because this instance is configured to report \
                 errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the \
                 Redis logs for details about the RDB error."
            }
            Self::CrossSlot => "CROSSSLOT Keys in request don't hash to the same slot",
            Self::ClusterDisabled => "ERR This instance has cluster support disabled",
            Self::OutOfMemory => "OOM command not allowed when used memory > 'maxmemory'.",
            Self::NoAuth => "NOAUTH Authentication required.",
            Self::WrongPass => "WRONGPASS invalid username-password pair or user is disabled.",
            Self::NoJournal => {
                "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
            }
            Self::InvalidExpire(command) => {
                return write!(f, "ERR invalid expire time in '{command}' command");
            }
            Self::WrongArity(command) => {
                return write!(f, "ERR wrong number of arguments for '{command}' command");
            }
            Self::Subscribed(command) => {
                return write!(
                    f,
                    "ERR Can't execute '{command}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are \
                     allowed in this context"
                );
            }
            Self::UnknownCommand(text) => return write!(f, "ERR unknown command {text}"),
            Self::UnknownSubcommand(sent, command) => {
                return write!(f, "ERR unknown subcommand '{sent}'. Try {command} HELP.");
            }
            Self::Other(text) => text,
        })
    }
}

impl std::error::Error for CommandError {}

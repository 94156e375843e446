//! Access control: who may run what, on which keys and channels.
//!
//! Owns the users ([`User`]), their rules ([`Rules`], [`Selector`]), the checks (`check.rs`), the log of what was
//! refused ([`Log`]) and the two places where users come from, the configuration file and the ACL file (`file.rs`).
//! Knows nothing of connections: whoever deletes a user closes those of its clients.
//!
//! **Invariant:** rules change as a whole. A change that fails in any part changes nothing, and no command is checked
//! against half of one.

mod check;
mod file;
mod log;
mod selector;
mod user;

pub use check::{Context, Denied, Reason};
pub use log::{Log, LogEntry};
pub use selector::Selector;
pub use user::{Held, Rules, User};

use crate::config::{ConfigError, Settings};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The name of the user that clients are before they say who they are.
pub const DEFAULT: &[u8] = b"default";

/// Users by name, sorted as they are shown.
type Users = BTreeMap<Box<[u8]>, Arc<User>>;

/// The users of an engine.
pub struct Acl {
    settings: Arc<Settings>,
    /// Changed only by those who hold it for writing; commands do not ask it.
    users: RwLock<Users>,
    /// The one that is always there, out of `users`.
    default: Arc<User>,
    /// Whoever calls from this process. It has every right and stands in no registry.
    insider: Arc<User>,
    log: Log,
}

impl fmt::Debug for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acl").field("users", &self.users.read().len()).finish_non_exhaustive()
    }
}

/// Why a rule cannot be applied; `Display` is Redis' text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleError {
    /// No command, no category has this name.
    Unknown,
    /// It is no rule, or a pattern has a blank in it.
    Syntax,
    /// Keys are added to all keys.
    AllKeys,
    /// Channels are added to all channels.
    AllChannels,
    /// A password is taken away that is not there.
    NoSuchPassword,
    /// A hash that is none.
    BadHash,
    /// `+command|subcommand|argument`.
    FirstArgOfSubcommand,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "Unknown command or category name in ACL",
            Self::Syntax => "Syntax error",
            Self::AllKeys => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any \
                 effect. Try 'resetkeys' to start with an empty list of patterns"
            }
            Self::AllChannels => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any \
                 effect. Try 'resetchannels' to start with an empty list of channels"
            }
            Self::NoSuchPassword => "The password you are trying to remove from the user does not exist",
            Self::BadHash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            Self::FirstArgOfSubcommand => "Allowing first-arg of a subcommand is not supported",
        })
    }
}

impl std::error::Error for RuleError {}

/// Why a user cannot be as it was asked to be; `Display` is Redis' text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UserError {
    /// The name has a blank or a zero byte in it.
    BadName,
    /// A parenthesis is not closed: the words from it on.
    Unmatched(Vec<u8>),
    /// A rule cannot be applied.
    Rule(Vec<u8>, RuleError),
    /// The user `default` is there for ever.
    Default,
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Redis prints what it quotes up to the first zero byte.
        let text = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned()
        };
        match self {
            Self::BadName => f.write_str("Usernames can't contain spaces or null characters"),
            Self::Unmatched(from) => {
                write!(f, "Unmatched parenthesis in acl selector starting at '{}'.", text(from))
            }
            Self::Rule(rule, error) => {
                write!(f, "Error in ACL SETUSER modifier '{}': {error}", text(rule))
            }
            Self::Default => f.write_str("The 'default' user cannot be removed"),
        }
    }
}

impl std::error::Error for UserError {}

impl Acl {
    /// The users that the settings, the configuration file and the ACL file say.
    pub(super) fn new(settings: &Arc<Settings>) -> Result<Self, ConfigError> {
        let default = User::new(DEFAULT, Rules::of_default());
        let acl = Self {
            settings: Arc::clone(settings),
            users: RwLock::new(BTreeMap::from([(DEFAULT.into(), Arc::clone(&default))])),
            default,
            insider: User::new(DEFAULT, Rules::of_default()),
            log: Log::default(),
        };
        acl.follow_password();
        acl.load_configured()?;
        Ok(acl)
    }

    /// Takes over `requirepass`: it is the password of the user `default`, and the only one.
    pub(super) fn follow_password(&self) {
        let password = self.settings.requirepass();
        let users = self.users.write();
        let mut rules = (*self.default.rules()).clone();
        let rule = match password.as_bytes() {
            [] => b"nopass".to_vec(),
            password => [b">", password].concat(),
        };
        for rule in [b"resetpass", rule.as_slice()] {
            let applied = rules.apply(rule, false);
            debug_assert_eq!(applied, Ok(()));
        }
        self.default.replace(rules);
        drop(users);
    }

    /// What clients are before they say who they are.
    #[must_use]
    #[inline]
    pub fn default_user(&self) -> &Arc<User> {
        &self.default
    }

    /// What callers from this process are.
    pub(crate) fn insider(&self) -> &Arc<User> {
        &self.insider
    }

    /// What was refused of late.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// All users, by name.
    #[must_use]
    pub fn users(&self) -> Vec<Arc<User>> {
        self.users.read().values().cloned().collect()
    }

    /// The user of this name. O(log users).
    #[must_use]
    pub fn user(&self, name: &[u8]) -> Option<Arc<User>> {
        self.users.read().get(name).cloned()
    }

    /// The user of this name, if the password proves that somebody is it.
    #[must_use]
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        self.user(name).filter(|user| user.rules().admits(password))
    }

    /// Makes a user, or changes it by these rules: by all of them, or not at all (`ACL SETUSER`). Returns the user with
    /// the rules that it had before.
    ///
    /// # Errors
    /// The name is none, or one of the rules cannot be applied.
    pub fn set_user(
        &self,
        name: &[u8],
        rules: &[&[u8]],
    ) -> Result<(Arc<User>, Option<Arc<Rules>>), UserError> {
        if !user::is_name(name) {
            return Err(UserError::BadName);
        }
        let all_channels = self.all_channels();
        let mut users = self.users.write();
        let known = users.get(name).cloned();
        let before = known.as_ref().map(|user| user.rules());
        let mut after = before.as_ref().map_or_else(|| Rules::new(all_channels), |rules| (**rules).clone());
        for rule in merged(rules)? {
            after.apply(&rule, all_channels).map_err(|error| UserError::Rule(rule, error))?;
        }
        let user = match known {
            Some(user) => {
                user.replace(after);
                user
            }
            None => {
                let user = User::new(name, after);
                users.insert(name.into(), Arc::clone(&user));
                user
            }
        };
        Ok((user, before))
    }

    /// Deletes those of the users that exist, and returns them; none of them has any right left.
    ///
    /// # Errors
    /// `default` is among them; then none is deleted.
    pub fn delete(&self, names: &[&[u8]]) -> Result<Vec<Arc<User>>, UserError> {
        if names.contains(&DEFAULT) {
            return Err(UserError::Default);
        }
        let mut users = self.users.write();
        let gone: Vec<Arc<User>> = names.iter().filter_map(|name| users.remove(*name)).collect();
        gone.iter().for_each(|user| user.end());
        Ok(gone)
    }

    /// All users in the form that files keep, a line each.
    #[must_use]
    pub fn lines(&self) -> Vec<Vec<u8>> {
        let line = |user: Arc<User>| {
            let mut line = [b"user ", user.name(), b" "].concat();
            user.rules().write(&mut line);
            line
        };
        self.users().into_iter().map(line).collect()
    }

    /// `acl-pubsub-default`: whether a fresh user may use every channel.
    fn all_channels(&self) -> bool {
        self.settings.acl_pubsub_default() == crate::config::PubSubDefault::AllChannels
    }
}

/// Words as rules: a selector in parentheses may be spread over several.
fn merged(words: &[&[u8]]) -> Result<Vec<Vec<u8>>, UserError> {
    let mut rules: Vec<Vec<u8>> = Vec::with_capacity(words.len());
    let mut open: Option<Vec<u8>> = None;
    let mut opened: &[u8] = &[];
    for &word in words {
        open = match open.take() {
            Some(mut rule) => {
                rule.push(b' ');
                rule.extend_from_slice(word);
                Some(rule)
            }
            None if word.starts_with(b"(") => {
                opened = word;
                Some(word.to_vec())
            }
            None => {
                rules.push(word.to_vec());
                None
            }
        };
        if word.ends_with(b")") {
            rules.extend(open.take());
        }
    }
    if open.is_some() { Err(UserError::Unmatched(opened.to_vec())) } else { Ok(rules) }
}

#[cfg(test)]
mod tests;

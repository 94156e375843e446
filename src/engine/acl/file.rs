//! Where users come from and go to: lines of the configuration file, and the ACL file.

use super::{Acl, DEFAULT, RuleError, Rules, User, UserError, merged, user};
use crate::config::{self, ConfigError, Problem, Source};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the ACL file was not loaded or saved; `Display` is Redis' text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError(String);

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FileError {}

impl Acl {
    /// The ACL file, where there is one.
    fn path(&self) -> Option<PathBuf> {
        let name = self.settings.aclfile();
        (!name.is_empty()).then(|| PathBuf::from(&*self.settings.dir()).join(&*name))
    }

    /// Whether there is an ACL file.
    #[must_use]
    pub fn has_file(&self) -> bool {
        !self.settings.aclfile().is_empty()
    }

    /// Makes the users of the configuration file, or those of the ACL file; both at once are too many.
    pub(super) fn load_configured(&self) -> Result<(), ConfigError> {
        let lines = self.settings.users();
        if let Some(path) = self.path() {
            let source = Source::File(path.display().to_string());
            if let Some(line) = lines.first() {
                return Err(ConfigError::new(line.source.clone(), Problem::UsersBesideFile));
            }
            return match self.load() {
                Ok(_) => Ok(()),
                Err(error) => Err(ConfigError::new(source, Problem::User(error.to_string()))),
            };
        }
        let all_channels = self.all_channels();
        let mut users = self.users.write();
        let mut named: Vec<&[u8]> = Vec::new();
        for line in lines {
            let refuse = |reason: String| ConfigError::new(line.source.clone(), Problem::User(reason));
            let Some((name, rules)) = line.words.split_first() else {
                return Err(refuse("a user needs a name".to_owned()));
            };
            let shown = String::from_utf8_lossy(name);
            if !user::is_name(name) {
                return Err(refuse(UserError::BadName.to_string()));
            }
            if named.contains(&&**name) {
                return Err(refuse(format!("the user '{shown}' is defined twice")));
            }
            named.push(name);
            let words: Vec<&[u8]> = rules.iter().map(Vec::as_slice).collect();
            let mut rules = Rules::new(all_channels);
            for rule in merged(&words).map_err(|error| refuse(error.to_string()))? {
                rules.apply(&rule, all_channels).map_err(|error| {
                    // A rule may hold a password.
                    let rule = if error == RuleError::Unknown {
                        String::from_utf8_lossy(&rule)
                    } else {
                        "…".into()
                    };
                    refuse(format!("user '{shown}', rule '{rule}': {error}"))
                })?;
            }
            match users.entry(name.as_slice().into()) {
                Entry::Occupied(known) => known.get().replace(rules),
                Entry::Vacant(place) => {
                    place.insert(User::new(name, rules));
                }
            }
        }
        Ok(())
    }

    /// Replaces all users by those of the ACL file, or leaves everything as it is (`ACL LOAD`). Returns the users that
    /// were replaced, who have no right left; `default` stays who it is and gets its rules from the file.
    ///
    /// # Errors
    /// The file cannot be read, or something in it is wrong.
    pub fn load(&self) -> Result<Vec<Arc<User>>, FileError> {
        let path = self.path().ok_or_else(|| FileError(String::new()))?;
        let name = self.settings.aclfile();
        let text = config::read(&path)
            .map_err(|error| format!("Error loading ACLs, opening file '{name}': {}", config::cause(&error)))
            .map_err(FileError)?;
        let mut wanted = self.parse(&text, &name)?;
        let mut users = self.users.write();
        self.default.replace(wanted.remove(DEFAULT).unwrap_or_else(Rules::of_default));
        let mut fresh = BTreeMap::from([(DEFAULT.into(), Arc::clone(&self.default))]);
        fresh.extend(wanted.into_iter().map(|(name, rules)| {
            let user = User::new(&name, rules);
            (name, user)
        }));
        let old = std::mem::replace(&mut *users, fresh);
        let gone: Vec<Arc<User>> =
            old.into_values().filter(|user| !Arc::ptr_eq(user, &self.default)).collect();
        gone.iter().for_each(|user| user.end());
        Ok(gone)
    }

    /// The users of a text: a line each, no comments.
    fn parse(&self, text: &[u8], file: &str) -> Result<BTreeMap<Box<[u8]>, Rules>, FileError> {
        let all_channels = self.all_channels();
        let mut users: BTreeMap<Box<[u8]>, Rules> = BTreeMap::new();
        let mut errors = String::new();
        for (place, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let number = place + 1;
            let line = trim(line, b" \t\r\n");
            if line.is_empty() {
                continue;
            }
            let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
            let [b"user", name, rules @ ..] = words.as_slice() else {
                errors +=
                    &format!("{file}:{number} should start with user keyword followed by the username. ");
                continue;
            };
            let shown = String::from_utf8_lossy(name);
            if !user::is_name(name) {
                errors += &format!("'{file}:{number}: username '{shown}' contains invalid characters. ");
                continue;
            }
            if users.contains_key(*name) {
                errors += &format!("WARNING: Duplicate user '{shown}' found on line {number}. ");
                continue;
            }
            let mut user = Rules::new(all_channels);
            let Ok(rules) = merged(rules) else {
                errors += &format!("{file}:{number}: Unmatched parenthesis in selector definition.");
                continue;
            };
            let mut said = false;
            for rule in rules {
                let rule = trim(&rule, b"\t\r\n");
                match user.apply(rule, all_channels) {
                    Ok(()) => {}
                    // The name of a command is no secret.
                    Err(error @ RuleError::Unknown) => {
                        let rule = String::from_utf8_lossy(rule);
                        errors +=
                            &format!("{file}:{number}: Error in applying operation '{rule}': {error}. ");
                    }
                    Err(error) if !said => {
                        errors += &format!("{file}:{number}: {error}. ");
                        said = true;
                    }
                    Err(_) => {}
                }
            }
            users.insert((*name).into(), user);
        }
        if errors.is_empty() {
            return Ok(users);
        }
        errors += "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
        Err(FileError(errors))
    }

    /// All users as lines of a configuration file, whose words are quoted where they would be misread.
    #[must_use]
    pub fn config_lines(&self) -> Vec<String> {
        let word = |word: &[u8]| match std::str::from_utf8(word) {
            Ok(text) if !text.contains(['"', '\'']) => text.to_owned(),
            _ => config::quoted_bytes(word),
        };
        let line = |line: &Vec<u8>| line.split(|&byte| byte == b' ').map(word).collect::<Vec<_>>().join(" ");
        self.lines().iter().map(line).collect()
    }

    /// Replaces the ACL file by the users as they are (`ACL SAVE`).
    ///
    /// # Errors
    /// It cannot be written; it is as it was.
    pub fn save(&self) -> Result<(), FileError> {
        let path = self.path().ok_or_else(|| FileError(String::new()))?;
        let mut text = Vec::new();
        for line in self.lines() {
            text.extend_from_slice(&line);
            text.push(b'\n');
        }
        config::replace(&path, &text).map_err(|error| {
            tracing::warn!("cannot save the ACL file {}: {error}", path.display());
            FileError(
                "There was an error trying to save the ACLs. Please check the server logs for more information"
                    .to_owned(),
            )
        })
    }
}

fn trim<'a>(text: &'a [u8], what: &[u8]) -> &'a [u8] {
    let is_kept = |byte: &u8| !what.contains(byte);
    match (text.iter().position(is_kept), text.iter().rposition(is_kept)) {
        (Some(from), Some(to)) => text.get(from..=to).unwrap_or_default(),
        _ => &[],
    }
}

//! A selector: which commands, keys and channels one set of rules allows.
//!
//! A user has one of its own (the root) and as many as it was given in parentheses; a command may run if any of them
//! allows all of it. Rules are kept in two forms: what they come to, for checks, and their text in order, from which
//! `ACL LIST` tells them again.
//!
//! **Invariant:** applying [`Selector::write_commands`]' rules to a fresh selector gives the same commands.

use super::RuleError;
use crate::command::introspect::{self, access};
use crate::command::table::{Entry, TABLE};
use crate::glob;
use std::collections::BTreeMap;

/// A set of commands, by number.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Commands(Box<[u64]>);

impl Commands {
    fn none() -> Self {
        Self(vec![0; TABLE.count().div_ceil(64)].into())
    }

    fn fill(&mut self, allow: bool) {
        self.0.fill(if allow { u64::MAX } else { 0 });
    }

    #[inline]
    fn has(&self, id: usize) -> bool {
        self.0.get(id / 64).is_some_and(|word| word & (1 << (id % 64)) != 0)
    }

    fn set(&mut self, id: usize, allow: bool) {
        let Some(word) = self.0.get_mut(id / 64) else { return };
        if allow {
            *word |= 1 << (id % 64);
        } else {
            *word &= !(1 << (id % 64));
        }
    }
}

/// Keys that may be used, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyPattern {
    pattern: Box<[u8]>,
    /// [`access::READ`] and [`access::WRITE`].
    access: u8,
}

impl KeyPattern {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.access {
            access::READ => b"%R~",
            access::WRITE => b"%W~",
            _ => b"~",
        });
        out.extend_from_slice(&self.pattern);
    }
}

/// What a set of rules allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    all_keys: bool,
    all_channels: bool,
    /// Nothing was taken away since `+@all`.
    all_commands: bool,
    /// The rules begin with `+@all`.
    from_all: bool,
    commands: Commands,
    /// Commands that may run with one of these first arguments only.
    first_args: BTreeMap<usize, Vec<Box<[u8]>>>,
    keys: Vec<KeyPattern>,
    channels: Vec<Box<[u8]>>,
    /// Names and categories in the order in which they were allowed or taken away.
    rules: Vec<(bool, Vec<u8>)>,
}

/// A command that a selector is asked about.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub entry: &'static Entry,
    pub argv: &'a [&'a [u8]],
}

/// What a selector has against a command: places among the arguments. Later ones are told rather than earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Objection {
    Command,
    Key(usize),
    Channel(usize),
}

impl Selector {
    /// One that allows nothing, or all channels and nothing else (`acl-pubsub-default`).
    pub(super) fn new(all_channels: bool) -> Self {
        Self {
            all_keys: false,
            all_channels,
            all_commands: false,
            from_all: false,
            commands: Commands::none(),
            first_args: BTreeMap::new(),
            keys: Vec::new(),
            channels: Vec::new(),
            rules: Vec::new(),
        }
    }

    /// One from the text between parentheses. A text with a quote that is not closed has no rules at all, as in Redis.
    pub(super) fn parse(text: &[u8], all_channels: bool) -> Result<Self, RuleError> {
        let mut selector = Self::new(all_channels);
        for rule in crate::config::split_words(text).unwrap_or_default() {
            selector.apply(&rule)?;
        }
        Ok(selector)
    }

    /// Whether everything is allowed.
    pub(super) fn allows_all(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels
    }

    /// Applies one rule.
    pub(super) fn apply(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        // Words end at a zero byte, which Redis' own strings do.
        let word = rule.split(|&byte| byte == 0).next().unwrap_or_default();
        let is = |names: [&str; 2]| names.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()));
        if is(["allkeys", "~*"]) {
            (self.all_keys, self.keys) = (true, Vec::new());
        } else if is(["resetkeys", "resetkeys"]) {
            (self.all_keys, self.keys) = (false, Vec::new());
        } else if is(["allchannels", "&*"]) {
            (self.all_channels, self.channels) = (true, Vec::new());
        } else if is(["resetchannels", "resetchannels"]) {
            (self.all_channels, self.channels) = (false, Vec::new());
        } else if is(["allcommands", "+@all"]) {
            self.all_or_none(true);
        } else if is(["nocommands", "-@all"]) {
            self.all_or_none(false);
        } else {
            match (word.first(), word.get(1)) {
                (Some(b'~' | b'%'), _) => self.add_keys(rule)?,
                (Some(b'&'), _) => self.add_channels(rule.get(1..).unwrap_or_default())?,
                (Some(sign @ (b'+' | b'-')), Some(b'@')) => {
                    self.set_category(word.get(1..).unwrap_or_default(), *sign == b'+')?;
                }
                (Some(b'+'), _) => self.allow(word.get(1..).unwrap_or_default())?,
                (Some(b'-'), _) => self.deny(word.get(1..).unwrap_or_default())?,
                _ => return Err(RuleError::Syntax),
            }
        }
        Ok(())
    }

    fn all_or_none(&mut self, all: bool) {
        self.commands.fill(all);
        (self.all_commands, self.from_all) = (all, all);
        self.rules.clear();
        self.first_args.clear();
    }

    /// `~pattern`, `%R~pattern`, `%W~pattern`, `%RW~pattern`.
    fn add_keys(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::AllKeys);
        }
        let (access, pattern) = match rule {
            [b'~', pattern @ ..] => (access::READ | access::WRITE, pattern),
            [_, letters @ ..] => {
                let end = letters.iter().position(|&letter| letter == b'~');
                let (letters, pattern) = match end {
                    Some(end) => (&letters[..end], &letters[end + 1..]),
                    // Letters alone are taken, too: they stand for the empty pattern.
                    None => (letters, &[][..]),
                };
                let mut access = 0;
                for letter in letters {
                    let bit = match letter.to_ascii_uppercase() {
                        b'R' => access::READ,
                        b'W' => access::WRITE,
                        _ => return Err(RuleError::Syntax),
                    };
                    if access & bit != 0 {
                        return Err(RuleError::Syntax);
                    }
                    access |= bit;
                }
                (access, pattern)
            }
            [] => return Err(RuleError::Syntax),
        };
        if access == 0 || has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        match self.keys.iter_mut().find(|known| *known.pattern == *pattern) {
            Some(known) => known.access |= access,
            None => self.keys.push(KeyPattern { pattern: pattern.into(), access }),
        }
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::AllChannels);
        }
        if has_spaces(pattern) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|known| **known == *pattern) {
            self.channels.push(pattern.into());
        }
        Ok(())
    }

    /// `+name`, `+name|subcommand`, `+name|first-argument`.
    fn allow(&mut self, name: &[u8]) -> Result<(), RuleError> {
        let Some(at) = memchr::memrchr(b'|', name) else {
            let entry = introspect::find(name).ok_or(RuleError::Unknown)?;
            self.set(entry, true);
            self.note_rule(entry.full_name.as_bytes(), true);
            return Ok(());
        };
        let (container, argument) = (&name[..at], &name[at + 1..]);
        let entry = introspect::find(container).ok_or(RuleError::Unknown)?;
        if entry.name_args() > 1 {
            return Err(RuleError::FirstArgOfSubcommand);
        }
        if argument.is_empty() || has_spaces(argument) {
            return Err(RuleError::Syntax);
        }
        if entry.subcommands.is_empty() {
            let allowed = self.first_args.entry(entry.id).or_default();
            if !allowed.iter().any(|known| known.eq_ignore_ascii_case(argument)) {
                allowed.push(argument.into());
            }
        } else {
            self.set(entry.subcommand(argument).ok_or(RuleError::Unknown)?, true);
        }
        self.note_rule(name, true);
        Ok(())
    }

    fn deny(&mut self, name: &[u8]) -> Result<(), RuleError> {
        let entry = introspect::find(name).ok_or(RuleError::Unknown)?;
        self.set(entry, false);
        self.note_rule(entry.full_name.as_bytes(), false);
        Ok(())
    }

    /// `+@category`, `-@category`. A container takes its subcommands along, whatever categories they are in.
    fn set_category(&mut self, category: &[u8], allow: bool) -> Result<(), RuleError> {
        let name = introspect::category(category).ok_or(RuleError::Unknown)?;
        self.note_rule(name.as_bytes(), allow);
        for entry in introspect::all_entries().filter(|entry| introspect::categories(entry).contains(&name)) {
            self.set(entry, allow);
        }
        Ok(())
    }

    fn set(&mut self, entry: &Entry, allow: bool) {
        self.first_args.remove(&entry.id);
        for entry in std::iter::once(entry).chain(&entry.subcommands) {
            self.commands.set(entry.id, allow);
        }
        self.all_commands &= allow;
    }

    /// Keeps a rule's text, in place of those that it makes void: its own, and those of its subcommands.
    fn note_rule(&mut self, name: &[u8], allow: bool) {
        let name = name.to_ascii_lowercase();
        self.rules.retain(|(_, known)| match known.strip_prefix(&*name) {
            Some(rest) => !matches!(rest.first(), None | Some(b'|')),
            None => true,
        });
        self.rules.push((allow, name));
    }

    /// What stands against a command; nothing where all of it is allowed.
    pub(super) fn check(&self, question: &Question<'_>) -> Result<(), Objection> {
        let &Question { entry, argv } = question;
        if !self.all_commands && !self.commands.has(entry.id) {
            let named = self.first_args.get(&entry.id).zip(argv.get(1));
            let allowed = named.is_some_and(|(all, arg)| all.iter().any(|one| one.eq_ignore_ascii_case(arg)));
            if !allowed {
                return Err(Objection::Command);
            }
        }
        if !self.all_keys {
            access::each_key(entry, argv, |at, key, access| {
                if self.allows_key(key, access) { Ok(()) } else { Err(Objection::Key(at)) }
            })?;
        }
        if !self.all_channels {
            for (at, is_pattern) in access::channels(entry, argv) {
                let channel = argv.get(at).copied().unwrap_or_default();
                if !self.allows_channel(channel, is_pattern) {
                    return Err(Objection::Channel(at));
                }
            }
        }
        Ok(())
    }

    fn allows_key(&self, key: &[u8], access: u8) -> bool {
        let reaches = |known: &KeyPattern| known.access & access == access;
        self.all_keys
            || self.keys.iter().any(|known| reaches(known) && glob::matches(&known.pattern, key, false))
    }

    /// A channel has to match a pattern, a pattern has to be one.
    pub(super) fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.all_channels
            || self.channels.iter().any(|known| match is_pattern {
                true => **known == *channel,
                false => glob::matches(known, channel, false),
            })
    }

    /// Keys, channels and commands as rules.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        if self.all_keys || !self.keys.is_empty() {
            self.write_keys(out);
            out.push(b' ');
        }
        out.extend_from_slice(if self.all_channels { b"" } else { b"resetchannels " });
        if self.all_channels || !self.channels.is_empty() {
            self.write_channels(out);
            out.push(b' ');
        }
        self.write_commands(out);
    }

    /// The rules for commands, from `+@all` or `-@all` on.
    pub fn write_commands(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.from_all { b"+@all" } else { b"-@all" });
        for (allow, name) in &self.rules {
            out.extend_from_slice(if *allow { b" +" } else { b" -" });
            out.extend_from_slice(name);
        }
    }

    /// The rules for keys.
    pub fn write_keys(&self, out: &mut Vec<u8>) {
        if self.all_keys {
            out.extend_from_slice(b"~*");
        }
        for (at, pattern) in self.keys.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"" } else { b" " });
            pattern.write(out);
        }
    }

    /// The rules for channels.
    pub fn write_channels(&self, out: &mut Vec<u8>) {
        if self.all_channels {
            out.extend_from_slice(b"&*");
        }
        for (at, pattern) in self.channels.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"&" } else { b" &" });
            out.extend_from_slice(pattern);
        }
    }
}

/// Whether a text holds what separates rules, or a zero byte. Names of users and patterns may not.
pub(super) fn has_spaces(text: &[u8]) -> bool {
    text.iter().any(|&byte| matches!(byte, b' ' | 0x09..=0x0D | 0))
}

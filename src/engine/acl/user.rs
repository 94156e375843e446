//! A user: its name, how it proves itself, and its selectors.
//!
//! Every session holds its [`User`], which keeps its identity while its [`Rules`] are replaced as a whole. One word of
//! flags says what checks ask first: whether the user may do everything. Reading that is all that a command of such a
//! user costs. The flags' upper bits count the changes, so that a session knows when the rules that it has at hand are
//! stale; it then takes the new ones, under a lock that nobody else takes on the way of a command.

use super::RuleError;
use super::selector::{Objection, Question, Selector, has_spaces};
use parking_lot::RwLock;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// It may do everything.
const UNRESTRICTED: u64 = 1;
/// It is enabled, and any password will do.
const OPEN: u64 = 2;
/// It was deleted.
const GONE: u64 = 4;
/// From here on, changes are counted.
const CHANGE: u64 = 8;

/// A user, shared by the registry and by the sessions that are it.
pub struct User {
    name: Box<[u8]>,
    state: AtomicU64,
    rules: RwLock<Arc<Rules>>,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &String::from_utf8_lossy(&self.name)).finish_non_exhaustive()
    }
}

impl User {
    pub(super) fn new(name: &[u8], rules: Rules) -> Arc<Self> {
        let state = AtomicU64::new(rules.flags());
        Arc::new(Self { name: name.into(), state, rules: RwLock::new(Arc::new(rules)) })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether it may do everything. One load.
    #[inline]
    #[must_use]
    pub fn is_unrestricted(&self) -> bool {
        self.state.load(Ordering::Relaxed) & UNRESTRICTED != 0
    }

    /// Whether anybody may be it: it is enabled, and any password will do. One load.
    #[inline]
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state.load(Ordering::Relaxed) & OPEN != 0
    }

    /// Whether it was deleted.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.state.load(Ordering::Acquire) & GONE != 0
    }

    /// What it may do at present.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read())
    }

    /// Gives it other rules, which hold from the next command on. Writers take turns, which the registry sees to.
    pub(super) fn replace(&self, rules: Rules) {
        let flags = rules.flags();
        *self.rules.write() = Arc::new(rules);
        let changes = self.state.load(Ordering::Relaxed) & !(CHANGE - 1);
        self.state.store(changes.wrapping_add(CHANGE) | flags, Ordering::Release);
    }

    /// Takes every right away for good: it was deleted.
    pub(super) fn end(&self) {
        self.replace(Rules::new(false));
        self.state.fetch_or(GONE, Ordering::SeqCst);
    }
}

/// A user's rules as a session has them at hand.
#[derive(Debug)]
pub struct Held {
    user: Arc<User>,
    /// The state of the user that `rules` belongs to.
    state: u64,
    rules: Arc<Rules>,
}

impl Held {
    pub(in crate::engine) fn new(user: Arc<User>) -> Self {
        // Rules that are newer than the state are taken once more, which does no harm.
        let state = user.state.load(Ordering::Acquire);
        let rules = user.rules();
        Self { user, state, rules }
    }

    /// The user.
    #[inline]
    #[must_use]
    pub fn user(&self) -> &Arc<User> {
        &self.user
    }

    /// Its rules as of now.
    pub fn rules(&mut self) -> &Rules {
        let state = self.user.state.load(Ordering::Acquire);
        if state != self.state {
            (self.state, self.rules) = (state, self.user.rules());
        }
        &self.rules
    }
}

/// What a user may do, and how it proves itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    enabled: bool,
    /// Any password will do.
    no_password: bool,
    sanitize_payload: bool,
    /// SHA-256 of each.
    passwords: Vec<[u8; 32]>,
    root: Selector,
    selectors: Vec<Selector>,
}

impl Rules {
    /// Those of a user that was just made: it is off and may do nothing, except perhaps use any channel.
    pub(super) fn new(all_channels: bool) -> Self {
        Self {
            enabled: false,
            no_password: false,
            sanitize_payload: true,
            passwords: Vec::new(),
            root: Selector::new(all_channels),
            selectors: Vec::new(),
        }
    }

    /// Those of the user `default` before anybody changes them: all rights, any password.
    pub(super) fn of_default() -> Self {
        let mut rules = Self { enabled: true, no_password: true, ..Self::new(true) };
        for rule in ["+@all", "~*", "&*"] {
            let applied = rules.root.apply(rule.as_bytes());
            debug_assert_eq!(applied, Ok(()));
        }
        rules
    }

    fn flags(&self) -> u64 {
        let unrestricted = self.all_selectors().any(Selector::allows_all);
        let open = self.enabled && self.no_password;
        (if unrestricted { UNRESTRICTED } else { 0 }) | (if open { OPEN } else { 0 })
    }

    /// Applies one rule. `all_channels` is what fresh selectors begin with.
    pub(super) fn apply(&mut self, rule: &[u8], all_channels: bool) -> Result<(), RuleError> {
        let word = rule.split(|&byte| byte == 0).next().unwrap_or_default();
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        match rule {
            [] => {}
            _ if is("on") => self.enabled = true,
            _ if is("off") => self.enabled = false,
            _ if is("skip-sanitize-payload") => self.sanitize_payload = false,
            _ if is("sanitize-payload") => self.sanitize_payload = true,
            _ if is("nopass") => (self.no_password, self.passwords) = (true, Vec::new()),
            _ if is("resetpass") => (self.no_password, self.passwords) = (false, Vec::new()),
            _ if is("clearselectors") => self.selectors.clear(),
            _ if is("reset") => *self = Self::new(all_channels),
            [b'>', password @ ..] => self.add_password(hash(password)),
            [b'#', hex @ ..] => self.add_password(parse_hash(hex)?),
            [b'<', password @ ..] => self.remove_password(&hash(password))?,
            [b'!', hex @ ..] => self.remove_password(&parse_hash(hex)?)?,
            [b'(', inner @ .., b')'] => self.selectors.push(Selector::parse(inner, all_channels)?),
            _ => self.root.apply(rule)?,
        }
        Ok(())
    }

    fn add_password(&mut self, hash: [u8; 32]) {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.no_password = false;
    }

    fn remove_password(&mut self, hash: &[u8; 32]) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| known == hash).ok_or(RuleError::NoSuchPassword)?;
        self.passwords.remove(at);
        Ok(())
    }

    /// Whether this password proves that somebody is the user. Takes as long whichever of the passwords it is, and
    /// however much of it is right. O(passwords).
    #[must_use]
    pub fn admits(&self, password: &[u8]) -> bool {
        if !self.enabled || self.no_password {
            return self.enabled;
        }
        let given = hash(password);
        let same = |known: &[u8; 32]| {
            let differs =
                known.iter().zip(&given).fold(0, |differs, (known, given)| differs | (known ^ given));
            // The compiler must not end the comparison at the first difference.
            std::hint::black_box(differs) == 0
        };
        self.passwords.iter().fold(false, |found, known| found | same(known))
    }

    /// Whether any password will do.
    #[must_use]
    pub fn needs_no_password(&self) -> bool {
        self.no_password
    }

    /// Whether payloads of `RESTORE` are looked through before they are trusted.
    #[must_use]
    pub fn sanitizes_payload(&self) -> bool {
        self.sanitize_payload
    }

    /// Its own selector.
    #[must_use]
    pub fn root(&self) -> &Selector {
        &self.root
    }

    /// The selectors that it was given in parentheses.
    #[must_use]
    pub fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    fn all_selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.selectors)
    }

    /// What stands against a command: nothing if one of the selectors allows all of it, or else the objection that
    /// reaches furthest.
    pub(super) fn check(&self, question: &Question<'_>) -> Result<(), Objection> {
        let mut furthest = Objection::Command;
        for selector in self.all_selectors() {
            match selector.check(question) {
                Ok(()) => return Ok(()),
                Err(objection) => furthest = furthest.max(objection),
            }
        }
        Err(furthest)
    }

    /// Whether a channel, or a pattern of channels, may be used.
    #[must_use]
    pub fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.all_selectors().any(|selector| selector.allows_channel(channel, is_pattern))
    }

    /// The words that are neither passwords nor selectors: `on`, `nopass`, …
    #[must_use]
    pub fn flag_words(&self) -> Vec<&'static str> {
        let mut words = vec![if self.enabled { "on" } else { "off" }];
        words.extend(self.no_password.then_some("nopass"));
        words.push(if self.sanitize_payload { "sanitize-payload" } else { "skip-sanitize-payload" });
        words
    }

    /// The passwords' hashes in hexadecimal.
    #[must_use]
    pub fn password_hashes(&self) -> Vec<String> {
        self.passwords.iter().map(|hash| crate::hex::hex(hash)).collect()
    }

    /// All rules, in the form in which `ACL LIST` shows them and files keep them.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for word in self.flag_words() {
            out.extend_from_slice(word.as_bytes());
            out.push(b' ');
        }
        for hash in self.password_hashes() {
            out.push(b'#');
            out.extend_from_slice(hash.as_bytes());
            out.push(b' ');
        }
        self.root.write(out);
        for selector in &self.selectors {
            out.extend_from_slice(b" (");
            selector.write(out);
            out.push(b')');
        }
    }
}

fn hash(password: &[u8]) -> [u8; 32] {
    Sha256::digest(password).into()
}

/// A hash as it is written: 64 hexadecimal digits in small letters.
fn parse_hash(hex: &[u8]) -> Result<[u8; 32], RuleError> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(RuleError::BadHash),
    };
    let (pairs, []) = hex.as_chunks::<2>() else { return Err(RuleError::BadHash) };
    let bytes = pairs.iter().map(|&[high, low]| Ok(digit(high)? << 4 | digit(low)?));
    let bytes: Vec<u8> = bytes.collect::<Result<_, RuleError>>()?;
    bytes.try_into().map_err(|_| RuleError::BadHash)
}

/// A user's name has to be one word.
pub(super) fn is_name(name: &[u8]) -> bool {
    !has_spaces(name)
}

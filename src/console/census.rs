//! The census: which namespaces, queues and users there are, and how many keys each has.
//!
//! Counts by name are asked for often and by many, and Redis' way of finding them out (`KEYS`) holds everybody up. So the
//! keys are walked over in the background, a few at a time, and what was counted last is what everybody is shown, with the
//! time at which it was true. Nobody walks where nobody has looked for half a minute, or where nothing has changed.
//!
//! Names are read off the keys as the domain layer spells them: `namespace:…`, `namespace:{u:7}:…`, and
//! `{jobs:name}:…` for queues. A key that is spelled otherwise belongs to no namespace.

use super::Console;
use crate::embed::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Keys that are looked at in one go: less than a millisecond.
const STEP: usize = 2000;
/// What others have between two steps.
const PAUSE: Duration = Duration::from_millis(10);
/// Time between two walks.
const REST: Duration = Duration::from_secs(3);
/// Nobody has looked for so long: no more walks.
const UNSEEN_MS: u64 = 30_000;
/// Different names of each kind that are kept apart.
const NAMES_MAX: usize = 1000;
/// How long who asks first waits for the first walk.
const PATIENCE: Duration = Duration::from_millis(250);

/// What may become of a namespace's keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keeping {
    /// They may vanish at any time.
    Evictable,
    /// They can be built anew, at a price.
    Derived,
    /// They exist nowhere else.
    Durable,
    /// Likewise, and they keep people out: sessions, codes, limits.
    Security,
}

impl Keeping {
    /// As a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Evictable => "evictable",
            Self::Derived => "derived",
            Self::Durable => "durable",
            Self::Security => "security",
        }
    }

    /// Whether it goes when everything is cleared.
    pub(super) fn is_cleared(self) -> bool {
        matches!(self, Self::Evictable | Self::Derived)
    }
}

/// A namespace that is known by name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Known {
    /// What its keys begin with, before the colon.
    pub name: String,
    /// What may become of them.
    pub keeping: Keeping,
}

impl Known {
    /// One of this name.
    #[must_use]
    pub fn new(name: impl Into<String>, keeping: Keeping) -> Self {
        Self { name: name.into(), keeping }
    }
}

/// The namespaces of the music application.
pub(super) fn music() -> Vec<Known> {
    let of = |keeping: Keeping, names: &str| -> Vec<Known> {
        names.split(' ').map(|name| Known::new(name, keeping)).collect()
    };
    [
        of(
            Keeping::Evictable,
            "spotify tracks artists albums users search homepage recommendations lyrics temp",
        ),
        of(Keeping::Derived, "index progress playlists favorites recent"),
        of(Keeping::Security, "sessions ratelimit paircodes"),
        of(Keeping::Durable, "playcounts plays jobs sync mobile devices"),
    ]
    .concat()
}

/// Whether a name fits `[a-z][a-z0-9_-]{0,31}`.
pub(super) fn is_name(name: &[u8]) -> bool {
    let fits = |&letter: &u8| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'_' || letter == b'-'
    };
    name.first().is_some_and(u8::is_ascii_lowercase) && name.len() <= 32 && name.iter().all(fits)
}

/// What one walk has counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    /// Keys by namespace.
    pub namespaces: BTreeMap<String, u64>,
    /// Keys that belong to none, or to one too many.
    pub others: u64,
    /// Queues by name, each in its database.
    pub queues: BTreeSet<(usize, String)>,
    /// Users who have sessions, each in its database.
    pub users: BTreeSet<(usize, String)>,
    /// When it was done, Unix ms; 0 for never.
    pub at_ms: u64,
}

#[derive(Debug)]
pub(super) struct Census {
    known: Vec<Known>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    counts: Arc<Counts>,
    /// When somebody looked last, Unix ms.
    seen_ms: u64,
    walks: bool,
    /// What the engine's counters were when the last walk began.
    mark: Option<(u64, u64)>,
}

impl Census {
    pub(super) fn new(known: Vec<Known>) -> Self {
        Self { known, state: Mutex::default() }
    }

    pub(super) fn known(&self) -> &[Known] {
        &self.known
    }

    pub(super) fn keeping(&self, name: &str) -> Option<Keeping> {
        self.known.iter().find(|known| known.name == name).map(|known| known.keeping)
    }
}

impl Console {
    /// What was counted last. Whoever asks first waits a moment for the first walk.
    pub(super) async fn counts(self: &Arc<Self>) -> Arc<Counts> {
        let begins = {
            let mut state = self.census.state.lock();
            state.seen_ms = self.engine.clock().now_ms();
            !std::mem::replace(&mut state.walks, true)
        };
        if begins {
            tokio::spawn(walk_on(Arc::downgrade(self)));
        }
        let mut waited = Duration::ZERO;
        loop {
            let counts = Arc::clone(&self.census.state.lock().counts);
            if counts.at_ms > 0 || waited >= PATIENCE {
                return counts;
            }
            tokio::time::sleep(PAUSE).await;
            waited += PAUSE;
        }
    }

    /// Has the next walk begin anew, because somebody has cleared something.
    pub(super) async fn count_anew(self: &Arc<Self>) {
        if let Some(counts) = self.walk().await {
            self.census.state.lock().counts = Arc::new(counts);
        }
    }

    /// Changes and keys so far: a walk between two moments at which these are the same finds the same.
    fn mark(&self) -> (u64, u64) {
        let keys: usize = (0..self.engine.databases()).map(|db| self.engine.keys_len(db).0).sum();
        (self.engine.totals().dirty, keys as u64)
    }

    async fn walk(&self) -> Option<Counts> {
        let mut counts = Counts::default();
        for number in 0..self.engine.databases() {
            if self.engine.keys_len(number).0 == 0 {
                continue;
            }
            let Ok(db) = self.db.select(number) else { continue };
            let mut keys = db.scan().count(512);
            let mut left = STEP;
            while let Some(key) = keys.next().transpose().ok()? {
                counts.add(number, &key);
                left -= 1;
                if left == 0 {
                    left = STEP;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        counts.at_ms = self.engine.clock().now_ms();
        Some(counts)
    }
}

/// Walks again and again, while somebody looks.
async fn walk_on(console: std::sync::Weak<Console>) {
    loop {
        let Some(console) = console.upgrade() else { return };
        let mark = console.mark();
        let is_same = console.census.state.lock().mark == Some(mark);
        if !is_same && let Some(counts) = console.walk().await {
            let mut state = console.census.state.lock();
            state.counts = Arc::new(counts);
            state.mark = Some(mark);
        } else if is_same {
            // It is still true.
            let mut state = console.census.state.lock();
            Arc::make_mut(&mut state.counts).at_ms = console.engine.clock().now_ms();
        }
        {
            let mut state = console.census.state.lock();
            if console.engine.clock().now_ms().saturating_sub(state.seen_ms) > UNSEEN_MS {
                state.walks = false;
                return;
            }
        }
        drop(console);
        tokio::time::sleep(REST).await;
    }
}

impl Counts {
    fn add(&mut self, db: usize, key: &Bytes) {
        let (namespace, queue) = read(key);
        if let Some(queue) = queue
            && self.queues.len() < NAMES_MAX
        {
            let queue = (db, String::from_utf8_lossy(queue).into_owned());
            self.queues.insert(queue);
        }
        if let Some(user) = user_of(key)
            && self.users.len() < NAMES_MAX
        {
            let user = (db, String::from_utf8_lossy(user).into_owned());
            self.users.insert(user);
        }
        let Some(name) = namespace.and_then(|name| std::str::from_utf8(name).ok()) else {
            self.others += 1;
            return;
        };
        if let Some(count) = self.namespaces.get_mut(name) {
            *count += 1;
        } else if self.namespaces.len() < NAMES_MAX {
            self.namespaces.insert(name.to_owned(), 1);
        } else {
            self.others += 1;
        }
    }
}

/// The namespace that a key belongs to, and the queue.
fn read(key: &[u8]) -> (Option<&[u8]>, Option<&[u8]>) {
    if let Some(rest) = key.strip_prefix(b"{") {
        let tag = rest.split(|&byte| byte == b'}').next().unwrap_or_default();
        let (name, more) = split(tag);
        let queue =
            (name == b"jobs" && rest.len() > tag.len()).then_some(more).filter(|more| !more.is_empty());
        return (Some(name).filter(|name| is_name(name) && rest.len() > tag.len()), queue);
    }
    let (name, _) = split(key);
    (Some(name).filter(|name| is_name(name) && name.len() < key.len()), None)
}

/// The user whose sessions a key lists: `sessions:{u:7}:all`.
fn user_of(key: &[u8]) -> Option<&[u8]> {
    let user = key.strip_prefix(b"sessions:{u:")?.strip_suffix(b"}:all")?;
    (!user.is_empty() && user.iter().all(u8::is_ascii_digit)).then_some(user)
}

fn split(key: &[u8]) -> (&[u8], &[u8]) {
    match key.iter().position(|&byte| byte == b':') {
        Some(at) => (key.get(..at).unwrap_or_default(), key.get(at + 1..).unwrap_or_default()),
        None => (key, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_off_keys_as_the_domain_layer_spells_them() {
        let name = |key: &'static str| {
            let (namespace, queue) = read(key.as_bytes());
            let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            (text(namespace), text(queue))
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(name("spotify:track:4uL"), (some("spotify"), None));
        assert_eq!(name("homepage:{u:42}:mixes"), (some("homepage"), None));
        assert_eq!(name("{jobs:download}:ready"), (some("jobs"), some("download")));
        for key in ["plain", "UPPER:x", ":x", "{open:x", "a b:c", ""] {
            assert_eq!(name(key), (None, None), "{key}");
        }
    }

    #[test]
    fn users_are_read_off_the_keys_of_their_sessions() {
        assert_eq!(user_of(b"sessions:{u:7}:all"), Some(&b"7"[..]));
        for key in ["sessions:{u:7}:s:abc", "sessions:{u:}:all", "sessions:{u:x}:all", "sessions:{u:7}:epoch"]
        {
            assert_eq!(user_of(key.as_bytes()), None, "{key}");
        }
    }
}

//! Client-side caching (`CLIENT TRACKING`): clients are told when a key changes that they may have in a cache.
//!
//! 1. A client that tracks keys has them remembered as it reads them, under the key in its shard (`shard::tracking`),
//!    while the shard is entered for the read: so there is no change between the read and the remembering.
//! 2. Whoever changes the key, from inside the shard, takes its readers out and notes the change; behind the shards
//!    (`engine::notices`) the readers are told, once for each read. A client that is gone, or tracks no more, stays
//!    remembered until then.
//! 3. A client in broadcasting mode has nothing remembered: it registers prefixes, and is told of every key that begins
//!    with one of them, the keys that one command has changed together.
//!
//! The message goes to the client itself if it speaks RESP3, or to the client that it redirects to: as a push there, or
//! in RESP2, and if that one subscribes to anything, as a message on a channel.

use super::push::{Body, Push, Wakes};
use super::{Client, Engine, Reach, Session};
use crate::command::error::CommandError;
use crate::command::table::Entry;
use crate::shard::{Changed, Key, Shard};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

type Name = Box<[u8]>;

/// How a client tracks keys. `CLIENT TRACKING` sets it, and others look at it when a key changes.
#[derive(Debug, Default)]
pub(super) struct State {
    mode: AtomicU32,
    /// The client that the messages go to; 0 for the client itself.
    redirect: AtomicU64,
}

/// A client's mode of tracking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode(u32);

impl Mode {
    const ON: u32 = 1 << 0;
    /// Told of all keys with certain prefixes.
    pub const BCAST: Mode = Mode(1 << 1);
    /// Only keys read behind `CLIENT CACHING YES`.
    pub const OPTIN: Mode = Mode(1 << 2);
    /// All keys but those read behind `CLIENT CACHING NO`.
    pub const OPTOUT: Mode = Mode(1 << 3);
    /// Not told of its own changes.
    pub const NOLOOP: Mode = Mode(1 << 4);
    /// The client that it redirected to is gone.
    pub const BROKEN: Mode = Mode(1 << 5);

    /// Whether all of another mode is part of this one.
    #[inline]
    #[must_use]
    pub fn has(self, mode: Mode) -> bool {
        self.0 & mode.0 == mode.0
    }

    /// Whether keys are tracked at all.
    #[inline]
    #[must_use]
    pub fn is_on(self) -> bool {
        self.0 & Self::ON != 0
    }
}

impl std::ops::BitOrAssign for Mode {
    fn bitor_assign(&mut self, other: Mode) {
        self.0 |= other.0;
    }
}

/// What a session knows of its own tracking.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tracking {
    mode: Mode,
    /// `CLIENT CACHING` was called for the next command.
    caching: bool,
}

/// What `CLIENT TRACKING ON` asks for.
#[derive(Debug, Default)]
pub struct TrackingOptions<'a> {
    /// The mode.
    pub mode: Mode,
    /// The client that the messages go to; 0 for the client itself.
    pub redirect: u64,
    /// Prefixes of the keys it wants to hear of, in broadcasting mode; none for all keys.
    pub prefixes: Vec<&'a [u8]>,
}

/// All who track keys.
#[derive(Debug, Default)]
pub(super) struct Trackers {
    clients: AtomicUsize,
    /// Keys remembered in all shards.
    keys: AtomicUsize,
    prefixes: Mutex<BTreeMap<Name, BTreeMap<u64, Arc<Client>>>>,
    prefixes_len: AtomicUsize,
}

/// Keys that have changed, with whoever was the first to change each, by prefix.
#[derive(Debug, Default)]
pub(super) struct Broadcast(BTreeMap<Name, BTreeMap<Name, u64>>);

impl Session {
    /// Whether what the client reads is to be remembered. One branch where it tracks nothing.
    #[inline]
    pub(super) fn remembers(&self) -> bool {
        self.tracking.mode.is_on() && self.tracking.wants_reads()
    }

    /// Notes that a command is done: what `CLIENT CACHING` said was for that one.
    #[inline]
    pub(super) fn end_caching(&mut self, entry: Option<&Entry>) {
        if self.tracking.caching && self.transaction.is_none() {
            self.tracking.caching = entry.is_some_and(|entry| entry.full_name.starts_with("client|"));
        }
    }

    /// How the client tracks keys.
    #[must_use]
    pub fn tracking_mode(&self) -> Mode {
        self.client.tracking_mode()
    }

    /// Whether it is told of all keys with certain prefixes, which shards know of.
    #[must_use]
    pub fn is_broadcast(&self) -> bool {
        self.tracking.mode.has(Mode::BCAST)
    }

    /// Whether `CLIENT CACHING` was called for the next command.
    #[must_use]
    pub fn is_caching(&self) -> bool {
        self.tracking.caching
    }

    /// Has the next command's keys remembered, or not, against the rule (`CLIENT CACHING`).
    ///
    /// # Errors
    /// The mode is another one.
    pub fn cache_next(&mut self, yes: bool) -> Result<(), CommandError> {
        let (mode, error) = match yes {
            true => {
                (Mode::OPTIN, "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
            }
            false => {
                (Mode::OPTOUT, "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
            }
        };
        if !self.tracking.mode.has(mode) {
            return Err(CommandError::text(error));
        }
        self.tracking.caching = true;
        Ok(())
    }
}

impl Tracking {
    fn wants_reads(self) -> bool {
        !(self.mode.has(Mode::BCAST)
            || self.mode.has(Mode::OPTIN) && !self.caching
            || self.mode.has(Mode::OPTOUT) && self.caching)
    }
}

impl Client {
    /// How the client tracks keys.
    #[must_use]
    pub fn tracking_mode(&self) -> Mode {
        Mode(self.tracking.mode.load(Ordering::Relaxed))
    }

    /// The client that messages about changed keys go to; 0 for the client itself.
    #[must_use]
    pub fn tracking_redirect(&self) -> u64 {
        self.tracking.redirect.load(Ordering::Relaxed)
    }
}

impl Reach<'_, '_> {
    /// Turns tracking on, or changes its mode (`CLIENT TRACKING ON`). O(prefixes + shards).
    ///
    /// # Errors
    /// Options that contradict each other, or the mode that the client is in.
    pub fn track(&mut self, session: &mut Session, options: TrackingOptions<'_>) -> Result<(), CommandError> {
        let (old, new) = (session.tracking.mode, options.mode);
        let refuse = |text| Err(CommandError::text(text));
        if !new.has(Mode::BCAST) && !options.prefixes.is_empty() {
            return refuse("ERR PREFIX option requires BCAST mode to be enabled");
        }
        if old.is_on() && old.has(Mode::BCAST) != new.has(Mode::BCAST) {
            return refuse(
                "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            );
        }
        if new.has(Mode::BCAST) && (new.has(Mode::OPTIN) || new.has(Mode::OPTOUT)) {
            return refuse("ERR OPTIN and OPTOUT are not compatible with BCAST");
        }
        if new.has(Mode::OPTIN) && new.has(Mode::OPTOUT) {
            return refuse("ERR You can't specify both OPTIN mode and OPTOUT mode");
        }
        if new.has(Mode::OPTIN) && old.has(Mode::OPTOUT) || new.has(Mode::OPTOUT) && old.has(Mode::OPTIN) {
            return refuse(
                "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            );
        }
        if new.has(Mode::BCAST) {
            self.register_prefixes(session, &options.prefixes)?;
        }
        if !old.is_on() {
            self.trackers().clients.fetch_add(1, Ordering::Relaxed);
        }
        let mode = Mode(new.0 | Mode::ON);
        session.tracking.mode = mode;
        session.client.tracking.redirect.store(options.redirect, Ordering::Relaxed);
        session.client.tracking.mode.store(mode.0, Ordering::Relaxed);
        Ok(())
    }

    /// Turns tracking off (`CLIENT TRACKING OFF`). O(prefixes + shards).
    pub fn untrack(&mut self, session: &mut Session) {
        let mode = std::mem::take(&mut session.tracking).mode;
        if !mode.is_on() {
            return;
        }
        session.client.tracking.mode.store(0, Ordering::Relaxed);
        session.client.tracking.redirect.store(0, Ordering::Relaxed);
        self.trackers().clients.fetch_sub(1, Ordering::Relaxed);
        if mode.has(Mode::BCAST) {
            self.engine().change_prefixes(|prefixes| {
                prefixes.retain(|_, clients| {
                    clients.remove(&session.client.id);
                    !clients.is_empty()
                });
            });
            self.tell_shards_of_prefixes();
        }
    }

    fn register_prefixes(&mut self, session: &Session, prefixes: &[&[u8]]) -> Result<(), CommandError> {
        let overlap = |one: &[u8], other: &[u8], whose: &str| {
            if !one.starts_with(other) && !other.starts_with(one) {
                return Ok(());
            }
            let (one, other) = (String::from_utf8_lossy(one), String::from_utf8_lossy(other));
            Err(CommandError::from(format!(
                "ERR Prefix '{one}' overlaps with {whose} prefix '{other}'. Prefixes for a single client must \
                 not overlap."
            )))
        };
        let mine = self.prefixes_of(&session.client);
        for (at, prefix) in prefixes.iter().enumerate() {
            mine.iter().try_for_each(|existing| overlap(prefix, existing, "an existing"))?;
            let others = prefixes.iter().skip(at + 1);
            others.into_iter().try_for_each(|other| overlap(prefix, other, "another provided"))?;
        }
        let all: &[&[u8]] = if prefixes.is_empty() { &[b""] } else { prefixes };
        self.engine().change_prefixes(|registry| {
            for prefix in all {
                let clients = registry.entry((*prefix).into()).or_default();
                clients.insert(session.client.id, Arc::clone(&session.client));
            }
        });
        self.tell_shards_of_prefixes();
        Ok(())
    }

    /// Has the shards note changes where somebody wants to hear of all. Each looks at the registry when its turn comes,
    /// so that of two changes at once the later one counts.
    fn tell_shards_of_prefixes(&mut self) {
        let engine = self.engine();
        self.each_shard(|shard| shard.tracked.set_broadcasts(engine.prefixes_len() > 0));
    }

    /// Keys that are remembered, and their readers. Enters one shard after another.
    pub fn tracked_len(&mut self) -> (usize, usize) {
        let (mut keys, mut readers) = (0, 0);
        self.each_shard(|shard| {
            keys += shard.tracked.keys_len();
            readers += shard.tracked.readers_len();
        });
        (keys, readers)
    }
}

impl Engine {
    /// How many clients track keys.
    #[must_use]
    pub fn trackers_len(&self) -> usize {
        self.trackers().clients.load(Ordering::Relaxed)
    }

    /// How many prefixes clients want to hear of.
    #[must_use]
    pub fn prefixes_len(&self) -> usize {
        self.trackers().prefixes_len.load(Ordering::Relaxed)
    }

    /// The prefixes that a client wants to hear of, in the order of their bytes. O(prefixes).
    #[must_use]
    pub fn prefixes_of(&self, client: &Client) -> Vec<Box<[u8]>> {
        let prefixes = self.trackers().prefixes.lock();
        let mine = prefixes.iter().filter(|(_, clients)| clients.contains_key(&client.id));
        mine.map(|(prefix, _)| prefix.clone()).collect()
    }

    fn change_prefixes(&self, change: impl FnOnce(&mut BTreeMap<Name, BTreeMap<u64, Arc<Client>>>)) {
        let mut prefixes = self.trackers().prefixes.lock();
        change(&mut prefixes);
        self.trackers().prefixes_len.store(prefixes.len(), Ordering::Relaxed);
    }

    /// Remembers that a session's client has read a key, whose shard is entered. Where that is one key too many, another
    /// one of the shard is given up as if it had changed.
    pub(super) fn remember(&self, shard: &mut Shard, key: Key<'_>, session: &Session) {
        if !shard.tracked.remember(key, session.client.id) {
            return;
        }
        let keys = self.trackers().keys.fetch_add(1, Ordering::Relaxed) + 1;
        let most = self.settings().tracking_table_max_keys();
        if most > 0 && keys > most {
            let random = shard.random();
            shard.tracked.evict(random);
        }
    }

    /// Keys are remembered no more.
    pub(super) fn forgot_keys(&self, keys: usize) {
        self.trackers().keys.fetch_sub(keys, Ordering::Relaxed);
    }

    /// Tells those who have read a key that it has changed, and notes it for those who want to hear of all keys.
    pub(super) fn post_changed(&self, changed: Changed, broadcast: &mut Broadcast, wakes: &mut Wakes) {
        for reader in &changed.readers {
            let Some(client) = self.client(*reader) else { continue };
            let mode = client.tracking_mode();
            let own = mode.has(Mode::NOLOOP) && client.id == changed.by;
            if mode.is_on() && !mode.has(Mode::BCAST) && !own {
                self.invalidate(&client, Some(&[&changed.key]), wakes);
            }
        }
        if self.prefixes_len() > 0 {
            let prefixes = self.trackers().prefixes.lock();
            for prefix in prefixes.keys().filter(|prefix| changed.key.starts_with(prefix)) {
                let keys = broadcast.0.entry(prefix.clone()).or_default();
                keys.entry(changed.key.clone()).or_insert(changed.by);
            }
        }
    }

    /// Tells those who want to hear of all keys what has changed.
    pub(super) fn post_broadcast(&self, broadcast: Broadcast, wakes: &mut Wakes) {
        for (prefix, keys) in broadcast.0 {
            let clients: Vec<Arc<Client>> = {
                let prefixes = self.trackers().prefixes.lock();
                prefixes.get(&prefix).map_or_else(Vec::new, |clients| clients.values().cloned().collect())
            };
            for client in clients.iter().filter(|client| !client.is_killed()) {
                let others = |by: u64| by != client.id || !client.tracking_mode().has(Mode::NOLOOP);
                let keys: Vec<&[u8]> =
                    keys.iter().filter(|&(_, &by)| others(by)).map(|(key, _)| &**key).collect();
                if !keys.is_empty() {
                    self.invalidate(client, Some(&keys), wakes);
                }
            }
        }
    }

    /// Tells everybody who tracks keys that none of them can be trusted (`FLUSHALL`, `FLUSHDB`). O(clients).
    pub(super) fn post_flushed(&self, wakes: &mut Wakes) {
        for client in self.clients().iter().filter(|client| client.tracking_mode().is_on()) {
            self.invalidate(client, None, wakes);
        }
    }

    /// Tells a client, or the one that it redirects to, that keys have changed; `None` for all keys.
    fn invalidate(&self, client: &Arc<Client>, keys: Option<&[&[u8]]>, wakes: &mut Wakes) {
        let speaks_resp3 = |client: &Client| client.resp.load(Ordering::Relaxed) == 3;
        let redirect = client.tracking_redirect();
        if redirect == 0 {
            if speaks_resp3(client) {
                self.push_one(client, Body::Invalidate(keys), wakes);
            }
            return;
        }
        match self.client(redirect) {
            None => {
                client.tracking.mode.fetch_or(Mode::BROKEN.0, Ordering::Relaxed);
                if speaks_resp3(client) {
                    self.push_one(client, Body::RedirectBroken(redirect), wakes);
                }
            }
            // RESP2 has messages for those who subscribe, and nothing else that nobody asked for.
            Some(target) if speaks_resp3(&target) || target.subscriptions_len() > 0 => {
                self.push_one(&target, Body::Invalidate(keys), wakes);
            }
            Some(_) => {}
        }
    }

    fn push_one(&self, client: &Arc<Client>, body: Body<'_>, wakes: &mut Wakes) {
        let limit = match client.subscriptions_len() {
            0 => self.settings().output_limit_normal(),
            _ => self.settings().output_limit_pubsub(),
        };
        if client.push(&Push::new(body, 1), client.room(limit.hard_bytes)) {
            wakes.add(client);
        }
    }
}

//! Pub/Sub: who listens to what, and how a message gets to them.
//!
//! 1. The registries map channels and patterns to the clients that subscribe to them; what a client subscribes to
//!    stands with the client ([`Subscriptions`]). Its own lock is taken first, then a registry's, then a topic's.
//! 2. A message is posted by the thread that publishes it: it hands the message to every subscriber's owner, under the
//!    lock of the topic. So all subscribers of a topic see its messages in one order, those of one publisher in the
//!    order of publishing; and none sees a message after it has unsubscribed.
//! 3. The owners are woken once the publisher is done, or has come to the end of a row of messages ([`Wakes`]).
//!
//! No shard is entered for any of this. A transaction or a script, which is inside, lays its messages down, and they
//! are posted once the shards are left.
//!
//! **Invariant:** a topic without subscribers is not in its registry; a client that was killed is in none.

use super::push::{Body, Push, Wakes};
use super::{Client, Engine, Session};
use crate::glob;
use crate::reply::Protocol;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a subscription names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A channel.
    Channel,
    /// A pattern of channels.
    Pattern,
    /// A shard channel: a channel of its own world.
    Shard,
}

type Name = Box<[u8]>;

/// What one client subscribes to.
#[derive(Debug, Default)]
pub struct Subscriptions {
    channels: BTreeSet<Name>,
    patterns: BTreeSet<Name>,
    shard: BTreeSet<Name>,
}

impl Subscriptions {
    fn of(&mut self, scope: Scope) -> &mut BTreeSet<Name> {
        match scope {
            Scope::Channel => &mut self.channels,
            Scope::Pattern => &mut self.patterns,
            Scope::Shard => &mut self.shard,
        }
    }
}

/// Those who get the messages of one channel, or of one pattern, by their clients' numbers.
#[derive(Debug, Default)]
struct Topic(Mutex<BTreeMap<u64, Arc<Client>>>);

/// Channels with their subscribers.
#[derive(Debug, Default)]
struct Channels {
    topics: DashMap<Name, Arc<Topic>>,
    /// How many there are: a message that nobody could get costs a look at this.
    len: AtomicUsize,
}

impl Channels {
    fn add(&self, name: &[u8], client: &Arc<Client>) {
        // Under the registry's lock, so that nobody takes the topic for empty meanwhile.
        let topic = self.topics.entry(name.into()).or_insert_with(|| {
            self.len.fetch_add(1, Ordering::Relaxed);
            Arc::default()
        });
        topic.0.lock().insert(client.id, Arc::clone(client));
    }

    fn remove(&self, name: &[u8], client: &Client) {
        let Entry::Occupied(topic) = self.topics.entry(name.into()) else { return };
        let empty = {
            let mut subscribers = topic.get().0.lock();
            subscribers.remove(&client.id);
            subscribers.is_empty()
        };
        if empty {
            topic.remove();
            self.len.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[inline]
    fn get(&self, name: &[u8]) -> Option<Arc<Topic>> {
        if self.len.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.topics.get(name).map(|topic| Arc::clone(&topic))
    }

    fn subscribers_len(&self, name: &[u8]) -> usize {
        self.get(name).map_or(0, |topic| topic.0.lock().len())
    }

    fn matching(&self, pattern: Option<&[u8]>) -> Vec<Name> {
        let wanted = |name: &[u8]| pattern.is_none_or(|pattern| glob::matches(pattern, name, false));
        self.topics.iter().filter(|topic| wanted(topic.key())).map(|topic| topic.key().clone()).collect()
    }
}

/// All subscriptions.
#[derive(Debug, Default)]
pub(super) struct PubSub {
    channels: Channels,
    shard: Channels,
    patterns: RwLock<BTreeMap<Name, Topic>>,
    patterns_len: AtomicUsize,
}

impl PubSub {
    fn add(&self, scope: Scope, name: &[u8], client: &Arc<Client>) {
        match scope {
            Scope::Channel => self.channels.add(name, client),
            Scope::Shard => self.shard.add(name, client),
            Scope::Pattern => {
                let mut patterns = self.patterns.write();
                patterns.entry(name.into()).or_default().0.get_mut().insert(client.id, Arc::clone(client));
                self.patterns_len.store(patterns.len(), Ordering::Relaxed);
            }
        }
    }

    fn remove(&self, scope: Scope, name: &[u8], client: &Client) {
        match scope {
            Scope::Channel => self.channels.remove(name, client),
            Scope::Shard => self.shard.remove(name, client),
            Scope::Pattern => {
                let mut patterns = self.patterns.write();
                let Some(topic) = patterns.get_mut(name) else { return };
                let subscribers = topic.0.get_mut();
                subscribers.remove(&client.id);
                if subscribers.is_empty() {
                    patterns.remove(name);
                }
                self.patterns_len.store(patterns.len(), Ordering::Relaxed);
            }
        }
    }

    /// Calls `visit` with every pattern that takes a channel in, and its subscribers.
    #[inline]
    fn each_pattern(&self, channel: &[u8], mut visit: impl FnMut(&[u8], &Topic)) {
        if self.patterns_len.load(Ordering::Relaxed) > 0 {
            for (pattern, topic) in &*self.patterns.read() {
                if glob::matches(pattern, channel, false) {
                    visit(pattern, topic);
                }
            }
        }
    }
}

impl Topic {
    /// Hands a message to every subscriber; how many there are.
    fn post(&self, body: Body<'_>, room: impl Fn(&Client) -> u64, wakes: &mut Wakes) -> usize {
        let subscribers = self.0.lock();
        let push = Push::new(body, subscribers.len());
        for client in subscribers.values() {
            if client.push(&push, room(client)) {
                wakes.add(client);
            }
        }
        subscribers.len()
    }
}

/// Messages on channels are one thing, those on shard channels another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// `PUBLISH`.
    Channels,
    /// `SPUBLISH`.
    Shard,
}

impl Engine {
    /// Subscribes a client to a channel or pattern; how many subscriptions it has then that count with this one.
    ///
    /// O(log subscribers).
    pub fn subscribe(&self, session: &mut Session, scope: Scope, name: &[u8]) -> usize {
        let client = &session.client;
        let mut subscriptions = client.subscriptions.lock();
        // One that is killed has left the registries for good.
        if !client.is_killed() && subscriptions.of(scope).insert(name.into()) {
            self.pubsub().add(scope, name, client);
        }
        client.note_subscriptions(&subscriptions);
        session.subscribed = true;
        counted_with(scope, &subscriptions)
    }

    /// Takes a subscription back, which the client may not have; how many are left that count with it.
    ///
    /// Nothing that is published from here on reaches the client by it. O(log subscribers).
    pub fn unsubscribe(&self, session: &mut Session, scope: Scope, name: &[u8]) -> usize {
        let client = &session.client;
        let mut subscriptions = client.subscriptions.lock();
        if subscriptions.of(scope).remove(name) {
            self.pubsub().remove(scope, name, client);
        }
        session.subscribed = client.note_subscriptions(&subscriptions) > 0;
        counted_with(scope, &subscriptions)
    }

    /// Takes all of a client's subscriptions back (`RESET`). O(subscriptions × log subscribers).
    pub fn unsubscribe_all(&self, session: &mut Session) {
        if std::mem::take(&mut session.subscribed) {
            self.forget_subscriptions(&session.client);
            session.pushes_first = true;
        }
    }

    /// Takes all subscriptions of a client back that is gone.
    pub(super) fn forget_subscriptions(&self, client: &Client) {
        if client.subscriptions_len() == 0 {
            return;
        }
        let mut subscriptions = client.subscriptions.lock();
        for scope in [Scope::Channel, Scope::Pattern, Scope::Shard] {
            for name in std::mem::take(subscriptions.of(scope)) {
                self.pubsub().remove(scope, &name, client);
            }
        }
        client.note_subscriptions(&subscriptions);
    }

    /// What a client subscribes to, in the order of its bytes.
    #[must_use]
    pub fn subscriptions(&self, client: &Client, scope: Scope) -> Vec<Box<[u8]>> {
        client.subscriptions.lock().of(scope).iter().cloned().collect()
    }

    /// How many subscriptions a client has that count with those of a scope.
    #[must_use]
    pub fn subscriptions_counted(&self, client: &Client, scope: Scope) -> usize {
        counted_with(scope, &client.subscriptions.lock())
    }

    /// Publishes a message; how many get it. O(receivers + patterns).
    ///
    /// Called outside all doors: subscribers are woken.
    pub fn publish(&self, world: World, channel: &[u8], payload: &[u8]) -> usize {
        let mut wakes = Wakes::default();
        let receivers = self.post(world, channel, payload, &mut wakes);
        wakes.ring();
        receivers
    }

    /// Publishes a message, and leaves waking to the caller.
    pub(super) fn post(&self, world: World, channel: &[u8], payload: &[u8], wakes: &mut Wakes) -> usize {
        let pubsub = self.pubsub();
        let hard_bytes = self.settings().output_limit_pubsub().hard_bytes;
        let room = |client: &Client| client.room(hard_bytes);
        if world == World::Shard {
            let body = Body::ShardMessage { channel, payload };
            return pubsub.shard.get(channel).map_or(0, |topic| topic.post(body, room, wakes));
        }
        let body = Body::Message { channel, payload };
        let mut receivers = pubsub.channels.get(channel).map_or(0, |topic| topic.post(body, room, wakes));
        pubsub.each_pattern(channel, |pattern, topic| {
            receivers += topic.post(Body::PatternMessage { pattern, channel, payload }, room, wakes);
        });
        receivers
    }

    /// How many would get a message on this channel.
    #[must_use]
    pub fn receivers(&self, world: World, channel: &[u8]) -> usize {
        let pubsub = self.pubsub();
        if world == World::Shard {
            return pubsub.shard.subscribers_len(channel);
        }
        let mut receivers = pubsub.channels.subscribers_len(channel);
        pubsub.each_pattern(channel, |_, topic| receivers += topic.0.lock().len());
        receivers
    }

    /// Channels that have subscribers, in no order. O(channels).
    #[must_use]
    pub fn channels(&self, world: World, pattern: Option<&[u8]>) -> Vec<Box<[u8]>> {
        self.channels_of(world).matching(pattern)
    }

    /// How many channels have subscribers. O(1).
    #[must_use]
    pub fn channels_len(&self, world: World) -> usize {
        self.channels_of(world).len.load(Ordering::Relaxed)
    }

    /// How many clients subscribe to a channel by its name. O(1).
    #[must_use]
    pub fn subscribers_len(&self, world: World, channel: &[u8]) -> usize {
        self.channels_of(world).subscribers_len(channel)
    }

    /// How many patterns have subscribers. O(1).
    #[must_use]
    pub fn patterns_len(&self) -> usize {
        self.pubsub().patterns_len.load(Ordering::Relaxed)
    }

    fn channels_of(&self, world: World) -> &Channels {
        match world {
            World::Channels => &self.pubsub().channels,
            World::Shard => &self.pubsub().shard,
        }
    }
}

/// Channels and patterns are counted together, as the replies to subscribing show.
fn counted_with(scope: Scope, subscriptions: &Subscriptions) -> usize {
    match scope {
        Scope::Channel | Scope::Pattern => subscriptions.channels.len() + subscriptions.patterns.len(),
        Scope::Shard => subscriptions.shard.len(),
    }
}

impl Client {
    /// Hands a push to the client's owner; whether that must be woken.
    pub(super) fn push(&self, push: &Push<'_>, room: u64) -> bool {
        let protocol = if self.resp.load(Ordering::Relaxed) == 3 { Protocol::Resp3 } else { Protocol::Resp2 };
        self.owner().push(protocol, push, room)
    }

    /// How much may wait for the client beside what it has not read yet, under a limit where 0 is none.
    pub(super) fn room(&self, hard_bytes: u64) -> u64 {
        match hard_bytes {
            0 => u64::MAX,
            limit => limit.saturating_sub(self.output_bytes.load(Ordering::Relaxed) as u64),
        }
    }

    /// Shows how much the client subscribes to; how much that is in all.
    fn note_subscriptions(&self, subscriptions: &Subscriptions) -> usize {
        let counts = [&subscriptions.channels, &subscriptions.patterns, &subscriptions.shard];
        let counts = counts.map(BTreeSet::len);
        for (shown, count) in self.subscribed.iter().zip(counts) {
            shown.store(count as u32, Ordering::Relaxed);
        }
        counts.iter().sum()
    }

    /// How many channels, patterns and shard channels the client subscribes to.
    #[must_use]
    pub fn subscriptions_by_scope(&self) -> [u32; 3] {
        self.subscribed.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// How much the client subscribes to.
    #[must_use]
    pub fn subscriptions_len(&self) -> u32 {
        self.subscriptions_by_scope().iter().sum()
    }
}

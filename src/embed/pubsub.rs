//! Pub/Sub in process: messages between the parts of a program, and between it and clients on the wire.
//!
//! A [`Subscription`] is a client of the registry with a letter box of bounded size. Whoever publishes lays a message
//! down in it and never waits: where it is full, the oldest message makes room, and the subscriber is told how many it
//! has missed ([`Error::Lagged`]) before it gets the next one.

use super::blocking::{Registered, Unpark};
use super::{Bytes, Damselfly, Error, Result, inside};
use crate::clock::Stopwatch;
use crate::engine::{Body, Push, Scope, World};
use crate::reply::Reply;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Messages that a subscription holds unless it is told otherwise.
const CAPACITY: usize = 1024;

/// What was published, as a subscriber gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The pattern by which it came; `None` where its channel was subscribed to.
    pub pattern: Option<Bytes>,
    /// The channel it was published on.
    pub channel: Bytes,
    /// What was published: one copy for all subscribers in this process.
    pub payload: Bytes,
    /// Whether the channel is a shard channel.
    pub shard: bool,
}

impl Message {
    fn into_reply(self) -> Reply {
        let kind: &[u8] = match (&self.pattern, self.shard) {
            (Some(_), _) => b"pmessage",
            (None, true) => b"smessage",
            (None, false) => b"message",
        };
        let parts =
            [Some(Bytes::copy_from_slice(kind)), self.pattern, Some(self.channel), Some(self.payload)];
        Reply::Push(parts.into_iter().flatten().map(Reply::Bulk).collect())
    }
}

/// What was pushed to a client in this process.
#[derive(Debug)]
pub(super) enum Item {
    Message(Message),
    Other(Reply),
}

impl Item {
    pub(super) fn into_reply(self) -> Reply {
        match self {
            Item::Message(message) => message.into_reply(),
            Item::Other(reply) => reply,
        }
    }

    fn of(push: &Push<'_>) -> Self {
        let message = |pattern: Option<&[u8]>, channel, payload, shard| {
            Item::Message(Message {
                pattern: pattern.map(Bytes::copy_from_slice),
                channel: Bytes::copy_from_slice(channel),
                payload: push.shared(payload),
                shard,
            })
        };
        match push.body() {
            Body::Message { channel, payload } => message(None, channel, payload, false),
            Body::PatternMessage { pattern, channel, payload } => {
                message(Some(pattern), channel, payload, false)
            }
            Body::ShardMessage { channel, payload } => message(None, channel, payload, true),
            Body::Invalidate(_) | Body::RedirectBroken(_) | Body::Monitor(_) => Item::Other(push.to_reply()),
        }
    }
}

/// A letter box of bounded size.
#[derive(Debug)]
pub(super) struct Mail {
    items: VecDeque<Item>,
    capacity: usize,
    /// Those that made room since the reader last looked.
    lost: u64,
}

impl Default for Mail {
    fn default() -> Self {
        Self { items: VecDeque::new(), capacity: CAPACITY, lost: 0 }
    }
}

impl Mail {
    /// Lays a push down; whether it is the first.
    pub(super) fn push(&mut self, push: &Push<'_>) -> bool {
        self.add(Item::of(push))
    }

    pub(super) fn add(&mut self, item: Item) -> bool {
        self.items.push_back(item);
        self.make_room();
        self.items.len() == 1
    }

    fn make_room(&mut self) {
        while self.items.len() > self.capacity {
            self.items.pop_front();
            self.lost += 1;
        }
    }

    /// The next one; first of all, how many were lost.
    pub(super) fn take(&mut self) -> Result<Option<Item>> {
        match std::mem::take(&mut self.lost) {
            0 => Ok(self.items.pop_front()),
            lost => Err(Error::Lagged(lost)),
        }
    }
}

/// Channels and patterns that this part of the program listens to; dropping it ends that.
///
/// Messages come in the order in which they were published: by [`next`](Self::next), a future of no particular runtime,
/// or on this thread by [`recv`](Self::recv) and [`recv_timeout`](Self::recv_timeout). At most
/// [`capacity`](Self::capacity) messages wait; then the oldest makes room for the newest, and [`Error::Lagged`] says how
/// many were missed.
///
/// ```
/// use damselfly::Damselfly;
/// use std::time::Duration;
///
/// let db = Damselfly::in_memory();
/// let mut news = db.subscribe(["news"])?;
/// assert_eq!(db.publish("news", "hello")?, 1);
/// let message = news.recv_timeout(Duration::from_secs(1))?.expect("published");
/// assert_eq!((&message.channel[..], &message.payload[..]), (&b"news"[..], &b"hello"[..]));
/// # Ok::<(), damselfly::Error>(())
/// ```
#[derive(Debug)]
pub struct Subscription {
    client: Registered,
}

/// The next message of a [`Subscription`].
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Next<'a> {
    subscription: &'a mut Subscription,
}

impl Future for Next<'_> {
    type Output = Result<Message>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Message>> {
        self.subscription.poll_next(context.waker())
    }
}

impl Subscription {
    fn new(db: &Damselfly) -> Result<Self> {
        inside::check()?;
        Ok(Self { client: Registered::new(db) })
    }

    /// Holds so many messages at most, from 1 on. Those that are too many now make room at once.
    #[must_use]
    pub fn with_capacity(self, messages: usize) -> Self {
        let mut mail = self.client.bell.mail.lock();
        mail.capacity = messages.max(1);
        mail.make_room();
        drop(mail);
        self
    }

    /// How many messages it holds at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.client.bell.mail.lock().capacity
    }

    /// The next message, once there is one. It may be dropped at any time: no message is lost by that.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let db = damselfly::Damselfly::in_memory();
    /// let mut tracks = db.psubscribe(["track:*"])?;
    /// db.publish("track:7", "played")?;
    /// assert_eq!(&tracks.next().await?.channel[..], b"track:7");
    /// # Ok::<(), damselfly::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`Error::Lagged`] once where messages were missed, and the next call goes on behind them; [`Error::Closed`] after
    /// `CLIENT KILL`.
    #[expect(clippy::should_implement_trait, reason = "it is the word for this, and no iterator's")]
    pub fn next(&mut self) -> Next<'_> {
        Next { subscription: self }
    }

    /// The next message; parks this thread until there is one.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn recv(&mut self) -> Result<Message> {
        match self.wait(None)? {
            Some(message) => Ok(message),
            None => unreachable!("a wait without a limit ends with a message"),
        }
    }

    /// The next message if it comes within this time, by the clock on the wall; parks this thread until then.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Option<Message>> {
        self.wait(Some(timeout))
    }

    /// The next message if there is one already.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn try_recv(&mut self) -> Result<Option<Message>> {
        loop {
            match self.client.bell.mail.lock().take()? {
                Some(Item::Message(message)) => return Ok(Some(message)),
                // A subscription is pushed messages, and nothing else.
                Some(Item::Other(_)) => {}
                None => break,
            }
        }
        match &self.client.session {
            Some(session) if !session.client.is_killed() => Ok(None),
            _ => Err(Error::Closed),
        }
    }

    fn poll_next(&mut self, waker: &Waker) -> Poll<Result<Message>> {
        // The bell comes first: a message between the two rings the new one.
        self.client.bell.set(waker);
        match self.try_recv() {
            Ok(Some(message)) => Poll::Ready(Ok(message)),
            Ok(None) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<Option<Message>> {
        let watch = Stopwatch::start();
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        loop {
            if let Poll::Ready(result) = self.poll_next(&waker) {
                return result.map(Some);
            }
            match timeout {
                None => std::thread::park(),
                Some(timeout) => {
                    let left = timeout.saturating_sub(watch.elapsed());
                    if left.is_zero() {
                        return Ok(None);
                    }
                    std::thread::park_timeout(left);
                }
            }
        }
    }

    fn change<C: AsRef<[u8]>>(
        &mut self,
        names: impl IntoIterator<Item = C>,
        scope: Scope,
        subscribe: bool,
    ) -> Result<()> {
        inside::check()?;
        let Registered { engine, session, .. } = &mut self.client;
        let Some(session) = session else { return Err(Error::Closed) };
        for name in names {
            if subscribe {
                engine.subscribe(session, scope, name.as_ref());
            } else {
                engine.unsubscribe(session, scope, name.as_ref());
            }
        }
        Ok(())
    }

    /// Listens to more channels. O(channels).
    ///
    /// # Errors
    /// [`Error::ReentrantCall`] from a closure that is shown a value.
    pub fn subscribe<C: AsRef<[u8]>>(&mut self, channels: impl IntoIterator<Item = C>) -> Result<()> {
        self.change(channels, Scope::Channel, true)
    }

    /// Listens to channels no longer; what has come from them stays to be read. O(channels).
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    ///
    /// Reference: <https://valkey.io/commands/unsubscribe/>
    pub fn unsubscribe<C: AsRef<[u8]>>(&mut self, channels: impl IntoIterator<Item = C>) -> Result<()> {
        self.change(channels, Scope::Channel, false)
    }

    /// Listens to the channels of more patterns. O(patterns).
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub fn psubscribe<C: AsRef<[u8]>>(&mut self, patterns: impl IntoIterator<Item = C>) -> Result<()> {
        self.change(patterns, Scope::Pattern, true)
    }

    /// Listens to patterns no longer; what has come by them stays to be read. O(patterns).
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    ///
    /// Reference: <https://valkey.io/commands/punsubscribe/>
    pub fn punsubscribe<C: AsRef<[u8]>>(&mut self, patterns: impl IntoIterator<Item = C>) -> Result<()> {
        self.change(patterns, Scope::Pattern, false)
    }

    /// Listens to more shard channels. O(channels).
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub fn ssubscribe<C: AsRef<[u8]>>(&mut self, channels: impl IntoIterator<Item = C>) -> Result<()> {
        self.change(channels, Scope::Shard, true)
    }

    /// Listens to shard channels no longer; what has come from them stays to be read. O(channels).
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    ///
    /// Reference: <https://valkey.io/commands/sunsubscribe/>
    pub fn sunsubscribe<C: AsRef<[u8]>>(&mut self, channels: impl IntoIterator<Item = C>) -> Result<()> {
        self.change(channels, Scope::Shard, false)
    }
}

/// Publishing and subscribing.
impl Damselfly {
    /// Publishes a message to all who listen, in this process and on the wire; how many get it.
    ///
    /// O(receivers + patterns); waits for nobody.
    ///
    /// ```
    /// let db = damselfly::Damselfly::in_memory();
    /// assert_eq!(db.publish("nobody:listens", "hello")?, 0);
    /// # Ok::<(), damselfly::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`CommandError::StringTooLong`](crate::command::error::CommandError::StringTooLong) beyond `proto-max-bulk-len`.
    ///
    /// Reference: <https://valkey.io/commands/publish/>
    pub fn publish(&self, channel: impl AsRef<[u8]>, message: impl AsRef<[u8]>) -> Result<usize> {
        self.publish_in(World::Channels, channel.as_ref(), message.as_ref())
    }

    /// Publishes a message on a shard channel; how many get it. O(receivers).
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    ///
    /// Reference: <https://valkey.io/commands/spublish/>
    pub fn spublish(&self, channel: impl AsRef<[u8]>, message: impl AsRef<[u8]>) -> Result<usize> {
        self.publish_in(World::Shard, channel.as_ref(), message.as_ref())
    }

    fn publish_in(&self, world: World, channel: &[u8], message: &[u8]) -> Result<usize> {
        inside::check()?;
        self.check_argv(&[channel, message])?;
        Ok(self.engine.publish(world, channel, message))
    }

    /// Listens to channels. O(channels).
    ///
    /// # Errors
    /// [`Error::ReentrantCall`] from a closure that is shown a value.
    ///
    /// Reference: <https://valkey.io/commands/subscribe/>
    pub fn subscribe<C: AsRef<[u8]>>(&self, channels: impl IntoIterator<Item = C>) -> Result<Subscription> {
        let mut subscription = Subscription::new(self)?;
        subscription.subscribe(channels)?;
        Ok(subscription)
    }

    /// Listens to all channels that a pattern takes in. O(patterns).
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    ///
    /// Reference: <https://valkey.io/commands/psubscribe/>
    pub fn psubscribe<C: AsRef<[u8]>>(&self, patterns: impl IntoIterator<Item = C>) -> Result<Subscription> {
        let mut subscription = Subscription::new(self)?;
        subscription.psubscribe(patterns)?;
        Ok(subscription)
    }

    /// Listens to shard channels. O(channels).
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    ///
    /// Reference: <https://valkey.io/commands/ssubscribe/>
    pub fn ssubscribe<C: AsRef<[u8]>>(&self, channels: impl IntoIterator<Item = C>) -> Result<Subscription> {
        let mut subscription = Subscription::new(self)?;
        subscription.ssubscribe(channels)?;
        Ok(subscription)
    }

    /// Channels that somebody listens to by name, in no order. O(channels).
    ///
    /// Reference: <https://valkey.io/commands/pubsub-channels/>
    #[must_use]
    pub fn pubsub_channels(&self) -> Vec<Bytes> {
        self.engine.channels(World::Channels, None).into_iter().map(Bytes::from).collect()
    }

    /// How many listen to a channel by its name. O(1).
    ///
    /// Reference: <https://valkey.io/commands/pubsub-numsub/>
    #[must_use]
    pub fn pubsub_numsub(&self, channel: impl AsRef<[u8]>) -> usize {
        self.engine.subscribers_len(World::Channels, channel.as_ref())
    }

    /// How many patterns somebody listens to. O(1).
    ///
    /// Reference: <https://valkey.io/commands/pubsub-numpat/>
    #[must_use]
    pub fn pubsub_numpat(&self) -> usize {
        self.engine.patterns_len()
    }

    /// Shard channels that somebody listens to, in no order. O(channels).
    ///
    /// Reference: <https://valkey.io/commands/pubsub-shardchannels/>
    #[must_use]
    pub fn pubsub_shardchannels(&self) -> Vec<Bytes> {
        self.engine.channels(World::Shard, None).into_iter().map(Bytes::from).collect()
    }

    /// How many listen to a shard channel. O(1).
    ///
    /// Reference: <https://valkey.io/commands/pubsub-shardnumsub/>
    #[must_use]
    pub fn pubsub_shardnumsub(&self, channel: impl AsRef<[u8]>) -> usize {
        self.engine.subscribers_len(World::Shard, channel.as_ref())
    }
}

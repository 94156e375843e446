//! Clients: what a session knows of itself, and what others may see and do to it.
//!
//! A [`Session`] belongs to the one thread that runs its client's commands. A [`Client`] is its public face in the
//! registry: `CLIENT LIST` reads it, `CLIENT KILL` and `CLIENT UNBLOCK` reach the session through it.

use super::Engine;
use super::acl::{Held, User};
use super::blocking::{Ended, Waiter, Waiting};
use super::pubsub::Subscriptions;
use super::push::Notify;
use super::tracking::{State, Tracking};
use super::transaction::{Transaction, Watching};
use crate::reply::Protocol;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Where a client comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// The client's address (`127.0.0.1:50000`, `/path/to.sock:0`); empty in process.
    pub addr: String,
    /// The address it connected to.
    pub laddr: String,
    /// The socket's descriptor; -1 in process.
    pub fd: i64,
    /// Whether it came over a Unix socket.
    pub unix: bool,
    /// Whether it is on this machine, as `enable-debug-command local` asks.
    pub local: bool,
}

impl Peer {
    /// Somebody inside this process.
    #[must_use]
    pub fn in_process() -> Self {
        Self { fd: -1, local: true, ..Self::default() }
    }
}

/// What a client says of itself.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// `CLIENT SETNAME`.
    pub name: Vec<u8>,
    /// `CLIENT SETINFO lib-name`.
    pub lib_name: Vec<u8>,
    /// `CLIENT SETINFO lib-ver`.
    pub lib_ver: Vec<u8>,
}

/// A client as others see it. Numbers are relaxed: they are shown, and decide nothing.
pub struct Client {
    /// Its number; never used again.
    pub id: u64,
    /// Where it comes from.
    pub peer: Peer,
    /// When it came, Unix ms.
    pub created_ms: u64,
    /// What it says of itself.
    pub labels: Mutex<Labels>,
    /// The database it has selected.
    pub db: AtomicU32,
    /// 2 or 3.
    pub resp: AtomicU32,
    /// When it last sent something, or took a reply, Unix ms.
    pub active_ms: AtomicU64,
    /// The number of its last command, `usize::MAX` before the first.
    pub last_command: AtomicUsize,
    /// Commands it has sent.
    pub commands: AtomicU64,
    /// Bytes of an incomplete request that are held for it.
    pub query_bytes: AtomicUsize,
    /// Bytes of replies that it has not read yet.
    pub output_bytes: AtomicUsize,
    /// Bytes of commands that wait for `EXEC`.
    pub queue_bytes: AtomicUsize,
    /// Commands that wait for `EXEC`; -1 outside a transaction.
    pub queued: AtomicI64,
    /// Keys it watches.
    pub watched: AtomicU32,
    /// Channels, patterns and shard channels it subscribes to.
    pub(super) subscribed: [AtomicU32; 3],
    /// Those channels and patterns.
    pub(super) subscriptions: Mutex<Subscriptions>,
    /// How it tracks keys.
    pub(super) tracking: State,
    /// Whether it is shown what others do.
    pub monitors: AtomicBool,
    /// `CLIENT NO-EVICT on`.
    pub no_evict: AtomicBool,
    /// `CLIENT NO-TOUCH on`.
    pub no_touch: AtomicBool,
    /// Whether it has authenticated, or need not.
    pub authenticated: AtomicBool,
    /// Who it is.
    user: Mutex<Arc<User>>,
    /// It is to be closed.
    killed: AtomicBool,
    /// What it waits for.
    waiter: Mutex<Option<Arc<Waiter>>>,
    /// How to wake the thread that its session belongs to.
    owner: Arc<dyn Notify>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("id", &self.id).field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(id: u64, peer: Peer, now_ms: u64, owner: Arc<dyn Notify>, user: Arc<User>) -> Self {
        Self {
            id,
            peer,
            created_ms: now_ms,
            labels: Mutex::default(),
            db: AtomicU32::new(0),
            resp: AtomicU32::new(2),
            active_ms: AtomicU64::new(now_ms),
            last_command: AtomicUsize::new(usize::MAX),
            commands: AtomicU64::new(0),
            query_bytes: AtomicUsize::new(0),
            output_bytes: AtomicUsize::new(0),
            queue_bytes: AtomicUsize::new(0),
            queued: AtomicI64::new(-1),
            watched: AtomicU32::new(0),
            subscribed: Default::default(),
            subscriptions: Mutex::default(),
            tracking: State::default(),
            monitors: AtomicBool::new(false),
            no_evict: AtomicBool::new(false),
            no_touch: AtomicBool::new(false),
            authenticated: AtomicBool::new(false),
            user: Mutex::new(user),
            killed: AtomicBool::new(false),
            waiter: Mutex::new(None),
            owner,
        }
    }

    /// Bytes that are held for it: what it has sent and what it has not read.
    #[must_use]
    pub fn buffer_bytes(&self) -> usize {
        [&self.query_bytes, &self.output_bytes, &self.queue_bytes]
            .iter()
            .map(|bytes| bytes.load(Ordering::Relaxed))
            .sum()
    }

    /// Marks the client to be closed and wakes its owner.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::Release);
        self.owner.notify();
    }

    /// Whether it is to be closed.
    #[must_use]
    pub fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    /// Who it is.
    #[must_use]
    pub fn user(&self) -> Arc<User> {
        Arc::clone(&self.user.lock())
    }

    /// What it waits for.
    #[must_use]
    pub fn waiter(&self) -> Option<Arc<Waiter>> {
        self.waiter.lock().clone()
    }

    pub(super) fn set_waiter(&self, waiter: Option<Arc<Waiter>>) {
        *self.waiter.lock() = waiter;
    }

    pub(super) fn owner(&self) -> &Arc<dyn Notify> {
        &self.owner
    }

    /// Wakes the owner for pushes that it has not come for.
    pub(super) fn wake(&self) {
        self.owner.wake();
    }
}

/// `CLIENT REPLY`: whether replies are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    /// They are.
    #[default]
    On,
    /// They are not.
    Off,
    /// The next one is not.
    SkipNext,
    /// The one of the running command is not.
    Skip,
}

/// A client's state, owned by the thread that runs its commands.
#[derive(Debug)]
pub struct Session {
    /// Its public face.
    pub client: Arc<Client>,
    /// The database it has selected.
    pub db: usize,
    /// The protocol its replies are encoded in.
    pub protocol: Protocol,
    /// Whether it has authenticated, or need not.
    pub authenticated: bool,
    /// Who it is, and what it may do.
    pub(super) held: Held,
    /// Whether replies are sent.
    pub reply_mode: ReplyMode,
    /// The connection closes once the replies so far are sent.
    pub closing: bool,
    /// `CLIENT NO-TOUCH on`.
    pub no_touch: bool,
    /// Commands that wait for `EXEC`, after `MULTI`.
    pub transaction: Option<Box<Transaction>>,
    /// Whether it subscribes to anything.
    pub subscribed: bool,
    /// Whether it is shown what others do.
    pub monitoring: bool,
    /// What was pushed to the client goes in front of the reply of the command that has just run, where pushes go
    /// behind it otherwise. Whoever sends replies looks at this, and takes it back.
    pub pushes_first: bool,
    /// How it tracks keys.
    pub(super) tracking: Tracking,
    /// The slot of the command that runs, in a cluster.
    pub(crate) slot: Option<u16>,
    /// Keys that the next `EXEC` depends on.
    pub(super) watching: Option<Box<Watching>>,
    /// Up to where in the journal what it wrote stands.
    pub(crate) written: u64,
    /// What its command, one of the session, waits for, and until when (Unix ms).
    pub(crate) wait: Option<(Box<dyn Waiting>, Option<u64>)>,
}

impl Session {
    /// The session of a client, as the user that the client is.
    pub(super) fn new(client: Arc<Client>, authenticated: bool) -> Self {
        client.authenticated.store(authenticated, Ordering::Relaxed);
        Self {
            held: Held::new(client.user()),
            client,
            db: 0,
            protocol: Protocol::Resp2,
            authenticated,
            reply_mode: ReplyMode::On,
            closing: false,
            no_touch: false,
            transaction: None,
            subscribed: false,
            monitoring: false,
            pushes_first: false,
            tracking: Tracking::default(),
            slot: None,
            watching: None,
            written: 0,
            wait: None,
        }
    }

    /// Whether it watches keys.
    #[must_use]
    pub fn is_watching(&self) -> bool {
        self.watching.is_some()
    }

    /// Selects a database that exists.
    pub fn select(&mut self, db: usize) {
        self.db = db;
        self.client.db.store(db as u32, Ordering::Relaxed);
    }

    /// Switches the protocol of replies.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        let version = if protocol == Protocol::Resp3 { 3 } else { 2 };
        self.client.resp.store(version, Ordering::Relaxed);
    }

    /// Who it is.
    #[inline]
    #[must_use]
    pub fn user(&self) -> &Arc<User> {
        self.held.user()
    }

    /// Makes it somebody who has proved to be that, or who has to do so yet.
    pub fn set_user(&mut self, user: &Arc<User>, authenticated: bool) {
        *self.client.user.lock() = Arc::clone(user);
        self.held = Held::new(Arc::clone(user));
        self.authenticated = authenticated;
        self.client.authenticated.store(authenticated, Ordering::Relaxed);
    }

    /// Puts the client back to where it was when it connected (`RESET`). What it has said of its library stays, as
    /// that has not changed; whether it is authenticated is for the caller to say.
    pub fn reset(&mut self) {
        self.select(0);
        self.set_protocol(Protocol::Resp2);
        self.set_no_touch(false);
        self.client.no_evict.store(false, Ordering::Relaxed);
        self.client.labels.lock().name.clear();
        if self.reply_mode != ReplyMode::Skip {
            self.reply_mode = ReplyMode::On;
        }
    }

    /// Leaves idle times alone (`CLIENT NO-TOUCH`).
    pub fn set_no_touch(&mut self, no_touch: bool) {
        self.no_touch = no_touch;
        self.client.no_touch.store(no_touch, Ordering::Relaxed);
    }
}

impl Engine {
    /// Whether a client must authenticate before it may run commands: not everybody may be the user `default`, and the
    /// client has not authenticated since it connected. A password that is taken away lets everybody in; one that is
    /// set or changed concerns only those who connect (or `RESET`) afterwards.
    #[inline]
    #[must_use]
    pub fn must_authenticate(&self, session: &Session) -> bool {
        !session.authenticated && !self.acl().default_user().is_open()
    }

    /// Makes a session what it was when it connected: the user `default`, who may have to authenticate.
    pub fn forget_user(&self, session: &mut Session) {
        let user = self.acl().default_user();
        session.set_user(user, user.is_open());
    }

    /// Makes a session the user of this name if the password proves it; whether it does.
    #[must_use]
    pub fn authenticate(&self, session: &mut Session, name: &[u8], password: &[u8]) -> bool {
        let Some(user) = self.acl().authenticate(name, password) else { return false };
        session.set_user(&user, true);
        // Whoever deletes a user marks it first and then looks for its clients: either he finds this one, or we see
        // the mark.
        if user.is_gone() {
            self.forget_user(session);
            return false;
        }
        true
    }

    /// Closes a client's connection (`CLIENT KILL`). It leaves the registries at once, and takes nothing more from the
    /// keys it waits for. O(keys waited for + subscriptions).
    pub fn kill(&self, client: &Client) {
        self.clients.remove(&client.id);
        // Marked first: its owner, who may find the wait gone, then finds out why.
        client.kill();
        self.forget_subscriptions(client);
        if let Some(waiter) = client.waiter() {
            self.abandon(&waiter);
        }
    }

    /// Closes the clients that hold most, until all together hold no more than `maxmemory-clients` says; those that
    /// said `CLIENT NO-EVICT` are spared. O(clients), where they hold more.
    pub fn evict_clients(&self) {
        let limit = self.client_bytes_max();
        let mut held = self.stats().client_bytes.load(Ordering::Relaxed);
        if held <= limit {
            return;
        }
        let mut clients: Vec<_> = self.clients.iter().map(|entry| Arc::clone(&entry)).collect();
        clients.retain(|client| !client.no_evict.load(Ordering::Relaxed));
        clients.sort_by_cached_key(|client| std::cmp::Reverse(client.buffer_bytes()));
        for client in clients {
            let bytes = client.buffer_bytes();
            if held <= limit || bytes == 0 {
                return;
            }
            held = held.saturating_sub(bytes);
            tracing::warn!(addr = client.peer.addr, bytes, "closed: maxmemory-clients is exceeded");
            self.stats().clients_evicted.fetch_add(1, Ordering::Relaxed);
            self.kill(&client);
        }
    }

    /// Bytes that all clients' buffers may take.
    #[inline]
    fn client_bytes_max(&self) -> usize {
        match self.settings().maxmemory_clients() {
            0 => usize::MAX,
            bytes @ 1.. => usize::try_from(bytes).unwrap_or(usize::MAX),
            share => match self.settings().maxmemory() {
                0 => usize::MAX,
                memory => (memory as u128 * u128::from(share.unsigned_abs()) / 100) as usize,
            },
        }
    }

    /// Ends a client's wait for a key (`CLIENT UNBLOCK`), as if its time were up or with an error; whether it was on.
    /// A client held back by `CLIENT PAUSE` is left alone.
    pub fn unblock(&self, client: &Client, how: Ended) -> bool {
        client.waiter().is_some_and(|waiter| waiter.has_reply() && waiter.end(how))
    }
}

//! The direct way in: one key, one function, no command. It is what the typed handle's hot calls take.
//!
//! It does what dispatch does around a command of one key: enter, run, serve whom the write has something for, hand
//! over garbage, tell the cycles of a deadline, leave. What a call means is the keyspace's business in both.

use super::door::{Entered, Guard, View};
use super::session::{Client, Peer, Session};
use super::{Engine, Notify};
use crate::shard::table::NEVER;
use crate::shard::{Key, Keyspace, Now, Str, WrongType};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Engine {
    /// Runs `f` inside the shard of a key, for a call that changes nothing. The clock is read only if `f` needs it.
    #[inline]
    pub(crate) fn read<R>(
        &self,
        db: usize,
        key: &[u8],
        f: impl FnOnce(&mut Keyspace<'_>, Key<'_>) -> R,
    ) -> R {
        let (index, key) = self.router().route(key);
        let mut guard = self.door(index).enter();
        let result = f(&mut guard.keyspace(db, Now::Lazy(self.clock())), key);
        if guard.has_news() {
            self.leave_with_news(index, guard, db);
        }
        result
    }

    /// Shows a key's string to `f`, which is not ours: a panic of its own does no harm to the shard.
    #[inline]
    pub(crate) fn show_string<R>(
        &self,
        db: usize,
        key: &[u8],
        f: impl FnOnce(Option<Str<'_>>) -> R,
    ) -> Result<R, WrongType> {
        let (index, key) = self.router().route(key);
        let mut guard = self.door(index).enter();
        let (shard, innocent) = guard.lend();
        let result = shard.keyspace(db, Now::Lazy(self.clock())).string(key).map(|string| {
            innocent.set(true);
            f(string)
        });
        if guard.has_news() {
            self.leave_with_news(index, guard, db);
        }
        result
    }

    /// Runs `f` inside the shard of a key, for a call that may change the key.
    #[inline]
    pub(crate) fn write<R>(
        &self,
        db: usize,
        key: &[u8],
        f: impl FnOnce(&mut Keyspace<'_>, Key<'_>) -> R,
    ) -> R {
        let (index, key) = self.router().route(key);
        let mut guard = self.door(index).enter();
        if guard.waiters.fill_reaches_beyond(key.bytes) {
            drop(guard);
            return self.write_with_others(db, key, f);
        }
        let dirty = guard.stats.dirty;
        let result = f(&mut guard.keyspace(db, Now::Lazy(self.clock())), key);
        if guard.stats.dirty != dirty && self.journal().is_on() {
            self.tell_key(&mut guard, db, key);
        }
        guard.drawn.clear();
        if guard.has_news() {
            self.leave_with_news(index, guard, db);
            return result;
        }
        let due_ms = guard.take_new_due_ms();
        drop(guard);
        if due_ms != NEVER {
            self.cycles().note_due(due_ms);
        }
        result
    }

    /// The same where somebody waits for the key whose service may take other shards.
    #[cold]
    fn write_with_others<R>(
        &self,
        db: usize,
        key: Key<'_>,
        f: impl FnOnce(&mut Keyspace<'_>, Key<'_>) -> R,
    ) -> R {
        let view = View { db, now_ms: self.clock().now_ms(), no_touch: false };
        let mut entered = self.enter_to_write(|| std::iter::once(key.bytes), view);
        let changes = entered.changes();
        let (mut keyspace, routed) = entered.at(key.bytes);
        let result = f(&mut keyspace, routed);
        if entered.changes() != changes {
            entered.effect_on(db, std::iter::once(key.bytes));
        }
        entered.shards().for_each(|shard| shard.drawn.clear());
        entered.leave();
        result
    }

    #[cold]
    fn leave_with_news(&self, index: usize, guard: Guard<'_>, db: usize) {
        let view = View { db, now_ms: self.clock().now_ms(), no_touch: false };
        Entered::of(self, index, guard, view).leave();
    }

    /// Runs `f` inside the shards of these keys: what it runs there, nobody sees half done.
    #[cfg(feature = "domain")]
    pub(crate) fn inside_of<R>(&self, db: usize, keys: &[&[u8]], f: impl FnOnce(&mut Entered<'_>) -> R) -> R {
        let view = View { db, now_ms: self.clock().now_ms(), no_touch: false };
        let mut entered = self.enter_to_write(|| keys.iter().copied(), view);
        let result = f(&mut entered);
        entered.leave();
        result
    }

    /// Runs `f` inside one shard by its number, for walks over all of them; changes nothing.
    pub(crate) fn read_shard<R>(
        &self,
        index: usize,
        db: usize,
        f: impl FnOnce(&mut Keyspace<'_>) -> R,
    ) -> Option<R> {
        let mut guard = self.doors().get(index)?.enter();
        let result = f(&mut guard.keyspace(db, Now::Lazy(self.clock())));
        if guard.has_news() {
            self.leave_with_news(index, guard, db);
        }
        Some(result)
    }

    /// A client that stands in no registry, for calls in process that no other client need see.
    pub(crate) fn guest(&self) -> Arc<Client> {
        struct Nobody;
        impl Notify for Nobody {
            fn notify(&self) {}
        }
        Arc::new(Client::new(
            self.next_client_id(),
            Peer::in_process(),
            self.clock().now_ms(),
            Arc::new(Nobody),
            Arc::clone(self.acl().insider()),
        ))
    }

    /// A session of such a client, with every right.
    pub(crate) fn guest_session(&self, client: &Arc<Client>, db: usize) -> Session {
        let mut session = Session::new(Arc::clone(client), true);
        session.db = db;
        session
    }

    /// A session for what a script does on behalf of a client: what it selects there stays there.
    #[cfg(feature = "script")]
    pub(crate) fn session_inside(&self, session: &Session) -> Session {
        let mut inside = Session::new(Arc::clone(&session.client), session.authenticated);
        (inside.db, inside.no_touch) = (session.db, session.no_touch);
        // What a script reads its client has read.
        inside.tracking = session.tracking;
        inside.slot = session.slot;
        inside
    }

    /// The result of a session's wait as a value once it has ended.
    pub(crate) fn take_end(&self, session: &Session, waiter: &super::Waiter) -> Option<super::Ended> {
        let ended = self.finish(waiter)?;
        session.client.set_waiter(None);
        if let Some(error) = ended.error() {
            self.stats().note_error(Some(session.client.last_command.load(Ordering::Relaxed)), error);
        }
        Some(ended)
    }
}

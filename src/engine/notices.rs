//! What a command has to tell clients, from inside its shards to the moment when it has left them.
//!
//! 1. Inside, a notice is noted ([`Entered`](super::Entered)); handing it to anybody would keep others out of the shard.
//! 2. Before the shards are left, the notices are laid down in the [`Outbox`]: so they lie there in the order in which
//!    their shards were entered, which is the order in which things happened to a key.
//! 3. Outside, whoever laid something down posts what lies there, others' notices included, one thread at a time. When
//!    it returns its own were posted, by itself or by somebody else.
//!
//! **Invariant:** nobody who posts enters a shard; the lock on posting is taken inside shards only by a transaction or
//! a script that changes what its client subscribes to.

use super::Engine;
use super::pubsub::World;
use super::push::Wakes;
use parking_lot::Mutex;
use std::collections::VecDeque;

/// Something to be told.
#[derive(Debug)]
pub(super) enum Notice {
    /// A message that a transaction or a script has published.
    Message { world: World, channel: Box<[u8]>, payload: Box<[u8]> },
}

/// Notices on their way.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    notices: Mutex<VecDeque<Notice>>,
    posting: Mutex<()>,
}

impl Engine {
    /// Lays notices down to be posted, in their order.
    pub(super) fn lay_down(&self, notices: &mut Vec<Notice>) {
        self.outbox().notices.lock().extend(notices.drain(..));
    }

    /// Posts what was laid down; waking those who got something is left to the caller.
    pub(super) fn post_notices(&self, wakes: &mut Wakes) {
        let _posting = self.outbox().posting.lock();
        loop {
            let notices = std::mem::take(&mut *self.outbox().notices.lock());
            if notices.is_empty() {
                return;
            }
            for notice in notices {
                match notice {
                    Notice::Message { world, channel, payload } => {
                        self.post(world, &channel, &payload, wakes);
                    }
                }
            }
        }
    }
}

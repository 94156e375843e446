//! Commands by name: whatever has no method of its own.

use super::blocking::{Registered, park_until};
use super::pubsub::Item;
use super::{Argv, Damselfly, Error, Result, collect, inside, slices};
use crate::command::table::{Flag, TABLE};
use crate::engine::{Batch, Flow};
use crate::reply::{Protocol, Reply, ReplyBuilder};
use smallvec::SmallVec;
use std::sync::Arc;

impl Damselfly {
    /// Runs any command by name, as a client of its own that is gone afterwards.
    ///
    /// What a command says to its session (`SELECT`, `CLIENT SETNAME`) therefore has no effect on the next call; a
    /// [`Session`] keeps it. A command that waits parks the thread. Replies have RESP3's shapes.
    ///
    /// ```
    /// use damselfly::{Damselfly, reply::Reply};
    /// let db = Damselfly::in_memory();
    /// db.call(["SET", "k", "v"])?;
    /// assert_eq!(db.call(["GET", "k"])?.as_bytes(), Some(&b"v"[..]));
    /// assert!(db.call(["NOSUCH"]).is_err());
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// # Errors
    /// The command's error, as [`Error::Command`].
    pub fn call<A: AsRef<[u8]>>(&self, argv: impl IntoIterator<Item = A>) -> Result<Reply> {
        let argv = collect(argv);
        let argv = slices(&argv);
        inside::check()?;
        let registers = argv.first().and_then(|name| TABLE.find(name)).is_some_and(|entry| {
            // Who waits stands in the registry, so that others can see and end the wait; and what a command leaves
            // behind with its client goes when that does.
            let flags = entry.command.flags;
            let keeps = [Flag::Blocking, Flag::NotQueued, Flag::Listening];
            keeps.iter().any(|&flag| flags.has(flag)) || entry.command.name == "CLIENT"
        });
        if registers { self.session().call_slices(&argv) } else { self.run(&argv) }
    }

    /// Opens a session: a client of the registry, with a database and a name of its own.
    #[must_use]
    pub fn session(&self) -> Session {
        Session { db: self.clone(), client: Registered::new(self) }
    }

    /// Collects commands to be run in one go.
    pub fn pipeline(&self) -> Pipeline {
        Pipeline { db: self.clone(), commands: Vec::new() }
    }

    /// Keeps to the limit that the wire keeps to.
    pub(super) fn check_argv(&self, argv: &[&[u8]]) -> Result<()> {
        match argv.iter().map(|arg| arg.len()).max() {
            Some(len) if len > super::SHORT => self.check_len(len),
            _ => Ok(()),
        }
    }
}

/// A client in this process, for commands that keep something between calls.
///
/// It stands in `CLIENT LIST`, can be ended by `CLIENT KILL`, and belongs to one thread at a time.
///
/// ```
/// let db = damselfly::Damselfly::in_memory();
/// let mut session = db.session();
/// session.call(["SELECT", "3"])?;
/// session.call(["SET", "k", "v"])?;
/// assert!(db.select(3)?.exists("k")?);
/// # Ok::<(), damselfly::embed::Error>(())
/// ```
#[derive(Debug)]
pub struct Session {
    db: Damselfly,
    client: Registered,
}

impl Session {
    /// Runs a command by name; one that waits parks the thread.
    ///
    /// # Errors
    /// The command's error as [`Error::Command`]; [`Error::Closed`] after `QUIT` or `CLIENT KILL`.
    pub fn call<A: AsRef<[u8]>>(&mut self, argv: impl IntoIterator<Item = A>) -> Result<Reply> {
        let argv = collect(argv);
        self.call_slices(&slices(&argv))
    }

    fn call_slices(&mut self, argv: &[&[u8]]) -> Result<Reply> {
        let mut out = ReplyBuilder::new(Protocol::Resp3);
        let engine = Arc::clone(&self.db.engine);
        self.execute(&mut Batch::new(&engine), argv, &mut out)?;
        let mut replies = out.finish_all().into_iter();
        let first = replies.next().unwrap_or(Reply::Null);
        // Subscribing to several channels is answered by as many pushes.
        replies.for_each(|push| {
            self.client.bell.mail.lock().add(Item::Other(push));
        });
        Ok(first)
    }

    /// The next of what was pushed to this client (messages, the answers to `SUBSCRIBE` behind the first), if there is
    /// any.
    ///
    /// ```
    /// use damselfly::{Damselfly, reply::Reply};
    /// let db = Damselfly::in_memory();
    /// let mut session = db.session();
    /// session.call(["SUBSCRIBE", "news"])?;
    /// db.publish("news", "hello")?;
    /// assert!(matches!(session.next_push()?, Some(Reply::Push(_))));
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Lagged`] once where more was pushed than is kept for a client that does not read.
    pub fn next_push(&mut self) -> Result<Option<Reply>> {
        Ok(self.client.bell.mail.lock().take()?.map(Item::into_reply))
    }

    fn execute(&mut self, batch: &mut Batch<'_>, argv: &[&[u8]], out: &mut ReplyBuilder) -> Result<()> {
        inside::check()?;
        self.db.check_argv(argv)?;
        let Some(session) = &mut self.client.session else { return Err(Error::Closed) };
        if session.closing || session.client.is_killed() {
            return Err(Error::Closed);
        }
        match batch.attempt(session, argv, out)? {
            Flow::Done => Ok(()),
            Flow::Wait(waiter) | Flow::Later(waiter) => {
                batch.ring();
                park_until(&mut self.client, &waiter, out)
            }
        }
    }
}

/// Commands that run one after another in one stay, which is quicker than one call each.
///
/// They are not a transaction: others' commands may come between.
///
/// ```
/// let db = damselfly::Damselfly::in_memory();
/// let replies = db.pipeline().command(["SET", "k", "1"]).command(["INCR", "k"]).command(["OOPS"]).run();
/// assert_eq!(replies[1], Ok(damselfly::reply::Reply::Int(2)));
/// assert!(replies[2].is_err());
/// ```
#[derive(Debug)]
#[must_use = "a pipeline does nothing until it is run"]
pub struct Pipeline {
    db: Damselfly,
    commands: Vec<SmallVec<[Box<[u8]>; 4]>>,
}

impl Pipeline {
    /// Adds a command.
    pub fn command<A: AsRef<[u8]>>(mut self, argv: impl IntoIterator<Item = A>) -> Self {
        self.commands.push(argv.into_iter().map(|arg| arg.as_ref().into()).collect());
        self
    }

    /// Runs the commands in one session and returns their replies in order. O(commands).
    #[must_use]
    pub fn run(self) -> Vec<Result<Reply>> {
        if inside::check().is_err() {
            return self.commands.iter().map(|_| Err(Error::ReentrantCall)).collect();
        }
        let mut session = self.db.session();
        // Declared behind the session, and so left before that leaves the registry.
        let mut batch = Batch::new(&self.db.engine);
        let run = |argv: &SmallVec<[Box<[u8]>; 4]>| {
            let argv: Argv<'_> = argv.iter().map(|arg| &**arg).collect();
            let mut out = ReplyBuilder::new(Protocol::Resp3);
            session.execute(&mut batch, &argv, &mut out).map(|()| out.finish())
        };
        self.commands.iter().map(run).collect()
    }
}

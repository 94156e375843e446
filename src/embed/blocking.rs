//! Calls that wait for a key to be filled: futures of no particular runtime, or a parked thread.
//!
//! 1. The first poll runs the command as a client of the registry. Where there is something, the future is ready at
//!    once; nothing else was touched.
//! 2. Otherwise the command waits as a connection's would, queued on its keys in the order of arrival. Whoever serves
//!    it (a push, the timeout, `CLIENT UNBLOCK`) wakes the task through its [`Waker`].
//! 3. The poll after that takes delivery. A future that is dropped before leaves the queues; what it had been given and
//!    did not take goes back to the end of the list that it came from, in front of everything else.
//!
//! So a wait may be cancelled at any time, by `select!` or a timeout, and no element is lost.

use super::list::{End, key_and_elements};
use super::pubsub::Mail;
use super::string::ms_of;
use super::zset::{Extreme, Scored, key_and_scored, key_member_score};
use super::{Bytes, Damselfly, Error, Result, inside, reply};
use crate::command::error::CommandError;
use crate::engine::{Batch, Ended, Engine, Flow, Notify, Peer, Push, Session, Waiter};
use crate::reply::{Protocol, Reply, ReplyBuilder, Sink};
use parking_lot::Mutex;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

/// A call that may wait: await it on any runtime, or [`wait`](Self::wait) for it on this thread.
///
/// Nothing happens before it is polled. Dropping it cancels the wait; an element that it was given but did not return
/// goes back where it came from.
#[must_use = "a wait does nothing until it is awaited"]
pub struct Blocking<T> {
    state: State,
    convert: fn(Reply) -> Result<T>,
}

enum State {
    New { db: Damselfly, argv: Vec<Box<[u8]>>, no_wait: bool },
    Waiting(Waiting),
    Done,
}

impl<T> fmt::Debug for Blocking<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::New { .. } => "new",
            State::Waiting(_) => "waiting",
            State::Done => "done",
        };
        f.debug_struct("Blocking").field("state", &state).finish_non_exhaustive()
    }
}

/// A client of the registry, which leaves it when this is dropped; with it goes a wait that it has.
pub(super) struct Registered {
    pub(super) engine: Arc<Engine>,
    pub(super) session: Option<Session>,
    pub(super) bell: Arc<Bell>,
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registered").field("session", &self.session).finish_non_exhaustive()
    }
}

struct Waiting {
    client: Registered,
    waiter: Arc<Waiter>,
}

/// Where an engine finds the task or thread to wake, and leaves what it pushes.
#[derive(Default)]
pub(super) struct Bell {
    waker: Mutex<Option<Waker>>,
    pub(super) mail: Mutex<Mail>,
}

impl Bell {
    pub(super) fn set(&self, waker: &Waker) {
        let mut place = self.waker.lock();
        match &mut *place {
            Some(old) => old.clone_from(waker),
            None => *place = Some(waker.clone()),
        }
    }
}

impl Notify for Bell {
    fn notify(&self) {
        // The waker is a stranger's code, so it runs without the lock.
        let waker = self.waker.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn push(&self, _: Protocol, push: &Push<'_>, _: u64) -> bool {
        self.mail.lock().push(push)
    }
}

impl Registered {
    pub(super) fn new(db: &Damselfly) -> Self {
        let bell = Arc::new(Bell::default());
        let mut session = db.engine.connect(Peer::in_process(), Arc::clone(&bell) as _);
        session.set_user(db.engine.acl().insider(), true);
        session.set_protocol(Protocol::Resp3);
        session.select(db.db);
        // Who calls in process has written whatever was written.
        session.written = db.engine.journal().appended();
        Self { engine: Arc::clone(&db.engine), session: Some(session), bell }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let Some(mut session) = self.session.take() else { return };
        let engine = Arc::clone(&self.engine);
        // This enters shards, which a thread that is being shown a value must not do.
        inside::once_outside(move || engine.disconnect(&mut session));
    }
}

impl Waiting {
    /// The end of the wait, if it has come.
    fn end(&mut self) -> Option<Result<Reply>> {
        let session = self.client.session.as_ref()?;
        match self.client.engine.take_end(session, &self.waiter) {
            Some(Ended::Served(Ok(delivery))) => Some(Ok(delivery.reply)),
            Some(Ended::Served(Err(error))) => Some(Err(error.into())),
            Some(end @ Ended::TimedOut) => {
                let mut out = ReplyBuilder::new(Protocol::Resp3);
                self.waiter.write_end(&end, &mut out);
                Some(Ok(out.finish()))
            }
            Some(Ended::Unblocked) => Some(Err(CommandError::Unblocked.into())),
            None if session.client.is_killed() => Some(Err(Error::Closed)),
            None => None,
        }
    }
}

impl<T> Blocking<T> {
    pub(super) fn new(
        db: &Damselfly,
        argv: Vec<Box<[u8]>>,
        no_wait: bool,
        convert: fn(Reply) -> Result<T>,
    ) -> Self {
        Self { state: State::New { db: db.clone(), argv, no_wait }, convert }
    }

    /// Waits on this thread, which is parked meanwhile.
    ///
    /// # Errors
    /// What the awaited future would give.
    pub fn wait(mut self) -> Result<T> {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match Pin::new(&mut self).poll(&mut context) {
                Poll::Ready(result) => return result,
                // Returns at once where the waker was called since the poll.
                Poll::Pending => std::thread::park(),
            }
        }
    }

    /// Runs the command; `None` where it waits now.
    fn start(&mut self, waker: &Waker) -> Result<Option<Reply>> {
        inside::check()?;
        let State::New { db, argv, no_wait } = std::mem::replace(&mut self.state, State::Done) else {
            unreachable!("a wait is started once")
        };
        let mut client = Registered::new(&db);
        client.bell.set(waker);
        let argv: super::Argv<'_> = argv.iter().map(|arg| &**arg).collect();
        db.check_argv(&argv)?;
        let mut out = ReplyBuilder::new(Protocol::Resp3);
        let Some(session) = &mut client.session else { return Err(Error::Closed) };
        let flow = Batch::new(&db.engine).attempt(session, &argv, &mut out)?;
        match flow {
            Flow::Done => Ok(Some(out.finish())),
            // Dropping the client ends the wait.
            Flow::Wait(_) | Flow::Later(_) if no_wait => Ok(Some(Reply::Null)),
            Flow::Wait(waiter) | Flow::Later(waiter) => {
                self.state = State::Waiting(Waiting { client, waiter });
                Ok(None)
            }
        }
    }
}

impl<T> Future for Blocking<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let this = &mut *self;
        let reply = match &mut this.state {
            State::New { .. } => match this.start(context.waker()) {
                Ok(Some(reply)) => Ok(reply),
                Ok(None) => return Poll::Pending,
                Err(error) => Err(error),
            },
            State::Waiting(waiting) => {
                if let Err(error) = inside::check() {
                    return Poll::Ready(Err(error));
                }
                // The bell comes first: an end between the two rings the new one.
                waiting.client.bell.set(context.waker());
                match waiting.end() {
                    Some(end) => end,
                    None => return Poll::Pending,
                }
            }
            State::Done => panic!("a wait was polled after it had ended"),
        };
        this.state = State::Done;
        Poll::Ready(reply.and_then(this.convert))
    }
}

pub(super) struct Unpark(pub(super) Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Parks this thread until a session's wait has ended, and writes its reply.
pub(super) fn park_until(client: &mut Registered, waiter: &Waiter, out: &mut dyn Sink) -> Result<()> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        client.bell.set(&waker);
        let Some(session) = &mut client.session else { return Err(Error::Closed) };
        if client.engine.take_delivery(session, waiter, out) {
            return Ok(());
        }
        if session.client.is_killed() {
            return Err(Error::Closed);
        }
        std::thread::park();
    }
}

/// A timeout as the commands take it: seconds, where 0 means for ever. Those that must not wait at all are told so
/// by the second value.
fn timeout(timeout: Option<Duration>) -> (String, bool) {
    match timeout {
        None => ("0".to_owned(), false),
        Some(time) if time.is_zero() => ("0".to_owned(), true),
        Some(time) => {
            let ms = ms_of(time);
            (format!("{}.{:03}", ms / 1000, ms % 1000), false)
        }
    }
}

pub(super) fn boxed<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> Vec<Box<[u8]>> {
    items.into_iter().map(|item| item.as_ref().into()).collect()
}

fn key_and_element(reply: Reply) -> Result<Option<(Bytes, Bytes)>> {
    reply::optional(reply, |reply| reply::pair(reply, reply::string, reply::string))
}

/// Calls that wait. In all of them a timeout of `None` waits for ever and one of zero not at all; `None` is returned
/// when the time is up.
impl Damselfly {
    /// Takes the first element of the first list that has one; waits for one where none has.
    ///
    /// Returns the key and the element. O(keys).
    ///
    /// ```
    /// # use damselfly::Damselfly;
    /// # use std::time::Duration;
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let db = Damselfly::in_memory();
    /// let worker = tokio::spawn(db.blpop(["urgent", "jobs"], Some(Duration::from_secs(5))));
    /// db.rpush("jobs", ["clean up"])?;
    /// let (queue, job) = worker.await.unwrap()?.expect("pushed");
    /// assert_eq!((&queue[..], &job[..]), (&b"jobs"[..], &b"clean up"[..]));
    /// # Ok::<(), damselfly::embed::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`CommandError::WrongType`]; where others ended the wait, [`CommandError::Unblocked`] or [`Error::Closed`].
    ///
    /// Reference: <https://valkey.io/commands/blpop/>
    pub fn blpop<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        timeout: Option<Duration>,
    ) -> Blocking<Option<(Bytes, Bytes)>> {
        self.pop_or_wait(b"BLPOP", boxed(keys), timeout)
    }

    /// The same as [`blpop`](Self::blpop), on this thread, which is parked while it waits.
    ///
    /// # Errors
    /// As [`blpop`](Self::blpop).
    pub fn blpop_blocking<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        timeout: Option<Duration>,
    ) -> Result<Option<(Bytes, Bytes)>> {
        self.blpop(keys, timeout).wait()
    }

    /// Takes the last element of the first list that has one; waits for one where none has. O(keys).
    ///
    /// # Errors
    /// As [`blpop`](Self::blpop).
    ///
    /// Reference: <https://valkey.io/commands/brpop/>
    pub fn brpop<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        timeout: Option<Duration>,
    ) -> Blocking<Option<(Bytes, Bytes)>> {
        self.pop_or_wait(b"BRPOP", boxed(keys), timeout)
    }

    /// The same as [`brpop`](Self::brpop), on this thread, which is parked while it waits.
    ///
    /// # Errors
    /// As [`blpop`](Self::blpop).
    pub fn brpop_blocking<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        timeout: Option<Duration>,
    ) -> Result<Option<(Bytes, Bytes)>> {
        self.brpop(keys, timeout).wait()
    }

    fn pop_or_wait(
        &self,
        name: &[u8],
        keys: Vec<Box<[u8]>>,
        after: Option<Duration>,
    ) -> Blocking<Option<(Bytes, Bytes)>> {
        let (after, no_wait) = timeout(after);
        let mut argv = keys;
        argv.insert(0, name.into());
        argv.push(after.into_bytes().into());
        Blocking::new(self, argv, no_wait, key_and_element)
    }

    /// Moves an element from an end of one list to an end of another; waits for one where there is none. O(1).
    ///
    /// # Errors
    /// As [`blpop`](Self::blpop).
    ///
    /// Reference: <https://valkey.io/commands/blmove/>
    pub fn blmove(
        &self,
        from: impl AsRef<[u8]>,
        to: impl AsRef<[u8]>,
        from_end: End,
        to_end: End,
        after: Option<Duration>,
    ) -> Blocking<Option<Bytes>> {
        let (after, no_wait) = timeout(after);
        let argv: [&[u8]; 6] =
            [b"BLMOVE", from.as_ref(), to.as_ref(), from_end.word(), to_end.word(), after.as_bytes()];
        Blocking::new(self, boxed(argv), no_wait, |reply| reply::optional(reply, reply::string))
    }

    /// The same as [`blmove`](Self::blmove), on this thread, which is parked while it waits.
    ///
    /// # Errors
    /// As [`blpop`](Self::blpop).
    pub fn blmove_blocking(
        &self,
        from: impl AsRef<[u8]>,
        to: impl AsRef<[u8]>,
        from_end: End,
        to_end: End,
        timeout: Option<Duration>,
    ) -> Result<Option<Bytes>> {
        self.blmove(from, to, from_end, to_end, timeout).wait()
    }

    /// Moves the last element of one list to the left end of another; waits for one where there is none. O(1).
    ///
    /// # Errors
    /// As [`blpop`](Self::blpop).
    ///
    /// Reference: <https://valkey.io/commands/brpoplpush/>
    pub fn brpoplpush(
        &self,
        from: impl AsRef<[u8]>,
        to: impl AsRef<[u8]>,
        timeout: Option<Duration>,
    ) -> Blocking<Option<Bytes>> {
        self.blmove(from, to, End::Right, End::Left, timeout)
    }

    /// The same as [`brpoplpush`](Self::brpoplpush), on this thread, which is parked while it waits.
    ///
    /// # Errors
    /// As [`blpop`](Self::blpop).
    pub fn brpoplpush_blocking(
        &self,
        from: impl AsRef<[u8]>,
        to: impl AsRef<[u8]>,
        timeout: Option<Duration>,
    ) -> Result<Option<Bytes>> {
        self.brpoplpush(from, to, timeout).wait()
    }

    /// Takes up to `count` elements from one end of the first list that has any; waits where none has.
    ///
    /// Returns the key and the elements. O(keys + elements).
    ///
    /// # Errors
    /// As [`blpop`](Self::blpop); a count of 0 is refused.
    ///
    /// Reference: <https://valkey.io/commands/blmpop/>
    pub fn blmpop<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        end: End,
        count: u64,
        after: Option<Duration>,
    ) -> Blocking<Option<(Bytes, Vec<Bytes>)>> {
        let (after, no_wait) = timeout(after);
        let keys = boxed(keys);
        let mut argv = boxed([&b"BLMPOP"[..], after.as_bytes(), keys.len().to_string().as_bytes()]);
        argv.extend(keys);
        argv.extend(boxed([end.word(), b"COUNT", count.to_string().as_bytes()]));
        Blocking::new(self, argv, no_wait, |reply| reply::optional(reply, key_and_elements))
    }

    /// The same as [`blmpop`](Self::blmpop), on this thread, which is parked while it waits.
    ///
    /// # Errors
    /// As [`blmpop`](Self::blmpop).
    pub fn blmpop_blocking<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        end: End,
        count: u64,
        timeout: Option<Duration>,
    ) -> Result<Option<(Bytes, Vec<Bytes>)>> {
        self.blmpop(keys, end, count, timeout).wait()
    }
}

/// Calls that wait for a sorted set; timeouts are as above. A member that is not taken goes back with its score.
impl Damselfly {
    /// Takes the member with the lowest score of the first sorted set that there is; waits for one where there is none.
    ///
    /// Returns the key, the member and its score. O(keys + log n).
    ///
    /// ```
    /// # use damselfly::Damselfly;
    /// # use std::time::Duration;
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let db = Damselfly::in_memory();
    /// let worker = tokio::spawn(db.bzpopmin(["delayed"], Some(Duration::from_secs(5))));
    /// db.zset("delayed").insert("clean up", 17.5)?;
    /// let (_, job, due) = worker.await.unwrap()?.expect("added");
    /// assert_eq!((&job[..], due), (&b"clean up"[..], 17.5));
    /// # Ok::<(), damselfly::embed::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// As [`blpop`](Self::blpop).
    ///
    /// Reference: <https://valkey.io/commands/bzpopmin/>
    pub fn bzpopmin<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        timeout: Option<Duration>,
    ) -> Blocking<Option<(Bytes, Bytes, f64)>> {
        self.pop_scored_or_wait(b"BZPOPMIN", boxed(keys), timeout)
    }

    /// The same as [`bzpopmin`](Self::bzpopmin), on this thread, which is parked while it waits.
    ///
    /// # Errors
    /// As [`blpop`](Self::blpop).
    pub fn bzpopmin_blocking<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        timeout: Option<Duration>,
    ) -> Result<Option<(Bytes, Bytes, f64)>> {
        self.bzpopmin(keys, timeout).wait()
    }

    /// Takes the member with the highest score of the first sorted set that there is; waits for one where there is none.
    /// O(keys + log n).
    ///
    /// # Errors
    /// As [`blpop`](Self::blpop).
    ///
    /// Reference: <https://valkey.io/commands/bzpopmax/>
    pub fn bzpopmax<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        timeout: Option<Duration>,
    ) -> Blocking<Option<(Bytes, Bytes, f64)>> {
        self.pop_scored_or_wait(b"BZPOPMAX", boxed(keys), timeout)
    }

    /// The same as [`bzpopmax`](Self::bzpopmax), on this thread, which is parked while it waits.
    ///
    /// # Errors
    /// As [`blpop`](Self::blpop).
    pub fn bzpopmax_blocking<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        timeout: Option<Duration>,
    ) -> Result<Option<(Bytes, Bytes, f64)>> {
        self.bzpopmax(keys, timeout).wait()
    }

    fn pop_scored_or_wait(
        &self,
        name: &[u8],
        keys: Vec<Box<[u8]>>,
        after: Option<Duration>,
    ) -> Blocking<Option<(Bytes, Bytes, f64)>> {
        let (after, no_wait) = timeout(after);
        let mut argv = keys;
        argv.insert(0, name.into());
        argv.push(after.into_bytes().into());
        Blocking::new(self, argv, no_wait, |reply| reply::optional(reply, key_member_score))
    }

    /// Takes up to `count` members from an end of the first sorted set that there is; waits where there is none.
    ///
    /// Returns the key and the members with their scores. O(keys + members × log n).
    ///
    /// # Errors
    /// As [`blpop`](Self::blpop); a count of 0 is refused.
    ///
    /// Reference: <https://valkey.io/commands/bzmpop/>
    pub fn bzmpop<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        end: Extreme,
        count: u64,
        after: Option<Duration>,
    ) -> Blocking<Option<(Bytes, Vec<Scored>)>> {
        let (after, no_wait) = timeout(after);
        let keys = boxed(keys);
        let mut argv = boxed([&b"BZMPOP"[..], after.as_bytes(), keys.len().to_string().as_bytes()]);
        argv.extend(keys);
        argv.extend(boxed([end.word(), b"COUNT", count.to_string().as_bytes()]));
        Blocking::new(self, argv, no_wait, |reply| reply::optional(reply, key_and_scored))
    }

    /// The same as [`bzmpop`](Self::bzmpop), on this thread, which is parked while it waits.
    ///
    /// # Errors
    /// As [`bzmpop`](Self::bzmpop).
    pub fn bzmpop_blocking<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
        end: Extreme,
        count: u64,
        timeout: Option<Duration>,
    ) -> Result<Option<(Bytes, Vec<Scored>)>> {
        self.bzmpop(keys, end, count, timeout).wait()
    }
}

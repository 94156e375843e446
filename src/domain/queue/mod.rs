//! A queue that loses no job: whoever takes one has it for a while, and if they vanish somebody else gets it.
//!
//! 1. [`enqueue`](ReliableQueue::enqueue) writes a job down and puts it in line: at once, at its time, or behind another
//!    of its group.
//! 2. [`claim`](ReliableQueue::claim) leases jobs to a worker until a time by the store's clock, each with a *fence*, a
//!    number that is never given twice and only grows.
//! 3. The worker extends its lease while it works, and says how it ended: [`ack`](Claim::ack), [`nack`](Claim::nack),
//!    [`release`](Claim::release). Whoever comes with an old fence, or too late, is refused.
//! 4. Every claim first looks for leases that have run out, and puts those jobs back in line: there is no reaper that
//!    could be dead itself. A job that was tried often enough is *dead*: kept, with all that went wrong.
//!
//! Each step is one atomic operation, in one slot. So a job is done at least once; that its *effect* happens once is
//! [`Claim::ack_in`]'s doing, which writes the job into a ledger in the transaction that has the effect.
//!
//! Who waits waits on a list that has an element while there is something to take, moving it from its head to its
//! tail: nothing is taken by waiting, so a wait that is cancelled, or a waiter that dies, loses nothing.

mod claim;
mod ops;
mod parts;
mod record;
mod worker;

pub use claim::{Claim, ErrorClass, Fate, JobError, Once, prepare_ledger, prune_ledger};
pub use record::JobState;
pub use worker::{RunReport, WorkerOptions};

use super::backend::{int, items, number, optional, string};
use super::codec::{Codec, Json};
use super::namespace::{Namespace, UserId, check_ttl};
use super::outbox::{Outbox, Replayed};
use super::{Backend, Error, Op, Result, random, token};
use crate::clock::Stopwatch;
use crate::embed::Bytes;
use crate::reply::Reply;
use parts::{count, info, lost, ms, part, printable};
use record::{
    DEAD, DELAYED, DONE, EVENT, LEASES, LEVEL, META, NAMES, ONCE, PRIORITY_MAX, READY, Record, WAITING, WAKE,
};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Most jobs of one claim.
pub const CLAIM_MAX: usize = 1000;
/// How long it is remembered that an event was enqueued.
const EVENTS_KEPT: Duration = Duration::from_secs(30 * 86_400);
/// After an outage, how long what is enqueued goes to the outbox before the store is tried again.
const OUTAGE_PAUSE_MS: u64 = 1000;

/// A job's number: from 1, and below 2^53, so that every language can hold it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct JobId(u64);

impl JobId {
    /// # Errors
    /// [`Error::BadKey`]: zero, or beyond what is ever given.
    pub fn new(id: u64) -> Result<Self> {
        if (1..LEVEL).contains(&id) {
            Ok(Self(id))
        } else {
            Err(Error::BadKey(format!("{id} is no job's number")))
        }
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    fn read(text: &[u8]) -> Result<Self> {
        Self::new(number(text).unsigned_abs()).map_err(|_| Error::Corrupt("a job's number".into()))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for JobId {
    type Err = Error;

    /// From digits, as clients send them that know numbers only as text.
    fn from_str(text: &str) -> Result<Self> {
        let number = text.parse().map_err(|_| Error::BadKey("not a job's number".into()))?;
        Self::new(number)
    }
}

/// When a job that failed is tried again.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// How often it is tried at all.
    pub attempts: u32,
    /// The longest pause behind the first attempt; it doubles with each.
    pub base: Duration,
    /// And is never longer than this.
    pub max: Duration,
    /// Whether the pause is a random part of that, so that what failed together is not tried together.
    pub jitter: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 5, base: Duration::from_secs(1), max: Duration::from_secs(600), jitter: true }
    }
}

impl Retry {
    /// The pause behind an attempt, counted from 1.
    #[must_use]
    pub fn pause(&self, attempt: u32) -> Duration {
        let longest =
            self.base.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
        let longest = longest.min(self.max);
        if !self.jitter {
            return longest;
        }
        let part = random(4).iter().fold(0, |part, &byte| part << 8 | u64::from(byte));
        longest.mul_f64(part as f64 / f64::from(u32::MAX))
    }
}

/// A queue's settings. All who use a queue should say the same.
#[derive(Clone, Copy, Debug)]
pub struct QueueOptions {
    /// How long a worker has a job before it has to extend its lease.
    pub lease: Duration,
    /// Most jobs that are not taken yet. Zero: no limit.
    pub len_max: usize,
    /// Longest payload.
    pub payload_bytes_max: usize,
    /// How many of the jobs that ended last are kept to be looked at.
    pub keep: usize,
    /// When a job that failed is tried again.
    pub retry: Retry,
    /// How likely each priority from 0 to 9 is to be served, where several have jobs: `None` is strict, the higher
    /// first; a level of weight zero is not served.
    pub weights: Option<[u8; 10]>,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(30),
            len_max: 0,
            payload_bytes_max: 64 << 10,
            keep: 0,
            retry: Retry::default(),
            weights: None,
        }
    }
}

/// What is done with a job whose key is there already.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Dedupe<'a> {
    /// Nothing: it has no key.
    #[default]
    None,
    /// It is dropped until the other has ended ("simple").
    UntilDone(&'a str),
    /// It is dropped until the other is taken.
    UntilClaimed(&'a str),
    /// It is dropped for so long since the other was enqueued ("throttle").
    Throttle(&'a str, Duration),
    /// It takes the other's place while that waits for its time, which begins anew ("debounce").
    Debounce(&'a str, Duration),
    /// It takes the other's place until that is taken; behind one that is being worked on waits the last that came
    /// ("keep last if active").
    KeepLast(&'a str),
}

/// How a job is enqueued.
#[derive(Clone, Copy, Debug, Default)]
pub struct EnqueueOptions<'a> {
    /// 0 to 9; the higher goes first.
    pub priority: u8,
    /// Jobs of a group are worked on one after another, in their order.
    pub group: Option<&'a str>,
    /// What is done where it is there already.
    pub dedupe: Dedupe<'a>,
    /// Not before so long.
    pub delay: Duration,
    /// Not after so long: whoever would take it then finds it dead.
    pub deadline: Option<Duration>,
    /// Whose it is: others cannot see or cancel it through [`ReliableQueue::of_user`].
    pub owner: Option<UserId>,
    /// How often it is tried, where not as the queue says.
    pub attempts: Option<u32>,
    /// What happened, by a name: what is enqueued twice for it within thirty days is one job.
    pub event: Option<&'a str>,
}

/// What became of a job that was enqueued.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Enqueued {
    /// It is a new job.
    New(JobId),
    /// It was there already, or took this one's place.
    Duplicate(JobId),
    /// The store is away: it is in the outbox.
    Spilled,
}

impl Enqueued {
    /// The job's number, where it has one.
    #[must_use]
    pub fn id(self) -> Option<JobId> {
        match self {
            Self::New(id) | Self::Duplicate(id) => Some(id),
            Self::Spilled => None,
        }
    }
}

/// What became of a cancellation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CancelOutcome {
    /// It was not taken yet, and never will be.
    Removed,
    /// Its worker is told when it next extends its lease; whatever it says then, the job is cancelled.
    Requested,
}

/// Something that went wrong with a job.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JobFailure {
    /// When, Unix ms.
    pub at_ms: u64,
    /// At which attempt.
    pub attempt: u32,
    /// What.
    pub text: String,
}

/// A job as it stands.
#[derive(Clone, Debug)]
pub struct JobInfo<J> {
    /// Its number.
    pub id: JobId,
    /// Its state.
    pub state: JobState,
    /// What it is; `None` where its payload cannot be read.
    pub job: Option<J>,
    /// What it is, as it is stored.
    pub payload: Bytes,
    /// 0 to 9.
    pub priority: u8,
    /// Its group.
    pub group: Option<String>,
    /// Whose it is.
    pub owner: Option<UserId>,
    /// How often it was taken.
    pub attempt: u32,
    /// How often it may be.
    pub attempts: u32,
    /// Since when it is in the queue, Unix ms.
    pub since_ms: u64,
    /// Since when it is in its state, Unix ms.
    pub changed_ms: u64,
    /// Before when it is not taken, Unix ms.
    pub due_ms: Option<u64>,
    /// Who has it, or had it last.
    pub worker: Option<String>,
    /// 0 to 100.
    pub progress: u8,
    /// Whether it is to be cancelled as soon as its worker notices.
    pub cancelling: bool,
    /// What went wrong, the latest last.
    pub failures: Vec<JobFailure>,
}

/// A queue's figures.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct QueueStats {
    /// In line.
    pub ready: u64,
    /// Being worked on.
    pub leased: u64,
    /// Whose time has not come.
    pub delayed: u64,
    /// Behind another of their group.
    pub waiting: u64,
    /// Given up.
    pub dead: u64,
    /// Ended, and kept to be looked at.
    pub done: u64,
    /// How many were ever enqueued.
    pub enqueued: u64,
    /// How often one was ever claimed.
    pub claimed: u64,
    /// Whether nothing is given out.
    pub paused: bool,
    /// For how long the oldest in line has been in the queue.
    pub oldest: Duration,
}

/// What a look for what is due did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reaped {
    /// Delayed jobs that are in line now.
    pub due: u64,
    /// Leases that had run out.
    pub expired: u64,
    /// Those of them that were tried often enough.
    pub dead: u64,
}

/// A queue of jobs of one type.
///
/// ```
/// use damselfly::domain::{Class, Embedded, EnqueueOptions, Namespace, QueueOptions, ReliableQueue};
/// use std::time::Duration;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let downloads: ReliableQueue<String, _> = ReliableQueue::new(
///     Namespace::new("download", Class::Durable), Embedded::in_memory(), QueueOptions::default())?;
/// downloads.enqueue(&"https://example.org/a".to_owned(), EnqueueOptions::default()).await?;
/// for claim in downloads.claim("worker-1", 1, Duration::from_secs(5)).await? {
///     assert_eq!(claim.job, "https://example.org/a");
///     claim.ack().await?;
/// }
/// assert_eq!(downloads.stats().await?.ready, 0);
/// # Ok::<(), damselfly::domain::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ReliableQueue<J, B, C = Json> {
    inner: Arc<Inner<B>>,
    /// The user that jobs are looked at for.
    user: Option<UserId>,
    of: PhantomData<fn(J) -> (J, C)>,
}

struct Inner<B> {
    backend: B,
    namespace: Namespace,
    options: QueueOptions,
    /// By the numbers in `record`; the last two stand for those that a job brings along.
    keys: [Vec<u8>; 16],
    base: Vec<u8>,
    outbox: Option<Outbox>,
    /// When the store was found to be away, Unix ms.
    away_ms: AtomicU64,
}

impl<J, B, C> Clone for ReliableQueue<J, B, C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), user: self.user, of: PhantomData }
    }
}

impl<J, B, C> fmt::Debug for ReliableQueue<J, B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReliableQueue").field("name", &self.inner.namespace.name).finish_non_exhaustive()
    }
}

impl<B: Backend> Inner<B> {
    async fn run(&self, op: &'static Op, args: &[&[u8]]) -> Result<Vec<Reply>> {
        let keys: [&[u8]; 14] = std::array::from_fn(|at| self.keys[at].as_slice());
        items(self.backend.atomic(op, &keys, args).await?)
    }
}

/// An answer's code, and what is behind it.
fn coded(mut reply: Vec<Reply>) -> Result<(i64, Vec<Reply>)> {
    if reply.is_empty() {
        return Err(Error::Backend("an empty answer".into()));
    }
    let code = int(reply.remove(0))?;
    Ok((code, reply))
}

/// Why an operation was refused, by its code.
fn refusal(code: i64, rest: Vec<Reply>, to: &str) -> Error {
    let state = rest.into_iter().next().and_then(|state| string(state).ok());
    let state = state.and_then(|state| JobState::of(*state.first()?));
    match (code, state) {
        (-2, Some(from)) => Error::BadTransition { from: from.name().into(), to: to.into() },
        (-3, _) => Error::Fenced,
        _ => Error::NotFound,
    }
}

impl<J, B, C> ReliableQueue<J, B, C>
where
    J: Send + Sync + 'static,
    B: Backend,
    C: Codec<J>,
{
    /// The queue of a name.
    ///
    /// # Errors
    /// [`Error::BadNamespace`]; [`Error::BadTtl`] for a lease that is none.
    pub fn new(namespace: Namespace, backend: B, options: QueueOptions) -> Result<Self> {
        namespace.check()?;
        check_ttl(options.lease)?;
        let base = format!("{{jobs:{}}}:", namespace.prefix).into_bytes();
        let key = |at: usize| [&base[..], NAMES.get(at).unwrap_or(&NAMES[META]).as_bytes()].concat();
        let keys = std::array::from_fn(key);
        let away_ms = AtomicU64::new(0);
        let inner = Inner { backend, namespace, options, keys, base, outbox: None, away_ms };
        Ok(Self { inner: Arc::new(inner), user: None, of: PhantomData })
    }

    /// The same queue, which writes to an outbox what it cannot enqueue because the store is away.
    #[must_use]
    pub fn with_outbox(self, outbox: Outbox) -> Self
    where
        B: Clone,
    {
        let Inner { backend, namespace, options, keys, base, .. } = &*self.inner;
        let inner = Inner {
            backend: backend.clone(),
            namespace: *namespace,
            options: *options,
            keys: keys.clone(),
            base: base.clone(),
            outbox: Some(outbox),
            away_ms: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner), user: self.user, of: PhantomData }
    }

    /// The same queue as a user sees it: their jobs, and nobody else's.
    #[must_use]
    pub fn of_user(&self, user: UserId) -> Self {
        Self { user: Some(user), ..self.clone() }
    }

    /// Its settings.
    #[must_use]
    pub fn options(&self) -> &QueueOptions {
        &self.inner.options
    }

    fn owner(&self) -> Vec<u8> {
        self.user.map_or(0, UserId::get).to_string().into_bytes()
    }

    fn keep(&self) -> Vec<u8> {
        self.inner.options.keep.to_string().into_bytes()
    }

    /// Puts a job in line.
    ///
    /// # Errors
    /// [`Error::QueueFull`]; [`Error::TooLarge`], [`Error::NotSerializable`] for the job; [`Error::BadLimit`],
    /// [`Error::BadKey`], [`Error::BadTtl`], [`Error::BadType`] for its options; what the backend says, unless there is an
    /// outbox.
    pub async fn enqueue(&self, job: &J, options: EnqueueOptions<'_>) -> Result<Enqueued> {
        let Inner { outbox, options: settings, backend, .. } = &*self.inner;
        let mut payload = Vec::with_capacity(128);
        C::encode(job, &mut payload)?;
        if payload.len() > settings.payload_bytes_max {
            return Err(Error::TooLarge { limit: settings.payload_bytes_max });
        }
        let options = EnqueueOptions { owner: options.owner.or(self.user), ..options };
        let Some(outbox) = outbox else {
            let sent = Sent::new(payload, settings, &options, options.event)?;
            return self.send(&sent, 0).await;
        };
        // With an outbox a job is sent once by its event's name: whether it arrived may be unknown.
        let own = token(16);
        let event = options.event.unwrap_or(&own);
        let sent = Sent::new(payload, settings, &options, Some(event))?;
        let channel = self.inner.namespace.prefix;
        let away =
            backend.now_ms().saturating_sub(self.inner.away_ms.load(Ordering::Relaxed)) < OUTAGE_PAUSE_MS;
        if !away && outbox.is_empty(channel).await? {
            match self.send(&sent, 0).await {
                Err(error) if error.is_outage() => self.note_outage(),
                done => return done,
            }
        }
        let spilled = Spilled { at_ms: backend.now_ms(), sent };
        let body =
            postcard::to_stdvec(&spilled).map_err(|error| Error::NotSerializable(error.to_string()))?;
        outbox.push(channel, event, &body).await?;
        if away {
            return Ok(Enqueued::Spilled);
        }
        let mut ours = None;
        match self.replay_into(Some((event, &mut ours))).await {
            Ok(_) => Ok(ours.unwrap_or(Enqueued::Spilled)),
            // It is written down, which is what was promised.
            Err(_) => Ok(Enqueued::Spilled),
        }
    }

    fn note_outage(&self) {
        self.inner.away_ms.store(self.inner.backend.now_ms(), Ordering::Relaxed);
    }

    /// Sends what is in the outbox, in its order; how many went and how many are left. A worker's loop does it by itself.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub async fn replay(&self) -> Result<Replayed> {
        self.replay_into(None).await
    }

    async fn replay_into(&self, mut ours: Option<(&str, &mut Option<Enqueued>)>) -> Result<Replayed> {
        let Some(outbox) = &self.inner.outbox else { return Ok(Replayed::default()) };
        let _sending = outbox.sending().await;
        let channel = self.inner.namespace.prefix;
        let mut replayed = Replayed::default();
        while let Some(entry) = outbox.first(channel).await? {
            let sent = match postcard::from_bytes::<Spilled>(&entry.body) {
                Ok(spilled) => {
                    let passed = self.inner.backend.now_ms().saturating_sub(spilled.at_ms);
                    self.send(&spilled.sent, passed).await
                }
                Err(error) => Err(Error::Corrupt(error.to_string())),
            };
            if let (Some((event, place)), Ok(done)) = (&mut ours, &sent)
                && *event == entry.id
            {
                **place = Some(*done);
            }
            if !outbox.settle(&entry, sent.map(|_| ()), &mut replayed).await? {
                break;
            }
        }
        replayed.left = outbox.len(channel).await?;
        if replayed.away {
            self.note_outage();
        }
        Ok(replayed)
    }

    async fn send(&self, sent: &Sent, passed_ms: u64) -> Result<Enqueued> {
        let Inner { backend, keys, base, options, .. } = &*self.inner;
        let mut slices: [&[u8]; 16] = std::array::from_fn(|at| keys[at].as_slice());
        let once = sent.key.strip_prefix(b"t").map(|word| [base, &b"once:"[..], word].concat());
        let event = (sent.event_ms > 0).then(|| [base, &b"event:"[..], &sent.event].concat());
        if let Some(once) = &once {
            slices[ONCE] = once;
        }
        if let Some(event) = &event {
            slices[EVENT] = event;
        }
        let delay_ms = sent.delay_ms.saturating_sub(passed_ms);
        // What is over by now is over at once.
        let deadline_ms =
            if sent.deadline_ms == 0 { 0 } else { sent.deadline_ms.saturating_sub(passed_ms).max(1) };
        let mut digits = [(); 8].map(|()| itoa::Buffer::new());
        let [a, b, c, d, e, f, g, h] = &mut digits;
        let args: [&[u8]; 11] = [
            &sent.payload,
            a.format(sent.priority).as_bytes(),
            &sent.group,
            &sent.key,
            b.format(sent.window_ms).as_bytes(),
            c.format(delay_ms).as_bytes(),
            d.format(deadline_ms).as_bytes(),
            e.format(sent.owner).as_bytes(),
            f.format(sent.attempts).as_bytes(),
            g.format(options.len_max).as_bytes(),
            h.format(sent.event_ms).as_bytes(),
        ];
        let (code, rest) = coded(items(backend.atomic(&ops::ENQUEUE, &slices, &args).await?)?)?;
        if code < 0 {
            return Err(Error::QueueFull { retry_after: Duration::from_secs(1) });
        }
        let id = JobId::read(&string(rest.into_iter().next().unwrap_or(Reply::Null))?)?;
        Ok(if code == 1 { Enqueued::New(id) } else { Enqueued::Duplicate(id) })
    }

    /// Takes up to `n` jobs, for as long as the queue's lease; waits for one where there is none. None when the time is
    /// up.
    ///
    /// A job whose payload cannot be read is dead at once.
    ///
    /// # Errors
    /// [`Error::BadLimit`] for no job or more than [`CLAIM_MAX`]; [`Error::BadKey`] for the worker's name; what the
    /// backend says.
    pub async fn claim(&self, worker: &str, n: usize, wait: Duration) -> Result<Vec<Claim<J, B, C>>> {
        let watch = Stopwatch::start();
        loop {
            let left = wait.saturating_sub(watch.elapsed());
            let taken = self.take(worker, n, left).await?;
            if !taken.claims.is_empty() || left.is_zero() {
                return Ok(taken.claims);
            }
            if !taken.some {
                self.wait(taken.next.map_or(left, |next| next.min(left))).await?;
            }
        }
    }

    /// Waits until there may be something to take, at most so long.
    async fn wait(&self, at_most: Duration) -> Result<()> {
        self.inner.backend.wait_for(&self.inner.keys[WAKE], at_most.max(Duration::from_millis(1))).await
    }

    /// Takes what is there now.
    async fn take(&self, worker: &str, n: usize, wait: Duration) -> Result<Taken<J, B, C>> {
        let Inner { options, .. } = &*self.inner;
        let worker = part(worker)?;
        if n == 0 || n > CLAIM_MAX {
            return Err(Error::BadLimit { given: n as i64, max: CLAIM_MAX as i64 });
        }
        let seed = match options.weights {
            Some(_) => {
                random(4).iter().fold(0, |seed: u64, &byte| seed << 8 | u64::from(byte)) % 2_147_483_646 + 1
            }
            None => 0,
        };
        let mut digits = [(); 5].map(|()| itoa::Buffer::new());
        let [a, b, c, d, e] = &mut digits;
        // Whoever brings something in that time, and a little longer, wakes us.
        let wait_ms = if wait.is_zero() { 0 } else { ms(wait).saturating_add(1000) };
        let args: [&[u8]; 7] = [
            a.format(n).as_bytes(),
            b.format(ms(options.lease)).as_bytes(),
            &worker,
            c.format(wait_ms).as_bytes(),
            d.format(options.keep).as_bytes(),
            options.weights.as_ref().map_or(&[], |weights| &weights[..]),
            e.format(seed).as_bytes(),
        ];
        let mut reply = self.inner.run(&ops::CLAIM, &args).await?.into_iter();
        let mut next = || reply.next().unwrap_or(Reply::Null);
        let (due, jobs) = (int(next())?, items(next())?);
        let mut taken = Taken {
            some: !jobs.is_empty(),
            claims: Vec::with_capacity(jobs.len()),
            next: u64::try_from(due).ok().map(Duration::from_millis),
        };
        for job in jobs {
            let mut parts = items(job)?.into_iter();
            let mut next = || parts.next().unwrap_or(Reply::Null);
            let id = JobId::read(&string(next())?)?;
            let (record, payload, check) =
                (Record::read(&string(next())?)?, string(next())?, optional(next())?);
            match C::decode(&payload) {
                Ok(job) => taken.claims.push(Claim::new(self.clone(), id, job, &record, check)),
                Err(error) => {
                    let why = format!("the payload cannot be read: {error}");
                    self.settle(id, record.fence, "dead", &why, Duration::ZERO, Duration::ZERO).await?;
                }
            }
        }
        Ok(taken)
    }

    async fn settle(
        &self,
        id: JobId,
        fence: u64,
        action: &str,
        error: &str,
        delay: Duration,
        rest: Duration,
    ) -> Result<i64> {
        let error = printable(error);
        let mut digits = [(); 4].map(|()| itoa::Buffer::new());
        let [a, b, c, d] = &mut digits;
        let keep = self.keep();
        let args: [&[u8]; 7] = [
            a.format(id.0).as_bytes(),
            b.format(fence).as_bytes(),
            action.as_bytes(),
            error.as_bytes(),
            c.format(ms(delay)).as_bytes(),
            &keep,
            d.format(ms(rest)).as_bytes(),
        ];
        let (code, rest) = coded(self.inner.run(&ops::SETTLE, &args).await?)?;
        if code > 0 { Ok(code) } else { Err(lost(code, rest, action)) }
    }

    /// Calls a job off: one that nobody has taken is gone; the worker of one that is taken is told.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for another user's; [`Error::BadTransition`] for one that has ended.
    pub async fn cancel(&self, id: JobId) -> Result<CancelOutcome> {
        let (number, owner, keep) = (id.to_string(), self.owner(), self.keep());
        match coded(self.inner.run(&ops::CANCEL, &[number.as_bytes(), &owner, &keep]).await?)? {
            (1, _) => Ok(CancelOutcome::Removed),
            (2, _) => Ok(CancelOutcome::Requested),
            (code, rest) => Err(refusal(code, rest, "cancelled")),
        }
    }

    /// A job as it stands; `None` where there is none, or another user's.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn get(&self, id: JobId) -> Result<Option<JobInfo<J>>> {
        let found = self.show(&[id.to_string().as_bytes(), b"", b"", b""]).await?.pop();
        Ok(found.filter(|info| self.user.is_none() || info.owner == self.user))
    }

    async fn show(&self, args: &[&[u8]]) -> Result<Vec<JobInfo<J>>> {
        self.inner.run(&ops::SHOW, args).await?.into_iter().map(info::<J, C>).collect()
    }

    /// Jobs in a state, those that are next or oldest first: `count` from the place `from` on. Other users' are left out.
    /// O(log n + count).
    ///
    /// # Errors
    /// [`Error::BadLimit`] for more than [`CLAIM_MAX`]; what the backend says.
    pub async fn list(&self, state: JobState, from: usize, count: usize) -> Result<Vec<JobInfo<J>>> {
        if count == 0 || count > CLAIM_MAX {
            return Err(Error::BadLimit { given: count as i64, max: CLAIM_MAX as i64 });
        }
        let set = match state {
            JobState::Ready => READY,
            JobState::Delayed => DELAYED,
            JobState::Waiting => WAITING,
            JobState::Running => LEASES,
            JobState::Dead => DEAD,
            JobState::Completed | JobState::Cancelled => DONE,
        };
        let set = (set + 1).to_string();
        let (first, last) = (from.to_string(), from.saturating_add(count - 1).to_string());
        let found = self.show(&[b"", set.as_bytes(), first.as_bytes(), last.as_bytes()]).await?;
        let ours =
            |info: &JobInfo<J>| info.state == state && (self.user.is_none() || info.owner == self.user);
        Ok(found.into_iter().filter(ours).collect())
    }

    /// Jobs that were given up, the longest dead first, with all that went wrong.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub async fn dead(&self, from: usize, count: usize) -> Result<Vec<JobInfo<J>>> {
        self.list(JobState::Dead, from, count).await
    }

    /// Puts a dead job in line again, with all its attempts before it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::BadTransition`] for one that is not dead.
    pub async fn requeue(&self, id: JobId) -> Result<()> {
        match coded(self.inner.run(&ops::REQUEUE, &[id.to_string().as_bytes(), &self.owner()]).await?)? {
            (1, _) => Ok(()),
            (code, rest) => Err(refusal(code, rest, "ready")),
        }
    }

    /// Deletes jobs that have been dead for so long at least; how many.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn purge(&self, dead_for: Duration) -> Result<u64> {
        let mut purged = 0;
        loop {
            let (count, _) =
                coded(self.inner.run(&ops::PURGE, &[ms(dead_for).to_string().as_bytes()]).await?)?;
            purged += count.unsigned_abs();
            if count < 1000 {
                return Ok(purged);
            }
        }
    }

    /// Gives nothing out any more, or again. What is being worked on goes on.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn pause(&self, on: bool) -> Result<()> {
        self.inner.run(&ops::PAUSE, &[if on { b"1" } else { b"0" }]).await?;
        Ok(())
    }

    /// Puts in line what is due, and what a worker had whose lease has run out: up to a hundred of each. Every claim does
    /// so by itself.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn reap(&self) -> Result<Reaped> {
        let mut figures = self.inner.run(&ops::REAP, &[&self.keep()]).await?.into_iter();
        let mut next = || int(figures.next().unwrap_or(Reply::Null)).map(i64::unsigned_abs);
        Ok(Reaped { due: next()?, expired: next()?, dead: next()? })
    }

    /// Its figures. O(1).
    ///
    /// # Errors
    /// What the backend says.
    pub async fn stats(&self) -> Result<QueueStats> {
        let mut figures = self.inner.run(&ops::STATS, &[]).await?.into_iter();
        let mut next = || int(figures.next().unwrap_or(Reply::Null)).map(i64::unsigned_abs);
        Ok(QueueStats {
            ready: next()?,
            leased: next()?,
            delayed: next()?,
            waiting: next()?,
            dead: next()?,
            done: next()?,
            enqueued: next()?,
            claimed: next()?,
            paused: next()? == 1,
            oldest: Duration::from_millis(next()?),
        })
    }
}

/// What a look at the queue brought.
struct Taken<J, B, C> {
    /// Whether there was anything, be it unreadable.
    some: bool,
    claims: Vec<Claim<J, B, C>>,
    /// When there is something next, as far as is known.
    next: Option<Duration>,
}

/// A job as it is sent.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Sent {
    payload: Vec<u8>,
    priority: u8,
    group: Vec<u8>,
    key: Vec<u8>,
    window_ms: u64,
    delay_ms: u64,
    deadline_ms: u64,
    owner: i64,
    attempts: u32,
    event: Vec<u8>,
    event_ms: u64,
}

/// A job as it is in the outbox.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Spilled {
    at_ms: u64,
    sent: Sent,
}

impl Sent {
    fn new(
        payload: Vec<u8>,
        settings: &QueueOptions,
        options: &EnqueueOptions<'_>,
        event: Option<&str>,
    ) -> Result<Self> {
        if options.priority > PRIORITY_MAX {
            return Err(Error::BadLimit { given: options.priority.into(), max: PRIORITY_MAX.into() });
        }
        let attempts = options.attempts.unwrap_or(settings.retry.attempts);
        if attempts == 0 {
            return Err(Error::BadLimit { given: 0, max: u32::MAX.into() });
        }
        let (mode, word, window) = match options.dedupe {
            Dedupe::None => ("", "", Duration::ZERO),
            Dedupe::UntilDone(word) => ("u", word, Duration::ZERO),
            Dedupe::UntilClaimed(word) => ("q", word, Duration::ZERO),
            Dedupe::Throttle(word, window) => ("t", word, window),
            Dedupe::Debounce(word, window) => ("b", word, window),
            Dedupe::KeepLast(word) => ("k", word, Duration::ZERO),
        };
        if matches!(options.dedupe, Dedupe::Throttle(..) | Dedupe::Debounce(..)) {
            check_ttl(window)?;
        }
        let mut key = mode.as_bytes().to_vec();
        let mut group = options.group.map(part).transpose()?.unwrap_or_default();
        if !mode.is_empty() {
            key.extend_from_slice(&part(word)?);
        }
        if mode == "k" {
            if !group.is_empty() {
                return Err(Error::BadType("who keeps the last has a group of their own".into()));
            }
            // Behind the one that is being worked on: nobody's group begins with a blank.
            group = [b" ", word.as_bytes()].concat();
        }
        if options.delay > Duration::ZERO {
            check_ttl(options.delay)?;
        }
        options.deadline.map(check_ttl).transpose()?;
        Ok(Self {
            payload,
            priority: options.priority,
            group,
            key,
            window_ms: ms(window),
            delay_ms: ms(options.delay),
            deadline_ms: options.deadline.map_or(0, ms),
            owner: options.owner.map_or(0, UserId::get),
            attempts,
            event: event.map(part).transpose()?.unwrap_or_default(),
            event_ms: if event.is_some() { ms(EVENTS_KEPT) } else { 0 },
        })
    }
}

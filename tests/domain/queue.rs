//! Queues: what holds on every backend.

use damselfly::clock::Stopwatch;
use damselfly::domain::*;
use std::collections::HashSet;
use std::time::Duration;

pub type Queue<J, B> = ReliableQueue<J, B>;

pub const NO: EnqueueOptions<'static> = EnqueueOptions {
    priority: 0,
    group: None,
    dedupe: Dedupe::None,
    delay: Duration::ZERO,
    deadline: None,
    owner: None,
    attempts: None,
    event: None,
};

pub const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Tries again at once: what fails here fails on purpose.
pub fn options() -> QueueOptions {
    QueueOptions {
        retry: Retry { base: Duration::ZERO, jitter: false, ..Retry::default() },
        ..QueueOptions::default()
    }
}

pub fn queue_with<J, B: Backend>(b: &B, options: QueueOptions) -> Queue<J, B>
where
    J: serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
{
    ReliableQueue::new(Namespace::new("download", Class::Durable).ephemeral(), b.clone(), options).unwrap()
}

pub fn queue<B: Backend>(b: &B) -> Queue<u32, B> {
    queue_with(b, options())
}

pub async fn put<B: Backend>(q: &Queue<u32, B>, job: u32, options: EnqueueOptions<'_>) -> JobId {
    match q.enqueue(&job, options).await.unwrap() {
        Enqueued::New(id) => id,
        other => panic!("{other:?}"),
    }
}

/// One job that is there.
pub async fn one<B: Backend>(q: &Queue<u32, B>) -> Claim<u32, B, Json> {
    q.claim("w", 1, Duration::ZERO).await.unwrap().pop().expect("a job")
}

async fn none<B: Backend>(q: &Queue<u32, B>) -> bool {
    q.claim("w", 1, Duration::ZERO).await.unwrap().is_empty()
}

/// Takes and acknowledges all that there is, in its order.
async fn all_of<B: Backend>(q: &Queue<u32, B>) -> Vec<u32> {
    let mut jobs = Vec::new();
    while let Some(claim) = q.claim("w", 1, Duration::ZERO).await.unwrap().pop() {
        claim.ack().await.unwrap();
        jobs.push(claim.job);
    }
    jobs
}

pub async fn all(b: &impl Backend) {
    jobs_come_in_their_order_and_leave_nothing(b).await;
    a_job_that_failed_keeps_its_place_by_age(b).await;
    two_workers_never_have_the_same_job(b).await;
    priorities_are_strict_or_weighted(b).await;
    a_group_is_worked_on_one_after_another(b).await;
    a_key_is_there_once_until_done_or_claimed(b).await;
    a_throttled_key_is_there_once_in_its_window(b).await;
    a_debounced_job_is_the_last_and_waits_for_quiet(b).await;
    behind_an_active_job_waits_the_last_one(b).await;
    an_event_is_enqueued_once(b).await;
    a_delayed_job_comes_at_its_time_and_not_after_its_deadline(b).await;
    a_full_queue_says_so_and_loses_nothing(b).await;
    a_late_word_is_refused_and_the_job_is_somebody_elses(b).await;
    a_heartbeat_keeps_the_lease(b).await;
    failures_have_classes(b).await;
    a_job_that_keeps_failing_is_dead_with_all_its_failures(b).await;
    a_worker_that_vanishes_too_often_kills_the_job(b).await;
    what_cannot_be_read_is_dead_at_once(b).await;
    cancelled_stays_cancelled(b).await;
    another_users_job_is_not_found(b).await;
    a_paused_queue_gives_nothing_out(b).await;
    a_checkpoint_outlives_its_worker_and_progress_never_falls(b).await;
    whoever_waits_is_woken(b).await;
    a_wait_that_is_dropped_loses_nothing(b).await;
    the_last_ones_are_kept_to_be_looked_at(b).await;
    bad_input_is_an_error_with_a_status(b).await;
}

/// Defects: a list that was read with LRANGE over LPUSH, so the newest came first; one that was never drained; an
/// acknowledgement that looked for an id among JSON texts, and removed nothing.
async fn jobs_come_in_their_order_and_leave_nothing<B: Backend>(b: &B) {
    let q = queue(b);
    for job in 0..5 {
        assert_eq!(put(&q, job, NO).await.get(), u64::from(job) + 1);
    }
    let stats = q.stats().await.unwrap();
    assert_eq!((stats.ready, stats.enqueued, stats.leased), (5, 5, 0));
    let claims = q.claim("w", 3, Duration::ZERO).await.unwrap();
    assert_eq!(claims.iter().map(|claim| claim.job).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(claims.windows(2).all(|pair| pair[0].fence < pair[1].fence));
    let stats = q.stats().await.unwrap();
    assert_eq!((stats.ready, stats.leased, stats.claimed), (2, 3, 3));
    for claim in claims {
        assert_eq!(claim.attempt, 1);
        claim.ack().await.unwrap();
        assert!(q.get(claim.id).await.unwrap().is_none());
        assert_eq!(claim.ack().await, Err(Error::LeaseLost));
    }
    assert_eq!(all_of(&q).await, [3, 4]);
    let stats = q.stats().await.unwrap();
    assert_eq!((stats.ready, stats.leased, stats.delayed, stats.waiting, stats.dead), (0, 0, 0, 0, 0));
    assert_eq!(stats.oldest, Duration::ZERO);
}

/// Defect: RPUSH with RPOPLPUSH was last in, first out, and what was put back lost its age.
async fn a_job_that_failed_keeps_its_place_by_age<B: Backend>(b: &B) {
    let q = queue(b);
    for job in 0..3 {
        put(&q, job, NO).await;
    }
    let first = one(&q).await;
    assert_eq!(first.nack(JobError::retryable("once more")).await.unwrap(), Fate::Retry(Duration::ZERO));
    assert_eq!(all_of(&q).await, [0, 1, 2]);
}

/// Defect: select, then update, so that two workers took one job.
async fn two_workers_never_have_the_same_job<B: Backend>(b: &B) {
    let q = queue(b);
    for job in 0..40 {
        put(&q, job, NO).await;
    }
    let takers = (0..8).map(|_| {
        let q = q.clone();
        tokio::spawn(async move {
            let mut mine = Vec::new();
            while let Some(claim) = q.claim("w", 1, Duration::ZERO).await.unwrap().pop() {
                mine.push(claim.job);
            }
            mine
        })
    });
    let mut taken = Vec::new();
    for taker in takers.collect::<Vec<_>>() {
        taken.extend(taker.await.unwrap());
    }
    taken.sort_unstable();
    assert_eq!(taken, (0..40).collect::<Vec<_>>());
}

async fn priorities_are_strict_or_weighted<B: Backend>(b: &B) {
    let at = |priority| EnqueueOptions { priority, ..NO };
    let q = queue(b);
    for (job, priority) in [(1, 0), (2, 5), (3, 9), (4, 5), (5, 0)] {
        put(&q, job, at(priority)).await;
    }
    assert_eq!(all_of(&q).await, [3, 2, 4, 1, 5]);
    let mut weights = [0; 10];
    (weights[1], weights[2]) = (1, 3);
    let q: Queue<u32, B> = queue_with(b, QueueOptions { weights: Some(weights), ..options() });
    for job in 0..200 {
        put(&q, job, at(1)).await;
        put(&q, 1000 + job, at(2)).await;
    }
    // A level of no weight is not served.
    put(&q, 9999, at(9)).await;
    let mut served = Vec::new();
    for _ in 0..20 {
        served.extend(q.claim("w", 10, Duration::ZERO).await.unwrap().into_iter().map(|claim| claim.job));
    }
    let high = served.iter().filter(|&&job| job >= 1000).count();
    assert_eq!(served.len(), 200);
    assert!((115..=180).contains(&high), "{high} of 200 for three quarters");
    // Within a level, in order.
    let low: Vec<u32> = served.into_iter().filter(|&job| job < 1000).collect();
    assert!(low.is_sorted());
}

async fn a_group_is_worked_on_one_after_another<B: Backend>(b: &B) {
    let q = queue(b);
    let of = |group| EnqueueOptions { group: Some(group), ..NO };
    let ids = [
        put(&q, 1, of("a")).await,
        put(&q, 2, of("a")).await,
        put(&q, 3, of("b")).await,
        put(&q, 4, of("a")).await,
    ];
    assert_eq!(q.stats().await.unwrap().waiting, 2);
    let (a, other) = (one(&q).await, one(&q).await);
    assert_eq!((a.job, other.job), (1, 3));
    assert!(none(&q).await);
    // One that fails keeps the others behind it.
    a.nack(JobError::retryable("again")).await.unwrap();
    let a = one(&q).await;
    assert_eq!((a.job, a.attempt), (1, 2));
    // One that waits may be cancelled; the next comes up when the first is done.
    assert_eq!(q.cancel(ids[1]).await.unwrap(), CancelOutcome::Removed);
    assert!(none(&q).await);
    a.ack().await.unwrap();
    let next = one(&q).await;
    assert_eq!(next.job, 4);
    // A dead one keeps nobody behind it.
    let last = put(&q, 5, of("a")).await;
    assert_eq!(q.get(last).await.unwrap().unwrap().state, JobState::Waiting);
    assert_eq!(next.nack(JobError::permanent("never")).await.unwrap(), Fate::Dead);
    assert_eq!(all_of(&q).await, [5]);
    // One that comes back from the dead waits for its turn.
    let running = put(&q, 6, of("a")).await;
    q.requeue(ids[3]).await.unwrap();
    assert_eq!(q.get(ids[3]).await.unwrap().unwrap().state, JobState::Waiting);
    assert_eq!(q.get(running).await.unwrap().unwrap().group.as_deref(), Some("a"));
    assert_eq!(all_of(&q).await, [6, 4]);
}

async fn a_key_is_there_once_until_done_or_claimed<B: Backend>(b: &B) {
    let q = queue(b);
    let done = EnqueueOptions { dedupe: Dedupe::UntilDone("k"), ..NO };
    let id = put(&q, 1, done).await;
    assert_eq!(q.enqueue(&2, done).await.unwrap(), Enqueued::Duplicate(id));
    let claim = one(&q).await;
    assert_eq!(q.enqueue(&3, done).await.unwrap(), Enqueued::Duplicate(id));
    assert_eq!(claim.job, 1);
    claim.ack().await.unwrap();
    let id = put(&q, 4, done).await;
    // Dead is done, and so is cancelled.
    one(&q).await.nack(JobError::permanent("no")).await.unwrap();
    let next = put(&q, 5, done).await;
    assert!(next > id);
    q.cancel(next).await.unwrap();
    put(&q, 6, done).await;
    assert_eq!(all_of(&q).await, [6]);

    let claimed = EnqueueOptions { dedupe: Dedupe::UntilClaimed("k"), ..NO };
    let id = put(&q, 1, claimed).await;
    assert_eq!(q.enqueue(&2, claimed).await.unwrap(), Enqueued::Duplicate(id));
    let first = one(&q).await;
    assert_eq!(first.job, 1);
    put(&q, 3, claimed).await;
    first.ack().await.unwrap();
    assert!(matches!(q.enqueue(&4, claimed).await.unwrap(), Enqueued::Duplicate(_)));
    assert_eq!(all_of(&q).await, [3]);
}

async fn a_throttled_key_is_there_once_in_its_window<B: Backend>(b: &B) {
    let q = queue(b);
    let throttle = EnqueueOptions { dedupe: Dedupe::Throttle("k", ms(150)), ..NO };
    let id = put(&q, 1, throttle).await;
    assert_eq!(all_of(&q).await, [1]);
    assert_eq!(q.enqueue(&2, throttle).await.unwrap(), Enqueued::Duplicate(id));
    tokio::time::sleep(ms(200)).await;
    put(&q, 3, throttle).await;
    assert_eq!(all_of(&q).await, [3]);
}

async fn a_debounced_job_is_the_last_and_waits_for_quiet<B: Backend>(b: &B) {
    let q = queue(b);
    let debounce = EnqueueOptions { dedupe: Dedupe::Debounce("k", ms(300)), ..NO };
    let id = put(&q, 1, debounce).await;
    tokio::time::sleep(ms(200)).await;
    assert_eq!(q.enqueue(&2, debounce).await.unwrap(), Enqueued::Duplicate(id));
    tokio::time::sleep(ms(150)).await;
    // The first would be due by now; the second began anew.
    assert!(none(&q).await);
    let claim = q.claim("w", 1, Duration::from_secs(5)).await.unwrap().pop().unwrap();
    assert_eq!((claim.id, claim.job), (id, 2));
    put(&q, 3, debounce).await;
}

async fn behind_an_active_job_waits_the_last_one<B: Backend>(b: &B) {
    let q = queue(b);
    let last = EnqueueOptions { dedupe: Dedupe::KeepLast("k"), ..NO };
    let first = put(&q, 1, last).await;
    assert_eq!(q.enqueue(&2, last).await.unwrap(), Enqueued::Duplicate(first));
    let active = one(&q).await;
    assert_eq!(active.job, 2);
    let next = put(&q, 3, last).await;
    assert_eq!(q.enqueue(&4, last).await.unwrap(), Enqueued::Duplicate(next));
    assert!(none(&q).await);
    active.ack().await.unwrap();
    assert_eq!(all_of(&q).await, [4]);
}

/// Defect: what was replayed carried no idempotency id, and was counted twice.
async fn an_event_is_enqueued_once<B: Backend>(b: &B) {
    let q = queue(b);
    let event = EnqueueOptions { event: Some("scrobble-17"), ..NO };
    let id = put(&q, 1, event).await;
    assert_eq!(all_of(&q).await, [1]);
    assert_eq!(q.enqueue(&1, event).await.unwrap(), Enqueued::Duplicate(id));
    assert!(none(&q).await);
}

async fn a_delayed_job_comes_at_its_time_and_not_after_its_deadline<B: Backend>(b: &B) {
    let q = queue(b);
    let began = Stopwatch::start();
    put(&q, 1, EnqueueOptions { delay: ms(150), ..NO }).await;
    let late = put(&q, 2, EnqueueOptions { deadline: Some(ms(100)), delay: ms(120), ..NO }).await;
    assert!(none(&q).await);
    assert_eq!(q.stats().await.unwrap().delayed, 2);
    let claim = q.claim("w", 1, Duration::from_secs(5)).await.unwrap().pop().unwrap();
    assert_eq!(claim.job, 1);
    let waited = began.elapsed();
    assert!(waited >= ms(145) && waited < ms(1500), "{waited:?}");
    assert!(none(&q).await);
    let dead = q.get(late).await.unwrap().unwrap();
    assert_eq!((dead.state, dead.attempt, dead.failures.len()), (JobState::Dead, 0, 1));
}

/// Defect: the newest were kept and the oldest, which nobody had done, were cut off in silence.
async fn a_full_queue_says_so_and_loses_nothing<B: Backend>(b: &B) {
    let q: Queue<u32, B> = queue_with(b, QueueOptions { len_max: 3, ..options() });
    let key = EnqueueOptions { dedupe: Dedupe::UntilDone("k"), group: Some("g"), ..NO };
    let id = put(&q, 1, key).await;
    put(&q, 2, EnqueueOptions { group: Some("g"), ..NO }).await;
    put(&q, 3, EnqueueOptions { delay: ms(1), ..NO }).await;
    let full = q.enqueue(&4, NO).await.unwrap_err();
    assert!(matches!(full, Error::QueueFull { retry_after } if !retry_after.is_zero()));
    assert_eq!(full.status(), 429);
    assert_eq!(q.enqueue(&1, key).await.unwrap(), Enqueued::Duplicate(id));
    // What is taken makes room.
    let claim = one(&q).await;
    put(&q, 4, NO).await;
    claim.ack().await.unwrap();
    tokio::time::sleep(ms(5)).await;
    let mut rest = all_of(&q).await;
    rest.sort_unstable();
    assert_eq!(rest, [2, 3, 4]);
}

/// Defect: a job whose worker crashed was never tried again.
async fn a_late_word_is_refused_and_the_job_is_somebody_elses<B: Backend>(b: &B) {
    let q: Queue<u32, B> = queue_with(b, QueueOptions { lease: ms(100), ..options() });
    put(&q, 1, NO).await;
    let slow = one(&q).await;
    assert!(none(&q).await);
    // Somebody who waits is given it when its time is over, and not before.
    let began = Stopwatch::start();
    let next = q.claim("other", 1, Duration::from_secs(5)).await.unwrap().pop().unwrap();
    assert!(began.elapsed() < ms(2000), "{:?}", began.elapsed());
    assert_eq!((next.id, next.attempt), (slow.id, 2));
    assert!(next.fence > slow.fence);
    for word in
        [slow.ack().await, slow.extend(ms(500)).await, slow.release().await, slow.checkpoint(b"x").await]
    {
        assert_eq!(word, Err(Error::Fenced));
    }
    assert_eq!(slow.nack(JobError::permanent("late")).await, Err(Error::Fenced));
    assert!(slow.is_cancelled());
    // Too late is too late, even where nobody else has it yet.
    tokio::time::sleep(ms(150)).await;
    assert_eq!(next.ack().await, Err(Error::LeaseLost));
    let reaped = q.reap().await.unwrap();
    assert_eq!((reaped.expired, reaped.dead), (1, 0));
    assert_eq!(next.ack().await, Err(Error::LeaseLost));
    let third = one(&q).await;
    assert_eq!(third.attempt, 3);
    third.ack().await.unwrap();
    assert_eq!(next.ack().await, Err(Error::LeaseLost));
}

async fn a_heartbeat_keeps_the_lease<B: Backend>(b: &B) {
    let q: Queue<u32, B> = queue_with(b, QueueOptions { lease: ms(200), ..options() });
    put(&q, 1, NO).await;
    let claim = one(&q).await;
    for _ in 0..4 {
        tokio::time::sleep(ms(80)).await;
        claim.extend(ms(200)).await.unwrap();
        assert!(none(&q).await);
    }
    claim.ack().await.unwrap();
}

async fn failures_have_classes<B: Backend>(b: &B) {
    let q = queue(b);
    put(&q, 1, NO).await;
    let claim = one(&q).await;
    let error = JobError { class: ErrorClass::RetryAfter(ms(80)), text: "busy".into() };
    assert_eq!(claim.nack(error).await.unwrap(), Fate::Retry(ms(80)));
    assert!(none(&q).await);
    let claim = q.claim("w", 1, Duration::from_secs(5)).await.unwrap().pop().unwrap();
    assert_eq!(claim.attempt, 2);
    // Whoever wants fewer requests has the whole queue rest, and the attempt does not count.
    put(&q, 2, NO).await;
    claim.nack(JobError::rate_limited(ms(150), "429")).await.unwrap();
    assert!(none(&q).await);
    let began = Stopwatch::start();
    let claims = q.claim("w", 2, Duration::from_secs(5)).await.unwrap();
    assert!(began.elapsed() >= ms(100), "{:?}", began.elapsed());
    let first = claims.iter().find(|claim| claim.job == 1).unwrap();
    assert_eq!(first.attempt, 2);
    // Giving back does not count either.
    first.release().await.unwrap();
    let again = one(&q).await;
    assert_eq!((again.job, again.attempt), (1, 2));
    assert_eq!(again.nack(std::io::Error::other("io")).await.unwrap(), Fate::Retry(Duration::ZERO));
    // Pauses grow, up to a limit, and are random parts of that.
    let retry = Retry { base: ms(100), max: ms(1000), jitter: false, attempts: 9 };
    let pauses: Vec<_> = (1..=6).map(|attempt| retry.pause(attempt).as_millis()).collect();
    assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
    assert_eq!(retry.pause(u32::MAX), ms(1000));
    let random: HashSet<_> = (0..50).map(|_| Retry { jitter: true, ..retry }.pause(3)).collect();
    assert!(random.len() > 10 && random.iter().all(|&pause| pause <= ms(400)));
}

async fn a_job_that_keeps_failing_is_dead_with_all_its_failures<B: Backend>(b: &B) {
    let q = queue(b);
    let id = put(&q, 7, EnqueueOptions { attempts: Some(3), ..NO }).await;
    for (attempt, fate) in
        [(1, Fate::Retry(Duration::ZERO)), (2, Fate::Retry(Duration::ZERO)), (3, Fate::Dead)]
    {
        let error = JobError::retryable(format!("failure\u{1f} {attempt}"));
        assert_eq!(one(&q).await.nack(error).await.unwrap(), fate);
    }
    assert!(none(&q).await);
    let dead = q.dead(0, 10).await.unwrap().pop().unwrap();
    assert_eq!((dead.id, dead.job, dead.state, dead.attempt), (id, Some(7), JobState::Dead, 3));
    let failures: Vec<_> = dead.failures.iter().map(|f| (f.attempt, f.text.as_str())).collect();
    assert_eq!(failures, [(1, "failure  1"), (2, "failure  2"), (3, "failure  3")]);
    assert_eq!(q.stats().await.unwrap().dead, 1);
    // It may be tried again from the beginning, with its failures before it.
    q.requeue(id).await.unwrap();
    let again = Err(Error::BadTransition { from: "ready".into(), to: "ready".into() });
    assert_eq!(q.requeue(id).await, again);
    let claim = one(&q).await;
    assert_eq!((claim.attempt, claim.job), (1, 7));
    claim.nack(JobError::permanent("x".repeat(5000))).await.unwrap();
    assert_eq!(q.get(id).await.unwrap().unwrap().failures.len(), 4);
    assert_eq!(q.purge(Duration::from_secs(60)).await.unwrap(), 0);
    assert_eq!(q.purge(Duration::ZERO).await.unwrap(), 1);
    assert!(q.get(id).await.unwrap().is_none());
    assert_eq!(q.requeue(id).await, Err(Error::NotFound));
}

async fn a_worker_that_vanishes_too_often_kills_the_job<B: Backend>(b: &B) {
    let q: Queue<u32, B> = queue_with(b, QueueOptions { lease: ms(40), ..options() });
    let id = put(&q, 1, EnqueueOptions { attempts: Some(2), ..NO }).await;
    for _ in 0..2 {
        drop(one(&q).await);
        tokio::time::sleep(ms(60)).await;
    }
    assert!(none(&q).await);
    let dead = q.get(id).await.unwrap().unwrap();
    assert_eq!((dead.state, dead.failures.len()), (JobState::Dead, 2));
}

async fn what_cannot_be_read_is_dead_at_once<B: Backend>(b: &B) {
    let ns = Namespace::new("poison", Class::Durable).ephemeral();
    let texts: Queue<String, B> = ReliableQueue::new(ns, b.clone(), options()).unwrap();
    let q: Queue<u32, B> = ReliableQueue::new(ns, b.clone(), options()).unwrap();
    let id = texts.enqueue(&"no number".to_owned(), NO).await.unwrap().id().unwrap();
    put(&q, 5, NO).await;
    // It does not even cost a wait.
    let claim = q.claim("w", 1, Duration::from_secs(5)).await.unwrap().pop().unwrap();
    assert_eq!(claim.job, 5);
    let dead = q.get(id).await.unwrap().unwrap();
    assert_eq!((dead.state, dead.job, &dead.payload[..]), (JobState::Dead, None, &b"\"no number\""[..]));
}

/// Defect: a job that was cancelled while it ran was completed by its worker.
async fn cancelled_stays_cancelled<B: Backend>(b: &B) {
    let q: Queue<u32, B> = queue_with(b, QueueOptions { keep: 10, lease: ms(400), ..options() });
    let id = put(&q, 1, NO).await;
    assert_eq!(q.cancel(id).await.unwrap(), CancelOutcome::Removed);
    assert!(none(&q).await);
    let ended = |to: &str| Error::BadTransition { from: "cancelled".into(), to: to.into() };
    assert_eq!(q.cancel(id).await, Err(ended("cancelled")));
    assert_eq!(q.requeue(id).await, Err(ended("ready")));
    assert_eq!(ended("ready").status(), 409);

    let id = put(&q, 2, NO).await;
    let claim = one(&q).await;
    assert_eq!(q.cancel(id).await.unwrap(), CancelOutcome::Requested);
    assert!(q.get(id).await.unwrap().unwrap().cancelling);
    assert!(!claim.is_cancelled());
    claim.extend(ms(400)).await.unwrap();
    assert!(claim.is_cancelled());
    claim.cancelled().await;
    assert_eq!(claim.ack().await, Err(ended("completed")));
    assert_eq!(q.get(id).await.unwrap().unwrap().state, JobState::Cancelled);
    assert_eq!(claim.ack().await, Err(ended("completed")));

    // Not tried again, be it that it fails, or that its worker vanishes.
    let id = put(&q, 3, NO).await;
    let claim = one(&q).await;
    q.cancel(id).await.unwrap();
    assert_eq!(claim.nack(JobError::retryable("late")).await.unwrap(), Fate::Cancelled);
    let id = put(&q, 4, NO).await;
    drop(one(&q).await);
    q.cancel(id).await.unwrap();
    tokio::time::sleep(ms(450)).await;
    assert!(none(&q).await);
    assert_eq!(q.get(id).await.unwrap().unwrap().state, JobState::Cancelled);
    let missing = JobId::new(1 << 40).unwrap();
    assert_eq!(q.cancel(missing).await, Err(Error::NotFound));
}

async fn another_users_job_is_not_found<B: Backend>(b: &B) {
    let q = queue(b);
    let (ada, bob) = (UserId::new(1).unwrap(), UserId::new(2).unwrap());
    let id = put(&q.of_user(ada), 1, NO).await;
    assert_eq!(q.of_user(bob).cancel(id).await, Err(Error::NotFound));
    assert!(q.of_user(bob).get(id).await.unwrap().is_none());
    assert!(q.of_user(bob).list(JobState::Ready, 0, 10).await.unwrap().is_empty());
    assert_eq!(q.of_user(ada).list(JobState::Ready, 0, 10).await.unwrap().len(), 1);
    one(&q).await.nack(JobError::permanent("no")).await.unwrap();
    assert_eq!(q.of_user(bob).requeue(id).await, Err(Error::NotFound));
    q.of_user(ada).requeue(id).await.unwrap();
    assert_eq!(q.get(id).await.unwrap().unwrap().owner, Some(ada));
    assert_eq!(q.of_user(ada).cancel(id).await.unwrap(), CancelOutcome::Removed);
}

async fn a_paused_queue_gives_nothing_out<B: Backend>(b: &B) {
    let q = queue(b);
    put(&q, 1, NO).await;
    let running = one(&q).await;
    q.pause(true).await.unwrap();
    put(&q, 2, NO).await;
    assert!(q.claim("w", 1, ms(50)).await.unwrap().is_empty());
    assert!(q.stats().await.unwrap().paused);
    running.ack().await.unwrap();
    // Whoever waits is woken when it goes on.
    let waiter = tokio::spawn({
        let q = q.clone();
        async move { q.claim("w", 1, Duration::from_secs(10)).await.unwrap().len() }
    });
    tokio::time::sleep(ms(100)).await;
    let began = Stopwatch::start();
    q.pause(false).await.unwrap();
    assert_eq!(waiter.await.unwrap(), 1);
    assert!(began.elapsed() < ms(2000), "{:?}", began.elapsed());
}

async fn a_checkpoint_outlives_its_worker_and_progress_never_falls<B: Backend>(b: &B) {
    let q = queue(b);
    let id = put(&q, 1, NO).await;
    let claim = one(&q).await;
    assert_eq!(claim.checkpoint, None);
    claim.checkpoint(b"page 3").await.unwrap();
    claim.checkpoint(b"").await.unwrap();
    claim.checkpoint(b"page\x1f 4").await.unwrap();
    for percent in [10, 40, 30, 40] {
        claim.progress(percent).await.unwrap();
    }
    assert_eq!(q.get(id).await.unwrap().unwrap().progress, 40);
    assert!(matches!(claim.progress(101).await, Err(Error::BadProgress(_))));
    claim.nack(JobError::retryable("later")).await.unwrap();
    let claim = one(&q).await;
    assert_eq!(claim.checkpoint.as_deref(), Some(&b"page\x1f 4"[..]));
    claim.progress(20).await.unwrap();
    assert_eq!(q.get(id).await.unwrap().unwrap().progress, 40);
    claim.ack().await.unwrap();
}

async fn whoever_waits_is_woken<B: Backend>(b: &B) {
    let q = queue(b);
    let wait = |n: usize| {
        let q = q.clone();
        tokio::spawn(async move {
            let began = Stopwatch::start();
            let claims = q.claim("w", n, Duration::from_secs(10)).await.unwrap();
            for claim in &claims {
                claim.ack().await.unwrap();
            }
            (claims.len(), began.elapsed())
        })
    };
    let waiters: Vec<_> = (0..4).map(|_| wait(1)).collect();
    tokio::time::sleep(ms(100)).await;
    for job in 0..4 {
        put(&q, job, NO).await;
    }
    for waiter in waiters {
        let (count, waited) = waiter.await.unwrap();
        assert_eq!(count, 1);
        assert!(waited >= ms(50) && waited < ms(5000), "{waited:?}");
    }
    // A job that comes for later wakes those who would sleep for longer.
    let waiter = wait(1);
    tokio::time::sleep(ms(100)).await;
    put(&q, 5, EnqueueOptions { delay: ms(100), ..NO }).await;
    let (count, waited) = waiter.await.unwrap();
    assert_eq!(count, 1);
    assert!(waited >= ms(195) && waited < ms(5000), "{waited:?}");
    // None that time is up for.
    let began = Stopwatch::start();
    assert!(q.claim("w", 1, ms(100)).await.unwrap().is_empty());
    assert!(began.elapsed() >= ms(100) && began.elapsed() < ms(2000));
}

async fn a_wait_that_is_dropped_loses_nothing<B: Backend>(b: &B) {
    let q = queue(b);
    for job in 0..20 {
        let waits = q.claim("dropped", 1, Duration::from_secs(10));
        let waiter = tokio::spawn({
            let q = q.clone();
            async move { q.claim("w", 1, Duration::from_secs(10)).await.unwrap().pop().map(|claim| claim.job) }
        });
        // The first is dropped while it waits, and may have been woken.
        let _ = tokio::time::timeout(ms(if job % 2 == 0 { 3 } else { 0 }), waits).await.map(|claims| {
            assert!(claims.unwrap().is_empty());
        });
        put(&q, job, NO).await;
        let found = tokio::time::timeout(ms(3000), waiter).await.expect("woken").unwrap();
        assert_eq!(found, Some(job));
    }
}

async fn the_last_ones_are_kept_to_be_looked_at<B: Backend>(b: &B) {
    let q: Queue<u32, B> = queue_with(b, QueueOptions { keep: 3, ..options() });
    let mut ids = Vec::new();
    for job in 0..5 {
        ids.push(put(&q, job, NO).await);
        let claim = one(&q).await;
        claim.checkpoint(b"x").await.unwrap();
        claim.ack().await.unwrap();
        let twice = claim.ack().await;
        assert_eq!(twice, Err(Error::BadTransition { from: "completed".into(), to: "completed".into() }));
        tokio::time::sleep(ms(2)).await;
    }
    assert_eq!(q.stats().await.unwrap().done, 3);
    assert!(q.get(ids[1]).await.unwrap().is_none());
    let kept = q.get(ids[4]).await.unwrap().unwrap();
    assert_eq!((kept.state, kept.progress, kept.job), (JobState::Completed, 100, Some(4)));
    let listed: Vec<_> =
        q.list(JobState::Completed, 0, 10).await.unwrap().iter().map(|info| info.id).collect();
    assert_eq!(listed, ids[2..]);
    assert!(kept.since_ms > 1_600_000_000_000 && kept.changed_ms >= kept.since_ms);
    assert_eq!(kept.worker.as_deref(), Some("w"));
}

async fn bad_input_is_an_error_with_a_status<B: Backend>(b: &B) {
    let q: Queue<String, B> = queue_with(b, QueueOptions { payload_bytes_max: 64, ..options() });
    let job = "x".to_owned();
    let status = async |options: EnqueueOptions<'_>| q.enqueue(&job, options).await.unwrap_err().status();
    assert_eq!(q.enqueue(&"x".repeat(65), NO).await, Err(Error::TooLarge { limit: 64 }));
    assert_eq!(status(EnqueueOptions { priority: 10, ..NO }).await, 400);
    assert_eq!(status(EnqueueOptions { attempts: Some(0), ..NO }).await, 400);
    for word in ["", "a b", "a\nb", "{a}", &"x".repeat(300)] {
        assert_eq!(status(EnqueueOptions { group: Some(word), ..NO }).await, 400, "{word:?}");
        assert_eq!(status(EnqueueOptions { event: Some(word), ..NO }).await, 400, "{word:?}");
        assert_eq!(status(EnqueueOptions { dedupe: Dedupe::UntilDone(word), ..NO }).await, 400, "{word:?}");
        assert_eq!(q.claim(word, 1, Duration::ZERO).await.unwrap_err().status(), 400, "{word:?}");
    }
    for time in [Duration::ZERO, TTL_MAX * 2] {
        assert_eq!(status(EnqueueOptions { dedupe: Dedupe::Throttle("k", time), ..NO }).await, 400);
        assert_eq!(status(EnqueueOptions { dedupe: Dedupe::Debounce("k", time), ..NO }).await, 400);
        assert_eq!(status(EnqueueOptions { deadline: Some(time), ..NO }).await, 400);
    }
    assert_eq!(status(EnqueueOptions { delay: TTL_MAX * 2, ..NO }).await, 400);
    let both = EnqueueOptions { dedupe: Dedupe::KeepLast("k"), group: Some("g"), ..NO };
    assert!(matches!(q.enqueue(&job, both).await, Err(Error::BadType(_))));
    for n in [0, 1001] {
        assert_eq!(q.claim("w", n, Duration::ZERO).await.unwrap_err().status(), 400);
        assert_eq!(q.list(JobState::Dead, 0, n).await.unwrap_err().status(), 400);
    }
    for id in ["0", "-1", "1.5", "", "x", "9007199254740993"] {
        assert_eq!(id.parse::<JobId>().unwrap_err().status(), 400, "{id:?}");
    }
    assert_eq!("17".parse::<JobId>().unwrap(), JobId::new(17).unwrap());
    assert_eq!(serde_json::to_string(&JobId::new(17).unwrap()).unwrap(), "17");
    let numbers: Queue<f64, B> = queue_with(b, options());
    assert!(matches!(numbers.enqueue(&f64::NAN, NO).await, Err(Error::NotSerializable(_))));
    let bad = Namespace::new("Bad Name", Class::Durable);
    assert!(matches!(Queue::<u32, B>::new(bad, b.clone(), options()), Err(Error::BadNamespace(_))));
    assert_eq!(q.stats().await.unwrap().enqueued, 0);
    // A key that holds something else.
    let ns = Namespace::new("wrong", Class::Durable).ephemeral();
    let key = format!("{{jobs:{}}}:ready", ns.key_prefix());
    b.call(&[b"SET", key.as_bytes(), b"x"]).await.unwrap();
    let wrong: Queue<u32, B> = ReliableQueue::new(ns, b.clone(), options()).unwrap();
    assert_eq!(wrong.claim("w", 1, Duration::ZERO).await.unwrap_err().status(), 409);
}

//! Workers, effects that happen once, the outbox and leases: what holds on every backend.

use crate::queue::{NO, Queue, ms, one, options, put, queue, queue_with};
use damselfly::domain::*;
use damselfly::reply::Reply;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

pub async fn all(b: &impl Backend) {
    workers_lose_nothing_and_do_nothing_twice(b).await;
    a_worker_stops_in_good_order(b).await;
    a_worker_sees_a_cancellation_and_survives_a_panic(b).await;
    an_effect_in_sqlite_happens_once(b).await;
    the_outbox_replays_in_order_and_once(b).await;
    a_lease_is_given_to_one_at_a_time(b).await;
}

async fn workers_lose_nothing_and_do_nothing_twice<B: Backend>(b: &B) {
    const JOBS: u32 = 300;
    let q: Queue<u32, B> = queue_with(b, QueueOptions { lease: Duration::from_secs(20), ..options() });
    let done = Arc::new(tokio::sync::Mutex::new(HashMap::<u32, u32>::new()));
    let busy = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let workers: Vec<_> = (0..3)
        .map(|n| {
            let (q, done, busy, mut stopped) = (q.clone(), done.clone(), busy.clone(), stopped.clone());
            tokio::spawn(async move {
                let handler = move |claim: Arc<Claim<u32, B, Json>>| {
                    let (done, busy) = (done.clone(), busy.clone());
                    async move {
                        busy.1.fetch_max(busy.0.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                        busy.0.fetch_sub(1, Ordering::SeqCst);
                        if claim.job.is_multiple_of(7) && claim.attempt == 1 {
                            return Err(JobError::retryable("the first time"));
                        }
                        *done.lock().await.entry(claim.job).or_default() += 1;
                        Ok(())
                    }
                };
                let options = WorkerOptions { concurrency: 4, ..WorkerOptions::default() };
                let shutdown = async move {
                    let _ = stopped.wait_for(|stopped| *stopped).await;
                };
                q.run(&format!("worker-{n}"), handler, options, shutdown).await.unwrap()
            })
        })
        .collect();
    for job in 0..JOBS {
        put(&q, job, NO).await;
    }
    for _ in 0..200 {
        if done.lock().await.len() == JOBS as usize {
            break;
        }
        tokio::time::sleep(ms(50)).await;
    }
    stop.send_replace(true);
    let mut sum = RunReport::default();
    for worker in workers {
        let report = worker.await.unwrap();
        sum.completed += report.completed;
        sum.retried += report.retried;
    }
    let done = done.lock().await;
    assert_eq!(done.len(), JOBS as usize);
    assert!(done.values().all(|&times| times == 1));
    assert_eq!((sum.completed, sum.retried), (300, 43));
    assert!((2..=12).contains(&busy.1.load(Ordering::SeqCst)));
    let stats = q.stats().await.unwrap();
    assert_eq!((stats.ready, stats.leased, stats.delayed, stats.dead), (0, 0, 0, 0));
}

async fn a_worker_stops_in_good_order<B: Backend>(b: &B) {
    let q = queue(b);
    put(&q, 1, NO).await;
    put(&q, 2, NO).await;
    put(&q, 3, NO).await;
    let handler = |claim: Arc<Claim<u32, B, Json>>| async move {
        // The first ends in time, the second never does.
        tokio::time::sleep(if claim.job == 1 { ms(200) } else { Duration::from_secs(100) }).await;
        Ok(())
    };
    let options = WorkerOptions { concurrency: 2, grace: ms(800), ..WorkerOptions::default() };
    let report = q.run("w", handler, options, tokio::time::sleep(ms(100))).await.unwrap();
    assert_eq!((report.completed, report.released), (1, 1));
    // It is there at once, and not counted as an attempt.
    let claims = q.claim("w", 5, Duration::ZERO).await.unwrap();
    let left: Vec<_> = claims.iter().map(|claim| (claim.job, claim.attempt)).collect();
    assert_eq!(left, [(2, 1), (3, 1)]);
}

async fn a_worker_sees_a_cancellation_and_survives_a_panic<B: Backend>(b: &B) {
    let q: Queue<u32, B> = queue_with(b, QueueOptions { lease: ms(300), keep: 10, ..options() });
    let ids = [
        put(&q, 1, EnqueueOptions { attempts: Some(1), ..NO }).await,
        put(&q, 2, NO).await,
        put(&q, 3, NO).await,
    ];
    let seen = Arc::new(AtomicBool::new(false));
    let handler = {
        let seen = seen.clone();
        move |claim: Arc<Claim<u32, B, Json>>| {
            let seen = seen.clone();
            async move {
                match claim.job {
                    1 => panic!("a handler that panics"),
                    2 => {
                        claim.cancelled().await;
                        seen.store(true, Ordering::SeqCst);
                    }
                    // Longer than its lease: the heartbeat keeps it.
                    _ => tokio::time::sleep(ms(700)).await,
                }
                Ok(())
            }
        }
    };
    let cancel = async {
        tokio::time::sleep(ms(150)).await;
        assert_eq!(q.cancel(ids[1]).await.unwrap(), CancelOutcome::Requested);
        tokio::time::sleep(ms(900)).await;
    };
    let options = WorkerOptions { concurrency: 3, ..WorkerOptions::default() };
    let report = q.run("w", handler, options, cancel).await.unwrap();
    assert_eq!((report.dead, report.cancelled, report.completed, report.lost), (1, 1, 1, 0));
    assert!(seen.load(Ordering::SeqCst));
    let state = async |id| q.get(id).await.unwrap().unwrap().state;
    assert_eq!(state(ids[0]).await, JobState::Dead);
    assert_eq!(state(ids[1]).await, JobState::Cancelled);
    assert_eq!(state(ids[2]).await, JobState::Completed);
}

async fn an_effect_in_sqlite_happens_once<B: Backend>(b: &B) {
    let q: Queue<u32, B> = queue_with(b, QueueOptions { lease: ms(150), ..options() });
    let mut db = rusqlite::Connection::open_in_memory().unwrap();
    prepare_ledger(&db).unwrap();
    db.execute_batch("CREATE TABLE effects (job INTEGER)").unwrap();
    let effect = |job: u32| {
        move |t: &rusqlite::Transaction<'_>| {
            t.execute("INSERT INTO effects VALUES (?1)", [job])?;
            Ok(job)
        }
    };
    let count = |db: &rusqlite::Connection| -> i64 {
        db.query_row("SELECT COUNT(*) FROM effects", [], |row| row.get(0)).unwrap()
    };
    put(&q, 1, NO).await;
    let claim = one(&q).await;
    assert_eq!(claim.ack_in(&mut db, effect(1)).await.unwrap(), Once { effect: Some(1), acknowledged: true });
    assert!(claim.is_settled());
    // One that died between its commit and its word.
    put(&q, 2, NO).await;
    let claim = one(&q).await;
    let t = db.transaction().unwrap();
    assert!(claim.enter(&t).unwrap());
    effect(2)(&t).unwrap();
    t.commit().unwrap();
    tokio::time::sleep(ms(200)).await;
    let again = one(&q).await;
    assert_eq!(again.id, claim.id);
    // The first wakes up, and is late.
    assert_eq!(claim.ack_in(&mut db, effect(2)).await, Err(Error::Fenced));
    let once = again.ack_in(&mut db, effect(2)).await.unwrap();
    assert_eq!(once, Once { effect: None, acknowledged: true });
    assert_eq!(count(&db), 2);
    // An effect that fails leaves no trace, and the job as it was.
    put(&q, 3, NO).await;
    let claim = one(&q).await;
    let failed = claim
        .ack_in(&mut db, |t| {
            effect(3)(t)?;
            Err::<u32, _>(Error::Sqlite("no".into()))
        })
        .await;
    assert_eq!(failed, Err(Error::Sqlite("no".into())));
    assert_eq!(count(&db), 2);
    assert_eq!(claim.ack_in(&mut db, effect(3)).await.unwrap().effect, Some(3));
    // What was cancelled has no effect.
    let id = put(&q, 4, NO).await;
    let claim = one(&q).await;
    q.cancel(id).await.unwrap();
    assert_eq!(claim.ack_in(&mut db, effect(4)).await.unwrap_err().status(), 409);
    assert_eq!(count(&db), 3);
    assert_eq!(prune_ledger(&db, Duration::from_secs(60)).unwrap(), 0);
    // Another life of the queue begins with the same ids, which are not the same jobs.
    let other: Queue<u32, B> = queue_with(b, options());
    put(&other, 1, NO).await;
    assert_eq!(one(&other).await.ack_in(&mut db, effect(5)).await.unwrap().effect, Some(5));
}

/// A store that can be away, or lose its answers.
#[derive(Clone)]
struct Flaky<B> {
    backend: B,
    away: Arc<AtomicBool>,
    deaf: Arc<AtomicBool>,
}

impl<B: Backend> Backend for Flaky<B> {
    async fn call(&self, argv: &[&[u8]]) -> Result<Reply> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Error::Unavailable("away".into()));
        }
        self.backend.call(argv).await
    }

    async fn atomic(&self, op: &'static Op, keys: &[&[u8]], args: &[&[u8]]) -> Result<Reply> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Error::Unavailable("away".into()));
        }
        let reply = self.backend.atomic(op, keys, args).await;
        if self.deaf.load(Ordering::SeqCst) { Err(Error::Timeout) } else { reply }
    }

    fn now_ms(&self) -> u64 {
        self.backend.now_ms()
    }
}

/// Defect: a push that failed returned 0, and the job was lost; what was added while the events were being pushed was
/// deleted with them.
async fn the_outbox_replays_in_order_and_once<B: Backend>(b: &B) {
    let store = Flaky { backend: b.clone(), away: Arc::default(), deaf: Arc::default() };
    let ns = Namespace::new("outbox", Class::Durable).ephemeral();
    let file = tempfile::tempdir().unwrap();
    let open = || Outbox::open(rusqlite::Connection::open(file.path().join("outbox.db")).unwrap()).unwrap();
    let plain: Queue<u32, _> = ReliableQueue::new(ns, store.clone(), options()).unwrap();
    store.away.store(true, Ordering::SeqCst);
    // Without an outbox it is the caller's to know.
    assert!(matches!(plain.enqueue(&0, NO).await, Err(Error::Unavailable(_))));
    let outbox = open();
    let q = plain.clone().with_outbox(outbox.clone());
    for job in 1..=3 {
        assert_eq!(q.enqueue(&job, NO).await.unwrap(), Enqueued::Spilled);
    }
    let event = EnqueueOptions { event: Some("e4"), ..NO };
    for _ in 0..2 {
        assert_eq!(q.enqueue(&4, event).await.unwrap(), Enqueued::Spilled);
    }
    // Everybody dies; the file is there.
    drop((q, outbox));
    let outbox = open();
    assert_eq!(outbox.len(ns.key_prefix()).await.unwrap(), 4);
    let q = plain.clone().with_outbox(outbox.clone());
    store.away.store(false, Ordering::SeqCst);
    // What is enqueued now comes behind what waits.
    assert!(matches!(q.enqueue(&5, NO).await.unwrap(), Enqueued::New(_)));
    assert!(outbox.is_empty(ns.key_prefix()).await.unwrap());
    assert!(matches!(q.enqueue(&6, NO).await.unwrap(), Enqueued::New(_)));
    assert!(matches!(q.enqueue(&4, event).await.unwrap(), Enqueued::Duplicate(_)));
    // The store takes it and its answer is lost: it is sent again, and is there once.
    store.deaf.store(true, Ordering::SeqCst);
    assert_eq!(q.enqueue(&7, NO).await.unwrap(), Enqueued::Spilled);
    store.deaf.store(false, Ordering::SeqCst);
    let replayed = q.replay().await.unwrap();
    assert_eq!(replayed, Replayed { sent: 1, ..Replayed::default() });
    let mut jobs = Vec::new();
    for claim in q.claim("w", 100, Duration::ZERO).await.unwrap() {
        jobs.push(claim.job);
    }
    assert_eq!(jobs, [1, 2, 3, 4, 5, 6, 7]);
    // What the receiver refuses for good is set aside, and keeps nobody waiting.
    outbox.push("other", "a", b"1").await.unwrap();
    outbox.push("other", "b", b"2").await.unwrap();
    let mut seen = Vec::new();
    let replayed = outbox
        .replay("other", async |id: &str, _: &[u8]| {
            seen.push(id.to_owned());
            if id == "a" { Err(Error::BadToken) } else { Ok(()) }
        })
        .await
        .unwrap();
    assert_eq!(seen, ["a", "b"]);
    assert_eq!(replayed, Replayed { sent: 1, refused: 1, left: 0, away: false });
    assert_eq!(outbox.refused("other").await.unwrap(), [("a".to_owned(), "not a token".to_owned())]);
}

/// Defect: two scans at once, and a playlist that was due was synchronised twice.
async fn a_lease_is_given_to_one_at_a_time<B: Backend>(b: &B) {
    let leases = Lease::new(Namespace::new("leases", Class::Durable).ephemeral(), b.clone()).unwrap();
    let mut held = Vec::new();
    for guard in [
        leases.try_acquire("scan", ms(150)).await.unwrap(),
        leases.try_acquire("scan", ms(150)).await.unwrap(),
        leases.try_acquire("other", ms(5000)).await.unwrap(),
    ] {
        held.push(guard);
    }
    assert!(held[0].is_some() && held[1].is_none() && held[2].is_some());
    let first = held[0].take().unwrap();
    tokio::time::sleep(ms(80)).await;
    first.renew(ms(150)).await.unwrap();
    tokio::time::sleep(ms(100)).await;
    assert!(leases.try_acquire("scan", ms(100)).await.unwrap().is_none());
    assert_eq!(leases.holder("scan").await.unwrap(), Some(first.fence()));
    tokio::time::sleep(ms(100)).await;
    // Its time is over, and then somebody else has it.
    assert_eq!(first.renew(ms(100)).await, Err(Error::LeaseLost));
    let second = leases.try_acquire("scan", ms(5000)).await.unwrap().unwrap();
    assert!(second.fence() > first.fence());
    assert_eq!(first.renew(ms(100)).await, Err(Error::Fenced));
    assert_eq!(first.release().await, Err(Error::Fenced));
    second.release().await.unwrap();
    assert_eq!(leases.holder("scan").await.unwrap(), None);
    assert_eq!(second.release().await, Err(Error::LeaseLost));
    let third = leases.try_acquire("scan", ms(5000)).await.unwrap().unwrap();
    assert!(third.fence() > second.fence());
    assert_eq!(leases.try_acquire("scan", Duration::ZERO).await.unwrap_err().status(), 400);
    assert_eq!(leases.try_acquire("a b", ms(100)).await.unwrap_err().status(), 400);
}

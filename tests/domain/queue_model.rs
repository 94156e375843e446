//! A queue against a model of it: whatever is done with it in whatever order, both say the same. The same steps are run
//! on the engine, where the time is ours, and on servers, where it stands still for as long as leases and delays are
//! long. `QUEUE_SEED=n` repeats a run.

use damselfly::clock::Clock;
use damselfly::domain::*;
use damselfly::{Config, Damselfly};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Ready,
    Delayed,
    Waiting,
    Running,
    Dead,
}

#[derive(Clone, Debug)]
struct Job {
    state: State,
    priority: u8,
    group: Option<usize>,
    key: Option<usize>,
    attempt: u32,
    most: u32,
    due: u64,
    fence: u64,
    lease: u64,
    cancelling: bool,
}

#[derive(Default)]
struct Model {
    jobs: BTreeMap<u64, Job>,
    keys: BTreeMap<usize, u64>,
    last: u64,
    fence: u64,
    paused: bool,
    now: u64,
}

const LEASE: u64 = 30_000;
const GROUPS: [&str; 3] = ["a", "aa", "b"];
const KEYS: [&str; 2] = ["k", "l"];

impl Model {
    fn place(&mut self, id: u64) {
        let now = self.now;
        let job = self.jobs.get_mut(&id).expect("a job");
        job.state = if job.due > now { State::Delayed } else { State::Ready };
    }

    fn enter(&mut self, id: u64) {
        let group = self.jobs[&id].group;
        let busy = self.jobs.iter().any(|(&other, job)| {
            other != id
                && group.is_some()
                && job.group == group
                && !matches!(job.state, State::Waiting | State::Dead)
        });
        if busy {
            self.jobs.get_mut(&id).expect("a job").state = State::Waiting;
        } else {
            self.place(id);
        }
    }

    /// What happens when a job is not in the way any more.
    fn leave(&mut self, id: u64) {
        let job = self.jobs[&id].clone();
        if let Some(key) = job.key
            && self.keys.get(&key) == Some(&id)
        {
            self.keys.remove(&key);
        }
        if job.group.is_none() || job.state == State::Waiting {
            return;
        }
        let next = self
            .jobs
            .iter()
            .find(|(_, other)| other.group == job.group && other.state == State::Waiting)
            .map(|(&id, _)| id);
        if let Some(next) = next {
            self.place(next);
        }
    }

    fn remove(&mut self, id: u64) {
        self.leave(id);
        self.jobs.remove(&id);
    }

    fn bury(&mut self, id: u64) {
        self.leave(id);
        self.jobs.get_mut(&id).expect("a job").state = State::Dead;
    }

    fn reap(&mut self) {
        let now = self.now;
        let due = |job: &Job| job.state == State::Delayed && job.due <= now;
        let due: Vec<u64> = self.jobs.iter().filter(|(_, job)| due(job)).map(|(&id, _)| id).collect();
        due.into_iter().for_each(|id| self.place(id));
        let over = |job: &Job| job.state == State::Running && job.lease <= now;
        let over: Vec<u64> = self.jobs.iter().filter(|(_, job)| over(job)).map(|(&id, _)| id).collect();
        for id in over {
            let job = &self.jobs[&id];
            if job.cancelling {
                self.remove(id);
            } else if job.attempt >= job.most {
                self.bury(id);
            } else {
                self.jobs.get_mut(&id).expect("a job").due = 0;
                self.place(id);
            }
        }
    }

    fn claim(&mut self, n: usize) -> Vec<(u64, u32, u64)> {
        self.reap();
        let mut taken = Vec::new();
        while taken.len() < n && !self.paused {
            let first = self
                .jobs
                .iter()
                .filter(|(_, job)| job.state == State::Ready)
                .min_by_key(|(id, job)| (9 - job.priority, **id))
                .map(|(&id, _)| id);
            let Some(id) = first else { break };
            self.fence += 1;
            let job = self.jobs.get_mut(&id).expect("a job");
            (job.state, job.attempt, job.fence) = (State::Running, job.attempt + 1, self.fence);
            job.lease = self.now + LEASE;
            taken.push((id, job.attempt, job.fence));
        }
        taken
    }

    fn held(&self, id: u64, fence: u64, to: &str) -> Result<()> {
        match self.jobs.get(&id) {
            None => Err(Error::LeaseLost),
            Some(job) if job.fence != fence => Err(Error::Fenced),
            Some(job) if job.state == State::Dead => {
                Err(Error::BadTransition { from: "dead".into(), to: to.into() })
            }
            Some(job) if job.state != State::Running || job.lease <= self.now => Err(Error::LeaseLost),
            Some(_) => Ok(()),
        }
    }

    fn stats(&self) -> [u64; 5] {
        [State::Ready, State::Running, State::Delayed, State::Waiting, State::Dead]
            .map(|state| self.jobs.values().filter(|job| job.state == state).count() as u64)
    }
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

fn seed() -> u64 {
    let seed = std::env::var("QUEUE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) << 16 | 1);
    eprintln!("QUEUE_SEED={seed}");
    seed
}

/// So many steps; `advance` moves the time, where it is ours to move.
pub async fn agree<B: Backend>(b: &B, seed: u64, steps: usize, advance: Option<&dyn Fn(u64)>) {
    let options = QueueOptions {
        lease: Duration::from_millis(if advance.is_some() { LEASE } else { 3_600_000 }),
        retry: Retry { attempts: 3, base: Duration::ZERO, jitter: false, ..Retry::default() },
        ..QueueOptions::default()
    };
    let ns = Namespace::new("model", Class::Durable).ephemeral();
    let q: ReliableQueue<u64, B> = ReliableQueue::new(ns, b.clone(), options).unwrap();
    let (mut model, mut dice, mut claims) = (Model::default(), Dice(seed), Vec::new());
    for step in 0..steps {
        let what = dice.below(100);
        match what {
            0..30 => {
                let group = (dice.below(2) == 0).then(|| dice.below(GROUPS.len()));
                let key = (dice.below(4) == 0).then(|| dice.below(KEYS.len()));
                let delay = if dice.below(5) == 0 { 20_000 + dice.below(40_000) as u64 } else { 0 };
                let priority = if dice.below(3) == 0 { dice.below(10) as u8 } else { 0 };
                let most = 1 + dice.below(3) as u32;
                let enqueued = q
                    .enqueue(
                        &(model.last + 1),
                        EnqueueOptions {
                            priority,
                            group: group.map(|group| GROUPS[group]),
                            dedupe: key.map_or(Dedupe::None, |key| Dedupe::UntilDone(KEYS[key])),
                            delay: Duration::from_millis(delay * if advance.is_some() { 1 } else { 1000 }),
                            attempts: Some(most),
                            ..EnqueueOptions::default()
                        },
                    )
                    .await
                    .unwrap();
                let there = key.and_then(|key| model.keys.get(&key).copied());
                if let Some(there) = there {
                    assert_eq!(enqueued, Enqueued::Duplicate(JobId::new(there).unwrap()), "step {step}");
                } else {
                    model.last += 1;
                    let id = model.last;
                    assert_eq!(enqueued, Enqueued::New(JobId::new(id).unwrap()), "step {step}");
                    let due = if delay > 0 { model.now + delay } else { 0 };
                    model.jobs.insert(
                        id,
                        Job {
                            state: State::Ready,
                            priority,
                            group,
                            key,
                            attempt: 0,
                            most,
                            due,
                            fence: 0,
                            lease: 0,
                            cancelling: false,
                        },
                    );
                    if let Some(key) = key {
                        model.keys.insert(key, id);
                    }
                    model.enter(id);
                }
            }
            30..55 => {
                let n = 1 + dice.below(3);
                let taken = q.claim("w", n, Duration::ZERO).await.unwrap();
                let seen: Vec<_> =
                    taken.iter().map(|claim| (claim.id.get(), claim.attempt, claim.fence)).collect();
                assert_eq!(seen, model.claim(n), "step {step}");
                assert!(taken.iter().all(|claim| claim.job == claim.id.get()));
                claims.extend(taken);
            }
            55..85 if !claims.is_empty() => {
                // Now and then of one that was settled, or lost its lease.
                let at = dice.below(claims.len());
                let claim: &Claim<u64, B, Json> = &claims[at];
                let (id, fence) = (claim.id.get(), claim.fence);
                let action = dice.below(5);
                let to = ["completed", "delayed", "dead", "ready", "running"][action];
                let held = model.held(id, fence, to);
                let cancelling = model.jobs.get(&id).is_some_and(|job| job.cancelling);
                let cancelled =
                    Err(Error::BadTransition { from: "cancelled".into(), to: "completed".into() });
                let done: Result<()> = match action {
                    0 => claim.ack().await,
                    1 => claim.nack(JobError::retryable("no")).await.map(|_| ()),
                    2 => claim.nack(JobError::permanent("no")).await.map(|_| ()),
                    3 => claim.release().await,
                    _ => claim.extend(options.lease).await,
                };
                if held.is_err() {
                    assert_eq!(done, held, "step {step}: {to} {id}");
                    continue;
                }
                assert_eq!(done, if cancelling && action == 0 { cancelled } else { Ok(()) }, "step {step}");
                let now = model.now;
                let job = model.jobs.get_mut(&id).expect("it is held");
                if action == 4 {
                    job.lease = now + LEASE;
                } else if cancelling || action == 0 {
                    model.remove(id);
                } else if action == 2 || action == 1 && job.attempt >= job.most {
                    model.bury(id);
                } else {
                    job.attempt -= u32::from(action == 3);
                    job.due = now;
                    model.place(id);
                }
                if dice.below(2) == 0 {
                    claims.swap_remove(at);
                }
            }
            85..90 if model.last > 0 => {
                let id = 1 + dice.below(model.last as usize) as u64;
                let outcome = q.cancel(JobId::new(id).unwrap()).await;
                match model.jobs.get_mut(&id) {
                    None => assert_eq!(outcome, Err(Error::NotFound), "step {step}"),
                    Some(job) if job.state == State::Dead => assert!(outcome.is_err(), "step {step}"),
                    Some(job) if job.state == State::Running => {
                        job.cancelling = true;
                        assert_eq!(outcome, Ok(CancelOutcome::Requested), "step {step}");
                    }
                    Some(_) => {
                        model.remove(id);
                        assert_eq!(outcome, Ok(CancelOutcome::Removed), "step {step}");
                    }
                }
            }
            90..93 => {
                let dead = model.jobs.iter().find(|(_, job)| job.state == State::Dead).map(|(&id, _)| id);
                if let Some(id) = dead {
                    q.requeue(JobId::new(id).unwrap()).await.unwrap();
                    let job = model.jobs.get_mut(&id).expect("a job");
                    (job.attempt, job.due, job.key) = (0, 0, None);
                    model.enter(id);
                }
            }
            93..95 => {
                model.paused = !model.paused;
                q.pause(model.paused).await.unwrap();
            }
            _ => {
                if let Some(advance) = advance {
                    let by = dice.below(25_000) as u64;
                    advance(by);
                    model.now += by;
                }
            }
        }
        let stats = q.stats().await.unwrap();
        let seen = [stats.ready, stats.leased, stats.delayed, stats.waiting, stats.dead];
        assert_eq!(seen, model.stats(), "step {step}: {what}");
    }
}

#[tokio::test]
async fn whatever_is_done_with_a_queue_its_model_says_the_same() {
    let seed = seed();
    for run in 0..8 {
        let db = Damselfly::with_clock(Config::default(), Clock::manual(1_700_000_000_000)).unwrap();
        let clock = db.clone();
        let advance = move |by| clock.engine().clock().advance(Duration::from_millis(by));
        agree(&Embedded::over(db), seed + 2 * run, 600, Some(&advance)).await;
    }
}

/// The bodies in Lua and those of the engine, through the same steps.
pub async fn on_a_server(b: &impl Backend) {
    agree(b, seed(), 400, None).await;
}

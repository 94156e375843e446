//! A worker's loop: takes jobs, runs a handler for each, extends their leases, says how they ended, stops in good order.

use super::claim::{Claim, Fate, JobError};
use super::{ReliableQueue, part};
use crate::clock::Stopwatch;
use crate::domain::codec::Codec;
use crate::domain::{Backend, Error, Result};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How a worker works.
#[derive(Clone, Copy, Debug)]
pub struct WorkerOptions {
    /// Jobs at a time.
    pub concurrency: usize,
    /// How long it waits before it looks by itself, should nobody have woken it.
    pub idle: Duration,
    /// How long those that are being worked on may take when the worker is to stop; after that they are given back.
    pub grace: Duration,
    /// How long a handler may go on whose job is to be cancelled.
    pub cancel_grace: Duration,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            concurrency: 1,
            idle: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            cancel_grace: Duration::from_secs(10),
        }
    }
}

/// What a worker did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RunReport {
    /// Done, or settled by the handler itself.
    pub completed: u64,
    /// Failed, and tried again later.
    pub retried: u64,
    /// Failed for good.
    pub dead: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// Given back because the worker was to stop.
    pub released: u64,
    /// Whose lease was lost, so that somebody else has them.
    pub lost: u64,
}

enum End {
    Completed,
    Retried,
    Dead,
    Cancelled,
    Released,
    Lost,
}

impl RunReport {
    fn count(&mut self, end: &End) {
        *match end {
            End::Completed => &mut self.completed,
            End::Retried => &mut self.retried,
            End::Dead => &mut self.dead,
            End::Cancelled => &mut self.cancelled,
            End::Released => &mut self.released,
            End::Lost => &mut self.lost,
        } += 1;
    }
}

/// Between looks while the store is away.
const OUTAGE_PAUSE: Duration = Duration::from_millis(500);

impl<J, B, C> ReliableQueue<J, B, C>
where
    J: Send + Sync + 'static,
    B: Backend,
    C: Codec<J>,
{
    /// Works until `shutdown` ends: takes jobs, runs the handler for each in a task of its own, and says how they ended,
    /// unless the handler did so itself. What the handler holds when its job's lease is lost is dropped; so is, after a
    /// while, what it holds when its job is cancelled or the worker is to stop. A handler that panics has failed.
    ///
    /// While the store is away it tries again. What is in the queue's outbox it sends.
    ///
    /// Needs a Tokio runtime with its timer.
    ///
    /// # Errors
    /// [`Error::BadKey`] for the worker's name; [`Error::BadLimit`] for no concurrency.
    pub async fn run<F, H>(
        &self,
        worker: &str,
        handler: F,
        options: WorkerOptions,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<RunReport>
    where
        F: Fn(Arc<Claim<J, B, C>>) -> H,
        H: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        part(worker)?;
        if options.concurrency == 0 {
            return Err(Error::BadLimit { given: 0, max: i64::MAX });
        }
        let mut shutdown = pin!(shutdown);
        let (stop, stopped) = watch::channel(false);
        let mut running: JoinSet<End> = JoinSet::new();
        let mut report = RunReport::default();
        loop {
            while let Some(end) = running.try_join_next() {
                report.count(&end.unwrap_or(End::Lost));
            }
            let free = options.concurrency.saturating_sub(running.len()).min(super::CLAIM_MAX);
            if free == 0 {
                tokio::select! {
                    biased;
                    () = &mut shutdown => break,
                    Some(end) = running.join_next() => report.count(&end.unwrap_or(End::Lost)),
                }
                continue;
            }
            if self.inner.outbox.is_some() {
                // What cannot be sent now stays where it is.
                let _ = self.replay().await;
            }
            // This is never cut off: what it takes would be lost until its lease ends.
            let pause = match self.take(worker, free, options.idle).await {
                Ok(taken) => {
                    for claim in taken.claims {
                        let claim = Arc::new(claim);
                        let work = handler(Arc::clone(&claim));
                        running.spawn(work_on(self.clone(), claim, work, options, stopped.clone()));
                    }
                    if taken.some {
                        // A store in this process never has us wait, and whoever else is in this runtime wants a turn.
                        tokio::task::yield_now().await;
                        continue;
                    }
                    Some(taken.next.map_or(options.idle, |next| next.min(options.idle)))
                }
                Err(_) => None,
            };
            let rest = async {
                let waited = match pause {
                    Some(pause) => self.wait(pause).await.is_ok(),
                    None => false,
                };
                if !waited {
                    tokio::time::sleep(OUTAGE_PAUSE).await;
                }
            };
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(end) = running.join_next() => report.count(&end.unwrap_or(End::Lost)),
                () = rest => {}
            }
        }
        let drained = async {
            while let Some(end) = running.join_next().await {
                report.count(&end.unwrap_or(End::Lost));
            }
        };
        if tokio::time::timeout(options.grace, drained).await.is_err() {
            stop.send_replace(true);
            while let Some(end) = running.join_next().await {
                report.count(&end.unwrap_or(End::Lost));
            }
        }
        Ok(report)
    }
}

/// Ends when the worker is to stop without delay.
async fn told(stopped: &mut watch::Receiver<bool>) {
    // Whoever would tell lives as long as this.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// One job from its handler's start to its end.
async fn work_on<J, B, C>(
    queue: ReliableQueue<J, B, C>,
    claim: Arc<Claim<J, B, C>>,
    work: impl Future<Output = Result<(), JobError>> + Send + 'static,
    options: WorkerOptions,
    mut stopped: watch::Receiver<bool>,
) -> End
where
    J: Send + Sync + 'static,
    B: Backend,
    C: Codec<J>,
{
    let lease = queue.inner.options.lease;
    // A task of its own, which ends with this one: a panic in there is told, and ends nothing else.
    let mut task = JoinSet::new();
    task.spawn(work);
    let mut cancelled_since: Option<Stopwatch> = None;
    let beat = (lease / 3).max(Duration::from_millis(1));
    let result = loop {
        let pause = match &cancelled_since {
            None => beat,
            Some(watch) => match options.cancel_grace.checked_sub(watch.elapsed()) {
                Some(left) if !left.is_zero() => left.min(beat),
                _ => break Some(Err(JobError::retryable("cancelled"))),
            },
        };
        tokio::select! {
            biased;
            ended = task.join_next() => break match ended {
                Some(Ok(result)) => Some(result),
                Some(Err(error)) if error.is_panic() => Some(Err(JobError::retryable("the handler panicked"))),
                _ => None,
            },
            () = told(&mut stopped) => break None,
            () = tokio::time::sleep(pause) => {
                // Of what the handler has said, or is about to, there is no lease to be extended. Where the store is away,
                // the lease tells.
                if !claim.is_settled()
                    && let Err(Error::LeaseLost | Error::Fenced) = claim.extend(lease).await
                {
                    return End::Lost;
                }
            }
        }
        if claim.is_cancelled() && cancelled_since.is_none() {
            cancelled_since = Some(Stopwatch::start());
        }
    };
    task.abort_all();
    if claim.is_settled() {
        return if claim.is_cancelled() { End::Cancelled } else { End::Completed };
    }
    let since = Stopwatch::start();
    loop {
        let said = match &result {
            Some(Ok(())) => claim.ack().await.map(|()| End::Completed),
            Some(Err(error)) => claim.nack(error.clone()).await.map(|fate| match fate {
                Fate::Retry(_) => End::Retried,
                Fate::Dead => End::Dead,
                Fate::Cancelled => End::Cancelled,
            }),
            None => claim.release().await.map(|()| End::Released),
        };
        match said {
            Ok(end) => return end,
            Err(Error::BadTransition { from, .. }) if from == "cancelled" => return End::Cancelled,
            // Within its lease it is worth trying again: nobody else has the job meanwhile.
            Err(error) if error.is_outage() && since.elapsed() < lease => {
                tokio::time::sleep(OUTAGE_PAUSE).await
            }
            Err(_) => return End::Lost,
        }
    }
}

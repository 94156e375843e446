//! When connections are spread over more loops.
//!
//! A loop measures, every [`PERIOD_MS`] while it runs, how much of the time its thread was on a core. Where that was
//! nearly all of two periods in a row, and the machine had at least half a core idle meanwhile, another loop would
//! help, and [`Load::is_high`] says so. Where no core is idle it would not: two loops on cores that clients need, too,
//! wake up more often for the same requests.

use super::event_loop::Inbox;
use crate::clock::Stopwatch;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const PERIOD_MS: u64 = 100;
/// A loop is busy when its thread was on a core for this share of a period.
const BUSY: f64 = 0.85;
/// Idle time, in cores, that another loop needs.
const SPARE_CORES: f64 = 0.5;
/// What one tick of /proc/stat stands for; Linux shows them at this rate on every machine.
const TICKS_PER_SECOND: f64 = 100.0;

/// What all loops know of each other.
#[derive(Debug)]
pub(super) struct Balance {
    /// Connections of all loops.
    pub(super) total: AtomicUsize,
    /// How many loops, from the first on, get connections.
    used: AtomicUsize,
}

impl Default for Balance {
    fn default() -> Self {
        Self { total: AtomicUsize::new(0), used: AtomicUsize::new(1) }
    }
}

impl Balance {
    /// How many loops get new connections: those in use, less the last ones that have none left.
    pub(super) fn used(&self, loops: &[Arc<Inbox>]) -> usize {
        if cfg!(not(target_os = "linux")) {
            return loops.len();
        }
        let mut used = self.used.load(Ordering::Relaxed).clamp(1, loops.len().max(1));
        while used > 1 && loops.get(used - 1).is_some_and(|inbox| inbox.connections() == 0) {
            used -= 1;
        }
        self.used.store(used, Ordering::Relaxed);
        used
    }

    /// The loop that a busy one with `mine` connections hands some to; a loop not in use yet comes into use.
    pub(super) fn target(&self, loops: &[Arc<Inbox>], mine: usize) -> Option<usize> {
        let used = (self.used.load(Ordering::Relaxed) + 1).min(loops.len());
        let (index, least) =
            (0..used).map(|index| (index, loops[index].connections())).min_by_key(|l| l.1)?;
        if mine < least + 2 {
            return None;
        }
        self.used.fetch_max(index + 1, Ordering::Relaxed);
        Some(index)
    }
}

/// How busy one loop is.
#[derive(Debug, Default)]
pub(super) struct Load {
    due_ms: u64,
    last: Option<Sample>,
    /// Idle ticks of the machine when the first busy period in a row began.
    idle_then: Option<(f64, Stopwatch)>,
}

#[derive(Debug)]
struct Sample {
    watch: Stopwatch,
    on_core: Duration,
}

impl Load {
    /// Whether the loop has been a bottleneck while cores were idle. Asked once a round; costs a comparison until a
    /// period is over.
    #[inline]
    pub(super) fn is_high(&mut self, now_ms: u64) -> bool {
        if now_ms < self.due_ms {
            return false;
        }
        self.due_ms = now_ms + PERIOD_MS;
        self.measure()
    }

    #[cold]
    fn measure(&mut self) -> bool {
        let Some(on_core) = thread_time() else { return false };
        let now = Sample { watch: Stopwatch::start(), on_core };
        let Some(last) = self.last.replace(now) else { return false };
        let share = (on_core.saturating_sub(last.on_core)).as_secs_f64() / last.watch.elapsed().as_secs_f64();
        if share < BUSY {
            self.idle_then = None;
            return false;
        }
        let Some(idle) = idle_ticks() else { return false };
        match self.idle_then.take() {
            None => {
                self.idle_then = Some((idle, Stopwatch::start()));
                false
            }
            Some((then, watch)) => {
                let cores = (idle - then) / TICKS_PER_SECOND / watch.elapsed().as_secs_f64();
                cores >= SPARE_CORES
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn thread_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

/// Ticks that all cores together have been idle since the start.
#[cfg(target_os = "linux")]
fn idle_ticks() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    // cpu user nice system idle iowait …
    let fields: Vec<f64> =
        text.lines().next()?.split_whitespace().skip(1).map_while(|field| field.parse().ok()).collect();
    Some(fields.get(3)? + fields.get(4)?)
}

/// Elsewhere connections stay with the loop that got them, and all loops get some.
#[cfg(not(target_os = "linux"))]
fn thread_time() -> Option<Duration> {
    None
}

#[cfg(not(target_os = "linux"))]
fn idle_ticks() -> Option<f64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_sleeps_is_not_busy() {
        let mut load = Load::default();
        assert!(!load.is_high(1_000));
        std::thread::park_timeout(Duration::from_millis(5));
        assert!(!load.is_high(2_000));
        assert!(load.idle_then.is_none());
    }

    #[test]
    fn the_kernel_tells_idle_time() {
        assert!(idle_ticks().is_some_and(|ticks| ticks > 0.0));
    }
}

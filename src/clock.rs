//! The only reader of the operating system's time.
//!
//! A [`Clock`] gives Unix time in milliseconds. Reading the system's clock costs as much as a third of a GET, so
//! the last reading is kept: event loops refresh it once a batch, and what needs no exact time (idle times)
//! uses it as it stands. A manual clock, for tests, stands still until it is advanced; one that follows the system may
//! be put ahead of it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Unix time in milliseconds, from the system or set by hand.
#[derive(Debug)]
pub struct Clock {
    /// The last reading, or the manual clock's time. Unix ms.
    last_ms: AtomicU64,
    manual: AtomicBool,
    /// How far it is ahead of the system, ms; negative where it stood still for a while.
    ahead_ms: AtomicI64,
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl Clock {
    /// A clock that follows the system's.
    #[must_use]
    pub fn system() -> Self {
        Self {
            last_ms: AtomicU64::new(system_ms()),
            manual: AtomicBool::new(false),
            ahead_ms: AtomicI64::new(0),
        }
    }

    /// A clock that stands at `unix_ms` until it is advanced.
    #[must_use]
    pub fn manual(unix_ms: u64) -> Self {
        Self { last_ms: AtomicU64::new(unix_ms), manual: AtomicBool::new(true), ahead_ms: AtomicI64::new(0) }
    }

    /// Whether it is moved by hand only.
    #[must_use]
    pub fn is_manual(&self) -> bool {
        self.manual.load(Ordering::Relaxed)
    }

    /// The exact time now, in Unix ms. Reads the system's clock (about 40 ns).
    #[inline]
    pub fn now_ms(&self) -> u64 {
        if self.is_manual() {
            return self.last_ms();
        }
        let now = system_ms().saturating_add_signed(self.ahead_ms.load(Ordering::Relaxed));
        self.last_ms.store(now, Ordering::Relaxed);
        now
    }

    /// The time of the last exact reading, by anyone. One relaxed load.
    #[inline]
    #[must_use]
    pub fn last_ms(&self) -> u64 {
        self.last_ms.load(Ordering::Relaxed)
    }

    /// The Unix ms at which at least `ms` have gone by. A clock that follows the system has cut its reading down to a
    /// millisecond, and a wait that began within that one must not end before its time.
    #[inline]
    #[must_use]
    pub fn deadline_ms(&self, ms: u64) -> u64 {
        self.now_ms().saturating_add(ms).saturating_add(u64::from(!self.is_manual()))
    }

    /// The time now in Unix microseconds, as `TIME` shows it.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        if self.is_manual() {
            return self.last_ms() * 1000;
        }
        let ahead_us = self.ahead_ms.load(Ordering::Relaxed).saturating_mul(1000);
        system_us().saturating_add_signed(ahead_us)
    }

    /// Moves a manual clock forward. A clock that follows the system becomes manual first.
    pub fn advance(&self, by: Duration) {
        let now = self.now_ms();
        self.manual.store(true, Ordering::Relaxed);
        self.last_ms.store(now.saturating_add(by.as_millis() as u64), Ordering::Relaxed);
    }

    /// Moves it forward and leaves it running, where it runs.
    pub fn skip(&self, by: Duration) {
        if self.is_manual() {
            return self.advance(by);
        }
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let further = |ahead: i64| Some(ahead.saturating_add(by));
        let _ = self.ahead_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, further);
        self.now_ms();
    }

    /// Lets it run again from where it stands.
    pub fn run_on(&self) {
        if self.is_manual() {
            let ahead = i128::from(self.last_ms()) - i128::from(system_ms());
            let ahead = i64::try_from(ahead).unwrap_or(if ahead < 0 { i64::MIN } else { i64::MAX });
            self.ahead_ms.store(ahead, Ordering::Relaxed);
            self.manual.store(false, Ordering::Relaxed);
        }
    }
}

/// A monotonic stopwatch, for durations that are reported and never decide anything.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts it.
    #[expect(clippy::disallowed_methods, reason = "this file is where the system's time is read")]
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[expect(clippy::disallowed_methods, reason = "this file is where the system's time is read")]
fn since_epoch() -> Duration {
    // A clock before 1970 reads as 1970: deadlines then lie in the future, and nothing is lost.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn system_ms() -> u64 {
    since_epoch().as_millis() as u64
}

fn system_us() -> u64 {
    since_epoch().as_micros() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_advanced() {
        let clock = Clock::manual(1_000);
        assert_eq!(clock.now_ms(), 1_000);
        clock.advance(Duration::from_millis(1_500));
        assert_eq!((clock.now_ms(), clock.now_us()), (2_500, 2_500_000));
    }

    #[test]
    fn a_clock_that_runs_may_skip_and_one_that_stood_still_runs_on_from_there() {
        let clock = Clock::system();
        clock.skip(Duration::from_secs(3600));
        assert!(clock.now_ms() >= system_ms() + 3_599_000 && !clock.is_manual());
        let clock = Clock::manual(1_000);
        clock.skip(Duration::from_secs(1));
        clock.run_on();
        assert!((2_000..60_000).contains(&clock.now_ms()));
        assert!((2_000_000..60_000_000).contains(&clock.now_us()));
    }

    #[test]
    fn a_deadline_is_never_early() {
        assert_eq!(Clock::manual(1_000).deadline_ms(30), 1_030);
        assert_eq!(Clock::manual(1_000).deadline_ms(u64::MAX), u64::MAX);
        let clock = Clock::system();
        let before = system_us();
        assert!(clock.deadline_ms(30) * 1000 >= before + 30_000);
    }
}

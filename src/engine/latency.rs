//! Latency: events that took long (`latency-monitor-threshold`), and how the times of each command are distributed
//! (`latency-tracking`).
//!
//! A distribution keeps times in nanoseconds up to a second in classes of less than one per cent: the powers of two,
//! each in [`CLASSES`] equal parts. It is made when the first time of its command is recorded.

use super::Engine;
use crate::command::table::TABLE;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Samples that an event keeps.
const SAMPLES_MAX: usize = 160;
/// Parts of a power of two.
const CLASSES: u64 = 128;
/// Longest time that is told from longer ones, in nanoseconds.
const LONGEST_NS: u64 = 1_000_000_000;

/// One second of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When, Unix seconds.
    pub at_s: u64,
    /// The longest in that second, in milliseconds.
    pub latency_ms: u64,
}

/// What is known of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its samples, the oldest first.
    pub samples: VecDeque<Sample>,
    /// The longest ever, in milliseconds.
    pub max_ms: u64,
}

/// Events by name, and distributions by the command's number.
pub struct Latency {
    events: Mutex<BTreeMap<&'static str, Event>>,
    distributions: Box<[OnceLock<Box<Distribution>>]>,
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latency").field("events", &self.events).finish_non_exhaustive()
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            events: Mutex::default(),
            distributions: (0..TABLE.count()).map(|_| OnceLock::new()).collect(),
        }
    }
}

impl Latency {
    /// Adds a sample; of those of one second the longest stays.
    pub(super) fn add(&self, event: &'static str, at_s: u64, took: Duration) {
        let latency_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let mut events = self.events.lock();
        let event = events.entry(event).or_default();
        event.max_ms = event.max_ms.max(latency_ms);
        match event.samples.back_mut() {
            Some(last) if last.at_s == at_s => last.latency_ms = last.latency_ms.max(latency_ms),
            _ => {
                if event.samples.len() == SAMPLES_MAX {
                    event.samples.pop_front();
                }
                event.samples.push_back(Sample { at_s, latency_ms });
            }
        }
    }

    /// All events that there are, by name.
    #[must_use]
    pub fn events(&self) -> Vec<(&'static str, Event)> {
        self.events.lock().iter().map(|(name, event)| (*name, event.clone())).collect()
    }

    /// One event.
    #[must_use]
    pub fn event(&self, name: &[u8]) -> Option<Event> {
        let events = self.events.lock();
        events.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, event)| event.clone())
    }

    /// Forgets these events, or all; returns how many there were.
    pub fn reset(&self, names: &[&[u8]]) -> usize {
        let mut events = self.events.lock();
        let before = events.len();
        events.retain(|known, _| !names.is_empty() && !names.contains(&known.as_bytes()));
        before - events.len()
    }

    /// Records how long a command took.
    pub(super) fn record(&self, command: usize, took: Duration) {
        let Some(distribution) = self.distributions.get(command) else { return };
        distribution.get_or_init(Box::default).add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// How the times of a command are distributed, if any was recorded.
    #[must_use]
    pub fn distribution(&self, command: usize) -> Option<&Distribution> {
        self.distributions.get(command)?.get().map(|found| &**found).filter(|found| found.count() > 0)
    }

    /// Forgets all distributions.
    pub(super) fn reset_distributions(&self) {
        self.distributions.iter().filter_map(OnceLock::get).for_each(|found| found.clear());
    }
}

/// `latency-tracking-info-percentiles` as numbers.
///
/// # Errors
/// Redis' text for what is wrong with them.
pub(super) fn percentiles(text: &str) -> Result<Vec<f64>, String> {
    let number = |word: &str| match word.parse::<f64>() {
        Ok(number) if (0.0..=100.0).contains(&number) => Ok(number),
        Ok(_) => {
            Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".to_owned())
        }
        Err(_) => Err("Invalid latency-tracking-info-percentiles parameters".to_owned()),
    };
    text.split_whitespace().map(number).collect()
}

impl Engine {
    /// A command's percentiles as `INFO latencystats` asks for them: per cent and nanoseconds. Nothing where no time
    /// was recorded.
    #[must_use]
    pub fn latency_percentiles(&self, command: usize) -> Option<Vec<(f64, u64)>> {
        let distribution = self.latency().distribution(command)?;
        let percents = percentiles(&self.settings().latency_tracking_info_percentiles()).unwrap_or_default();
        Some(percents.into_iter().map(|percent| (percent, distribution.percentile_ns(percent))).collect())
    }
}

/// How often which times occurred.
#[derive(Debug)]
pub struct Distribution(Box<[AtomicU64]>);

impl Default for Distribution {
    fn default() -> Self {
        Self((0..=place(LONGEST_NS)).map(|_| AtomicU64::new(0)).collect())
    }
}

/// Where a time is counted.
fn place(ns: u64) -> usize {
    let power = ns.max(2 * CLASSES).ilog2() - (2 * CLASSES).ilog2();
    // Below twice the classes each time has a place of its own.
    let class = if ns < 2 * CLASSES { ns } else { (ns >> (power + 1)) + CLASSES * u64::from(power + 1) };
    class as usize
}

/// The times that are counted at a place.
fn times(place: usize) -> (u64, u64) {
    let place = place as u64;
    if place < 2 * CLASSES {
        return (place, place);
    }
    let power = place / CLASSES - 1;
    let class = place % CLASSES + CLASSES;
    (class << power, ((class + 1) << power) - 1)
}

impl Distribution {
    fn add(&self, ns: u64) {
        if let Some(count) = self.0.get(place(ns.min(LONGEST_NS))) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn clear(&self) {
        self.0.iter().for_each(|count| count.store(0, Ordering::Relaxed));
    }

    fn counts(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|count| count.load(Ordering::Relaxed))
    }

    /// How many times were recorded. O(places).
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts().sum()
    }

    /// The time that so many per cent of the times do not exceed, in nanoseconds; the shortest for 0.
    #[must_use]
    pub fn percentile_ns(&self, percent: f64) -> u64 {
        let wanted = ((percent.min(100.0) / 100.0 * self.count() as f64) + 0.5) as u64;
        let mut seen = 0;
        let found = self.counts().position(|count| {
            seen += count;
            seen >= wanted.max(1)
        });
        let (first, last) = times(found.unwrap_or(0));
        if percent == 0.0 { first } else { last }
    }

    /// How many times did not exceed 1, 2, 4, … microseconds (to be exact: the class of that power of two times 1024
    /// nanoseconds), for those bounds that had some more than the one before.
    #[must_use]
    pub fn cumulative(&self) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        let (mut seen, mut told) = (0, 0);
        let mut bound = place(1024);
        for (at, count) in self.counts().enumerate() {
            seen += count;
            if at == bound {
                if seen > told {
                    found.push((times(at).1 / 1000, seen));
                    told = seen;
                }
                bound += CLASSES as usize;
            }
        }
        if seen > told {
            found.push((times(bound).1 / 1000, seen));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn a_time_is_counted_where_it_belongs(ns: u64) -> bool {
            let ns = ns % (LONGEST_NS + 1);
            let (first, last) = times(place(ns));
            (first..=last).contains(&ns) && (last - first) * CLASSES <= first
        }

        fn places_follow_each_other(at: u16) -> bool {
            let at = usize::from(at) % place(LONGEST_NS);
            times(at).1 + 1 == times(at + 1).0
        }
    }

    #[test]
    fn figures_are_those_of_a_real_server() {
        let distribution = Distribution::default();
        for us in [1, 3, 20, 20_900] {
            distribution.add(us * 1000);
        }
        assert_eq!(distribution.cumulative(), [(1, 1), (4, 2), (33, 3), (33_816, 4)]);
        assert_eq!(distribution.percentile_ns(50.0), 3_007);
        assert_eq!(distribution.percentile_ns(100.0), 20_971_519);
        assert_eq!(distribution.percentile_ns(0.0), 1_000);
    }

    #[test]
    fn of_a_second_the_longest_stays() {
        let latency = Latency::default();
        for (at_s, ms) in [(1, 5), (1, 9), (1, 7), (2, 3)] {
            latency.add("command", at_s, Duration::from_millis(ms));
        }
        let event = latency.event(b"command").expect("it is there");
        let samples: Vec<_> = event.samples.iter().map(|sample| (sample.at_s, sample.latency_ms)).collect();
        assert_eq!((samples, event.max_ms), (vec![(1, 9), (2, 3)], 9));
        for at_s in 0..1000 {
            latency.add("command", at_s, Duration::from_millis(1));
        }
        assert_eq!(latency.event(b"command").expect("it is there").samples.len(), SAMPLES_MAX);
        assert_eq!((latency.reset(&[b"nope"]), latency.reset(&[]), latency.reset(&[])), (0, 1, 0));
    }
}

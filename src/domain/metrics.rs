//! What is counted: per namespace, what became of each lookup, and how long it took.
//!
//! Counting is a handful of relaxed additions, reading is O(namespaces). The dashboard record has the owner's five
//! strings, and the numbers beside them.

use dashmap::DashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// The counters of a namespace.
#[derive(Debug, Default)]
pub struct NamespaceMetrics {
    /// Fresh values found.
    pub hits: AtomicU64,
    /// Values found that should be made anew.
    pub stale: AtomicU64,
    /// Times that something was known not to exist.
    pub negative: AtomicU64,
    /// Nothing found.
    pub misses: AtomicU64,
    /// Times that a loader ran.
    pub loads: AtomicU64,
    /// Times that it failed.
    pub load_errors: AtomicU64,
    /// Times that an old value was kept because it failed.
    pub kept: AtomicU64,
    /// Callers that waited for another's load.
    pub coalesced: AtomicU64,
    /// Calls that the backend failed.
    pub errors: AtomicU64,
    /// Calls that went on without the cache.
    pub fallbacks: AtomicU64,
    /// Values that could not be read, and were deleted.
    pub decode_errors: AtomicU64,
    /// Fills that an invalidation had overtaken.
    pub voided: AtomicU64,
    /// Entries written.
    pub writes: AtomicU64,
    /// Bytes written.
    pub bytes_written: AtomicU64,
    /// Entries, as of the last [`survey`](Metrics::survey).
    pub entries: AtomicI64,
    /// Bytes that the namespace should stay within; 0 for no figure.
    pub budget: AtomicU64,
    /// When it was last written, in Unix ms.
    pub updated_ms: AtomicU64,
    /// How long lookups took.
    pub lookup: Timing,
    /// How long loaders took.
    pub load: Timing,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl NamespaceMetrics {
    /// Lookups that found something, out of all; 0 where there were none.
    #[must_use]
    pub fn hit_rate(&self) -> f64 {
        let hits = read(&self.hits) + read(&self.stale) + read(&self.negative);
        ratio(hits, hits + read(&self.misses))
    }

    /// Bytes an entry, on average of those written.
    #[must_use]
    pub fn bytes_mean(&self) -> u64 {
        read(&self.bytes_written) / read(&self.writes).max(1)
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Buckets a power of two: what a percentile may be off by is an eighth.
const FINE: usize = 8;
const BUCKETS: usize = 40 * FINE;

/// A histogram of durations from a nanosecond to minutes.
#[derive(Debug)]
pub struct Timing {
    buckets: Box<[AtomicU64]>,
    total_ns: AtomicU64,
}

impl Default for Timing {
    fn default() -> Self {
        Self { buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(), total_ns: AtomicU64::new(0) }
    }
}

impl Timing {
    /// Adds one.
    pub fn note(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket(ns)) {
            count(bucket);
        }
        self.total_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// How many there were.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.buckets.iter().map(read).sum()
    }

    /// Whether there was none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them together.
    #[must_use]
    pub fn total(&self) -> Duration {
        Duration::from_nanos(read(&self.total_ns))
    }

    /// The duration that so many per cent stay within; zero where there was none.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Duration {
        let all = self.len();
        let mut left = ((all as f64 * percent / 100.0).ceil() as u64).clamp(1, all.max(1));
        for (index, bucket) in self.buckets.iter().enumerate() {
            let here = read(bucket);
            if here >= left {
                return Duration::from_nanos(upper_ns(index));
            }
            left -= here;
        }
        Duration::ZERO
    }
}

fn bucket(ns: u64) -> usize {
    let ns = ns.max(1);
    let power = 63 - ns.leading_zeros() as usize;
    let fine = if power >= 3 { (ns >> (power - 3)) as usize & (FINE - 1) } else { 0 };
    (power * FINE + fine).min(BUCKETS - 1)
}

fn upper_ns(bucket: usize) -> u64 {
    let (power, fine) = (bucket / FINE, (bucket % FINE) as u64);
    if power >= 3 { ((FINE as u64 + fine + 1) << (power - 3)) - 1 } else { (2 << power) - 1 }
}

/// All namespaces' counters, and timers by name.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Registry>);

#[derive(Debug, Default)]
struct Registry {
    namespaces: DashMap<&'static str, Arc<NamespaceMetrics>>,
    timers: DashMap<&'static str, Arc<Timing>>,
}

/// A namespace's figures at one moment.
#[derive(Clone, Debug, serde::Serialize)]
pub struct NamespaceFigures {
    /// Its name.
    pub name: &'static str,
    /// Of [`NamespaceMetrics`].
    pub hits: u64,
    /// Of [`NamespaceMetrics`].
    pub stale: u64,
    /// Of [`NamespaceMetrics`].
    pub negative: u64,
    /// Of [`NamespaceMetrics`].
    pub misses: u64,
    /// Of [`NamespaceMetrics`].
    pub loads: u64,
    /// Of [`NamespaceMetrics`].
    pub load_errors: u64,
    /// Of [`NamespaceMetrics`].
    pub kept: u64,
    /// Of [`NamespaceMetrics`].
    pub coalesced: u64,
    /// Of [`NamespaceMetrics`].
    pub errors: u64,
    /// Of [`NamespaceMetrics`].
    pub fallbacks: u64,
    /// Of [`NamespaceMetrics`].
    pub decode_errors: u64,
    /// As of the last survey.
    pub entries: i64,
    /// Entries times the mean of what was written.
    pub bytes: u64,
    /// What it should stay within.
    pub budget: u64,
    /// Per cent, 0 to 100.
    pub hit_rate: f64,
    /// Lookups, microseconds.
    pub p50_us: f64,
    /// Lookups, microseconds.
    pub p95_us: f64,
    /// Lookups, microseconds.
    pub p99_us: f64,
    /// Unix ms of the last write.
    pub updated_ms: u64,
}

/// The owner's five strings, and the numbers behind them.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Dashboard {
    /// `94.2%`
    pub cache_hit_rate: String,
    /// `2.3ms`
    pub avg_response_time: String,
    /// `1.2M`
    pub total_cached_items: String,
    /// `265MB`
    pub memory_usage: String,
    /// `0.1%`
    pub error_rate: String,
    /// The same as numbers.
    pub raw: DashboardNumbers,
}

/// The numbers behind the strings.
#[derive(Clone, Debug, serde::Serialize)]
pub struct DashboardNumbers {
    /// 0 to 1.
    pub hit_rate: f64,
    /// Milliseconds.
    pub avg_response_ms: f64,
    /// Entries.
    pub items: u64,
    /// Bytes.
    pub memory_bytes: u64,
    /// 0 to 1, of all calls.
    pub error_rate: f64,
    /// 0 to 1, of all calls.
    pub fallback_rate: f64,
}

impl Metrics {
    /// A namespace's counters, made where there are none.
    #[must_use]
    pub fn namespace(&self, name: &'static str) -> Arc<NamespaceMetrics> {
        Arc::clone(&self.0.namespaces.entry(name).or_default())
    }

    /// A timer by name: `track_load_time`, `search_time`, `login_time`.
    #[must_use]
    pub fn timer(&self, name: &'static str) -> Arc<Timing> {
        Arc::clone(&self.0.timers.entry(name).or_default())
    }

    /// All namespaces' figures, by name. O(namespaces).
    #[must_use]
    pub fn namespaces(&self) -> Vec<NamespaceFigures> {
        let us = |took: Duration| took.as_nanos() as f64 / 1000.0;
        let mut all: Vec<_> = self
            .0
            .namespaces
            .iter()
            .map(|entry| {
                let (name, m) = (*entry.key(), entry.value());
                let entries = m.entries.load(Ordering::Relaxed);
                NamespaceFigures {
                    name,
                    hits: read(&m.hits),
                    stale: read(&m.stale),
                    negative: read(&m.negative),
                    misses: read(&m.misses),
                    loads: read(&m.loads),
                    load_errors: read(&m.load_errors),
                    kept: read(&m.kept),
                    coalesced: read(&m.coalesced),
                    errors: read(&m.errors),
                    fallbacks: read(&m.fallbacks),
                    decode_errors: read(&m.decode_errors),
                    entries,
                    bytes: entries.unsigned_abs() * m.bytes_mean(),
                    budget: read(&m.budget),
                    hit_rate: m.hit_rate() * 100.0,
                    p50_us: us(m.lookup.percentile(50.0)),
                    p95_us: us(m.lookup.percentile(95.0)),
                    p99_us: us(m.lookup.percentile(99.0)),
                    updated_ms: read(&m.updated_ms),
                }
            })
            .collect();
        all.sort_by_key(|figures| figures.name);
        all
    }

    /// Counts a namespace's entries by walking over its keys: O(keys of the store), for a background task.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn survey(
        &self,
        backend: &impl super::Backend,
        namespaces: &[super::Namespace],
    ) -> super::Result<()> {
        for namespace in namespaces {
            let (mut cursor, mut entries) = (Vec::new(), 0);
            let prefix = format!("{}:", namespace.key_prefix());
            loop {
                let (next, keys) = backend.scan(&cursor, prefix.as_bytes(), 1000).await?;
                entries += keys.len() as i64;
                if next.is_empty() {
                    break;
                }
                cursor = next;
            }
            self.namespace(namespace.name()).entries.store(entries, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The dashboard's record; the memory is the store's own figure. O(namespaces).
    #[must_use]
    pub fn dashboard(&self, memory_bytes: u64) -> Dashboard {
        let (mut hits, mut misses, mut errors, mut fallbacks, mut items) = (0, 0, 0, 0, 0);
        let (mut calls, mut spent) = (0, Duration::ZERO);
        for entry in &self.0.namespaces {
            let m = entry.value();
            hits += read(&m.hits) + read(&m.stale) + read(&m.negative);
            misses += read(&m.misses);
            errors += read(&m.errors) + read(&m.load_errors);
            fallbacks += read(&m.fallbacks);
            items += m.entries.load(Ordering::Relaxed).unsigned_abs();
            calls += m.lookup.len();
            spent += m.lookup.total();
        }
        let raw = DashboardNumbers {
            hit_rate: ratio(hits, hits + misses),
            avg_response_ms: if calls == 0 { 0.0 } else { spent.as_secs_f64() * 1000.0 / calls as f64 },
            items,
            memory_bytes,
            error_rate: ratio(errors, hits + misses + errors),
            fallback_rate: ratio(fallbacks, hits + misses + fallbacks),
        };
        Dashboard {
            cache_hit_rate: format!("{:.1}%", raw.hit_rate * 100.0),
            avg_response_time: format!("{:.1}ms", raw.avg_response_ms),
            total_cached_items: short_count(items),
            memory_usage: short_bytes(memory_bytes),
            error_rate: format!("{:.1}%", raw.error_rate * 100.0),
            raw,
        }
    }

    /// All figures in Prometheus' text form.
    #[must_use]
    pub fn prometheus(&self) -> String {
        use std::fmt::Write;
        let mut text = String::new();
        for f in self.namespaces() {
            let counters = [
                ("hits", f.hits),
                ("stale_hits", f.stale),
                ("negative_hits", f.negative),
                ("misses", f.misses),
                ("loads", f.loads),
                ("load_errors", f.load_errors),
                ("stale_if_error", f.kept),
                ("coalesced", f.coalesced),
                ("errors", f.errors),
                ("fallbacks", f.fallbacks),
                ("decode_errors", f.decode_errors),
            ];
            for (what, value) in counters {
                // Writing to a string does not fail.
                let _ = writeln!(text, "damselfly_domain_{what}_total{{namespace=\"{}\"}} {value}", f.name);
            }
            let _ = writeln!(text, "damselfly_domain_entries{{namespace=\"{}\"}} {}", f.name, f.entries);
            for (quantile, us) in [("0.5", f.p50_us), ("0.95", f.p95_us), ("0.99", f.p99_us)] {
                let _ = writeln!(
                    text,
                    "damselfly_domain_lookup_seconds{{namespace=\"{}\",quantile=\"{quantile}\"}} {}",
                    f.name,
                    us / 1e6
                );
            }
        }
        text
    }
}

/// `999`, `1.2K`, `1.2M`, `1.2B`.
fn short_count(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        1_000..1_000_000 => format!("{:.1}K", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1}M", count as f64 / 1e6),
        _ => format!("{:.1}B", count as f64 / 1e9),
    }
}

/// Whole megabytes; kilobytes and gigabytes outside of their range.
fn short_bytes(bytes: u64) -> String {
    const MB: u64 = 1 << 20;
    match bytes {
        0..MB => format!("{}KB", bytes >> 10),
        MB..=0x3fff_ffff => format!("{}MB", bytes / MB),
        _ => format!("{:.1}GB", bytes as f64 / (1u64 << 30) as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dashboard_speaks_as_the_owners_does() {
        assert_eq!(short_count(999), "999");
        assert_eq!(short_count(1_200_000), "1.2M");
        assert_eq!(short_bytes(265 << 20), "265MB");
        let metrics = Metrics::default();
        assert_eq!(metrics.dashboard(0).cache_hit_rate, "0.0%");
        let tracks = metrics.namespace("tracks");
        tracks.hits.store(942, Ordering::Relaxed);
        tracks.misses.store(58, Ordering::Relaxed);
        tracks.lookup.note(Duration::from_micros(2300));
        let dashboard = metrics.dashboard(265 << 20);
        assert_eq!(dashboard.cache_hit_rate, "94.2%");
        assert_eq!(dashboard.avg_response_time, "2.3ms");
        assert_eq!(dashboard.error_rate, "0.0%");
    }

    #[test]
    fn a_percentile_is_off_by_an_eighth_at_most() {
        let timing = Timing::default();
        (1..=1000).for_each(|us| timing.note(Duration::from_micros(us)));
        for (percent, us) in [(50.0, 500.0), (95.0, 950.0), (99.0, 990.0)] {
            let found = timing.percentile(percent).as_nanos() as f64 / 1000.0;
            assert!((found / us - 1.0).abs() <= 0.13, "{percent}: {found}");
        }
    }
}

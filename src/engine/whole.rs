//! What concerns the engine as a whole: flushing, exchanging and filling databases, and figures over all shards.
//!
//! Everything here enters all shards, together where it must be seen at one moment and one after another where it
//! need not; what is freed is freed after they are left.

use super::notices::Notice;
use super::{Engine, Entered, Reach};
use crate::shard::Expires;
use crate::shard::db::Db;

/// Keys that [`Engine::populate`] writes before it lets others in.
const POPULATE_CHUNK: u64 = 4096;

/// Figures of one database over all shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DbFigures {
    /// Keys, those included that are due and not removed yet.
    pub keys: usize,
    /// Keys with a deadline.
    pub expires: usize,
    /// Mean time to live of a sample of them, in ms.
    pub avg_ttl_ms: u64,
    /// Bytes of the tables that find the keys.
    pub table_bytes: usize,
}

impl Engine {
    /// Empties one database, or all of them, at one moment. O(segments); the background thread frees.
    pub fn flush(&self, db: Option<usize>) {
        Reach::outside(self).flush(db);
    }

    /// Exchanges two databases at one moment, and serves those who find what they wait for. O(shards + keys waited for).
    pub fn swap_dbs(&self, a: usize, b: usize) {
        Reach::outside(self).swap_dbs(a, b);
    }

    /// Figures of every database, in their order. Enters one shard after another.
    #[must_use]
    pub fn db_figures(&self) -> Vec<DbFigures> {
        Reach::outside(self).db_figures()
    }

    /// Keys that clients wait for, in all databases. Enters one shard after another.
    #[must_use]
    pub fn blocking_keys_len(&self) -> usize {
        Reach::outside(self).blocking_keys_len()
    }
}

impl Reach<'_, '_> {
    /// [`Engine::flush`].
    pub fn flush(&mut self, db: Option<usize>) {
        // The peak of memory used is what somebody saw: this is the last look at what is about to go.
        let _ = self.memory_bytes();
        let databases = self.databases();
        self.with_all(db.unwrap_or(0), |entered| {
            let mut flushed: Vec<Db> = Vec::new();
            for shard in entered.shards() {
                match db {
                    Some(db) => flushed.extend(shard.flush(db)),
                    None => flushed.extend((0..databases).filter_map(|db| shard.flush(db))),
                }
            }
            match db {
                Some(db) => entered.effect(db, &[b"FLUSHDB"]),
                None => entered.effect(0, &[b"FLUSHALL"]),
            }
            let engine = entered.engine();
            if engine.trackers_len() > 0 {
                // Those who are told that nothing can be trusted need not hear of single keys.
                let forgotten = entered.shards().map(|shard| shard.tracked.clear()).sum();
                engine.forgot_keys(forgotten);
                entered.note(Notice::Flushed);
            }
            entered.put_off(Box::new(|engine| engine.cycles().discard_dbs(flushed)));
        });
    }

    /// [`Engine::swap_dbs`].
    pub fn swap_dbs(&mut self, a: usize, b: usize) {
        if a != b {
            self.with_all(a, |entered| {
                entered.shards().for_each(|shard| shard.swap(a, b));
                entered.shards().take(1).for_each(|shard| shard.stats.dirty += 1);
                let (a, b) = (a.to_string(), b.to_string());
                entered.effect(0, &[b"SWAPDB", a.as_bytes(), b.as_bytes()]);
            });
        }
    }

    /// Writes `count` strings `<prefix>:<n>` that hold `value:<n>`, cut or filled with zeros to `size` bytes where that
    /// is not 0; keys that exist stay. Ends early where `stop` says so. O(count).
    pub fn populate(&mut self, db: usize, count: u64, prefix: &[u8], size: usize, stop: impl Fn() -> bool) {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let mut next = 0;
        while next < count && !stop() {
            let end = next.saturating_add(POPULATE_CHUNK).min(count);
            self.with_all(db, |entered| {
                for n in next..end {
                    let mut digits = itoa::Buffer::new();
                    let digits = digits.format(n).as_bytes();
                    key.clear();
                    key.extend_from_slice(prefix);
                    key.push(b':');
                    key.extend_from_slice(digits);
                    value.clear();
                    value.extend_from_slice(b"value:");
                    value.extend_from_slice(digits);
                    if size != 0 {
                        value.resize(size, 0);
                    }
                    let (mut keyspace, routed) = entered.at(&key);
                    if !keyspace.exists(routed) {
                        keyspace.fill_string(routed, &value, Expires::Clear);
                        entered.effect(db, &[b"SET", &key, &value]);
                    }
                }
            });
            next = end;
        }
    }

    /// [`Engine::db_figures`].
    #[must_use]
    pub fn db_figures(&mut self) -> Vec<DbFigures> {
        let now_ms = self.clock().now_ms();
        let mut figures = vec![DbFigures::default(); self.databases()];
        // Sums of sampled times to live, and how many were sampled.
        let mut samples = vec![(0u64, 0u64); figures.len()];
        self.each_shard(|shard| {
            for (db, (figures, samples)) in figures.iter_mut().zip(&mut samples).enumerate() {
                figures.keys += shard.len(db);
                figures.expires += shard.with_deadline(db);
                figures.table_bytes += shard.table_bytes(db);
                let (sum_ms, count) = shard.sample_ttl(db, now_ms);
                samples.0 = samples.0.saturating_add(sum_ms);
                samples.1 += count;
            }
        });
        for (figures, (sum_ms, count)) in figures.iter_mut().zip(samples) {
            figures.avg_ttl_ms = sum_ms.checked_div(count).unwrap_or(0);
        }
        figures
    }

    /// [`Engine::blocking_keys_len`].
    #[must_use]
    pub fn blocking_keys_len(&mut self) -> usize {
        let mut keys = 0;
        self.each_shard(|shard| keys += shard.waiters.keys_len());
        keys
    }

    /// Keeps everybody out of all shards for a time (`DEBUG SLEEP`): the one place that waits inside a shard.
    pub fn stall(&mut self, time: std::time::Duration) {
        self.with_all(0, |_: &mut Entered<'_>| std::thread::sleep(time));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;

    #[test]
    fn an_exchange_of_databases_is_one_change() {
        let config = Config::default().shards(4).seed(1);
        let engine = Engine::open(&config, Clock::manual(0)).expect("a good configuration");
        engine.swap_dbs(0, 1);
        assert_eq!(engine.totals().dirty, 1);
    }
}

//! Eviction: which key goes when memory is used up, and the bookkeeping of accesses that decides it.
//!
//! Keys are compared by a score, the highest goes first. As in Redis the best victim is approximated: a few keys are
//! drawn at a time, and the best of all draws so far are remembered in a small pool, so that a good victim that was
//! drawn once is not lost. Unlike in Redis a remembered score is checked against the key as it is now, so a key that
//! was used since it was drawn is spared.
//!
//! - LRU: seconds since the last access. LFU: 255 less a logarithmic counter that decays by the minute, both in the 24
//!   bits that an entry has for it (Redis' layout: 16 bits of minutes, 8 of counter).
//! - TTL: the nearer the deadline, the higher the score. Random: the first key drawn.

use super::db::Object;
use super::entry::{self, Head};
use super::{Class, Key, Shard};

/// What makes a key a good victim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// It was not used for long.
    Lru,
    /// It is not used often.
    Lfu,
    /// Chance.
    Random,
    /// It ends soon anyway.
    Ttl,
}

/// How victims are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eviction {
    /// What is compared.
    pub measure: Measure,
    /// Whether only keys with a deadline may go.
    pub volatile: bool,
    /// Keys drawn at a time.
    pub samples: u32,
}

/// How accesses are counted for LFU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lfu {
    /// `lfu-log-factor`: how slowly the counter grows.
    pub log_factor: u32,
    /// `lfu-decay-time`: minutes after which it loses one; 0 for never.
    pub decay_minutes: u32,
}

/// The counter of a new key: it gets a chance before it is compared with others.
const LFU_INIT: u32 = 5;
const LFU_MAX: u32 = 255;

impl Lfu {
    fn minutes(now_ms: u64) -> u32 {
        (now_ms / 60_000) as u32 & 0xFFFF
    }

    /// The mark of a new key.
    #[must_use]
    pub fn new_mark(now_ms: u64) -> u32 {
        Self::minutes(now_ms) << 8 | LFU_INIT
    }

    /// The mark of a key whose counter is known.
    #[must_use]
    pub fn mark(now_ms: u64, counter: u8) -> u32 {
        Self::minutes(now_ms) << 8 | u32::from(counter)
    }

    /// The counter as it is now, for the time that has passed.
    pub(super) fn counter(self, mark: u32, now_ms: u64) -> u32 {
        let counter = mark & LFU_MAX;
        if self.decay_minutes == 0 {
            return counter;
        }
        let passed = Self::minutes(now_ms).wrapping_sub(mark >> 8) & 0xFFFF;
        counter.saturating_sub(passed / self.decay_minutes)
    }

    /// The mark after an access. `random` is any number.
    pub(super) fn touch(self, mark: u32, now_ms: u64, random: u64) -> u32 {
        let mut counter = self.counter(mark, now_ms);
        let above = counter.saturating_sub(LFU_INIT);
        // One access in so many counts.
        let rarity = u64::from(above) * u64::from(self.log_factor) + 1;
        if counter < LFU_MAX && random.is_multiple_of(rarity) {
            counter += 1;
        }
        Self::minutes(now_ms) << 8 | counter
    }
}

/// Good victims that were drawn before, worst first.
#[derive(Debug, Default)]
pub(super) struct Pool {
    candidates: Vec<Candidate>,
}

#[derive(Debug)]
struct Candidate {
    score: u64,
    db: usize,
    hash: u32,
    key: Box<[u8]>,
}

/// Candidates that a pool remembers.
const POOL_MAX: usize = 16;

/// Draws until keys with a deadline are looked for segment by segment.
const DRAWS_MAX: u32 = 64;

impl Pool {
    fn offer(&mut self, score: u64, db: usize, hash: u32, key: &[u8]) {
        if self.candidates.len() == POOL_MAX
            && self.candidates.first().is_some_and(|worst| score <= worst.score)
        {
            return;
        }
        if self.candidates.iter().any(|other| other.hash == hash && other.db == db && *other.key == *key) {
            return;
        }
        if self.candidates.len() == POOL_MAX {
            self.candidates.remove(0);
        }
        let at = self.candidates.partition_point(|other| other.score <= score);
        self.candidates.insert(at, Candidate { score, db, hash, key: key.into() });
    }
}

impl Shard {
    /// The bytes that keys and values take now, less those when this was asked last. O(databases).
    #[inline]
    pub fn account(&mut self) -> isize {
        let now = self.used_bytes();
        now as isize - std::mem::replace(&mut self.accounted_bytes, now) as isize
    }

    /// Removes the best victim; whether there was one. Expected O(samples).
    pub fn evict(&mut self, how: Eviction, now_ms: u64) -> bool {
        if how.measure == Measure::Random {
            let dbs = self.dbs.len();
            let start = self.random() as usize;
            return (0..dbs).any(|n| {
                let db = (start + n) % dbs;
                match self.draw(db, how.volatile) {
                    Some((hash, key)) => self.evict_key(db, hash, &key),
                    None => false,
                }
            });
        }
        for db in 0..self.dbs.len() {
            let keys = if how.volatile { self.dbs[db].with_deadline() } else { self.dbs[db].len() };
            for _ in 0..how.samples.min(u32::try_from(keys).unwrap_or(u32::MAX)) {
                let Some((hash, key)) = self.draw(db, how.volatile) else { break };
                if let Some(score) = self.score(db, Key { bytes: &key, hash }, how, now_ms) {
                    self.pool.offer(score, db, hash, &key);
                }
            }
        }
        while let Some(best) = self.pool.candidates.pop() {
            match self.score(best.db, Key { bytes: &best.key, hash: best.hash }, how, now_ms) {
                // Gone, or no longer eligible.
                None => {}
                Some(score) if score < best.score => {
                    // Used since: it stands where it belongs now, and is the victim only if it is the best still.
                    let is_best = self.pool.candidates.last().is_none_or(|next| next.score <= score);
                    if is_best {
                        return self.evict_key(best.db, best.hash, &best.key);
                    }
                    self.pool.offer(score, best.db, best.hash, &best.key);
                }
                Some(_) => return self.evict_key(best.db, best.hash, &best.key),
            }
        }
        false
    }

    /// A key chosen nearly uniformly, among those with a deadline where only they count.
    fn draw(&mut self, db: usize, volatile: bool) -> Option<(u32, Box<[u8]>)> {
        let mut seed = self.random();
        let data = &self.dbs[db];
        if data.is_empty() || volatile && data.with_deadline() == 0 {
            return None;
        }
        let mut random = || {
            seed = seed.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            seed.rotate_left(29)
        };
        for _ in 0..DRAWS_MAX {
            let slot = data.table.sample(&mut random)?;
            let bytes = data.bytes(slot.handle);
            let head = Head::of(bytes);
            if !volatile || head.expires_at_ms.is_some() {
                return Some((slot.hash, head.key(bytes).into()));
            }
        }
        // Few have a deadline: from a random place on, the next one that has.
        let start = super::table::skew(random() as u32);
        let from = |position: u32| {
            let mut position = Some(position);
            while let Some(at) = position {
                let mut found = None;
                position = data.table.scan_due(at, |slot| {
                    let bytes = data.bytes(slot.handle);
                    let head = Head::of(bytes);
                    if found.is_none() && head.expires_at_ms.is_some() {
                        found = Some((slot.hash, Box::from(head.key(bytes))));
                    }
                });
                if found.is_some() {
                    return found;
                }
            }
            None
        };
        from(start).or_else(|| from(0))
    }

    /// How good a victim a key is; `None` where it may not go.
    fn score(&self, db: usize, key: Key<'_>, how: Eviction, now_ms: u64) -> Option<u64> {
        let data = &self.dbs[db];
        let head = data.head(data.find(key.hash, key.bytes)?);
        if how.volatile && head.expires_at_ms.is_none() {
            return None;
        }
        Some(match how.measure {
            Measure::Lru | Measure::Random => {
                let now = (now_ms / 1000) as u32 & entry::IDLE_MASK;
                u64::from(now.wrapping_sub(head.idle) & entry::IDLE_MASK)
            }
            Measure::Lfu => {
                let lfu = self.settings.lfu.unwrap_or(Lfu { log_factor: 10, decay_minutes: 1 });
                u64::from(LFU_MAX - lfu.counter(head.idle, now_ms))
            }
            Measure::Ttl => u64::MAX - head.expires_at_ms.unwrap_or(u64::MAX),
        })
    }

    fn evict_key(&mut self, db: usize, hash: u32, key: &[u8]) -> bool {
        let Some(handle) = self.dbs[db].find(hash, key) else { return false };
        self.stats.evicted += 1;
        self.tell(db, hash, handle, (Class::Evicted, "evicted"));
        let lost: Option<Object> = self.dbs[db].remove(hash, handle);
        if let Some(object) = lost {
            self.discard(object);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::{Expires, Now, ShardSettings};

    const HOW: Eviction = Eviction { measure: Measure::Lru, volatile: false, samples: 5 };

    fn shard(lfu: Option<Lfu>) -> Shard {
        Shard::new(2, 7, ShardSettings { lfu, string_bytes_max: 1 << 20, ..ShardSettings::default() })
    }

    fn key(number: u64) -> ([u8; 8], u32) {
        (number.to_le_bytes(), (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32)
    }

    fn set(shard: &mut Shard, number: u64, now_ms: u64, expires: Expires) {
        let (bytes, hash) = key(number);
        shard.keyspace(0, Now::At(now_ms)).set_string(Key { bytes: &bytes, hash }, b"value", expires);
    }

    fn get(shard: &mut Shard, number: u64, now_ms: u64) -> bool {
        let (bytes, hash) = key(number);
        let mut keys = shard.keyspace(0, Now::At(now_ms));
        matches!(keys.string(Key { bytes: &bytes, hash }), Ok(Some(_)))
    }

    fn exists(shard: &Shard, number: u64) -> bool {
        let (bytes, hash) = key(number);
        shard.dbs[0].find(hash, &bytes).is_some()
    }

    #[test]
    fn the_counter_grows_slower_the_higher_it_is_and_decays() {
        let lfu = Lfu { log_factor: 10, decay_minutes: 1 };
        let mut mark = Lfu::new_mark(0);
        assert_eq!(lfu.counter(mark, 0), LFU_INIT);
        let mut random = 1u64;
        let mut at = [0; 2];
        for (n, counter) in [(1000, 0), (100_000, 1)] {
            for _ in 0..n {
                random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                mark = lfu.touch(mark, 0, random >> 20);
            }
            at[counter] = lfu.counter(mark, 0);
        }
        // Redis' table for factor 10: 18 after 1000 hits, 142 after 100,000.
        assert!((12..26).contains(&at[0]) && (110..175).contains(&at[1]), "{at:?}");
        assert_eq!(lfu.counter(mark, 10 * 60_000), at[1] - 10);
        assert_eq!(lfu.counter(mark, 300 * 60_000), 0);
    }

    #[test]
    fn the_longest_idle_go_first() {
        let mut shard = shard(None);
        for number in 0..1000 {
            set(&mut shard, number, number * 1000, Expires::Clear);
        }
        for _ in 0..500 {
            assert!(shard.evict(HOW, 1_000_000));
        }
        let old = (0..500).filter(|&number| exists(&shard, number)).count();
        assert!(old < 60, "{old} of the older half are left");
        assert_eq!(shard.stats.evicted, 500);
    }

    #[test]
    fn only_keys_with_a_deadline_go_where_others_may_not_and_the_nearest_first() {
        for measure in [Measure::Lru, Measure::Random, Measure::Ttl] {
            let mut shard = shard(None);
            for number in 0..2000 {
                let expires =
                    if number % 200 == 0 { Expires::At(1_000_000 + number) } else { Expires::Clear };
                set(&mut shard, number, 0, expires);
            }
            let how = Eviction { measure, volatile: true, samples: 10 };
            assert!(shard.evict(how, 0));
            if measure == Measure::Ttl {
                assert!(!exists(&shard, 0), "all ten were drawn, and the nearest deadline went");
            }
            for _ in 1..10 {
                assert!(shard.evict(how, 0));
            }
            assert!(!shard.evict(how, 0), "{measure:?}: the others may not go");
            assert_eq!(shard.len(0), 1990);
        }
    }

    /// Share of a Zipf trace that a cache of `capacity` keys answers, by these functions and by the exact policy.
    fn hit_rates(measure: Measure, keys: u64, capacity: usize, accesses: u64) -> (f64, f64) {
        let lfu = (measure == Measure::Lfu).then_some(Lfu { log_factor: 10, decay_minutes: 0 });
        let mut shard = shard(lfu);
        let how = Eviction { measure, ..HOW };
        // Cumulated weights of 1/rank^0.9.
        let mut sums = Vec::new();
        let mut sum = 0.0;
        for rank in 1..=keys {
            sum += 1.0 / (rank as f64).powf(0.9);
            sums.push(sum);
        }
        let mut exact: std::collections::HashMap<u64, (u64, u64)> = std::collections::HashMap::new();
        let (mut random, mut ours, mut theirs) = (1u64, 0u64, 0u64);
        for n in 0..accesses {
            random = random.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            let draw = (random >> 11) as f64 / (1u64 << 53) as f64 * sum;
            let number = sums.partition_point(|&sum| sum < draw) as u64;
            let now_ms = n * 1000;
            if get(&mut shard, number, now_ms) {
                ours += 1;
            } else {
                if shard.len(0) >= capacity {
                    shard.evict(how, now_ms);
                }
                set(&mut shard, number, now_ms, Expires::Clear);
            }
            if let Some((count, last)) = exact.get_mut(&number) {
                theirs += 1;
                (*count, *last) = (*count + 1, n);
            } else {
                if exact.len() >= capacity {
                    let worst = exact.iter().min_by_key(|(_, (count, last))| match measure {
                        Measure::Lfu => (*count, *last),
                        _ => (0, *last),
                    });
                    let worst = worst.map(|(&number, _)| number).expect("it is full");
                    exact.remove(&worst);
                }
                exact.insert(number, (1, n));
            }
        }
        (ours as f64 / accesses as f64, theirs as f64 / accesses as f64)
    }

    #[test]
    fn hit_rates_come_close_to_those_of_the_exact_policies() {
        for measure in [Measure::Lru, Measure::Lfu] {
            let (ours, exact) = hit_rates(measure, 5000, 500, 60_000);
            println!("{measure:?}: {:.1} % where the exact policy has {:.1} %", ours * 100.0, exact * 100.0);
            assert!(ours > exact - 0.02, "{measure:?}: {ours:.3} where the exact policy has {exact:.3}");
        }
    }
}

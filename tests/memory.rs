//! Memory that is used up, in process and under load.

#![allow(missing_docs, clippy::unwrap_used)]

use damselfly::command::error::CommandError;
use damselfly::config::{Config, EvictionPolicy};
use damselfly::embed::{Damselfly, Error, SetOptions};
use std::thread;
use std::time::Duration;

const LIMIT: usize = 4 << 20;

fn cache(policy: EvictionPolicy) -> Damselfly {
    Damselfly::open(Config::default().maxmemory(LIMIT).maxmemory_policy(policy).shards(8u32)).unwrap()
}

#[test]
fn a_cache_stays_within_its_limit_and_keeps_what_is_used() {
    for policy in [EvictionPolicy::AllkeysLru, EvictionPolicy::AllkeysLfu, EvictionPolicy::AllkeysRandom] {
        let db = cache(policy);
        thread::scope(|scope| {
            for writer in 0..2 {
                let db = db.clone();
                scope.spawn(move || {
                    for n in 0..60_000 {
                        db.set(format!("key:{writer}:{n}"), [7; 100]).unwrap();
                        if n % 5000 == 0 {
                            let used = db.engine().memory_bytes();
                            assert!(used < LIMIT + LIMIT / 20, "{used} bytes where {LIMIT} are allowed");
                        }
                    }
                });
            }
        });
        let totals = db.engine().totals();
        let left = db.dbsize().unwrap();
        assert_eq!(left + totals.evicted, 120_000, "{policy}");
        assert!(left > 15_000, "{policy}: room for more than {left} keys was there");
    }
}

#[test]
fn where_nothing_may_go_writes_are_refused_and_what_is_there_stays() {
    let db = cache(EvictionPolicy::VolatileLru);
    let mut kept = 0u64;
    let refused = loop {
        match db.set(format!("key:{kept}"), [7; 1000]) {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, Error::Command(CommandError::OutOfMemory));
    assert_eq!(db.dbsize().unwrap(), kept);
    assert!(db.rpush("list", ["a"]).is_err() && db.incr("n").is_err() && db.append("key:0", "x").is_err());
    assert_eq!(db.strlen("key:0").unwrap(), 1000);
    assert!(db.del("key:0").is_ok(), "what frees memory is not refused");
    // A key with a deadline makes room for others by going itself.
    db.set_with("temporary", [7; 100], SetOptions::new().ex(Duration::from_secs(60))).unwrap();
    for n in 0..10 {
        let _ = db.set(format!("more:{n}"), [7; 1000]);
    }
    assert!(!db.exists("temporary").unwrap());
}

#[test]
fn a_limit_that_is_lowered_is_reached_by_the_next_writes() {
    let db = Damselfly::open(Config::default().maxmemory_policy(EvictionPolicy::AllkeysLru)).unwrap();
    for n in 0..50_000 {
        db.set(format!("key:{n}"), [7; 100]).unwrap();
    }
    db.call(["CONFIG", "SET", "maxmemory", "1mb"]).unwrap();
    let mut writes = 0;
    while db.engine().memory_bytes() > (1 << 20) {
        db.set("another", "value").unwrap();
        writes += 1;
        assert!(writes < 10_000, "each write makes some room");
    }
}

//! What goes through the whole keyspace: SCAN under writers, RANDOMKEY, and what growing costs at worst.

use crate::common::places::{Nobody, config};
use damselfly::clock::{Clock, Stopwatch};
use damselfly::engine::{Batch, Engine, Peer, Router, Session};
use damselfly::reply::{Protocol, Reply, ReplyBuilder};
use damselfly::shard::db::{Db, NewValue};
use damselfly::shard::entry::Kind;
use quickcheck::{Gen, QuickCheck};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

struct Caller {
    engine: Arc<Engine>,
    session: Session,
}

impl Caller {
    fn new(engine: &Arc<Engine>) -> Self {
        Self { engine: Arc::clone(engine), session: engine.connect(Peer::default(), Arc::new(Nobody)) }
    }

    fn call(&mut self, argv: &[&[u8]]) -> Reply {
        let mut sink = ReplyBuilder::new(Protocol::Resp3);
        Batch::new(&self.engine).execute(&mut self.session, argv, &mut sink);
        sink.finish()
    }
}

/// One page of a scan: the cursor to go on from, and the keys.
fn page(reply: Reply) -> (Vec<u8>, Vec<Vec<u8>>) {
    let Reply::Array(parts) = reply else { panic!("no page: {reply:?}") };
    let [Reply::Bulk(cursor), Reply::Array(keys)] = &parts[..] else { panic!("no page: {parts:?}") };
    (cursor.to_vec(), keys.iter().filter_map(Reply::as_bytes).map(<[u8]>::to_vec).collect())
}

/// Scans while other threads grow the keyspace by tens of thousands of keys and shrink it again, in turns.
fn scan_under_writers(shards: u32, stable: usize, count: usize, writers: usize, waves: usize) -> bool {
    const WAVE: usize = 12_000;
    let engine = Engine::open(&config(shards), Clock::system()).expect("a good configuration");
    let mut caller = Caller::new(&engine);
    let stable: BTreeSet<Vec<u8>> = (0..stable).map(|n| format!("stable:{n}").into_bytes()).collect();
    for key in &stable {
        caller.call(&[b"SET", key, b"v"]);
    }
    let (done, scans) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..writers)
            .map(|writer| {
                let (engine, done, scans) = (&engine, &done, &scans);
                scope.spawn(move || {
                    let mut caller = Caller::new(engine);
                    let mut wave = 0;
                    // At least so many waves, and until two scans have met them.
                    while (wave < waves || scans.load(Ordering::Relaxed) < 2) && !done.load(Ordering::Relaxed)
                    {
                        for n in 0..WAVE {
                            caller.call(&[b"SET", format!("{writer}:{wave}:{n}").as_bytes(), b"v"]);
                        }
                        for n in 0..WAVE {
                            let key = format!("{writer}:{wave}:{n}").into_bytes();
                            // Some go by a new name, and only then.
                            if n % 7 == 0 {
                                caller.call(&[b"RENAME", &key, &[&key[..], b"'"].concat()]);
                                caller.call(&[b"UNLINK", &[&key[..], b"'"].concat()]);
                            } else {
                                caller.call(&[b"DEL", &key]);
                            }
                        }
                        wave += 1;
                    }
                })
            })
            .collect();
        let count = count.to_string().into_bytes();
        let mut whole = true;
        while whole && writers.iter().any(|writer| !writer.is_finished()) {
            let mut seen = BTreeSet::new();
            let mut cursor = b"0".to_vec();
            loop {
                let (next, keys) = page(caller.call(&[b"SCAN", &cursor, b"COUNT", &count]));
                for key in keys {
                    // More than the guarantee: what is there throughout comes once only.
                    whole &= seen.insert(key.clone()) || !stable.contains(&key);
                }
                cursor = next;
                if cursor == b"0" {
                    break;
                }
            }
            whole &= seen.is_superset(&stable);
            scans.fetch_add(1, Ordering::Relaxed);
        }
        done.store(true, Ordering::Relaxed);
        whole
    })
}

#[test]
fn a_scan_returns_every_key_that_is_there_throughout_whatever_others_write() {
    fn property(stable: u16, count: u16, shards: u8, writers: u8) -> bool {
        let shards = 1 << (shards % 4);
        scan_under_writers(
            shards,
            usize::from(stable % 5000),
            usize::from(count % 300) + 1,
            usize::from(writers % 3) + 1,
            2,
        )
    }
    QuickCheck::new().tests(8).rng(Gen::new(60_000)).quickcheck(property as fn(u16, u16, u8, u8) -> bool);
}

#[test]
fn a_count_is_kept_across_shards_and_every_page_is_near_it() {
    let engine = Engine::open(&config(16), Clock::manual(1_000)).expect("a good configuration");
    let mut caller = Caller::new(&engine);
    for n in 0..5000 {
        caller.call(&[b"SET", format!("key:{n}").as_bytes(), b"v"]);
    }
    let (mut cursor, mut seen, mut pages) = (b"0".to_vec(), BTreeSet::new(), 0);
    loop {
        let (next, keys) = page(caller.call(&[b"SCAN", &cursor, b"COUNT", b"70"]));
        pages += 1;
        // Keys whose hashes are the same come together.
        assert!(keys.len() <= 72, "{}", keys.len());
        assert!(next == b"0" || keys.len() >= 70, "{}", keys.len());
        seen.extend(keys);
        cursor = next;
        if cursor == b"0" {
            break;
        }
    }
    assert_eq!((seen.len(), pages), (5000, 72));
}

#[test]
fn random_keys_are_as_likely_whatever_their_shard() {
    let engine = Engine::open(&config(8), Clock::manual(1_000)).expect("a good configuration");
    let mut caller = Caller::new(&engine);
    for n in 0..40 {
        caller.call(&[b"SET", n.to_string().as_bytes(), b"v"]);
    }
    // Keys that have expired are not drawn, and do not count for their shards.
    for n in 0..400 {
        let key = format!("{{0}}:{n}").into_bytes();
        caller.call(&[b"SET", &key, b"v"]);
        caller.call(&[b"PEXPIREAT", &key, b"1500"]);
    }
    engine.cycles().set_active_expiry(false);
    engine.advance(Duration::from_secs(1));
    let mut drawn = [0u32; 40];
    for _ in 0..40_000 {
        let reply = caller.call(&[b"RANDOMKEY"]);
        let key = reply.as_bytes().and_then(|key| std::str::from_utf8(key).ok()?.parse::<usize>().ok());
        drawn[key.expect("a key that is there")] += 1;
    }
    // A thousand each; six standard deviations are 190.
    assert!(drawn.iter().all(|&times| (800..1200).contains(&times)), "{drawn:?}");
}

/// `cargo test --release --test commands -- --ignored --nocapture longest`
///
/// Every round does the same work, so the shortest time of an insert over the rounds is what it costs where nothing
/// else gets in between.
#[test]
#[ignore = "a measurement"]
fn the_longest_insert_into_millions_of_keys() {
    const KEYS: usize = 5_000_000;
    const ROUNDS: usize = 5;
    let router = Router::new((1, 2), 1);
    let mut times = vec![Duration::MAX; KEYS];
    let mut is_split = vec![false; KEYS];
    for _ in 0..ROUNDS {
        let mut db = Db::default();
        for (n, (best, is_split)) in times.iter_mut().zip(&mut is_split).enumerate() {
            let name = format!("key:{n:012}");
            let (_, key) = router.route(name.as_bytes());
            let segments = db.table.segments();
            let watch = Stopwatch::start();
            db.put(key.hash, None, key.bytes, NewValue::Inline(Kind::Str, b"value"), None, 0);
            *best = watch.elapsed().min(*best);
            *is_split = db.table.segments() != segments;
        }
        println!("{} segments, {} keys", db.table.segments(), db.len());
    }
    let numbered = || times.iter().copied().zip(0..).zip(&is_split);
    for (what, wanted) in [("inserts without a split", false), ("inserts that split a segment", true)] {
        let mut times: Vec<(Duration, usize)> =
            numbered().filter(|(_, split)| **split == wanted).map(|(time, _)| time).collect();
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].0;
        println!("{} {what}: median {:?}, 99 % {:?}, 99.9 % {:?}", times.len(), at(0.5), at(0.99), at(0.999));
        println!("  longest (time, keys before it): {:?}", times.iter().rev().take(8).collect::<Vec<_>>());
    }
}

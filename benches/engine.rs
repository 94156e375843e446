//! The engine with the network bypassed: what a call in process costs, one thread and two.
//!
//! Every figure is the median over batches of calls, so that what else the machine does hits few of them; beside it
//! stands the best batch. Keys are few enough to stay in the second-level cache: the figures are about the path.
//!
//! `cargo bench --bench engine` prints the table in some seconds. `cargo bench --bench engine -- get 1000000` runs one
//! line only, that many times, for `valgrind --tool=callgrind` or `perf`.

#![allow(
    clippy::disallowed_methods,
    reason = "a benchmark reads the real clock and makes threads of its own"
)]
#![allow(missing_docs, clippy::unwrap_used)]

use damselfly::config::Config;
use damselfly::embed::{Damselfly, SetOptions};
use damselfly::engine::{Batch, Notify, Peer};
use damselfly::reply::Protocol;
use damselfly::wire::Output;
use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

#[cfg(feature = "server")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEYS: usize = 10_000;
const BATCH: usize = 1_000;
const BATCHES: usize = 400;

struct Names {
    keys: Vec<String>,
    counters: Vec<String>,
    lists: Vec<String>,
    missing: Vec<String>,
}

fn names(prefix: &str) -> Names {
    names_where(prefix, |_| true)
}

/// The first names that fit, of 17 bytes each.
fn names_where(prefix: &str, fits: impl Fn(&[u8]) -> bool) -> Names {
    let make = |kind: &str| {
        let all = (0..).map(|n: usize| format!("{prefix}{kind}:{n:014}"));
        all.filter(|name| fits(name.as_bytes())).take(KEYS).collect()
    };
    Names { keys: make("k"), counters: make("c"), lists: make("l"), missing: make("m") }
}

type Call = fn(&Damselfly, &Names, usize);

const VALUE: [u8; 32] = [b'v'; 32];

const CALLS: &[(&str, Call)] = &[
    ("get", |db, names, n| {
        black_box(db.get(&names.keys[n]).unwrap());
    }),
    ("get_with", |db, names, n| {
        black_box(db.get_with(&names.keys[n], <[u8]>::len).unwrap());
    }),
    ("get, a miss", |db, names, n| {
        black_box(db.get(&names.missing[n]).unwrap());
    }),
    ("get_int", |db, names, n| {
        black_box(db.get_int(&names.counters[n]).unwrap());
    }),
    ("exists", |db, names, n| {
        black_box(db.exists(&names.keys[n]).unwrap());
    }),
    ("set", |db, names, n| db.set(&names.keys[n], VALUE).unwrap()),
    ("set_with ex", |db, names, n| {
        let options = SetOptions::new().ex(Duration::from_secs(3600));
        drop(db.set_with(&names.keys[n], VALUE, options).unwrap());
    }),
    ("get, with a deadline", |db, names, n| {
        black_box(db.get(&names.keys[n]).unwrap());
    }),
    ("set, again without", |db, names, n| db.set(&names.keys[n], VALUE).unwrap()),
    ("incr", |db, names, n| {
        black_box(db.incr(&names.counters[n]).unwrap());
    }),
    ("lpush", |db, names, n| {
        black_box(db.lpush(&names.lists[n], [VALUE]).unwrap());
    }),
    ("rpop", |db, names, n| {
        black_box(db.rpop(&names.lists[n]).unwrap());
    }),
    ("set and del", |db, names, n| {
        db.set(&names.missing[n], VALUE).unwrap();
        db.del(&names.missing[n]).unwrap();
    }),
    ("call GET", |db, names, n| {
        drop(black_box(db.call([&b"GET"[..], names.keys[n].as_bytes()]).unwrap()));
    }),
];

fn fill(db: &Damselfly, names: &Names) {
    for n in 0..KEYS {
        db.set(&names.keys[n], VALUE).unwrap();
        db.set(&names.counters[n], "0").unwrap();
        db.rpush(&names.lists[n], [VALUE; 4]).unwrap();
    }
}

/// Nanoseconds a call: the median batch and the best one.
fn time(mut call: impl FnMut(usize)) -> (f64, f64) {
    let mut n = 0;
    let mut batches: Vec<f64> = (0..BATCHES)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..BATCH {
                // A stride that is prime to the number of keys, so that neighbours in time are none in memory.
                n = (n + 7_919) % KEYS;
                call(n);
            }
            start.elapsed().as_nanos() as f64 / BATCH as f64
        })
        .collect();
    batches.sort_by(f64::total_cmp);
    (batches[BATCHES / 2], batches[0])
}

struct Nobody;
impl Notify for Nobody {
    fn notify(&self) {}
}

/// The same commands through dispatch, as a connection runs them: into a buffer of RESP.
fn through_dispatch(db: &Damselfly, names: &Names) {
    let mut session = db.engine().connect(Peer::default(), Arc::new(Nobody));
    for (name, argc) in [("GET", 2), ("SET", 3), ("INCR", 2)] {
        for pipeline in [1, 16] {
            let mut out = Output::default();
            let (p50, best) = time(|n| {
                let mut batch = Batch::new(db.engine());
                for _ in 0..pipeline {
                    let key = if name == "INCR" { &names.counters[n] } else { &names.keys[n] };
                    let argv = [name.as_bytes(), key.as_bytes(), &VALUE];
                    batch.execute(&mut session, &argv[..argc], &mut out.sink(Protocol::Resp2));
                }
                drop(batch);
                out.clear();
            });
            let per = f64::from(pipeline);
            println!(
                "{:<28}{:>9.0}{:>9.0}",
                format!("{name}, dispatch, batch {pipeline}"),
                p50 / per,
                best / per
            );
        }
    }
}

/// Calls a second of threads, each on keys of its own.
fn rate(db: &Damselfly, call: Call, sets: &[Names]) -> f64 {
    let barrier = Barrier::new(sets.len());
    let rates = thread::scope(|scope| {
        let workers: Vec<_> = sets
            .iter()
            .map(|names| {
                let (db, barrier) = (db.clone(), &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let start = Instant::now();
                    let (mut n, mut calls) = (0, 0);
                    while start.elapsed() < Duration::from_millis(100) {
                        for _ in 0..BATCH {
                            n = (n + 7_919) % KEYS;
                            call(&db, names, n);
                        }
                        calls += BATCH;
                    }
                    calls as f64 / start.elapsed().as_secs_f64()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect::<Vec<f64>>()
    });
    rates.iter().sum()
}

fn main() {
    let db = Damselfly::open(Config::default()).unwrap();
    let sets = [names("a"), names("b")];
    sets.iter().for_each(|names| fill(&db, names));
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let Some(wanted) = args.first() {
        let times = args.get(1).and_then(|text| text.parse().ok()).unwrap_or(100_000);
        let Some((_, call)) = CALLS.iter().find(|(name, _)| name == wanted) else {
            CALLS.iter().for_each(|(name, _)| println!("{name}"));
            return;
        };
        (0..times).for_each(|n| call(&db, &sets[0], n * 7_919 % KEYS));
        return;
    }
    println!("{KEYS} keys of 17 bytes, values of 32; {} shards; ns a call\n", db.engine().shards());
    println!("{:<28}{:>9}{:>9}", "call", "p50", "best");
    for (name, call) in CALLS {
        let (p50, best) = time(|n| call(&db, &sets[0], n));
        println!("{name:<28}{p50:>9.0}{best:>9.0}");
    }
    through_dispatch(&db, &sets[0]);
    two_threads(&db, &sets);
}

/// One thread against two: on keys of any shard, and on keys of different shards.
fn two_threads(db: &Damselfly, sets: &[Names]) {
    println!("\n{:<28}{:>9}{:>9}{:>9}", "million calls a second", "1 thread", "2", "factor");
    let apart = [0, 1].map(|side| names_where("s", |key| db.engine().router().route(key).0 % 2 == side));
    apart.iter().for_each(|names| fill(db, names));
    for wanted in ["get_with", "get", "incr", "set"] {
        let Some((name, call)) = CALLS.iter().find(|(name, _)| name == &wanted) else { continue };
        for (what, sets) in [("any shard", sets), ("apart", &apart)] {
            // Taken in turns, the best of each: what else runs on the machine only takes away.
            let (mut one, mut two) = (0f64, 0f64);
            for _ in 0..8 {
                one = one.max(rate(db, *call, &sets[..1]));
                two = two.max(rate(db, *call, sets));
            }
            println!(
                "{:<28}{:>9.2}{:>9.2}{:>9.2}",
                format!("{name}, {what}"),
                one / 1e6,
                two / 1e6,
                two / one
            );
        }
    }
}

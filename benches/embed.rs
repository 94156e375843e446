//! The typed handle's hot calls under criterion: one thread, 10 000 keys, values of 32 bytes.
//!
//! `cargo bench --bench embed`

#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use damselfly::embed::Damselfly;
use std::hint::black_box;

#[cfg(feature = "server")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const KEYS: usize = 10_000;
const VALUE: [u8; 32] = [b'v'; 32];

fn calls(c: &mut Criterion) {
    let db = Damselfly::in_memory();
    let keys: Vec<String> = (0..KEYS).map(|n| format!("k:{n:015}")).collect();
    let counters: Vec<String> = (0..KEYS).map(|n| format!("c:{n:015}")).collect();
    let lists: Vec<String> = (0..KEYS).map(|n| format!("l:{n:015}")).collect();
    for n in 0..KEYS {
        db.set(&keys[n], VALUE).unwrap();
        db.set(&counters[n], "0").unwrap();
        db.rpush(&lists[n], [VALUE; 4]).unwrap();
    }
    let mut n = 0;
    let mut next = || {
        n = (n + 7_919) % KEYS;
        n
    };
    let mut group = c.benchmark_group("embed");
    group.throughput(Throughput::Elements(1));
    group.bench_function("get", |b| b.iter(|| black_box(db.get(&keys[next()]).unwrap())));
    group.bench_function("get_with", |b| b.iter(|| db.get_with(&keys[next()], |v| v.len()).unwrap()));
    group.bench_function("set", |b| b.iter(|| db.set(&keys[next()], VALUE).unwrap()));
    group.bench_function("incr", |b| b.iter(|| db.incr(&counters[next()]).unwrap()));
    group.bench_function("lpush and rpop", |b| {
        b.iter(|| {
            let list = &lists[next()];
            db.lpush(list, [VALUE]).unwrap();
            black_box(db.rpop(list).unwrap())
        });
    });
    group.finish();
}

criterion_group!(benches, calls);
criterion_main!(benches);

//! The domain layer's queue under criterion: one thread, the engine in this process, payloads of 100 bytes.
//!
//! `cargo bench --features domain --bench queue`

#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use damselfly::domain::{Class, Embedded, EnqueueOptions, Namespace, QueueOptions, ReliableQueue};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

#[cfg(feature = "server")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The engine in this process never has its caller wait, so one poll is all.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}

fn life(c: &mut Criterion) {
    let queue = |keep| {
        let options = QueueOptions { keep, ..QueueOptions::default() };
        let namespace = Namespace::new("bench", Class::Durable);
        ReliableQueue::<String, _>::new(namespace, Embedded::in_memory(), options).unwrap()
    };
    let job = "x".repeat(98);
    let put = |q: &ReliableQueue<String, Embedded>, group: Option<&str>| {
        now(q.enqueue(&job, EnqueueOptions { group, ..EnqueueOptions::default() })).unwrap();
    };
    let take = |q: &ReliableQueue<String, Embedded>, n| {
        for claim in now(q.claim("worker", n, Duration::ZERO)).unwrap() {
            now(claim.ack()).unwrap();
        }
    };
    let mut benches = c.benchmark_group("queue");
    benches.throughput(Throughput::Elements(1));
    let q = queue(0);
    benches.bench_function("enqueue, claim, ack", |b| {
        b.iter(|| {
            put(&q, None);
            take(&q, 1);
        });
    });
    let q = queue(0);
    (0..10_000).for_each(|_| put(&q, None));
    benches.bench_function("the same behind 10 000 others", |b| {
        b.iter(|| {
            put(&q, None);
            take(&q, 1);
        });
    });
    let q = queue(0);
    benches.bench_function("the same in a group", |b| {
        b.iter(|| {
            put(&q, Some("album-1"));
            take(&q, 1);
        });
    });
    let q = queue(1000);
    benches.bench_function("the same, the last 1 000 kept", |b| {
        b.iter(|| {
            put(&q, None);
            take(&q, 1);
        });
    });
    benches.throughput(Throughput::Elements(100));
    let q = queue(0);
    benches.bench_function("a hundred, claimed at once", |b| {
        b.iter(|| {
            (0..100).for_each(|_| put(&q, None));
            take(&q, 100);
        });
    });
    benches.finish();
}

criterion_group!(benches, life);
criterion_main!(benches);

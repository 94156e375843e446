//! Threads that push, wait, give up and vanish as they like: nothing is lost, nothing is taken twice, nobody is left
//! asleep.

use crate::{Client, PATIENCE, engine};
use damselfly::clock::Clock;
use damselfly::engine::{Ended, Engine};
use damselfly::reply::Reply;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

const QUEUES: u64 = 6;

fn queue(random: &mut Random) -> String {
    format!("queue:{}", random.below(QUEUES))
}

/// The elements in the reply of a pop.
fn popped(reply: &Reply) -> Vec<u64> {
    let number = |reply: &Reply| {
        let bytes = reply.as_bytes().expect("an element is a string");
        std::str::from_utf8(bytes).unwrap().parse().expect("an element is a number")
    };
    match reply {
        Reply::Null => Vec::new(),
        Reply::Array(pair) => match &pair[1] {
            Reply::Array(elements) => elements.iter().map(number).collect(),
            element => vec![number(element)],
        },
        Reply::Bulk(_) => vec![number(reply)],
        other => panic!("no reply of a pop: {other:?}"),
    }
}

/// One consumer of the load test: waits in all the ways there are, and gives up in all the ways there are.
fn consume(engine: &Arc<Engine>, seed: u64, stop: &AtomicBool, consumed: &AtomicU64) -> Vec<u64> {
    let mut random = Random(seed);
    let mut taken = Vec::new();
    let mut client = Client::new(engine);
    let note = |taken: &mut Vec<u64>, reply: &Reply| {
        let elements = popped(reply);
        consumed.fetch_add(elements.len() as u64, Ordering::Relaxed);
        taken.extend(elements);
    };
    while !stop.load(Ordering::Relaxed) {
        let (a, b, c) = (queue(&mut random), queue(&mut random), queue(&mut random));
        let timeout = if random.below(2) == 0 { "0" } else { "0.002" };
        let (line, moves) = match random.below(8) {
            0..=2 => (format!("BLPOP {a} {b} {timeout}"), false),
            3 => (format!("BRPOP {a} {timeout}"), false),
            4 => (format!("BLMPOP {timeout} 3 {a} {b} {c} LEFT COUNT 3"), false),
            5 => (format!("BLMPOP {timeout} 2 {a} {b} RIGHT COUNT 2"), false),
            6 => (format!("BLMOVE {a} {b} LEFT RIGHT {timeout}"), true),
            _ => (format!("BRPOPLPUSH {a} {b} {timeout}"), true),
        };
        if let Some(reply) = client.line(&line) {
            if !moves {
                note(&mut taken, &reply);
            }
            continue;
        }
        let waiter = client.waiter.clone().unwrap();
        let patience = Duration::from_micros(random.below(300));
        match random.below(6) {
            // Gives up, maybe just when it is served.
            0 => {
                client.bell.wait(patience, || waiter.has_ended());
                client.abandon();
            }
            // Disconnects.
            1 => {
                client.bell.wait(patience, || waiter.has_ended());
                client = Client::new(engine);
            }
            // Is served, and cannot use it.
            2 if client.bell.wait(patience, || waiter.has_ended()) => {
                let ended = engine.finish(&waiter).expect("it has ended");
                engine.give_back(ended);
                client.waiter = None;
            }
            // Is unblocked by somebody.
            3 => {
                client.bell.wait(patience, || waiter.has_ended());
                waiter.end(Ended::TimedOut);
                let reply = client.take().expect("it has ended");
                if !moves {
                    note(&mut taken, &reply);
                }
            }
            _ => {
                let done = client.bell.wait(Duration::from_millis(20), || waiter.has_ended());
                if done && let Some(reply) = client.take() {
                    if !moves {
                        note(&mut taken, &reply);
                    }
                } else {
                    client.abandon();
                }
            }
        }
    }
    client.abandon();
    taken
}

fn load(shards: u32, producers: u64, consumers: u64, items: u64, seed: u64) {
    let engine = engine(shards, Clock::system());
    let (stop, consumed) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut taken: Vec<u64> = std::thread::scope(|scope| {
        let consuming: Vec<_> = (0..consumers)
            .map(|n| {
                let (engine, stop, consumed) = (&engine, &stop, &consumed);
                scope.spawn(move || consume(engine, seed ^ (n << 32), stop, consumed))
            })
            .collect();
        let producing: Vec<_> = (0..producers)
            .map(|producer| {
                let engine = &engine;
                scope.spawn(move || {
                    let mut random = Random(seed.wrapping_add(producer));
                    let mut client = Client::new(engine);
                    let mut next = 0;
                    while next < items {
                        let mut argv = vec![
                            if random.below(2) == 0 { "LPUSH" } else { "RPUSH" }.to_string(),
                            queue(&mut random),
                        ];
                        for _ in 0..=random.below(4) {
                            argv.push((producer * (items + 8) + next).to_string());
                            next += 1;
                        }
                        assert!(matches!(client.call(&argv), Some(Reply::Int(1..))));
                        if random.below(4) == 0 {
                            std::thread::sleep(Duration::from_micros(random.below(100)));
                        }
                    }
                    next
                })
            })
            .collect();
        let pushed: Vec<u64> = producing.into_iter().map(|thread| thread.join().unwrap()).collect();
        stop.store(true, Ordering::Relaxed);
        let mut taken: Vec<u64> = consuming.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        // Nobody waits any more, and nothing of those who did is left.
        assert_eq!(engine.stats().blocked.load(Ordering::Relaxed), 0);
        assert_eq!(engine.blocking_keys_len(), 0);
        let mut client = Client::new(&engine);
        for number in 0..QUEUES {
            let Some(Reply::Array(left)) = client.line(&format!("LRANGE queue:{number} 0 -1")) else {
                panic!("a queue is a list")
            };
            taken.extend(left.iter().flat_map(popped));
        }
        taken.sort_unstable();
        let mut expected: Vec<u64> = pushed
            .iter()
            .enumerate()
            .flat_map(|(producer, &count)| (0..count).map(move |n| producer as u64 * (items + 8) + n))
            .collect();
        expected.sort_unstable();
        assert_eq!(taken, expected, "every element was consumed once or is in a list (seed {seed})");
        taken
    });
    taken.dedup();
    println!("{} elements, {} consumed while pushing", taken.len(), consumed.load(Ordering::Relaxed));
    assert!(consumed.load(Ordering::Relaxed) > 0);
}

#[test]
fn under_load_every_element_is_consumed_once_or_still_in_a_list() {
    for (round, shards) in [1, 2, 16].into_iter().enumerate() {
        load(shards, 3, 5, 4_000, 0xDA75_E1F1 + round as u64);
    }
}

/// Consumers that never give up, and so must end up with everything: whoever is not woken hangs.
#[test]
fn no_wake_up_is_lost() {
    const ITEMS: u64 = 10_000;
    const CONSUMERS: u64 = 4;
    for shards in [1, 16] {
        let engine = engine(shards, Clock::system());
        let (consumed, gone) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for number in 0..CONSUMERS {
                let (engine, consumed, gone) = (&engine, &consumed, &gone);
                scope.spawn(move || {
                    let mut client = Client::new(engine);
                    loop {
                        // Each prefers another queue, and one moves things around as well.
                        let wait = match number {
                            0 => "BLPOP q1 q2 q3 0",
                            1 => "BRPOP q2 q3 q1 0",
                            2 => "BLMPOP 0 3 q3 q1 q2 LEFT COUNT 2",
                            _ => "BLMOVE q1 q2 LEFT LEFT 0",
                        };
                        let reply = match client.line(wait) {
                            Some(reply) => reply,
                            None => client.receive().expect("whoever waits is woken"),
                        };
                        let elements = popped(&reply);
                        if elements.contains(&u64::MAX) {
                            gone.fetch_add(1, Ordering::Relaxed);
                            return;
                        }
                        if number != 3 {
                            consumed.fetch_add(elements.len() as u64, Ordering::Relaxed);
                        }
                    }
                });
            }
            let pushing: Vec<_> = (0..2)
                .map(|half| {
                    let engine = &engine;
                    scope.spawn(move || {
                        let mut client = Client::new(engine);
                        for n in 0..ITEMS / 2 {
                            let key = ["q1", "q2", "q3"][((n + half) % 3) as usize];
                            client.line(&format!("RPUSH {key} {n}"));
                            if n % 64 == 0 {
                                std::thread::sleep(Duration::from_micros(50));
                            }
                        }
                    })
                })
                .collect();
            pushing.into_iter().for_each(|thread| thread.join().unwrap());
            let watch = damselfly::clock::Stopwatch::start();
            while consumed.load(Ordering::Relaxed) < ITEMS {
                assert!(
                    watch.elapsed() < PATIENCE,
                    "{} of {ITEMS} consumed",
                    consumed.load(Ordering::Relaxed)
                );
                std::thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(consumed.load(Ordering::Relaxed), ITEMS);
            // Whoever takes the last of all numbers goes; there is one for everybody until all have gone.
            let mut client = Client::new(&engine);
            while gone.load(Ordering::Relaxed) < CONSUMERS {
                for key in ["q1", "q2", "q3"] {
                    client.line(&format!("RPUSH {key} {}", u64::MAX));
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
    }
}

//! Streams: readers that wait see every entry in its order, and a group gives each entry to one consumer.

use crate::{Client, PATIENCE, START_MS, engine};
use damselfly::clock::{Clock, Stopwatch};
use damselfly::engine::Engine;
use damselfly::reply::Reply;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const STREAMS: [&str; 3] = ["s1", "s2", "s3"];

/// Entries in a reply of XREAD: stream, ID, value.
fn entries(reply: &Reply) -> Vec<(String, String, u64)> {
    let text =
        |reply: &Reply| String::from_utf8(reply.as_bytes().expect("a string").to_vec()).expect("plain text");
    let Reply::Array(streams) = reply else { return Vec::new() };
    let mut found = Vec::new();
    for stream in streams {
        let Reply::Array(pair) = stream else { panic!("no stream: {stream:?}") };
        let Reply::Array(list) = &pair[1] else { panic!("no entries: {pair:?}") };
        for entry in list {
            let Reply::Array(entry) = entry else { panic!("no entry: {entry:?}") };
            let value = match &entry[1] {
                Reply::Array(fields) => text(&fields[1]).parse().expect("a number"),
                _ => u64::MAX,
            };
            found.push((text(&pair[0]), text(&entry[0]), value));
        }
    }
    found
}

/// Runs a command, and waits where it waits.
fn ask(client: &mut Client, line: &str) -> Reply {
    match client.line(line) {
        Some(reply) => reply,
        None => client.receive().expect("whoever waits is woken"),
    }
}

/// A reply of `XREAD` as RESP2 has it: streams in an array.
fn flat(reply: Reply) -> Reply {
    match reply {
        Reply::Map(pairs) => {
            Reply::Array(pairs.into_iter().map(|(key, value)| Reply::Array(vec![key, value])).collect())
        }
        other => other,
    }
}

fn produce(engine: &Arc<Engine>, producer: u64, items: u64) {
    let mut client = Client::new(engine);
    for n in 0..items {
        let stream = STREAMS[((n + producer) % 3) as usize];
        client.line(&format!("XADD {stream} * v {}", producer * items + n));
        if n % 32 == 0 {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

#[test]
fn every_reader_that_waits_sees_every_entry_once_and_in_order() {
    const ITEMS: u64 = 1500;
    for shards in [1, 16] {
        let engine = engine(shards, Clock::system());
        std::thread::scope(|scope| {
            let readers: Vec<_> = (0..3)
                .map(|reader| {
                    let engine = &engine;
                    scope.spawn(move || {
                        let mut client = Client::new(engine);
                        let mut last: BTreeMap<String, String> =
                            STREAMS.iter().map(|name| (name.to_string(), "0".to_string())).collect();
                        let mut seen = Vec::new();
                        while seen.len() < 2 * ITEMS as usize {
                            let ids: Vec<&str> = STREAMS.iter().map(|name| &*last[*name]).collect();
                            let count = 1 + reader * 7;
                            let line = format!(
                                "XREAD COUNT {count} BLOCK 0 STREAMS {} {}",
                                STREAMS.join(" "),
                                ids.join(" ")
                            );
                            for (stream, id, value) in entries(&flat(ask(&mut client, &line))) {
                                last.insert(stream, id);
                                seen.push(value);
                            }
                        }
                        seen
                    })
                })
                .collect();
            let producing: Vec<_> = (0..2)
                .map(|number| {
                    scope.spawn({
                        let engine = &engine;
                        move || produce(engine, number, ITEMS)
                    })
                })
                .collect();
            producing.into_iter().for_each(|thread| thread.join().unwrap());
            for reader in readers {
                let mut seen = reader.join().unwrap();
                // Each producer's entries of a stream come in their order; all of them come once.
                for producer in 0..2 {
                    for offset in 0..3 {
                        let own = seen
                            .iter()
                            .filter(|&&value| value / ITEMS == producer && value % ITEMS % 3 == offset);
                        assert!(own.is_sorted());
                    }
                }
                seen.sort_unstable();
                assert!(seen.into_iter().eq(0..2 * ITEMS));
            }
        });
        assert_eq!((engine.stats().blocked.load(Ordering::Relaxed), engine.blocking_keys_len()), (0, 0));
    }
}

/// Consumers that vanish while they wait leave what they were given pending; whoever comes back under their name gets it.
#[test]
fn a_group_gives_every_entry_to_one_consumer_though_they_come_and_go() {
    const ITEMS: u64 = 1500;
    for shards in [1, 16] {
        let engine = engine(shards, Clock::system());
        let mut admin = Client::new(&engine);
        for name in STREAMS {
            admin.line(&format!("XGROUP CREATE {name} g 0 MKSTREAM"));
        }
        let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let mut all: Vec<u64> = std::thread::scope(|scope| {
            let consumers: Vec<_> = (0..4)
                .map(|number| {
                    let (engine, done, stop) = (&engine, &done, &stop);
                    scope.spawn(move || {
                        let mut client = Client::new(engine);
                        let mut taken = Vec::new();
                        let mut round = number;
                        while !stop.load(Ordering::Relaxed) {
                            round += 1;
                            let head = format!("XREADGROUP GROUP g c{number} COUNT 3");
                            let names = STREAMS.join(" ");
                            // What an earlier wait left pending comes first.
                            let history = ask(&mut client, &format!("{head} STREAMS {names} 0 0 0"));
                            let mut got = entries(&flat(history));
                            if got.is_empty() {
                                match client.line(&format!("{head} BLOCK 5 STREAMS {names} > > >")) {
                                    Some(reply) => got = entries(&flat(reply)),
                                    None if round % 3 == 0 => {
                                        let waiter = client.waiter.clone().unwrap();
                                        client.bell.wait(Duration::from_micros(200), || waiter.has_ended());
                                        client.abandon();
                                    }
                                    None => got = entries(&flat(client.receive().unwrap())),
                                }
                            }
                            for (stream, id, value) in got {
                                assert_eq!(
                                    client.line(&format!("XACK {stream} g {id}")),
                                    Some(Reply::Int(1))
                                );
                                taken.push(value);
                                done.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                        taken
                    })
                })
                .collect();
            let producing: Vec<_> = (0..2)
                .map(|number| {
                    scope.spawn({
                        let engine = &engine;
                        move || produce(engine, number, ITEMS)
                    })
                })
                .collect();
            producing.into_iter().for_each(|thread| thread.join().unwrap());
            let watch = Stopwatch::start();
            while done.load(Ordering::Relaxed) < 2 * ITEMS {
                assert!(watch.elapsed() < PATIENCE, "{} consumed", done.load(Ordering::Relaxed));
                std::thread::sleep(Duration::from_millis(1));
            }
            stop.store(true, Ordering::Relaxed);
            consumers.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        all.sort_unstable();
        assert!(all.into_iter().eq(0..2 * ITEMS));
        for name in STREAMS {
            let Some(Reply::Array(summary)) = admin.line(&format!("XPENDING {name} g")) else { panic!() };
            assert_eq!(summary[0], Reply::Int(0));
        }
        assert_eq!((engine.stats().blocked.load(Ordering::Relaxed), engine.blocking_keys_len()), (0, 0));
    }
}

#[test]
fn what_a_group_gave_to_somebody_who_is_gone_stays_pending_with_it() {
    let engine = engine(4, Clock::system());
    let (mut client, mut producer) = (Client::new(&engine), Client::new(&engine));
    producer.line("XGROUP CREATE s g $ MKSTREAM");
    assert_eq!(client.line("XREADGROUP GROUP g alice BLOCK 0 STREAMS s >"), None);
    producer.line("XADD s 1-1 v 7");
    assert!(!client.waits());
    client.abandon();
    let history = producer.line("XREADGROUP GROUP g alice STREAMS s 0").map(flat);
    assert_eq!(history.map(|reply| entries(&reply)), Some(vec![("s".into(), "1-1".into(), 7)]));
}

/// It was told without its other shards, and its places in their queues go with it when it takes the news.
#[test]
fn a_key_that_expires_ends_waits_for_it_wherever_they_wait_besides() {
    for shards in [1, 16] {
        let engine = engine(shards, Clock::manual(START_MS));
        let mut clients: Vec<Client> = (0..10).map(|_| Client::new(&engine)).collect();
        let mut admin = Client::new(&engine);
        for n in 0..6 {
            admin.line(&format!("XGROUP CREATE k{n} g $ MKSTREAM"));
        }
        for client in &mut clients {
            let line = "XREADGROUP GROUP g c BLOCK 0 STREAMS k0 k1 k2 k3 k4 k5 > > > > > >";
            assert_eq!(client.line(line), None);
        }
        admin.line("PEXPIRE k3 1000");
        engine.advance(Duration::from_millis(1001));
        for client in &mut clients {
            let Some(Reply::Error(error)) = client.receive() else { panic!("it waits for ever") };
            assert!(error.starts_with("NOGROUP No such key 'k3'"), "{error}");
        }
        assert_eq!((engine.stats().blocked.load(Ordering::Relaxed), engine.blocking_keys_len()), (0, 0));
    }
}

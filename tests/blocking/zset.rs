//! Waits for sorted sets: what goes back has its score, other types wake nobody, and under load nothing is lost.

use crate::{Client, bulk, engine};
use damselfly::clock::Clock;
use damselfly::reply::Reply;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn pairs(pairs: &[(&str, f64)]) -> Reply {
    let pair = |(member, score): &(&str, f64)| Reply::Array(vec![bulk(member), Reply::Double(*score)]);
    Reply::Array(pairs.iter().map(pair).collect())
}

fn all(client: &mut Client, key: &str) -> Reply {
    client.line(&format!("ZRANGE {key} 0 -1 WITHSCORES")).unwrap()
}

#[test]
fn what_nobody_took_goes_back_with_its_score() {
    for limit in [0, 128] {
        for wait in ["BZPOPMIN z 0", "BZPOPMAX z 0", "BZMPOP 0 1 z MIN COUNT 2", "BZMPOP 0 2 y z MAX COUNT 9"]
        {
            for shards in [1, 16] {
                let engine = engine(shards, Clock::system());
                let (mut client, mut producer) = (Client::new(&engine), Client::new(&engine));
                producer.line(&format!("CONFIG SET zset-max-listpack-entries {limit}"));
                assert_eq!(client.line(wait), None);
                assert_eq!(producer.line("ZADD z 1.5 a -inf b 0.1 c"), Some(Reply::Int(3)));
                assert!(!client.waits());
                assert_ne!(producer.line("ZCARD z"), Some(Reply::Int(3)), "{wait}");
                client.abandon();
                let whole = pairs(&[("b", f64::NEG_INFINITY), ("c", 0.1), ("a", 1.5)]);
                assert_eq!(all(&mut producer, "z"), whole, "{wait}");
            }
        }
    }
}

#[test]
fn what_was_added_again_meanwhile_keeps_its_new_score() {
    let engine = engine(4, Clock::system());
    let (mut client, mut producer) = (Client::new(&engine), Client::new(&engine));
    assert_eq!(client.line("BZMPOP 0 1 z MIN COUNT 2"), None);
    assert_eq!(producer.line("ZADD z 1 a 2 b"), Some(Reply::Int(2)));
    assert_eq!(producer.line("ZADD z 7 a"), Some(Reply::Int(1)));
    client.abandon();
    assert_eq!(all(&mut producer, "z"), pairs(&[("b", 2.0), ("a", 7.0)]));
    // Where the key has become something else there is nothing to go back to.
    assert_eq!(client.line("BZPOPMIN y 0"), None);
    assert_eq!(producer.line("ZADD y 1 a"), Some(Reply::Int(1)));
    assert_eq!(producer.line("SET y s"), Some(Reply::Simple("OK".into())));
    client.abandon();
    assert_eq!(producer.line("GET y"), Some(bulk("s")));
}

#[test]
fn what_goes_back_is_for_the_next_in_line() {
    let engine = engine(8, Clock::system());
    let (mut first, mut second, mut producer) =
        (Client::new(&engine), Client::new(&engine), Client::new(&engine));
    assert_eq!(first.line("BZPOPMIN y z 0"), None);
    assert_eq!(second.line("BZPOPMIN z 0"), None);
    assert_eq!(producer.line("ZADD z 4 m"), Some(Reply::Int(1)));
    first.abandon();
    assert_eq!(second.take(), Some(Reply::Array(vec![bulk("z"), bulk("m"), Reply::Double(4.0)])));
    assert_eq!(producer.line("EXISTS z"), Some(Reply::Int(0)));
}

#[test]
fn another_type_leaves_those_who_wait_alone() {
    let engine = engine(2, Clock::system());
    let (mut list, mut zset, mut producer) =
        (Client::new(&engine), Client::new(&engine), Client::new(&engine));
    assert_eq!(zset.line("BZPOPMIN k 0"), None);
    assert_eq!(list.line("BLPOP k 0"), None);
    for (make, wakes) in [("SADD k a", false), ("SET k s", false), ("RPUSH k v", true)] {
        producer.line("DEL k");
        producer.line(make);
        assert_eq!(list.waits(), !wakes, "{make}");
        assert!(zset.waits(), "{make}");
    }
    assert!(list.take().is_some());
    assert_eq!(producer.line("ZADD k 1 m"), Some(Reply::Int(1)));
    assert!(!zset.waits());
}

/// The members in the reply of a pop.
fn popped(reply: &Reply) -> Vec<u64> {
    let number = |member: &Reply| {
        member.as_bytes().and_then(|text| std::str::from_utf8(text).ok()).and_then(|text| text.parse().ok())
    };
    match reply {
        Reply::Array(items) => match &items[1] {
            Reply::Array(pairs) => pairs
                .iter()
                .filter_map(|pair| if let Reply::Array(pair) = pair { number(&pair[0]) } else { None })
                .collect(),
            member => number(member).into_iter().collect(),
        },
        _ => Vec::new(),
    }
}

#[test]
fn under_load_every_member_is_consumed_once_or_still_in_a_set() {
    const ITEMS: u64 = 4_000;
    for shards in [1, 8] {
        let engine = engine(shards, Clock::system());
        let stop = AtomicBool::new(false);
        let mut taken: Vec<u64> = std::thread::scope(|scope| {
            let consumers: Vec<_> = (0..4u64)
                .map(|n| {
                    let (engine, stop) = (&engine, &stop);
                    scope.spawn(move || {
                        let (mut client, mut taken, mut turn) = (Client::new(engine), Vec::new(), n);
                        while !stop.load(Ordering::Relaxed) {
                            turn =
                                turn.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
                            let (a, b) = ((turn >> 40) % 4, (turn >> 44) % 4);
                            let line = match (turn >> 48) % 3 {
                                0 => format!("BZPOPMIN q{a} q{b} 0.002"),
                                1 => format!("BZPOPMAX q{a} 0"),
                                _ => format!("BZMPOP 0.002 2 q{a} q{b} MIN COUNT 3"),
                            };
                            if let Some(reply) = client.line(&line) {
                                taken.extend(popped(&reply));
                                continue;
                            }
                            let waiter = client.waiter.clone().unwrap();
                            client
                                .bell
                                .wait(Duration::from_micros((turn >> 52) % 300), || waiter.has_ended());
                            match (turn >> 36) % 4 {
                                0 => client.abandon(),
                                1 => client = Client::new(engine),
                                _ => match client.take() {
                                    Some(reply) => taken.extend(popped(&reply)),
                                    None => client.abandon(),
                                },
                            }
                        }
                        client.abandon();
                        taken
                    })
                })
                .collect();
            let producers: Vec<_> = (0..2u64)
                .map(|producer| {
                    let engine = &engine;
                    scope.spawn(move || {
                        let mut client = Client::new(engine);
                        for n in (producer..ITEMS).step_by(2) {
                            let line = format!("ZADD q{} {} {n}", n / 2 % 4, n % 17);
                            assert_eq!(client.line(&line), Some(Reply::Int(1)));
                            if n % 9 == 0 {
                                std::thread::sleep(Duration::from_micros(n % 70));
                            }
                        }
                    })
                })
                .collect();
            producers.into_iter().for_each(|thread| thread.join().unwrap());
            stop.store(true, Ordering::Relaxed);
            consumers.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let consumed = taken.len();
        assert_eq!(engine.blocking_keys_len(), 0);
        let mut client = Client::new(&engine);
        for key in 0..4 {
            let Some(Reply::Array(left)) = client.line(&format!("ZRANGE q{key} 0 -1")) else {
                panic!("a set")
            };
            taken.extend(left.iter().map(|member| {
                std::str::from_utf8(member.as_bytes().unwrap()).unwrap().parse::<u64>().unwrap()
            }));
        }
        taken.sort_unstable();
        assert_eq!(taken, (0..ITEMS).collect::<Vec<_>>());
        assert!(consumed > 0);
    }
}

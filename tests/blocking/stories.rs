//! Single stories: whose turn it is, how a wait ends, and where that goes which nobody took.

use crate::{Client, START_MS, array, engine};
use damselfly::clock::Clock;
use damselfly::engine::Ended;
use damselfly::reply::Reply;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[test]
fn who_came_first_is_served_first_over_all_its_keys_on_all_shards() {
    for shards in [1, 4, 64] {
        let engine = engine(shards, Clock::system());
        let keys: Vec<String> = (0..8).map(|n| format!("key:{n}")).collect();
        let mut producer = Client::new(&engine);
        // Everyone waits for three keys; everyone who comes later shares one with whoever came before.
        let mut waiters: Vec<(Vec<&str>, Client)> = (0..24)
            .map(|n| {
                let wanted: Vec<&str> =
                    [n, n * 3 + 1, n * 5 + 2].iter().map(|k| keys[k % 8].as_str()).collect();
                let mut client = Client::new(&engine);
                let argv: Vec<&str> = ["BLPOP"].into_iter().chain(wanted.clone()).chain(["0"]).collect();
                assert_eq!(client.call(&argv), None);
                (wanted, client)
            })
            .collect();
        for n in (0..).take(10_000) {
            if waiters.is_empty() {
                break;
            }
            let key = keys[(n * 7 + n / 3) % 8].as_str();
            let Some(first) = waiters.iter().position(|(wanted, _)| wanted.contains(&key)) else { continue };
            assert_eq!(producer.call(&["RPUSH", key, "v"]), Some(Reply::Int(1)));
            for (at, (_, client)) in waiters.iter().enumerate() {
                assert_eq!(client.waits(), at != first, "{shards} shards, push {n} to {key}, waiter {at}");
            }
            let (_, mut client) = waiters.remove(first);
            assert_eq!(client.take(), Some(array(&[key, "v"])));
        }
        assert!(waiters.is_empty());
        assert_eq!(engine.stats().blocked.load(Ordering::Relaxed), 0);
        assert_eq!(engine.blocking_keys_len(), 0, "no ticket stays in a queue");
    }
}

#[test]
fn a_wait_ends_with_the_manual_clock_and_not_before() {
    let engine = engine(4, Clock::manual(START_MS));
    let mut clients: Vec<Client> = (0..20).map(|_| Client::new(&engine)).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        // In no order: 7, 14, 1, 8, …
        let seconds = (n * 7 + 7) % 20 + 1;
        assert_eq!(client.line(&format!("BLPOP a b c {seconds}")), None);
    }
    for second in 1..=20 {
        engine.advance(Duration::from_millis(999));
        std::thread::sleep(Duration::from_millis(2));
        let due = |n: usize| (n * 7 + 7) % 20 + 1;
        for (n, client) in clients.iter().enumerate() {
            assert!(
                client.waiter.is_none() || due(n) < second || client.waits(),
                "{n} ended before its time"
            );
        }
        engine.advance(Duration::from_millis(1));
        for (n, client) in clients.iter_mut().enumerate() {
            if due(n) == second {
                assert_eq!(client.receive(), Some(Reply::Null), "the wait of {n} did not end in time");
            }
        }
    }
    assert_eq!(engine.blocking_keys_len(), 0);
}

/// The thread for background work slept until the first timeout that it knew; an earlier one must wake it.
#[test]
fn a_shorter_wait_that_begins_later_ends_in_time() {
    let engine = engine(2, Clock::system());
    let (mut long, mut short) = (Client::new(&engine), Client::new(&engine));
    assert_eq!(long.line("BLPOP k 100"), None);
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(short.line("BLPOP k 0.05"), None);
    assert_eq!(short.receive(), Some(Reply::Null));
    assert!(long.waits());
}

#[test]
fn a_wait_may_be_ended_by_others_but_only_once() {
    let engine = engine(4, Clock::system());
    let (mut client, mut producer) = (Client::new(&engine), Client::new(&engine));
    // As CLIENT UNBLOCK does.
    assert_eq!(client.line("BLPOP k 0"), None);
    let waiter = engine.client(client.session.client.id).unwrap().waiter().unwrap();
    assert!(waiter.end(Ended::TimedOut) && !waiter.end(Ended::Unblocked));
    assert_eq!(client.receive(), Some(Reply::Null));
    assert!(client.session.client.waiter().is_none());
    // And with an error, which is counted.
    assert_eq!(client.line("BLPOP k 0"), None);
    let waiter = client.session.client.waiter().unwrap();
    assert!(waiter.end(Ended::Unblocked));
    assert_eq!(client.receive(), Some(Reply::Error("UNBLOCKED client unblocked via CLIENT UNBLOCK".into())));
    assert_eq!(engine.stats().errors.load(Ordering::Relaxed), 1);
    // What is pushed after that is not for it, though it has not come to take its end.
    assert_eq!(client.line("BLPOP k 0"), None);
    assert!(client.session.client.waiter().unwrap().end(Ended::TimedOut));
    assert_eq!(producer.line("RPUSH k v"), Some(Reply::Int(1)));
    assert_eq!(producer.line("LRANGE k 0 -1"), Some(array(&["v"])));
    assert_eq!(client.take(), Some(Reply::Null));
    // And one that is served cannot be ended.
    assert_eq!(client.line("BLPOP other 0"), None);
    let waiter = client.session.client.waiter().unwrap();
    assert_eq!(producer.line("RPUSH other w"), Some(Reply::Int(1)));
    assert!(!waiter.end(Ended::TimedOut));
    assert_eq!(client.take(), Some(array(&["other", "w"])));
}

#[test]
fn what_nobody_took_goes_back_to_the_end_it_came_from_in_its_order() {
    for (wait, back) in [
        ("BLPOP l 0", &["1", "2", "3", "4"][..]),
        ("BRPOP l 0", &["1", "2", "3", "4"]),
        ("BLMPOP 0 1 l LEFT COUNT 3", &["1", "2", "3", "4"]),
        ("BLMPOP 0 1 l RIGHT COUNT 3", &["1", "2", "3", "4"]),
        ("BLMPOP 0 1 l RIGHT COUNT 9", &["1", "2", "3", "4"]),
        ("BLMOVE l m LEFT RIGHT 0", &["1", "2", "3", "4"]),
        ("BLMOVE l m RIGHT LEFT 0", &["1", "2", "3", "4"]),
        ("BLMOVE l l LEFT RIGHT 0", &["1", "2", "3", "4"]),
    ] {
        for shards in [1, 16] {
            let engine = engine(shards, Clock::system());
            let (mut client, mut producer) = (Client::new(&engine), Client::new(&engine));
            assert_eq!(client.line(wait), None);
            assert_eq!(producer.line("RPUSH l 1 2 3 4"), Some(Reply::Int(4)));
            assert!(!client.waits());
            client.abandon();
            assert_eq!(producer.line("LRANGE l 0 -1"), Some(array(back)), "{wait}");
            assert_eq!(producer.line("EXISTS m"), Some(Reply::Int(0)), "{wait}");
        }
    }
}

#[test]
fn what_goes_back_is_for_the_next_in_line() {
    let engine = engine(8, Clock::system());
    let mut clients: Vec<Client> = (0..3).map(|_| Client::new(&engine)).collect();
    for client in &mut clients {
        assert_eq!(client.line("BLPOP l m 0"), None);
    }
    let mut producer = Client::new(&engine);
    assert_eq!(producer.line("RPUSH m v"), Some(Reply::Int(1)));
    let [first, second, third] = &mut clients[..] else { unreachable!() };
    first.abandon();
    assert!(!second.waits() && third.waits());
    // A connection that closes is the same.
    engine.disconnect(&mut second.session);
    second.waiter = None;
    assert_eq!(third.take(), Some(array(&["m", "v"])));
    assert_eq!(producer.line("EXISTS m"), Some(Reply::Int(0)));
}

#[test]
fn what_was_moved_and_has_moved_on_stays_there() {
    let engine = engine(8, Clock::system());
    let (mut mover, mut producer) = (Client::new(&engine), Client::new(&engine));
    assert_eq!(mover.line("BLMOVE l m LEFT RIGHT 0"), None);
    assert_eq!(producer.line("RPUSH l v"), Some(Reply::Int(1)));
    assert_eq!(producer.line("RPUSH m w"), Some(Reply::Int(2)));
    mover.abandon();
    assert_eq!(producer.line("LRANGE m 0 -1"), Some(array(&["v", "w"])));
    assert_eq!(producer.line("EXISTS l"), Some(Reply::Int(0)));
    // Nor is it moved back to what is no list any more.
    assert_eq!(mover.line("BLMOVE l2 m LEFT RIGHT 0"), None);
    assert_eq!(producer.line("RPUSH l2 x"), Some(Reply::Int(1)));
    assert_eq!(producer.line("SET l2 s"), Some(Reply::Simple("OK".into())));
    mover.abandon();
    assert_eq!(producer.line("LRANGE m 0 -1"), Some(array(&["v", "w", "x"])));
}

/// And leaves nothing of them behind on the shards of their other keys.
#[test]
fn a_push_to_many_waiters_serves_as_many_as_it_has_elements_for() {
    let engine = engine(4, Clock::system());
    let mut clients: Vec<Client> = (0..500).map(|_| Client::new(&engine)).collect();
    for client in &mut clients {
        assert_eq!(client.line("BLPOP a b c d e 0"), None);
    }
    let mut producer = Client::new(&engine);
    let argv: Vec<String> =
        ["RPUSH".into(), "c".into()].into_iter().chain((0..300).map(|n| n.to_string())).collect();
    assert_eq!(producer.call(&argv), Some(Reply::Int(300)));
    for (n, client) in clients.iter_mut().enumerate() {
        if n < 300 {
            assert_eq!(client.take(), Some(array(&["c".to_string(), n.to_string()])));
        } else {
            assert!(client.waits());
        }
    }
    assert_eq!(engine.stats().blocked.load(Ordering::Relaxed), 200);
    drop(clients);
    assert_eq!(engine.stats().blocked.load(Ordering::Relaxed), 0);
    assert_eq!(engine.blocking_keys_len(), 0);
}

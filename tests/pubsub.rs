//! Pub/Sub under threads: nothing is lost, nothing comes out of order, and nobody waits for a subscriber.

#![cfg_attr(
    feature = "server",
    expect(clippy::disallowed_methods, reason = "what is tested is measured from outside")
)]

mod common;

use damselfly::embed::{Error, Subscription};
use damselfly::reply::Reply;
use damselfly::{Damselfly, config::Config};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

fn db() -> Damselfly {
    Damselfly::open(Config::default().shards(4u32).seed(1)).expect("a good configuration")
}

fn payload(subscription: &mut Subscription) -> Option<String> {
    let message = subscription.recv_timeout(PATIENCE).expect("nothing is lost")?;
    Some(String::from_utf8_lossy(&message.payload).into_owned())
}

#[test]
fn each_publisher_is_heard_in_its_order_and_all_subscribers_hear_the_same() {
    const PUBLISHERS: usize = 4;
    const MESSAGES: usize = 2_000;
    let db = db();
    let mut subscribers: Vec<Subscription> =
        (0..3).map(|_| db.subscribe(["c"]).expect("subscribed").with_capacity(usize::MAX)).collect();
    let by_pattern = db.psubscribe(["c*", "d"]).expect("subscribed").with_capacity(usize::MAX);
    subscribers.push(by_pattern);
    let threads: Vec<_> = (0..PUBLISHERS)
        .map(|publisher| {
            let db = db.clone();
            std::thread::spawn(move || {
                for n in 0..MESSAGES {
                    assert_eq!(db.publish("c", format!("{publisher} {n}")), Ok(4));
                }
            })
        })
        .collect();
    let heard: Vec<Vec<String>> = subscribers
        .iter_mut()
        .map(|subscriber| {
            (0..PUBLISHERS * MESSAGES).map(|_| payload(subscriber).expect("a message in time")).collect()
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    for heard in &heard {
        for publisher in 0..PUBLISHERS {
            let theirs: Vec<usize> = heard
                .iter()
                .filter_map(|message| message.split_once(' '))
                .filter(|(by, _)| *by == publisher.to_string())
                .map(|(_, n)| n.parse().expect("a number"))
                .collect();
            assert_eq!(theirs, (0..MESSAGES).collect::<Vec<_>>());
        }
    }
    assert_eq!(heard[0], heard[1]);
    assert_eq!(heard[0], heard[2]);
    assert!(subscribers.iter_mut().all(|subscriber| subscriber.try_recv() == Ok(None)));
}

#[test]
fn a_slow_reader_misses_the_oldest_and_is_told_how_many() {
    let db = db();
    let mut slow = db.subscribe(["c"]).expect("subscribed").with_capacity(3);
    let mut quick = db.subscribe(["c"]).expect("subscribed");
    for n in 0..10 {
        assert_eq!(db.publish("c", n.to_string()), Ok(2));
    }
    assert_eq!(slow.try_recv(), Err(Error::Lagged(7)));
    for n in 7..10 {
        assert_eq!(payload(&mut slow), Some(n.to_string()));
    }
    assert_eq!(slow.try_recv(), Ok(None));
    for n in 0..10 {
        assert_eq!(payload(&mut quick), Some(n.to_string()));
    }
}

#[test]
fn a_subscription_that_is_dropped_listens_no_more() {
    let db = db();
    let mut subscription = db.subscribe(["a", "b"]).expect("subscribed");
    subscription.psubscribe(["p*"]).expect("subscribed");
    subscription.ssubscribe(["s"]).expect("subscribed");
    subscription.unsubscribe(["b"]).expect("unsubscribed");
    assert_eq!((db.pubsub_channels().len(), db.pubsub_numpat(), db.pubsub_shardnumsub("s")), (1, 1, 1));
    assert_eq!((db.publish("b", "x"), db.publish("pp", "x"), db.spublish("s", "x")), (Ok(0), Ok(1), Ok(1)));
    let message = subscription.recv().expect("a message");
    assert_eq!((message.pattern.as_deref(), &message.channel[..]), (Some(&b"p*"[..]), &b"pp"[..]));
    assert!(subscription.recv().expect("a message").shard);
    assert_eq!(subscription.recv_timeout(Duration::from_millis(5)), Ok(None));
    drop(subscription);
    assert_eq!((db.publish("a", "x"), db.publish("pp", "x"), db.spublish("s", "x")), (Ok(0), Ok(0), Ok(0)));
    assert_eq!((db.pubsub_channels().len(), db.pubsub_numpat()), (0, 0));
    assert_eq!(db.engine().clients_len(), 0);
}

#[test]
fn a_future_that_is_dropped_takes_no_message_with_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let db = db();
        let mut subscription = db.subscribe(["c"]).expect("subscribed");
        for _ in 0..3 {
            let waited = tokio::time::timeout(Duration::from_millis(5), subscription.next()).await;
            assert!(waited.is_err(), "there is nothing yet");
        }
        let publisher = db.clone();
        std::thread::spawn(move || publisher.publish("c", "late"));
        let message = subscription.next().await.expect("a message");
        assert_eq!(&message.payload[..], b"late");
    });
}

#[test]
fn a_subscription_that_is_killed_says_so() {
    let db = db();
    let mut subscription = db.subscribe(["c"]).expect("subscribed");
    assert_eq!(db.call(["CLIENT", "KILL", "TYPE", "pubsub"]), Ok(Reply::Int(1)));
    assert_eq!(subscription.recv(), Err(Error::Closed));
    assert_eq!(db.publish("c", "x"), Ok(0));
    assert_eq!(subscription.subscribe(["d"]), Ok(()));
    assert_eq!(db.publish("d", "x"), Ok(0));
}

#[test]
fn a_call_that_subscribes_leaves_nothing_behind() {
    let db = db();
    assert!(matches!(db.call(["SUBSCRIBE", "c"]), Ok(Reply::Push(_))));
    assert_eq!(db.publish("c", "x"), Ok(0));
    let mut session = db.session();
    assert!(matches!(session.call(["SUBSCRIBE", "c", "d"]), Ok(Reply::Push(_))));
    assert!(matches!(session.next_push(), Ok(Some(Reply::Push(_)))), "the answer for d");
    assert_eq!(session.call(["PUBLISH", "d", "x"]), Ok(Reply::Int(1)));
    let push = Reply::Push(["message", "d", "x"].map(|part| Reply::Bulk(part.into())).to_vec());
    assert_eq!(session.next_push(), Ok(Some(push)));
    assert_eq!(session.next_push(), Ok(None));
}

/// Clients come and go while others publish: whoever unsubscribed and was told so gets no more.
#[test]
fn subscribing_and_publishing_at_once_loses_no_topic() {
    let db = db();
    let stop = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (db, stop) = (db.clone(), Arc::clone(&stop));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    db.publish("c", "x").expect("published");
                }
            })
        })
        .collect();
    for _ in 0..2_000 {
        let mut subscription = db.subscribe(["c"]).expect("subscribed");
        subscription.psubscribe(["c"]).expect("subscribed");
        subscription.unsubscribe(["c"]).expect("unsubscribed");
        subscription.punsubscribe(["c"]).expect("unsubscribed");
        let before = subscription.with_capacity(1).try_recv().is_ok();
        let _ = before;
    }
    stop.store(true, Ordering::Relaxed);
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    assert_eq!((db.pubsub_channels().len(), db.pubsub_numpat()), (0, 0));
}

#[cfg(feature = "server")]
mod served {
    use super::*;
    use crate::common::places::{RemoteClient, TestServer, config};
    use crate::common::resp::Value;
    use crate::common::script::words;
    use damselfly::clock::Clock;
    use std::time::Instant;

    fn start(limit: &str) -> TestServer {
        let server = TestServer::start(&config(4).io_threads(2), Clock::system());
        if !limit.is_empty() {
            let mut client = server.connect();
            let set = format!("CONFIG SET client-output-buffer-limit \"{limit}\"");
            assert_eq!(client.line(&set), Ok(Value::Simple(b"OK".to_vec())));
        }
        server
    }

    fn bulk(text: &str) -> Value {
        Value::Bulk(text.as_bytes().to_vec())
    }

    fn next(client: &mut RemoteClient) -> Value {
        client.receive(PATIENCE).expect("open").expect("in time")
    }

    #[test]
    fn pipelines_of_messages_arrive_whole_and_in_order() {
        const MESSAGES: usize = 5_000;
        let server = start("");
        let mut subscribers: Vec<RemoteClient> = (0..4).map(|_| server.connect()).collect();
        for (n, subscriber) in subscribers.iter_mut().enumerate() {
            if n % 2 == 1 {
                subscriber.line("HELLO 3").expect("RESP3");
            }
            subscriber.line("SUBSCRIBE c").expect("subscribed");
        }
        let mut publisher = server.connect();
        let large = "x".repeat(20_000);
        let text = |n: usize| if n % 500 == 7 { format!("{n} {large}") } else { n.to_string() };
        let requests: Vec<u8> = (0..MESSAGES)
            .flat_map(|n| common::resp::request(&[b"PUBLISH".to_vec(), b"c".to_vec(), text(n).into_bytes()]))
            .collect();
        std::thread::scope(|scope| {
            scope.spawn(|| publisher.send_bytes(&requests).expect("sent"));
            for (at, subscriber) in subscribers.iter_mut().enumerate() {
                for n in 0..MESSAGES {
                    let parts = vec![bulk("message"), bulk("c"), bulk(&text(n))];
                    let wanted = if at % 2 == 1 { Value::Push(parts) } else { Value::Array(parts) };
                    assert_eq!(next(subscriber), wanted);
                }
            }
        });
        for _ in 0..MESSAGES {
            assert_eq!(next(&mut publisher), Value::Int(4));
        }
    }

    /// Fills the socket's buffers of somebody who does not read, until it is closed.
    fn flood(server: &TestServer, limit_bytes: usize, patience: Duration) -> usize {
        let mut lazy = server.connect();
        lazy.line("SUBSCRIBE c").expect("subscribed");
        let mut publisher = server.connect();
        let message = vec![b'x'; 64 * 1024];
        let request = [b"PUBLISH".to_vec(), b"c".to_vec(), message];
        let began = Instant::now();
        let mut sent = 0;
        while publisher.ask(&request) == Ok(Value::Int(1)) {
            sent += 64 * 1024;
            assert!(sent < limit_bytes + (64 << 20) || !patience.is_zero(), "it is never closed");
            assert!(began.elapsed() < PATIENCE, "it is never closed");
            if sent > limit_bytes + (16 << 20) {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        sent
    }

    #[test]
    fn a_subscriber_that_reads_nothing_is_closed_at_the_hard_limit() {
        let server = start("pubsub 2mb 0 0");
        let sent = flood(&server, 2 << 20, Duration::ZERO);
        assert!(sent > 1 << 20, "closed after {sent} bytes");
        // A message that alone is too large closes its subscriber as well.
        let mut lazy = server.connect();
        lazy.line("SUBSCRIBE c").expect("subscribed");
        let request = [b"PUBLISH".to_vec(), b"c".to_vec(), vec![b'x'; 3 << 20]];
        assert_eq!(server.connect().ask(&request), Ok(Value::Int(1)));
        assert!(lazy.receive(PATIENCE).is_err());
    }

    #[test]
    fn a_subscriber_above_the_soft_limit_for_too_long_is_closed_though_nothing_more_comes() {
        let server = start("pubsub 0 1mb 1");
        let mut lazy = server.connect();
        lazy.line("SUBSCRIBE c").expect("subscribed");
        let mut publisher = server.connect();
        let request = [b"PUBLISH".to_vec(), b"c".to_vec(), vec![b'x'; 64 * 1024]];
        for _ in 0..32 << 4 {
            assert_eq!(publisher.ask(&request), Ok(Value::Int(1)));
        }
        let began = Instant::now();
        while publisher.line("PUBSUB NUMSUB c") == Ok(Value::Array(vec![bulk("c"), Value::Int(1)])) {
            assert!(began.elapsed() < PATIENCE, "it is never closed");
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(lazy);
    }

    #[test]
    fn limits_of_others_are_not_those_of_subscribers() {
        let server = start("normal 1mb 0 0 pubsub 0 0 0");
        let mut subscriber = server.connect();
        subscriber.line("SUBSCRIBE c").expect("subscribed");
        let request = [b"PUBLISH".to_vec(), b"c".to_vec(), vec![b'x'; 8 << 20]];
        assert_eq!(server.connect().ask(&request), Ok(Value::Int(1)));
        assert!(matches!(next(&mut subscriber), Value::Array(parts) if parts.len() == 3));
    }

    /// What was published before a client unsubscribed comes in front of the answer to that.
    #[test]
    fn no_message_comes_behind_the_answer_to_unsubscribing() {
        let server = start("");
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut publisher = server.connect();
                    while !stop.load(Ordering::Relaxed) {
                        publisher.line("PUBLISH c m").expect("published");
                    }
                });
            }
            let mut client = server.connect();
            for round in 0..300 {
                client.line("SUBSCRIBE c").expect("subscribed");
                if round % 3 == 0 {
                    assert!(matches!(next(&mut client), Value::Array(_)));
                }
                let last = if round % 2 == 0 { "UNSUBSCRIBE c" } else { "RESET" };
                client.send(&words(last).expect("a command")).expect("sent");
                loop {
                    match next(&mut client) {
                        Value::Simple(_) => break,
                        Value::Array(parts) if parts[0] == bulk("unsubscribe") => break,
                        Value::Array(parts) => assert_eq!(parts[0], bulk("message")),
                        other => panic!("{other}"),
                    }
                }
                assert_eq!(client.line("ECHO done"), Ok(bulk("done")));
            }
            stop.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn both_doors_lead_to_the_same_channels() {
        let server = start("");
        let db = Damselfly::over(Arc::clone(&server.engine));
        let mut inside = db.subscribe(["c"]).expect("subscribed");
        let mut outside = server.connect();
        outside.line("SUBSCRIBE c").expect("subscribed");
        assert_eq!(db.publish("c", "from within"), Ok(2));
        let message = |text| Value::Array(vec![bulk("message"), bulk("c"), bulk(text)]);
        assert_eq!(next(&mut outside), message("from within"));
        assert_eq!(server.connect().line("PUBLISH c \"from without\""), Ok(Value::Int(2)));
        assert_eq!(next(&mut outside), message("from without"));
        assert_eq!(payload(&mut inside).as_deref(), Some("from within"));
        assert_eq!(payload(&mut inside).as_deref(), Some("from without"));
    }
}

//! The test kit, as a test of somebody's would use it.
#![cfg(feature = "testkit")]

use damselfly::Reply;
use damselfly::clock::Stopwatch;
use damselfly::testkit::{ClientError, TestServer};
use std::time::Duration;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn refusal(result: Result<Reply, ClientError>) -> String {
    match result {
        Err(ClientError::Refused(text)) => text,
        other => panic!("no refusal: {other:?}"),
    }
}

#[test]
fn a_server_is_there_within_two_milliseconds_and_gone_with_its_value() -> Outcome {
    // The first one of a process pays for what all share.
    drop(TestServer::start());
    let mut times: Vec<Duration> = (0..50)
        .map(|_| {
            let began = Stopwatch::start();
            let server = TestServer::start();
            let took = began.elapsed();
            drop(server);
            took
        })
        .collect();
    times.sort();
    println!("start: fastest {:?}, median {:?}, slowest {:?}", times[0], times[25], times[49]);
    // What it takes where nobody is in the way: other tests run on the same cores.
    assert!(times[0] <= Duration::from_millis(2), "{:?}", times[0]);

    let server = TestServer::start();
    let (addr, mut client) = (server.addr(), server.client());
    client.call(["SET", "k", "v"])?;
    drop(server);
    assert!(client.call(["GET", "k"]).is_err());
    assert!(std::net::TcpStream::connect(addr).is_err());
    Ok(())
}

#[test]
fn servers_know_nothing_of_each_other() -> Outcome {
    let servers: Vec<TestServer> = (0..16).map(|_| TestServer::start()).collect();
    for (number, server) in servers.iter().enumerate() {
        server.client().call(["SET", "number", &number.to_string()])?;
    }
    for (number, server) in servers.iter().enumerate() {
        server.assert_string("number", number.to_string());
        assert_eq!(server.db().dbsize()?, 1);
    }
    Ok(())
}

#[test]
fn time_goes_as_the_test_says() -> Outcome {
    let server = TestServer::start();
    let mut client = server.client();
    client.call(["SET", "k", "v", "EX", "60"])?;
    server.advance(Duration::from_secs(30));
    server.assert_ttl("k", 29..=30);
    server.advance(Duration::from_secs(31));
    server.assert_missing("k");
    // It ran on meanwhile; now it stands.
    server.freeze_time();
    let now = server.now_ms();
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(server.now_ms(), now);
    // Who waits is woken by time that is skipped as by time that passes.
    let mut waiting = server.client();
    waiting.send(["BLPOP", "jobs", "5"])?;
    while !matches!(client.call(["INFO", "clients"])?.as_bytes(), Some(info) if info.windows(17).any(|w| w == b"blocked_clients:1"))
    {
        std::thread::yield_now();
    }
    server.advance(Duration::from_secs(6));
    assert_eq!(waiting.receive()?, Reply::Null);
    server.unfreeze_time();
    std::thread::sleep(Duration::from_millis(20));
    assert!(server.now_ms() >= now + 6_010);
    Ok(())
}

#[test]
fn a_server_can_begin_at_any_moment() {
    let server = TestServer::builder().frozen_at(1_700_000_000_000).start();
    assert_eq!(server.now_ms(), 1_700_000_000_000);
}

#[test]
fn chance_repeats_itself_and_may_be_drawn_anew() -> Outcome {
    let draw = |seed: u64| -> Result<Vec<Reply>, ClientError> {
        let server = TestServer::builder().seed(seed).start();
        let mut client = server.client();
        client.call(
            ["SADD".to_owned(), "s".to_owned()].into_iter().chain((0..200).map(|n| format!("member:{n}"))),
        )?;
        (0..20).map(|_| client.call(["SRANDMEMBER", "s"])).collect()
    };
    assert_eq!(draw(7)?, draw(7)?);
    assert_ne!(draw(7)?, draw(8)?);
    Ok(())
}

#[test]
fn the_next_call_fails_and_the_one_after_it_does_not() -> Outcome {
    let server = TestServer::start();
    let mut client = server.client();
    server.db().set("k", "v")?;
    server.fail_next("get", "LOADING not yet");
    assert_eq!(client.call(["PING"])?, Reply::Simple("PONG".into()));
    assert_eq!(refusal(client.call(["GET", "k"])), "LOADING not yet");
    assert_eq!(client.call(["GET", "k"])?.as_bytes(), Some(&b"v"[..]));
    server.fail("CLIENT LIST", 2, "ERR no");
    for _ in 0..2 {
        assert_eq!(refusal(client.call(["CLIENT", "LIST"])), "ERR no");
    }
    client.call(["CLIENT", "LIST"])?;
    // What the test itself does in process is not hindered.
    server.fail_next("GET", "ERR no");
    assert!(server.db().call(["GET", "k"]).is_ok());
    server.heal();
    client.call(["GET", "k"])?;
    // A transaction finds out as it would of any refusal.
    server.fail_next("SET", "OOM no");
    client.call(["MULTI"])?;
    assert_eq!(refusal(client.call(["SET", "k", "w"])), "OOM no");
    assert!(refusal(client.call(["EXEC"])).starts_with("EXECABORT"));
    server.assert_string("k", "v");
    Ok(())
}

#[test]
fn replies_may_be_late_and_connections_lost() -> Outcome {
    let server = TestServer::start();
    let (mut client, mut other) = (server.client(), server.client());
    server.delay(Duration::from_millis(60));
    let began = Stopwatch::start();
    client.send(["PING"])?;
    other.call(["PING"])?;
    client.receive()?;
    let took = began.elapsed();
    // Both wait at the same time.
    assert!(took >= Duration::from_millis(60) && took < Duration::from_millis(115), "{took:?}");
    client.set_timeout(Some(Duration::from_millis(10)))?;
    assert!(client.call(["PING"]).is_err());
    server.delay(Duration::ZERO);

    let mut client = server.client();
    client.send(["BLPOP", "jobs", "0"])?;
    server.drop_connections();
    assert!(client.receive().is_err() && other.call(["PING"]).is_err());
    server.client().call(["PING"])?;
    Ok(())
}

#[test]
fn a_full_disk_refuses_writes_as_redis_does() -> Outcome {
    let server = TestServer::start();
    let mut client = server.client();
    client.call(["SET", "k", "v"])?;
    client.call(["SAVE"])?;
    server.full_disk();
    assert!(refusal(client.call(["SET", "k", "w"])).starts_with("MISCONF"));
    assert!(client.call(["SAVE"]).is_err());
    assert_eq!(client.call(["GET", "k"])?.as_bytes(), Some(&b"v"[..]));
    server.heal();
    client.call(["SET", "k", "w"])?;
    Ok(())
}

#[test]
fn all_data_is_shown_and_asserted() -> Outcome {
    let server = TestServer::builder().frozen_at(1_000_000).start();
    let db = server.db();
    db.set_with("token", "t\n\u{fc}", damselfly::embed::SetOptions::new().ex(Duration::from_secs(5)))?;
    db.rpush("jobs", ["b", "a"])?;
    db.call(["SADD", "tags", "y", "x"])?;
    db.call(["HSET", "user:1", "name", "ada", "age", "36"])?;
    db.call(["ZADD", "board", "2.5", "ada", "1", "bob"])?;
    db.call(["XADD", "log", "1-1", "did", "this"])?;
    db.select(3)?.set("k", [0xff, 0x00])?;
    server.assert_dump(
        r#"
        "board" zset
          "bob" 1
          "ada" 2.5
        "jobs" list
          "b"
          "a"
        "log" stream
          ["1-1" ["did" "this"]]
        "tags" set
          "x"
          "y"
        "token" string "t\nü" (expires in 5000 ms)
        "user:1" hash
          "age": "36"
          "name": "ada"
        [db 3]
        "k" string "\xff\x00"
        "#,
    );
    server.assert_list("jobs", ["b", "a"]);
    server.assert_set("tags", ["x", "y"]);
    server.assert_hash("user:1", [("name", "ada"), ("age", "36")]);
    server.assert_zset("board", [("bob", 1.0), ("ada", 2.5)]);
    server.assert_ttl("token", 5..=5);
    server.client().call(["GET", "token"])?;
    server.assert_calls("GET", 1);
    let wrong = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| server.assert_list("jobs", ["a"])));
    let said = *wrong.expect_err("it does not hold").downcast::<String>().expect("a text");
    assert!(
        said.starts_with("\"jobs\" should be [\"\\\"a\\\"\"], and is") && said.contains("\"board\" zset"),
        "{said}"
    );
    server.clear();
    server.assert_empty();
    Ok(())
}

#[test]
fn a_password_is_in_the_url_and_asked_for() -> Outcome {
    let server = TestServer::builder().password("s/cret").start();
    assert!(server.url().starts_with("redis://:s%2Fcret@127.0.0.1:"));
    server.client().call(["PING"])?;
    let mut db = redis::Client::open(server.url())?.get_connection()?;
    redis::cmd("SET").arg("k").arg("v").exec(&mut db)?;
    server.assert_string("k", "v");
    Ok(())
}

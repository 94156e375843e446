//! The `redis` crate against our server: RESP2 and RESP3, blocking and async, pipelines, and workers that wait.
#![cfg(feature = "server")]

mod common;

use common::places::{TestServer, config};
use damselfly::clock::Clock;
use redis::{AsyncCommands, Commands, ProtocolVersion};
use std::time::Duration;

fn server() -> TestServer {
    TestServer::start(&config(16).io_threads(2), Clock::system())
}

fn client(server: &TestServer, protocol: ProtocolVersion) -> redis::Client {
    let suffix = if protocol == ProtocolVersion::RESP3 { "/?protocol=resp3" } else { "/" };
    redis::Client::open(format!("redis://{}{suffix}", server.addr())).expect("an address")
}

#[test]
fn the_redis_crate_reads_what_it_wrote() {
    let server = server();
    for protocol in [ProtocolVersion::RESP2, ProtocolVersion::RESP3] {
        let mut db = client(&server, protocol).get_connection().expect("it listens");
        let _: () = redis::cmd("FLUSHALL").query(&mut db).expect("flushed");
        let _: () = db.set_ex("track:123", "{\"id\":123}", 43200).expect("set");
        assert_eq!(db.get::<_, String>("track:123").expect("got"), "{\"id\":123}");
        assert!((43190..=43200).contains(&db.ttl::<_, i64>("track:123").expect("a deadline")));
        assert_eq!(db.get::<_, Option<String>>("missing").expect("nothing"), None);
        let (first, all): (i64, Vec<String>) = redis::pipe()
            .incr("plays:x", 1)
            .lpush("recent:7", &["a", "b", "c"])
            .ignore()
            .ltrim("recent:7", 0, 1)
            .ignore()
            .lrange("recent:7", 0, -1)
            .query(&mut db)
            .expect("a pipeline");
        assert_eq!((first, all), (1, vec!["c".to_owned(), "b".to_owned()]));
        let error = db.lpush::<_, _, i64>("track:123", "x").expect_err("a string is no list");
        assert_eq!(error.code(), Some("WRONGTYPE"));
        let keys: Vec<String> =
            db.scan_match("re*").expect("a scan").collect::<Result<_, _>>().expect("keys are text");
        assert_eq!(keys, ["recent:7"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_job_goes_to_one_worker_that_waits_for_it() {
    let server = server();
    let client = client(&server, ProtocolVersion::RESP3);
    let mut workers = Vec::new();
    for _ in 0..8 {
        // A worker that waits needs a connection of its own, and no limit to the time of a reply.
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let mut db = client.get_multiplexed_async_connection_with_config(&config).await.expect("it listens");
        workers.push(tokio::spawn(async move {
            let mut jobs = Vec::new();
            loop {
                let (_, job): (String, i64) = db.brpop("download_jobs", 0.0).await.expect("a job");
                if job < 0 {
                    return jobs;
                }
                jobs.push(job);
            }
        }));
    }
    let mut db = client.get_multiplexed_async_connection().await.expect("it listens");
    for job in 0..500i64 {
        let _: i64 = db.lpush("download_jobs", job).await.expect("pushed");
    }
    while db.llen::<_, usize>("download_jobs").await.expect("a length") > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let stops = vec![-1i64; workers.len()];
    let _: i64 = db.lpush("download_jobs", stops).await.expect("pushed");
    let mut jobs = Vec::new();
    for worker in workers {
        jobs.extend(worker.await.expect("a worker ends"));
    }
    jobs.sort_unstable();
    assert_eq!(jobs, (0..500).collect::<Vec<_>>());
}

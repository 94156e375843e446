//! Clients and pools of Rust's, each against a server of its test's own, as an application's tests would do it.

use damselfly::testkit::TestServer;
use std::time::Duration;

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[test]
fn the_redis_crate() -> Outcome {
    use redis::Commands;
    let server = TestServer::start();
    let mut db = redis::Client::open(server.url())?.get_connection()?;
    let _: () = db.set_ex("session:1", "ada", 3600)?;
    server.assert_ttl("session:1", 3599..=3600);
    // An hour goes by in no time.
    server.advance(Duration::from_secs(3601));
    assert_eq!(db.get::<_, Option<String>>("session:1")?, None);
    server.fail_next("INCRBY", "OOM command not allowed when used memory > 'maxmemory'.");
    // The crate counts by INCRBY.
    let error = db.incr::<_, _, i64>("n", 1).expect_err("it was told to fail");
    assert_eq!(error.code(), Some("OOM"));
    assert_eq!(db.incr::<_, _, i64>("n", 1)?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_redis_crate_on_tokio_connects_anew() -> Outcome {
    use redis::AsyncCommands;
    let server = TestServer::start();
    let mut db = redis::aio::ConnectionManager::new(redis::Client::open(server.url())?).await?;
    let _: () = db.rpush("jobs", &["a", "b"]).await?;
    server.drop_connections();
    // The manager notices with a call, and has a new connection for one of the next.
    let mut tries = 0;
    let job: String = loop {
        match db.lpop("jobs", None).await {
            Ok(job) => break job,
            Err(_) if tries < 100 => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(error) => return Err(error.into()),
        }
        tries += 1;
    };
    assert_eq!(job, "a");
    server.assert_list("jobs", ["b"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fred() -> Outcome {
    use fred::prelude::*;
    let server = TestServer::start();
    let pool = Builder::from_config(Config::from_url(&server.url())?).build_pool(3)?;
    pool.init().await?;
    let _: () = pool.set("k", "v", Some(Expiration::EX(60)), None, false).await?;
    assert_eq!(pool.get::<Option<String>, _>("k").await?.as_deref(), Some("v"));
    server.assert_ttl("k", 59..=60);
    server.fail_next("GET", "LOADING not yet");
    let error = pool.get::<Option<String>, _>("k").await.expect_err("it was told to fail");
    assert!(error.details().contains("LOADING"), "{error}");
    assert_eq!(server.connections(), 3);
    pool.quit().await?;
    Ok(())
}

#[test]
fn r2d2_gives_connections_that_live() -> Outcome {
    use redis::Commands;
    let server = TestServer::start();
    let pool = r2d2::Pool::builder().max_size(4).min_idle(Some(1)).build(redis::Client::open(server.url())?)?;
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let _: i64 = pool.get().expect("a connection").incr("n", 1).expect("counted");
                }
            });
        }
    });
    server.assert_string("n", "400");
    assert!(server.connections() <= 4);
    // What it has is checked before it is given out, so that lost connections are no caller's business.
    server.drop_connections();
    assert_eq!(pool.get()?.incr::<_, _, i64>("n", 1)?, 401);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bb8() -> Outcome {
    use bb8_redis::bb8::Pool;
    use bb8_redis::redis::AsyncCommands;
    let server = TestServer::start();
    let manager = bb8_redis::RedisConnectionManager::new(server.url())?;
    let pool = Pool::builder().max_size(4).build(manager).await?;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    let mut db = pool.get().await.expect("a connection");
                    let _: i64 = db.incr("n", 1).await.expect("counted");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await?;
    }
    server.assert_string("n", "400");
    assert!(server.connections() <= 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadpool() -> Outcome {
    use deadpool_redis::redis::AsyncCommands;
    use deadpool_redis::{Config, Runtime};
    let server = TestServer::builder().password("s3cret").start();
    let pool = Config::from_url(server.url()).create_pool(Some(Runtime::Tokio1))?;
    let mut db = pool.get().await?;
    let _: () = db.hset("user:1", "name", "ada").await?;
    server.assert_hash("user:1", [("name", "ada")]);
    // A server that is slow is what timeouts are for.
    server.delay(Duration::from_millis(300));
    let slow = tokio::time::timeout(Duration::from_millis(50), db.hget::<_, _, String>("user:1", "name")).await;
    assert!(slow.is_err(), "{slow:?}");
    Ok(())
}

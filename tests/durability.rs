//! What was promised to be on the disk is there, whatever the disk does; and while it does not, reads are served.

#![allow(missing_docs)]

use damselfly::Damselfly;
use damselfly::clock::Clock;
use damselfly::config::{AppendFsync, Config};
use damselfly::embed::Error;
use damselfly::engine::Engine;
use damselfly::persist::StorageError;
use damselfly::persist::storage::{Fault, Faulty, Memory, Storage};
use damselfly::reply::Reply;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

fn config() -> Config {
    Config::default().appendonly(true).appendfsync(AppendFsync::Always).shards(4).save("")
}

/// An engine over files that are not on a disk.
fn engine(storage: Arc<dyn Storage>, config: &Config) -> Result<Arc<Engine>, StorageError> {
    let engine = Engine::open(config, Clock::system()).expect("a good configuration");
    engine.save_to(storage);
    engine.recover()?;
    Ok(engine)
}

fn open(storage: Arc<dyn Storage>) -> Damselfly {
    Damselfly::over(engine(storage, &config()).expect("recovered"))
}

fn number(db: &Damselfly, key: &str) -> u64 {
    let value = db.get(key).expect("read").unwrap_or_default();
    if value.is_empty() { 0 } else { String::from_utf8_lossy(&value).parse().expect("a number") }
}

#[test]
fn a_durable_call_is_on_the_disk_once_it_returns() {
    let memory = Memory::new();
    let db = open(Arc::new(memory.clone()));
    let durable = db.durable().expect("there is a journal");
    durable.set("a", "1").expect("set");
    durable.rpush("list", ["x", "y"]).expect("pushed");
    durable.call(["INCR", "n"]).expect("incremented");
    db.set("lost", "1").expect("set");
    let after = open(Arc::new(memory.crashed(0)));
    assert_eq!(number(&after, "a"), 1);
    assert_eq!(number(&after, "n"), 1);
    assert_eq!(after.llen("list").expect("a length"), 2);
    assert_eq!(after.get("lost").expect("read"), None);
    let none = Damselfly::in_memory();
    assert!(matches!(none.durable(), Err(StorageError::NoJournal)));
}

#[tokio::test]
async fn a_flush_waits_for_all_that_was_written_before_it() {
    let memory = Memory::new();
    let storage = Faulty::new(Arc::new(memory.clone()), u64::MAX, Fault::Torn);
    let engine = engine(Arc::new(storage.clone()), &config()).expect("recovered");
    engine.save_by_time().expect("started");
    let db = Damselfly::over(engine);
    db.set("a", "1").expect("set");
    db.flush().await.expect("on the disk");
    db.flush().await.expect("on the disk still");
    assert_eq!(number(&open(Arc::new(memory.crashed(0))), "a"), 1);
    assert_eq!(db.waitaof(true, 0, None).await.expect("on the disk"), (1, 0));
    // Many who wait at a time share a sync.
    let syncs = db.engine().journal().figures().syncs;
    let waits: Vec<_> = (0..50)
        .map(|n| {
            db.set(format!("key:{n}"), "x").expect("set");
            tokio::spawn(db.flush())
        })
        .collect();
    for wait in waits {
        wait.await.expect("no panic").expect("on the disk");
    }
    assert!(db.engine().journal().figures().syncs - syncs < 50);
    // A disk that refuses is no reason to wait for ever.
    storage.set(Some((0, Fault::FromThenOn(ErrorKind::StorageFull))));
    db.set("b", "1").expect("set");
    let error = db.flush().await.expect_err("the disk is full");
    assert!(matches!(error, StorageError::NotSynced(_)), "{error}");
    assert_eq!(db.waitaof(true, 0, Some(Duration::from_millis(20))).await.expect("the time is up"), (0, 0));
    assert!(matches!(Damselfly::in_memory().flush().await, Err(StorageError::NoJournal)));
}

#[test]
fn writes_are_refused_while_the_disk_is_full_and_taken_again_once_it_is_not() {
    for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
        let memory = Memory::new();
        let storage = Faulty::new(Arc::new(memory.clone()), u64::MAX, Fault::Torn);
        let db = open(Arc::new(storage.clone()));
        let durable = db.durable().expect("there is a journal");
        durable.set("before", "1").expect("set");
        storage.set(Some((0, Fault::FromThenOn(kind))));
        assert!(matches!(durable.set("during", "1"), Err(Error::NotDurable(_))));
        let is_refused = |result: Result<(), Error>| match result {
            Err(Error::Command(error)) => {
                error.to_string().starts_with("MISCONF Errors writing to the AOF file: ")
            }
            _ => false,
        };
        assert!(is_refused(db.set("a", "1")), "a typed call");
        assert!(is_refused(db.rpush("l", ["1"]).map(drop)), "one of a collection");
        assert!(is_refused(db.lpop("l").map(drop)), "one that takes away");
        assert!(is_refused(db.call(["SET", "a", "1"]).map(drop)), "a command");
        if cfg!(feature = "script") {
            let script = ["EVAL", "return redis.call('set','a','1')", "0"];
            let refused = format!("{:?}", db.call(script));
            assert!(refused.contains("MISCONF"), "{refused}");
            let reads = ["EVAL", "return redis.call('get','before')", "0"];
            assert_eq!(db.call(reads).expect("a script that reads"), Reply::Bulk("1".into()));
        }
        let mut session = db.session();
        session.call(["MULTI"]).expect("begun");
        assert!(session.call(["SET", "a", "1"]).is_err(), "one that is queued");
        assert_eq!(number(&db, "before"), 1, "reads are served");
        assert_eq!(number(&db, "during"), 1);
        // Space comes back. A second later at most somebody tries again.
        storage.set(None);
        db.engine().journal().sync().expect("written");
        durable.set("after", "1").expect("taken again");
        let after = open(Arc::new(memory.crashed(0)));
        for key in ["before", "during", "after"] {
            assert_eq!(number(&after, key), 1, "{key}");
        }
        assert_eq!(after.get("a").expect("read"), None, "what was refused was not done");
    }
}

#[test]
fn a_save_that_fails_loses_nothing_and_the_next_one_succeeds() {
    let memory = Memory::new();
    let storage = Faulty::new(Arc::new(memory.clone()), u64::MAX, Fault::Torn);
    let db = open(Arc::new(storage.clone()));
    let durable = db.durable().expect("there is a journal");
    for n in 0..200 {
        durable.set(format!("key:{n}"), "x".repeat(1000)).expect("set");
    }
    for at in 0..12 {
        storage.set(Some((at, Fault::Once(ErrorKind::StorageFull))));
        let _ = db.save();
        storage.set(None);
        durable.set(format!("after:{at}"), "1").expect("taken");
        let after = open(Arc::new(memory.crashed(0)));
        assert_eq!(after.dbsize().expect("counted"), 201 + at, "operation {at}");
    }
    db.save().expect("saved");
}

/// What one run of the load did: how far each part was acknowledged, and tried.
#[derive(Clone, Copy, Debug, Default)]
struct Did {
    acknowledged: u64,
    tried: u64,
}

/// Pushes, counts and moves, in transactions and scripts, with a snapshot in the middle.
fn load(db: &Damselfly, rounds: u64) -> Did {
    let Ok(durable) = db.durable() else { panic!("there is a journal") };
    let mut did = Did::default();
    for n in 1..=rounds {
        did.tried = n;
        let text = n.to_string();
        let mut session = durable.session();
        let done = (|| {
            session.call(["MULTI"]).ok()?;
            session.call(["RPUSH", "list", &text]).ok()?;
            session.call(["SET", "count", &text]).ok()?;
            session.call(["HSET", "hash", &text, &text]).ok()?;
            session.call(["SADD", "set", &text]).ok()?;
            session.call(["EXEC"]).ok()?;
            durable.set("last", &text).ok()?;
            Some(())
        })();
        if done.is_none() {
            break;
        }
        did.acknowledged = n;
        if n == rounds / 2 {
            let _ = db.save();
        }
    }
    did
}

fn verify(after: &Damselfly, did: Did, what: &str) {
    let count = number(after, "count");
    assert!(count >= did.acknowledged, "{what}: {did:?}, {count} are there: lost");
    assert!(count <= did.tried, "{what}: {did:?}, {count} are there: made up");
    let list = after.lrange("list", 0, -1).expect("a list");
    let expected: Vec<String> = (1..=count).map(|n| n.to_string()).collect();
    let found: Vec<String> = list.iter().map(|item| String::from_utf8_lossy(item).into_owned()).collect();
    assert_eq!(found, expected, "{what}: a transaction is whole, and done once");
    assert_eq!(after.hash("hash").len().expect("a length"), count, "{what}");
    assert_eq!(after.set_of("set").len().expect("a length"), count, "{what}");
    let last = number(after, "last");
    assert!(last == count || last + 1 == count, "{what}: last is {last}, count {count}");
}

#[test]
fn a_crash_at_any_point_loses_nothing_that_was_acknowledged() {
    const ROUNDS: u64 = 6;
    // CRASH_IMAGES=12 is the long form.
    let images = std::env::var("CRASH_IMAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(5u64);
    let faults = [Fault::Once(ErrorKind::StorageFull), Fault::FromThenOn(ErrorKind::Other), Fault::Torn];
    for fault in faults {
        for at in 0.. {
            let memory = Memory::new();
            let storage = Faulty::new(Arc::new(memory.clone()), u64::MAX, Fault::Torn);
            let db = open(Arc::new(storage.clone()));
            storage.set(Some((at, fault)));
            let did = load(&db, ROUNDS);
            let operations = storage.operations();
            for seed in 0..images {
                let image = match seed {
                    0 => memory.crashed(0),
                    1 => memory.crashed(128),
                    2 => memory.crashed(255),
                    _ => memory.crashed_anyhow(at * 1000 + seed),
                };
                let what = format!("{fault:?} at {at}, image {seed}");
                let after = match engine(Arc::new(image.clone()), &config()) {
                    Ok(engine) => Damselfly::over(engine),
                    Err(error) => panic!("{what}: it does not start: {error}"),
                };
                verify(&after, did, &what);
                drop(after);
                // What was recovered is recovered again.
                verify(&open(Arc::new(image.crashed(0))), did, &what);
            }
            storage.set(None);
            if operations <= at {
                assert_eq!(did.acknowledged, ROUNDS);
                break;
            }
        }
    }
}

#[test]
fn a_journal_that_is_turned_on_counts_from_its_snapshot_on() {
    for at in 0..40 {
        let memory = Memory::new();
        let storage = Faulty::new(Arc::new(memory.clone()), u64::MAX, Fault::Torn);
        let config = config().appendonly(false);
        let db = Damselfly::over(engine(Arc::new(storage.clone()), &config).expect("recovered"));
        db.set("a", "1").expect("set");
        db.save().expect("saved");
        db.set("b", "1").expect("set");
        storage.set(Some((at, Fault::FromThenOn(ErrorKind::StorageFull))));
        db.call(["CONFIG", "SET", "appendonly", "yes"]).expect("turned on");
        // It is turned on in the background.
        until("the save ends", || !db.engine().persistence().is_running());
        let durable = db.durable().expect("there is a journal").set("c", "1").is_ok();
        let promised = db.engine().journal().is_on() && db.engine().journal().is_durable(0);
        for image in [memory.crashed(0), memory.crashed(255), memory.crashed_anyhow(at)] {
            let after = open(Arc::new(image));
            assert_eq!(number(&after, "a"), 1, "operation {at}");
            if durable && promised {
                assert_eq!(number(&after, "b"), 1, "operation {at}");
                assert_eq!(number(&after, "c"), 1, "operation {at}");
            } else if number(&after, "c") == 1 {
                assert_eq!(
                    number(&after, "b"),
                    1,
                    "operation {at}: what came later is there without what was before"
                );
            }
        }
    }
}

#[test]
fn a_journal_that_was_off_meanwhile_is_not_mixed_with_the_next_one() {
    let memory = Memory::new();
    let db = open(Arc::new(memory.clone()));
    db.durable().expect("there is a journal").set("n", "1").expect("set");
    db.call(["CONFIG", "SET", "appendonly", "no"]).expect("turned off");
    db.set("n", "2").expect("set");
    // What is there at the next start is what was there when it was turned off.
    assert_eq!(number(&open(Arc::new(memory.crashed(0))), "n"), 1);
    db.call(["CONFIG", "SET", "appendonly", "yes"]).expect("turned on");
    while db.engine().persistence().is_running() {
        std::thread::yield_now();
    }
    db.durable().expect("there is a journal").call(["INCR", "n"]).expect("incremented");
    assert_eq!(number(&open(Arc::new(memory.crashed(0))), "n"), 3);
}

/// Waits, a while, for something that another thread does.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("{what}");
}

#[test]
fn rules_and_times_save_by_the_engines_clock() {
    let memory = Memory::new();
    let config = Config::default().save("60 2").snapshot_cron("*/10 * * * *").shards(2);
    // Ten minutes begin a minute later.
    let engine = Engine::open(&config, Clock::manual(9 * 60_000)).expect("a good configuration");
    engine.save_to(Arc::new(memory));
    engine.recover().expect("nothing is there");
    engine.save_by_time().expect("a good time");
    let db = Damselfly::over(Arc::clone(&engine));
    let saves = || engine.persistence().figures().saves;
    let settled = || !engine.persistence().is_running();
    db.set("a", "1").expect("set");
    // By the clock alone: a change is too little for the rule.
    engine.advance(Duration::from_secs(59));
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(saves(), 0);
    engine.advance(Duration::from_secs(2));
    until("the tenth minute saves", || saves() == 1 && settled());
    db.set("a", "2").expect("set");
    engine.advance(Duration::from_secs(62));
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(saves(), 1, "one change is too little for the rule");
    db.set("b", "1").expect("set");
    engine.advance(Duration::from_millis(1));
    until("the second change makes the rule", || saves() == 2 && settled());
}

#[cfg(feature = "server")]
#[test]
fn a_disk_that_fails_costs_only_those_their_connections_who_were_to_be_told_of_a_write() {
    let memory = Memory::new();
    let storage = Faulty::new(Arc::new(memory.clone()), u64::MAX, Fault::Torn);
    let engine = engine(Arc::new(storage.clone()), &config()).expect("recovered");
    engine.save_by_time().expect("started");
    let db = Damselfly::over(engine);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let server = db.serve(listener).expect("served");
    let client = redis::Client::open(format!("redis://{address}")).expect("an address");
    let connect = || client.get_connection().expect("connected");
    let ask = |connection: &mut redis::Connection, line: &str| -> redis::RedisResult<redis::Value> {
        let mut words = line.split(' ');
        let mut command = redis::cmd(words.next().unwrap_or_default());
        words.for_each(|word| {
            command.arg(word);
        });
        command.query(connection)
    };
    let (mut writer, mut reader) = (connect(), connect());
    ask(&mut writer, "SET a 1").expect("acknowledged");
    assert_eq!(
        ask(&mut writer, "WAITAOF 1 0 0").map(|value| format!("{value:?}")).expect("waited"),
        "array([int(1), int(0)])"
    );
    let one = redis::Value::BulkString(b"1".to_vec());
    // One who reads all the time, in the same rounds.
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (stop, one, ask) = (&stop, &one, &ask);
        let reads = scope.spawn(move || {
            let mut reads = 0u64;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                assert_eq!(ask(&mut reader, "GET a").as_ref(), Ok(one), "after {reads} reads");
                reads += 1;
            }
            reads
        });
        storage.set(Some((0, Fault::FromThenOn(ErrorKind::StorageFull))));
        let error = ask(&mut writer, "SET b 1").expect_err("it is not on the disk");
        assert!(error.is_connection_dropped() || error.is_io_error(), "{error}");
        let mut writer = connect();
        let refused = ask(&mut writer, "SET c 1").expect_err("the disk is full").to_string();
        assert!(
            refused.contains("MISCONF") || refused.contains("Errors writing to the AOF file"),
            "{refused}"
        );
        assert_eq!(ask(&mut writer, "GET a").as_ref(), Ok(one), "the same connection reads");
        storage.set(None);
        until("writes are taken again by themselves", || ask(&mut writer, "SET c 1").is_ok());
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(reads.join().expect("no read failed") > 0);
    });
    server.stop();
    let after = open(Arc::new(memory.crashed(0)));
    assert_eq!((number(&after, "a"), number(&after, "c")), (1, 1));
}

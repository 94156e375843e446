//! What the journal says, replayed, is the same data.

#![allow(missing_docs)]

use damselfly::Damselfly;
use damselfly::clock::Clock;
use damselfly::config::{AppendFsync, Config};
use damselfly::reply::Reply;
use std::path::Path;
use std::time::Duration;

fn config(directory: &Path) -> Config {
    let config = Config::default().dir(directory.to_string_lossy()).appendonly(true);
    config.appendfsync(AppendFsync::Always).shards(4)
}

fn open(directory: &Path) -> Damselfly {
    Damselfly::open(config(directory)).expect("opened")
}

fn call(db: &Damselfly, line: &str) -> Reply {
    db.call(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn digest(db: &Damselfly) -> String {
    format!("{:?}", call(db, "DEBUG DIGEST"))
}

/// Ends an engine and opens the next one: the data is the same.
fn reopen(db: Damselfly, directory: &Path, what: &str) -> Damselfly {
    let before = (digest(&db), format!("{:?}", call(&db, "DBSIZE")));
    drop(db);
    let db = open(directory);
    assert_eq!((digest(&db), format!("{:?}", call(&db, "DBSIZE"))), before, "{what}");
    db
}

#[test]
fn every_family_of_commands_is_replayed() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut db = open(dir.path());
    for line in [
        "SET a 1",
        "INCRBYFLOAT a 1.25",
        "SET b x EX 100",
        "GETEX b PX 5000000",
        "EXPIRE a 1000",
        "PERSIST a",
        "MSET {t}1 a {t}2 b {t}3 c",
        "RENAME {t}1 {t}9",
        "COPY {t}9 other",
        "RPUSH list 1 2 3 4 5",
        "LMOVE list list2 LEFT RIGHT",
        "BLPOP list 0",
        "BLMOVE list list3 LEFT LEFT 0",
        "LINSERT list BEFORE 4 x",
        "SADD set a b c d e f g h 1 2 3",
        "SPOP set",
        "SPOP set 3",
        "SADD gone 1 2 3",
        "SPOP gone 5",
        "SADD ints 1 2 3 4 5 6 7 8 9",
        "SPOP ints 4",
        "HSET hash f 1 g 2 h 3",
        "HINCRBYFLOAT hash f 0.5",
        "HEXPIRE hash 1000 FIELDS 1 g",
        "ZADD zset 1 a 2 b 3 c",
        "ZPOPMIN zset",
        "ZINCRBY zset 1.5 b",
        "ZUNIONSTORE zset2 2 zset zset WEIGHTS 2 3",
        "XADD stream * a 1",
        "XADD stream * b 2",
        "XADD stream MAXLEN ~ 10 * c 3",
        "XGROUP CREATE stream g 0",
        "XREADGROUP GROUP g alice COUNT 2 STREAMS stream >",
        "XAUTOCLAIM stream g bob 0 0",
        "SORT set ALPHA STORE sorted",
        "SETBIT bits 7 1",
        "PFADD hll a b c",
        "GEOADD geo 1 1 x",
        "MOVE b 1",
        "SWAPDB 0 2",
        "SWAPDB 0 2",
        "DEL list3",
        "DEBUG POPULATE 20 filled",
        "EVAL redis.call('set','s','1','EX',100)redis.call('spop','set') 0",
    ] {
        if cfg!(not(feature = "script")) && line.starts_with("EVAL") {
            continue;
        }
        let words: Vec<&str> = match line.strip_prefix("EVAL ").and_then(|rest| rest.rsplit_once(' ')) {
            Some((script, keys)) => vec!["EVAL", script, keys],
            None => line.split(' ').collect(),
        };
        // A command that is not here yet changes nothing.
        let _ = db.call(words);
        db = reopen(db, dir.path(), line);
    }
    assert_ne!(format!("{:?}", call(&db, "DBSIZE")), "Int(0)");
    call(&db, "FLUSHALL");
    db = reopen(db, dir.path(), "FLUSHALL");
    drop(db);
}

#[test]
fn typed_calls_are_journaled_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let db = open(dir.path());
    db.set("a", "1").expect("set");
    db.incr("a").expect("incremented");
    for n in 0..300 {
        db.set_of("set").add([format!("member {n}")]).expect("added");
        db.hash("hash").set(format!("field {n}"), "x").expect("set");
    }
    db.set_of("set").pop().expect("popped");
    let db = reopen(db, dir.path(), "typed calls");
    assert_eq!(db.get("a").expect("read").as_deref(), Some(&b"2"[..]));
}

#[test]
fn a_deadline_that_passed_while_nobody_looked_is_none_for_the_replay() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |now_ms| Damselfly::with_clock(config(dir.path()), Clock::manual(now_ms)).expect("opened");
    let db = at(1_000_000);
    call(&db, "SET kept 1 PX 2000");
    db.save().expect("saved");
    call(&db, "PERSIST kept");
    call(&db, "SET gone 1 PX 30");
    db.engine().advance(Duration::from_millis(2100));
    call(&db, "SET gone 2 NX");
    let before = digest(&db);
    drop(db);
    let db = at(1_002_100);
    assert_eq!(digest(&db), before);
    assert_eq!(db.get("kept").expect("read").as_deref(), Some(&b"1"[..]));
    assert_eq!(db.get("gone").expect("read").as_deref(), Some(&b"2"[..]));
}

#[test]
fn snapshots_take_the_place_of_what_was_journaled_before() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut db = open(dir.path());
    for round in 0..4 {
        call(&db, &format!("RPUSH list {round}"));
        call(&db, "INCR count");
        db.save().expect("saved");
        call(&db, &format!("RPUSH list {round}"));
        let segments = std::fs::read_dir(dir.path()).expect("read").filter(|entry| {
            entry.as_ref().is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("journal."))
        });
        assert_eq!(segments.count(), 1);
        db = reopen(db, dir.path(), "after a snapshot");
    }
    assert_eq!(call(&db, "LLEN list"), Reply::Int(8));
}

#[test]
fn a_rewrite_that_begins_at_once_says_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let db = open(dir.path());
    let reply = call(&db, "BGREWRITEAOF");
    assert_eq!(reply, Reply::Simple("Background append only file rewriting started".into()));
}

#[test]
fn fields_that_expire_by_themselves_are_gone_for_the_replay_whatever_its_clock_says() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |now_ms| Damselfly::with_clock(config(dir.path()), Clock::manual(now_ms)).expect("opened");
    let db = at(1_000_000);
    call(&db, "HSET h short 1 long 2");
    call(&db, "HPEXPIRE h 30 FIELDS 1 short");
    // A look at the hash takes the field away, and nothing else does.
    db.engine().cycles().set_active_expiry(false);
    db.engine().advance(Duration::from_millis(31));
    assert_eq!(call(&db, "HLEN h"), Reply::Int(1));
    call(&db, "HINCRBY h short 5");
    let before = (digest(&db), call(&db, "HGET h short"));
    drop(db);
    let db = at(1_000_031);
    assert_eq!((digest(&db), call(&db, "HGET h short")), before);
}

#[test]
fn what_an_approximate_limit_took_away_is_said_exactly() {
    let dir = tempfile::tempdir().expect("a directory");
    let db = open(dir.path());
    for n in 1..=1000 {
        call(&db, &format!("XADD s MAXLEN ~ 150 {n}-1 f {n}"));
    }
    call(&db, "XTRIM s MINID ~ 960");
    let len = call(&db, "XLEN s");
    let before = (digest(&db), len);
    drop(db);
    // Other nodes are cut elsewhere.
    let config = config(dir.path()).stream_node_max_entries(7usize);
    let db = Damselfly::open(config).expect("opened");
    assert_eq!((digest(&db), call(&db, "XLEN s")), before);
}

#[test]
fn a_typed_call_on_a_large_collection_is_journaled_as_what_it_did() {
    let dir = tempfile::tempdir().expect("a directory");
    let db = open(dir.path());
    let many: Vec<String> = (0..5000).map(|n| format!("member {n}")).collect();
    db.set_of("set").add(&many).expect("added");
    db.rpush("list", &many).expect("pushed");
    db.hash("hash").set_many(many.iter().map(|name| (name, "x"))).expect("set");
    db.zset("zset").add(many.iter().map(|name| (1.5, name))).expect("added");
    db.sync().expect("on the disk");
    let before = db.engine().journal().figures().bytes;
    for n in 0..100 {
        let text = n.to_string();
        db.set_of("set").add([&text]).expect("added");
        db.rpush("list", [&text]).expect("pushed");
        db.lpop("list").expect("popped");
        db.hash("hash").set(&text, "x").expect("set");
        db.hash("hash").increment(format!("n{n}"), 2).expect("incremented");
        db.zset("zset").insert(&text, 0.1).expect("added");
        db.zset("zset").increment(&text, 0.2).expect("incremented");
        db.zset("zset").pop_min().expect("popped");
        db.set_of("set").remove([&text]).expect("removed");
        db.stream("stream").add([("f", &text)]).expect("added");
    }
    db.sync().expect("on the disk");
    let grown = db.engine().journal().figures().bytes - before;
    assert!(grown < 200_000, "{grown} bytes for a thousand calls");
    reopen(db, dir.path(), "typed calls on large collections");
}

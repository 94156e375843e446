//! Keyspace notifications: the stream of events is that of Redis, for scripts and for generated commands.
//!
//! A listener subscribes to everything; a script's events are those that come before a marker which is published behind
//! it. `DAMSELFLY_ORACLE` (`host:port`, or `auto`) and `VALKEY_ORACLE` name the servers to compare with; without them
//! the scripts are compared with what stands beside them.

mod common;
#[allow(dead_code, reason = "the differential test uses the rest")]
mod generate;

use common::oracle;
use common::places::{Local, Place};
use common::resp::{Value, show};
use common::script::words;
use damselfly::clock::Clock;
use damselfly::command::table::TABLE;
use damselfly::config::Config;
use damselfly::embed::SetOptions;
use damselfly::{Damselfly, embed};
use generate::{Generator, Random};
use std::time::Duration;

/// The events of a script as `<db> <event> <key>`, under their event's name.
fn events(place: &mut dyn Place, classes: &str, script: &[Vec<Vec<u8>>]) -> Vec<String> {
    let ask = |place: &mut dyn Place, session: &str, argv: &[Vec<u8>]| {
        place.send(session, argv).expect("sent");
        place.receive(session).expect("a reply")
    };
    let line = |text: &str| words(text).expect("words");
    ask(place, "admin", &line(&format!("CONFIG SET notify-keyspace-events \"{classes}\"")));
    ask(place, "listener", &line("PSUBSCRIBE __key*__:*"));
    for argv in script {
        ask(place, "client", argv);
    }
    ask(place, "admin", &line("PUBLISH __key*__:marker end"));
    let mut events = Vec::new();
    loop {
        let Value::Array(parts) = place.receive("listener").expect("a message") else { panic!("a message") };
        let texts: Vec<String> = parts
            .iter()
            .map(|part| match part {
                Value::Bulk(bytes) => show(bytes),
                other => other.to_string(),
            })
            .collect();
        let [_, _, channel, payload] = &texts[..] else { panic!("{texts:?}") };
        if channel == "__key*__:marker" {
            break;
        }
        let (space, name) = channel.split_once("__:").expect("a channel of events");
        let (kind, db) = space.split_once('@').expect("a database");
        let (event, key) = if kind == "__keyevent" { (name, &payload[..]) } else { (&payload[..], name) };
        let mark = if kind == "__keyevent" { "" } else { "K " };
        events.push(format!("{mark}{db} {event} {key}"));
    }
    ask(place, "listener", &line("RESET"));
    ask(place, "admin", &line("CONFIG SET notify-keyspace-events \"\""));
    events
}

/// Runs a script everywhere: its events, in all places, are these.
#[track_caller]
fn check(classes: &str, script: &str, wanted: &str) {
    let script: Vec<_> = script.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let script: Vec<_> = script.into_iter().map(|line| words(line).expect("words")).collect();
    let past = wanted.contains("past");
    let wanted: Vec<_> = wanted.split(',').map(str::trim).filter(|event| !event.is_empty()).collect();
    let mut places: Vec<Box<dyn Place>> = vec![Box::new(Local::new(1)), Box::new(Local::new(16))];
    #[cfg(feature = "server")]
    places.push(Box::new(common::places::Served::new(16, common::places::clock())));
    for place in &mut places {
        assert_eq!(events(&mut **place, classes, &script), wanted, "{}", place.name());
        place.end().expect("nothing is left");
    }
    let script_of = |newer| common::script::Script { steps: Vec::new(), no_oracle: false, newer };
    // To Valkey a key whose deadline is set into the past has expired; to Redis, 7.2 included, it was deleted.
    let newer: &[bool] = if past { &[false] } else { &[false, true] };
    for oracle in newer.iter().flat_map(|&newer| oracle::for_script(&script_of(newer))) {
        let mut oracle = oracle.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        oracle.reset();
        assert_eq!(events(&mut *oracle, classes, &script), wanted, "{}", oracle.name());
    }
}

#[test]
fn points_and_hyperloglogs_tell_what_is_done_to_them() {
    check(
        "EAn",
        "GEOADD g 13.361389 38.115556 a 15.087269 37.502669 b
        GEOADD g 13.361389 38.115556 a
        GEOSEARCHSTORE d g FROMLONLAT 15 37 BYRADIUS 200 km
        GEOSEARCHSTORE d g FROMLONLAT 0 0 BYRADIUS 200 km
        GEORADIUS g 15 37 200 km STORE d
        GEORADIUS none 15 37 200 km STOREDIST d
        GEORADIUS none 15 37 200 km STOREDIST d
        PFADD h
        PFADD h a
        PFADD h a
        PFCOUNT h
        PFDEBUG TODENSE h
        PFMERGE i h
        PFMERGE i",
        "0 new g, 0 zadd g, 0 new d, 0 geosearchstore d, 0 del d, 0 new d, 0 georadiusstore d, 0 del d, \
         0 new h, 0 pfadd h, 0 pfadd h, 0 new i, 0 pfadd i, 0 pfadd i",
    );
}

#[test]
fn strings_tell_what_is_done_to_them() {
    check(
        "EAn",
        "SETEX k 100 v
        GETSET k x
        SET k y KEEPTTL
        SET k z EX 100
        SETNX k a
        SETNX j b
        MSET a 1 b 2
        MSETNX c 1 d 2
        MSETNX c 1 e 2
        APPEND k x
        APPEND m x
        SETRANGE k 1 y
        SETRANGE k 1 \"\"
        SET k 1 KEEPTTL
        INCR n
        DECRBY n 5
        INCRBYFLOAT n 1.5
        GETDEL n
        GETDEL n
        GETEX k PERSIST
        GETEX k PERSIST
        GETEX k EX 10
        GETEX k
        INCR k",
        "0 new k, 0 set k, 0 expire k, 0 set k, 0 set k, 0 set k, 0 expire k, 0 new j, 0 set j, 0 new a, 0 set a, 0 new b,
         0 set b, 0 new c, 0 set c, 0 new d, 0 set d, 0 append k, 0 new m, 0 append m, 0 setrange k, 0 set k, 0 new n,
         0 incrby n, 0 incrby n, 0 incrbyfloat n, 0 del n, 0 persist k, 0 expire k, 0 incrby k",
    );
}

#[test]
fn keys_tell_where_they_go() {
    check(
        "EAn",
        "SET a 1
        SET b 2
        RENAME a b
        RENAME b b
        RENAMENX b b
        COPY b c
        COPY b c REPLACE
        COPY b c DB 2
        MOVE b 1
        RENAMENX c d
        EXPIRE d 100
        EXPIRE d 50 GT
        PERSIST d
        PERSIST d
        DEL d
        SELECT 1
        UNLINK b nope
        SWAPDB 1 2
        DEL c
        SET x y
        FLUSHALL",
        "0 new a, 0 set a, 0 new b, 0 set b, 0 new b, 0 rename_from a, 0 rename_to b, 0 new c, 0 copy_to c, 0 new c,
         0 copy_to c, 2 new c, 2 copy_to c, 1 new b, 0 move_from b, 1 move_to b, 0 new d, 0 rename_from c, 0 rename_to d,
         0 expire d, 0 persist d, 0 del d, 1 del b, 1 del c, 1 new x, 1 set x",
    );
}

#[test]
fn a_deadline_in_the_past_deletes() {
    check(
        "EA",
        "SET past 1
        EXPIRE past -1
        SET past 1
        GETEX past PXAT 1
        RPUSH past 1
        PEXPIREAT past 5",
        "0 set past, 0 del past, 0 set past, 0 del past, 0 rpush past, 0 del past",
    );
}

#[test]
fn lists_tell_what_is_done_to_them() {
    check(
        "EAn",
        "RPUSH l a b c
        LPUSH l z
        LMOVE l m LEFT RIGHT
        LMOVE l l LEFT RIGHT
        RPOPLPUSH m m
        LPOP l
        RPOP l 5
        LPOP m 0
        LMPOP 2 x m LEFT
        LPOP m
        LPUSHX m a
        RPUSH m a a b
        RPUSHX m c
        LREM m 0 a
        LREM m 0 z
        LSET m 0 q
        LINSERT m BEFORE q z
        LINSERT m BEFORE nope z
        LTRIM m 0 0
        LTRIM m 5 6
        LTRIM m 0 1
        RPUSH s z
        RPOPLPUSH s t
        BLMOVE t u LEFT LEFT 0
        BLPOP t u 0",
        "0 new l, 0 rpush l, 0 lpush l, 0 new m, 0 rpush m, 0 lpop l, 0 rpush l, 0 lpop l, 0 lpush m, 0 rpop m, 0 lpop l,
         0 rpop l, 0 del l, 0 lpop m, 0 del m, 0 new m, 0 rpush m, 0 rpush m, 0 lrem m, 0 lset m, 0 linsert m, 0 ltrim m,
         0 ltrim m, 0 del m, 0 new s, 0 rpush s, 0 new t, 0 lpush t, 0 rpop s, 0 del s, 0 new u, 0 lpush u, 0 lpop t,
         0 del t, 0 lpop u, 0 del u",
    );
}

#[test]
fn a_key_that_is_not_there_is_a_miss_for_whoever_reads() {
    check(
        "Em",
        "GET x
        EXISTS x
        TTL x
        TYPE x
        OBJECT ENCODING x
        MGET x y
        STRLEN x
        LLEN x
        LRANGE x 0 1
        TOUCH x
        GETDEL x
        GETEX x
        SET x v GET
        COPY q w
        RENAME q w
        DEL q
        EXPIRE q 1
        LINDEX q 0
        GETSET p v
        LPOP q
        MEMORY USAGE q
        WATCH q
        UNWATCH
        APPEND zz a
        EXPIRETIME q",
        "0 keymiss x, 0 keymiss x, 0 keymiss x, 0 keymiss x, 0 keymiss x, 0 keymiss y, 0 keymiss x, 0 keymiss x,
         0 keymiss x, 0 keymiss x, 0 keymiss x, 0 keymiss x, 0 keymiss x, 0 keymiss q, 0 keymiss q, 0 keymiss p,
         0 keymiss q",
    );
}

#[test]
fn only_what_was_asked_for_is_told_and_under_both_names_if_so() {
    check("KEl", "SET a 1\nRPUSH l x\nDEL a", "K 0 rpush l, 0 rpush l");
    check("Kg", "SET a 1\nDEL a\nRPUSH l x\nLPOP l", "K 0 del a, K 0 del l");
    check("E$", "SET a 1\nRPUSH l x\nLPOP l", "0 set a");
    check("A", "SET a 1", "");
    check("KE", "SET a 1", "");
    check("", "SET a 1", "");
}

#[test]
fn transactions_tell_in_the_order_of_their_commands() {
    check(
        "EAn",
        "MULTI
        RPUSH l a
        LPOP l
        LPUSH l b
        SET {x}1 v
        PUBLISH __keyevent@9__:published key
        SET y v
        RENAME y z
        EXEC",
        "0 new l, 0 rpush l, 0 lpop l, 0 del l, 0 new l, 0 lpush l, 0 new {x}1, 0 set {x}1, 9 published key, 0 new y,
         0 set y, 0 new z, 0 rename_from y, 0 rename_to z",
    );
}

/// Redis 7.0 and 7.2 keep a key that is set in the past until somebody looks; Valkey does not.
#[test]
fn a_key_that_is_over_tells_that_it_expired() {
    for shards in [1, 16] {
        let mut place = Local::new(shards);
        let script: Vec<_> = ["SET k v PXAT 1", "GET k", "SET k v PX 10"]
            .iter()
            .map(|line| words(line).expect("words"))
            .collect();
        let seen = events(&mut place, "EAm", &script);
        assert_eq!(seen, ["0 set k", "0 expire k", "0 expired k", "0 keymiss k", "0 set k", "0 expire k"]);
    }
}

fn db_with(classes: &str, clock: Clock) -> (Damselfly, embed::Subscription) {
    let db = Damselfly::with_clock(Config::default().shards(4u32).seed(1), clock).expect("a configuration");
    db.call(["CONFIG", "SET", "notify-keyspace-events", classes]).expect("set");
    let subscription = db.psubscribe(["__keyevent@*"]).expect("subscribed").with_capacity(1 << 20);
    (db, subscription)
}

fn heard(subscription: &mut embed::Subscription, wait: Duration) -> Option<String> {
    let message = subscription.recv_timeout(wait).expect("not lagging")?;
    let event = String::from_utf8_lossy(&message.channel).split_once("__:").map(|(_, e)| e.to_owned());
    Some(format!("{} {}", event.expect("an event"), show(&message.payload)))
}

#[test]
fn calls_in_process_tell_as_commands_do() {
    let (db, mut subscription) = db_with("EAnm", Clock::system());
    db.set("s", "v").expect("set");
    db.set_with("s", "v", SetOptions::new().ex(Duration::from_secs(100))).expect("set");
    db.incr("n").expect("one");
    db.get("none").expect("nothing");
    db.get_with("none", |_| ()).expect("nothing");
    db.rpush("l", ["a"]).expect("pushed");
    db.lpop("l").expect("popped");
    db.del("s").expect("deleted");
    for wanted in [
        "new s",
        "set s",
        "set s",
        "expire s",
        "new n",
        "incrby n",
        "keymiss none",
        "keymiss none",
        "new l",
        "rpush l",
        "lpop l",
        "del l",
        "del s",
    ] {
        assert_eq!(heard(&mut subscription, Duration::from_secs(5)).as_deref(), Some(wanted));
    }
    assert_eq!(subscription.try_recv(), Ok(None));
}

/// By itself, that is: nobody asks for the key.
#[test]
fn what_expires_is_told_though_nobody_looks() {
    let (db, mut subscription) = db_with("Ex", Clock::system());
    db.set_with("k", "v", SetOptions::new().px(Duration::from_millis(30))).expect("set");
    assert_eq!(heard(&mut subscription, Duration::from_secs(10)).as_deref(), Some("expired k"));
    assert_eq!(subscription.try_recv(), Ok(None));
}

#[test]
fn waiters_that_are_served_tell_what_they_took() {
    let (db, mut subscription) = db_with("EA", Clock::system());
    let waits = std::thread::spawn({
        let db = db.clone();
        move || db.blpop_blocking(["l"], None)
    });
    while db.engine().blocking_keys_len() == 0 {
        std::thread::yield_now();
    }
    db.rpush("l", ["a"]).expect("pushed");
    waits.join().expect("no panic").expect("served");
    for wanted in ["rpush l", "lpop l", "del l"] {
        assert_eq!(heard(&mut subscription, Duration::from_secs(5)).as_deref(), Some(wanted));
    }
}

/// Two threads change one key, each event of a kind: what is heard is an order in which that may have happened.
#[test]
fn events_of_a_key_come_in_the_order_in_which_they_happened() {
    const ROUNDS: usize = 3_000;
    let (db, mut subscription) = db_with("Elgn", Clock::system());
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let db = db.clone();
            std::thread::spawn(move || {
                for _ in 0..ROUNDS {
                    db.rpush("l", ["x"]).expect("pushed");
                    db.lpop("l").expect("popped");
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
    let mut len = 0;
    let (mut exists, mut pushes) = (false, 0);
    while let Some(message) = subscription.try_recv().expect("not lagging") {
        match &message.channel[..] {
            b"__keyevent@0__:new" => {
                assert!(!exists, "new while it exists");
                exists = true;
            }
            b"__keyevent@0__:rpush" => {
                assert!(exists);
                (len, pushes) = (len + 1, pushes + 1);
            }
            b"__keyevent@0__:lpop" => {
                assert!(exists && len > 0, "popped from nothing");
                len -= 1;
            }
            b"__keyevent@0__:del" => {
                assert!(exists && len == 0, "deleted with {len} elements");
                exists = false;
            }
            other => panic!("{}", show(other)),
        }
    }
    assert_eq!((len, exists, pushes), (0, false, 3 * ROUNDS));
}

/// What is different on purpose: Valkey deletes a key that is set in the past at once, and calls that `expired`; Redis
/// lets it lie until somebody comes by.
fn comparable(events: Vec<String>) -> Vec<String> {
    events.into_iter().filter(|event| !event.contains(" expired ")).collect()
}

/// What Redis 7.0 does not have, or does otherwise: it looks for a key before it reads a command's options, and goes
/// through sets in another order.
fn is_different(argv: &[Vec<u8>]) -> bool {
    let Some(entry) = argv.first().and_then(|name| TABLE.find(name)) else { return false };
    let has = |words: &[&str]| {
        argv.iter().any(|arg| words.iter().any(|word| arg.eq_ignore_ascii_case(word.as_bytes())))
    };
    entry.command.since.starts_with("9.")
        || has(&["WITHSCORE"])
        || match entry.command.name {
            "BITPOS" | "BITCOUNT" => argv.len() > 2,
            "LPOS" => has(&["-9223372036854775808"]),
            "XREAD" => has(&["$"]),
            // It made the consumer only where there was something to claim.
            "XCLAIM" | "XAUTOCLAIM" => true,
            // By the time of the second of two commands the first one's deadline has come nearer.
            "EXPIRE" | "PEXPIRE" => has(&["GT", "LT"]),
            "SORT" | "SORT_RO" => has(&["BY", "GET"]),
            _ => false,
        }
}

#[test]
fn generated_commands_tell_what_they_tell_in_redis() {
    let script_of = |newer| common::script::Script { steps: Vec::new(), no_oracle: false, newer };
    let Some(oracle) = oracle::for_script(&script_of(false)).into_iter().next() else {
        println!("skipped: DAMSELFLY_ORACLE names no server");
        return;
    };
    let mut oracle = oracle.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let seconds = std::env::var("DIFFERENTIAL_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    let given = std::env::var("DIFFERENTIAL_SEED").ok().and_then(|text| text.parse::<u64>().ok());
    let first = given.unwrap_or_else(Random::seed);
    println!("DIFFERENTIAL_SEED={first}");
    let generator = Generator::of(std::env::var("DIFFERENTIAL_FAMILY").ok().as_deref());
    let watch = damselfly::clock::Stopwatch::start();
    let (mut scripts, mut commands, mut told) = (0u64, 0, 0);
    while watch.elapsed() < Duration::from_secs(seconds) {
        let mut script = generator.script(&mut Random::new(first.wrapping_add(scripts)));
        script.retain(|argv| !is_different(argv));
        oracle.reset();
        let theirs = comparable(events(&mut *oracle, "AEnm", &script));
        let mut place = Local::with_clock(4, Clock::system());
        let ours = comparable(events(&mut place, "AEnm", &script));
        if ours != theirs {
            let at = ours.iter().zip(&theirs).position(|(ours, theirs)| ours != theirs);
            let at = at.unwrap_or(ours.len().min(theirs.len()));
            let lines: Vec<String> = script
                .iter()
                .map(|argv| argv.iter().map(|arg| show(arg)).collect::<Vec<_>>().join(" "))
                .collect();
            panic!(
                "seed {}: event {at}: ours {:?}, theirs {:?}, behind {:?}\n{}",
                first.wrapping_add(scripts),
                ours.get(at..(at + 4).min(ours.len())),
                theirs.get(at..(at + 4).min(theirs.len())),
                ours.get(at.saturating_sub(4)..at),
                lines.join("\n")
            );
        }
        scripts += 1;
        commands += script.len();
        told += ours.len();
    }
    println!("{scripts} scripts, {commands} commands, {told} events");
}

#[test]
fn hashes_tell_what_is_done_to_them() {
    check(
        "EAn",
        "HSET h a 1 b 2
        HSET h a 1
        HSETNX h a 1
        HSETNX h c 1
        HMSET h d 1
        HINCRBY h n 1
        HINCRBYFLOAT h n 1.5
        HDEL h zz
        HDEL h a zz
        HDEL h b c d n",
        "0 new h, 0 hset h, 0 hset h, 0 hset h, 0 hset h, 0 hincrby h, 0 hincrbyfloat h, 0 hdel h, 0 hdel h, 0 del h",
    );
}

#[test]
fn sets_tell_what_is_done_to_them() {
    check(
        "EAn",
        "SADD s 1 2 3 a
        SADD s 1
        SREM s zz
        SREM s 1
        SPOP s
        SPOP s 0
        SPOP s 100
        SADD s 1 2
        SADD t 2
        SMOVE s t 1
        SMOVE s t 2
        SMOVE t t 1
        SADD a 1 2 3
        SADD b 2 3
        SINTERSTORE d a b
        SINTERSTORE d a nope
        SINTERSTORE d a nope
        SUNIONSTORE d a b
        SUNIONSTORE d nope
        SDIFFSTORE d a b
        SDIFFSTORE d b a
        SPOP b 1
        SPOP b 1",
        "0 new s, 0 sadd s, 0 srem s, 0 spop s, 0 spop s, 0 del s, 0 new s, 0 sadd s, 0 new t, 0 sadd t, 0 srem s,
         0 sadd t, 0 srem s, 0 del s, 0 new a, 0 sadd a, 0 new b, 0 sadd b, 0 new d, 0 sinterstore d, 0 del d, 0 new d,
         0 sunionstore d, 0 del d, 0 new d, 0 sdiffstore d, 0 del d, 0 spop b, 0 spop b, 0 del b",
    );
}

#[test]
fn sorted_sets_tell_what_is_done_to_them() {
    check(
        "EAn",
        "ZADD z 1 a 2 b 3 c 4 d
        ZADD z 1 a
        ZADD z XX 1 q
        ZADD z CH 2 a
        ZADD z INCR 1 a
        ZINCRBY z 1 a
        ZINCRBY z 0 a
        ZREM z nope
        ZREM z a
        ZREMRANGEBYRANK z 0 0
        ZREMRANGEBYSCORE z 100 200
        ZREMRANGEBYSCORE z 3 3
        ZREMRANGEBYLEX z - +
        ZADD z 1 a 2 b 3 c
        ZPOPMIN z
        ZPOPMAX z 5
        ZADD z 1 a 2 b
        ZADD y 1 a
        ZUNIONSTORE d 2 z y
        ZINTERSTORE d 2 z y
        ZDIFFSTORE d 2 z y
        ZINTERSTORE d 2 z nope
        ZINTERSTORE d 2 z nope
        ZRANGESTORE d z 0 -1
        ZRANGESTORE d z 5 6
        ZMPOP 1 z MIN
        BZPOPMAX z 0
        ZADD z 1 a
        BZMPOP 0 1 z MIN COUNT 3",
        "0 new z, 0 zadd z, 0 zadd z, 0 zincr z, 0 zincr z, 0 zrem z, 0 zremrangebyrank z, 0 zremrangebyscore z,
         0 zremrangebylex z, 0 del z, 0 new z, 0 zadd z, 0 zpopmin z, 0 zpopmax z, 0 del z, 0 new z, 0 zadd z, 0 new y,
         0 zadd y, 0 new d, 0 zunionstore d, 0 zinterstore d, 0 zdiffstore d, 0 del d, 0 new d, 0 zrangestore d, 0 del d,
         0 zpopmin z, 0 zpopmax z, 0 del z, 0 new z, 0 zadd z, 0 zpopmin z, 0 del z",
    );
}

#[test]
fn streams_tell_what_is_done_to_them() {
    check(
        "EAn",
        "XADD x 1-1 a 1
        XADD x 2-1 a 1
        XADD x MAXLEN 1 3-1 a 1
        XADD x MAXLEN 100 4-1 a 1
        XTRIM x MAXLEN 100
        XTRIM x MAXLEN 1
        XDEL x 9-9
        XDEL x 4-1
        XSETID x 9-1
        XGROUP CREATE x g 0
        XGROUP CREATE y g 0 MKSTREAM
        XGROUP SETID x g 0
        XGROUP CREATECONSUMER x g c
        XGROUP CREATECONSUMER x g c
        XADD x 10-1 a 1
        XREADGROUP GROUP g d STREAMS x >
        XREADGROUP GROUP g d STREAMS x >
        XREADGROUP GROUP g e STREAMS x 0
        XACK x g 10-1
        XADD x 11-1 a 1
        XREADGROUP GROUP g d STREAMS x >
        XCLAIM x g f 0 11-1
        XAUTOCLAIM x g h 0 0
        XGROUP DELCONSUMER x g c
        XGROUP DELCONSUMER x g zz
        XGROUP DESTROY x g
        XGROUP DESTROY x g
        XADD nope NOMKSTREAM * a 1
        XTRIM nope MAXLEN 1",
        "0 new x, 0 xadd x, 0 xadd x, 0 xadd x, 0 xtrim x, 0 xadd x, 0 xtrim x, 0 xdel x, 0 xsetid x, 0 xgroup-create x,
         0 new y, 0 xgroup-create y, 0 xgroup-setid x, 0 xgroup-createconsumer x, 0 xadd x, 0 xgroup-createconsumer x,
         0 xgroup-createconsumer x, 0 xadd x, 0 xgroup-createconsumer x, 0 xgroup-createconsumer x,
         0 xgroup-delconsumer x, 0 xgroup-destroy x",
    );
}

#[test]
fn bits_sorting_and_restoring_tell_what_they_do() {
    check(
        "EAn",
        "SETBIT b 1 1
        SETBIT b 1 1
        SETBIT b 5 0
        BITOP NOT c b
        BITOP AND c nope
        BITOP AND c nope
        BITOP OR c b
        BITFIELD b SET u8 0 5
        BITFIELD b GET u8 0
        BITFIELD b INCRBY u8 0 1 GET u8 0
        RPUSH l 3 1 2
        SORT l STORE d
        SORT l STORE d
        SORT nope STORE d
        SORT nope STORE d
        RESTORE r 0 \"\\x00\\xc0\\n\\n\\x00n\\x9fWE\\x0e\\xaec\\xbb\"
        RESTORE r 0 \"\\x00\\xc0\\n\\n\\x00n\\x9fWE\\x0e\\xaec\\xbb\" REPLACE",
        "0 new b, 0 setbit b, 0 new c, 0 set c, 0 del c, 0 new c, 0 set c, 0 setbit b, 0 setbit b, 0 new l, 0 rpush l,
         0 new d, 0 sortstore d, 0 sortstore d, 0 del d, 0 new r, 0 restore r, 0 new r, 0 restore r",
    );
}

//! Whole scripts of several clients against the engine in process.
//!
//! Input: a byte whose lowest bit chooses one shard or four, then lines. `0SET a x` is a command of client 0 (of four),
//! its words parted by blanks; `!1500` moves the clock by so many milliseconds; `-2` ends client 2, and its next command
//! is that of a new one. Checked, besides that nothing panics:
//! 1. a command gets one whole reply, unless it waits or its client wants none;
//! 2. a wait whose time is up ends;
//! 3. KEYS, SCAN, EXISTS, TYPE, STRLEN and LLEN tell the same story, and DBSIZE once what is due has gone;
//! 4. once all clients are gone nobody is blocked, and what they were given and did not take does no harm.
#![no_main]

#[path = "../../tests/common/mod.rs"]
mod common;

use common::places::{Local, Place as _, START_MS};
use common::resp::Value;
use damselfly::clock::Clock;
use damselfly::config::Config;
use damselfly::engine::Engine;
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;
use std::time::Duration;

/// Commands that stop the process or change more than the engine.
const LEFT_OUT: [&str; 3] = ["CONFIG", "DEBUG", "SHUTDOWN"];
/// Databases there are.
const DATABASES: u32 = 3;
/// More than this in one input finds nothing new.
const LINES_MAX: usize = 200;
/// Longest single step of the clock.
const ADVANCE_MS_MAX: u64 = 1 << 40;

fuzz_target!(|data: &[u8]| {
    let Some((first, lines)) = data.split_first() else { return };
    let config = Config::default()
        .shards(if first & 1 == 0 { 1 } else { 4 })
        .databases(DATABASES)
        .seed(1)
        .list_max_listpack_size(if first & 2 == 0 { -2 } else { 3 })
        .proto_max_bulk_len(1 << 20);
    let engine = Engine::open(&config, Clock::manual(START_MS)).expect("a good configuration");
    let mut local = Local::on(engine);
    for line in lines.split(|byte| *byte == b'\n').take(LINES_MAX) {
        let Some((&first, rest)) = line.split_first() else { continue };
        let name = ["0", "1", "2", "3"][usize::from(first % 4)];
        match first {
            b'!' => {
                let text = std::str::from_utf8(rest).unwrap_or_default();
                let ms: u64 = text.trim().parse().unwrap_or(100);
                // It waits until every wait whose time is up has ended.
                local.advance(Duration::from_millis(ms.min(ADVANCE_MS_MAX)));
            }
            b'-' => local.disconnect(["0", "1", "2", "3"][usize::from(rest.first().unwrap_or(&0) % 4)]),
            _ => {
                let argv: Vec<Vec<u8>> =
                    rest.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect();
                let Some(command) = argv.first() else { continue };
                if LEFT_OUT.iter().any(|name| command.eq_ignore_ascii_case(name.as_bytes())) {
                    continue;
                }
                local.send(name, &argv).expect("in process nothing fails");
                // Whatever is there is whole: `leftover` decodes it, and says so in an error of its own otherwise.
                let mut replies = 0;
                while let Some(reply) = local.leftover(name) {
                    assert!(reply != Value::Error(b"half a reply".to_vec()), "half a reply");
                    replies += 1;
                    assert!(replies <= LINES_MAX, "replies without end");
                }
            }
        }
    }
    local.end().expect("nobody is left");
    agree(&mut local);
});

fn words(words: &[&[u8]]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.to_vec()).collect()
}

fn bytes(value: Value) -> Vec<u8> {
    match value {
        Value::Bulk(bytes) | Value::Simple(bytes) => bytes,
        other => panic!("no string: {other}"),
    }
}

/// Asks several commands about the same keys.
fn agree(local: &mut Local) {
    let mut ask = |argv: &[&[u8]]| local.ask("check", &words(argv)).expect("a reply");
    // A password or a pause that the script left would answer instead; both are refused by LEFT_OUT or end here.
    let _ = ask(&[b"CLIENT", b"UNPAUSE"]);
    for db in 0..DATABASES {
        ask(&[b"SELECT", db.to_string().as_bytes()]);
        let Value::Array(keys) = ask(&[b"KEYS", b"*"]) else { panic!("KEYS") };
        let count = keys.len();
        let keys: BTreeSet<Vec<u8>> = keys.into_iter().map(bytes).collect();
        assert_eq!(keys.len(), count, "KEYS names a key twice");
        let mut scanned = BTreeSet::new();
        let mut cursor = b"0".to_vec();
        loop {
            let Value::Array(reply) = ask(&[b"SCAN", &cursor, b"COUNT", b"7"]) else { panic!("SCAN") };
            let [next, Value::Array(found)] = reply.as_slice() else { panic!("SCAN: {reply:?}") };
            scanned.extend(found.iter().cloned().map(bytes));
            cursor = bytes(next.clone());
            if cursor == b"0" {
                break;
            }
        }
        assert_eq!(scanned, keys, "SCAN and KEYS");
        assert_eq!(ask(&[b"RANDOMKEY"]) == Value::Nil, keys.is_empty(), "RANDOMKEY");
        for key in &keys {
            assert_eq!(ask(&[b"EXISTS", key]), Value::Int(1), "EXISTS of a key that KEYS names");
            match bytes(ask(&[b"TYPE", key])).as_slice() {
                b"string" => {
                    let text = bytes(ask(&[b"GET", key]));
                    assert_eq!(ask(&[b"STRLEN", key]), Value::Int(text.len() as i64), "STRLEN");
                }
                b"list" => {
                    let Value::Array(all) = ask(&[b"LRANGE", key, b"0", b"-1"]) else { panic!("LRANGE") };
                    assert!(!all.is_empty(), "an empty list is no key");
                    assert_eq!(ask(&[b"LLEN", key]), Value::Int(all.len() as i64), "LLEN");
                    let last = ask(&[b"LINDEX", key, b"-1"]);
                    assert_eq!(Some(&last), all.last(), "LINDEX");
                }
                // The counts of what the type lists; fields that are due may still be counted.
                b"hash" => {
                    let Value::Array(all) = ask(&[b"HGETALL", key]) else { panic!("HGETALL") };
                    let Value::Int(len) = ask(&[b"HLEN", key]) else { panic!("HLEN") };
                    assert!(len >= all.len() as i64 / 2 && len > 0, "HLEN is {len} of {} words", all.len());
                }
                b"set" => {
                    let Value::Array(all) = ask(&[b"SMEMBERS", key]) else { panic!("SMEMBERS") };
                    assert!(!all.is_empty(), "an empty set is no key");
                    assert_eq!(ask(&[b"SCARD", key]), Value::Int(all.len() as i64), "SCARD");
                }
                b"zset" => {
                    let Value::Array(all) = ask(&[b"ZRANGE", key, b"0", b"-1"]) else { panic!("ZRANGE") };
                    assert!(!all.is_empty(), "an empty sorted set is no key");
                    assert_eq!(ask(&[b"ZCARD", key]), Value::Int(all.len() as i64), "ZCARD");
                }
                b"stream" => {
                    let Value::Array(all) = ask(&[b"XRANGE", key, b"-", b"+"]) else { panic!("XRANGE") };
                    assert_eq!(ask(&[b"XLEN", key]), Value::Int(all.len() as i64), "XLEN");
                }
                other => panic!("TYPE {other:?}"),
            }
            assert_ne!(ask(&[b"PTTL", key]), Value::Int(-2), "PTTL of a key that KEYS names");
        }
        // What was due has been taken by now or will be soon.
        let size = Value::Int(keys.len() as i64);
        let settled = (0..2000).any(|_| {
            let same = ask(&[b"DBSIZE"]) == size;
            if !same {
                std::thread::sleep(Duration::from_millis(1));
            }
            same
        });
        assert!(settled, "DBSIZE stays {}, and KEYS names {}", ask(&[b"DBSIZE"]), keys.len());
    }
    ask(&[b"FLUSHALL"]);
    assert_eq!(ask(&[b"DBSIZE"]), Value::Int(0), "DBSIZE after FLUSHALL");
}

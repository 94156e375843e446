//! Keys of any type.

use super::check;
use super::common::oracle::Server;
use super::common::places::{Local, Nobody, Place, Remote, config};
use super::common::resp::{Value, quote};
use damselfly::clock::{Clock, Stopwatch};
use damselfly::engine::{Batch, Engine, Peer, Router, Session};
use damselfly::reply::{Protocol, Reply, ReplyBuilder};
use damselfly::shard::db::{Db, NewValue};
use damselfly::shard::entry::Kind;
use quickcheck::{Arbitrary, Gen, QuickCheck};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

#[test]
fn an_unknown_command_is_quoted_with_its_arguments() {
    check(
        r#"
        > NOSUCH a b                      < -ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' *
        "#,
    );
}

#[test]
fn del_and_its_kin_count_keys_as_they_are_named() {
    check(
        r#"
        > SET a 1                         < +OK
        > LPUSH l x                       < :1
        > EXISTS a a nokey l              < :3
        > TOUCH a a nokey l               < :3
        > TYPE a                          < +string
        > TYPE l                          < +list
        > TYPE nokey                      < +none
        > DEL a a nokey                   < :1
        > EXISTS a                        < :0
        > UNLINK l nokey l                < :1
        > TYPE l                          < +none
        > DEL                             < -ERR wrong number of arguments for 'del' command
        "#,
    );
}

#[test]
fn deadlines_are_told_in_every_unit() {
    check(
        r#"
        > TTL nokey                       < :-2
        > PTTL nokey                      < :-2
        > EXPIRETIME nokey                < :-2
        > PEXPIRETIME nokey               < :-2
        > EXPIRE nokey 10                 < :0
        > SET k v                         < +OK
        > TTL k                           < :-1
        > PTTL k                          < :-1
        > EXPIRETIME k                    < :-1
        > PEXPIRETIME k                   < :-1
        > PERSIST k                       < :0
        > EXPIRE k 100                    < :1
        > TTL k                           < :99..100
        > PTTL k                          < :99000..100000
        > PEXPIRE k 100600                < :1
        > TTL k                           < :99..101
        > EXPIREAT k 33177117420          < :1
        > EXPIRETIME k                    < :33177117420
        > PEXPIRETIME k                   < :33177117420000
        > PEXPIREAT k 33177117420499      < :1
        > EXPIRETIME k                    < :33177117420
        > PEXPIREAT k 33177117420500      < :1
        > EXPIRETIME k                    < :33177117421
        > PEXPIRETIME k                   < :33177117420500
        > PERSIST k                       < :1
        > PERSIST k                       < :0
        > TTL k                           < :-1
        > PERSIST nokey                   < :0
        "#,
    );
}

#[test]
fn deadlines_up_to_the_last_of_64_bits_are_kept_exactly() {
    check(
        r#"
        > SET k v                         < +OK
        > PEXPIREAT k 281474976710655     < :1
        > PEXPIRETIME k                   < :281474976710655
        > PEXPIREAT k 281474976710656     < :1
        > PEXPIRETIME k                   < :281474976710656
        > GET k                           < "v"
        > PEXPIREAT k 9223372036854775807 < :1
        > PEXPIRETIME k                   < :9223372036854775807
        > EXPIRETIME k                    < :9223372036854776
        > PTTL k                          < :9223370000000000000..9223372036854775807
        > GET k                           < "v"
        > RENAME k a_rather_longer_key    < +OK
        > PEXPIRETIME a_rather_longer_key < :9223372036854775807
        > COPY a_rather_longer_key k      < :1
        > PEXPIRETIME k                   < :9223372036854775807
        > PEXPIREAT k 33177117420000      < :1
        > PEXPIRETIME k                   < :33177117420000
        > EXPIREAT k 9223372036854775     < :1
        > PEXPIRETIME k                   < :9223372036854775000
        > PERSIST k                       < :1
        > GET k                           < "v"
        > LPUSH l a b c                   < :3
        > PEXPIREAT l 9223372036854775807 < :1
        > LPUSH l d                       < :4
        > PEXPIRETIME l                   < :9223372036854775807
        "#,
    );
}

#[test]
fn a_deadline_beyond_64_bits_is_refused_and_one_that_has_passed_deletes() {
    check(
        r#"
        > SET k v                         < +OK
        > EXPIRE k x                      < -ERR value is not an integer or out of range
        > EXPIRE k 9223372036854775807    < -ERR invalid expire time in 'expire' command
        > EXPIRE k 9223372036854775       < -ERR invalid expire time in 'expire' command
        > EXPIRE k -9223372036854775808   < -ERR invalid expire time in 'expire' command
        > PEXPIRE k 9223372036854775807   < -ERR invalid expire time in 'pexpire' command
        > EXPIREAT k 9223372036854776     < -ERR invalid expire time in 'expireat' command
        > EXISTS k                        < :1
        > TTL k                           < :-1
        > PEXPIRE k -9223372036854775808  < :1
        > EXISTS k                        < :0
        > SET k v                         < +OK
        > PEXPIREAT k -9223372036854775808 < :1
        > EXISTS k                        < :0
        > SET k v                         < +OK
        > EXPIRE k 0                      < :1
        > EXISTS k                        < :0
        > SET k v                         < +OK
        > EXPIREAT k 1                    < :1
        > EXISTS k                        < :0
        "#,
    );
}

#[test]
fn conditions_of_a_deadline_take_none_for_the_latest() {
    check(
        r#"
        > SET k v                         < +OK
        > EXPIREAT k 33000000000 XX       < :0
        > EXPIREAT k 33000000000 GT       < :0
        > EXPIREAT k 33000000000 NX       < :1
        > EXPIREAT k 33000000001 NX       < :0
        > EXPIREAT k 33000000000 GT       < :0
        > EXPIREAT k 33000000000 LT       < :0
        > EXPIREAT k 33000000001 gt       < :1
        > EXPIREAT k 33000000000 lt xx    < :1
        > EXPIREAT k 33000000002 XX GT GT < :1
        > EXPIRETIME k                    < :33000000002
        > EXPIREAT k 1 GT                 < :0
        > PERSIST k                       < :1
        > EXPIREAT k 33000000000 LT XX    < :0
        > EXPIREAT k 33000000000 LT       < :1
        > EXPIREAT k -5 LT                < :1
        > EXISTS k                        < :0
        > EXPIRE k 1 NX XX                < -ERR NX and XX, GT or LT options at the same time are not compatible
        > EXPIRE k 1 NX LT                < -ERR NX and XX, GT or LT options at the same time are not compatible
        > EXPIRE k 1 NX GT LT             < -ERR NX and XX, GT or LT options at the same time are not compatible
        > EXPIRE k 1 GT LT XX             < -ERR GT and LT options at the same time are not compatible
        > EXPIRE k x GT LT                < -ERR GT and LT options at the same time are not compatible
        > EXPIRE k x foo                  < -ERR Unsupported option foo
        > EXPIRE k x NX foo               < -ERR Unsupported option foo
        "#,
    );
}

#[test]
fn a_key_is_gone_the_millisecond_after_its_deadline() {
    check(
        r#"
        > SET k v                         < +OK
        > PEXPIRE k 1500                  < :1
        ! advance 1500ms
        > PTTL k                          < :0
        > GET k                           < "v"
        ! advance 1ms
        > GET k                           < nil
        > PTTL k                          < :-2
        > RENAME k other                  < -ERR no such key
        > EXPIRE k 1                      < :0
        > KEYS *                          < {}
        > SCAN 0                          < ["0" []]
        > RANDOMKEY                       < nil
        "#,
    );
}

#[test]
fn the_time_since_the_last_access_leaves_looks_from_outside_aside() {
    check(
        r#"
        > SET k v                         < +OK
        ! advance 100s
        > OBJECT IDLETIME k               < :100
        > TYPE k                          < +string
        > TTL k                           < :-1
        > EXISTS k                        < :1
        > OBJECT ENCODING k               < "embstr"
        > OBJECT REFCOUNT k               < :1
        > OBJECT IDLETIME k               < :100
        > TOUCH k                         < :1
        > OBJECT IDLETIME k               < :0
        ! advance 7s
        > OBJECT IDLETIME k               < :7
        > EXPIRE k 1000                   < :1
        > OBJECT IDLETIME k               < :0
        > OBJECT IDLETIME nokey           < nil
        "#,
    );
}

#[test]
fn keys_are_found_by_pattern_and_the_empty_one_by_a_lone_star() {
    check(
        r#"
        > KEYS *                          < []
        > SET "" empty                    < +OK
        > SET hello 1                     < +OK
        > SET hallo 1                     < +OK
        > SET h*llo 1                     < +OK
        > SET "bin\x00\xff" 1             < +OK
        > KEYS *                          < {"" "hello" "hallo" "h*llo" "bin\x00\xff"}
        > KEYS **                         < {"hello" "hallo" "h*llo" "bin\x00\xff"}
        > KEYS ""                         < {""}
        > KEYS h?llo                      < {"hello" "hallo" "h*llo"}
        > KEYS h[ae]llo                   < {"hello" "hallo"}
        > KEYS h\*llo                     < {"h*llo"}
        > KEYS bin*                       < {"bin\x00\xff"}
        > SCAN 0 MATCH * COUNT 100        < ["0" {"" "hello" "hallo" "h*llo" "bin\x00\xff"}]
        > SCAN 0 COUNT 100 MATCH **       < ["0" {"hello" "hallo" "h*llo" "bin\x00\xff"}]
        "#,
    );
}

#[test]
fn a_scan_of_a_small_database_ends_with_its_first_call() {
    check(
        r#"
        > SCAN 0                          < ["0" []]
        > SET a 1                         < +OK
        > SET b 1                         < +OK
        > LPUSH l x                       < :1
        > SCAN 0                          < ["0" {"a" "b" "l"}]
        > SCAN 0 TYPE list                < ["0" ["l"]]
        > SCAN 0 type STRING match a      < ["0" ["a"]]
        > SCAN 0 TYPE zset                < ["0" []]
        > SCAN "" COUNT 10                < ["0" {"a" "b" "l"}]
        > SCAN 0 MATCH x MATCH b          < ["0" ["b"]]
        > SCAN 0 COUNT 0                  < -ERR syntax error
        > SCAN 0 COUNT -1                 < -ERR syntax error
        > SCAN 0 COUNT x                  < -ERR value is not an integer or out of range
        > SCAN 0 COUNT                    < -ERR syntax error
        > SCAN 0 WHAT 1                   < -ERR syntax error
        > SCAN x                          < -ERR invalid cursor
        > SCAN " 0"                       < -ERR invalid cursor
        > SCAN 18446744073709551616       < -ERR invalid cursor
        > SCAN x COUNT 0                  < -ERR invalid cursor
        > SCAN 0 COUNT 9223372036854775807 < ["0" {"a" "b" "l"}]
        "#,
    );
    // Redis 7.0 and 7.2 find nothing of a type that there is not; Valkey 9 calls it an error.
    check(
        "
        > SET a 1                         < +OK
        > SCAN 0 TYPE nosuch              < [\"0\" []]
        ",
    );
}

#[test]
fn rename_carries_value_and_deadline_over_what_is_there() {
    check(
        r#"
        > RENAME nokey a                  < -ERR no such key
        > RENAME nokey nokey              < -ERR no such key
        > RENAMENX nokey a                < -ERR no such key
        > RENAMENX nokey nokey            < -ERR no such key
        > LPUSH l x y                     < :2
        > SET k v                         < +OK
        > EXPIREAT l 33177117420          < :1
        > RENAME l k                      < +OK
        > TYPE k                          < +list
        > EXPIRETIME k                    < :33177117420
        > EXISTS l                        < :0
        > SET m v                         < +OK
        > RENAME m k                      < +OK
        > GET k                           < "v"
        > TTL k                           < :-1
        > RENAME k k                      < +OK
        > RENAMENX k k                    < :0
        > SET other 1                     < +OK
        > RENAMENX k other                < :0
        > RENAMENX k free                 < :1
        > GET free                        < "v"
        "#,
    );
}

#[test]
fn copy_leaves_the_source_and_asks_before_it_replaces() {
    check(
        r#"
        > COPY nokey a                    < :0
        > SET a v                         < +OK
        > COPY a a                        < -ERR source and destination objects are the same
        > COPY a a REPLACE DB 0           < -ERR source and destination objects are the same
        > COPY nokey nokey                < -ERR source and destination objects are the same
        > EXPIREAT a 33177117420          < :1
        > COPY a b                        < :1
        > EXPIRETIME b                    < :33177117420
        > LPUSH l x                       < :1
        > COPY a l                        < :0
        > COPY a l REPLACE                < :1
        > GET l                           < "v"
        > COPY a a DB 1                   < :1
        > COPY a a DB 1                   < :0
        > COPY a a DB 1 REPLACE DB 1      < :1
        > COPY a b DB 16                  < -ERR DB index is out of range
        > COPY a b DB -1                  < -ERR DB index is out of range
        > COPY a b DB x                   < -ERR value is not an integer or out of range
        > COPY a b DB 2147483648          < -ERR value is out of range, value must between -2147483648 and 2147483647
        > COPY a b DB                     < -ERR syntax error
        > COPY a b REPLACE x              < -ERR syntax error
        > DEL a                           < :1
        > MOVE b 1                        < :1
        > SELECT 1                        < +OK
        > GET a                           < "v"
        > EXPIRETIME b                    < :33177117420
        "#,
    );
}

#[test]
fn move_takes_a_key_to_where_its_name_is_free() {
    check(
        r#"
        > MOVE nokey 1                    < :0
        > MOVE nokey 0                    < -ERR source and destination objects are the same
        > MOVE k x                        < -ERR value is not an integer or out of range
        > MOVE k 16                       < -ERR DB index is out of range
        > MOVE k -2147483649              < -ERR value is out of range, value must between -2147483648 and 2147483647
        > SET k v                         < +OK
        > MOVE k 1                        < :1
        > EXISTS k                        < :0
        > SET k w                         < +OK
        > MOVE k 1                        < :0
        > GET k                           < "w"
        > SELECT 1                        < +OK
        > GET k                           < "v"
        "#,
    );
}

#[test]
fn whoever_waits_for_a_key_is_served_by_rename_copy_and_move() {
    check(
        r#"
        > LPUSH src x                     < :1
        a> BRPOP l1 0                     < blocks
        > COPY src l1                     < :1
        a< ["l1" "x"]
        a> BRPOP l2 0                     < blocks
        > RENAME src l2                   < +OK
        a< ["l2" "x"]
        > EXISTS src l1 l2                < :0
        b> SELECT 1                       < +OK
        b> BRPOP l3 0                     < blocks
        > SET s v                         < +OK
        > COPY s l3 DB 1                  < :1
        > LPUSH l3 y                      < :1
        > MOVE l3 1                       < :0
        > COPY l3 l3 DB 1 REPLACE         < :1
        b< ["l3" "y"]
        b> BRPOP l3 0                     < blocks
        > MOVE l3 1                       < :1
        b< ["l3" "y"]
        > LPUSH l4 z                      < :1
        b> BRPOP l5 l4 0                  < blocks
        > RENAMENX l4 l5                  < :1
        > EXISTS l5                       < :1
        > MOVE l5 1                       < :1
        b< ["l5" "z"]
        "#,
    );
}

#[test]
fn object_tells_what_redis_would_keep() {
    check(
        r#"
        > SET i 12345                     < +OK
        > SET e hello                     < +OK
        > SET r 123456789012345678901234567890123456789012345 < +OK
        > OBJECT ENCODING i               < "int"
        > OBJECT ENCODING e               < "embstr"
        > OBJECT ENCODING r               < "raw"
        > OBJECT ENCODING nokey           < nil
        > OBJECT REFCOUNT i               < :1
        > SET small 9999                  < +OK
        > OBJECT REFCOUNT small           < :2147483647
        > OBJECT REFCOUNT e               < :1
        > OBJECT REFCOUNT nokey           < nil
        > OBJECT FREQ nokey               < nil
        > OBJECT FREQ e                   < -ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.
        > OBJECT IDLETIME e               < :0..1
        > OBJECT NOSUCH                   < -ERR unknown subcommand 'NOSUCH'. Try OBJECT HELP.
        > OBJECT                          < -ERR wrong number of arguments for 'object' command
        > OBJECT encoding                 < -ERR wrong number of arguments for 'object|encoding' command
        > OBJECT HELP                     < [* * * * * * * * * * * * * * *]
        "#,
    );
}

// ---- The same scripts, here and on real servers -------------------------------------------------------------------

/// One command of a generated script.
#[derive(Clone, Debug)]
struct Op(Vec<Vec<u8>>);

impl Op {
    fn name(&self) -> &[u8] {
        &self.0[0]
    }

    fn shown(&self) -> String {
        self.0.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
    }
}

/// Few names, so that commands meet.
const NAMES: &[&[u8]] =
    &[b"a", b"b", b"c", b"{a}b", b"hello", b"hallo", b"h*llo", b"", b"k\x00\xff", b"gone"];
const PATTERNS: &[&[u8]] = &[
    b"*",
    b"**",
    b"h?llo",
    b"h[ae]llo",
    b"h[^e]llo",
    b"h\\*llo",
    b"",
    b"?",
    b"*a*",
    b"nokey",
    b"\xff",
    b"[a-c]",
];
const DATABASES: &[&[u8]] = &[b"0", b"1", b"2", b"15"];
const NO_NUMBERS: &[&[u8]] = &[
    b"",
    b"x",
    b"1.5",
    b" 1",
    b"01",
    b"16",
    b"-1",
    b"2147483648",
    b"9223372036854775808",
    b"-9223372036854775808",
];

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        let word = |text: &str| text.as_bytes().to_vec();
        let name = |g: &mut Gen| g.choose(NAMES).unwrap_or(&NAMES[0]).to_vec();
        let names = |g: &mut Gen| {
            let count = 1 + usize::arbitrary(g) % 3;
            (0..count).map(|_| name(g)).collect::<Vec<_>>()
        };
        let one_in = |g: &mut Gen, n: usize| usize::arbitrary(g) % n == 0;
        let pick = |g: &mut Gen, from: &[&[u8]]| g.choose(from).unwrap_or(&from[0]).to_vec();
        let mut argv = match u8::arbitrary(g) % 40 {
            0..5 => {
                let value = match u8::arbitrary(g) % 6 {
                    0 => word("9999"),
                    1 => word("10000"),
                    2 => vec![b'v'; 44],
                    3 => vec![b'v'; 45],
                    4 => vec![b'v'; 2000],
                    _ => word("v"),
                };
                vec![word("SET"), name(g), value]
            }
            5..8 => [vec![word("LPUSH"), name(g)], names(g)].concat(),
            8 => vec![word("RPOP"), name(g)],
            9 => vec![word("INCR"), name(g)],
            10 => [vec![word("DEL")], names(g)].concat(),
            11 => [vec![word("UNLINK")], names(g)].concat(),
            12 => [vec![word("EXISTS")], names(g)].concat(),
            13 => [vec![word("TOUCH")], names(g)].concat(),
            14 => vec![word("TYPE"), name(g)],
            15..21 => {
                let name = name(g);
                deadline(g, name)
            }
            21 => vec![word("TTL"), name(g)],
            22 => vec![word("PTTL"), name(g)],
            23 => vec![word("EXPIRETIME"), name(g)],
            24 => vec![word("PEXPIRETIME"), name(g)],
            25 => vec![word("PERSIST"), name(g)],
            26 => vec![word("KEYS"), pick(g, PATTERNS)],
            27..29 => {
                let mut argv = vec![word("SCAN"), word("0")];
                if one_in(g, 20) {
                    argv[1] = pick(g, &[b"", b"x", b" 0", b"+1", b"-1", b"18446744073709551616"]);
                }
                while !one_in(g, 2) {
                    argv.extend(match u8::arbitrary(g) % 4 {
                        0 => vec![word("MATCH"), pick(g, PATTERNS)],
                        1 => vec![
                            word("count"),
                            pick(g, &[b"1", b"2", b"10", b"1000", b"0", b"-3", b"x", b"9223372036854775807"]),
                        ],
                        2 => vec![word("TYPE"), pick(g, &[b"string", b"LIST", b"hash", b"zset"])],
                        _ => vec![word("MATCH"), name(g)],
                    });
                }
                argv
            }
            29 => vec![word("RANDOMKEY")],
            30 => vec![word("RENAME"), name(g), name(g)],
            31 => vec![word("RENAMENX"), name(g), name(g)],
            32..34 => {
                let mut argv = vec![word("COPY"), name(g), name(g)];
                while !one_in(g, 2) {
                    argv.extend(match u8::arbitrary(g) % 2 {
                        0 => vec![word("DB"), pick(g, DATABASES)],
                        _ => vec![word("REPLACE")],
                    });
                }
                argv
            }
            34 => vec![word("MOVE"), name(g), pick(g, DATABASES)],
            35..37 => {
                let of = pick(g, &[b"ENCODING", b"refcount", b"IDLETIME", b"FREQ", b"NOSUCH"]);
                vec![word("OBJECT"), of, name(g)]
            }
            37 => vec![word("SELECT"), pick(g, DATABASES)],
            _ => vec![word("GET"), name(g)],
        };
        // Now and then something is wrong with a command.
        if one_in(g, 25) {
            let at = 1 + usize::arbitrary(g) % argv.len();
            match u8::arbitrary(g) % 3 {
                0 => argv.insert(at, pick(g, NO_NUMBERS)),
                1 if at < argv.len() => drop(argv.remove(at)),
                _ if at < argv.len() => argv[at] = pick(g, NO_NUMBERS),
                _ => argv.push(word("NX")),
            }
        }
        Op(argv)
    }
}

/// A command that sets a deadline: in the far future, at a few times that meet each other, or in the past.
fn deadline(g: &mut Gen, name: Vec<u8>) -> Vec<Vec<u8>> {
    let command = *g.choose(&["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"]).unwrap_or(&"EXPIRE");
    let absolute = command.ends_with("AT");
    let value = match u8::arbitrary(g) % 12 {
        0 => i64::MAX - i64::from(u8::arbitrary(g) % 2),
        1 => i64::MIN,
        2 => i64::MAX / 1000 + i64::from(u8::arbitrary(g) % 3) - 1,
        3 => i64::MIN / 1000 - i64::from(u8::arbitrary(g) % 2),
        4 => -i64::from(u16::arbitrary(g)),
        5 => 0,
        6 => (1 << 48) + i64::from(u8::arbitrary(g) % 3) - 1,
        // Relative ones hardly ever meet: a millisecond between the servers must not decide.
        _ if !absolute => 1_000_000 + i64::from(u32::arbitrary(g)) * 10,
        _ => 33_000_000_000_000 + i64::from(u8::arbitrary(g) % 4) * 400,
    };
    let mut argv = vec![command.as_bytes().to_vec(), name, value.to_string().into_bytes()];
    for _ in 0..[0, 0, 1, 1, 1, 2, 3][usize::arbitrary(g) % 7] {
        argv.push(g.choose(&["NX", "XX", "gt", "LT", "Lt"]).unwrap_or(&"NX").as_bytes().to_vec());
    }
    argv
}

/// A reply with nothing in it that may differ; a scan is followed to its end.
fn answer(place: &mut dyn Place, op: &Op) -> Value {
    let mut ask = |argv: &[Vec<u8>]| {
        let reply = place.send("", argv).and_then(|()| place.receive(""));
        reply.unwrap_or_else(|error| Value::Error(error.into_bytes()))
    };
    match (op.name(), ask(&op.0)) {
        (_, error @ Value::Error(_)) => error,
        (b"KEYS", Value::Array(keys)) => Value::Array(sorted(keys)),
        (b"RANDOMKEY", Value::Bulk(key)) => {
            // A key that is made up would not be there.
            Value::Array(vec![ask(&[b"EXISTS".to_vec(), key])])
        }
        (b"SCAN", Value::Array(mut reply)) => {
            let mut argv = op.0.clone();
            let mut found = Vec::new();
            loop {
                let (Some(Value::Array(keys)), Some(Value::Bulk(cursor))) = (reply.pop(), reply.pop()) else {
                    return Value::Error(b"no cursor and keys".to_vec());
                };
                found.extend(keys);
                // A cursor that nobody gave leads anywhere.
                if !matches!(op.0[1].as_slice(), b"0" | b"") {
                    return Value::Nil;
                }
                if cursor == b"0" {
                    return Value::Array(sorted(found));
                }
                argv[1] = cursor;
                reply = match ask(&argv) {
                    Value::Array(reply) => reply,
                    other => return other,
                };
            }
        }
        (_, reply) => reply,
    }
}

fn sorted(mut values: Vec<Value>) -> Vec<Value> {
    values.sort();
    values.dedup();
    values
}

/// Whether replies are the same but for the time between them, and for what 7.0 and 7.2 call a short list.
fn same(op: &Op, ours: &Value, theirs: &Value) -> bool {
    let tolerance = match op.name() {
        b"TTL" | b"EXPIRETIME" => 1,
        b"PTTL" | b"PEXPIRETIME" => 1000,
        b"OBJECT" => 1,
        _ => 0,
    };
    match (ours, theirs) {
        (Value::Int(ours), Value::Int(theirs)) if *ours >= 0 && *theirs >= 0 => {
            ours.abs_diff(*theirs) <= tolerance
        }
        (Value::Bulk(ours), Value::Bulk(theirs)) if op.name() == b"OBJECT" && ours == b"listpack" => {
            theirs == b"listpack" || theirs == b"quicklist"
        }
        _ => ours == theirs,
    }
}

/// Hits and misses that a server has counted.
fn lookups(remote: &mut Remote) -> (i64, i64) {
    let info = match remote.control("INFO stats") {
        Ok(Value::Bulk(text) | Value::Verbatim(text)) => String::from_utf8_lossy(&text).into_owned(),
        _ => String::new(),
    };
    let field = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|number| number.trim().parse().ok()).unwrap_or(-1)
    };
    (field("keyspace_hits"), field("keyspace_misses"))
}

/// What differs between us and a real server, over a script.
fn difference(script: &[Op], remote: &mut Remote, valkey: bool) -> Option<String> {
    remote.reset();
    let _ = remote.control("CONFIG RESETSTAT");
    let mut locals = [1, 16].map(|shards| Local::with_clock(shards, Clock::system()));
    for (at, op) in script.iter().enumerate() {
        let theirs = answer(remote, op);
        for local in &mut locals {
            let ours = answer(local, op);
            // Valkey 9 reads cursors anew, has no shared integers, and embeds longer strings.
            let newer = valkey
                && (matches!(&theirs, Value::Error(text) if text.starts_with(b"ERR invalid cursor"))
                    || op.name() == b"SCAN" && op.0.get(1).is_some_and(|cursor| cursor.starts_with(b" "))
                    || ["REFCOUNT", "ENCODING"]
                        .iter()
                        .any(|word| op.0.get(1).is_some_and(|of| of.eq_ignore_ascii_case(word.as_bytes()))));
            // A copy of a shared integer is a value of its own in Redis; here nobody can tell.
            let copied = op.0.get(1).is_some_and(|of| of.eq_ignore_ascii_case(b"REFCOUNT"))
                && script[..at].iter().any(|op| op.name() == b"COPY");
            if !newer && !copied && !same(op, &ours, &theirs) {
                let name = local.name();
                return Some(format!("command {at}: {}\n  theirs {theirs}\n  {name}: {ours}", op.shown()));
            }
        }
    }
    // To filter by type Redis 7.0 looks the keys up, and 7.2 does not count that.
    if script.iter().any(|op| op.name() == b"SCAN") {
        return None;
    }
    let theirs = lookups(remote);
    for local in &locals {
        let totals = local.engine.totals();
        let ours = (totals.hits as i64, totals.misses as i64);
        if ours != theirs {
            return Some(format!("hits and misses: theirs {theirs:?}, {}: {ours:?}", local.name()));
        }
    }
    None
}

/// Runs on `redis-server`, and on what `VALKEY_ORACLE` names; scripts in number as `KEYS_SCRIPTS` says.
#[test]
fn random_scripts_answer_as_real_servers_do() {
    let scripts = std::env::var("KEYS_SCRIPTS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let valkey = std::env::var("VALKEY_ORACLE").unwrap_or_default();
    let valkey = if valkey == "auto" { "valkey-server".to_owned() } else { valkey };
    for program in ["redis-server", &valkey] {
        let Some(server) = (!program.is_empty()).then(|| Server::start(program, &[])).flatten() else {
            println!("skipped: {program:?} could not be started");
            continue;
        };
        static COMMANDS: AtomicUsize = AtomicUsize::new(0);
        fn agrees(program: &str, addr: &str, script: Vec<Op>) -> bool {
            COMMANDS.fetch_add(script.len(), Ordering::Relaxed);
            let found = difference(&script, &mut Remote::new(program, addr), program != "redis-server");
            if let Some(text) = &found {
                println!("{program}: {text}");
            }
            found.is_none()
        }
        let (program, addr) = (program.to_owned(), server.addr().to_owned());
        // quickcheck takes plain functions, so what they need beside the script stands in a place of its own.
        *TARGET.lock().expect("nobody panics with it") = (program.clone(), addr);
        fn property(script: Vec<Op>) -> bool {
            let (program, addr) = TARGET.lock().expect("nobody panics with it").clone();
            agrees(&program, &addr, script)
        }
        QuickCheck::new().tests(scripts).rng(Gen::new(120)).quickcheck(property as fn(Vec<Op>) -> bool);
        println!("{program}: {} commands", COMMANDS.swap(0, Ordering::Relaxed));
    }
}

/// The server that scripts are compared with.
static TARGET: std::sync::Mutex<(String, String)> = std::sync::Mutex::new((String::new(), String::new()));

// ---- SCAN under writers -------------------------------------------------------------------------------------------

struct Caller {
    engine: Arc<Engine>,
    session: Session,
}

impl Caller {
    fn new(engine: &Arc<Engine>) -> Self {
        Self { engine: Arc::clone(engine), session: engine.connect(Peer::default(), Arc::new(Nobody)) }
    }

    fn call(&mut self, argv: &[&[u8]]) -> Reply {
        let mut sink = ReplyBuilder::new(Protocol::Resp3);
        Batch::new(&self.engine).execute(&mut self.session, argv, &mut sink);
        sink.finish()
    }
}

/// One page of a scan: the cursor to go on from, and the keys.
fn page(reply: Reply) -> (Vec<u8>, Vec<Vec<u8>>) {
    let Reply::Array(parts) = reply else { panic!("no page: {reply:?}") };
    let [Reply::Bulk(cursor), Reply::Array(keys)] = &parts[..] else { panic!("no page: {parts:?}") };
    (cursor.to_vec(), keys.iter().filter_map(Reply::as_bytes).map(<[u8]>::to_vec).collect())
}

/// Scans while other threads grow the keyspace by tens of thousands of keys and shrink it again, in turns.
fn scan_under_writers(shards: u32, stable: usize, count: usize, writers: usize, waves: usize) -> bool {
    const WAVE: usize = 4000;
    let engine = Engine::open(&config(shards), Clock::system()).expect("a good configuration");
    let mut caller = Caller::new(&engine);
    let stable: BTreeSet<Vec<u8>> = (0..stable).map(|n| format!("stable:{n}").into_bytes()).collect();
    for key in &stable {
        caller.call(&[b"SET", key, b"v"]);
    }
    let (done, scans) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..writers)
            .map(|writer| {
                let (engine, done, scans) = (&engine, &done, &scans);
                scope.spawn(move || {
                    let mut caller = Caller::new(engine);
                    let mut wave = 0;
                    // At least so many waves, and until two scans have met them.
                    while (wave < waves || scans.load(Ordering::Relaxed) < 2) && !done.load(Ordering::Relaxed)
                    {
                        for n in 0..WAVE {
                            caller.call(&[b"SET", format!("{writer}:{wave}:{n}").as_bytes(), b"v"]);
                        }
                        for n in 0..WAVE {
                            let key = format!("{writer}:{wave}:{n}").into_bytes();
                            // Some go by a new name, and only then.
                            if n % 7 == 0 {
                                caller.call(&[b"RENAME", &key, &[&key[..], b"'"].concat()]);
                                caller.call(&[b"UNLINK", &[&key[..], b"'"].concat()]);
                            } else {
                                caller.call(&[b"DEL", &key]);
                            }
                        }
                        wave += 1;
                    }
                })
            })
            .collect();
        let count = count.to_string().into_bytes();
        let mut whole = true;
        while whole && writers.iter().any(|writer| !writer.is_finished()) {
            let mut seen = BTreeSet::new();
            let mut cursor = b"0".to_vec();
            loop {
                let (next, keys) = page(caller.call(&[b"SCAN", &cursor, b"COUNT", &count]));
                for key in keys {
                    // More than the guarantee: what is there throughout comes once only.
                    whole &= seen.insert(key.clone()) || !stable.contains(&key);
                }
                cursor = next;
                if cursor == b"0" {
                    break;
                }
            }
            whole &= seen.is_superset(&stable);
            scans.fetch_add(1, Ordering::Relaxed);
        }
        done.store(true, Ordering::Relaxed);
        whole
    })
}

#[test]
fn a_scan_returns_every_key_that_is_there_throughout_whatever_others_write() {
    fn property(stable: u16, count: u16, shards: u8, writers: u8) -> bool {
        let shards = 1 << (shards % 5);
        scan_under_writers(
            shards,
            usize::from(stable % 5000),
            usize::from(count % 300) + 1,
            usize::from(writers % 3) + 1,
            2,
        )
    }
    QuickCheck::new().tests(8).rng(Gen::new(60_000)).quickcheck(property as fn(u16, u16, u8, u8) -> bool);
}

#[test]
fn a_count_is_kept_across_shards_and_every_page_is_near_it() {
    let engine = Engine::open(&config(16), Clock::manual(1_000)).expect("a good configuration");
    let mut caller = Caller::new(&engine);
    for n in 0..5000 {
        caller.call(&[b"SET", format!("key:{n}").as_bytes(), b"v"]);
    }
    let (mut cursor, mut seen, mut pages) = (b"0".to_vec(), BTreeSet::new(), 0);
    loop {
        let (next, keys) = page(caller.call(&[b"SCAN", &cursor, b"COUNT", b"70"]));
        pages += 1;
        // Keys whose hashes are the same come together.
        assert!(keys.len() <= 72, "{}", keys.len());
        assert!(next == b"0" || keys.len() >= 70, "{}", keys.len());
        seen.extend(keys);
        cursor = next;
        if cursor == b"0" {
            break;
        }
    }
    assert_eq!((seen.len(), pages), (5000, 72));
}

#[test]
fn random_keys_are_as_likely_whatever_their_shard() {
    let engine = Engine::open(&config(8), Clock::manual(1_000)).expect("a good configuration");
    let mut caller = Caller::new(&engine);
    for n in 0..40 {
        caller.call(&[b"SET", n.to_string().as_bytes(), b"v"]);
    }
    // Keys that have expired are not drawn, and do not count for their shards.
    for n in 0..400 {
        let key = format!("{{0}}:{n}").into_bytes();
        caller.call(&[b"SET", &key, b"v"]);
        caller.call(&[b"PEXPIREAT", &key, b"1500"]);
    }
    engine.cycles().set_active_expiry(false);
    engine.advance(Duration::from_secs(1));
    let mut drawn = [0u32; 40];
    for _ in 0..40_000 {
        let reply = caller.call(&[b"RANDOMKEY"]);
        let key = reply.as_bytes().and_then(|key| std::str::from_utf8(key).ok()?.parse::<usize>().ok());
        drawn[key.expect("a key that is there")] += 1;
    }
    // A thousand each; six standard deviations are 190.
    assert!(drawn.iter().all(|&times| (800..1200).contains(&times)), "{drawn:?}");
}

// ---- What growing costs at worst ----------------------------------------------------------------------------------

/// `cargo test --release --test commands -- --ignored --nocapture longest`
#[test]
#[ignore = "a measurement"]
fn the_longest_insert_into_millions_of_keys() {
    const KEYS: usize = 5_000_000;
    let router = Router::new((1, 2), 1);
    let mut db = Db::default();
    let (mut plain, mut splits) = (Vec::with_capacity(KEYS), Vec::new());
    for n in 0..KEYS {
        let name = format!("key:{n:012}");
        let (_, key) = router.route(name.as_bytes());
        let segments = db.table.segments();
        let watch = Stopwatch::start();
        db.put(key.hash, None, key.bytes, NewValue::Inline(Kind::Str, b"value"), None, 0);
        let took = watch.elapsed();
        if db.table.segments() == segments { plain.push((took, n)) } else { splits.push((took, n)) }
    }
    for (what, mut times) in [("inserts without a split", plain), ("inserts that split a segment", splits)] {
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].0;
        println!("{} {what}: median {:?}, 99 % {:?}, 99.9 % {:?}", times.len(), at(0.5), at(0.99), at(0.999));
        let longest: Vec<_> = times.iter().rev().take(8).collect();
        println!("  longest (time, keys before it): {longest:?}");
    }
    println!("{} segments, {} keys", db.table.segments(), db.len());
}

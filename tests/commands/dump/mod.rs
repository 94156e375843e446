//! `DUMP` and `RESTORE`.

mod payloads;
mod real;

use super::check;
use damselfly::Damselfly;
use damselfly::rdb::crc64;
use payloads::PAYLOADS;
use quickcheck::quickcheck;

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

/// Bytes as scripts have them.
fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// Runs a script in which `NAME` between dollars stands for a payload.
#[track_caller]
fn check_with(script: &str) {
    let mut text = script.to_owned();
    for (name, hex) in PAYLOADS {
        text = text.replace(&format!("${name}$"), &format!("\"{}\"", escaped(&unhex(hex))));
    }
    check(&text);
}

/// A body with a footer that holds.
fn seal(body: &[u8], version: u16) -> Vec<u8> {
    let mut payload = [body, &version.to_le_bytes()].concat();
    payload.extend(crc64(0, &payload).to_le_bytes());
    payload
}

#[test]
fn a_dump_is_what_redis_7_0_gives() {
    check(
        r#"
        > SET s hello                     < +OK
        > DUMP s                          < "\x00\x05hello\n\x00cr\xdfve4 \x0a"
        > DUMP none                       < nil
        > RPUSH l x y                     < :2
        > DUMP l                          < "\x12\x01\x02\x0d\x0d\x00\x00\x00\x02\x00\x81x\x02\x81y\x02\xff\n\x00~\x97[V\x8d\x1a\xfao"
        "#,
    );
}

#[test]
fn a_value_goes_through_a_dump_unchanged() {
    // The bytes of a dump, to be given back: two engines, and values in all their forms.
    let (here, there) = (Damselfly::in_memory(), Damselfly::in_memory());
    for value in ["", "1", "-129", "2147483648", "x", "hello", &"ab".repeat(1000), &"x".repeat(5000)] {
        here.set("s", value).unwrap();
        let dumped = here.dump("s").unwrap().expect("it is there");
        there.restore("s", &dumped).unwrap();
        assert_eq!(there.get("s").unwrap().as_deref(), Some(value.as_bytes()));
        assert_eq!(there.dump("s").unwrap(), Some(dumped));
        there.del("s").unwrap();
    }
    let long = "y".repeat(16_378);
    for elements in [
        vec!["a", "1", ""],
        vec!["a"; 3000],
        // An element whose entry servers count differently stands by itself.
        vec!["before", &long, "behind", &long],
        vec![&long[..9000], "x", &long[..100]],
    ] {
        here.del("l").unwrap();
        here.rpush("l", &elements).unwrap();
        let dumped = here.dump("l").unwrap().expect("it is there");
        there.restore("l", &dumped).unwrap();
        assert_eq!(there.lrange("l", 0, -1).unwrap(), elements);
        there.del("l").unwrap();
    }
}

#[test]
fn collections_of_every_type_go_through_a_dump_unchanged() {
    let (here, there) = (Damselfly::in_memory(), Damselfly::in_memory());
    for made in [
        "HSET k f v",
        "HSET k field:0 value:0 field:1 1 field:2 -70000",
        "SADD k 1 2 3",
        "SADD k a 2 c",
        "ZADD k 1 a 2.5 b -inf c",
        "XADD k 1-1 f v",
        "RPUSH k a 1 b",
    ] {
        for db in [&here, &there] {
            db.del("k").unwrap();
        }
        here.call(made.split(' ')).unwrap();
        there.restore("k", here.dump("k").unwrap().expect("it is there")).unwrap();
        for line in [
            "HGETALL k",
            "SMEMBERS k",
            "ZRANGE k 0 -1 WITHSCORES",
            "XINFO STREAM k FULL",
            "LRANGE k 0 -1",
            "OBJECT ENCODING k",
        ] {
            let ask = |db: &Damselfly| db.call(line.split(' '));
            assert_eq!(ask(&there), ask(&here), "{made}: {line}");
        }
    }
}

#[test]
fn options_and_mistakes_come_before_the_payload() {
    check(
        r#"
        > SET s x                                         < +OK
        > RESTORE s x y                                   < -BUSYKEY Target key name already exists.
        > RESTORE s 0 y foo                               < -ERR syntax error
        > RESTORE n x y                                   < -ERR value is not an integer or out of range
        > RESTORE n -1 y                                  < -ERR Invalid TTL value, must be >= 0
        > RESTORE n 0 y                                   < -ERR DUMP payload version or checksum are wrong
        > RESTORE n 0 ""                                  < -ERR DUMP payload version or checksum are wrong
        > RESTORE n 0 y FREQ 256                          < -ERR Invalid FREQ value, must be >= 0 and <= 255
        > RESTORE n 0 y FREQ -1                           < -ERR Invalid FREQ value, must be >= 0 and <= 255
        > RESTORE n 0 y FREQ a                            < -ERR value is not an integer or out of range
        > RESTORE n 0 y IDLETIME -1                       < -ERR Invalid IDLETIME value, must be >= 0
        > RESTORE n 0 y IDLETIME a                        < -ERR value is not an integer or out of range
        > RESTORE n 0 y IDLETIME                          < -ERR syntax error
        > RESTORE n 0 y FREQ 3 IDLETIME 3                 < -ERR syntax error
        > RESTORE n 0 y IDLETIME 3 FREQ 3                 < -ERR syntax error
        > RESTORE n 0                                     < -ERR wrong number of arguments for 'restore' command
        > RESTORE n 0 "\x00\x05hello\n\x00cr\xdfvf4 \x0a"  < -ERR DUMP payload version or checksum are wrong
        > RESTORE n 0 "\x00\x05hellp\n\x00cr\xdfve4 \x0a"  < -ERR DUMP payload version or checksum are wrong
        > EXISTS n                                        < :0
        "#,
    );
}

#[test]
fn a_restored_key_has_the_life_it_was_given() {
    check(
        r#"
        > RESTORE a 0 "\x00\x05hello\n\x00cr\xdfve4 \x0a"                          < +OK
        > TTL a                                                                    < :-1
        > RESTORE b 100000 "\x00\x05hello\n\x00cr\xdfve4 \x0a"                     < +OK
        > TTL b                                                                    < :95..100
        > RESTORE b 0 "\x00\x05hello\n\x00cr\xdfve4 \x0a" REPLACE                  < +OK
        > TTL b                                                                    < :-1
        > RESTORE c 99999999999999 "\x00\x05hello\n\x00cr\xdfve4 \x0a" ABSTTL      < +OK
        > PEXPIRETIME c                                                            < :99999999999999
        > RESTORE d 1 "\x00\x05hello\n\x00cr\xdfve4 \x0a" ABSTTL                   < +OK
        > EXISTS d                                                                 < :0
        > RESTORE a 1 "\x00\x05hello\n\x00cr\xdfve4 \x0a" ABSTTL REPLACE           < +OK
        > EXISTS a                                                                 < :0
        > RESTORE d 9223372036854775807 "\x00\x05hello\n\x00cr\xdfve4 \x0a"        < +OK
        > EXISTS d                                                                 < :0
        > RESTORE e 0 "\x00\x05hello\n\x00cr\xdfve4 \x0a" idletime 1000 absttl     < +OK
        > OBJECT IDLETIME e                                                        < :999..1001
        > RESTORE f 0 "\x00\x05hello\n\x00cr\xdfve4 \x0a" FREQ 10                  < +OK
        > GET f                                                                    < "hello"
        "#,
    );
    check(
        r#"
        a> BLPOP l 0                                                               < blocks
        b> RESTORE l 0 "\x12\x01\x02\x0d\x0d\x00\x00\x00\x02\x00\x81x\x02\x81y\x02\xff\n\x00~\x97[V\x8d\x1a\xfao"   < +OK
        a< ["l" "x"]
        "#,
    );
}

#[test]
fn lists_of_every_age_are_restored() {
    check_with(
        r#"
        > RESTORE plain 0 $list_plain$              < +OK
        > LRANGE plain 0 -1                         < ["a" "5" "c"]
        > RESTORE ziplist 0 $list_ziplist$          < +OK
        > LLEN ziplist                              < :21
        > LRANGE ziplist 0 1                        < ["a" "5"]
        > LRANGE ziplist 3 -1                       < ["0" "12" "13" "-1" "127" "-128" "128" "32767" "-32768" "32768" "8388607" "-8388608" "8388608" "2147483647" "-2147483648" "2147483648" "-9223372036854775808" "9223372036854775807"]
        > RESTORE quicklist 0 $list_quicklist$      < +OK
        > LRANGE quicklist 0 -1                     < ["a" "b" "1" "c"]
        > RPUSH quicklist more                      < :5
        > RESTORE plain 0 $list_quicklist$ REPLACE  < +OK
        > LLEN plain                                < :4
        "#,
    );
}

#[test]
fn sets_of_every_age_are_restored() {
    check_with(
        r#"
        > RESTORE plain 0 $set_plain$               < +OK
        > SMEMBERS plain                            < {"a" "b"}
        > RESTORE i2 0 $intset2$                    < +OK
        > SMEMBERS i2                               < ["-3" "1" "2"]
        > OBJECT ENCODING i2                        < "intset"
        > RESTORE i4 0 $intset4$                    < +OK
        > SMEMBERS i4                               < ["-70000" "1" "2"]
        > RESTORE i8 0 $intset8$                    < +OK
        > SMEMBERS i8                               < ["-1099511627776" "1" "4611686018427387904"]
        > SADD i8 x                                 < :1
        > SCARD i8                                  < :4
        "#,
    );
    check_with(
        r#"
        ! only 7.2
        > RESTORE listpack 0 $set_listpack$         < +OK
        > SMEMBERS listpack                         < ["a" "1" "b"]
        > OBJECT ENCODING listpack                  < "listpack"
        > RESTORE plain 0 $set_plain$               < +OK
        > OBJECT ENCODING plain                     < "listpack"
        > CONFIG SET set-max-intset-entries 1       < +OK
        > RESTORE plain 0 $set_plain$ REPLACE       < +OK
        > OBJECT ENCODING plain                     < "hashtable"
        > RESTORE ints 0 $intset2$                  < +OK
        > OBJECT ENCODING ints                      < "hashtable"
        > CONFIG SET set-max-intset-entries 512     < +OK
        > CONFIG SET set-max-listpack-value 0       < +OK
        > RESTORE plain 0 $set_plain$ REPLACE       < +OK
        > OBJECT ENCODING plain                     < "hashtable"
        > RESTORE listpack 0 $set_listpack$ REPLACE < +OK
        > OBJECT ENCODING listpack                  < "listpack"
        > CONFIG SET set-max-listpack-value 64      < +OK
        > CONFIG SET set-max-listpack-entries 2     < +OK
        > RESTORE listpack 0 $set_listpack$ REPLACE < +OK
        > OBJECT ENCODING listpack                  < "hashtable"
        > CONFIG SET set-max-listpack-entries 128   < +OK
        "#,
    );
}

#[test]
fn hashes_of_every_age_are_restored() {
    check_with(
        r#"
        > RESTORE plain 0 $hash_plain$              < +OK
        > HMGET plain f n none                      < ["v" "12345" nil]
        > OBJECT ENCODING plain                     < "listpack"
        > RESTORE zipmap 0 $hash_zipmap$            < +OK
        > HGETALL zipmap                            < ["f" "v" "long" "value"]
        > RESTORE ziplist 0 $hash_ziplist$          < +OK
        > HGETALL ziplist                           < ["f" "v" "n" "7"]
        > RESTORE listpack 0 $hash_listpack$        < +OK
        > HGETALL listpack                          < ["f" "v" "n" "7"]
        > OBJECT ENCODING listpack                  < "listpack"
        > HSET listpack more x                      < :1
        > HLEN listpack                             < :3
        > CONFIG SET hash-max-listpack-entries 1    < +OK
        > RESTORE plain 0 $hash_plain$ REPLACE      < +OK
        > OBJECT ENCODING plain                     < "hashtable"
        > RESTORE listpack 0 $hash_listpack$ REPLACE   < +OK
        > OBJECT ENCODING listpack                  < "hashtable"
        > CONFIG SET hash-max-listpack-entries 512  < +OK
        > CONFIG SET hash-max-listpack-value 1      < +OK
        > RESTORE plain 0 $hash_plain$ REPLACE      < +OK
        > OBJECT ENCODING plain                     < "hashtable"
        > CONFIG SET hash-max-listpack-value 64     < +OK
        "#,
    );
    check_with(
        r#"
        ! only 7.2
        > RESTORE valkey 0 $hash_valkey$            < +OK
        > HMGET valkey a b                          < ["1" "2"]
        > HPEXPIRETIME valkey FIELDS 2 a b          < [:4102444800000 :-1]
        > OBJECT ENCODING valkey                    < "hashtable"
        "#,
    );
    // Redis 7.4's, which neither oracle takes.
    check_with(
        r#"
        ! no-oracle
        > RESTORE a 0 $hash_meta_pre$               < +OK
        > HPEXPIRETIME a FIELDS 2 a b               < [:4102444800000 :-1]
        > HMGET a a b                               < ["1" "2"]
        > RESTORE b 0 $hash_meta$                   < +OK
        > HPEXPIRETIME b FIELDS 3 a b c             < [:4102444800000 :-1 :4102444801000]
        > HMGET b a b c                             < ["1" "2" "3"]
        > RESTORE c 0 $hash_lpex_pre$               < +OK
        > HPEXPIRETIME c FIELDS 2 a b               < [:4102444800000 :-1]
        > HMGET c a b                               < ["1" "2"]
        > RESTORE d 0 $hash_lpex$                   < +OK
        > HPEXPIRETIME d FIELDS 2 a b               < [:4102444800000 :-1]
        > HMGET d a b                               < ["1" "2"]
        "#,
    );
}

#[test]
fn sorted_sets_of_every_age_are_restored() {
    check_with(
        r#"
        > RESTORE text 0 $zset_text$                < +OK
        > ZRANGE text 0 -1 WITHSCORES               < ["c" "-inf" "d" * "a" "1.5" "b" "inf"]
        > OBJECT ENCODING text                      < "listpack"
        > RESTORE ziplist 0 $zset_ziplist$          < +OK
        > ZRANGE ziplist 0 -1 WITHSCORES            < ["a" "-inf" "b" "2" "c" "3.25"]
        > RESTORE binary 0 $zset2$                  < +OK
        > ZRANGE binary 0 -1 WITHSCORES             < ["b" "-2" "a" "1.5"]
        > ZADD binary 0 m                           < :1
        > ZRANGE binary 0 -1                        < ["b" "m" "a"]
        > CONFIG SET zset-max-listpack-entries 2    < +OK
        > RESTORE text 0 $zset_text$ REPLACE        < +OK
        > OBJECT ENCODING text                      < "skiplist"
        > RESTORE ziplist 0 $zset_ziplist$ REPLACE  < +OK
        > OBJECT ENCODING ziplist                   < "skiplist"
        > CONFIG SET zset-max-listpack-entries 128  < +OK
        > CONFIG SET zset-max-listpack-value 0      < +OK
        > RESTORE text 0 $zset_text$ REPLACE        < +OK
        > OBJECT ENCODING text                      < "skiplist"
        > RESTORE ziplist 0 $zset_ziplist$ REPLACE  < +OK
        > OBJECT ENCODING ziplist                   < "listpack"
        > CONFIG SET zset-max-listpack-value 64     < +OK
        "#,
    );
}

#[test]
fn streams_of_every_age_are_restored() {
    for name in ["stream1", "stream2"] {
        check_with(&format!(
            r#"
            > RESTORE x 0 ${name}$                      < +OK
            > XLEN x                                    < :2
            > XRANGE x - +                              < [["1000-1" ["f" "a"]] ["1010-2" ["g" "x" "h" "y"]]]
            > XPENDING x g1                             < [:1 "1000-1" "1000-1" [["alice" "1"]]]
            > XPENDING x g1 - + 10                      < [["1000-1" "alice" * :2]]
            > XADD x 1010-2 f v                         < -ERR The ID specified in XADD is equal or smaller *
            > XADD x 1010-3 f v                         < "1010-3"
            > XREADGROUP GROUP g1 bob COUNT 1 STREAMS x >   < [["x" [["1010-2" ["g" "x" "h" "y"]]]]]
            > XACK x g1 1000-1                          < :1
            "#
        ));
    }
    check_with(
        r#"
        ! only 7.2
        > RESTORE x 0 $stream3$                     < +OK
        > XINFO STREAM x FULL                       < ["length" :2 "radix-tree-keys" :1 "radix-tree-nodes" :2 "last-generated-id" "1010-2" "max-deleted-entry-id" "1005-1" "entries-added" :3 "recorded-first-entry-id" "1000-1" "entries" [["1000-1" ["f" "a"]] ["1010-2" ["g" "x" "h" "y"]]] "groups" [["name" "g1" "last-delivered-id" "1000-1" "entries-read" :1 "lag" nil "pel-count" :1 "pending" [["1000-1" "alice" :1700000000000 :2]] "consumers" [["name" "alice" "seen-time" :1700000000000 "active-time" :1600000000000 "pel-count" :1 "pending" [["1000-1" :1700000000000 :2]]]]]]]
        > DEL x                                     < :1
        > RESTORE x 0 $stream1$                     < +OK
        > XINFO STREAM x                            < ["length" :2 "radix-tree-keys" :1 "radix-tree-nodes" :2 "last-generated-id" "1010-2" "max-deleted-entry-id" "0-0" "entries-added" :2 "recorded-first-entry-id" "1000-1" "groups" :1 "first-entry" * "last-entry" *]
        > XINFO GROUPS x                            < [["name" "g1" "consumers" :1 "pending" :1 "last-delivered-id" "1000-1" "entries-read" :1 "lag" :1]]
        "#,
    );
}

#[test]
fn what_stands_twice_or_out_of_order_is_bad_data() {
    let db = Damselfly::in_memory();
    for (what, body) in [
        ("a member twice", &b"\x02\x02\x01a\x01a"[..]),
        ("a member twice in a listpack", b"\x14\x0d\x0d\x00\x00\x00\x02\x00\x81a\x02\x81a\x02\xff"),
        ("an intset that does not ascend", b"\x0b\x0c\x02\x00\x00\x00\x02\x00\x00\x00\x02\x00\x01\x00"),
        ("an intset with a number twice", b"\x0b\x0c\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00\x01\x00"),
        ("an intset of no width", b"\x0b\x0c\x03\x00\x00\x00\x01\x00\x00\x00\x01\x00\x01\x00"),
        ("an intset with a wrong count", b"\x0b\x0c\x02\x00\x00\x00\x03\x00\x00\x00\x01\x00\x02\x00"),
        ("an empty intset", b"\x0b\x08\x02\x00\x00\x00\x00\x00\x00\x00"),
        ("a field twice", b"\x04\x02\x01f\x01a\x01f\x01b"),
        ("a field without a value", b"\x10\x0a\x0a\x00\x00\x00\x01\x00\x81f\x02\xff"),
        ("a zipmap with a wrong count", b"\x09\x08\x02\x01f\x01\x00v\xff"),
        ("a zipmap that ends early", b"\x09\x07\x01\x01f\x05\x00v\xff"),
        ("a member of a sorted set twice", b"\x03\x02\x01a\x011\x01a\x012"),
        ("a score that is NaN", b"\x03\x01\x01a\xfd"),
        ("a binary score that is NaN", b"\x05\x01\x01a\x00\x00\x00\x00\x00\x00\xf8\x7f"),
        ("a score that is no number", b"\x03\x01\x01a\x01x"),
        (
            "a score in a listpack that is no number",
            b"\x11\x0d\x0d\x00\x00\x00\x02\x00\x81a\x02\x81b\x02\xff",
        ),
        ("a member without a score", b"\x11\x0a\x0a\x00\x00\x00\x01\x00\x81a\x02\xff"),
        ("a deadline before 1970", b"\x16\x01\x01f\x01v\xfe\xff\xff\xff\xff\xff\xff\xff"),
    ] {
        for version in [10, 80] {
            let error = db.restore("k", seal(body, version)).expect_err(what);
            assert_eq!(error.to_string(), "ERR Bad data format", "{what}");
        }
    }
    assert!(!db.exists("k").unwrap());
}

#[test]
fn damaged_bodies_are_bad_data_and_make_no_key() {
    let db = Damselfly::in_memory();
    let bodies: &[&[u8]] = &[
        b"",
        b"\x00",
        b"\x00\x05hell",
        b"\x00\x05hello!",
        // Lengths that nobody could hold.
        b"\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x00\x80\xff\xff\xff\xffx",
        b"\x00\x82\x00\x00\x00\x01x",
        b"\x01\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x01a",
        // Compressed strings that give less, more, or refer to what is not there.
        b"\x00\xc3\x02\x05\x00a",
        b"\x00\xc3\x04\x02\x02abc",
        b"\x00\xc3\x02\x03\x20\x00",
        b"\x00\xc3\x02\x80\x7f\xff\xff\xff\x00a",
        b"\x00\xc4",
        // No elements.
        b"\x01\x00",
        b"\x12\x00",
        b"\x12\x01\x02\x07\x07\x00\x00\x00\x00\x00\xff",
        b"\x0e\x01\x0b\x0b\x00\x00\x00\x0a\x00\x00\x00\x00\x00\xff",
        // A node of no kind, a listpack that ends early, one with a wrong count.
        b"\x12\x01\x03\x01a",
        b"\x12\x01\x02\x0a\x0a\x00\x00\x00\x01\x00\x82a\x02\xff",
        b"\x12\x01\x02\x0a\x0a\x00\x00\x00\x02\x00\x81a\x02\xff",
        // No type of value, and a module's.
        b"\x08\x00",
        b"\x06\x00",
        b"\x07\x00",
        b"\xff\x00",
    ];
    for body in bodies {
        for version in [1, 10, 12, 80] {
            let error = db.restore("k", seal(body, version)).expect_err("a damaged body");
            assert_eq!(error.to_string(), "ERR Bad data format", "{body:02x?}");
        }
    }
    for version in [0, 13, 79, 81, 0xFFFF] {
        let error = db.restore("k", seal(b"\x00\x01a", version)).expect_err("a later version");
        assert_eq!(error.to_string(), "ERR DUMP payload version or checksum are wrong");
    }
    assert!(!db.exists("k").unwrap());
}

quickcheck! {
    fn no_payload_breaks_anything(which: usize, at: usize, byte: u8, cut: Option<u8>) -> bool {
        let (name, hex) = PAYLOADS[which % PAYLOADS.len()];
        let whole = unhex(hex);
        let (body, footer) = whole.split_at(whole.len() - 10);
        let mut body = body.to_vec();
        // The type stays: others get their turn.
        let at = 1 + at % (body.len() - 1);
        body[at] = byte;
        if let Some(cut) = cut {
            body.truncate(1 + usize::from(cut) % body.len());
        }
        let db = Damselfly::in_memory();
        match db.restore("k", seal(&body, u16::from_le_bytes([footer[0], footer[1]]))) {
            Err(error) => error.to_string() == "ERR Bad data format" && !db.exists("k").unwrap(),
            // What was taken is a whole value: it can be read and changed, dumped and restored again.
            Ok(()) => {
                for line in [
                    "XRANGE k - +",
                    "XREVRANGE k + -",
                    "XINFO STREAM k FULL",
                    "XADD k * f v",
                    "XREADGROUP GROUP g1 bob STREAMS k >",
                    "XAUTOCLAIM k g1 carl 0 0",
                    "XTRIM k MAXLEN 1",
                    "LRANGE k 0 -1",
                    "RPUSH k x",
                    "HGETALL k",
                    "HSET k f v",
                    "SMEMBERS k",
                    "SADD k x",
                    "ZRANGE k 0 -1",
                    "ZADD k 1 x",
                ] {
                    let _ = db.call(line.split(' '));
                }
                let dumped = db.dump("k").unwrap();
                dumped.is_some_and(|dumped| db.restore("again", dumped).is_ok()) || panic!("{name}: {body:02x?}")
            }
        }
    }
}

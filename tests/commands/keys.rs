//! Keys of any type.

mod real;
mod whole;

use super::check;

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

//! Lists.

use super::check;

#[test]
fn a_push_replies_with_the_length_and_keeps_the_order_of_its_elements() {
    check(
        r#"
        > LPUSH l a b                     < :2
        > RPUSH l c d                     < :4
        > LRANGE l 0 -1                   < ["b" "a" "c" "d"]
        > LPUSHX l x                      < :5
        > RPUSHX l y z                    < :7
        > LPUSHX none x                   < :0
        > RPUSHX none x                   < :0
        > EXISTS none                     < :0
        > LRANGE l -3 -1                  < ["d" "y" "z"]
        > LLEN l                          < :7
        > LLEN none                       < :0
        > LPUSH l                         < -ERR wrong number of arguments for 'lpush' command
        "#,
    );
}

#[test]
fn a_range_clamps_its_bounds_and_is_empty_where_they_cross() {
    check(
        r#"
        > RPUSH l a b c d                 < :4
        > LRANGE l 0 0                    < ["a"]
        > LRANGE l -100 100               < ["a" "b" "c" "d"]
        > LRANGE l 2 1                    < []
        > LRANGE l 4 9                    < []
        > LRANGE l -9223372036854775808 9223372036854775807 < ["a" "b" "c" "d"]
        > LRANGE none 0 -1                < []
        > LRANGE l a 1                    < -ERR value is not an integer or out of range
        > LRANGE none 0 b                 < -ERR value is not an integer or out of range
        "#,
    );
}

#[test]
fn a_pop_with_a_count_gives_an_array_and_without_the_key_a_null_one() {
    check(
        r#"
        > RPUSH l a b c d e               < :5
        > LPOP l                          < "a"
        > RPOP l                          < "e"
        > LPOP l 0                        < []
        > RPOP l 2                        < ["d" "c"]
        > LPOP l 100                      < ["b"]
        > EXISTS l                        < :0
        > LPOP l                          < nil
        > LPOP l 1                        < nil-array
        > RPOP l 0                        < nil-array
        > LPOP l -1                       < -ERR value is out of range, must be positive
        > LPOP l x                        < -ERR value is out of range, must be positive
        > LPOP l 9223372036854775808      < -ERR value is out of range, must be positive
        > RPOP l 1 2                      < -ERR wrong number of arguments for 'rpop' command
        > RPUSH l a b c                   < :3
        > RPOP l 3                        < ["c" "b" "a"]
        > EXISTS l                        < :0
        "#,
    );
}

#[test]
fn which_of_two_errors_comes_first_is_as_in_redis() {
    check(
        r#"
        > SET s x                         < +OK
        > RPUSH l a                       < :1
        > LINDEX none x                   < nil
        > LINDEX s x                      < -WRONGTYPE *
        > LINDEX l x                      < -ERR value is not an integer or out of range
        > LSET none x y                   < -ERR no such key
        > LSET s x y                      < -WRONGTYPE *
        > LSET l x y                      < -ERR value is not an integer or out of range
        > LSET l 1 y                      < -ERR index out of range
        > LREM none x y                   < -ERR value is not an integer or out of range
        > LREM s 0 y                      < -WRONGTYPE *
        > LTRIM none 0 x                  < -ERR value is not an integer or out of range
        > LTRIM s 0 1                     < -WRONGTYPE *
        > LINSERT none middle a b         < -ERR syntax error
        > LINSERT s before a b            < -WRONGTYPE *
        > LPOP s x                        < -ERR value is out of range, must be positive
        > LPOP s 0                        < -WRONGTYPE *
        > LPUSH s x                       < -WRONGTYPE *
        > LPUSHX s x                      < -WRONGTYPE *
        > LLEN s                          < -WRONGTYPE *
        > LRANGE s 0 -1                   < -WRONGTYPE *
        > LPOS s a COUNT x                < -ERR COUNT can't be negative
        > LPOS s a                        < -WRONGTYPE *
        "#,
    );
}

#[test]
fn an_element_is_set_inserted_and_removed_by_place_and_by_value() {
    check(
        r#"
        > RPUSH l a b a c a               < :5
        > LINDEX l 0                      < "a"
        > LINDEX l -1                     < "a"
        > LINDEX l 5                      < nil
        > LSET l 1 B                      < +OK
        > LSET l -2 C                     < +OK
        > LINSERT l BEFORE B x            < :6
        > LINSERT l after B y             < :7
        > LINSERT l AFTER none y          < :-1
        > LINSERT none AFTER a b          < :0
        > LRANGE l 0 -1                   < ["a" "x" "B" "y" "a" "C" "a"]
        > LREM l -1 a                     < :1
        > LREM l 1 a                      < :1
        > LRANGE l 0 -1                   < ["x" "B" "y" "a" "C"]
        > LREM l 0 none                   < :0
        > LREM none 0 a                   < :0
        > LTRIM l 1 -2                    < +OK
        > LRANGE l 0 -1                   < ["B" "y" "a"]
        > LTRIM l 5 9                     < +OK
        > EXISTS l                        < :0
        > LTRIM l 0 0                     < +OK
        > RPUSH l a a                     < :2
        > LREM l 2 a                      < :2
        > EXISTS l                        < :0
        "#,
    );
}

/// Redis limits the count since 8.0 only; in 7.2 the smallest of all integers means as many as there are.
#[test]
fn the_smallest_integer_removes_all() {
    check(
        r#"
        ! no-oracle
        > RPUSH l a b a                   < :3
        > LREM l -9223372036854775808 a   < :2
        "#,
    );
}

#[test]
fn a_position_is_found_by_rank_count_and_maxlen() {
    check(
        r#"
        > RPUSH l a b c 1 2 3 c c         < :8
        > LPOS l a                        < :0
        > LPOS l c                        < :2
        > LPOS l none                     < nil
        > LPOS l c RANK 2                 < :6
        > LPOS l c RANK -1                < :7
        > LPOS l c RANK -3                < :2
        > LPOS l c RANK 4                 < nil
        > LPOS l c COUNT 2                < [:2 :6]
        > LPOS l c COUNT 0                < [:2 :6 :7]
        > LPOS l c COUNT 0 RANK 2         < [:6 :7]
        > LPOS l c RANK -2 COUNT 0        < [:6 :2]
        > LPOS l c COUNT 0 MAXLEN 3       < [:2]
        > LPOS l c MAXLEN 2               < nil
        > LPOS l c COUNT 1 MAXLEN 2       < []
        > LPOS l 3 RANK -1 MAXLEN 3       < :5
        > LPOS none a                     < nil
        > LPOS none a COUNT 0             < []
        > LPOS l c rank 1 rank -1         < :7
        "#,
    );
}

#[test]
fn the_options_of_a_position_are_checked() {
    check(
        r#"
        > LPOS l a RANK 0                 < -ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list
        "#,
    );
    check(
        r#"
        ! only 7.2
        > LPOS l a RANK -9223372036854775808 < -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
        > LPOS l a RANK -9223372036854775807 < nil
        > LPOS l a RANK x                 < -ERR value is not an integer or out of range
        > LPOS l a RANK                   < -ERR syntax error
        > LPOS l a COUNT -1               < -ERR COUNT can't be negative
        > LPOS l a COUNT x                < -ERR COUNT can't be negative
        > LPOS l a MAXLEN -1              < -ERR MAXLEN can't be negative
        > LPOS l a MAXLEN                 < -ERR syntax error
        > LPOS l a FIRST 1                < -ERR syntax error
        "#,
    );
}

#[test]
fn a_move_takes_from_one_end_and_gives_to_the_other() {
    check(
        r#"
        > RPUSH l a b c                   < :3
        > LMOVE l m LEFT RIGHT            < "a"
        > LMOVE l m right left            < "c"
        > RPOPLPUSH l m                   < "b"
        > LRANGE m 0 -1                   < ["b" "c" "a"]
        > EXISTS l                        < :0
        > LMOVE l m LEFT LEFT             < nil
        > RPOPLPUSH m m                   < "a"
        > LMOVE m m LEFT LEFT             < "a"
        > LMOVE m m LEFT RIGHT            < "a"
        > LRANGE m 0 -1                   < ["b" "c" "a"]
        > SET s x                         < +OK
        > LMOVE m s LEFT LEFT             < -WRONGTYPE *
        > LMOVE s m LEFT LEFT             < -WRONGTYPE *
        > RPOPLPUSH none s                < nil
        > LLEN m                          < :3
        > LMOVE m m UP LEFT               < -ERR syntax error
        > LMOVE none m LEFT UP            < -ERR syntax error
        "#,
    );
}

#[test]
fn a_list_of_one_element_keeps_its_deadline_when_it_is_rotated() {
    check(
        r#"
        > RPUSH l a                       < :1
        > EXPIRE l 100                    < :1
        > LMOVE l l LEFT RIGHT            < "a"
        > TTL l                           < :99..100
        > BRPOPLPUSH l l 0                < "a"
        > TTL l                           < :99..100
        "#,
    );
}

/// A list of one element that was a quicklist became a listpack, as it was empty between the pop and the push.
#[test]
fn a_rotation_decides_about_the_encoding_once() {
    check(
        r#"
        # The setting would stay with the oracle; Valkey 9 was asked by hand.
        ! no-oracle
        > CONFIG SET list-max-listpack-size 1 < +OK
        > RPUSH l a b c                   < :3
        > LTRIM l 1 1                     < +OK
        > OBJECT ENCODING l               < "quicklist"
        > LMOVE l l RIGHT LEFT            < "b"
        > OBJECT ENCODING l               < "quicklist"
        "#,
    );
}

#[test]
fn the_first_of_several_lists_that_has_something_is_popped() {
    check(
        r#"
        > RPUSH l a b c                   < :3
        > LMPOP 2 none l LEFT             < ["l" ["a"]]
        > LMPOP 1 l RIGHT COUNT 5         < ["l" ["c" "b"]]
        > EXISTS l                        < :0
        > LMPOP 2 none l LEFT COUNT 3     < nil-array
        > SET s x                         < +OK
        > RPUSH l a                       < :1
        > LMPOP 2 l s LEFT                < ["l" ["a"]]
        > LMPOP 2 l s LEFT                < -WRONGTYPE *
        > LMPOP 0 l LEFT                  < -ERR numkeys should be greater than 0
        > LMPOP x l LEFT                  < -ERR numkeys should be greater than 0
        > LMPOP 2 l LEFT                  < -ERR syntax error
        > LMPOP 1 l UP                    < -ERR syntax error
        > LMPOP 1 l LEFT COUNT            < -ERR syntax error
        > LMPOP 1 l LEFT COUNT 0          < -ERR count should be greater than 0
        > LMPOP 1 l LEFT COUNT 1 COUNT 1  < -ERR syntax error
        > LMPOP 1 l LEFT LIMIT 1          < -ERR syntax error
        > LMPOP 9223372036854775807 l LEFT < -ERR syntax error
        "#,
    );
}

#[test]
fn long_and_large_elements_come_back_as_they_were() {
    let large = "x".repeat(100_000);
    let script = format!(
        r#"
        > RPUSH l {large} 12345 "" {large} < :4
        > OBJECT ENCODING l               < "quicklist"
        > LINDEX l 0                      < "{large}"
        > LRANGE l 1 2                    < ["12345" ""]
        > LPOP l                          < "{large}"
        > LMOVE l m RIGHT LEFT            < "{large}"
        > RPOP m 1                        < ["{large}"]
        > LRANGE l 0 -1                   < ["12345" ""]
        "#
    );
    check(&script);
}

// ---- Waiting --------------------------------------------------------------------------------------------------

#[test]
fn a_pop_of_an_empty_list_waits_for_a_push() {
    check(
        r#"
        > BRPOP l 0.1                     < nil-array
        > BLPOP l m 0.1                   < nil-array
        > BLMPOP 0.1 2 l m LEFT COUNT 2   < nil-array
        > BLMOVE l m LEFT LEFT 0.1        < nil-array
        > BRPOPLPUSH l m 0.1              < nil-array
        a> BRPOP l 0                      < blocks
        b> LPUSH l v                      < :1
        a< ["l" "v"]
        > EXISTS l                        < :0
        "#,
    );
}

#[test]
fn a_timeout_in_resp3_is_a_null() {
    check(
        r#"
        > HELLO 3                         < *
        > BLPOP l 0.01                    < nil
        > BLMOVE l m LEFT LEFT 0.01       < nil
        > BLMPOP 0.01 1 l LEFT            < nil
        "#,
    );
}

#[test]
fn what_is_there_is_taken_without_waiting_and_in_the_order_of_the_keys() {
    check(
        r#"
        > RPUSH m 1 2                     < :2
        > RPUSH l a b c                   < :3
        > BLPOP none l m 0                < ["l" "a"]
        > BRPOP m l 0                     < ["m" "2"]
        > BLMPOP 0 2 none l RIGHT COUNT 9 < ["l" ["c" "b"]]
        > BLMOVE m l LEFT RIGHT 0         < "1"
        > BRPOPLPUSH l m 0                < "1"
        > SET s x                         < +OK
        > BLPOP s m 0                     < -WRONGTYPE *
        > BLPOP m s 0                     < ["m" "1"]
        > BLPOP none s 0                  < -WRONGTYPE *
        > BLMPOP 0 2 none s LEFT          < -WRONGTYPE *
        > BLMOVE s m LEFT LEFT 0          < -WRONGTYPE *
        > BLMOVE none s LEFT LEFT 0.01    < nil-array
        "#,
    );
}

#[test]
fn a_timeout_is_a_number_of_seconds_that_is_not_negative() {
    check(
        r#"
        > BLPOP l x                       < -ERR timeout is not a float or out of range
        > BLPOP l ""                      < -ERR timeout is not a float or out of range
        > BLPOP l nan                     < -ERR timeout is not a float or out of range
        > BLPOP l -1                      < -ERR timeout is negative
        > BLPOP l -inf                    < -ERR timeout is negative
        > BLMOVE l m LEFT UP x            < -ERR syntax error
        > BLMOVE l m LEFT LEFT -1         < -ERR timeout is negative
        > BRPOPLPUSH l m x                < -ERR timeout is not a float or out of range
        > BLMPOP x 1 l LEFT               < -ERR timeout is not a float or out of range
        > BLMPOP x 0 l LEFT               < -ERR numkeys should be greater than 0
        > BLMPOP x 1 l LEFT COUNT 0       < -ERR count should be greater than 0
        > BLMPOP 0 2 l LEFT               < -ERR syntax error
        > BLPOP 0                         < -ERR wrong number of arguments for 'blpop' command
        > BLPOP l 1e-5                    < nil-array
        > BLPOP l 0x1p-5                  < nil-array
        a> BLPOP l -0.0001                < blocks
        "#,
    );
    check(
        r#"
        ! only 7.2
        > BLPOP l inf                     < -ERR timeout is out of range
        > BLPOP l 1e400                   < -ERR timeout is out of range
        > BLPOP l 9223372036854776        < -ERR timeout is out of range
        > BLPOP l 9223372036854775        < -ERR timeout is out of range
        a> BLPOP l 922337203685477        < blocks
        "#,
    );
}

#[test]
fn waiters_are_served_in_the_order_in_which_they_came_and_the_push_counts_all() {
    check(
        r#"
        a> BLPOP l 0                      < blocks
        b> BLPOP l 0                      < blocks
        c> BRPOP l 0                      < blocks
        > RPUSH l 1 2 3 4                 < :4
        a< ["l" "1"]
        b< ["l" "2"]
        c< ["l" "4"]
        > LRANGE l 0 -1                   < ["3"]
        "#,
    );
    check(
        r#"
        a> BLPOP l 0                      < blocks
        b> BLPOP l 0                      < blocks
        > LPUSH l 1 2 3                   < :3
        a< ["l" "3"]
        b< ["l" "2"]
        > LRANGE l 0 -1                   < ["1"]
        "#,
    );
}

#[test]
fn a_waiter_of_several_keys_takes_one_element_of_one_of_them() {
    check(
        r#"
        a> BLPOP k1 k2 k3 k1 0            < blocks
        b> BLPOP k3 k2 0                  < blocks
        > RPUSH k2 x                      < :1
        a< ["k2" "x"]
        > RPUSH k1 y                      < :1
        > RPUSH k3 z                      < :1
        b< ["k3" "z"]
        > LRANGE k1 0 -1                  < ["y"]
        "#,
    );
}

#[test]
fn a_waiter_stays_when_its_key_becomes_another_type() {
    check(
        r#"
        a> BLPOP l 0                      < blocks
        > SET l x                         < +OK
        > SET m x                         < +OK
        > RENAME m l                      < +OK
        > DEL l                           < :1
        > RPUSH l v                       < :1
        a< ["l" "v"]
        "#,
    );
}

/// Redis 7.2 runs the command anew when one of its keys is filled, and so meets the key of the wrong type.
#[test]
fn a_waiter_whose_turn_it_is_looks_at_its_keys_in_its_order() {
    check(
        r#"
        ! only 7.2
        a> BLPOP k1 k2 0                  < blocks
        > SET k1 s                        < +OK
        > RPUSH k2 v                      < :1
        a< -WRONGTYPE *
        > LRANGE k2 0 -1                  < ["v"]
        b> BLPOP k3 k1 0.1                < -WRONGTYPE *
        > DEL k1 k2                       < :2
        a> BLPOP k2 k1 0                  < blocks
        > SET k1 s                        < +OK
        > RPUSH k2 v                      < :1
        a< ["k2" "v"]
        "#,
    );
}

#[test]
fn a_move_to_a_key_of_another_type_fails_when_it_is_served_and_takes_nothing() {
    check(
        r#"
        > SET d x                         < +OK
        a> BLMOVE l d LEFT RIGHT 0        < blocks
        b> BRPOPLPUSH l d 0               < blocks
        c> BLPOP l 0                      < blocks
        > RPUSH l v                       < :1
        a< -WRONGTYPE *
        b< -WRONGTYPE *
        c< ["l" "v"]
        "#,
    );
    check(
        r#"
        > SET d x                         < +OK
        a> BRPOPLPUSH l d 0               < blocks
        > RPUSH l v                       < :1
        a< -WRONGTYPE *
        > LRANGE l 0 -1                   < ["v"]
        "#,
    );
}

#[test]
fn moves_that_wait_feed_those_who_wait_for_their_destination() {
    check(
        r#"
        a> BLMOVE l1 l2 LEFT RIGHT 0      < blocks
        b> BLMOVE l2 l3 RIGHT LEFT 0      < blocks
        c> BLPOP l3 0                     < blocks
        > RPUSH l1 v                      < :1
        a< "v"
        b< "v"
        c< ["l3" "v"]
        > EXISTS l1 l2 l3                 < :0
        "#,
    );
    check(
        r#"
        a> BRPOPLPUSH src dst 0           < blocks
        b> BRPOPLPUSH src dst 0           < blocks
        c> BLMPOP 0 1 dst LEFT COUNT 10   < blocks
        > LPUSH src 1 2                   < :2
        a< "1"
        b< "2"
        c< ["dst" ["2" "1"]]
        > EXISTS src dst                  < :0
        "#,
    );
}

#[test]
fn moves_in_a_circle_end() {
    check(
        r#"
        a> BRPOPLPUSH l1 l2 0             < blocks
        b> BRPOPLPUSH l2 l1 0             < blocks
        > RPUSH l1 v                      < :1
        a< "v"
        b< "v"
        > LRANGE l1 0 -1                  < ["v"]
        > EXISTS l2                       < :0
        "#,
    );
    check(
        r#"
        a> BLMOVE l l LEFT RIGHT 0        < blocks
        b> BLMOVE l l LEFT RIGHT 0        < blocks
        > RPUSH l 1 2 3                   < :3
        a< "1"
        b< "2"
        > LRANGE l 0 -1                   < ["3" "1" "2"]
        "#,
    );
}

#[test]
fn whatever_fills_a_key_serves_its_waiters() {
    check(
        r#"
        a> BLPOP l 0                      < blocks
        > RPUSH m x y                     < :2
        > RENAME m l                      < +OK
        a< ["l" "x"]
        b> BLPOP n 0                      < blocks
        > COPY l n                        < :1
        b< ["n" "y"]
        > LRANGE l 0 -1                   < ["y"]
        c> SELECT 1                       < +OK
        c> BLPOP l 0                      < blocks
        > MOVE l 1                        < :1
        c< ["l" "y"]
        d> BLPOP q 0                      < blocks
        c> RPUSH q z                      < :1
        > SWAPDB 0 1                      < +OK
        d< ["q" "z"]
        e> BLPOP o 0                      < blocks
        > RPUSH m x                       < :1
        > LMOVE m o LEFT LEFT             < "x"
        e< ["o" "x"]
        "#,
    );
}

#[test]
fn a_list_that_is_gone_again_before_the_turn_serves_nobody() {
    check(
        r#"
        a> BLPOP l 0                      < blocks
        b> BLPOP l 0                      < blocks
        > RPUSH l 1                       < :1
        a< ["l" "1"]
        > RPUSH l 2                       < :1
        b< ["l" "2"]
        "#,
    );
}

#[test]
fn a_wait_ends_when_its_time_is_up() {
    check(
        r#"
        a> BLPOP l 1.5                    < blocks
        b> BRPOPLPUSH l m 10              < blocks
        ! advance 1499ms
        a> PING                           < blocks
        ! advance 1ms
        a< nil-array
        a< +PONG
        > LPUSH l v                       < :1
        b< "v"
        "#,
    );
}

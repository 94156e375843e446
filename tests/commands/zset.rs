//! Sorted sets.

mod combined;

use super::check;
use std::fmt::Write as _;

/// Runs a script once with small sorted sets packed and once with all of them large; `$encoding` is what
/// OBJECT ENCODING says then.
#[track_caller]
fn check_in_both(text: &str) {
    check(&text.replace("$encoding", "listpack"));
    let text = text.replace("$encoding", "skiplist");
    let directives: String =
        text.lines().filter(|line| line.trim().starts_with('!')).fold(String::new(), |mut all, line| {
            let _ = writeln!(all, "{line}");
            all
        });
    check(&format!(
        "{directives}
        > CONFIG SET zset-max-listpack-entries 0    < +OK
        {text}
        > CONFIG SET zset-max-listpack-entries 128  < +OK"
    ));
}

#[test]
fn additions_count_new_members_or_changed_ones() {
    check_in_both(
        r#"
        > ZADD z 1 a 2 b                  < :2
        > ZADD z 1 a 3 b 4 c              < :1
        > ZADD z CH 1 a 5 b 6 d           < :2
        > OBJECT ENCODING z               < "$encoding"
        > TYPE z                          < +zset
        > ZCARD z                         < :4
        > ZCARD missing                   < :0
        > ZRANGE z 0 -1 WITHSCORES        < ["a" "1" "c" "4" "b" "5" "d" "6"]
        > ZADD z 2 x 3 x 4 x              < :1
        > ZSCORE z x                      < "4"
        > ZADD z ch 1 x 2 x               < :2
        > ZADD z                          < -ERR wrong number of arguments for 'zadd' command
        > ZADD z 1                        < -ERR wrong number of arguments for 'zadd' command
        > ZADD z 1 a 2                    < -ERR syntax error
        > ZADD z nx 1                     < -ERR syntax error
        > ZADD z nx ch                    < -ERR syntax error
        > ZADD z one a                    < -ERR value is not a valid float
        > ZADD z 1 y one a                < -ERR value is not a valid float
        > ZSCORE z y                      < nil
        > ZADD z nan a                    < -ERR value is not a valid float
        > ZADD z 1e400 a                  < -ERR value is not a valid float
        > ZADD z "" a                     < -ERR value is not a valid float
        > ZADD z foo 1 a                  < -ERR syntax error
    "#,
    );
}

#[test]
fn conditions_decide_what_is_added_and_what_is_changed() {
    check_in_both(
        r#"
        > ZADD z XX 1 a                   < :0
        > EXISTS z                        < :0
        > ZADD z NX 1 a 2 b               < :2
        > ZADD z NX 5 a 3 c               < :1
        > ZSCORE z a                      < "1"
        > ZADD z XX CH 5 a 9 new          < :1
        > ZSCORE z a                      < "5"
        > ZSCORE z new                    < nil
        > ZADD z GT CH 4 a 6 b 1 d        < :2
        > ZMSCORE z a b d                 < ["5" "6" "1"]
        > ZADD z LT CH 4 a 7 b 1 e        < :2
        > ZMSCORE z a b e                 < ["4" "6" "1"]
        > ZADD z XX GT CH 1 f 100 a       < :1
        > ZADD z NX XX 1 a                < -ERR XX and NX options at the same time are not compatible
        > ZADD z NX GT 1 a                < -ERR GT, LT, and/or NX options at the same time are not compatible
        > ZADD z LT NX 1 a                < -ERR GT, LT, and/or NX options at the same time are not compatible
        > ZADD z GT LT 1 a                < -ERR GT, LT, and/or NX options at the same time are not compatible
        > ZADD z gt lt nx xx one a        < -ERR XX and NX options at the same time are not compatible
    "#,
    );
}

#[test]
fn increments_reply_with_the_new_score_or_nothing() {
    check_in_both(
        r#"
        > ZADD z INCR 1.5 a               < "1.5"
        > ZADD z INCR 0.25 a              < "1.75"
        > ZINCRBY z 2 a                   < "3.75"
        > ZINCRBY z -5 b                  < "-5"
        > ZADD z NX INCR 1 a              < nil
        > ZADD z XX INCR 1 new            < nil
        > ZADD missing XX INCR 1 a        < nil
        > EXISTS missing                  < :0
        > ZADD z GT INCR -1 a             < nil
        > ZADD z LT INCR -1 a             < "2.75"
        > ZADD z GT INCR 0 a              < nil
        > ZADD z INCR 0 a                 < "2.75"
        > ZADD z INCR 1 a 2 b             < -ERR INCR option supports a single increment-element pair
        > ZINCRBY z inf a                 < "inf"
        > ZINCRBY z -inf a                < -ERR resulting score is not a number (NaN)
        > ZSCORE z a                      < "inf"
        > ZINCRBY z x a                   < -ERR value is not a valid float
        > ZINCRBY z nx a                  < -ERR syntax error
        > ZINCRBY z 1                     < -ERR wrong number of arguments for 'zincrby' command
        > HELLO 3                         < *
        > ZINCRBY z 1 b                   < ,-4
        > ZADD z INCR 1 b                 < ,-3
        > ZADD z XX INCR 1 new            < nil
    "#,
    );
}

#[test]
fn scores_are_printed_as_briefly_as_they_can_be_read_back() {
    check_in_both(
        r#"
        ! only 7.2
        > ZADD z 0.1 a 1e20 b 1e21 c -1.5e-9 d inf e -inf f 3.0 g 4611686018427387905 h 123456789.123 i < :9
        > ZRANGE z 0 -1 WITHSCORES        < ["f" "-inf" "d" "-1.5e-9" "a" "0.1" "g" "3" "i" "123456789.123" "h" "4611686018427387904" "b" "1e+20" "c" "1e+21" "e" "inf"]
    "#,
    );
    // Where Redis keeps its text a score has no negative zero, elsewhere it has.
    check(
        "
        > ZADD z -0 a                     < :1
        > ZSCORE z a                      < \"0\"
    ",
    );
    check(
        "
        > CONFIG SET zset-max-listpack-entries 0    < +OK
        > ZADD z -0 a 0 b -0 c            < :3
        > ZSCORE z a                      < \"-0\"
        > ZRANGEBYSCORE z 0 0             < [\"a\" \"b\" \"c\"]
        > ZADD z CH 0 a                   < :0
        > CONFIG SET zset-max-listpack-entries 128  < +OK
    ",
    );
}

#[test]
fn equal_scores_are_ordered_by_member_whenever_they_became_equal() {
    check_in_both(
        r#"
        > ZADD z 1 b 1 a 1 10 1 9 1 "" 1 ab 2 "\xff" 1 "\xff" < :7
        > ZRANGE z 0 -1                   < ["" "10" "9" "a" "ab" "b" "\xff"]
        > ZINCRBY z 1 a                   < "2"
        > ZINCRBY z -1 a                  < "1"
        > ZADD z 1.5 b 1 b                < :0
        > ZRANGE z 0 -1                   < ["" "10" "9" "a" "ab" "b" "\xff"]
        > ZRANK z b                       < :5
        > ZREVRANK z b                    < :1
    "#,
    );
}

#[test]
fn members_are_removed_and_the_last_one_takes_the_key_along() {
    check_in_both(
        r#"
        > ZADD z 1 a 2 b 3 c              < :3
        > ZREM z a x b b                  < :2
        > ZREM z x                        < :0
        > ZREM z c c                      < :1
        > EXISTS z                        < :0
        > ZREM z c                        < :0
        > ZREM z                          < -ERR wrong number of arguments for 'zrem' command
    "#,
    );
}

#[test]
fn scores_and_ranks_are_told_of_members_that_are_there() {
    check_in_both(
        r#"
        > ZADD z 1 a 2 b 3.5 c            < :3
        > ZSCORE z c                      < "3.5"
        > ZSCORE z x                      < nil
        > ZSCORE missing x                < nil
        > ZMSCORE z a x c                 < ["1" nil "3.5"]
        > ZMSCORE missing a b             < [nil nil]
        > ZRANK z a                       < :0
        > ZRANK z c                       < :2
        > ZREVRANK z c                    < :0
        > ZRANK z x                       < nil
        > ZRANK missing x                 < nil
        > HELLO 3                         < *
        > ZSCORE z c                      < ,3.5
        > ZMSCORE z a x                   < [,1 nil]
    "#,
    );
    check_in_both(
        r#"
        ! only 7.2
        > ZADD z 1 a 2 b 3.5 c            < :3
        > ZRANK z c WITHSCORE             < [:2 "3.5"]
        > ZREVRANK z c withscore          < [:0 "3.5"]
        > ZRANK z x WITHSCORE             < nil-array
        > ZRANK missing x WITHSCORE       < nil-array
        > ZRANK z c WITHSCORES            < -ERR syntax error
        > ZRANK z c WITHSCORE x           < -ERR wrong number of arguments for 'zrank' command
        > ZREVRANK z c a b                < -ERR wrong number of arguments for 'zrevrank' command
        > SET s v                         < +OK
        > ZRANK s c bogus                 < -ERR syntax error
        > HELLO 3                         < *
        > ZRANK z c WITHSCORE             < [:2 ,3.5]
        > ZRANK z x WITHSCORE             < nil
    "#,
    );
}

#[test]
fn ranges_by_rank() {
    check_in_both(
        r#"
        > ZADD z 1 a 2 b 3 c 4 d          < :4
        > ZRANGE z 0 -1                   < ["a" "b" "c" "d"]
        > ZRANGE z 1 2 WITHSCORES         < ["b" "2" "c" "3"]
        > ZRANGE z -2 100                 < ["c" "d"]
        > ZRANGE z -100 0                 < ["a"]
        > ZRANGE z 3 1                    < []
        > ZRANGE z 4 9                    < []
        > ZRANGE z 9223372036854775807 -9223372036854775808 < []
        > ZRANGE z -9223372036854775808 9223372036854775807 < ["a" "b" "c" "d"]
        > ZRANGE z 0 1 REV                < ["d" "c"]
        > ZREVRANGE z 0 1                 < ["d" "c"]
        > ZREVRANGE z -2 -1 withscores    < ["b" "2" "a" "1"]
        > ZRANGE missing 0 -1             < []
        > ZRANGE z a b                    < -ERR value is not an integer or out of range
        > ZRANGE missing a b              < -ERR value is not an integer or out of range
        > ZRANGE z 0 -1 BOGUS             < -ERR syntax error
        > ZRANGE z 0 -1 REV REV           < -ERR syntax error
        > ZRANGE z 0 -1 LIMIT 0 1         < -ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX
        > ZRANGE z 0 -1 LIMIT 3 -1        < ["a" "b" "c" "d"]
        > ZRANGE z 0 -1 LIMIT 0           < -ERR syntax error
        > ZREVRANGE z 0 -1 REV            < -ERR syntax error
        > ZREVRANGE z 0 -1 BYSCORE        < -ERR syntax error
        > HELLO 3                         < *
        > ZRANGE z 0 1 WITHSCORES         < [["a" ,1] ["b" ,2]]
        > ZREVRANGE z 0 0 WITHSCORES      < [["d" ,4]]
    "#,
    );
}

#[test]
fn ranges_by_score() {
    check_in_both(
        r#"
        > ZADD z 1 a 2 b 2 c 3 d inf e    < :5
        > ZRANGEBYSCORE z 2 3             < ["b" "c" "d"]
        > ZRANGEBYSCORE z (2 3            < ["d"]
        > ZRANGEBYSCORE z (2 (3           < []
        > ZRANGEBYSCORE z -inf +inf       < ["a" "b" "c" "d" "e"]
        > ZRANGEBYSCORE z -inf (inf WITHSCORES < ["a" "1" "b" "2" "c" "2" "d" "3"]
        > ZRANGEBYSCORE z 3 2             < []
        > ZRANGEBYSCORE z "" 2            < ["a" "b" "c"]
        > ZRANGEBYSCORE z 1 3 LIMIT 1 2   < ["b" "c"]
        > ZRANGEBYSCORE z 1 3 LIMIT 1 -1  < ["b" "c" "d"]
        > ZRANGEBYSCORE z 1 3 LIMIT -1 2  < []
        > ZRANGEBYSCORE z 1 3 LIMIT 9 2   < []
        > ZRANGEBYSCORE z 1 3 LIMIT 0 0   < []
        > ZRANGEBYSCORE z 1 3 LIMIT 1     < -ERR syntax error
        > ZRANGEBYSCORE z 1 3 LIMIT a 1   < -ERR value is not an integer or out of range
        > ZREVRANGEBYSCORE z 3 2          < ["d" "c" "b"]
        > ZREVRANGEBYSCORE z +inf (1 LIMIT 1 2 WITHSCORES < ["d" "3" "c" "2"]
        > ZREVRANGEBYSCORE z 2 3          < []
        > ZRANGE z 2 3 BYSCORE            < ["b" "c" "d"]
        > ZRANGE z 3 2 BYSCORE REV        < ["d" "c" "b"]
        > ZRANGE z (1 +inf byscore limit 1 1 withscores < ["c" "2"]
        > ZRANGEBYSCORE z a 3             < -ERR min or max is not a float
        > ZRANGEBYSCORE z 1 nan           < -ERR min or max is not a float
        > ZRANGEBYSCORE missing 1 x       < -ERR min or max is not a float
        > ZRANGEBYSCORE missing 1 2       < []
        > ZRANGE z 0 1 BYSCORE BYLEX      < -ERR syntax error
        > ZCOUNT z 2 3                    < :3
        > ZCOUNT z (2 +inf                < :2
        > ZCOUNT z 3 2                    < :0
        > ZCOUNT z x 2                    < -ERR min or max is not a float
        > ZCOUNT missing 1 2              < :0
        > HELLO 3                         < *
        > ZRANGEBYSCORE z 3 3 WITHSCORES  < [["d" ,3]]
        > ZREVRANGEBYSCORE z 2 2 WITHSCORES < [["c" ,2] ["b" ,2]]
    "#,
    );
}

#[test]
fn ranges_by_member() {
    check_in_both(
        r#"
        > ZADD z 0 a 0 b 0 c 0 d 0 e      < :5
        > ZRANGEBYLEX z - +               < ["a" "b" "c" "d" "e"]
        > ZRANGEBYLEX z [b (d             < ["b" "c"]
        > ZRANGEBYLEX z (b [d             < ["c" "d"]
        > ZRANGEBYLEX z (bb +             < ["c" "d" "e"]
        > ZRANGEBYLEX z [d [b             < []
        > ZRANGEBYLEX z + -               < []
        > ZRANGEBYLEX z - -               < []
        > ZRANGEBYLEX z + +               < []
        > ZRANGEBYLEX z (c [c             < []
        > ZRANGEBYLEX z - + LIMIT 1 2     < ["b" "c"]
        > ZREVRANGEBYLEX z + [c           < ["e" "d" "c"]
        > ZREVRANGEBYLEX z (e - LIMIT 1 2 < ["c" "b"]
        > ZRANGE z [b [d BYLEX            < ["b" "c" "d"]
        > ZRANGE z [d [b BYLEX REV LIMIT 0 2 < ["d" "c"]
        > ZRANGE z - + BYLEX WITHSCORES   < -ERR syntax error, WITHSCORES not supported in combination with BYLEX
        > ZRANGEBYLEX z - + WITHSCORES    < -ERR syntax error, WITHSCORES not supported in combination with BYLEX
        > ZRANGEBYLEX z a +               < -ERR min or max not valid string range item
        > ZRANGEBYLEX z - ++              < -ERR min or max not valid string range item
        > ZRANGEBYLEX z "" +              < -ERR min or max not valid string range item
        > ZRANGEBYLEX missing - x         < -ERR min or max not valid string range item
        > ZRANGEBYLEX missing - +         < []
        > ZLEXCOUNT z - +                 < :5
        > ZLEXCOUNT z (a (e               < :3
        > ZLEXCOUNT z [ [b                < :2
        > ZLEXCOUNT z + -                 < :0
        > ZLEXCOUNT z x y                 < -ERR min or max not valid string range item
        > ZLEXCOUNT missing - +           < :0
    "#,
    );
}

#[test]
fn ranges_are_stored_over_whatever_there_was() {
    check_in_both(
        r#"
        > ZADD z 1 a 2 b 3 c 4 d          < :4
        > ZRANGESTORE y z 1 2             < :2
        > ZRANGE y 0 -1 WITHSCORES        < ["b" "2" "c" "3"]
        > OBJECT ENCODING y               < "$encoding"
        > SET s x                         < +OK
        > EXPIRE s 100                    < :1
        > ZRANGESTORE s z 0 1 REV         < :2
        > TTL s                           < :-1
        > ZRANGE s 0 -1                   < ["c" "d"]
        > ZRANGESTORE s z (1 +inf BYSCORE LIMIT 1 1 < :1
        > ZRANGE s 0 -1                   < ["c"]
        > ZRANGESTORE s z 9 9             < :0
        > EXISTS s                        < :0
        > ZADD s 1 a                      < :1
        > ZRANGESTORE s missing 0 -1      < :0
        > EXISTS s                        < :0
        > ZRANGESTORE z z 0 1             < :2
        > ZRANGE z 0 -1                   < ["a" "b"]
        > ZRANGESTORE s z 0 -1 WITHSCORES < -ERR syntax error
        > ZRANGESTORE s z [a [b BYLEX     < :2
        > SET str v                       < +OK
        > ZRANGESTORE s str 0 -1          < -WRONGTYPE *
        > ZRANGE s 0 -1                   < ["a" "b"]
    "#,
    );
}

#[test]
fn ranges_are_removed() {
    check_in_both(
        r#"
        > ZADD z 1 a 2 b 3 c 4 d 5 e 6 f  < :6
        > ZREMRANGEBYRANK z 1 2           < :2
        > ZREMRANGEBYRANK z -1 -1         < :1
        > ZRANGE z 0 -1                   < ["a" "d" "e"]
        > ZREMRANGEBYRANK z 5 9           < :0
        > ZREMRANGEBYSCORE z (1 4         < :1
        > ZREMRANGEBYSCORE z (5 +inf      < :0
        > ZRANGE z 0 -1                   < ["a" "e"]
        > ZREMRANGEBYSCORE z -inf +inf    < :2
        > EXISTS z                        < :0
        > ZADD z 0 a 0 b 0 c              < :3
        > ZREMRANGEBYLEX z [b +           < :2
        > ZREMRANGEBYLEX z - (a           < :0
        > ZREMRANGEBYLEX z - +            < :1
        > EXISTS z                        < :0
        > ZREMRANGEBYRANK z 0 -1          < :0
        > ZREMRANGEBYRANK z x 1           < -ERR value is not an integer or out of range
        > ZREMRANGEBYSCORE z x 1          < -ERR min or max is not a float
        > ZREMRANGEBYLEX z x +            < -ERR min or max not valid string range item
    "#,
    );
}

#[test]
fn pops_take_from_either_end() {
    check_in_both(
        r#"
        > ZADD z 1 a 2 b 3 c 4 d 5 e      < :5
        > ZPOPMIN z                       < ["a" "1"]
        > ZPOPMAX z                       < ["e" "5"]
        > ZPOPMAX z 2                     < ["d" "4" "c" "3"]
        > ZPOPMIN z 0                     < []
        > ZPOPMIN z -1                    < -ERR value is out of range, must be positive
        > ZPOPMIN z x                     < -ERR value is out of range, must be positive
        > ZPOPMIN z 1 2                   < -ERR syntax error
        > ZPOPMIN z 10                    < ["b" "2"]
        > EXISTS z                        < :0
        > ZPOPMIN z                       < []
        > ZPOPMAX z 3                     < []
        > ZADD z 1 a 2 b 3 c              < :3
        > HELLO 3                         < *
        > ZPOPMIN z                       < ["a" ,1]
        > ZPOPMAX z 1                     < [["c" ,3]]
        > ZPOPMIN z 5                     < [["b" ,2]]
        > ZPOPMIN z 5                     < []
        > ZPOPMIN z                       < []
    "#,
    );
}

#[test]
fn a_pop_from_several_keys_takes_from_the_first_that_is_there() {
    check_in_both(
        r#"
        > ZMPOP 2 y z MIN                 < nil-array
        > ZADD z 1 a 2 b 3 c              < :3
        > ZMPOP 2 y z MIN                 < ["z" [["a" "1"]]]
        > ZMPOP 2 y z max count 5         < ["z" [["c" "3"] ["b" "2"]]]
        > EXISTS z                        < :0
        > ZMPOP 0 z MIN                   < -ERR numkeys should be greater than 0
        > ZMPOP x z MIN                   < -ERR numkeys should be greater than 0
        > ZMPOP 2 z MIN                   < -ERR syntax error
        > ZMPOP 1 z AVG                   < -ERR syntax error
        > ZMPOP 1 z MIN COUNT 0           < -ERR count should be greater than 0
        > ZMPOP 1 z MIN COUNT             < -ERR syntax error
        > ZMPOP 1 z MIN COUNT 1 COUNT 1   < -ERR syntax error
        > ZMPOP 1 z MIN BOGUS             < -ERR syntax error
        > SET s v                         < +OK
        > ZADD z 1 a                      < :1
        > ZMPOP 2 s z MIN                 < -WRONGTYPE *
        > ZMPOP 2 z s MIN                 < ["z" [["a" "1"]]]
        > ZADD z 1.5 a                    < :1
        > HELLO 3                         < *
        > ZMPOP 1 z MIN                   < ["z" [["a" ,1.5]]]
        > ZMPOP 1 z MIN                   < nil
    "#,
    );
}

#[test]
fn blocking_pops_wait_for_a_sorted_set_and_for_nothing_else() {
    check_in_both(
        r#"
        a> ZADD z 1 a 2 b 3 c             < :3
        a> BZPOPMIN x z 0                 < ["z" "a" "1"]
        a> BZPOPMAX x z 0                 < ["z" "c" "3"]
        a> BZMPOP 0 2 x z MIN COUNT 2     < ["z" [["b" "2"]]]
        a> BZPOPMIN z 0.01                < nil-array
        a> BZMPOP 0.01 1 z MAX            < nil-array
        a> BZPOPMIN x z 0                 < blocks
        b> RPUSH z element                < :1
        b> DEL z                          < :1
        b> ZADD z 5 m 4 n                 < :2
        a< ["z" "n" "4"]
        b> ZRANGE z 0 -1                  < ["m"]
        b> DEL z                          < :1
        a> BZPOPMAX x z 0                 < blocks
        b> ZADD z 5 m 4 n                 < :2
        a< ["z" "m" "5"]
        b> DEL z                          < :1
        a> BZMPOP 0 2 x z MIN COUNT 9     < blocks
        b> ZADD other 1 a 2 b             < :2
        b> ZUNIONSTORE z 1 other          < :2
        a< ["z" [["a" "1"] ["b" "2"]]]
        b> EXISTS z                       < :0
        a> HELLO 3                        < *
        a> BZPOPMIN z 0                   < blocks
        b> RENAME other z                 < +OK
        a< ["z" "a" ,1]
        a> BZMPOP 0 1 z MIN               < ["z" [["b" ,2]]]
        a> BZPOPMIN z x                   < -ERR timeout is not a float or out of range
        a> BZPOPMIN z -1                  < -ERR timeout is negative
        a> BZMPOP x 1 z AVG               < -ERR syntax error
        a> BZMPOP x 1 z MIN               < -ERR timeout is not a float or out of range
        a> BZMPOP 0 0 z MIN               < -ERR numkeys should be greater than 0
        a> SET s v                        < +OK
        a> BZPOPMIN s 0                   < -WRONGTYPE *
    "#,
    );
}

#[test]
fn who_waits_for_a_sorted_set_gets_one_member_in_turn() {
    check(
        r#"
        a> BZPOPMIN z 0                   < blocks
        b> BZPOPMAX z 0                   < blocks
        c> ZADD z 1 a 2 b 3 c             < :3
        a< ["z" "a" "1"]
        b< ["z" "c" "3"]
        c> ZRANGE z 0 -1                  < ["b"]
        a> BLPOP k 0                      < blocks
        b> BZPOPMIN k 0                   < blocks
        c> ZADD k 1 a                     < :1
        b< ["k" "a" "1"]
        c> RPUSH k v                      < :1
        a< ["k" "v"]
        c> ZINCRBY z 5 b                  < "7"
    "#,
    );
}

#[test]
fn random_members_are_members() {
    check_in_both(
        r#"
        > ZRANDMEMBER z                   < nil
        > ZRANDMEMBER z 3                 < []
        > ZRANDMEMBER z -3                < []
        > ZADD z 1 a                      < :1
        > ZRANDMEMBER z                   < "a"
        > ZRANDMEMBER z 5                 < ["a"]
        > ZRANDMEMBER z -3                < ["a" "a" "a"]
        > ZRANDMEMBER z 0                 < []
        > ZRANDMEMBER z -2 WITHSCORES     < ["a" "1" "a" "1"]
        > ZADD z 2 b 3 c                  < :2
        > ZRANDMEMBER z 3                 < {"a" "b" "c"}
        > ZRANDMEMBER z 9 WITHSCORES      < {"a" "1" "b" "2" "c" "3"}
        > ZRANDMEMBER z 2                 < [* *]
        > ZRANDMEMBER z x                 < -ERR value is not an integer or out of range
        > ZRANDMEMBER z 1 BOGUS           < -ERR syntax error
        > ZRANDMEMBER z 1 WITHSCORES x    < -ERR syntax error
        > ZRANDMEMBER z -9223372036854775808 < -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
        > ZRANDMEMBER z -9223372036854775807 WITHSCORES < -ERR value is out of range
        > HELLO 3                         < *
        > ZRANDMEMBER z 3 WITHSCORES      < {["a" ,1] ["b" ,2] ["c" ,3]}
        > ZRANDMEMBER z -1                < [*]
    "#,
    );
}

/// A short command must not fill the memory: Redis would try.
#[test]
fn draws_without_an_end_are_refused() {
    check(
        r#"
        ! no-oracle
        > ZADD z 1 a                      < :1
        > ZRANDMEMBER z -1000000000       < -ERR value is out of range
        > PING                            < +PONG
    "#,
    );
}

#[test]
fn a_small_set_is_scanned_at_once() {
    check_in_both(
        r#"
        > ZADD z 1 a 2.5 b inf c          < :3
        > ZSCAN z 0 MATCH b               < ["0" ["b" "2.5"]]
        > ZSCAN z 0 COUNT 100             < ["0" {"a" "1" "b" "2.5" "c" "inf"}]
        > ZSCAN missing 0                 < ["0" []]
        > ZSCAN missing 0 BOGUS           < ["0" []]
        > ZSCAN z x                       < -ERR invalid cursor
        > ZSCAN z 0 BOGUS                 < -ERR syntax error
        > ZSCAN z 0 COUNT 0               < -ERR syntax error
        > ZSCAN z 0 COUNT x               < -ERR value is not an integer or out of range
        > ZSCAN z 0 MATCH                 < -ERR syntax error
        > HELLO 3                         < *
        > ZSCAN z 0 MATCH a               < ["0" ["a" "1"]]
    "#,
    );
    // What is kept as text is shown as it is, what is kept as a number has 17 digits.
    check(
        r#"
        ! only 7.2
        > ZADD z 0.1 a                    < :1
        > ZSCAN z 0                       < ["0" ["a" "0.1"]]
        > CONFIG SET zset-max-listpack-entries 0    < +OK
        > ZADD y 0.1 a 1.5e-9 b           < :2
        > ZSCAN y 0 MATCH a               < ["0" ["a" "0.10000000000000001"]]
        > ZSCAN y 0 MATCH b               < ["0" ["b" "1.5e-09"]]
        > CONFIG SET zset-max-listpack-entries 128  < +OK
    "#,
    );
}

#[test]
fn other_types_are_refused_by_every_command() {
    let mut script = String::from("> SET s v < +OK\n> ZADD z 1 a < :1\n");
    for command in [
        "ZADD s 1 a",
        "ZADD s XX 1 a",
        "ZADD s INCR 1 a",
        "ZINCRBY s 1 a",
        "ZREM s a",
        "ZCARD s",
        "ZSCORE s a",
        "ZMSCORE s a",
        "ZRANK s a",
        "ZREVRANK s a",
        "ZCOUNT s 0 1",
        "ZLEXCOUNT s - +",
        "ZRANGE s 0 -1",
        "ZREVRANGE s 0 -1",
        "ZRANGEBYSCORE s 0 1",
        "ZREVRANGEBYSCORE s 1 0",
        "ZRANGEBYLEX s - +",
        "ZREVRANGEBYLEX s + -",
        "ZRANGESTORE z s 0 -1",
        "ZREMRANGEBYRANK s 0 -1",
        "ZREMRANGEBYSCORE s 0 1",
        "ZREMRANGEBYLEX s - +",
        "ZPOPMIN s",
        "ZPOPMAX s",
        "ZPOPMIN s 0",
        "ZMPOP 1 s MIN",
        "BZPOPMIN s 0",
        "BZPOPMAX s 0",
        "BZMPOP 0 1 s MIN",
        "ZUNION 2 z s",
        "ZINTER 2 z s",
        "ZDIFF 2 z s",
        "ZUNIONSTORE z 2 z s",
        "ZINTERSTORE z 2 z s",
        "ZDIFFSTORE z 2 z s",
        "ZINTERCARD 2 z s",
        "ZRANDMEMBER s",
        "ZRANDMEMBER s 1",
        "ZSCAN s 0",
    ] {
        let _ = writeln!(script, "> {command} < -WRONGTYPE *");
    }
    script.push_str(
        "> ZRANGE z 0 -1 < [\"a\"]
         > LPUSH z x     < -WRONGTYPE *
         > GET z         < -WRONGTYPE *
         > SADD z x      < -WRONGTYPE *
         > SET z v       < +OK",
    );
    check(&script);
}

/// Adds members `from..to` with their numbers as scores.
fn add(key: &str, prefix: &str, from: usize, to: usize) -> String {
    let pairs = (from..to).fold(String::new(), |mut all, n| {
        let _ = write!(all, " {n} {prefix}{n}");
        all
    });
    format!("> ZADD {key}{pairs} < :{}\n", to - from)
}

#[test]
fn the_encoding_follows_the_members_as_in_redis() {
    let (fits, long) = ("x".repeat(64), "x".repeat(65));
    let script = [
        add("z", "m", 0, 128),
        "> OBJECT ENCODING z < \"listpack\"\n".to_owned(),
        // A score changes nothing, one member more does, and nothing changes it back.
        "> ZADD z 1.25 m1 < :0\n> OBJECT ENCODING z < \"listpack\"\n".to_owned(),
        "> ZADD z XX 1 new < :0\n> OBJECT ENCODING z < \"listpack\"\n".to_owned(),
        "> ZADD z 1 new < :1\n> OBJECT ENCODING z < \"skiplist\"\n".to_owned(),
        "> ZREMRANGEBYRANK z 0 100 < :101\n> OBJECT ENCODING z < \"skiplist\"\n".to_owned(),
        format!("> ZADD y 1 a 2 {fits} < :2\n> OBJECT ENCODING y < \"listpack\"\n"),
        format!("> ZADD y XX 2 {long} < :0\n> OBJECT ENCODING y < \"listpack\"\n"),
        format!("> ZADD y 2 {long} < :1\n> OBJECT ENCODING y < \"skiplist\"\n"),
        format!("> ZREM y {long} < :1\n> OBJECT ENCODING y < \"skiplist\"\n"),
        format!("> ZADD w 2 {long} < :1\n> OBJECT ENCODING w < \"skiplist\"\n"),
        // What is stored is measured anew.
        "> ZRANGESTORE out z 0 -1 < :28\n> OBJECT ENCODING out < \"listpack\"\n".to_owned(),
        "> ZUNIONSTORE out 1 z < :28\n> OBJECT ENCODING out < \"listpack\"\n".to_owned(),
        "> ZUNIONSTORE out 2 z w < :29\n> OBJECT ENCODING out < \"skiplist\"\n".to_owned(),
        "> ZRANGESTORE out w 0 -1 < :1\n> OBJECT ENCODING out < \"skiplist\"\n".to_owned(),
        add("v", "v", 0, 129),
        "> OBJECT ENCODING v < \"skiplist\"\n".to_owned(),
        "> ZRANGESTORE out v 0 -1 < :129\n> OBJECT ENCODING out < \"skiplist\"\n".to_owned(),
        "> ZRANGESTORE out v 0 127 < :128\n> OBJECT ENCODING out < \"listpack\"\n".to_owned(),
        "> COPY v c < :1\n> OBJECT ENCODING c < \"skiplist\"\n".to_owned(),
    ];
    check(&script.concat());
    // Redis 7.2 looks at how many pairs a command has before it looks at any of them.
    let again: String = (0..129).map(|_| " 1 a").collect();
    check(&format!(
        "
        ! only 7.2
        > ZADD z 1 a       < :1
        > ZADD z{again}    < :0
        > OBJECT ENCODING z < \"skiplist\"
        > ZADD y{again}    < :1
        > OBJECT ENCODING y < \"skiplist\"
        "
    ));
}

/// Between what fits the entry of its key and what Redis calls large, a set is packed beside its entry.
#[test]
fn sets_of_all_sizes_are_whole() {
    for (count, member) in
        [(3, "m"), (20, "member:00"), (70, "member:"), (128, "a-rather-long-member-of-a-sorted-set:")]
    {
        let order: Vec<usize> = (0..count).map(|n| (n * 37 + 11) % count).collect();
        let mut distinct = order.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let mut script = String::new();
        for n in &distinct {
            let _ = writeln!(script, "> ZADD z {}.5 {member}{n} < :1", (n * 37) % 101);
        }
        let mut sorted: Vec<(usize, String)> =
            distinct.iter().map(|n| ((n * 37) % 101, format!("{member}{n}"))).collect();
        sorted.sort();
        let list = |pairs: &[(usize, String)]| {
            pairs.iter().map(|(_, member)| format!("\"{member}\"")).collect::<Vec<_>>().join(" ")
        };
        let _ = writeln!(script, "> ZRANGE z 0 -1 < [{}]", list(&sorted));
        let _ = writeln!(script, "> OBJECT ENCODING z < \"listpack\"");
        for (rank, (score, member)) in sorted.iter().enumerate() {
            let _ = writeln!(script, "> ZRANK z {member} < :{rank}\n> ZSCORE z {member} < \"{score}.5\"");
        }
        let _ = writeln!(script, "> ZREMRANGEBYRANK z 1 -2 < :{}", sorted.len() - 2);
        let ends = [sorted[0].clone(), sorted[sorted.len() - 1].clone()];
        let _ = writeln!(script, "> ZRANGE z 0 -1 < [{}]\n> ZPOPMIN z 2 < *\n> EXISTS z < :0", list(&ends));
        check(&script);
    }
}

#[test]
fn limits_are_settings() {
    check(
        r#"
        > CONFIG SET zset-max-listpack-entries 2 zset-max-listpack-value 3 < +OK
        > ZADD z 1 a 2 b                  < :2
        > OBJECT ENCODING z               < "listpack"
        > ZADD z 3 c                      < :1
        > OBJECT ENCODING z               < "skiplist"
        > ZADD y 1 abcd                   < :1
        > OBJECT ENCODING y               < "skiplist"
        > CONFIG SET zset-max-listpack-entries 1000 zset-max-listpack-value 3000 < +OK
        > ZADD z 4 d                      < :1
        > OBJECT ENCODING z               < "skiplist"
        > DEL z                           < :1
        > ZADD z 4 abcdefg                < :1
        > OBJECT ENCODING z               < "listpack"
        > CONFIG SET zset-max-listpack-entries 128 zset-max-listpack-value 64 < +OK
        > OBJECT ENCODING z               < "listpack"
        > ZADD z 5 abcdefg                < :0
        > ZRANGE z 0 -1 WITHSCORES        < ["abcdefg" "5"]
    "#,
    );
}

#[test]
fn deadlines_and_names_stay_with_a_sorted_set() {
    check_in_both(
        r#"
        > ZADD z 1 a                      < :1
        > EXPIRE z 100                    < :1
        > ZADD z 2 b                      < :1
        > ZINCRBY z 5 a                   < "6"
        > ZREM z b                        < :1
        > TTL z                           < :99..100
        > RENAME z y                      < +OK
        > ZRANGE y 0 -1 WITHSCORES        < ["a" "6"]
        > COPY y x                        < :1
        > ZADD x 1 b                      < :1
        > ZRANGE y 0 -1                   < ["a"]
        > ZRANGE x 0 -1                   < ["b" "a"]
        > ZUNIONSTORE y 1 y               < :1
        > TTL y                           < :-1
        > SCAN 0 TYPE zset COUNT 100      < ["0" {"x" "y"}]
    "#,
    );
    check(
        r#"
        > ZADD z 1 a                      < :1
        > PEXPIRE z 100                   < :1
        ! advance 101ms
        > ZCARD z                         < :0
        > ZUNION 1 z                      < []
        > ZADD z 2 b                      < :1
        > ZRANGE z 0 -1                   < ["b"]
    "#,
    );
}

#[test]
fn keys_are_where_their_commands_have_them() {
    check(
        r#"
        > COMMAND GETKEYS ZADD z 1 a                        < ["z"]
        > COMMAND GETKEYS ZUNION 2 x y WITHSCORES           < ["x" "y"]
        > COMMAND GETKEYS ZUNIONSTORE out 2 x y WEIGHTS 1 2 < ["out" "x" "y"]
        > COMMAND GETKEYS ZRANGESTORE out z 0 -1            < ["out" "z"]
        > COMMAND GETKEYS BZMPOP 0 2 x y MIN                < ["x" "y"]
        > COMMAND GETKEYS BZPOPMIN x y 0                    < ["x" "y"]
        > COMMAND GETKEYSANDFLAGS ZDIFFSTORE out 1 x        < [["out" [+OW +update]] ["x" [+RO +access]]]
        > COMMAND GETKEYSANDFLAGS ZPOPMIN z                 < [["z" [+RW +access +delete]]]
    "#,
    );
}

//! Several sorted sets made into one.

use super::*;

#[test]
fn unions_add_scores_up_or_choose_one() {
    check_in_both(
        r#"
        > ZADD x 1 a 2 b                  < :2
        > ZADD y 10 b 20 c                < :2
        > ZUNION 2 x y                    < ["a" "b" "c"]
        > ZUNION 2 x y WITHSCORES         < ["a" "1" "b" "12" "c" "20"]
        > ZUNION 2 x y WEIGHTS 2 -1 WITHSCORES < ["c" "-20" "b" "-6" "a" "2"]
        > ZUNION 2 x y AGGREGATE MAX WITHSCORES < ["a" "1" "b" "10" "c" "20"]
        > ZUNION 2 x y WITHSCORES aggregate min < ["a" "1" "b" "2" "c" "20"]
        > ZUNION 2 x x WITHSCORES         < ["a" "2" "b" "4"]
        > ZUNION 2 x missing              < ["a" "b"]
        > ZUNION 1 missing                < []
        > ZUNIONSTORE out 2 x y WEIGHTS 0.5 1 < :3
        > ZRANGE out 0 -1 WITHSCORES      < ["a" "0.5" "b" "11" "c" "20"]
        > OBJECT ENCODING out             < "$encoding"
        > ZUNIONSTORE out 1 missing       < :0
        > EXISTS out                      < :0
        > ZUNIONSTORE x 2 x y             < :3
        > ZRANGE x 0 -1 WITHSCORES        < ["a" "1" "b" "12" "c" "20"]
        > SADD s a z                      < :2
        > ZUNION 2 s y WITHSCORES         < ["a" "1" "z" "1" "b" "10" "c" "20"]
        > ZUNION 1 s WEIGHTS 3 WITHSCORES < ["a" "3" "z" "3"]
        > HELLO 3                         < *
        > ZUNION 1 y WITHSCORES           < [["b" ,10] ["c" ,20]]
        > ZUNION 1 y                      < ["b" "c"]
    "#,
    );
}

#[test]
fn intersections_keep_what_all_sets_have() {
    check_in_both(
        r#"
        > ZADD x 1 a 2 b 3 c              < :3
        > ZADD y 10 b 20 c 30 d           < :3
        > SADD s c d e                    < :3
        > ZINTER 2 x y WITHSCORES         < ["b" "12" "c" "23"]
        > ZINTER 2 x y                    < ["b" "c"]
        > ZINTER 3 x y s WITHSCORES       < ["c" "24"]
        > ZINTER 2 x y WEIGHTS 1 0.5 AGGREGATE MIN WITHSCORES < ["b" "2" "c" "3"]
        > ZINTER 2 x x WITHSCORES         < ["a" "2" "b" "4" "c" "6"]
        > ZINTER 2 x missing              < []
        > ZINTERSTORE out 2 x y           < :2
        > ZRANGE out 0 -1 WITHSCORES      < ["b" "12" "c" "23"]
        > OBJECT ENCODING out             < "$encoding"
        > ZINTERSTORE out 2 x missing     < :0
        > EXISTS out                      < :0
        > ZINTERCARD 2 x y                < :2
        > ZINTERCARD 2 x y LIMIT 1        < :1
        > ZINTERCARD 2 x y LIMIT 0        < :2
        > ZINTERCARD 2 x s                < :1
        > ZINTERCARD 2 x missing          < :0
        > ZINTERCARD 1 x LIMIT -1         < -ERR LIMIT can't be negative
        > ZINTERCARD 1 x LIMIT x          < -ERR LIMIT can't be negative
        > ZINTERCARD 1 x LIMIT            < -ERR syntax error
        > ZINTERCARD 1 x WITHSCORES       < -ERR syntax error
        > ZINTERCARD 0 x                  < -ERR at least 1 input key is needed for 'zintercard' command
        > HELLO 3                         < *
        > ZINTER 2 x y WITHSCORES         < [["b" ,12] ["c" ,23]]
    "#,
    );
}

#[test]
fn differences_keep_what_only_the_first_set_has() {
    check_in_both(
        r#"
        > ZADD x 1 a 2 b 3 c              < :3
        > ZADD y 10 b                     < :1
        > SADD s c                        < :1
        > ZDIFF 2 x y WITHSCORES          < ["a" "1" "c" "3"]
        > ZDIFF 3 x y s                   < ["a"]
        > ZDIFF 2 x x                     < []
        > ZDIFF 2 missing x               < []
        > ZDIFF 1 x                       < ["a" "b" "c"]
        > ZDIFF 1 x WEIGHTS 2             < -ERR syntax error
        > ZDIFF 1 x AGGREGATE SUM         < -ERR syntax error
        > ZDIFFSTORE out 2 x y            < :2
        > ZRANGE out 0 -1 WITHSCORES      < ["a" "1" "c" "3"]
        > OBJECT ENCODING out             < "$encoding"
        > ZDIFFSTORE out 2 x x            < :0
        > EXISTS out                      < :0
        > ZDIFFSTORE out 1 x WITHSCORES   < -ERR syntax error
        > HELLO 3                         < *
        > ZDIFF 2 x y WITHSCORES          < [["a" ,1] ["c" ,3]]
    "#,
    );
}

#[test]
fn infinities_and_weights_make_no_nan() {
    check_in_both(
        r#"
        > ZADD x inf a                    < :1
        > ZADD y -inf a                   < :1
        > ZUNION 2 x y WITHSCORES         < ["a" "0"]
        > ZINTER 2 x y WITHSCORES         < ["a" "0"]
        > ZUNION 1 x WEIGHTS 0 WITHSCORES < ["a" "0"]
        > ZINTER 2 x y WEIGHTS 0 1 AGGREGATE MAX WITHSCORES < ["a" "0"]
        > ZUNION 2 x y WEIGHTS inf 1 AGGREGATE MAX WITHSCORES < ["a" "inf"]
        > ZUNION 1 x WEIGHTS nan          < -ERR weight value is not a float
        > ZUNION 1 x WEIGHTS a            < -ERR weight value is not a float
    "#,
    );
}

#[test]
fn the_keys_of_a_union_are_looked_at_before_its_options() {
    check(
        r#"
        > SET str v                       < +OK
        > ZADD x 1 a                      < :1
        > ZUNION 1 str BOGUS              < -WRONGTYPE *
        > ZUNION 1 x BOGUS                < -ERR syntax error
        > ZUNION 0 x                      < -ERR at least 1 input key is needed for 'zunion' command
        > ZUNION -1 x                     < -ERR at least 1 input key is needed for 'zunion' command
        > ZUNION x x                      < -ERR value is not an integer or out of range
        > ZUNION 2 x                      < -ERR syntax error
        > ZUNION 1 x WEIGHTS              < -ERR syntax error
        > ZUNION 2 x x WEIGHTS 1          < -ERR syntax error
        > ZUNION 1 x AGGREGATE            < -ERR syntax error
        > ZUNION 1 x AGGREGATE AVG        < -ERR syntax error
        > ZUNION 1 x LIMIT 1              < -ERR syntax error
        > ZUNIONSTORE out 1 x WITHSCORES  < -ERR syntax error
        > ZUNIONSTORE out 0 x             < -ERR at least 1 input key is needed for 'zunionstore' command
        > ZINTERSTORE out 0 x             < -ERR at least 1 input key is needed for 'zinterstore' command
        > ZDIFFSTORE out 0 x              < -ERR at least 1 input key is needed for 'zdiffstore' command
        > ZINTER 0 x                      < -ERR at least 1 input key is needed for 'zinter' command
        > ZDIFF 0 x                       < -ERR at least 1 input key is needed for 'zdiff' command
        > ZUNIONSTORE str 1 x             < :1
        > TYPE str                        < +zset
    "#,
    );
}

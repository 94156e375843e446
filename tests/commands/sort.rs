//! `SORT` and `SORT_RO`.

use super::check;

#[test]
fn numbers_are_sorted_as_numbers_and_texts_as_texts() {
    check(
        r#"
        > RPUSH l 3 10 1 -2 2.5 1e1       < :6
        > SORT l                          < ["-2" "1" "2.5" "3" "10" "1e1"]
        > SORT l DESC                     < ["1e1" "10" "3" "2.5" "1" "-2"]
        > SORT l ASC ALPHA                < ["-2" "1" "10" "1e1" "2.5" "3"]
        > SORT l ALPHA DESC               < ["3" "2.5" "1e1" "10" "1" "-2"]
        > SORT l LIMIT 1 3                < ["1" "2.5" "3"]
        > SORT l LIMIT 4 100              < ["10" "1e1"]
        > SORT l LIMIT -5 2               < ["-2" "1"]
        > SORT l LIMIT 2 -1               < ["2.5" "3" "10" "1e1"]
        > SORT l LIMIT 0 0                < []
        > SORT l LIMIT 6 1                < []
        > SORT l LIMIT 9223372036854775807 9223372036854775807   < []
        > SORT_RO l LIMIT 1 3 DESC        < ["10" "3" "2.5"]
        > SORT none                       < []
        > SORT_RO none                    < []
        > RPUSH odd "" " 7" 0x10 inf -inf < :5
        > SORT odd                        < ["-inf" "" " 7" "0x10" "inf"]
        > RPUSH bad 1 x                   < :2
        > SORT bad                        < -ERR One or more scores can't be converted into double
        > SORT bad LIMIT 0 0              < -ERR One or more scores can't be converted into double
        > SORT bad ALPHA                  < ["1" "x"]
        > RPUSH nan nan                   < :1
        > SORT nan                        < -ERR One or more scores can't be converted into double
        > RPUSH large 1e999               < :1
        > SORT large                      < -ERR One or more scores can't be converted into double
        > RPUSH small 1e-999              < :1
        > SORT small                      < -ERR One or more scores can't be converted into double
        > RPUSH blank "1 "                < :1
        > SORT blank                      < -ERR One or more scores can't be converted into double
        "#,
    );
}

#[test]
fn other_keys_give_weights_and_results() {
    check(
        r#"
        > RPUSH ids 1 2 3 4               < :4
        > MSET w_1 30 w_2 20 w_3 10       < +OK
        > MSET o_1 one o_2 two o_3 three  < +OK
        > SORT ids BY w_*                 < ["4" "3" "2" "1"]
        > SORT ids BY w_* DESC            < ["1" "2" "3" "4"]
        > SORT ids BY w_* GET o_*         < [nil "three" "two" "one"]
        > SORT ids BY w_* GET # GET o_*   < ["4" nil "3" "three" "2" "two" "1" "one"]
        > SORT ids BY w_* GET # GET o_* LIMIT 1 2   < ["3" "three" "2" "two"]
        > SORT ids BY o_* ALPHA           < ["4" "1" "3" "2"]
        > SORT ids BY o_*                 < -ERR One or more scores can't be converted into double
        > SORT ids GET o_1                < [nil nil nil nil]
        > SORT ids GET ##                 < [nil nil nil nil]
        > SORT ids BY nosort              < ["1" "2" "3" "4"]
        > SORT ids BY nosort DESC         < ["4" "3" "2" "1"]
        > SORT ids BY nosort DESC LIMIT 1 2         < ["3" "2"]
        > SORT ids BY nosort LIMIT 1 2    < ["2" "3"]
        > SORT ids BY nosort LIMIT 5 2    < []
        > SORT ids BY nosort LIMIT 2 100 GET o_*    < ["three" nil]
        > SORT ids BY w_*->f              < ["1" "2" "3" "4"]
        > SORT ids GET o_*->f             < [nil nil nil nil]
        > SORT ids GET o_*->              < [nil nil nil nil]
        > RPUSH o_4 x                     < :1
        > SORT ids GET o_*                < ["one" "two" "three" nil]
        > SORT ids BY o_* ALPHA           < ["4" "1" "3" "2"]
        > SORT_RO ids BY w_* GET o_*      < [nil "three" "two" "one"]
        "#,
    );
}

#[test]
fn sets_are_sorted_and_hash_fields_looked_up() {
    check(
        r#"
        > SADD s 3 1 2                    < :3
        > SORT s                          < ["1" "2" "3"]
        > SORT s DESC LIMIT 0 2           < ["3" "2"]
        > HSET h_1 w 3 name one           < :2
        > HSET h_2 w 2 name two           < :2
        > HSET h_3 w 1                    < :1
        > SORT s BY h_*->w                < ["3" "2" "1"]
        > SORT s BY h_*->w GET h_*->name GET #   < [nil "3" "two" "2" "one" "1"]
        > SORT s BY h_*->none             < ["1" "2" "3"]
        > SORT s BY h_*->name ALPHA       < ["3" "1" "2"]
        > SORT s GET h_*                  < [nil nil nil]
        > SORT s BY h_*                   < ["1" "2" "3"]
        > SORT s BY nosort STORE d        < :3
        > LRANGE d 0 -1                   < ["1" "2" "3"]
        > SADD t b a c 10 9               < :5
        > SORT t                          < -ERR One or more scores can't be converted into double
        > SORT t ALPHA                    < ["10" "9" "a" "b" "c"]
        > SORT t BY nosort                < {"10" "9" "a" "b" "c"}
        > SORT t BY nosort DESC STORE d   < :5
        > LRANGE d 0 -1                   < ["c" "b" "a" "9" "10"]
        > SORT t BY nosort LIMIT 1 2 STORE d   < :2
        > LRANGE d 0 -1                   < ["9" "a"]
        > SORT t BY nosort GET # GET none STORE d   < :10
        > LRANGE d 0 3                    < ["10" "" "9" ""]
        "#,
    );
}

#[test]
fn sorted_sets_keep_their_order_where_nothing_is_to_be_sorted() {
    check(
        r#"
        > ZADD z 3 a 1 b 2 c 0 d          < :4
        > SORT z                          < -ERR One or more scores can't be converted into double
        > SORT z ALPHA                    < ["a" "b" "c" "d"]
        > SORT z BY nosort                < ["d" "b" "c" "a"]
        > SORT z BY nosort ASC            < ["d" "b" "c" "a"]
        > SORT z BY nosort DESC           < ["a" "c" "b" "d"]
        > SORT z BY nosort LIMIT 1 2      < ["b" "c"]
        > SORT z BY nosort DESC LIMIT 1 2 < ["c" "b"]
        > SORT z BY nosort LIMIT 5 10     < []
        > SORT z BY nosort LIMIT 2 -10    < ["c" "a"]
        > SORT z BY nosort STORE l        < :4
        > LRANGE l 0 -1                   < ["d" "b" "c" "a"]
        > MSET w_a 1 w_b 2 w_c 3 w_d 4    < +OK
        > SORT z BY w_* DESC GET # GET w_*   < ["d" "4" "c" "3" "b" "2" "a" "1"]
        > ZADD n 5 10 4 9 3 1             < :3
        > OBJECT ENCODING n               < "listpack"
        > SORT n                          < ["1" "9" "10"]
        > OBJECT ENCODING n               < "skiplist"
        > ZADD m 1 a                      < :1
        > SORT_RO m BY nosort             < ["a"]
        > OBJECT ENCODING m               < "skiplist"
        "#,
    );
}

#[test]
fn a_result_is_stored_as_a_list() {
    check(
        r#"
        > RPUSH l 3 1 2                   < :3
        > SORT l STORE d                  < :3
        > LRANGE d 0 -1                   < ["1" "2" "3"]
        > SET w_1 x                       < +OK
        > SET d s EX 100                  < +OK
        > SORT l GET w_* GET # STORE d    < :6
        > LRANGE d 0 -1                   < ["x" "1" "" "2" "" "3"]
        > TTL d                           < :-1
        > SORT l LIMIT 0 0 STORE d        < :0
        > EXISTS d                        < :0
        > SORT none STORE d               < :0
        > SORT l DESC STORE l             < :3
        > LRANGE l 0 -1                   < ["3" "2" "1"]
        > SORT l BY nosort STORE d        < :3
        > LRANGE d 0 -1                   < ["3" "2" "1"]
        > SORT_RO l STORE d               < -ERR syntax error
        "#,
    );
    check(
        r#"
        ! only 7.2
        > RPUSH l 3 1 2                   < :3
        > SORT l STORE d                  < :3
        > OBJECT ENCODING d               < "listpack"
        "#,
    );
    check(
        r#"
        a> BLPOP d 0                      < blocks
        b> RPUSH l 3 1 2                  < :3
        b> SORT l STORE d                 < :3
        a< ["d" "1"]
        b> LRANGE d 0 -1                  < ["2" "3"]
        "#,
    );
}

#[test]
fn mistakes_are_named_before_the_key_is_looked_at() {
    check(
        r#"
        > SET s x                         < +OK
        > SORT s                          < -WRONGTYPE *
        > SORT s foo                      < -ERR syntax error
        > SORT none BY                    < -ERR syntax error
        > SORT none GET                   < -ERR syntax error
        > SORT none STORE                 < -ERR syntax error
        > SORT none LIMIT 0               < -ERR syntax error
        > SORT none LIMIT a 1             < -ERR value is not an integer or out of range
        > SORT none LIMIT 0 a foo         < -ERR value is not an integer or out of range
        > SORT none LIMIT 0 9999999999999999999    < -ERR value is not an integer or out of range
        > SORT                            < -ERR wrong number of arguments for 'sort' command
        > SORT_RO                         < -ERR wrong number of arguments for 'sort_ro' command
        "#,
    );
}

//! Strings.

use super::check;

#[test]
fn what_was_set_is_what_is_got() {
    check(
        r#"
        > SET s x                         < +OK
        > GET s                           < "x"
        > GET missing                     < nil
        > GET                             < -ERR wrong number of arguments for 'get' command
        > SET s ""                        < +OK
        > GET s                           < ""
        > SET s "\x00\r\n\xff"            < +OK
        > GET s                           < "\x00\r\n\xff"
        > STRLEN s                        < :4
        > STRLEN missing                  < :0
        "#,
    );
}

#[test]
fn a_string_command_on_another_type_changes_nothing() {
    check(
        r#"
        > LPUSH l x                       < :1
        > GET l                           < -WRONGTYPE *
        > GETEX l EX 100                  < -WRONGTYPE *
        > GETDEL l                        < -WRONGTYPE *
        > GETSET l v                      < -WRONGTYPE *
        > SET l v GET                     < -WRONGTYPE *
        > APPEND l v                      < -WRONGTYPE *
        > STRLEN l                        < -WRONGTYPE *
        > GETRANGE l 0 1                  < -WRONGTYPE *
        > SETRANGE l 0 v                  < -WRONGTYPE *
        > SETRANGE l 0 ""                 < -WRONGTYPE *
        > INCR l                          < -WRONGTYPE *
        > DECRBY l 5                      < -WRONGTYPE *
        > INCRBYFLOAT l 1                 < -WRONGTYPE *
        > INCRBYFLOAT l abc               < -WRONGTYPE *
        > LCS l l Z                       < -ERR The specified keys must contain string values
        > MGET l                          < [nil]
        > TTL l                           < :-1
        > LPOP l                          < "x"
        > LPUSH l x                       < :1
        > SETNX l v                       < :0
        > SET l v                         < +OK
        > GET l                           < "v"
        "#,
    );
}

#[test]
fn set_obeys_nx_and_xx() {
    check(
        r#"
        > SET s a XX                      < nil
        > GET s                           < nil
        > SET s a NX                      < +OK
        > SET s b nx                      < nil
        > GET s                           < "a"
        > SET s b XX                      < +OK
        > SET s c XX XX                   < +OK
        > GET s                           < "c"
        > SETNX s d                       < :0
        > SETNX t d                       < :1
        > SET s c NX XX                   < -ERR syntax error
        > SET s c XX NX                   < -ERR syntax error
        "#,
    );
}

#[test]
fn set_with_get_replies_with_the_old_string_whether_it_sets_or_not() {
    check(
        r#"
        > SET s a GET                     < nil
        > SET s b GET                     < "a"
        > SET s c NX GET                  < "b"
        > GET s                           < "b"
        > SET t x XX GET                  < nil
        > GET t                           < nil
        > SET t x NX GET                  < nil
        > GET t                           < "x"
        > SET t y GET XX EX 100           < "x"
        > TTL t                           < :99..100
        "#,
    );
}

#[test]
fn set_takes_a_deadline_in_four_forms() {
    check(
        r#"
        > SET s a EX 100                  < +OK
        > TTL s                           < :99..100
        > SET s a PX 100000               < +OK
        > TTL s                           < :99..100
        > SET s a EXAT 4102444800         < +OK
        > EXPIRETIME s                    < :4102444800
        > SET s a pxat 4102444800123      < +OK
        > PEXPIRETIME s                   < :4102444800123
        > SET s b KEEPTTL                 < +OK
        > PEXPIRETIME s                   < :4102444800123
        > SET s c                         < +OK
        > TTL s                           < :-1
        > SET s a EX 1000 EX 100          < +OK
        > TTL s                           < :99..100
        > SET s a KEEPTTL NX              < nil
        > SET t a KEEPTTL                 < +OK
        > TTL t                           < :-1
        "#,
    );
}

#[test]
fn options_that_contradict_are_a_syntax_error() {
    check(
        r#"
        > SET s a EX                      < -ERR syntax error
        > SET s a EX 10 PX 10             < -ERR syntax error
        > SET s a EX 10 EXAT 10           < -ERR syntax error
        > SET s a EX 10 KEEPTTL           < -ERR syntax error
        > SET s a KEEPTTL EX 10           < -ERR syntax error
        > SET s a PERSIST                 < -ERR syntax error
        > SET s a FOO                     < -ERR syntax error
        > GETEX s EX 10 PERSIST           < -ERR syntax error
        > GETEX s PERSIST EX 10           < -ERR syntax error
        > GETEX s KEEPTTL                 < -ERR syntax error
        > GETEX s NX                      < -ERR syntax error
        > GETEX s PXAT                    < -ERR syntax error
        > EXISTS s                        < :0
        "#,
    );
}

#[test]
fn a_deadline_is_a_positive_number_that_fits() {
    check(
        r#"
        > SET s a EX abc                  < -ERR value is not an integer or out of range
        > SET s a EX 1.5                  < -ERR value is not an integer or out of range
        > SET s a EX 0                    < -ERR invalid expire time in 'set' command
        > SET s a PX -1                   < -ERR invalid expire time in 'set' command
        > SET s a EXAT 0                  < -ERR invalid expire time in 'set' command
        > SET s a EX 9223372036854776     < -ERR invalid expire time in 'set' command
        > SET s a EX 9223372036854775     < -ERR invalid expire time in 'set' command
        > SET s a PX 9223372036854775807  < -ERR invalid expire time in 'set' command
        > SETEX s 0 a                     < -ERR invalid expire time in 'setex' command
        > SETEX s abc a                   < -ERR value is not an integer or out of range
        > PSETEX s -5 a                   < -ERR invalid expire time in 'psetex' command
        > PSETEX s 9223372036854775807 a  < -ERR invalid expire time in 'psetex' command
        > EXISTS s                        < :0
        > SET s a PXAT 9223372036854775807 < +OK
        > SET s a EXAT 9223372036854775   < +OK
        > GETEX s EX 0                    < -ERR invalid expire time in 'getex' command
        > GETEX s PXAT -1                 < -ERR invalid expire time in 'getex' command
        > GETEX s EX x                    < -ERR value is not an integer or out of range
        > GET s                           < "a"
        "#,
    );
}

#[test]
fn getex_looks_for_the_key_before_it_reads_the_number() {
    // Valkey 9 reads the number first; Redis up to 7.2 does not.
    check(
        r#"
        ! no-oracle
        > GETEX missing EX 0              < nil
        > GETEX missing EX abc            < nil
        > GETEX missing FOO               < -ERR syntax error
        "#,
    );
}

#[test]
fn a_deadline_in_the_past_removes_the_key() {
    check(
        r#"
        > SET s a                         < +OK
        > SET s b EXAT 1                  < +OK
        > GET s                           < nil
        > SET s b                         < +OK
        > SET s c PXAT 1000 GET           < "b"
        > EXISTS s                        < :0
        > SET s c                         < +OK
        > GETEX s EXAT 1                  < "c"
        > EXISTS s                        < :0
        > SET s c XX PXAT 1               < nil
        > DBSIZE                          < :0
        "#,
    );
}

#[test]
fn getex_sets_and_takes_away_deadlines() {
    check(
        r#"
        > SET s a                         < +OK
        > GETEX s                         < "a"
        > TTL s                           < :-1
        > GETEX s EX 100                  < "a"
        > TTL s                           < :99..100
        > GETEX s                         < "a"
        > TTL s                           < :99..100
        > GETEX s PXAT 4102444800123      < "a"
        > PEXPIRETIME s                   < :4102444800123
        > GETEX s PERSIST                 < "a"
        > TTL s                           < :-1
        > GETEX s PERSIST PERSIST         < "a"
        > GETEX missing PERSIST           < nil
        "#,
    );
}

#[test]
fn a_key_is_gone_once_its_deadline_has_passed() {
    check(
        r#"
        > SET s a PX 1000                 < +OK
        > SETEX t 2 b                     < +OK
        > PSETEX u 3000 c                 < +OK
        ! advance 1000ms
        > GET s                           < "a"
        ! advance 1ms
        > GET s                           < nil
        > SET s x XX                      < nil
        > INCR s                          < :1
        > TTL s                           < :-1
        ! advance 1000ms
        > GETDEL t                        < nil
        > APPEND t x                      < :1
        > GETEX u EX 100                  < "c"
        ! advance 5000ms
        > STRLEN u                        < :1
        > MGET s t u                      < ["1" "x" "c"]
        "#,
    );
}

#[test]
fn getdel_and_getset_reply_with_what_was_there() {
    check(
        r#"
        > GETDEL s                        < nil
        > SET s a EX 100                  < +OK
        > GETSET s b                      < "a"
        > TTL s                           < :-1
        > GETDEL s                        < "b"
        > EXISTS s                        < :0
        > GETSET s c                      < nil
        > GET s                           < "c"
        "#,
    );
}

#[test]
fn several_keys_are_set_and_read_together() {
    check(
        r#"
        > MSET a 1 b 2 c 3                < +OK
        > MGET a b nope c                 < ["1" "2" nil "3"]
        > MSET a x a y                    < +OK
        > GET a                           < "y"
        > MSETNX d 4 a z                  < :0
        > MGET d a                        < [nil "y"]
        > MSETNX d 4 e 5 d 6              < :1
        > MGET d e                        < ["6" "5"]
        > SET a t EX 100                  < +OK
        > MSET a u                        < +OK
        > TTL a                           < :-1
        > MSET a                          < -ERR wrong number of arguments for 'mset' command
        > MSET a 1 b                      < -ERR wrong number of arguments for 'mset' command
        > MSETNX z 1 y                    < -ERR wrong number of arguments for 'msetnx' command
        > EXISTS z                        < :0
        "#,
    );
}

#[test]
fn append_grows_a_string_and_keeps_its_deadline() {
    check(
        r#"
        > APPEND s abc                    < :3
        > APPEND s ""                     < :3
        > APPEND s def                    < :6
        > GET s                           < "abcdef"
        > SET n 10 EX 100                 < +OK
        > APPEND n 5                      < :3
        > INCR n                          < :106
        > TTL n                           < :99..100
        > APPEND e ""                     < :0
        > EXISTS e                        < :1
        > GET e                           < ""
        "#,
    );
}

#[test]
fn getrange_counts_both_ends_and_from_both_ends() {
    check(
        r#"
        > SET s "This is a string"        < +OK
        > GETRANGE s 0 3                  < "This"
        > GETRANGE s -3 -1                < "ing"
        > GETRANGE s 0 -1                 < "This is a string"
        > GETRANGE s 10 100               < "string"
        > GETRANGE s 5 3                  < ""
        > GETRANGE s -1 -3                < ""
        > GETRANGE s 0 -100               < "T"
        > GETRANGE s -9223372036854775808 9223372036854775807 < "This is a string"
        > GETRANGE missing 0 -1           < ""
        > GETRANGE s a 1                  < -ERR value is not an integer or out of range
        > SUBSTR s 0 3                    < "This"
        > SET n 12345                     < +OK
        > GETRANGE n 1 -2                 < "234"
        "#,
    );
}

#[test]
fn setrange_overwrites_and_fills_with_zero_bytes() {
    check(
        r#"
        > SETRANGE s 0 ""                 < :0
        > SETRANGE s 5 ""                 < :0
        > EXISTS s                        < :0
        > SETRANGE s 3 ab                 < :5
        > GET s                           < "\x00\x00\x00ab"
        > SETRANGE s 1 xyz                < :5
        > GET s                           < "\x00xyzb"
        > SETRANGE s 0 ""                 < :5
        > SET n 12345 EX 100              < +OK
        > SETRANGE n 1 99                 < :5
        > INCR n                          < :19946
        > TTL n                           < :99..100
        > SETRANGE n -1 x                 < -ERR offset is out of range
        > SETRANGE n abc x                < -ERR value is not an integer or out of range
        > SETRANGE n 536870912 x          < -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        > SETRANGE new 536870912 x        < -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        > SETRANGE new 9223372036854775807 xy < -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        > EXISTS new                      < :0
        "#,
    );
}

#[test]
fn a_string_keeps_its_bytes_as_it_outgrows_its_entry() {
    check(
        r#"
        > SETRANGE s 955 abcde            < :960
        > APPEND s f                      < :961
        > GETRANGE s 954 -1               < "\x00abcdef"
        > SETRANGE s 2000 z               < :2001
        > APPEND s y                      < :2002
        > GETRANGE s 958 962              < "def\x00\x00"
        > GETRANGE s 1999 5000            < "\x00zy"
        > STRLEN s                        < :2002
        > SET s short                     < +OK
        > GET s                           < "short"
        "#,
    );
}

#[test]
fn counters_count_in_64_bits() {
    check(
        r#"
        > INCR n                          < :1
        > INCRBY n 10                     < :11
        > DECR n                          < :10
        > DECRBY n 20                     < :-10
        > DECRBY n -5                     < :-5
        > GET n                           < "-5"
        > INCRBY n 1.5                    < -ERR value is not an integer or out of range
        > INCRBY n +1                     < -ERR value is not an integer or out of range
        > INCRBY n 9223372036854775808    < -ERR value is not an integer or out of range
        > DECRBY n -9223372036854775808   < -ERR decrement would overflow
        > SET n 9223372036854775807       < +OK
        > INCR n                          < -ERR increment or decrement would overflow
        > GET n                           < "9223372036854775807"
        > SET n -9223372036854775808      < +OK
        > DECR n                          < -ERR increment or decrement would overflow
        > INCRBY n -1                     < -ERR increment or decrement would overflow
        > SET n 10 EX 100                 < +OK
        > INCR n                          < :11
        > TTL n                           < :99..100
        "#,
    );
}

#[test]
fn only_the_one_spelling_of_an_integer_counts() {
    check(
        r#"
        > SET n " 1"                      < +OK
        > INCR n                          < -ERR value is not an integer or out of range
        > SET n 01                        < +OK
        > INCR n                          < -ERR value is not an integer or out of range
        > SET n -0                        < +OK
        > INCR n                          < -ERR value is not an integer or out of range
        > SET n 1e3                       < +OK
        > INCR n                          < -ERR value is not an integer or out of range
        > SET n ""                        < +OK
        > INCR n                          < -ERR value is not an integer or out of range
        > SET n 9223372036854775808       < +OK
        > INCR n                          < -ERR value is not an integer or out of range
        > GET n                           < "9223372036854775808"
        "#,
    );
}

#[test]
fn incrbyfloat_adds_and_prints_as_long_doubles_do() {
    check(
        r#"
        > SET f 10.50                     < +OK
        > INCRBYFLOAT f 0.1               < "10.6"
        > INCRBYFLOAT f -5                < "5.6"
        > SET f 5.0e3                     < +OK
        > INCRBYFLOAT f 2.0e2             < "5200"
        > SET f 3.0e3                     < +OK
        > INCRBYFLOAT f 200               < "3200"
        > SET f 0.1                       < +OK
        > INCRBYFLOAT f 0.2               < "0.3"
        > GET f                           < "0.3"
        > INCRBYFLOAT g 1e20              < "100000000000000000000"
        > INCRBYFLOAT g 1                 < "100000000000000000000"
        > INCRBYFLOAT h -0                < "0"
        > INCRBYFLOAT h -1e-20            < "0"
        > INCRBYFLOAT h 1e-17             < "0.00000000000000001"
        > INCRBYFLOAT x 0x1.8p1           < "3"
        > SET m 1                         < +OK
        > INCRBYFLOAT m 1e15              < "1000000000000001"
        > INCRBYFLOAT m 0.0001            < "1000000000000001.0001220703125"
        > SET n 3 EX 100                  < +OK
        > INCRBYFLOAT n 1.1               < "4.1"
        > TTL n                           < :99..100
        "#,
    );
}

#[test]
fn incrbyfloat_refuses_what_is_no_finite_number() {
    check(
        r#"
        > INCRBYFLOAT f abc               < -ERR value is not a valid float
        > INCRBYFLOAT f ""                < -ERR value is not a valid float
        > INCRBYFLOAT f " 1"              < -ERR value is not a valid float
        > INCRBYFLOAT f "1 "              < -ERR value is not a valid float
        > INCRBYFLOAT f nan               < -ERR value is not a valid float
        > INCRBYFLOAT f 1e5000            < -ERR value is not a valid float
        > INCRBYFLOAT f 1e-5000           < -ERR value is not a valid float
        > INCRBYFLOAT f inf               < -ERR increment would produce NaN or Infinity
        > INCRBYFLOAT f -Infinity         < -ERR increment would produce NaN or Infinity
        > EXISTS f                        < :0
        > SET f 1e4932                    < +OK
        > INCRBYFLOAT f 1e4932            < -ERR increment would produce NaN or Infinity
        > GET f                           < "1e4932"
        > INCRBYFLOAT f 0                 < *
        > STRLEN f                        < :4933
        > SET f "1 2"                     < +OK
        > INCRBYFLOAT f 1                 < -ERR value is not a valid float
        > GET f                           < "1 2"
        "#,
    );
}

#[test]
fn the_encoding_tells_how_a_string_came_to_be() {
    check(
        r#"
        > SET s 10                        < +OK
        > OBJECT ENCODING s               < "int"
        > SET s abc                       < +OK
        > OBJECT ENCODING s               < "embstr"
        > APPEND s def                    < :6
        > OBJECT ENCODING s               < "raw"
        > SET s 10                        < +OK
        > APPEND s 0                      < :3
        > OBJECT ENCODING s               < "raw"
        > INCR s                          < :101
        > OBJECT ENCODING s               < "int"
        > INCRBYFLOAT s 1                 < "102"
        > OBJECT ENCODING s               < "embstr"
        > INCRBY s 1                      < :103
        > OBJECT ENCODING s               < "int"
        > APPEND new 12                   < :2
        > OBJECT ENCODING new             < "int"
        > SETRANGE r 0 12                 < :2
        > OBJECT ENCODING r               < "raw"
        "#,
    );
}

#[test]
fn lcs_finds_what_two_strings_have_in_common() {
    check(
        r#"
        > MSET {k}1 ohmytext {k}2 mynewtext < +OK
        > LCS {k}1 {k}2                   < "mytext"
        > LCS {k}1 {k}2 LEN               < :6
        > LCS {k}1 {k}2 IDX               < ["matches" [[[:4 :7] [:5 :8]] [[:2 :3] [:0 :1]]] "len" :6]
        > LCS {k}1 {k}2 IDX MINMATCHLEN 4 < ["matches" [[[:4 :7] [:5 :8]]] "len" :6]
        > LCS {k}1 {k}2 idx minmatchlen -1 withmatchlen < ["matches" [[[:4 :7] [:5 :8] :4] [[:2 :3] [:0 :1] :2]] "len" :6]
        > LCS {k}1 {k}2 LEN IDX           < -ERR If you want both the length and indexes, please just use IDX.
        > LCS {k}1 {k}2 MINMATCHLEN       < -ERR syntax error
        > LCS {k}1 {k}2 MINMATCHLEN x     < -ERR value is not an integer or out of range
        > LCS {k}1 {k}2 FOO               < -ERR syntax error
        > LCS {k}1 missing                < ""
        > LCS {k}1 missing IDX            < ["matches" [] "len" :0]
        > LCS {k}1 {k}1 IDX               < ["matches" [[[:0 :7] [:0 :7]]] "len" :8]
        > HELLO 3                         < *
        > LCS {k}1 {k}2 IDX MINMATCHLEN 9 < %{"matches" [] "len" :6}
        "#,
    );
}

#[test]
fn lcs_refuses_what_would_take_redis_too_much_memory() {
    check(
        r#"
        > SETRANGE {k}1 20000 x           < :20001
        > SETRANGE {k}2 6709 x            < :6710
        > LCS {k}1 {k}2 LEN               < -ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len
        > SETRANGE {k}3 6708 x            < :6709
        > SETRANGE {k}4 6708 y            < :6709
        > LCS {k}3 {k}4 LEN               < :6708
        "#,
    );
}

#[test]
fn a_key_is_deleted_if_it_holds_a_string() {
    check(
        r#"
        ! only 7.2
        > DELIFEQ k v                     < :0
        > SET k v                         < +OK
        > DELIFEQ k w                     < :0
        > DELIFEQ k v                     < :1
        > EXISTS k                        < :0
        > SET n 12                        < +OK
        > DELIFEQ n 12                    < :1
        > RPUSH l 1                       < :1
        > DELIFEQ l 1                     < -WRONGTYPE *
        > DELIFEQ l                       < -ERR wrong number of arguments for 'delifeq' command
        > COMMAND INFO DELIFEQ            < *
        "#,
    );
}

#[test]
fn several_keys_are_set_with_one_deadline_and_condition() {
    check(
        r#"
        ! only 7.2
        > MSETEX 2 {k}a 1 {k}b 2 EX 100               < :1
        > TTL {k}a                                    < :99..100
        > MSETEX 2 {k}a 3 {k}c 4 NX                   < :0
        > MSETEX 2 {k}a 3 {k}c 4 XX                   < :0
        > EXISTS {k}c                                 < :0
        > MSETEX 2 {k}a 3 {k}b 4 XX KEEPTTL           < :1
        > MGET {k}a {k}b                              < ["3" "4"]
        > TTL {k}b                                    < :99..100
        > MSETEX 1 {k}a 5                             < :1
        > TTL {k}a                                    < :-1
        > MSETEX 2 {k}a 1 {k}a 2                      < :1
        > GET {k}a                                    < "2"
        > RPUSH {k}l x                                < :1
        > MSETEX 1 {k}l 3                             < :1
        > GET {k}l                                    < "3"
        > MSETEX 0 {k}a 1                             < -ERR invalid numkeys value or out of range
        > MSETEX x {k}a 1                             < -ERR invalid numkeys value or out of range
        > MSETEX -1 {k}a 1 {k}b 2                     < -ERR invalid numkeys value or out of range
        > MSETEX 2147483648 {k}a 1                    < -ERR invalid numkeys value or out of range
        > MSETEX 2 {k}a 1 {k}b                        < -ERR syntax error
        > MSETEX 3 {k}a 1 {k}b 2                      < -ERR syntax error
        > MSETEX 2 {k}a 1 {k}b 2 GET                  < -ERR syntax error
        > MSETEX 2 {k}a 1 {k}b 2 NX XX                < -ERR syntax error
        > MSETEX 2 {k}a 1 {k}b 2 EX 1 PX 2            < -ERR syntax error
        > MSETEX 2 {k}a 1 {k}b 2 EX x                 < -ERR value is not an integer or out of range
        > MSETEX 2 {k}a 1 {k}b 2 EX 0                 < -ERR invalid expire time in 'msetex' command
        > MSETEX 2 {k}a 1 {k}b 2 PX -1                < -ERR invalid expire time in 'msetex' command
        > COMMAND GETKEYS MSETEX 2 {k}a 1 {k}b 2 NX   < ["{k}a" "{k}b"]
        > COMMAND GETKEYSANDFLAGS MSETEX 1 {k}a 1     < [["{k}a" [+OW +update]]]
        "#,
    );
}

#[test]
fn a_limit_lets_so_many_pass_and_then_one_at_a_time() {
    check(
        r#"
        ! no-oracle
        > CL.THROTTLE k 2 1 10            < [:0 :3 :2 :-1 :11]
        > CL.THROTTLE k 2 1 10            < [:0 :3 :1 :-1 *]
        > CL.THROTTLE k 2 1 10 1          < [:0 :3 :0 :-1 *]
        > CL.THROTTLE k 2 1 10            < [:1 :3 :0 * *]
        > CL.THROTTLE k 2 1 10 0          < [:0 :3 :0 :-1 *]
        > CL.THROTTLE k 2 1 10 4          < [:1 :3 :0 :-1 *]
        ! advance 10s
        > CL.THROTTLE k 2 1 10            < [:0 :3 :0 :-1 *]
        ! advance 31s
        > EXISTS k                        < :0
        > CL.THROTTLE k -1 1 10           < -ERR value is not an integer or out of range
        > CL.THROTTLE k 1 0 10            < -ERR value is not an integer or out of range
        > CL.THROTTLE k 1 1 0             < -ERR value is not an integer or out of range
        > CL.THROTTLE k 1 1 10 -1         < -ERR value is not an integer or out of range
        > CL.THROTTLE k 9223372036854775807 1 10  < -ERR value is not an integer or out of range
        > CL.THROTTLE k 9223372036854775806 1 9223372036854775807  < -ERR value is not an integer or out of range
        > CL.THROTTLE k 1 2000001 2       < -ERR zero rates are not supported
        > CL.THROTTLE k 1 1               < -ERR wrong number of arguments for 'cl.throttle' command
        > SET s x                         < +OK
        > CL.THROTTLE s 1 1 10            < -ERR value is not an integer or out of range
        > RPUSH l x                       < :1
        > CL.THROTTLE l 1 1 10            < -WRONGTYPE *
        "#,
    );
}

//! Hashes.

use super::check;
use std::fmt::Write as _;

/// Runs a script with a hash `h` in each form that a hash can have. `{fill}` makes it and gives it fields `fill:0` to
/// `fill:n`, `{+2}` is how many those and two more are.
#[track_caller]
fn in_every_form(body: &str) {
    // One short field; one value that makes a table of it, small and large; a listpack too long for its entry; a table of
    // a thousand fields.
    for (fields, bytes) in [(1, 1), (1, 100), (1, 2000), (30, 60), (1000, 8)] {
        let mut text = String::from("> HSET h");
        for n in 0..fields {
            let _ = write!(text, " fill:{n} {}", "v".repeat(bytes));
        }
        let _ = write!(text, " < :{fields}");
        let mut script = body.replace("{fill}", &text);
        for more in 0..10 {
            script = script.replace(&format!("{{+{more}}}"), &(fields + more).to_string());
        }
        check(&script);
    }
}

#[test]
fn fields_are_set_read_and_removed() {
    in_every_form(
        r#"
        {fill}
        > HSET h a 1 b two                < :2
        > HSET h a 2 c 3                  < :1
        > HSET h                          < -ERR wrong number of arguments for 'hset' command
        > HSET h a                        < -ERR wrong number of arguments for 'hset' command
        > HSET h a 1 b                    < -ERR wrong number of arguments for 'hset' command
        > HGET h a                        < "2"
        > HGET h b                        < "two"
        > HGET h none                     < nil
        > HLEN h                          < :{+3}
        > HMGET h a none b a              < ["2" nil "two" "2"]
        > HEXISTS h a                     < :1
        > HEXISTS h none                  < :0
        > HSTRLEN h a                     < :1
        > HSTRLEN h b                     < :3
        > HSTRLEN h none                  < :0
        > HDEL h a none a                 < :1
        > HGET h a                        < nil
        > HLEN h                          < :{+2}
        > HMSET h a x b y                 < +OK
        > HMSET h a x b                   < -ERR wrong number of arguments for 'hmset' command
        > HMGET h a b                     < ["x" "y"]
        > HSETNX h a z                    < :0
        > HSETNX h d z                    < :1
        > HMGET h a d                     < ["x" "z"]
        "#,
    );
}

#[test]
fn the_same_field_twice_in_one_command_is_set_twice() {
    in_every_form(
        r#"
        {fill}
        > HSET h a 1 a 2 b 3 a 4          < :2
        > HMGET h a b                     < ["4" "3"]
        > HLEN h                          < :{+2}
        > HDEL h a a                      < :1
        "#,
    );
    check(
        r#"
        > HSET h a 1 a 22 b 3 a 444       < :2
        > HGETALL h                       < ["a" "444" "b" "3"]
        "#,
    );
}

#[test]
fn a_key_without_a_hash_is_an_empty_one_and_the_last_field_takes_the_key() {
    check(
        r#"
        > HGET h a                        < nil
        > HMGET h a b                     < [nil nil]
        > HGETALL h                       < []
        > HKEYS h                         < []
        > HVALS h                         < []
        > HLEN h                          < :0
        > HEXISTS h a                     < :0
        > HSTRLEN h a                     < :0
        > HDEL h a                        < :0
        > HSCAN h 0                       < ["0" []]
        > HSET h a 1                      < :1
        > HDEL h a                        < :1
        > EXISTS h                        < :0
        > HSETNX h a 1                    < :1
        > TYPE h                          < +hash
        "#,
    );
}

#[test]
fn other_types_are_refused() {
    check(
        r#"
        > SET s x                         < +OK
        > HSET s a 1                      < -WRONGTYPE *
        > HMSET s a 1                     < -WRONGTYPE *
        > HSETNX s a 1                    < -WRONGTYPE *
        > HGET s a                        < -WRONGTYPE *
        > HMGET s a                       < -WRONGTYPE *
        > HGETALL s                       < -WRONGTYPE *
        > HKEYS s                         < -WRONGTYPE *
        > HVALS s                         < -WRONGTYPE *
        > HLEN s                          < -WRONGTYPE *
        > HSTRLEN s a                     < -WRONGTYPE *
        > HEXISTS s a                     < -WRONGTYPE *
        > HDEL s a                        < -WRONGTYPE *
        > HINCRBY s a 1                   < -WRONGTYPE *
        > HINCRBYFLOAT s a 1              < -WRONGTYPE *
        > HRANDFIELD s                    < -WRONGTYPE *
        > HRANDFIELD s 1                  < -WRONGTYPE *
        > HSCAN s 0                       < -WRONGTYPE *
        > HSET h a 1                      < :1
        > GET h                           < -WRONGTYPE *
        > LPUSH h a                       < -WRONGTYPE *
        "#,
    );
}

#[test]
fn what_was_given_comes_back_whatever_its_bytes() {
    in_every_form(
        r#"
        {fill}
        > HSET h "" "" 007 007 -0 -0 1 -9223372036854775808 < :4
        > HMGET h "" 007 -0 1 7 0         < ["" "007" "-0" "-9223372036854775808" nil nil]
        > HSET h "\x00\xff\r\n" "\r\n\x00" 9223372036854775808 x < :2
        > HGET h "\x00\xff\r\n"           < "\r\n\x00"
        > HGET h 9223372036854775808      < "x"
        > HSTRLEN h 1                     < :20
        > HSTRLEN h ""                    < :0
        > HEXISTS h ""                    < :1
        > HLEN h                          < :{+6}
        "#,
    );
}

#[test]
fn a_small_hash_keeps_the_order_in_which_fields_were_added() {
    check(
        r#"
        > HSET h z 1 a 2 m 3              < :3
        > HSET h a changed-to-be-longer b 4 < :1
        > HGETALL h                       < ["z" "1" "a" "changed-to-be-longer" "m" "3" "b" "4"]
        > HDEL h z                        < :1
        > HSET h z 1                      < :1
        > HKEYS h                         < ["a" "m" "b" "z"]
        > HVALS h                         < ["changed-to-be-longer" "3" "4" "1"]
        "#,
    );
    let mut script = String::new();
    for n in 0..100 {
        let _ = writeln!(script, "> HSET h field-number-{n} value-number-{n} < :1");
    }
    let all: Vec<String> = (0..100).map(|n| format!(r#""field-number-{n}""#)).collect();
    let _ = writeln!(script, "> HSET h field-number-7 x < :0\n> HKEYS h < [{}]", all.join(" "));
    check(&(script + "> OBJECT ENCODING h < \"listpack\""));
}

#[test]
fn all_of_it_is_a_map_where_there_are_maps() {
    in_every_form(
        r#"
        {fill}
        > COPY h i                        < :1
        > HSET i a 1                      < :1
        > HLEN i                          < :{+1}
        > HGET h a                        < nil
        "#,
    );
    check(
        r#"
        > HELLO 3                         < *
        > HSET h a 1 b two                < :2
        > HGETALL h                       < %{"a" "1" "b" "two"}
        > HGETALL none                    < %{}
        > HKEYS h                         < ["a" "b"]
        > HVALS h                         < ["1" "two"]
        > HMGET h a none                  < ["1" nil]
        > HRANDFIELD h -1                 < [*]
        > HRANDFIELD h 5 WITHVALUES       < {["a" "1"] ["b" "two"]}
        > HRANDFIELD none                 < nil
        > HINCRBYFLOAT h a 0.5            < "1.5"
        > HSCAN h 0                       < ["0" ["a" "1.5" "b" "two"]]
        "#,
    );
}

#[test]
fn integers_are_added_to_fields() {
    in_every_form(
        r#"
        {fill}
        > HINCRBY h n 5                   < :5
        > HINCRBY h n -7                  < :-2
        > HGET h n                        < "-2"
        > HSET h t abc f 1.5 long 00000000000000000000001 < :3
        > HINCRBY h t 1                   < -ERR hash value is not an integer
        > HINCRBY h f 1                   < -ERR hash value is not an integer
        > HINCRBY h long 1                < -ERR hash value is not an integer
        > HINCRBY h n 01                  < -ERR value is not an integer or out of range
        > HINCRBY h n 1.5                 < -ERR value is not an integer or out of range
        > HSET h n 9223372036854775807    < :0
        > HINCRBY h n 1                   < -ERR increment or decrement would overflow
        > HGET h n                        < "9223372036854775807"
        > HINCRBY h n -1                  < :9223372036854775806
        > HSET h n -9223372036854775808   < :0
        > HINCRBY h n -1                  < -ERR increment or decrement would overflow
        "#,
    );
    check(
        r#"
        > SET s x                         < +OK
        > HINCRBY s f x                   < -ERR value is not an integer or out of range
        > HINCRBY none f x                < -ERR value is not an integer or out of range
        > EXISTS none                     < :0
        > HINCRBY made f 1                < :1
        "#,
    );
}

#[test]
fn numbers_are_added_to_fields_as_long_doubles() {
    in_every_form(
        r#"
        {fill}
        > HINCRBYFLOAT h n 10.50          < "10.5"
        > HINCRBYFLOAT h n 0.1            < "10.6"
        > HINCRBYFLOAT h n -5             < "5.6"
        > HSET h n 5.0e3                  < :0
        > HINCRBYFLOAT h n 2.0e2          < "5200"
        > HGET h n                        < "5200"
        > HSET h t abc sp " 1"            < :2
        > HINCRBYFLOAT h t 1              < -ERR hash value is not a float
        > HINCRBYFLOAT h sp 1             < -ERR hash value is not a float
        > HINCRBYFLOAT h n x              < -ERR value is not a valid float
        > HINCRBYFLOAT h n nan            < -ERR value is not a valid float
        > HINCRBYFLOAT h n inf            < -ERR value is NaN or Infinity
        > HINCRBYFLOAT h n -inf           < -ERR value is NaN or Infinity
        > HSET h big 1e4932               < :1
        > HINCRBYFLOAT h big 1e4932       < -ERR increment would produce NaN or Infinity
        > HSET h big 9223372036854775807  < :0
        > HINCRBYFLOAT h big 1            < "9223372036854775808"
        "#,
    );
    check(
        r#"
        > SET s x                         < +OK
        > HINCRBYFLOAT s f x              < -ERR value is not a valid float
        > HINCRBYFLOAT none f inf         < -ERR value is NaN or Infinity
        > EXISTS none                     < :0
        "#,
    );
}

#[test]
fn encodings_are_those_of_redis() {
    let at_most = |n: usize| "v".repeat(n);
    let fields =
        |from: usize, to: usize| (from..to).fold(String::new(), |all, n| all + &format!(" f{n} {n}"));
    check(&format!(
        r#"
        > HSET value f {long} g x         < :2
        > OBJECT ENCODING value           < "listpack"
        > HSET value f {longer}           < :0
        > OBJECT ENCODING value           < "hashtable"
        > HSET value f x                  < :0
        > OBJECT ENCODING value           < "hashtable"
        > HDEL value f                    < :1
        > OBJECT ENCODING value           < "hashtable"
        > COPY value copy                 < :1
        > OBJECT ENCODING copy            < "hashtable"
        > RENAME copy other               < +OK
        > OBJECT ENCODING other           < "hashtable"
        > HSET field {longer} x           < :1
        > OBJECT ENCODING field           < "hashtable"
        > HSET nx f x                     < :1
        > HSETNX nx f {longer}            < :0
        > OBJECT ENCODING nx              < "listpack"
        > HSETNX nx g {longer}            < :1
        > OBJECT ENCODING nx              < "hashtable"
        > HINCRBY incr f 1                < :1
        > OBJECT ENCODING incr            < "listpack"
        > HINCRBY incr {longer} 1         < :1
        > OBJECT ENCODING incr            < "hashtable"
        > HSET fill{fill}                 < :512
        > OBJECT ENCODING fill            < "listpack"
        > HSET fill f0 x                  < :0
        > OBJECT ENCODING fill            < "listpack"
        > HSET fill another x             < :1
        > OBJECT ENCODING fill            < "hashtable"
        > HDEL fill another f0 f1         < :3
        > OBJECT ENCODING fill            < "hashtable"
        > HINCRBYFLOAT float f 1e-17      < "0.00000000000000001"
        > HINCRBYFLOAT float f 1e100      < *
        > OBJECT ENCODING float           < "hashtable"
        "#,
        long = at_most(64),
        longer = at_most(65),
        fill = fields(0, 512),
    ));
    // Redis 7.2 guesses that the fields are all different.
    check(&format!(
        "
        ! only 7.2
        > HSET h{} < :1
        > OBJECT ENCODING h < \"hashtable\"
        ",
        " f v".repeat(513),
    ));
}

#[test]
fn random_fields_are_fields() {
    in_every_form(
        r#"
        {fill}
        > HRANDFIELD h                    < =~"fill:*"
        > HRANDFIELD h 1                  < [=~"fill:*"]
        > HRANDFIELD h -3                 < [=~"fill:*" =~"fill:*" =~"fill:*"]
        > HRANDFIELD h -2 WITHVALUES      < [=~"fill:*" =~"v*" =~"fill:*" =~"v*"]
        > HRANDFIELD h 0                  < []
        > HRANDFIELD h 0 WITHVALUES       < []
        "#,
    );
    check(
        r#"
        > HSET h a 1 b 2 c 3              < :3
        > HRANDFIELD h 3                  < {"a" "b" "c"}
        > HRANDFIELD h 100                < {"a" "b" "c"}
        > HRANDFIELD h 9223372036854775807 < {"a" "b" "c"}
        > HRANDFIELD none                 < nil
        > HRANDFIELD none 3               < []
        > HRANDFIELD none -3              < []
        > HRANDFIELD h x                  < -ERR value is not an integer or out of range
        > HRANDFIELD h 1 x                < -ERR syntax error
        > HRANDFIELD h 1 WITHVALUES x     < -ERR syntax error
        > HRANDFIELD h x WITHVALUES x     < -ERR value is not an integer or out of range
        > HRANDFIELD h -9223372036854775808 < -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
        > HRANDFIELD h 9223372036854775807 WITHVALUES < -ERR value is out of range
        > HRANDFIELD h 4611686018427387903 WITHVALUES < [* * * * * *]
        "#,
    );
    // Redis would send until the client's buffer is full.
    check(
        r#"
        ! no-oracle
        > HSET h a 1                      < :1
        > HRANDFIELD h -9223372036854775807 < -ERR value is out of range
        > HRANDFIELD h -4611686018427387903 WITHVALUES < -ERR value is out of range
        "#,
    );
}

#[test]
fn a_scan_reads_its_options_as_redis_does() {
    check(
        r#"
        > HSET h a 1 b 2 bb 3             < :3
        > HSCAN h 0                       < ["0" ["a" "1" "b" "2" "bb" "3"]]
        > HSCAN h 0 COUNT 1               < ["0" ["a" "1" "b" "2" "bb" "3"]]
        > HSCAN h 0 MATCH b*              < ["0" ["b" "2" "bb" "3"]]
        > HSCAN h 0 match b? count 100    < ["0" ["bb" "3"]]
        > HSCAN h 0 COUNT 0               < -ERR syntax error
        > HSCAN h 0 COUNT -1              < -ERR syntax error
        > HSCAN h 0 COUNT x               < -ERR value is not an integer or out of range
        > HSCAN h 0 COUNT                 < -ERR syntax error
        > HSCAN h 0 MATCH                 < -ERR syntax error
        > HSCAN h 0 TYPE hash             < -ERR syntax error
        > HSCAN h x                       < -ERR invalid cursor
        > HSCAN none x                    < -ERR invalid cursor
        > HSCAN none 0 FOO                < ["0" []]
        > SET s x                         < +OK
        > HSCAN s 0 FOO                   < -WRONGTYPE *
        "#,
    );
    check(
        r#"
        ! only 7.2
        > HSET h a 1 b 2                  < :2
        > HSCAN h 0 NOVALUES              < ["0" ["a" "b"]]
        > HSCAN h 0 NOVALUES MATCH a      < ["0" ["a"]]
        "#,
    );
}

// ---- Deadlines of fields ------------------------------------------------------------------------------------

#[test]
fn fields_are_given_deadlines() {
    in_every_form(
        r#"
        ! only 7.2
        {fill}
        > HSET h a 1 b 2 c 3              < :3
        > HEXPIRE h 100 FIELDS 3 a none c < [:1 :-2 :1]
        > HTTL h FIELDS 4 a b c none      < [:100 :-1 :100 :-2]
        > HPTTL h FIELDS 2 a b            < [:99000..100000 :-1]
        > OBJECT ENCODING h               < "hashtable"
        > HPEXPIRE h 200000 FIELDS 1 a    < [:1]
        > HTTL h FIELDS 1 a               < [:200]
        > HEXPIREAT h 99999999999 FIELDS 1 a < [:1]
        > HEXPIRETIME h FIELDS 2 a b      < [:99999999999 :-1]
        > HPEXPIREAT h 99999999999999 FIELDS 1 a < [:1]
        > HPEXPIRETIME h FIELDS 2 a none  < [:99999999999999 :-2]
        > HEXPIRETIME h FIELDS 1 a        < [:100000000000]
        > HPERSIST h FIELDS 3 a b none    < [:1 :-1 :-2]
        > HTTL h FIELDS 1 a               < [:-1]
        > HMGET h a b c                   < ["1" "2" "3"]
        > HLEN h                          < :{+3}
        > HEXPIRE h 100 FIELDS 2 a a      < [:1 :1]
        > COPY h i                        < :1
        > HTTL i FIELDS 2 a b             < [:100 :-1]
        > RENAME i j                      < +OK
        > HTTL j FIELDS 2 a b             < [:100 :-1]
        "#,
    );
    check(
        r#"
        ! only 7.2
        > HEXPIRE none 100 FIELDS 2 a b   < [:-2 :-2]
        > HTTL none FIELDS 2 a b          < [:-2 :-2]
        > HPTTL none FIELDS 1 a           < [:-2]
        > HEXPIRETIME none FIELDS 1 a     < [:-2]
        > HPEXPIRETIME none FIELDS 1 a    < [:-2]
        > HPERSIST none FIELDS 2 a b      < [:-2 :-2]
        > EXISTS none                     < :0
        "#,
    );
}

#[test]
fn a_deadline_that_has_passed_removes_the_field_and_the_last_one_the_key() {
    in_every_form(
        r#"
        ! only 7.2
        {fill}
        > HSET h a 1 b 2                  < :2
        > HEXPIRE h 0 FIELDS 2 a a        < [:2 :-2]
        > HEXPIREAT h 1 FIELDS 1 b        < [:2]
        > HMGET h a b                     < [nil nil]
        > HLEN h                          < :{+0}
        "#,
    );
    check(
        r#"
        ! only 7.2
        > HSET h a 1 b 2                  < :2
        > HPEXPIREAT h 0 FIELDS 3 a b c   < [:2 :2 :-2]
        > EXISTS h                        < :0
        > HSET h a 1                      < :1
        > HEXPIRE h 0 XX FIELDS 1 a       < [:0]
        > HEXPIRE h 0 GT FIELDS 1 a       < [:0]
        > HEXPIRE h 0 NX FIELDS 1 a       < [:2]
        > EXISTS h                        < :0
        "#,
    );
}

#[test]
fn conditions_decide_whether_a_deadline_is_taken() {
    in_every_form(
        r#"
        ! only 7.2
        {fill}
        > HSET h a 1 b 2 c 3              < :3
        > HEXPIRE h 100 XX FIELDS 1 a     < [:0]
        > HEXPIRE h 100 GT FIELDS 1 a     < [:0]
        > HEXPIRE h 100 NX FIELDS 2 a d   < [:1 :-2]
        > HEXPIRE h 200 NX FIELDS 2 a b   < [:0 :1]
        > HEXPIRE h 300 XX FIELDS 2 a c   < [:1 :0]
        > HEXPIRE h 200 GT FIELDS 2 a c   < [:0 :0]
        > HEXPIRE h 400 GT FIELDS 2 a c   < [:1 :0]
        > HEXPIRE h 50 LT FIELDS 2 a c    < [:1 :1]
        > HEXPIRE h 100 lt FIELDS 2 a c   < [:0 :0]
        > HEXPIRE h 100 XX GT FIELDS 1 a  < [:1]
        > HTTL h FIELDS 3 a b c           < [:100 :200 :50]
        "#,
    );
}

#[test]
fn a_hash_gets_another_form_only_for_a_deadline_that_is_taken() {
    check(
        r#"
        ! only 7.2
        > HSET h a 1 b 2                  < :2
        > HEXPIRE h 100 XX FIELDS 1 a     < [:0]
        > HEXPIRE h 100 FIELDS 1 none     < [:-2]
        > HEXPIRE h 0 FIELDS 1 b          < [:2]
        > HPERSIST h FIELDS 1 a           < [:-1]
        > HGETEX h FIELDS 1 a             < ["1"]
        > HGETEX h PERSIST FIELDS 1 a     < ["1"]
        > HGETEX h EX 100 FIELDS 1 none   < [nil]
        > HSETEX h KEEPTTL FIELDS 1 a 1   < :1
        > HSETEX h FIELDS 1 b 1           < :1
        > HSETEX h FXX EX 100 FIELDS 1 c 1 < :0
        > OBJECT ENCODING h               < "listpack"
        > HSETEX h EX 100 FIELDS 1 b 1    < :1
        > OBJECT ENCODING h               < "hashtable"
        > HPERSIST h FIELDS 1 b           < [:1]
        > OBJECT ENCODING h               < "hashtable"
        "#,
    );
}

#[test]
fn which_of_two_errors_about_deadlines_comes_first_is_as_in_valkey() {
    check(
        r#"
        ! only 7.2
        > HSET h a 1                      < :1
        > SET s x                         < +OK
        > HEXPIRE h 100 NX XX FIELDS 3 a  < -ERR NX and XX, GT or LT options at the same time are not compatible
        > HEXPIRE h 100 GT LT FIELDS 1 a  < -ERR GT and LT options at the same time are not compatible
        > HEXPIRE h x FOO FIELDS 1 a      < -ERR Unsupported option FOO
        > HEXPIRE h x FIELDS 3 a          < -ERR numfields should be greater than 0 and match the provided number of fields
        > HEXPIRE h 1 FIELDS 0 a          < -ERR numfields should be greater than 0 and match the provided number of fields
        > HEXPIRE h 1 FIELDS -1 a         < -ERR numfields should be greater than 0 and match the provided number of fields
        > HEXPIRE h 1 FIELDS 1 a b        < -ERR numfields should be greater than 0 and match the provided number of fields
        > HEXPIRE h 1 FIELD 1 a           < -ERR numfields should be greater than 0 and match the provided number of fields
        > HEXPIRE h 1 NX a b              < -ERR numfields should be greater than 0 and match the provided number of fields
        > HEXPIRE h 1 FIELDS x a          < -ERR value is not an integer or out of range
        > HEXPIRE h 1 a b                 < -ERR wrong number of arguments for 'hexpire' command
        > HEXPIRE s x FIELDS 1 a          < -ERR value is not an integer or out of range
        > HEXPIRE s -1 FIELDS 1 a         < -ERR invalid expire time in 'hexpire' command
        > HEXPIRE s 1 FIELDS 1 a          < -WRONGTYPE *
        > HEXPIRE none -1 FIELDS 1 a      < -ERR invalid expire time in 'hexpire' command
        > HEXPIRE h 9223372036854775 FIELDS 1 a < -ERR invalid expire time in 'hexpire' command
        > HEXPIRE h 9223372036854775807 FIELDS 1 a < -ERR invalid expire time in 'hexpire' command
        > HPEXPIRE h 9223372036854775807 FIELDS 1 a < -ERR invalid expire time in 'hpexpire' command
        > HEXPIREAT h -1 FIELDS 1 a       < -ERR invalid expire time in 'hexpireat' command
        > HPEXPIREAT h 9223372036854775807 FIELDS 1 a < [:1]
        > HPEXPIRETIME h FIELDS 1 a       < [:9223372036854775807]
        > HEXPIRETIME h FIELDS 1 a        < [:9223372036854776]
        > HTTL h FOO x a                  < -ERR syntax error
        > HTTL s FIELDS x a               < -ERR value is not an integer or out of range
        > HTTL s FIELDS 2 a               < -ERR syntax error
        > HTTL h FIELDS 0 a               < -ERR syntax error
        > HTTL s FIELDS 1 a               < -WRONGTYPE *
        > HPERSIST h FOO x a              < -ERR syntax error
        > HPERSIST s FIELDS x a           < -ERR value is not an integer or out of range
        > HPERSIST s FIELDS 2 a           < -ERR numfields should be greater than 0 and match the provided number of fields
        > HPERSIST s FIELDS 1 a           < -WRONGTYPE *
        "#,
    );
}

#[test]
fn fields_are_read_and_given_a_deadline_in_one_go() {
    in_every_form(
        r#"
        ! only 7.2
        {fill}
        > HSET h a 1 b 2                  < :2
        > HGETEX h FIELDS 3 a none b      < ["1" nil "2"]
        > HGETEX h EX 100 FIELDS 2 a none < ["1" nil]
        > HTTL h FIELDS 2 a b             < [:100 :-1]
        > HGETEX h FIELDS 1 a             < ["1"]
        > HTTL h FIELDS 1 a               < [:100]
        > HGETEX h PERSIST FIELDS 2 a b   < ["1" "2"]
        > HTTL h FIELDS 1 a               < [:-1]
        > HGETEX h px 100000 FIELDS 1 a   < ["1"]
        > HTTL h FIELDS 1 a               < [:100]
        > HGETEX h EXAT 99999999999 FIELDS 1 a < ["1"]
        > HPEXPIRETIME h FIELDS 1 a       < [:99999999999000]
        > HGETEX h PXAT 99999999999999 FIELDS 1 a < ["1"]
        > HPEXPIRETIME h FIELDS 1 a       < [:99999999999999]
        > HGETEX h EX 0 FIELDS 2 a a      < ["1" nil]
        > HGETEX h PXAT 1 FIELDS 1 b      < ["2"]
        > HLEN h                          < :{+0}
        "#,
    );
    check(
        r#"
        ! only 7.2
        > HGETEX none FIELDS 2 a b        < [nil nil]
        > HGETEX none EX 100 FIELDS 2 a b < [nil nil]
        > HSET h a 1                      < :1
        > SET s x                         < +OK
        > HGETEX h EX 100 PERSIST FIELDS 1 a < -ERR syntax error
        > HGETEX h EX 100 PX 100 FIELDS 1 a < -ERR syntax error
        > HGETEX h EX 100 EX 200 FIELDS 1 a < ["1"]
        > HTTL h FIELDS 1 a               < [:200]
        > HGETEX h KEEPTTL FIELDS 1 a     < -ERR syntax error
        > HGETEX h NX FIELDS 2 a          < -ERR syntax error
        > HGETEX h EX FIELDS 1 a          < -ERR syntax error
        > HGETEX h EX x FIELDS 2 a        < -ERR numfields should be greater than 0 and match the provided number of fields
        > HGETEX s EX x FIELDS y a        < -ERR value is not an integer or out of range
        > HGETEX s EX x FIELDS 1 a        < -WRONGTYPE *
        > HGETEX none EX -1 FIELDS 1 a    < -ERR invalid expire time in 'hgetex' command
        > HGETEX h FIELD 1 a              < -ERR numfields should be greater than 0 and match the provided number of fields
        > HGETEX h EX 100                 < -ERR wrong number of arguments for 'hgetex' command
        > HGETEX h EX 0 FIELDS 1 a        < ["1"]
        > EXISTS h                        < :0
        "#,
    );
}

#[test]
fn fields_are_set_with_a_deadline_in_one_go() {
    in_every_form(
        r#"
        ! only 7.2
        {fill}
        > HSETEX h EX 100 FIELDS 2 a 1 b 2 < :1
        > HTTL h FIELDS 2 a b             < [:100 :100]
        > HSETEX h FIELDS 1 a 3           < :1
        > HTTL h FIELDS 2 a b             < [:-1 :100]
        > HSETEX h KEEPTTL FIELDS 2 a 4 b 5 < :1
        > HTTL h FIELDS 2 a b             < [:-1 :100]
        > HMGET h a b                     < ["4" "5"]
        > HSETEX h FNX FIELDS 2 a 9 c 9   < :0
        > HSETEX h FXX FIELDS 2 a 9 c 9   < :0
        > HMGET h a c                     < ["4" nil]
        > HSETEX h FNX PX 100000 FIELDS 2 c 9 d 9 < :1
        > HSETEX h FXX FIELDS 2 a 9 c 8   < :1
        > HMGET h a b c d                 < ["9" "5" "8" "9"]
        > HTTL h FIELDS 4 a b c d         < [:-1 :100 :-1 :100]
        > HSETEX h NX FIELDS 1 a 0        < :0
        > HSETEX h XX FIELDS 1 a 0        < :1
        > HSETEX h FIELDS 2 a 1 a 2       < :1
        > HSETEX h EX 100 FIELDS 2 b 1 b 2 < :1
        > HMGET h a b                     < ["2" "2"]
        > HSETEX h EX 0 FIELDS 3 a 1 b 1 none 1 < :1
        > HMGET h a b none                < [nil nil nil]
        > HLEN h                          < :{+2}
        "#,
    );
    check(
        r#"
        ! only 7.2
        > SET s x                         < +OK
        > HSETEX none XX FIELDS 1 a 1     < :0
        > HSETEX none FXX FIELDS 1 a 1    < :0
        > HSETEX none PXAT 1 FIELDS 1 a 1 < :1
        > EXISTS none                     < :0
        > HSETEX h FNX NX FIELDS 1 a 1    < :1
        > HSETEX h PXAT 1 FIELDS 1 a 1    < :1
        > EXISTS h                        < :0
        > HSETEX h FIELDS 1 a 1           < :1
        > HSETEX h NX XX FIELDS 1 a 1     < -ERR syntax error
        > HSETEX h FNX FXX FIELDS 1 a 1   < -ERR syntax error
        > HSETEX h EX 1 KEEPTTL FIELDS 1 a 1 < -ERR syntax error
        > HSETEX h EX 1 PX 1 FIELDS 1 a 1 < -ERR syntax error
        > HSETEX h PERSIST FIELDS 1 a 1   < -ERR syntax error
        > HSETEX h EX FIELDS 1 a 1        < -ERR syntax error
        > HSETEX s EX x FIELDS 2 a 1      < -ERR numfields should be greater than 0 and match the provided number of fields
        > HSETEX s EX x FIELDS 1 a 1      < -WRONGTYPE *
        > HSETEX h NX EX x FIELDS 1 a 1   < :0
        > HSETEX none XX EX x FIELDS 1 a 1 < :0
        > HSETEX h FNX EX x FIELDS 1 a 1  < -ERR value is not an integer or out of range
        > HSETEX h EX -1 FIELDS 1 a 1     < -ERR invalid expire time in 'hsetex' command
        > HSETEX h EX 9223372036854775807 FIELDS 1 a 1 < -ERR invalid expire time in 'hsetex' command
        > HSETEX h FIELDS 0 a 1           < -ERR numfields should be greater than 0 and match the provided number of fields
        > HSETEX h FIELDS 9223372036854775807 a 1 < -ERR numfields should be greater than 0 and match the provided number of fields
        > HSETEX h FIELDS x a 1           < -ERR value is not an integer or out of range
        > HSETEX h FIELDS 1 a 1 b         < -ERR numfields should be greater than 0 and match the provided number of fields
        > HSETEX h FIELDS 1 a             < -ERR wrong number of arguments for 'hsetex' command
        > HSETEX h FIELDS 2 FIELDS 1 FIELDS 2 < :1
        > HGET h FIELDS                   < "2"
        "#,
    );
}

#[test]
fn fields_are_read_and_removed_in_one_go() {
    in_every_form(
        r#"
        ! only 7.2
        {fill}
        > HSET h a 1 b 2                  < :2
        > HGETDEL h FIELDS 3 a none a     < ["1" nil nil]
        > HLEN h                          < :{+1}
        > HEXPIRE h 100 FIELDS 1 b        < [:1]
        > HGETDEL h FIELDS 1 b            < ["2"]
        > HLEN h                          < :{+0}
        "#,
    );
    check(
        r#"
        ! only 7.2
        > HSET h a 1 b 2                  < :2
        > HGETDEL h FIELDS 3 a b c        < ["1" "2" nil]
        > EXISTS h                        < :0
        > HGETDEL h FIELDS 2 a b          < [nil nil]
        > SET s x                         < +OK
        > HGETDEL s FOO x a               < -ERR syntax error
        > HGETDEL s FIELDS x a            < -ERR value is not an integer or out of range
        > HGETDEL s FIELDS 2 a            < -ERR numfields should be greater than 0 and match the provided number of fields
        > HGETDEL s FIELDS 1 a            < -WRONGTYPE *
        "#,
    );
}

#[test]
fn what_is_done_to_a_value_decides_what_becomes_of_its_deadline() {
    in_every_form(
        r#"
        ! only 7.2
        {fill}
        > HSETEX h EX 100 FIELDS 4 a 1 b 2 c 3 d 4 < :1
        > HINCRBY h a 5                   < :6
        > HINCRBYFLOAT h b 0.5            < "2.5"
        > HSETNX h c 9                    < :0
        > HTTL h FIELDS 4 a b c d         < [:100 :100 :100 :100]
        > HSET h a 1                      < :0
        > HMSET h b 1                     < +OK
        > HTTL h FIELDS 4 a b c d         < [:-1 :-1 :100 :100]
        > HDEL h c                        < :1
        > HSET h c 1                      < :1
        > HTTL h FIELDS 1 c               < [:-1]
        "#,
    );
}

#[test]
fn a_field_past_its_deadline_is_as_good_as_gone() {
    let live = r#"
        {fill}
        > HSETEX h PX 100 FIELDS 6 a 1 b 2 c 3 d 4 e 5 f 6 < :1
        ! advance 100ms
        > HGET h a                        < "1"
        ! advance 1ms
    "#;
    for script in [
        r#"
        > HGET h a                        < nil
        > HMGET h a b                     < [nil nil]
        > HEXISTS h a                     < :0
        > HSTRLEN h a                     < :0
        > HLEN h                          < :{+0}
        > HTTL h FIELDS 1 a               < [:-2]
        "#,
        "> HLEN h                         < :{+0}",
        "> HDEL h a                       < :0",
        r#"
        > HSET h a 9                      < :1
        > HTTL h FIELDS 1 a               < [:-1]
        "#,
        r#"
        > HSETNX h a 9                    < :1
        > HINCRBY h b 9                   < :9
        > HINCRBYFLOAT h c 9              < "9"
        > HTTL h FIELDS 4 a b c d         < [:-1 :-1 :-1 :-2]
        "#,
        r#"
        > HSETEX h FXX FIELDS 1 a 9       < :0
        > HSETEX h FNX FIELDS 1 a 9       < :1
        > HSETEX h KEEPTTL FIELDS 1 b 9   < :1
        > HTTL h FIELDS 3 a b c           < [:-1 :-1 :-2]
        "#,
        r#"
        > HEXPIRE h 100 FIELDS 1 a        < [:-2]
        > HPERSIST h FIELDS 1 a           < [:-2]
        > HGETEX h PERSIST FIELDS 1 a     < [nil]
        > HGETEX h EX 9 FIELDS 1 a        < [nil]
        > HGETDEL h FIELDS 1 a            < [nil]
        "#,
    ] {
        in_every_form(&format!("{live}{script}"));
    }
}

#[test]
fn a_key_whose_last_field_expired_is_gone() {
    for script in [
        "> HGETALL h < []",
        "> HLEN h < :0",
        "> HRANDFIELD h < nil",
        "> HRANDFIELD h -5 < []",
        "> HSCAN h 0 < [\"0\" []]",
        "> HDEL h a < :0",
        "> HSETEX h XX FIELDS 1 a 1 < :0",
        "> HEXPIRE h 9 FIELDS 1 a < [:-2]",
    ] {
        check(&format!(
            r#"
            > HSETEX h PX 100 FIELDS 2 a 1 b 2 < :1
            ! advance 101ms
            {script}
            > EXISTS h                        < :0
            > TYPE h                          < +none
            "#
        ));
    }
}

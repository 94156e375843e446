//! Sets.

use super::check;

/// Runs a script once for each encoding: `$a`, `$b` … stand for members that give a set this encoding, and `$e` for its
/// name. `{}` is room for commands that make it so.
#[track_caller]
fn check_in_all(text: &str) {
    let long = "x".repeat(65);
    let named = |name: char| format!("{long}{name}");
    for encoding in ["intset", "listpack", "hashtable"] {
        let member = |name: char| match encoding {
            "intset" => (name as i32 - 'a' as i32 + 1).to_string(),
            "listpack" => format!("m{name}"),
            _ => named(name),
        };
        let mut script = text.replace("$encoding", encoding);
        for name in 'a'..='l' {
            script = script.replace(&format!("${name}"), &member(name));
        }
        if encoding == "listpack" {
            // Redis 7.0 has no listpacks for sets.
            script = format!("! only 7.2\n{script}");
        }
        check(&script);
    }
}

#[test]
fn an_addition_counts_only_members_that_are_new() {
    check_in_all(
        r#"
        > SADD s $a $b                    < :2
        > SADD s $b $c $c                 < :1
        > OBJECT ENCODING s               < "$encoding"
        > SADD s $a                       < :0
        > SCARD s                         < :3
        > SMEMBERS s                      < {"$a" "$b" "$c"}
        > TYPE s                          < +set
        > SADD s                          < -ERR wrong number of arguments for 'sadd' command
        "#,
    );
}

#[test]
fn a_removal_counts_members_and_the_last_one_takes_the_key_along() {
    check_in_all(
        r#"
        > SADD s $a $b $c                 < :3
        > SREM s $a $d                    < :1
        > SREM s x 1.5 99999999999999999999 < :0
        > SMEMBERS s                      < {"$b" "$c"}
        > SREM s $c $b $b $a              < :2
        > EXISTS s                        < :0
        > SREM s $a                       < :0
        > SREM s                          < -ERR wrong number of arguments for 'srem' command
        "#,
    );
}

#[test]
fn membership_is_told_for_one_and_for_several() {
    check_in_all(
        r#"
        > SADD s $a $b                    < :2
        > SISMEMBER s $a                  < :1
        > SISMEMBER s $c                  < :0
        > SISMEMBER s text                < :0
        > SISMEMBER none $a               < :0
        > SMISMEMBER s $a $c $b $a        < [:1 :0 :1 :1]
        > SMISMEMBER none $a $b           < [:0 :0]
        > SMISMEMBER s                    < -ERR wrong number of arguments for 'smismember' command
        > SCARD none                      < :0
        > SMEMBERS none                   < []
        "#,
    );
}

#[test]
fn a_member_is_moved_once_and_keys_come_and_go_with_it() {
    check_in_all(
        r#"
        > SADD s $a $b                    < :2
        > SMOVE s d $a                    < :1
        > SMOVE s d $a                    < :0
        > SMEMBERS d                      < ["$a"]
        > SMOVE s s $b                    < :1
        > SMOVE s s $a                    < :0
        > SADD d $b                       < :1
        > SMOVE s d $b                    < :1
        > EXISTS s                        < :0
        > SCARD d                         < :2
        > SMOVE none d $a                 < :0
        "#,
    );
}

#[test]
fn a_move_minds_the_types_only_where_the_source_exists() {
    check(
        r#"
        > SET text x                      < +OK
        > SADD s a                        < :1
        > SMOVE none text a               < :0
        > SMOVE text s a                  < -WRONGTYPE *
        > SMOVE s text a                  < -WRONGTYPE *
        > SMOVE s text b                  < -WRONGTYPE *
        > SMOVE text text a               < -WRONGTYPE *
        > SMEMBERS s                      < ["a"]
        "#,
    );
}

#[test]
fn other_types_are_refused_by_every_command() {
    check(
        r#"
        > RPUSH l x                       < :1
        > SADD l a                        < -WRONGTYPE *
        > SREM l a                        < -WRONGTYPE *
        > SMEMBERS l                      < -WRONGTYPE *
        > SISMEMBER l a                   < -WRONGTYPE *
        > SMISMEMBER l a                  < -WRONGTYPE *
        > SCARD l                         < -WRONGTYPE *
        > SPOP l                          < -WRONGTYPE *
        > SPOP l 1                        < -WRONGTYPE *
        > SPOP l 0                        < -WRONGTYPE *
        > SPOP l -1                       < -ERR value is out of range, must be positive
        > SRANDMEMBER l                   < -WRONGTYPE *
        > SRANDMEMBER l 0                 < -WRONGTYPE *
        > SRANDMEMBER l x                 < -ERR value is not an integer or out of range
        > SSCAN l 0                       < -WRONGTYPE *
        > SSCAN l x                       < -ERR invalid cursor
        > SSCAN l 0 COUNT x               < -WRONGTYPE *
        > SINTER none l                   < -WRONGTYPE *
        > SINTERCARD 2 none l             < -WRONGTYPE *
        > SUNION none l                   < -WRONGTYPE *
        > SDIFF none l                    < -WRONGTYPE *
        > SINTERSTORE d none l            < -WRONGTYPE *
        > SUNIONSTORE d none l            < -WRONGTYPE *
        > SDIFFSTORE d none l             < -WRONGTYPE *
        > LPUSH s a                       < :1
        > SADD t a                        < :1
        > GET t                           < -WRONGTYPE *
        > LPUSH t a                       < -WRONGTYPE *
        "#,
    );
}

#[test]
fn a_pop_takes_one_or_as_many_as_there_are() {
    check_in_all(
        r#"
        > SADD s $a                       < :1
        > SPOP s                          < "$a"
        > EXISTS s                        < :0
        > SPOP s                          < nil
        > SPOP s 3                        < []
        > SADD s $a $b $c $d              < :4
        > SPOP s 0                        < []
        > SPOP s 2                        < [* *]
        > SCARD s                         < :2
        > SPOP s 1                        < [*]
        > SADD s $a $b $c $d              < :3
        > SPOP s 4                        < {"$a" "$b" "$c" "$d"}
        > EXISTS s                        < :0
        > SADD s $a $b                    < :2
        > SPOP s 9223372036854775807      < {"$a" "$b"}
        > SPOP s -1                       < -ERR value is out of range, must be positive
        > SPOP s x                        < -ERR value is out of range, must be positive
        > SPOP s 1 2                      < -ERR syntax error
        "#,
    );
}

#[test]
fn random_members_are_all_of_them_or_different_or_drawn_again_and_again() {
    check_in_all(
        r#"
        > SADD s $a                       < :1
        > SRANDMEMBER s                   < "$a"
        > SRANDMEMBER s 1                 < ["$a"]
        > SRANDMEMBER s 5                 < ["$a"]
        > SRANDMEMBER s -3                < ["$a" "$a" "$a"]
        > SRANDMEMBER s 0                 < []
        > SADD s $b $c $d $e $f           < :5
        > SRANDMEMBER s 6                 < {"$a" "$b" "$c" "$d" "$e" "$f"}
        > SRANDMEMBER s 7                 < {"$a" "$b" "$c" "$d" "$e" "$f"}
        > SRANDMEMBER s 9223372036854775807 < {"$a" "$b" "$c" "$d" "$e" "$f"}
        > SRANDMEMBER s 2                 < [* *]
        > SRANDMEMBER s 5                 < [* * * * *]
        > SRANDMEMBER s -2                < [* *]
        > SCARD s                         < :6
        > SRANDMEMBER none                < nil
        > SRANDMEMBER none 2              < []
        > SRANDMEMBER none -2             < []
        > SRANDMEMBER s 1 2               < -ERR syntax error
        > SRANDMEMBER s x                 < -ERR value is not an integer or out of range
        > SRANDMEMBER none x              < -ERR value is not an integer or out of range
        > SRANDMEMBER s 9223372036854775808 < -ERR value is not an integer or out of range
        "#,
    );
    check(
        "> SRANDMEMBER none -9223372036854775808 < -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
    );
}

#[test]
fn draws_without_an_end_do_not_fill_the_memory() {
    check(
        "
        ! no-oracle
        > SADD s a                        < :1
        > SRANDMEMBER s -9223372036854775807 < -ERR value is out of range
        > SRANDMEMBER s -400000000        < -ERR value is out of range
        > SRANDMEMBER none -9223372036854775807 < []
        ",
    );
}

#[test]
fn the_members_that_sets_have_in_common() {
    check_in_all(
        r#"
        > SADD s $a $b $c $d              < :4
        > SADD t $b $c $e                 < :3
        > SADD u 2 x mb $b $f             < :*
        > SINTER s                        < {"$a" "$b" "$c" "$d"}
        > SINTER s t                      < {"$b" "$c"}
        > SINTER s t u                    < {"$b"}
        > SINTER s s                      < {"$a" "$b" "$c" "$d"}
        > SINTER s none                   < []
        > SINTER none                     < []
        > SINTERCARD 1 s                  < :4
        > SINTERCARD 2 s t                < :2
        > SINTERCARD 2 s t LIMIT 1        < :1
        > SINTERCARD 2 s t limit 0        < :2
        > SINTERCARD 2 s t LIMIT 9        < :2
        > SINTERCARD 2 s t LIMIT 9 LIMIT 1 < :1
        > SINTERCARD 2 s none             < :0
        > SINTERSTORE d s t               < :2
        > SMEMBERS d                      < {"$b" "$c"}
        > OBJECT ENCODING d               < "$encoding"
        > SINTERSTORE s s t u             < :1
        > SMEMBERS s                      < ["$b"]
        "#,
    );
}

#[test]
fn the_numbers_of_an_intersection_are_checked_in_order() {
    check(
        r#"
        > SADD s a                        < :1
        > SINTERCARD 0 s                  < -ERR numkeys should be greater than 0
        > SINTERCARD -1 s                 < -ERR numkeys should be greater than 0
        > SINTERCARD x s                  < -ERR numkeys should be greater than 0
        > SINTERCARD 2 s                  < -ERR Number of keys can't be greater than number of args
        > SINTERCARD 9223372036854775807 s < -ERR Number of keys can't be greater than number of args
        > SINTERCARD 1 s LIMIT            < -ERR syntax error
        > SINTERCARD 1 s LIMIT -1         < -ERR LIMIT can't be negative
        > SINTERCARD 1 s LIMIT x          < -ERR LIMIT can't be negative
        > SINTERCARD 1 s t                < -ERR syntax error
        > SINTERCARD 1                    < -ERR wrong number of arguments for 'sintercard' command
        "#,
    );
}

#[test]
fn the_members_that_sets_have_together() {
    check_in_all(
        r#"
        > SADD s $a $b                    < :2
        > SADD t $b $c                    < :2
        > SUNION s t none                 < {"$a" "$b" "$c"}
        > SUNION s                        < {"$a" "$b"}
        > SUNION none                     < []
        > SUNIONSTORE d s t none          < :3
        > SMEMBERS d                      < {"$a" "$b" "$c"}
        > OBJECT ENCODING d               < "$encoding"
        > SUNIONSTORE s s t               < :3
        > SCARD s                         < :3
        "#,
    );
}

#[test]
fn the_members_that_only_the_first_set_has() {
    check_in_all(
        r#"
        > SADD s $a $b $c $d              < :4
        > SADD t $b                       < :1
        > SADD u $c x y                   < :3
        > SDIFF s t u none                < {"$a" "$d"}
        > SDIFF s                         < {"$a" "$b" "$c" "$d"}
        > SDIFF s s                       < []
        > SDIFF s none s                  < []
        > SDIFF none s                    < []
        # So many sets that it is less to do to take their members out of a copy.
        > SDIFF s t t t t t t t t t u u   < {"$a" "$d"}
        > SDIFFSTORE d s t u              < :2
        > SMEMBERS d                      < {"$a" "$d"}
        > OBJECT ENCODING d               < "$encoding"
        > SDIFFSTORE d s t t t t t t t t t u u < :2
        > SMEMBERS d                      < {"$a" "$d"}
        > SDIFFSTORE s s s                < :0
        > EXISTS s                        < :0
        "#,
    );
}

#[test]
fn what_is_stored_takes_the_place_of_anything_and_nothing_of_its_own() {
    check(
        r#"
        > SADD s a b                      < :2
        > SET d text EX 100               < +OK
        > SUNIONSTORE d s                 < :2
        > TTL d                           < :-1
        > TYPE d                          < +set
        > RPUSH l x                       < :1
        > SINTERSTORE l s none            < :0
        > EXISTS l                        < :0
        > SET d text                      < +OK
        > SDIFFSTORE d s s                < :0
        > EXISTS d                        < :0
        > SET d text                      < +OK
        > SUNIONSTORE d none              < :0
        > EXISTS d                        < :0
        > RPUSH l x                       < :1
        > SUNIONSTORE d s l               < -WRONGTYPE *
        > SINTERSTORE d none l            < -WRONGTYPE *
        > SDIFFSTORE d s l                < -WRONGTYPE *
        > EXISTS d                        < :0
        "#,
    );
}

#[test]
fn replies_are_sets_where_the_protocol_has_them() {
    check(
        r#"
        > HELLO 3                         < %{"server" * "version" * "proto" :3 "id" * "mode" * "role" * "modules" *}
        > SADD s a                        < :1
        > SMEMBERS s                      < ~["a"]
        > SMEMBERS none                   < ~[]
        > SINTER s s                      < ~["a"]
        > SINTER s none                   < ~[]
        > SUNION s s                      < ~["a"]
        > SDIFF s none                    < ~["a"]
        > SDIFF s s                       < ~[]
        > SRANDMEMBER s 1                 < ["a"]
        > SRANDMEMBER none 1              < []
        > SRANDMEMBER none                < nil
        > SMISMEMBER s a                  < [:1]
        > SISMEMBER s a                   < :1
        > SSCAN s 0                       < ["0" ["a"]]
        > SPOP s 0                        < ~[]
        > SPOP s 1                        < ~["a"]
        > SPOP s 1                        < ~[]
        > SPOP s                          < nil
        "#,
    );
}

#[test]
fn a_small_set_is_scanned_at_once() {
    check_in_all(
        r#"
        > SADD s $a $b $c                 < :3
        > SSCAN s 0                       < ["0" {"$a" "$b" "$c"}]
        > SSCAN s 0 COUNT 100             < ["0" {"$a" "$b" "$c"}]
        > SSCAN s 0 MATCH $a              < ["0" ["$a"]]
        > SSCAN s 0 MATCH * COUNT 100     < ["0" {"$a" "$b" "$c"}]
        > SSCAN s 0 MATCH nothing COUNT 100 < ["0" []]
        > SSCAN s 0 COUNT 0               < -ERR syntax error
        > SSCAN s 0 COUNT x               < -ERR value is not an integer or out of range
        > SSCAN s 0 TYPE set              < -ERR syntax error
        > SSCAN s 0 MATCH                 < -ERR syntax error
        > SSCAN s x                       < -ERR invalid cursor
        > SSCAN none x                    < -ERR invalid cursor
        > SSCAN none 0 COUNT x            < ["0" []]
        "#,
    );
}

/// `SADD` of a run of members.
fn add(key: &str, prefix: &str, numbers: std::ops::Range<usize>) -> String {
    let names: Vec<_> = numbers.map(|number| format!("{prefix}{number}")).collect();
    format!("> SADD {key} {} < *\n", names.join(" "))
}

/// The same, one command a member: Redis chooses another encoding where it knows how many come.
fn add_each(key: &str, prefix: &str, numbers: std::ops::Range<usize>) -> String {
    numbers.map(|number| format!("> SADD {key} {prefix}{number} < :1\n")).collect()
}

#[test]
fn the_encoding_follows_the_members_as_in_redis() {
    let script =
        "! only 7.2\n".to_owned()
            + &add_each("i", "", 0..512)
            + r#"> OBJECT ENCODING i             < "intset"
             > SADD i 1                      < :0
             > OBJECT ENCODING i             < "intset"
             > SADD i 512                    < :1
             > OBJECT ENCODING i             < "hashtable"
        "# + &add("many", "", 0..513)
            + r#"> OBJECT ENCODING many          < "hashtable"
        "# + &add("enough", "", 0..512)
            + r#"> OBJECT ENCODING enough        < "intset"
             > SADD enough x                 < :1
             > OBJECT ENCODING enough        < "hashtable"
        "# + &add("few", "", 0..127)
            + r#"> SADD few x                    < :1
             > OBJECT ENCODING few           < "listpack"
             > SADD few y                    < :1
             > OBJECT ENCODING few           < "hashtable"
        "# + &add("edge", "", 0..128)
            + r#"> SADD edge x                   < :1
             > OBJECT ENCODING edge          < "hashtable"
        "# + &add("texts", "m", 0..128)
            + r#"> OBJECT ENCODING texts         < "listpack"
             > SADD texts m5                 < :0
             > OBJECT ENCODING texts         < "listpack"
             > SADD texts m128               < :1
             > OBJECT ENCODING texts         < "hashtable"
             > SPOP texts 1                  < [*]
             > OBJECT ENCODING texts         < "hashtable"
        "# + &add("l", "m", 0..129)
            + r#"> OBJECT ENCODING l             < "hashtable"
        "# + &add("long", "m", 0..3)
            + &format!("> SADD long {} < :1\n", "x".repeat(64))
            + r#"> OBJECT ENCODING long          < "listpack"
        "# + &format!("> SADD long {} < :1\n", "x".repeat(65))
            + r#"> OBJECT ENCODING long          < "hashtable"
             > SADD one x                    < :1
             > OBJECT ENCODING one           < "listpack"
        "# + &format!("> SADD first {} < :1\n", "x".repeat(65))
            + r#"> OBJECT ENCODING first         < "hashtable"
             # A number is no text, and order is kept from the first text on.
             > SADD mixed 3 1 b 2            < :4
             > SMEMBERS mixed                < ["1" "3" "b" "2"]
             > SADD numbers 3 -1 70000       < :3
             > SMEMBERS numbers              < ["-1" "3" "70000"]
             # Whoever comes with more members than a pack holds makes it a table, new or not.
        "# + &add("hint", "m", 0..2)
            + &format!("> SADD hint{} < :0\n", " m0".repeat(129))
            + r#"> OBJECT ENCODING hint          < "hashtable"
        "# + &add("ihint", "", 0..2)
            + &format!("> SADD ihint{} < :0\n", " 0".repeat(513))
            + r#"> OBJECT ENCODING ihint         < "hashtable"
             > SCARD ihint                   < :2
        "#;
    check(&script);
}

#[test]
fn the_encoding_of_what_is_stored_follows_its_members_as_in_redis() {
    let script =
        "! only 7.2\n".to_owned()
            + &add("n", "", 0..300)
            + &add("t", "m", 0..300)
            + r#"> SUNIONSTORE d n               < :300
             > OBJECT ENCODING d             < "intset"
             > SUNIONSTORE d n t             < :600
             > OBJECT ENCODING d             < "hashtable"
             > SADD n x                      < :1
             > OBJECT ENCODING n             < "hashtable"
             > SADD few 1 2 3 x              < :4
             > OBJECT ENCODING few           < "listpack"
             > SINTERSTORE d n few           < :4
             > OBJECT ENCODING d             < "listpack"
             > SREM few x                    < :1
             > OBJECT ENCODING few           < "listpack"
             > SINTERSTORE d n few           < :3
             > OBJECT ENCODING d             < "intset"
             > SINTERSTORE d n n             < :301
             > OBJECT ENCODING d             < "hashtable"
             > SDIFFSTORE d n few            < :298
             > OBJECT ENCODING d             < "hashtable"
             > SREM n x                      < :1
             > SINTERSTORE d n n             < :300
             > OBJECT ENCODING d             < "intset"
             > SDIFFSTORE d n few            < :297
             > OBJECT ENCODING d             < "intset"
             > SDIFFSTORE d few none         < :3
             > OBJECT ENCODING d             < "intset"
             > SUNIONSTORE d few             < :3
             > OBJECT ENCODING d             < "intset"
        "# + &add("most", "m", 0..300)
            + r#"> SPOP most 240                 < *
             > OBJECT ENCODING most          < "hashtable"
        "# + &add("nearly", "m", 0..300)
            + r#"> SPOP nearly 250               < *
             > OBJECT ENCODING nearly        < "listpack"
             > SCARD nearly                  < :50
             > COPY nearly other             < :1
             > OBJECT ENCODING other         < "listpack"
             > SADD other x                  < :1
             > SCARD nearly                  < :50
        "#;
    check(&script);
}

#[test]
fn limits_are_settings() {
    check(
        r#"
        ! only 7.2
        > CONFIG SET set-max-intset-entries 2 set-max-listpack-entries 4 set-max-listpack-value 3 < +OK
        > SADD i 1 2                      < :2
        > OBJECT ENCODING i               < "intset"
        > SADD i 3                        < :1
        > OBJECT ENCODING i               < "hashtable"
        > SADD j 1 2 3                    < :3
        > OBJECT ENCODING j               < "listpack"
        > SADD j 4                        < :1
        > OBJECT ENCODING j               < "listpack"
        > SADD j 5                        < :1
        > OBJECT ENCODING j               < "hashtable"
        > SADD k abcd                     < :1
        > OBJECT ENCODING k               < "hashtable"
        > SADD l 1000                     < :1
        > OBJECT ENCODING l               < "intset"
        > SADD l a                        < :1
        > OBJECT ENCODING l               < "hashtable"
        > CONFIG SET set-max-intset-entries 512 set-max-listpack-entries 128 set-max-listpack-value 64 < +OK
        "#,
    );
}

#[test]
fn large_sets_are_whole() {
    let script = add("n", "", 0..3000)
        + &add("t", "member:", 0..3000)
        + r#"> SCARD n                       < :3000
             > SCARD t                       < :3000
             > SISMEMBER t member:2999       < :1
             > SISMEMBER t member:3000       < :0
             > SINTERCARD 2 n t              < :0
             > SUNIONSTORE both n t          < :6000
             > SINTERCARD 2 n both           < :3000
             > SINTERCARD 2 n both LIMIT 17  < :17
             > SDIFFSTORE rest both n        < :3000
             > SDIFF rest t                  < []
             > SREM both member:7 8          < :2
             > SCARD both                    < :5998
             > SPOP both 5990                < *
             > SCARD both                    < :8
             > SRANDMEMBER t 2990            < *
             > DEL n t both rest             < :4
             > DBSIZE                        < :0
        "#;
    check(&script);
}

#[test]
fn deadlines_and_names_stay_with_a_set() {
    check_in_all(
        r#"
        > SADD s $a                       < :1
        > EXPIRE s 100                    < :1
        > SADD s $b                       < :1
        > SREM s $a                       < :1
        > TTL s                           < :99..100
        > RENAME s t                      < +OK
        > SMEMBERS t                      < ["$b"]
        > TTL t                           < :99..100
        > SMOVE t u $b                    < :1
        > TTL u                           < :-1
        > COPY u v                        < :1
        > SADD v $c                       < :1
        > SMEMBERS u                      < ["$b"]
        > OBJECT ENCODING v               < "$encoding"
        "#,
    );
}

#[test]
fn a_set_whose_time_is_up_is_no_source() {
    check(
        r#"
        > SADD s a b                      < :2
        > SADD t a                        < :1
        > PEXPIRE t 10                    < :1
        ! advance 20ms
        > SDIFF s t                       < {"a" "b"}
        > SINTER s t                      < []
        > SUNIONSTORE d t                 < :0
        > SADD t c                        < :1
        > SMEMBERS t                      < ["c"]
        "#,
    );
}

#[test]
fn what_is_left_of_a_copy_keeps_the_form_of_the_copy() {
    let script = "! only 7.2\n".to_owned()
        + &add("s", "m", 0..200)
        + &add("t", "m", 0..190)
        + r#"> SDIFFSTORE d s t              < :10
             > OBJECT ENCODING d             < "listpack"
             > SDIFFSTORE d s t t t t        < :10
             > OBJECT ENCODING d             < "listpack"
             > SADD u m0                     < :1
             > SDIFFSTORE d s t u u u u u u  < :10
             > OBJECT ENCODING d             < "hashtable"
        "#;
    check(&script);
}

#[test]
fn what_a_set_takes_follows_its_members() {
    let script = add("n", "", 0..16)
        + &add("l", "m", 0..16)
        + &add("t", "member:", 1000..4000)
        + r#"> MEMORY USAGE n                < :40..200
             > MEMORY USAGE l                < :40..1500
             > MEMORY USAGE t SAMPLES 0      < :80000..400000
             > SPOP t 2900                   < *
             > MEMORY USAGE t SAMPLES 0      < :1000..20000
        "#;
    check(&script);
}

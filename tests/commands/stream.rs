//! Streams.

use super::check;

/// Runs a script with nodes of one entry, of three, of few bytes, and of what Redis has by default.
#[track_caller]
fn check_nodes(text: &str) {
    for (entries, bytes) in [(1, 4096), (3, 0), (0, 60), (100, 4096)] {
        check(&format!(
            "> CONFIG SET stream-node-max-entries {entries} stream-node-max-bytes {bytes} < +OK\n{text}\n\
             > CONFIG SET stream-node-max-entries 100 stream-node-max-bytes 4096 < +OK"
        ));
    }
}

#[test]
fn entries_are_kept_in_the_order_of_ids_that_rise() {
    check_nodes(
        r#"
        > XADD s 1-1 f v                  < "1-1"
        > XADD s 1-1 f v                  < -ERR The ID specified in XADD is equal or smaller than the target stream top item
        > XADD s 1-0 f v                  < -ERR The ID specified in XADD is equal or smaller *
        > XADD s 1-* f w                  < "1-2"
        > XADD s 2 f x g y                < "2-0"
        > XADD s 3-* other z              < "3-0"
        > XADD s 3-* f ""                 < "3-1"
        > XLEN s                          < :5
        > XRANGE s - +                    < [["1-1" ["f" "v"]] ["1-2" ["f" "w"]] ["2-0" ["f" "x" "g" "y"]] ["3-0" ["other" "z"]] ["3-1" ["f" ""]]]
        > XREVRANGE s + -                 < [["3-1" ["f" ""]] ["3-0" ["other" "z"]] ["2-0" ["f" "x" "g" "y"]] ["1-2" ["f" "w"]] ["1-1" ["f" "v"]]]
        > TYPE s                          < +stream
        > OBJECT ENCODING s               < "stream"
        > XLEN none                       < :0
        > XADD none NOMKSTREAM * f v      < nil
        > EXISTS none                     < :0
        "#,
    );
}

#[test]
fn an_id_of_the_clock_is_never_smaller_than_the_last_one() {
    check(
        r#"
        ! no-oracle
        > XADD s * f v                    < =~"*-0"
        > XADD s * f v                    < =~"*-1"
        ! advance 5ms
        > XADD s * f v                    < =~"*-0"
        > XADD s 99999999999999-7 f v     < "99999999999999-7"
        > XADD s * f v                    < "99999999999999-8"
        > XADD s 99999999999999-18446744073709551615 f v < "99999999999999-18446744073709551615"
        > XADD s 99999999999999-* f v     < -ERR The ID specified in XADD is equal or smaller *
        > XADD s * f v                    < "100000000000000-0"
        "#,
    );
}

#[test]
fn the_last_id_of_all_ends_a_stream() {
    check(
        r#"
        > XADD s 0-0 f v                  < -ERR The ID specified in XADD must be greater than 0-0
        > XADD s 0 f v                    < -ERR The ID specified in XADD must be greater than 0-0
        > EXISTS s                        < :0
        > XADD s 0-* f v                  < "0-1"
        > XADD s 18446744073709551615-18446744073709551615 f v < "18446744073709551615-18446744073709551615"
        > XADD s * f v                    < -ERR The stream has exhausted the last possible ID, unable to add more items
        > XADD s 1-1 f v                  < -ERR The stream has exhausted the last possible ID, *
        > XRANGE s (0-1 +                 < [["18446744073709551615-18446744073709551615" ["f" "v"]]]
        > XREAD STREAMS s 18446744073709551615-18446744073709551615 < nil-array
        "#,
    );
}

#[test]
fn ids_are_read_as_redis_reads_them() {
    check(
        r#"
        > XADD s x f v                    < -ERR Invalid stream ID specified as stream command argument
        > XADD s 1-x f v                  < -ERR Invalid stream ID *
        > XADD s - f v                    < -ERR Invalid stream ID *
        > XADD s + f v                    < -ERR Invalid stream ID *
        > XADD s 18446744073709551616 f v < -ERR Invalid stream ID *
        > XADD s 01-02 f v                < "1-2"
        > XADD s " 3-+4" f v              < "3-4"
        > XADD s "5- -1" f v              < "5-18446744073709551615"
        > XADD s 6 f                      < -ERR wrong number of arguments for 'xadd' command
        > XADD s 6 f v g                  < -ERR wrong number of arguments for 'xadd' command
        > XADD s NOMKSTREAM MAXLEN 5 6    < -ERR wrong number of arguments for 'xadd' command
        > XADD s * f                      < -ERR wrong number of arguments for 'xadd' command
        > SET str x                       < +OK
        > XADD str * f v                  < -WRONGTYPE *
        > XLEN str                        < -WRONGTYPE *
        > XRANGE str - +                  < -WRONGTYPE *
        > XDEL str 1-1                    < -WRONGTYPE *
        > XTRIM str MAXLEN 1              < -WRONGTYPE *
        > XSETID str 1-1                  < -WRONGTYPE *
        > XACK str g 1                    < -WRONGTYPE *
        > XREAD STREAMS str 0             < -WRONGTYPE *
        > XINFO STREAM str                < -WRONGTYPE *
        "#,
    );
}

#[test]
fn a_range_may_leave_its_ends_out() {
    check_nodes(
        r#"
        > XADD s 1-1 f a                  < "1-1"
        > XADD s 2-1 f b                  < "2-1"
        > XADD s 2-2 f c                  < "2-2"
        > XADD s 3-1 f d                  < "3-1"
        > XRANGE s 2 2                    < [["2-1" ["f" "b"]] ["2-2" ["f" "c"]]]
        > XRANGE s (2-1 (3-1              < [["2-2" ["f" "c"]]]
        > XRANGE s (2 + COUNT 1           < [["2-1" ["f" "b"]]]
        > XRANGE s - (3                   < [["1-1" ["f" "a"]] ["2-1" ["f" "b"]] ["2-2" ["f" "c"]] ["3-1" ["f" "d"]]]
        > XREVRANGE s (3-1 (1-1 COUNT 1   < [["2-2" ["f" "c"]]]
        > XREVRANGE s 2-1 -               < [["2-1" ["f" "b"]] ["1-1" ["f" "a"]]]
        > XRANGE s 3 2                    < []
        > XRANGE s - + COUNT 0            < nil-array
        > XRANGE s - + COUNT -5           < nil-array
        > XRANGE none - +                 < []
        > XRANGE none - + COUNT 0         < []
        > XRANGE s (- +                   < -ERR Invalid stream ID *
        > XRANGE s ( +                    < -ERR Invalid stream ID *
        > XRANGE s - (0-0                 < -ERR invalid end ID for the interval
        > XRANGE s (18446744073709551615-18446744073709551615 + < -ERR invalid start ID for the interval
        > XRANGE s - + COUNT              < -ERR syntax error
        > XRANGE s - + COUNT x            < -ERR value is not an integer or out of range
        > XRANGE s - + LIMIT 1            < -ERR syntax error
        "#,
    );
}

#[test]
fn what_is_deleted_is_gone_and_the_key_stays() {
    check_nodes(
        r#"
        > XADD s 1-1 f a                  < "1-1"
        > XADD s 2-1 f b                  < "2-1"
        > XADD s 3-1 g c                  < "3-1"
        > XADD s 4-1 f d                  < "4-1"
        > XDEL s 2-1 2-1 9-9              < :1
        > XDEL s 5-5 x                    < -ERR Invalid stream ID *
        > XLEN s                          < :3
        > XRANGE s - +                    < [["1-1" ["f" "a"]] ["3-1" ["g" "c"]] ["4-1" ["f" "d"]]]
        > XDEL s 4-1                      < :1
        > XREVRANGE s + - COUNT 1         < [["3-1" ["g" "c"]]]
        > XADD s 4-1 f e                  < -ERR The ID specified in XADD is equal or smaller *
        > XADD s 5-1 f e                  < "5-1"
        > XDEL s 1-1 3-1 5-1              < :3
        > XLEN s                          < :0
        > EXISTS s                        < :1
        > XRANGE s - +                    < []
        > XINFO STREAM s                  < ["length" :0 "radix-tree-keys" :0 "radix-tree-nodes" :1 "last-generated-id" "5-1" "max-deleted-entry-id" "5-1" "entries-added" :5 "recorded-first-entry-id" "0-0" "groups" :0 "first-entry" nil "last-entry" nil]
        > XDEL none 1-1                   < :0
        > XDEL none x                     < :0
        "#,
    );
}

#[test]
fn a_stream_is_trimmed_to_a_length_or_an_id() {
    check_nodes(
        r#"
        > XADD s 1-1 f a                  < "1-1"
        > XADD s 2-1 f b                  < "2-1"
        > XADD s 3-1 f c                  < "3-1"
        > XADD s 4-1 f d                  < "4-1"
        > XADD s MAXLEN 3 5-1 f e         < "5-1"
        > XRANGE s - +                    < [["3-1" ["f" "c"]] ["4-1" ["f" "d"]] ["5-1" ["f" "e"]]]
        > XADD s MINID = 4-1 6-1 f f      < "6-1"
        > XLEN s                          < :3
        > XTRIM s MAXLEN = 2              < :1
        > XTRIM s MAXLEN 2                < :0
        > XTRIM s MINID 6                 < :1
        > XRANGE s - +                    < [["6-1" ["f" "f"]]]
        > XTRIM s MAXLEN 0                < :1
        > EXISTS s                        < :1
        > XTRIM none MAXLEN 0             < :0
        "#,
    );
}

#[test]
fn an_approximate_trim_removes_whole_nodes() {
    check(
        r#"
        > CONFIG SET stream-node-max-entries 3 < +OK
        > XADD s 1-1 f v                  < "1-1"
        > XADD s 2-1 f v                  < "2-1"
        > XADD s 3-1 f v                  < "3-1"
        > XADD s 4-1 f v                  < "4-1"
        > XADD s 5-1 f v                  < "5-1"
        > XADD s 6-1 f v                  < "6-1"
        > XADD s 7-1 f v                  < "7-1"
        > XTRIM s MAXLEN ~ 5              < :0
        > XTRIM s MAXLEN ~ 4 LIMIT 2      < :0
        > XTRIM s MAXLEN ~ 4              < :3
        > XTRIM s MINID ~ 6-1             < :0
        > XADD s MINID ~ 7 8-1 f v        < "8-1"
        > XRANGE s - + COUNT 1            < [["7-1" ["f" "v"]]]
        > XTRIM s MAXLEN ~ 0 LIMIT 0      < :2
        > CONFIG SET stream-node-max-entries 100 < +OK
        "#,
    );
}

#[test]
fn options_of_trimming_must_fit() {
    check(
        r#"
        > XADD s 1-1 f v                  < "1-1"
        > XTRIM s MAXLEN -1               < -ERR The MAXLEN argument must be >= 0.
        > XTRIM s MAXLEN x                < -ERR value is not an integer or out of range
        > XTRIM s MAXLEN ~                < -ERR value is not an integer or out of range
        > XTRIM s MINID x                 < -ERR Invalid stream ID *
        > XTRIM s MAXLEN ~ 1 LIMIT -1     < -ERR The LIMIT argument must be >= 0.
        > XTRIM s MAXLEN 1 LIMIT 1        < -ERR syntax error, LIMIT cannot be used without the special ~ option
        > XTRIM s MAXLEN 1 MINID 1        < -ERR syntax error, MAXLEN and MINID options at the same time are not compatible
        > XTRIM s LIMIT 1 LIMIT 1         < -ERR syntax error, LIMIT cannot be used without specifying a trimming strategy
        > XTRIM s LIMIT 0 LIMIT 0         < -ERR syntax error, XTRIM must be called with a trimming strategy
        > XTRIM s FOO 1                   < -ERR syntax error
        > XADD s LIMIT 0 * f v            < -ERR syntax error, LIMIT cannot be used without the special ~ option
        > XADD s MAXLEN 1 MAXLEN 1 * f v  < -ERR syntax error, MAXLEN and MINID *
        > XLEN s                          < :1
        "#,
    );
}

#[test]
fn the_last_id_can_be_set_where_no_entry_is_beyond_it() {
    check(
        r#"
        > XSETID none 1-1                 < -ERR no such key
        > XADD s 1-1 f v                  < "1-1"
        > XADD s 3-1 f v                  < "3-1"
        > XSETID s 2-1                    < -ERR The ID specified in XSETID is smaller than the target stream top item
        > XSETID s 5-1 ENTRIESADDED 1     < -ERR The entries_added specified in XSETID is smaller than the target stream length
        > XSETID s 5-1 ENTRIESADDED -1    < -ERR entries_added must be positive
        > XSETID s 5-1 MAXDELETEDID 6-1   < -ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id
        > XSETID s 5-1 MAXDELETEDID       < -ERR syntax error
        > XSETID s x                      < -ERR Invalid stream ID *
        > XSETID s 5-1 ENTRIESADDED 7 MAXDELETEDID 2-0 < +OK
        > XINFO STREAM s                  < ["length" :2 "radix-tree-keys" :1 "radix-tree-nodes" :2 "last-generated-id" "5-1" "max-deleted-entry-id" "2-0" "entries-added" :7 "recorded-first-entry-id" "1-1" "groups" :0 "first-entry" ["1-1" ["f" "v"]] "last-entry" ["3-1" ["f" "v"]]]
        > XADD s 5-1 f v                  < -ERR The ID specified in XADD is equal or smaller *
        > XDEL s 3-1                      < :1
        "#,
    );
}

#[test]
fn xread_gives_what_is_behind_an_id_of_each_stream_that_has_any() {
    check_nodes(
        r#"
        > XADD s 1-1 f a                  < "1-1"
        > XADD s 2-1 f b                  < "2-1"
        > XADD t 1-1 g c                  < "1-1"
        > XREAD STREAMS s t 0 0           < [["s" [["1-1" ["f" "a"]] ["2-1" ["f" "b"]]]] ["t" [["1-1" ["g" "c"]]]]]
        > XREAD COUNT 1 STREAMS s t none 0 1-1 0 < [["s" [["1-1" ["f" "a"]]]]]
        > XREAD STREAMS t s 5 1-1         < [["s" [["2-1" ["f" "b"]]]]]
        > XREAD STREAMS s $               < nil-array
        > XREAD COUNT -3 STREAMS s 1-1    < [["s" [["2-1" ["f" "b"]]]]]
        > XREAD STREAMS s s 0 1-1         < [["s" [["1-1" ["f" "a"]] ["2-1" ["f" "b"]]]] ["s" [["2-1" ["f" "b"]]]]]
        > HELLO 3                         < *
        > XREAD STREAMS s t 1-1 0         < %{"s" [["2-1" ["f" "b"]]] "t" [["1-1" ["g" "c"]]]}
        > XREAD STREAMS none 0            < nil
        "#,
    );
}

#[test]
fn options_of_xread_must_fit() {
    check(
        r#"
        > XADD s 1-1 f v                  < "1-1"
        > XREAD STREAMS s x               < -ERR Invalid stream ID *
        > XREAD STREAMS s >               < -ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.
        > XREAD COUNT x STREAMS s 0       < -ERR value is not an integer or out of range
        > XREAD BLOCK x STREAMS s 0       < -ERR timeout is not an integer or out of range
        > XREAD BLOCK -1 STREAMS s 0      < -ERR timeout is negative
        > XREAD BLOCK 1.5 STREAMS s 0     < -ERR timeout is not an integer or out of range
        > XREAD COUNT 1 BLOCK 1           < -ERR syntax error
        > XREAD COUNT 1 s 0               < -ERR syntax error
        > XREAD NOACK STREAMS s 0         < -ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.
        > XREAD GROUP g c STREAMS s 0     < -ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.
        > XREADGROUP STREAMS s t u 0 0 0  < -ERR Missing GROUP option for XREADGROUP
        > XREADGROUP GROUP g c STREAMS s > < -NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option
        > XGROUP CREATE s g 0             < +OK
        > XREADGROUP GROUP g c STREAMS s $ < -ERR The $ ID is meaningless in the context of XREADGROUP: *
        > XREADGROUP GROUP g c STREAMS s t > > < -NOGROUP No such key 't' or consumer group 'g' in XREADGROUP with GROUP option
        > XREADGROUP GROUP g c COUNT 1 BLOCK 1 NOACK s > < -ERR syntax error
        "#,
    );
}

#[test]
fn texts_that_are_newer_than_redis_7_0() {
    check(
        r#"
        ! only 7.2
        > XADD s 1-1 f v                  < "1-1"
        > XADD s 2-1 f w                  < "2-1"
        > XREAD STREAMS s t 0             < -ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.
        > XREADGROUP GROUP g c STREAMS s t 0 < -ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.
        > XREAD BLOCK 9223372036854775807 STREAMS s 5 < -ERR timeout is out of range
        > XREAD STREAMS s +               < [["s" [["2-1" ["f" "w"]]]]]
        > XREAD STREAMS none +            < nil-array
        > XGROUP CREATE s g 0             < +OK
        > XREADGROUP GROUP g c STREAMS s + < -ERR The + ID is meaningless in the context of XREADGROUP: *
        > XDEL s 2-1                      < :1
        > XREAD STREAMS s +               < nil-array
        > XSETID s 1-5                    < -ERR The ID specified in XSETID is smaller than current max_deleted_entry_id
        "#,
    );
}

#[test]
fn a_reader_that_waits_gets_what_comes_and_leaves_it_to_the_others() {
    check(
        r#"
        > XADD s 1-1 f v                  < "1-1"
        a> XREAD BLOCK 0 STREAMS s t $ $  < blocks
        b> XREAD COUNT 1 BLOCK 0 STREAMS t s 0 1-1 < blocks
        c> XREAD BLOCK 0 STREAMS s 5-0    < blocks
        > XADD s 2-1 f w                  < "2-1"
        a< [["s" [["2-1" ["f" "w"]]]]]
        b< [["s" [["2-1" ["f" "w"]]]]]
        > XADD s 6-1 f x                  < "6-1"
        c< [["s" [["6-1" ["f" "x"]]]]]
        > XLEN s                          < :3
        a> HELLO 3                        < *
        a> XREAD BLOCK 0 STREAMS t $      < blocks
        > XADD t 1-1 g y                  < "1-1"
        a< %{"t" [["1-1" ["g" "y"]]]}
        > XREAD BLOCK 10 STREAMS s $      < nil-array
        a> XREAD BLOCK 10 STREAMS s $     < nil
        "#,
    );
}

/// A list is no stream, and neither is what comes in its place; a key that goes and comes again is another stream.
#[test]
fn a_reader_sleeps_on_where_a_key_goes() {
    check(
        r#"
        a> XREAD BLOCK 0 STREAMS s $      < blocks
        > SET s str                       < +OK
        > DEL s                           < :1
        > RPUSH s v                       < :1
        > DEL s                           < :1
        > XADD s 1-1 f v                  < "1-1"
        a< [["s" [["1-1" ["f" "v"]]]]]
        a> XREAD BLOCK 0 STREAMS t s 0 $  < blocks
        > XADD other 1-1 f v              < "1-1"
        > RENAME other t                  < +OK
        a< [["t" [["1-1" ["f" "v"]]]]]
        "#,
    );
}

#[test]
fn groups_are_made_set_and_destroyed() {
    check_nodes(
        r#"
        > XGROUP CREATE s g 0             < -ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.
        > XGROUP CREATE s g x MKSTREAM    < -ERR Invalid stream ID *
        > EXISTS s                        < :0
        > XGROUP CREATE s g $ MKSTREAM    < +OK
        > TYPE s                          < +stream
        > XGROUP CREATE s g 0             < -BUSYGROUP Consumer Group name already exists
        > XADD s 1-1 f a                  < "1-1"
        > XADD s 2-1 f b                  < "2-1"
        > XGROUP CREATE s h $ ENTRIESREAD 2 < +OK
        > XGROUP CREATE s i 1-1 ENTRIESREAD -2 < -ERR value for ENTRIESREAD must be positive or -1
        > XGROUP CREATE s i 1-1 FOO       < -ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.
        > XGROUP CREATE s i + MKSTREAM    < -ERR Invalid stream ID *
        > XINFO GROUPS s                  < [["name" "g" "consumers" :0 "pending" :0 "last-delivered-id" "0-0" "entries-read" nil "lag" :2] ["name" "h" "consumers" :0 "pending" :0 "last-delivered-id" "2-1" "entries-read" :2 "lag" :0]]
        > XGROUP SETID s g 1-1 ENTRIESREAD 1 < +OK
        > XGROUP SETID s h +              < +OK
        > XGROUP SETID s none 0           < -NOGROUP No such consumer group 'none' for key name 's'
        > XGROUP SETID none g 0           < -ERR The XGROUP subcommand requires the key to exist. *
        > XGROUP SETID s g 0 MKSTREAM     < -ERR unknown subcommand or wrong number of arguments for 'SETID'. Try XGROUP HELP.
        > XINFO GROUPS s                  < [["name" "g" "consumers" :0 "pending" :0 "last-delivered-id" "1-1" "entries-read" :1 "lag" :1] ["name" "h" "consumers" :0 "pending" :0 "last-delivered-id" "18446744073709551615-18446744073709551615" "entries-read" nil "lag" nil]]
        > XGROUP CREATECONSUMER s g alice < :1
        > XGROUP CREATECONSUMER s g alice < :0
        > XGROUP CREATECONSUMER s x alice < -NOGROUP No such consumer group 'x' for key name 's'
        > XGROUP CREATECONSUMER none g c  < -ERR The XGROUP subcommand requires the key to exist. *
        > XGROUP DELCONSUMER s g bob      < :0
        > XGROUP DELCONSUMER s g alice    < :0
        > XGROUP DESTROY s g              < :1
        > XGROUP DESTROY s g              < :0
        > XGROUP DESTROY none g           < -ERR The XGROUP subcommand requires the key to exist. *
        > XINFO GROUPS none               < -ERR no such key
        > SET str x                       < +OK
        > XGROUP CREATE str g 0           < -WRONGTYPE *
        > XGROUP FOO                      < -ERR unknown subcommand 'FOO'. Try XGROUP HELP.
        > XGROUP HELP                     < *
        > XINFO HELP                      < *
        "#,
    );
}

#[test]
fn a_group_gives_each_entry_to_one_consumer_and_keeps_it_until_it_is_acknowledged() {
    check_nodes(
        r#"
        > XADD s 1-1 f a                  < "1-1"
        > XADD s 2-1 f b                  < "2-1"
        > XADD s 3-1 f c                  < "3-1"
        > XGROUP CREATE s g 0             < +OK
        > XREADGROUP GROUP g alice COUNT 1 STREAMS s > < [["s" [["1-1" ["f" "a"]]]]]
        > XREADGROUP GROUP g bob STREAMS s > < [["s" [["2-1" ["f" "b"]] ["3-1" ["f" "c"]]]]]
        > XREADGROUP GROUP g bob STREAMS s > < nil-array
        > XREADGROUP GROUP g alice STREAMS s 0 < [["s" [["1-1" ["f" "a"]]]]]
        > XREADGROUP GROUP g alice STREAMS s 1-1 < [["s" []]]
        > XREADGROUP GROUP g carol STREAMS s 0 < [["s" []]]
        > XPENDING s g                    < [:3 "1-1" "3-1" [["alice" "1"] ["bob" "2"]]]
        > XPENDING s g - + 10             < [["1-1" "alice" :* :2] ["2-1" "bob" :* :1] ["3-1" "bob" :* :1]]
        > XPENDING s g - + 10 bob         < [["2-1" "bob" :* :1] ["3-1" "bob" :* :1]]
        > XPENDING s g (2-1 + 10 bob      < [["3-1" "bob" :* :1]]
        > XPENDING s g - + 1 nobody       < []
        > XPENDING s g IDLE 100000 - + 10 < []
        > XPENDING s g IDLE 0 - + 0       < []
        > XACK s g 1-1 2-1 2-1 9-9        < :2
        > XACK s g x                      < -ERR Invalid stream ID *
        > XACK s none x                   < :0
        > XACK none g x                   < :0
        > XPENDING s g                    < [:1 "3-1" "3-1" [["bob" "1"]]]
        > XDEL s 3-1                      < :1
        > XREADGROUP GROUP g bob STREAMS s 0 < [["s" [["3-1" nil-array]]]]
        > XGROUP DELCONSUMER s g bob      < :1
        > XPENDING s g                    < [:0 nil nil nil-array]
        > XINFO CONSUMERS s none          < -NOGROUP No such consumer group 'none' for key name 's'
        "#,
    );
}

#[test]
fn without_acknowledgement_nothing_is_pending() {
    check(
        r#"
        > XADD s 1-1 f a                  < "1-1"
        > XADD t 1-1 f b                  < "1-1"
        > XGROUP CREATE s g 0             < +OK
        > XGROUP CREATE t g 0             < +OK
        > XREADGROUP NOACK GROUP g alice STREAMS s t > > < [["s" [["1-1" ["f" "a"]]]] ["t" [["1-1" ["f" "b"]]]]]
        > XPENDING s g                    < [:0 nil nil nil-array]
        > XREADGROUP GROUP g alice STREAMS s t > 0 < [["t" []]]
        # A stream that is named twice has nothing left the second time.
        > XADD s 2-1 f c                  < "2-1"
        > XADD s 3-1 f d                  < "3-1"
        > XREADGROUP GROUP g alice STREAMS s s > > < [["s" [["2-1" ["f" "c"]] ["3-1" ["f" "d"]]]]]
        > XADD s 4-1 f e                  < "4-1"
        > XADD s 5-1 f f                  < "5-1"
        > XREADGROUP GROUP g alice COUNT 1 STREAMS s s s > > > < [["s" [["4-1" ["f" "e"]]]] ["s" [["5-1" ["f" "f"]]]]]
        > HELLO 3                         < *
        > XREADGROUP GROUP g alice STREAMS s 3-1 < %{"s" [["4-1" ["f" "e"]] ["5-1" ["f" "f"]]]}
        "#,
    );
}

#[test]
fn what_is_pending_can_be_claimed_by_others() {
    check_nodes(
        r#"
        > XADD s 1-1 f a                  < "1-1"
        > XADD s 2-1 f b                  < "2-1"
        > XADD s 3-1 f c                  < "3-1"
        > XGROUP CREATE s g 0             < +OK
        > XREADGROUP GROUP g alice COUNT 2 STREAMS s > < [["s" [["1-1" ["f" "a"]] ["2-1" ["f" "b"]]]]]
        > XCLAIM s g bob 0 1-1 3-1 9-9    < [["1-1" ["f" "a"]]]
        > XCLAIM s g bob 100000 2-1       < []
        > XCLAIM s g bob 0 2-1 JUSTID     < ["2-1"]
        > XCLAIM s g bob 0 3-1 FORCE      < [["3-1" ["f" "c"]]]
        > XPENDING s g - + 10             < [["1-1" "bob" :0..5000 :2] ["2-1" "bob" :0..5000 :1] ["3-1" "bob" :0..5000 :2]]
        > XCLAIM s g carol 0 1-1 IDLE 500000 RETRYCOUNT 7 < [["1-1" ["f" "a"]]]
        > XCLAIM s g carol 0 2-1 TIME 1 JUSTID < ["2-1"]
        > XPENDING s g IDLE 400000 - + 10 < [["1-1" "carol" :500000..505000 :7] ["2-1" "carol" :1000000000000..9999999999999 :1]]
        > XDEL s 1-1                      < :1
        > XCLAIM s g dave 0 1-1 2-1       < [["2-1" ["f" "b"]]]
        > XPENDING s g                    < [:2 "2-1" "3-1" [["bob" "1"] ["dave" "1"]]]
        > XCLAIM s g dave 0 2-1 LASTID 8-8 JUSTID < ["2-1"]
        > XADD s 8-8 f d                  < "8-8"
        > XREADGROUP GROUP g dave STREAMS s > < nil-array
        > XCLAIM s g dave x 2-1           < -ERR Invalid min-idle-time argument for XCLAIM
        > XCLAIM s g dave 0 2-1 FOO       < -ERR Unrecognized XCLAIM option 'FOO'
        > XCLAIM s g dave 0 2-1 IDLE x    < -ERR Invalid IDLE option argument for XCLAIM
        > XCLAIM s g dave 0 2-1 TIME x    < -ERR Invalid TIME option argument for XCLAIM
        > XCLAIM s g dave 0 2-1 RETRYCOUNT x < -ERR Invalid RETRYCOUNT option argument for XCLAIM
        > XCLAIM s g dave 0 2-1 LASTID x  < -ERR Invalid stream ID *
        > XCLAIM s none dave x 2-1        < -NOGROUP No such key 's' or consumer group 'none'
        > XCLAIM none g dave x 2-1        < -NOGROUP No such key 'none' or consumer group 'g'
        > XPENDING s g 1                  < -ERR syntax error
        > XPENDING s g IDLE 1 - +         < -ERR syntax error
        > XPENDING s g - + x              < -ERR value is not an integer or out of range
        > XPENDING s none                 < -NOGROUP No such key 's' or consumer group 'none'
        "#,
    );
}

#[test]
fn what_is_idle_can_be_claimed_without_its_ids() {
    check_nodes(
        r#"
        > XADD s 1-1 f a                  < "1-1"
        > XADD s 2-1 f b                  < "2-1"
        > XADD s 3-1 f c                  < "3-1"
        > XADD s 4-1 f d                  < "4-1"
        > XGROUP CREATE s g 0             < +OK
        > XREADGROUP GROUP g alice STREAMS s > < *
        > XAUTOCLAIM s g bob 100000 -     < ["0-0" [] []]
        > XAUTOCLAIM s g bob 0 0 COUNT 2  < ["3-1" [["1-1" ["f" "a"]] ["2-1" ["f" "b"]]] []]
        > XDEL s 2-1 3-1                  < :2
        > XAUTOCLAIM s g carol 0 (1-1 COUNT 2 < ["4-1" [] ["2-1" "3-1"]]
        > XAUTOCLAIM s g carol 0 - JUSTID < ["0-0" ["1-1" "4-1"] []]
        > XPENDING s g - + 10             < [["1-1" "carol" :* :2] ["4-1" "carol" :* :1]]
        > XAUTOCLAIM s g carol x -        < -ERR Invalid min-idle-time argument for XAUTOCLAIM
        > XAUTOCLAIM s g carol 0 x        < -ERR Invalid stream ID *
        > XAUTOCLAIM s g carol 0 - COUNT 0 < -ERR COUNT must be > 0
        > XAUTOCLAIM s g carol 0 - FOO    < -ERR syntax error
        > XAUTOCLAIM s none carol 0 -     < -NOGROUP No such key 's' or consumer group 'none'
        "#,
    );
}

#[test]
fn times_of_deliveries_and_consumers_are_told() {
    check(
        r#"
        ! no-oracle
        > XADD s 1-1 f a                  < "1-1"
        > XGROUP CREATE s g 0             < +OK
        > XGROUP CREATECONSUMER s g bob   < :1
        > XREADGROUP GROUP g alice STREAMS s > < *
        ! advance 1500ms
        > XPENDING s g - + 10             < [["1-1" "alice" :1500 :1]]
        > XPENDING s g IDLE 1500 - + 10   < [["1-1" "alice" :1500 :1]]
        > XPENDING s g IDLE 1501 - + 10   < []
        > XREADGROUP GROUP g alice STREAMS s > < nil-array
        > XINFO CONSUMERS s g             < [["name" "alice" "pending" :1 "idle" :0 "inactive" :1500] ["name" "bob" "pending" :0 "idle" :1500 "inactive" :-1]]
        > XCLAIM s g bob 1501 1-1 JUSTID  < []
        > XCLAIM s g bob 1500 1-1 JUSTID  < ["1-1"]
        > XAUTOCLAIM s g alice 1 -        < ["0-0" [] []]
        ! advance 1ms
        > XAUTOCLAIM s g alice 1 - JUSTID < ["0-0" ["1-1"] []]
        "#,
    );
}

#[test]
fn xinfo_tells_everything_of_a_stream() {
    check(
        r#"
        ! only 7.2
        > XADD s 1-1 f a                  < "1-1"
        > XADD s 2-1 f b                  < "2-1"
        > XGROUP CREATE s g 0             < +OK
        > XREADGROUP GROUP g alice COUNT 1 STREAMS s > < *
        > XINFO STREAM s FULL             < ["length" :2 "radix-tree-keys" :1 "radix-tree-nodes" :2 "last-generated-id" "2-1" "max-deleted-entry-id" "0-0" "entries-added" :2 "recorded-first-entry-id" "1-1" "entries" [["1-1" ["f" "a"]] ["2-1" ["f" "b"]]] "groups" [["name" "g" "last-delivered-id" "1-1" "entries-read" :1 "lag" :1 "pel-count" :1 "pending" [["1-1" "alice" :* :1]] "consumers" [["name" "alice" "seen-time" :* "active-time" :* "pel-count" :1 "pending" [["1-1" :* :1]]]]]]]
        > XINFO STREAM s FULL COUNT 1     < [* * * * * * * * * * * * * * "entries" [["1-1" ["f" "a"]]] * *]
        > XINFO CONSUMERS s g             < [["name" "alice" "pending" :1 "idle" :* "inactive" :*]]
        > HELLO 3                         < *
        > XINFO GROUPS s                  < [%{"name" "g" "consumers" :1 "pending" :1 "last-delivered-id" "1-1" "entries-read" :1 "lag" :1}]
        > XINFO STREAM s FULL COUNT x     < -ERR value is not an integer or out of range
        > XINFO STREAM s FOO              < -ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.
        > XINFO STREAM none FOO           < -ERR no such key
        "#,
    );
}

/// Before 7.2.6 the counter went on from where the first entries had been trimmed away.
#[test]
fn the_lag_of_a_group_is_told_where_it_is_known() {
    check_nodes(
        r#"
        ! only 7.2
        > XADD s 1-1 f a                  < "1-1"
        > XADD s 2-1 f b                  < "2-1"
        > XADD s 3-1 f c                  < "3-1"
        > XADD s 4-1 f d                  < "4-1"
        > XADD s 5-1 f e                  < "5-1"
        > XGROUP CREATE s g 0             < +OK
        > XREADGROUP GROUP g c COUNT 1 STREAMS s > < *
        > XINFO GROUPS s                  < [["name" "g" "consumers" :1 "pending" :1 "last-delivered-id" "1-1" "entries-read" :1 "lag" :4]]
        > XDEL s 3-1                      < :1
        > XINFO GROUPS s                  < [["name" "g" "consumers" :1 "pending" :1 "last-delivered-id" "1-1" "entries-read" :1 "lag" nil]]
        > XREADGROUP GROUP g c COUNT 1 STREAMS s > < *
        > XINFO GROUPS s                  < [["name" "g" "consumers" :1 "pending" :2 "last-delivered-id" "2-1" "entries-read" nil "lag" nil]]
        > XREADGROUP GROUP g c STREAMS s > < *
        > XINFO GROUPS s                  < [["name" "g" "consumers" :1 "pending" :4 "last-delivered-id" "5-1" "entries-read" :5 "lag" :0]]
        > XTRIM s MINID 5                 < :3
        > XGROUP SETID s g 1-1            < +OK
        > XINFO GROUPS s                  < [["name" "g" "consumers" :1 "pending" :4 "last-delivered-id" "1-1" "entries-read" nil "lag" *]]
        "#,
    );
}

#[test]
fn consumers_that_wait_are_served_in_the_order_in_which_they_came() {
    check(
        r#"
        > XGROUP CREATE s g $ MKSTREAM    < +OK
        a> XREADGROUP GROUP g alice BLOCK 0 STREAMS s > < blocks
        b> XREADGROUP GROUP g bob COUNT 1 BLOCK 0 STREAMS s > < blocks
        c> XREAD BLOCK 0 STREAMS s $      < blocks
        > XADD s 1-1 f v                  < "1-1"
        a< [["s" [["1-1" ["f" "v"]]]]]
        c< [["s" [["1-1" ["f" "v"]]]]]
        > XADD s 2-1 f w                  < "2-1"
        b< [["s" [["2-1" ["f" "w"]]]]]
        > XPENDING s g                    < [:2 "1-1" "2-1" [["alice" "1"] ["bob" "1"]]]
        a> XREADGROUP GROUP g alice BLOCK 10 STREAMS s > < nil-array
        # A history is there at once.
        a> XREADGROUP GROUP g alice BLOCK 0 STREAMS s 5 < [["s" []]]
        "#,
    );
}

/// Redis 7.2 runs the command again, which then says what it would say to anyone; 7.0 had words of its own.
#[test]
fn a_consumer_that_waits_is_told_when_its_key_or_group_goes() {
    check(
        r#"
        ! only 7.2
        > XGROUP CREATE s g $ MKSTREAM    < +OK
        > XGROUP CREATE t g $ MKSTREAM    < +OK
        a> XREADGROUP GROUP g alice BLOCK 0 STREAMS t s > > < blocks
        > XGROUP DESTROY s g              < :1
        a< -NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option
        a> XREADGROUP GROUP g alice BLOCK 0 STREAMS t > < blocks
        > DEL t                           < :1
        a< -NOGROUP No such key 't' *
        > XGROUP CREATE s g $             < +OK
        a> XREADGROUP GROUP g alice BLOCK 0 STREAMS s > < blocks
        > SET s str                       < +OK
        a< -WRONGTYPE *
        > DEL s                           < :1
        > XGROUP CREATE s g $ MKSTREAM    < +OK
        a> XREADGROUP GROUP g alice BLOCK 0 STREAMS s > < blocks
        > RENAME s other                  < +OK
        a< -NOGROUP *
        > XGROUP CREATE s g $ MKSTREAM    < +OK
        a> XREADGROUP GROUP g alice BLOCK 0 STREAMS s > < blocks
        > XADD without 1-1 f v            < "1-1"
        > RENAME without s                < +OK
        a< -NOGROUP *
        > XGROUP CREATE s g $             < +OK
        a> XREADGROUP GROUP g alice BLOCK 0 STREAMS s > < blocks
        > FLUSHDB                         < +OK
        a< -NOGROUP *
        > XGROUP CREATE s g $ MKSTREAM    < +OK
        a> XREADGROUP GROUP g alice BLOCK 0 STREAMS s > < blocks
        > EXPIREAT s 1                    < :1
        a< -NOGROUP *
        "#,
    );
}

#[test]
fn a_consumer_that_waits_on_many_shards_is_told_when_one_of_its_keys_expires() {
    check(
        r#"
        ! no-oracle
        > XGROUP CREATE s1 g $ MKSTREAM   < +OK
        > XGROUP CREATE s2 g $ MKSTREAM   < +OK
        > XGROUP CREATE s3 g $ MKSTREAM   < +OK
        > XGROUP CREATE s4 g $ MKSTREAM   < +OK
        a> XREADGROUP GROUP g alice BLOCK 0 STREAMS s1 s2 s3 s4 > > > > < blocks
        b> XREADGROUP GROUP g bob BLOCK 0 STREAMS s1 s4 > > < blocks
        > PEXPIRE s3 1000                 < :1
        ! advance 1001ms
        > EXISTS s3                       < :0
        a< -NOGROUP No such key 's3' *
        > XADD s4 1-1 f v                 < "1-1"
        b< [["s4" [["1-1" ["f" "v"]]]]]
        "#,
    );
}

#[test]
fn a_key_is_found_behind_the_word_streams() {
    check(
        r#"
        > COMMAND GETKEYS XREAD COUNT 1 STREAMS a b 0 0 < ["a" "b"]
        > COMMAND GETKEYS XREADGROUP GROUP g c BLOCK 5 STREAMS a > < ["a"]
        > COMMAND GETKEYS XREAD STREAMS a b c < ["a"]
        > COMMAND GETKEYSANDFLAGS XREADGROUP GROUP g c STREAMS s > < [["s" [+RO +access]]]
        > COMMAND GETKEYS XGROUP CREATE s g 0 < ["s"]
        # A group of that name stands where no key is.
        > XGROUP CREATE s streams 0 MKSTREAM < +OK
        > XADD s 1-1 f v                  < "1-1"
        > XREADGROUP COUNT 1 GROUP streams streams STREAMS s > < [["s" [["1-1" ["f" "v"]]]]]
        "#,
    );
}

#[test]
fn a_copy_is_a_stream_of_its_own_with_its_groups() {
    check_nodes(
        r#"
        > XADD s 1-1 f a                  < "1-1"
        > XADD s 2-1 f b                  < "2-1"
        > XGROUP CREATE s g 0             < +OK
        > XREADGROUP GROUP g alice COUNT 1 STREAMS s > < *
        > COPY s t                        < :1
        > XACK t g 1-1                    < :1
        > XADD t 3-1 f c                  < "3-1"
        > XDEL t 2-1                      < :1
        > XRANGE s - +                    < [["1-1" ["f" "a"]] ["2-1" ["f" "b"]]]
        > XPENDING s g                    < [:1 "1-1" "1-1" [["alice" "1"]]]
        > XREADGROUP GROUP g bob STREAMS t > < [["t" [["3-1" ["f" "c"]]]]]
        > XPENDING t g                    < [:1 "3-1" "3-1" [["bob" "1"]]]
        "#,
    );
}

#[test]
fn an_entry_may_be_large_and_have_fields_that_are_numbers() {
    check_nodes(
        r#"
        > XADD s 1-1 1 2 -3 99999999999 01 007 < "1-1"
        > XADD s 2-1 1 300 -3 -5 01 x     < "2-1"
        > XADD s 3-1 01 300 -3 -5 1 x     < "3-1"
        > XRANGE s - +                    < [["1-1" ["1" "2" "-3" "99999999999" "01" "007"]] ["2-1" ["1" "300" "-3" "-5" "01" "x"]] ["3-1" ["01" "300" "-3" "-5" "1" "x"]]]
        > XREVRANGE s + - COUNT 1         < [["3-1" ["01" "300" "-3" "-5" "1" "x"]]]
        "#,
    );
}

/// Redis tells those who watch a key of its entries, not of what its groups do.
#[test]
fn only_a_change_of_entries_ends_a_transaction_that_watches() {
    check(
        r#"
        > XADD s 1-1 f a                  < "1-1"
        a> WATCH s new                    < +OK
        > XGROUP CREATE s g 0             < +OK
        > XREADGROUP GROUP g c STREAMS s > < *
        > XCLAIM s g d 0 1-1 JUSTID       < ["1-1"]
        > XACK s g 1-1                    < :1
        > XSETID s 5-5                    < +OK
        > XDEL s 3-3                      < :0
        > XTRIM s MAXLEN 5                < :0
        > XGROUP DESTROY s g              < :1
        a> MULTI                          < +OK
        a> XLEN s                         < +QUEUED
        a> XREAD BLOCK 0 STREAMS s $      < +QUEUED
        a> EXEC                           < [:1 nil-array]
        a> WATCH s                        < +OK
        > XADD s 6-1 f b                  < "6-1"
        a> MULTI                          < +OK
        a> EXEC                           < nil-array
        a> WATCH s                        < +OK
        > XDEL s 6-1                      < :1
        a> MULTI                          < +OK
        a> EXEC                           < nil-array
        a> WATCH new                      < +OK
        > XGROUP CREATE new g 0 MKSTREAM  < +OK
        a> MULTI                          < +OK
        a> EXEC                           < nil-array
        "#,
    );
}

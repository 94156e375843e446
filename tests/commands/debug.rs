//! `DEBUG`: what tests of Redis and of its clients call.

use super::check;

#[test]
fn debug_object_says_how_a_value_is_kept_and_how_long_it_is_when_saved() {
    check(
        "
        > SET s hello                           < +OK
        > DEBUG OBJECT s                        < +Value at:* refcount:1 encoding:embstr serializedlength:6 lru:* lru_seconds_idle:0
        > DEBUG OBJECT missing                  < -ERR no such key
        > DEBUG OBJECT                          < -ERR unknown subcommand or wrong number of arguments for 'OBJECT'. Try DEBUG HELP.
        > HSET h a 1 b xyz                      < :2
        > DEBUG OBJECT h                        < +Value at:* encoding:listpack serializedlength:21 lru:* lru_seconds_idle:0
        ! only 7.2
        > DEBUG OBJECT s fast                   < +Value at:* refcount:1 encoding:embstr lru:* lru_seconds_idle:0
        ",
    );
}

#[test]
fn debug_object_tells_of_the_nodes_of_a_list() {
    check(
        "
        ! only 7.2
        > CONFIG SET list-max-listpack-size 2   < +OK
        > RPUSH l a b c d e                     < :5
        > DEBUG OBJECT l                        < +Value at:* refcount:1 encoding:quicklist serializedlength:* ql_nodes:3 ql_avg_node:1.67 ql_listpack_max:2 ql_compressed:0 ql_uncompressed_size:*
        > DEBUG QUICKLIST l                     < +Quicklist structure printed on stdout
        > DEBUG QUICKLIST l 1                   < +Quicklist structure printed on stdout
        > DEBUG LISTPACK l                      < -ERR Not a listpack encoded object.
        > RPUSH few a                           < :1
        > DEBUG LISTPACK few                    < +Listpack structure printed on stdout
        > DEBUG QUICKLIST few                   < -ERR Not a quicklist encoded object.
        > CONFIG SET list-max-listpack-size -2  < +OK
        ",
    );
}

#[test]
fn packed_values_can_be_looked_into() {
    check(
        "
        > HSET h a 1 b xyz                      < :2
        > DEBUG LISTPACK h                      < +Listpack structure printed on stdout
        > ZADD z 1 a 2.5 b                      < :2
        > DEBUG listpack z                      < +Listpack structure printed on stdout
        > SADD ints 1 2 3                       < :3
        > DEBUG LISTPACK ints                   < -ERR Not a listpack encoded object.
        > SET s x                               < +OK
        > DEBUG LISTPACK s                      < -ERR Not a listpack encoded object.
        > DEBUG QUICKLIST s                     < -ERR Not a quicklist encoded object.
        > DEBUG LISTPACK missing                < -ERR no such key
        > DEBUG QUICKLIST missing               < -ERR no such key
        > DEBUG LISTPACK                        < -ERR unknown subcommand or wrong number of arguments for 'LISTPACK'. Try DEBUG HELP.
        ",
    );
}

#[test]
fn debug_sdslen_tells_the_lengths_of_key_and_text() {
    check(
        "
        > SET key hello                         < +OK
        > SET n 12                              < +OK
        > RPUSH l a                             < :1
        > DEBUG SDSLEN n                        < -ERR Not an sds encoded string.
        > DEBUG SDSLEN l                        < -ERR Not an sds encoded string.
        > DEBUG SDSLEN missing                  < -ERR no such key
        > DEBUG SDSLEN                          < -ERR unknown subcommand or wrong number of arguments for 'SDSLEN'. Try DEBUG HELP.
        ! no-oracle
        > DEBUG SDSLEN key                      < +key_sds_len:3, key_sds_avail:0, key_zmalloc: *, val_sds_len:5, val_sds_avail:0, val_zmalloc: *
        ",
    );
}

#[test]
fn tables_of_databases_and_of_keys_are_described() {
    check(
        "
        > DEBUG HTSTATS x                       < -ERR value is not an integer or out of range
        > DEBUG HTSTATS 99                      < -ERR Out of range database
        > DEBUG HTSTATS -1                      < -ERR Out of range database
        > DEBUG HTSTATS 0                       < *
        > SET s x                               < +OK
        > DEBUG HTSTATS-KEY s                   < -ERR The value stored at the specified key is not represented using an hash table
        > DEBUG HTSTATS-KEY missing             < -ERR no such key
        > SADD small 1 2                        < :2
        > DEBUG HTSTATS-KEY small               < -ERR The value stored at the specified key is not represented using an hash table
        > CONFIG SET hash-max-listpack-entries 1 < +OK
        > HSET h a 1 b 2                        < :2
        > DEBUG HTSTATS-KEY h                   < =~'Hash table 0 stats (main hash table):*'
        > CONFIG SET hash-max-listpack-entries 128 < +OK
        ",
    );
}

#[test]
fn what_turns_nothing_here_is_taken_as_redis_takes_it() {
    check(
        "
        > DEBUG PAUSE-CRON 1                    < +OK
        > DEBUG PAUSE-CRON 0                    < +OK
        > DEBUG PAUSE-CRON                      < -ERR unknown subcommand or wrong number of arguments for 'PAUSE-CRON'. Try DEBUG HELP.
        > DEBUG REPLYBUFFER RESIZING 0          < +OK
        > DEBUG REPLYBUFFER RESIZING 1          < +OK
        > DEBUG REPLYBUFFER PEAK-RESET-TIME NEVER < +OK
        > DEBUG REPLYBUFFER PEAK-RESET-TIME 100 < +OK
        > DEBUG REPLYBUFFER PEAK-RESET-TIME reset < +OK
        > DEBUG REPLYBUFFER PEAK-RESET-TIME x   < -ERR value is not an integer or out of range
        > DEBUG REPLYBUFFER X 1                 < -ERR unknown subcommand or wrong number of arguments for 'REPLYBUFFER'. Try DEBUG HELP.
        > DEBUG QUICKLIST-PACKED-THRESHOLD 100b < +OK
        > DEBUG QUICKLIST-PACKED-THRESHOLD 0    < +OK
        > DEBUG QUICKLIST-PACKED-THRESHOLD x    < -ERR argument must be a memory value bigger than 1 and smaller than 4gb
        > DEBUG QUICKLIST-PACKED-THRESHOLD 5gb  < -ERR argument must be a memory value bigger than 1 and smaller than 4gb
        > DEBUG REPLICATE x                     < +OK
        > DEBUG DROP-CLUSTER-PACKET-FILTER x    < -ERR value is not an integer or out of range
        > DEBUG DROP-CLUSTER-PACKET-FILTER -1   < +OK
        > DEBUG CLUSTERLINK KILL all x          < -ERR Debug option only available for cluster mode enabled setup!
        > DEBUG SET-ACTIVE-EXPIRE 1             < +OK
        > DEBUG LEAK x                          < +OK
        > DEBUG LOG x                           < +OK
        > DEBUG JMAP                            < -ERR unknown subcommand or wrong number of arguments for 'JMAP'. Try DEBUG HELP.
        > DEBUG DICT-STATS                      < -ERR unknown subcommand or wrong number of arguments for 'DICT-STATS'. Try DEBUG HELP.
        > DEBUG STRINGMATCH-LEN a b             < -ERR unknown subcommand or wrong number of arguments for 'STRINGMATCH-LEN'. Try DEBUG HELP.
        > DEBUG RESTART x                       < -ERR value is not an integer or out of range
        > DEBUG STRUCTSIZE                      < =~'bits:64 *'
        ",
    );
    check(
        "
        ! only 7.2
        > DEBUG DICT-RESIZING 1                 < +OK
        > DEBUG CLIENT-ENFORCE-REPLY-LIST 0     < +OK
        > DEBUG PAUSE-AFTER-FORK 0              < +OK
        ",
    );
}

#[test]
fn what_would_end_or_damage_the_server_is_refused() {
    check(
        "
        ! no-oracle
        > DEBUG SEGFAULT                        < -ERR DEBUG SEGFAULT is not supported: nothing but SHUTDOWN ends this server
        > DEBUG panic                           < -ERR DEBUG PANIC is not supported: *
        > DEBUG ASSERT                          < -ERR DEBUG ASSERT is not supported: *
        > DEBUG OOM                             < -ERR DEBUG OOM is not supported: *
        > DEBUG RESTART                         < -ERR failed to restart the server. Check server logs.
        > DEBUG CRASH-AND-RECOVER 10            < -ERR failed to restart the server. Check server logs.
        > DEBUG CHANGE-REPL-ID                  < -ERR DEBUG CHANGE-REPL-ID is not supported: there is no replication here
        > DEBUG LOADAOF                         < -ERR Error trying to load the AOF files, check server logs.
        > DEBUG AOF-FLUSH-SLEEP 1               < -ERR DEBUG AOF-FLUSH-SLEEP is not supported: *
        > DEBUG STRINGMATCH-TEST                < +Apparently Redis did not crash: test passed
        > PING                                  < +PONG
        ",
    );
}

#[test]
fn every_type_of_the_protocol_has_its_example() {
    check(
        "
        > HELLO 3                               < *
        > DEBUG PROTOCOL string                 < \"Hello World\"
        > DEBUG PROTOCOL integer                < :12345
        > DEBUG PROTOCOL double                 < ,3.141
        > DEBUG PROTOCOL null                   < nil
        > DEBUG PROTOCOL array                  < [:0 :1 :2]
        > DEBUG PROTOCOL set                    < ~[:0 :1 :2]
        > DEBUG PROTOCOL map                    < %{:0 #f :1 #t :2 #f}
        > DEBUG PROTOCOL bignum                 < (1234567999999999999999999999999999999
        > DEBUG PROTOCOL true                   < #t
        > DEBUG PROTOCOL false                  < #f
        > DEBUG PROTOCOL verbatim               < =\"txt:This is a verbatim\\nstring\"
        > DEBUG PROTOCOL attrib                 < \"Some real reply following the attribute\"
        > DEBUG PROTOCOL x                      < -ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false
        > HELLO 2                               < *
        > DEBUG PROTOCOL attrib                 < \"Some real reply following the attribute\"
        > DEBUG PROTOCOL push                   < -ERR RESP2 is not supported by this command
        > DEBUG ERROR 'MY own error'            < -MY own error
        ",
    );
}

#[test]
fn client_eviction_is_shown_where_there_is_a_limit() {
    check(
        "
        > DEBUG CLIENT-EVICTION                 < -ERR maxmemory-clients is disabled.
        > CONFIG SET maxmemory-clients 100mb    < +OK
        > DEBUG CLIENT-EVICTION                 < =~'bucket          0 -      32767: tot-mem: *, clients: *bucket 4294967296+            : tot-mem:          0, clients: 0*'
        > CONFIG SET maxmemory-clients 0        < +OK
        ",
    );
}

#[test]
fn checksums_of_payloads_are_looked_at_unless_a_test_says_otherwise() {
    check(
        "
        > RESTORE k 0 \"\\x00\\xc0\\x0a\\x09\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\" < -ERR DUMP payload version or checksum are wrong
        > DEBUG SET-SKIP-CHECKSUM-VALIDATION 1  < +OK
        > RESTORE k 0 \"\\x00\\xc0\\x0a\\x09\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01\" < +OK
        > GET k                                 < \"10\"
        > DEBUG SET-SKIP-CHECKSUM-VALIDATION 0  < +OK
        > RESTORE l 0 \"\\x00\\xc0\\x0a\\x09\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x01\" < -ERR DUMP payload version or checksum are wrong
        ",
    );
}

#[cfg(feature = "script")]
#[test]
fn a_test_may_let_scripts_call_everything() {
    check(
        "
        > EVAL \"return redis.call('config','get','port')[1]\" 0 < -ERR This Redis command is not allowed from script*
        > DEBUG SET-DISABLE-DENY-SCRIPTS 1      < +OK
        > EVAL \"return redis.call('config','get','port')[1]\" 0 < \"port\"
        > DEBUG SET-DISABLE-DENY-SCRIPTS 0      < +OK
        > EVAL \"return redis.call('config','get','port')[1]\" 0 < -ERR This Redis command is not allowed from script*
        ",
    );
}

#[test]
fn nothing_expires_in_the_background_while_time_is_paused() {
    check(
        "
        ! no-oracle
        > DEBUG PAUSE-CRON 1                    < +OK
        > SET k v PX 100                        < +OK
        ! advance 10s
        > DBSIZE                                < :1
        > DEBUG PAUSE-CRON 0                    < +OK
        > GET k                                 < nil
        > DBSIZE                                < :0
        ",
    );
}

#[test]
fn a_key_that_is_due_is_no_part_of_the_digest() {
    check(
        "
        > DEBUG SET-ACTIVE-EXPIRE 0    < +OK
        > DEBUG DIGEST                 < +0000000000000000000000000000000000000000
        > SET due v PX 5               < +OK
        ! advance 10ms
        > DEBUG DIGEST                 < +0000000000000000000000000000000000000000
        ",
    );
}

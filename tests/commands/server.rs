//! The server as a whole: INFO, its data, its memory, its settings, and what it says of its commands.

use super::check;

#[test]
fn a_name_that_is_no_command_is_refused() {
    check("> Xserver  < -ERR unknown command 'Xserver', with args beginning with: *");
}

#[test]
fn dbsize_counts_the_keys_of_the_selected_database() {
    check(
        "
        > DBSIZE                                < :0
        > SET a 1                               < +OK
        > RPUSH b 1 2 3                         < :3
        > SET c 1 EX 100                        < +OK
        > DBSIZE                                < :3
        > SELECT 1                              < +OK
        > DBSIZE                                < :0
        > DBSIZE x                              < -ERR wrong number of arguments for 'dbsize' command
        ",
    );
}

#[test]
fn flushdb_empties_one_database_and_flushall_all_of_them() {
    check(
        "
        > SET a 1                               < +OK
        > SELECT 1                              < +OK
        > SET b 1                               < +OK
        > RPUSH l x y                           < :2
        > FLUSHDB                               < +OK
        > DBSIZE                                < :0
        > GET b                                 < nil
        > SELECT 0                              < +OK
        > GET a                                 < \"1\"
        > SELECT 1                              < +OK
        > SET b 1                               < +OK
        > FLUSHALL async                        < +OK
        > DBSIZE                                < :0
        > SELECT 0                              < +OK
        > DBSIZE                                < :0
        > SET a 1                               < +OK
        > FLUSHALL SYNC                         < +OK
        > FLUSHDB ASYNC                         < +OK
        > DBSIZE                                < :0
        > FLUSHDB x                             < -ERR syntax error
        > FLUSHALL ASYNC SYNC                   < -ERR syntax error
        > FLUSHALL ASYNC x                      < -ERR syntax error
        ",
    );
}

#[test]
fn flushing_does_not_wake_those_who_wait() {
    check(
        "
        a> BLPOP l 0                            < blocks
        b> RPUSH other x                        < :1
        b> FLUSHALL                             < +OK
        b> RPUSH l v                            < :1
        a<                                        [\"l\" \"v\"]
        ",
    );
}

#[test]
fn swapdb_exchanges_what_clients_see_and_leaves_them_where_they_are() {
    check(
        "
        a> SET k zero                           < +OK
        b> SELECT 1                             < +OK
        b> SET k one                            < +OK
        b> SET only-here x EX 100               < +OK
        b> SWAPDB 0 1                           < +OK
        a> GET k                                < \"one\"
        a> TTL only-here                        < :99..100
        b> GET k                                < \"zero\"
        b> DBSIZE                               < :1
        b> SWAPDB 1 1                           < +OK
        b> GET k                                < \"zero\"
        b> SWAPDB a 1                           < -ERR invalid first DB index
        b> SWAPDB 1 a                           < -ERR invalid second DB index
        b> SWAPDB 1 99999999999                 < -ERR invalid second DB index
        b> SWAPDB 99 1                          < -ERR DB index is out of range
        b> SWAPDB 1 99                          < -ERR DB index is out of range
        b> SWAPDB -1 0                          < -ERR DB index is out of range
        b> SWAPDB 1                             < -ERR wrong number of arguments for 'swapdb' command
        ",
    );
}

#[test]
fn swapdb_serves_those_who_wait_for_what_comes_to_their_database() {
    check(
        "
        a> BLPOP l 0                            < blocks
        b> SELECT 1                             < +OK
        b> RPUSH l v w                          < :2
        b> SWAPDB 0 1                           < +OK
        a<                                        [\"l\" \"v\"]
        a> LRANGE l 0 -1                        < [\"w\"]
        ",
    );
}

#[test]
fn time_is_seconds_and_microseconds() {
    check(
        "
        > TIME                                  < [* *]
        > TIME x                                < -ERR wrong number of arguments for 'time' command
        > LASTSAVE                              < :1..99999999999
        > LASTSAVE x                            < -ERR wrong number of arguments for 'lastsave' command
        ",
    );
}

#[test]
fn shutdown_is_refused_where_its_options_contradict_each_other() {
    check(
        "
        > SHUTDOWN x                            < -ERR syntax error
        > SHUTDOWN SAVE NOSAVE                  < -ERR syntax error
        > SHUTDOWN NOSAVE ABORT                 < -ERR syntax error
        > SHUTDOWN NOW ABORT                    < -ERR syntax error
        > SHUTDOWN abort                        < -ERR No shutdown in progress.
        > PING                                  < +PONG
        ",
    );
}

#[test]
fn shutdown_does_not_pretend_to_have_saved() {
    check(
        "
        ! no-oracle
        > SHUTDOWN SAVE                         < -ERR Errors trying to SHUTDOWN. Check logs.
        > SHUTDOWN SAVE NOW                     < -ERR Errors trying to SHUTDOWN. Check logs.
        > PING                                  < +PONG
        ",
    );
}

#[test]
fn info_shows_the_sections_asked_for_in_its_own_order() {
    check(
        "
        > INFO cluster                          < \"# Cluster\\r\\ncluster_enabled:0\\r\\n\"
        > INFO CLUSTER cluster                  < \"# Cluster\\r\\ncluster_enabled:0\\r\\n\"
        > INFO keyspace cluster                 < \"# Cluster\\r\\ncluster_enabled:0\\r\\n\\r\\n# Keyspace\\r\\n\"
        > INFO fnord                            < \"\"
        > INFO fnord cluster                    < \"# Cluster\\r\\ncluster_enabled:0\\r\\n\"
        > INFO server                           < =~\"# Server\\r\\nredis_version:7.*\\r\\nrun_id:*\"
        > INFO server                           < =~\"*tcp_port:*uptime_in_seconds:*config_file:*\"
        > INFO clients                          < =~\"# Clients\\r\\nconnected_clients:*maxclients:*blocked_clients:0*\"
        > INFO memory                           < =~\"# Memory\\r\\nused_memory:*used_memory_human:*mem_fragmentation_ratio:*\"
        > INFO persistence                      < =~\"# Persistence\\r\\nloading:0\\r\\n*rdb_last_bgsave_status:ok*aof_enabled:0*\"
        > INFO replication                      < =~\"# Replication\\r\\nrole:master\\r\\nconnected_slaves:0\\r\\n*\"
        > INFO cpu                              < =~\"# CPU\\r\\nused_cpu_sys:*.*\\r\\nused_cpu_user:*\"
        > INFO                                  < =~\"# Server*# Clients*# Memory*# Persistence*# Stats*# Replication*# CPU*# Modules*# Errorstats*# Cluster*# Keyspace*\"
        > INFO all                              < =~\"# Server*# CPU*# Commandstats*# Errorstats*# Latencystats*# Cluster*# Keyspace*\"
        > INFO everything                       < =~\"# Server*# CPU*# Modules*# Commandstats*# Errorstats*# Latencystats*\"
        > INFO default commandstats             < =~\"# Server*# Modules*# Commandstats*# Errorstats*# Keyspace*\"
        ",
    );
}

#[test]
fn info_keyspace_counts_keys_and_deadlines() {
    check(
        "
        > INFO keyspace                         < \"# Keyspace\\r\\n\"
        > SET a 1                               < +OK
        > SET b 1                               < +OK
        > INFO keyspace                         < \"# Keyspace\\r\\ndb0:keys=2,expires=0,avg_ttl=0\\r\\n\"
        > SELECT 3                              < +OK
        > SET b 1 EX 100                        < +OK
        > INFO keyspace                         < =~\"# Keyspace\\r\\ndb0:keys=2,expires=0,avg_ttl=0\\r\\ndb3:keys=1,expires=1,avg_ttl=*\\r\\n\"
        ",
    );
}

#[test]
fn info_stats_counts_hits_misses_and_errors_since_resetstat() {
    check(
        "
        > SET a 1                               < +OK
        > CONFIG RESETSTAT                      < +OK
        > GET a                                 < \"1\"
        > GET a                                 < \"1\"
        > GET nosuch                            < nil
        > INFO stats                            < =~\"*keyspace_hits:2\\r\\nkeyspace_misses:1\\r\\n*\"
        > LPUSH a x                             < -WRONGTYPE *
        > LPUSH a                               < -ERR wrong number of arguments for 'lpush' command
        > FNORD                                 < -ERR unknown command*
        > INFO errorstats                       < \"# Errorstats\\r\\nerrorstat_ERR:count=2\\r\\nerrorstat_WRONGTYPE:count=1\\r\\n\"
        > INFO stats                            < =~\"*total_error_replies:3\\r\\n*\"
        > INFO commandstats                     < =~\"*cmdstat_get:calls=3,usec=*,usec_per_call=*.*,rejected_calls=0,failed_calls=0\\r\\n*\"
        > INFO commandstats                     < =~\"*cmdstat_lpush:calls=1,usec=*,usec_per_call=*,rejected_calls=1,failed_calls=1\\r\\n*\"
        > CONFIG RESETSTAT                      < +OK
        > INFO errorstats                       < \"# Errorstats\\r\\n\"
        > INFO stats                            < =~\"*keyspace_hits:0\\r\\nkeyspace_misses:0\\r\\n*\"
        ",
    );
}

#[test]
fn info_counts_those_who_wait() {
    check(
        "
        a> BLPOP l m 0                          < blocks
        b> BLPOP m 100                          < blocks
        c> INFO clients                         < =~\"*blocked_clients:2\\r\\n*clients_in_timeout_table:1\\r\\n*\"
        c> RPUSH m x y                          < :2
        a<                                        [\"m\" \"x\"]
        b<                                        [\"m\" \"y\"]
        c> INFO clients                         < =~\"*blocked_clients:0\\r\\n*clients_in_timeout_table:0\\r\\n*\"
        ",
    );
}

#[test]
fn expired_keys_are_counted() {
    check(
        "
        > CONFIG RESETSTAT                      < +OK
        > SET a 1 PX 10                         < +OK
        ! advance 20ms
        > GET a                                 < nil
        > INFO stats                            < =~\"*expired_keys:1\\r\\n*\"
        ",
    );
}

#[test]
fn memory_usage_is_known_for_every_key() {
    check(
        "
        > SET s x                               < +OK
        > RPUSH l a b c                         < :3
        > MEMORY USAGE s                        < :1..500
        > MEMORY USAGE l SAMPLES 0              < :1..1000
        > MEMORY USAGE l samples 5              < :1..1000
        > MEMORY USAGE nosuch                   < nil
        > MEMORY USAGE s SAMPLES                < -ERR syntax error
        > MEMORY USAGE s SAMPLES -1             < -ERR syntax error
        > MEMORY USAGE s SAMPLES a              < -ERR value is not an integer or out of range
        > MEMORY USAGE s x 1                    < -ERR syntax error
        > MEMORY USAGE                          < -ERR wrong number of arguments for 'memory|usage' command
        > MEMORY                                < -ERR wrong number of arguments for 'memory' command
        > MEMORY fnord                          < -ERR unknown subcommand 'fnord'. Try MEMORY HELP.
        > MEMORY PURGE                          < +OK
        > MEMORY DOCTOR                         < *
        > MEMORY MALLOC-STATS                   < *
        > MEMORY STATS                          < *
        > MEMORY HELP                           < *
        ",
    );
}

#[test]
fn the_peak_of_memory_used_outlives_a_flush() {
    check(
        "
        ! no-oracle
        > DEBUG POPULATE 60000                  < +OK
        > FLUSHALL                              < +OK
        > INFO memory                           < =~\"*used_memory_peak_perc:0.*\"
        ",
    );
}

#[test]
fn config_get_answers_names_and_patterns_in_any_case() {
    check(
        "
        > CONFIG GET timeout                    < [\"timeout\" \"0\"]
        > CONFIG GET TimeOut                    < [\"TimeOut\" \"0\"]
        > CONFIG GET maxmemory-p*               < [\"maxmemory-policy\" \"noeviction\"]
        > CONFIG GET fnord                      < []
        > CONFIG GET *fnord* timeout            < [\"timeout\" \"0\"]
        > CONFIG GET                            < -ERR wrong number of arguments for 'config|get' command
        ",
    );
}

#[test]
fn config_set_sets_all_or_nothing() {
    check(
        "
        > CONFIG SET timeout 10 hz 20           < +OK
        > CONFIG GET timeout                    < [\"timeout\" \"10\"]
        > CONFIG GET hz                         < [\"hz\" \"20\"]
        > CONFIG SET timeout 20 hz fnord        < -ERR CONFIG SET failed (possibly related to argument 'hz') - *
        > CONFIG SET timeout 20 fnord 1         < -ERR Unknown option or number of arguments for CONFIG SET - 'fnord'
        > CONFIG SET timeout 20 timeout 30      < -ERR CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter
        > CONFIG SET port 1 databases 7         < -ERR CONFIG SET failed (possibly related to argument *
        > CONFIG GET timeout                    < [\"timeout\" \"10\"]
        > CONFIG SET timeout 0 hz 10            < +OK
        > CONFIG SET timeout                    < -ERR wrong number of arguments for 'config|set' command
        > CONFIG SET timeout 1 hz               < -ERR syntax error
        > CONFIG fnord                          < -ERR unknown subcommand 'fnord'. Try CONFIG HELP.
        > CONFIG                                < -ERR wrong number of arguments for 'config' command
        > CONFIG REWRITE                        < -ERR *
        > CONFIG REWRITE x                      < -ERR wrong number of arguments for 'config|rewrite' command
        > CONFIG RESETSTAT x                    < -ERR wrong number of arguments for 'config|resetstat' command
        > CONFIG HELP                           < *
        ",
    );
}

#[test]
fn settings_that_shards_ask_for_take_effect_at_once() {
    check(
        "
        > CONFIG SET list-max-listpack-size 2   < +OK
        > RPUSH l a b c d e                     < :5
        > OBJECT ENCODING l                     < \"quicklist\"
        > CONFIG SET list-max-listpack-size -2  < +OK
        ",
    );
}

#[test]
fn command_info_describes_commands_by_their_rows() {
    check(
        "
        > COMMAND INFO get                      < [[\"get\" :2 [+readonly +fast] :1 :1 :1 [+@read +@string +@fast] [] [[\"flags\" [+RO +access] \"begin_search\" [\"type\" \"index\" \"spec\" [\"index\" :1]] \"find_keys\" [\"type\" \"range\" \"spec\" [\"lastkey\" :0 \"keystep\" :1 \"limit\" :0]]]] []]]
        > COMMAND INFO fnord CONFIG|GET get|x   < [nil [\"config|get\" :-3 [+admin +noscript +loading +stale] :0 :0 :0 [+@admin +@slow +@dangerous] [] [] []] nil]
        > COMMAND INFO rename                   < [[\"rename\" :3 [+write] :1 :2 :1 [+@keyspace +@write +@slow] [] [[\"flags\" [+RW +access +delete] \"begin_search\" [\"type\" \"index\" \"spec\" [\"index\" :1]] \"find_keys\" [\"type\" \"range\" \"spec\" [\"lastkey\" :0 \"keystep\" :1 \"limit\" :0]]] [\"flags\" [+OW +update] \"begin_search\" [\"type\" \"index\" \"spec\" [\"index\" :2]] \"find_keys\" [\"type\" \"range\" \"spec\" [\"lastkey\" :0 \"keystep\" :1 \"limit\" :0]]]] []]]
        > COMMAND INFO lmpop                    < [[\"lmpop\" :-4 [+write +movablekeys] :0 :0 :0 [+@write +@list +@slow] [] [[\"flags\" [+RW +access +delete] \"begin_search\" [\"type\" \"index\" \"spec\" [\"index\" :1]] \"find_keys\" [\"type\" \"keynum\" \"spec\" [\"keynumidx\" :0 \"firstkey\" :1 \"keystep\" :1]]]] []]]
        > COMMAND INFO mset                     < [[\"mset\" :-3 [+write +denyoom] :1 :-1 :2 [+@write +@string +@slow] [\"request_policy:multi_shard\" \"response_policy:all_succeeded\"] * []]]
        > COMMAND COUNT                         < :50..1000
        > COMMAND COUNT x                       < -ERR wrong number of arguments for 'command|count' command
        > COMMAND                               < *
        > COMMAND INFO                          < *
        > COMMAND HELP                          < *
        > COMMAND fnord                         < -ERR unknown subcommand 'fnord'. Try COMMAND HELP.
        ",
    );
}

#[test]
fn command_docs_has_the_arguments_as_a_tree() {
    check(
        "
        ! only 7.2
        > COMMAND DOCS get                      < [\"get\" [\"summary\" \"Returns the string value of a key.\" \"since\" \"1.0.0\" \"group\" \"string\" \"complexity\" \"O(1)\" \"arguments\" [[\"name\" \"key\" \"type\" \"key\" \"display_text\" \"key\" \"key_spec_index\" :0]]]]
        > COMMAND DOCS fnord Linsert            < [\"linsert\" [\"summary\" * \"since\" \"2.2.0\" \"group\" \"list\" \"complexity\" * \"arguments\" [[\"name\" \"key\" \"type\" \"key\" \"display_text\" \"key\" \"key_spec_index\" :0] [\"name\" \"where\" \"type\" \"oneof\" \"arguments\" [[\"name\" \"before\" \"type\" \"pure-token\" \"display_text\" \"before\" \"token\" \"BEFORE\"] [\"name\" \"after\" \"type\" \"pure-token\" \"display_text\" \"after\" \"token\" \"AFTER\"]]] [\"name\" \"pivot\" \"type\" \"string\" \"display_text\" \"pivot\"] [\"name\" \"element\" \"type\" \"string\" \"display_text\" \"element\"]]]]
        > COMMAND DOCS config|help              < [\"config|help\" [\"summary\" \"Returns helpful text about the different subcommands.\" \"since\" \"5.0.0\" \"group\" \"server\" \"complexity\" \"O(1)\"]]
        > COMMAND DOCS                          < *
        > COMMAND DOCS fnord                    < []
        ",
    );
}

#[test]
fn command_getkeys_finds_the_keys_of_a_command() {
    check(
        "
        > COMMAND GETKEYS get a                 < [\"a\"]
        > COMMAND GETKEYS mset a 1 b 2          < [\"a\" \"b\"]
        > COMMAND GETKEYS blpop a b 0           < [\"a\" \"b\"]
        > COMMAND GETKEYS lmpop 2 a b left      < [\"a\" \"b\"]
        > COMMAND GETKEYS lmpop 3 a b left      < [\"a\" \"b\" \"left\"]
        > COMMAND GETKEYS lmpop 9 a b left      < -ERR Invalid arguments specified for command
        > COMMAND GETKEYS lmpop 0 a b left      < -ERR Invalid arguments specified for command
        > COMMAND GETKEYS lmpop x a b left      < -ERR Invalid arguments specified for command
        > COMMAND GETKEYS object encoding a     < [\"a\"]
        > COMMAND GETKEYS memory usage a        < [\"a\"]
        > COMMAND GETKEYS ping x                < -ERR The command has no key arguments
        > COMMAND GETKEYS config get x          < -ERR The command has no key arguments
        > COMMAND GETKEYS config fnord          < -ERR Invalid command specified
        > COMMAND GETKEYS fnord x               < -ERR Invalid command specified
        > COMMAND GETKEYS get a b               < -ERR Invalid number of arguments specified for command
        > COMMAND GETKEYS blpop a               < -ERR Invalid number of arguments specified for command
        > COMMAND GETKEYSANDFLAGS lmove a b left left  < [[\"a\" [+RW +access +delete]] [\"b\" [+RW +insert]]]
        > COMMAND GETKEYSANDFLAGS set a 1       < [[\"a\" [+OW +update]]]
        > COMMAND GETKEYSANDFLAGS set a 1 get   < [[\"a\" [+RW +access +update]]]
        > COMMAND GETKEYSANDFLAGS copy a b      < [[\"a\" [+RO +access]] [\"b\" [+OW +update]]]
        > COMMAND GETKEYS                       < -ERR wrong number of arguments for 'command|getkeys' command
        ",
    );
}

#[test]
fn command_list_filters_full_names() {
    check(
        "
        > COMMAND LIST                          < *
        > COMMAND LIST FILTERBY PATTERN config|*  < {\"config|get\" \"config|set\" \"config|help\" \"config|resetstat\" \"config|rewrite\"}
        > COMMAND LIST filterby pattern SWAPD?  < [\"swapdb\"]
        > COMMAND LIST FILTERBY ACLCAT fnord    < []
        > COMMAND LIST FILTERBY MODULE fnord    < []
        > COMMAND LIST FILTERBY                 < -ERR syntax error
        > COMMAND LIST FILTERBY ACLCAT          < -ERR syntax error
        > COMMAND LIST FILTERBY fnord x         < -ERR syntax error
        > COMMAND LIST FILTERBY ACLCAT read x   < -ERR syntax error
        > COMMAND LIST x                        < -ERR syntax error
        ",
    );
}

#[test]
fn debug_helps_tests_of_clients() {
    check(
        "
        ! no-oracle
        > DEBUG POPULATE 3                      < +OK
        > KEYS *                                < {\"key:0\" \"key:1\" \"key:2\"}
        > GET key:2                             < \"value:2\"
        > SET key:1 mine                        < +OK
        > DEBUG POPULATE 20000 key 10           < +OK
        > DBSIZE                                < :20000
        > GET key:0                             < \"value:0\"
        > GET key:1                             < \"mine\"
        > GET key:7                             < \"value:7\\x00\\x00\\x00\"
        > GET key:19999                         < \"value:1999\"
        > DEBUG POPULATE -1                     < -ERR value is out of range, must be positive
        > DEBUG POPULATE x                      < -ERR value is out of range, must be positive
        > DEBUG POPULATE 1 k 9999999999999      < -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        > DEBUG POPULATE                        < -ERR unknown subcommand or wrong number of arguments for 'POPULATE'. Try DEBUG HELP.
        > DEBUG OBJECT key:0                    < +Value at:* refcount:1 encoding:embstr serializedlength:* lru:* lru_seconds_idle:*
        > DEBUG OBJECT nosuch                   < -ERR no such key
        > DEBUG SLEEP 0                         < +OK
        > DEBUG sleep x                         < +OK
        > DEBUG SET-ACTIVE-EXPIRE 0             < +OK
        > DEBUG SET-ACTIVE-EXPIRE 1             < +OK
        > DEBUG ERROR \"MINE is this\"          < -MINE is this
        > DEBUG PROTOCOL integer                < :12345
        > DEBUG PROTOCOL fnord                  < -ERR Wrong protocol type name. *
        > DEBUG SEGFAULT                        < -ERR DEBUG SEGFAULT is not supported: *
        > DEBUG HELP                            < *
        > DEBUG                                 < -ERR wrong number of arguments for 'debug' command
        ",
    );
}

#[test]
fn every_container_explains_itself() {
    check(
        "
        > CLIENT HELP                           < *
        > COMMAND HELP                          < *
        > CONFIG HELP                           < [+CONFIG* +GET* * * * * * * * +HELP *]
        > MEMORY HELP                           < *
        > OBJECT HELP                           < *
        > CONFIG HELP x                         < -ERR wrong number of arguments for 'config|help' command
        ",
    );
}

#[test]
fn what_redis_own_tests_ask_of_debug_is_answered_or_refused() {
    check(
        r#"
        ! no-oracle
        > SET k v EX 100                         < +OK
        > DEBUG HTSTATS 0                        < =~"*elements: 1*Expires HT*elements: 1*"
        > DEBUG HTSTATS 99                       < -ERR Out of range database
        > DEBUG QUICKLIST-PACKED-THRESHOLD 100b  < +OK
        > DEBUG QUICKLIST-PACKED-THRESHOLD x     < -ERR argument must be a memory value*
        > DEBUG REPLYBUFFER RESIZING 0           < +OK
        > DEBUG CHANGE-REPL-ID                   < -ERR DEBUG CHANGE-REPL-ID is not supported*
        > DEBUG PROTOCOL attrib                  < "Some real reply following the attribute"
        > DEBUG JMAP                             < -ERR unknown subcommand*
    "#,
    );
}

#[test]
fn there_are_no_modules_and_none_can_be_loaded() {
    check(
        r#"
        > MODULE LIST              < []
        > MODULE LOAD x.so         < -ERR MODULE command not allowed. If the enable-module-command option is set to "local"*
        > MODULE LOADEX x.so       < -ERR MODULE command not allowed*
        > MODULE UNLOAD x          < -ERR MODULE command not allowed*
        > MODULE HELP              < *
        > MODULE FOO               < -ERR unknown subcommand 'FOO'. Try MODULE HELP.
        "#,
    );
}

#[test]
fn clients_may_claim_what_they_can() {
    check(
        r#"
        ! only 7.2
        > CLIENT CAPA redirect     < +OK
        > CLIENT CAPA              < -ERR wrong number of arguments for 'client|capa' command
        "#,
    );
}

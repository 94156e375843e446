//! Transactions.

use crate::check;

#[test]
fn commands_are_queued_and_run_together() {
    check(
        "
        > MULTI                             < +OK
        > SET a 1                           < +QUEUED
        > INCR a                            < +QUEUED
        > RPUSH l x y                       < +QUEUED
        > LRANGE l 0 -1                     < +QUEUED
        > EXEC                              < [+OK :2 :2 [\"x\" \"y\"]]
        > GET a                             < \"2\"
        > MULTI                             < +OK
        > EXEC                              < []
        ",
    );
}

#[test]
fn what_goes_wrong_before_exec_refuses_all_and_what_goes_wrong_within_refuses_itself() {
    check(
        "
        > EXEC                              < -ERR EXEC without MULTI
        > DISCARD                           < -ERR DISCARD without MULTI
        > MULTI                             < +OK
        > SET a 1                           < +QUEUED
        > NOSUCH                            < -ERR unknown command 'NOSUCH', with args beginning with: *
        > EXEC                              < -EXECABORT Transaction discarded because of previous errors.
        > EXISTS a                          < :0
        > MULTI                             < +OK
        > SET a                             < -ERR wrong number of arguments for 'set' command
        > SET a 1                           < +QUEUED
        > EXEC                              < -EXECABORT Transaction discarded because of previous errors.
        > MULTI                             < +OK
        > EXEC x                            < -EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command
        > EXEC                              < -ERR EXEC without MULTI
        > MULTI                             < +OK
        > MULTI                             < -ERR MULTI calls can not be nested
        > WATCH a                           < -ERR WATCH inside MULTI is not allowed
        > SET a text                        < +QUEUED
        > INCR a                            < +QUEUED
        > LPUSH a x                         < +QUEUED
        > SET b 2                           < +QUEUED
        > EXEC                              < [+OK -ERR*integer* -WRONGTYPE* +OK]
        > MGET a b                          < [\"text\" \"2\"]
        > MULTI                             < +OK
        > SET a other                       < +QUEUED
        > DISCARD                           < +OK
        > GET a                             < \"text\"
        > MULTI                             < +OK
        > RESET                             < +RESET
        > EXEC                              < -ERR EXEC without MULTI
        ",
    );
}

#[test]
fn a_watched_key_that_changes_refuses_the_transaction() {
    check(
        "
        a> SET k 1                          < +OK
        a> WATCH k other                    < +OK
        a> MULTI                            < +OK
        a> SET k 2                          < +QUEUED
        b> SET k 3                          < +OK
        a> EXEC                             < nil-array
        a> GET k                            < \"3\"
        # The watch is over.
        a> MULTI                            < +OK
        a> SET k 4                          < +QUEUED
        b> SET k 5                          < +OK
        a> EXEC                             < [+OK]
        # What looks is no change, nor is what changes nothing.
        a> WATCH k none                     < +OK
        b> GET k                            < \"4\"
        b> PERSIST k                        < :0
        b> DEL none                         < :0
        a> MULTI                            < +OK
        a> PING                             < +QUEUED
        a> EXEC                             < [+PONG]
        # Whoever watches may change it as well.
        a> WATCH k                          < +OK
        a> SET k 6                          < +OK
        a> MULTI                            < +OK
        a> EXEC                             < nil-array
        # An error while queueing counts before.
        a> WATCH k                          < +OK
        a> SET k 7                          < +OK
        a> MULTI                            < +OK
        a> NOSUCH                           < -ERR*
        a> EXEC                             < -EXECABORT*
        a> WATCH k                          < +OK
        a> SET k 8                          < +OK
        a> UNWATCH                          < +OK
        a> MULTI                            < +OK
        a> EXEC                             < []
        a> WATCH k                          < +OK
        a> SET k 8                          < +OK
        a> MULTI                            < +OK
        a> DISCARD                          < +OK
        a> MULTI                            < +OK
        a> EXEC                             < []
        ",
    );
}

#[test]
fn every_kind_of_change_is_seen_by_those_who_watch() {
    for change in [
        "APPEND k x",
        "SETRANGE k 0 x",
        "INCR n",
        "DEL k",
        "UNLINK k",
        "EXPIRE k 100",
        "PEXPIRE k 0",
        "GETEX k EX 100",
        "GETDEL k",
        "RENAME k other",
        "RENAME l k",
        "MOVE k 1",
        "COPY l k REPLACE",
        "LPUSH l z",
        "LPOP l",
        "LSET l 0 q",
        "LTRIM l 1 0",
        "MSET k 1 n 2",
        "FLUSHDB",
        "FLUSHALL",
        "SWAPDB 0 1",
        "RPOPLPUSH l made",
        "SETNX made x",
    ] {
        check(&format!(
            "
            a> SET k v                      < +OK
            a> SET n 1                      < +OK
            a> RPUSH l a b c                < :3
            a> WATCH k n l made             < +OK
            b> {change}                     < *
            a> MULTI                        < +OK
            a> PING                         < +QUEUED
            a> EXEC                         < nil-array
            "
        ));
    }
    for idle in ["FLUSHDB", "SWAPDB 0 0", "SET other x", "SELECT 1", "EXPIRE none 10", "LPUSHX none x"] {
        check(&format!(
            "
            a> WATCH k none                 < +OK
            b> {idle}                       < *
            a> MULTI                        < +OK
            a> EXEC                         < []
            "
        ));
    }
}

#[test]
fn a_watched_key_that_expires_refuses_the_transaction_and_one_that_had_expired_does_not() {
    check(
        "
        > SET k v PX 1000                   < +OK
        > WATCH k                           < +OK
        ! advance 2s
        > MULTI                             < +OK
        > SET done 1                        < +QUEUED
        > EXEC                              < nil-array
        > SET k v PX 1000                   < +OK
        ! advance 2s
        > WATCH k                           < +OK
        > MULTI                             < +OK
        > EXEC                              < []
        > WATCH k                           < +OK
        > SET k v                           < +OK
        > MULTI                             < +OK
        > EXEC                              < nil-array
        ",
    );
}

#[test]
fn commands_that_wait_do_not_wait_within_a_transaction() {
    check(
        "
        > MULTI                             < +OK
        > BLPOP l 0                         < +QUEUED
        > BLMOVE l m LEFT LEFT 0            < +QUEUED
        > RPUSH l a b                       < +QUEUED
        > BRPOP l 0                         < +QUEUED
        > BLMPOP 0 1 none LEFT              < +QUEUED
        > EXEC                              < [nil-array nil :2 [\"l\" \"b\"] nil-array]
        ",
    );
}

#[test]
fn who_waits_is_served_when_the_transaction_is_over() {
    check(
        "
        a> BLPOP l 0                        < blocks
        b> MULTI                            < +OK
        b> RPUSH l x                        < +QUEUED
        b> RPUSH l y                        < +QUEUED
        b> LPOP l                           < +QUEUED
        b> EXEC                             < [:1 :2 \"x\"]
        a< [\"l\" \"y\"]
        a> BLPOP l 0                        < blocks
        b> MULTI                            < +OK
        b> RPUSH l x                        < +QUEUED
        b> DEL l                            < +QUEUED
        b> EXEC                             < [:1 :1]
        b> RPUSH l z                        < :1
        a< [\"l\" \"z\"]
        ",
    );
}

#[test]
fn a_transaction_reaches_databases_and_the_whole() {
    check(
        "
        > MULTI                             < +OK
        > SELECT 1                          < +QUEUED
        > SET k one                         < +QUEUED
        > SELECT 0                          < +QUEUED
        > DBSIZE                            < +QUEUED
        > SWAPDB 0 1                        < +QUEUED
        > GET k                             < +QUEUED
        > SET x y                           < +QUEUED
        > KEYS *                            < +QUEUED
        > FLUSHALL                          < +QUEUED
        > DBSIZE                            < +QUEUED
        > CONFIG SET list-max-listpack-size 2  < +QUEUED
        > RPUSH l a b c                     < +QUEUED
        > OBJECT ENCODING l                 < +QUEUED
        > CONFIG SET list-max-listpack-size -2  < +QUEUED
        > EXEC                              < [+OK +OK +OK :0 +OK \"one\" +OK {\"k\" \"x\"} +OK :0 +OK :3 \"quicklist\" +OK]
        > MULTI                             < +OK
        > INFO                              < +QUEUED
        > MEMORY STATS                      < +QUEUED
        > CONFIG RESETSTAT                  < +QUEUED
        > CLIENT UNBLOCK 0                  < +QUEUED
        > DEBUG SLEEP 0                     < +QUEUED
        > RANDOMKEY                         < +QUEUED
        > EXEC                              < [* * +OK :0 +OK \"l\"]
        ",
    );
}

#[test]
fn client_list_tells_of_transactions() {
    check(
        "
        ! no-oracle
        a> CLIENT SETNAME a                 < +OK
        b> CLIENT LIST                      < =~\"*name=a *multi=-1 *\"
        a> MULTI                            < +OK
        a> PING                             < +QUEUED
        a> PING                             < +QUEUED
        b> CLIENT LIST                      < =~\"*name=a *flags=x *multi=2 *\"
        a> DISCARD                          < +OK
        b> CLIENT LIST                      < =~\"*name=a *multi=-1 *\"
        ",
    );
}

//! `maxmemory`: what happens when memory is used up.
//!
//! The setting is the whole server's, and scripts share their oracle: so these are compared with one by hand only, with
//! `! no-oracle` taken away and `--test-threads=1`.

use crate::check;

#[test]
fn without_eviction_writes_that_take_memory_are_refused_and_others_are_not() {
    check(
        "
        ! no-oracle
        > SET k v                           < +OK
        > RPUSH l a b                       < :2
        > CONFIG SET maxmemory 1            < +OK
        > SET k longer                      < -OOM command not allowed when used memory > 'maxmemory'.
        > INCR n                            < -OOM*
        > LPUSH l c                         < -OOM*
        > GET k                             < \"v\"
        > LPOP l                            < \"a\"
        > EXPIRE k 100                      < :1
        > DEL k                             < :1
        > CONFIG SET maxmemory 0            < +OK
        > SET k longer                      < +OK
        ",
    );
}

#[test]
fn nothing_is_queued_when_memory_is_used_up() {
    check(
        "
        ! no-oracle
        > SET k v                           < +OK
        > MULTI                             < +OK
        > SET k w                           < +QUEUED
        b> CONFIG SET maxmemory 1           < +OK
        > EXEC                              < -EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.
        > MULTI                             < +OK
        > GET k                             < -OOM*
        > EXEC                              < -EXECABORT*
        > MULTI                             < +OK
        b> CONFIG SET maxmemory 0           < +OK
        > GET k                             < +QUEUED
        b> CONFIG SET maxmemory 1           < +OK
        > EXEC                              < [\"v\"]
        > CONFIG SET maxmemory 0            < +OK
        ",
    );
}

#[test]
fn frequency_is_told_where_it_is_counted_and_idle_time_where_not() {
    check(
        "
        ! no-oracle
        > SET k v                           < +OK
        > OBJECT FREQ k                     < -ERR An LFU maxmemory policy is not selected, access frequency not tracked.*
        > OBJECT IDLETIME k                 < :0
        > CONFIG SET maxmemory-policy allkeys-lfu  < +OK
        > SET fresh v                       < +OK
        > OBJECT FREQ fresh                 < :5
        > OBJECT FREQ none                  < nil
        > OBJECT IDLETIME fresh             < -ERR An LFU maxmemory policy is selected, idle time not tracked.*
        > CONFIG SET maxmemory-policy noeviction  < +OK
        ",
    );
}

//! `MONITOR` and `LOLWUT`.
//! A real server shows what the harness asks it, too, so these scripts stay here.

use super::check;

#[test]
fn whoever_monitors_is_shown_what_others_run() {
    check(
        r#"
        ! no-oracle
        m> MONITOR                               < +OK
        > SET k "v\r\n\"\x01\\"                  < +OK
        m< +*.* [0 *] "SET" "k" "v*r*n*x01*"
        > SELECT 5                               < +OK
        m< +* [5 *] "SELECT" "5"
        # What fails is shown, what is refused is not.
        > LPUSH                                  < -ERR wrong *
        > INCRBY n x                             < -ERR value *
        m< +* [5 *] "INCRBY" "n" "x"
        # Nor what administrators do.
        > CONFIG GET port                        < *
        > AUTH secret                            < -ERR *
        m< +* [5 *] "AUTH" "(redacted)"
        > HELLO 2 AUTH default secret            < *
        m< +* [5 *] "HELLO" "2" "AUTH" "(redacted)" "(redacted)"
        > PING                                   < +PONG
        m< +* [5 *] "PING"
        # One that monitors may look at no keys, and sees itself.
        m> PING                                  < +PONG
        m< +* [0 *] "PING"
        m> GET k                                 < -ERR Replica can't interact with the keyspace
        m> MONITOR                               < none
        m> RESET                                 < +RESET
        > PING                                   < +PONG
        m> GET k                                 < "v\r\n\"\x01\\"
    "#,
    );
}

#[test]
fn what_runs_together_is_shown_when_it_runs() {
    check(
        r#"
        ! no-oracle
        m> MONITOR                               < +OK
        > MULTI                                  < +OK
        m< +* [0 *] "MULTI"
        > INCR n                                 < +QUEUED
        > MONITOR                                < +QUEUED
        > EXEC                                   < [:1 -ERR*MONITOR*isn't*allowed*for*DENY*BLOCKING*client]
        m< +* [0 *] "INCR" "n"
        m< +* [0 *] "EXEC"
        > MONITOR x                              < -ERR wrong *
        > BLPOP none 0.01                        < nil-array
        m< +* [0 *] "BLPOP" "none" "0.01"
        > PING                                   < +PONG
        m< +* "PING"
    "#,
    );
}

#[cfg(feature = "script")]
#[test]
fn scripts_are_shown_before_their_commands() {
    check(
        r#"
        ! no-oracle
        m> MONITOR                               < +OK
        > EVAL "redis.call('select',3); return redis.call('set',KEYS[1],'v')" 1 k    < +OK
        m< +* [0 *] "EVAL" *
        m< +* [3 lua] "select" "3"
        m< +* [3 lua] "set" "k" "v"
        > EVALSHA abc 0                          < -NOSCRIPT *
        m< +* [0 *] "EVALSHA" "abc" "0"
        > EVAL "return redis.call('monitor')" 0  < -ERR *
        m< +* [0 *] "EVAL" *
    "#,
    );
}

#[test]
fn lolwut_draws_what_fits() {
    check(
        r#"
        > LOLWUT                                 < =~"Redis ver. *"
        > LOLWUT VERSION 9                       < =~"Redis ver. *"
        > LOLWUT VERSION 5 10 2 2                < =~"*Redis ver. *"
        > LOLWUT VERSION 6 10 2                  < =~"*Redis ver. *"
        > LOLWUT VERSION 5 0 -1 99999            < =~"*Redis ver. *"
        > LOLWUT VERSION 5 x                     < -ERR value is not an integer or out of range
        > LOLWUT VERSION x                       < -ERR value is not an integer or out of range
    "#,
    );
}

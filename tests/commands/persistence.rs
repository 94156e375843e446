//! Saving, as its commands answer where there is nothing to save to; with a directory: `tests/persist.rs`.

use crate::check;

#[test]
fn saving_takes_no_arguments_and_no_transaction() {
    check(
        "
        > SAVE x                                < -ERR wrong number of arguments for 'save' command
        > BGSAVE x                              < -ERR syntax error
        > BGSAVE SCHEDULE x                     < -ERR syntax error
        > BGREWRITEAOF x                        < -ERR wrong number of arguments for 'bgrewriteaof' command
        > MULTI                                 < +OK
        > SAVE                                  < -ERR Command not allowed inside a transaction
        > DISCARD                               < +OK
        ",
    );
}

#[test]
fn an_engine_without_a_directory_cannot_save() {
    check(
        "
        ! no-oracle
        > SAVE                                  < -ERR*
        > BGSAVE                                < -ERR*
        > BGSAVE SCHEDULE                       < -ERR*
        > BGREWRITEAOF                          < +Background*
        > DEBUG RELOAD                          < -ERR*
        ",
    );
}

#[test]
fn rules_of_save_are_pairs_of_numbers() {
    check(
        "
        > CONFIG SET save '100 1'               < +OK
        > CONFIG GET save                       < [\"save\" \"100 1\"]
        > CONFIG SET save '5 1 5 1'             < +OK
        > CONFIG GET save                       < [\"save\" \"5 1 5 1\"]
        > CONFIG SET save 100                   < -ERR CONFIG SET failed (possibly related to argument 'save') - Invalid save parameters
        > CONFIG SET save '0 1'                 < -ERR CONFIG SET failed (possibly related to argument 'save') - Invalid save parameters
        > CONFIG SET save ''                    < +OK
        > CONFIG GET save                       < [\"save\" \"\"]
        ",
    );
}

#[test]
fn digests_are_those_of_redis() {
    check(
        "
        > DEBUG DIGEST                          < +0000000000000000000000000000000000000000
        > SET a 1                               < +OK
        > DEBUG DIGEST                          < +943d800368fb9c0e951138f1bc0e313ac769d91f
        > ZADD z 3.14 m -inf n                  < :2
        > HSET h f v                            < :1
        > XADD x 1-1 a b                        < \"1-1\"
        > RPUSH l a 1                           < :2
        > SADD s a 1                            < :2
        > DEBUG DIGEST-VALUE a b z h x l s      < [+b4fc66738120fba0b5aa500ab5c2bf89cea1c5da +0000000000000000000000000000000000000000 * * * * *]
        ",
    );
}

#[test]
fn waiting_for_the_disk_asks_for_a_journal_and_for_numbers() {
    check(
        "
        ! only 7.2
        > WAITAOF 0 0 0                         < [:0 :0]
        > WAITAOF 1 0 0                         < -ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.
        > WAITAOF 2 0 0                         < -ERR value is out of range, value must between 0 and 1
        > WAITAOF -1 0 0                        < -ERR value is out of range, value must between 0 and 1
        > WAITAOF x 0 0                         < -ERR value is not an integer or out of range
        > WAITAOF 0 -1 0                        < -ERR value is out of range, must be positive
        > WAITAOF 0 x 0                         < -ERR value is out of range, must be positive
        > WAITAOF 0 0 -1                        < -ERR timeout is negative
        > WAITAOF 0 0 x                         < -ERR timeout is not an integer or out of range
        > WAITAOF 0 0                           < -ERR wrong number of arguments for 'waitaof' command
        > SET a 1                               < +OK
        > MULTI                                 < +OK
        > WAITAOF 0 1 0                         < +QUEUED
        > EXEC                                  < [[:0 :0]]
        ",
    );
}

#[test]
fn a_wait_for_replicas_ends_with_its_time_or_when_somebody_says_so() {
    check(
        "
        a> WAITAOF 0 1 20                       < blocks
        ! advance 21ms
        a< [:0 :0]
        a> CLIENT ID                            < :1..99
        a> WAITAOF 0 1 0                        < blocks
        b> CLIENT KILL TYPE normal SKIPME yes   < :1
        ",
    );
}

//! The slow log.

use super::check;

#[test]
fn commands_that_take_long_are_kept_the_newest_first() {
    check(
        "
        ! no-oracle
        > CONFIG SET slowlog-log-slower-than 0      < +OK
        > CLIENT SETNAME me                         < +OK
        > SLOWLOG RESET                             < +OK
        > SET k v                                   < +OK
        > GET k                                     < \"v\"
        > GET                                       < -ERR *
        > LPUSH k v                                 < -WRONGTYPE *
        > SLOWLOG LEN                               < :4
        > SLOWLOG GET 3                             < [[* * * [\"SLOWLOG\" \"LEN\"] * \"me\"] [* * * [\"LPUSH\" \"k\" \"v\"] * \"me\"] [* * * [\"GET\" \"k\"] * \"me\"]]
        > SLOWLOG GET 0                             < []
        > SLOWLOG GET -1                            < [* * * * * * *]
        > SLOWLOG GET -2                            < -ERR count should be greater than or equal to -1
        > SLOWLOG GET x                             < -ERR count should be greater than or equal to -1
        > SLOWLOG GET 1 2                           < -ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP.
        > CONFIG SET slowlog-max-len 2              < +OK
        > SLOWLOG LEN                               < :2
        > CONFIG SET slowlog-max-len 0              < +OK
        > CONFIG SET slowlog-max-len 128            < +OK
        > SLOWLOG RESET                             < +OK
        > CONFIG SET slowlog-log-slower-than 10000  < +OK
        > SLOWLOG RESET                             < +OK
        > SET k v                                   < +OK
        > SLOWLOG LEN                               < :0
        > DEBUG SLEEP 0.011                         < +OK
        > SLOWLOG GET                               < [[* * * [\"DEBUG\" \"SLEEP\" \"0.011\"] * \"me\"]]
        > CONFIG SET slowlog-log-slower-than -1     < +OK
        > DEBUG SLEEP 0.011                         < +OK
        > SLOWLOG LEN                               < :1
        > SLOWLOG RESET                             < +OK
        > CONFIG SET slowlog-log-slower-than 10000  < +OK
        > SLOWLOG HELP                              < *
        > SLOWLOG NOPE                              < -ERR unknown subcommand 'NOPE'. Try SLOWLOG HELP.
    ",
    );
}

#[test]
fn secrets_do_not_enter_the_log() {
    check(
        "
        ! no-oracle
        > CONFIG SET slowlog-log-slower-than 0      < +OK
        > SLOWLOG RESET                             < +OK
        > AUTH default xyz                          < *
        > CONFIG SET requirepass \"\" hz 10         < +OK
        > ACL SETUSER nobody >secret                < +OK
        > ACL GETUSER nobody                        < *
        > ACL DELUSER nobody                        < :1
        > HELLO 2 SETNAME auth AUTH default xyz     < *
        > SLOWLOG GET 6                             < [[* * * [\"HELLO\" \"2\" \"SETNAME\" \"auth\" \"AUTH\" \"(redacted)\" \"(redacted)\"] * *] [* * * [\"ACL\" \"DELUSER\" \"(redacted)\"] * *] [* * * [\"ACL\" \"GETUSER\" \"(redacted)\"] * *] [* * * [\"ACL\" \"SETUSER\" \"(redacted)\" \"(redacted)\"] * *] [* * * [\"CONFIG\" \"SET\" \"requirepass\" \"(redacted)\" \"hz\" \"10\"] * *] [* * * [\"AUTH\" \"(redacted)\" \"(redacted)\"] * *]]
        > CONFIG SET slowlog-log-slower-than 10000  < +OK
        > SLOWLOG RESET                             < +OK
    ",
    );
}

#[test]
fn long_commands_are_shortened() {
    let long = "x".repeat(300);
    let many: Vec<String> = (1..=40).map(|n| n.to_string()).collect();
    let shown: Vec<String> = (1..=30).map(|n| format!("\"{n}\"")).collect();
    check(&format!(
        "
        ! no-oracle
        > CONFIG SET slowlog-log-slower-than 0      < +OK
        > SLOWLOG RESET                             < +OK
        > SET k {long}                              < +OK
        > SET k {}                                  < +OK
        > EXISTS {}                                 < :0
        > EXISTS {}                                 < :0
        > SLOWLOG GET 4                             < [[* * * * * *] [* * * [\"EXISTS\" {} \"... (10 more arguments)\"] * *] [* * * [\"SET\" \"k\" \"{}\"] * *] [* * * [\"SET\" \"k\" \"{}... (172 more bytes)\"] * *]]
        > CONFIG SET slowlog-log-slower-than 10000  < +OK
        > SLOWLOG RESET                             < +OK
    ",
        &long[..128],
        many.join(" "),
        many[..31].join(" "),
        shown.join(" "),
        &long[..128],
        &long[..128],
    ));
}

#[test]
fn the_commands_of_a_transaction_are_kept_one_by_one() {
    check(
        "
        ! no-oracle
        > CONFIG SET slowlog-log-slower-than 0      < +OK
        > MULTI                                     < +OK
        > SLOWLOG RESET                             < +QUEUED
        > SET k v                                   < +QUEUED
        > GET k                                     < +QUEUED
        > EXEC                                      < [+OK +OK \"v\"]
        > SLOWLOG GET                               < [[* * * [\"GET\" \"k\"] * *] [* * * [\"SET\" \"k\" \"v\"] * *] [* * * [\"SLOWLOG\" \"RESET\"] * *]]
        > CONFIG SET slowlog-log-slower-than 10000  < +OK
        > SLOWLOG RESET                             < +OK
    ",
    );
}

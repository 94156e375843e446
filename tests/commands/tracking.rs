//! Client-side caching by scripts. Clients read in RESP3 unless they redirect.

use crate::check;

#[test]
fn a_client_is_told_once_of_a_change_of_what_it_has_read() {
    check(
        r#"
        ! only 7.2
        a> HELLO 3                        < *
        a> CLIENT TRACKING ON             < +OK
        a> CLIENT TRACKINGINFO            < %{"flags" ~["on"] "redirect" :0 "prefixes" []}
        a> CLIENT GETREDIR                < :0
        a> GET k                          < nil
        a> MGET x y                       < [nil nil]
        b> SET k v                        < +OK
        a< >["invalidate" ["k"]]
        b> SET k w                        < +OK
        b> MSET y 1 other 3 x 2           < +OK
        a< >["invalidate" ["y"]]
        a< >["invalidate" ["x"]]
        a> GET k                          < "w"
        a> SET k mine                     < +OK
        a< >["invalidate" ["k"]]
        a> MULTI                          < +OK
        a> GET k                          < +QUEUED
        a> SET k 2                        < +QUEUED
        a> GET k                          < +QUEUED
        a> EXEC                           < ["mine" +OK "2"]
        a< >["invalidate" ["k"]]
        b> MULTI                          < +OK
        b> SET k 3                        < +QUEUED
        b> EXEC                           < [+OK]
        a< >["invalidate" ["k"]]
        a> GET k                          < "3"
        a> GET k                          < "3"
        b> SELECT 3                       < +OK
        b> SET k 1                        < +OK
        a< >["invalidate" ["k"]]
        a> GET k                          < "3"
        a> CLIENT TRACKING OFF            < +OK
        b> SELECT 0                       < +OK
        b> SET k 4                        < +OK
        a> CLIENT TRACKINGINFO            < %{"flags" ~["off"] "redirect" :-1 "prefixes" []}
        a> CLIENT GETREDIR                < :-1
        "#,
    );
}

#[test]
fn commands_that_read_have_their_keys_remembered_and_others_do_not() {
    check(
        r#"
        a> HELLO 3                        < *
        a> CLIENT TRACKING ON             < +OK
        a> EXISTS k1                      < *
        a> TYPE k2                        < *
        a> TTL k3                         < *
        a> STRLEN k4                      < *
        a> LLEN k5                        < *
        a> LRANGE k6 0 1                  < *
        a> OBJECT ENCODING k7             < *
        a> MEMORY USAGE k8                < *
        a> TOUCH k9                       < *
        a> LCS k10 k11                    < *
        a> LPOS k12 x                     < *
        a> GETRANGE k13 0 1               < *
        a> GETDEL k14                     < *
        a> GETEX k15                      < *
        a> WATCH k16                      < +OK
        a> UNWATCH                        < +OK
        a> LPOP k17                       < *
        a> BLPOP k18 0.01                 < nil-array
        a> COPY k19 k20                   < :0
        a> SCAN 0                         < *
        a> GET                            < -ERR wrong number of arguments *
        b> RPUSH list x                   < :1
        a> GET list                       < -WRONGTYPE *
        b> MSET k14 1 k15 1 k16 1 k17 1 k18 1 k19 1 k20 1 < +OK
        b> MSET k1 1 k2 1 k3 1 k4 1 k5 1 k6 1 k7 1 < +OK
        a< >["invalidate" ["k1"]]
        a< >["invalidate" ["k2"]]
        a< >["invalidate" ["k3"]]
        a< >["invalidate" ["k4"]]
        a< >["invalidate" ["k5"]]
        a< >["invalidate" ["k6"]]
        a< >["invalidate" ["k7"]]
        b> MSET k8 1 k9 1 k10 1 k11 1 k12 1 k13 1 < +OK
        a< >["invalidate" ["k8"]]
        a< >["invalidate" ["k9"]]
        a< >["invalidate" ["k10"]]
        a< >["invalidate" ["k11"]]
        a< >["invalidate" ["k12"]]
        a< >["invalidate" ["k13"]]
        b> LPOP list                      < "x"
        a< >["invalidate" ["list"]]
        "#,
    );
}

#[test]
fn every_change_counts_whatever_makes_it() {
    check(
        r#"
        a> HELLO 3                        < *
        a> CLIENT TRACKING ON             < +OK
        b> MSET k 1 o 1                   < +OK
        a> MGET k o                       < *
        b> RENAME k o                     < +OK
        a< >["invalidate" ["k"]]
        a< >["invalidate" ["o"]]
        a> MGET k o                       < *
        b> COPY o k                       < :1
        a< >["invalidate" ["k"]]
        a> GET k                          < *
        b> EXPIRE k 100                   < :1
        a< >["invalidate" ["k"]]
        a> GET k                          < *
        b> PERSIST k                      < :1
        a< >["invalidate" ["k"]]
        a> GET k                          < *
        b> APPEND k x                     < :2
        a< >["invalidate" ["k"]]
        a> GET k                          < *
        b> DEL nope                       < :0
        b> EXPIRE nope 1                  < :0
        b> MOVE k 1                       < :1
        a< >["invalidate" ["k"]]
        a> GET o                          < *
        b> SWAPDB 0 1                     < +OK
        b> SWAPDB 0 1                     < +OK
        b> SETRANGE o 0 ""                < :1
        b> DEL o                          < :1
        a< >["invalidate" ["o"]]
        "#,
    );
}

#[test]
fn a_key_that_expires_has_changed() {
    check(
        "
        a> HELLO 3                        < *
        a> CLIENT TRACKING ON             < +OK
        b> SET k v PX 100                 < +OK
        a> GET k                          < \"v\"
        ! advance 200ms
        b> GET k                          < nil
        a< >[\"invalidate\" [\"k\"]]
        ",
    );
}

#[test]
fn a_flush_makes_everything_doubtful() {
    check(
        r#"
        ! only 7.2
        a> HELLO 3                        < *
        a> CLIENT TRACKING ON             < +OK
        a> GET k                          < nil
        b> FLUSHDB                        < +OK
        a< >["invalidate" nil]
        b> SET k v                        < +OK
        a> FLUSHALL                       < +OK
        a< >["invalidate" nil]
        a> MULTI                          < +OK
        a> FLUSHALL                       < +QUEUED
        a> EXEC                           < [+OK]
        a< >["invalidate" nil]
        a> CLIENT TRACKING OFF            < +OK
        a> CLIENT TRACKING ON BCAST       < +OK
        b> FLUSHALL                       < +OK
        a< >["invalidate" nil]
        a> CLIENT TRACKING OFF            < +OK
        b> FLUSHALL                       < +OK
        "#,
    );
}

#[test]
fn noloop_leaves_out_what_the_client_does_itself() {
    check(
        r#"
        a> HELLO 3                        < *
        a> CLIENT TRACKING ON NOLOOP      < +OK
        a> CLIENT TRACKINGINFO            < %{"flags" ~["on" "noloop"] "redirect" :0 "prefixes" []}
        a> GET k                          < nil
        a> SET k 8                        < +OK
        b> SET k 9                        < +OK
        a> GET k                          < "9"
        b> SET k 9                        < +OK
        a< >["invalidate" ["k"]]
        a> CLIENT TRACKING OFF            < +OK
        a> CLIENT TRACKING ON BCAST NOLOOP < +OK
        a> SET k 1                        < +OK
        a> MSET a 1 b 2                   < +OK
        b> SET k 1                        < +OK
        a< >["invalidate" ["k"]]
        "#,
    );
}

#[test]
fn optin_and_optout_take_the_next_command_in_or_out() {
    check(
        r#"
        a> HELLO 3                        < *
        a> CLIENT CACHING YES             < -ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled
        a> CLIENT TRACKING ON             < +OK
        a> CLIENT CACHING YES             < -ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.
        a> CLIENT CACHING foo             < -ERR syntax error
        a> CLIENT TRACKING ON OPTIN       < +OK
        a> GET k                          < nil
        b> SET k 1                        < +OK
        a> CLIENT CACHING NO              < -ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.
        a> CLIENT CACHING YES             < +OK
        a> CLIENT TRACKINGINFO            < %{"flags" ~["on" "optin" "caching-yes"] "redirect" :0 "prefixes" []}
        a> CLIENT ID                      < :*
        a> MGET k l                       < *
        a> GET m                          < nil
        b> MSET k 1 l 1 m 1               < +OK
        a< >["invalidate" ["k"]]
        a< >["invalidate" ["l"]]
        a> CLIENT CACHING YES             < +OK
        a> PING                           < +PONG
        a> GET k                          < "1"
        a> CLIENT CACHING YES             < +OK
        a> NOPE                           < -ERR unknown *
        a> GET k                          < "1"
        b> SET k 2                        < +OK
        a> CLIENT CACHING YES             < +OK
        a> MULTI                          < +OK
        a> GET k                          < +QUEUED
        a> GET l                          < +QUEUED
        a> EXEC                           < *
        a> GET m                          < "1"
        b> MSET k 1 l 1 m 1               < +OK
        a< >["invalidate" ["k"]]
        a< >["invalidate" ["l"]]
        a> CLIENT TRACKING OFF            < +OK
        a> CLIENT TRACKING ON OPTOUT      < +OK
        a> CLIENT CACHING YES             < -ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.
        a> CLIENT CACHING NO              < +OK
        a> CLIENT TRACKINGINFO            < %{"flags" ~["on" "optout" "caching-no"] "redirect" :0 "prefixes" []}
        a> GET k                          < "1"
        a> GET l                          < "1"
        b> MSET k 1 l 1                   < +OK
        a< >["invalidate" ["l"]]
        "#,
    );
}

#[test]
fn modes_that_contradict_each_other_are_refused() {
    check(
        r#"
        > HELLO 3                         < *
        > CLIENT TRACKING                 < -ERR wrong number of arguments for 'client|tracking' command
        > CLIENT TRACKING foo             < -ERR syntax error
        > CLIENT TRACKING ON foo          < -ERR syntax error
        > CLIENT TRACKING ON REDIRECT     < -ERR syntax error
        > CLIENT TRACKING ON PREFIX       < -ERR syntax error
        > CLIENT TRACKING ON REDIRECT x   < -ERR value is not an integer or out of range
        > CLIENT TRACKING ON REDIRECT 99999999 < -ERR The client ID you want redirect to does not exist
        > CLIENT TRACKING OFF REDIRECT 0  < -ERR The client ID you want redirect to does not exist
        > CLIENT TRACKING ON OPTIN OPTOUT < -ERR You can't specify both OPTIN mode and OPTOUT mode
        > CLIENT TRACKING ON BCAST OPTIN  < -ERR OPTIN and OPTOUT are not compatible with BCAST
        > CLIENT TRACKING ON PREFIX a     < -ERR PREFIX option requires BCAST mode to be enabled
        > CLIENT TRACKING ON BCAST PREFIX a PREFIX ab < -ERR Prefix 'a' overlaps with another provided prefix 'ab'. Prefixes for a single client must not overlap.
        > CLIENT TRACKINGINFO             < %{"flags" ~["off"] "redirect" :-1 "prefixes" []}
        > CLIENT TRACKING ON OPTIN        < +OK
        > CLIENT TRACKING ON OPTOUT       < -ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.
        > CLIENT TRACKING ON BCAST        < -ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.
        > CLIENT TRACKING ON              < +OK
        > CLIENT TRACKINGINFO             < %{"flags" ~["on"] "redirect" :0 "prefixes" []}
        > CLIENT TRACKING OFF             < +OK
        > CLIENT TRACKING OFF             < +OK
        > CLIENT TRACKING ON BCAST PREFIX x: < +OK
        > CLIENT TRACKING ON BCAST PREFIX x:y < -ERR Prefix 'x:y' overlaps with an existing prefix 'x:'. Prefixes for a single client must not overlap.
        > CLIENT TRACKING ON              < -ERR You can't switch BCAST mode on/off *
        "#,
    );
}

#[test]
fn broadcasts_tell_of_all_keys_with_a_prefix() {
    check(
        r#"
        ! only 7.2
        a> HELLO 3                        < *
        a> CLIENT TRACKING ON BCAST PREFIX x: PREFIX a: < +OK
        a> CLIENT TRACKINGINFO            < %{"flags" ~["on" "bcast"] "redirect" :0 "prefixes" ["a:" "x:"]}
        b> MSET x:2 1 x:1 2 a:1 1 z 1     < +OK
        a< >["invalidate" ["a:1"]]
        a< >["invalidate" ["x:1" "x:2"]]
        b> MSET x:1 1 x:1 2               < +OK
        a< >["invalidate" ["x:1"]]
        a> CLIENT TRACKING ON BCAST PREFIX q: < +OK
        a> CLIENT TRACKINGINFO            < %{"flags" ~["on" "bcast"] "redirect" :0 "prefixes" ["a:" "q:" "x:"]}
        a> SET x:1 5                      < +OK
        a< >["invalidate" ["x:1"]]
        a> GET z                          < "1"
        b> SET z 2                        < +OK
        b> INFO stats                     < =~"*tracking_total_keys:0\x0d\x0atracking_total_items:0\x0d\x0atracking_total_prefixes:3*"
        b> INFO clients                   < =~"*tracking_clients:1\x0d*"
        b> CLIENT LIST                    < =~"* flags=tB * redir=0 *"
        b> CLIENT LIST                    < =~"* redir=-1 *"
        a> RESET                          < +RESET
        a> CLIENT TRACKINGINFO            < ["flags" ["off"] "redirect" :-1 "prefixes" []]
        b> MSET x:1 1 z 1                 < +OK
        b> INFO stats                     < =~"*tracking_total_prefixes:0*"
        b> INFO clients                   < =~"*tracking_clients:0\x0d*"
        c> HELLO 3                        < *
        c> CLIENT TRACKING ON BCAST       < +OK
        c> CLIENT TRACKINGINFO            < %{"flags" ~["on" "bcast"] "redirect" :0 "prefixes" [""]}
        b> LPUSH l a                      < :1
        c< >["invalidate" ["l"]]
        b> MULTI                          < +OK
        b> SET z 1                        < +QUEUED
        b> SET y 1                        < +QUEUED
        b> DEL nope                       < +QUEUED
        b> SET z 1                        < +QUEUED
        b> EXEC                           < *
        c< >["invalidate" ["y" "z"]]
        "#,
    );
}

#[test]
fn resp2_hears_of_nothing_without_a_redirection() {
    check(
        r#"
        a> CLIENT TRACKING ON             < +OK
        a> GET k                          < nil
        b> SET k v                        < +OK
        a> PING                           < +PONG
        a> CLIENT TRACKINGINFO            < ["flags" ["on"] "redirect" :0 "prefixes" []]
        "#,
    );
}

#[cfg(feature = "script")]
#[test]
fn what_a_script_reads_its_client_has_read() {
    check(
        r#"
        ! only 7.2
        a> HELLO 3                        < *
        a> CLIENT TRACKING ON             < +OK
        a> EVAL "redis.call('get','s1') redis.call('set','s2',1) return 1" 2 s1 s2 < :1
        b> SET s1 1                       < +OK
        a< >["invalidate" ["s1"]]
        b> SET s2 1                       < +OK
        a> SUBSCRIBE c                    < *
        b> EVAL "redis.call('set','k','1') return redis.call('publish','c','m')" 0 < :1
        a< >["message" "c" "m"]
        a> EVAL "return redis.call('subscribe','c')" 0 < -*not allowed from script*
        "#,
    );
}

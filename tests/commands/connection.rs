//! The connection: introductions, passwords, databases, replies held back, and what clients do to each other.

use super::check;

#[test]
fn ping_and_echo_give_back_what_they_were_given() {
    check(
        r#"
        > PING                  < +PONG
        > PING ""               < ""
        > PING "a b"            < "a b"
        > PING a b              < -ERR wrong number of arguments for 'ping' command
        > ECHO "\x00\xff"       < "\x00\xff"
        > ECHO                  < -ERR wrong number of arguments for 'echo' command
        > ECHO a b              < -ERR wrong number of arguments for 'echo' command
    "#,
    );
}

#[test]
fn select_takes_the_databases_there_are() {
    check(
        "
        > SELECT 15             < +OK
        > SET k fifteen         < +OK
        > SELECT 0              < +OK
        > GET k                 < nil
        > SELECT 16             < -ERR DB index is out of range
        > SELECT -1             < -ERR DB index is out of range
        > SELECT 2147483648     < -ERR value is out of range, value must between -2147483648 and 2147483647
        > SELECT -2147483649    < -ERR value is out of range, value must between -2147483648 and 2147483647
        > SELECT 9223372036854775808  < -ERR value is not an integer or out of range
        > SELECT x              < -ERR value is not an integer or out of range
        > SELECT 01             < -ERR value is not an integer or out of range
        > SELECT                < -ERR wrong number of arguments for 'select' command
        > GET k                 < nil
        > SELECT 15             < +OK
        > GET k                 < \"fifteen\"
    ",
    );
}

#[test]
fn hello_answers_in_the_protocol_that_it_switches_to() {
    check(
        r#"
        ! no-oracle
        > HELLO                 < ["server" "redis" "version" "7.2.0" "proto" :2 "id" * "mode" "standalone" "role" "master" "modules" []]
        > HELLO 3               < %{"server" "redis" "version" "7.2.0" "proto" :3 "id" * "mode" "standalone" "role" "master" "modules" []}
        > GET missing           < nil
        > HELLO                 < %{"server" * "version" * "proto" :3 "id" * "mode" * "role" * "modules" []}
        > HELLO 2               < ["server" "redis" "version" "7.2.0" "proto" :2 "id" * "mode" "standalone" "role" "master" "modules" []]
        > GET missing           < nil
    "#,
    );
}

#[test]
fn hello_changes_nothing_when_it_is_refused() {
    check(
        r#"
        ! only 7.2
        > HELLO 1               < -NOPROTO unsupported protocol version
        > HELLO 4               < -NOPROTO unsupported protocol version
        > HELLO x               < -ERR Protocol version is not an integer or out of range
        > HELLO ""              < -ERR Protocol version is not an integer or out of range
        > HELLO 03              < -ERR Protocol version is not an integer or out of range
        > HELLO 3 FOO           < -ERR Syntax error in HELLO option 'FOO'
        > HELLO 3 AUTH default  < -ERR Syntax error in HELLO option 'AUTH'
        > HELLO 3 SETNAME       < -ERR Syntax error in HELLO option 'SETNAME'
        > HELLO 3 SETNAME n AUTH nobody x     < -WRONGPASS invalid username-password pair or user is disabled.
        > HELLO 3 SETNAME "a b" AUTH nobody x < -ERR Client names cannot contain spaces, newlines or special characters.
        > CLIENT GETNAME        < nil
        > HELLO 3 SETNAME n AUTH default whatever SETNAME m  < *
        > CLIENT GETNAME        < "m"
    "#,
    );
}

#[test]
fn a_password_alone_is_refused_where_none_is_set() {
    check(
        "
        > AUTH x                < -ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?
        > AUTH default x        < +OK
        > AUTH Default x        < -WRONGPASS invalid username-password pair or user is disabled.
        > AUTH a b c            < -ERR syntax error
        > AUTH                  < -ERR wrong number of arguments for 'auth' command
    ",
    );
}

#[test]
fn a_password_concerns_those_who_come_after_it() {
    check(
        r#"
        a> CONFIG SET requirepass "p w"  < +OK
        a> PING                 < +PONG
        b> PING                 < -NOAUTH Authentication required.
        b> CLIENT ID            < -NOAUTH Authentication required.
        b> HELLO 2              < -NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO *
        b> HELLO 9              < -NOPROTO unsupported protocol version
        b> AUTH p               < -WRONGPASS *
        b> AUTH "p wx"          < -WRONGPASS *
        b> AUTH ""              < -WRONGPASS *
        b> AUTH other "p w"     < -WRONGPASS *
        b> HELLO 2 AUTH default no SETNAME x  < -WRONGPASS *
        b> PING                 < -NOAUTH Authentication required.
        b> AUTH "p w"           < +OK
        b> CLIENT GETNAME       < nil
        b> AUTH no              < -WRONGPASS *
        b> PING                 < +PONG
        a> CONFIG SET requirepass new  < +OK
        b> PING                 < +PONG
        c> AUTH "p w"           < -WRONGPASS *
        c> HELLO 2 AUTH default new SETNAME see  < *
        c> CLIENT GETNAME       < "see"
        a> CONFIG SET requirepass ""  < +OK
    "#,
    );
}

#[test]
fn a_password_taken_away_lets_in_who_waits_at_the_door() {
    check(
        r#"
        a> CONFIG SET requirepass pw  < +OK
        b> PING                 < -NOAUTH Authentication required.
        a> CONFIG SET requirepass ""  < +OK
        b> PING                 < +PONG
        b> HELLO 2              < -NOAUTH HELLO must be called with *
        b> AUTH default any     < +OK
        b> HELLO 2              < *
    "#,
    );
}

#[test]
fn reset_puts_a_client_back_to_its_beginning() {
    check(
        r#"
        a> HELLO 3 SETNAME n     < *
        a> SELECT 5              < +OK
        a> CLIENT NO-EVICT ON    < +OK
        a> CONFIG SET requirepass pw  < +OK
        a> RESET                 < +RESET
        a> PING                  < -NOAUTH Authentication required.
        a> AUTH pw               < +OK
        a> CLIENT GETNAME        < nil
        a> CLIENT INFO           < =~"*db=0 *resp=2*"
        a> CONFIG SET requirepass ""  < +OK
        a> RESET x               < -ERR wrong number of arguments for 'reset' command
    "#,
    );
}

#[test]
fn reset_leaves_what_was_said_of_the_library() {
    check(
        r#"
        ! only 7.2
        > CLIENT SETINFO LIB-NAME py  < +OK
        > CLIENT SETINFO lib-ver 5.0  < +OK
        > CLIENT NO-TOUCH on     < +OK
        > CLIENT NO-EVICT on     < +OK
        > CLIENT INFO            < =~"* flags=eT *lib-name=py lib-ver=5.0*"
        > RESET                  < +RESET
        > CLIENT INFO            < =~"* flags=N *lib-name=py lib-ver=5.0*"
        > CLIENT SETINFO lib-name ""  < +OK
        > CLIENT INFO            < =~"* lib-name= lib-ver=5.0*"
        > CLIENT SETINFO Lib-Name "a b"  < -ERR Lib-Name cannot contain spaces, newlines or special characters.
        > CLIENT SETINFO foo 1   < -ERR Unrecognized option 'foo'
        > CLIENT SETINFO foo     < -ERR wrong number of arguments for 'client|setinfo' command
        > CLIENT NO-TOUCH x      < -ERR syntax error
    "#,
    );
}

#[test]
fn quit_answers_and_closes() {
    check(
        "
        a> QUIT                 < +OK
        a< closed
        b> QUIT now             < +OK
        b< closed
    ",
    );
}

#[test]
fn names_are_printable_and_without_blanks() {
    check(
        r#"
        > CLIENT SETNAME "a!~"  < +OK
        > CLIENT GETNAME        < "a!~"
        > CLIENT SETNAME "a b"  < -ERR Client names cannot contain spaces, newlines or special characters.
        > CLIENT SETNAME "a\n"  < -ERR Client names cannot contain spaces, newlines or special characters.
        > CLIENT SETNAME "a\x7f"  < -ERR Client names cannot contain spaces, newlines or special characters.
        > CLIENT SETNAME "\xc3\xa9"  < -ERR Client names cannot contain spaces, newlines or special characters.
        > CLIENT GETNAME        < "a!~"
        > CLIENT SETNAME ""     < +OK
        > CLIENT GETNAME        < nil
    "#,
    );
}

#[test]
fn replies_are_held_back_as_the_client_asks() {
    check(
        "
        > CLIENT REPLY OFF      < none
        > PING                  < none
        > NOSUCH                < none
        > CLIENT REPLY SKIP     < none
        > SET k v               < none
        > CLIENT REPLY foo      < none
        > CLIENT REPLY ON       < +OK
        > GET k                 < \"v\"
        > CLIENT REPLY SKIP     < none
        > NOSUCH                < none
        > GET k                 < \"v\"
        > CLIENT REPLY SKIP     < none
        > CLIENT REPLY SKIP     < none
        > PING                  < none
        > PING                  < +PONG
        > CLIENT REPLY SKIP     < none
        > CLIENT REPLY ON       < +OK
        > PING                  < +PONG
        > CLIENT REPLY SKIP     < none
        > CLIENT REPLY OFF      < none
        > PING                  < none
        > PING                  < none
        > RESET                 < +RESET
        > CLIENT REPLY SKIP     < none
        > RESET                 < none
        > PING                  < +PONG
        > CLIENT REPLY foo      < -ERR syntax error
        > CLIENT REPLY          < -ERR wrong number of arguments for 'client|reply' command
    ",
    );
}

/// The reply that is skipped belongs to the command, however long that takes.
#[test]
fn a_skipped_reply_of_a_command_that_waits_is_the_one_at_its_end() {
    check(
        "
        a> CLIENT REPLY SKIP    < none
        a> BRPOP l 0            < blocks
        b> LPUSH l v            < :1
        a> PING                 < +PONG
    ",
    );
}

#[test]
fn unblock_ends_a_wait_for_a_key() {
    check(
        "
        ! no-oracle
        a> CLIENT ID            < :1
        b> CLIENT UNBLOCK 1     < :0
        a> BRPOP l 0            < blocks
        b> CLIENT UNBLOCK 1     < :1
        a< nil-array
        b> CLIENT UNBLOCK 1     < :0
        a> BRPOP l 0            < blocks
        b> CLIENT UNBLOCK 1 error  < :1
        a< -UNBLOCKED client unblocked via CLIENT UNBLOCK
        a> BRPOP l 0            < blocks
        b> CLIENT UNBLOCK 1 TIMEOUT  < :1
        a< nil-array
        b> LPUSH l v            < :1
        a> BRPOP l 0            < [\"l\" \"v\"]
    ",
    );
}

#[test]
fn unblock_says_what_it_does_not_understand() {
    check(
        "
        > CLIENT UNBLOCK 999999 < :0
        > CLIENT UNBLOCK -1     < :0
        > CLIENT UNBLOCK x      < -ERR value is not an integer or out of range
        > CLIENT UNBLOCK x why  < -ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR
    ",
    );
}

#[test]
fn a_client_that_is_killed_takes_nothing_more() {
    check(
        "
        ! no-oracle
        a> CLIENT ID            < :1
        a> BRPOP l 0            < blocks
        b> CLIENT KILL ID 1     < :1
        b> LPUSH l v            < :1
        b> RPOP l               < \"v\"
        a< closed
        b> CLIENT LIST ID 1     < \"\"
        b> CLIENT KILL ID 1     < :0
        b> CLIENT KILL ID 2     < :0
        b> CLIENT KILL ID 2 SKIPME no  < :1
        b< closed
    ",
    );
}

#[test]
fn a_client_ends_itself_only_when_it_says_so() {
    check(
        "
        ! no-oracle
        a> PING                 < +PONG
        b> CLIENT KILL TYPE normal USER default  < :1
        b> PING                 < +PONG
        b> CLIENT KILL TYPE normal SKIPME yes    < :0
        b> CLIENT KILL USER default SKIPME no    < :1
        b< closed
    ",
    );
}

#[test]
fn kill_says_what_it_does_not_understand() {
    check(
        "
        > CLIENT KILL 127.0.0.1:1    < -ERR No such client
        > CLIENT KILL ID             < -ERR No such client
        > CLIENT KILL ID 0           < -ERR client-id should be greater than 0
        > CLIENT KILL ID -1          < -ERR client-id should be greater than 0
        > CLIENT KILL ID 1 ADDR      < -ERR syntax error
        > CLIENT KILL ID 1 FOO x     < -ERR syntax error
        > CLIENT KILL TYPE x         < -ERR Unknown client type 'x'
        > CLIENT KILL USER x         < -ERR No such user 'x'
        > CLIENT KILL SKIPME x       < -ERR syntax error
        > CLIENT KILL TYPE pubsub    < :0
        > CLIENT KILL TYPE slave TYPE normal ADDR nowhere  < :0
        > CLIENT KILL                < -ERR wrong number of arguments for 'client|kill' command
    ",
    );
}

#[test]
fn kill_can_ask_for_an_age() {
    check(
        "
        ! no-oracle
        a> CLIENT ID            < :1
        ! advance 5s
        b> CLIENT KILL ID 1 MAXAGE 6  < :0
        b> CLIENT KILL MAXAGE 5 SKIPME no  < :1
        a< closed
        b> CLIENT KILL MAXAGE 0 < -ERR maxage should be greater than 0
        b> CLIENT KILL MAXAGE x < -ERR maxage is not an integer or out of range
    ",
    );
}

#[test]
fn list_shows_the_clients_that_are_asked_for() {
    check(
        r#"
        ! no-oracle
        a> CLIENT SETNAME ay    < +OK
        b> SELECT 3             < +OK
        ! advance 2s
        a> CLIENT LIST          < =~"id=1 addr=* laddr=* fd=* name=ay age=2 idle=0 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=10 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=* events=* cmd=client|list user=default redir=-1 resp=2 lib-name= lib-ver=\nid=2 addr=* laddr=* fd=* name= age=2 idle=2 flags=N db=3 * cmd=select user=default redir=-1 resp=2 lib-name= lib-ver=\n"
        a> CLIENT LIST ID 2 7   < =~"id=2 *"
        a> CLIENT LIST TYPE normal  < =~"id=1 *\nid=2 *"
        a> CLIENT LIST TYPE pubsub  < ""
        a> CLIENT LIST TYPE master  < ""
        b> BRPOP l 0            < blocks
        a> CLIENT LIST ID 2     < =~"id=2 * flags=b * cmd=brpop *"
        a> CLIENT UNBLOCK 2     < :1
        b< nil-array
        a> CLIENT LIST ID 2     < =~"id=2 * flags=N *"
        a> HELLO 3              < *
        a> CLIENT INFO          < =~"txt:id=1 * cmd=client|info * resp=3 *"
    "#,
    );
}

#[test]
fn list_says_what_it_does_not_understand() {
    check(
        "
        > CLIENT LIST TYPE x    < -ERR Unknown client type 'x'
        > CLIENT LIST TYPE      < -ERR syntax error
        > CLIENT LIST ID        < -ERR syntax error
        > CLIENT LIST FOO       < -ERR syntax error
        > CLIENT                < -ERR wrong number of arguments for 'client' command
        > CLIENT FOO            < -ERR unknown subcommand 'FOO'. Try CLIENT HELP.
        > CLIENT ID x           < -ERR wrong number of arguments for 'client|id' command
        > CLIENT INFO x         < -ERR wrong number of arguments for 'client|info' command
    ",
    );
}

#[test]
fn a_pause_of_writes_lets_reads_through_and_keeps_the_order() {
    check(
        "
        a> CLIENT PAUSE 60000 WRITE  < +OK
        b> GET k                < nil
        b> SET k 1              < blocks
        b> INCR k               < none
        b> GET k                < none
        a> GET k                < nil
        a> CLIENT UNPAUSE       < +OK
        b< +OK
        b< :2
        b< \"2\"
        a> GET k                < \"2\"
    ",
    );
}

#[test]
fn a_pause_of_all_holds_its_own_end_back() {
    check(
        "
        ! no-oracle
        a> CLIENT PAUSE 1000    < +OK
        a> CLIENT UNPAUSE       < blocks
        b> GET                  < -ERR wrong number of arguments for 'get' command
        b> NOSUCH               < -ERR unknown command 'NOSUCH', *
        b> PING                 < blocks
        ! advance 999ms
        c> PING                 < blocks
        ! advance 1ms
        a< +OK
        b< +PONG
        c< +PONG
    ",
    );
}

#[test]
fn a_second_pause_can_only_be_longer_and_stricter() {
    check(
        "
        ! no-oracle
        a> CLIENT PAUSE 1000 WRITE  < +OK
        a> CLIENT PAUSE 10 WRITE    < +OK
        b> SET k v              < blocks
        ! advance 900ms
        a> CLIENT PAUSE 1000 WRITE  < +OK
        a> GET k                < nil
        a> CLIENT PAUSE 0 ALL   < +OK
        a> GET other            < blocks
        ! advance 1s
        b< +OK
        a< nil
        a> CLIENT PAUSE 1000 WRITE  < +OK
        a> GET k                < \"v\"
        a> CLIENT UNPAUSE       < +OK
    ",
    );
}

#[test]
fn a_paused_client_is_not_unblocked_but_can_be_killed() {
    check(
        "
        ! no-oracle
        a> CLIENT ID            < :1
        b> CLIENT PAUSE 60000 WRITE  < +OK
        a> SET k v              < blocks
        b> CLIENT UNBLOCK 1     < :0
        b> CLIENT LIST ID 1     < =~\"id=1 * flags=b * cmd=set *\"
        b> CLIENT KILL ID 1     < :1
        a< closed
        b> CLIENT UNPAUSE       < +OK
        b> GET k                < nil
    ",
    );
}

#[test]
fn pause_says_what_it_does_not_understand() {
    check(
        "
        > CLIENT PAUSE -1       < -ERR timeout is negative
        > CLIENT PAUSE x        < -ERR timeout is not an integer or out of range
        > CLIENT PAUSE 1.5      < -ERR timeout is not an integer or out of range
        > CLIENT PAUSE x y      < -ERR CLIENT PAUSE mode must be WRITE or ALL
        > CLIENT PAUSE          < -ERR wrong number of arguments for 'client|pause' command
        > CLIENT PAUSE 0        < +OK
        > CLIENT UNPAUSE        < +OK
        > PING                  < +PONG
    ",
    );
}

#[test]
fn a_pause_ends_within_time() {
    check(
        "
        ! only 7.2
        > CLIENT PAUSE 9223372036854775807  < -ERR timeout is out of range
    ",
    );
}

#[test]
fn tracking_is_off_and_says_so() {
    check(
        r#"
        > CLIENT TRACKING off   < +OK
        > CLIENT TRACKING foo   < -ERR syntax error
        > CLIENT TRACKING off foo  < -ERR syntax error
        > CLIENT GETREDIR       < :-1
        > CLIENT CACHING yes    < -ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled
        > CLIENT TRACKINGINFO   < ["flags" ["off"] "redirect" :-1 "prefixes" []]
        > HELLO 3               < *
        > CLIENT TRACKINGINFO   < %{"flags" ~["off"] "redirect" :-1 "prefixes" []}
        > CLIENT NO-EVICT x     < -ERR syntax error
    "#,
    );
}

#[test]
fn help_has_a_line_or_two_for_each_subcommand() {
    check(
        r#"
        ! no-oracle
        > CLIENT HELP           < *
        > CLIENT HELP x         < -ERR wrong number of arguments for 'client|help' command
    "#,
    );
}

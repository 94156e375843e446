//! Access control: users, their rules, and what they may not do.

use super::check;

#[test]
fn there_is_one_user_who_may_do_everything() {
    check(
        "
        ! no-oracle
        > ACL WHOAMI            < \"default\"
        > ACL USERS             < [\"default\"]
        > ACL LIST              < [\"user default on nopass sanitize-payload ~* &* +@all\"]
        > ACL GETUSER default   < [\"flags\" [\"on\" \"nopass\" \"sanitize-payload\"] \"passwords\" [] \"commands\" \"+@all\" \"keys\" \"~*\" \"channels\" \"&*\" \"selectors\" []]
        > ACL GETUSER nobody    < nil
        > ACL DELUSER default   < -ERR The 'default' user cannot be removed
        > ACL DELUSER nobody    < :0
    ",
    );
}

#[test]
fn a_user_has_the_rules_that_it_was_given_in_their_order() {
    check(
        "
        ! no-oracle
        > ACL SETUSER u         < +OK
        > ACL LIST              < [* \"user u off sanitize-payload resetchannels -@all\"]
        > ACL SETUSER u on >p ~a* %R~b %W~b %rw~c %w~d &ch +@read -get +config|get +select|0  < +OK
        > ACL LIST              < [* \"user u on sanitize-payload #148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940 ~a* ~b ~c %W~d resetchannels &ch -@all +@read -get +config|get +select|0\"]
        > ACL SETUSER u +get -config (~x +SET) (%R~y &z -@all +@all)  < +OK
        > HELLO 3               < *
        > ACL GETUSER u         < %{\"flags\" ~{\"on\" \"sanitize-payload\"} \"passwords\" [*] \"commands\" \"-@all +@read +select|0 +get -config\" \"keys\" \"~a* ~b ~c %W~d\" \"channels\" \"&ch\" \"selectors\" [%{\"commands\" \"-@all +set\" \"keys\" \"~x\" \"channels\" \"\"} %{\"commands\" \"+@all\" \"keys\" \"%R~y\" \"channels\" \"&z\"}]}
        > ACL SETUSER u reset   < +OK
        > ACL GETUSER u         < %{\"flags\" ~{\"off\" \"sanitize-payload\"} \"passwords\" [] \"commands\" \"-@all\" \"keys\" \"\" \"channels\" \"\" \"selectors\" []}
        > ACL SETUSER u skip-sanitize-payload allkeys allchannels allcommands nopass  < +OK
        > ACL LIST              < [* \"user u off nopass skip-sanitize-payload ~* &* +@all\"]
        > ACL DELUSER u u x     < :1
        > ACL USERS             < [\"default\"]
    ",
    );
}

#[test]
fn a_rule_that_is_none_changes_nothing_and_is_named() {
    check(
        r#"
        > ACL SETUSER u reset                       < +OK
        > ACL SETUSER u on +get foo +set            < -ERR Error in ACL SETUSER modifier 'foo': Syntax error
        > ACL SETUSER u +nope                       < -ERR Error in ACL SETUSER modifier '+nope': Unknown command or category name in ACL
        > ACL SETUSER u +@nope                      < -ERR Error in ACL SETUSER modifier '+@nope': Unknown command or category name in ACL
        > ACL SETUSER u -get|x                      < -ERR Error in ACL SETUSER modifier '-get|x': Unknown command or category name in ACL
        > ACL SETUSER u +config|nope                < -ERR Error in ACL SETUSER modifier '+config|nope': Unknown command or category name in ACL
        > ACL SETUSER u +config|get|dir             < -ERR Error in ACL SETUSER modifier '+config|get|dir': Allowing first-arg of a subcommand is not supported
        > ACL SETUSER u +get|                       < -ERR Error in ACL SETUSER modifier '+get|': Syntax error
        > ACL SETUSER u %~a                         < -ERR Error in ACL SETUSER modifier '%~a': Syntax error
        > ACL SETUSER u %RR~a                       < -ERR Error in ACL SETUSER modifier '%RR~a': Syntax error
        > ACL SETUSER u "~a b"                      < -ERR Error in ACL SETUSER modifier '~a b': Syntax error
        > ACL SETUSER u ~* ~a                       < -ERR Error in ACL SETUSER modifier '~a': Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns
        > ACL SETUSER u &* &a                       < -ERR Error in ACL SETUSER modifier '&a': Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels
        > ACL SETUSER u <p                          < -ERR Error in ACL SETUSER modifier '<p': The password you are trying to remove from the user does not exist
        > ACL SETUSER u #00                         < -ERR Error in ACL SETUSER modifier '#00': The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters
        > ACL SETUSER u (+get                       < -ERR Unmatched parenthesis in acl selector starting at '(+get'.
        > ACL SETUSER u (+get +nope)                < -ERR Error in ACL SETUSER modifier '(+get +nope)': Unknown command or category name in ACL
        > ACL SETUSER "a b"                         < -ERR Usernames can't contain spaces or null characters
        > ACL SETUSER u ""                          < +OK
        > ACL SETUSER                               < -ERR wrong number of arguments for 'acl|setuser' command
        > ACL DRYRUN u GET k                        < *
        > ACL GETUSER u                             < *
        > ACL DELUSER u                             < :1
    "#,
    );
}

#[test]
fn nobody_is_let_in_without_a_password_that_is_his() {
    check(
        "
        ! only 7.2
        > ACL SETUSER u reset +@all ~* >one >two    < +OK
        a> AUTH u one                               < -WRONGPASS invalid username-password pair or user is disabled.
        > ACL SETUSER u on                          < +OK
        a> AUTH u three                             < -WRONGPASS invalid username-password pair or user is disabled.
        a> AUTH u one                               < +OK
        a> ACL WHOAMI                               < \"u\"
        a> AUTH u two                               < +OK
        a> HELLO 2 AUTH u one                       < *
        a> HELLO 2 AUTH u one2                      < -WRONGPASS *
        a> ACL WHOAMI                               < \"u\"
        > ACL SETUSER u <one                        < +OK
        b> AUTH u one                               < -WRONGPASS *
        > ACL SETUSER u nopass                      < +OK
        b> AUTH u whatever                          < +OK
        > ACL SETUSER u resetpass                   < +OK
        b> AUTH u whatever                          < -WRONGPASS *
        b> ACL WHOAMI                               < \"u\"
        b> RESET                                    < +RESET
        b> ACL WHOAMI                               < \"default\"
        b> AUTH pw                                  < -ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?
        > ACL DELUSER u                             < :1
    ",
    );
}

#[test]
fn the_password_of_the_default_user_is_requirepass() {
    check(
        "
        ! no-oracle
        > CONFIG SET requirepass secret             < +OK
        > ACL LIST                                  < [\"user default on sanitize-payload #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b ~* &* +@all\"]
        a> PING                                     < -NOAUTH Authentication required.
        a> AUTH secre                               < -WRONGPASS *
        a> AUTH secret                              < +OK
        > ACL SETUSER default >more                 < +OK
        b> AUTH more                                < +OK
        > ACL SETUSER default off                   < +OK
        c> AUTH more                                < -WRONGPASS *
        c> GET k                                    < -NOAUTH *
        b> GET k                                    < nil
        > ACL SETUSER default on nopass             < +OK
        c> GET k                                    < nil
        > CONFIG GET requirepass                    < [\"requirepass\" \"secret\"]
        > CONFIG SET requirepass \"\"               < +OK
    ",
    );
}

#[test]
fn what_a_user_may_not_is_refused_and_noted() {
    check(
        "
        ! only 7.2
        > ACL LOG RESET                             < +OK
        > ACL SETUSER u reset on nopass +@all -@dangerous -set|x  < -ERR *
        > ACL SETUSER u reset on nopass ~a* %R~r %W~w +@all -@dangerous +config|get -lpush  < +OK
        a> AUTH u x                                 < +OK
        a> SET a1 v                                 < +OK
        a> GET b                                    < -NOPERM No permissions to access a key
        a> GET r                                    < nil
        a> SET r v                                  < -NOPERM No permissions to access a key
        a> SET w v                                  < +OK
        a> SET w v GET                              < -NOPERM No permissions to access a key
        a> GET w                                    < -NOPERM No permissions to access a key
        a> EXISTS w r                               < :1
        a> COPY r a2                                < :0
        a> COPY r r2                                < -NOPERM *
        a> MSET a1 1 a2 2 b 3                       < -NOPERM No permissions to access a key
        a> MGET a1 a2                               < [\"v\" nil]
        a> LMPOP 2 a1 b LEFT                        < -NOPERM *
        a> LPUSH a3 x                               < -NOPERM User u has no permissions to run the 'lpush' command
        a> FLUSHALL                                 < -NOPERM User u has no permissions to run the 'flushall' command
        a> CONFIG SET hz 10                         < -NOPERM User u has no permissions to run the 'config|set' command
        a> CONFIG GET hz                            < [\"hz\" \"10\"]
        a> GET                                      < -ERR wrong number of arguments for 'get' command
        a> NOPE                                     < -ERR unknown command 'NOPE', with args beginning with:*
        > ACL LOG 2                                 < [[\"count\" :1 \"reason\" \"command\" \"context\" \"toplevel\" \"object\" \"config|set\" \"username\" \"u\" \"age-seconds\" * \"client-info\" =~\"id=* cmd=config|set user=u *\" \"entry-id\" * \"timestamp-created\" * \"timestamp-last-updated\" *] *]
        a> AUTH u x                                 < +OK
        > ACL DELUSER u                             < :1
        a< closed
        > ACL LOG RESET                             < +OK
        > ACL LOG                                   < []
    ",
    );
}

#[test]
fn the_log_counts_what_is_alike_and_keeps_the_newest() {
    check(
        "
        ! only 7.2
        > ACL LOG RESET                             < +OK
        > ACL SETUSER u reset on nopass +get ~a     < +OK
        a> AUTH u x                                 < +OK
        a> GET b                                    < -NOPERM *
        a> GET b                                    < -NOPERM *
        a> PING                                     < -NOPERM *
        a> GET b                                    < -NOPERM *
        a> auth v secret                            < -WRONGPASS *
        a> AUTH u x                                 < +OK
        > ACL LOG                                   < [[\"count\" :1 \"reason\" \"auth\" \"context\" \"toplevel\" \"object\" \"auth\" \"username\" \"v\" * * * * * * * * * *] [\"count\" :3 \"reason\" \"key\" \"context\" \"toplevel\" \"object\" \"b\" \"username\" \"u\" * * * * * * * * * *] [\"count\" :1 \"reason\" \"command\" \"context\" \"toplevel\" \"object\" \"ping\" \"username\" \"u\" * * * * * * * * * *]]
        > ACL LOG 1                                 < [[\"count\" :1 \"reason\" \"auth\" * * * * * * * * * * * * * * * *]]
        > ACL LOG 0                                 < []
        > ACL LOG -1                                < []
        > ACL LOG x                                 < -ERR value is not an integer or out of range
        > ACL LOG 1 2                               < -ERR unknown subcommand or wrong number of arguments for 'LOG'. Try ACL HELP.
        > CONFIG SET acllog-max-len 1               < +OK
        a> GET c                                    < -NOPERM *
        > ACL LOG                                   < [[\"count\" :1 \"reason\" \"key\" \"context\" \"toplevel\" \"object\" \"c\" * * * * * * * * * * * *]]
        > CONFIG SET acllog-max-len 0               < +OK
        a> GET c                                    < -NOPERM *
        > ACL LOG                                   < []
        > CONFIG SET acllog-max-len 128             < +OK
        > ACL DELUSER u                             < :1
    ",
    );
}

#[test]
fn a_transaction_is_refused_when_it_is_queued_and_again_when_it_runs() {
    check(
        "
        ! only 7.2
        > ACL LOG RESET                             < +OK
        > ACL SETUSER u reset on nopass ~a +@all    < +OK
        a> AUTH u x                                 < +OK
        a> MULTI                                    < +OK
        a> SET b v                                  < -NOPERM No permissions to access a key
        a> SET a v                                  < +QUEUED
        a> EXEC                                     < -EXECABORT Transaction discarded because of previous errors.
        > ACL LOG 1                                 < [[\"count\" :1 \"reason\" \"key\" \"context\" \"multi\" \"object\" \"b\" * * * * * * * * * * * *]]
        a> MULTI                                    < +OK
        a> SET a v                                  < +QUEUED
        a> GET a                                    < +QUEUED
        a> PING                                     < +QUEUED
        > ACL SETUSER u -set                        < +OK
        a> EXEC                                     < [-NOPERM*changed*reason:*to*execute*the*command*or*subcommand nil +PONG]
        > ACL LOG 1                                 < [[\"count\" :1 \"reason\" \"command\" \"context\" \"multi\" \"object\" \"set\" * * * * * * * * * * * *]]
        a> MULTI                                    < +OK
        a> GET a                                    < +QUEUED
        > ACL SETUSER u resetkeys                   < +OK
        a> EXEC                                     < [-NOPERM*ACLs*rules*changed*EXEC*call.*reason:*to*touch*the*specified*keys]
        > ACL DELUSER u                             < :1
        > ACL LOG RESET                             < +OK
    ",
    );
}

#[test]
fn dryrun_says_what_would_be_refused() {
    check(
        "
        ! only 7.2
        > ACL SETUSER u reset +@all -debug +debug|object ~a %R~r (+lpush ~l)  < +OK
        > ACL DRYRUN u GET a                        < +OK
        > ACL DRYRUN u GET r                        < +OK
        > ACL DRYRUN u SET r v                      < \"User u has no permissions to access the 'r' key\"
        > ACL DRYRUN u MGET a b c                   < \"User u has no permissions to access the 'b' key\"
        > ACL DRYRUN u LPUSH l v                    < +OK
        > ACL DRYRUN u RPUSH l v                    < \"User u has no permissions to access the 'l' key\"
        > ACL DRYRUN u DEBUG sleep 0                < \"User u has no permissions to run the 'debug' command\"
        > ACL DRYRUN u DEBUG OBJECT a               < +OK
        > ACL DRYRUN u AUTH x                       < +OK
        > ACL DRYRUN u GET                          < -ERR wrong number of arguments for 'get' command
        > ACL DRYRUN u config nope                  < -ERR Command 'config' not found
        > ACL DRYRUN u nope                         < -ERR Command 'nope' not found
        > ACL DRYRUN nobody GET a                   < -ERR User 'nobody' not found
        > ACL DELUSER u                             < :1
    ",
    );
}

#[test]
fn deleting_a_user_closes_its_connections() {
    check(
        "
        > ACL SETUSER u reset on nopass +@all ~*    < +OK
        > ACL SETUSER v reset on nopass +@all ~*    < +OK
        a> AUTH u x                                 < +OK
        b> AUTH u x                                 < +OK
        c> AUTH v x                                 < +OK
        b> BLPOP l 0                                < blocks
        > ACL DELUSER u                             < :1
        a< closed
        b< closed
        c> ACL WHOAMI                               < \"v\"
        c> ACL DELUSER v                            < :1
        c< closed
    ",
    );
}

#[test]
fn clients_are_told_and_closed_by_their_user() {
    check(
        "
        > ACL SETUSER u reset on nopass +@all ~*    < +OK
        a> AUTH u x                                 < +OK
        a> CLIENT INFO                              < =~\"* user=u *\"
        > CLIENT KILL USER nobody                   < -ERR No such user 'nobody'
        > CLIENT KILL USER u                        < :1
        a< closed
        > ACL DELUSER u                             < :1
    ",
    );
}

#[test]
fn categories_and_passwords_are_drawn_up() {
    check(
        "
        > ACL CAT                                   < {\"keyspace\" \"read\" \"write\" \"set\" \"sortedset\" \"list\" \"hash\" \"string\" \"bitmap\" \"hyperloglog\" \"geo\" \"stream\" \"pubsub\" \"admin\" \"fast\" \"slow\" \"blocking\" \"dangerous\" \"connection\" \"transaction\" \"scripting\"}
        > ACL CAT nope                              < -ERR Unknown category 'nope'
        > ACL CAT @read                             < -ERR Unknown category '@read'
        > ACL CAT transaction                       < {\"multi\" \"exec\" \"discard\" \"watch\" \"unwatch\"}
        > ACL CAT TRANSACTION                       < {\"multi\" \"exec\" \"discard\" \"watch\" \"unwatch\"}
        > ACL CAT a b                               < -ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.
        > ACL GENPASS 0                             < -ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096
        > ACL GENPASS 4097                          < -ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096
        > ACL GENPASS x                             < -ERR value is not an integer or out of range
        > ACL GENPASS 5                             < *
        > ACL GENPASS                               < *
        > ACL HELP                                  < *
        > ACL NOPE                                  < -ERR unknown subcommand 'NOPE'. Try ACL HELP.
        > ACL                                       < -ERR wrong number of arguments for 'acl' command
    ",
    );
}

#[test]
fn without_an_acl_file_there_is_nothing_to_load_or_save() {
    check(
        "
        > ACL LOAD                                  < -ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.
        > ACL SAVE                                  < -ERR This Redis instance is not configured to use an ACL file. *
    ",
    );
}

#[test]
fn rules_hold_from_the_next_command_on() {
    check(
        "
        ! only 7.2
        > ACL SETUSER u reset on nopass +@all ~*    < +OK
        a> AUTH u x                                 < +OK
        a> SET k v                                  < +OK
        > ACL SETUSER u -set                        < +OK
        a> SET k v                                  < -NOPERM *
        > ACL SETUSER u +set                        < +OK
        a> SET k v                                  < +OK
        > ACL SETUSER u resetkeys                   < +OK
        a> SET k v                                  < -NOPERM *
        > ACL SETUSER u off                         < +OK
        a> PING                                     < +PONG
        > ACL DELUSER u                             < :1
    ",
    );
}

//! Pub/Sub by scripts. Where a client publishes to itself the order is that of Redis 7.2: the reply comes first.

use crate::check;

#[test]
fn messages_go_to_those_who_subscribe_to_the_channel() {
    check(
        r#"
        a> SUBSCRIBE news sport           < ["subscribe" "news" :1]
        a< ["subscribe" "sport" :2]
        b> PUBLISH news hello             < :1
        a< ["message" "news" "hello"]
        b> PUBLISH sport "\x00\xff"       < :1
        a< ["message" "sport" "\x00\xff"]
        b> PUBLISH other hello            < :0
        a> UNSUBSCRIBE news               < ["unsubscribe" "news" :1]
        b> PUBLISH news hello             < :0
        b> PUBLISH sport again            < :1
        a< ["message" "sport" "again"]
        a> UNSUBSCRIBE                    < ["unsubscribe" "sport" :0]
        a> UNSUBSCRIBE                    < ["unsubscribe" nil :0]
        a> PUNSUBSCRIBE                   < ["punsubscribe" nil :0]
        a> SUNSUBSCRIBE                   < ["sunsubscribe" nil :0]
        a> UNSUBSCRIBE never              < ["unsubscribe" "never" :0]
        a> GET k                          < nil
        "#,
    );
}

#[test]
fn patterns_take_channels_in_and_each_counts() {
    check(
        r#"
        a> PSUBSCRIBE n?ws *              < ["psubscribe" "n?ws" :1]
        a< ["psubscribe" "*" :2]
        a> SUBSCRIBE news                 < ["subscribe" "news" :3]
        b> PUBLISH x m                    < :1
        a< ["pmessage" "*" "x" "m"]
        a> PUNSUBSCRIBE *                 < ["punsubscribe" "*" :2]
        b> PUBLISH x m                    < :0
        b> PUBLISH news m                 < :2
        a< ["message" "news" "m"]
        a< ["pmessage" "n?ws" "news" "m"]
        a> UNSUBSCRIBE                    < ["unsubscribe" "news" :1]
        a> PUNSUBSCRIBE                   < ["punsubscribe" "n?ws" :0]
        "#,
    );
}

#[test]
fn shard_channels_are_a_world_of_their_own() {
    check(
        r#"
        a> SSUBSCRIBE c                   < ["ssubscribe" "c" :1]
        a> SUBSCRIBE c                    < ["subscribe" "c" :1]
        a> PSUBSCRIBE *                   < ["psubscribe" "*" :2]
        b> SPUBLISH c m                   < :1
        a< ["smessage" "c" "m"]
        b> SPUBLISH d m                   < :0
        a> SSUBSCRIBE d c                 < ["ssubscribe" "d" :2]
        a< ["ssubscribe" "c" :2]
        a> SUNSUBSCRIBE c                 < ["sunsubscribe" "c" :1]
        a> SUNSUBSCRIBE                   < ["sunsubscribe" "d" :0]
        b> SPUBLISH c m                   < :0
        a> UNSUBSCRIBE c                  < ["unsubscribe" "c" :1]
        a> PUNSUBSCRIBE *                 < ["punsubscribe" "*" :0]
        "#,
    );
}

#[test]
fn naming_a_channel_twice_is_naming_it_once() {
    check(
        r#"
        a> SUBSCRIBE x x y                < ["subscribe" "x" :1]
        a< ["subscribe" "x" :1]
        a< ["subscribe" "y" :2]
        b> PUBLISH x m                    < :1
        a< ["message" "x" "m"]
        a> UNSUBSCRIBE x x y              < ["unsubscribe" "x" :1]
        a< ["unsubscribe" "x" :1]
        a< ["unsubscribe" "y" :0]
        "#,
    );
}

#[test]
fn in_resp2_a_subscriber_may_do_little_else() {
    check(
        r#"
        a> SUBSCRIBE x                    < ["subscribe" "x" :1]
        a> PING                           < ["pong" ""]
        a> PING hi                        < ["pong" "hi"]
        a> PING a b                       < -ERR wrong number of arguments for 'ping' command
        a> GET k                          < -ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context
        a> CLIENT LIST                    < -ERR Can't execute 'client|list': only *
        a> PUBLISH x m                    < -ERR Can't execute 'publish': only *
        a> MULTI                          < -ERR Can't execute 'multi': only *
        a> GET                            < -ERR wrong number of arguments for 'get' command
        a> NOPE                           < -ERR unknown command 'NOPE'*
        a> SSUBSCRIBE s                   < ["ssubscribe" "s" :1]
        a> UNSUBSCRIBE x                  < ["unsubscribe" "x" :0]
        a> GET k                          < -ERR Can't execute 'get': only *
        a> SUNSUBSCRIBE s                 < ["sunsubscribe" "s" :0]
        a> PING                           < +PONG
        a> GET k                          < nil
        a> SUBSCRIBE x                    < ["subscribe" "x" :1]
        a> QUIT                           < +OK
        a< closed
        "#,
    );
}

#[test]
fn in_resp3_a_subscriber_may_do_everything() {
    check(
        r#"
        ! only 7.2
        a> HELLO 3                        < *
        a> SUBSCRIBE x                    < >["subscribe" "x" :1]
        a> SET k v                        < +OK
        a> PUBLISH x one                  < :1
        a< >["message" "x" "one"]
        a> PING                           < +PONG
        a> PING hi                        < "hi"
        b> PUBLISH x two                  < :1
        a< >["message" "x" "two"]
        a> PSUBSCRIBE x*                  < >["psubscribe" "x*" :2]
        a> PUBLISH x three                < :2
        a< >["message" "x" "three"]
        a< >["pmessage" "x*" "x" "three"]
        a> BLPOP l 0                      < blocks
        b> PUBLISH xx four                < :1
        a< >["pmessage" "x*" "xx" "four"]
        b> RPUSH l v                      < :1
        a< ["l" "v"]
        a> SSUBSCRIBE s                   < >["ssubscribe" "s" :1]
        b> SPUBLISH s m                   < :1
        a< >["smessage" "s" "m"]
        a> UNSUBSCRIBE                    < >["unsubscribe" "x" :1]
        a> UNSUBSCRIBE                    < >["unsubscribe" nil :1]
        a> HELLO 2                        < *
        a> GET k                          < -ERR Can't execute 'get': only *
        "#,
    );
}

#[test]
fn subscribing_in_a_transaction_is_part_of_it() {
    check(
        r#"
        ! only 7.2
        > MULTI                           < +OK
        > SUBSCRIBE x                     < +QUEUED
        > PING                            < +QUEUED
        > GET k                           < +QUEUED
        > UNSUBSCRIBE                     < +QUEUED
        > PING                            < +QUEUED
        > EXEC                            < [["subscribe" "x" :1] ["pong" ""] nil ["unsubscribe" "x" :0] +PONG]
        > MULTI                           < +OK
        > SUBSCRIBE x                     < +QUEUED
        > PUBLISH x hi                    < +QUEUED
        > EXEC                            < [["subscribe" "x" :1] :1]
        < ["message" "x" "hi"]
        > EXEC                            < -EXECABORT Transaction discarded because of: Can't execute 'exec': only *
        > RESET                           < +RESET
        a> HELLO 3                        < *
        a> SUBSCRIBE x                    < *
        a> MULTI                          < +OK
        a> PUBLISH x a                    < +QUEUED
        a> PUBLISH w lost                 < +QUEUED
        a> SUBSCRIBE w                    < +QUEUED
        a> PUBLISH w b                    < +QUEUED
        a> UNSUBSCRIBE x                  < +QUEUED
        a> PUBLISH x lost                 < +QUEUED
        a> EXEC                           < [:1 :0 >["subscribe" "w" :2] :1 >["unsubscribe" "x" :1] :0]
        a< >["message" "x" "a"]
        a< >["message" "w" "b"]
        "#,
    );
}

#[test]
fn a_subscriber_in_a_transaction_cannot_end_it() {
    check(
        r#"
        > MULTI                           < +OK
        > SUBSCRIBE x                     < +QUEUED
        > EXEC                            < [["subscribe" "x" :1]]
        > EXEC                            < -EXECABORT Transaction discarded because of: Can't execute 'exec': only *
        > UNSUBSCRIBE                     < ["unsubscribe" "x" :0]
        "#,
    );
}

#[test]
fn pushes_come_though_replies_are_off() {
    check(
        r#"
        > HELLO 3                         < *
        > CLIENT REPLY OFF                < none
        > PING                            < none
        > SUBSCRIBE z                     < >["subscribe" "z" :1]
        > PUBLISH z m                     < >["message" "z" "m"]
        b> PUBLISH z n                    < :1
        < >["message" "z" "n"]
        > UNSUBSCRIBE z                   < >["unsubscribe" "z" :0]
        > MULTI                           < none
        > SUBSCRIBE                       < none
        > DISCARD                         < none
        > CLIENT REPLY ON                 < +OK
        > CLIENT REPLY SKIP               < none
        > SUBSCRIBE z                     < >["subscribe" "z" :1]
        > PING                            < +PONG
        > CLIENT REPLY SKIP               < none
        > PUBLISH z m                     < >["message" "z" "m"]
        > PING                            < +PONG
        "#,
    );
}

#[test]
fn who_is_gone_subscribes_to_nothing() {
    check(
        r#"
        a> SUBSCRIBE x                    < *
        a> PSUBSCRIBE p*                  < *
        a> SSUBSCRIBE s                   < *
        a> RESET                          < +RESET
        b> PUBLISH x m                    < :0
        b> PUBLISH pp m                   < :0
        b> SPUBLISH s m                   < :0
        b> PUBSUB CHANNELS                < []
        b> PUBSUB NUMPAT                  < :0
        a> GET k                          < nil
        a> SUBSCRIBE x                    < *
        a> PSUBSCRIBE x                   < *
        b> CLIENT LIST TYPE pubsub        < =~"*flags=P * sub=1 psub=1 ssub=0 *"
        b> CLIENT LIST TYPE normal        < =~"*flags=N * sub=0 psub=0 ssub=0 *"
        b> CLIENT KILL TYPE normal        < :*
        b> CLIENT KILL TYPE pubsub        < :1
        b> PUBLISH x m                    < :0
        a< closed
        "#,
    );
}

#[test]
fn pubsub_tells_who_listens_to_what() {
    check(
        r#"
        > PUBSUB CHANNELS                 < []
        a> SUBSCRIBE news sport           < *
        a< *
        a> PSUBSCRIBE n* *                < *
        a< *
        a> SSUBSCRIBE shard               < *
        b> SUBSCRIBE news                 < *
        b> PSUBSCRIBE n*                  < *
        > PUBSUB CHANNELS                 < {"news" "sport"}
        > PUBSUB CHANNELS n*              < ["news"]
        > PUBSUB NUMSUB                   < []
        > PUBSUB NUMSUB news sport other  < ["news" :2 "sport" :1 "other" :0]
        > PUBSUB NUMPAT                   < :2
        > PUBSUB SHARDCHANNELS            < ["shard"]
        > PUBSUB SHARDCHANNELS x*         < []
        > PUBSUB SHARDNUMSUB shard news   < ["shard" :1 "news" :0]
        > INFO stats                      < =~"*pubsub_channels:2\x0d\x0apubsub_patterns:2\x0d\x0apubsubshard_channels:1*"
        > PUBSUB CHANNELS a b             < -ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP.
        > PUBSUB SHARDCHANNELS a b        < -ERR unknown subcommand or wrong number of arguments for 'SHARDCHANNELS'. Try PUBSUB HELP.
        > PUBSUB NUMPAT x                 < -ERR wrong number of arguments for 'pubsub|numpat' command
        > PUBSUB NOPE                     < -ERR unknown subcommand 'NOPE'. Try PUBSUB HELP.
        > PUBSUB                          < -ERR wrong number of arguments for 'pubsub' command
        > PUBLISH a                       < -ERR wrong number of arguments for 'publish' command
        > SUBSCRIBE                       < -ERR wrong number of arguments for 'subscribe' command
        > COMMAND GETKEYS SPUBLISH a b    < -ERR The command has no key arguments
        > COMMAND GETKEYS SSUBSCRIBE a b  < -ERR The command has no key arguments
        "#,
    );
    check(
        r#"
        ! only 7.2
        > PUBSUB HELP                     < *
        "#,
    );
}

#[test]
fn who_may_not_listen_any_more_is_closed() {
    check(
        r#"
        > ACL SETUSER bob on nopass +@all ~* resetchannels &a &b*  < +OK
        a> AUTH bob x                     < +OK
        a> SUBSCRIBE c                    < -NOPERM *
        a> PUBLISH c m                    < -NOPERM *
        a> PSUBSCRIBE a*                  < -NOPERM *
        a> SUBSCRIBE a                    < ["subscribe" "a" :1]
        a> PSUBSCRIBE b*                  < ["psubscribe" "b*" :2]
        > PUBLISH a m                     < :1
        a< ["message" "a" "m"]
        > ACL SETUSER bob &c              < +OK
        > PUBLISH a m                     < :1
        a< ["message" "a" "m"]
        > ACL SETUSER bob resetchannels &a &b < +OK
        > PUBLISH a m                     < :0
        a< closed
        > ACL DELUSER bob                 < :1
        "#,
    );
}

//! The emulated cluster: what it answers, what it forbids, and that a client which speaks to nothing but clusters works.
//!
//! With `DAMSELFLY_ORACLE` set, the scripts run on a `redis-server` as well that is a cluster of one node.
#![cfg(feature = "server")]

mod common;

use common::check_in;
use common::oracle::Server;
use common::places::{Place, Remote, TestServer, config};
use common::resp::Value;
use damselfly::Damselfly;
use damselfly::clock::Clock;
use damselfly::command::error::CommandError;
use damselfly::config::{ClusterMode, Config};
use redis::cluster::{ClusterClient, cluster_pipe};
use redis::{Commands, ProtocolVersion};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

fn in_cluster() -> Config {
    config(16).cluster_enabled(true)
}

/// A real cluster of one node.
static ORACLE: LazyLock<Option<Mutex<Remote>>> = LazyLock::new(|| {
    std::env::var("DAMSELFLY_ORACLE").ok().filter(|place| !place.is_empty())?;
    let directory = tempfile::tempdir().expect("a directory").keep();
    let flags = ["--cluster-enabled", "yes", "--dir", directory.to_str()?];
    let server = Server::start("redis-server", &flags)?;
    let mut remote = Remote::new("a cluster of one redis-server", server.addr());
    remote.control("CLUSTER ADDSLOTSRANGE 0 16383").expect("nobody has them");
    let is_up = |remote: &mut Remote| {
        let info = remote.control("CLUSTER INFO").expect("its state");
        format!("{info}").contains("cluster_state:ok")
    };
    while !is_up(&mut remote) {
        sleep(Duration::from_millis(50));
    }
    // It ends with this process, which nobody outlives.
    std::mem::forget(server);
    Some(Mutex::new(remote))
});

#[track_caller]
fn check(text: &str) {
    let mut oracle = ORACLE.as_ref().map(|oracle| oracle.lock().unwrap_or_else(PoisonError::into_inner));
    check_in(&in_cluster(), oracle.as_mut().map(|oracle| &mut **oracle as &mut dyn Place), text);
}

#[test]
fn it_is_one_node_that_serves_all_slots() {
    check(
        "
        > CLUSTER INFO                          < =~\"cluster_state:ok\\r\\ncluster_slots_assigned:16384\\r\\n*cluster_size:1\\r\\n*\"
        > CLUSTER SLOTS                         < [[:0 :16383 [* * * []]]]
        > CLUSTER NODES                         < =~\"* myself,master - 0 0 0 connected 0-16383\\n\"
        > CLUSTER SHARDS                        < [[\"slots\" [:0 :16383] \"nodes\" [[\"id\" * \"port\" * \"ip\" * \"endpoint\" * \"role\" \"master\" \"replication-offset\" :0 \"health\" \"online\"]]]]
        > CLUSTER LINKS                         < []
        > CLUSTER MYID                          < *
        > CLUSTER REPLICAS abc                  < -ERR Unknown node abc
        > CLUSTER SLAVES abc                    < -ERR Unknown node abc
        > CLUSTER COUNT-FAILURE-REPORTS abc     < -ERR Unknown node abc
        > CLUSTER FORGET abc                    < -ERR Unknown node abc
        > CLUSTER REPLICATE abc                 < -ERR Unknown node abc
        > CLUSTER FAILOVER                      < -ERR You should send CLUSTER FAILOVER to a replica
        > CLUSTER FAILOVER x                    < -ERR syntax error
        > CLUSTER FAILOVER FORCE x              < -ERR unknown subcommand or wrong number of arguments for 'FAILOVER'. Try CLUSTER HELP.
        > CLUSTER SAVECONFIG                    < +OK
        > CLUSTER FNORD                         < -ERR unknown subcommand 'FNORD'. Try CLUSTER HELP.
        > READONLY                              < +OK
        > READWRITE                             < +OK
        > ASKING                                < +OK
        > INFO cluster                          < \"# Cluster\\r\\ncluster_enabled:1\\r\\n\"
        > INFO server                           < =~\"*redis_mode:cluster*\"
        > HELLO 3                               < %{\"server\" * \"version\" * \"proto\" :3 \"id\" * \"mode\" \"cluster\" \"role\" \"master\" \"modules\" []}
        > CLUSTER SLOTS                         < [[:0 :16383 [* * * %{}]]]
    ",
    );
}

#[test]
fn all_slots_are_taken() {
    check(
        "
        > CLUSTER ADDSLOTS 1                    < -ERR Slot 1 is already busy
        > CLUSTER ADDSLOTS 16384                < -ERR Invalid or out of range slot
        > CLUSTER ADDSLOTS 0 x                  < -ERR Invalid or out of range slot
        > CLUSTER ADDSLOTS -1                   < -ERR Invalid or out of range slot
        > CLUSTER ADDSLOTSRANGE 5 6             < -ERR Slot 5 is already busy
        > CLUSTER ADDSLOTSRANGE 5 3             < -ERR start slot number 5 is greater than end slot number 3
        > CLUSTER ADDSLOTSRANGE 5 6 7           < -ERR wrong number of arguments for 'cluster|addslotsrange' command
        > CLUSTER ADDSLOTSRANGE x 6             < -ERR Invalid or out of range slot
    ",
    );
}

#[test]
fn what_would_change_the_cluster_is_refused() {
    for command in [
        "BUMPEPOCH",
        "DELSLOTS 1",
        "DELSLOTSRANGE 1 2",
        "FLUSHSLOTS",
        "MEET 127.0.0.1 7000",
        "RESET",
        "SET-CONFIG-EPOCH 1",
        "SETSLOT 1 STABLE",
    ] {
        let name = command.split(' ').next().unwrap_or_default();
        check(&format!(
            "! no-oracle
             > CLUSTER {command} < -ERR CLUSTER {name} is not supported: this is an emulated cluster of one node"
        ));
    }
}

#[test]
fn keys_are_found_by_their_slot() {
    check(
        "
        > CLUSTER KEYSLOT foo                   < :12182
        > CLUSTER KEYSLOT {foo}b                < :12182
        > CLUSTER KEYSLOT \"\"                  < :0
        > CLUSTER KEYSLOT {}x                   < :10595
        > CLUSTER COUNTKEYSINSLOT 12182         < :0
        > SET foo 1                             < +OK
        > SET {foo}b 1                          < +OK
        > SET bar 1                             < +OK
        > CLUSTER COUNTKEYSINSLOT 12182         < :2
        > CLUSTER GETKEYSINSLOT 12182 10        < {\"foo\" \"{foo}b\"}
        > CLUSTER GETKEYSINSLOT 12182 1         < [*]
        > CLUSTER GETKEYSINSLOT 12182 0         < []
        > CLUSTER COUNTKEYSINSLOT 16384         < -ERR Invalid slot
        > CLUSTER COUNTKEYSINSLOT -1            < -ERR Invalid slot
        > CLUSTER COUNTKEYSINSLOT x             < -ERR value is not an integer or out of range
        > CLUSTER GETKEYSINSLOT 12182 -1        < -ERR Invalid slot or number of keys
        > CLUSTER GETKEYSINSLOT 16384 1         < -ERR Invalid slot or number of keys
        > CLUSTER GETKEYSINSLOT x -1            < -ERR value is not an integer or out of range
    ",
    );
}

#[test]
fn keys_of_one_command_are_in_one_slot() {
    check(
        "
        > MSET a 1 {a}b 2                       < +OK
        > MSET a 1 b 2                          < -CROSSSLOT Keys in request don't hash to the same slot
        > MSET a 1 b                            < -CROSSSLOT *
        > MGET a b                              < -CROSSSLOT *
        > DEL a b                               < -CROSSSLOT *
        > EXISTS a b                            < -CROSSSLOT *
        > RENAME a b                            < -CROSSSLOT *
        > COPY a b DB 1                         < -CROSSSLOT *
        > BLPOP a b 0                           < -CROSSSLOT *
        > BLMOVE a b LEFT LEFT 0                < -CROSSSLOT *
        > LMPOP 2 a b LEFT                      < -CROSSSLOT *
        > LMPOP 0 a b LEFT                      < -ERR numkeys should be greater than 0
        > ZUNIONSTORE a 2 b c                   < -CROSSSLOT *
        > ZUNION x b c                          < -ERR value is not an integer or out of range
        > ZUNION 5 b c                          < -ERR syntax error
        > XREAD COUNT x STREAMS a b 0 0         < -CROSSSLOT *
        > SORT a STORE b                        < -CROSSSLOT *
        > WATCH a b                             < -CROSSSLOT *
        > SSUBSCRIBE a b                        < -CROSSSLOT *
        > SUNSUBSCRIBE a b                      < -CROSSSLOT *
        > NOPE a b                              < -ERR unknown command 'NOPE', *
        > MGET                                  < -ERR wrong number of arguments for 'mget' command
        > MGET a {a}b                           < [\"1\" \"2\"]
        > SORT l BY x*                          < -ERR BY option of SORT denied in Cluster mode.
        > SORT l BY nosort                      < []
        > SORT l GET x                          < -ERR GET option of SORT denied in Cluster mode.
        > SORT_RO l GET #                       < -ERR GET option of SORT denied in Cluster mode.
        > SORT l LIMIT x 1 BY x*                < -ERR value is not an integer or out of range
    ",
    );
}

#[test]
fn a_transaction_keeps_to_one_slot() {
    check(
        "
        > MULTI                                 < +OK
        > SET a 1                               < +QUEUED
        > SET b 1                               < +QUEUED
        > EXEC                                  < -CROSSSLOT Keys in request don't hash to the same slot
        > EXEC                                  < -ERR EXEC without MULTI
        > GET a                                 < nil
        > MULTI                                 < +OK
        > SET a 1                               < +QUEUED
        > MSET a 1 b 1                          < -CROSSSLOT *
        > EXEC                                  < -EXECABORT Transaction discarded because of previous errors.
        > MULTI                                 < +OK
        > GET a                                 < +QUEUED
        > GET b                                 < +QUEUED
        > NOPE                                  < -ERR unknown command *
        > EXEC                                  < -CROSSSLOT *
        > MULTI                                 < +OK
        > SPUBLISH b x                          < +QUEUED
        > GET a                                 < +QUEUED
        > EXEC                                  < -CROSSSLOT *
        > MULTI                                 < +OK
        > SET a 1                               < +QUEUED
        > GET {a}b                              < +QUEUED
        > DBSIZE                                < +QUEUED
        > SELECT 1                              < +QUEUED
        > EXEC                                  < [+OK nil :1 *]
        > WATCH a                               < +OK
        > MULTI                                 < +OK
        > SET b 1                               < +QUEUED
        > EXEC                                  < [+OK]
    ",
    );
}

#[cfg(feature = "script")]
#[test]
fn a_script_keeps_to_the_slot_of_its_keys() {
    check(
        "
        > EVAL 'return 1' 2 a b                 < -CROSSSLOT Keys in request don't hash to the same slot
        > EVALSHA abc 2 a b                     < -CROSSSLOT *
        > FCALL none 2 a b                      < -CROSSSLOT *
        > EVAL 'return 1' 5 a b                 < -ERR Number of keys can't be greater than number of args
        > EVAL \"return redis.call('mget','a','b')\" 0                                     < -ERR Script attempted to access a non local key in a cluster node script: *
        > EVAL \"redis.call('get','a') return redis.call('get','b')\" 0                    < nil
        > EVAL \"#!lua\\nredis.call('get','a') return redis.call('get','b')\" 0            < -ERR Script attempted to access keys that do not hash to the same slot script: *
        > EVAL \"#!lua\\nreturn redis.pcall('get','b')\" 1 a                               < -ERR Script attempted to access keys that do not hash to the same slot
        > EVAL \"#!lua\\nreturn redis.call('get','{a}b')\" 1 a                             < nil
        > EVAL \"#!lua\\nreturn redis.call('spublish','b','c')\" 1 a                       < -ERR Script attempted to access keys *
        > EVAL \"#!lua flags=allow-cross-slot-keys\\nreturn redis.call('get','b')\" 1 a    < nil
        > EVAL \"#!lua flags=allow-cross-slot-keys\\nreturn redis.call('mget','a','b')\" 1 a  < -ERR Script attempted to access a non local key *
        > EVAL \"#!lua flags=no-cluster\\nreturn 1\" 0                                     < -ERR Can not run script on cluster, 'no-cluster' flag is set.
        > EVAL \"return redis.call('select',1)\" 0                                         < -ERR SELECT is not allowed in cluster mode script: *
        > MULTI                                 < +OK
        > GET a                                 < +QUEUED
        > EVAL \"#!lua\\nreturn redis.call('get','b')\" 0                                  < +QUEUED
        > EXEC                                  < [nil *]
        > FUNCTION LOAD REPLACE \"#!lua name=l\\nredis.register_function('f', function() return redis.call('get','b') end) redis.register_function{function_name='g', callback=function() return 1 end, flags={'no-cluster'}}\" < \"l\"
        > FCALL f 1 a                           < -ERR Script attempted to access keys that do not hash to the same slot script: f, *
        > FCALL f 0                             < nil
        > FCALL g 0                             < -ERR Can not run script on cluster, 'no-cluster' flag is set.
    ",
    );
}

#[test]
fn there_is_one_database() {
    check(
        "
        > SELECT 0                              < +OK
        > SELECT 1                              < -ERR SELECT is not allowed in cluster mode
        > SELECT 99                             < -ERR SELECT is not allowed in cluster mode
        > SELECT x                              < -ERR value is not an integer or out of range
        > SWAPDB 0 1                            < -ERR SWAPDB is not allowed in cluster mode
        > SWAPDB x y                            < -ERR SWAPDB is not allowed in cluster mode
        > SET a 1                               < +OK
        > MOVE a 1                              < -ERR MOVE is not allowed in cluster mode
        > MOVE a x                              < -ERR MOVE is not allowed in cluster mode
        > COPY a {a}b DB 1                      < -ERR Copying to another database is not allowed in cluster mode
        > COPY a {a}b DB 1 x                    < -ERR syntax error
        > COPY a {a}b DB 16                     < -ERR DB index is out of range
        > COPY a {a}b DB 0                      < :1
    ",
    );
    let db = Damselfly::open(in_cluster()).expect("a good configuration");
    assert_eq!(db.select(0).expect("the first").db(), 0);
    assert!(db.select(1).is_err(), "there is no other");
    let refused = db.call(["MGET", "a", "b"]).expect_err("two slots");
    assert!(refused.to_string().contains(&CommandError::CrossSlot.to_string()), "{refused}");
}

#[test]
fn both_names_of_the_setting_say_the_same() {
    for config in [config(1).cluster_enabled(true), config(1).cluster_mode(ClusterMode::Emulated)] {
        check_in(
            &config,
            None,
            "
            > CONFIG GET cluster-enabled        < [\"cluster-enabled\" \"yes\"]
            > CONFIG GET cluster-mode           < [\"cluster-mode\" \"emulated\"]
            > CONFIG SET cluster-enabled no     < -ERR CONFIG SET failed (possibly related to argument 'cluster-enabled') - can't set immutable config
            > CLUSTER KEYSLOT foo               < :12182
            ",
        );
    }
}

#[test]
fn a_client_is_sent_where_it_is_or_where_settings_say() {
    let server = TestServer::start(&in_cluster(), Clock::system());
    let mut client = Remote::new("ours", server.addr());
    let places = |client: &mut Remote| {
        let reply = |client: &mut Remote, command| client.control(command).map(|reply| format!("{reply}"));
        ["CLUSTER SLOTS", "CLUSTER SHARDS", "CLUSTER NODES"]
            .map(|command| reply(client, command).expect("a map"))
    };
    let port = server.addr().rsplit_once(':').expect("a port").1.to_owned();
    for text in places(&mut client) {
        assert!(text.contains("127.0.0.1") && text.contains(&port), "{text}");
    }
    let set = client.control("CONFIG SET cluster-announce-ip 10.1.2.3 cluster-announce-port 7777");
    assert_eq!(set, Ok(Value::Simple(b"OK".to_vec())));
    for text in places(&mut client) {
        assert!(text.contains("10.1.2.3") && text.contains("7777") && !text.contains(&port), "{text}");
    }
}

#[test]
fn the_redis_crate_finds_its_way_in_the_cluster() {
    let server = TestServer::start(&in_cluster().io_threads(2), Clock::system());
    for protocol in [ProtocolVersion::RESP2, ProtocolVersion::RESP3] {
        let client = ClusterClient::builder([format!("redis://{}", server.addr())])
            .use_protocol(protocol)
            .build()
            .expect("an address");
        let mut db = client.get_connection().expect("a cluster");
        let _: () = redis::cmd("FLUSHALL").query(&mut db).expect("flushed");
        for n in 0..200 {
            let _: () = db.set(format!("key:{n}"), n).expect("set");
        }
        for n in 0..200 {
            assert_eq!(db.get::<_, i64>(format!("key:{n}")).expect("got"), n);
        }
        let mut pipe = cluster_pipe();
        for n in 0..50i64 {
            pipe.incr(format!("n:{n}"), n);
        }
        assert_eq!(pipe.query::<Vec<i64>>(&mut db).expect("a pipeline"), (0..50).collect::<Vec<_>>());
        // The client splits what crosses slots, as it must on any cluster.
        let three: Vec<i64> = db.mget(&["key:3", "key:1", "key:2"]).expect("three slots");
        assert_eq!(three, [3, 1, 2]);
    }
}

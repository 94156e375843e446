//! What clients of the Java world say when they connect, and what Spring's caches and sessions say then.
//!
//! Their packages cannot be fetched where the tests run, so the commands are written down as Lettuce 6.3, Jedis 5,
//! Redisson 3 and Spring Data send them, in that order; the same scripts run against redis-server and Valkey.

use super::check;

#[test]
fn lettuce_connects_by_hello_3_and_looks_at_the_topology() {
    check(
        "
        ! only 7.2
        > HELLO 3                               < %{\"server\" * \"version\" * \"proto\" :3 \"id\" * \"mode\" \"standalone\" \"role\" \"master\" \"modules\" *}
        > CLIENT SETNAME lettuce#1              < +OK
        > CLIENT SETINFO lib-name Lettuce       < +OK
        > CLIENT SETINFO lib-ver 6.3.2.RELEASE/8941aea < +OK
        > PING                                  < +PONG
        > INFO                                  < *
        > CLIENT ID                             < *
        > CLIENT INFO                           < =~'*name=lettuce#1 *resp=3 lib-name=Lettuce lib-ver=6.3.2.RELEASE/8941aea*'
        > COMMAND                               < *
        > CLUSTER NODES                         < -ERR This instance has cluster support disabled
        ",
    );
    // With a password the handshake is one command; a wrong one closes nothing.
    check(
        "
        > HELLO 3 AUTH default wrong            < *
        > CONFIG SET requirepass secret         < +OK
        b> HELLO 3 AUTH default wrong           < -WRONGPASS invalid username-password pair or user is disabled.
        b> HELLO 3                              < -NOAUTH HELLO must be called with the client already authenticated, *
        b> HELLO 3 AUTH default secret SETNAME spring < %{\"server\" * \"version\" * \"proto\" :3 \"id\" * \"mode\" * \"role\" * \"modules\" *}
        b> CLIENT GETNAME                       < \"spring\"
        b> CONFIG SET requirepass ''            < +OK
        ",
    );
}

#[test]
fn jedis_connects_in_either_protocol_and_asks_for_a_cluster() {
    check(
        "
        ! only 7.2
        > CLIENT SETINFO lib-name jedis         < +OK
        > CLIENT SETINFO lib-ver 5.1.0          < +OK
        > CLIENT SETINFO lib-name 'jedis(spring-data_3.2)' < +OK
        > SELECT 0                              < +OK
        > PING                                  < +PONG
        > CLUSTER SLOTS                         < -ERR This instance has cluster support disabled
        > QUIT                                  < +OK
        < closed
        ",
    );
    check(
        "
        > SENTINEL GET-MASTER-ADDR-BY-NAME mymaster < -ERR unknown command 'SENTINEL', with args beginning with: 'GET-MASTER-ADDR-BY-NAME' 'mymaster' *
        > SENTINEL SENTINELS mymaster           < -ERR unknown command 'SENTINEL'*
        > PING                                  < +PONG
        ",
    );
}

#[test]
fn redisson_connects_and_locks_by_scripts() {
    check(
        "
        > CLIENT SETNAME node-1                 < +OK
        > SELECT 0                              < +OK
        > INFO REPLICATION                      < =~'*role:master*'
        > SUBSCRIBE redisson_lock__channel:{l}  < [\"subscribe\" \"redisson_lock__channel:{l}\" :1]
        > PING                                  < [\"pong\" \"\"]
        > UNSUBSCRIBE redisson_lock__channel:{l} < [\"unsubscribe\" \"redisson_lock__channel:{l}\" :0]
        > CLIENT TRACKING OFF                   < +OK
        ",
    );
    #[cfg(feature = "script")]
    check(
        "
        a> EVAL \"if ((redis.call('exists', KEYS[1]) == 0) or (redis.call('hexists', KEYS[1], ARGV[2]) == 1)) then redis.call('hincrby', KEYS[1], ARGV[2], 1); redis.call('pexpire', KEYS[1], ARGV[1]); return nil; end; return redis.call('pttl', KEYS[1]);\" 1 {l} 30000 me:1 < nil
        b> EVAL \"if ((redis.call('exists', KEYS[1]) == 0) or (redis.call('hexists', KEYS[1], ARGV[2]) == 1)) then redis.call('hincrby', KEYS[1], ARGV[2], 1); redis.call('pexpire', KEYS[1], ARGV[1]); return nil; end; return redis.call('pttl', KEYS[1]);\" 1 {l} 30000 you:1 < :29000..30000
        b> SUBSCRIBE redisson_lock__channel:{l} < [\"subscribe\" * :1]
        a> EVAL \"if (redis.call('hexists', KEYS[1], ARGV[3]) == 0) then return nil;end; local counter = redis.call('hincrby', KEYS[1], ARGV[3], -1); if (counter > 0) then redis.call('pexpire', KEYS[1], ARGV[2]); return 0; else redis.call('del', KEYS[1]); redis.call('publish', KEYS[2], ARGV[1]); return 1; end; return nil;\" 2 {l} redisson_lock__channel:{l} 0 30000 me:1 < :1
        b<                                        [\"message\" \"redisson_lock__channel:{l}\" \"0\"]
        ",
    );
}

#[test]
fn springs_cache_writes_locks_and_clears() {
    check(
        "
        > EXISTS books~lock                     < :0
        > GET books::1                          < nil
        > SET books::1 \"\\xac\\xed\\x00\\x05t\\x00\\x04Dune\" PX 60000 < +OK
        > GET books::1                          < \"\\xac\\xed\\x00\\x05t\\x00\\x04Dune\"
        > SET books::1 x PX 60000 NX            < nil
        > SETNX books~lock ''                   < :1
        > EXISTS books~lock                     < :1
        > KEYS books::*                         < [\"books::1\"]
        > SCAN 0 MATCH books::* COUNT 1000      < [\"0\" [\"books::1\"]]
        > DEL books::1                          < :1
        > DEL books~lock                        < :1
        > GETEX books::2 PX 1000                < nil
        > INFO server                           < =~'# Server*redis_version:*'
        > DBSIZE                                < :0
        ",
    );
}

#[test]
fn springs_sessions_expire_by_events() {
    check(
        "
        a> CONFIG GET notify-keyspace-events    < [\"notify-keyspace-events\" \"\"]
        a> CONFIG SET notify-keyspace-events gxE < +OK
        b> PSUBSCRIBE __keyevent@0__:del __keyevent@0__:expired < [\"psubscribe\" \"__keyevent@0__:del\" :1]
        b<                                        [\"psubscribe\" \"__keyevent@0__:expired\" :2]
        b> SUBSCRIBE spring:session:event:0:created:1 < [\"subscribe\" * :3]
        a> HMSET spring:session:sessions:1 creationTime 1 maxInactiveInterval 1800 lastAccessedTime 1 < +OK
        a> SADD spring:session:expirations:60000 expires:1 < :1
        a> EXPIRE spring:session:expirations:60000 2100 < :1
        a> APPEND spring:session:sessions:expires:1 '' < :0
        a> EXPIRE spring:session:sessions:expires:1 1800 < :1
        a> EXPIRE spring:session:sessions:1 2100 < :1
        a> PUBLISH spring:session:event:0:created:1 x < :1
        b<                                        [\"message\" \"spring:session:event:0:created:1\" \"x\"]
        a> HGETALL spring:session:sessions:1    < *
        a> SREM spring:session:expirations:60000 expires:1 < :1
        b<                                        [\"pmessage\" \"__keyevent@0__:del\" \"__keyevent@0__:del\" \"spring:session:expirations:60000\"]
        a> DEL spring:session:sessions:expires:1 < :1
        b<                                        [\"pmessage\" \"__keyevent@0__:del\" \"__keyevent@0__:del\" \"spring:session:sessions:expires:1\"]
        a> DEL spring:session:sessions:1        < :1
        b<                                        [\"pmessage\" \"__keyevent@0__:del\" \"__keyevent@0__:del\" \"spring:session:sessions:1\"]
        a> CONFIG SET notify-keyspace-events '' < +OK
        ",
    );
}

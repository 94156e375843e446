//! Scripts and functions.

use super::check;

#[test]
fn a_script_finds_its_keys_and_arguments() {
    check(
        r#"
        > EVAL "return {KEYS[1],KEYS[2],ARGV[1],#KEYS,#ARGV}" 2 a b c      < ["a" "b" "c" :2 :1]
        > EVAL "return redis.call('set',KEYS[1],ARGV[1])" 1 k v            < +OK
        > EVAL "return redis.call('get','k')" 0                            < "v"
        > EVAL "return 1"                                                  < -ERR wrong number of arguments for 'eval' command
        > EVAL "return 1" x                                                < -ERR value is not an integer or out of range
        > EVAL "return 1" -1                                               < -ERR Number of keys can't be negative
        > EVAL "return 1" 1                                                < -ERR Number of keys can't be greater than number of args
    "#,
    );
}

#[test]
fn what_a_script_returns_becomes_a_reply() {
    check(
        r#"
        > EVAL "return 3.99" 0                                     < :3
        > EVAL "return 'x'" 0                                      < "x"
        > EVAL "return true" 0                                     < :1
        > EVAL "return false" 0                                    < nil
        > EVAL "return {1,{2,'x'},nil,4}" 0                        < [:1 [:2 "x"]]
        > EVAL "return {ok='fine'}" 0                              < +fine
        > EVAL "return {err='MY mistake'}" 0                       < -MY mistake
        > EVAL "return redis.error_reply('bad')" 0                 < -ERR bad
        > EVAL "return redis.status_reply('done')" 0               < +done
        > EVAL "return {double=3.5}" 0                             < "3.5"
        > EVAL "return {map={a=1}}" 0                              < ["a" :1]
        > EVAL "return {set={a=true}}" 0                           < ["a"]
        > EVAL "return {big_number='12'}" 0                        < "12"
        > EVAL "return {verbatim_string={format='txt',string='a'}}" 0  < "a"
        > EVAL "return {{err='MY mistake'}}" 0                     < *
        > HELLO 3                                                  < *
        > EVAL "return {double=3.5}" 0                             < ,3.5
        > EVAL "return {map={a=1}}" 0                              < %{"a" :1}
        > EVAL "return {set={a=true}}" 0                           < ~["a"]
        > EVAL "return {verbatim_string={format='t',string='a'}}" 0    < ="t  :a"
        > EVAL "return true" 0                                     < :1
        > EVAL "redis.setresp(3) return true" 0                    < #t
    "#,
    );
}

#[test]
fn replies_of_commands_become_values() {
    check(
        r#"
        > EVAL "return type(redis.call('get','none'))" 0                       < "boolean"
        > EVAL "redis.setresp(3) return type(redis.call('get','none'))" 0      < "nil"
        > EVAL "return redis.call('ping').ok" 0                                < "PONG"
        > EVAL "return redis.call('incr','n') + 0.5 .. ''" 0                   < "1.5"
        > RPUSH l a b                                                          < :2
        > EVAL "return redis.call('lrange','l',0,-1)[2]" 0                     < "b"
        > HSET h f v                                                           < :1
        > EVAL "return redis.call('hgetall','h')" 0                            < ["f" "v"]
        > EVAL "redis.setresp(3) return redis.call('hgetall','h').map.f" 0     < "v"
        > SADD s m                                                             < :1
        > EVAL "redis.setresp(3) return tostring(redis.call('smembers','s').set.m)" 0  < "true"
        > ZADD z 1.5 a                                                         < :1
        > EVAL "return redis.call('zscore','z','a')" 0                         < "1.5"
        > EVAL "redis.setresp(3) return redis.call('zscore','z','a').double * 2 .. ''" 0  < "3"
    "#,
    );
}

#[test]
fn a_script_waits_for_nothing() {
    check(
        r#"
        ! only 7.2
        > EVAL "return redis.call('blpop','none',0)" 0             < nil
        > EVAL "redis.call('rpush','l','x') return redis.call('blpop','l',0)" 0  < ["l" "x"]
    "#,
    );
}

#[test]
fn errors_say_where_they_arose() {
    check(
        r#"
        > SET s x                                                  < +OK
        > EVAL "return redis.call('lpush','s','x')" 0              < -WRONGTYPE Operation against a key holding the wrong kind of value script: 1bae58f5987a5f51b4735899cd21a9fd9c5bd4db, on @user_script:1.
        > EVAL "return redis.pcall('lpush','s','x')" 0             < -WRONGTYPE Operation against a key holding the wrong kind of value
        > EVAL "return redis.call('nosuch')" 0                     < -ERR Unknown Redis command called from script script: *, on @user_script:1.
        > EVAL "return redis.call('get')" 0                        < -ERR Wrong number of args calling Redis command from script script: *
        > EVAL "return redis.call()" 0                             < -ERR Please specify at least one argument for this redis lib call script: *
        > EVAL "return redis.call('get',{})" 0                     < -ERR Lua redis lib command arguments must be strings or integers script: *
        > EVAL "\n\nreturn redis.call('multi')" 0                  < -ERR This Redis command is not allowed from script script: *, on @user_script:3.
        > EVAL "error('boom')" 0                                   < -ERR user_script:1: boom script: *, on @user_script:1.
        > EVAL "error({err='MY mistake'})" 0                       < -MY mistake script: *
        > EVAL "return foo" 0                                      < -ERR user_script:1: Script attempted to access nonexistent global variable 'foo' script: *
        > EVAL "foo = 1" 0                                         < -ERR user_script:1: Attempt to modify a readonly table script: *
        > EVAL "string.x = 1" 0                                    < -ERR user_script:1: Attempt to modify a readonly table script: *
        > EVAL "rawset(_G,'x',1)" 0                                < -ERR Attempt to modify a readonly table script: *
        > EVAL "return (nil)[1]" 0                                 < -ERR user_script:1: attempt to index a nil value script: *
        > EVAL "return tostring(select(2,pcall(redis.call,'nosuch')))" 0  < "ERR Unknown Redis command called from script"
        > EVAL "x =" 0                                             < -ERR Error compiling script (new function): user_script:1: unexpected symbol near '<eof>'
        > EVAL "return ('x'):rep(3), loadstring('\27Lua')" 0       < "xxx"
        > EVAL "return loadstring(string.dump(function() end))" 0  < nil
    "#,
    );
}

#[test]
fn scripts_are_known_by_their_digest() {
    check(
        "
        > EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0       < -NOSCRIPT No matching script. Please use EVAL.
        > SCRIPT LOAD 'return 1'                                   < \"e0e1f9fabfc9d4800c877a703b823ac0578ff8db\"
        > EVALSHA E0E1F9FABFC9D4800C877A703B823AC0578FF8DB 0       < :1
        > EVALSHA abc 0                                            < -NOSCRIPT *
        > SCRIPT EXISTS abc e0e1f9fabfc9d4800c877a703b823ac0578ff8db < [:0 :1]
        > SCRIPT LOAD 'x='                                         < -ERR Error compiling script (new function): *
        > SCRIPT FLUSH LATER                                       < -ERR SCRIPT FLUSH only support SYNC|ASYNC option
        > SCRIPT FLUSH SYNC                                        < +OK
        > SCRIPT EXISTS e0e1f9fabfc9d4800c877a703b823ac0578ff8db   < [:0]
        > SCRIPT KILL                                              < -NOTBUSY No scripts in execution right now.
        > SCRIPT DEBUG X                                           < -ERR Use SCRIPT DEBUG YES/SYNC/NO
        > SCRIPT DEBUG NO                                          < +OK
        > SCRIPT NOPE                                              < -ERR unknown subcommand 'NOPE'. Try SCRIPT HELP.
        > SCRIPT HELP                                              < *
        > SCRIPT FLUSH                                             < +OK
    ",
    );
}

#[test]
fn a_script_that_reads_writes_nothing() {
    check(
        r#"
        > EVAL_RO "return redis.call('set','a','b')" 0             < -ERR Write commands are not allowed from read-only scripts. script: *
        > EVAL_RO "return redis.call('get','a')" 0                 < nil
        > EVALSHA_RO aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 0    < -NOSCRIPT *
        > EVAL "\#!lua flags=no-writes\nreturn redis.call('set','a','b')" 0  < -ERR Write commands are not allowed from read-only scripts. script: *, on @user_script:2.
        > EVAL_RO "\#!lua\nreturn 1" 0                             < -ERR Can not execute a script with write flag using *_ro command.
        > EVAL_RO "\#!lua flags=no-writes\nreturn 1" 0             < :1
        > EVAL "\#!lua flags=foo\nreturn 1" 0                      < -ERR Unexpected flag in script shebang: foo
        > EVAL "\#!lua name=x\nreturn 1" 0                         < -ERR Unknown lua shebang option: name=x
        > EVAL "\#!foo\nreturn 1" 0                                < -ERR Unexpected engine in script shebang: *foo
        > EVAL "\#!lua" 0                                          < -ERR Invalid script shebang
        > EXISTS a                                                 < :0
    "#,
    );
}

#[test]
fn what_a_script_selects_stays_in_the_script() {
    check(
        r#"
        > EVAL "redis.call('select',1) redis.call('set','k','one') return redis.call('get','k')" 0  < "one"
        > EXISTS k                                                 < :0
        > SELECT 1                                                 < +OK
        > GET k                                                    < "one"
        > EVAL "redis.setresp(3) return 1" 0                       < :1
        > EVAL "return type(redis.call('get','none'))" 0           < "boolean"
    "#,
    );
}

#[test]
fn a_script_is_part_of_a_transaction() {
    check(
        r#"
        > MULTI                                                    < +OK
        > SET a 1                                                  < +QUEUED
        > EVAL "return redis.call('incr','a')" 0                   < +QUEUED
        > EVAL "return redis.call('nosuch')" 0                     < +QUEUED
        > GET a                                                    < +QUEUED
        > EXEC                                                     < [+OK :2 -ERR* "2"]
        > WATCH w                                                  < +OK
        > EVAL "return redis.call('set','w','1')" 0                < +OK
        > MULTI                                                    < +OK
        > GET w                                                    < +QUEUED
        > EXEC                                                     < nil-array
    "#,
    );
}

#[test]
fn a_script_fills_what_others_wait_for() {
    check(
        r#"
        a> BLPOP l 0                                               < blocks
        b> EVAL "redis.call('rpush','l','x','y') return redis.call('llen','l')" 0  < :2
        a< ["l" "x"]
        b> LLEN l                                                  < :1
    "#,
    );
}

#[test]
fn libraries_pack_and_unpack() {
    check(
        r#"
        > EVAL "return cjson.encode({{},'x/y',1.5,true,cjson.null})" 0   < "[{},\"x\\/y\",1.5,true,null]"
        > EVAL "local t = cjson.decode('{\"a\":[1,null,\"\\\\u00e9\"]}') return {t.a[1], t.a[2] == cjson.null, t.a[3]}" 0   < [:1 :1 "\xc3\xa9"]
        > EVAL "return cjson.decode('[1')" 0                       < -ERR user_script:1: Expected comma or array end but found T_END at character 3 script: *
        > EVAL "return cjson.encode({[1]=1,[100]=2})" 0            < -ERR user_script:1: Cannot serialise table: excessively sparse array script: *
        > EVAL "return cmsgpack.pack({1,'a',{b=2}})" 0             < "\x93\x01\xa1a\x81\xa1b\x02"
        > EVAL "return cmsgpack.unpack(cmsgpack.pack({1,'a'}))" 0  < [:1 "a"]
        > EVAL "return struct.pack('>I2h', 258, -2)" 0             < "\x01\x02\xff\xfe"
        > EVAL "return {struct.unpack('>I2h', '\\1\\2\\255\\254')}" 0  < [:258 :-2 :5]
        > EVAL "return {bit.band(0xff,0x0f), bit.tohex(255,4), bit.lshift(1,31)}" 0  < [:15 "00ff" :-2147483648]
        > EVAL "return {string.gsub('hello world','(%w+)','<%1>')}" 0    < ["<hello> <world>" :2]
        > EVAL "local r = {} for k, v in string.gmatch('a=1,b=2','(%w+)=(%w+)') do r[#r+1] = k .. v end return r" 0  < ["a1" "b2"]
        > EVAL "return redis.sha1hex('')" 0                        < "da39a3ee5e6b4b0d3255bfef95601890afd80709"
        > EVAL "math.randomseed(1) local a = math.random(1000) math.randomseed(1) return {a == math.random(1000), math.random() < 1}" 0  < [:1 :1]
    "#,
    );
}

#[test]
fn functions_are_loaded_once_and_called_by_name() {
    check(
        r#"
        > FUNCTION LOAD "\#!lua name=mylib\nredis.register_function('f', function(keys, args) return {keys[1], args[1]} end)\nredis.register_function{function_name='ro', callback=function(keys) return redis.call('get', keys[1]) end, flags={'no-writes'}, description='reads'}"   < "mylib"
        > FCALL f 1 k a                                            < ["k" "a"]
        > FCALL F 0                                                < []
        > FCALL_RO f 0                                             < -ERR Can not execute a script with write flag using *_ro command.
        > FCALL_RO ro 1 k                                          < nil
        > FCALL nosuch 0                                           < -ERR Function not found
        > FCALL f x                                                < -ERR Bad number of keys provided
        > FUNCTION LOAD "\#!lua name=mylib\nredis.register_function('g', function() end)"            < -ERR Library 'mylib' already exists
        > FUNCTION LOAD "\#!lua name=other\nredis.register_function('f', function() end)"            < -ERR Function f already exists
        > FUNCTION LOAD REPLACE "\#!lua name=mylib\nredis.register_function('g', function() return KEYS end)"  < "mylib"
        > FCALL f 0                                                < -ERR Function not found
        > FCALL g 0                                                < -ERR user_function:2: Script attempted to access nonexistent global variable 'KEYS' script: g, on @user_function:2.
        > FUNCTION LIST                                            < [["library_name" "mylib" "engine" "LUA" "functions" [["name" "g" "description" nil "flags" []]]]]
        > FUNCTION LIST LIBRARYNAME x*                             < []
        > FUNCTION STATS                                           < ["running_script" nil "engines" ["LUA" ["libraries_count" :1 "functions_count" :1]]]
        > FUNCTION DELETE nosuch                                   < -ERR Library not found
        > FUNCTION DELETE mylib                                    < +OK
        > FUNCTION KILL                                            < -NOTBUSY No scripts in execution right now.
        > FUNCTION HELP                                            < *
    "#,
    );
}

#[test]
fn a_library_that_goes_wrong_leaves_nothing_behind() {
    check(
        r#"
        > FUNCTION LOAD "return 1"                                 < -ERR Missing library metadata
        > FUNCTION LOAD "\#!lua\nreturn 1"                         < -ERR Library name was not given
        > FUNCTION LOAD "\#!lua name=a-b\nreturn 1"                < -ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long
        > FUNCTION LOAD "\#!lua name=a\nreturn 1"                  < -ERR No functions registered
        > FUNCTION LOAD "\#!lua name=a\nx="                        < -ERR Error compiling function: user_function:2: unexpected symbol near '<eof>'
        > FUNCTION LOAD "\#!lua name=a\nredis.call('ping')"        < -ERR Error registering functions: ERR user_function:2: Script attempted to access nonexistent global variable 'call'
        > FUNCTION LOAD "\#!lua name=a\nredis.register_function('f')"  < -ERR Error registering functions: ERR calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).
        > FUNCTION LOAD "\#!lua name=a\nwhile true do end"         < -ERR Error registering functions: ERR FUNCTION LOAD timeout
        > FUNCTION LOAD X "\#!lua name=a\nx"                       < -ERR Unknown option given: X
        > FUNCTION LIST                                            < []
        > FUNCTION FLUSH x                                         < -ERR FUNCTION FLUSH only supports SYNC|ASYNC option
        > FUNCTION FLUSH ASYNC                                     < +OK
        > FUNCTION DUMP                                            < "\n\x00]\x9b\\@\x0f\x7f\xa2\xda"
        > FUNCTION RESTORE x                                       < -ERR DUMP payload version or checksum are wrong
        > FUNCTION RESTORE x Y                                     < -ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.
        > FUNCTION LIST foo                                        < -ERR Unknown argument foo
    "#,
    );
}

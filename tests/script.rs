//! Scripts under load and out of hand: they are atomic, they end when they are told to, and they take what they may.

#![cfg(feature = "script")]
#![expect(clippy::disallowed_methods, reason = "what is tested is measured from outside")]
#![allow(missing_docs, clippy::unwrap_used)]

use damselfly::config::Config;
use damselfly::embed::{Damselfly, Error};
use damselfly::reply::Reply;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

const NONE: [&str; 0] = [];

fn db(config: Config) -> Damselfly {
    Damselfly::open(config).unwrap()
}

fn int(reply: &Reply) -> i64 {
    match reply {
        Reply::Int(number) => *number,
        other => std::str::from_utf8(other.as_bytes().unwrap()).unwrap().parse().unwrap(),
    }
}

fn text(error: &Error) -> String {
    error.to_string()
}

/// Waits until a script is slow.
fn until_slow(db: &Damselfly) {
    let watch = Instant::now();
    while !db.engine().busy().is_slow() {
        assert!(watch.elapsed() < Duration::from_secs(20), "the script was never slow");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_script_is_seen_whole_or_not_at_all() {
    const KEYS: u64 = 16;
    const MOVES: u64 = 400;
    let db = db(Config::default().shards(16u32));
    for key in 0..KEYS {
        db.set(format!("account:{key}"), "100").unwrap();
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let movers: Vec<_> = (0..3u64)
            .map(|mover| {
                let (db, done) = (&db, &done);
                scope.spawn(move || {
                    // The keys are not declared: a script finds them all the same.
                    let transfer = db
                        .script(
                            "local from, to = 'account:' .. ARGV[1], 'account:' .. ARGV[2]
                             local left = tonumber(redis.call('GET', from))
                             local amount = math.min(left, tonumber(ARGV[3]))
                             redis.call('DECRBY', from, amount)
                             redis.call('INCRBY', to, amount)
                             return amount",
                        )
                        .unwrap();
                    for step in 0..MOVES {
                        let (from, to) = ((step * 7 + mover) % KEYS, (step * 5 + 3 * mover + 1) % KEYS);
                        let args = [from.to_string(), to.to_string(), (step % 30).to_string()];
                        assert!(int(&transfer.call(NONE, args).unwrap()) >= 0);
                    }
                    let _ = done;
                })
            })
            .collect();
        let watcher = scope.spawn(|| {
            let keys: Vec<String> = (0..KEYS).map(|key| format!("account:{key}")).collect();
            let mut looks = 0;
            while !done.load(Relaxed) || looks == 0 {
                let sum: i64 = db
                    .mget(&keys)
                    .unwrap()
                    .iter()
                    .map(|value| {
                        std::str::from_utf8(value.as_ref().unwrap()).unwrap().parse::<i64>().unwrap()
                    })
                    .sum();
                assert_eq!(sum, KEYS as i64 * 100);
                looks += 1;
            }
        });
        movers.into_iter().for_each(|mover| mover.join().unwrap());
        done.store(true, Relaxed);
        watcher.join().unwrap();
    });
}

#[test]
fn a_slow_script_is_told_of_and_ended() {
    let db = db(Config::default().shards(4u32).busy_reply_threshold(20u64));
    for script in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do xpcall(function() error('x') end, function(e) return e end) end",
        "while true do coroutine.wrap(function() while true do end end)() end",
        "while true do pcall(coroutine.wrap(function() while true do end end)) end",
        "while true do redis.pcall('GET', 'x') end",
        "while true do redis.pcall('NOSUCH') end",
        // The matcher looks up as well: these would run for longer than the universe has.
        "return string.find(('a'):rep(60), ('a*'):rep(30) .. 'b')",
        "return ('x'):rep(300000):find('.-b')",
        "return ('x'):rep(300000):gsub('.-b', '')",
        "for a in ('x'):rep(300000):gmatch('.-b') do end",
        "local t = setmetatable({}, {__index = function(t, k) while true do end end}) return t.x",
        "table.sort({1, 2, 3}, function() while true do end end)",
        "return string.gsub('a', 'a', function() while true do end end)",
    ] {
        thread::scope(|scope| {
            let running = scope.spawn(|| db.eval(script, NONE, NONE));
            until_slow(&db);
            let refused = db.call(["GET", "x"]).unwrap_err();
            assert!(text(&refused).starts_with("BUSY Redis is busy running a script."), "{refused}");
            let refused = db.eval("return 1", NONE, NONE).unwrap_err();
            assert!(text(&refused).starts_with("BUSY "), "{refused}");
            db.script_kill().unwrap();
            let ended = running.join().unwrap().unwrap_err();
            assert!(text(&ended).contains("Script killed by user with SCRIPT KILL"), "{script}: {ended}");
        });
        // The state is as good as new.
        assert_eq!(db.eval("return 7", NONE, NONE), Ok(Reply::Int(7)));
        assert!(text(&db.script_kill().unwrap_err()).starts_with("NOTBUSY "));
    }
}

#[test]
fn a_script_that_has_written_is_not_ended() {
    let db = db(Config::default().busy_reply_threshold(20u64));
    thread::scope(|scope| {
        let running = scope.spawn(|| {
            db.eval(
                "redis.call('SET', 'k', 'v') for i = 1, 1e8 do end return redis.call('GET', 'k')",
                NONE,
                NONE,
            )
        });
        until_slow(&db);
        assert!(text(&db.script_kill().unwrap_err()).starts_with("UNKILLABLE "));
        assert_eq!(running.join().unwrap().unwrap().as_bytes(), Some(&b"v"[..]));
    });
}

#[test]
fn a_function_is_ended_by_its_own_command() {
    let db = db(Config::default().busy_reply_threshold(20u64));
    db.function_load(
        "#!lua name=l\nredis.register_function('spin', function() while true do end end)",
        false,
    )
    .unwrap();
    thread::scope(|scope| {
        let running = scope.spawn(|| db.fcall("spin", NONE, NONE));
        until_slow(&db);
        assert!(text(&db.script_kill().unwrap_err()).starts_with("BUSY "));
        assert_eq!(db.engine().busy().slow().unwrap().name, "spin");
        db.function_kill().unwrap();
        assert!(text(&running.join().unwrap().unwrap_err()).contains("on @user_function:2."));
    });
}

#[test]
fn calls_on_one_key_wait_for_a_script() {
    let db = db(Config::default().busy_reply_threshold(10u64));
    thread::scope(|scope| {
        let running =
            scope.spawn(|| db.eval("redis.call('SET', 'k', 'v') for i = 1, 2e7 do end return 1", NONE, NONE));
        until_slow(&db);
        assert_eq!(db.get("k").unwrap().as_deref(), Some(&b"v"[..]));
        assert_eq!(running.join().unwrap(), Ok(Reply::Int(1)));
    });
}

#[test]
fn a_script_takes_no_more_memory_than_it_may() {
    let db = db(Config::default());
    for script in [
        "local s = 'x' while true do s = s .. s end",
        "return ('x'):rep(2^40)",
        "local s = ('x'):rep(2^20) return s:gsub('x', s)",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "local ok, e = pcall(function() local s = 'x' while true do s = s .. s end end) error(e, 0)",
        "local t = {} for i = 1, 1e4 do t[i] = ('x'):rep(1e6) end return table.concat(t)",
    ] {
        let ended = db.eval(script, NONE, NONE).unwrap_err();
        assert!(text(&ended).contains("not enough memory"), "{script}: {ended}");
        assert_eq!(db.eval("return 7", NONE, NONE), Ok(Reply::Int(7)), "{script}");
    }
}

#[test]
fn a_script_recurs_no_deeper_than_it_may() {
    let db = db(Config::default());
    for script in [
        "local function f() return 1 + f() end return f()",
        "return string.rep('(', 100000):find(string.rep('(', 100000))",
        "return ('x'):rep(1000):find(('x?'):rep(1000))",
        "local t = {} for i = 1, 100000 do t = {t} end return cjson.encode(t)",
        "cjson.encode_max_depth(1e6) local t = {} for i = 1, 100000 do t = {a = t} end return cjson.encode(t)",
        "cjson.decode_max_depth(1e6) return cjson.decode(('['):rep(100000))",
        "return cmsgpack.unpack(('\\145'):rep(100000))",
        "local function f(s) return (s:gsub('.', f)) end return f('x')",
        "local function f() return coroutine.wrap(f)() end return f()",
        "return loadstring(('('):rep(100000))()",
        "return unpack({}, 1, 1e7)",
        "local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x.y.z",
    ] {
        let ended = db.eval(script, NONE, NONE);
        assert!(ended.is_err(), "{script}: {ended:?}");
        assert_eq!(db.eval("return 7", NONE, NONE), Ok(Reply::Int(7)), "{script}");
    }
    // A reply that holds itself ends somewhere.
    assert!(matches!(db.eval("local t = {} t[1] = t return t", NONE, NONE), Ok(Reply::Array(_))));
    let reply = db.eval("local t = {} t.map = t return t", NONE, NONE).unwrap();
    assert!(matches!(reply, Reply::Map(_)));
    // What is packed deeper than sixteen levels is nil.
    db.eval("local t = {} t[1] = t return #cmsgpack.pack(t)", NONE, NONE).unwrap();
}

#[test]
fn many_arguments_and_results_are_taken() {
    let db = db(Config::default());
    let reply = db.eval(
        "local t = {} for i = 1, 5000 do t[i] = 'element ' .. i end
         redis.call('RPUSH', 'l', unpack(t))
         return redis.call('LRANGE', 'l', 0, -1)",
        NONE,
        NONE,
    );
    let Ok(Reply::Array(items)) = reply else { panic!("{reply:?}") };
    assert_eq!(items.len(), 5000);
    let reply =
        db.eval("local t = {} for i = 1, 20000 do t['k' .. i] = 'v' end return {map = t}", NONE, NONE);
    let Ok(Reply::Map(pairs)) = reply else { panic!("{reply:?}") };
    assert_eq!(pairs.len(), 20_000);
    let reply =
        db.eval("local t = {} for i = 1, 20000 do t['k' .. i] = {i} end return #cjson.encode(t)", NONE, NONE);
    assert!(matches!(reply, Ok(Reply::Int(_))), "{reply:?}");
    // More than Lua's stack takes is an error, and no more.
    let refused = db.eval(
        "local t = {} for i = 1, 7990 do t[i] = 'x' .. i end return redis.call('DEL', unpack(t))",
        NONE,
        NONE,
    );
    assert!(matches!(refused, Ok(Reply::Int(0)) | Err(Error::Command(_))), "{refused:?}");
    assert_eq!(db.eval("return 7", NONE, NONE), Ok(Reply::Int(7)));
}

#[test]
fn scripts_leave_nothing_to_each_other() {
    let db = db(Config::default());
    for script in [
        "x = 1",
        "_G.x = 1",
        "rawset(_G, 'x', 1)",
        "string.x = 1",
        "redis.call = nil",
        "getmetatable('').__index = nil",
        "getmetatable(_G).__index = nil",
        "setmetatable(_G, {})",
        "setmetatable(string, {})",
        "KEYS = nil",
        "loadstring('x = 1')()",
        "cjson.null = 1",
        "os.clock = nil",
    ] {
        let refused = db.eval(script, NONE, NONE).unwrap_err();
        assert!(text(&refused).contains("Attempt to modify a readonly table"), "{script}: {refused}");
    }
    db.eval("table.insert(string, 'left behind')", NONE, NONE).unwrap();
    for _ in 0..200 {
        db.eval("return 1", NONE, NONE).unwrap();
    }
    assert_eq!(db.eval("return string[1]", NONE, NONE), Ok(Reply::Null));
    for absent in
        ["io", "require", "dofile", "loadfile", "print", "getfenv", "setfenv", "newproxy", "debug", "package"]
    {
        let refused = db.eval(format!("return {absent}"), NONE, NONE).unwrap_err();
        assert!(text(&refused).contains("nonexistent global variable"), "{absent}: {refused}");
    }
    assert_eq!(
        db.eval("local n = 0 for _ in pairs(os) do n = n + 1 end return n", NONE, NONE),
        Ok(Reply::Int(1))
    );
    // Two engines know nothing of each other.
    let other = Damselfly::in_memory();
    db.function_load("#!lua name=l\nredis.register_function('f', function() return 1 end)", false).unwrap();
    assert!(other.fcall("f", NONE, NONE).is_err());
}

#[test]
fn scripts_that_came_by_eval_do_not_pile_up() {
    let db = db(Config::default());
    let kept = db.script("return 'kept'").unwrap();
    for number in 0..1500 {
        assert_eq!(db.eval(format!("return {number}"), NONE, NONE), Ok(Reply::Int(number)));
    }
    let figures = db.engine().scripts().figures();
    assert!(figures.scripts <= 501, "{figures:?}");
    assert_eq!(db.script_exists([kept.digest()]).unwrap(), [true]);
    // A script that is held knows its text, whatever is forgotten.
    db.script_flush().unwrap();
    assert_eq!(kept.call(NONE, NONE).unwrap().as_bytes(), Some(&b"kept"[..]));
}

#[test]
fn libraries_survive_a_dump() {
    let db = db(Config::default());
    let library = |name: &str, function: &str| {
        format!("#!lua name={name}\nredis.register_function('{function}', function() return '{name}' end)")
    };
    db.function_load(library("a", "f"), false).unwrap();
    db.function_load(library("b", "g"), false).unwrap();
    let dump = db.function_dump().unwrap();
    assert!(db.function_restore(&dump).is_err(), "the names are taken");
    db.function_flush().unwrap();
    db.function_load(library("c", "g"), false).unwrap();
    assert!(db.function_restore(&dump).is_err(), "a function's name is taken");
    assert!(db.fcall("f", NONE, NONE).is_err(), "nothing of it was loaded");
    db.function_delete("c").unwrap();
    db.function_restore(&dump).unwrap();
    assert_eq!(db.fcall("g", NONE, NONE).unwrap().as_bytes(), Some(&b"b"[..]));
    for at in 0..dump.len() {
        let mut torn = dump.to_vec();
        torn[at] ^= 1;
        assert!(db.function_restore(&torn).is_err(), "byte {at}");
    }
}

#[test]
fn a_queue_of_jobs_as_job_libraries_write_it() {
    let db = db(Config::default());
    // As BullMQ adds a job: keys that follow from a prefix, packed arguments, an event.
    let add = db
        .script(
            "local prefix, packed = KEYS[1], cmsgpack.unpack(ARGV[1])
             local id = redis.call('INCR', prefix .. 'id')
             local key = prefix .. id
             redis.call('HMSET', key, 'name', packed[1], 'data', cjson.encode(packed[2]), 'attempts', 0)
             redis.call('LPUSH', prefix .. 'wait', id)
             redis.call('XADD', prefix .. 'events', '*', 'event', 'waiting', 'jobId', id)
             return id .. ''",
        )
        .unwrap();
    let take = db
        .script(
            "local id = redis.call('RPOPLPUSH', KEYS[1] .. 'wait', KEYS[1] .. 'active')
             if not id then return false end
             local job = redis.call('HGETALL', KEYS[1] .. id)
             local t = {}
             for i = 1, #job, 2 do t[job[i]] = job[i + 1] end
             redis.call('HINCRBY', KEYS[1] .. id, 'attempts', 1)
             return {id, t.name, cjson.decode(t.data).to}",
        )
        .unwrap();
    // ["mail", {"to": "ada"}]
    let packed = b"\x92\xa4mail\x81\xa2to\xa3ada";
    for id in 1..=3 {
        assert_eq!(int(&add.call(["q:"], [packed]).unwrap()), id);
    }
    let Reply::Array(job) = take.call(["q:"], NONE).unwrap() else { panic!("no job") };
    let job: Vec<&[u8]> = job.iter().map(|part| part.as_bytes().unwrap()).collect();
    assert_eq!(job, [&b"1"[..], b"mail", b"ada"]);
    assert_eq!(db.call(["XLEN", "q:events"]), Ok(Reply::Int(3)));
    // As Sidekiq's fetch limits itself: a lock that its owner alone releases.
    let release =
        "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end";
    db.set("lock", "me").unwrap();
    assert_eq!(db.eval(release, ["lock"], ["you"]), Ok(Reply::Int(0)));
    assert_eq!(db.eval(release, ["lock"], ["me"]), Ok(Reply::Int(1)));
}

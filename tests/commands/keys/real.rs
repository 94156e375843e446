//! Generated scripts of commands on keys, here and on real servers: replies are the same, and so are hits and misses.

use crate::common::oracle::Server;
use crate::common::places::{Local, Place, Remote};
use crate::common::resp::{Value, quote};
use damselfly::clock::Clock;
use quickcheck::{Arbitrary, Gen, QuickCheck};
use std::sync::atomic::{AtomicUsize, Ordering};

/// One command of a generated script.
#[derive(Clone, Debug)]
struct Op(Vec<Vec<u8>>);

impl Op {
    fn name(&self) -> &[u8] {
        self.word(0)
    }

    /// An argument, empty where there is none.
    fn word(&self, at: usize) -> &[u8] {
        self.0.get(at).map_or(&[], Vec::as_slice)
    }

    fn shown(&self) -> String {
        self.0.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
    }
}

/// Few names, so that commands meet.
const NAMES: &[&[u8]] =
    &[b"a", b"b", b"c", b"{a}b", b"hello", b"hallo", b"h*llo", b"", b"k\x00\xff", b"gone"];
const PATTERNS: &[&[u8]] = &[
    b"*",
    b"**",
    b"h?llo",
    b"h[ae]llo",
    b"h[^e]llo",
    b"h\\*llo",
    b"",
    b"?",
    b"*a*",
    b"nokey",
    b"\xff",
    b"[a-c]",
];
const DATABASES: &[&[u8]] = &[b"0", b"1", b"2", b"15"];
const NO_NUMBERS: &[&[u8]] = &[
    b"",
    b"x",
    b"1.5",
    b" 1",
    b"01",
    b"16",
    b"-1",
    b"2147483648",
    b"9223372036854775808",
    b"-9223372036854775808",
];

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        let word = |text: &str| text.as_bytes().to_vec();
        let name = |g: &mut Gen| g.choose(NAMES).unwrap_or(&NAMES[0]).to_vec();
        let names = |g: &mut Gen| {
            let count = 1 + usize::arbitrary(g) % 3;
            (0..count).map(|_| name(g)).collect::<Vec<_>>()
        };
        let one_in = |g: &mut Gen, n: usize| usize::arbitrary(g) % n == 0;
        let pick = |g: &mut Gen, from: &[&[u8]]| g.choose(from).unwrap_or(&from[0]).to_vec();
        let mut argv = match u8::arbitrary(g) % 40 {
            0..5 => {
                let value = match u8::arbitrary(g) % 6 {
                    0 => word("9999"),
                    1 => word("10000"),
                    2 => vec![b'v'; 44],
                    3 => vec![b'v'; 45],
                    4 => vec![b'v'; 2000],
                    _ => word("v"),
                };
                vec![word("SET"), name(g), value]
            }
            5..8 => [vec![word("LPUSH"), name(g)], names(g)].concat(),
            8 => vec![word("RPOP"), name(g)],
            9 => vec![word("INCR"), name(g)],
            10 => [vec![word("DEL")], names(g)].concat(),
            11 => [vec![word("UNLINK")], names(g)].concat(),
            12 => [vec![word("EXISTS")], names(g)].concat(),
            13 => [vec![word("TOUCH")], names(g)].concat(),
            14 => vec![word("TYPE"), name(g)],
            15..21 => {
                let name = name(g);
                deadline(g, name)
            }
            21 => vec![word("TTL"), name(g)],
            22 => vec![word("PTTL"), name(g)],
            23 => vec![word("EXPIRETIME"), name(g)],
            24 => vec![word("PEXPIRETIME"), name(g)],
            25 => vec![word("PERSIST"), name(g)],
            26 => vec![word("KEYS"), pick(g, PATTERNS)],
            27..29 => {
                let mut argv = vec![word("SCAN"), word("0")];
                if one_in(g, 20) {
                    argv[1] = pick(g, &[b"", b"x", b" 0", b"+1", b"-1", b"18446744073709551616"]);
                }
                while !one_in(g, 2) {
                    argv.extend(match u8::arbitrary(g) % 4 {
                        0 => vec![word("MATCH"), pick(g, PATTERNS)],
                        1 => vec![
                            word("count"),
                            pick(g, &[b"1", b"2", b"10", b"1000", b"0", b"-3", b"x", b"9223372036854775807"]),
                        ],
                        2 => vec![word("TYPE"), pick(g, &[b"string", b"LIST", b"hash", b"zset"])],
                        _ => vec![word("MATCH"), name(g)],
                    });
                }
                argv
            }
            29 => vec![word("RANDOMKEY")],
            30 => vec![word("RENAME"), name(g), name(g)],
            31 => vec![word("RENAMENX"), name(g), name(g)],
            32..34 => {
                let mut argv = vec![word("COPY"), name(g), name(g)];
                while !one_in(g, 2) {
                    argv.extend(match u8::arbitrary(g) % 2 {
                        0 => vec![word("DB"), pick(g, DATABASES)],
                        _ => vec![word("REPLACE")],
                    });
                }
                argv
            }
            34 => vec![word("MOVE"), name(g), pick(g, DATABASES)],
            35..37 => {
                let of = pick(g, &[b"ENCODING", b"refcount", b"IDLETIME", b"FREQ", b"NOSUCH"]);
                vec![word("OBJECT"), of, name(g)]
            }
            37 => vec![word("SELECT"), pick(g, DATABASES)],
            _ => vec![word("GET"), name(g)],
        };
        // Now and then something is wrong with a command.
        if one_in(g, 25) {
            let at = 1 + usize::arbitrary(g) % argv.len();
            match u8::arbitrary(g) % 3 {
                0 => argv.insert(at, pick(g, NO_NUMBERS)),
                1 if at < argv.len() => drop(argv.remove(at)),
                _ if at < argv.len() => argv[at] = pick(g, NO_NUMBERS),
                _ => argv.push(word("NX")),
            }
        }
        Op(argv)
    }
}

/// A command that sets a deadline: in the far future, at a few times that meet each other, or in the past.
fn deadline(g: &mut Gen, name: Vec<u8>) -> Vec<Vec<u8>> {
    let command = *g.choose(&["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"]).unwrap_or(&"EXPIRE");
    let absolute = command.ends_with("AT");
    let value = match u8::arbitrary(g) % 12 {
        0 => i64::MAX - i64::from(u8::arbitrary(g) % 2),
        1 => i64::MIN,
        2 => i64::MAX / 1000 + i64::from(u8::arbitrary(g) % 3) - 1,
        3 => i64::MIN / 1000 - i64::from(u8::arbitrary(g) % 2),
        4 => -i64::from(u16::arbitrary(g)),
        5 => 0,
        6 => (1 << 48) + i64::from(u8::arbitrary(g) % 3) - 1,
        // Relative ones hardly ever meet: a millisecond between the servers must not decide.
        _ if !absolute => 1_000_000 + i64::from(u32::arbitrary(g)) * 10,
        _ => 33_000_000_000_000 + i64::from(u8::arbitrary(g) % 4) * 400,
    };
    let mut argv = vec![command.as_bytes().to_vec(), name, value.to_string().into_bytes()];
    for _ in 0..[0, 0, 1, 1, 1, 2, 3][usize::arbitrary(g) % 7] {
        argv.push(g.choose(&["NX", "XX", "gt", "LT", "Lt"]).unwrap_or(&"NX").as_bytes().to_vec());
    }
    argv
}

/// A reply with nothing in it that may differ; a scan is followed to its end.
fn answer(place: &mut dyn Place, op: &Op) -> Value {
    let mut ask = |argv: &[Vec<u8>]| {
        let reply = place.send("", argv).and_then(|()| place.receive(""));
        reply.unwrap_or_else(|error| Value::Error(error.into_bytes()))
    };
    match (op.name(), ask(&op.0)) {
        (_, error @ Value::Error(_)) => error,
        (b"KEYS", Value::Array(keys)) => Value::Array(sorted(keys)),
        (b"RANDOMKEY", Value::Bulk(key)) => {
            // A key that is made up would not be there.
            Value::Array(vec![ask(&[b"EXISTS".to_vec(), key])])
        }
        (b"SCAN", Value::Array(mut reply)) => {
            let mut argv = op.0.clone();
            let mut found = Vec::new();
            loop {
                let (Some(Value::Array(keys)), Some(Value::Bulk(cursor))) = (reply.pop(), reply.pop()) else {
                    return Value::Error(b"no cursor and keys".to_vec());
                };
                found.extend(keys);
                // A cursor that nobody gave leads anywhere.
                if !matches!(op.word(1), b"0" | b"") {
                    return Value::Nil;
                }
                if cursor == b"0" {
                    return Value::Array(sorted(found));
                }
                argv[1] = cursor;
                reply = match ask(&argv) {
                    Value::Array(reply) => reply,
                    other => return other,
                };
            }
        }
        (_, reply) => reply,
    }
}

fn sorted(mut values: Vec<Value>) -> Vec<Value> {
    values.sort();
    values.dedup();
    values
}

/// Whether replies are the same but for the time between them, and for what 7.0 and 7.2 call a short list.
fn same(op: &Op, ours: &Value, theirs: &Value) -> bool {
    let tolerance = match op.name() {
        b"TTL" | b"EXPIRETIME" => 1,
        b"PTTL" | b"PEXPIRETIME" => 1000,
        // Integers that Redis shares have an idle time in common.
        b"OBJECT" if op.word(1).eq_ignore_ascii_case(b"IDLETIME") => 60,
        _ => 0,
    };
    match (ours, theirs) {
        (Value::Int(ours), Value::Int(theirs)) if *ours >= 0 && *theirs >= 0 => {
            ours.abs_diff(*theirs) <= tolerance
        }
        (Value::Bulk(ours), Value::Bulk(theirs)) if op.name() == b"OBJECT" && ours == b"listpack" => {
            theirs == b"listpack" || theirs == b"quicklist"
        }
        _ => ours == theirs,
    }
}

/// Hits and misses that a server has counted.
fn lookups(remote: &mut Remote) -> (i64, i64) {
    let info = match remote.control("INFO stats") {
        Ok(Value::Bulk(text) | Value::Verbatim(text)) => String::from_utf8_lossy(&text).into_owned(),
        _ => String::new(),
    };
    let field = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|number| number.trim().parse().ok()).unwrap_or(-1)
    };
    (field("keyspace_hits"), field("keyspace_misses"))
}

/// What differs between us and a real server, over a script.
fn difference(script: &[Op], remote: &mut Remote, valkey: bool) -> Option<String> {
    remote.reset();
    let _ = remote.control("CONFIG RESETSTAT");
    let mut locals = [1, 16].map(|shards| Local::with_clock(shards, Clock::system()));
    for (at, op) in script.iter().enumerate() {
        let theirs = answer(remote, op);
        for local in &mut locals {
            let ours = answer(local, op);
            let of = |word: &[u8]| op.word(1).eq_ignore_ascii_case(word);
            // Valkey 9 reads cursors anew, refuses a TYPE that is none, shares no integers, and has longer strings in their keys' memory.
            let newer = valkey
                && (matches!(&theirs, Value::Error(text) if text.starts_with(b"ERR invalid cursor") || text.starts_with(b"ERR unknown type name"))
                    || op.name() == b"SCAN" && op.word(1).starts_with(b" ")
                    || of(b"REFCOUNT")
                    || of(b"ENCODING") && ours == Value::Bulk(b"raw".to_vec()));
            // A copy of a shared integer is a value of its own in Redis; here nobody can tell.
            let copied = of(b"REFCOUNT") && script[..at].iter().any(|op| op.name() == b"COPY");
            if !newer && !copied && !same(op, &ours, &theirs) {
                let name = local.name();
                return Some(format!("command {at}: {}\n  theirs {theirs}\n  {name}: {ours}", op.shown()));
            }
        }
    }
    // To filter by type Redis 7.0 looks the keys up, and 7.2 does not count that.
    if script.iter().any(|op| op.name() == b"SCAN") {
        return None;
    }
    let theirs = lookups(remote);
    for local in &locals {
        let totals = local.engine.totals();
        let ours = (totals.hits as i64, totals.misses as i64);
        if ours != theirs {
            return Some(format!("hits and misses: theirs {theirs:?}, {}: {ours:?}", local.name()));
        }
    }
    None
}

/// Runs on `redis-server`, and on what `VALKEY_ORACLE` names; scripts in number as `KEYS_SCRIPTS` says.
#[test]
fn random_scripts_answer_as_real_servers_do() {
    let scripts = std::env::var("KEYS_SCRIPTS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let valkey = std::env::var("VALKEY_ORACLE").unwrap_or_default();
    let valkey = if valkey == "auto" { "valkey-server".to_owned() } else { valkey };
    for program in ["redis-server", &valkey] {
        let Some(server) = (!program.is_empty()).then(|| Server::start(program, &[])).flatten() else {
            println!("skipped: {program:?} could not be started");
            continue;
        };
        static COMMANDS: AtomicUsize = AtomicUsize::new(0);
        fn agrees(program: &str, addr: &str, script: Vec<Op>) -> bool {
            COMMANDS.fetch_add(script.len(), Ordering::Relaxed);
            let found = difference(&script, &mut Remote::new(program, addr), program != "redis-server");
            if let Some(text) = &found {
                println!("{program}: {text}");
            }
            found.is_none()
        }
        let (program, addr) = (program.to_owned(), server.addr().to_owned());
        // quickcheck takes plain functions, so what they need beside the script stands in a place of its own.
        *TARGET.lock().expect("nobody panics with it") = (program.clone(), addr);
        fn property(script: Vec<Op>) -> bool {
            let (program, addr) = TARGET.lock().expect("nobody panics with it").clone();
            agrees(&program, &addr, script)
        }
        QuickCheck::new().tests(scripts).rng(Gen::new(120)).quickcheck(property as fn(Vec<Op>) -> bool);
        println!("{program}: {} commands", COMMANDS.swap(0, Ordering::Relaxed));
    }
}

/// The server that scripts are compared with.
static TARGET: std::sync::Mutex<(String, String)> = std::sync::Mutex::new((String::new(), String::new()));

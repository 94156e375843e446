//! Values of real servers restored here, and ours there: whatever their type and form, they are the same.

use crate::common::oracle::{self, Server};
use crate::common::places::{Local, Place, Remote};
use crate::common::resp::Value;
use crate::common::script::{Script, words};
use damselfly::clock::Clock;

type Argv = Vec<Vec<u8>>;

fn argv(line: &str) -> Argv {
    words(line).expect("a command")
}

/// What is made on a server: settings, commands that make key `k`, and commands that read it.
struct Case {
    name: &'static str,
    settings: &'static [&'static str],
    make: Vec<Argv>,
    read: &'static [&'static str],
    /// Whether our payload of it is Redis 7.0's, byte for byte.
    same_bytes: bool,
}

/// A command with many arguments behind its words.
fn long(line: &str, arguments: impl Iterator<Item = String>) -> Argv {
    argv(line).into_iter().chain(arguments.map(String::into_bytes)).collect()
}

fn cases() -> Vec<Case> {
    let text = |n: usize| (0..n).map(|at| ["lorem ", "ipsum ", "dolor "][at * at % 3]).collect::<String>();
    let noise = |n: u64| {
        let mut state = n;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                char::from(b' ' + (state >> 59) as u8)
            })
            .collect::<String>()
    };
    let mut cases = Vec::new();
    let mut strings: Vec<String> =
        ["", "0", "-1", "127", "-128", "128", "32767", "-32769", "2147483647", "-2147483648"]
            .into_iter()
            .chain([
                "2147483648",
                "9223372036854775807",
                "01",
                "+1",
                "3.25",
                "12345678901",
                "123456789012",
                "x",
            ])
            .map(str::to_owned)
            .collect();
    strings.extend((15..60).map(|len| "a".repeat(len)));
    strings.extend([100, 300, 1000, 9000, 70_000].into_iter().flat_map(|len| {
        [text(len / 6), noise(len as u64), "ab".repeat(len / 2), noise(97).repeat(len / 97 + 1)]
    }));
    for value in strings {
        cases.push(Case {
            name: "string",
            settings: &[],
            make: vec![long("SET k", std::iter::once(value))],
            read: &["GET k", "OBJECT ENCODING k"],
            same_bytes: true,
        });
    }
    let lists: [(&str, &[&str], Vec<String>); 5] = [
        ("a short list", &[], vec!["a".into(), "1".into(), "-70000".into(), String::new(), "b".repeat(100)]),
        ("a list of many nodes", &["list-max-listpack-size 4"], (0..100).map(|n| n.to_string()).collect()),
        (
            "a list of compressed nodes",
            &["list-compress-depth 1"],
            (0..3000).map(|n| format!("element {n}")).collect(),
        ),
        ("a list with large elements", &[], vec!["x".into(), "y".repeat(9000), "z".into(), noise(20_000)]),
        (
            "a list with an element of a disputed length",
            &["list-max-listpack-size -5"],
            vec!["x".into(), "y".repeat(16_378), "z".into()],
        ),
    ];
    for (name, settings, elements) in lists {
        cases.push(Case {
            name,
            settings,
            make: vec![long("RPUSH k", elements.into_iter())],
            read: &["LRANGE k 0 -1"],
            same_bytes: name == "a short list",
        });
    }
    let mut add = |name,
                   settings: &'static [&'static str],
                   make: Vec<Argv>,
                   read: &'static [&'static str],
                   same_bytes| {
        cases.push(Case { name, settings, make, read, same_bytes });
    };
    let sets: &[&str] = &["SMEMBERS k", "SCARD k"];
    for (name, numbers) in [
        ("a set of small integers", vec![-3, 1, 2, 300]),
        ("a set of integers", vec![-70_000, 1, 2_000_000_000]),
        ("a set of large integers", vec![i64::MIN, 0, i64::MAX]),
    ] {
        add(name, &[], vec![long("SADD k", numbers.iter().map(i64::to_string))], sets, true);
    }
    add(
        "a set of many integers",
        &[],
        vec![long("SADD k", (0..2000).map(|n| (n * 37).to_string()))],
        sets,
        false,
    );
    add("a set", &[], vec![long("SADD k", ["a", "1", "", "-5"].into_iter().map(str::to_owned))], sets, false);
    add("a large set", &[], vec![long("SADD k", (0..500).map(|n| format!("member {n}")))], sets, false);
    let hashes: &[&str] = &["HGETALL k", "HLEN k", "OBJECT ENCODING k"];
    let pairs = |n: usize| (0..n).flat_map(|n| [format!("field:{n}"), (n * 1000).to_string()]);
    add("a hash", &[], vec![long("HSET k", pairs(20))], hashes, true);
    add("a hash of one pair", &[], vec![long("HSET k", pairs(1))], hashes, true);
    add(
        "a hash with a long value",
        &[],
        vec![long("HSET k", ["f".into(), "v".repeat(65)].into_iter())],
        hashes,
        true,
    );
    add("a large hash", &[], vec![long("HSET k", pairs(1000))], hashes, false);
    add(
        "a hash whose encoding is set",
        &["hash-max-listpack-entries 2"],
        vec![long("HSET k", pairs(3))],
        &["HGETALL k"],
        false,
    );
    let zsets: &[&str] = &["ZRANGE k 0 -1 WITHSCORES", "OBJECT ENCODING k"];
    let scored = |n: i32| (0..n).flat_map(|n| [(n * 7 % 50 - 20).to_string(), format!("member {n}")]);
    add("a sorted set", &[], vec![long("ZADD k", scored(60))], zsets, true);
    add(
        "a sorted set of fractions",
        &[],
        vec![argv("ZADD k 0.5 a -1.25 b inf c -inf d 0.1 e 1e300 f")],
        zsets,
        false,
    );
    add("a large sorted set", &[], vec![long("ZADD k", scored(1000))], zsets, true);
    add(
        "a sorted set with a long member",
        &[],
        vec![long("ZADD k", ["0.1".into(), "m".repeat(65)].into_iter())],
        zsets,
        true,
    );
    let streams: &[&str] = &["XRANGE k - +", "XINFO STREAM k", "XINFO GROUPS k", "XPENDING k g", "XLEN k"];
    let entries = |n: u32| (1..=n).map(|n| argv(&format!("XADD k {n}-{n} field {n} other value")));
    add("a stream", &[], entries(3).chain([argv("XGROUP CREATE k g 0")]).collect(), streams, false);
    add(
        "a stream of many nodes",
        &["stream-node-max-entries 10"],
        entries(95).collect(),
        &streams[..1],
        true,
    );
    let worked = [
        "XDEL k 2-2 5-5",
        "XADD k 100-1 a 1 b 2 c 3",
        "XGROUP CREATE k g 0",
        "XGROUP CREATE k h 3",
        "XREADGROUP GROUP g alice COUNT 3 STREAMS k >",
        "XREADGROUP GROUP g bob COUNT 1 STREAMS k >",
        "XGROUP CREATECONSUMER k g idle",
        "XACK k g 1-1",
        "XCLAIM k g bob 0 3-3",
    ];
    add("a stream that is worked on", &[], entries(20).chain(worked.map(argv)).collect(), streams, false);
    let emptied = ["XADD k 5 f v", "XGROUP CREATE k g $", "XDEL k 5"].map(argv);
    add("an empty stream", &[], emptied.to_vec(), streams, false);
    let disputed = ["f".to_owned(), "y".repeat(16_378), "g".to_owned(), "z".to_owned()];
    add(
        "a hash with a value of a disputed length",
        &["hash-max-listpack-value 20000"],
        vec![long("HSET k", disputed.into_iter())],
        &["HGETALL k"],
        false,
    );
    cases
}

/// Whether a reply says the same: members of sets and pairs of hashes are in no order.
fn sorted(line: &str, value: Value) -> Value {
    match value {
        Value::Array(mut items) if line.starts_with("SMEMBERS") => {
            items.sort();
            Value::Array(items)
        }
        Value::Array(items) if line.starts_with("HGETALL") => {
            let mut pairs: Vec<Vec<Value>> = items.chunks(2).map(<[Value]>::to_vec).collect();
            pairs.sort();
            Value::Array(pairs.concat())
        }
        // How many nodes a radix tree has is up to the nodes, which differ in number by server.
        Value::Array(items) if line.starts_with("XINFO STREAM") => Value::Array(
            items
                .chunks(2)
                .filter(|pair| !matches!(&pair[0], Value::Bulk(name) if name.starts_with(b"radix-tree")))
                .flatten()
                .cloned()
                .collect(),
        ),
        // Redis 7.0 spelled 0.1 with seventeen digits.
        Value::Array(items) if line.starts_with("ZRANGE") => {
            let shortest = |item: Value| match item {
                Value::Bulk(text) => {
                    let score = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<f64>().ok());
                    Value::Bulk(score.map_or(text, |score| format!("{score:?}").into_bytes()))
                }
                other => other,
            };
            Value::Array(items.into_iter().map(shortest).collect())
        }
        // Redis 7.0 knew no listpack for a list or a set.
        Value::Bulk(name) if line.starts_with("OBJECT ENCODING") && name == b"quicklist" => {
            Value::Bulk(b"listpack".to_vec())
        }
        // Valkey 9 embeds longer strings.
        Value::Bulk(name) if line.starts_with("OBJECT ENCODING") && name == b"embstr" => {
            Value::Bulk(b"raw".to_vec())
        }
        other => other,
    }
}

fn read(place: &mut dyn Place, case: &Case) -> Vec<String> {
    let ask = |line: &&str| {
        place.send("", &argv(line)).expect("it takes commands");
        let reply = place.receive("").expect("it replies");
        format!("{line}: {}", sorted(line, reply))
    };
    case.read.iter().map(ask).collect()
}

fn ask(place: &mut dyn Place, argv: &[Vec<u8>]) -> Value {
    place.send("", argv).expect("it takes commands");
    place.receive("").expect("it replies")
}

fn dump(place: &mut dyn Place) -> Vec<u8> {
    match ask(place, &argv("DUMP k")) {
        Value::Bulk(payload) => payload,
        other => panic!("{}: DUMP gave {other}", place.name()),
    }
}

fn restore(place: &mut dyn Place, payload: &[u8]) -> Result<(), String> {
    ask(place, &argv("DEL k"));
    match ask(place, &[b"RESTORE".to_vec(), b"k".to_vec(), b"0".to_vec(), payload.to_vec()]) {
        Value::Simple(ok) if ok == b"OK" => Ok(()),
        other => Err(format!("{}: RESTORE said {other}", place.name())),
    }
}

/// The settings that a case may change, as they were.
const DEFAULTS: &[&str] = &[
    "list-max-listpack-size -2",
    "list-compress-depth 0",
    "hash-max-listpack-entries 128",
    "hash-max-listpack-value 64",
    "set-max-intset-entries 512",
    "zset-max-listpack-entries 128",
    "zset-max-listpack-value 64",
    "stream-node-max-entries 100",
];

#[test]
fn values_travel_to_real_servers_and_back() {
    // Scripts that run beside this test use the newer server, too, and empty it.
    let newer = oracle::for_script(&Script::parse("! only 7.2"));
    let newer: Vec<_> =
        newer.iter().map(|remote| remote.lock().unwrap_or_else(|poisoned| poisoned.into_inner())).collect();
    let redis = Server::start("redis-server", &[]);
    let mut remotes: Vec<Remote> = redis.iter().map(|server| Remote::new("redis", server.addr())).collect();
    remotes.extend(newer.iter().map(|remote| Remote::new("newer", remote.addr())));
    if remotes.is_empty() {
        println!("skipped: there is no server to exchange values with");
    }
    let mut wrong = Vec::new();
    for case in cases() {
        for from in 0..remotes.len() {
            let remote = &mut remotes[from];
            for setting in DEFAULTS.iter().chain(case.settings) {
                ask(remote, &argv(&format!("CONFIG SET {setting}")));
            }
            ask(remote, &argv("DEL k"));
            for command in &case.make {
                if let Value::Error(error) = ask(remote, command) {
                    panic!("{}: {}", case.name, String::from_utf8_lossy(&error));
                }
            }
            let theirs = dump(remote);
            let expected = read(remote, &case);
            let mut here = Local::with_clock(4, Clock::system());
            let mut differs =
                |text: String| wrong.push(format!("{} of {}: {text}", case.name, remote.name()));
            if let Err(error) = restore(&mut here, &theirs) {
                differs(error);
                continue;
            }
            let got = read(&mut here, &case);
            if got != expected {
                differs(format!("got {got:?}\nexpected {expected:?}"));
            }
            let ours = dump(&mut here);
            if case.same_bytes && remote.name() == "redis" && ours != theirs {
                differs(format!("DUMP gave {ours:02x?}\nexpected {theirs:02x?}"));
            }
            for to in &mut remotes {
                let name = to.name();
                let there = restore(to, &ours).map(|()| read(to, &case));
                if there.as_ref() != Ok(&expected) {
                    wrong.push(format!("{}, back to {name}: {there:?}\nexpected {expected:?}", case.name));
                }
            }
        }
    }
    let shown: Vec<&str> = wrong.iter().map(|text| &text[..text.len().min(2000)]).collect();
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), shown.join("\n"));
}

//! Generated scripts, run here and on real servers: whatever the commands are, the replies are the same.
//!
//! Commands come from the command table: the syntax of a row says what its arguments may be, and now and then an
//! argument is spoiled, dropped or added. Each command runs on one shard, on sixteen, over TCP and on `redis-server`; the
//! replies are compared byte for byte, but for those that are not ordered or tell the time. At a script's end the data
//! are compared. A difference is shrunk by leaving commands out.
//!
//! `DIFFERENTIAL_SECONDS` (default 15) bounds it, `DIFFERENTIAL_SEED` (default 1, `random` to look for what nobody has
//! seen yet) says where it starts, `DIFFERENTIAL_FAMILY` keeps to a
//! family of commands (`sorted-set`), and `DIFFERENTIAL_CONFIG` sets something before each script. Where `VALKEY_ORACLE` gives a newer
//! server too, a reply is right that agrees with either.

mod common;
mod generate;

use common::oracle::Server;
use common::places::{Local, Place, Remote};
use common::resp::{Value, quote};
use damselfly::clock::{Clock, Stopwatch};
use damselfly::command::table::TABLE;
use generate::{Generator, Random};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

type Argv = Vec<Vec<u8>>;

/// Databases that scripts reach.
const DATABASES: usize = 3;
/// Differences after which a run ends.
const FINDINGS_MAX: usize = 25;

/// What is compared, in the order in which replies are shown.
struct Places {
    ours: Vec<Box<dyn Place>>,
    theirs: Vec<Box<dyn Place>>,
    /// Commands that got what they asked for, so that a generator that asks for nonsense only is noticed.
    worked: BTreeSet<String>,
}

struct Oracles {
    servers: Vec<(String, Server)>,
}

impl Oracles {
    fn start() -> Option<Oracles> {
        let mut servers = vec![("redis".to_owned(), Server::start("redis-server", &[])?)];
        if let Ok(program) = std::env::var("VALKEY_ORACLE") {
            let program = if program == "auto" { "valkey-server".to_owned() } else { program };
            servers.extend(Server::start(&program, &[]).map(|server| ("valkey".to_owned(), server)));
        }
        Some(Oracles { servers })
    }

    fn places(&self) -> Places {
        let mut ours: Vec<Box<dyn Place>> = Vec::new();
        for shards in [1, 16] {
            ours.push(Box::new(Local::with_clock(shards, Clock::system())));
        }
        #[cfg(feature = "server")]
        ours.push(Box::new(common::places::Served::new(4, Clock::system())));
        let theirs = self.servers.iter().map(|(name, server)| {
            let mut remote = Remote::new(name, server.addr());
            remote.reset();
            Box::new(remote) as Box<dyn Place>
        });
        Places { theirs: theirs.collect(), ours, worked: BTreeSet::new() }
    }
}

/// A reply of ours that no oracle gives.
struct Difference {
    /// Of the command, `usize::MAX` for the data at the end.
    at: usize,
    command: Argv,
    text: String,
}

#[test]
fn replies_are_those_of_redis_whatever_the_commands() {
    let Some(oracles) = Oracles::start() else {
        println!("skipped: there is no redis-server to compare with");
        return;
    };
    let seconds = std::env::var("DIFFERENTIAL_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(15);
    let first = match std::env::var("DIFFERENTIAL_SEED").as_deref() {
        Ok("random") => Random::seed(),
        Ok(seed) => seed.parse().expect("a seed is a number, or random"),
        Err(_) => 1,
    };
    println!("DIFFERENTIAL_SEED={first}");
    let generator = Generator::of(std::env::var("DIFFERENTIAL_FAMILY").ok().as_deref());
    let watch = Stopwatch::start();
    let (mut scripts, mut commands) = (0u64, 0);
    let mut findings: BTreeMap<String, String> = BTreeMap::new();
    let mut worked = BTreeSet::new();
    while watch.elapsed() < Duration::from_secs(seconds) && findings.len() < FINDINGS_MAX {
        let mut random = Random::new(first.wrapping_add(scripts));
        let script = generator.script(&mut random);
        scripts += 1;
        commands += script.len();
        let (difference, new) = play(&oracles, &script);
        worked.extend(new);
        let Some(difference) = difference else { continue };
        let key = kind(&difference);
        if findings.contains_key(&key) {
            continue;
        }
        let (script, difference) = shrink(&oracles, script, difference);
        let mut text = format!("seed {}:\n", first.wrapping_add(scripts - 1));
        for argv in &script {
            let _ = writeln!(text, "    > {}", line(argv));
        }
        findings.insert(key, text + &difference.text);
    }
    let idle: Vec<_> = generator.names().filter(|name| !worked.contains(name)).collect();
    println!("{scripts} scripts, {commands} commands; none that worked: {idle:?}");
    let text = findings.values().fold(String::new(), |all, text| all + text + "\n");
    assert!(findings.is_empty(), "{} differences\n{text}", findings.len());
}

/// The same command in the same trouble.
fn kind(difference: &Difference) -> String {
    let name = difference.command.first().map(|name| name.to_ascii_uppercase()).unwrap_or_default();
    String::from_utf8_lossy(&name).into_owned()
}

/// The name of a command as the table has it, with its container's.
fn name(argv: &Argv) -> Option<String> {
    let entry = TABLE.find(argv.first()?)?;
    let sub = argv.get(1).and_then(|word| entry.subcommand(word));
    Some(sub.unwrap_or(entry).full_name.to_owned())
}

fn line(argv: &Argv) -> String {
    let plain = |arg: &[u8]| {
        !arg.is_empty() && arg.iter().all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(byte))
    };
    let word =
        |arg: &Vec<u8>| if plain(arg) { String::from_utf8_lossy(arg).into_owned() } else { quote(arg) };
    argv.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Leaves out as many commands as it can without losing the difference.
fn shrink(oracles: &Oracles, mut script: Vec<Argv>, mut found: Difference) -> (Vec<Argv>, Difference) {
    script.truncate(found.at.saturating_add(1));
    let mut piece = script.len() / 2;
    while piece > 0 {
        let mut at = 0;
        while at < script.len() {
            let mut shorter = script.clone();
            shorter.drain(at..(at + piece).min(script.len()));
            match play(oracles, &shorter).0 {
                Some(difference) if kind(&difference) == kind(&found) => {
                    shorter.truncate(difference.at.saturating_add(1));
                    (script, found) = (shorter, difference);
                }
                _ => at += piece,
            }
        }
        piece /= 2;
    }
    (script, found)
}

fn play(oracles: &Oracles, script: &[Argv]) -> (Option<Difference>, BTreeSet<String>) {
    let mut places = oracles.places();
    if let Ok(setting) = std::env::var("DIFFERENTIAL_CONFIG") {
        let words = ["CONFIG", "SET"].into_iter().chain(setting.split(' '));
        let argv: Argv = words.map(|word| word.as_bytes().to_vec()).collect();
        if let Some(text) = places.differ(&argv, &argv) {
            return (Some(Difference { at: 0, command: argv, text }), places.worked);
        }
    }
    for (at, argv) in script.iter().enumerate() {
        if let Some(text) = places.differ(argv, argv) {
            return (Some(Difference { at, command: argv.clone(), text }), places.worked);
        }
    }
    let difference = places.data_differ().map(|(command, text)| Difference { at: usize::MAX, command, text });
    (difference, places.worked)
}

impl Places {
    /// Runs a command everywhere; what is different, if anything is.
    fn differ(&mut self, argv: &Argv, shown: &Argv) -> Option<String> {
        let ask = |place: &mut Box<dyn Place>| {
            let reply = place.send("", argv).and_then(|()| place.receive(""));
            let reply = reply.unwrap_or_else(|error| Value::Error(format!("({error})").into_bytes()));
            (place.name(), comparable(argv, reply))
        };
        let theirs: Vec<_> = self.theirs.iter_mut().map(ask).collect();
        let ours: Vec<_> = self.ours.iter_mut().map(ask).collect();
        // Redis 7.0 has no listpacks for sets, and nobody newer may be there to ask.
        let packed_set = |ours: &Value, other: &Value| {
            theirs.len() == 1
                && matches!(
                    (ours, other),
                    (Value::Bulk(ours), Value::Bulk(other)) if ours == b"quicklist" && other == b"hashtable"
                )
        };
        let right = |(_, reply): &(String, Value)| {
            theirs.iter().any(|(_, other)| same(argv, reply, other) || packed_set(reply, other))
        };
        if ours.iter().all(right) {
            if theirs.iter().any(|(_, reply)| !matches!(reply, Value::Error(_))) {
                self.worked.extend(name(argv));
            }
            return None;
        }
        let mut text = format!("  {}\n", line(shown));
        for (name, reply) in theirs.iter().chain(&ours) {
            let _ = writeln!(text, "    {name:24} {reply}");
        }
        Some(text)
    }

    /// Compares all keys, their types, values and deadlines.
    fn data_differ(&mut self) -> Option<(Argv, String)> {
        for db in 0..DATABASES {
            let words = |words: &[&[u8]]| words.iter().map(|word| word.to_vec()).collect::<Argv>();
            for argv in [words(&[b"SELECT", db.to_string().as_bytes()]), words(&[b"KEYS", b"*"])] {
                if let Some(text) = self.differ(&argv, &argv) {
                    return Some((argv, text));
                }
            }
            let keys = words(&[b"KEYS", b"*"]);
            let place = self.theirs.first_mut()?;
            let Ok(Value::Array(keys)) = place.send("", &keys).and_then(|()| place.receive("")) else {
                continue;
            };
            for key in keys {
                let Value::Bulk(key) = key else { continue };
                for argv in [
                    words(&[b"TYPE", &key]),
                    words(&[b"GET", &key]),
                    words(&[b"LRANGE", &key, b"0", b"-1"]),
                    words(&[b"HGETALL", &key]),
                    words(&[b"SMEMBERS", &key]),
                    words(&[b"ZRANGE", &key, b"0", b"-1", b"WITHSCORES"]),
                    words(&[b"XRANGE", &key, b"-", b"+"]),
                    words(&[b"XINFO", b"STREAM", &key, b"FULL", b"COUNT", b"0"]),
                    words(&[b"PTTL", &key]),
                    words(&[b"OBJECT", b"ENCODING", &key]),
                ] {
                    if let Some(text) = self.differ(&argv, &argv) {
                        return Some((argv, format!("  at the end, in database {db}:\n{text}")));
                    }
                }
            }
        }
        None
    }
}

/// A reply without what may differ.
fn comparable(argv: &Argv, reply: Value) -> Value {
    let word = |at: usize| argv.get(at).map(|word| word.to_ascii_uppercase()).unwrap_or_default();
    let any = || Value::Simple(b"(anything)".to_vec());
    match (word(0).as_slice(), word(1).as_slice(), reply) {
        // Valkey takes a key of this name for the word; and it takes no cursor below zero.
        (b"HGETEX" | b"HSETEX", b"FIELDS", _) => any(),
        (b"HSCAN", ..) if argv.get(2).is_some_and(|cursor| cursor.starts_with(b"-")) => any(),
        // Redis 7.2's.
        (b"CLUSTER", b"MYSHARDID", _) => any(),
        (_, _, error @ Value::Error(_)) => error,
        (
            b"KEYS" | b"SMEMBERS" | b"SINTER" | b"SUNION" | b"SDIFF" | b"SPOP",
            _,
            Value::Array(mut keys) | Value::Set(mut keys),
        ) => {
            keys.sort();
            Value::Array(keys)
        }
        // A table has no order.
        (b"HKEYS" | b"HVALS", _, Value::Array(mut items)) => {
            items.sort();
            Value::Array(items)
        }
        (b"HGETALL", _, Value::Array(items)) => {
            let mut pairs: Vec<_> = items.chunks(2).map(|pair| Value::Array(pair.to_vec())).collect();
            pairs.sort();
            Value::Array(pairs)
        }
        (b"HSCAN", ..) => any(),
        (b"HRANDFIELD", _, Value::Array(items)) => Value::Int(items.len() as i64),
        (b"HRANDFIELD", _, Value::Bulk(_)) => any(),
        (b"SCAN" | b"SSCAN" | b"ZSCAN", ..) => any(),
        (b"ZRANDMEMBER", _, Value::Bulk(_)) => any(),
        (b"ZRANDMEMBER", _, Value::Array(members)) => Value::Int(members.len() as i64),
        (name, _, reply) if name.starts_with(b"Z") || name.starts_with(b"BZ") => shortest(reply),
        (b"SRANDMEMBER", _, Value::Bulk(_)) => any(),
        (b"SRANDMEMBER", _, Value::Array(members)) => Value::Int(members.len() as i64),
        (b"RANDOMKEY", _, Value::Bulk(_)) => any(),
        (b"TIME" | b"LASTSAVE" | b"LOLWUT" | b"DUMP" | b"INFO" | b"COMMAND" | b"HELLO", ..) => any(),
        // A copy of a shared integer is no longer shared in Redis.
        (b"OBJECT", b"IDLETIME" | b"FREQ" | b"REFCOUNT", Value::Int(_)) => any(),
        // Redis 7.0 counts a key that was set with a deadline in the past until it comes across it.
        (b"DBSIZE", _, Value::Int(_)) => any(),
        // What HELP lists depends on what is there.
        (_, b"HELP", Value::Array(_)) => any(),
        (b"MEMORY", _, Value::Int(_)) => any(),
        // Whether a time from now is later than the same one before depends on the millisecond.
        (b"EXPIRE" | b"PEXPIRE", _, Value::Int(0 | 1))
            if argv
                .get(3)
                .is_some_and(|word| word.eq_ignore_ascii_case(b"GT") || word.eq_ignore_ascii_case(b"LT")) =>
        {
            any()
        }
        (b"XINFO", _, reply) => without_times(reply),
        (b"XPENDING", _, Value::Array(lines)) => {
            Value::Array(lines.into_iter().map(without_idle_time).collect())
        }
        // Redis 7.2 keeps a short list in one listpack; 7.0 called every list a quicklist.
        (b"OBJECT", b"ENCODING", Value::Bulk(name)) if name == b"listpack" => {
            Value::Bulk(b"quicklist".to_vec())
        }
        (_, _, reply) => reply,
    }
}

/// A reply with all its numbers in one spelling: Redis 7.0 prints 17 digits.
fn shortest(reply: Value) -> Value {
    match reply {
        Value::Array(items) => Value::Array(items.into_iter().map(shortest).collect()),
        Value::Bulk(text) => {
            let number = std::str::from_utf8(&text).ok().filter(|text| text.contains(['.', 'e']));
            match number.and_then(|text| text.parse().ok()) {
                Some(number) => Value::Bulk(damselfly::double::format_double(number).into_bytes()),
                None => Value::Bulk(text),
            }
        }
        other => other,
    }
}

/// A reply of XINFO without times, and without the two that Redis 7.0 did not tell.
fn without_times(reply: Value) -> Value {
    let Value::Array(items) = reply else {
        return match reply {
            // The time of a delivery.
            Value::Int(1_000_000_000_000..) => Value::Int(0),
            other => other,
        };
    };
    let mut kept = Vec::new();
    let mut items = items.into_iter();
    while let Some(item) = items.next() {
        match &item {
            Value::Bulk(name) if name == b"inactive" || name == b"active-time" => drop(items.next()),
            Value::Bulk(name) if name == b"idle" || name == b"seen-time" => {
                kept.push(item);
                kept.extend(items.next().map(|_| Value::Int(0)));
            }
            // Redis 7.0 did not make a consumer that claimed nothing.
            Value::Bulk(name) if name == b"consumers" => {
                kept.push(item);
                kept.extend(items.next().map(|consumers| match consumers {
                    Value::Array(consumers) => {
                        let idle = |one: &Value| {
                            matches!(one, Value::Array(parts)
                                if parts.windows(2).any(|pair| pair == [Value::Bulk(b"pel-count".to_vec()), Value::Int(0)]))
                        };
                        Value::Array(consumers.into_iter().filter(|one| !idle(one)).map(without_times).collect())
                    }
                    // XINFO GROUPS counts them.
                    _ => Value::Int(0),
                }));
            }
            _ => kept.push(without_times(item)),
        }
    }
    Value::Array(kept)
}

/// A line of XPENDING without the time since the delivery.
fn without_idle_time(line: Value) -> Value {
    match line {
        Value::Array(mut parts) if parts.len() == 4 => {
            parts[2] = Value::Int(0);
            Value::Array(parts)
        }
        other => other,
    }
}

/// Whether two replies are the same, but for the time that passed between them.
fn same(argv: &Argv, ours: &Value, theirs: &Value) -> bool {
    let tolerance = match argv.first().map(|name| name.to_ascii_uppercase()).as_deref() {
        Some(b"TTL" | b"EXPIRETIME" | b"HTTL" | b"HEXPIRETIME") => 2,
        Some(b"PTTL" | b"PEXPIRETIME" | b"HPTTL" | b"HPEXPIRETIME") => 2000,
        _ => 0,
    };
    match (ours, theirs) {
        // Redis 7.0 noticed mistakes only where there was a key, and Valkey 8 lets the end be left out.
        (Value::Error(ours), _)
            if argv.first().is_some_and(|name| name.eq_ignore_ascii_case(b"BITCOUNT")) =>
        {
            matches!(theirs, Value::Error(_) | Value::Int(0))
                || argv.len() == 3 && ours == b"ERR syntax error"
        }
        (Value::Error(ours), Value::Int(0 | -1) | Value::Error(_))
            if argv.first().is_some_and(|name| name.eq_ignore_ascii_case(b"BITPOS"))
                && ours.starts_with(b"ERR ") =>
        {
            matches!(theirs, Value::Int(_))
                || *theirs == Value::Error(ours.clone())
                || theirs != &Value::Error(b"ERR syntax error".to_vec())
        }
        // Redis 7.0 had no last entry to begin at.
        (_, Value::Error(theirs))
            if theirs.starts_with(b"ERR Invalid stream ID")
                && argv.first().is_some_and(|name| name.eq_ignore_ascii_case(b"XREAD"))
                && argv.iter().any(|word| word == b"+") =>
        {
            !matches!(ours, Value::Error(_))
        }
        // Elements of equal weight come in the order of their set, which Redis 7.0 kept otherwise.
        (Value::Array(ours), Value::Array(theirs))
            if argv.first().is_some_and(|name| name.to_ascii_uppercase().starts_with(b"SORT"))
                && argv.iter().any(|word| word.eq_ignore_ascii_case(b"BY")) =>
        {
            ours.len() == theirs.len() && ours.iter().all(|value| theirs.contains(value))
        }
        // Redis 7.0 named the command in capitals and without quotes.
        (Value::Error(ours), Value::Error(theirs)) if ours.starts_with(b"ERR Unbalanced '") => {
            ours == theirs || theirs.starts_with(b"ERR Unbalanced ")
        }
        // What Redis 7.0 had not refuses a whole transaction there.
        (_, Value::Error(theirs)) if theirs.starts_with(b"EXECABORT") => {
            argv.first().is_some_and(|name| name.eq_ignore_ascii_case(b"EXEC"))
        }
        // Redis 7.0 had no NOVALUES.
        (_, Value::Error(theirs))
            if theirs == b"ERR syntax error"
                && argv.iter().any(|word| word.eq_ignore_ascii_case(b"NOVALUES")) =>
        {
            true
        }
        // Redis 7.0 took an infinite timeout for one below zero, and had no limit to a rank that counts from the end.
        (Value::Error(ours), Value::Error(theirs)) if ours == b"ERR timeout is out of range" => {
            ours == theirs || theirs == b"ERR timeout is negative"
        }
        (Value::Error(ours), _) if ours.starts_with(b"ERR value is out of range, value must between") => {
            ours.ends_with(b"-9223372036854775807 and 9223372036854775807")
                || theirs == &Value::Error(ours.clone())
        }
        // Redis 7.0 had no WITHSCORE.
        (_, Value::Error(theirs))
            if theirs.starts_with(b"ERR wrong number of arguments for 'zr") && argv.len() >= 4 =>
        {
            true
        }
        (Value::Int(ours), Value::Int(theirs)) if *ours > 0 && *theirs > 0 => {
            ours.abs_diff(*theirs) <= tolerance
        }
        _ => ours == theirs,
    }
}

//! Whatever was done, the snapshot and the journal give it back: generated scripts of all commands, alone, in transactions
//! and in Lua, with typed calls, deadlines that pass and snapshots in between.
//!
//! `REPLAY_SCRIPTS=2000 cargo test --test replay` is the long form.

#![allow(missing_docs)]
#![allow(dead_code, reason = "the generator is shared")]

mod generate;

use damselfly::Damselfly;
use damselfly::clock::Clock;
use damselfly::command::table::{Flag, TABLE};
use damselfly::config::{AppendFsync, Config};
use damselfly::engine::Engine;
use damselfly::engine::effects::Effects;
use damselfly::persist::StorageError;
use damselfly::persist::journal;
use damselfly::persist::storage::{Memory, Storage};
use generate::{Generator, Random};
use std::sync::Arc;
use std::time::Duration;

const BEGIN_MS: u64 = 1_700_000_000_000;

fn open(storage: Arc<dyn Storage>, now_ms: u64) -> Result<Damselfly, StorageError> {
    let config =
        Config::default().appendonly(true).appendfsync(AppendFsync::No).save("").shards(4).databases(4);
    let engine = Engine::open(&config, Clock::manual(now_ms)).expect("a good configuration");
    engine.save_to(storage);
    engine.recover()?;
    Ok(Damselfly::over(engine))
}

/// What can be told of the data: digests, and deadlines.
fn state(db: &Damselfly) -> String {
    let mut state = format!("{:?}", db.call(["DEBUG", "DIGEST"]).expect("a digest"));
    for number in 0..db.engine().databases() {
        let db = db.select(number).expect("there is one");
        let mut keys: Vec<_> = db.keys("*").expect("keys").into_iter().collect();
        keys.sort();
        for key in keys {
            let value = db.call([&b"DEBUG"[..], b"DIGEST-VALUE", &key]).expect("a digest");
            let ttl = db.call([&b"PEXPIRETIME"[..], &key]).expect("a deadline");
            state.push_str(&format!("\n{number} {} {value:?} {ttl:?}", key.escape_ascii()));
        }
    }
    state
}

fn is_blocking(argv: &[Vec<u8>]) -> bool {
    let entry = argv.first().and_then(|name| TABLE.find(name));
    entry.is_some_and(|entry| entry.command.flags.has(Flag::Blocking))
}

/// What stands in the journal.
fn journaled(storage: &dyn Storage) -> String {
    let mut text = String::new();
    for segment in journal::segments(storage).expect("segments") {
        let scan = journal::scan(storage, &segment, |record| {
            let (now_ms, commands) = Effects::parse(record).ok_or("no record")?;
            for (db, argv) in commands {
                let words: Vec<String> = argv.iter().map(|arg| arg.escape_ascii().to_string()).collect();
                text.push_str(&format!("  {now_ms} [{db}] {}\n", words.join(" ")));
            }
            Ok(())
        });
        text.push_str(&format!("  {scan:?}\n"));
    }
    text
}

/// A call of the typed handle.
fn typed(db: &Damselfly, random: &mut Random) {
    let key = *random.pick(&["a", "b", "c", "list1", "s1", "{t}1"]);
    let text = random.below(30).to_string();
    // What a call refuses, it does not do.
    let _ = match random.below(16) {
        0 => db.set(key, &text).map(drop),
        1 => db.incr(key).map(drop),
        2 => db.rpush(key, [&text, "x"]).map(drop),
        3 => db.lpop(key).map(drop),
        4 => db.set_of(key).add([&text, "x", "7"]).map(drop),
        5 => db.set_of(key).pop().map(drop),
        6 => db.set_of(key).remove([&text]).map(drop),
        7 => db.hash(key).set(&text, "v").map(drop),
        8 => db.hash(key).increment(&text, 3).map(drop),
        9 => db.hash(key).remove([&text]).map(drop),
        10 => db.zset(key).insert(&text, random.below(9) as f64 / 7.0).map(drop),
        11 => db.zset(key).increment(&text, -0.1).map(drop),
        12 => db.zset(key).pop_max().map(drop),
        13 => db.append(key, &text).map(drop),
        14 => db.set_range(key, 3, &text).map(drop),
        _ => db.stream(key).add([("f", &text)]).map(drop),
    };
}

fn play(generator: &Generator, seed: u64) {
    let mut random = Random::new(seed);
    let memory = Memory::new();
    let db = open(Arc::new(memory.clone()), BEGIN_MS).expect("nothing is there");
    let mut session = db.session();
    let mut said = Vec::new();
    for argv in generator.script(&mut random) {
        let line = argv.iter().map(|arg| arg.escape_ascii().to_string()).collect::<Vec<_>>().join(" ");
        let lua = cfg!(feature = "script") && random.one_in(6);
        let place = if lua { "lua " } else { "" };
        said.push(format!("{place}{line}"));
        if lua {
            let script: &[u8] =
                b"local r = redis.pcall(unpack(ARGV)) redis.pcall('incr', 'scripts') return r";
            let mut call = vec![b"EVAL".to_vec(), script.to_vec(), b"0".to_vec()];
            call.extend(argv);
            let _ = session.call(&call);
        } else if is_blocking(&argv) || random.one_in(6) {
            let _ = session.call(["MULTI"]);
            let _ = session.call(&argv);
            let _ = session.call(["INCR", "transactions"]);
            let _ = session.call(["EXEC"]);
        } else {
            let _ = session.call(&argv);
        }
        match random.below(40) {
            0 => {
                said.push("! save".to_owned());
                db.save().expect("saved");
            }
            chance @ 1..5 => {
                let ms = random.below(if chance == 4 { 5 } else { 90_000 }) as u64;
                said.push(format!("! advance {ms}ms"));
                db.engine().advance(Duration::from_millis(ms));
            }
            5..9 => {
                said.push("! a typed call".to_owned());
                typed(&db, &mut random);
            }
            _ => {}
        }
    }
    db.engine().journal().sync().expect("on the disk");
    let now_ms = db.engine().clock().now_ms();
    let before = state(&db);
    let said = format!("{}\njournal:\n{}", said.join("\n"), journaled(&memory));
    match open(Arc::new(memory.crashed(0)), now_ms) {
        Err(error) => panic!("seed {seed}: it does not start: {error}\n{said}"),
        Ok(after) => assert_eq!(state(&after), before, "seed {seed}\n{said}"),
    }
}

#[test]
fn whatever_was_done_is_there_again() {
    let scripts =
        std::env::var("REPLAY_SCRIPTS").ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(60);
    let seed = std::env::var("REPLAY_SEED").ok().and_then(|text| text.parse().ok());
    let first = seed.unwrap_or_else(Random::seed);
    println!("REPLAY_SEED={first}");
    let generator = Generator::of(None);
    (first..first + scripts).for_each(|seed| play(&generator, seed));
}

//! Rights: rules of ACL SETUSER, ACL files, and what they allow.
//!
//! Input: a byte whose lowest bit says how the rest is read. As lines of rules, which ACL SETUSER is given one line
//! after the other; or as the text of an ACL file. Checked, besides that nothing panics:
//! 1. a refused line leaves the user as it was;
//! 2. a user made anew from its line of ACL LIST has the same line, is shown alike by GETUSER, and may do the same;
//! 3. users that were loaded can be saved and loaded again, and are the same.
#![no_main]

use damselfly::clock::Clock;
use damselfly::config::Config;
use damselfly::{Damselfly, Reply};
use libfuzzer_sys::fuzz_target;
use std::path::PathBuf;

/// Commands that are tried out for every user.
const TRIALS: [&str; 16] = [
    "GET a",
    "SET a 1",
    "SET a 1 GET",
    "GETDEL b",
    "MGET a b",
    "COPY a b",
    "SORT a BY nosort GET * STORE b",
    "EVAL x 2 a b",
    "PUBLISH c m",
    "SUBSCRIBE c d",
    "PSUBSCRIBE c*",
    "CONFIG GET x",
    "CONFIG SET x y",
    "FLUSHALL",
    "XREADGROUP GROUP g c STREAMS a b > >",
    "ZUNIONSTORE a 2 b c",
];

fuzz_target!(|data: &[u8]| {
    let Some((first, text)) = data.split_first() else { return };
    match first % 2 {
        0 => by_rules(text),
        _ => by_file(text),
    }
});

fn open(config: Config) -> Option<Damselfly> {
    Damselfly::with_clock(config.shards(1).databases(1).seed(1), Clock::manual(1_700_000_000_000)).ok()
}

fn call(db: &Damselfly, argv: &[&[u8]]) -> Result<Reply, String> {
    db.call(argv).map_err(|error| error.to_string())
}

/// A user's line of ACL LIST, without its name.
fn line_of(db: &Damselfly, name: &[u8]) -> Option<Vec<u8>> {
    let Ok(Reply::Array(lines)) = call(db, &[b"ACL", b"LIST"]) else { panic!("ACL LIST") };
    let head = [b"user ", name, b" "].concat();
    lines.iter().find_map(|line| line.as_bytes()?.strip_prefix(&head[..]).map(<[u8]>::to_vec))
}

/// What a user may do, and how he is shown.
fn seen(db: &Damselfly, name: &[u8]) -> Vec<String> {
    let shown = call(db, &[b"ACL", b"GETUSER", name]);
    let mut seen = vec![format!("{shown:?}")];
    for trial in TRIALS {
        let mut argv: Vec<&[u8]> = vec![b"ACL", b"DRYRUN", name];
        argv.extend(trial.split(' ').map(str::as_bytes));
        let is_allowed = matches!(call(db, &argv), Ok(Reply::Simple(text)) if text == "OK");
        seen.push(format!("{trial}: {is_allowed}"));
    }
    seen
}

fn by_rules(text: &[u8]) {
    let db = open(Config::default()).expect("a good configuration");
    for line in text.split(|byte| *byte == b'\n').take(30) {
        let before = line_of(&db, b"u");
        let mut argv: Vec<&[u8]> = vec![b"ACL", b"SETUSER", b"u"];
        argv.extend(line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()));
        if call(&db, &argv).is_err() {
            assert_eq!(line_of(&db, b"u"), before, "a refused line changed the user");
            continue;
        }
        again(&db, b"u");
    }
}

/// Makes a user anew from its line.
fn again(db: &Damselfly, name: &[u8]) {
    let line = line_of(db, name).expect("a user is listed");
    let mut argv: Vec<&[u8]> = vec![b"ACL", b"SETUSER", b"again", b"reset"];
    argv.extend(line.split(|byte| *byte == b' '));
    if let Err(error) = call(db, &argv) {
        panic!("'{}' is refused: {error}", line.escape_ascii());
    }
    let anew = line_of(db, b"again").expect("a user is listed");
    assert_eq!(anew.escape_ascii().to_string(), line.escape_ascii().to_string());
    assert_eq!(seen(db, b"again"), seen(db, name), "{}", line.escape_ascii());
    call(db, &[b"ACL", b"DELUSER", b"again"]).expect("it is there");
}

fn by_file(text: &[u8]) {
    let path = path();
    std::fs::write(&path, text).expect("written");
    let name = path.display().to_string();
    let Some(db) = open(Config::default().aclfile(name)) else { return };
    let Ok(Reply::Array(lines)) = call(&db, &[b"ACL", b"LIST"]) else { return };
    let Ok(Reply::Array(names)) = call(&db, &[b"ACL", b"USERS"]) else { return };
    for name in names.iter().filter_map(Reply::as_bytes).filter(|name| *name != b"again") {
        again(&db, name);
    }
    call(&db, &[b"ACL", b"SAVE"]).expect("users can be saved");
    call(&db, &[b"ACL", b"LOAD"]).expect("what was saved can be loaded");
    assert_eq!(call(&db, &[b"ACL", b"LIST"]), Ok(Reply::Array(lines)));
}

/// A file for this process alone.
fn path() -> PathBuf {
    let folder = PathBuf::from("/dev/shm");
    let folder = if folder.is_dir() { folder } else { std::env::temp_dir() };
    folder.join(format!("damselfly-fuzz-acl-{}", std::process::id()))
}

//! Snapshots in Redis' format: what servers of the family saved is loaded here, what is saved here is loaded there, and
//! whatever else claims to be a file of the format is refused with the place.
//!
//! Needs `redis-server` on the path and, for what is newer, the one that `VALKEY_ORACLE` names; without them that part is
//! skipped.

#![cfg(feature = "server")]
#![allow(missing_docs)]

#[path = "commands/dump/payloads.rs"]
mod payloads;

use damselfly::config::Config;
use damselfly::persist::StorageError;
use damselfly::persist::storage::Memory;
use damselfly::rdb::crc64;
use damselfly::reply::Reply;
use damselfly::{Damselfly, clock::Clock};
use redis::Value;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

const NAME: &str = "x.rdb";
const LIBRARY: &str = "#!lua name=music\nredis.register_function('seven', function() return 7 end)";

/// A server of the family on the file [`NAME`] of a directory.
struct Real {
    child: Child,
    connection: redis::Connection,
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Real {
    /// `None` where the program is not there, or ends because of the file.
    fn start(program: &str, directory: &Path, flags: &[&str]) -> Option<Real> {
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let mut child = Command::new(program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dbfilename", NAME])
            .args(["--enable-debug-command", "yes", "--dir"])
            .arg(directory)
            .args(flags)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).ok()?;
        for _ in 0..500 {
            if child.try_wait().ok()?.is_some() {
                return None;
            }
            if let Ok(mut connection) = client.get_connection()
                && redis::cmd("PING").query::<String>(&mut connection).is_ok()
            {
                return Some(Real { child, connection });
            }
            sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
        None
    }

    fn ask(&mut self, line: &str) -> Value {
        let mut words = line.split(' ');
        let mut command = redis::cmd(words.next().unwrap_or_default());
        words.for_each(|word| drop(command.arg(word).clone()));
        command.query(&mut self.connection).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    fn load_function(&mut self) {
        let load = redis::cmd("FUNCTION").arg("LOAD").arg(LIBRARY).query::<String>(&mut self.connection);
        assert_eq!(load.expect("loaded"), "music");
    }

    fn calls_function(&mut self) -> i64 {
        redis::cmd("FCALL").arg("seven").arg(0).query(&mut self.connection).expect("called")
    }

    fn text(&mut self, line: &str) -> String {
        match self.ask(line) {
            Value::SimpleString(text) => text,
            Value::BulkString(text) => String::from_utf8_lossy(&text).into_owned(),
            other => panic!("{line}: {other:?}"),
        }
    }
}

/// Servers that are here: Redis 7.0 and what is newer.
fn programs() -> Vec<String> {
    let newer = std::env::var("VALKEY_ORACLE").ok().filter(|program| Path::new(program).is_absolute());
    ["redis-server".to_owned()].into_iter().chain(newer).collect()
}

fn open(directory: &Path) -> Damselfly {
    let config = Config::default().dir(directory.to_string_lossy()).dbfilename(NAME);
    Damselfly::open(config).unwrap_or_else(|error| panic!("{error}"))
}

fn text(db: &Damselfly, line: &str) -> String {
    let reply = db.call(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
    match reply.as_bytes() {
        Some(text) => String::from_utf8_lossy(text).into_owned(),
        None => format!("{reply:?}"),
    }
}

/// Commands that make values of every type in every encoding.
fn filling() -> Vec<String> {
    let long = "lorem-ipsum-".repeat(6000);
    let mut lines: Vec<String> = [
        "SET int 12345",
        "SET byte 100",
        "SET short -30000",
        "SET wide 2147483648",
        "SET negative -9223372036854775808",
        "SET almost 0123",
        "SET str hello",
        "APPEND str world",
        "SETRANGE raw 3 abc",
        "SET empty-ish x",
        "SET later value PX 100000000",
        "RPUSH list a 1 b -2 c 100000 3000000000 -9223372036854775808",
        "SADD intset16 1 2 -3",
        "SADD intset32 1 2 300000",
        "SADD intset64 1 2 30000000000",
        "SADD words a b c",
        "HSET hash a 1 b two",
        "ZADD zset 1 a 2.25 b -inf c +inf d 1e300 e",
        "XADD stream 5-1 a 1 b two",
        "XADD stream 5-2 a 2 b three",
        "XADD stream 6-1 other fields here 1",
        "XGROUP CREATE stream group 0",
        "XGROUP CREATE stream idle 5-1",
        "XREADGROUP GROUP group alice COUNT 2 STREAMS stream >",
        "XREADGROUP GROUP group bob COUNT 1 STREAMS stream >",
        "XACK stream group 5-1",
        "XDEL stream 5-2",
        "PEXPIRE zset 200000000",
        "PEXPIRE stream 300000000",
    ]
    .map(str::to_owned)
    .to_vec();
    lines.push(format!("SET long {long}"));
    lines.push(format!("RPUSH plain {long} small"));
    lines.push(format!("HSET long-field a {long}"));
    lines.push(format!("ZADD long-member 1.5 {}", &long[..3000]));
    let many = |head: &str, item: &dyn Fn(usize) -> String| {
        (0..1500).fold(head.to_owned(), |line, n| line + " " + &item(n))
    };
    lines.push(many("RPUSH quicklist", &|n| format!("element-{n} {n}")));
    lines.push(many("SADD table", &|n| format!("member-{n}")));
    lines.push(many("SADD bigints", &|n| format!("{}", n * 3)));
    lines.push(many("HSET bighash", &|n| format!("field-{n} value-{n}")));
    lines.push(many("ZADD skiplist", &|n| format!("{}.5 member-{n}", n * 7 % 1000)));
    lines.extend((0..300).map(|n| format!("XADD longstream {}-1 a {n} b x", n + 1)));
    lines.extend((0..300).map(|n| format!("SET key:{n} {n}")));
    lines
}

const ENCODED: [&str; 18] = [
    "int",
    "almost",
    "long",
    "later",
    "list",
    "plain",
    "quicklist",
    "intset16",
    "intset64",
    "words",
    "table",
    "bigints",
    "hash",
    "bighash",
    "zset",
    "skiplist",
    "stream",
    "long-field",
];

/// Valkey's digest of a sorted set is of the shortest text of its scores, ours and Redis' of seventeen digits: there only
/// what went both ways is compared.
fn digests_as_we_do(program: &str) -> bool {
    program == "redis-server"
}

/// Keys whose encoding differs and should not: Redis 7.0 has no set that is a listpack, and no list that is one.
fn differing(program: &str, ours: &[String], theirs: &[String]) -> Vec<&'static str> {
    let known = |key: &str| program == "redis-server" && ["words", "list"].contains(&key);
    let pairs = ENCODED.into_iter().zip(ours.iter().zip(theirs));
    pairs.filter(|(key, (ours, theirs))| ours != theirs && !known(key)).map(|(key, _)| key).collect()
}

#[test]
fn what_a_server_saved_is_loaded() {
    for program in programs() {
        for flags in
            [&[][..], &["--rdbcompression", "no", "--list-max-listpack-size", "4", "--rdbchecksum", "no"]]
        {
            let directory = tempfile::tempdir().expect("a directory");
            let Some(mut real) = Real::start(&program, directory.path(), flags) else {
                eprintln!("skipped: {program} is not there");
                continue;
            };
            filling().iter().for_each(|line| drop(real.ask(line)));
            real.load_function();
            real.ask("SELECT 9");
            real.ask("SET elsewhere 1");
            real.ask("SELECT 0");
            let digest = real.text("DEBUG DIGEST");
            let encodings: Vec<_> =
                ENCODED.iter().map(|key| real.text(&format!("OBJECT ENCODING {key}"))).collect();
            real.ask("SAVE");
            drop(real);
            let db = open(directory.path());
            if digests_as_we_do(&program) {
                assert_eq!(text(&db, "DEBUG DIGEST"), digest, "{program} {flags:?}");
            }
            let ours: Vec<_> =
                ENCODED.iter().map(|key| text(&db, &format!("OBJECT ENCODING {key}"))).collect();
            if flags.is_empty() {
                assert_eq!(differing(&program, &ours, &encodings), [""; 0], "{program}");
            }
            assert!(matches!(db.call(["PTTL", "later"]), Ok(Reply::Int(90_000_000..=100_000_000))));
            #[cfg(feature = "script")]
            assert_eq!(db.call(["FCALL", "seven", "0"]).expect("called"), Reply::Int(7));
            // And back: what we make of it is loaded by them.
            db.save().expect("saved");
            drop(db);
            let mut real = Real::start(&program, directory.path(), &[]).expect("our file is loaded");
            assert_eq!(real.text("DEBUG DIGEST"), digest, "{program} {flags:?}");
            #[cfg(feature = "script")]
            assert_eq!(real.calls_function(), 7);
        }
    }
}

#[test]
fn what_is_saved_here_is_loaded_by_servers() {
    for program in programs() {
        let directory = tempfile::tempdir().expect("a directory");
        let db = open(directory.path());
        filling().iter().for_each(|line| drop(text(&db, line)));
        let other = db.select(3).expect("there are sixteen");
        text(&other, "SET elsewhere 1 PX 100000000");
        let digest = text(&db, "DEBUG DIGEST");
        let encodings: Vec<_> =
            ENCODED.iter().map(|key| text(&db, &format!("OBJECT ENCODING {key}"))).collect();
        db.save().expect("saved");
        assert!(std::fs::read(directory.path().join(NAME)).expect("a file").starts_with(b"REDIS0010"));
        drop((db, other));
        let Some(mut real) = Real::start(&program, directory.path(), &[]) else {
            assert!(Command::new(&program).arg("--version").output().is_err(), "{program} refuses our file");
            eprintln!("skipped: {program} is not there");
            continue;
        };
        if digests_as_we_do(&program) {
            assert_eq!(real.text("DEBUG DIGEST"), digest, "{program}");
        }
        let theirs: Vec<_> = ENCODED.iter().map(|key| real.text(&format!("OBJECT ENCODING {key}"))).collect();
        assert_eq!(differing(&program, &encodings, &theirs), [""; 0], "{program}");
        assert!(matches!(real.ask("PTTL later"), Value::Int(90_000_000..=100_000_000)));
        // And back again.
        real.ask("SAVE");
        drop(real);
        assert_eq!(text(&open(directory.path()), "DEBUG DIGEST"), digest, "{program}");
    }
}

#[test]
fn fields_that_have_deadlines_travel_to_valkey_and_back() {
    let Some(program) = programs().into_iter().nth(1) else {
        eprintln!("skipped: VALKEY_ORACLE is not set");
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(directory.path());
    text(&db, "HSET hash a 1 b 2 c 3");
    text(&db, "HPEXPIRE hash 100000000 FIELDS 1 a");
    text(&db, "SET other value");
    let digest = text(&db, "DEBUG DIGEST");
    db.save().expect("saved");
    assert!(std::fs::read(directory.path().join(NAME)).expect("a file").starts_with(b"VALKEY080"));
    drop(db);
    let mut real = Real::start(&program, directory.path(), &[]).expect("our file is loaded");
    assert_eq!(real.text("DEBUG DIGEST"), digest);
    let ttl = real.ask("HPTTL hash FIELDS 2 a b");
    assert!(
        matches!(&ttl, Value::Array(of) if matches!(of[..], [Value::Int(90_000_000..), Value::Int(-1)])),
        "{ttl:?}"
    );
    real.ask("SAVE");
    drop(real);
    let db = open(directory.path());
    assert_eq!(text(&db, "DEBUG DIGEST"), digest);
    let Ok(Reply::Array(ttl)) = db.call(["HPTTL", "hash", "FIELDS", "2", "a", "b"]) else {
        panic!("no array")
    };
    assert!(matches!(ttl[..], [Reply::Int(90_000_000..), Reply::Int(-1)]), "{ttl:?}");
}

/// A file of these bytes behind its magic word, with a checksum.
fn file(magic: &str, body: &[u8]) -> Vec<u8> {
    let mut file = [magic.as_bytes(), body].concat();
    file.push(255);
    file.extend(crc64(0, &file).to_le_bytes());
    file
}

/// Loads bytes into an engine whose clock stands still.
fn load(bytes: &[u8]) -> Result<Damselfly, StorageError> {
    let memory = Memory::new();
    memory.put(NAME, bytes);
    let config = Config::default().shards(2).seed(1).databases(4u32).dbfilename(NAME);
    let db = Damselfly::with_clock(config, Clock::manual(1_700_000_000_000)).expect("a good configuration");
    db.engine().save_to(Arc::new(memory));
    db.engine().recover().map(|_| db)
}

#[track_caller]
fn refused(bytes: &[u8]) -> String {
    match load(bytes) {
        Err(error @ StorageError::Corrupt { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("loaded"),
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|digit| *digit != b' ').collect();
    let pair =
        |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    digits.chunks(2).map(|digits| pair(digits).expect("hex")).collect()
}

#[test]
fn every_form_of_a_value_is_what_restore_makes_of_it() {
    for (name, hex) in payloads::PAYLOADS {
        let payload = unhex(hex);
        let (value, footer) = payload.split_at(payload.len() - 10);
        let magic = match u16::from_le_bytes([footer[0], footer[1]]) {
            version @ 80.. => format!("VALKEY{version:03}"),
            version => format!("REDIS{version:04}"),
        };
        let body = [&value[..1], b"\x03key", &value[1..]].concat();
        let db = load(&file(&magic, &body)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let loaded = db.dump("key").expect("a dump never fails");
        db.restore("again", &payload).expect("a good payload");
        assert_eq!(db.dump("again").expect("a dump never fails"), loaded, "{name}");
        assert_eq!(text(&db, "OBJECT ENCODING key"), text(&db, "OBJECT ENCODING again"), "{name}");
    }
}

#[test]
fn what_is_no_key_is_understood_or_passed_by() {
    let module_aux = b"\xf7\x81\x01\x02\x03\x04\x05\x06\x07\x08\x02\x02\x01\x05\x02\x07\x03abcd\x04abcdefgh\x05\x03xyz\x00";
    let body = [
        &b"\xfa\x05ctime\xc2\x00\xf1\x53\x65"[..],
        module_aux,
        b"\xfe\x01\xfb\x40\xff\x01\xf4\x01\x02\x03",
        // Seconds, milliseconds, and one that has passed.
        b"\xfd\x00\x00\x00\x7f\x00\x01a\x01x",
        b"\xfc\x00\x00\x00\x00\x00\x02\x00\x00\xf8\x0a\x00\x01b\x01x",
        b"\xfc\x01\x00\x00\x00\x00\x00\x00\x00\xf9\x07\x00\x01c\x01x",
    ]
    .concat();
    let db = load(&file("REDIS0009", &body)).unwrap_or_else(|error| panic!("{error}"));
    let db = db.select(1).expect("there are four");
    assert_eq!(text(&db, "EXPIRETIME a"), "Int(2130706432)");
    assert_eq!(text(&db, "PEXPIRETIME b"), "Int(2199023255552)");
    assert_eq!(text(&db, "OBJECT IDLETIME b"), "Int(10)");
    assert_eq!(text(&db, "DBSIZE"), "Int(2)");
    // A checksum of zero is none.
    let mut without = file("REDIS0009", &body);
    let at = without.len() - 8;
    without[at..].fill(0);
    assert!(load(&without).is_ok());
}

/// Files that servers wrote: values of every type, one with a deadline, a key in database 3, and a library. Both hold
/// the same, but that a field of Valkey's hash has a deadline.
const FIXTURES: [&[u8]; 2] =
    [include_bytes!("fixtures/redis-7.0.rdb"), include_bytes!("fixtures/valkey-9.rdb")];
const DIGEST_OF_FIXTURES: &str = "9da652f1cfc158dcccbf2d2d8279eed16b3d19ca";

#[test]
fn files_of_released_servers_are_loaded() {
    for bytes in FIXTURES {
        let db = load(bytes).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(text(&db, "DEBUG DIGEST"), DIGEST_OF_FIXTURES);
        assert_eq!(text(&db, "PEXPIRETIME later"), "Int(4102444800000)");
        #[cfg(feature = "script")]
        assert_eq!(text(&db, "FCALL seven 0"), "Int(7)");
    }
}

#[test]
fn damage_anywhere_in_a_file_is_refused() {
    for bytes in FIXTURES {
        for at in (0..bytes.len()).step_by(7) {
            assert!(refused(&bytes[..at]).contains(": offset "), "cut off at {at}");
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 1 << (at / 7 % 8);
            assert!(refused(&damaged).contains(": offset "), "damaged at {at}");
        }
    }
}

#[test]
fn a_journal_follows_a_snapshot_in_redis_format() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = || {
        let config = Config::default().dir(directory.path().to_string_lossy()).dbfilename(NAME);
        config.appendonly(true)
    };
    let db = Damselfly::open(config()).expect("opened");
    text(&db, "SET a 1");
    text(&db, "INCR a");
    db.save().expect("saved");
    text(&db, "INCR a");
    text(&db, "RPUSH list x");
    drop(db);
    let db = Damselfly::open(config()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((text(&db, "GET a"), text(&db, "LLEN list")), ("3".to_owned(), "Int(1)".to_owned()));
}

#[test]
fn data_is_moved_in_and_out_from_the_command_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = |line: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_damselfly"))
            .args(line)
            .current_dir(directory.path())
            .output()
            .expect("the binary is there");
        let text = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    };
    let told = |line: &[&str], text: &str| {
        let (success, told) = run(line);
        assert!(success && told == text, "{line:?}: {told}");
    };
    let refused = |line: &[&str], words: &str| {
        let (success, told) = run(line);
        assert!(!success && told.contains(words) && told.lines().count() == 1, "{line:?}: {told}");
    };
    std::fs::write(directory.path().join("in.rdb"), FIXTURES[1]).expect("written");
    std::fs::write(directory.path().join("cut.rdb"), &FIXTURES[1][..500]).expect("written");
    refused(&["import", "cut.rdb", "--dir", "data"], "cut.rdb is damaged: offset ");
    refused(&["import", "in.rdb", "--dir", "data", "--databases", "3"], "'databases'");
    refused(&["import", "missing.rdb", "--dir", "data"], "missing.rdb: ");
    refused(&["import", "in.rdb"], "--dir");
    refused(&["export", "out.rdb", "--dir", "data"], "there is no snapshot");
    told(&["import", "in.rdb", "--dir", "data"], "imported 14 keys from in.rdb to data/dump.dfly\n");
    refused(&["import", "in.rdb", "--dir", "data"], "is there already");
    refused(&["export", "--dir", "data", "out.txt"], "has to end in .rdb");
    let (success, text_of_export) = run(&["export", "--dir", "data", "out.rdb"]);
    assert!(success && text_of_export.starts_with("exported 14 keys from data/dump.dfly to out.rdb: "));
    let db = load(&std::fs::read(directory.path().join("out.rdb")).expect("a file"));
    let db = db.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(text(&db, "DEBUG DIGEST"), DIGEST_OF_FIXTURES);
    assert_eq!(text(&db, "HPEXPIRETIME hash FIELDS 1 a"), "Array([Int(4102444800000)])");
}

#[test]
fn what_is_damaged_is_refused_with_the_place() {
    let key = b"\x00\x01a\x01x";
    let whole =
        file("REDIS0011", &[&b"\xfe\x00"[..], key, b"\x12\x01l\x01\x02\x07\x07\0\0\0\0\0\xff"].concat());
    assert!(refused(&whole).contains("offset 16: key 'l': "), "{}", refused(&whole));
    let whole = file("REDIS0011", &[&b"\xfe\x00"[..], key].concat());
    assert!(load(&whole).is_ok());
    for len in 0..whole.len() {
        assert!(refused(&whole[..len]).contains(": offset "), "{len}");
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            // Another version that is read is no damage but for the checksum, which is over it.
            assert!(refused(&damaged).contains(": offset "), "{at} {bit}");
        }
    }
    for (body, words) in [
        (&b"\x00\x01a\x01x\x00\x01a\x01y"[..], "offset 14: key 'a': a key stands once in a database"),
        (b"\x00\x81\xff\xff\xff\xff\xff\xff\xff\xffa", "offset 19: a string of 18446744073709551615 bytes"),
        (b"\x01\x01l\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01x", "offset "),
        (b"\x02\x01s\x02\x01x\x01x", "offset 9: key 's': a member stands once in a set"),
        (b"\xfe\x07\x00\x01a\x01x", "offset 11: key 'a': the setting 'databases' leaves room"),
        (b"\x07\x01m\x81\x4c\x69\x2b\xe6\x7d\x5c\x00\x00\x00", "a value of the module '"),
        (b"\xf6\x01f", "offset 9: functions of a release candidate"),
        (b"\xf2\x01a", "offset 9: "),
        (b"\x1e\x01a\x01x", "offset 9: nobody knows what 30 stands for"),
        (
            b"\x00\x01a\xc3\x03\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x01ab",
            "a compressed string gives what it says",
        ),
    ] {
        let told = refused(&file("REDIS0011", body));
        assert!(told.contains(words), "{told}: {words}");
    }
    for (magic, words) in [
        ("REDIS0004", "offset 5: its format is REDIS 4"),
        ("REDIS0013", "REDIS 13"),
        ("VALKEY079", "VALKEY 79"),
        ("REDISxxxx", "offset 5: its version is no number"),
        ("RUBBISH00", "offset 0: it does not begin as an RDB file does"),
    ] {
        let told = refused(&file(magic, b""));
        assert!(told.contains(words), "{told}: {words}");
    }
    let long = [&whole[..], b"more"].concat();
    assert!(refused(&long).ends_with("4 bytes follow the checksum"));
}

/// What is read at once ends in front of every byte of some keys, which are numbers, lengths and texts.
#[test]
fn a_file_may_be_read_in_parts_that_end_anywhere() {
    const PART: usize = 256 * 1024;
    for reach in 0..120 {
        let memory = Memory::new();
        let open = || {
            let config = Config::default().shards(1).seed(1).dbfilename(NAME);
            let db = Damselfly::with_clock(config, Clock::manual(1_700_000_000_000))
                .expect("a good configuration");
            db.engine().save_to(Arc::new(memory.clone()));
            db
        };
        let db = open();
        db.set("long", "x".repeat(PART - 100 - reach)).expect("set");
        for key in 0..10 {
            db.set(format!("key:{key}"), format!("value:{key}")).expect("set");
        }
        db.save().expect("saved");
        let again = open();
        again.engine().recover().unwrap_or_else(|error| panic!("{reach}: {error}"));
        assert_eq!(text(&again, "DEBUG DIGEST"), text(&db, "DEBUG DIGEST"), "{reach}");
    }
}

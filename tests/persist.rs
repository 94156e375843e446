//! What is saved is what was there at one moment, and it is there again after a restart, whatever ended the process.

#![cfg(feature = "server")]
#![expect(clippy::disallowed_methods, reason = "what is tested is measured from outside")]
#![allow(missing_docs)]

use damselfly::Damselfly;
use damselfly::config::Config;
use damselfly::embed::OpenError;
use damselfly::persist::StorageError;
use damselfly::reply::Reply;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn open(directory: &Path) -> Damselfly {
    Damselfly::open(Config::default().dir(directory.to_string_lossy())).expect("opened")
}

fn call(db: &Damselfly, line: &str) -> Reply {
    db.call(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn digest(db: &Damselfly) -> String {
    format!("{:?}", call(db, "DEBUG DIGEST"))
}

/// Values of every type in every encoding.
fn fill(db: &Damselfly) {
    let long = "x".repeat(70_000);
    call(db, "SET int 12345");
    call(db, "SET str hello EX 1000");
    call(db, "APPEND str world");
    call(db, &format!("SET middle {}", &long[..900]));
    call(db, &format!("SET long {long}"));
    call(db, "SET negative -9223372036854775808");
    call(db, "SETRANGE raw 3 abc");
    for n in 0..3000 {
        call(db, &format!("RPUSH quicklist element-{n} {n}"));
        call(db, &format!("SADD table member-{n}"));
        call(db, &format!("HSET bighash field-{n} value-{n}"));
        call(db, &format!("ZADD skiplist {}.5 member-{n}", n * 7 % 1000));
        call(db, &format!("SADD bigints {}", n * 3));
        call(db, &format!("XADD stream {}-1 a {n} b x", n + 1));
    }
    call(db, "RPUSH list a 1 b -2 c");
    call(db, &format!("RPUSH plain {long} small"));
    call(db, "SADD intset 1 2 300000");
    call(db, "SADD packed a b c");
    call(db, "HSET hash a 1 b two");
    call(db, &format!("HSET wide a {}", &long[..5000]));
    call(db, "ZADD zset 1 a 2.25 b -inf c");
    call(db, "XGROUP CREATE stream group 0");
    call(db, "XREADGROUP GROUP group alice COUNT 3 STREAMS stream >");
    call(db, "XDEL stream 2-1");
    let other = db.select(3).expect("there are sixteen");
    call(&other, "SET elsewhere 1 PX 100000000");
    call(&other, "RPUSH many 1 2 3");
}

const ENCODED: [&str; 18] = [
    "int",
    "str",
    "middle",
    "long",
    "raw",
    "quicklist",
    "table",
    "bighash",
    "skiplist",
    "bigints",
    "stream",
    "list",
    "plain",
    "intset",
    "packed",
    "hash",
    "zset",
    "wide",
];

#[test]
fn every_type_and_encoding_comes_back_as_it_was() {
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(directory.path());
    fill(&db);
    let encodings = |db: &Damselfly| -> Vec<String> {
        ENCODED.iter().map(|key| format!("{key} {:?}", call(db, &format!("OBJECT ENCODING {key}")))).collect()
    };
    let (before, encoded) = (digest(&db), encodings(&db));
    let groups = format!("{:?}", call(&db, "XINFO STREAM stream FULL COUNT 2"));
    db.save().expect("saved");
    assert_eq!(db.changes_since_save(), 0);
    drop(db);
    let db = open(directory.path());
    assert_eq!(digest(&db), before);
    assert_eq!(encodings(&db), encoded);
    assert_eq!(format!("{:?}", call(&db, "XINFO STREAM stream FULL COUNT 2")), groups);
    call(&db, "DEBUG RELOAD");
    assert_eq!(digest(&db), before);
    assert!(matches!(call(&db, "PTTL str"), Reply::Int(1..)));
}

#[test]
fn a_snapshot_under_load_shows_one_moment() {
    const ACCOUNTS: u64 = 2000;
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(directory.path());
    for n in 0..ACCOUNTS {
        db.set(format!("account:{n}"), "1000").expect("set");
    }
    for n in 0..50_000 {
        db.set(format!("filler:{n}"), "some bytes that take time to walk").expect("set");
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..3u64 {
            let (db, stop) = (&db, &stop);
            scope.spawn(move || {
                let (mut n, mut session) = (thread, db.session());
                while !stop.load(Ordering::Relaxed) {
                    n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let (from, to) = ((n >> 33) % ACCOUNTS, (n >> 13) % ACCOUNTS);
                    // Both or none: a transaction over two shards.
                    session.call(["MULTI"]).expect("begun");
                    session.call(["DECRBY", &format!("account:{from}"), "7"]).expect("queued");
                    session.call(["INCRBY", &format!("account:{to}"), "7"]).expect("queued");
                    session.call(["EXEC"]).expect("done");
                    if n % 5 == 0 {
                        let _ = db.set(format!("filler:{}", n % 70_000), "changed");
                        let _ = db.del(format!("filler:{}", n % 50_000));
                    }
                }
            });
        }
        for _ in 0..3 {
            db.save().expect("saved");
            let copy = tempfile::tempdir().expect("a directory");
            std::fs::copy(directory.path().join("dump.dfly"), copy.path().join("dump.dfly")).expect("copied");
            let then = open(copy.path());
            let sum: i64 = (0..ACCOUNTS)
                .map(|n| {
                    let value =
                        then.get(format!("account:{n}")).expect("read").expect("every account is there");
                    String::from_utf8_lossy(&value).parse::<i64>().expect("a number")
                })
                .sum();
            assert_eq!(sum, 1000 * ACCOUNTS as i64);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_directory_is_open_once_and_a_damaged_file_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let db = open(directory.path());
    db.set("a", "1").expect("set");
    db.save().expect("saved");
    let again = Damselfly::open(Config::default().dir(directory.path().to_string_lossy()));
    assert!(matches!(again, Err(OpenError::Storage(StorageError::Locked { .. }))), "{again:?}");
    drop(db);
    let file = directory.path().join("dump.dfly");
    let mut bytes = std::fs::read(&file).expect("read");
    bytes[20] ^= 1;
    std::fs::write(&file, &bytes).expect("written");
    let error =
        Damselfly::open(Config::default().dir(directory.path().to_string_lossy())).expect_err("damaged");
    let text = error.to_string();
    assert!(text.contains("dump.dfly is damaged: chunk 0, offset 16: the checksum"), "{text}");
}

#[test]
fn what_changed_is_saved_at_the_end_where_rules_say_so() {
    let directory = tempfile::tempdir().expect("a directory");
    Damselfly::open_dir(directory.path()).expect("opened").set("kept", "yes").expect("set");
    let db = Damselfly::open_dir(directory.path()).expect("opened");
    assert_eq!(db.get("kept").expect("read").as_deref(), Some(&b"yes"[..]));
    // An engine in memory has nowhere to save to.
    assert!(matches!(Damselfly::in_memory().save(), Err(StorageError::NoDirectory)));
}

/// The binary, in a directory.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(directory: &Path, flags: &[&str]) -> Server {
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let child = Command::new(env!("CARGO_BIN_EXE_damselfly"))
            .args(["--port", &port.to_string(), "--dir"])
            .arg(directory)
            .args(flags)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        Server { child, port }
    }

    fn connect(&self) -> redis::Connection {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).expect("an address");
        let begin = Instant::now();
        loop {
            match client.get_connection() {
                Ok(connection) => return connection,
                Err(error) if begin.elapsed() > Duration::from_secs(20) => panic!("{error}"),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ask(connection: &mut redis::Connection, line: &str) -> redis::RedisResult<redis::Value> {
    let mut words = line.split(' ').map(|word| if word == "''" { "" } else { word });
    let mut command = redis::cmd(words.next().unwrap_or_default());
    words.for_each(|word| {
        command.arg(word);
    });
    command.query(connection)
}

#[test]
fn a_kill_in_the_middle_of_a_save_leaves_the_last_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start(directory.path(), &["--save", ""]);
    let mut connection = server.connect();
    ask(&mut connection, "DEBUG POPULATE 200000 key 50").expect("filled");
    ask(&mut connection, "SAVE").expect("saved");
    let digest = format!("{:?}", ask(&mut connection, "DEBUG DIGEST").expect("a digest"));
    ask(&mut connection, "SET after save").expect("set");
    ask(&mut connection, "BGSAVE").expect("begun");
    drop(server);
    // Half a file, as the kill may have left it.
    std::fs::write(directory.path().join("dump.dfly.tmp"), b"DFLYSNAP half").expect("written");
    let server = Server::start(directory.path(), &["--save", ""]);
    let mut connection = server.connect();
    let has = format!("{:?}", ask(&mut connection, "EXISTS after").expect("asked"));
    ask(&mut connection, "DEL after").expect("deleted");
    assert_eq!(
        format!("{:?}", ask(&mut connection, "DEBUG DIGEST").expect("a digest")),
        digest,
        "after: {has}"
    );
}

#[test]
fn sigterm_saves_where_there_are_rules_and_nosave_does_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let rules = ["--save", "3600", "1"];
    let mut server = Server::start(directory.path(), &rules);
    let mut connection = server.connect();
    ask(&mut connection, "SET a 1").expect("set");
    let status = Command::new("kill").args(["-TERM", &server.child.id().to_string()]).status().expect("sent");
    assert!(status.success() && server.child.wait().expect("ended").success());
    let mut server = Server::start(directory.path(), &rules);
    let mut connection = server.connect();
    assert_eq!(ask(&mut connection, "GET a").expect("got"), redis::Value::BulkString(b"1".to_vec()));
    ask(&mut connection, "SET a 2").expect("set");
    let _ = ask(&mut connection, "SHUTDOWN NOSAVE");
    assert!(server.child.wait().expect("ended").success());
    let mut server = Server::start(directory.path(), &rules);
    let mut connection = server.connect();
    assert_eq!(ask(&mut connection, "GET a").expect("got"), redis::Value::BulkString(b"1".to_vec()));
    ask(&mut connection, "SET a 3").expect("set");
    let _ = ask(&mut connection, "SHUTDOWN SAVE");
    assert!(server.child.wait().expect("ended").success());
    let server = Server::start(directory.path(), &rules);
    let mut connection = server.connect();
    assert_eq!(ask(&mut connection, "GET a").expect("got"), redis::Value::BulkString(b"3".to_vec()));
    // Where no file can be made, writes are refused until one can.
    std::fs::create_dir(directory.path().join("dump.dfly.tmp")).expect("in the way");
    ask(&mut connection, "BGSAVE").expect("begun");
    let begin = Instant::now();
    let refused = loop {
        match ask(&mut connection, "SET a 4") {
            Err(error) => break error.to_string(),
            Ok(_) if begin.elapsed() > Duration::from_secs(10) => panic!("writes are still taken"),
            Ok(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    assert!(refused.contains("MISCONF"), "{refused}");
    assert!(ask(&mut connection, "GET a").is_ok());
    std::fs::remove_dir(directory.path().join("dump.dfly.tmp")).expect("out of the way");
    ask(&mut connection, "SAVE").expect("saved");
    ask(&mut connection, "SET a 5").expect("taken again");
}

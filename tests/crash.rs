//! A process that is killed loses nothing that it acknowledged, does nothing twice and makes nothing up.
//!
//! `CRASH_KILLS=200 cargo test --test crash` is the long form.

#![cfg(all(feature = "script", feature = "server"))]
#![expect(clippy::disallowed_methods, reason = "what is tested is measured from outside")]
#![allow(missing_docs)]

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

const WORKERS: usize = 4;

#[derive(Debug, Clone, PartialEq)]
enum Answer {
    Nil,
    Int(i64),
    Text(Vec<u8>),
    Error(String),
    Many(Vec<Answer>),
}

struct Client {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Client {
    fn connect(port: u16) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_nodelay(true).ok()?;
        let reader = BufReader::new(stream.try_clone().ok()?);
        Some(Self { stream, reader })
    }

    fn send(&mut self, argv: &[&str]) -> Option<()> {
        let mut bytes = format!("*{}\r\n", argv.len());
        for arg in argv {
            bytes.push_str(&format!("${}\r\n{arg}\r\n", arg.len()));
        }
        self.stream.write_all(bytes.as_bytes()).ok()
    }

    fn read(&mut self) -> Option<Answer> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).ok()? == 0 || !line.ends_with("\r\n") {
            return None;
        }
        let rest = line[1..].trim_end().to_owned();
        Some(match line.as_bytes()[0] {
            b':' => Answer::Int(rest.parse().ok()?),
            b'+' => Answer::Text(rest.into_bytes()),
            b'-' => Answer::Error(rest),
            b'$' => match rest.parse::<i64>().ok()? {
                -1 => Answer::Nil,
                len => {
                    let mut bytes = vec![0; len as usize + 2];
                    self.reader.read_exact(&mut bytes).ok()?;
                    bytes.truncate(len as usize);
                    Answer::Text(bytes)
                }
            },
            b'*' => match rest.parse::<i64>().ok()? {
                -1 => Answer::Nil,
                len => Answer::Many((0..len).map(|_| self.read()).collect::<Option<_>>()?),
            },
            other => panic!("a reply begins with {other}"),
        })
    }

    fn ask(&mut self, argv: &[&str]) -> Option<Answer> {
        self.send(argv)?;
        let answer = self.read()?;
        assert!(!matches!(answer, Answer::Error(_)), "{argv:?}: {answer:?}");
        Some(answer)
    }

    fn list(&mut self, key: &str) -> Vec<u64> {
        let Some(Answer::Many(items)) = self.ask(&["LRANGE", key, "0", "-1"]) else {
            panic!("no list {key}")
        };
        items
            .iter()
            .map(|item| match item {
                Answer::Text(text) => String::from_utf8_lossy(text).parse().expect("a number"),
                other => panic!("{other:?} in a list"),
            })
            .collect()
    }

    fn number(&mut self, key: &str) -> u64 {
        match self.ask(&["GET", key]).expect("an answer") {
            Answer::Nil => 0,
            Answer::Text(text) => String::from_utf8_lossy(&text).parse().expect("a number"),
            other => panic!("{other:?}"),
        }
    }
}

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(dir: &Path, fsync: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let child = Command::new(env!("CARGO_BIN_EXE_damselfly"))
            .args(["--port", &port.to_string(), "--dir", &dir.to_string_lossy(), "--shards", "8"])
            .args(["--appendonly", "yes", "--appendfsync", fsync, "--save", "", "--io-threads", "2"])
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut server = Self { child, port };
        let began = Instant::now();
        while Client::connect(port).and_then(|mut client| client.ask(&["PING"])).is_none() {
            assert!(began.elapsed() < Duration::from_secs(30), "the server does not come up");
            assert!(server.child.try_wait().expect("its state").is_none(), "the server refuses to start");
            std::thread::sleep(Duration::from_millis(5));
        }
        server
    }

    fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Something that is done again and again: how often it was tried, and acknowledged.
#[derive(Default)]
struct Count {
    tried: AtomicU64,
    done: AtomicU64,
}

impl Count {
    fn holds(&self, found: u64, what: &str) {
        let (tried, done) = (self.tried.load(SeqCst), self.done.load(SeqCst));
        assert!(found >= done, "{what}: {done} were acknowledged, {found} are there: lost");
        assert!(found <= tried, "{what}: {tried} were tried, {found} are there: made up");
        self.tried.store(found, SeqCst);
        self.done.store(found, SeqCst);
    }

    /// Does it once; `None` where the server is gone.
    fn run(&self, f: impl FnOnce(u64) -> Option<()>) -> Option<()> {
        let n = self.tried.fetch_add(1, SeqCst) + 1;
        f(n)?;
        self.done.fetch_add(1, SeqCst);
        Some(())
    }
}

#[derive(Default)]
struct Worker {
    push: Count,
    incr: Count,
    multi: Count,
    script: Count,
    spop: Count,
    job: Count,
    /// Jobs that this worker took and was told of.
    taken: std::sync::Mutex<Vec<u64>>,
    /// Takes whose end nobody knows.
    unknown: AtomicU64,
}

const SCRIPT: &str = "redis.call('rpush', KEYS[1], ARGV[1]) redis.call('incr', KEYS[2]) \
    redis.call('pexpire', KEYS[2], 100000000) return redis.call('get', KEYS[2])";

fn work(id: usize, worker: &Worker, port: u16, stop: &AtomicBool) -> Option<()> {
    let mut client = Client::connect(port)?;
    let key = |name: &str| format!("{name}:{id}");
    while !stop.load(SeqCst) {
        worker.push.run(|n| client.ask(&["RPUSH", &key("log"), &n.to_string()]).map(drop))?;
        worker.incr.run(|_| client.ask(&["INCR", &key("counter")]).map(drop))?;
        worker.multi.run(|n| {
            client.ask(&["MULTI"])?;
            client.ask(&["RPUSH", &key("both"), &n.to_string()])?;
            client.ask(&["SET", &key("bothcount"), &n.to_string(), "EX", "100000"])?;
            client.ask(&["SET", &key("short"), &n.to_string(), "PX", "1"])?;
            client.ask(&["EXEC"]).map(drop)
        })?;
        worker.script.run(|n| {
            let (list, count) = (key("scripted"), key("scriptcount"));
            client.ask(&["EVAL", SCRIPT, "2", &list, &count, &n.to_string()]).map(drop)
        })?;
        worker.spop.run(|n| {
            client.ask(&["SADD", &key("bag"), &(2 * n).to_string(), &(2 * n + 1).to_string()])?;
            Some(())
        })?;
        client.ask(&[
            "EVAL",
            "for _, m in ipairs(redis.call('spop', KEYS[1], 1)) do redis.call('rpush', KEYS[2], m) end",
            "2",
            &key("bag"),
            &key("drawn"),
        ])?;
        worker.job.run(|n| {
            let number = n * WORKERS as u64 + id as u64;
            client.ask(&["RPUSH", "jobs", &number.to_string()]).map(drop)
        })?;
        client.ask(&["LMOVE", &key("log"), &key("moved"), "LEFT", "RIGHT"])?;
    }
    Some(())
}

fn take(worker: &Worker, port: u16, stop: &AtomicBool) -> Option<()> {
    let mut client = Client::connect(port)?;
    while !stop.load(SeqCst) {
        worker.unknown.fetch_add(1, SeqCst);
        let answer = client.ask(&["BLPOP", "jobs", "0.1"])?;
        if let Answer::Many(items) = answer
            && let Some(Answer::Text(job)) = items.get(1)
        {
            worker
                .taken
                .lock()
                .expect("a lock")
                .push(String::from_utf8_lossy(job).parse().expect("a number"));
        }
        worker.unknown.fetch_sub(1, SeqCst);
    }
    Some(())
}

fn unique(list: &[u64], what: &str) -> HashSet<u64> {
    let set: HashSet<u64> = list.iter().copied().collect();
    assert_eq!(set.len(), list.len(), "{what}: something is there twice");
    set
}

fn verify(workers: &[Worker], client: &mut Client, takers: &Worker) {
    for (id, worker) in workers.iter().enumerate() {
        let key = |name: &str| format!("{name}:{id}");
        let mut log = client.list(&key("moved"));
        log.extend(client.list(&key("log")));
        worker.push.holds(log.len() as u64, "RPUSH");
        assert!(log.iter().copied().eq(1..=log.len() as u64), "moves between lists keep all and their order");
        worker.incr.holds(client.number(&key("counter")), "INCR");
        let both = client.list(&key("both"));
        assert_eq!(both.len() as u64, client.number(&key("bothcount")), "a transaction is whole");
        worker.multi.holds(both.len() as u64, "MULTI");
        let scripted = client.list(&key("scripted"));
        assert_eq!(scripted.len() as u64, client.number(&key("scriptcount")), "a script is whole");
        worker.script.holds(scripted.len() as u64, "EVAL");
        let mut bag = client.list(&key("drawn"));
        let Some(Answer::Many(left)) = client.ask(&["SMEMBERS", &key("bag")]) else { panic!("no bag") };
        bag.extend(left.iter().map(|member| match member {
            Answer::Text(text) => String::from_utf8_lossy(text).parse::<u64>().expect("a number"),
            other => panic!("{other:?}"),
        }));
        assert_eq!(bag.len() % 2, 0, "what is added together is there together");
        worker.spop.holds(unique(&bag, "SPOP").len() as u64 / 2, "SADD and SPOP");
        assert_eq!(client.ask(&["EXISTS", &key("short")]), Some(Answer::Int(0)), "what expired is gone");
    }
    let left = unique(&client.list("jobs"), "jobs");
    let taken = unique(&takers.taken.lock().expect("a lock"), "taken jobs");
    assert!(left.is_disjoint(&taken), "a job was given out and is still there");
    let mut lost = 0;
    for (id, worker) in workers.iter().enumerate() {
        for n in 1..=worker.job.tried.load(SeqCst) {
            let number = n * WORKERS as u64 + id as u64;
            let is_known = left.contains(&number) || taken.contains(&number);
            if !is_known {
                lost += 1;
            }
        }
    }
    // A taker that died with the server may have had one; a push that was not acknowledged may have come to nothing.
    let open: u64 = workers.iter().map(|w| w.job.tried.load(SeqCst) - w.job.done.load(SeqCst)).sum();
    let unknown = takers.unknown.load(SeqCst);
    assert!(lost <= open + unknown, "{lost} jobs are neither left nor taken, {open} + {unknown} may be");
}

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let kills: u64 = std::env::var("CRASH_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(12);
    let dir = tempfile::tempdir().expect("a directory");
    let workers: Vec<Worker> = (0..WORKERS).map(|_| Worker::default()).collect();
    let takers = Worker::default();
    let mut random = 0x9E37_79B9_7F4A_7C15u64;
    let mut server = Server::start(dir.path(), "always");
    for round in 0..kills {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let (stop, port) = (AtomicBool::new(false), server.port);
        std::thread::scope(|scope| {
            let stop = &stop;
            for (id, worker) in workers.iter().enumerate() {
                scope.spawn(move || work(id, worker, port, stop));
            }
            for _ in 0..2 {
                let takers = &takers;
                scope.spawn(move || take(takers, port, stop));
            }
            if round % 3 == 1 {
                // A snapshot rotates the journal meanwhile.
                std::thread::sleep(Duration::from_millis(random % 60));
                let _ = Client::connect(port).and_then(|mut client| client.ask(&["BGSAVE"]));
            }
            std::thread::sleep(Duration::from_millis(50 + random % 200));
            server.kill();
            stop.store(true, SeqCst);
        });
        server = Server::start(dir.path(), "always");
        verify(&workers, &mut Client::connect(server.port).expect("connected"), &takers);
    }
    let done: u64 = workers.iter().map(|worker| worker.push.done.load(SeqCst)).sum();
    println!("{kills} kills, {done} pushes, {} jobs taken", takers.taken.lock().expect("a lock").len());
    assert!(done > 0, "something was done");
}

//! What strangers send: nothing of it may stop the server, change what it holds, or keep memory.
//!
//! Each test plays some strangers on real sockets and ends with [`Target::is_well`]: the server still answers, the data
//! is whole, no client is left, and memory is what it was before. What is sent follows from fixed seeds.
#![cfg(feature = "server")]

mod common;

use common::places::{TestServer, config};
use common::resp::{request, show};
use damselfly::clock::{Clock, Stopwatch};
use damselfly::config::Config;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// What a test may take that waits for something to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that holds something.
struct Target {
    server: TestServer,
    memory_bytes: usize,
}

impl Target {
    fn start() -> Self {
        Self::with(config(16).io_threads(2))
    }

    fn with(config: Config) -> Self {
        let server = TestServer::start(&config, Clock::system());
        let mut client = server.connect();
        for number in 0..100 {
            for line in canary(number) {
                client.line(&line).expect("written");
            }
        }
        drop(client);
        let mut target = Self { server, memory_bytes: 0 };
        target.empty();
        target.memory_bytes = target.server.engine.memory_bytes();
        target
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.server.addr()).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        stream
    }

    /// Sends bytes and says no more; what comes back until the server closes the connection.
    fn send(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // It may be closed before it has taken all.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        read_to_end(&mut stream)
    }

    /// Waits until no client is connected.
    fn empty(&self) {
        let engine = &self.server.engine;
        let blocked = || engine.stats().blocked.load(Ordering::Relaxed);
        let held = || engine.stats().client_bytes.load(Ordering::Relaxed);
        let begun = Stopwatch::start();
        while engine.clients_len() > 0 || blocked() > 0 || held() > 0 {
            let left = engine.clients_len();
            assert!(begun.elapsed() < PATIENCE, "{left} clients, {} blocked, {} bytes", blocked(), held());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Still answers, data whole, memory back.
    fn is_well(&self) {
        self.empty();
        let mut client = self.server.connect();
        // Whatever strangers wrote goes; what was there before them is told apart by its name.
        for db in 1..16 {
            client.line(&format!("SELECT {db}")).expect("selected");
            client.line("FLUSHDB").expect("flushed");
        }
        client.line("SELECT 0").expect("selected");
        let mut stay = Vec::new();
        for number in 0..100 {
            for line in canary(number) {
                let mut words = line.split(' ');
                let (name, key) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                let (read, wanted) = match name {
                    "SET" => (format!("GET {key}"), format!("\"{}\"", words.next().unwrap_or_default())),
                    "RPUSH" => (format!("LRANGE {key} 0 -1"), "[\"a\" \"b\" \"c\"]".to_owned()),
                    _ => (format!("HGET {key} f"), format!("\"{number}\"")),
                };
                let got = client.line(&read).expect("a reply").to_string();
                assert_eq!(got, wanted, "{read}");
                stay.push(key.to_owned());
            }
        }
        let keys = client.line("KEYS *").expect("a reply").to_string();
        for key in keys.trim_matches(['[', ']']).split(' ').map(|key| key.trim_matches('"')) {
            if !key.starts_with("canary:") {
                client.send(&[b"DEL".to_vec(), unquoted(key)]).expect("sent");
                client.receive(PATIENCE).expect("a reply");
            }
        }
        drop(client);
        self.empty();
        let (before, now) = (self.memory_bytes, self.server.engine.memory_bytes());
        assert!(now <= before + before / 10 + 64 * 1024, "{before} bytes have become {now}");
        let mut client = self.server.connect();
        assert_eq!(client.line("PING").expect("a reply").to_string(), "+PONG");
    }
}

/// What the server holds before the strangers come.
fn canary(number: u32) -> [String; 3] {
    [
        format!("SET canary:s:{number} value-{number}"),
        format!("RPUSH canary:l:{number} a b c"),
        format!("HSET canary:h:{number} f {number}"),
    ]
}

/// The bytes of a key that [`show`] has made readable.
fn unquoted(key: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), key.as_bytes());
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (byte, tail) {
            (b'\\', [b'x', high, low, tail @ ..]) => {
                let text = String::from_utf8_lossy(&[*high, *low]).into_owned();
                bytes.push(u8::from_str_radix(&text, 16).unwrap_or(b'?'));
                rest = tail;
            }
            (b'\\', [letter, tail @ ..]) => {
                bytes.push(match letter {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'a' => 7,
                    b'b' => 8,
                    other => *other,
                });
                rest = tail;
            }
            (byte, _) => bytes.push(*byte),
        }
    }
    bytes
}

fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 64 * 1024]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return all,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return all,
            Err(error) => panic!("{error} after {}", show(&all)),
        }
    }
}

fn command(words: &[&str]) -> Vec<u8> {
    request(&words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
}

/// Numbers that follow from a seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// A pipeline of many kinds of commands; what it writes is not what the server holds.
fn pipeline() -> Vec<u8> {
    let lines = [
        "SET x:s 12345",
        "GET x:s",
        "APPEND x:s tail",
        "SETRANGE x:s 100 x",
        "INCRBY x:n 41",
        "INCRBYFLOAT x:f 1.5",
        "SETBIT x:b 1000 1",
        "BITFIELD x:b SET u8 0 255 GET u4 3",
        "RPUSH x:l a b c d",
        "LRANGE x:l -3 -1",
        "LPOS x:l c",
        "BLPOP x:l 0",
        "SADD x:set 1 2 3",
        "SPOP x:set 2",
        "ZADD x:z 1 a 2 b",
        "ZRANGEBYSCORE x:z (1 +inf LIMIT 0 5",
        "HSET x:h f v g w",
        "HINCRBY x:h n 9",
        "HRANDFIELD x:h 3 WITHVALUES",
        "XADD x:st * f v",
        "XRANGE x:st - +",
        "MSET x:1 1 x:2 2",
        "MGET x:1 x:2 x:3",
        "EXPIRE x:s 100",
        "SCAN 0 COUNT 5 MATCH x:*",
        "SORT x:l ALPHA LIMIT 0 2",
        "OBJECT ENCODING x:h",
        "DUMP x:l",
        "MULTI",
        "INCR x:n",
        "EXEC",
        "WATCH x:n",
        "UNWATCH",
        "PUBLISH x:c hello",
        "EVAL return(1) 0",
        "HELLO 3",
        "CLIENT LIST",
        "COMMAND COUNT",
        "PING",
    ];
    lines.iter().flat_map(|line| command(&line.split(' ').collect::<Vec<_>>())).collect()
}

#[test]
fn lengths_that_lie_are_refused_or_waited_for() {
    let target = Target::start();
    let refused: &[&[u8]] = &[
        b"*2147483648\r\n",
        b"*99999999999999999999999999\r\n",
        b"*1048577\r\n",
        b"*+1\r\n",
        b"*01\r\n",
        b"* 1\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n$536870913\r\n",
        b"*1\r\n$18446744073709551616\r\n",
        b"*1\r\n$\r\n",
        b"*1\r\n*1\r\n*1\r\n*1\r\n",
        b"*1\r\n:1\r\n",
        b"*2\r\n$4\r\nPING\r\n\r\n$1\r\nx\r\n",
        b"\"\r\n",
        b"'unclosed\r\n",
    ];
    for bytes in refused {
        let got = target.send(bytes);
        assert!(
            got.is_empty() || got.starts_with(b"-ERR Protocol error: "),
            "{}: {}",
            show(bytes),
            show(&got)
        );
    }
    let waited_for: &[&[u8]] = &[
        b"*1048576\r\n",
        b"*1048576\r\n$4\r\nPING\r\n",
        b"*1\r\n$536870912\r\n0123456789",
        b"*2\r\n$3\r\nGET\r\n$500000000\r\n0123456789",
        b"*1",
        b"*1\r",
        b"*1\r\n$4\r\nPIN",
        b"*1\r\n$4\r\nPING\r",
        b"SET a",
        b"\0\0\0\0",
    ];
    for bytes in waited_for {
        assert_eq!(show(&target.send(bytes)), "", "{}", show(bytes));
    }
    let deep = b"*1\r\n".repeat(200_000);
    assert!(target.send(&deep).starts_with(b"-ERR Protocol error: expected '$', got '*'"));
    let line = vec![b'x'; 200_000];
    assert!(target.send(&line).starts_with(b"-ERR Protocol error: too big inline request"));
    target.is_well();
}

#[test]
fn a_client_that_announces_much_and_sends_little_costs_nothing() {
    let target = Target::start();
    let before = damselfly::process::resident_bytes();
    let mut clients: Vec<_> = (0..200).map(|_| target.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let bytes: &[u8] = match number % 3 {
            0 => b"*2\r\n$3\r\nGET\r\n$500000000\r\n0123456789",
            1 => b"*1048576\r\n$4\r\nMSET\r\n$1\r\nk\r\n",
            _ => b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n0123456789",
        };
        client.write_all(bytes).expect("sent");
    }
    let held = || target.server.engine.stats().client_bytes.load(Ordering::Relaxed);
    let begun = Stopwatch::start();
    while held() < 200 * 20 && begun.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(1));
    }
    assert!(held() < 200 * 60, "{} bytes for 200 clients", held());
    let grown = damselfly::process::resident_bytes().saturating_sub(before);
    // Other tests run in this process, too.
    assert!(grown < 256 << 20, "{grown} bytes");
    drop(clients);
    target.is_well();
}

#[test]
fn a_pipeline_with_flipped_bits_harms_nobody() {
    let target = Target::start();
    let sound = pipeline();
    for seed in 0..400 {
        let mut random = Random(seed);
        let mut bytes = sound.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] ^= 1 << random.below(8);
        }
        target.send(&bytes);
    }
    target.is_well();
}

#[test]
fn noise_harms_nobody() {
    let target = Target::start();
    const WORDS: &[&[u8]] =
        &[b"*", b"$", b"\r\n", b"1", b"3", b"GET", b"\0", b"-1", b"\"", b" ", b"9999", b"PING\r\n"];
    for seed in 1000..1300 {
        let mut random = Random(seed);
        let mut bytes = Vec::new();
        for _ in 0..random.below(200) {
            match random.below(4) {
                0 => bytes.push(random.next() as u8),
                _ => bytes.extend_from_slice(WORDS[random.below(WORDS.len())]),
            }
        }
        target.send(&bytes);
    }
    target.is_well();
}

#[test]
fn a_pipeline_may_be_cut_anywhere() {
    let target = Target::start();
    let whole = pipeline();
    for end in (0..whole.len()).step_by(5) {
        target.send(&whole[..end]);
    }
    target.is_well();
}

#[test]
fn a_pipeline_may_come_byte_by_byte() {
    let target = Target::start();
    let whole = [pipeline(), command(&["DEL", "x:s"]), command(&["QUIT"])].concat();
    let at_once = target.send(&whole);
    let mut stream = target.connect();
    for byte in &whole {
        stream.write_all(&[*byte]).expect("sent");
    }
    let bit_by_bit = read_to_end(&mut stream);
    assert!(at_once.ends_with(b"+OK\r\n") && bit_by_bit.ends_with(b"+OK\r\n"));
    let errors = |all: &[u8]| show(all).matches("-ERR").count();
    assert_eq!(errors(&at_once), errors(&bit_by_bit));
    target.is_well();
}

#[test]
fn a_client_that_never_reads_is_cut_or_left_waiting_and_holds_nobody_up() {
    let target = Target::start();
    let mut client = target.server.connect();
    client.line("CONFIG SET client-output-buffer-limit 'normal 4mb 0 0'").expect("set");
    client.ask(&[b"SET".to_vec(), b"big".to_vec(), vec![b'v'; 1 << 20]]).expect("set");
    let mut lazy = target.connect();
    lazy.write_all(&command(&["GET", "big"]).repeat(64)).expect("sent");
    for _ in 0..100 {
        assert_eq!(client.line("PING").expect("a reply").to_string(), "+PONG");
    }
    let mut slow = target.connect();
    slow.write_all(&command(&[&["MGET"][..], &["big"; 100]].concat())).expect("sent");
    let begun = Stopwatch::start();
    // One reply that is too much is the end. Many small ones are not even made before the first of them is read.
    while target.server.engine.clients_len() > 2 {
        assert!(begun.elapsed() < PATIENCE, "it is still there");
        assert_eq!(client.line("PING").expect("a reply").to_string(), "+PONG");
    }
    let held = target.server.engine.stats().client_bytes.load(Ordering::Relaxed);
    assert!(held < 4 << 20, "{held} bytes");
    drop((client, lazy, slow));
    target.is_well();
}

#[test]
fn a_client_that_takes_very_much_holds_nobody_up() {
    let target = Target::with(config(16).io_threads(1));
    let mut client = target.server.connect();
    client.ask(&[b"SET".to_vec(), b"big".to_vec(), vec![b'v'; 16 << 20]]).expect("set");
    let reader = {
        let mut stream = target.connect();
        stream.write_all(&command(&[&["MGET"][..], &["big"; 20]].concat())).expect("sent");
        stream.write_all(&command(&["QUIT"])).expect("sent");
        thread::spawn(move || {
            let (mut count, mut buffer) = (0, vec![0; 1 << 20]);
            while let Ok(some @ 1..) = stream.read(&mut buffer) {
                count += some;
            }
            count
        })
    };
    let mut pings = 0;
    while !reader.is_finished() {
        assert_eq!(client.line("PING").expect("a reply").to_string(), "+PONG");
        pings += 1;
    }
    assert!(reader.join().expect("read") > 20 * (16 << 20));
    assert!(pings >= 20, "others had their turn {pings} times");
    drop(client);
    target.is_well();
}

#[test]
fn blocked_clients_that_vanish_take_nothing_with_them() {
    let target = Target::start();
    let waits: &[&[&str]] = &[
        &["BLPOP", "w:1", "w:2", "0"],
        &["BRPOPLPUSH", "w:1", "w:3", "0"],
        &["BZPOPMIN", "w:z", "0"],
        &["XREAD", "BLOCK", "0", "STREAMS", "w:s", "$"],
        &["BLMPOP", "0", "2", "w:1", "w:2", "LEFT"],
        &["SUBSCRIBE", "w:c"],
        &["WAIT", "1", "0"],
    ];
    let mut clients = Vec::new();
    for round in 0..20 {
        for words in waits {
            let mut stream = target.connect();
            stream.write_all(&command(words)).expect("sent");
            // Some have said more by the time they go.
            if round % 2 == 0 {
                stream.write_all(&command(&["SET", "w:late", "x"])).expect("sent");
            }
            clients.push(stream);
        }
    }
    thread::sleep(Duration::from_millis(50));
    drop(clients);
    target.empty();
    let mut client = target.server.connect();
    assert_eq!(client.line("RPUSH w:1 a b").expect("a reply").to_string(), ":2");
    assert_eq!(client.line("LLEN w:1").expect("a reply").to_string(), ":2");
    assert_eq!(client.line("ZADD w:z 1 a").expect("a reply").to_string(), ":1");
    assert_eq!(client.line("ZCARD w:z").expect("a reply").to_string(), ":1");
    assert_eq!(client.line("PUBLISH w:c x").expect("a reply").to_string(), ":0");
    drop(client);
    target.is_well();
}

#[test]
fn long_transactions_run_whole_or_not_at_all() {
    let target = Target::start();
    let begin = command(&["MULTI"]);
    let increments = command(&["INCR", "t:n"]).repeat(20_000);
    // One that never says EXEC, one that is cut in the middle, one that is whole.
    target.send(&[&begin[..], &increments].concat());
    target.send(&[&begin[..], &increments[..increments.len() - 9]].concat());
    let mut client = target.server.connect();
    assert_eq!(client.line("GET t:n").expect("a reply").to_string(), "nil");
    let got = target.send(&[&begin[..], &increments, &command(&["EXEC"])].concat());
    assert!(got.ends_with(b":19999\r\n:20000\r\n"), "{}", show(&got[got.len().saturating_sub(40)..]));
    assert_eq!(client.line("GET t:n").expect("a reply").to_string(), "\"20000\"");
    drop(client);
    target.is_well();
}

#[test]
fn commands_with_very_many_arguments_are_run() {
    let target = Target::start();
    let keys: Vec<String> = (0..200_000).map(|number| format!("many:{number}")).collect();
    let words: Vec<&str> = std::iter::once("DEL").chain(keys.iter().map(String::as_str)).collect();
    assert_eq!(show(&target.send(&command(&words))), ":0\\r\\n");
    let words: Vec<&str> = ["RPUSH", "many:l"].into_iter().chain(keys.iter().map(String::as_str)).collect();
    assert_eq!(show(&target.send(&command(&words))), ":200000\\r\\n");
    target.is_well();
}

#[test]
fn whoever_holds_too_much_is_closed_and_the_others_stay() {
    let target = Target::start();
    let mut client = target.server.connect();
    client.line("CONFIG SET client-query-buffer-limit 1mb").expect("set");
    // A request that is too long, and a transaction that is.
    let mut stream = target.connect();
    let _ = stream.write_all(b"*2\r\n$3\r\nGET\r\n$1048577\r\n");
    assert_eq!(show(&read_to_end(&mut stream)), "");
    let queued = [command(&["MULTI"]), command(&["SET", "q:k", &"v".repeat(1000)]).repeat(2000)].concat();
    let got = target.send(&queued);
    assert!(show(&got[got.len().saturating_sub(80)..]).contains("-ERR the transaction is larger"));
    client.line("CONFIG SET client-query-buffer-limit 1gb maxmemory-clients 3mb").expect("set");
    let mut large = target.connect();
    large.write_all(b"*2\r\n$3\r\nGET\r\n$100000000\r\n").expect("sent");
    let mut small = target.connect();
    small.write_all(b"*2\r\n$3\r\nGET\r\n$100000000\r\n").expect("sent");
    small.write_all(&vec![b'x'; 1 << 20]).expect("sent");
    let _ = large.write_all(&vec![b'x'; 16 << 20]);
    assert_eq!(show(&read_to_end(&mut large)), "", "the largest goes");
    let clients = client.line("CLIENT LIST").expect("a reply").to_string();
    let port = small.local_addr().expect("connected").port();
    assert!(clients.contains(&format!(":{port} ")), "{clients}");
    let stats = client.line("INFO stats").expect("a reply").to_string();
    assert!(stats.contains("evicted_clients:1\\r\\n"), "{stats}");
    client.line("CONFIG SET maxmemory-clients 0").expect("set");
    drop((client, small, large));
    target.is_well();
}

#[test]
fn whoever_has_no_password_may_say_little() {
    let mut words = vec!["PING"];
    words.extend(["x"; 10]);
    let long = "x".repeat(16 * 1024 + 1);
    let target = TestServer::start(&config(4).io_threads(1).requirepass("secret"), Clock::system());
    let send = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(target.addr()).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        show(&read_to_end(&mut stream))
    };
    assert_eq!(send(&command(&words)), "-ERR Protocol error: unauthenticated multibulk length\\r\\n");
    assert_eq!(send(&command(&["AUTH", &long])), "-ERR Protocol error: unauthenticated bulk length\\r\\n");
    assert_eq!(send(&command(&words[..10])), "-NOAUTH Authentication required.\\r\\n");
    let told = [command(&["AUTH", "secret"]), command(&["ECHO", &long])].concat();
    assert!(send(&told).starts_with("+OK\\r\\n$16385\\r\\n"));
}

#[test]
fn who_quits_is_let_go_though_no_replies_are_wanted() {
    let target = Target::start();
    let mut stream = target.connect();
    stream.write_all(&[command(&["CLIENT", "REPLY", "OFF"]), command(&["QUIT"])].concat()).expect("sent");
    assert_eq!(show(&read_to_end(&mut stream)), "");
    for line in ["POST / HTTP/1.1\r\nX: y\r\n\r\n", "Host: here\r\n", "*2\r\n$5\r\nhost:\r\n$1\r\nx\r\n"] {
        let mut stream = target.connect();
        stream.write_all(line.as_bytes()).expect("sent");
        assert_eq!(show(&read_to_end(&mut stream)), "", "{line}");
    }
    target.is_well();
}

//! The protocol over TCP: bytes in, bytes out, and when a connection is closed.
//!
//! Where `redis-server` is installed, it is sent the same bytes and has to answer the same.
#![cfg(feature = "server")]

mod common;

use common::oracle::Server;
use common::places::{TestServer, config};
use common::resp::{request, show};
use damselfly::clock::Clock;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

fn server() -> TestServer {
    TestServer::start(&config(16).io_threads(2), Clock::system())
}

fn connect(addr: &str) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    stream
}

fn command(words: &[&str]) -> Vec<u8> {
    request(&words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
}

/// Sends `bytes`, then reads all that comes until the connection is closed: by us after the last reply, as `PING`
/// with a word of its own tells, or by the server. The flag says that it was the server.
fn converse(addr: &str, bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut stream = connect(addr);
    stream.write_all(bytes).expect("sent");
    let end = b"$11\r\nend-of-test\r\n";
    // The server may have closed it by now, which is the answer.
    let _ = stream.write_all(&command(&["ECHO", "end-of-test"]));
    let (mut all, mut buffer) = (Vec::new(), [0; 64 * 1024]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (all, true),
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return (all, true),
            Err(error) => panic!("{error} after {}", show(&all)),
        }
        if all.ends_with(end) {
            all.truncate(all.len() - end.len());
            return (all, false);
        }
    }
}

/// What is sent, what comes back, and whether the server closes the connection.
const CONVERSATIONS: &[(&[u8], &[u8], bool)] = &[
    (b"PING\r\n", b"+PONG\r\n", false),
    (b"PING\n", b"+PONG\r\n", false),
    (b"  PING  \r\n\r\n\r\nPING x\r\n", b"+PONG\r\n$1\r\nx\r\n", false),
    (b"SET k \"a b\\x41\"\r\nGET 'k'\r\n", b"+OK\r\n$4\r\na bA\r\n", false),
    (b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n", false),
    (b"*0\r\n*-1\r\n*1\r\n$4\r\nping\r\n", b"+PONG\r\n", false),
    (b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", b"$-1\r\n", false),
    (b"*1\r\n$0\r\n\r\n", b"-ERR unknown command '', with args beginning with: \r\n", false),
    (b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n", true),
    (b"*9999999999\r\n", b"-ERR Protocol error: invalid multibulk length\r\n", true),
    (b"*1\r\n+PING\r\n", b"-ERR Protocol error: expected '$', got '+'\r\n", true),
    (b"*1\r\n$-1\r\n", b"-ERR Protocol error: invalid bulk length\r\n", true),
    (b"*1\r\n$99999999999\r\n", b"-ERR Protocol error: invalid bulk length\r\n", true),
    (b"*1\r\n$x\r\n", b"-ERR Protocol error: invalid bulk length\r\n", true),
    (b"SET k \"v\r\n", b"-ERR Protocol error: unbalanced quotes in request\r\n", true),
    // What came before the mistake is answered, what comes after it is not.
    (b"PING\r\n*1\r\n!\r\nPING\r\n", b"+PONG\r\n-ERR Protocol error: expected '$', got '!'\r\n", true),
    (b"*1\r\n$4\r\nQUIT\r\nPING\r\n", b"+OK\r\n", true),
    // A browser that is made to talk to us.
    (b"POST / HTTP/1.1\r\nHost: x\r\nPING\r\n", b"", true),
    (
        b"SELECT 99\r\nSELECT 1\r\nSET only-here 1\r\nSELECT 0\r\nGET only-here\r\n",
        b"-ERR DB index is out of range\r\n+OK\r\n+OK\r\n+OK\r\n$-1\r\n",
        false,
    ),
    (b"HELLO 3\r\nGET missing\r\nHELLO 9\r\n", b"", false),
    (
        b"CLIENT REPLY SKIP\r\nPING\r\nPING\r\nCLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\nPING\r\n",
        b"+PONG\r\n+OK\r\n+PONG\r\n",
        false,
    ),
];

#[test]
fn bytes_are_answered_as_redis_answers_them() {
    let ours = server();
    let theirs = Server::start("redis-server", &[]);
    if theirs.is_none() {
        println!("there is no redis-server to compare with");
    }
    for (sent, wanted, closed) in CONVERSATIONS {
        let got = converse(ours.addr(), sent);
        let hello = sent.starts_with(b"HELLO");
        if !hello {
            assert_eq!((show(&got.0), got.1), (show(wanted), *closed), "to {}", show(sent));
        }
        if let Some(theirs) = &theirs {
            let reference = converse(theirs.addr(), sent);
            if hello {
                let tail = |(all, closed): &(Vec<u8>, bool)| (show(&all[all.len() - 60..]), *closed);
                assert_eq!(tail(&got), tail(&reference), "to {}", show(sent));
            } else {
                assert_eq!((show(&got.0), got.1), (show(&reference.0), reference.1), "to {}", show(sent));
            }
        }
    }
}

#[test]
fn the_pieces_in_which_a_request_comes_do_not_matter() {
    let server = server();
    let bytes = [command(&["SET", "k", "v\r\nw"]), b"GET k\r\n".to_vec(), command(&["GET", "k"])].concat();
    let wanted = b"+OK\r\n$4\r\nv\r\nw\r\n$4\r\nv\r\nw\r\n";
    for size in [1, 2, 3, 7, 20] {
        let mut stream = connect(server.addr());
        for piece in bytes.chunks(size) {
            stream.write_all(piece).expect("sent");
            thread::sleep(Duration::from_micros(200));
        }
        let mut got = vec![0; wanted.len()];
        stream.read_exact(&mut got).expect("answered");
        assert_eq!(show(&got), show(wanted));
    }
}

#[test]
fn a_pipeline_that_nobody_reads_meanwhile_is_answered_in_full_and_in_order() {
    const COMMANDS: usize = 100_000;
    let server = server();
    let stream = connect(server.addr());
    let mut writer = stream.try_clone().expect("a second handle");
    let sender = thread::spawn(move || {
        let mut bytes = Vec::new();
        for number in 0..COMMANDS {
            bytes.extend(command(&["ECHO", &number.to_string()]));
        }
        writer.write_all(&bytes).expect("sent");
        writer.shutdown(Shutdown::Write).expect("half closed");
    });
    let mut wanted = Vec::new();
    for number in 0..COMMANDS {
        let text = number.to_string();
        wanted.extend_from_slice(format!("${}\r\n{text}\r\n", text.len()).as_bytes());
    }
    thread::sleep(Duration::from_millis(200));
    let mut got = Vec::new();
    let mut stream = stream;
    // A client that closes its half has not lost interest in what it asked for.
    while got.len() < wanted.len() {
        let mut buffer = [0; 64 * 1024];
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => got.extend_from_slice(&buffer[..count]),
            Err(error) => panic!("{error} after {} bytes", got.len()),
        }
    }
    sender.join().expect("all was sent");
    assert!(got == wanted, "{} of {} bytes", got.len(), wanted.len());
}

#[test]
fn large_values_go_in_and_come_out_whole() {
    let server = server();
    let mut client = server.connect();
    for len in [16 * 1024 - 1, 16 * 1024, 1 << 20, 20 << 20] {
        let value: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        let set = [b"SET".to_vec(), b"k".to_vec(), value.clone()];
        assert_eq!(client.ask(&set).expect("a reply").to_string(), "+OK");
        let got = client.line("GET k").expect("a reply");
        assert!(got == common::resp::Value::Bulk(value), "{len} bytes");
    }
}

#[test]
fn a_client_that_does_not_read_holds_nobody_up() {
    let server = server();
    let mut client = server.connect();
    let value = vec![b'v'; 1 << 20];
    client.ask(&[b"SET".to_vec(), b"big".to_vec(), value]).expect("set");
    let mut lazy = connect(server.addr());
    let mut gets = Vec::new();
    for _ in 0..64 {
        gets.extend(command(&["GET", "big"]));
    }
    lazy.write_all(&gets).expect("sent");
    for _ in 0..200 {
        assert_eq!(client.line("PING").expect("a reply").to_string(), "+PONG");
    }
    // It gets everything when it does read.
    let mut left = 64 * ((1 << 20) + "$1048576\r\n\r\n".len());
    let mut buffer = vec![0; 1 << 20];
    while left > 0 {
        let count = lazy.read(&mut buffer).expect("it comes");
        assert!(count > 0, "{left} bytes are missing");
        left -= count;
    }
}

#[test]
fn commands_behind_a_blocking_one_wait_for_it() {
    let server = server();
    let mut waiting = connect(server.addr());
    waiting.write_all(&[command(&["BLPOP", "l", "0"]), command(&["PING"])].concat()).expect("sent");
    let mut client = server.connect();
    while server.engine.stats().blocked.load(std::sync::atomic::Ordering::Relaxed) == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(client.line("RPUSH l v").expect("a reply").to_string(), ":1");
    let wanted = b"*2\r\n$1\r\nl\r\n$1\r\nv\r\n+PONG\r\n";
    let mut got = vec![0; wanted.len()];
    waiting.read_exact(&mut got).expect("answered");
    assert_eq!(show(&got), show(wanted));
}

#[test]
fn connections_come_and_go_and_leave_nothing_behind() {
    let server = server();
    for _ in 0..20 {
        let mut clients: Vec<_> = (0..50).map(|_| connect(server.addr())).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            let bytes = match number % 4 {
                0 => command(&["PING"]),
                1 => command(&["BLPOP", "nothing", "0"]),
                2 => b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\nhalf".to_vec(),
                _ => Vec::new(),
            };
            client.write_all(&bytes).expect("sent");
        }
    }
    for _ in 0..2000 {
        let blocked = server.engine.stats().blocked.load(std::sync::atomic::Ordering::Relaxed);
        if server.engine.clients_len() == 0 && blocked == 0 {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("{} clients are left", server.engine.clients_len());
}

#[test]
fn a_password_is_asked_for_before_anything_else_and_little_is_read_until_then() {
    let config = config(4).io_threads(1).requirepass("secret".to_owned());
    let server = TestServer::start(&config, Clock::system());
    let (got, closed) = converse(server.addr(), b"GET k\r\nAUTH wrong\r\nAUTH secret\r\nPING\r\n");
    let wanted = "-NOAUTH Authentication required.\\r\\n\
                  -WRONGPASS invalid username-password pair or user is disabled.\\r\\n+OK\\r\\n+PONG\\r\\n";
    assert_eq!((show(&got).as_str(), closed), (wanted, false));
    let mut stream = connect(server.addr());
    stream.write_all(b"*1000\r\n").expect("sent");
    let mut got = String::new();
    stream.read_to_string(&mut got).expect("closed");
    assert_eq!(got, "-ERR Protocol error: unauthenticated multibulk length\r\n");
}

/// Whether the server closes the connection within so long.
fn is_closed_within(stream: &mut TcpStream, patience: Duration) -> bool {
    stream.set_read_timeout(Some(patience)).expect("a timeout");
    match stream.read(&mut [0; 64]) {
        Ok(0) => true,
        Ok(_) => panic!("nothing was asked"),
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn an_idle_client_is_closed_though_nobody_says_anything() {
    let server = TestServer::start(&config(4).io_threads(1).timeout(1), Clock::system());
    let mut idle = connect(server.addr());
    idle.write_all(b"PING\r\n").expect("sent");
    idle.read_exact(&mut [0; 7]).expect("answered");
    assert!(is_closed_within(&mut idle, Duration::from_secs(10)));
}

#[test]
fn a_client_that_was_just_served_is_not_idle() {
    let server = TestServer::start(&config(4).io_threads(1).timeout(2), Clock::system());
    let mut waiting = connect(server.addr());
    waiting.write_all(&command(&["BLPOP", "l", "0"])).expect("sent");
    thread::sleep(Duration::from_millis(3500));
    assert_eq!(server.connect().line("RPUSH l v").expect("a reply").to_string(), ":1");
    waiting.read_exact(&mut [0; 18]).expect("served");
    assert!(!is_closed_within(&mut waiting, Duration::from_millis(1500)));
    waiting.write_all(b"PING\r\n").expect("sent");
    waiting.read_exact(&mut [0; 7]).expect("answered");
}

#[test]
fn a_client_that_sends_a_long_request_slowly_is_not_idle() {
    let server = TestServer::start(&config(4).io_threads(1).timeout(1), Clock::system());
    let mut slow = connect(server.addr());
    slow.write_all(b"*2\r\n$4\r\nECHO\r\n$8\r\n").expect("sent");
    for byte in b"patience" {
        thread::sleep(Duration::from_millis(400));
        slow.write_all(&[*byte]).expect("sent");
    }
    slow.write_all(b"\r\n").expect("sent");
    slow.read_exact(&mut [0; 14]).expect("answered");
}

/// Connections that found no descriptor wait in the backlog, and no event says when there is one again.
#[test]
fn a_client_that_found_no_descriptor_is_taken_in_when_one_is_free() {
    let program = env!("CARGO_BIN_EXE_damselfly");
    let flags = ["-c", "ulimit -n 24; exec \"$0\" \"$@\"", program, "--io-threads", "1"];
    let server = Limited::start(&flags);
    let answers = |stream: &mut TcpStream, patience: Duration| {
        stream.set_read_timeout(Some(patience)).expect("a timeout");
        let mut got = [0; 7];
        stream.read_exact(&mut got).is_ok() && got == *b"+PONG\r\n"
    };
    let mut clients: Vec<TcpStream> = (0..40).map(|_| connect(&server.addr)).collect();
    clients.iter_mut().for_each(|client| client.write_all(b"PING\r\n").expect("sent"));
    let first = answers(&mut clients[0], Duration::from_secs(5));
    let last = answers(&mut clients[39], Duration::from_millis(500));
    assert!(first && !last, "some get in and some do not: {first} {last}");
    let mut outside = clients.pop().expect("forty");
    drop(clients);
    assert!(answers(&mut outside, Duration::from_secs(10)));
}

/// A server in a process of its own, started by a shell that sets its limits.
struct Limited {
    child: std::process::Child,
    addr: String,
}

impl Limited {
    fn start(flags: &[&str]) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = free.local_addr().expect("bound");
        drop(free);
        let child = std::process::Command::new("sh")
            .args(flags)
            .args(["--bind", "127.0.0.1", "--port", &addr.port().to_string()])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("a shell");
        for _ in 0..500 {
            if TcpStream::connect(addr).is_ok() {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        Self { child, addr: addr.to_string() }
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_long_pipeline_behind_a_blocking_command_is_answered_in_full_and_in_order() {
    let server = TestServer::start(&config(4).io_threads(1), Clock::system());
    let mut waiting = connect(server.addr());
    let echoes = |from: u32| (from..from + 100_000).map(|n| command(&["ECHO", &format!("{n:07}")]));
    waiting.write_all(&command(&["BLPOP", "l", "0"])).expect("sent");
    waiting.write_all(&echoes(0).collect::<Vec<_>>().concat()).expect("sent");
    assert_eq!(server.connect().line("RPUSH l v").expect("a reply").to_string(), ":1");
    let mut sending = waiting.try_clone().expect("a second handle");
    let sender = thread::spawn(move || sending.write_all(&echoes(100_000).collect::<Vec<_>>().concat()));
    waiting.read_exact(&mut [0; 18]).expect("served");
    let mut got = [0; 13];
    for n in 0..200_000 {
        waiting.read_exact(&mut got).expect("answered");
        assert_eq!(show(&got), show(format!("$7\r\n{n:07}\r\n").as_bytes()));
    }
    sender.join().expect("it ends").expect("sent");
}

/// The loop sleeps for good where nothing is to be looked after, so it must be told when something is.
#[test]
fn a_timeout_that_is_set_later_reaches_loops_that_sleep() {
    let server = TestServer::start(&config(4).io_threads(1), Clock::system());
    let mut idle = connect(server.addr());
    idle.write_all(b"PING\r\n").expect("sent");
    idle.read_exact(&mut [0; 7]).expect("answered");
    thread::sleep(Duration::from_millis(300));
    server.engine.settings().set(&[(b"timeout", b"1")]).expect("it is live");
    assert!(is_closed_within(&mut idle, Duration::from_secs(10)));
}

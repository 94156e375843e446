//! What `INFO memory` says is what the process takes of the machine.
#![cfg(all(feature = "server", target_os = "linux"))]

mod common;

use common::places::RemoteClient;
use common::resp::request;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// A server in a process of its own, with the allocator that it is shipped with.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start() -> (Process, String) {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = free.local_addr().expect("bound");
    drop(free);
    let child = Command::new(env!("CARGO_BIN_EXE_damselfly"))
        .args(["--bind", "127.0.0.1", "--port", &addr.port().to_string(), "--seed", "1"])
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let process = Process(child);
    for _ in 0..500 {
        if TcpStream::connect(addr).is_ok() {
            return (process, addr.to_string());
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("it does not listen");
}

/// `used_memory` and `used_memory_rss`.
fn memory(client: &mut RemoteClient) -> (f64, f64) {
    let text = client.line("INFO memory").expect("a reply").to_string();
    let field = |name: &str| {
        let behind = text.split(&format!("\\n{name}:")).nth(1).expect("a field");
        let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    };
    (field("used_memory"), field("used_memory_rss"))
}

fn words(words: &[&str]) -> Vec<u8> {
    request(&words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
}

/// Keys of all types and of many sizes; how many commands they are.
fn fill(pipeline: &mut Vec<u8>, number: usize) -> usize {
    let members: Vec<String> = (0..200).map(|at| format!("member-{at}")).collect();
    let many = |step: usize| &members[..[3, 40, 200][number / step % 3]];
    let value = "x".repeat([8, 40, 200, 1000][number % 4]);
    pipeline.extend(words(&["SET", &format!("string:{number}"), &value]));
    let key = format!("key:{number}");
    let mut command: Vec<&str> = Vec::new();
    match number % 5 {
        0 => {
            command.extend(["RPUSH", &key]);
            command.extend(many(5).iter().map(String::as_str));
        }
        1 => {
            command.extend(["HSET", &key]);
            command.extend(many(5).iter().flat_map(|member| [member.as_str(), "a value of a field"]));
        }
        2 => {
            command.extend(["ZADD", &key]);
            command.extend(many(5).iter().flat_map(|member| ["1.5", member.as_str()]));
        }
        3 => {
            command.extend(["SADD", &key]);
            command.extend(many(5).iter().map(String::as_str));
        }
        _ => {
            let key = format!("stream:{}", number % 500);
            pipeline.extend(words(&[
                "XADD",
                &key,
                "*",
                "field",
                "fifty bytes of a value, more or less, in a stream",
            ]));
            return 2;
        }
    }
    pipeline.extend(words(&command));
    2
}

/// What the process takes for the first keys besides them, in bytes: pages of the allocator's and of the arenas' for each
/// size of entry, and buffers of the connection. It is there for the next keys.
const AT_FIRST: f64 = (4 << 20) as f64;

#[test]
fn used_memory_grows_as_the_process_does() {
    let (_process, addr) = start();
    let mut client = RemoteClient::connect(&addr).expect("it listens");
    let before = memory(&mut client);
    let mut stream = TcpStream::connect(&addr).expect("it listens");
    let (mut pipeline, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    let mut next = 0;
    for rounds in [2_000, 5_000, 20_000, 60_000] {
        for number in next..rounds {
            fill(&mut pipeline, number);
            if number % 200 == 199 {
                pipeline.extend(words(&["ECHO", "round"]));
                stream.write_all(&pipeline).expect("sent");
                pipeline.clear();
                let mut tail = Vec::new();
                while !tail.ends_with(b"$5\r\nround\r\n") {
                    let count = stream.read(&mut buffer).expect("replies");
                    assert!(count > 0, "it hung up");
                    tail.extend_from_slice(&buffer[..count]);
                }
            }
        }
        next = rounds;
        let after = memory(&mut client);
        let (used, resident) = (after.0 - before.0, after.1 - before.1);
        let ratio = used / resident;
        let shown = format!("{rounds} rounds: {used} bytes are counted, {resident} are taken: {ratio:.3}");
        println!("{shown}");
        // From some fifty megabytes on what is there at first is less than what is allowed.
        match resident > 40e6 {
            true => assert!((0.9..=1.1).contains(&ratio), "{shown}"),
            false => assert!((used - resident).abs() < resident / 10.0 + AT_FIRST, "{shown}"),
        }
    }
}

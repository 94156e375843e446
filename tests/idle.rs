//! Ten thousand clients that do nothing: they take little memory and no time, and nobody else notices them.
#![cfg(all(feature = "server", target_os = "linux"))]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

const CLIENTS: usize = 10_000;
/// Measured: 1,150 bytes, of which the connection and its session are most.
const BYTES_EACH: u64 = 3 << 10;
/// Descriptors that this process needs besides.
const SPARE: usize = 200;

/// A server in a process of its own.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    fn read(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.0.id())).expect("it runs")
    }

    fn resident_bytes(&self) -> u64 {
        let status = self.read("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
        let digits = line.split_whitespace().next().expect("a number");
        digits.parse::<u64>().expect("a number") << 10
    }

    /// Ticks of the clock that it has been running for, a hundred a second.
    fn ticks(&self) -> u64 {
        let stat = self.read("stat");
        let (_, fields) = stat.rsplit_once(')').expect("a name");
        fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("a number")).sum()
    }
}

/// How many descriptors a process may have, which a test cannot raise.
fn descriptors_max() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").expect("Linux tells");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a line");
    line.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(usize::MAX)
}

fn ping(client: &mut TcpStream) {
    let mut reply = [0; 7];
    client.write_all(b"*1\r\n$4\r\nPING\r\n").expect("sent");
    client.read_exact(&mut reply).expect("a reply");
    assert_eq!(&reply, b"+PONG\r\n");
}

#[test]
fn ten_thousand_idle_clients_are_cheap() {
    let count = CLIENTS.min(descriptors_max().saturating_sub(SPARE));
    if count < CLIENTS {
        println!("{count} clients: a process may have no more descriptors here");
    }
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = free.local_addr().expect("bound");
    drop(free);
    let child = Command::new(env!("CARGO_BIN_EXE_damselfly"))
        .args(["--bind", "127.0.0.1", "--port", &addr.port().to_string(), "--save", ""])
        .args(["--maxclients", &(count + 10).to_string()])
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    let process = Process(child);
    let mut first = (0..500)
        .find_map(|_| {
            thread::sleep(Duration::from_millis(10));
            TcpStream::connect(addr).ok()
        })
        .expect("it listens");
    ping(&mut first);
    let before = process.resident_bytes();
    let mut clients: Vec<TcpStream> =
        (0..count).map(|_| TcpStream::connect(addr).expect("it accepts")).collect();
    clients.iter_mut().for_each(ping);
    let each = process.resident_bytes().saturating_sub(before) / count as u64;
    println!("{each} bytes a client");
    assert!(each <= BYTES_EACH, "{each} bytes a client");
    let ticks = process.ticks();
    thread::sleep(Duration::from_secs(2));
    let busy = process.ticks() - ticks;
    assert!(busy <= 3, "{busy} hundredths of a second while nobody says anything");
    ping(&mut first);
    // And they are all there.
    clients.iter_mut().for_each(ping);
}

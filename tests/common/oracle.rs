//! Real servers to compare with.
//!
//! A server that we start ends with the test: a shell waits for the end of our pipe, then kills what it started.

use super::places::Remote;
use super::resp::Value;
use super::script::Script;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex};
use std::thread::sleep;
use std::time::Duration;

/// Redis 7.0, where `DAMSELFLY_ORACLE` says where.
static REDIS: LazyLock<Option<Mutex<Remote>>> =
    LazyLock::new(|| from_environment("DAMSELFLY_ORACLE", "redis-server"));

/// A server as new as Redis 7.2, where `VALKEY_ORACLE` says where.
static NEWER: LazyLock<Option<Mutex<Remote>>> =
    LazyLock::new(|| from_environment("VALKEY_ORACLE", "valkey-server"));

/// The oracles that a script is compared with.
pub fn for_script(script: &Script) -> Vec<&'static Mutex<Remote>> {
    let oracle: &'static Option<Mutex<Remote>> = if script.newer { &NEWER } else { &REDIS };
    oracle.iter().collect()
}

fn from_environment(variable: &str, program: &str) -> Option<Mutex<Remote>> {
    let place = std::env::var(variable).ok().filter(|place| !place.is_empty())?;
    let remote = match place.rsplit_once(':') {
        Some((_, port)) if port.parse::<u16>().is_ok() => Remote::new(program, &place),
        _ => {
            let program = if place == "auto" { program } else { &place };
            let Some(server) = Server::start(program, &[]) else {
                eprintln!("{variable}: {program} could not be started; nothing is compared with it");
                return None;
            };
            let remote = Remote::new(program, server.addr());
            // It ends with this process, which nobody outlives.
            std::mem::forget(server);
            remote
        }
    };
    Some(Mutex::new(remote))
}

/// A server in a process of its own, on a free port of 127.0.0.1.
pub struct Server {
    child: Child,
    addr: String,
}

impl Server {
    /// Starts `redis-server` or what takes the same flags; `None` where it is not there.
    pub fn start(program: &str, flags: &[&str]) -> Option<Server> {
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
            let mut all = vec!["--port".to_owned(), port.to_string()];
            all.extend(
                ["--bind", "127.0.0.1", "--save", "", "--enable-debug-command", "yes"].map(str::to_owned),
            );
            all.extend(flags.iter().map(|flag| (*flag).to_owned()));
            // The shell's standard input is a pipe that we never write to; `read` returns when we are gone. What is
            // saved goes where it is in nobody's way.
            let script = r#"dir=$(mktemp -d) && cd "$dir" || exit 1
                "$@" </dev/null >/dev/null 2>&1 & pid=$!; read -r _; kill "$pid"; wait "$pid"; rm -rf "$dir""#;
            let child = Command::new("sh")
                .args(["-c", script, "sh", program])
                .args(&all)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .ok()?;
            let server = Server { child, addr: format!("127.0.0.1:{port}") };
            for _ in 0..100 {
                let answer = Remote::new(program, &server.addr).control("PING");
                if answer == Ok(Value::Simple(b"PONG".to_vec())) {
                    return Some(server);
                }
                sleep(Duration::from_millis(20));
            }
        }
        None
    }

    pub fn addr(&self) -> &str {
        &self.addr
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

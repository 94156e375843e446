//! `damselfly --test`: the same server for tests in other languages, as a process that ends with its parent.
//!
//! 1. It prints one line of JSON, `{"host":"127.0.0.1","port":40123,"url":"redis://127.0.0.1:40123","pid":4711}`, and
//!    serves from then on.
//! 2. Where its standard input is a pipe, each line is an order to it and is answered by a line of JSON; the end of the
//!    input, which comes with the end of whoever holds the other end, ends it.
//! 3. Otherwise, on Linux, the end of the thread that started it does.
//!
//! | order | does |
//! | --- | --- |
//! | `advance 1500` | [`TestServer::advance`] by so many milliseconds |
//! | `freeze`, `unfreeze` | [`TestServer::freeze_time`], [`TestServer::unfreeze_time`] |
//! | `fail GET 2 LOADING not yet` | [`TestServer::fail`]: command (`CLIENT\|LIST`), how often, the error |
//! | `delay 50` | [`TestServer::delay`] by so many milliseconds |
//! | `drop` | [`TestServer::drop_connections`] |
//! | `full-disk`, `heal` | [`TestServer::full_disk`], [`TestServer::heal`] |
//! | `clear` | [`TestServer::clear`] |
//! | `dump` | answers `{"ok":true,"dump":"..."}` |
//! | `calls GET` | answers `{"ok":true,"calls":3}` |

use super::{Builder, TestServer};
use crate::config::Config;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, Write as _};
use std::time::Duration;

/// What holds where a user's own flags do not say otherwise.
const FLAGS: [(&str, &str); 5] = [
    ("shards", "2"),
    ("io-threads", "1"),
    ("seed", "1"),
    ("save", "86400 1"),
    ("enable-debug-command", "yes"),
];

/// Serves with these settings until the input or the parent ends; on a free port, where they name none.
///
/// # Errors
/// A setting that is wrong, no port to listen on, an output that is closed.
pub fn run(flags: &[(String, String)]) -> Result<(), Box<dyn Error>> {
    let has = |name: &str| flags.iter().any(|(given, _)| given == name);
    let ours = FLAGS.iter().filter(|(name, _)| !has(name));
    let mut all: Vec<(String, String)> =
        ours.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    all.extend_from_slice(flags);
    let config = Config::from_sources(&all, std::iter::empty(), None)?;
    let port = if has("port") { config.port } else { 0 };
    let password = (!config.requirepass.is_empty()).then(|| config.requirepass.clone());
    let builder = Builder { config, password, ..Builder::default() };
    let is_led = has_lifeline();
    if !is_led {
        end_with_parent()?;
    }
    let server = builder.port(port).try_start()?;
    let (url, pid) = (json(&server.url()), std::process::id());
    say(&format!("{{\"host\":\"127.0.0.1\",\"port\":{},\"url\":{url},\"pid\":{pid}}}", server.port()))?;
    if is_led {
        for line in io::stdin().lock().lines() {
            say(&obey(&server, &line?))?;
        }
        return Ok(());
    }
    loop {
        std::thread::park();
    }
}

/// Whether somebody holds the other end of our input, and so is missed.
fn has_lifeline() -> bool {
    use rustix::fs::{FileType, fstat};
    fstat(io::stdin())
        .is_ok_and(|stat| matches!(FileType::from_raw_mode(stat.st_mode), FileType::Fifo | FileType::Socket))
}

#[cfg(target_os = "linux")]
fn end_with_parent() -> io::Result<()> {
    use rustix::process::{Signal, set_parent_process_death_signal};
    Ok(set_parent_process_death_signal(Some(Signal::TERM))?)
}

#[cfg(not(target_os = "linux"))]
fn end_with_parent() -> io::Result<()> {
    Err(io::Error::other("here it is told by its input alone that its parent has ended: give it a pipe"))
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Does what a line says, and answers it.
fn obey(server: &TestServer, line: &str) -> String {
    match order(server, line) {
        Ok(more) => format!("{{\"ok\":true{more}}}"),
        Err(error) => format!("{{\"ok\":false,\"error\":{}}}", json(&error)),
    }
}

fn order(server: &TestServer, line: &str) -> Result<String, String> {
    let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
    let ms = || {
        rest.trim().parse().map(Duration::from_millis).map_err(|_| format!("{word}: how many milliseconds?"))
    };
    match word {
        "advance" => server.advance(ms()?),
        "freeze" => server.freeze_time(),
        "unfreeze" => server.unfreeze_time(),
        "fail" => {
            let mut words = rest.splitn(3, ' ');
            let (Some(command), Some(Ok(times)), Some(error)) =
                (words.next(), words.next().map(str::parse), words.next())
            else {
                return Err("fail COMMAND TIMES ERROR".to_owned());
            };
            server.fail(command, times, error);
        }
        "delay" => server.delay(ms()?),
        "drop" => server.drop_connections(),
        "full-disk" => server.full_disk(),
        "heal" => server.heal(),
        "clear" => server.clear(),
        "dump" => return Ok(format!(",\"dump\":{}", json(&server.dump()))),
        "calls" => return Ok(format!(",\"calls\":{}", server.calls(rest))),
        _ => return Err(format!("no such order: {word}")),
    }
    Ok(String::new())
}

/// A string of JSON.
fn json(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            letter if u32::from(letter) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

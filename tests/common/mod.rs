//! What the tests share: scripts of commands with their replies, and the places that run them.
//!
//! [`check`] is the one door. A script is lines; a line's reply stands behind its last ` < `:
//!
//! ```text
//! > HSET user:1 name ada            < :1
//! > GET s                           < "x"               'x' is the same; \xHH as in redis-cli
//! > GET missing                     < nil
//! > BRPOP l 0.1                     < nil-array
//! > LRANGE l 0 -1                   < ["a" "b" :3 nil *]    * is any reply
//! > KEYS *                          < {"a" "b"}         any order
//! > HGET s name                     < -WRONGTYPE *      a glob; so are +status and =~"*part*"
//! > TTL k                           < :90..100
//! > HELLO 3                         < %{"proto" :3 …}   a map in any order; ~[…] set, ,1.5 double, #t boolean,
//!                                                       >[…] push, ="…" verbatim text, (123 big number
//! a> BLPOP l 0                      < blocks            a and b are two sessions
//! b> LPUSH l v                      < :1
//! a< ["l" "v"]                                          the reply that arrives later
//! > CLIENT REPLY OFF                < none              nothing is sent
//! > QUIT                            < +OK
//! < closed
//! ! advance 1500ms                                      moves the clock: not on real servers
//! ! no-oracle                                           not on real servers
//! ! only 7.2                                            newer than Redis 7.0: compared with Valkey
//! # a remark
//! ```
//!
//! Every script runs in process on one shard and on sixteen, and over TCP; and on real servers where the environment
//! asks for it: `DAMSELFLY_ORACLE=host:port`, or `auto` for a `redis-server` of our own; `VALKEY_ORACLE` likewise for
//! what is newer (`auto` for `valkey-server` on the path, or the path of one).
#![allow(dead_code, reason = "each test binary uses its part")]

pub mod oracle;
pub mod places;
pub mod resp;
pub mod script;

use places::{Local, Place};
use script::{Action, Script};
use std::fmt::Write as _;

/// Runs a script everywhere and compares every reply with what the script says.
#[track_caller]
pub fn check(text: &str) {
    let script = Script::parse(text);
    let mut failures = String::new();
    for shards in [1, 16] {
        failures.extend(failure(&script, text, &mut Local::new(shards)));
    }
    #[cfg(feature = "server")]
    failures.extend(failure(&script, text, &mut places::Served::new(16, places::clock())));
    if !script.no_oracle && !script.advances() {
        for oracle in oracle::for_script(&script) {
            let mut oracle = oracle.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            failures.extend(failure(&script, text, &mut *oracle));
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// Runs a script in process in an engine of this configuration, and on the real server given, which is set up likewise.
#[track_caller]
pub fn check_in(config: &damselfly::config::Config, oracle: Option<&mut dyn Place>, text: &str) {
    let script = Script::parse(text);
    let mut failures = String::new();
    for shards in [1, 16] {
        let config = config.clone().shards(shards);
        let engine = damselfly::engine::Engine::open(&config, places::clock()).expect("a good configuration");
        failures.extend(failure(&script, text, &mut Local::on(engine)));
    }
    if let Some(oracle) = oracle.filter(|_| !script.no_oracle) {
        failures.extend(failure(&script, text, oracle));
    }
    assert!(failures.is_empty(), "{failures}");
}

/// What went wrong, if anything did.
fn failure(script: &Script, text: &str, place: &mut dyn Place) -> Option<String> {
    place.reset();
    let result = run(script, place);
    let end = place.end();
    let (line, message) = match (result, end) {
        (Ok(()), Ok(())) => return None,
        (Err(failed), _) => failed,
        (Ok(()), Err(message)) => (text.lines().count(), message),
    };
    let mut out = format!("\n{} at line {line}: {message}\n", place.name());
    for (number, shown) in text.lines().enumerate() {
        let mark = if number + 1 == line { ">>" } else { "  " };
        let _ = writeln!(out, "{mark} {:3} {}", number + 1, shown.trim());
    }
    Some(out)
}

fn run(script: &Script, place: &mut dyn Place) -> Result<(), (usize, String)> {
    for step in &script.steps {
        let at = |message: String| (step.line, message);
        match &step.action {
            Action::Advance(by) => place.advance(*by),
            Action::Command { session, argv, expect } => {
                let blocked = place.blocked();
                place.send(session, argv).map_err(at)?;
                if let Some(expect) = expect {
                    receive(place, session, expect, blocked).map_err(at)?;
                }
            }
            Action::Receive { session, expect } => {
                let blocked = place.blocked();
                receive(place, session, expect, blocked).map_err(at)?;
            }
        }
    }
    let last = script.steps.last().map_or(0, |step| step.line);
    for session in script.sessions() {
        if let Some(extra) = place.leftover(session) {
            return Err((last, format!("session {session:?} got a reply nobody asked for: {extra}")));
        }
    }
    Ok(())
}

fn receive(
    place: &mut dyn Place,
    session: &str,
    expect: &script::Expect,
    blocked: usize,
) -> Result<(), String> {
    use script::Expect;
    let got = match expect {
        Expect::Blocks => {
            return match place.settles(session, blocked) {
                None => Ok(()),
                Some(got) => Err(format!("got {got}, expected it to block")),
            };
        }
        Expect::NoReply => {
            return match place.leftover(session) {
                None => Ok(()),
                Some(got) => Err(format!("got {got}, expected no reply")),
            };
        }
        Expect::Closed => {
            return if place.is_closed(session) { Ok(()) } else { Err("the connection is open".into()) };
        }
        _ => place.receive(session)?,
    };
    if expect.matches(&got) { Ok(()) } else { Err(format!("got {got}, expected {expect}")) }
}

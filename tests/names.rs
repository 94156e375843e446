//! `rename-command` and `disable-commands`: commands by other names, or none.
#![cfg(feature = "server")]

mod common;

use common::places::{TestServer, config};
use damselfly::Damselfly;
use damselfly::clock::Clock;
use damselfly::config::{Config, ConfigText};
use damselfly::engine::Engine;

/// What a file of these lines makes of a configuration.
fn configured(lines: &str, flags: &[(&str, &str)]) -> Result<Config, String> {
    let text = format!("shards 4\nio-threads 1\n{lines}");
    let file = ConfigText { name: "file".to_owned(), path: None, bytes: text.into_bytes() };
    let flags: Vec<_> = flags.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    Config::from_sources(&flags, [], Some(&file)).map_err(|error| error.to_string())
}

#[test]
fn commands_go_by_their_new_names_and_by_no_other() {
    let lines = "rename-command CONFIG hidden-config\nrename-command FLUSHALL \"\"";
    let config = configured(lines, &[("disable-commands", "keys,DEBUG")]).expect("right");
    let server = TestServer::start(&config, Clock::system());
    let mut client = server.connect();
    let mut says = |line: &str| client.line(line).expect("a reply").to_string();
    assert_eq!(says("Hidden-Config GET port"), "[\"port\" \"6379\"]");
    // The same again, as a pipeline would: the old name is not remembered.
    for line in ["CONFIG GET port", "FLUSHALL", "KEYS *", "DEBUG SLEEP 0"] {
        assert!(says(line).starts_with("-ERR unknown command"), "{line}");
    }
    assert_eq!(says("SET k v"), "+OK");
    if cfg!(feature = "script") {
        assert!(says("EVAL \"return redis.call('keys','*')\" 0").starts_with("-ERR Unknown Redis command"));
    }
    assert_eq!(
        says("hidden-config GET rename-command disable-commands"),
        "[\"disable-commands\" \"keys DEBUG\"]"
    );
}

#[test]
fn a_program_calls_commands_by_what_they_are() {
    let db = Damselfly::open(config(4).rename_command("SET other")).expect("right");
    db.set("k", "v").expect("set");
    assert!(db.get("k").expect("a string").is_some());
}

#[test]
fn names_that_make_no_sense_are_refused_at_the_start() {
    let refusal = |renames: &str| {
        let error = Engine::open(&config(1).rename_command(renames), Clock::system()).expect_err("refused");
        error.to_string()
    };
    assert_eq!(refusal("nosuch other"), "config: no such command: 'nosuch'");
    assert_eq!(refusal("GET SET"), "config: a command is called 'SET' already");
    assert!(configured("rename-command CONFIG", &[]).is_err());
}

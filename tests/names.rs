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

#[test]
fn command_speaks_of_commands_by_what_they_are_and_finds_them_by_what_they_are_called() {
    let lines = "rename-command GET hidden-get\nrename-command CONFIG Geheim\nrename-command FLUSHALL \"\"\n\
                 rename-command PING pong";
    let server = TestServer::start(&configured(lines, &[]).expect("right"), Clock::system());
    let plain = TestServer::start(&configured("", &[]).expect("right"), Clock::system());
    let (mut client, mut other) = (server.connect(), plain.connect());
    let mut says = |line: &str| client.line(line).expect("a reply").to_string();
    let mut usual = |line: &str| other.line(line).expect("a reply").to_string();
    let count = |reply: String| reply.trim_start_matches(':').parse::<i64>().expect("a number");
    // What follows is what redis-server 7.0 and Valkey say with these lines.
    assert_eq!(count(says("COMMAND COUNT")), count(usual("COMMAND COUNT")) - 1);
    let listed = says("COMMAND LIST");
    for (name, is_listed) in [("get", true), ("config", true), ("config|get", true), ("ping", true)]
        .into_iter()
        .chain([("flushall", false), ("hidden-get", false), ("geheim", false), ("pong", false)])
    {
        assert_eq!(listed.contains(&format!("\"{name}\"")), is_listed, "{name}");
    }
    assert!(says("COMMAND LIST FILTERBY PATTERN config").contains("config"));
    assert_eq!(says("COMMAND LIST FILTERBY PATTERN flushall"), "[]");
    assert_eq!(says("COMMAND LIST FILTERBY PATTERN hidden*"), "[]");
    assert!(!says("COMMAND").contains("flushall") && says("COMMAND").contains("\"get\""));
    assert!(!says("COMMAND DOCS").contains("\"flushall\""));
    assert_eq!(says("COMMAND INFO get flushall config config|get ping"), "[nil nil nil nil nil]");
    for (name, is) in [("hidden-get", "get"), ("Geheim|GET", "config|get"), ("GEHEIM", "config")] {
        assert!(says(&format!("COMMAND INFO {name}")).starts_with(&format!("[[\"{is}\"")), "{name}");
        assert!(says(&format!("COMMAND DOCS {name}")).starts_with(&format!("[\"{is}\"")), "{name}");
    }
    assert_eq!(says("COMMAND DOCS get flushall"), "[]");
    assert_eq!(says("COMMAND GETKEYS hidden-get k"), "[\"k\"]");
    assert_eq!(says("COMMAND GETKEYS get k"), "-ERR Invalid command specified");
    assert_eq!(says("Geheim"), "-ERR wrong number of arguments for 'config' command");
    assert_eq!(says("Geheim x"), "-ERR unknown subcommand 'x'. Try GEHEIM HELP.");
    // Rights are given to what a command is, and tried out by what it is called.
    assert!(says("ACL SETUSER u +hidden-get").starts_with("-ERR Error in ACL SETUSER modifier"));
    assert_eq!(says("ACL SETUSER u +get +flushall ~k"), "+OK");
    assert_eq!(says("ACL DRYRUN u hidden-get k"), "+OK");
    assert_eq!(says("ACL DRYRUN u get k"), "-ERR Command 'get' not found");
    assert_eq!(says("ACL DRYRUN u flushall"), "-ERR Command 'flushall' not found");
}

//! The fuzz dictionaries are made from the command table and the settings, and are current.

#[path = "generate/syntax.rs"]
mod syntax;

use damselfly::command::table::{Entry, TABLE};
use damselfly::config::{Config, Settings};
use std::collections::BTreeSet;
use std::path::Path;
use syntax::Node;

/// Words worth trying that no syntax names.
const MORE: &[&str] = &[
    "-1",
    "0.01",
    "9223372036854775807",
    "-9223372036854775808",
    "99999999999",
    "inf",
    "a",
    "b",
    "{t}a",
    "*",
    "[^a]",
    "list",
    "string",
    "\n!1000\n",
    "\n-1\n",
    "\n0",
    "\n1",
];

fn words(nodes: &[Node], into: &mut BTreeSet<String>) {
    for node in nodes {
        match node {
            Node::Word(word) => {
                into.insert(word.clone());
            }
            Node::Argument(_) => {}
            Node::Optional(nodes) | Node::Repeated(nodes) => words(nodes, into),
            Node::Choice(choices) => choices.iter().for_each(|nodes| words(nodes, into)),
        }
    }
}

fn names(entry: &Entry, into: &mut BTreeSet<String>) {
    into.insert(entry.command.name.to_owned());
    words(&syntax::parse(entry.command.syntax), into);
    entry.subcommands.iter().for_each(|sub| names(sub, into));
}

#[test]
fn the_fuzz_dictionary_is_current() {
    let mut all: BTreeSet<String> = MORE.iter().map(|word| (*word).to_owned()).collect();
    TABLE.entries().iter().for_each(|entry| names(entry, &mut all));
    is_current("commands", &all);
}

/// Words of the rules of users, which the commands' syntax does not spell out.
const RULES: &[&str] = &[
    "on",
    "off",
    "reset",
    "resetkeys",
    "resetpass",
    "resetchannels",
    "clearselectors",
    "nopass",
    "allkeys",
    "allchannels",
    "allcommands",
    "nocommands",
    "sanitize-payload",
    "skip-sanitize-payload",
    "~*",
    "~a*",
    "%R~",
    "%W~",
    "%RW~",
    "&*",
    "&c",
    "+@all",
    "-@all",
    ">pw",
    "<pw",
    "#ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "!ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    "(",
    ")",
    "user u ",
    "user default ",
    "\n",
    " ",
];

#[test]
fn the_fuzz_dictionary_of_rights_is_current() {
    let mut all: BTreeSet<String> = RULES.iter().map(|word| (*word).to_owned()).collect();
    for entry in TABLE.entries().iter().flat_map(|entry| std::iter::once(entry).chain(&entry.subcommands)) {
        all.extend([format!("+{}", entry.full_name), format!("-{}", entry.full_name)]);
    }
    for category in
        ["read", "write", "keyspace", "admin", "dangerous", "connection", "pubsub", "scripting", "slow"]
    {
        all.extend([format!("+@{category}"), format!("-@{category}")]);
    }
    is_current("acl", &all);
}

#[test]
fn the_fuzz_dictionary_of_settings_is_current() {
    let words = [
        "yes",
        "no",
        "1gb",
        "100",
        "-1",
        "\"\"",
        "user u on nopass ~* +@all",
        "rename-command",
        "\n",
        "\n!\n",
        "\\x",
    ];
    let mut all: BTreeSet<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let settings = Settings::new(&Config::default()).expect("defaults are right");
    for (name, value) in settings.get(&[b"*"]) {
        // What depends on the machine is no default of ours.
        if !matches!(name.as_str(), "dir" | "io-threads") {
            all.insert(value);
        }
        all.insert(name);
    }
    is_current("config", &all);
}

/// Compares a dictionary with what is to be in it, or writes it.
fn is_current(name: &str, words: &BTreeSet<String>) {
    let mut text = String::from(
        "# Made from the command table; UPDATE_DOCS=1 cargo test --test dictionary writes it.\n",
    );
    for word in words.iter().filter(|word| !word.is_empty()) {
        let escaped: String = word
            .chars()
            .map(|letter| match letter {
                '"' | '\\' => format!("\\{letter}"),
                ' '..='~' => letter.to_string(),
                other => format!("\\x{:02X}", u32::from(other)),
            })
            .collect();
        text.push_str(&format!("\"{escaped}\"\n"));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("fuzz/dictionaries/{name}.dict"));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, text).expect("written");
        return;
    }
    // A package from the registry has no fuzz folder.
    let Ok(there) = std::fs::read_to_string(&path) else { return };
    assert!(there == text, "UPDATE_DOCS=1 cargo test --test dictionary");
}

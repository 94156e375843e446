//! The fuzz dictionary is made from the command table, and is current.

#[path = "generate/syntax.rs"]
mod syntax;

use damselfly::command::table::{Entry, TABLE};
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
    let mut text = String::from(
        "# Made from the command table; UPDATE_DOCS=1 cargo test --test dictionary writes it.\n",
    );
    for word in all.iter().filter(|word| !word.is_empty()) {
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
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/dictionaries/commands.dict");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, text).expect("written");
        return;
    }
    // A package from the registry has no fuzz folder.
    let Ok(there) = std::fs::read_to_string(&path) else { return };
    assert!(there == text, "UPDATE_DOCS=1 cargo test --test dictionary");
}

//! docs/compatibility.md: every command of Redis 7.2, Valkey 9 and Dragonfly, and whether it is here.
//!
//! `tests/fixtures/commands/valkey-9.txt` is what Valkey 9 says of itself by `COMMAND DOCS`: a command, and the version that
//! introduced it, which tells what Redis 7.2 had. `dragonfly.txt` holds what Dragonfly documents beyond that.

use damselfly::command::table::{Run, TABLE};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Why a command is not here: the first beginning that fits.
const ABSENT: &[(&str, &str)] = &[
    ("BF.", "A probabilistic type: not yet."),
    ("CMS.", "A probabilistic type: not yet."),
    ("TOPK.", "A probabilistic type: not yet."),
    ("JSON.", "Documents: not yet."),
    ("FT.", "Search is no goal."),
    ("DFLYCLUSTER ", "Dragonfly's own control of its clusters."),
    ("MEMORY ", "Speaks of Dragonfly's allocator."),
    ("DELEX", "Dragonfly's own; `DELIFEQ` is here."),
    ("FIELDEXPIRE", "Dragonfly's own; `HEXPIRE` is here."),
    ("FIELDTTL", "Dragonfly's own; `HTTL` is here."),
    ("SADDEX", "Dragonfly's own: members of sets have no deadlines."),
    ("STICK", "Dragonfly's own; a `volatile-*` policy leaves keys without a deadline alone."),
    ("CLUSTERSCAN", "A cluster of one node is scanned by `SCAN`."),
    ("CLUSTER ", "Slots do not move: the cluster has one node."),
    ("CLIENT IMPORT-SOURCE", "Imports go by files or by replication."),
    ("COMMANDLOG ", "Valkey's own; `SLOWLOG` is here."),
    ("SCRIPT SHOW", "Scripts are kept compiled, without their text."),
    ("FAILOVER", "There are no replicas to hand over to."),
    ("MIGRATE", "Not yet."),
    ("RESTORE-ASKING", "Slots do not move: the cluster has one node."),
    ("PSYNC", "A replica cannot follow yet."),
    ("SYNC", "A replica cannot follow yet."),
    ("REPLCONF", "A replica cannot follow yet."),
    ("REPLICAOF", "Not yet."),
    ("SLAVEOF", "Not yet."),
    ("ROLE", "Not yet."),
    ("WAIT", "Not yet."),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn fixture(name: &str) -> String {
    let path = root().join("tests/fixtures/commands").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All names that run, as a client writes them: `CONFIG GET`.
fn ours() -> BTreeSet<String> {
    let entries = TABLE.entries().iter().flat_map(|entry| std::iter::once(entry).chain(&entry.subcommands));
    let runnable = entries.filter(|entry| !matches!(entry.command.run, Run::Container));
    runnable.map(|entry| entry.full_name.replace('|', " ").to_uppercase()).collect()
}

/// Command and who has it.
fn theirs() -> BTreeMap<String, &'static str> {
    let mut all = BTreeMap::new();
    for line in fixture("valkey-9.txt").lines() {
        let (name, since) = line.split_once('\t').expect("a command and a version");
        let newer = since.starts_with("8.") || since.starts_with("9.");
        all.insert(name.to_owned(), if newer { "Valkey 9" } else { "Redis 7.2" });
    }
    for name in fixture("dragonfly.txt").lines() {
        all.entry(name.to_owned()).or_insert("Dragonfly");
    }
    all
}

fn document() -> String {
    let (ours, theirs) = (ours(), theirs());
    let mut text = String::from(
        "# Compatibility\n\n\
         <!-- Made from the command table by tests/compatibility.rs; `UPDATE_DOCS=1 cargo test --test compatibility` brings it up to date. -->\n\n\
         Every command of Redis 7.2, of Valkey 9 beyond that, and of Dragonfly beyond both. What is here replies as Redis 7.2\n\
         does; where something differs, [commands.md](commands.md) says so.\n\n",
    );
    let _ = writeln!(text, "| of | commands | here |\n| --- | --: | --: |");
    for whose in ["Redis 7.2", "Valkey 9", "Dragonfly"] {
        let names: Vec<_> = theirs.iter().filter(|(_, of)| **of == whose).map(|(name, _)| name).collect();
        let here = names.iter().filter(|name| ours.contains(**name)).count();
        let _ = writeln!(text, "| {whose} | {} | {here} |", names.len());
    }
    text += "\n| Command | of | here | if not, why |\n| --- | --- | --- | --- |\n";
    for (name, of) in &theirs {
        let (here, why) = match why_absent(&ours, name) {
            None => ("yes", ""),
            Some(why) => ("no", why),
        };
        let _ = writeln!(text, "| {name} | {of} | {here} | {why} |");
    }
    let own: Vec<_> = ours.iter().filter(|name| !theirs.contains_key(*name)).cloned().collect();
    if !own.is_empty() {
        let _ = writeln!(text, "\nHere and in none of them: {}.", own.join(", "));
    }
    text
}

fn why_absent<'a>(ours: &BTreeSet<String>, name: &str) -> Option<&'a str> {
    if ours.contains(name) {
        return None;
    }
    let why = ABSENT.iter().find(|(beginning, _)| name.starts_with(beginning)).map(|(_, why)| *why);
    Some(why.unwrap_or_else(|| panic!("{name} is not here, and nobody says why")))
}

#[test]
fn docs_compatibility_md_is_what_the_table_says() {
    let path: &Path = &root().join("docs/compatibility.md");
    let text = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, &text).expect("docs/compatibility.md can be written");
    }
    let stands = fs::read_to_string(path).unwrap_or_default();
    assert!(stands == text, "docs/compatibility.md is stale: UPDATE_DOCS=1 cargo test --test compatibility");
}

#[test]
fn nothing_is_excused_that_is_here() {
    let (ours, theirs) = (ours(), theirs());
    let absent: Vec<&String> = theirs.keys().filter(|name| !ours.contains(*name)).collect();
    for (beginning, _) in ABSENT {
        assert!(
            absent.iter().any(|name| name.starts_with(beginning)),
            "{beginning} is here: say no more why not"
        );
    }
}

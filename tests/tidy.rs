//! The house is kept as it was drawn: who may import whom, and what every file owes its reader.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room with the rooms that it may use. `reply`, `clock`, `double` and `glob` are leaves, and stand here like the others.
const ROOMS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("double", &[]),
    ("glob", &[]),
    ("hex", &[]),
    ("reply", &[]),
    ("sha1", &[]),
    ("sync", &[]),
    ("process", &[]),
    ("varint", &[]),
    ("value", &["double"]),
    ("rdb", &["value", "double"]),
    ("persist", &["shard", "rdb", "value", "clock"]),
    ("wire", &["double", "reply"]),
    ("config", &["glob"]),
    ("shard", &["value", "rdb", "clock", "double", "hex", "sha1", "varint"]),
    // A command's row names the engine's public types, and the engine runs the rows: the two know each other.
    (
        "command",
        &[
            "engine", "script", "persist", "shard", "rdb", "value", "config", "clock", "double", "glob",
            "hex", "reply", "process",
        ],
    ),
    (
        "engine",
        &[
            "command", "script", "persist", "rdb", "shard", "value", "config", "clock", "glob", "hex",
            "reply", "process", "varint", "sync",
        ],
    ),
    // The engine has a place for scripts, commands run them, and what they run is commands.
    ("script", &["engine", "command", "rdb", "double", "clock", "glob", "hex", "reply", "sha1"]),
    (
        "embed",
        &["engine", "command", "persist", "shard", "value", "config", "clock", "double", "glob", "reply"],
    ),
    ("domain", &["embed", "clock", "hex", "reply", "config", "engine"]),
    ("swing", &["domain", "hex", "reply"]),
    ("remote", &["domain", "clock", "reply"]),
    ("server", &["engine", "persist", "wire", "config", "clock", "reply", "process"]),
    ("console", &["embed", "domain", "engine", "command", "config", "clock", "hex", "reply"]),
    ("testkit", &["server", "embed", "engine", "command", "persist", "config", "clock", "hex", "reply"]),
];

/// Longest file.
const LINES_MAX: usize = 900;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below `folder` whose name ends so, but for what is built.
fn files(folder: &str, endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                let built = ["target", "node_modules", "corpus", "artifacts", "seeds", "__pycache__"];
                if !built.contains(&name.as_str()) && !name.starts_with(".git") && !name.starts_with(".venv")
                {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending))
                && let Ok(text) = fs::read_to_string(&path)
            {
                found.push((shown(&path), text));
            }
        }
    }
    found.sort();
    found
}

fn shown(path: &Path) -> String {
    let relative: PathBuf = path.strip_prefix(root()).unwrap_or(path).into();
    relative.to_string_lossy().replace('\\', "/")
}

/// The room a file of src/ belongs to; `None` for lib.rs and main.rs, which see everything.
fn room(file: &str) -> Option<&str> {
    let inside = file.strip_prefix("src/")?;
    let name = inside.split('/').next()?.trim_end_matches(".rs");
    (!matches!(name, "lib" | "main")).then_some(name)
}

/// The text before its unit tests, which may use whatever helps them.
fn without_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text)
}

/// The rooms that a text names by `crate::room`, also in `use crate::{a, b::c}`; links in comments are no use.
fn used(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let mut rooms = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            None => {
                rooms.insert(
                    after.split(|letter: char| !is_name(letter)).next().unwrap_or_default().to_owned(),
                );
            }
            Some(group) => {
                let mut depth = 1;
                let mut name = String::new();
                for letter in group.chars() {
                    match letter {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ if depth == 1 && (is_name(letter) || letter == ':') => {
                            name.push(letter);
                            continue;
                        }
                        _ => {}
                    }
                    if depth <= 1 && !name.is_empty() && (letter == ',' || depth == 0 || letter == '{') {
                        rooms.extend(name.split(':').next().map(str::to_owned));
                    }
                    if depth <= 1 && letter == ',' {
                        name.clear();
                    }
                    if depth == 0 {
                        break;
                    }
                }
            }
        }
    }
    rooms.retain(|name| ROOMS.iter().any(|(room, _)| room == name));
    rooms
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

#[test]
fn the_reader_of_imports_sees_them_all() {
    let text = "use crate::{clock::Clock, reply::{Reply, Sink}, shard};\nuse crate::wire::Output; // crate::engine\n\
                //! crate::server\nfn f() -> crate::value::List {}\n";
    let mut found: Vec<_> = used(text).into_iter().collect();
    found.sort();
    assert_eq!(found, ["clock", "engine", "reply", "shard", "value", "wire"]);
}

#[test]
fn a_room_uses_only_the_rooms_that_it_may() {
    let mut wrong = Vec::new();
    for (file, text) in files("src", &[".rs"]) {
        let Some(room) = room(&file) else { continue };
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("{file}: no such room in tests/tidy.rs and DESIGN.md: {room}"));
            continue;
        };
        for other in used(without_tests(&text)) {
            if other != room && !allowed.contains(&other.as_str()) {
                wrong.push(format!("{file}: {room} must not use {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn only_the_rooms_that_deal_with_the_system_do() {
    // What must not be named, and where it may be.
    let rules: &[(&str, &[&str])] = &[
        ("std::net::", &["server", "console", "testkit"]),
        ("mio::", &["server"]),
        ("std::fs", &["server", "config", "process", "persist"]),
        ("SystemTime::now", &["clock"]),
        ("Instant::now", &["clock"]),
        (
            "parking_lot",
            &["engine", "embed", "script", "config", "server", "persist", "console", "domain", "sync"],
        ),
        ("std::sync::Mutex", &[]),
        ("tokio", &["embed", "domain", "remote", "console"]),
    ];
    let mut wrong = Vec::new();
    for (file, text) in files("src", &[".rs"]) {
        let Some(room) = room(&file) else { continue };
        for line in without_tests(&text).lines().filter(|line| !line.trim_start().starts_with("//")) {
            for (word, allowed) in rules {
                if line.contains(word) && !allowed.contains(&room) {
                    wrong.push(format!("{file}: {word} has no place in {room}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_module_opens_with_what_it_is() {
    let mut wrong = Vec::new();
    for folder in ["src", "tests", "benches", "examples", "fuzz"] {
        for (file, text) in files(folder, &[".rs"]) {
            if !text.starts_with("//!") {
                wrong.push(file);
            }
        }
    }
    assert!(wrong.is_empty(), "without //!: {wrong:?}");
}

#[test]
fn no_file_is_longer_than_a_reader_likes() {
    let mut wrong = Vec::new();
    for folder in ["src", "tests", "benches", "examples", "fuzz"] {
        for (file, text) in files(folder, &[".rs"]) {
            let lines = text.lines().count();
            if lines > LINES_MAX {
                wrong.push(format!("{file}: {lines}"));
            }
        }
    }
    assert!(wrong.is_empty(), "over {LINES_MAX} lines: {wrong:?}");
}

#[test]
fn nothing_is_left_to_be_done_and_no_machine_is_named() {
    // Spelt in two halves, so that this file does not find itself.
    let words = [
        ["todo", "!("],
        ["unimplemented", "!("],
        ["FIX", "ME"],
        ["TO", "DO:"],
        ["/ho", "me/"],
        ["/Us", "ers/"],
        ["/ro", "ot/"],
        ["C:", "\\\\"],
        ["/tmp/", "w-"],
        ["/wo", "rk/"],
    ];
    let endings =
        [".rs", ".md", ".toml", ".py", ".mjs", ".js", ".json", ".yml", ".yaml", ".sh", "run", "Dockerfile"];
    let mut wrong = Vec::new();
    for (file, text) in files("", &endings) {
        for (number, line) in text.lines().enumerate() {
            for halves in words {
                if line.contains(&halves.concat()) && !file.ends_with("package-lock.json") {
                    wrong.push(format!("{file}:{}: {}", number + 1, line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn no_code_is_unsafe() {
    let forbids = fs::read_to_string(root().join("Cargo.toml"))
        .is_ok_and(|text| text.lines().any(|line| line.replace(' ', "") == "unsafe_code=\"forbid\""));
    assert!(forbids, "Cargo.toml forbids unsafe code");
}

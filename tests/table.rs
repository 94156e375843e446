//! The command table: what its rows promise each other, the tests, and docs/commands.md.

use damselfly::command::table::{Entry, Flag, Group, Keys, Run, TABLE};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// All rows, subcommands behind their containers.
fn entries() -> impl Iterator<Item = &'static Entry> {
    TABLE.entries().iter().flat_map(|entry| std::iter::once(entry).chain(&entry.subcommands))
}

/// Rows that run: containers only hold others.
fn runnable() -> impl Iterator<Item = &'static Entry> {
    entries().filter(|entry| !matches!(entry.command.run, Run::Container))
}

/// As a client writes it: `CONFIG GET`.
fn spoken(entry: &Entry) -> String {
    entry.full_name.replace('|', " ").to_uppercase()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files under a folder: path and text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        let Ok(files) = fs::read_dir(folder) else { return };
        for file in files {
            let path = file.expect("a folder can be listed").path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source is text");
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    collect(&root().join(folder), &mut found);
    found.sort();
    found
}

#[test]
fn names_are_unique_and_found_in_any_case() {
    let mut seen = BTreeMap::new();
    for entry in entries() {
        assert_eq!(seen.insert(entry.full_name, entry.id), None, "{} stands twice", entry.full_name);
        assert_eq!(entry.command.name, entry.command.name.to_uppercase());
        assert!(entry.id < TABLE.count());
    }
    for entry in TABLE.entries() {
        for name in [entry.command.name.to_owned(), entry.command.name.to_lowercase()] {
            assert_eq!(TABLE.find(name.as_bytes()).map(|found| found.id), Some(entry.id));
        }
    }
    assert!(TABLE.find(b"").is_none() && TABLE.find(b"NOSUCH").is_none());
}

#[test]
fn arity_covers_the_key_positions() {
    for entry in entries() {
        let command = entry.command;
        let least = command.arity.unsigned_abs() as usize;
        let name_words = entry.full_name.split('|').count();
        assert!(least >= name_words, "{}", entry.full_name);
        let reaches = match command.keys {
            Keys::None | Keys::Streams => continue,
            Keys::At(at) | Keys::Counted(at) | Keys::CountedPairs(at) | Keys::FirstAndCounted(at) => at,
            // What is stored need not be.
            Keys::FirstAndStored(_) => 1,
            Keys::Range { first, last, .. } => first.max(usize::try_from(last).unwrap_or(0)),
        };
        assert!(reaches >= name_words, "{}: a key where the name stands", entry.full_name);
        // Shard channels, which are no keys, need not be there.
        let optional = command.flags.has(Flag::PubSub);
        assert!(reaches < least || optional, "{}: a key where no argument need be", entry.full_name);
    }
}

#[test]
fn flags_do_not_contradict_each_other_or_the_way_a_command_runs() {
    for entry in runnable() {
        let (name, command) = (entry.full_name, entry.command);
        let has = |flag| command.flags.has(flag);
        assert!(!(has(Flag::Write) && has(Flag::Read)), "{name} reads and writes");
        // WATCH looks at no value, a script does what it does, and shard channels are no keys.
        if command.keys != Keys::None
            && ![Flag::NotQueued, Flag::MayReplicate, Flag::PubSub].into_iter().any(has)
        {
            assert!(has(Flag::Write) || has(Flag::Read), "{name} has keys and neither reads nor writes");
        }
        assert!(!has(Flag::DenyOom) || has(Flag::Write), "{name} takes memory and does not write");
        match command.run {
            Run::Wait(_) => assert!(has(Flag::Blocking), "{name} may wait"),
            Run::Key(_) => assert!(command.keys != Keys::None, "{name} has no key to go to"),
            _ => {}
        }
        assert!(entry.subcommands.iter().all(|entry| entry.subcommands.is_empty()), "{name}");
    }
}

#[test]
fn every_row_is_documented() {
    for entry in entries() {
        let (name, command) = (entry.full_name, entry.command);
        assert!(command.summary.len() > 10, "{name} has no summary");
        assert!(
            // Redis says nothing of these two.
            matches!(entry.full_name, "monitor" | "lolwut") || !command.complexity.is_empty(),
            "{name} has no complexity"
        );
        let version: Vec<_> = command.since.split('.').filter_map(|part| part.parse::<u8>().ok()).collect();
        assert_eq!(version.len(), 3, "{name}: since {}", command.since);
    }
}

/// The fewest arguments that a notation allows; what is in brackets may be left out.
fn fewest(syntax: &str) -> usize {
    let spaced = ["[", "]", "<", ">", "|"]
        .iter()
        .fold(syntax.to_owned(), |text, sign| text.replace(sign, &format!(" {sign} ")));
    // Open choices: the fewest of the alternatives read so far, and the current one's count.
    let mut open: Vec<(usize, usize)> = vec![(usize::MAX, 0)];
    let mut optional = 0;
    for word in spaced.split_whitespace() {
        match word {
            "[" => optional += 1,
            "]" => optional -= 1,
            _ if optional > 0 => {}
            "<" => open.push((usize::MAX, 0)),
            ">" => {
                let (least, current) = open.pop().expect("choices are closed once");
                open.last_mut().expect("the outermost stays").1 += least.min(current);
            }
            "|" => {
                let last = open.last_mut().expect("the outermost stays");
                *last = (last.0.min(last.1), 0);
            }
            _ => open.last_mut().expect("the outermost stays").1 += 1,
        }
    }
    let (least, current) = open[0];
    least.min(current)
}

#[test]
fn syntax_and_arity_agree() {
    // Redis takes, and ignores, more than it documents (QUIT), or documents less than it takes (DEBUG, CLIENT KILL, CLUSTER SETSLOT).
    const EXCEPT: [&str; 5] = ["quit", "debug", "client|kill", "cluster|setslot", "command"];
    for entry in runnable().filter(|entry| !EXCEPT.contains(&entry.full_name)) {
        let command = entry.command;
        let least = entry.full_name.split('|').count() + fewest(command.syntax);
        assert_eq!(command.arity.unsigned_abs() as usize, least, "{}: {}", entry.full_name, command.syntax);
        let varies = command.syntax.contains('[');
        assert_eq!(command.arity < 0, varies, "{}: {}", entry.full_name, command.syntax);
    }
}

#[test]
fn every_command_has_a_test() {
    let scripts: String = sources("tests/commands").into_iter().map(|(_, text)| text).collect();
    // Commands as scripts have them, behind the session's `>`.
    let commands: Vec<String> = scripts
        .lines()
        .filter_map(|line| line.split_once('>'))
        .map(|(_, command)| command.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase() + " ")
        .collect();
    let missing: Vec<String> = runnable()
        .map(spoken)
        .filter(|name| {
            let name = format!("{name} ");
            !commands.iter().any(|command| command.starts_with(&name))
        })
        .collect();
    assert!(missing.is_empty(), "no script in tests/commands runs {missing:?}");
}

#[test]
fn references_name_commands_that_exist() {
    for (path, text) in sources("src") {
        for (_, rest) in text
            .match_indices("<https://valkey.io/commands/")
            .map(|(at, found)| (at, &text[at + found.len()..]))
        {
            let page = rest.split(['/', '>']).next().unwrap_or_default();
            let exists = entries().any(|entry| entry.full_name.replace('|', "-") == page);
            assert!(exists || page == "NAME", "{}: there is no command for {page}", path.display());
        }
    }
}

/// The methods of `embed` that do what a command does: the first one whose documentation refers to it.
fn methods() -> BTreeMap<String, String> {
    let mut methods = BTreeMap::new();
    for (_, text) in sources("src/embed") {
        let handles = handles(&text);
        let mut receiver = "db".to_owned();
        let mut command: Option<String> = None;
        let mut lines = text.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if let Some((_, page)) = line.split_once("<https://valkey.io/commands/") {
                // The first page is the command; others are said to be like it.
                let page = page.split('/').next().unwrap_or_default().to_owned();
                command = command.or(Some(page));
            } else if let Some(signature) = line.strip_prefix("pub fn ") {
                let mut signature = signature.to_owned();
                while !signature.contains('{') {
                    let Some(next) = lines.next() else { break };
                    signature.push_str(next);
                }
                if let Some(command) = command.take() {
                    methods.entry(command).or_insert_with(|| format!("{receiver}.{}", call(&signature)));
                }
            } else if let Some(named) = line.strip_prefix("impl") {
                let handle = handles.iter().find(|(kind, _)| named.contains(&format!(" {kind}<")));
                receiver = handle.map_or_else(|| "db".to_owned(), |(_, method)| format!("db.{method}(key)"));
            } else if !line.starts_with("///") && !line.starts_with("#[") {
                command = None;
            }
        }
    }
    methods
}

/// The handles on one key that a file's methods give: `pub fn set_of(&self, key: …) -> Set<'_>` is (`Set`, `set_of`).
fn handles(text: &str) -> Vec<(String, String)> {
    let handle = |line: &str| {
        let signature = line.trim().strip_prefix("pub fn ")?;
        let (front, kind) = signature.split_once(" -> ")?;
        let (kind, _) = kind.split_once("<'")?;
        let name = front.split(['(', '<']).next()?;
        (front.contains("key: ") && kind.chars().all(char::is_alphanumeric))
            .then(|| (kind.to_owned(), name.to_owned()))
    };
    text.lines().filter_map(handle).collect()
}

/// A method's signature as a call: `set<K>(&self, key: K, value: V)` is `set(key, value)`.
fn call(signature: &str) -> String {
    let name = signature.split(['(', '<']).next().unwrap_or_default();
    let (mut depth, mut generic, mut inside) = (0, 0, String::new());
    for letter in signature.chars() {
        match letter {
            '<' => generic += 1,
            '>' if !inside.ends_with('-') => generic -= 1,
            '(' if generic == 0 => depth += 1,
            ')' if generic == 0 && depth == 1 => break,
            _ => {}
        }
        if depth > 0 {
            inside.push(if generic > 0 && letter == ',' { ';' } else { letter });
        }
    }
    let parameters: Vec<&str> = inside
        .trim_start_matches('(')
        .split(',')
        .filter_map(|parameter| parameter.split_once(':'))
        .map(|(name, _)| name.trim())
        .collect();
    format!("{name}({})", parameters.join(", "))
}

/// Commands that share a method with another one: that one's name, or the call itself.
const SHARED: &[(&str, &str)] = &[
    ("expire", "pexpire"),
    ("expireat", "pexpireat"),
    ("expiretime", "pexpiretime"),
    ("ttl", "pttl"),
    ("georadius", "geosearch"),
    ("georadius_ro", "geosearch"),
    ("georadiusbymember", "geosearch"),
    ("georadiusbymember_ro", "geosearch"),
    ("substr", "getrange"),
    ("setex", SET_WITH),
    ("psetex", SET_WITH),
    ("setnx", SET_WITH),
    ("sort_ro", "sort"),
    ("zrangebylex", "zrange"),
    ("zrangebyscore", "zrange"),
    ("zremrangebylex", "zremrangebyrank"),
    ("zremrangebyscore", "zremrangebyrank"),
    ("zrevrange", "zrange"),
    ("zrevrangebylex", "zrange"),
    ("zrevrangebyscore", "zrange"),
];
const SET_WITH: &str = "db.set_with(key, value, options)";

const ONE_NODE: &str = "Refused: the emulated cluster stays the one node that it is.";

/// Where an answer or an effect is not Redis', by full name.
const DIFFERS: &[(&str, &str)] = &[
    ("cluster|bumpepoch", ONE_NODE),
    ("cluster|countkeysinslot", "O(N) in all keys."),
    ("cluster|delslots", ONE_NODE),
    ("cluster|delslotsrange", ONE_NODE),
    ("cluster|flushslots", ONE_NODE),
    ("cluster|getkeysinslot", "O(N) in all keys."),
    ("cluster|meet", ONE_NODE),
    ("cluster|reset", ONE_NODE),
    ("cluster|set-config-epoch", ONE_NODE),
    ("cluster|setslot", ONE_NODE),
    ("command|docs", "Arguments carry no versions of their own."),
    ("config|set", "A setting whose feature is not part of this version takes its default only."),
    (
        "debug",
        "What concerns replicas, forks and crashes is refused or changes nothing: [debug.md](debug.md).",
    ),
    (
        "flushall",
        "`ASYNC` and `SYNC` are one: keys are gone at once, their memory is freed in the background.",
    ),
    (
        "flushdb",
        "`ASYNC` and `SYNC` are one: keys are gone at once, their memory is freed in the background.",
    ),
    ("info", "Event loop figures are left out; `used_memory` is what keys, values and client buffers take."),
    ("lastsave", "The time of the start: this version does not save."),
    ("memory|doctor", "Words of our own."),
    ("memory|malloc-stats", "There are none."),
    ("memory|purge", "Does nothing."),
    ("memory|stats", "There is no start-up memory; tables are the overhead."),
    ("memory|usage", "Sizes are known, so `SAMPLES` changes nothing."),
    ("shutdown", "`SAVE` fails unless `FORCE` is given: this version does not save."),
    ("srandmember", "Repeated draws that would outgrow `proto-max-bulk-len` are refused."),
];

fn document() -> String {
    let methods = methods();
    let mut text = String::from(
        "# Commands\n\n\
         <!-- Made from the command table by tests/table.rs; `UPDATE_DOCS=1 cargo test --test table` brings it up to date. -->\n\n\
         Replies and errors are those of Redis 7.2, except where the last column says otherwise. Where there is no method\n\
         of its own, a program calls a command by name: `db.call([\"TIME\"])`.\n",
    );
    let mut groups: Vec<Group> = Vec::new();
    for entry in TABLE.entries() {
        if !groups.contains(&entry.command.group) {
            groups.push(entry.command.group);
        }
    }
    for group in groups {
        let title = group.name();
        let _ = write!(
            text,
            "\n## {}{}\n\n| Command | Arguments | In process | What it does | Since | Differs |\n\
             | --- | --- | --- | --- | --- | --- |\n",
            title[..1].to_uppercase(),
            &title[1..]
        );
        let mut rows: Vec<&Entry> = runnable().filter(|entry| entry.command.group == group).collect();
        rows.sort_by_key(|entry| entry.full_name);
        for entry in rows {
            let command = entry.command;
            let code = |text: &str| match text {
                "" => String::new(),
                text => format!("`{}`", text.replace('|', "\\|")),
            };
            let page = entry.full_name.replace('|', "-");
            let shared = SHARED.iter().find(|(name, _)| *name == page).map(|(_, other)| *other);
            let method = shared.map_or(page.as_str(), |other| other);
            let call =
                methods.get(method).map_or(shared.filter(|other| other.contains('(')), |call| Some(call));
            let differs =
                DIFFERS.iter().find(|(name, _)| *name == entry.full_name).map_or("", |(_, text)| text);
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} |",
                spoken(entry),
                code(command.syntax),
                code(call.unwrap_or_default()),
                command.summary.replace('|', "\\|"),
                command.since,
                differs,
            );
        }
    }
    text
}

#[test]
fn docs_commands_md_is_what_the_table_says() {
    for (name, _) in DIFFERS.iter().chain(SHARED) {
        assert!(entries().any(|entry| entry.full_name == *name), "{name} does not exist");
    }
    let path = root().join("docs/commands.md");
    let text = document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &text).expect("docs/commands.md can be written");
    }
    let stands = fs::read_to_string(&path).unwrap_or_default();
    assert!(stands == text, "docs/commands.md is stale: UPDATE_DOCS=1 cargo test --test table");
}

#[test]
fn signatures_become_calls() {
    assert_eq!(call("get(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>> {"), "get(key)");
    assert_eq!(
        call(
            "mset<K: AsRef<[u8]>, V: AsRef<[u8]>>(&self, pairs: impl IntoIterator<Item = (K, V)>,) -> Result<()> {"
        ),
        "mset(pairs)"
    );
    assert_eq!(call("scan(&self) -> Scan {"), "scan()");
}

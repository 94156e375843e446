//! `COMMAND`: what the server says of its commands, derived from the rows of `table.rs`.

pub(crate) mod access;
mod facts;
mod syntax;

use super::args::Args;
use super::error::CommandError;
use super::table::{Command, Entry, Flag::*, Group, Keys, Run, TABLE, row};
use super::write_help;
use crate::engine::{Reach, Session};
use crate::glob;
use crate::reply::Sink;
use facts::{Find, KeySpec};
use syntax::{Arg, Kind};

/// The family's rows. `COMMAND` is a container that also runs by itself.
pub const COMMANDS: &[Command] = &[Command {
    subcommands: COMMAND,
    ..row("COMMAND", -1, &[Loading, Stale], Keys::None, Run::Session(all)).of(Group::Server, "2.8.13").doc(
        "",
        "Returns detailed information about all commands.",
        "O(N) where N is the total number of commands",
    )
}];

const COMMAND: &[Command] = &[
    row("COUNT", 2, &[Loading, Stale], Keys::None, Run::Session(count)).of(Group::Server, "2.8.13").doc(
        "",
        "Returns a count of commands.",
        "O(1)",
    ),
    row("DOCS", -2, &[Loading, Stale], Keys::None, Run::Session(docs)).of(Group::Server, "7.0.0").doc(
        "[command-name [command-name ...]]",
        "Returns documentary information about one, multiple or all commands.",
        "O(N) where N is the number of commands to look up",
    ),
    row("GETKEYS", -3, &[Loading, Stale], Keys::None, Run::Session(getkeys)).of(Group::Server, "2.8.13").doc(
        "command [arg [arg ...]]",
        "Extracts the key names from an arbitrary command.",
        "O(N) where N is the number of arguments to the command",
    ),
    row("GETKEYSANDFLAGS", -3, &[Loading, Stale], Keys::None, Run::Session(getkeysandflags))
        .of(Group::Server, "7.0.0")
        .doc(
            "command [arg [arg ...]]",
            "Extracts the key names and access flags for an arbitrary command.",
            "O(N) where N is the number of arguments to the command",
        ),
    row("HELP", 2, &[Loading, Stale], Keys::None, Run::Session(help)).of(Group::Server, "5.0.0").doc(
        "",
        "Returns helpful text about the different subcommands.",
        "O(1)",
    ),
    row("INFO", -2, &[Loading, Stale], Keys::None, Run::Session(info)).of(Group::Server, "2.8.13").doc(
        "[command-name [command-name ...]]",
        "Returns information about one, multiple or all commands.",
        "O(N) where N is the number of commands to look up",
    ),
    row("LIST", -2, &[Loading, Stale], Keys::None, Run::Session(list)).of(Group::Server, "7.0.0").doc(
        "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
        "Returns a list of command names.",
        "O(N) where N is the total number of commands",
    ),
];

/// The command of a full name in any case: `get`, `config|get`.
pub(crate) fn find(name: &[u8]) -> Option<&'static Entry> {
    match memchr::memchr(b'|', name) {
        None => TABLE.find(name),
        Some(at) => TABLE.find(name.get(..at)?)?.subcommand(name.get(at + 1..)?),
    }
}

/// All commands, subcommands behind their containers.
pub(crate) fn all_entries() -> impl Iterator<Item = &'static Entry> {
    TABLE.entries().iter().flat_map(|entry| std::iter::once(entry).chain(&entry.subcommands))
}

/// The ACL categories, with the sign that stands in front of them in rules: `@read`.
pub(crate) fn all_categories() -> &'static [&'static str] {
    facts::CATEGORY_ORDER
}

/// The category of this name, sign included, in any case.
pub(crate) fn category(name: &[u8]) -> Option<&'static str> {
    all_categories().iter().copied().find(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

/// The ACL categories of a command.
pub(crate) fn categories(entry: &Entry) -> Vec<&'static str> {
    facts::categories(entry)
}

/// Replies with a description of every command. Reference: <https://valkey.io/commands/command/>
fn all(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let entries: Vec<&Entry> = engine.commands_of(session).collect();
    write_infos(entries.into_iter().map(Some), out);
    Ok(())
}

/// Replies with the number of commands, subcommands not counted. Reference: <https://valkey.io/commands/command-count/>
fn count(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.int(engine.commands_of(session).count() as i64);
    Ok(())
}

/// Replies with descriptions of the commands asked for, null for one that does not exist; of all without an argument.
///
/// Reference: <https://valkey.io/commands/command-info/>
fn info(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let names = args.rest();
    if names.is_empty() {
        return all(session, engine, args, out);
    }
    write_infos(names.iter().map(|name| engine.find_named(session, name)), out);
    Ok(())
}

fn write_infos<'e>(entries: impl ExactSizeIterator<Item = Option<&'e Entry>>, out: &mut dyn Sink) {
    out.array(entries.len());
    for entry in entries {
        match entry {
            Some(entry) => write_info(entry, out),
            None => out.null(),
        }
    }
}

fn write_info(entry: &Entry, out: &mut dyn Sink) {
    let command = entry.command;
    let (first, last, step) = facts::legacy_range(command.keys);
    out.array(10);
    out.bulk(entry.full_name.as_bytes());
    out.int(i64::from(command.arity));
    write_words(&facts::flag_words(command), out);
    out.int(first);
    out.int(last);
    out.int(step);
    write_words(&facts::categories(entry), out);
    let tips = facts::tips(entry);
    out.set(tips.len());
    tips.iter().for_each(|tip| out.bulk(tip.as_bytes()));
    let specs = facts::key_specs(entry);
    out.set(specs.len());
    specs.iter().for_each(|spec| write_key_spec(spec, out));
    out.array(entry.subcommands.len());
    entry.subcommands.iter().for_each(|entry| write_info(entry, out));
}

/// A set of status lines.
fn write_words(words: &[&str], out: &mut dyn Sink) {
    out.set(words.len());
    words.iter().for_each(|word| out.simple(word));
}

fn write_key_spec(spec: &KeySpec, out: &mut dyn Sink) {
    out.map(3 + usize::from(spec.note.is_some()));
    if let Some(note) = spec.note {
        out.bulk(b"notes");
        out.bulk(note.as_bytes());
    }
    out.bulk(b"flags");
    write_words(&spec.uses, out);
    let part = |out: &mut dyn Sink, part: &str, kind: &str, fields: &[(&str, i64)]| {
        out.bulk(part.as_bytes());
        out.map(2);
        out.bulk(b"type");
        out.bulk(kind.as_bytes());
        out.bulk(b"spec");
        out.map(fields.len());
        for (name, value) in fields {
            out.bulk(name.as_bytes());
            out.int(*value);
        }
    };
    match spec.find {
        Find::Range { first, last, step } => {
            part(out, "begin_search", "index", &[("index", first as i64)]);
            let fields = [("lastkey", i64::from(last)), ("keystep", step as i64), ("limit", 0)];
            part(out, "find_keys", "range", &fields);
        }
        Find::Counted(at, step) => {
            part(out, "begin_search", "index", &[("index", at as i64)]);
            let fields = [("keynumidx", 0), ("firstkey", 1), ("keystep", step as i64)];
            part(out, "find_keys", "keynum", &fields);
        }
        Find::Streams(from) | Find::Behind(_, from) => {
            let (word, last, limit) = match spec.find {
                Find::Behind(word, _) => (word, 0, 0),
                _ => ("STREAMS", -1, 2),
            };
            out.bulk(b"begin_search");
            out.map(2);
            out.bulk(b"type");
            out.bulk(b"keyword");
            out.bulk(b"spec");
            out.map(2);
            out.bulk(b"keyword");
            out.bulk(word.as_bytes());
            out.bulk(b"startfrom");
            out.int(from as i64);
            part(out, "find_keys", "range", &[("lastkey", last), ("keystep", 1), ("limit", limit)]);
        }
        Find::Unknown => {
            part(out, "begin_search", "unknown", &[]);
            part(out, "find_keys", "unknown", &[]);
        }
    }
}

/// Replies with a map from names to documentation; unknown names are passed over, and all commands are shown without
/// an argument.
///
/// Reference: <https://valkey.io/commands/command-docs/>
fn docs(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let names = args.rest();
    let entries: Vec<&Entry> = if names.is_empty() {
        engine.commands_of(session).collect()
    } else {
        names.iter().filter_map(|name| engine.find_named(session, name)).collect()
    };
    out.map(entries.len());
    for entry in entries {
        out.bulk(entry.full_name.as_bytes());
        write_docs(entry, out);
    }
    Ok(())
}

fn write_docs(entry: &Entry, out: &mut dyn Sink) {
    let command = entry.command;
    let deprecated = facts::deprecated(entry);
    let history = facts::history(entry);
    let mut arguments = arguments(entry);
    if command.keys == Keys::None {
        // A key that is not looked at, as CLUSTER KEYSLOT's, is but a text.
        arguments.iter_mut().filter(|arg| arg.kind == Kind::Key).for_each(|arg| arg.kind = Kind::Text);
    }
    let system = facts::is_system(entry);
    let optional = [
        system || deprecated.is_some(),
        deprecated.is_some(),
        deprecated.is_some(),
        !history.is_empty(),
        !arguments.is_empty(),
        !entry.subcommands.is_empty(),
    ];
    out.map(
        3 + usize::from(!command.complexity.is_empty()) + optional.iter().filter(|there| **there).count(),
    );
    for (name, text) in [
        ("summary", command.summary),
        ("since", command.since),
        ("group", command.group.name()),
        ("complexity", command.complexity),
    ]
    .into_iter()
    .filter(|(_, text)| !text.is_empty())
    {
        out.bulk(name.as_bytes());
        out.bulk(text.as_bytes());
    }
    if system || deprecated.is_some() {
        out.bulk(b"doc_flags");
        write_words(if system { &["syscmd"] } else { &["deprecated"] }, out);
    }
    if let Some((since, by)) = deprecated {
        out.bulk(b"deprecated_since");
        out.bulk(since.as_bytes());
        out.bulk(b"replaced_by");
        out.bulk(by.as_bytes());
    }
    if !history.is_empty() {
        out.bulk(b"history");
        out.set(history.len());
        for (version, change) in history {
            out.array(2);
            out.bulk(version.as_bytes());
            out.bulk(change.as_bytes());
        }
    }
    if !arguments.is_empty() {
        out.bulk(b"arguments");
        write_arguments(&arguments, &mut KeyCount::of(entry), out);
    }
    if !entry.subcommands.is_empty() {
        out.bulk(b"subcommands");
        out.map(entry.subcommands.len());
        for entry in &entry.subcommands {
            out.bulk(entry.full_name.as_bytes());
            write_docs(entry, out);
        }
    }
}

/// A command's arguments. A few names mean different things to different commands.
fn arguments(entry: &Entry) -> Vec<Arg> {
    let mut arguments = syntax::parse(entry.command.syntax);
    for arg in &mut arguments {
        let is_seconds = arg.name == "timeout" && entry.command.flags.has(Blocking);
        if is_seconds || (arg.name == "increment" && entry.full_name.ends_with("float")) {
            arg.kind = Kind::Double;
        }
    }
    if entry.command.group == Group::Stream {
        stream_arguments(entry.full_name, &mut arguments);
    }
    let mut ends = arguments.iter_mut().filter(|arg| arg.name == "where");
    if let (Some(from), Some(to)) = (ends.next(), ends.next()) {
        from.name = "wherefrom".to_owned();
        to.name = "whereto".to_owned();
    }
    arguments
}

/// The arguments of streams: IDs go by names that are numbers elsewhere, and three commands have groups that the
/// notation does not show.
fn stream_arguments(name: &str, arguments: &mut Vec<Arg>) {
    fn each(arguments: &mut [Arg], f: &mut impl FnMut(&mut Arg)) {
        for arg in arguments {
            f(arg);
            each(&mut arg.args, f);
        }
    }
    each(arguments, &mut |arg| match &*arg.name {
        "start" | "end" => arg.kind = Kind::Text,
        "ms" | "entriesread" | "entries-added" => arg.kind = Kind::Integer,
        "min-idle-time" if name == "xpending" => arg.kind = Kind::Integer,
        _ => {}
    });
    let len = arguments.len();
    match name {
        "xtrim" => syntax::gather(arguments, 1..len, "trim"),
        "xread" => syntax::gather(arguments, len - 2..len, "streams"),
        "xreadgroup" => {
            syntax::gather(arguments, len - 2..len, "streams");
            syntax::gather(arguments, 0..2, "group-block");
        }
        _ => {}
    }
}

/// Which key specification the next key argument belongs to.
struct KeyCount {
    next: usize,
    last: usize,
}

impl KeyCount {
    fn of(entry: &Entry) -> Self {
        let found = facts::key_specs(entry).iter().filter(|spec| spec.find != Find::Unknown).count();
        let all = facts::key_specs(entry).len();
        // SORT's destination belongs to its last specification, though only the command finds it.
        Self { next: 0, last: if found < all { all - 1 } else { found.saturating_sub(1) } }
    }

    fn take(&mut self) -> usize {
        let index = self.next;
        self.next = if self.last > 1 { self.last } else { (index + 1).min(self.last) };
        index
    }
}

fn write_arguments(args: &[Arg], keys: &mut KeyCount, out: &mut dyn Sink) {
    out.array(args.len());
    for arg in args {
        let is_key = arg.kind == Kind::Key;
        let flags: Vec<&str> =
            [(arg.optional, "optional"), (arg.multiple, "multiple"), (arg.multiple_token, "multiple_token")]
                .into_iter()
                .filter_map(|(there, word)| there.then_some(word))
                .collect();
        // A group has arguments where any other argument has a text to display.
        let len = 3 + usize::from(is_key) + usize::from(arg.token.is_some()) + usize::from(!flags.is_empty());
        out.map(len);
        let mut text = |name: &str, value: &str| {
            out.bulk(name.as_bytes());
            out.bulk(value.as_bytes());
        };
        text("name", &arg.name);
        text("type", arg.kind.name());
        if !arg.kind.is_group() {
            text("display_text", &arg.name);
        }
        if is_key {
            out.bulk(b"key_spec_index");
            out.int(keys.take() as i64);
        }
        if let Some(token) = &arg.token {
            out.bulk(b"token");
            out.bulk(token.as_bytes());
        }
        if !flags.is_empty() {
            out.bulk(b"flags");
            write_words(&flags, out);
        }
        if arg.kind.is_group() {
            out.bulk(b"arguments");
            write_arguments(&arg.args, keys, out);
        }
    }
}

/// Replies with the keys of a command as it would be sent. Errors: it is none, has no keys, or does not fit.
///
/// Reference: <https://valkey.io/commands/command-getkeys/>
fn getkeys(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let keys = keys_of(session, engine, args.rest())?;
    out.array(keys.len());
    keys.iter().for_each(|(key, _)| out.bulk(key));
    Ok(())
}

/// The same with how each key is used. Reference: <https://valkey.io/commands/command-getkeysandflags/>
fn getkeysandflags(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let keys = keys_of(session, engine, args.rest())?;
    out.array(keys.len());
    for (key, uses) in &keys {
        out.array(2);
        out.bulk(key);
        write_words(uses, out);
    }
    Ok(())
}

type UsedKey<'a> = (&'a [u8], Vec<&'static str>);

fn keys_of<'a>(
    session: &Session,
    engine: &Reach<'_, '_>,
    argv: &[&'a [u8]],
) -> Result<Vec<UsedKey<'a>>, CommandError> {
    let entry = argv.first().filter(|name| !name.contains(&b'|'));
    let entry = entry.and_then(|name| engine.find_named(session, name)).and_then(|entry| match argv.get(1) {
        Some(name) if !entry.subcommands.is_empty() => entry.subcommand(name),
        _ => Some(entry),
    });
    let entry = entry.ok_or(CommandError::text("ERR Invalid command specified"))?;
    let command = entry.command;
    if !facts::has_keys(command) || facts::names_no_keys(entry) {
        return Err(CommandError::text("ERR The command has no key arguments"));
    }
    if !command.takes(argv.len()) {
        return Err(CommandError::text("ERR Invalid number of arguments specified for command"));
    }
    let keys = used_keys(entry, argv);
    if keys.is_empty() && !command.flags.has(OptionalKeys) {
        return Err(CommandError::text("ERR Invalid arguments specified for command"));
    }
    Ok(keys)
}

/// The keys of a command and how each is used; none where the arguments do not fit.
fn used_keys<'a>(entry: &Entry, argv: &[&'a [u8]]) -> Vec<UsedKey<'a>> {
    let command = entry.command;
    let specs = facts::key_specs(entry);
    let counted_wrong = match command.keys {
        // A count that reaches beyond the arguments is wrong, where routing just takes what is there.
        Keys::Counted(at) | Keys::FirstAndCounted(at) | Keys::CountedPairs(at) => {
            let step = if matches!(command.keys, Keys::CountedPairs(_)) { 2 } else { 1 };
            let count = argv.get(at).and_then(|text| super::args::parse_int(text)).unwrap_or(0);
            usize::try_from(count)
                .map_or(true, |count| count.saturating_mul(step) > argv.len().saturating_sub(at + 1))
        }
        _ => false,
    };
    let mut keys: Vec<UsedKey<'a>> = Vec::new();
    if !counted_wrong {
        for (at, place) in spec_positions(command.keys, &specs, argv).enumerate() {
            let spec = specs.get(at).filter(|spec| spec.find != Find::Unknown).or(specs.first());
            if let (Some(key), Some(spec)) = (argv.get(place), spec) {
                keys.push((key, spec.uses.clone()));
            }
        }
    }
    adjust(entry, argv, &mut keys);
    keys
}

/// Where the keys stand by the specification, which for a word takes the first one of that spelling.
fn spec_positions(keys: Keys, specs: &[KeySpec], argv: &[&[u8]]) -> impl Iterator<Item = usize> + use<> {
    let by_word = specs.iter().find_map(|spec| match spec.find {
        Find::Streams(from) => {
            let words = argv.iter().skip(from);
            Some(
                words
                    .into_iter()
                    .position(|word| word.eq_ignore_ascii_case(b"STREAMS"))
                    .map(|at| from + at + 1),
            )
        }
        _ => None,
    });
    let (range, rest) = match by_word {
        Some(first) => {
            let first = first.unwrap_or(argv.len());
            (first..first + (argv.len() - first) / 2, None)
        }
        None => (0..0, Some(keys.positions(argv))),
    };
    range.chain(rest.into_iter().flatten())
}

/// Two commands use their keys according to their options.
fn adjust<'a>(entry: &Entry, argv: &[&'a [u8]], keys: &mut Vec<UsedKey<'a>>) {
    let options = argv.get(2..).unwrap_or_default();
    match entry.full_name {
        "set" => {
            let reads = options.iter().skip(1).any(|option| option.eq_ignore_ascii_case(b"GET"));
            let uses: &[&str] = if reads { &["RW", "access", "update"] } else { &["OW", "update"] };
            keys.iter_mut().for_each(|(_, key_uses)| *key_uses = uses.to_vec());
        }
        "sort" => {
            // The last STORE is the one that counts, and what follows LIMIT, GET and BY is not one.
            keys.truncate(1);
            let mut store = None;
            let mut at = 0;
            while let Some(option) = options.get(at) {
                let is = |word: &str| option.eq_ignore_ascii_case(word.as_bytes());
                if is("STORE") {
                    store = options.get(at + 1).or(store);
                }
                at += if is("LIMIT") {
                    3
                } else if is("GET") || is("BY") || is("STORE") {
                    2
                } else {
                    1
                };
            }
            keys.extend(store.map(|&key| (key, vec!["OW", "update"])));
        }
        _ => {}
    }
}

/// Replies with the full names of all commands and subcommands, or of those that a filter lets through.
///
/// Reference: <https://valkey.io/commands/command-list/>
fn list(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let words = args.rest();
    let lower: Vec<Vec<u8>> = words.iter().take(2).map(|word| word.to_ascii_lowercase()).collect();
    let lower: Vec<&[u8]> = lower.iter().map(Vec::as_slice).collect();
    let shown: Box<dyn Fn(&Entry) -> bool> = match (lower.as_slice(), words) {
        ([], _) => Box::new(|_| true),
        ([b"filterby", b"module"], [_, _, _]) => Box::new(|_| false),
        ([b"filterby", b"aclcat"], [_, _, category]) => {
            let category = format!("@{}", String::from_utf8_lossy(category).to_ascii_lowercase());
            Box::new(move |entry| facts::categories(entry).contains(&category.as_str()))
        }
        ([b"filterby", b"pattern"], [_, _, pattern]) => {
            Box::new(|entry| glob::matches(pattern, entry.full_name.as_bytes(), true))
        }
        _ => return Err(CommandError::Syntax),
    };
    let all = engine.commands_of(session).flat_map(|entry| std::iter::once(entry).chain(&entry.subcommands));
    let found: Vec<&Entry> = all.filter(|entry| shown(entry)).collect();
    out.array(found.len());
    found.iter().for_each(|entry| out.bulk(entry.full_name.as_bytes()));
    Ok(())
}

/// Reference: <https://valkey.io/commands/command-help/>
fn help(
    _: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    write_help(
        out,
        "COMMAND",
        &[
            "(no subcommand)",
            "    Return details about all Redis commands.",
            "COUNT",
            "    Return the total number of commands in this Redis server.",
            "LIST",
            "    Return a list of all commands in this Redis server.",
            "INFO [<command-name> ...]",
            "    Return details about multiple Redis commands.",
            "    If no command names are given, documentation details for all",
            "    commands are returned.",
            "DOCS [<command-name> ...]",
            "    Return documentation details about multiple Redis commands.",
            "    If no command names are given, documentation details for all",
            "    commands are returned.",
            "GETKEYS <full-command>",
            "    Return the keys from a full Redis command.",
            "GETKEYSANDFLAGS <full-command>",
            "    Return the keys and the access flags from a full Redis command.",
        ],
    );
    Ok(())
}

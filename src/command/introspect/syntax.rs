//! The arguments of a command as a tree, read from the notation of its row.
//!
//! The notation is that of the Redis documentation: `[ ]` may be left out, `a | b` is one of them, `< >` keeps such a
//! choice together, `x [x ...]` may be repeated, `<a | b [...]>` likewise, words in capitals stand for themselves, all others for a value. So
//! `key [LIMIT offset count] [ASC | DESC] [GET pattern [GET pattern ...]]` is four arguments, the second a block.
//!
//! What a value is (a key, a number, a time) follows from its name; the rows keep to one set of names.

/// What an argument is. Redis' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    Token,
    OneOf,
    Block,
}

impl Kind {
    /// Its name in `COMMAND DOCS`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Text => "string",
            Kind::Integer => "integer",
            Kind::Double => "double",
            Kind::Key => "key",
            Kind::Pattern => "pattern",
            Kind::UnixTime => "unix-time",
            Kind::Token => "pure-token",
            Kind::OneOf => "oneof",
            Kind::Block => "block",
        }
    }

    /// Whether it holds other arguments instead of being one.
    pub(super) fn is_group(self) -> bool {
        matches!(self, Kind::OneOf | Kind::Block)
    }

    fn of(name: &str) -> Kind {
        const INTEGERS: &str = "bit client-id cluster-bus-port config-epoch count cursor db decrement destination-db end end-slot frequency idle increment index \
                                index1 index2 len limit maxage milliseconds min-match-len num-matches numfields numkeys \
                                numlocal numreplicas offset port protover rank seconds slot start start-slot stop timeout ttl version";
        const KEYS: &str = "destination destkey key key1 key2 newkey source";
        const PATTERNS: &str = "pattern by-pattern get-pattern";
        let is_in = |names: &str| names.split_whitespace().any(|other| other == name);
        if is_in(INTEGERS) {
            Kind::Integer
        } else if is_in(KEYS) {
            Kind::Key
        } else if is_in(PATTERNS) {
            Kind::Pattern
        } else if name.starts_with("unix-time") {
            Kind::UnixTime
        } else {
            Kind::Text
        }
    }
}

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arg {
    pub name: String,
    pub kind: Kind,
    /// The word in front of it, or that it is.
    pub token: Option<String>,
    pub optional: bool,
    pub multiple: bool,
    /// Whether the word in front of it is repeated as well.
    pub multiple_token: bool,
    /// What a group holds.
    pub args: Vec<Arg>,
}

impl Arg {
    fn value(name: &str) -> Self {
        Self::new(name.to_owned(), Kind::of(name), None, Vec::new())
    }

    fn token(word: &str) -> Self {
        let name = match word {
            "=" => "equal".to_owned(),
            "~" => "approximately".to_owned(),
            "*" => "auto-id".to_owned(),
            "$" => "new-id".to_owned(),
            _ => word.to_ascii_lowercase(),
        };
        Self::new(name, Kind::Token, Some(word.to_owned()), Vec::new())
    }

    fn new(name: String, kind: Kind, token: Option<String>, args: Vec<Arg>) -> Self {
        Self { name, kind, token, optional: false, multiple: false, multiple_token: false, args }
    }
}

/// Reads a row's notation. What does not keep to it is read as far as it goes; a test holds that all rows keep to it.
pub(super) fn parse(syntax: &str) -> Vec<Arg> {
    let mut parser = Parser { pieces: pieces(syntax).into_iter() };
    let mut alternatives = parser.group(None).alternatives;
    // A choice at the top needs no brackets around it.
    if alternatives.len() == 1 { alternatives.remove(0) } else { vec![choice(alternatives)] }
}

/// Words and signs: `[key ...]` is `[`, `key`, `...`, `]`.
fn pieces(syntax: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    for word in syntax.split_whitespace() {
        let mut rest = word;
        while let Some(at) = rest.find(['[', ']', '<', '>', '|']) {
            let (before, from) = rest.split_at(at);
            let (sign, after) = from.split_at(1);
            pieces.extend([before, sign].into_iter().filter(|piece| !piece.is_empty()));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(rest);
        }
    }
    pieces
}

struct Parser<'s> {
    pieces: std::vec::IntoIter<&'s str>,
}

/// What stands between two brackets.
#[derive(Default)]
struct Group {
    alternatives: Vec<Vec<Arg>>,
    /// It ends in `...`.
    repeats: bool,
}

impl Parser<'_> {
    /// Reads up to `close`, or to the end. Nests as deep as the notation of our own rows does.
    fn group(&mut self, close: Option<&str>) -> Group {
        let mut group = Group { alternatives: vec![Vec::new()], repeats: false };
        while let Some(piece) = self.pieces.next() {
            if Some(piece) == close {
                break;
            }
            if piece == "|" {
                group.alternatives.push(Vec::new());
                continue;
            }
            let Some(args) = group.alternatives.last_mut() else { break };
            match piece {
                "..." => group.repeats = true,
                "[" => {
                    let inner = self.group(Some("]"));
                    match inner.alternatives.first() {
                        // `[...]`: what stands around it may be repeated.
                        Some(again) if inner.repeats && again.is_empty() => group.repeats = true,
                        Some(again) if inner.repeats => repeat(args, again),
                        _ => args.push(optional(inner)),
                    }
                }
                "<" => {
                    let inner = self.group(Some(">"));
                    let mut chosen = choice(inner.alternatives);
                    chosen.multiple = inner.repeats;
                    attach(args, chosen);
                }
                word if is_token(word) => args.push(Arg::token(word)),
                word => attach(args, Arg::value(word)),
            }
        }
        group
    }
}

/// A word stands for itself when it has no small letter.
fn is_token(word: &str) -> bool {
    !word.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// Adds an argument, which takes the word in front of it as its own.
fn attach(args: &mut Vec<Arg>, mut arg: Arg) {
    let is_bare_token = |last: &Arg| last.kind == Kind::Token && !last.optional && !last.multiple;
    if let Some(word) = args.pop_if(|last| is_bare_token(last)) {
        if arg.kind.is_group()
            && let Some(word) = &word.token
        {
            arg.name = group_name(Some(word), &arg.args);
        }
        arg.token = word.token;
    }
    args.push(arg);
}

/// Makes the last arguments repeatable: as many as stand before the dots.
fn repeat(args: &mut Vec<Arg>, again: &[Arg]) {
    let from = args.len().saturating_sub(again.len());
    let mut arg = fold(args.split_off(from));
    arg.multiple = true;
    arg.multiple_token = arg.token.is_some() && again.first().is_some_and(|first| first.token.is_some());
    args.push(arg);
}

fn optional(group: Group) -> Arg {
    let mut arg = choice(group.alternatives);
    arg.optional = true;
    arg
}

/// One of several alternatives, or the only one.
fn choice(mut alternatives: Vec<Vec<Arg>>) -> Arg {
    if alternatives.len() == 1 {
        return fold(alternatives.remove(0));
    }
    let args: Vec<Arg> = alternatives.into_iter().map(fold).collect();
    Arg::new(group_name(None, &args), Kind::OneOf, None, args)
}

/// Several arguments as a block, which takes the word that they begin with; a single one as it is.
fn fold(mut args: Vec<Arg>) -> Arg {
    if args.len() == 1 {
        return args.remove(0);
    }
    let token = match args.first_mut() {
        Some(first) if first.kind != Kind::Token && !first.optional => first.token.take(),
        _ => None,
    };
    Arg::new(group_name(token.as_deref(), &args), Kind::Block, token, args)
}

/// Puts some arguments into a block of this name, which takes the word that they begin with: what Redis' documentation
/// shows flat, though it is a group to `COMMAND DOCS`.
pub(super) fn gather(args: &mut Vec<Arg>, range: std::ops::Range<usize>, name: &str) {
    if range.end <= args.len() {
        let at = range.start;
        let mut block = Arg::new(name.to_owned(), Kind::Block, None, args.drain(range).collect());
        block.token = block
            .args
            .first_mut()
            .filter(|first| first.kind != Kind::OneOf)
            .and_then(|first| first.token.take());
        args.insert(at, block);
    }
}

/// The notation does not name groups. Redis' names, as far as they follow from what the groups hold.
fn group_name(token: Option<&str>, args: &[Arg]) -> String {
    if let Some(token) = token {
        return match token {
            "TYPE" => "client-type".to_owned(),
            "GET" | "SET" | "INCRBY" | "OVERFLOW" => token.to_ascii_lowercase() + "-block",
            other => other.to_ascii_lowercase(),
        };
    }
    let first = args.first().and_then(|arg| arg.token.as_deref());
    let last = args.last().and_then(|arg| arg.token.as_deref());
    match first {
        Some("NX") => "condition",
        Some("EX") => "expiration",
        Some("ASYNC") => "flush-type",
        Some("BEFORE" | "LEFT") => "where",
        Some("ASC") => "order",
        Some("ID") => "new-format",
        Some("ON") if args.len() == 3 => "action",
        Some("ON") => "enabled",
        Some("WRITE" | "YES") => "mode",
        Some("TIMEOUT") => "unblock-type",
        Some("LIB-NAME") => "attr",
        Some("NOSAVE") => "save-selector",
        Some("MAXLEN") => "strategy",
        Some("=") => "operator",
        Some("*") => "id-selector",
        _ if last == Some("$") => "id-selector",
        Some("FULL") => "full-block",
        Some("FORCE") => "options",
        Some("HARD") => "reset-type",
        Some("IMPORTING") => "subcommand",
        _ if args.first().is_some_and(|arg| arg.name == "strategy") => "trim",
        _ if args.len() > 2 && args.last().is_some_and(|arg| arg.name == "consumer") => "filters",
        Some("AND" | "GET") => "operation",
        Some("OVERFLOW") => "write",
        Some("SET") => "write-operation",
        Some("BYTE") => "unit",
        _ if args.first().is_some_and(|arg| arg.name == "start" || arg.name == "start-slot") => "range",
        _ if args.first().is_some_and(|arg| arg.name == "end") => "end-unit-block",
        _ if args.iter().any(|arg| arg.name == "new-format") => "filter",
        _ if args.last().is_some_and(|arg| arg.name == "value") => "data",
        _ => "arguments",
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::table::TABLE;

    /// Writes a tree in the notation, to compare with what it was read from.
    fn write(args: &[Arg]) -> String {
        args.iter().map(write_one).collect::<Vec<_>>().join(" ")
    }

    fn write_one(arg: &Arg) -> String {
        let inner = match arg.kind {
            Kind::Token => arg.token.clone().unwrap_or_default(),
            Kind::OneOf => arg.args.iter().map(write_one).collect::<Vec<_>>().join(" | "),
            Kind::Block => write(&arg.args),
            _ => arg.name.clone(),
        };
        let inner = if arg.kind == Kind::OneOf && arg.multiple {
            let text = format!("<{inner} [...]>");
            return if arg.optional { format!("[{text}]") } else { text };
        } else if arg.kind == Kind::OneOf && (!arg.optional || arg.token.is_some()) {
            format!("<{inner}>")
        } else {
            inner
        };
        let mut text = match &arg.token {
            Some(token) if arg.kind != Kind::Token => format!("{token} {inner}"),
            _ => inner.clone(),
        };
        if arg.multiple {
            let again = if arg.multiple_token { &text } else { &inner };
            text = format!("{text} [{again} ...]");
        }
        if arg.optional { format!("[{text}]") } else { text }
    }

    #[test]
    fn every_row_keeps_to_the_notation() {
        for entry in TABLE.entries().iter().flat_map(|entry| [entry].into_iter().chain(&entry.subcommands)) {
            let syntax = entry.command.syntax;
            assert_eq!(write(&parse(syntax)), syntax, "{}", entry.full_name);
        }
    }

    #[test]
    fn the_notation_can_be_read_and_written_again() {
        for syntax in [
            "",
            "key",
            "key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT \
             unix-time-milliseconds | KEEPTTL]",
            "key [BY by-pattern] [LIMIT offset count] [GET get-pattern [GET get-pattern ...]] [ASC | DESC] [ALPHA]",
            "key value [key value ...]",
            "[section [section ...]]",
            "numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
            "[protover [AUTH username password] [SETNAME clientname]]",
            "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
            "<ip:port | <[ID client-id] | [SKIPME <YES | NO>] | [MAXAGE maxage] [...]>>",
            "<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]]",
        ] {
            assert_eq!(write(&parse(syntax)), syntax);
        }
    }

    #[test]
    fn words_become_tokens_and_groups_blocks() {
        let args = parse("key [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC]");
        let kinds: Vec<_> = args.iter().map(|arg| (arg.kind, arg.token.as_deref(), arg.optional)).collect();
        assert_eq!(
            kinds,
            [
                (Kind::Key, None, false),
                (Kind::Block, Some("LIMIT"), true),
                (Kind::Pattern, Some("GET"), true),
                (Kind::OneOf, None, true)
            ]
        );
        assert!(args[2].multiple && args[2].multiple_token);
        assert!(args[1].args.iter().all(|arg| arg.kind == Kind::Integer && arg.token.is_none()));
    }

    #[test]
    fn broken_notation_does_not_panic() {
        for syntax in ["[", "]", "a ]", "[a", "<a |", "[...]", "| |", "[[[[", "a [b ...] ...", "... ..."] {
            let _ = parse(syntax);
        }
    }
}

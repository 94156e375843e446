//! Access control beside real servers: generated rules and what they come to, and users that files bring.
//!
//! Each round draws rules for a user, sets them here and there, and compares the answer, what `ACL GETUSER` shows, and
//! `ACL DRYRUN` of many commands. Redis 7.0 words and orders the rules of commands in its own way, so of it the
//! decisions count; Valkey (`VALKEY_ORACLE`) shows the words of 7.2. `ACL_ROUNDS` (default 150) and `ACL_SEED` as in
//! the differential test.

mod common;
#[path = "generate/random.rs"]
mod random;

use common::oracle::Server;
use common::places::{Local, Remote};
use common::resp::Value;
use damselfly::command::table::TABLE;
use damselfly::config::{Config, ConfigText};
use damselfly::{Damselfly, embed::OpenError};
use random::Random;

type Argv = Vec<Vec<u8>>;

fn argv(line: &str) -> Argv {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// Patterns and names that meet.
const PATTERNS: [&str; 9] = ["a", "b", "a*", "*", "ab?", "[ab]*", "", "x:*", "A"];
const KEYS: [&str; 6] = ["a", "b", "ab", "abc", "x:1", ""];
const CATEGORIES: [&str; 12] = [
    "read",
    "write",
    "fast",
    "slow",
    "admin",
    "dangerous",
    "string",
    "list",
    "keyspace",
    "connection",
    "nope",
    "ALL",
];
/// Commands by which rules name commands, and which are tried. Servers agree on what they are.
const COMMANDS: [&str; 26] = [
    "get",
    "SET",
    "del",
    "lpush",
    "mget",
    "config",
    "config|get",
    "CONFIG|set",
    "config|nope",
    "client",
    "client|kill",
    "client|id",
    "select",
    "select|0",
    "ping",
    "copy",
    "object|encoding",
    "acl",
    "acl|whoami",
    "acl|log",
    "nope",
    "getex",
    "info",
    "info|x",
    "config|get|dir",
    "flushall",
];
const TRIED: [&str; 26] = [
    "GET a",
    "GET ab",
    "SET a v",
    "SET b v GET",
    "SET x:1 v",
    "DEL a b",
    "LPUSH a v",
    "MGET a b ab",
    "MGET b a",
    "CONFIG GET x",
    "CONFIG SET a b",
    "CLIENT ID",
    "CLIENT KILL x",
    "SELECT 0",
    "SELECT 1",
    "PING",
    "COPY a b",
    "COPY b ab",
    "OBJECT ENCODING a",
    "ACL WHOAMI",
    "ACL LOG",
    "GETEX a",
    "INFO x",
    "FLUSHALL",
    "LMPOP 2 a b LEFT",
    "RENAME a x:1",
];

fn rule(random: &mut Random, depth: usize) -> String {
    let pattern = |random: &mut Random| (*random.pick(&PATTERNS)).to_owned();
    match random.below(if depth == 0 { 24 } else { 19 }) {
        0..=3 => format!("+{}", random.pick(&COMMANDS)),
        4..=6 => format!("-{}", random.pick(&COMMANDS)),
        7 | 8 => format!("+@{}", random.pick(&CATEGORIES)),
        9 | 10 => format!("-@{}", random.pick(&CATEGORIES)),
        11 | 12 => format!("~{}", pattern(random)),
        13 | 14 => {
            let letters = *random.pick(&["R", "W", "RW", "r", "wR", "RR", "", "X"]);
            format!("%{letters}{}{}", if random.one_in(8) { "" } else { "~" }, pattern(random))
        }
        15 => format!("&{}", pattern(random)),
        16 => (*random.pick(&["allkeys", "resetkeys", "ALLCHANNELS", "resetchannels"])).to_owned(),
        17 => (*random.pick(&["allcommands", "nocommands", "+@all", "-@all"])).to_owned(),
        18 => (*random.pick(&["allkeys", "", "foo", "+", "-", "@read", "~a\tb", "+get|"])).to_owned(),
        19 => {
            (*random.pick(&["on", "off", "ON", "nopass", "resetpass", "reset", "clearselectors"])).to_owned()
        }
        20 => (*random.pick(&[">p", ">q", "<p", "<q", ">", "#abc", "skip-sanitize-payload"])).to_owned(),
        21 => format!("{}{}", random.pick(&["#", "!"]), "0123456789abcdef".repeat(4)),
        _ => {
            let rules: Vec<String> = (0..random.below(5)).map(|_| rule(random, 1)).collect();
            format!("({}", rules.join(" ")) + if random.one_in(12) { "" } else { ")" }
        }
    }
}

/// A reply without what servers show differently: databases, what is the default, and of the older one the commands.
fn plain(value: &Value, newer: bool) -> String {
    let Value::Array(items) = value else { return value.to_string() };
    let mut text = String::new();
    let mut items = items.iter();
    while let Some(item) = items.next() {
        match item {
            Value::Bulk(word) if word == b"databases" => {
                items.next();
            }
            Value::Bulk(word) if word == b"commands" && !newer => {
                items.next();
            }
            Value::Bulk(word) if word == b"sanitize-payload" => {}
            Value::Bulk(word) if word == b"skip-sanitize-payload" && newer => {}
            Value::Array(_) => text += &format!("[{}] ", plain(item, newer)),
            other => text += &format!("{other} "),
        }
    }
    text
}

/// What stands against a command, however it is worded.
fn objection(value: &Value) -> String {
    let text = value.to_string();
    let text = text.replace(" or its subcommand", "").to_lowercase();
    text.split(" has no permissions ").last().unwrap_or_default().to_owned()
}

#[test]
fn rules_come_to_what_they_come_to_in_real_servers() {
    let mut theirs: Vec<(bool, Server)> = Vec::new();
    theirs.extend(Server::start("redis-server", &[]).map(|server| (false, server)));
    if let Ok(program) = std::env::var("VALKEY_ORACLE")
        && !program.contains(':')
    {
        theirs.extend(Server::start(&program, &[]).map(|server| (true, server)));
    }
    if theirs.is_empty() {
        println!("skipped: there is no redis-server to compare with");
        return;
    }
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("ACL_SEED").unwrap_or_else(Random::seed);
    println!("ACL_SEED={seed}");
    let mut ours = Local::new(1);
    let mut places: Vec<(bool, Remote)> =
        theirs.iter().map(|(newer, server)| (*newer, Remote::new("oracle", server.addr()))).collect();
    for round in 0..number("ACL_ROUNDS").unwrap_or(150) {
        let mut random = Random::new(seed.wrapping_add(round));
        let mut history: Vec<String> = Vec::new();
        let mut both = |words: Argv, compare: &dyn Fn(&Value, bool) -> String| {
            let mine = ours.ask("", &words).expect("a reply");
            let shown: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
            history.push(format!("{shown:?}"));
            for (newer, place) in &mut places {
                let other = place.ask("", &words).expect("a reply");
                assert_eq!(
                    compare(&mine, *newer),
                    compare(&other, *newer),
                    "ACL_SEED={} (newer: {newer})\nours {mine}\ntheirs {other}\n{}",
                    seed.wrapping_add(round),
                    history.join("\n")
                );
            }
        };
        both(argv("ACL SETUSER u reset"), &|value, _| value.to_string());
        for _ in 0..1 + random.below(6) {
            let mut words = argv("ACL SETUSER u");
            for _ in 0..1 + random.below(5) {
                let rule = rule(&mut random, 0);
                // A selector may come in pieces.
                if random.one_in(3) {
                    words.extend(rule.split(' ').map(|word| word.as_bytes().to_vec()));
                } else {
                    words.push(rule.clone().into_bytes());
                }
                // Redis 7.0 begins anew where one that is not closed is followed by another.
                if rule.starts_with('(') && !rule.ends_with(')') {
                    break;
                }
            }
            both(words, &|value, _| value.to_string());
            both(argv("ACL GETUSER u"), &plain);
        }
        for command in TRIED {
            both([argv("ACL DRYRUN u"), argv(command)].concat(), &|value, _| objection(value));
        }
        for key in KEYS {
            both([argv("ACL DRYRUN u GET"), vec![key.as_bytes().to_vec()]].concat(), &|value, _| {
                objection(value)
            });
        }
    }
}

#[test]
fn categories_hold_the_commands_that_they_hold_in_redis() {
    let Some(server) = Server::start("redis-server", &[]) else { return };
    let (mut ours, mut theirs) = (Local::new(1), Remote::new("redis", server.addr()));
    let list = |value: Value| match value {
        Value::Array(items) => items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>(),
        other => panic!("{other}"),
    };
    let both_know = list(theirs.ask("", &argv("COMMAND LIST")).expect("a reply"));
    let mut compared = 0;
    for category in list(ours.ask("", &argv("ACL CAT")).expect("a reply")) {
        let ask = argv(&format!("ACL CAT {}", category.trim_matches('"')));
        let mine = list(ours.ask("", &ask).expect("a reply"));
        let other = list(theirs.ask("", &ask).expect("a reply"));
        for name in &mine {
            assert!(!both_know.contains(name) || other.contains(name), "{name} is not in {category}");
        }
        for name in &other {
            let known = TABLE.find(name.trim_matches('"').as_bytes()).is_some();
            assert!(!known || mine.contains(name), "{name} is in {category}");
            compared += 1;
        }
    }
    assert!(compared > 100);
}

fn config(text: &str) -> Config {
    let file = ConfigText { name: "a.conf".into(), path: None, bytes: text.as_bytes().to_vec() };
    Config::from_sources(&[], [], Some(&file)).expect("settings that are right").shards(1)
}

fn refused(config: Config) -> String {
    match Damselfly::open(config) {
        Err(OpenError::Config(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

fn list(db: &Damselfly) -> Vec<String> {
    let lines = db.call(["ACL", "LIST"]).expect("it lists");
    let damselfly::reply::Reply::Array(lines) = lines else { panic!("{lines:?}") };
    lines.iter().map(|line| String::from_utf8_lossy(line.as_bytes().expect("a line")).into_owned()).collect()
}

#[test]
fn users_come_from_the_configuration_file() {
    let db = Damselfly::open(config(
        "requirepass x\nuser ada on nopass ~a* +@all (~b +get)\nUSER 'bob' off\nuser default on >y +@all\n",
    ))
    .expect("a good configuration");
    let hash = "a1fce4363854ff888cff4b8e7875d600c2682390412a8cf79b37d0b11148b0fa";
    assert_eq!(
        list(&db),
        [
            "user ada on nopass sanitize-payload ~a* resetchannels +@all (~b resetchannels -@all +get)"
                .to_owned(),
            "user bob off sanitize-payload resetchannels -@all".to_owned(),
            format!("user default on sanitize-payload #{hash} resetchannels +@all"),
        ]
    );
    for (text, error) in [
        ("user ada +nope", "a.conf:1: user 'ada', rule '+nope': Unknown command or category name in ACL"),
        (
            "\nuser ada #secret",
            "a.conf:2: user 'ada', rule '…': The password hash must be exactly 64 characters",
        ),
        ("user ada\nuser ada", "a.conf:2: the user 'ada' is defined twice"),
        ("user", "a.conf:1: a user needs a name"),
        ("user ada (+get", "a.conf:1: Unmatched parenthesis in acl selector starting at '(+get'."),
        ("user 'a b'", "a.conf:1: Usernames can't contain spaces or null characters"),
        ("user a\naclfile x", "a.conf:1: users are defined here and in the aclfile"),
    ] {
        assert!(refused(config(text)).starts_with(error), "{text}: {}", refused(config(text)));
    }
}

#[test]
fn users_come_from_the_acl_file_and_go_back_to_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("users.acl");
    let name = path.display().to_string();
    let written = config(&format!("aclfile {name}\nrequirepass x\n"));
    assert!(
        refused(written.clone())
            .ends_with(&format!("Error loading ACLs, opening file '{name}': No such file or directory"))
    );
    std::fs::write(&path, "\n  user ada on nopass  ~a (%R~b  +get) \r\n").expect("written");
    let db = Damselfly::open(written.clone()).expect("a good configuration");
    // A file that does not name the default user makes it what it is at first, whatever requirepass says.
    let ada = "user ada on nopass sanitize-payload ~a resetchannels -@all (%R~b resetchannels -@all +get)";
    let default = "user default on nopass sanitize-payload ~* &* +@all";
    assert_eq!(list(&db), [ada, default]);
    db.call(["ACL", "SETUSER", "bob", "on", ">p", "+set"]).expect("set");
    db.call(["ACL", "SAVE"]).expect("saved");
    let hash = "148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940";
    let bob = format!("user bob on sanitize-payload #{hash} resetchannels -@all +set");
    let text = std::fs::read_to_string(&path).expect("there");
    assert_eq!(text, format!("{ada}\n{bob}\n{default}\n"));
    assert_eq!(list(&Damselfly::open(written).expect("what it wrote")), [ada, &bob, default]);

    // Users of a file that is loaded again are other users: whoever was one of the old ones has to go.
    let (mut as_ada, mut as_default) = (db.session(), db.session());
    as_ada.call(["AUTH", "ada", "x"]).expect("no password is asked for");
    db.call(["ACL", "LOAD"]).expect("loaded");
    assert!(as_ada.call(["PING"]).is_err());
    as_default.call(["PING"]).expect("the default user stays who it is");

    std::fs::write(&path, "user ada +nope +nope2 ~* ~a\nada\nuser bob\nuser bob\nuser c (+get\n")
        .expect("written");
    let error = db.call(["ACL", "LOAD"]).expect_err("nonsense").to_string();
    assert_eq!(
        error,
        format!(
            "ERR {name}:1: Error in applying operation '+nope': Unknown command or category name in ACL. \
             {name}:1: Error in applying operation '+nope2': Unknown command or category name in ACL. \
             {name}:1: Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any \
             effect. Try 'resetkeys' to start with an empty list of patterns. \
             {name}:2 should start with user keyword followed by the username. \
             WARNING: Duplicate user 'bob' found on line 4. \
             {name}:5: Unmatched parenthesis in selector definition.\
             WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
        )
    );
    assert_eq!(list(&db), [ada, &bob, default]);
}

#[test]
fn a_rewritten_configuration_file_has_the_users_that_there_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.conf");
    std::fs::write(&path, "user ada on\n# mine\nuser bob on\nshards 1\n").expect("written");
    let open = || {
        let text = ConfigText::open(&path).expect("there");
        Damselfly::open(Config::from_sources(&[], [], Some(&text)).expect("right")).expect("right")
    };
    let db = open();
    db.call([&b"ACL"[..], b"SETUSER", b"ada", b"~\xff\"x", b"~it's", b"(+get ~a)"]).expect("set");
    db.call(["ACL", "DELUSER", "bob"]).expect("deleted");
    db.call(["CONFIG", "REWRITE"]).expect("rewritten");
    let text = std::fs::read_to_string(&path).expect("text");
    assert_eq!(
        text,
        "user ada on sanitize-payload \"~\\xff\\\"x\" \"~it's\" resetchannels -@all (~a resetchannels -@all +get)\n\
         # mine\nuser default on nopass sanitize-payload ~* &* +@all\nshards 1\n"
    );
    assert_eq!(list(&open()), list(&db));
    db.call(["ACL", "SETUSER", "eve"]).expect("set");
    db.call(["CONFIG", "REWRITE"]).expect("rewritten");
    assert_eq!(list(&open()), list(&db));
}

#[test]
fn whoever_calls_from_inside_may_do_everything() {
    let db = Damselfly::open(config("user default off\n")).expect("a good configuration");
    db.set("k", "v").expect("allowed");
    db.call(["FLUSHALL"]).expect("allowed");
    let mut session = db.session();
    session.call(["PING"]).expect("allowed");
    db.call(["ACL", "SETUSER", "u", "on", "nopass", "+get", "~k"]).expect("set");
    session.call(["AUTH", "u", "x"]).expect("no password is asked for");
    session.call(["GET", "k"]).expect("allowed");
    assert!(session.call(["SET", "k", "v"]).is_err(), "a session may choose to be somebody");
}

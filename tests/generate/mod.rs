//! Commands made from the command table.

mod bitmap;
mod geo;
mod hyperloglog;
mod random;
mod stream;
mod syntax;
mod zset;

pub use random::Random;
use syntax::Node;

use damselfly::command::table::{Command, Entry, Flag, Group, Keys, Run, TABLE};

type Argument = Vec<u8>;
type Argv = Vec<Argument>;

/// Commands that end the session or the server, or whose point is that they differ from place to place.
const LEFT_OUT: &[&str] = &[
    "ACL",
    "AUTH",
    "BGREWRITEAOF",
    "BGSAVE",
    "CLIENT",
    "COMMAND",
    "CONFIG",
    "DEBUG",
    "DISCARD",
    "EVAL",
    "EVALSHA",
    "EVALSHA_RO",
    "EVAL_RO",
    "EXEC",
    "FAILOVER",
    "FCALL",
    "FCALL_RO",
    "FUNCTION",
    "HELLO",
    "INFO",
    "LASTSAVE",
    "LATENCY",
    "LOLWUT",
    "MEMORY",
    "MIGRATE",
    "MODULE",
    "MONITOR",
    "MULTI",
    "PFSELFTEST",
    "PSUBSCRIBE",
    "PSYNC",
    "PUNSUBSCRIBE",
    "QUIT",
    "REPLICAOF",
    "RESET",
    "RESTORE",
    "ROLE",
    "SAVE",
    "SCRIPT",
    "SHUTDOWN",
    "SLAVEOF",
    "SLOWLOG",
    "SSUBSCRIBE",
    "SUBSCRIBE",
    "SUNSUBSCRIBE",
    "SYNC",
    "TIME",
    "UNSUBSCRIBE",
    "WAIT",
    "WAITAOF",
];

const KEYS: &[&[u8]] =
    &[b"a", b"b", b"c", b"d", b"{t}1", b"{t}2", b"list1", b"list2", b"s1", b"s2", b"", b"\x00\xff\r\n"];

/// Makes scripts.
pub struct Generator {
    commands: Vec<Made>,
}

/// A command and what its syntax says.
struct Made {
    words: Vec<&'static str>,
    command: &'static Command,
    syntax: Vec<Node>,
    /// How often it is chosen.
    weight: usize,
}

impl Generator {
    /// Of all commands, or of one family's and those on keys.
    pub fn of(family: Option<&str>) -> Self {
        let mut commands = Vec::new();
        // What Redis never had is for those who compare with Valkey, too.
        let newer = std::env::var_os("VALKEY_ORACLE").is_some();
        let wanted =
            |group: Group| family.is_none_or(|family| group.name() == family || group == Group::Generic);
        for entry in TABLE.entries().iter().filter(|entry| {
            !LEFT_OUT.contains(&entry.command.name)
                && (newer || !entry.command.since.starts_with("9."))
                && wanted(entry.command.group)
        }) {
            add(&mut commands, entry, &[]);
        }
        Self { commands }
    }

    /// A script of commands.
    pub fn script(&self, random: &mut Random) -> Vec<Argv> {
        let len = 10 + random.below(70);
        // A script keeps to a few commands, so that they meet.
        let few: Vec<&Made> = (0..4 + random.below(12)).map(|_| self.choose(random)).collect();
        let mut script: Vec<Argv> = (0..len)
            .map(|_| {
                let made = if random.one_in(4) { self.choose(random) } else { *random.pick(&few) };
                made.argv(random)
            })
            .collect();
        // Redis' SORT takes the ERANGE that strtod() left behind for anyone earlier for one of its own.
        let out_of_range = |arg: &Vec<u8>| arg.ends_with(b"1e400") || arg.ends_with(b"1e-400");
        if script.iter().flatten().any(out_of_range) {
            script.retain(|argv| {
                !argv.first().is_some_and(|name| name.to_ascii_uppercase().starts_with(b"SORT"))
            });
        }
        script
    }

    /// The full names of its commands.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.commands.iter().map(|made| made.words.join("|").to_ascii_lowercase())
    }

    fn choose(&self, random: &mut Random) -> &Made {
        let total = self.commands.iter().map(|made| made.weight).sum();
        let mut at = random.below(total);
        for made in &self.commands {
            if at < made.weight {
                return made;
            }
            at -= made.weight;
        }
        &self.commands[0]
    }
}

fn add(commands: &mut Vec<Made>, entry: &'static Entry, container: &[&'static str]) {
    let mut words = container.to_vec();
    words.push(entry.command.name);
    if matches!(entry.command.run, Run::Container) {
        for sub in &entry.subcommands {
            add(commands, sub, &words);
        }
        return;
    }
    let command = entry.command;
    let weight = match (command.name, command.group) {
        ("FLUSHALL" | "FLUSHDB" | "SWAPDB", _) => 1,
        ("SELECT", _) => 2,
        (_, Group::Server | Group::Connection) => 3,
        _ if command.flags.has(Flag::Blocking) => 4,
        _ => 10,
    };
    commands.push(Made { words, command, syntax: syntax::parse(command.syntax), weight });
}

impl Made {
    fn argv(&self, random: &mut Random) -> Argv {
        let mut argv: Argv = self.words.iter().map(|word| spell(word, random)).collect();
        let first = argv.len();
        if self.command.group == Group::Bitmap {
            argv.extend(bitmap::arguments(self.command.name, random));
        } else if self.command.group == Group::HyperLogLog {
            argv.extend(hyperloglog::arguments(self.command.name, random));
        } else {
            fill(&self.syntax, self.command.group, &mut argv, random);
        }
        if self.command.name == "HSETEX"
            && let Some(at) = argv.iter().position(|word| word.eq_ignore_ascii_case(b"FIELDS"))
        {
            // Its `numfields` counts pairs.
            argv[at + 1] = ((argv.len() - at - 2) / 2).to_string().into_bytes();
        }
        if self.command.group == Group::Geo {
            geo::fit(&mut argv, random);
        }
        if self.command.group == Group::SortedSet {
            zset::fit(&mut argv, random);
        }
        if let Keys::Counted(at) | Keys::FirstAndCounted(at) = self.command.keys
            && random.one_in(8)
            && argv.len() > at
        {
            argv[at] = number(random);
        }
        if random.one_in(20) && argv.len() > first {
            let at = first + random.below(argv.len() - first);
            argv[at] = odd(random);
        }
        if random.one_in(40) {
            argv.push(odd(random));
        }
        if random.one_in(40) && argv.len() > first {
            argv.remove(first + random.below(argv.len() - first));
        }
        stream::repair(self, &mut argv, random);
        // Nobody serves these scripts, so a wait has to end by itself.
        if self.command.flags.has(Flag::Blocking) && self.command.group != Group::Stream {
            let last = argv.len() - 1;
            for (at, arg) in argv.iter_mut().enumerate().skip(first) {
                let number = std::str::from_utf8(arg).ok().and_then(|text| text.parse::<f64>().ok());
                let for_ever = number.is_some_and(|number| number.abs() < 0.001);
                // A timeout stands first or last.
                let long =
                    (at == first || at == last) && number.is_some_and(|number| number > 0.1 && number < 1e12);
                if for_ever || long {
                    *arg = b"0.01".to_vec();
                }
            }
        }
        // Redis draws as often as it is told to, and would fill the machine's memory.
        if self.command.name.contains("RAND") {
            for arg in &mut argv {
                let number = std::str::from_utf8(arg).ok().and_then(|text| text.parse::<i64>().ok());
                if number.is_some_and(|number| (-i64::MAX..-1000).contains(&number)) {
                    *arg = b"-20".to_vec();
                }
            }
        }
        // Chance takes other members here than there, unless it takes them all.
        if self.command.name == "SPOP" {
            argv.truncate(3);
            let count = one_of(random, &["1000", "1000", "9223372036854775807", "0", "-1", "x"]);
            match argv.get_mut(2) {
                Some(arg) => *arg = count,
                None => argv.push(count),
            }
        }
        // Elements of equal weight have no order that could be compared, so what is stored is sorted by itself.
        let find =
            |argv: &Argv, word: &[u8]| argv.iter().skip(2).position(|arg| arg.eq_ignore_ascii_case(word));
        if self.command.name == "SORT"
            && find(&argv, b"STORE").is_some()
            && let Some(at) = find(&argv, b"BY")
        {
            argv.drain(at + 2..argv.len().min(at + 4));
        }
        // A life that ends within the script would end here before it ends there, or after.
        for at in 1..argv.len() {
            let means_life =
                |word: &Argument| ["EX", "PX"].iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()));
            let stands_third = at == 2 && LIVES.contains(&self.command.name);
            let number = std::str::from_utf8(&argv[at]).ok().and_then(|text| text.parse::<u32>().ok());
            if (stands_third || means_life(&argv[at - 1]))
                && number.is_some_and(|number| (1..60_000).contains(&number))
            {
                argv[at] = b"60000".to_vec();
            }
        }
        argv
    }
}

/// Commands whose third word is a time to live.
const LIVES: &[&str] = &["EXPIRE", "PEXPIRE", "SETEX", "PSETEX", "HEXPIRE", "HPEXPIRE"];

/// A word, in capitals mostly.
fn spell(word: &str, random: &mut Random) -> Vec<u8> {
    match random.below(10) {
        0 => word.to_ascii_lowercase().into_bytes(),
        1 => {
            word.bytes().map(|byte| if random.one_in(2) { byte.to_ascii_lowercase() } else { byte }).collect()
        }
        _ => word.as_bytes().to_vec(),
    }
}

fn fill(nodes: &[Node], group: Group, argv: &mut Argv, random: &mut Random) {
    // `numkeys` or `numfields` is what follows, so it is filled in once that is there.
    let mut counted = None;
    for node in nodes {
        match node {
            Node::Word(word) => argv.push(spell(word, random)),
            Node::Argument(name) if name == "numkeys" || name == "numfields" => {
                counted = Some(argv.len());
                argv.push(Vec::new());
            }
            Node::Argument(name) => argv.push(argument(name, group, random)),
            Node::Optional(nodes) => {
                if random.one_in(3) {
                    fill(nodes, group, argv, random);
                }
            }
            Node::Repeated(nodes) => {
                for _ in 0..[0, 0, 0, 1, 1, 2, 3, 9][random.below(8)] {
                    fill(nodes, group, argv, random);
                }
            }
            Node::Choice(choices) => fill(&choices[random.below(choices.len())], group, argv, random),
        }
        if let Some(at) = counted
            && argv.len() > at + 1
            && !matches!(node, Node::Argument(_))
        {
            argv[at] = (argv.len() - at - 1).to_string().into_bytes();
            counted = None;
        }
    }
    if let Some(at) = counted {
        argv[at] = (argv.len() - at - 1).to_string().into_bytes();
    }
}

/// What may stand for a name in a syntax.
fn argument(name: &str, group: Group, random: &mut Random) -> Vec<u8> {
    if group == Group::Stream
        && let Some(argument) = stream::argument(name, random)
    {
        return argument;
    }
    if group == Group::Geo
        && let Some(argument) = geo::argument(name, random)
    {
        return argument;
    }
    match name {
        "key" | "key1" | "key2" | "newkey" | "source" | "destination" | "srckey" | "dstkey" | "src"
        | "dst" => key(random),
        "score" | "weight" => zset::score(random),
        "min" | "max" => zset::bound(random),
        "seconds" => one_of(random, &["100", "1000", "10000", "9999999", "0", "-1", "9223372036854775807"]),
        "milliseconds" => {
            one_of(random, &["100000", "1000000", "99999999999", "0", "-1", "9223372036854775807"])
        }
        "unix-time-seconds" => {
            one_of(random, &["99999999999", "9999999999", "1", "0", "-1", "9223372036854775"])
        }
        "unix-time-milliseconds" => {
            one_of(random, &["99999999999999", "9999999999999", "1", "0", "-1", "9223372036854775807"])
        }
        "timeout" => one_of(random, &["0.01", "0.02", "0.001", "1e-3", "-1", "x", "inf", "nan"]),
        "increment" | "decrement" => match random.below(3) {
            0 => one_of(random, &["1.5", "-0.1", "3e2", "1e400", "inf", "0x1p3", "1e-10", "5.0"]),
            _ => number(random),
        },
        "offset" => {
            one_of(random, &["0", "1", "2", "5", "20", "100", "-1", "536870912", "9223372036854775807"])
        }
        "index" | "start" | "stop" | "end" | "count" | "rank" | "len" | "num-matches" | "min-match-len"
        | "limit" => number(random),
        "db" | "index1" | "index2" | "destination-db" => {
            one_of(random, &["0", "0", "0", "1", "2", "99", "-1"])
        }
        "cursor" => one_of(random, &["0", "0", "0", "1", "17", "-1", "x", "18446744073709551615"]),
        "pattern" => {
            one_of(random, &["*", "a*", "?", "[a-c]", "list*", "[^a]", "\\*", "{t}[12]", "", "#", "a*->x"])
        }
        "by-pattern" | "get-pattern" => {
            one_of(random, &["*", "*", "#", "{t}*", "list*", "*->x", "*->1", "x*", "*->", "->*", "**"])
        }
        "type" => one_of(random, &["string", "list", "hash", "set", "zset", "stream", "STRING", "none"]),
        "field" => field(random),
        "pivot" | "element" | "member" if random.one_in(2) => small(random),
        _ => value(random),
    }
}

fn one_of(random: &mut Random, texts: &[&str]) -> Vec<u8> {
    random.pick(texts).as_bytes().to_vec()
}

fn key(random: &mut Random) -> Vec<u8> {
    let most = if random.one_in(12) { KEYS.len() } else { 4 };
    KEYS[random.below(most)].to_vec()
}

fn number(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0 => one_of(
            random,
            &["9223372036854775807", "-9223372036854775808", "2147483648", "4294967296", "-2147483649"],
        ),
        1 => one_of(random, &["01", "+1", " 1", "1 ", "", "x", "1.0", "9223372036854775808", "-0"]),
        2 => one_of(random, &["10", "50", "100", "-100"]),
        _ => one_of(random, &["0", "1", "2", "3", "-1", "-2", "-3", "5"]),
    }
}

/// Mostly one of a few, so that they meet.
fn field(random: &mut Random) -> Vec<u8> {
    match random.below(20) {
        0 => value(random),
        1 => key(random),
        _ => one_of(random, &["f", "g", "h", "1", "2", "007"]),
    }
}

fn small(random: &mut Random) -> Vec<u8> {
    one_of(random, &["x", "y", "z", "1", "2", "a", "b"])
}

fn value(random: &mut Random) -> Vec<u8> {
    match random.below(16) {
        0 => Vec::new(),
        1 => vec![b'v'; *random.pick(&[44, 45, 63, 64, 65, 200, 255, 256, 4096, 9000])],
        2 => b"\x00\x01\xfe\xff\r\n".to_vec(),
        3 => b"3.25".to_vec(),
        4 => b"ohmytext".to_vec(),
        5 => b"mynewtext".to_vec(),
        6..=9 => number(random),
        _ => small(random),
    }
}

/// Something that hardly fits.
fn odd(random: &mut Random) -> Vec<u8> {
    match random.below(4) {
        0 => number(random),
        1 => value(random),
        2 => key(random),
        _ => one_of(
            random,
            &[
                "EX", "NX", "GET", "KEEPTTL", "PERSIST", "LEFT", "COUNT", "ANY", "LIMIT", "REPLACE", "DB",
                "-", "*",
            ],
        ),
    }
}

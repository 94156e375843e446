//! What the text of a setting may be: kinds, ranges, and the exact words of a refusal.
//!
//! Owns the way from text to a checked value and back; knows no setting by name.
//!
//! **Invariant:** `parse(show(value)) == value` for every value that passed its kind's check.

use std::fmt;

/// A checked value in the form it is kept in: numbers (also switches, choices, sizes) apart from texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Number(i64),
    Text(String),
}

impl Value {
    pub(super) fn number(&self) -> i64 {
        match self {
            Value::Number(number) => *number,
            Value::Text(_) => 0,
        }
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Value::Text(text) => text,
            Value::Number(_) => "",
        }
    }
}

/// What a setting's text may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// `yes` or `no`.
    YesNo,
    /// A whole number from `.0` to `.1`.
    Int(i64, i64),
    /// Any whole number from zero on, drawn into `.0` to `.1`.
    Clamped(i64, i64),
    /// Zero or a power of two up to `.0`.
    PowerOfTwo(i64),
    /// Bytes from `.0` to `.1`: `100`, `1k` (1000), `1kb` (1024), `1m`, `1mb`, `1g`, `1gb`.
    Memory(i64, i64),
    /// Bytes, or a share of `maxmemory`, from `1%` to `100%`, which is kept as a negative number.
    MemoryOrShare,
    /// An octal number from zero to `.0`.
    Octal(i64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any text.
    Text,
    /// A directory that exists.
    Directory,
    /// Words separated by spaces, at most sixteen.
    List,
    /// `seconds changes`, repeated.
    SaveRules,
    /// Classes of keyspace events, a letter each.
    Events,
    /// `class hard soft seconds`, repeated.
    OutputLimits,
    /// A name and its new name, which may be empty; each further pair is added.
    Renames,
    /// Any number of words.
    Words,
}

/// Why a text is no value for its setting; the words are Redis'.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueError {
    /// Not a number in its plainest form.
    NotAnInteger,
    /// Not a size.
    NotMemory,
    /// Neither a size nor a share.
    NotMemoryOrShare,
    /// Not an octal number.
    NotOctal,
    /// Neither `yes` nor `no`.
    NotYesNo,
    /// Outside `.0` to `.1`.
    OutOfRange(i64, i64),
    /// Outside zero to `.0`, in octal.
    OutOfOctalRange(i64),
    /// Not zero nor a power of two up to `.0`.
    NotPowerOfTwo(i64),
    /// None of these words.
    NotOneOf(&'static [&'static str]),
    /// More than sixteen words.
    TooManyAddresses,
    /// A letter that names no class of events.
    EventClass,
    /// Rules of seconds and changes are none.
    SaveParameters,
    /// Limits come in fours.
    LimitsCount,
    /// A class of clients that has no limits.
    LimitsClass,
    /// A limit that is no size or no number of seconds.
    LimitsNumber,
    /// Not a directory.
    NotADirectory,
    /// Not UTF-8, or holding a NUL.
    NotText,
    /// Several words where one is wanted, or none.
    WrongNumberOfArguments,
}

impl fmt::Display for ValueError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnInteger => out.write_str("argument couldn't be parsed into an integer"),
            Self::NotMemory => out.write_str("argument must be a memory value"),
            Self::NotMemoryOrShare => out.write_str("argument must be a memory or percent value"),
            Self::NotOctal => out.write_str("argument couldn't be parsed as an octal number"),
            Self::NotYesNo => out.write_str("argument must be 'yes' or 'no'"),
            Self::OutOfRange(min, max) => write!(out, "argument must be between {min} and {max} inclusive"),
            Self::OutOfOctalRange(max) => write!(out, "argument must be between 0 and {max:o} inclusive"),
            Self::NotPowerOfTwo(max) => write!(out, "argument must be 0 or a power of two up to {max}"),
            Self::NotOneOf(words) => {
                write!(out, "argument(s) must be one of the following: {}", words.join(", "))
            }
            Self::TooManyAddresses => out.write_str("Too many bind addresses specified."),
            Self::EventClass => {
                write!(out, "Invalid event class character. Use 'A{EVERY_EVENT}'.")
            }
            Self::SaveParameters => out.write_str("Invalid save parameters"),
            Self::LimitsCount => out.write_str("Wrong number of arguments in buffer limit configuration."),
            Self::LimitsClass => {
                out.write_str("Invalid client class specified in buffer limit configuration.")
            }
            Self::LimitsNumber => {
                out.write_str("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
            }
            Self::NotADirectory => out.write_str("No such directory"),
            Self::NotText => out.write_str("argument must be UTF-8 text without NUL"),
            Self::WrongNumberOfArguments => out.write_str("wrong number of arguments"),
        }
    }
}

impl std::error::Error for ValueError {}

impl Kind {
    /// Whether the text is a list of words, each an argument of its own in a file or on the command line.
    pub fn is_list(self) -> bool {
        matches!(self, Kind::List | Kind::SaveRules | Kind::OutputLimits | Kind::Renames | Kind::Words)
    }

    /// Checks a text. `current` is what the setting holds now: limits of output buffers are given class by class.
    pub(super) fn parse(self, text: &str, current: Option<&Value>) -> Result<Value, ValueError> {
        if text.contains('\0') {
            return Err(ValueError::NotText);
        }
        match self {
            Kind::YesNo => match text {
                _ if text.eq_ignore_ascii_case("yes") => Ok(Value::Number(1)),
                _ if text.eq_ignore_ascii_case("no") => Ok(Value::Number(0)),
                _ => Err(ValueError::NotYesNo),
            },
            Kind::Int(min, max) => within(plain_integer(text)?, min, max),
            Kind::Clamped(min, max) => {
                within(plain_integer(text)?, 0, i64::from(i32::MAX))?;
                Ok(Value::Number(plain_integer(text)?.clamp(min, max)))
            }
            Kind::PowerOfTwo(max) => match plain_integer(text)? {
                number if (0..=max).contains(&number) && number.count_ones() <= 1 => {
                    Ok(Value::Number(number))
                }
                _ => Err(ValueError::NotPowerOfTwo(max)),
            },
            Kind::Memory(min, max) => within(memory(text).ok_or(ValueError::NotMemory)?, min, max),
            Kind::MemoryOrShare => match text.strip_suffix('%') {
                Some(share) => match share.parse::<i64>() {
                    Ok(share) if (1..=100).contains(&share) => Ok(Value::Number(-share)),
                    _ => Err(ValueError::NotMemoryOrShare),
                },
                None => within(memory(text).ok_or(ValueError::NotMemoryOrShare)?, 0, i64::MAX),
            },
            Kind::Octal(max) => match i64::from_str_radix(text, 8) {
                Ok(number) if (0..=max).contains(&number) => Ok(Value::Number(number)),
                Ok(_) => Err(ValueError::OutOfOctalRange(max)),
                Err(_) => Err(ValueError::NotOctal),
            },
            Kind::Choice(words) => {
                let place = words.iter().position(|word| word.eq_ignore_ascii_case(text));
                let place = place.and_then(|place| i64::try_from(place).ok());
                place.map(Value::Number).ok_or(ValueError::NotOneOf(words))
            }
            Kind::Text => Ok(Value::Text(text.to_owned())),
            Kind::Directory => match std::path::Path::new(text).is_dir() {
                true => Ok(Value::Text(text.to_owned())),
                false => Err(ValueError::NotADirectory),
            },
            Kind::List => {
                let words: Vec<&str> = text.split_whitespace().collect();
                if words.len() > 16 {
                    return Err(ValueError::TooManyAddresses);
                }
                Ok(Value::Text(words.join(" ")))
            }
            Kind::SaveRules => {
                let rules = save_rules(text).ok_or(ValueError::SaveParameters)?;
                let words: Vec<String> =
                    rules.iter().map(|(seconds, changes)| format!("{seconds} {changes}")).collect();
                Ok(Value::Text(words.join(" ")))
            }
            Kind::Renames => {
                let known = current.map_or("", Value::text);
                if !text.is_empty() && !text.split(' ').count().is_multiple_of(2) {
                    return Err(ValueError::WrongNumberOfArguments);
                }
                Ok(Value::Text(if known.is_empty() { text.to_owned() } else { format!("{known} {text}") }))
            }
            Kind::Words => Ok(Value::Text(
                text.split([' ', ',']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "),
            )),
            Kind::Events => parse_events(text).map(|events| Value::Number(i64::from(events))),
            Kind::OutputLimits => {
                let mut limits =
                    current.map_or_else(OutputLimits::default, |value| OutputLimits::of(value.text()));
                limits.merge(text)?;
                Ok(Value::Text(limits.to_string()))
            }
        }
    }

    /// The text `CONFIG GET` answers with.
    pub(super) fn show(self, value: &Value) -> String {
        match (self, value) {
            (_, Value::Text(text)) => text.clone(),
            (Kind::YesNo, Value::Number(number)) => (if *number == 0 { "no" } else { "yes" }).to_owned(),
            (Kind::MemoryOrShare, Value::Number(share @ ..0)) => format!("{}%", share.unsigned_abs()),
            (Kind::Octal(_), Value::Number(number)) => format!("{number:o}"),
            (Kind::Choice(words), Value::Number(number)) => {
                let word = usize::try_from(*number).ok().and_then(|place| words.get(place));
                word.copied().unwrap_or("unknown").to_owned()
            }
            (Kind::Events, Value::Number(number)) => show_events(u32::try_from(*number).unwrap_or(0)),
            (_, Value::Number(number)) => number.to_string(),
        }
    }

    /// The lines, without the setting's name, that a configuration file needs to say this value.
    pub(super) fn lines(self, value: &Value) -> Vec<String> {
        match self {
            Kind::MemoryOrShare if value.number() >= 0 => {
                vec![shortest_memory(value.number().unsigned_abs())]
            }
            Kind::Memory(..) => vec![shortest_memory(value.number().unsigned_abs())],
            Kind::Text | Kind::Directory | Kind::Events => vec![quoted(&self.show(value))],
            Kind::Renames => {
                let words: Vec<&str> = value.text().split(' ').collect();
                let pairs = words.chunks_exact(2);
                pairs.map(|pair| format!("{} {}", quoted(pair[0]), quoted(pair[1]))).collect()
            }
            Kind::List | Kind::SaveRules | Kind::Words if value.text().is_empty() => vec!["\"\"".to_owned()],
            Kind::OutputLimits => {
                let limits = OutputLimits::of(value.text());
                let line = |class: &str, limit: &OutputLimit| {
                    let (hard, soft) = (shortest_memory(limit.hard_bytes), shortest_memory(limit.soft_bytes));
                    format!("{class} {hard} {soft} {}", limit.soft_seconds)
                };
                vec![
                    line("normal", &limits.normal),
                    line("replica", &limits.replica),
                    line("pubsub", &limits.pubsub),
                ]
            }
            _ => vec![self.show(value)],
        }
    }

    /// What may be written, for help and documentation.
    pub fn hint(self) -> String {
        let span = |min: i64, max: i64, show: fn(u64) -> String| {
            let sign = if min < 0 { "-" } else { "" };
            match max {
                i64::MAX => format!("from {sign}{}", show(min.unsigned_abs())),
                _ if max == i64::from(i32::MAX) && min == i64::from(i32::MIN) => "any".to_owned(),
                _ if max == i64::from(i32::MAX) => format!("from {sign}{}", show(min.unsigned_abs())),
                _ => format!("{sign}{} to {}", show(min.unsigned_abs()), show(max.unsigned_abs())),
            }
        };
        match self {
            Kind::YesNo => "yes or no".to_owned(),
            Kind::Int(min, max) => format!("number, {}", span(min, max, |number| number.to_string())),
            Kind::Clamped(min, max) => format!("number, {min} to {max}"),
            Kind::PowerOfTwo(max) => format!("0 or a power of two up to {max}"),
            Kind::Memory(min, max) => format!("size, {}", span(min, max, shortest_memory)),
            Kind::MemoryOrShare => "size, or share of maxmemory (5%)".to_owned(),
            Kind::Octal(max) => format!("octal, 0 to {max:o}"),
            Kind::Choice(words) => words.join(", "),
            Kind::Text => "text".to_owned(),
            Kind::Directory => "directory".to_owned(),
            Kind::List => "list of addresses".to_owned(),
            Kind::SaveRules => "seconds and changes, repeated".to_owned(),
            Kind::Events => format!("letters of A{EVERY_EVENT}"),
            Kind::OutputLimits => "class hard soft seconds, ...".to_owned(),
            Kind::Renames => "name and new name, or \"\"".to_owned(),
            Kind::Words => "names".to_owned(),
        }
    }

    /// The placeholder for a value on the command line.
    pub fn placeholder(self) -> &'static str {
        match self {
            Kind::YesNo => "yes|no",
            Kind::Int(..) | Kind::Clamped(..) | Kind::PowerOfTwo(_) => "N",
            Kind::Renames => "NAME NEW",
            Kind::Words => "NAMES",
            Kind::Memory(..) | Kind::MemoryOrShare => "SIZE",
            Kind::Octal(_) => "MODE",
            Kind::Choice(_) => "WORD",
            Kind::Text => "TEXT",
            Kind::Directory => "DIR",
            Kind::List => "ADDR",
            Kind::SaveRules => "RULES",
            Kind::Events => "LETTERS",
            Kind::OutputLimits => "LIMITS",
        }
    }
}

/// A number in its plainest form, as Redis' `string2ll`: no sign but `-`, no leading zero, no space.
fn plain_integer(text: &str) -> Result<i64, ValueError> {
    let number: i64 = text.parse().map_err(|_| ValueError::NotAnInteger)?;
    if number.to_string() == text { Ok(number) } else { Err(ValueError::NotAnInteger) }
}

fn within(number: i64, min: i64, max: i64) -> Result<Value, ValueError> {
    if (min..=max).contains(&number) {
        Ok(Value::Number(number))
    } else {
        Err(ValueError::OutOfRange(min, max))
    }
}

/// A size in bytes. As in Redis, nothing at all is zero; a size beyond an `i64` turns into -1, which no range holds.
pub(crate) fn memory(text: &str) -> Option<i64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, unit) = text.split_at(digits);
    let scale: u128 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1_000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    let count = if digits.is_empty() { 0 } else { digits.parse::<u128>().unwrap_or(u128::MAX) };
    Some(i64::try_from(count.saturating_mul(scale)).unwrap_or(-1))
}

/// The shortest way to write a size without loss.
fn shortest_memory(bytes: u64) -> String {
    match bytes {
        0 => "0".to_owned(),
        _ if bytes.is_multiple_of(1 << 30) => format!("{}gb", bytes >> 30),
        _ if bytes.is_multiple_of(1 << 20) => format!("{}mb", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{}kb", bytes >> 10),
        _ => bytes.to_string(),
    }
}

/// A text in double quotes, escaped so that a configuration file gives it back.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            control if control.is_ascii_control() => {
                quoted.push_str(&format!("\\x{:02x}", u32::from(control)))
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

/// The same for bytes: those that are no text stand as `\xHH`.
pub(crate) fn quoted_bytes(bytes: &[u8]) -> String {
    bytes.utf8_chunks().fold(String::from("\""), |mut text, chunk| {
        let valid = quoted(chunk.valid());
        text.push_str(&valid[1..valid.len() - 1]);
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
        text
    }) + "\""
}

/// Every letter of `notify-keyspace-events` but `A`, in the order Redis names them.
const EVERY_EVENT: &str = "g$lshzxeKEtmdn";

/// Classes of keyspace events, a bit each; the value of `notify-keyspace-events`.
pub mod events {
    /// `K`: published as `__keyspace@<db>__:<key>`.
    pub const KEYSPACE: u32 = 1 << 0;
    /// `E`: published as `__keyevent@<db>__:<event>`.
    pub const KEYEVENT: u32 = 1 << 1;
    /// `g`: commands of no type, such as DEL and EXPIRE.
    pub const GENERIC: u32 = 1 << 2;
    /// `$`: strings.
    pub const STRING: u32 = 1 << 3;
    /// `l`: lists.
    pub const LIST: u32 = 1 << 4;
    /// `s`: sets.
    pub const SET: u32 = 1 << 5;
    /// `h`: hashes.
    pub const HASH: u32 = 1 << 6;
    /// `z`: sorted sets.
    pub const ZSET: u32 = 1 << 7;
    /// `x`: a key expired.
    pub const EXPIRED: u32 = 1 << 8;
    /// `e`: a key was evicted.
    pub const EVICTED: u32 = 1 << 9;
    /// `t`: streams.
    pub const STREAM: u32 = 1 << 10;
    /// `m`: a key that was looked for was not there; not part of `A`.
    pub const MISS: u32 = 1 << 11;
    /// `d`: modules' keys.
    pub const MODULE: u32 = 1 << 13;
    /// `n`: a key is new; not part of `A`.
    pub const NEW: u32 = 1 << 14;
    /// `A`: all of `g$lshzxetd`.
    pub const ALL: u32 = GENERIC | STRING | LIST | SET | HASH | ZSET | EXPIRED | EVICTED | STREAM | MODULE;
}

/// Letters in the order `CONFIG GET` writes them.
const EVENT_LETTERS: [(char, u32); 10] = [
    ('g', events::GENERIC),
    ('$', events::STRING),
    ('l', events::LIST),
    ('s', events::SET),
    ('h', events::HASH),
    ('z', events::ZSET),
    ('x', events::EXPIRED),
    ('e', events::EVICTED),
    ('t', events::STREAM),
    ('d', events::MODULE),
];
const EVENT_LETTERS_BESIDE: [(char, u32); 4] =
    [('n', events::NEW), ('K', events::KEYSPACE), ('E', events::KEYEVENT), ('m', events::MISS)];

fn parse_events(text: &str) -> Result<u32, ValueError> {
    let letters = EVENT_LETTERS.iter().chain(&EVENT_LETTERS_BESIDE);
    text.chars().try_fold(0, |events, letter| match letter {
        'A' => Ok(events | events::ALL),
        _ => match letters.clone().find(|(known, _)| *known == letter) {
            Some((_, bit)) => Ok(events | bit),
            None => Err(ValueError::EventClass),
        },
    })
}

/// As Redis, except that `n` beside `A` is not forgotten.
fn show_events(events: u32) -> String {
    let all = events & events::ALL == events::ALL;
    let classes: &[(char, u32)] = if all { &[('A', events::ALL)] } else { &EVENT_LETTERS };
    let set = |(_, bit): &&(char, u32)| events & bit != 0;
    classes.iter().chain(&EVENT_LETTERS_BESIDE).filter(set).map(|(letter, _)| letter).collect()
}

/// How much a client may leave unread before it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct OutputLimit {
    /// Bytes at which the client is closed at once; zero for no limit.
    pub hard_bytes: u64,
    /// Bytes at which it is closed when it stays above for `soft_seconds`; zero for no limit.
    pub soft_bytes: u64,
    /// How long, in seconds.
    pub soft_seconds: u64,
}

/// The limits of each class of clients; prints as `CONFIG GET client-output-buffer-limit` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OutputLimits {
    /// Clients that neither replicate nor subscribe.
    pub normal: OutputLimit,
    /// Replicas.
    pub replica: OutputLimit,
    /// Clients that subscribed to a channel.
    pub pubsub: OutputLimit,
}

impl Default for OutputLimits {
    /// Redis' presets: none, 256mb 64mb 60, 32mb 8mb 60.
    fn default() -> Self {
        let limit = |hard_mb: u64, soft_mb: u64, soft_seconds| OutputLimit {
            hard_bytes: hard_mb << 20,
            soft_bytes: soft_mb << 20,
            soft_seconds,
        };
        Self { normal: limit(0, 0, 0), replica: limit(256, 64, 60), pubsub: limit(32, 8, 60) }
    }
}

impl fmt::Display for OutputLimits {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes = [("normal", self.normal), ("slave", self.replica), ("pubsub", self.pubsub)];
        for (place, (name, limit)) in classes.into_iter().enumerate() {
            let gap = if place == 0 { "" } else { " " };
            write!(out, "{gap}{name} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_seconds)?;
        }
        Ok(())
    }
}

impl OutputLimits {
    /// The limits a checked text says.
    pub(super) fn of(text: &str) -> Self {
        let mut limits = Self::default();
        let merged = limits.merge(text);
        debug_assert!(merged.is_ok(), "only checked texts are kept: {text}");
        limits
    }

    /// Takes over the classes that `text` names; all of them or, on an error, none.
    fn merge(&mut self, text: &str) -> Result<(), ValueError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (fours, []) = words.as_chunks::<4>() else {
            return Err(ValueError::LimitsCount);
        };
        let mut merged = *self;
        for [class, hard, soft, seconds] in fours {
            let limit = match class.to_ascii_lowercase().as_str() {
                "normal" => &mut merged.normal,
                "replica" | "slave" => &mut merged.replica,
                "pubsub" => &mut merged.pubsub,
                _ => return Err(ValueError::LimitsClass),
            };
            let bytes = |text: &str| {
                memory(text).and_then(|bytes| u64::try_from(bytes).ok()).ok_or(ValueError::LimitsNumber)
            };
            let soft_seconds = seconds.parse().map_err(|_| ValueError::LimitsNumber)?;
            *limit = OutputLimit { hard_bytes: bytes(hard)?, soft_bytes: bytes(soft)?, soft_seconds };
        }
        *self = merged;
        Ok(())
    }
}

/// The rules of `save`: so many seconds after the last save, if so many changes were made. `None` where the text is none.
pub(crate) fn save_rules(text: &str) -> Option<Vec<(u64, u64)>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (pairs, rest) = words.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let number = |word: &str, min: i64| {
        let number =
            plain_integer(word).ok().filter(|number| *number >= min && *number <= i64::from(i32::MAX));
        number.and_then(|number| u64::try_from(number).ok())
    };
    pairs.iter().map(|[seconds, changes]| Some((number(seconds, 1)?, number(changes, 0)?))).collect()
}

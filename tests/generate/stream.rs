//! Arguments of stream commands: few IDs, groups and consumers, so that they meet, and nothing that depends on when it
//! is run.

use super::{Argv, Made, Random, number, one_of, small};
use damselfly::command::table::{Group, Keys};

/// What may stand for a name in a stream command; `None` where others know.
pub(super) fn argument(name: &str, random: &mut Random) -> Option<Vec<u8>> {
    Some(match name {
        "key" if !random.one_in(5) => one_of(random, &["s1", "s1", "s2"]),
        "id" | "threshold" | "lastid" | "last-id" | "max-deleted-id" => id(random),
        "start" | "end" => match random.below(4) {
            0 => one_of(random, &["-", "+", "(-", "(", "(0-0", "(18446744073709551615-18446744073709551615"]),
            1 => [b"(", &id(random)[..]].concat(),
            _ => one_of(random, &["-", "+", "3", "5-1", "10-2"]),
        },
        "group" => one_of(random, &["g", "g", "g", "h"]),
        "consumer" => one_of(random, &["alice", "bob", "carol"]),
        "field" => one_of(random, &["f", "f", "f", "g", "1", ""]),
        "count" => match random.below(6) {
            0 => number(random),
            _ => one_of(random, &["1", "2", "3", "10", "0", "-1"]),
        },
        "milliseconds" => one_of(random, &["1", "2", "5", "-1", "x"]),
        "min-idle-time" => one_of(random, &["0", "0", "0", "1000000", "-1", "x"]),
        "ms" => one_of(random, &["0", "5000000", "-5", "9223372036854775807", "x"]),
        "unix-time-milliseconds" => one_of(random, &["1", "1000", "99999999999999", "-1", "0"]),
        "entries-added" | "entriesread" => match random.below(4) {
            0 => number(random),
            _ => one_of(random, &["0", "1", "5", "10", "-1", "-2"]),
        },
        "value" => small(random),
        _ => return None,
    })
}

fn id(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0 => one_of(
            random,
            &["0", "0-0", "0-1", "18446744073709551615-18446744073709551615", "$", ">", "+", "-"],
        ),
        1 => one_of(
            random,
            &["x", "1-", "-1", "01-02", " 7", "5- -1", "5-1-1", "18446744073709551616", "7-*x"],
        ),
        2 => format!("{}-*", random.below(12)).into_bytes(),
        3 => format!("{}", random.below(12)).into_bytes(),
        _ => format!("{}-{}", random.below(12), random.below(4)).into_bytes(),
    }
}

/// Repairs what does not follow from the syntax alone.
pub(super) fn repair(made: &Made, argv: &mut Argv, random: &mut Random) {
    if made.command.group != Group::Stream {
        return;
    }
    // An ID of the clock's is another one everywhere.
    if made.command.name == "XADD" {
        for arg in argv.iter_mut().skip(2).filter(|arg| *arg == b"*") {
            *arg = format!("{}-{}", random.below(30), random.below(4)).into_bytes();
        }
    }
    if made.command.keys != Keys::Streams {
        return;
    }
    if let Some(at) = argv.iter().position(|arg| arg.eq_ignore_ascii_case(b"STREAMS"))
        && !random.one_in(20)
    {
        argv.truncate(at + 1);
        let count = [1, 1, 1, 2, 2, 3][random.below(6)];
        argv.extend((0..count).map(|_| argument("key", random).unwrap_or_else(|| b"s1".to_vec())));
        let in_group = made.command.name == "XREADGROUP";
        argv.extend((0..count).map(|_| match random.below(3) {
            0 => id(random),
            _ if in_group => one_of(random, &[">", ">", "0"]),
            _ => one_of(random, &["0", "$", "5"]),
        }));
    }
    // Nobody serves these scripts, so a wait has to end by itself.
    for at in 1..argv.len() {
        let number = std::str::from_utf8(&argv[at]).ok().and_then(|text| text.parse::<i64>().ok());
        if argv[at - 1].eq_ignore_ascii_case(b"BLOCK") && number.is_some_and(|ms| ms == 0 || ms > 5) {
            argv[at] = b"3".to_vec();
        }
    }
}

//! Arguments of sorted set commands: scores, and the ends of ranges.

use super::{Argv, Random, number, one_of, small};

pub fn score(random: &mut Random) -> Vec<u8> {
    match random.below(8) {
        0 => one_of(
            random,
            &["1.5", "-0.1", "3e2", "0.1", "1e-7", "-0", "123456789.25", "1e21", "4611686018427387905"],
        ),
        1 => one_of(random, &["inf", "-inf", "+inf", "nan", "1e400", "1e-400", "x", "", "0x10", "(1", " 1"]),
        _ => one_of(random, &["0", "0", "0", "1", "1", "2", "3", "-1"]),
    }
}

/// An end of a range of scores.
pub fn bound(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0 | 1 => one_of(random, &["-inf", "+inf", "inf", "(inf", "(-inf"]),
        2 => one_of(random, &["", "(", "((1", "nan", "x", "1e400", "0.1", "(0.1", "-0", "[1", "1 "]),
        3 | 4 => one_of(random, &["(0", "(1", "(2", "(-1", "(3"]),
        _ => one_of(random, &["0", "1", "2", "3", "-1", "5"]),
    }
}

/// An end of a range of members.
pub fn lex_bound(random: &mut Random) -> Vec<u8> {
    match random.below(12) {
        0..4 => one_of(random, &["-", "+", "-", "+"]),
        4 => one_of(random, &["", "x", "++", "-x", "[", "("]),
        n => {
            let mut bound = if n % 2 == 0 { b"[".to_vec() } else { b"(".to_vec() };
            bound.extend(small(random));
            bound
        }
    }
}

/// Gives a command's range ends that fit its kind, and as many weights as it has keys, mostly.
pub fn fit(argv: &mut Argv, random: &mut Random) {
    let name = argv[0].to_ascii_uppercase();
    let has = |argv: &Argv, word: &str| argv.iter().any(|arg| arg.eq_ignore_ascii_case(word.as_bytes()));
    let ends = match name.as_slice() {
        b"ZRANGE" | b"ZRANGEBYLEX" | b"ZREVRANGEBYLEX" | b"ZLEXCOUNT" | b"ZREMRANGEBYLEX" => Some(2),
        b"ZRANGESTORE" => Some(3),
        _ => None,
    };
    let lex = has(argv, "BYLEX") || name.ends_with(b"LEX") || name == b"ZLEXCOUNT";
    let score = has(argv, "BYSCORE");
    if let Some(ends) = ends.filter(|_| !random.one_in(12)) {
        for end in argv.iter_mut().skip(ends).take(2) {
            *end = match (lex, score) {
                (true, _) => lex_bound(random),
                (_, true) => bound(random),
                _ => number(random),
            };
        }
    }
    if let Some(weights) = argv.iter().position(|arg| arg.eq_ignore_ascii_case(b"WEIGHTS"))
        && !random.one_in(8)
    {
        let at = if name.ends_with(b"STORE") { 2 } else { 1 };
        let numkeys = argv.get(at).and_then(|text| std::str::from_utf8(text).ok()?.parse::<usize>().ok());
        let end = argv[weights + 1..]
            .iter()
            .position(|arg| {
                ["AGGREGATE", "WITHSCORES"].iter().any(|word| arg.eq_ignore_ascii_case(word.as_bytes()))
            })
            .map_or(argv.len(), |at| weights + 1 + at);
        if let Some(numkeys) = numkeys.filter(|&numkeys| numkeys < 20) {
            let new: Vec<_> = (0..numkeys).map(|_| self::score(random)).collect();
            argv.splice(weights + 1..end, new);
        }
    }
}

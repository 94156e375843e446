//! Arguments of bitmap commands, which have to fit each other more than their syntax says.

use super::{Argv, key, number, one_of};
use crate::generate::Random;

/// The arguments behind a command's name.
pub fn arguments(name: &str, random: &mut Random) -> Argv {
    let mut argv = Argv::new();
    match name {
        "BITOP" => {
            // Redis 8.2 has more operations, which nobody is there to compare with.
            argv.push(one_of(random, &["AND", "OR", "XOR", "NOT", "and", "nand"]));
            let sources = if argv[0] == b"NOT" && !random.one_in(8) { 1 } else { 1 + random.below(4) };
            argv.extend((0..sources + 1).map(|_| key(random)));
        }
        "BITFIELD" | "BITFIELD_RO" => {
            argv.push(key(random));
            for _ in 0..random.below(5) {
                step(name, &mut argv, random);
            }
        }
        "GETBIT" => argv.extend([key(random), offset(random)]),
        "SETBIT" => {
            let bit = one_of(random, &["0", "1", "1", "0", "1", "2", "-1", "x"]);
            argv.extend([key(random), offset(random), bit]);
        }
        // BITCOUNT and BITPOS.
        _ => {
            argv.push(key(random));
            if name == "BITPOS" {
                argv.push(one_of(random, &["0", "1", "0", "1", "2", "x"]));
            }
            // A count from somewhere on is Valkey 8's, and an error in Redis.
            let bounds = if name == "BITPOS" { random.below(3) } else { 2 * random.below(2) };
            argv.extend((0..bounds).map(|_| bound(random)));
            if bounds == 2 && random.one_in(2) {
                argv.push(one_of(random, &["BIT", "BYTE", "bit", "BITS"]));
            }
        }
    }
    argv
}

fn step(name: &str, argv: &mut Argv, random: &mut Random) {
    let encoding = |random: &mut Random| {
        one_of(
            random,
            &["u1", "i1", "u8", "i8", "u5", "i16", "u31", "i33", "i64", "u63", "u8", "i8", "u64", "i0"],
        )
    };
    match if name == "BITFIELD" || random.one_in(20) { random.below(6) } else { 0 } {
        0 | 1 => argv.extend([b"GET".to_vec(), encoding(random), field_offset(random)]),
        2 => argv.extend([b"OVERFLOW".to_vec(), one_of(random, &["WRAP", "SAT", "FAIL", "sat", "x"])]),
        3 => argv.extend([b"INCRBY".to_vec(), encoding(random), field_offset(random), amount(random)]),
        _ => argv.extend([b"SET".to_vec(), encoding(random), field_offset(random), amount(random)]),
    }
}

fn amount(random: &mut Random) -> Vec<u8> {
    match random.below(3) {
        0 => number(random),
        _ => one_of(random, &["1", "-1", "127", "128", "-128", "-129", "255", "256", "65535", "100"]),
    }
}

fn offset(random: &mut Random) -> Vec<u8> {
    one_of(
        random,
        &[
            "0",
            "1",
            "7",
            "8",
            "9",
            "15",
            "63",
            "64",
            "100",
            "1000",
            "7679",
            "7680",
            "9000",
            "-1",
            "4294967296",
            "x",
        ],
    )
}

fn field_offset(random: &mut Random) -> Vec<u8> {
    match random.below(3) {
        0 => one_of(random, &["#0", "#1", "#2", "#10", "#-1", "#", "#9223372036854775807"]),
        _ => offset(random),
    }
}

fn bound(random: &mut Random) -> Vec<u8> {
    match random.below(3) {
        0 => number(random),
        _ => {
            one_of(random, &["0", "1", "-1", "-2", "7", "8", "9", "-8", "-9", "63", "1000", "8000", "-8000"])
        }
    }
}

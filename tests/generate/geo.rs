//! Arguments of commands on points: some close to each other, some at the edges of the map.

use super::{Argv, Random, one_of};

/// What may stand for a name in a syntax.
pub fn argument(name: &str, random: &mut Random) -> Option<Vec<u8>> {
    Some(match name {
        "longitude" => match random.below(10) {
            0 => one_of(random, &["180", "-180", "179.9999", "-179.9999", "0"]),
            1 => one_of(random, &["181", "x", "inf", "nan", "1e400", "-1e-400", ""]),
            2 | 3 => degrees(random, 180),
            _ => degrees(random, 3),
        },
        "latitude" => match random.below(10) {
            0 => one_of(random, &["85.05112878", "-85.05112878", "85", "-84.9", "0"]),
            1 => one_of(random, &["85.0511288", "-86", "x", "inf", "nan", ""]),
            2 | 3 => degrees(random, 85),
            _ => degrees(random, 3),
        },
        "radius" | "width" | "height" => match random.below(12) {
            0 => one_of(random, &["0", "-1", "x", "inf", "1e300", "nan", "0.0001", ""]),
            1 => one_of(random, &["5000000", "10000000", "20037726.37", "40000000"]),
            _ => ((1u64 << random.below(24)) + random.below(1000) as u64).to_string().into_bytes(),
        },
        "member" | "member1" | "member2" if !random.one_in(8) => {
            format!("m{}", random.below(24)).into_bytes()
        }
        "count" if random.one_in(2) => (1 + random.below(20)).to_string().into_bytes(),
        _ => return None,
    })
}

fn degrees(random: &mut Random, most: usize) -> Vec<u8> {
    let number = random.below(most * 2_000_000) as f64 / 1e6 - most as f64;
    number.to_string().into_bytes()
}

/// Adds more points to one command that adds some, so that there is something to find.
pub fn fit(argv: &mut Argv, random: &mut Random) {
    if !argv[0].eq_ignore_ascii_case(b"GEOADD") || random.one_in(4) {
        return;
    }
    for _ in 0..random.below(12) {
        for name in ["longitude", "latitude", "member"] {
            let argument = argument(name, random);
            argv.push(argument.unwrap_or_else(|| b"m".to_vec()));
        }
    }
}

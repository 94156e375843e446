//! Arguments of HyperLogLog commands.

use super::{Argv, Random, key, one_of};

/// The arguments behind a command's name.
pub fn arguments(name: &str, random: &mut Random) -> Argv {
    match name {
        "PFADD" => {
            let mut argv = vec![key(random)];
            let most = *random.pick(&[1, 2, 4, 8, 300, 3000]);
            let range = *random.pick(&[10, 1000, 1_000_000]);
            let count = random.below(most);
            argv.extend((0..count).map(|_| random.below(range).to_string().into_bytes()));
            argv
        }
        "PFDEBUG" => {
            let word =
                one_of(random, &["DECODE", "ENCODING", "DECODE", "encoding", "GETREG", "TODENSE", "X"]);
            vec![word, key(random)]
        }
        // PFCOUNT and PFMERGE.
        _ => (0..1 + random.below(4)).map(|_| key(random)).collect(),
    }
}

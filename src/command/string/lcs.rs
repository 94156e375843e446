//! `LCS`: what two strings have in common.

use super::super::args::Args;
use super::super::error::CommandError;
use crate::engine::Entered;
use crate::reply::Sink;
use crate::value::lcs::{self, Lcs};
use bytes::Bytes;

/// Replies with the longest common subsequence of two strings, its length (`LEN`), or the places of its runs
/// (`IDX`). Errors: a key that holds something else, syntax, strings too long.
///
/// The whole work is done inside the two keys' shards: at most 2²⁷ cells, 64 at a time. In process:
/// `value::lcs::Lcs`. Reference: <https://valkey.io/commands/lcs/>
pub(super) fn lcs(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let (a, b) = (args.required()?, args.required()?);
    // Redis looks at the keys before it reads the options.
    let options = Options::parse(args);
    let mut read = |name: &[u8]| {
        let (mut keys, key) = entered.at(name);
        keys.string(key).map(|value| value.map_or(Bytes::new(), |value| value.to_bytes()))
    };
    // Both are looked at, so that both count as a hit or miss.
    let (a, b) = (read(a), read(b));
    let (Ok(a), Ok(b)) = (a, b) else {
        return Err(CommandError::text("ERR The specified keys must contain string values"));
    };
    let options = options?;
    let longest = u32::MAX as usize - 1;
    if a.len() >= longest || b.len() >= longest {
        return Err(CommandError::text("ERR String too long for LCS"));
    }
    let bytes_max = entered.shards().next().map_or(0, |shard| shard.settings.string_bytes_max);
    if !lcs::fits(a.len(), b.len(), bytes_max) {
        return Err(CommandError::text(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    if options.len {
        out.int(lcs::len(&a, &b) as i64);
        return Ok(());
    }
    let lcs = Lcs::new(&a, &b);
    if !options.idx {
        out.bulk(&lcs.sequence());
        return Ok(());
    }
    let matches = lcs.matches(options.len_min);
    out.map(2);
    out.bulk(b"matches");
    out.array(matches.len());
    for found in matches {
        out.array(if options.with_len { 3 } else { 2 });
        for range in [&found.a, &found.b] {
            out.array(2);
            out.int(range.start as i64);
            out.int(range.end as i64 - 1);
        }
        if options.with_len {
            out.int(found.a.len() as i64);
        }
    }
    out.bulk(b"len");
    out.int(lcs.len() as i64);
    Ok(())
}

#[derive(Default)]
struct Options {
    len: bool,
    idx: bool,
    with_len: bool,
    /// Shorter runs are left out.
    len_min: usize,
}

impl Options {
    fn parse(args: &mut Args<'_>) -> Result<Self, CommandError> {
        let mut options = Options::default();
        while args.left() > 0 {
            if args.eat("IDX") {
                options.idx = true;
            } else if args.eat("LEN") {
                options.len = true;
            } else if args.eat("WITHMATCHLEN") {
                options.with_len = true;
            } else if args.eat("MINMATCHLEN") {
                let len = args.int()?.max(0);
                options.len_min = usize::try_from(len).unwrap_or(usize::MAX);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        if options.idx && options.len {
            return Err(CommandError::text(
                "ERR If you want both the length and indexes, please just use IDX.",
            ));
        }
        Ok(options)
    }
}

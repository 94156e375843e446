//! What `DEBUG` shows and tries that concerns no data: replies of every type, patterns, sizes.

use crate::command::error::CommandError;
use crate::glob;
use crate::reply::{Protocol, Sink};
use crate::shard::{Shard, Value};

/// Replies with an example of a protocol type, for the tests of clients.
#[expect(clippy::approx_constant, reason = "Redis' example of a double is this number, not pi")]
pub(super) fn protocol(kind: &[u8], out: &mut dyn Sink) -> Result<(), CommandError> {
    match kind.to_ascii_lowercase().as_slice() {
        b"string" => out.bulk(b"Hello World"),
        b"integer" => out.int(12345),
        b"double" => out.double(3.141),
        b"null" => out.null(),
        b"array" => {
            out.array(3);
            (0..3).for_each(|n| out.int(n));
        }
        b"set" => {
            out.set(3);
            (0..3).for_each(|n| out.int(n));
        }
        b"map" => {
            out.map(3);
            for n in 0..3 {
                out.int(n);
                out.boolean(n == 1);
            }
        }
        b"push" if out.protocol() == Protocol::Resp2 => {
            return Err(CommandError::text("ERR RESP2 is not supported by this command"));
        }
        b"push" => {
            out.push(2);
            out.bulk(b"server-cpu-usage");
            out.int(42);
            out.bulk(b"Some real reply following the push reply");
        }
        b"attrib" => {
            if out.attribute(1) {
                out.bulk(b"key-popularity");
                out.array(2);
                out.bulk(b"key:123");
                out.int(90);
            }
            out.bulk(b"Some real reply following the attribute");
        }
        b"bignum" => out.big_number("1234567999999999999999999999999999999"),
        b"true" => out.boolean(true),
        b"false" => out.boolean(false),
        b"verbatim" => out.verbatim("txt", b"This is a verbatim\nstring"),
        _ => {
            return Err(CommandError::text(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}

/// Matches generated patterns with generated texts, as Redis' own test does; ends early where `is_killed` says so.
pub(super) fn match_patterns(is_killed: impl Fn() -> bool) {
    const ROUNDS: u32 = 100_000;
    const BYTES: [u8; 8] = *b"*?[]^-\\a";
    // Marsaglia's generator: what is drawn need not surprise anybody.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for round in 0..ROUNDS {
        let mut text = |of: &[u8]| -> Vec<u8> {
            let len = draw(32);
            (0..len).filter_map(|_| of.get(draw(of.len())).copied()).collect()
        };
        let (pattern, text) = (text(&BYTES), text(b"a-^]"));
        std::hint::black_box(glob::matches(&pattern, &text, round % 2 == 0));
        if round % 1024 == 0 && is_killed() {
            return;
        }
    }
}

/// Sizes of what a server keeps, under names of its own: none of Redis' structures is here.
pub(super) fn sizes() -> String {
    format!(
        "bits:{} value:{} shard:{} session:{} client:{}",
        usize::BITS,
        size_of::<Value>(),
        size_of::<Shard>(),
        size_of::<crate::engine::Session>(),
        size_of::<crate::engine::Client>(),
    )
}

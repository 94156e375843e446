//! The request parser against itself and against redis-protocol.
//!
//! Input: a byte with the number of cuts, that many cuts of two bytes, then what a peer sent. Checked:
//! 1. the pieces in which the bytes come change nothing, and whatever they are, nothing panics;
//! 2. a request in canonical form means the same to both decoders, whichever of them recognises it.
#![no_main]

use damselfly::wire::{Limits, Parsed, ProtocolError, RequestParser};
use libfuzzer_sys::fuzz_target;
use redis_protocol::resp2::{decode::decode_range, types::RangeFrame};

type Argv = Vec<Vec<u8>>;

/// Small enough that a fuzzer reaches them.
const LIMITS: Limits = Limits {
    argc_max: 1000,
    bulk_bytes_max: 100_000,
    inline_bytes_max: 64,
    request_bytes_max: 200_000,
    ..Limits::AUTHENTICATED
};

/// redis-protocol recurses into arrays, so it is shown nothing that could nest deeper than this.
const NESTING_MAX: usize = 64;

fuzz_target!(|data: &[u8]| {
    let Some((&count, data)) = data.split_first() else { return };
    let (cuts, stream) = data.split_at((usize::from(count % 16) * 2).min(data.len()));
    let mut cuts: Vec<usize> = cuts
        .chunks_exact(2)
        .map(|cut| usize::from(u16::from_le_bytes([cut[0], cut[1]])) % (stream.len() + 1))
        .collect();
    cuts.sort_unstable();

    for limits in [LIMITS, Limits { authenticated: false, ..LIMITS }] {
        let expected = feed(stream, &[], &limits);
        assert_eq!(feed(stream, &cuts, &limits), expected);
        if stream.len() < 512 {
            assert_eq!(feed(stream, &(0..stream.len()).collect::<Vec<_>>(), &limits), expected);
        }
    }
    agree(stream);
});

/// Plays the event loop: feeds `stream` in pieces that end at `cuts`, parsing whatever can be parsed.
fn feed(stream: &[u8], cuts: &[usize], limits: &Limits) -> (Vec<Argv>, Option<ProtocolError>) {
    let mut parser = RequestParser::new();
    let (mut start, mut requests) = (0, Vec::new());
    for &end in cuts.iter().chain([&stream.len()]) {
        while start <= end {
            let buf = &stream[start..end];
            match parser.parse(buf, limits) {
                Ok(Parsed::Complete { consumed }) => {
                    assert!((1..=buf.len()).contains(&consumed) && parser.argc() > 0);
                    requests.push(parser.args(buf).map(<[u8]>::to_vec).collect());
                    start += consumed;
                }
                Ok(Parsed::Empty { consumed }) => {
                    assert!((1..=buf.len()).contains(&consumed));
                    start += consumed;
                }
                Ok(Parsed::Incomplete { wanted }) => {
                    assert!(wanted > 0 && wanted <= limits.bulk_bytes_max + 2);
                    break;
                }
                Err(error) => return (requests, Some(error)),
            }
        }
    }
    (requests, None)
}

/// Compares the first request of `stream`, if it is in canonical form.
fn agree(stream: &[u8]) {
    let mut parser = RequestParser::new();
    let ours = match parser.parse(stream, &Limits::default()) {
        Ok(Parsed::Complete { consumed }) => {
            let argv: Argv = parser.args(stream).map(<[u8]>::to_vec).collect();
            (canonical(&argv) == stream[..consumed]).then_some((argv, consumed))
        }
        _ => None,
    };
    if stream.iter().filter(|byte| **byte == b'*').count() > NESTING_MAX {
        return;
    }
    let theirs = match decode_range(stream) {
        Ok(Some((RangeFrame::Array(frames), consumed))) => {
            let argv: Option<Argv> = frames
                .iter()
                .map(|frame| match frame {
                    RangeFrame::BulkString(range) => Some(stream[range.0..range.1].to_vec()),
                    _ => None,
                })
                .collect();
            argv.filter(|argv| !argv.is_empty() && canonical(argv) == stream[..consumed])
                .map(|argv| (argv, consumed))
        }
        _ => None,
    };
    assert_eq!(ours, theirs);
}

/// The one way in which a client library writes a request.
fn canonical(argv: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", argv.len()).into_bytes();
    for arg in argv {
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}

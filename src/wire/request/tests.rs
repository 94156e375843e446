//! What is accepted and refused, in whatever pieces it comes, and what that costs.

use super::*;
use quickcheck::{Arbitrary, Gen, quickcheck};

type Argv = Vec<Vec<u8>>;

/// What a peer's bytes came to: the requests in order, then perhaps the error that ended them.
type Outcome = (Vec<Argv>, Option<ProtocolError>);

/// Plays the event loop: feeds `stream` in pieces that end at `cuts`, parsing whatever can be parsed.
fn feed(stream: &[u8], cuts: impl IntoIterator<Item = usize>, limits: &Limits) -> Outcome {
    let mut parser = RequestParser::new();
    let (mut start, mut requests) = (0, Vec::new());
    let mut needed = 0;
    for end in cuts.into_iter().chain([stream.len()]) {
        if end < start {
            continue;
        }
        loop {
            let buf = &stream[start..end];
            let parsed = match parser.parse(buf, limits) {
                Ok(parsed) => parsed,
                Err(error) => return (requests, Some(error)),
            };
            if let Parsed::Complete { consumed } | Parsed::Empty { consumed } = parsed {
                assert!(end >= needed, "a request was whole before the bytes it wanted had come");
                assert!((1..=buf.len()).contains(&consumed));
                start += consumed;
            }
            match parsed {
                Parsed::Complete { .. } => {
                    assert!(parser.argc() > 0 && !parser.is_midway());
                    let args: Vec<_> = parser.args(buf).map(<[u8]>::to_vec).collect();
                    assert_eq!(args.len(), parser.argc());
                    assert!((0..args.len()).all(|i| args[i] == parser.arg(buf, i)));
                    requests.push(args);
                }
                Parsed::Empty { .. } => assert_eq!(parser.argc(), 0),
                Parsed::Incomplete { wanted } => {
                    assert!(wanted > 0 && wanted <= limits.bulk_bytes_max + 2);
                    needed = end + wanted;
                    break;
                }
            }
        }
    }
    (requests, None)
}

fn whole(stream: &[u8]) -> Outcome {
    feed(stream, [], &Limits::default())
}

fn encode(argv: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", argv.len()).into_bytes();
    for arg in argv {
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn words(text: &[&str]) -> Argv {
    text.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// A stream near enough to the protocol to reach its corners: requests, lines, and bytes it is made of.
#[derive(Clone, Debug)]
struct Stream(Vec<u8>);

impl Arbitrary for Stream {
    fn arbitrary(g: &mut Gen) -> Self {
        const BYTES: &[u8] = b"**$$\r\n\r\n\r\n0123456789-+ \"'\\xaF\0\x0bPING\xff";
        let mut stream = Vec::new();
        for _ in 0..u8::arbitrary(g) % 6 {
            match u8::arbitrary(g) % 8 {
                0..=3 => stream.extend(encode(&Vec::<Vec<u8>>::arbitrary(g))),
                4 => stream.extend_from_slice(b"PING \"a\\x41\\n\" 'b'\r\n"),
                5 => stream.extend_from_slice(g.choose(&[&b"\r\n"[..], b"*0\r\n", b"*-1\r\n"]).expect("any")),
                6 => (0..u8::arbitrary(g) % 12)
                    .for_each(|_| stream.push(*g.choose(BYTES).expect("there are some"))),
                _ if stream.is_empty() => {}
                _ => {
                    let at = usize::arbitrary(g) % stream.len();
                    stream[at] = *g.choose(BYTES).expect("there are some");
                }
            }
        }
        Stream(stream)
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        Box::new(self.0.shrink().map(Stream))
    }
}

quickcheck! {
    fn any_argv_comes_back_as_it_was_sent(argv: Vec<Vec<u8>>) -> bool {
        let expected = if argv.is_empty() { vec![] } else { vec![argv.clone()] };
        whole(&encode(&argv)) == (expected, None)
    }

    fn the_pieces_in_which_bytes_come_do_not_matter(stream: Stream, cuts: Vec<usize>) -> bool {
        let len = stream.0.len();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (len + 1)).collect();
        cuts.sort_unstable();
        let limits = Limits { inline_bytes_max: 40, argc_max: 90, ..Limits::default() };
        let expected = feed(&stream.0, [], &limits);
        feed(&stream.0, cuts, &limits) == expected && feed(&stream.0, 0..len, &limits) == expected
    }

    fn garbage_waits_or_errs_but_never_panics(garbage: Vec<u8>, first: u8, authenticated: bool) -> bool {
        let limits = Limits { authenticated, inline_bytes_max: 16, request_bytes_max: 60, ..Limits::default() };
        for stream in [garbage.clone(), [b"*".to_vec(), garbage.clone()].concat(), [b"*1\r\n$".to_vec(), vec![first], garbage].concat()] {
            let len = stream.len();
            if feed(&stream, [], &limits) != feed(&stream, 0..len, &limits) {
                return false;
            }
        }
        true
    }

    fn well_formed_requests_mean_the_same_to_redis_protocol(argv: Vec<Vec<u8>>) -> bool {
        use redis_protocol::resp2::{decode::decode_bytes_mut, types::BytesFrame};
        let stream = encode(&argv);
        let decoded = decode_bytes_mut(&mut bytes::BytesMut::from(&stream[..]));
        let Ok(Some((BytesFrame::Array(frames), consumed, _))) = decoded else { return false };
        let theirs: Vec<Vec<u8>> = frames.iter().filter_map(|frame| match frame {
            BytesFrame::BulkString(bytes) => Some(bytes.to_vec()),
            _ => None,
        }).collect();
        let mut parser = RequestParser::new();
        match parser.parse(&stream, &Limits::default()) {
            Ok(Parsed::Complete { consumed: ours }) => {
                ours == consumed && parser.args(&stream).eq(theirs.iter().map(Vec::as_slice))
            }
            Ok(Parsed::Empty { consumed: ours }) => ours == consumed && theirs.is_empty(),
            _ => false,
        }
    }

    fn any_word_can_be_quoted_in_an_inline_request(argv: Vec<Vec<u8>>) -> bool {
        let mut line = Vec::new();
        for arg in &argv {
            line.extend_from_slice(b" \"");
            arg.iter().for_each(|byte| line.extend_from_slice(format!("\\x{byte:02x}").as_bytes()));
            line.extend_from_slice(b"\"");
        }
        line.extend_from_slice(b"\r\n");
        let expected = if argv.is_empty() { vec![] } else { vec![argv] };
        feed(&line, [], &Limits { inline_bytes_max: 1 << 20, ..Limits::default() }) == (expected, None)
    }
}

/// Every line was sent to redis-server 7.0.15; `Ok` is what it took the bytes for, `Err` what it answered.
#[test]
fn what_redis_accepts_is_accepted_and_what_it_refuses_is_refused_in_its_words() {
    let ping = || Ok(vec![words(&["PING"])]);
    let echo = |word: &str| Ok(vec![words(&["ECHO", word])]);
    let cases: &[(&str, Result<Vec<Argv>, &str>)] = &[
        ("*1\r\n+PING\r\n", Err("expected '$', got '+'")),
        ("*1\r\nX\r\n", Err("expected '$', got 'X'")),
        ("*+1\r\n$4\r\nPING\r\n", Err("invalid multibulk length")),
        ("*01\r\n$4\r\nPING\r\n", Err("invalid multibulk length")),
        ("*-0\r\n", Err("invalid multibulk length")),
        ("*\r\n", Err("invalid multibulk length")),
        ("* 1\r\n", Err("invalid multibulk length")),
        ("*1 \r\n", Err("invalid multibulk length")),
        ("*2147483648\r\n", Err("invalid multibulk length")),
        ("*99999999999999999999\r\n", Err("invalid multibulk length")),
        ("*-9223372036854775809\r\n", Err("invalid multibulk length")),
        ("*-9223372036854775808\r\nPING\r\n", ping()),
        ("*-1\r\n*1\r\n$4\r\nPING\r\n", ping()),
        ("*-5\r\nPING\r\n", ping()),
        ("*0\r\nPING\r\n", ping()),
        ("*1\r\n$+4\r\nPING\r\n", Err("invalid bulk length")),
        ("*1\r\n$04\r\nPING\r\n", Err("invalid bulk length")),
        ("*1\r\n$-1\r\n", Err("invalid bulk length")),
        ("*1\r\n$\r\n", Err("invalid bulk length")),
        ("*1\r\n$536870912\r\n", Ok(vec![])),
        ("*1\r\n$536870913\r\n", Err("invalid bulk length")),
        ("*1\n$4\nPING\n", Ok(vec![])),
        ("*1\rX$4\rXPINGab", ping()),
        ("*1\r\n$4\r\nPINGabPING\r\n", Ok(vec![words(&["PING"]), words(&["PING"])])),
        ("*1\r\n$0\r\n\r\n", Ok(vec![words(&[""])])),
        ("\r\nPING\r\n", ping()),
        ("\nPING\n", ping()),
        ("   \r\nPING\r\n", ping()),
        ("PING\n", ping()),
        ("PING \r\r\n", ping()),
        ("PING\0\r\n", Ok(vec![])),
        ("*1\0\r\n$4\r\nPING\r\n", Ok(vec![])),
        ("*1\r\n$4\0\r\nPING\r\n", Ok(vec![])),
        ("*1\r\n\x004\r\nPING\r\n", Ok(vec![])),
        ("ECHO \"a\\x41\\n\\tb\"\r\n", echo("aA\n\tb")),
        ("ECHO 'a\\'b\\n'\r\n", echo("a'b\\n")),
        ("ECHO a\"b\"\r\n", echo("ab")),
        ("ECHO \"\"\r\n", echo("")),
        ("ECHO \"\\xZZ\"\r\n", echo("xZZ")),
        ("ECHO a\\nb\r\n", echo("a\\nb")),
        ("ECHO a\x0bb\r\n", echo("a\x0bb")),
        ("ECHO a \x0b\r\n", echo("a")),
        ("ECHO \"a\"\r\r\n", echo("a")),
        ("ECHO a\rb\r\n", Ok(vec![words(&["ECHO", "a", "b"])])),
        ("ECHO \"a\"b\r\n", Err("unbalanced quotes in request")),
        ("ECHO \"a\r\n", Err("unbalanced quotes in request")),
        ("ECHO 'a\r\n", Err("unbalanced quotes in request")),
        ("ECHO \"a\\\"\r\n", Err("unbalanced quotes in request")),
    ];
    for (stream, expected) in cases {
        let (requests, error) = whole(stream.as_bytes());
        let error = error.map(|error| error.to_string());
        match expected {
            Ok(expected) => assert_eq!((&requests, error), (expected, None), "{stream:?}"),
            Err(text) => assert_eq!(error, Some(format!("Protocol error: {text}")), "{stream:?}"),
        }
    }
}

#[test]
fn a_line_without_an_end_is_refused_one_byte_above_the_limit() {
    for (prefix, fill, error) in [
        ("", "A", ProtocolError::TooBigInline),
        ("*", "1", ProtocolError::TooBigMultibulkCount),
        ("*1\r\n$", "1", ProtocolError::TooBigBulkCount),
        ("*1\0", "\0", ProtocolError::TooBigMultibulkCount),
    ] {
        let line_starts = prefix.rfind('\n').map_or(0, |at| at + 1);
        let stream = [prefix, &fill.repeat(65536 + 1 + line_starts - prefix.len())].concat();
        let shorter = &stream.as_bytes()[..stream.len() - 1];
        assert_eq!(whole(shorter), (vec![], None), "{prefix:?}");
        assert_eq!(whole(stream.as_bytes()), (vec![], Some(error)), "{prefix:?}");
        assert_eq!(feed(stream.as_bytes(), 0..stream.len(), &Limits::default()), (vec![], Some(error)));
    }
}

#[test]
fn a_peer_that_has_not_authenticated_gets_ten_small_arguments() {
    let ask = |stream: &str| feed(stream.as_bytes(), [], &Limits::UNAUTHENTICATED).1;
    assert_eq!(ask("*10\r\n"), None);
    assert_eq!(ask("*11\r\n"), Some(ProtocolError::UnauthenticatedMultibulkLength));
    assert_eq!(ask("*1048577\r\n"), Some(ProtocolError::UnauthenticatedMultibulkLength));
    assert_eq!(ask("*2147483648\r\n"), Some(ProtocolError::InvalidMultibulkLength));
    assert_eq!(ask("*2\r\n$16384\r\n"), None);
    assert_eq!(ask("*2\r\n$16385\r\n"), Some(ProtocolError::UnauthenticatedBulkLength));
    assert_eq!(ask("*1\r\n$536870913\r\n"), Some(ProtocolError::InvalidBulkLength));
}

#[test]
fn limits_hold_for_the_number_of_arguments_and_the_whole_request() {
    assert_eq!(whole(b"*1048576\r\n").1, None);
    assert_eq!(whole(b"*1048577\r\n").1, Some(ProtocolError::InvalidMultibulkLength));
    let limits = Limits { request_bytes_max: 22, ..Limits::default() };
    let stream = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";
    assert_eq!(feed(stream, [], &limits).1, None);
    let limits = Limits { request_bytes_max: 21, ..Limits::default() };
    assert_eq!(feed(stream, [], &limits).1, Some(ProtocolError::TooBigRequest));
    let limits = Limits { bulk_bytes_max: usize::MAX, request_bytes_max: usize::MAX, ..Limits::default() };
    assert_eq!(feed(b"*1\r\n$4294967295\r\n", [], &limits).1, Some(ProtocolError::TooBigRequest));
    assert_eq!(feed(b"*1\r\n$9223372036854775807\r\n", [], &limits).1, Some(ProtocolError::TooBigRequest));
}

#[test]
fn what_was_scanned_of_a_longer_line_is_not_held_against_the_next() {
    let argv: Vec<_> = [10_000, 1000, 100, 10, 1, 0].iter().map(|len| vec![b'\r'; *len]).collect();
    let stream = encode(&argv);
    assert_eq!(feed(&stream, 0..stream.len(), &Limits::default()), (vec![argv], None));
    let stream = b"*2\r\n$1\r\na\r\n$\r\n";
    let error = Some(ProtocolError::InvalidBulkLength);
    assert_eq!(feed(stream, 0..stream.len(), &Limits::default()), (vec![], error));
}

/// Were anything rescanned, this would take minutes.
#[test]
fn a_large_request_that_comes_byte_by_byte_is_parsed_in_linear_time() {
    let argv: Vec<_> = (0..20_000u32).map(|i| i.to_le_bytes().to_vec()).collect();
    let stream = encode(&argv);
    assert_eq!(feed(&stream, 0..stream.len(), &Limits::default()), (vec![argv], None));
}

#[test]
fn memory_is_kept_between_small_requests_and_given_back_after_a_large_one() {
    let (small, large) = (encode(&words(&["GET", "k"])), encode(&vec![vec![]; 5000]));
    let mut parser = RequestParser::new();
    assert!(parser.parse(&small, &Limits::default()).is_ok());
    let kept = parser.spans.as_ptr();
    assert!(parser.parse(&small, &Limits::default()).is_ok());
    assert_eq!(parser.spans.as_ptr(), kept);
    assert!(parser.parse(&large, &Limits::default()).is_ok());
    assert!(parser.spans.capacity() >= 5000);
    parser.reset();
    assert!(parser.spans.capacity() <= KEPT_MAX);
    assert!(parser.parse(b"*1000000\r\n$1\r\n", &Limits::default()).is_ok());
    assert!(parser.spans.capacity() <= KEPT_MAX, "reserved what was only declared");
}

#[test]
fn a_declared_length_tells_how_much_is_missing() {
    let mut parser = RequestParser::new();
    let mut parse = |buf: &[u8]| parser.parse(buf, &Limits::default());
    assert_eq!(parse(b""), Ok(Parsed::Incomplete { wanted: 1 }));
    assert_eq!(parse(b"*2\r\n$3\r\nG"), Ok(Parsed::Incomplete { wanted: 4 }));
    assert_eq!(parse(b"*2\r\n$3\r\nGET\r"), Ok(Parsed::Incomplete { wanted: 1 }));
    assert_eq!(parse(b"*2\r\n$3\r\nGET\r\n$1000\r\n"), Ok(Parsed::Incomplete { wanted: 1002 }));
}

//! The encoder: exact bytes, rollbacks, and decoders that read back what was said.

use super::*;
use crate::double::format_double;
use crate::reply::Reply;
use quickcheck::{Arbitrary, Gen, quickcheck};
use redis_protocol::{resp2, resp3};

fn encode(protocol: Protocol, write: impl Fn(&mut RespSink<'_>)) -> String {
    let mut output = Output::new();
    write(&mut output.sink(protocol));
    assert_eq!(output.len(), output.to_vec().len());
    String::from_utf8_lossy(&output.to_vec()).into_owned()
}

#[test]
fn each_element_has_its_shape_in_both_protocols() {
    type Write = fn(&mut RespSink<'_>);
    let cases: &[(Write, &str, &str)] = &[
        (|s| s.ok(), "+OK\r\n", "+OK\r\n"),
        (|s| s.simple("QUEUED"), "+QUEUED\r\n", "+QUEUED\r\n"),
        (|s| s.error("ERR a\r\nb\n"), "-ERR a  b \r\n", "-ERR a  b \r\n"),
        (|s| s.int(0), ":0\r\n", ":0\r\n"),
        (|s| s.int(1), ":1\r\n", ":1\r\n"),
        (|s| s.int(i64::MIN), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"),
        (|s| s.bulk(b""), "$0\r\n\r\n", "$0\r\n\r\n"),
        (|s| s.bulk(b"a\r\nb"), "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n"),
        (|s| s.null(), "$-1\r\n", "_\r\n"),
        (|s| s.null_array(), "*-1\r\n", "_\r\n"),
        (|s| s.array(9), "*9\r\n", "*9\r\n"),
        (|s| s.array(10), "*10\r\n", "*10\r\n"),
        (|s| s.array(100), "*100\r\n", "*100\r\n"),
        (|s| s.map(6), "*12\r\n", "%6\r\n"),
        (|s| s.set(99), "*99\r\n", "~99\r\n"),
        (|s| s.push(3), "*3\r\n", ">3\r\n"),
        (|s| assert_eq!(s.attribute(2), s.protocol() == Protocol::Resp3), "", "|2\r\n"),
        (|s| s.double(0.1), "$3\r\n0.1\r\n", ",0.1\r\n"),
        (|s| s.double(f64::NEG_INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n"),
        (|s| s.boolean(true), ":1\r\n", "#t\r\n"),
        (|s| s.boolean(false), ":0\r\n", "#f\r\n"),
        (|s| s.big_number("123"), "$3\r\n123\r\n", "(123\r\n"),
        (|s| s.verbatim("txt", b"hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"),
        (
            |s| s.protocol_error(&ProtocolError::ExpectedBulk(b'\r')),
            "-ERR Protocol error: expected '$', got ' '\r\n",
            "-ERR Protocol error: expected '$', got ' '\r\n",
        ),
    ];
    for (write, resp2, resp3) in cases {
        assert_eq!(encode(Protocol::Resp2, write), *resp2);
        assert_eq!(encode(Protocol::Resp3, write), *resp3);
    }
    let mut output = Output::new();
    output.sink(Protocol::Resp2).protocol_error(&ProtocolError::ExpectedBulk(0xff));
    assert_eq!(output.to_vec(), b"-ERR Protocol error: expected '$', got '\xff'\r\n");
}

#[test]
fn doubles_are_printed_as_fpconv_prints_them() {
    for (value, text) in [
        (0.0, "0"),
        (-0.0, "-0"),
        (3.0, "3"),
        (-17.0, "-17"),
        (0.1, "0.1"),
        (-0.1, "-0.1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (3.25, "3.25"),
        (1234.5678, "1234.5678"),
        (123456789012.25, "123456789012.25"),
        (1e18, "1000000000000000000"),
        (4.5e18, "4500000000000000000"),
        (5e18, "5e+18"),
        (1e20, "1e+20"),
        (1e21, "1e+21"),
        (-1.5e300, "-1.5e+300"),
        (12345678901234567000.0, "12345678901234567000"),
        (0.001, "0.001"),
        (0.000001, "0.000001"),
        (0.0000001, "1e-7"),
        (0.00012, "0.00012"),
        (1.25e-9, "1.25e-9"),
        (0.0012345678, "0.0012345678"),
        (0.00012345678, "1.2345678e-4"),
        (1234.567890123, "1234.567890123"),
        (12345.67890123, "1.234567890123e+4"),
        (12345.678901, "12345.678901"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (-f64::MAX, "-1.7976931348623157e+308"),
        (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (f64::NAN, "nan"),
    ] {
        assert_eq!(format_double(value), text);
    }
}

#[test]
fn a_large_shared_value_is_sent_from_where_it_lies_and_a_rollback_forgets_it() {
    let large = Bytes::from(vec![b'x'; SHARED_BYTES_MIN]);
    let mut output = Output::new();
    let mut sink = output.sink(Protocol::Resp2);
    sink.ok();
    sink.bulk_shared(&large);
    let mark = sink.mark();
    sink.array(2);
    sink.bulk_shared(&large);
    sink.rollback(mark);
    sink.int(7);
    assert_eq!(output.shared.len(), 1);
    assert_eq!(output.shared[0].value.as_ptr(), large.as_ptr());
    let expected = [b"+OK\r\n$16384\r\n", &large[..], b"\r\n:7\r\n"].concat();
    assert_eq!(output.to_vec(), expected);
    assert_eq!(output.len(), expected.len());
    assert_eq!(output.write_to(&mut Chunks::new(usize::MAX)).ok(), Some(expected.len()));
    assert!(output.is_empty());
}

#[test]
fn a_cleared_output_keeps_its_buffer_unless_it_grew_large() {
    let mut output = Output::new();
    output.sink(Protocol::Resp2).bulk(&[0; 1000]);
    output.clear();
    assert!(output.is_empty() && output.bytes.capacity() >= 1000);
    output.sink(Protocol::Resp2).bulk(&[0; 1_000_000]);
    output.clear();
    assert!(output.bytes.capacity() <= KEPT_BYTES_MAX);
}

#[test]
fn a_writer_that_takes_nothing_is_an_error_and_one_that_would_block_loses_nothing() {
    struct Blocked;
    impl Write for Blocked {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut output = Output::new();
    assert_eq!(output.write_to(&mut Blocked).ok(), Some(0));
    output.push_encoded(b"+OK\r\n");
    assert_eq!(output.write_to(&mut Blocked).err().map(|e| e.kind()), Some(io::ErrorKind::WouldBlock));
    assert_eq!(output.write_to(&mut Chunks::new(0)).err().map(|e| e.kind()), Some(io::ErrorKind::WriteZero));
    assert_eq!(output.take().to_vec(), b"+OK\r\n");
    assert!(output.is_empty());
}

/// A peer that never catches up, but never stops reading either.
#[test]
fn what_has_been_written_does_not_stay_in_memory() {
    let mut output = Output::new();
    let mut peer = Chunks::new(1000);
    for _ in 0..10_000 {
        output.sink(Protocol::Resp2).bulk(&[b'v'; 993]);
        if output.len() > 5000 {
            assert!(output.write_to(&mut peer).is_ok());
        }
        assert!(output.bytes.capacity() <= 4 * KEPT_BYTES_MAX);
    }
}

#[test]
fn what_lies_behind_written_bytes_stays_in_its_place() {
    let (mut output, mut peer) = (Output::new(), Chunks::new(90_000));
    let mut sink = output.sink(Protocol::Resp2);
    sink.bulk(&[b'a'; 100_000]);
    sink.bulk_shared(&Bytes::from(vec![b'b'; SHARED_BYTES_MIN]));
    sink.bulk(b"c");
    let expected = output.to_vec();
    while !output.is_empty() {
        assert!(output.write_to(&mut peer).is_ok());
    }
    assert!(peer.taken == expected);
}

/// Takes at most so many bytes a write.
struct Chunks {
    most: usize,
    taken: Vec<u8>,
}

impl Chunks {
    fn new(most: usize) -> Self {
        Self { most, taken: Vec::new() }
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.most);
        self.taken.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write(&slices.iter().flat_map(|slice| slice.iter().copied()).collect::<Vec<u8>>())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What happens to an output in an event loop's life.
#[derive(Clone, Debug)]
enum Step {
    Bulk(u8),
    Shared(u8),
    Mark,
    Rollback,
    Write(u16),
    Append(u8),
}

impl Arbitrary for Step {
    fn arbitrary(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 6 {
            0 => Step::Bulk(u8::arbitrary(g)),
            1 => Step::Shared(u8::arbitrary(g) % 4),
            2 => Step::Mark,
            3 => Step::Rollback,
            4 => Step::Write(u16::arbitrary(g)),
            _ => Step::Append(u8::arbitrary(g) % 4),
        }
    }
}

/// Any reply that a command may give, to a depth of three; map keys and set members are distinct.
#[derive(Clone, Debug)]
struct AnyReply(Reply);

impl Arbitrary for AnyReply {
    fn arbitrary(g: &mut Gen) -> Self {
        AnyReply(any_reply(g, 3))
    }
}

fn any_bytes(g: &mut Gen) -> Bytes {
    match u8::arbitrary(g) {
        0..4 => Bytes::from(vec![u8::arbitrary(g); SHARED_BYTES_MIN + usize::from(u8::arbitrary(g))]),
        _ => Vec::<u8>::arbitrary(g).into(),
    }
}

fn any_reply(g: &mut Gen, depth: usize) -> Reply {
    let text = |g: &mut Gen| String::arbitrary(g).replace(['\r', '\n'], " ");
    let len = usize::from(u8::arbitrary(g) % 5);
    let distinct = |i: usize| Reply::Bulk(Bytes::from(format!("member:{i}")));
    match u8::arbitrary(g) % if depth == 0 { 9 } else { 13 } {
        0 => Reply::Simple(text(g).into()),
        1 => Reply::Error(text(g)),
        2 => Reply::Int(i64::arbitrary(g)),
        3 => Reply::Bulk(any_bytes(g)),
        4 => Reply::Null,
        5 => Reply::Double(Some(f64::arbitrary(g)).filter(|value| !value.is_nan()).unwrap_or(0.5)),
        6 => Reply::Boolean(bool::arbitrary(g)),
        7 => Reply::BigNumber(format!("{}{}", i64::arbitrary(g), u64::arbitrary(g))),
        8 => Reply::Verbatim("txt".into(), any_bytes(g)),
        9 => Reply::Array((0..len).map(|_| any_reply(g, depth - 1)).collect()),
        10 => Reply::Map((0..len).map(|i| (distinct(i), any_reply(g, depth - 1))).collect()),
        11 => Reply::Set((0..len).map(distinct).collect()),
        _ => Reply::Push((0..len).map(|_| any_reply(g, depth - 1)).collect()),
    }
}

/// What is left of a reply's shape in RESP2.
fn as_resp2(reply: &Reply) -> Reply {
    match reply {
        Reply::Array(items) | Reply::Set(items) | Reply::Push(items) => {
            Reply::Array(items.iter().map(as_resp2).collect())
        }
        Reply::Map(pairs) => {
            Reply::Array(pairs.iter().flat_map(|(key, value)| [as_resp2(key), as_resp2(value)]).collect())
        }
        Reply::Double(value) => Reply::Bulk(format_double(*value).into()),
        Reply::Boolean(value) => Reply::Int(i64::from(*value)),
        Reply::BigNumber(digits) => Reply::Bulk(digits.clone().into()),
        Reply::Verbatim(_, text) => Reply::Bulk(text.clone()),
        other => other.clone(),
    }
}

fn from_resp2(frame: resp2::types::BytesFrame) -> Reply {
    use resp2::types::BytesFrame::*;
    match frame {
        SimpleString(text) => Reply::Simple(String::from_utf8_lossy(&text).into_owned().into()),
        Error(text) => Reply::Error(text.to_string()),
        Integer(value) => Reply::Int(value),
        BulkString(bytes) => Reply::Bulk(bytes),
        Array(items) => Reply::Array(items.into_iter().map(from_resp2).collect()),
        Null => Reply::Null,
    }
}

fn from_resp3(frame: resp3::types::BytesFrame) -> Reply {
    use resp3::types::BytesFrame::*;
    let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
    match frame {
        SimpleString { data, .. } => Reply::Simple(text(data).into()),
        SimpleError { data, .. } => Reply::Error(data.to_string()),
        Number { data, .. } => Reply::Int(data),
        BlobString { data, .. } => Reply::Bulk(data),
        Null => Reply::Null,
        Double { data, .. } => Reply::Double(data),
        Boolean { data, .. } => Reply::Boolean(data),
        BigNumber { data, .. } => Reply::BigNumber(text(data)),
        VerbatimString { data, .. } => Reply::Verbatim("txt".into(), data),
        Array { data, .. } => Reply::Array(data.into_iter().map(from_resp3).collect()),
        Push { data, .. } => Reply::Push(data.into_iter().map(from_resp3).collect()),
        // The reference keeps these in hash tables; ours were made in the order of their keys.
        Set { data, .. } => {
            let mut items: Vec<_> = data.into_iter().map(from_resp3).collect();
            items.sort_by_key(|item| item.as_bytes().map(<[u8]>::to_vec));
            Reply::Set(items)
        }
        Map { data, .. } => {
            let mut pairs: Vec<_> =
                data.into_iter().map(|(key, value)| (from_resp3(key), from_resp3(value))).collect();
            pairs.sort_by_key(|(key, _)| key.as_bytes().map(<[u8]>::to_vec));
            Reply::Map(pairs)
        }
        other => unreachable!("we do not send {other:?}"),
    }
}

/// A sign, 17 digits and 7 zeros are one more than the bound that the property below once held doubles to.
#[test]
fn the_longest_double_is_printed_whole() {
    assert_eq!(format_double(-1.0000000000000001e23), "-100000000000000010000000");
}

quickcheck! {
    fn what_is_encoded_decodes_to_the_same_reply(reply: AnyReply) -> bool {
        let mut output = Output::new();
        reply.0.write_to(&mut output.sink(Protocol::Resp2));
        let encoded = Bytes::from(output.to_vec());
        let Ok(Some((frame, consumed))) = resp2::decode::decode_bytes(&encoded) else { return false };
        let same = consumed == encoded.len() && from_resp2(frame) == as_resp2(&reply.0);

        output.clear();
        reply.0.write_to(&mut output.sink(Protocol::Resp3));
        let encoded = Bytes::from(output.to_vec());
        let Ok(Some((frame, consumed))) = resp3::decode::complete::decode_bytes(&encoded) else { return false };
        same && consumed == encoded.len() && from_resp3(frame) == reply.0
    }

    fn doubles_read_back_as_themselves(bits: u64) -> bool {
        let value = f64::from_bits(bits);
        let text = format_double(value);
        text.len() <= 25 && (value.is_nan() || text.parse() == Ok(value))
    }

    fn no_write_marks_or_appending_changes_what_arrives(steps: Vec<Step>) -> bool {
        let mut output = Output::new();
        let (mut model, mut peer) = (Vec::new(), Chunks::new(0));
        let mut marked = None;
        for step in steps {
            match step {
                Step::Bulk(len) => {
                    let value = vec![len; usize::from(len) * 7];
                    output.sink(Protocol::Resp2).bulk(&value);
                    model.extend(format!("${}\r\n", value.len()).bytes().chain(value).chain(*b"\r\n"));
                }
                Step::Shared(extra) => {
                    let value = Bytes::from(vec![extra; SHARED_BYTES_MIN + usize::from(extra)]);
                    output.sink(Protocol::Resp3).bulk_shared(&value);
                    model.extend(format!("${}\r\n", value.len()).bytes().chain(value).chain(*b"\r\n"));
                }
                Step::Mark => marked = Some((output.sink(Protocol::Resp2).mark(), model.len())),
                Step::Rollback => {
                    if let Some((mark, len)) = marked.take() {
                        output.sink(Protocol::Resp2).rollback(mark);
                        model.truncate(len);
                    }
                }
                Step::Write(most) => {
                    marked = None;
                    peer.most = usize::from(most) + 1;
                    if output.write_to(&mut peer).is_err() {
                        return false;
                    }
                }
                Step::Append(extra) => {
                    marked = None;
                    let mut other = Output::new();
                    let value = Bytes::from(vec![b'-'; SHARED_BYTES_MIN + usize::from(extra)]);
                    other.push_encoded(b"+gone\r\n");
                    other.push_encoded_shared(&value);
                    other.push_encoded(b"\r\n");
                    if other.write_to(&mut Chunks::new(7 + usize::from(extra))).is_err() {
                        return false;
                    }
                    model.extend_from_slice(&other.to_vec());
                    output.append(&mut other);
                }
            }
            if output.len() != model.len() - peer.taken.len() {
                return false;
            }
        }
        peer.most = usize::MAX;
        while !output.is_empty() {
            if output.write_to(&mut peer).is_err() {
                return false;
            }
        }
        peer.taken == model
    }
}

#[test]
fn what_is_split_off_and_appended_again_is_what_was_there() {
    let large = Bytes::from(vec![b'x'; SHARED_BYTES_MIN]);
    let mut output = Output::new();
    output.push_encoded(b"before ");
    output.push_encoded_shared(&large);
    let mark = output.sink(Protocol::Resp2).mark();
    output.push_encoded(b"reply ");
    output.push_encoded_shared(&large);
    output.push_encoded(b" end");
    let whole = output.to_vec();
    let mut reply = output.split_off(mark);
    assert_eq!((output.len(), reply.len()), (7 + large.len(), 10 + large.len()));
    assert_eq!([output.to_vec(), reply.to_vec()].concat(), whole);
    output.push_encoded(b"pushed ");
    output.append(&mut reply);
    let wanted = [b"before ", &large[..], b"pushed reply ", &large, b" end"].concat();
    assert_eq!(output.to_vec(), wanted);
    // Where all of it has been written meanwhile there is nothing to take.
    let mut written = Vec::new();
    while output.write_to(&mut written).is_ok_and(|count| count > 0) {}
    assert_eq!(written, wanted);
    assert!(output.split_off(mark).is_empty() && output.is_empty());
}

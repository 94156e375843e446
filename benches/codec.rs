//! The codec on its own: requests parsed and replies encoded, ours beside redis-protocol's.
//!
//! `cargo bench --bench codec`; one line is one request (or one pipeline of 16) out of a warm buffer.

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use damselfly::reply::{Protocol, Sink};
use damselfly::wire::{Limits, Output, Parsed, RequestParser};
use redis_protocol::resp2::{
    decode::{decode_bytes_mut, decode_range},
    encode::extend_encode,
    types::BytesFrame,
};
use std::hint::black_box;

fn request(argv: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", argv.len()).into_bytes();
    for arg in argv {
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Parses every request in `stream` and looks at each argument, as a dispatcher would.
fn ours(parser: &mut RequestParser, stream: &[u8], limits: &Limits) -> usize {
    let (mut rest, mut seen) = (stream, 0);
    while let Ok(Parsed::Complete { consumed }) = parser.parse(rest, limits) {
        seen += parser.args(rest).map(<[u8]>::len).sum::<usize>();
        rest = &rest[consumed..];
    }
    seen
}

fn parse(c: &mut Criterion) {
    let get = request(&[b"GET", b"key:000000000042"]);
    let set = request(&[b"SET", b"key:000000000042", &[b'v'; 64]]);
    let streams = [("get", get.clone(), 1), ("set", set, 1), ("pipeline of 16 gets", get.repeat(16), 16)];
    for (name, stream, requests) in streams {
        let mut group = c.benchmark_group(format!("parse/{name}"));
        group.throughput(Throughput::Elements(requests));
        let (mut parser, limits) = (RequestParser::new(), Limits::default());
        group.bench_function("damselfly", |b| b.iter(|| ours(&mut parser, black_box(&stream), &limits)));
        group.bench_function("redis-protocol decode_range", |b| {
            b.iter(|| {
                let mut rest = &black_box(&stream)[..];
                while let Ok(Some((frame, consumed))) = decode_range(rest) {
                    black_box(frame);
                    rest = &rest[consumed..];
                }
            });
        });
        group.bench_function("redis-protocol decode_bytes_mut", |b| {
            b.iter_batched(
                || BytesMut::from(&stream[..]),
                |mut buf| {
                    while let Ok(Some((frame, _, _))) = decode_bytes_mut(&mut buf) {
                        black_box(frame);
                    }
                    buf
                },
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

/// A request of 20 000 arguments that comes in reads of 16 KiB.
fn resume(c: &mut Criterion) {
    let key = Bytes::from_static(b"key:000000000042");
    let stream = request(&vec![&key[..]; 20_000]);
    let mut group = c.benchmark_group("parse/20 000 arguments in 16 KiB reads");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    let mut parser = RequestParser::new();
    group.bench_function("damselfly", |b| {
        b.iter(|| {
            let ends = (0..stream.len()).step_by(16 * 1024).skip(1).chain([stream.len()]);
            ends.for_each(|end| {
                let _ = black_box(parser.parse(&stream[..end], &Limits::default()));
            });
            parser.argc()
        });
    });
    group.bench_function("redis-protocol decode_range", |b| {
        b.iter(|| {
            let ends = (0..stream.len()).step_by(16 * 1024).skip(1).chain([stream.len()]);
            ends.for_each(|end| {
                let _ = black_box(decode_range(&stream[..end]));
            });
        });
    });
    group.finish();
}

fn encode(c: &mut Criterion) {
    let small = Bytes::from(vec![b'v'; 64]);
    let large = Bytes::from(vec![b'v'; 64 * 1024]);
    for (name, value) in [("bulk of 64 B", &small), ("bulk of 64 KiB", &large)] {
        let mut group = c.benchmark_group(format!("encode/{name}"));
        let mut output = Output::new();
        group.bench_function("damselfly", |b| {
            b.iter(|| {
                output.sink(Protocol::Resp2).bulk_shared(black_box(value));
                black_box(output.len());
                output.clear();
            });
        });
        let frame = BytesFrame::BulkString(value.clone());
        let mut buf = BytesMut::new();
        group.bench_function("redis-protocol extend_encode", |b| {
            b.iter(|| {
                buf.clear();
                extend_encode(&mut buf, black_box(&frame), false).expect("a bulk can be encoded")
            });
        });
        group.finish();
    }
    let mut group = c.benchmark_group("encode/others");
    let mut output = Output::new();
    group.bench_function("ok", |b| {
        b.iter(|| {
            output.sink(Protocol::Resp2).ok();
            black_box(output.len());
            output.clear();
        });
    });
    group.bench_function("int", |b| {
        b.iter(|| {
            output.sink(Protocol::Resp2).int(black_box(1234));
            black_box(output.len());
            output.clear();
        });
    });
    group.bench_function("double", |b| {
        b.iter(|| {
            output.sink(Protocol::Resp3).double(black_box(3.25));
            black_box(output.len());
            output.clear();
        });
    });
    group.finish();
}

criterion_group!(benches, parse, resume, encode);
criterion_main!(benches);

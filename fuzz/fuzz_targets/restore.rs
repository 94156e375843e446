//! Payloads for `RESTORE` that nobody wrote.
//!
//! Input: a byte with the version, then a body, which gets the footer that it needs. Checked, besides that nothing panics
//! and nothing grows beyond what the limits say:
//! 1. a body is refused as bad data, or makes a key;
//! 2. what was made can be dumped; the dump makes a key of the same type and size, whose dump makes one again;
//! 3. a refused body leaves no key.
#![no_main]

use damselfly::clock::Clock;
use damselfly::config::Config;
use damselfly::rdb::crc64;
use damselfly::{Damselfly, Reply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&version, body)) = data.split_first() else { return };
    let config = Config::default().shards(1).seed(1).proto_max_bulk_len(1 << 20);
    let db = Damselfly::with_clock(config, Clock::manual(1_700_000_000_000)).expect("a good configuration");
    match db.restore("k", seal(body, u16::from(version))) {
        Err(error) => {
            let text = error.to_string();
            assert!(text == "ERR Bad data format" || text.starts_with("ERR DUMP payload version"), "{text}");
            assert!(!db.exists("k").expect("a key is there or not"));
        }
        Ok(()) => {
            // A hash all of whose fields were past their deadlines is none.
            let Some(dumped) = db.dump("k").expect("a dump never fails") else { return };
            db.restore("again", &dumped).expect("a dump is a payload");
            assert_eq!(shape(&db, "again"), shape(&db, "k"));
            let dumped = db.dump("again").expect("a dump never fails").expect("it is there");
            db.restore("third", &dumped).expect("a dump is a payload");
            assert_eq!(shape(&db, "third"), shape(&db, "k"));
        }
    }
});

fn seal(body: &[u8], version: u16) -> Vec<u8> {
    let mut payload = [body, &version.to_le_bytes()].concat();
    payload.extend(crc64(0, &payload).to_le_bytes());
    payload
}

/// The type and the size of a value.
fn shape(db: &Damselfly, key: &str) -> (Reply, Reply) {
    let call = |name: &str| db.call([name, key]).expect("the command takes any key of its type");
    let kind = call("TYPE");
    let size = match kind.as_bytes() {
        Some(b"string") => call("STRLEN"),
        Some(b"list") => call("LLEN"),
        Some(b"hash") => call("HLEN"),
        Some(b"set") => call("SCARD"),
        Some(b"zset") => call("ZCARD"),
        Some(b"stream") => call("XLEN"),
        other => panic!("no type: {other:?}"),
    };
    (kind, size)
}

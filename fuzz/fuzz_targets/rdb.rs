//! Files in Redis' format that nobody wrote.
//!
//! Input: a byte that says how the rest is taken: as a whole file where it is 0, otherwise as what stands between the
//! head of a file of this version and its end. Checked, besides that nothing panics:
//! 1. what is refused is refused as damage that names the file;
//! 2. what was loaded can be saved, and what was saved is loaded again with the same digest.
#![no_main]

use damselfly::clock::Clock;
use damselfly::config::Config;
use damselfly::persist::StorageError;
use damselfly::persist::storage::Memory;
use damselfly::{Damselfly, Reply};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

const NAME: &str = "x.rdb";

fuzz_target!(|data: &[u8]| {
    let Some((&how, bytes)) = data.split_first() else { return };
    let memory = Memory::new();
    let head = match how {
        0 => String::new(),
        1..80 => format!("REDIS{how:04}"),
        _ => format!("VALKEY{how:03}"),
    };
    // The end of the data, and no checksum.
    let end: &[u8] = if how == 0 { &[] } else { &[255, 0, 0, 0, 0, 0, 0, 0, 0] };
    memory.put(NAME, &[head.as_bytes(), bytes, end].concat());
    let db = open(&memory);
    match db.engine().recover() {
        Err(error @ StorageError::Corrupt { .. }) => assert!(error.to_string().contains(NAME), "{error}"),
        Err(error) => panic!("{error}"),
        Ok(_) => {
            // What is due goes, so that both see the same.
            let digest = digest(&db);
            db.save().expect("memory takes all");
            let again = open(&memory);
            again.engine().recover().expect("what was saved is loaded");
            assert_eq!(self::digest(&again), digest);
        }
    }
});

fn open(memory: &Memory) -> Damselfly {
    let config = Config::default().shards(2).seed(1).databases(4u32).dbfilename(NAME);
    let db = Damselfly::with_clock(config, Clock::manual(1_700_000_000_000)).expect("a good configuration");
    db.engine().save_to(Arc::new(memory.clone()));
    db
}

fn digest(db: &Damselfly) -> Reply {
    db.call(["DEBUG", "DIGEST"]).expect("a digest")
}

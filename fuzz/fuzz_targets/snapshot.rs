//! Snapshots that nobody wrote.
//!
//! Input: a byte that says how the rest is taken, as a whole file or as the records of one chunk of a file that is right
//! otherwise. Checked, besides that nothing panics:
//! 1. what is refused is refused as damage that names the file;
//! 2. what was loaded can be saved, and what was saved is loaded again with the same digest.
#![no_main]

use damselfly::clock::Clock;
use damselfly::config::Config;
use damselfly::persist::snapshot::Native;
use damselfly::persist::storage::Memory;
use damselfly::persist::{About, Format, StorageError};
use damselfly::shard::cut::Chunk;
use damselfly::shard::records::Records;
use damselfly::{Damselfly, Reply};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

const NAME: &str = "dump.dfly";

fuzz_target!(|data: &[u8]| {
    let Some((&how, bytes)) = data.split_first() else { return };
    let memory = Memory::new();
    if how == 0 {
        memory.put(NAME, bytes);
    } else {
        let (mut records, mut entries) = (Records::new(bytes), 0);
        while let Ok(Some(_)) = records.next_record() {
            entries += 1;
        }
        let chunk = Chunk { db: 0, entries, bytes: bytes.to_vec(), ..Chunk::default() };
        let mut sink = Native.create(Arc::new(memory.clone()), NAME).expect("memory takes all");
        sink.chunk(&chunk).expect("memory takes all");
        sink.finish(&About::default()).expect("memory takes all");
    }
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
    let config = Config::default().shards(2).seed(1).databases(2u32);
    let db = Damselfly::with_clock(config, Clock::manual(1_700_000_000_000)).expect("a good configuration");
    db.engine().save_to(Arc::new(memory.clone()));
    db
}

fn digest(db: &Damselfly) -> Reply {
    db.call(["DEBUG", "DIGEST"]).expect("a digest")
}

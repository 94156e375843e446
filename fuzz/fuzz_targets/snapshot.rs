//! Snapshots that nobody wrote.
//!
//! Input: a byte that says how the rest is taken, as a whole file or as the records of one chunk of a file that is right
//! otherwise. Checked, besides that nothing panics:
//! 1. what is refused is refused as damage that names the file;
//! 2. what was loaded can be saved, and what was saved is loaded again with the same digest.
#![no_main]

use damselfly::config::Config;
use damselfly::persist::snapshot::Native;
use damselfly::persist::storage::Memory;
use damselfly::persist::{About, Format};
use damselfly::shard::cut::Chunk;
use damselfly::shard::records::Records;
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

#[path = "../shared/reload.rs"]
mod reload;

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
    reload::check(&memory, &Config::default().databases(2u32), NAME);
});

//! Segments of a journal that nobody wrote.
//!
//! Input: a byte that says how the rest is taken: as a whole segment, as what stands behind a right header, or as what one
//! right record says. Checked, besides that nothing panics and nothing is reserved by a length that the file declares
//! (run with `-rss_limit_mb=256`):
//! 1. what is refused is refused as damage that names the file;
//! 2. the reader alone ends, whatever the file holds;
//! 3. what was replayed is saved and loaded again with the same digest.
#![no_main]

use damselfly::config::Config;
use damselfly::engine::effects::Effects;
use damselfly::persist::journal::{self, Journal};
use damselfly::persist::storage::Memory;
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

#[path = "../shared/reload.rs"]
mod reload;

fuzz_target!(|data: &[u8]| {
    let Some((&how, bytes)) = data.split_first() else { return };
    let memory = Memory::new();
    let name = journal::file_name(1);
    match how {
        0 => memory.put(&name, bytes),
        1 => {
            write(&memory, None);
            let head = memory.bytes(&name).expect("it is there");
            memory.put(&name, &[&head[..], bytes].concat());
        }
        _ => write(&memory, Some(bytes)),
    }
    // Parsing reserves nothing either.
    let _ = Effects::parse(bytes);
    reload::check(&memory, &Config::default().databases(2u32).appendonly(true).save(""), "journal.");
    for segment in journal::segments(&memory).unwrap_or_default() {
        let _ = journal::scan(&memory, &segment, |_| Ok(()));
    }
});

/// Writes a segment that is right, with one record or none.
fn write(memory: &Memory, payload: Option<&[u8]>) {
    let journal = Journal::default();
    journal.place(Arc::new(memory.clone()), 1, 0);
    let prepared = journal.prepare(0).expect("memory takes all");
    journal.begin(prepared);
    if let Some(payload) = payload {
        journal.append(payload);
    }
    journal.close().expect("memory takes all");
}

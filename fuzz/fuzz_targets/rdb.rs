//! Files in Redis' format that nobody wrote.
//!
//! Input: a byte that says how the rest is taken: as a whole file where it is 0, otherwise as what stands between the
//! head of a file of this version and its end. Checked, besides that nothing panics:
//! 1. what is refused is refused as damage that names the file;
//! 2. what was loaded can be saved, and what was saved is loaded again with the same digest.
#![no_main]

use damselfly::config::Config;
use damselfly::persist::storage::Memory;
use libfuzzer_sys::fuzz_target;

#[path = "../shared/reload.rs"]
mod reload;

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
    reload::check(&memory, &Config::default().databases(4u32).dbfilename(NAME), NAME);
});

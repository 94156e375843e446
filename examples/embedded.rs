//! damselfly inside your own process: no server, no socket, no runtime.
//!
//! `cargo run --example embedded`. With `cargo run --release --example embedded -- 1000000` it also fills that many keys
//! of 17 bytes with values of 32 and prints what each costs in resident memory.

use damselfly::Damselfly;
use damselfly::config::Config;
use damselfly::embed::{Error, Lifetime, SetOptions};
use std::time::Duration;

// `--features server` brings mimalloc, as the server uses it; without, the system's allocator is measured.
#[cfg(feature = "server")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(keys) = std::env::args().nth(1) {
        return memory(keys.parse()?);
    }
    let db = Damselfly::open(Config::default())?;

    // A cache: values that go by themselves.
    db.set_with("page:/", "<h1>hello</h1>", SetOptions::new().ex(Duration::from_secs(60)))?;
    assert!(matches!(db.ttl("page:/")?, Lifetime::Limited(_)));
    // Looked at where it stands, without a copy.
    let len = db.get_with("page:/", <[u8]>::len)?;
    println!("the page has {len:?} bytes");

    // A counter, from as many threads as you like.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1000).try_for_each(|_| db.incr("visits").map(drop)));
        }
    });
    println!("{:?} visits", db.get_int("visits")?);

    // A lock: only one of many gets it.
    let lock = SetOptions::new().nx().px(Duration::from_millis(500));
    println!(
        "first: {}, second: {}",
        db.set_with("lock", "a", lock)?.stored,
        db.set_with("lock", "b", lock)?.stored
    );

    // A list, and a scan over whatever there is.
    db.rpush("recent", ["a", "b", "c"])?;
    db.ltrim("recent", -2, -1)?;
    println!("recent: {:?}", db.lrange("recent", 0, -1)?);
    for key in db.scan().count(100) {
        println!("key {:?}", key?);
    }

    // Whatever has no method: by name.
    println!("{:?}", db.call(["OBJECT", "ENCODING", "visits"])?);
    match db.incr("recent") {
        Err(Error::Command(error)) => println!("refused: {error}"),
        other => println!("unexpected: {other:?}"),
    }
    Ok(())
}

/// Fills keys and compares the resident memory of the process.
fn memory(keys: usize) -> Result<(), Box<dyn std::error::Error>> {
    let db = Damselfly::open(Config::default())?;
    let before = resident_bytes()?;
    for n in 0..keys {
        db.set(format!("key:{n:013}"), [b'v'; 32])?;
    }
    let resident = resident_bytes()? - before;
    let counted = db.engine().memory_bytes();
    let each = |bytes: usize| bytes as f64 / keys as f64;
    println!("{keys} keys: {:.1} bytes each resident, {:.1} counted", each(resident), each(counted));
    Ok(())
}

#[cfg(target_os = "linux")]
fn resident_bytes() -> Result<usize, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<usize>()? * 1024)
}

#[cfg(not(target_os = "linux"))]
fn resident_bytes() -> Result<usize, Box<dyn std::error::Error>> {
    Err("resident memory is read from /proc".into())
}

//! Tests of the file: what is written is read, and whatever is damaged is refused.

use super::*;
use crate::persist::storage::{Fault, Faulty, Memory};
use crate::persist::{About, Accessed};
use crate::rdb::Corrupt;
use crate::shard::cut::{Chunk, Item};
use crate::shard::records::Record;
use crate::shard::{Expires, Key, Now, Shard, ShardSettings};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::mpsc;

/// By database and key.
type Values = BTreeMap<(u32, Vec<u8>), Vec<u8>>;

/// Collects what is loaded: values, and functions.
#[derive(Default)]
struct Collected(Mutex<Values>, Mutex<Vec<u8>>);

impl Target for Collected {
    fn records(&self, db: u32, records: &[Record<'_>]) -> Result<u64, (usize, Corrupt)> {
        let mut all = self.0.lock();
        for record in records {
            all.insert((db, record.key.to_vec()), record.value.to_vec());
        }
        Ok(0)
    }
    fn mark(&self, _: Accessed) -> u32 {
        0
    }
    fn functions(&self, dump: &[u8]) -> Result<(), String> {
        *self.1.lock() = dump.to_vec();
        Ok(())
    }
    fn progress(&self, _: u64, _: u64) {}
}

fn shard() -> Shard {
    Shard::new(2, 7, ShardSettings { string_bytes_max: 1 << 20, ..ShardSettings::default() })
}

fn key(number: u32) -> (Vec<u8>, u32) {
    (format!("key:{number}").into_bytes(), number.wrapping_mul(0x9E37_79B1))
}

fn set(shard: &mut Shard, db: usize, number: u32, value: &[u8]) {
    let (bytes, hash) = key(number);
    shard.keyspace(db, Now::At(1)).fill_string(Key { bytes: &bytes, hash }, value, Expires::Clear);
}

fn chunks(shard: &mut Shard, mut between: impl FnMut(&mut Shard, usize)) -> Vec<Chunk> {
    let (sender, receiver) = mpsc::channel();
    shard.begin_cut(&sender, &Arc::default());
    drop(sender);
    let (mut chunks, mut step) = (Vec::new(), 0);
    let mut take = |item| match item {
        Item::Chunk(chunk) => chunks.push(chunk),
        Item::Flushed(mut db) => while db.step_cut() {},
        Item::Lost => panic!("a cut was lost"),
    };
    loop {
        between(shard, step);
        step += 1;
        let more = shard.step_cut();
        receiver.try_iter().for_each(&mut take);
        if !more {
            break;
        }
    }
    receiver.iter().for_each(&mut take);
    chunks
}

fn write(storage: Arc<dyn Storage>, chunks: &[Chunk]) -> Result<u64, StorageError> {
    let mut sink = Native.create(storage, "dump.dfly")?;
    chunks.iter().try_for_each(|chunk| sink.chunk(chunk))?;
    sink.finish(&About { at_ms: 77, functions: b"library".to_vec(), ..About::default() })
}

fn small() -> Vec<Chunk> {
    let mut shard = shard();
    (0..20).for_each(|number| set(&mut shard, number as usize % 2, number, b"some value"));
    set(&mut shard, 0, 100, &[b'x'; 20_000]);
    chunks(&mut shard, |_, _| {})
}

#[test]
fn what_is_written_is_read() {
    let memory = Memory::new();
    write(Arc::new(memory.clone()), &small()).expect("written");
    let target = Collected::default();
    let loaded = Native.load(&memory, "dump.dfly", &target, 3).expect("loaded");
    assert_eq!((loaded.keys, loaded.at_ms), (21, 77));
    assert_eq!(*target.1.lock(), b"library");
    let all = target.0.lock();
    assert_eq!(all.len(), 21);
    assert_eq!(all[&(0, b"key:100".to_vec())].len(), 20_000);
    assert_eq!(all[&(1, b"key:7".to_vec())], b"some value");
    assert_eq!(memory.list().expect("names"), ["dump.dfly"]);
}

#[test]
fn every_damaged_byte_is_refused_and_every_cut_off_end() {
    let memory = Memory::new();
    let mut shard = shard();
    (0..4).for_each(|number| set(&mut shard, 0, number, b"v"));
    write(Arc::new(memory.clone()), &chunks(&mut shard, |_, _| {})).expect("written");
    let whole = memory.bytes("dump.dfly").expect("there");
    let refused = |bytes: &[u8]| {
        let memory = Memory::new();
        memory.put("dump.dfly", bytes);
        let error = Native.load(&memory, "dump.dfly", &Collected::default(), 1).expect_err("it is damaged");
        assert!(error.to_string().contains("dump.dfly is damaged"), "{error}");
    };
    for at in 0..whole.len() {
        for bit in [1, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= bit;
            refused(&bytes);
        }
        refused(&whole[..at]);
    }
    refused(&[&whole[..], b"x"].concat());
}

#[test]
fn whatever_fails_the_old_file_stays_whole() {
    let old = Memory::new();
    let mut shard = shard();
    set(&mut shard, 0, 1, b"old");
    write(Arc::new(old.clone()), &chunks(&mut shard, |_, _| {})).expect("written");
    let before = old.bytes("dump.dfly").expect("there");
    let new = small();
    for fault in [Fault::Once(ErrorKind::StorageFull), Fault::FromThenOn(ErrorKind::Other), Fault::Torn] {
        for at in 0.. {
            let memory = Memory::new();
            memory.put("dump.dfly", &before);
            let faulty = Faulty::new(Arc::new(memory.clone()), at, fault);
            let result = write(Arc::new(faulty.clone()), &new);
            for kept in [0, 100, 255] {
                let after = memory.crashed(kept);
                let loaded = Native.load(&after, "dump.dfly", &Collected::default(), 1).expect("whole");
                if result.is_ok() {
                    assert_eq!(loaded.keys, 21);
                } else {
                    assert!(matches!(loaded.keys, 1 | 21), "{loaded:?}");
                }
            }
            if faulty.operations() <= at {
                assert!(result.is_ok());
                break;
            }
            // The last operation of a failed snapshot takes the unfinished file away.
            assert!(result.is_err() || faulty.operations() == at + 1, "operation {at} failed silently");
        }
    }
}

#[test]
fn a_snapshot_shows_one_moment_whatever_changes_meanwhile() {
    let mut shard = shard();
    (0..3000).for_each(|number| set(&mut shard, 0, number, b"before"));
    (0..100).for_each(|number| set(&mut shard, 1, number, b"other"));
    let chunks = chunks(&mut shard, |shard, step| {
        // New keys, changed ones, removed ones, all over the hash space; splits and merges come with them.
        for number in 0..400 {
            let at = step as u32 * 997 + number * 13;
            set(shard, 0, 10_000 + at, b"new");
            set(shard, 0, at % 3000, b"after");
            let (bytes, hash) = key((at + 7) % 3000);
            shard.keyspace(0, Now::At(1)).delete(Key { bytes: &bytes, hash });
        }
        match step {
            1 => shard.swap(0, 1),
            2 => drop(shard.flush(1)),
            _ => {}
        }
    });
    let memory = Memory::new();
    write(Arc::new(memory.clone()), &chunks).expect("written");
    let target = Collected::default();
    assert_eq!(Native.load(&memory, "dump.dfly", &target, 2).expect("loaded").keys, 3100);
    for (&(db, _), value) in &*target.0.lock() {
        assert_eq!(&value[..], if db == 0 { &b"before"[..] } else { b"other" });
    }
    // Nothing of it is left behind.
    assert!(!shard.step_cut());
}

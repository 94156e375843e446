//! Segments as they are written, torn and damaged.

use super::*;
use crate::persist::storage::{Memory, Storage};
use std::sync::Arc;

fn journal(storage: &Memory) -> Journal {
    let journal = Journal::default();
    journal.place(Arc::new(storage.clone()), 1, 0);
    let prepared = journal.prepare(0).expect("made");
    journal.begin(prepared);
    journal
}

fn records(storage: &Memory) -> (Vec<Vec<u8>>, Tail) {
    let mut found = Vec::new();
    let mut tail = Tail::Whole;
    for segment in segments(storage).expect("segments") {
        let scan = scan(storage, &segment, |record| {
            found.push(record.to_vec());
            Ok(())
        });
        tail = scan.expect("read").tail;
    }
    (found, tail)
}

#[test]
fn what_was_synced_is_there_after_a_crash_and_a_torn_tail_is_no_damage() {
    let storage = Memory::new();
    let journal = journal(&storage);
    journal.append(b"one");
    journal.append(b"two");
    journal.sync().expect("synced");
    journal.append(b"three, which is torn");
    journal.write().expect("written");
    for kept in [0, 1, 100, 200, 255] {
        let (found, tail) = records(&storage.crashed(kept));
        assert_eq!(found, [b"one", b"two"]);
        assert!(!matches!(tail, Tail::Damaged(_)), "{tail:?}");
    }
}

#[test]
fn segments_follow_each_other_in_order_and_the_old_ones_go() {
    let storage = Memory::new();
    let journal = journal(&storage);
    journal.append(b"one");
    let cut = journal.prepare(7).expect("made");
    let number = journal.begin(cut);
    journal.append(b"two");
    let cut = journal.prepare(9).expect("made");
    journal.begin(cut);
    journal.append(b"three");
    journal.sync().expect("synced");
    assert_eq!(records(&storage), (vec![b"one".to_vec(), b"two".to_vec(), b"three".to_vec()], Tail::Whole));
    journal.remove_before(number).expect("removed");
    assert_eq!(records(&storage).0, [&b"two"[..], b"three"]);
}

#[test]
fn damage_in_the_middle_is_no_torn_tail() {
    let storage = Memory::new();
    let journal = journal(&storage);
    (0..5).for_each(|n| journal.append(format!("record {n}").as_bytes()));
    journal.sync().expect("synced");
    let synced = storage.bytes(&file_name(1)).expect("there").len();
    // What is written next says that this is on the disk.
    journal.append(b"another");
    journal.close().expect("synced");
    let name = file_name(1);
    let file = storage.open(&name).expect("there");
    let mut bytes = vec![0; file.len() as usize];
    file.read_exact_at(&mut bytes, 0).expect("read");
    for at in HEADER_BYTES..synced {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x20;
        let other = Memory::new();
        let mut file = other.create(&name).expect("made");
        file.write_all(&damaged).expect("written");
        assert!(matches!(records(&other).1, Tail::Damaged(_)), "byte {at}");
    }
}

#[test]
fn nothing_that_was_synced_is_lost_whatever_fails_and_the_rest_follows_once_it_can() {
    use crate::persist::storage::{Fault, Faulty};
    use std::io::ErrorKind::StorageFull as Full;
    for fault in [Fault::Once(Full), Fault::FromThenOn(Full), Fault::Torn] {
        for at in 0..12 {
            let memory = Memory::new();
            let storage = Faulty::new(Arc::new(memory.clone()), u64::MAX, Fault::Torn);
            let journal = Journal::default();
            journal.place(Arc::new(storage.clone()), 1, 0);
            let prepared = journal.prepare(0).expect("made");
            journal.begin(prepared);
            storage.set(Some((at, fault)));
            let mut synced = 0;
            let said: Vec<Vec<u8>> = (0..6).map(|n| format!("record {n}").into_bytes()).collect();
            for (n, record) in said.iter().enumerate() {
                journal.append(record);
                if journal.sync().is_ok() {
                    synced = n + 1;
                } else {
                    assert!(journal.refuses());
                }
            }
            for kept in [0, 128, 255] {
                let (found, _) = records(&memory.crashed(kept));
                assert!(found.len() >= synced && said.starts_with(&found), "{fault:?} at {at}: {found:?}");
            }
            storage.set(None);
            journal.sync().expect("there is room again");
            assert!(!journal.refuses());
            assert_eq!(records(&memory.crashed(0)).0, said, "{fault:?} at {at}");
        }
    }
}

//! `damselfly check`: what is damaged is found where it is, and mended without anything being destroyed.

#![cfg(feature = "server")]
#![allow(missing_docs)]

use damselfly::Damselfly;
use damselfly::config::{AppendFsync, Config};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

fn open(directory: &Path, name: &str) -> Result<Damselfly, damselfly::embed::OpenError> {
    let config = Config::default().dir(directory.to_string_lossy()).dbfilename(name).appendonly(true);
    Damselfly::open(config.appendfsync(AppendFsync::Always).shards(4).save(""))
}

/// One test at a time: a process that is about to be one of these tests' holds what its parent has open, and that may be
/// the lock of another test's directory.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A snapshot and a journal behind it.
fn fill(directory: &Path, name: &str) {
    let db = open(directory, name).expect("opened");
    for n in 0..2000 {
        db.set(format!("key:{n}"), "some value that takes its place").expect("set");
    }
    db.hash("hash").set("f", "v").expect("set");
    db.save().expect("saved");
    for n in 0..100 {
        db.durable().expect("there is a journal").rpush("list", [n.to_string()]).expect("pushed");
    }
}

/// The exit status, and what was said.
fn check(arguments: &[&str], path: &Path) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_damselfly"));
    let out = command.arg("check").args(arguments).arg(path).output().expect("it runs");
    let said = [&out.stdout[..], &out.stderr].concat();
    (out.status.code().expect("it ends by itself"), String::from_utf8_lossy(&said).into_owned())
}

fn files(directory: &Path, part: &str) -> Vec<PathBuf> {
    let names = fs::read_dir(directory).expect("read").map(|entry| entry.expect("a file").path());
    let mut found: Vec<_> = names.filter(|path| path.to_string_lossy().contains(part)).collect();
    found.sort();
    found
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).expect("read");
    bytes[at] ^= 0x10;
    fs::write(file, bytes).expect("written");
}

#[test]
fn what_is_whole_is_said_to_be() {
    let _alone = alone();
    for name in ["dump.dfly", "dump.rdb"] {
        let dir = tempfile::tempdir().expect("a directory");
        fill(dir.path(), name);
        let (status, said) = check(&["--dbfilename", name], dir.path());
        assert_eq!(status, 0, "{said}");
        assert!(said.contains(&format!("{name}: whole: 2001 keys")), "{said}");
        assert!(said.contains(".dfly: whole: 10"), "{said}");
        let (status, said) = check(&[], &dir.path().join(name));
        assert_eq!(status, 0, "{said}");
        assert!(said.contains("2001 keys") && !said.contains("records"), "{said}");
    }
}

#[test]
fn a_damaged_journal_is_cut_at_the_last_whole_record() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a directory");
    fill(dir.path(), "dump.dfly");
    let segment = files(dir.path(), "journal.").pop().expect("there is one");
    let whole = fs::read(&segment).expect("read");
    flip(&segment, whole.len() / 2);
    let refused = open(dir.path(), "dump.dfly").expect_err("it is damaged").to_string();
    assert!(refused.contains("damselfly check --fix"), "{refused}");
    let offset: usize = refused
        .split("offset ")
        .nth(1)
        .and_then(|rest| rest.split(':').next())
        .and_then(|number| number.parse().ok())
        .expect("an offset");
    let (status, said) = check(&[], dir.path());
    assert_eq!(status, 2, "{said}");
    assert!(said.contains(&format!("offset {offset}")), "{said}");
    assert_eq!(fs::read(&segment).expect("read").len(), whole.len(), "nothing was changed");
    let (status, said) = check(&["--fix"], dir.path());
    assert_eq!(status, 1, "{said}");
    let aside = files(dir.path(), "damaged-at-").pop().expect("what was cut off");
    let mut expected = whole.clone();
    expected[whole.len() / 2] ^= 0x10;
    assert_eq!(fs::read(&aside).expect("read"), expected[offset..]);
    assert_eq!(fs::read(&segment).expect("read"), whole[..offset]);
    let db = open(dir.path(), "dump.dfly").expect("it starts again");
    let list = db.lrange("list", 0, -1).expect("a list");
    assert!((1..100).contains(&list.len()), "{} elements", list.len());
    assert!(list.iter().enumerate().all(|(n, item)| *item == *n.to_string()), "what is left is in order");
    drop(db);
    assert_eq!(check(&[], dir.path()).0, 0);
}

#[test]
fn a_damaged_snapshot_is_written_anew_with_what_can_be_read() {
    let _alone = alone();
    for name in ["dump.dfly", "dump.rdb"] {
        let dir = tempfile::tempdir().expect("a directory");
        fill(dir.path(), name);
        let file = dir.path().join(name);
        let whole = fs::read(&file).expect("read");
        flip(&file, whole.len() / 2);
        let before = fs::read(&file).expect("read");
        let (status, said) = check(&["--dbfilename", name], dir.path());
        assert_eq!(status, 2, "{said}");
        assert!(said.contains(&format!("{name} is damaged")) && said.contains("offset"), "{said}");
        assert_eq!(fs::read(&file).expect("read"), before, "nothing was changed");
        let (status, said) = check(&["--fix", "--dbfilename", name], dir.path());
        assert_eq!(status, 1, "{said}");
        assert_eq!(fs::read(dir.path().join(format!("{name}.damaged"))).expect("kept"), before);
        let (status, said) = check(&["--dbfilename", name], dir.path());
        assert_eq!(status, 0, "{said}");
        let db = open(dir.path(), name).expect("it starts again");
        assert!(db.dbsize().expect("counted") > 100, "{} keys of {name}", db.dbsize().expect("counted"));
        assert_eq!(db.llen("list").expect("a length"), 100, "the journal still follows it");
    }
}

#[test]
fn a_segment_that_is_missing_puts_those_behind_it_aside() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a directory");
    fill(dir.path(), "dump.dfly");
    // Every start begins a segment.
    for n in 0..3 {
        let db = open(dir.path(), "dump.dfly").expect("opened");
        db.durable().expect("there is a journal").set(format!("n{n}"), "1").expect("set");
    }
    let segments = files(dir.path(), "journal.");
    assert_eq!(segments.len(), 4);
    fs::remove_file(&segments[1]).expect("removed");
    assert!(open(dir.path(), "dump.dfly").is_err());
    let (status, said) = check(&["--fix"], dir.path());
    assert_eq!(status, 1, "{said}");
    assert_eq!(files(dir.path(), ".damaged").len(), 2);
    let db = open(dir.path(), "dump.dfly").expect("it starts again");
    assert_eq!(db.llen("list").expect("a length"), 100);
}

#[test]
fn what_nothing_can_be_told_of_is_left_alone_and_a_directory_in_use_too() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a directory");
    fill(dir.path(), "dump.dfly");
    let file = dir.path().join("dump.dfly");
    let bytes = fs::read(&file).expect("read");
    fs::write(&file, &bytes[..bytes.len() - 3]).expect("written");
    let (status, said) = check(&["--fix"], &file);
    assert_eq!(status, 2, "{said}");
    assert_eq!(fs::read(&file).expect("read").len(), bytes.len() - 3);
    fs::write(&file, &bytes).expect("written");
    let db = open(dir.path(), "dump.dfly").expect("opened");
    let (status, said) = check(&[], dir.path());
    assert_eq!(status, 3, "{said}");
    assert!(said.contains("open in another process"), "{said}");
    drop(db);
    assert_eq!(check(&[], &dir.path().join("none")).0, 3);
}

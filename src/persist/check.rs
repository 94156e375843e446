//! Checking files (`damselfly check`): what they hold, whether all of it can be read, and what can be mended.
//!
//! What is checked is what a start checks: every checksum, every value, every record of the journal, and whether the
//! journal follows the snapshot that is there. Records are shown to a shard that is thrown away; a directory larger than
//! memory can be checked.
//!
//! Mending destroys nothing. What is cut off or replaced stays beside under a name that ends in `.damaged` or
//! `.damaged-at-<offset>`, on the disk before anything is changed:
//!
//! * a segment of the journal is cut at the last whole record before the damage, and those behind it are put aside: what
//!   they say follows from what is missing;
//! * a snapshot is written anew with every record that can be read.

use super::journal::{self, Tail};
use super::storage::{Directory, Storage};
use super::{About, Accessed, Accesses, Format, Loaded, Sink, StorageError, Target, rdb, snapshot};
use crate::rdb::Corrupt;
use crate::shard::cut::Chunk;
use crate::shard::records::{self, Form, Record};
use crate::shard::{Key, Now, Shard, ShardSettings};
use parking_lot::Mutex;
use std::sync::Arc;

/// What a check found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Places that are damaged.
    pub damaged: u32,
    /// Those of them that were mended.
    pub mended: u32,
}

/// How to check.
pub struct Check<'a> {
    /// Whether to mend.
    pub fix: bool,
    /// The snapshot that a start would load, by its name.
    pub snapshot: &'a str,
    /// Whether what a record of the journal says can be understood.
    pub understands: fn(&[u8]) -> Result<(), String>,
    /// Is told line by line what was seen.
    pub say: &'a mut dyn FnMut(String),
}

impl std::fmt::Debug for Check<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Check")
            .field("fix", &self.fix)
            .field("snapshot", &self.snapshot)
            .finish_non_exhaustive()
    }
}

/// The ending of a file that was put aside.
const DAMAGED: &str = "damaged";

/// What is told of a snapshot.
struct Seen {
    loaded: Loaded,
    /// What is damaged, and whether what is not can be told from it.
    damage: Vec<StorageError>,
    mendable: bool,
}

impl Check<'_> {
    /// Checks the files of a directory, or those of its files that `only` names. Nobody else must have it open.
    ///
    /// O(bytes).
    ///
    /// # Errors
    /// [`StorageError::Io`]: something could not be read, or not be mended. What was mended before is.
    pub fn run(&mut self, directory: &Directory, only: Option<&str>) -> Result<Outcome, StorageError> {
        let storage: Arc<dyn Storage> = Arc::new(directory.clone());
        let names = storage.list().map_err(|error| StorageError::io(storage.path(""), error))?;
        let mut outcome = Outcome::default();
        let mut moments = Vec::new();
        for name in names.iter().filter(|name| only.is_none_or(|only| only == **name)) {
            if journal::is_segment(name) || is_aside(name) {
                continue;
            }
            if let Some(format) = format_of_content(&*storage, name)? {
                self.check_snapshot(&storage, name, format, &mut outcome, &mut moments)?;
            }
        }
        if only.is_none_or(journal::is_segment) {
            let at_ms = match only {
                Some(_) => None,
                None => {
                    let loaded = moments.iter().find(|(name, _)| name == self.snapshot);
                    Some(loaded.map_or(0, |(_, at_ms)| *at_ms))
                }
            };
            self.check_journal(&*storage, only, at_ms, &mut outcome)?;
        }
        Ok(outcome)
    }

    fn damage(&mut self, outcome: &mut Outcome, what: impl ToString) {
        outcome.damaged += 1;
        (self.say)(what.to_string());
    }

    // ---- Snapshots ------------------------------------------------------------------------------------------

    fn check_snapshot(
        &mut self,
        storage: &Arc<dyn Storage>,
        name: &str,
        format: &'static dyn Format,
        outcome: &mut Outcome,
        moments: &mut Vec<(String, u64)>,
    ) -> Result<(), StorageError> {
        let reader = Reader::default();
        let seen = survey(&**storage, name, format, &reader)?;
        let found = reader.found.into_inner();
        let at_ms = seen.loaded.at_ms;
        if seen.mendable {
            moments.push((name.to_owned(), at_ms));
        }
        let (path, keys, bytes) = (storage.path(name), found.about_keys(), seen.loaded.bytes);
        if seen.damage.is_empty() {
            (self.say)(format!("{}: whole: {keys} keys, {bytes} bytes, as of {at_ms} ms", path.display()));
            return Ok(());
        }
        for error in &seen.damage {
            self.damage(outcome, error);
        }
        if !seen.mendable {
            (self.say)(format!("{}: nothing in it can be told apart: restore a copy", path.display()));
            return Ok(());
        }
        (self.say)(format!("{}: {keys} keys of {bytes} bytes can be read, as of {at_ms} ms", path.display()));
        if !self.fix {
            return Ok(());
        }
        let about = About {
            at_ms,
            functions: found.functions,
            databases: found.databases,
            field_deadlines: found.field_deadlines,
            accesses: Accesses::Unused,
        };
        let mut sink = format.create(Arc::clone(storage), name)?;
        sink.begin(&about)?;
        let keeper = Reader { sink: Some(Mutex::new(sink)), ..Reader::default() };
        survey(&**storage, name, format, &keeper)?;
        if let Some(error) = keeper.failed.into_inner() {
            return Err(error);
        }
        let Some(sink) = keeper.sink else { return Ok(()) };
        let aside = free_name(&**storage, name, DAMAGED)?;
        let io = |error| StorageError::io(storage.path(&aside), error);
        storage.rename(name, &aside).map_err(io)?;
        storage.sync_dir().map_err(io)?;
        sink.into_inner().finish(&about)?;
        outcome.mended += seen.damage.len() as u32;
        (self.say)(format!(
            "{}: written anew with what can be read; as it was it is {}",
            path.display(),
            storage.path(&aside).display()
        ));
        Ok(())
    }

    // ---- The journal ----------------------------------------------------------------------------------------

    /// `at_ms` is the moment of the snapshot that the journal has to follow, where that is known.
    fn check_journal(
        &mut self,
        storage: &dyn Storage,
        only: Option<&str>,
        at_ms: Option<u64>,
        outcome: &mut Outcome,
    ) -> Result<(), StorageError> {
        let numbers = journal::numbers(storage)?;
        let mut before: Option<u64> = None;
        let mut cuts = Vec::new();
        let is_wanted = |number: &u64| only.is_none_or(|only| only == journal::file_name(*number));
        for (at, number) in numbers.iter().copied().enumerate().filter(|(_, number)| is_wanted(number)) {
            let name = journal::file_name(number);
            let path = storage.path(&name);
            let is_last = at + 1 == numbers.len();
            if only.is_none() && before.is_some_and(|before| before + 1 != number) {
                self.damage(
                    outcome,
                    format!("{} is damaged: the segment before it is missing", path.display()),
                );
                return self.put_aside(storage, numbers.get(at..).unwrap_or_default(), outcome);
            }
            before = Some(number);
            let segment = match journal::segment(storage, number, is_last) {
                Ok(Some(segment)) => segment,
                Ok(None) => {
                    (self.say)(format!("{}: nothing was written to it yet", path.display()));
                    continue;
                }
                Err(error @ StorageError::Corrupt { .. }) => {
                    self.damage(outcome, error);
                    return self.put_aside(storage, numbers.get(at..).unwrap_or_default(), outcome);
                }
                Err(error) => return Err(error),
            };
            cuts.push(segment.cut);
            let understands = self.understands;
            let (offset, what) = match journal::scan(storage, &segment, understands) {
                Ok(scan) => match scan.tail {
                    Tail::Torn(at) if is_last => {
                        let torn = segment.bytes - at;
                        (self.say)(format!(
                            "{}: whole: {} records, as of {} ms; the next start cuts off the last {torn} bytes, which were \
                             not written to their end",
                            path.display(),
                            scan.records,
                            segment.cut
                        ));
                        continue;
                    }
                    Tail::Whole => {
                        let (records, cut) = (scan.records, segment.cut);
                        (self.say)(format!("{}: whole: {records} records behind {cut} ms", path.display()));
                        continue;
                    }
                    Tail::Torn(offset) | Tail::Damaged(offset) => {
                        (offset, format!("a record is damaged, behind {} whole ones", scan.records))
                    }
                },
                Err(StorageError::Corrupt { offset, what, .. }) => (offset, what),
                Err(error) => return Err(error),
            };
            self.damage(outcome, StorageError::Corrupt { path, chunk: None, offset, what });
            return self.cut(storage, segment, offset, numbers.get(at + 1..).unwrap_or_default(), outcome);
        }
        if let Some(at_ms) = at_ms
            && let Some(last) = cuts.last()
            && *last >= at_ms
            && !cuts.contains(&at_ms)
        {
            let made =
                if at_ms == 0 { "and there is none".to_owned() } else { format!("{at_ms} ms is there") };
            self.damage(outcome, format!("the journal follows a snapshot of {last} ms, {made}"));
            return self.put_aside(storage, &numbers, outcome);
        }
        Ok(())
    }

    /// Cuts a segment, and puts aside those behind it.
    fn cut(
        &mut self,
        storage: &dyn Storage,
        segment: journal::Segment,
        offset: u64,
        behind: &[u64],
        outcome: &mut Outcome,
    ) -> Result<(), StorageError> {
        let name = journal::file_name(segment.number);
        let path = storage.path(&name);
        let cut_off = segment.bytes.saturating_sub(offset);
        if !self.fix {
            (self.say)(format!("{}: --fix would cut off {cut_off} bytes", path.display()));
            return self.put_aside(storage, behind, outcome);
        }
        let aside = free_name(storage, &name, &format!("{DAMAGED}-at-{offset}"))?;
        let io = |error| StorageError::io(storage.path(&aside), error);
        let file = storage.open(&name).map_err(io)?;
        let mut copy = storage.create(&aside).map_err(io)?;
        let mut bytes = vec![0; 1 << 20];
        let mut at = offset;
        while at < file.len() {
            let len = usize::try_from(file.len() - at).unwrap_or(usize::MAX).min(bytes.len());
            let part = bytes.get_mut(..len).unwrap_or_default();
            file.read_exact_at(part, at).map_err(io)?;
            copy.write_all(part).map_err(io)?;
            at += len as u64;
        }
        copy.sync().map_err(io)?;
        storage.sync_dir().map_err(io)?;
        let mended = outcome.mended + 1;
        self.put_aside(storage, behind, outcome)?;
        storage.truncate(&name, offset).map_err(|error| StorageError::io(&path, error))?;
        outcome.mended = mended;
        (self.say)(format!(
            "{}: cut at {offset}; the {cut_off} bytes behind are {}",
            path.display(),
            storage.path(&aside).display()
        ));
        Ok(())
    }

    /// Puts segments aside, the last one first: what is left has no gap at any moment.
    fn put_aside(
        &mut self,
        storage: &dyn Storage,
        numbers: &[u64],
        outcome: &mut Outcome,
    ) -> Result<(), StorageError> {
        for number in numbers.iter().rev() {
            let name = journal::file_name(*number);
            let path = storage.path(&name);
            if !self.fix {
                (self.say)(format!("{}: --fix would put it aside", path.display()));
                continue;
            }
            let aside = free_name(storage, &name, DAMAGED)?;
            let io = |error| StorageError::io(&path, error);
            storage.rename(&name, &aside).map_err(io)?;
            storage.sync_dir().map_err(io)?;
            (self.say)(format!("{}: put aside as {}", path.display(), storage.path(&aside).display()));
        }
        if self.fix {
            outcome.mended = outcome.damaged;
        }
        Ok(())
    }
}

/// Whether a file was put aside, or never got its name.
fn is_aside(name: &str) -> bool {
    name.ends_with(".tmp") || name.contains(&format!(".{DAMAGED}"))
}

/// A name that no file has.
fn free_name(storage: &dyn Storage, name: &str, ending: &str) -> Result<String, StorageError> {
    let names = storage.list().map_err(|error| StorageError::io(storage.path(""), error))?;
    let numbered = |n: u32| if n == 0 { format!("{name}.{ending}") } else { format!("{name}.{ending}.{n}") };
    let free = (0..u32::MAX).map(numbered).find(|free| !names.contains(free));
    Ok(free.unwrap_or_else(|| format!("{name}.{ending}")))
}

/// The format of a file by how it begins; `None` for what is none of ours.
fn format_of_content(storage: &dyn Storage, name: &str) -> Result<Option<&'static dyn Format>, StorageError> {
    let io = |error| StorageError::io(storage.path(name), error);
    let file = storage.open(name).map_err(io)?;
    let mut head = [0; 8];
    let len = usize::try_from(file.len()).unwrap_or(usize::MAX).min(head.len());
    file.read_exact_at(head.get_mut(..len).unwrap_or_default(), 0).map_err(io)?;
    let by_name: Option<&'static dyn Format> = match name.rsplit_once('.') {
        Some((_, "dfly" | "rdb")) => Some(super::format_of(name)),
        _ => None,
    };
    Ok(match head {
        snapshot::MAGIC => Some(&snapshot::Native),
        _ if head.starts_with(b"REDIS") || head.starts_with(b"VALKEY") => Some(&rdb::Rdb),
        _ => by_name,
    })
}

/// Reads all of a snapshot that can be read.
fn survey(
    storage: &dyn Storage,
    name: &str,
    format: &'static dyn Format,
    reader: &Reader,
) -> Result<Seen, StorageError> {
    let (loaded, damage, mendable) = match format.survey(storage, name, reader) {
        Ok((loaded, damage)) => (loaded, damage, true),
        Err(error @ StorageError::Corrupt { .. }) => (Loaded::default(), vec![error], false),
        Err(error) => return Err(error),
    };
    Ok(Seen { loaded, damage, mendable })
}

/// What was found in a snapshot.
#[derive(Default)]
struct Found {
    functions: Vec<u8>,
    databases: Vec<(u64, u64)>,
    field_deadlines: bool,
}

impl Found {
    fn about_keys(&self) -> u64 {
        self.databases.iter().map(|(keys, _)| keys).sum()
    }
}

/// Looks at records, and writes those that are whole where it has somewhere to.
#[derive(Default)]
struct Reader {
    found: Mutex<Found>,
    sink: Option<Mutex<Box<dyn Sink>>>,
    /// Why what was read could not be written.
    failed: Mutex<Option<StorageError>>,
}

impl Target for Reader {
    fn records(&self, db: u32, records: &[Record<'_>]) -> Result<u64, (usize, Corrupt)> {
        let mut shard = Shard::new(1, 0, ShardSettings::default());
        let mut chunk = Chunk { db, ..Chunk::default() };
        let mut result = Ok(0);
        for (at, record) in records.iter().enumerate() {
            let key = Key { bytes: record.key, hash: (at as u32).wrapping_mul(0x9E37_79B1) };
            // What has expired is shown as well: nothing has at this time.
            if let Err(error) = shard.keyspace(0, Now::At(0)).load(key, record) {
                if result.is_ok() {
                    result = Err((at, error));
                }
                continue;
            }
            let mut found = self.found.lock();
            found.field_deadlines |= record.form == Form::BodyOfValkey;
            let index = db as usize;
            // A database's number is a file's word: it reserves nothing beyond what a setting may allow.
            if index < 1 << 16 {
                if found.databases.len() <= index {
                    found.databases.resize(index + 1, (0, 0));
                }
                if let Some((keys, deadlines)) = found.databases.get_mut(index) {
                    *keys += 1;
                    *deadlines += u64::from(record.expires_at_ms.is_some());
                }
            }
            drop(found);
            if self.sink.is_some() {
                records::write_again(&mut chunk.bytes, record);
                chunk.entries += 1;
            }
        }
        let Some(sink) = &self.sink else { return result };
        let mut failed = self.failed.lock();
        if chunk.entries > 0 && failed.is_none() {
            *failed = sink.lock().chunk(&chunk).err();
        }
        // What is no record was told of before; those behind it are kept.
        Ok(0)
    }

    fn mark(&self, _: Accessed) -> u32 {
        0
    }

    fn functions(&self, dump: &[u8]) -> Result<(), String> {
        const FOOTER: usize = 10;
        let body = |dump: &[u8]| dump.get(..dump.len().saturating_sub(FOOTER)).unwrap_or_default().to_vec();
        let functions = &mut self.found.lock().functions;
        let mut all = body(functions);
        all.extend_from_slice(&body(dump));
        *functions = crate::rdb::Writer::plain(all).seal(crate::rdb::VERSION);
        Ok(())
    }

    fn progress(&self, _: u64, _: u64) {}
}

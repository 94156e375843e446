//! Reading a snapshot's file: all of it is checked, on several threads at once.

use super::{END, HEADER, Index, MAGIC, Place, TRAILER, VERSION};
use crate::persist::storage::{ReadFile, Storage};
use crate::persist::{Loaded, StorageError, Target};
use crate::rdb::crc64;
use crate::shard::records::Records;
use rkyv::util::AlignedVec;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Records that are handed over together.
const BATCH: usize = 4096;

/// A file that is being read.
struct Source<'a> {
    file: &'a dyn ReadFile,
    path: PathBuf,
}

impl Source<'_> {
    fn read(&self, at: u64, bytes: &mut [u8]) -> Result<(), StorageError> {
        self.file.read_exact_at(bytes, at).map_err(|error| StorageError::io(&self.path, error))
    }

    fn corrupt(&self, offset: u64, what: impl Into<String>) -> StorageError {
        StorageError::Corrupt { path: self.path.clone(), chunk: None, offset, what: what.into() }
    }

    /// The index, whose places are known to lie one behind the other within the file.
    fn index(&self) -> Result<Index, StorageError> {
        let len = self.file.len();
        let Some(behind) = len.checked_sub(TRAILER).filter(|&behind| behind >= HEADER) else {
            return Err(self.corrupt(len, "it is shorter than an empty snapshot: it was cut off"));
        };
        let mut header = [0; HEADER as usize];
        self.read(0, &mut header)?;
        let [magic @ .., v0, v1, v2, v3, z0, z1, z2, z3] = header;
        if magic != MAGIC {
            return Err(self.corrupt(0, "it does not begin as a snapshot does"));
        }
        let version = u32::from_le_bytes([v0, v1, v2, v3]);
        if version != VERSION || [z0, z1, z2, z3] != [0; 4] {
            return Err(self.corrupt(8, format!("its format is {version}; this version reads {VERSION}")));
        }
        let mut trailer = [0; TRAILER as usize];
        self.read(behind, &mut trailer)?;
        let (index_len, rest) = trailer.split_at(8);
        let (sum, end) = rest.split_at(8);
        if end != END {
            return Err(self.corrupt(behind + 16, "it does not end as a snapshot does: it was cut off"));
        }
        let number = |bytes: &[u8]| bytes.first_chunk().copied().map_or(0, u64::from_le_bytes);
        let within = number(index_len) <= behind - HEADER;
        let Some(index_at) = behind.checked_sub(number(index_len)).filter(|_| within) else {
            return Err(self.corrupt(behind, "its index is longer than it is"));
        };
        // No longer than the file is.
        let mut bytes = AlignedVec::<16>::new();
        bytes.resize((behind - index_at) as usize, 0);
        self.read(index_at, &mut bytes)?;
        if crc64(crc64(0, &bytes), index_len) != number(sum) {
            return Err(self.corrupt(index_at, "the checksum of the index does not match"));
        }
        let index = rkyv::from_bytes::<Index, rkyv::rancor::Error>(&bytes)
            .map_err(|error| self.corrupt(index_at, format!("the index is none: {error}")))?;
        let mut at = HEADER;
        for place in &index.chunks {
            at = at.checked_add(place.len).filter(|&at| at <= index_at).ok_or_else(|| {
                self.corrupt(index_at, "its index places a chunk beyond the last one's end")
            })?;
        }
        if at != index_at {
            return Err(self.corrupt(at, "there is something between the last chunk and the index"));
        }
        Ok(index)
    }
}

/// Loads a snapshot. The index is checked first; each chunk is checked as a whole before any of it is taken.
///
/// O(bytes), on up to `threads` threads.
///
/// # Errors
/// [`StorageError`], which names the file and the place; what stood before it may be in `target`.
pub fn load(
    storage: &dyn Storage,
    name: &str,
    target: &dyn Target,
    threads: usize,
) -> Result<Loaded, StorageError> {
    let path = storage.path(name);
    let file = storage.open(name).map_err(|error| StorageError::io(&path, error))?;
    let source = Source { file: &*file, path };
    let index = source.index()?;
    let work = Work::new(&source, &index, target);
    std::thread::scope(|scope| {
        for _ in 1..threads.clamp(1, index.chunks.len().max(1)) {
            scope.spawn(|| work.run());
        }
        work.run();
    });
    let loaded = work.loaded();
    if let Some(error) = work.failure.into_inner() {
        return Err(error);
    }
    if !index.functions.is_empty() {
        let at = file.len().saturating_sub(TRAILER);
        target.functions(&index.functions).map_err(|what| source.corrupt(at, what))?;
    }
    Ok(loaded)
}

/// Shows all chunks to `target` that are whole, and says which are not. O(bytes).
///
/// # Errors
/// [`StorageError`]: the index cannot be read, which says where the chunks are.
pub fn survey(
    storage: &dyn Storage,
    name: &str,
    target: &dyn Target,
) -> Result<(Loaded, Vec<StorageError>), StorageError> {
    let path = storage.path(name);
    let file = storage.open(name).map_err(|error| StorageError::io(&path, error))?;
    let source = Source { file: &*file, path };
    let index = source.index()?;
    let work = Work::new(&source, &index, target);
    let (mut damage, mut bytes) = (Vec::new(), Vec::new());
    for (number, place) in index.chunks.iter().enumerate() {
        let start = work.starts.get(number).copied().unwrap_or(HEADER);
        match work.chunk(number, *place, start, &mut bytes) {
            Ok(()) => {}
            Err(error @ StorageError::Corrupt { .. }) => damage.push(error),
            Err(error) => return Err(error),
        }
    }
    if !index.functions.is_empty()
        && let Err(what) = target.functions(&index.functions)
    {
        damage.push(source.corrupt(file.len().saturating_sub(TRAILER), what));
    }
    Ok((work.loaded(), damage))
}

/// What the threads share.
struct Work<'a> {
    source: &'a Source<'a>,
    index: &'a Index,
    /// Where the chunks begin.
    starts: Vec<u64>,
    target: &'a dyn Target,
    /// The next chunk that nobody has taken.
    next: AtomicUsize,
    bytes: AtomicU64,
    keys: AtomicU64,
    expired: AtomicU64,
    failed: AtomicBool,
    failure: OnceLock<StorageError>,
}

impl<'a> Work<'a> {
    fn new(source: &'a Source<'a>, index: &'a Index, target: &'a dyn Target) -> Self {
        let places = index.chunks.iter();
        Self {
            source,
            index,
            starts: places.scan(HEADER, |at, place| Some(std::mem::replace(at, *at + place.len))).collect(),
            target,
            next: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
            keys: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            failure: OnceLock::new(),
        }
    }

    fn loaded(&self) -> Loaded {
        Loaded {
            keys: self.keys.load(Ordering::Relaxed),
            expired: self.expired.load(Ordering::Relaxed),
            bytes: self.source.file.len(),
            at_ms: self.index.at_ms,
        }
    }

    fn run(&self) {
        let mut bytes = Vec::new();
        while !self.failed.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let (Some(place), Some(&start)) = (self.index.chunks.get(number), self.starts.get(number)) else {
                return;
            };
            if let Err(error) = self.chunk(number, *place, start, &mut bytes) {
                self.failed.store(true, Ordering::Relaxed);
                let _ = self.failure.set(error);
                return;
            }
            let done = self.bytes.fetch_add(place.len, Ordering::Relaxed) + place.len;
            self.target.progress(done, self.source.file.len());
        }
    }

    fn chunk(
        &self,
        number: usize,
        place: Place,
        start: u64,
        bytes: &mut Vec<u8>,
    ) -> Result<(), StorageError> {
        let corrupt = |offset: usize, what: &str| StorageError::Corrupt {
            path: self.source.path.clone(),
            chunk: Some(number),
            offset: start + offset as u64,
            what: what.to_owned(),
        };
        // No longer than the file is: the index was checked.
        bytes.clear();
        bytes.resize(place.len as usize, 0);
        self.source.read(start, bytes)?;
        if crc64(0, bytes) != place.sum {
            return Err(corrupt(0, "the checksum does not match"));
        }
        let mut records = Records::new(bytes);
        let mut batch = Vec::new();
        let (mut found, mut at) = (0u64, 0);
        loop {
            let record = records.next_record().map_err(|error| corrupt(error.offset, error.what))?;
            batch.extend(record);
            if batch.len() >= BATCH || record.is_none() {
                let expired = self.target.records(place.db, &batch);
                let expired = expired.map_err(|(_, error)| corrupt(at, error.what))?;
                found += batch.len() as u64;
                self.keys.fetch_add(batch.len() as u64 - expired.min(batch.len() as u64), Ordering::Relaxed);
                self.expired.fetch_add(expired, Ordering::Relaxed);
                batch.clear();
                at = records.offset();
            }
            if record.is_none() {
                break;
            }
        }
        if found != u64::from(place.entries) {
            return Err(corrupt(0, "it holds another number of records than the index says"));
        }
        Ok(())
    }
}

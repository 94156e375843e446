//! Reading segments: which there are, what they hold, and where one ends.

use super::{HEADER_BYTES, MAGIC, MARK, VERSION, file_name, number_of, record, u64_at};
use crate::persist::StorageError;
use crate::persist::storage::Storage;
use crate::rdb::crc64;

/// A segment, by its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its number.
    pub number: u64,
    /// The moment of the snapshot that it follows; 0 for none.
    pub cut: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// How a segment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With a whole record.
    Whole,
    /// In the middle of a record that was not written to its end: from this offset on.
    Torn(u64),
    /// Something that was written is no longer what it was: at this offset.
    Damaged(u64),
}

/// What was found in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Whole records.
    pub records: u64,
    /// Where the last of them ends.
    pub end: u64,
    /// What stands behind it.
    pub tail: Tail,
}

fn read(storage: &dyn Storage, name: &str) -> Result<Vec<u8>, StorageError> {
    let io = |error| StorageError::io(storage.path(name), error);
    let file = storage.open(name).map_err(io)?;
    let mut bytes =
        vec![0; usize::try_from(file.len()).map_err(|_| io(std::io::ErrorKind::FileTooLarge.into()))?];
    file.read_exact_at(&mut bytes, 0).map_err(io)?;
    Ok(bytes)
}

/// The segments of a directory, in their order. One whose header was never synced is not among them where it is the last.
///
/// # Errors
/// [`StorageError`]: a header is damaged, or a segment is missing between two others.
pub fn segments(storage: &dyn Storage) -> Result<Vec<Segment>, StorageError> {
    let names = storage.list().map_err(|error| StorageError::io(storage.path(""), error))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| number_of(name)).collect();
    numbers.sort_unstable();
    let mut segments: Vec<Segment> = Vec::new();
    for (at, &number) in numbers.iter().enumerate() {
        let name = file_name(number);
        let corrupt = |what: &str| StorageError::Corrupt {
            path: storage.path(&name),
            chunk: None,
            offset: 0,
            what: what.into(),
        };
        if segments.last().is_some_and(|last| last.number + 1 != number) {
            return Err(corrupt("the segment before it is missing"));
        }
        let io = |error| StorageError::io(storage.path(&name), error);
        let file = storage.open(&name).map_err(io)?;
        let mut header = [0; HEADER_BYTES];
        if file.len() < HEADER_BYTES as u64 && at + 1 == numbers.len() {
            // It was about to be made when the process ended; nothing was ever written to it.
            continue;
        }
        file.read_exact_at(&mut header, 0).map_err(io)?;
        if !header.starts_with(MAGIC) {
            return Err(corrupt("it is no segment of a journal"));
        }
        if u64_at(&header, HEADER_BYTES - 8) != Some(crc64(0, header.split_at(HEADER_BYTES - 8).0)) {
            return Err(corrupt("the checksum of the header does not match"));
        }
        let version = u64_at(&header, 8).unwrap_or(0);
        if version != u64::from(VERSION) {
            return Err(corrupt("it is of another version of the format"));
        }
        if u64_at(&header, 16) != Some(number) {
            return Err(corrupt("its header has another number"));
        }
        segments.push(Segment { number, cut: u64_at(&header, 24).unwrap_or(0), bytes: file.len() });
    }
    Ok(segments)
}

/// Shows the records of a segment to `f`, in their order, until one is refused.
///
/// # Errors
/// [`StorageError`]: the file cannot be read, or `f` refuses a record, which the error then names.
pub fn scan(
    storage: &dyn Storage,
    segment: &Segment,
    mut f: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<Scan, StorageError> {
    let name = file_name(segment.number);
    let bytes = read(storage, &name)?;
    let mut at = HEADER_BYTES.min(bytes.len());
    let mut records = 0;
    while let Some((payload, len)) = bytes.get(at..).and_then(record) {
        f(payload).map_err(|what| StorageError::Corrupt {
            path: storage.path(&name),
            chunk: None,
            offset: at as u64,
            what,
        })?;
        records += 1;
        at += len;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let tail = if rest.is_empty() {
        Tail::Whole
    } else if has_record(rest) {
        // Something whole was written behind it, so this was whole, too.
        Tail::Damaged(at as u64)
    } else {
        Tail::Torn(at as u64)
    };
    Ok(Scan { records, end: at as u64, tail })
}

/// Whether a whole record stands anywhere behind the front.
fn has_record(bytes: &[u8]) -> bool {
    let finder = memchr::memmem::Finder::new(MARK);
    finder.find_iter(bytes).skip_while(|&at| at == 0).any(|at| bytes.get(at..).and_then(record).is_some())
}

//! Reading segments: which there are, what they hold, and where one ends.
//!
//! A segment is read through a window: in memory is a record, which is no longer than what the file has.

use super::{
    FRAME_BYTES, HEADER_BYTES, MAGIC, MARK, PROMISE, VERSION, checksum, file_name, number_of, u64_at,
    waiting_number_of,
};
use crate::persist::StorageError;
use crate::persist::storage::{ReadFile, Storage};
use crate::rdb::crc64;
use std::io;

/// Bytes that are read at once.
const WINDOW: usize = 256 * 1024;

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

/// A file that is read from a place on.
struct Input<'a> {
    file: &'a dyn ReadFile,
    /// What was read of it.
    window: Vec<u8>,
    /// Where the window begins in the file, and what of it was looked at.
    from: u64,
    at: usize,
}

impl<'a> Input<'a> {
    fn new(file: &'a dyn ReadFile, from: u64) -> Self {
        Self { file, window: Vec::new(), from, at: 0 }
    }

    fn offset(&self) -> u64 {
        self.from + self.at as u64
    }

    /// Has so many bytes in the window, of which `ahead` may be more; whether the file has them.
    fn has(&mut self, n: usize, ahead: usize) -> io::Result<bool> {
        let there = self.window.len() - self.at;
        if there >= n {
            return Ok(true);
        }
        let left = self.file.len().saturating_sub(self.offset());
        if left < n as u64 {
            return Ok(false);
        }
        self.from = self.offset();
        self.window.drain(..std::mem::take(&mut self.at));
        // No more than the file has.
        let wanted = n.max(ahead).min(usize::try_from(left).unwrap_or(usize::MAX));
        self.window.resize(wanted, 0);
        if self.window.capacity() > 4 * WINDOW && wanted <= WINDOW {
            self.window.shrink_to(WINDOW);
        }
        let unread = self.window.get_mut(there..).unwrap_or_default();
        self.file.read_exact_at(unread, self.from + there as u64)?;
        Ok(true)
    }

    /// What stands here, its frame included; `None` where nothing does that is whole.
    fn frame(&mut self, ahead: usize) -> io::Result<Option<&[u8]>> {
        if !self.has(FRAME_BYTES, ahead)? {
            return Ok(None);
        }
        let frame = self.window.get(self.at..).unwrap_or_default();
        let len = u64_at(frame, 4).and_then(|len| usize::try_from(len).ok());
        let Some(end) = len.and_then(|len| len.checked_add(FRAME_BYTES)).filter(|_| is_mark(frame)) else {
            return Ok(None);
        };
        if !self.has(end, ahead)? {
            return Ok(None);
        }
        let whole = self.window.get(self.at..).and_then(|rest| rest.get(..end));
        Ok(whole.filter(|whole| u64_at(whole, 12) == Some(checksum(whole))))
    }
}

fn is_mark(bytes: &[u8]) -> bool {
    bytes.starts_with(MARK) || bytes.starts_with(PROMISE)
}

/// Up to where the segment is on the disk, where this frame says so.
fn promised(frame: &[u8]) -> Option<u64> {
    if frame.starts_with(PROMISE) { u64_at(frame, FRAME_BYTES) } else { None }
}

/// A segment by its header; `None` where the header was never written to its end, which is no damage of the last one.
///
/// # Errors
/// [`StorageError`]: the header is damaged.
pub fn segment(storage: &dyn Storage, number: u64, is_last: bool) -> Result<Option<Segment>, StorageError> {
    let name = file_name(number);
    let corrupt = |what: &str| StorageError::Corrupt {
        path: storage.path(&name),
        chunk: None,
        offset: 0,
        what: what.into(),
    };
    let io = |error| StorageError::io(storage.path(&name), error);
    let file = storage.open(&name).map_err(io)?;
    let mut header = [0; HEADER_BYTES];
    if file.len() < HEADER_BYTES as u64 {
        if is_last {
            // It was about to be made when the process ended; nothing was ever written to it.
            return Ok(None);
        }
        return Err(corrupt("it is shorter than its header"));
    }
    file.read_exact_at(&mut header, 0).map_err(io)?;
    if !header.starts_with(MAGIC) {
        return Err(corrupt("it is no segment of a journal"));
    }
    if u64_at(&header, HEADER_BYTES - 8) != Some(crc64(0, header.split_at(HEADER_BYTES - 8).0)) {
        return Err(corrupt("the checksum of the header does not match"));
    }
    if u64_at(&header, 8) != Some(u64::from(VERSION)) {
        return Err(corrupt("it is of another version of the format"));
    }
    if u64_at(&header, 16) != Some(number) {
        return Err(corrupt("its header has another number"));
    }
    Ok(Some(Segment { number, cut: u64_at(&header, 24).unwrap_or(0), bytes: file.len() }))
}

/// The numbers of the segments of a directory, in their order.
///
/// # Errors
/// [`StorageError::Io`].
pub fn numbers(storage: &dyn Storage) -> Result<Vec<u64>, StorageError> {
    let names = storage.list().map_err(|error| StorageError::io(storage.path(""), error))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| number_of(name)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The segments of a directory, in their order. One whose header was never synced is not among them where it is the last.
///
/// # Errors
/// [`StorageError`]: a header is damaged, or a segment is missing between two others.
pub fn segments(storage: &dyn Storage) -> Result<Vec<Segment>, StorageError> {
    let numbers = numbers(storage)?;
    let mut segments: Vec<Segment> = Vec::new();
    for (at, &number) in numbers.iter().enumerate() {
        if segments.last().is_some_and(|last| last.number + 1 != number) {
            return Err(StorageError::Corrupt {
                path: storage.path(&file_name(number)),
                chunk: None,
                offset: 0,
                what: "the segment before it is missing".into(),
            });
        }
        segments.extend(segment(storage, number, at + 1 == numbers.len())?);
    }
    Ok(segments)
}

/// At start: segments that waited for the snapshot of this moment get their names, and take the place of those in front
/// of it; others that wait for a snapshot that never came go. What is done is done again where it is interrupted.
///
/// # Errors
/// [`StorageError::Io`].
pub fn adopt(storage: &dyn Storage, at_ms: u64) -> Result<(), StorageError> {
    let io = |error| StorageError::io(storage.path(""), error);
    let names = storage.list().map_err(io)?;
    let mut waiting: Vec<(u64, &String)> =
        names.iter().filter_map(|name| Some((waiting_number_of(name)?, name))).collect();
    if waiting.is_empty() {
        return Ok(());
    }
    waiting.sort_unstable();
    let mut first = None;
    for (number, name) in waiting {
        if first.is_none() && cut_of(storage, name).map_err(io)? == Some(at_ms) {
            first = Some(number);
            for old in names.iter().filter(|name| number_of(name).is_some_and(|old| old < number)) {
                storage.remove(old).map_err(io)?;
            }
            storage.sync_dir().map_err(io)?;
        }
        match first {
            Some(_) => storage.rename(name, &file_name(number)).map_err(io)?,
            None => {
                tracing::info!("{}: removed: its snapshot was not made", storage.path(name).display());
                storage.remove(name).map_err(io)?;
            }
        }
    }
    storage.sync_dir().map_err(io)
}

/// The moment that a segment follows, where its header is whole.
fn cut_of(storage: &dyn Storage, name: &str) -> io::Result<Option<u64>> {
    let file = storage.open(name)?;
    let mut header = [0; HEADER_BYTES];
    if file.len() < HEADER_BYTES as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut header, 0)?;
    let sum = crc64(0, header.split_at(HEADER_BYTES - 8).0);
    Ok(u64_at(&header, 24).filter(|_| u64_at(&header, HEADER_BYTES - 8) == Some(sum)))
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
    let path = storage.path(&file_name(segment.number));
    let io = |error| StorageError::io(&path, error);
    let file = storage.open(&file_name(segment.number)).map_err(io)?;
    let mut input = Input::new(&*file, (HEADER_BYTES as u64).min(file.len()));
    let mut records = 0;
    loop {
        let offset = input.offset();
        let Some(frame) = input.frame(WINDOW).map_err(io)? else { break };
        if promised(frame).is_none() {
            f(frame.get(FRAME_BYTES..).unwrap_or_default()).map_err(|what| StorageError::Corrupt {
                path: path.clone(),
                chunk: None,
                offset,
                what,
            })?;
            records += 1;
        }
        let len = frame.len();
        input.at += len;
    }
    let end = input.offset();
    let tail = if end == file.len() {
        Tail::Whole
    } else if was_promised(&*file, end).map_err(io)? {
        // It was on the disk.
        Tail::Damaged(end)
    } else {
        Tail::Torn(end)
    };
    Ok(Scan { records, end, tail })
}

/// Whether anything behind a place says that what stands there was on the disk.
fn was_promised(file: &dyn ReadFile, place: u64) -> io::Result<bool> {
    let finder = memchr::memmem::Finder::new(PROMISE);
    let mut input = Input::new(file, place + 1);
    while input.has(PROMISE.len(), WINDOW)? {
        let window = input.window.get(input.at..).unwrap_or_default();
        for at in finder.find_iter(window) {
            let mut there = Input::new(file, input.offset() + at as u64);
            if there.frame(0)?.and_then(promised).is_some_and(|synced| synced > place) {
                return Ok(true);
            }
        }
        // A mark may stand across the end of the window.
        input.at = input.window.len().saturating_sub(PROMISE.len() - 1).max(input.at + 1);
    }
    Ok(false)
}

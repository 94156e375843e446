//! Writing: records are gathered in memory, and whoever needs them on the disk writes all that there are.
//!
//! Whoever appends holds a mutex for the time of a copy. Whoever flushes takes all that was gathered, writes and syncs it
//! while the next ones gather; those who wait for a sync meanwhile find theirs done (one sync serves all of them).
//!
//! What is not synced stays in memory. Where writing or syncing fails, the file is cut to what was synced and all of it is
//! written again: after a failed sync nobody knows what the file holds.
//!
//! **Invariant:** the file is a prefix of what was appended, and `synced` never promises more than a sync has confirmed.

use super::{file_name, frame, header, number_of, promise, seal, waiting_name, waiting_number_of};
use crate::persist::StorageError;
use crate::persist::storage::{Storage, WriteFile};
use parking_lot::Mutex;
use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, OnceLock, Weak};

/// When the journal is synced (`appendfsync`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Before a reply leaves.
    Always,
    /// Once a second.
    EverySecond,
    /// When the operating system likes.
    Never,
}

/// Bytes that are written and not synced from which on whoever syncs is asked for it before its second is over: they
/// stay in memory until then.
const UNSYNCED_MAX: u64 = 8 << 20;
/// Buffers that are kept to be filled again, and how large one may be: memory that was touched before costs less.
const SPARE_MAX: usize = 128;
const SPARE_BYTES: usize = 256 << 10;

/// Figures of the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalFigures {
    /// Bytes in its segments.
    pub bytes: u64,
    /// Bytes when it was rotated last.
    pub base_bytes: u64,
    /// Bytes that are not written yet.
    pub buffered: u64,
    /// Syncs so far.
    pub syncs: u64,
    /// Whether the last try to write failed.
    pub failed: bool,
}

/// Somebody who waits for a sync.
pub trait AwaitsSync: fmt::Debug + Send + Sync {
    /// All up to its place is on the disk.
    fn synced(&self);
    /// A sync failed, which is tried again in a second.
    fn failed(&self, error: &StorageError);
    /// Nobody writes the journal any more.
    fn ended(&self);
}

/// Where changes are appended.
pub struct Journal {
    on: AtomicBool,
    fsync: AtomicU8,
    failed: AtomicBool,
    /// The snapshot that the first segment follows is there.
    anchored: AtomicBool,
    appended: AtomicU64,
    synced: AtomicU64,
    syncs: AtomicU64,
    bytes: AtomicU64,
    base_bytes: AtomicU64,
    pending: Mutex<Pending>,
    writer: Mutex<Writer>,
    /// Asks for a sync soon.
    ask: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// Who waits, and up to where it has to be synced. Nothing else is locked by whoever holds it.
    awaiting: Mutex<Vec<(u64, Weak<dyn AwaitsSync>)>>,
}

#[derive(Debug, Default)]
struct Pending {
    bytes: Vec<u8>,
    /// Where the next segment begins, and that segment.
    cuts: Vec<(usize, Open)>,
}

/// A segment that is written.
#[derive(Debug)]
struct Open {
    number: u64,
    /// Its snapshot is not there yet.
    waits: bool,
    file: Box<dyn WriteFile>,
    /// Bytes of it that are synced.
    synced: u64,
    /// How many of them it says are.
    promised: u64,
}

impl Open {
    fn name(&self) -> String {
        if self.waits { waiting_name(self.number) } else { file_name(self.number) }
    }
}

#[derive(Debug, Default)]
struct Writer {
    storage: Option<Arc<dyn Storage>>,
    open: Option<Open>,
    /// Written, perhaps, and not synced: what a failure makes us write again.
    unsynced: Vec<Vec<u8>>,
    unsynced_bytes: u64,
    /// Taken, and not written.
    waiting: Vec<Vec<u8>>,
    /// Segments to follow once everything in front of them is synced.
    next: Option<Open>,
    next_bytes: Vec<u8>,
    /// Buffers to be filled again.
    spare: Vec<Vec<u8>>,
    /// A sync was asked for.
    asked: bool,
    /// The file does not hold what `unsynced` says.
    torn: bool,
    next_number: u64,
    target: u64,
    error: String,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("figures", &self.figures()).finish_non_exhaustive()
    }
}

thread_local! {
    /// Up to where this thread has appended since it committed.
    static MINE: Cell<u64> = const { Cell::new(0) };
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            on: AtomicBool::new(false),
            fsync: AtomicU8::new(1),
            failed: AtomicBool::new(false),
            anchored: AtomicBool::new(true),
            appended: AtomicU64::new(0),
            synced: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            base_bytes: AtomicU64::new(0),
            pending: Mutex::default(),
            writer: Mutex::new(Writer { next_number: 1, ..Writer::default() }),
            ask: OnceLock::new(),
            awaiting: Mutex::default(),
        }
    }
}

impl Journal {
    /// Says how whoever syncs is asked to do so soon.
    pub fn on_full(&self, ask: impl Fn() + Send + Sync + 'static) {
        let _ = self.ask.set(Box::new(ask));
    }

    /// Whether anybody listens.
    #[inline]
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.on.load(Relaxed)
    }

    /// When it is synced.
    #[must_use]
    pub fn fsync(&self) -> Fsync {
        match self.fsync.load(Relaxed) {
            0 => Fsync::Always,
            1 => Fsync::EverySecond,
            _ => Fsync::Never,
        }
    }

    /// Says when it is synced.
    pub fn set_fsync(&self, fsync: Fsync) {
        self.fsync.store(fsync as u8, Relaxed);
    }

    /// Whether writes are refused because the journal cannot be written.
    #[inline]
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.failed.load(Relaxed)
    }

    /// What went wrong last.
    #[must_use]
    pub fn error(&self) -> String {
        self.writer.lock().error.clone()
    }

    /// Figures.
    #[must_use]
    pub fn figures(&self) -> JournalFigures {
        JournalFigures {
            bytes: self.bytes.load(Relaxed),
            base_bytes: self.base_bytes.load(Relaxed),
            buffered: self.pending.lock().bytes.len() as u64,
            syncs: self.syncs.load(Relaxed),
            failed: self.refuses(),
        }
    }

    /// Appends a record. Its writer is inside the shards that it concerns.
    pub fn append(&self, payload: &[u8]) {
        self.append_with(|bytes| bytes.extend_from_slice(payload));
    }

    /// The same for a record that `payload` writes behind what it is given, which it leaves as it is.
    #[inline]
    pub fn append_with(&self, payload: impl FnOnce(&mut Vec<u8>)) {
        let mut pending = self.pending.lock();
        let before = pending.bytes.len();
        frame(&mut pending.bytes, payload);
        let added = (pending.bytes.len() - before) as u64;
        let mine = self.appended.fetch_add(added, Release) + added;
        drop(pending);
        MINE.set(mine);
    }

    /// Has the next [`commit`](Self::commit) of this thread wait for all that was appended so far by anyone.
    pub fn depend(&self) {
        if self.is_on() {
            MINE.set(self.appended.load(Acquire));
        }
    }

    /// Up to where this thread has appended since it committed; 0 for nothing.
    #[inline]
    #[must_use]
    pub fn mine() -> u64 {
        MINE.get()
    }

    /// Up to where anybody has appended.
    #[must_use]
    pub fn appended(&self) -> u64 {
        self.appended.load(Acquire)
    }

    /// Whether all up to a place is on the disk, whatever becomes of it without a snapshot.
    #[must_use]
    pub fn is_synced(&self, place: u64) -> bool {
        self.synced.load(Acquire) >= place
    }

    /// Whether all up to a place would be there after a crash.
    #[must_use]
    pub fn is_durable(&self, place: u64) -> bool {
        self.anchored.load(Acquire) && self.is_synced(place)
    }

    /// Tells somebody once all up to a place is on the disk. Whoever calls this has it synced.
    pub fn await_sync(&self, place: u64, who: Weak<dyn AwaitsSync>) {
        let mut awaiting = self.awaiting.lock();
        if awaiting.len() == awaiting.capacity() {
            awaiting.retain(|(_, who)| who.strong_count() > 0);
        }
        awaiting.push((place, who));
        drop(awaiting);
        // A sync that ended in front of the lock was seen by nobody.
        if self.is_durable(place) {
            self.tell(&Ok(()));
        }
    }

    /// Whether somebody waits for a sync.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        !self.awaiting.lock().is_empty()
    }

    /// Tells those who wait how a sync went. They may be strangers' code: nothing is locked.
    fn tell(&self, result: &Result<(), StorageError>) {
        let (mut due, mut others) = (Vec::new(), Vec::new());
        let mut awaiting = self.awaiting.lock();
        awaiting.retain(|(place, who)| match who.upgrade() {
            None => false,
            Some(who) if self.is_durable(*place) => {
                due.push(who);
                false
            }
            Some(who) => {
                others.push(who);
                true
            }
        });
        drop(awaiting);
        due.iter().for_each(|who| who.synced());
        if let Err(error) = result {
            others.iter().for_each(|who| who.failed(error));
        }
    }

    /// Before replies leave: makes what this thread appended as durable as the setting says.
    ///
    /// # Errors
    /// [`StorageError`]: it is not on the disk, and nobody may be told that it is.
    #[inline]
    pub fn commit(&self) -> Result<(), StorageError> {
        match MINE.replace(0) {
            0 => Ok(()),
            mine => self.commit_to(mine),
        }
    }

    /// Brings what this thread appended to the disk, whatever the setting says.
    ///
    /// # Errors
    /// [`StorageError`]: it is not there.
    pub fn sync_mine(&self) -> Result<(), StorageError> {
        match MINE.replace(0) {
            0 => Ok(()),
            mine => self.sync_to(mine),
        }
    }

    fn commit_to(&self, mine: u64) -> Result<(), StorageError> {
        if self.fsync() == Fsync::Always {
            return self.sync_to(mine);
        }
        if let Some(mut writer) = self.writer.try_lock() {
            // Who fails here is told by the refusal of what follows; nothing was promised.
            let _ = self.flush(&mut writer, false);
            let asks = writer.unsynced_bytes > UNSYNCED_MAX && !std::mem::replace(&mut writer.asked, true);
            drop(writer);
            if asks
                && self.fsync() == Fsync::EverySecond
                && let Some(ask) = self.ask.get()
            {
                ask();
            }
        }
        Ok(())
    }

    /// Writes and syncs all that was appended so far.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn sync(&self) -> Result<(), StorageError> {
        self.sync_to(self.appended.load(Acquire))
    }

    fn sync_to(&self, target: u64) -> Result<(), StorageError> {
        if self.synced.load(Acquire) >= target {
            return Ok(());
        }
        let mut writer = self.writer.lock();
        if self.synced.load(Acquire) >= target {
            return Ok(());
        }
        let result = self.flush(&mut writer, true);
        drop(writer);
        self.tell(&result);
        result
    }

    /// Writes what there is without syncing it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn write(&self) -> Result<(), StorageError> {
        self.flush(&mut self.writer.lock(), false)
    }

    fn flush(&self, writer: &mut Writer, sync: bool) -> Result<(), StorageError> {
        loop {
            if writer.next.is_none() {
                self.take(writer);
            }
            // A segment is whole before the next one begins.
            let rotates = writer.next.is_some();
            let result = writer.put(sync || rotates);
            match &result {
                Ok(written) => {
                    self.bytes.fetch_add(*written, Relaxed);
                    if sync || rotates {
                        self.syncs.fetch_add(1, Relaxed);
                        let behind = writer.next_bytes.len() as u64;
                        self.synced.store(writer.target.saturating_sub(behind), Release);
                    }
                    if self.failed.swap(false, Relaxed) {
                        tracing::info!("the journal is written again");
                    }
                }
                Err(error) => {
                    writer.error = error.to_string();
                    if !self.failed.swap(true, Relaxed) {
                        tracing::error!("the journal cannot be written, and writes are refused: {error}");
                    }
                }
            }
            result?;
            if !writer.advance() {
                return Ok(());
            }
        }
    }

    /// Takes what was appended, up to the second next segment.
    fn take(&self, writer: &mut Writer) {
        let mut pending = self.pending.lock();
        if pending.bytes.is_empty() && pending.cuts.is_empty() {
            return;
        }
        let spare = writer.spare.pop().unwrap_or_default();
        let mut bytes = std::mem::replace(&mut pending.bytes, spare);
        if !pending.cuts.is_empty() {
            let (at, open) = pending.cuts.remove(0);
            let mut behind = bytes.split_off(at.min(bytes.len()));
            let later = pending.cuts.first().map(|(next, _)| next - at);
            if let Some(later) = later {
                // Two cuts between two flushes: what is behind the second stays here.
                pending.bytes = behind.split_off(later.min(behind.len()));
                for cut in &mut pending.cuts {
                    cut.0 = cut.0.saturating_sub(at + behind.len());
                }
            }
            seal(&mut behind);
            writer.next = Some(open);
            writer.next_bytes = behind;
        }
        writer.target = self.appended.load(Acquire) - pending.bytes.len() as u64;
        drop(pending);
        if !bytes.is_empty() {
            seal(&mut bytes);
            writer.waiting.push(bytes);
        }
    }

    // ---- Segments -------------------------------------------------------------------------------------------

    /// Says where it stands, and with which number it goes on.
    pub fn place(&self, storage: Arc<dyn Storage>, next_number: u64, bytes: u64) {
        let mut writer = self.writer.lock();
        writer.storage = Some(storage);
        writer.next_number = next_number;
        self.bytes.store(bytes, Relaxed);
        self.base_bytes.store(bytes, Relaxed);
    }

    /// Makes the file of the segment that follows a snapshot of this moment. It is durable, and nothing is in it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn prepare(&self, cut: u64) -> Result<Prepared, StorageError> {
        self.prepare_segment(cut, false)
    }

    /// The same for a snapshot that is still to be written, whether the journal is on already or begins with it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn prepare_next(&self, cut: u64) -> Result<Prepared, StorageError> {
        self.prepare_segment(cut, !self.is_on() || !self.anchored.load(Acquire))
    }

    fn prepare_segment(&self, cut: u64, waits: bool) -> Result<Prepared, StorageError> {
        let mut writer = self.writer.lock();
        let storage = writer.storage.clone().ok_or(StorageError::NoDirectory)?;
        let number = writer.next_number;
        let name = if waits { waiting_name(number) } else { file_name(number) };
        let io = |error| StorageError::io(storage.path(&name), error);
        let mut file = storage.create(&name).map_err(io)?;
        let header = header(number, cut);
        file.write_all(&header).map_err(io)?;
        file.sync().map_err(io)?;
        storage.sync_dir().map_err(io)?;
        writer.next_number += 1;
        Ok(Prepared(Open { number, waits, file, synced: header.len() as u64, promised: header.len() as u64 }))
    }

    /// Begins a segment: what is appended from here on stands in it. Whoever calls this is inside all shards, where the
    /// moment must be the snapshot's. Returns its number.
    pub fn begin(&self, prepared: Prepared) -> u64 {
        let number = prepared.0.number;
        self.anchored.store(!prepared.0.waits, Release);
        let mut pending = self.pending.lock();
        let at = pending.bytes.len();
        pending.cuts.push((at, prepared.0));
        drop(pending);
        self.on.store(true, Relaxed);
        number
    }

    /// Syncs what there is, and has the segment say so: nothing follows that could.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn close(&self) -> Result<(), StorageError> {
        self.sync()?;
        let mut writer = self.writer.lock();
        if let Some(open) = &mut writer.open
            && open.promised < open.synced
        {
            let promise = promise(open.synced);
            open.promised = open.synced;
            writer.waiting.push(promise);
            self.flush(&mut writer, true)?;
        }
        Ok(())
    }

    /// Stops listening.
    pub fn end(&self) {
        self.on.store(false, Relaxed);
        let awaiting = std::mem::take(&mut *self.awaiting.lock());
        awaiting.iter().filter_map(|(_, who)| who.upgrade()).for_each(|who| who.ended());
    }

    /// Removes the segments in front of one, which a snapshot has made superfluous.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn remove_before(&self, number: u64) -> Result<(), StorageError> {
        // What goes into the segments in front of it is written before they go.
        if self.is_on() {
            self.sync()?;
            self.flush(&mut self.writer.lock(), true)?;
        }
        let storage = self.writer.lock().storage.clone().ok_or(StorageError::NoDirectory)?;
        let names = storage.list().map_err(|error| StorageError::io(storage.path(""), error))?;
        // The newest go last: what is left after a crash has no gap.
        let mut old: Vec<_> =
            names.iter().filter_map(|name| number_of(name)).filter(|n| *n < number).collect();
        old.sort_unstable();
        for number in old {
            let name = file_name(number);
            storage.remove(&name).map_err(|error| StorageError::io(storage.path(&name), error))?;
        }
        storage.sync_dir().map_err(|error| StorageError::io(storage.path(""), error))?;
        let mut writer = self.writer.lock();
        self.anchor(&mut writer, &*storage, &names, number)?;
        let bytes = writer.open.as_ref().map_or(0, |open| open.synced + writer.unsynced_bytes);
        self.bytes.store(bytes, Relaxed);
        self.base_bytes.store(bytes, Relaxed);
        drop(writer);
        self.tell(&Ok(()));
        Ok(())
    }

    /// Gives the segments from one on their names: the snapshot of the first of them is there. Those that waited for
    /// an earlier one go. Whatever fails is done at the next start.
    fn anchor(
        &self,
        writer: &mut Writer,
        storage: &dyn Storage,
        names: &[String],
        from: u64,
    ) -> Result<(), StorageError> {
        let mut waiting = names.iter().filter_map(|name| Some((name, waiting_number_of(name)?))).peekable();
        if waiting.peek().is_none() {
            return Ok(());
        }
        let mut pending = self.pending.lock();
        for (name, number) in waiting {
            let io = |error| StorageError::io(storage.path(name), error);
            if number < from {
                storage.remove(name).map_err(io)?;
                continue;
            }
            storage.rename(name, &file_name(number)).map_err(io)?;
            let opened = [&mut writer.open, &mut writer.next].into_iter().flatten();
            let opened = opened.chain(pending.cuts.iter_mut().map(|(_, open)| open));
            opened.filter(|open| open.number == number).for_each(|open| open.waits = false);
        }
        drop(pending);
        storage.sync_dir().map_err(|error| StorageError::io(storage.path(""), error))
    }

    /// Says that the snapshot is there with which the journal begins.
    pub fn note_anchored(&self) {
        self.anchored.store(true, Release);
    }
}

/// A segment that is to begin.
#[derive(Debug)]
pub struct Prepared(Open);

impl Writer {
    /// Writes what waits, and syncs where asked; how many bytes were written.
    fn put(&mut self, sync: bool) -> Result<u64, StorageError> {
        let Some(storage) = self.storage.clone() else { return Ok(0) };
        let Some(open) = &mut self.open else {
            debug_assert!(self.waiting.is_empty(), "nothing is appended before the first segment begins");
            return Ok(0);
        };
        let name = open.name();
        let io = |error| StorageError::io(storage.path(&name), error);
        if self.torn {
            storage.truncate(&name, open.synced).map_err(io)?;
            open.file = storage.append(&name).map_err(io)?;
            for bytes in &self.unsynced {
                open.file.write_all(bytes).map_err(io)?;
            }
            self.torn = false;
        }
        if !self.waiting.is_empty() && open.promised < open.synced {
            self.waiting.insert(0, promise(open.synced));
            open.promised = open.synced;
        }
        let (mut written, mut failed) = (0, None);
        for bytes in std::mem::take(&mut self.waiting) {
            // Kept first: where writing fails, all of it comes again.
            if !self.torn && failed.is_none() {
                failed = open.file.write_all(&bytes).err();
            }
            written += bytes.len() as u64;
            self.unsynced_bytes += bytes.len() as u64;
            self.unsynced.push(bytes);
        }
        if let Some(error) = failed {
            self.torn = true;
            return Err(io(error));
        }
        if sync {
            if let Err(error) = open.file.sync() {
                self.torn = true;
                return Err(io(error));
            }
            open.synced += std::mem::take(&mut self.unsynced_bytes);
            self.asked = false;
            for mut bytes in self.unsynced.drain(..) {
                if self.spare.len() < SPARE_MAX && bytes.capacity() <= SPARE_BYTES {
                    bytes.clear();
                    self.spare.push(bytes);
                }
            }
        }
        Ok(written)
    }

    /// Goes on to the next segment, where there is one.
    fn advance(&mut self) -> bool {
        let Some(next) = self.next.take() else { return false };
        self.open = Some(next);
        let bytes = std::mem::take(&mut self.next_bytes);
        if !bytes.is_empty() {
            self.waiting.push(bytes);
        }
        true
    }
}

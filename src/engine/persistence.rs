//! Saving and loading: when a snapshot is made, how the shards give it, and how a file gets into them.
//!
//! 1. Everybody is kept out of all shards for the moment in which each database is given a cut ([`crate::shard::cut`]),
//!    and whoever [asked](Engine::on_cut) is called in that moment.
//! 2. The thread that saves walks the cuts shard by shard, a few entries at a time, and writes what comes out of them.
//! 3. The file gets its name once all of it is on the disk.
//!
//! One save runs at a time. The thread that follows `save`, `snapshot-cron` and the journal looks once a
//! second, and sleeps where there is none of them.
//!
//! **Invariant:** nobody writes a file while he is inside a shard.

mod saving;

use super::cron::Cron;
use super::{Engine, Entered, Reach, memory};
use crate::clock::Stopwatch;
use crate::command::error::CommandError;
use crate::persist::storage::{Directory, Storage};
use crate::persist::{self, Accessed, Accesses, Loaded, Lock, StorageError, Target};
use crate::rdb::Corrupt;
use crate::shard::records::Record;
use crate::shard::{Lfu, Now};
use parking_lot::{Condvar, Mutex};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// Least seconds between two tries of a save that failed, as in Redis.
const RETRY_SECONDS: u64 = 5;
/// Threads that load at most.
const LOADERS_MAX: usize = 16;

/// Called in the moment of a cut, with all shards entered.
type OnCut = Box<dyn Fn(&mut Entered<'_>) + Send + Sync>;

/// Where an engine saves to, and how that went so far.
#[derive(Default)]
pub struct Persistence {
    engine: OnceLock<Weak<Engine>>,
    place: Mutex<Option<Place>>,
    on_cut: Mutex<Vec<OnCut>>,
    figures: Mutex<SaveFigures>,
    /// The moment of the last snapshot.
    last_cut: AtomicU64,
    /// A save runs.
    running: AtomicBool,
    /// One more is to follow it.
    scheduled: AtomicBool,
    /// Saving fails, and `stop-writes-on-bgsave-error` and `save` say that writes are refused therefore.
    refuses: AtomicBool,
    /// `SHUTDOWN NOSAVE`: the end is not saved.
    forgets: AtomicBool,
    /// Keys of the running save: written so far, and in all.
    keys_saved: AtomicU64,
    keys_total: AtomicU64,
    /// Bytes of it that are saved and not written.
    queued: Arc<AtomicUsize>,
    queue: Mutex<()>,
    written: Condvar,
    /// Bytes of the running load: so far, and in all; 0 for none that runs.
    loaded_bytes: AtomicU64,
    loading_bytes: AtomicU64,
    alarm: Mutex<Alarm>,
    rang: Condvar,
}

impl fmt::Debug for Persistence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Persistence").field("figures", &self.figures).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Place {
    storage: Arc<dyn Storage>,
    /// The directory, and its lock once it was taken; none for files that are not on a disk.
    path: Option<PathBuf>,
    lock: Option<Lock>,
}

/// The thread that saves when it is time.
#[derive(Debug, Default)]
struct Alarm {
    stop: bool,
    /// Settings have changed since the thread looked at them.
    changed: bool,
    /// The engine is gone: nothing more will be written, and the directory is free.
    ended: bool,
    thread: Option<JoinHandle<()>>,
    /// A save in the background.
    saver: Option<JoinHandle<()>>,
}

/// How saving and loading went so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct SaveFigures {
    /// Changes at the moment of the last save that succeeded.
    dirty: u64,
    /// When that was, Unix seconds.
    pub last_save: u64,
    /// When the last one was tried, Unix seconds.
    pub last_try: u64,
    /// Saves that succeeded.
    pub saves: u64,
    /// Whether the last save in the background failed.
    pub failed: bool,
    /// Seconds that the last one in the background took.
    pub last_seconds: Option<u64>,
    /// When the one that runs in the background began, Unix seconds.
    pub began: Option<u64>,
    /// What was loaded last.
    pub loaded: Loaded,
    /// Bytes of the last snapshot.
    pub bytes: u64,
}

impl SaveFigures {
    /// Changes since the last save that succeeded, of so many in all.
    #[must_use]
    pub fn changes(&self, all: u64) -> u64 {
        all.saturating_sub(self.dirty)
    }
}

/// Takes a save's place; gives it back when it is dropped.
struct Turn<'e>(&'e Persistence);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.running.store(false, Relaxed);
    }
}

impl Persistence {
    pub(super) fn start(engine: &Arc<Engine>) {
        let persistence = &engine.persistence;
        let _ = persistence.engine.set(Arc::downgrade(engine));
        persistence.figures.lock().last_save = engine.started_ms / 1000;
        let weak = Arc::downgrade(persistence);
        engine.journal.on_full(move || {
            if let Some(persistence) = weak.upgrade() {
                persistence.ring();
            }
        });
    }

    fn turn(&self) -> Option<Turn<'_>> {
        let free = self.running.compare_exchange(false, true, std::sync::atomic::Ordering::Acquire, Relaxed);
        free.ok().map(|_| Turn(self))
    }

    /// Whether a save runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running.load(Relaxed)
    }

    /// Whether writes are refused because saving fails.
    #[inline]
    #[must_use]
    pub fn refuses_writes(&self) -> bool {
        self.refuses.load(Relaxed)
    }

    /// How saving and loading went so far.
    #[must_use]
    pub fn figures(&self) -> SaveFigures {
        *self.figures.lock()
    }

    /// Keys of the running save: written so far, and in all.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.keys_saved.load(Relaxed), self.keys_total.load(Relaxed))
    }

    /// Bytes of the running load: so far, and in all; `None` where none runs.
    #[must_use]
    pub fn loading(&self) -> Option<(u64, u64)> {
        let of = self.loading_bytes.load(Relaxed);
        (of > 0).then(|| (self.loaded_bytes.load(Relaxed), of))
    }

    /// Has one more save follow the one that runs (`BGSAVE SCHEDULE`).
    pub fn schedule(&self) {
        self.scheduled.store(true, Relaxed);
    }

    /// Whether `SHUTDOWN NOSAVE` said that the end is not saved.
    pub fn forget(&self, forgets: bool) {
        self.forgets.store(forgets, Relaxed);
    }

    /// Whether there is a place for files.
    pub(super) fn has_place(&self) -> bool {
        self.place.lock().is_some()
    }

    /// Notes the moment of a snapshot, so that the next one has a later one.
    pub(super) fn note_cut(&self, at_ms: u64) {
        self.last_cut.fetch_max(at_ms, Relaxed);
    }

    /// The moment of the next snapshot, which no other one has.
    fn next_cut(&self, now_ms: u64) -> u64 {
        let next = |last: u64| Some(now_ms.max(last + 1));
        let last = self.last_cut.fetch_update(Relaxed, Relaxed, next).unwrap_or_default();
        now_ms.max(last + 1)
    }

    /// The storage, with its directory locked.
    fn storage(&self) -> Result<Arc<dyn Storage>, StorageError> {
        let mut place = self.place.lock();
        let place = place.as_mut().ok_or(StorageError::NoDirectory)?;
        if let Some(path) = &place.path
            && place.lock.is_none()
        {
            place.lock = Some(Lock::take(path)?);
        }
        Ok(Arc::clone(&place.storage))
    }

    /// Has the thread that saves by time look at the settings.
    pub(super) fn ring(&self) {
        self.alarm.lock().changed = true;
        self.rang.notify_all();
    }

    /// Frees the directory, at the engine's end.
    pub(super) fn end(&self) {
        *self.place.lock() = None;
        self.alarm.lock().ended = true;
        self.rang.notify_all();
    }

    /// Waits for the end of an engine whose last handle is gone. A thread of its own may hold it for a moment still, and
    /// then that thread ends it; where others use it, this returns after a while.
    pub(crate) fn wait_for_end(&self) {
        const A_MOMENT: Duration = Duration::from_millis(100);
        let is_gone = || self.engine.get().is_none_or(|engine| engine.strong_count() == 0);
        let mut alarm = self.alarm.lock();
        if alarm.saver.as_ref().is_none_or(JoinHandle::is_finished) && !is_gone() {
            self.rang.wait_for(&mut alarm, A_MOMENT);
        }
        while !alarm.ended && (is_gone() || alarm.saver.as_ref().is_some_and(|saver| !saver.is_finished())) {
            self.rang.wait_for(&mut alarm, A_MOMENT);
        }
    }

    pub(super) fn stop(&self) {
        let threads = {
            let mut alarm = self.alarm.lock();
            alarm.stop = true;
            [alarm.thread.take(), alarm.saver.take()]
        };
        self.rang.notify_all();
        for thread in threads.into_iter().flatten() {
            if thread.thread().id() != std::thread::current().id() {
                // A panic there was reported by the panic hook; there is nothing to add.
                let _ = thread.join();
            }
        }
    }
}

impl Engine {
    /// Saving and loading.
    #[must_use]
    #[inline]
    pub fn persistence(&self) -> &Arc<Persistence> {
        &self.persistence
    }

    /// Whether writes are refused because nothing can be saved.
    #[inline]
    #[must_use]
    pub fn refuses_writes(&self) -> bool {
        self.persistence.refuses_writes() || self.journal.refuses()
    }

    /// The error of a write that is refused.
    #[cold]
    pub(crate) fn refusal_of_writes(&self) -> CommandError {
        if self.persistence.refuses_writes() {
            return CommandError::Misconf;
        }
        format!("MISCONF Errors writing to the AOF file: {}", self.journal.error()).into()
    }

    /// Refuses a write where nothing can be saved.
    ///
    /// # Errors
    /// `MISCONF`.
    #[inline]
    pub(crate) fn check_writable(&self) -> Result<(), CommandError> {
        if self.refuses_writes() { Err(self.refusal_of_writes()) } else { Ok(()) }
    }

    /// Has the journal synced soon, by the thread that does it, so that nobody waits for the disk here. Its caller is
    /// inside no shard.
    pub(crate) fn sync_soon(&self) {
        if self.persistence.alarm.lock().thread.is_some() {
            self.persistence.ring();
        } else {
            // Those who wait are told how it goes.
            let _ = self.journal.sync();
        }
    }

    /// Says in which directory snapshots stand. It is locked with the first one that is read or written.
    pub fn save_in(&self, directory: &Path) {
        let storage = Arc::new(Directory::new(directory));
        let path = Some(directory.to_owned());
        *self.persistence.place.lock() = Some(Place { storage, path, lock: None });
    }

    /// Says where snapshots stand. For tests.
    pub fn save_to(&self, storage: Arc<dyn Storage>) {
        *self.persistence.place.lock() = Some(Place { storage, path: None, lock: None });
    }

    /// Locks the directory of the snapshots.
    ///
    /// # Errors
    /// [`StorageError::Locked`] where another process or engine has it.
    pub fn lock_directory(&self) -> Result<(), StorageError> {
        self.persistence.storage().map(drop)
    }

    /// Has something called in the moment of every snapshot, with all shards entered.
    pub fn on_cut(&self, call: impl Fn(&mut Entered<'_>) + Send + Sync + 'static) {
        self.persistence.on_cut.lock().push(Box::new(call));
    }

    /// Changes since the last save that succeeded.
    #[must_use]
    pub fn changes_since_save(&self) -> u64 {
        self.totals().dirty.saturating_sub(self.persistence.figures.lock().dirty)
    }

    /// Saves, on this thread, which is inside no shard.
    ///
    /// # Errors
    /// [`StorageError`]; the last snapshot is still there then.
    pub fn save(&self) -> Result<(), StorageError> {
        let turn = self.persistence.turn().ok_or(StorageError::Running)?;
        let result = self.save_in_turn(all_cores());
        drop(turn);
        let mut figures = self.persistence.figures.lock();
        match &result {
            Ok(()) => figures.failed = false,
            Err(error) => tracing::error!("saving failed: {error}"),
        }
        drop(figures);
        self.follow_save_settings();
        result
    }

    /// Waits for the save that runs in the background, and saves.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn save_after_running(&self) -> Result<(), StorageError> {
        let saver = self.persistence.alarm.lock().saver.take();
        if let Some(saver) = saver
            && saver.thread().id() != std::thread::current().id()
        {
            // A panic there was reported by the panic hook.
            let _ = saver.join();
        }
        self.save()
    }

    /// Begins to save on a thread of its own.
    ///
    /// # Errors
    /// [`StorageError::Running`] where one runs already; [`StorageError::NoDirectory`].
    pub fn save_in_background(&self) -> Result<(), StorageError> {
        let persistence = &self.persistence;
        let engine = persistence.engine.get().and_then(Weak::upgrade).ok_or(StorageError::NoDirectory)?;
        let began = {
            let turn = persistence.turn().ok_or(StorageError::Running)?;
            persistence.storage()?;
            // The thread gives it back.
            std::mem::forget(turn);
            self.clock().now_ms() / 1000
        };
        {
            let mut figures = persistence.figures.lock();
            (figures.began, figures.last_try) = (Some(began), began);
        }
        let saver = std::thread::Builder::new().name("damselfly-saver".into()).spawn(move || {
            let turn = Turn(&engine.persistence);
            let watch = Stopwatch::start();
            tracing::info!("background saving started");
            // One core is enough: clients are served meanwhile.
            let result = engine.save_in_turn(1);
            let took = watch.elapsed();
            match &result {
                Ok(()) => tracing::info!("background saving ended with success in {took:.1?}"),
                Err(error) => tracing::error!("background saving failed: {error}"),
            }
            {
                let mut figures = engine.persistence.figures.lock();
                figures.began = None;
                figures.failed = result.is_err();
                figures.last_seconds = Some(took.as_secs());
            }
            drop(turn);
            engine.follow_save_settings();
            if engine.persistence.scheduled.swap(false, Relaxed) {
                engine.save_soon();
            }
        });
        match saver {
            Ok(saver) => persistence.alarm.lock().saver = Some(saver),
            Err(error) => {
                persistence.running.store(false, Relaxed);
                persistence.figures.lock().began = None;
                return Err(StorageError::io("a thread", error));
            }
        }
        Ok(())
    }

    /// The same for those who cannot be told that it did not begin.
    pub fn save_soon(&self) {
        if let Err(error) = self.save_in_background() {
            tracing::error!("background saving did not begin: {error}");
        }
    }

    /// Writes whether writes are refused from here on.
    pub(super) fn follow_save_settings(&self) {
        let failed = self.persistence.figures.lock().failed;
        let settings = self.settings();
        let refuses = failed && settings.stop_writes_on_bgsave_error() && !settings.save_rules().is_empty();
        self.persistence.refuses.store(refuses, Relaxed);
    }

    fn save_in_turn(&self, walkers: usize) -> Result<(), StorageError> {
        let storage = self.persistence.storage()?;
        let name = self.settings().dbfilename();
        let (bytes, dirty) = self.write_snapshot(storage, &name, true, walkers)?;
        let mut figures = self.persistence.figures.lock();
        figures.dirty = dirty;
        figures.last_save = self.clock().now_ms() / 1000;
        figures.saves += 1;
        figures.bytes = bytes;
        Ok(())
    }

    /// Writes a snapshot to a file anywhere, in the format that its name asks for, on this thread, which is inside no
    /// shard; how long the file is. It is not the one that is loaded at start: what changed since that one was saved has
    /// still to be.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn export(&self, storage: Arc<dyn Storage>, name: &str) -> Result<u64, StorageError> {
        let _turn = self.persistence.turn().ok_or(StorageError::Running)?;
        self.write_snapshot(storage, name, false, all_cores()).map(|(bytes, _)| bytes)
    }

    /// Loads the snapshot, where there is one, into an engine that has no data and serves nobody yet.
    ///
    /// # Errors
    /// [`StorageError`], which names the file and the place in it. The engine must not be used then.
    pub fn recover(&self) -> Result<Option<Loaded>, StorageError> {
        let name = self.settings().dbfilename();
        let exists = match &*self.persistence.place.lock() {
            None => return Err(StorageError::NoDirectory),
            Some(place) => {
                let names =
                    place.storage.list().map_err(|error| StorageError::io(place.storage.path(""), error))?;
                names.iter().any(|other| **other == *name)
            }
        };
        let storage = persistence_storage(self, exists)?;
        let Some(storage) = storage else { return Ok(None) };
        let replays = Self::has_segments(&*storage)?;
        // Nothing expires before the time is that of now again.
        self.cycles().set_active_expiry(false);
        let loaded = if exists { Some(self.load_at(false, replays.then_some(0))?) } else { None };
        self.recover_journal(&storage, loaded.map_or(0, |loaded| loaded.at_ms))?;
        self.cycles().set_active_expiry(true);
        let due_ms = self.doors().iter().map(|door| door.enter().next_due_ms()).min();
        self.cycles().note_due(due_ms.unwrap_or(u64::MAX));
        Ok(loaded)
    }

    /// Loads the snapshot beside the data that there is; `merge` has what it holds take the place of keys that exist.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn load(&self, merge: bool) -> Result<Loaded, StorageError> {
        let loaded = self.load_at(merge, None)?;
        if self.journal.is_on() {
            // What was loaded stands in no journal: a snapshot holds it.
            self.save()?;
        }
        Ok(loaded)
    }

    fn load_at(&self, merge: bool, now_ms: Option<u64>) -> Result<Loaded, StorageError> {
        let storage = self.persistence.storage()?;
        let loaded = self.read_snapshot(&*storage, &self.settings().dbfilename(), merge, now_ms)?;
        let dirty = self.totals().dirty;
        let mut figures = self.persistence.figures.lock();
        (figures.loaded, figures.dirty) = (loaded, dirty);
        Ok(loaded)
    }

    /// Loads a file from anywhere, of the format that its name asks for. Its keys must not exist, and no journal is told.
    ///
    /// # Errors
    /// [`StorageError`], which names the file and the place in it; a part of it may be loaded then.
    pub fn import(&self, storage: &dyn Storage, name: &str) -> Result<Loaded, StorageError> {
        self.read_snapshot(storage, name, false, None)
    }

    fn read_snapshot(
        &self,
        storage: &dyn Storage,
        name: &str,
        merge: bool,
        now_ms: Option<u64>,
    ) -> Result<Loaded, StorageError> {
        let persistence = &self.persistence;
        let path = storage.path(name);
        tracing::info!("loading {}", path.display());
        let watch = Stopwatch::start();
        let threads = all_cores().min(LOADERS_MAX);
        let target = Into { engine: self, merge, now_ms, told: AtomicU64::new(0) };
        let result = persist::format_of(name).load(storage, name, &target, threads);
        persistence.loading_bytes.store(0, Relaxed);
        persistence.loaded_bytes.store(0, Relaxed);
        let loaded = result?;
        let due_ms = self.doors().iter().map(|door| door.enter().take_new_due_ms()).min();
        self.cycles().note_due(due_ms.unwrap_or(u64::MAX));
        tracing::info!(
            "loaded {} keys from {} in {:.1?}; {} had expired",
            loaded.keys,
            path.display(),
            watch.elapsed(),
            loaded.expired
        );
        Ok(loaded)
    }

    /// Saves what is not saved at the end, where `save` has rules and nobody said otherwise.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn save_at_end(&self) -> Result<(), StorageError> {
        let persistence = &self.persistence;
        persistence.stop();
        let wanted = !self.settings().save_rules().is_empty() && !persistence.forgets.load(Relaxed);
        if !wanted || persistence.place.lock().is_none() || self.changes_since_save() == 0 {
            return Ok(());
        }
        tracing::info!("saving the last snapshot");
        self.save()
    }

    /// Starts the thread that saves when `save` and `snapshot-cron` say so.
    ///
    /// # Errors
    /// Text that is no expression of cron's.
    pub fn save_by_time(&self) -> Result<(), String> {
        let cron = match &*self.settings().snapshot_cron() {
            "" => None,
            text => Some(Cron::parse(text).ok_or_else(|| format!("snapshot-cron '{text}' is no time"))?),
        };
        let Some(weak) = self.persistence.engine.get().cloned() else { return Ok(()) };
        let persistence = Arc::clone(&self.persistence);
        let mut alarm = self.persistence.alarm.lock();
        if alarm.thread.is_some() || alarm.stop {
            return Ok(());
        }
        let thread = std::thread::Builder::new().name("damselfly-alarm".into()).spawn(move || {
            let mut minute = 0;
            loop {
                let may_be_due = match weak.upgrade() {
                    Some(engine) => {
                        engine.alarm(cron.as_ref(), &mut minute);
                        cron.is_some() || engine.saves_by_time()
                    }
                    None => return,
                };
                // Nobody keeps the engine alive while he sleeps.
                let mut alarm = persistence.alarm.lock();
                if alarm.stop {
                    return;
                }
                if std::mem::take(&mut alarm.changed) {
                    continue;
                }
                if may_be_due {
                    persistence.rang.wait_for(&mut alarm, Duration::from_secs(1));
                } else {
                    persistence.rang.wait(&mut alarm);
                }
            }
        });
        alarm.thread = Some(thread.map_err(|error| error.to_string())?);
        Ok(())
    }

    /// Whether time alone may make a save due, or the journal be written.
    fn saves_by_time(&self) -> bool {
        !self.settings().save_rules().is_empty() || self.settings().appendonly() || self.journal.is_on()
    }

    /// Saves if it is time.
    fn alarm(&self, cron: Option<&Cron>, minute: &mut u64) {
        self.journal_round();
        if self.cycles().is_paused() {
            return;
        }
        let now = self.clock().now_ms() / 1000;
        let figures = self.persistence.figures();
        let rules = self.settings().save_rules();
        let passed = now.saturating_sub(figures.last_save);
        let may_try = !figures.failed || now.saturating_sub(figures.last_try) >= RETRY_SECONDS;
        let mut due = false;
        if rules.iter().any(|(seconds, _)| passed > *seconds) && may_try {
            let changes = self.changes_since_save();
            due = rules.iter().any(|(seconds, least)| passed > *seconds && changes >= *least && changes > 0);
            if due {
                tracing::info!("{changes} changes in {passed} seconds: saving");
            }
        }
        if let Some(cron) = cron {
            let this = now / 60;
            let before = std::mem::replace(minute, this);
            due |= before != 0 && before != this && cron.is_at(this * 60);
        }
        if due
            && let Err(error) = self.save_in_background()
            && !matches!(error, StorageError::Running)
        {
            tracing::error!("background saving did not begin: {error}");
            let mut figures = self.persistence.figures.lock();
            (figures.failed, figures.last_try) = (true, now);
            drop(figures);
            self.follow_save_settings();
        }
    }
}

fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The engine as what is loaded into.
struct Into<'e> {
    engine: &'e Engine,
    merge: bool,
    /// The time at which it is loaded; none for now.
    now_ms: Option<u64>,
    /// Tenths of the file that the log was told of.
    told: AtomicU64,
}

impl Target for Into<'_> {
    fn records(&self, db: u32, records: &[Record<'_>]) -> Result<u64, (usize, Corrupt)> {
        let engine = self.engine;
        let db = usize::try_from(db).ok().filter(|db| *db < engine.databases());
        const NO_ROOM: Corrupt =
            Corrupt { what: "the setting 'databases' leaves room for its database", offset: 0 };
        let db = db.ok_or((0, NO_ROOM))?;
        let mut routed: Vec<(usize, usize)> = records
            .iter()
            .enumerate()
            .map(|(at, record)| (engine.router().route(record.key).0, at))
            .collect();
        routed.sort_unstable();
        let now_ms = self.now_ms.unwrap_or_else(|| engine.clock().now_ms());
        let mut expired = 0;
        for of_shard in routed.chunk_by(|a, b| a.0 == b.0) {
            let Some(&(index, _)) = of_shard.first() else { continue };
            let mut shard = engine.door(index).enter();
            let mut keyspace = shard.keyspace(db, Now::At(now_ms));
            for (at, record) in of_shard.iter().filter_map(|(_, at)| Some((*at, records.get(*at)?))) {
                let (_, key) = engine.router().route(record.key);
                if self.merge {
                    keyspace.delete(key);
                }
                expired += u64::from(!keyspace.load(key, record).map_err(|error| (at, error))?);
            }
        }
        Ok(expired)
    }

    fn mark(&self, accessed: Accessed) -> u32 {
        let now_ms = self.engine.clock().now_ms();
        let counts = self.engine.accesses() == Accesses::Count;
        match accessed {
            Accessed { frequency: Some(frequency), .. } if counts => Lfu::mark(now_ms, frequency),
            _ if counts => Lfu::new_mark(now_ms),
            Accessed { idle_seconds, .. } => (now_ms / 1000).wrapping_sub(idle_seconds.unwrap_or(0)) as u32,
        }
    }

    fn functions(&self, dump: &[u8]) -> Result<(), String> {
        #[cfg(feature = "script")]
        return self
            .engine
            .scripts
            .restore_libraries(dump, crate::command::script::RestorePolicy::Replace)
            .map_err(|error| error.to_string());
        #[cfg(not(feature = "script"))]
        {
            let _ = dump;
            tracing::warn!("the snapshot holds functions, which this build does not have: they are left out");
            Ok(())
        }
    }

    fn progress(&self, bytes: u64, of: u64) {
        let persistence = &self.engine.persistence;
        persistence.loading_bytes.store(of, Relaxed);
        persistence.loaded_bytes.store(bytes, Relaxed);
        let tenths = (bytes.saturating_mul(10)).checked_div(of).unwrap_or(0);
        if of > (64 << 20) && self.told.fetch_max(tenths, Relaxed) < tenths {
            tracing::info!("loading: {}0 %", tenths);
        }
    }
}

impl Reach<'_, '_> {
    /// The digest of all data, as `DEBUG DIGEST` of Redis' makes it. O(bytes).
    pub fn digest(&mut self) -> crate::shard::digest::Digest {
        use crate::shard::digest::Digest;
        let databases = self.databases();
        self.with_all(0, |entered| {
            let mut whole = Digest::default();
            let (engine, now_ms) = (entered.engine(), entered.now_ms());
            for db in 0..databases {
                let mut sum = Digest::default();
                let mut any = false;
                for shard in entered.shards() {
                    let mut keyspace = shard.keyspace(db, Now::At(now_ms)).no_touch(true);
                    let mut keys = Vec::new();
                    keyspace.for_each(|key, _| keys.push(key.to_vec()));
                    for bytes in keys {
                        let (_, key) = engine.router().route(&bytes);
                        any = true;
                        let mut digest = Digest::default();
                        digest.mix(&bytes);
                        keyspace.digest(key, &mut digest);
                        sum.add(&digest.0);
                    }
                }
                if any {
                    whole.mix(&(db as u32).to_be_bytes());
                    whole.xor(&sum);
                }
            }
            whole
        })
    }
}

/// The storage where something is to be loaded or journaled; `None` where neither is.
fn persistence_storage(engine: &Engine, exists: bool) -> Result<Option<Arc<dyn Storage>>, StorageError> {
    let storage = match &*engine.persistence.place.lock() {
        None => return Err(StorageError::NoDirectory),
        Some(place) => Arc::clone(&place.storage),
    };
    if exists || engine.settings().appendonly() || Engine::has_segments(&*storage)? {
        return engine.persistence.storage().map(Some);
    }
    engine.journal.place(storage, 1, 0);
    Ok(None)
}

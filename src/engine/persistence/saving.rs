//! Writing a snapshot: the moment, the threads that walk the cuts, and the one that writes.

use super::{Engine, Persistence, Reach, memory};
use crate::persist::storage::Storage;
use crate::persist::{self, About, Accesses, Sink, StorageError};
use crate::shard::Measure;
use crate::shard::cut::Item;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Bytes that are saved and not written: from so many on those who save wait, and from more on those who write.
const QUEUED_MAX: usize = 1 << 20;
const QUEUED_BY_WRITERS_MAX: usize = 4 << 20;
/// How long a writer waits for the disk at most, outside all shards, before he goes on.
const WRITER_WAITS: Duration = Duration::from_millis(20);
/// Threads that save at most, where nobody else is to be served meanwhile.
const WALKERS_MAX: usize = 4;
/// How long who saves in the background sleeps after each stay in a shard. One that never sleeps has its time on the
/// processor taken away while it is inside, and whoever wants that shard waits for milliseconds.
const NAP: Duration = Duration::from_micros(50);

impl Persistence {
    /// Has a writer wait a moment where what he and others change is saved faster than it is written. He is outside all
    /// shards.
    #[inline]
    pub(crate) fn wait_for_room(&self) {
        if self.queued.load(Relaxed) > QUEUED_BY_WRITERS_MAX {
            self.wait_below(QUEUED_BY_WRITERS_MAX, WRITER_WAITS);
        }
    }

    #[cold]
    fn wait_below(&self, bytes: usize, time: Duration) {
        let mut queue = self.queue.lock();
        if self.queued.load(Relaxed) > bytes && self.is_running() {
            self.written.wait_for(&mut queue, time);
        }
    }

    /// What was saved is written, or given up.
    fn note_written(&self, bytes: usize) {
        let before = self.queued.fetch_sub(bytes, Relaxed);
        let falls_below = |limit: usize| before > limit && before - bytes <= limit;
        if falls_below(QUEUED_MAX) || falls_below(QUEUED_BY_WRITERS_MAX) {
            drop(self.queue.lock());
            self.written.notify_all();
        }
    }
}

impl Engine {
    /// Writes a snapshot, ours or one that goes elsewhere; how long it is, and how many changes there were in its moment.
    pub(super) fn write_snapshot(
        &self,
        storage: Arc<dyn Storage>,
        name: &str,
        is_ours: bool,
        walkers: usize,
    ) -> Result<(u64, u64), StorageError> {
        let persistence = &self.persistence;
        let mut sink = persist::format_of(name).create(storage, name)?;
        // Not in the moment itself: whoever changes functions holds them while he enters the shards.
        let functions = self.functions_to_save();
        let (sender, receiver) = mpsc::channel();
        persistence.queued.store(0, Relaxed);
        // What goes elsewhere is no snapshot that a journal follows.
        let journals = is_ours && self.settings().appendonly();
        let at_ms = if is_ours { persistence.next_cut(self.clock().now_ms()) } else { self.clock().now_ms() };
        let mut about = About { at_ms, functions, accesses: self.accesses(), ..About::default() };
        about.databases.resize(self.databases(), (0, 0));
        let mut prepared = if journals { Some(self.journal.prepare_next(at_ms)?) } else { None };
        let (first, dirty) = Reach::outside(self).with_all(0, |entered| {
            let mut dirty = 0;
            for shard in entered.shards() {
                shard.is_journaled |= journals;
                shard.begin_cut(&sender, &persistence.queued);
                dirty += shard.stats.dirty;
                for (db, (keys, with_deadline)) in about.databases.iter_mut().enumerate() {
                    *keys += shard.len(db) as u64;
                    *with_deadline += shard.with_deadline(db) as u64;
                    about.field_deadlines |= shard.with_field_deadlines(db) > 0;
                }
            }
            let keys = about.databases.iter().map(|(keys, _)| keys).sum();
            persistence.keys_saved.store(0, Relaxed);
            persistence.keys_total.store(keys, Relaxed);
            persistence.on_cut.lock().iter().for_each(|call| call(entered));
            // Read again: somebody may have turned it off meanwhile.
            let first = prepared.take().map(|prepared| self.journal.begin(prepared));
            (first, dirty)
        });
        #[cfg(feature = "script")]
        if journals {
            // What was changed between the look at the functions and the moment stands here.
            self.tell_functions();
        }
        drop(sender);
        let result = sink.begin(&about).and_then(|()| self.write_cuts(&mut *sink, &receiver, walkers));
        persistence.keys_saved.store(0, Relaxed);
        persistence.keys_total.store(0, Relaxed);
        persistence.queued.store(0, Relaxed);
        persistence.written.notify_all();
        if let Err(error) = result {
            self.doors().iter().for_each(|door| door.enter().drop_cut());
            return Err(error);
        }
        let bytes = sink.finish(&about)?;
        if is_ours {
            if first.is_some() {
                self.journal.note_anchored();
            }
            if first.is_some() && !self.settings().appendonly() {
                // It was turned off in the meantime.
                self.listen(false);
            }
            if let Err(error) = self.journal.remove_before(first.unwrap_or(u64::MAX))
                && !matches!(error, StorageError::NoDirectory)
            {
                tracing::error!("old segments of the journal stay: {error}");
            }
        }
        Ok((bytes, dirty))
    }

    /// Walks the cuts on `walkers` threads, and writes what comes out of them on this one.
    fn write_cuts(
        &self,
        sink: &mut dyn Sink,
        receiver: &mpsc::Receiver<Item>,
        walkers: usize,
    ) -> Result<(), StorageError> {
        let persistence = &*self.persistence;
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let naps = walkers == 1;
        let walk = || {
            while let Some(door) = self.doors().get(next.fetch_add(1, Relaxed)) {
                while !stop.load(Relaxed) && door.enter().step_cut() {
                    if naps {
                        std::thread::sleep(NAP);
                    }
                    while persistence.queued.load(Relaxed) > QUEUED_MAX && !stop.load(Relaxed) {
                        persistence.wait_below(QUEUED_MAX, WRITER_WAITS);
                    }
                }
            }
        };
        let mut take = |item| match item {
            Item::Chunk(chunk) => {
                persistence.keys_saved.fetch_add(u64::from(chunk.entries), Relaxed);
                let result = sink.chunk(&chunk);
                persistence.note_written(chunk.len());
                result
            }
            Item::Flushed(mut db) => {
                // What it saves comes out of the same channel.
                while db.step_cut() {}
                Ok(())
            }
            Item::Lost => Err(StorageError::Abandoned),
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..walkers.clamp(1, WALKERS_MAX))
                .map(|_| {
                    std::thread::Builder::new().name("damselfly-walker".into()).spawn_scoped(scope, walk)
                })
                .collect();
            // Where there is no thread to be had, this one walks first.
            if threads.iter().all(Result::is_err) {
                for door in self.doors() {
                    while door.enter().step_cut() {}
                }
            }
            let result = receiver.iter().try_for_each(&mut take);
            stop.store(true, Relaxed);
            result
        })
    }

    pub(super) fn accesses(&self) -> Accesses {
        match memory::eviction(self.settings()) {
            Some(how) if how.measure == Measure::Lfu => Accesses::Count,
            Some(how) if how.measure == Measure::Lru => Accesses::Last,
            _ => Accesses::Unused,
        }
    }

    fn functions_to_save(&self) -> Vec<u8> {
        #[cfg(feature = "script")]
        if self.script_figures().libraries > 0 {
            return self.scripts.dump_libraries();
        }
        Vec::new()
    }
}

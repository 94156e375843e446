//! The engine's journal: when it begins, how it is replayed, and who writes it.

use super::effects::Effects;
use super::transaction::run_inside;
use super::{Engine, Entered, View};
use crate::command::table::{Flag, TABLE};
use crate::config::AppendFsync;
use crate::persist::StorageError;
use crate::persist::journal::{self, Fsync, Journal, Segment, Tail};
use crate::persist::storage::Storage;
use std::sync::Arc;

/// Records that are replayed in one stay inside the shards.
const RECORDS_PER_STAY: usize = 256;

impl Engine {
    /// The journal.
    #[must_use]
    #[inline]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The journal, for those who keep it.
    pub(crate) fn journal_handle(&self) -> Arc<Journal> {
        Arc::clone(&self.journal)
    }

    /// Follows `appendfsync`, and `appendonly` where it was changed at run time.
    pub(super) fn follow_journal_settings(&self, name: &str) {
        self.journal.set_fsync(match self.settings().appendfsync() {
            AppendFsync::Always => Fsync::Always,
            AppendFsync::Everysec => Fsync::EverySecond,
            AppendFsync::No => Fsync::Never,
        });
        if name != "appendonly" || !self.persistence().has_place() {
            return;
        }
        if self.settings().appendonly() {
            // The journal begins in the moment of a snapshot, which holds what was there before.
            if !self.journal.is_on()
                && let Err(error) = self.save_in_background()
            {
                self.persistence().schedule();
                tracing::warn!("the journal begins with the next snapshot: {error}");
            }
        } else if self.journal.is_on() {
            self.listen(false);
            if let Err(error) = self.journal.sync() {
                tracing::error!("the end of the journal is not on the disk: {error}");
            }
        }
    }

    /// Has the shards note what goes by itself, or not.
    pub(super) fn listen(&self, on: bool) {
        if !on {
            self.journal.end();
        }
        if !super::reach::is_inside() {
            self.doors().iter().for_each(|door| {
                let mut shard = door.enter();
                shard.is_journaled = on;
                shard.gone.clear();
            });
        }
    }

    /// The segments that follow a snapshot of this moment (0 for none), all others being superfluous.
    fn segments_behind(storage: &dyn Storage, at_ms: u64) -> Result<Vec<Segment>, StorageError> {
        let mut segments = journal::segments(storage)?;
        if let Some(first) = segments.iter().position(|segment| segment.cut == at_ms) {
            segments.drain(..first);
            return Ok(segments);
        }
        match segments.last() {
            // The snapshot is younger than all of them, and was made while there was no journal.
            Some(last) if last.cut >= at_ms => Err(StorageError::Corrupt {
                path: storage.path(&journal::file_name(last.number)),
                chunk: None,
                offset: 0,
                what: format!(
                    "it follows a snapshot that is not here: the one that is was made at {at_ms} ms"
                ),
            }),
            _ => Ok(Vec::new()),
        }
    }

    /// Whether there is a journal to replay.
    pub(super) fn has_segments(storage: &dyn Storage) -> Result<bool, StorageError> {
        let names = storage.list().map_err(|error| StorageError::io(storage.path(""), error))?;
        Ok(names.iter().any(|name| journal::is_segment(name)))
    }

    /// Replays what was journaled since the snapshot of this moment, and goes on with the journal where that is wanted.
    pub(super) fn recover_journal(&self, storage: &Arc<dyn Storage>, at_ms: u64) -> Result<(), StorageError> {
        journal::adopt(&**storage, at_ms)?;
        let segments = Self::segments_behind(&**storage, at_ms)?;
        for (at, segment) in segments.iter().enumerate() {
            self.replay(&**storage, segment, at + 1 == segments.len())?;
        }
        let all = journal::segments(&**storage)?;
        let next = all.last().map_or(0, |last| last.number) + 1;
        self.journal.place(Arc::clone(storage), next, segments.iter().map(|segment| segment.bytes).sum());
        self.persistence().note_cut(segments.last().map_or(at_ms, |last| last.cut.max(at_ms)));
        if self.settings().appendonly() {
            // Several segments may follow the same snapshot.
            let prepared = self.journal.prepare(segments.last().map_or(at_ms, |last| last.cut))?;
            self.begin_journal();
            self.journal.begin(prepared);
            let first = segments.first().map_or(next, |segment| segment.number);
            self.journal.remove_before(first)?;
        }
        Ok(())
    }

    fn begin_journal(&self) {
        self.doors().iter().for_each(|door| door.enter().is_journaled = true);
    }

    fn replay(&self, storage: &dyn Storage, segment: &Segment, is_last: bool) -> Result<(), StorageError> {
        let path = storage.path(&journal::file_name(segment.number));
        let client = self.guest();
        let mut session = self.guest_session(&client, 0);
        let mut entered: Option<Entered<'_>> = None;
        let mut stay = 0;
        let scan = journal::scan(storage, segment, |record| {
            let (now_ms, commands) = Effects::parse(record).ok_or("the record is none")?;
            if stay == RECORDS_PER_STAY {
                (entered, stay) = (None, 0);
            }
            stay += 1;
            let entered = entered
                .get_or_insert_with(|| Entered::enter_all(self, View { db: 0, now_ms: 0, no_touch: true }));
            for (db, argv) in commands {
                if db >= self.databases() {
                    return Err(format!("the setting 'databases' leaves no room for database {db}"));
                }
                session.db = db;
                entered.set_now_ms(now_ms);
                self.redo(entered, &mut session, &argv)?;
            }
            Ok(())
        });
        drop(entered);
        let scan = scan?;
        match scan.tail {
            Tail::Whole => {}
            Tail::Torn(at) if is_last => {
                tracing::warn!(
                    "{}: cut at {at}: {} bytes behind the last whole record were not written to their end",
                    path.display(),
                    segment.bytes.saturating_sub(at)
                );
                storage
                    .truncate(&journal::file_name(segment.number), at)
                    .map_err(|error| StorageError::io(&path, error))?;
            }
            Tail::Torn(offset) | Tail::Damaged(offset) => {
                return Err(StorageError::Corrupt {
                    path,
                    chunk: None,
                    offset,
                    what: "a record is damaged, and others follow it".into(),
                });
            }
        }
        tracing::info!("{}: {} records replayed", path.display(), scan.records);
        Ok(())
    }

    fn redo(
        &self,
        entered: &mut Entered<'_>,
        session: &mut super::Session,
        argv: &[&[u8]],
    ) -> Result<(), String> {
        let name = argv.first().copied().unwrap_or_default();
        let unknown = || format!("it has a command '{}' that is not known", String::from_utf8_lossy(name));
        let mut entry = TABLE.find(name).ok_or_else(unknown)?;
        if !entry.subcommands.is_empty() {
            entry = argv.get(1).and_then(|sub| entry.subcommand(sub)).ok_or_else(unknown)?;
        }
        let flags = entry.command.flags;
        let changes =
            flags.has(Flag::Write) || flags.has(Flag::MayReplicate) || entry.full_name == "function|restore";
        if !entry.command.takes(argv.len()) || !changes {
            return Err(unknown());
        }
        let mut out = crate::reply::ReplyBuilder::default();
        if let Err(error) = super::reach::inside(|| run_inside(entered, entry, session, argv, &mut out)) {
            // It was refused then as well, and is here for what it had changed before.
            tracing::warn!("the journal: '{}' is refused: {error}", entry.full_name);
        }
        Ok(())
    }

    /// Says that the libraries of functions have changed: all of them as they are now.
    #[cfg(feature = "script")]
    pub(crate) fn tell_functions(&self) {
        if self.journal.is_on() {
            let _order = self.functions_told.lock();
            let mut effects = Effects::at(self.clock().now_ms());
            effects.push(0, &[&b"FUNCTION"[..], b"RESTORE", &self.scripts.dump_libraries(), b"FLUSH"]);
            self.journal.append(effects.bytes());
        }
    }

    /// Once a second: writes the journal, and has a snapshot take its place where it has become long.
    pub(super) fn journal_round(&self) {
        if !self.journal.is_on() {
            return;
        }
        // What goes wrong is logged where it begins, and tried again in a second.
        let _ = if self.journal.fsync() == Fsync::Never
            && !self.journal.refuses()
            && !self.journal.is_awaited()
        {
            self.journal.write()
        } else {
            self.journal.sync()
        };
        let figures = self.journal.figures();
        let (percent, least) =
            (self.settings().auto_aof_rewrite_percentage(), self.settings().auto_aof_rewrite_min_size());
        let base = figures.base_bytes.max(self.persistence().figures().bytes).max(1);
        let is_long = percent > 0
            && figures.bytes >= least as u64
            && figures.bytes / 100 >= base / 100 * u64::from(percent) / 100;
        if is_long && !self.persistence().is_running() {
            tracing::info!("the journal has {} bytes: a snapshot takes their place", figures.bytes);
            self.save_soon();
        }
    }
}

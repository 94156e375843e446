//! A cut: a database of one shard as it was at one moment, saved while it goes on changing.
//!
//! 1. All shards are entered once, and each database that holds keys is given a [`Cut`]: the moment.
//! 2. A walker saves entries in the order of their hashes, a few at a time. All hashes below its position are saved.
//! 3. Whoever is about to change, remove or add an entry that lies at or above the position first saves what stands
//!    under that hash (nothing, for a new key), and notes the hash, which the walker then passes by.
//!
//! What the walker has looked up of a segment stays true until it gets there: an entry moves only where it changes, and then
//! its hash is noted. So each entry is saved exactly once, as it was at the moment; hashes do not care for splits and merges, and a writer
//! pays for the one entry that it changes. Every change of a [`Db`] passes `before_change` there, which is one branch
//! where no cut is running. A database that is flushed goes to the walker whole; one that is exchanged takes its cut
//! along.
//!
//! A collection is written under the door as a whole; a long string is shared.

use super::Shard;
use super::arena::Handle;
use super::db::{Db, Object, Slot};
use super::entry::{Head, Kind};
use super::records::{self, Form};
use crate::rdb::{self, Writer};
use crate::value::hash::HashRef;
use crate::value::list::ListRef;
use crate::value::set::SetRef;
use crate::value::zset::ZSetRef;
use bytes::Bytes;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::Sender;

/// Bytes from which a chunk is handed over.
const CHUNK_BYTES: usize = 64 * 1024;
/// Strings from this length on are shared, not copied.
const SHARED_MIN: usize = 16 * 1024;
/// Entries that one step saves.
const STEP_ENTRIES: usize = 256;
/// Bytes that one step writes before it lets others in.
const STEP_BYTES: usize = 64 * 1024;

/// Records of one database.
#[derive(Debug, Default)]
pub struct Chunk {
    /// The database's number at the moment of the cut.
    pub db: u32,
    /// How many records there are.
    pub entries: u32,
    /// The records.
    pub bytes: Vec<u8>,
    /// The last bytes of the last record, where they were long enough to be shared.
    pub tail: Bytes,
}

impl Chunk {
    /// Its bytes, the shared ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.tail.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What comes out of a cut.
#[derive(Debug)]
pub enum Item {
    /// Records.
    Chunk(Chunk),
    /// A database that was flushed, with its cut: [`Db::step_cut`] saves the rest.
    Flushed(Box<Db>),
    /// A cut that was dropped before it was done: the whole is not whole.
    Lost,
}

/// What of a database is saved so far.
#[derive(Debug)]
pub struct Cut {
    /// Hashes below are saved.
    position: u32,
    /// The entries of a segment from there on, in the order of their hashes, and how many of them are saved.
    ahead: Vec<Slot>,
    at: usize,
    /// Where to go on behind them; `None` at the end.
    next: Option<u32>,
    /// Hashes that others saved, or that did not exist at the moment.
    early: HashSet<u32>,
    chunk: Chunk,
    sink: Sender<Item>,
    /// Bytes that were handed over and not taken.
    queued: Arc<AtomicUsize>,
    /// Where values are written before their length is known.
    scratch: Vec<u8>,
    done: bool,
}

impl Drop for Cut {
    fn drop(&mut self) {
        if !self.done {
            // Where nobody listens any more, nobody waits for it.
            let _ = self.sink.send(Item::Lost);
        }
    }
}

impl Cut {
    fn new(db: u32, sink: Sender<Item>, queued: Arc<AtomicUsize>) -> Self {
        Self {
            position: 0,
            ahead: Vec::new(),
            at: 0,
            next: Some(0),
            early: HashSet::new(),
            chunk: Chunk { db, ..Chunk::default() },
            sink,
            queued,
            scratch: Vec::new(),
            done: false,
        }
    }

    /// Hands over what was written so far.
    fn hand_over(&mut self) {
        if self.chunk.entries > 0 {
            let bytes = Vec::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
            let next = Chunk { db: self.chunk.db, bytes, ..Chunk::default() };
            self.queued.fetch_add(self.chunk.len(), Relaxed);
            // Where nobody listens any more, the snapshot has failed, and the cut is about to be taken back.
            let _ = self.sink.send(Item::Chunk(std::mem::replace(&mut self.chunk, next)));
        }
    }

    /// Writes an entry.
    fn record(&mut self, db: &Db, handle: Handle) {
        let bytes = db.bytes(handle);
        let head = Head::of(bytes);
        let out = &mut self.chunk.bytes;
        let from = out.len();
        match db.object(handle) {
            Some(Object::Str(string)) if string.len() >= SHARED_MIN => {
                records::head(out, Form::Raw, &head, head.key(bytes), string.len());
                self.chunk.tail = string.clone();
            }
            Some(Object::Str(string)) => records::write(out, Form::Raw, &head, head.key(bytes), string),
            object => {
                let form = match head.kind {
                    Kind::Str => Form::Str,
                    Kind::RawStr => Form::Raw,
                    Kind::Int => Form::Int,
                    _ => {
                        // The value's length stands in front of it, and is known once it is written.
                        let mut scratch = std::mem::take(&mut self.scratch);
                        scratch.clear();
                        let mut writer = Writer::plain(scratch);
                        let Some(version) = body(&mut writer, &head, bytes, object) else {
                            out.truncate(from);
                            return;
                        };
                        let form = if version == rdb::VERSION { Form::Body } else { Form::BodyOfValkey };
                        let value = writer.into_bytes();
                        records::write(out, form, &head, head.key(bytes), &value);
                        if value.capacity() <= CHUNK_BYTES {
                            self.scratch = value;
                        }
                        self.count();
                        return;
                    }
                };
                records::write(out, form, &head, head.key(bytes), head.value(bytes));
            }
        }
        self.count();
    }

    fn count(&mut self) {
        self.chunk.entries += 1;
        if self.chunk.bytes.len() >= CHUNK_BYTES || !self.chunk.tail.is_empty() {
            self.hand_over();
        }
    }
}

/// Writes a collection; the version of its form, `None` for a hash of which nothing is left.
fn body(writer: &mut Writer, head: &Head, bytes: &[u8], object: Option<&Object>) -> Option<u16> {
    let packed = head.value(bytes);
    match object {
        None => match head.kind {
            Kind::PackedList => Some(rdb::encode::list_body(writer, ListRef::Packed(packed))),
            Kind::PackedHash => rdb::encode::hash_body(writer, HashRef::Packed(packed)),
            Kind::IntSet | Kind::PackedSet => super::sets::small(head.kind, packed)
                .map(|small| rdb::encode::set_body(writer, SetRef::from(small))),
            Kind::PackedZSet => Some(rdb::encode::zset_body(writer, ZSetRef::Packed(packed), true)),
            _ => None,
        },
        Some(Object::List(list)) => Some(rdb::encode::list_body(writer, list.view())),
        Some(Object::Hash(hash)) => rdb::encode::hash_body(writer, hash.view(0)),
        Some(Object::Set(set)) => Some(rdb::encode::set_body(writer, set.view())),
        Some(Object::ZSet(zset)) => {
            Some(rdb::encode::zset_body(writer, zset.view(), zset.encoding() == "listpack"))
        }
        Some(Object::Stream(stream)) => Some(rdb::stream::encode_body(writer, stream)),
        Some(Object::Str(_)) => None,
    }
}

impl Db {
    /// Begins a cut, unless there is nothing in the database.
    pub(super) fn begin_cut(&mut self, number: u32, sink: &Sender<Item>, queued: &Arc<AtomicUsize>) {
        if !self.is_empty() {
            self.cut = Some(Box::new(Cut::new(number, sink.clone(), Arc::clone(queued))));
        }
    }

    /// Saves what stands under a hash before it changes. See the head of the module.
    #[cold]
    pub(super) fn save_before(&mut self, hash: u32) {
        let Some(mut cut) = self.cut.take() else { return };
        if hash >= cut.position && cut.early.insert(hash) {
            let mut handles = smallvec::SmallVec::<[Handle; 2]>::new();
            self.table.find(hash, |handle| {
                handles.push(handle);
                false
            });
            handles.into_iter().for_each(|handle| cut.record(self, handle));
        }
        self.cut = Some(cut);
    }

    /// Saves the next entries; whether there is more to save.
    pub fn step_cut(&mut self) -> bool {
        let Some(mut cut) = self.cut.take() else { return false };
        if cut.at == cut.ahead.len()
            && let Some(position) = cut.next
        {
            cut.next = self.table.scan_segment(position, &mut cut.ahead);
            cut.at = 0;
        }
        let (mut last, mut passed, mut written, mut saved) = (None, false, 0, 0);
        while let Some(&slot) = cut.ahead.get(cut.at) {
            if last != Some(slot.hash) {
                if written >= STEP_BYTES || saved >= STEP_ENTRIES {
                    cut.position = slot.hash;
                    self.cut = Some(cut);
                    return true;
                }
                passed = !cut.early.is_empty() && cut.early.remove(&{ slot.hash });
                last = Some(slot.hash);
            }
            cut.at += 1;
            if !passed {
                let before = cut.chunk.bytes.len();
                cut.record(self, slot.handle);
                let after = cut.chunk.bytes.len();
                // A chunk that was handed over is empty again, and was at least as long as a step is.
                written += if after > before { after - before } else { STEP_BYTES };
                saved += 1;
            }
        }
        match cut.next {
            Some(position) => {
                cut.position = position;
                self.cut = Some(cut);
                true
            }
            None => {
                cut.hand_over();
                cut.done = true;
                false
            }
        }
    }

    /// Gives a flushed database to whoever saves it; gives it back where nobody does.
    pub(super) fn retire(self) -> Option<Db> {
        match &self.cut {
            None => Some(self),
            Some(cut) => {
                let sink = cut.sink.clone();
                // Where nobody listens any more, it is dropped here.
                let _ = sink.send(Item::Flushed(Box::new(self)));
                None
            }
        }
    }
}

impl Shard {
    /// Begins a cut of all databases; what is saved goes to `sink`, and `queued` counts its bytes until somebody takes
    /// them off.
    pub fn begin_cut(&mut self, sink: &Sender<Item>, queued: &Arc<AtomicUsize>) {
        for (number, db) in self.dbs.iter_mut().enumerate() {
            db.begin_cut(number as u32, sink, queued);
        }
    }

    /// Saves the next entries of a cut; whether there is more to save. O(a few hundred entries).
    pub fn step_cut(&mut self) -> bool {
        match self.dbs.iter_mut().find(|db| db.cut.is_some()) {
            Some(db) => {
                db.step_cut();
                true
            }
            None => false,
        }
    }

    /// Gives a cut up.
    pub fn drop_cut(&mut self) {
        self.dbs.iter_mut().for_each(|db| db.cut = None);
    }
}

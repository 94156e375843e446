//! Writing an RDB file.

use super::opcode;
use crate::persist::draft::Draft;
use crate::persist::storage::Storage;
use crate::persist::{About, Accesses, Sink, StorageError};
use crate::rdb::{self, VERSION, VERSION_OF_VALKEY, crc64};
use crate::shard::cut::Chunk;
use crate::shard::records::{Form, Record, Records};
use std::io;
use std::sync::Arc;

/// Seconds that a record's note of the last access counts to.
const IDLE_MASK: u64 = (1 << 24) - 1;
/// Bytes of the footer of `FUNCTION DUMP`.
const FOOTER: usize = 10;
/// The type of a string.
const STRING: u8 = 0;
/// The Redis that a file says it was written by: the one that we are compatible with.
const REDIS_VERSION: &str = "7.2.0";

/// A file under construction.
#[derive(Debug)]
pub(super) struct Writer {
    file: Draft,
    /// What it was told of accesses to keys, and when that was, Unix seconds.
    accesses: Accesses,
    at_seconds: u64,
    /// Whether the file is one of Valkey's, which has a form for hashes whose fields have deadlines.
    is_of_valkey: bool,
    /// Keys of the databases that the file has not told of, and how many of them have a deadline.
    databases: Vec<(u64, u64)>,
    /// The database that was selected last.
    db: Option<u32>,
    sum: u64,
}

impl Writer {
    pub(super) fn create(storage: Arc<dyn Storage>, name: &str) -> Result<Self, StorageError> {
        Ok(Self {
            file: Draft::create(storage, name)?,
            accesses: Accesses::Unused,
            at_seconds: 0,
            is_of_valkey: false,
            databases: Vec::new(),
            db: None,
            sum: 0,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.file.write(bytes)?;
        self.sum = crc64(self.sum, bytes);
        Ok(())
    }

    /// Begins where nobody has.
    fn begun(&mut self) -> Result<(), StorageError> {
        if self.file.len() == 0 { self.begin(&About::default()) } else { Ok(()) }
    }

    /// Writes a key; `None` where the version has no form for it.
    fn record(&self, out: &mut rdb::Writer, record: &Record<'_>) -> Option<()> {
        if let Some(deadline) = record.expires_at_ms {
            out.byte(opcode::EXPIRETIME_MS);
            out.millis(i64::try_from(deadline).unwrap_or(i64::MAX));
        }
        match self.accesses {
            Accesses::Unused => {}
            Accesses::Last => {
                out.byte(opcode::IDLE);
                out.length(self.at_seconds.wrapping_sub(u64::from(record.idle)) & IDLE_MASK);
            }
            Accesses::Count => {
                out.byte(opcode::FREQ);
                out.byte(record.idle as u8);
            }
        }
        match record.form {
            Form::Str | Form::Raw => {
                out.byte(STRING);
                out.string(record.key);
                out.string(record.value);
            }
            Form::Int => {
                let number = record.value.first_chunk().copied().map_or(0, i64::from_le_bytes);
                out.byte(STRING);
                out.string(record.key);
                out.string(itoa::Buffer::new().format(number).as_bytes());
            }
            Form::BodyOfValkey if !self.is_of_valkey => return None,
            Form::Body | Form::BodyOfValkey => {
                let (&kind, body) = record.value.split_first()?;
                out.byte(kind);
                out.string(record.key);
                out.bytes(body);
            }
        }
        Some(())
    }
}

impl Sink for Writer {
    fn begin(&mut self, about: &About) -> Result<(), StorageError> {
        let magic = if about.field_deadlines {
            format!("VALKEY{VERSION_OF_VALKEY:03}")
        } else {
            format!("REDIS{VERSION:04}")
        };
        let mut out = rdb::Writer::plain(magic.into_bytes());
        let made_at = (about.at_ms / 1000).to_string();
        let made_at_ms = about.at_ms.to_string();
        let bits = usize::BITS.to_string();
        for (name, text) in [
            ("redis-ver", REDIS_VERSION),
            ("redis-bits", &bits),
            ("ctime", &made_at),
            ("aof-base", "0"),
            (super::MOMENT, &made_at_ms),
            ("damselfly-ver", env!("CARGO_PKG_VERSION")),
        ] {
            out.byte(opcode::AUX);
            out.string(name.as_bytes());
            out.string(text.as_bytes());
        }
        // The libraries stand in the dump as they stand in a file.
        let libraries = about.functions.len().saturating_sub(FOOTER);
        out.bytes(about.functions.get(..libraries).unwrap_or_default());
        self.accesses = about.accesses;
        self.at_seconds = about.at_ms / 1000;
        self.is_of_valkey = about.field_deadlines;
        self.databases.clone_from(&about.databases);
        self.write(&out.into_bytes())
    }

    fn chunk(&mut self, chunk: &Chunk) -> Result<(), StorageError> {
        self.begun()?;
        let mut out = rdb::Writer::plain(Vec::with_capacity(chunk.bytes.len() + chunk.bytes.len() / 8));
        if self.db != Some(chunk.db) {
            out.byte(opcode::SELECTDB);
            out.length(u64::from(chunk.db));
            // Shards come one after the other, and with them the databases again: they are told of once.
            if let Some(size) = self.databases.get_mut(chunk.db as usize)
                && size.0 > 0
            {
                let (keys, with_deadline) = std::mem::take(size);
                out.byte(opcode::RESIZEDB);
                out.length(keys);
                out.length(with_deadline);
            }
            self.db = Some(chunk.db);
        }
        let mut records = Records::of(chunk);
        loop {
            let record = records.next_record();
            let Some(record) =
                record.map_err(|error| self.file.failed(io::Error::other(error.to_string())))?
            else {
                break;
            };
            self.record(&mut out, &record).ok_or_else(|| {
                self.file
                    .failed(io::Error::other("fields of a hash got deadlines that the file has no form for"))
            })?;
        }
        self.write(&out.into_bytes())?;
        self.file.sync_if_due()
    }

    fn finish(mut self: Box<Self>, _about: &About) -> Result<u64, StorageError> {
        self.begun()?;
        self.write(&[opcode::EOF])?;
        let sum = self.sum.to_le_bytes();
        self.write(&sum)?;
        self.file.finish()
    }
}

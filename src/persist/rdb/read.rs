//! Reading an RDB file.

use super::opcode;
use crate::persist::storage::{ReadFile, Storage};
use crate::persist::{Accessed, Loaded, StorageError, Target};
use crate::rdb::unfold::{self, Source as _};
use crate::rdb::{self, VERSION, VERSION_OF_VALKEY, crc64};
use crate::shard::records::{Form, Record};
use crate::value::listpack::parse_int;
use std::ops::Range;
use std::path::PathBuf;

/// Bytes that are read from the file at once.
const WINDOW: usize = 256 * 1024;
/// Keys that are handed over together, and the bytes of their values from which they are.
const BATCH_KEYS: usize = 1024;
const BATCH_BYTES: usize = 1 << 20;
/// Bytes of the magic word and the version.
const MAGIC: usize = 9;
/// The type of a string.
const STRING: u8 = 0;

/// A file that is read from its start to its end.
struct Input<'a> {
    file: &'a dyn ReadFile,
    path: PathBuf,
    /// What was read of it, and not looked at.
    window: Vec<u8>,
    at: usize,
    /// Where the window begins in the file.
    from: u64,
    /// Checksum of all before the window.
    sum: u64,
}

impl Input<'_> {
    fn offset(&self) -> u64 {
        self.from + self.at as u64
    }

    fn corrupt_at(&self, offset: u64, what: impl Into<String>) -> StorageError {
        StorageError::Corrupt { path: self.path.clone(), chunk: None, offset, what: what.into() }
    }

    fn left(&self) -> u64 {
        self.file.len().saturating_sub(self.offset())
    }

    /// Checksum of all that was looked at.
    fn sum(&self) -> u64 {
        crc64(self.sum, self.window.get(..self.at).unwrap_or_default())
    }

    /// The next bytes, some of them; none at the end of the file.
    fn some(&mut self) -> Result<&[u8], StorageError> {
        if self.at == self.window.len() {
            (self.sum, self.from, self.at) = (self.sum(), self.offset(), 0);
            let len = WINDOW.min(usize::try_from(self.left()).unwrap_or(WINDOW));
            self.window.resize(len, 0);
            let read = self.file.read_exact_at(&mut self.window, self.from);
            read.map_err(|error| StorageError::io(&self.path, error))?;
        }
        Ok(self.window.get(self.at..).unwrap_or_default())
    }

    fn cut_off(&self) -> StorageError {
        self.corrupt_at(self.file.len(), "it was cut off: bytes are missing")
    }

    fn length(&mut self) -> Result<u64, StorageError> {
        unfold::length(self, &mut Vec::new())
    }

    fn text(&mut self) -> Result<Vec<u8>, StorageError> {
        let mut text = Vec::new();
        unfold::text(self, &mut text)?;
        Ok(text)
    }
}

impl unfold::Source for Input<'_> {
    type Error = StorageError;

    fn take(&mut self, n: u64, out: &mut Vec<u8>) -> Result<(), StorageError> {
        if n > self.left() {
            let what = format!("a string of {n} bytes ends within the file, which has {} more", self.left());
            return Err(self.corrupt_at(self.offset(), what));
        }
        let mut missing = n as usize;
        out.reserve(missing);
        while missing > 0 {
            let some = self.some()?;
            let taken = some.get(..missing.min(some.len())).unwrap_or_default();
            out.extend_from_slice(taken);
            let taken = taken.len();
            self.at += taken;
            missing -= taken;
        }
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StorageError> {
        if let Some(array) = self.window.get(self.at..).and_then(|rest| rest.first_chunk()).copied() {
            self.at += N;
            return Ok(array);
        }
        let mut array = [0; N];
        for place in &mut array {
            let Some(byte) = self.some()?.first().copied() else { return Err(self.cut_off()) };
            *place = byte;
            self.at += 1;
        }
        Ok(array)
    }

    fn corrupt(&self, what: &'static str) -> StorageError {
        self.corrupt_at(self.offset(), what)
    }
}

/// A key that was read and not handed over.
struct Held {
    /// Where it stands in the file.
    offset: u64,
    form: Form,
    idle: u32,
    expires_at_ms: Option<u64>,
    /// Where it stands in the batch.
    key: Range<usize>,
    value: Range<usize>,
}

/// What stands in front of a key.
#[derive(Default)]
struct Before {
    expires_at_ms: Option<u64>,
    accessed: Accessed,
}

/// A file that is being loaded.
struct Load<'a> {
    source: Input<'a>,
    target: &'a dyn Target,
    /// Of the format; 80 for all of Valkey's.
    version: u16,
    /// The database that keys are of.
    db: u32,
    bytes: Vec<u8>,
    held: Vec<Held>,
    /// What keys note of accesses of which the file tells nothing.
    mark: u32,
    loaded: Loaded,
}

/// Loads an RDB file. O(bytes).
///
/// # Errors
/// [`StorageError`], which names the file and the place; what stood before it may be in `target`.
pub fn load(storage: &dyn Storage, name: &str, target: &dyn Target) -> Result<Loaded, StorageError> {
    let path = storage.path(name);
    let file = storage.open(name).map_err(|error| StorageError::io(&path, error))?;
    let mut load = Load::new(&*file, path, target);
    load.head()?;
    load.body()?;
    load.hand_over()?;
    load.foot()?;
    Ok(load.loaded)
}

/// Shows all keys in front of the first damage to `target`. O(bytes).
///
/// # Errors
/// [`StorageError`]: it cannot be read, or is no RDB file.
pub fn survey(
    storage: &dyn Storage,
    name: &str,
    target: &dyn Target,
) -> Result<(Loaded, Vec<StorageError>), StorageError> {
    let path = storage.path(name);
    let file = storage.open(name).map_err(|error| StorageError::io(&path, error))?;
    let mut load = Load::new(&*file, path, target);
    load.head()?;
    let mut damage = Vec::new();
    let mut note = |result| match result {
        Ok(()) => Ok(()),
        Err(error @ StorageError::Corrupt { .. }) => {
            damage.push(error);
            Ok(())
        }
        Err(error) => Err(error),
    };
    let body = load.body();
    let is_whole = body.is_ok();
    note(body)?;
    note(load.hand_over())?;
    if is_whole {
        note(load.foot())?;
    }
    Ok((load.loaded, damage))
}

impl<'a> Load<'a> {
    fn new(file: &'a dyn ReadFile, path: PathBuf, target: &'a dyn Target) -> Self {
        let source = Input { file, path, window: Vec::new(), at: 0, from: 0, sum: 0 };
        Self {
            source,
            target,
            version: 0,
            db: 0,
            bytes: Vec::new(),
            held: Vec::new(),
            mark: target.mark(Accessed::default()),
            loaded: Loaded { bytes: file.len(), ..Loaded::default() },
        }
    }

    fn head(&mut self) -> Result<(), StorageError> {
        let source = &mut self.source;
        let head: [u8; MAGIC] = source.array()?;
        let (word, digits) = match head.strip_prefix(b"VALKEY") {
            Some(digits) => ("VALKEY", digits),
            None => match head.strip_prefix(b"REDIS") {
                Some(digits) => ("REDIS", digits),
                None => return Err(source.corrupt_at(0, "it does not begin as an RDB file does")),
            },
        };
        let version = parse_digits(digits)
            .ok_or_else(|| source.corrupt_at(word.len() as u64, "its version is no number"))?;
        self.version = match (word, version) {
            ("REDIS", 5..=12) => version,
            ("VALKEY", 80..=89) => VERSION_OF_VALKEY,
            _ => {
                let read = "this version reads REDIS 5 to 12 and VALKEY 80 to 89";
                let what = format!("its format is {word} {version}; {read}");
                return Err(source.corrupt_at(word.len() as u64, what));
            }
        };
        Ok(())
    }

    /// All between the head and the checksum.
    fn body(&mut self) -> Result<(), StorageError> {
        let mut before = Before::default();
        loop {
            let offset = self.source.offset();
            let [code] = self.source.array()?;
            match code {
                opcode::EOF => return Ok(()),
                opcode::EXPIRETIME => {
                    let seconds = i64::from(i32::from_le_bytes(self.source.array()?));
                    before.expires_at_ms = deadline(seconds.saturating_mul(1000));
                }
                opcode::EXPIRETIME_MS => {
                    before.expires_at_ms = deadline(i64::from_le_bytes(self.source.array()?));
                }
                opcode::FREQ => {
                    let [frequency] = self.source.array()?;
                    before.accessed.frequency = Some(frequency);
                }
                opcode::IDLE => before.accessed.idle_seconds = Some(self.source.length()?),
                opcode::SELECTDB => {
                    let db = self.source.length()?;
                    self.hand_over()?;
                    let too_large = || self.source.corrupt_at(offset, format!("there is no database {db}"));
                    self.db = u32::try_from(db).map_err(|_| too_large())?;
                }
                // How many keys there are is seen soon enough.
                opcode::RESIZEDB => self.skip_lengths(2)?,
                opcode::SLOT_INFO => self.skip_lengths(3)?,
                opcode::AUX => {
                    let (name, text) = (self.source.text()?, self.source.text()?);
                    let number = parse_int(&text).and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
                    match &*name {
                        b"ctime" if self.loaded.at_ms == 0 => {
                            self.loaded.at_ms = number.saturating_mul(1000);
                        }
                        name if name == super::MOMENT.as_bytes() => self.loaded.at_ms = number,
                        _ => {}
                    }
                }
                opcode::FUNCTION2 => self.function(offset)?,
                opcode::FUNCTION_PRE_GA => {
                    let what = "functions of a release candidate of Redis 7.0 are not supported";
                    return Err(self.source.corrupt_at(offset, what));
                }
                opcode::SLOT_IMPORT => {
                    return Err(self
                        .source
                        .corrupt_at(offset, "slots that are being imported are not supported"));
                }
                opcode::MODULE_AUX => self.module_aux()?,
                kind => {
                    self.key(offset, kind, std::mem::take(&mut before))?;
                    if self.held.len() >= BATCH_KEYS || self.bytes.len() >= BATCH_BYTES {
                        self.hand_over()?;
                    }
                }
            }
        }
    }

    fn skip_lengths(&mut self, n: usize) -> Result<(), StorageError> {
        (0..n).try_for_each(|_| self.source.length().map(drop))
    }

    fn function(&mut self, offset: u64) -> Result<(), StorageError> {
        let code = self.source.text()?;
        let mut dump = rdb::Writer::plain(Vec::new());
        dump.byte(opcode::FUNCTION2);
        dump.string(&code);
        let loaded = self.target.functions(&dump.seal(VERSION));
        loaded.map_err(|error| self.source.corrupt_at(offset, format!("a library of functions: {error}")))
    }

    /// What a module keeps beside the keys: it is skipped, as its parts say how long they are.
    fn module_aux(&mut self) -> Result<(), StorageError> {
        let source = &mut self.source;
        let (_module, when_form, _when) = (source.length()?, source.length()?, source.length()?);
        if when_form != 2 {
            return Err(source.corrupt("what a module keeps begins with a number"));
        }
        loop {
            match source.length()? {
                0 => return Ok(()),
                1 | 2 => drop(source.length()?),
                3 => drop(source.array::<4>()?),
                4 => drop(source.array::<8>()?),
                5 => drop(source.text()?),
                _ => return Err(source.corrupt("a part of what a module keeps is of a known form")),
            }
        }
    }

    /// Reads a key and its value.
    fn key(&mut self, offset: u64, kind: u8, before: Before) -> Result<(), StorageError> {
        let source = &mut self.source;
        if !unfold::is_known(kind) && !unfold::is_of_module(kind) {
            return Err(source.corrupt_at(offset, format!("nobody knows what {kind} stands for")));
        }
        let from = self.bytes.len();
        unfold::text(source, &mut self.bytes)?;
        let key = from..self.bytes.len();
        let form = if kind == STRING {
            unfold::text(source, &mut self.bytes)?;
            match parse_int(self.bytes.get(key.end..).unwrap_or_default()) {
                Some(number) => {
                    self.bytes.truncate(key.end);
                    self.bytes.extend_from_slice(&number.to_le_bytes());
                    Form::Int
                }
                None => Form::Str,
            }
        } else if unfold::is_of_module(kind) {
            let what = match kind {
                7 => format!("a value of the module '{}', which is not there", module_name(source.length()?)),
                _ => "a value of a module".to_owned(),
            };
            let key = self.bytes.get(key).unwrap_or_default();
            return Err(source.corrupt_at(offset, format!("key '{}': {what}", key.escape_ascii())));
        } else {
            unfold::value(source, kind, self.version, &mut self.bytes)?;
            if self.version == VERSION_OF_VALKEY { Form::BodyOfValkey } else { Form::Body }
        };
        let untold = before.accessed == Accessed::default();
        self.held.push(Held {
            offset,
            form,
            idle: if untold { self.mark } else { self.target.mark(before.accessed) },
            expires_at_ms: before.expires_at_ms,
            value: key.end..self.bytes.len(),
            key,
        });
        Ok(())
    }

    /// Hands over what was read so far.
    fn hand_over(&mut self) -> Result<(), StorageError> {
        let bytes = |range: &Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
        let record = |held: &Held| Record {
            form: held.form,
            idle: held.idle,
            expires_at_ms: held.expires_at_ms,
            key: bytes(&held.key),
            value: bytes(&held.value),
        };
        let records: Vec<Record<'_>> = self.held.iter().map(record).collect();
        if !records.is_empty() {
            let expired = self.target.records(self.db, &records).map_err(|(at, error)| {
                let offset = self.held.get(at).map_or(0, |held| held.offset);
                let key = records.get(at).map(|record| record.key).unwrap_or_default();
                self.source.corrupt_at(offset, format!("key '{}': {}", key.escape_ascii(), error.what))
            })?;
            self.loaded.expired += expired;
            self.loaded.keys += (records.len() as u64).saturating_sub(expired);
        }
        self.held.clear();
        // What one long value took is given back.
        self.bytes.clear();
        self.bytes.shrink_to(2 * BATCH_BYTES);
        self.target.progress(self.source.offset(), self.source.file.len());
        Ok(())
    }

    fn foot(&mut self) -> Result<(), StorageError> {
        let (sum, offset) = (self.source.sum(), self.source.offset());
        let told = u64::from_le_bytes(self.source.array()?);
        // Zero says that whoever wrote it made none.
        if told != 0 && told != sum {
            return Err(self.source.corrupt_at(offset, "the checksum does not match"));
        }
        match self.source.left() {
            0 => Ok(()),
            left => {
                Err(self.source.corrupt_at(self.source.offset(), format!("{left} bytes follow the checksum")))
            }
        }
    }
}

/// A version's digits.
fn parse_digits(digits: &[u8]) -> Option<u16> {
    if digits.iter().all(u8::is_ascii_digit) { std::str::from_utf8(digits).ok()?.parse().ok() } else { None }
}

/// A deadline; -1 is none, and what is older than time has passed.
fn deadline(ms: i64) -> Option<u64> {
    (ms != -1).then(|| u64::try_from(ms).unwrap_or(0))
}

/// A module's name, nine letters of six bits in front of its version.
fn module_name(id: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let letter = |at: u32| LETTERS.get((id >> (58 - 6 * at)) as usize & 63).copied().map_or('?', char::from);
    (0..9).map(letter).collect()
}

//! Files as persistence needs them, so that what happens to them can be tested: real ones, ones in memory that lose
//! what was not synced, and ones that fail.
//!
//! A [`Storage`] is one directory. What is written is there for good once it was [synced](WriteFile::sync), and a name
//! once its directory was ([`Storage::sync_dir`]); before that a crash may keep all of it, some or nothing.
//!
//! It knows nothing of formats.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory of files.
pub trait Storage: Debug + Send + Sync {
    /// Makes an empty file, over one that has the name, to be written from its start.
    ///
    /// # Errors
    /// What the operating system says, as everywhere here.
    fn create(&self, name: &str) -> io::Result<Box<dyn WriteFile>>;
    /// Opens a file to be written behind what it holds; makes it where there is none.
    ///
    /// # Errors
    /// As above.
    fn append(&self, name: &str) -> io::Result<Box<dyn WriteFile>>;
    /// Opens a file to be read.
    ///
    /// # Errors
    /// As above; `NotFound` where there is none.
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadFile>>;
    /// Cuts a file to a length and syncs it.
    ///
    /// # Errors
    /// As above.
    fn truncate(&self, name: &str, len: u64) -> io::Result<()>;
    /// Gives a file another name, over a file that has it: at no moment is there none.
    ///
    /// # Errors
    /// As above.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// As above; `NotFound` where there is none.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Names of the files, sorted. A directory that does not exist has none.
    ///
    /// # Errors
    /// As above.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes the names durable: those that were made, changed and removed.
    ///
    /// # Errors
    /// As above.
    fn sync_dir(&self) -> io::Result<()>;
    /// Where a file is, for messages.
    fn path(&self, name: &str) -> PathBuf;
}

/// A file that is written.
pub trait WriteFile: Debug + Send {
    /// Writes all bytes behind those that were written.
    ///
    /// # Errors
    /// What the operating system says. Some of the bytes may have been written.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was written durable.
    ///
    /// # Errors
    /// What the operating system says: whatever was written since the last call may be lost, and another call does not
    /// bring it back.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that is read, from several threads at once.
pub trait ReadFile: Debug + Send + Sync {
    /// Its length in bytes.
    fn len(&self) -> u64;
    /// Whether it is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Fills `bytes` from what stands at `at`.
    ///
    /// # Errors
    /// What the operating system says; `UnexpectedEof` beyond the end.
    fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()>;
}

/// Real files.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// The files of a directory, which need not exist before the first one is made.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn made(&self, options: &OpenOptions, name: &str) -> io::Result<File> {
        match options.open(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(&self.path)?;
                options.open(self.path(name))
            }
            result => result,
        }
    }
}

#[derive(Debug)]
struct Written(File);

impl WriteFile for Written {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[derive(Debug)]
struct Read {
    file: File,
    len: u64,
}

impl ReadFile for Read {
    fn len(&self) -> u64 {
        self.len
    }
    #[cfg(unix)]
    fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, bytes, at)
    }
    #[cfg(windows)]
    fn read_exact_at(&self, mut bytes: &mut [u8], mut at: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            let read = std::os::windows::fs::FileExt::seek_read(&self.file, bytes, at)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            bytes = bytes.get_mut(read..).unwrap_or_default();
            at += read as u64;
        }
        Ok(())
    }
}

impl Storage for Directory {
    fn create(&self, name: &str) -> io::Result<Box<dyn WriteFile>> {
        let file = self.made(OpenOptions::new().write(true).create(true).truncate(true), name)?;
        Ok(Box::new(Written(file)))
    }
    fn append(&self, name: &str) -> io::Result<Box<dyn WriteFile>> {
        let file = self.made(OpenOptions::new().append(true).create(true), name)?;
        Ok(Box::new(Written(file)))
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadFile>> {
        let file = File::open(self.path(name))?;
        let len = file.metadata()?.len();
        Ok(Box::new(Read { file, len }))
    }
    fn truncate(&self, name: &str, len: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path(name))?;
        file.set_len(len)?;
        file.sync_all()
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }
    fn sync_dir(&self) -> io::Result<()> {
        // Elsewhere a directory cannot be opened, and names are durable with their files.
        if cfg!(unix) { File::open(&self.path)?.sync_all() } else { Ok(()) }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Files in memory, which know what of them was synced. Clones are the same files.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    files: Arc<Mutex<Files>>,
}

#[derive(Debug, Default)]
struct Files {
    /// By name: what everybody sees.
    names: BTreeMap<String, Arc<Mutex<Content>>>,
    /// By name: what is there after a crash.
    durable: BTreeMap<String, Arc<Mutex<Content>>>,
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    /// As it was when it was synced last.
    synced: Vec<u8>,
    /// Where the writes since then begin.
    writes: Vec<usize>,
}

impl Content {
    /// What is left of it when all writes that were not synced reached the disk or not, as lots fall: a write that did
    /// not is zeros where a later one did, and the last one may be torn.
    fn shuffled(&self, mut lot: impl FnMut(usize) -> usize) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        if !self.bytes.starts_with(&self.synced) {
            return if lot(2) == 0 { bytes } else { self.bytes.clone() };
        }
        for (at, &from) in self.writes.iter().enumerate() {
            let to = self.writes.get(at + 1).copied().unwrap_or(self.bytes.len());
            let len = to.saturating_sub(from);
            let kept = match lot(3) {
                0 => 0,
                1 => lot(len + 1),
                _ => len,
            };
            let write = self.bytes.get(from..from + kept).unwrap_or_default();
            if !write.is_empty() {
                bytes.resize(from, 0);
                bytes.extend_from_slice(write);
            }
        }
        bytes
    }
}

impl Memory {
    /// No files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What a crash leaves: of what was written and not synced, `kept` in 256 parts.
    #[must_use]
    pub fn crashed(&self, kept: u8) -> Self {
        let files = self.files.lock();
        let mut after = Files::default();
        for (name, content) in &files.durable {
            let content = content.lock();
            let mut bytes = content.synced.clone();
            if let Some(behind) = content.bytes.get(bytes.len()..)
                && content.bytes.starts_with(&bytes)
            {
                let kept = behind.len() * usize::from(kept) / 256;
                bytes.extend_from_slice(behind.get(..kept).unwrap_or_default());
            }
            let content = Arc::new(Mutex::new(Content { synced: bytes.clone(), bytes, writes: Vec::new() }));
            after.names.insert(name.clone(), Arc::clone(&content));
            after.durable.insert(name.clone(), content);
        }
        Self { files: Arc::new(Mutex::new(after)) }
    }

    /// What a crash leaves that keeps writes and names which were not synced or not, as lots fall.
    #[must_use]
    pub fn crashed_anyhow(&self, seed: u64) -> Self {
        let mut state = seed;
        let mut lot = |of: usize| {
            // SplitMix64.
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((mixed ^ mixed >> 31) % of.max(1) as u64) as usize
        };
        let files = self.files.lock();
        let names = if lot(2) == 0 { &files.durable } else { &files.names };
        let mut after = Files::default();
        for (name, content) in names {
            let bytes = content.lock().shuffled(&mut lot);
            let content = Arc::new(Mutex::new(Content { synced: bytes.clone(), bytes, writes: Vec::new() }));
            after.names.insert(name.clone(), Arc::clone(&content));
            after.durable.insert(name.clone(), content);
        }
        Self { files: Arc::new(Mutex::new(after)) }
    }

    /// A file's bytes, where there is one.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        Some(self.files.lock().names.get(name)?.lock().bytes.clone())
    }

    /// Puts a file there, durably.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let content = Arc::new(Mutex::new(Content {
            bytes: bytes.to_vec(),
            synced: bytes.to_vec(),
            writes: Vec::new(),
        }));
        let mut files = self.files.lock();
        files.names.insert(name.to_owned(), Arc::clone(&content));
        files.durable.insert(name.to_owned(), content);
    }

    fn find(&self, name: &str) -> io::Result<Arc<Mutex<Content>>> {
        self.files.lock().names.get(name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[derive(Debug)]
struct InMemory(Arc<Mutex<Content>>);

impl WriteFile for InMemory {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut content = self.0.lock();
        let from = content.bytes.len();
        content.writes.push(from);
        content.bytes.extend_from_slice(bytes);
        Ok(())
    }
    fn sync(&mut self) -> io::Result<()> {
        let mut content = self.0.lock();
        content.synced = content.bytes.clone();
        content.writes.clear();
        Ok(())
    }
}

#[derive(Debug)]
struct Bytes(Vec<u8>);

impl ReadFile for Bytes {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let from = usize::try_from(at).ok().and_then(|at| self.0.get(at..)?.get(..bytes.len()));
        bytes.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

impl Storage for Memory {
    fn create(&self, name: &str) -> io::Result<Box<dyn WriteFile>> {
        let mut files = self.files.lock();
        // A file that is emptied keeps its durable name, whatever it holds now.
        let content = match files.names.get(name) {
            Some(content) => {
                let mut emptied = content.lock();
                emptied.bytes.clear();
                emptied.writes.clear();
                drop(emptied);
                Arc::clone(content)
            }
            None => Arc::default(),
        };
        files.names.insert(name.to_owned(), Arc::clone(&content));
        Ok(Box::new(InMemory(content)))
    }
    fn append(&self, name: &str) -> io::Result<Box<dyn WriteFile>> {
        let mut files = self.files.lock();
        let content = Arc::clone(files.names.entry(name.to_owned()).or_default());
        Ok(Box::new(InMemory(content)))
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadFile>> {
        let content = self.find(name)?;
        let bytes = content.lock().bytes.clone();
        Ok(Box::new(Bytes(bytes)))
    }
    fn truncate(&self, name: &str, len: u64) -> io::Result<()> {
        let content = self.find(name)?;
        let mut content = content.lock();
        content.bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        content.synced = content.bytes.clone();
        content.writes.clear();
        content.writes.clear();
        Ok(())
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.files.lock();
        let content = files.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.names.insert(to.to_owned(), content);
        Ok(())
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.files.lock().names.remove(name).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.files.lock().names.keys().cloned().collect())
    }
    fn sync_dir(&self) -> io::Result<()> {
        let mut files = self.files.lock();
        files.durable = files.names.clone();
        Ok(())
    }
    fn path(&self, name: &str) -> PathBuf {
        Path::new("memory").join(name)
    }
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing and says so; every later one succeeds.
    Once(io::ErrorKind),
    /// It does nothing and says so, and so does every later one.
    FromThenOn(io::ErrorKind),
    /// A write writes the first half of its bytes and fails, and everything after it does.
    Torn,
}

/// Files of another storage, of which one operation fails. Clones are the same files, and count together.
#[derive(Clone, Debug)]
pub struct Faulty {
    inner: Arc<dyn Storage>,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug)]
struct Plan {
    /// Operations that change something, so far.
    operations: u64,
    /// The number of the one that fails, and how; what was decided otherwise since.
    fault: Option<(u64, Fault)>,
}

/// What an operation is to do.
enum Verdict {
    Work,
    Tear,
    Fail(io::ErrorKind),
}

impl Faulty {
    /// The operation number `at` fails, counted from 0 over all that changes something: writes, syncs, names.
    pub fn new(inner: Arc<dyn Storage>, at: u64, fault: Fault) -> Self {
        Self { inner, plan: Arc::new(Mutex::new(Plan { operations: 0, fault: Some((at, fault)) })) }
    }

    /// Operations so far, those that failed included.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.plan.lock().operations
    }

    /// Lets everything succeed from here on, or fail as said: the next operation is number 0.
    pub fn set(&self, fault: Option<(u64, Fault)>) {
        *self.plan.lock() = Plan { operations: 0, fault };
    }

    fn verdict(plan: &Mutex<Plan>) -> Verdict {
        let mut plan = plan.lock();
        let number = plan.operations;
        plan.operations += 1;
        match plan.fault {
            Some((at, Fault::Once(kind))) if number == at => Verdict::Fail(kind),
            Some((at, Fault::FromThenOn(kind))) if number >= at => Verdict::Fail(kind),
            Some((at, Fault::Torn)) if number == at => Verdict::Tear,
            Some((at, Fault::Torn)) if number > at => Verdict::Fail(io::ErrorKind::Other),
            _ => Verdict::Work,
        }
    }

    fn check(plan: &Mutex<Plan>) -> io::Result<()> {
        match Self::verdict(plan) {
            Verdict::Work => Ok(()),
            Verdict::Tear => Err(io::ErrorKind::Other.into()),
            Verdict::Fail(kind) => Err(kind.into()),
        }
    }

    fn wrapped(&self, inner: Box<dyn WriteFile>) -> Box<dyn WriteFile> {
        Box::new(FaultyFile { inner, plan: Arc::clone(&self.plan) })
    }
}

#[derive(Debug)]
struct FaultyFile {
    inner: Box<dyn WriteFile>,
    plan: Arc<Mutex<Plan>>,
}

impl WriteFile for FaultyFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match Faulty::verdict(&self.plan) {
            Verdict::Work => self.inner.write_all(bytes),
            Verdict::Tear => {
                self.inner.write_all(bytes.get(..bytes.len() / 2).unwrap_or_default())?;
                Err(io::ErrorKind::WriteZero.into())
            }
            Verdict::Fail(kind) => Err(kind.into()),
        }
    }
    fn sync(&mut self) -> io::Result<()> {
        Faulty::check(&self.plan)?;
        self.inner.sync()
    }
}

impl Storage for Faulty {
    fn create(&self, name: &str) -> io::Result<Box<dyn WriteFile>> {
        Self::check(&self.plan)?;
        Ok(self.wrapped(self.inner.create(name)?))
    }
    fn append(&self, name: &str) -> io::Result<Box<dyn WriteFile>> {
        Self::check(&self.plan)?;
        Ok(self.wrapped(self.inner.append(name)?))
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn ReadFile>> {
        self.inner.open(name)
    }
    fn truncate(&self, name: &str, len: u64) -> io::Result<()> {
        Self::check(&self.plan)?;
        self.inner.truncate(name, len)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Self::check(&self.plan)?;
        self.inner.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        Self::check(&self.plan)?;
        self.inner.remove(name)
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }
    fn sync_dir(&self) -> io::Result<()> {
        Self::check(&self.plan)?;
        self.inner.sync_dir()
    }
    fn path(&self, name: &str) -> PathBuf {
        self.inner.path(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(storage: &dyn Storage, name: &str, bytes: &[u8]) -> io::Result<()> {
        storage.create(name)?.write_all(bytes)
    }

    fn read(storage: &dyn Storage, name: &str) -> io::Result<Vec<u8>> {
        let file = storage.open(name)?;
        let mut bytes = vec![0; file.len() as usize];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    #[test]
    fn files_and_memory_behave_alike() {
        let dir = tempfile::tempdir().expect("a directory");
        let storages: [&dyn Storage; 2] = [&Directory::new(dir.path().join("new")), &Memory::new()];
        for storage in storages {
            assert_eq!(storage.list().expect("no files"), [""; 0]);
            write(storage, "a", b"one").expect("written");
            let mut more = storage.append("a").expect("opened");
            more.write_all(b"two").expect("written");
            more.sync().expect("synced");
            assert_eq!(read(storage, "a").expect("read"), b"onetwo");
            storage.truncate("a", 4).expect("cut");
            storage.rename("a", "b").expect("named");
            storage.sync_dir().expect("synced");
            assert_eq!(storage.list().expect("a file"), ["b"]);
            assert_eq!(read(storage, "b").expect("read"), b"onet");
            let file = storage.open("b").expect("there");
            assert!(file.read_exact_at(&mut [0; 2], 3).is_err());
            assert_eq!(storage.open("a").expect_err("gone").kind(), io::ErrorKind::NotFound);
            storage.remove("b").expect("there");
            assert!(storage.remove("b").is_err());
        }
    }

    #[test]
    fn a_crash_keeps_what_was_synced_and_maybe_more() {
        let memory = Memory::new();
        let mut file = memory.create("a").expect("made");
        file.write_all(b"safe").expect("written");
        file.sync().expect("synced");
        assert!(memory.crashed(255).bytes("a").is_none(), "its name was not");
        memory.sync_dir().expect("synced");
        file.write_all(b"lost").expect("written");
        assert_eq!(memory.crashed(0).bytes("a").as_deref(), Some(&b"safe"[..]));
        assert_eq!(memory.crashed(128).bytes("a").as_deref(), Some(&b"safelo"[..]));
        assert_eq!(memory.bytes("a").as_deref(), Some(&b"safelost"[..]));
    }

    #[test]
    fn the_chosen_operation_fails() {
        let memory = Memory::new();
        let faulty = Faulty::new(Arc::new(memory.clone()), 1, Fault::Torn);
        let mut file = faulty.create("a").expect("made");
        assert!(file.write_all(b"torn").is_err());
        assert_eq!(memory.bytes("a").as_deref(), Some(&b"to"[..]));
        assert!(file.sync().is_err() && faulty.rename("a", "b").is_err());
        faulty.set(Some((0, Fault::Once(io::ErrorKind::StorageFull))));
        assert_eq!(file.write_all(b"x").expect_err("full").kind(), io::ErrorKind::StorageFull);
        assert!(file.write_all(b"x").is_ok());
        assert_eq!(faulty.operations(), 2);
    }
}

//! The lock of a directory: two processes, or two engines of one, do not write to the same files.
//!
//! The lock is the operating system's, on a file that stays: it ends with the process however that ends, so that nothing
//! stale is ever in the way.

use super::StorageError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;

/// The file that is locked.
pub const NAME: &str = "damselfly.lock";

/// A directory that is ours until this is dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "it is held, not read")] File);

impl Lock {
    /// Takes a directory, which is made where it does not exist.
    ///
    /// # Errors
    /// [`StorageError::Locked`] where another process or engine has it.
    pub fn take(directory: &Path) -> Result<Self, StorageError> {
        make_directory(directory)?;
        let path = directory.join(NAME);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| StorageError::io(&path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StorageError::Locked { path }),
            Err(TryLockError::Error(error)) => Err(StorageError::io(&path, error)),
        }
    }
}

/// Makes a directory, and those that it is in.
///
/// # Errors
/// [`StorageError::Io`].
pub fn make_directory(path: &Path) -> Result<(), StorageError> {
    fs::create_dir_all(path).map_err(|error| StorageError::io(path, error))
}

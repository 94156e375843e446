//! HyperLogLogs under their keys: strings, which are changed where they are if they are long.

use super::entry::Kind;
use super::keyspace::{Expires, Key, Keyspace, WrongType};
use crate::value::hyperloglog;
use bytes::{Bytes, BytesMut};

impl Keyspace<'_> {
    /// Lets `f` change the string of a key, and count as how many changes that is; `None` without the key, unless `make`
    /// says that it is made then: an empty HyperLogLog. Counts no hit. O(1), O(bytes) for a short string.
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else, or what `f` says, which has changed nothing then.
    pub fn edit_hyperloglog<R, E: From<WrongType>>(
        &mut self,
        key: Key<'_>,
        make: bool,
        f: impl FnOnce(&mut BytesMut, bool) -> Result<(R, u64), E>,
    ) -> Result<Option<R>, E> {
        let found = self.find(key);
        let (result, changes) = match found {
            None if !make => return Ok(None),
            Some(found) if found.head.kind == Kind::StrObject => {
                self.edit_object(key, found, 0, |bytes| f(bytes, false))??
            }
            _ => {
                let mut string = match found {
                    Some(found) => self.string_of(found)?.with_bytes(|bytes| BytesMut::from(bytes)),
                    None => hyperloglog::empty(),
                };
                let result = f(&mut string, found.is_none())?;
                self.place_raw(key, found, Bytes::from(string), Expires::Keep);
                result
            }
        };
        if changes > 0 {
            self.changed(key, changes);
        }
        Ok(Some(result))
    }
}

//! Strings as bits under their keys: changed where they are, whatever form they are stored in.

use super::db::{NewValue, Object};
use super::entry::{self, INLINE_BYTES_MAX, Kind};
use super::events::Class;
use super::keyspace::{Expires, Found, Key, Keyspace, PROBED_BYTES_MIN, StringError, WrongType};
use crate::value::bits;
use crate::value::listpack::Buffer;
use bytes::{Bytes, BytesMut};

/// Zeros for a string that grows within its entry.
const ZEROS: [u8; INLINE_BYTES_MAX] = [0; INLINE_BYTES_MAX];

impl Keyspace<'_> {
    /// Sets or clears one bit of a key's string, which grows with zeros up to it; what the bit was. O(1), but for the
    /// zeros.
    ///
    /// # Errors
    /// [`StringError::TooLong`] or [`StringError::WrongType`].
    pub fn set_bit(&mut self, key: Key<'_>, offset: u64, on: bool) -> Result<bool, StringError> {
        self.edit_string(key, bits::bytes_for(offset), |bytes, grown| {
            let was = bits::set(bytes, offset, on);
            (was, u64::from(grown || was != on))
        })
    }

    /// Makes a key's string at least `len_min` bytes long, filling it up with zeros, and lets `f` change its bits; `f`
    /// is told whether the string had to grow, and says beside its result how many changes that was.
    ///
    /// An integer becomes its digits, whether `f` changes them or not. O(1) in place, O(bytes) where the string moves.
    ///
    /// # Errors
    /// [`StringError::TooLong`] where memory is short, or [`StringError::WrongType`].
    pub fn edit_string<R>(
        &mut self,
        key: Key<'_>,
        len_min: usize,
        f: impl FnOnce(&mut [u8], bool) -> (R, u64),
    ) -> Result<R, StringError> {
        let found = self.find(key);
        let len = match found {
            Some(found) => self.string_of(found)?.len(),
            None => 0,
        };
        let grown = len_min > len || found.is_none();
        if len_min.saturating_sub(len) > PROBED_BYTES_MIN {
            // The length is the caller's word, and allocating aborts where there is no memory for it.
            Vec::<u8>::new().try_reserve_exact(len_min).map_err(|_| StringError::TooLong)?;
        }
        let (result, changes) = match found {
            Some(found) if found.head.kind == Kind::StrObject => {
                self.edit_object(key, found, len_min, |bytes| f(bytes, grown))?
            }
            Some(found) if found.head.kind != Kind::Int && len_min <= INLINE_BYTES_MAX => {
                let idle = self.mark(Some(found.head.idle));
                let db = &mut self.shard.dbs[self.db];
                db.before_change(key.hash);
                let (mut handle, mut head) = (found.handle, found.head);
                if len_min > len {
                    let mut value = db.edit(key.hash, handle, head);
                    value.splice(len, 0, [&ZEROS[..len_min - len], &[], &[]]);
                    handle = value.handle();
                    head.set_value_len(len_min);
                }
                let slot = db.bytes_mut(handle);
                entry::set_kind(slot, Kind::RawStr);
                entry::set_idle(slot, idle);
                f(head.value_mut(slot), grown)
            }
            _ => {
                let mut string = match found {
                    Some(found) => self.string_of(found)?.with_bytes(|bytes| BytesMut::from(bytes)),
                    None => BytesMut::zeroed(len_min),
                };
                if string.len() < len_min {
                    string.resize(len_min, 0);
                }
                let result = f(&mut string, grown);
                self.place_raw(key, found, string.freeze(), Expires::Keep);
                result
            }
        };
        if changes > 0 {
            self.changed(key, changes);
            self.notify(Class::String, "setbit", key);
        }
        Ok(result)
    }

    /// Changes a long string where it is; bytes that a reply still holds are copied first.
    pub(super) fn edit_object<R>(
        &mut self,
        key: Key<'_>,
        found: Found,
        len_min: usize,
        f: impl FnOnce(&mut BytesMut) -> R,
    ) -> Result<R, WrongType> {
        let idle = self.mark(Some(found.head.idle));
        let db = &mut self.shard.dbs[self.db];
        entry::set_idle(db.bytes_mut(found.handle), idle);
        let changed = db.with_object(key.hash, found.handle, |object| match object {
            Object::Str(shared) => {
                let mut string = std::mem::take(shared)
                    .try_into_mut()
                    .unwrap_or_else(|shared| BytesMut::from(&shared[..]));
                if string.len() < len_min {
                    string.resize(len_min, 0);
                }
                let result = f(&mut string);
                *shared = string.freeze();
                Some(result)
            }
            _ => None,
        });
        changed.flatten().ok_or(WrongType)
    }

    /// Sets a key to what `BITOP` made, over whatever it holds, as one change; an empty result removes the key, which is
    /// a change only where it was there. O(1) for a long result.
    pub fn set_bits(&mut self, key: Key<'_>, result: Vec<u8>) {
        if result.is_empty() {
            self.delete(key);
            return;
        }
        let found = self.find(key);
        self.place_raw(key, found, Bytes::from(result), Expires::Clear);
        self.changed(key, 1);
        self.notify(Class::String, "set", key);
    }

    pub(super) fn place_raw(&mut self, key: Key<'_>, old: Option<Found>, string: Bytes, expires: Expires) {
        if string.len() <= INLINE_BYTES_MAX {
            self.place(key, old, NewValue::Inline(Kind::RawStr, &string), expires);
        } else {
            self.place(key, old, NewValue::Object(Object::Str(string)), expires);
        }
    }
}

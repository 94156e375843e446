//! What can be done to a string beyond reading and setting it: the bodies behind `SET`'s options, `GETEX`, `GETDEL`,
//! `GETRANGE` and `INCRBYFLOAT`, for commands and for calls in process alike.

use super::db::{NewValue, Object};
use super::entry::{INLINE_BYTES_MAX, Kind, Type};
use super::events::Class;
use super::keyspace::{Expires, Key, Keyspace, Str, StringError, WrongType};
use crate::value::long_double::{LongDouble, NumberText};
use crate::value::string;
use bytes::Bytes;

/// When a write takes place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// In any case.
    #[default]
    Always,
    /// Only where the key does not exist, as `SET … NX`.
    Absent,
    /// Only where the key exists, as `SET … XX`.
    Present,
}

impl Keyspace<'_> {
    /// Sets a key to a string where `condition` holds; whether it did. O(bytes).
    ///
    /// A deadline that has passed removes the key.
    pub fn set_string_if(
        &mut self,
        key: Key<'_>,
        value: &[u8],
        expires: Expires,
        condition: Condition,
    ) -> bool {
        let holds = match condition {
            Condition::Always => true,
            Condition::Absent => !self.exists(key),
            Condition::Present => self.exists(key),
        };
        if holds {
            self.set_string(key, value, expires);
            if matches!(expires, Expires::At(deadline) if deadline < self.now_ms()) {
                // It expires as soon as somebody looks.
                self.exists(key);
            }
        }
        holds
    }

    /// Lets `f` read a key's string, then changes the key's deadline; `None` without the key. O(1).
    ///
    /// A deadline that has come removes the key.
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else; its deadline stays.
    pub fn string_and_expire<R>(
        &mut self,
        key: Key<'_>,
        expires: Expires,
        f: impl FnOnce(Str<'_>) -> R,
    ) -> Result<Option<R>, WrongType> {
        let Some(value) = self.string(key)? else { return Ok(None) };
        let result = f(value);
        match expires {
            Expires::Keep => {}
            Expires::Clear => {
                if self.expires_at_ms(key).flatten().is_some() {
                    self.set_expires_at_ms(key, None);
                }
            }
            Expires::At(deadline) if deadline <= self.now_ms() => {
                self.delete(key);
            }
            Expires::At(deadline) => {
                self.set_expires_at_ms(key, Some(deadline));
            }
        }
        Ok(Some(result))
    }

    /// Lets `f` read a key's string, then removes the key; `None` without the key. O(1).
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else; it stays.
    pub fn take_string<R>(
        &mut self,
        key: Key<'_>,
        f: impl FnOnce(Str<'_>) -> R,
    ) -> Result<Option<R>, WrongType> {
        let Some(value) = self.string(key)? else { return Ok(None) };
        let result = f(value);
        self.delete(key);
        Ok(Some(result))
    }

    /// Lets `f` read the part of a key's string from `start` to `end`, both included and counted from the end where
    /// they are negative; an empty part without the key. O(1), and what `f` does.
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    pub fn string_range<R>(
        &mut self,
        key: Key<'_>,
        start: i64,
        end: i64,
        f: impl FnOnce(Str<'_>) -> R,
    ) -> Result<R, WrongType> {
        let part = |bytes: &[u8]| string::range(bytes.len(), start, end);
        Ok(match self.string(key)? {
            None => f(Str::Bytes(b"")),
            Some(Str::Shared(bytes)) => f(Str::Shared(&bytes.slice(part(bytes)))),
            Some(value) => {
                value.with_bytes(|bytes| f(Str::Bytes(bytes.get(part(bytes)).unwrap_or_default())))
            }
        })
    }

    /// Adds to a key's number, which starts at 0, and keeps its deadline; returns the text that the key now holds.
    ///
    /// The sum is that of Redis' `long double`s. O(1).
    ///
    /// # Errors
    /// [`StringError::NotAFloat`], [`StringError::NotFinite`] or [`StringError::WrongType`].
    pub fn increment_float(&mut self, key: Key<'_>, by: LongDouble) -> Result<NumberText, StringError> {
        let old = self.find(key);
        let value = match old {
            None => LongDouble::ZERO,
            Some(found) => match self.string_of(found)? {
                Str::Int(value) => LongDouble::from(value),
                text => text.with_bytes(LongDouble::parse).ok_or(StringError::NotAFloat)?,
            },
        };
        let sum = value.checked_add(by).ok_or(StringError::NotFinite)?;
        let text = sum.text();
        // Redis stores the text as text, so OBJECT ENCODING never calls it an integer.
        if text.len() <= INLINE_BYTES_MAX {
            self.store(key, old, NewValue::Inline(Kind::Str, &text), Expires::Keep);
        } else {
            let object = Object::Str(Bytes::copy_from_slice(&text));
            self.store(key, old, NewValue::Object(object), Expires::Keep);
        }
        self.notify(Class::String, "incrbyfloat", key);
        Ok(text)
    }

    /// Whether a key holds a string or nothing. Counts no hit. O(1).
    ///
    /// # Errors
    /// [`WrongType`] where the key holds something else.
    pub fn has_string(&mut self, key: Key<'_>) -> Result<bool, WrongType> {
        match self.type_of(key) {
            None => Ok(false),
            Some(Type::String) => Ok(true),
            Some(_) => Err(WrongType),
        }
    }
}

//! Values as payloads of `DUMP` and `RESTORE`: from what is stored to what `rdb` writes, and back.

use super::ShardSettings;
use super::db::Object;
use super::entry::{self, INLINE_BYTES_MAX, Kind, Type};
use super::keyspace::{Key, Keyspace, Value};
use crate::rdb::decode::{self, ListForm, ListPart};
use crate::rdb::{self, Corrupt, Form, Limits, Payload, Reader, Refused};
use crate::value::list::{Deque, ListRef};
use crate::value::listpack::parse_int;
use bytes::Bytes;

/// How many times the longest string all compressed strings of a payload may unfold to together.
const UNFOLDED_STRINGS_MAX: usize = 4;

impl Keyspace<'_> {
    /// A key's value as a payload, `None` without the key: a read, which counts and touches. O(bytes).
    pub fn dump(&mut self, key: Key<'_>) -> Option<Vec<u8>> {
        let found = self.read(key)?;
        let db = &self.shard.dbs[self.db];
        let bytes = found.head.value(db.bytes(found.handle));
        let object = db.object(found.handle);
        Some(match (found.head.kind.type_of(), object) {
            (Type::String, _) => match self.string_of(found) {
                Ok(string) => string.with_bytes(rdb::encode::string),
                Err(_) => unreachable!("the entry's kind names a string"),
            },
            (Type::List, Some(Object::List(deque))) => rdb::encode::list(ListRef::Deque(deque)),
            (Type::List, _) => rdb::encode::list(ListRef::Packed(bytes)),
            _ => return None,
        })
    }

    /// Sets how long ago a key was used last, in seconds; whether it exists. O(1).
    pub fn set_idle_seconds(&mut self, key: Key<'_>, seconds: u64) -> bool {
        let Some(found) = self.find(key) else { return false };
        let used_at = (self.now.ms() / 1000).wrapping_sub(seconds) as u32 & entry::IDLE_MASK;
        entry::set_idle(self.shard.dbs[self.db].bytes_mut(found.handle), used_at);
        true
    }
}

impl Value {
    /// The value of a payload, without a deadline. O(bytes) and what building the value takes.
    ///
    /// # Errors
    /// [`Refused`] where the payload is of a later version, damaged, or no value.
    pub fn from_payload(payload: &[u8], settings: &ShardSettings) -> Result<Self, Refused> {
        let string_bytes_max = settings.string_bytes_max;
        let limits = Limits {
            string_bytes_max,
            unfolded_bytes_max: string_bytes_max.saturating_mul(UNFOLDED_STRINGS_MAX),
        };
        let Payload { form, mut body } = Payload::open(payload, limits)?;
        Ok(match form {
            Form::String => string(&mut body)?,
            Form::List(form) => list(&mut body, form, settings)?,
            _ => return Err(Corrupt { what: "a value is of a known type", offset: 0 }.into()),
        })
    }
}

fn string(body: &mut Reader<'_>) -> Result<Value, Corrupt> {
    let string = decode::string(body)?;
    Ok(match parse_int(&string) {
        Some(number) => Value::inline(Kind::Int, number.to_le_bytes().to_vec()),
        None if string.len() <= INLINE_BYTES_MAX => Value::inline(Kind::Str, string.into_owned()),
        None => Value::object(Object::Str(Bytes::from(string.into_owned()))),
    })
}

fn list(body: &mut Reader<'_>, form: ListForm, settings: &ShardSettings) -> Result<Value, Corrupt> {
    let mut deque = Deque::new(settings.list_node);
    decode::list(body, form, |part| {
        match part {
            ListPart::Pack(entries, count) => deque.append_packed(&entries, count),
            ListPart::Large(element) => deque.append_plain(Bytes::from(element.into_owned())),
            ListPart::Element(element) => deque.push_back(&element),
        }
        Ok(())
    })?;
    deque.settle();
    Ok(Value::of_deque(deque))
}

//! Values as payloads of `DUMP` and `RESTORE`: from what is stored to what `rdb` writes, and back.

use super::ShardSettings;
use super::db::Object;
use super::entry::{self, INLINE_BYTES_MAX, Kind, Type};
use super::hashes::rules;
use super::keyspace::{Key, Keyspace, Value};
use super::sets::limits;
use crate::rdb::decode::{self, HashForm, ListForm, ListPart, SetForm, ZSetForm};
use crate::rdb::{self, Corrupt, Form, Limits, Payload, Reader, Refused};
use crate::value::dict::Dict;
use crate::value::hash::{self, Fields, Hash, Rules};
use crate::value::list::Deque;
use crate::value::listpack::{Needle, parse_int};
use crate::value::set::{self, Set};
use crate::value::zset::{Aggregate, Combined};
use bytes::Bytes;

/// How many times the longest string all compressed strings of a payload may unfold to together.
const UNFOLDED_STRINGS_MAX: usize = 4;

impl Keyspace<'_> {
    /// A key's value as a payload, `None` without the key: a read, which counts and touches. O(bytes).
    pub fn dump(&mut self, key: Key<'_>) -> Option<Vec<u8>> {
        const OF_ITS_TYPE: &str = "a value is read as what it is";
        let called_listpack = self.encoding(key) == Some("listpack");
        match self.type_of(key) {
            None => {
                self.touch(key);
                None
            }
            Some(Type::String) => {
                let string = self.string(key).expect(OF_ITS_TYPE)?;
                Some(string.with_bytes(rdb::encode::string))
            }
            Some(Type::List) => self.list(key).expect(OF_ITS_TYPE).map(rdb::encode::list),
            Some(Type::Set) => self.set(key).expect(OF_ITS_TYPE).map(rdb::encode::set),
            Some(Type::Hash) => self.hash(key).expect(OF_ITS_TYPE).and_then(rdb::encode::hash),
            Some(Type::ZSet) => {
                self.zset(key).expect(OF_ITS_TYPE).map(|zset| rdb::encode::zset(zset, called_listpack))
            }
            Some(Type::Stream) => self.stream(key).expect(OF_ITS_TYPE).map(rdb::stream::encode),
        }
    }

    /// Sets how long ago a key was used last, in seconds; whether it exists. O(1).
    pub fn set_idle_seconds(&mut self, key: Key<'_>, seconds: u64) -> bool {
        let Some(found) = self.find(key) else { return false };
        let used_at = (self.now.ms() / 1000).wrapping_sub(seconds) as u32 & entry::IDLE_MASK;
        entry::set_idle(self.shard.dbs[self.db].bytes_mut(found.handle), used_at);
        true
    }
}

fn payload_limits(settings: &ShardSettings) -> Limits {
    let string_bytes_max = settings.string_bytes_max;
    Limits { string_bytes_max, unfolded_bytes_max: string_bytes_max.saturating_mul(UNFOLDED_STRINGS_MAX) }
}

impl Value {
    /// The value of a payload, without a deadline. O(bytes) and what building the value takes.
    ///
    /// # Errors
    /// [`Refused`] where the payload is of a later version, damaged, or no value.
    pub fn from_payload(payload: &[u8], settings: &ShardSettings) -> Result<Self, Refused> {
        Ok(Self::from_parts(Payload::open(payload, payload_limits(settings))?, settings)?)
    }

    /// The same whatever the checksum says, for tests of what stands behind it.
    ///
    /// # Errors
    /// [`Refused`] where the payload is of a later version, or no value.
    pub fn from_unchecked_payload(payload: &[u8], settings: &ShardSettings) -> Result<Self, Refused> {
        Ok(Self::from_parts(Payload::open_unchecked(payload, payload_limits(settings))?, settings)?)
    }

    /// The same from a payload that is open. O(bytes) and what building the value takes.
    pub(super) fn from_parts(payload: Payload<'_>, settings: &ShardSettings) -> Result<Self, Corrupt> {
        let Payload { form, mut body } = payload;
        Ok(match form {
            Form::String => string(&mut body)?,
            Form::List(form) => list(&mut body, form, settings)?,
            Form::Set(form) => set(&mut body, form, settings)?,
            Form::Hash(form) => hash(&mut body, form, settings)?,
            Form::ZSet(form) => zset(&mut body, form, settings)?,
            Form::Stream(form) => {
                let stream = rdb::stream::decode(&mut body, form)?;
                Value::object(Object::Stream(Box::new(stream)))
            }
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

/// A set takes the form that Redis gives it: a table where there are too many members, and otherwise what its members
/// allow. The members of a listpack may be of any length.
fn set(body: &mut Reader<'_>, form: SetForm, settings: &ShardSettings) -> Result<Value, Corrupt> {
    let mut limits: set::Limits = limits(settings);
    let mut set = match form {
        SetForm::Plain if body.clone().length()? > limits.ints as u64 => Set::Table(Dict::new(limits.seed)),
        SetForm::Plain | SetForm::Intset => Set::default(),
        SetForm::Listpack => {
            limits.bytes = usize::MAX;
            Set::Packed(Vec::new())
        }
    };
    decode::set(body, form, |member| {
        let new = member.with_bytes(|member| set.add(&Needle::new(member), &limits));
        if new { Ok(()) } else { Err(Corrupt { what: "a member stands once in a set", offset: 0 }) }
    })?;
    Ok(Value::of_set(set))
}

/// A hash under construction: packed while it fits an entry.
enum Building {
    Small(Vec<u8>),
    Large(Box<Hash>),
}

impl Building {
    /// Adds a field; whether it is new.
    fn add(&mut self, field: &[u8], value: &[u8], deadline: Option<u64>, rules: Rules) -> bool {
        if let Building::Small(bytes) = self
            && (deadline.is_some() || !hash::fits(bytes, &[field, value], INLINE_BYTES_MAX))
        {
            *self = Building::Large(Box::new(Hash::from_packed(bytes, rules)));
        }
        match self {
            Building::Small(bytes) => Fields::packed(bytes, rules).set(field, value),
            Building::Large(hash) => {
                if deadline.is_some() {
                    hash.make_table(rules);
                }
                // No field is hidden yet, so that the same one twice is noticed.
                Fields::<Vec<u8>>::large(hash, rules, 0).set_until(field, value, deadline)
            }
        }
    }
}

/// A hash takes the form that Redis gives it: a table where there are too many fields or one is too long; the fields
/// and values of a compact form may be of any length.
fn hash(body: &mut Reader<'_>, form: HashForm, settings: &ShardSettings) -> Result<Value, Corrupt> {
    let mut rules = rules(settings);
    if matches!(form, HashForm::Ziplist | HashForm::Listpack) {
        rules.bytes_max = usize::MAX;
    }
    let mut building = Building::Small(Vec::new());
    decode::hash(body, form, |field, value, deadline| {
        let new =
            field.with_bytes(|field| value.with_bytes(|value| building.add(field, value, deadline, rules)));
        if new { Ok(()) } else { Err(Corrupt { what: "a field stands once in a hash", offset: 0 }) }
    })?;
    Ok(match building {
        Building::Small(bytes) => Value::inline(Kind::PackedHash, bytes),
        Building::Large(hash) => Value::object(Object::Hash(hash)),
    })
}

/// A sorted set takes the form that Redis gives it: a listpack where it is short and no member is too long; the members
/// of a compact form may be of any length.
fn zset(body: &mut Reader<'_>, form: ZSetForm, settings: &ShardSettings) -> Result<Value, Corrupt> {
    let mut settings = *settings;
    if matches!(form, ZSetForm::Ziplist | ZSetForm::Listpack) {
        settings.zset_packed.bytes_max = usize::MAX;
    }
    let mut pairs = Combined::new();
    decode::zset(body, form, |member, score| {
        let before = pairs.len();
        member.with_bytes(|member| pairs.merge(member, score, Aggregate::Sum));
        let new = pairs.len() > before;
        if new { Ok(()) } else { Err(Corrupt { what: "a member stands once in a sorted set", offset: 0 }) }
    })?;
    Ok(Value::of_zset(&pairs.into_sorted(), &settings))
}

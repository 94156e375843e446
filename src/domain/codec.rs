//! Values as bytes, and the envelope around them.
//!
//! The envelope says who wrote the bytes and until when they are fresh; what was written in another form, by another
//! codec, or by another revision of the value's type is no value, and so a miss:
//!
//! ```text
//! version  codec  schema   flags  written ms  fresh until ms  tags  { len name, version } ...  body
//!    1       1     2 LE      1      8 LE          8 LE          1      1   n      8 LE
//! ```

use super::{Error, Result};
use rkyv::bytecheck::CheckBytes;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Portable, rancor};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes from values and back.
pub trait Codec<V>: Send + Sync + 'static {
    /// What the envelope says of it.
    const ID: u8;
    /// What the body's place in an entry is a multiple of.
    const ALIGN: usize = 1;

    /// Appends a value.
    ///
    /// # Errors
    /// [`Error::NotSerializable`].
    fn encode(value: &V, bytes: &mut Vec<u8>) -> Result<()>;

    /// # Errors
    /// [`Error::Corrupt`].
    fn decode(bytes: &[u8]) -> Result<V>;
}

/// JSON: what other programs read. A number that is none is refused, where serde's JSON would make it `null`; so is
/// what nests deeper than 64, because not every reader takes it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

/// Deepest nesting.
const DEPTH_MAX: usize = 64;

impl<V: Serialize + DeserializeOwned> Codec<V> for Json {
    const ID: u8 = b'j';

    fn encode(value: &V, bytes: &mut Vec<u8>) -> Result<()> {
        let start = bytes.len();
        serde_json::to_writer(&mut *bytes, value)
            .map_err(|error| Error::NotSerializable(error.to_string()))?;
        let written = bytes.get(start..).unwrap_or_default();
        if depth(written) > DEPTH_MAX {
            return Err(Error::NotSerializable(format!("deeper than {DEPTH_MAX}")));
        }
        // A float that is no number has become a null, which its type does not read.
        if memchr::memmem::find(written, b"null").is_some() {
            serde_json::from_slice::<V>(written)
                .map_err(|error| Error::NotSerializable(error.to_string()))?;
        }
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<V> {
        serde_json::from_slice(bytes).map_err(|error| Error::Corrupt(error.to_string()))
    }
}

/// How deep a JSON text nests.
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for &byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Postcard: small and quick, for values that only we read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Postcard;

impl<V: Serialize + DeserializeOwned> Codec<V> for Postcard {
    const ID: u8 = b'p';

    fn encode(value: &V, bytes: &mut Vec<u8>) -> Result<()> {
        let all = postcard::to_extend(value, std::mem::take(bytes))
            .map_err(|error| Error::NotSerializable(error.to_string()))?;
        *bytes = all;
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<V> {
        postcard::from_bytes(bytes).map_err(|error| Error::Corrupt(error.to_string()))
    }
}

/// MessagePack, with names: as small as JSON's readers of other languages get it.
#[derive(Clone, Copy, Debug, Default)]
pub struct MsgPack;

impl<V: Serialize + DeserializeOwned> Codec<V> for MsgPack {
    const ID: u8 = b'm';

    fn encode(value: &V, bytes: &mut Vec<u8>) -> Result<()> {
        let mut writer = rmp_serde::Serializer::new(bytes).with_struct_map();
        value.serialize(&mut writer).map_err(|error| Error::NotSerializable(error.to_string()))
    }

    fn decode(bytes: &[u8]) -> Result<V> {
        rmp_serde::from_slice(bytes).map_err(|error| Error::Corrupt(error.to_string()))
    }
}

/// rkyv: what is stored is what is read, so that [`TypedCache::view`](super::TypedCache::view) builds no value. The bytes are
/// checked first, whoever wrote them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rkyv;

/// What rkyv writes with.
type Writer<'a> = rkyv::api::high::HighSerializer<AlignedVec, ArenaHandle<'a>, rancor::Error>;
/// What it checks with.
type Checker<'a> = rkyv::api::high::HighValidator<'a, rancor::Error>;
/// What it builds values with.
type Builder = rkyv::api::high::HighDeserializer<rancor::Error>;

/// A value that rkyv writes, checks and builds.
pub trait Archived: Sized + Archive<Archived = Self::View> + for<'a> rkyv::Serialize<Writer<'a>> {
    /// How it is read where it stands.
    type View: Portable + for<'a> CheckBytes<Checker<'a>> + rkyv::Deserialize<Self, Builder>;
}

impl<V> Archived for V
where
    V: Archive + for<'a> rkyv::Serialize<Writer<'a>>,
    V::Archived: for<'a> CheckBytes<Checker<'a>> + rkyv::Deserialize<V, Builder>,
{
    type View = V::Archived;
}

/// What rkyv's archives stand at a multiple of.
const RKYV_ALIGN: usize = 16;

impl<V: Archived> Codec<V> for Rkyv {
    const ID: u8 = b'r';
    const ALIGN: usize = RKYV_ALIGN;

    fn encode(value: &V, bytes: &mut Vec<u8>) -> Result<()> {
        let archive = rkyv::to_bytes::<rancor::Error>(value)
            .map_err(|error| Error::NotSerializable(error.to_string()))?;
        bytes.extend_from_slice(&archive);
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<V> {
        view::<V, _>(bytes, |archived| rkyv::deserialize::<V, rancor::Error>(archived))?
            .map_err(|error| Error::Corrupt(error.to_string()))
    }
}

/// A value as it stands in an archive. It is copied where it does not stand at a multiple of sixteen.
pub(crate) fn view<V: Archived, T>(bytes: &[u8], f: impl FnOnce(&V::View) -> T) -> Result<T> {
    let corrupt = |error: rancor::Error| Error::Corrupt(error.to_string());
    if bytes.as_ptr().align_offset(RKYV_ALIGN) == 0 {
        return rkyv::access::<V::View, rancor::Error>(bytes).map(f).map_err(corrupt);
    }
    let mut aligned = AlignedVec::<RKYV_ALIGN>::with_capacity(bytes.len());
    aligned.extend_from_slice(bytes);
    rkyv::access::<V::View, rancor::Error>(&aligned).map(f).map_err(corrupt)
}

/// Another codec's bytes, compressed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Zstd<C>(std::marker::PhantomData<C>);

/// Longest value that is unpacked, whatever its frame declares.
const UNPACKED_MAX: usize = 16 << 20;

impl<V, C: Codec<V>> Codec<V> for Zstd<C> {
    const ID: u8 = C::ID.to_ascii_uppercase();

    fn encode(value: &V, bytes: &mut Vec<u8>) -> Result<()> {
        let mut plain = Vec::new();
        C::encode(value, &mut plain)?;
        let packed =
            zstd::bulk::compress(&plain, 3).map_err(|error| Error::NotSerializable(error.to_string()))?;
        bytes.extend_from_slice(&packed);
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<V> {
        use std::io::Read;
        let corrupt = |error: std::io::Error| Error::Corrupt(error.to_string());
        let mut plain = Vec::new();
        let unpacked = zstd::stream::read::Decoder::new(bytes).map_err(corrupt)?;
        unpacked.take(UNPACKED_MAX as u64).read_to_end(&mut plain).map_err(corrupt)?;
        C::decode(&plain)
    }
}

/// A tag with the version that it had when the entry was filled.
pub(crate) type TagVersion = (Box<[u8]>, u64);

/// What stands in front of a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Envelope {
    pub(crate) codec: u8,
    pub(crate) schema: u16,
    pub(crate) negative: bool,
    pub(crate) written_ms: u64,
    pub(crate) fresh_until_ms: u64,
    pub(crate) tags: Vec<TagVersion>,
}

const VERSION: u8 = 1;
const NEGATIVE: u8 = 1;

impl Envelope {
    pub(crate) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&[VERSION, self.codec]);
        bytes.extend_from_slice(&self.schema.to_le_bytes());
        bytes.push(if self.negative { NEGATIVE } else { 0 });
        bytes.extend_from_slice(&self.written_ms.to_le_bytes());
        bytes.extend_from_slice(&self.fresh_until_ms.to_le_bytes());
        // Their number and lengths were checked when they were given.
        bytes.push(self.tags.len() as u8);
        for (tag, version) in &self.tags {
            bytes.push(tag.len() as u8);
            bytes.extend_from_slice(tag);
            bytes.extend_from_slice(&version.to_le_bytes());
        }
    }

    /// Zeros up to where a codec's body stands.
    pub(crate) fn pad(bytes: &mut Vec<u8>, align: usize) {
        bytes.resize(bytes.len().next_multiple_of(align), 0);
    }

    /// The envelope and the body behind it, for a codec that pads.
    pub(crate) fn read_aligned(bytes: &[u8], align: usize) -> Option<(Self, &[u8])> {
        let (envelope, body) = Self::read(bytes)?;
        let head = bytes.len() - body.len();
        Some((envelope, body.get(head.next_multiple_of(align) - head..).unwrap_or_default()))
    }

    /// The envelope and the body behind it; `None` for bytes that are none of ours.
    pub(crate) fn read(mut bytes: &[u8]) -> Option<(Self, &[u8])> {
        let [version, codec] = take(&mut bytes)?;
        if version != VERSION {
            return None;
        }
        let schema = u16::from_le_bytes(take(&mut bytes)?);
        let [flags] = take(&mut bytes)?;
        let written_ms = u64::from_le_bytes(take(&mut bytes)?);
        let fresh_until_ms = u64::from_le_bytes(take(&mut bytes)?);
        let [count] = take(&mut bytes)?;
        let mut tags = Vec::new();
        for _ in 0..count {
            let [len] = take(&mut bytes)?;
            let (tag, rest) = bytes.split_at_checked(len.into())?;
            bytes = rest;
            tags.push((tag.into(), u64::from_le_bytes(take(&mut bytes)?)));
        }
        let negative = flags & NEGATIVE != 0;
        Some((Self { codec, schema, negative, written_ms, fresh_until_ms, tags }, bytes))
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn an_envelope_comes_back_as_it_was(codec: u8, schema: u16, negative: bool, at: u64, tags: Vec<(u8, u64)>) -> bool {
            let tags = tags.iter().take(9).map(|&(tag, version)| (vec![tag; tag as usize].into(), version)).collect();
            let envelope = Envelope { codec, schema, negative, written_ms: at, fresh_until_ms: at ^ 7, tags };
            let mut bytes = Vec::new();
            envelope.write(&mut bytes);
            bytes.extend_from_slice(b"body");
            Envelope::read(&bytes) == Some((envelope, &b"body"[..]))
        }

        fn any_bytes_are_an_envelope_or_none(bytes: Vec<u8>) -> bool {
            Envelope::read(&bytes).is_none_or(|(_, body)| body.len() <= bytes.len())
        }
    }
}

//! Codes that are good once: short, to be read out and typed, in letters and digits that nobody confuses.

use super::backend::optional;
use super::codec::{Codec, Json};
use super::namespace::{Namespace, check_ttl};
use super::{Backend, Error, Result, random};
use crate::reply::Reply;
use std::marker::PhantomData;
use std::time::Duration;

/// Thirty-two letters and digits: no I, O, 0 or 1.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// A code's length: thirty bits.
const LEN: usize = 6;

/// Values behind codes that are good once.
#[derive(Clone, Debug)]
pub struct OneTime<V, B> {
    namespace: Namespace,
    backend: B,
    of: PhantomData<fn(V)>,
}

impl<V: serde::Serialize + serde::de::DeserializeOwned, B: Backend> OneTime<V, B> {
    /// # Errors
    /// [`Error::BadNamespace`].
    pub fn new(namespace: Namespace, backend: B) -> Result<Self> {
        namespace.check()?;
        Ok(Self { namespace, backend, of: PhantomData })
    }

    /// A new code for a value, good for so long.
    ///
    /// # Errors
    /// [`Error::BadTtl`], [`Error::NotSerializable`]; what the backend says.
    pub async fn issue(&self, value: &V, ttl: Duration) -> Result<String> {
        check_ttl(ttl)?;
        let mut bytes = Vec::new();
        Json::encode(value, &mut bytes)?;
        let ms = ttl.as_millis().to_string();
        for _ in 0..8 {
            let code: String =
                random(LEN).iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect();
            let key = self.namespace.key(&code)?;
            let set = self.backend.call(&[b"SET", &key, &bytes, b"NX", b"PX", ms.as_bytes()]).await?;
            if set != Reply::Null {
                return Ok(code);
            }
        }
        Err(Error::Backend("no code is free".into()))
    }

    /// The value of a code, in letters of either case; whoever asks first gets it, and nobody after.
    ///
    /// # Errors
    /// [`Error::BadToken`] for what cannot be a code; what the backend says.
    pub async fn take(&self, code: &str) -> Result<Option<V>> {
        let code = code.trim().to_ascii_uppercase();
        if code.len() != LEN || !code.bytes().all(|letter| ALPHABET.contains(&letter)) {
            return Err(Error::BadToken);
        }
        let key = self.namespace.key(&code)?;
        let found = optional(self.backend.call(&[b"GETDEL", &key]).await?)?;
        found.map(|bytes| Json::decode(&bytes)).transpose()
    }
}

//! A typed cache: what becomes of a lookup is said, never guessed from the value.
//!
//! An entry's life: *fresh* until its time to live is over, *stale* for the namespace's `stale` behind it, then gone. A
//! caller of [`get_or_load`](TypedCache::get_or_load) gets a fresh value at once; a stale one at once too, while one task
//! makes a fresh one; where there is none, all callers wait for one load.
//!
//! One load at a time, in this process and across all, is the *fill token's* doing: a random text under a key beside the
//! entry, taken with `SET NX`. Who holds it may fill; an invalidation deletes it, so that whoever loaded what was there
//! before cannot put it back; and where its holder dies it expires.
//!
//! A tag is a key with a version; an entry remembers the versions of its tags from before it was loaded, and is a miss
//! once one differs. So invalidating a tag is one write, however many entries it has.

mod load;

use super::backend::{arg, bulk, int, items, optional};
use super::codec::{Archived, Codec, Envelope, Json, Rkyv, TagVersion, view};
use super::metrics::{NamespaceMetrics, count};
use super::namespace::{Class, KeyPart, Namespace, check_ttl};
use super::{Backend, Error, Metrics, Op, Result, sibling};
use crate::clock::Stopwatch;
use crate::embed::Bytes;
use crate::reply::Reply;
use dashmap::DashMap;
use load::Flight;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What a lookup found.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum Lookup<V> {
    /// A fresh value.
    Hit(V),
    /// A value whose time is over, and that is still shown.
    Stale(V),
    /// It is known that there is none.
    Negative,
    /// Nothing is known.
    Miss,
}

impl<V> Lookup<V> {
    /// The value, fresh or stale.
    pub fn value(self) -> Option<V> {
        match self {
            Self::Hit(value) | Self::Stale(value) => Some(value),
            Self::Negative | Self::Miss => None,
        }
    }

    /// Whether the question is answered, by a value or by its absence.
    pub fn is_known(&self) -> bool {
        !matches!(self, Self::Miss)
    }
}

/// What a loader found.
#[derive(Clone, Debug)]
pub enum Loaded<V> {
    /// A value, to live as long as the namespace says.
    Value(V),
    /// A value with a time to live of its own.
    ValueFor(V, Duration),
    /// What is known from elsewhere, and until when in Unix ms: exactly, however lives differ otherwise.
    Until(Option<V>, u64),
    /// What was there is still right: it is fresh again.
    NotModified,
    /// There is none, and this is remembered.
    NotFound,
}

/// Why a loader found nothing: a failure, which is not remembered.
#[derive(Clone, Debug)]
pub struct LoadError(pub String);

impl<E: std::error::Error> From<E> for LoadError {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// The right to fill an entry, until it is invalidated.
#[derive(Clone, Debug)]
#[must_use]
pub struct FillToken {
    key: Vec<u8>,
    token: String,
    tags: Vec<TagVersion>,
}

/// What became of a fill.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Filled {
    /// It is stored.
    Stored,
    /// The entry was invalidated since the token was given: not stored.
    Voided,
}

/// How an entry is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetOptions<'a> {
    /// Instead of the namespace's.
    pub ttl: Option<Duration>,
    /// By which it can be invalidated.
    pub tags: &'a [&'a str],
    /// Only where there is none.
    pub if_absent: bool,
}

/// How long an entry lives.
#[derive(Clone, Copy, Debug)]
enum Life {
    /// As the namespace says.
    Usual,
    For(Duration),
    /// Up to this Unix ms.
    Until(u64),
}

/// Most tags of an entry.
const TAGS_MAX: usize = 16;
/// Most keys of one call.
pub const BATCH_MAX: usize = 10_000;

/// Gives the fill token where nobody has it: `[value, whether it was given]`. Keys: entry, token. Args: token, ms.
static BEGIN: Op = Op {
    name: "fill.begin",
    lua: "local v = redis.call('GET', KEYS[1])
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return {v, 1} end
return {v, 0}",
    native: |inside, keys, args| {
        let (entry, token) = (arg(keys, 0), arg(keys, 1));
        let value = inside.get(entry)?.map_or(Reply::Null, bulk);
        let set = inside.call(&[b"SET", token, arg(args, 0), b"NX", b"PX", arg(args, 1)])?;
        Ok(Reply::Array(vec![value, Reply::Int(i64::from(set != Reply::Null))]))
    },
};

/// Stores an entry for the holder of the token: 1, or 0 where it is void. Keys: entry, token. Args: token, value, ms.
static FILL: Op = Op {
    name: "fill.end",
    lua: "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
return 1",
    native: |inside, keys, args| {
        let (entry, token) = (arg(keys, 0), arg(keys, 1));
        if inside.get(token)?.as_deref() != Some(arg(args, 0)) {
            return Ok(Reply::Int(0));
        }
        inside.call(&[b"SET", entry, arg(args, 1), b"PX", arg(args, 2)])?;
        inside.call(&[b"DEL", token])?;
        Ok(Reply::Int(1))
    },
};

/// Deletes a key where it holds what is given. Keys: it. Args: that.
pub(crate) static DELETE_IF: Op = Op {
    name: "delete_if",
    lua: "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0",
    native: |inside, keys, args| {
        if inside.get(arg(keys, 0))?.as_deref() == Some(arg(args, 0)) {
            return inside.call(&[b"DEL", arg(keys, 0)]);
        }
        Ok(Reply::Int(0))
    },
};

/// A namespace's values of one type.
///
/// ```
/// use damselfly::domain::{Class, Embedded, Loaded, Lookup, Namespace, TypedCache};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let albums: TypedCache<String, Vec<u32>, Embedded> =
///     TypedCache::new(Namespace::new("albums", Class::Derived), Embedded::in_memory())?;
/// let key = "kind-of-blue".to_owned();
/// assert_eq!(albums.get(&key).await?, Lookup::Miss);
/// let years = albums.get_or_load(&key, |_| async { Ok(Loaded::Value(vec![1959])) }).await?;
/// assert_eq!(years, Some(vec![1959]));
/// assert_eq!(albums.get(&key).await?, Lookup::Hit(vec![1959]));
/// # Ok::<(), damselfly::domain::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TypedCache<K: ?Sized, V, B, C = Json> {
    inner: Arc<Inner<V, B>>,
    of: PhantomData<fn(&K, C)>,
}

struct Inner<V, B> {
    namespace: Namespace,
    backend: B,
    metrics: Arc<NamespaceMetrics>,
    /// Loads that run in this process.
    flights: DashMap<Box<[u8]>, Flight<V>>,
}

impl<K: ?Sized, V, B: Clone, C> Clone for TypedCache<K, V, B, C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), of: PhantomData }
    }
}

impl<K: ?Sized, V, B, C> fmt::Debug for TypedCache<K, V, B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedCache").field("namespace", &self.inner.namespace.name).finish_non_exhaustive()
    }
}

impl<K, V, B, C> TypedCache<K, V, B, C>
where
    K: KeyPart + ?Sized,
    V: Clone + Send + Sync + 'static,
    B: Backend,
    C: Codec<V>,
{
    /// A cache with counters of its own.
    ///
    /// # Errors
    /// [`Error::BadNamespace`], [`Error::BadTtl`].
    pub fn new(namespace: Namespace, backend: B) -> Result<Self> {
        Self::with_metrics(namespace, backend, &Metrics::default())
    }

    /// A cache that counts with others.
    ///
    /// # Errors
    /// [`Error::BadNamespace`], [`Error::BadTtl`].
    pub fn with_metrics(namespace: Namespace, backend: B, metrics: &Metrics) -> Result<Self> {
        namespace.check()?;
        let metrics = metrics.namespace(namespace.name);
        metrics.budget.store(namespace.budget, Ordering::Relaxed);
        let inner = Arc::new(Inner { namespace, backend, metrics, flights: DashMap::new() });
        Ok(Self { inner, of: PhantomData })
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.inner.namespace
    }

    /// Its counters.
    #[must_use]
    pub fn metrics(&self) -> &NamespaceMetrics {
        &self.inner.metrics
    }

    /// Looks a key up. One command; two where the entry has tags.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn get(&self, key: &K) -> Result<Lookup<V>> {
        let key = self.inner.namespace.key(key)?;
        self.look(&key).await
    }

    async fn look(&self, key: &[u8]) -> Result<Lookup<V>> {
        let watch = Stopwatch::start();
        let found = self.inner.backend.get(key).await;
        let lookup = match found {
            Ok(bytes) => self.judge(key, bytes).await,
            Err(error) => Err(error),
        };
        match &lookup {
            Ok(lookup) => self.note(lookup),
            Err(_) => count(&self.inner.metrics.errors),
        }
        self.inner.metrics.lookup.note(watch.elapsed());
        lookup
    }

    /// Looks many keys up in one round trip; in their order.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond [`BATCH_MAX`]; as [`get`](Self::get).
    pub async fn get_many<'k>(&self, keys: impl IntoIterator<Item = &'k K>) -> Result<Vec<Lookup<V>>>
    where
        K: 'k,
    {
        let keys: Vec<Vec<u8>> =
            keys.into_iter().map(|key| self.inner.namespace.key(key)).collect::<Result<_>>()?;
        if keys.len() > BATCH_MAX {
            return Err(Error::TooLarge { limit: BATCH_MAX });
        }
        let watch = Stopwatch::start();
        let slices: Vec<&[u8]> = keys.iter().map(|key| &**key).collect();
        let values =
            self.inner.backend.get_many(&slices).await.inspect_err(|_| count(&self.inner.metrics.errors))?;
        let found = self.judge_all(&keys, values).await.inspect_err(|_| count(&self.inner.metrics.errors))?;
        for lookup in &found {
            self.note(lookup);
        }
        self.inner.metrics.lookup.note(watch.elapsed());
        Ok(found)
    }

    fn note<T>(&self, lookup: &Lookup<T>) {
        let m = &self.inner.metrics;
        count(match lookup {
            Lookup::Hit(_) => &m.hits,
            Lookup::Stale(_) => &m.stale,
            Lookup::Negative => &m.negative,
            Lookup::Miss => &m.misses,
        });
    }

    /// What bytes mean. Those that mean nothing are deleted: they would be read again for as long as they live.
    async fn judge(&self, key: &[u8], bytes: Option<Bytes>) -> Result<Lookup<V>> {
        let Some(bytes) = bytes else { return Ok(Lookup::Miss) };
        let Some((envelope, value)) = self.read(&bytes) else {
            self.discard(key, &bytes).await;
            return Ok(Lookup::Miss);
        };
        if !envelope.tags.is_empty() && !self.tags_hold(&[&envelope.tags]).await?.contains(&true) {
            return Ok(Lookup::Miss);
        }
        Ok(self.weigh(&envelope, value))
    }

    /// The same of many, whose tags are asked for together.
    async fn judge_all(&self, keys: &[Vec<u8>], found: Vec<Option<Bytes>>) -> Result<Vec<Lookup<V>>> {
        let mut entries = Vec::with_capacity(found.len());
        for (key, bytes) in keys.iter().zip(found) {
            let Some(bytes) = bytes else {
                entries.push(None);
                continue;
            };
            let entry = self.read(&bytes);
            if entry.is_none() {
                self.discard(key, &bytes).await;
            }
            entries.push(entry);
        }
        let tags: Vec<&[TagVersion]> = entries
            .iter()
            .flatten()
            .map(|(envelope, _)| &*envelope.tags)
            .filter(|tags| !tags.is_empty())
            .collect();
        let mut hold = if tags.is_empty() { Vec::new() } else { self.tags_hold(&tags).await? }.into_iter();
        let mut weigh = |(envelope, value): (Envelope, Option<V>)| {
            if !envelope.tags.is_empty() && hold.next() != Some(true) {
                return Lookup::Miss;
            }
            self.weigh(&envelope, value)
        };
        Ok(entries.into_iter().map(|entry| entry.map_or(Lookup::Miss, &mut weigh)).collect())
    }

    fn read(&self, bytes: &[u8]) -> Option<(Envelope, Option<V>)> {
        let namespace = &self.inner.namespace;
        if namespace.bare {
            let value = C::decode(bytes).ok()?;
            return Some((Envelope { fresh_until_ms: u64::MAX, ..Envelope::default() }, Some(value)));
        }
        let (envelope, body) = self.open(bytes)?;
        let value = if envelope.negative { None } else { Some(C::decode(body).ok()?) };
        Some((envelope, value))
    }

    /// An entry's envelope and body, where both are ours.
    fn open<'a>(&self, bytes: &'a [u8]) -> Option<(Envelope, &'a [u8])> {
        let (envelope, body) = Envelope::read_aligned(bytes, C::ALIGN)?;
        let ours = envelope.codec == C::ID && envelope.schema == self.inner.namespace.schema;
        ours.then_some((envelope, body))
    }

    async fn discard(&self, key: &[u8], bytes: &[u8]) {
        count(&self.inner.metrics.decode_errors);
        // Only what was read: somebody may have written a good one since.
        let _ = self.inner.backend.atomic(&DELETE_IF, &[key], &[bytes]).await;
    }

    fn weigh<T>(&self, envelope: &Envelope, value: Option<T>) -> Lookup<T> {
        match value {
            None => Lookup::Negative,
            Some(value)
                if self.inner.namespace.bare || self.inner.backend.now_ms() < envelope.fresh_until_ms =>
            {
                Lookup::Hit(value)
            }
            Some(value) => Lookup::Stale(value),
        }
    }

    /// Writes an entry, whatever is there. Fills that are under way are void.
    ///
    /// # Errors
    /// [`Error::BadKey`], [`Error::NotSerializable`], [`Error::TooLarge`]; what the backend says.
    pub async fn set(&self, key: &K, value: &V) -> Result<()> {
        self.set_with(key, value, SetOptions::default()).await.map(|_| ())
    }

    /// The same with options; whether it was written.
    ///
    /// # Errors
    /// As [`set`](Self::set); [`Error::BadTtl`].
    pub async fn set_with(&self, key: &K, value: &V, options: SetOptions<'_>) -> Result<bool> {
        let key = self.inner.namespace.key(key)?;
        let tags = self.tag_versions(options.tags).await?;
        let (bytes, ttl_ms) =
            self.encode(&key, Some(value), options.ttl.map_or(Life::Usual, Life::For), tags)?;
        let (token, ms) = (sibling(&key, "fill"), ttl_ms.to_string());
        let absent: &[u8] = if options.if_absent { b"1" } else { b"" };
        let done = self.inner.backend.atomic(&STORE, &[&key, &token], &[&bytes, ms.as_bytes(), absent]).await;
        let written = int(done.inspect_err(|_| count(&self.inner.metrics.errors))?)? == 1;
        if written {
            self.note_write(bytes.len());
        }
        Ok(written)
    }

    /// Writes what is known from elsewhere, until a moment in Unix ms: for the tiers below this one.
    pub(crate) async fn set_until(&self, key: &K, value: &V, at_ms: u64) -> Result<()> {
        let key = self.inner.namespace.key(key)?;
        let (bytes, ttl_ms) = self.encode(&key, Some(value), Life::Until(at_ms), Vec::new())?;
        let (token, ms) = (sibling(&key, "fill"), ttl_ms.to_string());
        self.inner.backend.atomic(&STORE, &[&key, &token], &[&bytes, ms.as_bytes(), b""]).await?;
        self.note_write(bytes.len());
        Ok(())
    }

    /// What it asks.
    pub(crate) fn backend(&self) -> &B {
        &self.inner.backend
    }

    fn note_write(&self, len: usize) {
        let m = &self.inner.metrics;
        count(&m.writes);
        m.bytes_written.fetch_add(len as u64, Ordering::Relaxed);
        m.updated_ms.store(self.inner.backend.now_ms(), Ordering::Relaxed);
    }

    /// The bytes of an entry, and how long they live.
    fn encode(
        &self,
        key: &[u8],
        value: Option<&V>,
        life: Life,
        tags: Vec<TagVersion>,
    ) -> Result<(Vec<u8>, u64)> {
        let Inner { namespace, backend, .. } = &*self.inner;
        let fresh_ms = match (life, value) {
            (Life::For(ttl), _) => {
                check_ttl(ttl)?;
                namespace.jittered_ms(key, ttl)
            }
            (Life::Until(at_ms), _) => at_ms.saturating_sub(backend.now_ms()).max(1),
            (Life::Usual, Some(_)) => namespace.jittered_ms(key, namespace.ttl),
            (Life::Usual, None) => namespace.jittered_ms(key, namespace.negative),
        };
        let stale_ms =
            if value.is_some() && !namespace.bare { namespace.stale.as_millis() as u64 } else { 0 };
        let mut bytes = Vec::with_capacity(256);
        if !namespace.bare {
            let written_ms = backend.now_ms();
            let envelope = Envelope {
                codec: C::ID,
                schema: namespace.schema,
                negative: value.is_none(),
                written_ms,
                fresh_until_ms: written_ms.saturating_add(fresh_ms),
                tags,
            };
            envelope.write(&mut bytes);
            Envelope::pad(&mut bytes, C::ALIGN);
        }
        if let Some(value) = value {
            C::encode(value, &mut bytes)?;
        }
        if bytes.len() > namespace.value_bytes_max {
            return Err(Error::TooLarge { limit: namespace.value_bytes_max });
        }
        Ok((bytes, fresh_ms.saturating_add(stale_ms)))
    }

    /// Asks for the right to fill a key: given to one at a time, for as long as `hold`.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn begin_fill(&self, key: &K, tags: &[&str], hold: Duration) -> Result<Option<FillToken>> {
        let key = self.inner.namespace.key(key)?;
        self.begin(key, tags, hold).await.map(|(token, _)| token)
    }

    async fn begin(
        &self,
        key: Vec<u8>,
        tags: &[&str],
        hold: Duration,
    ) -> Result<(Option<FillToken>, Option<Bytes>)> {
        // The tags' versions from before the load: what is invalidated meanwhile is then stale from the start.
        let tags = self.tag_versions(tags).await?;
        let (beside, token) = (sibling(&key, "fill"), super::token(12));
        let hold_ms = (hold.as_millis().max(1)).to_string();
        let reply = self
            .inner
            .backend
            .atomic(&BEGIN, &[&key, &beside], &[token.as_bytes(), hold_ms.as_bytes()])
            .await?;
        let mut parts = items(reply)?.into_iter();
        let value = optional(parts.next().unwrap_or(Reply::Null))?;
        let given = int(parts.next().unwrap_or(Reply::Null))? == 1;
        Ok((given.then_some(FillToken { key, token, tags }), value))
    }

    /// Fills an entry with what was loaded under a token.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub async fn set_filled(&self, token: FillToken, value: &V) -> Result<Filled> {
        self.fill(token, Some(value), Life::Usual).await
    }

    /// The same with what is known from elsewhere, until a moment in Unix ms.
    pub(crate) async fn fill_until(&self, token: FillToken, value: Option<&V>, at_ms: u64) -> Result<Filled> {
        self.fill(token, value, Life::Until(at_ms)).await
    }

    /// Gives up the right to fill.
    pub(crate) async fn give_back(&self, token: Option<FillToken>) {
        if let Some(FillToken { key, token, .. }) = token {
            // If it fails the token expires.
            let _ =
                self.inner.backend.atomic(&DELETE_IF, &[&sibling(&key, "fill")], &[token.as_bytes()]).await;
        }
    }

    async fn fill(&self, token: FillToken, value: Option<&V>, life: Life) -> Result<Filled> {
        let FillToken { key, token, tags } = token;
        let keeps =
            value.is_some() || (!self.inner.namespace.bare && !self.inner.namespace.negative.is_zero());
        let beside = sibling(&key, "fill");
        if !keeps {
            self.inner.backend.atomic(&DELETE_IF, &[&beside], &[token.as_bytes()]).await?;
            return Ok(Filled::Stored);
        }
        let (bytes, ttl_ms) = self.encode(&key, value, life, tags)?;
        let ms = ttl_ms.to_string();
        let reply = self
            .inner
            .backend
            .atomic(&FILL, &[&key, &beside], &[token.as_bytes(), &bytes, ms.as_bytes()])
            .await?;
        if int(reply)? == 1 {
            self.note_write(bytes.len());
            return Ok(Filled::Stored);
        }
        count(&self.inner.metrics.voided);
        Ok(Filled::Voided)
    }

    /// Deletes entries and voids the fills that are under way; how many there were.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn remove<'k>(&self, keys: impl IntoIterator<Item = &'k K>) -> Result<u64>
    where
        K: 'k,
    {
        let mut removed = 0;
        for key in keys {
            let key = self.inner.namespace.key(key)?;
            let token = sibling(&key, "fill");
            removed += int(self.inner.backend.atomic(&FORGET, &[&key, &token], &[]).await?)?.unsigned_abs();
        }
        Ok(removed)
    }

    /// Makes all entries with a tag misses. O(1), whatever their number.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn invalidate_tag(&self, tag: &str) -> Result<()> {
        let key = self.tag_key(tag)?;
        // A random version: one that was lost and made anew is not taken for an older one.
        self.inner.backend.call(&[b"SET", &key, super::token(12).as_bytes()]).await.map(|_| ())
    }

    /// Deletes all entries of the namespace, by walking over its keys; how many. Others' keys are left alone.
    ///
    /// # Errors
    /// [`Error::Protected`] for a durable namespace or one of security, unless forced.
    pub async fn clear(&self, force: bool) -> Result<u64> {
        let Inner { namespace, backend, .. } = &*self.inner;
        if matches!(namespace.class, Class::Durable | Class::Security) && !force {
            return Err(Error::Protected);
        }
        super::clear_prefix(backend, format!("{}:", namespace.prefix).as_bytes()).await
    }

    fn tag_key(&self, tag: &str) -> Result<Vec<u8>> {
        self.inner.namespace.key(&("tag", tag))
    }

    /// For each entry whether its tags have the versions that it remembers. One round trip, a tag asked for once.
    async fn tags_hold(&self, entries: &[&[TagVersion]]) -> Result<Vec<bool>> {
        let mut tags: Vec<&[u8]> =
            entries.iter().flat_map(|tags| tags.iter().map(|(tag, _)| &**tag)).collect();
        tags.sort_unstable();
        tags.dedup();
        let keys: Vec<Vec<u8>> =
            tags.iter().map(|tag| [self.inner.namespace.prefix.as_bytes(), b":tag:", tag].concat()).collect();
        let slices: Vec<&[u8]> = keys.iter().map(|key| &**key).collect();
        let now = self.inner.backend.get_many(&slices).await?;
        let now: Vec<Option<u64>> = now.into_iter().map(|text| text.map(|text| version_of(&text))).collect();
        let holds = |(tag, version): &TagVersion| {
            let at = tags.binary_search(&&**tag).ok();
            at.and_then(|at| now.get(at).copied().flatten()) == Some(*version)
        };
        Ok(entries.iter().map(|tags| tags.iter().all(holds)).collect())
    }

    /// The versions of tags, which get one where they have none.
    async fn tag_versions(&self, tags: &[&str]) -> Result<Vec<TagVersion>> {
        if tags.len() > TAGS_MAX || tags.iter().any(|tag| tag.len() > 255) {
            return Err(Error::TooLarge { limit: TAGS_MAX });
        }
        if self.inner.namespace.bare || tags.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<Vec<u8>> = tags.iter().map(|tag| self.tag_key(tag)).collect::<Result<_>>()?;
        let slices: Vec<&[u8]> = keys.iter().map(|key| &**key).collect();
        let backend = &self.inner.backend;
        let mut versions = Vec::with_capacity(tags.len());
        for ((tag, key), found) in tags.iter().zip(&keys).zip(backend.get_many(&slices).await?) {
            let text = match found {
                Some(text) => text,
                // The first time only: of two that give it a version one wins, and both use that.
                None => {
                    backend.call(&[b"SET", key, super::token(12).as_bytes(), b"NX"]).await?;
                    backend.get(key).await?.unwrap_or_default()
                }
            };
            versions.push((tag.as_bytes().into(), version_of(&text)));
        }
        Ok(versions)
    }
}

impl<K, V, B> TypedCache<K, V, B, Rkyv>
where
    K: KeyPart + ?Sized,
    V: Archived + Clone + Send + Sync + 'static,
    B: Backend,
{
    /// Looks a key up and reads the value where it stands: none is built. The bytes are checked each time.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn view<T>(&self, key: &K, f: impl FnOnce(&V::View) -> T) -> Result<Lookup<T>> {
        let watch = Stopwatch::start();
        let key = self.inner.namespace.key(key)?;
        let found = self.inner.backend.get(&key).await.inspect_err(|_| count(&self.inner.metrics.errors))?;
        let lookup = match found {
            None => Lookup::Miss,
            Some(bytes) => match self.open(&bytes) {
                Some((envelope, body)) => {
                    let value = match envelope.negative {
                        true => Some(None),
                        false => view::<V, T>(body, f).ok().map(Some),
                    };
                    let holds =
                        envelope.tags.is_empty() || self.tags_hold(&[&envelope.tags]).await? == [true];
                    match value {
                        Some(value) if holds => self.weigh(&envelope, value),
                        Some(_) => Lookup::Miss,
                        None => {
                            self.discard(&key, &bytes).await;
                            Lookup::Miss
                        }
                    }
                }
                None => {
                    self.discard(&key, &bytes).await;
                    Lookup::Miss
                }
            },
        };
        self.note(&lookup);
        self.inner.metrics.lookup.note(watch.elapsed());
        Ok(lookup)
    }
}

/// Stores an entry and voids fills: 1; 0 where there is one and none was wanted. Keys: entry, token. Args: value, ms, 1 for
/// 'only where absent'.
static STORE: Op = Op {
    name: "cache.store",
    lua: "if ARGV[3] == '1' and redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('DEL', KEYS[2])
return 1",
    native: |inside, keys, args| {
        if arg(args, 2) == b"1" && inside.int(&[b"EXISTS", arg(keys, 0)])? == 1 {
            return Ok(Reply::Int(0));
        }
        inside.call(&[b"SET", arg(keys, 0), arg(args, 0), b"PX", arg(args, 1)])?;
        inside.call(&[b"DEL", arg(keys, 1)])?;
        Ok(Reply::Int(1))
    },
};

/// Deletes what is kept and voids fills of it; whether there was something. Keys: it, token.
pub(super) static FORGET: Op = Op {
    name: "cache.forget",
    lua: "redis.call('DEL', KEYS[2]) return redis.call('DEL', KEYS[1])",
    native: |inside, keys, _| {
        inside.call(&[b"DEL", arg(keys, 1)])?;
        inside.call(&[b"DEL", arg(keys, 0)])
    },
};

/// A tag's version from its text, which is random.
fn version_of(text: &[u8]) -> u64 {
    text.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

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

use super::backend::{arg, bulk, int, items, optional};
use super::codec::{Codec, Envelope, Json, TagVersion};
use super::metrics::{NamespaceMetrics, count};
use super::namespace::{Class, KeyPart, Namespace, check_ttl};
use super::{Backend, Error, Metrics, Op, Result, sibling};
use crate::clock::Stopwatch;
use crate::embed::Bytes;
use crate::reply::Reply;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry as Slot;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::watch;

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

/// What those who wait for a load wait for.
type Flight<V> = watch::Receiver<Option<Result<Option<V>>>>;

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
        self.note(&lookup);
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
        let mut found = Vec::with_capacity(keys.len());
        for (key, bytes) in keys.iter().zip(values) {
            let lookup = self.judge(key, bytes).await;
            self.note(&lookup);
            found.push(lookup?);
        }
        self.inner.metrics.lookup.note(watch.elapsed());
        Ok(found)
    }

    fn note(&self, lookup: &Result<Lookup<V>>) {
        let m = &self.inner.metrics;
        count(match lookup {
            Ok(Lookup::Hit(_)) => &m.hits,
            Ok(Lookup::Stale(_)) => &m.stale,
            Ok(Lookup::Negative) => &m.negative,
            Ok(Lookup::Miss) => &m.misses,
            Err(_) => &m.errors,
        });
    }

    /// What bytes mean. Those that mean nothing are deleted: they would be read again for as long as they live.
    async fn judge(&self, key: &[u8], bytes: Option<Bytes>) -> Result<Lookup<V>> {
        let Some(bytes) = bytes else { return Ok(Lookup::Miss) };
        let Inner { namespace, backend, metrics, .. } = &*self.inner;
        let read = if namespace.bare {
            C::decode(&bytes)
                .ok()
                .map(|value| (Envelope { fresh_until_ms: u64::MAX, ..Envelope::default() }, Some(value)))
        } else {
            Envelope::read(&bytes).and_then(|(envelope, body)| {
                let ours = envelope.codec == C::ID && envelope.schema == namespace.schema;
                let value = if envelope.negative { None } else { Some(C::decode(body).ok()?) };
                ours.then_some((envelope, value))
            })
        };
        let Some((envelope, value)) = read else {
            count(&metrics.decode_errors);
            // Only what was read: somebody may have written a good one since.
            let _ = backend.atomic(&DELETE_IF, &[key], &[&bytes]).await;
            return Ok(Lookup::Miss);
        };
        if !envelope.tags.is_empty() && !self.tags_hold(&envelope.tags).await? {
            return Ok(Lookup::Miss);
        }
        Ok(match value {
            None => Lookup::Negative,
            Some(value) if namespace.bare || backend.now_ms() < envelope.fresh_until_ms => Lookup::Hit(value),
            Some(value) => Lookup::Stale(value),
        })
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
        let (bytes, ttl_ms) = self.encode(&key, Some(value), options.ttl, tags)?;
        let (token, ms) = (sibling(&key, "fill"), ttl_ms.to_string());
        let absent: &[u8] = if options.if_absent { b"1" } else { b"" };
        let done = self.inner.backend.atomic(&STORE, &[&key, &token], &[&bytes, ms.as_bytes(), absent]).await;
        let written = int(done.inspect_err(|_| count(&self.inner.metrics.errors))?)? == 1;
        if written {
            self.note_write(bytes.len());
        }
        Ok(written)
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
        ttl: Option<Duration>,
        tags: Vec<TagVersion>,
    ) -> Result<(Vec<u8>, u64)> {
        let Inner { namespace, backend, .. } = &*self.inner;
        let ttl = match (ttl, value) {
            (Some(ttl), _) => {
                check_ttl(ttl)?;
                ttl
            }
            (None, Some(_)) => namespace.ttl,
            (None, None) => namespace.negative,
        };
        let fresh_ms = namespace.jittered_ms(key, ttl);
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
        self.fill(token, Some(value), None).await
    }

    async fn fill(&self, token: FillToken, value: Option<&V>, ttl: Option<Duration>) -> Result<Filled> {
        let FillToken { key, token, tags } = token;
        let keeps =
            value.is_some() || (!self.inner.namespace.bare && !self.inner.namespace.negative.is_zero());
        let beside = sibling(&key, "fill");
        if !keeps {
            self.inner.backend.atomic(&DELETE_IF, &[&beside], &[token.as_bytes()]).await?;
            return Ok(Filled::Stored);
        }
        let (bytes, ttl_ms) = self.encode(&key, value, ttl, tags)?;
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
            removed += int(self.inner.backend.atomic(&REMOVE, &[&key, &token], &[]).await?)?.unsigned_abs();
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

    async fn tags_hold(&self, tags: &[TagVersion]) -> Result<bool> {
        let keys: Vec<Vec<u8>> = tags
            .iter()
            .map(|(tag, _)| [self.inner.namespace.prefix.as_bytes(), b":tag:", tag].concat())
            .collect();
        let slices: Vec<&[u8]> = keys.iter().map(|key| &**key).collect();
        let now = self.inner.backend.get_many(&slices).await?;
        Ok(tags
            .iter()
            .zip(now)
            .all(|((_, version), now)| now.is_some_and(|now| version_of(&now) == *version)))
    }

    /// The versions of tags, which get one where they have none.
    async fn tag_versions(&self, tags: &[&str]) -> Result<Vec<TagVersion>> {
        if tags.len() > TAGS_MAX || tags.iter().any(|tag| tag.len() > 255) {
            return Err(Error::TooLarge { limit: TAGS_MAX });
        }
        let mut versions = Vec::with_capacity(tags.len());
        if self.inner.namespace.bare {
            return Ok(versions);
        }
        for tag in tags {
            let (key, new) = (self.tag_key(tag)?, super::token(12));
            self.inner.backend.call(&[b"SET", &key, new.as_bytes(), b"NX"]).await?;
            let now = self.inner.backend.get(&key).await?.unwrap_or_default();
            versions.push((tag.as_bytes().into(), version_of(&now)));
        }
        Ok(versions)
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

/// Deletes an entry and voids fills; whether there was one. Keys: entry, token.
static REMOVE: Op = Op {
    name: "cache.remove",
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

/// How long a fill token outlives its load's deadline.
const SLACK: Duration = Duration::from_secs(5);
/// How often a process looks whether another has filled.
const LOOK: Duration = Duration::from_millis(5);

impl<K, V, B, C> TypedCache<K, V, B, C>
where
    K: KeyPart + ?Sized + 'static,
    V: Clone + Send + Sync + 'static,
    B: Backend,
    C: Codec<V>,
{
    /// The value of a key, loaded where it is not there; `None` where there is none. `load` is given the stale value,
    /// if there is one. Needs a Tokio runtime: a load runs as a task, and to its end even where nobody waits any more.
    ///
    /// Where the cache is away, the loader is asked, and nothing is remembered.
    ///
    /// # Errors
    /// [`Error::Load`] where the loader fails and no stale value is left; [`Error::Timeout`] behind the hard timeout;
    /// [`Error::BadKey`].
    pub async fn get_or_load<F, T>(&self, key: &K, load: F) -> Result<Option<V>>
    where
        F: FnOnce(Option<V>) -> T + Send + 'static,
        T: Future<Output = Result<Loaded<V>, LoadError>> + Send + 'static,
    {
        self.get_or_load_tagged(key, &[], load).await
    }

    /// The same for an entry with tags.
    ///
    /// # Errors
    /// As [`get_or_load`](Self::get_or_load).
    pub async fn get_or_load_tagged<F, T>(&self, key: &K, tags: &[&str], load: F) -> Result<Option<V>>
    where
        F: FnOnce(Option<V>) -> T + Send + 'static,
        T: Future<Output = Result<Loaded<V>, LoadError>> + Send + 'static,
    {
        let key = self.inner.namespace.key(key)?;
        let Namespace { soft_timeout, hard_timeout, .. } = self.inner.namespace;
        let stale = match self.look(&key).await {
            Ok(Lookup::Hit(value)) => return Ok(Some(value)),
            Ok(Lookup::Negative) => return Ok(None),
            Ok(Lookup::Stale(value)) => Some(value),
            Ok(Lookup::Miss) => None,
            Err(_) => {
                // The cache must not be what the application fails of.
                count(&self.inner.metrics.fallbacks);
                let flight = self.fly(key, Vec::new(), None, true, load);
                return wait(flight, hard_timeout).await;
            }
        };
        let tags: Vec<String> = tags.iter().map(|&tag| tag.to_owned()).collect();
        let flight = self.fly(key, tags, stale.clone(), false, load);
        match stale {
            None => wait(flight, hard_timeout).await,
            Some(stale) if soft_timeout.is_zero() => Ok(Some(stale)),
            Some(stale) => match wait(flight, soft_timeout).await {
                Ok(value) => Ok(value),
                Err(_) => Ok(Some(stale)),
            },
        }
    }

    /// Joins the load of a key that runs, or starts one.
    fn fly<F, T>(&self, key: Vec<u8>, tags: Vec<String>, stale: Option<V>, away: bool, load: F) -> Flight<V>
    where
        F: FnOnce(Option<V>) -> T + Send + 'static,
        T: Future<Output = Result<Loaded<V>, LoadError>> + Send + 'static,
    {
        let (tell, flight) = watch::channel(None);
        match self.inner.flights.entry(key.clone().into()) {
            Slot::Occupied(running) => {
                count(&self.inner.metrics.coalesced);
                return running.get().clone();
            }
            Slot::Vacant(place) => place.insert(flight.clone()),
        };
        let cache = self.clone();
        tokio::spawn(async move {
            // However the load ends, by a panic too, the next caller may start another.
            let landing = Landing { inner: Arc::clone(&cache.inner), key: key.clone() };
            let result = cache.load(key, &tags, stale, away, load).await;
            drop(landing);
            // Nobody may be waiting.
            let _ = tell.send(Some(result));
        });
        flight
    }

    async fn load<F, T>(
        &self,
        key: Vec<u8>,
        tags: &[String],
        stale: Option<V>,
        away: bool,
        load: F,
    ) -> Result<Option<V>>
    where
        F: FnOnce(Option<V>) -> T + Send + 'static,
        T: Future<Output = Result<Loaded<V>, LoadError>> + Send + 'static,
    {
        let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
        let m = &self.inner.metrics;
        let hold = self.inner.namespace.hard_timeout + SLACK;
        let mut token = None;
        if !away {
            match self.begin(key.clone(), &tags, hold).await {
                Ok((given, bytes)) => {
                    token = given;
                    // Somebody may have filled it since we looked.
                    if let Lookup::Hit(value) = self.judge(&key, bytes).await? {
                        self.give_back(token).await;
                        return Ok(Some(value));
                    }
                }
                Err(_) => count(&m.fallbacks),
            }
            if token.is_none() {
                match self.wait_for_others(&key, &tags, &stale).await {
                    Others::Filled(value) => return Ok(value),
                    Others::Ours(given) => token = given,
                }
            }
        }
        count(&m.loads);
        let watch = Stopwatch::start();
        let loaded = load(stale.clone()).await;
        m.load.note(watch.elapsed());
        let (value, ttl) = match loaded {
            Ok(Loaded::Value(value)) => (Some(value), None),
            Ok(Loaded::ValueFor(value, ttl)) => (Some(value), Some(ttl)),
            Ok(Loaded::NotModified) => (stale, None),
            Ok(Loaded::NotFound) => (None, None),
            Err(LoadError(why)) => {
                count(&m.load_errors);
                self.give_back(token).await;
                // Stale if error: as long as it lives, the old value is better than none.
                return stale.map_or(Err(Error::Load(why)), |stale| Ok(Some(stale)));
            }
        };
        if let Some(token) = token
            && self.fill(token, value.as_ref(), ttl).await.is_err()
        {
            count(&m.errors);
        }
        Ok(value)
    }

    async fn give_back(&self, token: Option<FillToken>) {
        if let Some(FillToken { key, token, .. }) = token {
            // If it fails the token expires.
            let _ =
                self.inner.backend.atomic(&DELETE_IF, &[&sibling(&key, "fill")], &[token.as_bytes()]).await;
        }
    }

    /// Another process loads: its value, or the right to load once it has given up or taken too long.
    async fn wait_for_others(&self, key: &[u8], tags: &[&str], stale: &Option<V>) -> Others<V> {
        if let Some(stale) = stale {
            return Others::Filled(Some(stale.clone()));
        }
        count(&self.inner.metrics.coalesced);
        let watch = Stopwatch::start();
        let mut pause = LOOK;
        while watch.elapsed() < self.inner.namespace.hard_timeout {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK * 10);
            let hold = self.inner.namespace.hard_timeout + SLACK;
            let Ok((token, bytes)) = self.begin(key.to_vec(), tags, hold).await else { break };
            match self.judge(key, bytes).await {
                Ok(Lookup::Hit(value) | Lookup::Stale(value)) => {
                    self.give_back(token).await;
                    return Others::Filled(Some(value));
                }
                Ok(Lookup::Negative) => {
                    self.give_back(token).await;
                    return Others::Filled(None);
                }
                _ if token.is_some() => return Others::Ours(token),
                _ => {}
            }
        }
        Others::Ours(None)
    }
}

enum Others<V> {
    Filled(Option<V>),
    Ours(Option<FillToken>),
}

/// Takes a load out of the table when it ends.
struct Landing<V, B> {
    inner: Arc<Inner<V, B>>,
    key: Vec<u8>,
}

impl<V, B> Drop for Landing<V, B> {
    fn drop(&mut self) {
        self.inner.flights.remove(&*self.key);
    }
}

async fn wait<V: Clone>(mut flight: Flight<V>, at_most: Duration) -> Result<Option<V>> {
    let landed = tokio::time::timeout(at_most, flight.wait_for(Option::is_some)).await;
    match landed {
        Err(_) => Err(Error::Timeout),
        Ok(Err(_)) => Err(Error::Load("the loader panicked".into())),
        Ok(Ok(result)) => result.clone().unwrap_or(Err(Error::Timeout)),
    }
}

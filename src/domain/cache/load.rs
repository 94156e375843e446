//! One load at a time: callers of this process wait for one task, and that one holds the fill token against all others.

use super::{Codec, FillToken, Inner, KeyPart, Life, LoadError, Loaded, Lookup, TypedCache};
use crate::clock::Stopwatch;
use crate::domain::metrics::count;
use crate::domain::{Backend, Error, Namespace, Result};
use dashmap::mapref::entry::Entry as Slot;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What those who wait for a load wait for.
pub(super) type Flight<V> = watch::Receiver<Option<Result<Option<V>>>>;

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
        let (value, life) = match loaded {
            Ok(Loaded::Value(value)) => (Some(value), Life::Usual),
            Ok(Loaded::ValueFor(value, ttl)) => (Some(value), Life::For(ttl)),
            Ok(Loaded::Until(value, at_ms)) => (value, Life::Until(at_ms)),
            Ok(Loaded::NotModified) => (stale, Life::Usual),
            Ok(Loaded::NotFound) => (None, Life::Usual),
            Err(LoadError(why)) => {
                count(&m.load_errors);
                self.give_back(token).await;
                // Stale if error: as long as it lives, the old value is better than none.
                if stale.is_some() {
                    count(&m.kept);
                }
                return stale.map_or(Err(Error::Load(why)), |stale| Ok(Some(stale)));
            }
        };
        if let Some(token) = token
            && self.fill(token, value.as_ref(), life).await.is_err()
        {
            count(&m.errors);
        }
        Ok(value)
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

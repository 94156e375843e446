//! Home pages in parts: each is made, kept and invalidated by itself, and holds what identifies its items, not the items.

use super::names::{HOMEPAGE, Owner};
use crate::domain::{
    Backend, Error, KeyPart, LoadError, Loaded, Lookup, Metrics, Result, TypedCache, UserId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::future::Future;

/// A part of a page.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Entry {
    RecentlyPlayed,
    ArtistMixes,
    CustomMixes,
    TopWeeklyArtists,
    TopMonthlyArtists,
    BecauseYouListened,
    ArtistsYouMightLike,
    /// The same for everybody.
    RecentlyAdded,
    /// A user's own page.
    Page,
}

impl Entry {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::RecentlyPlayed,
        Self::ArtistMixes,
        Self::CustomMixes,
        Self::TopWeeklyArtists,
        Self::TopMonthlyArtists,
        Self::BecauseYouListened,
        Self::ArtistsYouMightLike,
        Self::RecentlyAdded,
        Self::Page,
    ];

    /// As the clients know it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RecentlyPlayed => "recently_played",
            Self::ArtistMixes => "artist_mixes",
            Self::CustomMixes => "custom_mixes",
            Self::TopWeeklyArtists => "top_streamed_weekly_artists",
            Self::TopMonthlyArtists => "top_streamed_monthly_artists",
            Self::BecauseYouListened => "because_you_listened_to_artist",
            Self::ArtistsYouMightLike => "artists_you_might_like",
            Self::RecentlyAdded => "recently_added",
            Self::Page => "page",
        }
    }

    fn is_shared(self) -> bool {
        self == Self::RecentlyAdded
    }
}

/// A part of a user's page, or of everybody's.
#[derive(Clone, Copy, Debug)]
pub struct HomeKey {
    owner: Owner,
    entry: Entry,
}

impl KeyPart for HomeKey {
    fn write(&self, key: &mut Vec<u8>) -> Result<()> {
        if self.entry.is_shared() {
            return ("g", self.entry.name()).write(key);
        }
        self.owner.write(key)?;
        self.entry.name().write(key)
    }
}

/// What a part holds: what identifies its items, so that an item that has gone, or looks otherwise by now, is right when it
/// is shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fragment {
    /// Its heading.
    pub title: String,
    /// What is under the heading.
    pub description: String,
    /// `{type, hash, ...}` each.
    pub items: Vec<Value>,
    /// Where all of it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What items can be.
const TYPES: [&str; 7] = ["track", "album", "artist", "folder", "playlist", "favorite", "mix"];

/// Whether an item is one; what is not is left out, and keeps no page from being shown.
fn is_item(item: &Value) -> bool {
    let kind = item.get("type").and_then(Value::as_str);
    kind.is_some_and(|kind| TYPES.contains(&kind)) && item.get("hash").is_some_and(Value::is_string)
}

/// A page as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HomePage {
    /// An object of one key each, in order.
    pub entries: Vec<Value>,
    /// Parts that have to be made.
    pub missing: Vec<Entry>,
}

/// Home pages.
#[derive(Clone, Debug)]
pub struct HomeCache<B> {
    cache: TypedCache<HomeKey, Fragment, B>,
    plain: bool,
}

/// Most items of a part that are shown.
const LIMIT_MAX: i64 = 100;

impl<B: Backend> HomeCache<B> {
    pub(super) fn new(plain: bool, backend: B, metrics: &Metrics) -> Result<Self> {
        let namespace = if plain { HOMEPAGE.bare() } else { HOMEPAGE };
        Ok(Self { cache: TypedCache::with_metrics(namespace, backend, metrics)?, plain })
    }

    fn key(&self, user: UserId, entry: Entry) -> HomeKey {
        HomeKey { owner: Owner::new(user, self.plain), entry }
    }

    /// A user's page from what is known, stale parts too; `hydrate` makes of an item what is shown, or nothing where it has
    /// gone. One round trip.
    ///
    /// # Errors
    /// [`Error::BadLimit`] but for 1 to 100; what the backend says.
    pub async fn page(
        &self,
        user: UserId,
        entries: &[Entry],
        limit: i64,
        hydrate: impl Fn(&Value) -> Option<Value>,
    ) -> Result<HomePage> {
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Error::BadLimit { given: limit, max: LIMIT_MAX });
        }
        let keys: Vec<HomeKey> = entries.iter().map(|&entry| self.key(user, entry)).collect();
        let mut page = HomePage::default();
        for (entry, lookup) in entries.iter().zip(self.cache.get_many(&keys).await?) {
            let fragment = match lookup {
                Lookup::Hit(fragment) | Lookup::Stale(fragment) => fragment,
                Lookup::Negative => continue,
                Lookup::Miss => {
                    page.missing.push(*entry);
                    continue;
                }
            };
            let items: Vec<Value> = fragment
                .items
                .iter()
                .filter(|item| is_item(item))
                .filter_map(&hydrate)
                .take(limit.unsigned_abs() as usize)
                .collect();
            let mut body = Map::new();
            body.insert("title".into(), fragment.title.into());
            body.insert("description".into(), fragment.description.into());
            body.insert("items".into(), items.into());
            if let Some(url) = fragment.url {
                body.insert("url".into(), url.into());
            }
            let mut single = Map::new();
            single.insert(entry.name().into(), body.into());
            page.entries.push(single.into());
        }
        Ok(page)
    }

    /// A part, made where it is not known. A stale one is shown while a fresh one is made.
    ///
    /// # Errors
    /// As [`TypedCache::get_or_load`].
    pub async fn fragment<F, T>(&self, user: UserId, entry: Entry, make: F) -> Result<Option<Fragment>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Future<Output = Result<Loaded<Fragment>, LoadError>> + Send + 'static,
    {
        self.cache.get_or_load(&self.key(user, entry), |_| make()).await
    }

    /// Writes a part: what a job that runs by the clock has made.
    ///
    /// # Errors
    /// As [`TypedCache::set`].
    pub async fn set(&self, user: UserId, entry: Entry, fragment: &Fragment) -> Result<()> {
        self.cache.set(&self.key(user, entry), fragment).await
    }

    /// Forgets parts of a user's page; how many there were.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn forget(&self, user: UserId, entries: &[Entry]) -> Result<u64> {
        let keys: Vec<HomeKey> = entries.iter().map(|&entry| self.key(user, entry)).collect();
        self.cache.remove(&keys).await
    }

    /// The key of a part, for what changes it in one step with something else.
    pub(super) fn raw_key(&self, user: UserId, entry: Entry) -> Result<Vec<u8>> {
        self.cache.namespace().key(&self.key(user, entry))
    }
}

//! The music application's uses by their names: keys, lives, budgets, and what an event of the application makes wrong. All
//! that these do is the domain layer's; here it is only named.
//!
//! **Invariant:** nothing that belongs to a user is under a key that another user reads.

mod config;
mod home;
mod library;
mod names;
mod plays;
mod search;

pub use config::{Mode, Place, SwingConfig, Use};
pub use home::{Entry, Fragment, HomeCache, HomeKey, HomePage};
pub use library::{
    ArtistRef, GenreRef, Lyrics, LyricsLine, Similar, Track, TrackGroup, TrackedPlaylist, User, sample,
};
pub use names::*;
pub use plays::{Count, Play, PlayCounts, PlaySink, Recorded, SqlitePlays, is_scrobble};
pub use search::{Found, Page, RESULTS_MAX, SearchCache, SearchKey, SearchKind, canonical};

use crate::domain::{
    Backend, Breaker, Guarded, Membership, Metrics, OneTime, Progress, RateLimiter, Recent, Result, Resume,
    Rkyv, Schedule, SessionStore, SqliteTier, SyncLog, Tiered, TypedCache, UserId, Versioned,
};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What it asks: a backend that is left alone for a while when it is away.
pub type Back<B> = Guarded<B>;
/// What Spotify's interface answered, in memory, in SQLite, and where it comes from.
pub type Spotify<B> = Tiered<SpotifyId, serde_json::Value, Back<B>>;
/// Playlists that follow others: whose, which, and where to.
pub type PlaylistStates<B> = Versioned<(UserId, String, String), TrackedPlaylist, Back<B>>;

/// Most recent plays of a user.
const RECENTS: usize = 50;
/// By which what was made of the library by other settings is invalidated.
const CONFIG: &str = "config";

/// Something that has happened in the application, after it is in the database.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum AppEvent {
    /// Recorded by [`PlayCounts::record`].
    Played {
        user: UserId,
    },
    FavoriteSet {
        user: UserId,
        kind: Kind,
        hash: ItemHash,
        is: bool,
    },
    PlaylistChanged {
        user: UserId,
    },
    /// These tracks' files changed or went, and their hashes with them.
    TracksChanged {
        hashes: Vec<ItemHash>,
    },
    ScanFinished,
    /// Settings that tracks' names and hashes are made by.
    ConfigChanged,
    UserChanged {
        user: UserId,
        now: User,
    },
    UserDeleted {
        user: UserId,
    },
    CollectionChanged {
        user: UserId,
    },
}

/// The uses.
pub struct Swing<B> {
    config: SwingConfig,
    backend: Back<B>,
    metrics: Metrics,
    mismatches: Arc<[AtomicU64; 15]>,
    spotify: Spotify<B>,
    tracks: TypedCache<ItemHash, TrackGroup, Back<B>, Rkyv>,
    sessions: SessionStore<User, Back<B>>,
    paircodes: OneTime<UserId, Back<B>>,
    limits: RateLimiter<Back<B>>,
    sync: SyncLog<UserId, Back<B>>,
    progress: Resume<(UserId, ItemHash), Back<B>>,
    transfers: Progress<(UserId, String), Back<B>>,
    playlists: PlaylistStates<B>,
    due: Schedule<Back<B>>,
    search: SearchCache<Back<B>>,
    recommendations: TypedCache<(Kind, ItemHash), Vec<Similar>, Back<B>>,
    home: HomeCache<Back<B>>,
    plays: PlayCounts<Back<B>>,
    recent: Recent<Owner, Back<B>>,
    favorites: Membership<(UserId, Kind), Back<B>>,
    lyrics: TypedCache<ItemHash, Lyrics, Back<B>>,
    index: Progress<str, Back<B>>,
}

impl<B> fmt::Debug for Swing<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Swing").field("config", &self.config).finish_non_exhaustive()
    }
}

impl<B: Backend> Swing<B> {
    /// Over a backend, with a tier in SQLite if there is one.
    ///
    /// # Errors
    /// For names and lives that are none.
    pub fn open(backend: B, config: SwingConfig, disk: Option<SqliteTier>) -> Result<Self> {
        let (backend, metrics) =
            (Guarded::new(backend, Breaker::new(5, Duration::from_secs(2))), Metrics::default());
        let plain = config.compat;
        // `track:123`, as the owner's document has it.
        let spotify = if plain { SPOTIFY.prefix("").bare() } else { SPOTIFY };
        let mut spotify = Tiered::new(TypedCache::with_metrics(spotify, backend.clone(), &metrics)?);
        if let Some(disk) = disk {
            spotify = spotify.disk(disk);
        }
        let recommendations = if plain { RECOMMENDATIONS.prefix("recs").bare() } else { RECOMMENDATIONS };
        let home = HomeCache::new(plain, backend.clone(), &metrics)?;
        let mismatches = Arc::new(std::array::from_fn(|_| AtomicU64::new(0)));
        Ok(Self {
            spotify,
            tracks: TypedCache::with_metrics(TRACKS, backend.clone(), &metrics)?,
            sessions: SessionStore::new(SESSIONS, backend.clone())?,
            paircodes: OneTime::new(PAIRCODES, backend.clone())?,
            limits: RateLimiter::new(RATELIMIT, backend.clone())?,
            sync: SyncLog::new(SYNC, backend.clone())?,
            progress: Resume::new(PROGRESS, backend.clone())?,
            transfers: Progress::new(TRANSFERS, backend.clone())?.every(Duration::from_secs(1)),
            playlists: Versioned::new(PLAYLISTS, backend.clone())?,
            due: Schedule::new(PLAYLISTS, "due", backend.clone())?,
            search: SearchCache::new(plain, backend.clone(), &metrics)?,
            recommendations: TypedCache::with_metrics(recommendations, backend.clone(), &metrics)?,
            plays: PlayCounts::new(backend.clone(), home.clone(), RECENTS, plain)?,
            home,
            recent: Recent::new(RECENT, RECENTS, backend.clone())?,
            favorites: Membership::new(FAVORITES, backend.clone())?,
            lyrics: TypedCache::with_metrics(LYRICS, backend.clone(), &metrics)?,
            index: Progress::new(INDEX, backend.clone())?.publish("index:events"),
            mismatches,
            config,
            backend,
            metrics,
        })
    }

    /// What is switched on.
    #[must_use]
    pub fn config(&self) -> &SwingConfig {
        &self.config
    }

    /// What it asks, with its breaker.
    #[must_use]
    pub fn backend(&self) -> &Back<B> {
        &self.backend
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How often the old way and ours differed, where a use is in the shadow.
    #[must_use]
    pub fn mismatches(&self, which: Use) -> u64 {
        self.mismatches.get(which as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Answers by the mode that a use is in for a user: the old way, ours, or both. Where ours does not know, or is away, the
    /// old way answers.
    ///
    /// # Errors
    /// What the old way says; what ours refuses.
    pub async fn serve<T: PartialEq>(
        &self,
        which: Use,
        user: Option<UserId>,
        ours: impl Future<Output = Result<Option<T>>>,
        old: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        match self.config.mode_for(which, user) {
            Mode::Off => old.await,
            Mode::Shadow => {
                let answer = old.await?;
                if ours.await.is_ok_and(|ours| ours.is_some_and(|ours| ours != answer))
                    && let Some(count) = self.mismatches.get(which as usize)
                {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                Ok(answer)
            }
            Mode::Read | Mode::On => match ours.await {
                Ok(Some(answer)) => Ok(answer),
                Ok(None) => old.await,
                Err(error) if error.is_outage() => old.await,
                Err(error) => Err(error),
            },
        }
    }

    /// Forgets what an event makes wrong. The database is changed first.
    ///
    /// # Errors
    /// What the backend says; what was not forgotten then is when it is called again.
    pub async fn on(&self, event: AppEvent) -> Result<()> {
        match event {
            AppEvent::Played { user } => {
                self.home.forget(user, &[Entry::RecentlyPlayed]).await?;
            }
            AppEvent::FavoriteSet { user, kind, hash, is } => {
                self.favorites.set(&(user, kind), hash.as_str(), is).await?;
                self.home.forget(user, &[Entry::ArtistsYouMightLike, Entry::BecauseYouListened]).await?;
            }
            AppEvent::PlaylistChanged { user } | AppEvent::CollectionChanged { user } => {
                self.home.forget(user, &[Entry::Page]).await?;
            }
            AppEvent::TracksChanged { hashes } => {
                self.tracks.remove(&hashes).await?;
                self.lyrics.remove(&hashes).await?;
            }
            AppEvent::ScanFinished => {
                self.search.invalidate().await?;
                self.home.forget(UserId::new(1)?, &[Entry::RecentlyAdded]).await?;
            }
            AppEvent::ConfigChanged => {
                self.tracks.invalidate_tag(CONFIG).await?;
                self.search.invalidate().await?;
            }
            AppEvent::UserChanged { user, now } => {
                self.sessions.update_user(user, &now).await?;
            }
            AppEvent::UserDeleted { user } => {
                self.sessions.revoke_all(user).await?;
                self.erase_user(user).await?;
            }
        }
        Ok(())
    }

    /// Deletes all that a user has, in all namespaces but for the end of their sessions; how many keys. O(keys of the store).
    ///
    /// # Errors
    /// What the backend says.
    pub async fn erase_user(&self, user: UserId) -> Result<u64> {
        let (tag, ended, mut erased) = (format!(":{}", user.tag()), format!("{}:", SESSIONS.name()), 0);
        let mut cursor = Vec::new();
        loop {
            let (next, keys) = self.backend.scan(&cursor, b"", 1000).await?;
            for key in keys {
                let theirs = memchr::memmem::find(&key, tag.as_bytes()).is_some();
                if theirs && !key.starts_with(ended.as_bytes()) {
                    let reply = self.backend.call(&[b"UNLINK", &key]).await?;
                    erased += crate::domain::int(reply)?.unsigned_abs();
                }
            }
            if next.is_empty() {
                return Ok(erased);
            }
            cursor = next;
        }
    }

    /// Deletes what can be made anew, of all namespaces; how many keys. Sessions, queues and counts stay. O(keys of the store).
    ///
    /// # Errors
    /// What the backend says.
    pub async fn clear_all(&self) -> Result<u64> {
        use crate::domain::Class;
        let mut cleared = 0;
        for namespace in ALL {
            if matches!(namespace.class(), Class::Evictable | Class::Derived) {
                let prefix = format!("{}:", namespace.key_prefix());
                cleared += crate::domain::clear_prefix(&self.backend, prefix.as_bytes()).await?;
            }
        }
        Ok(cleared)
    }

    /// Recent plays of a user, by the key that the configuration spells.
    #[must_use]
    pub fn owner(&self, user: UserId) -> Owner {
        Owner::new(user, self.config.compat)
    }
}

macro_rules! uses {
    ($($(#[$doc:meta])* $name:ident: $of:ty;)*) => {
        impl<B: Backend> Swing<B> {
            $($(#[$doc])* #[must_use] pub fn $name(&self) -> &$of { &self.$name })*
        }
    };
}

uses! {
    /// 1. What Spotify's interface answered.
    spotify: Spotify<B>;
    /// 2. Tracks.
    tracks: TypedCache<ItemHash, TrackGroup, Back<B>, Rkyv>;
    /// 3. Sessions.
    sessions: SessionStore<User, Back<B>>;
    /// 3. Codes that bring a device in.
    paircodes: OneTime<UserId, Back<B>>;
    /// Limits, for logins and Spotify's interface.
    limits: RateLimiter<Back<B>>;
    /// 4. What devices have to tell each other.
    sync: SyncLog<UserId, Back<B>>;
    /// 5. Where users are.
    progress: Resume<(UserId, ItemHash), Back<B>>;
    /// 5. How far transfers are.
    transfers: Progress<(UserId, String), Back<B>>;
    /// 6. Playlists that follow others.
    playlists: PlaylistStates<B>;
    /// 6. Which of them are due.
    due: Schedule<Back<B>>;
    /// 7. Searches.
    search: SearchCache<Back<B>>;
    /// 8. What resembles what.
    recommendations: TypedCache<(Kind, ItemHash), Vec<Similar>, Back<B>>;
    /// 9. Home pages.
    home: HomeCache<Back<B>>;
    /// 10. Plays.
    plays: PlayCounts<Back<B>>;
    /// 11. What was played last.
    recent: Recent<Owner, Back<B>>;
    /// 12. What users like.
    favorites: Membership<(UserId, Kind), Back<B>>;
    /// 14. Texts of songs.
    lyrics: TypedCache<ItemHash, Lyrics, Back<B>>;
    /// 15. How far the scan is, and that there is one at a time.
    index: Progress<str, Back<B>>;
}

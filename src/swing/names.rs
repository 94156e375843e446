//! The names: namespaces with their lives and budgets, and what keys are made of.

use crate::domain::{Class, Error, KeyPart, Namespace, Result, UserId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

const fn days(count: u32) -> Duration {
    Duration::from_secs(86_400 * count as u64)
}

const MB: u64 = 1 << 20;

/// What Spotify's interface answered.
pub const SPOTIFY: Namespace = Namespace::new("spotify", Class::Evictable)
    .ttl(Duration::from_secs(12 * 3600))
    .stale(DAY)
    .negative_ttl(HOUR)
    .budget(100 * MB);
/// Tracks by their hashes, all files of one together.
pub const TRACKS: Namespace = Namespace::new("tracks", Class::Derived).ttl(DAY).budget(50 * MB);
/// Albums by their hashes.
pub const ALBUMS: Namespace = Namespace::new("albums", Class::Derived).ttl(DAY);
/// Artists by their hashes.
pub const ARTISTS: Namespace = Namespace::new("artists", Class::Derived).ttl(DAY);
/// Sessions.
pub const SESSIONS: Namespace =
    Namespace::new("sessions", Class::Security).ttl(DAY).max_value(16 << 10).budget(20 * MB);
/// Codes that bring a device in.
pub const PAIRCODES: Namespace = Namespace::new("paircodes", Class::Security).ttl(Duration::from_secs(300));
/// Limits.
pub const RATELIMIT: Namespace = Namespace::new("ratelimit", Class::Security);
/// What users' devices have to tell each other.
pub const SYNC: Namespace = Namespace::new("sync", Class::Durable).max_value(64 << 10).budget(40 * MB);
/// Where users are in what they play.
pub const PROGRESS: Namespace = Namespace::new("progress", Class::Derived).ttl(days(30)).max_value(64 << 10);
/// Playlists that follow others.
pub const PLAYLISTS: Namespace = Namespace::new("playlists", Class::Derived).ttl(days(30));
/// What searches found: hashes and scores.
pub const SEARCH: Namespace = Namespace::new("search", Class::Derived)
    .ttl(Duration::from_secs(6 * 3600))
    .stale(Duration::from_secs(6 * 3600))
    .max_value(256 << 10)
    .budget(30 * MB);
/// What resembles what.
pub const RECOMMENDATIONS: Namespace = Namespace::new("recommendations", Class::Derived)
    .ttl(Duration::from_secs(12 * 3600))
    .stale(days(7))
    .negative_ttl(DAY)
    .budget(25 * MB);
/// Parts of home pages.
pub const HOMEPAGE: Namespace = Namespace::new("homepage", Class::Derived).ttl(HOUR).stale(DAY);
/// What was played and is not in the database yet.
pub const PLAYS: Namespace = Namespace::new("plays", Class::Durable);
/// How often things were played.
pub const PLAYCOUNTS: Namespace = Namespace::new("playcounts", Class::Durable);
/// What was played last.
pub const RECENT: Namespace = Namespace::new("recent", Class::Derived).ttl(days(30));
/// What users like.
pub const FAVORITES: Namespace = Namespace::new("favorites", Class::Derived).ttl(DAY);
/// Texts of songs.
pub const LYRICS: Namespace = Namespace::new("lyrics", Class::Evictable).ttl(DAY).negative_ttl(days(7));
/// How far the scan of the library is.
pub const INDEX: Namespace = Namespace::new("index", Class::Derived).ttl(DAY);
/// How far a user's transfers are.
pub const TRANSFERS: Namespace = Namespace::new("transfers", Class::Derived).ttl(DAY).max_value(4096);
/// Whatever lives for minutes.
pub const TEMP: Namespace = Namespace::new("temp", Class::Evictable).ttl(Duration::from_secs(10 * 60));
/// What users' devices are.
pub const MOBILE: Namespace = Namespace::new("mobile", Class::Durable);

/// All of them, in the order in which they are shown.
pub const ALL: &[Namespace] = &[
    SPOTIFY,
    TRACKS,
    ALBUMS,
    ARTISTS,
    SEARCH,
    RECOMMENDATIONS,
    HOMEPAGE,
    LYRICS,
    TEMP,
    INDEX,
    PROGRESS,
    PLAYLISTS,
    FAVORITES,
    RECENT,
    TRANSFERS,
    SESSIONS,
    RATELIMIT,
    PAIRCODES,
    PLAYCOUNTS,
    PLAYS,
    SYNC,
    MOBILE,
];

/// How long a code that brings a device in is good.
pub const PAIRCODE_TTL: Duration = Duration::from_secs(5 * MINUTE.as_secs());

/// A track's, album's or artist's hash: sixteen lowercase hexadecimal digits.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ItemHash([u8; 16]);

impl ItemHash {
    /// # Errors
    /// [`Error::BadHash`].
    pub fn new(text: &str) -> Result<Self> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match <[u8; 16]>::try_from(text.as_bytes()) {
            Ok(digits) if digits.iter().all(|&byte| digit(byte)) => Ok(Self(digits)),
            _ => Err(Error::BadHash(text.chars().take(40).collect())),
        }
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // They were checked when it was made.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl std::fmt::Display for ItemHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl KeyPart for ItemHash {
    fn write(&self, key: &mut Vec<u8>) -> Result<()> {
        key.push(b':');
        key.extend_from_slice(&self.0);
        Ok(())
    }
}

impl Serialize for ItemHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ItemHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// What can be liked, searched for and recommended.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A track.
    Track,
    /// An album.
    Album,
    /// An artist.
    Artist,
}

impl Kind {
    /// # Errors
    /// [`Error::BadType`].
    pub fn new(text: &str) -> Result<Self> {
        match text {
            "track" => Ok(Self::Track),
            "album" => Ok(Self::Album),
            "artist" => Ok(Self::Artist),
            _ => Err(Error::BadType(format!("not track, album or artist: {:.40}", text))),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Track => "track",
            Self::Album => "album",
            Self::Artist => "artist",
        }
    }
}

impl KeyPart for Kind {
    fn write(&self, key: &mut Vec<u8>) -> Result<()> {
        self.name().write(key)
    }
}

/// An id of Spotify's: what it is of, and up to 64 letters and digits.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct SpotifyId {
    kind: &'static str,
    id: String,
}

impl SpotifyId {
    /// # Errors
    /// [`Error::BadType`] but for `track`, `album`, `artist` and `playlist`; [`Error::BadKey`].
    pub fn new(kind: &str, id: &str) -> Result<Self> {
        let kind = match kind {
            "playlist" => "playlist",
            other => Kind::new(other)?.name(),
        };
        if id.is_empty() || id.len() > 64 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(Error::BadKey("an id of Spotify's has 1 to 64 letters and digits".into()));
        }
        Ok(Self { kind, id: id.to_owned() })
    }
}

impl KeyPart for SpotifyId {
    fn write(&self, key: &mut Vec<u8>) -> Result<()> {
        (self.kind, &*self.id).write(key)
    }
}

/// Whose something is, as keys say it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Owner {
    user: UserId,
    /// `42`, as the owner's own keys are spelled, instead of `{u:42}`.
    plain: bool,
}

impl Owner {
    pub(super) fn new(user: UserId, plain: bool) -> Self {
        Self { user, plain }
    }
}

impl KeyPart for Owner {
    fn write(&self, key: &mut Vec<u8>) -> Result<()> {
        if self.plain {
            return self.user.get().to_string().write(key);
        }
        self.user.write(key)
    }
}

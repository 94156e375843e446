//! What is switched on, from the environment, a file's values and what is built in, in this order.
//!
//! | variable | |
//! | --- | --- |
//! | `ENABLE_DRAGONFLYDB` | on or off; absent is off |
//! | `DRAGONFLYDB_URL` | a server's address, or `_HOST`, `_PORT`, `_DB` and `_PASSWORD` |
//! | `DRAGONFLYDB_EMBEDDED_PATH` | a directory: the engine in this process keeps its data there |
//! | `DRAGONFLYDB_MODE`, `DRAGONFLYDB_MODE_<USE>` | `off`, `shadow`, `read` or `on`, for all uses or one |
//! | `DRAGONFLYDB_ROLLOUT` | so many per cent of users |
//! | `DRAGONFLYDB_COMPAT` | the owner's own keys beside or instead of ours |

use crate::domain::{Error, Result, UserId};
use crate::hex::percent_encoded;
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// The fifteen uses.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "the names say it, and each has a method of Swing's")]
pub enum Use {
    Spotify,
    Tracks,
    Sessions,
    Sync,
    Progress,
    Playlists,
    Search,
    Recommendations,
    Homepage,
    Plays,
    Recent,
    Favorites,
    Downloads,
    Lyrics,
    Index,
}

impl Use {
    /// All of them, as the owner numbers them.
    pub const ALL: [Self; 15] = [
        Self::Spotify,
        Self::Tracks,
        Self::Sessions,
        Self::Sync,
        Self::Progress,
        Self::Playlists,
        Self::Search,
        Self::Recommendations,
        Self::Homepage,
        Self::Plays,
        Self::Recent,
        Self::Favorites,
        Self::Downloads,
        Self::Lyrics,
        Self::Index,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Spotify => "spotify",
            Self::Tracks => "tracks",
            Self::Sessions => "sessions",
            Self::Sync => "sync",
            Self::Progress => "progress",
            Self::Playlists => "playlists",
            Self::Search => "search",
            Self::Recommendations => "recommendations",
            Self::Homepage => "homepage",
            Self::Plays => "plays",
            Self::Recent => "recent",
            Self::Favorites => "favorites",
            Self::Downloads => "downloads",
            Self::Lyrics => "lyrics",
            Self::Index => "index",
        }
    }
}

/// How far a use is brought in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// As if there were no cache.
    Off,
    /// The old way answers; ours runs beside it, and where the two differ that is counted.
    Shadow,
    /// Ours answers what it knows; writes go the old way, and invalidate.
    Read,
    /// Ours answers and is written to.
    On,
}

impl Mode {
    fn new(text: &str) -> Option<Self> {
        match text {
            "off" => Some(Self::Off),
            "shadow" => Some(Self::Shadow),
            "read" => Some(Self::Read),
            "on" => Some(Self::On),
            _ => None,
        }
    }

    fn from_u8(value: u8) -> Self {
        [Self::Off, Self::Shadow, Self::Read, Self::On].get(usize::from(value)).copied().unwrap_or(Self::Off)
    }
}

/// Where the data is.
#[derive(Clone, Eq, PartialEq)]
pub enum Place {
    /// In this process and nowhere else.
    Memory,
    /// In this process, kept in a directory.
    Directory(PathBuf),
    /// A server, by its address.
    Server(String),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("Memory"),
            Self::Directory(path) => f.debug_tuple("Directory").field(path).finish(),
            // It may hold a password.
            Self::Server(_) => f.write_str("Server(..)"),
        }
    }
}

/// What is switched on. Modes can be changed while it is in use, by any of its copies.
#[derive(Clone, Debug)]
pub struct SwingConfig {
    /// Where the data is.
    pub place: Place,
    /// The owner's own keys, as other clients are shown them.
    pub compat: bool,
    /// So many per cent of users.
    pub rollout: u8,
    modes: Arc<[AtomicU8; 15]>,
}

impl Default for SwingConfig {
    fn default() -> Self {
        let modes = std::array::from_fn(|_| AtomicU8::new(Mode::On as u8));
        Self { place: Place::Memory, compat: false, rollout: 100, modes: Arc::new(modes) }
    }
}

fn refused(name: &str, value: &str, wants: &str) -> Error {
    // What a password would be in is not shown.
    let value = if name.ends_with("PASSWORD") || name.ends_with("URL") { "..." } else { value };
    Error::Config(format!("{name}={value}: {wants}"))
}

fn flag(name: &str, value: &str) -> Result<bool> {
    match &*value.trim().to_ascii_lowercase() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" | "" => Ok(false),
        _ => Err(refused(name, value, "is 1 or 0, true or false, yes or no, on or off")),
    }
}

impl SwingConfig {
    /// From this process' environment, then a file's values.
    ///
    /// # Errors
    /// As [`from_pairs`](Self::from_pairs).
    pub fn from_env(file: &HashMap<String, String>) -> Result<Self> {
        Self::from_pairs(|name| std::env::var(name).ok().or_else(|| file.get(name).cloned()))
    }

    /// From wherever `value` finds what has a name.
    ///
    /// # Errors
    /// [`Error::Config`], with the name of what is out of its range.
    pub fn from_pairs(value: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let mut config = Self::default();
        let given = |name: &str| value(name).filter(|text| !text.is_empty());
        let enabled =
            given("ENABLE_DRAGONFLYDB").map_or(Ok(false), |text| flag("ENABLE_DRAGONFLYDB", &text))?;
        let number = |name: &str, max: u32, default: u32| match given(name) {
            None => Ok(default),
            Some(text) => text
                .trim()
                .parse()
                .ok()
                .filter(|number| *number <= max)
                .ok_or_else(|| refused(name, &text, &format!("is a number up to {max}"))),
        };
        let (port, db) = (number("DRAGONFLYDB_PORT", 65_535, 6379)?, number("DRAGONFLYDB_DB", 15, 0)?);
        if port == 0 {
            return Err(refused("DRAGONFLYDB_PORT", "0", "is a port"));
        }
        config.rollout = number("DRAGONFLYDB_ROLLOUT", 100, 100)? as u8;
        config.compat =
            given("DRAGONFLYDB_COMPAT").map_or(Ok(false), |text| flag("DRAGONFLYDB_COMPAT", &text))?;
        config.place =
            match (given("DRAGONFLYDB_URL"), given("DRAGONFLYDB_EMBEDDED_PATH"), given("DRAGONFLYDB_HOST")) {
                (Some(url), _, _) if url.starts_with("redis://") || url.starts_with("rediss://") => {
                    Place::Server(url)
                }
                (Some(url), _, _) => {
                    return Err(refused("DRAGONFLYDB_URL", &url, "begins with redis:// or rediss://"));
                }
                (None, Some(path), _) => Place::Directory(path.into()),
                (None, None, Some(host)) => {
                    let password = given("DRAGONFLYDB_PASSWORD")
                        .map_or_else(String::new, |it| format!(":{}@", percent_encoded(&it)));
                    Place::Server(format!("redis://{password}{host}:{port}/{db}"))
                }
                (None, None, None) => Place::Memory,
            };
        let mode = |name: &str| match given(name) {
            None => Ok(None),
            Some(text) => Mode::new(text.trim())
                .map(Some)
                .ok_or_else(|| refused(name, &text, "is off, shadow, read or on")),
        };
        let all = mode("DRAGONFLYDB_MODE")?.unwrap_or(Mode::On);
        for which in Use::ALL {
            let one =
                mode(&format!("DRAGONFLYDB_MODE_{}", which.name().to_ascii_uppercase()))?.unwrap_or(all);
            config.set_mode(which, if enabled { one } else { Mode::Off });
        }
        Ok(config)
    }

    /// How far a use is brought in.
    #[must_use]
    pub fn mode(&self, which: Use) -> Mode {
        let mode = self.modes.get(which as usize);
        mode.map_or(Mode::Off, |mode| Mode::from_u8(mode.load(Ordering::Relaxed)))
    }

    /// How far a use is brought in for a user: not at all beyond the rollout.
    #[must_use]
    pub fn mode_for(&self, which: Use, user: Option<UserId>) -> Mode {
        let within = user.is_none_or(|user| bucket(user) < u64::from(self.rollout));
        if within { self.mode(which) } else { Mode::Off }
    }

    /// Brings a use further in, or out.
    pub fn set_mode(&self, which: Use, mode: Mode) {
        if let Some(place) = self.modes.get(which as usize) {
            place.store(mode as u8, Ordering::Relaxed);
        }
    }

    /// Out with everything, at once.
    pub fn kill(&self) {
        for which in Use::ALL {
            self.set_mode(which, Mode::Off);
        }
    }
}

/// Which of a hundred equal parts a user is in: always the same.
fn bucket(user: UserId) -> u64 {
    (user.get().unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % 100
}

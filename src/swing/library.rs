//! What the library is made of: tracks, and what the caches say of them.

use serde::{Deserialize, Serialize};

/// An artist of a track.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
pub struct ArtistRef {
    /// As it is shown.
    pub name: String,
    /// Its hash.
    pub artisthash: String,
}

/// A genre of a track.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
pub struct GenreRef {
    /// As it is shown.
    pub name: String,
    /// Its hash.
    pub genrehash: String,
}

/// A file of a track. What belongs to a user (`fav_userids`, `is_favorite`) is not in it: it is laid over when it is read.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
#[serde(default)]
#[expect(missing_docs, reason = "the application's own names")]
pub struct Track {
    pub id: i64,
    pub title: String,
    pub og_title: String,
    pub album: String,
    pub og_album: String,
    pub albumhash: String,
    pub albumartists: Vec<ArtistRef>,
    pub artists: Vec<ArtistRef>,
    pub artisthashes: Vec<String>,
    pub genres: Vec<GenreRef>,
    pub genrehashes: Vec<String>,
    pub bitrate: i64,
    pub copyright: String,
    pub date: i64,
    pub disc: i64,
    pub track: i64,
    pub duration: i64,
    pub filepath: String,
    pub folder: String,
    pub image: String,
    pub color: String,
    pub blurhash: String,
    pub last_mod: i64,
    pub trackhash: String,
    pub weakhash: String,
    pub explicit: bool,
    pub samplerate: i64,
    pub lastplayed: i64,
    pub playcount: i64,
    pub playduration: i64,
}

/// All files of a track: a hash may have several.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Serialize,
    Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
pub struct TrackGroup {
    /// In the order in which they were found.
    pub files: Vec<Track>,
}

impl TrackGroup {
    /// The file with the most bits a second.
    #[must_use]
    pub fn best(&self) -> Option<&Track> {
        self.files.iter().max_by_key(|track| track.bitrate)
    }
}

/// Something that resembles something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the application's own names")]
pub struct Similar {
    pub hash: String,
    pub name: String,
    pub weight: f64,
    #[serde(default)]
    pub listeners: u64,
}

/// A choice of so many, different each time that `seed` is: the whole list is what is cached.
#[must_use]
pub fn sample<T: Clone>(list: &[T], count: usize, seed: u64) -> Vec<T> {
    let mut order: Vec<usize> = (0..list.len()).collect();
    let (mut state, mut chosen) = (seed ^ 0x9e37_79b9_7f4a_7c15, Vec::new());
    for _ in 0..count.min(list.len()) {
        // xorshift64*: what is wanted is variety.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let at = (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % order.len();
        chosen.extend(list.get(order.swap_remove(at)).cloned());
    }
    chosen
}

/// A song's text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lyrics {
    /// Its lines.
    pub lyrics: Vec<LyricsLine>,
    /// Whether the lines have times.
    pub synced: bool,
    /// Whose it is.
    #[serde(default)]
    pub copyright: String,
}

/// A line of a song's text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LyricsLine {
    /// From the song's beginning.
    #[serde(default)]
    pub time_ms: u64,
    /// The line.
    pub text: String,
}

/// Who is logged in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the application's own names")]
pub struct User {
    pub id: i64,
    pub username: String,
    #[serde(default)]
    pub image: String,
    #[serde(default)]
    pub roles: Vec<String>,
    #[serde(default)]
    pub extra: serde_json::Value,
}

/// A playlist that follows another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the application's own names")]
pub struct TrackedPlaylist {
    pub source_url: String,
    pub playlist_id: String,
    pub service: String,
    pub title: String,
    pub owner_name: String,
    pub quality: String,
    pub codec: String,
    pub auto_sync: bool,
    pub sync_interval_seconds: u64,
    pub last_sync_at: i64,
    pub status: String,
    pub snapshot_track_ids: Vec<String>,
    pub snapshot_hash: String,
    pub last_result: String,
    pub last_error: String,
}

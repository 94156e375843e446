//! Searches: what was found for a text, as hashes and scores, under the text as the searcher sees it.

use super::names::SEARCH;
use crate::domain::{Backend, Error, KeyPart, LoadError, Loaded, Metrics, Result, TypedCache, UserId};
use crate::hex::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::future::Future;

/// Most results that are kept, and asked for.
pub const RESULTS_MAX: i64 = 150;
/// Longest text.
const QUERY_CHARS_MAX: usize = 512;
/// The searcher's revision: what another has found is not found.
const SEARCHER: u8 = 1;
/// By which all searches are invalidated at once.
const LIBRARY: &str = "library";

/// What is searched for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum SearchKind {
    Top,
    Tracks,
    Albums,
    Artists,
}

impl SearchKind {
    /// # Errors
    /// [`Error::BadQuery`].
    pub fn new(text: &str) -> Result<Self> {
        match text {
            "top" => Ok(Self::Top),
            "tracks" => Ok(Self::Tracks),
            "albums" => Ok(Self::Albums),
            "artists" => Ok(Self::Artists),
            _ => Err(Error::BadQuery(format!("not top, tracks, albums or artists: {text:.40}"))),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Top => "top",
            Self::Tracks => "tracks",
            Self::Albums => "albums",
            Self::Artists => "artists",
        }
    }
}

/// A text as the searcher sees it: in plain letters, small, with a blank for whatever is neither letter nor digit, once.
#[must_use]
pub fn canonical(query: &str) -> String {
    let plain = deunicode::deunicode_with_tofu(query, " ").to_lowercase();
    let words = plain.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// A search by which results are kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SearchKey {
    user: Option<UserId>,
    kind: SearchKind,
    digest: String,
}

impl SearchKey {
    /// Of a user where what they see differs from what others do, of nobody otherwise.
    ///
    /// # Errors
    /// [`Error::BadQuery`] for a text of nothing, or of too much.
    pub fn new(user: Option<UserId>, kind: SearchKind, query: &str) -> Result<Self> {
        if query.chars().count() > QUERY_CHARS_MAX {
            return Err(Error::BadQuery(format!("a query has {QUERY_CHARS_MAX} letters at most")));
        }
        let text = canonical(query);
        if text.is_empty() {
            return Err(Error::BadQuery("No query provided".into()));
        }
        // The same in every process and after every start, which the language's own hash is not.
        let digest = Sha256::digest([&[SEARCHER][..], text.as_bytes()].concat());
        Ok(Self { user, kind, digest: hex(digest.get(..16).unwrap_or_default()) })
    }
}

impl KeyPart for SearchKey {
    fn write(&self, key: &mut Vec<u8>) -> Result<()> {
        match self.user {
            Some(user) => user.write(key)?,
            None => "g".write(key)?,
        }
        (self.kind.name(), &*self.digest).write(key)
    }
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// What it is.
    pub hash: String,
    /// How well it fits.
    pub score: f32,
}

/// Results of searches. What users like is laid over when they are shown.
#[derive(Clone, Debug)]
pub struct SearchCache<B> {
    cache: TypedCache<SearchKey, Vec<Found>, B>,
    /// The owner's own keys carry no tags.
    bare: bool,
}

/// Results from one on, and whether there are more.
pub type Page = (Vec<Found>, bool);

impl<B: Backend> SearchCache<B> {
    pub(super) fn new(bare: bool, backend: B, metrics: &Metrics) -> Result<Self> {
        let namespace = if bare { SEARCH.bare() } else { SEARCH };
        Ok(Self { cache: TypedCache::with_metrics(namespace, backend, metrics)?, bare })
    }

    /// Results from `start` on, so many at most; searched for where they are not known, all of them at once.
    ///
    /// # Errors
    /// [`Error::BadQuery`] for a limit outside of 1 to 150; what the searcher says.
    pub async fn page<T>(
        &self,
        key: &SearchKey,
        start: usize,
        limit: i64,
        search: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Page>
    where
        T: Future<Output = Result<Vec<Found>, LoadError>> + Send + 'static,
    {
        if !(1..=RESULTS_MAX).contains(&limit) {
            return Err(Error::BadQuery(format!("a limit is 1 to {RESULTS_MAX}")));
        }
        let load = |_| async move {
            let mut all = search().await?;
            all.truncate(RESULTS_MAX as usize);
            Ok(Loaded::Value(all))
        };
        let all = self.cache.get_or_load_tagged(key, &[LIBRARY], load).await?.unwrap_or_default();
        let page: Vec<Found> = all.iter().skip(start).take(limit.unsigned_abs() as usize).cloned().collect();
        let more = start.saturating_add(page.len()) < all.len();
        Ok((page, more))
    }

    /// All searches are made anew: the library has changed. O(1).
    ///
    /// # Errors
    /// What the backend says.
    pub async fn invalidate(&self) -> Result<()> {
        if self.bare {
            return self.cache.clear(false).await.map(|_| ());
        }
        self.cache.invalidate_tag(LIBRARY).await
    }

    /// The cache behind it.
    #[must_use]
    pub fn cache(&self) -> &TypedCache<SearchKey, Vec<Found>, B> {
        &self.cache
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_seen_as_the_searcher_sees_it() {
        assert_eq!(canonical("  Björk—Jóga!!  (Live)"), "bjork joga live");
        // Two words are not one.
        assert_ne!(canonical("a b"), canonical("ab"));
        let key = |query| SearchKey::new(None, SearchKind::Top, query).unwrap();
        assert_eq!(key("So  What?"), key("so what"));
        // Defect: the language's own hash differs from process to process, so that nothing was found after a start.
        assert_eq!(key("so what").digest, "f3bb9bea61f64b1684ad17b9c3b3bdd1");
        for bad in ["", "  ", "?!", &"x".repeat(513)] {
            let error = SearchKey::new(None, SearchKind::Top, bad).unwrap_err();
            assert_eq!(error.status(), 400, "{bad}");
        }
        assert_eq!(SearchKey::new(None, SearchKind::Top, "").unwrap_err().to_string(), "No query provided");
        assert!(matches!(SearchKind::new("songs"), Err(Error::BadQuery(_))));
    }
}

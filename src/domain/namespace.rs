//! Namespaces and keys: what belongs together, what may be lost, how long it lives, and how its keys are spelled.

use super::{Error, Result};
use std::time::Duration;

/// Longest key.
pub const KEY_BYTES_MAX: usize = 512;
/// Longest time to live.
pub const TTL_MAX: Duration = Duration::from_secs(10 * 366 * 86_400);

/// What may happen to a namespace's entries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// May vanish at any time.
    Evictable,
    /// Can be built anew from elsewhere, at a price.
    Derived,
    /// Exists nowhere else: never cleared with the rest.
    Durable,
    /// Sessions, codes, limits: likewise, and in doubt the answer is no.
    Security,
}

/// A namespace's settings.
///
/// ```
/// use damselfly::domain::{Class, Namespace};
/// use std::time::Duration;
/// const SPOTIFY: Namespace = Namespace::new("spotify", Class::Evictable).ttl(Duration::from_secs(12 * 3600));
/// assert_eq!(SPOTIFY.key(&("track", "4uLU6hMCjMI75M1A2tKUQC"))?, b"spotify:track:4uLU6hMCjMI75M1A2tKUQC");
/// # Ok::<(), damselfly::domain::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Namespace {
    pub(crate) name: &'static str,
    /// What keys begin with; the name unless somebody else chose it.
    pub(crate) prefix: &'static str,
    pub(crate) class: Class,
    pub(crate) ttl: Duration,
    pub(crate) stale: Duration,
    pub(crate) negative: Duration,
    pub(crate) jitter: u8,
    pub(crate) value_bytes_max: usize,
    pub(crate) budget: u64,
    pub(crate) schema: u16,
    pub(crate) bare: bool,
    pub(crate) soft_timeout: Duration,
    pub(crate) hard_timeout: Duration,
}

impl Namespace {
    /// With a day to live, ten per cent of jitter, a minute for what does not exist, and 1 MiB a value.
    #[must_use]
    pub const fn new(name: &'static str, class: Class) -> Self {
        Self {
            name,
            prefix: name,
            class,
            ttl: Duration::from_secs(86_400),
            stale: Duration::ZERO,
            negative: Duration::from_secs(60),
            jitter: 10,
            value_bytes_max: 1 << 20,
            budget: 0,
            schema: 1,
            bare: false,
            soft_timeout: Duration::ZERO,
            hard_timeout: Duration::from_secs(10),
        }
    }

    /// Another beginning of its keys than its name.
    #[must_use]
    pub const fn prefix(mut self, prefix: &'static str) -> Self {
        self.prefix = prefix;
        self
    }

    /// How long an entry is fresh.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// How much longer it is shown while a fresh one is being made, or cannot be made.
    #[must_use]
    pub const fn stale(mut self, stale: Duration) -> Self {
        self.stale = stale;
        self
    }

    /// How long it is remembered that something does not exist. Zero: not at all.
    #[must_use]
    pub const fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.negative = ttl;
        self
    }

    /// By how many per cent lives differ, so that what was filled together does not end together.
    #[must_use]
    pub const fn jitter(mut self, percent: u8) -> Self {
        self.jitter = percent;
        self
    }

    /// Longest value.
    #[must_use]
    pub const fn max_value(mut self, bytes: usize) -> Self {
        self.value_bytes_max = bytes;
        self
    }

    /// Bytes that the namespace should stay within: shown beside what it takes.
    #[must_use]
    pub const fn budget(mut self, bytes: u64) -> Self {
        self.budget = bytes;
        self
    }

    /// The revision of its values' form: what was written by another is a miss.
    #[must_use]
    pub const fn schema(mut self, revision: u16) -> Self {
        self.schema = revision;
        self
    }

    /// Values without the envelope, as any client writes and reads them: no staleness, no negatives, no tags.
    #[must_use]
    pub const fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    /// How long a caller waits for a fresh value where a stale one is there, and how long where there is none.
    #[must_use]
    pub const fn timeouts(mut self, soft: Duration, hard: Duration) -> Self {
        self.soft_timeout = soft;
        self.hard_timeout = hard;
        self
    }

    /// A copy whose keys nobody else has, for tests that run at once. Its name stays in memory.
    #[must_use]
    pub fn ephemeral(self) -> Self {
        Self { prefix: Box::leak(format!("{}~{}", self.prefix, super::token(6)).into_boxed_str()), ..self }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What its keys begin with.
    #[must_use]
    pub const fn key_prefix(&self) -> &'static str {
        self.prefix
    }

    /// What may happen to its entries.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// A key of it: the prefix and the part, with a colon between.
    ///
    /// # Errors
    /// [`Error::BadKey`] where a part is empty, holds braces, blanks or control characters, or all is too long.
    pub fn key(&self, part: &(impl KeyPart + ?Sized)) -> Result<Vec<u8>> {
        let mut key = Vec::with_capacity(self.prefix.len() + 40);
        key.extend_from_slice(self.prefix.as_bytes());
        part.write(&mut key)?;
        if self.prefix.is_empty() {
            key.remove(0);
        }
        if key.len() > KEY_BYTES_MAX {
            return Err(Error::BadKey(format!("longer than {KEY_BYTES_MAX} bytes")));
        }
        Ok(key)
    }

    /// A time to live with its jitter, in ms: the same for a key whenever it is asked.
    pub(crate) fn jittered_ms(&self, key: &[u8], ttl: Duration) -> u64 {
        let ms = (ttl.as_millis() as u64).max(1);
        let spread = ms / 100 * u64::from(self.jitter.min(90));
        if spread == 0 {
            return ms;
        }
        // FNV-1a: what is wanted is spread, not secrecy.
        let hash = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        ms - spread + (hash >> 16) % (2 * spread + 1)
    }

    /// # Errors
    /// The name, or a time.
    pub(crate) fn check(&self) -> Result<()> {
        check_name(self.name)?;
        check_ttl(self.ttl)
    }
}

/// # Errors
/// [`Error::BadNamespace`] where it does not fit `[a-z][a-z0-9_-]{0,31}`.
pub fn check_name(name: &str) -> Result<()> {
    let fits = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || b"_-".contains(&letter);
    let starts = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    if starts && name.len() <= 32 && name.bytes().all(fits) {
        return Ok(());
    }
    Err(Error::BadNamespace(name.chars().take(40).collect()))
}

fn check_part(part: &str) -> Result<()> {
    if part.is_empty() {
        return Err(Error::BadKey("an empty part".into()));
    }
    match part.chars().find(|letter| letter.is_control() || matches!(letter, '{' | '}' | ' ')) {
        Some(letter) => Err(Error::BadKey(format!("{letter:?} in a part"))),
        None => Ok(()),
    }
}

/// # Errors
/// [`Error::BadTtl`]: zero, or beyond ten years.
pub fn check_ttl(ttl: Duration) -> Result<()> {
    if ttl.as_millis() == 0 || ttl > TTL_MAX {
        return Err(Error::BadTtl(format!("{ttl:?}")));
    }
    Ok(())
}

/// A time to live from hours, as callers of another language give them: half hours are fine.
///
/// # Errors
/// [`Error::BadTtl`]: no number, zero, negative, or beyond ten years; never 'for ever'.
pub fn hours(hours: f64) -> Result<Duration> {
    let bad = || Error::BadTtl(format!("{hours} hours"));
    let ttl = Duration::try_from_secs_f64(hours * 3600.0).map_err(|_| bad())?;
    check_ttl(ttl).map_err(|_| bad())?;
    Ok(ttl)
}

/// A user's part of a key, in braces: all that a user has is in one slot, and nobody else's key can be spelled so.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct UserId(i64);

impl UserId {
    /// # Errors
    /// [`Error::BadUser`]: not positive.
    pub fn new(id: i64) -> Result<Self> {
        if id <= 0 { Err(Error::BadUser(id)) } else { Ok(Self(id)) }
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> i64 {
        self.0
    }

    /// `{u:42}`.
    #[must_use]
    pub fn tag(self) -> String {
        format!("{{u:{}}}", self.0)
    }
}

/// Something that keys are made of.
pub trait KeyPart {
    /// Appends its parts, each behind a colon.
    ///
    /// # Errors
    /// [`Error::BadKey`] and its like.
    fn write(&self, key: &mut Vec<u8>) -> Result<()>;
}

impl KeyPart for str {
    fn write(&self, key: &mut Vec<u8>) -> Result<()> {
        check_part(self)?;
        key.push(b':');
        key.extend_from_slice(self.as_bytes());
        Ok(())
    }
}

impl KeyPart for &str {
    fn write(&self, key: &mut Vec<u8>) -> Result<()> {
        (**self).write(key)
    }
}

impl KeyPart for String {
    fn write(&self, key: &mut Vec<u8>) -> Result<()> {
        self.as_str().write(key)
    }
}

impl KeyPart for UserId {
    fn write(&self, key: &mut Vec<u8>) -> Result<()> {
        key.push(b':');
        key.extend_from_slice(self.tag().as_bytes());
        Ok(())
    }
}

impl<A: KeyPart, B: KeyPart> KeyPart for (A, B) {
    fn write(&self, key: &mut Vec<u8>) -> Result<()> {
        self.0.write(key)?;
        self.1.write(key)
    }
}

impl<A: KeyPart, B: KeyPart, C: KeyPart> KeyPart for (A, B, C) {
    fn write(&self, key: &mut Vec<u8>) -> Result<()> {
        self.0.write(key)?;
        self.1.write(key)?;
        self.2.write(key)
    }
}

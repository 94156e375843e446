//! What was played: each play once, in the user's counts, their recent list and their log as one, and from the log into the
//! database.
//!
//! 1. [`record`](PlayCounts::record) does all that is a user's in one step, in their slot, and drops their page's part that
//!    has become wrong. A play that comes again changes nothing.
//! 2. The count over all users is a [`Counter`]'s, which knows a play by the same name.
//! 3. [`flush`](PlayCounts::flush) brings logs to the database, where a play is unique by user, track and second: one that
//!    comes twice, because whoever flushed died in between, is ignored there.

use super::home::{Entry, HomeCache};
use super::names::{ItemHash, PLAYCOUNTS, PLAYS, RECENT};
use crate::domain::{Backend, Counter, Error, Op, Result, UserId, arg, int, items, number, sibling, string};
use crate::reply::Reply;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Records a play: 1, or 0 where it is there. Keys: log, ids, counts, page's part, its fill token, recent list or nothing. Args:
/// id, play, ms that ids are kept, seconds, time, most recent, ms that recents live, track, what is counted ...
static RECORD: Op = Op {
    name: "plays.record",
    lua: "local t = now()
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', t - ARGV[3]))
if redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[2], string.format('%.0f', t), ARGV[1])
redis.call('XADD', KEYS[1], '*', 'play', ARGV[2])
for i = 9, #ARGV do
  redis.call('HINCRBY', KEYS[3], ARGV[i] .. ':n', 1)
  redis.call('HINCRBY', KEYS[3], ARGV[i] .. ':s', ARGV[4])
  if tonumber(redis.call('HGET', KEYS[3], ARGV[i] .. ':l') or '0') < tonumber(ARGV[5]) then
    redis.call('HSET', KEYS[3], ARGV[i] .. ':l', ARGV[5])
  end
end
redis.call('DEL', KEYS[4], KEYS[5])
if KEYS[6] then
  redis.call('LREM', KEYS[6], 0, ARGV[8])
  redis.call('LPUSH', KEYS[6], ARGV[8])
  redis.call('LTRIM', KEYS[6], 0, ARGV[6] - 1)
  redis.call('PEXPIRE', KEYS[6], ARGV[7])
end
return 1",
    native: |inside, keys, args| {
        let [log, ids, counts] = [0, 1, 2].map(|at| arg(keys, at));
        let now = inside.now_ms();
        let gone = now.saturating_sub(number(arg(args, 2)).unsigned_abs()).to_string();
        inside.call(&[b"ZREMRANGEBYSCORE", ids, b"-inf", gone.as_bytes()])?;
        if inside.call(&[b"ZSCORE", ids, arg(args, 0)])? != Reply::Null {
            return Ok(Reply::Int(0));
        }
        inside.call(&[b"ZADD", ids, now.to_string().as_bytes(), arg(args, 0)])?;
        inside.call(&[b"XADD", log, b"*", b"play", arg(args, 1)])?;
        for name in args.get(8..).unwrap_or_default() {
            let field = |what: &[u8]| [name, what].concat();
            inside.call(&[b"HINCRBY", counts, &field(b":n"), b"1"])?;
            inside.call(&[b"HINCRBY", counts, &field(b":s"), arg(args, 3)])?;
            let last = field(b":l");
            let was = string(inside.call(&[b"HGET", counts, &last])?)?;
            if number(&was) < number(arg(args, 4)) {
                inside.call(&[b"HSET", counts, &last, arg(args, 4)])?;
            }
        }
        inside.call(&[b"DEL", arg(keys, 3), arg(keys, 4)])?;
        if let Some(recent) = keys.get(5) {
            inside.call(&[b"LREM", recent, b"0", arg(args, 7)])?;
            inside.call(&[b"LPUSH", recent, arg(args, 7)])?;
            let last = (number(arg(args, 5)) - 1).to_string();
            inside.call(&[b"LTRIM", recent, b"0", last.as_bytes()])?;
            inside.call(&[b"PEXPIRE", recent, arg(args, 6)])?;
        }
        Ok(Reply::Int(1))
    },
};

/// A track that was played.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Play {
    /// Who played it.
    pub userid: UserId,
    /// What.
    pub trackhash: ItemHash,
    /// When, in Unix s or ms by the client's clock.
    pub timestamp: i64,
    /// For how many seconds.
    pub duration: u32,
    /// From where: `al:` and so on.
    #[serde(default)]
    pub source: String,
    /// Its album.
    #[serde(default)]
    pub albumhash: Option<ItemHash>,
    /// Its artists.
    #[serde(default)]
    pub artisthashes: Vec<ItemHash>,
    /// Whatever else.
    #[serde(default)]
    pub extra: serde_json::Value,
}

/// What sources begin with.
const SOURCES: [&str; 7] = ["tr:", "al:", "ar:", "pl:", "fo:", "mix:", "favorite"];

/// How often something was played.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Count {
    /// Times.
    pub plays: u64,
    /// Seconds.
    pub seconds: u64,
    /// Unix s of the last time.
    pub last: u64,
}

/// What became of a play.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recorded {
    /// It is counted.
    New,
    /// It was counted before.
    Duplicate,
}

/// Whether a play is worth telling Last.fm: of a track of more than half a minute, half of it or four minutes.
#[must_use]
pub fn is_scrobble(track_seconds: u32, played_seconds: u32) -> bool {
    track_seconds > 30 && played_seconds >= (track_seconds / 2).min(240)
}

/// Where plays are kept.
pub trait PlaySink {
    /// Keeps plays, each once however often it comes; how many were new.
    ///
    /// # Errors
    /// It is not known which are kept.
    fn apply(&mut self, plays: &[Play]) -> Result<usize>;
}

/// Plays in the application's table.
#[derive(Debug)]
pub struct SqlitePlays(rusqlite::Connection);

impl SqlitePlays {
    /// Makes the table where it is missing.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn open(connection: rusqlite::Connection) -> Result<Self> {
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS scrobble (id INTEGER PRIMARY KEY, userid INTEGER NOT NULL, trackhash TEXT NOT NULL,
               duration INTEGER NOT NULL, timestamp INTEGER NOT NULL, source TEXT NOT NULL, extra TEXT NOT NULL,
               UNIQUE (userid, trackhash, timestamp))",
        )?;
        Ok(Self(connection))
    }

    /// How often a user played a track; any user where none is given.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn count(&self, user: Option<UserId>, track: ItemHash) -> Result<u64> {
        let sql = "SELECT COUNT(*) FROM scrobble WHERE trackhash = ?1 AND (?2 IS NULL OR userid = ?2)";
        let count: i64 = self.0.query_row(sql, (track.as_str(), user.map(UserId::get)), |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }
}

impl PlaySink for SqlitePlays {
    fn apply(&mut self, plays: &[Play]) -> Result<usize> {
        let (transaction, mut new) = (self.0.transaction()?, 0);
        {
            let mut insert = transaction.prepare_cached(
                "INSERT OR IGNORE INTO scrobble (userid, trackhash, duration, timestamp, source, extra)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            for play in plays {
                let (track, extra) = (play.trackhash.as_str(), play.extra.to_string());
                new += insert.execute((
                    play.userid.get(),
                    track,
                    play.duration,
                    play.timestamp,
                    &play.source,
                    extra,
                ))?;
            }
        }
        transaction.commit()?;
        Ok(new)
    }
}

/// Plays.
#[derive(Clone, Debug)]
pub struct PlayCounts<B> {
    backend: B,
    home: HomeCache<B>,
    all: Counter<B>,
    dirty: Vec<u8>,
    recents: usize,
    /// The owner's own keys too.
    compat: bool,
}

/// How long it is remembered that a play was recorded.
const IDS_KEPT: Duration = Duration::from_secs(90 * 86_400);
/// Plays that are brought to the database at once.
const FLUSH_MAX: usize = 1000;

impl<B: Backend> PlayCounts<B> {
    pub(super) fn new(backend: B, home: HomeCache<B>, recents: usize, compat: bool) -> Result<Self> {
        let all = Counter::new(PLAYCOUNTS, backend.clone())?;
        Ok(Self { dirty: PLAYS.key("dirty")?, backend, home, all, recents, compat })
    }

    /// Records a play, once.
    ///
    /// # Errors
    /// [`Error::BadEvent`] for less than five seconds, no time, or a source that is none; what the backend says. Whoever
    /// does not know whether it arrived sends it again.
    pub async fn record(&self, play: &Play) -> Result<Recorded> {
        let invalid = || Error::BadEvent("Invalid entry.".into());
        let known = play.source.is_empty() || SOURCES.iter().any(|it| play.source.starts_with(it));
        if play.duration < 5 || !known || play.artisthashes.len() > 64 {
            return Err(invalid());
        }
        let ms = crate::domain::client_ms(play.timestamp, self.backend.now_ms()).map_err(|_| invalid())?;
        let at = i64::try_from(ms / 1000).unwrap_or(i64::MAX);
        let play = Play { timestamp: at, ..play.clone() };
        let user = play.userid;
        let id = format!("{}:{at}", play.trackhash);
        let body = serde_json::to_vec(&play).map_err(|error| Error::NotSerializable(error.to_string()))?;
        let mut names = vec![format!("t:{}", play.trackhash)];
        names.extend(play.albumhash.iter().map(|hash| format!("al:{hash}")));
        names.extend(play.artisthashes.iter().map(|hash| format!("ar:{hash}")));
        let [kept, seconds, at, most, lives] = [
            IDS_KEPT.as_millis().to_string(),
            play.duration.to_string(),
            at.to_string(),
            self.recents.to_string(),
            RECENT_TTL.as_millis().to_string(),
        ];
        let track = play.trackhash;
        let mut args = vec![
            id.as_bytes(),
            &body,
            kept.as_bytes(),
            seconds.as_bytes(),
            at.as_bytes(),
            most.as_bytes(),
            lives.as_bytes(),
            track.as_str().as_bytes(),
        ];
        args.extend(names.iter().map(String::as_bytes));
        let base = PLAYS.key(&user)?;
        let (log, ids) = (sibling(&base, "log"), sibling(&base, "seen"));
        let (counts, recent) = (PLAYCOUNTS.key(&user)?, RECENT.key(&user)?);
        let part = self.home.raw_key(user, Entry::RecentlyPlayed)?;
        let part_fill = sibling(&part, "fill");
        // The owner's own keys are in other slots: they follow below.
        let reply = if self.compat {
            let (page, page_fill) = (sibling(&base, "none"), sibling(&base, "none:fill"));
            self.backend.atomic(&RECORD, &[&log, &ids, &counts, &page, &page_fill], &args).await?
        } else {
            self.backend.atomic(&RECORD, &[&log, &ids, &counts, &part, &part_fill, &recent], &args).await?
        };
        let new = int(reply)? == 1;
        // Known by the same name: whoever died in between is made up for by the one who sends it again.
        self.all.add_once(track.as_str(), 1, &format!("{}:{id}", user.get())).await?;
        self.backend.call(&[b"SADD", &self.dirty, user.get().to_string().as_bytes()]).await?;
        if new && self.compat {
            self.home.forget(user, &[Entry::RecentlyPlayed]).await?;
            self.backend.call(&[b"INCR", &PLAYS.key(&track)?]).await?;
        }
        Ok(if new { Recorded::New } else { Recorded::Duplicate })
    }

    /// How often a user played things: tracks, albums or artists. One command.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn counts(&self, user: UserId, of: &[(super::Kind, ItemHash)]) -> Result<Vec<Count>> {
        let key = PLAYCOUNTS.key(&user)?;
        let fields: Vec<String> = of
            .iter()
            .flat_map(|(kind, hash)| {
                let short = match kind {
                    super::Kind::Track => "t",
                    super::Kind::Album => "al",
                    super::Kind::Artist => "ar",
                };
                ["n", "s", "l"].map(|what| format!("{short}:{hash}:{what}"))
            })
            .collect();
        if fields.is_empty() {
            return Ok(Vec::new());
        }
        let mut argv: Vec<&[u8]> = vec![b"HMGET", &key];
        argv.extend(fields.iter().map(String::as_bytes));
        let numbers: Vec<u64> = items(self.backend.call(&argv).await?)?
            .into_iter()
            .map(|it| int(it).map(i64::unsigned_abs))
            .collect::<Result<_>>()?;
        let count = |of: &[u64]| match of {
            &[plays, seconds, last] => Count { plays, seconds, last },
            _ => Count::default(),
        };
        Ok(numbers.chunks(3).map(count).collect())
    }

    /// The counts over all users, which are written back by themselves.
    #[must_use]
    pub fn all(&self) -> &Counter<B> {
        &self.all
    }

    /// Brings what was recorded to the database; how many plays were new there.
    ///
    /// # Errors
    /// What the sink or the backend says; what was recorded is then still there.
    pub async fn flush(&self, sink: &mut (impl PlaySink + Send)) -> Result<usize> {
        let mut new = 0;
        for user in items(self.backend.call(&[b"SMEMBERS", &self.dirty]).await?)? {
            let user = string(user)?;
            // Before the log is read: who records behind that says so again.
            self.backend.call(&[b"SREM", &self.dirty, &user]).await?;
            let flushed = match UserId::new(number(&user)) {
                Ok(id) => self.flush_user(id, sink).await,
                Err(_) => Ok(0),
            };
            match flushed {
                Ok(count) => new += count,
                Err(error) => {
                    self.backend.call(&[b"SADD", &self.dirty, &user]).await?;
                    return Err(error);
                }
            }
        }
        Ok(new)
    }

    async fn flush_user(&self, user: UserId, sink: &mut (impl PlaySink + Send)) -> Result<usize> {
        let (log, most, mut new) = (sibling(&PLAYS.key(&user)?, "log"), FLUSH_MAX.to_string(), 0);
        loop {
            let reply = self.backend.call(&[b"XRANGE", &log, b"-", b"+", b"COUNT", most.as_bytes()]).await?;
            let (mut ids, mut plays) = (Vec::new(), Vec::new());
            for entry in items(reply)? {
                let mut parts = items(entry)?.into_iter();
                ids.push(string(parts.next().unwrap_or(Reply::Null))?);
                let fields = items(parts.next().unwrap_or(Reply::Null))?;
                let body = string(fields.into_iter().nth(1).unwrap_or(Reply::Null))?;
                plays.push(
                    serde_json::from_slice::<Play>(&body)
                        .map_err(|error| Error::Corrupt(error.to_string()))?,
                );
            }
            if ids.is_empty() {
                return Ok(new);
            }
            new += sink.apply(&plays)?;
            let mut argv: Vec<&[u8]> = vec![b"XDEL", &log];
            argv.extend(ids.iter().map(|id| &**id));
            self.backend.call(&argv).await?;
        }
    }

    /// Finds logs of users that nobody knows to have one, because whoever recorded died before saying so; how many. O(keys of
    /// the store), at the start.
    ///
    /// # Errors
    /// What the backend says.
    pub async fn recover(&self) -> Result<usize> {
        let (mut cursor, mut found) = (Vec::new(), 0);
        loop {
            let (next, keys) = self.backend.scan(&cursor, b"plays:{u:", 1000).await?;
            for key in keys {
                let user = key.strip_prefix(b"plays:{u:").and_then(|rest| rest.strip_suffix(b"}:log"));
                if let Some(user) = user {
                    self.backend.call(&[b"SADD", &self.dirty, user]).await?;
                    found += 1;
                }
            }
            if next.is_empty() {
                return Ok(found);
            }
            cursor = next;
        }
    }
}

const RECENT_TTL: Duration = Duration::from_secs(30 * 86_400);

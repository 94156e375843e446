//! Which members an owner has, where the truth is elsewhere: known to be one, known not to be one, or not known.
//!
//! An owner's members are a set. Once all of them have been brought there it also has the *mark*, an empty member: what
//! the set lacks then is known to be absent. The mark lives and dies with the set, so that no half of it is ever taken
//! for all. Until it is there nothing is known, and changes go past: whoever brings the members reads them from where
//! the truth is.
//!
//! Who brings them holds a token meanwhile. A change voids it, because what is being brought may be from before the
//! change, and the next reader asks for another.

use super::backend::{arg, int, items, string};
use super::cache::{DELETE_IF, FORGET, Filled, LoadError};
use super::namespace::{KeyPart, Namespace};
use super::{Backend, Error, Op, Result, sibling, token};
use crate::clock::Stopwatch;
use crate::reply::Reply;
use std::future::Future;
use std::marker::PhantomData;
use std::time::Duration;

/// Sets or unsets a member where all are known: 1; where not, voids a load: 0. Keys: set, token. Args: member, 1 or 0.
static SET: Op = Op {
    name: "membership.set",
    lua: "if redis.call('SISMEMBER', KEYS[1], '') == 0 then
  redis.call('DEL', KEYS[2])
  return 0
end
redis.call(ARGV[2] == '1' and 'SADD' or 'SREM', KEYS[1], ARGV[1])
return 1",
    native: |inside, keys, args| {
        let set = arg(keys, 0);
        if inside.int(&[b"SISMEMBER", set, b""])? == 0 {
            inside.call(&[b"DEL", arg(keys, 1)])?;
            return Ok(Reply::Int(0));
        }
        let change: &[u8] = if arg(args, 1) == b"1" { b"SADD" } else { b"SREM" };
        inside.call(&[change, set, arg(args, 0)])?;
        Ok(Reply::Int(1))
    },
};

/// Gives the token where nothing is known and nobody has it: 1 or 0. Keys: set, token. Args: token, ms.
static BEGIN: Op = Op {
    name: "membership.begin",
    lua: "if redis.call('SISMEMBER', KEYS[1], '') == 1 then return 0 end
return redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0",
    native: |inside, keys, args| {
        if inside.int(&[b"SISMEMBER", arg(keys, 0), b""])? == 1 {
            return Ok(Reply::Int(0));
        }
        let set = inside.call(&[b"SET", arg(keys, 1), arg(args, 0), b"NX", b"PX", arg(args, 1)])?;
        Ok(Reply::Int(i64::from(set != Reply::Null)))
    },
};

/// Replaces all members for the holder of the token: 1, or 0 where it is void. Keys: set, token. Args: token, ms to live,
/// members ...
static FILL: Op = Op {
    name: "membership.fill",
    lua: "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('SADD', KEYS[1], '')
for at = 3, #ARGV, 1000 do redis.call('SADD', KEYS[1], unpack(ARGV, at, math.min(at + 999, #ARGV))) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1",
    native: |inside, keys, args| {
        let (set, held) = (arg(keys, 0), arg(keys, 1));
        if inside.get(held)?.as_deref() != Some(arg(args, 0)) {
            return Ok(Reply::Int(0));
        }
        inside.call(&[b"DEL", set, held])?;
        let mut add: Vec<&[u8]> = vec![b"SADD", set, b""];
        add.extend(args.get(2..).unwrap_or_default());
        inside.call(&add)?;
        inside.call(&[b"PEXPIRE", set, arg(args, 1)])?;
        Ok(Reply::Int(1))
    },
};

/// What is known of a member.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[must_use]
pub enum Member {
    /// It is one, or it is none.
    Known(bool),
    /// The truth is elsewhere.
    Unknown,
}

/// The right to bring an owner's members, until one changes.
#[derive(Clone, Debug)]
#[must_use]
pub struct LoadToken {
    key: Vec<u8>,
    token: String,
}

/// Most members of an owner.
pub const MEMBERS_MAX: usize = 100_000;

/// The members of owners.
///
/// ```
/// use damselfly::domain::{Class, Embedded, Member, Membership, Namespace, UserId};
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let favorites: Membership<(UserId, &str), _> =
///     Membership::new(Namespace::new("favorites", Class::Derived), Embedded::in_memory())?;
/// let tracks = (UserId::new(42)?, "track");
/// assert_eq!(favorites.has(&tracks, "a").await?, Member::Unknown);
/// let page = favorites.has_many_or_load(&tracks, &["a", "b"], async || Ok(vec!["b".to_owned()])).await?;
/// assert_eq!(page, [false, true]);
/// favorites.set(&tracks, "a", true).await?;
/// assert_eq!(favorites.has(&tracks, "a").await?, Member::Known(true));
/// # Ok::<(), damselfly::domain::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Membership<O: ?Sized, B> {
    namespace: Namespace,
    backend: B,
    of: PhantomData<fn(&O)>,
}

impl<O: ?Sized, B: Clone> Clone for Membership<O, B> {
    fn clone(&self) -> Self {
        Self { backend: self.backend.clone(), ..*self }
    }
}

impl<O: KeyPart + ?Sized, B: Backend> Membership<O, B> {
    /// An owner's members are forgotten when the namespace's time to live is over, and brought anew.
    ///
    /// # Errors
    /// [`Error::BadNamespace`], [`Error::BadTtl`].
    pub fn new(namespace: Namespace, backend: B) -> Result<Self> {
        namespace.check()?;
        Ok(Self { namespace, backend, of: PhantomData })
    }

    /// Says what a member is from now on, after the truth was changed; whether it is remembered. Where nothing is known
    /// of the owner it is not. Saying it twice is saying it once.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn set(&self, owner: &O, member: &str, is: bool) -> Result<bool> {
        let key = self.namespace.key(owner)?;
        check(member)?;
        let is: &[u8] = if is { b"1" } else { b"0" };
        let args = [member.as_bytes(), is];
        Ok(int(self.backend.atomic(&SET, &[&key, &sibling(&key, "fill")], &args).await?)? == 1)
    }

    /// What is known of a member. One command.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn has(&self, owner: &O, member: &str) -> Result<Member> {
        Ok(self.has_many(owner, &[member]).await?.first().copied().unwrap_or(Member::Unknown))
    }

    /// What is known of a page of members, in one command.
    ///
    /// # Errors
    /// [`Error::BadKey`], [`Error::TooLarge`]; what the backend says.
    pub async fn has_many(&self, owner: &O, members: &[&str]) -> Result<Vec<Member>> {
        let key = self.namespace.key(owner)?;
        if members.len() > super::BATCH_MAX {
            return Err(Error::TooLarge { limit: super::BATCH_MAX });
        }
        let mut argv: Vec<&[u8]> = vec![b"SMISMEMBER", &key, b""];
        for member in members {
            check(member)?;
            argv.push(member.as_bytes());
        }
        let mut found = items(self.backend.call(&argv).await?)?.into_iter();
        let all = int(found.next().unwrap_or(Reply::Null))? == 1;
        found.map(|is| Ok(if all { Member::Known(int(is)? == 1) } else { Member::Unknown })).collect()
    }

    /// A page of members, brought from where the truth is where nothing is known; one load at a time, across processes.
    ///
    /// # Errors
    /// [`Error::Load`] where the loader fails; [`Error::Timeout`] where another's load takes longer than the namespace's
    /// hard timeout and ours fails too; as [`has_many`](Self::has_many).
    pub async fn has_many_or_load<T>(
        &self,
        owner: &O,
        members: &[&str],
        load: impl Fn() -> T,
    ) -> Result<Vec<bool>>
    where
        T: Future<Output = Result<Vec<String>, LoadError>>,
    {
        let (watch, mut pause) = (Stopwatch::start(), LOOK);
        loop {
            match self.has_many(owner, members).await {
                Ok(known) if !known.contains(&Member::Unknown) => {
                    return Ok(known.into_iter().map(|is| is == Member::Known(true)).collect());
                }
                // The cache must not be what the application fails of.
                Ok(_) => {}
                Err(error) if error.is_outage() => return answer(members, load().await),
                Err(error) => return Err(error),
            }
            if members.is_empty() {
                return Ok(Vec::new());
            }
            if let Some(token) = self.begin(owner).await? {
                let loaded = load().await;
                match &loaded {
                    // Where it is void another change came in between; what we loaded is as good an answer as any.
                    Ok(all) => drop(self.fill(token, all).await?),
                    Err(_) => self.give_up(token).await?,
                }
                return answer(members, loaded);
            }
            if watch.elapsed() > self.namespace.hard_timeout {
                return answer(members, load().await);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK * 10);
        }
    }

    /// All members; `None` where nothing is known.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn list(&self, owner: &O) -> Result<Option<Vec<String>>> {
        let key = self.namespace.key(owner)?;
        let (mut marked, mut list) = (false, Vec::new());
        for member in items(self.backend.call(&[b"SMEMBERS", &key]).await?)? {
            let member = string(member)?;
            if member.is_empty() {
                marked = true;
            } else {
                list.push(String::from_utf8_lossy(&member).into_owned());
            }
        }
        Ok(marked.then_some(list))
    }

    /// Asks for the right to bring an owner's members where nothing is known; given to one at a time, for as long as the
    /// hard timeout.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn begin(&self, owner: &O) -> Result<Option<LoadToken>> {
        let (key, token) = (self.namespace.key(owner)?, token(12));
        let ms = self.namespace.hard_timeout.as_millis().max(1).to_string();
        let beside = sibling(&key, "fill");
        // Asked as one: what somebody brought since the caller looked is not brought again.
        let args = [token.as_bytes(), ms.as_bytes()];
        let given = int(self.backend.atomic(&BEGIN, &[&key, &beside], &args).await?)? == 1;
        Ok(given.then_some(LoadToken { key, token }))
    }

    /// Brings all members of an owner.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond [`MEMBERS_MAX`]; [`Error::BadKey`]; what the backend says.
    pub async fn fill(&self, token: LoadToken, members: &[String]) -> Result<Filled> {
        let LoadToken { key, token } = token;
        if members.len() > MEMBERS_MAX {
            return Err(Error::TooLarge { limit: MEMBERS_MAX });
        }
        let ttl = self.namespace.jittered_ms(&key, self.namespace.ttl).to_string();
        let mut args = vec![token.as_bytes(), ttl.as_bytes()];
        for member in members {
            check(member)?;
            args.push(member.as_bytes());
        }
        let done = self.backend.atomic(&FILL, &[&key, &sibling(&key, "fill")], &args).await?;
        Ok(if int(done)? == 1 { Filled::Stored } else { Filled::Voided })
    }

    async fn give_up(&self, token: LoadToken) -> Result<()> {
        let beside = sibling(&token.key, "fill");
        self.backend.atomic(&DELETE_IF, &[&beside], &[token.token.as_bytes()]).await.map(|_| ())
    }

    /// Forgets an owner's members, and voids a load that is under way; whether something was known.
    ///
    /// # Errors
    /// [`Error::BadKey`]; what the backend says.
    pub async fn clear(&self, owner: &O) -> Result<bool> {
        let key = self.namespace.key(owner)?;
        Ok(int(self.backend.atomic(&FORGET, &[&key, &sibling(&key, "fill")], &[]).await?)? == 1)
    }
}

/// How often it is looked whether another has brought the members.
const LOOK: Duration = Duration::from_millis(5);

fn check(member: &str) -> Result<()> {
    if member.is_empty() || member.len() > 512 {
        return Err(Error::BadKey("a member that is empty or longer than 512 bytes".into()));
    }
    Ok(())
}

fn answer(members: &[&str], loaded: Result<Vec<String>, LoadError>) -> Result<Vec<bool>> {
    let all = loaded.map_err(|LoadError(why)| Error::Load(why))?;
    let all: std::collections::HashSet<&str> = all.iter().map(String::as_str).collect();
    Ok(members.iter().map(|member| all.contains(member)).collect())
}

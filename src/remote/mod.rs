//! The domain layer's [`Backend`] over a socket: Redis, Valkey, Dragonfly or damselfly, one node or a cluster.
//!
//! Operations are scripts, sent by their digest, and by their text where a server does not know it yet. A connection
//! that breaks is opened again; a call meanwhile fails with [`Error::Unavailable`], and one that takes longer than
//! the deadline with [`Error::Timeout`].

use crate::clock::Clock;
use crate::domain::{Backend, Error, Op, Result, glob_for, scan_by_call, scanned};
use crate::reply::Reply;
use dashmap::DashMap;
use redis::Value;
use redis::aio::{ConnectionManager, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// A server, or a cluster of them.
#[derive(Clone)]
pub struct Remote {
    link: Link,
    deadline: Duration,
    clock: Arc<Clock>,
    /// The server's clock minus ours, in ms.
    ahead_ms: Arc<AtomicI64>,
    /// Connections that nobody waits on right now; a wait has one of its own.
    idle: Arc<Mutex<Vec<Waiting>>>,
    opens: Opens,
    /// Operations by their names, as they are sent.
    scripts: Arc<DashMap<&'static str, Arc<Script>>>,
}

/// An operation's text, and the digest by which a server knows it.
struct Script {
    text: String,
    digest: String,
}

#[derive(Clone)]
enum Link {
    Single(ConnectionManager),
    Cluster(ClusterConnection),
}

/// A connection to wait on: whoever waits on one that others use has them all wait.
enum Waiting {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// What opens another connection.
#[derive(Clone)]
enum Opens {
    Single(redis::Client),
    Cluster(Arc<ClusterClient>),
}

impl Opens {
    async fn open(&self) -> redis::RedisResult<Waiting> {
        match self {
            Self::Single(client) => {
                let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
                client.get_multiplexed_async_connection_with_config(&config).await.map(Waiting::Single)
            }
            Self::Cluster(client) => client.get_async_connection().await.map(Waiting::Cluster),
        }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// How long a call may take.
const DEADLINE: Duration = Duration::from_secs(2);
/// Longest wait of one command: whoever waits for longer waits again.
const WAIT_MAX: Duration = Duration::from_secs(60);

impl Remote {
    /// Connects to one server: `redis://[:password@]host:port/db`.
    ///
    /// # Errors
    /// [`Error::Config`] for an address that is none, [`Error::Unavailable`] where nobody answers.
    pub async fn connect(url: &str) -> Result<Self> {
        let client = redis::Client::open(url).map_err(|error| Error::Config(error.to_string()))?;
        let link = tokio::time::timeout(DEADLINE, client.get_connection_manager()).await;
        let link = Link::Single(link.map_err(|_| Error::Timeout)?.map_err(failure)?);
        Self::over(link, Opens::Single(client)).await
    }

    /// Connects to a cluster by any of its nodes.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_cluster<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> Result<Self> {
        let urls: Vec<String> = urls.into_iter().map(|url| url.as_ref().to_owned()).collect();
        let config = |error: redis::RedisError| Error::Config(error.to_string());
        let client = ClusterClient::new(urls.clone()).map_err(config)?;
        // A wait's answer comes when it comes; the wait itself has an end.
        let waits =
            ClusterClient::builder(urls).response_timeout(WAIT_MAX * 2).overall_response_timeout(None);
        let waits = waits.build().map_err(config)?;
        let link = tokio::time::timeout(DEADLINE, client.get_async_connection()).await;
        let link = Link::Cluster(link.map_err(|_| Error::Timeout)?.map_err(failure)?);
        Self::over(link, Opens::Cluster(Arc::new(waits))).await
    }

    async fn over(link: Link, opens: Opens) -> Result<Self> {
        let clock = Arc::new(Clock::system());
        let remote = Self {
            link,
            deadline: DEADLINE,
            clock,
            ahead_ms: Arc::default(),
            idle: Arc::default(),
            opens,
            scripts: Arc::default(),
        };
        remote.compare_clocks().await?;
        Ok(remote)
    }

    /// Another deadline for each call.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Compares our clock with the server's, by which freshness is decided.
    ///
    /// # Errors
    /// As any call.
    pub async fn compare_clocks(&self) -> Result<()> {
        let Reply::Array(parts) = self.call(&[b"TIME"]).await? else { return Ok(()) };
        let part = |at: usize| -> i64 {
            let text =
                parts.get(at).and_then(Reply::as_bytes).and_then(|text| std::str::from_utf8(text).ok());
            text.and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        let theirs = part(0).saturating_mul(1000).saturating_add(part(1) / 1000);
        let ours = i64::try_from(self.clock.now_ms()).unwrap_or(i64::MAX);
        self.ahead_ms.store(theirs.saturating_sub(ours), Ordering::Relaxed);
        Ok(())
    }

    fn script(&self, op: &'static Op) -> Arc<Script> {
        if let Some(known) = self.scripts.get(op.name) {
            return Arc::clone(&known);
        }
        let text = op.script();
        let digest = redis::Script::new(&text).get_hash().to_owned();
        let script = Arc::new(Script { text, digest });
        self.scripts.insert(op.name, Arc::clone(&script));
        script
    }

    async fn send(&self, command: &redis::Cmd) -> Result<std::result::Result<Value, redis::RedisError>> {
        let answer = async {
            match self.link.clone() {
                Link::Single(mut link) => command.query_async::<Value>(&mut link).await,
                Link::Cluster(mut link) => command.query_async::<Value>(&mut link).await,
            }
        };
        tokio::time::timeout(self.deadline, answer).await.map_err(|_| Error::Timeout)
    }
}

impl Backend for Remote {
    async fn call(&self, argv: &[&[u8]]) -> Result<Reply> {
        let mut command = redis::Cmd::new();
        for arg in argv {
            command.arg(*arg);
        }
        reply(self.send(&command).await?.map_err(failure)?)
    }

    async fn atomic(&self, op: &'static Op, keys: &[&[u8]], args: &[&[u8]]) -> Result<Reply> {
        let script = self.script(op);
        let run = |name: &str, what: &[u8]| {
            let mut command = redis::cmd(name);
            command.arg(what).arg(keys.len());
            for arg in keys.iter().chain(args) {
                command.arg(*arg);
            }
            command
        };
        match self.send(&run("EVALSHA", script.digest.as_bytes())).await? {
            Err(error) if error.code() == Some("NOSCRIPT") || error.to_string().contains("NOSCRIPT") => {
                reply(self.send(&run("EVAL", script.text.as_bytes())).await?.map_err(failure)?)
            }
            Err(error) => Err(failure(error)),
            Ok(value) => reply(value),
        }
    }

    fn now_ms(&self) -> u64 {
        self.clock.now_ms().saturating_add_signed(self.ahead_ms.load(Ordering::Relaxed))
    }

    async fn wait_for(&self, list: &[u8], at_most: Duration) -> Result<()> {
        let at_most = at_most.clamp(Duration::from_millis(1), WAIT_MAX);
        let mut connection = match self.idle.lock().await.pop() {
            Some(connection) => connection,
            None => {
                let opened = tokio::time::timeout(self.deadline, self.opens.open()).await;
                opened.map_err(|_| Error::Timeout)?.map_err(failure)?
            }
        };
        let mut command = redis::cmd("BLMOVE");
        // From its head to its tail: what is there stays there, and the next waiter sees it too.
        command.arg(list).arg(list).arg("LEFT").arg("RIGHT").arg(format!("{:.3}", at_most.as_secs_f64()));
        let answer = async {
            match &mut connection {
                Waiting::Single(link) => command.query_async::<Value>(link).await,
                Waiting::Cluster(link) => command.query_async::<Value>(link).await,
            }
        };
        // A connection whose wait is dropped, or broke, is closed: its server has nobody to wait for.
        tokio::time::timeout(at_most + self.deadline, answer)
            .await
            .map_err(|_| Error::Timeout)?
            .map_err(failure)?;
        self.idle.lock().await.push(connection);
        Ok(())
    }

    async fn scan(&self, cursor: &[u8], prefix: &[u8], count: usize) -> Result<(Vec<u8>, Vec<bytes::Bytes>)> {
        match self.link.clone() {
            Link::Single(_) => scan_by_call(self, cursor, prefix, count).await,
            Link::Cluster(link) => self.scan_cluster(link, cursor, prefix, count).await,
        }
    }
}

impl Remote {
    /// A cursor belongs to one node, so ours is that of the node whose turn it is, behind its address and before those of
    /// the nodes that are left: `host:port cursor host:port ...`. A key that moves to another node meanwhile may be missed.
    async fn scan_cluster(
        &self,
        mut link: ClusterConnection,
        cursor: &[u8],
        prefix: &[u8],
        count: usize,
    ) -> Result<(Vec<u8>, Vec<bytes::Bytes>)> {
        let text = if cursor.is_empty() {
            let everyone = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
            let asked = tokio::time::timeout(self.deadline, link.route_command(redis::cmd("PING"), everyone));
            let Value::Map(answers) = asked.await.map_err(|_| Error::Timeout)?.map_err(failure)? else {
                return Err(Error::Backend("a cluster that does not name its nodes".into()));
            };
            let mut nodes: Vec<String> = answers.into_iter().filter_map(|(node, _)| address(node)).collect();
            nodes.sort();
            let rest = nodes.split_off(nodes.len().min(1));
            let first = nodes.pop().ok_or_else(|| Error::Unavailable("a cluster without nodes".into()))?;
            std::iter::once(format!("{first} 0")).chain(rest).collect::<Vec<_>>().join(" ")
        } else {
            String::from_utf8_lossy(cursor).into_owned()
        };
        let mut parts = text.split(' ');
        let (node, at) = (parts.next().unwrap_or_default(), parts.next().unwrap_or("0"));
        let (host, port) = node
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)))
            .ok_or_else(|| Error::Backend(format!("not a cursor: {text}")))?;
        let mut command = redis::cmd("SCAN");
        command.arg(at).arg("MATCH").arg(glob_for(prefix)).arg("COUNT").arg(count);
        let there = RoutingInfo::SingleNode(SingleNodeRoutingInfo::ByAddress { host, port });
        let asked = tokio::time::timeout(self.deadline, link.route_command(command, there));
        let (at, keys) = scanned(reply(asked.await.map_err(|_| Error::Timeout)?.map_err(failure)?)?)?;
        let next = if at.is_empty() {
            // The next node's turn, from its beginning.
            let rest: Vec<&str> = parts.collect();
            match rest.split_first() {
                Some((next, rest)) => {
                    std::iter::once(format!("{next} 0")).chain(rest.iter().map(|&it| it.to_owned())).collect()
                }
                None => Vec::new(),
            }
        } else {
            let at = String::from_utf8_lossy(&at);
            std::iter::once(format!("{node} {at}")).chain(parts.map(str::to_owned)).collect()
        };
        Ok((next.join(" ").into_bytes(), keys))
    }
}

fn address(node: Value) -> Option<String> {
    match node {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

fn failure(error: redis::RedisError) -> Error {
    if error.is_timeout() {
        return Error::Timeout;
    }
    if error.is_io_error() || error.is_connection_refusal() || error.is_connection_dropped() {
        return Error::Unavailable(error.to_string());
    }
    if error.code() == Some("WRONGTYPE") {
        return Error::WrongType;
    }
    Error::from_text(&error.to_string())
}

fn reply(value: Value) -> Result<Reply> {
    let all = |values: Vec<Value>| values.into_iter().map(reply).collect::<Result<Vec<_>>>();
    Ok(match value {
        Value::Nil => Reply::Null,
        Value::Int(value) => Reply::Int(value),
        Value::BulkString(bytes) => Reply::Bulk(bytes.into()),
        Value::SimpleString(text) => Reply::Simple(Cow::Owned(text)),
        Value::Okay => Reply::Simple(Cow::Borrowed("OK")),
        Value::Array(values) => Reply::Array(all(values)?),
        Value::Set(values) => Reply::Set(all(values)?),
        Value::Map(pairs) => {
            let pair = |(key, value)| Ok((reply(key)?, reply(value)?));
            Reply::Map(pairs.into_iter().map(pair).collect::<Result<_>>()?)
        }
        Value::Double(value) => Reply::Double(value),
        Value::Boolean(value) => Reply::Boolean(value),
        Value::VerbatimString { text, .. } => Reply::Bulk(text.into_bytes().into()),
        other => return Err(Error::Backend(format!("unexpected reply: {other:?}"))),
    })
}

//! A server for tests: real sockets and the real engine, with time, chance, faults and the disk in the test's hands.
//!
//! ```
//! use damselfly::testkit::TestServer;
//! use std::time::Duration;
//!
//! let server = TestServer::start();
//! // Code under test connects to `server.url()` with whatever client it uses. Here is a small one:
//! let mut client = server.client();
//! client.call(["SET", "token", "t", "EX", "30"])?;
//!
//! server.advance(Duration::from_secs(31));
//! server.assert_missing("token");
//!
//! server.fail_next("GET", "LOADING the dataset is in memory soon");
//! assert!(client.call(["GET", "token"]).is_err());
//! # Ok::<(), damselfly::testkit::ClientError>(())
//! ```
//!
//! * Each [`TestServer`] is a server of its own: a free port of 127.0.0.1, data of its own, nothing on the disk. It is
//!   there within two milliseconds and gone with its value, so that every test has one and all run at the same time.
//! * [`TestServer::db`] is the data itself, typed and without sockets; faults do not concern it.
//! * Chance is seeded: a test meets the same random members, hashes and evictions each time it runs.
//! * Programs in other languages start `damselfly --test`, which [`process`] does.
//!
//! `docs/testkit.md` compares it with miniredis and fakeredis.
//!
//! # Panics
//! As in any test: what cannot go on panics, and says why and where.

mod assert;
mod client;
mod dump;
pub mod process;

pub use client::{Client, ClientError};

use crate::clock::Clock;
use crate::command::table::TABLE;
use crate::config::{Allowed, Config};
use crate::embed::Damselfly;
use crate::engine::Engine;
use crate::hex::percent_encoded;
use crate::persist::storage::{Fault, Faulty, Memory};
use crate::server::Server;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// Shards of a test's server: enough for commands to meet on several, and quick to make.
const SHARDS: u32 = 2;
/// The seed of everything random, unless told.
const SEED: u64 = 1;
/// `save` of a test's server: it has to have a rule for writes to be refused where saving fails.
const SAVE: &str = "86400 1";

/// A server of a test's own; see the [module](self).
#[derive(Debug)]
pub struct TestServer {
    /// Dropped first: its loops use the rest.
    server: Option<Server>,
    db: Damselfly,
    disk: Faulty,
    addr: SocketAddr,
    password: Option<String>,
}

/// How a [`TestServer`] is to be.
#[derive(Debug)]
#[must_use = "a builder does nothing until it starts"]
pub struct Builder {
    config: Config,
    clock: Clock,
    password: Option<String>,
    port: u16,
}

impl Default for Builder {
    fn default() -> Self {
        let config = Config::default()
            .shards(SHARDS)
            .io_threads(1)
            .seed(SEED)
            .save(SAVE)
            .enable_debug_command(Allowed::Yes);
        Self { config, clock: Clock::system(), password: None, port: 0 }
    }
}

impl Builder {
    /// Draws other random numbers: members, hashes, evictions, the run's id.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config = self.config.seed(seed);
        self
    }

    /// Begins at this moment, Unix ms, and has time stand still.
    pub fn frozen_at(mut self, unix_ms: u64) -> Self {
        self.clock = Clock::manual(unix_ms);
        self
    }

    /// Asks clients for a password; [`TestServer::url`] has it.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        let password = password.into();
        self.config = self.config.requirepass(password.as_str());
        self.password = Some(password);
        self
    }

    /// Listens on this port of 127.0.0.1 rather than on a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Changes any other setting: `.config(|config| config.maxmemory(1 << 20))`.
    pub fn config(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        self.config = change(self.config);
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// A setting out of its range, or no port to listen on.
    #[must_use]
    #[track_caller]
    pub fn start(self) -> TestServer {
        match self.try_start() {
            Ok(server) => server,
            Err(error) => panic!("the test's server cannot start: {error}"),
        }
    }

    /// Starts it.
    ///
    /// # Errors
    /// A setting out of its range, or no port to listen on.
    pub fn try_start(self) -> io::Result<TestServer> {
        let engine = Engine::open(&self.config, self.clock).map_err(io::Error::other)?;
        let disk = Faulty::new(Arc::new(Memory::new()), 0, Fault::Torn);
        disk.set(None);
        engine.save_to(Arc::new(disk.clone()));
        // What is saved at the end goes nowhere.
        engine.persistence().forget(true);
        let listener = TcpListener::bind(("127.0.0.1", self.port))?;
        let addr = listener.local_addr()?;
        let db = Damselfly::over(engine);
        let server = Some(db.serve(listener)?);
        Ok(TestServer { server, db, disk, addr, password: self.password })
    }
}

impl TestServer {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// No port is free.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// A server with settings of its own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where it listens, for any client library: `redis://127.0.0.1:40123`, with its password if it has one.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.password {
            Some(password) => format!("redis://:{}@{}", percent_encoded(password), self.addr),
            None => format!("redis://{}", self.addr),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// A connection of its own, which has said its password.
    ///
    /// # Panics
    /// The server does not answer.
    #[must_use]
    #[track_caller]
    pub fn client(&self) -> Client {
        match Client::connect(self.addr, self.password.as_deref()) {
            Ok(client) => client,
            Err(error) => panic!("no connection to the test's server: {error}"),
        }
    }

    /// The data, typed and in process; faults do not concern it.
    #[must_use]
    pub fn db(&self) -> &Damselfly {
        &self.db
    }

    // ---- Time ---------------------------------------------------------------------------------------------------

    /// Moves time forward: keys expire and waits end as if it had passed. Time that ran runs on from there.
    ///
    /// ```
    /// # use damselfly::testkit::TestServer;
    /// # use std::time::Duration;
    /// let server = TestServer::start();
    /// server.db().set_with("k", "v", damselfly::embed::SetOptions::new().ex(Duration::from_secs(60)))?;
    /// server.advance(Duration::from_secs(59));
    /// server.assert_exists("k");
    /// server.advance(Duration::from_secs(2));
    /// server.assert_missing("k");
    /// # Ok::<(), damselfly::Error>(())
    /// ```
    pub fn advance(&self, by: Duration) {
        self.db.engine().skip(by);
    }

    /// Has time stand still; [`advance`](Self::advance) still moves it.
    pub fn freeze_time(&self) {
        self.db.engine().advance(Duration::ZERO);
    }

    /// Has time run again, from where it stands.
    pub fn unfreeze_time(&self) {
        self.db.engine().run_on();
    }

    /// The server's time, Unix ms.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.db.engine().clock().now_ms()
    }

    // ---- Faults -------------------------------------------------------------------------------------------------

    /// Has the next call of a command fail, whoever makes it: `fail_next("GET", "LOADING not yet")`. The error's first
    /// word is its code; a subcommand is named with its command (`"CLIENT SETNAME"`).
    pub fn fail_next(&self, command: &str, error: &str) {
        self.fail(command, 1, error);
    }

    /// Has the next so many calls of a command fail.
    pub fn fail(&self, command: &str, times: u64, error: &str) {
        self.db.engine().faults().fail(command, times, error);
    }

    /// Has every reply be late by at least so much (five milliseconds more at most), in real time. Each connection waits
    /// for itself.
    pub fn delay(&self, by: Duration) {
        self.db.engine().faults().delay(by);
    }

    /// Closes all connections, those that wait included. New ones are welcome.
    pub fn drop_connections(&self) {
        let engine = self.db.engine();
        for client in engine.clients().iter().filter(|client| client.peer.fd >= 0) {
            engine.kill(client);
        }
    }

    /// Has the disk be full from now on: saving fails, and writes are refused with `MISCONF` as they are where Redis could
    /// not save. ("The disk" is memory of this value.)
    pub fn full_disk(&self) {
        self.disk.set(Some((0, Fault::FromThenOn(io::ErrorKind::StorageFull))));
        let engine = self.db.engine();
        // One that runs already fails as well.
        let _ = engine.save_in_background();
        let _ = engine.save_after_running();
    }

    /// Ends all faults: nothing fails, nothing is late, the disk has room and is saved to.
    pub fn heal(&self) {
        self.disk.set(None);
        let engine = self.db.engine();
        engine.faults().clear();
        if engine.persistence().refuses_writes()
            && let Err(error) = engine.save_after_running()
        {
            tracing::error!("a healed disk could not be saved to: {error}");
        }
    }

    // ---- What happened ------------------------------------------------------------------------------------------

    /// How often a command ran, by whomever: `calls("GET")`; `calls("CLIENT LIST")` for a subcommand.
    #[must_use]
    pub fn calls(&self, command: &str) -> u64 {
        let name: Vec<&str> = command.split_whitespace().collect();
        let argv: Vec<&[u8]> = name.iter().map(|word| word.as_bytes()).collect();
        let engine = self.db.engine();
        let entry = TABLE.look_up(&argv);
        entry.map_or(0, |entry| engine.command_stats(&engine.totals(), entry.id).calls)
    }

    /// How many connections there are.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.db.engine().clients().iter().filter(|client| client.peer.fd >= 0).count()
    }

    /// All data as text, sorted, the same for the same data: for people, and for tests that compare the whole.
    ///
    /// ```
    /// # use damselfly::testkit::TestServer;
    /// let server = TestServer::start();
    /// server.db().set("greeting", "hello")?;
    /// server.db().rpush("jobs", ["a", "b"])?;
    /// assert_eq!(server.dump(), "\"greeting\" string \"hello\"\n\"jobs\" list\n  \"a\"\n  \"b\"\n");
    /// # Ok::<(), damselfly::Error>(())
    /// ```
    #[must_use]
    pub fn dump(&self) -> String {
        dump::dump(&self.db)
    }

    /// Removes all data of all databases, as a test that shares its server does in between.
    ///
    /// # Panics
    /// Called from a closure that is shown a value.
    pub fn clear(&self) {
        if let Err(error) = self.db.flush_all() {
            panic!("the test's server cannot be cleared: {error}");
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // Those whose replies are late would be waited for.
        self.db.engine().faults().clear();
        drop(self.server.take());
    }
}

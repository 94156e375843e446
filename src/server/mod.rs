//! The server: an engine on sockets.
//!
//! Event loops (`event_loop.rs`) own connections (`connection.rs`); listeners and their addresses are in
//! `listen.rs`. A connection's bytes are read, its requests run to completion on the loop's thread, and its replies
//! written, all in one go: there is no queue between a socket and the data. This room knows no command's meaning.
//!
//! **Invariant:** no shard is entered while a loop makes a system call.

mod balance;
pub mod cli;
mod connection;
mod event_loop;
mod gather;
mod listen;
pub mod logging;
mod signals;
#[cfg(feature = "tls")]
mod tls;

pub use listen::Listener;
#[cfg(feature = "tls")]
pub use tls::Acceptor;

use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::engine::Engine;
use crate::persist::StorageError;
use balance::Balance;
use event_loop::{EventLoop, Inbox, Message};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

/// Why a server could not start; prints as one line.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A setting out of its range.
    Config(ConfigError),
    /// An address or path that cannot be listened on.
    Listen {
        /// What it was.
        address: String,
        /// Why not.
        error: io::Error,
    },
    /// The working directory cannot be written to.
    Directory {
        /// Its path.
        path: String,
        /// Why not.
        error: io::Error,
    },
    /// What was saved cannot be loaded, or the last changes not be saved.
    Storage(StorageError),
    /// A time to save at that is none.
    Cron(String),
    /// TLS cannot be spoken as it is set up.
    Tls(String),
    /// Nothing to listen on.
    NoListener,
    /// A guest cannot be served.
    Guest(String),
    /// The operating system refused threads, polls or signals.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Listen { address, error } => write!(f, "cannot listen on {address}: {}", plain(error)),
            Self::Directory { path, error } => {
                write!(f, "cannot write to the directory {path}: {}", plain(error))
            }
            Self::Storage(error @ StorageError::Corrupt { .. }) => {
                write!(f, "{error} ('damselfly check --fix' mends what can be mended, and destroys nothing)")
            }
            Self::Storage(error) => error.fmt(f),
            Self::Cron(error) | Self::Guest(error) => f.write_str(error),
            Self::Tls(reason) => write!(f, "cannot speak TLS: {reason}"),
            Self::NoListener => f.write_str("nothing to listen on: port is 0 and no unixsocket is set"),
            Self::System(error) => write!(f, "cannot start: {}", plain(error)),
        }
    }
}

impl std::error::Error for StartError {}

/// The operating system's words without Rust's "(os error 98)".
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Serves until SIGTERM, SIGINT or `SHUTDOWN`. What the `damselfly` binary does.
///
/// # Errors
/// [`StartError`]: nothing was served.
pub fn run(config: Config) -> Result<(), StartError> {
    run_with(config, |_| Ok(()))
}

/// The same, with a guest of the engine that is there as long as it is served.
///
/// # Errors
/// [`StartError`]: nothing was served. The guest's are among them.
pub fn run_with<G>(
    config: Config,
    guest: impl FnOnce(&Arc<Engine>) -> Result<G, StartError>,
) -> Result<(), StartError> {
    listen::check_directory(&config.dir)?;
    stop_on_panic();
    let mut signals = signals::Signals::new().map_err(StartError::System)?;
    let engine = Engine::open(&config, Clock::system()).map_err(StartError::Config)?;
    engine.save_in(std::path::Path::new(&config.dir));
    if !config.save.is_empty() || !config.snapshot_cron.is_empty() || config.appendonly {
        engine.lock_directory().map_err(StartError::Storage)?;
    }
    engine.recover().map_err(StartError::Storage)?;
    engine.save_by_time().map_err(StartError::Cron)?;
    let listeners = listen::bind(&config, engine.settings())?;
    if listeners.is_empty() {
        return Err(StartError::NoListener);
    }
    for listener in &listeners {
        tracing::info!("listening on {}", listener.address());
    }
    engine.on_shutdown(signals.asker());
    engine.settings().on_change(|settings, name| {
        if name == "loglevel" {
            logging::set_level(settings.loglevel());
        }
        Ok(())
    });
    listen::raise_file_limit(engine.settings());
    let server = Server::start(Arc::clone(&engine), listeners).map_err(StartError::System)?;
    let guest = guest(&engine)?;
    tracing::info!(
        "damselfly {} ready: {} shards, {} event loops",
        env!("CARGO_PKG_VERSION"),
        engine.shards(),
        server.loops()
    );
    let why = signals.wait().map_err(StartError::System)?;
    tracing::info!("{why}: finishing what is in flight");
    drop(guest);
    server.stop();
    engine.save_at_end().map_err(StartError::Storage)?;
    tracing::info!("bye");
    Ok(())
}

/// Ends the process when any of its threads panics. A panic is a bug of ours; after it a shard may be half changed, and
/// its door stays shut. Whoever watches over the process starts it anew; one that answers for some keys only, or has
/// lost an event loop, would go unnoticed.
fn stop_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        tracing::error!("{panic}");
        std::process::abort();
    }));
}

/// Event loops that serve an engine. They end when it is stopped or dropped; the engine lives on.
#[derive(Debug)]
pub struct Server {
    inboxes: Vec<Arc<Inbox>>,
    threads: Vec<JoinHandle<()>>,
    addresses: Vec<SocketAddr>,
}

impl Server {
    /// Starts `io-threads` event loops on `listeners`.
    ///
    /// # Errors
    /// The operating system refuses a poll or a thread.
    pub fn start(engine: Arc<Engine>, listeners: Vec<Listener>) -> io::Result<Server> {
        let count = engine.settings().io_threads_effective() as usize;
        let addresses = listeners.iter().filter_map(Listener::socket_addr).collect();
        let mut loops = Vec::with_capacity(count);
        for number in 0..count {
            loops.push(EventLoop::new(number, Arc::clone(&engine))?);
        }
        let inboxes: Vec<Arc<Inbox>> = loops.iter().map(EventLoop::inbox).collect();
        // What makes a loop look after its connections once a second reaches those that sleep for good, too.
        let told: Vec<_> = inboxes.iter().map(Arc::downgrade).collect();
        engine.settings().on_change(move |_, name| {
            if matches!(name, "timeout" | "client-output-buffer-limit") {
                told.iter().filter_map(Weak::upgrade).for_each(|inbox| inbox.wake());
            }
            Ok(())
        });
        #[cfg(feature = "tls")]
        for listener in &listeners {
            if let Listener::Tls(_, acceptor) = listener {
                let acceptor = Arc::clone(acceptor);
                engine.settings().on_change(move |settings, name| {
                    if name.starts_with("tls-") { acceptor.reload(settings) } else { Ok(()) }
                });
            }
        }
        let balance = Arc::new(Balance::default());
        let mut listeners = Some(listeners);
        let mut server = Server { inboxes: inboxes.clone(), threads: Vec::with_capacity(count), addresses };
        for (number, mut event_loop) in loops.into_iter().enumerate() {
            event_loop.join(inboxes.clone(), Arc::clone(&balance));
            for listener in listeners.take().into_iter().flatten() {
                event_loop.listen(listener)?;
            }
            let thread = std::thread::Builder::new()
                .name(format!("damselfly-io-{number}"))
                .spawn(move || event_loop.run())?;
            server.threads.push(thread);
        }
        Ok(server)
    }

    /// How many event loops run.
    #[must_use]
    pub fn loops(&self) -> usize {
        self.threads.len()
    }

    /// The TCP addresses it listens on, with the port that the system chose where it was 0.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// A listener for TLS on a listener of the standard library, with the certificates that the engine's settings name.
    ///
    /// # Errors
    /// The listener cannot be made non-blocking; a file that cannot be read, or does not fit the others.
    #[cfg(feature = "tls")]
    pub fn tls_listener(engine: &Engine, listener: std::net::TcpListener) -> io::Result<Listener> {
        listener.set_nonblocking(true)?;
        let acceptor = Acceptor::new(engine.settings()).map_err(io::Error::other)?;
        Ok(Listener::Tls(mio::net::TcpListener::from_std(listener), Arc::new(acceptor)))
    }

    /// Finishes what is in flight, closes all connections and ends the loops.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for inbox in &self.inboxes {
            inbox.send(Message::Stop);
        }
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("an event loop had panicked");
            }
        }
    }
}

impl crate::Damselfly {
    /// Serves this handle's data over RESP on `listener`, beside its use in process, until the returned server is
    /// stopped or dropped.
    ///
    /// ```
    /// use damselfly::Damselfly;
    /// use std::net::TcpListener;
    ///
    /// let db = Damselfly::in_memory();
    /// let server = db.serve(TcpListener::bind("127.0.0.1:0")?)?;
    /// let url = format!("redis://{}", server.addresses()[0]);
    /// # assert!(url.starts_with("redis://127.0.0.1:"));
    /// server.stop();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// The operating system refuses a poll or a thread.
    pub fn serve(&self, listener: std::net::TcpListener) -> io::Result<Server> {
        Server::start(Arc::clone(self.engine()), vec![Listener::from_std(listener)?])
    }
}

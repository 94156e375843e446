//! Listeners: addresses, Unix sockets, and what the operating system has to allow.

use super::StartError;
#[cfg(feature = "tls")]
use super::tls::{Acceptor, TlsStream};
use crate::config::{Config, Settings};
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;

/// A socket that connections come from.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// TCP, and TLS on it.
    #[cfg(feature = "tls")]
    Tls(TcpListener, Arc<Acceptor>),
    /// A Unix socket and its path.
    Unix(UnixListener, String),
}

/// One connection's socket.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream>),
    Unix(UnixStream),
}

/// Binds everything that a configuration names.
pub(super) fn bind(config: &Config, settings: &Settings) -> Result<Vec<Listener>, StartError> {
    #[cfg(not(feature = "tls"))]
    let _ = settings;
    let mut listeners = Vec::new();
    if config.port != 0 {
        listeners.extend(bind_all(config, config.port)?.into_iter().map(Listener::Tcp));
    }
    if config.tls_port != 0 {
        let refused = |reason: String| StartError::Tls(reason);
        #[cfg(feature = "tls")]
        {
            let acceptor = Acceptor::new(settings).map_err(refused)?;
            let acceptor = Arc::new(acceptor);
            let bound = bind_all(config, config.tls_port)?.into_iter();
            listeners.extend(bound.map(|listener| Listener::Tls(listener, Arc::clone(&acceptor))));
        }
        #[cfg(not(feature = "tls"))]
        return Err(refused("tls-port is set, and this program was built without TLS".to_owned()));
    }
    if !config.unixsocket.is_empty() {
        let path = config.unixsocket.clone();
        let listener = bind_unix(&path, config.unixsocketperm)
            .map_err(|error| StartError::Listen { address: path.clone(), error })?;
        listeners.push(Listener::Unix(listener, path));
    }
    Ok(listeners)
}

/// Binds a port on all addresses of `bind`.
fn bind_all(config: &Config, port: u16) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners = Vec::new();
    for (host, optional) in config.bind_addresses() {
        let host = match host {
            "*" => "0.0.0.0",
            "::*" => "::",
            host => host,
        };
        let address = format!("{}:{port}", bracketed(host));
        match bind_tcp(host, port, config.tcp_backlog) {
            Ok(listener) => listeners.push(listener),
            Err(error) if optional && is_absent(&error) => {
                tracing::debug!("not listening on {address}: {error}");
            }
            Err(error) => return Err(StartError::Listen { address, error }),
        }
    }
    if listeners.is_empty() {
        let error = io::Error::new(io::ErrorKind::AddrNotAvailable, "none of the addresses of 'bind' exists");
        return Err(StartError::Listen { address: config.bind.clone(), error });
    }
    Ok(listeners)
}

fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// An address that this machine does not have, as against one that is in use.
fn is_absent(error: &io::Error) -> bool {
    // EAFNOSUPPORT, EPROTONOSUPPORT and EADDRNOTAVAIL, as Redis treats a '-' in front of an address.
    matches!(error.raw_os_error(), Some(97 | 93)) || error.kind() == io::ErrorKind::AddrNotAvailable
}

fn bind_tcp(host: &str, port: u16, backlog: u32) -> io::Result<TcpListener> {
    let address = (host, port)
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| io::Error::new(io::ErrorKind::AddrNotAvailable, "no such address"))?;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // The IPv4 address has a socket of its own.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(TcpListener::from_std(socket.into()))
}

fn bind_unix(path: &str, permissions: u32) -> io::Result<UnixListener> {
    // A socket that a dead process left is in the way; a file that is none stays, and bind fails.
    if let Ok(meta) = std::fs::symlink_metadata(path)
        && std::os::unix::fs::FileTypeExt::is_socket(&meta.file_type())
        && std::os::unix::net::UnixStream::connect(path).is_err()
    {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    if permissions != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(permissions))?;
    }
    Ok(listener)
}

/// Checks that files can be made in the working directory.
pub(super) fn check_directory(path: &str) -> Result<(), StartError> {
    use rustix::fs::{Access, access};
    access(path, Access::EXISTS | Access::WRITE_OK)
        .map_err(|error| StartError::Directory { path: path.to_owned(), error: error.into() })
}

/// Raises the limit of open files to what `maxclients` needs, as far as the system allows.
pub(super) fn raise_file_limit(settings: &Settings) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const OTHERS: u64 = 32;
    let wanted = settings.maxclients() as u64 + OTHERS;
    let limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.unwrap_or(u64::MAX);
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit { current: Some(wanted.min(allowed)), maximum: limit.maximum };
        if setrlimit(Resource::Nofile, raised).is_err() || allowed < wanted {
            tracing::warn!(
                "the system allows {allowed} open files; {} clients may not all get in",
                settings.maxclients()
            );
        }
    }
}

impl Listener {
    /// Takes over a listener of the standard library, as `Damselfly::serve` is given one.
    ///
    /// # Errors
    /// It cannot be made non-blocking.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Listener> {
        listener.set_nonblocking(true)?;
        Ok(Listener::Tcp(TcpListener::from_std(listener)))
    }

    /// What it listens on, for people.
    #[must_use]
    pub fn address(&self) -> String {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(|a| a.to_string()).unwrap_or_default(),
            #[cfg(feature = "tls")]
            Listener::Tls(listener, _) => {
                listener.local_addr().map(|a| format!("{a} (TLS)")).unwrap_or_default()
            }
            Listener::Unix(_, path) => path.clone(),
        }
    }

    /// The TCP address it listens on.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(feature = "tls")]
            Listener::Tls(listener, _) => listener.local_addr().ok(),
            Listener::Unix(..) => None,
        }
    }

    /// The next connection that waits; `WouldBlock` when none does.
    pub(super) fn accept(&self, keepalive_seconds: u64) -> io::Result<(Stream, crate::engine::Peer)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = accept_tcp(listener, keepalive_seconds)?;
                Ok((Stream::Tcp(stream), peer))
            }
            #[cfg(feature = "tls")]
            Listener::Tls(listener, acceptor) => {
                let (stream, peer) = accept_tcp(listener, keepalive_seconds)?;
                Ok((Stream::Tls(Box::new(acceptor.accept(stream)?)), peer))
            }
            Listener::Unix(listener, path) => {
                let (stream, _) = listener.accept()?;
                let peer = crate::engine::Peer {
                    addr: format!("{path}:0"),
                    laddr: format!("{path}:0"),
                    fd: i64::from(stream.as_raw_fd()),
                    unix: true,
                    local: true,
                };
                Ok((Stream::Unix(stream), peer))
            }
        }
    }
}

fn accept_tcp(
    listener: &TcpListener,
    keepalive_seconds: u64,
) -> io::Result<(TcpStream, crate::engine::Peer)> {
    let (stream, from) = listener.accept()?;
    stream.set_nodelay(true)?;
    if keepalive_seconds > 0 {
        let period = Duration::from_secs(keepalive_seconds);
        let keepalive = socket2::TcpKeepalive::new()
            .with_time(period)
            .with_interval((period / 3).max(Duration::from_secs(1)))
            .with_retries(3);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    }
    let to = stream.local_addr()?;
    let peer = crate::engine::Peer {
        addr: from.to_string(),
        laddr: to.to_string(),
        fd: i64::from(stream.as_raw_fd()),
        unix: false,
        local: from.ip().to_canonical().is_loopback(),
    };
    Ok((stream, peer))
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            // It may have been removed by hand; there is nothing to do about that.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Stream {
    /// Whether the stream has taken something that the socket has not: it is flushed when the socket can be written to.
    #[inline]
    pub(super) fn has_unsent(&self) -> bool {
        match self {
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.has_unsent(),
            _ => false,
        }
    }

    /// Whether the other end has closed and everything it sent was read.
    pub(super) fn is_gone(&self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit()];
        let peeked = match self {
            Stream::Tcp(stream) => SockRef::from(stream).peek(&mut byte),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => SockRef::from(&stream.socket).peek(&mut byte),
            Stream::Unix(stream) => SockRef::from(stream).peek(&mut byte),
        };
        match peeked {
            Ok(count) => count == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buf),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.read(buf),
            Stream::Unix(stream) => stream.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(buf),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.write(buf),
            Stream::Unix(stream) => stream.write(buf),
        }
    }

    fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write_vectored(bufs),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.write_vectored(bufs),
            Stream::Unix(stream) => stream.write_vectored(bufs),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.flush(),
            _ => Ok(()),
        }
    }
}

impl mio::event::Source for Stream {
    fn register(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interest: mio::Interest,
    ) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.register(registry, token, interest),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.socket.register(registry, token, interest),
            Stream::Unix(stream) => stream.register(registry, token, interest),
        }
    }

    fn reregister(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interest: mio::Interest,
    ) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.reregister(registry, token, interest),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.socket.reregister(registry, token, interest),
            Stream::Unix(stream) => stream.reregister(registry, token, interest),
        }
    }

    fn deregister(&mut self, registry: &mio::Registry) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.deregister(registry),
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => stream.socket.deregister(registry),
            Stream::Unix(stream) => stream.deregister(registry),
        }
    }
}

//! TLS: who we are, whom we trust, and a stream that speaks it.
//!
//! The settings are read into one configuration, which new connections get; a change of a `tls-` setting reads the files
//! anew, and is refused where that fails. A [`TlsStream`] keeps the two promises that a connection relies on: a read
//! that fills less than the buffer has emptied the socket, and what a write has taken is sent, or [`has_unsent`] says so.
//!
//! [`has_unsent`]: TlsStream::has_unsent

use crate::config::{Settings, TlsClients};
use mio::net::TcpStream;
use parking_lot::RwLock;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion};
use std::io::{self, Read, Write};
use std::sync::Arc;

/// Bytes that a connection may have encrypted and not sent.
const UNSENT_BYTES_MAX: usize = 128 * 1024;

/// What new connections are accepted with.
#[derive(Debug)]
pub struct Acceptor(RwLock<Arc<ServerConfig>>);

impl Acceptor {
    pub(super) fn new(settings: &Settings) -> Result<Self, String> {
        configure(settings).map(|config| Self(RwLock::new(config)))
    }

    /// Reads the settings and their files anew. Connections that are open stay as they are.
    pub(super) fn reload(&self, settings: &Settings) -> Result<(), String> {
        *self.0.write() = configure(settings)?;
        Ok(())
    }

    pub(super) fn accept(&self, socket: TcpStream) -> io::Result<TlsStream> {
        let config = Arc::clone(&self.0.read());
        let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(UNSENT_BYTES_MAX));
        Ok(TlsStream { socket, tls })
    }
}

fn configure(settings: &Settings) -> Result<Arc<ServerConfig>, String> {
    let (cert_file, key_file) = (settings.tls_cert_file(), settings.tls_key_file());
    if cert_file.is_empty() {
        return Err("No tls-cert-file configured!".to_owned());
    }
    let key_file = if key_file.is_empty() { Arc::clone(&cert_file) } else { key_file };
    let certificates = certificates(&cert_file)?;
    let key = PrivateKeyDer::from_pem_file(&*key_file).map_err(|error| format!("{key_file}: {error}"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&versions(&settings.tls_protocols())?)
        .map_err(|error| error.to_string())?;
    let clients = settings.tls_auth_clients();
    let builder = if clients == TlsClients::No {
        builder.with_no_client_auth()
    } else {
        let ca_file = settings.tls_ca_cert_file();
        if ca_file.is_empty() {
            return Err("tls-ca-cert-file must be specified when tls-auth-clients is not 'no'".to_owned());
        }
        let mut roots = RootCertStore::empty();
        for certificate in self::certificates(&ca_file)? {
            roots.add(certificate).map_err(|error| format!("{ca_file}: {error}"))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier =
            if clients == TlsClients::Optional { verifier.allow_unauthenticated() } else { verifier };
        builder.with_client_cert_verifier(verifier.build().map_err(|error| error.to_string())?)
    };
    let config = builder
        .with_single_cert(certificates, key)
        .map_err(|error| format!("{cert_file} with {key_file}: {error}"))?;
    Ok(Arc::new(config))
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => Err(format!("{file}: no certificate")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("{file}: {error}")),
    }
}

/// The versions that `tls-protocols` names; all that there are where it names none.
fn versions(words: &str) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let mut versions = Vec::new();
    for word in words.split_whitespace() {
        match word.to_ascii_lowercase().as_str() {
            "tlsv1.2" => versions.push(&TLS12),
            "tlsv1.3" => versions.push(&TLS13),
            // Redis takes them, and nobody should.
            "tlsv1" | "tlsv1.1" => {}
            _ => {
                return Err(
                    "Invalid tls-protocols specified. Use a combination of 'TLSv1.2 TLSv1.3'".to_owned()
                );
            }
        }
    }
    match words.split_whitespace().next() {
        None => Ok(vec![&TLS12, &TLS13]),
        Some(_) if versions.is_empty() => Err("tls-protocols names no version that is safe".to_owned()),
        Some(_) => Ok(versions),
    }
}

/// A socket behind TLS.
#[derive(Debug)]
pub(super) struct TlsStream {
    pub(super) socket: TcpStream,
    tls: ServerConnection,
}

impl TlsStream {
    /// Whether something is encrypted and not sent: the handshake, or the end of what was written.
    pub(super) fn has_unsent(&self) -> bool {
        self.tls.wants_write()
    }

    /// Sends what is encrypted, as much as the socket takes.
    fn send(&mut self) -> io::Result<()> {
        match self.flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }
}

impl Read for TlsStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut count = 0;
        loop {
            match self.tls.reader().read(buf.get_mut(count..).unwrap_or_default()) {
                // The peer has said that it is done.
                Ok(0) => return Ok(count),
                Ok(more) => {
                    count += more;
                    if count == buf.len() {
                        return Ok(count);
                    }
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) if count > 0 => return Ok(count),
                Err(error) => return Err(error),
            }
            match self.tls.read_tls(&mut self.socket) {
                Ok(0) => return Ok(count),
                Ok(_) => {
                    let result = self.tls.process_new_packets();
                    // The handshake, or the alert that says what was wrong. What does not go now goes later.
                    self.send()?;
                    result.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) if count > 0 => return Ok(count),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Write for TlsStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let count = self.tls.writer().write(buf)?;
        self.send().map(|()| count)
    }

    fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.flush()?;
        let count = self.tls.writer().write_vectored(bufs)?;
        self.send().map(|()| count)
    }

    /// Sends what is encrypted; `WouldBlock` where the socket does not take all of it.
    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Drop for TlsStream {
    /// Says that this is the end, so that the peer can tell it from a cut; as far as the socket takes it.
    fn drop(&mut self) {
        self.tls.send_close_notify();
        let _ = self.flush();
    }
}

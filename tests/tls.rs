//! TLS: who gets in, and that what goes through is what comes out.
#![cfg(feature = "tls")]

mod common;

use common::places::config;
use common::resp::{request, show};
use damselfly::clock::Clock;
use damselfly::config::Config;
use damselfly::engine::Engine;
use damselfly::server::Server;
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// An authority, and certificates of a server and of a client, as files of a folder.
struct Certificates {
    folder: tempfile::TempDir,
    authority: (Certificate, KeyPair),
}

impl Certificates {
    fn make() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&key).expect("signed");
        let made = Self { folder: tempfile::tempdir().expect("a folder"), authority: (authority, key) };
        fs::write(made.path("ca.crt"), made.authority.0.pem()).expect("written");
        made.sign("server");
        made.sign("client");
        made
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Makes a new certificate of this name; its bytes.
    fn sign(&self, name: &str) -> Vec<u8> {
        let key = KeyPair::generate().expect("a key");
        let mut params =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        let signed = params.signed_by(&key, &self.authority.0, &self.authority.1).expect("signed");
        fs::write(self.path(&format!("{name}.crt")), signed.pem()).expect("written");
        fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).expect("written");
        signed.der().to_vec()
    }

    fn config(&self) -> Config {
        config(4)
            .io_threads(2)
            .tls_cert_file(self.path("server.crt"))
            .tls_key_file(self.path("server.key"))
            .tls_ca_cert_file(self.path("ca.crt"))
    }

    /// A client that trusts the authority, and shows a certificate or none.
    fn connect(&self, addr: &str, shows: bool) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ca.crt")).expect("read")).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = if shows {
            let chain = vec![CertificateDer::from_pem_file(self.path("client.crt")).expect("read")];
            let key = PrivateKeyDer::from_pem_file(self.path("client.key")).expect("read");
            builder.with_client_auth_cert(chain, key).expect("they fit")
        } else {
            builder.with_no_client_auth()
        };
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let socket = TcpStream::connect(addr)?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut stream = StreamOwned::new(tls, socket);
        stream.write_all(b"PING\r\n")?;
        let mut got = [0; 7];
        stream.read_exact(&mut got)?;
        assert_eq!(&got, b"+PONG\r\n");
        Ok(stream)
    }
}

struct Served {
    engine: Arc<Engine>,
    addr: String,
    _server: Server,
}

fn serve(config: &Config) -> Served {
    let engine = Engine::open(config, Clock::system()).expect("a good configuration");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listener = Server::tls_listener(&engine, listener).expect("certificates");
    let server = Server::start(Arc::clone(&engine), vec![listener]).expect("a server");
    let addr = server.addresses()[0].to_string();
    Served { engine, addr, _server: server }
}

fn command(words: &[&[u8]]) -> Vec<u8> {
    request(&words.iter().map(|word| word.to_vec()).collect::<Vec<_>>())
}

#[test]
fn clients_show_the_certificates_that_are_asked_for() {
    use damselfly::config::TlsClients::{No, Optional, Yes};
    let files = Certificates::make();
    for (asked, with, without) in [(Yes, true, false), (No, true, true), (Optional, true, true)] {
        let server = serve(&files.config().tls_auth_clients(asked));
        assert_eq!(files.connect(&server.addr, true).is_ok(), with, "{asked}");
        assert_eq!(files.connect(&server.addr, false).is_ok(), without, "{asked}");
    }
    // One whom another authority knows is refused, even where none is asked for at all.
    let strangers = Certificates::make();
    fs::copy(files.path("ca.crt"), strangers.path("ca.crt")).expect("copied");
    let server = serve(&files.config().tls_auth_clients(Optional));
    assert!(strangers.connect(&server.addr, true).is_err());
    // Whoever speaks no TLS gets nowhere, and the server goes on.
    let mut plain = TcpStream::connect(&server.addr).expect("it listens");
    plain.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    plain.write_all(b"PING\r\nPING\r\n").expect("sent");
    let mut got = Vec::new();
    let _ = plain.read_to_end(&mut got);
    assert!(!show(&got).contains("PONG"));
    drop(files.connect(&server.addr, true).expect("the others still do"));
}

#[test]
fn what_is_large_goes_through_whole() {
    let files = Certificates::make();
    let server = serve(&files.config());
    let mut stream = files.connect(&server.addr, true).expect("in");
    for len in [0, 1, 16 * 1024, 64 * 1024, 1 << 20, 9_000_001] {
        let value: Vec<u8> = (0..len).map(|at| (at % 251) as u8).collect();
        stream.write_all(&command(&[b"SET", b"k", &value])).expect("sent");
        stream.write_all(&command(&[b"GET", b"k"])).expect("sent");
        stream.flush().expect("sent");
        let head = format!("+OK\r\n${len}\r\n");
        let mut got = vec![0; head.len() + len + 2];
        stream.read_exact(&mut got).expect("a reply");
        assert!(got.starts_with(head.as_bytes()) && got[head.len()..].starts_with(&value), "{len} bytes");
    }
    // A pipeline whose replies are read late.
    let pipeline = command(&[b"GET", b"k"]).repeat(8);
    stream.write_all(&pipeline).expect("sent");
    stream.write_all(&command(&[b"QUIT"])).expect("sent");
    std::thread::sleep(Duration::from_millis(100));
    let mut got = Vec::new();
    stream.read_to_end(&mut got).expect("the end is announced");
    assert_eq!(got.len(), 8 * ("$9000001\r\n\r\n".len() + 9_000_001) + 5);
}

#[test]
fn subscribers_and_those_who_wait_are_told() {
    let files = Certificates::make();
    let server = serve(&files.config());
    let mut waiting = files.connect(&server.addr, true).expect("in");
    waiting.write_all(&command(&[b"BLPOP", b"l", b"5"])).expect("sent");
    let mut other = files.connect(&server.addr, true).expect("in");
    std::thread::sleep(Duration::from_millis(50));
    other.write_all(&command(&[b"RPUSH", b"l", b"v"])).expect("sent");
    let mut got = [0; 18];
    waiting.read_exact(&mut got).expect("served");
    assert_eq!(show(&got), "*2\\r\\n$1\\r\\nl\\r\\n$1\\r\\nv\\r\\n");
}

#[test]
fn certificates_are_exchanged_while_it_runs() {
    let files = Certificates::make();
    let server = serve(&files.config());
    let seen = |stream: &StreamOwned<ClientConnection, TcpStream>| {
        stream.conn.peer_certificates().expect("shown").first().expect("one").to_vec()
    };
    let before = files.connect(&server.addr, true).expect("in");
    let der = files.sign("server");
    let (cert, key) = (files.path("server.crt"), files.path("server.key"));
    let pairs: [(&[u8], &[u8]); 2] = [(b"tls-cert-file", cert.as_bytes()), (b"tls-key-file", key.as_bytes())];
    server.engine.settings().set(&pairs).expect("they fit");
    let after = files.connect(&server.addr, true).expect("in");
    assert_eq!(seen(&after), der);
    assert_ne!(seen(&before), der);
    let refused = server.engine.settings().set(&[(b"tls-cert-file", b"/nowhere")]);
    assert!(refused.is_err());
    files.connect(&server.addr, true).expect("as before");
}

/// What other programs make of it, where they are installed.
#[test]
fn other_clients_get_in() {
    let files = Certificates::make();
    let server = serve(&files.config());
    let port = server.addr.rsplit(':').next().expect("a port").to_owned();
    let (ca, cert, key) = (files.path("ca.crt"), files.path("client.crt"), files.path("client.key"));
    let cli = Command::new("redis-cli")
        .args(["-h", "localhost", "-p", &port, "--tls", "--cacert", &ca, "--cert", &cert, "--key", &key])
        .args(["ECHO", "through"])
        .output();
    if let Ok(output) = cli {
        assert_eq!(String::from_utf8_lossy(&output.stdout), "through\n", "{output:?}");
    }
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "target/venv/bin/python".to_owned());
    if Path::new(&python).exists() {
        let program = format!(
            "import redis\nr = redis.Redis('localhost', {port}, ssl=True, ssl_ca_certs={ca:?}, ssl_certfile={cert:?}, \
             ssl_keyfile={key:?})\nr.set('k', b'v' * 300000)\nprint(len(r.get('k')))"
        );
        let output = Command::new(python).args(["-c", &program]).output().expect("it runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "300000\n", "{output:?}");
    }
}

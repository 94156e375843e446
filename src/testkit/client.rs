//! A small client: one connection, one call at a time. Code under test has its own.

use crate::reply::Reply;
use bytes::Bytes;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Replies nested deeper than this are none of ours.
const DEPTH_MAX: usize = 32;

/// Why a call failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// The server's error, code first.
    Refused(String),
    /// The connection: closed, or silent for longer than the timeout.
    Io(io::Error),
    /// Bytes that are no reply.
    Protocol(String),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(text) => f.write_str(text),
            Self::Io(error) => error.fmt(f),
            Self::Protocol(what) => write!(f, "this is no reply: {what}"),
        }
    }
}

impl std::error::Error for ClientError {}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A connection that speaks RESP3.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(super) fn connect(addr: SocketAddr, password: Option<&str>) -> Result<Self, ClientError> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        let mut client = Self { stream: BufReader::new(stream) };
        match password {
            Some(password) => client.call(["HELLO", "3", "AUTH", "default", password])?,
            None => client.call(["HELLO", "3"])?,
        };
        Ok(client)
    }

    /// Sends a command and waits for its reply.
    ///
    /// # Errors
    /// [`ClientError::Refused`] where the server answers with an error.
    pub fn call<A: AsRef<[u8]>>(&mut self, argv: impl IntoIterator<Item = A>) -> Result<Reply, ClientError> {
        self.send(argv)?;
        self.receive()
    }

    /// Sends a command and does not wait for its reply: for those that block, and for pipelines.
    ///
    /// # Errors
    /// [`ClientError::Io`].
    pub fn send<A: AsRef<[u8]>>(&mut self, argv: impl IntoIterator<Item = A>) -> Result<(), ClientError> {
        let argv: Vec<A> = argv.into_iter().collect();
        let mut bytes = format!("*{}\r\n", argv.len()).into_bytes();
        for arg in &argv {
            bytes.extend_from_slice(format!("${}\r\n", arg.as_ref().len()).as_bytes());
            bytes.extend_from_slice(arg.as_ref());
            bytes.extend_from_slice(b"\r\n");
        }
        Ok(self.stream.get_mut().write_all(&bytes)?)
    }

    /// Waits for the next reply or push.
    ///
    /// # Errors
    /// As for [`call`](Self::call).
    pub fn receive(&mut self) -> Result<Reply, ClientError> {
        match self.read(0)? {
            Reply::Error(text) => Err(ClientError::Refused(text)),
            reply => Ok(reply),
        }
    }

    /// How long to wait for a reply; `None` is for ever, as at the beginning.
    ///
    /// # Errors
    /// [`ClientError::Io`] for a timeout of nothing.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) -> Result<(), ClientError> {
        Ok(self.stream.get_ref().set_read_timeout(timeout)?)
    }

    fn read(&mut self, depth: usize) -> Result<Reply, ClientError> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        let Some(([kind, rest @ ..], b"\r\n")) =
            line.split_last_chunk::<2>().map(|(line, end)| (line, &end[..]))
        else {
            // An end in the middle of a reply is one, too.
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        };
        let text = String::from_utf8_lossy(rest).into_owned();
        let wrong = || ClientError::Protocol(String::from_utf8_lossy(&line).trim_end().to_owned());
        let len = || text.parse::<i64>().map_err(|_| wrong());
        Ok(match kind {
            b'+' => Reply::Simple(text.into()),
            b'-' => Reply::Error(text),
            b':' => Reply::Int(len()?),
            b'_' => Reply::Null,
            b'#' => Reply::Boolean(text == "t"),
            b',' => Reply::Double(text.parse().map_err(|_| wrong())?),
            b'(' => Reply::BigNumber(text),
            b'$' | b'=' | b'!' => {
                let Ok(len) = u64::try_from(len()?) else { return Ok(Reply::Null) };
                let mut body = Vec::new();
                // What is announced is not allocated before it comes.
                (&mut self.stream).take(len.saturating_add(2)).read_to_end(&mut body)?;
                if !body.ends_with(b"\r\n") || body.len() as u64 != len.saturating_add(2) {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                body.truncate(body.len() - 2);
                match kind {
                    b'$' => Reply::Bulk(Bytes::from(body)),
                    b'!' => Reply::Error(String::from_utf8_lossy(&body).into_owned()),
                    _ => {
                        let mut body = Bytes::from(body);
                        let format = body.split_to(body.len().min(4));
                        let format = format.strip_suffix(b":").unwrap_or(&format);
                        Reply::Verbatim(String::from_utf8_lossy(format).into_owned(), body)
                    }
                }
            }
            b'*' | b'~' | b'>' | b'%' if depth < DEPTH_MAX => {
                let Ok(len) = u64::try_from(len()?) else { return Ok(Reply::Null) };
                if *kind == b'%' {
                    let mut pairs = Vec::new();
                    for _ in 0..len {
                        pairs.push((self.read(depth + 1)?, self.read(depth + 1)?));
                    }
                    return Ok(Reply::Map(pairs));
                }
                let items = (0..len).map(|_| self.read(depth + 1)).collect::<Result<_, _>>()?;
                match kind {
                    b'*' => Reply::Array(items),
                    b'~' => Reply::Set(items),
                    _ => Reply::Push(items),
                }
            }
            _ => return Err(wrong()),
        })
    }
}

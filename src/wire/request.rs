//! The request parser: the bytes of one request, however they arrive, to its argument vector.
//!
//! A request is an array of bulk strings (`*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`) or one inline line (`GET k\r\n`), told
//! apart by the first byte. What is accepted is exactly what Redis accepts, quirks included:
//!
//! 1. A length is read up to its CR; the byte after the CR, and the two bytes after a bulk, are skipped unseen.
//! 2. A length is what `string2ll` takes: an optional minus, no plus, no leading zero, no spaces.
//! 3. A line is a C string to Redis: a NUL hides the line's end, so such a request waits until it is too big.
//!
//! The parser remembers where it stopped. While a request is incomplete the caller keeps its bytes at the front of
//! the buffer and calls again with more of them; nothing already seen is looked at twice.

use std::fmt;

/// What a peer may ask for before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most arguments in one request.
    pub argc_max: usize,
    /// Longest argument, in bytes (`proto-max-bulk-len`).
    pub bulk_bytes_max: usize,
    /// Longest inline request, and longest line that holds a length, in bytes.
    pub inline_bytes_max: usize,
    /// Longest request in all, in bytes (`client-query-buffer-limit`); never more than 4 GiB, which is what a
    /// [`Span`] can address.
    pub request_bytes_max: usize,
    /// Whether the peer has authenticated, or need not. While it has not, 10 arguments of 16 KiB are enough.
    pub authenticated: bool,
}

impl Limits {
    /// The limits for a peer that still has to authenticate: 10 arguments of at most 16 KiB, as Redis.
    pub const UNAUTHENTICATED: Limits = Limits { authenticated: false, ..Limits::AUTHENTICATED };

    /// The default limits.
    pub const AUTHENTICATED: Limits = Limits {
        argc_max: 1024 * 1024,
        bulk_bytes_max: 512 * 1024 * 1024,
        inline_bytes_max: 64 * 1024,
        request_bytes_max: 1024 * 1024 * 1024,
        authenticated: true,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::AUTHENTICATED
    }
}

/// Most arguments of a request from a peer that has not authenticated.
const UNAUTHENTICATED_ARGC_MAX: usize = 10;
/// Longest argument of a request from a peer that has not authenticated.
const UNAUTHENTICATED_BULK_BYTES_MAX: usize = 16 * 1024;
/// What Redis calls invalid before it asks who the peer is.
const ARGC_ABSURD: usize = i32::MAX as usize;
/// A parser gives memory back between requests when it holds more spans, or more unquoted bytes, than this.
const KEPT_MAX: usize = 1024;

/// Where one argument lies: offsets into [`RequestParser::source`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes of this span in `source`; empty where `source` is not the buffer the span was made from.
    #[must_use]
    #[inline]
    pub fn of(self, source: &[u8]) -> &[u8] {
        source.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// What one call of [`RequestParser::parse`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A request is whole: its arguments stand in the parser, its bytes are the first `consumed` of the buffer.
    Complete {
        /// Length of the request in bytes.
        consumed: usize,
    },
    /// More bytes are needed, at least `wanted` of them (never 0, never more than the limits allow).
    Incomplete {
        /// A lower bound of what is missing.
        wanted: usize,
    },
    /// The first `consumed` bytes ask for nothing (`*0`, `*-1`, an empty line) and get no reply.
    Empty {
        /// Length of the nothing in bytes.
        consumed: usize,
    },
}

/// Bytes that cannot be a request; the peer gets `-ERR` and this text, then the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The array's length is no number, or above the limit.
    InvalidMultibulkLength,
    /// An element of the array is no bulk string; holds its first byte.
    ExpectedBulk(u8),
    /// A bulk's length is no number, negative, or above the limit.
    InvalidBulkLength,
    /// Too many arguments before authentication.
    UnauthenticatedMultibulkLength,
    /// Too long an argument before authentication.
    UnauthenticatedBulkLength,
    /// An inline request without an end.
    TooBigInline,
    /// An array's length without an end.
    TooBigMultibulkCount,
    /// A bulk's length without an end.
    TooBigBulkCount,
    /// The whole request is above the limit. Redis closes such a connection without a word.
    TooBigRequest,
    /// An inline request whose quotes are not closed, or are closed inside a word.
    UnbalancedQuotes,
}

impl fmt::Display for ProtocolError {
    /// Redis' text, as it follows `-ERR `. A byte above ASCII in [`ProtocolError::ExpectedBulk`] prints as the
    /// Latin-1 character it is; [`RespSink::protocol_error`](super::RespSink::protocol_error) sends it as it came.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Protocol error: ")?;
        f.write_str(match self {
            Self::InvalidMultibulkLength => "invalid multibulk length",
            Self::ExpectedBulk(got) => return write!(f, "expected '$', got '{}'", char::from(*got)),
            Self::InvalidBulkLength => "invalid bulk length",
            Self::UnauthenticatedMultibulkLength => "unauthenticated multibulk length",
            Self::UnauthenticatedBulkLength => "unauthenticated bulk length",
            Self::TooBigInline => "too big inline request",
            Self::TooBigMultibulkCount => "too big mbulk count string",
            Self::TooBigBulkCount => "too big bulk count string",
            Self::TooBigRequest => "too big request",
            Self::UnbalancedQuotes => "unbalanced quotes in request",
        })
    }
}

impl std::error::Error for ProtocolError {}

/// Parses one request after another, each from the front of the caller's buffer.
///
/// The caller's part of the bargain: `buf` starts at the first byte of the current request. After
/// [`Parsed::Incomplete`] it comes again with the same bytes and more; after [`Parsed::Complete`] and
/// [`Parsed::Empty`] the next call starts `consumed` bytes later; after an error the connection is closed (or
/// [`RequestParser::reset`] forgets all).
///
/// ```
/// use damselfly::wire::{Limits, Parsed, RequestParser};
///
/// let mut parser = RequestParser::new();
/// let buf = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
/// assert_eq!(parser.parse(&buf[..10], &Limits::default()), Ok(Parsed::Incomplete { wanted: 3 }));
/// assert_eq!(parser.parse(buf, &Limits::default()), Ok(Parsed::Complete { consumed: buf.len() }));
/// assert_eq!(parser.args(buf).collect::<Vec<_>>(), [&b"GET"[..], b"k"]);
/// ```
#[derive(Debug, Default)]
pub struct RequestParser {
    /// The first byte not parsed yet: the beginning of a line that holds a length, or of a bulk.
    at: usize,
    /// Bytes from `at` on that are known not to end the line.
    scanned: usize,
    /// Arguments still to come, 0 before the array's length is known.
    left: usize,
    /// Length of the bulk that begins at `at`, if its line has been read.
    bulk: Option<usize>,
    /// The last call finished a request, so the next one begins another.
    finished: bool,
    /// The request was inline: its spans are offsets into `unquoted`.
    inline: bool,
    /// The arguments so far.
    spans: Vec<Span>,
    /// The arguments of an inline request, one behind the other, without their quotes.
    unquoted: Vec<u8>,
}

impl RequestParser {
    /// A parser at the beginning of a request. Allocates with the first argument, not before.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Parses on. Linear in the bytes that are new since the last call; a request in one piece costs no allocation
    /// once the parser has seen one like it.
    ///
    /// # Errors
    /// The bytes cannot be a request within `limits`.
    #[inline]
    pub fn parse(&mut self, buf: &[u8], limits: &Limits) -> Result<Parsed, ProtocolError> {
        if self.finished {
            self.reset();
        }
        if self.left == 0 {
            match buf.first() {
                None => return Ok(Parsed::Incomplete { wanted: 1 }),
                Some(b'*') => {}
                Some(_) => return self.parse_inline(buf, limits),
            }
            let (declared, next) =
                match self.length(b'*', buf, limits, ProtocolError::TooBigMultibulkCount)? {
                    Line::Length(declared, next) => (declared, next),
                    Line::Incomplete => return Ok(Parsed::Incomplete { wanted: 1 }),
                    Line::Invalid => return Err(ProtocolError::InvalidMultibulkLength),
                };
            if declared <= 0 {
                self.finished = true;
                return Ok(Parsed::Empty { consumed: next });
            }
            let argc = usize::try_from(declared).unwrap_or(usize::MAX);
            if argc > ARGC_ABSURD {
                return Err(ProtocolError::InvalidMultibulkLength);
            }
            if !limits.authenticated && argc > UNAUTHENTICATED_ARGC_MAX {
                return Err(ProtocolError::UnauthenticatedMultibulkLength);
            }
            if argc > limits.argc_max {
                return Err(ProtocolError::InvalidMultibulkLength);
            }
            self.left = argc;
            (self.at, self.scanned) = (next, 0);
        }
        self.parse_bulks(buf, limits)
    }

    /// Forgets the current request, wherever it stands, and gives back what an unusually large one took.
    #[inline]
    pub fn reset(&mut self) {
        (self.at, self.scanned, self.left, self.bulk) = (0, 0, 0, None);
        (self.finished, self.inline) = (false, false);
        self.spans.clear();
        self.unquoted.clear();
        if self.spans.capacity() > KEPT_MAX || self.unquoted.capacity() > KEPT_MAX {
            self.spans.shrink_to(KEPT_MAX);
            self.unquoted.shrink_to(KEPT_MAX);
        }
    }

    /// Whether a request has begun and not ended: bytes that are kept for the next call.
    #[must_use]
    pub fn is_midway(&self) -> bool {
        !self.finished && (self.left > 0 || self.scanned > 0)
    }

    /// How many arguments the request has, the command's name included.
    #[must_use]
    #[inline]
    pub fn argc(&self) -> usize {
        self.spans.len()
    }

    /// Where the arguments lie in [`RequestParser::source`]; valid from [`Parsed::Complete`] to the next call.
    #[must_use]
    #[inline]
    pub fn argv(&self) -> &[Span] {
        &self.spans
    }

    /// What the spans are offsets into: `buf` itself, or the parser's own copy of an inline request, without quotes.
    #[must_use]
    #[inline]
    pub fn source<'a>(&'a self, buf: &'a [u8]) -> &'a [u8] {
        if self.inline { &self.unquoted } else { buf }
    }

    /// The argument at `index`; empty where there is none.
    #[must_use]
    #[inline]
    pub fn arg<'a>(&'a self, buf: &'a [u8], index: usize) -> &'a [u8] {
        self.spans.get(index).map_or(&[], |span| span.of(self.source(buf)))
    }

    /// The arguments in order, the command's name first.
    #[inline]
    pub fn args<'a>(&'a self, buf: &'a [u8]) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone + 'a {
        let source = self.source(buf);
        self.spans.iter().map(move |span| span.of(source))
    }

    /// The bulks that are left of an array, as far as they have arrived.
    #[inline]
    fn parse_bulks(&mut self, buf: &[u8], limits: &Limits) -> Result<Parsed, ProtocolError> {
        loop {
            let len = match self.bulk {
                Some(len) => len,
                None => match self.bulk_header(buf, limits)? {
                    Some(len) => len,
                    None => return Ok(Parsed::Incomplete { wanted: 1 }),
                },
            };
            // No overflow: `bulk_header` has held `at + len + 2` against the request's limit.
            let (end, next) = (self.at + len, self.at + len + 2);
            if buf.len() < next {
                self.bulk = Some(len);
                return Ok(Parsed::Incomplete { wanted: next - buf.len() });
            }
            self.bulk = None;
            self.spans.push(Span { start: self.at as u32, end: end as u32 });
            self.at = next;
            self.left -= 1;
            if self.left == 0 {
                self.finished = true;
                return Ok(Parsed::Complete { consumed: next });
            }
        }
    }

    /// Reads the line before a bulk and moves `at` behind it; `None` when it has not arrived in full.
    #[inline]
    fn bulk_header(&mut self, buf: &[u8], limits: &Limits) -> Result<Option<usize>, ProtocolError> {
        let line = self.length(b'$', buf, limits, ProtocolError::TooBigBulkCount)?;
        if matches!(line, Line::Incomplete) {
            return Ok(None);
        }
        match buf.get(self.at) {
            Some(b'$') => {}
            got => return Err(ProtocolError::ExpectedBulk(got.copied().unwrap_or_default())),
        }
        let Line::Length(declared, next) = line else { return Err(ProtocolError::InvalidBulkLength) };
        let len = match usize::try_from(declared) {
            Ok(len) if len <= limits.bulk_bytes_max => len,
            _ => return Err(ProtocolError::InvalidBulkLength),
        };
        if !limits.authenticated && len > UNAUTHENTICATED_BULK_BYTES_MAX {
            return Err(ProtocolError::UnauthenticatedBulkLength);
        }
        match next.checked_add(len).and_then(|end| end.checked_add(2)) {
            Some(end) if end <= limits.request_bytes_max.min(u32::MAX as usize) => {}
            _ => return Err(ProtocolError::TooBigRequest),
        }
        (self.at, self.scanned) = (next, 0);
        Ok(Some(len))
    }

    /// Reads the length in the line at `at`, behind its first byte. Short ones that begin with `kind`, which is nearly
    /// all, are read here.
    #[inline]
    fn length(
        &mut self,
        kind: u8,
        buf: &[u8],
        limits: &Limits,
        too_big: ProtocolError,
    ) -> Result<Line, ProtocolError> {
        match buf.get(self.at..) {
            Some([first, a @ b'0'..=b'9', b'\r', _, ..]) if *first == kind => {
                Ok(Line::Length(i64::from(a - b'0'), self.at + 4))
            }
            Some([first, a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', _, ..]) if *first == kind => {
                Ok(Line::Length(i64::from(a - b'0') * 10 + i64::from(b - b'0'), self.at + 5))
            }
            Some(line) => self.long_length(line, limits, too_big),
            None => Ok(Line::Incomplete),
        }
    }

    /// Reads a length of any form, or resumes the search for the end of its line.
    #[cold]
    fn long_length(
        &mut self,
        line: &[u8],
        limits: &Limits,
        too_big: ProtocolError,
    ) -> Result<Line, ProtocolError> {
        let Some(end) = self.find_end(b'\r', line, limits, too_big)? else { return Ok(Line::Incomplete) };
        if line.len() < end + 2 {
            return Ok(Line::Incomplete);
        }
        let next = self.at + end + 2;
        // A line that starts with its CR has no byte for the type and no digits.
        let digits = line.get(1..end).unwrap_or_default();
        Ok(parse_i64(digits).map_or(Line::Invalid, |length| Line::Length(length, next)))
    }

    /// Where `ending` lies in `line`, resuming behind what has been searched; `None` while it has not arrived. A NUL
    /// before it hides it for good.
    fn find_end(
        &mut self,
        ending: u8,
        line: &[u8],
        limits: &Limits,
        too_big: ProtocolError,
    ) -> Result<Option<usize>, ProtocolError> {
        let unseen = line.get(self.scanned..).unwrap_or_default();
        let found = memchr::memchr2(ending, 0, unseen);
        let end = self.scanned + found.unwrap_or(unseen.len());
        self.scanned = end;
        let ends = found.is_some() && line.get(end) == Some(&ending);
        // Counted from the line's start, not from where the read happened to end: the same bytes get the same
        // answer in whatever pieces they come.
        let most = limits.inline_bytes_max.min(u32::MAX as usize);
        if end > most || (!ends && line.len() > most) {
            return Err(too_big);
        }
        Ok(ends.then_some(end))
    }

    /// A request that is a line of words.
    #[cold]
    fn parse_inline(&mut self, buf: &[u8], limits: &Limits) -> Result<Parsed, ProtocolError> {
        let Some(end) = self.find_end(b'\n', buf, limits, ProtocolError::TooBigInline)? else {
            return Ok(Parsed::Incomplete { wanted: 1 });
        };
        let line = buf.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.spans.clear();
        self.unquoted.clear();
        self.inline = true;
        split_words(line, &mut self.unquoted, &mut self.spans)?;
        self.finished = true;
        let consumed = end + 1;
        Ok(if self.spans.is_empty() { Parsed::Empty { consumed } } else { Parsed::Complete { consumed } })
    }
}

/// A line that holds a length.
enum Line {
    /// The length, and the offset behind the line.
    Length(i64, usize),
    /// The line has not arrived in full.
    Incomplete,
    /// The line holds no number.
    Invalid,
}

/// A number as Redis' `string2ll` takes it: digits without leading zeros, perhaps behind a minus.
fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'0'] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if !matches!(digits.first(), Some(b'1'..=b'9')) {
        return None;
    }
    // Collected below zero, where there is room for one more.
    let mut value = 0i64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// Splits a line into words as Redis' `sdssplitargs` does, appending their bytes to `bytes`.
///
/// 1. Words are separated by white space. A quote may open anywhere in a word; its end is the word's end, so what
///    follows a closing quote must be white space or the line's end.
/// 2. Between double quotes, `\xHH` is a byte, `\n` `\r` `\t` `\b` `\a` are what they are in C, and any other escaped
///    character is itself. Between single quotes only `\'` is an escape.
fn split_words(line: &[u8], bytes: &mut Vec<u8>, spans: &mut Vec<Span>) -> Result<(), ProtocolError> {
    let mut rest = line;
    loop {
        while let [blank, tail @ ..] = rest
            && is_space(*blank)
        {
            rest = tail;
        }
        if rest.is_empty() {
            return Ok(());
        }
        let start = bytes.len() as u32;
        rest = split_word(rest, bytes)?;
        spans.push(Span { start, end: bytes.len() as u32 });
    }
}

/// Appends the word at the front of `rest` to `bytes`, returning what follows it.
fn split_word<'a>(mut rest: &'a [u8], bytes: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    let mut quote = None;
    loop {
        let (byte, tail) = match (quote, rest) {
            (None, []) => return Ok(rest),
            (Some(_), []) => return Err(ProtocolError::UnbalancedQuotes),
            (None, [b' ' | b'\n' | b'\r' | b'\t', tail @ ..]) => return Ok(tail),
            (None, [opening @ (b'"' | b'\''), tail @ ..]) => {
                quote = Some(*opening);
                rest = tail;
                continue;
            }
            (Some(b'"'), [b'\\', b'x', high, low, tail @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                (hex_digit(*high) << 4 | hex_digit(*low), tail)
            }
            (Some(b'"'), [b'\\', escaped, tail @ ..]) => (unescape(*escaped), tail),
            (Some(b'\''), [b'\\', b'\'', tail @ ..]) => (b'\'', tail),
            (Some(open), [byte, tail @ ..]) if *byte == open => {
                return match tail.first() {
                    Some(next) if !is_space(*next) => Err(ProtocolError::UnbalancedQuotes),
                    _ => Ok(tail),
                };
            }
            (_, [byte, tail @ ..]) => (*byte, tail),
        };
        bytes.push(byte);
        rest = tail;
    }
}

/// C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The byte that a backslash and `escaped` stand for.
fn unescape(escaped: u8) -> u8 {
    match escaped {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

/// The value of a hexadecimal digit.
fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        letter => (letter | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests;

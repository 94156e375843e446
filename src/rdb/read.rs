//! Reading: lengths, strings and numbers from bytes that anybody may have sent.
//!
//! Nothing is allocated because a length says so: what is read must be there, and what is decompressed grows with what
//! its bytes give, within [`Limits`].

use super::Corrupt;
use super::lzf;
use std::borrow::Cow;

/// How much a payload may unfold to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one string.
    pub string_bytes_max: usize,
    /// Bytes of all compressed strings together.
    pub unfolded_bytes_max: usize,
}

/// A cursor over bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    limits: Limits,
}

/// A length, or the form of a string that has none.
enum Length {
    Plain(u64),
    Special(u8),
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8], limits: Limits) -> Self {
        Self { bytes, at: 0, limits }
    }

    /// An error that names this place.
    #[must_use]
    pub fn corrupt(&self, what: &'static str) -> Corrupt {
        Corrupt { what, offset: self.at }
    }

    /// # Errors
    /// [`Corrupt`] where anything is left.
    pub fn end(&self) -> Result<(), Corrupt> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.corrupt("nothing follows a value")) }
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`Corrupt`] where fewer are left, as all that follows here.
    pub fn take(&mut self, n: u64) -> Result<&'a [u8], Corrupt> {
        let end = usize::try_from(n).ok().and_then(|n| self.at.checked_add(n));
        let taken =
            end.and_then(|end| self.bytes.get(self.at..end)).ok_or(self.corrupt("bytes are missing"))?;
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let taken = self.take(N as u64)?;
        taken.first_chunk().copied().ok_or(self.corrupt("bytes are missing"))
    }

    /// One byte.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn byte(&mut self) -> Result<u8, Corrupt> {
        self.array().map(|[byte]| byte)
    }

    /// A length or a count. It says nothing about what there is: whoever reads on finds out.
    ///
    /// # Errors
    /// [`Corrupt`] where bytes are missing or it is the form of a string.
    pub fn length(&mut self) -> Result<u64, Corrupt> {
        match self.length_or_special()? {
            Length::Plain(length) => Ok(length),
            Length::Special(_) => Err(self.corrupt("a length is a number")),
        }
    }

    fn length_or_special(&mut self) -> Result<Length, Corrupt> {
        let first = self.byte()?;
        Ok(Length::Plain(match (first >> 6, first) {
            (0, short) => u64::from(short),
            (1, high) => u64::from(high & 0x3F) << 8 | u64::from(self.byte()?),
            (2, 0x80) => u64::from(u32::from_be_bytes(self.array()?)),
            (2, 0x81) => u64::from_be_bytes(self.array()?),
            (2, _) => return Err(self.corrupt("a length has one of four forms")),
            (_, special) => return Ok(Length::Special(special & 0x3F)),
        }))
    }

    /// A string, borrowed where it stands as it is. O(n).
    ///
    /// # Errors
    /// [`Corrupt`] where bytes are missing, its form is none, or it unfolds to more than it may.
    pub fn string(&mut self) -> Result<Cow<'a, [u8]>, Corrupt> {
        let number = match self.length_or_special()? {
            Length::Plain(length) => {
                let string = self.take(length)?;
                self.check_len(string.len())?;
                return Ok(Cow::Borrowed(string));
            }
            Length::Special(0) => i32::from(i8::from_le_bytes(self.array()?)),
            Length::Special(1) => i32::from(i16::from_le_bytes(self.array()?)),
            Length::Special(2) => i32::from_le_bytes(self.array()?),
            Length::Special(3) => return self.compressed().map(Cow::Owned),
            Length::Special(_) => return Err(self.corrupt("a string has a known form")),
        };
        Ok(Cow::Owned(itoa::Buffer::new().format(number).as_bytes().to_vec()))
    }

    fn compressed(&mut self) -> Result<Vec<u8>, Corrupt> {
        let (compressed_len, len) = (self.length()?, self.length()?);
        let compressed = self.take(compressed_len)?;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        self.check_len(len)?;
        self.limits.unfolded_bytes_max = self
            .limits
            .unfolded_bytes_max
            .checked_sub(len)
            .ok_or(self.corrupt("strings unfold to no more than they may"))?;
        lzf::decompress(compressed, len).ok_or(self.corrupt("a compressed string gives what it says"))
    }

    fn check_len(&self, len: usize) -> Result<(), Corrupt> {
        if len <= self.limits.string_bytes_max {
            Ok(())
        } else {
            Err(self.corrupt("a string is not too long"))
        }
    }

    /// A double of eight bytes.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn double(&mut self) -> Result<f64, Corrupt> {
        self.array().map(f64::from_le_bytes)
    }

    /// A double in the old form, as text.
    ///
    /// # Errors
    /// [`Corrupt`] where bytes are missing, or the text is no number.
    pub fn text_double(&mut self) -> Result<f64, Corrupt> {
        let text = match self.byte()? {
            255 => return Ok(f64::NEG_INFINITY),
            254 => return Ok(f64::INFINITY),
            253 => return Ok(f64::NAN),
            len => self.take(u64::from(len))?,
        };
        parse_double(text).ok_or(self.corrupt("a score is a number"))
    }

    /// A number of eight bytes, a time in Unix ms mostly.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn millis(&mut self) -> Result<i64, Corrupt> {
        self.array().map(i64::from_le_bytes)
    }

    /// Sixteen bytes that are a stream's ID: milliseconds and number, so that they sort.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn stream_id(&mut self) -> Result<(u64, u64), Corrupt> {
        Ok((u64::from_be_bytes(self.array()?), u64::from_be_bytes(self.array()?)))
    }
}

/// A score that stands as text.
pub(super) fn parse_double(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

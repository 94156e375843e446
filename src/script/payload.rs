//! `FUNCTION DUMP`'s bytes: for each library 245 and its code as a string of an RDB file, then the footer of `DUMP`.

use crate::command::error::CommandError;
use crate::rdb::{self, Limits, Reader, Writer, crc64};

/// Says that a library's code follows.
const FUNCTION: u8 = 245;
/// The version, two bytes, and the checksum, eight.
const FOOTER: usize = 10;
/// The longest code that compressed bytes may unfold to.
const CODE_BYTES_MAX: usize = 64 << 20;

/// Libraries' code as bytes.
pub(super) fn write<'a>(codes: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut writer = Writer::default();
    for code in codes {
        writer.byte(FUNCTION);
        writer.string(code);
    }
    writer.seal(rdb::VERSION)
}

/// Libraries' code from bytes.
///
/// # Errors
/// The bytes are not what [`write`] or a Redis makes.
pub(super) fn read(data: &[u8]) -> Result<Vec<Vec<u8>>, CommandError> {
    const WRONG: CommandError = CommandError::text("ERR DUMP payload version or checksum are wrong");
    const TORN: CommandError = CommandError::text("ERR failed loading functions data");
    let (body, footer) = data.len().checked_sub(FOOTER).map(|len| data.split_at(len)).ok_or(WRONG)?;
    let (version, sum) = footer.split_at(2);
    if !rdb::is_readable(u16::from_le_bytes([version[0], version[1]]))
        || crc64(crc64(0, body), version).to_le_bytes() != sum
    {
        return Err(WRONG);
    }
    let mut reader =
        Reader::new(body, Limits { string_bytes_max: CODE_BYTES_MAX, unfolded_bytes_max: CODE_BYTES_MAX });
    let mut codes = Vec::new();
    while reader.end().is_err() {
        if reader.byte() != Ok(FUNCTION) {
            return Err(CommandError::text("ERR given type is not a function"));
        }
        codes.push(reader.string().map_err(|_| TORN)?.into_owned());
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_come_back_as_they_were() {
        let codes = [&b"#!lua name=a\n"[..], &[b'x'; 100], &[b'y'; 20_000]];
        assert_eq!(read(&write(codes.into_iter())).expect("whole"), codes);
        assert!(read(&write(std::iter::empty())).expect("whole").is_empty());
        let mut torn = write(codes.into_iter());
        torn[3] ^= 1;
        assert!(read(&torn).is_err());
        assert!(read(b"").is_err());
    }
}

//! `FUNCTION DUMP`'s bytes: libraries' code as an RDB file has it, its version, a checksum.
//!
//! 1. For each library: 245, then its code as a string: a length, or a compressed string.
//! 2. Two bytes: the RDB version, low byte first. 3. Eight bytes: CRC-64 of all that, low byte first.

use crate::command::error::CommandError;

/// Says that a library's code follows.
const FUNCTION: u8 = 245;
/// What we write; Redis 7.2's version.
const RDB_VERSION: u16 = 11;
/// The highest version that we read; Valkey's is 80.
const RDB_VERSION_MAX: u16 = 80;
/// The longest code that a compressed string may become.
const CODE_BYTES_MAX: usize = 512 << 20;

/// Libraries' code as bytes.
pub(super) fn write<'a>(codes: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for code in codes {
        out.push(FUNCTION);
        match code.len() {
            len @ 0..=0x3F => out.push(len as u8),
            len @ 0x40..=0x3FFF => out.extend_from_slice(&(len as u16 | 0x4000).to_be_bytes()),
            len if u32::try_from(len).is_ok() => {
                out.push(0x80);
                out.extend_from_slice(&(len as u32).to_be_bytes());
            }
            len => {
                out.push(0x81);
                out.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(code);
    }
    out.extend_from_slice(&RDB_VERSION.to_le_bytes());
    out.extend_from_slice(&crc64(&out).to_le_bytes());
    out
}

/// Libraries' code from bytes.
///
/// # Errors
/// The bytes are not what [`write`] or a Redis makes.
pub(super) fn read(data: &[u8]) -> Result<Vec<Vec<u8>>, CommandError> {
    const WRONG: CommandError = CommandError::text("ERR DUMP payload version or checksum are wrong");
    const NOT_FUNCTIONS: CommandError = CommandError::text("ERR given type is not a function");
    const TORN: CommandError = CommandError::text("ERR failed loading functions data");
    let (rest, checksum) = data.split_last_chunk::<8>().ok_or(WRONG)?;
    let (mut rest, version) = rest.split_last_chunk::<2>().ok_or(WRONG)?;
    let signed = data.get(..data.len() - 8).unwrap_or_default();
    if u16::from_le_bytes(*version) > RDB_VERSION_MAX {
        return Err(WRONG);
    }
    // A checksum of nothing but zeros says that there is none.
    if *checksum != [0; 8] && u64::from_le_bytes(*checksum) != crc64(signed) {
        return Err(WRONG);
    }
    let mut codes = Vec::new();
    while let Some((&tag, behind)) = rest.split_first() {
        if tag != FUNCTION {
            return Err(NOT_FUNCTIONS);
        }
        rest = behind;
        codes.push(string(&mut rest).ok_or(TORN)?);
    }
    Ok(codes)
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, behind) = rest.split_at_checked(len)?;
    *rest = behind;
    Some(taken)
}

fn number(rest: &mut &[u8], bytes: usize) -> Option<usize> {
    take(rest, bytes)?.iter().try_fold(0usize, |number, byte| number.checked_mul(256)?.checked_add(usize::from(*byte)))
}

/// A length, or an encoding in its place.
fn len(rest: &mut &[u8]) -> Option<Result<usize, u8>> {
    let first = take(rest, 1)?.first().copied()?;
    Some(match first >> 6 {
        0 => Ok(usize::from(first)),
        1 => Ok(usize::from(first & 0x3F) << 8 | number(rest, 1)?),
        2 if first == 0x80 => Ok(number(rest, 4)?),
        2 if first == 0x81 => Ok(number(rest, 8)?),
        3 => Err(first & 0x3F),
        _ => return None,
    })
}

fn string(rest: &mut &[u8]) -> Option<Vec<u8>> {
    match len(rest)? {
        Ok(len) => take(rest, len).map(<[u8]>::to_vec),
        Err(3) => {
            let (packed, full) = (len(rest)?.ok()?, len(rest)?.ok()?);
            unpack(take(rest, packed)?, full)
        }
        // An integer is no code.
        Err(_) => None,
    }
}

/// Undoes LZF.
fn unpack(mut data: &[u8], full: usize) -> Option<Vec<u8>> {
    let mut out: Vec<u8> = Vec::new();
    while let Some((&control, rest)) = data.split_first() {
        data = rest;
        if control < 32 {
            out.extend_from_slice(take(&mut data, usize::from(control) + 1)?);
        } else {
            let mut len = usize::from(control >> 5);
            if len == 7 {
                len += number(&mut data, 1)?;
            }
            let back = (usize::from(control & 31) << 8) + number(&mut data, 1)? + 1;
            let start = out.len().checked_sub(back)?;
            // It may reach into what it makes.
            for at in start..start + len + 2 {
                out.push(*out.get(at)?);
            }
        }
        if out.len() > full.min(CODE_BYTES_MAX) {
            return None;
        }
    }
    (out.len() == full).then_some(out)
}

/// CRC-64 as Redis computes it (Jones' polynomial, reflected).
fn crc64(data: &[u8]) -> u64 {
    const TABLE: [u64; 256] = {
        let mut table = [0; 256];
        let mut at = 0;
        while at < 256 {
            let mut crc = at as u64;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0x95AC_9329_AC4B_C9B5 } else { crc >> 1 };
                bit += 1;
            }
            table[at] = crc;
            at += 1;
        }
        table
    };
    data.iter().fold(0, |crc, byte| TABLE[usize::from(crc as u8 ^ byte)] ^ crc >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_redis_own() {
        assert_eq!(crc64(b"123456789"), 0xE9C6_D914_C4B8_D9CA);
    }

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

    #[test]
    fn a_compressed_string_may_repeat_itself() {
        assert_eq!(unpack(&[0, b'a', 0xE0, 5, 0], 15), Some(vec![b'a'; 15]));
        assert_eq!(unpack(&[0xE0, 5, 0], 14), None);
    }
}

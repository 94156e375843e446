//! Numbers of few bytes where they are small: LEB128, seven bits a byte, the lowest first.

/// Appends a number. At most ten bytes.
pub(crate) fn write(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads a number from the bytes that `next` gives; `None` where it does not fit 64 bits.
///
/// # Errors
/// Those of `next`.
pub(crate) fn read<E>(mut next: impl FnMut() -> Result<u8, E>) -> Result<Option<u64>, E> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = next()?;
        let part = u64::from(byte & 0x7f);
        if part << shift >> shift != part {
            return Ok(None);
        }
        number |= part << shift;
        if byte < 0x80 {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    fn read_all(bytes: &[u8]) -> Result<Option<u64>, ()> {
        let mut bytes = bytes.iter();
        read(|| bytes.next().copied().ok_or(()))
    }

    quickcheck! {
        fn what_is_written_is_read_and_no_part_of_it_is_a_number(number: u64, shift: u8) -> bool {
            let number = number >> (shift % 64);
            let mut bytes = Vec::new();
            write(&mut bytes, number);
            read_all(&bytes) == Ok(Some(number)) && read_all(&bytes[..bytes.len() - 1]) == Err(())
        }
    }

    #[test]
    fn what_does_not_fit_is_no_number() {
        let most = [[0xff; 9].as_slice(), &[1]].concat();
        assert_eq!(read_all(&most), Ok(Some(u64::MAX)));
        assert_eq!(read_all(&[[0xff; 9].as_slice(), &[2]].concat()), Ok(None));
        assert_eq!(read_all(&[0xff; 11]), Ok(None));
    }
}

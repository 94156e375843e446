//! The checksum of RDB: CRC-64 with Jones' polynomial, reflected, from zero and without a final inversion.

use crc_fast::{CrcAlgorithm, Digest};

/// Jones' polynomial, its bits in reverse order.
const POLYNOMIAL: u64 = 0x95AC_9329_AC4B_C9B5;

/// `TABLES[k][b]` is what byte `b` does to the sum after `k` more bytes of zeros: eight bytes go in one step.
static TABLES: [[u64; 256]; 8] = tables();

const fn tables() -> [[u64; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let (mut sum, mut bit) = (byte as u64, 0);
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut after = 1;
    while after < 8 {
        let mut byte = 0;
        while byte < 256 {
            let sum: u64 = tables[after - 1][byte];
            tables[after][byte] = tables[0][(sum & 0xFF) as usize] ^ sum >> 8;
            byte += 1;
        }
        after += 1;
    }
    tables
}

/// The checksum of `bytes` behind what `sum` is the checksum of; 0 for nothing. O(n), eight bytes a step.
#[must_use]
pub fn crc64(sum: u64, bytes: &[u8]) -> u64 {
    if bytes.len() < LONG {
        return crc64_by_table(sum, bytes);
    }
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc64Redis, sum);
    digest.update(bytes);
    digest.finalize()
}

/// From this length on instructions made for it are faster than looking bytes up.
const LONG: usize = 128;

fn crc64_by_table(mut sum: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mixed = (sum ^ u64::from_le_bytes(*word)).to_le_bytes();
        sum = mixed
            .iter()
            .zip(TABLES.iter().rev())
            .fold(0, |sum, (&byte, table)| sum ^ table[usize::from(byte)]);
    }
    for &byte in rest {
        sum = TABLES[0][usize::from(sum as u8 ^ byte)] ^ sum >> 8;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    #[test]
    fn the_sum_is_that_of_redis() {
        assert_eq!(crc64(0, b"123456789"), 0xE9C6_D914_C4B8_D9CA);
        assert_eq!(crc64(0, b""), 0);
    }

    #[test]
    fn long_ones_have_the_sum_that_the_table_gives() {
        let bytes: Vec<u8> = (0..5000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for len in [0, 7, 127, 128, 129, 255, 256, 1000, 4096, 4999, 5000] {
            assert_eq!(crc64(77, &bytes[..len]), crc64_by_table(77, &bytes[..len]), "{len}");
        }
    }

    quickcheck! {
        fn pieces_change_nothing(bytes: Vec<u8>, at: usize) -> bool {
            let (head, tail) = bytes.split_at(at % (bytes.len() + 1));
            crc64(crc64(0, head), tail) == crc64(0, &bytes)
        }
    }
}

//! LZF, the compression of strings in RDB.
//!
//! A compressed string is a sequence of runs. `000lllll` is followed by `l + 1` bytes to be copied; `lllooooo oooooooo`
//! repeats `l + 2` bytes that stand `o + 1` bytes back in what was written, and where `l` is 7, a byte between the two
//! adds to it.
//!
//! The compressor makes the choices of the one in Redis, byte for byte, so that a value gives the payload that Redis
//! would give. It remembers where three bytes stood last in a table of 65,536 places, which it keeps from one string
//! to the next: places of earlier strings are below the current string's first, and so are none.

/// Longest run of bytes that are copied.
const COPIED_MAX: usize = 32;
/// How far back a repetition may reach, bytes.
const DISTANCE_MAX: usize = 1 << 13;
/// Longest repetition, bytes.
const REPEATED_MAX: usize = (1 << 8) + (1 << 3);
/// Longest string that is compressed, bytes.
const INPUT_MAX: usize = 1 << 30;
/// Bits of a place in the table.
const PLACE_BITS: u32 = 16;

/// A compressor, for any number of strings.
#[derive(Debug, Default)]
pub struct Compressor {
    /// Where three bytes that hash to this place stood last, counted over all strings, plus one.
    table: Vec<u32>,
    /// Where the next string begins in that count.
    start: u32,
}

impl Compressor {
    /// Appends the compressed form of `input` to `out` and returns its length; 0, and nothing in `out`, where it would
    /// not save four bytes. O(n).
    pub fn compress(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let from = out.len();
        if self.table.is_empty() {
            self.table = vec![0; 1 << PLACE_BITS];
        }
        if input.len() > INPUT_MAX {
            return 0;
        }
        if self.start as usize > u32::MAX as usize - INPUT_MAX - 1 {
            self.table.fill(0);
            self.start = 0;
        }
        let fits =
            input.len().checked_sub(4).is_some_and(|most| self.runs(input, out, from + most).is_some());
        self.start += input.len() as u32 + 1;
        if !fits {
            out.truncate(from);
        }
        out.len() - from
    }

    /// Writes the runs; `None` where they go beyond `most` bytes of `out`.
    fn runs(&mut self, input: &[u8], out: &mut Vec<u8>, most: usize) -> Option<()> {
        let (start, table) = (self.start as usize, &mut self.table);
        let triple = |at: usize| input.get(at..).and_then(|rest| rest.first_chunk::<3>()).copied();
        // Remembers where three bytes stand, and tells where the same hash stood before.
        let mut note = |at: usize, [a, b, c]: [u8; 3]| {
            let value = u32::from(a) << 16 | u32::from(b) << 8 | u32::from(c);
            let place = (value >> (24 - PLACE_BITS)).wrapping_sub(value.wrapping_mul(5)) as usize
                & ((1 << PLACE_BITS) - 1);
            let before = std::mem::replace(&mut table[place], (start + at + 1) as u32) as usize;
            before.checked_sub(start + 1)
        };
        // The run of copied bytes that is open: its length, which stands in front of it.
        let mut copied = 0;
        out.push(0);
        let mut at = 0;
        while let Some(bytes) = triple(at) {
            let before = note(at, bytes);
            let found = before.filter(|&before| {
                // Redis never refers to the very first byte.
                before > 0 && at - before - 1 < DISTANCE_MAX && triple(before) == Some(bytes)
            });
            let Some(before) = found else {
                if out.len() >= most {
                    return None;
                }
                copy(out, &mut copied, bytes[0]);
                at += 1;
                continue;
            };
            if out.len() - usize::from(copied == 0) + 4 >= most {
                return None;
            }
            close(out, copied);
            copied = 0;
            // Three bytes are known to be the same; where there are enough, sixteen more are compared before the limit is.
            let longest = (input.len() - at - 2).min(REPEATED_MAX);
            let longest = longest.max(if longest > 16 { 19 } else { 3 });
            let same = input[before..].iter().zip(&input[at..]).take_while(|(a, b)| a == b).count();
            let len = same.min(longest);
            let distance = at - before - 1;
            let (high, code) = ((distance >> 8) as u8, len - 2);
            if code < 7 {
                out.push(high | (code as u8) << 5);
            } else {
                out.extend([high | 7 << 5, (code - 7) as u8]);
            }
            out.extend([distance as u8, 0]);
            at += len;
            if at + 2 >= input.len() {
                break;
            }
            for back in [2, 1] {
                if let Some(bytes) = triple(at - back) {
                    note(at - back, bytes);
                }
            }
        }
        if out.len() + 3 > most {
            return None;
        }
        for &byte in input.get(at..).unwrap_or_default() {
            copy(out, &mut copied, byte);
        }
        close(out, copied);
        Some(())
    }
}

/// Adds a byte to the open run, and opens another where that is full.
fn copy(out: &mut Vec<u8>, copied: &mut usize, byte: u8) {
    out.push(byte);
    *copied += 1;
    if *copied == COPIED_MAX {
        close(out, COPIED_MAX);
        *copied = 0;
        out.push(0);
    }
}

/// Writes the length in front of the open run, or takes that place back where the run is empty.
fn close(out: &mut Vec<u8>, copied: usize) {
    if copied == 0 {
        out.pop();
    } else if let Some(head) = out.len().checked_sub(copied + 1) {
        out[head] = (copied - 1) as u8;
    }
}

/// Undoes the compression; `None` where the runs are broken or do not give exactly `len` bytes.
///
/// Memory grows with what the runs give, not with what `len` says. O(len).
#[must_use]
pub fn decompress(mut input: &[u8], len: usize) -> Option<Vec<u8>> {
    // No run gives more than 88 bytes for each of its own.
    let mut out = Vec::with_capacity(len.min(input.len().saturating_mul(4)));
    while let Some((&control, rest)) = input.split_first() {
        let length = usize::from(control >> 5);
        if length == 0 {
            let (copied, rest) = rest.split_at_checked(usize::from(control) + 1)?;
            if len - out.len() < copied.len() {
                return None;
            }
            out.extend_from_slice(copied);
            input = rest;
            continue;
        }
        let (length, rest) = match (length, rest) {
            (7, [more, rest @ ..]) => (7 + usize::from(*more), rest),
            (7, []) => return None,
            (length, rest) => (length, rest),
        };
        let (&low, rest) = rest.split_first()?;
        let distance = (usize::from(control & 0x1F) << 8 | usize::from(low)) + 1;
        let length = length + 2;
        let from = out.len().checked_sub(distance)?;
        if len - out.len() < length {
            return None;
        }
        if distance >= length {
            out.extend_from_within(from..from + length);
        } else {
            // It repeats bytes that it writes itself.
            for at in from..from + length {
                let byte = *out.get(at)?;
                out.push(byte);
            }
        }
        input = rest;
    }
    (out.len() == len).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    fn round_trip(compressor: &mut Compressor, input: &[u8]) -> usize {
        let mut out = b"before".to_vec();
        let len = compressor.compress(input, &mut out);
        assert_eq!(out.len(), 6 + len);
        if len > 0 {
            assert!(len + 4 <= input.len());
            assert_eq!(decompress(&out[6..], input.len()).as_deref(), Some(input));
            assert_eq!(decompress(&out[6..], input.len() + 1), None);
            assert_eq!(decompress(&out[6..], input.len() - 1), None);
        }
        len
    }

    quickcheck! {
        fn what_was_compressed_is_read_back(pieces: Vec<(u8, u8)>, more: Vec<u8>) -> bool {
            let mut compressor = Compressor::default();
            let runs: Vec<u8> = pieces.iter().flat_map(|&(byte, count)| vec![byte % 4; usize::from(count)]).collect();
            for input in [&runs[..], &more, &[&more[..], &more, &runs, &more].concat(), &runs] {
                round_trip(&mut compressor, input);
            }
            true
        }

        fn no_bytes_break_it(input: Vec<u8>, len: u16) -> bool {
            decompress(&input, usize::from(len)).is_none_or(|out| out.len() == usize::from(len))
        }
    }

    #[test]
    fn lengths_around_every_limit_work() {
        let mut compressor = Compressor::default();
        for len in (0..600).chain([8190, 8191, 8192, 8193, 9000, 70_000]) {
            assert!(round_trip(&mut compressor, &vec![b'a'; len]) > 0 || len <= 20, "{len}");
            let text: Vec<u8> = (0..len).map(|at| (at * at / 7) as u8).collect();
            round_trip(&mut compressor, &[&text[..], &text].concat());
        }
    }

    #[test]
    fn the_count_of_all_strings_may_begin_anew() {
        let mut compressor = Compressor { start: u32::MAX - INPUT_MAX as u32 - 100, ..Compressor::default() };
        for _ in 0..5 {
            assert!(round_trip(&mut compressor, &[b'x'; 90]) > 0);
        }
    }
}

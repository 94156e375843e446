//! HyperLogLog in Redis' bytes: how many different elements were added, within 0.81 %, in at most 12 KiB.
//!
//! An element's hash names one of 16384 registers with its lowest 14 bits; the register keeps the longest run of zeros
//! that the other 50 bits began with, plus one. Many long runs mean many elements.
//!
//! ```text
//! "HYLL"  encoding  3 unused bytes  cached count, 8 bytes, lowest first; its top bit says that it is stale
//! dense (0):   16384 registers of 6 bits, the lowest bits first: 12288 bytes
//! sparse (1):  runs of registers from the first to the last:
//!              00llllll            1 to 64 registers that are 0
//!              01llllll llllllll   1 to 16384 registers that are 0
//!              1vvvvvll            1 to 4 registers that are 1 to 32
//! ```
//!
//! Strings like these come from clients as well (`SET`, `RESTORE`), so nothing in them is believed: whatever does not
//! cover the registers exactly is [`Corrupt`]. **Invariant:** the same additions give the same bytes as in Redis, so runs
//! are split and joined exactly when it does that.

use bytes::BytesMut;

/// Registers.
pub const REGISTERS: usize = 1 << INDEX_BITS;
const INDEX_BITS: u32 = 14;
/// Bits of a hash that runs of zeros are counted in.
const RUN_BITS: u32 = 64 - INDEX_BITS;
const HEADER_BYTES: usize = 16;
const DENSE_BYTES: usize = HEADER_BYTES + REGISTERS * 6 / 8;
const MAGIC: &[u8] = b"HYLL";
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
/// The greatest value of a register in a sparse run.
const SPARSE_VALUE_MAX: u8 = 32;
/// The most registers in a run with a value.
const VALUE_RUN_MAX: usize = 4;
/// The most registers in a run of zeros of one byte.
const SHORT_RUN_MAX: usize = 64;

/// The runs do not cover the registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// How registers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Each with its six bits.
    Dense,
    /// As runs.
    Sparse,
}

impl Encoding {
    /// The encoding of a string that looks like a HyperLogLog; `None` for any other. O(1).
    #[must_use]
    pub fn of(string: &[u8]) -> Option<Self> {
        if string.len() < HEADER_BYTES || !string.starts_with(MAGIC) {
            return None;
        }
        match string.get(4) {
            Some(&DENSE) if string.len() == DENSE_BYTES => Some(Self::Dense),
            Some(&SPARSE) => Some(Self::Sparse),
            _ => None,
        }
    }

    /// The name that `PFDEBUG` has for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dense => "dense",
            Self::Sparse => "sparse",
        }
    }
}

/// One that nothing was added to.
#[must_use]
pub fn empty() -> BytesMut {
    let mut string = BytesMut::with_capacity(64);
    string.extend_from_slice(MAGIC);
    string.extend_from_slice(&[SPARSE, 0, 0, 0]);
    string.extend_from_slice(&[0; 8]);
    let mut runs = Runs::default();
    runs.zeros(REGISTERS);
    string.extend_from_slice(runs.bytes());
    string
}

// ---- The cached count -----------------------------------------------------------------------------------------------

/// The count that was kept, unless something was added since. O(1).
#[must_use]
pub fn cached(string: &[u8]) -> Option<u64> {
    let bytes = string.get(8..HEADER_BYTES)?.try_into().ok()?;
    let count = u64::from_le_bytes(bytes);
    (count >> 63 == 0).then_some(count)
}

/// Keeps a count. O(1).
pub fn cache(string: &mut [u8], count: u64) {
    if let Some(bytes) = string.get_mut(8..HEADER_BYTES) {
        bytes.copy_from_slice(&count.to_le_bytes());
    }
}

/// Says that the count kept is not true any longer. O(1).
pub fn invalidate(string: &mut [u8]) {
    if let Some(byte) = string.get_mut(HEADER_BYTES - 1) {
        *byte |= 0x80;
    }
}

// ---- Adding ---------------------------------------------------------------------------------------------------------

/// Adds elements; how many of them changed a register. Where the runs turn out to be corrupt, nothing is added. O(1) for
/// each element of a dense one, O(bytes) of a sparse one.
///
/// # Errors
/// [`Corrupt`].
pub fn add<E: AsRef<[u8]>>(
    string: &mut BytesMut,
    elements: &[E],
    sparse_bytes_max: usize,
) -> Result<u64, Corrupt> {
    let add_to = |string: &mut BytesMut| {
        let mut updated = 0;
        for element in elements {
            let (register, value) = place(element.as_ref());
            updated += u64::from(set(string, register, value, sparse_bytes_max)?);
        }
        Ok(updated)
    };
    if Encoding::of(string) == Some(Encoding::Dense) {
        return add_to(string);
    }
    let mut changed = BytesMut::from(&string[..]);
    let updated = add_to(&mut changed)?;
    if updated > 0 {
        *string = changed;
    }
    Ok(updated)
}

/// Raises a register to a value; whether it was below.
fn set(string: &mut BytesMut, register: usize, value: u8, sparse_bytes_max: usize) -> Result<bool, Corrupt> {
    match string.get(4) {
        Some(&DENSE) => Ok(set_dense(string, register, value)),
        _ => set_sparse(string, register, value, sparse_bytes_max),
    }
}

/// The register of an element, and the value that it gives it.
fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur(element);
    let run = (hash >> INDEX_BITS) | 1 << RUN_BITS;
    (hash as usize & (REGISTERS - 1), run.trailing_zeros() as u8 + 1)
}

/// MurmurHash64A, with Redis' seed.
fn murmur(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    const SEED: u64 = 0xadc8_3b19;
    let mix = |word: u64| word ^ (word >> 47);
    let (words, tail) = bytes.as_chunks::<8>();
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    for word in words {
        let word = mix(u64::from_le_bytes(*word).wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
        hash = (hash ^ word).wrapping_mul(FACTOR);
    }
    if !tail.is_empty() {
        let word = tail.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        hash = (hash ^ word).wrapping_mul(FACTOR);
    }
    mix(mix(hash).wrapping_mul(FACTOR))
}

// ---- Dense ----------------------------------------------------------------------------------------------------------

/// Where a register's bits begin: the byte, and the bit in it.
fn bits_of(register: usize) -> (usize, u32) {
    let bit = register * 6;
    (HEADER_BYTES + bit / 8, (bit % 8) as u32)
}

fn dense(string: &[u8], register: usize) -> u8 {
    let (at, shift) = bits_of(register);
    let byte = |at: usize| u16::from(string.get(at).copied().unwrap_or(0));
    ((byte(at) | byte(at + 1) << 8) >> shift) as u8 & 0x3f
}

fn set_dense(string: &mut [u8], register: usize, value: u8) -> bool {
    if value <= dense(string, register) {
        return false;
    }
    let (at, shift) = bits_of(register);
    let (mask, bits) = (0x3f_u16 << shift, u16::from(value) << shift);
    for (at, mask, bits) in [(at, mask as u8, bits as u8), (at + 1, (mask >> 8) as u8, (bits >> 8) as u8)] {
        if let Some(byte) = string.get_mut(at) {
            *byte = *byte & !mask | bits;
        }
    }
    true
}

/// Makes a sparse one dense; whether it was sparse. O(registers).
///
/// # Errors
/// [`Corrupt`], and the string stays as it is.
pub fn make_dense(string: &mut BytesMut) -> Result<bool, Corrupt> {
    if string.get(4) == Some(&DENSE) {
        return Ok(false);
    }
    let mut registers = vec![0; REGISTERS];
    merge(string, &mut registers)?;
    let mut new = BytesMut::zeroed(DENSE_BYTES);
    for (to, from) in new.iter_mut().zip(string.iter()).take(HEADER_BYTES) {
        *to = *from;
    }
    if let Some(encoding) = new.get_mut(4) {
        *encoding = DENSE;
    }
    for (register, &value) in registers.iter().enumerate().filter(|(_, value)| **value > 0) {
        set_dense(&mut new, register, value);
    }
    *string = new;
    Ok(true)
}

// ---- Sparse ---------------------------------------------------------------------------------------------------------

/// Registers in a row that have one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    value: u8,
    len: usize,
    /// How many bytes say so.
    bytes: usize,
}

impl Run {
    fn at(string: &[u8], at: usize) -> Option<Self> {
        let first = *string.get(at)?;
        let low = usize::from(first & 0x3f);
        Some(match first >> 6 {
            0 => Run { value: 0, len: low + 1, bytes: 1 },
            1 => {
                // A string that ends here has a zero behind it in Redis.
                let second = string.get(at + 1).copied().unwrap_or(0);
                Run { value: 0, len: (low << 8 | usize::from(second)) + 1, bytes: 2 }
            }
            _ => Run { value: (first >> 2 & 0x1f) + 1, len: usize::from(first & 3) + 1, bytes: 1 },
        })
    }

    /// All runs of a string.
    fn all(string: &[u8]) -> impl Iterator<Item = Run> + '_ {
        let mut at = HEADER_BYTES;
        std::iter::from_fn(move || {
            let run = Run::at(string, at)?;
            at += run.bytes;
            Some(run)
        })
    }
}

/// The bytes of up to three runs.
#[derive(Default)]
struct Runs {
    bytes: [u8; 5],
    len: usize,
}

impl Runs {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    fn zeros(&mut self, len: usize) {
        let Some(less) = len.checked_sub(1) else { return };
        if len > SHORT_RUN_MAX {
            self.push(0x40 | (less >> 8) as u8);
        }
        self.push(less as u8);
    }

    fn values(&mut self, value: u8, len: usize) {
        if let Some(less) = len.checked_sub(1) {
            self.push(0x80 | value.wrapping_sub(1) << 2 | less as u8);
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

fn set_sparse(string: &mut BytesMut, register: usize, value: u8, bytes_max: usize) -> Result<bool, Corrupt> {
    if value > SPARSE_VALUE_MAX {
        return set_as_dense(string, register, value);
    }
    // The run that has the register, and the one before it.
    let (mut at, mut first, mut before) = (HEADER_BYTES, 0, None);
    let run = loop {
        let run = Run::at(string, at).ok_or(Corrupt)?;
        if register < first + run.len {
            break run;
        }
        before = Some(at);
        at += run.bytes;
        first += run.len;
    };
    if run.value >= value {
        return Ok(false);
    }
    // It becomes what is left of it, the register, and what is right of it.
    let (left, right) = (register - first, first + run.len - 1 - register);
    let mut new = Runs::default();
    let part = |new: &mut Runs, len| {
        if run.value == 0 { new.zeros(len) } else { new.values(run.value, len) }
    };
    part(&mut new, left);
    new.values(value, 1);
    part(&mut new, right);
    let new = new.bytes();
    if new.len() > run.bytes && string.len() + (new.len() - run.bytes) > bytes_max {
        return set_as_dense(string, register, value);
    }
    splice(string, at, run.bytes, new);
    join(string, before.unwrap_or(HEADER_BYTES));
    Ok(true)
}

fn set_as_dense(string: &mut BytesMut, register: usize, value: u8) -> Result<bool, Corrupt> {
    make_dense(string)?;
    Ok(set_dense(string, register, value))
}

/// Joins runs of the same value, as far as a change can have made them neighbours: five steps from `at` on.
fn join(string: &mut BytesMut, mut at: usize) {
    for _ in 0..5 {
        let Some(run) = Run::at(string, at) else { break };
        let next = Run::at(string, at + run.bytes);
        match next {
            Some(next) if run.value > 0 && next.value == run.value && run.len + next.len <= VALUE_RUN_MAX => {
                // The joint run is looked at once more: another one may follow.
                let mut joint = Runs::default();
                joint.values(run.value, run.len + next.len);
                splice(string, at, 2, joint.bytes());
            }
            _ => at += run.bytes,
        }
    }
}

/// Puts bytes in the place of `covered` ones.
fn splice(string: &mut BytesMut, at: usize, covered: usize, new: &[u8]) {
    let end = (at + covered).min(string.len());
    let tail = string.split_off(end);
    string.truncate(at);
    string.extend_from_slice(new);
    string.extend_from_slice(&tail);
}

// ---- Merging and counting -------------------------------------------------------------------------------------------

/// Raises each of the [`REGISTERS`] to what it is in a string. O(registers).
///
/// # Errors
/// [`Corrupt`]; some may have been raised.
pub fn merge(string: &[u8], registers: &mut [u8]) -> Result<(), Corrupt> {
    if string.get(4) == Some(&DENSE) {
        for (at, register) in registers.iter_mut().enumerate() {
            *register = dense(string, at).max(*register);
        }
        return Ok(());
    }
    let mut first = 0;
    for run in Run::all(string) {
        if run.value > 0 {
            let run_of = registers.get_mut(first..first + run.len).ok_or(Corrupt)?;
            run_of.iter_mut().for_each(|register| *register = run.value.max(*register));
        }
        first += run.len;
    }
    if first == REGISTERS { Ok(()) } else { Err(Corrupt) }
}

/// Raises a string's registers to these. What is corrupt stays as it is, as in Redis. O(registers) for a dense one.
pub fn raise(string: &mut BytesMut, registers: &[u8], sparse_bytes_max: usize) {
    for (register, &value) in registers.iter().enumerate().filter(|(_, value)| **value > 0) {
        if set(string, register, value, sparse_bytes_max).is_err() {
            break;
        }
    }
}

/// The value of each register. O(registers).
///
/// # Errors
/// [`Corrupt`].
pub fn registers(string: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let mut registers = vec![0; REGISTERS];
    merge(string, &mut registers)?;
    Ok(registers)
}

/// How many different elements were added, as far as the registers tell. O(registers), O(runs) for a sparse one.
///
/// # Errors
/// [`Corrupt`].
pub fn count(string: &[u8]) -> Result<u64, Corrupt> {
    let mut having = [0; 64];
    let mut note = |value: u8, len: usize| {
        if let Some(count) = having.get_mut(usize::from(value)) {
            *count += len as u64;
        }
    };
    if string.get(4) == Some(&DENSE) {
        (0..REGISTERS).for_each(|register| note(dense(string, register), 1));
    } else {
        let mut covered = 0;
        for run in Run::all(string) {
            note(run.value, run.len);
            covered += run.len;
        }
        if covered != REGISTERS {
            return Err(Corrupt);
        }
    }
    Ok(estimate(&having))
}

/// The same for registers of a byte each. O(registers).
#[must_use]
pub fn count_of(registers: &[u8]) -> u64 {
    let mut having = [0; 64];
    for &value in registers {
        if let Some(count) = having.get_mut(usize::from(value)) {
            *count += 1;
        }
    }
    estimate(&having)
}

/// Otmar Ertl's estimator ("New cardinality estimation algorithms for HyperLogLog sketches", algorithm 6), from how many
/// registers have each value.
fn estimate(having: &[u64; 64]) -> u64 {
    /// 1 / (2 ln 2).
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    let registers = REGISTERS as f64;
    let count = |value: u32| having.get(value as usize).copied().unwrap_or(0) as f64;
    let mut z = registers * tau((registers - count(RUN_BITS + 1)) / registers);
    for value in (1..=RUN_BITS).rev() {
        z += count(value);
        z *= 0.5;
    }
    z += registers * sigma(count(0) / registers);
    let estimate = (ALPHA * registers * registers / z).round();
    // Registers that no element can give may make it infinite, which C rounds to this.
    if estimate < i64::MAX as f64 { estimate as u64 } else { 1 << 63 }
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

/// The runs of a sparse one as `PFDEBUG DECODE` shows them. O(runs).
#[must_use]
pub fn describe(string: &[u8]) -> String {
    let runs = Run::all(string).map(|run| match run {
        Run { value: 0, len, bytes: 1 } => format!("z:{len}"),
        Run { value: 0, len, .. } => format!("Z:{len}"),
        Run { value, len, .. } => format!("v:{value},{len}"),
    });
    runs.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::{TestResult, quickcheck};

    fn elements(numbers: &[u16]) -> Vec<[u8; 2]> {
        numbers.iter().map(|number| number.to_le_bytes()).collect()
    }

    #[test]
    fn additions_give_the_bytes_that_redis_gives() {
        let mut string = empty();
        assert_eq!(&string[..], b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff");
        assert_eq!(add(&mut string, &["a", "b", "c"], 3000), Ok(3));
        assert_eq!(describe(&string), "Z:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603");
        assert_eq!(add(&mut string, &["a", "b", "c"], 3000), Ok(0));
        assert_eq!(count(&string), Ok(3));
    }

    #[test]
    fn the_count_is_close_to_the_number_of_elements() {
        let mut string = empty();
        for number in 1..=200_000u32 {
            add(&mut string, &[number.to_be_bytes()], 3000).unwrap();
            if number.is_power_of_two() || number % 50_000 == 0 {
                let (count, number) = (count(&string).unwrap() as f64, f64::from(number));
                assert!((count - number).abs() <= (number * 0.03).max(1.0), "{count} of {number}");
            }
        }
        assert_eq!(Encoding::of(&string), Some(Encoding::Dense));
    }

    quickcheck! {
        fn both_encodings_have_the_same_registers(numbers: Vec<u16>, sparse_bytes_max: u8) -> bool {
            let elements = elements(&numbers);
            let (mut sparse, mut limited, mut dense) = (empty(), empty(), empty());
            make_dense(&mut dense).unwrap();
            let updated = add(&mut sparse, &elements, 12_000);
            let sums = [
                updated == add(&mut limited, &elements, usize::from(sparse_bytes_max)),
                updated == add(&mut dense, &elements, 12_000),
                registers(&sparse) == registers(&dense),
                registers(&limited) == registers(&dense),
                count(&sparse) == count(&dense),
                count(&sparse) == registers(&dense).map(|registers| count_of(&registers)),
                Encoding::of(&sparse) == Some(Encoding::Sparse),
                Run::all(&sparse).map(|run| run.len).sum::<usize>() == REGISTERS,
            ];
            make_dense(&mut sparse).unwrap();
            sums.into_iter().all(|holds| holds) && sparse == dense
        }

        fn merging_is_adding_to_one(left: Vec<u16>, right: Vec<u16>) -> bool {
            let (mut one, mut other, mut both) = (empty(), empty(), empty());
            add(&mut one, &elements(&left), 3000).unwrap();
            add(&mut other, &elements(&right), 3000).unwrap();
            add(&mut both, &elements(&[left, right].concat()), 3000).unwrap();
            raise(&mut one, &registers(&other).unwrap(), 3000);
            registers(&one) == registers(&both)
        }

        fn no_bytes_are_believed(body: Vec<u8>, elements: Vec<u16>, is_dense: bool) -> TestResult {
            let mut string = empty();
            string.truncate(HEADER_BYTES);
            string.extend_from_slice(&body);
            if is_dense {
                string.resize(DENSE_BYTES, 0xff);
                string[4] = DENSE;
            }
            let elements = self::elements(&elements);
            let before = string.clone();
            let _ = (count(&string), registers(&string), describe(&string));
            if add(&mut string, &elements, 40).is_err() && string != before {
                return TestResult::failed();
            }
            raise(&mut string, &[33; REGISTERS], 3000);
            let _ = make_dense(&mut string);
            TestResult::from_bool(Encoding::of(&string).is_some())
        }
    }
}

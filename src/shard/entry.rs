//! The entry: one key with its value (or its value's number), idle time and deadline, as one run of bytes.
//!
//! ```text
//!  0        1..4      4         5..7       [7..11]      [..+6|8]     ..+klen   ..+vlen
//! +--------+---------+---------+----------+------------+------------+---------+---------+
//! | kind   | idle    | klen or | vlen     | klen u32   | deadline   | key     | value   |
//! | + flags| u24     | 255     | u16      | if 255     | if flagged |         |         |
//! +--------+---------+---------+----------+------------+------------+---------+---------+
//! ```
//!
//! A key of 17 bytes with a value of 32 takes 56 bytes, 62 with a deadline. A deadline takes six bytes up to the
//! year 10889 and eight beyond, so that whatever a client may set is told back exactly. All numbers are little-endian. The
//! value is the string itself, an integer's 8 bytes, a small collection's packed bytes, or the 4-byte number of
//! an object that the database keeps beside the arena.

/// What the value's bytes mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A string's bytes, as they were set.
    Str = 0,
    /// A string's bytes, after they were modified in place (`OBJECT ENCODING` tells the two apart).
    RawStr = 1,
    /// A 64-bit integer.
    Int = 2,
    /// The number of an object that is a string too long to stand here.
    StrObject = 3,
    /// A list's packed form.
    PackedList = 4,
    /// The number of an object that is a list.
    ListObject = 5,
    /// A hash's packed form.
    PackedHash = 6,
    /// The number of an object that is a hash.
    HashObject = 7,
    /// A set of integers, sorted.
    IntSet = 8,
    /// A set's packed form.
    PackedSet = 9,
    /// The number of an object that is a set.
    SetObject = 10,
    /// A sorted set's packed form.
    PackedZSet = 11,
    /// The number of an object that is a sorted set.
    ZSetObject = 12,
    /// The number of an object that is a stream.
    StreamObject = 13,
}

/// The type that `TYPE` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Type {
    /// A string.
    String,
    /// A list.
    List,
    /// A hash.
    Hash,
    /// A set.
    Set,
    /// A sorted set.
    ZSet,
    /// A stream.
    Stream,
}

impl Type {
    /// The name that `TYPE` and `SCAN … TYPE` use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::List => "list",
            Type::Hash => "hash",
            Type::Set => "set",
            Type::ZSet => "zset",
            Type::Stream => "stream",
        }
    }
}

impl Kind {
    #[inline]
    fn of(byte: u8) -> Kind {
        match byte & KIND_MASK {
            0 => Kind::Str,
            1 => Kind::RawStr,
            2 => Kind::Int,
            3 => Kind::StrObject,
            4 => Kind::PackedList,
            5 => Kind::ListObject,
            6 => Kind::PackedHash,
            7 => Kind::HashObject,
            8 => Kind::IntSet,
            9 => Kind::PackedSet,
            10 => Kind::SetObject,
            11 => Kind::PackedZSet,
            12 => Kind::ZSetObject,
            _ => Kind::StreamObject,
        }
    }

    /// The type it is a form of.
    #[inline]
    #[must_use]
    pub fn type_of(self) -> Type {
        match self {
            Kind::Str | Kind::RawStr | Kind::Int | Kind::StrObject => Type::String,
            Kind::PackedList | Kind::ListObject => Type::List,
            Kind::PackedHash | Kind::HashObject => Type::Hash,
            Kind::IntSet | Kind::PackedSet | Kind::SetObject => Type::Set,
            Kind::PackedZSet | Kind::ZSetObject => Type::ZSet,
            Kind::StreamObject => Type::Stream,
        }
    }

    /// Whether the value is an object's number.
    #[inline]
    #[must_use]
    pub fn is_object(self) -> bool {
        matches!(
            self,
            Kind::StrObject
                | Kind::ListObject
                | Kind::HashObject
                | Kind::SetObject
                | Kind::ZSetObject
                | Kind::StreamObject
        )
    }
}

const KIND_MASK: u8 = 0x3F;
const HAS_DEADLINE: u8 = 0x80;
/// The deadline takes eight bytes; set only together with [`HAS_DEADLINE`].
const WIDE_DEADLINE: u8 = 0x40;
const HEADER: usize = 7;
const LONG_KEY: u8 = u8::MAX;
const NARROW_BYTES: usize = 6;
const WIDE_BYTES: usize = 8;

/// The longest value an entry holds itself, in bytes; what is longer becomes an object.
pub const INLINE_BYTES_MAX: usize = 960;

/// The last deadline that takes six bytes: in the year 10889. Unix ms.
const NARROW_MAX_MS: u64 = (1 << 48) - 1;

/// Where the parts of an entry stand, and its small fields.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// What the value's bytes mean.
    pub kind: Kind,
    /// The idle clock (or the LFU counter) of the last access; 24 bits.
    pub idle: u32,
    /// When the key expires, in Unix ms; `None` for a key that does not.
    pub expires_at_ms: Option<u64>,
    key_at: u32,
    value_at: u32,
    end: u32,
}

impl Head {
    /// Reads an entry's head. O(1).
    #[inline]
    #[must_use]
    pub fn of(bytes: &[u8]) -> Head {
        let word = first_word(bytes);
        let key_len = (word >> 32) as u8;
        let (key_at, key_len, expires_at_ms) = if word as u8 & HAS_DEADLINE == 0 && key_len != LONG_KEY {
            (HEADER as u32, u32::from(key_len), None)
        } else {
            Self::rare_parts(bytes, word)
        };
        let value_at = key_at + key_len;
        Head {
            kind: Kind::of(word as u8),
            idle: (word >> 8) as u32 & IDLE_MASK,
            expires_at_ms,
            key_at,
            value_at,
            end: value_at + u32::from((word >> 40) as u16),
        }
    }

    /// Where the key stands, its length and the deadline, of an entry that has more than the usual head.
    fn rare_parts(bytes: &[u8], word: u64) -> (u32, u32, Option<u64>) {
        let mut at = HEADER;
        let mut key_len = (word >> 32) as u32 & 0xFF;
        if key_len == u32::from(LONG_KEY) {
            key_len = u32::from_le_bytes([bytes[7], bytes[8], bytes[9], bytes[10]]);
            at += 4;
        }
        let width = deadline_bytes(word as u8);
        let deadline = (width > 0).then(|| {
            // Six bytes or eight: constant lengths are copied without a call.
            let mut wide = [0u8; WIDE_BYTES];
            if width == NARROW_BYTES {
                wide[..NARROW_BYTES].copy_from_slice(&bytes[at..at + NARROW_BYTES]);
            } else {
                wide.copy_from_slice(&bytes[at..at + WIDE_BYTES]);
            }
            u64::from_le_bytes(wide)
        });
        ((at + width) as u32, key_len, deadline)
    }

    /// The key's bytes.
    #[inline]
    #[must_use]
    pub fn key<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.key_at as usize..self.value_at as usize]
    }

    /// The value's bytes.
    #[inline]
    #[must_use]
    pub fn value<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.value_at as usize..self.end as usize]
    }

    /// The value's bytes, to be changed without changing their length.
    #[inline]
    #[must_use]
    pub fn value_mut<'a>(&self, bytes: &'a mut [u8]) -> &'a mut [u8] {
        &mut bytes[self.value_at as usize..self.end as usize]
    }

    /// Where the value starts in the entry.
    #[inline]
    #[must_use]
    pub fn value_at(&self) -> usize {
        self.value_at as usize
    }

    /// The value's length.
    #[inline]
    #[must_use]
    pub fn value_len(&self) -> usize {
        (self.end - self.value_at) as usize
    }

    /// Follows a value that has become another length.
    #[inline]
    pub fn set_value_len(&mut self, len: usize) {
        self.end = self.value_at + len as u32;
    }

    /// The whole entry's length, without the slot's unused rest.
    #[must_use]
    pub fn entry_len(&self) -> usize {
        self.end as usize
    }

    /// The number of the object that holds the value.
    #[must_use]
    pub fn object(&self, bytes: &[u8]) -> u32 {
        debug_assert!(self.kind.is_object());
        let at = self.value_at();
        u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    }

    /// The integer that is the value.
    #[must_use]
    #[inline]
    pub fn int(&self, bytes: &[u8]) -> i64 {
        debug_assert!(self.kind == Kind::Int);
        let mut wide = [0u8; 8];
        wide.copy_from_slice(&bytes[self.value_at()..self.value_at() + 8]);
        i64::from_le_bytes(wide)
    }

    /// Whether the key is past its deadline.
    #[inline]
    #[must_use]
    pub fn is_expired(&self, now_ms: impl FnOnce() -> u64) -> bool {
        self.expires_at_ms.is_some_and(|deadline| deadline < now_ms())
    }
}

/// The idle clock's 24 bits.
pub const IDLE_MASK: u32 = 0xFF_FFFF;

#[inline]
fn first_word(bytes: &[u8]) -> u64 {
    // A slot has at least 8 bytes, so every entry has a first word.
    match bytes.first_chunk::<8>() {
        Some(word) => u64::from_le_bytes(*word),
        None => unreachable!("an arena's slot has at least 8 bytes"),
    }
}

/// Bytes of the deadline in an entry that begins with `first`.
#[inline]
fn deadline_bytes(first: u8) -> usize {
    usize::from(first >> 7) * NARROW_BYTES + usize::from(first >> 6 & 1) * (WIDE_BYTES - NARROW_BYTES)
}

/// The flags of an entry with this deadline.
#[inline]
fn deadline_flags(expires_at_ms: Option<u64>) -> u8 {
    match expires_at_ms {
        None => 0,
        Some(..=NARROW_MAX_MS) => HAS_DEADLINE,
        Some(_) => HAS_DEADLINE | WIDE_DEADLINE,
    }
}

/// Whether an entry's key is `key`; cheaper than reading the whole head.
#[inline]
#[must_use]
pub fn key_is(bytes: &[u8], key: &[u8]) -> bool {
    let word = first_word(bytes);
    if (word >> 32) as u8 as usize == key.len() && key.len() < LONG_KEY as usize {
        let at = HEADER + deadline_bytes(word as u8);
        return bytes.get(at..at + key.len()) == Some(key);
    }
    key.len() >= LONG_KEY as usize && Head::of(bytes).key(bytes) == key
}

/// What an entry is made of, to be written into a slot.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// What `value` means.
    pub kind: Kind,
    /// The idle clock; 24 bits.
    pub idle: u32,
    /// The deadline in Unix ms.
    pub expires_at_ms: Option<u64>,
    /// The key.
    pub key: &'a [u8],
    /// The value's length; its bytes are written by whoever writes the entry.
    pub value_len: usize,
}

impl Parts<'_> {
    /// Bytes the entry needs.
    #[must_use]
    pub fn entry_len(&self) -> usize {
        self.value_at() + self.value_len
    }

    fn value_at(&self) -> usize {
        HEADER
            + if self.key.len() >= LONG_KEY as usize { 4 } else { 0 }
            + deadline_bytes(deadline_flags(self.expires_at_ms))
            + self.key.len()
    }

    /// Writes head and key, and returns the place for the value.
    pub fn write<'s>(&self, slot: &'s mut [u8]) -> &'s mut [u8] {
        let flags = deadline_flags(self.expires_at_ms);
        slot[0] = self.kind as u8 | flags;
        slot[1..4].copy_from_slice(&self.idle.to_le_bytes()[..3]);
        slot[4] = self.key.len().min(LONG_KEY as usize) as u8;
        slot[5..7].copy_from_slice(&(self.value_len as u16).to_le_bytes());
        let mut at = HEADER;
        if self.key.len() >= LONG_KEY as usize {
            slot[at..at + 4].copy_from_slice(&(self.key.len() as u32).to_le_bytes());
            at += 4;
        }
        if let Some(deadline) = self.expires_at_ms {
            let width = deadline_bytes(flags);
            slot[at..at + width].copy_from_slice(&deadline.to_le_bytes()[..width]);
            at += width;
        }
        slot[at..at + self.key.len()].copy_from_slice(self.key);
        let at = at + self.key.len();
        &mut slot[at..at + self.value_len]
    }
}

/// Writes the kind, leaving everything else.
#[inline]
pub fn set_kind(slot: &mut [u8], kind: Kind) {
    slot[0] = (slot[0] & !KIND_MASK) | kind as u8;
}

/// Writes the idle clock.
#[inline]
pub fn set_idle(slot: &mut [u8], idle: u32) {
    slot[1..4].copy_from_slice(&idle.to_le_bytes()[..3]);
}

/// Writes the value's length; the bytes must already stand in their place.
#[inline]
pub fn set_value_len(slot: &mut [u8], len: usize) {
    slot[5..7].copy_from_slice(&(len as u16).to_le_bytes());
}

/// Writes a new deadline over the one that the entry has; whether it took the same room, and so was written.
#[must_use]
pub fn set_deadline(slot: &mut [u8], expires_at_ms: u64) -> bool {
    if slot[0] & !KIND_MASK != deadline_flags(Some(expires_at_ms)) {
        return false;
    }
    let at = HEADER + if slot[4] == LONG_KEY { 4 } else { 0 };
    let width = deadline_bytes(slot[0]);
    slot[at..at + width].copy_from_slice(&expires_at_ms.to_le_bytes()[..width]);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn what_is_written_is_read_back(
            key: Vec<u8>, long: bool, value: Vec<u8>, idle: u32, deadline: Option<u64>, near: bool, later: u64
        ) -> bool {
            let mut key = key;
            // Real deadlines take six bytes, and the numbers that quickcheck draws hardly ever do.
            let deadline = deadline.map(|ms| if near { ms >> 16 } else { ms });
            if long {
                key.resize(300, 7);
            }
            let value = &value[..value.len().min(INLINE_BYTES_MAX)];
            let idle = idle & IDLE_MASK;
            let parts = Parts { kind: Kind::RawStr, idle, expires_at_ms: deadline, key: &key, value_len: value.len() };
            let mut slot = vec![0xEE; parts.entry_len() + 9];
            parts.write(&mut slot).copy_from_slice(value);
            let head = Head::of(&slot);
            head.kind == Kind::RawStr
                && head.idle == idle
                && head.expires_at_ms == deadline
                && head.key(&slot) == key
                && head.value(&slot) == value
                && head.entry_len() == parts.entry_len()
                && key_is(&slot, &key)
                && !key_is(&slot, b"another key")
                && later_deadline_is_read_back(&mut slot, later)
        }
    }

    fn later_deadline_is_read_back(slot: &mut [u8], later: u64) -> bool {
        let before = Head::of(slot).expires_at_ms;
        let fits = before.is_some_and(|ms| (ms <= NARROW_MAX_MS) == (later <= NARROW_MAX_MS));
        let written = set_deadline(slot, later);
        written == fits && Head::of(slot).expires_at_ms == if fits { Some(later) } else { before }
    }

    #[test]
    fn the_figures_of_the_module_text_hold() {
        let parts = Parts { kind: Kind::Str, idle: 0, expires_at_ms: None, key: &[0; 17], value_len: 32 };
        assert_eq!(parts.entry_len(), 56);
        assert_eq!(Parts { expires_at_ms: Some(NARROW_MAX_MS), ..parts }.entry_len(), 62);
        assert_eq!(Parts { expires_at_ms: Some(NARROW_MAX_MS + 1), ..parts }.entry_len(), 64);
    }
}

//! Where the members of a large sorted set live: each once, with its score, in slots of a few sizes.
//!
//! A slot holds `score f64, length u8, bytes`; a member of 255 bytes or more has its length behind a 255. Slots of one
//! size share pages, which begin small and double up to [`PAGE_SLOTS_MAX`] slots; what is longer than
//! [`SLOT_BYTES_MAX`] has a page of its own. A [`Member`] names page and slot in 32 bits, half of a pointer, and a page
//! that is empty gives its memory back at once (one a size may stay). No allocation is ever longer than a page, however many members there
//! are, but for the list of pages.
//!
//! **Invariant:** every page that has a free slot is in its size's `partial`, at the position that it records.

/// The longest slot that shares a page, in bytes.
const SLOT_BYTES_MAX: usize = 1024;
/// Slots of a page: as many as the low bits of a number can name.
const PAGE_SLOTS_MAX: usize = 1 << SLOT_BITS;
/// Slots of a size's first page.
const PAGE_SLOTS_MIN: usize = 4;
const SLOT_BITS: u32 = 8;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;
/// No free slot.
const NONE: u16 = u16::MAX;
const NOT_PARTIAL: u32 = u32::MAX;
/// Bytes of the score in front of a slot.
const SCORE: usize = 8;
/// The length that says that the length follows.
const LONG: u8 = u8::MAX;

/// Names a member of the set that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Member(u32);

impl Member {
    fn page(self) -> usize {
        (self.0 >> SLOT_BITS) as usize
    }

    fn slot(self) -> usize {
        (self.0 & SLOT_MASK) as usize
    }
}

#[derive(Clone, Debug)]
struct Page {
    data: Box<[u8]>,
    slot_bytes: u32,
    /// Where it stands in its size's `partial`.
    partial_at: u32,
    used: u16,
    /// The first of the slots that were freed, chained through their first two bytes.
    free: u16,
    /// From here on no slot was ever used.
    fresh: u16,
    slots: u16,
}

/// The pages of one slot size.
#[derive(Clone, Debug, Default)]
struct Size {
    /// Pages with a free slot.
    partial: Vec<u32>,
    /// Slots of all its pages.
    slots: usize,
}

/// Members by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    pages: Vec<Page>,
    /// Numbers of pages whose memory was given back.
    vacant: Vec<u32>,
    /// By size, as far as the longest that was needed.
    sizes: Vec<Size>,
    page_bytes: usize,
}

impl Members {
    /// Bytes on the heap. O(1).
    pub(super) fn heap_bytes(&self) -> usize {
        self.page_bytes
            + self.pages.capacity() * size_of::<Page>()
            + self.sizes.capacity() * size_of::<Size>()
    }

    /// Takes in a member. O(bytes).
    ///
    /// # Panics
    /// When all numbers are in use: four thousand million short members, or sixteen million that are longer than a
    /// thousand bytes.
    pub(super) fn add(&mut self, bytes: &[u8], score: f64) -> Member {
        let at = bytes_at(bytes.len());
        let member = self.alloc(at + bytes.len());
        let slot = self.slot_mut(member);
        slot[..SCORE].copy_from_slice(&score.to_le_bytes());
        if at == SCORE + 1 {
            slot[SCORE] = bytes.len() as u8;
        } else {
            slot[SCORE] = LONG;
            let len = u32::try_from(bytes.len()).expect("a member of 4 GiB was refused long before");
            slot[SCORE + 1..SCORE + 5].copy_from_slice(&len.to_le_bytes());
        }
        slot[at..at + bytes.len()].copy_from_slice(bytes);
        member
    }

    /// Forgets a member, whose number must not be used again. O(1).
    pub(super) fn remove(&mut self, member: Member) {
        let page = &mut self.pages[member.page()];
        debug_assert!(page.used > 0, "freed twice");
        page.used -= 1;
        let number = member.page() as u32;
        let slot_bytes = page.slot_bytes as usize;
        if slot_bytes > SLOT_BYTES_MAX {
            return self.release(number);
        }
        let size = &mut self.sizes[size_of_len(slot_bytes)];
        // The last page with room stays, or a member that comes and goes would take it along each time. (An empty page
        // has room, and so is one of those.)
        if page.used == 0 && size.partial.len() > 1 {
            let at = page.partial_at;
            size.slots -= usize::from(page.slots);
            size.partial.swap_remove(at as usize);
            if let Some(&moved) = size.partial.get(at as usize) {
                self.pages[moved as usize].partial_at = at;
            }
            return self.release(number);
        }
        let at = member.slot() * slot_bytes;
        page.data[at..at + 2].copy_from_slice(&page.free.to_le_bytes());
        page.free = member.slot() as u16;
        if page.partial_at == NOT_PARTIAL {
            page.partial_at = size.partial.len() as u32;
            size.partial.push(number);
        }
    }

    /// A member's bytes. O(1).
    #[inline]
    pub(super) fn bytes(&self, member: Member) -> &[u8] {
        let slot = self.slot(member);
        match slot[SCORE] {
            LONG => {
                let len = [slot[SCORE + 1], slot[SCORE + 2], slot[SCORE + 3], slot[SCORE + 4]];
                let at = SCORE + 5;
                &slot[at..at + u32::from_le_bytes(len) as usize]
            }
            len => &slot[SCORE + 1..SCORE + 1 + usize::from(len)],
        }
    }

    /// A member's score. O(1).
    #[inline]
    pub(super) fn score(&self, member: Member) -> f64 {
        match self.slot(member).first_chunk::<SCORE>() {
            Some(score) => f64::from_le_bytes(*score),
            None => unreachable!("a slot begins with a score"),
        }
    }

    /// Writes a member's score. O(1).
    #[inline]
    pub(super) fn set_score(&mut self, member: Member, score: f64) {
        self.slot_mut(member)[..SCORE].copy_from_slice(&score.to_le_bytes());
    }

    #[inline]
    fn slot(&self, member: Member) -> &[u8] {
        let page = &self.pages[member.page()];
        let size = page.slot_bytes as usize;
        &page.data[member.slot() * size..][..size]
    }

    #[inline]
    fn slot_mut(&mut self, member: Member) -> &mut [u8] {
        let page = &mut self.pages[member.page()];
        let size = page.slot_bytes as usize;
        &mut page.data[member.slot() * size..][..size]
    }

    fn alloc(&mut self, len: usize) -> Member {
        if len > SLOT_BYTES_MAX {
            let number = self.add_page(len, 1);
            let page = &mut self.pages[number as usize];
            (page.used, page.fresh) = (1, 1);
            return Member(number << SLOT_BITS);
        }
        let at = size_of_len(len);
        if self.sizes.len() <= at {
            self.sizes.resize_with(at + 1, Size::default);
        }
        let number = match self.sizes[at].partial.last() {
            Some(&number) => number,
            None => {
                let slots = self.sizes[at].slots.clamp(PAGE_SLOTS_MIN, PAGE_SLOTS_MAX);
                let number = self.add_page(SIZES[at] as usize, slots);
                let size = &mut self.sizes[at];
                size.slots += slots;
                self.pages[number as usize].partial_at = size.partial.len() as u32;
                size.partial.push(number);
                number
            }
        };
        let page = &mut self.pages[number as usize];
        let slot = if page.free == NONE {
            page.fresh += 1;
            page.fresh - 1
        } else {
            let at = usize::from(page.free) * page.slot_bytes as usize;
            std::mem::replace(&mut page.free, u16::from_le_bytes([page.data[at], page.data[at + 1]]))
        };
        page.used += 1;
        if page.used == page.slots {
            // It is the last one there.
            page.partial_at = NOT_PARTIAL;
            self.sizes[at].partial.pop();
        }
        Member(number << SLOT_BITS | u32::from(slot))
    }

    fn add_page(&mut self, slot_bytes: usize, slots: usize) -> u32 {
        let data = vec![0; slot_bytes * slots].into_boxed_slice();
        self.page_bytes += data.len();
        let page = Page {
            data,
            slot_bytes: slot_bytes as u32,
            partial_at: NOT_PARTIAL,
            used: 0,
            free: NONE,
            fresh: 0,
            slots: slots as u16,
        };
        if let Some(number) = self.vacant.pop() {
            self.pages[number as usize] = page;
            return number;
        }
        let number = self.pages.len();
        assert!(number < 1 << (32 - SLOT_BITS), "a sorted set's numbers are used up");
        self.pages.push(page);
        number as u32
    }

    fn release(&mut self, number: u32) {
        let data = std::mem::take(&mut self.pages[number as usize].data);
        self.page_bytes -= data.len();
        self.vacant.push(number);
        if self.vacant.len() == self.pages.len() {
            *self = Self::default();
        }
    }
}

/// Where the bytes of a member stand in its slot.
fn bytes_at(len: usize) -> usize {
    SCORE + if len < usize::from(LONG) { 1 } else { 5 }
}

/// Sizes step by 8 to 128, by 16 to 256, by 32 to 512 and by 64 to 1024: at most an eighth is wasted.
const SIZES: [u16; 40] = {
    let mut sizes = [0; 40];
    let (mut at, mut size) = (0, 0);
    while at < sizes.len() {
        size += match at {
            0..16 => 8,
            16..24 => 16,
            24..32 => 32,
            _ => 64,
        };
        sizes[at] = size;
        at += 1;
    }
    sizes
};

/// The size for so many bytes, of which there are some.
fn size_of_len(len: usize) -> usize {
    match len {
        ..=128 => (len - 1) / 8,
        129..=256 => 16 + (len - 129) / 16,
        257..=512 => 24 + (len - 257) / 32,
        _ => 32 + (len - 513) / 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn members_keep_their_bytes_and_empty_pages_return(ops: Vec<(u16, bool)>) -> bool {
            let mut members = Members::default();
            let mut live: Vec<(Member, Vec<u8>, f64)> = Vec::new();
            for (n, (len, remove)) in ops.into_iter().enumerate() {
                if remove && !live.is_empty() {
                    let (member, ..) = live.swap_remove(usize::from(len) % live.len());
                    members.remove(member);
                } else {
                    let bytes = vec![n as u8; usize::from(len) % 1500];
                    live.push((members.add(&bytes, n as f64), bytes, n as f64));
                }
                let whole = live.iter().all(|(member, bytes, score)| {
                    members.bytes(*member) == bytes && members.score(*member) == *score
                });
                if !whole {
                    return false;
                }
            }
            let slots: usize = live.iter().map(|(_, bytes, _)| bytes_at(bytes.len()) + bytes.len()).sum();
            let enough = members.page_bytes >= slots;
            live.drain(..).for_each(|(member, ..)| members.remove(member));
            enough && members.pages.iter().filter(|page| !page.data.is_empty()).count() <= members.sizes.len()
        }
    }

    #[test]
    fn sizes_fit_and_waste_little() {
        for len in 1..=SLOT_BYTES_MAX {
            let size = usize::from(SIZES[size_of_len(len)]);
            assert!(size >= len && size - len < 8.max(len / 7), "{len} in {size}");
        }
    }
}

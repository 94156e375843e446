//! The arena: where a shard's entries live, in slots of a few sizes, named by 32-bit handles.
//!
//! An entry is one run of bytes (see `entry.rs`). Instead of one heap allocation and an 8-byte pointer each,
//! entries of like size share a page, and the table keeps a 4-byte [`Handle`]. That saves 8 to 16 bytes a key,
//! makes the accounting exact, and needs no `unsafe`: a handle is an index, and a stale one can at worst read
//! another entry's bytes, never memory that is not the arena's.
//!
//! A page belongs to one size class; free slots are chained through their own first two bytes. An emptied page
//! gives its memory back at once. What is larger than [`SLOT_BYTES_MAX`] has a page of its own.
//!
//! **Invariant:** every page that has a free slot is on its class's `partial` list, at the position it records.

/// The largest slot that shares a page, in bytes; longer entries get a page of their own.
pub const SLOT_BYTES_MAX: usize = 1024;

const SLOT_BITS: u32 = 9;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;
const NONE: u16 = u16::MAX;
const NOT_PARTIAL: u32 = u32::MAX;

/// Names a slot of the arena that made it: page number and slot number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle(u32);

impl Handle {
    fn page(self) -> usize {
        (self.0 >> SLOT_BITS) as usize
    }
    fn slot(self) -> usize {
        (self.0 & SLOT_MASK) as usize
    }
}

#[derive(Debug)]
struct Page {
    data: Box<[u8]>,
    /// Bytes a slot; equal to `data.len()` for a page of one large entry.
    slot_bytes: u32,
    /// Where this page stands in its class's `partial` list, or `NOT_PARTIAL`.
    partial_at: u32,
    used: u16,
    /// First slot of the chain of freed ones, or `NONE`.
    free: u16,
    /// Slots from here on have never been used, so they are not chained.
    fresh: u16,
    slots: u16,
    class: u8,
}

/// Size-classed storage for one database of one shard.
#[derive(Debug)]
pub struct Arena {
    pages: Vec<Page>,
    /// Numbers of pages whose memory was given back, for reuse.
    vacant: Vec<u32>,
    /// Per class: the pages that have a free slot.
    partial: [Vec<u32>; CLASSES],
    /// Per class: pages in use.
    pages_of: [u32; CLASSES],
    reserved_bytes: usize,
    live_bytes: usize,
}

impl Default for Arena {
    fn default() -> Self {
        Self::new()
    }
}

impl Arena {
    /// An arena that holds no memory yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            pages: Vec::new(),
            vacant: Vec::new(),
            partial: std::array::from_fn(|_| Vec::new()),
            pages_of: [0; CLASSES],
            reserved_bytes: 0,
            live_bytes: 0,
        }
    }

    /// Takes a slot of at least `len` bytes, with unspecified contents. O(1).
    ///
    /// # Panics
    /// When 2^23 pages are in use: at least 32 GiB of entries that share pages, or 8 GiB of longer ones, in this one
    /// database of one shard.
    pub fn alloc(&mut self, len: usize) -> Handle {
        if len > SLOT_BYTES_MAX {
            let page = self.add_page(LARGE, len, 1);
            let Some(entry) = self.pages.get_mut(page as usize) else { unreachable!("page was just added") };
            entry.used = 1;
            entry.fresh = 1;
            self.live_bytes += len;
            return Handle(page << SLOT_BITS);
        }
        let class = class_of(len);
        let number = match self.partial[class].last() {
            Some(&number) => number,
            None => {
                let slot_bytes = CLASS_BYTES[class] as usize;
                let page_bytes =
                    if self.pages_of[class] < 4 { SMALL_PAGE } else { LARGE_PAGE }.max(8 * slot_bytes);
                let slots = (page_bytes / slot_bytes).min(SLOT_MASK as usize);
                let number = self.add_page(class as u8, slot_bytes, slots as u16);
                self.push_partial(class, number);
                self.pages_of[class] += 1;
                number
            }
        };
        let page = &mut self.pages[number as usize];
        let slot = if page.free == NONE {
            let slot = page.fresh;
            page.fresh += 1;
            slot
        } else {
            let slot = page.free;
            let at = slot as usize * page.slot_bytes as usize;
            page.free = u16::from_le_bytes([page.data[at], page.data[at + 1]]);
            slot
        };
        page.used += 1;
        self.live_bytes += page.slot_bytes as usize;
        if page.used == page.slots {
            page.partial_at = NOT_PARTIAL;
            self.partial[class].pop();
        }
        Handle((number << SLOT_BITS) | u32::from(slot))
    }

    /// Gives a slot back; its handle must not be used again. O(1).
    pub fn free(&mut self, handle: Handle) {
        let number = handle.page() as u32;
        let page = &mut self.pages[handle.page()];
        debug_assert!(page.used > 0, "freed twice");
        let slot_bytes = page.slot_bytes as usize;
        let class = page.class as usize;
        page.used -= 1;
        self.live_bytes -= slot_bytes;
        let emptied = page.used == 0;
        if page.class == LARGE {
            self.release(number);
            return;
        }
        if emptied && (page.partial_at == NOT_PARTIAL || self.partial[class].len() > 1) {
            self.drop_partial(class, number);
            self.pages_of[class] -= 1;
            self.release(number);
            return;
        }
        let at = handle.slot() * slot_bytes;
        page.data[at..at + 2].copy_from_slice(&page.free.to_le_bytes());
        page.free = handle.slot() as u16;
        if page.partial_at == NOT_PARTIAL {
            self.push_partial(class, number);
        }
    }

    /// The whole slot, which may be longer than what was asked for.
    #[inline]
    #[must_use]
    pub fn bytes(&self, handle: Handle) -> &[u8] {
        let page = &self.pages[handle.page()];
        let size = page.slot_bytes as usize;
        let at = handle.slot() * size;
        &page.data[at..at + size]
    }

    /// The whole slot, to be written.
    #[inline]
    #[must_use]
    pub fn bytes_mut(&mut self, handle: Handle) -> &mut [u8] {
        let page = &mut self.pages[handle.page()];
        let size = page.slot_bytes as usize;
        let at = handle.slot() * size;
        &mut page.data[at..at + size]
    }

    /// Two slots at once, the second to be written. They are different slots.
    #[inline]
    pub fn pair(&mut self, from: Handle, to: Handle) -> (&[u8], &mut [u8]) {
        let range = |page: &Page, handle: Handle| {
            let size = page.slot_bytes as usize;
            handle.slot() * size..(handle.slot() + 1) * size
        };
        if from.page() == to.page() {
            let page = &mut self.pages[from.page()];
            let ranges = [range(page, from), range(page, to)];
            match page.data.get_disjoint_mut(ranges) {
                Ok([from, to]) => (from, to),
                Err(_) => unreachable!("two slots of a page do not overlap"),
            }
        } else {
            match self.pages.get_disjoint_mut([from.page(), to.page()]) {
                Ok([old, new]) => {
                    let (at, to) = (range(old, from), range(new, to));
                    (&old.data[at], &mut new.data[to])
                }
                Err(_) => unreachable!("a handle names a page of its arena"),
            }
        }
    }

    /// The length of the slot that a request for `len` bytes would get.
    #[inline]
    #[must_use]
    pub fn slot_bytes_for(len: usize) -> usize {
        if len > SLOT_BYTES_MAX { len } else { CLASS_BYTES[class_of(len)] as usize }
    }

    /// Bytes obtained from the allocator, page bookkeeping included. O(1).
    #[must_use]
    pub fn reserved_bytes(&self) -> usize {
        self.reserved_bytes + self.pages.capacity() * size_of::<Page>()
    }

    /// Bytes in slots that are in use. O(1).
    #[must_use]
    pub fn live_bytes(&self) -> usize {
        self.live_bytes
    }

    fn add_page(&mut self, class: u8, slot_bytes: usize, slots: u16) -> u32 {
        let data = vec![0; slot_bytes * slots as usize].into_boxed_slice();
        self.reserved_bytes += data.len();
        let page = Page {
            data,
            slot_bytes: slot_bytes as u32,
            partial_at: NOT_PARTIAL,
            used: 0,
            free: NONE,
            fresh: 0,
            slots,
            class,
        };
        if let Some(number) = self.vacant.pop() {
            self.pages[number as usize] = page;
            number
        } else {
            let number = self.pages.len();
            assert!(number < 1 << (32 - SLOT_BITS), "an arena's handles are used up");
            self.pages.push(page);
            number as u32
        }
    }

    fn release(&mut self, number: u32) {
        let page = &mut self.pages[number as usize];
        self.reserved_bytes -= page.data.len();
        page.data = Box::default();
        self.vacant.push(number);
        if self.vacant.len() == self.pages.len() {
            self.pages = Vec::new();
            self.vacant = Vec::new();
        }
    }

    fn push_partial(&mut self, class: usize, number: u32) {
        self.pages[number as usize].partial_at = self.partial[class].len() as u32;
        self.partial[class].push(number);
    }

    fn drop_partial(&mut self, class: usize, number: u32) {
        let at = std::mem::replace(&mut self.pages[number as usize].partial_at, NOT_PARTIAL);
        if at == NOT_PARTIAL {
            return;
        }
        self.partial[class].swap_remove(at as usize);
        if let Some(&moved) = self.partial[class].get(at as usize) {
            self.pages[moved as usize].partial_at = at;
        }
    }
}

/// Classes step by 8 to 128, by 16 to 256, by 32 to 512 and by 64 to 1024: at most an eighth is wasted.
const CLASSES: usize = 16 + 8 + 8 + 8;
const LARGE: u8 = u8::MAX;

const CLASS_BYTES: [u16; CLASSES] = {
    let mut sizes = [0u16; CLASSES];
    let (mut class, mut size) = (0, 0u16);
    while class < CLASSES {
        size += match class {
            0..16 => 8,
            16..24 => 16,
            24..32 => 32,
            _ => 64,
        };
        sizes[class] = size;
        class += 1;
    }
    sizes
};

#[inline]
fn class_of(len: usize) -> usize {
    match len {
        0..=8 => 0,
        9..=128 => (len - 1) / 8,
        129..=256 => 16 + (len - 129) / 16,
        257..=512 => 24 + (len - 257) / 32,
        _ => 32 + (len - 513) / 64,
    }
}

/// The first pages of a class are small, so that a small database is; the later ones lose less of what an allocator
/// sets aside for each block.
const SMALL_PAGE: usize = 4 * 1024;
const LARGE_PAGE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    #[test]
    fn every_length_fits_its_class_and_wastes_little() {
        for len in 1..=SLOT_BYTES_MAX {
            let size = CLASS_BYTES[class_of(len)] as usize;
            assert!(size >= len, "{len} in {size}");
            assert!(size - len < 8.max(len / 7), "{len} wastes {}", size - len);
        }
    }

    quickcheck! {
        fn a_pair_is_the_two_slots_that_were_asked_for(lens: Vec<u16>) -> bool {
            let mut arena = Arena::new();
            let handles: Vec<Handle> =
                lens.iter().map(|&len| arena.alloc(usize::from(len % 1500).max(8))).collect();
            for (n, &handle) in handles.iter().enumerate() {
                arena.bytes_mut(handle).fill(n as u8);
            }
            (1..handles.len()).all(|n| {
                let len = arena.bytes(handles[n]).len();
                let (from, to) = arena.pair(handles[n - 1], handles[n]);
                from.iter().all(|&byte| byte == (n - 1) as u8)
                    && to.len() == len
                    && to.iter().all(|&byte| byte == n as u8)
            })
        }

        fn slots_keep_their_bytes_and_emptied_pages_return(ops: Vec<(u16, bool)>) -> bool {
            let mut arena = Arena::new();
            let mut live: Vec<(Handle, usize, u8)> = Vec::new();
            for (n, (len, free)) in ops.into_iter().enumerate() {
                if free && !live.is_empty() {
                    let (handle, _, _) = live.swap_remove(len as usize % live.len());
                    arena.free(handle);
                } else {
                    let len = 1 + len as usize % 1500;
                    let handle = arena.alloc(len);
                    arena.bytes_mut(handle)[..len].fill(n as u8);
                    live.push((handle, len, n as u8));
                }
                let whole = live.iter().all(|&(h, len, n)| arena.bytes(h)[..len].iter().all(|&b| b == n));
                if !whole {
                    return false;
                }
            }
            for (handle, ..) in live.drain(..) {
                arena.free(handle);
            }
            // One page a class may stay warm; nothing else does.
            arena.live_bytes() == 0 && arena.reserved_bytes <= CLASSES * 16384
        }
    }
}

//! Random fields: what `HRANDFIELD` returns.

use super::{HashRef, Pair, packed};
use crate::value::listpack::Element;
use std::collections::HashSet;

/// So often a table is asked for a field before all of its fields are looked at: those drawn may be hidden.
const DRAWS_MAX: usize = 100;

impl<'a> HashRef<'a> {
    /// A field, each being (nearly) as likely, by random numbers that `random` gives; `None` where there is none.
    ///
    /// Expected O(1) on a table, O(n) on a packed hash.
    pub fn random(&self, mut random: impl FnMut() -> u64) -> Option<Pair<'a>> {
        match *self {
            HashRef::Packed(bytes) => {
                let nth = (random() as usize).checked_rem(self.len())?;
                packed::Pairs::new(bytes).nth(nth)
            }
            HashRef::Dict(dict, now_ms) => {
                for _ in 0..DRAWS_MAX {
                    let entry = dict.random(&mut random)?;
                    if !super::hidden(&entry, now_ms) {
                        return Some((Element::Bytes(entry.key), Element::Bytes(entry.value)));
                    }
                }
                // Hardly any is visible.
                let visible: Vec<Pair<'a>> = self.iter().collect();
                let nth = (random() as usize).checked_rem(visible.len())?;
                visible.get(nth).copied()
            }
        }
    }

    /// So many different fields, or all where there are no more.
    ///
    /// O(count) from a table of more than three times as many, O(n) otherwise.
    pub fn sample(&self, count: usize, mut random: impl FnMut() -> u64) -> Vec<Pair<'a>> {
        if let HashRef::Dict(dict, _) = *self
            && !self.may_hide()
            && count < dict.len() / 3
        {
            let mut places = HashSet::with_capacity(count);
            let mut drawn = Vec::with_capacity(count);
            while drawn.len() < count {
                let Some(entry) = dict.random(&mut random) else { break };
                // Where an entry stands in memory names it.
                if places.insert(entry.key.as_ptr()) {
                    drawn.push((Element::Bytes(entry.key), Element::Bytes(entry.value)));
                }
            }
            return drawn;
        }
        let mut all: Vec<Pair<'a>> = self.iter().collect();
        let count = count.min(all.len());
        if count < all.len() {
            // The first steps of a shuffle.
            for at in 0..count {
                let left = all.len() - at;
                all.swap(at, at + random() as usize % left);
            }
            all.truncate(count);
        }
        all
    }

    /// Calls `f` with `count` fields, each drawn anew, until it returns false. Expected O(count), and O(n) at first on a
    /// packed hash.
    pub fn draw(&self, count: usize, mut random: impl FnMut() -> u64, mut f: impl FnMut(Pair<'a>) -> bool) {
        // A table that hides nothing is drawn from where it is; otherwise what there is is looked up once.
        let listed: Vec<Pair<'a>> = match self {
            HashRef::Dict(..) if !self.may_hide() => Vec::new(),
            _ => self.iter().collect(),
        };
        for _ in 0..count {
            let pair = match (random() as usize).checked_rem(listed.len()) {
                Some(nth) => listed.get(nth).copied(),
                None if self.may_hide() => None,
                None => self.random(&mut random),
            };
            if !pair.is_some_and(&mut f) {
                return;
            }
        }
    }
}

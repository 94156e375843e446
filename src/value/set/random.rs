//! Random choices: numbers that follow from a seed, and subsets of which each is as likely as any other.

use super::{SetRef, packed};
use crate::value::listpack::Element;
use std::collections::HashSet;

/// Random numbers that follow from a seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence of its own for each seed. O(1).
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number. O(1).
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`; `None` where there is none. O(1).
    pub fn below(&mut self, n: usize) -> Option<usize> {
        // The product's high half; no size that fits a memory makes its bias matter.
        (n > 0).then(|| ((u128::from(self.number()) * n as u128) >> 64) as usize)
    }
}

/// Which ones of a sequence are taken, asked for one after the other: so many of so many, all choices being as likely.
#[derive(Clone, Debug)]
pub struct Draw {
    wanted: usize,
    left: usize,
}

impl Draw {
    /// Takes `wanted` of `of`. O(1).
    pub fn new(wanted: usize, of: usize) -> Self {
        Self { wanted, left: of }
    }

    /// Whether the next one is taken. O(1).
    pub fn takes_next(&mut self, random: &mut Random) -> bool {
        let taken = random.below(self.left).is_some_and(|drawn| drawn < self.wanted);
        self.left = self.left.saturating_sub(1);
        self.wanted -= usize::from(taken);
        taken
    }
}

impl<'a> SetRef<'a> {
    /// A random member, each being as likely. Expected O(1), O(n) in a pack.
    pub fn random(self, random: &mut Random) -> Option<Element<'a>> {
        match self {
            SetRef::Ints(ints) => ints.get(random.below(ints.len())?).map(Element::Int),
            SetRef::Packed(bytes) => packed::get(bytes, random.below(self.len())?),
            SetRef::Table(dict) => dict.random(|| random.number()).map(|entry| Element::Bytes(entry.key)),
        }
    }

    /// Calls `f` with `count` different random members, or with all where there are fewer; all choices are as likely.
    /// O(n) in a pack, otherwise expected O(count).
    pub fn sample(self, count: usize, random: &mut Random, mut f: impl FnMut(Element<'a>)) {
        let len = self.len();
        let count = count.min(len);
        // As in Redis: with few of many to find, drawing again whatever was drawn before is quick.
        let few = count.saturating_mul(3) <= len;
        match self {
            SetRef::Ints(ints) if few => {
                let mut seen = HashSet::with_capacity(count);
                while seen.len() < count {
                    let index = random.below(len).unwrap_or_default();
                    if seen.insert(index) {
                        f(Element::Int(ints.get(index).unwrap_or_default()));
                    }
                }
            }
            SetRef::Table(dict) if few => {
                let mut seen = HashSet::with_capacity(count);
                while seen.len() < count {
                    let Some(entry) = dict.random(|| random.number()) else { break };
                    if seen.insert(entry.key) {
                        f(Element::Bytes(entry.key));
                    }
                }
            }
            _ => {
                let mut draw = Draw::new(count, len);
                self.iter().filter(|_| draw.takes_next(random)).for_each(f);
            }
        }
    }

    /// Random members without end, the same one as often as it is drawn, each being as likely. Expected O(1) a step
    /// after O(n) in a pack.
    pub fn repeats(self, mut random: Random) -> impl Iterator<Item = Element<'a>> {
        // A pack is walked once, not for each member.
        let members: Vec<Element<'a>> = match self {
            SetRef::Packed(_) => self.iter().collect(),
            _ => Vec::new(),
        };
        std::iter::from_fn(move || match self {
            SetRef::Packed(_) => members.get(random.below(members.len())?).copied(),
            _ => self.random(&mut random),
        })
    }
}

//! What several sets have in common, have together, or have not: SINTER, SUNION and SDIFF.

use super::{Limits, Set, SetRef};
use crate::value::listpack::Element;
use std::ops::ControlFlow;

/// Calls `f` with every member that is in all of the sets, until it breaks off. `sets` are put in order: the members
/// of the smallest are looked for in the others, the next larger one first.
///
/// O(n m) for `m` sets, the smallest of which has `n` members.
pub fn intersect(sets: &mut [SetRef<'_>], mut f: impl FnMut(Element<'_>) -> ControlFlow<()>) {
    sets.sort_by_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else { return };
    for element in smallest.iter() {
        if others.iter().all(|other| other.is(*smallest) || other.contains_element(element))
            && f(element).is_break()
        {
            return;
        }
    }
}

/// The intersection as a set, in the form in which SINTERSTORE stores it.
///
/// O(n m) for `m` sets, the smallest of which has `n` members.
#[must_use]
pub fn intersection(sets: &mut [SetRef<'_>], limits: &Limits) -> Set {
    sets.sort_by_key(|set| set.len());
    let mut result = match sets.first() {
        Some(SetRef::Ints(_)) | None => Set::Ints(Vec::new()),
        Some(SetRef::Packed(_) | SetRef::Table(_)) => Set::Packed(Vec::new()),
    };
    intersect(sets, |element| {
        result.add_element(element, limits);
        ControlFlow::Continue(())
    });
    result.settle_on_ints(limits);
    result.shrink();
    result
}

/// Everything that is in any of the sets, in the form in which SUNIONSTORE stores it. O(n) for all members.
#[must_use]
pub fn union<'a>(sets: impl IntoIterator<Item = SetRef<'a>>, limits: &Limits) -> Set {
    let mut result = Set::default();
    for set in sets {
        set.iter().for_each(|element| {
            result.add_element(element, limits);
        });
    }
    result.shrink();
    result
}

/// Calls `f` with every member of the first set that is in none of the others, which are put in order.
///
/// Of two ways the one with less to do is taken, as in Redis: to look each member of the first set up in all others,
/// beginning with the largest, which is O(n m) for `n` members and `m` sets; or to take the members of all others out
/// of a copy of it, which is O(n) for the members of all sets.
pub fn subtract(
    first: SetRef<'_>,
    others: &mut [SetRef<'_>],
    limits: &Limits,
    mut f: impl FnMut(Element<'_>),
) {
    if others.iter().any(|other| other.is(first)) {
        return;
    }
    if lookups_are_less(first, others) {
        others.sort_by_key(|set| std::cmp::Reverse(set.len()));
        for element in first.iter() {
            if !others.iter().any(|other| other.contains_element(element)) {
                f(element);
            }
        }
    } else {
        take_out(first, others, limits).view().iter().for_each(f);
    }
}

/// The difference as a set, in the form in which SDIFFSTORE stores it: where it is what is left of a copy of the first
/// set, that keeps the form of the copy. As [`subtract`].
#[must_use]
pub fn difference(first: SetRef<'_>, others: &mut [SetRef<'_>], limits: &Limits) -> Set {
    if !others.iter().any(|other| other.is(first)) && !lookups_are_less(first, others) {
        return take_out(first, others, limits);
    }
    let mut result = Set::default();
    subtract(first, others, limits, |element| {
        result.add_element(element, limits);
    });
    result.shrink();
    result
}

/// A lookup that finds ends the search for that member, so lookups count half.
fn lookups_are_less(first: SetRef<'_>, others: &[SetRef<'_>]) -> bool {
    let lookups = first.len().saturating_mul(others.len() + 1);
    let members = others.iter().fold(first.len(), |sum, other| sum.saturating_add(other.len()));
    lookups / 2 <= members
}

/// What is left of the first set without the members of the others.
fn take_out(first: SetRef<'_>, others: &[SetRef<'_>], limits: &Limits) -> Set {
    let mut rest = union([first], limits);
    for other in others {
        let mut edit = rest.edit();
        for element in other.iter() {
            edit.remove_element(element);
        }
        if rest.view().is_empty() {
            break;
        }
    }
    rest
}

//! Gathering: a short nap before the next poll, where that finds several requests instead of one.
//!
//! A loop that is faster than its many clients wakes up for each of their requests, and each of its replies wakes a
//! client: both sides pay for a round a request. A nap of some tens of microseconds lets a few requests come together.
//!
//! A nap is taken only in dense traffic: the last round had few events, and came within [`DENSE`] of the one before.
//! Whether it pays is measured: a nap after which fewer than [`WORTH`] events stand ready was in vain, as it is where
//! one or two clients wait for their replies, and none follows for [`BACK_OFF`] rounds. So a lone client pays for one
//! nap in that many of its requests.

use crate::clock::Stopwatch;
use std::time::Duration;

/// How long a nap is asked for; the system's timer slack makes about 75 us of it.
const NAP: Duration = Duration::from_micros(20);
/// Rounds that come closer than this are dense traffic.
const DENSE: Duration = Duration::from_micros(100);
/// A round with as many events has no need to gather.
const FEW: usize = 8;
/// Events that make a nap worth its while.
const WORTH: usize = 6;
/// Rounds without a nap after one in vain.
const BACK_OFF: u32 = 512;

/// One loop's habit of gathering.
#[derive(Debug)]
pub(super) struct Gather {
    /// When the last round began, naps left out.
    round: Stopwatch,
    events: usize,
    napped: bool,
    /// Rounds to go without a nap.
    off: u32,
}

impl Gather {
    pub(super) fn new() -> Self {
        Self { round: Stopwatch::start(), events: 0, napped: false, off: 0 }
    }

    /// Before a poll: naps where that is likely to pay.
    pub(super) fn before_poll(&mut self) {
        self.napped = false;
        if self.off > 0 {
            self.off -= 1;
            return;
        }
        if (1..FEW).contains(&self.events) && self.round.elapsed() < DENSE {
            std::thread::sleep(NAP);
            self.napped = true;
        }
        self.round = Stopwatch::start();
    }

    /// After a poll that found this many events.
    pub(super) fn after_poll(&mut self, events: usize) {
        if self.napped && events < WORTH {
            self.off = BACK_OFF;
        }
        self.events = events;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nap_in_vain_is_not_repeated_soon() {
        let mut gather = Gather::new();
        gather.after_poll(1);
        // The machine may be so busy that the first tries are not dense.
        while !gather.napped {
            gather.round = Stopwatch::start();
            gather.before_poll();
        }
        gather.after_poll(1);
        for _ in 0..BACK_OFF {
            gather.before_poll();
            assert!(!gather.napped);
        }
    }

    #[test]
    fn a_full_round_and_an_empty_one_are_followed_by_no_nap() {
        let mut gather = Gather::new();
        for events in [0, FEW] {
            gather.after_poll(events);
            gather.round = Stopwatch::start();
            gather.before_poll();
            assert!(!gather.napped);
        }
    }
}

//! Sorted sets: see [`Damselfly`](super::Damselfly).

//! Hashes: see [`Damselfly`](super::Damselfly).

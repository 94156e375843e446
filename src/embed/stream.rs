//! Streams: see [`Damselfly`](super::Damselfly).

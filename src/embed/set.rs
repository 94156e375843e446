//! Sets: see [`Damselfly`](super::Damselfly).

//! Properties of streams.

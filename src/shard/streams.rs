//! Streams under their keys.

//! Hashes under their keys.

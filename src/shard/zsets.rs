//! Sorted sets under their keys.

//! Sets under their keys.

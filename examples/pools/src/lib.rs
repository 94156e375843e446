//! The test kit under the clients and pools that Rust programs use: see `tests/`.

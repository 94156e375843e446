//! Hashes.

use super::table::Command;

/// The rows.
pub const COMMANDS: &[Command] = &[];

//! SORT and SORT_RO.

use super::table::Command;

/// The rows.
pub const COMMANDS: &[Command] = &[];

//! Commands of the family.

use super::table::Command;

/// The family's rows.
pub const COMMANDS: &[Command] = &[];

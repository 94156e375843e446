//! What a command does with the keys and channels among its arguments, as access control asks.
//!
//! Most commands have their keys in places that their rows name; for those nothing is allocated. Where only the
//! command can say (its keys follow from options, or how they are used does), the whole of `COMMAND GETKEYSANDFLAGS`
//! is gone through.

use super::facts::{self, Find};
use crate::command::args::parse_int;
use crate::command::table::{Entry, TABLE};
use std::sync::LazyLock;

/// The key's value is read.
pub(crate) const READ: u8 = 1;
/// The key is written: inserted into, updated or deleted.
pub(crate) const WRITE: u8 = 2;

/// How a command finds its keys.
#[derive(Debug)]
enum Plan {
    /// Each specification with what it does to its keys.
    Places(Vec<(Find, u8)>),
    /// `SET`, which reads where it has the option `GET`, and is too frequent to be asked at length.
    Set,
    /// Only the command can say.
    Ask,
}

static PLANS: LazyLock<Vec<Plan>> = LazyLock::new(|| {
    let ids = 0..TABLE.count();
    ids.map(|id| TABLE.numbered(id).map_or(Plan::Places(Vec::new()), plan)).collect()
});

fn plan(entry: &Entry) -> Plan {
    if entry.full_name == "set" {
        return Plan::Set;
    }
    let specs = facts::key_specs(entry);
    let is_placed = |find| matches!(find, Find::Range { .. } | Find::Counted(..));
    if specs.iter().any(|spec| !is_placed(spec.find) || spec.uses.contains(&"variable_flags")) {
        return Plan::Ask;
    }
    Plan::Places(specs.iter().map(|spec| (spec.find, access(&spec.uses))).collect())
}

/// What these uses come to. Looking only whether a key exists is neither reading nor writing.
fn access(uses: &[&str]) -> u8 {
    uses.iter().fold(0, |access, word| match *word {
        "access" => access | READ,
        "insert" | "delete" | "update" => access | WRITE,
        _ => access,
    })
}

/// Shows `f` each key of a command with its place among the arguments and what the command does to it, until it
/// refuses one. Arguments that do not fit show none: the command refuses them itself.
pub(crate) fn each_key<E>(
    entry: &Entry,
    argv: &[&[u8]],
    mut f: impl FnMut(usize, &[u8], u8) -> Result<(), E>,
) -> Result<(), E> {
    match PLANS.get(entry.id) {
        None => Ok(()),
        Some(Plan::Places(specs)) => {
            // One specification that does not fit voids all of them.
            if specs.iter().any(|(find, _)| places(*find, argv).is_none()) {
                return Ok(());
            }
            for (find, access) in specs {
                let Some((first, end, step)) = places(*find, argv) else { continue };
                for at in (first..end).step_by(step) {
                    f(at, argv.get(at).copied().unwrap_or_default(), *access)?;
                }
            }
            Ok(())
        }
        Some(Plan::Set) => {
            let options = argv.get(3..).unwrap_or_default();
            let reads = options.iter().any(|option| option.eq_ignore_ascii_case(b"GET"));
            f(1, argv.get(1).copied().unwrap_or_default(), if reads { READ | WRITE } else { WRITE })
        }
        Some(Plan::Ask) => {
            for (key, uses) in super::used_keys(entry, argv) {
                // The same slice, not an equal one.
                let at = argv.iter().position(|arg| std::ptr::eq(*arg, key)).unwrap_or(0);
                f(at, key, access(&uses))?;
            }
            Ok(())
        }
    }
}

/// The first place, the one behind the last, and the step; nothing where the arguments do not reach so far.
fn places(find: Find, argv: &[&[u8]]) -> Option<(usize, usize, usize)> {
    match find {
        Find::Range { first, last, step } => {
            let last = match usize::try_from(last) {
                Ok(further) => first + further,
                Err(_) => argv.len().checked_sub(last.unsigned_abs() as usize)?,
            };
            (last < argv.len()).then_some((first, last + 1, step.max(1)))
        }
        Find::Counted(at, step) => {
            let count = usize::try_from(parse_int(argv.get(at)?)?).ok()?;
            let end = at.checked_add(count.checked_mul(step)?)?.checked_add(1)?;
            (end <= argv.len()).then_some((at + 1, end, step))
        }
        _ => None,
    }
}

/// The places of a command's channels, and whether each is a pattern.
pub(crate) fn channels(entry: &Entry, argv: &[&[u8]]) -> impl Iterator<Item = (usize, bool)> + use<> {
    let (count, is_pattern) = match entry.full_name {
        "publish" | "spublish" => (1, false),
        "subscribe" | "ssubscribe" => (argv.len(), false),
        "psubscribe" => (argv.len(), true),
        _ => (0, false),
    };
    (1..argv.len().min(count.saturating_add(1))).map(move |at| (at, is_pattern))
}

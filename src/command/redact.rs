//! Secrets among arguments: what the slow log and `MONITOR` must not show.

use super::table::Entry;
use crate::config;
use smallvec::SmallVec;

const REDACTED: &[u8] = b"(redacted)";

/// A command's arguments with its secrets replaced: passwords, and names of users where they are looked up or changed.
pub(crate) fn redacted<'a>(entry: &Entry, argv: &[&'a [u8]]) -> SmallVec<[&'a [u8]; 8]> {
    let mut shown: SmallVec<[&[u8]; 8]> = argv.iter().copied().collect();
    let mut hide = |at: usize| {
        if let Some(arg) = shown.get_mut(at) {
            *arg = REDACTED;
        }
    };
    match entry.full_name {
        "auth" => (1..argv.len()).for_each(hide),
        "acl|setuser" | "acl|deluser" | "acl|getuser" => (2..argv.len()).for_each(hide),
        "hello" => {
            let mut at = 2;
            while let Some(option) = argv.get(at) {
                if option.eq_ignore_ascii_case(b"AUTH") {
                    hide(at + 1);
                    hide(at + 2);
                    at += 3;
                } else {
                    at += if option.eq_ignore_ascii_case(b"SETNAME") { 2 } else { 1 };
                }
            }
        }
        "config|set" => {
            for at in (2..argv.len()).step_by(2) {
                if argv.get(at).is_some_and(|name| config::is_sensitive(name)) {
                    hide(at + 1);
                }
            }
        }
        "migrate" => {
            for (at, option) in argv.iter().enumerate().skip(6) {
                if option.eq_ignore_ascii_case(b"AUTH") {
                    hide(at + 1);
                } else if option.eq_ignore_ascii_case(b"AUTH2") {
                    hide(at + 1);
                    hide(at + 2);
                }
            }
        }
        _ => {}
    }
    shown
}

//! What the operating system says of this process and its machine, for `INFO` and `MEMORY`.
//!
//! Read from `/proc`, so without unsafe code and without a dependency; where there is none (macOS, Windows), figures
//! are zero and names are what the program was compiled for. Nothing here decides anything.

use std::fs;
use std::sync::{LazyLock, OnceLock};

/// Clock ticks a second in `/proc`: fixed by Linux' interface on every architecture that Rust's std supports there.
const TICKS_PER_SECOND: u64 = 100;

/// Processor time in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// In the kernel.
    pub system_us: u64,
    /// In the program.
    pub user_us: u64,
    /// In the kernel, by ended children.
    pub children_system_us: u64,
    /// In the program, by ended children.
    pub children_user_us: u64,
}

/// Resident memory of the process in bytes; 0 where unknown.
#[must_use]
pub fn resident_bytes() -> u64 {
    kilobytes("/proc/self/status", "VmRSS:")
}

/// Resident memory when somebody first asked, which [`Engine::open`](crate::engine::Engine::open) does: the program
/// itself, its threads, and what else it held before it had keys.
#[must_use]
pub fn resident_bytes_at_start() -> u64 {
    static BYTES: LazyLock<u64> = LazyLock::new(resident_bytes);
    *BYTES
}

static ALLOCATOR: OnceLock<&str> = OnceLock::new();

/// Says which allocator the program was built with, which a library cannot know; the first to say so is believed.
pub fn name_allocator(name: &'static str) {
    // Whoever comes second has said the same, or embeds a server in a server.
    let _ = ALLOCATOR.set(name);
}

/// The program's allocator: `libc` unless [`name_allocator`] said otherwise.
#[must_use]
pub fn allocator() -> &'static str {
    ALLOCATOR.get().copied().unwrap_or("libc")
}

/// Memory of the machine in bytes; 0 where unknown. Read once.
#[must_use]
pub fn machine_bytes() -> u64 {
    static BYTES: LazyLock<u64> = LazyLock::new(|| kilobytes("/proc/meminfo", "MemTotal:"));
    *BYTES
}

/// Processor time of the whole process; zeros where unknown.
#[must_use]
pub fn cpu_times() -> CpuTimes {
    fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(parse_stat).unwrap_or_default()
}

/// Processor time of the thread that the process began with; zeros where unknown.
#[must_use]
pub fn main_thread_cpu_times() -> CpuTimes {
    let path = format!("/proc/self/task/{}/stat", std::process::id());
    fs::read_to_string(path).ok().as_deref().and_then(parse_stat).unwrap_or_default()
}

/// The operating system as `uname` names it: `Linux 6.1.0 x86_64`. Read once.
#[must_use]
pub fn system_name() -> &'static str {
    static NAME: LazyLock<String> = LazyLock::new(|| {
        let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned());
        let kind = read("/proc/sys/kernel/ostype").unwrap_or_else(|_| std::env::consts::OS.to_owned());
        let release = read("/proc/sys/kernel/osrelease").unwrap_or_default();
        [kind.as_str(), release.as_str(), std::env::consts::ARCH].join(" ").replace("  ", " ")
    });
    &NAME
}

/// A line `NAME: n kB` of a file, in bytes.
fn kilobytes(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number =
        line.and_then(|line| line.split_whitespace().next()).and_then(|text| text.parse::<u64>().ok());
    number.unwrap_or(0).saturating_mul(1024)
}

/// Fields 14 to 17 of `/proc/.../stat`: utime, stime, cutime, cstime. The second field may hold anything, parentheses too.
fn parse_stat(text: &str) -> Option<CpuTimes> {
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut next_us = || {
        let ticks: u64 = fields.next()?.parse().ok()?;
        Some(ticks.saturating_mul(1_000_000 / TICKS_PER_SECOND))
    };
    Some(CpuTimes {
        user_us: next_us()?,
        system_us: next_us()?,
        children_user_us: next_us()?,
        children_system_us: next_us()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let text = "7 (a) b) (c) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 7 8 20 0 1 0 100 0 0";
        let times = CpuTimes {
            user_us: 2_500_000,
            system_us: 500_000,
            children_user_us: 70_000,
            children_system_us: 80_000,
        };
        assert_eq!(parse_stat(text), Some(times));
        assert_eq!(parse_stat("7 (a) S 1"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_what_the_process_takes() {
        assert!(resident_bytes() > 100_000 && machine_bytes() > resident_bytes());
        assert!(system_name().starts_with("Linux "));
    }
}

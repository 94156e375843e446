//! `CL.THROTTLE`: how often something may be done, as Dragonfly and the module redis-cell have it.
//!
//! A key holds, as a string, the time in microseconds at which all that was let through will be paid for (GCRA). One more
//! is let through where that time is no further ahead than the burst allows; the key goes when all is paid for.

use super::args::{Args, parse_int};
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use crate::reply::Sink;
use crate::shard::{Expires, Key, Keyspace};

/// The family's row.
pub const COMMANDS: &[Command] =
    &[row("CL.THROTTLE", -5, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(throttle))
        .of(Group::String, "0.1.0")
        .doc(
            "key max-burst count period [quantity]",
            "Counts an action against a limit of so many in so many seconds, if the limit allows it.",
            "O(1)",
        )];

/// What a limit says to an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verdict {
    allowed: bool,
    remaining: i64,
    /// Microseconds; `None` where no time would help.
    retry_after: Option<i64>,
    /// Microseconds.
    reset_after: i64,
    /// When all that was let through will be paid for.
    paid_at: i64,
}

/// Judges an action that costs `cost`, where one costs `interval` and `burst` may be owed. All in microseconds.
fn judge(now: i64, paid_at: i64, interval: i64, burst: i64, cost: i64) -> Verdict {
    let before = paid_at.max(now);
    let after = before.saturating_add(cost);
    let allowed = after - now <= burst;
    let owed = if allowed { after - now } else { before - now };
    Verdict {
        allowed,
        remaining: (burst - owed).max(0) / interval,
        retry_after: (!allowed && cost <= burst).then(|| after - burst - now),
        reset_after: owed,
        paid_at: now + owed,
    }
}

/// Replies with five integers: whether the action is limited, the limit, what remains of it, the seconds until it may be
/// tried again (-1 where it was allowed, or never is), and those until the whole limit is there again. Seconds that have
/// begun count, lest a caller comes too early. Errors: numbers that are none or out of range, `WRONGTYPE`. O(1).
///
/// Reference: <https://valkey.io/commands/cl.throttle/>
fn throttle(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let mut number = |min: i64| match args.int()? {
        number if number >= min => Ok(number),
        _ => Err(CommandError::NotAnInteger),
    };
    let (max_burst, count, period) = (number(0)?, number(1)?, number(1)?);
    let quantity = if args.left() > 0 { args.int()? } else { 1 };
    args.end()?;
    let limit = max_burst.checked_add(1).ok_or(CommandError::NotAnInteger)?;
    let interval = period.checked_mul(1_000_000).ok_or(CommandError::NotAnInteger)? / count;
    if interval == 0 {
        return Err(CommandError::text("ERR zero rates are not supported"));
    }
    let burst = interval.checked_mul(limit).ok_or(CommandError::NotAnInteger)?;
    let cost = match u32::try_from(quantity) {
        Ok(quantity) => interval.checked_mul(i64::from(quantity)).ok_or(CommandError::NotAnInteger)?,
        Err(_) => return Err(CommandError::NotAnInteger),
    };
    let now = i64::try_from(keys.now_ms()).unwrap_or(i64::MAX / 1000).saturating_mul(1000);
    let paid_at = match keys.string(key)? {
        Some(text) => text.with_bytes(parse_int).ok_or(CommandError::NotAnInteger)?,
        None => now,
    };
    // A sum that does not fit is beyond any limit.
    if now.checked_add(burst).and_then(|end| end.checked_add(cost)).is_none() {
        return Err(CommandError::NotAnInteger);
    }
    let verdict = judge(now, paid_at, interval, burst, cost);
    if verdict.allowed && cost > 0 {
        let gone_ms = verdict.paid_at.unsigned_abs().div_ceil(1000);
        let mut text = itoa::Buffer::new();
        keys.set_string(key, text.format(verdict.paid_at).as_bytes(), Expires::At(gone_ms));
    }
    let seconds = |us: i64| if us > 0 { us / 1_000_000 + 1 } else { 0 };
    out.array(5);
    out.int(i64::from(!verdict.allowed));
    out.int(limit);
    out.int(verdict.remaining);
    out.int(verdict.retry_after.map_or(-1, seconds));
    out.int(seconds(verdict.reset_after));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn so_many_pass_at_once_and_then_one_in_each_interval() {
        let (interval, burst) = (2 * SECOND, 32 * SECOND);
        let (mut now, mut paid_at, mut passed) = (1_000 * SECOND, 0, 0);
        while let Verdict { allowed: true, paid_at: at, .. } = judge(now, paid_at, interval, burst, interval)
        {
            (paid_at, passed) = (at, passed + 1);
        }
        assert_eq!(passed, 16);
        for _ in 0..10 {
            let refused = judge(now, paid_at, interval, burst, interval);
            assert_eq!((refused.allowed, refused.remaining, refused.retry_after), (false, 0, Some(interval)));
            now += interval;
            let verdict = judge(now, paid_at, interval, burst, interval);
            assert!(verdict.allowed);
            paid_at = verdict.paid_at;
        }
        assert_eq!(judge(now + burst, paid_at, interval, burst, interval).remaining, 15);
    }

    #[test]
    fn more_than_the_limit_holds_never_passes() {
        let verdict = judge(0, 0, SECOND, 3 * SECOND, 4 * SECOND);
        assert_eq!((verdict.allowed, verdict.remaining, verdict.retry_after), (false, 3, None));
    }
}

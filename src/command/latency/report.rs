//! Reports for people: `LATENCY DOCTOR` and `LATENCY GRAPH`, in Redis' words and letters.

use crate::config::Settings;
use crate::engine::Event;
use std::fmt::Write as _;

/// Columns of a graph.
const COLUMNS: usize = 80;
/// Rows of a graph.
const ROWS: usize = 4;
/// The heights of a column within a row.
const FILLS: [char; 3] = ['_', 'o', '#'];

const DISABLED: &str = "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Redis instance. You may \
                        use \"CONFIG SET latency-monitor-threshold <milliseconds>.\" in order to enable it. If we weren't \
                        in a deep space mission I'd suggest to take a look at https://redis.io/topics/latency-monitor.\n";
const NOTHING: &str = "Dave, no latency spike was observed during the lifetime of this Redis instance, not in the \
                       slightest bit. I honestly think you ought to sit down calmly, take a stress pill, and think \
                       things over.\n";
const INSPECT: &str = "- Check your Slow Log to understand what are the commands you are running which are too slow to \
                       execute. Please check https://redis.io/commands/slowlog for more information.\n";
const SCHEDULER: &str = "- The system is slow to execute Redis code paths not containing system calls. This usually \
                         means the system does not provide Redis CPU time to run for long periods. You should try to:\n  \
                         1) Lower the system load.\n  2) Use a computer / VM just for Redis if you are running other \
                         software in the same system.\n  3) Check if you have a \"noisy neighbour\" problem.\n  4) Check \
                         with 'redis-cli --intrinsic-latency 100' what is the intrinsic latency in your system.\n";
const LARGE: &str = "- Deleting, expiring or evicting (because of maxmemory policy) large objects is a blocking \
                     operation. If you have very large objects that are often deleted, expired, or evicted, try to \
                     fragment those objects into multiple smaller objects.\n";

/// What there is to say of the events, and what to do about them.
pub(super) fn doctor(events: &[(&str, Event)], settings: &Settings, now_s: u64) -> String {
    let threshold_ms = settings.latency_monitor_threshold();
    if events.is_empty() {
        return if threshold_ms == 0 { DISABLED } else { NOTHING }.to_owned();
    }
    let mut text = String::from(
        "Dave, I have observed latency spikes in this Redis instance. You don't mind talking about it, do you Dave?\n\n",
    );
    for (number, (name, event)) in events.iter().enumerate() {
        let samples = event.samples.len().max(1) as u64;
        let mean = event.samples.iter().map(|sample| sample.latency_ms).sum::<u64>() / samples;
        let deviation =
            event.samples.iter().map(|sample| sample.latency_ms.abs_diff(mean)).sum::<u64>() / samples;
        let since_s = event.samples.front().map_or(0, |first| now_s.saturating_sub(first.at_s)).max(1);
        let _ = writeln!(
            text,
            "{}. {name}: {samples} latency spikes (average {mean}ms, mean deviation {deviation}ms, period {:.2} sec). \
             Worst all time event {}ms.",
            number + 1,
            since_s as f64 / samples as f64,
            event.max_ms,
        );
    }
    text.push_str("\nI have a few advices for you:\n\n");
    let is_there = |name: &str| events.iter().any(|(known, _)| *known == name);
    if is_there("command") {
        let slower_than_us = settings.slowlog_log_slower_than();
        let threshold_us = threshold_ms.saturating_mul(1000);
        if slower_than_us < 0 || settings.slowlog_max_len() == 0 {
            let _ = writeln!(
                text,
                "- There are latency issues with potentially slow commands you are using. Try to enable the Slow Log \
                 Redis feature using the command 'CONFIG SET slowlog-log-slower-than {threshold_us}'. If the Slow log \
                 is disabled Redis is not able to log slow commands execution for you."
            );
        } else if slower_than_us.unsigned_abs() / 1000 > threshold_ms {
            let _ = writeln!(
                text,
                "- Your current Slow Log configuration only logs events that are slower than your configured latency \
                 monitor threshold. Please use 'CONFIG SET slowlog-log-slower-than {threshold_us}'."
            );
        }
        text.push_str(INSPECT);
    }
    if is_there("fast-command") {
        text.push_str(SCHEDULER);
    }
    if is_there("command") {
        text.push_str(LARGE);
    }
    text
}

/// An event's samples as columns, the age of each below it.
pub(super) fn graph(name: &str, event: &Event, now_s: u64) -> String {
    let latencies = || event.samples.iter().map(|sample| sample.latency_ms);
    let (low, high) = (latencies().min().unwrap_or(0), latencies().max().unwrap_or(0));
    let mut text = format!(
        "{name} - high {high} ms, low {low} ms (all time high {} ms)\n{}\n",
        event.max_ms,
        "-".repeat(COLUMNS)
    );
    let steps = (FILLS.len() * ROWS) as u64;
    let span = (high - low).max(1);
    let columns: Vec<(usize, String)> = event
        .samples
        .iter()
        .map(|sample| {
            let height = ((sample.latency_ms - low) * steps / span).min(steps - 1);
            (height as usize, age(now_s.saturating_sub(sample.at_s)))
        })
        .collect();
    for (at, columns) in columns.chunks(COLUMNS).enumerate() {
        if at > 0 {
            text.push('\n');
        }
        let mut line = |letter: &dyn Fn(&(usize, String)) -> char| {
            text.extend(columns.iter().map(letter));
            text.push('\n');
        };
        for row in (0..ROWS).rev() {
            line(&|(height, _)| match height.checked_sub(row * FILLS.len()) {
                None => ' ',
                Some(above) => FILLS.get(above).copied().unwrap_or('|'),
            });
        }
        line(&|_| ' ');
        let longest = columns.iter().map(|(_, age)| age.len()).max().unwrap_or(0);
        for place in 0..longest {
            line(&|(_, age)| age.chars().nth(place).unwrap_or(' '));
        }
    }
    text
}

fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Sample;

    #[test]
    fn a_graph_has_a_column_for_each_sample() {
        let samples = [(0, 10), (86_400 - 7200, 20), (86_300, 13), (86_399, 21)];
        let samples = samples.map(|(at_s, latency_ms)| Sample { at_s, latency_ms });
        let event = Event { samples: samples.into(), max_ms: 30 };
        let text = graph("command", &event, 86_400);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "command - high 21 ms, low 10 ms (all time high 30 ms)");
        assert_eq!(lines[1], "-".repeat(80));
        assert_eq!(lines[2..], [" o #", " | |", " |_|", "_|||", "    ", "1211", "dhms"]);
    }
}

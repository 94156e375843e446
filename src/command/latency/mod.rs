//! `LATENCY`: events that took long, and how the times of commands are distributed.

mod report;

use super::args::Args;
use super::error::CommandError;
use super::introspect;
use super::table::{Command, Entry, Flag::*, Group, Keys, Run, container, row};
use super::write_help;
use crate::engine::{Distribution, Reach, Session};
use crate::reply::Sink;

/// The family's rows.
pub const COMMANDS: &[Command] = &[container("LATENCY", LATENCY).of(Group::Server, "2.8.13").doc(
    "",
    "A container for latency diagnostics commands.",
    "Depends on subcommand.",
)];

const LATENCY: &[Command] = &[
    row("DOCTOR", 2, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(doctor))
        .of(Group::Server, "2.8.13")
        .doc("", "Returns a human-readable latency analysis report.", "O(1)"),
    row("GRAPH", 3, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(graph))
        .of(Group::Server, "2.8.13")
        .doc("event", "Returns a latency graph for an event.", "O(1)"),
    row("HELP", 2, &[Loading, Stale], Keys::None, Run::Session(help)).of(Group::Server, "2.8.13").doc(
        "",
        "Returns helpful text about the different subcommands.",
        "O(1)",
    ),
    row("HISTOGRAM", -2, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(histogram))
        .of(Group::Server, "7.0.0")
        .doc(
            "[command [command ...]]",
            "Returns the cumulative distribution of latencies of a subset or all commands.",
            "O(N) where N is the number of commands with latency information being retrieved.",
        ),
    row("HISTORY", 3, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(history))
        .of(Group::Server, "2.8.13")
        .doc("event", "Returns timestamp-latency samples for an event.", "O(1)"),
    row("LATEST", 2, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(latest))
        .of(Group::Server, "2.8.13")
        .doc("", "Returns the latest latency samples for all events.", "O(1)"),
    row("RESET", -2, &[Admin, NoScript, Loading, Stale], Keys::None, Run::Session(reset))
        .of(Group::Server, "2.8.13")
        .doc("[event [event ...]]", "Resets the latency data for one or more events.", "O(1)"),
];

/// Replies with a report for people. Reference: <https://valkey.io/commands/latency-doctor/>
fn doctor(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let now_s = engine.clock().now_ms() / 1000;
    out.verbatim("txt", report::doctor(&engine.latency().events(), engine.settings(), now_s).as_bytes());
    Ok(())
}

/// Replies with an event's samples as a graph of letters. Errors: there are none.
///
/// Reference: <https://valkey.io/commands/latency-graph/>
fn graph(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let name = args.required()?;
    let shown = String::from_utf8_lossy(name);
    let event = engine.latency().event(name);
    let event =
        event.ok_or_else(|| CommandError::from(format!("ERR No samples available for event '{shown}'")))?;
    out.verbatim("txt", report::graph(&shown, &event, engine.clock().now_ms() / 1000).as_bytes());
    Ok(())
}

/// Replies with how the times of these commands are distributed, or of all; a container stands for its subcommands.
/// Those without a recorded time are passed over.
///
/// Reference: <https://valkey.io/commands/latency-histogram/>
fn histogram(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let names = args.rest();
    let entries: Vec<&Entry> = if names.is_empty() {
        introspect::all_entries().collect()
    } else {
        let named = names.iter().filter_map(|name| introspect::find(name));
        named.flat_map(|entry| std::iter::once(entry).chain(&entry.subcommands)).collect()
    };
    let latency = engine.latency();
    let found: Vec<(&Entry, &Distribution)> =
        entries.into_iter().filter_map(|entry| Some((entry, latency.distribution(entry.id)?))).collect();
    out.map(found.len());
    for (entry, distribution) in found {
        out.bulk(entry.full_name.as_bytes());
        out.map(2);
        out.bulk(b"calls");
        out.int(distribution.count() as i64);
        out.bulk(b"histogram_usec");
        let bounds = distribution.cumulative();
        out.map(bounds.len());
        for (bound_us, count) in bounds {
            out.int(bound_us as i64);
            out.int(count as i64);
        }
    }
    Ok(())
}

/// Replies with the samples of an event, the oldest first. Reference: <https://valkey.io/commands/latency-history/>
fn history(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let event = engine.latency().event(args.required()?).unwrap_or_default();
    out.array(event.samples.len());
    for sample in &event.samples {
        out.array(2);
        out.int(sample.at_s as i64);
        out.int(sample.latency_ms as i64);
    }
    Ok(())
}

/// Replies with the last sample of each event, and its longest ever.
///
/// Reference: <https://valkey.io/commands/latency-latest/>
fn latest(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let events = engine.latency().events();
    out.array(events.len());
    for (name, event) in &events {
        let (at_s, latency_ms) = event.samples.back().map_or((0, 0), |last| (last.at_s, last.latency_ms));
        out.array(4);
        out.bulk(name.as_bytes());
        out.int(at_s as i64);
        out.int(latency_ms as i64);
        out.int(event.max_ms as i64);
    }
    Ok(())
}

/// Forgets these events, or all, and replies with how many there were.
///
/// Reference: <https://valkey.io/commands/latency-reset/>
fn reset(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.int(engine.latency().reset(args.rest()) as i64);
    Ok(())
}

/// Reference: <https://valkey.io/commands/latency-help/>
fn help(
    _: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    write_help(
        out,
        "LATENCY",
        &[
            "DOCTOR",
            "    Return a human readable latency analysis report.",
            "GRAPH <event>",
            "    Return an ASCII latency graph for the <event> class.",
            "HISTORY <event>",
            "    Return time-latency samples for the <event> class.",
            "LATEST",
            "    Return the latest latency samples for all events.",
            "RESET [<event> ...]",
            "    Reset latency data of one or more <event> classes.",
            "    (default: reset all data for all event classes)",
            "HISTOGRAM [COMMAND ...]",
            "    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.",
            "    If no commands are specified then all histograms are replied.",
        ],
    );
    Ok(())
}

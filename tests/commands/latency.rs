//! Latency: events that took long, and distributions.

use super::check;

#[test]
fn events_that_take_long_are_sampled() {
    check(
        "
        ! only 7.2
        > LATENCY RESET                             < *
        > CONFIG SET latency-monitor-threshold 5    < +OK
        > LATENCY LATEST                            < []
        > LATENCY HISTORY command                   < []
        > LATENCY GRAPH command                     < -ERR No samples available for event 'command'
        > SET k v                                   < +OK
        > LATENCY LATEST                            < []
        > DEBUG SLEEP 0.012                         < +OK
        > LATENCY HISTORY command                   < [[* :12..1000]]
        > LATENCY GRAPH command                     < *
        > LATENCY DOCTOR                            < *
        > LATENCY RESET nope                        < :0
        > LATENCY RESET command                     < :1
        > LATENCY RESET                             < :0
        > CONFIG SET latency-monitor-threshold 0    < +OK
        > DEBUG SLEEP 0.006                         < +OK
        > LATENCY LATEST                            < []
        > LATENCY HISTORY                           < -ERR wrong number of arguments for 'latency|history' command
        > LATENCY NOPE                              < -ERR unknown subcommand 'NOPE'. Try LATENCY HELP.
        > LATENCY HELP                              < *
    ",
    );
}

#[test]
fn a_report_and_a_graph_are_drawn_up() {
    check(
        "
        ! no-oracle
        > LATENCY DOCTOR                            < =~\"I'm sorry, Dave, I can't do that. Latency monitoring is disabled *\"
        > CONFIG SET latency-monitor-threshold 5    < +OK
        > LATENCY DOCTOR                            < =~\"Dave, no latency spike was observed *\"
        > DEBUG SLEEP 0.006                         < +OK
        > LATENCY LATEST                            < [[\"command\" :1700000000 :6..1000 :6..1000]]
        > LATENCY GRAPH command                     < =~\"command - high * ms, low * ms (all time high * ms)\\n--------------------------------------------------------------------------------\\n \\n \\n \\n_\\n \\n0\\ns\\n\"
        > LATENCY DOCTOR                            < =~\"Dave, I have observed latency spikes *\\n\\n1. command: 1 latency spikes (average *ms, mean deviation 0ms, period 1.00 sec). Worst all time event *ms.\\n\\nI have a few advices for you:\\n\\n- Your current Slow Log configuration *5000*\\n- Check your Slow Log *\\n- Deleting, *\\n\"
    ",
    );
}

#[test]
fn distributions_are_kept_where_they_are_asked_for() {
    check(
        "
        > CONFIG SET latency-tracking yes           < +OK
        > CONFIG RESETSTAT                          < +OK
        > LATENCY HISTOGRAM set get                 < []
        > SET k v                                   < +OK
        > SET k v                                   < +OK
        > LATENCY HISTOGRAM nope set get            < [\"set\" [\"calls\" :2 \"histogram_usec\" *]]
        > LATENCY HISTOGRAM config                  < [\"config|resetstat\" [\"calls\" :1 \"histogram_usec\" [* :1]]]
        > CONFIG RESETSTAT                          < +OK
        > CONFIG SET latency-tracking-info-percentiles x    < -ERR CONFIG SET failed (possibly related to argument 'latency-tracking-info-percentiles') - Invalid latency-tracking-info-percentiles parameters
        > CONFIG SET latency-tracking-info-percentiles 101  < -ERR CONFIG SET failed (possibly related to argument 'latency-tracking-info-percentiles') - latency-tracking-info-percentiles parameters should sit between [0.0,100.0]
        > CONFIG SET latency-tracking-info-percentiles \"50 99.9\"  < +OK
        > GET k                                     < \"v\"
        > INFO latencystats                         < =~\"# Latencystats*_get:p50=*\"
        > CONFIG SET latency-tracking-info-percentiles \"50 99 99.9\"  < +OK
        > CONFIG RESETSTAT                          < +OK
    ",
    );
}

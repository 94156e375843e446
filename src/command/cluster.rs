//! Cluster commands: what a client of a cluster asks of a node, answered by the one node of the emulated cluster.
//!
//! The node serves all slots, at the address that the client has connected to; a port forwarded from elsewhere is named
//! by `cluster-announce-ip` and `cluster-announce-port`. What would change the cluster is refused. Without
//! `cluster-enabled` everything here is refused, as Redis does.

use super::args::{Args, parse_int};
use super::error::CommandError;
use super::table::{Command, Flag, Flag::*, Group, Keys, Run, container, row};
use super::unfit;
use crate::engine::{Reach, SLOTS, Session, slot_of};
use crate::reply::{Protocol, Sink};

/// The rows.
pub const COMMANDS: &[Command] = &[
    container("CLUSTER", SUBCOMMANDS).of(Group::Cluster, "3.0.0").doc(
        "",
        "A container for Redis Cluster commands.",
        "Depends on subcommand.",
    ),
    row("READONLY", 1, &[Loading, Stale, Fast], Keys::None, Run::Session(agree))
        .of(Group::Cluster, "3.0.0")
        .doc("", "Enables read-only queries for a connection to a Redis Cluster replica node.", "O(1)"),
    row("READWRITE", 1, &[Loading, Stale, Fast], Keys::None, Run::Session(agree))
        .of(Group::Cluster, "3.0.0")
        .doc("", "Enables read-write queries for a connection to a Redis Cluster replica node.", "O(1)"),
    row("ASKING", 1, &[Fast], Keys::None, Run::Session(agree)).of(Group::Cluster, "3.0.0").doc(
        "",
        "Signals that a cluster client is following an -ASK redirect.",
        "O(1)",
    ),
];

/// Flags of what would change the cluster.
const CHANGES: &[Flag] = &[Admin, Stale, NoAsyncLoading];

const SUBCOMMANDS: &[Command] = &[
    sub("ADDSLOTS", -3, CHANGES, addslots, "3.0.0").doc(
        "slot [slot ...]",
        "Assigns new hash slots to a node.",
        "O(N) where N is the total number of hash slot arguments",
    ),
    sub("ADDSLOTSRANGE", -4, CHANGES, addslotsrange, "7.0.0").doc(
        "start-slot end-slot [start-slot end-slot ...]",
        "Assigns new hash slot ranges to a node.",
        RANGES,
    ),
    sub("BUMPEPOCH", 2, CHANGES, refuse, "3.0.0").doc("", "Advances the cluster config epoch.", "O(1)"),
    sub("COUNT-FAILURE-REPORTS", 3, &[Admin, Stale], count_failure_reports, "3.0.0").doc(
        "node-id",
        "Returns the number of active failure reports active for a node.",
        "O(N) where N is the number of failure reports",
    ),
    sub("COUNTKEYSINSLOT", 3, &[Stale], countkeysinslot, "3.0.0").doc(
        "slot",
        "Returns the number of keys in a hash slot.",
        "O(1)",
    ),
    sub("DELSLOTS", -3, CHANGES, refuse, "3.0.0").doc(
        "slot [slot ...]",
        "Sets hash slots as unbound for a node.",
        "O(N) where N is the total number of hash slot arguments",
    ),
    sub("DELSLOTSRANGE", -4, CHANGES, refuse, "7.0.0").doc(
        "start-slot end-slot [start-slot end-slot ...]",
        "Sets hash slot ranges as unbound for a node.",
        RANGES,
    ),
    sub("FAILOVER", -2, CHANGES, failover, "3.0.0").doc(
        "[FORCE | TAKEOVER]",
        "Forces a replica to perform a manual failover of its master.",
        "O(1)",
    ),
    sub("FLUSHSLOTS", 2, CHANGES, refuse, "3.0.0").doc(
        "",
        "Deletes all slots information from a node.",
        "O(1)",
    ),
    sub("FORGET", 3, CHANGES, forget, "3.0.0").doc("node-id", "Removes a node from the nodes table.", "O(1)"),
    sub("GETKEYSINSLOT", 4, &[Stale], getkeysinslot, "3.0.0").doc(
        "slot count",
        "Returns the key names in a hash slot.",
        "O(N) where N is the number of requested keys",
    ),
    sub("HELP", 2, &[Loading, Stale], help, "5.0.0").doc(
        "",
        "Returns helpful text about the different subcommands.",
        "O(1)",
    ),
    sub("INFO", 2, &[Stale], info, "3.0.0").doc("", "Returns information about the state of a node.", "O(1)"),
    sub("KEYSLOT", 3, &[Stale], keyslot, "3.0.0").doc(
        "key",
        "Returns the hash slot for a key.",
        "O(N) where N is the number of bytes in the key",
    ),
    sub("LINKS", 2, &[Stale], links, "7.0.0").doc(
        "",
        "Returns a list of all TCP links to and from peer nodes.",
        NODES,
    ),
    sub("MEET", -4, CHANGES, refuse, "3.0.0").doc(
        "ip port [cluster-bus-port]",
        "Forces a node to handshake with another node.",
        "O(1)",
    ),
    sub("MYID", 2, &[Stale], myid, "3.0.0").doc("", "Returns the ID of a node.", "O(1)"),
    sub("MYSHARDID", 2, &[Loading, Stale], myshardid, "7.2.0").doc(
        "",
        "Returns the shard ID of a node.",
        "O(1)",
    ),
    sub("NODES", 2, &[Stale], nodes, "3.0.0").doc("", "Returns the cluster configuration for a node.", NODES),
    sub("REPLICAS", 3, &[Admin, Stale], replicas, "5.0.0").doc(
        "node-id",
        "Lists the replica nodes of a master node.",
        "O(N) where N is the number of replicas.",
    ),
    sub("REPLICATE", 3, CHANGES, replicate, "3.0.0").doc(
        "node-id",
        "Configure a node as replica of a master node.",
        "O(1)",
    ),
    sub("RESET", -2, &[Admin, Stale, NoScript], refuse, "3.0.0").doc(
        "[HARD | SOFT]",
        "Resets a node.",
        "O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side effect.",
    ),
    sub("SAVECONFIG", 2, CHANGES, saveconfig, "3.0.0").doc(
        "",
        "Forces a node to save the cluster configuration to disk.",
        "O(1)",
    ),
    sub("SET-CONFIG-EPOCH", 3, CHANGES, refuse, "3.0.0").doc(
        "config-epoch",
        "Sets the configuration epoch for a new node.",
        "O(1)",
    ),
    sub("SETSLOT", -4, CHANGES, refuse, "3.0.0").doc(
        "slot <IMPORTING node-id | MIGRATING node-id | NODE node-id | STABLE>",
        "Binds a hash slot to a node.",
        "O(1)",
    ),
    sub("SHARDS", 2, &[Stale], shards, "7.0.0").doc(
        "",
        "Returns the mapping of cluster slots to shards.",
        "O(N) where N is the total number of cluster nodes",
    ),
    sub("SLAVES", 3, &[Admin, Stale], replicas, "3.0.0").doc(
        "node-id",
        "Lists the replica nodes of a master node.",
        "O(N) where N is the number of replicas.",
    ),
    sub("SLOTS", 2, &[Stale], slots, "3.0.0").doc(
        "",
        "Returns the mapping of cluster slots to nodes.",
        NODES,
    ),
];

const NODES: &str = "O(N) where N is the total number of Cluster nodes";
const RANGES: &str =
    "O(N) where N is the total number of the slots between the start slot and end slot arguments.";

type Handler = fn(&mut Session, &mut Reach<'_, '_>, &mut Args<'_>, &mut dyn Sink) -> Result<(), CommandError>;

const fn sub(name: &'static str, arity: i32, flags: &[Flag], run: Handler, since: &'static str) -> Command {
    row(name, arity, flags, Keys::None, Run::Session(run)).of(Group::Cluster, since)
}

/// Refuses everything where no cluster is emulated.
fn check(engine: &Reach<'_, '_>) -> Result<(), CommandError> {
    if engine.cluster().is_on() { Ok(()) } else { Err(CommandError::ClusterDisabled) }
}

/// What only concerns replicas and slots on the move: there are none, so nothing changes. O(1).
///
/// Reference: <https://valkey.io/commands/readonly/>, <https://valkey.io/commands/readwrite/>,
/// <https://valkey.io/commands/asking/>
fn agree(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    out.ok();
    Ok(())
}

/// Refuses what would change the cluster.
fn refuse(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    _: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    let name = args.argv().get(1).copied().unwrap_or_default();
    let name = String::from_utf8_lossy(name).to_uppercase();
    Err(format!("ERR CLUSTER {name} is not supported: this is an emulated cluster of one node").into())
}

/// Where the node says it is.
struct Place {
    ip: String,
    port: u16,
    is_tls: bool,
}

/// Where a client finds the node: where it has found it already, unless settings say otherwise.
fn place(session: &Session, engine: &Reach<'_, '_>) -> Place {
    let settings = engine.settings();
    let peer = &session.client.peer;
    let (ip, port) = match peer.laddr.rsplit_once(':') {
        Some((ip, port)) if !peer.unix => {
            let ip = ip.trim_start_matches('[').trim_end_matches(']');
            (ip.to_owned(), port.parse().unwrap_or(settings.port()))
        }
        _ => (String::new(), settings.port()),
    };
    let is_tls = port != 0 && port == settings.tls_port();
    let announced_port =
        if is_tls { settings.cluster_announce_tls_port() } else { settings.cluster_announce_port() };
    let announced_ip = settings.cluster_announce_ip();
    Place {
        ip: if announced_ip.is_empty() { ip } else { announced_ip.to_string() },
        port: if announced_port == 0 { port } else { announced_port },
        is_tls,
    }
}

/// Errors: `Unknown node` where an argument does not name this one.
fn take_own_id(engine: &Reach<'_, '_>, args: &mut Args<'_>) -> Result<(), CommandError> {
    let id = args.required()?;
    if id == engine.cluster().node_id().as_bytes() {
        return Ok(());
    }
    Err(format!("ERR Unknown node {}", String::from_utf8_lossy(id)).into())
}

/// A slot in a list of slots.
fn take_slot(args: &mut Args<'_>) -> Result<i64, CommandError> {
    parse_int(args.required()?)
        .filter(|slot| (0..i64::from(SLOTS)).contains(slot))
        .ok_or(CommandError::text("ERR Invalid or out of range slot"))
}

fn busy(slot: i64) -> CommandError {
    format!("ERR Slot {slot} is already busy").into()
}

/// Errors: always, as all slots are assigned. Reference: <https://valkey.io/commands/cluster-addslots/>
fn addslots(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    _: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    let first = take_slot(args)?;
    while args.left() > 0 {
        take_slot(args)?;
    }
    Err(busy(first))
}

/// Errors: always, as all slots are assigned. Reference: <https://valkey.io/commands/cluster-addslotsrange/>
fn addslotsrange(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    _: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    if args.left() % 2 == 1 {
        return Err(CommandError::WrongArity("cluster|addslotsrange"));
    }
    let mut first = None;
    while args.left() > 0 {
        let (start, end) = (take_slot(args)?, take_slot(args)?);
        if start > end {
            return Err(format!("ERR start slot number {start} is greater than end slot number {end}").into());
        }
        first = first.or(Some(start));
    }
    Err(first.map_or(CommandError::Syntax, busy))
}

/// Replies 0: nobody is there to report a failure. Errors: another node's name. O(1).
///
/// Reference: <https://valkey.io/commands/cluster-count-failure-reports/>
fn count_failure_reports(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    take_own_id(engine, args)?;
    out.int(0);
    Ok(())
}

/// Replies with the number of keys in a slot. All keys are looked at: O(keys), where Redis keeps a list by slot. Errors:
/// a number that is no slot.
///
/// Reference: <https://valkey.io/commands/cluster-countkeysinslot/>
fn countkeysinslot(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    let slot = u16::try_from(args.int()?).ok().filter(|&slot| slot < SLOTS);
    let slot = slot.ok_or(CommandError::text("ERR Invalid slot"))?;
    let mut count = 0;
    each_key_in(engine, slot, |_| {
        count += 1;
        true
    });
    out.int(count);
    Ok(())
}

/// Shows `visit` the keys of a slot until it has seen enough.
fn each_key_in(engine: &mut Reach<'_, '_>, slot: u16, mut visit: impl FnMut(&[u8]) -> bool) {
    engine.with_all(0, |entered| {
        let mut more = true;
        for mut keys in entered.keyspaces() {
            if !more {
                break;
            }
            keys.for_each(|key, _| {
                if more && slot_of(key) == slot {
                    more = visit(key);
                }
            });
        }
    });
}

/// Errors: this is no replica. Reference: <https://valkey.io/commands/cluster-failover/>
fn failover(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    _: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    if args.left() > 1 {
        return Err(unfit(args));
    }
    if args.left() == 1 && !args.eat("FORCE") && !args.eat("TAKEOVER") {
        return Err(CommandError::Syntax);
    }
    Err(CommandError::text("ERR You should send CLUSTER FAILOVER to a replica"))
}

/// Errors: always; the only node is this one. Reference: <https://valkey.io/commands/cluster-forget/>
fn forget(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    _: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    take_own_id(engine, args)?;
    Err(CommandError::text("ERR I tried hard but I can't forget myself..."))
}

/// Replies with so many keys of a slot at most. O(keys), as COUNTKEYSINSLOT. Errors: a number that is no slot, a negative
/// count.
///
/// Reference: <https://valkey.io/commands/cluster-getkeysinslot/>
fn getkeysinslot(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    let (slot, count) = (args.int()?, args.int()?);
    let slot = u16::try_from(slot).ok().filter(|&slot| slot < SLOTS);
    let (Some(slot), Ok(count)) = (slot, usize::try_from(count)) else {
        return Err(CommandError::text("ERR Invalid slot or number of keys"));
    };
    let mut found: Vec<Vec<u8>> = Vec::new();
    if count > 0 {
        each_key_in(engine, slot, |key| {
            found.push(key.to_vec());
            found.len() < count
        });
    }
    out.array(found.len());
    found.iter().for_each(|key| out.bulk(key));
    Ok(())
}

/// Replies with the state of the cluster, in lines. O(1).
///
/// Reference: <https://valkey.io/commands/cluster-info/>
fn info(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    out.verbatim(
        "txt",
        b"cluster_state:ok\r\n\
          cluster_slots_assigned:16384\r\n\
          cluster_slots_ok:16384\r\n\
          cluster_slots_pfail:0\r\n\
          cluster_slots_fail:0\r\n\
          cluster_known_nodes:1\r\n\
          cluster_size:1\r\n\
          cluster_current_epoch:0\r\n\
          cluster_my_epoch:0\r\n\
          cluster_stats_messages_sent:0\r\n\
          cluster_stats_messages_received:0\r\n\
          total_cluster_links_buffer_limit_exceeded:0\r\n",
    );
    Ok(())
}

/// Replies with the slot of a key. O(length).
///
/// Reference: <https://valkey.io/commands/cluster-keyslot/>
fn keyslot(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    out.int(i64::from(slot_of(args.required()?)));
    Ok(())
}

/// Replies with no link: there is nobody to have one to. O(1).
///
/// Reference: <https://valkey.io/commands/cluster-links/>
fn links(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    out.array(0);
    Ok(())
}

/// Replies with the node's name, which is drawn at start. O(1).
///
/// Reference: <https://valkey.io/commands/cluster-myid/>
fn myid(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    out.bulk(engine.cluster().node_id().as_bytes());
    Ok(())
}

/// Replies with the name of the node's shard. O(1).
///
/// Reference: <https://valkey.io/commands/cluster-myshardid/>
fn myshardid(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    out.bulk(engine.cluster().shard_id().as_bytes());
    Ok(())
}

/// Replies with the one line of the node. The port of the bus is the one that Redis would have; nobody listens there.
///
/// Reference: <https://valkey.io/commands/cluster-nodes/>
fn nodes(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    let Place { ip, port, .. } = place(session, engine);
    let (id, bus) = (engine.cluster().node_id(), u32::from(port) + 10000);
    let line = format!("{id} {ip}:{port}@{bus} myself,master - 0 0 0 connected 0-{}\n", SLOTS - 1);
    out.verbatim("txt", line.as_bytes());
    Ok(())
}

/// Replies with the replicas of the node: none. Errors: another node's name. O(1).
///
/// Reference: <https://valkey.io/commands/cluster-replicas/>, <https://valkey.io/commands/cluster-slaves/>
fn replicas(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    take_own_id(engine, args)?;
    out.array(0);
    Ok(())
}

/// Errors: always; the only node is this one. Reference: <https://valkey.io/commands/cluster-replicate/>
fn replicate(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    _: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    take_own_id(engine, args)?;
    Err(CommandError::text("ERR Can't replicate myself"))
}

/// Replies `OK`: there is nothing to be saved. O(1).
///
/// Reference: <https://valkey.io/commands/cluster-saveconfig/>
fn saveconfig(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    out.ok();
    Ok(())
}

/// Replies with the one shard: its slots and its node. O(1).
///
/// Reference: <https://valkey.io/commands/cluster-shards/>
fn shards(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    let Place { ip, port, is_tls } = place(session, engine);
    out.array(1);
    out.map(2);
    out.bulk(b"slots");
    out.array(2);
    out.int(0);
    out.int(i64::from(SLOTS - 1));
    out.bulk(b"nodes");
    out.array(1);
    out.map(7);
    out.bulk(b"id");
    out.bulk(engine.cluster().node_id().as_bytes());
    out.bulk(if is_tls { b"tls-port".as_slice() } else { b"port" });
    out.int(i64::from(port));
    for (name, text) in [("ip", ip.as_str()), ("endpoint", ip.as_str()), ("role", "master")] {
        out.bulk(name.as_bytes());
        out.bulk(text.as_bytes());
    }
    out.bulk(b"replication-offset");
    out.int(0);
    out.bulk(b"health");
    out.bulk(b"online");
    Ok(())
}

/// Replies with the one range of slots and the node that serves it. O(1).
///
/// Reference: <https://valkey.io/commands/cluster-slots/>
fn slots(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    let Place { ip, port, .. } = place(session, engine);
    out.array(1);
    out.array(3);
    out.int(0);
    out.int(i64::from(SLOTS - 1));
    out.array(4);
    out.bulk(ip.as_bytes());
    out.int(i64::from(port));
    out.bulk(engine.cluster().node_id().as_bytes());
    // Other addresses of the node, by kind.
    match session.protocol {
        Protocol::Resp3 => out.map(0),
        Protocol::Resp2 => out.array(0),
    }
    Ok(())
}

/// Replies with what the subcommands of CLUSTER are.
///
/// Reference: <https://valkey.io/commands/cluster-help/>
fn help(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    check(engine)?;
    super::write_help(
        out,
        "CLUSTER",
        &[
            "ADDSLOTS <slot> [<slot> ...]",
            "    Assign slots to current node.",
            "ADDSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
            "    Assign slots which are between <start-slot> and <end-slot> to current node.",
            "BUMPEPOCH",
            "    Advance the cluster config epoch.",
            "COUNT-FAILURE-REPORTS <node-id>",
            "    Return number of failure reports for <node-id>.",
            "COUNTKEYSINSLOT <slot>",
            "    Return the number of keys in <slot>.",
            "DELSLOTS <slot> [<slot> ...]",
            "    Delete slots information from current node.",
            "DELSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
            "    Delete slots information which are between <start-slot> and <end-slot> from current node.",
            "FAILOVER [FORCE|TAKEOVER]",
            "    Promote current replica node to being a master.",
            "FORGET <node-id>",
            "    Remove a node from the cluster.",
            "GETKEYSINSLOT <slot> <count>",
            "    Return key names stored by current node in a slot.",
            "FLUSHSLOTS",
            "    Delete current node own slots information.",
            "INFO",
            "    Return information about the cluster.",
            "KEYSLOT <key>",
            "    Return the hash slot for <key>.",
            "MEET <ip> <port> [<bus-port>]",
            "    Connect nodes into a working cluster.",
            "MYID",
            "    Return the node id.",
            "MYSHARDID",
            "    Return the node's shard id.",
            "NODES",
            "    Return cluster configuration seen by node. Output format:",
            "    <id> <ip:port> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...",
            "REPLICATE <node-id>",
            "    Configure current node as replica to <node-id>.",
            "RESET [HARD|SOFT]",
            "    Reset current node (default: soft).",
            "SET-CONFIG-EPOCH <epoch>",
            "    Set config epoch of current node.",
            "SETSLOT <slot> (IMPORTING <node-id>|MIGRATING <node-id>|STABLE|NODE <node-id>)",
            "    Set slot state.",
            "REPLICAS <node-id>",
            "    Return <node-id> replicas.",
            "SAVECONFIG",
            "    Force saving cluster configuration on disk.",
            "SLOTS",
            "    Return information about slots range mappings. Each range is made of:",
            "    start, end, master and replicas IP addresses, ports and ids",
            "SHARDS",
            "    Return information about slot range mappings and the nodes associated with them.",
            "LINKS",
            "    Return information about all network links between this node and its peers.",
            "    Output format is an array where each array element is a map containing attributes of a link",
        ],
    );
    Ok(())
}

//! Pub/Sub commands: listening to channels, and publishing on them.
//!
//! What SUBSCRIBE and its kin answer are push messages, one for each channel: they are sent even to a client that has
//! turned replies off.

use super::args::Args;
use super::error::CommandError;
use super::table::{Command, Flag, Flag::*, Group, Keys, Run, container, row};
use super::write_help;
use crate::engine::{Reach, Scope, Session, World};
use crate::reply::Sink;

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    row("SUBSCRIBE", -2, LISTENS, Keys::None, Run::Session(subscribe)).of(Group::PubSub, "2.0.0").doc(
        "channel [channel ...]",
        "Listens for messages published to channels.",
        "O(N) where N is the number of channels to subscribe to.",
    ),
    row("UNSUBSCRIBE", -1, LISTENS, Keys::None, Run::Session(unsubscribe)).of(Group::PubSub, "2.0.0").doc(
        "[channel [channel ...]]",
        "Stops listening to messages posted to channels.",
        "O(N) where N is the number of channels to unsubscribe.",
    ),
    row("PSUBSCRIBE", -2, LISTENS, Keys::None, Run::Session(psubscribe)).of(Group::PubSub, "2.0.0").doc(
        "pattern [pattern ...]",
        "Listens for messages published to channels that match one or more patterns.",
        "O(N) where N is the number of patterns to subscribe to.",
    ),
    row("PUNSUBSCRIBE", -1, LISTENS, Keys::None, Run::Session(punsubscribe)).of(Group::PubSub, "2.0.0").doc(
        "[pattern [pattern ...]]",
        "Stops listening to messages published to channels that match one or more patterns.",
        "O(N) where N is the number of patterns to unsubscribe.",
    ),
    row("SSUBSCRIBE", -2, LISTENS, Keys::REST, Run::Session(ssubscribe)).of(Group::PubSub, "7.0.0").doc(
        "shardchannel [shardchannel ...]",
        "Listens for messages published to shard channels.",
        "O(N) where N is the number of shard channels to subscribe to.",
    ),
    row("SUNSUBSCRIBE", -1, LISTENS, Keys::REST, Run::Session(sunsubscribe)).of(Group::PubSub, "7.0.0").doc(
        "[shardchannel [shardchannel ...]]",
        "Stops listening to messages posted to shard channels.",
        "O(N) where N is the number of shard channels to unsubscribe.",
    ),
    row("PUBLISH", 3, PUBLISHES, Keys::None, Run::Session(publish)).of(Group::PubSub, "2.0.0").doc(
        "channel message",
        "Posts a message to a channel.",
        "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of \
         subscribed patterns (by any client).",
    ),
    row("SPUBLISH", 3, PUBLISHES, Keys::FIRST, Run::Session(spublish)).of(Group::PubSub, "7.0.0").doc(
        "shardchannel message",
        "Posts a message to a shard channel.",
        "O(N) where N is the number of clients subscribed to the receiving shard channel.",
    ),
    container("PUBSUB", SUBCOMMANDS).of(Group::PubSub, "2.8.0").doc(
        "",
        "A container for Pub/Sub commands.",
        "Depends on subcommand.",
    ),
];

const LISTENS: &[Flag] = &[PubSub, NoScript, Loading, Stale, Listening];
const PUBLISHES: &[Flag] = &[PubSub, Loading, Stale, Fast, MayReplicate];

const SUBCOMMANDS: &[Command] = &[
    row("CHANNELS", -2, &[PubSub, Loading, Stale], Keys::None, Run::Session(channels))
        .of(Group::PubSub, "2.8.0")
        .doc(
            "[pattern]",
            "Returns the active channels.",
            "O(N) where N is the number of active channels, and assuming constant time pattern matching \
             (relatively short channels and patterns)",
        ),
    row("HELP", 2, &[Loading, Stale], Keys::None, Run::Session(help)).of(Group::PubSub, "6.2.0").doc(
        "",
        "Returns helpful text about the different subcommands.",
        "O(1)",
    ),
    row("NUMPAT", 2, &[PubSub, Loading, Stale], Keys::None, Run::Session(numpat))
        .of(Group::PubSub, "2.8.0")
        .doc("", "Returns a count of unique pattern subscriptions.", "O(1)"),
    row("NUMSUB", -2, &[PubSub, Loading, Stale], Keys::None, Run::Session(numsub))
        .of(Group::PubSub, "2.8.0")
        .doc(
            "[channel [channel ...]]",
            "Returns a count of subscribers to channels.",
            "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
        ),
    row("SHARDCHANNELS", -2, &[PubSub, Loading, Stale], Keys::None, Run::Session(shardchannels))
        .of(Group::PubSub, "7.0.0")
        .doc(
            "[pattern]",
            "Returns the active shard channels.",
            "O(N) where N is the number of active shard channels, and assuming constant time pattern matching \
             (relatively short shard channels).",
        ),
    row("SHARDNUMSUB", -2, &[PubSub, Loading, Stale], Keys::None, Run::Session(shardnumsub))
        .of(Group::PubSub, "7.0.0")
        .doc(
            "[shardchannel [shardchannel ...]]",
            "Returns the count of subscribers of shard channels.",
            "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
        ),
];

/// Listens to channels: for each, a push message says so and how much the client subscribes to then. O(channels).
///
/// Reference: <https://valkey.io/commands/subscribe/>
fn subscribe(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    listen(session, engine, args, out, (Scope::Channel, b"subscribe"));
    Ok(())
}

/// Stops listening to channels, or to all of them. O(channels).
///
/// Reference: <https://valkey.io/commands/unsubscribe/>
fn unsubscribe(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    stop(session, engine, args, out, (Scope::Channel, b"unsubscribe"));
    Ok(())
}

/// Listens to all channels that a pattern takes in. O(patterns).
///
/// Reference: <https://valkey.io/commands/psubscribe/>
fn psubscribe(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    listen(session, engine, args, out, (Scope::Pattern, b"psubscribe"));
    Ok(())
}

/// Stops listening to patterns, or to all of them. O(patterns).
///
/// Reference: <https://valkey.io/commands/punsubscribe/>
fn punsubscribe(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    stop(session, engine, args, out, (Scope::Pattern, b"punsubscribe"));
    Ok(())
}

/// Listens to shard channels, which have nothing to do with channels of the same names. O(channels).
///
/// Reference: <https://valkey.io/commands/ssubscribe/>
fn ssubscribe(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    listen(session, engine, args, out, (Scope::Shard, b"ssubscribe"));
    Ok(())
}

/// Stops listening to shard channels, or to all of them. O(channels).
///
/// Reference: <https://valkey.io/commands/sunsubscribe/>
fn sunsubscribe(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    stop(session, engine, args, out, (Scope::Shard, b"sunsubscribe"));
    Ok(())
}

fn listen(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
    (scope, word): (Scope, &[u8]),
) {
    engine.post_notices();
    for name in args.rest() {
        let count = engine.subscribe(session, scope, name);
        write_change(out, word, Some(name), count);
    }
}

fn stop(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
    (scope, word): (Scope, &[u8]),
) {
    engine.post_notices();
    let names = args.rest();
    if names.is_empty() {
        let names = engine.subscriptions(&session.client, scope);
        for name in &names {
            let count = engine.unsubscribe(session, scope, name);
            write_change(out, word, Some(name), count);
        }
        if names.is_empty() {
            write_change(out, word, None, engine.subscriptions_counted(&session.client, scope));
        }
    } else {
        for name in names {
            let count = engine.unsubscribe(session, scope, name);
            write_change(out, word, Some(name), count);
        }
    }
    // Nothing of what the client does not listen to any more may come behind the word that says so.
    session.pushes_first = !engine.is_inside();
}

fn write_change(out: &mut dyn Sink, word: &[u8], name: Option<&[u8]>, count: usize) {
    out.push(3);
    out.bulk(word);
    match name {
        Some(name) => out.bulk(name),
        None => out.null(),
    }
    out.int(count as i64);
}

/// Publishes a message; replies with how many get it. O(receivers + patterns).
///
/// In process: `Damselfly::publish`. Reference: <https://valkey.io/commands/publish/>
fn publish(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let receivers = engine.publish(World::Channels, args.required()?, args.required()?);
    out.int(receivers as i64);
    Ok(())
}

/// Publishes a message on a shard channel; replies with how many get it. O(receivers).
///
/// In process: `Damselfly::spublish`. Reference: <https://valkey.io/commands/spublish/>
fn spublish(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let receivers = engine.publish(World::Shard, args.required()?, args.required()?);
    out.int(receivers as i64);
    Ok(())
}

/// Replies with the channels that have subscribers, or with those that a pattern takes in. O(channels).
///
/// Reference: <https://valkey.io/commands/pubsub-channels/>
fn channels(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    write_channels(World::Channels, engine, args, out)
}

/// Replies with the shard channels that have subscribers, or with those that a pattern takes in. O(channels).
///
/// Reference: <https://valkey.io/commands/pubsub-shardchannels/>
fn shardchannels(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    write_channels(World::Shard, engine, args, out)
}

fn write_channels(
    world: World,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let pattern = args.try_next();
    if args.left() > 0 {
        let subcommand = String::from_utf8_lossy(args.argv().get(1).copied().unwrap_or_default());
        return Err(format!(
            "ERR unknown subcommand or wrong number of arguments for '{subcommand}'. Try PUBSUB HELP."
        )
        .into());
    }
    let channels = engine.channels(world, pattern);
    out.array(channels.len());
    channels.iter().for_each(|channel| out.bulk(channel));
    Ok(())
}

/// Replies with the number of patterns that have subscribers. O(1).
///
/// Reference: <https://valkey.io/commands/pubsub-numpat/>
fn numpat(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.int(engine.patterns_len() as i64);
    Ok(())
}

/// Replies with channels and how many subscribe to each, patterns aside. O(channels).
///
/// Reference: <https://valkey.io/commands/pubsub-numsub/>
fn numsub(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    write_subscribers(World::Channels, engine, args, out);
    Ok(())
}

/// Replies with shard channels and how many subscribe to each. O(channels).
///
/// Reference: <https://valkey.io/commands/pubsub-shardnumsub/>
fn shardnumsub(
    _: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    write_subscribers(World::Shard, engine, args, out);
    Ok(())
}

fn write_subscribers(world: World, engine: &mut Reach<'_, '_>, args: &mut Args<'_>, out: &mut dyn Sink) {
    let channels = args.rest();
    out.array(channels.len() * 2);
    for channel in channels {
        out.bulk(channel);
        out.int(engine.subscribers_len(world, channel) as i64);
    }
}

/// Replies with a line or two for each subcommand. O(1).
///
/// Reference: <https://valkey.io/commands/pubsub-help/>
fn help(
    _: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    write_help(
        out,
        "PUBSUB",
        &[
            "CHANNELS [<pattern>]",
            "    Return the currently active channels matching a <pattern> (default: '*').",
            "NUMPAT",
            "    Return number of subscriptions to patterns.",
            "NUMSUB [<channel> ...]",
            "    Return the number of subscribers for the specified channels, excluding",
            "    pattern subscriptions(default: no channels).",
            "SHARDCHANNELS [<pattern>]",
            "    Return the currently active shard level channels matching a <pattern> (default: '*').",
            "SHARDNUMSUB [<shardchannel> ...]",
            "    Return the number of subscribers for the specified shard level channel(s)",
        ],
    );
    Ok(())
}

//! `CLIENT TRACKING` and what belongs to it: clients that are told when keys change which they have in a cache.

use crate::command::args::{Args, parse_int};
use crate::command::error::CommandError;
use crate::engine::{Mode, Reach, Session, TrackingOptions};
use crate::reply::Sink;

/// Has the client told of changes of the keys that it reads from here on, or of all keys with certain prefixes; or ends
/// that. Errors: options that contradict each other, or the mode that it is in; no such client to redirect to.
/// O(prefixes + shards).
///
/// Reference: <https://valkey.io/commands/client-tracking/>
pub(super) fn tracking(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let switch = args.required()?;
    let mut options = TrackingOptions::default();
    while let Some(option) = args.try_next() {
        let is = |word: &str| option.eq_ignore_ascii_case(word.as_bytes());
        if is("redirect") && args.left() > 0 {
            let id = args.required()?;
            if options.redirect != 0 {
                return Err(CommandError::text("ERR A client can only redirect to a single other client"));
            }
            let id = parse_int(id).ok_or(CommandError::NotAnInteger)?;
            let client = u64::try_from(id).ok().and_then(|id| engine.client(id));
            let client =
                client.ok_or(CommandError::text("ERR The client ID you want redirect to does not exist"))?;
            options.redirect = client.id;
        } else if is("bcast") {
            options.mode |= Mode::BCAST;
        } else if is("optin") {
            options.mode |= Mode::OPTIN;
        } else if is("optout") {
            options.mode |= Mode::OPTOUT;
        } else if is("noloop") {
            options.mode |= Mode::NOLOOP;
        } else if is("prefix") && args.left() > 0 {
            options.prefixes.push(args.required()?);
        } else {
            return Err(CommandError::Syntax);
        }
    }
    if switch.eq_ignore_ascii_case(b"on") {
        engine.track(session, options)?;
    } else if switch.eq_ignore_ascii_case(b"off") {
        engine.untrack(session);
    } else {
        return Err(CommandError::Syntax);
    }
    out.ok();
    Ok(())
}

/// Makes an exception for the next command: in the mode `OPTIN` its keys are tracked, in `OPTOUT` they are not. Errors:
/// another mode. O(1).
///
/// Reference: <https://valkey.io/commands/client-caching/>
pub(super) fn caching(
    session: &mut Session,
    _: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    if !session.tracking_mode().is_on() {
        return Err(CommandError::text(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode \
             enabled",
        ));
    }
    let yes = if args.eat("YES") {
        true
    } else if args.eat("NO") {
        false
    } else {
        return Err(CommandError::Syntax);
    };
    session.cache_next(yes)?;
    out.ok();
    Ok(())
}

/// Replies with the number of the client that is told instead of this one, 0 for none, and -1 where no keys are tracked.
/// O(1).
///
/// Reference: <https://valkey.io/commands/client-getredir/>
pub(super) fn getredir(
    session: &mut Session,
    _: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    out.int(redirect(session));
    Ok(())
}

fn redirect(session: &Session) -> i64 {
    match session.tracking_mode().is_on() {
        true => session.client.tracking_redirect() as i64,
        false => -1,
    }
}

/// Replies with how the client tracks keys: flags, whom it redirects to, prefixes. O(prefixes).
///
/// Reference: <https://valkey.io/commands/client-trackinginfo/>
pub(super) fn trackinginfo(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let mode = session.tracking_mode();
    let caching = session.is_caching();
    let flags: Vec<&str> = [
        ("off", !mode.is_on()),
        ("on", mode.is_on()),
        ("bcast", mode.has(Mode::BCAST)),
        ("optin", mode.has(Mode::OPTIN)),
        ("caching-yes", mode.has(Mode::OPTIN) && caching),
        ("optout", mode.has(Mode::OPTOUT)),
        ("caching-no", mode.has(Mode::OPTOUT) && caching),
        ("noloop", mode.has(Mode::NOLOOP)),
        ("broken_redirect", mode.has(Mode::BROKEN)),
    ]
    .into_iter()
    .filter_map(|(flag, is)| is.then_some(flag))
    .collect();
    out.map(3);
    out.bulk(b"flags");
    out.set(flags.len());
    flags.iter().for_each(|flag| out.bulk(flag.as_bytes()));
    out.bulk(b"redirect");
    out.int(redirect(session));
    out.bulk(b"prefixes");
    let prefixes = engine.prefixes_of(&session.client);
    out.array(prefixes.len());
    prefixes.iter().for_each(|prefix| out.bulk(prefix));
    Ok(())
}

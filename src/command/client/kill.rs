//! `CLIENT KILL`: closing connections.

use super::Kind;
use super::list::seconds_between;
use crate::command::args::{Args, parse_int};
use crate::command::error::CommandError;
use crate::engine::{Client, Engine, Reach, Session};
use crate::reply::Sink;

/// Closes the connection from an address, or all that the filters let through, and replies with their number. A
/// client that closes itself gets the reply first. Errors: no such client (old form), unknown options and values.
/// O(clients).
///
/// Reference: <https://valkey.io/commands/client-kill/>
pub(super) fn kill(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let old_form = args.left() == 1;
    let filter = if old_form {
        // The old form may hit the caller as well.
        Filter { addr: Some(args.required()?), skip_me: false, ..Filter::default() }
    } else {
        Filter::parse(args, engine)?
    };
    let now_ms = engine.clock().now_ms();
    let mut killed = 0;
    for client in engine.clients() {
        let myself = client.id == session.client.id;
        if myself && filter.skip_me || !filter.takes(&client, now_ms) {
            continue;
        }
        killed += 1;
        if myself {
            session.closing = true;
        } else {
            engine.kill(&client);
        }
    }
    match (old_form, killed) {
        (true, 0) => return Err(CommandError::text("ERR No such client")),
        (true, _) => out.ok(),
        (false, killed) => out.int(killed),
    }
    Ok(())
}

/// Which clients are meant: those that fit everything that is given.
#[derive(Debug)]
struct Filter<'a> {
    id: Option<u64>,
    kind: Option<Kind>,
    addr: Option<&'a [u8]>,
    laddr: Option<&'a [u8]>,
    user: Option<&'a [u8]>,
    /// In seconds, and the least age that fits.
    max_age: Option<u64>,
    skip_me: bool,
}

impl Default for Filter<'_> {
    fn default() -> Self {
        Self { id: None, kind: None, addr: None, laddr: None, user: None, max_age: None, skip_me: true }
    }
}

impl<'a> Filter<'a> {
    fn parse(args: &mut Args<'a>, engine: &Engine) -> Result<Self, CommandError> {
        let mut filter = Filter::default();
        while let Some(option) = args.try_next() {
            let is = |word: &str| option.eq_ignore_ascii_case(word.as_bytes());
            let value = args.required()?;
            if is("ID") {
                let id = parse_int(value).and_then(|id| u64::try_from(id).ok()).filter(|&id| id > 0);
                let id = id.ok_or(CommandError::text("ERR client-id should be greater than 0"))?;
                filter.id = Some(id);
            } else if is("MAXAGE") {
                let age = parse_int(value)
                    .ok_or(CommandError::text("ERR maxage is not an integer or out of range"))?;
                let age = u64::try_from(age).ok().filter(|&age| age > 0);
                filter.max_age = Some(age.ok_or(CommandError::text("ERR maxage should be greater than 0"))?);
            } else if is("TYPE") {
                filter.kind = Some(Kind::parse(value)?);
            } else if is("ADDR") {
                filter.addr = Some(value);
            } else if is("LADDR") {
                filter.laddr = Some(value);
            } else if is("USER") {
                if engine.acl().user(value).is_none() {
                    return Err(format!("ERR No such user '{}'", String::from_utf8_lossy(value)).into());
                }
                filter.user = Some(value);
            } else if is("SKIPME") {
                filter.skip_me = match value {
                    yes if yes.eq_ignore_ascii_case(b"yes") => true,
                    no if no.eq_ignore_ascii_case(b"no") => false,
                    _ => return Err(CommandError::Syntax),
                };
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(filter)
    }

    fn takes(&self, client: &Client, now_ms: u64) -> bool {
        let age = seconds_between(client.created_ms, now_ms);
        self.id.is_none_or(|id| client.id == id)
            && self.kind.is_none_or(|kind| kind.takes(client))
            && self.addr.is_none_or(|addr| client.peer.addr.as_bytes() == addr)
            && self.laddr.is_none_or(|laddr| client.peer.laddr.as_bytes() == laddr)
            && self.user.is_none_or(|user| client.user().name() == user)
            && self.max_age.is_none_or(|least| age >= least)
    }
}

//! `CLIENT LIST` and `CLIENT INFO`: a client in a line.

use super::Kind;
use crate::command::args::{Args, parse_int};
use crate::command::error::CommandError;
use crate::command::table::TABLE;
use crate::engine::{Client, Mode, Reach, Session};
use crate::reply::Sink;
use std::io::Write as _;
use std::sync::atomic::Ordering::Relaxed;

/// Replies with a line for each client, or for those of a type, or for those of these numbers. Errors: an unknown
/// type, a number that is none. O(clients).
///
/// Reference: <https://valkey.io/commands/client-list/>
pub(super) fn list(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let mut lines = Vec::new();
    let viewer = Viewer::new(session, engine, args);
    if args.left() == 2 && args.eat("TYPE") {
        let kind = Kind::parse(args.required()?)?;
        let clients = engine.clients();
        clients
            .iter()
            .filter(|client| kind.takes(client))
            .for_each(|client| viewer.write(client, &mut lines));
    } else if args.left() > 1 && args.eat("ID") {
        let ids = args.rest().iter().map(|id| parse_int(id)).collect::<Option<Vec<_>>>();
        for id in ids.ok_or(CommandError::text("ERR Invalid client ID"))? {
            if let Some(client) = u64::try_from(id).ok().and_then(|id| engine.client(id)) {
                viewer.write(&client, &mut lines);
            }
        }
    } else {
        args.end()?;
        engine.clients().iter().for_each(|client| viewer.write(client, &mut lines));
    }
    out.verbatim("txt", &lines);
    Ok(())
}

/// Replies with the client's own line. O(1).
///
/// Reference: <https://valkey.io/commands/client-info/>
pub(super) fn info(
    session: &mut Session,
    engine: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let mut line = Vec::new();
    Viewer::new(session, engine, args).write(&session.client, &mut line);
    out.verbatim("txt", &line);
    Ok(())
}

/// The line of the client that sends this command, without its end.
pub(crate) fn describe(session: &Session, now_ms: u64, argv: &[&[u8]]) -> Vec<u8> {
    let mut line = Vec::new();
    Viewer::at(session, now_ms, argv).write(&session.client, &mut line);
    line.pop();
    line
}

/// Seconds as Redis counts them, whose clients know in which second they came, and not when in it.
pub(super) fn seconds_between(then_ms: u64, now_ms: u64) -> u64 {
    (now_ms / 1000).saturating_sub(then_ms / 1000)
}

/// Who looks, and when.
struct Viewer<'a> {
    session: &'a Session,
    now_ms: u64,
    /// Bytes of the command's arguments.
    argv_bytes: usize,
}

impl<'a> Viewer<'a> {
    fn new(session: &'a Session, engine: &mut Reach<'_, '_>, args: &Args<'_>) -> Self {
        Self::at(session, engine.clock().now_ms(), args.argv())
    }

    fn at(session: &'a Session, now_ms: u64, argv: &[&[u8]]) -> Self {
        Self { session, now_ms, argv_bytes: argv.iter().map(|arg| arg.len()).sum() }
    }

    /// Writes a client's line: the fields of Redis 7.2 in its order. Where a field speaks of buffers that we do not
    /// have (a reply buffer for each client), it says that they take nothing.
    fn write(&self, client: &Client, line: &mut Vec<u8>) {
        let myself = client.id == self.session.client.id;
        let seconds_since = |then_ms: u64| seconds_between(then_ms, self.now_ms);
        let output_bytes = client.output_bytes.load(Relaxed);
        let query_bytes = client.query_bytes.load(Relaxed);
        let queue_bytes = client.queue_bytes.load(Relaxed);
        let argv_bytes = if myself { self.argv_bytes } else { 0 };
        let labels = client.labels.lock();
        let total_bytes = size_of::<Client>()
            + size_of::<Session>()
            + labels.name.len()
            + labels.lib_name.len()
            + labels.lib_ver.len()
            + query_bytes
            + argv_bytes
            + queue_bytes
            + output_bytes;
        let command =
            TABLE.numbered(client.last_command.load(Relaxed)).map_or("NULL", |entry| entry.full_name);
        let events = match (client.peer.fd, output_bytes) {
            // A client in process has no socket to wait for.
            (..0, _) => "",
            (_, 0) => "r",
            _ => "rw",
        };
        let peer = &client.peer;
        let [sub, psub, ssub] = client.subscriptions_by_scope();
        // A vector takes whatever is written.
        let _ = write!(line, "id={} addr={} laddr={} fd={} name=", client.id, peer.addr, peer.laddr, peer.fd);
        line.extend_from_slice(&labels.name);
        let _ = write!(
            line,
            " age={} idle={} flags={} db={} sub={sub} psub={psub} ssub={ssub} multi={} qbuf={query_bytes} qbuf-free=0 \
             argv-mem={argv_bytes} multi-mem={queue_bytes} rbs=0 rbp=0 obl=0 oll={} omem={output_bytes} \
             tot-mem={total_bytes} events={events} cmd={command} user=",
            seconds_since(client.created_ms),
            seconds_since(client.active_ms.load(Relaxed)),
            self.flags(client, myself),
            client.db.load(Relaxed),
            client.queued.load(Relaxed),
            usize::from(output_bytes > 0),
        );
        line.extend_from_slice(client.user().name());
        let redirect = match client.tracking_mode().is_on() {
            true => client.tracking_redirect() as i64,
            false => -1,
        };
        let _ = write!(line, " redir={redirect} resp={} lib-name=", client.resp.load(Relaxed));
        line.extend_from_slice(&labels.lib_name);
        line.extend_from_slice(b" lib-ver=");
        line.extend_from_slice(&labels.lib_ver);
        line.push(b'\n');
    }

    /// A letter for each state, in the order of Redis; `N` for none.
    fn flags(&self, client: &Client, myself: bool) -> String {
        let tracking = client.tracking_mode();
        let blocked = client.waiter().is_some_and(|waiter| !waiter.has_ended());
        let letters: String = [
            ('O', client.monitors.load(Relaxed)),
            ('P', client.subscriptions_len() > 0),
            ('x', client.queued.load(Relaxed) >= 0),
            ('b', blocked),
            ('t', tracking.is_on()),
            ('R', tracking.has(Mode::BROKEN)),
            ('B', tracking.has(Mode::BCAST)),
            ('c', myself && self.session.closing),
            ('U', client.peer.unix),
            ('e', client.no_evict.load(Relaxed)),
            ('T', client.no_touch.load(Relaxed)),
        ]
        .into_iter()
        .filter_map(|(letter, is)| is.then_some(letter))
        .collect();
        if letters.is_empty() { "N".to_owned() } else { letters }
    }
}

//! What ends a serving process: SIGTERM, SIGINT, or a client's `SHUTDOWN`.

use mio::{Events, Interest, Poll, Token, Waker};
use signal_hook_mio::v1_0::Signals as SignalSource;
use std::io;
use std::sync::Arc;

const SIGNAL: Token = Token(0);
const ASKED: Token = Token(1);

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// Waits for the end.
pub(super) struct Signals {
    poll: Poll,
    source: SignalSource,
    waker: Arc<Waker>,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut source = SignalSource::new([SIGINT, SIGTERM])?;
        poll.registry().register(&mut source, SIGNAL, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), ASKED)?);
        Ok(Self { poll, source, waker })
    }

    /// Asks for the end from within the process.
    pub(super) fn asker(&self) -> impl Fn() + Send + Sync + 'static {
        let waker = Arc::clone(&self.waker);
        move || {
            if let Err(error) = waker.wake() {
                tracing::error!(%error, "SHUTDOWN could not be passed on");
            }
        }
    }

    /// Sleeps until there is a reason to end, and names it.
    pub(super) fn wait(&mut self) -> io::Result<&'static str> {
        let mut events = Events::with_capacity(4);
        loop {
            match self.poll.poll(&mut events, None) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if events.iter().any(|event| event.token() == ASKED) {
                return Ok("SHUTDOWN received");
            }
            for signal in self.source.pending() {
                match signal {
                    SIGINT => return Ok("SIGINT received"),
                    SIGTERM => return Ok("SIGTERM received"),
                    _ => {}
                }
            }
        }
    }
}

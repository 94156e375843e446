//! The console on a port of its own: a thread with a runtime, beside the server's event loops.

use super::{Options, router};
use crate::config::Config;
use crate::embed::Damselfly;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long an end waits for requests that are under way. Streams of events are not waited for.
const END: Duration = Duration::from_millis(500);

/// A console that is served until it is dropped.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Serving {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // The other end is gone where the thread has ended by itself.
        let _ = self.stop.take().map(|stop| stop.send(()));
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the console had panicked");
        }
    }
}

/// Serves consoles where the settings say (`admin-port`, `admin-bind`); none where they say nothing.
///
/// # Errors
/// An address that cannot be listened on, and why.
pub fn listen(db: &Damselfly, config: &Config) -> Result<Vec<Serving>, (String, io::Error)> {
    let hosts = config.admin_bind.split_whitespace().filter(|_| config.admin_port != 0);
    let one = |host: &str| {
        let host = if host == "*" { "0.0.0.0" } else { host };
        let listener = TcpListener::bind((host, config.admin_port));
        let serving = listener.and_then(|listener| serve(db, listener, Options::default()));
        if let Ok(serving) = &serving {
            tracing::info!("the console is at http://{}", serving.address());
        }
        serving.map_err(|error| (format!("{host}:{}", config.admin_port), error))
    };
    hosts.map(one).collect()
}

/// Serves the console of this handle's engine on `listener`, on a thread of its own.
///
/// ```
/// use damselfly::{Damselfly, console};
///
/// let db = Damselfly::in_memory();
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let console = console::serve(&db, listener, console::Options::default())?;
/// println!("http://{}", console.address());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// The operating system refuses a thread, or the listener is none.
pub fn serve(db: &Damselfly, listener: TcpListener, options: Options) -> io::Result<Serving> {
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let (stop, stopped) = oneshot::channel();
    let db = db.clone();
    let thread = std::thread::Builder::new().name("damselfly-admin".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let listener = match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => listener,
                Err(error) => return tracing::error!("the console cannot listen: {error}"),
            };
            let app = router(&db, options).into_make_service_with_connect_info::<SocketAddr>();
            let serving = axum::serve(listener, app).into_future();
            tokio::select! {
                ended = serving => {
                    if let Err(error) = ended {
                        tracing::error!("the console ends: {error}");
                    }
                }
                _ = stopped => {}
            }
        });
        runtime.shutdown_timeout(END);
    })?;
    Ok(Serving { address, stop: Some(stop), thread: Some(thread) })
}

//! Snapshots and the journal, in process.

use super::{Blocking, Damselfly, inside};
use crate::engine::Engine;
use crate::persist::StorageError;
use crate::persist::journal::AwaitsSync;
use parking_lot::Mutex;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

/// The wait for the disk: [`Damselfly::flush`].
#[derive(Debug)]
#[must_use = "nobody waits before it is awaited"]
pub struct Flush {
    engine: Arc<Engine>,
    /// Up to where the journal has to be on the disk.
    place: u64,
    seat: Option<Arc<Seat>>,
}

/// Where the journal finds whom to wake, and says how it went.
#[derive(Debug, Default)]
struct Seat(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    waker: Option<Waker>,
    result: Option<Result<(), StorageError>>,
}

impl Seat {
    fn end(&self, result: Result<(), StorageError>) {
        let waker = {
            let mut seat = self.0.lock();
            seat.result.get_or_insert(result);
            seat.waker.take()
        };
        // A stranger's code.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl AwaitsSync for Seat {
    fn synced(&self) {
        self.end(Ok(()));
    }
    fn failed(&self, error: &StorageError) {
        self.end(Err(StorageError::NotSynced(error.to_string())));
    }
    fn ended(&self) {
        self.end(Err(StorageError::NoJournal));
    }
}

impl Future for Flush {
    type Output = Result<(), StorageError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(seat) = &this.seat {
            let mut seat = seat.0.lock();
            if let Some(result) = seat.result.take() {
                return Poll::Ready(result);
            }
            seat.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        let journal = this.engine.journal();
        if !journal.is_on() {
            return Poll::Ready(Err(StorageError::NoJournal));
        }
        if journal.is_durable(this.place) {
            return Poll::Ready(Ok(()));
        }
        let seat = Arc::new(Seat(Mutex::new(Told { waker: Some(context.waker().clone()), result: None })));
        let awaits: Arc<dyn AwaitsSync> = Arc::clone(&seat) as _;
        this.seat = Some(seat);
        journal.await_sync(this.place, Arc::downgrade(&awaits));
        this.engine.sync_soon();
        Poll::Pending
    }
}

impl Damselfly {
    /// Makes a snapshot of all data at one moment, and returns once it is on the disk. Other threads work on meanwhile.
    ///
    /// O(bytes).
    ///
    /// ```
    /// # let directory = std::env::temp_dir().join(format!("damselfly-save-{}", std::process::id()));
    /// let db = damselfly::Damselfly::open_dir(&directory)?;
    /// db.set("a", "1")?;
    /// db.save()?;
    /// assert_eq!(db.changes_since_save(), 0);
    /// # drop(db);
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StorageError`]: the last snapshot is still there; [`StorageError::NoDirectory`] of an engine in memory,
    /// [`StorageError::Running`] where one is made already.
    ///
    /// Reference: <https://valkey.io/commands/save/>
    pub fn save(&self) -> Result<(), StorageError> {
        if inside::check().is_err() {
            return Err(StorageError::Running);
        }
        self.engine().save()
    }

    /// Begins to make a snapshot on a thread of its own.
    ///
    /// # Errors
    /// As for [`save`](Self::save). What goes wrong later is in `INFO persistence` and in the log.
    ///
    /// Reference: <https://valkey.io/commands/bgsave/>
    pub fn background_save(&self) -> Result<(), StorageError> {
        if inside::check().is_err() {
            return Err(StorageError::Running);
        }
        self.engine().save_in_background()
    }

    /// Returns once all that was changed so far is in the journal and on the disk (`appendonly`); one sync serves all who
    /// wait. Calls in process do not wait for the disk by themselves, whatever `appendfsync` says.
    ///
    /// # Errors
    /// [`StorageError`]: it may not be there; writes are refused until it can be written.
    pub fn sync(&self) -> Result<(), StorageError> {
        self.engine().journal().sync()
    }

    /// The same, awaited: no thread waits for the disk but the engine's own, which syncs once for all who ask. Drop it, and
    /// nobody is told.
    ///
    /// ```
    /// # use damselfly::{Damselfly, config::Config};
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # let directory = std::env::temp_dir().join(format!("damselfly-flush-{}", std::process::id()));
    /// # std::fs::create_dir_all(&directory)?;
    /// let db = Damselfly::open(Config::default().dir(directory.to_string_lossy()).appendonly(true))?;
    /// db.set("paid", "yes")?;
    /// db.flush().await?;
    /// # drop(db);
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`StorageError::NoJournal`]; [`StorageError::NotSynced`] where the disk refuses: writes are refused then, and what
    /// was written is tried again every second.
    pub fn flush(&self) -> Flush {
        Flush { engine: Arc::clone(&self.engine), place: self.engine.journal().appended(), seat: None }
    }

    /// A handle whose calls return once what they changed is on the disk, and fail with
    /// [`Error::NotDurable`](super::Error::NotDurable) where that cannot be had; the change is made all the same then. One
    /// sync serves all threads that wait at a time. Calls that wait for a key ([`Blocking`]) and sessions
    /// do not wait for the disk: [`flush`](Self::flush) does.
    ///
    /// ```
    /// # use damselfly::{Damselfly, config::Config};
    /// # let directory = std::env::temp_dir().join(format!("damselfly-durable-{}", std::process::id()));
    /// # std::fs::create_dir_all(&directory)?;
    /// let db = Damselfly::open(Config::default().dir(directory.to_string_lossy()).appendonly(true))?;
    /// db.durable()?.set("paid", "yes")?; // It is on the disk.
    /// # drop(db);
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StorageError::NoJournal`].
    pub fn durable(&self) -> Result<Self, StorageError> {
        if !self.engine.settings().appendonly() {
            return Err(StorageError::NoJournal);
        }
        Ok(Self { durable: true, ..self.clone() })
    }

    /// Keeps a durable handle's promise, behind a call of it.
    #[inline]
    pub(super) fn settle(&self) -> super::Result<()> {
        if self.durable { self.wait_for_disk() } else { Ok(()) }
    }

    #[cold]
    fn wait_for_disk(&self) -> super::Result<()> {
        let not_durable = |error: StorageError| super::Error::NotDurable(error.to_string());
        if !self.engine.journal().is_on() {
            return Err(not_durable(StorageError::NoJournal));
        }
        self.engine.journal().sync_mine().map_err(not_durable)
    }

    /// Waits until all that was written so far is in the journal and on the disk, and on as many replicas as asked for, or
    /// until the time is up (`None` waits for ever); says whether it is (1 or 0), and of how many replicas. O(1).
    ///
    /// # Errors
    /// [`CommandError`](crate::command::error::CommandError): `local` is asked for, and there is no journal.
    ///
    /// Reference: <https://valkey.io/commands/waitaof/>
    pub fn waitaof(&self, local: bool, replicas: u32, timeout: Option<Duration>) -> Blocking<(u64, u64)> {
        // In the command, 0 is for ever; a wait of no time has the shortest.
        let ms = timeout.map_or(0, |timeout| super::string::ms_of(timeout).max(1));
        let argv = [
            b"WAITAOF".to_vec(),
            u8::from(local).to_string().into_bytes(),
            replicas.to_string().into_bytes(),
            ms.to_string().into_bytes(),
        ];
        Blocking::new(self, super::blocking::boxed(argv), false, |reply| {
            super::reply::pair(reply, super::reply::count, super::reply::count)
        })
    }

    /// When the last snapshot was made that succeeded, or the engine opened.
    ///
    /// Reference: <https://valkey.io/commands/lastsave/>
    #[must_use]
    pub fn last_save(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.engine().persistence().figures().last_save)
    }

    /// Changes since then.
    #[must_use]
    pub fn changes_since_save(&self) -> u64 {
        self.engine().changes_since_save()
    }
}

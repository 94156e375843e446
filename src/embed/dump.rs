//! Values as bytes that another engine or server reads.

use super::string::{ms_of, unix_ms};
use super::{Argv, Bytes, Damselfly, Result, reply};
use std::time::{Duration, SystemTime};

/// How [`Damselfly::restore_with`] makes a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct RestoreOptions {
    replace: bool,
    deadline: Option<Deadline>,
    idle: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deadline {
    In(Duration),
    At(SystemTime),
}

impl RestoreOptions {
    /// A new key without a deadline.
    pub fn new() -> Self {
        Self::default()
    }

    /// Over whatever the key holds.
    pub fn replace(mut self) -> Self {
        self.replace = true;
        self
    }

    /// The key expires after this time, to the millisecond.
    pub fn expire(mut self, after: Duration) -> Self {
        self.deadline = Some(Deadline::In(after));
        self
    }

    /// The key expires at this time, to the millisecond; where that has passed, none is made.
    pub fn expire_at(mut self, at: SystemTime) -> Self {
        self.deadline = Some(Deadline::At(at));
        self
    }

    /// The key counts as not used for this time, in whole seconds.
    pub fn idle(mut self, time: Duration) -> Self {
        self.idle = Some(time);
        self
    }
}

impl Damselfly {
    /// A key's value as bytes that [`restore`](Self::restore) takes, and any Redis from 7.0 and Valkey; `None` without the
    /// key. O(n).
    ///
    /// ```
    /// use damselfly::Damselfly;
    /// let (here, there) = (Damselfly::in_memory(), Damselfly::in_memory());
    /// here.rpush("jobs", ["first", "second"])?;
    /// let payload = here.dump("jobs")?.expect("it is there");
    /// there.restore("jobs", &payload)?;
    /// assert_eq!(there.lrange("jobs", 0, -1)?, ["first", "second"]);
    /// # Ok::<(), damselfly::embed::Error>(())
    /// ```
    ///
    /// # Errors
    /// None but [`Error::ReentrantCall`](super::Error::ReentrantCall).
    ///
    /// Reference: <https://valkey.io/commands/dump/>
    pub fn dump(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>> {
        self.read(key.as_ref(), |keys, key| Ok(keys.dump(key).map(Bytes::from)))
    }

    /// Makes a key from what [`dump`](Self::dump) or a server's `DUMP` gave. O(n), and what building the value takes.
    ///
    /// # Errors
    /// A text error where the key exists, or the payload is of a later version, damaged, or no value.
    ///
    /// Reference: <https://valkey.io/commands/restore/>
    pub fn restore(&self, key: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Result<()> {
        self.restore_with(key, payload, RestoreOptions::new())
    }

    /// The same with a deadline, an idle time, or over a key that exists.
    ///
    /// # Errors
    /// As [`restore`](Self::restore).
    ///
    /// Reference: <https://valkey.io/commands/restore/>
    pub fn restore_with(
        &self,
        key: impl AsRef<[u8]>,
        payload: impl AsRef<[u8]>,
        options: RestoreOptions,
    ) -> Result<()> {
        let mut numbers = [itoa::Buffer::new(), itoa::Buffer::new()];
        let [ttl, idle] = &mut numbers;
        let ttl_ms = match options.deadline {
            None => 0,
            // A time that is none is one that has passed: 0 would be no deadline at all.
            Some(Deadline::In(after)) => i64::try_from(ms_of(after)).unwrap_or(i64::MAX).max(1),
            Some(Deadline::At(at)) => unix_ms(at).max(1),
        };
        let ttl = ttl.format(ttl_ms).as_bytes();
        let mut argv: Argv<'_> = Argv::from_slice(&[b"RESTORE", key.as_ref(), ttl, payload.as_ref()]);
        if options.replace {
            argv.push(b"REPLACE");
        }
        if matches!(options.deadline, Some(Deadline::At(_))) {
            argv.push(b"ABSTTL");
        }
        if let Some(time) = options.idle {
            argv.extend([&b"IDLETIME"[..], idle.format(time.as_secs().min(i64::MAX as u64)).as_bytes()]);
        }
        reply::ok(self.run(&argv)?)
    }
}

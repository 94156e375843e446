//! What a queue keeps, and under which keys. All keys of a queue share its hash tag, so a queue is in one slot, and an
//! operation names all that it may touch.
//!
//! | key | what it is |
//! |---|---|
//! | `{jobs:name}:meta` | hash: the last id and fence, until when somebody waits or the queue rests, paused |
//! | `:jobs` | hash: a job's payload, as its codec wrote it |
//! | `:state` | hash: a job's [`Record`] |
//! | `:ready` | sorted set of those in line, by priority and then by id |
//! | `:delayed` | sorted set of those whose time has not come, by that time |
//! | `:leases` | sorted set of those that a worker has, by the end of the lease |
//! | `:waiting` | sorted set of those behind another of their group: the group, 0x1f, and the id in 16 digits |
//! | `:busy` | hash: a group's job that is not behind another |
//! | `:dedupe` | hash: the job that a key stands for |
//! | `:dead` | sorted set of those that were given up, by when |
//! | `:done` | sorted set of those that ended and are kept to be looked at, by when |
//! | `:errors` | hash: what went wrong with a job |
//! | `:checks` | hash: how far a job's worker had come, as it wrote it |
//! | `:wake` | list of one element while somebody waits and there is something to take |
//! | `:once:word`, `:event:id` | strings that expire: the job of a throttled key, the job of an event |

use crate::domain::backend::number;
use crate::domain::{Error, Result};
use crate::embed::Bytes;

pub(super) const META: usize = 0;
pub(super) const JOBS: usize = 1;
pub(super) const STATE: usize = 2;
pub(super) const READY: usize = 3;
pub(super) const DELAYED: usize = 4;
pub(super) const LEASES: usize = 5;
pub(super) const WAITING: usize = 6;
pub(super) const BUSY: usize = 7;
pub(super) const DEDUPE: usize = 8;
pub(super) const DEAD: usize = 9;
pub(super) const DONE: usize = 10;
pub(super) const ERRORS: usize = 11;
pub(super) const CHECKS: usize = 12;
pub(super) const WAKE: usize = 13;
pub(super) const ONCE: usize = 14;
pub(super) const EVENT: usize = 15;

/// The keys that a queue has, by the numbers above.
pub(super) const NAMES: [&str; 14] = [
    "meta", "jobs", "state", "ready", "delayed", "leases", "waiting", "busy", "dedupe", "dead", "done",
    "errors", "checks", "wake",
];

/// Behind each field of a record, and of an error.
pub(super) const END: u8 = 0x1f;
/// Between the parts of an error.
pub(super) const BETWEEN: u8 = 0x1e;

/// Highest priority.
pub(super) const PRIORITY_MAX: u8 = 9;
/// By how much the levels of priority are apart in the line: ids stay below.
pub(super) const LEVEL: u64 = 1 << 48;

/// A job's state in one letter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JobState {
    /// In line.
    Ready,
    /// Its time has not come: it was enqueued for later, or it failed and is to be tried again.
    Delayed,
    /// Behind another of its group.
    Waiting,
    /// A worker has it.
    Running,
    /// Given up.
    Dead,
    /// Done.
    Completed,
    /// Called off.
    Cancelled,
}

impl JobState {
    pub(super) fn letter(self) -> u8 {
        match self {
            Self::Ready => b'r',
            Self::Delayed => b'd',
            Self::Waiting => b'w',
            Self::Running => b'l',
            Self::Dead => b'x',
            Self::Completed => b'c',
            Self::Cancelled => b'k',
        }
    }

    pub(super) fn of(letter: u8) -> Option<Self> {
        Some(match letter {
            b'r' => Self::Ready,
            b'd' => Self::Delayed,
            b'w' => Self::Waiting,
            b'l' => Self::Running,
            b'x' => Self::Dead,
            b'c' => Self::Completed,
            b'k' => Self::Cancelled,
            _ => return None,
        })
    }

    /// A word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Delayed => "delayed",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Dead => "dead",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What is known of a job beside its payload: sixteen fields, each with a byte 0x1f behind.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub state: JobState,
    pub priority: u8,
    pub group: Bytes,
    /// A letter for the mode, and the key.
    pub key: Bytes,
    /// How often it was claimed.
    pub attempt: u64,
    /// How often it may be.
    pub most: u64,
    pub since_ms: u64,
    pub changed_ms: u64,
    pub due_ms: u64,
    pub deadline_ms: u64,
    pub owner: i64,
    pub fence: u64,
    pub lease_ms: u64,
    pub worker: Bytes,
    pub progress: u64,
    /// `C` it is to be cancelled, `E` it has errors, `K` it has a checkpoint.
    pub flags: Bytes,
}

impl Record {
    pub(super) fn read(text: &Bytes) -> Result<Self> {
        let mut at = 0;
        let mut next = || {
            let rest = text.get(at..).unwrap_or_default();
            let len = memchr::memchr(END, rest)?;
            let field = text.slice(at..at + len);
            at += len + 1;
            Some(field)
        };
        let mut fields = || {
            let n = |field: Bytes| number(&field).unsigned_abs();
            Some(Self {
                state: JobState::of(*next()?.first()?)?,
                priority: u8::try_from(n(next()?)).ok()?.min(PRIORITY_MAX),
                group: next()?,
                key: next()?,
                attempt: n(next()?),
                most: n(next()?),
                since_ms: n(next()?),
                changed_ms: n(next()?),
                due_ms: n(next()?),
                deadline_ms: n(next()?),
                owner: number(&next()?),
                fence: n(next()?),
                lease_ms: n(next()?),
                worker: next()?,
                progress: n(next()?),
                flags: next()?,
            })
        };
        fields().ok_or_else(|| Error::Corrupt("a job's record".into()))
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(96 + self.group.len() + self.key.len() + self.worker.len());
        let mut digits = itoa::Buffer::new();
        let text = |bytes: &mut Vec<u8>, field: &[u8]| {
            bytes.extend_from_slice(field);
            bytes.push(END);
        };
        let mut int = |bytes: &mut Vec<u8>, field: u64| {
            bytes.extend_from_slice(digits.format(field).as_bytes());
            bytes.push(END);
        };
        text(&mut bytes, &[self.state.letter()]);
        int(&mut bytes, self.priority.into());
        text(&mut bytes, &self.group);
        text(&mut bytes, &self.key);
        int(&mut bytes, self.attempt);
        int(&mut bytes, self.most);
        int(&mut bytes, self.since_ms);
        int(&mut bytes, self.changed_ms);
        int(&mut bytes, self.due_ms);
        int(&mut bytes, self.deadline_ms);
        // An owner is a user, whose number is positive.
        int(&mut bytes, self.owner.unsigned_abs());
        int(&mut bytes, self.fence);
        int(&mut bytes, self.lease_ms);
        text(&mut bytes, &self.worker);
        int(&mut bytes, self.progress);
        text(&mut bytes, &self.flags);
        bytes
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags.contains(&flag)
    }

    pub(super) fn flag(&mut self, flag: u8) {
        if !self.has(flag) {
            let mut flags = self.flags.to_vec();
            flags.push(flag);
            self.flags = flags.into();
        }
    }

    pub(super) fn unflag(&mut self, flag: u8) {
        if self.has(flag) {
            self.flags = self.flags.iter().copied().filter(|&other| other != flag).collect();
        }
    }

    /// Where a job stands in line.
    pub(super) fn score(&self, id: u64) -> u64 {
        u64::from(PRIORITY_MAX - self.priority.min(PRIORITY_MAX)) * LEVEL + id
    }

    /// How a job stands behind its group.
    pub(super) fn member(&self, id: u64) -> Vec<u8> {
        let mut member = self.group.to_vec();
        member.push(END);
        member.extend_from_slice(format!("{id:016}").as_bytes());
        member
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let text = Bytes::from_static(
            b"l\x1f7\x1fg\x1fukey\x1f2\x1f5\x1f10\x1f11\x1f0\x1f0\x1f42\x1f9\x1f99\x1fw\x1f50\x1fCE\x1f",
        );
        let mut record = Record::read(&text).expect("a record");
        assert_eq!(record.bytes(), text);
        assert_eq!((record.state, record.owner, record.fence), (JobState::Running, 42, 9));
        assert_eq!(record.score(3), 2 * LEVEL + 3);
        record.flag(b'K');
        record.flag(b'K');
        record.unflag(b'C');
        assert_eq!(&record.flags[..], b"EK");
        assert!(Record::read(&Bytes::from_static(b"l\x1f7\x1f")).is_err());
        assert!(Record::read(&Bytes::new()).is_err());
    }
}

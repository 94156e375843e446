//! From what is stored to what is told, and back.

use super::record::{BETWEEN, END, Record};
use super::{JobFailure, JobId, JobInfo, JobState, refusal};
use crate::domain::backend::{items, number, string};
use crate::domain::codec::Codec;
use crate::domain::namespace::{KeyPart, UserId};
use crate::domain::{Error, Result};
use crate::reply::Reply;
use std::time::Duration;

pub(super) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).min(i64::MAX as u64 >> 8)
}

/// A name that goes into keys and records: nothing that separates.
pub(super) fn part(text: &str) -> Result<Vec<u8>> {
    let mut part = Vec::with_capacity(text.len() + 1);
    text.write(&mut part)?;
    if part.len() > 257 {
        return Err(Error::BadKey("longer than 256 bytes".into()));
    }
    part.remove(0);
    Ok(part)
}

/// An error's text without what separates, and at most 1 KiB of it.
pub(super) fn printable(text: &str) -> String {
    let mut short = String::new();
    for letter in text.chars() {
        if short.len() >= 1024 {
            break;
        }
        short.push(if letter.is_control() && letter != '\n' { ' ' } else { letter });
    }
    short
}

/// Why a worker's word is not taken.
pub(super) fn lost(code: i64, rest: Vec<Reply>, to: &str) -> Error {
    let to = match to {
        "ack" => "completed",
        "dead" => "dead",
        "retry" => "delayed",
        "release" => "ready",
        _ => "running",
    };
    match refusal(code, rest, to) {
        // It has ended, by this very worker's word: that is final.
        Error::BadTransition { from, to } if matches!(from.as_str(), "completed" | "cancelled" | "dead") => {
            Error::BadTransition { from, to }
        }
        Error::Fenced => Error::Fenced,
        _ => Error::LeaseLost,
    }
}

pub(super) fn info<J, C: Codec<J>>(reply: Reply) -> Result<JobInfo<J>> {
    let mut parts = items(reply)?.into_iter();
    let mut next = || parts.next().unwrap_or(Reply::Null);
    let id = JobId::read(&string(next())?)?;
    let (r, payload, errors) = (Record::read(&string(next())?)?, string(next())?, string(next())?);
    let text =
        |bytes: &[u8]| Some(String::from_utf8_lossy(bytes).into_owned()).filter(|text| !text.is_empty());
    let failures = errors.split(|&byte| byte == END).filter(|error| !error.is_empty()).map(|error| {
        let mut parts = error.splitn(3, |&byte| byte == BETWEEN);
        let mut next = || parts.next().unwrap_or_default();
        JobFailure {
            at_ms: number(next()).unsigned_abs(),
            attempt: count(number(next()).unsigned_abs()),
            text: String::from_utf8_lossy(next()).into_owned(),
        }
    });
    Ok(JobInfo {
        id,
        state: r.state,
        job: C::decode(&payload).ok(),
        priority: r.priority,
        group: text(&r.group),
        owner: UserId::new(r.owner).ok(),
        attempt: count(r.attempt),
        attempts: count(r.most),
        since_ms: r.since_ms,
        changed_ms: r.changed_ms,
        due_ms: (r.due_ms > 0).then_some(r.due_ms),
        worker: text(&r.worker),
        progress: u8::try_from(r.progress).unwrap_or(100).min(100),
        cancelling: r.state == JobState::Running && r.has(b'C'),
        failures: failures.collect(),
        payload,
    })
}

pub(super) fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

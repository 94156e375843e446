//! The queue's atomic operations, in both bodies: these, and those in `lua/`, which say the same word for word.
//!
//! What an operation answers: its first element is positive where it was done, and otherwise says why not: -1 there is
//! no such job (or it is held no longer), -2 its state does not allow it, -3 somebody else has it.

use super::record::*;
use crate::domain::backend::{Inside, arg, bulk, items, number, optional, string};
use crate::domain::{Op, Result};
use crate::embed::Bytes;
use crate::reply::Reply;

macro_rules! lua {
    ($file:literal) => {
        concat!(include_str!("lua/prelude.lua"), include_str!(concat!("lua/", $file, ".lua")))
    };
}

macro_rules! op {
    ($(#[$doc:meta])* $name:ident, $file:literal, $native:expr) => {
        $(#[$doc])*
        pub(super) static $name: Op = Op {
            name: concat!("queue.", $file),
            lua: lua!($file),
            native: |inside, keys, args| {
                let mut queue = Queue { t: inside.now_ms(), inside, keys };
                let body: fn(&mut Queue<'_, '_, '_, '_>, &[&[u8]]) -> Result<Reply> = $native;
                body(&mut queue, args)
            },
        };
    };
}

op! {
    /// `[1, id]` new, `[0, id]` there already, `[-1]` full. Args: payload, priority, group, key, ms of the key's window,
    /// ms of delay, ms to the deadline, owner, attempts, length, ms that the event is remembered.
    ENQUEUE, "enqueue", enqueue
}
op! {
    /// `[ms to what comes next or -1, jobs]`, each `[id, record, payload, checkpoint]`. Args: how many, ms of
    /// lease, worker, ms that it waits, how many done ones are kept, weights, seed.
    CLAIM, "claim", claim
}
op! {
    /// `[1]` acknowledged, `[2]` cancelled, `[3]` dead, `[4]` again later. Args: id, fence, what (ack, retry, dead,
    /// release), error, ms of delay, how many done ones are kept, ms that the queue rests.
    SETTLE, "settle", settle
}
op! {
    /// `[1, whether it is to be cancelled]`. Args: id, fence, ms of lease, progress, checkpoint behind a letter.
    TOUCH, "touch", touch
}
op! {
    /// `[1]` cancelled, `[2]` its worker is told. Args: id, owner, how many done ones are kept.
    CANCEL, "cancel", cancel
}
op! {
    /// `[1]`. Args: id, owner.
    REQUEUE, "requeue", requeue
}
op! {
    /// `[how many]`, up to 1000. Args: ms for which they were dead at least.
    PURGE, "purge", purge
}
op! {
    /// `[1]`. Args: 1 or 0.
    PAUSE, "pause", pause
}
op! {
    /// `[due, expired leases, of them dead]`. Args: how many done ones are kept.
    REAP, "reap", |q, args| {
        let (due, over, buried) = q.reap(int(args, 0))?;
        if due + over > 0 {
            q.wake()?;
        }
        Ok(ints([due, over, buried]))
    }
}
op! {
    /// Ten figures: see the body.
    STATS, "stats", stats
}
op! {
    /// Each `[id, record, payload, errors]`. Args: an id; or nothing, a key's number from 1, first and last rank.
    SHOW, "show", show
}

/// A queue from inside of its shard, at a time.
struct Queue<'q, 'i, 'a, 'e> {
    inside: &'q mut Inside<'i, 'a, 'e>,
    keys: &'q [&'q [u8]],
    t: u64,
}

fn int(args: &[&[u8]], at: usize) -> u64 {
    number(arg(args, at)).unsigned_abs()
}

fn ints<const N: usize>(values: [u64; N]) -> Reply {
    Reply::Array(
        values.into_iter().map(|value| Reply::Int(i64::try_from(value).unwrap_or(i64::MAX))).collect(),
    )
}

fn code(code: i64) -> Reply {
    Reply::Array(vec![Reply::Int(code)])
}

fn wrong_state(state: JobState) -> Reply {
    Reply::Array(vec![Reply::Int(-2), bulk(Bytes::copy_from_slice(&[state.letter()]))])
}

fn digits(value: u64) -> Vec<u8> {
    itoa::Buffer::new().format(value).as_bytes().to_vec()
}

impl Queue<'_, '_, '_, '_> {
    /// A command on one of the queue's keys.
    fn call<const N: usize>(&mut self, name: &[u8], key: usize, args: [&[u8]; N]) -> Result<Reply> {
        let mut argv = smallvec::SmallVec::<[&[u8]; 8]>::new();
        argv.extend_from_slice(&[name, arg(self.keys, key)]);
        argv.extend_from_slice(&args);
        self.inside.call(&argv)
    }

    fn int<const N: usize>(&mut self, name: &[u8], key: usize, args: [&[u8]; N]) -> Result<u64> {
        Ok(crate::domain::backend::int(self.call(name, key, args)?)?.unsigned_abs())
    }

    fn field(&mut self, key: usize, field: &[u8]) -> Result<Option<Bytes>> {
        optional(self.call(b"HGET", key, [field])?)
    }

    fn strings<const N: usize>(&mut self, name: &[u8], key: usize, args: [&[u8]; N]) -> Result<Vec<Bytes>> {
        items(self.call(name, key, args)?)?.into_iter().map(string).collect()
    }

    fn read(&mut self, id: &[u8]) -> Result<Option<Record>> {
        self.field(STATE, id)?.map(|text| Record::read(&text)).transpose()
    }

    fn write(&mut self, id: &[u8], record: &Record) -> Result<()> {
        self.call(b"HSET", STATE, [id, &record.bytes()])?;
        Ok(())
    }

    fn wake(&mut self) -> Result<()> {
        let mut meta = items(self.call(b"HMGET", META, [b"waiting", b"paused"])?)?.into_iter();
        let waiting = optional(meta.next().unwrap_or(Reply::Null))?;
        let paused = optional(meta.next().unwrap_or(Reply::Null))?;
        let Some(until) = waiting else { return Ok(()) };
        if number(&until).unsigned_abs() > self.t && paused.is_none() && self.int(b"EXISTS", WAKE, [])? == 0 {
            self.call(b"RPUSH", WAKE, [b""])?;
        }
        Ok(())
    }

    fn place(&mut self, id: &[u8], r: &mut Record) -> Result<()> {
        if r.due_ms > self.t {
            r.state = JobState::Delayed;
            self.call(b"ZADD", DELAYED, [&digits(r.due_ms), id])?;
        } else {
            r.state = JobState::Ready;
            let score = r.score(number(id).unsigned_abs());
            self.call(b"ZADD", READY, [&digits(score), id])?;
        }
        Ok(())
    }

    fn enter(&mut self, id: &[u8], r: &mut Record) -> Result<()> {
        if !r.group.is_empty() && self.int(b"HSETNX", BUSY, [&r.group, id])? == 0 {
            r.state = JobState::Waiting;
            let member = r.member(number(id).unsigned_abs());
            self.call(b"ZADD", WAITING, [b"0", &member])?;
            return Ok(());
        }
        self.place(id, r)
    }

    fn leave(&mut self, id: &[u8], r: &Record) -> Result<()> {
        if let Some(key) = r.key.get(1..)
            && self.field(DEDUPE, key)?.as_deref() == Some(id)
        {
            self.call(b"HDEL", DEDUPE, [key])?;
        }
        let set = match r.state {
            JobState::Ready => READY,
            JobState::Delayed => DELAYED,
            JobState::Running => LEASES,
            JobState::Waiting => {
                let member = r.member(number(id).unsigned_abs());
                self.call(b"ZREM", WAITING, [&member])?;
                return Ok(());
            }
            JobState::Dead | JobState::Completed | JobState::Cancelled => return Ok(()),
        };
        self.call(b"ZREM", set, [id])?;
        if r.group.is_empty() {
            return Ok(());
        }
        let bound = |first: u8, last: u8| {
            let mut bound = vec![first];
            bound.extend_from_slice(&r.group);
            bound.push(last);
            bound
        };
        let (low, high) = (bound(b'[', END), bound(b'(', END + 1));
        let next = self.strings(b"ZRANGEBYLEX", WAITING, [&low, &high, b"LIMIT", b"0", b"1"])?;
        let Some(next) = next.first() else {
            self.call(b"HDEL", BUSY, [&r.group])?;
            return Ok(());
        };
        self.call(b"ZREM", WAITING, [next])?;
        let other =
            digits(number(next.get(next.len().saturating_sub(16)..).unwrap_or_default()).unsigned_abs());
        self.call(b"HSET", BUSY, [&r.group, &other])?;
        if let Some(mut s) = self.read(&other)? {
            self.place(&other, &mut s)?;
            self.write(&other, &s)?;
            self.wake()?;
        }
        Ok(())
    }

    fn forget(&mut self, id: &[u8], r: &Record) -> Result<()> {
        self.call(b"HDEL", STATE, [id])?;
        self.call(b"HDEL", JOBS, [id])?;
        if r.has(b'E') {
            self.call(b"HDEL", ERRORS, [id])?;
        }
        if r.has(b'K') {
            self.call(b"HDEL", CHECKS, [id])?;
        }
        Ok(())
    }

    fn finish(&mut self, id: &[u8], r: &mut Record, state: JobState, keep: u64) -> Result<()> {
        self.leave(id, r)?;
        if keep == 0 {
            return self.forget(id, r);
        }
        (r.state, r.changed_ms) = (state, self.t);
        if r.has(b'K') {
            self.call(b"HDEL", CHECKS, [id])?;
            r.unflag(b'K');
        }
        self.write(id, r)?;
        let t = digits(self.t);
        self.call(b"ZADD", DONE, [&t, id])?;
        let over = self.int(b"ZCARD", DONE, [])?.saturating_sub(keep);
        if over > 0 {
            for old in self.strings(b"ZRANGE", DONE, [b"0", &digits(over - 1)])? {
                self.call(b"ZREM", DONE, [&old])?;
                if let Some(s) = self.read(&old)? {
                    self.forget(&old, &s)?;
                }
            }
        }
        Ok(())
    }

    fn complain(&mut self, id: &[u8], r: &mut Record, text: &[u8]) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let before = self.field(ERRORS, id)?.unwrap_or_default();
        let mut kept = &before[..];
        while kept.len() > 16_384 {
            let end = memchr::memchr(END, kept).map_or(kept.len(), |end| end + 1);
            kept = kept.get(end..).unwrap_or_default();
        }
        let mut all = kept.to_vec();
        all.extend_from_slice(&digits(self.t));
        all.push(BETWEEN);
        all.extend_from_slice(&digits(r.attempt));
        all.push(BETWEEN);
        all.extend_from_slice(text);
        all.push(END);
        self.call(b"HSET", ERRORS, [id, &all])?;
        r.flag(b'E');
        Ok(())
    }

    fn bury(&mut self, id: &[u8], r: &mut Record) -> Result<()> {
        self.leave(id, r)?;
        (r.state, r.changed_ms) = (JobState::Dead, self.t);
        self.write(id, r)?;
        let t = digits(self.t);
        self.call(b"ZADD", DEAD, [&t, id])?;
        Ok(())
    }

    fn reap(&mut self, keep: u64) -> Result<(u64, u64, u64)> {
        let t = digits(self.t);
        let due = self.strings(b"ZRANGEBYSCORE", DELAYED, [b"-inf", &t, b"LIMIT", b"0", b"100"])?;
        for id in &due {
            self.call(b"ZREM", DELAYED, [id])?;
            if let Some(mut r) = self.read(id)? {
                self.place(id, &mut r)?;
                self.write(id, &r)?;
            }
        }
        let over = self.strings(b"ZRANGEBYSCORE", LEASES, [b"-inf", &t, b"LIMIT", b"0", b"100"])?;
        let mut buried = 0;
        for id in &over {
            let Some(mut r) = self.read(id)? else {
                self.call(b"ZREM", LEASES, [id])?;
                continue;
            };
            if r.has(b'C') {
                self.finish(id, &mut r, JobState::Cancelled, keep)?;
                continue;
            }
            self.complain(id, &mut r, b"the lease ran out")?;
            if r.attempt >= r.most {
                self.bury(id, &mut r)?;
                buried += 1;
            } else {
                self.call(b"ZREM", LEASES, [id])?;
                (r.due_ms, r.changed_ms) = (0, self.t);
                self.place(id, &mut r)?;
                self.write(id, &r)?;
            }
        }
        Ok((due.len() as u64, over.len() as u64, buried))
    }

    /// The record of a job that a fence has leased, or the answer that says why there is none.
    fn held(&mut self, id: &[u8], fence: u64) -> Result<std::result::Result<Record, Reply>> {
        let Some(r) = self.read(id)? else { return Ok(Err(code(-1))) };
        Ok(if r.fence != fence {
            Err(code(-3))
        } else if r.state != JobState::Running {
            Err(wrong_state(r.state))
        } else if r.lease_ms <= self.t {
            Err(code(-1))
        } else {
            Ok(r)
        })
    }

    /// The first of a level by the levels' weights.
    fn weighted(&mut self, weights: &[u8], seed: &mut u64) -> Result<Option<Bytes>> {
        let (mut levels, mut sum) = (Vec::new(), 0);
        for level in 0..=u64::from(PRIORITY_MAX) {
            let weight = u64::from(weights.get(9 - level as usize).copied().unwrap_or(0));
            if weight > 0
                && let Some(first) = self.first_of(level)?
            {
                levels.push((weight, first));
                sum += weight;
            }
        }
        if sum == 0 {
            return Ok(None);
        }
        *seed = seed.wrapping_mul(48_271) % 2_147_483_647;
        let mut at = *seed % sum;
        for (weight, first) in levels {
            if at < weight {
                self.call(b"ZREM", READY, [&first])?;
                return Ok(Some(first));
            }
            at -= weight;
        }
        Ok(None)
    }

    fn first_of(&mut self, level: u64) -> Result<Option<Bytes>> {
        let (low, mut high) = (digits(level * LEVEL), vec![b'(']);
        high.extend_from_slice(&digits((level + 1) * LEVEL));
        let first = self.strings(b"ZRANGEBYSCORE", READY, [&low, &high, b"LIMIT", b"0", b"1"])?;
        Ok(first.into_iter().next())
    }

    /// The first in line, out of it.
    fn first(&mut self) -> Result<Option<Bytes>> {
        items(self.call(b"ZPOPMIN", READY, [])?)?.into_iter().next().map(string).transpose()
    }
}

fn enqueue(q: &mut Queue<'_, '_, '_, '_>, args: &[&[u8]]) -> Result<Reply> {
    let (payload, group, key) = (arg(args, 0), arg(args, 2), arg(args, 3));
    let there = |id: Bytes| Ok(Reply::Array(vec![Reply::Int(0), bulk(id)]));
    let event_ms = int(args, 10);
    if event_ms > 0
        && let Some(id) = optional(q.call(b"GET", EVENT, [])?)?
    {
        return there(id);
    }
    let (mode, word) = (key.first().copied(), key.get(1..).unwrap_or_default());
    match mode {
        None => {}
        Some(b't') => {
            if let Some(id) = optional(q.call(b"GET", ONCE, [])?)? {
                return there(id);
            }
        }
        Some(mode) => {
            let before = q.field(DEDUPE, word)?;
            if let Some(id) = before
                && let Some(mut r) = q.read(&id)?
            {
                if mode == b'u' {
                    return there(id);
                }
                if r.state != JobState::Running {
                    if mode != b'q' {
                        q.call(b"HSET", JOBS, [&id, payload])?;
                    }
                    if mode == b'b' && r.state != JobState::Ready {
                        r.due_ms = q.t.saturating_add(int(args, 4));
                        if r.state == JobState::Delayed {
                            q.call(b"ZADD", DELAYED, [&digits(r.due_ms), &id])?;
                        }
                        q.write(&id, &r)?;
                    }
                    return there(id);
                }
            }
        }
    }
    let max = int(args, 9);
    if max > 0 {
        let mut len = 0;
        for set in [READY, DELAYED, WAITING] {
            len += q.int(b"ZCARD", set, [])?;
        }
        if len >= max {
            return Ok(code(-1));
        }
    }
    let number = q.int(b"HINCRBY", META, [b"id", b"1"])?;
    let id = digits(number);
    q.call(b"HSET", JOBS, [&id, payload])?;
    let delay_ms = if mode == Some(b'b') { int(args, 4) } else { int(args, 5) };
    let after = |ms: u64| if ms > 0 { q.t.saturating_add(ms) } else { 0 };
    let mut r = Record {
        state: JobState::Ready,
        priority: u8::try_from(int(args, 1)).unwrap_or(0).min(PRIORITY_MAX),
        group: Bytes::copy_from_slice(group),
        key: Bytes::new(),
        attempt: 0,
        most: int(args, 8),
        since_ms: q.t,
        changed_ms: q.t,
        due_ms: after(delay_ms),
        deadline_ms: after(int(args, 6)),
        owner: crate::domain::backend::number(arg(args, 7)),
        fence: 0,
        lease_ms: 0,
        worker: Bytes::new(),
        progress: 0,
        flags: Bytes::new(),
    };
    if mode.is_some_and(|mode| mode != b't') {
        r.key = Bytes::copy_from_slice(key);
        q.call(b"HSET", DEDUPE, [word, &id])?;
    }
    q.enter(&id, &mut r)?;
    q.write(&id, &r)?;
    if mode == Some(b't') {
        q.call(b"SET", ONCE, [&id, b"PX", arg(args, 4)])?;
    }
    if event_ms > 0 {
        q.call(b"SET", EVENT, [&id, b"PX", arg(args, 10)])?;
    }
    if r.state != JobState::Waiting {
        q.wake()?;
    }
    Ok(Reply::Array(vec![Reply::Int(1), bulk(id)]))
}

fn claim(q: &mut Queue<'_, '_, '_, '_>, args: &[&[u8]]) -> Result<Reply> {
    let (n, lease_ms, worker) = (int(args, 0) as usize, int(args, 1), Bytes::copy_from_slice(arg(args, 2)));
    let (wait_ms, keep, weights, mut seed) = (int(args, 3), int(args, 4), arg(args, 5), int(args, 6));
    q.reap(keep)?;
    let meta = q.call(b"HMGET", META, [b"paused", b"rest", b"waiting"])?;
    let mut meta = items(meta)?.into_iter().map(optional);
    let mut next = || meta.next().transpose().map(Option::flatten);
    let (paused, rest, waiting) = (next()?.is_some(), next()?, next()?);
    let ms = |text: Option<Bytes>| text.map_or(0, |text| number(&text).unsigned_abs());
    let (rest_ms, waiting_ms) = (ms(rest), ms(waiting));
    let mut out = Vec::new();
    if !paused && rest_ms <= q.t {
        for _ in 0..n.saturating_add(100) {
            if out.len() == n {
                break;
            }
            let id = if weights.is_empty() { q.first()? } else { q.weighted(weights, &mut seed)? };
            let Some(id) = id else { break };
            let Some(mut r) = q.read(&id)? else { continue };
            if r.deadline_ms > 0 && r.deadline_ms <= q.t {
                q.complain(&id, &mut r, b"its time was over before it was taken")?;
                q.bury(&id, &mut r)?;
                continue;
            }
            (r.state, r.attempt, r.changed_ms) = (JobState::Running, r.attempt.saturating_add(1), q.t);
            r.fence = q.int(b"HINCRBY", META, [b"fence", b"1"])?;
            (r.lease_ms, r.worker) = (q.t.saturating_add(lease_ms), worker.clone());
            q.call(b"ZADD", LEASES, [&digits(r.lease_ms), &id])?;
            let text = r.bytes();
            q.call(b"HSET", STATE, [&id, &text])?;
            let check =
                if r.has(b'K') { q.field(CHECKS, &id)?.map_or(Reply::Null, bulk) } else { Reply::Null };
            let payload = q.field(JOBS, &id)?.map_or(Reply::Null, bulk);
            out.push(Reply::Array(vec![bulk(id), bulk(text), payload, check]));
        }
    }
    if !out.is_empty() {
        if waiting_ms > q.t && q.int(b"ZCARD", READY, [])? > 0 {
            q.wake()?;
        }
        return Ok(Reply::Array(vec![Reply::Int(-1), Reply::Array(out)]));
    }
    let mut next = (rest_ms > q.t).then_some(rest_ms);
    if !paused {
        for (set, lease) in [(DELAYED, false), (LEASES, true)] {
            let Some(first) = q.strings(b"ZRANGE", set, [b"0", b"0"])?.into_iter().next() else { continue };
            let Some(r) = q.read(&first)? else { continue };
            let at = if lease { r.lease_ms } else { r.due_ms };
            if next.is_none_or(|next| at < next) && rest_ms <= at {
                next = Some(at);
            }
        }
    }
    if wait_ms > 0 {
        q.call(b"DEL", WAKE, [])?;
        let until = q.t.saturating_add(wait_ms);
        if until > waiting_ms {
            q.call(b"HSET", META, [b"waiting", &digits(until)])?;
        }
    }
    let next = next.map_or(-1, |at| i64::try_from(at.saturating_sub(q.t).max(1)).unwrap_or(i64::MAX));
    Ok(Reply::Array(vec![Reply::Int(next), Reply::Array(out)]))
}

fn settle(q: &mut Queue<'_, '_, '_, '_>, args: &[&[u8]]) -> Result<Reply> {
    let (id, action, text) = (arg(args, 0), arg(args, 2), arg(args, 3));
    let (delay_ms, keep, rest_ms) = (int(args, 4), int(args, 5), int(args, 6));
    let mut r = match q.held(id, int(args, 1))? {
        Ok(r) => r,
        Err(why) => return Ok(why),
    };
    if r.has(b'C') {
        q.complain(id, &mut r, text)?;
        q.finish(id, &mut r, JobState::Cancelled, keep)?;
        return Ok(code(2));
    }
    if action == b"ack" {
        r.progress = 100;
        q.finish(id, &mut r, JobState::Completed, keep)?;
        return Ok(code(1));
    }
    q.complain(id, &mut r, text)?;
    if action == b"dead" || action == b"retry" && r.attempt >= r.most {
        q.bury(id, &mut r)?;
        return Ok(code(3));
    }
    if action == b"release" {
        r.attempt = r.attempt.saturating_sub(1);
    }
    q.call(b"ZREM", LEASES, [id])?;
    (r.due_ms, r.changed_ms) = (q.t.saturating_add(delay_ms), q.t);
    q.place(id, &mut r)?;
    q.write(id, &r)?;
    if rest_ms > 0 {
        let until = digits(q.t.saturating_add(rest_ms));
        q.call(b"HSET", META, [b"rest", &until])?;
    }
    q.wake()?;
    Ok(code(4))
}

fn touch(q: &mut Queue<'_, '_, '_, '_>, args: &[&[u8]]) -> Result<Reply> {
    let (id, lease_ms, progress, check) = (arg(args, 0), int(args, 2), int(args, 3), arg(args, 4));
    let mut r = match q.held(id, int(args, 1))? {
        Ok(r) => r,
        Err(why) => return Ok(why),
    };
    if lease_ms > 0 {
        r.lease_ms = q.t.saturating_add(lease_ms);
        q.call(b"ZADD", LEASES, [&digits(r.lease_ms), id])?;
    }
    r.progress = r.progress.max(progress);
    if let Some(check) = check.get(1..) {
        q.call(b"HSET", CHECKS, [id, check])?;
        r.flag(b'K');
    }
    q.write(id, &r)?;
    Ok(ints([1, r.has(b'C').into()]))
}

/// A job that exists, and is this owner's where one is asked for.
fn owned(q: &mut Queue<'_, '_, '_, '_>, id: &[u8], owner: &[u8]) -> Result<Option<Record>> {
    let owner = number(owner);
    Ok(q.read(id)?.filter(|r| owner == 0 || r.owner == owner))
}

fn cancel(q: &mut Queue<'_, '_, '_, '_>, args: &[&[u8]]) -> Result<Reply> {
    let (id, keep) = (arg(args, 0), int(args, 2));
    let Some(mut r) = owned(q, id, arg(args, 1))? else { return Ok(code(-1)) };
    match r.state {
        JobState::Running => {
            if !r.has(b'C') {
                r.flag(b'C');
                q.write(id, &r)?;
            }
            Ok(code(2))
        }
        JobState::Ready | JobState::Delayed | JobState::Waiting => {
            q.finish(id, &mut r, JobState::Cancelled, keep)?;
            Ok(code(1))
        }
        over => Ok(wrong_state(over)),
    }
}

fn requeue(q: &mut Queue<'_, '_, '_, '_>, args: &[&[u8]]) -> Result<Reply> {
    let id = arg(args, 0);
    let Some(mut r) = owned(q, id, arg(args, 1))? else { return Ok(code(-1)) };
    if r.state != JobState::Dead {
        return Ok(wrong_state(r.state));
    }
    q.call(b"ZREM", DEAD, [id])?;
    (r.attempt, r.due_ms, r.deadline_ms, r.changed_ms, r.key) = (0, 0, 0, q.t, Bytes::new());
    q.enter(id, &mut r)?;
    q.write(id, &r)?;
    q.wake()?;
    Ok(code(1))
}

fn purge(q: &mut Queue<'_, '_, '_, '_>, args: &[&[u8]]) -> Result<Reply> {
    let before = digits(q.t.saturating_sub(int(args, 0)));
    let ids = q.strings(b"ZRANGEBYSCORE", DEAD, [b"-inf", &before, b"LIMIT", b"0", b"1000"])?;
    for id in &ids {
        q.call(b"ZREM", DEAD, [id])?;
        if let Some(r) = q.read(id)? {
            q.forget(id, &r)?;
        }
    }
    Ok(ints([ids.len() as u64]))
}

fn pause(q: &mut Queue<'_, '_, '_, '_>, args: &[&[u8]]) -> Result<Reply> {
    if arg(args, 0) == b"1" {
        q.call(b"HSET", META, [b"paused", b"1"])?;
    } else {
        q.call(b"HDEL", META, [b"paused", b"rest"])?;
        q.wake()?;
    }
    Ok(code(1))
}

fn stats(q: &mut Queue<'_, '_, '_, '_>, _: &[&[u8]]) -> Result<Reply> {
    let mut oldest = q.t;
    for level in 0..=u64::from(PRIORITY_MAX) {
        if let Some(first) = q.first_of(level)?
            && let Some(r) = q.read(&first)?
        {
            oldest = oldest.min(r.since_ms);
        }
    }
    let mut figures = [0; 10];
    for (figure, set) in figures.iter_mut().zip([READY, LEASES, DELAYED, WAITING, DEAD, DONE]) {
        *figure = q.int(b"ZCARD", set, [])?;
    }
    let meta = items(q.call(b"HMGET", META, [b"id", b"fence", b"paused"])?)?;
    for (figure, value) in figures.iter_mut().skip(6).zip(meta) {
        *figure = optional(value)?.map_or(0, |text| number(&text).unsigned_abs());
    }
    figures[9] = q.t.saturating_sub(oldest);
    Ok(ints(figures))
}

fn show(q: &mut Queue<'_, '_, '_, '_>, args: &[&[u8]]) -> Result<Reply> {
    let mut ids = vec![Bytes::copy_from_slice(arg(args, 0))];
    if arg(args, 0).is_empty() {
        let set = (int(args, 1) as usize).saturating_sub(1);
        ids = q.strings(b"ZRANGE", set, [arg(args, 2), arg(args, 3)])?;
        for id in &mut ids {
            if let Some(split) = id.len().checked_sub(17)
                && id.get(split) == Some(&END)
            {
                *id = digits(number(id.get(split + 1..).unwrap_or_default()).unsigned_abs()).into();
            }
        }
    }
    let mut out = Vec::new();
    for id in ids {
        let Some(text) = q.field(STATE, &id)? else { continue };
        let payload = q.field(JOBS, &id)?.map_or(Reply::Null, bulk);
        let errors = q.field(ERRORS, &id)?.map_or(Reply::Null, bulk);
        out.push(Reply::Array(vec![bulk(id), bulk(text), payload, errors]));
    }
    Ok(Reply::Array(out))
}

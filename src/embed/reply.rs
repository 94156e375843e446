//! From a command's reply to the type that its method returns.

use super::{Bytes, Error, Result};
use crate::reply::Reply;

fn unexpected<T>(reply: Reply) -> Result<T> {
    Err(Error::UnexpectedReply(reply))
}

pub(super) fn int(reply: Reply) -> Result<i64> {
    match reply {
        Reply::Int(value) => Ok(value),
        other => unexpected(other),
    }
}

/// A count or a length.
pub(super) fn count(reply: Reply) -> Result<u64> {
    match reply {
        Reply::Int(value) if value >= 0 => Ok(value.unsigned_abs()),
        other => unexpected(other),
    }
}

pub(super) fn flag(reply: Reply) -> Result<bool> {
    match reply {
        Reply::Int(0) | Reply::Boolean(false) => Ok(false),
        Reply::Int(1) | Reply::Boolean(true) => Ok(true),
        other => unexpected(other),
    }
}

pub(super) fn ok(reply: Reply) -> Result<()> {
    match reply {
        Reply::Simple(_) => Ok(()),
        other => unexpected(other),
    }
}

pub(super) fn string(reply: Reply) -> Result<Bytes> {
    match reply {
        Reply::Bulk(bytes) => Ok(bytes),
        other => unexpected(other),
    }
}

pub(super) fn optional<T>(reply: Reply, some: impl FnOnce(Reply) -> Result<T>) -> Result<Option<T>> {
    match reply {
        Reply::Null => Ok(None),
        other => some(other).map(Some),
    }
}

pub(super) fn float(reply: Reply) -> Result<f64> {
    match reply {
        Reply::Double(value) => Ok(value),
        other => {
            let text = other.as_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok());
            match text.and_then(|text| text.parse().ok()) {
                Some(value) => Ok(value),
                None => unexpected(other),
            }
        }
    }
}

/// A sequence whose elements `each` converts.
pub(super) fn list<T>(reply: Reply, each: impl FnMut(Reply) -> Result<T>) -> Result<Vec<T>> {
    match reply {
        Reply::Array(items) | Reply::Set(items) => items.into_iter().map(each).collect(),
        other => unexpected(other),
    }
}

pub(super) fn strings(reply: Reply) -> Result<Vec<Bytes>> {
    list(reply, string)
}

/// A sequence of two.
pub(super) fn pair<A, B>(
    reply: Reply,
    first: impl FnOnce(Reply) -> Result<A>,
    second: impl FnOnce(Reply) -> Result<B>,
) -> Result<(A, B)> {
    let Reply::Array(items) = reply else { return unexpected(reply) };
    match <[Reply; 2]>::try_from(items) {
        Ok([a, b]) => Ok((first(a)?, second(b)?)),
        Err(items) => unexpected(Reply::Array(items)),
    }
}

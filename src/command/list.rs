//! List commands.

use super::args::Args;
use super::error::CommandError;
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use crate::engine::{Delivery, Entered, Undo, Wait, Waiting};
use crate::reply::{Reply, Sink};
use crate::shard::{Inserted, Key, Keyspace};
use bytes::Bytes;

/// The family's rows.
pub const COMMANDS: &[Command] = &[
    row("LPUSH", -3, &[Write, DenyOom, Fast], Keys::FIRST, Run::Key(lpush)).of(Group::List, "1.0.0").doc(
        "key element [element ...]",
        "Prepends elements.",
        "O(1) for each element",
    ),
    row("RPOP", -2, &[Write, Fast], Keys::FIRST, Run::Key(rpop)).of(Group::List, "1.0.0").doc(
        "key [count]",
        "Pops.",
        "O(1)",
    ),
    row(
        "BRPOP",
        -3,
        &[Write, Blocking, NoScript],
        Keys::Range { first: 1, last: -2, step: 1 },
        Run::Wait(brpop),
    )
    .of(Group::List, "2.0.0")
    .doc("key [key ...] timeout", "Pops or waits.", "O(1)"),
];

fn lpush(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let elements = args.rest();
    let len = keys.update_list(key, elements, Inserted::Always, |list| {
        list.extend_front(elements.iter().copied());
        list.len()
    })?;
    out.int(len.unwrap_or(0) as i64);
    Ok(())
}

fn rpop(
    keys: &mut Keyspace<'_>,
    key: Key<'_>,
    _: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let popped = keys.update_list(key, &[], Inserted::Never, |list| {
        list.pop_back(|element| element.with_bytes(|bytes| out.bulk(bytes)))
    })?;
    if popped.flatten().is_none() {
        out.null();
    }
    Ok(())
}

fn brpop(
    entered: &mut Entered<'_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<Option<Wait>, CommandError> {
    let wanted = args.take(args.left().saturating_sub(1))?;
    let timeout_ms = args.timeout()?;
    for &name in wanted {
        let (mut keys, key) = entered.at(name);
        let popped = keys.update_list(key, &[], Inserted::Never, |list| {
            list.pop_back(|element| {
                out.array(2);
                out.bulk(name);
                element.with_bytes(|bytes| out.bulk(bytes));
            })
        })?;
        if popped.flatten().is_some() {
            return Ok(None);
        }
    }
    let keys = wanted.iter().map(|&key| key.into()).collect();
    Ok(Some(Wait { keys, op: Box::new(Pop), timeout_ms }))
}

#[derive(Debug)]
struct Pop;

impl Waiting for Pop {
    fn serve(
        &self,
        entered: &mut Entered<'_>,
        db: usize,
        key: &[u8],
    ) -> Option<Result<Delivery, CommandError>> {
        let (mut keys, routed) = entered.at_db(db, key);
        let element = keys
            .update_list(routed, &[], Inserted::Never, |list| list.pop_back(|element| element.to_shared()))
            .ok()
            .flatten()
            .flatten()?;
        let name: Box<[u8]> = key.into();
        let reply =
            Reply::Array(vec![Reply::Bulk(Bytes::copy_from_slice(key)), Reply::Bulk(element.clone())]);
        let undo = Undo {
            db,
            keys: vec![name.clone()],
            run: Box::new(move |entered| {
                let (mut keys, routed) = entered.at_db(db, &name);
                // A key that became another type meanwhile has no end to put it back to.
                let _ =
                    keys.update_list(routed, &[&element], Inserted::Always, |list| list.push_back(&element));
            }),
        };
        Some(Ok(Delivery { reply, undo: Some(undo) }))
    }
}

//! The typed calls of streams.

use super::*;

fn ids(entries: &[StreamEntry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.id.ms).collect()
}

#[test]
fn the_typed_calls_do_what_the_commands_do() -> Result<()> {
    let db = Damselfly::in_memory();
    let stream = db.stream("s");
    assert_eq!(stream.info()?, None);
    assert_eq!(stream.add_with([("f", "v")], AddOptions::new().no_create())?, None);
    for n in 1..=5 {
        let options = AddOptions::new().id(Id::new(n, 0)).trim(StreamTrim::max_len(4));
        assert_eq!(stream.add_with([("f", n.to_string())], options)?, Some(Id::new(n, 0)));
    }
    assert_eq!(ids(&stream.range(.., 10)?), [2, 3, 4, 5]);
    assert_eq!(ids(&stream.range(Id::new(3, 0)..Id::new(5, 0), 10)?), [3, 4]);
    assert_eq!(ids(&stream.range_reverse(.., 2)?), [5, 4]);
    assert_eq!(stream.trim(StreamTrim::min_id(Id::new(3, 0)))?, 1);
    assert_eq!(stream.trim(StreamTrim::max_len(1).approximately().limit(10))?, 0);
    assert!(stream.trim(StreamTrim::max_len(1).limit(10)).is_err());
    assert_eq!(stream.delete([Id::new(4, 0), Id::new(9, 9)])?, 1);
    assert_eq!((stream.delete([])?, stream.len()?, stream.is_empty()?), (0, 2, false));
    stream.set_id(Id::new(7, 0), Some(9), None)?;
    let info = stream.info()?.expect("it exists");
    assert_eq!((info.len, info.last_id, info.entries_added), (2, Id::new(7, 0), 9));
    assert_eq!(info.last.and_then(|entry| entry.get("f").cloned()), Some(Bytes::from_static(b"5")));
    Ok(())
}

#[test]
fn a_group_by_typed_calls() -> Result<()> {
    let db = Damselfly::in_memory();
    let stream = db.stream("s");
    assert!(stream.create_group("g", Id::MIN, false).is_err());
    assert!(stream.create_group("g", ReadFrom::New, true)?);
    assert!(!stream.create_group("g", ReadFrom::New, true)?);
    let added: Vec<Id> = (0..3).map(|n| stream.add([("n", n.to_string())])).collect::<Result<_>>()?;
    let read = |consumer: &str, from: ReadFrom, max| {
        let entries = stream.read_group("g", consumer, from, max, Some(Duration::ZERO)).wait()?;
        Ok::<Vec<Id>, Error>(entries.into_iter().map(|entry| entry.id).collect())
    };
    assert_eq!(read("alice", ReadFrom::New, 2)?, added[..2]);
    assert_eq!(read("bob", ReadFrom::New, 9)?, added[2..]);
    assert_eq!(read("bob", ReadFrom::New, 9)?, []);
    assert_eq!(read("alice", Id::MIN.into(), 9)?, added[..2]);
    let pending = stream.pending("g", Some(b"alice"), .., Duration::ZERO, 10)?;
    assert_eq!(pending.iter().map(|pending| pending.deliveries).collect::<Vec<_>>(), [2, 2]);
    let claimed = stream.claim("g", "bob", Duration::ZERO, [added[0]], ClaimOptions::new().deliveries(7))?;
    assert_eq!(claimed[0].id, added[0]);
    assert_eq!(stream.delete([added[1]])?, 1);
    assert_eq!(
        stream.read_group("g", "alice", Id::MIN, 9, None).wait()?,
        [StreamEntry { id: added[1], fields: Vec::new() }]
    );
    let done = stream.autoclaim("g", "carol", Duration::ZERO, Id::MIN, 10)?;
    assert_eq!((done.next, done.entries.len(), done.deleted), (Id::MIN, 2, vec![added[1]]));
    assert_eq!(stream.ack("g", added.iter().copied())?, 2);
    let group = &stream.groups()?[0];
    assert_eq!((&group.name[..], group.consumers, group.pending), (&b"g"[..], 3, 0));
    let consumers = stream.consumers("g")?;
    assert_eq!(&consumers[2].name[..], b"carol");
    assert!(consumers.iter().all(|consumer| consumer.inactive.is_some()));
    assert!(stream.create_consumer("g", "dave")?);
    assert_eq!(stream.delete_consumer("g", "dave")?, 0);
    stream.set_group_id("g", Id::MIN)?;
    assert!(stream.destroy_group("g")? && !stream.destroy_group("g")?);
    assert_eq!(db.stream("none").groups()?, []);
    Ok(())
}

#[test]
fn several_streams_are_read_together() -> Result<()> {
    let db = Damselfly::in_memory();
    let id = db.stream("b").add([("f", "v")])?;
    let streams = [("a", ReadFrom::New), ("b", Id::MIN.into())];
    let read = db.xread(streams, 10, None).wait()?;
    assert_eq!(read.len(), 1);
    assert_eq!((&read[0].0[..], read[0].1[0].id), (&b"b"[..], id));
    db.stream("b").create_group("g", Id::MIN, false)?;
    let read = db.xread_group("g", "c", [("b", ReadFrom::New)], 10, None).wait()?;
    assert_eq!(read[0].1[0].id, id);
    assert!(db.xread([("a", ReadFrom::New)], 1, Some(Duration::from_millis(2))).wait()?.is_empty());
    Ok(())
}

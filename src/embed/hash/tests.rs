//! The typed handle of a hash.

use super::*;
use crate::clock::Clock;
use crate::config::Config;
use crate::embed::Error;

const MINUTE: Duration = Duration::from_secs(60);

fn texts(values: Vec<Bytes>) -> Vec<String> {
    values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

fn clocked() -> Damselfly {
    Damselfly::with_clock(Config::default(), Clock::manual(1_700_000_000_000)).expect("a good configuration")
}

#[test]
fn fields_are_set_read_and_removed() -> Result<()> {
    let db = Damselfly::in_memory();
    // The same in the key's entry and beyond.
    for (key, filler) in [("small", 1), ("large", 5000)] {
        let hash = db.hash(key);
        assert!(hash.is_empty()?);
        assert!(hash.set("filler", vec![b'x'; filler])?);
        assert_eq!(hash.set_many([("a", "1"), ("b", "2"), ("a", "3")])?, 2);
        assert!(!hash.set("b", "two")?);
        assert_eq!(hash.set_many::<&str, &str>([])?, 0);
        assert_eq!(hash.get("a")?.as_deref(), Some(&b"3"[..]));
        assert_eq!(hash.get("none")?, None);
        assert_eq!(hash.get_many(["b", "none"])?, [Some(Bytes::from("two")), None]);
        assert!(hash.contains("a")? && !hash.contains("none")?);
        assert_eq!((hash.len()?, hash.value_len("b")?, hash.value_len("none")?), (3, 3, 0));
        assert_eq!(texts(hash.fields()?), ["filler", "a", "b"]);
        assert_eq!(hash.get_all()?.len(), 3);
        assert_eq!(hash.values()?.len(), 3);
        assert!(!hash.set_nx("a", "x")? && hash.set_nx("c", "x")?);
        assert_eq!(hash.increment("n", 5)?, 5);
        assert_eq!(hash.increment_float("n", 0.5)?, 5.5);
        assert!(hash.increment("a", i64::MAX).is_err() && hash.increment("b", 1).is_err());
        assert!(hash.increment_float("n", f64::NAN).is_err());
        assert_eq!(hash.remove(["a", "none"])?, 1);
        assert_eq!(hash.get_del(["b", "none"])?, [Some(Bytes::from("two")), None]);
        assert_eq!(hash.remove(["filler", "c", "n"])?, 3);
        assert!(!db.exists(key)?);
    }
    db.set("s", "x")?;
    let wrong = Err(Error::Command(CommandError::WrongType));
    assert_eq!((db.hash("s").get("a"), db.hash("s").key()), (wrong, &b"s"[..]));
    Ok(())
}

#[test]
fn random_fields_and_walks_reach_everything() -> Result<()> {
    let db = Damselfly::in_memory();
    for len in [5, 2000] {
        let key = format!("h{len}");
        let hash = db.hash(&key);
        hash.set_many((0..len).map(|n| (format!("f{n}"), n.to_string())))?;
        let mut walked: Vec<_> = hash.scan().count(7).collect::<Result<_>>()?;
        walked.sort();
        let mut all = hash.get_all()?;
        all.sort();
        assert_eq!(walked, all);
        assert_eq!(
            hash.scan().matching("f1*").collect::<Vec<_>>().len(),
            all.iter().filter(|(f, _)| f.starts_with(b"f1")).count()
        );
        assert!(hash.random()?.is_some_and(|pair| all.contains(&pair)));
        let mut some = hash.random_count(4)?;
        some.sort();
        some.dedup();
        assert_eq!(some.len(), 4);
        assert_eq!(hash.random_count(u64::MAX)?.len(), all.len());
        assert_eq!(hash.random_draws(50)?.len(), 50);
        assert!(hash.random_draws(u64::MAX).is_err());
    }
    assert_eq!((db.hash("none").random()?, db.hash("none").scan().next()), (None, None));
    Ok(())
}

#[test]
fn deadlines_of_fields_are_set_told_and_kept_to() -> Result<()> {
    let db = clocked();
    let hash = db.hash("h");
    hash.set_many([("a", "1"), ("b", "2"), ("c", "3")])?;
    assert_eq!(hash.expire(["a", "none"], MINUTE)?, [FieldExpiry::Set, FieldExpiry::NoField]);
    assert_eq!(hash.expire_if(["a"], MINUTE, Condition::NoDeadline)?, [FieldExpiry::Refused]);
    assert_eq!(
        hash.ttl(["a", "b", "none"])?,
        [Lifetime::Limited(MINUTE), Lifetime::Forever, Lifetime::NoKey]
    );
    let at = UNIX_EPOCH + Duration::from_millis(1_700_000_120_000);
    assert_eq!(hash.expire_at(["b"], at)?, [FieldExpiry::Set]);
    assert_eq!(hash.expire_at_if(["c"], at, Condition::HasDeadline)?, [FieldExpiry::Refused]);
    assert_eq!(hash.expire_time(["b", "c"])?, [Lifetime::Limited(at), Lifetime::Forever]);
    assert_eq!(hash.expire(["c"], Duration::ZERO)?, [FieldExpiry::Removed]);
    db.engine().advance(MINUTE + Duration::from_millis(1));
    assert_eq!((hash.get("a")?, hash.len()?), (None, 1));
    assert_eq!(
        hash.persist(["a", "b", "b"])?,
        [FieldPersisted::NoField, FieldPersisted::Persisted, FieldPersisted::NoDeadline]
    );
    assert_eq!(hash.get_ex(["b", "none"], Touch::In(MINUTE))?, [Some(Bytes::from("2")), None]);
    assert_eq!(hash.get_ex(["b"], Touch::Persist)?, hash.get_ex(["b"], Touch::Keep)?);
    assert_eq!(hash.ttl(["b"])?, [Lifetime::Forever]);
    let options = HashSetOptions::new();
    assert!(hash.set_with([("b", "3"), ("d", "4")], options.xx().ex(MINUTE))?);
    assert!(hash.set_with([("b", "4")], options.fxx().keep_ttl())?);
    assert!(!hash.set_with([("b", "5")], options.nx())? && !hash.set_with([("b", "5")], options.fnx())?);
    assert_eq!(hash.ttl(["b", "d"])?, [Lifetime::Limited(MINUTE); 2]);
    assert!(hash.set_with([("e", "1")], options.ex_at(at + MINUTE))?);
    assert_eq!(hash.get_ex(["e"], Touch::At(UNIX_EPOCH))?, [Some(Bytes::from("1"))]);
    assert!(!hash.contains("e")?);
    Ok(())
}

#[test]
fn fields_that_are_due_go_though_nobody_comes_by() -> Result<()> {
    let db = clocked();
    let many = db.hash("many");
    // More than one step removes.
    many.set_many((0..5000).map(|n| (format!("f{n}"), "v")))?;
    many.expire((0..4999).map(|n| format!("f{n}")), MINUTE)?;
    db.hash("all").set_with([("a", "1"), ("b", "2")], HashSetOptions::new().ex(MINUTE))?;
    db.copy("all", "copy")?;
    db.engine().advance(2 * MINUTE);
    let gone = (0..1000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        db.engine().totals().expired_fields == 4999 + 4
    });
    assert!(gone, "{}", db.engine().totals().expired_fields);
    assert_eq!((db.dbsize()?, many.len()?), (1, 1));
    Ok(())
}

//! The typed handle says what the commands say.

use super::*;
use crate::embed::Aggregate;
use std::ops::Bound;
use std::time::Duration;

fn scored(pairs: &[(&'static str, f64)]) -> Vec<Scored> {
    pairs.iter().map(|(member, score)| (Bytes::from_static(member.as_bytes()), *score)).collect()
}

#[test]
fn what_is_added_is_told_apart_by_options() -> Result<()> {
    let db = Damselfly::in_memory();
    let zset = db.zset("z");
    assert!(zset.is_empty()?);
    assert!(zset.insert("a", 1.0)?);
    assert!(!zset.insert("a", 2.0)?);
    assert_eq!(zset.add([(1.5, "b"), (9.0, "a")])?, 1);
    let options = AddOptions::new;
    assert_eq!(zset.add_with([(5.0, "a"), (3.0, "c")], options().only_new())?, 1);
    assert_eq!(zset.add_with([(10.0, "a"), (3.0, "d")], options().only_existing())?, 0);
    assert_eq!(zset.add_with([(9.0, "a"), (4.0, "c")], options().only_greater().count_changed())?, 1);
    assert_eq!(zset.add_with([(8.0, "a"), (7.0, "c")], options().only_less().count_changed())?, 1);
    assert_eq!(zset.scores(["a", "b", "c", "d"])?, [Some(8.0), Some(1.5), Some(4.0), None]);
    assert!(zset.add_with([(1.0, "a")], options().only_new().only_existing()).is_err());
    assert!(zset.add_with([(1.0, "a")], options().only_less().only_greater()).is_err());
    assert_eq!(zset.insert("a", f64::NAN), Err(CommandError::NotAFloat.into()));
    assert_eq!(zset.increment("a", f64::INFINITY)?, f64::INFINITY);
    assert!(zset.increment("a", f64::NEG_INFINITY).is_err());
    assert_eq!(zset.remove(["a", "b", "x"])?, 2);
    assert!(!zset.contains("a")?);
    db.set("s", "v")?;
    assert_eq!(db.zset("s").insert("a", 1.0), Err(CommandError::WrongType.into()));
    assert_eq!(db.zset("s").len(), Err(CommandError::WrongType.into()));
    Ok(())
}

#[test]
fn stretches_mean_the_same_shown_counted_stored_and_removed() -> Result<()> {
    let db = Damselfly::in_memory();
    for large in [false, true] {
        let zset = db.zset("z");
        db.del("z")?;
        if large {
            zset.insert("x".repeat(100), 0.0)?;
        }
        zset.add([(1.0, "a"), (2.0, "b"), (2.0, "c"), (3.5, "d")])?;
        zset.remove(["x".repeat(100)])?;
        for (stretch, members) in [
            (Stretch::all(), &["a", "b", "c", "d"][..]),
            (Stretch::ranks(1, -2), &["b", "c"]),
            (Stretch::ranks(0, 1).rev(), &["d", "c"]),
            (Stretch::scores(2.0..3.5), &["b", "c"]),
            (Stretch::scores((Bound::Excluded(2.0), Bound::Unbounded)), &["d"]),
            (Stretch::scores(..=2.0).rev(), &["c", "b", "a"]),
            (Stretch::scores(..).rev().limit(1, 2), &["c", "b"]),
            (Stretch::scores(5.0..1.0), &[]),
        ] {
            assert_eq!(zset.range(stretch.clone())?, members, "{stretch:?}");
            let with_scores = zset.range_with_scores(stretch.clone())?;
            assert!(with_scores.iter().all(|(member, score)| zset.score(member) == Ok(Some(*score))));
            assert_eq!(zset.store_range("copy", stretch.clone())?, members.len() as u64);
            assert_eq!(db.zset("copy").len()?, members.len() as u64);
            db.copy_with("z", "rest", crate::embed::CopyOptions::new().replace())?;
            assert_eq!(db.zset("rest").remove_range(stretch)?, members.len() as u64);
            assert_eq!(db.zset("rest").len()?, 4 - members.len() as u64);
        }
        assert_eq!(zset.count(2.0..)?, 3);
        assert_eq!(zset.rank("c")?, Some(2));
        assert_eq!(zset.rank_with_score("c")?, Some((2, 2.0)));
        assert_eq!(zset.rev_rank("c")?, Some(1));
        assert_eq!(zset.rev_rank_with_score("x")?, None);
        assert_eq!(zset.scan().collect::<Result<Vec<_>>>()?.len(), 4);
        assert_eq!(zset.random_count(9)?.len(), 4);
        assert_eq!(zset.random_draws(9)?.len(), 9);
        assert!(zset.random()?.is_some());
        assert_eq!(zset.pop_min()?, Some((Bytes::from_static(b"a"), 1.0)));
        assert_eq!(zset.pop_max_count(2)?, scored(&[("d", 3.5), ("c", 2.0)]));
        assert_eq!(zset.pop_min_count(9)?, scored(&[("b", 2.0)]));
        assert_eq!(zset.pop_max()?, None);
        assert!(!db.exists("z")?);
    }
    let words = db.zset("words");
    words.add([(0.0, "ant"), (0.0, "bee"), (0.0, "cat")])?;
    assert_eq!(words.count_members("b"..)?, 2);
    assert_eq!(words.count_members::<&str>(..)?, 3);
    assert_eq!(words.store_range("copy", Stretch::members("b".."cat").rev())?, 1);
    Ok(())
}

#[test]
fn sets_are_combined() -> Result<()> {
    let db = Damselfly::in_memory();
    db.zset("x").add([(1.0, "a"), (2.0, "b")])?;
    db.zset("y").add([(10.0, "b"), (20.0, "c")])?;
    db.set_of("s").add(["b"])?;
    let keys = ["x", "y"];
    assert_eq!(db.zunion(keys, Weighing::new())?, scored(&[("a", 1.0), ("b", 12.0), ("c", 20.0)]));
    let min = Weighing::new().weights([1.0, 0.1]).aggregate(Aggregate::Min);
    assert_eq!(db.zinter(keys, min)?, scored(&[("b", 1.0)]));
    assert_eq!(db.zdiff(["x", "s"])?, scored(&[("a", 1.0)]));
    assert_eq!(db.zunionstore("out", keys, Weighing::new())?, 3);
    assert_eq!(db.zinterstore("out", ["x", "s"], Weighing::new().aggregate(Aggregate::Max))?, 1);
    assert_eq!(db.zset("out").score("b")?, Some(2.0));
    assert_eq!(db.zdiffstore("out", keys)?, 1);
    assert_eq!(db.zintercard(keys, None)?, 1);
    assert_eq!(db.zintercard(keys, Some(0))?, 0);
    assert!(db.zunion(keys, Weighing::new().weights([1.0])).is_err());
    assert!(db.zunion([""; 0], Weighing::new()).is_err());
    let popped = db.zmpop(["none", "x"], Extreme::Max, 9)?;
    assert_eq!(popped, Some((Bytes::from_static(b"x"), scored(&[("b", 2.0), ("a", 1.0)]))));
    Ok(())
}

#[test]
fn waits_end_with_a_member_or_with_the_time() -> Result<()> {
    let db = Damselfly::in_memory();
    assert_eq!(db.bzpopmin_blocking(["z"], Some(Duration::ZERO))?, None);
    assert_eq!(db.bzmpop_blocking(["z"], Extreme::Min, 2, Some(Duration::from_millis(1)))?, None);
    let waiting = {
        let db = db.clone();
        std::thread::spawn(move || db.bzpopmax_blocking(["y", "z"], None))
    };
    db.zset("z").add([(1.0, "a"), (2.5, "b")])?;
    let (key, member, score) = waiting.join().expect("no panic")?.expect("added");
    assert_eq!((&key[..], score), (&b"z"[..], if member == "b" { 2.5 } else { 1.0 }));
    let popped = db.bzmpop_blocking(["z"], Extreme::Min, 5, None)?;
    assert_eq!(popped.map(|(_, members)| members.len()), Some(1));
    Ok(())
}

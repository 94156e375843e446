//! The typed handle in process: what each call means, waits that are cancelled, several engines, many threads.
//!
//! The commands behind the calls are held to Redis' behaviour by tests/commands; here it is that the handle says the
//! same in types, and what only a handle can do.

#![expect(clippy::disallowed_methods, reason = "what is tested is measured from outside")]
#![allow(missing_docs, clippy::unwrap_used)]

use damselfly::clock::Clock;
use damselfly::command::error::CommandError;
use damselfly::config::Config;
use damselfly::embed::{
    Bytes, Condition, CopyOptions, Damselfly, End, Error, Lifetime, Position, Positions, SetOptions, Touch,
    Type,
};
use damselfly::reply::Reply;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const START_MS: u64 = 1_700_000_000_000;

/// An engine whose clock stands still.
fn still() -> Damselfly {
    Damselfly::with_clock(Config::default(), Clock::manual(START_MS)).unwrap()
}

fn some(text: &str) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(text.as_bytes()))
}

fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> CommandError {
    match result {
        Err(Error::Command(error)) => error,
        other => panic!("not refused: {other:?}"),
    }
}

// ---- Strings ---------------------------------------------------------------------------------------------------

#[test]
fn strings_are_set_read_and_taken() {
    let db = still();
    assert_eq!(db.get("k").unwrap(), None);
    db.set("k", "value").unwrap();
    assert_eq!(db.get("k").unwrap(), some("value"));
    assert_eq!(db.get_with("k", |bytes| bytes.len()).unwrap(), Some(5));
    assert_eq!(db.get_with("nope", |bytes| bytes.len()).unwrap(), None);
    assert_eq!(db.get_set("k", "other").unwrap(), some("value"));
    assert_eq!(db.get_del("k").unwrap(), some("other"));
    assert!(!db.exists("k").unwrap());
    let long = vec![7u8; 5000];
    db.set(b"long", &long).unwrap();
    assert_eq!(db.get(b"long").unwrap().unwrap(), long);
    assert_eq!(db.get_with(b"long", <[u8]>::to_vec).unwrap().unwrap(), long);
    assert_eq!(db.strlen("long").unwrap(), 5000);
    assert_eq!(db.strlen("nope").unwrap(), 0);
}

#[test]
fn numbers_go_up_and_down() {
    let db = still();
    assert_eq!(db.incr("n").unwrap(), 1);
    assert_eq!(db.incr_by("n", 41).unwrap(), 42);
    assert_eq!(db.decr("n").unwrap(), 41);
    assert_eq!(db.decr_by("n", 1).unwrap(), 40);
    assert_eq!(db.get_int("n").unwrap(), Some(40));
    assert_eq!(db.get_with("n", <[u8]>::to_vec).unwrap().unwrap(), b"40");
    assert_eq!(db.get_int("nope").unwrap(), None);
    db.set("max", i64::MAX.to_string()).unwrap();
    assert_eq!(refused(db.incr("max")), CommandError::Overflow);
    db.set("text", "x").unwrap();
    assert_eq!(refused(db.incr("text")), CommandError::NotAnInteger);
    assert_eq!(refused(db.get_int("text")), CommandError::NotAnInteger);
    assert!(refused(db.decr_by("n", i64::MIN)).to_string().contains("overflow"));
    assert_eq!(db.incr_by_float("f", 1.5).unwrap(), 1.5);
    assert_eq!(db.incr_by_float("f", -0.25).unwrap(), 1.25);
}

#[test]
fn set_with_keeps_its_conditions_and_deadlines() {
    let db = still();
    let set = |options| db.set_with("k", "v", options).unwrap();
    assert!(!set(SetOptions::new().xx()).stored);
    assert!(set(SetOptions::new().nx().ex(Duration::from_secs(10))).stored);
    assert!(!set(SetOptions::new().nx()).stored);
    assert_eq!(db.ttl("k").unwrap(), Lifetime::Limited(Duration::from_secs(10)));
    assert!(set(SetOptions::new().keep_ttl()).stored);
    assert_eq!(db.ttl("k").unwrap(), Lifetime::Limited(Duration::from_secs(10)));
    assert!(set(SetOptions::new().px(Duration::from_millis(1500))).stored);
    assert_eq!(db.ttl("k").unwrap(), Lifetime::Limited(Duration::from_millis(1500)));
    let at = UNIX_EPOCH + Duration::from_millis(START_MS + 7000);
    assert!(set(SetOptions::new().ex_at(at)).stored);
    assert_eq!(db.expire_time("k").unwrap(), Lifetime::Limited(at));
    assert!(set(SetOptions::new()).stored);
    assert_eq!(db.ttl("k").unwrap(), Lifetime::Forever);
    let outcome = db.set_with("k", "w", SetOptions::new().get()).unwrap();
    assert_eq!((outcome.stored, outcome.previous), (true, some("v")));
    let outcome = db.set_with("k", "x", SetOptions::new().nx().get()).unwrap();
    assert_eq!((outcome.stored, outcome.previous), (false, some("w")));
    let outcome = db.set_with("new", "x", SetOptions::new().xx().get()).unwrap();
    assert_eq!((outcome.stored, outcome.previous), (false, None));
    let zero = SetOptions::new().ex(Duration::ZERO);
    assert_eq!(refused(db.set_with("k", "v", zero)), CommandError::InvalidExpire("set"));
    // A time too short for a millisecond still is one.
    assert!(set(SetOptions::new().px(Duration::from_nanos(1))).stored);
    assert_eq!(db.ttl("k").unwrap(), Lifetime::Limited(Duration::from_millis(1)));
}

#[test]
fn get_ex_changes_the_deadline_as_it_reads() {
    let db = still();
    db.set("k", "v").unwrap();
    assert_eq!(db.get_ex("k", Touch::In(Duration::from_secs(5))).unwrap(), some("v"));
    assert_eq!(db.ttl("k").unwrap(), Lifetime::Limited(Duration::from_secs(5)));
    assert_eq!(db.get_ex("k", Touch::Keep).unwrap(), some("v"));
    assert_eq!(db.ttl("k").unwrap(), Lifetime::Limited(Duration::from_secs(5)));
    assert_eq!(db.get_ex("k", Touch::Persist).unwrap(), some("v"));
    assert_eq!(db.ttl("k").unwrap(), Lifetime::Forever);
    let at = UNIX_EPOCH + Duration::from_millis(START_MS + 9000);
    assert_eq!(db.get_ex("k", Touch::At(at)).unwrap(), some("v"));
    assert_eq!(db.expire_time("k").unwrap(), Lifetime::Limited(at));
    assert_eq!(db.get_ex("nope", Touch::Keep).unwrap(), None);
}

#[test]
fn several_keys_are_read_and_written_at_once() {
    let db = still();
    db.mset([("a", "1"), ("b", "2")]).unwrap();
    db.rpush("list", ["x"]).unwrap();
    assert_eq!(db.mget(["a", "nope", "list", "b"]).unwrap(), [some("1"), None, None, some("2")]);
    assert!(!db.mset_nx([("c", "3"), ("a", "9")]).unwrap());
    assert!(db.mset_nx([("c", "3"), ("d", "4")]).unwrap());
    assert_eq!(db.mget(["a", "c", "d"]).unwrap(), [some("1"), some("3"), some("4")]);
    // Of nothing, nothing is made.
    assert_eq!(db.mget::<&str>([]).unwrap(), Vec::<Option<Bytes>>::new());
    db.mset::<&str, &str>([]).unwrap();
    assert!(db.mset_nx::<&str, &str>([]).unwrap());
}

#[test]
fn parts_of_strings_are_read_and_written() {
    let db = still();
    assert_eq!(db.append("k", "Hello").unwrap(), 5);
    assert_eq!(db.append("k", " World").unwrap(), 11);
    assert_eq!(db.get_range("k", 0, 4).unwrap(), "Hello");
    assert_eq!(db.get_range("k", -5, -1).unwrap(), "World");
    assert_eq!(db.set_range("k", 6, "Redis").unwrap(), 11);
    assert_eq!(db.get("k").unwrap(), some("Hello Redis"));
    assert_eq!(db.set_range("gap", 3, "x").unwrap(), 4);
    assert_eq!(db.get("gap").unwrap().unwrap(), &b"\0\0\0x"[..]);
    assert_eq!(refused(db.set_range("k", u64::MAX, "x")), CommandError::StringTooLong);
}

#[test]
fn the_longest_common_subsequence_comes_as_text_length_and_runs() {
    let db = still();
    db.mset([("a", "ohmytext"), ("b", "mynewtext")]).unwrap();
    assert_eq!(db.lcs("a", "b").unwrap(), "mytext");
    assert_eq!(db.lcs_len("a", "b").unwrap(), 6);
    let found = db.lcs_matches("a", "b", 4).unwrap();
    assert_eq!((found.len, found.matches.len()), (6, 1));
    let run = &found.matches[0];
    assert_eq!((run.first.clone(), run.second.clone(), run.len), (4..=7, 5..=8, 4));
}

// ---- Keys ------------------------------------------------------------------------------------------------------

#[test]
fn keys_are_counted_deleted_and_typed() {
    let db = still();
    db.mset([("a", "1"), ("b", "2"), ("c", "3")]).unwrap();
    db.rpush("list", ["x"]).unwrap();
    assert_eq!(db.dbsize().unwrap(), 4);
    assert_eq!(db.type_of("a").unwrap(), Some(Type::String));
    assert_eq!(db.type_of("list").unwrap(), Some(Type::List));
    assert_eq!(db.type_of("nope").unwrap(), None);
    assert_eq!(db.exists_many(["a", "a", "nope"]).unwrap(), 2);
    assert!(db.touch("a").unwrap() && !db.touch("nope").unwrap());
    assert_eq!(db.touch_many(["a", "b", "nope"]).unwrap(), 2);
    assert!(db.del("a").unwrap() && !db.del("a").unwrap());
    assert!(db.unlink("b").unwrap() && !db.unlink("b").unwrap());
    assert_eq!(db.del_many(["c", "nope"]).unwrap(), 1);
    assert_eq!(db.unlink_many(["list", "c"]).unwrap(), 1);
    assert_eq!(db.dbsize().unwrap(), 0);
    assert_eq!(db.random_key().unwrap(), None);
}

#[test]
fn deadlines_are_set_kept_and_taken_away() {
    let db = still();
    db.set("k", "v").unwrap();
    let secs = Duration::from_secs;
    assert_eq!(db.ttl("k").unwrap(), Lifetime::Forever);
    assert_eq!(db.expire_time("nope").unwrap(), Lifetime::NoKey);
    assert!(!db.expire("nope", secs(1)).unwrap());
    assert!(!db.expire_if("k", secs(5), Condition::HasDeadline).unwrap());
    assert!(db.expire_if("k", secs(5), Condition::NoDeadline).unwrap());
    assert!(!db.expire_if("k", secs(4), Condition::Later).unwrap());
    assert!(db.expire_if("k", secs(4), Condition::Earlier).unwrap());
    assert_eq!(db.ttl("k").unwrap().limit(), Some(secs(4)));
    let at = UNIX_EPOCH + Duration::from_millis(START_MS + 60_000);
    assert!(db.expire_at("k", at).unwrap());
    assert_eq!(db.expire_time("k").unwrap(), Lifetime::Limited(at));
    assert!(!db.expire_at_if("k", at - secs(1), Condition::Later).unwrap());
    assert!(db.persist("k").unwrap() && !db.persist("k").unwrap() && !db.persist("nope").unwrap());
    assert!(db.expire("k", Duration::from_millis(250)).unwrap());
    db.engine().advance(Duration::from_millis(251));
    assert_eq!(db.get("k").unwrap(), None);
    db.set("k", "v").unwrap();
    assert!(db.expire_at("k", UNIX_EPOCH).unwrap());
    assert_eq!(db.ttl("k").unwrap(), Lifetime::NoKey);
    db.set("k", "v").unwrap();
    assert!(matches!(refused(db.expire("k", Duration::MAX)), CommandError::InvalidExpire(_)));
}

#[test]
fn keys_are_renamed_copied_and_moved() {
    let db = still();
    let other = db.select(1).unwrap();
    db.set("a", "1").unwrap();
    db.set("b", "2").unwrap();
    assert_eq!(refused(db.rename("nope", "x")), CommandError::NoSuchKey);
    assert!(!db.rename_nx("a", "b").unwrap());
    db.rename("a", "b").unwrap();
    assert_eq!(db.get("b").unwrap(), some("1"));
    assert!(db.rename_nx("b", "c").unwrap());
    assert!(db.copy("c", "d").unwrap() && !db.copy("c", "d").unwrap());
    assert!(db.copy_with("c", "d", CopyOptions::new().replace()).unwrap());
    assert!(db.copy_with("c", "c", CopyOptions::new().db(1)).unwrap());
    assert_eq!(other.get("c").unwrap(), some("1"));
    assert!(!db.move_to("c", 1).unwrap());
    assert!(db.move_to("d", 1).unwrap());
    assert_eq!((db.exists("d").unwrap(), other.get("d").unwrap()), (false, some("1")));
    assert_eq!(refused(db.move_to("c", 99)), CommandError::DbIndexOutOfRange);
    assert!(matches!(db.select(16), Err(Error::Command(CommandError::DbIndexOutOfRange))));
}

#[test]
fn databases_are_apart_and_flushed_apart() {
    let db = still();
    let other = db.select(3).unwrap();
    assert_eq!((db.db(), other.db()), (0, 3));
    db.set("k", "zero").unwrap();
    other.set("k", "three").unwrap();
    assert_eq!((db.get("k").unwrap(), other.get("k").unwrap()), (some("zero"), some("three")));
    other.flush_db().unwrap();
    assert_eq!((db.dbsize().unwrap(), other.dbsize().unwrap()), (1, 0));
    other.set("k", "three").unwrap();
    db.flush_all().unwrap();
    assert_eq!((db.dbsize().unwrap(), other.dbsize().unwrap()), (0, 0));
}

#[test]
fn a_scan_returns_what_is_there_throughout_once_while_others_change_the_rest() {
    let db = Damselfly::in_memory();
    const STAYING: usize = 5_000;
    for n in 0..STAYING {
        db.set(format!("stay:{n}"), "x").unwrap();
    }
    let stop = Arc::new(AtomicUsize::new(0));
    let changer = {
        let (db, stop) = (db.clone(), Arc::clone(&stop));
        thread::spawn(move || {
            let mut n = 0u64;
            while stop.load(Relaxed) == 0 {
                // Enough comes and goes for segments to split and merge.
                db.set(format!("come:{}", n % 20_000), "x").unwrap();
                db.del(format!("come:{}", n.wrapping_mul(7_919) % 20_000)).unwrap();
                n += 1;
            }
        })
    };
    for batch in [1, 10, 1000] {
        let keys: Vec<Bytes> = db.scan().matching("stay:*").count(batch).map(Result::unwrap).collect();
        assert_eq!(keys.len(), STAYING, "batches of {batch}");
        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), STAYING);
    }
    stop.store(1, Relaxed);
    changer.join().unwrap();
    db.rpush("list", ["x"]).unwrap();
    let lists: Vec<Bytes> = db.scan().of_type(Type::List).map(Result::unwrap).collect();
    assert_eq!(lists, ["list"]);
    let mut keys = db.keys("stay:1?").unwrap();
    keys.sort();
    assert_eq!(keys.len(), 10);
    assert!(db.random_key().unwrap().is_some());
}

// ---- Lists -----------------------------------------------------------------------------------------------------

#[test]
fn lists_grow_and_shrink_at_both_ends() {
    let db = still();
    assert_eq!(db.rpushx("l", ["x"]).unwrap(), 0);
    assert_eq!(db.rpush("l", ["c", "d"]).unwrap(), 2);
    assert_eq!(db.lpush("l", ["b", "a"]).unwrap(), 4);
    assert_eq!(db.lpushx("l", ["0"]).unwrap(), 5);
    assert_eq!(db.rpushx("l", ["e"]).unwrap(), 6);
    assert_eq!(db.llen("l").unwrap(), 6);
    assert_eq!(db.lrange("l", 0, -1).unwrap(), ["0", "a", "b", "c", "d", "e"]);
    assert_eq!(db.lpop("l").unwrap(), some("0"));
    assert_eq!(db.rpop("l").unwrap(), some("e"));
    assert_eq!(db.lpop_count("l", 2).unwrap().unwrap(), ["a", "b"]);
    assert_eq!(db.rpop_count("l", 9).unwrap().unwrap(), ["d", "c"]);
    assert_eq!(db.lpop_count("l", 1).unwrap(), None);
    assert_eq!((db.lpop("l").unwrap(), db.exists("l").unwrap()), (None, false));
    // No elements make no list.
    assert_eq!(db.lpush::<&str>("l", []).unwrap(), 0);
    assert!(!db.exists("l").unwrap());
    // Long elements and long lists are the same list.
    let long = "y".repeat(20_000);
    db.rpush("l", [&long]).unwrap();
    for n in 0..1000 {
        db.rpush("l", [n.to_string()]).unwrap();
    }
    assert_eq!((db.lpop("l").unwrap(), db.llen("l").unwrap()), (some(&long), 1000));
    assert_eq!(db.rpush("l", Vec::<String>::new()).unwrap(), 1000);
}

#[test]
fn elements_are_found_set_inserted_and_removed() {
    let db = still();
    db.rpush("l", ["a", "b", "a", "c", "a"]).unwrap();
    assert_eq!(db.lindex("l", 1).unwrap(), some("b"));
    assert_eq!(db.lindex("l", -2).unwrap(), some("c"));
    assert_eq!(db.lindex("l", 9).unwrap(), None);
    db.lset("l", 1, "B").unwrap();
    assert_eq!(refused(db.lset("l", 9, "x")), CommandError::IndexOutOfRange);
    assert_eq!(refused(db.lset("nope", 0, "x")), CommandError::NoSuchKey);
    assert_eq!(db.linsert("l", Position::Before, "c", "b2").unwrap(), Some(6));
    assert_eq!(db.linsert("l", Position::After, "nope", "x").unwrap(), None);
    assert_eq!(db.linsert("nope", Position::After, "a", "x").unwrap(), None);
    assert_eq!(db.lrange("l", 0, -1).unwrap(), ["a", "B", "a", "b2", "c", "a"]);
    assert_eq!(db.lpos("l", "a").unwrap(), Some(0));
    assert_eq!(db.lpos("l", "nope").unwrap(), None);
    assert_eq!(db.lpos_all("l", "a", Positions::new()).unwrap(), [0, 2, 5]);
    assert_eq!(db.lpos_all("l", "a", Positions::new().rank(-1).count(2)).unwrap(), [5, 2]);
    assert_eq!(db.lpos_all("l", "a", Positions::new().max_len(3)).unwrap(), [0, 2]);
    assert_eq!(db.lrem("l", -2, "a").unwrap(), 2);
    assert_eq!(db.lrange("l", 0, -1).unwrap(), ["a", "B", "b2", "c"]);
    db.ltrim("l", 1, -2).unwrap();
    assert_eq!(db.lrange("l", 0, -1).unwrap(), ["B", "b2"]);
}

#[test]
fn elements_move_between_lists() {
    let db = still();
    db.rpush("a", ["1", "2", "3"]).unwrap();
    assert_eq!(db.lmove("a", "b", End::Left, End::Right).unwrap(), some("1"));
    assert_eq!(db.rpoplpush("a", "b").unwrap(), some("3"));
    assert_eq!(db.lrange("b", 0, -1).unwrap(), ["3", "1"]);
    assert_eq!(db.rpoplpush("nope", "b").unwrap(), None);
    let popped = db.lmpop(["nope", "b"], End::Right, 5).unwrap();
    assert_eq!(popped, Some(("b".into(), vec!["1".into(), "3".into()])));
    assert_eq!(db.lmpop(["nope", "b"], End::Left, 1).unwrap(), None);
}

#[test]
fn the_wrong_type_is_refused_by_every_kind_of_call() {
    let db = still();
    db.set("s", "x").unwrap();
    db.rpush("l", ["x"]).unwrap();
    let wrong = CommandError::WrongType;
    assert_eq!(refused(db.get("l")), wrong);
    assert_eq!(refused(db.get_with("l", |_| ())), wrong);
    assert_eq!(refused(db.get_int("l")), wrong);
    assert_eq!(refused(db.incr("l")), wrong);
    assert_eq!(refused(db.append("l", "x")), wrong);
    assert_eq!(refused(db.get_set("l", "x")), wrong);
    assert_eq!(refused(db.get_del("l")), wrong);
    assert_eq!(refused(db.set_with("l", "x", SetOptions::new().get())), wrong);
    assert_eq!(refused(db.lpush("s", ["x"])), wrong);
    assert_eq!(refused(db.rpop("s")), wrong);
    assert_eq!(refused(db.llen("s")), wrong);
    assert_eq!(refused(db.lrange("s", 0, 1)), wrong);
    assert_eq!(refused(db.lmove("s", "l", End::Left, End::Left)), wrong);
    assert_eq!(refused(db.blpop_blocking(["s"], None)), wrong);
}

#[test]
fn strings_beyond_the_limit_are_refused_as_on_the_wire() {
    let config = Config::default().proto_max_bulk_len(2usize << 20);
    let db = Damselfly::open(config).unwrap();
    let long = vec![0u8; (2 << 20) + 1];
    assert_eq!(refused(db.set("k", &long)), CommandError::StringTooLong);
    assert_eq!(refused(db.set(&long, "v")), CommandError::StringTooLong);
    assert_eq!(refused(db.lpush("l", [&long])), CommandError::StringTooLong);
    assert_eq!(refused(db.call([&b"SET"[..], b"k", &long])), CommandError::StringTooLong);
    db.set("k", &long[1..]).unwrap();
}

// ---- By name ---------------------------------------------------------------------------------------------------

#[test]
fn commands_are_reached_by_name() {
    let db = still();
    assert_eq!(db.call(["SET", "k", "1"]), Ok(Reply::Simple("OK".into())));
    assert_eq!(db.call(["INCR", "k"]), Ok(Reply::Int(2)));
    assert_eq!(db.call(["GET", "nope"]), Ok(Reply::Null));
    assert_eq!(refused(db.call(["GET"])), CommandError::WrongArity("get"));
    assert!(matches!(refused(db.call(["NOSUCH"])), CommandError::UnknownCommand(_)));
    assert!(matches!(refused(db.call::<&str>([])), CommandError::UnknownCommand(_)));
    let replies = db.pipeline().command(["GET", "k"]).command(["NOSUCH"]).command(["DEL", "k"]).run();
    assert_eq!(replies[0], Ok(Reply::Bulk("2".into())));
    assert!(replies[1].is_err());
    assert_eq!(replies[2], Ok(Reply::Int(1)));
}

#[test]
fn a_session_keeps_its_database_and_a_call_does_not() {
    let db = still();
    db.call(["SELECT", "2"]).unwrap();
    db.set("k", "zero").unwrap();
    let mut session = db.session();
    session.call(["SELECT", "2"]).unwrap();
    session.call(["SET", "k", "two"]).unwrap();
    assert_eq!(db.get("k").unwrap(), some("zero"));
    assert_eq!(db.select(2).unwrap().get("k").unwrap(), some("two"));
    assert_eq!(db.engine().clients_len(), 1);
    drop(session);
    assert_eq!(db.engine().clients_len(), 0);
}

#[test]
fn a_password_is_for_peers_not_for_the_process_itself() {
    let db = Damselfly::open(Config::default().requirepass("secret")).unwrap();
    db.set("k", "v").unwrap();
    assert_eq!(db.call(["GET", "k"]), Ok(Reply::Bulk("v".into())));
    assert_eq!(db.session().call(["GET", "k"]), Ok(Reply::Bulk("v".into())));
    assert_eq!(db.blpop_blocking(["l"], Some(Duration::ZERO)), Ok(None));
}

#[test]
fn a_session_that_was_killed_is_closed() {
    let db = still();
    let mut session = db.session();
    session.call(["SET", "k", "v"]).unwrap();
    db.engine().clients().first().unwrap().kill();
    assert_eq!(session.call(["GET", "k"]), Err(Error::Closed));
}

// ---- Re-entrancy and panics ------------------------------------------------------------------------------------

#[test]
fn a_call_from_inside_a_shown_value_is_refused_and_never_waits_for_itself() {
    let (db, other) = (still(), still());
    db.set("k", "v").unwrap();
    let inner = db
        .get_with("k", |_| {
            assert_eq!(db.get("k"), Err(Error::ReentrantCall));
            assert_eq!(db.get_with("k", |_| ()), Err(Error::ReentrantCall));
            assert_eq!(db.set("k", "w"), Err(Error::ReentrantCall));
            assert_eq!(db.mget(["k"]), Err(Error::ReentrantCall));
            assert_eq!(db.dbsize(), Err(Error::ReentrantCall));
            assert_eq!(db.call(["GET", "k"]), Err(Error::ReentrantCall));
            assert_eq!(db.scan().next(), Some(Err(Error::ReentrantCall)));
            assert_eq!(db.pipeline().command(["PING"]).run(), [Err(Error::ReentrantCall)]);
            assert_eq!(db.blpop_blocking(["l"], None), Err(Error::ReentrantCall));
            // Another engine's doors have no order with this one's.
            other.get("k")
        })
        .unwrap();
    assert_eq!(inner, Some(Err(Error::ReentrantCall)));
    assert_eq!(db.get("k").unwrap(), some("v"));
}

#[tokio::test]
async fn a_wait_that_is_dropped_inside_a_shown_value_is_cancelled_afterwards() {
    let db = Damselfly::open(Config::default().shards(1u32)).unwrap();
    db.set("k", "v").unwrap();
    let mut wait = Box::pin(db.blpop(["l"], None));
    assert!(tokio::time::timeout(Duration::from_millis(5), &mut wait).await.is_err());
    assert_eq!(db.engine().clients_len(), 1);
    db.get_with("k", move |_| drop(wait)).unwrap();
    assert_eq!(db.engine().clients_len(), 0);
    db.rpush("l", ["x"]).unwrap();
    assert_eq!(db.llen("l").unwrap(), 1);
}

#[test]
fn a_panic_of_a_callers_closure_does_no_harm() {
    let db = Damselfly::open(Config::default().shards(1u32)).unwrap();
    db.set("k", "v").unwrap();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        db.get_with("k", |_| panic!("the caller's own"))
    }));
    assert!(caught.is_err());
    assert_eq!(db.get("k").unwrap(), some("v"));
    db.set("k", "w").unwrap();
}

// ---- Waits -----------------------------------------------------------------------------------------------------

#[test]
fn a_thread_waits_for_a_push() {
    let db = Damselfly::in_memory();
    let waiting = {
        let db = db.clone();
        thread::spawn(move || db.brpop_blocking(["first", "second"], None))
    };
    while db.engine().clients_len() == 0 {
        thread::yield_now();
    }
    db.rpush("second", ["x", "y"]).unwrap();
    assert_eq!(waiting.join().unwrap(), Ok(Some(("second".into(), "y".into()))));
    assert_eq!(db.lrange("second", 0, -1).unwrap(), ["x"]);
    assert_eq!(db.engine().clients_len(), 0);
}

#[test]
fn a_wait_ends_with_its_time_and_one_of_zero_does_not_begin() {
    let db = Damselfly::in_memory();
    let begun = std::time::Instant::now();
    assert_eq!(db.blpop_blocking(["l"], Some(Duration::from_millis(30))), Ok(None));
    // The engine follows the system's clock, which may be slewed against this one.
    assert!(begun.elapsed() >= Duration::from_millis(29));
    assert_eq!(db.blpop_blocking(["l"], Some(Duration::ZERO)), Ok(None));
    assert_eq!(db.blmpop_blocking(["l"], End::Left, 2, Some(Duration::ZERO)), Ok(None));
    assert_eq!(db.brpoplpush_blocking("l", "m", Some(Duration::from_nanos(1))), Ok(None));
    db.rpush("l", ["a", "b", "c"]).unwrap();
    assert_eq!(db.blpop_blocking(["l"], Some(Duration::ZERO)), Ok(Some(("l".into(), "a".into()))));
    let popped = db.blmpop_blocking(["m", "l"], End::Right, 2, None).unwrap();
    assert_eq!(popped, Some(("l".into(), vec!["c".into(), "b".into()])));
}

#[tokio::test]
async fn a_move_waits_for_its_source_and_serves_who_waits_for_its_destination() {
    let db = Damselfly::in_memory();
    let last = tokio::spawn(db.blpop(["c"], None));
    let second = tokio::spawn(db.blmove("b", "c", End::Left, End::Left, None));
    let first = tokio::spawn(db.brpoplpush("a", "b", None));
    while db.engine().clients_len() < 3 {
        tokio::task::yield_now().await;
    }
    db.rpush("a", ["x"]).unwrap();
    assert_eq!(first.await.unwrap(), Ok(some("x")));
    assert_eq!(second.await.unwrap(), Ok(some("x")));
    assert_eq!(last.await.unwrap(), Ok(Some(("c".into(), "x".into()))));
    assert_eq!(db.exists_many(["a", "b", "c"]).unwrap(), 0);
}

#[tokio::test]
async fn a_wait_can_be_ended_by_others() {
    let db = Damselfly::in_memory();
    let wait = |db: &Damselfly| tokio::spawn(db.blpop(["l"], None));
    let id_of = async |db: &Damselfly| loop {
        if let Some(client) = db.engine().clients().iter().find(|client| client.waiter().is_some()) {
            return client.id.to_string();
        }
        tokio::task::yield_now().await;
    };
    let waiting = wait(&db);
    let id = id_of(&db).await;
    assert_eq!(db.call(["CLIENT", "UNBLOCK", &id]), Ok(Reply::Int(1)));
    assert_eq!(waiting.await.unwrap(), Ok(None));
    let waiting = wait(&db);
    let id = id_of(&db).await;
    assert_eq!(db.call(["CLIENT", "UNBLOCK", &id, "ERROR"]), Ok(Reply::Int(1)));
    assert_eq!(waiting.await.unwrap(), Err(Error::Command(CommandError::Unblocked)));
    let waiting = wait(&db);
    let id = id_of(&db).await;
    db.call(["CLIENT", "KILL", "ID", &id]).unwrap();
    assert_eq!(waiting.await.unwrap(), Err(Error::Closed));
    db.rpush("l", ["x"]).unwrap();
    assert_eq!(db.llen("l").unwrap(), 1);
}

#[test]
fn a_wait_that_was_served_and_is_dropped_gives_the_element_back_to_its_end() {
    use std::future::Future;
    use std::task::{Context, Waker};
    let db = Damselfly::in_memory();
    let mut context = Context::from_waker(Waker::noop());
    let mut left = Box::pin(db.blpop(["l"], None));
    assert!(left.as_mut().poll(&mut context).is_pending());
    db.rpush("l", ["a", "b", "c"]).unwrap();
    assert_eq!(db.lrange("l", 0, -1).unwrap(), ["b", "c"]);
    drop(left);
    assert_eq!(db.lrange("l", 0, -1).unwrap(), ["a", "b", "c"]);
    db.del("l").unwrap();
    // It goes to whoever is next in line, where somebody is.
    let mut right = Box::pin(db.brpop(["l"], None));
    let mut next = Box::pin(db.blpop(["l"], None));
    assert!(right.as_mut().poll(&mut context).is_pending());
    assert!(next.as_mut().poll(&mut context).is_pending());
    db.rpush("l", ["x"]).unwrap();
    assert!(next.as_mut().poll(&mut context).is_pending());
    drop(right);
    assert_eq!(next.wait_ready(&mut context), Ok(Some(("l".into(), "x".into()))));
    // A move goes back to where it came from.
    let mut moved = Box::pin(db.blmove("from", "to", End::Right, End::Left, None));
    assert!(moved.as_mut().poll(&mut context).is_pending());
    db.rpush("from", ["m"]).unwrap();
    assert_eq!((db.llen("from").unwrap(), db.llen("to").unwrap()), (0, 1));
    drop(moved);
    assert_eq!((db.llen("from").unwrap(), db.llen("to").unwrap()), (1, 0));
}

trait WaitReady: Future {
    fn wait_ready(&mut self, context: &mut std::task::Context<'_>) -> Self::Output;
}

impl<F: Future + Unpin> WaitReady for F {
    fn wait_ready(&mut self, context: &mut std::task::Context<'_>) -> F::Output {
        match std::pin::Pin::new(self).poll(context) {
            std::task::Poll::Ready(output) => output,
            std::task::Poll::Pending => panic!("not ready"),
        }
    }
}

/// Items 0..`items` are pushed while takers time out, lose races and are dropped at any point: each item is taken once.
async fn no_item_is_lost(takers: usize, items: usize, shards: u32) {
    let db = Damselfly::open(Config::default().shards(shards)).unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for taker in 0..takers {
        let (db, taken) = (db.clone(), Arc::clone(&taken));
        tasks.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            let mut round = taker as u64;
            while taken.load(Relaxed) < items {
                round = round.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let micros = Duration::from_micros((round >> 33) % 300);
                let queues = if round >> 63 == 0 { ["q:a", "q:b"] } else { ["q:b", "q:a"] };
                let got = match taker % 4 {
                    // The future is dropped by a timeout.
                    0 => tokio::time::timeout(micros, db.blpop(queues, None)).await.unwrap_or(Ok(None)),
                    // Two waits race, and the loser is dropped.
                    1 => tokio::select! {
                        got = db.brpop(queues, Some(Duration::from_millis(2))) => got,
                        got = db.blpop(["q:c"], Some(Duration::from_millis(1))) => got,
                    },
                    // Polled once and dropped.
                    2 => {
                        let mut wait = Box::pin(db.blpop(queues, None));
                        tokio::select! {
                            biased;
                            got = &mut wait => got,
                            () = tokio::task::yield_now() => Ok(None),
                        }
                    }
                    // The engine's own timeout.
                    _ => db.blpop(queues, Some(Duration::from_millis(1))).await,
                };
                if let Some((_, item)) = got.unwrap() {
                    mine.push(item);
                    taken.fetch_add(1, Relaxed);
                }
                tokio::task::yield_now().await;
            }
            mine
        }));
    }
    let pushers: Vec<_> = (0..2)
        .map(|half| {
            let db = db.clone();
            thread::spawn(move || {
                for n in (half..items).step_by(2) {
                    let queue = ["q:a", "q:b", "q:c"][n % 3];
                    if n % 2 == 0 {
                        db.rpush(queue, [n.to_string()]).unwrap();
                    } else {
                        db.lpush(queue, [n.to_string()]).unwrap();
                    }
                    if n % 16 < 2 {
                        thread::sleep(Duration::from_micros(50));
                    }
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
    assert_eq!(all.len(), items, "an item was lost or taken twice");
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), items);
    assert_eq!((db.dbsize().unwrap(), db.engine().clients_len()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dropped_waits_under_load_lose_nothing() {
    tokio::time::timeout(Duration::from_secs(120), no_item_is_lost(32, 4_000, 16)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dropped_waits_under_load_lose_nothing_on_one_shard() {
    tokio::time::timeout(Duration::from_secs(120), no_item_is_lost(32, 4_000, 1)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn moves_that_are_dropped_lose_nothing() {
    let db = Damselfly::in_memory();
    const ITEMS: usize = 2_000;
    let movers: Vec<_> = (0..8)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move {
                while db.llen("done").unwrap() < ITEMS as u64 {
                    let wait = db.blmove("todo", "done", End::Left, End::Right, None);
                    let _ = tokio::time::timeout(Duration::from_micros(150), wait).await;
                }
            })
        })
        .collect();
    for n in 0..ITEMS {
        db.rpush("todo", [n.to_string()]).unwrap();
        if n % 8 == 0 {
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
    }
    for mover in movers {
        tokio::time::timeout(Duration::from_secs(120), mover).await.unwrap().unwrap();
    }
    let done: HashSet<Bytes> = db.lrange("done", 0, -1).unwrap().into_iter().collect();
    assert_eq!((done.len(), db.llen("done").unwrap()), (ITEMS, ITEMS as u64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_and_tasks_share_a_queue() {
    let db = Damselfly::in_memory();
    let sum = Arc::new(AtomicUsize::new(0));
    let add = |sum: &AtomicUsize, item: &[u8]| {
        sum.fetch_add(std::str::from_utf8(item).unwrap().parse::<usize>().unwrap(), Relaxed)
    };
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (db, sum) = (db.clone(), Arc::clone(&sum));
            thread::spawn(move || {
                while let Some((_, item)) = db.blpop_blocking(["q"], None).unwrap() {
                    if &item[..] == b"0" {
                        return;
                    }
                    add(&sum, &item);
                }
            })
        })
        .collect();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (db, sum) = (db.clone(), Arc::clone(&sum));
            tokio::spawn(async move {
                while let Some((_, item)) = db.blpop(["q"], None).await.unwrap() {
                    if &item[..] == b"0" {
                        return;
                    }
                    add(&sum, &item);
                }
            })
        })
        .collect();
    for n in 1..=1_000 {
        db.rpush("q", [n.to_string()]).unwrap();
    }
    db.rpush("q", ["0"; 8]).unwrap();
    for task in tasks {
        task.await.unwrap();
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(sum.load(Relaxed), 500_500);
}

// ---- Instances and threads -------------------------------------------------------------------------------------

#[test]
fn engines_know_nothing_of_each_other_and_live_as_long_as_their_handles() {
    let (one, two) = (Damselfly::in_memory(), still());
    one.set("k", "one").unwrap();
    two.set("k", "two").unwrap();
    let again = one.clone();
    drop(one);
    assert_eq!((again.get("k").unwrap(), two.get("k").unwrap()), (some("one"), some("two")));
    let weak = Arc::downgrade(again.engine());
    drop(again);
    // The engine's thread may hold it for the moment of a round.
    for _ in 0..1000 {
        if weak.upgrade().is_none() {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
    panic!("the engine outlives its handles");
}

#[test]
fn many_threads_count_without_losing_one() {
    let db = Damselfly::in_memory();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for n in 0..5_000 {
                    db.incr(format!("n:{}", n % 10)).unwrap();
                    db.incr("all").unwrap();
                }
            });
        }
    });
    assert_eq!(db.get_int("all").unwrap(), Some(40_000));
    for n in 0..10 {
        assert_eq!(db.get_int(format!("n:{n}")).unwrap(), Some(4_000));
    }
}

#[test]
fn hits_and_misses_of_direct_calls_are_counted() {
    let db = still();
    db.set("k", "v").unwrap();
    db.get("k").unwrap();
    db.get_with("k", |_| ()).unwrap();
    db.get("nope").unwrap();
    let totals = db.engine().totals();
    assert_eq!((totals.hits, totals.misses), (2, 1));
}

#[test]
fn keys_with_deadlines_expire_by_themselves_in_real_time() {
    let db = Damselfly::in_memory();
    for n in 0..100 {
        let options = SetOptions::new().px(Duration::from_millis(20));
        db.set_with(format!("k{n}"), "v", options).unwrap();
    }
    let deadline = SystemTime::now() + Duration::from_secs(20);
    while db.dbsize().unwrap() > 0 && SystemTime::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(db.dbsize().unwrap(), 0, "nobody looked at them, and they went all the same");
}

/// A removal that takes a huge value along; whether it is one is up to what stands under `k`.
type Removal = fn(&Damselfly);

#[test]
fn huge_collections_are_freed_in_the_background_however_they_go() {
    const MANY: u64 = 50_000;
    let removals: &[(&str, Removal)] = &[
        ("DEL", |db| assert!(db.del("k").unwrap())),
        ("UNLINK", |db| assert!(db.unlink("k").unwrap())),
        ("SET", |db| db.set("k", "v").unwrap()),
        ("RENAME", |db| {
            db.set("j", "v").unwrap();
            db.rename("j", "k").unwrap();
        }),
        ("SUNIONSTORE", |db| assert_eq!(db.sunionstore("k", ["none"]).unwrap(), 0)),
        ("EXPIRE", |db| assert!(db.expire("k", Duration::ZERO).unwrap())),
        ("FLUSHALL", |db| db.flush_all().unwrap()),
    ];
    let names = || (0..MANY).map(|number| format!("member:{number}"));
    let fill = |db: &Damselfly, kind: &str| match kind {
        "set" => assert_eq!(db.set_of("k").add(names()).unwrap(), MANY),
        _ => assert_eq!(db.rpush("k", names()).unwrap(), MANY),
    };
    let freed_after = |db: &Damselfly, what: &str, remove: &dyn Fn(&Damselfly)| {
        let before = db.engine().cycles().freeing().1;
        remove(db);
        let deadline = SystemTime::now() + Duration::from_secs(20);
        while db.engine().cycles().freeing().1 == before {
            assert!(SystemTime::now() < deadline, "{what} frees nothing in the background");
            thread::sleep(Duration::from_millis(1));
        }
    };
    for kind in ["set", "list"] {
        for (name, remove) in removals {
            let db = Damselfly::in_memory();
            fill(&db, kind);
            freed_after(&db, &format!("{name} of a {kind}"), &|db| remove(db));
        }
    }
    for count in [MANY, MANY - 10] {
        let db = Damselfly::in_memory();
        fill(&db, "set");
        freed_after(&db, "SPOP", &|db| {
            assert_eq!(db.set_of("k").pop_count(count).unwrap().len() as u64, count);
        });
    }
}

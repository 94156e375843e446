//! Client-side caching between several clients: redirection, the limit of what is remembered, and a cache that is kept
//! right under threads.

#![expect(clippy::disallowed_methods, reason = "what is tested is measured from outside")]

mod common;

use common::oracle;
use common::places::{Local, Place, config};
use common::resp::Value;
use common::script::words;
use damselfly::Damselfly;
#[cfg(feature = "server")]
use damselfly::clock::Clock;
use damselfly::reply::Reply;
use std::collections::HashMap;
use std::time::{Duration, Instant};

fn ask(place: &mut dyn Place, session: &str, line: &str) -> Value {
    place.send(session, &words(line).expect("words")).expect("sent");
    place.receive(session).expect("a reply")
}

fn bulk(text: &str) -> Value {
    Value::Bulk(text.as_bytes().to_vec())
}

fn id(place: &mut dyn Place, session: &str) -> i64 {
    match ask(place, session, "CLIENT ID") {
        Value::Int(id) => id,
        other => panic!("{other}"),
    }
}

/// Runs a story in process, over TCP, and on the servers that the environment names.
fn everywhere(story: impl Fn(&mut dyn Place)) {
    for shards in [1, 16] {
        let mut place = Local::new(shards);
        story(&mut place);
        place.end().expect("nothing is left");
    }
    #[cfg(feature = "server")]
    {
        let mut place = common::places::Served::new(16, common::places::clock());
        story(&mut place);
        place.end().expect("nothing is left");
    }
    let script_of = |newer| common::script::Script { steps: Vec::new(), no_oracle: false, newer };
    for oracle in [false, true].into_iter().flat_map(|newer| oracle::for_script(&script_of(newer))) {
        let mut oracle = oracle.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        oracle.reset();
        story(&mut *oracle);
    }
}

fn message(payload: Value) -> Value {
    Value::Array(vec![bulk("message"), bulk("__redis__:invalidate"), payload])
}

fn invalidate(keys: Value) -> Value {
    Value::Push(vec![bulk("invalidate"), keys])
}

#[test]
fn in_resp2_messages_go_to_a_client_that_subscribes() {
    everywhere(|place| {
        let target = id(place, "target");
        ask(place, "target", "SUBSCRIBE __redis__:invalidate");
        assert_eq!(
            ask(place, "reader", &format!("CLIENT TRACKING ON REDIRECT {target}")),
            Value::Simple(b"OK".into())
        );
        assert_eq!(ask(place, "reader", "CLIENT GETREDIR"), Value::Int(target));
        let info = [bulk("flags"), Value::Array(vec![bulk("on")]), bulk("redirect"), Value::Int(target)];
        let info = [&info[..], &[bulk("prefixes"), Value::Array(vec![])]].concat();
        assert_eq!(ask(place, "reader", "CLIENT TRACKINGINFO"), Value::Array(info));
        ask(place, "reader", "GET k");
        ask(place, "writer", "SET k v");
        let key = message(Value::Array(vec![bulk("k")]));
        assert_eq!(place.receive("target"), Ok(key.clone()));
        // Its own changes as well.
        ask(place, "reader", "GET k");
        ask(place, "reader", "SET k w");
        assert_eq!(place.receive("target"), Ok(key.clone()));
        ask(place, "writer", "FLUSHALL");
        assert_eq!(place.receive("target"), Ok(message(Value::Nil)));
        // Any subscription does.
        ask(place, "target", "UNSUBSCRIBE");
        ask(place, "reader", "GET k");
        ask(place, "writer", "SET k v");
        assert_eq!(ask(place, "target", "PING"), Value::Simple(b"PONG".into()));
        ask(place, "target", "SUBSCRIBE other");
        ask(place, "reader", "GET k");
        ask(place, "writer", "SET k w");
        assert_eq!(place.receive("target"), Ok(key));
    });
}

#[test]
fn in_resp3_they_are_pushes_wherever_they_go() {
    everywhere(|place| {
        ask(place, "target", "HELLO 3");
        let target = id(place, "target");
        ask(place, "reader", &format!("CLIENT TRACKING ON BCAST REDIRECT {target}"));
        ask(place, "writer", "SET k v");
        assert_eq!(place.receive("target"), Ok(invalidate(Value::Array(vec![bulk("k")]))));
        assert_eq!(
            ask(place, "reader", &format!("CLIENT TRACKING ON REDIRECT {target} REDIRECT {target}")),
            Value::Error(b"ERR A client can only redirect to a single other client".into())
        );
    });
}

#[test]
fn a_client_is_told_when_the_one_it_redirects_to_is_gone() {
    everywhere(|place| {
        let target = id(place, "target");
        ask(place, "target", "SUBSCRIBE __redis__:invalidate");
        ask(place, "reader", "HELLO 3");
        ask(place, "reader", &format!("CLIENT TRACKING ON REDIRECT {target}"));
        ask(place, "reader", "GET k");
        assert_eq!(ask(place, "writer", &format!("CLIENT KILL ID {target}")), Value::Int(1));
        ask(place, "writer", "SET k v");
        let broken = Value::Push(vec![bulk("tracking-redir-broken"), Value::Int(target)]);
        assert_eq!(place.receive("reader"), Ok(broken));
        let Value::Map(info) = ask(place, "reader", "CLIENT TRACKINGINFO") else { panic!("a map") };
        let flags = Value::Set(vec![bulk("on"), bulk("broken_redirect")]);
        assert_eq!(info[..2], [(bulk("flags"), flags), (bulk("redirect"), Value::Int(target))]);
        let Value::Verbatim(list) = ask(place, "reader", "CLIENT LIST") else { panic!("text") };
        assert!(String::from_utf8_lossy(&list).contains(&format!(" redir={target} ")));
        assert!(String::from_utf8_lossy(&list).contains(" flags=tR "));
    });
}

#[test]
fn what_is_too_much_to_remember_is_given_up() {
    everywhere(|place| {
        ask(place, "admin", "CONFIG SET tracking-table-max-keys 3");
        ask(place, "reader", "HELLO 3");
        ask(place, "reader", "CLIENT TRACKING ON");
        // Of one shard, so that each can make room for another.
        ask(place, "reader", "MGET {t}1 {t}2 {t}3 {t}4 {t}5 {t}6");
        let mut given_up: Vec<Value> = (0..3).map(|_| place.receive("reader").expect("a push")).collect();
        given_up.sort();
        given_up.dedup();
        assert_eq!(given_up.len(), 3);
        let text = match ask(place, "admin", "INFO stats") {
            Value::Bulk(text) => String::from_utf8_lossy(&text).into_owned(),
            other => panic!("{other}"),
        };
        assert!(text.contains("tracking_total_keys:3\r\ntracking_total_items:3\r\n"), "{text}");
        ask(place, "admin", "CONFIG SET tracking-table-max-keys 1000000");
        ask(place, "admin", "FLUSHALL");
        assert_eq!(place.receive("reader"), Ok(invalidate(Value::Nil)));
    });
}

#[test]
fn what_expires_has_changed_though_nobody_looks() {
    let db = Damselfly::open(config(4)).expect("a good configuration");
    let mut session = db.session();
    session.call(["CLIENT", "TRACKING", "ON"]).expect("on");
    db.call(["SET", "k", "v", "PX", "40"]).expect("set");
    session.call(["GET", "k"]).expect("got");
    let began = Instant::now();
    let push = loop {
        if let Some(push) = session.next_push().expect("not lagging") {
            break push;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it never expires");
        std::thread::sleep(Duration::from_millis(5));
    };
    let key = Reply::Array(vec![Reply::Bulk("k".into())]);
    assert_eq!(push, Reply::Push(vec![Reply::Bulk("invalidate".into()), key]));
}

#[test]
fn who_is_gone_leaves_nothing_that_concerns_others() {
    let db = Damselfly::open(config(4)).expect("a good configuration");
    let mut session = db.session();
    session.call(["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "a"]).expect("on");
    assert_eq!((db.engine().trackers_len(), db.engine().prefixes_len()), (1, 1));
    drop(session);
    assert_eq!((db.engine().trackers_len(), db.engine().prefixes_len()), (0, 0));
    let mut session = db.session();
    session.call(["CLIENT", "TRACKING", "ON"]).expect("on");
    session.call(["GET", "k"]).expect("nothing");
    drop(session);
    db.set("k", "v").expect("set");
    assert_eq!(db.engine().trackers_len(), 0);
    // By name it is a client of its own, which is gone at once.
    db.call(["CLIENT", "TRACKING", "ON"]).expect("on");
    assert_eq!(db.engine().trackers_len(), 0);
}

/// Writers change keys while caches read them. When all is quiet a cache holds nothing that is not so: whatever changed
/// behind a read was told behind it.
#[test]
fn caches_are_right_once_they_have_read_what_they_were_told() {
    for mode in [&["ON"][..], &["ON", "BCAST"], &["ON", "NOLOOP"]] {
        let db = Damselfly::open(config(4)).expect("a good configuration");
        let keys: Vec<String> = (0..20).map(|n| format!("key:{n}")).collect();
        let caches: Vec<_> = std::thread::scope(|scope| {
            for writer in 0..2usize {
                let (db, keys) = (&db, &keys);
                scope.spawn(move || {
                    for n in 0..4_000usize {
                        let key = &keys[(n * 7 + writer * 3) % keys.len()];
                        db.set(key, format!("{writer} {n}")).expect("set");
                    }
                });
            }
            let readers: Vec<_> = (0..2usize)
                .map(|reader| {
                    let (db, keys) = (&db, &keys);
                    scope.spawn(move || {
                        let mut session = db.session();
                        session.call(["CLIENT", "TRACKING"].iter().chain(mode)).expect("on");
                        let mut cache: HashMap<String, Reply> = HashMap::new();
                        for n in 0..8_000usize {
                            listen(&mut session, &mut cache);
                            let key = &keys[(n * 3 + reader) % keys.len()];
                            if !cache.contains_key(key) {
                                let value = session.call(["GET", key.as_str()]).expect("got");
                                cache.insert(key.clone(), value);
                            }
                        }
                        (session, cache)
                    })
                })
                .collect();
            readers.into_iter().map(|reader| reader.join().expect("no panic")).collect()
        });
        for (mut session, mut cache) in caches {
            listen(&mut session, &mut cache);
            for (key, value) in &cache {
                let now = db.get(key).expect("got").map_or(Reply::Null, Reply::Bulk);
                assert_eq!((key, value), (key, &now), "{mode:?}");
            }
        }
    }
}

/// Forgets what a cache was told to forget.
fn listen(session: &mut damselfly::embed::Session, cache: &mut HashMap<String, Reply>) {
    loop {
        match session.next_push() {
            Ok(None) => return,
            Ok(Some(Reply::Push(parts))) => match &parts[1] {
                Reply::Array(keys) => {
                    for key in keys.iter().filter_map(Reply::as_bytes) {
                        cache.remove(&*String::from_utf8_lossy(key));
                    }
                }
                other => panic!("{other:?}"),
            },
            // What it missed it cannot know.
            Err(damselfly::Error::Lagged(_)) => cache.clear(),
            other => panic!("{other:?}"),
        }
    }
}

#[cfg(feature = "server")]
#[test]
fn over_tcp_too() {
    let server = common::places::TestServer::start(&config(4).io_threads(2), Clock::system());
    let (mut reader, mut writer) = (server.connect(), server.connect());
    reader.line("HELLO 3").expect("RESP3");
    reader.line("CLIENT TRACKING ON").expect("on");
    for n in 0..500 {
        reader.line("GET k").expect("got");
        writer.line(&format!("SET k {n}")).expect("set");
        let push = reader.receive(Duration::from_secs(10)).expect("open").expect("in time");
        assert_eq!(push, invalidate(Value::Array(vec![bulk("k")])));
    }
}

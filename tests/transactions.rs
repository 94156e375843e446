//! Transactions under load: what many clients do at the same time is what some order of theirs would have done.

#![allow(missing_docs, clippy::unwrap_used)]

use damselfly::config::Config;
use damselfly::embed::{Damselfly, Session};
use damselfly::reply::Reply;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;

const ACCOUNTS: u64 = 12;
const BALANCE: i64 = 100;

fn db(shards: u32) -> Damselfly {
    Damselfly::open(Config::default().shards(shards)).unwrap()
}

fn account(number: u64) -> String {
    format!("account:{number}")
}

fn ints(reply: &Reply) -> Vec<i64> {
    let Reply::Array(replies) = reply else { panic!("no array: {reply:?}") };
    replies.iter().map(int).collect()
}

fn int(reply: &Reply) -> i64 {
    match reply {
        Reply::Int(number) => *number,
        other => std::str::from_utf8(other.as_bytes().unwrap()).unwrap().parse().unwrap(),
    }
}

/// Numbers in an order that follows from a seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        (self.0 >> 33) % bound
    }
}

/// Moves money if both accounts stay as they were seen; whether they did.
fn transfer(session: &mut Session, from: &str, to: &str, amount: i64) -> bool {
    session.call(["WATCH", from, to]).unwrap();
    let seen = int(&session.call(["GET", from]).unwrap());
    if seen < amount {
        session.call(["UNWATCH"]).unwrap();
        return true;
    }
    let into = int(&session.call(["GET", to]).unwrap());
    session.call(["MULTI"]).unwrap();
    session.call(["SET", from, &(seen - amount).to_string()]).unwrap();
    session.call(["SET", to, &(into + amount).to_string()]).unwrap();
    !matches!(session.call(["EXEC"]).unwrap(), Reply::Null)
}

#[test]
fn transfers_between_shards_keep_the_sum_and_nobody_sees_half_of_one() {
    for shards in [1, 8] {
        let db = db(shards);
        for number in 0..ACCOUNTS {
            db.set(account(number), BALANCE.to_string()).unwrap();
        }
        let done = AtomicBool::new(false);
        let (looks, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            let movers: Vec<_> = (0..3)
                .map(|seed| {
                    let (db, refused) = (db.clone(), &refused);
                    scope.spawn(move || {
                        let (mut draw, mut session) = (Draw(seed), db.session());
                        for _ in 0..1500 {
                            let from = draw.below(ACCOUNTS);
                            let to = (from + 1 + draw.below(ACCOUNTS - 1)) % ACCOUNTS;
                            let amount = draw.below(40) as i64;
                            while !transfer(&mut session, &account(from), &account(to), amount) {
                                refused.fetch_add(1, Relaxed);
                            }
                        }
                    })
                })
                .collect();
            let (watcher, done, looks) = (db.clone(), &done, &looks);
            scope.spawn(move || {
                let mut session = watcher.session();
                while !done.load(Relaxed) {
                    session.call(["MULTI"]).unwrap();
                    for number in 0..ACCOUNTS {
                        session.call(["GET", &account(number)]).unwrap();
                    }
                    let balances = ints(&session.call(["EXEC"]).unwrap());
                    assert_eq!(balances.iter().sum::<i64>(), ACCOUNTS as i64 * BALANCE, "{balances:?}");
                    assert!(balances.iter().all(|&balance| balance >= 0), "{balances:?}");
                    looks.fetch_add(1, Relaxed);
                }
            });
            movers.into_iter().for_each(|mover| mover.join().unwrap());
            done.store(true, Relaxed);
        });
        assert!(looks.load(Relaxed) > 0);
    }
}

#[test]
fn of_two_who_each_write_what_the_other_has_read_one_is_refused() {
    // Write skew: each sees both off duty keys as 0 and sets its own. Serially, the second would see the first.
    let db = db(8);
    for round in 0..2000 {
        let keys = [format!("a{round}"), format!("b{round}")];
        let on = AtomicUsize::new(0);
        thread::scope(|scope| {
            for mine in 0..2 {
                let (db, keys, on) = (db.clone(), &keys, &on);
                scope.spawn(move || {
                    let mut session = db.session();
                    session.call(["WATCH", &keys[1 - mine]]).unwrap();
                    if session.call(["EXISTS", &keys[1 - mine]]).unwrap() == Reply::Int(0) {
                        session.call(["MULTI"]).unwrap();
                        session.call(["SET", &keys[mine], "1"]).unwrap();
                        if session.call(["EXEC"]).unwrap() != Reply::Null {
                            on.fetch_add(1, Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(on.load(Relaxed), 1, "round {round}");
    }
}

#[test]
fn a_client_that_leaves_leaves_no_watch_behind() {
    let db = db(4);
    for _ in 0..10 {
        let mut session = db.session();
        session.call(["WATCH", "a", "b", "c"]).unwrap();
        session.call(["MULTI"]).unwrap();
        session.call(["SET", "a", "1"]).unwrap();
    }
    db.set("a", "2").unwrap();
    assert_eq!(db.get("a").unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(db.engine().watched_keys_len(), 0);
}

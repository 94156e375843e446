//! What tests say about the data. Each looks at database 0 in process, unhindered by faults, and where it does not hold
//! panics at the caller's line with all data beside it.

use super::TestServer;
use super::dump::{quoted, shown};
use crate::embed::{Lifetime, Result};
use crate::reply::Reply;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::time::Duration;

impl TestServer {
    /// The key is there.
    #[track_caller]
    pub fn assert_exists(&self, key: impl AsRef<[u8]>) {
        let key = key.as_ref();
        self.holds(self.db().exists(key), &true, &format!("whether {} is there", quoted(key)));
    }

    /// The key is not there.
    #[track_caller]
    pub fn assert_missing(&self, key: impl AsRef<[u8]>) {
        let key = key.as_ref();
        self.holds(self.db().exists(key), &false, &format!("whether {} is there", quoted(key)));
    }

    /// There is no key in any database.
    #[track_caller]
    pub fn assert_empty(&self) {
        let dump = self.dump();
        assert!(dump.is_empty(), "there should be no key, and there is\n{dump}");
    }

    /// The key holds this string.
    #[track_caller]
    pub fn assert_string(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        let key = key.as_ref();
        let found = self.db().get(key).map(|value| value.map(|value| quoted(&value)));
        self.holds(found, &Some(quoted(value.as_ref())), &quoted(key));
    }

    /// The key holds this list.
    #[track_caller]
    pub fn assert_list<V: AsRef<[u8]>>(&self, key: impl AsRef<[u8]>, elements: impl IntoIterator<Item = V>) {
        let key = key.as_ref();
        let expected: Vec<String> = elements.into_iter().map(|element| quoted(element.as_ref())).collect();
        self.holds(self.elements(&[b"LRANGE", key, b"0", b"-1"]), &expected, &quoted(key));
    }

    /// The key holds this set.
    #[track_caller]
    pub fn assert_set<V: AsRef<[u8]>>(&self, key: impl AsRef<[u8]>, members: impl IntoIterator<Item = V>) {
        let key = key.as_ref();
        let expected: BTreeSet<String> = members.into_iter().map(|member| quoted(member.as_ref())).collect();
        let found = self.elements(&[b"SMEMBERS", key]).map(BTreeSet::from_iter);
        self.holds(found, &expected, &quoted(key));
    }

    /// The key holds this hash.
    #[track_caller]
    pub fn assert_hash<F: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        fields: impl IntoIterator<Item = (F, V)>,
    ) {
        let key = key.as_ref();
        let quote = |(field, value): (F, V)| (quoted(field.as_ref()), quoted(value.as_ref()));
        let expected: BTreeMap<String, String> = fields.into_iter().map(quote).collect();
        let found = self.db().call([b"HGETALL".as_slice(), key]).map(|reply| match reply {
            Reply::Map(pairs) => {
                pairs.iter().map(|(field, value)| (shown(field), shown(value))).collect::<BTreeMap<_, _>>()
            }
            _ => BTreeMap::new(),
        });
        self.holds(found, &expected, &quoted(key));
    }

    /// The key holds this sorted set: members in order, with their scores.
    #[track_caller]
    pub fn assert_zset<M: AsRef<[u8]>>(
        &self,
        key: impl AsRef<[u8]>,
        members: impl IntoIterator<Item = (M, f64)>,
    ) {
        let key = key.as_ref();
        let expected: Vec<String> = members
            .into_iter()
            .map(|(member, score)| format!("[{} {score}]", quoted(member.as_ref())))
            .collect();
        self.holds(self.elements(&[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"]), &expected, &quoted(key));
    }

    /// The key lives for so long: `assert_ttl("session", 50..=60)`, in seconds, rounded up.
    #[track_caller]
    pub fn assert_ttl(&self, key: impl AsRef<[u8]>, seconds: RangeInclusive<u64>) {
        let key = key.as_ref();
        match self.db().ttl(key) {
            Ok(Lifetime::Limited(left)) if seconds.contains(&rounded_up(left)) => {}
            other => panic!(
                "the time to live of {} should be {seconds:?} seconds, and is {other:?}; all data:\n{}",
                quoted(key),
                self.dump()
            ),
        }
    }

    /// The command ran so often.
    #[track_caller]
    pub fn assert_calls(&self, command: &str, times: u64) {
        let found = self.calls(command);
        assert!(found == times, "{command} should have run {times} times, and ran {found} times");
    }

    /// The data is, as [`dump`](Self::dump) shows it, this text; spaces around lines are no matter.
    #[track_caller]
    pub fn assert_dump(&self, expected: &str) {
        let lines = |text: &str| -> Vec<String> {
            text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
        };
        let dump = self.dump();
        assert!(lines(&dump) == lines(expected), "the data should be\n{expected}\nand is\n{dump}");
    }

    fn elements(&self, argv: &[&[u8]]) -> Result<Vec<String>> {
        Ok(match self.db().call(argv)? {
            Reply::Array(items) | Reply::Set(items) => items.iter().map(shown).collect(),
            _ => Vec::new(),
        })
    }

    #[track_caller]
    fn holds<T: PartialEq + Debug>(&self, found: Result<T>, expected: &T, what: &str) {
        match found {
            Ok(found) if found == *expected => {}
            Ok(found) => {
                panic!("{what} should be {expected:?}, and is {found:?}; all data:\n{}", self.dump())
            }
            Err(error) => panic!("{what} should be {expected:?}, and: {error}; all data:\n{}", self.dump()),
        }
    }
}

fn rounded_up(left: Duration) -> u64 {
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

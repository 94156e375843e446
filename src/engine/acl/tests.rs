//! Units: what no wire shows.

use super::selector::Question;
use super::user::Held;
use super::*;
use crate::command::introspect;
use crate::command::table::TABLE;
use crate::config::Config;
use quickcheck::{Arbitrary, Gen, quickcheck};

fn acl() -> Acl {
    Acl::new(&Arc::new(Settings::new(&Config::default()).expect("defaults"))).expect("no users")
}

/// Rules, right ones and others.
#[derive(Clone, Debug)]
struct Drawn(Vec<Vec<u8>>);

impl Arbitrary for Drawn {
    fn arbitrary(g: &mut Gen) -> Self {
        const RULES: [&str; 30] = [
            "on",
            "off",
            "nopass",
            "resetpass",
            ">p",
            ">q",
            "<p",
            "~a",
            "%R~b",
            "%W~b",
            "%RW~c",
            "allkeys",
            "resetkeys",
            "&a",
            "allchannels",
            "resetchannels",
            "+get",
            "-get",
            "+config",
            "-config|get",
            "+config|set",
            "+select|0",
            "+@read",
            "-@write",
            "+@all",
            "-@all",
            "(~a +@string)",
            "(allchannels -@all %R~x)",
            "clearselectors",
            "skip-sanitize-payload",
        ];
        let rules = Vec::<u8>::arbitrary(g).into_iter().map(|n| RULES[usize::from(n) % RULES.len()].into());
        Self(rules.collect())
    }
}

/// What rules come to; those that cannot be applied are passed over.
fn rules_of(drawn: &Drawn) -> Rules {
    let mut rules = Rules::new(false);
    for rule in &drawn.0 {
        let _ = rules.apply(rule, false);
    }
    rules
}

quickcheck! {
    fn rules_that_are_written_and_read_again_are_the_same(drawn: Drawn) -> bool {
        let rules = rules_of(&drawn);
        let mut text = Vec::new();
        rules.write(&mut text);
        let words: Vec<&[u8]> = text.split(|&byte| byte == b' ').collect();
        let mut again = Rules::new(false);
        for rule in merged(&words).expect("closed") {
            again.apply(&rule, false).expect("it was applied before");
        }
        let mut text_again = Vec::new();
        again.write(&mut text_again);
        // They may know by other means that everything is allowed; what they allow is the same.
        let same = introspect::all_entries().all(|entry| {
            let question = Question { entry, argv: &[b"", b"0", b"a", b"b", b"c"] };
            rules.check(&question) == again.check(&question)
        });
        text == text_again && same
    }

    fn whoever_may_do_everything_is_told_so(drawn: Drawn) -> bool {
        let (user, key) = (User::new(b"u", rules_of(&drawn)), b"some key".as_slice());
        let argv = [b"GET".as_slice(), key];
        let get = TABLE.find(b"GET").expect("a command");
        !user.is_unrestricted() || user.check(get, &argv).is_ok() && user.rules().allows_channel(key, true)
    }

    fn no_rule_makes_it_panic(rule: Vec<u8>, sign: u8) -> bool {
        let mut rules = Rules::new(false);
        let sign = *b"+-~%&><#!(@".get(usize::from(sign) % 12).unwrap_or(&b'+');
        let _ = rules.apply(&[&[sign], rule.as_slice()].concat(), false);
        let _ = merged(&[&rule, b"(", &rule, b")"]);
        true
    }
}

#[test]
fn a_session_follows_its_user_without_asking_the_registry() {
    let acl = acl();
    let (user, before) = acl.set_user(b"u", &[b"+get", b"~a"]).expect("right");
    assert_eq!(before, None);
    let mut held = Held::new(Arc::clone(&user));
    let root = |held: &mut Held| {
        let mut text = Vec::new();
        held.rules().root().write_commands(&mut text);
        String::from_utf8(text).expect("text")
    };
    assert_eq!(root(&mut held), "-@all +get");
    acl.set_user(b"u", &[b"+set"]).expect("right");
    assert_eq!(root(&mut held), "-@all +get +set");
    assert!(!user.is_unrestricted() && !user.is_open() && !user.is_gone());
    acl.set_user(b"u", &[b"allkeys", b"allchannels", b"+@all", b"on", b"nopass"]).expect("right");
    assert!(user.is_unrestricted() && user.is_open());
    acl.delete(&[b"u"]).expect("not the default user");
    assert_eq!(root(&mut held), "-@all");
    assert!(user.is_gone() && !user.is_unrestricted() && !user.is_open());
    assert!(!user.rules().admits(b"x"));
}

#[test]
fn a_change_that_fails_in_any_part_changes_nothing() {
    let acl = acl();
    let (user, _) = acl.set_user(b"u", &[b"+get", b">p"]).expect("right");
    let before = user.rules();
    assert!(acl.set_user(b"u", &[b"+set", b"on", b"nonsense"]).is_err());
    assert_eq!(user.rules(), before);
    assert!(acl.set_user(b"v", &[b"+set", b"nonsense"]).is_err());
    assert!(acl.user(b"v").is_none());
    assert!(acl.delete(&[b"u", DEFAULT]).is_err());
    assert!(acl.user(b"u").is_some());
}

#[test]
fn everything_is_allowed_by_one_selector_or_not_at_all() {
    let mut rules = Rules::new(false);
    for rule in ["~*", "&*", "(+@all ~a)"] {
        rules.apply(rule.as_bytes(), false).expect("right");
    }
    assert!(!User::new(b"u", rules.clone()).is_unrestricted());
    rules.apply(b"(+@all ~* &*)", false).expect("right");
    assert!(User::new(b"u", rules.clone()).is_unrestricted());
    rules.apply(b"clearselectors", false).expect("right");
    rules.apply(b"+@all", false).expect("right");
    assert!(User::new(b"u", rules.clone()).is_unrestricted());
    rules.apply(b"-ping", false).expect("right");
    assert!(!User::new(b"u", rules).is_unrestricted());
}

//! The music application's uses: what they are named, and what an event makes wrong.

use super::*;
use damselfly::swing::*;

fn hash(n: u64) -> ItemHash {
    ItemHash::new(&format!("{n:016x}")).unwrap()
}

fn play(user: UserId, track: ItemHash, at: i64) -> Play {
    let (source, extra) = ("al:x".to_owned(), serde_json::Value::Null);
    Play {
        userid: user,
        trackhash: track,
        timestamp: at,
        duration: 200,
        source,
        albumhash: None,
        artisthashes: vec![hash(7)],
        extra,
    }
}

pub async fn all(b: &impl Backend) {
    let swing = Swing::open(b.clone(), SwingConfig::default(), None).unwrap();
    let user = UserId::new(4_200_042).unwrap();
    // A play counts once, in the counts, the list and the database.
    let (home, parts) = (swing.home(), [Entry::RecentlyPlayed, Entry::Page]);
    for entry in parts {
        home.set(user, entry, &Fragment::default()).await.unwrap();
    }
    let mut sink = SqlitePlays::open(rusqlite::Connection::open_in_memory().unwrap()).unwrap();
    for (track, at) in [(1, 100), (2, 200), (1, 300), (1, 300)] {
        swing.plays().record(&play(user, hash(track), 1_700_000_000 + at)).await.unwrap();
    }
    let counts =
        swing.plays().counts(user, &[(Kind::Track, hash(1)), (Kind::Artist, hash(7))]).await.unwrap();
    assert_eq!(counts[0], Count { plays: 2, seconds: 400, last: 1_700_000_300 });
    assert_eq!(counts[1].plays, 3);
    assert_eq!(
        swing.recent().list(&swing.owner(user), 50).await.unwrap(),
        [hash(1).as_str(), hash(2).as_str()]
    );
    assert_eq!(
        home.page(user, &parts, 10, |it| Some(it.clone())).await.unwrap().missing,
        [Entry::RecentlyPlayed]
    );
    swing.plays().flush(&mut sink).await.unwrap();
    swing.plays().flush(&mut sink).await.unwrap();
    assert_eq!(sink.count(Some(user), hash(1)).unwrap(), 2);
    for bad in [Play { duration: 4, ..play(user, hash(1), 1_700_000_000) }, play(user, hash(1), 0)] {
        let error = swing.plays().record(&bad).await.unwrap_err();
        assert_eq!((error.status(), &*error.to_string()), (400, "Invalid entry."));
    }
    // An event forgets what it makes wrong, and leaves the rest.
    let token = swing.sessions().create(user, &User::default(), &Device::default()).await.unwrap();
    swing.tracks().set(&hash(1), &TrackGroup::default()).await.unwrap();
    swing.on(AppEvent::TracksChanged { hashes: vec![hash(1)] }).await.unwrap();
    assert_eq!(swing.tracks().get(&hash(1)).await.unwrap(), Lookup::Miss);
    swing.on(AppEvent::ScanFinished).await.unwrap();
    swing.clear_all().await.unwrap();
    swing.sessions().touch(token.as_str()).await.unwrap();
    swing.on(AppEvent::UserDeleted { user }).await.unwrap();
    assert_eq!(swing.sessions().touch(token.as_str()).await, Err(Error::SessionRevoked));
    assert_eq!(swing.plays().counts(user, &[(Kind::Track, hash(1))]).await.unwrap(), [Count::default()]);
}

#[test]
fn a_setting_out_of_its_range_is_named() {
    let from = |pairs: &'static [(&'static str, &'static str)]| {
        SwingConfig::from_pairs(|name| {
            pairs.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned())
        })
    };
    assert_eq!(from(&[]).unwrap().mode(Use::Search), Mode::Off);
    let config = from(&[
        ("ENABLE_DRAGONFLYDB", "true"),
        ("DRAGONFLYDB_HOST", "db"),
        ("DRAGONFLYDB_MODE_SEARCH", "shadow"),
    ])
    .unwrap();
    assert_eq!((config.mode(Use::Search), config.mode(Use::Tracks)), (Mode::Shadow, Mode::On));
    assert_eq!(config.place, damselfly::swing::Place::Server("redis://db:6379/0".into()));
    for (name, pairs) in [
        ("DRAGONFLYDB_PORT", &[("DRAGONFLYDB_PORT", "99999")][..]),
        ("ENABLE_DRAGONFLYDB", &[("ENABLE_DRAGONFLYDB", "maybe")]),
        ("DRAGONFLYDB_MODE", &[("DRAGONFLYDB_MODE", "half")]),
    ] {
        let Err(Error::Config(text)) = from(pairs) else { panic!("{name}") };
        assert!(text.starts_with(name), "{text}");
    }
}

#[test]
fn a_hash_has_sixteen_digits() {
    for bad in ["", "abc", "0123456789abcdeF", "0123456789abcdef0"] {
        assert!(matches!(ItemHash::new(bad), Err(Error::BadHash(_))));
    }
    assert!(matches!(SpotifyId::new("track", "a/b"), Err(Error::BadKey(_))));
    assert!(matches!(Kind::new("playlist"), Err(Error::BadType(_))));
}

//! Tiers, breakers and codecs: what is promoted, what is voided, what is left alone.

use super::*;
use damselfly::embed::{Bytes, Damselfly};
use damselfly::reply::Reply;

const DAY: Duration = Duration::from_secs(86_400);

/// A backend that can be away.
#[derive(Clone)]
struct Flaky(Embedded, Arc<std::sync::atomic::AtomicBool>, Arc<AtomicUsize>);

impl Flaky {
    fn check(&self) -> Result<()> {
        self.2.fetch_add(1, Ordering::SeqCst);
        if self.1.load(Ordering::SeqCst) { Err(Error::Unavailable("pulled".into())) } else { Ok(()) }
    }
}

impl Backend for Flaky {
    async fn call(&self, argv: &[&[u8]]) -> Result<Reply> {
        self.check()?;
        self.0.call(argv).await
    }

    async fn atomic(&self, op: &'static Op, keys: &[&[u8]], args: &[&[u8]]) -> Result<Reply> {
        self.check()?;
        self.0.atomic(op, keys, args).await
    }

    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.check()?;
        self.0.get(key).await
    }

    fn now_ms(&self) -> u64 {
        self.0.now_ms()
    }
}

fn flaky() -> Flaky {
    Flaky(Embedded::in_memory(), Arc::default(), Arc::default())
}

struct Tiers<B>(Tiered<str, u32, B>, tempfile::TempDir);

fn tiers<B: Backend>(ns: Namespace, backend: &B) -> Tiers<B> {
    let home = tempfile::tempdir().unwrap();
    let disk = SqliteTier::open(home.path().join("c.db"), "spotify_cache", DAY).unwrap();
    Tiers(Tiered::new(TypedCache::new(ns, backend.clone()).unwrap()).disk(disk), home)
}

pub async fn all(b: &impl Backend) {
    what_is_below_is_promoted_with_the_life_it_has_left(b).await;
    an_invalidation_voids_loads_in_all_tiers(b).await;
    each_codec_tells_what_it_wrote(b).await;
}

/// Defect: an entry found in SQLite was never brought up, so that after a flush every read stayed there.
async fn what_is_below_is_promoted_with_the_life_it_has_left(b: &impl Backend) {
    let ns = Namespace::new("spotify", Class::Evictable).ttl(DAY).ephemeral();
    let Tiers(tiers, _home) = tiers(ns, b);
    let (loads, key): (&'static AtomicUsize, _) = (Box::leak(Box::default()), ns.key("track:1").unwrap());
    let load = move |_| {
        loads.fetch_add(1, Ordering::SeqCst);
        async { Ok(Loaded::ValueFor(7, Duration::from_secs(100))) }
    };
    let ttl = async || match b.call(&[b"PTTL", &key]).await.unwrap() {
        Reply::Int(ms) => ms,
        other => panic!("{other:?}"),
    };
    assert_eq!(tiers.get("track:1").await.unwrap(), Lookup::Miss);
    assert_eq!(tiers.get_or_load("track:1", load).await.unwrap(), Some(7));
    let before = ttl().await;
    b.call(&[b"DEL", &key]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(tiers.get_many(["track:1", "track:2"]).await.unwrap(), [Lookup::Hit(7), Lookup::Miss]);
    assert!((1..=before - 20).contains(&ttl().await), "{before}");
    b.call(&[b"DEL", &key]).await.unwrap();
    assert_eq!(tiers.get_or_load("track:1", |_| async { Ok(Loaded::Value(8)) }).await.unwrap(), Some(7));
    assert!((1..before).contains(&ttl().await));
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    // Written through, and absences too.
    tiers.set("track:1", &9).await.unwrap();
    b.call(&[b"DEL", &key]).await.unwrap();
    assert_eq!(tiers.get("track:1").await.unwrap(), Lookup::Hit(9));
    assert_eq!(tiers.get_or_load("gone", |_| async { Ok(Loaded::NotFound) }).await.unwrap(), None);
    b.call(&[b"DEL", &ns.key("gone").unwrap()]).await.unwrap();
    assert_eq!(tiers.get("gone").await.unwrap(), Lookup::Negative);
    tiers.clear(false).await.unwrap();
    assert_eq!(tiers.get("track:1").await.unwrap(), Lookup::Miss);
}

async fn an_invalidation_voids_loads_in_all_tiers(b: &impl Backend) {
    let ns = Namespace::new("spotify", Class::Evictable).ephemeral();
    let Tiers(tiers, _home) = tiers(ns, b);
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let loading = {
        let tiers = tiers.clone();
        tokio::spawn(async move {
            let load = |_| async move {
                let _ = wait.await;
                Ok(Loaded::Value(1))
            };
            tiers.get_or_load("k", load).await
        })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    // The row was read; then it is changed, and its cache invalidated.
    tiers.remove(["k"]).await.unwrap();
    go.send(()).unwrap();
    assert_eq!(loading.await.unwrap().unwrap(), Some(1));
    assert_eq!(tiers.get("k").await.unwrap(), Lookup::Miss);
    assert_eq!(tiers.get_or_load("k", |_| async { Ok(Loaded::Value(2)) }).await.unwrap(), Some(2));
    b.call(&[b"DEL", &ns.key("k").unwrap()]).await.unwrap();
    assert_eq!(tiers.get("k").await.unwrap(), Lookup::Hit(2));
}

#[derive(
    Clone,
    Debug,
    PartialEq,
    serde::Serialize,
    serde::Deserialize,
    rkyv::Archive,
    rkyv::Serialize,
    rkyv::Deserialize,
)]
struct Song {
    title: String,
    bitrate: u32,
    artists: Vec<String>,
    gain: Option<f64>,
}

async fn each_codec_tells_what_it_wrote(b: &impl Backend) {
    let song =
        Song { title: "So What".into(), bitrate: 320, artists: vec!["Miles".into(); 20], gain: Some(-1.5) };
    let ns = Namespace::new("songs", Class::Evictable).ephemeral();
    async fn holds<C: Codec<Song>>(ns: Namespace, b: &impl Backend, song: &Song) {
        let cache: TypedCache<str, Song, _, C> = TypedCache::new(ns, b.clone()).unwrap();
        // What another codec wrote is a miss.
        assert_eq!(cache.get("k").await.unwrap(), Lookup::Miss);
        cache.set("k", song).await.unwrap();
        assert_eq!(cache.get("k").await.unwrap(), Lookup::Hit(song.clone()));
    }
    holds::<Json>(ns, b, &song).await;
    holds::<MsgPack>(ns, b, &song).await;
    holds::<Postcard>(ns, b, &song).await;
    holds::<Zstd<MsgPack>>(ns, b, &song).await;
    holds::<Rkyv>(ns, b, &song).await;
    // Read where it stands, with tags or without.
    let cache: TypedCache<str, Song, _, Rkyv> = TypedCache::new(ns, b.clone()).unwrap();
    for tags in [&[][..], &["t"], &["tag", "tags"]] {
        cache.set_with("k", &song, SetOptions { tags, ..SetOptions::default() }).await.unwrap();
        let read =
            cache.view("k", |song| (song.title.len(), song.artists.len(), song.bitrate.to_native())).await;
        assert_eq!(read.unwrap(), Lookup::Hit((7, 20, 320)));
    }
    cache.invalidate_tag("tags").await.unwrap();
    assert_eq!(cache.view("k", |_| ()).await.unwrap(), Lookup::Miss);
    // Whatever stands there, reading it does not panic.
    let key = ns.key("k").unwrap();
    cache.set("k", &song).await.unwrap();
    let good = b.get(&key).await.unwrap().unwrap();
    for at in 0..good.len() {
        let mut bad = good.to_vec();
        bad[at] ^= 0xff;
        b.call(&[b"SET", &key, &bad]).await.unwrap();
        let _ = cache.view("k", |song| song.title.len()).await.unwrap();
        let _ = cache.get("k").await.unwrap();
    }
}

/// Defect: `isoformat()` compared with `datetime('now')` as texts had what was over an hour ago still be valid.
#[tokio::test]
async fn a_row_that_is_over_is_over() {
    let (clock, config) = (damselfly::clock::Clock::manual(1_700_000_000_000), damselfly::Config::default());
    let db = Damselfly::with_clock(config, clock).unwrap();
    let ns = Namespace::new("spotify", Class::Evictable).ttl(Duration::from_secs(3600)).jitter(0);
    let Tiers(tiers, _home) = tiers(ns, &Embedded::over(db.clone()));
    tiers.set("k", &1).await.unwrap();
    db.engine().clock().advance(Duration::from_secs(3599));
    tiers.memory().clear(false).await.unwrap();
    assert_eq!(tiers.get("k").await.unwrap(), Lookup::Hit(1));
    db.engine().clock().advance(Duration::from_secs(2));
    assert_eq!(tiers.get("k").await.unwrap(), Lookup::Miss);
}

#[tokio::test]
async fn what_the_loader_cannot_make_anew_is_shown_as_it_was() {
    let (clock, config) = (damselfly::clock::Clock::manual(1_700_000_000_000), damselfly::Config::default());
    let db = Damselfly::with_clock(config, clock).unwrap();
    let ns = Namespace::new("spotify", Class::Evictable).ttl(Duration::from_secs(60)).jitter(0).stale(DAY);
    let Tiers(tiers, _home) = tiers(ns, &Embedded::over(db.clone()));
    let tiers = tiers.loader(Breaker::new(2, DAY));
    tiers.set("k", &1).await.unwrap();
    tiers.memory().clear(false).await.unwrap();
    db.engine().clock().advance(Duration::from_secs(61));
    let asked: &'static AtomicUsize = Box::leak(Box::default());
    let away = move |_| {
        asked.fetch_add(1, Ordering::SeqCst);
        async { Err(LoadError("503".into())) }
    };
    // Shown, and for ten seconds not asked about again.
    for _ in 0..3 {
        assert_eq!(tiers.get_or_load("k", away).await.unwrap(), Some(1));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(tiers.memory().metrics().kept.load(Ordering::Relaxed), 1);
    // Twice failed, it is left alone; and a 429 may say for how long.
    assert_eq!(tiers.get_or_load("other", away).await, Err(Error::Load("503".into())));
    let error = tiers.get_or_load("other", away).await.unwrap_err();
    assert_eq!((error.status(), asked.load(Ordering::SeqCst)), (503, 2));
}

#[tokio::test]
async fn a_breaker_lets_one_ask_again() {
    let backend = flaky();
    let breaker = Breaker::new(3, Duration::from_millis(100));
    let guarded = Guarded::new(backend.clone(), breaker.clone());
    backend.1.store(true, Ordering::SeqCst);
    for _ in 0..20 {
        assert!(guarded.call(&[b"PING"]).await.unwrap_err().is_outage());
    }
    // Three have asked, and seventeen were told.
    assert_eq!((backend.2.load(Ordering::SeqCst), breaker.state()), (3, BreakerState::Open));
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    for _ in 0..20 {
        assert!(guarded.call(&[b"PING"]).await.is_err());
    }
    assert_eq!((backend.2.load(Ordering::SeqCst), breaker.state()), (4, BreakerState::Open));
    backend.1.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(150)).await;
    guarded.call(&[b"SET", b"k", b"v"]).await.unwrap();
    assert_eq!((breaker.state(), breaker.opened()), (BreakerState::Closed, 1));
    // A refusal is an answer.
    for _ in 0..9 {
        assert_eq!(guarded.call(&[b"LPUSH", b"k", b"x"]).await, Err(Error::WrongType));
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[tokio::test]
async fn without_memory_sqlite_answers() {
    let backend = flaky();
    let guarded = Guarded::new(backend.clone(), Breaker::new(2, Duration::from_millis(50)));
    let Tiers(tiers, _home) = tiers(Namespace::new("spotify", Class::Evictable), &guarded);
    tiers.set("k", &1).await.unwrap();
    backend.1.store(true, Ordering::SeqCst);
    for _ in 0..5 {
        assert_eq!(tiers.get("k").await.unwrap(), Lookup::Hit(1));
        assert_eq!(tiers.get_or_load("k", |_| async { Ok(Loaded::Value(9)) }).await.unwrap(), Some(1));
    }
    // From any thread: Python's connection failed in every thread but its own.
    let threads = (0..8).map(|n| {
        let tiers = tiers.clone();
        tokio::spawn(async move {
            tiers.get_or_load(&format!("n{n}"), move |_| async move { Ok(Loaded::Value(n)) }).await
        })
    });
    for (n, thread) in threads.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(thread.await.unwrap().unwrap(), Some(n as u32));
    }
    backend.1.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(80)).await;
    assert_eq!(tiers.get("k").await.unwrap(), Lookup::Hit(1));
    assert_eq!(guarded.breaker().state(), BreakerState::Closed);
}

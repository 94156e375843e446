//! The domain layer: one suite on every backend. The engine in this process always; with the feature `remote` a real
//! redis-server too, and a cluster of three, where they are installed.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use damselfly::domain::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[path = "domain/queue.rs"]
mod queue;
#[path = "domain/queue_crash.rs"]
mod queue_crash;
#[path = "domain/queue_model.rs"]
mod queue_model;
#[path = "domain/structures.rs"]
mod structures;
#[path = "domain/swing.rs"]
mod swing;
#[path = "domain/tiers.rs"]
mod tiers;
#[path = "domain/work.rs"]
mod work;

mod suite {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn cache<V, B: Backend>(ns: Namespace, backend: &B) -> TypedCache<str, V, B>
    where
        V: Clone + Send + Sync + serde::Serialize + serde::de::DeserializeOwned + 'static,
    {
        TypedCache::new(ns.ephemeral(), backend.clone()).unwrap()
    }

    pub async fn all(backend: impl Backend) {
        falsy_values_are_hits(&backend).await;
        an_invalidation_voids_fills_under_way(&backend).await;
        one_fill_at_a_time(&backend).await;
        a_thousand_misses_load_once(&backend).await;
        two_processes_load_once(&backend).await;
        a_failure_is_not_remembered_and_an_absence_is(&backend).await;
        stale_values_are_shown_while_and_if(&backend).await;
        a_tag_invalidates_what_carries_it(&backend).await;
        what_cannot_be_read_is_a_miss_and_deleted(&backend).await;
        a_slow_load_times_out_and_ends_in_the_background(&backend).await;
        bad_input_is_an_error_with_a_status(&backend).await;
        counters_are_written_back_exactly_once(&backend).await;
        limits_are_even(&backend).await;
        codes_are_good_once(&backend).await;
        structures::all(&backend).await;
        tiers::all(&backend).await;
        swing::all(&backend).await;
        queue::all(&backend).await;
        work::all(&backend).await;
        clearing_leaves_others_alone(&backend).await;
    }

    /// Defect of `if cached:`: an empty result was a miss for ever.
    async fn falsy_values_are_hits(b: &impl Backend) {
        let ns = Namespace::new("g1", Class::Evictable);
        let flag = cache::<bool, _>(ns, b);
        flag.set("k", &false).await.unwrap();
        assert_eq!(flag.get("k").await.unwrap(), Lookup::Hit(false));
        let list = cache::<Vec<u8>, _>(ns, b);
        list.set("k", &vec![]).await.unwrap();
        assert_eq!(list.get("k").await.unwrap(), Lookup::Hit(vec![]));
        let none = cache::<Option<u8>, _>(ns, b);
        none.set("k", &None).await.unwrap();
        assert_eq!(none.get("k").await.unwrap(), Lookup::Hit(None));
        // Defect of guessing JSON: a text stays a text.
        let text = cache::<String, _>(ns.bare(), b);
        for value in ["", "123", "true", "null"] {
            text.set("k", &value.to_owned()).await.unwrap();
            assert_eq!(text.get("k").await.unwrap(), Lookup::Hit(value.to_owned()));
        }
        assert_eq!(text.get_many(["k", "l"]).await.unwrap(), [Lookup::Hit("null".into()), Lookup::Miss]);
    }

    /// Whoever loaded the old row cannot put it back behind an invalidation, nor behind a newer write.
    async fn an_invalidation_voids_fills_under_way(b: &impl Backend) {
        let c = cache::<u32, _>(Namespace::new("g6", Class::Derived), b);
        let token = c.begin_fill("k", &[], DAY).await.unwrap().unwrap();
        c.remove(["k"]).await.unwrap();
        assert_eq!(c.set_filled(token, &1).await.unwrap(), Filled::Voided);
        assert_eq!(c.get("k").await.unwrap(), Lookup::Miss);
        let token = c.begin_fill("k", &[], DAY).await.unwrap().unwrap();
        c.set("k", &2).await.unwrap();
        assert_eq!(c.set_filled(token, &1).await.unwrap(), Filled::Voided);
        assert_eq!(c.get("k").await.unwrap(), Lookup::Hit(2));
    }

    async fn one_fill_at_a_time(b: &impl Backend) {
        let c = cache::<u32, _>(Namespace::new("lease", Class::Derived), b);
        let token = c.begin_fill("k", &[], Duration::from_millis(80)).await.unwrap().unwrap();
        assert!(c.begin_fill("k", &[], DAY).await.unwrap().is_none());
        tokio::time::sleep(Duration::from_millis(120)).await;
        // Its holder has died: it expires, and what comes late is void.
        let next = c.begin_fill("k", &[], DAY).await.unwrap().unwrap();
        assert_eq!(c.set_filled(token, &1).await.unwrap(), Filled::Voided);
        assert_eq!(c.set_filled(next, &2).await.unwrap(), Filled::Stored);
    }

    async fn a_thousand_misses_load_once(b: &impl Backend) {
        let c = cache::<u32, _>(Namespace::new("flight", Class::Derived), b);
        let loads = Arc::new(AtomicUsize::new(0));
        let callers = (0..1000).map(|_| {
            let (c, loads) = (c.clone(), loads.clone());
            tokio::spawn(async move {
                c.get_or_load("k", move |_| async move {
                    loads.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Ok(Loaded::Value(7))
                })
                .await
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            assert_eq!(caller.await.unwrap().unwrap(), Some(7));
        }
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }

    async fn two_processes_load_once(b: &impl Backend) {
        let ns = Namespace::new("processes", Class::Derived).ephemeral();
        let loads = Arc::new(AtomicUsize::new(0));
        // Two caches share nothing but the store, as two processes do.
        let call = || {
            let c: TypedCache<str, u32, _> = TypedCache::new(ns, b.clone()).unwrap();
            let loads = loads.clone();
            async move {
                c.get_or_load("k", move |_| async move {
                    loads.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    Ok(Loaded::Value(7))
                })
                .await
            }
        };
        let (one, two) = tokio::join!(call(), call());
        assert_eq!((one.unwrap(), two.unwrap()), (Some(7), Some(7)));
        assert_eq!(loads.load(Ordering::SeqCst), 1);
    }

    async fn a_failure_is_not_remembered_and_an_absence_is(b: &impl Backend) {
        let c = cache::<u32, _>(Namespace::new("negative", Class::Derived), b);
        let failed = c.get_or_load("k", |_| async { Err(LoadError("away".into())) }).await;
        assert_eq!(failed, Err(Error::Load("away".into())));
        assert_eq!(c.get("k").await.unwrap(), Lookup::Miss);
        assert_eq!(c.get_or_load("k", |_| async { Ok(Loaded::NotFound) }).await.unwrap(), None);
        assert_eq!(c.get("k").await.unwrap(), Lookup::Negative);
    }

    async fn stale_values_are_shown_while_and_if(b: &impl Backend) {
        let ns = Namespace::new("stale", Class::Derived).ttl(Duration::from_millis(40)).jitter(0).stale(DAY);
        let c = cache::<u32, _>(ns, b);
        c.set("k", &1).await.unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
        assert_eq!(c.get("k").await.unwrap(), Lookup::Stale(1));
        // If error: the old one.
        let kept = c.get_or_load("k", |_| async { Err(LoadError("away".into())) }).await;
        assert_eq!(kept.unwrap(), Some(1));
        tokio::time::sleep(Duration::from_millis(30)).await;
        // While revalidating: the old one at once, the new one afterwards.
        let shown = c.get_or_load("k", |old| async move { Ok(Loaded::Value(old.unwrap_or(0) + 1)) }).await;
        assert_eq!(shown.unwrap(), Some(1));
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(c.get("k").await.unwrap().value(), Some(2));
    }

    async fn a_tag_invalidates_what_carries_it(b: &impl Backend) {
        let c = cache::<u32, _>(Namespace::new("tags", Class::Derived), b);
        let with = |tags| SetOptions { tags, ..SetOptions::default() };
        c.set_with("a", &1, with(&["library"])).await.unwrap();
        c.set_with("b", &2, with(&["library", "user"])).await.unwrap();
        c.set_with("c", &3, with(&["user"])).await.unwrap();
        // What is being loaded while its tag is invalidated is stale from the start.
        let token = c.begin_fill("d", &["library"], DAY).await.unwrap().unwrap();
        c.invalidate_tag("library").await.unwrap();
        assert_eq!(c.set_filled(token, &4).await.unwrap(), Filled::Stored);
        let found = c.get_many(["a", "b", "c", "d"]).await.unwrap();
        assert_eq!(found, [Lookup::Miss, Lookup::Miss, Lookup::Hit(3), Lookup::Miss]);
    }

    async fn what_cannot_be_read_is_a_miss_and_deleted(b: &impl Backend) {
        let ns = Namespace::new("corrupt", Class::Evictable).ephemeral();
        let c: TypedCache<str, u32, _> = TypedCache::new(ns, b.clone()).unwrap();
        let key = ns.key("k").unwrap();
        b.call(&[b"SET", &key, b"not an envelope"]).await.unwrap();
        assert_eq!(c.get("k").await.unwrap(), Lookup::Miss);
        assert_eq!(b.get(&key).await.unwrap(), None);
        let older: TypedCache<str, u32, _> = TypedCache::new(ns.schema(9), b.clone()).unwrap();
        older.set("k", &1).await.unwrap();
        assert_eq!(c.get("k").await.unwrap(), Lookup::Miss);
        assert_eq!(c.metrics().decode_errors.load(Ordering::Relaxed), 2);
        b.call(&[b"LPUSH", &key, b"x"]).await.unwrap();
        assert_eq!(c.get("k").await, Err(Error::WrongType));
    }

    async fn a_slow_load_times_out_and_ends_in_the_background(b: &impl Backend) {
        let ns = Namespace::new("slow", Class::Derived).timeouts(Duration::ZERO, Duration::from_millis(30));
        let c = cache::<u32, _>(ns, b);
        let slow = |_| async {
            tokio::time::sleep(Duration::from_millis(80)).await;
            Ok(Loaded::Value(1))
        };
        assert_eq!(c.get_or_load("k", slow).await, Err(Error::Timeout));
        tokio::time::sleep(Duration::from_millis(120)).await;
        assert_eq!(c.get("k").await.unwrap(), Lookup::Hit(1));
    }

    async fn bad_input_is_an_error_with_a_status(b: &impl Backend) {
        let c = cache::<f64, _>(Namespace::new("bad", Class::Evictable).max_value(64), b);
        for key in ["", "a b", "{u:1}", "a\nb", &"x".repeat(600)] {
            assert_eq!(c.set(key, &1.0).await.unwrap_err().status(), 400, "{key:?}");
        }
        for number in [f64::NAN, f64::INFINITY] {
            assert!(matches!(c.set("k", &number).await, Err(Error::NotSerializable(_))));
        }
        for ttl in [Duration::ZERO, TTL_MAX * 2] {
            let options = SetOptions { ttl: Some(ttl), ..SetOptions::default() };
            assert!(matches!(c.set_with("k", &1.0, options).await, Err(Error::BadTtl(_))));
        }
        for given in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(matches!(hours(given), Err(Error::BadTtl(_))), "{given}");
        }
        assert_eq!(hours(0.5).unwrap(), Duration::from_secs(1800));
        let text = cache::<String, _>(Namespace::new("bad", Class::Evictable).max_value(64), b);
        assert_eq!(text.set("k", &"x".repeat(65)).await.unwrap_err().status(), 413);
        for name in ["", "Upper", "1st", "a b", &"x".repeat(33)] {
            assert!(matches!(check_name(name), Err(Error::BadNamespace(_))), "{name:?}");
        }
        assert_eq!(UserId::new(0), Err(Error::BadUser(0)));
    }

    async fn counters_are_written_back_exactly_once(b: &impl Backend) {
        let counter = Counter::new(Namespace::new("plays", Class::Durable).ephemeral(), b.clone()).unwrap();
        let file = tempfile::tempdir().unwrap();
        let open = || {
            SqliteCounts::open(rusqlite::Connection::open(file.path().join("c.db")).unwrap(), "plays")
                .unwrap()
        };
        let mut sink = open();
        counter.add("a", 5).await.unwrap();
        assert!(counter.add_once("a", 1, "e1").await.unwrap());
        assert!(!counter.add_once("a", 1, "e1").await.unwrap());
        // The flusher dies between the transaction and the deletion of its batch.
        struct Dies<'a>(&'a mut SqliteCounts);
        impl FlushSink for Dies<'_> {
            fn apply(&mut self, batch: &str, deltas: &[(String, i64)]) -> Result<bool> {
                self.0.apply(batch, deltas)?;
                Err(Error::Sqlite("killed".into()))
            }
        }
        assert!(counter.flush(&mut Dies(&mut sink)).await.is_err());
        counter.add("a", 10).await.unwrap();
        assert_eq!(counter.pending("a").await.unwrap(), Pending { delta: 10, in_flight: 6 });
        let mut sink = open();
        assert!(counter.flush(&mut sink).await.unwrap().repeated);
        assert_eq!(sink.get("a").unwrap(), 6);
        let report = counter.flush(&mut sink).await.unwrap();
        assert_eq!(report, FlushReport { counters: 1, sum: 10, repeated: false });
        assert_eq!(sink.get("a").unwrap(), 16);
        assert_eq!(counter.flush(&mut sink).await.unwrap(), FlushReport::default());
        counter.add("a", i64::MAX).await.unwrap();
        assert_eq!(counter.add("a", 1).await, Err(Error::Overflow));
    }

    /// Defect: a fixed window lets twice as many pass at its edge, and a login counted twice.
    async fn limits_are_even(b: &impl Backend) {
        let limiter =
            RateLimiter::new(Namespace::new("limit", Class::Security).ephemeral(), b.clone()).unwrap();
        let quota = Quota { count: 4, per: Duration::from_secs(4) };
        for left in [3, 2, 1, 0] {
            assert!(limiter.check("k", quota).await.unwrap().remaining.abs_diff(left) <= 1);
        }
        let Err(Error::RateLimited { after }) = limiter.check("k", quota).await else {
            panic!("let through")
        };
        assert!(after <= Duration::from_millis(1001), "{after:?}");
        tokio::time::sleep(after + Duration::from_millis(5)).await;
        limiter.check("k", quota).await.unwrap();
        let nothing = Quota { count: 0, per: Duration::from_secs(1) };
        assert_eq!(limiter.check("k", nothing).await.unwrap_err().status(), 400);
    }

    async fn codes_are_good_once(b: &impl Backend) {
        let codes =
            OneTime::<u32, _>::new(Namespace::new("paircodes", Class::Security).ephemeral(), b.clone())
                .unwrap();
        let code = codes.issue(&42, DAY).await.unwrap();
        // The owner's mobile client upper-cases what is typed, and never matched.
        assert_eq!(codes.take(&code.to_lowercase()).await.unwrap(), Some(42));
        assert_eq!(codes.take(&code).await.unwrap(), None);
        assert_eq!(codes.take("").await, Err(Error::BadToken));
    }

    /// Defect: a scan flushed the whole database, sessions and queued work with it.
    async fn clearing_leaves_others_alone(b: &impl Backend) {
        let c = cache::<u32, _>(Namespace::new("mine", Class::Evictable), b);
        let other = cache::<u32, _>(Namespace::new("sessions", Class::Security), b);
        for key in ["a", "b", "c"] {
            c.set(key, &1).await.unwrap();
            other.set(key, &1).await.unwrap();
        }
        assert_eq!(c.clear(false).await.unwrap(), 3);
        assert_eq!(other.clear(false).await, Err(Error::Protected));
        assert_eq!(other.get("a").await.unwrap(), Lookup::Hit(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_holds_in_this_process() {
    suite::all(Embedded::in_memory()).await;
}

#[cfg(feature = "remote")]
mod servers {
    use super::*;
    use damselfly::remote::Remote;
    use std::process::{Child, Command, Stdio};

    /// A server that is ended with its handle.
    struct Server(Child, u16, #[expect(dead_code, reason = "is deleted with it")] tempfile::TempDir);

    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn redis_server(more: &[&str]) -> Option<Server> {
        let port = std::net::TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let home = tempfile::tempdir().ok()?;
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(home.path())
            .args(more)
            .stdout(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Some(Server(child, port, home)),
            Err(_) => {
                eprintln!("skipped: redis-server is not installed");
                None
            }
        }
    }

    async fn reachable(url: &str) -> Remote {
        for _ in 0..100 {
            if let Ok(remote) = Remote::connect(url).await {
                return remote;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{url} does not answer");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_suite_holds_on_a_redis_server() {
        let Some(server) = redis_server(&[]) else { return };
        let remote = reachable(&format!("redis://127.0.0.1:{}/", server.1)).await;
        suite::all(remote.clone()).await;
        queue_model::on_a_server(&remote).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn workers_on_a_redis_server_may_be_killed() {
        let Some(server) = redis_server(&[]) else { return };
        let url = format!("redis://127.0.0.1:{}/", server.1);
        reachable(&url).await;
        tokio::task::spawn_blocking(move || queue_crash::survive(&url)).await.unwrap();
    }

    #[cfg(all(feature = "server", feature = "script"))]
    #[tokio::test(flavor = "multi_thread")]
    async fn the_suite_holds_on_our_own_server() {
        let engine =
            damselfly::engine::Engine::open(&damselfly::Config::default(), damselfly::clock::Clock::system())
                .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = damselfly::server::Listener::from_std(listener).unwrap();
        let server = damselfly::server::Server::start(engine, vec![listener]).unwrap();
        let url = format!("redis://{}/", server.addresses()[0]);
        let remote = reachable(&url).await;
        suite::all(remote.clone()).await;
        queue_model::on_a_server(&remote).await;
        tokio::task::spawn_blocking(move || queue_crash::survive(&url)).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_suite_holds_on_a_cluster_of_three() {
        let bus = || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port().to_string()
        };
        let nodes: Vec<Server> = (0..3)
            .filter_map(|_| redis_server(&["--cluster-enabled", "yes", "--cluster-port", &bus()]))
            .collect();
        if nodes.len() < 3 {
            return;
        }
        for node in &nodes {
            reachable(&format!("redis://127.0.0.1:{}/", node.1)).await;
        }
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.1)))
            .args(["--cluster-yes"])
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        let urls = nodes.iter().map(|node| format!("redis://127.0.0.1:{}/", node.1));
        let cluster = 'up: {
            for _ in 0..100 {
                // Until every node knows the slots, one of them may say that the cluster is down.
                if let Ok(cluster) = Remote::connect_cluster(urls.clone()).await
                    && cluster.call(&[b"SET", b"a", b""]).await.is_ok()
                    && cluster.call(&[b"SET", b"b", b""]).await.is_ok()
                    && cluster.call(&[b"SET", b"c", b""]).await.is_ok()
                {
                    break 'up cluster;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            panic!("the cluster does not come up");
        };
        suite::all(cluster).await;
    }
}

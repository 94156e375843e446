//! Workers that are killed: at each point of a job's life, and anywhere. No job is lost, and none has its effect twice.
//!
//! A worker is this test program again, in a process of its own. It enqueues its jobs, each once by its event's name;
//! takes them, fails some the first time, and for the others writes a line to SQLite and says that it is done. It tells
//! what it is about to do; at the point that is asked for it stops, and is killed there with SIGKILL. Then the next one
//! begins. In the end each job has its line once.

use damselfly::domain::*;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const JOBS: u32 = 24;
/// Where a worker is killed: the point's name, and at which time it is reached.
const POINTS: [(&str, usize); 10] = [
    ("enqueued", 5),
    ("claimed", 1),
    ("claimed", 4),
    ("nacking", 1),
    ("nacked", 1),
    ("written", 2),
    ("committed", 1),
    ("committed", 3),
    ("acked", 2),
    ("checked", 1),
];

/// Tells a point; stops there for ever where it is the one that is asked for.
struct Points {
    stop: Option<(String, usize)>,
    seen: usize,
}

impl Points {
    fn reach(&mut self, name: &str) {
        if let Some((point, times)) = &self.stop
            && point == name
        {
            self.seen += 1;
            if self.seen == *times {
                println!("\nat {name}");
                loop {
                    std::thread::park();
                }
            }
        }
    }
}

async fn work(b: impl Backend, ns: Namespace, file: &Path, points: &mut Points) {
    let options = QueueOptions {
        lease: Duration::from_millis(250),
        retry: Retry { attempts: 100, base: Duration::from_millis(1), ..Retry::default() },
        ..QueueOptions::default()
    };
    let q: ReliableQueue<u32, _> = ReliableQueue::new(ns, b, options).unwrap();
    let mut db = rusqlite::Connection::open(file).unwrap();
    db.busy_timeout(Duration::from_secs(10)).unwrap();
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    prepare_ledger(&db).unwrap();
    db.execute_batch("CREATE TABLE IF NOT EXISTS effects (job INTEGER NOT NULL)").unwrap();
    for job in 0..JOBS {
        let event = format!("job-{job}");
        q.enqueue(&job, EnqueueOptions { event: Some(&event), ..EnqueueOptions::default() }).await.unwrap();
        points.reach("enqueued");
    }
    loop {
        let stats = q.stats().await.unwrap();
        if stats.ready + stats.leased + stats.delayed == 0 {
            break;
        }
        for claim in q.claim("worker", 2, Duration::from_millis(300)).await.unwrap() {
            points.reach("claimed");
            if claim.job.is_multiple_of(5) && claim.attempt == 1 {
                points.reach("nacking");
                claim.nack(JobError::retryable("the first time")).await.unwrap();
                points.reach("nacked");
                continue;
            }
            claim.checkpoint(b"half").await.unwrap();
            points.reach("checked");
            // What `ack_in` does, with a point between any two steps of it.
            let t = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
            if claim.enter(&t).unwrap() {
                t.execute("INSERT INTO effects VALUES (?1)", [claim.job]).unwrap();
                points.reach("written");
            }
            t.commit().unwrap();
            points.reach("committed");
            claim.ack().await.unwrap();
            points.reach("acked");
        }
    }
    println!("\nfinished");
}

/// Not a test: what the tests below start.
#[tokio::test]
async fn a_worker_that_the_tests_kill() {
    let Ok(store) = std::env::var("QUEUE_CRASH_STORE") else { return };
    let setting = |name: &str| std::env::var(format!("QUEUE_CRASH_{name}")).unwrap();
    let file = Path::new(&setting("DIR")).join("effects.db");
    // As long as the process lives.
    let ns = Namespace::new("crash", Class::Durable).prefix(Box::leak(setting("PREFIX").into_boxed_str()));
    let stop = std::env::var("QUEUE_CRASH_AT").ok().and_then(|at| {
        let (point, times) = at.split_once(':')?;
        Some((point.to_owned(), times.parse().ok()?))
    });
    let mut points = Points { stop, seen: 0 };
    if store == "engine" {
        let dir = Path::new(&setting("DIR")).join("engine");
        std::fs::create_dir_all(&dir).unwrap();
        let config = damselfly::Config::default().dir(dir.to_string_lossy()).appendonly(true);
        let db = damselfly::Damselfly::open(config).unwrap();
        work(Embedded::over(db).synced(), ns, &file, &mut points).await;
    } else {
        #[cfg(feature = "remote")]
        work(damselfly::remote::Remote::connect(&store).await.unwrap(), ns, &file, &mut points).await;
    }
}

fn start(store: &str, dir: &Path, prefix: &str, at: Option<&str>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "queue_crash::a_worker_that_the_tests_kill", "--nocapture"])
        .env("QUEUE_CRASH_STORE", store)
        .env("QUEUE_CRASH_DIR", dir)
        .env("QUEUE_CRASH_PREFIX", prefix)
        .stdout(Stdio::piped());
    if let Some(at) = at {
        command.env("QUEUE_CRASH_AT", at);
    }
    command.spawn().unwrap()
}

/// Whether a worker says this line before it ends.
fn says(child: &mut Child, line: &str) -> bool {
    let out = child.stdout.take().unwrap();
    BufReader::new(out).lines().map_while(std::io::Result::ok).any(|said| said == line)
}

/// Kills workers at every point, and some anywhere; then the last one ends the work.
pub fn survive(store: &str) {
    let home = tempfile::tempdir().unwrap();
    let mut kills = 0;
    for (round, (point, times)) in POINTS.iter().enumerate() {
        // Each point with work before it, which the one before may have ended.
        let (dir, prefix) = (home.path().join(format!("{round}")), format!("crash-{point}-{times}"));
        std::fs::create_dir_all(&dir).unwrap();
        let mut worker = start(store, &dir, &prefix, Some(&format!("{point}:{times}")));
        assert!(says(&mut worker, &format!("at {point}")), "{point} was not reached");
        worker.kill().unwrap();
        worker.wait().unwrap();
        // And twice anywhere.
        for n in 0..2 {
            let mut worker = start(store, &dir, &prefix, None);
            std::thread::sleep(Duration::from_millis(40 + 31 * (round as u64 * 2 + n) % 200));
            kills += u32::from(worker.try_wait().unwrap().is_none());
            worker.kill().unwrap();
            worker.wait().unwrap();
        }
        let output = start(store, &dir, &prefix, None).wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("finished"), "after {point}: {said}");
        let db = rusqlite::Connection::open(dir.join("effects.db")).unwrap();
        let count = |sql: &str| -> u32 { db.query_row(sql, [], |row| row.get(0)).unwrap() };
        assert_eq!(count("SELECT COUNT(DISTINCT job) FROM effects"), JOBS, "lost after {point}");
        assert_eq!(count("SELECT COUNT(*) FROM effects"), JOBS, "twice after {point}");
    }
    eprintln!("killed {} workers at points, {kills} anywhere", POINTS.len());
}

#[test]
fn workers_on_a_journaled_engine_may_be_killed() {
    survive("engine");
}

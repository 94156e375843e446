//! A work queue in process: threads and tasks wait on the same lists, and a cancelled wait loses nothing.
//!
//! `cargo run --example blocking`

use damselfly::Damselfly;
use damselfly::embed::{End, Result};
use std::time::Duration;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::main]
async fn main() -> Result<()> {
    let db = Damselfly::in_memory();

    // A thread without any runtime: it is parked until there is work or the time is up.
    let thread = std::thread::spawn({
        let db = db.clone();
        move || -> Result<usize> {
            let mut done = 0;
            while let Some((queue, job)) =
                db.blpop_blocking(["urgent", "jobs"], Some(Duration::from_millis(300)))?
            {
                println!("thread took {} from {}", text(&job), text(&queue));
                done += 1;
            }
            Ok(done)
        }
    });

    // A task: it moves a job aside while it works on it, so that a crash would not lose it.
    let task = tokio::spawn({
        let db = db.clone();
        async move {
            let mut done = 0;
            loop {
                // A wait may be dropped at any time: what it had been given goes back to the queue.
                let wait = db.blmove("jobs", "working", End::Left, End::Right, None);
                let Ok(job) = tokio::time::timeout(Duration::from_millis(300), wait).await else {
                    return Result::<usize>::Ok(done);
                };
                if let Some(job) = job? {
                    println!("task took {}", text(&job));
                    db.lrem("working", 1, &job)?;
                    done += 1;
                }
                tokio::task::yield_now().await;
            }
        }
    });

    for n in 1..=10 {
        db.rpush("jobs", [format!("job {n}")])?;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    db.rpush("urgent", ["a fire"])?;

    let by_task = task.await.expect("the task does not panic")?;
    let by_thread = thread.join().expect("the thread does not panic")?;
    println!("{by_task} by the task, {by_thread} by the thread");
    assert_eq!(by_task + by_thread, 11);
    Ok(())
}

//! The concurrency limiter under many tasks, some of which give up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ledgerstone_resilience::{ConcurrencyLimiter, ConcurrencyOptions};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_than_the_limit_are_under_way_though_many_give_up() {
    let options =
        ConcurrencyOptions { limit: 3, max_waiting: 1_000, max_wait: Duration::from_secs(30), max_keys: 4 };
    let limiter = ConcurrencyLimiter::new("t", options);
    let (under_way, most, done) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let (limiter, under_way, most) = (limiter.clone(), Arc::clone(&under_way), Arc::clone(&most));
            tokio::spawn(async move {
                let _permit = limiter.acquire(["a", "b"][number % 2]).await.expect("a permit");
                if number % 2 == 0 {
                    most.fetch_max(under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    under_way.fetch_sub(1, Ordering::SeqCst);
                } else {
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for (number, task) in tasks.into_iter().enumerate() {
        // Only of the key whose calls are not counted, as an aborted one would stay counted.
        if number % 4 == 1 {
            task.abort();
        }
        done.fetch_add(usize::from(task.await.is_ok()), Ordering::Relaxed);
    }
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)), "{most:?}");
    assert!(done.into_inner() >= 150);
    assert_eq!(limiter.keys(), 0);
}

//! Tests of changes whose callers drop them half way.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ledgerstone_core::{BackendError, CacheStore};
use tokio::time::{sleep, timeout};

use crate::cache::Cache;
use crate::local_backplane::LocalBackplane;
use crate::nodes_tests::{SharedStub, Source, node, plain};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test(start_paused = true)]
async fn an_invalidation_that_is_dropped_half_way_reaches_everybody() {
    let (shared, source, plane) = (SharedStub::new(), Source::of(1), LocalBackplane::default());
    let a = node("a", plain(HOUR), &shared, Some(plane.node()));
    let b = node("b", plain(HOUR), &shared, Some(plane.node()));
    sleep(SECOND / 10).await;
    assert_eq!((source.through(&a, "k").await, source.through(&b, "k").await), (Some(1), Some(1)));
    source.set(2);
    shared.hangs.store(true, Ordering::SeqCst);
    timeout(SECOND / 10, a.delete("k")).await.expect_err("it hangs");
    shared.hangs.store(false, Ordering::SeqCst);
    assert_eq!(a.peek("k"), None);
    assert_eq!(source.through(&a, "k").await, Some(2));
    sleep(SECOND * 3).await;
    assert_eq!(b.peek("k"), None);
    assert_eq!(source.through(&b, "k").await, Some(2));
    assert!(!a.health().is_degraded(), "nothing is owed any more");
}

#[tokio::test(start_paused = true)]
async fn a_value_whose_setting_is_dropped_half_way_does_not_leave_the_old_one() {
    let (shared, source) = (SharedStub::new(), Source::of(1));
    let cache = node("a", plain(HOUR), &shared, None);
    assert_eq!(source.through(&cache, "k").await, Some(1));
    source.set(2);
    shared.hangs.store(true, Ordering::SeqCst);
    timeout(SECOND, cache.set("k", 2)).await.expect_err("it hangs");
    shared.hangs.store(false, Ordering::SeqCst);
    assert_eq!(cache.peek("k"), None);
    assert_eq!(source.through(&cache, "k").await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_writing_that_is_dropped_half_way_does_not_leave_the_old_value() {
    let (shared, source) = (SharedStub::new(), Source::of(1));
    let writes = Arc::clone(&source);
    let store: Arc<dyn CacheStore> = Arc::clone(&shared) as _;
    let cache: Cache<u64> = Cache::builder("numbers", plain(HOUR))
        .shared(store)
        .write_through(move |_, value: Arc<u64>| {
            writes.set(*value);
            std::future::pending::<Result<(), BackendError>>()
        })
        .build()
        .expect("sound settings");
    assert_eq!(source.through(&cache, "k").await, Some(1));
    timeout(SECOND, cache.write("k", 2)).await.expect_err("it hangs");
    assert_eq!((cache.peek("k"), source.through(&cache, "k").await), (None, Some(2)));
}

//! The run of the suite, over one limiter and one algorithm after the other.

use std::future::Future;

use futures_util::{StreamExt, stream};
use ledgerstone_testkit::FixedClock;
use ledgerstone_testkit::conformance::{CaseError, Fresh, rate_limiter};
use std::sync::Arc;

/// Runs every case, each over limiters of its own, and panics with the names of those that failed.
pub(super) async fn passes<F>(named: &str, open: impl Fn(Arc<FixedClock>) -> F)
where
    F: Future<Output = Result<Fresh<rate_limiter::Limiters>, CaseError>>,
{
    let suite = rate_limiter::suite();
    let cases = suite.cases().iter().map(|case| async {
        let fresh = open(Arc::new(FixedClock::default())).await.expect("limiters open");
        (case.name(), case.run(fresh).await)
    });
    let results: Vec<_> = stream::iter(cases).buffer_unordered(8).collect().await;
    let failed: Vec<_> =
        results.into_iter().filter_map(|(name, result)| Some((name, result.err()?))).collect();
    assert!(failed.is_empty(), "{named}: {failed:#?}");
}

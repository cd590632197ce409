//! Load shedding: a bounded number of requests at a time, a short queue before them, and an early no to the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use ledgerstone_core::{Code, ErrorKind, Problem};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::problem::Failure;
use crate::server::time_limit::Gate;

/// How long a place in the queue is worth waiting for; and how long a queue has to stand to count as standing.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long newcomers wait where a queue stands. Waiting adds to every answer then and serves nobody: the rule and
/// the proportion are those of "Fail at Scale" (B. Maurer, ACM Queue 13/8, 2015), after controlled delay.
const SHORT_PATIENCE: Duration = Duration::from_millis(50);
/// How long a caller that was refused should stay away.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Lets a bounded number of requests through at a time.
///
/// 1. A request that finds a place costs one atomic operation on the way in and one short lock on the way out.
/// 2. Without a place it waits in a queue of bounded length, in order, for a bounded time: one second, and 50 ms once
///    the queue has not been empty for a second. Beyond that it is refused (LS0039, 503 with `Retry-After`), and
///    its handler was not called.
/// 3. A place is held until the response begins. A body that streams holds none.
#[derive(Debug)]
pub struct LoadShed {
    places: Semaphore,
    most: usize,
    queue: usize,
    waiting: AtomicUsize,
    /// When the queue was last begun.
    standing_since: Mutex<Instant>,
}

/// A request's place, which is free again when this is dropped.
#[derive(Debug)]
pub struct Place<'a> {
    _permit: SemaphorePermit<'a>,
}

impl LoadShed {
    /// Lets `most` requests through at a time, while at most `queue` others wait.
    pub fn new(most: usize, queue: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        let standing_since = Mutex::new(Instant::now());
        Self { places: Semaphore::new(most), most, queue, waiting: AtomicUsize::new(0), standing_since }
    }

    /// Returns how many requests are under way.
    pub fn in_flight(&self) -> usize {
        self.most.saturating_sub(self.places.available_permits())
    }

    /// Returns how many requests wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Takes a place, perhaps after a wait; a caller that is gone by then leaves no trace.
    pub async fn enter(&self) -> Result<Place<'_>, Failure> {
        match self.places.try_acquire() {
            Ok(permit) => Ok(Place { _permit: permit }),
            Err(_) => self.wait().await,
        }
    }

    async fn wait(&self) -> Result<Place<'_>, Failure> {
        let Some(waiting) = Waiting::begin(self) else { return Err(self.refuse("full")) };
        match tokio::time::timeout(waiting.patience, self.places.acquire()).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit }),
            _ => Err(self.refuse("slow")),
        }
    }

    fn refuse(&self, why: &'static str) -> Failure {
        metrics::counter!("ledgerstone_requests_shed_total", "why" => why).increment(1);
        let detail = match why {
            "full" => {
                format!("{} requests are under way and {} wait, which is the limit", self.most, self.queue)
            }
            _ => format!("{} requests are under way and none ended soon enough", self.most),
        };
        let problem = Problem::new(
            ErrorKind::Unavailable,
            Code::Overloaded,
            format!("{detail}; nothing was done, ask again a little later"),
        );
        Failure::from(problem).retry_after(RETRY_AFTER)
    }
}

/// A place in the queue.
struct Waiting<'a> {
    shed: &'a LoadShed,
    patience: Duration,
}

impl<'a> Waiting<'a> {
    fn begin(shed: &'a LoadShed) -> Option<Self> {
        let more = |waiting: usize| (waiting < shed.queue).then_some(waiting + 1);
        let before = shed.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        let now = Instant::now();
        let mut standing_since = shed.standing_since.lock();
        if before == 0 {
            *standing_since = now;
        }
        let is_standing = now.duration_since(*standing_since) >= PATIENCE;
        Some(Self { shed, patience: if is_standing { SHORT_PATIENCE } else { PATIENCE } })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shed.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets a request in by a shed, or by none.
impl<'a> Gate for Option<&'a LoadShed> {
    type Place = Option<Place<'a>>;

    async fn enter(self) -> Result<Self::Place, Failure> {
        match self {
            Some(shed) => shed.enter().await.map(Some),
            None => Ok(None),
        }
    }
}

/// Bounds the requests under way; a layer by itself.
pub async fn shed_load(State(shed): State<Arc<LoadShed>>, request: Request, next: Next) -> Response {
    match shed.enter().await {
        Ok(_place) => next.run(request).await,
        Err(refused) => refused.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(refused: &Failure) -> (u16, &str) {
        (refused.problem().status, refused.problem().code.as_str())
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_the_places_and_the_queue_a_request_is_refused_at_once() {
        let shed = Arc::new(LoadShed::new(2, 1));
        let first = shed.enter().await.expect("a place");
        let _second = shed.enter().await.expect("a place");
        let queued = tokio::spawn({
            let shed = Arc::clone(&shed);
            async move { shed.enter().await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert_eq!((shed.in_flight(), shed.waiting()), (2, 1));
        let began = Instant::now();
        let refused = shed.enter().await.expect_err("the queue is full");
        assert_eq!((code(&refused), began.elapsed()), ((503, "LS0039"), Duration::ZERO));
        drop(first);
        queued.await.expect("no panic").expect("the place that came free");
        assert_eq!((shed.in_flight(), shed.waiting()), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_a_second_and_hardly_where_a_queue_stands() {
        let shed = Arc::new(LoadShed::new(1, 100));
        let _taken = shed.enter().await.expect("a place");
        let waits = |shed: &Arc<LoadShed>| {
            let shed = Arc::clone(shed);
            tokio::spawn(async move {
                let began = Instant::now();
                let refused = shed.enter().await.map(drop).expect_err("no place came free");
                assert_eq!(code(&refused), (503, "LS0039"));
                began.elapsed().as_millis()
            })
        };
        let first = waits(&shed);
        tokio::time::sleep(Duration::from_millis(500)).await;
        let second = waits(&shed);
        tokio::time::sleep(Duration::from_millis(900)).await;
        let third = waits(&shed);
        let waited = [first, second, third].map(|waiting| async { waiting.await.expect("no panic") });
        let waited = futures_util::future::join_all(waited).await;
        assert!((1_000..1_010).contains(&waited[0]) && (1_000..1_010).contains(&waited[1]), "{waited:?}");
        assert!((50..60).contains(&waited[2]), "the queue stood for 1.4 s by then: {waited:?}");
        let fresh = waits(&shed).await.expect("no panic");
        assert!((1_000..1_010).contains(&fresh), "the queue was empty before: {fresh}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_leaves_its_place_in_the_queue() {
        let shed = LoadShed::new(1, 1);
        let taken = shed.enter().await.expect("a place");
        assert!(tokio::time::timeout(Duration::from_millis(10), shed.enter()).await.is_err());
        assert_eq!(shed.waiting(), 0);
        drop(taken);
        assert!(shed.enter().await.is_ok());
        assert_eq!(shed.in_flight(), 0);
    }
}

//! The end of a server, in the order in which no request is lost.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Version};
use axum::middleware::Next;
use axum::response::Response;
use tokio_util::sync::CancellationToken;

/// How a server ends: unready, a delay in which it serves as before, no more connections, what is under way.
///
/// Whoever sends requests here learns from readiness that it should not, and needs a while for that; and callers that
/// keep a connection open are told with each answer to let go of it. Only then are connections refused.
///
/// ```no_run
/// # async fn serving(app: axum::Router, listener: tokio::net::TcpListener, stop: impl std::future::Future<Output = ()>) {
/// use std::time::Duration;
/// use ledgerstone_http::Drain;
///
/// let drain = Drain::new(Duration::from_secs(5), Duration::from_secs(20));
/// let server = axum::serve(listener, app).with_graceful_shutdown(drain.closing.clone().cancelled_owned());
/// drain.run(stop, server.into_future()).await;
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Drain {
    /// Cancelled once the server is unready: readiness answers 503 from then on.
    pub unready: CancellationToken,
    /// Cancelled once it takes no more connections, and streams without an end should end.
    pub closing: CancellationToken,
    /// How long it goes on serving while it is unready.
    pub delay: Duration,
    /// How long requests under way may take to finish after that.
    pub deadline: Duration,
}

impl Drain {
    /// Makes the end of a server that serves.
    pub fn new(delay: Duration, deadline: Duration) -> Self {
        Self { unready: CancellationToken::new(), closing: CancellationToken::new(), delay, deadline }
    }

    /// Tells whether requests should be sent here.
    pub fn is_ready(&self) -> bool {
        !self.unready.is_cancelled()
    }

    /// Serves until `stop` comes and then ends in order; returns nothing where requests outlasted the deadline.
    ///
    /// `serving` has to end by itself once `closing` is cancelled and what was under way is answered.
    pub async fn run<S: Future>(&self, stop: impl Future<Output = ()>, serving: S) -> Option<S::Output> {
        let mut serving = pin!(serving);
        tokio::select! {
            () = stop => {}
            ended = &mut serving => return Some(ended),
        }
        self.unready.cancel();
        if let Ok(ended) = tokio::time::timeout(self.delay, &mut serving).await {
            return Some(ended);
        }
        self.closing.cancel();
        tokio::time::timeout(self.deadline, serving).await.ok()
    }

    /// Has the caller let go of its connection after this answer, if the server is going down.
    ///
    /// HTTP/2 has no such header; its connections are told when the server closes.
    pub(crate) fn mark(&self, version: Version, response: &mut Response) {
        if version <= Version::HTTP_11 && !self.is_ready() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Has callers let go of their connections while the server goes down; a layer by itself.
pub async fn close_connections(State(drain): State<Drain>, request: Request, next: Next) -> Response {
    let version = request.version();
    let mut response = next.run(request).await;
    drain.mark(version, &mut response);
    response
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::Body;
    use parking_lot::Mutex;
    use tokio::time::Instant;

    use super::*;

    fn drain() -> Drain {
        Drain::new(Duration::from_secs(5), Duration::from_secs(20))
    }

    /// Ends a server whose last request takes `work` after it closes; answers what happened when, in seconds.
    async fn ended(work: u64) -> (Option<()>, Vec<(&'static str, u64)>, u64) {
        let (drain, began) = (drain(), Instant::now());
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = |what: &'static str, token: CancellationToken| {
            let told = Arc::clone(&told);
            async move {
                token.cancelled().await;
                told.lock().push((what, began.elapsed().as_secs()));
            }
        };
        tokio::spawn(tell("unready", drain.unready.clone()));
        let serving = async {
            tell("closing", drain.closing.clone()).await;
            tokio::time::sleep(Duration::from_secs(work)).await;
        };
        let stop = tokio::time::sleep(Duration::from_secs(1));
        let outcome = drain.run(stop, serving).await;
        let told = told.lock().clone();
        (outcome, told, began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_is_unready_before_it_closes_and_waits_for_what_is_under_way() {
        assert_eq!(ended(3).await, (Some(()), vec![("unready", 1), ("closing", 6)], 9));
    }

    #[tokio::test(start_paused = true)]
    async fn what_outlasts_the_deadline_is_cut_off() {
        assert_eq!(ended(60).await, (None, vec![("unready", 1), ("closing", 6)], 26));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_ends_by_itself_is_not_waited_for() {
        let drain = drain();
        let outcome = drain.run(std::future::pending(), async { 7 }).await;
        assert_eq!((outcome, drain.is_ready()), (Some(7), true));
    }

    #[test]
    fn callers_let_go_of_their_connections_only_while_the_server_goes_down() {
        let drain = drain();
        let marked = |version| {
            let mut response = Response::new(Body::empty());
            drain.mark(version, &mut response);
            response.headers().contains_key(CONNECTION)
        };
        assert!(!marked(Version::HTTP_11));
        drain.unready.cancel();
        assert!(marked(Version::HTTP_11) && marked(Version::HTTP_10) && !marked(Version::HTTP_2));
    }
}

//! Time limits: a request has as long as the server gives it, or as its caller still waits, whichever ends first.

use std::future::Future;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use ledgerstone_core::{Code, ErrorKind, Problem};
use ledgerstone_resilience::{DEADLINE_HEADER, Deadline};

use crate::problem::Failure;

/// The longest time that a request may take until its response begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit(Duration);

impl TimeLimit {
    /// Gives every request this long.
    pub fn new(longest: Duration) -> Self {
        Self(longest)
    }

    /// Begins the time of a request, of which its caller may have left less (`x-ledgerstone-deadline-ms`); one that
    /// nobody waits for any more is refused (LS0040).
    pub(crate) fn begin(self, headers: &HeaderMap) -> Result<RequestTime, Failure> {
        let own = Deadline::after(self.0);
        let Some(callers) = given(headers)? else {
            return Ok(RequestTime { deadline: own, span: self.0, is_callers: false, has_begun: false });
        };
        if callers.is_over() {
            return Err(over("the caller had no time left when the request came, so nothing was done"));
        }
        let (deadline, is_callers) = (own.tighter(callers), callers < own);
        let span = if is_callers { callers.remaining() } else { self.0 };
        Ok(RequestTime { deadline, span, is_callers, has_begun: false })
    }
}

/// The time of one request.
#[derive(Debug)]
pub(crate) struct RequestTime {
    deadline: Deadline,
    span: Duration,
    is_callers: bool,
    /// Whether a handler has begun, and may have changed something.
    has_begun: bool,
}

impl RequestTime {
    /// Answers a request within its time: handlers find it as [`Deadline::current`], and so does every call that
    /// they make under a policy.
    pub(crate) async fn answer(mut self, request: Request, next: Next, gate: impl Gate) -> Response {
        // Whatever is not a read may have changed something.
        let writes = !request.method().is_safe();
        let (deadline, begun) = (self.deadline, &mut self.has_begun);
        let answering = async {
            let _place = match gate.enter().await {
                Ok(place) => place,
                Err(refused) => return refused.into_response(),
            };
            *begun = true;
            next.run(request).await
        };
        let answered = tokio::time::timeout(self.span, deadline.scope(answering)).await;
        answered.unwrap_or_else(|_| self.late(writes).into_response())
    }

    /// Says that the answer took too long; after a write nobody knows what became of it.
    fn late(&self, writes: bool) -> Failure {
        let who = if self.is_callers { ", which is how long its caller waits" } else { "" };
        let within = match self.span.subsec_millis() {
            0 => format!("within {} s{who}", self.span.as_secs()),
            _ => format!("within {} ms{who}", self.span.as_millis()),
        };
        if !self.has_begun {
            return over(&format!("the request waited for its turn and had none {within}; nothing was done"));
        }
        let (code, detail) = match (writes, self.is_callers) {
            (true, _) => {
                let what = "nobody knows what became of it; send it again with the same ids";
                (Code::Indeterminate, format!("the request was not answered {within}, and {what}"))
            }
            (false, true) => {
                (Code::DeadlineExceeded, format!("the request was not answered {within}; give it more time"))
            }
            (false, false) => {
                (Code::Unreachable, format!("the request was not answered {within}; ask again, for less"))
            }
        };
        Problem::new(ErrorKind::TimedOut, code, detail).into()
    }
}

/// What a request passes within its time and before its handler.
pub(crate) trait Gate: Send {
    /// What is held until the response begins.
    type Place: Send;
    /// Lets the request in, perhaps after a wait.
    fn enter(self) -> impl Future<Output = Result<Self::Place, Failure>> + Send;
}

/// Lets everything in at once.
pub(crate) struct Open;

impl Gate for Open {
    type Place = ();

    async fn enter(self) -> Result<(), Failure> {
        Ok(())
    }
}

/// Bounds the time of a request; a layer by itself.
pub async fn limit_time(State(limit): State<TimeLimit>, request: Request, next: Next) -> Response {
    match limit.begin(request.headers()) {
        Ok(time) => time.answer(request, next, Open).await,
        Err(refused) => refused.into_response(),
    }
}

/// Reads how long the caller still waits.
fn given(headers: &HeaderMap) -> Result<Option<Deadline>, Failure> {
    let Some(value) = headers.get(DEADLINE_HEADER) else { return Ok(None) };
    let wrong = || {
        let detail = "must be how many milliseconds the caller still waits, such as 2500";
        Failure::from(Problem::invalid(format!("header {DEADLINE_HEADER}: {detail}")))
    };
    let text = value.to_str().map_err(|_| wrong())?;
    Deadline::from_header(text.trim()).map(Some).ok_or_else(wrong)
}

fn over(detail: &str) -> Failure {
    Problem::new(ErrorKind::TimedOut, Code::DeadlineExceeded, detail).into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::middleware::from_fn_with_state;
    use axum::routing::{any, get};
    use tower::ServiceExt as _;

    use super::*;

    async fn call(method: &str, path: &str, left: Option<&str>) -> (u16, String, usize) {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let slow = || async move {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(60)).await;
        };
        let told = || async {
            let left = Deadline::current().map(|deadline| deadline.remaining().as_millis());
            format!("{left:?}")
        };
        let app = Router::new()
            .route("/slow", any(slow))
            .route("/told", get(told))
            .layer(from_fn_with_state(TimeLimit::new(Duration::from_secs(5)), limit_time));
        let mut request = Request::builder().method(method).uri(path);
        if let Some(left) = left {
            request = request.header(DEADLINE_HEADER, left);
        }
        let answer = app.oneshot(request.body(Body::empty()).expect("a request")).await.expect("answers");
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), 10_000).await.expect("a body");
        (status, String::from_utf8_lossy(&body).into_owned(), calls.load(Ordering::Relaxed))
    }

    #[tokio::test(start_paused = true)]
    async fn the_tighter_of_the_two_times_is_the_deadline_of_the_handler() {
        for (left, expected) in [(None, "5000"), (Some("1200"), "1200"), (Some("60000"), "5000")] {
            let (status, told, _) = call("GET", "/told", left).await;
            assert_eq!((status, told), (200, format!("Some({expected})")));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_nobody_waits_for_does_not_reach_its_handler() {
        let (status, problem, calls) = call("POST", "/slow", Some("0")).await;
        assert_eq!((status, calls), (504, 0));
        assert!(problem.contains("LS0040"), "{problem}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_says_whose_time_was_over_and_what_is_known() {
        for (method, left, code) in [
            ("GET", None, "LS0027"),
            ("GET", Some("40"), "LS0040"),
            ("HEAD", None, "LS0027"),
            ("OPTIONS", None, "LS0027"),
            ("OPTIONS", Some("40"), "LS0040"),
            ("POST", None, "LS0028"),
            ("POST", Some("40"), "LS0028"),
        ] {
            let began = tokio::time::Instant::now();
            let (status, problem, calls) = call(method, "/slow", left).await;
            assert_eq!((status, calls), (504, 1));
            // An answer to HEAD has no body.
            assert!(method == "HEAD" || problem.contains(code), "{method} {left:?}: {problem}");
            let expected = if left.is_some() { 40 } else { 5_000 };
            assert_eq!(began.elapsed().as_millis() / 10, expected / 10);
        }
    }

    #[tokio::test]
    async fn a_deadline_that_is_no_number_is_refused() {
        for wrong in ["soon", "-1", "1.5", ""] {
            let (status, problem, _) = call("GET", "/told", Some(wrong)).await;
            assert_eq!(status, 400, "{wrong}");
            assert!(problem.contains("milliseconds"), "{problem}");
        }
    }
}

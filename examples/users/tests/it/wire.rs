//! The way to the service: without a socket, and told what to do with each request.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use futures_util::{StreamExt as _, stream};
use ledgerstone::core::{BackendError, Code, ErrorKind, HttpClient, HttpRequest, HttpResponse};
use parking_lot::Mutex;
use tower::ServiceExt as _;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    /// It reaches the service, and the answer comes back.
    Delivers,
    /// It reaches the service after a while.
    DeliversAfter(Duration),
    /// Nobody is there.
    IsDown,
    /// It reaches the service, and the answer is lost.
    LosesTheAnswer,
    /// Something before the service answers with a status and what else it has to say.
    Answers(u16, Option<(&'static str, &'static str)>),
}

/// A wire; clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    service: Router,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug)]
struct Plan {
    always: Does,
    next: VecDeque<Does>,
    requests: Vec<String>,
}

impl Wire {
    pub(crate) fn to(service: Router) -> Self {
        let plan = Plan { always: Does::Delivers, next: VecDeque::new(), requests: Vec::new() };
        Self { service, plan: Arc::new(Mutex::new(plan)) }
    }

    /// Does this from now on.
    pub(crate) fn now(&self, does: Does) {
        self.plan.lock().always = does;
    }

    /// Does these with the next requests, one each.
    pub(crate) fn next(&self, does: impl IntoIterator<Item = Does>) {
        self.plan.lock().next.extend(does);
    }

    /// Returns how many requests were sent since this was asked for last.
    pub(crate) fn requests(&self) -> usize {
        self.taken().len()
    }

    /// Returns the requests since they were asked for last: method and path.
    pub(crate) fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.plan.lock().requests)
    }

    async fn deliver(&self, request: HttpRequest) -> HttpResponse {
        let path = request.url.strip_prefix("http://users.test").expect("one host only").to_owned();
        let mut sent = axum::http::Request::builder().method(request.method).uri(path);
        for (name, value) in request.headers {
            sent = sent.header(name, value);
        }
        let sent = sent.body(Body::from(request.body)).expect("a request");
        // The store's writer is a thread, for which simulated time does not wait; it does for this one.
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        let still = tokio::task::spawn_blocking(move || is_done.recv());
        let Ok(answer) = self.service.clone().oneshot(sent).await;
        drop(done);
        let _ = still.await;
        let headers = answer.headers().iter().map(|(name, value)| {
            (name.as_str().to_owned(), value.to_str().expect("plain headers").to_owned())
        });
        let (status, headers) = (answer.status().as_u16(), headers.collect());
        let body = to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
        HttpResponse { status, headers, body: stream::iter([Ok(body)]).boxed() }
    }
}

#[async_trait]
impl HttpClient for Wire {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, BackendError> {
        let does = {
            let mut plan = self.plan.lock();
            let path = request.url.trim_start_matches("http://users.test");
            plan.requests.push(format!("{} {path}", request.method));
            plan.next.pop_front().unwrap_or(plan.always)
        };
        let gone =
            |message: &str| BackendError::new(ErrorKind::Unavailable, "http", "send a request", message);
        match does {
            Does::Delivers => Ok(self.deliver(request).await),
            Does::DeliversAfter(wait) => {
                tokio::time::sleep(wait).await;
                Ok(self.deliver(request).await)
            }
            Does::IsDown => Err(gone("nobody is there; start the service")),
            Does::LosesTheAnswer => {
                self.deliver(request).await;
                Err(gone("the connection broke; ask again").with_code(Code::Indeterminate))
            }
            Does::Answers(status, header) => {
                let headers = header.map(|(name, value)| (name.to_owned(), value.to_owned()));
                let body = stream::empty().boxed();
                Ok(HttpResponse { status, headers: headers.into_iter().collect(), body })
            }
        }
    }
}

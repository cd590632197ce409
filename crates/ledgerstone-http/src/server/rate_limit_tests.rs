//! Rate limits at the edge, over a limiter of two requests.

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use ledgerstone_core::{RateAlgorithm, RateOverride, RateState};
use tower::ServiceExt as _;

use super::*;

/// Allows two, and fails where told.
#[derive(Debug, Default)]
struct Two {
    taken: AtomicU32,
    fails: bool,
    keys: Mutex<Vec<String>>,
}

#[async_trait]
impl RateLimiter for Two {
    fn rules(&self) -> Vec<RateRule> {
        let algorithm = RateAlgorithm::FixedWindow;
        let (name, per) = ("per_minute".to_owned(), Duration::from_secs(60));
        vec![RateRule { name, limit: 2, per, burst: None, algorithm }]
    }

    async fn take(&self, key: &str, cost: u32) -> Result<RateVerdict, BackendError> {
        self.keys.lock().push(key.to_owned());
        if self.fails {
            return Err(BackendError::new(ErrorKind::Unavailable, "test", "take", "away; look after it"));
        }
        let taken = self.taken.fetch_add(cost, Ordering::Relaxed) + cost;
        let is_allowed = taken <= 2;
        let rule = Arc::new(self.rules().remove(0));
        let state =
            RateState { rule, remaining: 2_u32.saturating_sub(taken), resets_in: Duration::from_secs(9) };
        let retry_after = (!is_allowed).then_some(Duration::from_millis(8_200));
        Ok(RateVerdict { is_allowed, tightest: Some(state), retry_after, is_degraded: false })
    }

    async fn states(&self, _key: &str) -> Result<Vec<RateState>, BackendError> {
        Ok(Vec::new())
    }

    async fn set_override(&self, _key: &str, _rules: Option<RateOverride>) -> Result<(), BackendError> {
        Ok(())
    }

    async fn reset(&self, _key: &str) -> Result<(), BackendError> {
        Ok(())
    }
}

fn app(limit: RateLimit) -> Router {
    Router::new().route("/", get(|| async { "in" })).layer(from_fn_with_state(limit, limit_rate))
}

async fn call(app: &Router) -> Response {
    app.clone().oneshot(Request::new(Body::empty())).await.expect("answers")
}

#[tokio::test]
async fn every_answer_tells_what_is_left_and_a_refusal_when_to_come_again() {
    let app = app(RateLimit::new(Arc::new(Two::default())));
    for _ in 0..2 {
        let answer = call(&app).await;
        assert_eq!(answer.status(), 200);
        assert!(answer.headers().keys().any(|name| name.as_str().starts_with("ratelimit")), "{answer:?}");
    }
    let answer = call(&app).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()[RETRY_AFTER]),
        (429, &HeaderValue::from_static("9"))
    );
    assert!(answer.headers().keys().any(|name| name.as_str().starts_with("ratelimit")), "{answer:?}");
    let body = axum::body::to_bytes(answer.into_body(), 10_000).await.expect("a body");
    let problem: Problem = serde_json::from_slice(&body).expect("a problem");
    assert_eq!((problem.code.as_str(), problem.retryable), ("LS0037", true));
}

#[tokio::test]
async fn a_limiter_that_fails_lets_through_or_refuses_as_it_was_told() {
    let failing = || Arc::new(Two { fails: true, ..Two::default() });
    assert_eq!(call(&app(RateLimit::new(failing()))).await.status(), 200);
    let strict = RateLimit::new(failing()).unjudged(Unjudged::Refuse);
    assert_eq!(call(&app(strict)).await.status(), 503);
}

#[tokio::test]
async fn what_costs_nothing_is_not_asked_for() {
    let two = Arc::new(Two::default());
    let limiter: Arc<dyn RateLimiter> = Arc::<Two>::clone(&two);
    let app = app(RateLimit::new(limiter).cost(|_| 0));
    for _ in 0..5 {
        assert_eq!(call(&app).await.status(), 200);
    }
    assert!(two.keys.lock().is_empty());
}

#[test]
fn the_key_is_the_caller_and_else_the_network_of_its_address() {
    let limit = RateLimit::new(Arc::new(Two::default()));
    let key = |address: &str, name: Option<&str>| {
        let mut request = Request::new(Body::empty());
        if !address.is_empty() {
            let address: SocketAddr = address.parse().expect("an address");
            request.extensions_mut().insert(ConnectInfo(address));
        }
        if let Some(name) = name {
            request.extensions_mut().insert(Caller { name: name.into() });
        }
        limit.asked(&request).key
    };
    assert_eq!(key("192.0.2.7:4711", Some("billing")), "caller:billing");
    assert_eq!(key("192.0.2.7:4711", None), "address:192.0.2.7");
    assert_eq!(key("[::ffff:192.0.2.7]:1", None), "address:192.0.2.7");
    assert_eq!(key("[2001:db8:1:2:3:4:5:6]:1", None), key("[2001:db8:1:2::9]:2", None));
    assert_eq!(key("", None), "address:unknown");
    assert_eq!(key("", Some(&"ü".repeat(600))).len(), 511);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_once_in_a_while() {
    let limit = RateLimit::new(Arc::new(Two::default()));
    assert!(limit.is_time_to_tell() && !limit.is_time_to_tell());
    tokio::time::advance(TOLD_EVERY).await;
    assert!(limit.is_time_to_tell() && !limit.is_time_to_tell());
}

//! Rate limits at the edge: who asks too often is told when to come again, and everybody how much is left.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use ledgerstone_core::{BackendError, Code, ErrorKind, Problem, RateLimiter, RateRule, RateVerdict};
use ledgerstone_resilience::rate_headers;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::authenticator::Caller;
use crate::problem::Failure;

/// How often a limiter that fails is told of.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// What becomes of a request that the limiter cannot judge.
///
/// A limiter over a shared store enforces this node's share when that store is lost, and does not fail; what is
/// left are faults of the limiter itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unjudged {
    /// It goes on.
    #[default]
    LetThrough,
    /// It is refused with the limiter's failure.
    Refuse,
}

/// Asks a limiter about each request.
///
/// The key is the caller's name where somebody was let in by one (`caller:NAME`), and the address of the connection
/// otherwise (`address:192.0.2.7`, and the /64 network of an IPv6 address, as one host has all of that). Headers that
/// tell of another address are not believed.
#[derive(Debug, Clone)]
pub struct RateLimit {
    limiter: Arc<dyn RateLimiter>,
    unjudged: Unjudged,
    cost: fn(&Request) -> u32,
    told: Arc<Mutex<Option<Instant>>>,
}

/// What a request costs, and whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    key: String,
    cost: u32,
}

/// The headers of an answer that tell what is left.
#[derive(Debug, Clone, Default)]
pub struct Allowance(HeaderMap);

impl RateLimit {
    /// Asks this limiter; every request costs one.
    pub fn new(limiter: Arc<dyn RateLimiter>) -> Self {
        Self { limiter, unjudged: Unjudged::default(), cost: |_| 1, told: Arc::default() }
    }

    /// Says what becomes of requests that the limiter cannot judge.
    #[must_use]
    pub fn unjudged(self, unjudged: Unjudged) -> Self {
        Self { unjudged, ..self }
    }

    /// Says what a request costs; what costs nothing is not limited.
    #[must_use]
    pub fn cost(self, cost: fn(&Request) -> u32) -> Self {
        Self { cost, ..self }
    }

    /// Says whom a request concerns and what it costs.
    pub fn asked(&self, request: &Request) -> Asked {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let key = key_of(request.extensions().get::<Caller>(), peer);
        Asked { key, cost: (self.cost)(request) }
    }

    /// Takes what a request costs; the answer to one that was allowed tells what is left, and one that was not is
    /// answered with 429 (LS0037).
    pub async fn take(&self, asked: &Asked) -> Result<Allowance, Response> {
        if asked.cost == 0 {
            return Ok(Allowance::default());
        }
        match self.limiter.take(&asked.key, asked.cost).await {
            Ok(verdict) if verdict.is_allowed => Ok(Allowance::of(&verdict)),
            Ok(verdict) => Err(refused(&verdict)),
            Err(error) => {
                self.tell(&error);
                match self.unjudged {
                    Unjudged::LetThrough => Ok(Allowance::default()),
                    Unjudged::Refuse => Err(Failure::from(error).into_response()),
                }
            }
        }
    }

    /// Counts a failure of the limiter, and logs it once in a while.
    fn tell(&self, error: &BackendError) {
        metrics::counter!("ledgerstone_rate_limit_failures_total").increment(1);
        if self.is_time_to_tell() {
            let unjudged = self.unjudged;
            tracing::warn!(%error, ?unjudged, "the rate limiter fails");
        }
    }

    fn is_time_to_tell(&self) -> bool {
        let now = Instant::now();
        let mut told = self.told.lock();
        let is_time = told.is_none_or(|told| now.duration_since(told) >= TOLD_EVERY);
        if is_time {
            *told = Some(now);
        }
        is_time
    }
}

impl Allowance {
    fn of(verdict: &RateVerdict) -> Self {
        let headers = rate_headers(verdict).into_iter().filter_map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_str(&value).ok()?))
        });
        Self(headers.collect())
    }

    /// Puts the headers on an answer.
    pub fn put(self, response: &mut Response) {
        for (name, value) in self.0 {
            if let Some(name) = name {
                response.headers_mut().insert(name, value);
            }
        }
    }
}

/// Limits the rate of each caller; a layer by itself.
pub async fn limit_rate(State(limit): State<RateLimit>, request: Request, next: Next) -> Response {
    let asked = limit.asked(&request);
    match limit.take(&asked).await {
        Ok(allowance) => {
            let mut response = next.run(request).await;
            allowance.put(&mut response);
            response
        }
        Err(refused) => refused,
    }
}

fn refused(verdict: &RateVerdict) -> Response {
    metrics::counter!("ledgerstone_requests_limited_total").increment(1);
    let rule = verdict.tightest.as_ref().map(|state| &state.rule);
    let bound = match rule {
        Some(rule) => format!("{} requests in {:?} are allowed (rule {})", rule.limit, rule.per, rule.name),
        None => "no requests of this caller are allowed".to_owned(),
    };
    let next = match verdict.retry_after {
        Some(wait) => format!("ask again in {} s", seconds(wait)),
        None => "ask the operator of this server for more".to_owned(),
    };
    let problem = Problem::new(ErrorKind::Throttled, Code::RateLimited, format!("{bound}; {next}"));
    let mut failure = Failure::from(problem);
    if let Some(wait) = verdict.retry_after {
        failure = failure.retry_after(wait);
    }
    let mut response = failure.into_response();
    if verdict.retry_after.is_none() {
        response.headers_mut().remove(RETRY_AFTER);
    }
    Allowance::of(verdict).put(&mut response);
    response
}

/// Returns whole seconds, so that nobody comes too early.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Returns the key under which a limiter counts what this caller asks, or whoever is at this address.
pub(crate) fn key_of(caller: Option<&Caller>, address: Option<IpAddr>) -> String {
    match caller {
        Some(caller) => shortened(format!("caller:{}", caller.name)),
        None => address_key(address),
    }
}

fn address_key(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => format!("address:{address}"),
        Some(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("address:{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        None => "address:unknown".to_owned(),
    }
}

/// Cuts a key to what a limiter takes: else whoever has a long name would not be judged.
fn shortened(mut key: String) -> String {
    if key.len() > RateRule::MAX_KEY_BYTES {
        key.truncate(key.floor_char_boundary(RateRule::MAX_KEY_BYTES));
    }
    key
}

#[cfg(test)]
#[path = "rate_limit_tests.rs"]
mod tests;

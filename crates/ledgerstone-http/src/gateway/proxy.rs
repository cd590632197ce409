//! The reverse proxy: requests from outside, by route, to services, with the door and the limits before them.

mod aside;
mod bodies;
mod headers;
mod refusal;
mod route;
mod target;
mod upstream;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::ConnectInfo;
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, Request};
use axum::response::Response;
use ledgerstone_core::{BackendError, IdSource, RateLimiter, RateVerdict, TimeOrderedIds, nearest};
use ledgerstone_resilience::{Attempt, DEADLINE_HEADER, Deadline, Idempotent, Once, Policy};
use parking_lot::Mutex;

use crate::authenticator::{Authenticator, Caller};
use crate::correlation::Correlation;
use crate::gateway::policy_source::PolicySource;
use crate::gateway::proxy::aside::Aside;
use crate::gateway::proxy::bodies::{Upload, Verdict};
use crate::gateway::proxy::route::{Found, Route, Routes};
pub use crate::gateway::proxy::route::{RouteAuth, RouteSettings};
use crate::gateway::proxy::upstream::{PassFailure, Passing, Upstream};
use crate::gateway::service::Service;
use crate::gateway::service_settings::{Scheme, misconfigured};
use crate::gateway::services::Services;
use crate::middleware::bearer;
use crate::server::rate_limit::key_of;

/// Passes requests on to services; cheap to clone.
///
/// Bodies stream both ways and are never held whole. Who leaves ends the request to the service. Only a request
/// without a body whose method may be repeated is sent again, under a policy that retries, and then to another
/// endpoint. It speaks HTTP/1.1 to services, and passes no upgrade on (WebSocket among them): 501.
#[derive(Clone)]
pub struct Proxy {
    inner: Arc<Inner>,
}

struct Inner {
    services: Services,
    routes: Routes,
    upstream: Upstream,
    given: Given,
}

#[derive(Clone)]
struct Given {
    authenticator: Option<Arc<dyn Authenticator>>,
    trusts_everybody: bool,
    limiters: BTreeMap<String, Arc<dyn RateLimiter>>,
    policies: PolicySource,
    ids: Arc<dyn IdSource>,
    scheme: Scheme,
}

/// Collects what a [`Proxy`] needs beyond routes.
pub struct ProxyBuilder {
    services: Services,
    given: Given,
}

impl ProxyBuilder {
    /// Lets in whom this lets in.
    #[must_use]
    pub fn with_authenticator(mut self, authenticator: Arc<dyn Authenticator>) -> Self {
        self.given.authenticator = Some(authenticator);
        self
    }

    /// Lets everybody in everywhere, as a server without a token does.
    #[must_use]
    pub fn trusting_everybody(mut self) -> Self {
        self.given.trusts_everybody = true;
        self
    }

    /// Lets routes name this limiter.
    #[must_use]
    pub fn with_limiter(mut self, name: impl Into<String>, limiter: Arc<dyn RateLimiter>) -> Self {
        self.given.limiters.insert(name.into(), limiter);
        self
    }

    /// Lets routes and services name these policies.
    #[must_use]
    pub fn with_policies(mut self, policies: PolicySource) -> Self {
        self.given.policies = policies;
        self
    }

    /// Makes correlation ids by this, where the server has none yet.
    #[must_use]
    pub fn with_ids(mut self, ids: Arc<dyn IdSource>) -> Self {
        self.given.ids = ids;
        self
    }

    /// Tells services that callers come over this.
    #[must_use]
    pub fn with_scheme(mut self, scheme: Scheme) -> Self {
        self.given.scheme = scheme;
        self
    }

    /// Checks the routes, and everything that they name.
    pub fn build(self, settings: &[RouteSettings]) -> Result<Proxy, BackendError> {
        let routes = settings.iter().map(|settings| self.route(settings)).collect::<Result<_, _>>()?;
        let (routes, upstream) = (Routes::new(routes), Upstream::default());
        Ok(Proxy { inner: Arc::new(Inner { services: self.services, routes, upstream, given: self.given }) })
    }

    fn route(&self, settings: &RouteSettings) -> Result<Arc<Route>, BackendError> {
        let route = Route::new(settings)?;
        let service = self.services.get(&settings.service)?;
        if service.settings.scheme == Scheme::Https {
            let name = &service.name;
            return Err(misconfigured(format!(
                "the proxy speaks plain HTTP to services and {name} speaks https; take the route away, \
                 or let the service speak http within the network"
            )));
        }
        if let Some(policy) = settings.policy.as_ref().or(service.settings.policy.as_ref()) {
            self.given.policies.get(policy)?;
        }
        let Given { limiters, authenticator, trusts_everybody, .. } = &self.given;
        if let Some(limiter) = settings.limiter.as_ref().filter(|name| !limiters.contains_key(*name)) {
            let guess = nearest(limiter, limiters.keys()).map(|near| format!("; did you mean {near}?"));
            let guess = guess.unwrap_or_default();
            return Err(misconfigured(format!("no rate limiter is named {limiter:?}{guess}")));
        }
        if settings.auth == RouteAuth::Required && authenticator.is_none() && !trusts_everybody {
            let message = "a route asks callers to prove who they are and this server cannot check it; \
                           configure a token, or open the route with auth = \"open\"";
            return Err(misconfigured(message.to_owned()));
        }
        Ok(Arc::new(route))
    }
}

impl Proxy {
    /// Begins a proxy to these services.
    pub fn builder(services: Services) -> ProxyBuilder {
        let given = Given {
            authenticator: None,
            trusts_everybody: false,
            limiters: BTreeMap::new(),
            policies: PolicySource::default(),
            ids: Arc::new(TimeOrderedIds),
            scheme: Scheme::Http,
        };
        ProxyBuilder { services, given }
    }

    /// Returns a router of which everything goes through this; also fit as the fallback of another.
    pub fn router(self) -> Router {
        Router::new().fallback_service(self)
    }

    /// Tells whether a path is one of its routes', whatever the method.
    pub fn takes(&self, target: &PathAndQuery) -> bool {
        self.inner.routes.know(target)
    }

    /// Answers a request, by passing it on or by saying why not.
    pub async fn handle(&self, request: Request<Body>) -> Response {
        if let Some(correlation) = Correlation::current() {
            return self.inner.handle(request, &correlation).await;
        }
        let correlation = Correlation::of(request.headers(), &*self.inner.given.ids);
        let handled = self.inner.handle(request, &correlation);
        let mut response = correlation.clone().scope(handled).await;
        if let Some(value) = correlation.to_header() {
            response.headers_mut().insert(Correlation::HEADER, value);
        }
        response
    }
}

impl Inner {
    async fn handle(&self, request: Request<Body>, correlation: &Correlation) -> Response {
        let started = Instant::now();
        let (parts, body) = request.into_parts();
        let given = parts.uri.path_and_query().cloned();
        let target = given.unwrap_or_else(|| PathAndQuery::from_static("/"));
        if let Some(fault) = target::find_fault(target.path()) {
            return refusal::malformed(fault);
        }
        let (route, target) = match self.routes.find(&parts.method, &target) {
            Found::Route(route, _) if !self.is_read_alike(route, &parts.method, target.path()) => {
                return refusal::malformed("its path could be read as one of another route; send it plainly");
            }
            Found::Route(route, Ok(target)) => (route, target),
            Found::Route(_, Err(fault)) => return refusal::malformed(&fault),
            Found::WrongMethod(allowed) => return refusal::wrong_method(&parts.method, &allowed),
            Found::Nothing => return refusal::no_route(target.path()),
        };
        let passed = self.pass(route, target, parts, body, correlation).await;
        let response = passed.unwrap_or_else(|refused| *refused);
        route.metrics.count(response.status().as_u16(), started.elapsed());
        response
    }

    /// Tells whether the path is the route's also as a service may read it: else who may use the one route would
    /// reach what is behind the other.
    fn is_read_alike(&self, route: &Arc<Route>, method: &Method, path: &str) -> bool {
        let Some(reading) = target::other_reading(path) else { return true };
        let Ok(reading) = PathAndQuery::try_from(reading) else { return false };
        matches!(self.routes.find(method, &reading), Found::Route(other, _) if Arc::ptr_eq(route, other))
    }

    /// Does what the route asks for before anything is passed on, and then passes it on.
    async fn pass(
        &self,
        route: &Route,
        target: PathAndQuery,
        mut parts: Parts,
        body: Body,
        correlation: &Correlation,
    ) -> Result<Response, Box<Response>> {
        let host = self.check(&parts)?;
        let caller = self.let_in(route, &parts)?;
        let client = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let verdict = self.take(route, caller.as_ref(), client).await?;
        let limit = route.settings.body_limit;
        if body.size_hint().lower() > limit {
            return Err(refusal::too_large(limit).into());
        }
        let given = |value: &HeaderValue| value.to_str().ok().and_then(Deadline::from_header);
        let deadline = parts.headers.get(DEADLINE_HEADER).and_then(given);
        let mut headers = std::mem::take(&mut parts.headers);
        self.rewrite(&mut headers, route, host.as_ref(), caller.as_ref(), client, correlation);

        let service = self.services.get(&route.settings.service).map_err(|error| told(&error))?;
        let timeout = route.settings.timeout.unwrap_or(service.settings.timeout);
        let idle_timeout = route.settings.idle_timeout;
        if let Some(host) = &service.settings.host
            && !route.settings.preserve_host
            && let Ok(host) = HeaderValue::from_str(host)
        {
            headers.insert(HOST, host);
        }
        let policy = self.policy(route, &service).map_err(|error| told(&error))?;
        let verdict_on_body = Verdict::default();
        let upload = Upload::new(body, limit, idle_timeout, verdict_on_body.clone());
        let callers = [deadline, Deadline::current()].into_iter().flatten().min();
        let (method, tried, body) = (parts.method, Mutex::default(), verdict_on_body.clone());
        let passing =
            Passing { service, method, target, timeout, idle_timeout, callers, upload: body, tried };
        let mut response = match self.send(&passing, policy, deadline, headers, upload).await {
            Ok(response) => response,
            Err(PassFailure::Answered(response)) => *response,
            Err(PassFailure::Failed(error) | PassFailure::Callers(error)) => match verdict_on_body.get() {
                Some(broken) => refusal::broken(broken, limit, idle_timeout),
                None => refusal::failed(&error),
            },
        };
        if let Some(verdict) = &verdict {
            refusal::set_rate_headers(&mut response, verdict);
        }
        Ok(response)
    }

    /// Refuses what is not passed on whatever the route; returns the name that was asked for.
    fn check(&self, parts: &Parts) -> Result<Option<HeaderValue>, Box<Response>> {
        if let Some(wanted) = headers::wanted_upgrade(&parts.headers) {
            return Err(refusal::no_upgrade(wanted).into());
        }
        if headers::is_in_circles(&parts.headers) {
            return Err(refusal::in_circles().into());
        }
        headers::host(&parts.headers, &parts.uri).map_err(|fault| refusal::malformed(fault).into())
    }

    /// Returns who is calling, if anybody proved it, to us or to the edge before us.
    fn let_in(&self, route: &Route, parts: &Parts) -> Result<Option<Caller>, Box<Response>> {
        if let Some(caller) = parts.extensions.get::<Caller>() {
            return Ok(Some(caller.clone()));
        }
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(bearer);
        match (&self.given.authenticator, route.settings.auth) {
            (Some(authenticator), RouteAuth::Required) => {
                let caller = authenticator.authenticate(token);
                caller.map(Some).map_err(|why| refusal::unauthenticated(why).into())
            }
            // A proof that was for this server stays here, though nobody asked for it; any other is the service's.
            (Some(authenticator), RouteAuth::Open) if token.is_some() => {
                Ok(authenticator.authenticate(token).ok())
            }
            _ => Ok(None),
        }
    }

    /// Takes one from the limiter of the route, if it has one.
    async fn take(
        &self,
        route: &Route,
        caller: Option<&Caller>,
        client: Option<IpAddr>,
    ) -> Result<Option<RateVerdict>, Box<Response>> {
        let named = route.settings.limiter.as_ref().and_then(|name| self.given.limiters.get(name));
        let Some(limiter) = named else { return Ok(None) };
        let key = key_of(caller, client);
        let verdict = limiter.take(&key, 1).await.map_err(|error| told(&error))?;
        if verdict.is_allowed { Ok(Some(verdict)) } else { Err(refusal::rate_limited(&verdict).into()) }
    }

    fn rewrite(
        &self,
        headers: &mut HeaderMap,
        route: &Route,
        host: Option<&HeaderValue>,
        caller: Option<&Caller>,
        client: Option<IpAddr>,
        correlation: &Correlation,
    ) {
        headers::remove_hop_by_hop(headers);
        headers::remove_claims(headers);
        headers::join_cookies(headers);
        headers::set_forwarded(headers, client, host, self.given.scheme.as_str());
        match host.filter(|_| route.settings.preserve_host) {
            Some(host) => headers.insert(HOST, host.clone()),
            // Whoever sends it sets the endpoint's own.
            None => headers.remove(HOST),
        };
        if let Some(caller) = caller {
            if !route.settings.forward_authorization {
                headers.remove(AUTHORIZATION);
            }
            if let Ok(name) = HeaderValue::from_str(&caller.name) {
                headers.insert(headers::CALLER, name);
            }
        }
        if let Some(value) = correlation.to_header() {
            headers.insert(Correlation::HEADER, value);
        }
    }

    fn policy(&self, route: &Route, service: &Service) -> Result<Option<Policy>, BackendError> {
        let named = route.settings.policy.as_ref().or(service.settings.policy.as_ref());
        named.map(|name| self.given.policies.get(name)).transpose()
    }

    async fn send(
        &self,
        passing: &Passing,
        policy: Option<Policy>,
        deadline: Option<Deadline>,
        headers: HeaderMap,
        upload: Upload,
    ) -> Result<Response, PassFailure> {
        let Some(policy) = policy else {
            return self.upstream.attempt(passing, headers, upload, deadline).await;
        };
        // Boxed, so that who has no policy does not carry the slots of one about.
        let sent = Box::pin(self.send_under(&policy, passing, headers, upload));
        match deadline {
            Some(deadline) => deadline.scope(sent).await,
            None => sent.await,
        }
    }

    async fn send_under(
        &self,
        policy: &Policy,
        passing: &Passing,
        headers: HeaderMap,
        upload: Upload,
    ) -> Result<Response, PassFailure> {
        // A breaker takes what is not a failure for a success, and what is dropped for nothing. So what the caller
        // is to blame for goes around the policy, which is dropped then.
        let aside = Aside::default();
        let sent = async {
            if upload.is_empty() && may_repeat(&passing.method) {
                let call = Idempotent(|attempt: Attempt| {
                    let (headers, deadline) = (headers.clone(), attempt.deadline);
                    let sent = self.upstream.attempt(passing, headers, Upload::Empty, deadline);
                    Box::pin(aside.around(sent))
                });
                return policy.run(call).await;
            }
            let call = Once(|| {
                let sent = self.upstream.attempt(passing, headers, upload, None);
                Box::pin(aside.around(sent))
            });
            policy.run(call).await
        };
        tokio::select! {
            biased;
            answer = sent => answer,
            failure = aside.taken() => Err(failure),
        }
    }
}

fn told(error: &BackendError) -> Box<Response> {
    Box::new(refusal::failed(error))
}

/// Whether sending a request twice does what sending it once does (RFC 9110, 9.2.2).
fn may_repeat(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
}

impl tower::Service<Request<Body>> for Proxy {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let proxy = self.clone();
        Box::pin(async move { Ok(proxy.handle(request).await) })
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("routes", &self.inner.routes).finish_non_exhaustive()
    }
}

impl fmt::Debug for ProxyBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyBuilder").field("services", &self.services).finish_non_exhaustive()
    }
}

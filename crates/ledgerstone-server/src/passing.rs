//! Which requests are answered here, and which are passed on to a service.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Uri};
use axum::response::Response;
use ledgerstone::http::Proxy;
use tower::{Service, ServiceExt as _};

/// The first parts of the paths that are this server's own, whatever routes say.
const OWN: &[&str] = &["", "v1", "health", "metrics", "openapi.json", "reference", "errors"];

/// Answers the paths of this server, and passes those of its routes on.
#[derive(Debug, Clone)]
struct Passing {
    own: Router,
    proxy: Proxy,
    passed_on: Router,
}

/// Puts what is passed on beside what is answered here; each has an edge of its own already.
pub(crate) fn beside(own: Router, proxy: Proxy, passed_on: Router) -> Router {
    Router::new().fallback_service(Passing { own, proxy, passed_on })
}

impl Service<Request<Body>> for Passing {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let is_passed_on = !is_own(request.uri())
            && request.uri().path_and_query().is_some_and(|target| self.proxy.takes(target));
        let router = if is_passed_on { self.passed_on.clone() } else { self.own.clone() };
        Box::pin(router.oneshot(request))
    }
}

fn is_own(uri: &Uri) -> bool {
    let first = uri.path().trim_start_matches('/').split('/').next().unwrap_or_default();
    OWN.contains(&first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_this_server_stay_its_own() {
        for own in ["/", "/v1/events", "/health/ready", "/metrics", "/errors/LS0001", "//v1/append"] {
            assert!(is_own(&own.parse().expect("a path")), "{own}");
        }
        for other in ["/v10", "/api/v1", "/metrics.json", "/healthy"] {
            assert!(!is_own(&other.parse().expect("a path")), "{other}");
        }
    }
}

//! Who gets through the proxy, to what, and how often.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::response::{IntoResponse as _, Response};
use ledgerstone_core::{
    BackendError, Code, RateAlgorithm, RateLimiter, RateOverride, RateRule, RateState, RateVerdict,
};
use ledgerstone_http::{Caller, RouteAuth, RouteSettings, Scheme, ServiceSettings, StaticToken};
use parking_lot::Mutex;

use super::wire::{assert_problem, body, builder, exchange, get, open, proxy, serve_proxy, service, status};

const TOKEN: &str = "0123456789abcdef";

async fn told_who(request: Request<Body>) -> Response {
    let header =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("-");
    format!("{} {}", header("x-ledgerstone-caller"), header("authorization")).into_response()
}

/// Lets each key do a number of things, and remembers who asked.
#[derive(Debug)]
struct Few {
    left: Mutex<u32>,
    keys: Mutex<Vec<String>>,
}

#[async_trait]
impl RateLimiter for Few {
    fn rules(&self) -> Vec<RateRule> {
        let (name, per) = ("few".to_owned(), Duration::from_secs(60));
        vec![RateRule { name, limit: 2, per, burst: None, algorithm: RateAlgorithm::Gcra }]
    }

    async fn take(&self, key: &str, cost: u32) -> Result<RateVerdict, BackendError> {
        self.keys.lock().push(key.to_owned());
        let mut left = self.left.lock();
        let is_allowed = *left >= cost;
        if is_allowed {
            *left -= cost;
        }
        let rule = self.rules().remove(0);
        Ok(RateVerdict {
            is_allowed,
            tightest: Some(RateState {
                rule: rule.into(),
                remaining: *left,
                resets_in: Duration::from_secs(9),
            }),
            retry_after: (!is_allowed).then(|| Duration::from_secs(7)),
            is_degraded: false,
        })
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

#[tokio::test]
async fn only_open_routes_are_passed_without_proof() {
    let upstream = service(told_who).await;
    let routes = [
        RouteSettings { prefix: Some("/open".to_owned()), ..open() },
        RouteSettings::prefix("/mine", "orders"),
        RouteSettings { forward_authorization: true, ..RouteSettings::prefix("/both", "orders") },
    ];
    let builder = builder(ServiceSettings::at([upstream.to_string()]))
        .with_authenticator(Arc::new(StaticToken::new(TOKEN).expect("a token")));
    let proxy = serve_proxy(builder.build(&routes).expect("routes")).await;
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    for headers in ["", "authorization: Bearer wrong\r\n"] {
        assert_problem(&get(proxy, "/mine", headers).await, 401, "LS0026");
    }
    assert_eq!(body(&get(proxy, "/mine", &token).await), "token -");
    assert_eq!(body(&get(proxy, "/both", &token).await), format!("token Bearer {TOKEN}"));
    assert_eq!(body(&get(proxy, "/open", "").await), "- -");
    // What proves something to this server is not for others; what proves nothing here is the service's matter.
    assert_eq!(body(&get(proxy, "/open", &token).await), "token -");
    let theirs = "authorization: Bearer of-the-service\r\n";
    assert_eq!(body(&get(proxy, "/open", theirs).await), "- Bearer of-the-service");
    // What climbs out of an open route is not passed on at all.
    for climbing in ["/open/../mine", "/open/%2e%2e/mine", "/open/..%2fmine", "/open/..;/mine"] {
        assert_problem(&get(proxy, climbing, "").await, 400, "LS0015");
    }
}

#[tokio::test]
async fn a_path_written_in_another_way_gets_past_no_door() {
    let upstream =
        service(|request: Request<Body>| async move { request.uri().to_string().into_response() }).await;
    let routes = [
        open(),
        RouteSettings::prefix("/admin", "orders"),
        RouteSettings::prefix("/caf%C3%A9/a$b", "orders"),
    ];
    let builder = builder(ServiceSettings::at([upstream.to_string()]))
        .with_authenticator(Arc::new(StaticToken::new(TOKEN).expect("a token")));
    let proxy = serve_proxy(builder.build(&routes).expect("routes")).await;
    assert_problem(&get(proxy, "/admin/x", "").await, 401, "LS0026");
    for other in [
        "/%61dmin/x",
        "//admin/x",
        "/admi%6E",
        "/admin%2Fx",
        "/admin%2fx",
        "/admin%5cx",
        "/;a/admin/x",
        "/admin;a=1/x",
        "/caf%c3%a9/a$b",
        "/caf%C3%A9/a%24b",
    ] {
        assert_problem(&get(proxy, other, "").await, 400, "LS0015");
    }
    // What reads alike in every way passes as it is.
    for sound in ["/", "/a/", "/a;b=1/c", "/caf%C3%A9", "/caf%c3%a9/b", "/a%20b?x=//admin/%61"] {
        assert_eq!(body(&get(proxy, sound, "").await), sound);
    }
}

#[tokio::test]
async fn a_limit_is_kept_and_told() {
    let upstream = service(told_who).await;
    let few = Arc::new(Few { left: Mutex::new(2), keys: Mutex::default() });
    let limiter: Arc<dyn RateLimiter> = Arc::<Few>::clone(&few);
    let route = RouteSettings { limiter: Some("few".to_owned()), ..open() };
    let builder = builder(ServiceSettings::at([upstream.to_string()])).with_limiter("few", limiter);
    let proxy = serve_proxy(builder.build(&[route]).expect("routes")).await;
    for _ in 0..2 {
        let answer = get(proxy, "/", "").await;
        assert_eq!(status(&answer), 200);
        assert!(answer.contains("ratelimit: "), "{answer}");
    }
    let answer = get(proxy, "/", "").await;
    assert_problem(&answer, 429, "LS0037");
    assert!(answer.contains("retry-after: 7"), "{answer}");
    assert_eq!(*few.keys.lock(), ["address:127.0.0.1"; 3]);
}

#[tokio::test]
async fn a_limit_counts_a_network_as_one_and_takes_names_of_any_length() {
    let upstream = service(told_who).await;
    let few = Arc::new(Few { left: Mutex::new(9), keys: Mutex::default() });
    let limiter: Arc<dyn RateLimiter> = Arc::<Few>::clone(&few);
    let route = RouteSettings { limiter: Some("few".to_owned()), ..open() };
    let builder = builder(ServiceSettings::at([upstream.to_string()])).with_limiter("few", limiter);
    let proxy = builder.build(&[route]).expect("routes");
    for address in ["[2001:db8::1]:1", "[2001:db8::ffff:2]:1", "[::ffff:192.0.2.7]:1"] {
        let address: SocketAddr = address.parse().expect("an address");
        let request = Request::get("/").header("host", "a").extension(ConnectInfo(address));
        let answer = proxy.handle(request.body(Body::empty()).expect("a request")).await;
        assert_eq!(answer.status(), 200);
    }
    let caller = Caller { name: "x".repeat(5_000).into() };
    let request = Request::get("/").header("host", "a").extension(caller);
    proxy.handle(request.body(Body::empty()).expect("a request")).await;
    let keys = few.keys.lock().clone();
    assert_eq!(keys[..3], ["address:2001:db8::/64", "address:2001:db8::/64", "address:192.0.2.7"]);
    assert_eq!(keys[3].len(), RateRule::MAX_KEY_BYTES);
}

#[tokio::test]
async fn unknown_paths_methods_and_upgrades_are_told_apart() {
    let upstream = service(told_who).await;
    let route = RouteSettings { methods: vec!["GET".to_owned()], prefix: Some("/api".to_owned()), ..open() };
    let proxy = proxy(&[upstream], &[route]).await;
    assert_problem(&get(proxy, "/other", "").await, 404, "LS0033");
    let answer = exchange(proxy, "POST /api HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert_problem(&answer, 405, "LS0015");
    assert!(answer.contains("allow: GET"), "{answer}");
    let answer = get(proxy, "/api", "upgrade: websocket\r\n").await;
    assert_problem(&answer, 501, "LS0031");
    assert_eq!(status(&get(proxy, "/api", "upgrade: h2c\r\n").await), 200);
    let answer = exchange(proxy, "CONNECT a:80 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(matches!(status(&answer), 400 | 404 | 405), "{answer}");
    let circle = "via: 1.1 ledgerstone\r\n".repeat(8);
    assert_problem(&get(proxy, "/api", &circle).await, 508, "LS0008");
}

#[tokio::test]
async fn routes_that_cannot_work_are_refused_when_they_are_loaded() {
    let refused = |settings: ServiceSettings, route: RouteSettings| {
        builder(settings).build(&[route]).expect_err("refused")
    };
    let at = || ServiceSettings::at(["127.0.0.1:1"]);
    let unknown = refused(at(), RouteSettings::prefix("/", "order"));
    assert_eq!(unknown.code(), Code::NoEndpoint);
    assert!(unknown.message().contains("did you mean orders?"), "{unknown}");
    let locked = refused(at(), RouteSettings { auth: RouteAuth::Required, ..open() });
    assert!(locked.message().contains("cannot check"), "{locked}");
    let limited = refused(at(), RouteSettings { limiter: Some("few".to_owned()), ..open() });
    assert!(limited.message().contains("few"), "{limited}");
    let policed = refused(at(), RouteSettings { policy: Some("calm".to_owned()), ..open() });
    assert!(policed.message().contains("calm"), "{policed}");
    let tls = refused(ServiceSettings { scheme: Scheme::Https, ..at() }, open());
    assert!(tls.message().contains("plain HTTP"), "{tls}");
    assert!(builder(at()).trusting_everybody().build(&[RouteSettings::prefix("/", "orders")]).is_ok());
}

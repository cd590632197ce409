//! HTTP for ledgerstone: the client adapter, problem documents, authentication and the server's edge.

mod authenticator;
mod body;
mod client;
mod correlation;
mod gateway;
mod middleware;
mod origin;
mod problem;
mod server;
mod trace_context;

pub use authenticator::{Authenticator, Caller, StaticToken, Unauthenticated};
pub use body::read_body;
pub use client::{
    Answer, AnswerStream, Body, BodyKind, ClientCredentials, ClientIdentity, ClientOptions, Credentials,
    ExplicitProxy, Http, HttpBuilder, HttpCall, HttpError, HttpFault, HttpMethod, OnceOnly, ProxyOptions,
    Redirects, Replayable, ReqwestClient, Route, SecretIn, TlsOptions, TlsVersion, TrustedRoots,
};
pub use correlation::Correlation;
pub use gateway::{
    Balance, Balancing, ConfiguredEndpoints, DnsResolver, DnsSettings, Endpoint, EndpointReport, Gateway,
    GatewayCall, HealthSettings, KubernetesResolver, KubernetesSettings, LeastLoaded, LiveEndpoint,
    OperationSettings, OutlierSettings, PolicySource, Proxy, ProxyBuilder, Resolution, Resolver, RoundRobin,
    RouteAuth, RouteSettings, Scheme, ServiceReport, ServiceSettings, Services, ServicesBuilder, SrvSettings,
    Watcher,
};
pub use middleware::{Edge, Exchange, Observer, bearer, edge};
pub use problem::Failure;
pub use server::body_limit::{BodyLimit, limit_body};
pub use server::compression::{Worthwhile, compression};
pub use server::cors::{Cors, CorsOptions, InvalidCors, allow_origins};
pub use server::drain::{Drain, close_connections};
pub use server::load_shed::{LoadShed, Place, shed_load};
pub use server::panics::catch_panics;
pub use server::rate_limit::{Allowance, Asked, RateLimit, Unjudged, limit_rate};
pub use server::request_id::{RequestId, RequestIds};
pub use server::security_headers::{SecurityHeaders, secure_headers};
pub use server::time_limit::{TimeLimit, limit_time};
pub use trace_context::TraceContext;

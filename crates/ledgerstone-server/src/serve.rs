//! The server: bound to its addresses, run until told to stop, drained.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request};
use ledgerstone::core::{BackendError, Code, ErrorKind, RateLimiter};
use ledgerstone::http::{
    Authenticator, Cors, Drain, Edge, Exchange, LoadShed, Proxy, RateLimit, RequestIds, SecurityHeaders,
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::api::routes::router;
use crate::api::state::{Api, ApiLimits};
use crate::app::App;
use crate::connections::{ConnectionLimits, Speaks, accept};
use crate::lanes::Lanes;
use crate::protocols::umadb::service::UmaDb;
use crate::settings::ScavengeSettings;
use crate::{error_pages, passing, scavenge_rounds, telemetry};

/// How to serve.
#[derive(Clone)]
pub struct ServeOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where to listen for clients of UmaDB, if at all; port 0 takes a free one.
    pub umadb: Option<SocketAddr>,
    /// Who is let in; needed unless the addresses are of this machine only.
    pub authenticator: Option<Arc<dyn Authenticator>>,
    /// The sizes of requests and answers.
    pub limits: ApiLimits,
    /// Whether callers who say that they mean it may write any system event, as a copy must; it takes the rule
    /// away by which streams are truncated only where their state is kept.
    pub system_appends: bool,
    /// How many connections are kept, and how long one may take to say what it wants.
    pub connections: ConnectionLimits,
    /// How long a request may take until its response begins.
    pub request_timeout: Duration,
    /// How often each caller may ask over HTTP; nothing for as often as it likes.
    pub rate_limiter: Option<Arc<dyn RateLimiter>>,
    /// How many requests may be under way over HTTP; nothing for any number.
    pub load: Option<LoadLimits>,
    /// Which web pages of elsewhere may call; nothing for none.
    pub cors: Option<Cors>,
    /// Whether large answers are compressed for who accepts it.
    pub compression: bool,
    /// How long to go on serving as unready, so that balancers look elsewhere before connections are refused.
    pub drain_delay: Duration,
    /// How long requests under way may take to finish after that.
    pub drain_deadline: Duration,
    /// Whether read models are filled by this process.
    pub project: bool,
    /// When the store is scavenged.
    pub scavenge: ScavengeSettings,
    /// Passes requests on to other services; nothing where there are no routes.
    pub proxy: Option<Proxy>,
}

/// Up to how many requests are handled at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadLimits {
    /// How many may be under way until their responses begin.
    pub in_flight: usize,
    /// How many may wait for that, and not for long.
    pub queue: usize,
}

impl Default for LoadLimits {
    fn default() -> Self {
        Self { in_flight: 1_024, queue: 256 }
    }
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7400)),
            umadb: None,
            authenticator: None,
            limits: ApiLimits::default(),
            system_appends: false,
            connections: ConnectionLimits::default(),
            request_timeout: Duration::from_secs(60),
            rate_limiter: None,
            load: Some(LoadLimits::default()),
            cors: None,
            compression: true,
            drain_delay: Duration::from_millis(500),
            drain_deadline: Duration::from_secs(20),
            project: true,
            scavenge: ScavengeSettings::default(),
            proxy: None,
        }
    }
}

impl fmt::Debug for ServeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeOptions").field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// Serves until `shutdown` comes, then drains and returns.
pub async fn serve(
    app: App,
    options: ServeOptions,
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    Server::bind(app, options).await?.run(shutdown).await
}

/// Addresses that were taken; callers wait there until a server answers them.
///
/// They are taken before a store is opened, so that a start that must fail leaves nothing behind.
#[derive(Debug)]
pub struct Listening {
    http: Taken,
    umadb: Option<Taken>,
    options: ServeOptions,
}

/// An address that was taken.
#[derive(Debug)]
struct Taken {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listening {
    /// Takes the addresses; one that others can reach is refused without an authenticator
    /// ([`Code::BindRefused`]).
    pub async fn bind(options: ServeOptions) -> anyhow::Result<Self> {
        let addresses = [Some(options.listen), options.umadb];
        addresses.into_iter().flatten().try_for_each(|address| check_bind(&options, address))?;
        let http = Taken::at(options.listen).await?;
        let umadb = match options.umadb {
            Some(address) => Some(Taken::at(address).await?),
            None => None,
        };
        Ok(Self { http, umadb, options })
    }

    /// Makes the server that answers there.
    pub fn serve(self, app: App) -> anyhow::Result<Server> {
        let Self { http, umadb, options } = self;
        // Metrics must be collected before the handlers look their counters up.
        telemetry::prometheus().context("another part of this process collects metrics already")?;
        let umadb = match umadb {
            Some(taken) => Some((taken, Lanes::start("umadb").context("its threads cannot be started")?)),
            None => None,
        };
        Ok(Server { api: Api::new(app, options.limits, options.system_appends), http, umadb, options })
    }
}

impl Taken {
    async fn at(wanted: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(wanted).await.map_err(|error| cannot_listen(wanted, error))?;
        let address = listener.local_addr().context("the listener has no address")?;
        Ok(Self { listener, address })
    }
}

/// A server that listens, and answers once it runs.
#[derive(Debug)]
pub struct Server {
    api: Api,
    http: Taken,
    umadb: Option<(Taken, Lanes)>,
    options: ServeOptions,
}

impl Server {
    /// Takes the addresses for an application, as [`Listening::bind`] does.
    pub async fn bind(app: App, options: ServeOptions) -> anyhow::Result<Self> {
        Listening::bind(options).await?.serve(app)
    }

    /// Returns the address that it listens on for HTTP.
    pub fn address(&self) -> SocketAddr {
        self.http.address
    }

    /// Returns the address that it listens on for clients of UmaDB, if it does.
    pub fn umadb_address(&self) -> Option<SocketAddr> {
        self.umadb.as_ref().map(|(taken, _)| taken.address)
    }

    /// Serves until `shutdown` comes. Then it is unready for the drain delay, stops accepting, tells streams of
    /// events to end, lets requests under way finish until the deadline, and returns.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> anyhow::Result<()> {
        let Self { api, http, umadb, options } = self;
        let stopping = CancellationToken::new();
        let background = Background::start(&api, &options, &stopping);
        let mut server = tokio::spawn(answer(api.clone(), http, umadb, options.clone()));
        let stop = async {
            shutdown.await;
            tracing::info!("draining");
        };
        let ended = drain(&api, &options).run(stop, &mut server).await;
        if ended.is_none() {
            tracing::warn!(
                seconds = options.drain_deadline.as_secs(),
                "requests were cut off at the drain deadline"
            );
            server.abort();
        }
        background.stop(&stopping).await;
        ended.transpose().context("the server broke")?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Answers on every address until the end of the application is announced and what was asked has been answered.
async fn answer(api: Api, http: Taken, umadb: Option<(Taken, Lanes)>, options: ServeOptions) {
    let (connections, ending) = (options.connections, &api.ending);
    let routes = routes(&api, &options).map_request(|request: Request<_>| request.map(Body::new));
    tracing::info!(address = %http.address, "serving");
    // The rate of a caller whom nobody let in by name is that of its address.
    let tells_addresses = options.rate_limiter.is_some() || options.proxy.is_some();
    let speaks = Speaks::Http { tells_addresses };
    let over_http = accept(http.listener, speaks, Lanes::shared(), routes, connections, ending.clone());
    let to_umadb_clients = async {
        let Some((Taken { listener, address }, lanes)) = umadb else { return };
        let service = UmaDb::new(api.clone(), options.authenticator.clone(), options.request_timeout);
        tracing::info!(%address, "serving clients of UmaDB");
        accept(listener, Speaks::Grpc, lanes, service, connections, ending.clone()).await;
    };
    tokio::join!(over_http, to_umadb_clients);
}

/// Puts what is answered here together with what is passed on.
fn routes(api: &Api, options: &ServeOptions) -> Router {
    let load_shed = options.load.map(|load| Arc::new(LoadShed::new(load.in_flight, load.queue)));
    let own = router(api, edge(api, options, load_shed.clone()));
    let Some(proxy) = options.proxy.clone() else { return own };
    // The proxy asks its callers itself who they are, route by route, and answers are its services' own.
    let edge = edge(api, options, load_shed);
    let edge = Edge { authenticator: None, headers: None, compression: false, ..edge };
    let passed_on = edge.around(proxy.clone().router());
    passing::beside(own, proxy, passed_on)
}

/// What runs beside the requests.
struct Background {
    read_models: JoinHandle<()>,
    scavenge: JoinHandle<()>,
    upkeep: JoinHandle<()>,
    invalidator: Option<JoinHandle<()>>,
}

impl Background {
    fn start(api: &Api, options: &ServeOptions, stopping: &CancellationToken) -> Self {
        let read_models = crate::api::read_models::run(api.clone(), options.project, stopping.clone());
        let scavenge = scavenge_rounds::run(api.app.upkeep.clone(), options.scavenge, stopping.clone());
        let outward = api.app.outward.as_ref();
        let invalidator = outward.map(|outward| outward.invalidator(Arc::clone(&api.app.events)));
        let invalidator = invalidator.transpose().unwrap_or_else(|error| {
            tracing::error!(%error, "caches are not invalidated by events");
            None
        });
        Self {
            invalidator: invalidator.flatten().map(|invalidator| tokio::spawn(invalidator.run())),
            read_models: tokio::spawn(read_models),
            scavenge: tokio::spawn(scavenge),
            upkeep: tokio::spawn(telemetry::upkeep()),
        }
    }

    async fn stop(self, stopping: &CancellationToken) {
        /// A batch of a projector takes less; what it does not finish it does again.
        const PATIENCE: Duration = Duration::from_secs(5);
        stopping.cancel();
        self.upkeep.abort();
        if let Some(invalidator) = &self.invalidator {
            invalidator.abort();
        }
        // What it began goes on until the store is closed.
        self.scavenge.abort();
        let abort = self.read_models.abort_handle();
        if tokio::time::timeout(PATIENCE, self.read_models).await.is_err() {
            abort.abort();
        }
    }
}

/// What the pages of this server may load: nothing but their own style.
const PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);

fn drain(api: &Api, options: &ServeOptions) -> Drain {
    Drain {
        unready: api.draining.clone(),
        closing: api.ending.clone(),
        delay: options.drain_delay,
        deadline: options.drain_deadline,
    }
}

fn edge(api: &Api, options: &ServeOptions, load_shed: Option<Arc<LoadShed>>) -> Edge {
    let observed = api.clone();
    Edge {
        authenticator: options.authenticator.clone(),
        local_only: options.listen.ip().is_loopback() && options.authenticator.is_none(),
        is_open: |path| {
            matches!(path, "/" | "/openapi.json" | "/reference" | "/errors")
                || path.starts_with("/health/")
                || path.starts_with("/errors/")
        },
        is_vital: |path| path == "/metrics" || path.starts_with("/health/"),
        timeout: options.request_timeout,
        help: error_pages::help,
        ids: Arc::clone(&api.app.ids),
        request_ids: RequestIds::new(&*api.app.ids),
        observer: Some(Arc::new(move |exchange: &Exchange<'_>| observed.metrics.answered(exchange))),
        headers: Some(SecurityHeaders { page_policy: PAGE_POLICY, ..SecurityHeaders::default() }),
        drain: Some(drain(api, options)),
        cors: options.cors.clone(),
        rate_limit: options.rate_limiter.clone().map(RateLimit::new),
        // Handlers bound what they read, unpacked, by `ApiLimits::body_bytes`.
        body_limit: None,
        load_shed,
        compression: options.compression,
    }
}

fn check_bind(options: &ServeOptions, address: SocketAddr) -> Result<(), BackendError> {
    if address.ip().is_loopback() || options.authenticator.is_some() {
        return Ok(());
    }
    let message =
        format!("{address} can be reached from other machines; configure a token, or listen on 127.0.0.1");
    Err(BackendError::new(ErrorKind::Misconfigured, "http", "listen", message).with_code(Code::BindRefused))
}

fn cannot_listen(address: SocketAddr, error: std::io::Error) -> BackendError {
    let what = match error.kind() {
        std::io::ErrorKind::AddrInUse => "another process listens there; choose another port",
        std::io::ErrorKind::PermissionDenied => "this user may not listen there; choose a port above 1023",
        _ => "choose another address",
    };
    let message = format!("cannot listen on {address}: {what}");
    BackendError::new(ErrorKind::Unavailable, "http", "listen", message).with_source(error)
}

/// Returns when the process is told to stop: by SIGTERM, or by ctrl-c.
pub async fn stop_signal() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}

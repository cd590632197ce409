//! `ledgerstone serve`: the store over HTTP and to clients of UmaDB, until the process is told to stop.

use std::sync::Arc;

use clap::Args;
use ledgerstone::core::{Code, ErrorKind, RateLimiter, RateRule};
use ledgerstone::http::{Authenticator, StaticToken};
use ledgerstone::resilience::{CounterClock, LocalRateLimiter};
use serde_json::json;

use super::Session;
use crate::api::state::ApiLimits;
use crate::app::App;
use crate::compose::{adapters, app, open_own};
use crate::connections::ConnectionLimits;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::outward::Outward;
use crate::progress_bar::ProgressBar;
use crate::serve::{Listening, LoadLimits, ServeOptions, stop_signal};
use crate::settings::{Overrides, Settings};
use crate::telemetry::{self, init_logs};

/// Serve the store over HTTP, and to clients of UmaDB if told so, and keep read models up to date.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The address to listen on; any but this machine's own needs a token
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Serve clients of UmaDB too, on this address, 127.0.0.1:50051 unless told; any but this machine's own needs
    /// a token
    #[arg(long, value_name = "ADDRESS:PORT", num_args = 0..=1, default_missing_value = "127.0.0.1:50051")]
    umadb: Option<String>,
    /// Serve only, and leave read models to another process
    #[arg(long)]
    no_projections: bool,
}

impl Serve {
    /// Returns what the flags say about the settings.
    pub(super) fn flags(&self) -> Vec<(&'static str, String, &'static str)> {
        let given =
            [("server.listen", &self.listen, "--listen"), ("protocols.umadb.listen", &self.umadb, "--umadb")];
        given.into_iter().filter_map(|(key, value, flag)| Some((key, value.clone()?, flag))).collect()
    }

    pub(super) async fn run(self, session: &mut Session) -> Result<Exit, Failure> {
        let settings = &session.settings;
        let invalid = |message: String| Failure::new(ErrorKind::Misconfigured, Code::Configuration, message);
        init_logs(settings.log.format, &settings.log.filter).map_err(invalid)?;
        let authenticator = match &settings.server.token {
            Some(token) => {
                let token: Arc<dyn Authenticator> =
                    Arc::new(StaticToken::new(token.expose()).map_err(invalid)?);
                Some(token)
            }
            None => None,
        };
        // What is counted is collected from the beginning.
        telemetry::prometheus();
        let outward = Outward::open(&settings.sections, &adapters(settings)?)?;
        let options = options(settings, authenticator, &outward, self.no_projections)?;
        // What cannot be served is not opened: an open makes the files of a store that is not there.
        let listening = Listening::bind(options).await?;
        let opened = open_own(settings, ProgressBar::of_indexes(&session.output)).await?;
        let server = listening.serve(App { outward: Some(outward.clone()), ..app(&opened.backend) })?;
        let address = server.address();
        if let Some(ownership) = &opened.backend.ownership {
            ownership.publish_address(&address.to_string());
        }
        let umadb = server.umadb_address();
        if session.output.json {
            let store = opened.locator.to_string();
            session.output.document(&json!({ "address": address, "store": store, "umadb": umadb }))?;
            session.output.flush()?;
        } else {
            session
                .output
                .remark(format!("serving {} at http://{address} (reference: /reference)", opened.locator));
            if let Some(address) = umadb {
                session.output.remark(format!("serving clients of UmaDB at http://{address}"));
            }
        }
        let reloads = tokio::spawn(reload_when_told(outward, session.overrides.clone()));
        let served = server.run(stop_signal()).await;
        reloads.abort();
        opened.backend.close().await;
        served?;
        Ok(Exit::Done)
    }
}

/// Turns settings into how to serve.
fn options(
    settings: &Settings,
    authenticator: Option<Arc<dyn Authenticator>>,
    outward: &Outward,
    no_projections: bool,
) -> Result<ServeOptions, Failure> {
    let invalid = |message: String| Failure::new(ErrorKind::Misconfigured, Code::Configuration, message);
    let queue = settings.server.queue;
    let proxy = outward.proxy(authenticator.clone())?;
    Ok(ServeOptions {
        listen: settings.server.listen,
        umadb: settings.server.umadb,
        authenticator,
        limits: ApiLimits { body_bytes: settings.server.body_bytes, ..ApiLimits::default() },
        system_appends: settings.server.system_appends,
        connections: ConnectionLimits {
            connections: settings.server.connections,
            header_timeout: settings.server.header_timeout,
        },
        request_timeout: settings.server.timeout,
        rate_limiter: rate_limiter(&settings.server.rate_limit)?,
        load: settings.server.max_in_flight.map(|in_flight| LoadLimits { in_flight, queue }),
        cors: settings.server.cors().map_err(|reason| invalid(reason.to_string()))?,
        compression: settings.server.compression,
        drain_delay: settings.server.drain_delay,
        drain_deadline: settings.server.drain,
        project: !no_projections,
        scavenge: settings.scavenge,
        proxy,
    })
}

/// Reads the configuration again whenever the process gets SIGHUP, and takes what can change while it runs.
#[cfg(unix)]
async fn reload_when_told(outward: Outward, overrides: Overrides) {
    use tokio::signal::unix::{SignalKind, signal};

    let Ok(mut told) = signal(SignalKind::hangup()) else { return };
    while told.recv().await.is_some() {
        let read = Settings::load(&overrides).map_err(Failure::from);
        match read.and_then(|settings| Ok(outward.reload(&settings.sections)?)) {
            Ok(later) if later.is_empty() => tracing::info!("the configuration was read again and holds"),
            Ok(later) => {
                let later = later.join(", ");
                tracing::warn!(later, "the configuration was read again; these parts need a restart");
            }
            Err(failure) => {
                tracing::error!(code = %failure.code(), %failure, "the configuration is not valid; the old one holds");
            }
        }
    }
}

#[cfg(not(unix))]
async fn reload_when_told(_outward: Outward, _overrides: Overrides) {}

/// Makes the limiter of these rules; nothing for no rules.
fn rate_limiter(rules: &[RateRule]) -> Result<Option<Arc<dyn RateLimiter>>, Failure> {
    if rules.is_empty() {
        return Ok(None);
    }
    let clock = Arc::new(CounterClock::new());
    let limiter = LocalRateLimiter::new("server", rules, clock).map_err(|error| {
        Failure::new(ErrorKind::Misconfigured, Code::Configuration, format!("server.rate_limit: {error}"))
    })?;
    Ok(Some(Arc::new(limiter)))
}

//! Logs and metrics of the process, set up once.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object a line, for machines.
    Json,
}

/// How often histograms take in what was measured; between scrapes it would pile up.
const UPKEEP: Duration = Duration::from_secs(5);

/// The bounds in seconds of the buckets of request times, from a tenth of a millisecond on.
const SECONDS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    30.0,
];

/// Begins to log to standard error; `RUST_LOG` wins over `level`. A second call changes nothing.
///
/// Each line within a request carries its correlation id. An invalid level is an error that names it.
pub fn init_logs(format: LogFormat, level: &str) -> Result<(), String> {
    let directives = std::env::var("RUST_LOG").ok().filter(|text| !text.is_empty());
    let directives = directives.as_deref().unwrap_or(level);
    let filter = EnvFilter::try_new(directives).map_err(|error| {
        format!("{directives:?} is no log level ({error}); use error, warn, info, debug or trace")
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second subscriber cannot be set; the first one goes on.
    let _ = match format {
        LogFormat::Text => {
            use std::io::IsTerminal as _;
            builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).try_init(),
    };
    Ok(())
}

/// Begins to tell warnings of a command on standard error, as lines for people or JSON for scripts.
pub fn init_warnings(json: bool) {
    let builder = tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(std::io::stderr);
    // A second subscriber cannot be set; the first one goes on.
    let _ = match json {
        true => builder.json().flatten_event(true).try_init(),
        false => builder.without_time().with_target(false).with_ansi(false).try_init(),
    };
}

/// Returns the handle on the process's metrics, collected from the first call on; nothing if another
/// part of the process collects them already.
pub fn prometheus() -> Option<&'static PrometheusHandle> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let install = || PrometheusBuilder::new().set_buckets(SECONDS).ok()?.install_recorder().ok();
    HANDLE.get_or_init(install).as_ref()
}

/// Takes in what histograms measured, again and again, until it is dropped.
pub(crate) async fn upkeep() {
    let Some(handle) = prometheus() else { return };
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        handle.run_upkeep();
    }
}

//! The handler that exposes metrics in the text format of Prometheus.

use axum::extract::State;
use ledgerstone::core::LogKind;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::api::answer::{Answered, with_type};
use crate::api::condition::measure_files;
use crate::api::read_models::measure;
use crate::api::state::Api;
use crate::telemetry::prometheus;

/// The media type of the text format.
pub(crate) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers every metric, those that are states looked at now.
pub(crate) async fn metrics(State(api): State<Api>) -> Answered {
    let head = api.app.events.head().await?;
    for (name, log) in [("application", LogKind::Application), ("system", LogKind::System)] {
        let position = head.heads.of(log).0;
        metrics::gauge!("ledgerstone_head_position", "log" => name).set(position as f64);
    }
    api.metrics.following(api.limits.followers.saturating_sub(api.followers.available_permits()));
    measure(&api).await;
    measure_files(&api);
    if let Some(outward) = &api.app.outward {
        outward.caches().publish_metrics();
    }
    let text = prometheus().map(PrometheusHandle::render).unwrap_or_default();
    Ok(with_type(text, MEDIA_TYPE))
}

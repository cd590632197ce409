//! Handlers for whoever watches over the process: is it alive, is it started, is it ready.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use crate::api::answer::{Answered, json};
use crate::api::condition::{damage, degraded, refusal};
use crate::api::read_models::{Trouble, troubles};
use crate::api::state::Api;

/// How long the store may take to tell its head.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Health {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    troubles: Vec<Trouble>,
}

/// Answers as long as the process handles requests at all.
pub(crate) async fn live() -> Answered {
    json(&Health { status: "live", reasons: Vec::new(), troubles: Vec::new() })
}

/// Answers whether everything was loaded.
pub(crate) async fn startup(State(api): State<Api>) -> Response {
    let reasons = if api.is_started() { Vec::new() } else { vec!["read models are being loaded".to_owned()] };
    answer("started", reasons, Vec::new())
}

/// Answers whether requests should be sent here. A read model in trouble is told of and changes nothing, and so is
/// a damaged place of the log, and a disk that takes no events: what is sound answers as before.
pub(crate) async fn ready(State(api): State<Api>) -> Response {
    let reasons = reasons_against(&api).await;
    let mut found: Vec<_> = damage(&api).into_iter().chain(refusal(&api)).chain(degraded(&api)).collect();
    if reasons.is_empty() {
        found.extend(tokio::time::timeout(PATIENCE, troubles(&api)).await.unwrap_or_default());
    }
    answer("ready", reasons, found)
}

async fn reasons_against(api: &Api) -> Vec<String> {
    if api.draining.is_cancelled() {
        return vec!["the server is going down".to_owned()];
    }
    if !api.is_started() {
        return vec!["read models are being loaded".to_owned()];
    }
    match tokio::time::timeout(PATIENCE, api.app.events.head()).await {
        Ok(Ok(_)) => Vec::new(),
        Ok(Err(error)) => vec![format!("the event store fails: {error}")],
        Err(_) => vec![format!("the event store does not answer within {} s", PATIENCE.as_secs())],
    }
}

fn answer(status: &'static str, reasons: Vec<String>, troubles: Vec<Trouble>) -> Response {
    let (code, status) = if reasons.is_empty() {
        (StatusCode::OK, status)
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "waiting")
    };
    let mut response = json(&Health { status, reasons, troubles }).into_response();
    *response.status_mut() = code;
    response
}

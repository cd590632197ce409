//! Handlers for the upkeep of the store's files: scavenging, archiving, and how far they are.

use std::time::Duration;

use axum::extract::State;
use axum::http::Uri;
use ledgerstone::core::{Code, ErrorKind, Problem};
use ledgerstone::http::Failure;
use ledgerstone::stores::{Upkeep, UpkeepStatus, Work};
use serde::{Deserialize, Serialize};

use crate::api::answer::{Answered, json};
use crate::api::json_body::JsonBody;
use crate::api::log::wait;
use crate::api::parameters::Parameters;
use crate::api::route::{Kind, Parameter, parameter};
use crate::api::state::Api;

/// What `GET /v1/upkeep` takes.
pub(crate) const STATUS: &[Parameter] = &[parameter(
    "wait",
    Kind::Whole,
    "answer when nothing goes on any more, or after so many seconds, 30 at most",
)];

/// What is to be done, and how fast.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpkeepRequest {
    /// What.
    pub(crate) work: Work,
    /// How many bytes are read and written a second at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_per_second: Option<u64>,
}

/// What became of a request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct UpkeepBegun {
    /// Whether it was begun; if not, other work goes on.
    pub(crate) started: bool,
    /// What goes on.
    #[serde(flatten)]
    pub(crate) status: UpkeepStatus,
}

/// Begins work, unless other work goes on.
pub(crate) async fn start(
    State(api): State<Api>,
    uri: Uri,
    JsonBody(request): JsonBody<UpkeepRequest>,
) -> Answered {
    Parameters::of(&uri, &[])?;
    if let Work::Scavenge { least_percent, .. } = request.work
        && least_percent > 100
    {
        return Err(Problem::invalid("least_percent is a share in a hundred; give 0 to 100").into());
    }
    let upkeep = upkeep(&api)?;
    let started =
        upkeep.start(request.work, request.bytes_per_second).map_err(|error| Problem::from(&error))?;
    json(&UpkeepBegun { started, status: upkeep.status() })
}

/// Tells how far the work is, or what came of the last one.
pub(crate) async fn status(State(api): State<Api>, uri: Uri) -> Answered {
    let given = Parameters::of(&uri, STATUS)?;
    let wait = wait(&given, "wait")?.unwrap_or(Duration::ZERO);
    let upkeep = upkeep(&api)?;
    tokio::select! {
        status = upkeep.finished(&|_| {}) => json(&status),
        () = tokio::time::sleep(wait) => json(&upkeep.status()),
        () = api.ending.cancelled() => json(&upkeep.status()),
    }
}

fn upkeep(api: &Api) -> Result<Upkeep, Failure> {
    let backend = api.app.events.capabilities().backend;
    api.app.upkeep.clone().ok_or_else(|| unsupported(backend).into())
}

/// Says that a store has no files that could be looked after.
pub(crate) fn unsupported(backend: &str) -> Problem {
    let message = format!("a {backend}: store reclaims and archives nothing; a file: store does");
    Problem::new(ErrorKind::Unsupported, Code::Unsupported, message)
}

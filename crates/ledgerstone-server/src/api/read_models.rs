//! Handlers that tell of read models and steer them, and the part of the server that runs them.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse as _;
use ledgerstone::core::{Code, CollectionName, ErrorKind, LogPoint, Problem};
use ledgerstone::engine::{ReadModelError, ReadModelState, ReadModelStatus};
use ledgerstone::http::Failure;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::api::answer::{Answered, json};
use crate::api::json_body::WholeBody;
use crate::api::parameters::{Parameters, refused};
use crate::api::path_names::ReadModelName;
use crate::api::route::{Kind, Parameter, parameter};
use crate::api::state::Api;

/// What `POST /v1/read-models/check` takes.
pub(crate) const CHECK: &[Parameter] = &[parameter(
    "last",
    Kind::Whole,
    "how many of the newest events to try it on; 1,000 unless given, 100,000 at most",
)];

/// The largest number of events that a declaration is tried on.
const MAX_CHECKED: u64 = 100_000;
/// The largest declaration in bytes.
const MAX_DECLARATION_BYTES: usize = 1024 * 1024;

#[derive(Serialize)]
struct ReadModelList {
    read_models: Vec<ReadModelStatus>,
}

/// Lists the read models.
pub(crate) async fn list(State(api): State<Api>, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    json(&ReadModelList { read_models: api.app.read_models.list().await.map_err(failed)? })
}

/// Tells of one read model.
pub(crate) async fn status(State(api): State<Api>, ReadModelName(name): ReadModelName, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    json(&status_of(&api, &name).await?)
}

/// Declares a read model.
pub(crate) async fn declare(State(api): State<Api>, uri: Uri, WholeBody(body): WholeBody) -> Answered {
    Parameters::of(&uri, &[])?;
    json(&api.app.read_models.declare(declaration(&body)?).await.map_err(failed)?)
}

/// Takes a declaration back.
pub(crate) async fn undeclare(
    State(api): State<Api>,
    ReadModelName(name): ReadModelName,
    uri: Uri,
) -> Answered {
    Parameters::of(&uri, &[])?;
    api.app.read_models.undeclare(&name).await.map_err(failed)?;
    done(StatusCode::OK, "undeclared")
}

/// Tries a declaration on events.
pub(crate) async fn check(State(api): State<Api>, uri: Uri, WholeBody(body): WholeBody) -> Answered {
    let last = Parameters::of(&uri, CHECK)?.number("last")?.unwrap_or(1_000);
    if last > MAX_CHECKED {
        return Err(refused("last", format!("{last} is above the limit of {MAX_CHECKED}")));
    }
    json(&api.app.read_models.check(declaration(&body)?, last).await.map_err(failed)?)
}

/// Begins to build a read model anew; `status` tells how far it is.
pub(crate) async fn rebuild(
    State(api): State<Api>,
    ReadModelName(name): ReadModelName,
    uri: Uri,
) -> Answered {
    Parameters::of(&uri, &[])?;
    if status_of(&api, &name).await?.paused {
        let message = format!("read model {name} is paused; resume it first");
        return Err(failed(ReadModelError::Invalid(message)));
    }
    let read_models = api.app.read_models.clone();
    let rebuild = async move {
        let rebuilt = read_models.rebuild(&name, &|_| {}).await;
        match rebuilt {
            Ok(progress) => tracing::info!(read_model = %name, events = progress.events, "rebuilt"),
            Err(error) => tracing::warn!(read_model = %name, %error, "the rebuild failed; begin it again"),
        }
    };
    tokio::spawn(rebuild.in_current_span());
    done(StatusCode::ACCEPTED, "rebuilding")
}

/// Stops filling a read model.
pub(crate) async fn pause(State(api): State<Api>, ReadModelName(name): ReadModelName, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    api.app.read_models.pause(&name).await.map_err(failed)?;
    done(StatusCode::OK, "paused")
}

/// Goes on filling a read model.
pub(crate) async fn resume(State(api): State<Api>, ReadModelName(name): ReadModelName, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    api.app.read_models.resume(&name).await.map_err(failed)?;
    done(StatusCode::OK, "resumed")
}

/// Empties a read model, which is filled again from the beginning.
pub(crate) async fn reset(State(api): State<Api>, ReadModelName(name): ReadModelName, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    api.app.read_models.reset(&name).await.map_err(failed)?;
    done(StatusCode::OK, "reset")
}

#[derive(Serialize)]
struct Outcome {
    outcome: &'static str,
}

fn done(status: StatusCode, outcome: &'static str) -> Answered {
    Ok((status, json(&Outcome { outcome })?).into_response())
}

fn declaration(body: &[u8]) -> Result<&str, Failure> {
    if body.len() > MAX_DECLARATION_BYTES {
        let detail =
            format!("a declaration of {} bytes is above the limit of {MAX_DECLARATION_BYTES}", body.len());
        return Err(Problem::new(ErrorKind::Invalid, Code::TooLarge, detail).into());
    }
    std::str::from_utf8(body).map_err(|error| {
        let detail = format!("the declaration is not UTF-8 from byte {} on", error.valid_up_to());
        Problem::new(ErrorKind::Invalid, Code::InvalidDeclaration, detail).into()
    })
}

async fn status_of(api: &Api, name: &CollectionName) -> Result<ReadModelStatus, Failure> {
    api.app.read_models.status(name).await.map_err(failed)
}

/// Turns a read model's failure into a problem.
pub(crate) fn failed(error: ReadModelError) -> Failure {
    let problem = match &error {
        ReadModelError::Events(error) => Problem::from(error),
        ReadModelError::Documents(error) => Problem::from(error),
        ReadModelError::Declaration(place) => Problem::new(error.kind(), error.code(), error.to_string())
            .with("line", place.line)
            .with("column", place.column),
        ReadModelError::Unknown { nearest: Some(nearest), .. } => {
            Problem::new(error.kind(), error.code(), error.to_string()).with("nearest", nearest.as_str())
        }
        ReadModelError::WaitTimedOut { stands, .. } => {
            Problem::new(error.kind(), error.code(), error.to_string()).with("stands", stands.0)
        }
        _ => Problem::new(error.kind(), error.code(), error.to_string()),
    };
    problem.into()
}

/// Waits until a read model has seen a point.
pub(crate) async fn wait_for(
    api: &Api,
    name: &CollectionName,
    point: LogPoint,
    timeout: Duration,
) -> Result<(), Failure> {
    api.app.read_models.wait_for(name, point, timeout).await.map_err(failed).map(drop)
}

/// A read model that needs somebody to look after it: its name and the kind of trouble, fit for everybody.
#[derive(Debug, Serialize)]
pub(crate) struct Trouble {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) read_model: Option<String>,
    pub(crate) kind: &'static str,
}

/// Tells which read models need somebody to look after them.
pub(crate) async fn troubles(api: &Api) -> Vec<Trouble> {
    let list = match api.app.read_models.list().await {
        Ok(list) => list,
        Err(error) => {
            tracing::warn!(%error, "the read models cannot be listed");
            return vec![Trouble { read_model: None, kind: "not_listed" }];
        }
    };
    let told = list.into_iter().filter_map(|model| {
        let kind = if model.state == ReadModelState::Stopped {
            "stopped"
        } else if model.parked > 0 {
            "parked"
        } else {
            return None;
        };
        Some(Trouble { read_model: Some(model.name.as_str().to_owned()), kind })
    });
    told.collect()
}

/// Puts the lag and the parked keys of every read model into the metrics.
pub(crate) async fn measure(api: &Api) {
    let Ok(list) = api.app.read_models.list().await else { return };
    for model in list {
        let name = model.name.as_str().to_owned();
        metrics::gauge!("ledgerstone_read_model_lag_events", "read_model" => name.clone())
            .set(model.lag as f64);
        let age = model.age.unwrap_or_default().as_secs_f64();
        metrics::gauge!("ledgerstone_read_model_lag_seconds", "read_model" => name.clone()).set(age);
        let stopped = f64::from(u8::from(model.state == ReadModelState::Stopped));
        metrics::gauge!("ledgerstone_read_model_stopped", "read_model" => name.clone()).set(stopped);
        metrics::gauge!("ledgerstone_read_model_parked_keys", "read_model" => name).set(model.parked as f64);
    }
}

/// Loads the read models, and fills them until the server stops.
pub(crate) async fn run(api: Api, project: bool, stopping: CancellationToken) {
    /// How long to wait before loading is tried again.
    const PAUSE: Duration = Duration::from_secs(1);
    let read_models = api.app.read_models.clone();
    while let Err(error) = read_models.load().await {
        tracing::warn!(%error, "the read models cannot be loaded; trying again");
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stopping.cancelled() => return,
        }
    }
    api.set_started();
    if project {
        while let Err(error) = read_models.run(stopping.clone().cancelled_owned()).await {
            tracing::warn!(%error, "the read models cannot be run; trying again");
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = stopping.cancelled() => return,
            }
        }
    } else {
        stopping.cancelled().await;
    }
}

//! Handlers that remove events: a stream's older ones, or a whole stream.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use ledgerstone::core::{
    Appended, AppendedJson, EventStore, ObjectJson, Problem, Retention, Revision, StreamId, StreamState,
};
use ledgerstone::engine::{StreamAdmin, StreamAdminError};
use ledgerstone::http::Failure;
use serde::{Deserialize, Serialize};

use crate::api::answer::{Answered, json};
use crate::api::call::Call;
use crate::api::json_body::{JsonBody, WholeBody, check_is_json, read_json};
use crate::api::parameters::Parameters;
use crate::api::path_names::StreamName;
use crate::api::state::Api;

/// What a removal answers.
#[derive(Serialize)]
struct Removed {
    /// Whether something changed; if not, it had been so before.
    changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    appended: Option<AppendedJson>,
}

/// Where to truncate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Truncation {
    before: Revision,
}

/// Deletes a stream for good.
pub(crate) async fn tombstone(
    State(api): State<Api>,
    StreamName(stream): StreamName,
    uri: Uri,
    call: Call,
) -> Answered {
    Parameters::of(&uri, &[])?;
    answer(admin(&api, &call).tombstone(application(&stream)?).await)
}

/// Removes every event of a stream below a revision.
pub(crate) async fn truncate(
    State(api): State<Api>,
    StreamName(stream): StreamName,
    uri: Uri,
    call: Call,
    JsonBody(truncation): JsonBody<Truncation>,
) -> Answered {
    Parameters::of(&uri, &[])?;
    answer(admin(&api, &call).truncate(application(&stream)?, truncation.before).await)
}

/// Declares that a stream may be truncated anywhere.
pub(crate) async fn transient(
    State(api): State<Api>,
    StreamName(stream): StreamName,
    uri: Uri,
    call: Call,
) -> Answered {
    Parameters::of(&uri, &[])?;
    answer(admin(&api, &call).declare_transient(application(&stream)?).await)
}

/// Says how much of a transient stream is kept.
pub(crate) async fn retain(
    State(api): State<Api>,
    StreamName(stream): StreamName,
    uri: Uri,
    call: Call,
    headers: HeaderMap,
    WholeBody(body): WholeBody,
) -> Answered {
    Parameters::of(&uri, &[])?;
    check_is_json(&headers)?;
    if body.is_empty() {
        // Every member is optional, but saying nothing at all is no wish to keep everything.
        return Err(
            Problem::invalid("the body says how much is kept; {} keeps everything from now on").into()
        );
    }
    let retention = read_json::<ObjectJson<Retention>>(&body)?.0;
    answer(admin(&api, &call).retain(application(&stream)?, retention).await)
}

/// Refuses a stream that never was; one that was deleted or truncated is known.
pub(crate) async fn check_known(api: &Api, call: &Call, stream: &StreamId) -> Result<(), Failure> {
    let status = admin(api, call).state_of(stream).await?;
    if status.state == StreamState::Missing && !status.removal.tombstoned && !status.removal.transient {
        return Err(Problem::not_found(format!("there is no stream {stream}; check its name")).into());
    }
    Ok(())
}

/// Refuses a stream of the system, whose events are never removed.
fn application(stream: &StreamId) -> Result<&StreamId, Failure> {
    if !stream.is_system() {
        return Ok(stream);
    }
    let detail =
        format!("{:?} begins with $ and belongs to the system, which loses no events", stream.as_str());
    Err(Problem::invalid(detail).into())
}

fn admin(api: &Api, call: &Call) -> StreamAdmin {
    StreamAdmin::new(Arc::new(api.events(call)) as Arc<dyn EventStore>)
}

fn answer(removed: Result<Option<Appended>, StreamAdminError>) -> Answered {
    let appended = removed.map_err(failed)?;
    json(&Removed {
        changed: appended.is_some(),
        appended: appended.as_ref().map(AppendedJson::from_appended),
    })
}

fn failed(error: StreamAdminError) -> Failure {
    if let StreamAdminError::Store(error) = error {
        return error.into();
    }
    Problem::new(error.kind(), error.code(), error.to_string()).into()
}

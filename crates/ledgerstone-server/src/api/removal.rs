//! Handlers that remove events: a stream's older ones, or a whole stream.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use ledgerstone::core::{
    Append, Appended, AppendedJson, Batch, ErrorKind, EventData, EventStore, ExpectedRevision, Problem,
    Removal, Revision, StreamId, StreamState, TRANSIENT,
};
use ledgerstone::engine::{Scoped, StreamAdmin, StreamAdminError};
use ledgerstone::http::Failure;
use serde::{Deserialize, Serialize};

use crate::api::answer::{Answered, json};
use crate::api::call::Call;
use crate::api::json_body::JsonBody;
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
    answer(admin(&api, &call).tombstone(&stream).await)
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
    answer(admin(&api, &call).truncate(&stream, truncation.before).await)
}

/// Declares that a stream may be truncated anywhere.
pub(crate) async fn transient(
    State(api): State<Api>,
    StreamName(stream): StreamName,
    uri: Uri,
    call: Call,
) -> Answered {
    Parameters::of(&uri, &[])?;
    answer(admin(&api, &call).declare_transient(&stream).await)
}

/// Refuses a stream that never was; one that was deleted or truncated is known.
pub(crate) async fn check_known(api: &Api, call: &Call, stream: &StreamId) -> Result<(), Failure> {
    let status = admin(api, call).state_of(stream).await?;
    if status.state == StreamState::Missing && !status.removal.tombstoned && !status.transient {
        return Err(Problem::not_found(format!("there is no stream {stream}; check its name")).into());
    }
    Ok(())
}

fn admin(api: &Api, call: &Call) -> StreamAdmin {
    let scoped: Arc<dyn EventStore> = Arc::new(Scoped::new(Arc::clone(&api.app.events), call.tenant.clone()));
    StreamAdmin::new(scoped)
}

/// Returns the stream and the event of a batch that is one removal and nothing else, as a client's
/// [`StreamAdmin`] appends it.
pub(crate) fn event_of(batch: &Batch) -> Option<(&StreamId, &EventData)> {
    let [Append { stream: Some(stream), expected: ExpectedRevision::Any, events }] = &batch.appends[..]
    else {
        return None;
    };
    let [event] = &events[..] else { return None };
    let name = event.event_type.as_str();
    let is_alone = batch.condition.is_none() && batch.marks.is_empty() && !stream.is_system();
    (is_alone && (Removal::is_removal(name) || name == TRANSIENT)).then_some((stream, event))
}

/// Removes what the event of a client's [`StreamAdmin`] says, by the rule of this server and not by the
/// client's word, under the client's id, so that its repetition is known; nothing if it had been removed before.
pub(crate) async fn obey(
    api: &Api,
    call: &Call,
    stream: &StreamId,
    event: &EventData,
) -> Result<Option<Appended>, Failure> {
    let admin = admin(api, call).with_event_id(event.id);
    let removal = Removal::default().after(event.event_type.as_str(), &event.payload);
    let removed = if removal.tombstoned {
        admin.tombstone(stream).await
    } else if event.event_type.as_str() == TRANSIENT {
        admin.declare_transient(stream).await
    } else {
        admin.truncate(stream, removal.before).await
    };
    removed.map_err(failed)
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
    // The request is sound; it is the stream that does not allow it now.
    let kind = if error.kind() == ErrorKind::Invalid { ErrorKind::Conflict } else { error.kind() };
    Problem::new(kind, error.code(), error.to_string()).into()
}

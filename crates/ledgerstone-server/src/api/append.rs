//! Handlers that append events.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Uri};
use ledgerstone::core::{
    Append, AppendJson, AppendedJson, Batch, BatchJson, EventData, EventJson, EventStore as _,
    ExpectedRevision, LogKind, ObjectJson, Problem, Removal, StreamId,
};
use ledgerstone::http::Failure;

use crate::api::answer::{Answered, json};
use crate::api::call::{Call, NDJSON, SYSTEM};
use crate::api::json_body::{JsonBody, WholeBody, check_is_json, malformed, read_json};
use crate::api::parameters::Parameters;
use crate::api::path_names::StreamName;
use crate::api::route::{Kind, Parameter, parameter};
use crate::api::state::Api;

/// What `POST /v1/streams/{stream}` takes.
pub(crate) const TO_STREAM: &[Parameter] = &[parameter(
    "expected",
    Kind::Text,
    "where the stream must stand: any (the default), no_stream, stream_exists or a revision",
)];

/// Appends a whole batch.
pub(crate) async fn batch(
    State(api): State<Api>,
    uri: Uri,
    call: Call,
    JsonBody(batch): JsonBody<BatchJson>,
) -> Answered {
    Parameters::of(&uri, &[])?;
    let ids = &api.app.ids;
    let batch = batch.to_batch(call.tenant.clone(), || ids.next_id())?;
    record(&api, &call, batch).await
}

/// Appends an event, a list of events, or a line for each, to one stream.
pub(crate) async fn to_stream(
    State(api): State<Api>,
    StreamName(stream): StreamName,
    uri: Uri,
    headers: HeaderMap,
    call: Call,
    WholeBody(body): WholeBody,
) -> Answered {
    let expected = Parameters::of(&uri, TO_STREAM)?.parsed::<ExpectedRevision>("expected")?;
    let lines =
        headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(NDJSON.as_bytes()));
    let events = if lines {
        event_lines(&body)?
    } else {
        check_is_json(&headers)?;
        one_or_many(&body)?
    };
    let append = AppendJson {
        stream: Some(stream.as_str().to_owned()),
        expected: expected.unwrap_or_default(),
        events,
    };
    let append = append.to_append(&mut || api.app.ids.next_id())?;
    let batch = Batch { tenant: call.tenant.clone(), appends: vec![append], ..Batch::default() };
    record(&api, &call, batch).await
}

fn one_or_many(body: &[u8]) -> Result<Vec<EventJson>, Failure> {
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => {
            Err(Problem::invalid("the body is empty; send an event, a list of events, or a line for each")
                .into())
        }
        Some(b'[') => {
            let events: Vec<ObjectJson<EventJson>> = read_json(body)?;
            Ok(events.into_iter().map(|event| event.0).collect())
        }
        _ => Ok(vec![read_json::<ObjectJson<_>>(body)?.0]),
    }
}

fn event_lines(body: &[u8]) -> Result<Vec<EventJson>, Failure> {
    let mut events = Vec::new();
    for (index, line) in body.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let event: ObjectJson<EventJson> = serde_json::from_slice(line).map_err(|error| {
            let problem = malformed(&error).problem().clone();
            let detail = format!("line {}: {}", index + 1, problem.detail);
            Failure::from(Problem::invalid(detail).with("line", index + 1).with("column", error.column()))
        })?;
        events.push(event.0);
    }
    Ok(events)
}

async fn record(api: &Api, call: &Call, mut batch: Batch) -> Answered {
    if let Some(name) = batch.appends.iter().find_map(system_name)
        && !(call.system && (api.system_appends || batch.appends.iter().all(is_for_everybody)))
    {
        return Err(refused_system(name));
    }
    if let Some(correlation) = &call.correlation {
        let events = batch.appends.iter_mut().flat_map(|append| &mut append.events);
        for event in events.filter(|event| event.metadata.correlation.is_none()) {
            event.metadata.correlation = Some(correlation.clone());
        }
    }
    let count = batch.events().count();
    match api.events(call).append(batch).await {
        Ok(appended) => {
            if !appended.repeated {
                api.metrics.appended(count);
            }
            json(&AppendedJson::from_appended(&appended))
        }
        Err(error) => {
            api.metrics.refused(error.code());
            Err(error.into())
        }
    }
}

/// Returns the name by which an append belongs to the system: of its stream, or of the type of an event.
fn system_name(append: &Append) -> Option<&str> {
    let stream = append.stream.as_ref().filter(|stream| stream.is_system());
    let event = || append.events.iter().find(|event| event.log() == LogKind::System);
    stream.map(StreamId::as_str).or_else(|| event().map(|event| event.event_type.as_str()))
}

/// Tells whether an append has no system event but removals, which the store judges whoever asks for them.
fn is_for_everybody(append: &Append) -> bool {
    let is_free =
        |event: &EventData| event.log() != LogKind::System || Removal::is_removal(event.event_type.as_str());
    !append.stream.as_ref().is_some_and(StreamId::is_system) && append.events.iter().all(is_free)
}

/// Says that only the system writes this.
fn refused_system(name: &str) -> Failure {
    let detail = format!(
        "{name:?} begins with $ and belongs to the system; use DELETE /v1/streams/… or …/truncate, or for a \
         copy of system events set server.system_appends and send the header {SYSTEM}: true"
    );
    Problem::invalid(detail).into()
}

//! Handlers that tell of the log itself: its head, its marks, what the stores can do.

use std::time::Duration;

use axum::extract::State;
use axum::http::Uri;
use futures_util::StreamExt as _;
use ledgerstone::core::{
    CapabilitiesJson, DocumentCapabilitiesJson, EventStore as _, Heads, LogHead, MarkJson, Position,
};
use serde::Serialize;

use crate::api::answer::{Answered, json};
use crate::api::call::Call;
use crate::api::parameters::{Parameters, refused};
use crate::api::route::{Kind, Parameter, parameter};
use crate::api::state::Api;

/// The longest that a request may wait for the head to move, or for a read model to catch up.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(30);

/// What `GET /v1/head` takes.
pub(crate) const HEAD: &[Parameter] = &[
    parameter("application", Kind::Whole, "the head of application events that the caller knows"),
    parameter("system", Kind::Whole, "the head of system events that the caller knows"),
    parameter(
        "wait",
        Kind::Whole,
        "answer when a head is another than the caller knows, or after so many \
        seconds, 30 at most",
    ),
];

/// What `GET /v1/marks` takes.
pub(crate) const MARKS: &[Parameter] =
    &[parameter("prefix", Kind::Text, "only marks whose names begin with this")];

/// Answers the log's identity and heads, at once or when they have moved.
pub(crate) async fn head(State(api): State<Api>, uri: Uri) -> Answered {
    let given = Parameters::of(&uri, HEAD)?;
    let position = |name| given.number(name).map(|n| n.map_or(Position::START, Position));
    let known = Heads { application: position("application")?, system: position("system")? };
    let wait = wait(&given, "wait")?;
    let mut head = api.app.events.head().await?;
    if let Some(wait) = wait.filter(|_| head.heads == known)
        && let Some(heads) = moved(&api, known, wait).await
    {
        head = LogHead { log: head.log, heads };
    }
    json(&head)
}

async fn moved(api: &Api, known: Heads, wait: Duration) -> Option<Heads> {
    let mut changes = api.app.events.changes();
    let moved = async {
        while let Some(heads) = changes.next().await {
            if heads != known {
                return Some(heads);
            }
        }
        None
    };
    tokio::select! {
        heads = moved => heads,
        () = tokio::time::sleep(wait) => None,
        () = api.ending.cancelled() => None,
    }
}

/// Reads a number of seconds that a request may wait.
pub(crate) fn wait(
    given: &Parameters<'_>,
    name: &str,
) -> Result<Option<Duration>, ledgerstone::http::Failure> {
    match given.number(name)?.map(Duration::from_secs) {
        Some(wait) if wait > MAX_WAIT => {
            Err(refused(name, format!("it is above the limit of {} seconds", MAX_WAIT.as_secs())))
        }
        wait => Ok(wait),
    }
}

#[derive(Serialize)]
struct Marks {
    marks: Vec<MarkJson>,
}

/// Answers the tenant's marks.
pub(crate) async fn marks(State(api): State<Api>, uri: Uri, call: Call) -> Answered {
    let given = Parameters::of(&uri, MARKS)?;
    let prefix = given.one("prefix")?.unwrap_or_default();
    let marks = api.events(&call).marks(call.scope(), prefix).await?;
    json(&Marks { marks: marks.iter().map(MarkJson::from_mark).collect() })
}

#[derive(Serialize)]
struct Capabilities {
    version: &'static str,
    events: CapabilitiesJson,
    documents: DocumentCapabilitiesJson,
    pages: Pages,
}

#[derive(Serialize)]
struct Pages {
    events: u64,
    events_max: u64,
    body_bytes: usize,
}

/// Answers what the stores can do, and the interface's own limits.
pub(crate) async fn capabilities(State(api): State<Api>, uri: Uri) -> Answered {
    Parameters::of(&uri, &[])?;
    json(&Capabilities {
        version: env!("CARGO_PKG_VERSION"),
        events: CapabilitiesJson::from_capabilities(&api.app.events.capabilities()),
        documents: DocumentCapabilitiesJson::from_capabilities(&api.app.documents.capabilities()),
        pages: Pages {
            events: api.limits.page_events,
            events_max: api.limits.page_events_max,
            body_bytes: api.limits.body_bytes,
        },
    })
}

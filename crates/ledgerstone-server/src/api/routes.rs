//! The table of routes: what is mounted, and what is told of it.

use axum::Router;
use axum::extract::State;
use axum::http::{Method, Uri};
use axum::routing::{MethodRouter, delete, get, post, put};
use ledgerstone::core::{Code, ErrorKind, Problem, nearest};
use ledgerstone::http::{Edge, Failure};

use crate::api::route::Answer::{Events, Json, Other};
use crate::api::route::{Answer, Parameter, Route};
use crate::api::state::Api;
use crate::api::{
    append, breakers, caches, documents, exposition, follow, health, html, limits, log, openapi, parked,
    read_models, reads, removal, services, upkeep,
};

type Handler = fn() -> MethodRouter<Api>;

const fn row(
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    parameters: &'static [Parameter],
    body: Option<&'static str>,
    answer: Answer,
    handler: Handler,
) -> Route {
    Route { method, path, summary, parameters, body, answer, handler }
}

const HTML: Answer = Other("text/html");

/// Every route.
#[rustfmt::skip]
pub const ROUTES: &[Route] = &[
    row("POST", "/v1/append", "Appends a batch over any streams, with a condition and marks, whole or not at all",
        &[], Some("Batch"), Json("Appended"), || post(append::batch)),
    row("POST", "/v1/streams/{stream}", "Appends one event or several to a stream",
        append::TO_STREAM, Some("Events"), Json("Appended"), || post(append::to_stream)),
    row("GET", "/v1/streams/{stream}", "Reads the events of a stream",
        reads::OF_STREAM, None, Events("EventPage"), || get(reads::stream)),
    row("DELETE", "/v1/streams/{stream}", "Deletes a stream for good: its events are not read again, and it takes no more",
        &[], None, Json("Removed"), || delete(removal::tombstone)),
    row("POST", "/v1/streams/{stream}/truncate", "Removes the events of a stream below a revision that carries its state",
        &[], Some("Truncation"), Json("Removed"), || post(removal::truncate)),
    row("POST", "/v1/streams/{stream}/transient", "Declares that a stream may be truncated anywhere",
        &[], None, Json("Removed"), || post(removal::transient)),
    row("PUT", "/v1/streams/{stream}/retention", "Says how much of a transient stream is kept from now on",
        &[], Some("Retention"), Json("Removed"), || put(removal::retain)),
    row("GET", "/v1/events", "Reads the log",
        reads::OF_LOG, None, Events("EventPage"), || get(reads::log)),
    row("POST", "/v1/query", "Reads what a selection describes",
        &[], Some("Selection"), Events("EventPage"), || post(reads::query)),
    row("GET", "/v1/follow", "Streams events from a position on, and then as they are recorded (server-sent events)",
        reads::FOLLOW, None, Other("text/event-stream"), || get(follow::follow)),
    row("GET", "/v1/head", "Tells where the log stands, at once or when it has moved",
        log::HEAD, None, Json("Head"), || get(log::head)),
    row("GET", "/v1/marks", "Reads marks",
        log::MARKS, None, Json("Marks"), || get(log::marks)),
    row("GET", "/v1/capabilities", "Tells what the stores can do, and the limits",
        &[], None, Json("Capabilities"), || get(log::capabilities)),
    row("GET", "/v1/upkeep", "Tells how far scavenging or archiving is, or what came of the last one",
        upkeep::STATUS, None, Json("UpkeepStatus"), || get(upkeep::status)),
    row("POST", "/v1/upkeep", "Begins to scavenge or to archive the store's files, unless that goes on already",
        &[], Some("UpkeepRequest"), Json("UpkeepBegun"), || post(upkeep::start)),
    row("GET", "/v1/collections", "Lists every generation of every collection of documents",
        &[], None, Json("Catalogue"), || get(documents::catalogue)),
    row("GET", "/v1/read-models", "Lists the read models and how far they are",
        &[], None, Json("ReadModels"), || get(read_models::list)),
    row("PUT", "/v1/read-models", "Declares a read model, or a new definition of one",
        &[], Some("Declaration"), Json("Declared"), || put(read_models::declare)),
    row("POST", "/v1/read-models/check", "Tries a declaration on the last events, without using it",
        read_models::CHECK, Some("Declaration"), Json("CheckReport"), || post(read_models::check)),
    row("GET", "/v1/read-models/{name}", "Reads documents; a parameter named like a field is equality",
        documents::BROWSE, None, Json("DocumentPage"), || get(documents::browse)),
    row("DELETE", "/v1/read-models/{name}", "Takes a declared read model back",
        &[], None, Json("Outcome"), || delete(read_models::undeclare)),
    row("GET", "/v1/read-models/{name}/status", "Tells how far a read model is",
        &[], None, Json("ReadModel"), || get(read_models::status)),
    row("POST", "/v1/read-models/{name}/query", "Reads documents by filter, order, size and cursor",
        documents::FRESH, Some("Select"), Json("DocumentPage"), || post(documents::query)),
    row("POST", "/v1/read-models/{name}/count", "Counts documents",
        documents::FRESH, Some("Select"), Json("Count"), || post(documents::count)),
    row("GET", "/v1/read-models/{name}/documents/{key}", "Reads one document",
        documents::FRESH, None, Json("Document"), || get(documents::document)),
    row("POST", "/v1/read-models/{name}/documents/get", "Reads many documents, in the order of the keys",
        documents::FRESH, Some("Keys"), Json("Documents"), || post(documents::documents)),
    row("POST", "/v1/read-models/{name}/rebuild", "Builds a read model anew beside the live one, and swaps",
        &[], None, Json("Outcome"), || post(read_models::rebuild)),
    row("POST", "/v1/read-models/{name}/pause", "Stops filling a read model",
        &[], None, Json("Outcome"), || post(read_models::pause)),
    row("POST", "/v1/read-models/{name}/resume", "Goes on filling a read model",
        &[], None, Json("Outcome"), || post(read_models::resume)),
    row("POST", "/v1/read-models/{name}/reset", "Empties a read model and fills it from the beginning",
        &[], None, Json("Outcome"), || post(read_models::reset)),
    row("GET", "/v1/read-models/{name}/parked", "Lists the keys that a read model parked",
        &[], None, Json("ParkedList"), || get(parked::list)),
    row("POST", "/v1/read-models/{name}/parked/replay", "Projects the events of parked keys again",
        &[], Some("ParkedChoice"), Json("Replayed"), || post(parked::replay)),
    row("POST", "/v1/read-models/{name}/parked/discard", "Gives parked keys up",
        &[], Some("ParkedChoice"), Json("Discarded"), || post(parked::discard)),
    row("GET", "/v1/breakers", "Lists circuit breakers as they stand",
        &[], None, Json("Breakers"), || get(breakers::list)),
    row("POST", "/v1/breakers/{name}/isolate", "Lets a circuit breaker refuse every call until it is closed",
        &[], None, Json("Breaker"), || post(breakers::isolate)),
    row("POST", "/v1/breakers/{name}/close", "Closes a circuit breaker, wherever it stands",
        &[], None, Json("Breaker"), || post(breakers::close)),
    row("GET", "/v1/policies", "Lists policies with their slots, the outermost first",
        &[], None, Json("Policies"), || get(breakers::policies)),
    row("GET", "/v1/limits", "Lists rate limiters with their rules",
        &[], None, Json("Limits"), || get(limits::list)),
    row("GET", "/v1/limits/{name}/keys/{key}", "Tells where a key stands under a rate limiter, and takes nothing",
        &[], None, Json("LimitStanding"), || get(limits::explain)),
    row("PUT", "/v1/limits/{name}/keys/{key}/override", "Lets other rules bind a key",
        &[], Some("LimitOverride"), Json("LimitStanding"), || put(limits::set_override)),
    row("DELETE", "/v1/limits/{name}/keys/{key}/override", "Lets the common rules bind a key again",
        &[], None, Json("LimitStanding"), || delete(limits::clear_override)),
    row("POST", "/v1/limits/{name}/keys/{key}/reset", "Gives a key everything back",
        &[], None, Json("LimitStanding"), || post(limits::reset)),
    row("GET", "/v1/services", "Lists the services behind this server and their endpoints",
        &[], None, Json("Services"), || get(services::list)),
    row("GET", "/v1/caches", "Lists caches: how each is, and what it has counted",
        &[], None, Json("Caches"), || get(caches::list)),
    row("POST", "/v1/caches/{name}/invalidate", "Invalidates entries by key, tag or prefix, or all, on every node",
        caches::OF_INVALIDATION, None, Json("Done"), || post(caches::invalidate)),
    row("GET", "/v1/caches/{name}/entries/{key}", "Answers a value as it was put, with its media type",
        &[], None, Other("application/octet-stream"), || get(caches::get)),
    row("PUT", "/v1/caches/{name}/entries/{key}", "Puts a value",
        caches::OF_PUT, Some("AnyBody"), Json("Done"), || put(caches::put)),
    row("DELETE", "/v1/caches/{name}/entries/{key}", "Deletes a value, on every node",
        &[], None, Json("Done"), || delete(caches::delete)),
    row("GET", "/v1/caches/{name}/entries/{key}/explain", "Tells what is known of a key: where it is, how old, who made it",
        &[], None, Json("CacheExplanation"), || get(caches::explain)),
    row("GET", "/health/live", "Tells that the process is alive",
        &[], None, Json("Health"), || get(health::live)),
    row("GET", "/health/ready", "Tells whether requests should be sent here",
        &[], None, Json("Health"), || get(health::ready)),
    row("GET", "/health/startup", "Tells whether everything was loaded",
        &[], None, Json("Health"), || get(health::startup)),
    row("GET", "/metrics", "Exposes metrics in the text format of Prometheus",
        &[], None, Other(exposition::MEDIA_TYPE), || get(exposition::metrics)),
    row("GET", "/openapi.json", "Describes this interface as an OpenAPI document",
        &[], None, Other("application/json"), || get(openapi::openapi)),
    row("GET", "/reference", "Describes this interface as a page",
        &[], None, HTML, || get(html::reference)),
    row("GET", "/errors", "Lists the error codes", &[], None, HTML, || get(html::errors)),
    row("GET", "/errors/{code}", "Explains an error code", &[], None, HTML, || get(html::error)),
    row("GET", "/", "Shows where everything is", &[], None, HTML, || get(html::landing)),
];

/// Mounts every route, with problems for what is not there.
pub fn router(api: &Api, options: Edge) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        router = router.route(route.path, (route.handler)());
    }
    let router = router.method_not_allowed_fallback(unknown_method).fallback(unknown_path);
    options.around(router).with_state(api.clone())
}

async fn unknown_path(uri: Uri) -> Failure {
    let path = uri.path();
    let near = nearest(path, ROUTES.iter().map(|route| route.path));
    let hint =
        near.map_or_else(|| "/reference lists them all".to_owned(), |near| format!("did you mean {near}?"));
    let problem = Problem::not_found(format!("there is no path {path:?}; {hint}"));
    match near {
        Some(near) => problem.with("nearest", near).into(),
        None => problem.into(),
    }
}

async fn unknown_method(
    State(_): State<Api>,
    matched: axum::extract::MatchedPath,
    method: Method,
) -> Failure {
    let of_path = ROUTES.iter().filter(|route| route.path == matched.as_str());
    let methods: Vec<_> = of_path.map(|route| route.method).collect();
    let detail = format!("{} takes {}, not {method}", matched.as_str(), methods.join(", "));
    let mut problem =
        Problem::new(ErrorKind::Invalid, Code::InvalidInput, detail).with("allow", methods.join(", "));
    problem.status = 405;
    problem.into()
}

//! The OpenAPI document, drawn from the table of routes, so that it can tell of nothing that is not there.

use std::sync::OnceLock;

use axum::http::Uri;
use ledgerstone::resilience::DEADLINE_HEADER;
use serde_json::{Map, Value, json};

use crate::api::answer::{Answered, with_type};
use crate::api::call::{NDJSON, SYSTEM, TENANT};
use crate::api::parameters::Parameters;
use crate::api::route::{Answer, Kind, Parameter, Route};
use crate::api::routes::ROUTES;

/// The schemas that bodies and answers refer to.
const SCHEMAS: &str = include_str!("schemas.json");

/// Answers the document.
pub(crate) async fn openapi(uri: Uri) -> Answered {
    static TEXT: OnceLock<String> = OnceLock::new();
    Parameters::of(&uri, &[])?;
    let text = TEXT.get_or_init(|| document().to_string());
    Ok(with_type(text.as_str(), "application/json"))
}

/// Draws the document (OpenAPI 3.1).
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| Value::Object(Map::new()));
        path[route.method.to_ascii_lowercase()] = operation(route);
    }
    let schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ledgerstone",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Events, streams, and the read models that stand on them, over HTTP.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
        "security": [{ "token": [] }, {}],
    })
}

fn operation(route: &Route) -> Value {
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<_> = in_path.map(path_parameter).collect();
    parameters.extend(route.parameters.iter().map(query_parameter));
    if route.path.starts_with("/v1/") {
        parameters.push(header(
            TENANT,
            "whose events and documents; percent-encoded; the default tenant if left out",
        ));
        parameters.push(header(
            "x-correlation-id",
            "the id under which the request is logged; comes back in the answer",
        ));
        parameters.push(header(
            DEADLINE_HEADER,
            "how many milliseconds the caller still waits; what cannot be answered by then is not begun",
        ));
    }
    if route.path == "/v1/append" || route.path == "/v1/streams/{stream}" && route.method == "POST" {
        parameters.push(header(SYSTEM, "true says that system events are meant: a removal alone, or any where server.system_appends is set"));
    }
    if route.path == "/v1/follow" {
        parameters
            .push(header("last-event-id", "the id of the last event that was received; it wins over after"));
    }
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.summary,
        "responses": {
            "200": { "description": "what was asked for", "content": content(route.answer) },
            "default": {
                "description": "a problem; its code is explained under /errors",
                "content": { "application/problem+json": { "schema": reference("Problem") } },
            },
        },
    });
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    if let Some(schema) = route.body {
        operation["requestBody"] = request_body(schema);
    }
    operation
}

fn operation_id(route: &Route) -> String {
    let parts = route.path.split('/').filter(|part| !part.is_empty() && *part != "v1");
    let parts = parts.map(|part| part.trim_matches(|c| matches!(c, '{' | '}')).replace(['-', '.'], "_"));
    let parts: Vec<_> = std::iter::once(route.method.to_ascii_lowercase()).chain(parts).collect();
    parts.join("_")
}

fn request_body(schema: &str) -> Value {
    let content = match schema {
        "AnyBody" => json!({ "*/*": { "schema": reference(schema) } }),
        "Declaration" => json!({ "application/toml": { "schema": reference(schema) } }),
        "Events" => json!({
            "application/json": { "schema": reference(schema) },
            NDJSON: { "schema": { "type": "string" } },
        }),
        _ => json!({ "application/json": { "schema": reference(schema) } }),
    };
    json!({ "required": true, "content": content })
}

fn content(answer: Answer) -> Value {
    match answer {
        Answer::Json(schema) => json!({ "application/json": { "schema": reference(schema) } }),
        Answer::Events(schema) => json!({
            "application/json": { "schema": reference(schema) },
            NDJSON: { "schema": { "type": "string" } },
        }),
        Answer::Other(media_type) => json!({ media_type: { "schema": { "type": "string" } } }),
    }
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn path_parameter(name: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
}

fn header(name: &str, about: &str) -> Value {
    json!({ "name": name, "in": "header", "description": about, "schema": { "type": "string" } })
}

fn query_parameter(parameter: &Parameter) -> Value {
    let schema = match parameter.kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Whole => json!({ "type": "integer", "minimum": 0 }),
        Kind::Time => json!({ "type": "string", "format": "date-time" }),
        Kind::Choice(choices) => json!({ "type": "string", "enum": choices }),
        Kind::Json => json!({ "type": "string", "contentMediaType": "application/json" }),
    };
    json!({ "name": parameter.name, "in": "query", "description": parameter.about, "schema": schema })
}

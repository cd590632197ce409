//! Request bodies as JSON: read up to the limit, and refused with the place where they are malformed.

use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use ledgerstone::core::{ObjectJson, Problem};
use ledgerstone::http::{Failure, read_body};
use serde::de::DeserializeOwned;

use crate::api::state::Api;
use crate::json_words::told;

/// A request's whole body.
#[derive(Debug)]
pub(crate) struct WholeBody(pub(crate) Bytes);

impl FromRequest<Api> for WholeBody {
    type Rejection = Failure;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        read_body(&parts.headers, body, api.limits.body_bytes).await.map(Self)
    }
}

/// A request's body, read from JSON.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Api> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Failure> {
        check_is_json(request.headers())?;
        let WholeBody(bytes) = WholeBody::from_request(request, api).await?;
        read_json::<ObjectJson<T>>(&bytes).map(|object| Self(object.0))
    }
}

/// What `curl --data` says of any body unless it is told otherwise; nobody sends forms here.
const SAID_BY_CURL: &str = "application/x-www-form-urlencoded";

/// Refuses a body that is said to be something else than JSON; one of which nothing is said is taken.
pub(crate) fn check_is_json(headers: &HeaderMap) -> Result<(), Failure> {
    let Some(given) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let given = String::from_utf8_lossy(given.as_bytes());
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || essence.ends_with("+json") || essence == SAID_BY_CURL {
        return Ok(());
    }
    let detail = format!("the body is said to be {essence:?}; send JSON with content-type: application/json");
    let mut problem = Problem::invalid(detail);
    problem.status = StatusCode::UNSUPPORTED_MEDIA_TYPE.as_u16();
    Err(problem.into())
}

/// Reads JSON; an empty body is an empty object.
pub(crate) fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(bytes).map_err(|error| malformed(&error))
}

/// Says where JSON is malformed.
pub(crate) fn malformed(error: &serde_json::Error) -> Failure {
    let problem = Problem::invalid(format!("the body is not what this path takes: {}", told(error)));
    problem.with("line", error.line()).with("column", error.column()).into()
}

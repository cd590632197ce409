//! Successful answers as JSON.

use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use ledgerstone::core::{Code, ErrorKind, Problem};
use ledgerstone::http::Failure;
use serde::Serialize;

/// What a handler returns.
pub(crate) type Answered = Result<Response, Failure>;

/// Answers with JSON.
pub(crate) fn json(value: &impl Serialize) -> Answered {
    let bytes = serde_json::to_vec(value).map_err(|error| unwritable(&error))?;
    Ok(with_type(bytes, "application/json"))
}

/// Answers with bytes of a media type.
pub(crate) fn with_type(body: impl Into<axum::body::Body>, media_type: &'static str) -> Response {
    let mut response = body.into().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Says that an answer could not be written.
pub(crate) fn unwritable(error: &serde_json::Error) -> Failure {
    Problem::new(ErrorKind::Internal, Code::Internal, format!("the answer cannot be written: {error}")).into()
}

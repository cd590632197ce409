//! Requests to a ledgerstone server, and what its answers mean.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use ledgerstone_core::{BackendError, Code, ErrorKind, HttpClient, HttpRequest, Problem, Tenant};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) const BACKEND: &str = "http";
const JSON: &str = "application/json";

/// The largest answer that is read; a page of events is a quarter of it.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// How long a whole answer may take.
const TIMEOUT: Duration = Duration::from_secs(90);

/// Speaks JSON with a ledgerstone server: holds its address, and what it takes to be let in.
///
/// It is what the `http` store stands on, and serves whoever asks a server for more than the ports offer.
#[derive(Clone)]
pub struct Connection {
    client: Arc<dyn HttpClient>,
    base: String,
    token: Option<String>,
}

/// Says why a request did not yield what it asked for.
#[derive(Debug)]
pub enum CallError {
    /// Holds what the server said.
    Problem(Box<Problem>),
    /// Tells that there was no answer, or none that makes sense.
    Broken(BackendError),
}

impl CallError {
    /// Takes it as a failure of the backend.
    pub fn into_backend_error(self, operation: &'static str) -> BackendError {
        match self {
            Self::Problem(problem) => problem.into_backend_error(operation),
            Self::Broken(error) => error,
        }
    }
}

impl Connection {
    /// Takes a server's address without a slash at its end.
    pub fn new(client: Arc<dyn HttpClient>, base: String, token: Option<String>) -> Self {
        Self { client, base, token }
    }

    /// Gets JSON.
    pub async fn get<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        path: &str,
        tenant: Option<&Tenant>,
    ) -> Result<T, BackendError> {
        let got = self.call(operation, "GET", path, tenant, None).await;
        got.map_err(|error| error.into_backend_error(operation))
    }

    /// Posts JSON and reads JSON.
    pub async fn post<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        path: &str,
        tenant: &Tenant,
        body: &impl Serialize,
    ) -> Result<T, CallError> {
        let body = serde_json::to_vec(body).map_err(|error| {
            let message = "the request cannot be written as JSON";
            CallError::Broken(
                BackendError::new(ErrorKind::Invalid, BACKEND, operation, message).with_source(error),
            )
        })?;
        self.call(operation, "POST", path, Some(tenant), Some((JSON, body.into()))).await
    }

    /// Sends any request, with a body of a media type if there is one, and reads JSON.
    pub async fn call<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        method: &'static str,
        path: &str,
        tenant: Option<&Tenant>,
        body: Option<(&str, Bytes)>,
    ) -> Result<T, CallError> {
        let (media_type, body) = body.unzip();
        let request = HttpRequest {
            method,
            url: format!("{}{path}", self.base),
            headers: self.headers(tenant, media_type),
            body: body.unwrap_or_default(),
            timeout: Some(TIMEOUT),
        };
        let mut response = self.client.send(request).await.map_err(CallError::Broken)?;
        let mut answer = BytesMut::new();
        while let Some(piece) = response.body.try_next().await.map_err(CallError::Broken)? {
            if answer.len() + piece.len() > MAX_ANSWER_BYTES {
                let message =
                    format!("the answer is above the limit of {MAX_ANSWER_BYTES} bytes; ask for less");
                return Err(CallError::Broken(indeterminate(operation, message)));
            }
            answer.extend_from_slice(&piece);
        }
        if (200..300).contains(&response.status) {
            return serde_json::from_slice(&answer).map_err(|error| {
                let message =
                    "the answer is not what a ledgerstone server of this version gives; check the address";
                CallError::Broken(indeterminate(operation, message).with_source(error))
            });
        }
        Err(match serde_json::from_slice::<Problem>(&answer) {
            Ok(problem) => CallError::Problem(Box::new(problem)),
            Err(_) => CallError::Broken(strange_status(operation, response.status)),
        })
    }

    fn headers(&self, tenant: Option<&Tenant>, media_type: Option<&str>) -> Vec<(String, String)> {
        let mut headers = Vec::with_capacity(5);
        let mut put = |name: &str, value: String| headers.push((name.to_owned(), value));
        put("accept", JSON.to_owned());
        if let Some(media_type) = media_type {
            put("content-type", media_type.to_owned());
        }
        if let Some(token) = &self.token {
            put("authorization", format!("Bearer {token}"));
        }
        if let Some(tenant) = tenant.filter(|tenant| !tenant.as_str().is_empty()) {
            put("ledgerstone-tenant", percent_encode(tenant.as_str()));
        }
        // A store is handed system events too; the server takes them only from who says so.
        put("ledgerstone-system", "true".to_owned());
        headers
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("base", &self.base).finish_non_exhaustive()
    }
}

/// Says that something went wrong after the request had left.
fn indeterminate(operation: &'static str, message: impl Into<String>) -> BackendError {
    BackendError::new(ErrorKind::Internal, BACKEND, operation, message).with_code(Code::Indeterminate)
}

/// Tells what an answer without a problem document may mean: something else answered.
fn strange_status(operation: &'static str, status: u16) -> BackendError {
    let message =
        format!("the answer has status {status} and is none of a ledgerstone server; check the address");
    let kind = match status {
        429 => ErrorKind::Throttled,
        502 | 503 => ErrorKind::Unavailable,
        504 => ErrorKind::TimedOut,
        401 | 403 => ErrorKind::Denied,
        404 => ErrorKind::NotFound,
        _ => ErrorKind::Misconfigured,
    };
    let error = BackendError::new(kind, BACKEND, operation, message);
    // A proxy that gave up may have passed the request on before.
    if status >= 500 { error.with_code(Code::Indeterminate) } else { error }
}

/// Encodes what is not a letter, a digit or `-_.~`, fit for a path, a query and a header.
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_for_paths() {
        assert_eq!(percent_encode("$streams a/ö"), "%24streams%20a%2F%C3%B6");
    }
}

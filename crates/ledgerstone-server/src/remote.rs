//! A server that owns the store: what commands ask of it beyond the ports.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use ledgerstone::core::{Code, ErrorKind, HttpClient, HttpRequest, Problem, Tenant};
use serde_json::Value;

use crate::failure::Failure;
use crate::settings::Secret;

/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// A ledgerstone server, spoken to in JSON.
#[derive(Debug, Clone)]
pub struct Remote {
    client: Arc<dyn HttpClient>,
    base: String,
    token: Option<Secret>,
    tenant: Tenant,
}

impl Remote {
    /// Takes the server's address, such as `http://127.0.0.1:7400`.
    pub fn new(client: Arc<dyn HttpClient>, base: &str, token: Option<Secret>, tenant: Tenant) -> Self {
        Self { client, base: base.trim_end_matches('/').to_owned(), token, tenant }
    }

    /// Gets a document.
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call("GET", path, Bytes::new(), "application/json").await
    }

    /// Deletes something.
    pub async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.call("DELETE", path, Bytes::new(), "application/json").await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.call("POST", path, Bytes::from(body.to_string()), "application/json").await
    }

    /// Sends the text of a declaration.
    pub async fn send_toml(&self, method: &'static str, path: &str, toml: &str) -> Result<Value, Failure> {
        self.call(method, path, Bytes::copy_from_slice(toml.as_bytes()), "application/toml").await
    }

    async fn call(
        &self,
        method: &'static str,
        path: &str,
        body: Bytes,
        content_type: &str,
    ) -> Result<Value, Failure> {
        let mut headers = vec![("accept".to_owned(), "application/json".to_owned())];
        if !body.is_empty() {
            headers.push(("content-type".to_owned(), content_type.to_owned()));
        }
        if let Some(token) = &self.token {
            headers.push(("authorization".to_owned(), format!("Bearer {}", token.expose())));
        }
        if !self.tenant.as_str().is_empty() {
            headers.push(("ledgerstone-tenant".to_owned(), encode(self.tenant.as_str())));
        }
        let url = format!("{}{path}", self.base);
        let mut response =
            self.client.send(HttpRequest { method, url, headers, body, timeout: None }).await?;
        let mut answer = BytesMut::new();
        while let Some(piece) = response.body.try_next().await? {
            if answer.len() + piece.len() > MAX_ANSWER_BYTES {
                let message = format!("the answer of {} is above {MAX_ANSWER_BYTES} bytes", self.base);
                return Err(
                    Failure::new(ErrorKind::Invalid, Code::TooLarge, message).with_help("ask for less")
                );
            }
            answer.extend_from_slice(&piece);
        }
        if !(200..300).contains(&response.status) {
            return Err(match serde_json::from_slice::<Problem>(&answer) {
                Ok(problem) => problem.into(),
                Err(_) => self.no_server(response.status),
            });
        }
        serde_json::from_slice(&answer).map_err(|_| self.no_server(response.status))
    }

    fn no_server(&self, status: u16) -> Failure {
        let message =
            format!("{} answers with status {status} and not as a ledgerstone server does", self.base);
        Failure::new(ErrorKind::Unavailable, Code::Unreachable, message)
            .with_help("check the address; something else may be listening there")
    }
}

/// Encodes a text for a place in a path or a query.
pub fn encode(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_for_paths() {
        assert_eq!(encode("$streams a/ö"), "%24streams%20a%2F%C3%B6");
    }
}

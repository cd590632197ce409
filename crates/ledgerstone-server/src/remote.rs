//! A server that owns the store: what commands ask of it beyond the ports.

use std::sync::Arc;

use bytes::Bytes;
use ledgerstone::core::{HttpClient, Tenant};
use ledgerstone::stores::{CallError, Connection};
use serde_json::Value;

use crate::failure::Failure;
use crate::settings::Secret;

const ASK: &str = "ask the server";

/// A ledgerstone server, spoken to in JSON.
#[derive(Debug, Clone)]
pub struct Remote {
    connection: Connection,
    tenant: Tenant,
}

impl Remote {
    /// Takes the server's address, such as `http://127.0.0.1:7400`.
    pub fn new(client: Arc<dyn HttpClient>, base: &str, token: Option<Secret>, tenant: Tenant) -> Self {
        let token = token.map(|token| token.expose().to_owned());
        Self { connection: Connection::new(client, base.trim_end_matches('/').to_owned(), token), tenant }
    }

    /// Gets a document.
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call("GET", path, None).await
    }

    /// Deletes something.
    pub async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.call("DELETE", path, None).await
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.connection.post(ASK, path, &self.tenant, body).await.map_err(failed)
    }

    /// Sends the text of a declaration.
    pub async fn send_toml(&self, method: &'static str, path: &str, toml: &str) -> Result<Value, Failure> {
        let body = Bytes::copy_from_slice(toml.as_bytes());
        self.call(method, path, Some(("application/toml", body))).await
    }

    async fn call(
        &self,
        method: &'static str,
        path: &str,
        body: Option<(&str, Bytes)>,
    ) -> Result<Value, Failure> {
        self.connection.call(ASK, method, path, Some(&self.tenant), body).await.map_err(failed)
    }
}

fn failed(error: CallError) -> Failure {
    match error {
        CallError::Problem(problem) => (*problem).into(),
        CallError::Broken(error) => error.into(),
    }
}

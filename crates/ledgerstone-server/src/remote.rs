//! A server that owns the store: what commands ask of it beyond the ports.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ledgerstone::core::{Code, ErrorKind, HttpClient, Locator, Tenant};
use ledgerstone::stores::{CallError, Connection};
use serde_json::Value;

use crate::failure::Failure;
use crate::settings::Secret;

const ASK: &str = "ask the server";
/// How long a server may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(10);

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

    /// Looks whether the server answers at all, lest a command waits for one that hangs.
    pub async fn check_answers(&self, locator: &Locator) -> Result<(), Failure> {
        match tokio::time::timeout(PATIENCE, self.get("/health/live")).await {
            Ok(answered) => answered.map(drop),
            Err(_) => {
                let seconds = PATIENCE.as_secs();
                let message = format!("the server at {locator} does not answer within {seconds} s");
                Err(Failure::new(ErrorKind::Unavailable, Code::Unreachable, message)
                    .with_help("look after its process: it runs and does nothing, or is stopped"))
            }
        }
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

    /// Puts JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let body = Bytes::from(serde_json::to_vec(body).map_err(anyhow::Error::new)?);
        self.call("PUT", path, Some(("application/json", body))).await
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

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use ledgerstone::core::{BackendError, HttpRequest, HttpResponse};

    use super::*;
    use crate::exit::Exit;

    #[derive(Debug)]
    struct Stopped;

    #[async_trait]
    impl HttpClient for Stopped {
        async fn send(&self, _: HttpRequest) -> Result<HttpResponse, BackendError> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_answer_is_told_rather_than_waited_for() {
        let base = "http://127.0.0.1:7400";
        let server = Remote::new(Arc::new(Stopped), base, None, Tenant::default());
        let told = server.check_answers(&base.parse().expect("a locator")).await.expect_err("it hangs");
        assert_eq!(told.exit(), Exit::Unavailable);
        assert!(told.message().contains("127.0.0.1:7400 does not answer"), "{told}");
    }
}

//! A connection to Redis that may be down at any time: each call is bounded, and a stalled one is replaced.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ledgerstone_core::{BackendError, ErrorKind};
use parking_lot::Mutex;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{FromRedisValue, RedisError, ScriptInvocation, ServerErrorKind};

/// After so many calls without any answer the connection is given up; a peer that vanished says nothing.
const STALLED: u32 = 3;

/// A connection that comes up when it can.
pub(crate) struct RedisLink {
    client: redis::Client,
    manager: Mutex<ConnectionManager>,
    bound: Duration,
    unanswered: AtomicU32,
}

impl RedisLink {
    /// Makes a connection without connecting; within a Tokio runtime.
    pub(crate) fn new(url: &str, bound: Duration) -> Result<Self, BackendError> {
        let client = redis::Client::open(url).map_err(|error| told("open", error))?;
        let manager = Mutex::new(manager(&client, bound)?);
        Ok(Self { client, manager, bound, unanswered: AtomicU32::new(0) })
    }

    /// Calls a script, and loads it where it is not known.
    pub(crate) async fn invoke<T: FromRedisValue>(
        &self,
        operation: &'static str,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, BackendError> {
        let mut manager = self.manager.lock().clone();
        let call = async {
            match script.invoke_async(&mut manager).await {
                // Nothing was sent; a connection that failed is told to the next call, which may find it mended.
                Err(error) if error.is_connection_refusal() => script.invoke_async(&mut manager).await,
                answer => answer,
            }
        };
        self.bounded(operation, call).await
    }

    /// Sends a command.
    pub(crate) async fn query<T: FromRedisValue>(
        &self,
        operation: &'static str,
        command: &redis::Cmd,
    ) -> Result<T, BackendError> {
        let mut manager = self.manager.lock().clone();
        self.bounded(operation, async { command.query_async(&mut manager).await }).await
    }

    async fn bounded<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, BackendError> {
        match tokio::time::timeout(self.bound, call).await {
            Ok(answer) => {
                self.unanswered.store(0, Ordering::Relaxed);
                answer.map_err(|error| told(operation, error))
            }
            Err(_) => {
                if self.unanswered.fetch_add(1, Ordering::Relaxed) + 1 >= STALLED {
                    self.unanswered.store(0, Ordering::Relaxed);
                    *self.manager.lock() = manager(&self.client, self.bound)?;
                }
                let message =
                    format!("no answer within {:?}; see whether Redis is up and not overloaded", self.bound);
                Err(BackendError::new(ErrorKind::TimedOut, "redis", operation, message))
            }
        }
    }
}

fn manager(client: &redis::Client, bound: Duration) -> Result<ConnectionManager, BackendError> {
    // Who calls decides whether and when to try again.
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(Some(bound))
        .set_response_timeout(Some(bound.saturating_mul(2)));
    ConnectionManager::new_lazy_with_config(client.clone(), config).map_err(|error| told("open", error))
}

fn told(operation: &'static str, error: RedisError) -> BackendError {
    use redis::ErrorKind as Kind;

    let kind = match error.kind() {
        _ if error.is_timeout() => ErrorKind::TimedOut,
        Kind::Io => ErrorKind::Unavailable,
        Kind::AuthenticationFailed | Kind::InvalidClientConfig => ErrorKind::Misconfigured,
        Kind::Server(ServerErrorKind::NoPerm) => ErrorKind::Denied,
        Kind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::TryAgain
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::ReadOnly,
        ) => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    };
    let message = format!("{error}; see whether Redis is up, and the URL and rights are right");
    BackendError::new(kind, "redis", operation, message).with_source(error)
}

impl fmt::Debug for RedisLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client would print the URL, and a password with it.
        f.debug_struct("RedisLink").field("bound", &self.bound).finish_non_exhaustive()
    }
}

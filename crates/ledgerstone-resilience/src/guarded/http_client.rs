//! An HTTP client with a policy around every request.

use std::time::Duration;

use async_trait::async_trait;
use ledgerstone_core::{BackendError, HttpBody, HttpClient, HttpRequest, HttpResponse, Retryable};

use super::Guarded;
use crate::call::{Idempotent, Once};

/// The methods that do the same however often they are sent (RFC 9110, 9.2.2).
const IDEMPOTENT: &[&str] = &["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"];
/// The header by which a server knows a request that is sent again.
const KEY: &str = "idempotency-key";
/// The statuses by which a server says that it may work later (RFC 9110, 15.5.9, 15.6; RFC 6585, 4).
const LATER: &[u16] = &[408, 429, 502, 503, 504];

/// A request may be repeated by its method or its `Idempotency-Key`; a body that streams goes out once.
///
/// A response that says "later" counts as a failure of the attempt, and is still a response in the end.
#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<C: HttpClient + ?Sized> HttpClient for Guarded<C> {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, BackendError> {
        let has_key = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(KEY));
        let sent = match has_key || IDEMPOTENT.contains(&request.method) {
            true => self.policy.run(Idempotent(|_| answered(self.inner.send(request.clone())))).await,
            false => self.policy.run(Once(|| answered(self.inner.send(request)))).await,
        };
        in_the_end(sent)
    }

    async fn send_streaming(
        &self,
        request: HttpRequest,
        body: HttpBody,
    ) -> Result<HttpResponse, BackendError> {
        in_the_end(self.policy.run(Once(|| answered(self.inner.send_streaming(request, body)))).await)
    }
}

/// Why an attempt brought nothing.
enum Unanswered {
    Later(HttpResponse),
    Broken(BackendError),
}

impl From<BackendError> for Unanswered {
    fn from(error: BackendError) -> Self {
        Self::Broken(error)
    }
}

impl Retryable for Unanswered {
    fn is_retryable(&self) -> bool {
        match self {
            Self::Later(_) => true,
            Self::Broken(error) => error.is_retryable(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Later(response) => {
                response.header("retry-after")?.trim().parse().ok().map(Duration::from_secs)
            }
            Self::Broken(error) => error.retry_after(),
        }
    }
}

async fn answered(
    sent: impl Future<Output = Result<HttpResponse, BackendError>>,
) -> Result<HttpResponse, Unanswered> {
    match sent.await {
        Ok(response) if LATER.contains(&response.status) => Err(Unanswered::Later(response)),
        Ok(response) => Ok(response),
        Err(error) => Err(Unanswered::Broken(error)),
    }
}

fn in_the_end(sent: Result<HttpResponse, Unanswered>) -> Result<HttpResponse, BackendError> {
    match sent {
        Ok(response) | Err(Unanswered::Later(response)) => Ok(response),
        Err(Unanswered::Broken(error)) => Err(error),
    }
}

//! An HTTP client without a network: it answers from a script and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, TryStreamExt as _};
use ledgerstone_core::{BackendError, HttpBody, HttpClient, HttpRequest, HttpResponse};
use parking_lot::Mutex;

type Responder = Box<dyn FnMut(&HttpRequest) -> Result<HttpResponse, BackendError> + Send>;

/// Answers each request with the next of its script, and the last one again and again.
pub(crate) struct Scripted {
    script: Mutex<VecDeque<Responder>>,
    pub(crate) asked: Mutex<Vec<HttpRequest>>,
}

impl Scripted {
    pub(crate) fn new(script: Vec<Responder>) -> Arc<Self> {
        Arc::new(Self { script: Mutex::new(script.into()), asked: Mutex::default() })
    }

    pub(crate) fn asked(&self) -> Vec<HttpRequest> {
        self.asked.lock().clone()
    }

    /// Returns a header of the request with this number.
    pub(crate) fn header(&self, number: usize, name: &str) -> Option<String> {
        let asked = self.asked.lock();
        let found = asked.get(number)?.headers.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.clone())
    }

    fn answer(&self, request: HttpRequest) -> Result<HttpResponse, BackendError> {
        let mut script = self.script.lock();
        let mut responder = script.pop_front().expect("a script");
        let answer = responder(&request);
        if script.is_empty() {
            script.push_back(responder);
        }
        self.asked.lock().push(request);
        answer
    }
}

#[async_trait]
impl HttpClient for Scripted {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, BackendError> {
        // Whoever is asked at the same time gets a turn.
        tokio::task::yield_now().await;
        self.answer(request)
    }

    async fn send_streaming(
        &self,
        mut request: HttpRequest,
        body: HttpBody,
    ) -> Result<HttpResponse, BackendError> {
        let body: BytesMut = body
            .try_fold(BytesMut::new(), async |mut all, piece| {
                all.extend_from_slice(&piece);
                Ok(all)
            })
            .await?;
        request.body = body.freeze();
        self.answer(request)
    }
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scripted").finish_non_exhaustive()
    }
}

/// Answers with a status, headers and a body.
pub(crate) fn says(status: u16, headers: &[(&str, &str)], body: &str) -> Responder {
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let body = Bytes::from(body.to_owned());
    Box::new(move |_| {
        let piece = body.clone();
        let body = futures_util::stream::iter([Ok(piece)]).boxed();
        Ok(HttpResponse { status, headers: headers.clone(), body })
    })
}

/// Fails like this.
pub(crate) fn fails(make: impl Fn() -> BackendError + Send + 'static) -> Responder {
    Box::new(move |_| Err(make()))
}

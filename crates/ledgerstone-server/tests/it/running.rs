//! A server in this process, on a free port, and requests to it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use ledgerstone::core::{
    Clock, HttpClient as _, HttpRequest, HttpResponse, Problem, SystemClock, TimeOrderedIds,
};
use ledgerstone::engine::{ReadModelOptions, ReadModels};
use ledgerstone::http::{ClientOptions, ReqwestClient};
use ledgerstone::stores::{Backend, Resources, open};
use ledgerstone_server::app::App;
use ledgerstone_server::serve::{ServeOptions, Server};
use ledgerstone_testkit::conformance::CaseError;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A server that ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) umadb: Option<SocketAddr>,
    pub(crate) backend: Backend,
    pub(crate) client: ReqwestClient,
    token: Option<String>,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<JoinHandle<anyhow::Result<()>>>,
}

/// An answer that was read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Expects a problem with a status and a code.
    pub(crate) fn problem(&self, status: u16, code: &str) -> Problem {
        assert_eq!(self.header("content-type"), Some(Problem::MEDIA_TYPE), "{}", self.text());
        let problem: Problem = serde_json::from_slice(&self.body).expect("a problem");
        assert_eq!(
            (self.status, problem.status, problem.code.as_str()),
            (status, status, code),
            "{}",
            self.text()
        );
        assert_eq!(problem.type_uri, format!("/errors/{code}"));
        assert!(problem.correlation.is_some(), "{}", self.text());
        assert!(problem.members.get("help").is_some_and(Value::is_string), "{}", self.text());
        problem
    }
}

/// Starts a server over memory.
pub(crate) async fn running() -> Running {
    Running::start("memory:", Arc::new(SystemClock::new()), ServeOptions::default()).await.expect("a server")
}

/// Starts a server over memory with options.
pub(crate) async fn running_with(options: ServeOptions) -> Running {
    Running::start("memory:", Arc::new(SystemClock::new()), options).await.expect("a server")
}

/// Puts an application together over a store.
pub(crate) async fn app(locator: &str) -> Result<App, CaseError> {
    let backend = open(&locator.parse()?, &Resources::default()).await?;
    Ok(app_over(&backend, ReadModelOptions::default()))
}

fn app_over(backend: &Backend, options: ReadModelOptions) -> App {
    let (events, documents) = (Arc::clone(&backend.events), Arc::clone(&backend.documents));
    let clock = Arc::clone(&options.clock);
    App {
        upkeep: backend.upkeep.clone(),
        read_models: ReadModels::new(Arc::clone(&events), Arc::clone(&documents), options),
        events,
        documents,
        outward: None,
        condition: backend.condition.clone(),
        clock,
        ids: Arc::new(TimeOrderedIds),
    }
}

impl Running {
    pub(crate) async fn start(
        locator: &str,
        clock: Arc<dyn Clock>,
        options: ServeOptions,
    ) -> Result<Self, CaseError> {
        let resources = Resources { clock: Arc::clone(&clock), ..Resources::default() };
        let backend = open(&locator.parse()?, &resources).await?;
        let read_models = ReadModelOptions { clock, ..ReadModelOptions::default() };
        Self::over(backend, read_models, options).await
    }

    /// Starts a server over stores that are open, with options for its read models.
    pub(crate) async fn over(
        backend: Backend,
        read_models: ReadModelOptions,
        options: ServeOptions,
    ) -> Result<Self, CaseError> {
        let app = app_over(&backend, read_models);
        let options = ServeOptions { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..options };
        let server = Server::bind(app, options).await?;
        let (address, umadb) = (server.address(), server.umadb_address());
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        let client = ReqwestClient::new(ClientOptions::default())?;
        Ok(Self { address, umadb, backend, client, token: None, stop: Some(stop), ended: Some(ended) })
    }

    /// Sends the token with every request from now on.
    pub(crate) fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    pub(crate) async fn send(
        &self,
        method: &'static str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> HttpResponse {
        let mut headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if let Some(token) = &self.token {
            headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        let url = format!("http://{}{path}", self.address);
        let timeout = (!path.starts_with("/v1/follow")).then_some(Duration::from_secs(30));
        let request = HttpRequest { method, url, headers, body: body.into(), timeout };
        self.client.send(request).await.expect("an answer")
    }

    pub(crate) async fn call(
        &self,
        method: &'static str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let HttpResponse { status, headers, body } = self.send(method, path, headers, body).await;
        let pieces: Vec<Bytes> = body.try_collect().await.expect("a body");
        Answer { status, headers, body: pieces.concat().into() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.call("POST", path, &[], body).await
    }

    /// Appends an event of a type to a stream.
    pub(crate) async fn append(&self, stream: &str, event_type: &str) -> Value {
        let event = format!(r#"{{"type":"{event_type}","data":{{"of":"{stream}"}}}}"#);
        let answer = self.post(&format!("/v1/streams/{stream}"), event).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Opens a stream of server-sent events.
    pub(crate) async fn follow(&self, path: &str, last_event_id: Option<&str>) -> Followed {
        let headers: Vec<_> = last_event_id.map(|id| ("last-event-id", id)).into_iter().collect();
        let response = self.send("GET", path, &headers, "").await;
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-type"), Some("text/event-stream"));
        Followed { response, text: String::new() }
    }

    /// Tells the server to stop.
    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits until the server has ended.
    pub(crate) async fn ended(&mut self) {
        let ended = self.ended.take().expect("not yet waited for");
        ended.await.expect("no panic").expect("a clean end");
    }
}

/// A stream of server-sent events being read.
pub(crate) struct Followed {
    response: HttpResponse,
    text: String,
}

/// A server-sent event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) event: String,
    pub(crate) id: String,
    pub(crate) data: String,
}

impl Followed {
    /// Returns the next one; nothing if the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Sent> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let mut sent = Sent::default();
                for line in block.lines() {
                    match line.split_once(": ") {
                        Some(("event", text)) => text.clone_into(&mut sent.event),
                        Some(("id", text)) => text.clone_into(&mut sent.id),
                        Some(("data", text)) => text.clone_into(&mut sent.data),
                        _ => {}
                    }
                }
                self.text = rest.to_owned();
                if !sent.data.is_empty() {
                    return Some(sent);
                }
                continue;
            }
            let piece = tokio::time::timeout(Duration::from_secs(20), self.response.body.next());
            let piece = piece.await.expect("something within 20 seconds")?.ok()?;
            self.text.push_str(std::str::from_utf8(&piece).expect("UTF-8"));
        }
    }
}

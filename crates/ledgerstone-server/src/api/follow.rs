//! Live streams of events (server-sent events), resumable from any position.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue, Uri};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use ledgerstone::core::{
    Code, ErrorKind, EventStore as _, EventStoreError, Frame, LogHead, LogIdentity, LogKind, LogPoint,
    Position, Problem, Selection,
};
use ledgerstone::engine::Scoped;
use ledgerstone::http::Failure;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tracing::Instrument as _;

use crate::api::answer::{Answered, with_type};
use crate::api::call::Call;
use crate::api::event_line::write_line;
use crate::api::parameters::Parameters;
use crate::api::point::{check_position, foreign};
use crate::api::reads::{FOLLOW, filtered};
use crate::api::state::Api;
use crate::error_pages;

/// How often a silent stream says that it is alive; proxies cut what is silent for a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How many pieces may wait for a slow reader; each may be as large as the store's largest frame.
const WAITING: usize = 1;

/// Streams events from a position on, and then as they are recorded.
pub(crate) async fn follow(State(api): State<Api>, uri: Uri, headers: HeaderMap, call: Call) -> Answered {
    let given = Parameters::of(&uri, FOLLOW)?;
    let mut selection = filtered(&api, &given, &call).await?;
    selection.check()?;
    let head = api.app.events.head().await?;
    if let Some(id) = headers.get("last-event-id") {
        let id = id.to_str().ok().and_then(|id| read_id(selection.log, id));
        let Some(point) = id else {
            let detail = "the last event id is none of this stream's; leave it out, or begin with after=0";
            return Err(foreign(detail.to_owned(), &head));
        };
        if point.log != head.log {
            let detail =
                format!("the last event id belongs to another log than {}; begin with after=0", head.log);
            return Err(foreign(detail, &head));
        }
        selection.after = point.position;
    }
    check_position(&head, selection.log, selection.after)?;
    let permit = admit(&api)?;
    let (sender, receiver) = mpsc::channel(WAITING);
    let events = api.events(&call);
    let follower =
        Follower { events, at: selection.after, selection, log: head.log, sender, caught_up: false };
    // What it logs belongs to the request, which has been answered by then.
    tokio::spawn(run(api, follower, head, permit).in_current_span());
    let body = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let piece: Bytes = receiver.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), receiver))
    });
    let mut response = with_type(axum::body::Body::from_stream(body), "text/event-stream");
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// Returns a place among the bounded number of followers.
fn admit(api: &Api) -> Result<OwnedSemaphorePermit, Failure> {
    let most = api.limits.followers;
    let permit = Arc::clone(&api.followers).try_acquire_owned().map_err(|_| {
        let detail = format!("{most} streams of events are open, which is the limit; ask again later");
        Problem::new(ErrorKind::Throttled, Code::Unreachable, detail)
    })?;
    Ok(permit)
}

struct Follower {
    events: Scoped,
    selection: Selection,
    log: LogIdentity,
    at: Position,
    sender: mpsc::Sender<Bytes>,
    caught_up: bool,
}

/// Why a follower ends.
enum End {
    /// Nobody listens any more.
    Gone,
    /// The store failed.
    Failed(EventStoreError),
}

impl From<EventStoreError> for End {
    fn from(error: EventStoreError) -> Self {
        Self::Failed(error)
    }
}

async fn run(api: Api, mut follower: Follower, head: LogHead, _permit: OwnedSemaphorePermit) {
    let mut changes = follower.events.changes();
    let sender = follower.sender.clone();
    let mut heads = Some(head.heads);
    loop {
        if let Some(heads) = heads {
            let newest = heads.of(follower.selection.log);
            let ended = tokio::select! {
                ended = follower.advance(&api, newest) => ended,
                () = api.ending.cancelled() => break,
            };
            match ended {
                Ok(()) => {}
                Err(End::Gone) => return,
                Err(End::Failed(error)) => return follower.fail(error).await,
            }
        }
        heads = tokio::select! {
            changed = changes.next() => match changed {
                Some(heads) => Some(heads),
                None => break,
            },
            () = tokio::time::sleep(HEARTBEAT) => {
                // The id moves on even where nothing matches, so that a resumed stream need not read it again.
                let beat = format!(": alive\nid: {}\n\n", follower.id());
                if sender.send(beat.into()).await.is_err() {
                    return;
                }
                None
            }
            () = sender.closed() => return,
            () = api.ending.cancelled() => break,
        };
    }
    let end = "event: end\ndata: {\"reason\":\"the server is going down; connect again\"}\n\n";
    // A reader that does not take it in must not keep the server from going down.
    let _ = sender.try_send(Bytes::from_static(end.as_bytes()));
}

impl Follower {
    /// Sends what stands between here and `newest`, and says when that is reached.
    async fn advance(&mut self, api: &Api, newest: Position) -> Result<(), End> {
        if newest > self.at {
            let selection = self.selection.clone().after(self.at).up_to(newest);
            let mut frames = self.events.read(selection);
            while let Some(frame) = frames.try_next().await? {
                if !frame.events.is_empty() {
                    self.caught_up = false;
                    api.metrics.read(frame.events.len());
                    self.send(self.render(&frame)).await?;
                }
                self.at = self.at.max(frame.read_to);
            }
            self.at = self.at.max(newest);
        }
        if !self.caught_up {
            self.caught_up = true;
            let (id, at) = (self.id(), self.at);
            let text = format!("event: caught-up\nid: {id}\ndata: {{\"position\":{at}}}\n\n");
            self.send(text.into()).await?;
        }
        Ok(())
    }

    fn render(&self, frame: &Frame) -> Bytes {
        let mut text = Vec::with_capacity(frame.events.len() * 600);
        for event in &frame.events {
            text.extend_from_slice(format!("id: {}\ndata: ", self.id_at(event.position())).as_bytes());
            if let Err(error) = write_line(&mut text, event) {
                tracing::error!(%error, position = event.position().0, "an event cannot be written as JSON");
            }
            text.extend_from_slice(b"\n\n");
        }
        text.into()
    }

    async fn send(&self, piece: Bytes) -> Result<(), End> {
        self.sender.send(piece).await.map_err(|_| End::Gone)
    }

    async fn fail(&self, error: EventStoreError) {
        let failure = Failure::from(error);
        let mut problem = failure.problem().clone();
        if let Some(code) = problem.known_code() {
            problem = problem.with("help", error_pages::help(code));
        }
        let problem = serde_json::to_string(&problem).unwrap_or_default();
        tracing::warn!(detail = failure.problem().detail, "a stream of events ended");
        let _ = self.send(format!("event: problem\ndata: {problem}\n\n").into()).await;
    }

    fn id(&self) -> String {
        self.id_at(self.at)
    }

    fn id_at(&self, position: Position) -> String {
        let point = LogPoint { log: self.log, position };
        match self.selection.log {
            LogKind::Application => point.to_string(),
            LogKind::System => format!("${point}"),
        }
    }
}

/// Reads an id of the count; those of system events begin with `$`, lest a resumed stream mix the counts.
fn read_id(log: LogKind, id: &str) -> Option<LogPoint> {
    match (log, id.strip_prefix('$')) {
        (LogKind::Application, None) => id.parse().ok(),
        (LogKind::System, Some(id)) => id.parse().ok(),
        _ => None,
    }
}

//! The call that reads events and goes on with those that are recorded later.

use std::collections::VecDeque;

use futures_util::stream::{self, BoxStream, Stream, StreamExt as _, TryStreamExt as _};
use ledgerstone::core::{
    Code, ErrorKind, EventStore as _, Frames, Heads, LogKind, Position, Problem, RecordedEvent, Selection,
};
use ledgerstone::engine::Scoped;
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;

use super::cut::{batch_size, cut};
use super::events_codec::Page;
use super::failure::status_of;
use super::mapping;
use super::wire::SubscribeRequest;
use crate::api::follow::admit;
use crate::api::point::check_position;
use crate::api::state::Api;

/// Streams what a request asks for, and then what is recorded, until the caller leaves or the server goes down.
///
/// It is repeated reads up to the head, so nothing falls between what was there and what comes. To begin beyond
/// the head is refused: that position belongs to another log, or to this one before it was restored.
pub(super) async fn subscribe(
    api: &Api,
    events: Scoped,
    request: SubscribeRequest,
) -> Result<BoxStream<'static, Result<Page, Status>>, Status> {
    let after = Position(request.after.unwrap_or(0));
    if after == Position(u64::MAX) {
        return Ok(stream::empty().boxed());
    }
    let query = mapping::query(request.query)?;
    let head = events.head().await.map_err(|error| status_of(&Problem::from(&error)))?;
    check_position(&head, LogKind::Application, after).map_err(|failure| status_of(failure.problem()))?;
    let permit = admit(api).map_err(|failure| status_of(failure.problem()))?;
    let subscription = Subscription {
        api: api.clone(),
        selection: Selection::query(query),
        at: after,
        batch: batch_size(request.batch_size),
        frames: None,
        changes: events.changes(),
        events,
        ready: VecDeque::new(),
        _permit: permit,
    };
    Ok(subscription.pages().boxed())
}

/// A subscription in progress.
struct Subscription {
    api: Api,
    events: Scoped,
    selection: Selection,
    /// Up to where everything was sent.
    at: Position,
    batch: usize,
    /// The reading in progress, and where it ends.
    frames: Option<(Frames, Position)>,
    changes: BoxStream<'static, Heads>,
    ready: VecDeque<Vec<RecordedEvent>>,
    _permit: OwnedSemaphorePermit,
}

impl Subscription {
    fn pages(self) -> impl Stream<Item = Result<Page, Status>> {
        let ending = self.api.ending.clone();
        let pages = stream::try_unfold(self, async |mut subscription| {
            let page = subscription.next().await?;
            Ok(page.map(|page| (page, subscription)))
        });
        pages.take_until(ending.cancelled_owned())
    }

    async fn next(&mut self) -> Result<Option<Page>, Status> {
        loop {
            if let Some(events) = self.ready.pop_front() {
                return Ok(Some(Page { events, head: None }));
            }
            if let Some((frames, end)) = &mut self.frames {
                let end = *end;
                let frame = frames.try_next().await.map_err(|error| status_of(&Problem::from(&error)))?;
                let Some(frame) = frame else {
                    self.at = self.at.max(end);
                    self.frames = None;
                    continue;
                };
                self.at = self.at.max(frame.read_to);
                self.api.metrics.read(frame.events.len());
                self.ready.extend(cut(frame.events, self.batch));
                continue;
            }
            // The heads of now come first, so nothing that was recorded before this is waited for.
            let Some(heads) = self.changes.next().await else {
                return Err(status_of(&gone()));
            };
            let end = heads.of(LogKind::Application);
            if end > self.at {
                let selection = self.selection.clone().after(self.at).up_to(end);
                self.frames = Some((self.events.read(selection), end));
            }
        }
    }
}

fn gone() -> Problem {
    let detail = "the store was closed; connect again, and go on after the last position";
    Problem::new(ErrorKind::Unavailable, Code::Unreachable, detail)
}

//! The call that reads events up to the head that it found when it began.

use std::collections::VecDeque;

use futures_util::stream::{self, BoxStream, Fuse, Stream, StreamExt as _, TryStreamExt as _};
use ledgerstone::core::{EventStore as _, Frames, Position, Problem, RecordedEvent, Selection};
use ledgerstone::engine::Scoped;
use tonic::Status;

use super::cut::{batch_size, cut};
use super::events_codec::Page;
use super::failure::{invalid, status_of};
use super::mapping;
use super::wire::ReadRequest;
use crate::api::state::Api;

/// Reads what a request asks for, page by page.
///
/// Without a limit every page tells the head; with one, each tells the position of its last event. Where nothing
/// was found one page says so; a limit of zero is answered with none at all.
pub(super) async fn read(
    api: &Api,
    events: Scoped,
    request: ReadRequest,
) -> Result<BoxStream<'static, Result<Page, Status>>, Status> {
    if request.subscribe == Some(true) {
        return Err(invalid("a read does not go on with what is recorded later; call Subscribe"));
    }
    let query = mapping::query(request.query.clone())?;
    let head = events.head().await.map_err(|error| status_of(&Problem::from(&error)))?;
    let head = head.heads.application;
    if request.limit == Some(0) {
        return Ok(stream::empty().boxed());
    }
    let selection = between(Selection::query(query), &request, head);
    let reading = Reading {
        api: api.clone(),
        frames: events.read(selection).fuse(),
        batch: batch_size(request.batch_size),
        head: (head > Position::START).then_some(head.0),
        limited: request.limit.is_some(),
        ready: VecDeque::new(),
        told: false,
    };
    Ok(reading.pages().boxed())
}

/// Bounds a selection: the start is included, and backwards it is the newest end.
fn between(mut selection: Selection, request: &ReadRequest, head: Position) -> Selection {
    selection.limit = request.limit.map(u64::from);
    selection = selection.up_to(head);
    match (request.backwards.unwrap_or(false), request.start) {
        (false, None) => selection,
        (false, Some(start)) => selection.after(Position(start.saturating_sub(1))),
        (true, None) => selection.backwards(),
        (true, Some(start)) => selection.up_to(head.min(Position(start))).backwards(),
    }
}

/// A reading in progress.
struct Reading {
    api: Api,
    frames: Fuse<Frames>,
    batch: usize,
    head: Option<u64>,
    limited: bool,
    ready: VecDeque<Vec<RecordedEvent>>,
    told: bool,
}

impl Reading {
    fn pages(self) -> impl Stream<Item = Result<Page, Status>> {
        stream::try_unfold(self, async |mut reading| {
            let page = reading.next().await?;
            Ok(page.map(|page| (page, reading)))
        })
    }

    async fn next(&mut self) -> Result<Option<Page>, Status> {
        loop {
            if let Some(events) = self.ready.pop_front() {
                self.told = true;
                let last = events.last().map(|event| event.position().0);
                let head = if self.limited { last } else { self.head };
                return Ok(Some(Page { events, head }));
            }
            match self.frames.try_next().await.map_err(|error| status_of(&Problem::from(&error)))? {
                Some(frame) => {
                    self.api.metrics.read(frame.events.len());
                    self.ready.extend(cut(frame.events, self.batch));
                }
                None if self.told => return Ok(None),
                None => {
                    self.told = true;
                    let head = self.head.filter(|_| !self.limited);
                    return Ok(Some(Page { events: Vec::new(), head }));
                }
            }
        }
    }
}

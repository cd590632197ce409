//! Pages of events: a selection read up to a limit, as JSON or as a line for each event.

use std::time::Instant;

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use futures_util::TryStreamExt as _;
use ledgerstone::core::{
    Code, Direction, ErrorKind, EventJson, EventStore as _, EventType, Hole, LogHead, LogKind, Position,
    Problem, RecordedEvent, Selection,
};
use ledgerstone::engine::Scoped;
use ledgerstone::http::Failure;

use crate::api::answer::{Answered, unwritable, with_type};
use crate::api::call::NDJSON;
use crate::api::event_line::write_line;
use crate::api::state::Api;

/// A selection to answer with one page.
#[derive(Debug)]
pub(crate) struct PageRequest {
    /// Whose events.
    pub(crate) events: Scoped,
    /// What to read.
    pub(crate) selection: Selection,
    /// Only these types, where the selection cannot say so itself; none means all.
    pub(crate) types: Vec<EventType>,
    /// Whether to answer a line for each event.
    pub(crate) lines: bool,
}

/// What a page found.
pub(crate) struct Page {
    events: Vec<RecordedEvent>,
    read_to: Position,
    holes: Vec<Hole>,
    head: LogHead,
    more: bool,
}

/// Reads a page and answers with it.
pub(crate) async fn answer_page(api: &Api, request: PageRequest) -> Answered {
    let (lines, log) = (request.lines, request.selection.log);
    read_page(api, request).await?.answer(lines, log)
}

impl Page {
    /// Tells whether it found nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Answers with it.
    pub(crate) fn answer(&self, lines: bool, log: LogKind) -> Answered {
        if lines { answer_lines(self, self.head.heads.of(log)) } else { answer_json(self) }
    }
}

/// Reads a page; one that found little, or many holes, ends early, to be read on from where it came.
pub(crate) async fn read_page(api: &Api, request: PageRequest) -> Result<Page, Failure> {
    request.selection.check()?;
    let page = read(api, request).await?;
    api.metrics.read(page.events.len());
    Ok(page)
}

async fn read(api: &Api, request: PageRequest) -> Result<Page, Failure> {
    let PageRequest { events, mut selection, types, .. } = request;
    let started = Instant::now();
    let limit = page_limit(api, selection.limit)?;
    let head = events.head().await?;
    let newest = head.heads.of(selection.log);
    let end = selection.up_to.map_or(newest, |last| last.min(newest));
    // One stream is read by what was removed of it, which the store looks up together with a newer head.
    if selection.query.as_stream().is_none() || selection.up_to.is_some() {
        selection.up_to = Some(end);
    }
    let log = selection.log;
    selection.limit = types.is_empty().then_some(limit);
    let (direction, after) = (selection.direction, selection.after);

    let mut page = Page { events: Vec::new(), read_to: after, holes: Vec::new(), head, more: false };
    let mut stopped = limit == 0;
    let mut is_enough = false;
    let mut bytes = 0;
    let mut frames = events.read(selection);
    while let Some(frame) = if stopped || is_enough { None } else { frames.try_next().await? } {
        page.read_to = frame.read_to;
        page.holes.extend(frame.holes);
        let wanted = |event: &RecordedEvent| {
            types.is_empty() || types.iter().any(|wanted| wanted.as_str() == event.event_type())
        };
        for event in frame.events.into_iter().filter(wanted) {
            bytes += event.as_bytes().len();
            page.events.push(event);
            stopped = page.events.len() as u64 >= limit || bytes >= api.limits.page_bytes;
            if stopped {
                break;
            }
        }
        is_enough = page.holes.len() > api.limits.page_holes || started.elapsed() >= api.limits.page_time;
    }
    if let Some(last) = page.events.last().filter(|_| stopped) {
        page.read_to = last.position();
    }
    // A bound beyond the head, as the caller may give it, says nothing of the head.
    if after <= newest || !page.events.is_empty() {
        page.head.heads.set(log, newest.max(page.read_to));
    }
    end_before_hole(&mut page, api.limits.page_holes, direction);
    if is_enough || (stopped && !page.events.is_empty()) {
        page.more = match direction {
            Direction::Forwards => page.read_to < end,
            Direction::Backwards => page.read_to > after.next(),
        };
    }
    keep_read(&mut page.holes, page.read_to, direction);
    Ok(page)
}

/// Ends a page with more holes than an answer holds before the first one that is too many.
fn end_before_hole(page: &mut Page, most: usize, direction: Direction) {
    let Some(hole) = page.holes.get(most) else { return };
    page.read_to = match direction {
        Direction::Forwards => page.read_to.min(Position(hole.from.0.saturating_sub(1))),
        Direction::Backwards => page.read_to.max(hole.to.next()),
    };
    let read_to = page.read_to;
    page.events.retain(|event| match direction {
        Direction::Forwards => event.position() <= read_to,
        Direction::Backwards => event.position() >= read_to,
    });
}

/// Keeps of the holes what was read, as the next page tells of the rest.
fn keep_read(holes: &mut Vec<Hole>, read_to: Position, direction: Direction) {
    for hole in holes.iter_mut() {
        match direction {
            Direction::Forwards => hole.to = hole.to.min(read_to),
            Direction::Backwards => hole.from = hole.from.max(read_to),
        }
    }
    holes.retain(|hole| hole.from <= hole.to);
}

fn page_limit(api: &Api, asked: Option<u64>) -> Result<u64, Failure> {
    let most = api.limits.page_events_max;
    match asked {
        None => Ok(api.limits.page_events),
        Some(limit) if limit <= most => Ok(limit),
        Some(limit) => {
            let detail = format!(
                "parameter limit: {limit} is above the limit of {most}; read on with after=<read_to>"
            );
            let problem = Problem::new(ErrorKind::Invalid, Code::TooLarge, detail);
            Err(problem.with("parameter", "limit").into())
        }
    }
}

fn answer_json(page: &Page) -> Answered {
    let mut body = Vec::with_capacity(256 + page.events.len() * 512);
    body.extend_from_slice(b"{\"events\":[");
    for (index, event) in page.events.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        write(&mut body, &EventJson::recorded(event))?;
    }
    body.extend_from_slice(b"],\"read_to\":");
    write(&mut body, &page.read_to)?;
    if !page.holes.is_empty() {
        body.extend_from_slice(b",\"holes\":");
        write(&mut body, &page.holes)?;
    }
    body.extend_from_slice(b",\"log\":");
    write(&mut body, &page.head.log)?;
    body.extend_from_slice(b",\"head\":");
    write(&mut body, &page.head.heads)?;
    body.extend_from_slice(b",\"more\":");
    write(&mut body, &page.more)?;
    body.push(b'}');
    Ok(with_type(body, "application/json"))
}

fn answer_lines(page: &Page, head: Position) -> Answered {
    let mut body = Vec::with_capacity(page.events.len() * 512);
    for event in &page.events {
        write_line(&mut body, event).map_err(|error| unwritable(&error))?;
        body.push(b'\n');
    }
    let mut response = with_type(body, NDJSON);
    put(&mut response, "ledgerstone-read-to", &page.read_to.to_string());
    put(&mut response, "ledgerstone-more", if page.more { "true" } else { "false" });
    put(&mut response, "ledgerstone-log", &page.head.log.to_string());
    put(&mut response, "ledgerstone-head", &head.to_string());
    Ok(response)
}

fn put(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}

fn write(body: &mut Vec<u8>, value: &impl serde::Serialize) -> Result<(), Failure> {
    serde_json::to_writer(body, value).map_err(|error| unwritable(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_tells_of_no_holes_beyond_what_it_read() {
        let hole = |from, to| Hole { from: Position(from), to: Position(to) };
        let mut holes = vec![hole(2, 3), hole(5, 9), hole(11, 12)];
        keep_read(&mut holes, Position(7), Direction::Forwards);
        assert_eq!(holes, [hole(2, 3), hole(5, 7)]);
        let mut holes = vec![hole(11, 12), hole(5, 9), hole(2, 3)];
        keep_read(&mut holes, Position(7), Direction::Backwards);
        assert_eq!(holes, [hole(11, 12), hole(7, 9)]);
    }
}

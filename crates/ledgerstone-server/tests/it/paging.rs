//! Pages of events that callers seldom meet: with holes in them, and with nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use ledgerstone::core::{
    Appended, Batch, Capabilities, Code, EventStore, EventStoreError, EventType, Frames, Heads, LogHead,
    Mark, Position, Query, QueryItem, Selection, TenantScope,
};
use ledgerstone::engine::ReadModelOptions;
use ledgerstone::stores::{Resources, open};
use ledgerstone_server::api::state::ApiLimits;
use ledgerstone_server::serve::ServeOptions;
use ledgerstone_testkit::conformance::{CaseError, CaseResult, Trials};
use serde_json::Value;

use crate::running::{Running, running, running_with};

pub(crate) fn add(trials: &mut Trials) {
    trials.add("paging::each_hole_is_told_once_in_either_direction", holes);
    trials.add("paging::a_stream_with_more_holes_than_a_page_takes_is_read_on", many_holes);
    trials.add("paging::a_client_does_not_read_on_in_another_log", another_log);
    trials.add("paging::a_client_reads_on_across_empty_pages", empty_pages);
}

/// Reads a page; answers the positions of its events, those of its holes, and where it came to if there is more.
async fn page(server: &Running, query: &str) -> (Vec<u64>, Vec<u64>, Option<u64>) {
    page_at(server, &format!("/v1/events?limit=1&{query}")).await
}

async fn page_at(server: &Running, path: &str) -> (Vec<u64>, Vec<u64>, Option<u64>) {
    let page = server.get(path).await.json();
    let list = |name: &str| page[name].as_array().cloned().unwrap_or_default();
    let number = |value: &Value| value.as_u64().expect("a position");
    let events = list("events").iter().map(|event| number(&event["position"])).collect();
    let holes = list("holes");
    let holes = holes.iter().flat_map(|hole| number(&hole["from"])..=number(&hole["to"])).collect();
    (events, holes, (page["more"] == true).then(|| number(&page["read_to"])))
}

/// Reads page after page; answers the positions of the events and the holes of each.
async fn pages(
    server: &Running,
    path: &str,
    begin: u64,
    next: impl Fn(u64) -> u64,
) -> Vec<(Vec<u64>, Vec<u64>)> {
    let mut seen = Vec::new();
    let mut place = Some(begin);
    while let Some(at) = place {
        let (events, holes, read_to) = page_at(server, &format!("{path}{at}")).await;
        seen.push((events, holes));
        place = read_to.map(&next);
    }
    seen
}

async fn holes() -> CaseResult {
    let server = running().await;
    for stream in ["gone-1", "kept-1", "gone-1", "gone-1", "kept-1", "gone-1"] {
        server.append(stream, "Noted").await;
    }
    assert_eq!(server.call("DELETE", "/v1/streams/gone-1", &[], "").await.status, 200);
    let mut seen = Vec::new();
    let mut after = Some(0);
    while let Some(from) = after {
        let (events, holes, next) = page(&server, &format!("after={from}")).await;
        seen.push((events, holes));
        after = next;
    }
    assert_eq!(seen, [(vec![2], vec![1]), (vec![5], vec![3, 4]), (vec![], vec![6])]);
    seen.clear();
    let mut up_to = Some(7);
    while let Some(to) = up_to {
        let (events, mut holes, next) = page(&server, &format!("direction=backwards&up_to={}", to - 1)).await;
        holes.sort_unstable();
        seen.push((events, holes));
        up_to = next;
    }
    assert_eq!(seen, [(vec![5], vec![6]), (vec![2], vec![3, 4]), (vec![], vec![1])]);
    Ok(())
}

async fn many_holes() -> CaseResult {
    let limits = ApiLimits { page_holes: 2, ..ApiLimits::default() };
    let server = running_with(ServeOptions { limits, ..ServeOptions::default() }).await;
    for _ in 0..5 {
        server.append("gone-1", "Noted").await;
        server.append("kept-1", "Noted").await;
    }
    server.append("gone-1", "Noted").await;
    assert_eq!(server.call("POST", "/v1/streams/gone-1/transient", &[], "").await.status, 200);
    let truncation = r#"{"before":5}"#;
    assert_eq!(server.call("POST", "/v1/streams/gone-1/truncate", &[], truncation).await.status, 200);
    for path in ["/v1/streams/gone-1?", "/v1/streams/gone-1?from=0&type=Noted&", "/v1/events?stream=gone-1&"]
    {
        let forwards = pages(&server, &format!("{path}after="), 0, |read_to| read_to).await;
        let expected = [(vec![], vec![1, 3]), (vec![], vec![5, 7]), (vec![11], vec![9])];
        assert_eq!(forwards, expected, "{path}");
        let backwards = format!("{path}direction=backwards&up_to=");
        let backwards = pages(&server, &backwards, 11, |read_to| read_to - 1).await;
        let expected = [(vec![11], vec![9, 7]), (vec![], vec![5, 3]), (vec![], vec![1])];
        assert_eq!(backwards, expected, "{path}");
    }
    Ok(())
}

async fn empty_pages() -> CaseResult {
    let (server, _) = dripping().await?;
    for event_type in ["Opened", "Named", "Named", "Closed", "Named"] {
        server.append("account-1", event_type).await;
    }
    let (events, _, more) = page(&server, "type=Closed").await;
    assert_eq!((events, more), (vec![], Some(1)), "the page is empty, and not the last");

    let resources = Resources { http: Some(Arc::new(server.client.clone())), ..Resources::default() };
    let client = open(&format!("http://{}", server.address).parse()?, &resources).await?;
    let closed = QueryItem { types: vec![EventType::new("Closed")?], ..QueryItem::default() };
    let selection = Selection { query: Query::from(closed), ..Selection::all() };
    let frames: Vec<_> = client.events.read(selection).try_collect().await?;
    let found: Vec<_> =
        frames.iter().flat_map(|frame| &frame.events).map(|event| event.position().0).collect();
    assert_eq!(found, [4]);
    let read_to: Vec<_> = frames.iter().map(|frame| frame.read_to.0).collect();
    assert_eq!(read_to, [1, 2, 3, 4, 5], "the position moves on where nothing matches");
    Ok(())
}

async fn another_log() -> CaseResult {
    let (server, restores) = dripping().await?;
    for event_type in ["Opened", "Named", "Closed"] {
        server.append("account-1", event_type).await;
    }
    let resources = Resources { http: Some(Arc::new(server.client.clone())), ..Resources::default() };
    let client = open(&format!("http://{}", server.address).parse()?, &resources).await?;
    let mut frames = client.events.read(Selection::all());
    assert_eq!(frames.try_next().await?.map(|frame| frame.read_to), Some(Position(1)));
    restores.fetch_add(1, Ordering::Relaxed);
    let error = frames.try_next().await.expect_err("another log");
    assert_eq!(error.code(), Code::ForeignPosition, "{error}");
    assert!(!error.is_retryable());
    assert!(frames.try_next().await?.is_none());
    Ok(())
}

/// Serves a store that yields little at a time; raising the number is a restore of it.
async fn dripping() -> Result<(Running, Arc<AtomicU32>), CaseError> {
    let mut backend = open(&"memory:".parse()?, &Resources::default()).await?;
    let restores = Arc::new(AtomicU32::new(0));
    backend.events = Arc::new(Dripping(backend.events, Arc::clone(&restores)));
    let limits = ApiLimits { page_time: std::time::Duration::ZERO, ..ApiLimits::default() };
    let options = ServeOptions { limits, ..ServeOptions::default() };
    let server = Running::over(backend, ReadModelOptions::default(), options).await?;
    Ok((server, restores))
}

/// A store that yields a frame for each position, as a slow one does between two matches; its epoch rises with
/// the number.
#[derive(Debug)]
struct Dripping(Arc<dyn EventStore>, Arc<AtomicU32>);

#[async_trait]
impl EventStore for Dripping {
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn append(&self, batch: Batch) -> Result<Appended, EventStoreError> {
        self.0.append(batch).await
    }

    fn read(&self, selection: Selection) -> Frames {
        let Some(last) = selection.up_to else { return self.0.read(selection) };
        let store = Arc::clone(&self.0);
        let positions = futures_util::stream::iter(selection.after.0..last.0);
        let frames = positions.flat_map(move |after| {
            store.read(selection.clone().after(Position(after)).up_to(Position(after + 1)))
        });
        frames.boxed()
    }

    async fn head(&self) -> Result<LogHead, EventStoreError> {
        let mut head = self.0.head().await?;
        head.log.epoch += self.1.load(Ordering::Relaxed);
        Ok(head)
    }

    fn changes(&self) -> BoxStream<'static, Heads> {
        self.0.changes()
    }

    async fn marks(&self, tenant: TenantScope, prefix: &str) -> Result<Vec<Mark>, EventStoreError> {
        self.0.marks(tenant, prefix).await
    }
}

//! Promise 3: a batch is refused if events that match its condition stand after its position.

use std::sync::Arc;

use futures_util::future::join_all;
use ledgerstone_core::ExpectedRevision::Any;
use ledgerstone_core::{Append, Batch, EventData, Metadata, Position, Query, QueryItem, Refusal, Tag};

use super::arrange::{
    Cases, Events, FreshEvents, append, batch, by_tag, by_type, event, event_type, one, read_all, refused,
    stream, tag, tagged, under, write,
};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        3: an_event_with_the_tag_refuses_the_batch,
        3: an_event_of_the_type_refuses_the_batch,
        3: an_event_of_the_stream_or_its_category_refuses_the_batch,
        3: an_event_with_the_source_or_the_correlation_refuses_the_batch,
        3: any_event_refuses_a_batch_that_wants_none,
        3: an_item_needs_its_type_and_all_of_its_tags,
        3: only_what_stands_after_the_position_counts,
        3: a_condition_beyond_the_head_is_refused,
        3: system_events_are_not_seen_by_conditions,
        3: the_batch_does_not_see_its_own_events,
        3: of_concurrent_batches_under_one_condition_exactly_one_wins,
        3: concurrent_batches_under_different_conditions_all_win,
    ]
}

async fn must_fail(store: &Events, query: Query, after: u64, at: u64) -> CaseResult {
    let wanted = under(query, Position(after), batch("decision-1", Any, &["decided"]));
    let refusal = refused(store, wanted).await?;
    assert_eq!(refusal, Refusal::ConditionFailed { position: Position(at) });
    Ok(())
}

async fn must_hold(store: &Events, query: Query, after: u64) -> CaseResult {
    store.append(under(query, Position(after), batch("decision-1", Any, &["decided"]))).await?;
    Ok(())
}

/// Promise 3. Tags.
async fn an_event_with_the_tag_refuses_the_batch(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    store.append(one("seat-1", tagged("taken", &["seat:1", "row:a"]))).await?;
    must_fail(&store, by_tag("seat:1"), 0, 1).await?;
    must_fail(&store, by_tag("row:a"), 0, 1).await?;
    must_hold(&store, by_tag("seat:2"), 0).await?;
    must_hold(&store, by_tag("seat:"), 0).await
}

/// Promise 3. Types, any of which will do.
async fn an_event_of_the_type_refuses_the_batch(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    write(&store, "seat-1", &["taken"]).await?;
    must_fail(&store, by_type("taken"), 0, 1).await?;
    let either = QueryItem::types([event_type("freed"), event_type("taken")]);
    must_fail(&store, either.into(), 0, 1).await?;
    must_hold(&store, by_type("freed"), 0).await
}

/// Promise 3. A stream, and the category that the store derives from it.
async fn an_event_of_the_stream_or_its_category_refuses_the_batch(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    write(&store, "seat-1", &["taken"]).await?;
    must_fail(&store, Query::stream(stream("seat-1")), 0, 1).await?;
    must_fail(&store, Query::from(QueryItem::tags([Tag::category("seat")?])), 0, 1).await?;
    must_hold(&store, Query::stream(stream("seat-2")), 0).await?;
    must_hold(&store, Query::from(QueryItem::tags([Tag::category("row")?])), 0).await
}

/// Promise 3. What the store derives from the metadata.
async fn an_event_with_the_source_or_the_correlation_refuses_the_batch(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let metadata = Metadata {
        source: Some("crm".to_owned()),
        correlation: Some("order 7".to_owned()),
        ..Metadata::default()
    };
    store.append(one("seat-1", EventData { metadata, ..event("taken") })).await?;
    must_fail(&store, Query::from(QueryItem::tags([Tag::source("crm")?])), 0, 1).await?;
    must_fail(&store, Query::from(QueryItem::tags([Tag::correlation("order 7")?])), 0, 1).await?;
    must_hold(&store, Query::from(QueryItem::tags([Tag::source("erp")?])), 0).await
}

/// Promise 3. A query without items matches everything.
async fn any_event_refuses_a_batch_that_wants_none(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    must_hold(&store, Query::all(), 0).await?;
    let wanted = under(Query::all(), Position(0), batch("decision-1", Any, &["decided"]));
    refused(&store, wanted).await?;
    Ok(())
}

/// Promise 3. Within an item "and", between items "or".
async fn an_item_needs_its_type_and_all_of_its_tags(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    store.append(one("seat-1", tagged("taken", &["seat:1", "row:a"]))).await?;
    let item = |name: &str, tags: &[&str]| QueryItem {
        types: vec![event_type(name)],
        tags: tags.iter().map(|text| tag(text)).collect(),
        ..QueryItem::default()
    };
    let nowhere = item("freed", &["seat:1"]);
    let almost = item("taken", &["seat:1", "row:b"]);
    let there = item("taken", &["row:a", "seat:1"]);
    must_fail(&store, Query::any_of([nowhere.clone(), almost.clone(), there]), 0, 1).await?;
    must_hold(&store, Query::any_of([nowhere, almost]), 0).await
}

/// Promise 3. What the decider had read when it decided is no surprise.
async fn only_what_stands_after_the_position_counts(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for _ in 0..3 {
        store.append(one("seat-1", tagged("taken", &["seat:1"]))).await?;
    }
    must_fail(&store, by_tag("seat:1"), 2, 3).await?;
    must_hold(&store, by_tag("seat:1"), 3).await
}

/// Promise 3. A position that nobody can have read belongs to another log, or to this one before a restore.
async fn a_condition_beyond_the_head_is_refused(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    store.append(one("seat-1", tagged("taken", &["seat:1"]))).await?;
    store.append(one("seat-1", tagged("$noted", &["seat:1"]))).await?;
    for position in [2, u64::MAX] {
        let wanted = under(by_tag("seat:2"), Position(position), batch("decision-1", Any, &["decided"]));
        let refusal = refused(&store, wanted).await?;
        assert_eq!(refusal, Refusal::BeyondHead { position: Position(position), head: Position(1) });
    }
    assert_eq!(read_all(&store).await?.types(), ["taken"]);
    must_hold(&store, by_tag("seat:2"), 1).await
}

/// Promise 3. The log's own events decide nothing.
async fn system_events_are_not_seen_by_conditions(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    store.append(one("seat-1", tagged("$noted", &["seat:1"]))).await?;
    must_hold(&store, by_tag("seat:1"), 0).await?;
    must_hold(&store, by_type("$noted"), 0).await
}

/// Promise 3. A batch is judged by what was there before it.
async fn the_batch_does_not_see_its_own_events(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let own = one("seat-1", tagged("taken", &["seat:1"]));
    store.append(under(by_tag("seat:1"), Position::START, own)).await?;
    assert_eq!(read_all(&store).await?.types(), ["taken"]);
    Ok(())
}

/// Promise 3. Batches that are committed together see each other.
async fn of_concurrent_batches_under_one_condition_exactly_one_wins(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for seat in 0..10 {
        let name = format!("seat:{seat}");
        let appends = (0..16).map(|taker| {
            let (store, name) = (Arc::clone(&store), name.clone());
            let taken = one(&format!("taker-{seat}-{taker}"), tagged("taken", &[&name]));
            tokio::spawn(async move { store.append(under(by_tag(&name), Position::START, taken)).await })
        });
        let mut won = 0;
        for answer in join_all(appends).await {
            won += usize::from(answer?.is_ok());
        }
        assert_eq!(won, 1, "seat {seat} was taken by {won}");
    }
    assert_eq!(read_all(&store).await?.events.len(), 10);
    Ok(())
}

/// Promise 3. A condition refuses nobody whom it does not concern.
async fn concurrent_batches_under_different_conditions_all_win(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let appends = (0..32).map(|seat| {
        let name = format!("seat:{seat}");
        let mut taken = Batch::of(Append::to_log(vec![tagged("taken", &[&name])]));
        taken.appends.push(append(&format!("seat-{seat}"), Any, &["taken"]));
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.append(under(by_tag(&name), Position::START, taken)).await })
    });
    for answer in join_all(appends).await {
        answer??;
    }
    assert_eq!(read_all(&store).await?.events.len(), 64);
    Ok(())
}

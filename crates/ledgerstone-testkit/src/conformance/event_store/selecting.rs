//! Promise 8: a reading yields what its query matches, and moves on where nothing does.

use ledgerstone_core::ExpectedRevision::Any;
use ledgerstone_core::{
    Append, Batch, EventData, LogKind, Metadata, Position, Query, QueryItem, Selection, Tag,
};

use super::arrange::{
    Cases, Events, FreshEvents, append, batch, by_tag, by_type, event, event_type, one, read, stream, tag,
    tagged, write,
};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        8: a_stream_is_read_alone,
        8: types_select_events_of_any_of_them,
        8: tags_select_events_with_all_of_them,
        8: a_category_selects_its_streams,
        8: source_and_correlation_select_events,
        8: a_stream_a_type_and_a_tag_select_together,
        8: items_are_alternatives_and_an_event_comes_once,
        8: many_items_are_taken,
        8: each_count_is_read_by_itself,
        8: reading_moves_on_where_nothing_matches,
        8: an_empty_log_yields_nothing,
        8: frames_of_a_long_log_follow_each_other,
    ]
}

async fn must_select(store: &Events, query: impl Into<Query>, expected: &[u64]) -> CaseResult {
    let query = query.into();
    let forwards = read(store, Selection::query(query.clone())).await?;
    assert_eq!(forwards.positions(), expected, "{query:?}");
    let backwards = read(store, Selection::query(query.clone()).backwards()).await?;
    assert!(backwards.positions().iter().eq(expected.iter().rev()), "backwards: {query:?}");
    Ok(())
}

/// Promise 8. Not what begins alike, and not events without a stream.
async fn a_stream_is_read_alone(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for name in ["account-1", "account-11", "account-1", "account"] {
        write(&store, name, &["noted"]).await?;
    }
    store.append(Batch::of(Append::to_log(vec![event("noted")]))).await?;
    must_select(&store, Query::stream(stream("account-1")), &[1, 3]).await?;
    must_select(&store, Query::stream(stream("account")), &[4]).await?;
    must_select(&store, Query::stream(stream("account-2")), &[]).await
}

/// Promise 8. A type stands for itself alone.
async fn types_select_events_of_any_of_them(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    write(&store, "account-1", &["opened", "named", "opened", "opened again", "closed"]).await?;
    must_select(&store, by_type("opened"), &[1, 3]).await?;
    must_select(&store, QueryItem::types([event_type("closed"), event_type("named")]), &[2, 5]).await?;
    must_select(&store, by_type("open"), &[]).await
}

/// Promise 8. Tags are compared whole.
async fn tags_select_events_with_all_of_them(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for tags in [&["a", "b"][..], &["b"], &["a", "b", "c"], &[], &["a "]] {
        store.append(one("account-1", tagged("noted", tags))).await?;
    }
    must_select(&store, by_tag("a"), &[1, 3]).await?;
    must_select(&store, QueryItem::tags([tag("b"), tag("a")]), &[1, 3]).await?;
    must_select(&store, QueryItem::tags([tag("a"), tag("b"), tag("c")]), &[3]).await?;
    must_select(&store, QueryItem::tags([tag("a"), tag("d")]), &[]).await
}

/// Promise 8. The category ends at the first dash; the store derives it.
async fn a_category_selects_its_streams(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for name in ["account-1", "account-2-b", "accounts-1", "account", "-1"] {
        write(&store, name, &["noted"]).await?;
    }
    must_select(&store, QueryItem::tags([Tag::category("account")?]), &[1, 2]).await?;
    must_select(&store, QueryItem::tags([Tag::category("accounts")?]), &[3]).await?;
    must_select(&store, QueryItem::tags([Tag::category("account-2")?]), &[]).await
}

/// Promise 8. The store derives both from the metadata.
async fn source_and_correlation_select_events(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for (source, correlation) in [(Some("crm"), None), (None, Some("crm")), (Some("crm"), Some("order 7"))] {
        let metadata = Metadata {
            source: source.map(str::to_owned),
            correlation: correlation.map(str::to_owned),
            ..Metadata::default()
        };
        store.append(one("account-1", EventData { metadata, ..event("noted") })).await?;
    }
    must_select(&store, QueryItem::tags([Tag::source("crm")?]), &[1, 3]).await?;
    must_select(&store, QueryItem::tags([Tag::correlation("crm")?]), &[2]).await?;
    must_select(&store, QueryItem::tags([Tag::source("crm")?, Tag::correlation("order 7")?]), &[3]).await
}

/// Promise 8. What an item names is needed together.
async fn a_stream_a_type_and_a_tag_select_together(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for (name, given, tags) in [
        ("account-1", "opened", &["vip"][..]),
        ("account-1", "opened", &[]),
        ("account-1", "named", &["vip"]),
        ("account-2", "opened", &["vip"]),
    ] {
        store.append(one(name, tagged(given, tags))).await?;
    }
    let item = |name: Option<&str>, types: &[&str], tags: &[&str]| QueryItem {
        stream: name.map(stream),
        types: types.iter().map(|text| event_type(text)).collect(),
        tags: tags.iter().map(|text| tag(text)).collect(),
    };
    must_select(&store, item(Some("account-1"), &["opened"], &["vip"]), &[1]).await?;
    must_select(&store, item(Some("account-1"), &["opened", "named"], &[]), &[1, 2, 3]).await?;
    must_select(&store, item(Some("account-1"), &[], &["vip"]), &[1, 3]).await?;
    must_select(&store, item(None, &["opened"], &["vip"]), &[1, 4]).await
}

/// Promise 8. What two items match is yielded once, in its place.
async fn items_are_alternatives_and_an_event_comes_once(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    store.append(one("account-1", tagged("opened", &["vip"]))).await?;
    store.append(one("account-2", tagged("named", &["vip"]))).await?;
    store.append(one("account-2", event("opened"))).await?;
    store.append(one("account-3", event("closed"))).await?;
    let tagged_vip = QueryItem::tags([tag("vip")]);
    let opened = QueryItem::types([event_type("opened")]);
    let third = QueryItem { stream: Some(stream("account-3")), ..QueryItem::default() };
    must_select(&store, Query::any_of([opened.clone(), tagged_vip.clone()]), &[1, 2, 3]).await?;
    must_select(&store, Query::any_of([third.clone(), tagged_vip]), &[1, 2, 4]).await?;
    must_select(&store, Query::any_of([third, opened]), &[1, 3, 4]).await?;
    must_select(&store, Query::any_of([QueryItem::default()]), &[1, 2, 3, 4]).await
}

/// Promise 8. As many as a query may have, and no more.
async fn many_items_are_taken(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    write(&store, "account-1", &["type 3", "type 700", "type 255"]).await?;
    let items = |count: usize| {
        Query::any_of((0..count).map(|n| QueryItem::types([event_type(&format!("type {n}"))])))
    };
    must_select(&store, items(Query::MAX_ITEMS), &[1, 3]).await?;
    let refused = read(&store, Selection::query(items(Query::MAX_ITEMS + 1))).await;
    assert!(refused.is_err(), "a query above the limit was read");
    Ok(())
}

/// Promise 8. A selection reads one count or the other.
async fn each_count_is_read_by_itself(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for name in ["opened", "$noted", "named", "$noted"] {
        store.append(one("account-1", tagged(name, &["vip"]))).await?;
    }
    for query in [Query::all(), by_tag("vip"), Query::stream(stream("account-1"))] {
        let selection = Selection::query(query);
        assert_eq!(read(&store, selection.clone()).await?.types(), ["opened", "named"]);
        assert_eq!(read(&store, selection.log(LogKind::System)).await?.types(), ["$noted", "$noted"]);
    }
    must_select(&store, by_type("$noted"), &[]).await
}

/// Promise 8. So a checkpoint follows the head even where a view has nothing to do.
async fn reading_moves_on_where_nothing_matches(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    store.append(one("account-1", tagged("opened", &["vip"]))).await?;
    write(&store, "account-2", &["noted", "noted", "noted"]).await?;
    let queries = [by_type("opened"), by_type("nothing"), by_tag("vip"), by_tag("nothing"), Query::all()];
    let queries = queries.into_iter().chain([Query::stream(stream("account-1")), Query::stream(stream("x"))]);
    for query in queries {
        let kept = read(&store, Selection::query(query.clone())).await?;
        assert_eq!(kept.read_to, Some(Position(4)), "{query:?}");
        let rest = read(&store, Selection::query(query.clone()).after(Position(1))).await?;
        assert_eq!(rest.read_to, Some(Position(4)), "{query:?}");
        let bounded = read(&store, Selection::query(query.clone()).up_to(Position(3))).await?;
        assert_eq!(bounded.read_to, Some(Position(3)), "{query:?}");
    }
    Ok(())
}

/// Promise 8. Nothing is there, and that is no error.
async fn an_empty_log_yields_nothing(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for selection in [
        Selection::all(),
        Selection::all().backwards(),
        Selection::stream(stream("account-1")),
        Selection::query(by_tag("vip")).backwards().limit(3),
        Selection::all().log(LogKind::System),
    ] {
        let kept = read(&store, selection.clone()).await?;
        assert!(kept.events.is_empty() && kept.holes.is_empty(), "{selection:?}");
        assert!(kept.read_to.is_none_or(|at| at <= Position(1)), "{selection:?}: {:?}", kept.read_to);
    }
    Ok(())
}

/// Promise 8. However a store cuts a log into frames, nothing is lost or repeated between them.
async fn frames_of_a_long_log_follow_each_other(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for part in 0..5_u64 {
        let mut long = batch(&format!("a-{part}"), Any, &["even"; 500]);
        long.appends.push(append("b-1", Any, &["odd"; 500]));
        store.append(long).await?;
    }
    let all: Vec<u64> = (1..=5000).collect();
    let odd: Vec<u64> = all.iter().copied().filter(|at| (at - 1) % 1000 >= 500).collect();
    must_select(&store, Query::all(), &all).await?;
    must_select(&store, by_type("odd"), &odd).await?;
    must_select(&store, Query::stream(stream("b-1")), &odd).await
}

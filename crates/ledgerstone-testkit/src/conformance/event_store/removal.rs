//! Promise 10: what a truncation or a tombstone covers is gone for readers, and leaves holes.

use ledgerstone_core::ExpectedRevision::{Any, At, NoStream, StreamExists};
use ledgerstone_core::{
    Append, Batch, EventData, LogKind, Position, Query, QueryItem, Refusal, Removal, Revision, Selection,
    StreamState, Tag,
};
use uuid::Uuid;

use super::arrange::{
    Cases, Events, FreshEvents, append, batch, by_tag, by_type, event, one, read, read_all, read_stream,
    refused, removing, stream, tagged, tombstone, truncation, under, write,
};
use crate::conformance::case::{CaseError, CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        10: truncated_events_are_not_read,
        10: a_stream_goes_on_after_a_truncation,
        10: a_truncation_never_takes_less_than_an_earlier_one,
        10: a_truncation_holds_together_with_the_state_that_it_stands_behind,
        10: a_truncation_beyond_the_stream_is_refused,
        10: a_stream_is_truncated_only_behind_an_event_that_carries_its_state,
        10: a_deleted_stream_is_not_read_and_takes_no_more_events,
        10: removed_events_are_reported_as_holes,
        10: holes_keep_to_the_bounds_of_the_reading,
        10: conditions_do_not_see_removed_events,
        10: conditions_see_a_unique_tag_of_a_removed_event,
        10: a_unique_tag_is_free_after_nothing_but_its_position,
        10: a_unique_tag_is_free_once_it_was_released,
        10: heads_and_positions_never_go_back,
        10: system_events_are_never_removed,
        10: a_limit_counts_what_is_left,
    ]
}

/// Interleaves five events of `a-1` (positions 1, 3, 5, 7, 9) with five of `b-1`.
async fn interleaved(store: &Events) -> CaseResult {
    for n in 0..10 {
        let name = if n % 2 == 0 { "a-1" } else { "b-1" };
        store.append(one(name, tagged("noted", &["all", name]))).await?;
    }
    Ok(())
}

/// Promise 10. By no way of reading.
async fn truncated_events_are_not_read(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    interleaved(&store).await?;
    store.append(truncation("a-1", 3)).await?;

    assert_eq!(read_stream(&store, "a-1").await?.revisions(), [3, 4]);
    assert_eq!(read_all(&store).await?.positions(), [2, 4, 6, 7, 8, 9, 10]);
    let by_category = Query::from(QueryItem::tags([Tag::category("a")?]));
    for query in [by_category, by_tag("a-1")] {
        assert_eq!(read(&store, Selection::query(query)).await?.positions(), [7, 9]);
    }
    let backwards = read(&store, Selection::query(by_type("noted")).backwards()).await?;
    assert_eq!(backwards.positions(), [10, 9, 8, 7, 6, 4, 2]);
    let low = Selection::stream(stream("a-1")).from_revision(Revision(1)).to_revision(Revision(3));
    assert_eq!(read(&store, low).await?.revisions(), [3]);
    Ok(())
}

/// Promise 10. Revisions go on, and guards see them.
async fn a_stream_goes_on_after_a_truncation(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    write(&store, "a-1", &["one", "two"]).await?;
    store.append(truncation("a-1", 2)).await?;
    assert!(read_stream(&store, "a-1").await?.events.is_empty());

    let refusal = refused(&store, batch("a-1", NoStream, &["three"])).await?;
    let actual = StreamState::At(Revision(1));
    assert_eq!(refusal, Refusal::WrongRevision { stream: stream("a-1"), expected: NoStream, actual });
    store.append(batch("a-1", At(Revision(1)), &["three"])).await?;
    store.append(batch("a-1", StreamExists, &["four"])).await?;
    let kept = read_stream(&store, "a-1").await?;
    assert_eq!((kept.types(), kept.revisions()), (vec!["three", "four"], vec![2, 3]));
    Ok(())
}

/// Promise 10. What is removed stays removed.
async fn a_truncation_never_takes_less_than_an_earlier_one(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    interleaved(&store).await?;
    store.append(truncation("a-1", 3)).await?;
    store.append(truncation("a-1", 1)).await?;
    assert_eq!(read_stream(&store, "a-1").await?.revisions(), [3, 4]);
    store.append(truncation("a-1", 4)).await?;
    assert_eq!(read_stream(&store, "a-1").await?.revisions(), [4]);
    Ok(())
}

/// Promise 10. One batch puts the state and removes what it stands for; refused, it removes nothing.
async fn a_truncation_holds_together_with_the_state_that_it_stands_behind(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    write(&store, "a-1", &["one", "two"]).await?;
    let put = |expected| {
        let mut state = event("put");
        state.carries_state = true;
        let mut whole = Batch::of(Append::to(stream("a-1"), expected, vec![state]));
        let id = Uuid::now_v7();
        whole.appends.push(Append::to(stream("a-1"), Any, vec![Removal::truncation(id, Revision(2))]));
        whole
    };
    refused(&store, put(At(Revision(0)))).await?;
    assert_eq!(read_stream(&store, "a-1").await?.revisions(), [0, 1]);
    store.append(put(At(Revision(1)))).await?;
    assert_eq!(read_stream(&store, "a-1").await?.types(), ["put"]);
    Ok(())
}

/// Promise 10. It would remove events that nobody has appended yet.
async fn a_truncation_beyond_the_stream_is_refused(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    write(&store, "a-1", &["one", "two"]).await?;
    must_be_kept(&store, truncation("a-1", 3)).await?;
    write(&store, "a-1", &["three"]).await?;
    assert_eq!(read_stream(&store, "a-1").await?.revisions(), [0, 1, 2]);
    Ok(())
}

/// Appends a removal that must be refused since events would be lost.
pub(super) async fn must_be_kept(store: &Events, removal: Batch) -> CaseResult {
    let refusal = refused(store, removal).await?;
    assert!(matches!(refusal, Refusal::NotRemovable { .. }), "got {refusal:?}");
    Ok(())
}

/// Promise 10. Its state would be lost; whatever was recorded of it stays.
async fn a_stream_is_truncated_only_behind_an_event_that_carries_its_state(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let cut = |before| vec![Removal::truncation(Uuid::now_v7(), Revision(before))];
    let mut state = event("put");
    state.carries_state = true;
    write(&store, "a-1", &["one", "two"]).await?;
    store.append(one("a-1", state)).await?;
    write(&store, "a-1", &["four"]).await?;
    for before in [1, 3, 4] {
        must_be_kept(&store, removing("a-1", cut(before))).await?;
    }
    // Neither does an event beside it help that carries nothing.
    let mut beside = batch("a-1", Any, &["five"]);
    beside.appends.push(Append::to(stream("a-1"), Any, cut(4)));
    must_be_kept(&store, beside).await?;
    assert_eq!(read_stream(&store, "a-1").await?.revisions(), [0, 1, 2, 3]);
    assert_eq!(store.head().await?.heads.system, Position::START);

    store.append(removing("a-1", cut(2))).await?;
    assert_eq!(read_stream(&store, "a-1").await?.types(), ["put", "four"]);
    // What is removed already is not judged again.
    store.append(removing("a-1", cut(1))).await?;
    let transient = vec![Removal::transient(Uuid::now_v7())];
    store.append(removing("a-1", transient)).await?;
    store.append(removing("a-1", cut(4))).await?;
    assert!(read_stream(&store, "a-1").await?.events.is_empty());
    Ok(())
}

/// Promise 10. Under no guard.
async fn a_deleted_stream_is_not_read_and_takes_no_more_events(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    interleaved(&store).await?;
    store.append(tombstone("a-1")).await?;

    assert!(read_stream(&store, "a-1").await?.events.is_empty());
    assert_eq!(read_all(&store).await?.positions(), [2, 4, 6, 8, 10]);
    assert_eq!(
        read(&store, Selection::query(by_tag("all")).backwards()).await?.positions(),
        [10, 8, 6, 4, 2]
    );
    for guard in [Any, NoStream, StreamExists, At(Revision(4))] {
        let refusal = refused(&store, batch("a-1", guard, &["late"])).await?;
        assert_eq!(refusal, Refusal::Tombstoned { stream: stream("a-1") });
    }
    write(&store, "b-1", &["noted"]).await?;
    Ok(())
}

/// Promise 10. In a reading of everything, and of the one stream.
async fn removed_events_are_reported_as_holes(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    interleaved(&store).await?;
    assert!(read_all(&store).await?.holes.is_empty());
    store.append(truncation("a-1", 3)).await?;
    for selection in [Selection::all(), Selection::stream(stream("a-1"))] {
        for selection in [selection.clone(), selection.backwards()] {
            let holes = read(&store, selection.clone()).await?.holes;
            assert_eq!(holes.into_iter().collect::<Vec<_>>(), [1, 3, 5], "{selection:?}");
        }
    }
    assert!(read_stream(&store, "b-1").await?.holes.is_empty());
    store.append(tombstone("b-1")).await?;
    let holes = read_all(&store).await?.holes;
    assert_eq!(holes.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 8, 10]);
    Ok(())
}

/// Promise 10. A hole is told by the reading that passes it.
async fn holes_keep_to_the_bounds_of_the_reading(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    interleaved(&store).await?;
    store.append(truncation("a-1", 5)).await?;
    for selection in [Selection::all(), Selection::stream(stream("a-1"))] {
        let between = selection.after(Position(2)).up_to(Position(8));
        for selection in [between.clone(), between.backwards()] {
            let holes = read(&store, selection.clone()).await?.holes;
            assert_eq!(holes.into_iter().collect::<Vec<_>>(), [3, 5, 7], "{selection:?}");
        }
    }
    let (mut after, mut seen) = (Position::START, Vec::new());
    while after < Position(10) {
        let page = read(&store, Selection::all().after(after).limit(2)).await?;
        after = page.read_to.filter(|at| *at > after).ok_or("the reading stands still")?;
        seen.extend(page.holes);
    }
    assert_eq!(seen, [1, 3, 5, 7, 9], "every hole once over all pages");
    Ok(())
}

/// Promise 10. What is gone decides nothing.
async fn conditions_do_not_see_removed_events(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    store.append(one("a-1", tagged("taken", &["seat:1"]))).await?;
    store.append(one("b-1", tagged("taken", &["seat:2"]))).await?;
    let wants = |query| under(query, Position::START, batch("decision-1", Any, &["decided"]));
    refused(&store, wants(by_tag("seat:1"))).await?;
    store.append(truncation("a-1", 1)).await?;
    store.append(tombstone("b-1")).await?;
    for query in [by_tag("seat:1"), by_tag("seat:2"), by_type("taken"), Query::stream(stream("a-1"))] {
        store.append(wants(query)).await?;
    }
    Ok(())
}

/// Promise 10. A name that was taken stays taken, though the account is gone.
async fn conditions_see_a_unique_tag_of_a_removed_event(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let taken = |value: &str| Tag::unique("mail", value).map(|tag| QueryItem::tags([tag]));
    let mut first = tagged("opened", &["vip"]);
    first.tags.push(Tag::unique("mail", "ada")?);
    let mut second = event("opened");
    second.tags.push(Tag::unique("mail", "bob")?);
    store.append(one("a-1", first)).await?;
    store.append(one("b-1", second)).await?;
    store.append(truncation("a-1", 1)).await?;
    store.append(tombstone("b-1")).await?;

    let wants = |query: Query| under(query, Position::START, batch("c-1", Any, &["opened"]));
    for value in ["ada", "bob"] {
        let refusal = refused(&store, wants(taken(value)?.into())).await?;
        assert!(matches!(refusal, Refusal::ConditionFailed { .. }), "got {refusal:?}");
    }
    store.append(wants(taken("eve")?.into())).await?;
    store.append(wants(by_tag("vip"))).await?;
    Ok(())
}

/// Promise 10. A unique tag too counts only after the condition's position, and is not read any more.
async fn a_unique_tag_is_free_after_nothing_but_its_position(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let mut first = event("opened");
    first.tags.push(Tag::unique("mail", "ada")?);
    store.append(one("a-1", first)).await?;
    store.append(tombstone("a-1")).await?;
    let query = Query::from(QueryItem::tags([Tag::unique("mail", "ada")?]));
    assert!(read(&store, Selection::query(query.clone())).await?.events.is_empty());
    refused(&store, under(query.clone(), Position(0), batch("b-1", Any, &["opened"]))).await?;
    store.append(under(query, Position(1), batch("b-1", Any, &["opened"]))).await?;
    Ok(())
}

/// Promise 10. Until somebody takes the value again; the event that released it may be gone meanwhile.
async fn a_unique_tag_is_free_once_it_was_released(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let with = |kind: &str, tags: Vec<Tag>| EventData { tags, ..event(kind) };
    let (ada, freed) = (Tag::unique("mail", "ada")?, Tag::released("mail", "ada")?);
    let vip = tagged("noted", &["vip"]);
    let takes = |name: &str| {
        let query = Query::any_of([QueryItem::tags([ada.clone()]), QueryItem::tags([Tag::new("vip")?])]);
        let taking = one(name, with("opened", vec![ada.clone()]));
        Ok::<_, CaseError>(under(query, Position::START, taking))
    };
    store.append(takes("a-1")?).await?;
    refused(&store, takes("b-1")?).await?;
    store.append(one("c-1", with("moved", vec![Tag::released("mail", "bob")?]))).await?;
    refused(&store, takes("b-1")?).await?;
    store.append(one("a-1", with("moved", vec![freed]))).await?;
    store.append(tombstone("a-1")).await?;
    store.append(takes("b-1")?).await?;
    let refusal = refused(&store, takes("c-1")?).await?;
    assert_eq!(refusal, Refusal::ConditionFailed { position: Position(4) });
    // A release frees its value, and nothing else of the condition.
    store.append(one("b-1", with("moved", vec![Tag::released("mail", "ada")?]))).await?;
    store.append(one("c-1", vip)).await?;
    refused(&store, takes("c-1")?).await?;
    Ok(())
}

/// Promise 10. Not even when everything was removed.
async fn heads_and_positions_never_go_back(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    interleaved(&store).await?;
    store.append(tombstone("a-1")).await?;
    store.append(tombstone("b-1")).await?;
    assert_eq!(store.head().await?.heads.application, Position(10));
    let kept = read_all(&store).await?;
    assert!(kept.events.is_empty());
    assert_eq!(kept.read_to, Some(Position(10)), "a reading passes what is gone");
    let answer = write(&store, "c-1", &["noted"]).await?;
    assert_eq!(answer.last.application, Position(11));
    assert_eq!(read_all(&store).await?.positions(), [11]);
    Ok(())
}

/// Promise 10. The log's own account of a stream outlives it.
async fn system_events_are_never_removed(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let mut both = batch("a-1", Any, &["one"]);
    both.appends.push(append("a-1", Any, &["$noted"]));
    store.append(both).await?;
    store.append(truncation("a-1", 1)).await?;
    store.append(tombstone("a-1")).await?;
    let system = read(&store, Selection::stream(stream("a-1")).log(LogKind::System)).await?;
    assert_eq!(system.types(), ["$noted", "$transient", "$truncated", "$tombstoned"]);
    assert!(system.holes.is_empty());
    Ok(())
}

/// Promise 10. Removed events do not use a limit up.
async fn a_limit_counts_what_is_left(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    interleaved(&store).await?;
    store.append(truncation("a-1", 4)).await?;
    assert_eq!(read(&store, Selection::all().limit(4)).await?.positions(), [2, 4, 6, 8]);
    assert_eq!(read(&store, Selection::stream(stream("a-1")).limit(1)).await?.positions(), [9]);
    assert_eq!(read(&store, Selection::query(by_tag("all")).limit(5)).await?.positions(), [2, 4, 6, 8, 9]);
    Ok(())
}

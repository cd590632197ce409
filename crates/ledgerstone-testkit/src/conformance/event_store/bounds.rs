//! Promise 8: a reading keeps to its bounds, its direction and its limit.

use ledgerstone_core::{
    Direction, EventStoreError, OffsetTime, Position, Query, Revision, Selection, TimeRange, Timestamp,
};

use super::arrange::{Cases, Events, FreshEvents, by_tag, by_type, event, one, read, stream, tagged, write};
use crate::conformance::case::{CaseError, CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        8: forwards_is_oldest_first_and_backwards_newest_first,
        8: positions_bound_a_reading,
        8: revisions_bound_the_reading_of_a_stream,
        8: revisions_of_more_than_one_stream_are_refused,
        8: a_limit_ends_a_reading,
        8: a_limited_reading_goes_on_where_it_ended,
        8: the_newest_event_is_found_from_behind,
        8: what_happened_in_a_span_is_selected,
        8: bounds_beyond_every_number_are_taken,
    ]
}

async fn ten(store: &Events) -> CaseResult {
    for name in ["odd", "even"].iter().cycle().take(10) {
        write(store, name, &[name]).await?;
    }
    Ok(())
}

async fn positions(store: &Events, selection: Selection) -> Result<Vec<u64>, CaseError> {
    Ok(read(store, selection).await?.positions())
}

/// Promise 8. Both directions, over the log and over a stream.
async fn forwards_is_oldest_first_and_backwards_newest_first(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    ten(&store).await?;
    assert_eq!(positions(&store, Selection::all()).await?, (1..=10).collect::<Vec<_>>());
    assert_eq!(positions(&store, Selection::all().backwards()).await?, (1..=10).rev().collect::<Vec<_>>());
    let odd = Selection::stream(stream("odd"));
    assert_eq!(positions(&store, odd.clone()).await?, [1, 3, 5, 7, 9]);
    let newest_first = read(&store, odd.backwards()).await?;
    assert_eq!(newest_first.revisions(), [4, 3, 2, 1, 0]);
    assert!(newest_first.read_to.is_some_and(|at| at <= Position(1)), "{:?}", newest_first.read_to);
    Ok(())
}

/// Promise 8. After one position, up to another one.
async fn positions_bound_a_reading(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    ten(&store).await?;
    for query in [Query::all(), by_type("odd"), Query::stream(stream("odd"))] {
        let selection = Selection::query(query.clone());
        let odd = |at: &u64| query.is_all() || at % 2 == 1;
        let expected = |from: u64, to: u64| (from..=to).filter(odd).collect::<Vec<_>>();
        let between = selection.clone().after(Position(3)).up_to(Position(7));
        assert_eq!(positions(&store, between.clone()).await?, expected(4, 7));
        let mut reversed = positions(&store, between.backwards()).await?;
        reversed.reverse();
        assert_eq!(reversed, expected(4, 7));
        assert_eq!(positions(&store, selection.clone().after(Position(10))).await?, expected(11, 10));
        assert_eq!(positions(&store, selection.clone().up_to(Position(1))).await?, expected(1, 1));
        let crossed = selection.clone().after(Position(7)).up_to(Position(3));
        assert_eq!(positions(&store, crossed).await?, expected(8, 3));
        assert_eq!(positions(&store, selection.up_to(Position(99))).await?, expected(1, 10));
    }
    Ok(())
}

/// Promise 8. Both ends are included.
async fn revisions_bound_the_reading_of_a_stream(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    ten(&store).await?;
    let odd = Selection::stream(stream("odd"));
    let middle = odd.clone().from_revision(Revision(1)).to_revision(Revision(3));
    assert_eq!(read(&store, middle.clone()).await?.revisions(), [1, 2, 3]);
    assert_eq!(read(&store, middle.clone().backwards()).await?.revisions(), [3, 2, 1]);
    assert_eq!(read(&store, middle.clone().limit(2)).await?.revisions(), [1, 2]);
    assert_eq!(read(&store, middle.backwards().limit(1)).await?.revisions(), [3]);
    assert_eq!(read(&store, odd.clone().from_revision(Revision(4))).await?.revisions(), [4]);
    assert_eq!(read(&store, odd.clone().from_revision(Revision(5))).await?.revisions(), [0_u64; 0]);
    assert_eq!(read(&store, odd.clone().to_revision(Revision(0))).await?.revisions(), [0]);
    assert_eq!(read(&store, odd.to_revision(Revision(9))).await?.revisions(), [0, 1, 2, 3, 4]);
    Ok(())
}

/// Promise 8. Revisions count within one stream.
async fn revisions_of_more_than_one_stream_are_refused(fresh: FreshEvents) -> CaseResult {
    use futures_util::TryStreamExt;

    let store = fresh.store;
    ten(&store).await?;
    for query in [Query::all(), by_type("odd")] {
        let selection = Selection::query(query).from_revision(Revision(1));
        let answer = store.read(selection).try_collect::<Vec<_>>().await;
        assert!(matches!(answer, Err(EventStoreError::InvalidSelection(_))), "got {answer:?}");
    }
    Ok(())
}

/// Promise 8. So many events and not one more, in either direction.
async fn a_limit_ends_a_reading(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    ten(&store).await?;
    for (limit, expected) in [(0, vec![]), (1, vec![1]), (3, vec![1, 2, 3]), (10, (1..=10).collect())] {
        assert_eq!(positions(&store, Selection::all().limit(limit)).await?, expected);
    }
    assert_eq!(positions(&store, Selection::all().limit(11)).await?.len(), 10);
    assert_eq!(positions(&store, Selection::all().backwards().limit(2)).await?, [10, 9]);
    assert_eq!(positions(&store, Selection::query(by_type("even")).limit(2)).await?, [2, 4]);
    assert_eq!(positions(&store, Selection::query(by_type("even")).backwards().limit(2)).await?, [10, 8]);
    assert_eq!(positions(&store, Selection::stream(stream("odd")).after(Position(3)).limit(1)).await?, [5]);
    Ok(())
}

/// Promise 8. `read_to` says where, in either direction, and passes nothing that was not yielded.
async fn a_limited_reading_goes_on_where_it_ended(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    ten(&store).await?;
    for query in [Query::all(), by_type("even"), Query::stream(stream("odd"))] {
        let whole = positions(&store, Selection::query(query.clone())).await?;
        let (mut forwards, mut after) = (Vec::new(), Position::START);
        while after < Position(10) {
            let page = read(&store, Selection::query(query.clone()).after(after).limit(2)).await?;
            after = page.read_to.filter(|at| *at > after).ok_or("the reading stands still")?;
            forwards.extend(page.positions());
        }
        assert_eq!(forwards, whole, "{query:?}");

        let (mut backwards, mut up_to) = (Vec::new(), Position(10));
        while up_to > Position::START {
            let page =
                read(&store, Selection::query(query.clone()).up_to(up_to).backwards().limit(2)).await?;
            let read_to = page.read_to.filter(|at| *at <= up_to).ok_or("the reading stands still")?;
            up_to = Position(read_to.0.saturating_sub(1));
            backwards.extend(page.positions());
        }
        backwards.reverse();
        assert_eq!(backwards, whole, "{query:?} backwards");
    }
    Ok(())
}

/// Promise 8. Of a stream, a type and a tag.
async fn the_newest_event_is_found_from_behind(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    store.append(one("odd", tagged("first", &["rare"]))).await?;
    ten(&store).await?;
    for (query, newest) in
        [(Query::all(), 11), (Query::stream(stream("odd")), 10), (by_type("even"), 11), (by_tag("rare"), 1)]
    {
        assert_eq!(positions(&store, Selection::query(query).backwards().limit(1)).await?, [newest]);
    }
    Ok(())
}

/// Promise 8. The time in the metadata counts, and the time of recording where there is none.
async fn what_happened_in_a_span_is_selected(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let second = |n: i64| Timestamp::from_micros(n * 1_000_000);
    fresh.clock.set(second(100));
    for happened in [Some(30), Some(10), None, Some(20)] {
        let mut given = event("noted");
        given.metadata.occurred_at = happened.map(|n| OffsetTime { at: second(n), offset: Some(7200) });
        store.append(one("account-1", given)).await?;
    }
    let spans: [(Option<i64>, Option<i64>, &[u64]); 6] = [
        (Some(10), Some(30), &[2, 4]),
        (Some(11), None, &[1, 3, 4]),
        (None, Some(20), &[2]),
        (Some(100), Some(101), &[3]),
        (None, None, &[1, 2, 3, 4]),
        (Some(31), Some(100), &[]),
    ];
    for (from, to, expected) in spans {
        for direction in [Direction::Forwards, Direction::Backwards] {
            let occurred = TimeRange { from: from.map(second), to: to.map(second) };
            let selection = Selection { occurred, direction, ..Selection::stream(stream("account-1")) };
            let mut found = positions(&store, selection).await?;
            found.sort_unstable();
            assert_eq!(found, expected, "{occurred:?}");
        }
    }
    Ok(())
}

/// Promise 8. The largest numbers are numbers.
async fn bounds_beyond_every_number_are_taken(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    ten(&store).await?;
    let most = u64::MAX;
    assert_eq!(positions(&store, Selection::all().up_to(Position(most)).limit(most)).await?.len(), 10);
    assert!(positions(&store, Selection::all().after(Position(most))).await?.is_empty());
    assert!(positions(&store, Selection::all().after(Position(most)).backwards()).await?.is_empty());
    let odd = Selection::stream(stream("odd"));
    assert_eq!(positions(&store, odd.clone().to_revision(Revision(most))).await?.len(), 5);
    assert!(positions(&store, odd.from_revision(Revision(most))).await?.is_empty());
    let span = TimeRange {
        from: Some(Timestamp::from_micros(i64::MIN)),
        to: Some(Timestamp::from_micros(i64::MAX)),
    };
    for selection in
        [Selection { recorded: span, ..Selection::all() }, Selection { occurred: span, ..Selection::all() }]
    {
        assert_eq!(positions(&store, selection).await?.len(), 10);
    }
    Ok(())
}

//! Promise 14: `recorded_at` never falls along positions, and a span of it is read as such.

use std::time::Duration;

use ledgerstone_core::ExpectedRevision::Any;
use ledgerstone_core::{Clock, LogKind, Position, Query, RecordedEvent, Selection, TimeRange, Timestamp};

use super::arrange::{Cases, Events, FreshEvents, append, batch, by_type, read, read_all, stream, write};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        14: events_are_recorded_at_the_time_of_the_clock,
        14: a_clock_that_goes_back_takes_no_event_with_it,
        14: a_span_includes_its_beginning_and_not_its_end,
        14: a_span_is_read_where_many_events_share_a_time,
        14: a_batch_has_one_time,
    ]
}

const SECOND: Duration = Duration::from_secs(1);

fn times(events: &[RecordedEvent]) -> Vec<i64> {
    events.iter().map(|event| event.recorded_at().as_micros()).collect()
}

/// Promise 14. In whole microseconds, and the answer says so too.
async fn events_are_recorded_at_the_time_of_the_clock(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let mut expected = Vec::new();
    for _ in 0..3 {
        fresh.clock.advance(Duration::from_micros(1_234_567));
        let answer = write(&store, "a-1", &["noted"]).await?;
        assert_eq!(answer.recorded_at, fresh.clock.now());
        expected.push(fresh.clock.now().as_micros());
    }
    assert_eq!(times(&read_all(&store).await?.events), expected);
    Ok(())
}

/// Promise 14. The predecessor's time is the least.
async fn a_clock_that_goes_back_takes_no_event_with_it(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let start = fresh.clock.now().as_micros();
    for offset in [0, 50, 20, -10, 50, 60] {
        fresh.clock.set(Timestamp::from_micros(start + offset));
        let mut both = batch("a-1", Any, &["noted"]);
        both.appends.push(append("a-1", Any, &["$noted"]));
        store.append(both).await?;
    }
    let expected = [0, 50, 50, 50, 50, 60].map(|offset| start + offset);
    assert_eq!(times(&read_all(&store).await?.events), expected);
    let system = read(&store, Selection::all().log(LogKind::System)).await?;
    assert_eq!(times(&system.events), expected);
    Ok(())
}

/// Promise 14. Over the log, a type, a stream, and both counts.
async fn a_span_includes_its_beginning_and_not_its_end(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let start = fresh.clock.now();
    for _ in 0..10 {
        let mut both = batch("a-1", Any, &["noted"]);
        both.appends.push(append("a-1", Any, &["$noted"]));
        store.append(both).await?;
        fresh.clock.advance(SECOND);
    }
    let second = |n: u32| Some(start.plus(SECOND * n));
    let spans: [(Option<Timestamp>, Option<Timestamp>, Vec<u64>); 7] = [
        (second(3), second(6), vec![4, 5, 6]),
        (second(8), None, vec![9, 10]),
        (None, second(2), vec![1, 2]),
        (second(3), second(3), vec![]),
        (second(6), second(3), vec![]),
        (second(10), None, vec![]),
        (None, Some(start), vec![]),
    ];
    for (from, to, expected) in spans {
        let recorded = TimeRange { from, to };
        for query in [Query::all(), by_type("noted"), Query::stream(stream("a-1"))] {
            let selection = Selection { recorded, ..Selection::query(query) };
            assert_eq!(read(&store, selection.clone()).await?.positions(), expected, "{selection:?}");
            let mut backwards = read(&store, selection.backwards()).await?.positions();
            backwards.reverse();
            assert_eq!(backwards, expected);
        }
        let system = Selection { recorded, log: LogKind::System, ..Selection::all() };
        assert_eq!(read(&store, system).await?.positions(), expected);
    }
    Ok(())
}

async fn span(
    store: &Events,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<u64>, crate::conformance::CaseError> {
    let recorded = TimeRange { from: Some(from), to: Some(to) };
    Ok(read(store, Selection { recorded, ..Selection::all() }).await?.positions())
}

/// Promise 14. All of those that share it, and none beside them.
async fn a_span_is_read_where_many_events_share_a_time(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let start = fresh.clock.now();
    for _ in 0..3 {
        for _ in 0..40 {
            write(&store, "a-1", &["noted"]).await?;
        }
        fresh.clock.advance(SECOND);
    }
    let second = |n: u32| start.plus(SECOND * n);
    assert_eq!(span(&store, second(1), second(2)).await?, (41..=80).collect::<Vec<_>>());
    assert_eq!(span(&store, second(0), second(1)).await?, (1..=40).collect::<Vec<_>>());
    let late = Selection { recorded: TimeRange { from: Some(second(2)), to: None }, ..Selection::all() };
    assert_eq!(
        read(&store, late.after(Position(100)).limit(5)).await?.positions(),
        [101, 102, 103, 104, 105]
    );
    Ok(())
}

/// Promise 14. What is recorded together is recorded at once.
async fn a_batch_has_one_time(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let mut wide = batch("a-1", Any, &["one", "two"]);
    wide.appends.push(append("b-1", Any, &["three"]));
    wide.appends.push(append("b-1", Any, &["$four"]));
    let answer = store.append(wide).await?;
    let mut all = read_all(&store).await?.events;
    all.extend(read(&store, Selection::all().log(LogKind::System)).await?.events);
    assert_eq!(times(&all), [answer.recorded_at.as_micros(); 4]);
    Ok(())
}

//! Promise 5: positions count from 1 and revisions from 0, without gaps, each count apart.

use std::sync::Arc;

use futures_util::future::join_all;
use ledgerstone_core::ExpectedRevision::{Any, NoStream};
use ledgerstone_core::{Append, Batch, LogKind, MarkChange, Position, Selection, StreamId};

use super::arrange::{
    Cases, FreshEvents, append, batch, event, mark_name, one, read, read_all, read_stream, refused, stream,
    write,
};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        5: positions_count_from_one,
        5: revisions_count_from_zero_in_each_stream,
        5: system_events_are_counted_apart,
        5: refusals_repetitions_and_marks_use_no_number,
        5: events_without_a_stream_have_a_position_and_no_revision,
        5: an_answer_tells_where_each_append_stands,
        5: concurrent_appends_leave_no_gap,
    ]
}

/// Promise 5. An empty log stands at 0.
async fn positions_count_from_one(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    assert_eq!(store.head().await?.heads.application, Position::START);
    for n in 1..=3 {
        let answer = write(&store, &format!("account-{n}"), &["opened", "named"]).await?;
        assert_eq!(answer.last.application, Position(2 * n));
    }
    assert_eq!(read_all(&store).await?.positions(), [1, 2, 3, 4, 5, 6]);
    assert_eq!(store.head().await?.heads.application, Position(6));
    Ok(())
}

/// Promise 5. Streams count for themselves, however their events are interleaved.
async fn revisions_count_from_zero_in_each_stream(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for name in ["a-1", "b-1", "a-1", "a-1", "b-1"] {
        write(&store, name, &["noted"]).await?;
    }
    let a = read_stream(&store, "a-1").await?;
    assert_eq!((a.revisions(), a.positions()), (vec![0, 1, 2], vec![1, 3, 4]));
    let b = read_stream(&store, "b-1").await?;
    assert_eq!((b.revisions(), b.positions()), (vec![0, 1], vec![2, 5]));
    Ok(())
}

/// Promise 5. Neither positions nor revisions of one count show in the other.
async fn system_events_are_counted_apart(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for name in ["opened", "$noted", "$noted", "named"] {
        store.append(one("account-1", event(name))).await?;
    }
    let application = read_stream(&store, "account-1").await?;
    let system = read(&store, Selection::stream(stream("account-1")).log(LogKind::System)).await?;
    assert_eq!((application.positions(), application.revisions()), (vec![1, 2], vec![0, 1]));
    assert_eq!((system.positions(), system.revisions()), (vec![1, 2], vec![0, 1]));
    assert!(system.events.iter().all(|event| event.log() == LogKind::System));
    let heads = store.head().await?.heads;
    assert_eq!((heads.application, heads.system), (Position(2), Position(2)));
    Ok(())
}

/// Promise 5. What records nothing takes no place.
async fn refusals_repetitions_and_marks_use_no_number(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let first = batch("account-1", NoStream, &["opened"]);
    store.append(first.clone()).await?;
    refused(&store, batch("account-1", NoStream, &["opened"])).await?;
    store.append(first).await?;
    let mark = MarkChange::Rises { name: mark_name("relay"), to: 1 };
    store.append(Batch { marks: vec![mark], ..Batch::default() }).await?;
    write(&store, "account-1", &["named"]).await?;
    let kept = read_stream(&store, "account-1").await?;
    assert_eq!((kept.positions(), kept.revisions()), (vec![1, 2], vec![0, 1]));
    Ok(())
}

/// Promise 5. The log counts them, no stream does.
async fn events_without_a_stream_have_a_position_and_no_revision(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    write(&store, "account-1", &["opened"]).await?;
    let answer = store.append(Batch::of(Append::to_log(vec![event("noted"), event("noted")]))).await?;
    assert_eq!(answer.ranges[0].revision, None);
    let kept = read_all(&store).await?;
    assert_eq!(kept.positions(), [1, 2, 3]);
    assert_eq!((kept.events[1].stream(), kept.events[1].revision()), (None, None));
    Ok(())
}

/// Promise 5. Ranges stand in the order of the batch, each in its count.
async fn an_answer_tells_where_each_append_stands(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    write(&store, "b-1", &["opened"]).await?;
    let mut wide = batch("a-1", NoStream, &["opened", "named"]);
    wide.appends.push(append("b-1", Any, &["$noted"]));
    wide.appends.push(append("b-1", Any, &["named", "renamed", "closed"]));
    let answer = store.append(wide).await?;

    let told = answer.ranges.iter().map(|range| (range.first.0, range.last.0, range.revision.map(|r| r.0)));
    assert_eq!(told.collect::<Vec<_>>(), [(2, 3, Some(1)), (1, 1, Some(0)), (4, 6, Some(3))]);
    assert_eq!((answer.last.application, answer.last.system), (Position(6), Position(1)));
    assert_eq!(answer.log, store.head().await?.log);
    assert_eq!(answer.point().map(|point| point.position), Some(Position(6)));
    assert_eq!(read_stream(&store, "b-1").await?.positions(), [1, 4, 5, 6]);
    Ok(())
}

/// Promise 5. No number is skipped or given twice, and each answer names its own.
async fn concurrent_appends_leave_no_gap(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let appends = (0..64_u64).map(|n| {
        let store = Arc::clone(&store);
        let events = vec![event("noted"); usize::try_from(n % 3).unwrap_or(0) + 1];
        let events: Vec<_> = events
            .into_iter()
            .map(|one| ledgerstone_core::EventData { id: uuid::Uuid::now_v7(), ..one })
            .collect();
        tokio::spawn(async move {
            let ids: Vec<_> = events.iter().map(|event| event.id).collect();
            let name: StreamId = stream(&format!("account-{}", n % 5));
            store.append(Batch::of(Append::to(name, Any, events))).await.map(|answer| (ids, answer))
        })
    });
    let mut answers = Vec::new();
    for answer in join_all(appends).await {
        answers.push(answer??);
    }
    let kept = read_all(&store).await?;
    assert_eq!(kept.positions(), (1..=kept.events.len() as u64).collect::<Vec<_>>());
    for (ids, answer) in answers {
        let range = answer.ranges[0];
        let inside =
            kept.events.iter().filter(|event| (range.first..=range.last).contains(&event.position()));
        assert_eq!(inside.map(|event| event.id()).collect::<Vec<_>>(), ids, "an answer names other events");
    }
    for n in 0..5 {
        let revisions = read_stream(&store, &format!("account-{n}")).await?.revisions();
        assert_eq!(revisions, (0..revisions.len() as u64).collect::<Vec<_>>());
    }
    Ok(())
}

//! Promise 2: an append whose expected revision does not hold is refused.

use futures_util::future::join_all;
use ledgerstone_core::ExpectedRevision::{Any, At, NoStream, StreamExists};
use ledgerstone_core::{ExpectedRevision, Refusal, Revision, StreamState};

use super::arrange::{Cases, Events, FreshEvents, batch, read_stream, refused, stream, tombstone, write};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        2: a_stream_that_must_not_exist_is_refused_when_it_does,
        2: a_stream_that_must_exist_is_refused_when_it_does_not,
        2: a_stream_at_another_revision_is_refused,
        2: a_stream_at_the_expected_revision_is_taken,
        2: any_revision_will_do_where_none_is_expected,
        2: the_two_counts_of_a_stream_are_guarded_apart,
        2: of_concurrent_appends_at_one_revision_exactly_one_wins,
    ]
}

async fn must_be_refused(store: &Events, expected: ExpectedRevision, actual: StreamState) -> CaseResult {
    let refusal = refused(store, batch("account-1", expected, &["late"])).await?;
    assert_eq!(refusal, Refusal::WrongRevision { stream: stream("account-1"), expected, actual });
    Ok(())
}

/// Promise 2. `NoStream` means that nothing was ever appended.
async fn a_stream_that_must_not_exist_is_refused_when_it_does(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    store.append(batch("account-1", NoStream, &["opened"])).await?;
    must_be_refused(&store, NoStream, StreamState::At(Revision(0))).await?;
    assert_eq!(read_stream(&store, "account-1").await?.types(), ["opened"]);
    Ok(())
}

/// Promise 2. `StreamExists` means that something was appended.
async fn a_stream_that_must_exist_is_refused_when_it_does_not(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    write(&store, "account-10", &["opened"]).await?;
    must_be_refused(&store, StreamExists, StreamState::Missing).await?;
    write(&store, "account-1", &["opened"]).await?;
    store.append(batch("account-1", StreamExists, &["renamed"])).await?;
    Ok(())
}

/// Promise 2. Both what is behind and what is ahead are refused.
async fn a_stream_at_another_revision_is_refused(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    must_be_refused(&store, At(Revision(0)), StreamState::Missing).await?;
    write(&store, "account-1", &["opened", "named", "renamed"]).await?;
    for wrong in [0, 1, 3, u64::MAX] {
        must_be_refused(&store, At(Revision(wrong)), StreamState::At(Revision(2))).await?;
    }
    assert_eq!(read_stream(&store, "account-1").await?.events.len(), 3);
    Ok(())
}

/// Promise 2. The newest event's revision is what is expected.
async fn a_stream_at_the_expected_revision_is_taken(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    store.append(batch("account-1", NoStream, &["opened", "named"])).await?;
    let answer = store.append(batch("account-1", At(Revision(1)), &["renamed"])).await?;
    assert_eq!(answer.ranges[0].revision, Some(Revision(2)));
    store.append(batch("account-1", At(Revision(2)), &["closed"])).await?;
    assert_eq!(read_stream(&store, "account-1").await?.types(), ["opened", "named", "renamed", "closed"]);
    Ok(())
}

/// Promise 2. `Any` is no guard, whether the stream exists or not.
async fn any_revision_will_do_where_none_is_expected(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for _ in 0..3 {
        store.append(batch("account-1", Any, &["noted"])).await?;
    }
    assert_eq!(read_stream(&store, "account-1").await?.revisions(), [0, 1, 2]);
    Ok(())
}

/// Promise 2. The system events of a stream leave the revision of its application events alone.
async fn the_two_counts_of_a_stream_are_guarded_apart(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    store.append(batch("account-1", NoStream, &["$noted", "$noted"])).await?;
    store.append(batch("account-1", NoStream, &["opened"])).await?;
    store.append(batch("account-1", At(Revision(1)), &["$noted"])).await?;
    must_be_refused(&store, At(Revision(1)), StreamState::At(Revision(0))).await?;
    store.append(tombstone("account-2")).await?;
    Ok(())
}

/// Promise 2. So of two deciders who saw the same state one decides again.
async fn of_concurrent_appends_at_one_revision_exactly_one_wins(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let mut expected = NoStream;
    for round in 0..10 {
        let appends = (0..8).map(|_| {
            let store = std::sync::Arc::clone(&store);
            tokio::spawn(async move { store.append(batch("account-1", expected, &["won"])).await })
        });
        let mut won = 0;
        for answer in join_all(appends).await {
            won += usize::from(answer?.is_ok());
        }
        assert_eq!(won, 1, "round {round}");
        expected = At(Revision(round));
    }
    assert_eq!(read_stream(&store, "account-1").await?.revisions(), (0..10).collect::<Vec<_>>());
    Ok(())
}

//! Promise 9: whoever waits for the head to move is woken.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use ledgerstone_core::{Heads, Position};

use super::arrange::{Cases, FreshEvents, event, one, write};
use crate::conformance::case::{CaseError, CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        9: the_heads_are_told_at_once,
        9: an_append_wakes_everybody_who_waits,
        9: a_system_event_wakes_too,
        9: heads_that_are_told_never_go_back,
        9: every_append_is_told_in_the_end,
    ]
}

/// The time within which a waiting reader is woken.
const PATIENCE: Duration = Duration::from_secs(5);

type Changes = futures_core::stream::BoxStream<'static, Heads>;

async fn next(changes: &mut Changes) -> Result<Heads, CaseError> {
    let heads = tokio::time::timeout(PATIENCE, changes.next());
    let heads = heads.await.map_err(|_| "nobody was woken")?;
    heads.ok_or_else(|| "the changes ended".into())
}

/// Waits until the heads stand at, or beyond, a position each.
async fn until(changes: &mut Changes, application: u64, system: u64) -> CaseResult {
    loop {
        let heads = next(changes).await?;
        if heads.application >= Position(application) && heads.system >= Position(system) {
            return Ok(());
        }
    }
}

/// Promise 9. Whoever comes late need not wait for the next append.
async fn the_heads_are_told_at_once(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    assert_eq!(next(&mut store.changes()).await?, Heads::default());
    write(&store, "account-1", &["opened", "named"]).await?;
    assert_eq!(next(&mut store.changes()).await?.application, Position(2));
    Ok(())
}

/// Promise 9. Not one of them alone.
async fn an_append_wakes_everybody_who_waits(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let mut waiting = [store.changes(), store.changes(), store.changes()];
    for changes in &mut waiting {
        next(changes).await?;
    }
    for n in 1..=3 {
        write(&store, "account-1", &["noted"]).await?;
        for changes in &mut waiting {
            until(changes, n, 0).await?;
        }
    }
    Ok(())
}

/// Promise 9. Each count has its own head.
async fn a_system_event_wakes_too(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let mut changes = store.changes();
    next(&mut changes).await?;
    store.append(one("account-1", event("$noted"))).await?;
    until(&mut changes, 0, 1).await
}

/// Promise 9. A head only moves on.
async fn heads_that_are_told_never_go_back(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let mut changes = store.changes();
    let writer = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let appends = (0..60).map(|n| {
                let store = Arc::clone(&store);
                async move { write(&store, &format!("account-{n}"), &["noted"]).await }
            });
            join_all(appends).await.into_iter().collect::<Result<Vec<_>, _>>()
        })
    };
    let mut last = Position::START;
    while last < Position(60) {
        let heads = next(&mut changes).await?;
        assert!(heads.application >= last, "the head went from {last} to {}", heads.application);
        last = heads.application;
    }
    writer.await??;
    Ok(())
}

/// Promise 9. Moves that happen while nobody looks are told by the next word.
async fn every_append_is_told_in_the_end(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let mut changes = store.changes();
    next(&mut changes).await?;
    for _ in 0..50 {
        write(&store, "account-1", &["noted"]).await?;
    }
    until(&mut changes, 50, 0).await?;
    write(&store, "account-1", &["noted"]).await?;
    until(&mut changes, 51, 0).await
}

//! Promise 2: a commit whose checkpoint does not begin where the stored one stands changes nothing.

use std::sync::Arc;

use futures_util::future::join_all;
use ledgerstone_core::{CheckpointMove, Commit, DocumentStoreError, Filter, LogIdentity, LogPoint};
use serde_json::json;

use super::arrange::{
    Cases, FreshDocuments, at, client_definition, clients, count, declare, must_fail, put, step, with_clients,
};
use crate::conformance::case::{CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        2: a_commit_from_another_checkpoint_changes_nothing,
        2: a_commit_from_another_log_changes_nothing,
        2: every_generation_has_its_own_checkpoint,
        2: of_concurrent_projectors_at_one_checkpoint_exactly_one_wins,
    ]
}

/// Promise 2. Behind, ahead, and none where there is one or the other way round.
async fn a_commit_from_another_checkpoint_changes_nothing(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let id = with_clients(&*store).await?;
    let commit = |from, to| Commit {
        writes: vec![put(&id, "late", json!({}))],
        checkpoint: Some(step(&id, from, to)),
    };
    let moved = |actual| {
        move |error: &DocumentStoreError| match error {
            DocumentStoreError::CheckpointMoved { actual: stands, .. } => *stands == actual,
            _ => false,
        }
    };

    must_fail(store.commit(commit(Some(1), 2)).await, moved(None))?;
    store.commit(Commit { writes: Vec::new(), checkpoint: Some(step(&id, None, 5)) }).await?;
    for from in [None, Some(0), Some(4), Some(6)] {
        must_fail(store.commit(commit(from, 9)).await, moved(Some(at(5))))?;
    }

    assert_eq!(count(&*store, &id, &Filter::All).await?, 0, "a refused commit wrote a document");
    assert_eq!(store.checkpoint(&id).await?, Some(at(5)));
    store.commit(commit(Some(5), 9)).await?;
    assert_eq!(store.checkpoint(&id).await?, Some(at(9)));
    Ok(())
}

/// Promise 2. The same position of another log, or of another epoch, is another place.
async fn a_commit_from_another_log_changes_nothing(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let id = with_clients(&*store).await?;
    store.commit(Commit { writes: Vec::new(), checkpoint: Some(step(&id, None, 5)) }).await?;
    let here = at(5);
    let other_epoch = LogIdentity { epoch: 2, ..here.log };
    let other_log = LogIdentity { id: uuid::Uuid::from_u128(8), ..here.log };
    for log in [other_epoch, other_log] {
        let from = Some(LogPoint { log, ..here });
        let checkpoint = CheckpointMove { collection: id.clone(), from, to: at(6) };
        let commit = Commit { writes: vec![put(&id, "1", json!({}))], checkpoint: Some(checkpoint) };
        must_fail(store.commit(commit).await, |error| {
            matches!(error, DocumentStoreError::CheckpointMoved { .. })
        })?;
    }
    assert_eq!(count(&*store, &id, &Filter::All).await?, 0);
    assert_eq!(store.checkpoint(&id).await?, Some(here));
    Ok(())
}

/// Promise 2. Filling one beside the live one moves only its own.
async fn every_generation_has_its_own_checkpoint(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let first = with_clients(&*store).await?;
    declare(&*store, client_definition("second")).await?;
    let second = clients("second");
    store.commit(Commit { writes: Vec::new(), checkpoint: Some(step(&first, None, 5)) }).await?;
    assert_eq!(store.checkpoint(&second).await?, None);
    store.commit(Commit { writes: Vec::new(), checkpoint: Some(step(&second, None, 2)) }).await?;
    assert_eq!(store.checkpoint(&first).await?, Some(at(5)));
    assert_eq!(store.checkpoint(&second).await?, Some(at(2)));
    Ok(())
}

/// Promise 2. All but one are told where the winner has left the checkpoint.
async fn of_concurrent_projectors_at_one_checkpoint_exactly_one_wins(fresh: FreshDocuments) -> CaseResult {
    let store = fresh.store.writer;
    let id = with_clients(&*store).await?;
    for round in 0..10_u64 {
        let from = (round > 0).then_some(round * 100);
        let commits = (0..8_u64).map(|projector| {
            let (store, id) = (Arc::clone(&store), id.clone());
            tokio::spawn(async move {
                let key = format!("{round} {projector}");
                let writes = vec![put(&id, &key, json!({"name": "projected"}))];
                store.commit(Commit { writes, checkpoint: Some(step(&id, from, (round + 1) * 100)) }).await
            })
        });
        let mut won = 0;
        for answer in join_all(commits).await {
            match answer? {
                Ok(()) => won += 1,
                Err(DocumentStoreError::CheckpointMoved { .. }) => {}
                Err(other) => return Err(other.into()),
            }
        }
        assert_eq!(won, 1, "projectors that won in round {round}");
        assert_eq!(count(&*store, &id, &Filter::All).await?, round + 1);
    }
    Ok(())
}

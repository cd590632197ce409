//! The readers of a workload: some draw selections, some follow what changes.

use std::sync::Arc;

use futures_util::StreamExt as _;
use ledgerstone_core::{
    EventType, LogKind, Position, Query, QueryItem, Selection, StreamId, Tag, TenantScope,
};

use super::attempt::{Sighting, Span};
use super::recorder::{Recorder, read_to};
use crate::conformance::CaseError;
use crate::random::Random;

/// Reads whatever comes to mind until the writers have ended, and once more.
pub(super) async fn read_until_done(recorder: Arc<Recorder>, mut random: Random) -> Result<(), CaseError> {
    loop {
        let done = recorder.is_done();
        if random.below(4) == 0 {
            recorder.head().await?;
        }
        recorder.read(selection(&recorder, &mut random)?).await?;
        if done {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
}

fn selection(recorder: &Recorder, random: &mut Random) -> Result<Selection, CaseError> {
    let mut selection = match random.below(4) {
        0 => Selection::all(),
        1 => Selection::stream(StreamId::new(format!("s-{}", random.below(3)))?),
        2 => {
            let types = [EventType::new(random.pick(&["opened", "moved", "$noted"]))?];
            Selection::query(Query::from(QueryItem::types(types)))
        }
        _ => Selection::query(Query::from(QueryItem::tags([Tag::new(random.pick(&["red", "seat:1"]))?]))),
    };
    if recorder.store.capabilities().all_tenants && random.below(2) == 0 {
        selection.tenant = TenantScope::All;
    }
    if random.below(5) == 0 {
        selection.log = LogKind::System;
    }
    if random.below(3) == 0 {
        selection = selection.backwards();
    }
    if random.below(4) == 0 {
        selection = selection.limit(1 + random.below(9) as u64);
    }
    Ok(selection)
}

/// Reads on from a checkpoint whenever the heads are told to have moved, and once more in the end.
pub(super) async fn follow(recorder: Arc<Recorder>, number: usize) -> Result<(), CaseError> {
    let everyone = recorder.store.capabilities().all_tenants;
    let scope = if everyone { TenantScope::All } else { TenantScope::default() };
    let mut changes = recorder.store.changes();
    let (mut checkpoint, mut waited_from) = (Position::START, recorder.moment());
    loop {
        let done = recorder.is_done();
        if !done {
            let waiting = recorder.moment();
            // What was told before the wait before this one began is told now at the latest.
            let told = tokio::time::timeout(std::time::Duration::from_millis(50), changes.next()).await;
            if let Ok(heads) = told {
                let Some(heads) = heads else { return Err("nobody tells of changes any more".into()) };
                let span = Span { from: waited_from, to: recorder.moment() };
                recorder.sightings.lock().push(Sighting { span, heads, follower: Some(number) });
                waited_from = waiting;
            }
        }
        let frames = recorder.read(Selection::all().of(scope.clone()).after(checkpoint)).await?;
        checkpoint = read_to(&frames, checkpoint);
        if done {
            return Ok(());
        }
    }
}

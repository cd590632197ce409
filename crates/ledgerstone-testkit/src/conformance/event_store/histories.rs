//! Promises 1 to 6 and 11: whatever many callers do at once could have been done one by one.

use std::sync::Arc;

use super::arrange::{Cases, FreshEvents};
use crate::conformance::case::{CaseResult, cases};
use crate::history::{Move, Workload};

pub(super) fn cases() -> Cases {
    cases![
        1: batches_of_many_writers_are_there_whole_or_not_at_all,
        2: guards_of_many_writers_held_where_their_batches_stand,
        3: conditions_of_many_writers_held_where_their_batches_stand,
        4: batches_that_many_writers_repeat_are_recorded_once,
        5: batches_stand_in_an_order_that_contradicts_no_writer,
        6: readers_beside_many_writers_see_what_was_there,
        11: marks_of_many_writers_change_one_by_one,
    ]
}

/// Runs a workload, which must have had something to do, and checks its history.
async fn holds(fresh: FreshEvents, workload: Workload) -> CaseResult {
    let history = workload.run(Arc::clone(&fresh.store)).await?;
    history.check()?;
    let (appended, ..) = history.answers();
    assert!(appended > 0, "nothing was appended");
    Ok(())
}

/// Promise 1. Over several streams, in both counts, some of them refused.
async fn batches_of_many_writers_are_there_whole_or_not_at_all(fresh: FreshEvents) -> CaseResult {
    holds(fresh, Workload::new(1).of(&[Move::Several, Move::Several, Move::New])).await
}

/// Promise 2. By every kind of guard, on few streams.
async fn guards_of_many_writers_held_where_their_batches_stand(fresh: FreshEvents) -> CaseResult {
    holds(fresh, Workload::new(2).of(&[Move::New, Move::Exact, Move::Exact, Move::Exists])).await
}

/// Promise 3. By streams, types and tags, from where the head was just now.
async fn conditions_of_many_writers_held_where_their_batches_stand(fresh: FreshEvents) -> CaseResult {
    holds(fresh, Workload::new(3).of(&[Move::Condition, Move::Condition, Move::Condition, Move::Any])).await
}

/// Promise 4. One's own and those of others, while they are on their way too, and with ids of others mixed in.
async fn batches_that_many_writers_repeat_are_recorded_once(fresh: FreshEvents) -> CaseResult {
    holds(fresh, Workload::new(4).of(&[Move::Again, Move::Again, Move::Stolen, Move::Any, Move::Exact])).await
}

/// Promise 5. A batch that was acknowledged stands before one that was asked for later.
async fn batches_stand_in_an_order_that_contradicts_no_writer(fresh: FreshEvents) -> CaseResult {
    holds(fresh, Workload::new(5).of(&[Move::Any, Move::Several])).await
}

/// Promise 6. Everything, streams, types and tags, in both directions, and those who follow what changes.
async fn readers_beside_many_writers_see_what_was_there(fresh: FreshEvents) -> CaseResult {
    let workload = Workload { readers: 6, ..Workload::new(6).of(&[Move::Any, Move::Several, Move::Any]) };
    holds(fresh, workload).await
}

/// Promise 11. Counters, values and things that are handled once, each together with events.
async fn marks_of_many_writers_change_one_by_one(fresh: FreshEvents) -> CaseResult {
    holds(fresh, Workload::new(11).of(&[Move::Marks, Move::Marks, Move::Any])).await
}

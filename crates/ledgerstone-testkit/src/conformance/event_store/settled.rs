//! Promise 6: a reader sees what is durable, whole and in order, and misses nothing behind its checkpoint.

use std::sync::Arc;

use ledgerstone_core::ExpectedRevision::Any;
use ledgerstone_core::{Position, Selection};

use super::arrange::{Cases, Events, FreshEvents, append, batch, by_type, read, write};
use crate::conformance::case::{CaseError, CaseResult, cases};

pub(super) fn cases() -> Cases {
    cases![
        6: a_reader_beside_writers_never_meets_a_gap,
        6: a_reader_beside_writers_never_sees_a_part_of_a_batch,
        6: a_checkpoint_beside_writers_misses_nothing_that_matches,
        6: what_was_acknowledged_is_read_at_once,
        6: a_reading_ends_at_the_head_that_it_began_with,
    ]
}

const WRITERS: u64 = 8;
const ROUNDS: u64 = 25;

/// Lets writers append batches of two events, of which the second one is the last of its batch.
fn writers(store: &Events) -> Vec<tokio::task::JoinHandle<Result<(), CaseError>>> {
    let writer = |n: u64| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let name = if round % 2 == 0 { "even" } else { "odd" };
                let mut pair = batch(&format!("writer-{n}"), Any, &[name]);
                pair.appends.push(append(&format!("shared-{}", n % 2), Any, &[name]));
                store.append(pair).await?;
            }
            Ok(())
        })
    };
    (0..WRITERS).map(writer).collect()
}

async fn finish(writers: Vec<tokio::task::JoinHandle<Result<(), CaseError>>>) -> CaseResult {
    for writer in writers {
        writer.await??;
    }
    Ok(())
}

/// Promise 6. Every position that was passed had been seen.
async fn a_reader_beside_writers_never_meets_a_gap(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let writers = writers(&store);
    let mut checkpoint = Position::START;
    while checkpoint.0 < 2 * WRITERS * ROUNDS {
        let kept = read(&store, Selection::all().after(checkpoint)).await?;
        let expected: Vec<_> = (checkpoint.0 + 1..).take(kept.events.len()).collect();
        assert_eq!(kept.positions(), expected);
        checkpoint = kept.read_to.unwrap_or(checkpoint);
        assert_eq!(checkpoint.0, expected.last().copied().unwrap_or(checkpoint.0), "read_to passed an event");
        tokio::task::yield_now().await;
    }
    finish(writers).await
}

/// Promise 6. A batch appears at once.
async fn a_reader_beside_writers_never_sees_a_part_of_a_batch(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let writers = writers(&store);
    loop {
        let kept = read(&store, Selection::all()).await?;
        if let Some(last) = kept.events.last() {
            assert!(last.is_batch_last(), "the reading ends within a batch, at {}", last.position());
        }
        if kept.events.len() as u64 == 2 * WRITERS * ROUNDS {
            break;
        }
        tokio::task::yield_now().await;
    }
    finish(writers).await
}

/// Promise 6. A selection that skips events may be continued from where it has read to.
async fn a_checkpoint_beside_writers_misses_nothing_that_matches(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    let writers = writers(&store);
    let (mut checkpoint, mut seen) = (Position::START, Vec::new());
    while checkpoint.0 < 2 * WRITERS * ROUNDS {
        let kept = read(&store, Selection::query(by_type("even")).after(checkpoint)).await?;
        seen.extend(kept.positions());
        checkpoint = kept.read_to.unwrap_or(checkpoint).max(checkpoint);
        tokio::task::yield_now().await;
    }
    finish(writers).await?;
    assert_eq!(seen, read(&store, Selection::query(by_type("even"))).await?.positions());
    Ok(())
}

/// Promise 6. The head, the log and the stream know of an event before its writer does.
async fn what_was_acknowledged_is_read_at_once(fresh: FreshEvents) -> CaseResult {
    let store = fresh.store;
    for n in 1..=20 {
        let answer = write(&store, "account-1", &["noted"]).await?;
        assert_eq!(store.head().await?.heads.application, answer.last.application);
        assert_eq!(read(&store, Selection::all()).await?.events.len(), n);
        let newest = read(&store, Selection::all().backwards().limit(1)).await?;
        assert_eq!(newest.positions(), [answer.last.application.0]);
    }
    Ok(())
}

/// Promise 6. What is appended while a reading goes on belongs to the next one.
async fn a_reading_ends_at_the_head_that_it_began_with(fresh: FreshEvents) -> CaseResult {
    use futures_util::TryStreamExt;

    let store = fresh.store;
    for _ in 0..3 {
        write(&store, "account-1", &["noted"]).await?;
    }
    let mut frames = store.read(Selection::all());
    let mut seen = 0;
    while let Some(frame) = frames.try_next().await? {
        seen += frame.events.len();
        assert!(seen <= 3, "a reading that began at 3 went on");
        write(&store, "account-1", &["noted"]).await?;
    }
    assert_eq!(seen, 3);
    Ok(())
}

//! Stores that fail as planned, and what a caller does about it.

use std::sync::Arc;

use futures_util::TryStreamExt;
use ledgerstone_core::{Append, Batch, EventData, EventStore, EventStoreError, EventType, Retry, Selection};
use ledgerstone_stores::Resources;
use ledgerstone_testkit::{Call, Fault, Faults, Faulty, ImmediateSleeper, SequentialIds};

async fn faulty(faults: &Faults) -> Arc<dyn EventStore> {
    let locator = "memory:".parse().expect("a locator");
    let backend = ledgerstone_stores::open(&locator, &Resources::default()).await.expect("opens");
    Arc::new(Faulty::new(backend.events, faults.clone()))
}

fn noted(number: u64) -> Batch {
    let name = EventType::new("noted").expect("a type");
    Batch::of(Append::to_log(vec![EventData::json(SequentialIds::id(number), name, "{}")]))
}

async fn count(store: &Arc<dyn EventStore>) -> usize {
    let frames: Vec<_> = store.read(Selection::all()).try_collect().await.expect("reads");
    frames.iter().map(|frame| frame.events.len()).sum()
}

#[tokio::test]
async fn a_failure_before_the_append_records_nothing() {
    let faults = Faults::none();
    let store = faulty(&faults).await;
    faults.fail(Call::Append, Fault::Before);
    let answer = store.append(noted(1)).await;
    assert!(matches!(&answer, Err(EventStoreError::Backend(error)) if error.is_retryable()), "{answer:?}");
    assert_eq!(count(&store).await, 0);
}

#[tokio::test]
async fn a_lost_answer_is_found_out_by_asking_again() {
    let faults = Faults::none();
    let store = faulty(&faults).await;
    faults.fail(Call::Append, Fault::After);
    let answer = store.append(noted(1)).await;
    assert!(matches!(answer, Err(EventStoreError::Indeterminate(_))), "{answer:?}");
    assert!(store.append(noted(1)).await.expect("asked again").repeated);
    assert_eq!(count(&store).await, 1);
}

#[tokio::test]
async fn a_reading_may_fail_before_its_first_frame_or_after_it() {
    let faults = Faults::none();
    let store = faulty(&faults).await;
    store.append(noted(1)).await.expect("appends");
    for (fault, frames) in [(Fault::Before, 0), (Fault::After, 1)] {
        faults.fail(Call::Read, fault);
        let mut reading = store.read(Selection::all());
        for _ in 0..frames {
            assert!(reading.try_next().await.expect("a frame").is_some());
        }
        assert!(reading.try_next().await.is_err());
    }
}

#[tokio::test]
async fn whoever_repeats_records_everything_once_however_often_it_fails() {
    let faults = Faults::seeded(7, 2);
    let store = faulty(&faults).await;
    let sleeper = ImmediateSleeper::default();
    let retry = Retry { attempts: 40, ..Retry::default() };
    for number in 1..=100 {
        let append = || store.append(noted(number));
        retry.run(&sleeper, || u64::MAX, append).await.expect("recorded in the end");
    }
    assert!(faults.happened() > 50, "{} failures", faults.happened());
    assert_eq!(sleeper.slept().len() as u64, faults.happened());
    let head = retry.run(&sleeper, || 0, || store.head()).await.expect("told in the end");
    assert_eq!(head.heads.application.0, 100);
}

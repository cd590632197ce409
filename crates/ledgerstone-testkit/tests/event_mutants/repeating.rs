//! Mutants that record a batch twice, or answer it otherwise the second time (promise 4).

use std::time::Duration;

use ledgerstone_core::{
    Appended, Batch, EventStoreError, LogKind, Refusal, Selection, TOMBSTONED, TenantScope,
};

use super::broken::{Mutant, broken, each, rewrite_all, with_new_ids};

pub(super) fn mutants() -> Vec<Mutant> {
    [recording(), answering()].into_iter().flatten().collect()
}

/// Tells whether appending the batch makes one of its own guards fail when it is repeated.
fn is_guarded(batch: &Batch) -> bool {
    batch.appends.iter().any(|append| append.expected.is_exact()) || !batch.marks.is_empty()
}

fn recording() -> Vec<Mutant> {
    vec![
        Mutant::new("knows no ids where nothing guards")
            .append(broken!(|beneath, batch| {
                let blind = !is_guarded(&batch) && batch.condition.is_none();
                beneath.store.append(if blind { with_new_ids(batch) } else { batch }).await
            }))
            .caught_by(&[
                "a_batch_at_any_revision_is_recorded_once",
                "a_batch_for_an_existing_stream_is_recorded_once",
                "a_batch_without_a_stream_is_recorded_once",
            ]),
        Mutant::new("knows no ids behind a guard")
            .append(broken!(|beneath, batch| {
                let blind = is_guarded(&batch);
                beneath.store.append(if blind { with_new_ids(batch) } else { batch }).await
            }))
            .caught_by(&[
                "a_batch_for_a_new_stream_is_recorded_once",
                "a_batch_at_a_revision_is_recorded_once",
                "a_batch_with_marks_is_recorded_once",
            ]),
        Mutant::new("knows no ids under a condition")
            .append(broken!(|beneath, batch| {
                let blind = batch.condition.is_some();
                beneath.store.append(if blind { with_new_ids(batch) } else { batch }).await
            }))
            .caught_by(&[
                "a_batch_under_a_condition_that_its_events_match_is_recorded_once",
                "a_batch_under_a_condition_that_its_events_do_not_match_is_recorded_once",
            ]),
        Mutant::new("looks ids up, waits, then appends")
            .append(broken!(|beneath, batch| {
                let first = |batch: &Batch| batch.events().next().map(|event| event.id);
                let known =
                    beneath.batches.lock().iter().find(|(known, _)| first(known) == first(&batch)).cloned();
                if let Some((_, answer)) = known {
                    return Ok(Appended { repeated: true, ..answer });
                }
                tokio::time::sleep(Duration::from_millis(3)).await;
                let answer = beneath.store.append(with_new_ids(batch.clone())).await?;
                beneath.batches.lock().push((batch, answer.clone()));
                Ok(answer)
            }))
            .caught_by(&["a_batch_repeated_concurrently_is_recorded_once"]),
        Mutant::new("takes ids of other batches")
            .append(broken!(|beneath, batch| match beneath.store.append(batch.clone()).await {
                Err(EventStoreError::Refused(Refusal::IdReused { .. })) => {
                    let mut other = with_new_ids(batch);
                    other.appends.iter_mut().for_each(|append| append.expected = Default::default());
                    beneath.store.append(other).await
                }
                answer => answer,
            }))
            .caught_by(&[
                "a_part_of_a_batch_is_refused",
                "a_batch_with_one_known_id_is_refused",
                "an_id_of_another_stream_is_refused",
            ]),
        Mutant::new("takes events of two batches for one")
            .append(broken!(|beneath, batch| {
                let count = batch.events().count();
                let all = beneath.events(Selection::all()).await?;
                let ids =
                    |event: &ledgerstone_core::EventData| all.iter().any(|known| known.id() == event.id);
                if count > 1 && batch.events().all(ids) {
                    return beneath.pretend().await.map(|answer| Appended { repeated: true, ..answer });
                }
                beneath.store.append(batch).await
            }))
            .caught_by(&["events_of_two_batches_are_refused_as_one"]),
        Mutant::new("keeps the newest data of an id")
            .append(broken!(|beneath, batch| {
                let answer = beneath.store.append(batch.clone()).await?;
                beneath.batches.lock().push((batch, answer.clone()));
                Ok(answer)
            }))
            .read(broken!(|beneath, selection| {
                let frames = beneath.read(selection).await;
                let batches = beneath.batches.lock();
                rewrite_all(frames, |parts| {
                    let given = batches.iter().flat_map(|(batch, _)| batch.events());
                    if let Some(newest) = given.filter(|event| event.id == parts.data.id).last() {
                        parts.data.payload = newest.payload.clone();
                    }
                })
            }))
            .caught_by(&["a_batch_with_known_ids_and_other_data_changes_nothing"]),
    ]
}

fn answering() -> Vec<Mutant> {
    vec![
        Mutant::new("answers a repetition with its first range only")
            .append(broken!(|beneath, batch| {
                let mut answer = beneath.store.append(batch).await?;
                if answer.repeated {
                    answer.ranges.truncate(1);
                }
                Ok(answer)
            }))
            .caught_by(&["a_batch_over_several_streams_and_both_counts_is_recorded_once"]),
        Mutant::new("answers a repetition with new positions")
            .append(broken!(|beneath, batch| {
                let mut answer = beneath.store.append(batch).await?;
                if answer.repeated {
                    answer.last = beneath.store.head().await?.heads;
                }
                Ok(answer)
            }))
            .caught_by(&[
                "a_batch_at_any_revision_is_recorded_once",
                "a_batch_for_a_new_stream_is_recorded_once",
            ]),
        Mutant::new("calls no repetition one")
            .append(broken!(|beneath, batch| {
                Ok(Appended { repeated: false, ..beneath.store.append(batch).await? })
            }))
            .caught_by(&["a_batch_repeated_concurrently_is_recorded_once"]),
        Mutant::new("refuses repetitions to a deleted stream")
            .append(broken!(|beneath, batch| {
                for stream in batch.appends.iter().filter_map(|append| append.stream.clone()) {
                    let tenant = TenantScope::One(batch.tenant.clone());
                    let system = Selection::stream(stream.clone()).of(tenant).log(LogKind::System);
                    let events = beneath.events(system).await?;
                    if events.iter().any(|event| event.event_type() == TOMBSTONED) {
                        return Err(Refusal::Tombstoned { stream }.into());
                    }
                }
                beneath.store.append(batch).await
            }))
            .caught_by(&["a_batch_repeated_after_its_stream_was_deleted_gets_its_first_answer"]),
        Mutant::new("forgets ids once reopened")
            .append(broken!(|beneath, batch| {
                let blind = each(batch, |event| event.id = uuid::Uuid::now_v7());
                beneath.store.append(blind).await
            }))
            .once_reopened()
            .caught_by(&["repetitions_are_known_after_the_store_was_opened_again"]),
    ]
}

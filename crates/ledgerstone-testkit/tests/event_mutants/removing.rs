//! Mutants that keep what is gone, or lose what is not (promise 10).

use std::collections::HashMap;

use ledgerstone_core::{
    Batch, Direction, EventData, EventStoreError, EventType, Frame, LogHead, LogKind, Position, RETENTION,
    Refusal, Removal, Revision, Selection, TOMBSTONED, TRUNCATED, TenantScope,
};
use uuid::Uuid;

use super::broken::{Beneath, Mutant, Read, broken, each};

pub(super) fn mutants() -> Vec<Mutant> {
    [ignoring(), reporting()].into_iter().flatten().collect()
}

/// Makes an event of these types one that removes nothing.
fn defused(batch: Batch, types: &'static [&'static str]) -> Batch {
    each(batch, |event: &mut EventData| {
        if types.contains(&event.event_type.as_str()) {
            event.event_type = EventType::new("$defused").expect("a type");
        }
    })
}

/// Leaves out what the newest removal of each stream says, and nothing that an earlier one said.
async fn by_newest_removal(beneath: &Beneath, selection: Selection) -> Read {
    let mut newest: HashMap<String, Removal> = HashMap::new();
    for (batch, _) in beneath.batches.lock().iter() {
        for append in &batch.appends {
            let Some(stream) = &append.stream else { continue };
            for event in append.events.iter().filter(|event| Removal::is_removal(event.event_type.as_str())) {
                let removal = Removal::default().after(event.event_type.as_str(), &event.payload);
                if removal.before > Revision(0) || removal.tombstoned {
                    newest.insert(stream.as_str().to_owned(), removal);
                }
            }
        }
    }
    let application = selection.log == LogKind::Application;
    let mut frames = beneath.read(selection).await?;
    for frame in frames.iter_mut().filter(|_| application) {
        frame.events.retain(|event| {
            let removal = event.stream().and_then(|name| newest.get(name));
            let covers = |removal: &Removal| {
                let (at, revision) = (event.recorded_at(), event.revision());
                revision.is_some_and(|revision| removal.covers(revision, at, at))
            };
            !removal.is_some_and(covers)
        });
    }
    Ok(frames)
}

fn ignoring() -> Vec<Mutant> {
    vec![
        Mutant::new("reads truncated events")
            .append(broken!(|beneath, batch| beneath.store.append(defused(batch, &[TRUNCATED])).await))
            .caught_by(&[
                "truncated_events_are_not_read",
                "a_limit_counts_what_is_left",
                "any_selection_of_a_history_with_removals_is_what_a_plain_list_yields",
            ]),
        Mutant::new("reads deleted streams")
            .append(broken!(|beneath, batch| beneath.store.append(defused(batch, &[TOMBSTONED])).await))
            .caught_by(&[
                "a_deleted_stream_is_not_read_and_takes_no_more_events",
                "any_selection_of_a_history_with_removals_is_what_a_plain_list_yields",
            ]),
        Mutant::new("hides removed events from readers only, and goes by the newest removal")
            .append(broken!(|beneath, batch| {
                let answer = beneath.store.append(defused(batch.clone(), &[TRUNCATED, TOMBSTONED])).await?;
                beneath.batches.lock().push((batch, answer.clone()));
                Ok(answer)
            }))
            .read(broken!(|beneath, selection| by_newest_removal(&beneath, selection).await))
            .caught_by(&[
                "a_truncation_never_takes_less_than_an_earlier_one",
                "conditions_do_not_see_removed_events",
            ]),
        Mutant::new("begins a truncated stream anew")
            .append(broken!(|beneath, mut batch| {
                for append in &mut batch.appends {
                    let Some(stream) = append.stream.clone() else { continue };
                    if beneath.events(Selection::stream(stream)).await?.is_empty() {
                        append.expected = Default::default();
                    }
                }
                beneath.store.append(batch).await
            }))
            .caught_by(&["a_stream_goes_on_after_a_truncation"]),
        Mutant::new("takes a truncation beyond its stream")
            .append(broken!(|beneath, batch| match beneath.store.append(batch.clone()).await {
                Err(EventStoreError::Refused(Refusal::NotRemovable { .. })) => {
                    beneath.store.append(defused(batch, &[TRUNCATED])).await
                }
                answer => answer,
            }))
            .caught_by(&["a_truncation_beyond_the_stream_is_refused"]),
        Mutant::new("truncates a stream whose state is lost by it")
            .append(broken!(|beneath, mut batch| {
                for append in &mut batch.appends {
                    if append.events.iter().any(|event| event.event_type.as_str() == TRUNCATED) {
                        append.events.insert(0, Removal::transient(Uuid::now_v7()));
                    }
                }
                beneath.store.append(batch).await
            }))
            .caught_by(&["a_stream_is_truncated_only_behind_an_event_that_carries_its_state"]),
        Mutant::new("keeps little of any stream that is told to")
            .append(broken!(|beneath, mut batch| {
                for append in &mut batch.appends {
                    if append.events.iter().any(|event| event.event_type.as_str() == RETENTION) {
                        append.events.insert(0, Removal::transient(Uuid::now_v7()));
                    }
                }
                beneath.store.append(batch).await
            }))
            .caught_by(&["a_retention_is_of_transient_streams_only"]),
        Mutant::new("keeps everything whatever is told")
            .append(broken!(|beneath, batch| beneath.store.append(defused(batch, &[RETENTION])).await))
            .caught_by(&[
                "a_retention_keeps_so_many_of_the_newest_events",
                "a_retention_keeps_what_is_not_too_old_and_the_newest_event",
                "conditions_do_not_see_what_a_retention_removed",
                "what_a_retention_removed_stays_removed",
            ]),
        Mutant::new("keeps an event less once reopened")
            .read(broken!(|beneath, selection| {
                let mut frames = beneath.read(selection).await?;
                if let Some(Frame { events, .. }) = frames.first_mut() {
                    events.drain(..events.len().min(1));
                }
                Ok(frames)
            }))
            .once_reopened()
            .caught_by(&["retentions_outlive_the_store"]),
        Mutant::new("frees a unique tag with its event")
            .append(broken!(|beneath, mut batch| {
                if let Some(condition) = &batch.condition {
                    let tenant = TenantScope::One(batch.tenant.clone());
                    let seen = Selection::query(condition.fail_if_match.clone()).of(tenant);
                    if beneath.events(seen).await?.is_empty() {
                        batch.condition = None;
                    }
                }
                beneath.store.append(batch).await
            }))
            .caught_by(&[
                "conditions_see_a_unique_tag_of_a_removed_event",
                "a_unique_tag_is_free_after_nothing_but_its_position",
            ]),
        Mutant::new("never frees a unique tag")
            .append(broken!(|beneath, batch| {
                let batch = each(batch, |event: &mut EventData| {
                    event.tags.retain(|tag| !tag.as_str().starts_with("$released:"));
                });
                beneath.store.append(batch).await
            }))
            .caught_by(&["a_unique_tag_is_free_once_it_was_released"]),
        Mutant::new("removes the system events of a deleted stream")
            .read(broken!(|beneath, selection| {
                let mut frames = beneath.read(selection).await?;
                for frame in &mut frames {
                    if frame.events.iter().any(|event| event.event_type() == TOMBSTONED) {
                        frame.events.retain(|event| event.event_type() == TOMBSTONED);
                    }
                }
                Ok(frames)
            }))
            .caught_by(&["system_events_are_never_removed"]),
        Mutant::new("forgets removals once reopened")
            .read(broken!(|beneath, selection| {
                let mut frames = beneath.read(selection).await?;
                frames.iter_mut().for_each(|frame| frame.holes.clear());
                Ok(frames)
            }))
            .once_reopened()
            .caught_by(&["removals_outlive_the_store"]),
    ]
}

fn reporting() -> Vec<Mutant> {
    vec![
        Mutant::new("reports no holes")
            .read(broken!(|beneath, selection| {
                let mut frames = beneath.read(selection).await?;
                frames.iter_mut().for_each(|frame| frame.holes.clear());
                Ok(frames)
            }))
            .caught_by(&["removed_events_are_reported_as_holes"]),
        Mutant::new("reports every hole whatever is read")
            .read(broken!(|beneath, selection| {
                let whole =
                    Selection { after: Position::START, up_to: None, limit: None, ..selection.clone() };
                let holes: Vec<_> =
                    beneath.read(whole).await?.into_iter().flat_map(|frame| frame.holes).collect();
                let mut frames = beneath.read(selection).await?;
                if let Some(Frame { holes: told, .. }) = frames.first_mut() {
                    *told = holes;
                }
                Ok(frames)
            }))
            .caught_by(&["holes_keep_to_the_bounds_of_the_reading"]),
        Mutant::new("takes the last readable event for the head")
            .head(|beneath| {
                Box::pin(async move {
                    let LogHead { log, mut heads } = beneath.store.head().await?;
                    let newest = beneath.events(Selection::all().backwards().limit(1)).await?;
                    heads.application = newest.first().map_or(Position::START, |event| event.position());
                    Ok(LogHead { log, heads })
                })
            })
            .caught_by(&["heads_and_positions_never_go_back"]),
        Mutant::new("counts removed events against the limit")
            .read(broken!(|beneath, selection| {
                let (limit, forwards) = (selection.limit, selection.direction == Direction::Forwards);
                let whole = Selection { limit: None, ..selection };
                let mut frames = beneath.read(whole.clone()).await?;
                let (Some(limit), true) = (limit, forwards) else {
                    return beneath.read(Selection { limit, ..whole }).await;
                };
                let holes: Vec<_> = frames.iter().flat_map(|frame| frame.holes.clone()).collect();
                let passed = |at: Position| {
                    let before = |hole: &&ledgerstone_core::Hole| hole.to < at;
                    holes.iter().filter(before).map(|hole| hole.to.0 - hole.from.0 + 1).sum::<u64>()
                };
                let mut yielded = 0;
                for frame in &mut frames {
                    frame.events.retain(|event| {
                        yielded += 1;
                        yielded + passed(event.position()) <= limit
                    });
                }
                Ok(frames)
            }))
            .caught_by(&["a_limit_counts_what_is_left"]),
    ]
}

//! Mutants that append what they should refuse, a part of it, or something else (promises 1, 2, 3, 7).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ledgerstone_core::ExpectedRevision::{Any, At, NoStream, StreamExists};
use ledgerstone_core::{
    Append, Batch, EventStoreError, ExpectedRevision, LogKind, Query, QueryItem, Refusal, Revision,
    Selection, StreamId, StreamState, Tenant, TenantScope, serde_json,
};

use super::broken::{Answer, Beneath, Mutant, broken, each};

pub(super) fn mutants() -> Vec<Mutant> {
    [atomic(), guards(), conditions(), fidelity()].into_iter().flatten().collect()
}

fn atomic() -> Vec<Mutant> {
    vec![
        Mutant::new("drops the last append of a batch")
            .append(broken!(|beneath, mut batch| {
                if batch.appends.len() > 1 {
                    batch.appends.pop();
                }
                beneath.store.append(batch).await
            }))
            .caught_by(&["a_batch_over_several_streams_is_recorded_whole"]),
        Mutant::new("records the appends of a batch one by one")
            .append(broken!(|beneath, batch| one_by_one(&beneath, batch, false).await))
            .caught_by(&[
                "a_batch_refused_by_one_stream_leaves_no_trace_in_the_others",
                "application_and_system_events_of_a_batch_are_recorded_together",
                "the_bounds_of_a_batch_are_told",
            ]),
        Mutant::new("records the appends of a batch from behind")
            .append(broken!(|beneath, batch| one_by_one(&beneath, batch, true).await))
            .caught_by(&["a_truncation_holds_together_with_the_state_that_it_stands_behind"]),
        Mutant::new("changes marks before it looks at the rest")
            .append(broken!(|beneath, batch| {
                if !batch.marks.is_empty() && !batch.appends.is_empty() {
                    let marks = batch.marks.clone();
                    let tenant = batch.tenant.clone();
                    beneath.store.append(Batch { tenant, marks, ..Batch::default() }).await?;
                }
                beneath.store.append(Batch { marks: Vec::new(), ..batch }).await
            }))
            .caught_by(&["a_batch_refused_by_its_condition_leaves_no_trace"]),
        Mutant::new("records events before it looks at marks")
            .append(broken!(|beneath, batch| {
                if !batch.marks.is_empty() && !batch.appends.is_empty() {
                    beneath.store.append(Batch { marks: Vec::new(), ..batch.clone() }).await?;
                    return beneath.store.append(Batch { appends: Vec::new(), ..batch }).await;
                }
                beneath.store.append(batch).await
            }))
            .caught_by(&["a_batch_refused_by_a_mark_records_no_event"]),
        Mutant::new("fails the neighbour of a refused batch")
            .append(broken!(|beneath, batch| {
                let answer = beneath.store.append(batch).await;
                if answer.is_err() {
                    beneath.positions.lock().push(1);
                } else if beneath.positions.lock().pop().is_some() {
                    return failed(Default::default());
                }
                answer
            }))
            .caught_by(&["a_refused_batch_does_not_fail_its_neighbours"]),
    ]
}

async fn one_by_one(beneath: &Beneath, batch: Batch, from_behind: bool) -> Answer {
    if batch.appends.len() < 2 {
        return beneath.store.append(batch).await;
    }
    let mut appends = batch.appends.clone();
    if from_behind {
        appends.reverse();
    }
    let mut whole = beneath.pretend().await?;
    for append in appends {
        let part = Batch { tenant: batch.tenant.clone(), ..Batch::of(append) };
        let answer = beneath.store.append(part).await?;
        whole.ranges.extend(answer.ranges);
        whole.last.application = whole.last.application.max(answer.last.application);
        whole.last.system = whole.last.system.max(answer.last.system);
    }
    Ok(whole)
}

fn guarded(mut batch: Batch, guard: impl Fn(ExpectedRevision) -> ExpectedRevision) -> Batch {
    for append in batch.appends.iter_mut().filter(|append| append.stream.is_some()) {
        append.expected = guard(append.expected);
    }
    batch
}

async fn exists(beneath: &Beneath, tenant: &Tenant, stream: &StreamId, log: LogKind) -> bool {
    let selection = Selection::stream(stream.clone()).of(TenantScope::One(tenant.clone())).log(log);
    beneath.events(selection).await.is_ok_and(|events| !events.is_empty())
}

fn guards() -> Vec<Mutant> {
    vec![
        Mutant::new("lets a new stream exist")
            .append(broken!(|beneath, batch| {
                let guard = |expected| if expected == NoStream { Any } else { expected };
                beneath.store.append(guarded(batch, guard)).await
            }))
            .caught_by(&["a_stream_that_must_not_exist_is_refused_when_it_does"]),
        Mutant::new("lets an existing stream be missing")
            .append(broken!(|beneath, batch| {
                let guard = |expected| if expected == StreamExists { Any } else { expected };
                beneath.store.append(guarded(batch, guard)).await
            }))
            .caught_by(&["a_stream_that_must_exist_is_refused_when_it_does_not"]),
        Mutant::new("ignores exact revisions")
            .append(broken!(|beneath, batch| {
                let guard = |expected| if matches!(expected, At(_)) { Any } else { expected };
                beneath.store.append(guarded(batch, guard)).await
            }))
            .caught_by(&["a_stream_at_another_revision_is_refused"]),
        Mutant::new("expects the revision that follows")
            .append(broken!(|beneath, batch| {
                let guard = |expected| match expected {
                    At(revision) => At(revision.next()),
                    other => other,
                };
                beneath.store.append(guarded(batch, guard)).await
            }))
            .caught_by(&["a_stream_at_the_expected_revision_is_taken"]),
        Mutant::new("takes any revision for a new stream")
            .append(broken!(|beneath, batch| {
                let guard = |expected| if expected == Any { NoStream } else { expected };
                beneath.store.append(guarded(batch, guard)).await
            }))
            .caught_by(&["any_revision_will_do_where_none_is_expected"]),
        Mutant::new("guards both counts of a stream by one")
            .append(broken!(|beneath, batch| {
                for append in batch.appends.iter().filter(|append| append.expected == NoStream) {
                    let other = match append.log() {
                        LogKind::Application => LogKind::System,
                        LogKind::System => LogKind::Application,
                    };
                    let Some(stream) = &append.stream else { continue };
                    if exists(&beneath, &batch.tenant, stream, other).await {
                        let (expected, actual) = (NoStream, StreamState::At(Revision(0)));
                        let stream = stream.clone();
                        return Err(Refusal::WrongRevision { stream, expected, actual }.into());
                    }
                }
                beneath.store.append(batch).await
            }))
            .caught_by(&["the_two_counts_of_a_stream_are_guarded_apart"]),
        Mutant::new("checks the revision, waits, then appends")
            .append(broken!(|beneath, batch| {
                let stream = batch.appends.first().and_then(|append| append.stream.clone());
                let Some(stream) = stream else { return beneath.store.append(batch).await };
                let before = beneath.events(Selection::stream(stream.clone())).await?;
                let state = before.last().and_then(|event| event.revision());
                let actual = state.map_or(StreamState::Missing, StreamState::At);
                let expected = batch.appends[0].expected;
                if !expected.holds(actual) {
                    return Err(Refusal::WrongRevision { stream, expected, actual }.into());
                }
                tokio::time::sleep(Duration::from_millis(3)).await;
                beneath.store.append(guarded(batch, |_| Any)).await
            }))
            .caught_by(&["of_concurrent_appends_at_one_revision_exactly_one_wins"]),
    ]
}

/// Changes the items of a batch's condition.
fn conditional(mut batch: Batch, change: impl Fn(QueryItem) -> Vec<QueryItem>) -> Batch {
    if let Some(condition) = &mut batch.condition {
        let items = condition.fail_if_match.items().iter().cloned();
        condition.fail_if_match = Query::any_of(items.flat_map(change));
    }
    batch
}

fn failed(position: ledgerstone_core::Position) -> Answer {
    Err(EventStoreError::Refused(Refusal::ConditionFailed { position }))
}

fn conditions() -> Vec<Mutant> {
    vec![
        Mutant::new("ignores conditions")
            .append(broken!(|beneath, batch| beneath.store.append(Batch { condition: None, ..batch }).await))
            .caught_by(&[
                "an_event_with_the_tag_refuses_the_batch",
                "an_event_of_the_type_refuses_the_batch",
                "an_event_of_the_stream_or_its_category_refuses_the_batch",
                "an_event_with_the_source_or_the_correlation_refuses_the_batch",
                "any_event_refuses_a_batch_that_wants_none",
                "guards_and_conditions_hold_after_the_store_was_opened_again",
            ]),
        Mutant::new("takes any tag of a condition for all")
            .append(broken!(|beneath, batch| {
                let apart = |item: QueryItem| match item.tags.len() {
                    0 | 1 => vec![item],
                    _ => item
                        .tags
                        .iter()
                        .map(|tag| QueryItem { tags: vec![tag.clone()], ..item.clone() })
                        .collect(),
                };
                beneath.store.append(conditional(batch, apart)).await
            }))
            .caught_by(&["an_item_needs_its_type_and_all_of_its_tags"]),
        Mutant::new("ignores the position of a condition")
            .append(broken!(|beneath, mut batch| {
                if let Some(condition) = &mut batch.condition {
                    condition.after = Default::default();
                }
                beneath.store.append(batch).await
            }))
            .caught_by(&["only_what_stands_after_the_position_counts"]),
        Mutant::new("takes a condition beyond the head for one that holds")
            .append(broken!(|beneath, mut batch| {
                let head = beneath.store.head().await?.heads.application;
                batch.condition = batch.condition.filter(|condition| condition.after <= head);
                beneath.store.append(batch).await
            }))
            .caught_by(&["a_condition_beyond_the_head_is_refused"]),
        Mutant::new("lets conditions see system events")
            .append(broken!(|beneath, batch| {
                if let Some(condition) = &batch.condition {
                    let system = Selection::query(condition.fail_if_match.clone()).log(LogKind::System);
                    if let Some(event) = beneath.events(system).await?.first() {
                        return failed(event.position());
                    }
                }
                beneath.store.append(batch).await
            }))
            .caught_by(&["system_events_are_not_seen_by_conditions"]),
        Mutant::new("lets a batch fail by its own events")
            .append(broken!(|beneath, batch| {
                let items = batch.condition.iter().flat_map(|condition| condition.fail_if_match.items());
                let own = items.into_iter().any(|item| {
                    batch.events().any(|event| item.tags.iter().any(|tag| event.tags.contains(tag)))
                });
                if own { failed(Default::default()) } else { beneath.store.append(batch).await }
            }))
            .caught_by(&["the_batch_does_not_see_its_own_events"]),
        Mutant::new("checks the condition, waits, then appends")
            .append(broken!(|beneath, batch| {
                if let Some(condition) = &batch.condition {
                    let seen = Selection::query(condition.fail_if_match.clone()).after(condition.after);
                    if let Some(event) = beneath.events(seen).await?.first() {
                        return failed(event.position());
                    }
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
                beneath.store.append(Batch { condition: None, ..batch }).await
            }))
            .caught_by(&["of_concurrent_batches_under_one_condition_exactly_one_wins"]),
        Mutant::new("fails a condition by whatever was appended")
            .append(broken!(|beneath, batch| {
                beneath.store.append(conditional(batch, |_| Vec::new())).await
            }))
            .caught_by(&["concurrent_batches_under_different_conditions_all_win"]),
    ]
}

fn ascii(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
}

fn fidelity() -> Vec<Mutant> {
    vec![
        Mutant::new("drops metadata entries")
            .append(broken!(|beneath, batch| {
                beneath.store.append(each(batch, |event| event.metadata.entries.clear())).await
            }))
            .caught_by(&["every_field_comes_back"]),
        Mutant::new("forgets that an event carries state")
            .append(broken!(|beneath, batch| {
                beneath.store.append(each(batch, |event| event.carries_state = false)).await
            }))
            .caught_by(&["every_field_comes_back"]),
        Mutant::new("takes no payload for null")
            .append(broken!(|beneath, batch| {
                let filled = |payload: &Bytes| payload.is_empty().then(|| Bytes::from_static(b"null"));
                let fill = |event: &mut ledgerstone_core::EventData| {
                    event.payload = filled(&event.payload).unwrap_or_else(|| event.payload.clone());
                };
                beneath.store.append(each(batch, fill)).await
            }))
            .caught_by(&["an_event_with_nothing_but_a_type_comes_back"]),
        Mutant::new("writes JSON again in its own way")
            .append(broken!(|beneath, batch| {
                let compact = |event: &mut ledgerstone_core::EventData| {
                    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(&event.payload) {
                        event.payload = value.to_string().into();
                    }
                };
                beneath.store.append(each(batch, compact)).await
            }))
            .caught_by(&["payloads_come_back_byte_for_byte"]),
        Mutant::new("cuts payloads")
            .append(broken!(|beneath, batch| {
                beneath.store.append(each(batch, |event| event.payload.truncate(65_536))).await
            }))
            .caught_by(&["a_payload_of_a_megabyte_comes_back"]),
        Mutant::new("knows ASCII only")
            .append(broken!(|beneath, mut batch| {
                for append in &mut batch.appends {
                    append.stream =
                        append.stream.as_ref().and_then(|name| StreamId::new(ascii(name.as_str())).ok());
                }
                beneath.store.append(batch).await
            }))
            .caught_by(&["names_beyond_ascii_come_back"]),
        Mutant::new("folds the case of names")
            .append(broken!(|beneath, mut batch| {
                let lower = |name: &StreamId| StreamId::new(name.as_str().to_lowercase()).ok();
                for append in &mut batch.appends {
                    append.stream = append.stream.as_ref().and_then(lower);
                }
                beneath.store.append(batch).await
            }))
            .caught_by(&["names_are_compared_as_bytes"]),
        Mutant::new("keeps metadata entries as a map")
            .append(broken!(|beneath, batch| {
                let sort = |event: &mut ledgerstone_core::EventData| {
                    event.metadata.entries.sort();
                    event.metadata.entries.dedup_by(|later, earlier| later.0 == earlier.0);
                };
                beneath.store.append(each(batch, sort)).await
            }))
            .caught_by(&["metadata_entries_keep_their_order_and_their_doubles"]),
        Mutant::new("drops the offsets of times")
            .append(broken!(|beneath, batch| {
                let in_utc = |event: &mut ledgerstone_core::EventData| {
                    let occurred = event.metadata.occurred_at.iter_mut();
                    occurred.for_each(|time| time.offset = None);
                };
                beneath.store.append(each(batch, in_utc)).await
            }))
            .caught_by(&["times_keep_their_offsets"]),
        Mutant::new("gives events without a stream a stream")
            .append(broken!(|beneath, mut batch| {
                for append in batch.appends.iter_mut().filter(|append| append.stream.is_none()) {
                    *append = Append { stream: StreamId::new("log").ok(), ..append.clone() };
                }
                Arc::clone(&beneath.store).append(batch).await
            }))
            .caught_by(&["events_without_a_stream_have_a_position_and_no_revision"]),
    ]
}

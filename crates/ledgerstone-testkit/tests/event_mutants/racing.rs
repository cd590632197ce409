//! Mutants that only many callers at once find out: they look, wait, and then act.

use std::time::Duration;

use ledgerstone_core::{
    Appended, AppendedRange, Batch, EventStoreError, ExpectedRevision, Heads, LogHead, LogKind, Position,
    Refusal, Revision, Selection, StreamState, TenantScope,
};

use super::broken::{Mutant, broken, rewrite_all, with_new_ids};

/// Long enough for somebody else to come between.
const A_MOMENT: Duration = Duration::from_millis(2);

pub(super) fn mutants() -> Vec<Mutant> {
    [appending(), reading()].into_iter().flatten().collect()
}

/// Takes the guards away.
fn unguarded(mut batch: Batch) -> Batch {
    batch.appends.iter_mut().for_each(|append| append.expected = ExpectedRevision::Any);
    batch
}

fn appending() -> Vec<Mutant> {
    vec![
        Mutant::new("forgets a part of some batches of two counts")
            .append(broken!(|beneath, mut batch| {
                if batch.appends.len() > 2 {
                    batch.appends.pop();
                }
                beneath.store.append(batch).await
            }))
            .caught_by(&["batches_of_many_writers_are_there_whole_or_not_at_all"]),
        Mutant::new("looks where a stream stands, waits, and appends whatever came between")
            .append(broken!(|beneath, batch| {
                for append in &batch.appends {
                    let Some(stream) = append.stream.clone() else { continue };
                    let of = TenantScope::One(batch.tenant.clone());
                    let newest = Selection::stream(stream.clone()).of(of).log(append.log()).backwards();
                    let newest = beneath.events(newest.limit(1)).await?;
                    let newest = newest.first().and_then(|event| event.revision());
                    let actual = newest.map_or(StreamState::Missing, StreamState::At);
                    let expected = append.expected;
                    if !expected.holds(actual) {
                        return Err(Refusal::WrongRevision { stream, expected, actual }.into());
                    }
                }
                tokio::time::sleep(A_MOMENT).await;
                beneath.store.append(unguarded(batch)).await
            }))
            .caught_by(&["guards_of_many_writers_held_where_their_batches_stand"]),
        Mutant::new("refuses by where a stream stood a while ago")
            .append(broken!(|beneath, batch| {
                let answer = beneath.store.append(batch).await;
                match answer {
                    Err(EventStoreError::Refused(Refusal::WrongRevision {
                        stream,
                        expected,
                        actual: StreamState::At(revision),
                    })) if revision.0 > 0 => {
                        let actual = StreamState::At(Revision(revision.0 - 1));
                        Err(Refusal::WrongRevision { stream, expected, actual }.into())
                    }
                    answer => answer,
                }
            }))
            .caught_by(&["guards_of_many_writers_held_where_their_batches_stand"]),
        Mutant::new("looks whether a condition holds, waits, and appends whatever came between")
            .append(broken!(|beneath, batch| {
                if let Some(condition) = &batch.condition {
                    let of = TenantScope::One(batch.tenant.clone());
                    let seen =
                        Selection::query(condition.fail_if_match.clone()).after(condition.after).of(of);
                    let head = beneath.store.head().await?.heads.application;
                    if condition.after <= head {
                        if let Some(event) = beneath.events(seen).await?.first() {
                            return Err(Refusal::ConditionFailed { position: event.position() }.into());
                        }
                        tokio::time::sleep(A_MOMENT).await;
                        return beneath.store.append(Batch { condition: None, ..batch }).await;
                    }
                }
                beneath.store.append(batch).await
            }))
            .caught_by(&["conditions_of_many_writers_held_where_their_batches_stand"]),
        Mutant::new("records what is asked for again as something new")
            .append(broken!(|beneath, batch| {
                let ids: Vec<_> = batch.events().map(|event| event.id).collect();
                let mut asked = beneath.batches.lock().clone();
                asked.retain(|(known, _)| known.events().map(|event| event.id).eq(ids.iter().copied()));
                if let Some((_, answer)) = asked.pop() {
                    return Ok(Appended { repeated: true, ..answer });
                }
                tokio::time::sleep(A_MOMENT).await;
                let known = beneath.events(Selection::all().of(TenantScope::All)).await?;
                let twice = batch.events().any(|event| known.iter().any(|known| known.id() == event.id));
                let again = if twice { with_new_ids(batch.clone()) } else { batch.clone() };
                let answer = beneath.store.append(again).await?;
                beneath.batches.lock().push((batch, answer.clone()));
                Ok(answer)
            }))
            .caught_by(&["batches_that_many_writers_repeat_are_recorded_once"]),
        Mutant::new("answers before it records")
            .append(broken!(|beneath, batch| {
                let head = beneath.store.head().await?.heads.application;
                let plain = batch.events().all(|event| event.log() == LogKind::Application);
                if !beneath.asked_before() || !plain || batch.appends.len() > 1 {
                    return beneath.store.append(batch).await;
                }
                let (first, last) = (head.next(), Position(head.0 + batch.events().count() as u64));
                let answer = beneath.pretend().await?;
                tokio::spawn(async move {
                    tokio::time::sleep(A_MOMENT).await;
                    beneath.store.append(batch).await
                });
                let last_of = Heads { application: last, ..Heads::default() };
                let ranges = vec![AppendedRange { first, last, revision: None }];
                Ok(Appended { last: last_of, ranges, ..answer })
            }))
            .caught_by(&["batches_stand_in_an_order_that_contradicts_no_writer"]),
        Mutant::new("looks at a mark, waits, and changes what came between")
            .append(broken!(|beneath, batch| {
                if batch.marks.is_empty() {
                    return beneath.store.append(batch).await;
                }
                tokio::time::sleep(A_MOMENT).await;
                match beneath.store.append(batch.clone()).await {
                    Err(EventStoreError::Refused(Refusal::MarkNotMet { .. })) => {
                        beneath.store.append(Batch { marks: Vec::new(), ..batch }).await
                    }
                    answer => answer,
                }
            }))
            .caught_by(&["marks_of_many_writers_change_one_by_one"]),
    ]
}

fn reading() -> Vec<Mutant> {
    vec![
        Mutant::new("reads from a copy that lags behind")
            .read(broken!(|beneath, selection| {
                let head = beneath.store.head().await?.heads.of(selection.log);
                let up_to = Position(if head.0 > 8 { head.0 - 4 } else { head.0 });
                let mut frames = beneath.read(selection.clone()).await?;
                for frame in &mut frames {
                    frame.events.retain(|event| event.position() <= up_to);
                    frame.read_to = frame.read_to.min(up_to).max(selection.after);
                }
                Ok(frames)
            }))
            .caught_by(&["readers_beside_many_writers_see_what_was_there"]),
        Mutant::new("tells of heads that are not reached yet")
            .head(|beneath| {
                Box::pin(async move {
                    let LogHead { log, mut heads } = beneath.store.head().await?;
                    heads.application = heads.application.next();
                    Ok(LogHead { log, heads })
                })
            })
            .caught_by(&["readers_beside_many_writers_see_what_was_there"]),
        Mutant::new("shows every seventh event without its payload")
            .read(broken!(|beneath, selection| {
                rewrite_all(beneath.read(selection).await, |parts| {
                    if parts.stamp.position.0.is_multiple_of(7) {
                        parts.data.payload = Default::default();
                    }
                })
            }))
            .caught_by(&["batches_of_many_writers_are_there_whole_or_not_at_all"]),
    ]
}
